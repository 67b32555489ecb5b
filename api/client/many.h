/* Many calls at once, many gets at once: what both front doors do alike. Bulk calls behave as a
 * loop of single ones would, in order, one failure never touching the others; they only cost less.
 *
 * They go to the backend in slices: a slice has one lock, one look at what can be sent, one bell a
 * worker. A slice is long enough for that to cost nothing, and short enough that the first calls
 * run while the last are being packed, and that other threads get the lock in between. */
#ifndef REEVE_CLIENT_MANY_H
#define REEVE_CLIENT_MANY_H

#include "api/client/backend.h"

#define REEVE_BATCH_CALLS 128
#define REEVE_BATCH_BYTES 8192

/* Calls gathered for one submit_many: those of futures[done], futures[done + 1], … */
struct reeve_batch {
    struct reeve_backend *backend;
    uint64_t *futures;
    size_t done; /* futures set so far */
    size_t count;
    size_t bytes_used;
    struct reeve_error_info *error; /* the thread's */
    struct reeve_error_info first;  /* the first failure; its code is 0 while there is none */
    struct reeve_submit calls[REEVE_BATCH_CALLS];
    uint8_t bytes[REEVE_BATCH_BYTES]; /* for packed arguments */
};

/* backend may be NULL, with error filled in: then only fail_all may follow. */
void reeve_batch_init(struct reeve_batch *batch, struct reeve_backend *backend, uint64_t *futures,
    struct reeve_error_info *error);

/* Room for `size` (<= REEVE_BATCH_BYTES) bytes of packed arguments, of the call added next. */
uint8_t *reeve_batch_room(struct reeve_batch *batch, size_t size);

/* The arguments must stay where they are until the batch is flushed. */
void reeve_batch_add(struct reeve_batch *batch, const struct reeve_submit *submit);
void reeve_batch_flush(struct reeve_batch *batch);

/* The next call's future, after those added so far. _fail: it is born failed, with what is in the
 * thread's error. _taken: the caller has submitted it by itself, to a flushed batch. */
void reeve_batch_fail(struct reeve_batch *batch);
void reeve_batch_taken(struct reeve_batch *batch, uint64_t future);

/* Nothing can be submitted, for what is in the thread's error: all of `count` are one future that
 * says so. Returns its code. */
int reeve_batch_fail_all(struct reeve_batch *batch, size_t count);

/* REEVE_OK, or the first failure's code, with its description in the thread's error. */
int reeve_batch_end(struct reeve_batch *batch);

/* Gets them all, in order. codes[i] (codes may be NULL) is what a get of futures[i] returns; the
 * return value is the first that is not REEVE_OK, which the thread's error describes. */
int reeve_client_get_many(
    const uint64_t *futures, size_t count, reeve_consume *consume, void *arg, int *codes);

/* What has been viewed, to be ended by the backend's unview; its handle is 0 where nothing has. */
struct reeve_client_views {
    struct reeve_backend *backend;
    uint64_t handle;
};

/* The same, viewed: all of them are added to `views`, which begins as zeroes. */
int reeve_client_view_many(const uint64_t *futures, size_t count, reeve_consume *consume, void *arg,
    struct reeve_client_views *views, int *codes);

#endif
