/* Streams that are given to a call: a driver gives one of its streams, which it may have begun to
 * read, to a task that takes the rest, and gives back what it has found; or gives it on to a task
 * of its own after some items, or does not want them all.
 *
 *   driver ── FEED, runs of items ──▶ worker      each item once and in order in an attempt; the
 *          ◀── ASK: taken, heard, closed ──       next attempt goes on, at most where this one was
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

static uint32_t items_of(uint32_t function)
{
    return function & SIM_STREAM_ITEMS_MAX;
}

/* What a taker gives that has had all items from `first` on. */
static uint64_t sum_from(uint32_t function, uint64_t argument, uint32_t first)
{
    uint64_t sum = argument;
    for (uint32_t i = first; i < items_of(function); i++)
        sum += sim_stream_item(argument, i);
    return sum;
}

/* ---- drivers --------------------------------------------------------------------------------- */

bool sim_feed_submit(struct sim *sim, struct sim_process *driver)
{
    if (!sim_chance(sim, 1, 20))
        return false;
    for (uint32_t i = 0; i < driver->expected_count; i++) {
        struct sim_expected *e = &driver->expected[i];
        if (!e->is_stream || e->is_taker || e->cancelled)
            continue;
        uint32_t function = SIM_FUNCTION_TAKES | items_of(e->function);
        uint64_t argument = e->argument;
        struct reeve_owner_splice splice = {REEVE_OWNER_NESTED, e->task};
        struct reeve_owner_task task = {.function = function,
            .losses_max = SIM_LOSSES_MAX,
            .timeout_ms = e->read, /* no limit: it is told so where it is to begin */
            .arguments = &argument,
            .arguments_size = sizeof argument,
            .splice_count = 1,
            .splices = &splice};
        reeve_task_id taker;
        if (reeve_owner_submit(driver->owner, sim->now_ns, &task, &taker) != 0)
            sim_violation(sim, "a stream cannot be given");
        const uint8_t *bytes;
        uint32_t size;
        if (reeve_owner_next_item(driver->owner, e->task, &bytes, &size) != REEVE_EHANDLE)
            sim_violation(sim, "a stream that was given can be read by its giver");
        e->value = sum_from(function, argument, e->read);
        e->function = function;
        e->task = taker;
        e->is_stream = false;
        e->is_taker = e->depends = true;
        sim->given++;
        driver->left--;
        return true;
    }
    return false;
}

/* ---- between them ---------------------------------------------------------------------------- */

/* The futures in the arguments go with the call. */
void sim_feed_lend(
    struct sim *sim, struct sim_process *process, reeve_task_id task, struct sim_entry *call)
{
    struct reeve_buffer bytes, objects;
    if (!(call->function & SIM_FUNCTION_TAKES))
        return;
    reeve_buffer_init(&bytes);
    reeve_buffer_init(&objects);
    if (reeve_owner_lend_write(process->owner, task, &bytes, &objects) != 0)
        sim_violation(sim, "what a call lends cannot be written");
    call->lent = sim_keep(sim, bytes.data, bytes.size);
    call->lent_size = (uint32_t)bytes.size;
    reeve_buffer_fini(&bytes);
    reeve_buffer_fini(&objects);
}

void sim_feed_run(
    struct sim *sim, struct sim_process *owner, const struct reeve_owner_command *command)
{
    struct reeve_owner_loan to;
    struct reeve_buffer run;
    reeve_buffer_init(&run);
    while (reeve_owner_feed_write(owner->owner, command->task, &to, &run) == 0) {
        sim_to_daemon(sim, owner,
            &(struct sim_local){.kind = LOCAL_FEED,
                .lease = to.lease,
                .task = to.task,
                .count = to.attempt,
                .bytes = sim_keep(sim, run.data, run.size),
                .size = (uint32_t)run.size});
        reeve_buffer_clear(&run);
    }
    reeve_buffer_fini(&run);
}

void sim_ask_run(
    struct sim *sim, struct sim_process *worker, const struct reeve_owner_command *command)
{
    const struct reeve_owner_ask *ask = &command->ask;
    sim_to_daemon(sim, worker,
        &(struct sim_local){.kind = LOCAL_ASK,
            .lease = ask->to.lease,
            .bytes = sim_keep(sim, (const uint8_t *)ask, sizeof *ask),
            .size = sizeof *ask});
}

void sim_feed_told(struct sim *sim, struct sim_process *process, const struct sim_local *m)
{
    const struct reeve_owner_loan from = {m->lease, m->task, m->count};
    reeve_lease_index index;
    if (m->kind == LOCAL_FEED) {
        reeve_owner_fed(process->owner, sim->now_ns, &from, m->bytes, m->size);
    } else if (reeve_owner_find_lease(process->owner, m->lease, &index)) {
        struct reeve_owner_ask ask;
        memcpy(&ask, m->bytes, sizeof ask);
        reeve_owner_asked(process->owner, sim->now_ns, index, &ask);
    }
}

/* ---- workers --------------------------------------------------------------------------------- */

void sim_feed_begin(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame,
    const struct sim_entry *entry)
{
    const struct sim_channel *channel = sim_channel_get(sim, frame->channel);
    const struct reeve_owner_loan loan = {channel->lease, entry->task, entry->attempt};
    reeve_task_id *futures;
    uint32_t count;
    if (!(frame->function & SIM_FUNCTION_TAKES))
        return;
    if (reeve_owner_borrow(
            worker->owner, sim->now_ns, entry->lent, entry->lent_size, &futures, &count) != 0 ||
        count != 1 || !reeve_owner_streams_open(worker->owner, futures, count, &loan))
        sim_violation(sim, "a stream does not come with its call");
    frame->stream = futures[0];
    frame->read = entry->latest;
    frame->sum = entry->value;
    free(futures);
}

void sim_feed_end(struct sim_process *worker, const struct sim_call_frame *frame)
{
    if (frame->stream != 0)
        reeve_owner_borrow_end(worker->owner, &frame->stream, 1);
}

static void give_on(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame)
{
    struct reeve_owner_splice splice = {REEVE_OWNER_NESTED, frame->stream};
    struct reeve_owner_task task = {.function = frame->function,
        .losses_max = SIM_LOSSES_MAX,
        .timeout_ms = frame->read,
        .arguments = &frame->value,
        .arguments_size = sizeof frame->value,
        .splice_count = 1,
        .splices = &splice};
    sim_parent_say(sim, frame, &task);
    frame->sum -= frame->value; /* that one adds it, too */
    if (reeve_owner_submit(
            worker->owner, sim->now_ns, &task, &frame->children[frame->child_count++]) != 0)
        sim_violation(sim, "a stream that came with a call cannot be given on");
    frame->state = CALL_WAITING;
    sim->given_on++;
}

/* Those that it had been given before were taken by another attempt, or are to come. */
static int lost_skip(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame)
{
    uint64_t lost = reeve_owner_lost_items(worker->owner, frame->stream);
    if (frame->lost || lost == 0 || lost > items_of(frame->function) - frame->read)
        sim_violation(sim, "a taker is told of %llu lost items", (unsigned long long)lost);
    frame->read += (uint32_t)lost;
    frame->lost = true;
    sim->resumed++;
    return 0;
}

bool sim_feed_take(
    struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame, int *ret_status)
{
    const uint8_t *bytes;
    uint32_t size;
    int code;
    if (frame->asked || sim_channel_get(sim, frame->channel)->revoked) {
        *ret_status = REEVE_ECANCELLED;
        return true;
    }
    for (;;) {
        code = reeve_owner_next_item(worker->owner, frame->stream, &bytes, &size);
        if (code == REEVE_ELOST)
            code = lost_skip(sim, worker, frame);
        else if (code == 0) {
            uint64_t expected = sim_stream_item(frame->value, frame->read);
            if (frame->read == items_of(frame->function) || size != sizeof expected ||
                memcmp(bytes, &expected, sizeof expected) != 0)
                sim_violation(sim, "a taker gets a wrong item %u", frame->read);
            reeve_owner_item_taken(worker->owner, frame->stream);
            frame->sum += expected;
            frame->read++;
            sim->items_given++;
        }
        if (code != 0)
            break;
        if (sim->chaos && sim_chance(sim, 1, 1000)) {
            sim->kills++;
            sim_process_kill(sim, worker);
            return false;
        }
        if (sim_chance(sim, 1, 300)) { /* it has had enough */
            reeve_owner_release(worker->owner, frame->stream);
            *ret_status = REEVE_EFUNCTION;
            return true;
        }
        if (!frame->lost && sim_chance(sim, 1, 100)) {
            give_on(sim, worker, frame);
            return false;
        }
    }
    if (code == REEVE_EAGAIN)
        return false;
    struct reeve_owner_result result;
    if (code != REEVE_EEND || reeve_owner_result(worker->owner, frame->stream, &result) != 0)
        sim_violation(sim, "a stream that was given cannot be read: %s", reeve_error_name(code));
    if (result.status == 0 && frame->read != items_of(frame->function))
        sim_violation(sim, "a stream that was given ended after %u of %u items", frame->read,
            items_of(frame->function));
    *ret_status = result.status != 0 || frame->lost ? REEVE_EFUNCTION : 0;
    return true;
}
