/* REEVE_MODE=inline: every task runs inside submit, in order, in the calling process. For
 * debuggers, valgrind, tests.
 *
 * Nothing else differs: arguments are packed and unpacked, results too, large values are objects
 * that arguments refer to, handles go stale, errors look the same. A future is ready as soon as it
 * exists. There are no losses and no time limits. A function that crashes takes the process with
 * it.
 *
 *     futures:  id -> value  | packed bytes |  or  | error |       one reference from the table,
 *                                 │ nested                       one from each task that reads it,
 *                                 └▶ values of the futures in it one from each value it stands in
 *
 * Futures in a value have no ids: whoever gets the value is given new ones. Values:
 * inline_values.c; streams: inline_stream.c; several results: inline_results.c.
 */
#include "api/client/inline_internal.h"

#include "api/client/actor.h"
#include "api/client/client.h"
#include "api/client/error.h"
#include "api/client/handles.h"
#include "api/client/invoke.h"
#include "api/client/ready.h"
#include "runtime/base/macros.h"
#include "runtime/base/map64.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INLINE_MAX_BYTES (100u * 1024)

struct inline_backend inline_self = {.lock = PTHREAD_MUTEX_INITIALIZER, .next_id = 1};

static void actor_die(uint64_t number, const struct reeve_error_info *why);

/* ---- submit ---------------------------------------------------------------------------------- */

void inline_task_fini(struct inline_task *task)
{
    pthread_mutex_lock(&inline_self.lock);
    for (size_t i = 0; i < task->count; i++)
        inline_value_drop_locked(task->held[i]);
    for (size_t i = 0; i < task->own_count; i++)
        inline_value_leave(task->own[i]);
    pthread_mutex_unlock(&inline_self.lock);
    free(task->own);
    free(task->nested);
    free(task->held);
    free(task->splices);
    free(task->references);
    free(task->args);
}

static int hold(
    struct inline_task *task, const struct reeve_submit *submit, struct reeve_error_info *error)
{
    pthread_mutex_lock(&inline_self.lock);
    int rc = inline_self.running ? REEVE_OK : inline_not_live(error);
    for (size_t i = 0; i < submit->splice_count && !rc; i++) {
        struct value *value = reeve_map64_get(&inline_self.futures, submit->splices[i].future.id);
        if (!value) {
            rc = inline_not_live(error);
            break;
        }
        if (value->stream) {
            rc = reeve_error_set(error, REEVE_ETYPE, "a stream is not the value of an argument");
            break;
        }
        value->references++;
        task->held[task->count++] = value;
    }
    pthread_mutex_unlock(&inline_self.lock);
    return rc;
}

/* Puts together the list of the futures in the arguments, as they will stand in them. */
static int nested_join(
    struct inline_task *task, const struct reeve_submit *submit, struct reeve_error_info *error)
{
    size_t total = submit->nested_count;
    for (size_t i = 0; i < task->count; i++)
        total += task->held[i]->nested_count;
    uint64_t *ids = malloc((submit->nested_count + 1) * sizeof *ids);
    task->nested = malloc((total + 1) * sizeof(struct value *));
    if (!ids || !task->nested) {
        free(ids);
        return inline_no_memory(error);
    }
    for (size_t i = 0; i < submit->nested_count; i++)
        ids[i] = submit->nested[i].future.id;
    int rc = inline_nested_hold(ids, submit->nested_count, true, &task->own, error);
    free(ids);
    if (rc)
        return rc;
    task->own_count = submit->nested_count;
    for (size_t splice = 0, own = 0; splice < task->count || own < task->own_count;) {
        if (splice == task->count ||
            (own < task->own_count &&
                submit->nested[own].offset < submit->splices[splice].offset)) {
            task->nested[task->nested_count++] = task->own[own++];
            continue;
        }
        const struct value *value = task->held[splice++];
        for (size_t i = 0; i < value->nested_count; i++)
            task->nested[task->nested_count++] = value->nested[i];
    }
    return REEVE_OK;
}

static int task_init(
    struct inline_task *task, const struct reeve_submit *submit, struct reeve_error_info *error)
{
    size_t count = submit->splice_count + 1;
    *task = (struct inline_task){
        .held = calloc(count, sizeof *task->held),
        .splices = calloc(count, sizeof *task->splices),
        .references = calloc(count, sizeof *task->references),
    };
    if (reeve_invocation_current() != NULL)
        task->parent = reeve_invocation_current()->id;
    if (!task->held || !task->splices || !task->references)
        return inline_no_memory(error);
    int rc = hold(task, submit, error);
    if (!rc)
        rc = nested_join(task, submit, error);
    if (rc)
        return rc;
    for (size_t i = 0; i < task->count; i++) {
        const struct value *value = task->held[i];
        struct reeve_splice_value *splice = &task->splices[i];
        *splice = (struct reeve_splice_value){submit->splices[i].offset, value->bytes, value->size};
        if (value->error || value->size <= INLINE_MAX_BYTES)
            continue;
        uint8_t id[REEVE_OBJECT_ID_SIZE] = {0};
        uint64_t number = i;
        memcpy(id, &number, sizeof number);
        reeve_codec_pack_object(task->references[i], id, value->size);
        splice->bytes = task->references[i];
        splice->size = REEVE_OBJECT_REFERENCE_SIZE;
    }
    task->args_size = reeve_codec_splice_size(submit->args_size, task->splices, task->count);
    task->args = aligned_alloc(64, REEVE_ALIGN_UP(task->args_size + 1, (size_t)64));
    if (!task->args)
        return inline_no_memory(error);
    return REEVE_OK;
}

static int resolve(struct reeve_invocation *invocation, const uint8_t id[REEVE_OBJECT_ID_SIZE],
    uint64_t size, const void **bytes)
{
    const struct inline_task *task = invocation->context;
    uint64_t number;
    memcpy(&number, id, sizeof number);
    if (!task || number >= task->count || task->held[number]->size != size)
        return reeve_error_set(&invocation->error, REEVE_EPROTOCOL,
            "an argument refers to an object that was not passed along");
    *bytes = task->held[number]->bytes;
    return REEVE_OK;
}

static uint32_t result_skew(const struct reeve_function *function, size_t size)
{
    return function->result ? reeve_codec_skew(function->result, size) : 0;
}

static _Atomic uint64_t tasks_run;

/* Runs it once. */
static struct value *run(const struct reeve_function *function, struct inline_task *task,
    const char *args, size_t args_size, uint32_t attempt)
{
    for (size_t i = 0; i < task->count; i++)
        if (task->held[i]
                ->error) { /* the error of a future among the arguments becomes the task's */
            struct value *value = inline_value_create(0, 0);
            if (value && !(value->error = malloc(sizeof *value->error))) {
                inline_value_free(value);
                return NULL;
            }
            if (value)
                *value->error = *task->held[i]->error;
            return value;
        }
    struct reeve_invocation invocation;
    uint8_t small[256];
    uint64_t *ids = NULL;
    struct value **nested = NULL;
    reeve_invocation_init(&invocation, function, args, args_size);
    invocation.result = small;
    invocation.result_capacity = sizeof small;
    invocation.resolve = resolve;
    invocation.context = task;
    invocation.id = (struct reeve_object_id){0, ++tasks_run};
    invocation.attempt = attempt;
    invocation.parent = task->parent.sequence != 0 ? &task->parent : NULL;
    int rc = inline_ids_give(task->nested, task->nested_count, &ids, &invocation.error);
    if (!rc) {
        invocation.futures = ids;
        invocation.future_count = task->nested_count;
        rc = reeve_invoke(&invocation);
    }
    const struct reeve_future_ids *given = &invocation.result_futures;
    if (!rc) /* what the result holds is given away; what came with the call ends with it */
        rc = inline_nested_hold(given->ids, given->count, false, &nested, &invocation.error);
    inline_ids_withdraw(given->ids, given->count);
    if (ids)
        inline_ids_withdraw(ids, task->nested_count);
    free(ids);
    struct value *value = inline_value_create(
        rc ? 0 : invocation.result_size, rc ? 0 : result_skew(function, invocation.result_size));
    if (value && rc) {
        value->error = malloc(sizeof *value->error);
        if (!value->error) {
            inline_value_free(value);
            value = NULL;
        } else {
            *value->error = invocation.error;
            value->error->attempt = (int)attempt;
            snprintf(value->error->node, sizeof(value->error->node), "inline");
        }
    } else if (value) {
        memcpy(value->bytes, invocation.result, invocation.result_size);
        value->nested = nested;
        value->nested_count = given->count;
        nested = NULL;
        if (inline_handles_hold(value, given->actors, given->actor_count, &invocation.error)) {
            inline_value_free(value);
            value = NULL;
        }
    }
    if (nested)
        inline_nested_drop(nested, given->count);
    if (invocation.own_handles) {
        struct reeve_error_info unused; /* whoever notes what the program holds is told, too */
        struct reeve_backend *front = reeve_client_enter(&unused);
        reeve_handles_give(front ? front : &inline_self.backend, &invocation);
    }
    reeve_invocation_fini(&invocation);
    return value;
}

/* Until it does not fail, or has been run again as often as it may. The value that comes back is
 * the result, or the error. NULL: no memory. */
struct value *inline_run(const struct reeve_function *function, struct inline_task *task,
    const char *args, size_t args_size, uint32_t retry_failures)
{
    for (uint32_t attempt = 1;; attempt++) {
        struct value *value = run(function, task, args, args_size, attempt);
        bool failed = value && value->error && value->error->code == REEVE_EFUNCTION;
        for (size_t i = 0; i < task->count; i++) /* nothing has been run */
            failed &= task->held[i]->error == NULL;
        if (!failed || attempt > retry_failures)
            return value;
        inline_value_free(value);
    }
}

/* A method, or what makes or ends an actor: one at a time, of all of them. */
static struct value *run_for_actor(const struct reeve_submit *submit, struct inline_task *task)
{
    reeve_actors_lock();
    struct value *value =
        inline_run(submit->function, task, (const char *)task->args, task->args_size, 0);
    reeve_actors_unlock();
    if (value && value->error && submit->function->role == REEVE_ROLE_NEW)
        actor_die(submit->actor->number, value->error);
    return value;
}

static int actor_usable(const reeve_actor *actor, struct reeve_error_info *error)
{
    pthread_mutex_lock(&inline_self.lock);
    const struct inline_actor *known =
        actor->owner == INLINE_OWNER ? reeve_map64_get(&inline_self.actors, actor->number) : NULL;
    int rc = known ? REEVE_OK : REEVE_EHANDLE;
    if (known && known->why) {
        *error = *known->why;
        rc = REEVE_EACTORDIED;
    }
    pthread_mutex_unlock(&inline_self.lock);
    return rc == REEVE_EHANDLE ? reeve_error_set(error, rc, "the actor has been released") : rc;
}

/* With its arguments in place. */
int inline_task_make(
    struct inline_task *task, const struct reeve_submit *submit, struct reeve_error_info *error)
{
    int rc = task_init(task, submit, error);
    bool failed = false; /* an argument: there is nothing to splice, and nothing runs */
    for (size_t i = 0; i < task->count && !rc; i++)
        failed |= task->held[i]->error != NULL;
    if (!rc && !failed)
        reeve_codec_splice(task->args, submit->args, submit->args_size, task->splices, task->count);
    return rc;
}

static int inline_submit(struct reeve_backend *backend, const struct reeve_submit *submit,
    uint64_t *ret, struct reeve_error_info *error)
{
    (void)backend;
    if (submit->function->item)
        return inline_stream_submit(submit, ret, error);
    struct inline_task task = {0};
    int rc = submit->actor ? actor_usable(submit->actor, error) : REEVE_OK;
    if (!rc)
        rc = inline_task_make(&task, submit, error);
    if (!rc) {
        struct value *value = submit->actor
                                  ? run_for_actor(submit, &task)
                                  : inline_run(submit->function, &task, (const char *)task.args,
                                        task.args_size, submit->retry_failures);
        if (!value)
            rc = inline_no_memory(error);
        else if (submit->result_count)
            rc = inline_results_publish(value, submit, ret, error);
        else
            rc = inline_publish(value, ret, error);
    }
    inline_task_fini(&task);
    inline_actors_settle();
    return rc;
}

static int inline_submit_many(struct reeve_backend *backend, const struct reeve_submit *submits,
    size_t count, uint64_t *ret, size_t *at, struct reeve_error_info *error)
{
    int rc = REEVE_OK;
    while (*at < count && !(rc = inline_submit(backend, &submits[*at], &ret[*at], error)))
        (*at)++;
    return rc;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static int future_get(uint64_t future, size_t index, reeve_consume *consume, void *arg,
    struct reeve_error_info *error)
{
    pthread_mutex_lock(&inline_self.lock);
    struct value *value =
        inline_self.running ? reeve_map64_get(&inline_self.futures, future) : NULL;
    int rc = value ? REEVE_OK : inline_not_live(error);
    if (value && value->stream)
        rc = reeve_error_set(error, REEVE_ETYPE, "a stream is not got: read its items");
    else if (value)
        (void)reeve_map64_remove(&inline_self.futures, future);
    pthread_mutex_unlock(&inline_self.lock);
    if (rc)
        return rc;
    uint64_t *ids = NULL;
    if (value->error) {
        *error = *value->error;
        rc = error->code;
    } else if (value->nested_count == 0) {
        rc = consume(index, value->bytes, value->size, NULL, 0, arg);
    } else if ((rc = inline_ids_give(value->nested, value->nested_count, &ids, error)) == 0) {
        rc = consume(index, value->bytes, value->size, ids, value->nested_count, arg);
        if (rc)
            inline_ids_withdraw(ids, value->nested_count);
    }
    free(ids);
    if (!rc && value->actor_count)
        inline_handles_take(value);
    pthread_mutex_lock(&inline_self.lock);
    inline_value_drop_locked(value);
    pthread_mutex_unlock(&inline_self.lock);
    inline_actors_settle();
    return rc;
}

static int inline_get(struct reeve_backend *backend, uint64_t future, int64_t timeout_ms,
    reeve_consume *consume, void *arg, struct reeve_error_info *error)
{
    (void)backend;
    (void)timeout_ms; /* every future is ready */
    return future_get(future, 0, consume, arg, error);
}

static int inline_get_many(struct reeve_backend *backend, const uint64_t *futures, size_t *at,
    size_t count, reeve_consume *consume, void *arg, struct reeve_error_info *error)
{
    (void)backend;
    int rc = REEVE_OK;
    while (*at < count && !(rc = future_get(futures[*at], *at, consume, arg, error)))
        (*at)++;
    return rc;
}

static int inline_wait(struct reeve_backend *backend, const uint64_t *futures, size_t count,
    size_t wanted, int64_t timeout_ms, bool *ready, size_t *ready_count,
    struct reeve_error_info *error)
{
    (void)backend;
    (void)wanted;
    (void)timeout_ms;
    pthread_mutex_lock(&inline_self.lock);
    int rc = REEVE_OK;
    for (size_t i = 0; i < count && !rc; i++)
        if (!inline_self.running || !reeve_map64_get(&inline_self.futures, futures[i]))
            rc = inline_not_live(error);
    pthread_mutex_unlock(&inline_self.lock);
    if (rc)
        return rc;
    memset(ready, true, count);
    *ready_count = count;
    return REEVE_OK;
}

static int inline_release(
    struct reeve_backend *backend, uint64_t future, struct reeve_error_info *error)
{
    (void)backend;
    pthread_mutex_lock(&inline_self.lock);
    struct value *value =
        inline_self.running ? reeve_map64_remove(&inline_self.futures, future) : NULL;
    bool released = value || inline_handle_release_locked(future);
    int rc = released ? REEVE_OK : inline_not_live(error);
    if (value)
        inline_value_leave(value);
    pthread_mutex_unlock(&inline_self.lock);
    inline_actors_settle();
    return rc;
}

static int inline_watch(struct reeve_backend *backend, uint64_t future, struct reeve_ready *ready,
    uint64_t tag, struct reeve_error_info *error)
{
    (void)backend;
    pthread_mutex_lock(&inline_self.lock);
    bool live = inline_self.running && reeve_map64_get(&inline_self.futures, future);
    int rc = live ? REEVE_OK : inline_not_live(error);
    pthread_mutex_unlock(&inline_self.lock);
    if (!rc)
        reeve_ready_push(ready, tag);
    return rc;
}

static int inline_watch_wait(struct reeve_backend *backend, struct reeve_ready *ready,
    const uint64_t *futures, size_t count, size_t *tried, uint64_t deadline_ns,
    struct reeve_error_info *error)
{
    (void)backend;
    (void)ready; /* whatever was watched is ready */
    (void)futures;
    (void)count;
    (void)tried;
    (void)deadline_ns;
    (void)error;
    return REEVE_OK;
}

/* ---- create ---------------------------------------------------------------------------------- */

static int inline_create(struct reeve_backend *backend, size_t size, uint32_t skew, bool leisurely,
    void **bytes, uint64_t *handle, struct reeve_error_info *error)
{
    (void)backend;
    (void)leisurely; /* the bytes stay */
    struct value *value = inline_value_create(size, skew);
    if (!value)
        return reeve_error_set(error, REEVE_ENOMEM, "no memory for a value of %zu bytes", size);
    pthread_mutex_lock(&inline_self.lock);
    int rc = REEVE_OK;
    if (!inline_self.running)
        rc = inline_not_live(error);
    else if (reeve_map64_put(&inline_self.created, inline_self.next_id, value, NULL))
        rc = inline_no_memory(error);
    if (rc) {
        inline_value_free(value);
    } else {
        *bytes = value->bytes;
        *handle = inline_self.next_id++;
    }
    pthread_mutex_unlock(&inline_self.lock);
    return rc;
}

static int inline_seal(struct reeve_backend *backend, uint64_t handle, const uint64_t *futures,
    size_t future_count, uint64_t *ret, struct reeve_error_info *error)
{
    (void)backend;
    struct value **nested = NULL;
    pthread_mutex_lock(&inline_self.lock);
    struct value *value = reeve_map64_remove(&inline_self.created, handle);
    pthread_mutex_unlock(&inline_self.lock);
    if (!value)
        return inline_not_live(error);
    int rc = inline_handles_put(value, futures, &future_count, error);
    if (!rc && future_count)
        rc = inline_nested_hold(futures, future_count, false, &nested, error);
    if (rc) {
        pthread_mutex_lock(&inline_self.lock);
        inline_value_drop_locked(value);
        pthread_mutex_unlock(&inline_self.lock);
        return rc;
    }
    value->nested = nested;
    value->nested_count = future_count;
    return inline_publish(value, ret, error);
}

static void inline_abort(struct reeve_backend *backend, uint64_t handle)
{
    (void)backend;
    pthread_mutex_lock(&inline_self.lock);
    struct value *value = reeve_map64_remove(&inline_self.created, handle);
    if (value)
        inline_value_drop_locked(value);
    pthread_mutex_unlock(&inline_self.lock);
}

/* ---- actors ---------------------------------------------------------------------------------- */

static void inline_actor_free(struct inline_actor *actor)
{
    if (actor) {
        inline_name_free(actor);
        free(actor->why);
    }
    free(actor);
}

/* It has failed, or was killed: its calls say so. */
static void actor_die(uint64_t number, const struct reeve_error_info *why)
{
    pthread_mutex_lock(&inline_self.lock);
    struct inline_actor *actor = reeve_map64_get(&inline_self.actors, number);
    if (actor && !actor->why && (actor->why = malloc(sizeof *why))) {
        *actor->why = *why;
        actor->why->code = REEVE_EACTORDIED;
    }
    pthread_mutex_unlock(&inline_self.lock);
}

static int inline_actor_make(struct reeve_backend *backend,
    const struct reeve_actor_settings *settings, reeve_actor *ret, struct reeve_error_info *error)
{
    (void)backend;
    struct inline_actor *actor = calloc(1, sizeof *actor);
    if (!actor)
        return inline_no_memory(error);
    actor->end = settings->end;
    pthread_mutex_lock(&inline_self.lock);
    int rc = inline_self.running ? REEVE_OK : inline_not_live(error);
    if (!rc)
        rc = inline_name_give_locked(actor, settings, error);
    if (!rc && reeve_map64_put(&inline_self.actors, inline_self.actor_last + 1, actor, NULL))
        rc = inline_no_memory(error);
    if (!rc) {
        *ret = (reeve_actor){INLINE_OWNER, ++inline_self.actor_last, 1};
        actor->number = ret->number;
        actor->handles = 1;
    }
    pthread_mutex_unlock(&inline_self.lock);
    if (rc)
        inline_actor_free(actor);
    return rc;
}

/* Nobody has a handle of it; it is not in the list any more. */
void inline_actor_over(struct inline_actor *actor, bool calls_end)
{
    const reeve_actor handle = {INLINE_OWNER, actor->number, 1};
    uint8_t packed[REEVE_ACTOR_PACKED_MAX];
    uint64_t ended;
    struct reeve_submit submit = {.function = actor->end,
        .args = packed,
        .args_size = reeve_actor_pack(&handle, packed),
        .actor = &handle};
    if (actor->end && !actor->why && calls_end &&
        !inline_submit(&inline_self.backend, &submit, &ended, NULL))
        (void)inline_release(&inline_self.backend, ended, NULL);
    pthread_mutex_lock(&inline_self.lock);
    inline_actor_free(reeve_map64_remove(&inline_self.actors, handle.number));
    pthread_mutex_unlock(&inline_self.lock);
}

static int inline_actor_end(struct reeve_backend *backend, const reeve_actor *actor,
    enum reeve_actor_end how, struct reeve_error_info *error)
{
    static const struct reeve_error_info killed = {.message = "it was killed"};
    (void)backend;
    pthread_mutex_lock(&inline_self.lock);
    struct inline_actor *known = NULL;
    if (inline_self.running && actor->owner == INLINE_OWNER)
        known = reeve_map64_get(&inline_self.actors, actor->number);
    if (known && known->handles == 0)
        known = NULL; /* it is ending */
    if (known && how == REEVE_ACTOR_RELEASE)
        inline_handle_drop_locked(known);
    pthread_mutex_unlock(&inline_self.lock);
    if (!known)
        return reeve_error_set(error, REEVE_EHANDLE, "the actor has been released already");
    if (how == REEVE_ACTOR_KILL) {
        reeve_actors_lock();
        reeve_typed_actor_free(*actor);
        reeve_actors_unlock();
        actor_die(actor->number, &killed);
    } else if (how == REEVE_ACTOR_RELEASE) {
        inline_actors_settle();
    } else {
        inline_actor_over(known, false);
    }
    return REEVE_OK;
}

static void drop_all_locked(struct reeve_map64 *map)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(map, &at, NULL, &value))
        inline_value_drop_locked(value);
    reeve_map64_fini(map);
    reeve_map64_init(map);
}

/* Values being created stay: another thread may be filling them, and will seal or abort. */
static void inline_shutdown(struct reeve_backend *backend)
{
    (void)backend;
    pthread_mutex_lock(&inline_self.lock);
    inline_self.running = false;
    uint64_t id;
    void *value;
    for (size_t next = 0; reeve_map64_next(&inline_self.futures, &next, &id, &value);) {
        if (!((struct value *)value)->stream)
            continue;
        (void)reeve_map64_remove(&inline_self.futures, id);
        inline_value_leave(value);
        next = 0; /* the table may have changed meanwhile */
    }
    drop_all_locked(&inline_self.futures);
    size_t at = 0;
    void *actor;
    while (reeve_map64_next(&inline_self.actors, &at, NULL, &actor))
        inline_actor_free(actor);
    reeve_map64_fini(&inline_self.actors);
    reeve_map64_init(&inline_self.actors);
    inline_self.over = NULL;
    pthread_mutex_unlock(&inline_self.lock);
    reeve_actors_lock();
    reeve_actors_drop(INLINE_OWNER);
    reeve_actors_unlock();
}

int reeve_inline_backend_start(const struct reeve_settings *settings, struct reeve_backend **ret,
    struct reeve_error_info *error)
{
    (void)error;
    static const struct reeve_backend operations = {
        .submit = inline_submit,
        .submit_many = inline_submit_many,
        .get = inline_get,
        .get_many = inline_get_many,
        .wait = inline_wait,
        .release = inline_release,
        .next = inline_next,
        .yield = inline_yield,
        .view = inline_view,
        .unview = inline_unview,
        .retain = inline_retain,
        .context = inline_context,
        .progress = inline_progress,
        .get_progress = inline_get_progress,
        .cancel = inline_cancel,
        .watch = inline_watch,
        .watch_next = inline_watch_next,
        .watch_wait = inline_watch_wait,
        .look = inline_look,
        .create = inline_create,
        .seal = inline_seal,
        .abort = inline_abort,
        .actor_make = inline_actor_make,
        .actor_end = inline_actor_end,
        .actor_find = inline_actor_find,
        .actor_refer = inline_actor_refer,
        .actor_retain = inline_actor_retain,
        .inline_max_bytes = INLINE_MAX_BYTES,
        .shutdown = inline_shutdown,
    };
    pthread_mutex_lock(&inline_self.lock);
    inline_self.backend = operations;
    snprintf(inline_self.backend.name_space, sizeof inline_self.backend.name_space, "%s",
        settings->name_space);
    inline_self.running = true;
    pthread_mutex_unlock(&inline_self.lock);
    *ret = &inline_self.backend;
    return REEVE_OK;
}
