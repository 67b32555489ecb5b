/*
 * Formats a line of the log. Formats are walked conversion by conversion: each goes through
 * snprintf alone, save for %s, which is quoted. So whatever a peer chose as its name can only ever
 * be a value.
 */
#include "runtime/base/log_format.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runtime/base/assert.h"

static const char truncated[] = " truncated=yes\n";

struct line {
    char *out;
    size_t used, limit; /* limit leaves room for the end of a truncated line */
    bool full;
};

static bool is_plain(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("_./:@+-,%~[]", c) != NULL);
}

static size_t escape(unsigned char c, char text[4])
{
    static const char digits[] = "0123456789abcdef";
    char letter = c == '\n'               ? 'n'
                  : c == '\t'             ? 't'
                  : c == '\r'             ? 'r'
                  : c == '"' || c == '\\' ? (char)c
                                          : '\0';
    text[0] = '\\';
    if (letter != '\0') {
        text[1] = letter;
        return 2;
    }
    if (c >= 0x20 && c < 0x7f) {
        text[0] = (char)c;
        return 1;
    }
    text[1] = 'x';
    text[2] = digits[c >> 4];
    text[3] = digits[c & 15];
    return 4;
}

size_t reeve_log_quote(char *out, size_t size, const char *value, size_t value_size)
{
    REEVE_ASSERT(size >= 8);
    if (value == NULL) {
        memcpy(out, "(null)", 7);
        return 6;
    }
    size_t plain = 0;
    while (plain < value_size && is_plain((unsigned char)value[plain]))
        plain++;
    if (plain == value_size && value_size > 0 && value_size < size) {
        memcpy(out, value, value_size);
        out[value_size] = '\0';
        return value_size;
    }
    size_t used = 0;
    out[used++] = '"';
    for (size_t i = 0; i < value_size; i++) {
        char text[4];
        size_t length = escape((unsigned char)value[i], text);
        if (used + length + 2 > size)
            break;
        memcpy(out + used, text, length);
        used += length;
    }
    out[used++] = '"';
    out[used] = '\0';
    return used;
}

static void put(struct line *line, const char *text, size_t length)
{
    size_t room = line->limit - line->used;
    if (length > room) {
        length = room;
        line->full = true;
    }
    memcpy(line->out + line->used, text, length);
    line->used += length;
}

static void put_quoted(struct line *line, const char *value, size_t size)
{
    size_t room = line->limit - line->used;
    if (room < 8) {
        line->full = true;
        return;
    }
    /* An escaped byte takes at most four, so what does not fit surely is seen here. */
    char quoted[REEVE_LOG_LINE_SIZE];
    size_t length = reeve_log_quote(quoted, sizeof(quoted), value, size);
    if (length > room) {
        length = reeve_log_quote(quoted, room, value, size);
        line->full = true;
    }
    put(line, quoted, length);
}

/* A conversion: its text, ready for snprintf once the arguments of * are known, and what it
 * takes. */
struct conversion {
    char text[32];
    size_t length;
    int precision; /* of %s; -1 when none */
    char size;     /* 0, 'h', 'H' (hh), 'l', 'L' (ll), 'z', 'j', 't' */
    char kind;
};

static void copy(struct conversion *c, const char **format)
{
    REEVE_ASSERT(c->length + 1 < sizeof(c->text));
    c->text[c->length++] = *(*format)++;
}

static void copy_number(struct conversion *c, const char **format, int *value, int star)
{
    if (**format == '*') {
        ++*format;
        int length = snprintf(c->text + c->length, sizeof(c->text) - c->length, "%d", star);
        REEVE_ASSERT(length > 0 && c->length + (size_t)length < sizeof(c->text));
        c->length += (size_t)length;
        *value = star;
        return;
    }
    *value = 0;
    while (**format >= '0' && **format <= '9') {
        *value = *value * 10 + (**format - '0');
        copy(c, format);
    }
}

/* What snprintf makes of one conversion whose argument is of the given type. */
#define EMIT(type) length = snprintf(text, sizeof(text), c.text, va_arg(*values, type))

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* checked against its arguments where it is
#written */
static void put_conversion(struct line *line, const char **format, va_list *values)
{
    struct conversion c = {.precision = -1};
    int width;
    copy(&c, format); /* the % */
    while (**format != '\0' && strchr("-+ #0", **format) != NULL)
        copy(&c, format);
    copy_number(&c, format, &width, **format == '*' ? va_arg(*values, int) : 0);
    if (**format == '.') {
        copy(&c, format);
        copy_number(&c, format, &c.precision, **format == '*' ? va_arg(*values, int) : 0);
    }
    while (**format != '\0' && strchr("hlzjt", **format) != NULL) {
        c.size = c.size == **format ? (char)(c.size - 'a' + 'A') : **format;
        copy(&c, format);
    }
    c.kind = **format;
    REEVE_ASSERT(c.kind != '\0');
    copy(&c, format);
    c.text[c.length] = '\0';

    char text[128];
    int length = 0;
    switch (c.kind) {
    case '%': put(line, "%", 1); return;
    case 's': {
        const char *value = va_arg(*values, const char *);
        size_t size = value == NULL     ? 0
                      : c.precision < 0 ? strlen(value)
                                        : strnlen(value, (size_t)c.precision);
        put_quoted(line, value, size);
        return;
    }
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        switch (c.size) {
        case 'l': EMIT(long); break;
        case 'L': EMIT(long long); break;
        case 'z': EMIT(size_t); break;
        case 'j': EMIT(intmax_t); break;
        case 't': EMIT(ptrdiff_t); break;
        default: EMIT(int); break;
        }
        break;
    case 'c': {
        char value = (char)va_arg(*values, int);
        put_quoted(line, &value, 1);
        return;
    }
    case 'p': EMIT(void *); break;
    case 'e':
    case 'f':
    case 'g': EMIT(double); break;
    default: REEVE_ASSERT(!"a conversion that the log does not know");
    }
    if (length > 0)
        put(line, text, REEVE_MIN((size_t)length, sizeof(text) - 1));
}
#pragma GCC diagnostic pop

static void put_time(struct line *line, uint64_t realtime_ns)
{
    time_t seconds = (time_t)(realtime_ns / 1000000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    char text[64];
    size_t length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    put(line, text, length);
    int more = snprintf(text, sizeof(text), ".%06uZ ", (unsigned)(realtime_ns % 1000000000 / 1000));
    put(line, text, (size_t)more);
}

size_t reeve_log_format_line(char *out, size_t size, uint64_t realtime_ns,
    enum reeve_log_level level, const char *component, const char *event, const char *format,
    va_list values)
{
    static const char *const levels[] = {"ERROR ", "WARN ", "INFO ", "DEBUG "};
    REEVE_ASSERT(size >= 512 && (unsigned)level < REEVE_ARRAY_COUNT(levels));
    struct line line = {.out = out, .limit = size - sizeof(truncated)};
    put_time(&line, realtime_ns);
    put(&line, levels[level], strlen(levels[level]));
    put(&line, component, strlen(component));
    put(&line, " ", 1);
    put(&line, event, strlen(event));
    if (*format != '\0')
        put(&line, " ", 1);

    va_list rest;
    va_copy(rest, values);
    while (*format != '\0' && !line.full) {
        if (*format == '%') {
            put_conversion(&line, &format, &rest);
        } else {
            size_t length = strcspn(format, "%");
            put(&line, format, length);
            format += length;
        }
    }
    va_end(rest);

    const char *end = line.full ? truncated : "\n";
    memcpy(out + line.used, end, strlen(end));
    return line.used + strlen(end);
}
