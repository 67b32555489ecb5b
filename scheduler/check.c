/* The audit: every account is added up again from the leases and demands, and every link is
 * followed both ways. */
#include <stdlib.h>

#include "scheduler/sched_internal.h"

#define CHECK(condition, text) \
    do {                       \
        if (!(condition))      \
            return text;       \
    } while (0)

static const char *check_node(const struct reeve_sched *s, const struct sched_node *node)
{
    uint64_t used = 0, count = 0;
    const struct reeve_list *lists[] = {&node->leases, &node->unconfirmed};
    for (int i = 0; i < 2; i++) {
        REEVE_LIST_EACH(link, lists[i])
        {
            const struct sched_lease *lease = REEVE_LIST_ENTRY(link, struct sched_lease, node_link);
            CHECK(lease->node == node, "a lease is in the list of another node");
            used += lease->lent ? 0 : sched_lease_cpu(lease);
            count++;
        }
    }
    REEVE_LIST_EACH(link, &s->orphans)
    {
        const struct sched_lease *lease = REEVE_LIST_ENTRY(link, struct sched_lease, node_link);
        if (lease->node != node)
            continue;
        used += lease->lent ? 0 : sched_lease_cpu(lease);
        count++;
    }
    CHECK(node->free_milli == (int64_t)node->cpu_milli - (int64_t)used,
        "a node's free cpu is not what its leases leave");
    CHECK(node->lease_count == count, "a node's count of leases is wrong");
    CHECK((node->session != 0) ==
              (node->state == REEVE_SCHED_NODE_UP || node->state == REEVE_SCHED_NODE_JOINING),
        "a node's session does not fit its state");
    CHECK(node->state == REEVE_SCHED_NODE_JOINING || reeve_list_is_empty(&node->unconfirmed),
        "unconfirmed leases outside a joining");
    if (node->session != 0) {
        const struct sched_session *session = reeve_map64_get(&s->sessions, node->session);
        CHECK(session != NULL && session->node == node, "a node's session does not know it");
    }
    bool open = node->state == REEVE_SCHED_NODE_UP && !node->ending && node->cpu_milli > 0 &&
                node->free_milli >= 0 && node->drain == NULL &&
                node->lease_count < s->settings.leases_a_node_max;
    CHECK(reeve_heap_contains(&node->room) == open, "a node is wrongly in or out of the room heap");
    if (open)
        CHECK(node->room.key ==
                  ((UINT32_MAX - REEVE_MIN((uint64_t)node->free_milli, UINT32_MAX)) << 32 |
                      node->number),
            "a node's place in the room heap is stale");
    CHECK((node->drain == NULL) || node->drain->drain == node, "a drain is known to one side only");
    CHECK(reeve_heap_contains(&node->timer.heap) == (node->state != REEVE_SCHED_NODE_DEAD),
        "a node's timer is not armed");
    return NULL;
}

static const char *check_demand(
    const struct sched_class *class, const struct sched_demand *demand, uint64_t held)
{
    bool ended = class->job->ended;
    uint64_t lacking = demand->count > held && !ended ? demand->count - held : 0;
    CHECK(demand->lease_count == held, "a demand's count of leases is wrong");
    CHECK(demand->lacking == lacking || ended, "what a demand lacks is wrong");
    CHECK(reeve_list_is_linked(&demand->unmet_link) == (demand->lacking > 0),
        "the queue of unmet demands is wrong");
    CHECK(reeve_list_is_linked(&demand->asking_link) == (demand->count > 0),
        "the list of asking demands is wrong");
    CHECK(demand->count > 0 || demand->lease_count > 0, "a demand for nothing is kept");
    CHECK(reeve_list_is_linked(&demand->untold_link) == !reeve_list_is_empty(&demand->untold),
        "the list of those who do not know that they are waited for is wrong");
    REEVE_LIST_EACH(link, &demand->untold)
    {
        const struct sched_lease *lease = REEVE_LIST_ENTRY(link, struct sched_lease, untold_link);
        CHECK(lease->demand == demand && !lease->wanted && !lease->recalled,
            "a lease that is waited for is in the wrong list");
    }
    return NULL;
}

static const char *check_class(
    const struct reeve_sched *s, const struct sched_class *class, uint64_t *leases)
{
    (void)s;
    uint64_t lacking = 0, held = 0;
    size_t at = 0;
    uint64_t process;
    void *value;
    while (reeve_map64_next(&class->demands, &at, &process, &value)) {
        const struct sched_demand *demand = value;
        CHECK(demand->process == process && demand->class == class, "a demand is filed wrongly");
        const char *wrong = check_demand(class, demand, demand->lease_count);
        if (wrong != NULL)
            return wrong;
        lacking += demand->lacking;
        held += demand->lease_count;
    }
    CHECK(class->lacking == lacking, "what a class lacks is wrong");
    CHECK(class->lease_count == held, "a class's count of leases is wrong");
    bool ready = lacking > 0 && !class->held_off && !class->job->ended && !class->job->presumed;
    CHECK((class->group != NULL) == ready, "a class is wrongly in or out of its queue");
    CHECK(reeve_list_is_linked(&class->unmet_link) == (lacking > 0),
        "the list of unmet classes is wrong");
    CHECK(reeve_list_is_linked(&class->held_off_link) == class->held_off,
        "the list of held off classes is wrong");
    CHECK(class->promises == reeve_list_count(&class->promised) + (class->drain != NULL),
        "a class's promises are miscounted");
    CHECK(lacking > 0 || class->promises == 0, "promises to a class that lacks nothing");
    CHECK(
        class->drain == NULL || class->drain->drain == class, "a drain is known to one side only");
    *leases += held;
    return NULL;
}

static const char *check_job(const struct reeve_sched *s, const struct sched_job *job)
{
    uint64_t held = 0, recalled = 0, promised = 0, leases = 0, demands = 0, of_classes = 0,
             classes = 0, groups = 0;
    const struct reeve_list *lists[] = {&job->leases, &job->recalled};
    for (int i = 0; i < 2; i++) {
        REEVE_LIST_EACH(link, lists[i])
        {
            const struct sched_lease *lease = REEVE_LIST_ENTRY(link, struct sched_lease, job_link);
            CHECK(sched_lease_job(lease) == job, "a lease is in the list of another job");
            CHECK(lease->recalled == (i == 1), "a recalled lease is in the wrong list");
            held += lease->lent ? 0 : sched_lease_cpu(lease);
            recalled += lease->recalled && !lease->lent ? sched_lease_cpu(lease) : 0;
            leases++;
        }
    }
    REEVE_LIST_EACH(link, &job->classes)
    {
        const struct sched_class *class = REEVE_LIST_ENTRY(link, struct sched_class, job_link);
        CHECK(class->job == job, "a class is in the list of another job");
        const char *wrong = check_class(s, class, &of_classes);
        if (wrong != NULL)
            return wrong;
        REEVE_LIST_EACH(promise, &class->promised)
        promised += REEVE_LIST_ENTRY(promise, struct sched_lease, promise_link)->promise_milli;
        promised += class->drain != NULL ? class->class.cpu_milli : 0;
        demands += reeve_map64_count(&class->demands);
        groups += class->group != NULL;
        classes++;
    }
    uint64_t grouped = 0;
    REEVE_LIST_EACH(link, &job->groups)
    {
        const struct sched_group *group = REEVE_LIST_ENTRY(link, struct sched_group, link);
        CHECK(group->classes.count > 0, "an empty group is kept");
        CHECK(group->heap.key == sched_fair_key(s, group), "a job's turn is stale");
        grouped += group->classes.count;
    }
    CHECK(grouped == groups, "groups and classes disagree");
    CHECK(job->held_milli == held, "what a job holds is wrong");
    CHECK(job->recalled_milli == recalled, "what has been called back from a job is wrong");
    CHECK(job->promised_milli == promised, "what a job was promised is wrong");
    CHECK(job->lease_count == leases && of_classes == leases, "a job's count of leases is wrong");
    CHECK(job->demand_count == demands, "a job's count of demands is wrong");
    CHECK(job->class_count == classes, "a job's count of classes is wrong");
    CHECK(reeve_heap_contains(&job->rich) == (!job->ended && held > recalled),
        "a job is wrongly in or out of the heap of holders");
    return NULL;
}

const char *reeve_sched_check(const struct reeve_sched *s)
{
    const char *wrong;
    size_t at = 0;
    void *value;
    uint64_t up = 0, lost = 0, alive = 0, cpu = 0, used = 0, with_slots = 0, room = 0;
    while (reeve_map64_next(&s->nodes, &at, NULL, &value)) {
        const struct sched_node *node = value;
        CHECK(node->state != REEVE_SCHED_NODE_DEAD, "a dead node is among the living");
        if ((wrong = check_node(s, node)) != NULL)
            return wrong;
        alive++;
        with_slots += node->cpu_milli > 0;
        room += reeve_heap_contains(&node->room);
        if (node->state == REEVE_SCHED_NODE_LOST) {
            lost++;
        } else {
            up++;
            cpu += node->cpu_milli;
            used += node->cpu_milli - node->free_milli;
        }
    }
    REEVE_LIST_EACH(link, &s->dead)
    if ((wrong = check_node(s, REEVE_LIST_ENTRY(link, struct sched_node, order_link))) != NULL)
        return wrong;
    CHECK(alive == s->totals.node_count && alive == reeve_list_count(&s->node_order),
        "the count of nodes is wrong");
    CHECK(up == s->totals.node_up_count && lost == s->totals.lost_count,
        "the count of nodes that are up is wrong");
    CHECK(cpu == s->totals.cpu_milli && used == s->totals.cpu_used_milli,
        "the cluster's cpu is added up wrongly");
    CHECK(with_slots == s->sizes.count && room == s->room.count,
        "a heap of nodes holds what is no node");

    uint64_t jobs = 0, leases = 0, demands = 0;
    for (at = 0; reeve_map64_next(&s->jobs, &at, NULL, &value); jobs++) {
        const struct sched_job *job = value;
        if ((wrong = check_job(s, job)) != NULL)
            return wrong;
        leases += job->lease_count;
        demands += job->demand_count;
    }
    CHECK(jobs == s->totals.job_count, "the count of jobs is wrong");
    CHECK(leases == s->totals.lease_count && leases == reeve_map64_count(&s->leases),
        "the count of leases is wrong");
    CHECK(demands == s->totals.demand_count && demands == reeve_map64_count(&s->demands),
        "the count of demands is wrong");
    uint64_t waits = 0;
    for (at = 0; reeve_map64_next(&s->waits, &at, NULL, &value); waits++) {
        const struct sched_wait *wait = value;
        CHECK(wait->node->state == REEVE_SCHED_NODE_UP, "a wait of a node that is not there");
        CHECK(reeve_list_is_linked(&wait->order_link) && reeve_list_is_linked(&wait->node_link),
            "a wait is forgotten by halves");
    }
    CHECK(waits == reeve_list_count(&s->waits_order), "the list of waits is wrong");
    if ((wrong = sched_names_check(s)) != NULL)
        return wrong;
    for (at = 0; reeve_map64_next(&s->avoids, &at, NULL, &value);) {
        const struct sched_avoid *avoid = value;
        CHECK(reeve_list_is_linked(&avoid->class_link) && reeve_list_is_linked(&avoid->node_link),
            "a refusal is forgotten by halves");
    }
    return NULL;
}
