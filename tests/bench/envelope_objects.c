/* A million values in the store of one node, through the API: how many can be put a second, what
 * each costs the node daemon and the process that owns it, and that all of them are there and then
 * gone. In a cluster whose smallest value in the store has 4 KiB, and in a process of its own. */
#include <jansson.h>
#include <reeve.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/prng.h"
#include "tests/bench/bench.h"

#define OBJECTS     1000000
#define OBJECT_SIZE 4200
#define LOOKED_AT   10000

static uint64_t daemon_bytes(void)
{
    char path[64], line[128];
    unsigned long long kib = 0;
    snprintf(path, sizeof(path), "/proc/%s/status", getenv("REEVE_BENCH_NODE"));
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        (void)sscanf(line, "RssAnon: %llu", &kib);
    if (file != NULL)
        fclose(file);
    return kib << 10;
}

/* What `reeve objects` says of all stores. */
static bool totals_are_right(uint64_t count)
{
    json_t *objects = bench_ask("objects"), *totals = json_object_get(objects, "totals");
    bool right = totals != NULL &&
                 json_integer_value(json_object_get(totals, "objects")) == (json_int_t)count &&
                 json_integer_value(json_object_get(totals, "used_bytes")) >=
                     (json_int_t)(count * OBJECT_SIZE);
    json_decref(objects);
    return right;
}

static bool is_right(reeve_future_reeve_bytes future, uint64_t number)
{
    reeve_bytes bytes;
    reeve_view view;
    if (reeve_view_reeve_bytes(future, REEVE_FOREVER, &bytes, &view) != REEVE_OK)
        return false;
    bool right = bytes.size == OBJECT_SIZE && memcmp(bytes.data, &number, sizeof(number)) == 0;
    return reeve_view_release(view) == REEVE_OK && right;
}

/* In the child: puts a second, bytes of each here and in the daemon, releases a second. */
void bench_million_objects_part(struct bench *bench, const char *name)
{
    reeve_future_reeve_bytes *futures = malloc(OBJECTS * sizeof(*futures));
    struct reeve_prng prng;
    uint8_t value[OBJECT_SIZE] = {0};
    if (futures == NULL)
        return;
    memset(futures, 1, OBJECTS * sizeof(*futures));
    reeve_prng_init(&prng, 1);
    uint64_t own = bench_anonymous_bytes(), daemon = daemon_bytes();
    double begin = bench_now_s();
    for (uint64_t i = 0; i < OBJECTS; i++) {
        memcpy(value, &i, sizeof(i));
        futures[i] = reeve_put_bytes(value, sizeof(value));
    }
    double put_s = bench_now_s() - begin;
    if (!totals_are_right(OBJECTS)) /* asked of the daemon: it has heard of all of them */
        bench_wrong(bench, name, "reeve objects gives other totals");
    own = bench_anonymous_bytes() - own;
    daemon = daemon_bytes() - daemon;
    for (int i = 0; i < LOOKED_AT && bench->failed == 0; i++) {
        uint64_t number = reeve_prng_below(&prng, OBJECTS);
        if (!is_right(futures[number], number))
            bench_call_failed(bench, name);
    }
    begin = bench_now_s();
    for (uint64_t i = 0; i < OBJECTS; i++)
        (void)reeve_release(futures[i]);
    double release_s = bench_now_s() - begin;
    free(futures);
    bench_leak_check(bench, name);
    printf("%.0f %.0f %.0f %.0f\n", OBJECTS / put_s, (double)own / OBJECTS,
        (double)daemon / OBJECTS, OBJECTS / release_s);
}

void bench_million_objects(struct bench *bench, const char *name)
{
    const char *const arguments[] = {"reeve", "bench", "--part", "objects", NULL};
    char text[128] = "", pid_text[16], row[64];
    struct reeve_bench_cluster cluster;
    int out;
    if (!bench_wanted(bench, name))
        return;
    setenv("REEVE_INLINE_SIZE", "4KiB", 1);
    if (reeve_bench_cluster_start(&cluster, 1) != 0) {
        bench_wrong(bench, name, "the cluster did not start");
        return;
    }
    snprintf(pid_text, sizeof(pid_text), "%d", (int)cluster.node);
    setenv("REEVE_BENCH_NODE", pid_text, 1);
    pid_t pid = bench_child_start(arguments, &out);
    bool good = pid >= 0 && bench_child_read(pid, out, text, sizeof(text)) == 0;
    reeve_bench_cluster_stop(&cluster);
    unsetenv("REEVE_INLINE_SIZE");
    unsetenv("REEVE_BENCH_NODE");
    double values[4] = {0};
    if (!good ||
        sscanf(text, "%lf %lf %lf %lf", &values[0], &values[1], &values[2], &values[3]) != 4) {
        bench_wrong(bench, name, "the driver failed");
        return;
    }
    const char *const ends[] = {"", "_bytes", "_daemon_bytes", "_releases"};
    for (int i = 0; i < 4; i++) {
        snprintf(row, sizeof(row), "%s%s", name, ends[i]);
        bench_say(bench, row, values[i], i == 1 || i == 2 ? "B" : "1/s", 0);
    }
}
