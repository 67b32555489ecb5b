/* The node core's audit, and the facts it shows. */
#include <string.h>

#include "runtime/base/macros.h"
#include "runtime/node/node_internal.h"

void reeve_node_get_facts(const struct reeve_node *node, struct reeve_node_facts *ret)
{
    struct reeve_node_facts facts = {.node = node->number,
        .head_up = node->joined,
        .draining = node->draining,
        .ended = node->ended,
        .cpu_milli = node->config.cpu_milli,
        .cpu_used_milli = node->cpu_used_milli,
        .drivers = node->drivers_count,
        .jobs = (uint32_t)reeve_map64_count(&node->jobs),
        .peers = (uint32_t)reeve_map64_count(&node->peers),
        .stale = node->stale};
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->processes, &at, NULL, &value)) {
        switch (((struct node_process *)value)->state) {
        case PROCESS_DRIVER: break;
        case PROCESS_STARTING: facts.workers_starting++; break;
        case PROCESS_IDLE: facts.workers_idle++; break;
        case PROCESS_LEASED: facts.workers_leased++; break;
        case PROCESS_RETIRING:
        case PROCESS_KILLED: facts.workers_ending++; break;
        }
    }
    at = 0;
    while (reeve_map64_next(&node->leases, &at, NULL, &value)) {
        const struct node_lease *lease = value;
        facts.leases_waiting += lease->state == LEASE_WAITING;
        facts.leases_executing += lease->state == LEASE_OPEN || lease->state == LEASE_CLOSING;
        facts.leases_held += lease->holder_process != NULL && lease->state != LEASE_WAITING;
    }
    *ret = facts;
}

static void check_lease(const struct reeve_node *node, const struct node_lease *lease)
{
    REEVE_ASSERT(reeve_map64_get(&node->leases, lease->id) == lease);
    REEVE_ASSERT((lease->holder_process != NULL) == reeve_list_is_linked(&lease->held_link));
    REEVE_ASSERT(
        lease->holder_process == NULL ||
        reeve_map64_get(&node->processes, lease->holder_process->serial) == lease->holder_process);
    bool attaches = reeve_class_attaches(&lease->class) && lease->state != LEASE_HELD;
    REEVE_ASSERT(
        (lease->state == LEASE_WAITING && !attaches) == reeve_list_is_linked(&lease->waiting_link));
    REEVE_ASSERT(attaches || !reeve_list_is_linked(&lease->attached_link));
    REEVE_ASSERT(
        !attaches || lease->state == LEASE_CLOSING || reeve_list_is_linked(&lease->attached_link));
    switch (lease->state) {
    case LEASE_WAITING:
        REEVE_ASSERT(lease->worker == NULL && !lease->lent && !lease->job->ended);
        break;
    case LEASE_OPEN:
        REEVE_ASSERT(lease->worker != NULL && lease->channel_open);
        REEVE_ASSERT(lease->holder_process != NULL || lease->peer != 0);
        break;
    case LEASE_CLOSING:
        REEVE_ASSERT((lease->worker != NULL || attaches) && !lease->channel_open);
        break;
    case LEASE_HELD:
        REEVE_ASSERT(lease->worker == NULL && lease->job == NULL && lease->peer != 0);
        REEVE_ASSERT(lease->holder_process != NULL);
        break;
    }
    REEVE_ASSERT(lease->worker == NULL || attaches || lease->worker->lease == lease);
}

static void check_job(const struct node_job *job)
{
    uint32_t starting = 0, idle = 0;
    REEVE_LIST_EACH(link, &job->workers)
    {
        const struct node_process *worker = REEVE_LIST_ENTRY(link, struct node_process, job_link);
        REEVE_ASSERT(worker->job == job);
        starting += worker->state == PROCESS_STARTING;
        idle += worker->state == PROCESS_IDLE;
        REEVE_ASSERT(!job->ended || worker->state == PROCESS_KILLED);
    }
    REEVE_ASSERT(starting == job->starting_count && idle == job->idle_count);
    REEVE_ASSERT(reeve_list_count(&job->idle) == idle);
    REEVE_ASSERT(reeve_list_count(&job->waiting) == job->waiting_count);
    /* Nobody waits where somebody is free. */
    REEVE_ASSERT(job->waiting_count == 0 || idle == 0);
    REEVE_ASSERT(!job->ended || (job->driver == NULL && !reeve_list_is_empty(&job->workers)));
}

void reeve_node_check(const struct reeve_node *node)
{
    uint32_t cpu = 0, drivers = 0, workers = 0, blocked = 0;
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->leases, &at, NULL, &value)) {
        const struct node_lease *lease = value;
        check_lease(node, lease);
        if (lease->state != LEASE_HELD && !lease->lent)
            cpu += lease->class.cpu_milli;
    }
    REEVE_ASSERT(cpu == node->cpu_used_milli);
    at = 0;
    while (reeve_map64_next(&node->processes, &at, NULL, &value)) {
        const struct node_process *process = value;
        drivers += process->state == PROCESS_DRIVER;
        workers += process->state != PROCESS_DRIVER;
        blocked += process->blocked != NULL;
        REEVE_ASSERT(reeve_map64_get(&node->jobs, process->job->id) == process->job);
        REEVE_ASSERT((process->state == PROCESS_IDLE) == reeve_list_is_linked(&process->idle_link));
        REEVE_ASSERT(process->state != PROCESS_LEASED || process->lease != NULL);
        REEVE_ASSERT(process->lease == NULL || process->lease->worker == process);
        REEVE_ASSERT(
            process->state == PROCESS_RETIRING ? reeve_heap_contains(&process->timer.heap) : true);
    }
    REEVE_ASSERT(drivers == node->drivers_count && workers == node->workers_count);
    REEVE_ASSERT(workers <= node->config.process_limit && blocked == node->blocked_count);
    at = 0;
    while (reeve_map64_next(&node->jobs, &at, NULL, &value))
        check_job(value);
}
