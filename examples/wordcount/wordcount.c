/* Counts the words of all files below a folder (default /usr/include): once in this process, once
 * on Reeve, and says how much faster that was. The two answers must be the same.
 *
 *     read files ──> chunks of text ──> count_chunk(text) ... ──> merge tables ──> top words
 *
 * The driver reads, because on other machines the files may differ; a chunk of text is an argument,
 * its table of words the result. Only so many chunks are under way at a time, so that memory stays
 * bounded however large the folder is.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <reeve.h>

#include "files.h"
#include "table.h"

#define TOP            20
#define IN_FLIGHT_MAX  256
#define BAR_WIDTH      40
#define CHUNK_SMALLEST 4096

/* A table of words as a value: letters of word i end at ends[i]. */
REEVE_STRUCT(
    word_table, (reeve_bytes, letters), (reeve_uint32_array, ends), (reeve_uint64_array, counts))

REEVE_REMOTE(word_table, count_chunk, (reeve_bytes, text))
{
    struct table table;
    table_init(&table);
    table_count_text(&table, text.data, text.size);

    /* What the result points to must outlive this function: memory from reeve_alloc does. */
    char *letters = reeve_alloc(table.letters_size);
    uint32_t *ends = reeve_alloc(table.used * sizeof *ends);
    uint64_t *counts = reeve_alloc(table.used * sizeof *counts);
    size_t count = 0, size = 0;
    if (!letters || !ends || !counts) {
        reeve_fail(ENOMEM, "no memory for %zu words", table.used);
    } else {
        for (size_t i = 0; i < table.capacity; i++) {
            const struct word *word = &table.words[i];
            if (!word->count)
                continue;
            memcpy(letters + size, table.letters + word->at, word->size);
            size += word->size;
            ends[count] = (uint32_t)size;
            counts[count++] = word->count;
        }
    }
    table_fini(&table);
    return (word_table){{letters, size}, {ends, count}, {counts, count}};
}

static void merge(struct table *into, const word_table *words)
{
    const char *letters = words->letters.data;
    uint32_t begin = 0;
    for (size_t i = 0; i < words->counts.count; i++) {
        table_add(into, letters + begin, words->ends.items[i] - begin, words->counts.items[i]);
        begin = words->ends.items[i];
    }
}

/* ---- settings, time, progress ---------------------------------------------------------------- */

struct settings {
    const char *folder;
    size_t chunk_bytes;
    unsigned repeat;
    unsigned in_flight;
    bool serial;
    bool progress;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void show_progress(
    const struct settings *settings, const char *what, uint64_t done, uint64_t all)
{
    static double shown;
    double now = now_s();
    if (!settings->progress || (done < all && now - shown < 0.05))
        return;
    shown = now;
    double part = all ? (double)done / (double)all : 1;
    int width = (int)(part * BAR_WIDTH);
    fprintf(stderr, "\r%-8s [%.*s%*s] %3.0f %%", what, width,
        "########################################", BAR_WIDTH - width, "", part * 100);
    if (done >= all)
        fputc('\n', stderr);
}

/* ---- the two ways to count ------------------------------------------------------------------- */

static void count_serially(
    struct table *table, const struct files *files, const struct settings *settings)
{
    struct reader reader;
    reader_init(&reader, files, settings->repeat, settings->chunk_bytes);
    uint64_t done = 0, all = files->size_bytes * settings->repeat;
    while (reader_next(&reader)) {
        table_count_text(table, reader.text, reader.size);
        done += reader.size;
        show_progress(settings, "serial", done < all ? done : all - 1, all);
    }
    show_progress(settings, "serial", all, all);
    reader_fini(&reader);
}

struct flight {
    count_chunk_future futures[IN_FLIGHT_MAX];
    size_t sizes[IN_FLIGHT_MAX];
    size_t count;
};

/* Waits for at least one chunk, and merges all that are ready. Returns the bytes of text done,
 * or -1. */
static int64_t collect(struct flight *flight, struct table *table)
{
    bool ready[IN_FLIGHT_MAX];
    if (reeve_wait(flight->futures, flight->count, 1, REEVE_FOREVER, ready, NULL) != REEVE_OK) {
        reeve_perror("reeve_wait");
        return -1;
    }
    int64_t done = 0;
    size_t kept = 0;
    bool failed = false;
    for (size_t i = 0; i < flight->count; i++) {
        if (!ready[i] || failed) {
            flight->futures[kept] = flight->futures[i];
            flight->sizes[kept++] = flight->sizes[i];
            continue;
        }
        word_table words;
        if (count_chunk_get(flight->futures[i], &words) != REEVE_OK) {
            reeve_perror("count_chunk");
            failed = true;
            continue;
        }
        merge(table, &words);
        reeve_clear(word_table, &words);
        done += (int64_t)flight->sizes[i];
    }
    flight->count = kept;
    return failed ? -1 : done;
}

static int count_on_reeve(
    struct table *table, const struct files *files, const struct settings *settings)
{
    struct reader reader;
    reader_init(&reader, files, settings->repeat, settings->chunk_bytes);
    struct flight flight = {.count = 0};
    uint64_t done = 0, all = files->size_bytes * settings->repeat;
    int64_t more = 0;
    bool reading = true;
    while (more >= 0 && (reading || flight.count)) {
        if (reading && flight.count < settings->in_flight) {
            reading = reader_next(&reader);
            if (!reading)
                continue;
            flight.sizes[flight.count] = reader.size;
            flight.futures[flight.count++] = count_chunk_remote(
                (reeve_bytes){reader.text, reader.size}); /* copied: the reader may go on */
            continue;
        }
        more = collect(&flight, table);
        done += more > 0 ? (uint64_t)more : 0;
        show_progress(settings, "reeve", done < all ? done : all - 1, all);
    }
    for (size_t i = 0; i < flight.count; i++)
        reeve_release(flight.futures[i]);
    reader_fini(&reader);
    if (more >= 0)
        show_progress(settings, "reeve", all, all);
    return more < 0 ? -1 : 0;
}

/* ---- the program ----------------------------------------------------------------------------- */

static void print_answer(const struct table *table)
{
    const struct word **words = table_by_count(table);
    for (size_t i = 0; i < table->used && i < TOP; i++)
        printf("%12" PRIu64 "  %.*s\n", words[i]->count, (int)words[i]->size,
            table->letters + words[i]->at);
    free(words);
    printf("%" PRIu64 " words, %zu different, checksum %016" PRIx64 "\n", table_total(table),
        table->used, table_checksum(table));
}

static int usage(FILE *out, int status)
{
    fputs("usage: wordcount [options] [folder]        (default folder: /usr/include)\n"
          "  --no-serial        do not count in this process first: no speed-up, no comparison\n"
          "  --chunk-bytes N    text given to one task (default 1048576)\n"
          "  --in-flight N      tasks under way at a time, at most 256 (default 16)\n"
          "  --repeat N         count everything N times over (default 1)\n"
          "  --progress         show progress even where stderr is no terminal\n"
          "  --help\n",
        out);
    return status;
}

static bool number(const char *text, unsigned long low, unsigned long high, unsigned long *ret)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || end == text || *end || value < low || value > high) {
        fprintf(stderr, "wordcount: \"%s\": expected a number from %lu to %lu\n", text, low, high);
        return false;
    }
    *ret = value;
    return true;
}

static int parse(int argc, char **argv, struct settings *settings)
{
    static const struct option options[] = {{"no-serial", no_argument, NULL, 's'},
        {"chunk-bytes", required_argument, NULL, 'c'}, {"in-flight", required_argument, NULL, 'f'},
        {"repeat", required_argument, NULL, 'r'}, {"progress", no_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    *settings = (struct settings){.folder = "/usr/include",
        .chunk_bytes = 1 << 20,
        .repeat = 1,
        .in_flight = 16,
        .serial = true,
        .progress = isatty(STDERR_FILENO)};
    unsigned long value = 0;
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (option) {
        case 's': settings->serial = false; break;
        case 'p': settings->progress = true; break;
        case 'h': usage(stdout, 0); exit(0);
        case 'c':
            if (!number(optarg, CHUNK_SMALLEST, 1ul << 30, &value))
                return 2;
            settings->chunk_bytes = value;
            break;
        case 'f':
            if (!number(optarg, 1, IN_FLIGHT_MAX, &value))
                return 2;
            settings->in_flight = (unsigned)value;
            break;
        case 'r':
            if (!number(optarg, 1, 1000000, &value))
                return 2;
            settings->repeat = (unsigned)value;
            break;
        default: return usage(stderr, 2);
        }
    }
    if (optind < argc)
        settings->folder = argv[optind++];
    return optind < argc ? usage(stderr, 2) : 0;
}

static int run(const struct settings *settings, const struct files *files)
{
    printf("%s: %zu files, %.1f MB of text\n", settings->folder, files->count,
        (double)files->size_bytes * settings->repeat / 1e6);
    struct table serial, table;
    table_init(&serial);
    table_init(&table);
    double serial_s = 0;
    if (settings->serial) {
        double begin = now_s();
        count_serially(&serial, files, settings);
        serial_s = now_s() - begin;
    }
    double begin = now_s();
    int status = count_on_reeve(&table, files, settings) ? 1 : 0;
    double reeve_s = now_s() - begin;
    if (!status) {
        print_answer(&table);
        printf("reeve:  %.2f s, %.0f MB/s\n", reeve_s,
            (double)files->size_bytes * settings->repeat / 1e6 / reeve_s);
    }
    if (!status && settings->serial) {
        printf("serial: %.2f s; speed-up over one process: %.2f\n", serial_s, serial_s / reeve_s);
        if (table_checksum(&serial) != table_checksum(&table) || serial.used != table.used) {
            fprintf(stderr, "wordcount: the answer differs from that of one process\n");
            status = 1;
        }
    }
    table_fini(&serial);
    table_fini(&table);
    return status;
}

int main(int argc, char **argv)
{
    struct settings settings;
    int status =
        parse(argc, argv, &settings); /* in the workers too: they have the same arguments */
    if (status)
        return status;
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("wordcount: reeve_init"), 1;
    struct files files;
    if (files_list(&files, settings.folder) != 0) {
        fprintf(stderr, "wordcount: %s: %s\n", settings.folder, strerror(errno));
        status = 1;
    } else if (files.count == 0) {
        fprintf(stderr, "wordcount: there are no files below %s\n", settings.folder);
        status = 1;
    } else {
        status = run(&settings, &files);
    }
    files_free(&files);
    reeve_shutdown();
    return status;
}
