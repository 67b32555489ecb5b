/* Actors that live in this process: what the macros of reeve_actor.h call where they are made and
 * run. Where they are asked for: actor_create.c.
 *
 *   number ──▶ hosted: owner, how often it was restarted ──▶ the program's struct
 *
 * A worker is the host of one owner's actors at a time, so numbers suffice. Their methods run in
 * the worker's main thread, one after the other, but for those that have a pool of threads, whose
 * methods find their actor in a variable of the thread; in inline mode, in whichever thread calls,
 * under one lock that may be taken again inside. */
#include "api/client/actor.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/client.h"
#include "api/client/codec.h"
#include "api/client/error.h"
#include "api/client/invoke.h"
#include "api/client/reader.h"
#include "api/client/registry.h"
#include "runtime/base/macros.h"
#include "runtime/base/map64.h"

struct reeve_hosted {
    struct reeve_thread_pool *pool; /* NULL: the main thread runs its methods */
    const struct reeve_actor_type *type;
    uint64_t owner;
    uint32_t restart_count;
    _Alignas(max_align_t) char state[];
};

static struct {
    struct reeve_map64 actors;
    uint64_t owner;  /* of the latest that was to be made here */
    uint32_t latest; /* its number */
    uint32_t next_restart_count;
    const void *next_saved;
    size_t next_saved_size;
    uint32_t running_restart_count;         /* of the actor whose method runs, or ran last */
    const struct reeve_thread_pools *pools; /* NULL: in inline mode */
} self;

/* Whose method this thread runs, when it is one of a pool. */
static __thread struct reeve_hosted *here __attribute__((tls_model("initial-exec")));

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void reeve_actors_lock(void)
{
    pthread_mutex_lock(&lock);
}

void reeve_actors_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

/* ---- packed ---------------------------------------------------------------------------------- */

int reeve_actor_settings_check(const struct reeve_function *function,
    const struct reeve_task_settings *settings, struct reeve_error_info *error)
{
    if (settings->retry_failures != 0)
        return reeve_error_set(error, REEVE_EINVAL,
            "the option retry_failures is not for %s, of an actor: call it again where that is "
            "safe",
            function->name);
    if (settings->priority != 0)
        return reeve_error_set(error, REEVE_EINVAL,
            "the option priority is not for %s, of an actor: its calls are run in order",
            function->name);
    return REEVE_OK;
}

enum reeve_actor_role reeve_actor_role_of(const struct reeve_function *function)
{
    const char *first = function->parameter_count != 0 ? function->parameters[0].name : "";
    if (strcmp(first, "reeve_self") == 0)
        return REEVE_ROLE_METHOD;
    if (strcmp(first, "reeve_new") == 0)
        return REEVE_ROLE_NEW;
    return strcmp(first, "reeve_gone") == 0 ? REEVE_ROLE_END : REEVE_ROLE_NONE;
}

/* Of a handle's members: as REEVE_ACTOR describes them. */
static const struct reeve_member members[] = {
    {"owner", &reeve_type_uint64_t, offsetof(reeve_actor, owner)},
    {"number", &reeve_type_uint64_t, offsetof(reeve_actor, number)},
    {"host", &reeve_type_uint64_t, offsetof(reeve_actor, host)},
};
static const struct reeve_type handle = {
    "actor", REEVE_KIND_STRUCT, 0, 3, sizeof(reeve_actor), members};

size_t reeve_actor_pack_first(const reeve_actor *actor, uint32_t count, uint8_t *bytes)
{
    size_t at = reeve_codec_pack_array_header(bytes, count);
    return reeve_codec_pack(&handle, actor, bytes, at, REEVE_ACTOR_PACKED_MAX);
}

size_t reeve_actor_pack(const reeve_actor *actor, uint8_t *bytes)
{
    return reeve_actor_pack_first(actor, 1, bytes);
}

bool reeve_actor_read(const void *arguments, size_t size, reeve_actor *ret)
{
    uint64_t *into[] = {&ret->owner, &ret->number, &ret->host};
    const uint8_t *at = arguments, *end = at + size;
    struct reeve_token token;
    at = reeve_read_token(at, end, &token);
    if (at == NULL || token.kind != REEVE_TOKEN_ARRAY || token.size == 0)
        return false;
    at = reeve_read_token(at, end, &token);
    if (at == NULL || token.kind != REEVE_TOKEN_ARRAY || token.size != 3)
        return false;
    for (int i = 0; i < 3; i++) {
        at = reeve_read_token(at, end, &token);
        if (at == NULL || token.kind != REEVE_TOKEN_UNSIGNED)
            return false;
        *into[i] = token.number.u;
    }
    return true;
}

/* ---- hosted here ----------------------------------------------------------------------------- */

void reeve_actors_set_next(uint32_t restart_count, const void *saved, size_t saved_size)
{
    self.next_restart_count = restart_count;
    self.next_saved = saved;
    self.next_saved_size = saved_size;
}

uint32_t reeve_actors_latest(uint64_t owner)
{
    return self.owner == owner ? self.latest : 0;
}

void reeve_actors_set_latest(const reeve_actor *actor)
{
    if (self.owner != actor->owner)
        self.latest = 0;
    self.owner = actor->owner;
    self.latest = REEVE_MAX(self.latest, (uint32_t)actor->number);
}

size_t reeve_actors_count(void)
{
    return reeve_map64_count(&self.actors);
}

void reeve_hosted_free(struct reeve_hosted *hosted)
{
    free(hosted);
}

static void hosted_end(struct reeve_hosted *hosted)
{
    if (REEVE_UNLIKELY(hosted->pool != NULL))
        self.pools->end(hosted->pool);
    else
        reeve_hosted_free(hosted);
}

void reeve_actors_drop(uint64_t owner)
{
    size_t at = 0;
    uint64_t number;
    void *value;
    while (reeve_map64_next(&self.actors, &at, &number, &value)) {
        if (((struct reeve_hosted *)value)->owner == owner)
            hosted_end(reeve_map64_remove(&self.actors, number));
    }
    if (self.owner == owner)
        self.owner = self.latest = 0;
}

static struct reeve_hosted *find(const reeve_actor *actor)
{
    struct reeve_hosted *hosted = reeve_map64_get(&self.actors, REEVE_ACTOR_NUMBER(actor));
    return hosted != NULL && hosted->owner == actor->owner ? hosted : NULL;
}

bool reeve_actor_is_here(const reeve_actor *actor)
{
    return find(actor) != NULL;
}

void reeve_actors_set_pools(const struct reeve_thread_pools *pools)
{
    self.pools = pools;
}

struct reeve_thread_pool *reeve_actors_pool(const reeve_actor *actor)
{
    const struct reeve_hosted *hosted = find(actor);
    return hosted != NULL ? hosted->pool : NULL;
}

void reeve_actors_enter(struct reeve_hosted *hosted)
{
    here = hosted;
}

void reeve_actors_leave(void)
{
    here = NULL;
}

static void *new_failed(struct reeve_hosted *hosted, int code, const char *text)
{
    free(hosted);
    reeve_invocation_fail(code, text);
    return NULL;
}

REEVE_API void *reeve_typed_actor_begin(reeve_actor actor, const struct reeve_actor_type *type)
{
    uint32_t concurrency = REEVE_ACTOR_CONCURRENCY(&actor);
    const struct reeve_actor_groups *groups = type->groups;
    if (find(&actor) != NULL)
        return new_failed(NULL, REEVE_EINTERNAL, "the actor is there already");
    struct reeve_hosted *hosted = calloc(1, sizeof(*hosted) + type->state_size);
    if (hosted == NULL)
        return new_failed(NULL, REEVE_ENOMEM, "no memory for the actor");
    if (self.pools != NULL && (concurrency > 1 || groups != NULL) &&
        (hosted->pool = self.pools->make(hosted, concurrency, groups)) == NULL)
        return new_failed(hosted, REEVE_ENOMEM, "no memory for the actor's threads");
    if (reeve_map64_put(&self.actors, REEVE_ACTOR_NUMBER(&actor), hosted, NULL) != REEVE_OK) {
        hosted_end(hosted);
        return new_failed(NULL, REEVE_ENOMEM, "no memory for the actor");
    }
    hosted->type = type;
    hosted->owner = actor.owner;
    hosted->restart_count = self.running_restart_count = self.next_restart_count;
    return hosted->state;
}

REEVE_API void *reeve_typed_actor_new(reeve_actor actor, size_t size)
{
    const struct reeve_actor_type type = {.size = sizeof(type), .state_size = size};
    void *state = reeve_typed_actor_begin(actor, &type);
    if (state != NULL)
        find(&actor)->type = NULL; /* it saves nothing */
    return state;
}

/* ---- state ----------------------------------------------------------------------------------- */

/* What it had saved before, after its constructor. */
static int restore(struct reeve_hosted *hosted)
{
    static const char what[] = "the saved state";
    struct reeve_error_info *error = reeve_error_thread();
    const struct reeve_actor_restoring *restoring =
        hosted->type != NULL ? hosted->type->restoring : NULL;
    if (restoring == NULL)
        return reeve_error_set(error, REEVE_EINVAL, "there is no REEVE_RESTORE");
    void *value = calloc(1, REEVE_MAX(restoring->type->size, (size_t)1));
    if (value == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "no memory for the saved state");
    int code = reeve_codec_unpack(
        restoring->type, self.next_saved, self.next_saved_size, value, NULL, what, error);
    if (code == REEVE_OK) {
        code = restoring->call(hosted->state, value);
        if (code != REEVE_OK && !reeve_invocation_has_failed())
            reeve_error_set(error, code, "REEVE_RESTORE returned %d", code);
        reeve_codec_clear(restoring->type, value);
    }
    free(value);
    return code;
}

static void restore_if_saved(struct reeve_hosted *hosted)
{
    if (REEVE_LIKELY(self.next_saved == NULL))
        return;
    int code = restore(hosted);
    self.next_saved = NULL;
    if (code != REEVE_OK && !reeve_invocation_has_failed())
        reeve_invocation_fail(code, reeve_error_thread()->message);
    if (reeve_invocation_has_failed())
        reeve_invocation_prefix("its state could not be restored: ");
}

static int save(struct reeve_backend *backend, struct reeve_invocation *invocation,
    const reeve_actor *actor, struct reeve_hosted *hosted, struct reeve_error_info *error)
{
    const struct reeve_actor_saving *saving = hosted->type != NULL ? hosted->type->saving : NULL;
    struct reeve_future_ids ids = {0};
    if (saving == NULL || hosted->type->restoring == NULL)
        return reeve_error_set(error, REEVE_EINVAL, "reeve_actor_save: the actor's type has no %s",
            saving == NULL ? "REEVE_SAVE" : "REEVE_RESTORE");
    uint8_t *value = calloc(1, REEVE_MAX(saving->type->size, (size_t)1)), *bytes = NULL;
    if (value == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "no memory for the state");
    saving->call(hosted->state, value);
    size_t size = reeve_codec_size(saving->type, value, 0, error);
    int code = size == 0 ? error->code : reeve_codec_futures(saving->type, value, &ids, error);
    if (code == REEVE_OK && ids.count != 0)
        code = reeve_error_set(error, REEVE_ETYPE, "a saved state has no futures in it");
    if (code == REEVE_OK && size > REEVE_SAVED_MAX)
        code = reeve_error_set(error, REEVE_ETOOLARGE,
            "the state has %zu bytes: %d at most can be saved", size, REEVE_SAVED_MAX);
    if (code == REEVE_OK && (bytes = malloc(size)) == NULL)
        code = reeve_error_set(error, REEVE_ENOMEM, "no memory for a state of %zu bytes", size);
    if (code == REEVE_OK && reeve_codec_pack(saving->type, value, bytes, 0, size) != size)
        code = reeve_error_set(error, REEVE_EINVAL, "the state changed while it was being packed");
    if (code == REEVE_OK && backend->save != NULL)
        code = backend->save(backend, invocation, actor, bytes, size, error);
    reeve_future_ids_fini(&ids);
    free(bytes);
    free(value);
    return code;
}

REEVE_API int reeve_actor_save(void)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_invocation *invocation = reeve_invocation_current();
    struct reeve_backend *backend = reeve_client_enter(error);
    struct reeve_hosted *hosted = NULL;
    reeve_actor actor;
    if (backend == NULL)
        return error->code;
    int role = invocation != NULL ? invocation->function->role : REEVE_ROLE_NONE;
    if ((role == REEVE_ROLE_METHOD || role == REEVE_ROLE_NEW) &&
        reeve_actor_read(invocation->args, invocation->args_size, &actor))
        hosted = here != NULL ? here : find(&actor);
    if (hosted == NULL)
        return reeve_error_set(error, REEVE_EINVAL,
            "reeve_actor_save: only a method or a constructor saves, in its thread");
    int code = save(backend, invocation, &actor, hosted, error);
    return code == REEVE_OK ? REEVE_OK : reeve_error_complete(error, code);
}

REEVE_API void reeve_typed_actor_made(reeve_actor actor, int code)
{
    if (code == REEVE_OK && !reeve_invocation_has_failed()) {
        restore_if_saved(find(&actor));
        if (reeve_invocation_has_failed())
            reeve_typed_actor_free(actor);
        return;
    }
    if (!reeve_invocation_has_failed())
        reeve_fail(code, "its constructor returned %d", code);
    else
        reeve_invocation_prefix("its constructor failed: ");
    reeve_typed_actor_free(actor);
}

REEVE_API void *reeve_typed_actor_self(reeve_actor actor)
{
    if (REEVE_UNLIKELY(here != NULL))
        return here->state;
    struct reeve_hosted *hosted = find(&actor);
    if (REEVE_UNLIKELY(hosted == NULL)) {
        reeve_invocation_fail(REEVE_EACTORDIED, "the actor has ended, or could not be made");
        return NULL;
    }
    if (REEVE_UNLIKELY(reeve_actor_group_of(&actor) != 0) && self.pools != NULL) {
        reeve_invocation_fail(REEVE_EINVAL, "the actor has no groups (REEVE_GROUPS)");
        return NULL;
    }
    self.running_restart_count = hosted->restart_count;
    return hosted->state;
}

REEVE_API void reeve_typed_actor_free(reeve_actor actor)
{
    if (find(&actor) != NULL)
        hosted_end(reeve_map64_remove(&self.actors, REEVE_ACTOR_NUMBER(&actor)));
}

REEVE_API uint32_t reeve_actor_restart_count(void)
{
    if (reeve_invocation_current() == NULL)
        return 0;
    return here != NULL ? here->restart_count : self.running_restart_count;
}
