/* Is this one well-formed msgpack value? Walks the tokens with a counter a level: no recursion,
 * no memory. */
#include "api/client/codec.h"

#include "api/client/error.h"
#include "api/client/reader.h"

/* Where the value ends; NULL with *code set. */
static const uint8_t *walk(const uint8_t *at, const uint8_t *end, int *code)
{
    uint64_t left[REEVE_DEPTH_MAX + 1]; /* values still to come, in each open container */
    int depth = 0;
    left[0] = 1;
    for (;;) {
        while (left[depth] == 0) {
            if (depth == 0)
                return at;
            depth--;
        }
        left[depth]--;
        struct reeve_token token;
        at = reeve_read_token(at, end, &token);
        if (!at) {
            *code = REEVE_EPROTOCOL;
            return NULL;
        }
        if (token.kind != REEVE_TOKEN_ARRAY && token.kind != REEVE_TOKEN_MAP)
            continue;
        if (depth == REEVE_DEPTH_MAX) {
            *code = REEVE_EDEPTH;
            return NULL;
        }
        left[++depth] = token.kind == REEVE_TOKEN_MAP ? 2 * (uint64_t)token.size : token.size;
    }
}

uint64_t reeve_codec_future_count(const void *bytes, size_t size)
{
    const uint8_t *at = bytes, *end = at + size;
    uint64_t total = 0;
    while (at != NULL && at < end) {
        struct reeve_token token;
        uint32_t count = 1;
        at = reeve_read_token(at, end, &token);
        if (!at)
            return UINT64_MAX;
        if (token.kind != REEVE_TOKEN_EXT ||
            (token.ext_type != REEVE_EXT_FUTURE && token.ext_type != REEVE_EXT_FUTURES))
            continue;
        bool many = token.ext_type == REEVE_EXT_FUTURES;
        if (token.size != (many ? sizeof count : 1))
            return UINT64_MAX;
        if (many)
            memcpy(&count, token.data, sizeof count);
        total += count;
    }
    return total;
}

size_t reeve_codec_skip(const void *bytes, size_t size)
{
    int code;
    const uint8_t *at = bytes ? walk(bytes, (const uint8_t *)bytes + size, &code) : NULL;
    return at ? (size_t)(at - (const uint8_t *)bytes) : 0;
}

int reeve_codec_check(const void *bytes, size_t size, struct reeve_error_info *error)
{
    if (!bytes || size == 0)
        return reeve_error_set(
            error, REEVE_EPROTOCOL, "there are no bytes: expected a msgpack value");
    int code;
    const uint8_t *end = (const uint8_t *)bytes + size;
    const uint8_t *at = walk(bytes, end, &code);
    if (at == end)
        return REEVE_OK;
    if (at)
        return reeve_error_set(error, REEVE_EPROTOCOL,
            "%zu bytes follow the msgpack value of %zu bytes", (size_t)(end - at),
            (size_t)(at - (const uint8_t *)bytes));
    if (code == REEVE_EDEPTH)
        return reeve_error_set(
            error, code, "arrays and maps are nested deeper than %d", REEVE_DEPTH_MAX);
    return reeve_error_set(error, code, "these %zu bytes are not a complete msgpack value", size);
}
