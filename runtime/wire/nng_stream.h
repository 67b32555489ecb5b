/* A mend for nng, in nng_stream.c, what can be seen on the way, and how operations begin. */
#ifndef REEVE_WIRE_NNG_STREAM_H
#define REEVE_WIRE_NNG_STREAM_H

#include <nng/nng.h>
#include <pthread.h>
#include <stdbool.h>

/* To be called before nng is used; also makes sure that the file is linked. */
void reeve_nng_stream_init(void);

/* The operation by which this thread has last begun to receive, of whichever stream. */
extern _Thread_local nng_aio *reeve_nng_stream_receiving;

/* Begins `operation`, unless the stream has been closed: then it is false, and no callback follows.
 * One that begins on a stream that has been closed would never end (nng 1.5); so whoever closes it
 * says so in `closed` first, and does both with the mutex. */
bool reeve_nng_stream_begin(pthread_mutex_t *mutex, const bool *closed,
    void (*operation)(nng_stream *, nng_aio *), nng_stream *stream, nng_aio *aio);

#endif
