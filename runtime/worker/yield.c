/* Yielding. See yield.h. */
#include "runtime/worker/yield.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/client/error.h"
#include "api/client/running.h"
#include "runtime/base/macros.h"
#include "runtime/worker/answer.h"

#define PIECE_SIZE_MAX ((size_t)64 * 1024)
#define RETRY_NS       1000000
#define SPINS          2000 /* looks before it sleeps: some microseconds */
#define SPIN_YIELD     100  /* looks between two offers of the core to others */

static struct {
    /* the main thread's */
    uint32_t sent; /* units of this call */
    struct reeve_stream_window window;
    /* Written by the main thread. Who tells of credit reads the tag before it compares the rest,
     * and the task is 0 while they are written: so what is said of another call has another tag. */
    _Atomic uint64_t lease, task;
    _Atomic uint32_t attempt, tag;
    _Atomic(struct reeve_credit *) credit; /* NULL: nothing has been yielded */
    _Atomic bool publishing;
} yielding;

/* ---- publishing ------------------------------------------------------------------------------ */

void reeve_worker_publish_begin(void)
{
    /* short, and mostly nobody else is there */
    while (atomic_exchange_explicit(&yielding.publishing, true, memory_order_acquire))
        sched_yield();
}

void reeve_worker_publish_end(void)
{
    atomic_store_explicit(&yielding.publishing, false, memory_order_release);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static bool has_room(void)
{
    const struct reeve_credit *credit =
        atomic_load_explicit(&yielding.credit, memory_order_relaxed);
    uint32_t tag = atomic_load_explicit(&yielding.tag, memory_order_relaxed);
    return yielding.sent - reeve_credit_taken(credit, tag) < yielding.window.units;
}

static bool is_over(
    const struct reeve_cluster *cluster, const struct reeve_cluster_channel *channel)
{
    uint64_t running = atomic_load_explicit(&reeve_running_control, memory_order_relaxed);
    return (running & REEVE_RUNNING_STATE) != REEVE_RUNNING ||
           atomic_load_explicit(&channel->closing, memory_order_relaxed) || cluster->dead;
}

static bool room_soon(void)
{
    for (int i = 0; i < SPINS; i++) {
        if (has_room())
            return true;
        if (i % SPIN_YIELD == SPIN_YIELD - 1)
            sched_yield();
    }
    return false;
}

/* The reader is slow: sleeps, and lends the cpu when that takes long. */
static void room_wait(struct reeve_cluster *cluster, const struct reeve_cluster_channel *channel)
{
    struct reeve_credit *credit = channel->channel.credit;
    struct reeve_cluster_lend lend = {.due_ns = UINT64_MAX};
    reeve_lock(&cluster->lock);
    reeve_cluster_lend_begin(cluster, &lend);
    reeve_unlock(&cluster->lock);
    while (!has_room() && !is_over(cluster, channel)) {
        uint64_t now_ns = reeve_cluster_now_ns();
        if (now_ns >= lend.due_ns) {
            reeve_lock(&cluster->lock);
            reeve_cluster_lend_due(cluster, &lend, now_ns);
            reeve_unlock(&cluster->lock);
        }
        reeve_credit_arm(credit);
        if (!has_room() && !is_over(cluster, channel))
            reeve_credit_sleep(credit, lend.due_ns == UINT64_MAX
                                           ? -1
                                           : (int64_t)(REEVE_MAX(lend.due_ns, now_ns) - now_ns));
        reeve_credit_disarm(credit);
    }
    reeve_lock(&cluster->lock);
    reeve_cluster_lend_end(cluster, &lend);
    reeve_unlock(&cluster->lock);
}

/* ---- yielding -------------------------------------------------------------------------------- */

static void begin(const struct reeve_cluster_channel *channel, const struct reeve_entry_view *view)
{
    struct reeve_entry_parts parts = {.timeout_ms = 0};
    (void)reeve_entry_split(view->payload, view->length, view->references, view->flags, &parts);
    yielding.sent = 0;
    yielding.window = reeve_stream_window_of(parts.window);
    atomic_store(&yielding.task, 0);
    atomic_store(&yielding.tag, (uint32_t)view->position);
    atomic_store(&yielding.lease, channel->lease);
    atomic_store(&yielding.attempt, view->attempt);
    atomic_store(&yielding.credit, channel->channel.credit);
    atomic_store(&yielding.task, view->task);
}

void reeve_worker_yield_end(void)
{
    atomic_store(&yielding.task, 0);
    atomic_store(&yielding.credit, NULL);
}

/* The process is about to end, and has been answered for. */
static void stay_if_ending(void)
{
    uint64_t running = atomic_load(&reeve_running_control);
    if (REEVE_LIKELY((running & REEVE_RUNNING_STATE) != REEVE_RUNNING_ENDING))
        return;
    reeve_worker_publish_end();
    for (;;)
        pause();
}

/* One entry; `more`: it is not the last of its item. */
static int publish(struct reeve_cluster *cluster, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, size_t size, bool more, reeve_pack_item *pack,
    const void *item, struct reeve_error_info *error)
{
    struct reeve_ring *ring = &channel->channel.returns;
    struct reeve_slot_fill fill;
    int code;
    for (;;) {
        reeve_worker_publish_begin();
        stay_if_ending();
        code = reeve_ring_reserve(ring, (uint32_t)size, &fill);
        if (REEVE_LIKELY(code != REEVE_EAGAIN))
            break;
        reeve_worker_publish_end(); /* its bytes are full, until the holder reads */
        (void)reeve_doorbell_ring(channel->bell, channel->bell_fd);
        if (is_over(cluster, channel))
            return reeve_error_set(error, REEVE_ECANCELLED, "%s", "");
        struct timespec pause = {0, RETRY_NS};
        nanosleep(&pause, NULL);
    }
    if (REEVE_LIKELY(code == 0) && REEVE_UNLIKELY(!pack(item, fill.payload, size))) {
        reeve_ring_abandon(ring);
        code = reeve_error_set(error, REEVE_EINVAL, "the item changed while it was being packed");
    } else if (REEVE_LIKELY(code == 0)) {
        answer_slot_fill(fill.slot, view, REEVE_ENTRY_ITEM);
        if (more)
            fill.slot->flags = REEVE_ENTRY_MORE;
        reeve_ring_publish(ring);
        (void)reeve_doorbell_ring(channel->bell, channel->bell_fd);
    } else { /* else the holder scribbled; the daemon ends the lease */
        code = reeve_error_set(error, REEVE_ECANCELLED, "%s", "");
    }
    reeve_worker_publish_end();
    return code;
}

static bool piece_pack(const void *item, uint8_t *bytes, size_t size)
{
    memcpy(bytes, item, size);
    return true;
}

static int publish_large(struct reeve_cluster *cluster, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, size_t size, reeve_pack_item *pack, const void *item,
    struct reeve_error_info *error)
{
    uint8_t *bytes = aligned_alloc(64, REEVE_ALIGN_UP(size, (size_t)64));
    int code = 0;
    if (bytes == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "no memory for an item of %zu bytes", size);
    if (!pack(item, bytes, size))
        code = reeve_error_set(error, REEVE_EINVAL, "the item changed while it was being packed");
    for (size_t at = 0, length; at < size && code == 0; at += length) {
        length = REEVE_MIN(size - at, PIECE_SIZE_MAX);
        code = publish(
            cluster, channel, view, length, at + length < size, piece_pack, bytes + at, error);
    }
    free(bytes);
    return code;
}

int reeve_worker_yield(struct reeve_cluster *cluster, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, size_t size, reeve_pack_item *pack, const void *item,
    struct reeve_error_info *error)
{
    if (REEVE_UNLIKELY(atomic_load_explicit(&yielding.credit, memory_order_relaxed) == NULL))
        begin(channel, view);
    if (REEVE_UNLIKELY(size > UINT32_MAX))
        return reeve_error_set(error, REEVE_ETOOLARGE, "an item has less than 4 GiB");
    if (REEVE_UNLIKELY(!has_room()) && !room_soon())
        room_wait(cluster, channel);
    if (REEVE_UNLIKELY(is_over(cluster, channel)))
        return reeve_error_set(error, REEVE_ECANCELLED, "nobody wants the rest of the stream");
    int code = REEVE_LIKELY(size <= PIECE_SIZE_MAX)
                   ? publish(cluster, channel, view, size, false, pack, item, error)
                   : publish_large(cluster, channel, view, size, pack, item, error);
    if (REEVE_LIKELY(code == 0))
        yielding.sent += reeve_stream_units(&yielding.window, (uint32_t)size);
    return code;
}

/* ---- the background thread ------------------------------------------------------------------- */

void reeve_worker_credit(const struct reeve_local_message *message)
{
    uint32_t tag = atomic_load(&yielding.tag);
    struct reeve_credit *credit = atomic_load(&yielding.credit);
    if (credit == NULL || atomic_load(&yielding.task) != message->task ||
        atomic_load(&yielding.lease) != message->lease ||
        atomic_load(&yielding.attempt) != message->count)
        return;
    reeve_credit_give(credit, tag, (uint32_t)message->size);
}

void reeve_worker_yield_wake(void)
{
    struct reeve_credit *credit = atomic_load(&yielding.credit);
    if (credit != NULL)
        reeve_credit_wake(credit);
}
