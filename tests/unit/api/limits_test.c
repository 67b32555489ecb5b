/* Waits with a limit of time that are woken before what they wait for is there: the limit is that
 * of the whole call. In place of a cluster stands a backend that wakes them, some times, for
 * nothing, and then says that the time is over: it must have been asked to wait until the same
 * moment each time. */
#include <reeve.h>

#include "api/client/backend.h"
#include "api/client/client.h"
#include "api/client/error.h"
#include "api/client/ready.h"
#include "tests/unit/test.h"

#define WAKES 5

static struct {
    unsigned waits;
    uint64_t deadline_ns;
    bool pushes; /* the wake is a tag, of something that is past when it is looked at */
    uint64_t pushed;
    struct {
        struct reeve_ready *ready; /* NULL: its tag has come */
        uint64_t tag;
    } watched[4 * WAKES];
    size_t watched_count;
} said;

/* Of those with this tag, or all. */
static void push(uint64_t tag, bool all)
{
    for (size_t i = 0; i < said.watched_count; i++) {
        struct reeve_ready *ready = said.watched[i].ready;
        if (ready == NULL || (!all && said.watched[i].tag != tag))
            continue;
        said.watched[i].ready = NULL;
        reeve_ready_push(ready, said.watched[i].tag);
    }
}

static int watch(struct reeve_backend *backend, uint64_t future, struct reeve_ready *ready,
    uint64_t tag, struct reeve_error_info *error)
{
    (void)backend;
    (void)future;
    (void)error;
    if (ready == NULL)
        return REEVE_EAGAIN;
    assert_true(said.watched_count < 4 * WAKES);
    said.watched[said.watched_count].ready = ready;
    said.watched[said.watched_count++].tag = tag;
    return REEVE_OK;
}

static int watch_wait(struct reeve_backend *backend, struct reeve_ready *ready,
    const uint64_t *futures, size_t count, size_t *tried, uint64_t deadline_ns,
    struct reeve_error_info *error)
{
    (void)backend;
    (void)ready;
    (void)futures;
    (void)count;
    (void)tried;
    if (said.waits++ == 0)
        said.deadline_ns = deadline_ns;
    assert_true(deadline_ns == said.deadline_ns && deadline_ns != UINT64_MAX);
    if (said.waits > WAKES)
        return reeve_error_set(error, REEVE_ETIMEDOUT, "%s", "");
    if (said.pushes)
        push(said.pushed++, false);
    return REEVE_OK;
}

static int release(struct reeve_backend *backend, uint64_t future, struct reeve_error_info *error)
{
    (void)backend;
    (void)future;
    (void)error;
    return REEVE_OK;
}

static int look(struct reeve_backend *backend, uint64_t future, struct reeve_future_look *ret)
{
    (void)backend;
    (void)future;
    *ret = (struct reeve_future_look){.ready = true, .size_bytes = 1};
    return REEVE_OK;
}

static int begin(void **state)
{
    static struct reeve_backend backend = {.watch = watch,
        .watch_next = watch,
        .watch_wait = watch_wait,
        .look = look,
        .release = release};
    (void)state;
    memset(&said, 0, sizeof said);
    return reeve_client_attach(&backend, reeve_error_thread());
}

/* As when a backend is shut down: every tag that is expected comes. */
static int end(void **state)
{
    (void)state;
    push(0, true);
    return 0;
}

static void of_the_next_item_of_many_streams(void **state)
{
    (void)state;
    reeve_future streams[2 * WAKES];
    for (size_t i = 0; i < 2 * WAKES; i++)
        streams[i].id = i + 1;
    size_t index;
    said.pushes = true;
    reeve_merge merge = reeve_merge_begin(streams, 2 * WAKES);
    assert_int_equal(reeve_merge_next(&merge, 60000, &index), REEVE_ETIMEDOUT);
    assert_int_equal(said.waits, WAKES + 1);
    reeve_merge_end(&merge);
}

static void of_the_next_of_many_futures(void **state)
{
    (void)state;
    reeve_future futures[2] = {{1}, {2}};
    size_t index;
    reeve_completion completion = reeve_completion_begin(futures, 2);
    assert_int_equal(reeve_completion_next(&completion, 60000, &index), REEVE_ETIMEDOUT);
    assert_int_equal(said.waits, WAKES + 1);
    reeve_completion_end(&completion);
}

/* The others are answered before the first one is. */
static void of_the_next_call_of_a_pool_in_order(void **state)
{
    (void)state;
    reeve_pool_call call;
    reeve_pool *pool = reeve_pool_create(1);
    for (uint64_t i = 0; i < 2 * WAKES; i++)
        assert_int_equal((reeve_pool_add)(pool, 0, (reeve_future){i + 1}, i), REEVE_OK);
    said.pushes = true;
    said.pushed = 1;
    assert_int_equal(reeve_pool_next_in_order(pool, 60000, &call), REEVE_ETIMEDOUT);
    assert_int_equal(said.waits, WAKES + 1);
    assert_int_equal(reeve_pool_next(pool, 60000, &call), REEVE_OK);
    assert_int_equal(call.tag, 1);
    reeve_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_the_next_item_of_many_streams, begin, end),
        cmocka_unit_test_setup_teardown(of_the_next_of_many_futures, begin, end),
        cmocka_unit_test_setup_teardown(of_the_next_call_of_a_pool_in_order, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
