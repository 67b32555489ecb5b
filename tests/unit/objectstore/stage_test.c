/* Stages: what they ask of the store, in which order they begin, and that one that has failed,
 * or is not wanted any more, keeps nothing. Answers of the store are made up here. */
#include "tests/unit/objectstore/kit.h"

#include "objectstore/stage.h"

#define CAPACITY (16 * MIB)

struct bench {
    struct kit kit;
    struct reeve_stages *stages;
};

static int setup(void **state)
{
    static struct bench bench;
    kit_init(&bench.kit, CAPACITY, CAPACITY);
    bench.stages = reeve_stages_create(bench.kit.store, CAPACITY);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    bench->stages = reeve_stages_free(bench->stages);
    kit_fini(&bench->kit);
    return 0;
}

static uint64_t add(struct bench *bench, uint32_t first, uint32_t count, uint64_t size)
{
    struct reeve_store_wanted wanted[4];
    uint64_t stage, total;
    for (uint32_t i = 0; i < count; i++)
        wanted[i] = (struct reeve_store_wanted){.id = OBJECT(FAR(2, 1), first + i), size, 2, true};
    assert_int_equal(reeve_stages_add(bench->stages, wanted, count, &stage, &total), 0);
    assert_int_equal(total, count * size);
    assert_null(reeve_stages_check(bench->stages));
    return stage;
}

static struct reeve_store_event said(struct bench *bench, enum reeve_store_event_kind kind)
{
    struct reeve_stage_command command = {0};
    assert_true(reeve_stages_next(bench->stages, &command));
    assert_int_equal(command.kind, REEVE_STAGE_SAY);
    assert_int_equal(command.event.kind, kind);
    assert_int_equal(command.event.client, REEVE_STORE_DAEMON);
    return command.event;
}

static struct reeve_stage_command ended(struct bench *bench, uint64_t stage, int code)
{
    struct reeve_stage_command command = {0};
    assert_true(reeve_stages_next(bench->stages, &command));
    assert_int_equal(command.kind, REEVE_STAGE_ENDED);
    assert_int_equal(command.stage, stage);
    assert_int_equal(command.code, code);
    return command;
}

static void silent(struct bench *bench)
{
    struct reeve_stage_command command = {0};
    assert_false(reeve_stages_next(bench->stages, &command));
}

static void answer(struct bench *bench, const struct reeve_store_event *asked, int code)
{
    struct reeve_store_command command = {.kind = REEVE_STORE_REPLY_GET,
        .client = REEVE_STORE_DAEMON,
        .request = asked->request,
        .id = asked->id,
        .code = code};
    reeve_stages_got(bench->stages, &command);
    assert_null(reeve_stages_check(bench->stages));
}

static void drop(struct bench *bench, uint64_t stage)
{
    reeve_stages_drop(bench->stages, stage);
    assert_null(reeve_stages_check(bench->stages));
}

static void test_it_ends_when_all_are_here(void **state)
{
    struct bench *bench = *state;
    uint64_t stage = add(bench, 1, 2, MIB);
    struct reeve_store_event one = said(bench, REEVE_STORE_GET), two = said(bench, REEVE_STORE_GET);
    assert_int_equal(one.size, MIB);
    assert_int_equal(one.node, 2);
    assert_int_equal(one.flags, REEVE_STORE_GIVEN);
    answer(bench, &two, 0);
    silent(bench);
    answer(bench, &one, 0);
    ended(bench, stage, 0);
    silent(bench); /* and keeps its pins until it is dropped */
    drop(bench, stage);
    assert_int_equal(said(bench, REEVE_STORE_UNPIN).id.sequence, 1);
    assert_int_equal(said(bench, REEVE_STORE_UNPIN).id.sequence, 2);
    silent(bench);
    drop(bench, stage);
    silent(bench);
    ended(bench, add(bench, 0, 0, 0), 0); /* of nothing */
}

/* Each takes more than half of the store: one at a time, in order. What is here does not wait. */
static void test_they_begin_in_order(void **state)
{
    struct bench *bench = *state;
    struct reeve_stages_status status;
    client_added(&bench->kit, 1);
    (void)put(&bench->kit, 1, OBJECT(FAR(2, 1), 9), MIB);
    uint64_t first = add(bench, 1, 1, 9 * MIB), second = add(bench, 2, 1, 9 * MIB),
             third = add(bench, 3, 1, 9 * MIB), fourth = add(bench, 4, 1, 1);
    struct reeve_store_event asked = said(bench, REEVE_STORE_GET);
    silent(bench);
    uint64_t here = add(bench, 9, 1, MIB);
    struct reeve_store_event there = said(bench, REEVE_STORE_GET);
    answer(bench, &there, 0);
    ended(bench, here, 0);
    reeve_stages_status(bench->stages, &status);
    assert_int_equal(status.count, 5);
    assert_int_equal(status.waiting_count, 3); /* however little one of them wants */
    assert_int_equal(status.coming_bytes, 9 * MIB);
    answer(bench, &asked, 0);
    ended(bench, first, 0);
    asked = said(bench, REEVE_STORE_GET);
    assert_int_equal(asked.id.sequence, 2);
    drop(bench, second); /* under way: the next one has its turn */
    assert_int_equal(said(bench, REEVE_STORE_CANCEL).request, asked.request);
    asked = said(bench, REEVE_STORE_GET);
    assert_int_equal(asked.id.sequence, 3);
    silent(bench);
    drop(bench, third);
    (void)said(bench, REEVE_STORE_CANCEL);
    assert_int_equal(said(bench, REEVE_STORE_GET).id.sequence, 4);
    drop(bench, fourth);
    (void)said(bench, REEVE_STORE_CANCEL);
    silent(bench);
}

static void test_one_that_fails_keeps_nothing(void **state)
{
    struct bench *bench = *state;
    uint64_t stage = add(bench, 1, 3, MIB), next = add(bench, 4, 1, 9 * MIB);
    struct reeve_store_event one = said(bench, REEVE_STORE_GET), two = said(bench, REEVE_STORE_GET),
                             three = said(bench, REEVE_STORE_GET);
    answer(bench, &one, 0);
    answer(bench, &two, REEVE_ELOST);
    assert_int_equal(said(bench, REEVE_STORE_UNPIN).id.sequence, 1);
    assert_int_equal(said(bench, REEVE_STORE_CANCEL).request, three.request);
    assert_true(reeve_object_id_equal(ended(bench, stage, REEVE_ELOST).lost, two.id));
    struct reeve_store_event four = said(bench, REEVE_STORE_GET);
    answer(bench, &three, 0); /* it was on its way */
    assert_int_equal(said(bench, REEVE_STORE_UNPIN).id.sequence, 3);
    drop(bench, next);
    assert_int_equal(said(bench, REEVE_STORE_CANCEL).request, four.request);
    silent(bench);
}

/* Its end has not been taken yet when it is dropped: nobody hears of it. */
static void test_one_that_is_dropped_does_not_end(void **state)
{
    struct bench *bench = *state;
    uint64_t good = add(bench, 1, 1, MIB), bad = add(bench, 2, 1, MIB);
    struct reeve_store_event one = said(bench, REEVE_STORE_GET), two = said(bench, REEVE_STORE_GET);
    answer(bench, &one, 0);
    answer(bench, &two, REEVE_ELOST);
    drop(bench, good);
    drop(bench, bad);
    assert_int_equal(said(bench, REEVE_STORE_UNPIN).id.sequence, 1);
    silent(bench);
    struct reeve_stages_status status;
    reeve_stages_status(bench->stages, &status);
    assert_int_equal(status.count, 0);
}

static void test_what_cannot_fit_is_refused(void **state)
{
    struct bench *bench = *state;
    struct reeve_store_wanted wanted[2] = {
        {OBJECT(FAR(2, 1), 1), 9 * MIB, 2, false}, {OBJECT(FAR(2, 1), 2), 9 * MIB, 2, false}};
    uint64_t stage, total;
    assert_int_equal(reeve_stages_add(bench->stages, wanted, 2, &stage, &total), REEVE_ETOOLARGE);
    assert_int_equal(total, 18 * MIB);
    silent(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_ends_when_all_are_here, setup, teardown),
        cmocka_unit_test_setup_teardown(test_they_begin_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_that_fails_keeps_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_that_is_dropped_does_not_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_cannot_fit_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
