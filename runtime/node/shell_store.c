/* The store's shell: events in, commands carried out. See shell_store.h. */
#include "runtime/node/shell_store.h"

#include <errno.h>
#include <inttypes.h>
#include <reeve_errors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/assert.h"
#include "runtime/base/clock.h"
#include "runtime/base/errors.h"
#include "runtime/base/limits.h"
#include "runtime/base/log.h"
#include "runtime/base/macros.h"
#include "runtime/node/shell_store_internal.h"
#include "runtime/node/shell_transfer.h"

#define MEMORY_PERIOD_NS (100 * REEVE_NS_PER_MS)

/* --- commands --------------------------------------------------------------------------------- */

static void send_client(struct reeve_store_shell *shell, uint32_t client,
    struct reeve_local_message *message, const char *text)
{
    if (message->code != REEVE_OK)
        reeve_local_set_text(message, "%s", text);
    (void)shell->callbacks.send_client(shell->arg, client, message);
}

static void segment_create(
    struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    char why[REEVE_LIMITS_TEXT_SIZE];
    int error = reeve_segments_add(shell->segments, command->segment, command->size);
    if (error == REEVE_OK)
        return;
    shell->segment_failed = errno;
    reeve_log(REEVE_LOG_ERROR, "REEVE-STORE-SEGMENT",
        "segment=%" PRIu32 " size=%" PRIu64 " error=%s os=%s", command->segment, command->size,
        reeve_strerror(error), reeve_limits_text(errno, why));
}

static void segment_show(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_SEGMENT,
        .segment = command->segment,
        .size = command->size,
        .count = command->segment_serial,
        .flags = command->writable ? REEVE_LOCAL_SEGMENT_WRITABLE : 0,
        .fd_count = 1};
    int error = reeve_segments_descriptor(
        shell->segments, command->segment, command->writable, &message.fds[0]);
    if (error != REEVE_OK) { /* the answer that names it will be an error, or fail at the client */
        reeve_log(REEVE_LOG_ERROR, "REEVE-STORE-DESCRIPTOR", "segment=%" PRIu32 " error=%s os=%s",
            command->segment, reeve_strerror(error), strerror(errno));
        return;
    }
    send_client(shell, command->client, &message, "");
    close(message.fds[0]);
}

/* A command that names a place which could not be made: its receiver is told so. */
static bool place_is_missing(
    const struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    return command->code == REEVE_OK && !reeve_segments_good(shell->segments, command->segment);
}

static void missing_words(const struct reeve_store_shell *shell, char *text, size_t size)
{
    char why[REEVE_LIMITS_TEXT_SIZE];
    snprintf(text, size, "the node daemon could not make shared memory: %s",
        reeve_limits_text(shell->segment_failed, why));
}

static void reply_create(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_CREATED,
        .request = command->request,
        .code = command->code,
        .segment = command->segment,
        .offset = command->offset,
        .size = command->size};
    if (!place_is_missing(shell, command)) {
        send_client(shell, command->client, &message, command->text);
        return;
    }
    char text[sizeof(command->text)];
    message.code = REEVE_ESYSTEM;
    missing_words(shell, text, sizeof(text));
    send_client(shell, command->client, &message, text);
    reeve_store_shell_event(shell, &(struct reeve_store_event){.kind = REEVE_STORE_ABORT,
                                       .client = command->client,
                                       .segment = command->segment,
                                       .offset = command->offset});
}

static void reply_get(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    struct reeve_store_command answer = *command;
    if (place_is_missing(shell, command)) {
        answer.code = REEVE_ESYSTEM;
        missing_words(shell, answer.text, sizeof(answer.text));
        reeve_store_shell_event(
            shell, &(struct reeve_store_event){
                       .kind = REEVE_STORE_UNPIN, .client = command->client, .id = command->id});
    }
    if (command->client == REEVE_STORE_DAEMON) {
        reeve_stage_got(shell, &answer);
        return;
    }
    struct reeve_local_message message = {.kind = REEVE_LOCAL_GOT,
        .request = answer.request,
        .code = answer.code,
        .object = answer.id,
        .segment = answer.segment,
        .offset = answer.offset,
        .size = answer.size};
    send_client(shell, answer.client, &message, answer.text);
}

static void reply_seal(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_SEALED,
        .request = command->request,
        .code = command->code,
        .object = command->id,
        .segment = command->segment,
        .count = command->segment_serial,
        .offset = command->offset,
        .flags = command->anchored ? REEVE_LOCAL_OBJECT_ANCHOR : 0};
    send_client(shell, command->client, &message, command->text);
}

static void relax(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_RELAX, .size = command->size};
    send_client(shell, command->client, &message, "");
}

static void over(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_OVER, .object = command->id};
    send_client(shell, command->client, &message, "");
}

static void tell_heir(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_GIVEN,
        .object = command->id,
        .node = command->node,
        .task = command->token,
        .token = command->call,
        .count = command->attempt};
    send_client(shell, command->client, &message, "");
}

static Reeve__ObjectId id_of(struct reeve_object_id id)
{
    Reeve__ObjectId ret = REEVE__OBJECT_ID__INIT;
    ret.owner = id.owner;
    ret.sequence = id.sequence;
    return ret;
}

static void send_give(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    Reeve__ObjectId id = id_of(command->id);
    Reeve__ObjectGive give = REEVE__OBJECT_GIVE__INIT;
    give.id = &id;
    give.process = command->process;
    give.number = command->number;
    give.call = command->call;
    give.attempt = command->attempt;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    message.body_case = REEVE__MESSAGE__BODY_OBJECT_GIVE;
    message.object_give = &give;
    shell->callbacks.send_node(shell->arg, command->node, &message);
}

static void send_given(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    Reeve__ObjectId id = id_of(command->id);
    Reeve__ObjectGiven given = REEVE__OBJECT_GIVEN__INIT;
    given.id = &id;
    given.process = command->process;
    given.number = command->number;
    given.token = command->token;
    given.call = command->call;
    given.attempt = command->attempt;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    message.body_case = REEVE__MESSAGE__BODY_OBJECT_GIVEN;
    message.object_given = &given;
    shell->callbacks.send_node(shell->arg, command->node, &message);
}

static void send_word(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    if (command->word == REEVE_STORE_WORD_GIVE) {
        send_give(shell, command);
        return;
    }
    if (command->word == REEVE_STORE_WORD_GIVEN) {
        send_given(shell, command);
        return;
    }
    Reeve__ObjectId id = id_of(command->id), *ids[] = {&id};
    Reeve__ObjectFree object_free = REEVE__OBJECT_FREE__INIT;
    object_free.n_ids = 1;
    object_free.ids = ids;
    object_free.has_number = 1;
    object_free.number = command->number;
    if (command->word == REEVE_STORE_WORD_STRAY) {
        object_free.has_stray = object_free.stray = 1;
    } else if (command->word != REEVE_STORE_WORD_FREE) {
        object_free.has_holder = object_free.has_token = object_free.has_ends = 1;
        object_free.holder = command->process;
        object_free.token = command->token;
        object_free.ends = command->word == REEVE_STORE_WORD_UNHOLD;
        object_free.has_heir = command->word == REEVE_STORE_WORD_MOVE;
        object_free.has_call = object_free.has_attempt = object_free.has_heir;
        object_free.heir = command->heir;
        object_free.call = command->call;
        object_free.attempt = command->attempt;
    }
    Reeve__Message message = REEVE__MESSAGE__INIT;
    message.body_case = REEVE__MESSAGE__BODY_OBJECT_FREE;
    message.object_free = &object_free;
    shell->callbacks.send_node(shell->arg, command->node, &message);
}

static void segment_prepare(
    struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    int fd, code = reeve_segments_descriptor(shell->segments, command->segment, true, &fd);
    if (code == REEVE_OK) {
        code = shell->callbacks.prepare == NULL
                   ? REEVE_ESYSTEM
                   : shell->callbacks.prepare(
                         shell->arg, fd, command->segment, command->offset, command->length);
        if (code != REEVE_OK)
            close(fd);
    }
    if (code != REEVE_OK)
        reeve_store_shell_prepared(shell, command->segment, command->offset, code);
}

/* Where it cannot be done in the background, the loop has to wait for it. */
static void segment_return(
    struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    int fd, code = reeve_segments_descriptor(shell->segments, command->segment, true, &fd);
    if (code == REEVE_OK) {
        if (shell->callbacks.give_back != NULL &&
            shell->callbacks.give_back(
                shell->arg, fd, command->segment, command->offset, command->length) == REEVE_OK)
            return;
        close(fd);
    }
    code =
        reeve_segments_punch(shell->segments, command->segment, command->offset, command->length);
    reeve_store_shell_returned(shell, command->segment, command->offset, code);
}

static void segment_ready(
    struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_SEGMENT_READY,
        .segment = command->segment,
        .offset = command->offset,
        .size = command->length};
    send_client(shell, command->client, &message, "");
}

static void carry_out(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    struct reeve_local_message gone = {
        .kind = REEVE_LOCAL_SEGMENT_GONE, .segment = command->segment};
    switch (command->kind) {
    case REEVE_STORE_SEGMENT_CREATE: segment_create(shell, command); return;
    case REEVE_STORE_SEGMENT_SHOW: segment_show(shell, command); return;
    case REEVE_STORE_SEGMENT_HIDE: send_client(shell, command->client, &gone, ""); return;
    case REEVE_STORE_SEGMENT_PUNCH:
        (void)reeve_segments_punch(
            shell->segments, command->segment, command->offset, command->length);
        return;
    case REEVE_STORE_SEGMENT_DROP: reeve_segments_drop(shell->segments, command->segment); return;
    case REEVE_STORE_REPLY_CREATE: reply_create(shell, command); return;
    case REEVE_STORE_REPLY_SEAL: reply_seal(shell, command); return;
    case REEVE_STORE_REPLY_GET: reply_get(shell, command); return;
    case REEVE_STORE_SEND_PULL: reeve_transfer_pull(shell, command); return;
    case REEVE_STORE_DROP_PULL: reeve_transfer_drop(shell, command); return;
    case REEVE_STORE_SEND_CHUNK: reeve_transfer_send(shell, command); return;
    case REEVE_STORE_SEND_FREE: send_word(shell, command); return;
    case REEVE_STORE_SPILL_WRITE:
    case REEVE_STORE_SPILL_READ:
    case REEVE_STORE_SPILL_PUNCH:
    case REEVE_STORE_SPILL_CLOSE:
        if (shell->spill != NULL)
            reeve_spill_command(shell->spill, command);
        return;
    case REEVE_STORE_SEGMENT_PREPARE: segment_prepare(shell, command); return;
    case REEVE_STORE_SEGMENT_READY: segment_ready(shell, command); return;
    case REEVE_STORE_SEGMENT_RETURN: segment_return(shell, command); return;
    case REEVE_STORE_RELAX: relax(shell, command); return;
    case REEVE_STORE_OVER: over(shell, command); return;
    case REEVE_STORE_TELL_HEIR: tell_heir(shell, command); return;
    case REEVE_STORE_COMMAND_KIND_COUNT: break;
    }
    REEVE_ASSERT(!"a command of the store");
}

/* --- events ----------------------------------------------------------------------------------- */

static void carry(struct reeve_store_shell *shell)
{
    struct reeve_store_command command;
    if (shell->carrying)
        return; /* further out, behind those before */
    shell->carrying = true;
    while (reeve_fifo_pop(&shell->commands, &command))
        carry_out(shell, &command);
    shell->carrying = false;
}

void reeve_store_shell_event(struct reeve_store_shell *shell, const struct reeve_store_event *event)
{
    reeve_store_step(shell->store, reeve_clock_monotonic_ns(), event, &shell->commands);
    carry(shell);
    if (shell->callbacks.wake != NULL)
        shell->callbacks.wake(shell->arg); /* the deadline may have changed */
}

void reeve_store_shell_look_at_memory(struct reeve_store_shell *shell, uint64_t bytes)
{
    struct reeve_store_status status;
    reeve_store_status(shell->store, &status);
    uint64_t now_ns = reeve_clock_monotonic_ns();
    if (shell->memory_ns != 0 && now_ns - shell->memory_ns < MEMORY_PERIOD_NS &&
        status.growth_bytes > bytes + REEVE_STORE_GRAIN)
        return;
    if (shell->memory_ns == now_ns)
        return;
    shell->memory_ns = now_ns;
    reeve_store_shell_event(
        shell, &(struct reeve_store_event){.kind = REEVE_STORE_MEMORY,
                   .size = reeve_segments_spare(shell->segments, status.committed_bytes)});
}

static void spill_done(void *arg, const struct reeve_store_event *event)
{
    reeve_store_shell_event(arg, event);
}

int reeve_store_shell_create(
    const struct reeve_store_shell_settings *settings, struct reeve_store_shell **ret)
{
    struct reeve_store_shell *shell = calloc(1, sizeof(*shell));
    if (shell == NULL)
        return REEVE_ENOMEM;
    shell->callbacks = settings->callbacks;
    shell->arg = settings->arg;
    struct reeve_store_settings own = settings->store;
    shell->capacity_bytes = own.capacity_bytes;
    shell->folders = own.spill_folders;
    shell->segments = reeve_segments_create();
    shell->scratch = malloc(REEVE_STORE_CHUNK_SIZE);
    struct reeve_spill_settings spill = {.loop = settings->loop,
        .segments = shell->segments,
        .folders = own.spill_folders,
        .folder_count = own.spill_folder_count,
        .done = spill_done,
        .arg = shell};
    if (shell->segments == NULL || shell->scratch == NULL ||
        (spill.folder_count > 0 && reeve_spill_create(&spill, &shell->spill) != REEVE_OK)) {
        reeve_store_shell_free(shell);
        return REEVE_ENOMEM;
    }
    shell->node = own.node;
    reeve_fifo_init(&shell->commands, sizeof(struct reeve_store_command));
    reeve_fifo_init(&shell->late, sizeof(struct late_message));
    reeve_transfer_init(shell);
    shell->store = reeve_store_create(&own);
    if (reeve_stage_init(shell) != REEVE_OK) {
        reeve_store_shell_free(shell);
        return REEVE_ENOMEM;
    }
    *ret = shell;
    if (own.prefault)
        reeve_store_shell_look_at_memory(shell, 0); /* and it begins */
    return REEVE_OK;
}

void reeve_store_shell_end_disk(struct reeve_store_shell *shell)
{
    reeve_spill_free(shell->spill);
    shell->spill = NULL;
}

void reeve_store_shell_free(struct reeve_store_shell *shell)
{
    if (shell == NULL)
        return;
    reeve_store_shell_end_disk(shell);
    if (shell->store != NULL) {
        reeve_stage_fini(shell);
        reeve_store_free(shell->store);
        reeve_transfer_fini(shell);
        reeve_fifo_fini(&shell->commands);
        reeve_fifo_fini(&shell->late);
    }
    reeve_segments_free(shell->segments);
    free(shell->scratch);
    free(shell);
}

void reeve_store_shell_node(struct reeve_store_shell *shell, uint32_t node)
{
    shell->node = node;
    reeve_store_shell_event(
        shell, &(struct reeve_store_event){.kind = REEVE_STORE_NODE, .node = node});
}

void reeve_store_shell_host(struct reeve_store_shell *shell, uint32_t node, const char *host)
{
    reeve_store_shell_event(
        shell, &(struct reeve_store_event){.kind = REEVE_STORE_HOST, .node = node, .text = host});
}

void reeve_store_shell_client_added(
    struct reeve_store_shell *shell, uint32_t client, reeve_process_id process)
{
    reeve_store_shell_event(
        shell, &(struct reeve_store_event){
                   .kind = REEVE_STORE_CLIENT_ADDED, .client = client, .process = process});
}

void reeve_store_shell_client_hungry(struct reeve_store_shell *shell, uint32_t client)
{
    reeve_store_shell_event(
        shell, &(struct reeve_store_event){.kind = REEVE_STORE_CLIENT_HUNGRY, .client = client});
}

void reeve_store_shell_prepared(
    struct reeve_store_shell *shell, uint32_t segment, uint64_t offset, int code)
{
    reeve_store_shell_look_at_memory(shell, 0);
    reeve_store_shell_event(shell, &(struct reeve_store_event){.kind = REEVE_STORE_SEGMENT_PREPARED,
                                       .segment = segment,
                                       .offset = offset,
                                       .code = code});
}

void reeve_store_shell_returned(
    struct reeve_store_shell *shell, uint32_t segment, uint64_t offset, int code)
{
    if (code != REEVE_OK)
        reeve_log(REEVE_LOG_ERROR, "REEVE-STORE-RETURN",
            "segment=%" PRIu32 " offset=%" PRIu64 " error=%s os=%s", segment, offset,
            reeve_strerror(code), strerror(errno));
    reeve_store_shell_event(shell, &(struct reeve_store_event){.kind = REEVE_STORE_SEGMENT_RETURNED,
                                       .segment = segment,
                                       .offset = offset,
                                       .code = code});
}

void reeve_store_shell_client_closed(struct reeve_store_shell *shell, uint32_t client)
{
    reeve_store_shell_event(
        shell, &(struct reeve_store_event){.kind = REEVE_STORE_CLIENT_CLOSED, .client = client});
}

void reeve_store_shell_client_reaped(struct reeve_store_shell *shell, uint32_t client)
{
    reeve_store_shell_event(
        shell, &(struct reeve_store_event){.kind = REEVE_STORE_CLIENT_REAPED, .client = client});
}

static void send_freed(struct reeve_store_shell *shell, uint32_t node, uint64_t number)
{
    Reeve__ObjectFreed freed = REEVE__OBJECT_FREED__INIT;
    freed.number = number;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    message.body_case = REEVE__MESSAGE__BODY_OBJECT_FREED;
    message.object_freed = &freed;
    shell->callbacks.send_node(shell->arg, node, &message);
}

static void on_give(struct reeve_store_shell *shell, uint32_t node, const Reeve__ObjectGive *give)
{
    reeve_store_shell_event(
        shell, &(struct reeve_store_event){.kind = REEVE_STORE_PEER_GIVE,
                   .node = node,
                   .id = {.owner = give->id->owner, .sequence = give->id->sequence},
                   .process = give->process,
                   .call = give->call,
                   .attempt = give->attempt,
                   .word = give->number});
    send_freed(shell, node, give->number);
}

static void on_given(
    struct reeve_store_shell *shell, uint32_t node, const Reeve__ObjectGiven *given)
{
    reeve_store_shell_event(
        shell, &(struct reeve_store_event){.kind = REEVE_STORE_PEER_GIVEN,
                   .node = node,
                   .id = {.owner = given->id->owner, .sequence = given->id->sequence},
                   .process = given->process,
                   .number = given->token,
                   .call = given->call,
                   .attempt = given->attempt,
                   .word = given->number});
    send_freed(shell, node, given->number);
}

static void on_free(
    struct reeve_store_shell *shell, uint32_t node, const Reeve__ObjectFree *object_free)
{
    for (size_t i = 0; i < object_free->n_ids; i++) {
        const Reeve__ObjectId *id = object_free->ids[i];
        reeve_store_shell_event(shell,
            &(struct reeve_store_event){
                .kind = object_free->has_holder ? REEVE_STORE_PEER_HOLD : REEVE_STORE_PEER_FREE,
                .node = node,
                .id = {.owner = id->owner, .sequence = id->sequence},
                .process = object_free->has_holder ? object_free->holder : 0,
                .heir = object_free->has_heir ? object_free->heir : 0,
                .number = object_free->has_token ? object_free->token : 0,
                .call = object_free->call,
                .attempt = object_free->attempt,
                .word = object_free->has_number ? object_free->number - (object_free->n_ids - 1 - i)
                                                : 0,
                .flags = (object_free->ends ? REEVE_STORE_HELD : 0) |
                         (object_free->stray ? REEVE_STORE_STRAY : 0)});
    }
    if (object_free->has_number)
        send_freed(shell, node, object_free->number);
}

bool reeve_store_shell_peer_message(
    struct reeve_store_shell *shell, uint32_t node, const Reeve__Message *message, int *ret_code)
{
    if (reeve_transfer_message(shell, node, message, ret_code))
        return true;
    switch (message->body_case) {
    case REEVE__MESSAGE__BODY_OBJECT_GIVE: on_give(shell, node, message->object_give); return true;
    case REEVE__MESSAGE__BODY_OBJECT_GIVEN:
        on_given(shell, node, message->object_given);
        return true;
    case REEVE__MESSAGE__BODY_OBJECT_FREE: on_free(shell, node, message->object_free); return true;
    case REEVE__MESSAGE__BODY_OBJECT_FREED:
        reeve_store_shell_event(shell, &(struct reeve_store_event){.kind = REEVE_STORE_PEER_FREED,
                                           .node = node,
                                           .number = message->object_freed->number});
        return true;
    default: return false;
    }
}

void reeve_store_shell_peer_reset(struct reeve_store_shell *shell, uint32_t node)
{
    reeve_transfer_reset(shell, node);
    reeve_store_shell_event(
        shell, &(struct reeve_store_event){.kind = REEVE_STORE_PEER_RESET, .node = node});
}

void reeve_store_shell_peer_down(struct reeve_store_shell *shell, uint32_t node)
{
    reeve_transfer_reset(shell, node);
    reeve_store_shell_event(
        shell, &(struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = node});
}

void reeve_store_shell_owner_gone(struct reeve_store_shell *shell, reeve_process_id process)
{
    reeve_store_shell_event(
        shell, &(struct reeve_store_event){.kind = REEVE_STORE_OWNER_GONE, .process = process});
}

bool reeve_store_shell_turn(struct reeve_store_shell *shell)
{
    uint64_t now_ns = reeve_clock_monotonic_ns();
    struct reeve_store_status status;
    reeve_store_status(shell->store, &status);
    if (status.queue_count > 0)
        reeve_store_shell_look_at_memory(shell, 0);
    if (reeve_store_deadline(shell->store) <= now_ns) {
        struct reeve_store_event event = {.kind = REEVE_STORE_TICK};
        reeve_store_step(shell->store, reeve_clock_monotonic_ns(), &event, &shell->commands);
    }
    bool more = reeve_store_run_some(shell->store, reeve_clock_monotonic_ns(), &shell->commands);
    carry(shell);
    return reeve_segments_trim(shell->segments, now_ns) || more;
}

uint64_t reeve_store_shell_deadline(const struct reeve_store_shell *shell)
{
    return REEVE_MIN(reeve_store_deadline(shell->store), reeve_segments_trim_ns(shell->segments));
}

uint64_t reeve_store_shell_capacity(const struct reeve_store_shell *shell)
{
    return shell->capacity_bytes;
}

void reeve_store_shell_status(const struct reeve_store_shell *shell, struct reeve_store_status *ret)
{
    reeve_store_status(shell->store, ret);
}

uint64_t reeve_store_shell_held(const struct reeve_store_shell *shell)
{
    return reeve_segments_resident(shell->segments);
}

const struct reeve_store *reeve_store_shell_core(const struct reeve_store_shell *shell)
{
    return shell->store;
}

void reeve_store_shell_describe_disk(const struct reeve_store_shell *shell, char *text, size_t size)
{
    struct reeve_store_status store;
    reeve_store_status(shell->store, &store);
    text[0] = 0;
    if (store.folder_count == 0)
        return;
    const char *folder = shell->folders[store.folder_worst];
    if (strpbrk(folder, "\"\\\n\t") != NULL)
        folder = "(an odd name)";
    for (int shorter = 0; shorter < 2; shorter++) { /* so that all of it has room */
        int length = snprintf(text, size,
            "{\"bytes\":%" PRIu64 ",\"objects\":%" PRIu64 ",\"disk_bytes\":%" PRIu64
            ",\"written\":%" PRIu64 ",\"restored\":%" PRIu64 ",\"failed\":%" PRIu64
            ",\"mended\":%" PRIu64 ",\"folders\":%" PRIu32 ",\"folders_failed\":%" PRIu32
            ",\"folder\":\"%s\",\"why\":\"%s\"}",
            store.spilled_bytes, store.spilled_count, store.disk_bytes, store.written_count,
            store.restored_count, store.spill_failed_count + store.spill_damaged_count,
            store.spill_mended_count, store.folder_count, store.folder_failed_count,
            shorter ? "(a long name)" : folder, shorter ? "" : store.folder_why);
        if (length >= 0 && (size_t)length < size)
            return;
    }
}
