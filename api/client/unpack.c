/* Msgpack to C values, checked: straight into the value, with the type's description in hand.
 * See codec.h. */
#include "api/client/unpack.h"

#include "api/client/error.h"
#include "api/client/reader.h"
#include "api/client/scalar.h"
#include "api/client/types.h"
#include "runtime/base/pages.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- what went wrong ------------------------------------------------------------------------- */

static void name_path(const struct reeve_path *path, char *text, size_t size)
{
    char above[256] = "";
    if (path->up)
        name_path(path->up, above, sizeof above);
    if (path->number)
        snprintf(text, size, "argument %u (%s)", path->number, path->name);
    else if (path->up && path->name)
        snprintf(text, size, "%.200s, member %s", above, path->name);
    else if (path->up)
        snprintf(text, size, "%.200s, items[%zu]", above, path->item);
    else
        snprintf(text, size, "%s", path->name);
}

static void name_token(const struct reeve_token *token, char *text, size_t size)
{
    switch (token->kind) {
    case REEVE_TOKEN_NIL: snprintf(text, size, "nil"); return;
    case REEVE_TOKEN_BOOL:
        snprintf(text, size, "the bool %s", token->number.b ? "true" : "false");
        return;
    case REEVE_TOKEN_UNSIGNED:
        snprintf(text, size, "the integer %llu", (unsigned long long)token->number.u);
        return;
    case REEVE_TOKEN_NEGATIVE:
        snprintf(text, size, "the integer %lld", (long long)token->number.i);
        return;
    case REEVE_TOKEN_FLOAT: snprintf(text, size, "the number %.17g", token->number.f); return;
    case REEVE_TOKEN_STRING: snprintf(text, size, "a string of %u bytes", token->size); return;
    case REEVE_TOKEN_BYTES: snprintf(text, size, "%u bytes", token->size); return;
    case REEVE_TOKEN_ARRAY: snprintf(text, size, "a list of %u", token->size); return;
    case REEVE_TOKEN_MAP: snprintf(text, size, "a map of %u", token->size); return;
    case REEVE_TOKEN_EXT: {
        if (token->ext_type == REEVE_EXT_FUTURE || token->ext_type == REEVE_EXT_FUTURES) {
            snprintf(text, size,
                token->ext_type == REEVE_EXT_FUTURE ? "a future" : "an array of futures");
            return;
        }
        const char *element =
            token->ext_type >= REEVE_EXT_ARRAY_BASE
                ? reeve_element_name((unsigned)(token->ext_type - REEVE_EXT_ARRAY_BASE))
                : NULL;
        if (element)
            snprintf(text, size, "%s[]", element);
        else
            snprintf(text, size, "an extension of type %d, %u bytes", token->ext_type, token->size);
        return;
    }
    }
}

static int mismatch(struct reeve_unpack *unpack, const struct reeve_type *type,
    const struct reeve_path *path, const struct reeve_token *token)
{
    char where[300], what[100] = "";
    name_path(path, where, sizeof where);
    name_token(token, what, sizeof what);
    return reeve_error_set(
        unpack->error, REEVE_ETYPE, "%s: expected %.64s, got %s", where, type->name, what);
}

static int complain(
    struct reeve_unpack *unpack, int code, const struct reeve_path *path, const char *what)
{
    char where[300];
    name_path(path, where, sizeof where);
    return reeve_error_set(unpack->error, code, "%s: %s", where, what);
}

int reeve_unpack_blame(const void *bytes, size_t size, int code, struct reeve_error_info *error)
{
    if (code != REEVE_ETYPE && code != REEVE_EARITY)
        return code;
    int whole = reeve_codec_check(bytes, size, NULL);
    return whole ? reeve_codec_check(bytes, size, error) : code;
}

/* ---- memory for what values point to --------------------------------------------------------- */

static void *obtain(struct reeve_unpack *unpack, size_t size, size_t alignment)
{
    if (unpack->arena)
        return reeve_arena_alloc(unpack->arena, size, alignment);
    if (size < 1024)
        return malloc(size);
    void *memory = aligned_alloc(64, REEVE_ALIGN_UP(size, (size_t)64));
    if (memory)
        reeve_pages_advise(memory, size);
    return memory;
}

static int get_string(struct reeve_unpack *unpack, const struct reeve_token *token,
    reeve_string *value, const struct reeve_path *path)
{
    if (memchr(token->data, 0, token->size))
        return complain(unpack, REEVE_ETYPE, path,
            "expected string, got one with a zero byte inside (use reeve_bytes for such data)");
    char *copy = obtain(unpack, (size_t)token->size + 1, 1);
    if (!copy)
        return complain(unpack, REEVE_ENOMEM, path, "no memory for the string");
    memcpy(copy, token->data, token->size);
    copy[token->size] = 0;
    *value = copy;
    return REEVE_OK;
}

/* A view where the task's memory allows it, else a copy. */
static int get_span(struct reeve_unpack *unpack, const uint8_t *data, size_t count,
    size_t element_size, struct reeve_span *value, const struct reeve_path *path)
{
    value->count = count;
    value->data = NULL;
    if (count == 0)
        return REEVE_OK;
    size_t alignment =
        unpack->strict && element_size > 1 && count * element_size >= 1024 ? 64 : element_size;
    if (unpack->arena && ((uintptr_t)data & (alignment - 1)) == 0) {
        value->data = data;
        return REEVE_OK;
    }
    void *copy = obtain(unpack, count * element_size, alignment);
    if (!copy) {
        value->count = 0;
        return complain(unpack, REEVE_ENOMEM, path, "no memory for the bytes");
    }
    memcpy(copy, data, count * element_size);
    value->data = copy;
    return REEVE_OK;
}

static const char futures_missing[] = "a future stands in the value that is not beside it";

static int get_futures(
    struct reeve_unpack *unpack, size_t count, void *ids, const struct reeve_path *path)
{
    if (count > unpack->future_count)
        return complain(unpack, REEVE_EPROTOCOL, path, futures_missing);
    memcpy(ids, unpack->futures, count * sizeof(uint64_t));
    unpack->futures += count;
    unpack->future_count -= count;
    return REEVE_OK;
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool fits_signed(const struct reeve_token *token, int64_t low, int64_t high, int64_t *value)
{
    if (token->kind == REEVE_TOKEN_UNSIGNED && token->number.u <= (uint64_t)high)
        *value = (int64_t)token->number.u;
    else if (token->kind == REEVE_TOKEN_NEGATIVE && token->number.i >= low)
        *value = token->number.i;
    else
        return false;
    return true;
}

static bool fits_unsigned(const struct reeve_token *token, uint64_t high, uint64_t *value)
{
    if (token->kind != REEVE_TOKEN_UNSIGNED || token->number.u > high)
        return false;
    *value = token->number.u;
    return true;
}

/* Integers are taken where the floating type holds them exactly: up to 2^53, 2^24. */
static bool fits_floating(const struct reeve_token *token, int64_t exact, double *value)
{
    int64_t integer;
    if (token->kind == REEVE_TOKEN_FLOAT)
        *value = token->number.f;
    else if (fits_signed(token, -exact, exact, &integer))
        *value = (double)integer;
    else
        return false;
    return true;
}

static int get_elements(struct reeve_unpack *unpack, const struct reeve_type *type,
    const struct reeve_token *token, struct reeve_span *value, const struct reeve_path *path)
{
    size_t element_size = reeve_element_size(type->element_kind);
    if (token->kind != REEVE_TOKEN_EXT ||
        token->ext_type != REEVE_EXT_ARRAY_BASE + type->element_kind)
        return mismatch(unpack, type, path, token);
    if (token->size == 0 || token->data[0] > token->size - 1)
        return complain(unpack, REEVE_EPROTOCOL, path, "an array of numbers is malformed");
    size_t lead = 1 + (size_t)token->data[0], size = token->size - lead;
    if (size % element_size)
        return complain(unpack, REEVE_EPROTOCOL, path, "an array ends within an element");
    return get_span(unpack, token->data + lead, size / element_size, element_size, value, path);
}

static const char cut[] = "the message ends in the middle, or is not msgpack";

/* Behind the header of a list of three. */
static int get_matrix(struct reeve_unpack *unpack, const struct reeve_type *type,
    struct reeve_grid *value, const struct reeve_path *path)
{
    uint64_t sides[2], count;
    struct reeve_span span = {NULL, 0};
    struct reeve_token token;
    for (int i = 0; i < 3; i++) {
        const uint8_t *next = reeve_read_token(unpack->at, unpack->end, &token);
        if (!next)
            return complain(unpack, REEVE_EPROTOCOL, path, cut);
        unpack->at = next;
        if (i < 2 && !fits_unsigned(&token, SIZE_MAX, &sides[i]))
            return mismatch(unpack, type, path, &token);
    }
    int rc = get_elements(unpack, type, &token, &span, path);
    if (!rc && (__builtin_mul_overflow(sides[0], sides[1], &count) || count != span.count)) {
        char why[128];
        snprintf(why, sizeof why, "expected a matrix, got one of %llu x %llu that has %zu items",
            (unsigned long long)sides[0], (unsigned long long)sides[1], span.count);
        if (!unpack->arena)
            free((void *)(uintptr_t)span.data);
        return complain(unpack, REEVE_ETYPE, path, why);
    }
    if (!rc)
        *value = (struct reeve_grid){span.data, sides[0], sides[1]};
    return rc;
}

/* The fewest bytes that a value of the type can have: a header never makes us take more memory than
 * what follows it justifies. */
static size_t least_size(const struct reeve_type *type)
{
    size_t size = 1;
    for (uint32_t i = 0; type->kind == REEVE_KIND_STRUCT && i < type->member_count; i++)
        size += least_size(type->members[i].type);
    return size;
}

/* The items of an array, behind its header. On failure it has those that could be read, and zeros
 * behind. */
static int get_items(struct reeve_unpack *unpack, const struct reeve_type *type,
    const struct reeve_token *token, struct reeve_span *value, const struct reeve_path *path)
{
    const struct reeve_type *item = type->members->type;
    size_t count = token->size;
    *value = (struct reeve_span){NULL, 0};
    if (count > (size_t)(unpack->end - unpack->at) / least_size(item))
        return mismatch(unpack, type, path, token); /* or cut: that is told apart in the end */
    if (count == 0)
        return REEVE_OK;
    char *items = obtain(unpack, count * item->size, 16);
    if (!items)
        return complain(unpack, REEVE_ENOMEM, path, "no memory for the items");
    memset(items, 0, count * item->size);
    *value = (struct reeve_span){items, count};
    for (size_t i = 0; i < count; i++) {
        struct reeve_path here = {path, NULL, 0, i};
        int rc = reeve_unpack_value(unpack, item, items + i * item->size, &here);
        if (rc)
            return rc;
    }
    return REEVE_OK;
}

int reeve_unpack_value(struct reeve_unpack *unpack, const struct reeve_type *type, void *value,
    const struct reeve_path *path)
{
    struct reeve_token token;
    const uint8_t *next = reeve_scalar_read(type, unpack->at, unpack->end, value);
    if (REEVE_LIKELY(next)) {
        unpack->at = next;
        return REEVE_OK;
    }
    next = reeve_read_token(unpack->at, unpack->end, &token);
    if (REEVE_UNLIKELY(!next))
        return complain(unpack, REEVE_EPROTOCOL, path, cut);
    unpack->at = next;

    int64_t i;
    uint64_t u;
    double f;
    switch ((enum reeve_kind)type->kind) {
#define SIGNED(KIND, T, LOW, HIGH)                               \
    case REEVE_KIND_##KIND:                                      \
        if (REEVE_UNLIKELY(!fits_signed(&token, LOW, HIGH, &i))) \
            break;                                               \
        *(T *)value = (T)i;                                      \
        return REEVE_OK;
        SIGNED(INT8, int8_t, INT8_MIN, INT8_MAX)
        SIGNED(INT16, int16_t, INT16_MIN, INT16_MAX)
        SIGNED(INT32, int32_t, INT32_MIN, INT32_MAX)
        SIGNED(INT64, int64_t, INT64_MIN, INT64_MAX)
#define UNSIGNED(KIND, T, HIGH)                               \
    case REEVE_KIND_##KIND:                                   \
        if (REEVE_UNLIKELY(!fits_unsigned(&token, HIGH, &u))) \
            break;                                            \
        *(T *)value = (T)u;                                   \
        return REEVE_OK;
        UNSIGNED(UINT8, uint8_t, UINT8_MAX)
        UNSIGNED(UINT16, uint16_t, UINT16_MAX)
        UNSIGNED(UINT32, uint32_t, UINT32_MAX)
        UNSIGNED(UINT64, uint64_t, UINT64_MAX)
    case REEVE_KIND_VOID:
        if (token.kind != REEVE_TOKEN_NIL)
            break;
        return REEVE_OK;
    case REEVE_KIND_BOOL:
        if (token.kind != REEVE_TOKEN_BOOL)
            break;
        *(bool *)value = token.number.b;
        return REEVE_OK;
    case REEVE_KIND_FLOAT:
        if (!fits_floating(&token, INT64_C(1) << 24, &f))
            break;
        *(float *)value = (float)f;
        return REEVE_OK;
    case REEVE_KIND_DOUBLE:
        if (!fits_floating(&token, INT64_C(1) << 53, &f))
            break;
        *(double *)value = f;
        return REEVE_OK;
    case REEVE_KIND_STRING:
        if (token.kind != REEVE_TOKEN_STRING)
            break;
        return get_string(unpack, &token, value, path);
    case REEVE_KIND_BYTES:
        if (token.kind != REEVE_TOKEN_BYTES)
            break;
        return get_span(unpack, token.data, token.size, 1, value, path);
    case REEVE_KIND_ARRAY: return get_elements(unpack, type, &token, value, path);
    case REEVE_KIND_MATRIX:
        if (token.kind != REEVE_TOKEN_ARRAY || token.size != 3)
            break;
        return get_matrix(unpack, type, value, path);
    case REEVE_KIND_STRUCT:
        if (token.kind != REEVE_TOKEN_ARRAY || token.size != type->member_count)
            break;
        for (uint32_t m = 0; m < type->member_count; m++) {
            const struct reeve_member *member = &type->members[m];
            struct reeve_path here = {path, member->name, 0, 0};
            int rc =
                reeve_unpack_value(unpack, member->type, (char *)value + member->offset, &here);
            if (rc)
                return rc;
        }
        return REEVE_OK;
    case REEVE_KIND_LIST:
        if (token.kind != REEVE_TOKEN_ARRAY)
            break;
        return get_items(unpack, type, &token, value, path);
    case REEVE_KIND_STREAM:
    case REEVE_KIND_FUTURE:
        if (token.kind != REEVE_TOKEN_EXT || token.ext_type != REEVE_EXT_FUTURE)
            break;
        return get_futures(unpack, 1, value, path);
    case REEVE_KIND_FUTURES: {
        uint32_t count = 0;
        struct reeve_span *span = value;
        if (token.kind != REEVE_TOKEN_EXT || token.ext_type != REEVE_EXT_FUTURES)
            break;
        if (token.size == sizeof count)
            memcpy(&count, token.data, sizeof count);
        if (token.size != sizeof count || count > unpack->future_count)
            return complain(unpack, REEVE_EPROTOCOL, path, futures_missing);
        *span = (struct reeve_span){NULL, 0};
        if (count == 0)
            return REEVE_OK;
        uint64_t *ids = obtain(unpack, count * sizeof *ids, sizeof *ids);
        if (!ids)
            return complain(unpack, REEVE_ENOMEM, path, "no memory for the futures");
        *span = (struct reeve_span){ids, count};
        return get_futures(unpack, count, ids, path);
    }
    }
    return mismatch(unpack, type, path, &token);
}

static int unpack_whole(const struct reeve_type *type, const void *bytes, size_t size,
    const uint64_t *futures, size_t future_count, void *value, struct reeve_arena *arena,
    bool strict, const char *what, struct reeve_error_info *error)
{
    struct reeve_unpack unpack = {
        bytes, (const uint8_t *)bytes + size, arena, error, futures, future_count, strict};
    struct reeve_path path = {NULL, what, 0, 0};
    int rc = reeve_unpack_value(&unpack, type, value, &path);
    if (REEVE_UNLIKELY(!rc && unpack.at != unpack.end))
        rc = complain(&unpack, REEVE_EPROTOCOL, &path, "bytes are left over after the value");
    if (REEVE_UNLIKELY(!rc && unpack.future_count != 0))
        rc = complain(
            &unpack, REEVE_EPROTOCOL, &path, "more futures are beside the value than in it");
    return REEVE_LIKELY(!rc) ? REEVE_OK : reeve_unpack_blame(bytes, size, rc, error);
}

int reeve_codec_unpack(const struct reeve_type *type, const void *bytes, size_t size, void *value,
    struct reeve_arena *arena, const char *what, struct reeve_error_info *error)
{
    return reeve_codec_unpack_with(type, bytes, size, NULL, 0, value, arena, what, error);
}

int reeve_codec_unpack_with(const struct reeve_type *type, const void *bytes, size_t size,
    const uint64_t *futures, size_t future_count, void *value, struct reeve_arena *arena,
    const char *what, struct reeve_error_info *error)
{
    /* Scalars are written when all is well; with an arena, nothing is lost in a half-read value. */
    if (arena || (type->kind < REEVE_KIND_STRING && future_count == 0))
        return unpack_whole(
            type, bytes, size, futures, future_count, value, arena, false, what, error);
    /* The caller's value changes only if all of it could be read. */
    _Alignas(16) char small[256];
    void *whole = type->size <= sizeof small ? small : malloc(type->size);
    if (!whole)
        return reeve_error_set(error, REEVE_ENOMEM, "%s: no memory", what);
    memset(whole, 0, type->size);
    int rc =
        unpack_whole(type, bytes, size, futures, future_count, whole, arena, false, what, error);
    if (!rc)
        memcpy(value, whole, type->size);
    else
        reeve_codec_clear(type, whole);
    if (whole != small)
        free(whole);
    return rc;
}

int reeve_codec_unpack_view(const struct reeve_type *type, const void *bytes, size_t size,
    const uint64_t *futures, size_t future_count, void *value, struct reeve_arena *arena,
    struct reeve_error_info *error)
{
    static const char what[] = "the value";
    _Alignas(16) char small[256];
    void *whole = small;
    if (type->size > sizeof small && !(whole = reeve_arena_alloc(arena, type->size, 16)))
        return reeve_error_set(error, REEVE_ENOMEM, "%s: no memory", what);
    int rc =
        unpack_whole(type, bytes, size, futures, future_count, whole, arena, true, what, error);
    if (!rc && type->size)
        memcpy(value, whole, type->size);
    return rc;
}

void reeve_codec_clear(const struct reeve_type *type, void *value)
{
    switch ((enum reeve_kind)type->kind) {
    case REEVE_KIND_STRING: free((void *)(uintptr_t) * (const reeve_string *)value); break;
    case REEVE_KIND_BYTES:
    case REEVE_KIND_FUTURES:
    case REEVE_KIND_MATRIX:
    case REEVE_KIND_ARRAY: free((void *)(uintptr_t)((struct reeve_span *)value)->data); break;
    case REEVE_KIND_LIST: {
        struct reeve_span *span = value;
        const struct reeve_type *item = type->members->type;
        for (size_t i = 0; i < span->count; i++)
            reeve_codec_clear(item, (char *)(uintptr_t)span->data + i * item->size);
        free((void *)(uintptr_t)span->data);
        break;
    }
    case REEVE_KIND_STRUCT:
        for (uint32_t i = 0; i < type->member_count; i++)
            reeve_codec_clear(type->members[i].type, (char *)value + type->members[i].offset);
        break;
    default: break;
    }
    if (type->size)
        memset(value, 0, type->size);
}
