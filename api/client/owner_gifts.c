/* The owner core: what is given to us with results. We hear of each gift twice
 * (objectstore/gift.c), in either order:
 *
 *   in the hand-over of an attempt, of which the answer follows. With that it is adopted
 *   from the store where it lies (`reeve_owner_given`), and which attempt it came with
 *
 *   adopted first   balance +1 ── told ──▶ nothing is left to be done
 *   told first      and the attempt is under way: balance -1, and noted with it ── adopted ──▶ -
 *                                                                └── it ends ──▶ freed
 *                   and the attempt is over: freed. Its answer was lost, or is left out
 *
 * So what is told of and not adopted is freed when no answer can bring it any more, and nothing
 * else is. The balance is of an object, or a hold on it: an object may be given on, and come back,
 * before we are told of the first time. What is freed before we are told is told of in vain. */
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/owner_gifts.h"
#include "runtime/base/assert.h"

/* ---- heard of once --------------------------------------------------------------------------- */

struct owner_gift {
    struct reeve_object_id id;
    uint64_t token; /* of the hold; 0: the object */
    int32_t balance;
};

static uint64_t token_of(const struct reeve_reference *object)
{
    return object->flags & REEVE_REFERENCE_HELD ? object->offset : 0;
}

static uint64_t key_of(struct reeve_object_id id, uint64_t token)
{
    return reeve_object_id_key(id) ^ token;
}

static struct owner_gift *gift_find(
    const struct reeve_owner *owner, const struct reeve_reference *object)
{
    uint64_t token = token_of(object);
    struct owner_gift *gift = reeve_map64_get(&owner->gifts, key_of(object->id, token));
    return gift != NULL && gift->token == token && reeve_object_id_equal(gift->id, object->id)
               ? gift
               : NULL;
}

static int gift_count(
    struct reeve_owner *owner, const struct reeve_reference *object, int32_t balance)
{
    const uint64_t token = token_of(object), key = key_of(object->id, token);
    struct owner_gift *gift = gift_find(owner, object);
    if (gift != NULL) {
        gift->balance += balance;
        if (gift->balance == 0)
            free(reeve_map64_remove(&owner->gifts, key));
        return 0;
    }
    if (reeve_map64_get(&owner->gifts, key) != NULL)
        return REEVE_ENOMEM; /* two, one key: hardly ever */
    gift = malloc(sizeof(*gift));
    if (gift == NULL)
        return REEVE_ENOMEM;
    *gift = (struct owner_gift){object->id, token, balance};
    if (reeve_map64_put(&owner->gifts, key, gift, NULL) == 0)
        return 0;
    free(gift);
    return REEVE_ENOMEM;
}

int owner_gift_adopt(struct reeve_owner *owner, const struct reeve_reference *object)
{
    return gift_count(owner, object, 1);
}

void owner_gift_end(struct reeve_owner *owner, const struct reeve_reference *object)
{
    const struct owner_gift *gift =
        reeve_map64_count(&owner->gifts) != 0 ? gift_find(owner, object) : NULL;
    if (gift != NULL && gift->balance > 0)
        (void)gift_count(owner, object, -1);
}

/* ---- with an attempt that is under way ------------------------------------------------------- */

struct owner_handed {
    struct reeve_buffer bytes; /* the hand-over, as far as it has come */
    struct reeve_buffer told;  /* struct reeve_reference */
};

static void handed_free(struct owner_handed *handed)
{
    reeve_buffer_fini(&handed->bytes);
    reeve_buffer_fini(&handed->told);
    free(handed);
}

/* NULL: there is no memory. */
static struct owner_handed *handed_get(struct reeve_owner *owner, reeve_task_id id)
{
    struct owner_handed *handed = reeve_map64_get(&owner->handed, id);
    if (handed != NULL)
        return handed;
    handed = calloc(1, sizeof(*handed));
    if (handed == NULL || reeve_map64_put(&owner->handed, id, handed, NULL) != 0) {
        free(handed);
        return NULL;
    }
    reeve_buffer_init(&handed->bytes);
    reeve_buffer_init(&handed->told);
    return handed;
}

int reeve_owner_handed(struct reeve_owner *owner, reeve_lease_index lease_index, reeve_task_id id,
    uint32_t attempt, const void *bytes, uint32_t size)
{
    if (owner_task_answered(owner, lease_index, id, attempt) == NULL)
        return 0;
    struct owner_handed *handed = handed_get(owner, id);
    return handed != NULL ? reeve_buffer_append(&handed->bytes, bytes, size) : REEVE_ENOMEM;
}

static void gift_free(struct reeve_owner *owner, const struct reeve_reference *object)
{
    struct reeve_owner_command *command = owner_command(owner, REEVE_OWNER_FREE_OBJECT);
    command->object = *object;
    command->task = token_of(object);
}

void reeve_owner_given(struct reeve_owner *owner, reeve_task_id id, uint32_t attempt,
    const struct reeve_reference *object)
{
    const struct owner_gift *gift = gift_find(owner, object);
    const struct owner_task *task = owner_task_find(owner, id);
    if (gift != NULL && gift->balance > 0) {
        (void)gift_count(owner, object, -1);
        return;
    }
    if (task == NULL || task->state != REEVE_TASK_SENT || task->attempt != attempt) {
        gift_free(owner, object);
        return;
    }
    struct owner_handed *handed = handed_get(owner, id);
    if (handed == NULL || reeve_buffer_append(&handed->told, object, sizeof(*object)) != 0)
        return; /* without memory: if no answer brings it, it is kept until we end */
    if (gift_count(owner, object, -1) != 0)
        handed->told.size -= sizeof(*object);
}

/* The attempt has ended, and what was to be adopted of it has been. */
static void told_end(struct reeve_owner *owner, const struct owner_handed *handed)
{
    for (size_t at = 0; at < handed->told.size; at += sizeof(struct reeve_reference)) {
        struct reeve_reference object;
        memcpy(&object, handed->told.data + at, sizeof(object));
        const struct owner_gift *gift = gift_find(owner, &object);
        if (gift == NULL || gift->balance >= 0)
            continue;
        (void)gift_count(owner, &object, 1);
        gift_free(owner, &object);
    }
}

int owner_handed_adopt(struct reeve_owner *owner, uint64_t now_ns, reeve_task_id id,
    struct reeve_owner_splice **ret, uint32_t *ret_count)
{
    struct owner_handed *handed = reeve_map64_remove(&owner->handed, id);
    int error = 0;
    if (handed == NULL)
        return 0;
    if (handed->bytes.size != 0)
        error = owner_adopt(
            owner, now_ns, handed->bytes.data, handed->bytes.size, false, ret, ret_count);
    told_end(owner, handed);
    handed_free(handed);
    return error;
}

/* What has been handed over and not told of may not have been given. */
void owner_handed_drop(struct reeve_owner *owner, reeve_task_id id)
{
    if (REEVE_LIKELY(reeve_map64_count(&owner->handed) == 0))
        return;
    struct owner_handed *handed = reeve_map64_remove(&owner->handed, id);
    if (handed == NULL)
        return;
    told_end(owner, handed);
    handed_free(handed);
}

/* ---- memory, audit --------------------------------------------------------------------------- */

void owner_gifts_fini(struct reeve_owner *owner)
{
    size_t at = 0;
    void *handed;
    while (reeve_map64_next(&owner->handed, &at, NULL, &handed))
        handed_free(handed);
    reeve_map64_fini(&owner->handed);
    reeve_map64_fini_values(&owner->gifts);
}

void owner_gifts_check(const struct reeve_owner *owner)
{
    size_t at = 0;
    uint64_t key, told = 0;
    void *value;
    while (reeve_map64_next(&owner->handed, &at, &key, &value)) {
        const struct owner_handed *handed = value;
        const struct owner_task *task = owner_task_find(owner, key);
        REEVE_ASSERT(task != NULL && task->state == REEVE_TASK_SENT);
        told += handed->told.size / sizeof(struct reeve_reference);
    }
    at = 0;
    while (reeve_map64_next(&owner->gifts, &at, &key, &value)) {
        const struct owner_gift *gift = value;
        REEVE_ASSERT(gift->balance != 0 && key == key_of(gift->id, gift->token));
        told -= gift->balance < 0 ? (uint64_t)-gift->balance : 0;
    }
    REEVE_ASSERT(told == 0); /* each is of an attempt that is under way */
}
