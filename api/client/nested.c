/* The futures in a C value, and the handles of actors: found by its type's description, the futures
 * in the order in which they are packed. See codec.h. */
#include "api/client/client.h"
#include "api/client/codec.h"
#include "api/client/error.h"
#include "api/client/types.h"
#include "runtime/base/macros.h"

#include <stdlib.h>

int reeve_future_ids_add(struct reeve_future_ids *ids, uint64_t id)
{
    if (ids->count == ids->capacity) {
        size_t capacity = REEVE_MAX(ids->capacity * 2, (size_t)8);
        uint64_t *larger = realloc(ids->ids, capacity * sizeof *larger);
        if (!larger)
            return REEVE_ENOMEM;
        ids->ids = larger;
        ids->capacity = capacity;
    }
    ids->ids[ids->count++] = id;
    return REEVE_OK;
}

/* What is none, or says only why there is none, keeps nothing. */
static int actor_add(
    struct reeve_future_ids *ids, const reeve_actor *actor, struct reeve_error_info *error)
{
    if (actor->number == 0)
        return REEVE_OK;
    if (ids->actor_count == ids->actor_capacity) {
        size_t capacity = REEVE_MAX(ids->actor_capacity * 2, (size_t)4);
        reeve_actor *larger = realloc(ids->actors, capacity * sizeof *larger);
        if (!larger)
            return reeve_error_set(error, REEVE_ENOMEM, "no memory for the actors in a value");
        ids->actors = larger;
        ids->actor_capacity = capacity;
    }
    ids->actors[ids->actor_count++] = *actor;
    return REEVE_OK;
}

void reeve_future_ids_fini(struct reeve_future_ids *ids)
{
    free(ids->actors);
    free(ids->ids);
    *ids = (struct reeve_future_ids){0};
}

static int add(struct reeve_future_ids *ids, uint64_t id, struct reeve_error_info *error)
{
    if (reeve_is_failed_future(id)) /* its call could not even be submitted */
        return reeve_failed_future_get(id, error);
    if (reeve_future_ids_add(ids, id))
        return reeve_error_set(error, REEVE_ENOMEM, "no memory for the futures in a value");
    return REEVE_OK;
}

int reeve_codec_futures(const struct reeve_type *type, const void *value,
    struct reeve_future_ids *ids, struct reeve_error_info *error)
{
    int rc = REEVE_OK;
    if (REEVE_LIKELY(type->kind < REEVE_KIND_STRUCT))
        return rc;
    if (type->kind == REEVE_KIND_FUTURE || type->kind == REEVE_KIND_STREAM)
        return add(ids, *(const uint64_t *)value, error);
    if (type->kind == REEVE_KIND_FUTURES) {
        const struct reeve_span *span = value;
        for (size_t i = 0; i < span->count && !rc; i++)
            rc = add(ids, ((const uint64_t *)span->data)[i], error);
        return rc;
    }
    if (type->kind == REEVE_KIND_LIST) {
        const struct reeve_span *span = value;
        const struct reeve_type *item = type->members->type;
        for (size_t i = 0; i < span->count && !rc && item->kind >= REEVE_KIND_STRUCT; i++)
            rc = reeve_codec_futures(item, (const char *)span->data + i * item->size, ids, error);
        return rc;
    }
    if (REEVE_UNLIKELY(type->element_kind == REEVE_IS_HANDLE_ && type->kind == REEVE_KIND_STRUCT))
        return actor_add(ids, value, error);
    for (uint32_t i = 0; i < type->member_count && !rc; i++) /* of a matrix: none */
        rc = reeve_codec_futures(
            type->members[i].type, (const char *)value + type->members[i].offset, ids, error);
    return rc;
}
