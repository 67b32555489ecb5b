/* Streams: functions that yield items, 8 bytes each and known beforehand, no further ahead than
 * their call says; drivers that read them, at times slowly, and drop some in the middle.
 *
 *   worker ── items, on the return ring ─▶ driver      in order, each once, whatever dies
 *          ◀── credit: told at once here; over the daemons elsewhere */
#include <string.h>

#include "tests/sim/sim.h"

#define UNITS_MAX 24u

uint64_t sim_stream_item(uint64_t argument, uint32_t number)
{
    uint64_t value = argument + number;
    return reeve_splitmix64(&value);
}

static uint32_t items_of(uint32_t function)
{
    return function & SIM_STREAM_ITEMS_MAX;
}

/* So many items may be ahead: as many as cost less than the window, and one more. */
static uint32_t ahead_max(const struct reeve_stream_window *window)
{
    return (window->units - 1) / reeve_stream_units(window, sizeof(uint64_t)) + 1;
}

/* ---- drivers --------------------------------------------------------------------------------- */

void sim_stream_make(struct sim *sim, struct reeve_owner_task *task)
{
    task->function = SIM_FUNCTION_STREAM | (uint32_t)sim_below(sim, SIM_STREAM_ITEMS_MAX + 1);
    task->is_stream = task->never_inline = true;
    task->window.units = (uint32_t)sim_between(sim, 1, UNITS_MAX);
    task->window.unit_bytes = sim_chance(sim, 1, 2) ? 4 : REEVE_STREAM_UNIT_BYTES;
}

enum sim_stream_read sim_stream_read(
    struct sim *sim, struct sim_process *driver, struct sim_expected *e)
{
    const uint8_t *bytes;
    uint32_t size;
    int code;
    while ((code = reeve_owner_next_item(driver->owner, e->task, &bytes, &size)) == 0) {
        uint64_t expected = sim_stream_item(e->argument, e->read);
        if (sim->chaos && sim_chance(sim, 1, 20)) { /* a slow reader */
            sim_process_wake(sim, driver, sim_between(sim, 100 * US, 50 * MS));
            return SIM_STREAM_GOES_ON;
        }
        if (e->read == items_of(e->function) || size != sizeof expected ||
            memcmp(bytes, &expected, sizeof expected) != 0)
            sim_violation(sim, "stream %llx of driver %llu has a wrong item %u",
                (unsigned long long)e->task, (unsigned long long)driver->uid, e->read);
        reeve_owner_item_taken(driver->owner, e->task);
        e->read++;
        sim->items++;
        if (!sim_chance(sim, 1, 300))
            continue;
        sim->dropped++;
        reeve_owner_release(driver->owner, e->task);
        return SIM_STREAM_DROPPED;
    }
    if (code == REEVE_EAGAIN)
        return SIM_STREAM_GOES_ON;
    if (code != REEVE_EEND)
        sim_violation(sim, "a stream cannot be read: %s", reeve_error_name(code));
    if (reeve_owner_state(driver->owner, e->task) == REEVE_TASK_DONE &&
        e->read != items_of(e->function))
        sim_violation(sim, "stream %llx of driver %llu ended after %u of %u items",
            (unsigned long long)e->task, (unsigned long long)driver->uid, e->read,
            items_of(e->function));
    return SIM_STREAM_ENDED;
}

void sim_stream_credit(
    struct sim *sim, struct sim_process *driver, const struct reeve_owner_command *c)
{
    reeve_lease_index index;
    uint64_t position;
    uint32_t attempt;
    if (!reeve_owner_where(driver->owner, c->task, &index, &position, &attempt) ||
        index != c->lease_index || position != c->position)
        return;
    const struct sim_channel *channel = reeve_map64_get(&driver->held, c->lease);
    struct sim_local message = {.kind = LOCAL_CREDIT,
        .lease = c->lease,
        .task = c->task,
        .count = attempt,
        .taken = c->count};
    if (channel == NULL)
        return;
    struct sim_process *worker = sim_process_get(sim, channel->worker);
    if (channel->kind == CHANNEL_HOLDER) {
        sim_to_daemon(sim, driver, &message);
    } else if (worker != NULL && !worker->dying) {
        sim_stream_told(sim, worker, &message);
        sim_process_wake(sim, worker, sim_between(sim, 1 * US, 60 * US));
    }
}

/* ---- workers --------------------------------------------------------------------------------- */

/* The oracle of "no further ahead": of what its driver has read. What attempts before have brought
 * and nobody has read yet is there besides. */
static void check_ahead(struct sim *sim, const struct sim_call_frame *frame)
{
    const struct sim_process *driver = sim_process_get(sim, frame->owner);
    for (uint32_t i = 0; driver != NULL && i < driver->expected_count; i++) {
        const struct sim_expected *e = &driver->expected[i];
        if (e->task != frame->task)
            continue;
        uint32_t most = e->read + frame->attempt * ahead_max(&frame->window);
        if (frame->yielded > most)
            sim_violation(sim, "stream %llx of driver %llu has yielded %u items, its reader has %u",
                (unsigned long long)e->task, (unsigned long long)driver->uid, frame->yielded,
                e->read);
    }
}

bool sim_stream_yield(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame)
{
    struct sim_channel *channel = sim_channel_get(sim, frame->channel);
    uint32_t count = items_of(frame->function);
    while (!frame->asked && !channel->revoked && frame->yielded < count &&
           frame->sent - frame->taken < frame->window.units) {
        sim_channel_item(
            sim, channel, frame->position, sim_stream_item(frame->value, frame->yielded));
        frame->yielded++;
        frame->sent += reeve_stream_units(&frame->window, sizeof(uint64_t));
        check_ahead(sim, frame);
        if (sim->chaos && sim_chance(sim, 1, 1000)) { /* it dies in the middle */
            sim->kills++;
            sim_process_kill(sim, worker);
            return false;
        }
    }
    return frame->asked || channel->revoked || frame->yielded == count;
}

void sim_stream_told(struct sim *sim, struct sim_process *worker, const struct sim_local *m)
{
    struct sim_call_frame *frame = &worker->frames[0]; /* a stream is never run on the spot */
    const struct sim_channel *channel =
        worker->frame_count > 0 ? sim_channel_get(sim, frame->channel) : NULL;
    if (channel != NULL && channel->lease == m->lease && frame->task == m->task &&
        frame->attempt == m->count)
        frame->taken = m->taken;
}
