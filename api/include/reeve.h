/* reeve.h - run a program's functions on any core of any machine.
 *
 * Calling a remote function returns a future at once; the future resolves when some worker process
 * has run the function. This is the only header a program includes.
 *
 *     REEVE_REMOTE(int64_t, process_data, (int64_t, x)) { return x * 10; }
 *
 *     int main(int argc, char **argv)
 *     {
 *         if (reeve_init(argc, argv, NULL) != REEVE_OK)
 *             return reeve_perror("reeve_init"), 1;
 *         process_data_future f = process_data_remote(4);
 *         int64_t y;
 *         if (process_data_get(f, &y) == REEVE_OK) ...
 *         reeve_shutdown();
 *     }
 *
 * Workers are this same program. WHAT RUNS IN main BEFORE reeve_init RUNS IN EVERY WORKER PROCESS
 * TOO; what comes after it runs in the driver only, because in a worker reeve_init never returns.
 *
 * Rules that hold for every function below, unless it says otherwise:
 *  - Errors. A function that can fail returns REEVE_OK (0) or a negative code from reeve_errors.h;
 *    outputs are set on success only. reeve_last_error() then says more, for the calling thread.
 *    Nothing here prints, exits or aborts; reeve_perror prints, because it was asked to.
 *  - Threads. Every function may be called from any thread at any time. A future may be used by any
 *    thread.
 *  - State. Before reeve_init a call fails with REEVE_ENOTINIT, after reeve_shutdown with
 *    REEVE_ESHUTDOWN, and in a child made by fork with REEVE_EFORKED (a child that calls exec is
 *    fine).
 *  - Ownership. Arguments are copied before a call returns: the caller may reuse them at once. What
 *    a call gives is the caller's: every pointer inside a value is a malloc block of its own, see
 *    reeve_free.
 *  - Descriptors. Between reeve_init and reeve_shutdown a program has some 30 file descriptors
 *    more, and one for each worker of its own node that it uses, however many it uses elsewhere.
 *    Sixteen are only held, for what comes when the program has used up all others.
 *  - Time. `timeout_ms` is in milliseconds: 0 asks without waiting, REEVE_FOREVER (-1) waits as
 *    long as it takes. It is the limit of the whole call, until what it waits for is ready; a
 *    large value that is ready and lies on another node is brought here then, however long that
 *    takes.
 */
#ifndef REEVE_H
#define REEVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reeve_errors.h"

#ifdef __cplusplus
extern "C" {
#endif

#define REEVE_API          __attribute__((visibility("default")))
#define REEVE_FOREVER      (-1) /* a timeout_ms: wait as long as it takes */
#define REEVE_NO_RETRIES   (-1) /* a max_retries: what is lost is not run again */
#define REEVE_NO_PAUSE     (-1) /* a retry_pause_ms: what has failed is run again at once */
#define REEVE_PRIORITY_MAX 100  /* of a priority; the least is -REEVE_PRIORITY_MAX */

/* ---- errors ---------------------------------------------------------------------------------- */

/* What is known of the last call that failed in this thread. The library may add fields at the
 * end. */
typedef struct reeve_error_info {
    int code;           /* REEVE_E... */
    int attempt;        /* which execution failed: 1 is the first; 0 when the function never ran */
    int64_t user_code;  /* the code given to reeve_fail; where nobody has called that, `code` */
    char function[128]; /* the remote function concerned, or "" */
    char node[64];      /* where it ran, by number and host: "3 (host-b)"; or "" */
    char message[512];  /* one sentence: what is wrong and what to do */
} reeve_error_info;

/* The error of the last call that failed in this thread; never NULL, and left alone by calls
 * that succeed. Valid until this thread's next call. Works in any state. */
REEVE_API const reeve_error_info *reeve_last_error(void);

/* Prints "prefix: message (code, function, node, attempt)" for reeve_last_error on stderr. Works
 * in any state. */
REEVE_API void reeve_perror(const char *prefix);

/* "REEVE_ETYPE", and its text: "value of another type". Static strings, never NULL, for any
 * number. */
REEVE_API const char *reeve_error_name(int code);
REEVE_API const char *reeve_strerror(int code);

/* ---- futures --------------------------------------------------------------------------------- */

/* A future of an unnamed type. Futures are small numbers in a struct: 0 is never a future,
 * numbers are not reused, and one that was released is answered with REEVE_EHANDLE. Each value
 * type T has a future type of its own, reeve_future_T, so that the compiler tells them apart;
 * the macros that take "any future" accept all of them. */
typedef struct reeve_future {
    uint64_t id; /* 0: none */
} __attribute__((may_alias)) reeve_future;

/* The future with this id: for those who have kept the id of one. */
static inline reeve_future reeve_future_from_id(uint64_t id)
{
    reeve_future future = {id};
    return future;
}

/* Any typed future as an untyped one. The same future, not another reference. */
#define reeve_untyped(future) reeve_future_from_id((future).id)

/* Waiting inside a task. A task that waits without a time limit for all of some futures, by this
 * or by a get, runs those of their tasks that nobody has begun itself, on the spot, one inside the
 * other; so recursion needs no further processes. Only in the thread that runs the task, with more
 * than 512 KiB of its stack left, and only calls with the same `cpus` and `priority` as its own,
 * without timeout_ms, and without never_inline. If the process dies meanwhile, the task that
 * waited is run again once without this being counted (if it may be at all, see max_retries),
 * and then its calls run elsewhere. A task that waits for anything else for more than some
 * milliseconds lends its cpus to others until it goes on: another worker process may be started
 * for them. A node has a limit of those (reeve worker --processes). Where all of them wait, and
 * nothing can ever move, one of the tasks that are waited for fails with REEVE_EDEADLK after
 * some seconds; its message names who waits for what. Recursion that is too deep for the stacks
 * of so many processes ends like this, too. */

/* Waits until `wanted` of `count` futures are ready (a future that failed is ready too), or the
 * time is over. `futures` is an array of futures of any one type. ready[i] tells which are
 * ready, *ready_count how many; both may be NULL, and both are also set when the answer is
 * REEVE_ETIMEDOUT. Releases nothing. The same future may stand in the array twice. REEVE_EINVAL:
 * wanted > count. REEVE_EHANDLE: one of them is not a live future. Blocks. */
REEVE_API int reeve_wait(const reeve_future *futures, size_t count, size_t wanted,
    int64_t timeout_ms, bool *ready, size_t *ready_count);
#define reeve_wait(futures, ...) reeve_wait((const reeve_future *)&(futures)->id, __VA_ARGS__)

/* Gives up a future of any type: its value is freed as soon as nothing else needs it. Its task
 * goes on; reeve_cancel stops it. Tasks that were given the
 * future as an argument still get it. Does not block. REEVE_EHANDLE: not a live future. */
REEVE_API int reeve_release(reeve_future future);
#define reeve_release(future) reeve_release(reeve_untyped(future))

/* Another future of the same value and type, to be got or released apart from this one (it may be
 * the same number, which is then good once more). In a function, of a future that came with its
 * arguments: one that outlives the call, to be kept in a variable of the worker process and used by
 * later calls, in any thread, or passed on to others (see reeve_nested.h). Any thread. Does
 * not block. Never fails by itself: what is wrong with the future that it gives, getting that says
 * (REEVE_EHANDLE: this one is not a live future). */
REEVE_API reeve_future reeve_retain(reeve_future future);
#define reeve_retain(future) ((__typeof__(future)){(reeve_retain)(reeve_untyped(future)).id})

/* ---- memory ---------------------------------------------------------------------------------- */

/* Frees one pointer that a get gave: a string, or the `data` or `items` of a span or array. NULL
 * is fine. The same as free(), for programs that have another malloc. A whole value:
 * reeve_clear(T, &value). Works in any state. */
REEVE_API void reeve_free(const void *pointer);

/* In a remote function: memory (aligned for any type, 64 bytes when large) that lives until the
 * task's result has been packed, for what the result points to. Freed by the library. Outside of
 * a task it is malloc, and the caller's. NULL when there is no memory. Works in any state. */
REEVE_API void *reeve_alloc(size_t size);

/* In a remote function: frees `pointer` (from malloc, or from a get) once the task's result has
 * been packed. Outside of a task it does nothing, and the pointer stays the caller's. */
REEVE_API void reeve_free_later(const void *pointer);

/* In a remote function: marks the call as failed, with a code of the program's own and a message
 * (at most 511 bytes). Whatever the function then returns is ignored; whoever gets the future
 * sees REEVE_EFUNCTION, with user_code and message in reeve_last_error(). The last call counts.
 * To pass on the failure of a call made inside the function, whatever it is:
 * reeve_fail(reeve_last_error()->user_code, "%s", reeve_last_error()->message). Outside of a
 * task it sets reeve_last_error() only. */
REEVE_API void reeve_fail(int64_t user_code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- starting and ending --------------------------------------------------------------------- */

/* Where tasks run. */
enum reeve_mode {
    REEVE_MODE_DEFAULT, /* REEVE_MODE in the environment ("cluster" or "inline"), else cluster */
    REEVE_MODE_CLUSTER, /* in worker processes */
    /* every task runs inside the call that submits it, in order: for debuggers and valgrind */
    REEVE_MODE_INLINE,
};

/* What is done about futures and other things that the program has not given up. */
enum reeve_leaks_mode {
    REEVE_LEAKS_OFF,
    REEVE_LEAKS_PRINT, /* they are noted, and reeve_shutdown prints what is left on stderr */
    REEVE_LEAKS_NOTE,  /* they are noted, for reeve_leaks */
};

/* What reeve_init may be told. Zero and NULL mean "default": the environment variable named
 * here, else as described. */
typedef struct reeve_options {
    size_t size; /* sizeof(reeve_options): set by REEVE_OPTIONS */
    int mode;    /* enum reeve_mode; REEVE_MODE */
    /* The head to join, as `reeve head` prints it: tcp://HOST:PORT or
     * tls+tcp://HOST:PORT; REEVE_ADDRESS; else a cluster of this program's own. */
    const char *address;
    /* The cluster key in hex; REEVE_KEY. */
    const char *key;
    /* Or a file that holds it; REEVE_KEY_FILE; else `key` in the state folder of `reeve head`. */
    const char *key_file;
    /* Path of the `reeve` program to start a cluster with; REEVE_PROGRAM; else beside the
     * library, else in PATH. */
    const char *program;
    /* Shown by `reeve status`; REEVE_JOB_NAME; else the program's name. */
    const char *job_name;
    /* Own cluster: how many tasks at a time; REEVE_SLOTS; else the cores of this machine. */
    uint32_t slots;
    /* Own cluster: shared memory for values; REEVE_STORE_SIZE (512MiB, 4GiB, 30%); else 30 % of
     * memory, or of the control group's limit. See prefault. */
    uint64_t store_size_bytes;
    /* What futures may take of this process's own memory: those whose calls have not finished
     * (with their arguments) and those that have been neither got nor released (with values that
     * are not in the store). REEVE_PENDING_SIZE (512MiB, 25%); else a quarter of memory, in a
     * worker divided by the number of cores: with the store's 30 % that leaves the program almost
     * half. At the limit a call that submits or puts
     *  - waits, as long as most futures are of unfinished calls: the program is ahead of the
     *    workers, and is held to their pace. A task (in its first thread) does not wait there but
     *    runs one of its own calls that nobody has begun, so that no slot waits for another;
     *  - fails with REEVE_EAGAIN otherwise: waiting would not help, the program must get or
     *    release some. (In inline mode there is no limit.) */
    uint64_t pending_size_bytes;
    /* Jobs of one cluster that all want more than there is share it in proportion to their
     * weights, 1 to 10,000; REEVE_WEIGHT; else 100. What counts is cpu time held, whatever the
     * tasks are like. */
    uint32_t weight;
    /* enum reeve_leaks_mode: whether it is noted what the program holds, see reeve_leaks.h;
     * REEVE_LEAKS=1 is REEVE_LEAKS_PRINT; else it is not. */
    uint32_t leaks;
    /* Own cluster: folders where values go that the store has no room for, separated by colons, or
     * "none"; REEVE_SPILL; else /var/tmp, or /tmp, if it is on a disk. Nothing stays there when the
     * cluster ends, however it ends. With "none" a store that is full makes calls fail with
     * REEVE_EFULL. */
    const char *spill;
    /* Own cluster: how much of them at most; REEVE_SPILL_SIZE (100GiB, 20%); else until their file
     * systems are filled to 95 %. */
    uint64_t spill_size_bytes;
    /* The namespace of this job's actors: where those that it gives a name have it, and where it
     * looks for names; at most 63 bytes of UTF-8. REEVE_NAMESPACE; else "default". */
    const char *name_space;
    /* Own cluster: 1: all of the store's memory is touched at the start, in the background, and
     * kept, so that the first large values need not wait for it; REEVE_PREFAULT=1; else
     * memory is touched when it is first used, and ahead of who uses more and more. */
    uint32_t prefault;
} reeve_options;

/* REEVE_OPTIONS(.address = "tcp://head:6380", .slots = 4): a pointer to an options struct, for
 * designated initialisers. */
#define REEVE_OPTIONS(...) (&(reeve_options){.size = sizeof(reeve_options), __VA_ARGS__})

/* Joins the cluster of `address`, or starts one that ends with this process, however it ends.
 * argc and argv are those of main; they let workers be started with the same arguments. options
 * may be NULL. Blocks until the cluster answers. In a worker process it never returns. Call it
 * from one thread, before the others use the library; after reeve_shutdown it may be called
 * again. REEVE_EINVAL: already initialised, or an option makes no sense; REEVE_ENOCLUSTER: no
 * cluster could be reached or started; REEVE_EADDRESS: that is no address; REEVE_EKEY: there is no
 * cluster key, or it was refused; REEVE_ESYSTEM: the system denies what is needed, the message says
 * what, and which limit; REEVE_EFORKED. */
REEVE_API int reeve_init(int argc, char **argv, const reeve_options *options);

/* Signals. The library sets no handlers, and its threads take no signals of the program's. A
 * program that SIGINT ends (Ctrl-C at a terminal) ends its job with it, as any other death of it
 * does: its tasks, and what they have started, are gone within a second. Where it handles SIGINT
 * itself its tasks go on: workers, and the daemons of a cluster of its own, are in other process
 * groups, and the terminal does not interrupt them. In a task SIGTERM means what reeve_cancel.h
 * says. */

/* Ends the job: its unfinished tasks are dropped, its futures and values freed, calls of other
 * threads return REEVE_ESHUTDOWN. A cluster that reeve_init started is taken down. Blocks for a
 * moment. Called twice, or without reeve_init, it does nothing. */
REEVE_API void reeve_shutdown(void);

/* ---- options of a task ----------------------------------------------------------------------- */

/* How to run one call. Zero and NULL mean "default". In inline mode cpus, priority, max_retries,
 * timeout_ms and retry_pause_ms have no effect, nor has retry_failures on streams. */
typedef struct reeve_task_options {
    size_t size; /* sizeof(reeve_task_options): set by REEVE_TASK_OPTIONS */
    /* Cpus that the task takes while it runs, in steps of 0.001; default 1. */
    double cpus;
    /* How often it is run again when its worker or node is lost; default 3; or REEVE_NO_RETRIES.
     * (What a node that is stopped, by `reeve stop` or SIGTERM, does not finish in its time is run
     * again without this being counted, if it may be at all.)
     * Also when it has ended, and its large result is lost with the node where that lies: then the
     * result is made again when somebody wants it, and what it was made from before it. */
    int32_t max_retries;
    /* 1: not to be run in the midst of the task that waits for it (see reeve_wait), but in a worker
     * of its own: for a function that needs a lock or a variable that its caller may be using. */
    uint32_t never_inline;
    /* One execution is stopped after this time, with REEVE_ETASKTIMEOUT (reeve_cancel.h says how);
     * each one has all of it; default: no limit. */
    int64_t timeout_ms;
    /* Shown by tools in place of the function's name. */
    const char *name;
    /* Of a stream: how far the function may be ahead of its reader. It waits when it is so many
     * items ahead, 1 to 512; default 512; */
    uint32_t stream_items;
    /* Among the calls of one program, whichever of its processes makes them: of those that wait the
     * ones with a higher priority are run first, whatever their cpus are; -REEVE_PRIORITY_MAX to
     * REEVE_PRIORITY_MAX, default 0. What runs already is not stopped; what has been sent to a
     * worker, and has not begun, is taken back, which takes some milliseconds. What programs get of
     * the cluster does not depend on it. Not of an actor's method (REEVE_EINVAL): those are run in
     * order. */
    int32_t priority;
    /* or so many bytes, whichever is sooner; default 256 KiB. An item that is larger goes alone. */
    uint64_t stream_bytes;
    /* How often it is run again when its function has failed (REEVE_EFUNCTION: it has called
     * reeve_fail, with whatever code), counted apart from losses; default 0. What it fails with in
     * the end is its last failure, with that attempt's number; reeve_get_context tells the function
     * which attempt it is. Anything else that ends it (a time limit, a cancel, arguments that
     * failed or have the wrong type) would end the next one, too, and is not retried. Of a stream
     * the items that have come already are skipped, as after a loss. Not of an actor's method
     * (REEVE_EINVAL): the actor is not what it was before, and those called after it have run. */
    uint32_t retry_failures;
    /* The pause before it is run again for the first time; it doubles with each further one, up to
     * 60 seconds, and each is a little shorter, by chance, than that (no less than half of it).
     * Default 1000; or REEVE_NO_PAUSE. No worker is held meanwhile. */
    int32_t retry_pause_ms;
    /* Of an actor's method: 1: where the call would have to wait because too many are unanswered
     * (max_pending_calls, reeve_actor.h), it fails with REEVE_EAGAIN. */
    uint32_t no_wait;
} reeve_task_options;

/* REEVE_TASK_OPTIONS(.cpus = 0.5, .timeout_ms = 1000): a pointer to an options struct, valid in
 * the enclosing block. */
#define REEVE_TASK_OPTIONS(...) \
    (&(reeve_task_options){.size = sizeof(reeve_task_options), __VA_ARGS__})

/* ---- the dynamic front door: for language bindings and tools --------------------------------- */

/* A future among the arguments: at `offset` in the packed arguments stands one nil byte (0xc0)
 * that is a whole argument; the future's value takes its place before the task starts. */
typedef struct reeve_splice {
    size_t offset;       /* of that byte, from the start of the arguments */
    reeve_future future; /* remains the caller's */
} reeve_splice;

/* A call, for reeve_submit. Everything in it is the caller's, and is copied. */
typedef struct reeve_submission {
    size_t size;                       /* sizeof(reeve_submission) */
    const char *function;              /* name, as in REEVE_REMOTE or reeve_register */
    const void *args;                  /* msgpack array of the arguments */
    size_t args_size;                  /* in bytes */
    const reeve_splice *splices;       /* ascending by offset */
    size_t splice_count;               /* how many of them; 0: then splices may be NULL */
    const reeve_task_options *options; /* or NULL */
    /* Futures that the arguments contain as futures (see reeve_packed), all of them, in the order
     * in which they stand. */
    const reeve_future *futures;
    size_t future_count; /* how many of them; 0: then futures may be NULL */
} reeve_submission;

/* A msgpack value, and the futures in it. Where one stands, the bytes hold msgpack's extension type
 * REEVE_EXT_FUTURE with one zero byte (0xd4 0x21 0x00); for an array of n of them,
 * REEVE_EXT_FUTURES with n in 4 bytes, little-endian. Which futures they are stands beside, in the
 * order in which they occur. From a get: `bytes` and `futures` (NULL when there are none) are
 * malloc blocks, freed with reeve_free; the futures are the caller's, each to be got or
 * released. */
typedef struct reeve_packed {
    const void *bytes;           /* one msgpack value */
    size_t size;                 /* in bytes */
    const reeve_future *futures; /* those in it, in order; or NULL */
    size_t future_count;         /* how many */
} reeve_packed;

/* The extension types of msgpack where one future, or an array of them, stands in a value. */
#define REEVE_EXT_FUTURE  33
#define REEVE_EXT_FUTURES 34

/* Submits a call. Does not wait for the task, but may wait for room: see pending_size_bytes
 * (REEVE_EAGAIN). Everything is copied before it returns. The
 * arguments are checked here: REEVE_EPROTOCOL (not one msgpack array, truncated, bytes left
 * over), REEVE_EDEPTH (nested deeper than 32). REEVE_ENOFUNCTION: no such function in this
 * program. REEVE_EHANDLE: a splice's future is not live. */
REEVE_API int reeve_submit(const reeve_submission *submission, reeve_future *ret);

/* Submits many calls, as a loop would, for a fraction of the cost. Unlike reeve_submit it sets
 * every future: where a call could not be submitted, to one that, when got, returns the reason.
 * Returns REEVE_OK, or the code of the first of these, which reeve_last_error() describes. */
REEVE_API int reeve_submit_many(
    const reeve_submission *submissions, size_t count, reeve_future *futures);

/* Waits for a value and gives it packed. Releases the future, whatever the outcome except
 * REEVE_ETIMEDOUT. Errors: that of the task; REEVE_EHANDLE. Blocks. */
REEVE_API int reeve_get_packed(reeve_future future, int64_t timeout_ms, reeve_packed *ret);

/* Waits for many values, and releases all the futures, as a loop of reeve_get_packed without a
 * limit of time would. codes[i] is what that would return for futures[i], values[i] the value
 * where it is REEVE_OK and {NULL, 0} where it is not. codes may be NULL. Returns REEVE_OK, or
 * the first code that is not, which reeve_last_error() describes. Blocks. Large values are not
 * copied by reeve_view_packed_many. */
REEVE_API int reeve_get_packed_many(
    const reeve_future *futures, size_t count, reeve_packed *values, int *codes);

/* Makes a future of a packed value, which must be one well-formed msgpack value. REEVE_EFULL:
 * the store has no room. */
REEVE_API int reeve_put_packed(const void *bytes, size_t size, reeve_future *ret);

/* The same, of a value with futures in it. They remain the caller's; the new future keeps them as
 * long as it lives. REEVE_EINVAL: there are not as many beside the bytes as stand in them.
 * REEVE_EHANDLE: one of them is not live. */
REEVE_API int reeve_put_value(const reeve_packed *value, reeve_future *ret);

/* A function known by name that takes its arguments packed (one msgpack array, valid during the
 * call) and gives its result packed (result->bytes may be static, or from reeve_alloc; the futures
 * in it are given away). Returns
 * REEVE_OK, or fails the call: with what reeve_fail was told, or with the code it returns. */
typedef int reeve_handler(void *context, const void *args, size_t args_size, reeve_packed *result);

/* In a remote function: the futures in its arguments (as futures), in the order in which they
 * stand; how many there are. `*ret` (which may be NULL) is valid during the call, and so are the
 * futures, except those that the result gives away. Outside of a task: 0. */
REEVE_API size_t reeve_argument_futures(const reeve_future **ret);

/* Registers one. Before reeve_init only, in driver and workers alike (that is, in main before
 * reeve_init): both must have the same functions. Works without reeve_init. The name is copied.
 * REEVE_EINVAL: the name is taken or bad, or it is too late. Call it from one thread. */
REEVE_API int reeve_register(const char *name, reeve_handler *handler, void *context);

/* The library's version, "0.1.0". */
REEVE_API const char *reeve_version(void);

#ifdef __cplusplus
}
#endif

#include "reeve_cancel.h"
#include "reeve_context.h"
#include "reeve_leaks.h"
#include "reeve_pool.h"
#include "reeve_ready.h"
#include "reeve_typed.h"

#include "reeve_actor.h"

#endif
