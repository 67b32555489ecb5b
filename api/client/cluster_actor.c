/* The cluster backend: actors. What is decided about them is in the owner core (owner_actor.c).
 *
 * Of a handle, `owner` is the process, `number` and the lower half of `host` are the core's; what
 * else stands in them is drawn in actor.h. */
#include "api/client/actor.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/client/cluster.h"
#include "api/client/error.h"
#include "api/client/keeper.h"

int reeve_cluster_actor_call(struct reeve_cluster *cluster, const struct reeve_submit *submit,
    struct reeve_owner_task *task, struct reeve_error_info *error)
{
    const reeve_actor *actor = submit->actor;
    uint32_t host = (uint32_t)actor->host;
    bool is_new = submit->function->role == REEVE_ROLE_NEW;
    uint32_t number = (uint32_t)REEVE_ACTOR_NUMBER(actor);
    if (number == 0 || host == 0 || host & REEVE_HOST_ATTACH)
        return reeve_error_set(error, REEVE_EHANDLE, "this is no actor: its handle is malformed");
    if (actor->owner == cluster->process) {
        task->actor = number;
        task->life = is_new ? REEVE_OWNER_MAKE : REEVE_OWNER_CALL;
        if (!reeve_owner_actor_class(cluster->owner, task->actor, &task->class_index))
            return reeve_error_set(error, REEVE_EHANDLE, "the actor has been released");
    } else {
        task->called = number;
        atomic_store_explicit(&cluster->handles_open, true, memory_order_relaxed);
        int code = reeve_owner_host_class(
            cluster->owner, actor->owner, host | REEVE_HOST_ATTACH, &task->class_index);
        if (code != 0)
            return reeve_error_set(error, code,
                "this process has called actors of too many processes (with kinds of resources, %u "
                "are possible)",
                REEVE_OWNER_CLASSES_MAX);
    }
    if (REEVE_LIKELY(
            REEVE_ACTOR_PENDING_MAX(actor) == 0 || submit->function->role != REEVE_ROLE_METHOD))
        return 0;
    return reeve_cluster_turn_wait(cluster, submit, task->class_index, error);
}

/* ---- names: the head knows them (scheduler/names.c) ---- */

static int name_ask(struct reeve_cluster *cluster, struct reeve_local_message *message,
    const char *name_space, const char *name, const char *type, struct reeve_local_message *reply,
    struct reeve_error_info *error)
{
    message->kind = REEVE_LOCAL_NAME;
    reeve_local_set_text(message, "%s\n%s\n%s", name_space, name, type);
    return reeve_cluster_request(cluster, message, reply, error);
}

/* The actor is not to be made if it cannot have its name. */
static int name_claim(struct reeve_cluster *cluster, const struct reeve_actor_settings *settings,
    const reeve_actor *actor, struct reeve_error_info *error)
{
    uint64_t number = REEVE_ACTOR_NUMBER(actor);
    struct reeve_local_message reply,
        message = {.task = number | (uint64_t)settings->pending_max << 32, .size = actor->host};
    int code = name_ask(
        cluster, &message, settings->name_space, settings->name, settings->type, &reply, error);
    reeve_lock(&cluster->lock);
    if (code == 0 && !cluster->ending)
        reeve_owner_actor_named(cluster->owner, (uint32_t)number);
    else if (!cluster->ending)
        reeve_owner_actor_give_up(cluster->owner, (uint32_t)number);
    reeve_unlock(&cluster->lock);
    return code;
}

int reeve_cluster_actor_find(struct reeve_backend *backend, const struct reeve_actor_wanted *wanted,
    reeve_actor *ret, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    struct reeve_local_message reply, message = {.flags = REEVE_LOCAL_NAME_FIND};
    reeve_lock(&cluster->lock);
    int code = reeve_cluster_usable(cluster, error);
    reeve_unlock(&cluster->lock);
    if (code == 0)
        code = name_ask(
            cluster, &message, wanted->name_space, wanted->name, wanted->type, &reply, error);
    if (code == 0)
        *ret = (reeve_actor){reply.process, reply.task, reply.size};
    return code;
}

/* ---- told to the daemon, when it asks (reeve actors) ---- */

static bool actor_write(
    const struct reeve_cluster *cluster, FILE *out, const struct reeve_owner_actor_info *info)
{
    _Static_assert((int)REEVE_OWNER_ACTOR_DEAD == (int)REEVE_LOCAL_ACTOR_DEAD, "states");
    const struct reeve_owner_result result = {.status = REEVE_EACTORDIED,
        .error_is_map = info->why_is_map,
        .bytes = info->why,
        .size = info->why_size};
    struct reeve_error_info why = {0};
    if (info->why_size != 0)
        reeve_cluster_task_error(cluster, &result, &why);
    const struct reeve_local_actor actor = {.number = info->number,
        .host = info->host,
        .constructor = info->constructor,
        .state = (uint32_t)info->state,
        .restarts = info->restarts,
        .restarts_left = info->restarts_left,
        .cpu_milli = info->cpu_milli,
        .text_size = (uint32_t)strlen(why.message),
        .calls = info->calls,
        .since_ns = info->since_ns};
    return fwrite(&actor, sizeof(actor), 1, out) == 1 &&
           fwrite(why.message, 1, actor.text_size, out) == actor.text_size;
}

void reeve_cluster_actors_tell(struct reeve_cluster *cluster, uint32_t request)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_ACTORS,
        .request = request,
        .fds = {memfd_create("reeve-actors", MFD_CLOEXEC)}};
    struct reeve_owner_actor_info info;
    size_t cursor = 0, count = 0;
    int copy = fcntl(message.fds[0], F_DUPFD_CLOEXEC, 3);
    FILE *out = copy >= 0 ? fdopen(copy, "wb") : NULL;
    while (out != NULL && reeve_owner_next_actor(cluster->owner, &cursor, &info)) {
        if (count >= REEVE_LOCAL_ACTORS_MAX || !actor_write(cluster, out, &info))
            message.count++;
        else
            count++;
    }
    if (out != NULL && fclose(out) == 0)
        message.fd_count = 1; /* else it is as if there were none */
    else if (out == NULL && copy >= 0)
        close(copy);
    (void)reeve_cluster_send(cluster, &message);
    if (message.fds[0] >= 0)
        close(message.fds[0]);
}

/* ---- creating and ending ---- */

int reeve_cluster_actor_make(struct reeve_backend *backend,
    const struct reeve_actor_settings *settings, reeve_actor *ret, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    struct reeve_owner_actor actor = {
        .cpu_milli = settings->cpu_milli,
        .shared = settings->shared,
        .restarts_max = settings->restarts_max,
        .end_function = (uint32_t)settings->end->index,
        .now_ns = reeve_cluster_now_ns(),
    };
    uint32_t number, host;
    reeve_lock(&cluster->lock);
    int code = reeve_cluster_usable(cluster, error);
    if (code == 0) {
        reeve_cluster_enter(cluster);
        code = reeve_owner_actor_make(cluster->owner, &actor, &number, &host);
        if (code == REEVE_EINVAL)
            reeve_error_set(error, code,
                "the actors of shared process %u were created with other cpus", settings->shared);
        else if (code == REEVE_ETOOLARGE)
            reeve_error_set(error, code,
                "too many actors with processes of their own: create some with the option shared");
        else if (code != 0)
            reeve_error_set(error, code, "%s", "");
    }
    if (code == 0)
        *ret = (reeve_actor){cluster->process, (uint64_t)settings->concurrency << 32 | number,
            (uint64_t)settings->cpu_milli << 32 | host};
    reeve_unlock(&cluster->lock);
    if (code == 0 && settings->name != NULL)
        code = name_claim(cluster, settings, ret, error);
    return code;
}

/* ---- handles ---- */

static struct reeve_owner_handle handle_of(const reeve_actor *actor)
{
    return (struct reeve_owner_handle){
        .process = actor->owner,
        .number = (uint32_t)REEVE_ACTOR_NUMBER(actor),
        .host = (uint32_t)actor->host | REEVE_HOST_ATTACH,
    };
}

static int handle_get(struct reeve_cluster *cluster, const reeve_actor *actor, uint64_t *ret,
    bool *ret_open, struct reeve_error_info *error)
{
    const struct reeve_owner_handle of = handle_of(actor);
    reeve_lock(&cluster->lock);
    int code = reeve_cluster_usable(cluster, error);
    if (code == 0) {
        code = reeve_owner_handle(cluster->owner, &of, ret);
        if (code == REEVE_EHANDLE)
            reeve_error_set(error, code, "the actor has ended");
        else if (code != 0)
            reeve_error_set(error, code, "%s", "");
    }
    *ret_open = code == 0 && reeve_owner_handle_is_open(cluster->owner, *ret);
    if (*ret_open)
        atomic_store_explicit(&cluster->handles_open, true, memory_order_relaxed);
    reeve_unlock(&cluster->lock);
    return code;
}

int reeve_cluster_actor_refer(struct reeve_backend *backend, const reeve_actor *actor,
    uint64_t *ret, struct reeve_error_info *error)
{
    bool open;
    int code = handle_get(reeve_cluster_of(backend), actor, ret, &open, error);
    return code == REEVE_EHANDLE ? 0 : code; /* whoever calls it is told */
}

int reeve_cluster_handles_hold(struct reeve_cluster *cluster, struct reeve_error_info *error)
{
    struct reeve_buffer holds;
    reeve_buffer_init(&holds);
    int code = reeve_owner_handles_kept(cluster->owner, &holds);
    const struct reeve_owner_hold *all = (const struct reeve_owner_hold *)(const void *)holds.data;
    for (size_t i = 0; i < holds.size / sizeof(*all); i++) {
        reeve_unlock(&cluster->lock);
        int failed = reeve_cluster_object_hold(cluster, &all[i], NULL, error);
        reeve_lock(&cluster->lock);
        if (cluster->ending)
            continue; /* the core goes as a whole */
        reeve_owner_handle_held(cluster->owner, all[i].token, failed == 0);
        code = code != 0 ? code : failed;
    }
    reeve_buffer_fini(&holds);
    return code;
}

int reeve_cluster_actor_retain(
    struct reeve_backend *backend, const reeve_actor *actor, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    uint64_t handle;
    bool open;
    int code = handle_get(cluster, actor, &handle, &open, error);
    if (code != 0 || !open)
        return code;
    code = reeve_cluster_inside_enter(cluster, error);
    if (code != 0)
        return code;
    reeve_lock(&cluster->lock);
    code = reeve_cluster_handles_hold(cluster, error);
    if (!cluster->ending && reeve_owner_handle_is_open(cluster->owner, handle)) {
        (void)reeve_owner_release(cluster->owner, handle);
        if (code == 0)
            code = reeve_error_set(error, REEVE_EHANDLE, "the actor has ended");
    } else {
        code = 0; /* it was another that could not be held */
    }
    reeve_unlock(&cluster->lock);
    reeve_cluster_inside_leave(cluster);
    return code;
}

/* Whoever calls holds none of ours. */
static int handle_release(struct reeve_cluster *cluster, uint64_t now_ns, const reeve_actor *actor,
    struct reeve_error_info *error)
{
    uint8_t packed[REEVE_ACTOR_PACKED_MAX];
    const struct reeve_owner_handle of = handle_of(actor);
    int code = reeve_owner_handle_release(
        cluster->owner, now_ns, &of, packed, (uint32_t)reeve_actor_pack(actor, packed));
    if (code == REEVE_EHANDLE && actor->owner != cluster->process)
        return 0;
    if (code == REEVE_EHANDLE)
        return reeve_error_set(error, code, "the actor has been released already");
    return code != 0 ? reeve_error_set(error, code, "%s", "") : 0;
}

void reeve_cluster_actor_over(
    struct reeve_cluster *cluster, uint64_t now_ns, const struct reeve_local_message *message)
{
    uint8_t packed[REEVE_ACTOR_PACKED_MAX];
    const reeve_actor actor = {cluster->process, (uint32_t)message->object.sequence, 0};
    reeve_owner_actor_over(cluster->owner, now_ns, (uint32_t)actor.number, packed,
        (uint32_t)reeve_actor_pack(&actor, packed));
}

int reeve_cluster_actor_end(struct reeve_backend *backend, const reeve_actor *actor,
    enum reeve_actor_end how, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    if (actor->owner != cluster->process && how == REEVE_ACTOR_KILL)
        return reeve_cluster_keeper_kill(cluster, actor->owner, error);
    uint32_t number = (uint32_t)REEVE_ACTOR_NUMBER(actor);
    reeve_lock(&cluster->lock);
    int code = reeve_cluster_usable(cluster, error);
    if (code == 0) {
        uint64_t now_ns = reeve_cluster_now_ns();
        reeve_cluster_enter(cluster);
        if (how == REEVE_ACTOR_RELEASE)
            code = handle_release(cluster, now_ns, actor, error);
        else if (how == REEVE_ACTOR_KILL)
            code = reeve_owner_actor_kill(cluster->owner, now_ns, number);
        else
            reeve_owner_actor_give_up(cluster->owner, number);
        reeve_cluster_submitted(cluster, now_ns);
        if (how == REEVE_ACTOR_KILL && code == REEVE_EHANDLE)
            reeve_error_set(error, code, "the actor has been released already");
        else if (how == REEVE_ACTOR_KILL && code == REEVE_EINVAL)
            reeve_error_set(error, code,
                "the actor shares its process with others: release it, or give it its own");
    }
    reeve_unlock(&cluster->lock);
    return code;
}
