/* Rows: collected over the runs, and printed as a table for people, JSON lines, or the Markdown
 * that RESULTS.md is made of. With one run each row is printed as it comes; with more, the
 * medians at the end, with what the runs gave from least to most. */
#include <reeve.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/macros.h"
#include "tests/bench/bench.h"

bool bench_wanted(const struct bench *bench, const char *name)
{
    return bench->only == NULL || strstr(name, bench->only) != NULL;
}

bool bench_wrong(struct bench *bench, const char *name, const char *what)
{
    fprintf(stderr, "reeve bench: %s: %s\n", name, what);
    bench->failed++;
    return false;
}

bool bench_call_failed(struct bench *bench, const char *name)
{
    return bench_wrong(bench, name, reeve_last_error()->message);
}

/* ---- one row --------------------------------------------------------------------------------- */

static double median(const double *values, int count)
{
    double sorted[BENCH_RUNS_MAX];
    memcpy(sorted, values, (size_t)count * sizeof(*values));
    return bench_percentile(sorted, (size_t)count, 0.5);
}

static void number_or_null(const char *name, double value)
{
    if (value > 0)
        printf(", \"%s\": %.6g", name, value);
    else
        printf(", \"%s\": null", name);
}

static void row_json(const struct bench_row *row, double value, double floor)
{
    printf("{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"", row->name, value, row->unit);
    number_or_null("floor", floor);
    number_or_null("ratio", floor > 0 ? value / floor : 0);
    number_or_null("ray", row->ray);
    printf(", \"runs\": [");
    for (int i = 0; i < row->count; i++)
        printf("%s%.6g", i == 0 ? "" : ", ", row->values[i]);
    printf("]}\n");
}

/* As people write them: 2,264,520; 0.287; 15.6. */
static const char *number_text(double value, char text[32])
{
    if (value < 100000) {
        snprintf(text, 32, value < 1000 ? "%.3g" : "%.0f", value);
        return text;
    }
    char digits[32];
    int length = snprintf(digits, sizeof(digits), "%.0f", value), out = 0;
    for (int i = 0; i < length && out < 30; i++) {
        if (i != 0 && (length - i) % 3 == 0)
            text[out++] = ',';
        text[out++] = digits[i];
    }
    text[out] = '\0';
    return text;
}

static void row_markdown(const struct bench_row *row, double value, double floor)
{
    char text[32];
    printf("| `%s` | %s %s | ", row->name, number_text(value, text), row->unit);
    for (int i = 0; i < row->count; i++)
        printf("%s%s", i == 0 ? "" : ", ", number_text(row->values[i], text));
    if (floor > 0)
        printf(" | %s | %.2g |", number_text(floor, text), value / floor);
    else
        printf(" | – | – |");
    if (row->ray > 0)
        printf(" %s |\n", number_text(row->ray, text));
    else
        printf(" – |\n");
}

static void row_table(const struct bench_row *row, double value, double floor)
{
    char text[32];
    printf("%-32s %14.4g %-8s", row->name, value, row->unit);
    if (floor > 0)
        printf(" %14.4g %10.3g", floor, value / floor);
    else
        printf(" %14s %10s", "-", "-");
    if (row->ray > 0)
        printf(" %12s", number_text(row->ray, text));
    if (row->count > 1) {
        double sorted[BENCH_RUNS_MAX];
        memcpy(sorted, row->values, (size_t)row->count * sizeof(*sorted));
        bench_percentile(sorted, (size_t)row->count, 0.5);
        printf("%*s  %.4g … %.4g", row->ray > 0 ? 0 : 13, "", sorted[0], sorted[row->count - 1]);
    }
    printf("\n");
}

static void row_print(const struct bench *bench, const struct bench_row *row)
{
    double value = median(row->values, row->count), floor = median(row->floors, row->count);
    if (bench->format == BENCH_JSON)
        row_json(row, value, floor);
    else if (bench->format == BENCH_MARKDOWN)
        row_markdown(row, value, floor);
    else
        row_table(row, value, floor);
    fflush(stdout);
}

/* ---- all ------------------------------------------------------------------------------------- */

void bench_say_ray(
    struct bench *bench, const char *name, double value, const char *unit, double floor, double ray)
{
    struct bench_row *row = NULL;
    for (int i = 0; i < bench->row_count; i++)
        if (strcmp(bench->rows[i].name, name) == 0)
            row = &bench->rows[i];
    if (row == NULL) {
        if (bench->row_count == BENCH_ROWS_MAX) {
            bench_wrong(bench, name, "there is no room for another row");
            return;
        }
        row = &bench->rows[bench->row_count++];
        snprintf(row->name, sizeof(row->name), "%s", name);
        row->unit = unit;
        row->ray = ray;
    }
    if (row->count == BENCH_RUNS_MAX)
        return;
    row->values[row->count] = value;
    row->floors[row->count++] = floor;
    if (bench->runs == 1 && bench->format != BENCH_MARKDOWN)
        row_print(bench, row);
}

void bench_say(struct bench *bench, const char *name, double value, const char *unit, double floor)
{
    bench_say_ray(bench, name, value, unit, floor, 0);
}

void bench_say_floors(struct bench *bench)
{
    const struct reeve_floors *floors = &bench->floors;
    const struct {
        const char *name;
        double value, usual;
        const char *unit; /* that of a ratio is x: higher is better, as for rates */
    } rows[] = {
        {"floor_two_cores", floors->two_cores, 2, "x"},
        {"floor_ring_spinning", floors->ring_spin_us, 0.36, "us"},
        {"floor_ring_futex", floors->ring_futex_us, 55, "us"},
        {"floor_ring_codec_futex", floors->ring_codec_futex_us, 81, "us"},
        {"floor_ring_codec_cold", floors->ring_codec_cold_us, 81, "us"},
        {"floor_ring_codec_one", floors->ring_codec_sync_us, 0.6, "us"},
        {"floor_ring_codec", floors->ring_codec_calls_s, 10e6, "1/s"},
        {"floor_memcpy_warm", floors->memcpy_warm_gb_s, 7, "GB/s"},
        {"floor_memory_first_touch", floors->memory_first_touch_gb_s, 0.25, "GB/s"},
        {"floor_tcp_stream", floors->tcp_stream_gb_s, 2.3, "GB/s"},
        {"floor_nng_round_trip", floors->nng_round_trip_us, 155, "us"},
    };
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(rows); i++) {
        bool is_time = strcmp(rows[i].unit, "us") == 0;
        double of_usual = is_time ? rows[i].usual / rows[i].value : rows[i].value / rows[i].usual;
        bench_say(bench, rows[i].name, rows[i].value, rows[i].unit, rows[i].usual);
        if (of_usual < 0.9 && strcmp(rows[i].unit, "x") == 0)
            fprintf(stderr,
                "reeve bench: note: both processors do %.2f times the work of one: the host runs "
                "them on one core of its own, or another program has part of one; calls take half "
                "as long again\n",
                floors->two_cores);
        else if (of_usual < 0.8)
            fprintf(stderr,
                "reeve bench: note: %s is only %.2f of what this kind of machine usually gives: "
                "ratios to it flatter\n",
                rows[i].name, of_usual);
    }
}

void bench_heading(const struct bench *bench)
{
    if (bench->format != BENCH_TABLE)
        return;
    printf("* Ray 2.48, its own published figures: 64 cores (m5.16xlarge), programs in Python.\n"
           "  Of a floor_ row, \"floor\" is what such a machine usually gives.\n\n");
    printf("%-32s %14s %-8s %14s %10s %12s%s\n", "row", bench->runs == 1 ? "measured" : "median",
        "unit", "floor", "ratio", "Ray*", bench->runs == 1 ? "" : "  least … most");
}

/* The value of the first line of /proc/cpuinfo that begins with `field`. */
static void cpu_field(const char *field, char *text, size_t size)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    snprintf(text, size, "unknown");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        const char *value = strchr(line, ':');
        if (value == NULL || strncmp(line, field, strlen(field)) != 0)
            continue;
        snprintf(text, size, "%.*s", (int)strcspn(value + 1, "\n"), value + 1);
        break;
    }
    if (file != NULL)
        fclose(file);
}

/* Where and when: what figures mean nothing without. */
static void markdown_heading(void)
{
    char model[128], date[32];
    struct utsname system;
    time_t now = time(NULL);
    struct tm parts;
    cpu_field("model name", model, sizeof(model));
    strftime(date, sizeof(date), "%Y-%m-%d", gmtime_r(&now, &parts));
    uname(&system);
    printf("%s, reeve %s. Machine: %ld cores (%s), %ld GiB, %s %s.\n\n", date, reeve_version(),
        sysconf(_SC_NPROCESSORS_ONLN), model + strspn(model, " "),
        sysconf(_SC_PHYS_PAGES) / ((1 << 30) / sysconf(_SC_PAGESIZE)) + 1, system.sysname,
        system.release);
}

void bench_report(const struct bench *bench)
{
    if (bench->runs == 1 && bench->format != BENCH_MARKDOWN)
        return;
    if (bench->format == BENCH_MARKDOWN)
        markdown_heading();
    if (bench->format == BENCH_MARKDOWN)
        printf(
            "| what | median | the runs | floor | ratio | Ray 2.48 |\n|---|---|---|---|---|---|\n");
    for (int i = 0; i < bench->row_count; i++)
        row_print(bench, &bench->rows[i]);
}
