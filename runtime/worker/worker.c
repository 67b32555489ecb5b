/* The worker: claims calls, runs them, answers. One main thread; the client library's background
 * thread beside it, and those of actors that have their own (jobs.h).
 *
 *   call ring ──claim──▶ call.c ──▶ execution.c ──▶ decode, call, encode (invoke.h)
 *    (this file)                        └─▶ answer.c ──▶ return ring ──▶ DONE, holder's bell
 *
 * A value too large to ride along is written straight into the store and sealed before the
 * answer that names it is published. A task that is to stop, because it was cancelled or its time
 * is up, is seen to by the background thread (stop.h). */
#include "runtime/worker/worker_internal.h"

#include <stdlib.h>
#include <unistd.h>

#include "api/client/actor.h"
#include "runtime/base/macros.h"
#include "runtime/worker/answer.h"
#include "runtime/worker/context.h"
#include "runtime/worker/history.h"
#include "runtime/worker/jobs.h"
#include "runtime/worker/output.h"
#include "runtime/worker/refusal.h"
#include "runtime/worker/stop.h"
#include "runtime/worker/yield.h"

struct worker worker_self; /* a worker process has one */

bool worker_is_main(void)
{
    return pthread_equal(pthread_self(), worker_self.main);
}

static bool may_lend(const struct reeve_cluster *cluster)
{
    (void)cluster;
    return worker_is_main();
}

/* ---- the loop -------------------------------------------------------------------------------- */

static bool calls_ready(const struct reeve_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->worker_capacity; i++)
        if (cluster->workers[i]->open && !cluster->workers[i]->early &&
            reeve_ring_peek(&cluster->workers[i]->channel.calls))
            return true;
    return reeve_cluster_anything_ready(cluster);
}

/* One call from each holder in turn. */
static bool calls_run(struct reeve_cluster *cluster)
{
    bool any = false;
    for (uint32_t i = 0; i < cluster->worker_capacity; i++) {
        struct reeve_cluster_channel *channel = cluster->workers[i];
        struct reeve_entry_view view;
        if (!channel->open || channel->closing)
            continue;
        if (REEVE_UNLIKELY(channel->early))
            view = channel->early_view;
        else if (reeve_ring_claim(&channel->channel.calls, &view) != 0)
            continue;
        if (REEVE_UNLIKELY(channel->owner != 0)) {
            if (REEVE_UNLIKELY(channel->refuses) && reeve_refusal_goes_on(channel, &view)) {
                any = true;
                continue;
            }
            channel->early = worker_call_is_early(channel, &view);
            channel->early_view = view;
            if (channel->early)
                continue;
        }
        worker_call_run(cluster, channel, &view);
        any = true;
    }
    return any;
}

static void channel_close(struct reeve_cluster_channel *channel)
{
    if (REEVE_LIKELY(!reeve_jobs_any)) {
        reeve_cluster_channel_close(channel);
        return;
    }
    reeve_jobs_channel_gone(channel);
    reeve_worker_publish_begin(); /* nobody is in the midst of writing to it */
    reeve_cluster_channel_close(channel);
    reeve_worker_publish_end();
}

/* Without destructors: the program's own state is nobody's business here. The background thread is
 * waited for, so that nothing of ours runs while the process is taken down. */
static _Noreturn void loop_end(struct reeve_cluster *cluster)
{
    reeve_cluster_background_stop(cluster);
    _exit(0);
}

static void housekeeping(struct reeve_cluster *cluster)
{
    reeve_lock(&cluster->lock);
    reeve_cluster_progress(cluster, reeve_cluster_now_ns());
    for (uint32_t i = 0; i < cluster->worker_capacity; i++)
        if (cluster->workers[i]->closing) {
            if (cluster->workers[i]->owner == cluster->workers[i]->peer)
                reeve_actors_drop(cluster->workers[i]->owner);
            channel_close(cluster->workers[i]);
        }
    bool over = cluster->dead;
    reeve_unlock(&cluster->lock);
    if (over)
        loop_end(cluster);
}

static void idle(struct reeve_cluster *cluster)
{
    /* A holder that had to be woken is slow to call again, and may have been put on this very
     * core: out of its way. */
    bool spin = !answer_woke_holder;
    answer_woke_holder = false;
    if (REEVE_UNLIKELY(reeve_jobs_any))
        reeve_jobs_others_first();
    if (spin && reeve_cluster_spin(cluster, calls_ready))
        return;
    reeve_lock(&cluster->lock);
    uint64_t deadline_ns = reeve_owner_deadline(cluster->owner);
    bool over = cluster->dead;
    if (!over)
        reeve_cluster_owns_look(cluster);
    reeve_unlock(&cluster->lock);
    if (over)
        loop_end(cluster);
    reeve_doorbell_arm(cluster->bell, REEVE_DOORBELL_FUTEX);
    uint64_t now_ns = reeve_cluster_now_ns();
    reeve_history_idle(cluster, now_ns);
    if (!calls_ready(cluster) && now_ns < deadline_ns && !cluster->dead)
        (void)reeve_doorbell_sleep(
            cluster->bell, deadline_ns == UINT64_MAX ? -1 : (int64_t)(deadline_ns - now_ns));
    reeve_doorbell_disarm(cluster->bell);
    if (now_ns >= deadline_ns || cluster->dead)
        housekeeping(cluster);
}

/* ---- start ----------------------------------------------------------------------------------- */

int reeve_worker_init(struct reeve_cluster *cluster)
{
    pthread_attr_t attributes;
    void *stack = NULL;
    size_t stack_size = 0;
    worker_self.cluster = cluster;
    worker_self.main = pthread_self();
    worker_self.scratch = malloc(cluster->inline_size);
    if (worker_self.scratch == NULL)
        return REEVE_ENOMEM;
    reeve_cluster_node_name(cluster, cluster->node, worker_self.host, sizeof(worker_self.host));
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        (void)pthread_attr_getstack(&attributes, &stack, &stack_size);
        pthread_attr_destroy(&attributes);
    }
    worker_self.stack_low = stack;
    answer_init(cluster, worker_self.host);
    atomic_store(&cluster->main_state, REEVE_MAIN_LOOP);
    cluster->polling = true;
    reeve_stop_init(cluster, worker_answer_stopped);
    cluster->run_inline = worker_run_inline;
    cluster->may_run_inline = worker_may_run_inline;
    cluster->may_lend = may_lend;
    reeve_jobs_init(cluster);
    cluster->yield = worker_yield;
    cluster->backend.context = worker_context;
    cluster->backend.progress = reeve_worker_progress;
    cluster->task_credit = reeve_worker_credit;
    cluster->task_wake = reeve_worker_yield_wake;
    cluster->task_waited = reeve_history_waited;
    return 0;
}

void reeve_worker_run(struct reeve_cluster *cluster)
{
    reeve_worker_output_install(cluster);
    for (;;) {
        if (reeve_cluster_anything_ready(cluster))
            housekeeping(cluster);
        if (REEVE_UNLIKELY(atomic_load_explicit(&reeve_jobs_due, memory_order_relaxed)))
            reeve_jobs_look();
        if (!calls_run(cluster))
            idle(cluster);
    }
}
