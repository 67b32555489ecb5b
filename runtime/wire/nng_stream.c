/* A mend for nng 1.5.2 (Debian 12), whose nng_close, and with it every later one in the process,
 * may wait without end.
 *
 *     poller:  part has come ──▶ callback queued                ──▶ callback: nng_stream_recv(rest)
 *     nng_close:                        the operation is stopped                    │
 *                                                                    refused, and nobody is told
 *
 * The transports rely on their read and write operations to end: with an error, if need be, which
 * they pass on to whoever waits for a message. But an operation that has been stopped refuses to
 * begin anew, silently, so that whoever waits waits on; among them the one thread that frees all
 * pipes of the process, and nng_close. (nng's issue 1543.)
 *
 * The library calls these two functions of its own through its symbol table, so ours come first:
 * they see the refusal, which has a code of its own (a stopped operation that had begun ends
 * with NNG_ECLOSED), and end the operation with an error: with one that says that the other side
 * has gone, as to a listener, which hears of it while a connection begins, NNG_ECLOSED says that
 * it is closed itself. That is safe as the callers hold the lock that the callback takes first. */
#include "runtime/wire/nng_stream.h"

#include <dlfcn.h>
#include <pthread.h>

#include <nng/nng.h>

#include "runtime/base/assert.h"

typedef void transfer(nng_stream *stream, nng_aio *aio);

static transfer *next_send, *next_recv;
static pthread_once_t once = PTHREAD_ONCE_INIT;

_Thread_local nng_aio *reeve_nng_stream_receiving;

static void find(void)
{
    *(void **)&next_send = dlsym(RTLD_NEXT, "nng_stream_send");
    *(void **)&next_recv = dlsym(RTLD_NEXT, "nng_stream_recv");
    REEVE_ASSERT(next_send != NULL && next_recv != NULL);
}

static void or_fail(nng_aio *aio)
{
    if (nng_aio_result(aio) == NNG_ECANCELED)
        nng_aio_finish(aio, NNG_ECONNRESET);
}

__attribute__((visibility("default"))) void nng_stream_send(nng_stream *stream, nng_aio *aio)
{
    reeve_nng_stream_init(); /* whoever uses nng in this process, with or without our links */
    next_send(stream, aio);
    or_fail(aio);
}

__attribute__((visibility("default"))) void nng_stream_recv(nng_stream *stream, nng_aio *aio)
{
    reeve_nng_stream_init();
    reeve_nng_stream_receiving = aio;
    next_recv(stream, aio);
    or_fail(aio);
}

void reeve_nng_stream_init(void)
{
    pthread_once(&once, find);
}

bool reeve_nng_stream_begin(pthread_mutex_t *mutex, const bool *closed,
    void (*operation)(nng_stream *, nng_aio *), nng_stream *stream, nng_aio *aio)
{
    pthread_mutex_lock(mutex);
    bool good = !*closed;
    if (good)
        operation(stream, aio);
    pthread_mutex_unlock(mutex);
    return good;
}
