/* What goes wrong, and how it is put right: processes, daemons, machines and the head are
 * killed, links are cut, and one direction of a link is blocked, at random moments and between
 * any two commands. */
#include <stdlib.h>

#include "tests/sim/sim.h"

static struct sim_process *some_process(struct sim *sim, bool is_driver)
{
    size_t at = 0;
    void *value;
    struct sim_process *found = NULL;
    uint64_t seen = 0;
    while (reeve_map64_next(&sim->processes, &at, NULL, &value)) {
        struct sim_process *process = value;
        if (process->is_driver == is_driver && !process->dying && sim_below(sim, ++seen) == 0)
            found = process;
    }
    return found;
}

static void revive_later(
    struct sim *sim, uint32_t machine, enum sim_event_kind kind, uint64_t most_ns)
{
    sim_after(sim, sim_between(sim, 1 * MS, most_ns), kind)->c = machine;
}

static void crash_daemon(struct sim *sim, struct sim_daemon *daemon, bool silent)
{
    if (daemon == NULL)
        return;
    uint32_t machine = daemon->machine;
    bool is_head = daemon->is_head;
    sim_daemon_kill(sim, daemon, silent);
    revive_later(
        sim, machine, is_head ? SIM_START_HEAD : SIM_START_DAEMON, (is_head ? 8 : 5) * SECOND);
}

static void crash_machine(struct sim *sim, uint32_t machine)
{
    sim_trace(sim, "machine %u crashes", machine);
    bool silent = sim_chance(sim, 1, 2);
    sim->machines[machine].up = false;
    struct sim_daemon *daemon = sim_daemon_get(sim, sim->machines[machine].life);
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&sim->processes, &at, NULL, &value)) {
        struct sim_process *process = value;
        if (process->machine == machine)
            process->dying = true; /* without a word */
    }
    if (daemon != NULL)
        sim_daemon_kill(sim, daemon, silent);
    struct sim_daemon *head = machine == 0 ? sim_daemon_get(sim, sim->head_life) : NULL;
    if (head != NULL)
        sim_daemon_kill(sim, head, silent);
    revive_later(sim, machine, SIM_REVIVE, 20 * SECOND);
}

bool sim_maybe_kill(struct sim *sim, struct sim_daemon *daemon)
{
    if (!sim->chaos || daemon->dead || sim->kill_odds == 0 || !sim_chance(sim, 1, sim->kill_odds))
        return false;
    crash_daemon(sim, daemon, sim_chance(sim, 1, 4));
    return true;
}

static void cut_one(struct sim *sim)
{
    uint64_t skip = sim_below(sim, reeve_map64_count(&sim->sessions) + 1);
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&sim->sessions, &at, NULL, &value)) {
        if (skip-- > 0)
            continue;
        sim_trace(
            sim, "session %llu is cut", (unsigned long long)((struct sim_session *)value)->id);
        sim_session_cut(sim, value);
        sim->cuts++;
        return;
    }
}

static void partition(struct sim *sim)
{
    uint32_t from = (uint32_t)sim_below(sim, sim->machine_count),
             to = (uint32_t)sim_below(sim, sim->machine_count);
    if (sim_chance(sim, 1, 2))
        (sim_chance(sim, 1, 2) ? &from : &to)[0] = 0; /* with the head */
    if (from == to)
        return;
    sim_trace(sim, "nothing passes from machine %u to %u", from, to);
    sim_block(sim, from, to, true);
    sim->cuts++;
    struct sim_event *event =
        sim_after(sim, sim_between(sim, 100 * MS, 25 * SECOND), SIM_HEAL_LINK);
    event->a = from;
    event->b = to;
}

void sim_chaos(struct sim *sim)
{
    if (!sim->chaos)
        return;
    uint32_t machine = (uint32_t)sim_below(sim, sim->machine_count);
    struct sim_process *process;
    uint64_t dice = sim_below(sim, 100);
    if (sim_chance(sim, 1, 6)) {
        process = some_process(sim, sim_chance(sim, 1, 3));
        if (process != NULL && process->stopped_ns <= sim->now_ns) { /* as by a debugger */
            process->stopped_ns = sim->now_ns + sim_between(sim, 1 * MS, 15 * SECOND);
            sim->stops++;
        }
    }
    if (dice < 35) {
        if ((process = some_process(sim, false)) != NULL) {
            sim_process_kill(sim, process);
            sim->kills++;
        }
    } else if (dice < 42) {
        if ((process = some_process(sim, true)) != NULL && sim_chance(sim, 1, 2)) {
            sim_process_kill(sim, process);
            sim->kills++;
            sim_driver_later(sim, sim_between(sim, 1 * MS, 2 * SECOND), machine);
        }
    } else if (dice < 70) {
        cut_one(sim);
    } else if (dice < 80) {
        partition(sim);
    } else if (dice < 88) {
        crash_daemon(sim, sim_daemon_get(sim, sim->machines[machine].life), false);
    } else if (dice < 94) {
        if (sim->machines[machine].up)
            crash_machine(sim, machine);
    } else {
        crash_daemon(sim, sim_daemon_get(sim, sim->head_life), false);
    }
    sim_after(sim, sim_between(sim, 1 * MS, 1500 * MS), SIM_CHAOS);
}

void sim_heal(struct sim *sim)
{
    sim_trace(sim, "---- healing ----");
    sim->chaos = false;
    for (uint32_t i = 0; i < sim->machine_count; i++) {
        for (uint32_t j = 0; j < sim->machine_count && reeve_map64_count(&sim->blocked) > 0; j++)
            sim_block(sim, i, j, false);
        if (!sim->machines[i].up || sim->machines[i].life == 0)
            sim_after(sim, 0, SIM_REVIVE)->c = i;
    }
    sim_after(sim, 0, SIM_START_HEAD);
    size_t at = 0;
    void *value;
    uint32_t drivers = 0;
    while (reeve_map64_next(&sim->processes, &at, NULL, &value)) {
        struct sim_process *process = value;
        if (process->is_driver && !process->dying) {
            drivers++;
            process->left += 20; /* a proof of life */
            sim_process_wake(sim, process, 0);
        }
    }
    for (; drivers < 2; drivers++)
        sim_driver_later(sim, 3 * SECOND, (uint32_t)sim_below(sim, sim->machine_count));
}

/* ---- drivers come ---- */

void sim_driver_later(struct sim *sim, uint64_t delay_ns, uint32_t machine)
{
    sim->drivers_due++;
    sim_after(sim, delay_ns, SIM_START_DRIVER)->c = machine;
}

void sim_driver_start(struct sim *sim, uint32_t machine)
{
    struct sim_daemon *daemon = sim_daemon_get(sim, sim->machines[machine].life);
    sim->drivers_due--;
    if (daemon == NULL) {
        sim_driver_later(sim, SECOND, (machine + 1) % sim->machine_count);
        return;
    }
    struct sim_process *process = sim_process_make(sim, daemon, true);
    process->left = sim->options.tasks;
    sim_trace(sim, "driver %llu starts on machine %u", (unsigned long long)process->uid, machine);
    sim_to_daemon(sim, process, &(struct sim_local){.kind = LOCAL_HELLO});
}
