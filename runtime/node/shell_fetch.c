/* Programs from other nodes: the driver's node has the executable, its arguments and its table of
 * functions.
 *
 *   executor ── ProgramPull(job, hash, offset, length) ──▶ driver's node
 *            ◀─ ProgramChunk(data; with the first: arguments, table) ──
 *
 * A few pieces are under way at a time. The bytes go into a memfd and are hashed as they come; a
 * program that has come whole and right is run from there, and kept for the next job with the
 * same hash, within bounds. After a lost session what is missing is asked for again. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/macros.h"
#include "runtime/node/shell_daemon.h"

#define WINDOW           4u
#define PROGRAM_SIZE_MAX (4ull << 30)
#define CACHE_COUNT      8
#define CACHE_BYTES      (256ull << 20)
#define ARGUMENTS_MAX    65536u

struct daemon_fetching {
    struct daemon *daemon;
    int fd;
    uint64_t size, received, asked; /* size 0: not known yet */
    crypto_generichash_state state;
    bool head_only; /* the bytes are here, only arguments and table are not */
};

static struct cached {
    uint8_t hash[REEVE_PROGRAM_HASH_SIZE];
    int fd; /* 0: free */
    uint64_t size, used;
} cache[CACHE_COUNT];
static uint64_t cache_clock;

/* --- programs that are here --- */

static struct cached *cache_find(const uint8_t *hash)
{
    for (size_t i = 0; i < CACHE_COUNT; i++) {
        if (cache[i].fd != 0 && memcmp(cache[i].hash, hash, sizeof cache[i].hash) == 0)
            return &cache[i];
    }
    return NULL;
}

static void cache_drop(struct cached *entry)
{
    close(entry->fd); /* jobs have copies of their own */
    memset(entry, 0, sizeof *entry);
}

static void cache_add(const uint8_t *hash, int fd, uint64_t size)
{
    for (;;) {
        uint64_t total = size;
        struct cached *free_entry = NULL, *oldest = NULL;
        for (size_t i = 0; i < CACHE_COUNT; i++) {
            total += cache[i].size;
            if (cache[i].fd == 0)
                free_entry = &cache[i];
            else if (oldest == NULL || cache[i].used < oldest->used)
                oldest = &cache[i];
        }
        if (free_entry != NULL && (total <= CACHE_BYTES || oldest == NULL)) {
            free_entry->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
            if (free_entry->fd < 0) {
                free_entry->fd = 0;
                return;
            }
            memcpy(free_entry->hash, hash, sizeof free_entry->hash);
            free_entry->size = size;
            free_entry->used = ++cache_clock;
            return;
        }
        cache_drop(oldest);
    }
}

void daemon_fetch_forget_cache(void)
{
    for (size_t i = 0; i < CACHE_COUNT; i++) {
        if (cache[i].fd != 0)
            cache_drop(&cache[i]);
    }
}

/* --- asking --- */

static void pull(struct daemon_job *job, uint64_t offset, uint32_t length)
{
    struct daemon *daemon = job->fetching->daemon;
    reeve_peer session = daemon_peer_session(daemon, reeve_process_node(job->id));
    Reeve__ProgramPull body = REEVE__PROGRAM_PULL__INIT;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    if (session == 0)
        return; /* daemon_fetch_peer_up asks again */
    body.job = job->id;
    body.hash.data = job->program;
    body.hash.len = sizeof job->program;
    body.offset = offset;
    body.length = length;
    message.body_case = REEVE__MESSAGE__BODY_PROGRAM_PULL;
    message.program_pull = &body;
    (void)reeve_link_send(daemon->link, session, &message);
}

static void pull_more(struct daemon_job *job)
{
    struct daemon_fetching *fetching = job->fetching;
    while (fetching->asked < fetching->size &&
           fetching->asked - fetching->received < WINDOW * (uint64_t)REEVE_CHUNK_SIZE_BYTES) {
        uint64_t left = fetching->size - fetching->asked;
        uint32_t length = (uint32_t)REEVE_MIN(left, REEVE_CHUNK_SIZE_BYTES);
        pull(job, fetching->asked, length);
        fetching->asked += length;
    }
}

static void ask(struct daemon_job *job)
{
    struct daemon_fetching *fetching = job->fetching;
    if (job->table == NULL) {
        pull(job, 0, fetching->head_only ? 0 : REEVE_CHUNK_SIZE_BYTES);
        return;
    }
    fetching->asked = fetching->received;
    pull_more(job);
}

void daemon_fetch(struct daemon *daemon, struct daemon_job *job)
{
    if (job->fetching != NULL)
        return;
    struct daemon_fetching *fetching = daemon_alloc(sizeof *fetching);
    fetching->daemon = daemon;
    fetching->fd = -1;
    job->fetching = fetching;
    struct cached *cached = cache_find(job->program);
    if (cached != NULL) {
        cached->used = ++cache_clock;
        fetching->head_only = true;
        job->executable_fd = fcntl(cached->fd, F_DUPFD_CLOEXEC, 3);
    } else {
        fetching->fd = memfd_create("reeve-program", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }
    crypto_generichash_init(&fetching->state, NULL, 0, REEVE_PROGRAM_HASH_SIZE);
    if ((fetching->head_only ? job->executable_fd : fetching->fd) < 0) {
        daemon_fetch_free(job);
        daemon_job_fail(job, REEVE_ESYSTEM, "no descriptors are left for the program");
        return;
    }
    ask(job);
}

void daemon_fetch_free(struct daemon_job *job)
{
    if (job->fetching == NULL)
        return;
    if (job->fetching->fd >= 0)
        close(job->fetching->fd);
    free(job->fetching);
    job->fetching = NULL;
}

/* Starts anew with the next worker that is wanted. */
static void fail(struct daemon_job *job, int32_t code, const char *text)
{
    daemon_fetch_free(job);
    free(job->table);
    free(job->launch.text);
    free(job->launch.arguments);
    job->table = NULL;
    memset(&job->launch, 0, sizeof job->launch);
    if (job->executable_fd >= 0)
        close(job->executable_fd);
    job->executable_fd = -1;
    daemon_job_fail(job, code, text);
}

/* --- what comes --- */

/* A program is executed from a descriptor that nobody has open for writing. */
static int finish(struct daemon_job *job)
{
    struct daemon_fetching *fetching = job->fetching;
    uint8_t hash[REEVE_PROGRAM_HASH_SIZE];
    crypto_generichash_final(&fetching->state, hash, sizeof hash);
    if (memcmp(hash, job->program, sizeof hash) != 0)
        return REEVE_EPROGRAM;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fetching->fd);
    fcntl(fetching->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    job->executable_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (job->executable_fd < 0)
        return REEVE_ESYSTEM;
    cache_add(job->program, job->executable_fd, fetching->size);
    return REEVE_OK;
}

static bool take_launch(struct daemon_job *job, const Reeve__ProgramChunk *chunk)
{
    size_t size = 1;
    if (chunk->n_arguments == 0 || chunk->n_arguments > ARGUMENTS_MAX || chunk->table == NULL)
        return false;
    for (size_t i = 0; i < chunk->n_arguments; i++)
        size += strlen(chunk->arguments[i]) + 1;
    job->launch.text = daemon_alloc(size);
    job->launch.arguments = daemon_alloc((chunk->n_arguments + 1) * sizeof(char *));
    char *at = job->launch.text;
    for (size_t i = 0; i < chunk->n_arguments; i++) {
        job->launch.arguments[i] = at;
        at = stpcpy(at, chunk->arguments[i]) + 1;
    }
    job->table = strdup(chunk->table);
    job->table_size = strlen(chunk->table);
    job->table_hash = chunk->table_hash;
    return job->table != NULL;
}

static bool write_all(int fd, const uint8_t *bytes, size_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t written = pwrite(fd, bytes, size, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        offset += (uint64_t)written;
        size -= (size_t)written;
    }
    return true;
}

static struct daemon_job *find_job(
    struct daemon *daemon, uint32_t node, const Reeve__ProgramChunk *chunk)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->jobs, &at, NULL, &value)) {
        struct daemon_job *job = value;
        if (job->fetching != NULL && reeve_process_node(job->id) == node &&
            chunk->hash.len == sizeof job->program &&
            memcmp(chunk->hash.data, job->program, sizeof job->program) == 0 &&
            (chunk->n_arguments == 0) == (job->table != NULL))
            return job;
    }
    return NULL;
}

static void chunk_came(struct daemon *daemon, uint32_t node, const Reeve__ProgramChunk *chunk)
{
    struct daemon_job *job = find_job(daemon, node, chunk);
    if (job == NULL)
        return;
    struct daemon_fetching *fetching = job->fetching;
    if (chunk->code != REEVE_OK) {
        fail(job, REEVE_EPROGRAM, "the driver's node could not send the program");
        return;
    }
    if (job->table == NULL) {
        if (!take_launch(job, chunk) || chunk->size == 0 || chunk->size > PROGRAM_SIZE_MAX) {
            fail(job, REEVE_EPROGRAM, "the driver's node sent no program");
            return;
        }
        fetching->size = chunk->size;
        fetching->asked = chunk->data.len;
    }
    if (!fetching->head_only) {
        if (chunk->offset != fetching->received ||
            chunk->data.len > fetching->size - fetching->received)
            return; /* asked for twice, after a lost session */
        if (!write_all(fetching->fd, chunk->data.data, chunk->data.len, chunk->offset)) {
            fail(job, REEVE_ESYSTEM, "no memory is left for the program");
            return;
        }
        crypto_generichash_update(&fetching->state, chunk->data.data, chunk->data.len);
        fetching->received += chunk->data.len;
        if (fetching->received < fetching->size) {
            fetching->asked = REEVE_MAX(fetching->asked, fetching->received);
            pull_more(job);
            return;
        }
        int error = finish(job);
        if (error != REEVE_OK) {
            fail(job, error,
                error == REEVE_EPROGRAM ? "the program was changed while it was sent"
                                        : "no descriptors are left for the program");
            return;
        }
    }
    reeve_log(REEVE_LOG_INFO, "REEVE-PROGRAM-FETCHED", "job=%llx bytes=%llu cached=%s",
        (unsigned long long)job->id, (unsigned long long)fetching->size,
        fetching->head_only ? "yes" : "no");
    daemon_fetch_free(job);
    job->ready = true;
    daemon_job_serve(job);
}

/* --- what is asked of us --- */

static void pull_came(
    struct daemon *daemon, reeve_peer session, const Reeve__ProgramPull *pull_body)
{
    static uint8_t bytes[REEVE_CHUNK_SIZE_BYTES]; /* the loop's thread alone is here */
    const struct daemon_job *job = daemon_job_get(daemon, pull_body->job);
    Reeve__ProgramChunk chunk = REEVE__PROGRAM_CHUNK__INIT;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    struct stat status;
    chunk.hash = pull_body->hash;
    chunk.offset = pull_body->offset;
    if (job == NULL || !job->local || !job->ready || fstat(job->executable_fd, &status) != 0 ||
        pull_body->hash.len != sizeof job->program ||
        memcmp(pull_body->hash.data, job->program, sizeof job->program) != 0) {
        chunk.has_code = true;
        chunk.code = REEVE_EHANDLE;
    } else {
        ssize_t size = pread(job->executable_fd, bytes, REEVE_MIN(pull_body->length, sizeof bytes),
            (off_t)pull_body->offset);
        chunk.size = (uint64_t)status.st_size;
        chunk.has_data = size > 0;
        chunk.data.data = bytes;
        chunk.data.len = size > 0 ? (size_t)size : 0;
        if (pull_body->offset == 0) {
            chunk.arguments = job->launch.arguments;
            while (job->launch.arguments[chunk.n_arguments] != NULL)
                chunk.n_arguments++;
            chunk.has_table_hash = true;
            chunk.table_hash = job->table_hash;
            chunk.table = job->table;
        }
    }
    message.body_case = REEVE__MESSAGE__BODY_PROGRAM_CHUNK;
    message.program_chunk = &chunk;
    if (reeve_link_send(daemon->link, session, &message) != REEVE_ETOOLARGE)
        return;
    Reeve__ProgramChunk refused = REEVE__PROGRAM_CHUNK__INIT;
    refused.hash = pull_body->hash;
    refused.has_code = true;
    refused.code = REEVE_ETOOLARGE;
    message.program_chunk = &refused;
    (void)reeve_link_send(daemon->link, session, &message);
}

bool daemon_fetch_message(
    struct daemon *daemon, uint32_t node, reeve_peer session, const Reeve__Message *message)
{
    if (message->body_case == REEVE__MESSAGE__BODY_PROGRAM_PULL)
        pull_came(daemon, session, message->program_pull);
    else if (message->body_case == REEVE__MESSAGE__BODY_PROGRAM_CHUNK)
        chunk_came(daemon, node, message->program_chunk);
    else
        return false;
    return true;
}

void daemon_fetch_peer_up(struct daemon *daemon, uint32_t node)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->jobs, &at, NULL, &value)) {
        struct daemon_job *job = value;
        if (job->fetching != NULL && reeve_process_node(job->id) == node)
            ask(job);
    }
}

void daemon_fetch_peer_lost(struct daemon *daemon, uint32_t node, const char *text)
{
    size_t at = 0;
    void *value;
    char why[REEVE_TEXT_SIZE];
    snprintf(why, sizeof why, "the program could not be fetched from the driver's node: %s", text);
    while (reeve_map64_next(&daemon->jobs, &at, NULL, &value)) {
        struct daemon_job *job = value;
        if (job->fetching != NULL && reeve_process_node(job->id) == node)
            fail(job, REEVE_ESYSTEM, why);
    }
}
