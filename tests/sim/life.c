/* Processes come and go, and talk with their daemons. What they do meanwhile is in process.c. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/handles.h"
#include "tests/sim/values.h"

/* ---- sockets ---- */

struct sim_process *sim_process_get(struct sim *sim, uint64_t uid)
{
    return reeve_map64_get(&sim->processes, uid);
}

static void post(struct sim *sim, struct sim_process *process, enum sim_event_kind kind,
    uint64_t *ready_ns, const struct sim_local *m)
{
    uint64_t at_ns = sim->now_ns + sim_between(sim, 1 * US, 100 * US);
    if (at_ns < *ready_ns)
        at_ns = *ready_ns;
    *ready_ns = at_ns;
    struct sim_event *event = sim_after(sim, at_ns - sim->now_ns, kind);
    event->a = process->uid;
    event->data = memcpy(sim_alloc(sizeof *m), m, sizeof *m);
}

void sim_to_daemon(struct sim *sim, struct sim_process *process, const struct sim_local *m)
{
    if (!process->dying)
        post(sim, process, SIM_TO_DAEMON, &process->to_daemon_ns, m);
}

void sim_to_process(struct sim *sim, struct sim_process *process, const struct sim_local *m)
{
    if (!process->dying)
        post(sim, process, SIM_TO_PROCESS, &process->to_process_ns, m);
}

/* ---- life ---- */

struct sim_process *sim_process_make(struct sim *sim, struct sim_daemon *daemon, bool is_driver)
{
    struct sim_process *process = sim_alloc(sizeof *process);
    process->uid = process->connection = ++sim->next_id;
    process->life = daemon->life;
    process->machine = daemon->machine;
    process->is_driver = is_driver;
    process->owner_ns = process->wake_ns = NEVER;
    process->owner = reeve_owner_create(&reeve_owner_settings_default);
    for (uint32_t i = 0; i < SIM_CLASSES; i++) {
        uint32_t index;
        reeve_owner_class(process->owner, sim_class_cpu[i], 0, &index);
    }
    process->values = sim_alloc(sizeof *process->values);
    process->handles = sim_alloc(sizeof *process->handles);
    reeve_map64_init(&process->held);
    reeve_map64_init(&process->worked);
    reeve_map64_init(&process->hosted);
    reeve_map64_init(&process->hosts);
    reeve_map64_put(&sim->processes, process->uid, process, NULL);
    return process;
}

void sim_process_free(struct sim *sim, struct sim_process *process)
{
    reeve_map64_remove(&sim->processes, process->uid);
    reeve_owner_free(process->owner);
    reeve_map64_fini(&process->held);
    reeve_map64_fini(&process->worked);
    reeve_map64_fini(&process->hosts);
    reeve_map64_fini_values(&process->hosted);
    free(process->values);
    free(process->handles);
    free(process->actors);
    free(process->expected);
    free(process);
}

/* From now on it does nothing; what it has said is still on its way, and then the end of its
 * socket. */
void sim_process_kill(struct sim *sim, struct sim_process *process)
{
    if (process->dying)
        return;
    sim_trace(sim, "process %llu (%s, serial %u) ends", (unsigned long long)process->uid,
        process->is_driver ? "driver" : "worker", process->serial);
    if (process->is_driver)
        sim->abandoned += process->expected_count;
    sim_to_daemon(sim, process, &(struct sim_local){.kind = LOCAL_END});
    process->dying = true;
}

void sim_process_wake(struct sim *sim, struct sim_process *process, uint64_t delay_ns)
{
    uint64_t at_ns = sim->now_ns + delay_ns;
    if (process->dying || (process->wake_ns <= at_ns && process->wake_ns >= sim->now_ns))
        return;
    process->wake_ns = at_ns;
    sim_after(sim, delay_ns, SIM_PROCESS_WAKE)->a = process->uid;
}
