/* Calls of actors whose arguments are lost: the argument is made again, and meanwhile what was sent
 * behind the call comes back, and waits behind it. */
#include "tests/unit/client/lineage_world.h"

#define SENT_MAX 16u

/* Where the actor lives, and what has been sent there and not been answered. */
struct host {
    struct world world;
    uint32_t actor, class_index;
    reeve_lease_index lease;
    struct {
        reeve_task_id task;
        uint32_t attempt;
        uint16_t flags;
    } sent[SENT_MAX];
    uint32_t count;
    struct reeve_owner_send making[SENT_MAX]; /* likewise, of plain tasks */
    uint32_t making_count;
};

/* How many of them to the host. */
static uint32_t send_all(struct host *host)
{
    struct reeve_owner *owner = host->world.owner;
    struct reeve_owner_send send;
    uint32_t before = host->count;
    while (reeve_owner_next_send(owner, &send)) {
        assert_true(host->count < SENT_MAX && host->making_count < SENT_MAX);
        if (send.lease_index == host->lease) {
            host->sent[host->count].task = send.task;
            host->sent[host->count].attempt = send.entry.attempt;
            host->sent[host->count++].flags = send.entry.flags;
        } else {
            host->making[host->making_count++] = send;
        }
        reeve_owner_sent(owner, host->world.now_ns, send.task, host->world.sent_count++);
        reeve_owner_check(owner);
    }
    commands_run(&host->world);
    return host->count - before;
}

static void made_again(struct host *host)
{
    for (uint32_t i = 0; i < host->making_count; i++)
        run(&host->world, &host->making[i], true);
    host->making_count = 0;
    commands_run(&host->world);
}

static void left(struct host *host)
{
    memmove(&host->sent[0], &host->sent[1], --host->count * sizeof(host->sent[0]));
    commands_run(&host->world);
}

/* The oldest of them. */
static void answer(struct host *host, int status, const struct reeve_reference *object)
{
    assert_true(reeve_owner_answer(host->world.owner, host->world.now_ns, host->lease,
        host->sent[0].task, host->sent[0].attempt, status, "\x80", 1, object));
    left(host);
}

static void recalled(struct host *host)
{
    reeve_owner_taken_back(host->world.owner, host->world.now_ns, host->lease, host->sent[0].task,
        host->sent[0].attempt);
    left(host);
}

static void lost(struct host *host, reeve_task_id argument, int code)
{
    struct reeve_owner_result result;
    assert_int_equal(reeve_owner_result(host->world.owner, argument, &result), 0);
    answer(host, code, &result.object);
}

static void is_next(const struct host *host, uint32_t at, reeve_task_id task, uint16_t flags)
{
    assert_true(at < host->count && host->sent[at].task == task);
    assert_int_equal(host->sent[at].flags, flags);
    assert_int_equal(host->sent[at].attempt, 1); /* what was refused was none */
}

static reeve_task_id submit_actor(
    struct host *host, enum reeve_owner_life life, reeve_task_id argument)
{
    struct reeve_owner_splice splice = {1, argument};
    struct reeve_owner_task from = {.function = 3,
        .actor = host->actor,
        .life = (uint8_t)life,
        .arguments = "\x91\xc0",
        .arguments_size = 2,
        .splice_count = argument != 0,
        .splices = &splice};
    reeve_task_id task;
    assert_int_equal(reeve_owner_submit(host->world.owner, host->world.now_ns, &from, &task), 0);
    reeve_owner_check(host->world.owner);
    return task;
}

static reeve_task_id call(struct host *host, reeve_task_id argument)
{
    return submit_actor(host, REEVE_OWNER_CALL, argument);
}

static void gain(struct host *host)
{
    assert_int_equal(reeve_owner_lease_gained(host->world.owner, host->world.now_ns,
                         host->class_index, 100 + host->world.sent_count, 9, &host->lease),
        0);
}

static struct host host_make(uint32_t restarts_max)
{
    struct host host = {.world = world_make(1u << 20)};
    struct reeve_owner_actor actor = {.restarts_max = restarts_max, .end_function = 4};
    uint32_t number;
    assert_int_equal(reeve_owner_actor_make(host.world.owner, &actor, &host.actor, &number), 0);
    assert_true(reeve_owner_actor_class(host.world.owner, host.actor, &host.class_index));
    assert_int_equal(
        reeve_owner_release(host.world.owner, submit_actor(&host, REEVE_OWNER_MAKE, 0)), 0);
    gain(&host);
    assert_int_equal(send_all(&host), 1);
    answer(&host, 0, NULL);
    return host;
}

/* A large value, on a node that dies before anybody reads it. */
static reeve_task_id lost_argument(struct host *host, uint32_t losses_max)
{
    reeve_task_id argument = submit(&host->world, 5, NULL, 0, losses_max);
    (void)send_all(host);
    made_again(host);
    return argument;
}

static void ends_well(struct host *host, const reeve_task_id *calls, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(reeve_owner_state(host->world.owner, calls[i]), REEVE_TASK_DONE);
        release(&host->world, calls[i]);
    }
}

static void host_end(struct host *host, reeve_task_id argument)
{
    release(&host->world, argument);
    assert_int_equal(
        reeve_owner_actor_release(host->world.owner, host->world.now_ns, host->actor, "\x90", 1),
        0);
    assert_int_equal(send_all(host), 1);
    answer(host, 0, NULL);
    (void)send_all(host);
    assert_int_equal(reeve_owner_task_count(host->world.owner), 0);
    world_free(&host->world);
}

static void what_is_behind_it_comes_back_and_waits(void **state)
{
    (void)state;
    static const int codes[] = {REEVE_ELOST, REEVE_ECORRUPT};
    for (int i = 0; i < 2; i++) {
        struct host host = host_make(0);
        reeve_task_id argument = lost_argument(&host, 3), calls[5];
        for (uint32_t k = 0; k < 4; k++)
            calls[k] = call(&host, k == 1 ? argument : 0);
        assert_int_equal(send_all(&host), 4);
        all_die(&host.world);
        answer(&host, 0, NULL);
        lost(&host, argument, codes[i]);
        assert_int_equal(send_all(&host), 0);
        recalled(&host);
        calls[4] = call(&host, 0);
        made_again(&host);
        assert_int_equal(reeve_owner_state(host.world.owner, calls[1]), REEVE_TASK_QUEUED);
        assert_int_equal(send_all(&host), 0); /* one is still to come back */
        recalled(&host);
        assert_int_equal(send_all(&host), 4);
        is_next(&host, 0, calls[1], REEVE_ENTRY_RESUMES);
        for (uint32_t k = 2; k < 5; k++)
            is_next(&host, k - 1, calls[k], 0);
        while (host.count != 0)
            answer(&host, 0, NULL);
        ends_well(&host, calls, 5);
        host_end(&host, argument);
    }
}

/* It may wait for what comes next. */
static void what_is_in_front_of_it_is_not_waited_for(void **state)
{
    (void)state;
    struct host host = host_make(0);
    reeve_task_id argument = lost_argument(&host, 3);
    reeve_task_id calls[] = {call(&host, 0), call(&host, argument), call(&host, 0)};
    assert_int_equal(send_all(&host), 3);
    all_die(&host.world);
    host.sent[SENT_MAX - 1] = host.sent[0]; /* its answer comes last */
    memmove(&host.sent[0], &host.sent[1], --host.count * sizeof(host.sent[0]));
    lost(&host, argument, REEVE_ELOST);
    recalled(&host);
    assert_int_equal(send_all(&host), 0);
    made_again(&host);
    assert_int_equal(send_all(&host), 2);
    is_next(&host, 0, calls[1], REEVE_ENTRY_RESUMES);
    is_next(&host, 1, calls[2], 0);
    answer(&host, 0, NULL);
    answer(&host, 0, NULL);
    host.sent[host.count++] = host.sent[SENT_MAX - 1];
    answer(&host, 0, NULL);
    ends_well(&host, calls, 3);
    host_end(&host, argument);
}

/* The call has its error at once, and those behind it go on without it. */
static void what_cannot_be_made_again_fails_alone(void **state)
{
    (void)state;
    struct host host = host_make(0);
    reeve_task_id argument = lost_argument(&host, 0);
    reeve_task_id failing = call(&host, argument), behind[] = {call(&host, 0), call(&host, 0)};
    struct reeve_owner_result result;
    assert_int_equal(send_all(&host), 3);
    all_die(&host.world);
    lost(&host, argument, REEVE_ELOST);
    assert_int_equal(reeve_owner_result(host.world.owner, failing, &result), 0);
    assert_int_equal(result.status, REEVE_ELOST);
    assert_int_equal(send_all(&host), 0);
    recalled(&host);
    recalled(&host);
    assert_int_equal(send_all(&host), 2);
    is_next(&host, 0, behind[0], REEVE_ENTRY_RESUMES);
    is_next(&host, 1, behind[1], 0);
    answer(&host, 0, NULL);
    answer(&host, 0, NULL);
    ends_well(&host, behind, 2);
    release(&host.world, failing);
    host_end(&host, argument);
}

static void one_that_is_cancelled_meanwhile_lets_the_others_go(void **state)
{
    (void)state;
    struct host host = host_make(0);
    reeve_task_id argument = lost_argument(&host, 3);
    reeve_task_id cancelled = call(&host, argument), behind = call(&host, 0);
    const struct reeve_owner_cancel how = {.grace_ms = 1};
    assert_int_equal(send_all(&host), 2);
    all_die(&host.world);
    lost(&host, argument, REEVE_ELOST);
    recalled(&host);
    assert_int_equal(reeve_owner_cancel(host.world.owner, host.world.now_ns, cancelled, &how), 0);
    assert_int_equal(send_all(&host), 1);
    is_next(&host, 0, behind, REEVE_ENTRY_RESUMES);
    answer(&host, 0, NULL);
    made_again(&host);
    ends_well(&host, &behind, 1);
    assert_int_equal(reeve_owner_state(host.world.owner, cancelled), REEVE_TASK_FAILED);
    release(&host.world, cancelled);
    host_end(&host, argument);
}

/* The next process knows nothing of it. */
static void a_host_that_dies_meanwhile_is_replaced(void **state)
{
    (void)state;
    struct host host = host_make(1);
    reeve_task_id argument = lost_argument(&host, 3);
    reeve_task_id calls[] = {call(&host, argument), call(&host, 0)};
    assert_int_equal(send_all(&host), 2);
    all_die(&host.world);
    lost(&host, argument, REEVE_ELOST);
    recalled(&host); /* the daemon has revoked it */
    reeve_owner_lease_lost(host.world.owner, host.world.now_ns, host.lease, REEVE_EWORKERDIED, "");
    (void)send_all(&host);
    made_again(&host);
    gain(&host);
    assert_int_equal(send_all(&host), 3);
    assert_int_equal(host.sent[0].attempt, 2);
    assert_int_equal(host.sent[0].flags, 0);
    answer(&host, 0, NULL);
    is_next(&host, 0, calls[0], 0);
    is_next(&host, 1, calls[1], 0);
    answer(&host, 0, NULL);
    answer(&host, 0, NULL);
    ends_well(&host, calls, 2);
    host_end(&host, argument);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_behind_it_comes_back_and_waits),
        cmocka_unit_test(what_is_in_front_of_it_is_not_waited_for),
        cmocka_unit_test(what_cannot_be_made_again_fails_alone),
        cmocka_unit_test(one_that_is_cancelled_meanwhile_lets_the_others_go),
        cmocka_unit_test(a_host_that_dies_meanwhile_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
