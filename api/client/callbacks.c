/* Callbacks: a thread of its own calls them, one after the other, in the order in which their
 * futures became ready.
 *
 * It is not the thread that makes the library go on (cluster_background.c): so a callback may take
 * long, and may even wait, and only holds up other callbacks. The thread starts with the first
 * callback, sleeps when there is nothing to call, and ends with reeve_shutdown. */
#include <pthread.h>
#include <reeve.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/client.h"
#include "api/client/error.h"
#include "api/client/ready.h"

struct callback {
    reeve_callback *function;
    void *arg;
    reeve_future future;
};

static struct reeve_ready due = REEVE_READY_INITIAL; /* tags: addresses of callbacks */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;
static bool running;
static _Thread_local bool in_callback;

static void *call_them(void *arg)
{
    uint64_t tag;
    in_callback = true;
    while (reeve_ready_await(&due, &tag)) {
        struct callback *callback = (struct callback *)(uintptr_t)tag;
        callback->function(callback->future, callback->arg);
        free(callback);
    }
    return arg;
}

static int thread_start(struct reeve_error_info *error)
{
    int failed = 0;
    pthread_mutex_lock(&lock);
    if (!running) {
        sigset_t all, before;
        sigfillset(&all); /* the program's signals are for its own threads */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        reeve_ready_stop(&due, false);
        failed = pthread_create(&thread, NULL, call_them, NULL);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        running = failed == 0;
    }
    pthread_mutex_unlock(&lock);
    if (failed != 0)
        return reeve_error_set(
            error, REEVE_ESYSTEM, "a thread could not be started: %s", strerror(failed));
    return 0;
}

void reeve_callbacks_finish(void)
{
    pthread_mutex_lock(&lock);
    bool was_running = running;
    pthread_t ended = thread;
    running = false;
    if (was_running)
        reeve_ready_stop(&due, true);
    pthread_mutex_unlock(&lock);
    if (was_running && in_callback)
        pthread_detach(ended);
    else if (was_running)
        pthread_join(ended, NULL);
}

static int callback_add(struct reeve_backend *backend, reeve_watch_member *how,
    const struct callback *from, struct reeve_error_info *error)
{
    struct callback *callback = malloc(sizeof(*callback));
    if (callback == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "no memory for a callback");
    *callback = *from;
    uint64_t tag = (uint64_t)(uintptr_t)callback;
    int code = thread_start(error);
    if (code == 0)
        code = reeve_ready_watch(backend, how, &due, from->future.id, tag, error);
    if (code != 0)
        free(callback);
    return code;
}

REEVE_API int(reeve_on_ready)(reeve_future future, reeve_callback *function, void *arg)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    struct callback callback = {function, arg, future};
    if (backend == NULL)
        return error->code;
    if (function == NULL)
        return reeve_error_set(error, REEVE_EINVAL, "reeve_on_ready: no function");
    return callback_add(backend, backend->watch, &callback, error);
}

REEVE_API int(reeve_on_next)(reeve_future stream, reeve_callback *function, void *arg)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    struct callback callback = {function, arg, stream};
    if (backend == NULL)
        return error->code;
    if (function == NULL)
        return reeve_error_set(error, REEVE_EINVAL, "reeve_on_next: no function");
    return callback_add(backend, backend->watch_next, &callback, error);
}
