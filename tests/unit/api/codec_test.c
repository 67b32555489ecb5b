/* The codec: every type there and back, its limits, and input that is wrong in every way. */
#include "api/client/codec.h"
#include "api/client/invoke.h"
#include "api/client/scalar.h"
#include "runtime/base/macros.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>
#include <msgpack.h>

REEVE_STRUCT(inner, (reeve_string, name), (int8_t, tag))
REEVE_STRUCT(outer, (double, x), (inner, in), (reeve_double_array, numbers), (reeve_bytes, blob),
    (bool, flag), (uint16_t, last))

static uint8_t packed[1 << 16];

static size_t pack(const struct reeve_type *type, const void *value)
{
    struct reeve_error_info error = {0};
    size_t size = reeve_codec_size(type, value, 0, &error);
    assert_true(size > 0 && size <= sizeof packed);
    assert_int_equal(
        reeve_codec_pack(type, value, packed, 0, size), size); /* exactly what was said */
    assert_int_equal(reeve_codec_pack(type, value, packed, 0, size - 1), 0);
    assert_int_equal(reeve_codec_check(packed, size, &error), REEVE_OK);
    assert_int_equal(reeve_codec_skip(packed, size), size);
    return size;
}

#define ROUND_TRIP(T, ...)                                                                         \
    do {                                                                                           \
        T values[] = {__VA_ARGS__};                                                                \
        for (size_t i_ = 0; i_ < REEVE_ARRAY_COUNT(values); i_++) {                                \
            T back = 0;                                                                            \
            size_t size_ = pack(&REEVE_JOIN(reeve_type_, T), &values[i_]);                         \
            assert_int_equal(reeve_codec_unpack(&REEVE_JOIN(reeve_type_, T), packed, size_, &back, \
                                 NULL, "it", NULL),                                                \
                0);                                                                                \
            assert_memory_equal(&back, &values[i_], sizeof back);                                  \
        }                                                                                          \
    } while (0)

static void scalars_round_trip(void **state)
{
    (void)state;
    ROUND_TRIP(int8_t, 0, 1, -1, -32, -33, INT8_MIN, INT8_MAX);
    ROUND_TRIP(int16_t, 0, -128, -129, 127, 128, 255, 256, INT16_MIN, INT16_MAX);
    ROUND_TRIP(int32_t, 0, -32768, -32769, 65535, 65536, INT32_MIN, INT32_MAX);
    ROUND_TRIP(int64_t, 0, INT32_MIN, (int64_t)INT32_MIN - 1, UINT32_MAX, (int64_t)UINT32_MAX + 1,
        INT64_MIN, INT64_MAX);
    ROUND_TRIP(uint8_t, 0, 127, 128, UINT8_MAX);
    ROUND_TRIP(uint16_t, 0, 255, 256, UINT16_MAX);
    ROUND_TRIP(uint32_t, 0, 65535, 65536, UINT32_MAX);
    ROUND_TRIP(uint64_t, 0, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX);
    ROUND_TRIP(float, 0, -0.0f, 1.5f, FLT_MAX, FLT_MIN, INFINITY, NAN);
    ROUND_TRIP(double, 0, -0.0, 1.5, DBL_MAX, DBL_MIN, -INFINITY, NAN);
    ROUND_TRIP(bool, true, false);
    ROUND_TRIP(int, 7, -7);
    ROUND_TRIP(size_t, 7, SIZE_MAX);
}

/* Numbers have a way of their own (scalar.h), where there is room for the longest. */
static void check_scalar(const struct reeve_type *type, const void *value)
{
    uint8_t bytes[REEVE_SCALAR_SIZE_MAX], back[8], cut[8];
    size_t size = pack(type, value); /* by msgpack-c: there is room for no more than it needs */
    assert_ptr_equal(reeve_scalar_write(type, value, bytes), bytes + size);
    assert_memory_equal(bytes, packed, size);
    assert_ptr_equal(reeve_scalar_read(type, bytes, bytes + size, back), bytes + size);
    assert_memory_equal(back, value, type->size);
    for (size_t i = 0; i < size; i++)
        assert_null(reeve_scalar_read(type, bytes, bytes + i, cut));
}

static void scalars_are_written_as_by_msgpack_c(void **state)
{
    (void)state;
#define CHECK_SCALAR(T, V)                                  \
    do {                                                    \
        T value_ = (T)(V);                                  \
        check_scalar(&REEVE_JOIN(reeve_type_, T), &value_); \
    } while (0)
    for (int shift = 0; shift < 64; shift++) {
        for (int64_t off = -2; off <= 2; off++) {
            uint64_t bits = (UINT64_C(1) << shift) + (uint64_t)off;
            CHECK_SCALAR(int8_t, bits);
            CHECK_SCALAR(int16_t, bits);
            CHECK_SCALAR(int32_t, bits);
            CHECK_SCALAR(int64_t, bits);
            CHECK_SCALAR(int64_t, -bits);
            CHECK_SCALAR(uint8_t, bits);
            CHECK_SCALAR(uint16_t, bits);
            CHECK_SCALAR(uint32_t, bits);
            CHECK_SCALAR(uint64_t, bits);
            CHECK_SCALAR(double, bits);
            CHECK_SCALAR(float, bits);
        }
    }
    CHECK_SCALAR(bool, true);
    CHECK_SCALAR(bool, false);
    CHECK_SCALAR(double, -0.0);
    CHECK_SCALAR(float, NAN);
}

/* Others may write longer forms than they need, or what has no place in the type. */
static void integers_of_any_form_are_read(void **state)
{
    (void)state;
    static const struct reeve_type *const types[] = {&reeve_type_int8_t, &reeve_type_int16_t,
        &reeve_type_int32_t, &reeve_type_int64_t, &reeve_type_uint8_t, &reeve_type_uint16_t,
        &reeve_type_uint32_t, &reeve_type_uint64_t};
    static const int64_t low[] = {INT8_MIN, INT16_MIN, INT32_MIN, INT64_MIN, 0, 0, 0, 0};
    static const uint64_t high[] = {
        INT8_MAX, INT16_MAX, INT32_MAX, INT64_MAX, UINT8_MAX, UINT16_MAX, UINT32_MAX, UINT64_MAX};
    for (unsigned form = 0; form < 8; form++) {
        unsigned width = 8u << (form & 3), is_signed = form >> 2;
        for (unsigned i = 0; i < 256; i++) { /* the first byte and the last one */
            uint8_t bytes[9] = {(uint8_t)(0xcc + form)};
            bytes[1] = (uint8_t)(i < 128 ? i : 0xff * (i & 1));
            bytes[width / 8] |= (uint8_t)i;
            uint64_t value = 0;
            for (unsigned b = 1; b <= width / 8; b++)
                value = value << 8 | bytes[b];
            bool negative = is_signed && value >> (width - 1);
            if (negative && width < 64)
                value |= UINT64_MAX << width;
            for (unsigned t = 0; t < REEVE_ARRAY_COUNT(types); t++) {
                bool fits = negative ? (int64_t)value >= low[t] : value <= high[t];
                uint8_t back[8], slow[8];
                const uint8_t *end = bytes + 1 + width / 8;
                assert_ptr_equal(reeve_scalar_read(types[t], bytes, end, back), fits ? end : NULL);
                int code =
                    reeve_codec_unpack(types[t], bytes, 1 + width / 8, slow, NULL, "it", NULL);
                assert_int_equal(code == 0, fits);
                if (fits)
                    assert_memory_equal(back, &value, types[t]->size);
            }
        }
    }
}

static void spans_round_trip(void **state)
{
    (void)state;
    static char text[40000];
    static const size_t sizes[] = {0, 1, 31, 32, 255, 256, 1023, 1024, 39999};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(sizes); i++) {
        memset(text, 'a', sizeof text);
        text[sizes[i]] = 0;
        reeve_string string = text, back;
        size_t size = pack(&reeve_type_reeve_string, &string);
        assert_int_equal(
            reeve_codec_unpack(&reeve_type_reeve_string, packed, size, &back, NULL, "it", NULL), 0);
        assert_string_equal(back, text);
        reeve_clear(reeve_string, &back);
        assert_null(back);

        reeve_bytes bytes = {text, sizes[i]}, bytes_back;
        size = pack(&reeve_type_reeve_bytes, &bytes);
        assert_int_equal(reeve_codec_unpack(
                             &reeve_type_reeve_bytes, packed, size, &bytes_back, NULL, "it", NULL),
            0);
        assert_int_equal(bytes_back.size, sizes[i]);
        if (sizes[i])
            assert_memory_equal(bytes_back.data, text, sizes[i]);
        reeve_clear(reeve_bytes, &bytes_back);
    }
}

/* Of every count from 0 to beyond each change of header, wherever in the message it begins. */
static void arrays_round_trip_aligned(void **state)
{
    (void)state;
    double items[200];
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(items); i++)
        items[i] = (double)i / 3;
    _Alignas(64) static uint8_t buffer[4096];
    for (size_t count = 0; count <= REEVE_ARRAY_COUNT(items); count++) {
        for (size_t offset = 0; offset < 70; offset += 3) {
            reeve_double_array array = {items, count}, back = {0};
            size_t size = reeve_codec_size(&reeve_type_reeve_double_array, &array, offset, NULL);
            assert_int_equal(reeve_codec_pack(&reeve_type_reeve_double_array, &array, buffer,
                                 offset, offset + size),
                offset + size);
            struct reeve_arena arena;
            reeve_arena_init(&arena, NULL, 0);
            assert_int_equal(reeve_codec_unpack(&reeve_type_reeve_double_array, buffer + offset,
                                 size, &back, &arena, "it", NULL),
                0);
            assert_int_equal(back.count, count);
            if (count) { /* a view, aligned */
                assert_memory_equal(back.items, items, count * sizeof *items);
                assert_true((uint8_t *)back.items > buffer &&
                            (uint8_t *)back.items < buffer + sizeof buffer);
                size_t alignment = count * sizeof *items >= 1024 ? 64 : 8;
                assert_int_equal((uintptr_t)back.items % alignment, 0);
            }
            reeve_arena_fini(&arena);
        }
    }
}

static void misaligned_arrays_are_copied(void **state)
{
    (void)state;
    int32_t items[] = {1, -2, 3};
    reeve_int32_array array = {items, 3}, back;
    size_t size = pack(&reeve_type_reeve_int32_array, &array);
    _Alignas(8) uint8_t shifted[64];
    memcpy(shifted + 1, packed, size);
    uint8_t first[64];
    struct reeve_arena arena;
    reeve_arena_init(&arena, first, sizeof first);
    assert_int_equal(reeve_codec_unpack(&reeve_type_reeve_int32_array, shifted + 1, size, &back,
                         &arena, "it", NULL),
        0);
    assert_int_equal((uintptr_t)back.items % 4, 0);
    assert_memory_equal(back.items, items, sizeof items);
    reeve_arena_fini(&arena);
}

static outer sample(double *numbers)
{
    numbers[0] = 0.5;
    numbers[1] = -2;
    return (outer){1.25, {"name", -7}, {numbers, 2}, {"\0\1\2", 3}, true, 65535};
}

static void structs_round_trip(void **state)
{
    (void)state;
    double numbers[2];
    outer value = sample(numbers), back;
    size_t size = pack(&reeve_type_outer, &value);
    assert_int_equal(
        reeve_codec_unpack(&reeve_type_outer, packed, size, &back, NULL, "it", NULL), 0);
    assert_true(back.x == 1.25 && back.in.tag == -7 && back.flag && back.last == 65535);
    assert_string_equal(back.in.name, "name");
    assert_int_equal(back.numbers.count, 2);
    assert_memory_equal(back.numbers.items, numbers, sizeof numbers);
    assert_memory_equal(back.blob.data, "\0\1\2", 3);
    reeve_clear(outer, &back);
    assert_null(back.blob.data);
}

/* Every prefix of a good message is an error; and the caller's value stays as it was. */
static void truncation_is_an_error(void **state)
{
    (void)state;
    double numbers[2];
    outer value = sample(numbers), back;
    size_t size = pack(&reeve_type_outer, &value);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1); /* so that a sanitizer sees a read past the end */
        memcpy(exact, packed, cut);
        memset(&back, 0x5a, sizeof back);
        struct reeve_error_info error = {0};
        int rc = reeve_codec_unpack(&reeve_type_outer, exact, cut, &back, NULL, "it", &error);
        assert_int_equal(rc, REEVE_EPROTOCOL);
        assert_int_equal(error.code, rc);
        for (size_t i = 0; i < sizeof back; i++)
            assert_int_equal(((uint8_t *)&back)[i], 0x5a);
        free(exact);
    }
}

static void garbage_is_survived(void **state)
{
    (void)state;
    double numbers[2];
    outer value = sample(numbers);
    size_t size = pack(&reeve_type_outer, &value);
    uint64_t seed = 42;
    size_t accepted = 0;
    for (int round = 0; round < 200000; round++) {
        uint8_t bytes[256];
        memcpy(bytes, packed, size);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        for (unsigned changes = 1 + (seed >> 60); changes > 0; changes--) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bytes[(seed >> 33) % size] = (uint8_t)(seed >> 24);
        }
        outer back;
        struct reeve_error_info error = {0};
        int rc = reeve_codec_unpack(&reeve_type_outer, bytes, size, &back, NULL, "it", &error);
        if (rc == REEVE_OK) {
            accepted++;
            reeve_clear(outer, &back);
        } else {
            assert_true(rc == REEVE_ETYPE || rc == REEVE_EPROTOCOL || rc == REEVE_EDEPTH);
            assert_true(error.message[0]);
        }
    }
    assert_true(accepted > 0 && accepted < 200000); /* both were exercised */
}

/* ---- what errors say ------------------------------------------------------------------------- */

static void expect_error(
    const struct reeve_type *type, const char *bytes, size_t size, int code, const char *said)
{
    char value[256];
    struct reeve_error_info error = {0};
    assert_int_equal(
        reeve_codec_unpack(type, bytes, size, value, NULL, "the result", &error), code);
    assert_string_equal(error.message, said);
}
#define EXPECT(T, bytes, code, said) \
    expect_error(&REEVE_JOIN(reeve_type_, T), bytes, sizeof(bytes) - 1, code, said)

static void mismatches_say_what_came(void **state)
{
    (void)state;
    EXPECT(int8_t, "\xcc\x80", REEVE_ETYPE, "the result: expected int8, got the integer 128");
    EXPECT(int8_t, "\xd1\xff\x7f", REEVE_ETYPE, "the result: expected int8, got the integer -129");
    EXPECT(uint64_t, "\xff", REEVE_ETYPE, "the result: expected uint64, got the integer -1");
    EXPECT(int64_t, "\xcf\x80\0\0\0\0\0\0\0", REEVE_ETYPE,
        "the result: expected int64, got the integer 9223372036854775808");
    EXPECT(int64_t, "\xcb\x3f\xf8\0\0\0\0\0\0", REEVE_ETYPE,
        "the result: expected int64, got the number 1.5");
    EXPECT(int64_t, "\xa3xyz", REEVE_ETYPE, "the result: expected int64, got a string of 3 bytes");
    EXPECT(int64_t, "\xc0", REEVE_ETYPE, "the result: expected int64, got nil");
    EXPECT(int64_t, "\x92\1\2", REEVE_ETYPE, "the result: expected int64, got a list of 2");
    EXPECT(bool, "\1", REEVE_ETYPE, "the result: expected bool, got the integer 1");
    EXPECT(double, "\xc3", REEVE_ETYPE, "the result: expected double, got the bool true");
    EXPECT(double, "\xcf\0\x20\0\0\0\0\0\1", REEVE_ETYPE,
        "the result: expected double, got the integer 9007199254740993");
    EXPECT(reeve_string, "\xc4\2xy", REEVE_ETYPE, "the result: expected string, got 2 bytes");
    EXPECT(reeve_string, "\xa2x\0", REEVE_ETYPE,
        "the result: expected string, got one with a zero byte inside (use reeve_bytes for such "
        "data)");
    EXPECT(reeve_bytes, "\x81\1\2", REEVE_ETYPE, "the result: expected bytes, got a map of 1");
    EXPECT(reeve_double_array, "\xd5\x14\0\1", REEVE_ETYPE,
        "the result: expected double[], got int32[]");
    EXPECT(reeve_double_array, "\xd5\x7f\0\1", REEVE_ETYPE,
        "the result: expected double[], got an extension of type 127, 2 bytes");
    EXPECT(reeve_int16_array, "\xd5\x13\0\1", REEVE_EPROTOCOL,
        "the result: an array ends within an element");
    EXPECT(reeve_int16_array, "\xd4\x13\5", REEVE_EPROTOCOL,
        "the result: an array of numbers is malformed");
    EXPECT(inner, "\x92\xa1x\xcd\1\0", REEVE_ETYPE,
        "the result, member tag: expected int8, got the integer 256");
    EXPECT(inner, "\x91\xa1x", REEVE_ETYPE, "the result: expected inner, got a list of 1");
    EXPECT(void, "\1", REEVE_ETYPE, "the result: expected void, got the integer 1");
    EXPECT(int64_t, "\1\2", REEVE_EPROTOCOL, "the result: bytes are left over after the value");
    EXPECT(int64_t, "", REEVE_EPROTOCOL,
        "the result: the message ends in the middle, or is not msgpack");
}

static void integers_are_taken_for_floating(void **state)
{
    (void)state;
    double d;
    float f;
    assert_int_equal(reeve_codec_unpack(&reeve_type_double, "\x07", 1, &d, NULL, "it", NULL), 0);
    assert_true(d == 7);
    assert_int_equal(reeve_codec_unpack(&reeve_type_double, "\xff", 1, &d, NULL, "it", NULL), 0);
    assert_true(d == -1);
    assert_int_equal(
        reeve_codec_unpack(&reeve_type_double, "\xca\x3f\xc0\0\0", 5, &d, NULL, "it", NULL), 0);
    assert_true(d == 1.5);
    assert_int_equal(
        reeve_codec_unpack(&reeve_type_float, "\xcb\x3f\xf8\0\0\0\0\0\0", 9, &f, NULL, "it", NULL),
        0);
    assert_true(f == 1.5f);
}

/* ---- nesting, and promises that the input does not keep -------------------------------------- */

static void nesting_is_bounded(void **state)
{
    (void)state;
    uint8_t bytes[1000];
    memset(bytes, 0x91, sizeof bytes);
    struct reeve_error_info error = {0};
    for (int depth = 1; depth <= 40; depth++) {
        bytes[depth] = 1;
        int rc = reeve_codec_check(bytes, (size_t)depth + 1, &error);
        assert_int_equal(rc, depth <= REEVE_DEPTH_MAX ? REEVE_OK : REEVE_EDEPTH);
        bytes[depth] = 0x91;
    }
    assert_string_equal(error.message, "arrays and maps are nested deeper than 32");
    assert_int_equal(reeve_codec_check(bytes, sizeof bytes, &error), REEVE_EDEPTH);
    int64_t value;
    bytes[999] = 1;
    assert_int_equal(
        reeve_codec_unpack(&reeve_type_int64_t, bytes, sizeof bytes, &value, NULL, "it", &error),
        REEVE_EDEPTH);
}

static void empty_promises_cost_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } inputs[] = {
        {"\xdd\xff\xff\xff\xff", 5},     /* array of four billion */
        {"\xdf\xff\xff\xff\xff\1\2", 7}, /* map of them */
        {"\xdb\xff\xff\xff\xff"
         "a",
            6}, /* string */
        {"\xc6\x7f\xff\xff\xff"
         "a",
            6}, /* bytes */
        {"\xc9\x7f\xff\xff\xff\x12"
         "a",
            7}, /* int8[] */
        {"\xc1", 1},
        {"\xd9", 1},
        {"\xc7\1", 2},
        {"\xd8\1", 2},
    };
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(inputs); i++) {
        assert_int_equal(reeve_codec_skip(inputs[i].bytes, inputs[i].size), 0);
        assert_int_equal(reeve_codec_check(inputs[i].bytes, inputs[i].size, NULL), REEVE_EPROTOCOL);
        reeve_bytes value;
        assert_int_equal(reeve_codec_unpack(&reeve_type_reeve_bytes, inputs[i].bytes,
                             inputs[i].size, &value, NULL, "it", NULL),
            REEVE_EPROTOCOL);
    }
}

/* ---- what cannot be packed ------------------------------------------------------------------- */

static void null_is_refused(void **state)
{
    (void)state;
    struct reeve_error_info error = {0};
    reeve_string string = NULL;
    assert_int_equal(reeve_codec_size(&reeve_type_reeve_string, &string, 0, &error), 0);
    assert_int_equal(error.code, REEVE_EINVAL);
    reeve_bytes bytes = {NULL, 1};
    assert_int_equal(reeve_codec_size(&reeve_type_reeve_bytes, &bytes, 0, &error), 0);
    reeve_int64_array array = {NULL, 1};
    assert_int_equal(reeve_codec_size(&reeve_type_reeve_int64_array, &array, 0, &error), 0);
    array = (reeve_int64_array){&(int64_t){1}, SIZE_MAX / 4};
    assert_int_equal(reeve_codec_size(&reeve_type_reeve_int64_array, &array, 0, &error), 0);
    assert_int_equal(error.code, REEVE_ETOOLARGE);
}

/* ---- agreement with msgpack-c ---------------------------------------------------------------- */

static void msgpack_c_reads_what_we_write(void **state)
{
    (void)state;
    double numbers[2];
    outer value = sample(numbers);
    size_t size = pack(&reeve_type_outer, &value);
    msgpack_unpacked result;
    msgpack_unpacked_init(&result);
    size_t offset = 0;
    assert_int_equal(
        msgpack_unpack_next(&result, (char *)packed, size, &offset), MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(offset, size);
    assert_int_equal(result.data.type, MSGPACK_OBJECT_ARRAY);
    assert_int_equal(result.data.via.array.size, 6);
    assert_true(result.data.via.array.ptr[0].via.f64 == 1.25);
    assert_int_equal(
        result.data.via.array.ptr[2].via.ext.type, REEVE_EXT_ARRAY_BASE + REEVE_KIND_DOUBLE);
    msgpack_unpacked_destroy(&result);
}

static void we_skip_what_msgpack_c_writes(void **state)
{
    (void)state;
    msgpack_sbuffer buffer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer packer;
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    static char body[70000];
    static const size_t sizes[] = {0, 1, 2, 4, 8, 16, 17, 255, 256, 65535, 65536};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(sizes); i++) {
        msgpack_sbuffer_clear(&buffer);
        msgpack_pack_map(&packer, 1);
        msgpack_pack_str(&packer, sizes[i]);
        msgpack_pack_str_body(&packer, body, sizes[i]);
        msgpack_pack_array(&packer, 3);
        msgpack_pack_bin(&packer, sizes[i]);
        msgpack_pack_bin_body(&packer, body, sizes[i]);
        msgpack_pack_ext(&packer, sizes[i], 5);
        msgpack_pack_ext_body(&packer, body, sizes[i]);
        msgpack_pack_int64(&packer, -(int64_t)sizes[i]);
        assert_int_equal(reeve_codec_skip(buffer.data, buffer.size), buffer.size);
        for (size_t cut = buffer.size > 300 ? buffer.size - 300 : 0; cut < buffer.size; cut++)
            assert_int_equal(reeve_codec_skip(buffer.data, cut), 0);
    }
    msgpack_sbuffer_destroy(&buffer);
}

/* ---- splices, arena -------------------------------------------------------------------------- */

static void splices_take_the_place_of_nil(void **state)
{
    (void)state;
    static const char args[] = "\x94\xc0\x01\xc0\xc0";
    const struct reeve_splice_value splices[] = {
        {1, "\xa2hi", 3}, {3, "\x07", 1}, {4, "\xcd\1\2", 3}};
    size_t size = reeve_codec_splice_size(5, splices, 3);
    assert_int_equal(size, 9);
    uint8_t out[9];
    reeve_codec_splice(out, args, 5, splices, 3);
    assert_memory_equal(out, "\x94\xa2hi\x01\x07\xcd\1\2", 9);
    reeve_codec_splice(out, args, 5, NULL, 0);
    assert_memory_equal(out, args, 5);
}

static void arena_gives_aligned_memory_and_frees_it(void **state)
{
    (void)state;
    uint8_t first[128];
    struct reeve_arena arena;
    reeve_arena_init(&arena, first + 1, sizeof first - 1);
    for (size_t size = 1; size < 20000; size += size / 3 + 1) {
        for (size_t alignment = 1; alignment <= 64; alignment *= 2) {
            uint8_t *memory = reeve_arena_alloc(&arena, size, alignment);
            assert_non_null(memory);
            assert_int_equal((uintptr_t)memory % alignment, 0);
            memset(memory, 0xee, size);
            if (size % 3 == 0)
                assert_true(reeve_arena_adopt(&arena, malloc(10)));
        }
    }
    assert_null(reeve_arena_alloc(&arena, SIZE_MAX - 100, 1));
    reeve_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_round_trip),
        cmocka_unit_test(scalars_are_written_as_by_msgpack_c),
        cmocka_unit_test(integers_of_any_form_are_read),
        cmocka_unit_test(spans_round_trip),
        cmocka_unit_test(arrays_round_trip_aligned),
        cmocka_unit_test(misaligned_arrays_are_copied),
        cmocka_unit_test(structs_round_trip),
        cmocka_unit_test(truncation_is_an_error),
        cmocka_unit_test(garbage_is_survived),
        cmocka_unit_test(mismatches_say_what_came),
        cmocka_unit_test(integers_are_taken_for_floating),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(empty_promises_cost_nothing),
        cmocka_unit_test(null_is_refused),
        cmocka_unit_test(msgpack_c_reads_what_we_write),
        cmocka_unit_test(we_skip_what_msgpack_c_writes),
        cmocka_unit_test(splices_take_the_place_of_nil),
        cmocka_unit_test(arena_gives_aligned_memory_and_frees_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
