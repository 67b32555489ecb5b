/* See limits.h: limits of this process, and what to call them. */
#include "runtime/base/limits.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "runtime/base/macros.h"
#include "runtime/base/parse.h"

#define FEW_PROCESSES \
    4096u /* beyond, they are not counted: it would take longer than it is worth */
#define TRIALS_MAX 64u

static const char pids_max_path[] = "/sys/fs/cgroup/pids.max";

/* UINT64_MAX: none. */
static uint64_t limit_of(int resource)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return limit.rlim_cur;
}

/* Of the container, where this process sees its own control group as the root. UINT64_MAX: none. */
static uint64_t container_processes(void)
{
    unsigned long long limit;
    FILE *file = fopen(pids_max_path, "re");
    if (file == NULL)
        return UINT64_MAX;
    bool found = fscanf(file, "%llu", &limit) == 1;
    fclose(file);
    return found ? limit : UINT64_MAX;
}

static void processes_text(char text[REEVE_LIMITS_TEXT_SIZE])
{
    uint64_t user = limit_of(RLIMIT_NPROC), container = container_processes();
    if (container < user)
        snprintf(text, REEVE_LIMITS_TEXT_SIZE,
            "this container may have %llu processes and threads (pids.max)",
            (unsigned long long)container);
    else if (user != UINT64_MAX)
        snprintf(text, REEVE_LIMITS_TEXT_SIZE,
            "this user may have %llu processes and threads (ulimit -u)", (unsigned long long)user);
}

static void size_text(char text[REEVE_LIMITS_TEXT_SIZE], int resource, const char *words)
{
    char size[REEVE_SIZE_TEXT_SIZE];
    uint64_t limit = limit_of(resource);
    if (limit != UINT64_MAX)
        snprintf(text, REEVE_LIMITS_TEXT_SIZE, words, reeve_size_format(limit, size));
}

const char *reeve_limits_text(int error, char text[REEVE_LIMITS_TEXT_SIZE])
{
    char limit[REEVE_LIMITS_TEXT_SIZE] = "";
    switch (error) {
    case EMFILE:
        snprintf(limit, sizeof(limit), "this process may have %llu (ulimit -n)",
            (unsigned long long)limit_of(RLIMIT_NOFILE));
        break;
    case EAGAIN: processes_text(limit); break;
    case ENOMEM:
        size_text(limit, RLIMIT_DATA, "this process may have %s of data (ulimit -d)");
        size_text(limit, RLIMIT_AS, "this process may have %s of address space (ulimit -v)");
        break;
    case EFBIG:
        size_text(
            limit, RLIMIT_FSIZE, "files, and shared memory with them, may have %s (ulimit -f)");
        break;
    default: break;
    }
    snprintf(text, REEVE_LIMITS_TEXT_SIZE, "%s%s%.150s", strerror(error),
        limit[0] != '\0' ? ": " : "", limit);
    return text;
}

int reeve_limits_descriptors(uint64_t count)
{
    return count <= limit_of(RLIMIT_NOFILE) ? 0 : EMFILE;
}

int reeve_limits_file(uint64_t size_bytes)
{
    return size_bytes <= limit_of(RLIMIT_FSIZE) ? 0 : EFBIG;
}

/* ---- threads --------------------------------------------------------------------------------- */

/* The stacks, without touching them. */
static int stacks_try(unsigned count)
{
    pthread_attr_t attributes;
    size_t size;
    if (pthread_attr_init(&attributes) != 0)
        return ENOMEM;
    pthread_attr_getstacksize(&attributes, &size);
    pthread_attr_destroy(&attributes);
    void *memory = mmap(NULL, count * size, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED)
        return errno;
    munmap(memory, count * size);
    return 0;
}

static void *wait_for_all(void *gate)
{
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

/* All of them at once, on small stacks. */
static int threads_try(unsigned count)
{
    pthread_t threads[TRIALS_MAX];
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_attr_t attributes;
    unsigned started = 0;
    int error = pthread_attr_init(&attributes);
    if (error != 0)
        return error;
    pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN);
    pthread_mutex_lock(&gate);
    while (started < REEVE_MIN(count, TRIALS_MAX) && error == 0) {
        error = pthread_create(&threads[started], &attributes, wait_for_all, &gate);
        started += error == 0;
    }
    pthread_mutex_unlock(&gate);
    while (started > 0)
        pthread_join(threads[--started], NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

int reeve_limits_threads(unsigned count)
{
    int error = stacks_try(count);
    if (error != 0)
        return error;
    if (REEVE_MIN(limit_of(RLIMIT_NPROC), container_processes()) >= FEW_PROCESSES)
        return 0;
    return threads_try(count);
}
