/* Reads msgpack one token at a time from memory that may hold anything.
 *
 * A token is a scalar, a span (str, bin, ext: its bytes lie within the input) or the header of a
 * container (the count has not been checked against anything: nothing may be allocated by it).
 * Never reads at or past `end`.
 */
#ifndef REEVE_CLIENT_READER_H
#define REEVE_CLIENT_READER_H

#include "runtime/base/macros.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum reeve_token_kind {
    REEVE_TOKEN_NIL,
    REEVE_TOKEN_BOOL,
    REEVE_TOKEN_UNSIGNED, /* number.u */
    REEVE_TOKEN_NEGATIVE, /* number.i < 0 */
    REEVE_TOKEN_FLOAT,    /* number.f, from 32 or 64 bits */
    REEVE_TOKEN_STRING,
    REEVE_TOKEN_BYTES,
    REEVE_TOKEN_EXT,
    REEVE_TOKEN_ARRAY, /* size: how many values follow */
    REEVE_TOKEN_MAP,   /* size: how many pairs follow */
};

struct reeve_token {
    enum reeve_token_kind kind;
    int8_t ext_type;
    uint32_t size; /* bytes of a span, count of a container */
    union {
        bool b;
        uint64_t u;
        int64_t i;
        double f;
    } number;
    const uint8_t *data; /* of a span */
};

static inline uint64_t reeve_read_big_endian(const uint8_t *at, unsigned size)
{
    switch (size) {
    case 1: return at[0];
    case 2: {
        uint16_t value;
        memcpy(&value, at, 2);
        return __builtin_bswap16(value);
    }
    case 4: {
        uint32_t value;
        memcpy(&value, at, 4);
        return __builtin_bswap32(value);
    }
    default: {
        uint64_t value;
        memcpy(&value, at, 8);
        return __builtin_bswap64(value);
    }
    }
}

/* Where the next token begins, or NULL: truncated, or the one byte (0xc1) that means nothing. */
static inline const uint8_t *reeve_read_token(
    const uint8_t *at, const uint8_t *end, struct reeve_token *token)
{
    if (at >= end)
        return NULL;
    token->size = 0;
    token->ext_type = 0;
    token->data = NULL;
    uint8_t head = *at++;
    size_t left = (size_t)(end - at);
    if (head < 0x80) { /* the common ones first */
        token->kind = REEVE_TOKEN_UNSIGNED;
        token->number.u = head;
        return at;
    }
    if (head >= 0xe0) {
        token->kind = REEVE_TOKEN_NEGATIVE;
        token->number.i = (int8_t)head;
        return at;
    }
    if (head < 0xc0) {
        if (head < 0x90) {
            token->kind = REEVE_TOKEN_MAP;
            token->size = head & 0x0f;
            return at;
        }
        if (head < 0xa0) {
            token->kind = REEVE_TOKEN_ARRAY;
            token->size = head & 0x0f;
            return at;
        }
        token->kind = REEVE_TOKEN_STRING;
        token->size = head & 0x1f;
        goto span;
    }
    unsigned width;
    switch (head) {
    case 0xc0: token->kind = REEVE_TOKEN_NIL; return at;
    case 0xc2:
    case 0xc3:
        token->kind = REEVE_TOKEN_BOOL;
        token->number.b = head == 0xc3;
        return at;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        token->kind = REEVE_TOKEN_BYTES;
        width = 1u << (head - 0xc4);
        break;
    case 0xc7:
    case 0xc8:
    case 0xc9:
        token->kind = REEVE_TOKEN_EXT;
        width = 1u << (head - 0xc7);
        break;
    case 0xca: {
        if (left < 4)
            return NULL;
        uint32_t bits = (uint32_t)reeve_read_big_endian(at, 4);
        float value;
        memcpy(&value, &bits, 4);
        token->kind = REEVE_TOKEN_FLOAT;
        token->number.f = value;
        return at + 4;
    }
    case 0xcb: {
        if (left < 8)
            return NULL;
        uint64_t bits = reeve_read_big_endian(at, 8);
        token->kind = REEVE_TOKEN_FLOAT;
        memcpy(&token->number.f, &bits, 8);
        return at + 8;
    }
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        width = 1u << (head - 0xcc);
        if (left < width)
            return NULL;
        token->kind = REEVE_TOKEN_UNSIGNED;
        token->number.u = reeve_read_big_endian(at, width);
        return at + width;
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3: {
        width = 1u << (head - 0xd0);
        if (left < width)
            return NULL;
        unsigned unused = 64 - 8 * width;
        token->number.i = (int64_t)(reeve_read_big_endian(at, width) << unused) >> unused;
        token->kind = token->number.i < 0 ? REEVE_TOKEN_NEGATIVE : REEVE_TOKEN_UNSIGNED;
        return at + width;
    }
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        token->kind = REEVE_TOKEN_EXT;
        token->size = 1u << (head - 0xd4);
        width = 0;
        break;
    case 0xd9:
    case 0xda:
    case 0xdb:
        token->kind = REEVE_TOKEN_STRING;
        width = 1u << (head - 0xd9);
        break;
    case 0xdc:
    case 0xdd:
        token->kind = REEVE_TOKEN_ARRAY;
        width = 2u << (head - 0xdc);
        break;
    case 0xde:
    case 0xdf:
        token->kind = REEVE_TOKEN_MAP;
        width = 2u << (head - 0xde);
        break;
    default: return NULL; /* 0xc1 */
    }
    if (width) {
        if (left < width)
            return NULL;
        token->size = (uint32_t)reeve_read_big_endian(at, width);
        at += width;
    }
    if (token->kind == REEVE_TOKEN_ARRAY || token->kind == REEVE_TOKEN_MAP)
        return at;
    if (token->kind == REEVE_TOKEN_EXT) {
        if (at >= end)
            return NULL;
        token->ext_type = (int8_t)*at++;
    }
span:
    if ((size_t)(end - at) < token->size)
        return NULL;
    token->data = at;
    return at + token->size;
}

#endif
