/* Control messages to protobuf and back, and the bytes of a frame; see codec.h. */
#include "runtime/wire/codec.h"

#include <stdlib.h>
#include <string.h>

#include <reeve_errors.h>

#include "runtime/base/assert.h"
#include "runtime/base/utf8.h"

#define FRAME_TAG 0x0a /* field 1, length-delimited */

/* Kinds that make no sense without their class. */
static bool needs_class(uint32_t kind)
{
    switch (kind) {
    case REEVE_MESSAGE_HOLDING:
    case REEVE_MESSAGE_DEMAND:
    case REEVE_MESSAGE_GRANT:
    case REEVE_MESSAGE_INFEASIBLE:
    case REEVE_MESSAGE_OPEN: return true;
    default: return false;
    }
}

static bool class_is_zero(const struct reeve_class *class)
{
    static const uint8_t zero[REEVE_PROGRAM_HASH_SIZE];
    return class->job == 0 && class->cpu_milli == 0 && class->priority == 0 && class->owner == 0 &&
           class->host == 0 && class->table == 0 && memcmp(class->program, zero, sizeof zero) == 0;
}

/* --- to protobuf -------------------------------------------------------------------------- */

/* NULL for an empty string: it stays off the wire. The caller's array must hold a NUL. */
static char *string_out(const char *text, size_t capacity)
{
    REEVE_ASSERT(memchr(text, 0, capacity) != NULL);
    return text[0] != 0 ? (char *)text : NULL;
}

const Reeve__Message *reeve_control_view(
    const struct reeve_message *message, struct reeve_control_view *view)
{
    REEVE_ASSERT(message->kind > REEVE_MESSAGE_NONE && message->kind < REEVE_MESSAGE_KIND_COUNT);
    Reeve__Control *control = &view->control;
    reeve__control__init(control);
    control->kind = message->kind;
#define FIELD_OUT(field)                            \
    do {                                            \
        control->has_##field = message->field != 0; \
        control->field = message->field;            \
    } while (0)
    FIELD_OUT(code);
    FIELD_OUT(node);
    FIELD_OUT(cpu_milli);
    FIELD_OUT(uid);
    FIELD_OUT(incarnation);
    FIELD_OUT(memory_bytes);
    FIELD_OUT(lease);
    FIELD_OUT(count);
    FIELD_OUT(held_bytes);
    FIELD_OUT(object_count);
    FIELD_OUT(actor_number);
    FIELD_OUT(actor_host);
    FIELD_OUT(process);
    FIELD_OUT(worker);
#undef FIELD_OUT
    if (needs_class(message->kind) || !class_is_zero(&message->class)) {
        reeve__class__init(&view->class);
        view->class.job = message->class.job;
        view->class.program.data = (uint8_t *)message->class.program;
        view->class.program.len = REEVE_PROGRAM_HASH_SIZE;
        view->class.cpu_milli = message->class.cpu_milli;
        view->class.has_priority = message->class.priority != 0;
        view->class.priority = message->class.priority;
        view->class.has_owner = message->class.owner != 0;
        view->class.owner = message->class.owner;
        view->class.has_host = message->class.host != 0;
        view->class.host = message->class.host;
        view->class.has_table = message->class.table != 0;
        view->class.table = message->class.table;
        control->class_ = &view->class;
    }
    control->host = string_out(message->host, sizeof message->host);
    control->address = string_out(message->address, sizeof message->address);
    control->text = string_out(message->text, sizeof message->text);

    reeve__message__init(&view->message);
    view->message.body_case = REEVE__MESSAGE__BODY_CONTROL;
    view->message.control = control;
    return &view->message;
}

size_t reeve_control_pack(const struct reeve_message *message, uint8_t *out, size_t capacity)
{
    struct reeve_control_view view;
    reeve_control_view(message, &view);
    size_t size = reeve__control__get_packed_size(&view.control);
    if (size <= capacity)
        reeve__control__pack(&view.control, out);
    return size;
}

/* --- from protobuf ------------------------------------------------------------------------ */

/* Others may have cut it off in the middle of a character, or never looked what it is. */
static bool string_in(const char *text, char *out, size_t capacity)
{
    if (text == NULL)
        return true;
    size_t length = strlen(text);
    if (length >= capacity)
        return false;
    memcpy(out, text, length + 1);
    reeve_utf8_mend(out);
    return true;
}

int reeve_control_decode(const Reeve__Control *control, struct reeve_message *ret)
{
    if (control->kind == REEVE_MESSAGE_NONE || control->kind >= REEVE_MESSAGE_KIND_COUNT)
        return REEVE_EPROTOCOL;
    struct reeve_message message;
    memset(&message, 0, sizeof message); /* padding too: the struct is compared and replayed */
    message.kind = (enum reeve_message_kind)control->kind;
    message.code = control->code;
    message.node = control->node;
    message.cpu_milli = control->cpu_milli;
    message.uid = control->uid;
    message.incarnation = control->incarnation;
    message.memory_bytes = control->memory_bytes;
    message.lease = control->lease;
    message.count = control->count;
    message.held_bytes = control->held_bytes;
    message.object_count = control->object_count;
    message.actor_number = control->actor_number;
    message.actor_host = control->actor_host;
    message.process = control->process;
    message.worker = control->worker;
    if (control->class_ != NULL) {
        const Reeve__Class *class = control->class_;
        if (class->program.len != REEVE_PROGRAM_HASH_SIZE)
            return REEVE_EPROTOCOL;
        message.class.job = class->job;
        memcpy(message.class.program, class->program.data, REEVE_PROGRAM_HASH_SIZE);
        message.class.cpu_milli = class->cpu_milli;
        message.class.priority = class->priority;
        message.class.owner = class->owner;
        message.class.host = class->host;
        message.class.table = class->table;
    } else if (needs_class(control->kind)) {
        return REEVE_EPROTOCOL;
    }
    if (!string_in(control->host, message.host, sizeof message.host) ||
        !string_in(control->address, message.address, sizeof message.address) ||
        !string_in(control->text, message.text, sizeof message.text))
        return REEVE_EPROTOCOL;
    memcpy(ret, &message, sizeof message);
    return REEVE_OK;
}

/* --- frames ------------------------------------------------------------------------------- */

static size_t varint_size(size_t value)
{
    size_t size = 1;
    while (value >= 0x80) {
        value >>= 7;
        size++;
    }
    return size;
}

size_t reeve_frame_message_size(const Reeve__Message *message)
{
    size_t size = reeve__message__get_packed_size(message);
    return 1 + varint_size(size) + size;
}

size_t reeve_frame_message_pack(const Reeve__Message *message, uint8_t *out)
{
    size_t size = reeve__message__get_packed_size(message);
    uint8_t *at = out;
    *at++ = FRAME_TAG;
    size_t rest = size;
    while (rest >= 0x80) {
        *at++ = (uint8_t)(rest | 0x80);
        rest >>= 7;
    }
    *at++ = (uint8_t)rest;
    reeve__message__pack(message, at);
    return (size_t)(at - out) + size;
}

int reeve_frame_next(
    const uint8_t **data, size_t *size, const uint8_t **message, size_t *message_size)
{
    const uint8_t *at = *data, *end = at + *size;
    if (at == end || *at++ != FRAME_TAG)
        return REEVE_EPROTOCOL;
    size_t length = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (at == end || shift > 28)
            return REEVE_EPROTOCOL;
        uint8_t byte = *at++;
        length |= (size_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            break;
    }
    if (length > (size_t)(end - at))
        return REEVE_EPROTOCOL;
    *message = at;
    *message_size = length;
    *data = at + length;
    *size = (size_t)(end - *data);
    return REEVE_OK;
}

/* --- decoding memory ---------------------------------------------------------------------- */

struct overflow {
    void *next;
    max_align_t data[];
};

static void *decoder_alloc(void *arg, size_t size)
{
    struct reeve_decoder *decoder = arg;
    size_t rounded = (size + 15) & ~(size_t)15;
    if (decoder->block == NULL)
        decoder->block = malloc(REEVE_DECODER_BLOCK_SIZE);
    if (decoder->block != NULL && rounded >= size &&
        rounded <= REEVE_DECODER_BLOCK_SIZE - decoder->used) {
        void *memory = decoder->block + decoder->used;
        decoder->used += rounded;
        return memory;
    }
    if (size > REEVE_DECODER_OVERFLOW_MAX - decoder->overflow_size)
        return NULL;
    struct overflow *overflow = malloc(sizeof *overflow + size);
    if (overflow == NULL)
        return NULL;
    overflow->next = decoder->overflow;
    decoder->overflow = overflow;
    decoder->overflow_size += size;
    return overflow->data;
}

static void decoder_free(void *arg, void *memory)
{
    (void)arg; /* everything goes at once, in reset */
    (void)memory;
}

void reeve_decoder_init(struct reeve_decoder *decoder)
{
    memset(decoder, 0, sizeof *decoder);
    decoder->allocator.alloc = decoder_alloc;
    decoder->allocator.free = decoder_free;
    decoder->allocator.allocator_data = decoder;
}

void reeve_decoder_reset(struct reeve_decoder *decoder)
{
    while (decoder->overflow != NULL) {
        struct overflow *overflow = decoder->overflow;
        decoder->overflow = overflow->next;
        free(overflow);
    }
    decoder->overflow_size = 0;
    decoder->used = 0;
}

void reeve_decoder_fini(struct reeve_decoder *decoder)
{
    reeve_decoder_reset(decoder);
    free(decoder->block);
    decoder->block = NULL;
}

const Reeve__Message *reeve_decoder_decode(
    struct reeve_decoder *decoder, const uint8_t *bytes, size_t size)
{
    reeve_decoder_reset(decoder);
    const Reeve__Message *plain = reeve_plain_decode(&decoder->plain, bytes, size);
    if (plain != NULL)
        return plain;
    Reeve__Message *message = reeve__message__unpack(&decoder->allocator, size, bytes);
    if (message == NULL || message->body_case == REEVE__MESSAGE__BODY__NOT_SET)
        return NULL;
    return message;
}
