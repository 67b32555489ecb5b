/* Hosts of actors: where those that attach to them go.
 *
 *   demand of the owner ──▶ lease: the residence   like any other, but is not called back
 *        ▲
 *   class that attaches ──▶ leases on the residence's node, which need no cpu
 *
 * A class that attaches waits, held off, while its host is nowhere, and is looked at when the
 * residence has been granted. When its owner does not want the host any more, or is gone, it is
 * judged to be infeasible: the actors are dead; but not while the owner's node may just not have
 * said so, after it has joined a head that knows nothing. Processes of any job may attach that
 * call by the same table of functions: they have come by the handle through the actor's name
 * (names.c). */
#include "scheduler/sched_internal.h"

static uint64_t host_key(reeve_process_id owner, uint32_t host)
{
    uint64_t seed = owner ^ (uint64_t)host << 40;
    return reeve_splitmix64(&seed);
}

static uint32_t host_of(const struct reeve_class *class)
{
    return class->host & ~REEVE_HOST_ATTACH;
}

/* Whose table of functions does not matter. */
static struct sched_demand *host_of_any(
    const struct reeve_sched *s, const struct reeve_class *class)
{
    uint32_t host = host_of(class);
    struct sched_demand *demand = reeve_map64_get(&s->hosts, host_key(class->owner, host));
    return demand != NULL && demand->process == class->owner && demand->class->class.host == host
               ? demand
               : NULL;
}

static struct sched_demand *host_find(const struct reeve_sched *s, const struct reeve_class *class)
{
    struct sched_demand *demand = host_of_any(s, class);
    return demand != NULL && demand->class->class.table == class->table ? demand : NULL;
}

/* ---- classes that attach, one for each job and table ---- */

static struct sched_class *attaching_first(
    const struct reeve_sched *s, const struct reeve_class *class)
{
    return reeve_map64_get(&s->attaching, host_key(class->owner, host_of(class)));
}

static bool is_for(const struct sched_class *attaching, const struct reeve_class *residence)
{
    return attaching->class.owner == residence->owner &&
           host_of(&attaching->class) == residence->host;
}

void sched_host_class_comes(struct reeve_sched *s, struct sched_class *class)
{
    if (!reeve_class_attaches(&class->class))
        return;
    class->same_host = attaching_first(s, &class->class);
    sched_put(&s->attaching, host_key(class->class.owner, host_of(&class->class)), class);
}

void sched_host_class_goes(struct reeve_sched *s, struct sched_class *class)
{
    uint64_t key = host_key(class->class.owner, host_of(&class->class));
    if (!reeve_class_attaches(&class->class))
        return;
    struct sched_class *first = reeve_map64_get(&s->attaching, key);
    if (first == class && class->same_host == NULL) {
        reeve_map64_remove(&s->attaching, key);
    } else if (first == class) {
        sched_put(&s->attaching, key, class->same_host);
    } else {
        while (first->same_host != class)
            first = first->same_host;
        first->same_host = class->same_host;
    }
}

static void judge_now(struct reeve_sched *s, struct sched_class *class)
{
    if (class->lacking == 0)
        return;
    class->judge_ns = s->now_ns;
    sched_class_arm(s, class);
}

/* ---- residences ---- */

void sched_host_wanted(struct reeve_sched *s, struct sched_demand *demand)
{
    const struct reeve_class *class = &demand->class->class;
    if (reeve_class_is_residence(class) && demand->process == class->owner)
        sched_put(&s->hosts, host_key(class->owner, class->host), demand);
}

void sched_host_unwanted(struct reeve_sched *s, struct sched_demand *demand)
{
    const struct reeve_class *class = &demand->class->class;
    if (!reeve_class_is_residence(class) || host_find(s, class) != demand)
        return;
    reeve_map64_remove(&s->hosts, host_key(class->owner, class->host));
    for (struct sched_class *c = attaching_first(s, class); c != NULL; c = c->same_host)
        if (is_for(c, class))
            judge_now(s, c);
}

void sched_host_comes(struct reeve_sched *s, struct sched_lease *lease)
{
    const struct reeve_class *class = &lease->demand->class->class;
    if (!reeve_class_is_residence(class))
        return;
    if (lease->demand->residence == NULL) /* else it has two, for a while: the first counts */
        lease->demand->residence = lease;
    for (struct sched_class *c = attaching_first(s, class); c != NULL; c = c->same_host) {
        if (!c->held_off || !is_for(c, class))
            continue;
        c->held_off = false;
        c->retry_ns = REEVE_SCHED_NEVER;
        reeve_list_remove(&c->held_off_link);
        sched_class_arm(s, c);
        sched_class_ready(s, c);
    }
}

void sched_host_goes(struct reeve_sched *s, struct sched_lease *lease)
{
    struct sched_demand *demand = lease->demand;
    if (demand->residence != lease)
        return;
    demand->residence = NULL;
    struct reeve_list *lists[] = {&demand->class->job->leases, &demand->class->job->recalled};
    for (int i = 0; i < 2 && demand->lease_count > 1; i++) {
        REEVE_LIST_EACH(link, lists[i])
        {
            struct sched_lease *other = REEVE_LIST_ENTRY(link, struct sched_lease, job_link);
            s->totals.work_count++;
            if (other != lease && other->demand == demand)
                demand->residence = other;
        }
    }
}

struct sched_node *sched_host_node(const struct reeve_sched *s, const struct sched_class *class)
{
    const struct sched_demand *demand = host_find(s, &class->class);
    if (demand == NULL || demand->count == 0 || demand->residence == NULL)
        return NULL; /* or it is about to go */
    return demand->residence->node;
}

bool sched_host_lives(const struct reeve_sched *s, const struct sched_class *class)
{
    return host_find(s, &class->class) != NULL;
}

/* Whether it lives: the node of its owner is lost, or has not said yet what its processes want. */
bool sched_host_is_unknown(const struct reeve_sched *s, const struct sched_class *class)
{
    const struct sched_node *node = sched_node_get(s, reeve_process_node(class->class.owner));
    return host_of_any(s, &class->class) == NULL && node != NULL &&
           node->state != REEVE_SCHED_NODE_DEAD && (node->session == 0 || !node->announced);
}

bool sched_host_is_others(const struct reeve_sched *s, const struct sched_class *class)
{
    return host_of_any(s, &class->class) != NULL && host_find(s, &class->class) == NULL;
}
