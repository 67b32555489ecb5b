/* The head daemon's entry point, for the `reeve` program. */
#ifndef REEVE_SCHEDULER_HEAD_MAIN_H
#define REEVE_SCHEDULER_HEAD_MAIN_H

#include <stdbool.h>
#include <stdint.h>

/* NULL and -1 (descriptors) mean "none". Strings must outlive the call. */
struct reeve_head_options {
    const char *listen;    /* address; required */
    const char *advertise; /* host or host:port that others should dial */
    const uint8_t *key;    /* REEVE_KEY_SIZE bytes; required */
    const char *key_from;  /* file or variable, for people; may be NULL */
    const char *state_dir; /* for the journal; NULL: keep no files */
    const char *log_path;  /* what `reeve logs --head` reads */
    int lifeline_fd;       /* end of file here ends the daemon at once */
    int ready_fd; /* gets one line "ready <address>\n" when the head listens, then is closed */
    /* Called when it listens: `address` is what others dial, `local_only` whether only this
     * machine can. */
    void (*ready)(void *arg, const char *address, bool local_only);
    void *arg;
};

/* Runs until it is told to end (SIGTERM, SIGINT, a tool's stop, the lifeline). Returns REEVE_OK
 * after a clean end, or why it could not start, with `text` (REEVE_TEXT_SIZE bytes) for people.
 * The log must be open. */
int reeve_head_main(const struct reeve_head_options *options, char *text);

#endif
