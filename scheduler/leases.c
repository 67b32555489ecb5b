/* Leases: their life, and the accounts that follow it.
 *
 *      node.free_milli   = node.cpu_milli - cpu of its leases that are not lent
 *      job.held_milli    = cpu of its leases that are not lent
 *      job.recalled_milli = that part of it which has been called back
 *
 * A lease is from the moment of its grant until its executor says ENDED or REFUSED, or is dead,
 * or comes back without it. Between two words of the executor the head may hold a lease for
 * alive that is over, never the reverse, so a slot is at worst left empty for a moment. The
 * executor has the last word on its slots in any case. */
#include <stdlib.h>
#include <string.h>

#include "scheduler/sched_internal.h"

#define MS 1000000ull

/* ---- accounts ---- */

void sched_node_room(struct reeve_sched *s, struct sched_node *node, bool grown)
{
    bool open = node->state == REEVE_SCHED_NODE_UP && !node->ending && node->cpu_milli > 0 &&
                node->free_milli >= 0 && node->drain == NULL &&
                node->lease_count < s->settings.leases_a_node_max;
    s->totals.work_count++;
    if (!open) {
        reeve_heap_remove(&s->room, &node->room);
        return;
    }
    uint64_t free_milli = REEVE_MIN((uint64_t)node->free_milli, UINT32_MAX);
    sched_heap_set(&s->room, &node->room, (UINT32_MAX - free_milli) << 32 | node->number);
    if (!grown || reeve_list_is_empty(&s->held_off))
        return;
    /* A class that all who had room have refused may find room here. */
    REEVE_LIST_EACH_SAFE(link, &s->held_off)
    {
        struct sched_class *class = REEVE_LIST_ENTRY(link, struct sched_class, held_off_link);
        s->totals.work_count++;
        if (class->class.cpu_milli > free_milli || sched_avoided(s, node, class, NULL))
            continue;
        class->held_off = false;
        class->retry_ns = REEVE_SCHED_NEVER;
        reeve_list_remove(&class->held_off_link);
        sched_class_arm(s, class);
        sched_class_ready(s, class);
    }
}

/* Enters (+1) or strikes out (-1) what a lease takes. Not for leases that are lent. */
static void account(struct reeve_sched *s, const struct sched_lease *lease, int sign)
{
    struct sched_node *node = lease->node;
    struct sched_job *job = sched_lease_job(lease);
    int64_t cpu = (int64_t)sched_lease_cpu(lease) * sign;
    sched_fair_account(s, job);
    node->free_milli -= cpu;
    if (node->state == REEVE_SCHED_NODE_UP || node->state == REEVE_SCHED_NODE_JOINING)
        s->totals.cpu_used_milli += cpu;
    job->held_milli += cpu;
    if (lease->recalled)
        job->recalled_milli += cpu;
}

/* ---- life ---- */

struct sched_lease *sched_lease_create(
    struct reeve_sched *s, uint64_t id, struct sched_node *node, struct sched_demand *demand)
{
    struct sched_lease *lease = sched_alloc(sizeof *lease);
    lease->id = id;
    lease->node = node;
    lease->demand = demand;
    lease->granted_ns = s->now_ns;
    lease->timer.kind = TIMER_LEASE;
    reeve_list_init(&lease->promise_link);
    reeve_list_init(&lease->untold_link);
    sched_put(&s->leases, id, lease);
    s->totals.lease_count++;
    struct sched_job *job = sched_lease_job(lease);
    reeve_list_push_back(&node->leases, &lease->node_link);
    reeve_list_push_back(&job->leases, &lease->job_link);
    node->lease_count++;
    job->lease_count++;
    demand->class->lease_count++;
    demand->lease_count++;
    if (demand->class->class.cpu_milli != 0 && demand->class->class.host == 0) {
        reeve_list_push_back(&demand->untold, &lease->untold_link);
        if (!reeve_list_is_linked(&demand->untold_link))
            reeve_list_push_back(&s->untold, &demand->untold_link);
    }
    account(s, lease, +1);
    sched_node_room(s, node, false);
    sched_demand_changed(s, demand);
    sched_job_changed(s, job);
    sched_host_comes(s, lease);
    return lease;
}

/* Its holder knows, or need not. */
static void leave_untold(struct sched_lease *lease)
{
    struct sched_demand *demand = lease->demand;
    reeve_list_remove(&lease->untold_link);
    if (reeve_list_is_empty(&demand->untold))
        reeve_list_remove(&demand->untold_link);
}

void sched_lease_end(struct reeve_sched *s, struct sched_lease *lease)
{
    struct sched_node *node = lease->node;
    struct sched_demand *demand = lease->demand;
    struct sched_job *job = sched_lease_job(lease);
    if (lease->promised != NULL)
        sched_class_next(s, lease->promised);
    sched_lease_unpromise(s, lease);
    leave_untold(lease);
    if (!lease->lent)
        account(s, lease, -1);
    sched_host_goes(s, lease);
    reeve_list_remove(&lease->node_link);
    reeve_list_remove(&lease->job_link);
    reeve_map64_remove(&s->leases, lease->id);
    free(lease);
    s->totals.lease_count--;
    s->totals.ended_count++;
    node->lease_count--;
    job->lease_count--;
    demand->class->lease_count--;
    if (--demand->lease_count == 0)
        demand->unmet_ns = s->now_ns; /* its turn was until now */
    sched_node_room(s, node, true);
    sched_job_changed(s, job);
    sched_demand_changed(s, demand); /* may free all of them but the node */
}

void sched_lease_lend(struct reeve_sched *s, struct sched_lease *lease, bool lent)
{
    if (lease->lent == lent)
        return;
    lease->lent = lent;
    account(s, lease, lent ? -1 : +1);
    sched_node_room(s, lease->node, lent);
    sched_job_changed(s, sched_lease_job(lease));
}

/* ---- recalls and promises ---- */

static void send_recall(struct reeve_sched *s, const struct sched_lease *lease)
{
    struct reeve_message *m = sched_send(s, lease->node, REEVE_MESSAGE_RECALL);
    if (m == NULL)
        return;
    m->lease = lease->id;
    m->count = !lease->recalled;
}

void sched_lease_want(struct reeve_sched *s, struct sched_lease *lease)
{
    leave_untold(lease);
    lease->wanted = true;
    send_recall(s, lease);
}

void sched_lease_recall(struct reeve_sched *s, struct sched_lease *lease)
{
    REEVE_ASSERT(!lease->recalled);
    struct sched_job *job = sched_lease_job(lease);
    if (!lease->lent)
        job->recalled_milli += sched_lease_cpu(lease);
    lease->recalled = true;
    leave_untold(lease);
    reeve_list_remove(&lease->job_link);
    reeve_list_push_back(&job->recalled, &lease->job_link);
    s->totals.recalled_count++;
    send_recall(s, lease);
    sched_job_changed(s, job);
}

/* Until the lease has ended, or patience has, what it frees counts as the class's job's: others
 * are not called back for the same need. */
void sched_lease_promise(struct reeve_sched *s, struct sched_lease *lease,
    struct sched_class *class, uint32_t cpu_milli, bool lapses)
{
    REEVE_ASSERT(lease->promised == NULL);
    lease->promised = class;
    lease->promise_milli = cpu_milli;
    reeve_list_push_back(&class->promised, &lease->promise_link);
    class->promises++;
    class->job->promised_milli += cpu_milli;
    if (lapses)
        sched_arm(s, &lease->timer, s->now_ns + s->settings.recall_patience_ms * MS);
    sched_job_changed(s, class->job);
}

void sched_lease_unpromise(struct reeve_sched *s, struct sched_lease *lease)
{
    struct sched_class *class = lease->promised;
    sched_arm(s, &lease->timer, REEVE_SCHED_NEVER);
    if (class == NULL)
        return;
    lease->promised = NULL;
    reeve_list_remove(&lease->promise_link);
    class->promises--;
    class->job->promised_milli -= lease->promise_milli;
    sched_job_changed(s, class->job);
}

/* ---- words of executors ---- */

/* It has workers of the job, perhaps idle ones. A job that nobody vouches for soon is presumed
 * to have ended unheard. */
static void holding_job(struct reeve_sched *s, struct sched_node *node, reeve_process_id id)
{
    if (id == REEVE_PROCESS_NONE)
        return;
    const struct sched_job *job = reeve_map64_get(&s->jobs, id);
    bool gone = job != NULL ? job->ended
                            : reeve_map64_get(&s->ended_lately, id) != NULL ||
                                  sched_node_get(s, reeve_process_node(id)) == NULL;
    if (!gone) {
        sched_job_get(s, id);
        return;
    }
    struct reeve_message *answer = sched_send(s, node, REEVE_MESSAGE_JOB_END);
    answer->process = id;
}

void sched_lease_holding(
    struct reeve_sched *s, struct sched_node *node, const struct reeve_message *m)
{
    if (node->state != REEVE_SCHED_NODE_JOINING) {
        s->totals
            .stale_count++; /* it does not know yet that it was declared dead, and is a new node */
        return;
    }
    if (m->lease == 0) {
        holding_job(s, node, m->class.job);
        return;
    }
    struct sched_lease *lease = reeve_map64_get(&s->leases, m->lease);
    if (lease != NULL && lease->node != node) {
        s->totals.stale_count++;
        return;
    }
    if (lease == NULL) {
        if (m->process == REEVE_PROCESS_NONE || m->class.job == REEVE_PROCESS_NONE) {
            sched_drop(s, node->session, "named a lease of nobody");
            return;
        }
        /* Granted by the last head, or ended by us while the node was away: it is the node's
         * word that counts. */
        struct sched_demand *demand =
            sched_demand_get(s, m->process, sched_class_get(s, &m->class));
        lease = sched_lease_create(s, m->lease, node, demand);
    } else {
        reeve_list_remove(&lease->node_link);
        reeve_list_push_back(&node->leases, &lease->node_link);
        if (lease->recalled || lease->wanted)
            send_recall(s, lease); /* the first may have been lost */
    }
    struct sched_node *holder = sched_node_get(s, reeve_process_node(m->process));
    if (holder != NULL) {
        sched_tell_pair(s, node, holder);
        return;
    }
    /* The holder died while nobody could tell the executor. */
    struct reeve_message *answer = sched_send(s, node, REEVE_MESSAGE_PEER_DOWN);
    answer->node = reeve_process_node(m->process);
    sched_copy_text(answer->text, sizeof answer->text, "it is dead");
}

void sched_lease_message(
    struct reeve_sched *s, struct sched_node *node, const struct reeve_message *m)
{
    struct sched_lease *lease = reeve_map64_get(&s->leases, m->lease);
    if (lease == NULL || lease->node != node) {
        s->totals.stale_count++;
        return;
    }
    struct sched_class *class = lease->demand->class;
    switch (m->kind) {
    case REEVE_MESSAGE_LENT: sched_lease_lend(s, lease, m->count != 0); return;
    case REEVE_MESSAGE_REFUSED:
        s->totals.refused_count++;
        sched_notice(s, REEVE_SCHED_NOTICE_LEASE_REFUSED, node->number, lease->demand->process,
            "%s: %.200s", reeve_error_name(m->code),
            m->text[0] != 0 ? m->text : reeve_strerror(m->code));
        sched_avoid(s, node, class, m->code, m->text);
        break;
    default: /* it does run there after all; and what the node had no worker for finds one now */
        REEVE_LIST_EACH_SAFE(link, &node->avoids)
        {
            struct sched_avoid *avoid = REEVE_LIST_ENTRY(link, struct sched_avoid, node_link);
            if (avoid->class == class || avoid->code == REEVE_EBUSY)
                sched_avoid_free(s, avoid);
        }
        break;
    }
    sched_lease_end(s, lease);
}
