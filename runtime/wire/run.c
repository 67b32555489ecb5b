/* Runs of entries; see run.h. */
#include "runtime/wire/run.h"

#include <string.h>

#include "runtime/base/assert.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "entries are written as they lie");

/* As entries lie on the wire. */
struct head {
    uint64_t task;
    uint32_t tag, attempt, function, length;
    uint16_t references, flags;
    int16_t status;
    uint8_t kind, zero;
};
_Static_assert(sizeof(struct head) == REEVE_ENTRY_HEAD_SIZE, "the drawing is the layout");

/* A varint of four bytes. */
static uint8_t *length_write(uint8_t *out, size_t length)
{
    REEVE_ASSERT(length < 1u << 28);
    for (int i = 0; i < 4; i++)
        *out++ = (uint8_t)((length >> (7 * i) & 0x7f) | (i < 3 ? 0x80 : 0));
    return out;
}

void reeve_run_head_write(
    uint8_t out[REEVE_RUN_HEAD_SIZE], enum reeve_run_kind kind, uint64_t lease, size_t size)
{
    uint8_t *at = out;
    *at++ = 0x0a;
    at = length_write(at, REEVE_RUN_HEAD_SIZE - 5 + size);
    *at++ = kind == REEVE_RUN_CALLS ? 0x12 : 0x1a;
    at = length_write(at, REEVE_RUN_HEAD_SIZE - 10 + size);
    *at++ = 0x09;
    memcpy(at, &lease, sizeof lease);
    at += sizeof lease;
    *at++ = 0x12;
    at = length_write(at, size);
    REEVE_ASSERT(at == out + REEVE_RUN_HEAD_SIZE);
}

void reeve_run_entry_write(uint8_t *out, const struct reeve_run_entry *entry)
{
    struct head head = {.task = entry->task,
        .tag = entry->tag,
        .attempt = entry->attempt,
        .function = entry->function,
        .length = entry->length,
        .references = entry->references,
        .flags = entry->flags,
        .status = entry->status,
        .kind = entry->kind};
    memcpy(out, &head, sizeof head);
    if (entry->length > 0)
        memcpy(out + sizeof head, entry->payload, entry->length);
}

bool reeve_run_next(const uint8_t **data, size_t *size, struct reeve_run_entry *ret)
{
    struct head head;
    if (*size < sizeof head)
        return false;
    memcpy(&head, *data, sizeof head);
    if (head.length > *size - sizeof head || head.zero != 0)
        return false;
    *ret = (struct reeve_run_entry){.task = head.task,
        .tag = head.tag,
        .attempt = head.attempt,
        .function = head.function,
        .length = head.length,
        .references = head.references,
        .flags = head.flags,
        .status = head.status,
        .kind = head.kind,
        .payload = *data + sizeof head};
    *data += sizeof head + head.length;
    *size -= sizeof head + head.length;
    return true;
}
