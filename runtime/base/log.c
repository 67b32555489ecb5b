/*
 * Where the log goes: standard error, or a file that is rotated by size. A line that cannot be
 * written (disk full) is counted and dropped; the next one that can says how many were lost.
 */
#include "runtime/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/errors.h"
#include "runtime/base/log_format.h"
#include "runtime/base/rolling.h"

#define FILE_SIZE_DEFAULT  (16ull << 20)
#define FILE_COUNT_DEFAULT 4

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_int current_level = REEVE_LOG_INFO;

/* guarded by the mutex */
static char component[32] = "reeve";
static struct reeve_rolling file = {.fd = -1}; /* -1: standard error */
static uint64_t lost;

/* The log is where somebody would look; so this is said where the daemon was started. Once: it is
 * said in the log how many lines are lacking, when it can be written again. */
static void say_lost(int error)
{
    if (lost == 0)
        dprintf(STDERR_FILENO, "reeve %s: the log %s cannot be written, lines are lost: %s\n",
            component, file.path, strerror(error));
}

static bool write_line(const char *text, size_t length)
{
    if (file.fd < 0)
        return write(STDERR_FILENO, text, length) == (ssize_t)length;
    bool written = reeve_rolling_write(&file, text, length);
    if (!written)
        say_lost(errno);
    return written;
}

int reeve_log_open(const struct reeve_log_options *options)
{
    if (options->path != NULL && strlen(options->path) >= sizeof(file.path))
        return REEVE_EINVAL;
    pthread_mutex_lock(&mutex);
    reeve_rolling_close(&file);
    snprintf(component, sizeof(component), "%s", options->component);
    int error = REEVE_OK;
    if (options->path != NULL)
        error = reeve_rolling_open(&file, options->path,
            options->file_size_bytes != 0 ? options->file_size_bytes : FILE_SIZE_DEFAULT,
            options->file_count != 0 ? options->file_count : FILE_COUNT_DEFAULT);
    pthread_mutex_unlock(&mutex);
    reeve_log_set_level(options->level);
    return error;
}

void reeve_log_close(void)
{
    pthread_mutex_lock(&mutex);
    reeve_rolling_close(&file);
    pthread_mutex_unlock(&mutex);
    reeve_log_set_level(REEVE_LOG_INFO);
}

void reeve_log_set_level(enum reeve_log_level level)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

bool reeve_log_is_on(enum reeve_log_level level)
{
    return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

int reeve_log_level_parse(const char *text, enum reeve_log_level *level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(names); i++) {
        if (strcasecmp(text, names[i]) == 0) {
            *level = (enum reeve_log_level)i;
            return REEVE_OK;
        }
    }
    return REEVE_EINVAL;
}

REEVE_PRINTF(5, 6)
static size_t format_line(
    char *out, size_t size, enum reeve_log_level level, const char *event, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    size_t length = reeve_log_format_line(
        out, size, reeve_clock_realtime_ns(), level, component, event, format, values);
    va_end(values);
    return length;
}

void reeve_log_write(enum reeve_log_level level, const char *event, const char *format, ...)
{
    char text[REEVE_LOG_LINE_SIZE];
    va_list values;
    va_start(values, format);
    pthread_mutex_lock(&mutex);
    size_t length = reeve_log_format_line(
        text, sizeof(text), reeve_clock_realtime_ns(), level, component, event, format, values);
    if (!write_line(text, length)) {
        lost++;
    } else if (lost > 0) {
        length = format_line(text, sizeof(text), REEVE_LOG_WARN, "REEVE-LOG-LOST", "lines=%llu",
            (unsigned long long)lost);
        if (write_line(text, length))
            lost = 0;
    }
    pthread_mutex_unlock(&mutex);
    va_end(values);
}
