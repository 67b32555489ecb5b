/* The records of a hand-over, as they lie in it (drawn in owner.h). Packed; read by memcpy. */
#ifndef REEVE_CLIENT_OWNER_RECORDS_H
#define REEVE_CLIENT_OWNER_RECORDS_H

#include <stdint.h>

enum owner_record_kind {
    OWNER_RECORD_VALUE = 1,
    OWNER_RECORD_OBJECT,
    OWNER_RECORD_ERROR,
    OWNER_RECORD_TASK,
    OWNER_RECORD_OWN,
    OWNER_RECORD_ROOTS,
    OWNER_RECORD_STREAM, /* lent; its body is a struct reeve_stream_window */
};

#define OWNER_RECORD_MAP    1u /* flag of an error: its bytes are a map (entry.h) */
#define OWNER_RECORD_PARENT 2u /* flag of a task: it was called by one */

struct owner_record {
    uint64_t origin;
    uint32_t count;
    uint32_t size;
    uint8_t kind;
    uint8_t flags;
    uint16_t zero;
    uint32_t zero_too;
};
_Static_assert(sizeof(struct owner_record) == 24, "records are laid out as drawn");

struct owner_record_error {
    int32_t status;
    uint32_t function;
    uint32_t attempt;
    uint32_t node;
};

struct owner_record_task {
    uint32_t cpu_milli;
    int32_t priority;
    uint32_t function;
    uint32_t timeout_ms;
    uint32_t losses;
    uint32_t losses_max;
    uint32_t retries; /* that are left of those of its failures */
    uint32_t pause_ms;
};

#endif
