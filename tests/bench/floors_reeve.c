/* floors_reeve.c: a channel in place of the bare ring, all else as in floors_ring.c. */
#include "tests/bench/floors_reeve.h"

#include <stdlib.h>

#include "runtime/channel/channel.h"
#include "tests/bench/floors_internal.h"

#define CALL_BYTES 20u

struct shared {
    struct reeve_doorbell holder;
    struct reeve_doorbell worker;
    uint8_t channel[];
};

static const struct reeve_channel_geometry geometry = {512, 65536, 512, 65536};

struct side {
    struct shared *shared;
    struct reeve_channel channel;
    struct floor_codec *codec;
    bool sleeps;
};

static void attach(struct side *side, enum reeve_channel_role role)
{
    side->codec = floor_codec_create();
    if (reeve_channel_attach(
            &side->channel, side->shared->channel, reeve_channel_size_bytes(&geometry), role) != 0)
        abort();
}

static struct shared *make(void)
{
    struct shared *shared = floor_shared(sizeof *shared + reeve_channel_size_bytes(&geometry));
    reeve_doorbell_format(&shared->holder);
    reeve_doorbell_format(&shared->worker);
    reeve_channel_format(shared->channel, &geometry, 1);
    return shared;
}

static void claim(const struct side *side, struct reeve_ring *ring, struct reeve_doorbell *bell,
    struct reeve_entry_view *ret_view)
{
    for (;;) {
        int error = reeve_ring_claim(ring, ret_view);
        if (error == 0)
            return;
        if (error != REEVE_EAGAIN)
            abort();
        if (!side->sleeps) {
            floor_pause();
            continue;
        }
        reeve_doorbell_arm(bell, REEVE_DOORBELL_FUTEX);
        if (!reeve_ring_peek(ring))
            reeve_doorbell_sleep(bell, -1);
        reeve_doorbell_disarm(bell);
    }
}

static void worker_main(void *data)
{
    struct side *side = data;
    attach(side, REEVE_CHANNEL_WORKER);
    if (!side->sleeps)
        floor_pin(1);
    for (;;) {
        struct reeve_entry_view view;
        struct reeve_slot_fill fill;
        claim(side, &side->channel.calls, &side->shared->worker, &view);
        int64_t value = floor_codec_unpack_call(side->codec, view.payload, view.length);
        while (reeve_ring_reserve(&side->channel.returns, CALL_BYTES, &fill) != 0)
            floor_pause();
        fill.slot->task = view.task;
        fill.slot->attempt = view.attempt;
        fill.slot->function = view.function;
        fill.slot->references = 0;
        fill.slot->kind = 1;
        fill.slot->flags = 0;
        fill.slot->status = 0;
        reeve_ring_shrink(
            &side->channel.returns, &fill, floor_codec_pack_return(fill.payload, value * 10));
        reeve_ring_publish(&side->channel.returns);
        reeve_ring_done(&side->channel.calls, view.position);
        reeve_doorbell_ring(&side->shared->holder, -1);
    }
}

static bool stage(struct side *side, uint64_t i)
{
    struct reeve_slot_fill fill;
    if (reeve_ring_reserve(&side->channel.calls, CALL_BYTES, &fill) != 0)
        return false;
    fill.slot->task = i;
    fill.slot->attempt = 1;
    fill.slot->function = 2;
    fill.slot->references = 0;
    fill.slot->kind = 1;
    fill.slot->flags = 0;
    fill.slot->status = 0;
    reeve_ring_shrink(
        &side->channel.calls, &fill, floor_codec_pack_call(fill.payload, (int64_t)i * 1000));
    return true;
}

static void publish(struct side *side)
{
    reeve_ring_publish(&side->channel.calls);
    reeve_doorbell_ring(&side->shared->worker, -1);
    if (reeve_ring_revoked(&side->channel.calls))
        abort();
}

static void finish(struct side *side, const struct reeve_entry_view *view)
{
    int64_t value = floor_codec_unpack_return(side->codec, view->payload, view->length);
    if (value != (int64_t)view->task * 10000)
        abort();
    reeve_ring_done(&side->channel.returns, view->position);
}

static double round_trips(bool sleeps, uint32_t group)
{
    struct side worker = {.shared = make(), .sleeps = sleeps};
    struct side holder = {.shared = worker.shared, .sleeps = sleeps};
    struct floor_samples samples;
    floor_samples_init(&samples);
    attach(&holder, REEVE_CHANNEL_HOLDER);
    pid_t peer = floor_peer_start(worker_main, &worker);
    if (!sleeps)
        floor_pin(0);
    uint64_t i = 1;
    for (uint64_t now = floor_now_ns(), end = now + FLOOR_NS; now < end;) {
        for (uint32_t k = 0; k < group; k++, i++) {
            struct reeve_entry_view view;
            if (!stage(&holder, i))
                abort();
            publish(&holder);
            claim(&holder, &holder.channel.returns, &holder.shared->holder, &view);
            finish(&holder, &view);
        }
        uint64_t later = floor_now_ns();
        floor_samples_add(&samples, (double)(later - now) / group / 1e3);
        now = later;
    }
    floor_peer_stop(peer);
    return floor_samples_median(&samples);
}

double reeve_ring_codec_sync_us(void)
{
    return round_trips(false, FLOOR_GROUP);
}

double reeve_ring_codec_futex_us(void)
{
    return round_trips(true, 1);
}

double reeve_ring_codec_calls_s(void)
{
    struct side worker = {.shared = make()};
    struct side holder = {.shared = worker.shared};
    attach(&holder, REEVE_CHANNEL_HOLDER);
    pid_t peer = floor_peer_start(worker_main, &worker);
    floor_pin(0);
    uint64_t sent = 0;
    uint64_t taken = 0;
    uint64_t start = floor_now_ns();
    uint64_t now = start;
    while (now - start < FLOOR_NS) {
        for (int round = 0; round < 64; round++) {
            for (uint32_t k = 0; k < FLOOR_BATCH && stage(&holder, sent + 1); k++)
                sent++;
            publish(&holder);
            for (;;) {
                struct reeve_entry_view view;
                int error = reeve_ring_claim(&holder.channel.returns, &view);
                if (error == 0) {
                    finish(&holder, &view);
                    taken++;
                } else if (error != REEVE_EAGAIN) {
                    abort();
                } else if (sent - taken <= FLOOR_WINDOW - FLOOR_BATCH) {
                    break;
                } else {
                    floor_pause();
                }
            }
        }
        now = floor_now_ns();
    }
    floor_peer_stop(peer);
    return (double)taken / ((double)(now - start) / 1e9);
}
