/* Runs: the entries of a bridged channel that travel in one message, Calls or Returns.
 *
 * A call is some tens of bytes, and there may be hundreds of thousands a second, so an entry is
 * copied once on each side: from its ring into the frame that is being filled, and from the frame
 * that has come into the other ring. Protobuf sees a run as one field of bytes:
 *
 *   message  | 0a | length | 12 or 1a | length | 09 | lease 8 | 12 | length | entry | entry | …
 *
 * The lengths are varints of four bytes each, whatever they say, so that a run can grow in place.
 * An entry:
 *
 *   0      8     12        16         20       24     26      28       30     31     32
 *   | task | tag | attempt | function | length | refs | flags | status | kind | zero | payload … |
 *
 * Numbers are little-endian. `tag` is the sender's of the call, and comes back with its return;
 * the payload is that of runtime/channel/entry.h, forwarded as it is. */
#ifndef REEVE_WIRE_RUN_H
#define REEVE_WIRE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REEVE_RUN_HEAD_SIZE   24u /* of the message, frame tag included */
#define REEVE_ENTRY_HEAD_SIZE 32u

enum reeve_run_kind { REEVE_RUN_CALLS, REEVE_RUN_RETURNS };

struct reeve_run_entry {
    uint64_t task;
    uint32_t tag;
    uint32_t attempt;
    uint32_t function;
    uint32_t length;
    uint16_t references;
    uint16_t flags;
    int16_t status;
    uint8_t kind;
    const uint8_t *payload; /* `length` bytes */
};

/* Writes the head of a message whose entries have so many bytes, less than 2^28. */
void reeve_run_head_write(
    uint8_t out[REEVE_RUN_HEAD_SIZE], enum reeve_run_kind kind, uint64_t lease, size_t size);

/* Writes head and payload: REEVE_ENTRY_HEAD_SIZE + length bytes. */
void reeve_run_entry_write(uint8_t *out, const struct reeve_run_entry *entry);

/* Takes the next entry off a run: *data and *size advance over it. False at its end, and when
 * what is left is no entry (then *size is not 0). */
bool reeve_run_next(const uint8_t **data, size_t *size, struct reeve_run_entry *ret);

#endif
