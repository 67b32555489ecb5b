/* Starting, ending, and in which of the states between we are.
 *
 *     NEW ──init──> STARTING ──> READY ──shutdown──> ENDED ──init──> STARTING ...
 *
 * Whether this is a forked child is known from a page that the kernel wipes on fork: a load a call,
 * no system call.
 */
#include "api/client/client.h"

#include "api/client/error.h"
#include "api/client/leaks.h"
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

/* What every call looks at, in a page of its own, which the kernel wipes on fork: in a child the
 * state is NEW and `ours` is 0. */
#define PAGE_SIZE 4096
static _Alignas(PAGE_SIZE) union {
    struct {
        _Atomic(enum state) state;
        struct reeve_backend *backend; /* written before READY */
        _Atomic(uint64_t) ours;        /* OURS in the process that wrote it first */
    };
    char bytes[PAGE_SIZE];
} page;
static _Atomic(bool) page_made; /* not wiped */

/* ---- forks ----------------------------------------------------------------------------------- */

static void wipe_page(void)
{
    memset(&page, 0, sizeof page);
}

static void make_fork_page(void)
{
    if (atomic_load(&page_made))
        return;
    atomic_store(&page.ours, OURS);
    if (sysconf(_SC_PAGESIZE) != PAGE_SIZE || madvise(&page, PAGE_SIZE, MADV_WIPEONFORK) != 0)
        pthread_atfork(NULL, NULL, wipe_page);
    atomic_store(&page_made, true);
}

static bool is_forked(void)
{
    return atomic_load(&page_made) && atomic_load(&page.ours) != OURS;
}

/* ---- states ---------------------------------------------------------------------------------- */

static int refuse(struct reeve_error_info *error)
{
    if (is_forked())
        return reeve_error_set(error, REEVE_EFORKED,
            "called in a child made by fork: only the process that called reeve_init may use the "
            "library");
    if (atomic_load(&page.state) == ENDED)
        return reeve_error_set(error, REEVE_ESHUTDOWN, "called after reeve_shutdown");
    return reeve_error_set(error, REEVE_ENOTINIT, "called before reeve_init");
}

struct reeve_backend *reeve_client_enter(struct reeve_error_info *error)
{
    /* in a forked child it is NEW */
    if (REEVE_LIKELY(atomic_load_explicit(&page.state, memory_order_acquire) == READY))
        return page.backend;
    refuse(error);
    return NULL;
}

int reeve_client_attach(struct reeve_backend *to, struct reeve_error_info *error)
{
    int rc = reeve_registry_seal(error);
    if (rc)
        return rc;
    make_fork_page();
    page.backend = to;
    atomic_store_explicit(&page.state, READY, memory_order_release);
    return REEVE_OK;
}

static int start(
    int argc, char **argv, const reeve_options *options, struct reeve_error_info *error)
{
    struct reeve_settings settings;
    int rc = reeve_options_resolve(options, &settings, error);
    if (!rc)
        rc = reeve_registry_seal(error);
    if (rc)
        return rc;
    make_fork_page();
    struct reeve_backend *started = NULL;
    if (settings.mode == REEVE_MODE_INLINE)
        rc = reeve_inline_backend_start(&settings, &started, error);
    else
        rc = reeve_cluster_backend_start(argc, argv, &settings, &started, error);
    if (!rc && settings.leaks != REEVE_LEAKS_OFF) {
        struct reeve_backend *inner = started;
        rc = reeve_leaks_watch(inner, settings.leaks == REEVE_LEAKS_PRINT, &started, error);
        if (rc)
            inner->shutdown(inner);
    }
    return rc ? reeve_error_complete(error, rc) : reeve_client_attach(started, error);
}

REEVE_API int reeve_init(int argc, char **argv, const reeve_options *options)
{
    struct reeve_error_info *error = reeve_error_thread();
    if (is_forked())
        return refuse(error);
    enum state before = atomic_load(&page.state);
    do {
        if (before == STARTING || before == READY)
            return reeve_error_set(error, REEVE_EINVAL, "reeve_init was called already");
    } while (!atomic_compare_exchange_weak(&page.state, &before, STARTING));
    int rc = start(argc, argv, options, error);
    if (rc)
        atomic_store(&page.state, before);
    return rc;
}

REEVE_API void reeve_shutdown(void)
{
    enum state expected = READY;
    if (is_forked() || atomic_load(&page.state) != READY || page.backend->shutdown == NULL ||
        !atomic_compare_exchange_strong(&page.state, &expected, ENDED))
        return;
    page.backend->shutdown(page.backend);
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
        return reeve_error_set(error, REEVE_EHANDLE, REEVE_NO_FUTURE);
    return reeve_error_set(error, code, "%s", reeve_strerror(code));
}

int reeve_client_consume_nothing(size_t index, const void *bytes, size_t size,
    const uint64_t *futures, size_t future_count, void *arg)
{
    (void)index, (void)bytes, (void)size, (void)futures, (void)future_count, (void)arg;
    return REEVE_OK;
}
