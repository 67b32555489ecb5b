/* Shares over time, and recalls: when nothing more can be granted, somebody has less than a fair
 * share, and somebody else has more.
 *
 * A job's virtual time is the cpu time it has been given, divided by its weight. It is counted
 * while somebody lacks something, and only then. A job is *ahead* by its virtual time as it would
 * be after one turn (turn_ms) with what it holds:
 *
 *      ahead(job, cpu) = virtual + cpu * turn / weight
 *
 * Whose turn it is: of the job that is least ahead. A lease is called back from job B for job A if
 * B would afterwards still be no less ahead than A (what has been called back counts as gone, what
 * has been promised as given). Among jobs that begin together that gives leases in proportion to
 * the weights at once. Where that cannot be done evenly (three slots for two jobs, one slot,
 * weights of 2 and 1), virtual times drift apart, and as soon as they are a turn apart the lease
 * moves: time is shared where leases cannot be. It does not go round in circles, because a lease
 * moves back only after the difference has grown by two turns the other way.
 *
 * A job that begins to lack something is set at most one turn of one cpu behind the others. So it
 * need not wait to be given its first lease, and has no claim on time at which it wanted nothing.
 * What a job is ahead of the others is bounded, too (LEAD_MAX), and forgotten when nobody lacks
 * anything.
 *
 * Beyond that,
 *
 *   - a demand that has had nothing for rotate_after_ms gets the oldest lease of its job, or of the
 *     job that is most ahead, even its only one;
 *   - within a job, a class of higher priority takes from those of lower priority.
 *
 * Until something is called back, and where nothing may be, those who hold what others wait for are
 * told so, once for each lease: a lease that lies idle then comes back at once. So processes that
 * have a few milliseconds' work each take turns as fast as they have done it.
 *
 * If what is wanted is larger than what any one lease frees, a node is drained: its leases are
 * called back until the class fits, and nobody else is granted anything there meanwhile (for a
 * while: see place.c). A recall is a request: what has been claimed finishes. */
#include "scheduler/sched_internal.h"

#define MS 1000000ull

#define LOOK_MAX 64 /* candidates to look at, of each kind */
#define RICH_MAX 4  /* jobs to take from that are looked at */

/* ---- virtual time ----
 *
 * Its unit is a thousandth of a cpu for a millisecond at the default weight. */

/* 100 cpu seconds at the default weight, one at the smallest */
#define LEAD_MAX    (100u * 1000 * 1000)
#define SERVED_BITS 28

static uint64_t weighted(const struct sched_job *job, uint64_t cpu_milli, uint64_t ms)
{
    return cpu_milli * ms * REEVE_WEIGHT_DEFAULT / job->weight;
}

void sched_fair_account(struct reeve_sched *s, struct sched_job *job)
{
    if (job->virtual_era != s->fair_era) {
        job->virtual_era = s->fair_era;
        job->virtual = job->held_milli != 0 ? s->fair_floor : 0;
        job->virtual_ns = s->fair_ns;
        return;
    }
    uint64_t ms = (s->fair_ns - job->virtual_ns) / MS;
    job->virtual_ns += ms * MS;
    job->virtual += weighted(job, job->held_milli, ms);
    job->virtual = REEVE_MIN(job->virtual, s->fair_floor + LEAD_MAX);
}

uint64_t sched_fair_ahead(
    const struct reeve_sched *s, const struct sched_job *job, uint64_t cpu_milli)
{
    return job->virtual + weighted(job, cpu_milli, s->settings.turn_ms);
}

uint64_t sched_fair_key(const struct reeve_sched *s, const struct sched_group *group)
{
    uint64_t ahead = sched_fair_ahead(s, group->job, sched_job_claim(group->job));
    uint64_t base = s->fair_floor - REEVE_MIN(s->fair_floor, (uint64_t)LEAD_MAX);
    ahead = ahead > base ? REEVE_MIN(ahead - base, UINT64_MAX >> SERVED_BITS) : 0;
    const struct reeve_heap_node *first = reeve_heap_peek(&group->classes);
    bool workers =
        first != NULL && sched_workers_want(REEVE_CONTAINER_OF(first, struct sched_class, heap));
    uint64_t last = UINT64_C(1) << (SERVED_BITS - 1); /* among equals, workers come first */
    return ahead << SERVED_BITS | (workers ? 0 : last) | (group->served & (last - 1));
}

/* Brings all up to date, now and then: keys in heaps age while time passes. */
static void sweep(struct reeve_sched *s)
{
    if (s->fair_ns - s->fair_swept_ns < s->settings.turn_ms * MS / 8)
        return;
    s->fair_swept_ns = s->fair_ns;
    uint64_t least = UINT64_MAX;
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&s->jobs, &at, NULL, &value)) {
        struct sched_job *job = value;
        s->totals.work_count++;
        sched_fair_account(s, job);
        if (!reeve_list_is_empty(&job->groups))
            least = REEVE_MIN(least, job->virtual);
    }
    if (least != UINT64_MAX)
        s->fair_floor = REEVE_MAX(s->fair_floor, least);
    at = 0;
    while (reeve_map64_next(&s->jobs, &at, NULL, &value)) {
        struct sched_job *job = value;
        if (!reeve_list_is_empty(&job->groups) || reeve_heap_contains(&job->rich))
            sched_job_changed(s, job);
    }
}

void sched_fair_enter(struct reeve_sched *s, struct sched_job *job)
{
    if (!reeve_list_is_empty(&job->groups))
        return;
    if (reeve_list_is_empty(&s->shapes)) {
        s->fair_era++;
        s->fair_floor = REEVE_MAX(s->fair_floor, (uint64_t)LEAD_MAX);
    }
    sweep(s);
    uint64_t credit = weighted(job, 1000, s->settings.turn_ms);
    uint64_t least = s->fair_floor - REEVE_MIN(credit, s->fair_floor);
    sched_fair_account(s, job);
    job->virtual = REEVE_MAX(job->virtual, least);
    sched_job_changed(s, job);
}

/* ---- recalls ---- */

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

static bool may_take(
    const struct reeve_sched *s, const struct want *want, const struct sched_lease *lease)
{
    const struct sched_job *from = sched_lease_job(lease), *to = want->class->job;
    uint32_t cpu_milli = sched_lease_cpu(lease);
    if (lease->recalled || lease->lent || cpu_milli == 0 || lease->demand == want->demand ||
        lease->demand->class->class.host != 0 || from->ended ||
        lease->node->state != REEVE_SCHED_NODE_UP)
        return false;
    if (from != to) {
        if (sched_fair_ahead(s, from, sched_job_effective(from) - cpu_milli) >=
            sched_fair_ahead(s, to, sched_job_claim(to) + want->cpu_milli))
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
    if (!may_take(s, want, lease) || !usable(s, node, want) ||
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
        if (may_take(s, want, lease) || (lease->recalled && !lease->lent))
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
        bool take = may_take(s, want,
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
        if (sched_lease_cpu(lease) < want->cpu_milli && may_take(s, want, lease) &&
            drain(s, want, lease->node))
            return true;
    }
    return false;
}

/* From those that are most ahead (the first of the heap may have nothing that can be used), or from
 * the job's own. */
static bool take_from_any(struct reeve_sched *s, const struct want *want)
{
    for (size_t i = 0; i < s->rich.count && i < RICH_MAX; i++) {
        struct sched_job *job = REEVE_CONTAINER_OF(s->rich.nodes[i], struct sched_job, rich);
        if (job != want->class->job && take_from(s, want, job))
            return true;
    }
    return take_from(s, want, want->class->job);
}

/* Whether one demand of the class alone lacks leases: the first, and no other. */
static bool is_alone(const struct sched_class *class)
{
    const struct reeve_list *workers = &class->unmet[0], *drivers = &class->unmet[1];
    return reeve_list_is_empty(workers)
               ? drivers->next->next == drivers
               : workers->next->next == workers && reeve_list_is_empty(drivers);
}

/* Leases of others than who wants; and its own, too, where it is but the first of several that
 * want. If there are more than are looked at, it is for one of the next looks. */
static void ask_idle(struct reeve_sched *s, const struct want *want)
{
    int looked = 0;
    const struct sched_demand *only = is_alone(want->class) ? want->demand : NULL;
    REEVE_LIST_EACH_SAFE(link, &s->untold)
    {
        struct sched_demand *demand = REEVE_LIST_ENTRY(link, struct sched_demand, untold_link);
        if (demand == only || demand->class->job->ended)
            continue;
        REEVE_LIST_EACH_SAFE(lease, &demand->untold)
        {
            s->totals.work_count++;
            sched_lease_want(s, REEVE_LIST_ENTRY(lease, struct sched_lease, untold_link));
            if (++looked == LOOK_MAX)
                return;
        }
    }
}

static bool recall_for(struct reeve_sched *s, struct sched_group *group)
{
    struct sched_class *class =
        REEVE_CONTAINER_OF(reeve_heap_peek(&group->classes), struct sched_class, heap);
    struct want want = {
        .class = class, .demand = sched_class_first(class), .cpu_milli = class->class.cpu_milli};
    s->totals.work_count++;
    if (class->class.cpu_milli == 0 || class->infeasible || sched_class_infeasible_size(s, class))
        return false;
    if (class->promises >= class->lacking || class->drain != NULL) {
        ask_idle(s, &want);
        return false;
    }
    if (sched_job_claim(class->job) == 0 ||
        (want.demand->lease_count == 0 && class->promises == 0)) {
        uint64_t due_ns = want.demand->unmet_ns + s->settings.rotate_after_ms * MS;
        want.starved = s->now_ns >= due_ns;
        if (!want.starved)
            look_again(s, due_ns);
    }
    bool starved = want.starved;
    want.starved = false;
    if (take_from_any(s, &want))
        return true;
    want.starved = starved;
    if (starved && take_from_any(s, &want))
        return true;
    ask_idle(s, &want);
    /* Shares drift apart as time goes on. */
    if (s->rich.count > reeve_heap_contains(&class->job->rich))
        look_again(s, s->now_ns + s->settings.turn_ms * MS / 4);
    return false;
}

bool sched_recall_some(struct reeve_sched *s, uint32_t *budget)
{
    if (s->recheck && !reeve_list_is_empty(&s->shapes))
        sweep(s);
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
