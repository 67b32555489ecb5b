/* Small macros that everything uses. */
#ifndef REEVE_BASE_MACROS_H
#define REEVE_BASE_MACROS_H

#include <stddef.h>

#define REEVE_ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* From a member back to the struct that holds it. The comparison makes a wrong member type a
 * warning. */
#define REEVE_CONTAINER_OF(pointer, type, member) \
    ((type *)((char *)(1 ? (pointer) : &((type *)0)->member) - offsetof(type, member)))

#define REEVE_MIN(a, b) ((a) < (b) ? (a) : (b))
#define REEVE_MAX(a, b) ((a) > (b) ? (a) : (b))

/* align is a power of two */
#define REEVE_ALIGN_UP(value, align) (((value) + ((align)-1)) & ~((__typeof__(value))(align)-1))

#define REEVE_LIKELY(x)   __builtin_expect(!!(x), 1)
#define REEVE_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define REEVE_PRINTF(format_at, values_at) __attribute__((format(printf, format_at, values_at)))

#define REEVE_EXPORT __attribute__((visibility("default")))

#endif
