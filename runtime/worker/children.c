/* Children of a task, which nobody has begun, run by the task that waits for them: on the spot, on
 * top of its stack. */
#include <pthread.h>
#include <stdlib.h>

#include "runtime/base/macros.h"
#include "runtime/channel/stamp.h"
#include "runtime/worker/execution.h"
#include "runtime/worker/history.h"
#include "runtime/worker/stop.h"
#include "runtime/worker/worker_internal.h"

#define STACK_RESERVE (512u * 1024)

bool worker_may_run_inline(const struct reeve_cluster *cluster, uint32_t *ret_class_index)
{
    const uint8_t here = 0;
    (void)cluster;
    if (!worker_is_main() || worker_self.alone ||
        (size_t)(&here - worker_self.stack_low) <= STACK_RESERVE)
        return false;
    *ret_class_index = worker_self.channel->class_index;
    return true;
}

static void run_inline_not(struct reeve_cluster *cluster, reeve_task_id task, int status,
    struct reeve_cluster_arguments *arguments)
{
    static const char why[] = "no memory to run it in the worker that waits for it";
    reeve_owner_finished(cluster->owner, reeve_cluster_now_ns(), task, status, false, why,
        sizeof(why) - 1, NULL, NULL, 0);
    for (uint32_t i = 0; i < arguments->future_count; i++)
        (void)reeve_owner_release(cluster->owner, arguments->futures[i]);
    free(arguments->futures);
    reeve_cluster_arguments_free(arguments);
}

/* The outermost task and those run on the spot share one scratch memory: a result is packed
 * there when its function has returned, and is gone from there before another one returns. */
void worker_run_inline(struct reeve_cluster *cluster, reeve_task_id task)
{
    struct reeve_cluster_arguments arguments;
    struct reeve_owner_entry entry;
    struct execution execution;
    struct reeve_entry_view view; /* of what there is none: for its stamp alone */
    struct reeve_stop_child child;
    reeve_owner_entry(cluster->owner, task, &entry);
    int status = reeve_cluster_arguments_make(cluster, &entry, &arguments);
    if (status != 0) {
        run_inline_not(cluster, task, status, &arguments);
        return;
    }
    /* what the process dies of now is the child's doing: the daemon looks at it then */
    uint32_t depth =
        atomic_fetch_add_explicit(&cluster->bell->inline_depth, 1, memory_order_relaxed);
    reeve_stop_child_begin(&child, task, depth + 1);
    uint32_t stamp = reeve_stamp_make(entry.ready, cluster->now_ns);
    reeve_unlock(&cluster->lock);
    execution_init(
        &execution, cluster, entry.function, arguments.bytes, arguments.size, worker_self.scratch);
    view.flags = reeve_stamp_flags(stamp);
    view.status = reeve_stamp_status(stamp);
    execution.view = &view;
    execution.references = arguments.references;
    execution.reference_count = arguments.reference_count;
    execution.invocation.id = (struct reeve_object_id){cluster->process, task};
    execution.invocation.attempt = entry.attempt;
    execution.invocation.parent = reeve_owner_entry_parent(&entry);
    execution.invocation.futures = arguments.futures;
    execution.invocation.future_count = arguments.future_count;
    execution_run(&execution, entry.function, &reeve_pace_inner);
    if (REEVE_UNLIKELY(atomic_load_explicit(&child.asked, memory_order_relaxed)))
        execution.code = execution_stopped(&execution, REEVE_ECANCELLED, 0);
    status = execution_settle(&execution, entry.function, worker_self.scratch);
    const struct reeve_future_ids *futures = &execution.invocation.result_futures;
    bool is_object = execution.is_object;
    const struct reeve_reference *object = execution_object(&execution, status);
    atomic_store_explicit(&cluster->bell->inline_depth, depth, memory_order_relaxed);
    bool concerns = reeve_handover_concerns(&execution.invocation);
    if (REEVE_UNLIKELY(concerns)) /* first, so that the result alone has the futures in it */
        reeve_handover_end(cluster, &execution.invocation, REEVE_HANDOVER_KEPT);
    reeve_lock(&cluster->lock);
    reeve_stop_child_end(&child);
    reeve_owner_finished(cluster->owner, reeve_cluster_now_ns(), task, status, status != 0,
        status != 0 ? worker_self.scratch : execution.invocation.result,
        is_object ? 0 : (uint32_t)execution.invocation.result_size, object,
        status == 0 ? futures->ids : NULL, status == 0 ? (uint32_t)futures->count : 0);
    bool pinned = execution.pin_count != 0; /* without the lock */
    if (REEVE_UNLIKELY(pinned))
        reeve_unlock(&cluster->lock);
    execution_fini(&execution);
    if (REEVE_UNLIKELY(pinned))
        reeve_lock(&cluster->lock);
    reeve_cluster_arguments_free(&arguments);
}
