/*
 * The daemons' log: one event is one line, written by one write(2).
 *
 *     2026-11-20T23:30:00.123456Z INFO node REEVE-NODE-JOINED node=3 host=a.example msg="two words"
 *     time (UTC)                 level component event id      key=value ...
 *
 * The client library does not use it: a library never prints. A value given for %s is quoted and
 * escaped whenever it holds anything but plain characters, so no string, whoever chose it, can end
 * a line or add a key. Lines are cut at REEVE_LOG_LINE_SIZE and then end in truncated=yes.
 *
 * Any thread may log.
 */
#ifndef REEVE_BASE_LOG_H
#define REEVE_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/macros.h"

#define REEVE_LOG_LINE_SIZE 4096

enum reeve_log_level {
    REEVE_LOG_ERROR,
    REEVE_LOG_WARN,
    REEVE_LOG_INFO,
    REEVE_LOG_DEBUG,
};

struct reeve_log_options {
    const char *component; /* "head", "node"; copied */
    const char *path;      /* of the file; NULL means standard error */
    enum reeve_log_level level;
    uint64_t
        file_size_bytes; /* a file is rotated when a line would grow it beyond; 0 means 16 MiB */
    unsigned file_count; /* path, path.1, path.2 ... that many in all; 0 means 4 */
};

/* Until it is opened, and after close, the log goes to standard error at level INFO.
 * REEVE_OK, REEVE_EINVAL (path too long), REEVE_ESTATE (errno says why the file cannot be
 * opened). */
int reeve_log_open(const struct reeve_log_options *options);
void reeve_log_close(void);

void reeve_log_set_level(enum reeve_log_level level);
bool reeve_log_is_on(enum reeve_log_level level);

/* "error", "warn", "info", "debug"; REEVE_OK or REEVE_EINVAL. */
int reeve_log_level_parse(const char *text, enum reeve_log_level *level);

/*
 * reeve_log(REEVE_LOG_INFO, "REEVE-NODE-JOINED", "node=%u host=%s", node, host);
 *
 * The format holds key=value pairs, separated by spaces. Conversions: d i u x X o c p s f g e with
 * the usual flags, widths, precisions and lengths, save that %s takes no width and quotes by
 * itself; and %%.
 */
#define reeve_log(level, event, ...) \
    (reeve_log_is_on(level) ? reeve_log_write((level), (event), __VA_ARGS__) : (void)0)

void reeve_log_write(enum reeve_log_level level, const char *event, const char *format, ...)
    REEVE_PRINTF(3, 4);

/*
 * Writes a value as the log shows it: bare when every byte is plain (letters, digits, _ . / : @ + -
 * , % ~ [ ]), else in double quotes with \" \\ \n \t \r and \xNN for other control and non-ASCII
 * bytes. NULL is shown as (null). Cuts what does not fit; always ends in NUL, and a quote that was
 * opened is closed. Returns the length written. size is at least 8.
 */
size_t reeve_log_quote(char *out, size_t size, const char *value, size_t value_size);

#endif
