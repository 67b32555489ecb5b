/* Shares over time: jobs that never have enough, on nodes that give leases back when the task that
 * runs has finished. Each holds its part of the cpu time, whatever its tasks are like, and a job
 * that comes later with little to ask for is served soon. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/macros.h"
#include "tests/unit/scheduler/scenario.h"

#define JOBS_MAX   4
#define LEASES_MAX 64
#define TURN_MS    100

struct worker_lease {
    uint64_t id, granted_ms, back_ms; /* back_ms: when it comes back, 0: not called back */
    uint32_t node, job;
};

struct player {
    uint32_t cpu_milli, task_ms, weight, count;
    uint64_t held_ms; /* milli cpu and ms */
    uint64_t first_ms;
};

struct world {
    struct scenario x;
    uint64_t ms;
    struct player players[JOBS_MAX];
    struct worker_lease leases[LEASES_MAX];
};

static void world_begin(struct world *w, uint32_t nodes, uint32_t cpu_milli)
{
    memset(w, 0, sizeof *w);
    begin(&w->x, NULL);
    for (uint32_t i = 1; i <= nodes; i++)
        join(&w->x, i, cpu_milli);
    forget(&w->x);
}

/* Player i is the driver 1.(i+1); it asks for `count` leases. */
static void enter(struct world *w, uint32_t i, struct player player)
{
    reeve_process_id id = P(1, i + 1);
    w->players[i] = player;
    say(&w->x, 1,
        &(struct reeve_message){
            .kind = REEVE_MESSAGE_JOB_BEGIN, .process = id, .text = "job", .count = player.weight});
    demand(&w->x, 1, id, class_of(id, player.cpu_milli, 0), player.count);
}

static struct worker_lease *lease_find(struct world *w, uint64_t id)
{
    for (int i = 0; i < LEASES_MAX; i++)
        if (w->leases[i].id == id)
            return &w->leases[i];
    fail_msg("no lease %llu", (unsigned long long)id);
    return NULL;
}

static void take_commands(struct world *w)
{
    struct reeve_sched_command c;
    while (reeve_fifo_pop(&w->x.out, &c)) {
        if (c.kind != REEVE_SCHED_COMMAND_SEND)
            continue;
        if (c.message.kind == REEVE_MESSAGE_GRANT) {
            uint32_t job = (uint32_t)c.message.process - 1;
            *lease_find(w, 0) = (struct worker_lease){.id = c.message.lease,
                .granted_ms = w->ms,
                .node = (uint32_t)c.session,
                .job = job};
            if (w->players[job].first_ms == 0)
                w->players[job].first_ms = w->ms;
        } else if (c.message.kind == REEVE_MESSAGE_RECALL && c.message.count == 0) {
            struct worker_lease *lease = lease_find(w, c.message.lease);
            uint32_t task_ms = w->players[lease->job].task_ms;
            lease->back_ms = w->ms + task_ms - (w->ms - lease->granted_ms) % task_ms;
        }
    }
}

static void play_ms(struct world *w, uint32_t nodes, uint64_t ms)
{
    for (uint64_t end = w->ms + ms; w->ms < end; w->ms++) {
        for (int i = 0; i < LEASES_MAX; i++) {
            struct worker_lease lease = w->leases[i];
            if (lease.id == 0 || lease.back_ms == 0 || lease.back_ms > w->ms)
                continue;
            w->leases[i].id = 0;
            ended(&w->x, lease.node, lease.id);
            take_commands(w);
        }
        for (int i = 0; i < LEASES_MAX; i++)
            if (w->leases[i].id != 0)
                w->players[w->leases[i].job].held_ms += w->players[w->leases[i].job].cpu_milli;
        if (w->ms % 500 == 0)
            for (uint32_t i = 1; i <= nodes; i++)
                heartbeat(&w->x, i);
        wait_ms(&w->x, 1);
        take_commands(w);
    }
}

static void forget_time(struct world *w)
{
    for (int i = 0; i < JOBS_MAX; i++)
        w->players[i].held_ms = 0;
}

/* The share of the first of two, in parts of 1000. */
static uint64_t part(const struct world *w)
{
    return w->players[0].held_ms * 1000 / (w->players[0].held_ms + w->players[1].held_ms);
}

static void world_end(struct world *w)
{
    forget(&w->x);
    finish(&w->x);
}

static void two_share_by_weight_whatever_they_run(void **state)
{
    (void)state;
    static const struct {
        uint32_t nodes, cpu_milli;
        struct player a, b;
        uint64_t part; /* of a, of 1000 */
    } all[] = {
        {1, 1000, {1000, 1, 100, 100, 0, 0}, {1000, 1, 100, 100, 0, 0}, 500},
        {1, 2000, {1000, 1, 100, 100, 0, 0}, {1000, 1, 100, 100, 0, 0}, 500},
        {1, 3000, {1000, 1, 100, 100, 0, 0}, {1000, 1, 100, 100, 0, 0}, 500},
        {1, 3000, {1000, 200, 100, 100, 0, 0}, {1000, 200, 100, 100, 0, 0}, 500},
        {1, 2000, {1000, 200, 100, 100, 0, 0}, {1000, 1, 100, 100, 0, 0}, 500},
        {1, 3000, {1000, 200, 100, 100, 0, 0}, {1000, 1, 100, 100, 0, 0}, 500},
        {1, 1000, {1000, 200, 100, 100, 0, 0}, {1000, 1, 100, 100, 0, 0}, 500},
        {2, 1000, {1000, 200, 100, 100, 0, 0}, {1000, 1, 100, 100, 0, 0}, 500},
        {3, 1000, {1000, 1, 100, 100, 0, 0}, {1000, 1, 100, 100, 0, 0}, 500},
        {1, 2000, {500, 1, 100, 100, 0, 0}, {1000, 1, 100, 100, 0, 0}, 500},
        {1, 2500, {500, 200, 100, 100, 0, 0}, {1000, 1, 100, 100, 0, 0}, 500},
        {2, 1000, {250, 1, 100, 100, 0, 0}, {1000, 200, 100, 100, 0, 0}, 500},
        {1, 1000, {1000, 1, 200, 100, 0, 0}, {1000, 1, 100, 100, 0, 0}, 667},
        {1, 2000, {1000, 1, 300, 100, 0, 0}, {1000, 1, 100, 100, 0, 0}, 750},
        {1, 2000, {1000, 1, 200, 100, 0, 0}, {1000, 200, 100, 100, 0, 0}, 667},
        {2, 2000, {1000, 1, 100, 100, 0, 0}, {1000, 1, 900, 100, 0, 0}, 100},
        {1, 4000, {1000, 1, 1, 100, 0, 0}, {1000, 1, 3, 100, 0, 0}, 250},
    };
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(all); i++) {
        for (int swapped = 0; swapped < 2; swapped++) {
            struct world w;
            world_begin(&w, all[i].nodes, all[i].cpu_milli);
            enter(&w, (uint32_t)swapped, swapped ? all[i].b : all[i].a);
            play_ms(&w, all[i].nodes, 2000);
            enter(&w, (uint32_t)!swapped, swapped ? all[i].a : all[i].b);
            play_ms(&w, all[i].nodes, 1000);
            forget_time(&w);
            play_ms(&w, all[i].nodes, 30000);
            uint64_t is = part(&w), should = all[i].part;
            if (is * 10 < should * 9 || is * 10 > should * 11)
                fail_msg("case %zu%s: %llu of 1000 instead of %llu", i, swapped ? " swapped" : "",
                    (unsigned long long)is, (unsigned long long)should);
            world_end(&w);
        }
    }
}

/* It has a lease as soon as a task has finished, though no slot is free. */
static void a_third_that_asks_for_one_call_is_served_at_once(void **state)
{
    (void)state;
    static const uint32_t tasks_ms[] = {1, 50, 200};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(tasks_ms); i++) {
        for (uint32_t slots = 1; slots <= 3; slots++) {
            struct world w;
            const struct player endless = {1000, tasks_ms[i], 100, 100, 0, 0};
            world_begin(&w, 1, slots * 1000);
            enter(&w, 0, endless);
            enter(&w, 1, endless);
            play_ms(&w, 1, 3456);
            enter(&w, 2, (struct player){1000, 1, 100, 1, 0, 0});
            uint64_t asked_ms = w.ms;
            play_ms(&w, 1, 1000);
            uint64_t waited_ms = w.players[2].first_ms - asked_ms;
            if (w.players[2].first_ms == 0 || waited_ms > tasks_ms[i] + 2)
                fail_msg(
                    "%u slots, tasks of %u ms: %lld ms", slots, tasks_ms[i], (long long)waited_ms);
            world_end(&w);
        }
    }
}

/* Turns are of some length: a lease that moves costs something. */
static void turns_are_not_too_short(void **state)
{
    (void)state;
    struct world w;
    const struct player endless = {1000, 1, 100, 100, 0, 0};
    world_begin(&w, 1, 3000);
    enter(&w, 0, endless);
    enter(&w, 1, endless);
    play_ms(&w, 1, 2000);
    uint64_t before = totals(&w.x).recalled_count;
    play_ms(&w, 1, 10000);
    assert_in_range(totals(&w.x).recalled_count - before, 10000 / (4 * TURN_MS), 10000 / TURN_MS);
    world_end(&w);
}

/* A program whose calls are short has nothing left to call for, now and then, for a millisecond:
 * that is no reason to forget what it has lacked while it waited for the other's long tasks. */
static void who_wants_nothing_for_a_moment_keeps_its_claim(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w, 1, 3000);
    enter(&w, 0, (struct player){1000, 1, 100, 100, 0, 0});
    enter(&w, 1, (struct player){1000, 200, 100, 100, 0, 0});
    play_ms(&w, 1, 2000);
    forget_time(&w);
    for (int i = 0; i < 1000; i++) {
        struct reeve_sched_demand_info info;
        uint64_t cursor = 0;
        while (reeve_sched_next_demand(w.x.sched, &cursor, &info))
            if (info.process == P(1, 1))
                demand(&w.x, 1, P(1, 1), class_of(P(1, 1), 1000, 0), info.lease_count);
        take_commands(&w);
        play_ms(&w, 1, 1);
        demand(&w.x, 1, P(1, 1), class_of(P(1, 1), 1000, 0), 100);
        take_commands(&w);
        play_ms(&w, 1, 29);
    }
    assert_in_range(part(&w), 450, 550);
    world_end(&w);
}

/* What a job had while nobody else wanted anything is not held against it, and one that wanted
 * nothing for long has saved up nothing. */
static void the_past_does_not_count(void **state)
{
    (void)state;
    struct world w;
    const struct player endless = {1000, 1, 100, 100, 0, 0};
    world_begin(&w, 1, 3000);
    enter(&w, 0, endless);
    play_ms(&w, 1, 60000);
    forget_time(&w);
    enter(&w, 1, endless);
    play_ms(&w, 1, 2000);
    assert_in_range(part(&w), 450, 550);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_share_by_weight_whatever_they_run),
        cmocka_unit_test(a_third_that_asks_for_one_call_is_served_at_once),
        cmocka_unit_test(turns_are_not_too_short),
        cmocka_unit_test(who_wants_nothing_for_a_moment_keeps_its_claim),
        cmocka_unit_test(the_past_does_not_count),
    };
    return cmocka_run_group_tests_name("scheduler/shares", tests, NULL, NULL);
}
