/* Programs: what a driver says of itself, and what a worker of its job is started with.
 *
 *   HELLO(table, executable, launch spec) ─▶ read and check ─▶ hash the executable ─▶ DRIVER_HELLO
 *                                                              (thread pool; or known by device,
 *                                                              inode, size and time: at once)
 *
 * On the driver's own machine its executable is run from where it is. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/macros.h"
#include "runtime/base/process.h"
#include "runtime/node/shell_daemon.h"

#define HASH_READ_SIZE (1u << 20)
#define HASH_CACHE     16

/* --- hashing --- */

struct hash_key {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

static struct {
    struct hash_key key;
    uint8_t hash[REEVE_PROGRAM_HASH_SIZE];
} cache[HASH_CACHE];
static unsigned cache_next;

struct hashing {
    uv_work_t work;
    struct daemon *daemon;
    uint64_t connection;
    int fd; /* a copy: the client may go meanwhile */
    struct hash_key key;
    int error; /* errno */
    uint8_t hash[REEVE_PROGRAM_HASH_SIZE];
};

static int hash_key_of(int fd, struct hash_key *key)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -1;
    if (!S_ISREG(status.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    memset(key, 0, sizeof *key);
    key->device = status.st_dev;
    key->inode = status.st_ino;
    key->size = status.st_size;
    key->modified = status.st_mtim;
    key->changed = status.st_ctim;
    return 0;
}

static void hash_work(uv_work_t *work)
{
    struct hashing *hashing = work->data;
    crypto_generichash_state state;
    uint8_t *block = malloc(HASH_READ_SIZE);
    off_t offset = 0;
    if (block == NULL) {
        hashing->error = ENOMEM;
        return;
    }
    crypto_generichash_init(&state, NULL, 0, sizeof hashing->hash);
    for (;;) {
        ssize_t size = pread(hashing->fd, block, HASH_READ_SIZE, offset);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            hashing->error = errno;
        if (size <= 0)
            break;
        crypto_generichash_update(&state, block, (size_t)size);
        offset += size;
    }
    crypto_generichash_final(&state, hashing->hash, sizeof hashing->hash);
    free(block);
}

static void hashed(struct daemon_client *client, const uint8_t *hash)
{
    memcpy(client->job->program, hash, REEVE_PROGRAM_HASH_SIZE);
    client->job->ready = true;
    struct reeve_node_event event = {.kind = REEVE_NODE_EVENT_DRIVER_HELLO,
        .connection = client->connection,
        .count = client->weight};
    memcpy(event.program, hash, sizeof event.program);
    memcpy(event.text, client->name, sizeof event.text);
    daemon_event(client->daemon, &event);
}

static void hash_done(uv_work_t *work, int status)
{
    struct hashing *hashing = work->data;
    struct daemon_client *client = reeve_map64_get(&hashing->daemon->clients, hashing->connection);
    close(hashing->fd);
    if (status == 0 && hashing->error == 0) {
        cache[cache_next % HASH_CACHE].key = hashing->key;
        memcpy(cache[cache_next++ % HASH_CACHE].hash, hashing->hash, sizeof hashing->hash);
    }
    if (client != NULL && client->job != NULL) {
        if (status != 0 || hashing->error != 0)
            daemon_client_refuse(client, REEVE_EPROGRAM, "the program's executable cannot be read");
        else
            hashed(client, hashing->hash);
    }
    free(hashing);
}

static void hash_executable(struct daemon_client *client)
{
    struct hash_key key;
    if (hash_key_of(client->job->executable_fd, &key) != 0) {
        daemon_client_refuse(client, REEVE_EPROGRAM, "the program's executable is not a file");
        return;
    }
    for (unsigned i = 0; i < HASH_CACHE; i++) {
        if (memcmp(&cache[i].key, &key, sizeof key) == 0) {
            hashed(client, cache[i].hash);
            return;
        }
    }
    struct hashing *hashing = daemon_alloc(sizeof *hashing);
    hashing->work.data = hashing;
    hashing->daemon = client->daemon;
    hashing->connection = client->connection;
    hashing->key = key;
    hashing->fd = fcntl(client->job->executable_fd, F_DUPFD_CLOEXEC, 3);
    if (hashing->fd < 0 ||
        uv_queue_work(&client->daemon->loop, &hashing->work, hash_work, hash_done) != 0) {
        if (hashing->fd >= 0)
            close(hashing->fd);
        free(hashing);
        daemon_client_refuse(client, REEVE_ESYSTEM, "the program's executable cannot be read");
    }
}

/* --- tables of functions --- */

/* All of a memfd or file, with a NUL behind; NULL when it is larger than `limit` or cannot be
 * read. */
static char *read_all(int fd, size_t limit, size_t *ret_size)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || (uint64_t)status.st_size > limit)
        return NULL;
    size_t size = (size_t)status.st_size, at = 0;
    char *bytes = malloc(size + 1);
    while (bytes != NULL && at < size) {
        ssize_t got = pread(fd, bytes + at, size - at, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            free(bytes);
            return NULL;
        }
        at += (size_t)got;
    }
    if (bytes == NULL)
        return NULL;
    bytes[size] = 0;
    *ret_size = size;
    return bytes;
}

char *daemon_table_read(int fd, size_t *ret_size)
{
    char *table = read_all(fd, REEVE_DAEMON_TABLE_SIZE_MAX, ret_size);
    if (table != NULL && memchr(table, 0, *ret_size) != NULL) {
        free(table);
        return NULL;
    }
    return table;
}

static size_t line_length(const char *line)
{
    return strcspn(line, "\n");
}

static const char *next_line(const char *line)
{
    line += line_length(line);
    return *line == '\n' ? line + 1 : line;
}

static void add_difference(
    char *text, size_t size, unsigned *count, const char *which, const char *line)
{
    size_t used = strlen(text);
    if (++*count <= 3)
        snprintf(text + used, size - used, "%s %s has \"%.*s\"", *count > 1 ? "," : "", which,
            (int)line_length(line), line);
}

/* Both tables are sorted, so one walk through both finds what only one of them has. */
void daemon_table_difference(const char *driver, const char *worker, char *text, size_t size)
{
    unsigned count = 0;
    snprintf(text, size, "the worker's table of functions differs from the driver's:");
    while (*driver != 0 || *worker != 0) {
        size_t a = line_length(driver), b = line_length(worker);
        int order = memcmp(driver, worker, REEVE_MIN(a, b));
        if (order == 0)
            order = a < b ? -1 : a > b;
        if (*driver == 0)
            order = 1;
        if (*worker == 0)
            order = -1;
        if (order < 0)
            add_difference(text, size, &count, "only the driver", driver);
        if (order > 0)
            add_difference(text, size, &count, "only the worker", worker);
        if (order <= 0)
            driver = next_line(driver);
        if (order >= 0)
            worker = next_line(worker);
    }
    size_t used = strlen(text);
    if (count == 0)
        snprintf(text + used, size - used, " in their order");
    else if (count > 3)
        snprintf(text + used, size - used, ", and %u more", count - 3);
}

/* --- launch specs --- */

static bool parse_strings(char **at, const char *end, uint32_t count, char **out)
{
    for (uint32_t i = 0; i < count; i++) {
        char *stop = memchr(*at, 0, (size_t)(end - *at));
        if (stop == NULL)
            return false;
        out[i] = *at;
        *at = stop + 1;
    }
    out[count] = NULL;
    return true;
}

/* See runtime/wire/local.h for the layout. */
static bool parse_launch(int fd, struct daemon_launch *launch)
{
    size_t size;
    uint32_t counts[2];
    launch->text = read_all(fd, REEVE_DAEMON_LAUNCH_SIZE_MAX, &size);
    if (launch->text == NULL || size < sizeof counts)
        return false;
    memcpy(counts, launch->text, sizeof counts);
    if (counts[0] == 0 || counts[0] > size || counts[1] > size)
        return false;
    launch->arguments = calloc(counts[0] + 1, sizeof(char *));
    launch->environment = calloc((size_t)counts[1] + 2, sizeof(char *)); /* one more is added */
    char *at = launch->text + sizeof counts, *end = launch->text + size;
    char *directory[2];
    if (launch->arguments == NULL || launch->environment == NULL ||
        !parse_strings(&at, end, 1, directory))
        return false;
    launch->directory = directory[0];
    return parse_strings(&at, end, counts[0], launch->arguments) &&
           parse_strings(&at, end, counts[1], launch->environment);
}

/* --- jobs --- */

void daemon_job_free(struct daemon_job *job)
{
    if (job == NULL)
        return;
    daemon_fetch_free(job);
    if (job->executable_fd >= 0)
        close(job->executable_fd);
    free(job->launch.text);
    free(job->launch.arguments);
    free(job->launch.environment);
    free(job->table);
    free(job);
}

void daemon_program_hello(struct daemon_client *client, struct reeve_local_message *message)
{
    struct daemon_job *job = daemon_alloc(sizeof *job);
    struct ucred peer;
    socklen_t peer_size = sizeof peer;
    if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) == 0)
        client->pidfd = reeve_process_open(peer.pid); /* -1 is fine */
    reeve_list_init(&job->wanted);
    client->job = job;
    job->local = true;
    job->table_hash = message->table_hash;
    job->table = daemon_table_read(message->fds[0], &job->table_size);
    job->executable_fd = message->fds[1];
    bool launch = parse_launch(message->fds[2], &job->launch);
    close(message->fds[0]);
    close(message->fds[2]);
    if (job->table == NULL || !launch) {
        daemon_client_refuse(client, REEVE_EPROTOCOL,
            job->table == NULL ? "the table of functions is malformed or larger than 1 MiB"
                               : "the launch spec is malformed or larger than 8 MiB");
        return;
    }
    hash_executable(client);
}

struct daemon_job *daemon_job_get(struct daemon *daemon, reeve_process_id id)
{
    return reeve_map64_get(&daemon->jobs, id);
}

void daemon_job_serve(struct daemon_job *job)
{
    struct reeve_list *link;
    while (job->ready && (link = reeve_list_pop_front(&job->wanted)) != NULL)
        daemon_worker_start(REEVE_LIST_ENTRY(link, struct daemon_worker, wanted_link), job);
}

void daemon_job_fail(struct daemon_job *job, int32_t code, const char *text)
{
    struct reeve_list waiting, *link;
    reeve_list_init(&waiting);
    reeve_list_splice_back(&waiting, &job->wanted); /* who is asked for next is not among them */
    while ((link = reeve_list_pop_front(&waiting)) != NULL)
        daemon_worker_never(REEVE_LIST_ENTRY(link, struct daemon_worker, wanted_link), code, text);
}

void daemon_job_adopt(struct daemon *daemon, struct daemon_job *job, reeve_process_id id)
{
    job->id = id;
    daemon_put(&daemon->jobs, id, job);
    daemon_job_serve(job);
}

void daemon_job_want(struct daemon *daemon, struct daemon_worker *worker, const uint8_t *program)
{
    struct daemon_job *job = daemon_job_get(daemon, worker->job);
    if (job == NULL) {
        job = daemon_alloc(sizeof *job);
        job->id = worker->job;
        job->executable_fd = -1;
        memcpy(job->program, program, sizeof job->program);
        reeve_list_init(&job->wanted);
        daemon_put(&daemon->jobs, job->id, job);
    }
    reeve_list_push_back(&job->wanted, &worker->wanted_link);
    if (job->ready)
        daemon_job_serve(job);
    else
        daemon_fetch(daemon, job);
}

void daemon_job_gone(struct daemon *daemon, reeve_process_id id)
{
    struct daemon_job *job = reeve_map64_remove(&daemon->jobs, id);
    daemon_tasks_job_gone(daemon, job);
    daemon_job_free(job);
}
