/* Sorts a file that is larger than the object store, which is larger than what a task sees:
 *
 *     file ──> runs ──> sort_run ──> pieces ──> merge_part ──> file
 *
 *              run 0    sorted    [ part 0 | part 1 | part 2 ]
 *              run 1    sorted    [ part 0 | part 1 | part 2 ]     each a value of its own;
 *              run 2    sorted    [ part 0 | part 1 | part 2 ]     what memory has no room
 *                                     ▼        ▼        ▼         for goes to disk
 *                                   merge    merge    merge        one after the other: the output
 *
 * A task that sorts gives futures of its pieces, not the pieces: they stay where they are until the
 * one task that wants them gets them. Where parts begin is learnt from a sample, so that they are
 * about as large as each other whatever the keys are.
 *
 *     external_sort [MIB [FOLDER]]     default: 256 MiB, in TMPDIR or /var/tmp
 *
 * The store has 64 MiB (REEVE_STORE_SIZE sets another size). The files have no name, and end with
 * the program. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <reeve.h>

#define RUN_BYTES     ((size_t)8 << 20) /* and, about, a part */
#define RUNS_MAX      1024
#define PARTS_MAX     256
#define IN_FLIGHT_MAX 4 /* runs, or parts, under way: so much of the store they may fill */
#define SAMPLES       65536

struct record {
    uint64_t key, value;
};
#define RUN_RECORDS (RUN_BYTES / sizeof(struct record))

/* ---- on the workers -------------------------------------------------------------------------- */

static int compare_records(const void *left, const void *right)
{
    const struct record *a = left, *b = right;
    return a->key != b->key ? (a->key > b->key) - (a->key < b->key)
                            : (a->value > b->value) - (a->value < b->value);
}

/* One future for each part: its records of this run, in order. Part i ends before ends.items[i]. */
REEVE_REMOTE(
    reeve_futures_reeve_bytes, sort_run, (reeve_bytes, records), (reeve_uint64_array, ends))
{
    size_t count = records.size / sizeof(struct record), at = 0;
    struct record *sorted = malloc(records.size + 1);
    reeve_future_reeve_bytes *pieces = reeve_alloc((ends.count + 1) * sizeof *pieces);
    if (!sorted || !pieces) {
        reeve_fail(1, "no memory for %zu records", count);
        free(sorted);
        return (reeve_futures_reeve_bytes){NULL, 0};
    }
    memcpy(sorted, records.data, records.size); /* what came with the call is read-only */
    qsort(sorted, count, sizeof *sorted, compare_records);
    for (size_t part = 0; part <= ends.count; part++) {
        size_t begin = at;
        while (at < count && (part == ends.count || sorted[at].key < ends.items[part]))
            at++;
        pieces[part] = reeve_put_bytes(sorted + begin, (at - begin) * sizeof *sorted);
    }
    free(sorted);
    return (reeve_futures_reeve_bytes){pieces, ends.count + 1};
}

/* What is left of a piece; a heap has the smallest record of all on top. */
struct piece {
    const struct record *next, *end;
};

static void sift_down(struct piece *heap, size_t count)
{
    size_t at = 0, child;
    while ((child = 2 * at + 1) < count) {
        if (child + 1 < count && compare_records(heap[child + 1].next, heap[child].next) < 0)
            child++;
        if (compare_records(heap[at].next, heap[child].next) <= 0)
            return;
        struct piece moved = heap[at];
        heap[at] = heap[child];
        heap[child] = moved;
        at = child;
    }
}

static int compare_pieces(const void *left, const void *right)
{
    return compare_records(((const struct piece *)left)->next, ((const struct piece *)right)->next);
}

REEVE_REMOTE(reeve_bytes, merge_part, (reeve_futures_reeve_bytes, pieces))
{
    struct piece heap[RUNS_MAX];
    reeve_bytes bytes[RUNS_MAX] = {0};
    size_t size = 0, count = 0, at = 0;
    int code = REEVE_OK;
    for (size_t i = 0; i < pieces.count && i < RUNS_MAX && code == REEVE_OK; i++) {
        code = reeve_get(reeve_bytes, pieces.items[i], &bytes[i]);
        size += bytes[i].size;
        if (bytes[i].size > 0)
            heap[count++] = (struct piece){bytes[i].data,
                (const struct record *)bytes[i].data + bytes[i].size / sizeof(struct record)};
    }
    struct record *merged = code == REEVE_OK ? reeve_alloc(size + 1) : NULL;
    if (code != REEVE_OK)
        reeve_fail(code, "%s", reeve_last_error()->message);
    else if (!merged)
        reeve_fail(1, "no memory for %zu bytes", size);
    else
        qsort(heap, count, sizeof *heap, compare_pieces); /* sorted is a heap */
    while (merged && count > 0) {
        merged[at++] = *heap[0].next++;
        if (heap[0].next == heap[0].end)
            heap[0] = heap[--count];
        sift_down(heap, count);
    }
    for (size_t i = 0; i < pieces.count && i < RUNS_MAX; i++)
        reeve_free(bytes[i].data);
    return (reeve_bytes){merged, merged ? size : 0};
}

/* ---- files ----------------------------------------------------------------------------------- */

/* The same of the same records in any order; whatever is lost or there twice changes it. */
struct checksum {
    uint64_t count, sum;
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void checksum_add(struct checksum *checksum, const struct record *records, size_t count)
{
    checksum->count += count;
    for (size_t i = 0; i < count; i++)
        checksum->sum += mix(records[i].key ^ mix(records[i].value));
}

static FILE *nameless_file(const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/external_sort-XXXXXX", folder);
    int fd = mkstemp(path);
    if (fd < 0)
        return perror(path), NULL;
    unlink(path);
    return fdopen(fd, "w+b");
}

/* Keys as they may be: half of them anywhere, half of them near each other. */
static int generate(FILE *file, uint64_t count, struct checksum *checksum)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t random = mix(i + 1);
        struct record record = {random % 2 ? random : random >> 24, i};
        checksum_add(checksum, &record, 1);
        if (fwrite(&record, sizeof record, 1, file) != 1)
            return perror("the input file"), -1;
    }
    return fflush(file) == 0 ? 0 : (perror("the input file"), -1);
}

static int compare_keys(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Keys at which all parts but the first begin. */
static int find_ends(FILE *file, uint64_t count, uint64_t *ends, size_t end_count)
{
    static uint64_t keys[SAMPLES];
    size_t samples = count < SAMPLES ? count : SAMPLES;
    for (size_t i = 0; i < samples; i++) {
        struct record record;
        off_t at = (off_t)(mix(i + 12345) % count * sizeof record);
        if (pread(fileno(file), &record, sizeof record, at) != (ssize_t)sizeof record)
            return perror("the input file"), -1;
        keys[i] = record.key;
    }
    qsort(keys, samples, sizeof *keys, compare_keys);
    for (size_t i = 0; i < end_count; i++)
        ends[i] = keys[(i + 1) * samples / (end_count + 1)];
    return 0;
}

/* ---- the driver ------------------------------------------------------------------------------ */

/* pieces[part * run_count + run] */
static reeve_future_reeve_bytes *all_pieces;
static size_t run_count, part_count;

static int take_pieces(sort_run_future future, size_t run)
{
    reeve_futures_reeve_bytes pieces;
    if (sort_run_get(future, &pieces) != REEVE_OK)
        return reeve_perror("sort_run"), -1;
    for (size_t part = 0; part < part_count; part++)
        all_pieces[part * run_count + run] = pieces.items[part];
    reeve_free(pieces.items);
    return 0;
}

static int sort_runs(FILE *file, reeve_uint64_array ends)
{
    sort_run_future sorting[IN_FLIGHT_MAX];
    struct record *records = malloc(RUN_BYTES);
    int failed = records ? 0 : -1;
    rewind(file);
    for (size_t run = 0; run < run_count + IN_FLIGHT_MAX && !failed; run++) {
        if (run >= IN_FLIGHT_MAX)
            failed = take_pieces(sorting[run % IN_FLIGHT_MAX], run - IN_FLIGHT_MAX);
        if (run >= run_count || failed)
            continue;
        size_t count = fread(records, sizeof *records, RUN_RECORDS, file);
        sorting[run % IN_FLIGHT_MAX] =
            sort_run_remote((reeve_bytes){records, count * sizeof *records}, ends);
    }
    free(records);
    return failed;
}

static merge_part_future begin_merge(size_t part)
{
    reeve_future_reeve_bytes *pieces = all_pieces + part * run_count;
    merge_part_future future = merge_part_remote((reeve_futures_reeve_bytes){pieces, run_count});
    for (size_t run = 0; run < run_count; run++)
        reeve_release(pieces[run]); /* the call has them */
    return future;
}

static int merge_parts(FILE *file)
{
    merge_part_future merging[IN_FLIGHT_MAX];
    int failed = 0;
    for (size_t part = 0; part < part_count + IN_FLIGHT_MAX && !failed; part++) {
        reeve_bytes merged;
        if (part >= IN_FLIGHT_MAX && part - IN_FLIGHT_MAX < part_count) {
            if (merge_part_get(merging[part % IN_FLIGHT_MAX], &merged) != REEVE_OK)
                return reeve_perror("merge_part"), -1;
            if (fwrite(merged.data, 1, merged.size, file) != merged.size)
                failed = (perror("the output file"), -1);
            reeve_free(merged.data);
        }
        if (part < part_count)
            merging[part % IN_FLIGHT_MAX] = begin_merge(part);
    }
    return fflush(file) == 0 ? failed : (perror("the output file"), -1);
}

/* In order, and the same records. */
static int check(FILE *file, const struct checksum *expected)
{
    struct record record, last = {0, 0};
    struct checksum checksum = {0, 0};
    rewind(file);
    while (fread(&record, sizeof record, 1, file) == 1) {
        if (checksum.count > 0 && compare_records(&last, &record) > 0)
            return printf("NOT SORTED at record %" PRIu64 "\n", checksum.count), -1;
        checksum_add(&checksum, &record, 1);
        last = record;
    }
    if (checksum.count != expected->count || checksum.sum != expected->sum)
        return printf("NOT THE SAME RECORDS: %" PRIu64 " in, %" PRIu64 " out\n", expected->count,
                   checksum.count),
               -1;
    return 0;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv)
{
    uint64_t store_bytes = getenv("REEVE_STORE_SIZE") ? 0 : (uint64_t)64 << 20, ends[PARTS_MAX];
    if (reeve_init(argc, argv, REEVE_OPTIONS(.store_size_bytes = store_bytes)) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    const char *folder = argc > 2 ? argv[2] : getenv("TMPDIR") ? getenv("TMPDIR") : "/var/tmp";
    uint64_t mib = argc > 1 ? strtoull(argv[1], NULL, 10) : 256;
    uint64_t count = (mib << 20) / sizeof(struct record);
    run_count = (count + RUN_RECORDS - 1) / RUN_RECORDS;
    part_count = run_count < PARTS_MAX ? run_count : PARTS_MAX;
    if (run_count == 0 || run_count > RUNS_MAX)
        return fprintf(stderr, "external_sort: MIB is 1 to %zu\n", RUNS_MAX * (RUN_BYTES >> 20)), 2;
    struct checksum checksum = {0, 0};
    FILE *input = nameless_file(folder), *output = nameless_file(folder);
    all_pieces = calloc(run_count * part_count, sizeof *all_pieces);
    if (!input || !output || !all_pieces || generate(input, count, &checksum) != 0)
        return 1;

    double begin = now_s();
    if (find_ends(input, count, ends, part_count - 1) != 0 ||
        sort_runs(input, (reeve_uint64_array){ends, part_count - 1}) != 0)
        return 1;
    double sorted = now_s();
    if (merge_parts(output) != 0)
        return 1;
    double merged = now_s();
    if (check(output, &checksum) != 0)
        return 1;
    printf("%" PRIu64 " records sorted and checked: %zu runs, %zu parts\n", count, run_count,
        part_count);
    fprintf(stderr, "%.2f s for the runs, %.2f s for the parts: %.0f MiB/s\n", sorted - begin,
        merged - sorted, (double)mib / (merged - begin));
    free(all_pieces);
    fclose(input);
    fclose(output);
    reeve_shutdown();
    return 0;
}
