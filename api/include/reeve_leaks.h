/* reeve_leaks.h - what a program has not given up. Included by reeve.h; its rules hold here, too.
 *
 * Futures that are neither got nor released keep their values, and may keep memory of the store
 * full for as long as the program runs. Run it with REEVE_LEAKS=1 in its environment, and
 * reeve_shutdown prints on stderr what is left, and where in the program each was made:
 *
 *     reeve: still held at reeve_shutdown:
 *     reeve:   2 futures of square, 2 ready, 2 bytes, made at s.c:20
 *     reeve:   1 future that was put, or came in a value, 1 ready, 8 bytes, made at s.c:24
 *     reeve:   1 view, 8388656 bytes, made at s.c:26
 *
 * Places are lines where the program was compiled with -g, and the program addr2line (of binutils)
 * is in the PATH; else the name of the file with an offset in it, which addr2line -ife understands
 * elsewhere. Each thing that is held then costs some microseconds and some 120 bytes more; without
 * REEVE_LEAKS it costs nothing. In drivers, and in inline mode; not in worker processes. */
#ifndef REEVE_LEAKS_H
#define REEVE_LEAKS_H

#ifdef __cplusplus
extern "C" {
#endif

/* What is held, and how it is given up. */
enum reeve_leak_kind {
    REEVE_LEAK_FUTURE = 1, /* of a call, or with function "" of what was put: got or released */
    REEVE_LEAK_STREAM,     /* read to its end, or released */
    REEVE_LEAK_VIEW,       /* reeve_view_release */
    REEVE_LEAK_CREATION,   /* sealed, or reeve_abort */
    REEVE_LEAK_ACTOR,      /* reeve_actor_release */
};

/* One thing that the program holds. The library may add fields at the end. */
typedef struct reeve_leak {
    size_t size; /* sizeof(reeve_leak) */
    int kind;    /* enum reeve_leak_kind */
    int ready;   /* a future, a stream: 1 when its task has ended */
    uint64_t id; /* of the future, or of the actor; 0 for others */
    /* Of the packed value, as far as there is one: 0 while the task runs, and when it has
     * failed. */
    uint64_t size_bytes;
    /* The remote function that it is of, the type of an actor that was made here; "" for others. */
    const char *function;
    /* Where it was made: "FILE:LINE", or "PROGRAM+0xOFFSET"; "" when nothing is known. */
    const char *place;
} reeve_leak;

/* Calls `each` for everything that the program holds at that moment, sorted by place, with `arg`.
 * A future that is held twice (reeve_retain) is given twice. What `each` is given is good during
 * the call; it may use the library. For example, to see that a part of a program leaves nothing
 * behind:
 *
 *     static void count(const reeve_leak *leak, void *arg)
 *     {
 *         ++*(int *)arg;
 *         fprintf(stderr, "still held: %s, made at %s\n", leak->function, leak->place);
 *     }
 *     ...
 *     int left = 0;
 *     if (reeve_leaks(count, &left) == REEVE_OK && left != 0) ...
 *
 * Any thread. Runs addr2line once for each place: some milliseconds. REEVE_EINVAL: it was not asked
 * for, by REEVE_LEAKS or the option `leaks`, when reeve_init was called. REEVE_ENOMEM. */
REEVE_API int reeve_leaks(void (*each)(const reeve_leak *leak, void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#endif
