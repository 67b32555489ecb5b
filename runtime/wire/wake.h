/* Waking a loop from any thread.
 *
 * In place of uv_async: there the one who wakes marks, after its system call, that it has done so,
 * and the loop waits for that mark, 30 us long, then by giving its processor up. On one
 * processor the woken loop mostly runs before the mark is made, and so each wake-up cost that
 * much. */
#ifndef REEVE_WIRE_WAKE_H
#define REEVE_WIRE_WAKE_H

#include <uv.h>

struct reeve_wake {
    uv_poll_t poll; /* its data is the user's */
    int fd;
    void (*woken)(struct reeve_wake *wake);
};

/* `woken` is called on the loop's thread, once for one or more sends. REEVE_OK or REEVE_ESYSTEM. */
int reeve_wake_open(
    struct reeve_wake *wake, uv_loop_t *loop, void (*woken)(struct reeve_wake *wake));
/* From any thread, until it is closed. */
void reeve_wake_send(struct reeve_wake *wake);
void reeve_wake_close(struct reeve_wake *wake, uv_close_cb closed);

#endif
