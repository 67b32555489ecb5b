/* This process's view of the object store: the segments its daemon has shown it, mapped when
 * first used. Thread-safe. */
#ifndef REEVE_CLIENT_OBJECTS_H
#define REEVE_CLIENT_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>

struct reeve_objects;

/* NULL when there is no memory. */
struct reeve_objects *reeve_objects_create(void);
void reeve_objects_free(struct reeve_objects *objects);

/* Takes the descriptor on success. A segment shown again replaces nothing: what is mapped stays.
 * REEVE_ENOMEM. */
int reeve_objects_add(struct reeve_objects *objects, uint32_t segment, uint32_t serial, int fd,
    uint64_t size, bool writable);
/* These pages of a writable segment exist: maps them ahead, on a thread that lives while there
 * is any to map, so that a value which is put there meets no page faults. */
void reeve_objects_ready(
    struct reeve_objects *objects, uint32_t segment, uint64_t offset, uint64_t size);
/* Unmaps. Nothing in the segment may be in use. */
void reeve_objects_remove(struct reeve_objects *objects, uint32_t segment);

/* `size` bytes at `offset`, or NULL: no such segment, beyond its end, read-only though `write`,
 * or it cannot be mapped. */
void *reeve_objects_find(
    struct reeve_objects *objects, uint32_t segment, uint64_t offset, uint64_t size, bool write);
/* The same, to be read; or NULL where the segment of that number is another by now, or is not known
 * yet. */
const void *reeve_objects_find_serial(struct reeve_objects *objects, uint32_t segment,
    uint32_t serial, uint64_t offset, uint64_t size);
/* 0: no such segment. */
uint32_t reeve_objects_serial(struct reeve_objects *objects, uint32_t segment);

#endif
