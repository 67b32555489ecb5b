/* Streams that are given to calls: two owner cores, the giver's and that of who runs the call, with
 * what they say to each other carried by hand; and runs that somebody has scribbled over. */
#include "api/client/owner.h"

#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/prng.h"
#include "tests/unit/test.h"

#define MS UINT64_C(1000000)

struct world {
    struct reeve_owner *giver, *worker;
    uint32_t class_index;
    reeve_lease_index makes, takes; /* the giver's leases: of the stream's function, of its taker */
    uint64_t lease_last;
    reeve_task_id stream, taker;
    reeve_task_id there; /* the stream, in the worker */
    struct reeve_owner_loan loan;
    uint32_t runs, cancels; /* that have been carried */
    uint32_t credit;        /* the last */
};

static reeve_lease_index lease_gain(struct world *world)
{
    reeve_lease_index lease;
    assert_int_equal(reeve_owner_lease_gained(
                         world->giver, MS, world->class_index, ++world->lease_last, 1, &lease),
        0);
    return lease;
}

/* What is QUEUED goes to a lease each. */
static void send_all(struct world *world)
{
    struct reeve_owner_send send;
    while (reeve_owner_next_send(world->giver, &send)) {
        *(send.task == world->taker ? &world->takes : &world->makes) = send.lease_index;
        reeve_owner_sent(world->giver, MS, send.task, 5);
    }
}

static int give(struct world *world, reeve_task_id stream, reeve_task_id *ret)
{
    struct reeve_owner_splice splice = {1 | REEVE_OWNER_NESTED, stream};
    struct reeve_owner_task from = {.class_index = world->class_index,
        .losses_max = 3,
        .arguments = "\x91\xd4\x21\x00",
        .arguments_size = 4,
        .splice_count = 1,
        .splices = &splice};
    return reeve_owner_submit(world->giver, MS, &from, ret);
}

static reeve_task_id stream_make(struct world *world, uint32_t units)
{
    struct reeve_owner_task from = {.class_index = world->class_index,
        .losses_max = 3,
        .arguments = "\x90",
        .arguments_size = 1,
        .never_inline = true,
        .is_stream = true,
        .window = {units, 0}};
    reeve_task_id task;
    assert_int_equal(reeve_owner_submit(world->giver, MS, &from, &task), 0);
    return task;
}

/* A stream of that window, under way, and given to a call that is under way. */
static struct world world_make(uint32_t units)
{
    struct world world = {.giver = reeve_owner_create(&reeve_owner_settings_default),
        .worker = reeve_owner_create(&reeve_owner_settings_default)};
    uint32_t other;
    assert_int_equal(reeve_owner_class(world.giver, 1000, 0, &world.class_index), 0);
    assert_int_equal(reeve_owner_class(world.worker, 1000, 0, &other), 0);
    lease_gain(&world);
    lease_gain(&world);
    world.stream = stream_make(&world, units);
    send_all(&world);
    assert_int_equal(give(&world, world.stream, &world.taker), 0);
    send_all(&world);
    reeve_owner_check(world.giver);
    return world;
}

static void world_end(struct world *world)
{
    reeve_owner_check(world->giver);
    reeve_owner_check(world->worker);
    reeve_owner_free(world->giver);
    reeve_owner_free(world->worker);
}

static uint32_t attempt_of(const struct world *world, reeve_task_id task)
{
    reeve_lease_index lease;
    uint64_t position;
    uint32_t attempt = 0;
    (void)reeve_owner_where(world->giver, task, &lease, &position, &attempt);
    return attempt;
}

/* Carries what one says to the other until neither says more. */
static void carry(struct world *world)
{
    struct reeve_owner_command command;
    struct reeve_owner_loan to;
    struct reeve_buffer run;
    bool more = true;
    reeve_buffer_init(&run);
    while (more) {
        more = false;
        while (reeve_owner_next_command(world->worker, &command)) {
            more = true;
            if (command.kind == REEVE_OWNER_ASK)
                reeve_owner_asked(world->giver, MS, world->takes, &command.ask);
        }
        while (reeve_owner_next_command(world->giver, &command)) {
            more = true;
            world->cancels += command.kind == REEVE_OWNER_CANCEL && command.task == world->stream;
            if (command.kind == REEVE_OWNER_CREDIT)
                world->credit = command.count;
            while (command.kind == REEVE_OWNER_FEED &&
                   reeve_owner_feed_write(world->giver, command.task, &to, &run) == 0) {
                reeve_owner_fed(world->worker, MS, &to, run.data, run.size);
                reeve_buffer_clear(&run);
                world->runs++;
            }
        }
        reeve_owner_check(world->giver);
        reeve_owner_check(world->worker);
    }
    reeve_buffer_fini(&run);
}

/* The worker begins the call. */
static void begin(struct world *world)
{
    struct reeve_buffer bytes, objects;
    reeve_task_id *futures;
    uint32_t count;
    reeve_buffer_init(&bytes);
    reeve_buffer_init(&objects);
    assert_int_equal(reeve_owner_lend_write(world->giver, world->taker, &bytes, &objects), 0);
    assert_int_equal(
        reeve_owner_borrow(world->worker, MS, bytes.data, bytes.size, &futures, &count), 0);
    assert_int_equal(count, 1);
    world->there = futures[0];
    free(futures);
    world->loan = (struct reeve_owner_loan){reeve_owner_lease_id(world->giver, world->takes),
        world->taker, attempt_of(world, world->taker)};
    assert_true(reeve_owner_streams_open(world->worker, &world->there, 1, &world->loan));
    reeve_buffer_fini(&bytes);
    reeve_buffer_fini(&objects);
    carry(world);
}

static void end(struct world *world)
{
    reeve_owner_borrow_end(world->worker, &world->there, 1);
    reeve_owner_answer(world->giver, MS, world->takes, world->taker,
        attempt_of(world, world->taker), 0, "\xc0", 1, NULL);
    carry(world);
}

static void yields(struct world *world, const char *text)
{
    assert_int_equal(reeve_owner_item(world->giver, world->makes, world->stream,
                         attempt_of(world, world->stream), false, text, (uint32_t)strlen(text)),
        0);
    carry(world);
}

static void returns(struct world *world, int status)
{
    reeve_owner_answer(world->giver, MS, world->makes, world->stream,
        attempt_of(world, world->stream), status, "why", 3, NULL);
    carry(world);
}

static int next(const struct world *world)
{
    const uint8_t *bytes;
    uint32_t size;
    return reeve_owner_next_item(world->worker, world->there, &bytes, &size);
}

static void takes(struct world *world, const char *text)
{
    const uint8_t *bytes = NULL;
    uint32_t size = 0;
    assert_int_equal(reeve_owner_next_item(world->worker, world->there, &bytes, &size), 0);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(bytes, text, size);
    reeve_owner_item_taken(world->worker, world->there);
    carry(world);
}

/* The taker's worker has died; another one has the call. */
static void again(struct world *world)
{
    reeve_owner_lease_lost(world->giver, MS, world->takes, REEVE_EWORKERDIED, "it died");
    lease_gain(world);
    send_all(world);
    carry(world);
}

static void items_come_in_order_and_then_the_end(void **state)
{
    (void)state;
    struct world world = world_make(0);
    yields(&world, "a"); /* before it has begun */
    begin(&world);
    yields(&world, "b");
    takes(&world, "a");
    takes(&world, "b");
    assert_int_equal(next(&world), REEVE_EAGAIN);
    struct reeve_owner_watch watch = {1, 7};
    assert_int_equal(reeve_owner_watch_next(world.worker, world.there, &watch), 0);
    assert_false(reeve_owner_next_watched(world.worker, &watch));
    yields(&world, "c");
    assert_true(reeve_owner_next_watched(world.worker, &watch) && watch.tag == 7);
    returns(&world, 0);
    takes(&world, "c");
    assert_int_equal(next(&world), REEVE_EEND);
    assert_int_equal(reeve_owner_release(world.worker, world.there), 0);
    end(&world);
    assert_int_equal(reeve_owner_task_count(world.worker), 0);
    assert_int_equal(reeve_owner_state(world.giver, world.stream), REEVE_TASK_FREE);
    world_end(&world);
}

static void an_error_tells_where_it_arose(void **state)
{
    (void)state;
    struct world world = world_make(0);
    struct reeve_owner_result result;
    begin(&world);
    yields(&world, "a");
    returns(&world, REEVE_EFUNCTION);
    takes(&world, "a");
    assert_int_equal(next(&world), REEVE_EEND);
    assert_int_equal(reeve_owner_result(world.worker, world.there, &result), 0);
    assert_int_equal(result.status, REEVE_EFUNCTION);
    assert_int_equal(result.attempt, 1);
    assert_true(result.error_is_map);
    assert_memory_equal(result.bytes, "why", 3);
    end(&world);
    world_end(&world);
}

static void what_is_given_is_the_takers_alone(void **state)
{
    (void)state;
    struct world world = world_make(0);
    const uint8_t *bytes;
    uint32_t size;
    reeve_task_id second;
    assert_int_equal(
        reeve_owner_next_item(world.giver, world.stream, &bytes, &size), REEVE_EHANDLE);
    assert_true(reeve_owner_is_given(world.giver, world.stream));
    assert_int_equal(reeve_owner_release(world.giver, world.stream), REEVE_EHANDLE);
    assert_int_equal(give(&world, world.stream, &second), REEVE_EHANDLE);
    begin(&world);
    assert_int_equal(reeve_owner_retain(world.worker, world.there, &second), REEVE_ETYPE);
    end(&world);
    world_end(&world);
}

/* The function has room again when the taker has taken, not when its items have left. */
static void it_is_ahead_by_its_window_of_the_taker(void **state)
{
    (void)state;
    struct world world = world_make(4);
    begin(&world);
    for (int i = 0; i < 4; i++)
        yields(&world, "x");
    assert_int_equal(world.credit, 0);
    takes(&world, "x");
    assert_int_equal(world.credit, 1);
    takes(&world, "x");
    assert_int_equal(world.credit, 2);
    end(&world);
    world_end(&world);
}

static void another_attempt_has_what_was_not_taken(void **state)
{
    (void)state;
    struct world world = world_make(4);
    begin(&world);
    yields(&world, "a");
    yields(&world, "b");
    again(&world); /* nothing had been taken: as if nothing had happened */
    begin(&world);
    takes(&world, "a");
    takes(&world, "b");
    yields(&world, "c");
    again(&world);
    begin(&world);
    assert_int_equal(next(&world), REEVE_ELOST);
    assert_int_equal(reeve_owner_lost_items(world.worker, world.there), 2);
    takes(&world, "c");
    assert_int_equal(next(&world), REEVE_EAGAIN);
    end(&world);
    world_end(&world);
}

/* What a taker, or who gives it on, keeps to itself does not add up. */
static void all_is_said_when_nothing_is_left(void **state)
{
    (void)state;
    struct world world = world_make(400);
    begin(&world);
    for (int i = 0; i < 3; i++)
        yields(&world, "x");
    for (int i = 0; i < 3; i++)
        takes(&world, "x");
    again(&world);
    yields(&world, "y");
    begin(&world);
    assert_int_equal(next(&world), REEVE_ELOST);
    assert_int_equal(reeve_owner_lost_items(world.worker, world.there), 3);
    takes(&world, "y");
    end(&world);
    world_end(&world);
}

static void its_function_stops_when_the_taker_has_enough(void **state)
{
    (void)state;
    struct world world = world_make(0);
    begin(&world);
    yields(&world, "a");
    takes(&world, "a");
    assert_int_equal(world.cancels, 0);
    assert_int_equal(reeve_owner_release(world.worker, world.there), 0);
    carry(&world);
    assert_int_equal(world.cancels, 1);
    assert_int_equal(next(&world), REEVE_EHANDLE);
    yields(&world, "b"); /* it has not heard yet */
    again(&world);
    begin(&world); /* it is so for every attempt, which is told what it does not get */
    assert_int_equal(next(&world), REEVE_EAGAIN);
    returns(&world, REEVE_ECANCELLED);
    assert_int_equal(next(&world), REEVE_ELOST);
    assert_int_equal(reeve_owner_lost_items(world.worker, world.there), 2);
    assert_int_equal(next(&world), REEVE_EEND);
    end(&world);
    world_end(&world);
}

static void its_function_stops_when_the_taker_ends(void **state)
{
    (void)state;
    struct world world = world_make(0);
    begin(&world);
    yields(&world, "a");
    end(&world);
    assert_int_equal(world.cancels, 1);
    assert_int_equal(reeve_owner_task_count(world.worker), 0);
    returns(&world, REEVE_ECANCELLED);
    assert_int_equal(reeve_owner_release(world.giver, world.taker), 0);
    assert_int_equal(reeve_owner_task_count(world.giver), 0);
    world_end(&world);
}

static void it_ends_with_its_giver(void **state)
{
    (void)state;
    struct world world = world_make(0);
    begin(&world);
    yields(&world, "a");
    reeve_owner_loans_lost(world.worker, MS, world.loan.lease);
    takes(&world, "a");
    assert_int_equal(next(&world), REEVE_EEND);
    struct reeve_owner_result result;
    assert_int_equal(reeve_owner_result(world.worker, world.there, &result), 0);
    assert_int_equal(result.status, REEVE_EOWNERDIED);
    end(&world);
    world_end(&world);
}

/* In pieces, few of them under way: the rest goes when these have been heard of. */
static void a_large_item_goes_bit_by_bit(void **state)
{
    (void)state;
    struct world world = world_make(0);
    size_t size = 5 << 20;
    char *text = malloc(size + 1);
    memset(text, 'x', size);
    text[size] = 0;
    begin(&world);
    struct reeve_owner_command command;
    assert_int_equal(
        reeve_owner_item(world.giver, world.makes, world.stream, 1, false, text, (uint32_t)size),
        0);
    uint32_t runs = 0;
    while (reeve_owner_next_command(world.giver, &command)) {
        struct reeve_owner_loan to;
        struct reeve_buffer run;
        reeve_buffer_init(&run);
        while (command.kind == REEVE_OWNER_FEED &&
               reeve_owner_feed_write(world.giver, command.task, &to, &run) == 0) {
            assert_true(run.size <= REEVE_OWNER_RUN_MAX);
            reeve_owner_fed(world.worker, MS, &to, run.data, run.size);
            reeve_buffer_clear(&run);
            runs++;
        }
        reeve_buffer_fini(&run);
    }
    assert_int_equal(runs, 4);
    assert_int_equal(next(&world), REEVE_EAGAIN);
    carry(&world);
    takes(&world, text);
    free(text);
    end(&world);
    world_end(&world);
}

static void what_is_stale_is_dropped(void **state)
{
    (void)state;
    struct world world = world_make(0);
    begin(&world);
    yields(&world, "a");
    struct reeve_owner_ask ask = {
        .to = world.loan, .origin = world.stream, .stream = world.there, .taken = 1, .runs = 1};
    struct reeve_owner_loan old = world.loan;
    again(&world);
    begin(&world);
    reeve_owner_asked(world.giver, MS, world.takes, &ask); /* of the attempt before */
    uint64_t run[4] = {world.there};
    reeve_owner_fed(world.worker, MS, &old, run, sizeof run);
    reeve_owner_fed(world.worker, MS, &world.loan, run, 5);
    carry(&world);
    takes(&world, "a");
    end(&world);
    world_end(&world);
}

static void scribbled_runs_do_no_harm(void **state)
{
    (void)state;
    struct reeve_prng prng;
    reeve_prng_init(&prng, 5);
    for (int round = 0; round < 3000; round++) {
        struct world world = world_make(0);
        struct reeve_buffer run;
        struct reeve_owner_loan to;
        begin(&world);
        reeve_buffer_init(&run);
        for (int i = 0; i < 3; i++)
            assert_int_equal(
                reeve_owner_item(world.giver, world.makes, world.stream, 1, false, "item", 4), 0);
        if (round % 3 == 0)
            reeve_owner_answer(
                world.giver, MS, world.makes, world.stream, 1, REEVE_EFUNCTION, "why", 3, NULL);
        while (reeve_owner_feed_write(world.giver, world.stream, &to, &run) == 0) {
            uint64_t at = reeve_prng_next(&prng) % run.size;
            run.data[at] = (uint8_t)reeve_prng_next(&prng);
            size_t size = round % 4 == 0 ? (size_t)(reeve_prng_next(&prng) % run.size) : run.size;
            reeve_owner_fed(world.worker, MS, &to, run.data, size);
            reeve_owner_check(world.worker);
            reeve_buffer_clear(&run);
        }
        struct reeve_owner_ask ask = {.to = world.loan,
            .origin = world.stream,
            .stream = round % 2 ? world.there : reeve_prng_next(&prng) % 3,
            .taken = reeve_prng_next(&prng) % 9,
            .runs = (uint32_t)reeve_prng_next(&prng) % 9,
            .question = (uint32_t)reeve_prng_next(&prng) % 3,
            .is_closed = round % 5 == 0};
        reeve_owner_asked(world.giver, MS, world.takes, &ask);
        reeve_owner_check(world.giver);
        reeve_buffer_fini(&run);
        end(&world);
        world_end(&world);
    }
}

static bool is_asked(const struct world *world)
{
    size_t at = 0;
    reeve_task_id stream;
    return reeve_owner_makers_next(world->giver, &at, &stream) && stream == world->stream;
}

static void is_made_by(
    struct world *world, enum reeve_owner_maker_state state, reeve_process_id process)
{
    struct reeve_owner_maker maker = {state, 9, process};
    reeve_owner_maker_is(world->giver, world->stream, &maker);
    carry(world);
}

static void is_known_to_be_made_by(const struct world *world, enum reeve_owner_maker_state state,
    reeve_process_id process, bool answers)
{
    struct reeve_owner_maker maker;
    bool answered;
    assert_true(reeve_owner_maker(world->worker, world->there, &maker, &answered));
    assert_true(maker.state == state && answered == answers);
    if (state != REEVE_OWNER_MAKER_UNKNOWN)
        assert_true(maker.function == 9 && maker.process == process);
}

static void who_makes_the_items_is_told_when_it_is_asked(void **state)
{
    (void)state;
    struct world world = world_make(0);
    begin(&world);
    assert_false(is_asked(&world));
    is_known_to_be_made_by(&world, REEVE_OWNER_MAKER_UNKNOWN, 0, false);
    reeve_owner_maker_ask(world.worker, world.there, false);
    carry(&world);
    assert_true(is_asked(&world));
    is_made_by(&world, REEVE_OWNER_MAKER_PROCESS, 7);
    is_known_to_be_made_by(&world, REEVE_OWNER_MAKER_PROCESS, 7, true);
    uint32_t runs = world.runs;
    is_made_by(&world, REEVE_OWNER_MAKER_PROCESS, 7);
    reeve_owner_maker_ask(world.worker, world.there, false); /* it has been */
    carry(&world);
    assert_int_equal(world.runs, runs);
    is_made_by(&world, REEVE_OWNER_MAKER_NOBODY, 0); /* unasked */
    is_known_to_be_made_by(&world, REEVE_OWNER_MAKER_NOBODY, 0, true);
    reeve_owner_maker_ask(world.worker, world.there, true);
    is_known_to_be_made_by(&world, REEVE_OWNER_MAKER_NOBODY, 0, false);
    carry(&world);
    is_known_to_be_made_by(&world, REEVE_OWNER_MAKER_NOBODY, 0, false); /* not yet to that */
    is_made_by(&world, REEVE_OWNER_MAKER_NOBODY, 0);
    is_known_to_be_made_by(&world, REEVE_OWNER_MAKER_NOBODY, 0, true);
    for (uint32_t i = 1; i < 20; i++) { /* as often as it changes */
        is_made_by(&world, REEVE_OWNER_MAKER_PROCESS, i);
        is_known_to_be_made_by(&world, REEVE_OWNER_MAKER_PROCESS, i, true);
    }
    yields(&world, "a");
    is_known_to_be_made_by(&world, REEVE_OWNER_MAKER_UNKNOWN, 0, false);
    takes(&world, "a");
    assert_false(is_asked(&world));
    end(&world);
    world_end(&world);
}

/* An answer that has crossed an item is none to what is waited for now. */
static void an_old_answer_is_none(void **state)
{
    (void)state;
    struct world world = world_make(0);
    struct reeve_owner_command command;
    struct reeve_owner_loan to;
    struct reeve_buffer run;
    struct reeve_owner_maker maker = {REEVE_OWNER_MAKER_PROCESS, 9, 7};
    reeve_buffer_init(&run);
    begin(&world);
    reeve_owner_maker_ask(world.worker, world.there, false);
    carry(&world);
    reeve_owner_maker_is(world.giver, world.stream, &maker);
    while (reeve_owner_next_command(world.giver, &command))
        ;
    assert_int_equal(reeve_owner_feed_write(world.giver, world.stream, &to, &run), 0);
    reeve_owner_maker_ask(world.worker, world.there, true); /* before it arrives */
    reeve_owner_fed(world.worker, MS, &to, run.data, run.size);
    is_known_to_be_made_by(&world, REEVE_OWNER_MAKER_PROCESS, 7, false);
    carry(&world);
    is_made_by(&world, REEVE_OWNER_MAKER_PROCESS, 7);
    is_known_to_be_made_by(&world, REEVE_OWNER_MAKER_PROCESS, 7, true);
    reeve_buffer_fini(&run);
    end(&world);
    world_end(&world);
}

static void one_that_nobody_will_ever_make_fails(void **state)
{
    (void)state;
    struct world world = world_make(0);
    struct reeve_owner_result result;
    begin(&world);
    reeve_owner_maker_never(world.worker, MS, world.there, "a waits for b; b waits for a");
    carry(&world);
    assert_int_equal(world.cancels, 1); /* its function */
    assert_int_equal(next(&world), REEVE_EEND);
    assert_int_equal(reeve_owner_result(world.worker, world.there, &result), 0);
    assert_int_equal(result.status, REEVE_EDEADLK);
    assert_memory_equal(result.bytes, "a waits for b", 13);
    reeve_owner_maker_never(world.worker, MS, world.there, "too late");
    end(&world);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_in_order_and_then_the_end),
        cmocka_unit_test(an_error_tells_where_it_arose),
        cmocka_unit_test(what_is_given_is_the_takers_alone),
        cmocka_unit_test(it_is_ahead_by_its_window_of_the_taker),
        cmocka_unit_test(another_attempt_has_what_was_not_taken),
        cmocka_unit_test(all_is_said_when_nothing_is_left),
        cmocka_unit_test(its_function_stops_when_the_taker_has_enough),
        cmocka_unit_test(its_function_stops_when_the_taker_ends),
        cmocka_unit_test(it_ends_with_its_giver),
        cmocka_unit_test(a_large_item_goes_bit_by_bit),
        cmocka_unit_test(what_is_stale_is_dropped),
        cmocka_unit_test(scribbled_runs_do_no_harm),
        cmocka_unit_test(who_makes_the_items_is_told_when_it_is_asked),
        cmocka_unit_test(an_old_answer_is_none),
        cmocka_unit_test(one_that_nobody_will_ever_make_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
