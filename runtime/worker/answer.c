/* Answers: what is written into return rings. See answer.h. */
#include "runtime/worker/answer.h"

#include <msgpack.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "runtime/base/macros.h"
#include "runtime/worker/jobs.h"
#include "runtime/worker/yield.h"

#define RETURN_RETRY_NS   1000000
#define PIECE_SIZE_MAX    ((size_t)64 * 1024)
#define FAILURES_A_SECOND 20

static struct {
    struct reeve_cluster *cluster;
    const char *host;
} self;

bool answer_woke_holder;

void answer_init(struct reeve_cluster *cluster, const char *host)
{
    self.cluster = cluster;
    self.host = host;
}

/* ---- failures -------------------------------------------------------------------------------- */

size_t answer_error_pack(const struct reeve_error_info *error, uint8_t *bytes, size_t capacity)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 3);
    msgpack_pack_str_with_body(&packer, "message", 7);
    msgpack_pack_str_with_body(&packer, error->message, strlen(error->message));
    msgpack_pack_str_with_body(&packer, "code", 4);
    msgpack_pack_int64(&packer, error->user_code);
    msgpack_pack_str_with_body(&packer, "node", 4);
    msgpack_pack_str_with_body(&packer, self.host, strlen(self.host));
    size_t size = REEVE_MIN(buffer.size, capacity);
    memcpy(bytes, buffer.data, size);
    msgpack_sbuffer_destroy(&buffer);
    return size;
}

void answer_failure_tell(const struct reeve_cluster *cluster, int code, uint32_t function,
    struct reeve_object_id task, const char *text)
{
    static _Atomic uint64_t second, told;
    uint64_t now = reeve_cluster_now_ns() / 1000000000u;
    if (atomic_exchange_explicit(&second, now, memory_order_relaxed) != now)
        atomic_store_explicit(&told, 0, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&told, 1, memory_order_relaxed) >= FAILURES_A_SECOND ||
        cluster->socket < 0 || code == REEVE_ECANCELLED)
        return;
    struct reeve_local_message message = {.kind = REEVE_LOCAL_FAILED,
        .code = code,
        .count = function,
        .task = task.sequence,
        .process = task.owner};
    reeve_local_set_text(&message, "%s", text);
    (void)reeve_local_send(cluster->socket, &message, MSG_DONTWAIT);
}

/* ---- answering ------------------------------------------------------------------------------- */

/* Several threads answer from the first job on. `job`: which runs beside this thread, or is
 * answered later; or NULL. */
static void returns_begin(const struct job *job)
{
    if (REEVE_UNLIKELY(job != NULL || reeve_jobs_any))
        reeve_worker_publish_begin();
}

static void returns_end(const struct job *job)
{
    if (REEVE_UNLIKELY(job != NULL || reeve_jobs_any))
        reeve_worker_publish_end();
}

/* Room on the return ring, which has a slot for every entry it can be given; only its bytes may be
 * short, until the holder reads. True: returns_end follows. False: nobody wants it any more. */
static bool return_reserve(struct reeve_cluster_channel *channel, const struct job *job,
    size_t length, struct reeve_slot_fill *fill)
{
    struct reeve_ring *ring = &channel->channel.returns;
    for (;;) {
        returns_begin(job);
        bool gone = job != NULL && job->gone;
        int error = gone ? REEVE_ECANCELLED : reeve_ring_reserve(ring, (uint32_t)length, fill);
        if (REEVE_LIKELY(error == 0))
            return true;
        if (error == REEVE_EAGAIN)
            (void)reeve_doorbell_ring(channel->bell, channel->bell_fd);
        returns_end(job);
        if (error != REEVE_EAGAIN) /* gone, or the holder scribbled; the daemon ends the lease */
            return false;
        if ((job == NULL && channel->closing) || self.cluster->dead)
            return false;
        struct timespec pause = {0, RETURN_RETRY_NS};
        nanosleep(&pause, NULL);
    }
}

void answer_pieces(struct reeve_cluster_channel *channel, const struct job *job,
    const struct reeve_entry_view *view, const struct reeve_buffer *bytes)
{
    struct reeve_slot_fill fill;
    for (size_t at = 0, length; at < bytes->size; at += length) {
        length = REEVE_MIN(bytes->size - at, PIECE_SIZE_MAX);
        if (!return_reserve(channel, job, length, &fill))
            return;
        answer_slot_fill(fill.slot, view, REEVE_ENTRY_HANDED);
        memcpy(fill.payload, bytes->data + at, length);
        reeve_ring_publish(&channel->channel.returns);
        returns_end(job);
    }
}

void answer(struct reeve_cluster_channel *channel, struct job *job,
    const struct reeve_entry_view *view, int status, const struct reeve_reference *object,
    const void *bytes, size_t size)
{
    struct reeve_ring *ring = &channel->channel.returns;
    struct reeve_slot_fill fill;
    size_t head = object != NULL ? sizeof(*object) : 0;
    size_t length = head + (object == NULL || status != 0 ? size : 0);
    if (!return_reserve(channel, job, length, &fill))
        return;
    fill.slot->task = view->task;
    fill.slot->attempt = view->attempt;
    fill.slot->function = view->function;
    fill.slot->references = object != NULL ? 1 : 0;
    fill.slot->kind = REEVE_ENTRY_RESULT;
    fill.slot->flags = object != NULL && status == 0 ? REEVE_ENTRY_OBJECT : 0;
    fill.slot->status = (int16_t)status;
    if (REEVE_UNLIKELY(head != 0))
        memcpy(fill.payload, object, head);
    reeve_copy((uint8_t *)fill.payload + head, bytes, length - head);
    reeve_ring_publish(ring);
    if (REEVE_LIKELY(job == NULL) || !job->slot_done)
        reeve_ring_done(&channel->channel.calls, view->position);
    bool woke = reeve_doorbell_ring(channel->bell, channel->bell_fd);
    if (REEVE_LIKELY(job == NULL))
        answer_woke_holder = woke;
    else
        job->slot_done = true;
    returns_end(job);
}

void answer_recalled(struct reeve_cluster_channel *channel, const struct reeve_entry_view *view)
{
    struct reeve_slot_fill fill;
    if (!return_reserve(channel, NULL, 0, &fill))
        return;
    answer_slot_fill(fill.slot, view, REEVE_ENTRY_RECALLED);
    fill.slot->status = REEVE_ECANCELLED;
    reeve_ring_publish(&channel->channel.returns);
    reeve_ring_done(&channel->channel.calls, view->position);
    (void)reeve_doorbell_ring(channel->bell, channel->bell_fd);
    returns_end(NULL);
}

void answer_error(struct job *job, const struct reeve_error_info *error)
{
    uint8_t bytes[1024];
    size_t size = answer_error_pack(error, bytes, sizeof(bytes));
    answer_failure_tell(self.cluster, error->code, job->view.function,
        (struct reeve_object_id){job->channel->peer, job->view.task}, error->message);
    reeve_doorbell_count_shared(self.cluster->bell, job->view.function, true);
    answer(job->channel, job, &job->view, error->code, NULL, bytes, size);
}

bool answer_saved(struct job *job, uint32_t actor, const void *bytes, size_t size)
{
    struct reeve_slot_fill fill;
    if (!return_reserve(job->channel, job, size, &fill))
        return false;
    fill.slot->task = actor;
    fill.slot->attempt = 0;
    fill.slot->function = 0;
    fill.slot->references = 0;
    fill.slot->kind = REEVE_ENTRY_SAVED;
    fill.slot->flags = 0;
    fill.slot->status = 0;
    memcpy(fill.payload, bytes, size);
    reeve_ring_publish(&job->channel->channel.returns);
    (void)reeve_doorbell_ring(job->channel->bell, job->channel->bell_fd);
    returns_end(job);
    return true;
}
