/* Scratch folders of tasks: workers make and remove them (api/client/scratch.c); what a worker that
 * was killed has left is removed here, and at the start what daemons and workers that were killed
 * together have left. Neither is done in the loop. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/scratch.h"
#include "runtime/node/shell_daemon.h"

struct job {
    uv_work_t work;
    bool sweeps; /* what dead processes have left in the folder; else it is removed itself */
    unsigned count;
    int code;
    char path[REEVE_SCRATCH_PATH_SIZE];
};

static void work(uv_work_t *work)
{
    struct job *job = work->data;
    if (job->sweeps)
        job->count = reeve_scratch_sweep(job->path);
    else
        job->code = reeve_scratch_remove(job->path);
}

static void report(const struct job *job)
{
    if (job->count > 0)
        reeve_log(REEVE_LOG_INFO, "REEVE-SCRATCH-SWEPT", "root=%s count=%u", job->path, job->count);
    if (job->code != 0)
        reeve_log(REEVE_LOG_WARN, "REEVE-SCRATCH-STAYS", "folder=%s why=%s", job->path,
            "not all that is in it could be removed");
}

static void done(uv_work_t *work, int status)
{
    struct job *job = work->data;
    (void)status;
    report(job);
    free(job);
}

static void start(struct daemon *daemon, const char *path, bool sweeps)
{
    struct job *job = daemon_alloc(sizeof *job);
    job->work.data = job;
    job->sweeps = sweeps;
    snprintf(job->path, sizeof job->path, "%s", path);
    if (uv_queue_work(&daemon->loop, &job->work, work, done) != 0)
        free(job); /* the next daemon sweeps it */
}

static const char *root_of(const struct daemon *daemon)
{
    const char *root = daemon->options->scratch_root;
    return root != NULL ? root : reeve_scratch_root();
}

void daemon_scratch_open(struct daemon *daemon)
{
    start(daemon, root_of(daemon), true);
}

void daemon_scratch_path(const struct daemon_worker *worker, char *path)
{
    reeve_scratch_path(root_of(worker->daemon), worker->daemon->incarnation, worker->serial, path);
}

void daemon_scratch_worker_ended(struct daemon_worker *worker)
{
    char path[REEVE_SCRATCH_PATH_SIZE];
    daemon_scratch_path(worker, path);
    if (access(path, F_OK) == 0) /* mostly it has had none, or has removed it itself */
        start(worker->daemon, path, false);
}
