/* A mend for nng, in nng_stream.c, and what can be seen on the way. */
#ifndef REEVE_WIRE_NNG_STREAM_H
#define REEVE_WIRE_NNG_STREAM_H

#include <nng/nng.h>

/* To be called before nng is used; also makes sure that the file is linked. */
void reeve_nng_stream_init(void);

/* The operation by which this thread has last begun to receive, of whichever stream. */
extern _Thread_local nng_aio *reeve_nng_stream_receiving;

#endif
