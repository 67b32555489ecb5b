/* One call: decode, call, encode (invoke.h), settle what becomes of the result, answer. Whoever
 * runs it: the loop (call.c), another thread (jobs.c), or a task that waits for it (children.c). */
#include "runtime/worker/execution.h"

#include <stdlib.h>
#include <string.h>

#include "api/client/error.h"
#include "api/client/registry.h"
#include "runtime/base/errors.h"
#include "runtime/base/macros.h"
#include "runtime/channel/stamp.h"
#include "runtime/worker/answer.h"
#include "runtime/worker/history.h"
#include "runtime/worker/jobs.h"
#include "runtime/worker/output.h"

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
        if (reeve_error_is_loss(code) && !execution->beside) /* those behind it may have begun */
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

/* Since when it could have begun. */
static uint32_t stamp_of(const struct execution *execution)
{
    return reeve_stamp_of(execution->view->flags, execution->view->status);
}

/* Runs the function. */
void execution_run(struct execution *execution, uint32_t function_index, struct reeve_pace *pace)
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
            reeve_history_current(cluster, invocation, begin_ns, stamp_of(execution));
        code = reeve_invoke(invocation);
        if (REEVE_UNLIKELY(begin_ns != 0))
            reeve_history_ended(cluster, pace, invocation, function_index, begin_ns,
                stamp_of(execution), inner_begun, code);
        atomic_store_explicit(&facts->current_function, before, memory_order_relaxed);
        if (REEVE_UNLIKELY(reeve_jobs_any))
            reeve_worker_output_flush_shared(true);
        else
            reeve_worker_output_flush();
    }
    execution->code = code;
}

/* What it was stopped for is its outcome, whatever it has returned. */
int execution_stopped(struct execution *execution, int reason, uint32_t timeout_ms)
{
    const struct reeve_function *function = execution->invocation.function;
    const char *name = function != NULL ? function->name : "the function";
    if (reason == REEVE_ETASKTIMEOUT)
        return reeve_error_set(&execution->invocation.error, reason,
            "%s ran longer than its time limit of %u ms, and stopped when asked to", name,
            timeout_ms);
    return reeve_error_set(&execution->invocation.error, reason, "%s stopped when asked to", name);
}

/* ---- answering ------------------------------------------------------------------------------- */

/* Settles what becomes of its result. Returns the task's status; on failure the result is the
 * error's map, in the scratch memory. */
int execution_settle(struct execution *execution, uint32_t function_index, uint8_t *scratch)
{
    struct reeve_invocation *invocation = &execution->invocation;
    struct reeve_cluster *cluster = execution->cluster;
    bool gives = execution->heir != REEVE_PROCESS_NONE, kept = false;
    int code = execution->code;
    if (REEVE_UNLIKELY(code == 0 && invocation->result_futures.actor_count != 0))
        code = reeve_handover_refer(cluster, invocation);
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

/* The result's futures go to who called, before the answer. */
void execution_futures_settle(struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, struct execution *execution)
{
    struct reeve_handover *handover = &execution->handover;
    if (execution->code == 0 && handover->bytes.size != 0) {
        answer_pieces(channel, execution->job, view, &handover->bytes);
        reeve_handover_give(execution->cluster, handover,
            &(struct reeve_cluster_heir){
                execution->heir, execution->invocation.id.sequence, execution->invocation.attempt});
    }
    reeve_handover_end(execution->cluster, &execution->invocation,
        execution->code == 0 ? REEVE_HANDOVER_GIVEN : REEVE_HANDOVER_CALLED_OFF);
    reeve_buffer_fini(&handover->bytes);
    reeve_buffer_fini(&handover->objects);
}

/* What an answer names: the object that is the result, or one among the arguments that is lost. */
const struct reeve_reference *execution_object(const struct execution *execution, int status)
{
    if (REEVE_UNLIKELY(reeve_error_is_loss(status) && execution->lost.size_bytes != 0))
        return &execution->lost;
    return execution->is_object ? &execution->object : NULL;
}

/* It is settled. */
void execution_answer(struct execution *execution, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, int status, const uint8_t *scratch)
{
    answer(channel, execution->job, view, status, execution_object(execution, status),
        status != 0 ? scratch : execution->invocation.result, execution->invocation.result_size);
}

void execution_fini(struct execution *execution)
{
    reeve_invocation_fini(&execution->invocation);
    for (size_t i = 0; i < execution->pin_count; i++)
        reeve_cluster_object_unpin(execution->cluster, execution->pins[i]);
    if (execution->pins != execution->few)
        free(execution->pins);
}

void execution_finish(struct execution *execution, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, uint8_t *scratch)
{
    int status = execution_settle(execution, view->function, scratch);
    if (REEVE_UNLIKELY(execution_concerns_others(execution)))
        execution_futures_settle(channel, view, execution);
    execution_answer(execution, channel, view, status, scratch);
    execution_fini(execution);
}

void execution_drop(struct execution *execution)
{
    struct reeve_cluster *cluster = execution->cluster;
    if (execution->is_object)
        reeve_cluster_place_abort(cluster, &execution->place);
    if (execution_concerns_others(execution))
        reeve_handover_end(cluster, &execution->invocation, REEVE_HANDOVER_CALLED_OFF);
    execution_fini(execution);
}
