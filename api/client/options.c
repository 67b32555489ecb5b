/* Options, environment and defaults, in that order. See options.h. */
#include "api/client/options.h"

#include "api/client/error.h"
#include "runtime/base/ids.h"
#include "runtime/base/parse.h"
#include "runtime/base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CPU_MILLI_MAX   (1000u * 1000u)
#define RETRIES_DEFAULT 3
#define PAUSE_DEFAULT   1000 /* ms */
#define SLOTS_MAX       4096
#define SHARED_MAX      65535u
#define PENDING_MIN     65536 /* bytes: some hundred calls */

/* The caller's struct may be older (smaller) than ours, or newer: then what we do not know must
 * be zero. */
static bool take_struct(void *to, size_t to_size, const void *from, size_t from_size)
{
    memset(to, 0, to_size);
    if (from_size < sizeof(size_t) || from_size > 4096)
        return false;
    memcpy(to, from, from_size < to_size ? from_size : to_size);
    for (size_t i = to_size; i < from_size; i++)
        if (((const char *)from)[i])
            return false;
    return true;
}

static const char *text(const char *option, const char *variable)
{
    if (option)
        return option;
    const char *value = getenv(variable);
    return value && *value ? value : NULL;
}

/* The variables are those of `reeve worker`, which a program's own cluster inherits: what it
 * accepts is accepted here. "auto" and "30%" are left to it. */
static int read_environment(
    uint64_t *slots, uint64_t *store_size_bytes, struct reeve_error_info *error)
{
    char why[REEVE_WHY_SIZE];
    const char *value = *slots ? NULL : text(NULL, "REEVE_SLOTS");
    if (value && strcmp(value, "auto") != 0 &&
        reeve_parse_u64(value, 1, SLOTS_MAX, slots, why) != 0)
        return reeve_error_set(error, REEVE_EINVAL, "REEVE_SLOTS: %s", why);
    value = *store_size_bytes ? NULL : text(NULL, "REEVE_STORE_SIZE");
    uint64_t size = 0;
    if (value && reeve_parse_size(value, 100, &size, why) != 0)
        return reeve_error_set(error, REEVE_EINVAL, "REEVE_STORE_SIZE: %s", why);
    if (value && !strchr(value, '%'))
        *store_size_bytes = size;
    return REEVE_OK;
}

int reeve_name_check(
    const char *what, const char *name, size_t size_max, struct reeve_error_info *error)
{
    size_t size = strnlen(name, size_max + 1);
    if (size == 0)
        return reeve_error_set(error, REEVE_EINVAL, "the %s is empty", what);
    if (size > size_max)
        return reeve_error_set(
            error, REEVE_EINVAL, "the %s %.40s… is longer than %zu bytes", what, name, size_max);
    for (size_t at = 0; at < size;) {
        size_t step = reeve_utf8_size(name + at);
        if (step == 0 || reeve_utf8_is_control(name + at))
            return reeve_error_set(error, REEVE_EINVAL,
                "the %s is not UTF-8, or has a control character, at byte %zu", what, at);
        at += step;
    }
    return REEVE_OK;
}

/* What concerns this process alone. */
static int read_own(
    const reeve_options *given, struct reeve_settings *ret, struct reeve_error_info *error)
{
    char why[REEVE_WHY_SIZE];
    uint64_t weight = given->weight, size = given->pending_size_bytes;
    const char *value = weight ? NULL : text(NULL, "REEVE_WEIGHT");
    if (value && reeve_parse_u64(value, 1, REEVE_WEIGHT_MAX, &weight, why) != 0)
        return reeve_error_set(error, REEVE_EINVAL, "REEVE_WEIGHT: %s", why);
    if (weight > REEVE_WEIGHT_MAX)
        return reeve_error_set(error, REEVE_EINVAL, "the option weight is %u: expected 1 to %u",
            given->weight, REEVE_WEIGHT_MAX);
    value = size ? NULL : text(NULL, "REEVE_PENDING_SIZE");
    if (value && reeve_parse_size(value, 100, &size, why) != 0)
        return reeve_error_set(error, REEVE_EINVAL, "REEVE_PENDING_SIZE: %s", why);
    if (value && strchr(value, '%')) {
        ret->pending_percent = (uint32_t)size;
        size = 0;
    }
    if (size && size < PENDING_MIN)
        return reeve_error_set(error, REEVE_EINVAL,
            "%llu bytes for pending calls (pending_size_bytes, REEVE_PENDING_SIZE): at least %u "
            "are needed",
            (unsigned long long)size, PENDING_MIN);
    uint64_t leaks = given->leaks;
    value = leaks ? NULL : text(NULL, "REEVE_LEAKS");
    if (value && reeve_parse_u64(value, 0, 1, &leaks, why) != 0)
        return reeve_error_set(error, REEVE_EINVAL, "REEVE_LEAKS: %s", why);
    if (leaks > REEVE_LEAKS_NOTE)
        return reeve_error_set(error, REEVE_EINVAL,
            "the option leaks is %u: expected one of enum reeve_leaks_mode", given->leaks);
    ret->leaks = (enum reeve_leaks_mode)leaks;
    ret->pending_size_bytes = size;
    ret->weight = (uint32_t)weight;
    return REEVE_OK;
}

int reeve_options_resolve(
    const reeve_options *options, struct reeve_settings *ret, struct reeve_error_info *error)
{
    reeve_options given = {0};
    if (options && !take_struct(&given, sizeof given, options, options->size))
        return reeve_error_set(error, REEVE_EINVAL,
            "reeve_options.size is %zu: make the struct with REEVE_OPTIONS(...)", options->size);
    memset(ret, 0, sizeof *ret);
    int mode = given.mode;
    if (mode == REEVE_MODE_DEFAULT) {
        const char *said = text(NULL, "REEVE_MODE");
        if (!said || strcmp(said, "cluster") == 0)
            mode = REEVE_MODE_CLUSTER;
        else if (strcmp(said, "inline") == 0)
            mode = REEVE_MODE_INLINE;
        else
            return reeve_error_set(
                error, REEVE_EINVAL, "REEVE_MODE=%.80s: expected \"cluster\" or \"inline\"", said);
    }
    if (mode != REEVE_MODE_CLUSTER && mode != REEVE_MODE_INLINE)
        return reeve_error_set(
            error, REEVE_EINVAL, "the option mode is %d: expected one of enum reeve_mode", mode);
    ret->mode = (enum reeve_mode)mode;
    ret->address = text(given.address, "REEVE_ADDRESS");
    ret->key = text(given.key, "REEVE_KEY");
    ret->key_file = text(given.key_file, "REEVE_KEY_FILE");
    ret->program = text(given.program, "REEVE_PROGRAM");
    ret->job_name = text(given.job_name, "REEVE_JOB_NAME");
    ret->name_space = text(given.name_space, "REEVE_NAMESPACE");
    if (!ret->name_space)
        ret->name_space = "default";
    if (reeve_name_check("namespace", ret->name_space, REEVE_NAME_SPACE_MAX, error) != REEVE_OK)
        return REEVE_EINVAL;

    uint64_t slots = given.slots;
    ret->store_size_bytes = given.store_size_bytes;
    ret->spill = given.spill;
    ret->spill_size_bytes = given.spill_size_bytes;
    ret->prefault = given.prefault != 0;
    if (given.prefault > 1)
        return reeve_error_set(
            error, REEVE_EINVAL, "the option prefault is %u: expected 0 or 1", given.prefault);
    int rc = read_environment(&slots, &ret->store_size_bytes, error);
    if (rc != REEVE_OK)
        return rc;
    if (slots > SLOTS_MAX)
        return reeve_error_set(error, REEVE_EINVAL, "%llu slots: at most %d are possible",
            (unsigned long long)slots, SLOTS_MAX);
    ret->slots = (uint32_t)slots;
    return read_own(&given, ret, error);
}

static int read_cpus(double cpus, uint32_t *ret_milli, struct reeve_error_info *error)
{
    double milli = cpus * 1000;
    if (!(milli > 0.5 && milli <= CPU_MILLI_MAX) || fabs(milli - floor(milli + 0.5)) > 1e-6)
        return reeve_error_set(error, REEVE_EINVAL,
            "the option cpus is %g: expected 0.001 to %u, in steps of 0.001", cpus,
            CPU_MILLI_MAX / 1000);
    *ret_milli = (uint32_t)floor(milli + 0.5);
    return REEVE_OK;
}

static int read_life(const reeve_actor_options *given, struct reeve_actor_settings *ret,
    struct reeve_error_info *error)
{
    if (given->detached > 1 || given->get_if_exists > 1)
        return reeve_error_set(error, REEVE_EINVAL, "the option %s is %u: expected 0 or 1",
            given->detached > 1 ? "detached" : "get_if_exists",
            given->detached > 1 ? given->detached : given->get_if_exists);
    if ((given->detached || given->get_if_exists) && !given->name)
        return reeve_error_set(error, REEVE_EINVAL,
            "the option %s needs a name, by which others "
            "find the actor",
            given->detached ? "detached" : "get_if_exists");
    if (given->detached && given->shared != 0)
        return reeve_error_set(error, REEVE_EINVAL,
            "an actor is either detached, with a process of its own, or shared");
    if (given->max_pending_calls && given->shared)
        return reeve_error_set(error, REEVE_EINVAL,
            "the option max_pending_calls is for an actor with a process of its own, not shared");
    ret->pending_max = given->max_pending_calls;
    ret->detached = given->detached != 0;
    ret->get_if_exists = given->get_if_exists != 0;
    return REEVE_OK;
}

int reeve_actor_options_resolve(const reeve_actor_options *options,
    struct reeve_actor_settings *ret, struct reeve_error_info *error)
{
    *ret = (struct reeve_actor_settings){0};
    if (!options)
        return REEVE_OK;
    reeve_actor_options given;
    if (!take_struct(&given, sizeof given, options, options->size))
        return reeve_error_set(error, REEVE_EINVAL,
            "reeve_actor_options.size is %zu: make the struct with REEVE_ACTOR_OPTIONS(...)",
            options->size);
    if (given.cpus != 0 && read_cpus(given.cpus, &ret->cpu_milli, error) != REEVE_OK)
        return REEVE_EINVAL;
    if (given.max_restarts < REEVE_FOREVER)
        return reeve_error_set(error, REEVE_EINVAL,
            "the option max_restarts is %d: expected a positive number or REEVE_FOREVER",
            given.max_restarts);
    ret->restarts_max =
        given.max_restarts == REEVE_FOREVER ? UINT32_MAX : (uint32_t)given.max_restarts;
    if (given.shared > SHARED_MAX)
        return reeve_error_set(error, REEVE_EINVAL,
            "the option shared is %u: expected 1 to %u, or 0", given.shared, SHARED_MAX);
    ret->shared = given.shared;
    if (given.name &&
        reeve_name_check("name of the actor", given.name, REEVE_ACTOR_NAME_MAX, error) != REEVE_OK)
        return REEVE_EINVAL;
    if (given.name_space && !given.name)
        return reeve_error_set(error, REEVE_EINVAL,
            "the option name_space is %.63s, and there is no name", given.name_space);
    if (given.name_space &&
        reeve_name_check("namespace", given.name_space, REEVE_NAME_SPACE_MAX, error) != REEVE_OK)
        return REEVE_EINVAL;
    ret->name = given.name;
    ret->name_space = given.name_space;
    if (given.concurrency > REEVE_CONCURRENCY_MAX)
        return reeve_error_set(error, REEVE_EINVAL,
            "the option concurrency is %u: expected 1 to %u, or 0 for 1", given.concurrency,
            REEVE_CONCURRENCY_MAX);
    ret->concurrency = given.concurrency;
    return read_life(&given, ret, error);
}

/* In units: as many as items, of so many bytes that all of them are those. */
static struct reeve_stream_window window_of(uint32_t items, uint64_t bytes)
{
    uint64_t units = items ? items : REEVE_STREAM_WINDOW;
    uint64_t unit = (bytes ? bytes : REEVE_STREAM_WINDOW * REEVE_STREAM_UNIT_BYTES) / units;
    unit = unit ? unit : 1;
    return (struct reeve_stream_window){
        (uint32_t)units, unit < UINT32_MAX ? (uint32_t)unit : UINT32_MAX};
}

int reeve_task_options_resolve(const reeve_task_options *options, struct reeve_task_settings *ret,
    struct reeve_error_info *error)
{
    *ret = (struct reeve_task_settings){.cpu_milli = 1000, .max_retries = RETRIES_DEFAULT};
    if (!options)
        return REEVE_OK;
    reeve_task_options given;
    if (!take_struct(&given, sizeof given, options, options->size))
        return reeve_error_set(error, REEVE_EINVAL,
            "reeve_task_options.size is %zu: make the struct with REEVE_TASK_OPTIONS(...)",
            options->size);
    if (given.cpus != 0 && read_cpus(given.cpus, &ret->cpu_milli, error) != REEVE_OK)
        return REEVE_EINVAL;
    if (given.max_retries < REEVE_NO_RETRIES)
        return reeve_error_set(error, REEVE_EINVAL,
            "the option max_retries is %d: expected a positive number or REEVE_NO_RETRIES",
            given.max_retries);
    if (given.max_retries == REEVE_NO_RETRIES)
        ret->max_retries = 0;
    else if (given.max_retries)
        ret->max_retries = (uint32_t)given.max_retries;
    ret->retries_said = given.max_retries != 0;
    if (given.retry_pause_ms < REEVE_NO_PAUSE)
        return reeve_error_set(error, REEVE_EINVAL,
            "the option retry_pause_ms is %d: expected a positive number or REEVE_NO_PAUSE",
            given.retry_pause_ms);
    if (given.retry_pause_ms != 0 && given.retry_failures == 0)
        return reeve_error_set(error, REEVE_EINVAL,
            "the option retry_pause_ms is %d, and retry_failures is 0: no failure is retried",
            given.retry_pause_ms);
    ret->retry_failures = given.retry_failures;
    ret->retry_pause_ms = given.retry_pause_ms == REEVE_NO_PAUSE ? 0
                          : given.retry_pause_ms                 ? (uint32_t)given.retry_pause_ms
                                                                 : PAUSE_DEFAULT;
    if (given.priority < -REEVE_PRIORITY_MAX || given.priority > REEVE_PRIORITY_MAX)
        return reeve_error_set(error, REEVE_EINVAL, "the option priority is %d: expected -%d to %d",
            given.priority, REEVE_PRIORITY_MAX, REEVE_PRIORITY_MAX);
    ret->priority = given.priority;
    if (given.timeout_ms < 0)
        return reeve_error_set(error, REEVE_EINVAL,
            "the option timeout_ms is %lld: expected a positive number",
            (long long)given.timeout_ms);
    ret->timeout_ms = given.timeout_ms;
    if (given.never_inline > 1)
        return reeve_error_set(error, REEVE_EINVAL,
            "the option never_inline is %u: expected 0 or 1", given.never_inline);
    ret->never_inline = given.never_inline != 0;
    if (given.no_wait > 1)
        return reeve_error_set(
            error, REEVE_EINVAL, "the option no_wait is %u: expected 0 or 1", given.no_wait);
    ret->no_wait = given.no_wait != 0;
    if (given.stream_items > REEVE_STREAM_WINDOW)
        return reeve_error_set(error, REEVE_EINVAL,
            "the option stream_items is %u: expected 1 to %u", given.stream_items,
            REEVE_STREAM_WINDOW);
    if (given.stream_items != 0 || given.stream_bytes != 0)
        ret->window = window_of(given.stream_items, given.stream_bytes);
    ret->name = given.name;
    return REEVE_OK;
}
