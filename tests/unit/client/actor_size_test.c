/* The owner core with a hundred thousand actors in two hosts: what each costs, and what they
 * leave behind. */
#include "api/client/owner.h"

#include <malloc.h>
#include <reeve_errors.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEASURED false /* another allocator, a tenth of the speed */
#define COUNT    2000u
#else
#define MEASURED true
#define COUNT    100000u
#endif

#define HOSTS     2u
#define BYTES_MAX 256
#define NOW       UINT64_C(1000000)

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void answer_all(struct reeve_owner *owner)
{
    struct reeve_owner_send send;
    struct reeve_owner_command command;
    while (reeve_owner_next_command(owner, &command))
        ;
    while (reeve_owner_next_send(owner, &send)) {
        reeve_owner_sent(owner, NOW, send.task, 0);
        assert_true(
            reeve_owner_answer(owner, NOW, send.lease_index, send.task, 1, 0, "\xc0", 1, NULL));
    }
}

static uint32_t create(struct reeve_owner *owner, uint32_t shared)
{
    struct reeve_owner_actor actor = {.shared = shared, .end_function = 2};
    uint32_t number, host;
    reeve_task_id made;
    assert_int_equal(reeve_owner_actor_make(owner, &actor, &number, &host), 0);
    struct reeve_owner_task from = {.function = 1,
        .actor = number,
        .life = REEVE_OWNER_MAKE,
        .arguments = "\x91\xc0",
        .arguments_size = 2};
    assert_int_equal(reeve_owner_submit(owner, NOW, &from, &made), 0);
    assert_int_equal(reeve_owner_release(owner, made), 0);
    return number;
}

static void a_hundred_thousand_actors(void **state)
{
    (void)state;
    struct reeve_owner *owner = reeve_owner_create(&reeve_owner_settings_default);
    uint32_t *actors = malloc(COUNT * sizeof(*actors));
    reeve_lease_index index;
    size_t before = 0, ended = 0;
    assert_non_null(owner);
    assert_non_null(actors);
    for (uint32_t host = 1; host <= HOSTS; host++) { /* each has one that stays */
        uint32_t class_index, number = create(owner, host);
        assert_true(reeve_owner_actor_class(owner, number, &class_index));
        assert_int_equal(reeve_owner_lease_gained(owner, NOW, class_index, host, 1, &index), 0);
    }
    answer_all(owner);
    for (int round = 0; round < 2; round++) {
        before = heap_bytes();
        for (uint32_t i = 0; i < COUNT; i++) {
            actors[i] = create(owner, 1 + i % HOSTS);
            answer_all(owner);
        }
        assert_int_equal(reeve_owner_actor_count(owner), COUNT + HOSTS);
        double each = (double)(heap_bytes() - before) / COUNT;
        if (MEASURED && each > BYTES_MAX)
            fail_msg("an actor costs %.0f bytes: %d at most", each, BYTES_MAX);
        for (uint32_t i = 0; i < COUNT; i++) {
            assert_int_equal(reeve_owner_actor_release(owner, NOW, actors[i], "\x90", 1), 0);
            answer_all(owner);
        }
        assert_int_equal(reeve_owner_actor_count(owner), HOSTS);
        reeve_owner_check(owner);
        if (round == 0)
            ended = heap_bytes();
    }
    /* what tables have grown to they keep, once */
    assert_true(!MEASURED || heap_bytes() <= ended + COUNT);
    free(actors);
    reeve_owner_free(owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_hundred_thousand_actors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
