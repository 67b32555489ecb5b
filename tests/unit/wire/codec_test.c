/* Control messages through protobuf and back; frames of many messages; refusal of what is
 * malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <reeve_errors.h>

#include "runtime/wire/codec.h"

static void fill(struct reeve_message *message, enum reeve_message_kind kind)
{
    memset(message, 0, sizeof *message);
    message->kind = kind;
    message->code = -1007;
    message->node = UINT32_MAX;
    message->cpu_milli = 1500;
    message->uid = UINT64_MAX;
    message->incarnation = 3;
    message->memory_bytes = 1ull << 40;
    message->lease = 0xabcd000000000001ull;
    message->count = 17;
    message->process = reeve_process_id_make(7, 9);
    message->worker = reeve_process_id_make(8, 1);
    message->class.job = reeve_process_id_make(7, 9);
    memset(message->class.program, 0x5a, sizeof message->class.program);
    message->class.cpu_milli = 250;
    message->class.priority = -5;
    message->class.table = 0xfeedbeef;
    message->actor_number = 0x500000001;
    message->actor_host = UINT64_MAX;
    memset(message->host, 'h', sizeof message->host - 1);
    memset(message->address, 'a', sizeof message->address - 1);
    memset(message->text, 't', sizeof message->text - 1);
}

static void round_trip(const struct reeve_message *message)
{
    uint8_t packed[2048];
    size_t size = reeve_control_pack(message, packed, sizeof packed);
    assert_in_range(size, 1, sizeof packed);
    uint8_t small[4] = {9, 9, 9, 9};
    if (size > 3)
        assert_int_equal(reeve_control_pack(message, small, 3), size);
    assert_int_equal(small[0], 9); /* untouched when it does not fit */
    Reeve__Control *control = reeve__control__unpack(NULL, size, packed);
    assert_non_null(control);
    struct reeve_message back;
    memset(&back, 0xff, sizeof back);
    assert_int_equal(reeve_control_decode(control, &back), REEVE_OK);
    assert_memory_equal(&back, message, sizeof back);
    reeve__control__free_unpacked(control, NULL);
}

static void test_every_kind(void **state)
{
    (void)state;
    for (int kind = REEVE_MESSAGE_JOIN; kind < REEVE_MESSAGE_KIND_COUNT; kind++) {
        struct reeve_message message;
        fill(&message, (enum reeve_message_kind)kind);
        round_trip(&message);
        memset(&message, 0, sizeof message); /* all fields zero */
        message.kind = (enum reeve_message_kind)kind;
        round_trip(&message);
        assert_string_not_equal(reeve_message_kind_name(message.kind), "UNKNOWN");
    }
    assert_string_equal(reeve_message_kind_name(REEVE_MESSAGE_KIND_COUNT), "UNKNOWN");
}

static void test_refused(void **state)
{
    (void)state;
    struct reeve_message message, back;
    struct reeve_control_view view;
    fill(&message, REEVE_MESSAGE_GRANT);
    memset(&back, 0x77, sizeof back);
    struct reeve_message untouched = back;
    char long_text[REEVE_TEXT_SIZE + 1];
    memset(long_text, 'x', REEVE_TEXT_SIZE);
    long_text[REEVE_TEXT_SIZE] = 0;

    for (int what = 0; what < 7; what++) {
        reeve_control_view(&message, &view);
        switch (what) {
        case 0: view.control.kind = REEVE_MESSAGE_NONE; break;
        case 1: view.control.kind = REEVE_MESSAGE_KIND_COUNT; break;
        case 2: view.class.program.len = 31; break;
        case 3: view.control.class_ = NULL; break; /* a grant of what? */
        case 4: view.control.host = long_text; break;
        case 5: view.control.address = long_text; break;
        case 6: view.control.text = long_text; break;
        }
        assert_int_equal(reeve_control_decode(&view.control, &back), REEVE_EPROTOCOL);
        assert_memory_equal(&back, &untouched, sizeof back);
    }
}

static void test_frame(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    size_t capacity = COUNT * 64, size = 0;
    uint8_t *frame = malloc(capacity);
    struct reeve_message message = {.kind = REEVE_MESSAGE_HEARTBEAT};
    struct reeve_control_view view;
    for (uint64_t i = 0; i < COUNT; i++) {
        message.count = i;
        const Reeve__Message *shape = reeve_control_view(&message, &view);
        size_t expected = reeve_frame_message_size(shape);
        assert_int_equal(reeve_frame_message_pack(shape, frame + size), expected);
        size += expected;
    }
    /* what we write is what protobuf reads */
    Reeve__Frame *whole = reeve__frame__unpack(NULL, size, frame);
    assert_non_null(whole);
    assert_int_equal(whole->n_messages, COUNT);
    assert_int_equal(whole->messages[COUNT - 1]->control->count, COUNT - 1);
    reeve__frame__free_unpacked(whole, NULL);

    struct reeve_decoder decoder;
    reeve_decoder_init(&decoder);
    const uint8_t *at = frame, *bytes;
    size_t left = size, bytes_size;
    for (uint64_t i = 0; i < COUNT; i++) {
        assert_int_equal(reeve_frame_next(&at, &left, &bytes, &bytes_size), REEVE_OK);
        const Reeve__Message *decoded = reeve_decoder_decode(&decoder, bytes, bytes_size);
        assert_non_null(decoded);
        assert_int_equal(decoded->control->count, i);
    }
    assert_int_equal(left, 0);
    assert_int_equal(reeve_frame_next(&at, &left, &bytes, &bytes_size), REEVE_EPROTOCOL);
    reeve_decoder_fini(&decoder);
    free(frame);
}

static void test_large_message(void **state)
{
    (void)state;
    /* larger than the decoder's block: it comes from malloc, and is freed (the leak checker
     * watches) */
    size_t data_size = 300000;
    Reeve__ObjectId id = REEVE__OBJECT_ID__INIT;
    Reeve__ObjectChunk chunk = REEVE__OBJECT_CHUNK__INIT;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    chunk.id = &id;
    chunk.has_data = 1;
    chunk.data.len = data_size;
    chunk.data.data = malloc(data_size);
    memset(chunk.data.data, 0x3c, data_size);
    message.body_case = REEVE__MESSAGE__BODY_OBJECT_CHUNK;
    message.object_chunk = &chunk;
    size_t size = reeve_frame_message_size(&message);
    uint8_t *frame = malloc(size);
    assert_int_equal(reeve_frame_message_pack(&message, frame), size);
    const uint8_t *at = frame, *bytes;
    size_t left = size, bytes_size;
    assert_int_equal(reeve_frame_next(&at, &left, &bytes, &bytes_size), REEVE_OK);
    struct reeve_decoder decoder;
    reeve_decoder_init(&decoder);
    for (int i = 0; i < 3; i++) {
        const Reeve__Message *decoded = reeve_decoder_decode(&decoder, bytes, bytes_size);
        assert_non_null(decoded);
        assert_int_equal(decoded->object_chunk->data.len, data_size);
        assert_memory_equal(decoded->object_chunk->data.data, chunk.data.data, data_size);
    }
    assert_null(reeve_decoder_decode(&decoder, bytes, bytes_size - 1));
    reeve_decoder_fini(&decoder);
    free(chunk.data.data);
    free(frame);
}

static void test_malformed_frames(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[8];
        size_t size;
    } cases[] = {
        {{0x0a}, 1},
        {{0x0a, 0x05, 1, 2}, 4},
        {{0x12, 0x00}, 2},
        {{0x0a, 0x80}, 2},
        {{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 7},
        {{0x0a, 0xff, 0xff, 0xff, 0x7f}, 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint8_t *at = cases[i].bytes, *bytes;
        size_t left = cases[i].size, bytes_size;
        assert_int_equal(reeve_frame_next(&at, &left, &bytes, &bytes_size), REEVE_EPROTOCOL);
    }
    struct reeve_decoder decoder;
    reeve_decoder_init(&decoder);
    assert_null(reeve_decoder_decode(&decoder, (const uint8_t *)"", 0)); /* no body */
    reeve_decoder_fini(&decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_large_message),
        cmocka_unit_test(test_malformed_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
