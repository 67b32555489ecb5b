/* Futures that come with a call, and those in its result. See handover.h. */
#include "runtime/worker/handover.h"

#include <stdlib.h>
#include <string.h>

#include "api/client/error.h"
#include "api/client/handles.h"
#include "runtime/base/macros.h"

int reeve_handover_borrow(struct reeve_cluster *cluster, const struct reeve_entry_parts *parts,
    uint64_t lease, struct reeve_invocation *invocation)
{
    const struct reeve_owner_loan loan = {lease, invocation->id.sequence, invocation->attempt};
    reeve_task_id *futures;
    uint32_t count;
    reeve_lock(&cluster->lock);
    int code = reeve_owner_borrow(
        cluster->owner, reeve_cluster_now_ns(), parts->lent, parts->lent_size, &futures, &count);
    if (code == 0 && reeve_owner_streams_open(cluster->owner, futures, count, &loan))
        reeve_cluster_pump(cluster, reeve_cluster_now_ns());
    reeve_unlock(&cluster->lock);
    if (code != 0)
        return reeve_error_set(&invocation->error, code,
            "the futures in the arguments reached the worker malformed, or there is no memory");
    invocation->futures = futures;
    invocation->future_count = count;
    return 0;
}

/* ---- results --------------------------------------------------------------------------------- */

/* One that has been given up may still be known, because others need it; one that is unknown has
 * been got, or never was. */
static int check_alive(struct reeve_cluster *cluster, struct reeve_invocation *invocation)
{
    const struct reeve_future_ids *ids = &invocation->result_futures;
    for (size_t i = 0; i < ids->count; i++) {
        if (reeve_owner_state(cluster->owner, ids->ids[i]) == REEVE_TASK_FREE)
            return reeve_error_set(&invocation->error, REEVE_EHANDLE,
                "the result: future %zu in it is stale: it has been got or released", i + 1);
        if (reeve_owner_is_stream(cluster->owner, ids->ids[i]))
            return reeve_error_set(
                &invocation->error, REEVE_ETYPE, "a stream is not (part of) a result");
    }
    return 0;
}

static bool can_be_given(struct reeve_cluster *cluster, void *arg)
{
    const struct reeve_future_ids *ids = arg;
    uint64_t now_ns = reeve_cluster_now_ns();
    if (reeve_owner_handover_ready(cluster->owner, now_ns, ids->ids, (uint32_t)ids->count))
        return true;
    reeve_cluster_pump(cluster, now_ns); /* takes back what can be had at once */
    return reeve_owner_handover_ready(cluster->owner, now_ns, ids->ids, (uint32_t)ids->count);
}

/* What the handles in the result refer to stands behind the futures from then on. */
int reeve_handover_refer(struct reeve_cluster *cluster, struct reeve_invocation *invocation)
{
    struct reeve_future_ids *ids = &invocation->result_futures;
    size_t futures = ids->count;
    int code = reeve_handles_refer(&cluster->backend, ids, &invocation->error);
    for (size_t i = futures + 1; i < ids->count && code == 0; i++)
        for (size_t k = futures; k < i; k++)
            if (ids->ids[k] == ids->ids[i]) { /* one reference is enough: see result_release */
                (void)cluster->backend.release(&cluster->backend, ids->ids[i], NULL);
                break;
            }
    return code;
}

int reeve_handover_prepare(
    struct reeve_cluster *cluster, struct reeve_invocation *invocation, struct reeve_handover *ret)
{
    struct reeve_future_ids *ids = &invocation->result_futures;
    reeve_lock(&cluster->lock);
    reeve_cluster_enter(cluster);
    int code = check_alive(cluster, invocation);
    /* what others are running has to end; our cpu is lent meanwhile */
    if (code == 0 && !reeve_cluster_await(cluster, can_be_given, ids, UINT64_MAX, NULL))
        code = reeve_error_set(&invocation->error, REEVE_ESHUTDOWN, "%s", "");
    if (code == 0) {
        code = reeve_owner_handover_write(
            cluster->owner, ids->ids, (uint32_t)ids->count, &ret->bytes, &ret->objects);
        if (code != 0)
            reeve_error_set(
                &invocation->error, code, "the futures in the result could not be handed over");
    }
    reeve_unlock(&cluster->lock);
    return code;
}

void reeve_handover_give(struct reeve_cluster *cluster, const struct reeve_handover *handover,
    const struct reeve_cluster_heir *heir)
{
    struct reeve_reference object;
    for (size_t at = 0; at < handover->objects.size; at += sizeof(object)) {
        memcpy(&object, handover->objects.data + at, sizeof(object));
        /* if it fails the object is lost, and whoever gets it is told so */
        if (object.flags & REEVE_REFERENCE_HELD)
            (void)reeve_cluster_object_hold(
                cluster, &(struct reeve_owner_hold){object, object.offset}, heir, NULL);
        else
            (void)reeve_cluster_object_give(cluster, &object, heir, NULL);
    }
}

int reeve_handover_keep(struct reeve_cluster *cluster, struct reeve_invocation *invocation)
{
    const struct reeve_future_ids *ids = &invocation->result_futures;
    reeve_lock(&cluster->lock);
    int code = check_alive(cluster, invocation);
    for (size_t i = 0; i < ids->count && code == 0; i++)
        (void)reeve_owner_hold(cluster->owner, ids->ids[i]);
    reeve_unlock(&cluster->lock);
    return code;
}

void reeve_handover_unkeep(struct reeve_cluster *cluster, const struct reeve_invocation *invocation)
{
    reeve_lock(&cluster->lock);
    for (size_t i = 0; i < invocation->result_futures.count; i++)
        (void)reeve_owner_release(cluster->owner, invocation->result_futures.ids[i]);
    reeve_unlock(&cluster->lock);
}

/* ---- the end --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The function's own reference to each of the futures in its result, however often it stands there;
 * what came with the arguments was never its own. */
static void result_release(struct reeve_cluster *cluster, const struct reeve_invocation *invocation)
{
    size_t count = invocation->result_futures.count, lent_count = invocation->future_count;
    uint64_t *lent = malloc((lent_count + count) * sizeof(*lent)), *ids = lent + lent_count;
    if (lent == NULL)
        return; /* they are kept for as long as the process lives */
    if (lent_count != 0)
        memcpy(lent, invocation->futures, lent_count * sizeof(*lent));
    memcpy(ids, invocation->result_futures.ids, count * sizeof(*ids)); /* that keep their order */
    qsort(lent, lent_count, sizeof(*lent), compare);
    qsort(ids, count, sizeof(*ids), compare);
    for (size_t i = 0; i < count; i++)
        if ((i == 0 || ids[i] != ids[i - 1]) &&
            bsearch(&ids[i], lent, lent_count, sizeof(*lent), compare) == NULL)
            (void)reeve_owner_release(cluster->owner, ids[i]);
    free(lent);
}

/* With the lock, which it gives up meanwhile. Of what was lent, something outlives the call: before
 * its answer lets go of it elsewhere, the nodes where it lies are told. Where that fails it is lost
 * with the call, and a get says so. */
static void loans_hold(struct reeve_cluster *cluster, const uint64_t *futures, uint32_t count)
{
    struct reeve_buffer holds;
    reeve_buffer_init(&holds);
    (void)reeve_owner_loans_kept(cluster->owner, futures, count, &holds);
    const struct reeve_owner_hold *all = (const struct reeve_owner_hold *)(const void *)holds.data;
    for (size_t i = 0; i < holds.size / sizeof(*all); i++) {
        reeve_unlock(&cluster->lock);
        int code = reeve_cluster_object_hold(cluster, &all[i], NULL, NULL);
        reeve_lock(&cluster->lock);
        if (code == 0)
            reeve_owner_held(cluster->owner, &all[i], 1);
    }
    reeve_buffer_fini(&holds);
}

void reeve_handover_end(struct reeve_cluster *cluster, struct reeve_invocation *invocation,
    enum reeve_handover_fate fate)
{
    const struct reeve_future_ids *ids = &invocation->result_futures;
    uint32_t lent_count = (uint32_t)invocation->future_count;
    if (REEVE_UNLIKELY(invocation->own_handles != NULL))
        reeve_handles_give(&cluster->backend, invocation);
    reeve_lock(&cluster->lock);
    if (ids->count != 0 && fate != REEVE_HANDOVER_KEPT)
        reeve_owner_handover_end(cluster->owner, reeve_cluster_now_ns(), ids->ids,
            (uint32_t)ids->count, fate == REEVE_HANDOVER_GIVEN);
    if (ids->count != 0)
        result_release(cluster, invocation);
    if (fate != REEVE_HANDOVER_KEPT && lent_count != 0)
        loans_hold(cluster, invocation->futures, lent_count);
    if (fate != REEVE_HANDOVER_KEPT)
        reeve_owner_borrow_end(cluster->owner, invocation->futures, lent_count);
    for (uint32_t i = 0; i < lent_count && fate == REEVE_HANDOVER_KEPT; i++)
        (void)reeve_owner_release(cluster->owner, invocation->futures[i]);
    if (fate != REEVE_HANDOVER_KEPT && reeve_handover_holds(cluster)) {
        atomic_store_explicit(&cluster->handles_open, false, memory_order_relaxed);
        (void)reeve_cluster_handles_hold(cluster, NULL); /* what fails is lost with the call */
    }
    reeve_cluster_submitted(cluster, reeve_cluster_now_ns());
    reeve_unlock(&cluster->lock);
    free((void *)(uintptr_t)invocation->futures);
}
