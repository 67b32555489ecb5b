/* Small macros that everything uses. */
#ifndef REEVE_BASE_MACROS_H
#define REEVE_BASE_MACROS_H

#include <stddef.h>
#include <string.h>

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

/* Of a function that only failing calls reach: what leads to it is laid out away from the rest. */
#define REEVE_COLD __attribute__((cold))

#define REEVE_PRINTF(format_at, values_at) __attribute__((format(printf, format_at, values_at)))

/* memcpy for what is mostly a few bytes: these are copied on the spot. */
static inline void reeve_copy(void *to, const void *from, size_t size)
{
    char *end = (char *)to + size;
    const char *from_end = (const char *)from + size;
    if (size > 32) {
        memcpy(to, from, size);
    } else if (size >= 16) {
        memcpy(to, from, 16);
        memcpy(end - 16, from_end - 16, 16);
    } else if (size >= 8) {
        memcpy(to, from, 8);
        memcpy(end - 8, from_end - 8, 8);
    } else if (size >= 4) {
        memcpy(to, from, 4);
        memcpy(end - 4, from_end - 4, 4);
    } else if (size != 0) {
        ((char *)to)[0] = ((const char *)from)[0];
        ((char *)to)[size / 2] = ((const char *)from)[size / 2];
        end[-1] = from_end[-1];
    }
}

/* Zeroes up to 256 bytes, of a number that the compiler knows, with plain stores. Of more than some
 * 90 it would make one string instruction, which takes as long to start as all of these. */
static inline void reeve_zero(void *to, size_t size)
{
    char *at = to;
    for (int i = 0; i < 3 && size > 64; i++, at += 64, size -= 64)
        memset(at, 0, 64);
    memset(at, 0, size);
}

#define REEVE_EXPORT __attribute__((visibility("default")))

#endif
