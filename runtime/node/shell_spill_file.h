/* One spill file, and bytes on their way between it and shared memory. Knows no loop: what may take
 * long is called on any thread; a transfer and its pieces are used by one at a time. */
#ifndef REEVE_NODE_SHELL_SPILL_FILE_H
#define REEVE_NODE_SHELL_SPILL_FILE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reeve_spill_file {
    const char *folder_name;
    uint32_t folder;
    uint32_t use_count; /* the loop's: jobs, and reads that wait to become one */
    bool unwanted;      /* the loop's: to be closed when nobody uses it */
    pthread_mutex_t lock;
    int fd; /* -1: not made yet */
};

/* Never NULL. The file itself is made when it is first written to. */
struct reeve_spill_file *reeve_spill_file_create(const char *folder_name, uint32_t folder);
void reeve_spill_file_free(struct reeve_spill_file *file); /* closed */
void reeve_spill_file_close(struct reeve_spill_file *file);
void reeve_spill_file_punch(struct reeve_spill_file *file, uint64_t place, uint64_t length);

/* An object, or a part of one transfer. */
struct reeve_spill_piece {
    int memory_fd;   /* of its segment; -1: there is none */
    uint64_t offset; /* there */
    uint64_t place;  /* in the file */
    uint64_t length;
    uint64_t checksum; /* of the bytes that have gone through; set at its end */
    uint64_t expected; /* to be read: what that was when they were written */
    uint32_t ticket;   /* the caller's */
};

/* Pieces that follow each other in the file. */
struct reeve_spill_transfer {
    struct reeve_spill_file *file;
    struct reeve_spill_piece *pieces;
    uint32_t piece_count, piece; /* piece: the one that is being transferred */
    uint64_t done;               /* bytes of that */
    void *hash;                  /* of that, so far */
    uint8_t *buffer;
    uint64_t synced; /* place up to which the device has it */
    bool finished;
    int code; /* REEVE_EFULL, REEVE_ESYSTEM, REEVE_ECORRUPT */
    int os_error;
};

void reeve_spill_transfer_init(struct reeve_spill_transfer *transfer, struct reeve_spill_file *file,
    struct reeve_spill_piece *pieces, uint32_t piece_count);
void reeve_spill_transfer_fini(struct reeve_spill_transfer *transfer); /* zeroed ones, too */
/* A slice more; `finished` when there is nothing left to do, or it has failed. */
void reeve_spill_write(struct reeve_spill_transfer *transfer);
void reeve_spill_read(struct reeve_spill_transfer *transfer);

#endif
