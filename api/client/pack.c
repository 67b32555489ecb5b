/* C values to msgpack.
 *
 * Two passes: the first adds up the exact size, so that memory can be found for the whole (a slot,
 * shared memory), the second writes with msgpack-c. Both walk the type's description.
 */
#include "api/client/codec.h"

#include "api/client/error.h"
#include "api/client/scalar.h"
#include "api/client/types.h"
#include "runtime/base/macros.h"

#include <msgpack.h>
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "elements travel as they lie");

#define SPAN_MAX         (UINT32_MAX - 256) /* bytes in one msgpack str, bin or ext, pad included */
#define ALIGN_LARGE      64
#define ALIGN_LARGE_FROM 1024

/* ---- sizes ----------------------------------------------------------------------------------- */

static size_t unsigned_size(uint64_t value)
{
    return value < 128           ? 1
           : value <= UINT8_MAX  ? 2
           : value <= UINT16_MAX ? 3
           : value <= UINT32_MAX ? 5
                                 : 9;
}

static size_t signed_size(int64_t value)
{
    if (value >= 0)
        return unsigned_size((uint64_t)value);
    return value >= -32         ? 1
           : value >= INT8_MIN  ? 2
           : value >= INT16_MIN ? 3
           : value >= INT32_MIN ? 5
                                : 9;
}

static size_t string_header_size(size_t size)
{
    return size < 32 ? 1 : size <= UINT8_MAX ? 2 : size <= UINT16_MAX ? 3 : 5;
}

static size_t bytes_header_size(size_t size)
{
    return size <= UINT8_MAX ? 2 : size <= UINT16_MAX ? 3 : 5;
}

static size_t ext_header_size(size_t size)
{
    if (size == 1 || size == 2 || size == 4 || size == 8 || size == 16)
        return 2;
    return size <= UINT8_MAX ? 3 : size <= UINT16_MAX ? 4 : 6;
}

static size_t array_header_size(size_t count)
{
    return count < 16 ? 1 : count <= UINT16_MAX ? 3 : 5;
}

/* How much pad puts the elements of an array at a multiple of their alignment; the payload's
 * size depends on it, and the header's size on that. */
static size_t array_pad(size_t offset, size_t elements_size, size_t element_size)
{
    size_t alignment = elements_size >= ALIGN_LARGE_FROM ? ALIGN_LARGE : element_size;
    size_t pad = 0;
    while (
        pad < 127 && (offset + ext_header_size(1 + pad + elements_size) + 1 + pad) % alignment != 0)
        pad++;
    return pad;
}

/* Size of an array of so many elements that stands at `offset`; 0: too large. */
static size_t elements_size(size_t count, size_t element_size, size_t offset)
{
    if (count > SPAN_MAX / element_size)
        return 0;
    size_t size = count * element_size;
    size += 1 + array_pad(offset, size, element_size);
    return ext_header_size(size) + size;
}

/* What stands before the elements of a matrix. */
static size_t matrix_head_size(size_t rows, size_t columns)
{
    return 1 + unsigned_size(rows) + unsigned_size(columns);
}

/* rows * columns; SIZE_MAX: it is too much. */
static size_t matrix_count(size_t rows, size_t columns)
{
    size_t count;
    return __builtin_mul_overflow(rows, columns, &count) ? SIZE_MAX : count;
}

static size_t refuse(struct reeve_error_info *error, int code, const char *what)
{
    reeve_error_set(error, code, "%s", what);
    return 0;
}

/* Says in which of the items it is that something is wrong. */
static size_t refuse_item(struct reeve_error_info *error, size_t i)
{
    char why[256];
    if (error) {
        snprintf(why, sizeof why, "%.250s", error->message);
        reeve_error_set(error, error->code, "items[%zu]: %s", i, why);
    }
    return 0;
}

size_t reeve_codec_size(
    const struct reeve_type *type, const void *value, size_t offset, struct reeve_error_info *error)
{
    switch ((enum reeve_kind)type->kind) {
    case REEVE_KIND_VOID:
    case REEVE_KIND_BOOL: return 1;
    case REEVE_KIND_INT8: return signed_size(*(const int8_t *)value);
    case REEVE_KIND_INT16: return signed_size(*(const int16_t *)value);
    case REEVE_KIND_INT32: return signed_size(*(const int32_t *)value);
    case REEVE_KIND_INT64: return signed_size(*(const int64_t *)value);
    case REEVE_KIND_UINT8: return unsigned_size(*(const uint8_t *)value);
    case REEVE_KIND_UINT16: return unsigned_size(*(const uint16_t *)value);
    case REEVE_KIND_UINT32: return unsigned_size(*(const uint32_t *)value);
    case REEVE_KIND_UINT64: return unsigned_size(*(const uint64_t *)value);
    case REEVE_KIND_FLOAT: return 5;
    case REEVE_KIND_DOUBLE: return 9;
    case REEVE_KIND_STRING: {
        const char *string = *(const reeve_string *)value;
        if (!string)
            return refuse(error, REEVE_EINVAL, "a string is NULL (an empty one is \"\")");
        size_t size = strlen(string);
        if (size > SPAN_MAX)
            return refuse(error, REEVE_ETOOLARGE, "a string is longer than 4 GiB");
        return string_header_size(size) + size;
    }
    case REEVE_KIND_BYTES: {
        const struct reeve_span *span = value;
        if (!span->data && span->count)
            return refuse(error, REEVE_EINVAL, "a byte span has a size, but its data is NULL");
        if (span->count > SPAN_MAX)
            return refuse(error, REEVE_ETOOLARGE, "a byte span is longer than 4 GiB");
        return bytes_header_size(span->count) + span->count;
    }
    case REEVE_KIND_ARRAY: {
        const struct reeve_span *span = value;
        size_t element_size = reeve_element_size(type->element_kind);
        if (!span->data && span->count)
            return refuse(error, REEVE_EINVAL, "an array has a count, but its items are NULL");
        size_t size = elements_size(span->count, element_size, offset);
        return size ? size : refuse(error, REEVE_ETOOLARGE, "an array is longer than 4 GiB");
    }
    case REEVE_KIND_MATRIX: {
        const struct reeve_grid *grid = value;
        size_t count = matrix_count(grid->rows, grid->columns);
        if (!grid->data && count)
            return refuse(
                error, REEVE_EINVAL, "a matrix has rows and columns, but its items are NULL");
        size_t head = matrix_head_size(grid->rows, grid->columns);
        size_t size = elements_size(count, reeve_element_size(type->element_kind), offset + head);
        return size ? head + size : refuse(error, REEVE_ETOOLARGE, "a matrix is larger than 4 GiB");
    }
    case REEVE_KIND_STRUCT: {
        size_t size = array_header_size(type->member_count);
        for (uint32_t i = 0; i < type->member_count; i++) {
            const struct reeve_member *member = &type->members[i];
            if (member->type->kind == REEVE_KIND_STREAM)
                return refuse(error, REEVE_ETYPE, "a stream is not (part of) a value");
            size_t more = reeve_codec_size(
                member->type, (const char *)value + member->offset, offset + size, error);
            if (!more)
                return 0;
            size += more;
        }
        return size;
    }
    case REEVE_KIND_LIST: {
        const struct reeve_span *span = value;
        const struct reeve_type *item = type->members->type;
        if (!span->data && span->count)
            return refuse(error, REEVE_EINVAL, "an array has a count, but its items are NULL");
        if (span->count > UINT32_MAX)
            return refuse(error, REEVE_ETOOLARGE, "an array has more than 2^32 items");
        size_t size = array_header_size(span->count);
        for (size_t i = 0; i < span->count; i++) {
            size_t more = reeve_codec_size(
                item, (const char *)span->data + i * item->size, offset + size, error);
            if (!more)
                return refuse_item(error, i);
            size += more;
        }
        return size;
    }
    case REEVE_KIND_STREAM:
    case REEVE_KIND_FUTURE:
        if (*(const uint64_t *)value == 0)
            return refuse(error, REEVE_EINVAL, "a future is 0, which is never one");
        return REEVE_FUTURE_SIZE;
    case REEVE_KIND_FUTURES: {
        const struct reeve_span *span = value;
        const uint64_t *ids = span->data;
        if (!span->data && span->count)
            return refuse(error, REEVE_EINVAL, "an array has a count, but its items are NULL");
        if (span->count > UINT32_MAX / sizeof(uint64_t))
            return refuse(error, REEVE_ETOOLARGE, "an array of futures has more than 2^29");
        for (size_t i = 0; i < span->count; i++)
            if (ids[i] == 0)
                return refuse(error, REEVE_EINVAL, "a future in an array is 0, which is never one");
        return REEVE_FUTURES_SIZE;
    }
    }
    return refuse(error, REEVE_EINVAL, "a value has a type that this library does not know");
}

/* ---- writing --------------------------------------------------------------------------------- */

struct sink {
    uint8_t *bytes;
    size_t offset;
    size_t capacity;
};

static int sink_write(void *data, const char *bytes, size_t size)
{
    struct sink *sink = data;
    if (REEVE_UNLIKELY(size > sink->capacity - sink->offset))
        return -1;
    uint8_t *to = sink->bytes + sink->offset;
    switch (size) { /* what scalars and headers come to: no call of memcpy */
    case 1: to[0] = (uint8_t)bytes[0]; break;
    case 2: memcpy(to, bytes, 2); break;
    case 3: memcpy(to, bytes, 3); break;
    case 5: memcpy(to, bytes, 5); break;
    case 9: memcpy(to, bytes, 9); break;
    default: memcpy(to, bytes, size);
    }
    sink->offset += size;
    return 0;
}

static int write_span(struct sink *sink, const void *data, size_t size)
{
    return size ? sink_write(sink, data, size) : 0;
}

/* What stands before `size` bytes of elements. */
static int pack_elements_head(msgpack_packer *packer, unsigned element_kind, size_t size)
{
    static const uint8_t zeros[128];
    struct sink *sink = packer->data;
    uint8_t pad = (uint8_t)array_pad(sink->offset, size, reeve_element_size(element_kind));
    if (msgpack_pack_ext(packer, 1 + pad + size, (int8_t)(REEVE_EXT_ARRAY_BASE + element_kind)))
        return -1;
    return sink_write(sink, (const char *)&pad, 1) || write_span(sink, zeros, pad) ? -1 : 0;
}

static int pack_matrix_head(msgpack_packer *packer, size_t rows, size_t columns)
{
    return msgpack_pack_array(packer, 3) || msgpack_pack_uint64(packer, rows) ||
                   msgpack_pack_uint64(packer, columns)
               ? -1
               : 0;
}

static int pack(msgpack_packer *packer, const struct reeve_type *type, const void *value)
{
    struct sink *sink = packer->data;
    switch ((enum reeve_kind)type->kind) {
    case REEVE_KIND_VOID: return msgpack_pack_nil(packer);
    case REEVE_KIND_BOOL:
        return *(const bool *)value ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
    case REEVE_KIND_INT8: return msgpack_pack_int64(packer, *(const int8_t *)value);
    case REEVE_KIND_INT16: return msgpack_pack_int64(packer, *(const int16_t *)value);
    case REEVE_KIND_INT32: return msgpack_pack_int64(packer, *(const int32_t *)value);
    case REEVE_KIND_INT64: return msgpack_pack_int64(packer, *(const int64_t *)value);
    case REEVE_KIND_UINT8: return msgpack_pack_uint64(packer, *(const uint8_t *)value);
    case REEVE_KIND_UINT16: return msgpack_pack_uint64(packer, *(const uint16_t *)value);
    case REEVE_KIND_UINT32: return msgpack_pack_uint64(packer, *(const uint32_t *)value);
    case REEVE_KIND_UINT64: return msgpack_pack_uint64(packer, *(const uint64_t *)value);
    case REEVE_KIND_FLOAT: return msgpack_pack_float(packer, *(const float *)value);
    case REEVE_KIND_DOUBLE: return msgpack_pack_double(packer, *(const double *)value);
    case REEVE_KIND_STRING: {
        const char *string = *(const reeve_string *)value;
        size_t size = strlen(string);
        if (msgpack_pack_str(packer, size))
            return -1;
        return write_span(sink, string, size);
    }
    case REEVE_KIND_BYTES: {
        const struct reeve_span *span = value;
        if (msgpack_pack_bin(packer, span->count))
            return -1;
        return write_span(sink, span->data, span->count);
    }
    case REEVE_KIND_ARRAY: {
        const struct reeve_span *span = value;
        size_t size = span->count * reeve_element_size(type->element_kind);
        if (pack_elements_head(packer, type->element_kind, size))
            return -1;
        return write_span(sink, span->data, size);
    }
    case REEVE_KIND_MATRIX: {
        const struct reeve_grid *grid = value;
        size_t size = grid->rows * grid->columns * reeve_element_size(type->element_kind);
        if (pack_matrix_head(packer, grid->rows, grid->columns) ||
            pack_elements_head(packer, type->element_kind, size))
            return -1;
        return write_span(sink, grid->data, size);
    }
    case REEVE_KIND_STRUCT:
        if (msgpack_pack_array(packer, type->member_count))
            return -1;
        for (uint32_t i = 0; i < type->member_count; i++) {
            const struct reeve_member *member = &type->members[i];
            if (pack(packer, member->type, (const char *)value + member->offset))
                return -1;
        }
        return 0;
    case REEVE_KIND_LIST: {
        const struct reeve_span *span = value;
        const struct reeve_type *item = type->members->type;
        if (msgpack_pack_array(packer, span->count))
            return -1;
        for (size_t i = 0; i < span->count; i++)
            if (pack(packer, item, (const char *)span->data + i * item->size))
                return -1;
        return 0;
    }
    case REEVE_KIND_STREAM:
    case REEVE_KIND_FUTURE: return msgpack_pack_ext_with_body(packer, "", 1, REEVE_EXT_FUTURE);
    case REEVE_KIND_FUTURES: {
        uint32_t count = (uint32_t)((const struct reeve_span *)value)->count;
        return msgpack_pack_ext_with_body(packer, &count, sizeof count, REEVE_EXT_FUTURES);
    }
    }
    return -1;
}

size_t reeve_codec_pack(const struct reeve_type *type, const void *value, uint8_t *bytes,
    size_t offset, size_t capacity)
{
    if (REEVE_LIKELY(reeve_type_is_scalar(type) && capacity - offset >= REEVE_SCALAR_SIZE_MAX))
        return (size_t)(reeve_scalar_write(type, value, bytes + offset) - bytes);
    struct sink sink = {bytes, offset, capacity};
    msgpack_packer packer = {&sink, sink_write};
    return pack(&packer, type, value) ? 0 : sink.offset;
}

size_t reeve_codec_frame(const struct reeve_type *type, size_t count, size_t columns,
    struct reeve_frame *ret, struct reeve_error_info *error)
{
    struct sink sink = {ret->head, 0, sizeof ret->head};
    msgpack_packer packer = {&sink, sink_write};
    size_t element_size = 1, total = matrix_count(count, columns);
    if (type->kind != REEVE_KIND_BYTES)
        element_size = reeve_element_size(type->element_kind);
    if (total > (SPAN_MAX - 256) / element_size)
        return refuse(error, REEVE_ETOOLARGE, "a value is larger than 4 GiB");
    size_t size = total * element_size;
    if (type->kind == REEVE_KIND_BYTES) {
        msgpack_pack_bin(&packer, size);
    } else {
        if (type->kind == REEVE_KIND_MATRIX)
            pack_matrix_head(&packer, count, columns);
        pack_elements_head(&packer, type->element_kind, size);
    }
    ret->head_size = sink.offset;
    return sink.offset + size;
}

uint32_t reeve_codec_skew(const struct reeve_type *type, size_t size)
{
    return type->kind == REEVE_KIND_BYTES && size > UINT16_MAX ? 5 : 0;
}

size_t reeve_codec_pack_array_header(uint8_t *bytes, size_t count)
{
    struct sink sink = {bytes, 0, 5};
    msgpack_packer packer = {&sink, sink_write};
    msgpack_pack_array(&packer, count);
    return sink.offset;
}

void reeve_codec_pack_object(uint8_t *bytes, const uint8_t id[REEVE_OBJECT_ID_SIZE], uint64_t size)
{
    bytes[0] = 0xc7;
    bytes[1] = REEVE_OBJECT_ID_SIZE + 8;
    bytes[2] = REEVE_EXT_OBJECT;
    memcpy(bytes + 3, id, REEVE_OBJECT_ID_SIZE);
    memcpy(bytes + 3 + REEVE_OBJECT_ID_SIZE, &size, 8);
}

/* ---- splicing -------------------------------------------------------------------------------- */

size_t reeve_codec_splice_size(
    size_t args_size, const struct reeve_splice_value *splices, size_t count)
{
    for (size_t i = 0; i < count; i++)
        args_size += splices[i].size - 1;
    return args_size;
}

void reeve_codec_splice(uint8_t *out, const void *args, size_t args_size,
    const struct reeve_splice_value *splices, size_t count)
{
    const uint8_t *from = args;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        reeve_copy(out, from + at, splices[i].offset - at);
        out += splices[i].offset - at;
        reeve_copy(out, splices[i].bytes, splices[i].size);
        out += splices[i].size;
        at = splices[i].offset + 1;
    }
    reeve_copy(out, from + at, args_size - at);
}
