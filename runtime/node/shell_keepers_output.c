/* What keepers of detached actors print, and so what their actors do once nobody else's terminal is
 * there for it: into a file beside our own log, bounded as that is (`reeve logs --node N
 * --actors`).
 *
 *   actor ─▶ its keeper's terminal ─pipe─▶ here, whole lines ─▶ worker.actors.log, .1, .2, .3
 *
 * Where our own log is no file but standard error (a service's, which its journal bounds), a
 * keeper's output is, too. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/buffer.h"
#include "runtime/base/macros.h"
#include "runtime/base/rolling.h"
#include "runtime/node/shell_daemon.h"

#define FILE_SIZE_MAX  (16u << 20)
#define FILE_COUNT     4u
#define READ_SIZE      (64u * 1024u)
#define READS_A_TURN   16
#define LINE_SIZE_MAX  (64u * 1024u) /* longer ones may be cut */
#define STANDARD_ERROR 2

struct daemon_said_file {
    struct reeve_rolling file;
    bool is_open, is_lost; /* the latter has been said */
};

struct daemon_said {
    struct daemon *daemon;
    int fd;
    uv_poll_t poll;
    struct reeve_buffer line; /* the beginning of one */
};

bool daemon_said_path(const char *log_path, char *path, size_t size)
{
    size_t length = log_path != NULL ? strlen(log_path) : 0;
    if (length > 4 && strcmp(log_path + length - 4, ".log") == 0)
        length -= 4;
    return length != 0 &&
           (size_t)snprintf(path, size, "%.*s.actors.log", (int)length, log_path) < size;
}

static void write_lines(struct daemon *daemon, const void *bytes, size_t size)
{
    char path[PATH_MAX];
    struct daemon_said_file *to = daemon->said_file;
    if (to == NULL)
        to = daemon->said_file = daemon_alloc(sizeof *to);
    bool good = to->is_open;
    if (!good && daemon_said_path(daemon->options->log_path, path, sizeof path))
        good = to->is_open =
            reeve_rolling_open(&to->file, path, FILE_SIZE_MAX, FILE_COUNT) == REEVE_OK;
    good = good && reeve_rolling_write(&to->file, bytes, size);
    if (!good && !to->is_lost)
        reeve_log(REEVE_LOG_WARN, "REEVE-ACTOR-OUTPUT-LOST", "why=%s", strerror(errno));
    to->is_lost = !good;
}

static void take(struct daemon_said *said, const char *bytes, size_t size)
{
    const char *last = memrchr(bytes, '\n', size);
    size_t whole = last != NULL ? (size_t)(last + 1 - bytes) : 0;
    if (reeve_buffer_append(&said->line, bytes, whole) != REEVE_OK)
        return; /* no memory: these are lost */
    if (whole != 0 || said->line.size > LINE_SIZE_MAX) {
        write_lines(said->daemon, said->line.data, said->line.size);
        reeve_buffer_clear(&said->line);
    }
    (void)reeve_buffer_append(&said->line, bytes + whole, size - whole);
}

/* At most so many times; false: nobody can write any more. */
static bool read_some(struct daemon_said *said, int reads)
{
    static char bytes[READ_SIZE]; /* the loop's thread alone reads */
    while (reads-- > 0) {
        ssize_t size = read(said->fd, bytes, sizeof bytes);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return errno == EAGAIN;
        if (size == 0)
            return false;
        take(said, bytes, (size_t)size);
    }
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct daemon_said *said = poll->data;
    (void)events;
    if (status != 0 || !read_some(said, READS_A_TURN))
        uv_poll_stop(poll); /* the end of its process follows */
}

static void on_closed(uv_handle_t *handle)
{
    struct daemon_said *said = handle->data;
    reeve_buffer_fini(&said->line);
    free(said);
}

int daemon_said_open(struct daemon *daemon, struct daemon_said **ret)
{
    int ends[2];
    *ret = NULL;
    if (daemon->options->log_path == NULL || pipe2(ends, O_CLOEXEC) != 0)
        return STANDARD_ERROR;
    struct daemon_said *said = *ret = daemon_alloc(sizeof *said);
    said->daemon = daemon;
    said->fd = ends[0];
    said->poll.data = said;
    reeve_buffer_init(&said->line);
    fcntl(said->fd, F_SETFL, O_NONBLOCK);
    uv_poll_init(&daemon->loop, &said->poll, said->fd);
    uv_poll_start(&said->poll, UV_READABLE, on_readable);
    return ends[1];
}

void daemon_said_spawned(int fd)
{
    if (fd != STANDARD_ERROR)
        close(fd);
}

void daemon_said_close(struct daemon_said *said)
{
    if (said == NULL)
        return;
    (void)read_some(said, READS_A_TURN); /* a pipe holds less */
    if (said->line.size > 0) {
        (void)reeve_buffer_append(&said->line, "\n", 1);
        write_lines(said->daemon, said->line.data, said->line.size);
    }
    uv_poll_stop(&said->poll);
    close(said->fd);
    uv_close((uv_handle_t *)&said->poll, on_closed);
}

void daemon_said_free(struct daemon *daemon)
{
    if (daemon->said_file != NULL && daemon->said_file->is_open)
        reeve_rolling_close(&daemon->said_file->file);
    free(daemon->said_file);
    daemon->said_file = NULL;
}
