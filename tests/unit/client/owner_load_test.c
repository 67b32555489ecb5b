/* The owner core under load: workers that take what is in their rings one by one, in a time of the
 * test's own; some of them on another node, a message away. What takes long must not hold up what
 * does not, while anybody is free to run it. */
#include "api/client/owner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/macros.h"

#define US         UINT64_C(1000)
#define MS         UINT64_C(1000000)
#define SECOND     UINT64_C(1000000000)
#define NEVER      UINT64_MAX
#define LATENCY_NS (200 * US) /* between nodes, one way */
#define LEASES_MAX 4
#define RING_SLOTS 1024

enum entry_state { READY, CLAIMED, GONE };

struct entry {
    reeve_task_id task;
    uint32_t attempt;
    enum entry_state state;
    uint64_t there_ns; /* when the worker can see it */
};

struct worker_lease {
    reeve_lease_index index;
    bool bridged, returned;
    struct entry *ring; /* all that were ever written: the position is the index */
    size_t count, first;
    size_t open;       /* neither answered nor taken back */
    size_t running;    /* the claimed entry's position */
    uint64_t until_ns; /* when it has finished; NEVER: idle */
};

/* An answer, or the fate of an entry that was to be taken back, on its way between nodes. */
struct message {
    uint64_t at_ns;
    size_t lease, position;
    bool take_back, answer, taken_back;
};

struct world {
    struct reeve_owner *owner;
    uint64_t now_ns;
    uint32_t class_index;
    struct worker_lease leases[LEASES_MAX];
    size_t lease_count;
    struct message *messages;
    size_t message_count, message_first, message_capacity;
    uint64_t *finished_ns; /* by order of submission */
    reeve_task_id *tasks;
    size_t task_count;
    size_t taken_back_count;
};

static void world_begin(struct world *w, size_t tasks_max)
{
    memset(w, 0, sizeof *w);
    w->owner = reeve_owner_create(&reeve_owner_settings_default);
    w->now_ns = SECOND;
    assert_int_equal(reeve_owner_class(w->owner, 1000, 0, &w->class_index), 0);
    w->finished_ns = calloc(tasks_max, sizeof *w->finished_ns);
    w->tasks = calloc(tasks_max, sizeof *w->tasks);
    w->message_capacity = 1024 * 1024;
    w->messages = calloc(w->message_capacity, sizeof *w->messages);
    assert_true(w->finished_ns != NULL && w->tasks != NULL && w->messages != NULL);
}

static void world_end(struct world *w)
{
    reeve_owner_check(w->owner);
    reeve_owner_free(w->owner);
    for (size_t i = 0; i < w->lease_count; i++)
        free(w->leases[i].ring);
    free(w->finished_ns);
    free(w->tasks);
    free(w->messages);
}

static void lease_add(struct world *w, bool bridged)
{
    struct worker_lease *lease = &w->leases[w->lease_count++];
    *lease = (struct worker_lease){.bridged = bridged, .until_ns = NEVER};
    assert_int_equal(reeve_owner_lease_gained(w->owner, w->now_ns, w->class_index, w->lease_count,
                         bridged ? 2 : 1, &lease->index),
        0);
}

/* A task's function is how many microseconds it takes; its argument tells which one it is. */
static void submit(struct world *w, uint32_t takes_us)
{
    uint32_t number = (uint32_t)w->task_count;
    struct reeve_owner_task from = {.class_index = w->class_index,
        .function = takes_us,
        .arguments = &number,
        .arguments_size = sizeof number};
    assert_int_equal(reeve_owner_submit(w->owner, w->now_ns, &from, &w->tasks[w->task_count++]), 0);
}

static void message_add(struct world *w, struct message message)
{
    assert_true(w->message_count < w->message_capacity);
    w->messages[w->message_count++] = message;
}

static void entry_answer(struct world *w, size_t lease_at, size_t position)
{
    struct worker_lease *lease = &w->leases[lease_at];
    struct entry *entry = &lease->ring[position];
    uint32_t number;
    struct reeve_owner_entry of;
    reeve_owner_entry(w->owner, entry->task, &of);
    memcpy(&number, of.arguments, sizeof number);
    lease->open--;
    assert_true(reeve_owner_answer(
        w->owner, w->now_ns, lease->index, entry->task, entry->attempt, 0, "", 0, NULL));
    w->finished_ns[number] = w->now_ns;
}

static void entry_taken_back(struct world *w, size_t lease_at, size_t position)
{
    struct worker_lease *lease = &w->leases[lease_at];
    struct entry *entry = &lease->ring[position];
    lease->open--;
    w->taken_back_count++;
    reeve_owner_taken_back(w->owner, w->now_ns, lease->index, entry->task, entry->attempt);
}

static size_t lease_by_index(const struct world *w, reeve_lease_index index)
{
    size_t at = 0;
    while (w->leases[at].returned || w->leases[at].index != index)
        at++;
    return at;
}

static void command_run(struct world *w, const struct reeve_owner_command *c)
{
    if (c->kind == REEVE_OWNER_RETURN_LEASE)
        w->leases[c->lease - 1].returned = true;
    if (c->kind != REEVE_OWNER_TAKE_BACK)
        return;
    struct worker_lease *lease = &w->leases[c->lease - 1];
    struct message message = {.at_ns = w->now_ns + LATENCY_NS,
        .lease = c->lease - 1,
        .position = c->position,
        .take_back = true};
    if (lease->bridged) {
        message_add(w, message);
    } else if (lease->ring[c->position].state == READY) {
        lease->ring[c->position].state = GONE;
        entry_taken_back(w, c->lease - 1, c->position);
    }
}

static void pump(struct world *w)
{
    struct reeve_owner_send send;
    struct reeve_owner_command command;
    bool more = true;
    while (more) {
        more = false;
        while (reeve_owner_next_send(w->owner, &send)) {
            struct worker_lease *lease = &w->leases[lease_by_index(w, send.lease_index)];
            struct reeve_owner_entry of;
            if (lease->open == RING_SLOTS) {
                reeve_owner_unsent(w->owner, send.task);
                continue;
            }
            reeve_owner_entry(w->owner, send.task, &of);
            if ((lease->count & (lease->count - 1)) == 0)
                lease->ring = realloc(lease->ring, (lease->count * 2 + 1) * sizeof(struct entry));
            assert_non_null(lease->ring);
            lease->ring[lease->count] = (struct entry){.task = send.task,
                .attempt = of.attempt,
                .there_ns = w->now_ns + (lease->bridged ? LATENCY_NS : 0)};
            lease->open++;
            reeve_owner_sent(w->owner, w->now_ns, send.task, lease->count++);
        }
        while (reeve_owner_next_command(w->owner, &command)) {
            command_run(w, &command);
            more = true;
        }
    }
}

static void message_take(struct world *w, const struct message *message)
{
    struct worker_lease *lease = &w->leases[message->lease];
    struct entry *entry = &lease->ring[message->position];
    if (message->answer) {
        entry_answer(w, message->lease, message->position);
    } else if (message->taken_back) {
        entry_taken_back(w, message->lease, message->position);
    } else if (entry->state == READY) {
        entry->state = GONE;
        message_add(w, (struct message){.at_ns = w->now_ns + LATENCY_NS,
                           .lease = message->lease,
                           .position = message->position,
                           .taken_back = true});
    }
}

/* Finishes and claims; returns when this lease has something to do next. */
static uint64_t lease_run(struct world *w, size_t at)
{
    struct worker_lease *lease = &w->leases[at];
    if (lease->until_ns <= w->now_ns) {
        lease->until_ns = NEVER;
        lease->ring[lease->running].state = GONE;
        if (lease->bridged)
            message_add(w, (struct message){.at_ns = w->now_ns + LATENCY_NS,
                               .lease = at,
                               .position = lease->running,
                               .answer = true});
        else
            entry_answer(w, at, lease->running);
    }
    while (lease->first < lease->count && lease->ring[lease->first].state == GONE)
        lease->first++;
    if (lease->until_ns != NEVER || lease->first == lease->count)
        return lease->until_ns;
    struct entry *entry = &lease->ring[lease->first];
    if (entry->there_ns > w->now_ns)
        return entry->there_ns;
    struct reeve_owner_entry of;
    reeve_owner_entry(w->owner, entry->task, &of);
    entry->state = CLAIMED;
    lease->running = lease->first++;
    lease->until_ns = w->now_ns + of.function * US;
    return lease->until_ns;
}

/* Until all is done, or that time. */
static void run(struct world *w, uint64_t end_ns)
{
    while (reeve_owner_unfinished(w->owner) != 0 && w->now_ns < end_ns) {
        pump(w);
        uint64_t next_ns = NEVER;
        for (size_t i = 0; i < w->lease_count; i++)
            next_ns = REEVE_MIN(next_ns, lease_run(w, i));
        pump(w);
        while (
            w->message_first < w->message_count && w->messages[w->message_first].at_ns <= w->now_ns)
            message_take(w, &w->messages[w->message_first++]);
        if (w->now_ns >= reeve_owner_deadline(w->owner))
            reeve_owner_tick(w->owner, w->now_ns);
        pump(w);
        if (w->message_first < w->message_count)
            next_ns = REEVE_MIN(next_ns, w->messages[w->message_first].at_ns);
        next_ns = REEVE_MIN(next_ns, reeve_owner_deadline(w->owner));
        for (size_t i = 0; i < w->lease_count; i++)
            if (w->leases[i].until_ns == NEVER && w->leases[i].first < w->leases[i].count)
                next_ns = REEVE_MIN(
                    next_ns, REEVE_MAX(w->now_ns, w->leases[i].ring[w->leases[i].first].there_ns));
        assert_true(next_ns != NEVER);
        w->now_ns = REEVE_MAX(w->now_ns, next_ns);
    }
    reeve_owner_check(w->owner);
}

/* Tasks of 10 us, one of 10 s at that place among them. The short ones take no longer than if the
 * long one were alone on its worker, but for a moment. */
static void long_among_short(size_t count, size_t place, bool first_bridged, bool second_bridged)
{
    struct world w;
    world_begin(&w, count);
    for (size_t i = 0; i < count; i++)
        submit(&w, i == place ? 10 * 1000 * 1000 : 10);
    lease_add(&w, first_bridged);
    lease_add(&w, second_bridged);
    uint64_t begin_ns = w.now_ns, worst_ns = 0;
    run(&w, begin_ns + 9 * SECOND);
    for (size_t i = 0; i < count; i++) {
        if (i == place)
            continue;
        if (w.finished_ns[i] == 0)
            fail_msg("%zu tasks, a long one at %zu: the %zuth has not finished", count, place, i);
        uint64_t alone_ns = begin_ns + (i + 1) * 10 * US;
        if (w.finished_ns[i] > alone_ns)
            worst_ns = REEVE_MAX(worst_ns, w.finished_ns[i] - alone_ns);
    }
    if (worst_ns > 60 * MS)
        fail_msg("%zu tasks, a long one at %zu, bridged %d %d: one came %llu us late", count, place,
            first_bridged, second_bridged, (unsigned long long)(worst_ns / US));
    run(&w, begin_ns + 11 * SECOND);
    assert_true(w.finished_ns[place] >= begin_ns + 10 * SECOND);
    world_end(&w);
}

static void a_long_task_delays_no_short_one(void **state)
{
    (void)state;
    static const size_t places[] = {0, 1, 700, 5000, 9999};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(places); i++)
        for (int bridged = 0; bridged < 4; bridged++)
            long_among_short(10000, places[i], bridged & 1, bridged & 2);
}

/* Where so much waits that nobody is idle for long, what is behind the long task does not wait for
 * the end of it all. */
static void a_long_task_delays_none_of_a_long_queue(void **state)
{
    (void)state;
    for (int bridged = 0; bridged < 4; bridged++)
        long_among_short(200000, 3000, bridged & 1, bridged & 2);
}

/* One in a hundred takes 100 ms: two workers share it almost evenly, and a short task waits for
 * a few long ones at the most. */
static void mixed_lengths_are_shared(void **state)
{
    (void)state;
    for (int bridged = 0; bridged < 2; bridged++) {
        struct world w;
        const size_t count = 4000;
        world_begin(&w, count);
        uint64_t work_ns = 0;
        for (size_t i = 0; i < count; i++) {
            uint32_t takes_us = i % 100 == 37 ? 100 * 1000 : 10;
            work_ns += takes_us * US;
            submit(&w, takes_us);
        }
        lease_add(&w, false);
        lease_add(&w, bridged);
        uint64_t begin_ns = w.now_ns;
        run(&w, begin_ns + 100 * SECOND);
        uint64_t took_ns = 0;
        for (size_t i = 0; i < count; i++)
            took_ns = REEVE_MAX(took_ns, w.finished_ns[i] - begin_ns);
        if (took_ns > work_ns / 2 + 150 * MS)
            fail_msg("%llu ms, with %llu ms of work for each of two",
                (unsigned long long)(took_ns / MS), (unsigned long long)(work_ns / 2 / MS));
        for (size_t i = 0; i < count; i++) {
            uint64_t even_ns = begin_ns + (i / 100 + 1) * 50 * MS;
            if (w.finished_ns[i] > even_ns + 600 * MS)
                fail_msg("the %zuth came %llu ms late", i,
                    (unsigned long long)((w.finished_ns[i] - even_ns) / MS));
        }
        world_end(&w);
    }
}

/* Tasks of one length are not taken back and sent again all the time. */
static void even_work_is_left_where_it_is(void **state)
{
    (void)state;
    static const uint32_t takes_us[] = {10, 1000, 20 * 1000, 70 * 1000};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(takes_us); i++) {
        struct world w;
        const size_t count = takes_us[i] < 1000 ? 50000 : 500;
        world_begin(&w, count);
        for (size_t t = 0; t < count; t++)
            submit(&w, takes_us[i]);
        lease_add(&w, false);
        lease_add(&w, false);
        run(&w, w.now_ns + 1000 * SECOND);
        assert_int_equal(reeve_owner_unfinished(w.owner), 0);
        if (w.taken_back_count > count / 50)
            fail_msg("%zu of %zu tasks of %u us were taken back", w.taken_back_count, count,
                takes_us[i]);
        world_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_task_delays_no_short_one),
        cmocka_unit_test(a_long_task_delays_none_of_a_long_queue),
        cmocka_unit_test(mixed_lengths_are_shared),
        cmocka_unit_test(even_work_is_left_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
