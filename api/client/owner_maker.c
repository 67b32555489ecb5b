/* The owner core: who makes the next item of a stream that was given to a call.
 *
 *   who runs the call                     owner of the stream
 *     waits for long ──question, n──▶       QUEUED or SENT, or waits for one that is
 *                    ◀─answer to n─── now, and whenever it changes
 *     …takes an item ──no question──▶
 *
 * Only the owner knows where the stream's function runs, and who waits for an item of it has to
 * say whom it waits for (cluster_blocked.c). The question travels with whatever is said of the
 * stream anyway; it is asked again before a wait is ended because nobody can ever go on, and the
 * number says that what comes is the answer to that. Whoever has given the stream on, without
 * being its owner, passes questions on to that, and answers down.
 *
 *   answer   | process 8 | state 4 | function 4 | question 4      little-endian */
#include <reeve_errors.h>
#include <string.h>

#include "api/client/owner_streams.h"

static uint32_t load32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

int owner_maker_write(struct owner_stream *stream, struct reeve_buffer *ret)
{
    const struct reeve_owner_maker *maker = &stream->maker;
    const uint32_t rest[] = {maker->state, maker->function, stream->answered};
    int error = reeve_buffer_append(ret, &maker->process, sizeof(maker->process));
    return error == 0 ? reeve_buffer_append(ret, rest, sizeof(rest)) : error;
}

int owner_maker_take(struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id,
    const uint8_t *bytes, size_t size)
{
    struct reeve_owner_maker maker;
    if (size != OWNER_MAKER_SIZE || load32(bytes + 8) > REEVE_OWNER_MAKER_PROCESS)
        return REEVE_EPROTOCOL;
    if (stream->asked == 0)
        return 0; /* there has been an item since */
    memcpy(&maker.process, bytes, sizeof(maker.process));
    maker.state = load32(bytes + 8);
    maker.function = load32(bytes + 12);
    stream->heard = load32(bytes + 16);
    stream->maker = maker;
    if (stream->question != 0) { /* it was given on */
        if (stream->heard == stream->asked)
            stream->answered = stream->question;
        stream->maker_due = true;
        owner_feed_look(owner, stream, id);
    }
    return 0;
}

static void ask_anew(struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id)
{
    stream->asked = ++stream->asked_last != 0 ? stream->asked_last : ++stream->asked_last;
    owner_ask_command(owner, stream, id, false);
}

void owner_maker_asked(
    struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id, uint32_t question)
{
    bool is_new = question != stream->question;
    stream->question = question;
    stream->maker_due &= question != 0;
    if (!is_new || !stream->is_loan)
        return; /* the shell is asked: reeve_owner_makers_next */
    if (question != 0 && stream->loan.lease != 0)
        ask_anew(owner, stream, id);
    else if (question == 0)
        owner_maker_forget(stream);
}

bool reeve_owner_has_yielded(const struct reeve_owner *owner, reeve_task_id id)
{
    const struct owner_task *task = owner_task_find(owner, id);
    const struct owner_stream *stream = owner_stream_find(owner, id);
    return stream != NULL && stream->came != 0 && stream->attempt == task->attempt;
}

bool reeve_owner_makers_next(const struct reeve_owner *owner, size_t *at, reeve_task_id *ret)
{
    void *value;
    while (reeve_map64_next(&owner->streams, at, ret, &value)) {
        const struct owner_stream *stream = value;
        if (stream->question != 0 && !stream->is_loan)
            return true;
    }
    return false;
}

void reeve_owner_maker_is(
    struct reeve_owner *owner, reeve_task_id id, const struct reeve_owner_maker *maker)
{
    struct owner_stream *stream = owner_stream_find(owner, id);
    const struct reeve_owner_maker *old = &stream->maker;
    if (stream->answered == stream->question && old->state == maker->state &&
        old->process == maker->process && old->function == maker->function)
        return;
    stream->maker = *maker;
    stream->answered = stream->question;
    stream->maker_due = true;
    owner_feed_look(owner, stream, id);
}

void reeve_owner_maker_ask(struct reeve_owner *owner, reeve_task_id id, bool anew)
{
    struct owner_stream *stream = owner_stream_find(owner, id);
    if (stream != NULL && stream->is_loan && stream->loan.lease != 0 &&
        (stream->asked == 0 || anew))
        ask_anew(owner, stream, id);
}

bool reeve_owner_maker(const struct reeve_owner *owner, reeve_task_id id,
    struct reeve_owner_maker *ret, bool *ret_answered)
{
    const struct owner_stream *stream = owner_stream_find(owner, id);
    if (stream == NULL || !stream->is_loan)
        return false;
    *ret = stream->maker;
    *ret_answered = stream->asked != 0 && stream->heard == stream->asked;
    return true;
}

void reeve_owner_maker_never(
    struct reeve_owner *owner, uint64_t now_ns, reeve_task_id id, const char *text)
{
    struct owner_stream *stream = owner_stream_find(owner, id);
    if (stream == NULL || !stream->is_loan ||
        reeve_task_state_is_final(owner_task_find(owner, id)->state))
        return;
    owner_ask_command(owner, stream, id, true);
    owner_task_fail(owner, now_ns, owner_task_index(id), REEVE_EDEADLK, text);
}
