/* Staging: a call that comes over a bridge waits in the daemon until the objects among its
 * arguments are on this node, and pinned, as runtime/node/shell_executor.c and shell_stage.c do it;
 * objectstore/stage.c decides.
 *
 *   CALLS ─▶ waiting ── all are here ──▶ the worker's ring ─▶ answered, sent ─▶ dropped
 *               ├── one cannot be had ─▶ answered: what, and which
 *               └── taken back, closed ▶ dropped
 *
 * Those that wait for their arguments let others pass, but not calls of an actor: these keep their
 * order, and when one is refused for an argument that is lost, those behind it are, too, until
 * their owner resumes. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/values.h"

/* ---- what the core commands ---- */

static void ended(struct sim *sim, struct sim_daemon *daemon, const struct reeve_stage_command *c)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->channels, &at, NULL, &value)) {
        struct sim_channel *channel = value;
        for (uint32_t i = 0; i < channel->waiting_count; i++) {
            struct sim_waiting *waiting = &channel->waiting[i];
            if (waiting->entry.stage != c->stage || !waiting->staging)
                continue;
            waiting->staging = false;
            waiting->code = c->code;
            waiting->lost = c->lost;
            if (c->code != 0)
                waiting->entry.stage = 0;
            sim->staged += c->code == 0;
            sim->unstaged += c->code != 0;
            struct sim_event *event = sim_after(sim, sim_between(sim, 0, 50 * US), SIM_BRIDGE);
            event->a = daemon->life;
            event->b = channel->lease;
            return;
        }
    }
    sim_violation(sim, "node %u has staged for nobody", daemon->number);
}

void sim_stages_run(struct sim *sim, struct sim_daemon *daemon)
{
    struct reeve_stage_command command;
    struct sim_store *store = daemon->store;
    uint64_t life = daemon->life;
    if (store->staging || store->carrying)
        return; /* whoever does goes on with them */
    store->staging = true;
    while (sim_daemon_get(sim, life) != NULL && reeve_stages_next(store->stages, &command)) {
        if (command.kind == REEVE_STAGE_SAY)
            sim_store_step(sim, daemon, &command.event);
        else
            ended(sim, daemon, &command);
    }
    if (sim_daemon_get(sim, life) != NULL)
        store->staging = false;
}

/* ---- calls ---- */

#define AHEAD_BYTES (256u << 10) /* of an actor, that are brought beside each other */

static void recalled(struct sim_channel *channel, const struct sim_entry *entry)
{
    struct sim_entry *answer = reeve_fifo_push(&channel->returns);
    *answer = *entry;
    answer->object_count = 0;
    answer->recalled = true;
}

static void give(struct sim *sim, struct sim_channel *channel, const struct sim_entry *entry)
{
    uint32_t position;
    if (!sim_channel_write(channel, entry, &position))
        sim_violation(sim, "a bridge has more entries than the ring has slots");
}

static void waiting_remove(struct sim_channel *channel, uint32_t i)
{
    memmove(&channel->waiting[i], &channel->waiting[i + 1],
        (channel->waiting_count - i - 1) * sizeof channel->waiting[0]);
    channel->waiting_count--;
}

static void stage(struct sim_daemon *daemon, struct sim_waiting *waiting)
{
    struct reeve_store_wanted wanted[2];
    const struct sim_entry *entry = &waiting->entry;
    uint64_t total;
    for (uint32_t i = 0; i < entry->object_count; i++)
        wanted[i] = (struct reeve_store_wanted){.id = entry->objects[i].id,
            .size = entry->objects[i].size_bytes,
            .node = entry->objects[i].node,
            .given = entry->objects[i].flags & REEVE_REFERENCE_GIVEN};
    waiting->unstaged = false;
    waiting->code = reeve_stages_add(
        daemon->store->stages, wanted, entry->object_count, &waiting->entry.stage, &total);
    waiting->staging = waiting->code == 0;
}

static uint64_t object_bytes(const struct sim_entry *entry)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < entry->object_count; i++)
        bytes += entry->objects[i].size_bytes;
    return bytes;
}

void sim_stage_call(struct sim *sim, struct sim_daemon *daemon, struct sim_channel *channel,
    const struct sim_entry *entry)
{
    channel->turns_away = channel->turns_away && !entry->resumes;
    if (channel->turns_away) {
        recalled(channel, entry);
        return;
    }
    if (entry->object_count == 0 && channel->waiting_count == 0) {
        give(sim, channel, entry);
        return;
    }
    if (channel->waiting == NULL)
        channel->waiting = sim_alloc(CALL_SLOTS * sizeof channel->waiting[0]);
    if (channel->waiting_count + channel->open_count >= CALL_SLOTS)
        sim_violation(sim, "a bridge has more entries than the ring has slots");
    uint64_t bytes = object_bytes(entry);
    for (uint32_t i = 0; i < channel->waiting_count; i++)
        bytes += object_bytes(&channel->waiting[i].entry);
    bool waits = channel->host != 0 && channel->waiting_count > 0 && bytes > AHEAD_BYTES;
    struct sim_waiting *waiting = &channel->waiting[channel->waiting_count++];
    *waiting = (struct sim_waiting){.entry = *entry, .unstaged = entry->object_count > 0};
    if (waiting->unstaged && !waits)
        stage(daemon, waiting);
}

/* It fails, and (of an actor) all that was sent behind it, where an argument is lost. */
static void fail(
    struct sim_daemon *daemon, struct sim_channel *channel, const struct sim_waiting *waiting)
{
    struct sim_entry answer = waiting->entry;
    bool is_loss = reeve_error_is_loss(waiting->code);
    answer.status = waiting->code;
    answer.object_count = is_loss;
    for (uint32_t k = 0; k < waiting->entry.object_count; k++)
        if (reeve_object_id_equal(waiting->entry.objects[k].id, waiting->lost))
            answer.objects[0] = waiting->entry.objects[k];
    *(struct sim_entry *)reeve_fifo_push(&channel->returns) = answer;
    if (channel->host == 0 || !is_loss)
        return;
    channel->turns_away = true;
    while (channel->waiting_count > 1)
        sim_stage_take_back(daemon, channel, channel->waiting[1].entry.task);
}

void sim_stages_serve(struct sim *sim, struct sim_daemon *daemon, struct sim_channel *channel)
{
    for (uint32_t i = 0; i < channel->waiting_count;) {
        struct sim_waiting *waiting = &channel->waiting[i];
        if (waiting->unstaged) /* it is the first now */
            stage(daemon, waiting);
        if (waiting->staging && channel->host != 0)
            break;
        if (waiting->staging) {
            i++;
            continue;
        }
        if (waiting->code == 0)
            give(sim, channel, &waiting->entry);
        else
            fail(daemon, channel, waiting);
        waiting_remove(channel, i);
    }
    sim_channel_ring_worker(sim, channel);
}

/* ---- the way back ---- */

void sim_stage_drop(struct sim_daemon *daemon, uint64_t *stage)
{
    if (*stage != 0)
        reeve_stages_drop(daemon->store->stages, *stage);
    *stage = 0;
}

bool sim_stage_take_back(struct sim_daemon *daemon, struct sim_channel *channel, uint64_t task)
{
    for (uint32_t i = 0; i < channel->waiting_count; i++) {
        struct sim_waiting *waiting = &channel->waiting[i];
        if (waiting->entry.task != task)
            continue;
        sim_stage_drop(daemon, &waiting->entry.stage);
        recalled(channel, &waiting->entry);
        waiting_remove(channel, i);
        return true;
    }
    return false;
}

/* What has been answered, and not been sent, is lost with the channel. */
void sim_stages_close(struct sim_daemon *daemon, struct sim_channel *channel)
{
    struct sim_entry entry;
    struct reeve_fifo returns;
    reeve_fifo_init(&returns, sizeof entry);
    while (reeve_fifo_pop(&channel->returns, &entry)) {
        sim_stage_drop(daemon, &entry.stage);
        *(struct sim_entry *)reeve_fifo_push(&returns) = entry;
    }
    reeve_fifo_fini(&channel->returns);
    channel->returns = returns;
    for (uint32_t i = 0; i < channel->call_count; i++)
        sim_stage_drop(daemon, &channel->calls[i].entry.stage);
    while (channel->waiting_count > 0) {
        sim_stage_drop(daemon, &channel->waiting[0].entry.stage);
        waiting_remove(channel, 0);
    }
}

/* ---- what must hold ---- */

static bool is_pinned_here(const struct reeve_store *store, struct reeve_object_id id)
{
    struct reeve_store_object_info info;
    for (uint64_t cursor = 0; reeve_store_next_object(store, &cursor, &info);)
        if (reeve_object_id_equal(info.id, id))
            return info.pin_count > 0 &&
                   (strcmp(info.state, "sealed") == 0 || strcmp(info.state, "spilling") == 0);
    return false;
}

void sim_stage_check(
    struct sim *sim, const struct sim_channel *channel, const struct sim_entry *call)
{
    const struct sim_daemon *daemon = sim_daemon_get(sim, channel->life);
    if (daemon == NULL || channel->kind != CHANNEL_EXECUTOR)
        return;
    for (uint32_t i = 0; i < call->object_count; i++)
        if (!is_pinned_here(daemon->store->core, call->objects[i].id))
            sim_violation(sim, "node %u starts task %llx, and object %llx/%llx is not pinned there",
                daemon->number, (unsigned long long)call->task,
                (unsigned long long)call->objects[i].id.owner,
                (unsigned long long)call->objects[i].id.sequence);
}
