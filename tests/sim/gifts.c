/* Large values that change hands, and that are kept by who does not own them.
 *
 *   give   a worker's function gives futures of large values with its result: the hand-over goes
 *          first, then GIVE for each of them, and when all have been answered the result
 *   keep   a function is lent a future of a large value, and keeps it beyond the call: HOLD, and
 *          when that has been answered the result; it is read later, and let go of
 *
 *   caller ◀─ hand-over ─ worker ── GIVE, HOLD ──▶ its daemon ── word ──▶ the node where it lies
 *          ◀─ result ───     ◀───── known ──────────────────────────────────┘
 *
 * Between any two of these steps anybody may die. What has been given, or is held, is there as long
 * as the node where it lies, and (held) its owner: who cannot read it has a reason. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/values.h"

/* ---- reasons --------------------------------------------------------------------------------- */

#define NODES_DIED_WITHIN (30 * SECOND)

static const struct sim_daemon *daemon_of(const struct sim *sim, uint32_t node)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&sim->daemons, &at, NULL, &value)) {
        const struct sim_daemon *daemon = value;
        if (!daemon->is_head && daemon->number == node)
            return daemon;
    }
    return NULL;
}

/* A value that its reader owns, or holds, is not to be had. When nodes have died lately (or have
 * been taken for dead), or a disk has failed, that may be why. */
void sim_loss_check(struct sim *sim, const struct sim_process *reader,
    const struct reeve_reference *object, int code)
{
    const struct sim_daemon *daemon = daemon_of(sim, object->node);
    bool died = sim->nodes_died_ns != 0 && sim->now_ns - sim->nodes_died_ns < NODES_DIED_WITHIN;
    if (daemon == NULL || died || sim->damaged > 0)
        return;
    if (code == REEVE_EOWNERDIED && object->flags & REEVE_REFERENCE_HELD)
        return;
    if (!reeve_store_knows(daemon->store->core, object->id))
        sim_violation(sim,
            "process %llu cannot read object %llx/%llx (%s, flags %u): it is not on node %u",
            (unsigned long long)reader->uid, (unsigned long long)object->id.owner,
            (unsigned long long)object->id.sequence, reeve_error_name(code), object->flags,
            object->node);
}

/* ---- giving ---------------------------------------------------------------------------------- */

void sim_gifts_give(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame,
    const struct reeve_buffer *objects)
{
    struct reeve_reference object;
    for (size_t at = 0; at < objects->size; at += sizeof object) {
        memcpy(&object, objects->data + at, sizeof object);
        bool held = object.flags & REEVE_REFERENCE_HELD;
        sim_word_say(sim, worker,
            (struct reeve_store_event){.kind = held ? REEVE_STORE_HOLD : REEVE_STORE_GIVE,
                .id = object.id,
                .node = object.node,
                .process = held ? 0 : frame->process,
                .heir = held ? frame->process : 0,
                .number = held ? object.offset : 0,
                .call = frame->task,
                .attempt = frame->attempt,
                .flags =
                    held ? 0
                         : (object.flags & REEVE_REFERENCE_GIVEN ? REEVE_STORE_GIVEN : 0) |
                               (object.flags & REEVE_REFERENCE_LOCATED ? REEVE_STORE_ANCHOR : 0)});
        sim->gifts++;
    }
}

/* ---- keeping --------------------------------------------------------------------------------- */

void sim_lent_begin(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame,
    const struct sim_entry *entry)
{
    reeve_task_id *futures;
    uint32_t count;
    if (!(frame->function & SIM_FUNCTION_KEEPS))
        return;
    if (reeve_owner_borrow(
            worker->owner, sim->now_ns, entry->lent, entry->lent_size, &futures, &count) != 0 ||
        count != 1)
        sim_violation(sim, "a future does not come with its call");
    frame->lent = futures[0];
    free(futures);
}

/* The function is over: it keeps what it was lent, or not. */
void sim_lent_keep(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame)
{
    struct reeve_owner_result result;
    struct reeve_buffer holds;
    struct reeve_owner_hold hold;
    struct sim_loan *kept = NULL;
    for (uint32_t i = 0; i < SIM_LOANS && kept == NULL; i++)
        if (worker->loans[i].task == 0)
            kept = &worker->loans[i];
    if (kept != NULL && sim_chance(sim, 3, 4) &&
        reeve_owner_result(worker->owner, frame->lent, &result) == 0 && result.is_object) {
        if (reeve_owner_retain(worker->owner, frame->lent, &kept->task) != 0)
            sim_violation(sim, "what was lent cannot be kept");
        kept->number = frame->value;
        kept->later_ns = sim->now_ns;
        kept->reads = (uint32_t)sim_below(sim, 3);
        kept->open = true;
    }
    reeve_buffer_init(&holds);
    if (reeve_owner_loans_kept(worker->owner, &frame->lent, 1, &holds) != 0)
        sim_violation(sim, "what is kept cannot be told");
    for (size_t at = 0; at < holds.size; at += sizeof hold) {
        memcpy(&hold, holds.data + at, sizeof hold);
        struct sim_value *value = sim_word_say(sim, worker,
            (struct reeve_store_event){.kind = REEVE_STORE_HOLD,
                .id = hold.object.id,
                .node = hold.object.node,
                .number = hold.token});
        value->task = hold.token;
        value->object = hold.object;
        sim->holds++;
    }
    if (holds.size == 0 && kept != NULL && kept->task != 0)
        sim_violation(sim, "what is kept is not to be held");
    reeve_buffer_fini(&holds);
}

/* It is known to be held, or cannot be: then it goes with the call. */
static void hold_answered(struct sim *sim, struct sim_process *worker, struct sim_value *value)
{
    struct reeve_owner_hold hold = {value->object, value->task};
    value->use = VALUE_FREE;
    if (value->task == 0)
        return; /* a gift */
    for (uint32_t i = 0; i < SIM_LOANS; i++) {
        struct sim_loan *kept = &worker->loans[i];
        if (kept->task != value->task || !kept->open)
            continue;
        kept->open = false;
        if (value->code == 0) {
            reeve_owner_held(worker->owner, &hold, 1);
            kept->later_ns = sim->now_ns + sim_between(sim, 0, 4 * SECOND);
            sim_process_wake(sim, worker, kept->later_ns - sim->now_ns);
        } else {
            kept->failed = true;
        }
        return;
    }
}

bool sim_words_heard(struct sim *sim, struct sim_process *worker)
{
    for (uint32_t i = 0; i < SIM_VALUES; i++)
        if (worker->values->values[i].use == VALUE_WORD &&
            worker->values->values[i].state == VALUE_ASKED)
            return false;
    for (uint32_t i = 0; i < SIM_VALUES; i++)
        if (worker->values->values[i].use == VALUE_WORD)
            hold_answered(sim, worker, &worker->values->values[i]);
    return true;
}

void sim_lent_end(struct sim_process *worker, const struct sim_call_frame *frame)
{
    if (frame->lent != 0)
        reeve_owner_borrow_end(worker->owner, &frame->lent, 1);
}

static void let_go(struct sim_process *worker, struct sim_loan *kept)
{
    if (reeve_owner_release(worker->owner, kept->task) != 0)
        abort();
    *kept = (struct sim_loan){0};
}

/* What it keeps is read, and let go of. */
void sim_kept_turn(struct sim *sim, struct sim_process *worker)
{
    for (uint32_t i = 0; i < SIM_LOANS && !worker->dying; i++) {
        struct sim_loan *kept = &worker->loans[i];
        struct reeve_owner_result result;
        uint64_t number = 0;
        int status = 0;
        if (kept->task == 0 || kept->open)
            continue;
        if (kept->failed) {
            let_go(worker, kept);
            continue;
        }
        if (kept->later_ns > sim->now_ns) {
            sim_process_wake(sim, worker, kept->later_ns - sim->now_ns);
            continue;
        }
        if (reeve_owner_result(worker->owner, kept->task, &result) != 0 || !result.is_object)
            sim_violation(sim, "what was kept is no large value any more");
        if (sim_value_read(sim, worker, kept->task, &result.object, &number, &status) !=
            SIM_READ_OVER)
            continue;
        if (worker->dying)
            return;
        if (status == 0 && number != kept->number)
            sim_violation(sim, "process %llu keeps another value than it was lent",
                (unsigned long long)worker->uid);
        sim->kept_reads += status == 0;
        sim->kept_lost += status != 0;
        if (status == 0 && kept->reads > 0) {
            kept->reads--;
            kept->later_ns = sim->now_ns + sim_between(sim, 0, 2 * SECOND);
            sim_process_wake(sim, worker, kept->later_ns - sim->now_ns);
            continue;
        }
        let_go(worker, kept);
    }
}
