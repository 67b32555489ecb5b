/* floors_codec.c: msgpack as fast as msgpack-c lets us: packed straight into the slot, unpacked
 * into one zone that is cleared, not made anew. */
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/floors_internal.h"

struct floor_codec {
    msgpack_zone zone;
};

struct floor_codec *floor_codec_create(void)
{
    struct floor_codec *codec = malloc(sizeof *codec);
    if (codec == NULL || !msgpack_zone_init(&codec->zone, 2048))
        abort();
    return codec;
}

struct cursor {
    uint8_t *at;
};

static int cursor_write(void *data, const char *bytes, size_t length)
{
    struct cursor *cursor = data;
    memcpy(cursor->at, bytes, length);
    cursor->at += length;
    return 0;
}

uint32_t floor_codec_pack_call(uint8_t *bytes, int64_t value)
{
    struct cursor cursor = {bytes};
    msgpack_packer packer;
    msgpack_packer_init(&packer, &cursor, cursor_write);
    msgpack_pack_array(&packer, 1);
    msgpack_pack_int64(&packer, value);
    return (uint32_t)(cursor.at - bytes);
}

uint32_t floor_codec_pack_return(uint8_t *bytes, int64_t value)
{
    struct cursor cursor = {bytes};
    msgpack_packer packer;
    msgpack_packer_init(&packer, &cursor, cursor_write);
    msgpack_pack_int64(&packer, value);
    return (uint32_t)(cursor.at - bytes);
}

static msgpack_object unpack(struct floor_codec *codec, const uint8_t *bytes, uint32_t length)
{
    msgpack_object object;
    size_t offset = 0;
    if (msgpack_unpack((const char *)bytes, length, &offset, &codec->zone, &object) !=
        MSGPACK_UNPACK_SUCCESS)
        abort();
    return object;
}

int64_t floor_codec_unpack_call(struct floor_codec *codec, const uint8_t *bytes, uint32_t length)
{
    msgpack_object object = unpack(codec, bytes, length);
    if (object.type != MSGPACK_OBJECT_ARRAY || object.via.array.size != 1)
        abort();
    int64_t value = object.via.array.ptr[0].via.i64;
    msgpack_zone_clear(&codec->zone);
    return value;
}

int64_t floor_codec_unpack_return(struct floor_codec *codec, const uint8_t *bytes, uint32_t length)
{
    return unpack(codec, bytes, length).via.i64; /* an integer takes nothing from the zone */
}
