/* Who waits for whom, and whether any of them can ever go on.
 *
 *      wait: process ──▶ process that has what it waits for
 *                 └────▶ nobody has it: for a worker process that could
 *
 * Processes that are blocked inside a task for more than a second say so (BLOCKED), and say when
 * they go on. A node whose workers are as many as it may have, and all of them blocked, says that,
 * too (STUCK). What follows is a search for those that can move: a process that has said nothing
 * can; who waits for one that can move can; who waits for a worker can, if some node is not stuck,
 * or one of its processes can move, and the node is large enough. Those that remain wait for each
 * other.
 *
 * If it stays so for deadlock_after_ms, the wait that began last is ended, with the chain in its
 * error; its worker goes on with the error, or ends, and can run what another waits for. If that
 * does not help, the next one is ended, and so on. Reports may be out of date, so the process has
 * the last word: it ends a wait only if it is still the one it has reported.
 *
 * The search looks at all waits a few times. It is done when reports have changed, once in
 * deadlock_after_ms at most; in a cluster that is not stuck there are few. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/sched_internal.h"

#define MS 1000000ull

#define CHAIN_MAX 4 /* links that are named */
#define TOLD_MAX  3 /* then it cannot end: a call that an actor has begun is not given up */

static struct sched_wait *wait_get(const struct reeve_sched *s, reeve_process_id process)
{
    return reeve_map64_get(&s->waits, process);
}

static void look_later(struct reeve_sched *s)
{
    if (!reeve_heap_contains(&s->waits_timer.heap))
        sched_arm(s, &s->waits_timer, s->now_ns + s->settings.deadlock_after_ms * MS);
}

static void wait_end(struct reeve_sched *s, struct sched_wait *wait)
{
    reeve_map64_remove(&s->waits, wait->process);
    reeve_list_remove(&wait->order_link);
    reeve_list_remove(&wait->node_link);
    free(wait);
}

void sched_wait_message(
    struct reeve_sched *s, struct sched_node *node, const struct reeve_message *m)
{
    if (m->kind == REEVE_MESSAGE_STUCK) {
        node->stuck = m->count != 0;
        if (node->stuck)
            look_later(s);
        return;
    }
    struct sched_wait *wait = wait_get(s, m->process);
    if (reeve_process_node(m->process) != node->number) {
        sched_drop(s, node->session, "word of a process of another node");
        return;
    }
    if (wait != NULL)
        wait_end(s, wait);
    if (m->count == 0)
        return;
    wait = sched_alloc(sizeof *wait);
    wait->process = m->process;
    wait->target = m->worker;
    wait->node = node;
    wait->report = m->count;
    wait->cpu_milli = m->class.cpu_milli;
    wait->since_ns = s->now_ns;
    sched_copy_text(wait->text, sizeof wait->text, m->text);
    reeve_list_push_back(&s->waits_order, &wait->order_link);
    reeve_list_push_back(&node->waits, &wait->node_link);
    sched_put(&s->waits, wait->process, wait);
    look_later(s);
}

void sched_waits_forget(struct reeve_sched *s, struct sched_node *node)
{
    node->stuck = false;
    REEVE_LIST_EACH_SAFE(link, &node->waits)
    wait_end(s, REEVE_LIST_ENTRY(link, struct sched_wait, node_link));
}

/* ---- the search ---- */

/* The size of the largest node where a worker may yet become free. */
static uint32_t size_that_moves(struct reeve_sched *s)
{
    uint32_t most = 0;
    REEVE_LIST_EACH(link, &s->node_order)
    {
        struct sched_node *node = REEVE_LIST_ENTRY(link, struct sched_node, order_link);
        node->moves = !node->stuck;
        if (node->moves)
            most = REEVE_MAX(most, node->cpu_milli);
        s->totals.work_count++;
    }
    return most;
}

static bool can_move(const struct reeve_sched *s, const struct sched_wait *wait, uint32_t most)
{
    if (wait->target == REEVE_PROCESS_NONE)
        return most != 0 && wait->cpu_milli <= most;
    const struct sched_wait *target = wait_get(s, wait->target);
    return target == NULL || target->moves;
}

/* Marks all that can move. False: all can. */
static bool search(struct reeve_sched *s)
{
    uint32_t most = size_that_moves(s);
    uint64_t left = reeve_map64_count(&s->waits);
    REEVE_LIST_EACH(link, &s->waits_order)
    REEVE_LIST_ENTRY(link, struct sched_wait, order_link)->moves = false;
    for (bool more = true; more && left > 0;) {
        more = false;
        REEVE_LIST_EACH(link, &s->waits_order)
        {
            struct sched_wait *wait = REEVE_LIST_ENTRY(link, struct sched_wait, order_link);
            s->totals.work_count++;
            if (wait->moves || !can_move(s, wait, most))
                continue;
            wait->moves = more = true;
            left--;
            if (!wait->node->moves)
                most = REEVE_MAX(most, wait->node->cpu_milli);
            wait->node->moves = true;
        }
    }
    return left > 0;
}

/* ---- the verdict ---- */

/* The newest that waits for a worker, for to end that wait helps; else, in a cycle, the newest.
 * NULL when it has not been so for long enough. */
static struct sched_wait *victim_of(const struct reeve_sched *s)
{
    struct sched_wait *victim = NULL;
    bool all_told = true;
    REEVE_LIST_EACH(link, &s->waits_order)
    {
        const struct sched_wait *wait = REEVE_LIST_ENTRY(link, struct sched_wait, order_link);
        all_told &= wait->moves || wait->told_count >= TOLD_MAX;
    }
    REEVE_LIST_EACH(link, &s->waits_order)
    {
        struct sched_wait *wait = REEVE_LIST_ENTRY(link, struct sched_wait, order_link);
        if (all_told)
            wait->told_count = 0;
        if (!wait->moves && wait->told_count < TOLD_MAX &&
            (victim == NULL || wait->target == REEVE_PROCESS_NONE ||
                victim->target != REEVE_PROCESS_NONE))
            victim = wait;
    }
    REEVE_ASSERT(victim != NULL);
    return victim->since_ns + s->settings.deadlock_after_ms * MS <= s->now_ns ? victim : NULL;
}

/* One that does not move and is waited for by nobody we have named; the first. */
static const struct sched_wait *waiter_for(const struct reeve_sched *s, reeve_process_id process)
{
    REEVE_LIST_EACH(link, &s->waits_order)
    {
        const struct sched_wait *wait = REEVE_LIST_ENTRY(link, struct sched_wait, order_link);
        if (!wait->moves && wait->target == process)
            return wait;
    }
    return NULL;
}

/* In a cycle along it; else back along those who wait for the victim. */
static const struct sched_wait *next_link(
    const struct reeve_sched *s, const struct sched_wait *victim, const struct sched_wait *link)
{
    return victim->target != REEVE_PROCESS_NONE ? wait_get(s, link->target)
                                                : waiter_for(s, link->process);
}

static void describe(
    const struct reeve_sched *s, const struct sched_wait *victim, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "%s", victim->text);
    if (victim->target == REEVE_PROCESS_NONE)
        used += (size_t)snprintf(text + used, size - used,
            ", and no process is left to run that (reeve worker --processes)");
    const struct sched_wait *link = next_link(s, victim, victim);
    for (int i = 0; i < CHAIN_MAX && used < size && link != NULL && link != victim; i++) {
        used += (size_t)snprintf(text + used, size - used, "; %s", link->text);
        link = next_link(s, victim, link);
    }
}

static void end_a_wait(struct reeve_sched *s)
{
    struct sched_wait *victim = victim_of(s);
    struct reeve_message *m =
        victim != NULL ? sched_send(s, victim->node, REEVE_MESSAGE_DEADLOCK) : NULL;
    if (m == NULL)
        return;
    victim->told_count++;
    m->process = victim->process;
    m->count = victim->report;
    describe(s, victim, m->text, sizeof m->text);
    sched_notice(
        s, REEVE_SCHED_NOTICE_DEADLOCK, victim->node->number, victim->process, "%s", m->text);
}

void sched_waits_look(struct reeve_sched *s)
{
    if (reeve_map64_count(&s->waits) == 0 || !search(s))
        return; /* until something is reported */
    look_later(s);
    end_a_wait(s);
}
