/* Values whose every byte can be checked: word i of value `number` is a mix of both, and so is the
 * size, so that bytes of another value, of the same one at another place, and too few or too many
 * are all seen. */
#ifndef REEVE_TESTS_E2E_CONTENT_H
#define REEVE_TESTS_E2E_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint64_t content_word(uint64_t number, uint64_t at)
{
    uint64_t x = (number << 32 ^ at) * 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

static inline void content_fill(void *data, size_t size, uint64_t number)
{
    uint64_t *words = data;
    for (size_t i = 0; i < size / 8; i++)
        words[i] = content_word(number, i);
}

static inline bool content_is_right(const void *data, size_t size, uint64_t number)
{
    const uint64_t *words = data;
    for (size_t i = 0; i < size / 8; i++)
        if (words[i] != content_word(number, i))
            return false;
    return true;
}

/* Of value `number`: 8 bytes to 4 MiB, a multiple of 8, as many small as large ones. */
static inline size_t content_size(uint64_t number)
{
    uint64_t x = content_word(number, UINT64_MAX);
    unsigned bits = 3 + (unsigned)(x % 20);
    return (((size_t)1 << bits) + (size_t)(x >> 20) % ((size_t)1 << bits) / 2 + 7) & ~(size_t)7;
}

#endif
