/* Fuzz target: msgpack values into typed unpackers, and packed arguments into tasks.
 *
 * The first byte chooses the type, or the function, or the check alone; the rest is the input. What
 * unpacks must pack again, and unpack to the same; what does not must say why; skip and check
 * agree.
 */
#include "api/client/invoke.h"
#include "api/client/registry.h"
#include "runtime/base/assert.h"

#include <stdlib.h>
#include <string.h>

REEVE_STRUCT(inner, (reeve_string, name), (int8_t, tag), (reeve_uint16_array, marks))
REEVE_STRUCT(outer, (double, x), (inner, in), (reeve_double_array, numbers), (reeve_bytes, blob),
    (bool, flag), (float, f), (uint64_t, last))

REEVE_STRUCT(
    lists, (reeve_string_array, names), (reeve_array_inner, all), (reeve_bytes_array, blobs))
REEVE_ARRAY_TYPE(reeve_array_lists)
REEVE_ARRAY_TYPE(reeve_double_array)

REEVE_REMOTE(outer, mix, (outer, o), (int32_t, i), (reeve_string, s), (reeve_bytes, b),
    (reeve_int64_array, a))
{
    uint64_t sum = (uint64_t)i + strlen(s);
    for (size_t j = 0; j < b.size; j++)
        sum += ((const uint8_t *)b.data)[j];
    for (size_t j = 0; j < a.count; j++)
        sum += (uint64_t)a.items[j];
    o.last = sum;
    return o;
}

REEVE_REMOTE(reeve_array_lists, turn, (reeve_array_lists, all), (reeve_string_array, names))
{
    size_t sum = 0;
    for (size_t i = 0; i < names.count; i++)
        sum += strlen(names.items[i]);
    lists *turned = reeve_alloc(all.count * sizeof *turned);
    REEVE_ASSERT(all.count == 0 || turned);
    for (size_t i = 0; i < all.count; i++)
        turned[i] = all.items[all.count - 1 - i];
    return (reeve_array_lists){turned, sum % 2 ? all.count : all.count / 2};
}

static int echo(void *context, const void *args, size_t size, reeve_packed *result)
{
    (void)context;
    *result = (reeve_packed){args, size};
    return REEVE_OK;
}

static const struct reeve_type *const types[] = {&reeve_type_bool, &reeve_type_int8_t,
    &reeve_type_int64_t, &reeve_type_uint32_t, &reeve_type_uint64_t, &reeve_type_float,
    &reeve_type_double, &reeve_type_reeve_string, &reeve_type_reeve_bytes,
    &reeve_type_reeve_int8_array, &reeve_type_reeve_double_array, &reeve_type_inner,
    &reeve_type_outer, &reeve_type_void};
#define TYPE_COUNT (sizeof types / sizeof *types)
static const struct reeve_type *const list_types[] = {&reeve_type_reeve_string_array,
    &reeve_type_reeve_bytes_array, &reeve_type_reeve_array_inner, &reeve_type_lists,
    &reeve_type_reeve_array_reeve_array_lists, &reeve_type_reeve_array_reeve_double_array};
#define LIST_TYPE_COUNT (sizeof list_types / sizeof *list_types)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unpack(const struct reeve_type *type, const uint8_t *bytes, size_t size)
{
    _Alignas(16) char value[sizeof(outer)], again[sizeof(outer)];
    struct reeve_error_info error = {0};
    int rc = reeve_codec_unpack(type, bytes, size, value, NULL, "the value", &error);
    if (rc) {
        REEVE_ASSERT(rc == REEVE_ETYPE || rc == REEVE_EPROTOCOL || rc == REEVE_EDEPTH);
        REEVE_ASSERT(error.code == rc && error.message[0]);
        return;
    }
    REEVE_ASSERT(reeve_codec_check(bytes, size, NULL) == REEVE_OK);
    size_t packed_size = reeve_codec_size(type, value, 0, NULL);
    REEVE_ASSERT(packed_size);
    uint8_t *packed = malloc(packed_size);
    REEVE_ASSERT(packed && reeve_codec_pack(type, value, packed, 0, packed_size) == packed_size);
    REEVE_ASSERT(
        reeve_codec_unpack(type, packed, packed_size, again, NULL, "it", NULL) == REEVE_OK);
    uint8_t *packed_again = malloc(packed_size);
    REEVE_ASSERT(reeve_codec_size(type, again, 0, NULL) == packed_size);
    REEVE_ASSERT(
        packed_again && reeve_codec_pack(type, again, packed_again, 0, packed_size) == packed_size);
    REEVE_ASSERT(memcmp(packed, packed_again, packed_size) == 0);
    reeve_codec_clear(type, value);
    reeve_codec_clear(type, again);
    free(packed);
    free(packed_again);
}

static const uint8_t *object;
static size_t object_size;

static int resolve(struct reeve_invocation *invocation, const uint8_t id[REEVE_OBJECT_ID_SIZE],
    uint64_t size, const void **bytes)
{
    (void)invocation;
    if (size > object_size || id[0] == 1)
        return REEVE_ELOST;
    *bytes = object;
    return REEVE_OK;
}

static void invoke(const char *name, const uint8_t *args, size_t size)
{
    object = args;
    object_size = size;
    struct reeve_invocation invocation;
    reeve_invocation_init(&invocation, reeve_registry_find(name), args, size);
    invocation.resolve = resolve;
    int rc = reeve_invoke(&invocation);
    if (rc == REEVE_OK)
        REEVE_ASSERT(
            reeve_codec_check(invocation.result, invocation.result_size, NULL) == REEVE_OK);
    else
        REEVE_ASSERT(invocation.error.code == rc && invocation.error.message[0]);
    reeve_invocation_fini(&invocation);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (!reeve_registry_count()) {
        REEVE_ASSERT(reeve_register("echo", echo, NULL) == REEVE_OK);
        REEVE_ASSERT(reeve_registry_seal(NULL) == REEVE_OK);
    }
    size_t choice = data[0] % (TYPE_COUNT + 3 + LIST_TYPE_COUNT + 1);
    size--;
    uint8_t *bytes = malloc(size); /* exactly: so that a read past the end is seen */
    REEVE_ASSERT(bytes);
    memcpy(bytes, data + 1, size);
    if (choice < TYPE_COUNT) {
        unpack(types[choice], bytes, size);
    } else if (choice == TYPE_COUNT) {
        invoke("mix", bytes, size);
    } else if (choice == TYPE_COUNT + 1) {
        invoke("echo", bytes, size);
    } else if (choice >= TYPE_COUNT + 3 + LIST_TYPE_COUNT) {
        invoke("turn", bytes, size);
    } else if (choice >= TYPE_COUNT + 3) {
        unpack(list_types[choice - TYPE_COUNT - 3], bytes, size);
    } else {
        size_t skipped = reeve_codec_skip(bytes, size);
        REEVE_ASSERT(skipped <= size);
        REEVE_ASSERT((reeve_codec_check(bytes, size, NULL) == REEVE_OK) == (skipped == size));
    }
    free(bytes);
    return 0;
}
