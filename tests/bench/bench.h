/* `reeve bench`, for the program `reeve`; and what its parts share. */
#ifndef REEVE_TESTS_BENCH_BENCH_H
#define REEVE_TESTS_BENCH_BENCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/bench/floors.h"

/* argv is that of main, "reeve", "bench", …: workers are started with it again. Returns the exit
 * status. */
int reeve_bench_main(int argc, char **argv);

#define BENCH_RUNS_MAX  99
#define BENCH_ROWS_MAX  96
#define BENCH_SLOTS_TWO 2 /* of the cluster for rows that need two workers */

enum bench_format { BENCH_TABLE, BENCH_JSON, BENCH_MARKDOWN };

/* A row of the result: one value a run. */
struct bench_row {
    char name[48];
    const char *unit;
    double values[BENCH_RUNS_MAX];
    double floors[BENCH_RUNS_MAX]; /* 0: none */
    double ray;                    /* Ray's published figure, or 0 */
    int count;
};

struct bench {
    const char *only; /* rows whose name contains it, or NULL */
    double seconds;   /* time given to a rate */
    uint64_t get_bytes;
    enum bench_format format;
    int runs;
    int calls; /* of the part `calls` */
    int failed;
    struct reeve_floors floors; /* of this run */
    struct reeve_floors_later floors_later;
    struct reeve_floor_cold *cold;
    struct bench_row rows[BENCH_ROWS_MAX];
    int row_count;
};

/* ---- report.c -------------------------------------------------------------------------------- */

bool bench_wanted(const struct bench *bench, const char *name);
/* One run's value of a row. Prints it at once when there is one run, and at the end otherwise. */
void bench_say(struct bench *bench, const char *name, double value, const char *unit, double floor);
void bench_say_ray(struct bench *bench, const char *name, double value, const char *unit,
    double floor, double ray);
void bench_say_floors(struct bench *bench);
void bench_heading(const struct bench *bench); /* before the first row */
void bench_report(const struct bench *bench);  /* after the last run */
/* Counts it, and says it on stderr. Return false. */
bool bench_wrong(struct bench *bench, const char *name, const char *what);
bool bench_call_failed(struct bench *bench, const char *name); /* with reeve_last_error */

/* ---- measure.c ------------------------------------------------------------------------------- */

double bench_now_s(void);
double bench_percentile(double *values, size_t count, double fraction); /* sorts them */
/* `round` again and again: for a quarter of the bench's time as a warm-up, then for all of it.
 * Rounds per second; 0 when one has failed. */
double bench_rate(
    struct bench *bench, bool (*round)(struct bench *, const char *name), const char *name);
uint64_t bench_anonymous_bytes(void); /* memory of this process's own */

/* ---- child.c --------------------------------------------------------------------------------- */

/* Starts this program with other arguments; its standard output is `*ret_out`. */
pid_t bench_child_start(const char *const *arguments, int *ret_out);
/* All that the child prints, up to the size; waits for its end. Returns its exit status, or -1. */
int bench_child_read(pid_t pid, int out, char *text, size_t size);

/* ---- gate.c ---------------------------------------------------------------------------------- */

#define BENCH_GATE_MAX 64

/* Tasks that hold their slots until they are let go. */
struct bench_gate {
    int count;
    int connections[BENCH_GATE_MAX];
    uint64_t futures[BENCH_GATE_MAX];
};
/* Returns when `count` of them run. */
bool bench_gate_shut(
    struct bench *bench, struct bench_gate *gate, const char *name, int count, double cpus);
bool bench_gate_open(struct bench *bench, struct bench_gate *gate, const char *name);

/* ---- cluster.c ------------------------------------------------------------------------------- */

/* A head and a node daemon that any driver can join: their address and key are put into this
 * process's environment. */
struct reeve_bench_cluster {
    pid_t head, node;
    int lifeline; /* closing it ends them */
};
int reeve_bench_cluster_start(struct reeve_bench_cluster *ret, int slots);
void reeve_bench_cluster_stop(struct reeve_bench_cluster *cluster);

/* ---- rows ------------------------------------------------------------------------------------ */

/* The suites. What is in processes of its own comes first, without the library in this one. */
void bench_core_alone(struct bench *bench);
void bench_core(struct bench *bench);
void bench_ray_alone(struct bench *bench);
void bench_ray(struct bench *bench);
void bench_ray_actors(struct bench *bench); /* a part of it */
void bench_ray_concurrent(struct bench *bench);
void bench_envelope(struct bench *bench);
void bench_envelope_actors(struct bench *bench, const char *name); /* a part of it */
int bench_envelope_register(void);                                 /* before reeve_init */
void bench_envelope_alone(struct bench *bench);
void bench_million_objects(struct bench *bench, const char *name);      /* a part of that */
void bench_million_objects_part(struct bench *bench, const char *name); /* in a child */
/* What `reeve COMMAND --json` prints; NULL: it has failed. */
json_t *bench_ask(const char *command);
/* Waits until nothing of the cluster is in use; else the row is wrong. */
void bench_leak_check(struct bench *bench, const char *name);

/* Parts of `core`. */
double bench_async_rate(struct bench *bench, const char *name);
/* So many calls, a thousand under way; no more, no less. */
bool bench_calls_made(struct bench *bench, const char *name, int count);
bool bench_call_once(struct bench *bench, const char *name, int64_t x);
void bench_calls(struct bench *bench);
void bench_objects(struct bench *bench);
void bench_views(struct bench *bench);
void bench_spill(struct bench *bench);
void bench_extents(struct bench *bench);
void bench_prefault(struct bench *bench);
void bench_first_put_part(struct bench *bench, double begin); /* in a child that began then */
void bench_growing_part(struct bench *bench);

#endif
