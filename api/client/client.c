/* Starting, ending, and in which of the states between we are.
 *
 *     NEW ──init──> STARTING ──> READY ──shutdown──> ENDED ──init──> STARTING ...
 *
 * Whether this is a forked child is known from a page that the kernel wipes on fork: a load a call,
 * no system call.
 */
#include "api/client/client.h"

#include "api/client/error.h"
#include "api/client/ready.h"
#include "api/client/registry.h"
#include "runtime/base/macros.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum state { NEW, STARTING, READY, ENDED };

#define OURS UINT64_C(0x5265657665206f6b)

static _Atomic(enum state) state;
static struct reeve_backend *backend; /* written before READY */
static _Atomic(uint64_t)
    *_Atomic fork_page; /* holds OURS in the process that made it, 0 in its children */
static _Atomic(uint64_t) no_page = OURS;

/* ---- forks ----------------------------------------------------------------------------------- */

static void wipe_page(void)
{
    if (fork_page)
        atomic_store(fork_page, 0);
}

static int make_fork_page(struct reeve_error_info *error)
{
    if (fork_page)
        return REEVE_OK;
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return reeve_error_set(error, REEVE_ENOMEM, "no memory for a page");
    fork_page = page;
    if (madvise(page, size, MADV_WIPEONFORK) != 0)
        pthread_atfork(NULL, NULL, wipe_page);
    atomic_store(fork_page, OURS);
    return REEVE_OK;
}

static bool is_forked(void)
{
    const _Atomic(uint64_t) *page = fork_page ? fork_page : &no_page;
    return atomic_load_explicit(page, memory_order_relaxed) != OURS;
}

/* ---- states ---------------------------------------------------------------------------------- */

static int refuse(struct reeve_error_info *error)
{
    if (is_forked())
        return reeve_error_set(error, REEVE_EFORKED,
            "called in a child made by fork: only the process that called reeve_init may use the "
            "library");
    if (atomic_load(&state) == ENDED)
        return reeve_error_set(error, REEVE_ESHUTDOWN, "called after reeve_shutdown");
    return reeve_error_set(error, REEVE_ENOTINIT, "called before reeve_init");
}

struct reeve_backend *reeve_client_enter(struct reeve_error_info *error)
{
    if (REEVE_LIKELY(atomic_load_explicit(&state, memory_order_acquire) == READY && !is_forked()))
        return backend;
    refuse(error);
    return NULL;
}

int reeve_client_attach(struct reeve_backend *to, struct reeve_error_info *error)
{
    int rc = reeve_registry_seal(error);
    if (!rc)
        rc = make_fork_page(error);
    if (rc)
        return rc;
    backend = to;
    atomic_store_explicit(&state, READY, memory_order_release);
    return REEVE_OK;
}

static int start(
    int argc, char **argv, const reeve_options *options, struct reeve_error_info *error)
{
    struct reeve_settings settings;
    int rc = reeve_options_resolve(options, &settings, error);
    if (!rc)
        rc = reeve_registry_seal(error);
    if (!rc)
        rc = make_fork_page(error);
    if (rc)
        return rc;
    struct reeve_backend *started = NULL;
    if (settings.mode == REEVE_MODE_INLINE)
        rc = reeve_inline_backend_start(&settings, &started, error);
    else
        rc = reeve_cluster_backend_start(argc, argv, &settings, &started, error);
    return rc ? reeve_error_complete(error, rc) : reeve_client_attach(started, error);
}

REEVE_API int reeve_init(int argc, char **argv, const reeve_options *options)
{
    struct reeve_error_info *error = reeve_error_thread();
    if (is_forked())
        return refuse(error);
    enum state before = atomic_load(&state);
    do {
        if (before == STARTING || before == READY)
            return reeve_error_set(error, REEVE_EINVAL, "reeve_init was called already");
    } while (!atomic_compare_exchange_weak(&state, &before, STARTING));
    int rc = start(argc, argv, options, error);
    if (rc)
        atomic_store(&state, before);
    return rc;
}

REEVE_API void reeve_shutdown(void)
{
    enum state expected = READY;
    if (is_forked() || atomic_load(&state) != READY || backend->shutdown == NULL ||
        !atomic_compare_exchange_strong(&state, &expected, ENDED))
        return;
    backend->shutdown(backend);
    reeve_callbacks_finish();
}

/* ---- futures born failed --------------------------------------------------------------------- */

#define KEPT          256
#define SEQUENCE_MASK ((UINT64_C(1) << 48) - 1)

static pthread_mutex_t failed_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t failed_count;
static struct {
    uint64_t id;
    struct reeve_error_info error;
} kept[KEPT]; /* by sequence number, modulo */

uint64_t reeve_failed_future(const struct reeve_error_info *error)
{
    uint64_t code = (uint64_t)-error->code & 0x7fff;
    pthread_mutex_lock(&failed_lock);
    uint64_t sequence = ++failed_count & SEQUENCE_MASK;
    uint64_t id = REEVE_FUTURE_FAILED_BIT | code << 48 | sequence;
    kept[sequence % KEPT].id = id;
    kept[sequence % KEPT].error = *error;
    pthread_mutex_unlock(&failed_lock);
    return id;
}

int reeve_failed_future_get(uint64_t future, struct reeve_error_info *error)
{
    int code = -(int)(future >> 48 & 0x7fff);
    pthread_mutex_lock(&failed_lock);
    bool is_kept = kept[future % KEPT].id == future;
    if (is_kept)
        *error = kept[future % KEPT].error;
    pthread_mutex_unlock(&failed_lock);
    if (is_kept)
        return error->code;
    if (strcmp(reeve_error_name(code), "REEVE_UNKNOWN") == 0 || code == 0)
        return reeve_error_set(error, REEVE_EHANDLE, "not a live future");
    return reeve_error_set(error, code, "%s", reeve_strerror(code));
}
