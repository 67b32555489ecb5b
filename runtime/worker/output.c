/* The two streams become streams of our own (fopencookie), line-buffered, whose writes carry a mark
 * in front when the function has changed since the last one:
 *
 *     \x01 function number in decimal \x02 text
 *
 * A line of reeve_log has marks of its own, with a letter for its level (d, i, w, e) behind the
 * number, and behind it the one that was there before:
 *
 *     \x01 number w \x02 text \n \x01 number \x02
 *
 * The node daemon takes the marks out and prefixes each line with the function's name. A line
 * that a task leaves unfinished is ended with the task, so that the next one's does not continue
 * it. What a program writes to descriptor 1 or 2 itself bears no mark and counts for the
 * function that wrote last. */
#include "runtime/worker/output.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <sys/uio.h>
#include <unistd.h>

#include "api/client/cluster.h"
#include "api/client/log.h"

/* Written with the lock of its FILE; the end of a task looks at it without. */
struct stream {
    int fd;
    _Atomic uint32_t function; /* the one last marked, + 1 */
    _Atomic bool in_line;      /* the last byte written was not the end of a line */
};

static struct reeve_cluster *output_cluster;
static struct stream streams[2] = {{.fd = STDOUT_FILENO}, {.fd = STDERR_FILENO}};

static ssize_t stream_write(void *cookie, const char *bytes, size_t size)
{
    struct stream *stream = cookie;
    char mark[16];
    int mark_size = 0;
    uint32_t function =
        atomic_load_explicit(&output_cluster->bell->current_function, memory_order_relaxed);
    if (function != stream->function && function != 0) {
        stream->function = function;
        mark_size = snprintf(mark, sizeof(mark), "\x01%u\x02", function - 1);
    }
    if (size != 0)
        stream->in_line = bytes[size - 1] != '\n';
    struct iovec parts[2] = {{mark, (size_t)mark_size}, {(char *)(uintptr_t)bytes, size}};
    ssize_t written = writev(stream->fd, parts, 2);
    return written < mark_size ? (written < 0 ? -1 : 0) : written - mark_size;
}

/* Holds the stream meanwhile: what other threads write with it comes before or after. */
static void log_write(enum reeve_level level, const char *text, size_t size)
{
    struct stream *stream = &streams[1];
    char before[32], after[32], number[16] = "";
    uint32_t function =
        atomic_load_explicit(&output_cluster->bell->current_function, memory_order_relaxed);
    flockfile(stderr);
    if (__fpending(stderr) != 0)
        fflush(stderr);
    if (function != 0)
        snprintf(number, sizeof(number), "%u", function - 1);
    int before_size = snprintf(before, sizeof(before), "\x01%s%c\x02", number, "diwe"[level & 3]);
    uint32_t marked = stream->function;
    if (marked != 0)
        snprintf(number, sizeof(number), "%u", marked - 1);
    int after_size = snprintf(after, sizeof(after), "\n\x01%s\x02", marked != 0 ? number : "");
    struct iovec parts[3] = {{before, (size_t)before_size}, {(char *)(uintptr_t)text, size},
        {after, (size_t)after_size}};
    stream->in_line = false; /* a mark ends a line */
    (void)!writev(stream->fd, parts, 3);
    funlockfile(stderr);
}

static FILE *stream_open(struct stream *stream, char *buffer, size_t size)
{
    FILE *file = fopencookie(stream, "w", (cookie_io_functions_t){.write = stream_write});
    if (file != NULL)
        setvbuf(file, buffer, _IOLBF, size);
    return file;
}

void reeve_worker_output_install(struct reeve_cluster *cluster)
{
    static char buffers[2][BUFSIZ];
    output_cluster = cluster;
    fflush(stdout);
    fflush(stderr);
    reeve_log_worker = log_write;
    FILE *out = stream_open(&streams[0], buffers[0], sizeof(buffers[0]));
    FILE *err = stream_open(&streams[1], buffers[1], sizeof(buffers[1]));
    if (out != NULL)
        stdout = out;
    if (err != NULL)
        stderr = err;
}

static void flush(FILE *file, struct stream *stream)
{
    if (__fpending(file) != 0)
        fflush(file);
    if (stream->in_line) {
        fputc('\n', file);
        fflush(file);
    }
}

static void flush_shared(FILE *file, struct stream *stream, bool all)
{
    flockfile(file);
    if (__fpending(file) != 0)
        fflush(file);
    if (all && stream->in_line) {
        fputc('\n', file);
        fflush(file);
    }
    funlockfile(file);
}

void reeve_worker_output_flush_shared(bool all)
{
    flush_shared(stdout, &streams[0], all);
    flush_shared(stderr, &streams[1], all);
}

void reeve_worker_output_flush(void)
{
    flush(stdout, &streams[0]);
    flush(stderr, &streams[1]);
}
