/* The ring, one step at a time: every transition, every limit, and what a scribbling peer can
 * (not) do. The memory is a heap block of exactly the ring's size, so that the address sanitizer
 * sees any step outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/prng.h"
#include "runtime/channel/ring.h"

struct fixture {
    void *memory;
    size_t size_bytes;
    struct reeve_ring producer;
    struct reeve_ring consumer;
    struct reeve_ring revoker;
};

static void open_ring(struct fixture *f, uint32_t slots, uint32_t payload_bytes, bool recallable)
{
    struct reeve_ring_geometry geometry = {slots, payload_bytes, recallable};
    assert_true(reeve_ring_geometry_valid(&geometry));
    f->size_bytes = reeve_ring_size_bytes(&geometry);
    f->memory = aligned_alloc(64, f->size_bytes);
    assert_non_null(f->memory);
    memset(f->memory, 0, f->size_bytes);
    reeve_ring_format(f->memory, &geometry);
    assert_int_equal(reeve_ring_attach_producer(&f->producer, f->memory, f->size_bytes), 0);
    assert_int_equal(reeve_ring_attach_consumer(&f->consumer, f->memory, f->size_bytes), 0);
    assert_int_equal(reeve_ring_attach_revoker(&f->revoker, f->memory, f->size_bytes), 0);
}

static void close_ring(struct fixture *f)
{
    reeve_ring_detach(&f->producer);
    reeve_ring_detach(&f->consumer);
    reeve_ring_detach(&f->revoker);
    free(f->memory);
}

/* Reserves one entry whose bytes follow from its task number. */
static int put(struct fixture *f, uint64_t task, uint32_t length, uint64_t *ret_position)
{
    struct reeve_slot_fill fill = {0};
    int error = reeve_ring_reserve(&f->producer, length, &fill);
    if (error != 0)
        return error;
    fill.slot->task = task;
    fill.slot->attempt = (uint32_t)task * 3;
    fill.slot->function = (uint32_t)task * 5;
    fill.slot->references = (uint16_t)(task * 7);
    fill.slot->kind = (uint8_t)(task * 11);
    fill.slot->flags = (uint16_t)(task * 13);
    fill.slot->status = (int16_t)(task * 17);
    memset(fill.payload, (int)(task & 0xff), length);
    if (ret_position != NULL)
        *ret_position = fill.position;
    return 0;
}

static uint64_t publish_one(struct fixture *f, uint64_t task, uint32_t length)
{
    uint64_t position;
    assert_int_equal(put(f, task, length, &position), 0);
    assert_int_equal(reeve_ring_publish(&f->producer), 1);
    return position;
}

static void check_view(const struct reeve_entry_view *view, uint64_t task, uint32_t length)
{
    assert_int_equal(view->task, task);
    assert_int_equal(view->attempt, (uint32_t)task * 3);
    assert_int_equal(view->function, (uint32_t)task * 5);
    assert_int_equal(view->references, (uint16_t)(task * 7));
    assert_int_equal(view->kind, (uint8_t)(task * 11));
    assert_int_equal(view->flags, (uint16_t)(task * 13));
    assert_int_equal(view->status, (int16_t)(task * 17));
    assert_int_equal(view->length, length);
    for (uint32_t i = 0; i < length; i++)
        assert_int_equal(view->payload[i], task & 0xff);
}

static uint64_t claim_one(struct fixture *f, uint64_t task, uint32_t length)
{
    struct reeve_entry_view view = {0};
    assert_true(reeve_ring_peek(&f->consumer));
    assert_int_equal(reeve_ring_claim(&f->consumer, &view), 0);
    check_view(&view, task, length);
    return view.position;
}

static void claim_none(struct fixture *f)
{
    struct reeve_entry_view view = {0};
    assert_int_equal(reeve_ring_claim(&f->consumer, &view), REEVE_EAGAIN);
    assert_false(reeve_ring_peek(&f->consumer));
}

static void geometry_is_checked(void **state)
{
    (void)state;
    struct reeve_ring_geometry bad[] = {{3, 1024, true}, {0, 1024, true}, {1, 1024, true},
        {64, 1000, true}, {64, 0, true}, {64, 32, true}, {REEVE_RING_SLOTS_MAX * 2, 1024, true},
        {64, 1u << 31, true}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(reeve_ring_geometry_valid(&bad[i]));
    struct fixture f;
    open_ring(&f, 4, 64, true);
    struct reeve_ring ring = {0};
    assert_int_equal(
        reeve_ring_attach_consumer(&ring, f.memory, f.size_bytes - 1), REEVE_EPROTOCOL);
    assert_int_equal(reeve_ring_attach_consumer(&ring, f.memory, 8), REEVE_EPROTOCOL);
    struct reeve_ring_header *header = f.memory;
    header->slot_count = 8; /* would reach beyond the end */
    assert_int_equal(reeve_ring_attach_consumer(&ring, f.memory, f.size_bytes), REEVE_EPROTOCOL);
    header->slot_count = 4;
    header->payload_bytes = 0x80000000u;
    assert_int_equal(reeve_ring_attach_producer(&ring, f.memory, f.size_bytes), REEVE_EPROTOCOL);
    header->payload_bytes = 64;
    header->magic++;
    assert_int_equal(reeve_ring_attach_revoker(&ring, f.memory, f.size_bytes), REEVE_EPROTOCOL);
    close_ring(&f);
}

static void entries_pass_in_order_lap_after_lap(void **state)
{
    bool recallable = *(bool *)*state;
    struct fixture f;
    open_ring(&f, 4, 512, recallable);
    claim_none(&f);
    for (uint64_t task = 0; task < 1000; task += 3) {
        for (uint64_t i = 0; i < 3; i++)
            assert_int_equal(put(&f, task + i, (uint32_t)((task + i) % 80), NULL), 0);
        claim_none(&f); /* reserved only */
        assert_int_equal(reeve_ring_publish(&f.producer), 3);
        for (uint64_t i = 0; i < 3; i++)
            reeve_ring_done(&f.consumer, claim_one(&f, task + i, (uint32_t)((task + i) % 80)));
        claim_none(&f);
    }
    close_ring(&f);
}

static void a_full_ring_refuses_and_recovers(void **state)
{
    (void)state;
    struct fixture f;
    open_ring(&f, 4, 256, true);
    for (uint64_t task = 0; task < 4; task++)
        publish_one(&f, task, 8);
    assert_int_equal(put(&f, 4, 8, NULL), REEVE_EAGAIN);
    uint64_t first = claim_one(&f, 0, 8);
    uint64_t second = claim_one(&f, 1, 8);
    assert_int_equal(put(&f, 4, 8, NULL), REEVE_EAGAIN);
    reeve_ring_done(&f.consumer, second); /* out of order: the tail still waits for the first */
    assert_int_equal(put(&f, 4, 8, NULL), REEVE_EAGAIN);
    assert_int_equal(reeve_ring_used(&f.producer), 4);
    reeve_ring_done(&f.consumer, first);
    assert_int_equal(reeve_ring_reclaim(&f.producer), 2);
    assert_int_equal(reeve_ring_used(&f.producer), 2);
    publish_one(&f, 4, 8);
    publish_one(&f, 5, 8);
    assert_int_equal(put(&f, 6, 8, NULL), REEVE_EAGAIN);
    for (uint64_t task = 2; task < 6; task++)
        reeve_ring_done(&f.consumer, claim_one(&f, task, 8));
    close_ring(&f);
}

static void the_byte_ring_is_freed_with_its_slots(void **state)
{
    (void)state;
    struct fixture f;
    open_ring(&f, 16, 256, true);
    assert_int_equal(put(&f, 1, 257, NULL), REEVE_ETOOLARGE);
    publish_one(&f, 1, 100); /* 104 of 256 */
    publish_one(&f, 2, 100); /* 208 */
    assert_int_equal(put(&f, 3, 100, NULL), REEVE_EAGAIN);
    publish_one(&f, 3, 28);                              /* inline ones still pass */
    reeve_ring_done(&f.consumer, claim_one(&f, 1, 100)); /* 0..103 free, 208.. free */
    publish_one(&f, 4, 100);                             /* skips 208..255, lies at 0 */
    assert_int_equal(put(&f, 5, 29, NULL), REEVE_EAGAIN);
    reeve_ring_done(&f.consumer, claim_one(&f, 2, 100));
    reeve_ring_done(&f.consumer, claim_one(&f, 3, 28));
    publish_one(&f, 5, 29);
    reeve_ring_done(&f.consumer, claim_one(&f, 4, 100));
    reeve_ring_done(&f.consumer, claim_one(&f, 5, 29));
    for (uint64_t task = 6; task < 20;
         task++) { /* as long as the whole: fits whenever the ring is empty */
        publish_one(&f, task, 256);
        assert_int_equal(put(&f, 99, 40, NULL), REEVE_EAGAIN);
        reeve_ring_done(&f.consumer, claim_one(&f, task, 256));
    }
    close_ring(&f);
}

static void shrink_gives_bytes_back(void **state)
{
    (void)state;
    struct fixture f;
    open_ring(&f, 16, 256, true);
    for (uint64_t task = 0; task < 200; task++) {
        struct reeve_slot_fill fill = {0};
        uint32_t bound = task % 3 == 0 ? 256 : task % 3 == 1 ? 200 : 28;
        uint32_t length = (uint32_t)(task % (bound < 60 ? bound : 60));
        assert_int_equal(reeve_ring_reserve(&f.producer, bound, &fill), 0);
        fill.slot->task = task;
        memset(fill.payload, (int)task, length);
        reeve_ring_shrink(&f.producer, &fill, length);
        if (bound > 28 && length <= 48) { /* the bytes are there again */
            struct reeve_slot_fill other;
            assert_int_equal(reeve_ring_reserve(&f.producer, 100, &other), 0);
            reeve_ring_abandon(&f.producer);
            assert_int_equal(reeve_ring_reserve(&f.producer, bound, &fill), 0);
            fill.slot->task = task;
            memset(fill.payload, (int)task, length);
            reeve_ring_shrink(&f.producer, &fill, length);
        }
        assert_int_equal(reeve_ring_publish(&f.producer), 1);
        struct reeve_entry_view view = {0};
        assert_int_equal(reeve_ring_claim(&f.consumer, &view), 0);
        assert_int_equal(view.task, task);
        assert_int_equal(view.length, length);
        for (uint32_t i = 0; i < length; i++)
            assert_int_equal(view.payload[i], task & 0xff);
        reeve_ring_done(&f.consumer, view.position);
    }
    close_ring(&f);
}

static void abandoned_entries_never_were(void **state)
{
    (void)state;
    struct fixture f;
    open_ring(&f, 4, 256, true);
    publish_one(&f, 1, 100);
    assert_int_equal(put(&f, 2, 100, NULL), 0);
    assert_int_equal(put(&f, 3, 8, NULL), 0);
    reeve_ring_abandon(&f.producer);
    assert_int_equal(reeve_ring_publish(&f.producer), 0);
    publish_one(&f, 4, 120); /* the 104 bytes of the dropped one are free again */
    reeve_ring_done(&f.consumer, claim_one(&f, 1, 100));
    reeve_ring_done(&f.consumer, claim_one(&f, 4, 120));
    claim_none(&f);
    close_ring(&f);
}

static void recall_takes_back_what_is_unclaimed(void **state)
{
    (void)state;
    struct fixture f;
    open_ring(&f, 4, 256, true);
    uint64_t first = publish_one(&f, 1, 8);
    uint64_t second = publish_one(&f, 2, 40);
    uint64_t third = publish_one(&f, 3, 8);
    assert_int_equal(reeve_ring_unclaimed(&f.producer), 3);
    uint64_t claimed = claim_one(&f, 1, 8);
    assert_int_equal(reeve_ring_unclaimed(&f.producer), 2);
    assert_int_equal(reeve_ring_state(&f.producer, first), REEVE_SLOT_CLAIMED);
    assert_false(reeve_ring_recall(&f.producer, first));
    assert_true(reeve_ring_recall(&f.producer, second));
    assert_false(reeve_ring_recall(&f.producer, second));
    assert_int_equal(reeve_ring_state(&f.producer, second), REEVE_SLOT_RECALLED);
    assert_int_equal(reeve_ring_state(&f.producer, third), REEVE_SLOT_READY);
    assert_int_equal(reeve_ring_unclaimed(&f.producer), 1);
    reeve_ring_done(&f.consumer, claimed);
    assert_int_equal(reeve_ring_state(&f.producer, first), REEVE_SLOT_DONE);
    uint64_t last = claim_one(&f, 3, 8); /* over the recalled one */
    assert_int_equal(reeve_ring_reclaim(&f.producer), 2);
    assert_int_equal(reeve_ring_state(&f.producer, first), REEVE_SLOT_FREE);
    assert_int_equal(reeve_ring_state(&f.producer, last + 1), REEVE_SLOT_FREE);
    assert_int_equal(reeve_ring_unclaimed(&f.producer), 0);
    close_ring(&f);
}

static void a_late_recall_misses_the_next_tenant(void **state)
{
    (void)state;
    struct fixture f;
    open_ring(&f, 2, 64, true);
    uint64_t old = publish_one(&f, 1, 8);
    reeve_ring_done(&f.consumer, claim_one(&f, 1, 8));
    publish_one(&f, 2, 8);
    uint64_t tenant = publish_one(&f, 3, 8);
    assert_int_equal(tenant, old + 2); /* the same slot */
    assert_false(reeve_ring_recall(&f.producer, old));
    assert_int_equal(reeve_ring_state(&f.producer, tenant), REEVE_SLOT_READY);
    close_ring(&f);
}

/* A worker in a long task does not look at the ring while its holder puts and takes back, many
 * laps long. */
static void the_consumer_catches_up_with_recalled_laps(void **state)
{
    (void)state;
    for (uint64_t recalled = 0; recalled < 40; recalled++) {
        struct fixture f;
        open_ring(&f, 4, 256, true);
        uint64_t running = publish_one(&f, 1000, 8);
        assert_int_equal(claim_one(&f, 1000, 8), running);
        reeve_ring_done(&f.consumer, running);
        for (uint64_t i = 0; i < recalled; i++)
            assert_true(reeve_ring_recall(&f.producer, publish_one(&f, i, (uint32_t)(i * 7 % 60))));
        publish_one(&f, 7, 8);
        publish_one(&f, 8, 40);
        reeve_ring_done(&f.consumer, claim_one(&f, 7, 8));
        reeve_ring_done(&f.consumer, claim_one(&f, 8, 40));
        claim_none(&f);
        publish_one(&f, 9, 8);
        reeve_ring_done(&f.consumer, claim_one(&f, 9, 8));
        close_ring(&f);
    }
}

static void peek_is_false_once_recalled_ones_are_passed(void **state)
{
    (void)state;
    struct fixture f;
    struct reeve_entry_view view = {0};
    open_ring(&f, 4, 256, true);
    assert_true(reeve_ring_recall(&f.producer, publish_one(&f, 1, 8)));
    assert_true(reeve_ring_peek(&f.consumer));
    assert_int_equal(reeve_ring_claim(&f.consumer, &view), REEVE_EAGAIN);
    assert_false(reeve_ring_peek(&f.consumer));
    close_ring(&f);
}

static void revoked_entries_wait_for_the_producer(void **state)
{
    (void)state;
    struct fixture f;
    struct reeve_ring_census census;
    open_ring(&f, 4, 256, true);
    uint64_t position[4];
    for (uint64_t task = 0; task < 4; task++)
        position[task] = publish_one(&f, task, 40);
    uint64_t running = claim_one(&f, 0, 40);
    assert_true(reeve_ring_recall(&f.producer, position[1]));
    assert_false(reeve_ring_revoked(&f.producer));
    assert_int_equal(reeve_ring_revoke_all(&f.revoker, &census), 0);
    assert_int_equal(census.revoked, 2);
    assert_int_equal(census.claimed, 1);
    assert_true(reeve_ring_revoked(&f.producer));
    assert_int_equal(reeve_ring_revoke_all(&f.revoker, &census), 0); /* again: nothing more */
    assert_int_equal(census.revoked, 0);
    claim_none(&f); /* nobody runs them */
    reeve_ring_done(&f.consumer, running);
    assert_int_equal(reeve_ring_reclaim(&f.producer),
        2); /* not the revoked ones: their producer has not seen it */
    assert_int_equal(reeve_ring_state(&f.producer, position[2]), REEVE_SLOT_REVOKED);
    assert_true(reeve_ring_recall(&f.producer, position[2]));
    assert_true(reeve_ring_recall(&f.producer, position[3]));
    assert_false(reeve_ring_recall(&f.producer, position[3]));
    assert_int_equal(reeve_ring_reclaim(&f.producer), 2);
    reeve_ring_readmit(&f.revoker);
    assert_false(reeve_ring_revoked(&f.producer));
    publish_one(&f, 9, 40);
    reeve_ring_done(&f.consumer, claim_one(&f, 9, 40));
    close_ring(&f);
}

static void malformed_slots_are_reported(void **state)
{
    (void)state;
    struct reeve_entry_view view = {0};
    for (int how = 0; how < 9; how++) {
        struct fixture f;
        open_ring(&f, 4, 256, true);
        uint64_t position = publish_one(&f, 1, how < 2 ? 8 : 40);
        struct reeve_slot *slot = &f.producer.slots[position & 3];
        switch (how) {
        case 0: slot->length = REEVE_RING_INLINE_BYTES + 1; break;
        case 1: slot->length = UINT32_MAX; break;
        case 2: slot->length = 257; break;
        case 3: slot->payload.offset = 256 - 39; break;
        case 4: slot->payload.offset = UINT32_MAX; break;
        case 5: slot->where = 2; break;
        case 6: slot->word = 0x100 | 77; break;                 /* no such state */
        case 7: slot->word = 0x100 | REEVE_SLOT_CLAIMED; break; /* nobody but us claims */
        default: slot->word = 0x900 | REEVE_SLOT_FREE; break; /* a later lap that nobody reserved */
        }
        assert_int_equal(reeve_ring_claim(&f.consumer, &view), REEVE_EPROTOCOL);
        if (how == 6 || how == 8) {
            assert_int_equal(reeve_ring_reclaim(&f.producer), REEVE_EPROTOCOL);
            assert_int_equal(reeve_ring_state(&f.producer, position), REEVE_EPROTOCOL);
            assert_false(reeve_ring_recall(&f.producer, position));
            for (int i = 0; i < 3; i++)
                assert_int_equal(put(&f, 1, 8, NULL), 0);
            assert_int_equal(put(&f, 1, 8, NULL), REEVE_EPROTOCOL);
        }
        close_ring(&f);
    }
    struct fixture f;
    open_ring(&f, 4, 256, false);
    publish_one(&f, 1, 8);
    f.producer.slots[0].word = 0x100 | REEVE_SLOT_RECALLED; /* return rings know no recall */
    assert_int_equal(reeve_ring_claim(&f.consumer, &view), REEVE_EPROTOCOL);
    close_ring(&f);
}

/* Laps beyond all that a ring lives to see: their positions would not fit, and claim would go round
 * for ever. */
static void claim_ends_whatever_the_laps(void **state)
{
    (void)state;
    static const uint64_t laps[] = {UINT64_C(1) << 55, (UINT64_C(1) << 55) + 2,
        (UINT64_C(1) << 56) - 1, UINT64_C(0xffd10000000000), 3};
    for (size_t i = 0; i < sizeof laps / sizeof *laps; i++) {
        for (uint32_t slots = REEVE_RING_SLOTS_MIN; slots <= REEVE_RING_SLOTS_MAX; slots *= 8) {
            struct fixture f;
            struct reeve_entry_view view;
            open_ring(&f, slots, 64, true);
            for (uint32_t slot = 0; slot < slots; slot++)
                f.producer.slots[slot].word = laps[i] << 8 | REEVE_SLOT_RECALLED;
            int expected = laps[i] == 3 ? REEVE_EAGAIN : REEVE_EPROTOCOL;
            assert_int_equal(reeve_ring_claim(&f.consumer, &view), expected);
            close_ring(&f);
        }
    }
}

/* All bytes may be anything: every call still ends and stays inside the memory (the sanitizer
 * looks). */
static void scribbling_stays_harmless(void **state)
{
    (void)state;
    struct reeve_prng prng;
    reeve_prng_init(&prng, 42);
    uint32_t claims = 0;
    uint32_t errors = 0;
    for (int round = 0; round < 3000; round++) {
        struct fixture f;
        open_ring(&f, 8, 256, round & 1);
        volatile uint32_t sum = 0;
        for (int step = 0; step < 60; step++) {
            struct reeve_entry_view view = {0};
            struct reeve_ring_census census;
            struct reeve_slot *slot = &f.producer.slots[reeve_prng_next(&prng) % 8];
            switch (reeve_prng_next(&prng) % 10) {
            case 0:
                slot->word = (reeve_prng_next(&prng) % 4) << 8 | reeve_prng_next(&prng) % 8;
                break;
            case 1: slot->word = reeve_prng_next(&prng); break;
            case 2: {
                uint8_t *bytes = (uint8_t *)f.memory;
                bytes[reeve_prng_next(&prng) % f.size_bytes] = (uint8_t)reeve_prng_next(&prng);
                break;
            }
            case 3: slot->length = (uint32_t)(reeve_prng_next(&prng) % 600); break;
            case 4: slot->payload.offset = (uint32_t)(reeve_prng_next(&prng) % 600); break;
            case 5:
                if (round & 1)
                    (void)reeve_ring_revoke_all(&f.revoker, &census);
                break;
            case 6: (void)reeve_ring_recall(&f.producer, reeve_prng_next(&prng) % 32); break;
            case 7: {
                int error = reeve_ring_claim(&f.consumer, &view);
                if (error == 0) {
                    claims++;
                    for (uint32_t i = 0; i < view.length; i++)
                        sum += view.payload[i];
                    reeve_ring_done(&f.consumer, view.position);
                }
                errors += error == REEVE_EPROTOCOL;
                break;
            }
            default:
                errors +=
                    put(&f, 1, (uint32_t)(reeve_prng_next(&prng) % 300), NULL) == REEVE_EPROTOCOL;
                (void)reeve_ring_publish(&f.producer);
                (void)reeve_ring_unclaimed(&f.producer);
                break;
            }
        }
        close_ring(&f);
    }
    assert_true(claims > 1000 && errors > 1000); /* both ways were really taken */
}

/* What runs and what is queued can be seen without taking part. */
static void a_glance_shows_what_is_there(void **state)
{
    (void)state;
    struct fixture f;
    struct reeve_ring_sight sight;
    struct reeve_entry_view view = {0};
    open_ring(&f, 4, 64, true);
    assert_int_equal(reeve_ring_glance(&f.revoker, 0, &sight), -1); /* never used */
    publish_one(&f, 1, 8);
    publish_one(&f, 2, 8);
    assert_int_equal(reeve_ring_claim(&f.consumer, &view), 0);
    assert_int_equal(reeve_ring_glance(&f.revoker, 0, &sight), REEVE_SLOT_CLAIMED);
    assert_int_equal(sight.task, 1);
    assert_int_equal(sight.attempt, 3);
    assert_int_equal(sight.function, 5);
    assert_int_equal(reeve_ring_glance(&f.revoker, 1, &sight), REEVE_SLOT_READY);
    assert_int_equal(sight.task, 2);
    assert_int_equal(reeve_ring_glance(&f.revoker, 2, &sight), -1);
    reeve_ring_done(&f.consumer, view.position);
    assert_int_equal(reeve_ring_glance(&f.revoker, 0, &sight), REEVE_SLOT_FREE);
    for (uint64_t task = 3; task <= 5; task++) /* the next lap begins */
        publish_one(&f, task, 8);
    assert_int_equal(reeve_ring_glance(&f.revoker, 0, &sight), REEVE_SLOT_READY);
    assert_int_equal(sight.task, 5);
    assert_true(reeve_ring_recall(&f.producer, 4));
    assert_int_equal(reeve_ring_glance(&f.revoker, 0, &sight), REEVE_SLOT_FREE);
    assert_int_equal(reeve_ring_claim(&f.consumer, &view), 0); /* and nobody was disturbed */
    assert_int_equal(view.task, 2);
    close_ring(&f);
}

/* The end of a payload, wherever it lies; of nonsense in the slot, nothing. */
static void a_glance_shows_the_end_of_the_payload(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {0, 15, 16, 28, 29, 64};
    static const uint8_t zeroes[REEVE_RING_TAIL];
    struct fixture f;
    struct reeve_ring_sight sight;
    struct reeve_entry_view view = {0};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t tail[REEVE_RING_TAIL] = {0};
        struct reeve_slot_fill fill = {0};
        uint32_t length = lengths[i], first = length - REEVE_RING_TAIL;
        open_ring(&f, 4, 64, true);
        assert_int_equal(reeve_ring_reserve(&f.producer, length, &fill), 0);
        uint8_t *payload = fill.payload;
        fill.slot->flags = 3;
        for (uint32_t k = 0; k < length; k++)
            payload[k] = (uint8_t)(k + 1);
        for (uint32_t k = 0; k < REEVE_RING_TAIL && length >= REEVE_RING_TAIL; k++)
            tail[k] = (uint8_t)(first + k + 1);
        assert_int_equal(reeve_ring_publish(&f.producer), 1);
        assert_int_equal(reeve_ring_glance(&f.revoker, 0, &sight), REEVE_SLOT_READY);
        assert_int_equal(sight.flags, 3);
        assert_memory_equal(sight.tail, tail, sizeof tail);
        if (fill.slot->where == REEVE_PAYLOAD_RING) {
            fill.slot->payload.offset = UINT32_MAX - 8;
            assert_int_equal(reeve_ring_glance(&f.revoker, 0, &sight), REEVE_SLOT_READY);
            assert_memory_equal(sight.tail, zeroes, sizeof zeroes);
        }
        fill.slot->length = UINT32_MAX;
        assert_int_equal(reeve_ring_glance(&f.revoker, 0, &sight), REEVE_SLOT_READY);
        assert_memory_equal(sight.tail, zeroes, sizeof zeroes);
        close_ring(&f);
    }
    /* it is another's when the entry is DONE */
    open_ring(&f, 4, 64, true);
    publish_one(&f, 1, 40);
    assert_int_equal(reeve_ring_claim(&f.consumer, &view), 0);
    reeve_ring_done(&f.consumer, view.position);
    assert_int_equal(reeve_ring_glance(&f.revoker, 0, &sight), REEVE_SLOT_FREE);
    close_ring(&f);
}

int main(void)
{
    static bool recallable = true, plain = false;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(geometry_is_checked),
        {"entries_pass_in_order_lap_after_lap (call ring)", entries_pass_in_order_lap_after_lap,
            NULL, NULL, &recallable},
        {"entries_pass_in_order_lap_after_lap (return ring)", entries_pass_in_order_lap_after_lap,
            NULL, NULL, &plain},
        cmocka_unit_test(a_full_ring_refuses_and_recovers),
        cmocka_unit_test(the_byte_ring_is_freed_with_its_slots),
        cmocka_unit_test(shrink_gives_bytes_back),
        cmocka_unit_test(abandoned_entries_never_were),
        cmocka_unit_test(recall_takes_back_what_is_unclaimed),
        cmocka_unit_test(a_late_recall_misses_the_next_tenant),
        cmocka_unit_test(the_consumer_catches_up_with_recalled_laps),
        cmocka_unit_test(peek_is_false_once_recalled_ones_are_passed),
        cmocka_unit_test(revoked_entries_wait_for_the_producer),
        cmocka_unit_test(a_glance_shows_what_is_there),
        cmocka_unit_test(a_glance_shows_the_end_of_the_payload),
        cmocka_unit_test(malformed_slots_are_reported),
        cmocka_unit_test(claim_ends_whatever_the_laps),
        cmocka_unit_test(scribbling_stays_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
