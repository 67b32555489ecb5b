/* reeve_cancel.h - stopping what is not wanted any more. Included by reeve.h; its rules hold here,
 * too.
 *
 * A call that is cancelled ends, for whoever gets its future, with REEVE_ECANCELLED, and that only
 * when its function does not run any more:
 *  - one that nobody has begun never begins;
 *  - of one that runs, reeve_cancelled() becomes true, and what it has called itself is cancelled,
 *    too. When it then returns, its result is dropped. If it has not returned after a grace time
 *    its process gets SIGTERM (if the program has a handler for it), and after as much time again
 *    the process is ended, with all that it has started; no other call is harmed by this;
 *  - one that ends by itself before it hears of it has its value, or its error;
 *  - one that is run by the task that waits for it, on the spot (see reeve_wait), is only asked,
 *    because its process is that task's, too; for a function that cannot ask: never_inline.
 *  - one of which an attempt was given up with its node, which died or could not be reached, ends
 *    with that error instead (REEVE_ENODEDIED, REEVE_EUNREACHABLE): it may still run there.
 * It is not run again, whatever max_retries says. A time limit (timeout_ms) that is over stops a
 * task by the same steps, each after half a second; the answer is REEVE_ETASKTIMEOUT.
 */
#ifndef REEVE_CANCEL_H
#define REEVE_CANCEL_H

#ifdef __cplusplus
extern "C" {
#endif

/* How to cancel. Zero means "default". */
typedef struct reeve_cancel_options {
    size_t size; /* sizeof(reeve_cancel_options): set by REEVE_CANCEL_OPTIONS */
    /* Milliseconds between two steps; default 1000; REEVE_FOREVER: it is asked, and no more. */
    int64_t grace_ms;
    /* 1: what the task itself has called goes on, unless its process has to be ended. */
    uint32_t keep_children;
    /* 0. */
    uint32_t reserved;
} reeve_cancel_options;

/* REEVE_CANCEL_OPTIONS(.grace_ms = 100): a pointer to an options struct, valid in the enclosing
 * block. */
#define REEVE_CANCEL_OPTIONS(...) \
    (&(reeve_cancel_options){.size = sizeof(reeve_cancel_options), __VA_ARGS__})

/* Cancels the call behind a future of any type. The future lives on, to be got (which then waits
 * until the task has stopped) or released. options may be NULL. Of one that has ended, or that is
 * no call's (a put), nothing is changed, and the answer is REEVE_OK; so it is when it has been
 * cancelled before, and of two grace times the shorter one counts. Does not block. REEVE_EHANDLE:
 * not a live future. REEVE_EINVAL: a bad option. REEVE_ENOMEM. */
REEVE_API int reeve_cancel(reeve_future future, const reeve_cancel_options *options);
#define reeve_cancel(future, options) reeve_cancel(reeve_untyped(future), options)

/* In a remote function, in any thread: whether its result is not wanted any more: it was cancelled,
 * or its time is up. A few loads. Outside of a task: false. Works in any state. */
REEVE_API bool reeve_cancelled(void);

#ifdef __cplusplus
}
#endif

#endif
