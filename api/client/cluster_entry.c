/* Entries that have more than plain arguments: values of futures in their places, futures lent with
 * them, a time limit, a stream's window. */
#include <stdlib.h>
#include <string.h>

#include "api/client/cluster_rings.h"
#include "api/client/codec.h"
#include "runtime/base/macros.h"

#define SPLICES_FEW 8 /* without memory of their own */

/* The parts of an entry whose arguments have futures among them. */
struct spliced {
    struct reeve_splice_value *values;
    struct reeve_reference *references;
    uint8_t (*names)[REEVE_OBJECT_REFERENCE_SIZE];
    uint32_t value_count, reference_count, future_count;
    struct reeve_buffer lent;    /* what the futures in the arguments are… */
    struct reeve_buffer objects; /* …and the objects among them */
    size_t size;                 /* of the arguments with everything in place */
    struct reeve_splice_value few_values[SPLICES_FEW];
    struct reeve_reference few_references[SPLICES_FEW];
    uint8_t few_names[SPLICES_FEW][REEVE_OBJECT_REFERENCE_SIZE];
};

static void spliced_free(struct spliced *spliced)
{
    reeve_buffer_fini(&spliced->lent);
    reeve_buffer_fini(&spliced->objects);
    if (REEVE_LIKELY(spliced->values == spliced->few_values))
        return;
    free(spliced->values);
    free(spliced->references);
    free(spliced->names);
}

/* `node`: where they will be read. Only there, and while we hold the object, its place is worth
 * telling. */
static int spliced_make(const struct reeve_cluster *cluster, const struct reeve_owner_entry *entry,
    uint32_t node, struct spliced *ret)
{
    ret->value_count = ret->reference_count = ret->future_count = 0;
    ret->size = 0;
    reeve_buffer_init(&ret->lent);
    reeve_buffer_init(&ret->objects);
    if (REEVE_LIKELY(entry->splice_count <= SPLICES_FEW)) {
        ret->values = ret->few_values;
        ret->references = ret->few_references;
        ret->names = ret->few_names;
    } else {
        ret->values = calloc(entry->splice_count, sizeof(*ret->values));
        ret->references = calloc(entry->splice_count, sizeof(*ret->references));
        ret->names = calloc(entry->splice_count, sizeof(*ret->names));
        if (ret->values == NULL || ret->references == NULL || ret->names == NULL)
            return REEVE_ENOMEM;
    }
    for (uint32_t i = 0; i < entry->splice_count; i++) {
        struct reeve_owner_result result;
        if (entry->splices[i].offset & REEVE_OWNER_NESTED) {
            ret->future_count += !reeve_owner_is_handle(cluster->owner, entry->splices[i].task);
            continue;
        }
        int error = reeve_owner_result(cluster->owner, entry->splices[i].task, &result);
        if (error != 0 || result.status != 0)
            return REEVE_EINTERNAL;
        struct reeve_splice_value *value = &ret->values[ret->value_count++];
        value->offset = entry->splices[i].offset & ~REEVE_OWNER_READING;
        ret->future_count += result.future_count;
        if (!result.is_object) {
            value->bytes = result.bytes;
            value->size = result.size;
            continue;
        }
        uint8_t id[REEVE_OBJECT_ID_SIZE];
        memcpy(id, &result.object.id, sizeof(id));
        reeve_codec_pack_object(ret->names[i], id, result.object.size_bytes);
        value->bytes = ret->names[i];
        value->size = REEVE_OBJECT_REFERENCE_SIZE;
        if (result.object.node != node)
            result.object.flags &= ~REEVE_REFERENCE_LOCATED;
        ret->references[ret->reference_count++] = result.object;
    }
    ret->size = reeve_codec_splice_size(entry->arguments_size, ret->values, ret->value_count);
    return 0;
}

/* The futures in the arguments go with the entry as what they are. */
static int spliced_lend(
    const struct reeve_cluster *cluster, reeve_task_id task, struct spliced *spliced)
{
    if (spliced->future_count == 0)
        return 0;
    return reeve_owner_lend_write(cluster->owner, task, &spliced->lent, &spliced->objects);
}

static uint8_t *append(uint8_t *to, const void *from, size_t size)
{
    if (size != 0)
        memcpy(to, from, size);
    return to + size;
}

/* Most that have futures among their arguments have plain values in their places, and nothing
 * else. */
static bool values_plain(const struct reeve_cluster *cluster, const struct reeve_owner_entry *entry,
    struct reeve_splice_value values[static SPLICES_FEW])
{
    if ((entry->timeout_ms | entry->window.units) != 0 || entry->splice_count > SPLICES_FEW)
        return false;
    for (uint32_t i = 0; i < entry->splice_count; i++) {
        const struct reeve_owner_splice *splice = &entry->splices[i];
        values[i].offset = splice->offset & ~REEVE_OWNER_READING;
        if (!reeve_owner_plain_argument(cluster->owner, splice, &values[i].bytes, &values[i].size))
            return false;
    }
    return true;
}

static int plain_compose(struct reeve_ring *ring, const struct reeve_owner_send *send,
    uint64_t now_ns, const struct reeve_splice_value *values, uint64_t *ret_position)
{
    const struct reeve_owner_entry *entry = &send->entry;
    struct reeve_slot_fill fill;
    size_t size = reeve_codec_splice_size(entry->arguments_size, values, entry->splice_count);
    if (size > REEVE_ENTRY_SIZE_MAX)
        return REEVE_ETOOLARGE;
    int error = reeve_ring_reserve(ring, (uint32_t)size + entry->parent_size, &fill);
    if (error != 0)
        return error;
    uint8_t *payload = fill.payload;
    reeve_cluster_entry_fill(fill.slot, send, now_ns, 0, false);
    reeve_codec_splice(
        payload, entry->arguments, entry->arguments_size, values, entry->splice_count);
    (void)append(payload + size, reeve_owner_entry_parent(entry), entry->parent_size);
    *ret_position = fill.position;
    return 0;
}

int reeve_cluster_entry_compose(struct reeve_cluster *cluster, struct reeve_ring *ring,
    const struct reeve_owner_send *send, uint64_t now_ns, uint64_t *ret_position)
{
    const struct reeve_owner_entry *entry = &send->entry;
    struct reeve_splice_value plain[SPLICES_FEW];
    struct reeve_slot_fill fill;
    struct spliced spliced;
    if (REEVE_LIKELY(values_plain(cluster, entry, plain)))
        return plain_compose(ring, send, now_ns, plain, ret_position);
    uint32_t node = cluster->holders[send->lease_index].node;
    int error = spliced_make(cluster, entry, node, &spliced);
    if (error == 0)
        error = spliced_lend(cluster, send->task, &spliced);
    bool lends = spliced.future_count != 0;
    uint32_t lent_size = (uint32_t)spliced.lent.size;
    size_t values = spliced.reference_count * sizeof(struct reeve_reference);
    size_t references =
        spliced.reference_count + spliced.objects.size / sizeof(*spliced.references);
    size_t limit = entry->timeout_ms != 0 ? sizeof(entry->timeout_ms) : 0;
    size_t window = entry->window.units != 0 ? sizeof(entry->window) : 0;
    size_t total = values + spliced.objects.size + limit + window +
                   (lends ? sizeof(lent_size) : 0) + spliced.lent.size + spliced.size +
                   entry->parent_size;
    if (error == 0 && (spliced.size + spliced.lent.size > REEVE_ENTRY_SIZE_MAX ||
                          references > REEVE_ENTRY_REFERENCES_MAX))
        error = REEVE_ETOOLARGE;
    if (error == 0)
        error = reeve_ring_reserve(ring, (uint32_t)total, &fill);
    if (error == 0) {
        uint8_t *payload = fill.payload;
        reeve_cluster_entry_fill(fill.slot, send, now_ns, (uint16_t)references, lends);
        payload = append(payload, spliced.references, values);
        payload = append(payload, spliced.objects.data, spliced.objects.size);
        payload = append(payload, &entry->timeout_ms, limit);
        payload = append(payload, &entry->window, window);
        if (lends)
            payload = append(payload, &lent_size, sizeof(lent_size));
        payload = append(payload, spliced.lent.data, spliced.lent.size);
        reeve_codec_splice(
            payload, entry->arguments, entry->arguments_size, spliced.values, spliced.value_count);
        (void)append(payload + spliced.size, reeve_owner_entry_parent(entry), entry->parent_size);
        *ret_position = fill.position;
    }
    spliced_free(&spliced);
    return error;
}

/* ---- run here -------------------------------------------------------------------------------- */

/* Run here, they are our own: a reference to each for the length of the call. */
static int arguments_futures(struct reeve_cluster *cluster, const struct reeve_owner_entry *entry,
    uint32_t count, struct reeve_cluster_arguments *ret)
{
    ret->futures = malloc(count * sizeof(*ret->futures));
    if (ret->futures == NULL)
        return REEVE_ENOMEM;
    for (uint32_t i = 0; i < entry->splice_count; i++) {
        const struct reeve_owner_splice *splice = &entry->splices[i];
        struct reeve_owner_result result;
        if (splice->offset & REEVE_OWNER_NESTED) {
            if (!reeve_owner_is_handle(cluster->owner, splice->task))
                ret->futures[ret->future_count++] = splice->task;
            continue;
        }
        (void)reeve_owner_result(cluster->owner, splice->task, &result);
        for (uint32_t k = 0; k < result.future_count; k++)
            ret->futures[ret->future_count++] = result.futures[k].task;
    }
    for (uint32_t i = 0; i < ret->future_count; i++)
        (void)reeve_owner_hold(cluster->owner, ret->futures[i]);
    return 0;
}

int reeve_cluster_arguments_make(struct reeve_cluster *cluster,
    const struct reeve_owner_entry *entry, struct reeve_cluster_arguments *ret)
{
    struct spliced spliced;
    *ret =
        (struct reeve_cluster_arguments){.bytes = entry->arguments, .size = entry->arguments_size};
    if (REEVE_LIKELY(entry->splice_count == 0))
        return 0;
    int error = spliced_make(cluster, entry, cluster->node, &spliced);
    size_t head = spliced.reference_count * sizeof(struct reeve_reference);
    if (error == 0 && (ret->made = malloc(head + spliced.size + 1)) == NULL)
        error = REEVE_ENOMEM;
    if (error == 0) {
        memcpy(ret->made, spliced.references, head);
        reeve_codec_splice(ret->made + head, entry->arguments, entry->arguments_size,
            spliced.values, spliced.value_count);
        ret->bytes = ret->made + head;
        ret->size = spliced.size;
        ret->references = (const struct reeve_reference *)(const void *)ret->made;
        ret->reference_count = (uint16_t)spliced.reference_count;
    }
    if (error == 0 && spliced.future_count != 0)
        error = arguments_futures(cluster, entry, spliced.future_count, ret);
    spliced_free(&spliced);
    return error;
}

void reeve_cluster_arguments_free(struct reeve_cluster_arguments *arguments)
{
    free(arguments->made);
}

reeve_task_id reeve_cluster_take_inline(
    struct reeve_cluster *cluster, reeve_task_id task, uint32_t class_index)
{
    reeve_lease_index index;
    uint64_t position;
    uint32_t attempt;
    while (reeve_task_state_waits(reeve_owner_state(cluster->owner, task)))
        task = reeve_owner_dependency(cluster->owner, task);
    if (!reeve_owner_may_inline(cluster->owner, task, class_index))
        return 0;
    if (reeve_owner_where(cluster->owner, task, &index, &position, &attempt) &&
        reeve_ring_recall(&cluster->holders[index].channel.calls, position))
        reeve_owner_taken_back(cluster->owner, reeve_cluster_now_ns(), index, task, attempt);
    return reeve_owner_take_inline(cluster->owner, task, class_index) ? task : 0;
}
