/* Which header do the headers of this machine include most? A pipeline of streams finds out:
 *
 *     files ──> read_files ══ blocks of text ══> find_includes ══ names ══> the driver counts
 *     files ──> read_files ══ blocks of text ══> find_includes ══ names ══>
 *
 * Every stage runs while the others do, each in a process of its own. A stage that is ahead of the
 * one behind it waits when 256 KiB or 512 items are between them, so it makes no difference to
 * memory how much text there is: each stage says at its end how much it has taken. The driver does
 * the same work once more by itself, and compares.
 *
 *     pipeline [FOLDER [TIMES]]        default: /usr/include, once over
 *
 * The stages read files themselves: on several machines these must be the same everywhere. */
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reeve.h>

#include "names.h"

#define BLOCK_SIZE 65536
#define PIPELINES  2
#define TOP        10

/* A block holds whole lines; the last item of each stage holds nothing but what its process (and,
 * of the second stage, the one before it) has taken of memory at most. */
REEVE_STRUCT(block, (reeve_bytes, text), (int64_t, peak_kib))
REEVE_STRUCT(included, (reeve_bytes, name), (int64_t, peak_kib))

/* Not ru_maxrss: that begins with what the process that started this one had. */
static int64_t peak_kib(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    int64_t peak = 0;
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "VmHWM:", 6) == 0)
            peak = strtoll(line + 6, NULL, 10);
    if (file)
        fclose(file);
    return peak;
}

/* ---- what the stages do, and the driver once more -------------------------------------------- */

/* Calls `function` with whole lines of the file, up to BLOCK_SIZE at a time, until it returns
 * false. A line longer than that comes in pieces. What cannot be read counts as empty. */
static bool each_block(
    const char *path, bool (*function)(void *context, const char *text, size_t size), void *context)
{
    static _Thread_local char text[BLOCK_SIZE];
    FILE *file = fopen(path, "re");
    size_t kept = 0, got;
    bool wanted = true;
    while (file && wanted && (got = fread(text + kept, 1, sizeof text - kept, file)) > 0) {
        size_t size = kept + got;
        const char *newline = memrchr(text, '\n', size);
        size_t whole = newline ? (size_t)(newline + 1 - text) : size < sizeof text ? 0 : size;
        wanted = whole == 0 || function(context, text, whole);
        kept = size - whole;
        memmove(text, text + whole, kept);
    }
    if (kept > 0 && wanted)
        wanted = function(context, text, kept);
    if (file)
        fclose(file);
    return wanted;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

/* Calls `function` with each name that the text includes. */
static bool each_include(const char *text, size_t size,
    bool (*function)(void *context, const char *name, size_t size), void *context)
{
    const char *end = text + size, *next;
    for (const char *line = text; line < end; line = next) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        next = newline ? newline + 1 : end;
        const char *at = skip_blanks(line, next);
        if (at == next || *at != '#')
            continue;
        at = skip_blanks(at + 1, next);
        if (next - at < 8 || memcmp(at, "include", 7) != 0)
            continue;
        at = skip_blanks(at + 7, next);
        if (at == next || (*at != '<' && *at != '"'))
            continue;
        const char *close = memchr(at + 1, *at == '<' ? '>' : '"', (size_t)(next - at - 1));
        if (close && close > at + 1 && !function(context, at + 1, (size_t)(close - at - 1)))
            return false;
    }
    return true;
}

/* ---- the stages ------------------------------------------------------------------------------ */

REEVE_STREAM_DECLARE(block, read_files, (reeve_bytes, paths), (uint32_t, times))
REEVE_STREAM_DECLARE(included, find_includes, (reeve_bytes, paths), (uint32_t, times))

static bool yield_block(void *context, const char *text, size_t size)
{
    (void)context;
    return read_files_yield((block){{text, size}, 0}) == REEVE_OK;
}

/* `paths` are strings, one after the other. */
REEVE_STREAM_DEFINE(block, read_files, (reeve_bytes, paths), (uint32_t, times))
{
    const char *end = (const char *)paths.data + paths.size;
    while (times-- > 0)
        for (const char *path = paths.data; path < end; path += strlen(path) + 1)
            if (!each_block(path, yield_block, NULL))
                return; /* nobody wants the rest */
    read_files_yield((block){{NULL, 0}, peak_kib()});
}

static bool yield_name(void *context, const char *name, size_t size)
{
    (void)context;
    return find_includes_yield((included){{name, size}, 0}) == REEVE_OK;
}

/* A stage calls the one before it, and takes what that gives as it comes. */
REEVE_STREAM_DEFINE(included, find_includes, (reeve_bytes, paths), (uint32_t, times))
{
    read_files_stream blocks = read_files_remote(paths, times);
    int64_t peak = 0;
    block b;
    int code;
    while ((code = read_files_next(blocks, &b)) == REEVE_OK) {
        bool wanted = each_include(b.text.data, b.text.size, yield_name, NULL);
        peak = b.peak_kib;
        reeve_clear(block, &b);
        if (!wanted) {
            reeve_release(blocks);
            return;
        }
    }
    if (code != REEVE_EEND)
        return reeve_fail(code, "%s", reeve_last_error()->message);
    int64_t own = peak_kib();
    find_includes_yield((included){{NULL, 0}, own > peak ? own : peak});
}

/* ---- the driver ------------------------------------------------------------------------------ */

/* The files of each pipeline, as strings one after the other. */
static struct paths {
    char *text;
    size_t size, capacity;
} paths[PIPELINES];
static size_t file_count;
static uint64_t size_bytes;

static int visit(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)where;
    if (kind != FTW_F || !S_ISREG(status->st_mode))
        return 0;
    struct paths *into = &paths[file_count++ % PIPELINES];
    size_t size = strlen(path) + 1;
    size_bytes += (uint64_t)status->st_size;
    if (into->size + size > into->capacity) {
        into->capacity = 2 * into->capacity + size;
        char *grown = realloc(into->text, into->capacity);
        if (!grown)
            return -1;
        into->text = grown;
    }
    memcpy(into->text + into->size, path, size);
    into->size += size;
    return 0;
}

/* Takes from each pipeline in turn, until all have ended. */
static int count_on_reeve(struct names *names, uint32_t times, int64_t *peak)
{
    find_includes_stream streams[PIPELINES];
    bool open[PIPELINES];
    int left = PIPELINES, failed = 0;
    for (int i = 0; i < PIPELINES; i++) {
        streams[i] = find_includes_remote((reeve_bytes){paths[i].text, paths[i].size}, times);
        open[i] = true;
    }
    for (int i = 0; left > 0; i = (i + 1) % PIPELINES) {
        included next;
        int code = open[i] ? find_includes_next(streams[i], &next) : REEVE_EAGAIN;
        if (code == REEVE_OK && next.name.size > 0)
            names_add(names, next.name.data, next.name.size);
        else if (code == REEVE_OK)
            *peak = next.peak_kib > *peak ? next.peak_kib : *peak;
        if (code == REEVE_OK) {
            reeve_clear(included, &next);
        } else if (code != REEVE_EAGAIN) {
            open[i] = false;
            left--;
            if (code != REEVE_EEND)
                failed = (reeve_perror("find_includes"), -1);
        }
    }
    return failed;
}

static bool add_name(void *context, const char *name, size_t size)
{
    names_add(context, name, size);
    return true;
}

static bool add_block(void *context, const char *text, size_t size)
{
    return each_include(text, size, add_name, context);
}

static void count_here(struct names *names, uint32_t times)
{
    while (times-- > 0)
        for (int i = 0; i < PIPELINES; i++)
            for (size_t at = 0; at < paths[i].size; at += strlen(paths[i].text + at) + 1)
                each_block(paths[i].text + at, add_block, names);
}

static int run(const char *folder, uint32_t times)
{
    struct names piped = {0}, serial = {0};
    const struct name *top[TOP];
    int64_t peak = 0;
    if (nftw(folder, visit, 64, FTW_PHYS) != 0)
        return perror(folder), 1;
    int failed = count_on_reeve(&piped, times, &peak);
    if (!failed) {
        size_t count = names_top(&piped, top, TOP);
        for (size_t i = 0; i < count; i++)
            printf("%8" PRIu64 "  %s\n", top[i]->count, top[i]->text);
        count_here(&serial, times);
        failed = !names_equal(&piped, &serial);
        printf("%zu files, %" PRIu64 " KiB of text, %" PRIu64 " includes of %zu headers: %s\n",
            file_count, size_bytes * times / 1024, piped.all, piped.different,
            failed ? "NOT WHAT ONE PROCESS FINDS" : "what one process finds, too");
        printf("no stage took more than %" PRId64 " KiB\n", peak);
    }
    names_free(&piped);
    names_free(&serial);
    for (int i = 0; i < PIPELINES; i++)
        free(paths[i].text);
    return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "/usr/include";
    uint32_t times = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1;
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    int status = run(folder, times);
    reeve_shutdown();
    return status;
}
