/* reeve_context.h - what a function can know of the task that it runs, and tell of it. Included by
 * reeve.h; its rules hold here, too.
 *
 *     REEVE_REMOTE(int64_t, simulate, (int64_t, steps))
 *     {
 *         reeve_context context;
 *         if (reeve_get_context(&context) == REEVE_OK && context.attempt > 1)
 *             reeve_log(REEVE_WARNING, "once more: attempt %u", context.attempt);
 *         for (int64_t i = 0; i < steps; i++) {
 *             step(i);
 *             reeve_progress((uint64_t)i + 1, (uint64_t)steps);
 *         }
 *         return steps;
 *     }
 *
 * "In the thread of a task" below means the thread that Reeve has called the function in. The task
 * is that function's call, also when it is run in the midst of another one that waits for it (see
 * reeve_wait): when it has returned, the thread's task is the other one again. Threads that a
 * function makes are in no task; what they are to know of it is handed to them, for a context is
 * a copy.
 */
#ifndef REEVE_CONTEXT_H
#define REEVE_CONTEXT_H

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the task -------------------------------------------------------------------------------- */

/* What is known of a task. Two numbers together name one: the process that has called the function,
 * and the number that this process has for the call. Tools show each of them as 16 hexadecimal
 * digits. The library may add fields at the end. */
typedef struct reeve_context {
    uint64_t job;          /* as `reeve jobs` shows it; 0 in inline mode */
    uint64_t owner;        /* the task: the process that has called it… */
    uint64_t task;         /* …and its number there, as `reeve tasks` shows it */
    uint64_t inside_owner; /* the task that waits for it in this very thread, … */
    uint64_t inside_task;  /* …and its number; both 0: it runs by itself */
    uint64_t actor_owner;  /* of a method or a constructor: the actor's `owner`… */
    uint64_t actor_number; /* …and `number`; both 0: it is none */
    /* Milliseconds until the time limit, its own or that of the task that it is inside of; 0: the
     * time is up; REEVE_FOREVER: there is none. */
    int64_t time_left_ms;
    double cpus;             /* that the task was given: its option `cpus` */
    const char *function;    /* its name; valid as long as the process */
    uint64_t progress_done;  /* what reeve_progress was last told; 0: nothing yet */
    uint64_t progress_total; /* likewise */
    uint32_t attempt;        /* 1: it runs for the first time */
    uint32_t node;           /* where it runs, as `reeve status` numbers them; 0 in inline mode */
    uint32_t depth;          /* how many tasks wait for it in this thread, one inside the other */
    int32_t pid;             /* of the worker process */
    /* The task that has made this call: its `owner`, whatever node it is on, … */
    uint64_t parent_owner;
    /* …and its `task`; the same in each attempt. 0: no task has made it, but a driver, or a thread
     * that a function has made; or, of the constructor of a detached actor, a process of the
     * actor's own. */
    uint64_t parent_task;
} reeve_context;

/* In the thread of a task: fills in what is known of it. Does not block. REEVE_EINVAL: this thread
 * is in no task. */
REEVE_API int reeve_get_context(reeve_context *ret, size_t size);
#define reeve_get_context(ret) reeve_get_context(ret, sizeof(*(ret)))

/* ---- files ----------------------------------------------------------------------------------- */

/* In the thread of a task: the path of a folder of its own, for files that it needs no longer than
 * it runs. It is made, empty, when the task first asks, for this user only; removed with all that
 * is in it when the function has returned, before its caller has the result; and when the process
 * dies, by its node, or, if everything has died, by the next node daemon of this user there. Where:
 * `reeve worker --scratch`, REEVE_SCRATCH, else TMPDIR, else /tmp. Each attempt has another one,
 * and so has a task that is run inside of this one. The path is valid until the function returns.
 * Blocks as the file system does. NULL: reeve_last_error() says why: REEVE_EINVAL: this thread is
 * in no task; REEVE_ESYSTEM: it could not be made. */
REEVE_API const char *reeve_scratch_folder(void);

/* ---- lines for people ------------------------------------------------------------------------ */

/* How much a line of reeve_log matters. */
enum reeve_level {
    REEVE_DEBUG,
    REEVE_INFO,
    REEVE_WARNING,
    REEVE_ERROR,
};

/* Says one line, formatted as by printf, on standard error. From a task it comes to the driver's
 * terminal as what functions print does, with its origin and level in front:
 *
 *     simulate@host 4711 warning| once more: attempt 2
 *
 * and warnings and errors stand in the log of its node, too (REEVE-TASK-LOG; at most 20 a second of
 * one process). In a driver it has the same form. A line is never mixed with others, whoever
 * writes at the same time; an end of line inside of it is written as \n, other control characters
 * as \xNN, and more than 2,000 bytes are cut. When the driver's terminal is stuck lines are dropped
 * and counted, as all output is. Any thread, in any state; in a driver it blocks as writing to
 * standard error does. */
REEVE_API void reeve_log(enum reeve_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- progress -------------------------------------------------------------------------------- */

/* In the thread of a task: how far it has come, in units of its own; total 0: not known. Costs some
 * 20 ns, and no system call: nobody is told until somebody asks, by reeve_get_progress or
 * `reeve tasks`. A process keeps what four of its tasks have said last (they can be inside one
 * another). REEVE_EINVAL: this thread is in no task. */
REEVE_API int reeve_progress(uint64_t done, uint64_t total);

/* What the function of a future's call has last said by reeve_progress; 0 and 0 when it has said
 * nothing, has not begun, or has ended. On the caller's own node it is read from memory. Elsewhere
 * the node where it runs is asked, at most every 100 ms; it blocks until that has answered, one
 * second at most (REEVE_EUNREACHABLE). Releases nothing. REEVE_EHANDLE: not a live future. */
REEVE_API int reeve_get_progress(reeve_future future, uint64_t *done, uint64_t *total);
#define reeve_get_progress(future, ...) reeve_get_progress(reeve_untyped(future), __VA_ARGS__)

#ifdef __cplusplus
}
#endif

#endif
