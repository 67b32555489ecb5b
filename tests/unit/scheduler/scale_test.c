/* Size: bounds on steps of work (totals.work_count), not on the clock. */
#include <malloc.h>
#include <string.h>

#include "scheduler/snapshot.h"
#include "tests/unit/scheduler/scenario.h"

/* The audit is left out here: it takes time in proportion to everything. */
static void tell(struct scenario *x, uint64_t session, const struct reeve_message *m)
{
    struct reeve_sched_event event = {
        .kind = REEVE_SCHED_EVENT_NODE_MESSAGE, .session = session, .message = m};
    reeve_sched_step(x->sched, x->now_ns, &event, &x->out);
}

static void add_node(struct scenario *x, uint64_t session, uint32_t cpu_milli)
{
    struct reeve_sched_event event = {.kind = REEVE_SCHED_EVENT_PEER_UP, .session = session};
    reeve_sched_step(x->sched, x->now_ns, &event, &x->out);
    struct reeve_message m = {
        .kind = REEVE_MESSAGE_JOIN, .uid = 100 + session, .incarnation = 1, .cpu_milli = cpu_milli};
    tell(x, session, &m);
    forget(x);
}

static uint64_t settle(struct scenario *x, uint64_t most_a_slice)
{
    uint64_t slices = 0;
    while (reeve_sched_has_work(x->sched)) {
        uint64_t before = totals(x).work_count;
        reeve_sched_run_some(x->sched, x->now_ns, &x->out);
        uint64_t work = totals(x).work_count - before;
        if (work > most_a_slice)
            fail_msg("a slice of %llu steps", (unsigned long long)work);
        forget(x);
        slices++;
        assert_true(slices < 100000);
    }
    return slices;
}

/* Rows come by slices of so many, while one node in a hundred dies and as many join: the most that
 * the core is held up is a slice, and who was there all the time is in it once. */
static void take_snapshot(struct scenario *x, uint32_t nodes, uint32_t budget)
{
    static uint8_t seen[20000];
    struct reeve_snapshot snapshot;
    uint64_t slices = 0, lease_count = totals(x).lease_count;
    const uint32_t step = 100;
    memset(seen, 0, sizeof seen);
    reeve_snapshot_init(&snapshot,
        REEVE_SNAPSHOT_BIT(REEVE_SNAPSHOT_NODES) | REEVE_SNAPSHOT_BIT(REEVE_SNAPSHOT_LEASES));
    size_t before = 0;
    for (bool more = true; more; slices++) {
        more = reeve_snapshot_some(&snapshot, x->sched, ++x->now_ns, budget);
        size_t rows =
            snapshot.rows[REEVE_SNAPSHOT_NODES].count + snapshot.rows[REEVE_SNAPSHOT_LEASES].count;
        assert_true(rows - before <= budget);
        before = rows;
        if ((slices + 1) * step >= nodes / 2)
            continue;
        uint32_t gone = nodes / 2 + (uint32_t)(slices + 1) * step;
        struct reeve_sched_event lost = {.kind = REEVE_SCHED_EVENT_PEER_DOWN, .session = gone};
        reeve_sched_step(x->sched, x->now_ns, &lost, &x->out);
        struct reeve_sched_event verdict = {
            .kind = REEVE_SCHED_EVENT_DIAL_FAILED, .node = gone, .refused = true};
        reeve_sched_step(x->sched, x->now_ns, &verdict, &x->out);
        seen[gone] = UINT8_MAX;
        add_node(x, nodes + (uint32_t)slices + 1, 1000);
    }
    assert_in_range(slices, (nodes + 9 * (nodes - 1)) / budget, nodes); /* some leases are gone */
    for (size_t i = 0; i < snapshot.rows[REEVE_SNAPSHOT_NODES].count; i++) {
        const struct reeve_sched_node_info *info =
            reeve_fifo_at(&snapshot.rows[REEVE_SNAPSHOT_NODES], i);
        if (info->node <= nodes && seen[info->node] != UINT8_MAX)
            assert_int_equal(++seen[info->node], 1);
    }
    for (uint32_t i = 1; i <= nodes; i++)
        assert_true(seen[i] != 0);
    assert_true(snapshot.rows[REEVE_SNAPSHOT_LEASES].count + nodes / step * 20 >= lease_count);
    assert_int_equal(snapshot.left_out[REEVE_SNAPSHOT_NODES], 0);
    assert_true(snapshot.ended_ns > snapshot.began_ns);
    assert_int_equal(snapshot.totals.node_count, nodes);
    reeve_snapshot_fini(&snapshot);
    settle(x, 5000);
    assert_null(reeve_sched_check(x->sched));
}

static void what_people_are_shown_is_taken_in_slices(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    const uint32_t nodes = 10000;
    add_node(&x, 1, 0);
    for (uint32_t i = 2; i <= nodes; i++)
        add_node(&x, i, 10000);
    tell(&x, 1, &(struct reeve_message){.kind = REEVE_MESSAGE_JOB_BEGIN, .process = P(1, 1)});
    tell(&x, 1,
        &(struct reeve_message){.kind = REEVE_MESSAGE_DEMAND,
            .process = P(1, 1),
            .class = class_of(P(1, 1), 1000, 0),
            .count = 99990});
    settle(&x, 5000);
    take_snapshot(&x, nodes, 128);

    /* What fits into one is of one moment. */
    struct reeve_snapshot small;
    reeve_snapshot_init(&small,
        REEVE_SNAPSHOT_BIT(REEVE_SNAPSHOT_JOBS) | REEVE_SNAPSHOT_BIT(REEVE_SNAPSHOT_DEMANDS));
    assert_false(reeve_snapshot_some(&small, x.sched, ++x.now_ns, 128));
    assert_int_equal(small.began_ns, small.ended_ns);
    assert_int_equal(small.rows[REEVE_SNAPSHOT_JOBS].count, 1);
    assert_int_equal(small.rows[REEVE_SNAPSHOT_DEMANDS].count, 1);
    reeve_snapshot_fini(&small);

    /* One node is found without looking at the others; nobody finds a dead one. */
    struct reeve_sched_node_info info;
    assert_true(reeve_sched_find_node(x.sched, nodes / 2 + 1, &info));
    assert_int_equal(info.node, nodes / 2 + 1);
    assert_false(reeve_sched_find_node(x.sched, nodes / 2 + 100, &info));
    reeve_sched_free(x.sched);
    reeve_fifo_fini(&x.out);
}

static uint64_t heartbeats_in(struct scenario *x, uint32_t ms)
{
    uint64_t count = 0;
    for (uint64_t end_ns = x->now_ns + ms * MS; x->now_ns < end_ns; x->now_ns += 50 * MS) {
        struct reeve_sched_event tick = {.kind = REEVE_SCHED_EVENT_TICK};
        reeve_sched_step(x->sched, x->now_ns, &tick, &x->out);
        while (reeve_sched_has_work(x->sched))
            reeve_sched_run_some(x->sched, x->now_ns, &x->out);
        struct reeve_sched_command command;
        while (reeve_fifo_pop(&x->out, &command))
            count += command.kind == REEVE_SCHED_COMMAND_SEND &&
                     command.message.kind == REEVE_MESSAGE_HEARTBEAT;
    }
    return count;
}

/* 10,000 nodes do not say ten times as often as 1,000 that they live. */
static void many_nodes_say_less_often_that_they_live(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    for (uint32_t i = 1; i <= 900; i++)
        add_node(&x, i, 1000);
    assert_in_range(heartbeats_in(&x, 3000), 900 * 2, 900 * 3);
    for (uint32_t i = 901; i <= 10000; i++)
        add_node(&x, i, 1000);
    assert_in_range(heartbeats_in(&x, 6000), 10000, 10000 * 2 + 1000);
    assert_int_equal(totals(&x).node_up_count, 10000);
    reeve_sched_free(x.sched);
    reeve_fifo_fini(&x.out);
}

/* 0 under a sanitizer, whose allocator does not say. */
static size_t allocated_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void ten_thousand_nodes_a_hundred_thousand_leases(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    const uint32_t nodes = 10000, a_node = 10;
    size_t bytes = allocated_bytes();
    add_node(&x, 1, 0);
    for (uint32_t i = 2; i <= nodes; i++)
        add_node(&x, i, a_node * 1000);
    assert_true((allocated_bytes() - bytes) / nodes < 2048);
    tell(&x, 1, &(struct reeve_message){.kind = REEVE_MESSAGE_JOB_BEGIN, .process = P(1, 1)});
    struct reeve_class c = class_of(P(1, 1), 1000, 0);
    uint64_t before = totals(&x).work_count;
    tell(&x, 1,
        &(struct reeve_message){
            .kind = REEVE_MESSAGE_DEMAND, .process = P(1, 1), .class = c, .count = 200000});
    settle(&x, 5000);
    struct reeve_sched_totals t = totals(&x);
    assert_int_equal(t.lease_count, (nodes - 1) * a_node);
    /* A grant is a bounded number of looks at heaps, however many nodes there are. */
    assert_true((t.work_count - before) / t.lease_count < 12);
    assert_null(reeve_sched_check(x.sched));

    /* One comes back: one goes out, at no more cost than with ten nodes. */
    uint64_t cursor = 0;
    struct reeve_sched_lease_info info;
    assert_true(reeve_sched_next_lease(x.sched, &cursor, &info));
    before = totals(&x).work_count;
    tell(&x, info.node, &(struct reeve_message){.kind = REEVE_MESSAGE_ENDED, .lease = info.lease});
    assert_int_equal(totals(&x).lease_count, (nodes - 1) * a_node);
    assert_true(totals(&x).work_count - before < 200);
    settle(&x, 5000);

    /* Another comes, and waits: not all who hold something are told at once. */
    tell(&x, 2, &(struct reeve_message){.kind = REEVE_MESSAGE_JOB_BEGIN, .process = P(2, 1)});
    forget(&x);
    before = totals(&x).work_count;
    tell(&x, 2,
        &(struct reeve_message){.kind = REEVE_MESSAGE_DEMAND,
            .process = P(2, 1),
            .class = class_of(P(2, 1), 1000, 0),
            .count = 1});
    assert_true(totals(&x).work_count - before < 500);
    assert_in_range(x.out.count, 2, 100);
    settle(&x, 5000);

    /* A node dies that has ten leases: these, and a word to everyone, in slices. */
    const uint32_t dead = nodes / 2;
    before = totals(&x).work_count;
    struct reeve_sched_event gone = {.kind = REEVE_SCHED_EVENT_PEER_DOWN, .session = dead};
    reeve_sched_step(x.sched, x.now_ns, &gone, &x.out);
    struct reeve_sched_event refused = {
        .kind = REEVE_SCHED_EVENT_DIAL_FAILED, .node = dead, .refused = true};
    reeve_sched_step(x.sched, x.now_ns, &refused, &x.out);
    assert_true(totals(&x).work_count - before < 1000);
    forget(&x);
    settle(&x, 5000);
    assert_true(totals(&x).work_count - before < 3 * (uint64_t)nodes);
    assert_int_equal(totals(&x).lease_count, (nodes - 2) * a_node);

    /* The driver's node dies: the news goes to everyone, in slices. */
    struct reeve_sched_event lost = {.kind = REEVE_SCHED_EVENT_PEER_DOWN, .session = 1};
    reeve_sched_step(x.sched, x.now_ns, &lost, &x.out);
    struct reeve_sched_event verdict = {
        .kind = REEVE_SCHED_EVENT_DIAL_FAILED, .node = 1, .refused = true};
    reeve_sched_step(x.sched, x.now_ns, &verdict, &x.out);
    forget(&x);
    assert_true(settle(&x, 5000) > 50);
    assert_null(reeve_sched_check(x.sched));
    reeve_sched_free(x.sched);
    reeve_fifo_fini(&x.out);
}

static void a_node_with_a_hundred_thousand_leases_dies(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, &(struct reeve_sched_settings){
                  .head_incarnation = 1, .node_next = 1, .leases_a_node_max = 200000});
    add_node(&x, 1, 0);
    add_node(&x, 2, 100000000);
    tell(&x, 1, &(struct reeve_message){.kind = REEVE_MESSAGE_JOB_BEGIN, .process = P(1, 1)});
    struct reeve_class c = class_of(P(1, 1), 1000, 0);
    tell(&x, 1,
        &(struct reeve_message){
            .kind = REEVE_MESSAGE_DEMAND, .process = P(1, 1), .class = c, .count = 100000});
    settle(&x, 5000);
    assert_int_equal(totals(&x).lease_count, 100000);
    struct reeve_sched_event lost = {.kind = REEVE_SCHED_EVENT_PEER_DOWN, .session = 2};
    reeve_sched_step(x.sched, x.now_ns, &lost, &x.out);
    uint64_t before = totals(&x).work_count;
    struct reeve_sched_event verdict = {
        .kind = REEVE_SCHED_EVENT_DIAL_FAILED, .node = 2, .refused = true};
    reeve_sched_step(x.sched, x.now_ns, &verdict, &x.out);
    assert_true(totals(&x).work_count - before < 5000);
    assert_true(totals(&x).lease_count > 99000); /* the verdict is out, the clearing has begun */
    assert_true(settle(&x, 5000) > 100);
    assert_int_equal(totals(&x).lease_count, 0);
    assert_null(reeve_sched_check(x.sched));
    reeve_sched_free(x.sched);
    reeve_fifo_fini(&x.out);
}

static void many_demands_of_one_job(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    add_node(&x, 1, 4000);
    tell(&x, 1, &(struct reeve_message){.kind = REEVE_MESSAGE_JOB_BEGIN, .process = P(1, 1)});
    for (uint32_t i = 1; i <= 50000; i++) {
        struct reeve_class c = class_of(P(1, 1), 1000, (int32_t)(i % 100));
        tell(&x, 1,
            &(struct reeve_message){
                .kind = REEVE_MESSAGE_DEMAND, .process = P(1, i), .class = c, .count = 2});
        forget(&x);
    }
    settle(&x, 5000);
    assert_null(reeve_sched_check(x.sched));
    uint64_t before = totals(&x).work_count;
    tell(&x, 1, &(struct reeve_message){.kind = REEVE_MESSAGE_ENDED, .lease = L(1)});
    settle(&x, 5000);
    assert_true(totals(&x).work_count - before < 1000);
    tell(&x, 1, &(struct reeve_message){.kind = REEVE_MESSAGE_JOB_END, .process = P(1, 1)});
    assert_true(settle(&x, 5000) > 100);
    assert_true(totals(&x).demand_count <= 4);
    assert_null(reeve_sched_check(x.sched));
    reeve_sched_free(x.sched);
    reeve_fifo_fini(&x.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_nodes_a_hundred_thousand_leases),
        cmocka_unit_test(a_node_with_a_hundred_thousand_leases_dies),
        cmocka_unit_test(many_demands_of_one_job),
        cmocka_unit_test(many_nodes_say_less_often_that_they_live),
        cmocka_unit_test(what_people_are_shown_is_taken_in_slices),
    };
    return cmocka_run_group_tests_name("scheduler/scale", tests, NULL, NULL);
}
