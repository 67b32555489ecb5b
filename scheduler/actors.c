/* Hosts of actors: where those that attach to them go.
 *
 *   demand of the owner ──▶ lease: the residence   like any other, but is not called back
 *        ▲
 *   class that attaches ──▶ leases on the residence's node, which need no cpu
 *
 * A class that attaches waits, held off, while its host is nowhere, and is looked at when the
 * residence has been granted. When its owner does not want the host any more, or is gone, it is
 * judged to be infeasible: the actors are dead. */
#include "scheduler/sched_internal.h"

static uint64_t host_key(reeve_process_id owner, uint32_t host)
{
    uint64_t seed = owner ^ (uint64_t)host << 40;
    return reeve_splitmix64(&seed);
}

static struct sched_demand *host_find(const struct reeve_sched *s, const struct reeve_class *class)
{
    uint32_t host = class->host & ~REEVE_HOST_ATTACH;
    struct sched_demand *demand = reeve_map64_get(&s->hosts, host_key(class->owner, host));
    if (demand == NULL || demand->process != class->owner || demand->class->class.host != host ||
        demand->class->class.job != class->job)
        return NULL;
    return demand;
}

/* The class of those that attach to the host; NULL: nobody wants to. */
static struct sched_class *attaching(
    const struct reeve_sched *s, const struct reeve_class *residence)
{
    struct reeve_class class = *residence;
    class.cpu_milli = 0;
    class.priority = 0;
    class.host |= REEVE_HOST_ATTACH;
    return sched_class_find(s, &class);
}

static void judge_now(struct reeve_sched *s, struct sched_class *class)
{
    if (class == NULL || class->lacking == 0)
        return;
    class->judge_ns = s->now_ns;
    sched_class_arm(s, class);
}

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
    judge_now(s, attaching(s, class));
}

void sched_host_comes(struct reeve_sched *s, struct sched_lease *lease)
{
    const struct reeve_class *class = &lease->demand->class->class;
    if (!reeve_class_is_residence(class))
        return;
    if (lease->demand->residence == NULL) /* else it has two, for a while: the first counts */
        lease->demand->residence = lease;
    struct sched_class *waiting = attaching(s, class);
    if (waiting == NULL || !waiting->held_off)
        return;
    waiting->held_off = false;
    waiting->retry_ns = REEVE_SCHED_NEVER;
    reeve_list_remove(&waiting->held_off_link);
    sched_class_arm(s, waiting);
    sched_class_ready(s, waiting);
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
