/* The owner core: futures in values, on the side that is given them (or lent them, with a call).
 * What comes was written by another process: everything is checked. The picture and the format
 * are in owner.h, the other side is in owner_handover.c. */
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/owner_gifts.h"
#include "api/client/owner_internal.h"
#include "api/client/owner_records.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

/* ---- reading --------------------------------------------------------------------------------- */

struct reader {
    const uint8_t *at, *end;
    struct owner_record record;
    const uint8_t *needs; /* u32 each, unaligned */
    const uint8_t *body;
};

/* The next record; false at the end, or where it is malformed: then `at` is not `end`. */
static bool record_next(struct reader *reader)
{
    size_t left = (size_t)(reader->end - reader->at);
    if (left < sizeof(reader->record))
        return false;
    memcpy(&reader->record, reader->at, sizeof(reader->record));
    uint64_t needs = (uint64_t)reader->record.count * sizeof(uint32_t);
    if (needs + reader->record.size > left - sizeof(reader->record))
        return false;
    reader->needs = reader->at + sizeof(reader->record);
    reader->body = reader->needs + needs;
    reader->at = reader->body + reader->record.size;
    return true;
}

static uint32_t number_at(const uint8_t *numbers, uint32_t i)
{
    uint32_t number;
    memcpy(&number, numbers + i * sizeof(number), sizeof(number));
    return number;
}

/* ---- one record ------------------------------------------------------------------------------ */

/* What has been made of the records so far: a reference to each is ours until the end. */
struct adoption {
    struct reeve_owner *owner;
    uint64_t now_ns;
    reeve_task_id *tasks;
    uint32_t count, capacity;
    bool lent;
};

/* The record's needs as a list, each with `offsets` or 0, each referred to once more if `hold`. */
static int needs_list(const struct adoption *adoption, const struct reader *reader,
    const uint8_t *offsets, bool hold, struct reeve_owner_splice **ret)
{
    uint32_t count = reader->record.count;
    *ret = NULL;
    if (count == 0)
        return 0;
    struct reeve_owner_splice *list = calloc(count, sizeof(*list));
    if (list == NULL)
        return REEVE_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = number_at(reader->needs, i);
        if (number >= adoption->count) {
            free(list);
            return REEVE_EPROTOCOL;
        }
        list[i].task = adoption->tasks[number];
        if (offsets != NULL)
            list[i].offset = number_at(offsets, i);
    }
    for (uint32_t i = 0; i < count && hold; i++)
        owner_task_at(adoption->owner, owner_task_index(list[i].task))->references++;
    *ret = list;
    return 0;
}

/* A value, an object or an error. */
static int final_make(
    const struct adoption *adoption, const struct reader *reader, reeve_task_id *ret)
{
    struct reeve_owner *owner = adoption->owner;
    const struct owner_record *record = &reader->record;
    struct owner_record_error failure = {0};
    struct reeve_reference object = {0};
    struct reeve_owner_splice *list;
    bool is_object = record->kind == OWNER_RECORD_OBJECT;
    uint32_t head = record->kind == OWNER_RECORD_ERROR ? (uint32_t)sizeof(failure) : 0, index;
    if (record->size < head || (is_object && record->size != sizeof(object)) ||
        (head != 0 && record->count != 0))
        return REEVE_EPROTOCOL;
    memcpy(&failure, reader->body, head);
    if (is_object)
        memcpy(&object, reader->body, sizeof(object));
    object.flags &= REEVE_REFERENCE_GIVEN | (adoption->lent ? 0 : REEVE_REFERENCE_HELD);
    if (!adoption->lent) /* what is held has its owner, whoever that is by now */
        object.flags |= REEVE_REFERENCE_GIVEN;
    if (head != 0 && failure.status == 0)
        return REEVE_EPROTOCOL;
    int error = needs_list(adoption, reader, NULL, true, &list);
    if (error != 0)
        return error;
    if (owner_task_make(owner, &index) != 0) {
        for (uint32_t i = 0; i < record->count; i++)
            owner_task_unref(owner, owner_task_index(list[i].task));
        free(list);
        return REEVE_ENOMEM;
    }
    struct owner_task *task = owner_task_at(owner, index);
    task->state = REEVE_TASK_PENDING;
    task->references = 1;
    owner->unfinished++;
    owner_task_finish(owner, index, failure.status, record->flags & OWNER_RECORD_MAP,
        reader->body + head, is_object ? 0 : record->size - head, is_object ? &object : NULL);
    owner_task_list_set(owner, task, list, record->count);
    task->function = failure.function;
    task->attempt = failure.attempt;
    task->node = failure.node;
    if (adoption->lent) {
        task->position = record->origin;
        task->flags |= OWNER_LENT | (is_object ? OWNER_GIVEN : 0);
    }
    *ret = owner_task_id(task, index);
    if (is_object && !adoption->lent)
        error = owner_gift_adopt(owner, &object);
    if (error != 0)
        owner_task_unref(owner, index);
    return error;
}

/* Splices ascend, each names a byte of its own; futures that stand in arguments lie between
 * them. */
static bool offsets_are_sound(const struct reeve_owner_splice *list, uint32_t count, uint32_t size)
{
    uint32_t least = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t offset = list[i].offset & ~REEVE_OWNER_NESTED;
        if (offset < least || offset >= size)
            return false;
        least = list[i].offset & REEVE_OWNER_NESTED ? offset : offset + 1;
    }
    return true;
}

static int task_make(
    const struct adoption *adoption, const struct reader *reader, reeve_task_id *ret)
{
    const struct owner_record *record = &reader->record;
    struct owner_record_task call;
    struct reeve_owner_splice *list = NULL;
    uint64_t head = sizeof(call) + (uint64_t)record->count * sizeof(uint32_t);
    uint32_t parent = record->flags & OWNER_RECORD_PARENT ? OWNER_PARENT_SIZE : 0;
    if (record->size < head + parent || adoption->lent)
        return REEVE_EPROTOCOL;
    memcpy(&call, reader->body, sizeof(call));
    int error = needs_list(adoption, reader, reader->body + sizeof(call), false, &list);
    struct reeve_owner_task task = {.function = call.function,
        .timeout_ms = call.timeout_ms,
        .losses_max = call.losses_max,
        .retries = {call.retries, call.pause_ms},
        .arguments = reader->body + head,
        .arguments_size = record->size - (uint32_t)head - parent,
        .parent = parent != 0 ? reader->body + record->size - parent : NULL,
        .splice_count = record->count,
        .splices = list};
    if (error == 0 && !offsets_are_sound(list, record->count, task.arguments_size))
        error = REEVE_EPROTOCOL;
    if (error == 0)
        error =
            reeve_owner_class(adoption->owner, call.cpu_milli, call.priority, &task.class_index);
    if (error == 0)
        error = reeve_owner_submit(adoption->owner, adoption->now_ns, &task, ret);
    if (error == 0) {
        struct owner_task *made = owner_task_find(adoption->owner, *ret);
        made->losses = call.losses;
        made->held = 0; /* the reference is the adoption's */
    }
    free(list);
    return error;
}

static int own_find(
    const struct adoption *adoption, const struct reader *reader, reeve_task_id *ret)
{
    *ret = reader->record.origin;
    struct owner_task *own = owner_task_find(adoption->owner, *ret);
    if (adoption->lent || own == NULL)
        return REEVE_EPROTOCOL;
    own->references++;
    return 0;
}

static int loan_make(
    const struct adoption *adoption, const struct reader *reader, reeve_task_id *ret)
{
    struct reeve_stream_window window;
    if (!adoption->lent || reader->record.count != 0 || reader->record.size != sizeof(window))
        return REEVE_EPROTOCOL;
    memcpy(&window, reader->body, sizeof(window));
    return owner_loan_make(adoption->owner, reader->record.origin, window, ret);
}

/* What may have to be held when the call ends. */
static int lent_add(struct reeve_owner *owner, reeve_task_id id)
{
    if (owner->lent_count == owner->lent_capacity) {
        uint32_t capacity = REEVE_MAX(owner->lent_capacity * 2, 16u);
        reeve_task_id *lent = realloc(owner->lent, capacity * sizeof(*lent));
        if (lent == NULL)
            return REEVE_ENOMEM;
        owner->lent = lent;
        owner->lent_capacity = capacity;
    }
    owner->lent[owner->lent_count++] = id;
    return 0;
}

static int record_adopt(struct adoption *adoption, const struct reader *reader)
{
    reeve_task_id task;
    int error = REEVE_EPROTOCOL;
    if (adoption->count == adoption->capacity) {
        uint32_t capacity = REEVE_MAX(adoption->capacity * 2, 64u);
        reeve_task_id *tasks = realloc(adoption->tasks, capacity * sizeof(*tasks));
        if (tasks == NULL)
            return REEVE_ENOMEM;
        adoption->tasks = tasks;
        adoption->capacity = capacity;
    }
    switch ((enum owner_record_kind)reader->record.kind) {
    case OWNER_RECORD_VALUE:
    case OWNER_RECORD_OBJECT:
    case OWNER_RECORD_ERROR: error = final_make(adoption, reader, &task); break;
    case OWNER_RECORD_TASK: error = task_make(adoption, reader, &task); break;
    case OWNER_RECORD_OWN: error = own_find(adoption, reader, &task); break;
    case OWNER_RECORD_STREAM: error = loan_make(adoption, reader, &task); break;
    case OWNER_RECORD_ROOTS: break;
    }
    if (error == 0)
        adoption->tasks[adoption->count++] = task;
    return error == 0 && adoption->lent && reader->record.kind != OWNER_RECORD_STREAM
               ? lent_add(adoption->owner, task)
               : error;
}

int owner_adopt(struct reeve_owner *owner, uint64_t now_ns, const void *bytes, size_t size,
    bool lent, struct reeve_owner_splice **ret, uint32_t *ret_count)
{
    struct adoption adoption = {.owner = owner, .now_ns = now_ns, .lent = lent};
    struct reader reader = {.at = bytes, .end = (const uint8_t *)bytes + size};
    int error = 0;
    bool complete = false;
    *ret = NULL;
    *ret_count = 0;
    while (error == 0 && !complete && record_next(&reader)) {
        complete = reader.record.kind == OWNER_RECORD_ROOTS;
        error = complete ? needs_list(&adoption, &reader, NULL, true, ret)
                         : record_adopt(&adoption, &reader);
    }
    if (error == 0 && (!complete || reader.at != reader.end))
        error = REEVE_EPROTOCOL;
    if (error == 0) {
        *ret_count = reader.record.count;
    } else if (*ret != NULL) {
        for (uint32_t i = 0; i < reader.record.count; i++)
            owner_task_unref(owner, owner_task_index((*ret)[i].task));
        free(*ret);
        *ret = NULL;
    }
    for (uint32_t i = 0; i < adoption.count; i++) {
        if (REEVE_UNLIKELY(error != 0) && reeve_owner_is_stream(owner, adoption.tasks[i]))
            owner_stream_drop(owner, now_ns, adoption.tasks[i]);
        owner_task_unref(owner, owner_task_index(adoption.tasks[i]));
    }
    free(adoption.tasks);
    return error;
}

/* ---- with a call ----------------------------------------------------------------------------- */

int reeve_owner_borrow(struct reeve_owner *owner, uint64_t now_ns, const void *bytes, size_t size,
    reeve_task_id **ret, uint32_t *ret_count)
{
    struct reeve_owner_splice *list;
    int error = owner_adopt(owner, now_ns, bytes, size, true, &list, ret_count);
    if (error != 0)
        return error;
    reeve_task_id *ids = calloc(*ret_count + 1, sizeof(*ids));
    for (uint32_t i = 0; i < *ret_count; i++) {
        if (ids != NULL) {
            ids[i] = list[i].task;
            owner_task_at(owner, owner_task_index(ids[i]))->held++;
        } else {
            owner_stream_drop(owner, now_ns, list[i].task);
            owner_task_unref(owner, owner_task_index(list[i].task));
        }
    }
    free(list);
    *ret = ids;
    return ids != NULL ? 0 : REEVE_ENOMEM;
}

int reeve_owner_retain(struct reeve_owner *owner, reeve_task_id id, reeve_task_id *ret)
{
    struct owner_task *lent = owner_task_find(owner, id);
    uint32_t index, count;
    if (lent == NULL)
        return REEVE_EHANDLE;
    if (reeve_owner_is_stream(owner, id))
        return REEVE_ETYPE;
    *ret = id;
    if (!(lent->flags & OWNER_LENT)) {
        lent->references++;
        lent->held++;
        return 0;
    }
    count = lent->splice_count;
    struct reeve_owner_splice *list = count != 0 ? calloc(count, sizeof(*list)) : NULL;
    if ((list == NULL && count != 0) || owner_task_make(owner, &index) != 0) {
        free(list);
        return REEVE_ENOMEM;
    }
    struct owner_task *task = owner_task_at(owner, index);
    bool is_object = lent->flags & OWNER_RESULT_OBJECT;
    task->state = REEVE_TASK_PENDING;
    task->references = task->held = 1;
    owner->unfinished++;
    owner_task_finish(owner, index, lent->status, lent->flags & OWNER_ERROR_MAP,
        owner_task_bytes(lent), lent->size, is_object ? &lent->bytes.object : NULL);
    for (uint32_t i = 0; i < count; i++) {
        list[i] = lent->splices[i];
        owner_task_at(owner, owner_task_index(list[i].task))->references++;
    }
    owner_task_list_set(owner, task, list, count);
    task->function = lent->function;
    task->attempt = lent->attempt;
    task->node = lent->node;
    task->position = lent->position;
    task->flags |= lent->flags & (OWNER_LENT | OWNER_GIVEN);
    *ret = owner_task_id(task, index);
    int error = lent_add(owner, *ret);
    if (error != 0)
        owner_task_unref(owner, index);
    return error;
}
