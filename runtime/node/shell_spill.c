/* Spill files: jobs in the thread pool. See shell_spill.h. */
#include "runtime/node/shell_spill.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/assert.h"
#include "runtime/base/clock.h"
#include "runtime/base/errors.h"
#include "runtime/base/fifo.h"
#include "runtime/base/log.h"
#include "runtime/base/macros.h"
#include "runtime/base/map64.h"
#include "runtime/node/shell_spill_file.h"

#define JOBS_MAX       2u /* of a kind, at a time: the pool has four threads */
#define BATCH_BYTES    (4u << 20)
#define BATCH_COUNT    256u
#define TELL_PERIOD_NS (60 * REEVE_NS_PER_S)

enum kind { WRITES, READS, SPACE, KIND_COUNT };

struct job {
    uv_work_t work;
    struct reeve_spill *spill;
    enum kind kind;
    struct reeve_spill_file *file;
    struct reeve_spill_transfer transfer;
    struct reeve_object_id id; /* of the first */
    uint32_t piece_count;      /* SPACE: to be punched; 0: the file is to be closed */
    struct reeve_spill_piece pieces[BATCH_COUNT];
};

struct reeve_spill {
    struct reeve_spill_settings settings;
    struct reeve_map64 files;             /* struct reeve_spill_file by number */
    struct reeve_fifo queues[KIND_COUNT]; /* struct reeve_store_command */
    struct reeve_fifo writes[REEVE_STORE_FOLDERS_MAX];
    uint32_t next_folder;
    uint32_t job_counts[KIND_COUNT];
    /* when it was last said that writes, or reads, fail */
    uint64_t told_ns[KIND_COUNT][REEVE_STORE_FOLDERS_MAX];
    bool ending;
};

static void start(struct reeve_spill *spill);

/* --- files ------------------------------------------------------------------------------------ */

static struct reeve_spill_file *file_get(
    struct reeve_spill *spill, uint32_t number, uint32_t folder)
{
    struct reeve_spill_file *file = reeve_map64_get(&spill->files, number);
    if (file == NULL) {
        file = reeve_spill_file_create(spill->settings.folders[folder], folder);
        int error = reeve_map64_put(&spill->files, number, file, NULL);
        REEVE_ASSERT(error == REEVE_OK);
    }
    return file;
}

/* --- what jobs do, on threads of the pool ----------------------------------------------------- */

static void work(uv_work_t *request)
{
    struct job *job = request->data;
    switch (job->kind) {
    case WRITES: reeve_spill_write(&job->transfer); return;
    case READS: reeve_spill_read(&job->transfer); return;
    case SPACE:
        for (uint32_t i = 0; i < job->piece_count; i++)
            reeve_spill_file_punch(job->file, job->pieces[i].place, job->pieces[i].length);
        if (job->piece_count == 0)
            reeve_spill_file_close(job->file);
        return;
    case KIND_COUNT: break;
    }
}

/* --- and what is done with them --------------------------------------------------------------- */

static void file_let_go(struct reeve_spill *spill, struct reeve_spill_file *file);

/* In the disk's own words; NULL: it has not said anything. */
static const char *words(const struct job *job)
{
    return job->transfer.os_error != 0 ? strerror(job->transfer.os_error) : NULL;
}

/* One line a minute for a folder that fails, and one for what it has not kept. */
static void tell_state(struct reeve_spill *spill, const struct job *job)
{
    uint32_t folder = job->file->folder;
    const struct reeve_spill_transfer *transfer = &job->transfer;
    const char *name = spill->settings.folders[folder], *os = words(job);
    uint64_t now_ns = reeve_clock_monotonic_ns(), *told_ns = &spill->told_ns[job->kind][folder];
    if (transfer->code == REEVE_OK || (*told_ns != 0 && now_ns - *told_ns < TELL_PERIOD_NS))
        return;
    *told_ns = now_ns;
    if (job->kind == READS) {
        reeve_log(REEVE_LOG_ERROR, "REEVE-SPILL-READ",
            "folder=%s object=%" PRIu64 " owner=%" PRIx64 " code=%s os=%s then=%s", name,
            job->id.sequence, job->id.owner, reeve_error_name(transfer->code),
            os != NULL ? os : "the checksum differs",
            "what has a copy elsewhere, or can be made again, is; more is counted in reeve status");
        return;
    }
    reeve_log(REEVE_LOG_WARN, "REEVE-SPILL-FOLDER", "folder=%s code=%s os=%s then=%s", name,
        reeve_error_name(transfer->code),
        os != NULL ? os : "more than 95 % of its file system would be taken",
        "it is left alone for a while; other folders go on");
}

static void tell_done(struct reeve_spill *spill, const struct job *job)
{
    for (uint32_t i = 0; i < job->piece_count; i++) {
        struct reeve_store_event event = {.request = job->pieces[i].ticket,
            .code = job->transfer.code,
            .number = job->pieces[i].checksum,
            .text = words(job),
            .kind = job->kind == WRITES ? REEVE_STORE_SPILL_WRITTEN : REEVE_STORE_SPILL_READ_DONE};
        spill->settings.done(spill->settings.arg, &event);
    }
}

static void worked(uv_work_t *request, int status)
{
    struct job *job = request->data;
    struct reeve_spill *spill = job->spill;
    (void)status;
    if (job->kind != SPACE && !job->transfer.finished && !spill->ending) {
        int error = uv_queue_work(spill->settings.loop, &job->work, work, worked);
        REEVE_ASSERT(error == 0);
        return;
    }
    spill->job_counts[job->kind]--;
    struct reeve_spill_file *file = job->file;
    if (job->kind != SPACE && !spill->ending) {
        tell_state(spill, job);
        tell_done(spill, job);
    }
    bool closed = job->kind == SPACE && job->piece_count == 0;
    reeve_spill_transfer_fini(&job->transfer);
    free(job);
    if (closed)
        reeve_spill_file_free(file);
    else
        file_let_go(spill, file);
    start(spill);
}

static struct job *job_create(struct reeve_spill *spill, enum kind kind, struct reeve_spill_file *f)
{
    struct job *job = calloc(1, sizeof(*job));
    REEVE_ASSERT(job != NULL);
    job->spill = spill;
    job->kind = kind;
    job->file = f;
    job->work.data = job;
    return job;
}

static void job_start(struct job *job)
{
    struct reeve_spill *spill = job->spill;
    spill->job_counts[job->kind]++;
    job->file->use_count++;
    if (job->kind != SPACE)
        reeve_spill_transfer_init(&job->transfer, job->file, job->pieces, job->piece_count);
    int error = uv_queue_work(spill->settings.loop, &job->work, work, worked);
    REEVE_ASSERT(error == 0);
}

static void file_let_go(struct reeve_spill *spill, struct reeve_spill_file *file)
{
    if (--file->use_count == 0 && file->unwanted)
        job_start(job_create(spill, SPACE, file)); /* nothing to punch: it is closed */
}

/* --- which comes next ------------------------------------------------------------------------- */

static void job_add(struct job *job, const struct reeve_store_command *command)
{
    if (job->piece_count == 0)
        job->id = command->id;
    job->pieces[job->piece_count++] = (struct reeve_spill_piece){
        .memory_fd = reeve_segments_file(job->spill->settings.segments, command->segment),
        .offset = command->offset,
        .place = command->place,
        .length = command->length,
        .expected = command->number,
        .ticket = command->request};
}

static bool follows(
    const struct job *job, uint32_t file_number, const struct reeve_store_command *next)
{
    const struct reeve_spill_piece *first = &job->pieces[0];
    const struct reeve_spill_piece *last = &job->pieces[job->piece_count - 1];
    return job->piece_count < BATCH_COUNT && next->file == file_number &&
           next->place >= last->place + last->length &&
           next->place < last->place + last->length + REEVE_STORE_ALIGN &&
           next->place + next->length - first->place <= BATCH_BYTES;
}

static bool start_write(struct reeve_spill *spill)
{
    for (uint32_t i = 0; i < spill->settings.folder_count; i++) {
        struct reeve_fifo *queue =
            &spill->writes[spill->next_folder++ % spill->settings.folder_count];
        struct reeve_store_command command, *next = reeve_fifo_peek(queue);
        if (next == NULL)
            continue;
        struct job *job = job_create(spill, WRITES, file_get(spill, next->file, next->folder));
        do {
            reeve_fifo_pop(queue, &command);
            job_add(job, &command);
        } while ((next = reeve_fifo_peek(queue)) != NULL && follows(job, command.file, next));
        job_start(job);
        return true;
    }
    return false;
}

static bool start_read(struct reeve_spill *spill)
{
    struct reeve_store_command command;
    if (!reeve_fifo_pop(&spill->queues[READS], &command))
        return false;
    struct job *job = job_create(spill, READS, file_get(spill, command.file, command.folder));
    job_add(job, &command);
    job_start(job);
    job->file->use_count--; /* it was counted when the command came */
    return true;
}

static bool start_space(struct reeve_spill *spill)
{
    struct reeve_store_command command, *next = reeve_fifo_peek(&spill->queues[SPACE]);
    if (next == NULL)
        return false;
    uint32_t number = next->file;
    struct reeve_spill_file *file = reeve_map64_get(&spill->files, number);
    struct job *job = NULL;
    if (next->kind == REEVE_STORE_SPILL_PUNCH)
        job = job_create(spill, SPACE, file);
    while (job != NULL && next != NULL && next->file == number &&
           next->kind == REEVE_STORE_SPILL_PUNCH && job->piece_count < BATCH_COUNT) {
        reeve_fifo_pop(&spill->queues[SPACE], &command);
        job_add(job, &command);
        next = reeve_fifo_peek(&spill->queues[SPACE]);
    }
    if (job != NULL) {
        job_start(job);
        return true;
    }
    reeve_fifo_pop(&spill->queues[SPACE], &command); /* CLOSE */
    reeve_map64_remove(&spill->files, number);
    if (file != NULL) {
        file->unwanted = true;
        file->use_count++;
        file_let_go(spill, file);
    }
    return true;
}

static void start(struct reeve_spill *spill)
{
    static bool (*const starts[KIND_COUNT])(struct reeve_spill *) = {
        [WRITES] = start_write, [READS] = start_read, [SPACE] = start_space};
    for (int kind = 0; kind < KIND_COUNT && !spill->ending; kind++)
        while (spill->job_counts[kind] < (kind == SPACE ? 1 : JOBS_MAX) && starts[kind](spill))
            ;
}

void reeve_spill_command(struct reeve_spill *spill, const struct reeve_store_command *command)
{
    struct reeve_fifo *queue = &spill->queues[SPACE];
    if (command->kind == REEVE_STORE_SPILL_WRITE) {
        queue = &spill->writes[command->folder];
    } else if (command->kind == REEVE_STORE_SPILL_READ) {
        queue = &spill->queues[READS];
        file_get(spill, command->file, command->folder)->use_count++; /* it may be closed before */
    }
    struct reeve_store_command *item = reeve_fifo_push(queue);
    REEVE_ASSERT(item != NULL);
    *item = *command;
    start(spill);
}

/* --- beginning and end ------------------------------------------------------------------------ */

int reeve_spill_create(const struct reeve_spill_settings *settings, struct reeve_spill **ret)
{
    struct reeve_spill *spill = calloc(1, sizeof(*spill));
    if (spill == NULL)
        return REEVE_ENOMEM;
    spill->settings = *settings;
    reeve_map64_init(&spill->files);
    for (int i = 0; i < KIND_COUNT; i++)
        reeve_fifo_init(&spill->queues[i], sizeof(struct reeve_store_command));
    for (uint32_t i = 0; i < REEVE_STORE_FOLDERS_MAX; i++)
        reeve_fifo_init(&spill->writes[i], sizeof(struct reeve_store_command));
    *ret = spill;
    return REEVE_OK;
}

static uint32_t job_count(const struct reeve_spill *spill)
{
    return spill->job_counts[WRITES] + spill->job_counts[READS] + spill->job_counts[SPACE];
}

void reeve_spill_free(struct reeve_spill *spill)
{
    if (spill == NULL)
        return;
    spill->ending = true;
    while (job_count(spill) > 0)
        uv_run(spill->settings.loop, UV_RUN_ONCE);
    size_t at = 0;
    void *file;
    while (reeve_map64_next(&spill->files, &at, NULL, &file)) {
        reeve_spill_file_close(file);
        reeve_spill_file_free(file);
    }
    reeve_map64_fini(&spill->files);
    for (int i = 0; i < KIND_COUNT; i++)
        reeve_fifo_fini(&spill->queues[i]);
    for (uint32_t i = 0; i < REEVE_STORE_FOLDERS_MAX; i++)
        reeve_fifo_fini(&spill->writes[i]);
    free(spill);
}
