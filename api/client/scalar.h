/* Numbers and booleans, which most arguments and results are, between C and msgpack: written and
 * read on the spot, with no more than their own bytes looked at. What is written is what msgpack-c
 * writes: the shortest form. What is read is any form of a number that has a place in the type;
 * everything else, and every error, is left to unpack.c. */
#ifndef REEVE_CLIENT_SCALAR_H
#define REEVE_CLIENT_SCALAR_H

#include <reeve.h>

#include "runtime/base/macros.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define REEVE_SCALAR_SIZE_MAX 9u

static inline bool reeve_type_is_scalar(const struct reeve_type *type)
{
    return type->kind >= REEVE_KIND_BOOL && type->kind <= REEVE_KIND_DOUBLE;
}

/* ---- writing: each returns where it ends ----------------------------------------------------- */

static inline uint8_t *reeve_write_big_endian(
    uint8_t *at, uint8_t head, uint64_t value, unsigned size)
{
    *at++ = head;
    value = __builtin_bswap64(value << (64 - 8 * size));
    memcpy(at, &value, size);
    return at + size;
}

static inline uint8_t *reeve_write_unsigned(uint8_t *at, uint64_t value)
{
    if (REEVE_LIKELY(value < 128)) {
        *at = (uint8_t)value;
        return at + 1;
    }
    if (value <= UINT8_MAX)
        return reeve_write_big_endian(at, 0xcc, value, 1);
    if (value <= UINT16_MAX)
        return reeve_write_big_endian(at, 0xcd, value, 2);
    if (value <= UINT32_MAX)
        return reeve_write_big_endian(at, 0xce, value, 4);
    return reeve_write_big_endian(at, 0xcf, value, 8);
}

static inline uint8_t *reeve_write_signed(uint8_t *at, int64_t value)
{
    if (REEVE_LIKELY(value >= 0))
        return reeve_write_unsigned(at, (uint64_t)value);
    if (value >= -32) {
        *at = (uint8_t)value;
        return at + 1;
    }
    if (value >= INT8_MIN)
        return reeve_write_big_endian(at, 0xd0, (uint64_t)value, 1);
    if (value >= INT16_MIN)
        return reeve_write_big_endian(at, 0xd1, (uint64_t)value, 2);
    if (value >= INT32_MIN)
        return reeve_write_big_endian(at, 0xd2, (uint64_t)value, 4);
    return reeve_write_big_endian(at, 0xd3, (uint64_t)value, 8);
}

/* `at` has room for REEVE_SCALAR_SIZE_MAX bytes. */
static inline uint8_t *reeve_scalar_write(
    const struct reeve_type *type, const void *value, uint8_t *at)
{
    uint64_t bits = 0;
    switch ((enum reeve_kind)type->kind) {
    case REEVE_KIND_INT64: return reeve_write_signed(at, *(const int64_t *)value);
    case REEVE_KIND_INT32: return reeve_write_signed(at, *(const int32_t *)value);
    case REEVE_KIND_INT16: return reeve_write_signed(at, *(const int16_t *)value);
    case REEVE_KIND_INT8: return reeve_write_signed(at, *(const int8_t *)value);
    case REEVE_KIND_UINT64: return reeve_write_unsigned(at, *(const uint64_t *)value);
    case REEVE_KIND_UINT32: return reeve_write_unsigned(at, *(const uint32_t *)value);
    case REEVE_KIND_UINT16: return reeve_write_unsigned(at, *(const uint16_t *)value);
    case REEVE_KIND_UINT8: return reeve_write_unsigned(at, *(const uint8_t *)value);
    case REEVE_KIND_DOUBLE:
        memcpy(&bits, value, sizeof(double));
        return reeve_write_big_endian(at, 0xcb, bits, 8);
    case REEVE_KIND_FLOAT:
        memcpy(&bits, value, sizeof(float));
        return reeve_write_big_endian(at, 0xca, bits, 4);
    default: *at = *(const bool *)value ? 0xc3 : 0xc2; return at + 1;
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

/* An integer of any form: its bytes and its sign. NULL: it is none, or not whole. */
static inline const uint8_t *reeve_read_integer(
    const uint8_t *at, const uint8_t *end, uint64_t *ret, bool *ret_negative)
{
    uint8_t head = *at++;
    uint64_t value;
    *ret_negative = false;
    if (REEVE_LIKELY(head < 0x80)) {
        *ret = head;
        return at;
    }
    if (head >= 0xe0) {
        *ret = (uint64_t)(int64_t)(int8_t)head;
        *ret_negative = true;
        return at;
    }
    if (head < 0xcc || head > 0xd3)
        return NULL;
    unsigned size = 1u << (head & 3), unused = 64 - 8 * size;
    if ((size_t)(end - at) < size)
        return NULL;
    if (REEVE_LIKELY(size == 4)) {
        uint32_t four;
        memcpy(&four, at, 4);
        value = __builtin_bswap32(four);
    } else if (size == 8) {
        memcpy(&value, at, 8);
        value = __builtin_bswap64(value);
    } else {
        value = size == 1 ? at[0] : (uint64_t)at[0] << 8 | at[1];
    }
    if (head >= 0xd0) { /* signed */
        value = (uint64_t)((int64_t)(value << unused) >> unused);
        *ret_negative = (int64_t)value < 0;
    }
    *ret = value;
    return at + size;
}

/* Where the value ends, or NULL: it is not a number (or boolean) that the type can have. */
static inline const uint8_t *reeve_scalar_read(
    const struct reeve_type *type, const uint8_t *at, const uint8_t *end, void *value)
{
    unsigned kind = type->kind;
    if (REEVE_UNLIKELY(at >= end))
        return NULL;
    if (REEVE_LIKELY(kind >= REEVE_KIND_INT8 && kind <= REEVE_KIND_UINT64)) {
        uint64_t bits = 0;
        bool negative = false, is_signed = kind <= REEVE_KIND_INT64;
        unsigned width = 8u << (kind - (is_signed ? REEVE_KIND_INT8 : REEVE_KIND_UINT8));
        at = reeve_read_integer(at, end, &bits, &negative);
        /* what does not fit; the complement of a negative number is as wide as that */
        uint64_t beyond = (negative ? ~bits : bits) >> (width - 1);
        if (!is_signed)
            beyond >>= 1;
        if (REEVE_UNLIKELY(at == NULL || beyond != 0 || (negative && !is_signed)))
            return NULL;
        switch (width) {
        case 64: *(uint64_t *)value = bits; return at;
        case 32: *(uint32_t *)value = (uint32_t)bits; return at;
        case 16: *(uint16_t *)value = (uint16_t)bits; return at;
        default: *(uint8_t *)value = (uint8_t)bits; return at;
        }
    }
    if (kind == REEVE_KIND_DOUBLE && *at == 0xcb && end - at >= 9) {
        uint64_t bits;
        memcpy(&bits, at + 1, 8);
        bits = __builtin_bswap64(bits);
        memcpy(value, &bits, 8);
        return at + 9;
    }
    if (kind == REEVE_KIND_FLOAT && *at == 0xca && end - at >= 5) {
        uint32_t bits;
        memcpy(&bits, at + 1, 4);
        bits = __builtin_bswap32(bits);
        memcpy(value, &bits, 4);
        return at + 5;
    }
    if (kind == REEVE_KIND_BOOL && (*at | 1) == 0xc3) {
        *(bool *)value = *at == 0xc3;
        return at + 1;
    }
    return NULL;
}

#endif
