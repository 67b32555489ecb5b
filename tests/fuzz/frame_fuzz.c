/* The payload of a frame, as it comes from a peer: the walk over its messages, their decoding,
 * control messages to structs and back. Our walk must agree with protobuf's own reading of the
 * whole, and a control message must survive a round trip. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <reeve_errors.h>

#include "runtime/base/assert.h"
#include "runtime/wire/codec.h"
#include "runtime/wire/frame.h"
#include "runtime/wire/run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_control(const Reeve__Control *control)
{
    struct reeve_message message, again;
    uint8_t packed[4096];
    if (reeve_control_decode(control, &message) != REEVE_OK)
        return;
    size_t size = reeve_control_pack(&message, packed, sizeof packed);
    REEVE_ASSERT(size <= sizeof packed);
    Reeve__Control *back = reeve__control__unpack(NULL, size, packed);
    REEVE_ASSERT(back != NULL && reeve_control_decode(back, &again) == REEVE_OK);
    REEVE_ASSERT(memcmp(&message, &again, sizeof message) == 0);
    reeve__control__free_unpacked(back, NULL);
}

/* What is decoded where it lies is what protobuf makes of it. */
static void check_plain(const uint8_t *data, size_t size)
{
    struct reeve_plain plain;
    const Reeve__Message *ours = reeve_plain_decode(&plain, data, size);
    if (ours == NULL)
        return;
    Reeve__Message *theirs = reeve__message__unpack(NULL, size, data);
    REEVE_ASSERT(theirs != NULL && theirs->body_case == ours->body_case);
    size_t packed = reeve__message__get_packed_size(theirs);
    REEVE_ASSERT(packed == reeve__message__get_packed_size(ours));
    uint8_t *a = malloc(packed + 1), *b = malloc(packed + 1);
    REEVE_ASSERT(a != NULL && b != NULL);
    reeve__message__pack(theirs, a);
    reeve__message__pack(ours, b);
    REEVE_ASSERT(memcmp(a, b, packed) == 0);
    free(a);
    free(b);
    reeve__message__free_unpacked(theirs, NULL);
}

static void check_run(ProtobufCBinaryData run)
{
    const uint8_t *at = run.data;
    size_t left = run.len;
    struct reeve_run_entry entry;
    while (reeve_run_next(&at, &left, &entry))
        REEVE_ASSERT(entry.payload + entry.length == at);
    REEVE_ASSERT(left == 0 || at + left == run.data + run.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reeve_frame_header header;
    reeve_frame_header_read(data, size, &header);

    struct reeve_decoder decoder;
    reeve_decoder_init(&decoder);
    const uint8_t *at = data, *bytes;
    size_t left = size, bytes_size, count = 0;
    bool good = true;
    while (left != 0) {
        const Reeve__Message *message = NULL;
        if (reeve_frame_next(&at, &left, &bytes, &bytes_size) == REEVE_OK) {
            check_plain(bytes, bytes_size);
            message = reeve_decoder_decode(&decoder, bytes, bytes_size);
        }
        if (message == NULL) {
            good = false;
            break;
        }
        if (message->body_case == REEVE__MESSAGE__BODY_CONTROL)
            check_control(message->control);
        if (message->body_case == REEVE__MESSAGE__BODY_CALLS)
            check_run(message->calls->entries);
        count++;
    }
    reeve_decoder_fini(&decoder);
    if (good) {
        Reeve__Frame *whole = reeve__frame__unpack(NULL, size, data);
        REEVE_ASSERT(whole != NULL && whole->n_messages == count);
        reeve__frame__free_unpacked(whole, NULL);
    }
    return 0;
}
