/* Recalls: when nothing more can be granted, somebody has less than a fair share, and somebody else
 * has more.
 *
 * A lease is called back from job B for job A if B would still have no less than A afterwards (what
 * has been called back counts as gone, what has been promised as given). At rest that makes the
 * shares max-min fair, and it cannot go round in circles, for the lesser of the two grows each
 * time. Beyond that,
 *
 *   - time is shared where leases cannot be: a job (or a demand within its job) that has had
 *     nothing for rotate_after_ms gets the oldest lease of the job that holds most, even its only
 *     one;
 *   - within a job, a class of higher priority takes from those of lower priority.
 *
 * If what is wanted is larger than what any one lease frees, a node is drained: its leases are
 * called back until the class fits, and nobody else is granted anything there meanwhile (for a
 * while: see place.c). A recall is a request: what has been claimed finishes. */
#include "scheduler/sched_internal.h"

#define MS 1000000ull

#define LOOK_MAX 64 /* candidates to look at, of each kind */

struct want {
    struct sched_class *class;
    struct sched_demand *demand;
    uint32_t cpu_milli;
    bool starved; /* it has waited long enough, for nothing at all, to take a turn */
};

static void look_again(struct reeve_sched *s, uint64_t at_ns)
{
    if (!reeve_heap_contains(&s->recheck_timer.heap) || s->recheck_timer.heap.key > at_ns)
        sched_arm(s, &s->recheck_timer, at_ns);
}

static bool may_take(const struct want *want, const struct sched_lease *lease)
{
    const struct sched_job *from = sched_lease_job(lease), *to = want->class->job;
    uint32_t cpu_milli = sched_lease_cpu(lease);
    if (lease->recalled || lease->lent || cpu_milli == 0 || lease->demand == want->demand ||
        from->ended || lease->node->state != REEVE_SCHED_NODE_UP)
        return false;
    if (from != to) {
        if (sched_job_effective(from) >= sched_job_claim(to) + want->cpu_milli + cpu_milli)
            return true;
        return want->starved && sched_job_claim(to) == 0;
    }
    if (lease->demand->class->class.priority < want->class->class.priority)
        return true;
    /* What workers hold for what they have begun is not given to their driver to begin more. */
    bool wants_more = want->demand->process == to->id && lease->demand->process != to->id;
    return want->starved && !wants_more && want->demand->lease_count == 0 &&
           lease->demand->class->class.priority == want->class->class.priority;
}

static bool usable(
    const struct reeve_sched *s, const struct sched_node *node, const struct want *want)
{
    return node->state == REEVE_SCHED_NODE_UP && node->drain == NULL &&
           node->cpu_milli >= want->cpu_milli && !sched_avoided(s, node, want->class, NULL);
}

static bool take_one(struct reeve_sched *s, const struct want *want, struct sched_lease *lease)
{
    const struct sched_node *node = lease->node;
    if (!may_take(want, lease) || !usable(s, node, want) ||
        node->free_milli + sched_lease_cpu(lease) < want->cpu_milli)
        return false;
    sched_lease_recall(s, lease);
    sched_lease_promise(s, lease, want->class, want->cpu_milli, !want->starved);
    return true;
}

static bool drain(struct reeve_sched *s, const struct want *want, struct sched_node *node)
{
    if (!usable(s, node, want))
        return false;
    if (s->now_ns < want->class->drain_again_ns) {
        look_again(s, want->class->drain_again_ns);
        return false;
    }
    int64_t free_milli = node->free_milli;
    int looked = 0;
    REEVE_LIST_EACH(link, &node->leases)
    {
        const struct sched_lease *lease = REEVE_LIST_ENTRY(link, struct sched_lease, node_link);
        if (free_milli >= want->cpu_milli || ++looked > 4 * LOOK_MAX)
            break;
        if (may_take(want, lease) || (lease->recalled && !lease->lent))
            free_milli += sched_lease_cpu(lease);
    }
    if (free_milli < want->cpu_milli)
        return false;
    free_milli = node->free_milli;
    REEVE_LIST_EACH_SAFE(link, &node->leases)
    {
        struct sched_lease *lease = REEVE_LIST_ENTRY(link, struct sched_lease, node_link);
        if (free_milli >= want->cpu_milli)
            break;
        bool take = may_take(want,
            lease); /* taking some may have made others too dear; then the drain's end is near */
        if (take || (lease->recalled && !lease->lent))
            free_milli += sched_lease_cpu(lease);
        if (take)
            sched_lease_recall(s, lease);
    }
    sched_drain_begin(s, node, want->class);
    return true;
}

/* Looks at a job's leases, the newest first (least is lost), or the oldest if it is a matter of
 * turns. */
static bool take_from(struct reeve_sched *s, const struct want *want, struct sched_job *job)
{
    struct reeve_list *list = &job->leases;
    int looked = 0;
    for (struct reeve_list *link = want->starved ? list->next : list->prev;
         link != list && looked++ < LOOK_MAX; link = want->starved ? link->next : link->prev) {
        s->totals.work_count++;
        if (take_one(s, want, REEVE_LIST_ENTRY(link, struct sched_lease, job_link)))
            return true;
    }
    looked = 0;
    for (struct reeve_list *link = list->prev; link != list && looked++ < LOOK_MAX;
         link = link->prev) {
        struct sched_lease *lease = REEVE_LIST_ENTRY(link, struct sched_lease, job_link);
        s->totals.work_count++;
        if (sched_lease_cpu(lease) < want->cpu_milli && may_take(want, lease) &&
            drain(s, want, lease->node))
            return true;
    }
    return false;
}

static bool recall_for(struct reeve_sched *s, struct sched_group *group)
{
    struct sched_class *class =
        REEVE_CONTAINER_OF(reeve_heap_peek(&group->classes), struct sched_class, heap);
    struct want want = {
        .class = class, .demand = sched_class_first(class), .cpu_milli = class->class.cpu_milli};
    s->totals.work_count++;
    if (class->promises >= class->lacking || class->drain != NULL || class->infeasible ||
        sched_class_infeasible_size(s, class))
        return false;
    if (sched_job_claim(class->job) == 0 ||
        (want.demand->lease_count == 0 && class->promises == 0)) {
        uint64_t due_ns = want.demand->unmet_ns + s->settings.rotate_after_ms * MS;
        want.starved = s->now_ns >= due_ns;
        if (!want.starved)
            look_again(s, due_ns);
    }
    struct reeve_heap_node *richest = reeve_heap_peek(&s->rich);
    if (richest == NULL)
        return false;
    struct sched_job *job = REEVE_CONTAINER_OF(richest, struct sched_job, rich);
    bool starved = want.starved;
    want.starved = false;
    if (take_from(s, &want, job) || (job != class->job && take_from(s, &want, class->job)))
        return true;
    want.starved = starved;
    return starved &&
           (take_from(s, &want, job) || (job != class->job && take_from(s, &want, class->job)));
}

bool sched_recall_some(struct reeve_sched *s, uint32_t *budget)
{
    while (s->recheck && *budget > 0) {
        bool recalled = false;
        --*budget;
        REEVE_LIST_EACH(link, &s->shapes)
        {
            const struct sched_shape *shape = REEVE_LIST_ENTRY(link, struct sched_shape, link);
            /* The first of the heap has least. Those near it are looked at because the first may
             * not be able to use what others can. */
            for (size_t i = 0; i < shape->groups.count && i < LOOK_MAX && !recalled; i++)
                recalled = recall_for(
                    s, REEVE_CONTAINER_OF(shape->groups.nodes[i], struct sched_group, heap));
            if (recalled)
                break;
        }
        s->recheck = recalled; /* a recall changes the shares: look again */
    }
    return s->recheck;
}
