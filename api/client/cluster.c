/* The cluster backend: its start and end. The picture is in cluster.h. */
#include "api/client/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/client/error.h"
#include "api/client/keeper.h"
#include "api/client/objects.h"
#include "runtime/base/limits.h"

/* Workers call in bursts, and what their leases keep idle, others wait for. */
#define WORKER_LEASE_IDLE_NS (20u * 1000 * 1000)

#define HOLDERS_FIRST 2 /* leases that a process often has at a time */

int reeve_cluster_usable(const struct reeve_cluster *cluster, struct reeve_error_info *error)
{
    if (cluster->ending)
        return reeve_error_set(error, REEVE_ESHUTDOWN, "%s", "");
    if (cluster->dead)
        return reeve_error_set(error, cluster->dead_code, "%s", cluster->dead_text);
    return 0;
}

static int cluster_yield(struct reeve_backend *backend, size_t size, reeve_pack_item *pack,
    const void *item, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    return cluster->yield != NULL ? cluster->yield(cluster, size, pack, item, error)
                                  : reeve_error_set(error, REEVE_EINVAL, "%s", "");
}

static uint32_t generation_first = 1; /* ids are not used again after another start */

/* Frees what the struct points to, when nobody uses it any more. */
static void cluster_fini(struct reeve_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->holder_capacity; i++)
        reeve_cluster_channel_close(&cluster->holders[i]);
    free(cluster->holders);
    free(cluster->verdict_text);
    cluster->holders = NULL;
    cluster->holder_capacity = 0;
    reeve_objects_free(cluster->objects);
    reeve_owner_free(cluster->owner);
    cluster->objects = NULL;
    cluster->owner = NULL;
    reeve_map64_fini_values(&cluster->hosts);
    if (cluster->bell != NULL)
        reeve_memory_unmap(cluster->bell, REEVE_DOORBELL_BYTES);
    if (cluster->daemon_bell != NULL)
        reeve_memory_unmap(cluster->daemon_bell, REEVE_DOORBELL_BYTES);
    cluster->bell = cluster->daemon_bell = NULL;
}

/* A child made by fork has no use for our connections; by holding them it would keep the cluster
 * waiting for the end of a process that has long ended. (The memory it does not have: it is mapped
 * so that children do not get it.) */
static _Atomic(struct reeve_cluster *) forkable;

static void forget_in_child(void)
{
    struct reeve_cluster *cluster = atomic_load(&forkable);
    if (cluster == NULL)
        return;
    close(cluster->socket);
    if (cluster->lifeline >= 0)
        close(cluster->lifeline);
}

static void fork_prepare(struct reeve_cluster *cluster)
{
    static bool registered;
    if (!registered)
        registered = pthread_atfork(NULL, NULL, forget_in_child) == 0;
    atomic_store(&forkable, cluster);
}

/* The struct stays: calls of other threads may still be on their way out. Those that use memory or
 * the socket without the lock have left. */
static void cluster_shutdown(struct reeve_backend *backend)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    struct reeve_local_message bye = {.kind = REEVE_LOCAL_BYE};
    atomic_store(&forkable, NULL);
    reeve_cluster_background_stop(cluster);
    reeve_lock(&cluster->lock);
    cluster->turn_waiters++;
    while (cluster->polling || cluster->inside != 0) /* they have been told, and soon leave */
        (void)reeve_condition_wait(&cluster->turn, &cluster->lock, UINT64_MAX);
    cluster->turn_waiters--;
    if (cluster->watch_count != 0) { /* nobody is left waiting to be told */
        reeve_owner_fail_all(cluster->owner, REEVE_ESHUTDOWN, "");
        reeve_cluster_watched(cluster);
    }
    generation_first = reeve_owner_generation(cluster->owner);
    cluster_fini(cluster); /* first: BYE says that we do not touch any shared memory any more */
    (void)reeve_cluster_send(cluster, &bye);
    reeve_unlock(&cluster->lock);
    reeve_cluster_farewell(cluster);
    reeve_fifo_fini(&cluster->inbox);
    reeve_cluster_take_down(cluster);
    static struct reeve_cluster *_Atomic retired; /* kept, not leaked */
    cluster->retired_before = atomic_exchange(&retired, cluster);
}

int reeve_cluster_backend_start(int argc, char **argv, const struct reeve_settings *settings,
    struct reeve_backend **ret, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = calloc(1, sizeof(*cluster));
    if (cluster == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    cluster->backend = (struct reeve_backend){
        .submit = reeve_cluster_submit,
        .submit_many = reeve_cluster_submit_many,
        .get = reeve_cluster_get,
        .get_many = reeve_cluster_get_many,
        .wait = reeve_cluster_wait,
        .release = reeve_cluster_release,
        .next = reeve_cluster_next,
        .yield = cluster_yield,
        .view = reeve_cluster_view,
        .unview = reeve_cluster_unview,
        .retain = reeve_cluster_retain,
        .get_progress = reeve_cluster_get_progress,
        .cancel = reeve_cluster_cancel,
        .watch = reeve_cluster_watch,
        .watch_next = reeve_cluster_watch_next,
        .watch_wait = reeve_cluster_watch_wait,
        .look = reeve_cluster_look,
        .create = reeve_cluster_create,
        .seal = reeve_cluster_seal,
        .abort = reeve_cluster_abort,
        .actor_make = reeve_cluster_actor_make,
        .actor_keep = reeve_cluster_actor_keep,
        .actor_end = reeve_cluster_actor_end,
        .actor_find = reeve_cluster_actor_find,
        .actor_refer = reeve_cluster_actor_refer,
        .actor_retain = reeve_cluster_actor_retain,
        .keeps_arguments = true,
        .bounds_calls = true,
        .shutdown = cluster_shutdown,
    };
    snprintf(cluster->backend.name_space, sizeof(cluster->backend.name_space), "%s",
        settings->name_space);
    cluster->socket = cluster->event_fd = cluster->daemon_event_fd = cluster->lifeline = -1;
    cluster->head_pidfd = -1;
    cluster->background_wake_ns = cluster->beside_deadline_ns = UINT64_MAX;
    cluster->spin_ns = 50000;
    reeve_cluster_room_init(cluster, settings);
    reeve_list_init(&cluster->sleepers);
    reeve_fifo_init(&cluster->inbox, sizeof(struct reeve_local_message));
    struct reeve_owner_settings owner_settings = reeve_owner_settings_default;
    owner_settings.generation_first = generation_first;
    if (getenv(REEVE_WORKER_VARIABLE) != NULL)
        owner_settings.lease_idle_ns = WORKER_LEASE_IDLE_NS;
    /* in front of the owner, so that what a call touches lies together */
    cluster->holders = calloc(HOLDERS_FIRST, sizeof(*cluster->holders));
    cluster->holder_capacity = cluster->holders != NULL ? HOLDERS_FIRST : 0;
    reeve_map64_init(&cluster->hosts);
    cluster->owner = reeve_owner_create(&owner_settings);
    if (cluster->owner != NULL)
        reeve_owner_set_hosts(cluster->owner, &cluster->hosts);
    cluster->objects = reeve_objects_create();
    char why[REEVE_LIMITS_TEXT_SIZE];
    int code = 0;
    if (cluster->owner == NULL || cluster->objects == NULL)
        code = reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    if (code == 0)
        code = reeve_cluster_connect(cluster, settings, argc, argv, error);
    cluster->backend.inline_max_bytes = cluster->inline_size;
    if (code == 0 && cluster->is_worker) {
        cluster->backend.shutdown = NULL; /* its daemon ends it */
        if (reeve_worker_init(cluster) != 0)
            code = reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    }
    int thread = code == 0 ? reeve_cluster_background_start(cluster) : 0;
    if (thread != 0)
        code = reeve_error_set(error, REEVE_ESYSTEM, "a thread could not be started: %s",
            reeve_limits_text(thread, why));
    if (code != 0) {
        reeve_cluster_take_down(cluster);
        cluster_fini(cluster);
        free(cluster);
        return code;
    }
    fork_prepare(cluster);
    if (cluster->is_worker || cluster->is_keeper) {
        if (reeve_client_attach(&cluster->backend, error) != 0)
            _exit(1);
        if (cluster->is_keeper)
            reeve_keeper_run(cluster);
        reeve_worker_run(cluster);
    }
    *ret = &cluster->backend;
    return 0;
}
