/* The descriptors of the basic value types. */
#include "api/client/types.h"

#include "runtime/base/macros.h"

#define BASIC(T, spoken, kind) \
    const struct reeve_type reeve_type_##T = {spoken, REEVE_KIND_##kind, 0, 0, sizeof(T), NULL};
#define ARRAY(T, spoken, element)              \
    const struct reeve_type reeve_type_##T = { \
        spoken, REEVE_KIND_ARRAY, REEVE_KIND_##element, 0, sizeof(T), NULL};
#define MATRIX(T, spoken, element)             \
    const struct reeve_type reeve_type_##T = { \
        spoken, REEVE_KIND_MATRIX, REEVE_KIND_##element, 0, sizeof(T), NULL};
#define LIST(T, spoken, item)                                                          \
    static const struct reeve_member T##_items[] = {{"items", &reeve_type_##item, 0}}; \
    const struct reeve_type reeve_type_##T = {spoken, REEVE_KIND_LIST, 0, 1, sizeof(T), T##_items};

const struct reeve_type reeve_type_void = {"void", REEVE_KIND_VOID, 0, 0, 0, NULL};
BASIC(_Bool, "bool", BOOL)
BASIC(int8_t, "int8", INT8)
BASIC(int16_t, "int16", INT16)
BASIC(int32_t, "int32", INT32)
BASIC(int64_t, "int64", INT64)
BASIC(uint8_t, "uint8", UINT8)
BASIC(uint16_t, "uint16", UINT16)
BASIC(uint32_t, "uint32", UINT32)
BASIC(uint64_t, "uint64", UINT64)
BASIC(float, "float", FLOAT)
BASIC(double, "double", DOUBLE)
BASIC(reeve_string, "string", STRING)
BASIC(reeve_bytes, "bytes", BYTES)
ARRAY(reeve_int8_array, "int8[]", INT8)
ARRAY(reeve_int16_array, "int16[]", INT16)
ARRAY(reeve_int32_array, "int32[]", INT32)
ARRAY(reeve_int64_array, "int64[]", INT64)
ARRAY(reeve_uint8_array, "uint8[]", UINT8)
ARRAY(reeve_uint16_array, "uint16[]", UINT16)
ARRAY(reeve_uint32_array, "uint32[]", UINT32)
ARRAY(reeve_uint64_array, "uint64[]", UINT64)
ARRAY(reeve_float_array, "float[]", FLOAT)
ARRAY(reeve_double_array, "double[]", DOUBLE)
LIST(reeve_string_array, "string[]", reeve_string)
LIST(reeve_bytes_array, "bytes[]", reeve_bytes)
MATRIX(reeve_int32_matrix, "int32[,]", INT32)
MATRIX(reeve_int64_matrix, "int64[,]", INT64)
MATRIX(reeve_float_matrix, "float[,]", FLOAT)
MATRIX(reeve_double_matrix, "double[,]", DOUBLE)

_Static_assert(sizeof(int) == sizeof(int32_t), "int is int32_t");
_Static_assert(sizeof(size_t) == sizeof(uint64_t), "size_t is uint64_t");

static const struct {
    const char *name;
    size_t size;
} elements[] = {
    [REEVE_KIND_INT8] = {"int8", 1},
    [REEVE_KIND_INT16] = {"int16", 2},
    [REEVE_KIND_INT32] = {"int32", 4},
    [REEVE_KIND_INT64] = {"int64", 8},
    [REEVE_KIND_UINT8] = {"uint8", 1},
    [REEVE_KIND_UINT16] = {"uint16", 2},
    [REEVE_KIND_UINT32] = {"uint32", 4},
    [REEVE_KIND_UINT64] = {"uint64", 8},
    [REEVE_KIND_FLOAT] = {"float", 4},
    [REEVE_KIND_DOUBLE] = {"double", 8},
};

size_t reeve_element_size(unsigned kind)
{
    return kind < REEVE_ARRAY_COUNT(elements) ? elements[kind].size : 0;
}

const char *reeve_element_name(unsigned kind)
{
    return reeve_element_size(kind) ? elements[kind].name : NULL;
}
