/* Scenarios for the scheduler core: events in, exact commands out.
 *
 *      struct scenario x;
 *      begin(&x, NULL);
 *      join(&x, 1, 4000);
 *      expect(&x, "journal numbers 65; journal up 1; send 1 WELCOME; notice NODE-JOINED 1");
 *
 * Commands are written in a short form, separated by "; ", in order; what no call has expected
 * fails the test at the end. Nodes are reached by sessions of the same number unless a test says
 * otherwise. The tables are audited after each event. */
#ifndef REEVE_TESTS_UNIT_SCHEDULER_SCENARIO_H
#define REEVE_TESTS_UNIT_SCHEDULER_SCENARIO_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/errors.h"
#include "scheduler/sched.h"

#define MS 1000000ull

struct scenario {
    struct reeve_sched *sched;
    struct reeve_fifo out;
    uint64_t now_ns;
    bool shows_idle; /* RECALL … when idle, too */
};

void begin(struct scenario *x, const struct reeve_sched_settings *settings);
/* Instead: two nodes with two cpu each, the driver of job 1.1 on node 1. */
void two_nodes(struct scenario *x);
/* The node asks for itself: it has said all that its processes want. */
void said_all(struct scenario *x, uint64_t session, uint32_t node);
void finish(struct scenario *x); /* nothing unexpected is left; frees */

/* ---- events ---- */

void step(struct scenario *x, const struct reeve_sched_event *event);
void run(struct scenario *x); /* until there is no work left */
void wait_ms(
    struct scenario *x, uint64_t ms); /* the clock goes on, with a tick at every deadline */
void up(struct scenario *x, uint64_t session);
void down(struct scenario *x, uint64_t session);
/* The same; its daemon has said that it ends. */
void stopped(struct scenario *x, uint64_t session);
void say(struct scenario *x, uint64_t session, const struct reeve_message *message);
void dial_failed(struct scenario *x, uint32_t node, bool refused);

/* A new node by a new session of its number (uid 100 + number, incarnation 1, host hNUMBER,
 * address aNUMBER). */
void join(struct scenario *x, uint64_t session, uint32_t cpu_milli);
/* The same life again, by another session. */
void rejoin(struct scenario *x, uint64_t session, uint32_t node, uint32_t cpu_milli);
void job(struct scenario *x, uint64_t session, reeve_process_id job);
void end_job(struct scenario *x, uint64_t session, reeve_process_id job);
void demand(struct scenario *x, uint64_t session, reeve_process_id process,
    struct reeve_class class, uint64_t count);
void holding(struct scenario *x, uint64_t session, uint64_t lease, reeve_process_id process,
    struct reeve_class class);
void heartbeat(struct scenario *x, uint64_t session);
void ended(struct scenario *x, uint64_t session, uint64_t lease);
void refused(struct scenario *x, uint64_t session, uint64_t lease, int32_t code);
void lent(struct scenario *x, uint64_t session, uint64_t lease, bool is_lent);

struct reeve_class class_of(reeve_process_id job, uint32_t cpu_milli, int32_t priority);
/* The n-th lease of head 1. */
#define L(n) ((uint64_t)1 << 48 | (n))
/* Process `serial` of node `node`. */
#define P(node, serial) reeve_process_id_make(node, serial)

/* ---- what came of it ---- */

void expect(struct scenario *x, const char *commands);
void forget(struct scenario *x); /* whatever has come so far */
size_t count_commands(
    struct scenario *x, const char *prefix); /* in what has come so far, which is forgotten */
struct reeve_sched_totals totals(struct scenario *x);

#endif
