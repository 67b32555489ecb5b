/* Channels: writing entries for workers, taking their answers, and what the daemon says about
 * leases. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/client/cluster.h"
#include "api/client/codec.h"
#include "runtime/base/macros.h"

#define ANSWERS_AT_ONCE 4096 /* taken from one ring before others get their turn */
#define BELLS_AT_ONCE   64

/* ---- channels -------------------------------------------------------------------------------- */

static int bell_map(int fd, struct reeve_doorbell **ret)
{
    void *memory;
    size_t size;
    int error = reeve_memory_map(fd, REEVE_DOORBELL_BYTES, 0, &memory, &size);
    if (error != 0)
        return error;
    *ret = reeve_doorbell_attach(memory, size);
    if (*ret == NULL)
        reeve_memory_unmap(memory, size);
    return *ret != NULL ? 0 : REEVE_EPROTOCOL;
}

int reeve_cluster_channel_open(struct reeve_cluster_channel *channel,
    struct reeve_local_message *message, enum reeve_channel_role role)
{
    *channel = (struct reeve_cluster_channel){
        .lease = message->lease,
        .peer = message->process,
        .node = message->node,
        .bell_fd = -1,
    };
    if (message->fd_count != 3)
        return REEVE_EPROTOCOL;
    int error = reeve_memory_map(message->fds[0], 0, 0, &channel->memory, &channel->memory_size);
    if (error == 0)
        error =
            reeve_channel_attach(&channel->channel, channel->memory, channel->memory_size, role);
    if (error == 0)
        error = bell_map(message->fds[1], &channel->bell);
    close(message->fds[0]);
    close(message->fds[1]);
    channel->bell_fd = message->fds[2];
    message->fd_count = 0;
    channel->open = true;
    if (error != 0)
        reeve_cluster_channel_close(channel);
    return error;
}

void reeve_cluster_channel_close(struct reeve_cluster_channel *channel)
{
    if (!channel->open)
        return;
    reeve_channel_detach(&channel->channel);
    if (channel->memory != NULL)
        reeve_memory_unmap(channel->memory, channel->memory_size);
    if (channel->bell != NULL)
        reeve_memory_unmap(channel->bell, REEVE_DOORBELL_BYTES);
    if (channel->bell_fd >= 0)
        close(channel->bell_fd);
    *channel = (struct reeve_cluster_channel){.bell_fd = -1};
}

/* The holder's end is not needed any more. The poller may be peeking at its ring without the lock,
 * so it is the poller who closes it. */
static void channel_give_up(struct reeve_cluster *cluster, struct reeve_cluster_channel *channel)
{
    atomic_store_explicit(&channel->closing, true, memory_order_relaxed);
    cluster->holders_closing = true;
}

static void channels_close(struct reeve_cluster *cluster)
{
    cluster->holders_closing = false;
    for (uint32_t i = 0; i < cluster->holder_capacity; i++)
        if (cluster->holders[i].open && cluster->holders[i].closing)
            reeve_cluster_channel_close(&cluster->holders[i]);
}

bool reeve_cluster_anything_ready(const struct reeve_cluster *cluster)
{
    if (atomic_load_explicit(&cluster->attention, memory_order_relaxed) != 0)
        return true;
    for (uint32_t i = 0; i < cluster->holder_capacity; i++)
        if (cluster->holders[i].open && reeve_ring_peek(&cluster->holders[i].channel.returns))
            return true;
    return false;
}

/* ---- sending --------------------------------------------------------------------------------- */

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
            ret->future_count++;
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

static void entry_fill(struct reeve_slot *slot, const struct reeve_owner_send *send,
    const struct reeve_owner_entry *entry, uint16_t references, bool lends)
{
    slot->task = send->task;
    slot->attempt = entry->attempt;
    slot->function = entry->function;
    slot->references = references;
    slot->kind = REEVE_ENTRY_CALL;
    slot->flags = (entry->timeout_ms != 0 ? REEVE_ENTRY_TIMED : 0) |
                  (entry->alone ? REEVE_ENTRY_ALONE : 0) | (lends ? REEVE_ENTRY_LENT : 0) |
                  (entry->window.units != 0 ? REEVE_ENTRY_WINDOW : 0);
    slot->status = 0;
}

static uint8_t *append(uint8_t *to, const void *from, size_t size)
{
    if (size != 0)
        memcpy(to, from, size);
    return to + size;
}

/* Reserves and fills the entry; REEVE_EAGAIN when the ring has no room now. */
static int entry_write(struct reeve_cluster *cluster, struct reeve_ring *ring,
    const struct reeve_owner_send *send, uint64_t *ret_position)
{
    struct reeve_owner_entry entry;
    struct reeve_slot_fill fill;
    reeve_owner_entry(cluster->owner, send->task, &entry);
    if (REEVE_LIKELY((entry.splice_count | entry.timeout_ms | entry.window.units) == 0)) {
        int error = reeve_ring_reserve(ring, entry.arguments_size, &fill);
        if (error != 0)
            return error;
        entry_fill(fill.slot, send, &entry, 0, false);
        reeve_copy(fill.payload, entry.arguments, entry.arguments_size);
        *ret_position = fill.position;
        return 0;
    }
    struct spliced spliced;
    uint32_t node = cluster->holders[send->lease_index].node;
    int error = spliced_make(cluster, &entry, node, &spliced);
    if (error == 0)
        error = spliced_lend(cluster, send->task, &spliced);
    bool lends = spliced.future_count != 0;
    uint32_t lent_size = (uint32_t)spliced.lent.size;
    size_t values = spliced.reference_count * sizeof(struct reeve_reference);
    size_t references =
        spliced.reference_count + spliced.objects.size / sizeof(*spliced.references);
    size_t limit = entry.timeout_ms != 0 ? sizeof(entry.timeout_ms) : 0;
    size_t window = entry.window.units != 0 ? sizeof(entry.window) : 0;
    size_t total = values + spliced.objects.size + limit + window +
                   (lends ? sizeof(lent_size) : 0) + spliced.lent.size + spliced.size;
    if (error == 0 && (spliced.size + spliced.lent.size > REEVE_ENTRY_SIZE_MAX ||
                          references > REEVE_ENTRY_REFERENCES_MAX))
        error = REEVE_ETOOLARGE;
    if (error == 0)
        error = reeve_ring_reserve(ring, (uint32_t)total, &fill);
    if (error == 0) {
        uint8_t *payload = fill.payload;
        entry_fill(fill.slot, send, &entry, (uint16_t)references, lends);
        payload = append(payload, spliced.references, values);
        payload = append(payload, spliced.objects.data, spliced.objects.size);
        payload = append(payload, &entry.timeout_ms, limit);
        payload = append(payload, &entry.window, window);
        if (lends)
            payload = append(payload, &lent_size, sizeof(lent_size));
        payload = append(payload, spliced.lent.data, spliced.lent.size);
        reeve_codec_splice(
            payload, entry.arguments, entry.arguments_size, spliced.values, spliced.value_count);
        *ret_position = fill.position;
    }
    spliced_free(&spliced);
    return error;
}

static void message_send(struct reeve_cluster *cluster, enum reeve_local_kind kind,
    const struct reeve_owner_command *command)
{
    struct reeve_local_message message = {
        .kind = (uint16_t)kind,
        .class_index = command->class_index,
        .cpu_milli = command->cpu_milli,
        .priority = command->priority,
        .count = command->count,
        .lease = command->lease,
        .task = command->task,
        .object = command->object.id,
        .node = command->kind == REEVE_OWNER_DEMAND ? command->near : command->object.node,
        .flags = reeve_cluster_object_flags(&command->object) |
                 (command->kind == REEVE_OWNER_LET_GO ? REEVE_LOCAL_OBJECT_ANCHOR : 0),
    };
    if (command->kind == REEVE_OWNER_DEMAND) {
        message.flags = command->host;
        message.process = command->process;
    } else if (command->kind == REEVE_OWNER_RETURN_LEASE && command->count != 0) {
        message.code = REEVE_ECANCELLED;
    }
    /* a dead daemon shows at the socket's other end, too */
    (void)reeve_cluster_send(cluster, &message);
}

static void command_run(
    struct reeve_cluster *cluster, uint64_t now_ns, const struct reeve_owner_command *command)
{
    struct reeve_cluster_channel *channel = NULL;
    reeve_lease_index lease_index;
    uint64_t position;
    uint32_t attempt;
    if (command->lease_index < cluster->holder_capacity)
        channel = &cluster->holders[command->lease_index];
    switch (command->kind) {
    case REEVE_OWNER_DEMAND: message_send(cluster, REEVE_LOCAL_DEMAND, command); break;
    case REEVE_OWNER_FREE_OBJECT: message_send(cluster, REEVE_LOCAL_FREE, command); break;
    case REEVE_OWNER_LET_GO:
    case REEVE_OWNER_UNPIN: message_send(cluster, REEVE_LOCAL_UNPIN, command); break;
    case REEVE_OWNER_RETURN_LEASE:
        if (channel != NULL && channel->lease == command->lease)
            channel_give_up(cluster, channel);
        message_send(cluster, REEVE_LOCAL_LEASE_RETURN, command);
        break;
    case REEVE_OWNER_UNNAME:
        (void)reeve_cluster_send(cluster,
            &(struct reeve_local_message){
                .kind = REEVE_LOCAL_NAME, .flags = REEVE_LOCAL_NAME_DROP, .task = command->task});
        if (cluster->is_keeper) {
            cluster->kept_ended = true;
            reeve_condition_tell(&cluster->replied);
        }
        break;
    case REEVE_OWNER_CREDIT: reeve_cluster_credit_run(cluster, command); break;
    case REEVE_OWNER_FEED: reeve_cluster_feed_run(cluster, command); break;
    case REEVE_OWNER_ASK: reeve_cluster_ask_run(cluster, command); break;
    case REEVE_OWNER_CANCEL: reeve_cluster_cancel_run(cluster, now_ns, command); break;
    case REEVE_OWNER_TAKE_BACK:
        if (!reeve_owner_where(cluster->owner, command->task, &lease_index, &position, &attempt) ||
            lease_index != command->lease_index || position != command->position)
            break; /* answered or lost meanwhile */
        if (reeve_ring_recall(&channel->channel.calls, position)) {
            reeve_owner_taken_back(cluster->owner, now_ns, lease_index, command->task, attempt);
        } else if (channel->node != cluster->node) {
            message_send(cluster, REEVE_LOCAL_TAKE_BACK, command);
        }
        break;
    }
}

static void bells_ring(struct reeve_cluster *cluster, const uint32_t *rung, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct reeve_cluster_channel *channel = &cluster->holders[rung[i]];
        if (channel->open && channel->rung) {
            channel->rung = false;
            (void)reeve_doorbell_ring(channel->bell, channel->bell_fd);
        }
    }
}

/* A lease whose worker writes nonsense is a lease lost. */
static void lease_spoilt(struct reeve_cluster *cluster, uint64_t now_ns, uint32_t index)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_LEASE_RETURN,
        .lease = cluster->holders[index].lease,
        .code = REEVE_EPROTOCOL};
    reeve_owner_lease_lost(cluster->owner, now_ns, index, REEVE_EPROTOCOL,
        "the worker wrote a malformed answer: something in the program overwrites memory that is "
        "not its own");
    channel_give_up(cluster, &cluster->holders[index]);
    (void)reeve_cluster_send(cluster, &message);
}

static const char *unsendable_text(int error)
{
    return error == REEVE_ETOOLARGE
               ? "with the values of the futures among and in them, its arguments have more than "
                 "256 KiB or more than 1,024 large values; pass them as fewer, or put some "
                 "together "
                 "first"
               : "its arguments could not be written for the worker";
}

/* Writes what can be written, of all classes that have room. Bells are rung once for a batch. */
static void entries_send(struct reeve_cluster *cluster, uint64_t now_ns)
{
    struct reeve_owner_send send;
    uint32_t rung[BELLS_AT_ONCE], rung_count = 0;
    while (reeve_owner_next_send(cluster->owner, &send)) {
        struct reeve_cluster_channel *channel = &cluster->holders[send.lease_index];
        uint64_t position = 0;
        int error = entry_write(cluster, &channel->channel.calls, &send, &position);
        if (REEVE_UNLIKELY(error == REEVE_EAGAIN || error == REEVE_EPROTOCOL)) {
            reeve_owner_unsent(cluster->owner, send.task);
            if (error == REEVE_EPROTOCOL)
                lease_spoilt(cluster, now_ns, send.lease_index);
            continue;
        }
        if (REEVE_UNLIKELY(error != 0)) {
            reeve_owner_unsendable(
                cluster->owner, now_ns, send.task, error, unsendable_text(error));
            continue;
        }
        reeve_ring_publish(&channel->channel.calls);
        reeve_owner_sent(cluster->owner, now_ns, send.task, position);
        if (!channel->rung) {
            channel->rung = true;
            rung[rung_count++] = send.lease_index;
            if (rung_count == BELLS_AT_ONCE) {
                bells_ring(cluster, rung, rung_count);
                rung_count = 0;
            }
        }
    }
    bells_ring(cluster, rung, rung_count);
}

static void pump(struct reeve_cluster *cluster, uint64_t now_ns)
{
    struct reeve_owner_command command;
    bool more;
    do {
        entries_send(cluster, now_ns);
        more = false;
        while (reeve_owner_next_command(cluster->owner, &command)) {
            command_run(cluster, now_ns, &command);
            more = true;
        }
    } while (more && !cluster->dead);
}

void reeve_cluster_pump(struct reeve_cluster *cluster, uint64_t now_ns)
{
    pump(cluster, now_ns);
    atomic_store_explicit(
        &cluster->bell->unfinished, reeve_owner_unfinished(cluster->owner), memory_order_relaxed);
    reeve_cluster_tell(cluster); /* some may have failed for good */
}

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

/* ---- answers --------------------------------------------------------------------------------- */

/* What is no result. */
static int other_take(struct reeve_cluster *cluster, uint64_t now_ns, uint32_t index,
    const struct reeve_entry_view *view, const struct reeve_entry_parts *parts)
{
    switch (view->kind) {
    case REEVE_ENTRY_ITEM:
        return reeve_owner_item(cluster->owner, index, view->task, view->attempt,
            view->flags & REEVE_ENTRY_MORE, parts->value, parts->value_size);
    case REEVE_ENTRY_SAVED:
        return reeve_owner_actor_saved(
            cluster->owner, index, view->task, parts->value, parts->value_size);
    case REEVE_ENTRY_RECALLED:
        reeve_owner_taken_back(cluster->owner, now_ns, index, view->task, view->attempt);
        return 0;
    case REEVE_ENTRY_HANDED:
        return reeve_owner_handed(
            cluster->owner, index, view->task, view->attempt, parts->value, parts->value_size);
    default: return REEVE_EPROTOCOL;
    }
}

static int answer_take(struct reeve_cluster *cluster, uint64_t now_ns, uint32_t index,
    const struct reeve_entry_view *view)
{
    struct reeve_entry_parts parts;
    struct reeve_reference object;
    if (!reeve_entry_split(view->payload, view->length, view->references, view->flags, &parts))
        return REEVE_EPROTOCOL;
    if (REEVE_UNLIKELY(view->kind != REEVE_ENTRY_RESULT))
        return other_take(cluster, now_ns, index, view, &parts);
    bool is_object = view->flags & REEVE_ENTRY_OBJECT;
    if (is_object && view->references == 0)
        return REEVE_EPROTOCOL;
    if (is_object) {
        memcpy(&object, parts.references, sizeof(object));
        if (object.id.owner != cluster->process || object.id.sequence != view->task)
            return REEVE_EPROTOCOL;
        if (object.node != cluster->node)
            object.flags &= ~REEVE_REFERENCE_LOCATED;
    }
    bool names_lost = reeve_error_is_loss(view->status) && view->references != 0;
    if (REEVE_UNLIKELY(names_lost))
        memcpy(&object, parts.references, sizeof(object));
    if (REEVE_UNLIKELY(view->status == REEVE_EWORKERDIED && (view->flags & REEVE_ENTRY_CHILD_DIED)))
        reeve_owner_child_died(cluster->owner, index, view->task, view->attempt);
    bool fresh = reeve_owner_answer(cluster->owner, now_ns, index, view->task, view->attempt,
        view->status, parts.value, parts.value_size, is_object || names_lost ? &object : NULL);
    if (!fresh && is_object && reeve_owner_state(cluster->owner, view->task) == REEVE_TASK_FREE)
        message_send(cluster, REEVE_LOCAL_FREE, &(struct reeve_owner_command){.object = object});
    return 0;
}

/* Takes what has come on one return ring. */
static void answers_drain(struct reeve_cluster *cluster, uint64_t now_ns, uint32_t index)
{
    struct reeve_ring *ring = &cluster->holders[index].channel.returns;
    for (int i = 0; i < ANSWERS_AT_ONCE; i++) {
        struct reeve_entry_view view;
        int error = reeve_ring_claim(ring, &view);
        if (error == REEVE_EAGAIN)
            return;
        if (error == 0)
            error = answer_take(cluster, now_ns, index, &view);
        if (error != 0) {
            lease_spoilt(cluster, now_ns, index);
            return;
        }
        reeve_ring_done(ring, view.position);
    }
}

static void inbox_take(struct reeve_cluster *cluster, uint64_t now_ns)
{
    struct reeve_local_message message;
    atomic_store_explicit(
        &cluster->attention, 0, memory_order_relaxed); /* set with the lock only */
    while (reeve_fifo_pop(&cluster->inbox, &message)) {
        reeve_cluster_handle(cluster, now_ns, &message);
        for (uint32_t i = 0; i < message.fd_count; i++)
            close(message.fds[i]);
    }
}

void reeve_cluster_progress(struct reeve_cluster *cluster, uint64_t now_ns)
{
    uint64_t final_before = cluster->final_told;
    cluster->looks++;
    cluster->now_ns = now_ns;
    for (uint32_t i = 0; i < cluster->holder_capacity; i++)
        if (cluster->holders[i].open && reeve_ring_peek(&cluster->holders[i].channel.returns))
            answers_drain(cluster, now_ns, i);
    if (REEVE_UNLIKELY(atomic_load_explicit(&cluster->attention, memory_order_relaxed) != 0))
        inbox_take(cluster, now_ns);
    if (now_ns >= reeve_owner_deadline(cluster->owner))
        reeve_owner_tick(cluster->owner, now_ns);
    pump(cluster, now_ns);
    if (REEVE_UNLIKELY(cluster->holders_closing))
        channels_close(cluster);
    cluster->final_told = reeve_owner_final_count(cluster->owner);
    if (REEVE_UNLIKELY(cluster->watch_count != 0))
        reeve_cluster_watched(cluster);
    if (cluster->final_told != final_before)
        reeve_cluster_final_wake(cluster);
}

/* ---- what the daemon says -------------------------------------------------------------------- */

static void on_channel_as_holder(
    struct reeve_cluster *cluster, uint64_t now_ns, struct reeve_local_message *message)
{
    struct reeve_cluster_channel channel;
    struct reeve_owner_command back = {.lease = message->lease};
    uint32_t class_index = message->class_index, index;
    /* a lease just returned gives its channel up before its index serves again */
    pump(cluster, now_ns);
    channels_close(cluster);
    int error = reeve_cluster_channel_open(&channel, message, REEVE_CHANNEL_HOLDER);
    if (error == 0)
        error = reeve_owner_lease_gained(
            cluster->owner, now_ns, class_index, message->lease, message->node, &index);
    if (error == 0 && index >= cluster->holder_capacity) {
        uint32_t capacity = index + 1;
        struct reeve_cluster_channel *holders =
            realloc(cluster->holders, capacity * sizeof(*cluster->holders));
        if (holders == NULL) {
            reeve_owner_lease_lost(cluster->owner, now_ns, index, REEVE_ENOMEM, "");
            error = REEVE_ENOMEM;
        } else {
            memset(holders + cluster->holder_capacity, 0,
                (capacity - cluster->holder_capacity) * sizeof(*holders));
            cluster->holders = holders;
            cluster->holder_capacity = capacity;
        }
    }
    if (error != 0) {
        reeve_cluster_channel_close(&channel);
        message_send(cluster, REEVE_LOCAL_LEASE_RETURN, &back);
        return;
    }
    cluster->holders[index] = channel;
}

static void on_channel_as_worker(struct reeve_cluster *cluster, struct reeve_local_message *message)
{
    uint32_t index = 0;
    while (index < cluster->worker_capacity && cluster->workers[index]->open)
        index++;
    if (index == cluster->worker_capacity) {
        struct reeve_cluster_channel **workers =
            realloc(cluster->workers, (index + 1) * sizeof(*workers));
        if (workers == NULL)
            return; /* the lease lies idle until its holder returns it */
        cluster->workers = workers;
        workers[index] = calloc(1, sizeof(**workers));
        if (workers[index] == NULL)
            return;
        cluster->worker_capacity++;
    }
    uint64_t host = message->task;
    reeve_process_id owner = message->token;
    if (reeve_cluster_channel_open(cluster->workers[index], message, REEVE_CHANNEL_WORKER) != 0)
        return;
    cluster->workers[index]->cpu_milli = message->cpu_milli;
    if (host != 0) {
        cluster->workers[index]->owner = owner;
        cluster->workers[index]->class_index = UINT32_MAX; /* an actor runs none of its children */
    } else if (reeve_owner_class(cluster->owner, message->cpu_milli, message->priority,
                   &cluster->workers[index]->class_index) != 0) {
        cluster->workers[index]->class_index = UINT32_MAX; /* no child's is equal */
    }
}

static void on_lease_lost(struct reeve_cluster *cluster, uint64_t now_ns,
    const struct reeve_local_message *message, const char *text)
{
    uint32_t index;
    /* Lease 0: one node could not run the program. Others may: the head tries them, and says
     * INFEASIBLE when none can. */
    if (!reeve_owner_find_lease(cluster->owner, message->lease, &index))
        return;
    answers_drain(cluster, now_ns, index); /* what it had finished counts */
    struct reeve_ring *calls = &cluster->holders[index].channel.calls;
    uint64_t position;
    uint32_t attempt;
    reeve_task_id task = reeve_owner_each_in_flight(cluster->owner, index, 0, &position, &attempt);
    while (task != 0) {
        uint64_t next_position = 0;
        uint32_t next_attempt = 0;
        reeve_task_id next =
            reeve_owner_each_in_flight(cluster->owner, index, task, &next_position, &next_attempt);
        if (reeve_ring_recall(calls, position)) /* nobody had claimed it: not an attempt */
            reeve_owner_taken_back(cluster->owner, now_ns, index, task, attempt);
        else if (message->count != 0)
            reeve_owner_child_died(cluster->owner, index, task, attempt);
        task = next;
        position = next_position;
        attempt = next_attempt;
    }
    reeve_owner_lease_lost(cluster->owner, now_ns, index,
        message->code != 0 ? message->code : REEVE_EWORKERDIED, text);
    reeve_cluster_channel_close(&cluster->holders[index]);
}

void reeve_cluster_handle(
    struct reeve_cluster *cluster, uint64_t now_ns, struct reeve_local_message *message)
{
    char text[REEVE_LOCAL_TEXT_SIZE + 1];
    uint32_t index;
    snprintf(text, sizeof(text), "%.*s", (int)message->text_size, message->text);
    switch (message->kind) {
    case REEVE_LOCAL_CHANNEL:
        if (message->flags == REEVE_LOCAL_ROLE_HOLDER)
            on_channel_as_holder(cluster, now_ns, message);
        else if (message->flags == REEVE_LOCAL_ROLE_WORKER)
            on_channel_as_worker(cluster, message);
        break;
    case REEVE_LOCAL_LEASE_LOST: on_lease_lost(cluster, now_ns, message, text); break;
    case REEVE_LOCAL_LEASE_RECALL:
        if (reeve_owner_find_lease(cluster->owner, message->lease, &index))
            reeve_owner_lease_recalled(cluster->owner, now_ns, index);
        break;
    case REEVE_LOCAL_CHANNEL_CLOSE:
        for (index = 0; index < cluster->worker_capacity; index++)
            if (cluster->workers[index]->open && cluster->workers[index]->lease == message->lease)
                /* the loop closes it: its entry may be running */
                cluster->workers[index]->closing = true;
        reeve_owner_loans_lost(cluster->owner, now_ns, message->lease);
        if (cluster->task_wake != NULL)
            cluster->task_wake();
        break;
    case REEVE_LOCAL_FEED: reeve_cluster_fed(cluster, now_ns, message); break;
    case REEVE_LOCAL_ASK: reeve_cluster_asked(cluster, now_ns, message); break;
    case REEVE_LOCAL_INFEASIBLE:
        reeve_owner_class_failed(cluster->owner, now_ns, message->class_index,
            message->code != 0 ? message->code : REEVE_EINFEASIBLE, text);
        break;
    case REEVE_LOCAL_DEADLOCK:
        reeve_cluster_deadlocked(cluster, now_ns, message->count, text);
        break;
    case REEVE_LOCAL_RELAX:
        reeve_cluster_ahead_return(cluster);
        reeve_owner_relax(cluster->owner, message->size);
        break;
    case REEVE_LOCAL_OUTPUT: reeve_output_start(cluster, message); break;
    case REEVE_LOCAL_REFUSED: reeve_cluster_die(cluster, message->code, text); break;
    default: break; /* a newer daemon may say more than we know */
    }
}
