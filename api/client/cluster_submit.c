/* The cluster backend: taking calls. Small arguments are copied into the owner core; of those too
 * large to ride along in a ring, the large ones become objects first. */
#include <stdlib.h>
#include <string.h>

#include "api/client/cluster.h"
#include "api/client/codec.h"
#include "api/client/error.h"
#include "api/client/invoke.h"
#include "runtime/base/macros.h"

/* arguments from this size on become objects, when together they are too large to ride along */
#define ARGUMENT_OBJECT_SIZE_MIN 4096u
/* more of them than this, and all arguments become one object: each is a question to the daemon
 * here and another at the worker, and an entry mentions 1,024 at most */
#define ARGUMENT_OBJECTS_MAX 64u
/* so many futures among a call's arguments need no memory of their own */
#define SPLICES_FEW 8u

/* Arguments too large to ride along: the large ones among them become objects, spliced in like
 * futures. */
struct argument_objects {
    uint8_t *args; /* with a nil byte for each object */
    size_t args_size;
    struct reeve_owner_splice *splices;
    uint32_t splice_count;
    reeve_task_id *objects; /* ours to release */
    uint32_t object_count;
};

static void argument_objects_free(struct reeve_cluster *cluster, struct argument_objects *split)
{
    reeve_lock(&cluster->lock);
    for (uint32_t i = 0; i < split->object_count; i++)
        (void)reeve_owner_release(cluster->owner, split->objects[i]);
    reeve_cluster_pump(cluster, reeve_cluster_now_ns());
    reeve_unlock(&cluster->lock);
    free(split->args);
    free(split->splices);
    free(split->objects);
}

/* How many arguments there are, and where the first is. */
static int arguments_begin(const struct reeve_submit *submit, size_t *ret_count, size_t *ret_at,
    struct reeve_error_info *error)
{
    const uint8_t *args = submit->args;
    if (args[0] == 0xdc && submit->args_size >= 3) { /* array 16 */
        *ret_count = (size_t)args[1] << 8 | args[2];
        *ret_at = 3;
    } else if (args[0] >= 0x90 && args[0] <= 0x9f) {
        *ret_count = args[0] & 0x0f;
        *ret_at = 1;
    } else {
        return reeve_error_set(
            error, REEVE_ETYPE, "arguments must be a msgpack array of at most 65,535");
    }
    return 0;
}

/* Too many large ones to be objects each, or too many small ones to ride along? Not with futures
 * among them, whose values must find their places. */
static bool arguments_go_together(const struct reeve_submit *submit)
{
    const uint8_t *args = submit->args;
    size_t count = 0, at = 0, large = 0, rest = 0;
    if (submit->splice_count + submit->nested_count != 0 ||
        arguments_begin(submit, &count, &at, NULL) != 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t size = reeve_codec_skip(args + at, submit->args_size - at);
        if (size == 0)
            return false;
        if (size >= ARGUMENT_OBJECT_SIZE_MIN)
            large++;
        else
            rest += size;
        at += size;
    }
    return large > ARGUMENT_OBJECTS_MAX || rest + large > REEVE_ENTRY_SIZE_MAX / 2;
}

/* One object that holds the whole array, in its place: invoke.c looks into it. */
static int arguments_join(struct reeve_cluster *cluster, const struct reeve_submit *submit,
    struct argument_objects *ret, struct reeve_error_info *error)
{
    *ret = (struct argument_objects){
        .args = malloc(1),
        .args_size = 1,
        .splices = calloc(1, sizeof(*ret->splices)),
        .splice_count = 1,
        .objects = calloc(1, sizeof(*ret->objects)),
    };
    if (ret->args == NULL || ret->splices == NULL || ret->objects == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    ret->args[0] = 0xc0;
    int code = reeve_cluster_put(
        cluster, submit->args, submit->args_size, NULL, 0, &ret->objects[0], error);
    if (code != 0)
        return code;
    ret->object_count = 1;
    ret->splices[0].task = ret->objects[0];
    return 0;
}

/* An argument of its own, with the futures that stand in it: `first` to `last` of the nested. */
static int large_put(struct reeve_cluster *cluster, const struct reeve_submit *submit,
    const uint8_t *bytes, size_t size, size_t first, size_t last, reeve_task_id *ret,
    struct reeve_error_info *error)
{
    uint64_t *ids = malloc((last - first + 1) * sizeof(*ids));
    if (ids == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    for (size_t i = first; i < last; i++)
        ids[i - first] = submit->nested[i].future.id;
    int code = reeve_cluster_put(cluster, bytes, size, ids, last - first, ret, error);
    free(ids);
    return code;
}

static int arguments_split(struct reeve_cluster *cluster, const struct reeve_submit *submit,
    struct argument_objects *ret, struct reeve_error_info *error)
{
    const uint8_t *args = submit->args;
    size_t count = 0, at = 0, splice = 0, nested = 0;
    if (arguments_begin(submit, &count, &at, error) != 0)
        return REEVE_ETYPE;
    *ret = (struct argument_objects){
        .args = malloc(submit->args_size),
        .splices =
            calloc(count + submit->splice_count + submit->nested_count + 1, sizeof(*ret->splices)),
        .objects = calloc(count + 1, sizeof(*ret->objects)),
    };
    if (ret->args == NULL || ret->splices == NULL || ret->objects == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    memcpy(ret->args, args, at);
    ret->args_size = at;
    for (size_t i = 0; i < count; i++) {
        size_t size = reeve_codec_skip(args + at, submit->args_size - at);
        if (size == 0)
            return reeve_error_set(
                error, REEVE_EPROTOCOL, "argument %zu is not whole msgpack", i + 1);
        size_t first = nested;
        while (nested < submit->nested_count && submit->nested[nested].offset == at)
            nested++;
        if (splice < submit->splice_count && submit->splices[splice].offset == at) {
            ret->splices[ret->splice_count++] = (struct reeve_owner_splice){
                (uint32_t)ret->args_size, submit->splices[splice++].future.id};
        } else if (size >= ARGUMENT_OBJECT_SIZE_MIN) {
            reeve_task_id object = 0;
            int code = large_put(cluster, submit, args + at, size, first, nested, &object, error);
            if (code != 0)
                return code;
            ret->objects[ret->object_count++] = object;
            ret->splices[ret->splice_count++] =
                (struct reeve_owner_splice){(uint32_t)ret->args_size, object};
            ret->args[ret->args_size++] = 0xc0;
            at += size;
            continue;
        }
        for (size_t n = first; n < nested; n++)
            ret->splices[ret->splice_count++] = (struct reeve_owner_splice){
                (uint32_t)ret->args_size | REEVE_OWNER_NESTED, submit->nested[n].future.id};
        memcpy(ret->args + ret->args_size, args + at, size);
        ret->args_size += size;
        at += size;
    }
    if (ret->args_size > REEVE_ENTRY_SIZE_MAX)
        return reeve_error_set(error, REEVE_ETOOLARGE,
            "the small arguments alone are %zu bytes, more than %u: pass them as one array or "
            "struct",
            ret->args_size, REEVE_ENTRY_SIZE_MAX);
    return 0;
}

/* With the lock. *looked: the core's time is as of this call of the program. */
static int task_take(struct reeve_cluster *cluster, const struct reeve_submit *submit,
    struct reeve_owner_task *task, bool *looked, uint64_t *ret, struct reeve_error_info *error)
{
    int code;
    if (REEVE_UNLIKELY(submit->actor != NULL)) {
        code = reeve_cluster_actor_call(cluster, submit, task, error);
        if (code == 0)
            code = reeve_cluster_room(cluster, REEVE_CLUSTER_NO_CLASS, error);
    } else {
        code = reeve_owner_class(
            cluster->owner, submit->cpu_milli, submit->priority, &task->class_index);
        if (code != 0)
            return reeve_error_set(error, code,
                "more than %u different kinds of calls, by cpus and priority",
                REEVE_OWNER_CLASSES_MAX);
        code = reeve_cluster_room(cluster, task->class_index, error);
    }
    if (code != 0)
        return code;
    /* while somebody is awake to look at the rings, the time is no more than a moment old */
    bool asleep =
        atomic_load_explicit(&cluster->bell->waiting, memory_order_relaxed) != REEVE_DOORBELL_AWAKE;
    if (!*looked && (asleep || !reeve_owner_class_is_busy(cluster->owner, task->class_index))) {
        cluster->now_ns = reeve_cluster_now_ns();
        *looked = true;
    }
    if (REEVE_LIKELY(submit->result_count == 0))
        code = reeve_owner_submit(cluster->owner, cluster->now_ns, task, ret);
    else
        code = reeve_owner_submit_results(
            cluster->owner, cluster->now_ns, task, submit->result_count, ret);
    if (code == REEVE_EHANDLE && task->actor != 0 &&
        !reeve_owner_actor_class(cluster->owner, task->actor, &task->class_index))
        return reeve_error_set(error, code, "the actor has been released");
    if (code == REEVE_EHANDLE)
        return reeve_error_set(
            error, code, "a future among the arguments is stale: it has been got or released");
    return code != 0 ? reeve_error_set(error, code, "%s", "") : 0;
}

static int task_submit(struct reeve_cluster *cluster, const struct reeve_submit *submit,
    struct reeve_owner_task *task, uint64_t *ret, struct reeve_error_info *error)
{
    bool looked = false;
    reeve_lock(&cluster->lock);
    int code = reeve_cluster_usable(cluster, error);
    if (code == 0) {
        reeve_cluster_enter(cluster);
        code = task_take(cluster, submit, task, &looked, ret, error);
    }
    if (code == 0)
        reeve_cluster_submitted(cluster, cluster->now_ns);
    reeve_unlock(&cluster->lock);
    return code;
}

static struct reeve_owner_task task_of(const struct reeve_submit *submit)
{
    const struct reeve_invocation *caller = reeve_invocation_current();
    return (struct reeve_owner_task){
        .function = (uint32_t)submit->function->index,
        .timeout_ms = (uint32_t)REEVE_MIN(submit->timeout_ms, (int64_t)UINT32_MAX),
        .losses_max = submit->max_retries,
        .retries = {submit->retry_failures, submit->retry_pause_ms},
        .never_inline = submit->never_inline || submit->function->item != NULL,
        .is_stream = submit->function->item != NULL,
        .window = submit->window,
        .arguments = submit->args,
        .arguments_size = (uint32_t)submit->args_size,
        .parent = caller != NULL ? &caller->id : NULL,
    };
}

static void task_splices(struct reeve_owner_task *task, const struct reeve_submit *submit,
    struct reeve_owner_splice *splices)
{
    size_t count = submit->splice_count + submit->nested_count;
    for (size_t i = 0, splice = 0, nested = 0; i < count; i++) {
        bool is_splice = nested == submit->nested_count ||
                         (splice < submit->splice_count &&
                             submit->splices[splice].offset < submit->nested[nested].offset);
        const reeve_splice *from =
            is_splice ? &submit->splices[splice++] : &submit->nested[nested++];
        splices[i] = (struct reeve_owner_splice){
            (uint32_t)from->offset | (is_splice ? 0 : REEVE_OWNER_NESTED), from->future.id};
    }
    task->splices = splices;
    task->splice_count = (uint32_t)count;
}

/* With futures among the arguments. */
static int spliced_submit(struct reeve_cluster *cluster, const struct reeve_submit *submit,
    struct reeve_owner_task *task, uint64_t *ret, struct reeve_error_info *error)
{
    struct reeve_owner_splice few[SPLICES_FEW], *splices = few;
    size_t count = submit->splice_count + submit->nested_count;
    if (count > SPLICES_FEW) {
        splices = malloc(count * sizeof(*splices));
        if (splices == NULL)
            return reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    }
    task_splices(task, submit, splices);
    int code = task_submit(cluster, submit, task, ret, error);
    if (splices != few)
        free(splices);
    return code;
}

/* With more arguments than ride along. */
static int large_submit(struct reeve_cluster *cluster, const struct reeve_submit *submit,
    struct reeve_owner_task *task, uint64_t *ret, struct reeve_error_info *error)
{
    struct argument_objects split = {0};
    int code = reeve_cluster_inside_enter(cluster, error);
    if (code != 0)
        return code;
    if (arguments_go_together(submit))
        code = arguments_join(cluster, submit, &split, error);
    else
        code = arguments_split(cluster, submit, &split, error);
    task->arguments = split.args;
    task->arguments_size = (uint32_t)split.args_size;
    task->splices = split.splices;
    task->splice_count = split.splice_count;
    if (code == 0)
        code = task_submit(cluster, submit, task, ret, error);
    argument_objects_free(cluster, &split);
    reeve_cluster_inside_leave(cluster);
    return code;
}

int reeve_cluster_submit(struct reeve_backend *backend, const struct reeve_submit *submit,
    uint64_t *ret, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = REEVE_CONTAINER_OF(backend, struct reeve_cluster, backend);
    struct reeve_owner_task task = task_of(submit);
    if (REEVE_UNLIKELY(submit->args_size > cluster->inline_size))
        return large_submit(cluster, submit, &task, ret, error);
    if (submit->splice_count + submit->nested_count != 0)
        return spliced_submit(cluster, submit, &task, ret, error);
    return task_submit(cluster, submit, &task, ret, error);
}

/* Those of a kind that needs nothing outside of the lock: as many as follow one another, with one
 * lock, one look at what can be sent, one bell a worker. */
static bool is_simple(const struct reeve_cluster *cluster, const struct reeve_submit *submit)
{
    return submit->args_size <= cluster->inline_size &&
           submit->splice_count + submit->nested_count <= SPLICES_FEW;
}

static int simple_submit_many(struct reeve_cluster *cluster, const struct reeve_submit *submits,
    size_t count, uint64_t *ret, size_t *at, struct reeve_error_info *error)
{
    bool looked = false;
    reeve_lock(&cluster->lock);
    int code = reeve_cluster_usable(cluster, error);
    if (code == 0) {
        reeve_cluster_enter(cluster);
        for (; *at < count && is_simple(cluster, &submits[*at]); (*at)++) {
            struct reeve_owner_task task = task_of(&submits[*at]);
            struct reeve_owner_splice few[SPLICES_FEW];
            task_splices(&task, &submits[*at], few);
            code = task_take(cluster, &submits[*at], &task, &looked, &ret[*at], error);
            if (code != 0)
                break;
        }
        reeve_cluster_submitted(cluster, cluster->now_ns);
    }
    reeve_unlock(&cluster->lock);
    return code;
}

int reeve_cluster_submit_many(struct reeve_backend *backend, const struct reeve_submit *submits,
    size_t count, uint64_t *ret, size_t *at, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = REEVE_CONTAINER_OF(backend, struct reeve_cluster, backend);
    int code = 0;
    while (*at < count && code == 0) {
        if (is_simple(cluster, &submits[*at]))
            code = simple_submit_many(cluster, submits, count, ret, at, error);
        else if ((code = reeve_cluster_submit(backend, &submits[*at], &ret[*at], error)) == 0)
            (*at)++;
    }
    return code;
}
