/* Decoding without copying; see plain.h. */
#include "runtime/wire/plain.h"

#include <stdbool.h>
#include <string.h>

/* What is left to read. A field that is not as expected ends it: `good` is then false. */
struct reader {
    const uint8_t *at, *end;
    bool good;
};

static bool take_tag(struct reader *reader, uint8_t tag)
{
    if (!reader->good || reader->at == reader->end || *reader->at != tag)
        return false;
    reader->at++;
    return true;
}

static uint64_t take_varint(struct reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; reader->good && shift < 63; shift += 7) {
        if (reader->at == reader->end)
            break;
        uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return value;
    }
    reader->good = false;
    return 0;
}

static ProtobufCBinaryData take_bytes(struct reader *reader)
{
    uint64_t length = take_varint(reader);
    ProtobufCBinaryData data = {0};
    if (length > UINT32_MAX >> 4 || length > (size_t)(reader->end - reader->at))
        reader->good = false;
    if (!reader->good)
        return data;
    data.len = (size_t)length;
    data.data = (uint8_t *)(uintptr_t)reader->at;
    reader->at += length;
    return data;
}

static uint64_t take_fixed64(struct reader *reader)
{
    uint64_t value = 0;
    if ((size_t)(reader->end - reader->at) < sizeof value)
        reader->good = false;
    if (!reader->good)
        return 0;
    memcpy(&value, reader->at, sizeof value);
    reader->at += sizeof value;
    return value;
}

/* The fields of a message within: all that is left. */
static struct reader inner(struct reader *reader)
{
    ProtobufCBinaryData data = take_bytes(reader);
    return (struct reader){data.data, data.data + data.len, reader->good && data.len > 0};
}

static bool done(const struct reader *reader)
{
    return reader->good && reader->at == reader->end;
}

static bool run_decode(struct reader fields, uint64_t *lease, ProtobufCBinaryData *entries)
{
    if (!take_tag(&fields, 0x09))
        return false;
    *lease = take_fixed64(&fields);
    if (!take_tag(&fields, 0x12))
        return false;
    *entries = take_bytes(&fields);
    return done(&fields);
}

static bool chunk_decode(struct reader fields, Reeve__ObjectChunk *chunk, Reeve__ObjectId *id)
{
    if (!take_tag(&fields, 0x0a))
        return false;
    struct reader names = inner(&fields);
    if (!take_tag(&names, 0x09))
        return false;
    id->owner = take_fixed64(&names);
    if (!take_tag(&names, 0x11))
        return false;
    id->sequence = take_fixed64(&names);
    if (!done(&names) || !take_tag(&fields, 0x10))
        return false;
    chunk->offset = take_varint(&fields);
    if (!take_tag(&fields, 0x18))
        return false;
    chunk->size = take_varint(&fields);
    if (!take_tag(&fields, 0x22)) /* without data it is rare */
        return false;
    chunk->has_data = 1;
    chunk->data = take_bytes(&fields);
    if (!take_tag(&fields, 0x30))
        return false;
    chunk->number = take_varint(&fields);
    return done(&fields); /* with more it is rare, too */
}

const Reeve__Message *reeve_plain_decode(
    struct reeve_plain *plain, const uint8_t *bytes, size_t size)
{
    struct reader reader = {bytes, bytes + size, true};
    Reeve__Message *message = &plain->message;
    if (size == 0)
        return NULL;
    uint8_t tag = *reader.at++;
    if (tag != 0x12 && tag != 0x1a && tag != 0x32)
        return NULL;
    struct reader fields = inner(&reader);
    if (!done(&reader) || !fields.good)
        return NULL;
    reeve__message__init(message);
    switch (tag) {
    case 0x12:
        reeve__calls__init(&plain->calls);
        message->body_case = REEVE__MESSAGE__BODY_CALLS;
        message->calls = &plain->calls;
        return run_decode(fields, &plain->calls.lease, &plain->calls.entries) ? message : NULL;
    case 0x1a:
        reeve__returns__init(&plain->returns);
        message->body_case = REEVE__MESSAGE__BODY_RETURNS;
        message->returns = &plain->returns;
        return run_decode(fields, &plain->returns.lease, &plain->returns.entries) ? message : NULL;
    default:
        reeve__object_chunk__init(&plain->chunk);
        reeve__object_id__init(&plain->id);
        message->body_case = REEVE__MESSAGE__BODY_OBJECT_CHUNK;
        message->object_chunk = &plain->chunk;
        plain->chunk.id = &plain->id;
        return chunk_decode(fields, &plain->chunk, &plain->id) ? message : NULL;
    }
}
