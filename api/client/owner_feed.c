/* The owner core: streams that are given to a call.
 *
 *   owner of the stream                        who runs the call (a worker)
 *     function ─▶ items ─▶ sent │ not sent       items ─▶ fn_next
 *                   ▲        └────── runs ──────────▲
 *                   └── asked: taken, heard, closed ──┘
 *
 * Only who owns the call takes its items; so what has been given is taken in the owner's place, by
 * the attempt of the taker that has *opened* it. Items stay with the owner until that attempt says
 * that it has taken them: until then they count as not read, so that the function is never further
 * ahead of the taker than its window allows, and another attempt of the taker gets them anew. It
 * is told (`lost`) how many have been taken before it came.
 *
 * Items travel in runs: as many as there are, REEVE_OWNER_RUN_MAX bytes at most. Few are under way
 * at a time (RUNS_MAX), so that what comes meanwhile goes together with the next one, and that an
 * item of gigabytes does not fill the sockets.
 *
 *   run      | stream 8 | lost 8 | number 4 | flags 4 | record | record | …     little-endian
 *   record   | size 4, with MORE: the next record goes on with the item | bytes
 *   the last one, flag END: in place of records the outcome: struct owner_record_error | bytes
 *   flag MAKER: in place of records who makes the next item (owner_maker.c)
 *
 * There (`is_loan`) it is a PENDING task with a stream of its own, which can be read, watched and
 * given on like any other, and is done when the last run has come, or the call has ended. */
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/owner_records.h"
#include "api/client/owner_streams.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

#define RUNS_MAX  4u
#define PIECE_MAX 65536u
#define MORE      0x80000000u

enum { RUN_END = 1, RUN_MAP = 2, RUN_MAKER = 4 };

struct run {
    reeve_task_id stream;
    uint64_t lost;
    uint32_t number;
    uint32_t flags;
};
_Static_assert(sizeof(struct run) == 24, "runs are laid out as drawn");

/* ---- giving ---------------------------------------------------------------------------------- */

/* Each splice that is a stream: whether it may be given. */
int owner_streams_may_be_given(const struct reeve_owner *owner, const struct reeve_owner_task *from)
{
    for (uint32_t i = 0; i < from->splice_count; i++) {
        const struct reeve_owner_splice *splice = &from->splices[i];
        const struct owner_stream *stream = owner_stream_find(owner, splice->task);
        if (stream == NULL)
            continue;
        if (!(splice->offset & REEVE_OWNER_NESTED) || from->life == REEVE_OWNER_MAKE)
            return REEVE_ETYPE;
        if (stream->taker != 0 || owner_task_find(owner, splice->task)->held == 0)
            return REEVE_EHANDLE;
        for (uint32_t k = 0; k < i; k++)
            if (from->splices[k].task == splice->task)
                return REEVE_EHANDLE;
    }
    return 0;
}

void owner_stream_give(struct reeve_owner *owner, reeve_task_id id, reeve_task_id taker)
{
    struct owner_stream *stream = owner_stream_find(owner, id);
    struct owner_task *task = owner_task_find(owner, id);
    REEVE_ASSERT(stream->taker == 0 && task->held != 0 && task->references > 1);
    stream->taker = taker;
    owner_watches_tell(owner, &stream->watches); /* it is gone, for who watches it */
    stream->begin = owner_stream_popped(stream);
    task->held--;
    task->references--; /* the program's; that of the taker's arguments stays */
}

bool owner_takes_streams(const struct reeve_owner *owner, const struct owner_task *task)
{
    for (uint32_t i = 0; i < task->splice_count; i++)
        if (owner_stream_find(owner, task->splices[i].task) != NULL)
            return true;
    return false;
}

bool owner_streams_leave(struct reeve_owner *owner, const struct owner_task *task, uint32_t index)
{
    reeve_task_id id = owner_task_id(task, index);
    bool any = false;
    if (reeve_map64_count(&owner->streams) == 0)
        return false;
    for (uint32_t i = 0; i < task->splice_count; i++) {
        const struct owner_stream *stream = owner_stream_find(owner, task->splices[i].task);
        if (stream == NULL || stream->taker != id)
            continue;
        any = true;
        owner_stream_drop(owner, 0, task->splices[i].task);
    }
    return any;
}

bool reeve_owner_is_given(const struct reeve_owner *owner, reeve_task_id id)
{
    const struct owner_stream *stream = owner_stream_find(owner, id);
    return stream != NULL && stream->taker != 0;
}

/* ---- sending --------------------------------------------------------------------------------- */

static const struct owner_task *opened_taker(
    const struct reeve_owner *owner, const struct owner_stream *stream)
{
    const struct owner_task *taker = owner_task_find(owner, stream->taker);
    bool opened = stream->theirs != 0 && taker != NULL && taker->state == REEVE_TASK_SENT &&
                  taker->attempt == stream->taker_attempt;
    return opened ? taker : NULL;
}

static bool has_run(
    const struct reeve_owner *owner, const struct owner_stream *stream, reeve_task_id id)
{
    const struct owner_task *task = owner_task_find(owner, id);
    return opened_taker(owner, stream) != NULL && stream->runs - stream->runs_heard < RUNS_MAX &&
           !stream->end_sent &&
           (stream->sent != stream->count || reeve_task_state_is_final(task->state) ||
               stream->maker_due);
}

void owner_feed_look(struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id)
{
    if (stream->is_due || !has_run(owner, stream, id))
        return;
    stream->is_due = true;
    owner_command(owner, REEVE_OWNER_FEED)->task = id;
}

void owner_stream_ended(struct reeve_owner *owner, reeve_task_id id)
{
    struct owner_stream *stream = owner_stream_find(owner, id);
    if (stream == NULL)
        return;
    owner_watches_tell(owner, &stream->watches);
    if (stream->taker != 0)
        owner_feed_look(owner, stream, id);
}

/* Of the items that have not gone, as much as there is room for. */
static int items_write(struct owner_stream *stream, struct reeve_buffer *ret)
{
    while (stream->sent != stream->count) {
        const uint8_t *at = stream->items.data + stream->sent_size - stream->sent_piece;
        uint32_t size, piece, head;
        if (stream->sent_piece == 0)
            memcpy(&size, at, sizeof(size));
        else
            memcpy(&size, at - sizeof(size), sizeof(size));
        at = stream->items.data + stream->sent_size + (stream->sent_piece == 0 ? sizeof(size) : 0);
        piece = REEVE_MIN(size - stream->sent_piece, PIECE_MAX);
        if (ret->size > sizeof(struct run) &&
            ret->size + sizeof(head) + piece > REEVE_OWNER_RUN_MAX)
            return 0;
        bool whole = stream->sent_piece + piece == size;
        head = piece | (whole ? 0 : MORE);
        uint8_t *room = reeve_buffer_reserve(ret, sizeof(head) + piece);
        if (room == NULL)
            return REEVE_ENOMEM;
        memcpy(room, &head, sizeof(head));
        if (piece != 0)
            memcpy(room + sizeof(head), at, piece);
        reeve_buffer_commit(ret, sizeof(head) + piece);
        stream->sent_size += piece + (stream->sent_piece == 0 ? sizeof(size) : 0);
        stream->sent_piece = whole ? 0 : stream->sent_piece + piece;
        stream->sent += whole;
    }
    return 0;
}

static int end_write(const struct owner_task *task, struct reeve_buffer *ret)
{
    struct owner_record_error outcome = {task->status, task->function, task->attempt, task->node};
    int error = reeve_buffer_append(ret, &outcome, sizeof(outcome));
    return error == 0 && task->status != 0
               ? reeve_buffer_append(ret, owner_task_bytes(task), task->size)
               : error;
}

int reeve_owner_feed_write(struct reeve_owner *owner, reeve_task_id id,
    struct reeve_owner_loan *ret_to, struct reeve_buffer *ret)
{
    struct owner_stream *stream = owner_stream_find(owner, id);
    if (stream == NULL)
        return REEVE_EAGAIN;
    stream->is_due = false;
    if (!has_run(owner, stream, id))
        return REEVE_EAGAIN;
    const struct owner_task *task = owner_task_find(owner, id);
    const struct owner_task *taker = opened_taker(owner, stream);
    bool is_final = reeve_task_state_is_final(task->state), ends;
    struct run run = {
        stream->theirs, stream->opened - stream->begin + stream->lost, stream->runs, 0};
    ends = is_final && stream->sent == stream->count;
    if (ends)
        run.flags = RUN_END | (task->flags & OWNER_ERROR_MAP ? RUN_MAP : 0);
    else if (stream->sent == stream->count)
        run.flags = RUN_MAKER;
    stream->maker_due = false; /* where there is an item it is of no interest */
    *ret_to = (struct reeve_owner_loan){
        owner_lease_at(owner, taker->lease_index)->id, stream->taker, taker->attempt};
    int error = reeve_buffer_append(ret, &run, sizeof(run));
    if (error == 0 && run.flags & RUN_MAKER)
        error = owner_maker_write(stream, ret);
    else if (error == 0)
        error = ends ? end_write(task, ret) : items_write(stream, ret);
    stream->runs++;
    stream->end_sent = ends;
    return error;
}

/* ---- what the taker says --------------------------------------------------------------------- */

static void opened(struct owner_stream *stream, uint32_t attempt, reeve_task_id theirs)
{
    stream->theirs = theirs;
    stream->taker_attempt = attempt;
    stream->opened = owner_stream_popped(stream);
    stream->sent = stream->sent_piece = 0;
    stream->sent_size = 0;
    stream->runs = stream->runs_heard = 0;
    stream->end_sent = false;
    stream->question = stream->answered = 0;
    stream->maker_due = false;
}

/* What comes yet is not even kept; another attempt of the taker is told so. */
static void closed(
    struct reeve_owner *owner, uint64_t now_ns, struct owner_stream *stream, reeve_task_id id)
{
    static const struct reeve_owner_cancel asked = {.grace_ms = REEVE_OWNER_NEVER};
    owner->memory_bytes -= stream->items.size;
    reeve_buffer_fini(&stream->items);
    reeve_buffer_init(&stream->items);
    stream->count = stream->older = stream->sent = stream->sent_piece = 0;
    stream->sent_size = 0;
    stream->is_closed = true;
    if (stream->is_loan)
        owner_loan_close(owner, now_ns, stream, id);
    (void)reeve_owner_cancel(owner, now_ns, id, &asked);
}

void reeve_owner_asked(struct reeve_owner *owner, uint64_t now_ns, reeve_lease_index lease_index,
    const struct reeve_owner_ask *ask)
{
    const struct owner_task *taker =
        owner_task_answered(owner, lease_index, ask->to.task, ask->to.attempt);
    struct owner_stream *stream = taker != NULL ? owner_stream_find(owner, ask->origin) : NULL;
    if (stream == NULL || stream->taker != ask->to.task || ask->stream == 0)
        return;
    if (stream->taker_attempt != ask->to.attempt || stream->theirs != ask->stream)
        opened(stream, ask->to.attempt, ask->stream);
    while (stream->sent != 0 && owner_stream_popped(stream) - stream->opened < ask->taken) {
        uint32_t size;
        memcpy(&size, stream->items.data, sizeof(size));
        stream->sent--;
        stream->sent_size -= sizeof(size) + size;
        owner_item_pop(owner, stream, ask->origin);
    }
    if (stream->runs - ask->runs <= stream->runs - stream->runs_heard)
        stream->runs_heard = ask->runs;
    if (ask->is_closed && !stream->is_closed) {
        closed(owner, now_ns, stream, ask->origin);
        return;
    }
    owner_maker_asked(owner, stream, ask->origin, ask->question);
    owner_feed_look(owner, stream, ask->origin);
}

/* ---- the taker's side ------------------------------------------------------------------------ */

void owner_ask_command(
    struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id, bool closes)
{
    owner_command(owner, REEVE_OWNER_ASK)->ask = (struct reeve_owner_ask){.to = stream->loan,
        .origin = stream->origin,
        .stream = id,
        .taken = owner_stream_popped(stream),
        .runs = stream->runs_came,
        .question = stream->asked,
        .is_closed = closes};
    stream->told = stream->taken;
    stream->runs_told = stream->runs_came;
}

int owner_loan_make(struct reeve_owner *owner, reeve_task_id origin,
    struct reeve_stream_window window, reeve_task_id *ret)
{
    uint32_t index;
    if (owner_task_make(owner, &index) != 0)
        return REEVE_ENOMEM;
    struct owner_task *task = owner_task_at(owner, index);
    task->state = REEVE_TASK_PENDING;
    task->flags = OWNER_NEVER_INLINE;
    task->references = 2; /* the caller's, and its own until it is final */
    owner->unfinished++;
    *ret = owner_task_id(task, index);
    int error = owner_stream_make(owner, *ret, window);
    if (error != 0) {
        owner_task_fail(owner, 0, index, error, "");
        owner_task_unref(owner, index);
        return error;
    }
    struct owner_stream *stream = owner_stream_find(owner, *ret);
    stream->is_loan = true;
    stream->origin = origin;
    return 0;
}

bool reeve_owner_streams_open(struct reeve_owner *owner, const reeve_task_id *futures,
    uint32_t count, const struct reeve_owner_loan *loan)
{
    bool any = false;
    for (uint32_t i = 0; i < count; i++) {
        struct owner_stream *stream = owner_stream_find(owner, futures[i]);
        if (stream == NULL || !stream->is_loan || stream->loan.lease != 0)
            continue;
        stream->loan = *loan;
        owner_ask_command(owner, stream, futures[i], false);
        any = true;
    }
    return any;
}

/* When nothing is left here, all that has been taken is told: what each of a row that give it on to
 * one another kept to itself would add up to the whole window. */
void owner_loan_look(struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id)
{
    uint32_t due = stream->taken - stream->told;
    if (reeve_task_state_is_final(owner_task_find(owner, id)->state))
        return;
    if ((due != 0 && (due >= stream->window.units / 4 || stream->count == 0)) ||
        stream->runs_came - stream->runs_told >= RUNS_MAX / 2)
        owner_ask_command(owner, stream, id, false);
}

void owner_loan_close(
    struct reeve_owner *owner, uint64_t now_ns, struct owner_stream *stream, reeve_task_id id)
{
    if (reeve_task_state_is_final(owner_task_find(owner, id)->state))
        return;
    if (stream->loan.lease != 0)
        owner_ask_command(owner, stream, id, true);
    owner_task_fail(
        owner, now_ns, owner_task_index(id), REEVE_ECANCELLED, "nobody takes the rest of it");
}

static int records_take(struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id,
    const uint8_t *at, size_t size)
{
    int error = 0;
    owner_maker_forget(stream);
    while (size != 0 && error == 0) {
        uint32_t head, length;
        if (size < sizeof(head))
            return REEVE_EPROTOCOL;
        memcpy(&head, at, sizeof(head));
        length = head & ~MORE;
        if (length > size - sizeof(head))
            return REEVE_EPROTOCOL;
        error = owner_item_piece(owner, stream, id, head & MORE, at + sizeof(head), length);
        at += sizeof(head) + length;
        size -= sizeof(head) + length;
    }
    return error;
}

static int end_take(struct reeve_owner *owner, uint64_t now_ns, reeve_task_id id, bool is_map,
    const uint8_t *at, size_t size)
{
    struct owner_record_error outcome;
    if (size < sizeof(outcome) || size > UINT32_MAX)
        return REEVE_EPROTOCOL;
    memcpy(&outcome, at, sizeof(outcome));
    struct owner_task *task = owner_task_find(owner, id);
    task->references++; /* so that it is there for the rest */
    owner_task_end(owner, now_ns, owner_task_index(id), outcome.status, is_map,
        at + sizeof(outcome), (uint32_t)(size - sizeof(outcome)), NULL);
    task->function = outcome.function;
    task->attempt = outcome.attempt;
    task->node = outcome.node;
    owner_task_unref(owner, owner_task_index(id));
    return 0;
}

void reeve_owner_fed(struct reeve_owner *owner, uint64_t now_ns,
    const struct reeve_owner_loan *from, const void *bytes, size_t size)
{
    struct run run;
    if (size < sizeof(run))
        return;
    memcpy(&run, bytes, sizeof(run));
    struct owner_stream *stream = owner_stream_find(owner, run.stream);
    if (stream == NULL || !stream->is_loan || stream->loan.lease != from->lease ||
        stream->loan.task != from->task || stream->loan.attempt != from->attempt ||
        owner_task_find(owner, run.stream)->state != REEVE_TASK_PENDING)
        return; /* of a call that has ended */
    const uint8_t *rest = (const uint8_t *)bytes + sizeof(run);
    int error = run.number == stream->runs_came ? 0 : REEVE_EPROTOCOL;
    if (stream->runs_came++ == 0)
        stream->lost = run.lost;
    if (error == 0 && run.flags & RUN_END)
        error = end_take(owner, now_ns, run.stream, run.flags & RUN_MAP, rest, size - sizeof(run));
    else if (error == 0 && run.flags & RUN_MAKER)
        error = owner_maker_take(owner, stream, run.stream, rest, size - sizeof(run));
    else if (error == 0)
        error = records_take(owner, stream, run.stream, rest, size - sizeof(run));
    if (error != 0)
        owner_task_fail(owner, now_ns, owner_task_index(run.stream), error,
            "its items reached the worker malformed, or there is no memory");
    else if (!(run.flags & RUN_END))
        owner_loan_look(owner, stream, run.stream);
}

uint64_t reeve_owner_lost_items(struct reeve_owner *owner, reeve_task_id id)
{
    struct owner_stream *stream = owner_stream_find(owner, id);
    REEVE_ASSERT(stream != NULL);
    uint64_t lost = stream->lost;
    stream->lost = 0;
    return lost;
}

void owner_loan_end(struct reeve_owner *owner, uint64_t now_ns, reeve_task_id id)
{
    struct owner_task *task = owner_task_find(owner, id);
    bool held = task->held != 0;
    if (!reeve_task_state_is_final(task->state))
        owner_task_fail(owner, now_ns, owner_task_index(id), REEVE_EOWNERDIED,
            "the call that the stream came with has ended");
    if (!held)
        return; /* it was given on, or another thread is at it */
    owner_stream_drop(owner, now_ns, id);
    task->held--;
    owner_task_unref(owner, owner_task_index(id));
}

void reeve_owner_loans_lost(struct reeve_owner *owner, uint64_t now_ns, uint64_t lease)
{
    size_t at = 0;
    uint64_t id;
    void *value;
    while (reeve_map64_next(&owner->streams, &at, &id, &value)) {
        const struct owner_stream *stream = value;
        if (stream->is_loan && stream->loan.lease == lease &&
            !reeve_task_state_is_final(owner_task_find(owner, id)->state))
            owner_task_fail(owner, now_ns, owner_task_index(id), REEVE_EOWNERDIED,
                "the process that has given the stream has ended");
    }
}
