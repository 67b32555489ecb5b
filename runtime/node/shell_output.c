/* What workers write, on its way to their driver's terminal.
 *
 *   worker ─pipe─▶ stream: markers, lines ─▶ "function@node pid| line\n"
 *                                            ├─▶ driver here: terminal: spool ─pipe─▶ driver
 *                                            └─▶ driver elsewhere: Output to its node
 *
 * A marker, "\1 index \2", says which function writes what follows; without digits: none. One with
 * a letter behind the index begins a line of reeve_log, of the level that the letter says. A
 * marker ends a line that is not finished. Lines are passed on whole, so that those of different
 * workers never mix within one. Nobody waits: the pipes of workers are always read; what a
 * driver does not take is spooled up to a bound, beyond which lines are dropped and counted, and
 * the count is said as soon as there is room. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/buffer.h"
#include "runtime/base/clock.h"
#include "runtime/base/macros.h"
#include "runtime/node/facts.h"
#include "runtime/node/shell_daemon.h"
#include "runtime/node/shell_output.h"

#define LINE_SIZE_MAX   (16u * 1024u) /* longer ones are cut into several */
#define READ_SIZE       (64u * 1024u)
#define SPOOL_SIZE_MAX  (1024u * 1024u)
#define SEND_SIZE_MAX   (256u * 1024u)
#define MARKER_SIZE_MAX 12
#define NO_FUNCTION     UINT32_MAX
#define LOGGED_SIZE_MAX 1024u /* of a line of reeve_log, in our own log */
#define LOGGED_A_SECOND 20u   /* of one worker */

static const struct level {
    char letter;
    const char *name;
    enum reeve_log_level ours;
    bool is_kept; /* in our own log, too */
} levels[] = {
    {'d', "debug", REEVE_LOG_DEBUG, false},
    {'i', "info", REEVE_LOG_INFO, false},
    {'w', "warning", REEVE_LOG_WARN, true},
    {'e', "error", REEVE_LOG_ERROR, true},
};

struct stream {
    struct daemon_output *output;
    int fd;
    uint64_t dropped; /* lines that the way to the driver's node had no room for; not yet said */
    uv_poll_t poll;
    bool error_stream;
    bool in_marker;
    char marker[MARKER_SIZE_MAX];
    size_t marker_size;
    uint32_t function;
    const struct level *level; /* of a line of reeve_log; NULL: it is none */
    struct reeve_buffer line;
    struct reeve_buffer batch; /* finished lines of this turn */
};

struct daemon_output {
    struct daemon *daemon;
    struct daemon_worker *worker;
    reeve_process_id job;
    struct stream streams[2];
    int handles; /* not closed yet */
    char tail[REEVE_DAEMON_STDERR_TAIL];
    size_t tail_size;
    char tail_text[REEVE_TEXT_SIZE];
    uint64_t logged_second, logged; /* in that second: lines of reeve_log in our own log */
};

/* --- the driver's side --- */

struct sink {
    struct daemon_terminal *terminal;
    int fd;
    uv_poll_t poll;
    bool polling;
    struct reeve_buffer spool;
    uint64_t dropped;
};

/* Of a driver; when that has said goodbye it stays until its spool is empty, or nobody reads. */
struct daemon_terminal {
    struct sink sinks[2];
    int handles;
    bool leaving;
    struct reeve_list link; /* leaving: in daemon->terminals_leaving */
};

static void on_sink_closed(uv_handle_t *handle)
{
    struct sink *sink = handle->data;
    struct daemon_terminal *terminal = sink->terminal;
    reeve_buffer_fini(&sink->spool);
    if (--terminal->handles == 0)
        free(terminal);
}

static void sink_close(struct sink *sink)
{
    if (sink->fd < 0)
        return;
    uv_poll_stop(&sink->poll);
    close(sink->fd);
    sink->fd = -1;
    uv_close((uv_handle_t *)&sink->poll, on_sink_closed);
}

static void terminal_close(struct daemon_terminal *terminal)
{
    if (terminal->leaving)
        reeve_list_remove(&terminal->link);
    terminal->leaving = false;
    sink_close(&terminal->sinks[0]);
    sink_close(&terminal->sinks[1]);
}

void daemon_terminals_close(struct daemon *daemon)
{
    while (!reeve_list_is_empty(&daemon->terminals_leaving))
        terminal_close(
            REEVE_LIST_ENTRY(daemon->terminals_leaving.next, struct daemon_terminal, link));
}

static struct daemon_terminal *terminal_open(struct daemon_client *client)
{
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) != 0)
        return NULL;
    if (pipe2(err, O_CLOEXEC) != 0) {
        close(out[0]);
        close(out[1]);
        return NULL;
    }
    struct daemon_terminal *terminal = daemon_alloc(sizeof *terminal);
    terminal->sinks[0].fd = out[1];
    terminal->sinks[1].fd = err[1];
    for (int i = 0; i < 2; i++) {
        struct sink *sink = &terminal->sinks[i];
        sink->terminal = terminal;
        sink->poll.data = sink;
        reeve_buffer_init(&sink->spool);
        fcntl(sink->fd, F_SETFL, O_NONBLOCK);
        uv_poll_init(&client->daemon->loop, &sink->poll, sink->fd);
        terminal->handles++;
    }
    struct reeve_local_message message = {
        .kind = REEVE_LOCAL_OUTPUT, .fd_count = 2, .fds = {out[0], err[0]}};
    daemon_client_send(client, &message);
    close(out[0]);
    close(err[0]);
    client->terminal = terminal;
    return terminal;
}

/* The end of a sink whose driver has left, once it has said all. */
static void sink_left(struct sink *sink)
{
    struct daemon_terminal *terminal = sink->terminal;
    if (!terminal->leaving || sink->polling)
        return;
    sink_close(sink);
    if (terminal->sinks[0].fd < 0 && terminal->sinks[1].fd < 0)
        terminal_close(terminal);
}

static void on_sink_writable(uv_poll_t *poll, int status, int events);

static void sink_write(struct sink *sink)
{
    while (sink->spool.size > 0) {
        ssize_t written = write(sink->fd, sink->spool.data, sink->spool.size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno == EAGAIN)
            break;
        if (written < 0) { /* nobody reads any more */
            reeve_buffer_clear(&sink->spool);
            sink->dropped = 0;
            break;
        }
        reeve_buffer_consume(&sink->spool, (size_t)written);
    }
    if (sink->dropped > 0 && sink->spool.size < SPOOL_SIZE_MAX / 2) {
        reeve_buffer_append_format(&sink->spool, "reeve| %llu lines of output were dropped\n",
            (unsigned long long)sink->dropped);
        sink->dropped = 0;
    }
    bool wanted = sink->spool.size > 0;
    if (wanted && !sink->polling)
        uv_poll_start(&sink->poll, UV_WRITABLE, on_sink_writable);
    if (!wanted && sink->polling)
        uv_poll_stop(&sink->poll);
    sink->polling = wanted;
    sink_left(sink);
}

static void on_sink_writable(uv_poll_t *poll, int status, int events)
{
    struct sink *sink = poll->data;
    (void)events;
    if (status != 0) { /* the driver has closed its end: what comes is for nobody */
        uv_poll_stop(poll);
        reeve_buffer_clear(&sink->spool);
        sink->polling = false;
        sink_left(sink);
        return;
    }
    sink_write(sink);
}

void daemon_terminal_leave(struct daemon_client *client, reeve_process_id job)
{
    struct daemon *daemon = client->daemon;
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->workers, &at, NULL, &value)) {
        struct daemon_worker *worker = value;
        if (worker->job == job && worker->output != NULL)
            daemon_output_drain(
                worker->output); /* what it wrote before the results that are known */
    }
    struct daemon_terminal *terminal = client->terminal;
    client->terminal = NULL;
    if (terminal == NULL)
        return;
    terminal->leaving = true;
    reeve_list_push_back(&daemon->terminals_leaving, &terminal->link);
    for (int i = 0; i < 2 && terminal->leaving; i++)
        sink_write(&terminal->sinks[i]);
}

static uint64_t count_lines(const char *lines, size_t size)
{
    uint64_t count = 0;
    for (const char *at = lines; (at = memchr(at, '\n', size - (size_t)(at - lines))) != NULL; at++)
        count++;
    return count;
}

void daemon_output_deliver(struct daemon *daemon, reeve_process_id job, bool error_stream,
    const char *lines, size_t size, uint64_t dropped)
{
    struct daemon_client *driver =
        daemon_client_get(daemon, (uint32_t)daemon_keeper_audience(daemon, job));
    if (driver == NULL || driver->worker != NULL)
        return;
    struct daemon_terminal *terminal =
        driver->terminal != NULL ? driver->terminal : terminal_open(driver);
    if (terminal == NULL)
        return;
    struct sink *sink = &terminal->sinks[error_stream];
    sink->dropped += dropped;
    if (sink->spool.size + size > SPOOL_SIZE_MAX ||
        reeve_buffer_append(&sink->spool, lines, size) != REEVE_OK)
        sink->dropped += count_lines(lines, size);
    sink_write(sink);
}

/* --- the worker's side --- */

/* The name of the index-th function of the job's table. */
static size_t function_name(const struct daemon_output *output, uint32_t index, const char **name)
{
    const struct daemon_job *job = daemon_job_get(output->daemon, output->job);
    return job != NULL ? reeve_function_find(job->table, job->table_size, index, name) : 0;
}

/* What tasks warn of is there for who looks after the node, whatever becomes of their driver. */
static void log_line(struct stream *stream, const char *name, size_t length)
{
    struct daemon_output *output = stream->output;
    uint64_t second = reeve_clock_monotonic_ns() / REEVE_NS_PER_S;
    char function[128], text[LOGGED_SIZE_MAX];
    if (second != output->logged_second)
        output->logged = 0;
    output->logged_second = second;
    if (++output->logged > LOGGED_A_SECOND)
        return;
    snprintf(function, sizeof function, "%.*s", (int)length, length > 0 ? name : "");
    snprintf(text, sizeof text, "%.*s", (int)stream->line.size, (const char *)stream->line.data);
    reeve_log(stream->level->ours, "REEVE-TASK-LOG", "job=%016llx function=%s pid=%d msg=%s",
        (unsigned long long)output->job, function, (int)output->worker->pid, text);
}

static void finish_line(struct stream *stream)
{
    const struct daemon_output *output = stream->output;
    const char *name = NULL;
    size_t length =
        stream->function == NO_FUNCTION ? 0 : function_name(output, stream->function, &name);
    const struct level *level = stream->level;
    reeve_buffer_append_format(&stream->batch, "%.*s%s%s %d%s%s| ", (int)length,
        length > 0 ? name : "", length > 0 ? "@" : "", output->daemon->host,
        (int)output->worker->pid, level != NULL ? " " : "", level != NULL ? level->name : "");
    if (level != NULL && level->is_kept)
        log_line(stream, name, length);
    reeve_buffer_append(&stream->batch, stream->line.data, stream->line.size);
    reeve_buffer_append(&stream->batch, "\n", 1);
    reeve_buffer_clear(&stream->line);
}

/* To another node, in pieces that fit a frame. */
static void send_on(struct stream *stream)
{
    struct daemon_output *output = stream->output;
    const char *lines = (const char *)stream->batch.data;
    size_t left = stream->batch.size;
    do {
        size_t size = left;
        if (size > SEND_SIZE_MAX) /* lines are shorter */
            size = (size_t)((char *)memrchr(lines, '\n', SEND_SIZE_MAX) + 1 - lines);
        if (daemon_output_send(
                output->daemon, output->job, stream->error_stream, lines, size, stream->dropped))
            stream->dropped = 0;
        else
            stream->dropped += count_lines(lines, size);
        lines += size;
        left -= size;
    } while (left > 0);
}

static void pass_on(struct stream *stream)
{
    struct daemon_output *output = stream->output;
    if (stream->batch.size == 0 && stream->dropped == 0)
        return;
    if (reeve_process_node(output->job) != output->daemon->node)
        send_on(stream);
    else
        daemon_output_deliver(output->daemon, output->job, stream->error_stream,
            (const char *)stream->batch.data, stream->batch.size, 0);
    reeve_buffer_clear(&stream->batch);
}

static void end_marker(struct stream *stream)
{
    stream->in_marker = false;
    stream->marker[stream->marker_size] = 0;
    if (stream->line.size > 0)
        finish_line(stream);
    char *letter = stream->marker;
    stream->function = (uint32_t)strtoul(stream->marker, &letter, 10);
    if (letter == stream->marker)
        stream->function = NO_FUNCTION;
    stream->level = NULL;
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(levels); i++)
        if (*letter == levels[i].letter)
            stream->level = &levels[i];
}

/* Inside a marker; what turns out to be none is dropped. */
static void marker_byte(struct stream *stream, char byte)
{
    if (byte == 2)
        end_marker(stream);
    else if (((byte >= '0' && byte <= '9') || strchr("diwe", byte) != NULL) &&
             stream->marker_size < MARKER_SIZE_MAX - 1)
        stream->marker[stream->marker_size++] = byte;
    else
        stream->in_marker = false;
}

static void keep_tail(struct daemon_output *output, const char *bytes, size_t size)
{
    if (size >= sizeof output->tail) {
        bytes += size - sizeof output->tail;
        size = sizeof output->tail;
    }
    size_t keep = REEVE_MIN(output->tail_size, sizeof output->tail - size);
    memmove(output->tail, output->tail + output->tail_size - keep, keep);
    memcpy(output->tail + keep, bytes, size);
    output->tail_size = keep + size;
}

static void take_bytes(struct stream *stream, const char *bytes, size_t size)
{
    if (stream->error_stream && !stream->output->worker->greeted)
        keep_tail(stream->output, bytes, size);
    for (size_t i = 0; i < size;) {
        if (stream->in_marker) {
            marker_byte(stream, bytes[i++]);
            continue;
        }
        size_t run = i;
        while (run < size && bytes[run] != '\n' && bytes[run] != 1 && run - i < LINE_SIZE_MAX)
            run++;
        reeve_buffer_append(&stream->line, bytes + i, run - i);
        i = run;
        if (i < size && bytes[i] == 1) {
            stream->in_marker = true;
            stream->marker_size = 0;
            i++;
        } else if (i < size && bytes[i] == '\n') {
            finish_line(stream);
            i++;
        } else if (stream->line.size >= LINE_SIZE_MAX) {
            finish_line(stream);
        }
    }
}

/* Reads up to `limit` bytes; false when there is an end or error. */
static bool stream_read(struct stream *stream, size_t limit)
{
    static char bytes[READ_SIZE]; /* the loop's thread alone reads */
    bool open = true;
    while (limit > 0) {
        ssize_t size = read(stream->fd, bytes, REEVE_MIN(limit, sizeof bytes));
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            break;
        if (size <= 0) {
            open = false;
            break;
        }
        take_bytes(stream, bytes, (size_t)size);
        limit -= (size_t)size;
    }
    pass_on(stream);
    return open;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = poll->data;
    (void)events;
    if (status != 0 || !stream_read(stream, READ_SIZE))
        uv_poll_stop(poll);
}

struct daemon_output *daemon_output_open(
    struct daemon *daemon, struct daemon_worker *worker, int *ret_out_fd, int *ret_err_fd)
{
    int pipes[2][2];
    for (int i = 0; i < 2; i++) {
        if (pipe2(pipes[i], O_CLOEXEC) == 0)
            continue;
        if (i == 1) {
            close(pipes[0][0]);
            close(pipes[0][1]);
        }
        return NULL;
    }
    struct daemon_output *output = daemon_alloc(sizeof *output);
    output->daemon = daemon;
    output->worker = worker;
    output->job = worker->job;
    for (int i = 0; i < 2; i++) {
        struct stream *stream = &output->streams[i];
        stream->output = output;
        stream->fd = pipes[i][0];
        stream->error_stream = i == 1;
        stream->function = NO_FUNCTION;
        reeve_buffer_init(&stream->line);
        reeve_buffer_init(&stream->batch);
        fcntl(stream->fd, F_SETFL, O_NONBLOCK);
        stream->poll.data = stream;
        uv_poll_init(&daemon->loop, &stream->poll, stream->fd);
        uv_poll_start(&stream->poll, UV_READABLE, on_readable);
        output->handles++;
    }
    *ret_out_fd = pipes[0][1];
    *ret_err_fd = pipes[1][1];
    return output;
}

void daemon_output_drain(struct daemon_output *output)
{
    for (int i = 0; i < 2; i++)
        stream_read(&output->streams[i], SPOOL_SIZE_MAX);
}

const char *daemon_output_tail(struct daemon_output *output)
{
    /* the last lines, newest kept whole, in one line */
    size_t size = output->tail_size;
    while (size > 0 && output->tail[size - 1] == '\n')
        size--;
    size_t from = size > sizeof output->tail_text / 2 ? size - sizeof output->tail_text / 2 : 0;
    size_t used = 0;
    for (size_t i = from; i < size; i++) {
        unsigned char byte = (unsigned char)output->tail[i];
        output->tail_text[used++] = byte == '\n' ? ';' : byte < 32 ? ' ' : (char)byte;
    }
    output->tail_text[used] = 0;
    return output->tail_text;
}

static void on_stream_closed(uv_handle_t *handle)
{
    struct stream *stream = handle->data;
    struct daemon_output *output = stream->output;
    reeve_buffer_fini(&stream->line);
    reeve_buffer_fini(&stream->batch);
    if (--output->handles == 0)
        free(output);
}

void daemon_output_ended(struct daemon_output *output)
{
    for (int i = 0; i < 2; i++) {
        struct stream *stream = &output->streams[i];
        if (stream->line.size > 0)
            finish_line(stream);
        pass_on(stream);
        uv_poll_stop(&stream->poll);
        close(stream->fd);
        uv_close((uv_handle_t *)&stream->poll, on_stream_closed);
    }
}
