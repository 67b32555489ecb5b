/* The node daemon's entry point, for the `reeve` program. */
#ifndef REEVE_NODE_NODE_MAIN_H
#define REEVE_NODE_NODE_MAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/log.h"

/* Zero, NULL and -1 (descriptors) mean "default" or "none". Strings must outlive the call. */
struct reeve_node_options {
    const char
        *head; /* address of the head's inbox, "tcp://host:port" or "abstract://name"; required */
    const char *
        /* "tcp://127.0.0.1:0" where the head is on loopback, "abstract://…" where it is, else
         * tcp://0.0.0.0:0 */
        listen;
    const char *advertise; /* host or host:port that others should dial */
    const uint8_t *key;    /* REEVE_KEY_SIZE bytes; required */
    const char *key_from;  /* file or variable, for people; may be NULL */
    uint32_t
        /* slots × 1000; used as it is when cpu_given, so that 0 is a node that runs no tasks */
        cpu_milli;
    bool cpu_given;         /* else from cores, cpuset and quota */
    uint32_t process_limit; /* worker processes; 16 for each cpu, and 16 */
    uint64_t store_bytes;   /* 30 % of memory */
    /* Where values go that the store has no room for, if anywhere; and how much there may be in all
     * (0: what the disks hold). */
    const char *const *spill_folders;
    uint32_t spill_folder_count;
    uint64_t spill_bytes;
    const char *scratch_root; /* where workers make folders for their tasks' files */
    bool prefault;            /* touch all of it at the start */
    uint64_t keep_warm_ns;    /* what is empty is given back after it; 30 s */
    uint32_t inline_bytes;    /* values up to this size travel with the task; 64 KiB */
    bool private_cluster;     /* of one program: no files */
    int lifeline_fd;          /* end of file here ends the daemon at once */
    /* gets one line "ready <socket name> <address>\n" when the head has taken us in, then is
     * closed */
    int ready_fd;
    /* called at that moment; may be NULL */
    void (*ready)(uint32_t node, const char *address);
    const char *socket_name; /* abstract name for clients; reeve-<uid>-<node uid> */
    const char *log_path;    /* of the daemon's own log, for `reeve logs`; NULL: standard error */
    const char *state_dir;   /* for kept output; must exist; NULL: keep no files */
};

#define REEVE_SPILL_FOLDERS_MAX 16u

/* Can files be made in this folder? REEVE_OK, or REEVE_ESTATE and why, for people. */
int reeve_spill_try_folder(const char *folder, char *text, size_t size);
/* Where to spill if nothing is said: /var/tmp, else /tmp, if files can be made there and it is not
 * memory itself; NULL: nowhere. */
const char *reeve_spill_default_folder(void);
/* Of its whole file system; 0: unknown. */
uint64_t reeve_spill_disk_bytes(const char *folder);

/* Runs until it is told to end. Returns the exit status of the process, as in `reeve worker
 * --help`: not 0 when it could not start or go on, which has been logged and said on stderr in
 * one line. A private daemon's stderr is read by the program that started it. The log must be
 * open. */
int reeve_node_main(const struct reeve_node_options *options);

#endif
