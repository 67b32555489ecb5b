/* Strict parsing of numbers, sizes and durations; see parse.h. */
#include "runtime/base/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/errors.h"
#include "runtime/base/macros.h"

struct unit {
    const char *name;
    uint64_t factor;
};

#define KI 1024ull
#define KB 1000ull

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"K", KI},
    {"k", KI},
    {"KiB", KI},
    {"M", KI *KI},
    {"MiB", KI *KI},
    {"G", KI *KI *KI},
    {"GiB", KI *KI *KI},
    {"T", KI *KI *KI *KI},
    {"TiB", KI *KI *KI *KI},
    {"kB", KB},
    {"KB", KB},
    {"MB", KB *KB},
    {"GB", KB *KB *KB},
    {"TB", KB *KB *KB *KB},
};

static const struct unit duration_units[] = {
    {"ns", 1},
    {"us", 1000},
    {"ms", 1000000},
    {"s", 1000000000},
    {"m", 60000000000},
    {"min", 60000000000},
    {"h", 3600000000000},
    {"d", 86400000000000},
};

/* The text is quoted short, and without what could upset a terminal. */
REEVE_PRINTF(3, 4) static int refuse(char *why, const char *text, const char *expected, ...)
{
    if (why == NULL)
        return REEVE_EINVAL;
    char shown[48];
    size_t length = 0;
    for (; length < sizeof(shown) - 4 && text[length] != '\0'; length++)
        shown[length] = text[length] >= ' ' && text[length] < 0x7f ? text[length] : '?';
    memcpy(shown + length, text[length] == '\0' ? "" : "...", text[length] == '\0' ? 1 : 4);

    int used = snprintf(why, REEVE_WHY_SIZE, "'%s' is not ", shown);
    va_list values;
    va_start(values, expected);
    vsnprintf(why + used, REEVE_WHY_SIZE - (size_t)used, expected, values);
    va_end(values);
    return REEVE_EINVAL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits up to the first other character; false when there is none, or the number does not fit. */
static bool read_digits(const char **text, uint64_t *value)
{
    const char *p = *text;
    uint64_t sum = 0;
    if (!is_digit(*p))
        return false;
    for (; is_digit(*p); p++)
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(*p - '0'), &sum))
            return false;
    *text = p;
    *value = sum;
    return true;
}

int reeve_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value, char *why)
{
    const char *p = text;
    uint64_t number;
    if (!read_digits(&p, &number) || *p != '\0' || number < min || number > max)
        return refuse(why, text, "a whole number from %" PRIu64 " to %" PRIu64, min, max);
    *value = number;
    return REEVE_OK;
}

int reeve_parse_i64(const char *text, int64_t min, int64_t max, int64_t *value, char *why)
{
    const char *p = text;
    bool negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    uint64_t magnitude;
    bool valid =
        read_digits(&p, &magnitude) && *p == '\0' && magnitude <= (uint64_t)INT64_MAX + negative;
    int64_t number = !valid ? 0 : negative ? (int64_t)-magnitude : (int64_t)magnitude;
    if (!valid || number < min || number > max)
        return refuse(why, text, "a whole number from %" PRId64 " to %" PRId64, min, max);
    *value = number;
    return REEVE_OK;
}

int reeve_parse_double(const char *text, double min, double max, double *value, char *why)
{
    /* strtod alone would also take spaces, hexadecimal, nan and inf */
    char *end = NULL;
    bool plain = text[0] != '\0' && text[strspn(text, "0123456789.+-eE")] == '\0';
    errno = 0;
    double number = plain ? strtod(text, &end) : 0;
    if (!plain || end == text || *end != '\0' || !isfinite(number) || number < min || number > max)
        return refuse(why, text, "a number from %g to %g", min, max);
    *value = number;
    return REEVE_OK;
}

int reeve_parse_bool(const char *text, bool *value, char *why)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(words); i++) {
        if (strcmp(text, words[i]) == 0) {
            *value = i % 2 == 1;
            return REEVE_OK;
        }
    }
    return refuse(why, text, "yes or no");
}

/*
 * number, at most nine digits after the point, and a unit. Exact: the value is computed in
 * billionths with 128 bits, and cut off to a whole number.
 */
static bool read_quantity(
    const char *text, const struct unit *units, size_t unit_count, uint64_t *value)
{
    uint64_t whole, fraction = 0;
    if (!read_digits(&text, &whole))
        return false;
    if (*text == '.') {
        text++;
        if (!is_digit(*text))
            return false;
        for (uint64_t place = 100000000; is_digit(*text); text++, place /= 10) {
            if (place == 0)
                return false;
            fraction += place * (uint64_t)(*text - '0');
        }
    }
    while (*text == ' ')
        text++;
    for (size_t i = 0; i < unit_count; i++) {
        if (strcmp(text, units[i].name) != 0)
            continue;
        unsigned __int128 result = (unsigned __int128)whole * units[i].factor;
        result += (unsigned __int128)fraction * units[i].factor / 1000000000;
        if (result > UINT64_MAX)
            return false;
        *value = (uint64_t)result;
        return true;
    }
    return false;
}

int reeve_parse_size(const char *text, uint64_t whole_bytes, uint64_t *size_bytes, char *why)
{
    if (whole_bytes != 0) {
        /* a percentage is a size whose unit is a hundredth of the whole; divided last, so
         * nothing is lost */
        const struct unit percent = {"%", whole_bytes};
        uint64_t hundredfold;
        if (strlen(text) <= 16 && read_quantity(text, &percent, 1, &hundredfold) &&
            hundredfold / 100 <= whole_bytes) {
            *size_bytes = hundredfold / 100;
            return REEVE_OK;
        }
    }
    if (read_quantity(text, size_units, REEVE_ARRAY_COUNT(size_units), size_bytes))
        return REEVE_OK;
    return refuse(why, text, "a size such as 512MiB or 4GiB%s",
        whole_bytes != 0 ? ", or a share such as 30%" : "");
}

int reeve_parse_duration(const char *text, uint64_t *duration_ns, char *why)
{
    if (strcmp(text, "0") == 0) {
        *duration_ns = 0;
        return REEVE_OK;
    }
    if (read_quantity(text, duration_units, REEVE_ARRAY_COUNT(duration_units), duration_ns))
        return REEVE_OK;
    return refuse(why, text, "a duration such as 500ms, 10s or 5m");
}

const char *reeve_size_format(uint64_t size_bytes, char text[REEVE_SIZE_TEXT_SIZE])
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    uint64_t factor = 1;
    while (unit + 1 < REEVE_ARRAY_COUNT(names) && size_bytes / factor >= 1024) {
        factor *= 1024;
        unit++;
    }
    if (size_bytes % factor == 0)
        snprintf(text, REEVE_SIZE_TEXT_SIZE, "%" PRIu64 "%s", size_bytes / factor, names[unit]);
    else
        snprintf(
            text, REEVE_SIZE_TEXT_SIZE, "%.2f%s", (double)size_bytes / (double)factor, names[unit]);
    return text;
}
