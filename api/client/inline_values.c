/* REEVE_MODE=inline: values and futures, and those futures that stand in values. See inline.c. */
#include "api/client/inline_internal.h"

#include "api/client/error.h"
#include "runtime/base/macros.h"
#include "runtime/base/map64.h"

#include <pthread.h>
#include <stdlib.h>

/* ---- values ---------------------------------------------------------------------------------- */

/* bytes + skew is a multiple of 64. */
struct value *inline_value_create(size_t size, uint32_t skew)
{
    struct value *value = calloc(1, sizeof *value);
    if (!value)
        return NULL;
    size_t gap = -(size_t)skew & 63;
    value->references = 1;
    value->size = size;
    value->memory = size > PTRDIFF_MAX / 2
                        ? NULL
                        : aligned_alloc(64, REEVE_ALIGN_UP(gap + size + 1, (size_t)64));
    if (!value->memory) {
        free(value);
        return NULL;
    }
    value->bytes = value->memory + gap;
    return value;
}

void inline_value_free(struct value *value)
{
    free(value->error);
    free(value->memory);
    free(value->nested);
    free(value->actors);
    if (value->stream)
        inline_stream_free(value->stream);
    free(value);
}

/* With what it held: a list instead of recursion, because chains are long. */
void inline_value_drop_locked(struct value *value)
{
    struct value *pending = --value->references == 0 ? value : NULL;
    if (pending)
        pending->next = NULL;
    while (pending) {
        value = pending;
        pending = value->next;
        for (size_t i = 0; i < value->nested_count; i++) {
            struct value *inner = value->nested[i];
            if (--inner->references == 0) {
                inner->next = pending;
                pending = inner;
            }
        }
        inline_handles_drop_locked(value);
        inline_value_free(value);
    }
}

int inline_not_live(struct reeve_error_info *error)
{
    if (!inline_self.running)
        return reeve_error_set(error, REEVE_ESHUTDOWN, "called after reeve_shutdown");
    return reeve_error_set(error, REEVE_EHANDLE, REEVE_NO_FUTURE);
}

int inline_no_memory(struct reeve_error_info *error)
{
    return reeve_error_set(error, REEVE_ENOMEM, "no memory");
}

/* Takes over the reference to value. */
int inline_publish(struct value *value, uint64_t *ret, struct reeve_error_info *error)
{
    pthread_mutex_lock(&inline_self.lock);
    int rc = REEVE_OK;
    if (!inline_self.running)
        rc = inline_not_live(error);
    else if (reeve_map64_put(&inline_self.futures, inline_self.next_id, value, NULL))
        rc = inline_no_memory(error);
    if (rc)
        inline_value_drop_locked(value);
    else
        *ret = inline_self.next_id++;
    pthread_mutex_unlock(&inline_self.lock);
    return rc;
}

/* ---- futures in values ----------------------------------------------------------------------- */

void inline_nested_drop(struct value **nested, size_t count)
{
    pthread_mutex_lock(&inline_self.lock);
    for (size_t i = 0; i < count; i++)
        inline_value_leave(nested[i]);
    pthread_mutex_unlock(&inline_self.lock);
    free(nested);
}

int inline_nested_hold(const uint64_t *ids, size_t count, bool given, struct value ***ret,
    struct reeve_error_info *error)
{
    struct value **nested = malloc((count + 1) * sizeof(struct value *));
    size_t held = 0;
    if (!nested)
        return inline_no_memory(error);
    pthread_mutex_lock(&inline_self.lock);
    for (; held < count; held++) {
        nested[held] = reeve_map64_get(&inline_self.futures, ids[held]);
        if (!nested[held])
            break;
        nested[held]->references++;
    }
    int rc = held == count ? REEVE_OK : inline_not_live(error);
    for (size_t i = 0; i < held && !rc; i++) {
        if (!nested[i]->stream)
            continue;
        if (!given)
            rc = reeve_error_set(error, REEVE_ETYPE, "a stream is not (part of) a value");
        else if (!reeve_map64_remove(&inline_self.futures, ids[i])) /* it stands there twice */
            rc = inline_not_live(error);
        else
            nested[i]->references--; /* the giver's */
    }
    pthread_mutex_unlock(&inline_self.lock);
    if (rc)
        inline_nested_drop(nested, held);
    else
        *ret = nested;
    return rc;
}

/* Those of the ids that are live are so no more. */
void inline_ids_withdraw(const uint64_t *ids, size_t count)
{
    pthread_mutex_lock(&inline_self.lock);
    for (size_t i = 0; i < count; i++) {
        struct value *value = reeve_map64_remove(&inline_self.futures, ids[i]);
        if (value)
            inline_value_drop_locked(value);
    }
    pthread_mutex_unlock(&inline_self.lock);
}

/* A new id for each of the values: `ret` is from malloc. */
int inline_ids_give(
    struct value **nested, size_t count, uint64_t **ret, struct reeve_error_info *error)
{
    uint64_t *ids = malloc((count + 1) * sizeof *ids);
    size_t given = 0;
    int rc = ids ? REEVE_OK : inline_no_memory(error);
    for (; given < count && !rc; given++) {
        pthread_mutex_lock(&inline_self.lock);
        nested[given]->references++;
        pthread_mutex_unlock(&inline_self.lock);
        rc = inline_publish(nested[given], &ids[given], error);
        if (rc)
            break;
    }
    if (rc) {
        inline_ids_withdraw(ids, given);
        free(ids);
        return rc;
    }
    *ret = ids;
    return REEVE_OK;
}
