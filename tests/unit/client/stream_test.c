/* The owner core: items of streams, in order and once, whatever happens to who yields them. */
#include "api/client/owner.h"

#include <reeve_errors.h>
#include <string.h>

#include "runtime/channel/credit.h"
#include "tests/unit/test.h"

#define MS UINT64_C(1000000)

struct world {
    struct reeve_owner *owner;
    uint32_t class_index;
    reeve_lease_index lease;
    uint64_t lease_id;
};

static void lease_gain(struct world *world)
{
    assert_int_equal(reeve_owner_lease_gained(
                         world->owner, MS, world->class_index, ++world->lease_id, 1, &world->lease),
        0);
}

static struct world world_make(void)
{
    struct world world = {.owner = reeve_owner_create(&reeve_owner_settings_default)};
    assert_non_null(world.owner);
    assert_int_equal(reeve_owner_class(world.owner, 1000, 0, &world.class_index), 0);
    lease_gain(&world);
    return world;
}

static reeve_task_id submit_window(struct world *world, uint32_t units, uint32_t unit_bytes)
{
    struct reeve_owner_task from = {.class_index = world->class_index,
        .losses_max = 3,
        .arguments = "\x90",
        .arguments_size = 1,
        .never_inline = true,
        .is_stream = true,
        .window = {units, unit_bytes}};
    reeve_task_id task;
    assert_int_equal(reeve_owner_submit(world->owner, MS, &from, &task), 0);
    return task;
}

static reeve_task_id submit(struct world *world)
{
    return submit_window(world, 0, 0);
}

/* Sends it once more; the attempt. */
static uint32_t send(struct world *world, reeve_task_id task)
{
    struct reeve_owner_send sending;
    reeve_lease_index lease;
    uint64_t position;
    uint32_t attempt;
    assert_true(reeve_owner_next_send(world->owner, &sending));
    assert_true(sending.task == task);
    reeve_owner_sent(world->owner, MS, task, 5);
    assert_true(reeve_owner_where(world->owner, task, &lease, &position, &attempt));
    return attempt;
}

static void item(struct world *world, reeve_task_id task, uint32_t attempt, const char *text)
{
    assert_int_equal(reeve_owner_item(world->owner, world->lease, task, attempt, false, text,
                         (uint32_t)strlen(text)),
        0);
    reeve_owner_check(world->owner);
}

static void piece(struct world *world, reeve_task_id task, uint32_t attempt, const char *text)
{
    assert_int_equal(reeve_owner_item(world->owner, world->lease, task, attempt, true, text,
                         (uint32_t)strlen(text)),
        0);
    reeve_owner_check(world->owner);
}

static int next(struct world *world, reeve_task_id task)
{
    const uint8_t *bytes;
    uint32_t size;
    return reeve_owner_next_item(world->owner, task, &bytes, &size);
}

static void takes(struct world *world, reeve_task_id task, const char *text)
{
    const uint8_t *bytes = NULL;
    uint32_t size = 0;
    assert_int_equal(reeve_owner_next_item(world->owner, task, &bytes, &size), 0);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(bytes, text, size);
    reeve_owner_item_taken(world->owner, task);
    reeve_owner_check(world->owner);
}

static void answers(struct world *world, reeve_task_id task, uint32_t attempt, int status)
{
    assert_true(
        reeve_owner_answer(world->owner, MS, world->lease, task, attempt, status, "\xc0", 1, NULL));
    reeve_owner_check(world->owner);
}

static void worker_dies(struct world *world)
{
    reeve_owner_lease_lost(world->owner, MS, world->lease, REEVE_EWORKERDIED, "it died");
    lease_gain(world);
    reeve_owner_check(world->owner);
}

/* The next that tells the worker how much has been taken; 0: none. */
static uint32_t credit(struct world *world)
{
    struct reeve_owner_command command;
    while (reeve_owner_next_command(world->owner, &command))
        if (command.kind == REEVE_OWNER_CREDIT)
            return command.count;
    return 0;
}

static void items_come_in_order_and_then_the_end(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id task = submit(&world);
    assert_int_equal(next(&world, task), REEVE_EAGAIN);
    uint32_t attempt = send(&world, task);
    item(&world, task, attempt, "a");
    item(&world, task, attempt, "b");
    takes(&world, task, "a");
    answers(&world, task, attempt, 0);
    takes(&world, task, "b");
    assert_int_equal(next(&world, task), REEVE_EEND);
    assert_int_equal(reeve_owner_release(world.owner, task), 0);
    assert_int_equal(next(&world, task), REEVE_EHANDLE);
    reeve_owner_check(world.owner);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    reeve_owner_free(world.owner);
}

static void an_error_comes_after_the_items_before_it(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_result result;
    reeve_task_id task = submit(&world);
    uint32_t attempt = send(&world, task);
    item(&world, task, attempt, "a");
    answers(&world, task, attempt, REEVE_EFUNCTION);
    takes(&world, task, "a");
    assert_int_equal(next(&world, task), REEVE_EEND);
    assert_int_equal(reeve_owner_result(world.owner, task, &result), 0);
    assert_int_equal(result.status, REEVE_EFUNCTION);
    reeve_owner_free(world.owner);
}

/* What has come of attempts before is skipped, read or not, and so is the beginning of an item. */
static void another_attempt_goes_on_where_the_last_one_stopped(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id task = submit(&world);
    uint32_t attempt = send(&world, task);
    item(&world, task, attempt, "a");
    item(&world, task, attempt, "b");
    takes(&world, task, "a");
    piece(&world, task, attempt, "c");
    worker_dies(&world);
    uint32_t again = send(&world, task);
    assert_int_equal(again, attempt + 1);
    item(&world, task, attempt, "stale");
    item(&world, task, again, "a");
    item(&world, task, again, "b");
    worker_dies(&world); /* once more, before there is anything new */
    again = send(&world, task);
    item(&world, task, again, "a");
    takes(&world, task, "b");
    item(&world, task, again, "b");
    assert_int_equal(next(&world, task), REEVE_EAGAIN);
    piece(&world, task, again, "c");
    item(&world, task, again, "c");
    takes(&world, task, "cc");
    answers(&world, task, again, 0);
    assert_int_equal(next(&world, task), REEVE_EEND);
    reeve_owner_free(world.owner);
}

/* Whatever is read and when, the worker is never kept waiting when there is nothing to read. */
static void room_is_told_before_it_is_needed(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id task = submit(&world);
    uint32_t attempt = send(&world, task), sent = 0, told = 0, unread = 0;
    for (int turn = 0; turn < 20; turn++) {
        for (; sent - told < REEVE_STREAM_WINDOW; sent++, unread++)
            item(&world, task, attempt, "x");
        assert_true(unread <= REEVE_STREAM_WINDOW);
        assert_int_equal(credit(&world), 0);
        for (; unread > (uint32_t)(turn % 3) * 50; unread--)
            takes(&world, task, "x");
        for (uint32_t more; (more = credit(&world)) != 0;)
            told = more;
        assert_true(sent - told < REEVE_STREAM_WINDOW);
    }
    /* from the first item on, of an attempt that has to skip more than a window */
    worker_dies(&world);
    attempt = send(&world, task);
    uint32_t before = sent;
    for (sent = told = 0; sent < before; sent++) {
        assert_true(sent - told < REEVE_STREAM_WINDOW);
        item(&world, task, attempt, "x");
        uint32_t more = credit(&world);
        told = more != 0 ? more : told;
    }
    reeve_owner_free(world.owner);
}

/* A window of its own is told to the worker, and room in it in time: of each item at once where it
 * is small. */
static void a_window_may_be_said(void **state)
{
    (void)state;
    const struct reeve_stream_window windows[] = {{1, 100}, {3, 100}, {40, 100}, {512, 1}};
    struct world world = world_make();
    struct reeve_owner_entry entry;
    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        reeve_task_id task = submit_window(&world, windows[i].units, windows[i].unit_bytes);
        reeve_owner_entry(world.owner, task, &entry);
        assert_int_equal(entry.window.units, windows[i].units);
        assert_int_equal(entry.window.unit_bytes, windows[i].unit_bytes);
        uint32_t attempt = send(&world, task), sent = 0, told = 0;
        for (uint32_t turn = 0; turn < 200; turn++) {
            assert_true(sent - told < windows[i].units); /* else it would wait for ever */
            item(&world, task, attempt, "abc");
            sent += reeve_stream_units(&windows[i], 3);
            takes(&world, task, "abc");
            uint32_t more = credit(&world);
            told = more != 0 ? more : told;
        }
        answers(&world, task, attempt, 0);
        assert_int_equal(reeve_owner_release(world.owner, task), 0);
    }
    reeve_task_id task = submit(&world);
    reeve_owner_entry(world.owner, task, &entry);
    assert_int_equal(entry.window.units, 0);
    reeve_owner_free(world.owner);
}

/* What an entry may say, whoever has written it. */
static void any_window_is_one(void **state)
{
    (void)state;
    struct reeve_stream_window window = reeve_stream_window_of((struct reeve_stream_window){0, 0});
    assert_int_equal(window.units, REEVE_STREAM_WINDOW);
    assert_int_equal(window.unit_bytes, REEVE_STREAM_UNIT_BYTES);
    window = reeve_stream_window_of((struct reeve_stream_window){REEVE_STREAM_WINDOW + 1, 1});
    assert_int_equal(window.units, REEVE_STREAM_WINDOW);
    assert_true(reeve_stream_units(&window, UINT32_MAX) > REEVE_STREAM_WINDOW);
    assert_int_equal(reeve_stream_units(&window, 0), 1);
}

/* Dropped in the middle: the function is asked to stop, and what still comes is nobody's. */
static void a_dropped_one_is_cancelled(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_command command;
    reeve_task_id task = submit(&world);
    uint32_t attempt = send(&world, task);
    item(&world, task, attempt, "a");
    assert_int_equal(reeve_owner_release(world.owner, task), 0);
    reeve_owner_check(world.owner);
    do
        assert_true(reeve_owner_next_command(world.owner, &command));
    while (command.kind != REEVE_OWNER_CANCEL);
    assert_true(command.task == task);
    assert_int_equal(command.cancel.grace_ms, REEVE_OWNER_NEVER);
    item(&world, task, attempt, "b");
    assert_false(reeve_owner_is_stream(world.owner, task));
    worker_dies(&world); /* and it is not run again */
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    task = submit(&world);
    assert_int_equal(reeve_owner_release(world.owner, task), 0); /* not begun */
    reeve_owner_check(world.owner);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    reeve_owner_free(world.owner);
}

static void one_is_no_argument(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id task = submit(&world), other;
    struct reeve_owner_splice splice = {1, task};
    struct reeve_owner_task from = {.class_index = world.class_index,
        .arguments = "\x91\xc0",
        .arguments_size = 2,
        .splice_count = 1,
        .splices = &splice};
    assert_int_equal(reeve_owner_submit(world.owner, MS, &from, &other), REEVE_ETYPE);
    reeve_owner_check(world.owner);
    reeve_owner_free(world.owner);
}

static int watch(struct world *world, reeve_task_id task, uint64_t tag)
{
    struct reeve_owner_watch pair = {1, tag};
    int code = reeve_owner_watch_next(world->owner, task, &pair);
    reeve_owner_check(world->owner);
    return code;
}

/* The tag that is told next; 0: none. */
static uint64_t told(struct world *world)
{
    struct reeve_owner_watch pair;
    return reeve_owner_next_watched(world->owner, &pair) ? pair.tag : 0;
}

static void whoever_watches_is_told_of_the_next_item(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id task = submit(&world), other;
    struct reeve_owner_task from = {.class_index = world.class_index, .arguments = "\x90"};
    uint32_t attempt = send(&world, task);
    assert_int_equal(watch(&world, task, 1), 0);
    assert_int_equal(watch(&world, task, 2), 0);
    assert_int_equal(reeve_owner_watch_next(world.owner, task, NULL), REEVE_EAGAIN);
    piece(&world, task, attempt, "half of ");
    assert_int_equal(told(&world), 0);
    uint64_t count = reeve_owner_final_count(world.owner);
    item(&world, task, attempt, "an item");
    assert_true(reeve_owner_final_count(world.owner) > count); /* for whoever looks at that */
    assert_int_equal(told(&world) + told(&world), 1 + 2);
    assert_int_equal(told(&world), 0); /* once */
    item(&world, task, attempt, "b");
    assert_int_equal(reeve_owner_watch_next(world.owner, task, NULL), 0);
    assert_int_equal(watch(&world, task, 3), 0); /* there is one */
    assert_int_equal(told(&world), 3);
    takes(&world, task, "half of an item");
    takes(&world, task, "b");
    assert_int_equal(watch(&world, task, 4), 0);
    worker_dies(&world); /* it yields them anew, and they are skipped */
    attempt = send(&world, task);
    item(&world, task, attempt, "half of an item");
    item(&world, task, attempt, "b");
    assert_int_equal(told(&world), 0);
    answers(&world, task, attempt, 0);
    assert_int_equal(told(&world), 4); /* the end */
    assert_int_equal(watch(&world, task, 5), 0);
    assert_int_equal(told(&world), 5);
    assert_int_equal(reeve_owner_release(world.owner, task), 0);
    assert_int_equal(watch(&world, task, 6), REEVE_EHANDLE);
    assert_int_equal(reeve_owner_submit(world.owner, MS, &from, &other), 0);
    assert_int_equal(watch(&world, other, 7), REEVE_ETYPE);
    assert_int_equal(told(&world), 0);
    assert_int_equal(reeve_owner_watch_count(world.owner), 0);
    reeve_owner_free(world.owner);
}

static void whoever_watches_is_told_that_it_is_gone(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id dropped = submit(&world), given = submit(&world), failed = submit(&world), taker;
    struct reeve_owner_splice splice = {1 | REEVE_OWNER_NESTED, given};
    struct reeve_owner_task from = {.class_index = world.class_index,
        .arguments = "\x91\xc0",
        .arguments_size = 2,
        .splice_count = 1,
        .splices = &splice};
    assert_int_equal(watch(&world, dropped, 1), 0);
    assert_int_equal(watch(&world, given, 2), 0);
    assert_int_equal(watch(&world, failed, 3), 0);
    assert_int_equal(reeve_owner_release(world.owner, dropped), 0);
    assert_int_equal(told(&world), 1);
    assert_int_equal(reeve_owner_submit(world.owner, MS, &from, &taker), 0);
    assert_int_equal(told(&world), 2);
    assert_int_equal(watch(&world, given, 4), REEVE_EHANDLE);
    reeve_owner_fail_all(world.owner, REEVE_ESHUTDOWN, "");
    assert_int_equal(told(&world), 3);
    assert_int_equal(told(&world), 0);
    reeve_owner_check(world.owner);
    reeve_owner_free(world.owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_in_order_and_then_the_end),
        cmocka_unit_test(an_error_comes_after_the_items_before_it),
        cmocka_unit_test(another_attempt_goes_on_where_the_last_one_stopped),
        cmocka_unit_test(room_is_told_before_it_is_needed),
        cmocka_unit_test(a_window_may_be_said),
        cmocka_unit_test(any_window_is_one),
        cmocka_unit_test(a_dropped_one_is_cancelled),
        cmocka_unit_test(one_is_no_argument),
        cmocka_unit_test(whoever_watches_is_told_of_the_next_item),
        cmocka_unit_test(whoever_watches_is_told_that_it_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
