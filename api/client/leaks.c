/* What the program holds: a backend before the backend, which notes what goes through it. It is
 * there only when it was asked for, so that who has not asked pays nothing.
 *
 *   front doors ──▶ submit, seal, retain, what stands in a value that is got ─▶ held: + 1
 *                   get, release, the end of a stream ────────────────────────▶ held: - 1
 *                   view, create, actor_make … unview, seal, abort, actor_end
 *                          │
 *                          └──▶ the backend that does the work
 *
 *   held   future ─▶ hold ─▶ hold       one for each time that it is held, the latest first
 *          view, creation, actor ─▶ hold
 *
 * What a function of this process has given away (inline mode) the backend does not know any more:
 * it is not told of. Where there is no memory to note something, it is not. */
#include "api/client/leaks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/client.h"
#include "api/client/error.h"
#include "runtime/base/macros.h"
#include "runtime/base/map64.h"

enum table { FUTURES, VIEWS, CREATIONS, ACTORS, TABLES };

struct hold {
    enum reeve_leak_kind kind;
    uint64_t id;
    uint64_t size_bytes;                   /* of what is no future */
    const struct reeve_function *function; /* that it is of */
    const struct reeve_function *called;   /* by whose macros it was made; or NULL */
    struct reeve_place place;
    struct hold *next; /* of the same future */
};

struct watcher {
    struct reeve_backend backend;
    struct reeve_backend *inner;
    bool prints;
    _Atomic uint64_t maker; /* this process as the owner of actors, once it has made one; else 0 */
    pthread_mutex_t lock;   /* of the tables; nothing is called with it */
    struct reeve_map64 tables[TABLES];
    struct watcher *before; /* those of earlier starts are kept, as their backends are */
};

static struct watcher *watcher_of(struct reeve_backend *backend)
{
    return REEVE_CONTAINER_OF(backend, struct watcher, backend);
}

/* ---- the tables ------------------------------------------------------------------------------ */

static void hold_add(struct watcher *watcher, enum table table, uint64_t id, const struct hold *of)
{
    struct hold *hold = malloc(sizeof(*hold));
    if (hold == NULL)
        return;
    *hold = *of;
    hold->id = id;
    hold->place = reeve_place_here();
    pthread_mutex_lock(&watcher->lock);
    hold->next = reeve_map64_get(&watcher->tables[table], id);
    int code = reeve_map64_put(&watcher->tables[table], id, hold, NULL);
    pthread_mutex_unlock(&watcher->lock);
    if (code != 0)
        free(hold);
}

static void hold_grow(struct watcher *watcher, enum table table, uint64_t id, uint64_t size_bytes)
{
    pthread_mutex_lock(&watcher->lock);
    struct hold *hold = reeve_map64_get(&watcher->tables[table], id);
    if (hold != NULL)
        hold->size_bytes += size_bytes;
    pthread_mutex_unlock(&watcher->lock);
}

/* One of them; or all. */
static void hold_drop(struct watcher *watcher, enum table table, uint64_t id, bool all)
{
    pthread_mutex_lock(&watcher->lock);
    struct hold *hold = reeve_map64_remove(&watcher->tables[table], id), *rest = NULL;
    if (hold != NULL && !all && (rest = hold->next) != NULL) {
        hold->next = NULL;
        (void)reeve_map64_put(&watcher->tables[table], id, rest, NULL); /* there is its room */
    }
    pthread_mutex_unlock(&watcher->lock);
    while (hold != NULL) {
        rest = hold->next;
        free(hold);
        hold = rest;
    }
}

static void future_add(struct watcher *watcher, uint64_t id, const struct reeve_function *function)
{
    bool is_stream = function != NULL && function->item != NULL;
    struct hold hold = {.kind = is_stream ? REEVE_LEAK_STREAM : REEVE_LEAK_FUTURE,
        .function = function,
        .called = function};
    hold_add(watcher, FUTURES, id, &hold);
}

/* NULL: of none, or not known. */
static const struct reeve_function *function_of(struct watcher *watcher, uint64_t future)
{
    pthread_mutex_lock(&watcher->lock);
    const struct hold *hold = reeve_map64_get(&watcher->tables[FUTURES], future);
    const struct reeve_function *function = hold != NULL ? hold->function : NULL;
    pthread_mutex_unlock(&watcher->lock);
    return function;
}

/* A get or a read that has failed may have released its future, or not. */
static void future_failed(struct watcher *watcher, uint64_t id)
{
    struct reeve_future_look look;
    if (watcher->inner->look(watcher->inner, id, &look) != REEVE_OK)
        hold_drop(watcher, FUTURES, id, true);
}

/* ---- the backend's members ------------------------------------------------------------------- */

/* Numbers are one owner's. */
static uint64_t actor_key(const reeve_actor *actor)
{
    return REEVE_ACTOR_NUMBER(actor) ^ actor->owner * UINT64_C(0x9e3779b97f4a7c15);
}

static int watch_submit(struct reeve_backend *backend, const struct reeve_submit *submit,
    uint64_t *ret, struct reeve_error_info *error)
{
    struct watcher *watcher = watcher_of(backend);
    int code = watcher->inner->submit(watcher->inner, submit, ret, error);
    if (code != REEVE_OK)
        return code;
    future_add(watcher, *ret, submit->function);
    if (submit->function->role == REEVE_ROLE_NEW) {
        pthread_mutex_lock(&watcher->lock);
        struct hold *actor = reeve_map64_get(&watcher->tables[ACTORS], actor_key(submit->actor));
        if (actor != NULL)
            actor->function = actor->called = submit->function;
        pthread_mutex_unlock(&watcher->lock);
    }
    return code;
}

static int watch_submit_many(struct reeve_backend *backend, const struct reeve_submit *submits,
    size_t count, uint64_t *ret, size_t *at, struct reeve_error_info *error)
{
    struct watcher *watcher = watcher_of(backend);
    size_t begin = *at;
    int code = watcher->inner->submit_many(watcher->inner, submits, count, ret, at, error);
    for (size_t i = begin; i < *at; i++)
        future_add(watcher, ret[i], submits[i].function);
    return code;
}

struct consumer {
    struct watcher *watcher;
    const uint64_t *futures; /* that are got */
    reeve_consume *consume;
    void *arg;
};

/* That gave the value which this thread has got last; NULL: not known. */
static _Thread_local const struct reeve_function *got_of;

/* The futures in a value are the program's, when it has it; the handles of actors it finds itself
 * (actor_got). */
static int consume(size_t index, const void *bytes, size_t size, const uint64_t *futures,
    size_t future_count, void *arg)
{
    const struct consumer *consumer = arg;
    int code = consumer->consume(index, bytes, size, futures, future_count, consumer->arg);
    if (code == REEVE_OK)
        got_of = function_of(consumer->watcher, consumer->futures[index]);
    if (future_count == 0 || code != REEVE_OK)
        return code;
    struct hold hold = {.kind = REEVE_LEAK_FUTURE, .called = got_of};
    for (size_t i = 0; i < future_count; i++)
        hold_add(consumer->watcher, FUTURES, futures[i], &hold);
    return code;
}

static void got(struct watcher *watcher, uint64_t future, int code)
{
    if (code == REEVE_OK)
        hold_drop(watcher, FUTURES, future, false);
    else if (code != REEVE_ETIMEDOUT)
        future_failed(watcher, future);
}

static int watch_get(struct reeve_backend *backend, uint64_t future, int64_t timeout_ms,
    reeve_consume *consume_given, void *arg, struct reeve_error_info *error)
{
    struct consumer consumer = {watcher_of(backend), &future, consume_given, arg};
    struct reeve_backend *inner = consumer.watcher->inner;
    int code = inner->get(inner, future, timeout_ms, consume, &consumer, error);
    got(consumer.watcher, future, code);
    return code;
}

static int watch_get_many(struct reeve_backend *backend, const uint64_t *futures, size_t *at,
    size_t count, reeve_consume *consume_given, void *arg, struct reeve_error_info *error)
{
    struct consumer consumer = {watcher_of(backend), futures, consume_given, arg};
    struct reeve_backend *inner = consumer.watcher->inner;
    size_t begin = *at;
    int code = inner->get_many(inner, futures, at, count, consume, &consumer, error);
    for (size_t i = begin; i < *at; i++)
        got(consumer.watcher, futures[i], REEVE_OK);
    if (code != REEVE_OK)
        got(consumer.watcher, futures[*at], code);
    return code;
}

static int watch_wait(struct reeve_backend *backend, const uint64_t *futures, size_t count,
    size_t wanted, int64_t timeout_ms, bool *ready, size_t *ready_count,
    struct reeve_error_info *error)
{
    struct reeve_backend *inner = watcher_of(backend)->inner;
    return inner->wait(inner, futures, count, wanted, timeout_ms, ready, ready_count, error);
}

static int watch_release(
    struct reeve_backend *backend, uint64_t future, struct reeve_error_info *error)
{
    struct watcher *watcher = watcher_of(backend);
    int code = watcher->inner->release(watcher->inner, future, error);
    if (code == REEVE_OK)
        hold_drop(watcher, FUTURES, future, false);
    return code;
}

/* What is viewed in one call, or for one caller by and by, is one that the program has to end. */
static int watch_view(struct reeve_backend *backend, const uint64_t *futures, size_t *at,
    size_t count, int64_t timeout_ms, reeve_consume *consume_given, void *arg, uint64_t *handle,
    struct reeve_error_info *error)
{
    struct watcher *watcher = watcher_of(backend);
    struct reeve_backend *inner = watcher->inner;
    struct hold hold = {.kind = REEVE_LEAK_VIEW};
    size_t begin = *at;
    bool is_new = *handle == 0;
    int code =
        inner->view(inner, futures, at, count, timeout_ms, consume_given, arg, handle, error);
    for (size_t i = begin; i < *at; i++) {
        struct reeve_future_look look = {0};
        (void)inner->look(inner, futures[i], &look);
        hold.size_bytes += look.size_bytes;
    }
    if (is_new && *handle != 0)
        hold_add(watcher, VIEWS, *handle, &hold);
    else if (!is_new)
        hold_grow(watcher, VIEWS, *handle, hold.size_bytes);
    return code;
}

static void watch_unview(struct reeve_backend *backend, uint64_t handle)
{
    struct watcher *watcher = watcher_of(backend);
    hold_drop(watcher, VIEWS, handle, true); /* first: the handle may be another's at once */
    watcher->inner->unview(watcher->inner, handle);
}

static int watch_retain(
    struct reeve_backend *backend, uint64_t future, uint64_t *ret, struct reeve_error_info *error)
{
    struct watcher *watcher = watcher_of(backend);
    int code = watcher->inner->retain(watcher->inner, future, ret, error);
    if (code != REEVE_OK)
        return code;
    future_add(watcher, *ret, function_of(watcher, future));
    return code;
}

static int watch_next(struct reeve_backend *backend, uint64_t stream, int64_t timeout_ms,
    reeve_consume *consume_given, void *arg, struct reeve_error_info *error)
{
    struct watcher *watcher = watcher_of(backend);
    struct reeve_backend *inner = watcher->inner;
    int code = inner->next(inner, stream, timeout_ms, consume_given, arg, error);
    if (code != REEVE_OK && code != REEVE_ETIMEDOUT)
        future_failed(watcher, stream);
    return code;
}

static int watch_yield(struct reeve_backend *backend, size_t size, reeve_pack_item *pack,
    const void *item, struct reeve_error_info *error)
{
    struct reeve_backend *inner = watcher_of(backend)->inner;
    return inner->yield(inner, size, pack, item, error);
}

static int watch_cancel(struct reeve_backend *backend, uint64_t future,
    const struct reeve_owner_cancel *how, struct reeve_error_info *error)
{
    struct reeve_backend *inner = watcher_of(backend)->inner;
    return inner->cancel(inner, future, how, error);
}

static int watch_watch(struct reeve_backend *backend, uint64_t future, struct reeve_ready *ready,
    uint64_t tag, struct reeve_error_info *error)
{
    struct reeve_backend *inner = watcher_of(backend)->inner;
    return inner->watch(inner, future, ready, tag, error);
}

static int watch_watch_next(struct reeve_backend *backend, uint64_t stream,
    struct reeve_ready *ready, uint64_t tag, struct reeve_error_info *error)
{
    struct reeve_backend *inner = watcher_of(backend)->inner;
    return inner->watch_next(inner, stream, ready, tag, error);
}

static int watch_watch_wait(struct reeve_backend *backend, struct reeve_ready *ready,
    const uint64_t *futures, size_t count, size_t *tried, uint64_t deadline_ns,
    struct reeve_error_info *error)
{
    struct reeve_backend *inner = watcher_of(backend)->inner;
    return inner->watch_wait(inner, ready, futures, count, tried, deadline_ns, error);
}

static void watch_context(
    struct reeve_backend *backend, const struct reeve_invocation *invocation, reeve_context *ret)
{
    struct reeve_backend *inner = watcher_of(backend)->inner;
    inner->context(inner, invocation, ret);
}

static void watch_progress(struct reeve_backend *backend, const struct reeve_invocation *invocation,
    uint64_t done, uint64_t total)
{
    struct reeve_backend *inner = watcher_of(backend)->inner;
    inner->progress(inner, invocation, done, total);
}

static int watch_get_progress(struct reeve_backend *backend, uint64_t future, uint64_t *done,
    uint64_t *total, struct reeve_error_info *error)
{
    struct reeve_backend *inner = watcher_of(backend)->inner;
    return inner->get_progress(inner, future, done, total, error);
}

static int watch_look(struct reeve_backend *backend, uint64_t future, struct reeve_future_look *ret)
{
    struct reeve_backend *inner = watcher_of(backend)->inner;
    return inner->look(inner, future, ret);
}

static int watch_create(struct reeve_backend *backend, size_t size, uint32_t skew, bool leisurely,
    void **bytes, uint64_t *handle, struct reeve_error_info *error)
{
    struct watcher *watcher = watcher_of(backend);
    struct reeve_backend *inner = watcher->inner;
    int code = inner->create(inner, size, skew, leisurely, bytes, handle, error);
    struct hold hold = {.kind = REEVE_LEAK_CREATION, .size_bytes = size};
    if (code == REEVE_OK && leisurely) /* else it is the library's */
        hold_add(watcher, CREATIONS, *handle, &hold);
    return code;
}

static int watch_seal(struct reeve_backend *backend, uint64_t handle, const uint64_t *futures,
    size_t future_count, uint64_t *ret, struct reeve_error_info *error)
{
    struct watcher *watcher = watcher_of(backend);
    hold_drop(watcher, CREATIONS, handle, true);
    int code = watcher->inner->seal(watcher->inner, handle, futures, future_count, ret, error);
    if (code == REEVE_OK)
        future_add(watcher, *ret, NULL);
    return code;
}

static void watch_abort(struct reeve_backend *backend, uint64_t handle)
{
    struct watcher *watcher = watcher_of(backend);
    hold_drop(watcher, CREATIONS, handle, true);
    watcher->inner->abort(watcher->inner, handle);
}

static int watch_actor_make(struct reeve_backend *backend,
    const struct reeve_actor_settings *settings, reeve_actor *ret, struct reeve_error_info *error)
{
    struct watcher *watcher = watcher_of(backend);
    struct hold hold = {.kind = REEVE_LEAK_ACTOR};
    int code = watcher->inner->actor_make(watcher->inner, settings, ret, error);
    if (code == REEVE_OK) {
        atomic_store(&watcher->maker, ret->owner);
        hold_add(watcher, ACTORS, actor_key(ret), &hold);
    }
    return code;
}

static int watch_actor_refer(struct reeve_backend *backend, const reeve_actor *actor, uint64_t *ret,
    struct reeve_error_info *error)
{
    struct reeve_backend *inner = watcher_of(backend)->inner;
    return inner->actor_refer(inner, actor, ret, error);
}

static int watch_actor_retain(
    struct reeve_backend *backend, const reeve_actor *actor, struct reeve_error_info *error)
{
    struct watcher *watcher = watcher_of(backend);
    struct hold hold = {.kind = REEVE_LEAK_ACTOR};
    int code = watcher->inner->actor_retain(watcher->inner, actor, error);
    if (code == REEVE_OK)
        hold_add(watcher, ACTORS, actor_key(actor), &hold);
    return code;
}

static void watch_actor_got(struct reeve_backend *backend, const reeve_actor *actor)
{
    struct hold hold = {.kind = REEVE_LEAK_ACTOR, .called = got_of};
    hold_add(watcher_of(backend), ACTORS, actor_key(actor), &hold);
}

/* Nobody in this program has to give it up. */
static int watch_actor_keep(struct reeve_backend *backend,
    const struct reeve_actor_settings *settings, reeve_actor *ret, struct reeve_error_info *error)
{
    struct reeve_backend *inner = watcher_of(backend)->inner;
    return inner->actor_keep(inner, settings, ret, error);
}

static int watch_actor_find(struct reeve_backend *backend, const struct reeve_actor_wanted *wanted,
    reeve_actor *ret, struct reeve_error_info *error)
{
    struct reeve_backend *inner = watcher_of(backend)->inner;
    return inner->actor_find(inner, wanted, ret, error);
}

static int watch_actor_end(struct reeve_backend *backend, const reeve_actor *actor,
    enum reeve_actor_end how, struct reeve_error_info *error)
{
    struct watcher *watcher = watcher_of(backend);
    int code = watcher->inner->actor_end(watcher->inner, actor, how, error);
    /* Of others' actors only a detached one can be killed: then nothing is left to be released. */
    bool detached = how == REEVE_ACTOR_KILL && actor->owner != atomic_load(&watcher->maker);
    if (code == REEVE_OK && (how != REEVE_ACTOR_KILL || detached))
        hold_drop(watcher, ACTORS, actor_key(actor), how == REEVE_ACTOR_GIVE_UP || detached);
    return code;
}

/* ---- telling --------------------------------------------------------------------------------- */

/* What is held at this moment, in an array of the caller's. */
static int holds_copy(struct watcher *watcher, struct hold **ret, size_t *ret_count)
{
    size_t count = 0, capacity = 0;
    void *value;
    *ret = NULL;
    pthread_mutex_lock(&watcher->lock);
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1 && (*ret = malloc((capacity + 1) * sizeof(**ret))) == NULL)
            break;
        for (int table = 0; table < TABLES; table++)
            for (size_t at = 0; reeve_map64_next(&watcher->tables[table], &at, NULL, &value);)
                for (const struct hold *hold = value; hold != NULL; hold = hold->next) {
                    if (pass == 1)
                        (*ret)[count++] = *hold;
                    capacity += pass == 0;
                }
    }
    pthread_mutex_unlock(&watcher->lock);
    *ret_count = count;
    return *ret != NULL ? REEVE_OK : REEVE_ENOMEM;
}

static int hold_compare(const void *left, const void *right)
{
    const struct hold *a = left, *b = right;
    int order = reeve_place_compare(&a->place, &b->place);
    if (order == 0)
        order = (a->kind > b->kind) - (a->kind < b->kind);
    return order != 0 ? order : (a->id > b->id) - (a->id < b->id);
}

/* "counter" for counter_reeve_new. */
static void function_name(const struct hold *hold, char *name, size_t size)
{
    snprintf(name, size, "%s", hold->function != NULL ? hold->function->name : "");
    char *made = hold->kind == REEVE_LEAK_ACTOR ? strstr(name, "_reeve_new") : NULL;
    if (made != NULL)
        *made = '\0';
}

static int tell(struct watcher *watcher, void (*each)(const reeve_leak *, void *), void *arg)
{
    struct hold *holds;
    size_t count;
    char name[256], place[1024] = "";
    if (holds_copy(watcher, &holds, &count) != REEVE_OK)
        return REEVE_ENOMEM;
    qsort(holds, count, sizeof(*holds), hold_compare);
    const struct hold *named = NULL; /* whose place that is */
    for (size_t i = 0; i < count; i++) {
        const struct hold *hold = &holds[i];
        bool is_future = hold->kind == REEVE_LEAK_FUTURE || hold->kind == REEVE_LEAK_STREAM;
        struct reeve_future_look look = {.size_bytes = hold->size_bytes};
        if (is_future && watcher->inner->look(watcher->inner, hold->id, &look) != REEVE_OK)
            continue; /* given up meanwhile, or given away */
        function_name(hold, name, sizeof(name));
        if (named == NULL || reeve_place_compare(&named->place, &hold->place) != 0)
            reeve_place_name(
                &hold->place, hold->called != NULL ? hold->called->name : "", place, sizeof(place));
        named = hold;
        reeve_leak leak = {.size = sizeof(leak),
            .kind = hold->kind,
            .ready = look.ready,
            .id = is_future || hold->kind == REEVE_LEAK_ACTOR ? hold->id : 0,
            .size_bytes = look.size_bytes,
            .function = name,
            .place = place};
        each(&leak, arg);
    }
    free(holds);
    return REEVE_OK;
}

REEVE_API int reeve_leaks(void (*each)(const reeve_leak *leak, void *arg), void *arg)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    if (backend == NULL)
        return error->code;
    if (backend->look != watch_look)
        return reeve_error_set(error, REEVE_EINVAL,
            "what the program holds has not been noted: set REEVE_LEAKS=1, or the option leaks, "
            "before reeve_init; a worker process does not note it");
    int code = tell(watcher_of(backend), each, arg);
    return code != REEVE_OK ? reeve_error_complete(error, code) : REEVE_OK;
}

/* ---- printing -------------------------------------------------------------------------------- */

/* Those of one place and kind are one line. */
struct line {
    bool any;
    int kind;
    size_t count, ready;
    uint64_t size_bytes;
    char function[256], place[1024];
};

static void line_print(struct line *line)
{
    static const char *const kinds[] = {[REEVE_LEAK_FUTURE] = "future",
        [REEVE_LEAK_STREAM] = "stream",
        [REEVE_LEAK_VIEW] = "view",
        [REEVE_LEAK_CREATION] = "value that is being filled",
        [REEVE_LEAK_ACTOR] = "actor"};
    bool is_future = line->kind == REEVE_LEAK_FUTURE, several = line->count != 1;
    if (line->count == 0)
        return;
    if (!line->any)
        fprintf(stderr, "reeve: still held at reeve_shutdown:\n");
    line->any = true;
    if (line->kind == REEVE_LEAK_CREATION && several)
        fprintf(stderr, "reeve:   %zu values that are being filled", line->count);
    else
        fprintf(stderr, "reeve:   %zu %s%s", line->count, kinds[line->kind], several ? "s" : "");
    if (line->function[0] != '\0')
        fprintf(stderr, " of %s", line->function);
    else if (is_future)
        fprintf(stderr, " that %s put, or came in a value", several ? "were" : "was");
    else if (line->kind == REEVE_LEAK_ACTOR)
        fprintf(stderr, " that %s retained, or came in a value", several ? "were" : "was");
    if (is_future || line->kind == REEVE_LEAK_STREAM)
        fprintf(stderr, ", %zu ready", line->ready);
    if (line->size_bytes != 0)
        fprintf(stderr, ", %llu bytes", (unsigned long long)line->size_bytes);
    if (line->place[0] != '\0')
        fprintf(stderr, ", made at %s", line->place);
    fputc('\n', stderr);
    line->count = line->ready = 0;
    line->size_bytes = 0;
}

static void line_add(const reeve_leak *leak, void *arg)
{
    struct line *line = arg;
    if (line->kind != leak->kind || strcmp(line->function, leak->function) != 0 ||
        strcmp(line->place, leak->place) != 0)
        line_print(line);
    line->kind = leak->kind;
    line->count++;
    line->ready += leak->ready != 0;
    line->size_bytes += leak->size_bytes;
    snprintf(line->function, sizeof(line->function), "%s", leak->function);
    snprintf(line->place, sizeof(line->place), "%s", leak->place);
}

/* ---- start and end --------------------------------------------------------------------------- */

static void watch_shutdown(struct reeve_backend *backend)
{
    struct watcher *watcher = watcher_of(backend);
    if (watcher->prints) {
        struct line line = {0};
        (void)tell(watcher, line_add, &line);
        line_print(&line);
    }
    watcher->inner->shutdown(watcher->inner);
    for (int table = 0; table < TABLES; table++) {
        uint64_t id;
        for (size_t at = 0; reeve_map64_next(&watcher->tables[table], &at, &id, NULL);)
            hold_drop(watcher, (enum table)table, id, true);
    }
}

int reeve_leaks_watch(struct reeve_backend *inner, bool prints, struct reeve_backend **ret,
    struct reeve_error_info *error)
{
    static struct watcher *_Atomic latest;
    struct watcher *watcher = calloc(1, sizeof(*watcher));
    if (watcher == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "no memory to note what the program holds");
    watcher->backend = (struct reeve_backend){
        .submit = watch_submit,
        .submit_many = watch_submit_many,
        .get = watch_get,
        .get_many = watch_get_many,
        .wait = watch_wait,
        .release = watch_release,
        .next = watch_next,
        .yield = watch_yield,
        .view = watch_view,
        .unview = watch_unview,
        .retain = watch_retain,
        .cancel = watch_cancel,
        .watch = watch_watch,
        .watch_next = watch_watch_next,
        .watch_wait = watch_watch_wait,
        .context = watch_context,
        .progress = watch_progress,
        .get_progress = watch_get_progress,
        .look = watch_look,
        .create = watch_create,
        .seal = watch_seal,
        .abort = watch_abort,
        .actor_make = watch_actor_make,
        .actor_keep = inner->actor_keep != NULL ? watch_actor_keep : NULL,
        .actor_find = watch_actor_find,
        .actor_got = watch_actor_got,
        .actor_refer = watch_actor_refer,
        .actor_retain = watch_actor_retain,
        .actor_end = watch_actor_end,
        .inline_max_bytes = inner->inline_max_bytes,
        .shutdown = watch_shutdown,
    };
    watcher->backend.bounds_calls = inner->bounds_calls;
    watcher->backend.keeps_arguments = inner->keeps_arguments;
    memcpy(watcher->backend.name_space, inner->name_space, sizeof(inner->name_space));
    watcher->inner = inner;
    watcher->prints = prints;
    pthread_mutex_init(&watcher->lock, NULL);
    for (int table = 0; table < TABLES; table++)
        reeve_map64_init(&watcher->tables[table]);
    reeve_place_init();
    watcher->before = atomic_exchange(&latest, watcher);
    *ret = &watcher->backend;
    return REEVE_OK;
}
