/* Scratch folders: made when a task first asks, removed when it has ended. All of a process lie in
 * one, which it holds a lock on while there are any (runtime/base/scratch.h). */
#include "api/client/scratch.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/client/client.h"
#include "api/client/error.h"
#include "api/client/invoke.h"
#include "runtime/base/scratch.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned user_count;                        /* tasks that have one */
static int process_fd;                             /* the lock; while there are any */
static char process_path[REEVE_SCRATCH_PATH_SIZE]; /* "": not chosen yet */

void reeve_scratch_place(void)
{
    const char *given = getenv(REEVE_SCRATCH_FOLDER_VARIABLE);
    snprintf(process_path, sizeof(process_path), "%s", given != NULL ? given : "");
    unsetenv(REEVE_SCRATCH_FOLDER_VARIABLE);
}

/* In inline mode nobody has said where. */
static void choose_path(void)
{
    uint64_t incarnation = 0;
    if (process_path[0] != 0)
        return;
    (void)!getrandom(&incarnation, sizeof(incarnation), 0);
    reeve_scratch_path(reeve_scratch_root(), incarnation, (uint32_t)getpid(), process_path);
}

/* With the lock. */
static void leave(void)
{
    if (--user_count > 0)
        return;
    (void)rmdir(process_path);
    close(process_fd);
}

/* With the lock. Returns the path, from malloc; or NULL, and errno. */
static char *folder_make(const struct reeve_invocation *invocation)
{
    char *path = NULL;
    if (user_count == 0) {
        choose_path();
        if (reeve_scratch_hold(process_path, &process_fd) != REEVE_OK)
            return NULL;
    }
    user_count++;
    if (asprintf(&path, "%s/%016" PRIx64 "-%016" PRIx64 "-%u", process_path, invocation->id.owner,
            invocation->id.sequence, invocation->attempt) < 0)
        path = NULL;
    if (path == NULL || mkdir(path, S_IRWXU) != 0) {
        int error = path == NULL ? ENOMEM : errno;
        free(path);
        leave();
        errno = error;
        return NULL;
    }
    return path;
}

REEVE_API const char *reeve_scratch_folder(void)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_invocation *invocation = reeve_invocation_current();
    if (reeve_client_enter(error) == NULL)
        return NULL;
    if (invocation == NULL) {
        reeve_invocation_none("reeve_scratch_folder", error);
        return NULL;
    }
    if (invocation->scratch != NULL)
        return invocation->scratch;
    pthread_mutex_lock(&lock);
    invocation->scratch = folder_make(invocation);
    int reason = errno;
    pthread_mutex_unlock(&lock);
    if (invocation->scratch == NULL)
        reeve_error_set(error, REEVE_ESYSTEM,
            "no scratch folder can be made as %.300s: %s; REEVE_SCRATCH names a place for them",
            process_path, strerror(reason));
    return invocation->scratch;
}

void reeve_scratch_end(struct reeve_invocation *invocation)
{
    (void)reeve_scratch_remove(invocation->scratch); /* what stays the daemon finds, or the next */
    free(invocation->scratch);
    invocation->scratch = NULL;
    pthread_mutex_lock(&lock);
    leave();
    pthread_mutex_unlock(&lock);
}
