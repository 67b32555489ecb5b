/* The worker: claims calls, runs them, answers. One main thread; the client library's background
 * thread beside it, and those of actors that have their own (jobs.h).
 *
 *   call ring ──claim──▶ decode, call, encode (invoke.h) ──▶ return ring ──▶ DONE, holder's bell
 *
 * A value too large to ride along is written straight into the store and sealed before the
 * answer that names it is published. A task that is to stop, because it was cancelled or its time
 * is up, is seen to by the background thread (stop.h). */
#include <errno.h>
#include <limits.h>
#include <msgpack.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/client/actor.h"
#include "api/client/cluster.h"
#include "api/client/error.h"
#include "api/client/invoke.h"
#include "api/client/registry.h"
#include "runtime/base/macros.h"
#include "runtime/worker/answer.h"
#include "runtime/worker/context.h"
#include "runtime/worker/execution.h"
#include "runtime/worker/handover.h"
#include "runtime/worker/history.h"
#include "runtime/worker/jobs.h"
#include "runtime/worker/output.h"
#include "runtime/worker/stop.h"
#include "runtime/worker/yield.h"

#define STACK_RESERVE (512u * 1024)

/* What the process has one of; and the one claimed entry, for the watch. */
struct worker {
    struct reeve_cluster *cluster;
    uint8_t *scratch; /* inline_size bytes: results are packed here */
    char host[HOST_NAME_MAX + 1];
    const uint8_t *stack_low; /* of the main thread */
    pthread_t main;
    struct reeve_cluster_channel *channel;
    struct reeve_entry_view view;
    bool alone;  /* the claimed entry's children are not to be run here */
    bool yields; /* the claimed entry's function has yielded */
};

static struct worker worker; /* a worker process has one */

/* ---- values in the store --------------------------------------------------------------------- */

static int pin_add(struct execution *execution, struct reeve_object_id id)
{
    if (execution->pin_count == execution->pin_capacity) {
        size_t capacity = execution->pin_capacity * 2;
        struct reeve_object_id *pins = malloc(capacity * sizeof(*pins));
        if (pins == NULL)
            return REEVE_ENOMEM;
        memcpy(pins, execution->pins, execution->pin_count * sizeof(*pins));
        if (execution->pins != execution->few)
            free(execution->pins);
        execution->pins = pins;
        execution->pin_capacity = capacity;
    }
    execution->pins[execution->pin_count++] = id;
    return 0;
}

static int object_resolve(struct reeve_invocation *invocation,
    const uint8_t id[REEVE_OBJECT_ID_SIZE], uint64_t size, const void **bytes)
{
    struct execution *execution = invocation->context;
    struct reeve_reference reference;
    for (uint16_t i = 0; i < execution->reference_count; i++) {
        memcpy(&reference, (const uint8_t *)execution->references + i * sizeof(reference),
            sizeof(reference));
        if (memcmp(&reference.id, id, REEVE_OBJECT_ID_SIZE) != 0 || reference.size_bytes != size)
            continue;
        *bytes = execution->beside ? NULL /* its caller may let go before it has ended */
                                   : reeve_cluster_object_find(execution->cluster, &reference);
        if (*bytes != NULL) /* pinned by who called, until we have answered */
            return 0;
        int code =
            reeve_cluster_object_get(execution->cluster, &reference, bytes, &invocation->error);
        if (reeve_error_is_loss(code))
            execution->lost = reference;
        if (code == 0 && (code = pin_add(execution, reference.id)) != 0)
            reeve_cluster_object_unpin(execution->cluster, reference.id);
        return code;
    }
    return REEVE_EPROTOCOL;
}

static void *object_reserve(struct reeve_invocation *invocation, size_t size)
{
    struct execution *execution = invocation->context;
    const struct reeve_type *type = invocation->function->result;
    uint32_t skew = type != NULL ? reeve_codec_skew(type, size) : 0;
    if (reeve_cluster_place_take(
            execution->cluster, size, skew, false, &execution->place, &invocation->error) != 0)
        return NULL;
    execution->is_object = true;
    return execution->place.bytes;
}

/* ---- running --------------------------------------------------------------------------------- */

void execution_init(struct execution *execution, struct reeve_cluster *cluster, uint32_t function,
    const void *args, size_t args_size, uint8_t *scratch)
{
    reeve_invocation_init(&execution->invocation, reeve_registry_at(function), args, args_size);
    execution->invocation.result = scratch;
    execution->invocation.result_capacity = cluster->inline_size;
    execution->invocation.resolve = object_resolve;
    execution->invocation.reserve = object_reserve;
    execution->invocation.context = execution;
    execution->cluster = cluster;
    execution->references = NULL;
    execution->reference_count = 0;
    execution->beside = false;
    execution->job = NULL;
    execution->timeout_ms = 0;
    execution->heir = REEVE_PROCESS_NONE;
    reeve_buffer_init(&execution->handover.bytes);
    reeve_buffer_init(&execution->handover.objects);
    execution->code = 0;
    execution->lost.size_bytes = 0;
    execution->is_object = false;
    execution->pins = execution->few;
    execution->pin_count = 0;
    execution->pin_capacity = EXECUTION_PINS_FEW;
}

/* Runs the function. */
static void execution_run(
    struct execution *execution, uint32_t function_index, struct reeve_pace *pace)
{
    struct reeve_invocation *invocation = &execution->invocation;
    struct reeve_cluster *cluster = execution->cluster;
    int code = execution->code;
    if (code == 0 && invocation->function == NULL) {
        code = reeve_error_set(&invocation->error, REEVE_ENOFUNCTION,
            "this program has no remote function number %u", function_index);
    } else if (code == 0) {
        struct reeve_doorbell *facts = cluster->bell; /* which this thread alone writes */
        uint32_t before = atomic_load_explicit(&facts->current_function, memory_order_relaxed);
        atomic_store_explicit(&facts->current_function, function_index + 1, memory_order_relaxed);
        uint64_t begin_ns = reeve_history_begin(pace), inner_begun = reeve_pace_inner.begun;
        if (REEVE_UNLIKELY(begin_ns != 0) && pace == &reeve_pace_outer)
            reeve_history_current(cluster, begin_ns);
        code = reeve_invoke(invocation);
        if (REEVE_UNLIKELY(begin_ns != 0))
            reeve_history_ended(
                cluster, pace, invocation, function_index, begin_ns, inner_begun, code);
        atomic_store_explicit(&facts->current_function, before, memory_order_relaxed);
        if (REEVE_UNLIKELY(reeve_jobs_any))
            reeve_worker_output_flush_shared(true);
        else
            reeve_worker_output_flush();
    }
    execution->code = code;
}

/* What the daemon sees of the outermost task: stores to a line that is ours anyway. */
static void facts_begin(struct reeve_doorbell *facts, const struct reeve_entry_view *view)
{
    uint64_t begun = atomic_load_explicit(&facts->tasks_begun, memory_order_relaxed);
    atomic_store_explicit(&facts->current_task, view->task, memory_order_relaxed);
    atomic_store_explicit(&facts->current_attempt, view->attempt, memory_order_relaxed);
    atomic_store_explicit(&facts->tasks_begun, begun + 1, memory_order_relaxed);
}

static void facts_end(struct reeve_doorbell *facts)
{
    uint64_t begun = atomic_load_explicit(&facts->tasks_begun, memory_order_relaxed);
    atomic_store_explicit(&facts->tasks_ended, begun, memory_order_relaxed);
}

/* Settles what becomes of its result. Returns the task's status; on failure the result is the
 * error's map, in the scratch memory. */
static int execution_settle(struct execution *execution, uint32_t function_index, uint8_t *scratch)
{
    struct reeve_invocation *invocation = &execution->invocation;
    struct reeve_cluster *cluster = execution->cluster;
    bool gives = execution->heir != REEVE_PROCESS_NONE, kept = false;
    int code = execution->code;
    if (REEVE_UNLIKELY(code == 0 && invocation->result_futures.count != 0)) {
        code = gives ? reeve_handover_prepare(cluster, invocation, &execution->handover)
                     : reeve_handover_keep(cluster, invocation);
        kept = !gives && code == 0;
    }
    if (code == 0 && execution->is_object)
        code = reeve_cluster_place_seal(cluster, &execution->place, invocation->id,
            invocation->result_size, invocation->attempt == 1, &execution->object,
            &invocation->error);
    else if (execution->is_object)
        reeve_cluster_place_abort(cluster, &execution->place);
    if (code != 0) {
        if (kept)
            reeve_handover_unkeep(cluster, invocation);
        execution->is_object = false;
        execution->code = code;
        invocation->result_size =
            answer_error_pack(&invocation->error, scratch, cluster->inline_size);
        answer_failure_tell(
            cluster, code, function_index, invocation->id, invocation->error.message);
    }
    if (REEVE_UNLIKELY(execution->beside))
        reeve_doorbell_count_shared(cluster->bell, function_index, code != 0);
    else
        reeve_doorbell_count(cluster->bell, function_index, code != 0);
    return code;
}

static void execution_fini(struct execution *execution)
{
    reeve_invocation_fini(&execution->invocation);
    for (size_t i = 0; i < execution->pin_count; i++)
        reeve_cluster_object_unpin(execution->cluster, execution->pins[i]);
    if (execution->pins != execution->few)
        free(execution->pins);
}

/* The background thread's answer to the claimed entry, while that does not go on. */
static void answer_stopped(
    int status, const char *format, const char *function, uint32_t timeout_ms)
{
    struct reeve_error_info error = {0};
    uint8_t bytes[1024];
    snprintf(error.message, sizeof(error.message), format, function, timeout_ms);
    size_t size = answer_error_pack(&error, bytes, sizeof(bytes));
    answer_failure_tell(worker.cluster, status, worker.view.function,
        (struct reeve_object_id){worker.channel->peer, worker.view.task}, error.message);
    facts_end(worker.cluster->bell); /* its death is no failure of its own */
    /* as a job's: the main thread and others may be writing, too */
    struct job job = {.slot_done = false};
    answer(worker.channel, &job, &worker.view, status, NULL, bytes, size);
}

/* What it was stopped for is its outcome, whatever it has returned. */
static int stopped(struct execution *execution, int reason, uint32_t timeout_ms)
{
    const struct reeve_function *function = execution->invocation.function;
    const char *name = function != NULL ? function->name : "the function";
    if (reason == REEVE_ETASKTIMEOUT)
        return reeve_error_set(&execution->invocation.error, reason,
            "%s ran longer than its time limit of %u ms, and stopped when asked to", name,
            timeout_ms);
    return reeve_error_set(&execution->invocation.error, reason, "%s stopped when asked to", name);
}

/* The claimed entry's function gives an item: nothing else that runs here is a stream. */
static int yield(struct reeve_cluster *cluster, size_t size, reeve_pack_item *pack,
    const void *item, struct reeve_error_info *error)
{
    worker.yields = true;
    return reeve_worker_yield(cluster, worker.channel, &worker.view, size, pack, item, error);
}

static void context(
    struct reeve_backend *backend, const struct reeve_invocation *invocation, reeve_context *ret)
{
    const struct execution *execution = invocation->context;
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    if (execution->beside)
        reeve_worker_context(cluster, invocation, execution->job->cpu_milli,
            reeve_jobs_time_left_ms(execution->job), ret);
    else
        reeve_worker_context(
            cluster, invocation, worker.channel->cpu_milli, reeve_stop_time_left_ms(), ret);
}

/* The result's futures go to who called, before the answer. */
static void futures_settle(struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, struct execution *execution)
{
    struct reeve_handover *handover = &execution->handover;
    if (execution->code == 0 && handover->bytes.size != 0) {
        answer_pieces(channel, execution->job, view, &handover->bytes);
        reeve_handover_give(execution->cluster, handover, execution->heir);
    }
    reeve_handover_end(execution->cluster, &execution->invocation,
        execution->code == 0 ? REEVE_HANDOVER_GIVEN : REEVE_HANDOVER_CALLED_OFF);
    reeve_buffer_fini(&handover->bytes);
    reeve_buffer_fini(&handover->objects);
}

/* Whether or not it could be made. */
static void actor_came(const void *arguments, size_t size, uint32_t latest)
{
    reeve_actor actor;
    if (!reeve_actor_read(arguments, size, &actor))
        return;
    reeve_actors_set_latest(&actor);
    actor.number = latest;
    reeve_actors_set_latest(&actor);
}

/* A call of an actor comes by another way than its constructor, when it is not its owner's: it may
 * be here before. An owner has its actors made in the order of their numbers. And an actor's own
 * threads may have enough to do. */
static bool is_early(
    const struct reeve_cluster_channel *channel, const struct reeve_entry_view *view)
{
    struct reeve_entry_parts parts;
    reeve_actor actor;
    if (channel->owner == channel->peer && !reeve_jobs_any)
        return false;
    if (!reeve_entry_split(view->payload, view->length, view->references, view->flags, &parts) ||
        !reeve_actor_read(parts.value, parts.value_size, &actor) || actor.owner != channel->owner)
        return false;
    return (channel->owner != channel->peer && actor.number > reeve_actors_latest(actor.owner)) ||
           (reeve_jobs_any && reeve_jobs_hold(view, &parts));
}

/* What an answer names: the object that is the result, or one among the arguments that is lost. */
static const struct reeve_reference *answer_object(const struct execution *execution, int status)
{
    if (REEVE_UNLIKELY(reeve_error_is_loss(status) && execution->lost.size_bytes != 0))
        return &execution->lost;
    return execution->is_object ? &execution->object : NULL;
}

/* It is settled. */
static void execution_answer(struct execution *execution, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, int status, const uint8_t *scratch)
{
    answer(channel, execution->job, view, status, answer_object(execution, status),
        status != 0 ? scratch : execution->invocation.result, execution->invocation.result_size);
}

void execution_finish(struct execution *execution, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, uint8_t *scratch)
{
    int status = execution_settle(execution, view->function, scratch);
    if (REEVE_UNLIKELY(reeve_handover_concerns(&execution->invocation)))
        futures_settle(channel, view, execution);
    execution_answer(execution, channel, view, status, scratch);
    execution_fini(execution);
}

void execution_drop(struct execution *execution)
{
    struct reeve_cluster *cluster = execution->cluster;
    if (execution->is_object)
        reeve_cluster_place_abort(cluster, &execution->place);
    if (reeve_handover_concerns(&execution->invocation))
        reeve_handover_end(cluster, &execution->invocation, REEVE_HANDOVER_CALLED_OFF);
    execution_fini(execution);
}

static void call_run(struct reeve_cluster *cluster, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view)
{
    struct reeve_entry_parts parts;
    struct execution execution;
    const struct reeve_function *function = reeve_registry_at(view->function);
    int role = function != NULL ? function->role : REEVE_ROLE_NONE;
    uint32_t actor_latest = 0;
    reeve_actor ending;
    if (!reeve_entry_split(view->payload, view->length, view->references, view->flags, &parts)) {
        struct reeve_error_info error = {.message = "the call reached the worker malformed"};
        size_t size = answer_error_pack(&error, worker.scratch, cluster->inline_size);
        answer(channel, NULL, view, REEVE_EPROTOCOL, NULL, worker.scratch, size);
        return;
    }
    if (REEVE_UNLIKELY(reeve_jobs_any) && role == REEVE_ROLE_METHOD &&
        reeve_jobs_take(channel, view, &parts))
        return;
    execution_init(
        &execution, cluster, view->function, parts.value, parts.value_size, worker.scratch);
    execution.references = parts.references;
    execution.reference_count = view->references;
    execution.invocation.id = (struct reeve_object_id){channel->peer, view->task};
    execution.heir = channel->peer;
    execution.invocation.attempt = view->attempt;
    if (REEVE_UNLIKELY(parts.lent != NULL))
        execution.code =
            reeve_handover_borrow(cluster, &parts, channel->lease, &execution.invocation);
    worker.channel = channel;
    worker.view = *view;
    worker.alone = view->flags & REEVE_ENTRY_ALONE;
    if (REEVE_UNLIKELY(role == REEVE_ROLE_NEW)) {
        size_t size = reeve_codec_skip(parts.value, parts.value_size);
        bool restores = size != 0 && size < parts.value_size;
        execution.invocation.args_size = restores ? size : parts.value_size;
        reeve_actors_set_next(view->attempt - 1, /* attempts are counted from 1 */
            restores ? parts.value + size : NULL, parts.value_size - size);
        actor_latest = parts.timeout_ms;
        parts.timeout_ms = 0;
    }
    bool ends = REEVE_UNLIKELY(reeve_jobs_any) && role == REEVE_ROLE_END &&
                reeve_actor_read(parts.value, parts.value_size, &ending);
    execution.channel = channel;
    execution.view = view;
    execution.timeout_ms = parts.timeout_ms;
    reeve_cluster_task_begin(cluster);
    reeve_stop_begin(channel->lease, view->task, view->attempt, view->function, parts.timeout_ms);
    facts_begin(cluster->bell, view);
    execution_run(&execution, view->function, &reeve_pace_outer);
    int reason = reeve_stop_end();
    if (REEVE_UNLIKELY(worker.yields)) {
        worker.yields = false;
        reeve_worker_yield_end();
    }
    if (REEVE_UNLIKELY(reason != 0))
        execution.code = stopped(&execution, reason, parts.timeout_ms);
    if (REEVE_UNLIKELY(execution.job != NULL)) {
        facts_end(cluster->bell);
        bool resume_later = reeve_cluster_task_end(cluster);
        reeve_jobs_returned(&execution, worker.scratch);
        if (resume_later)
            reeve_cluster_loop_resume(cluster);
        return;
    }
    int status = execution_settle(&execution, view->function, worker.scratch);
    facts_end(cluster->bell);
    if (REEVE_UNLIKELY(reeve_handover_concerns(&execution.invocation)))
        futures_settle(channel, view, &execution);
    bool resume = reeve_cluster_task_end(cluster);
    execution_answer(&execution, channel, view, status, worker.scratch);
    if (REEVE_UNLIKELY(role == REEVE_ROLE_NEW))
        actor_came(parts.value, parts.value_size, actor_latest);
    execution_fini(&execution);
    if (REEVE_UNLIKELY(ends))
        reeve_jobs_actor_ended(&ending);
    if (REEVE_UNLIKELY(resume)) /* after the answer: it may take a moment */
        reeve_cluster_loop_resume(cluster);
}

/* ---- children run by the one who waits for them ---------------------------------------------- */

static bool is_main(void)
{
    return pthread_equal(pthread_self(), worker.main);
}

static bool may_lend(const struct reeve_cluster *cluster)
{
    (void)cluster;
    return is_main();
}

static bool may_run_inline(const struct reeve_cluster *cluster, uint32_t *ret_class_index)
{
    const uint8_t here = 0;
    (void)cluster;
    if (!is_main() || worker.alone || (size_t)(&here - worker.stack_low) <= STACK_RESERVE)
        return false;
    *ret_class_index = worker.channel->class_index;
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
static void run_inline(struct reeve_cluster *cluster, reeve_task_id task)
{
    struct reeve_cluster_arguments arguments;
    struct reeve_owner_entry entry;
    struct execution execution;
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
    reeve_unlock(&cluster->lock);
    execution_init(
        &execution, cluster, entry.function, arguments.bytes, arguments.size, worker.scratch);
    execution.references = arguments.references;
    execution.reference_count = arguments.reference_count;
    execution.invocation.id = (struct reeve_object_id){cluster->process, task};
    execution.invocation.attempt = entry.attempt;
    execution.invocation.futures = arguments.futures;
    execution.invocation.future_count = arguments.future_count;
    execution_run(&execution, entry.function, &reeve_pace_inner);
    if (REEVE_UNLIKELY(atomic_load_explicit(&child.asked, memory_order_relaxed)))
        execution.code = stopped(&execution, REEVE_ECANCELLED, 0);
    status = execution_settle(&execution, entry.function, worker.scratch);
    const struct reeve_future_ids *futures = &execution.invocation.result_futures;
    bool is_object = execution.is_object;
    const struct reeve_reference *object = answer_object(&execution, status);
    atomic_store_explicit(&cluster->bell->inline_depth, depth, memory_order_relaxed);
    bool concerns = reeve_handover_concerns(&execution.invocation);
    if (REEVE_UNLIKELY(concerns)) /* first, so that the result alone has the futures in it */
        reeve_handover_end(cluster, &execution.invocation, REEVE_HANDOVER_KEPT);
    reeve_lock(&cluster->lock);
    reeve_stop_child_end(&child);
    reeve_owner_finished(cluster->owner, reeve_cluster_now_ns(), task, status, status != 0,
        status != 0 ? worker.scratch : execution.invocation.result,
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
            channel->early = is_early(channel, &view);
            channel->early_view = view;
            if (channel->early)
                continue;
        }
        call_run(cluster, channel, &view);
        any = true;
    }
    return any;
}

/* Without destructors: the program's own state is nobody's business here. The background thread is
 * waited for, so that nothing of ours runs while the process is taken down. */
static _Noreturn void loop_end(struct reeve_cluster *cluster)
{
    reeve_cluster_background_stop(cluster);
    _exit(0);
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

int reeve_worker_init(struct reeve_cluster *cluster)
{
    pthread_attr_t attributes;
    void *stack = NULL;
    size_t stack_size = 0;
    worker.cluster = cluster;
    worker.main = pthread_self();
    worker.scratch = malloc(cluster->inline_size);
    if (worker.scratch == NULL)
        return REEVE_ENOMEM;
    if (gethostname(worker.host, sizeof(worker.host) - 1) != 0)
        snprintf(worker.host, sizeof(worker.host), "node %u", cluster->node);
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        (void)pthread_attr_getstack(&attributes, &stack, &stack_size);
        pthread_attr_destroy(&attributes);
    }
    worker.stack_low = stack;
    answer_init(cluster, worker.host);
    atomic_store(&cluster->main_state, REEVE_MAIN_LOOP);
    cluster->polling = true;
    reeve_stop_init(cluster, answer_stopped);
    cluster->run_inline = run_inline;
    cluster->may_run_inline = may_run_inline;
    cluster->may_lend = may_lend;
    reeve_jobs_init(cluster);
    cluster->yield = yield;
    cluster->backend.context = context;
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
