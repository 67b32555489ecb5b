/* Actors as the program asks for them: created, found, ended.
 *
 *   create ─▶ get_if_exists: has somebody the name? ─yes─▶ that one
 *     ▲                        │ no
 *     └── REEVE_EEXIST ◀── make it, with the name ──▶ its constructor is called
 *                              └ detached: a keeper does both (keeper.h) ──▶ its handle */
#include "api/client/actor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/client.h"
#include "api/client/codec.h"
#include "api/client/error.h"
#include "api/client/handles.h"
#include "api/client/keeper.h"
#include "api/client/reader.h"
#include "api/client/registry.h"

#define PARAMETERS_MAX 15 /* of a constructor */

/* Calls of an actor that could not even be asked for say why: its handle carries the error. */
static reeve_actor actor_failed(const struct reeve_error_info *error)
{
    return (reeve_actor){.host = reeve_failed_future(error)};
}

int reeve_actor_check(const reeve_actor *actor, struct reeve_error_info *error)
{
    if (REEVE_LIKELY(actor->number != 0))
        return REEVE_OK;
    if (reeve_is_failed_future(actor->host))
        return reeve_failed_future_get(actor->host, error);
    return reeve_error_set(error, REEVE_EHANDLE, "this is no actor: its handle is empty");
}

/* ---- creating -------------------------------------------------------------------------------- */

/* From the handle of its constructor, which says how many threads it has, that of its methods. */
static void handle_finish(const struct reeve_backend *backend,
    const struct reeve_actor_settings *settings, reeve_actor *actor)
{
    actor->number = REEVE_ACTOR_NUMBER(actor);
    if (backend->bounds_calls)
        actor->number |= (uint64_t)settings->pending_max << 32;
}

/* *ret_call: its constructor is to be called next; else it is there. */
static int obtain(struct reeve_backend *backend, const struct reeve_actor_settings *settings,
    reeve_actor *ret, bool *ret_call, struct reeve_error_info *error)
{
    const struct reeve_actor_wanted wanted = {settings->name_space, settings->name, settings->type};
    bool detached = reeve_actor_is_kept(backend, settings);
    for (;;) {
        int code = REEVE_EHANDLE;
        *ret_call = false;
        if (settings->get_if_exists)
            code = backend->actor_find(backend, &wanted, ret, error);
        if (code == REEVE_OK && !detached) /* it is the program's as if it had made it */
            code = backend->actor_retain(backend, ret, error);
        if (code != REEVE_EHANDLE)
            return code;
        *ret_call = !detached;
        code = detached ? backend->actor_keep(backend, settings, ret, error)
                        : backend->actor_make(backend, settings, ret, error);
        if (code != REEVE_EEXIST || !settings->get_if_exists)
            return code; /* else somebody was quicker */
    }
}

static int settings_of(const struct reeve_backend *backend, const char *type,
    const reeve_actor_options *options, const struct reeve_function *end,
    struct reeve_actor_settings *ret, struct reeve_error_info *error)
{
    int code = reeve_actor_options_resolve(options, ret, error);
    ret->end = end;
    ret->type = type;
    if (ret->name_space == NULL)
        ret->name_space = backend->name_space;
    return code;
}

/* What would be in a stream when the constructor runs again, after a loss, is nobody's to say.
 * Those that were to be given are gone, as with any call that is refused. */
static int streams_refuse(
    const struct reeve_function *constructor, const void *arguments, struct reeve_error_info *error)
{
    const char *name = NULL;
    for (size_t i = 0; i < constructor->parameter_count; i++) {
        const struct reeve_member *parameter = &constructor->parameters[i];
        reeve_future stream;
        if (parameter->type->kind != REEVE_KIND_STREAM)
            continue;
        memcpy(&stream, (const char *)arguments + parameter->offset, sizeof(stream));
        (void)(reeve_release)(stream);
        name = parameter->name;
    }
    if (name == NULL)
        return REEVE_OK;
    return reeve_error_set(error, REEVE_ETYPE,
        "%s: a constructor takes no stream (%s), for it may run again: give it to a method",
        constructor->name, name);
}

/* A typed one: `ret` becomes its handle. */
static int typed_create(const struct reeve_function *constructor, const struct reeve_function *end,
    const reeve_actor_options *options, void *arguments, reeve_actor *ret)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    struct reeve_actor_settings settings;
    char type[128];
    void *packed = NULL;
    bool call = false;
    size_t length = strlen(constructor->name), suffix = strlen("_reeve_new");
    snprintf(type, sizeof(type), "%.*s", (int)(length > suffix ? length - suffix : length),
        constructor->name);
    if (backend == NULL)
        return error->code;
    int code = streams_refuse(constructor, arguments, error);
    if (code == REEVE_OK)
        code = settings_of(backend, type, options, end, &settings, error);
    if (code == REEVE_OK && (constructor->invoke == NULL || end->invoke == NULL))
        code = reeve_error_set(error, REEVE_ENOFUNCTION,
            "%s was loaded after reeve_init: load it before, in driver and workers alike",
            constructor->name);
    if (code == REEVE_OK && reeve_actor_is_kept(backend, &settings))
        code = reeve_typed_pack(constructor, 1, arguments, &packed, &settings.args_size, error);
    settings.args = packed;
    if (code == REEVE_OK)
        code = obtain(backend, &settings, ret, &call, error);
    free(packed);
    if (code != REEVE_OK || !call)
        return code;
    memcpy(arguments, ret, sizeof(*ret)); /* it is the first of them */
    uint64_t made = reeve_typed_submit(constructor, NULL, arguments, NULL);
    handle_finish(backend, &settings, ret);
    if (reeve_is_failed_future(made)) {
        struct reeve_error_info why;
        code = reeve_failed_future_get(made, &why);
        (void)backend->actor_end(backend, ret, REEVE_ACTOR_GIVE_UP, NULL);
        *error = why;
        return code;
    }
    (void)backend->release(backend, made, NULL);
    return REEVE_OK;
}

REEVE_API void reeve_typed_actor_create(const struct reeve_function *constructor,
    const struct reeve_function *end, const reeve_actor_options *options, void *arguments)
{
    struct reeve_error_info *error = reeve_error_thread();
    reeve_actor actor;
    if (typed_create(constructor, end, options, arguments, &actor) != REEVE_OK) {
        reeve_error_complete(error, error->code);
        actor = actor_failed(error);
    }
    reeve_handles_note(&actor);
    memcpy(arguments, &actor, sizeof(actor));
}

static const struct reeve_function *function_of_type(const char *type, const char *what)
{
    char name[sizeof(((struct reeve_error_info *)0)->function)];
    int size = snprintf(name, sizeof(name), "%s_reeve_%s", type, what);
    return size < (int)sizeof(name) ? reeve_registry_find(name) : NULL;
}

/* The arguments of a constructor: without the header of their array. */
struct arguments {
    const uint8_t *values;
    size_t size;
    uint32_t count;
};

/* Only what may be such. */
static int arguments_check(
    const void *args, size_t args_size, struct arguments *ret, struct reeve_error_info *error)
{
    struct reeve_token token;
    const uint8_t *end = (const uint8_t *)args + args_size;
    if (reeve_codec_check(args, args_size, error) != REEVE_OK)
        return error->code;
    ret->values = reeve_read_token(args, end, &token);
    if (ret->values == NULL || token.kind != REEVE_TOKEN_ARRAY)
        return reeve_error_set(error, REEVE_EPROTOCOL, "the arguments are not a msgpack array");
    if (token.size > PARAMETERS_MAX)
        return reeve_error_set(error, REEVE_EARITY, "a constructor has at most 15 parameters");
    if (reeve_codec_future_count(args, args_size) != 0)
        return reeve_error_set(error, REEVE_EINVAL, "there are futures among the arguments");
    ret->size = (size_t)(end - ret->values);
    ret->count = token.size;
    return REEVE_OK;
}

/* The same with the actor in front. malloc. */
static uint8_t *arguments_of(const reeve_actor *actor, const struct arguments *arguments,
    size_t *ret_size, struct reeve_error_info *error)
{
    uint8_t *bytes = malloc(REEVE_ACTOR_PACKED_MAX + arguments->size);
    if (bytes == NULL) {
        reeve_error_set(
            error, REEVE_ENOMEM, "no memory for arguments of %zu bytes", arguments->size);
        return NULL;
    }
    size_t at = reeve_actor_pack_first(actor, arguments->count + 1, bytes);
    memcpy(bytes + at, arguments->values, arguments->size);
    *ret_size = at + arguments->size;
    return bytes;
}

/* Calls the constructor of an actor that has been made; with it that is given up, too. */
static int construct(struct reeve_backend *backend, const struct reeve_function *constructor,
    const struct reeve_actor_settings *settings, const struct arguments *arguments,
    reeve_actor *actor, uint64_t *ret_made, struct reeve_error_info *error)
{
    size_t size;
    uint8_t *bytes = arguments_of(actor, arguments, &size, error);
    int code = bytes == NULL ? error->code
                             : reeve_client_submit(backend, constructor, NULL, bytes, size, NULL, 0,
                                   NULL, 0, actor, 0, ret_made, error);
    free(bytes);
    handle_finish(backend, settings, actor);
    if (code != REEVE_OK)
        (void)backend->actor_end(backend, actor, REEVE_ACTOR_GIVE_UP, NULL);
    return code;
}

REEVE_API int reeve_actor_create(const char *type, const void *args, size_t args_size,
    const reeve_actor_options *options, reeve_actor *ret)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    const struct reeve_function *constructor = function_of_type(type, "new");
    struct reeve_actor_settings settings;
    struct arguments arguments;
    reeve_actor actor;
    uint64_t made;
    bool call = false;
    if (backend == NULL)
        return error->code;
    if (constructor == NULL)
        return reeve_error_set(
            error, REEVE_ENOFUNCTION, "this program has no actor type \"%.200s\"", type);
    int code = settings_of(backend, type, options, function_of_type(type, "end"), &settings, error);
    if (code == REEVE_OK)
        code = arguments_check(args, args_size, &arguments, error);
    settings.args = args;
    settings.args_size = args_size;
    if (code == REEVE_OK)
        code = obtain(backend, &settings, &actor, &call, error);
    if (code == REEVE_OK && call)
        code = construct(backend, constructor, &settings, &arguments, &actor, &made, error);
    if (code != REEVE_OK)
        return reeve_error_complete(error, code);
    if (call)
        (void)backend->release(backend, made, NULL);
    reeve_handles_note(&actor);
    *ret = actor;
    return REEVE_OK;
}

/* ---- the keeper of a detached one ------------------------------------------------------------ */

int reeve_actor_keep(struct reeve_backend *backend, const struct reeve_keeper_order *order,
    reeve_actor *ret, struct reeve_error_info *error)
{
    const struct reeve_function *constructor = function_of_type(order->type, "new");
    const struct reeve_actor_settings settings = {.cpu_milli = order->cpu_milli,
        .restarts_max = order->restarts_max,
        .concurrency = order->concurrency,
        .pending_max = order->pending_max,
        .name = order->name,
        .name_space = order->name_space,
        .type = order->type,
        .end = function_of_type(order->type, "end")};
    struct arguments arguments;
    uint64_t made;
    if (constructor == NULL || settings.end == NULL)
        return reeve_error_set(
            error, REEVE_ENOFUNCTION, "the program has no actor type \"%.100s\"", order->type);
    int code = arguments_check(order->args, order->args_size, &arguments, error);
    if (code == REEVE_OK)
        code = backend->actor_make(backend, &settings, ret, error);
    if (code == REEVE_OK)
        code = construct(backend, constructor, &settings, &arguments, ret, &made, error);
    if (code == REEVE_OK &&
        backend->get(backend, made, -1, reeve_client_consume_nothing, NULL, error) != REEVE_OK)
        code = REEVE_EACTORDIED; /* error->message says why */
    return code;
}

/* ---- keeping, finding and ending ------------------------------------------------------------- */

REEVE_API int reeve_actor_find(
    const char *name_space, const char *name, const char *type, reeve_actor *ret)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    if (backend == NULL)
        return error->code;
    int code = name == NULL || ret == NULL
                   ? reeve_error_set(error, REEVE_EINVAL,
                         "a name and a place for the handle are "
                         "needed")
                   : reeve_name_check("name of the actor", name, REEVE_ACTOR_NAME_MAX, error);
    if (code == REEVE_OK && name_space != NULL)
        code = reeve_name_check("namespace", name_space, REEVE_NAME_SPACE_MAX, error);
    if (code == REEVE_OK && type != NULL)
        code = reeve_name_check("type", type, REEVE_ACTOR_NAME_MAX, error);
    if (code == REEVE_OK) {
        struct reeve_actor_wanted wanted = {
            name_space != NULL ? name_space : backend->name_space, name, type != NULL ? type : ""};
        code = backend->actor_find(backend, &wanted, ret, error);
    }
    return code != REEVE_OK ? reeve_error_complete(error, code) : REEVE_OK;
}

REEVE_API reeve_actor(reeve_actor_retain)(reeve_actor actor)
{
    struct reeve_error_info *error = reeve_error_thread();
    if (actor.number == 0 && reeve_is_failed_future(actor.host))
        return actor;
    struct reeve_backend *backend = NULL;
    if (reeve_actor_check(&actor, error) == REEVE_OK)
        backend = reeve_client_enter(error);
    int code = backend != NULL ? backend->actor_retain(backend, &actor, error) : error->code;
    if (code == REEVE_OK) {
        reeve_handles_note(&actor);
        return actor;
    }
    reeve_error_complete(error, code);
    return actor_failed(error);
}

static int end(const reeve_actor *actor, enum reeve_actor_end how)
{
    struct reeve_error_info *error = reeve_error_thread();
    if (actor->number == 0 && reeve_is_failed_future(actor->host))
        return REEVE_OK; /* nothing is there, but the error */
    int code = reeve_actor_check(actor, error);
    struct reeve_backend *backend = code == REEVE_OK ? reeve_client_enter(error) : NULL;
    if (backend == NULL)
        return error->code;
    code = backend->actor_end(backend, actor, how, error);
    if (how == REEVE_ACTOR_RELEASE && code == REEVE_OK)
        reeve_handles_forget(actor);
    return code != REEVE_OK ? reeve_error_complete(error, code) : REEVE_OK;
}

REEVE_API int(reeve_actor_release)(reeve_actor actor)
{
    return end(&actor, REEVE_ACTOR_RELEASE);
}

REEVE_API int(reeve_actor_kill)(reeve_actor actor)
{
    return end(&actor, REEVE_ACTOR_KILL);
}
