/* The disk of the object store: writes to spill files, reads back, and gives space back, in the
 * loop's thread pool. The store core says what goes where (objectstore/place.c); this is how.
 *
 *     SPILL_WRITE ─▶ queue of its folder ─▶ job: neighbours in one file go in one write
 *     SPILL_READ  ─▶ queue ───────────────▶ job                        ─▶ done(…), on the loop
 *     PUNCH, CLOSE ▶ queue ───────────────▶ job
 *
 *     a job   | slice | slice | slice |   the pool is left to others after each slice of 8 MiB
 *
 * A file has no name from the beginning (O_TMPFILE, or a name that is removed at once): whatever
 * kills the daemon, nothing stays. Bytes go through a buffer in which they are hashed (XXH3) while
 * they are warm. A write has succeeded when the device has the bytes (sync_file_range), for only
 * then is it known that it could take them, and the copy in memory is no longer needed. Nothing is
 * flushed to survive a power failure, because without the daemon nobody wants it. What was written
 * stays in the page cache for as long as the kernel has no better use for the memory.
 *
 * A file system is never filled to more than 95 %.
 *
 * All functions are called on the loop's thread. */
#ifndef REEVE_NODE_SHELL_SPILL_H
#define REEVE_NODE_SHELL_SPILL_H

#include <stdint.h>
#include <uv.h>

#include "objectstore/store.h"
#include "runtime/node/shell_segments.h"

struct reeve_spill;

/* A write or read has ended: the event for the store. */
typedef void (*reeve_spill_done)(void *arg, const struct reeve_store_event *event);

struct reeve_spill_settings {
    uv_loop_t *loop;
    const struct reeve_segments *segments; /* where the bytes are; must live longer */
    const char *const *folders;            /* likewise */
    uint32_t folder_count;
    reeve_spill_done done;
    void *arg;
};

/* REEVE_ENOMEM. */
int reeve_spill_create(const struct reeve_spill_settings *settings, struct reeve_spill **ret);
/* Takes NULL. Ends what is under way, without a word about it; runs the loop for that, unless there
 * is nothing. All files are gone then. */
void reeve_spill_free(struct reeve_spill *spill);

/* One of the store's SPILL_ commands. */
void reeve_spill_command(struct reeve_spill *spill, const struct reeve_store_command *command);

#endif
