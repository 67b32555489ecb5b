/* See nng_stream.c. */
#ifndef REEVE_WIRE_NNG_STREAM_H
#define REEVE_WIRE_NNG_STREAM_H

/* To be called before nng is used; also makes sure that the file is linked. */
void reeve_nng_stream_init(void);

#endif
