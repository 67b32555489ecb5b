/* How a line of the log is put together; apart from where it goes, so that it can be tested
 * alone. */
#ifndef REEVE_BASE_LOG_FORMAT_H
#define REEVE_BASE_LOG_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

#include "runtime/base/log.h"

/* Time, level, component, event, then the formatted pairs and a newline; returns the length, at
 * most size. realtime_ns is since 1970. size is at least 512. */
size_t reeve_log_format_line(char *out, size_t size, uint64_t realtime_ns,
    enum reeve_log_level level, const char *component, const char *event, const char *format,
    va_list values);

#endif
