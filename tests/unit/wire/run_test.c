/* Runs of entries, and messages that are decoded where they lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/errors.h"
#include "runtime/wire/codec.h"
#include "runtime/wire/outgoing.h"
#include "runtime/wire/run.h"

static const uint8_t bytes[300] = "what travels";

static struct reeve_run_entry entry_of(uint32_t i)
{
    return (struct reeve_run_entry){.task = (uint64_t)i << 40 | 7,
        .tag = i,
        .attempt = i + 1,
        .function = 3 * i,
        .length = i * 13 % sizeof bytes,
        .references = (uint16_t)i,
        .flags = (uint16_t)~i,
        .status = (int16_t)-i,
        .kind = (uint8_t)i,
        .payload = bytes};
}

static void assert_entry(const struct reeve_run_entry *entry, uint32_t i)
{
    struct reeve_run_entry expected = entry_of(i);
    assert_int_equal(entry->task, expected.task);
    assert_int_equal(entry->tag, expected.tag);
    assert_int_equal(entry->attempt, expected.attempt);
    assert_int_equal(entry->function, expected.function);
    assert_int_equal(entry->references, expected.references);
    assert_int_equal(entry->flags, expected.flags);
    assert_int_equal(entry->status, expected.status);
    assert_int_equal(entry->kind, expected.kind);
    assert_int_equal(entry->length, expected.length);
    assert_memory_equal(entry->payload, bytes, entry->length);
}

static void add(
    struct reeve_outgoing *outgoing, enum reeve_run_kind kind, uint64_t lease, uint32_t i)
{
    struct reeve_run_entry entry = entry_of(i);
    uint8_t *out = reeve_outgoing_add_entry(
        outgoing, kind, lease, REEVE_ENTRY_HEAD_SIZE + (size_t)entry.length);
    assert_non_null(out);
    reeve_run_entry_write(out, &entry);
}

/* Entries `from`… of the run; returns the one after the last. */
static uint32_t assert_run(ProtobufCBinaryData data, uint32_t from)
{
    const uint8_t *at = data.data;
    size_t left = data.len;
    struct reeve_run_entry entry;
    while (reeve_run_next(&at, &left, &entry))
        assert_entry(&entry, from++);
    assert_int_equal(left, 0);
    return from;
}

/* Entries of one lease share a message; another lease, kind or message in between begins anew.
 * Protobuf reads them in the same way as we do. */
static void test_runs_in_a_frame(void **state)
{
    (void)state;
    struct reeve_outgoing outgoing;
    struct reeve_outgoing_frame frame;
    reeve_outgoing_init(&outgoing, 1 << 20);
    for (uint32_t i = 0; i < 50; i++)
        add(&outgoing, REEVE_RUN_CALLS, 77, i);
    add(&outgoing, REEVE_RUN_CALLS, 78, 0);
    add(&outgoing, REEVE_RUN_RETURNS, 78, 0);
    Reeve__TakeBack take_back = REEVE__TAKE_BACK__INIT;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    message.body_case = REEVE__MESSAGE__BODY_TAKE_BACK;
    message.take_back = &take_back;
    assert_int_equal(reeve_outgoing_add(&outgoing, &message), REEVE_OK);
    add(&outgoing, REEVE_RUN_RETURNS, 78, 0);
    add(&outgoing, REEVE_RUN_RETURNS, 78, 1);
    assert_true(reeve_outgoing_take(&outgoing, &frame));
    assert_int_equal(outgoing.bytes, 0);

    uint8_t *payload = (uint8_t *)nng_msg_body(frame.message) + REEVE_FRAME_HEADER_SIZE;
    size_t size = nng_msg_len(frame.message) - REEVE_FRAME_HEADER_SIZE;
    Reeve__Frame *whole = reeve__frame__unpack(NULL, size, payload);
    assert_non_null(whole);
    assert_int_equal(whole->n_messages, 5);
    assert_int_equal(whole->messages[0]->calls->lease, 77);
    assert_int_equal(assert_run(whole->messages[0]->calls->entries, 0), 50);
    assert_int_equal(whole->messages[1]->calls->lease, 78);
    assert_int_equal(assert_run(whole->messages[4]->returns->entries, 0), 2);

    struct reeve_decoder decoder;
    reeve_decoder_init(&decoder);
    const uint8_t *at = payload, *part;
    size_t left = size, part_size;
    for (size_t i = 0; i < whole->n_messages; i++) {
        assert_int_equal(reeve_frame_next(&at, &left, &part, &part_size), REEVE_OK);
        const Reeve__Message *decoded = reeve_decoder_decode(&decoder, part, part_size);
        assert_non_null(decoded);
        assert_int_equal(decoded->body_case, whole->messages[i]->body_case);
        if (decoded->body_case == REEVE__MESSAGE__BODY_TAKE_BACK)
            continue;
        bool calls = decoded->body_case == REEVE__MESSAGE__BODY_CALLS;
        ProtobufCBinaryData data = calls ? decoded->calls->entries : decoded->returns->entries;
        assert_int_equal(calls ? decoded->calls->lease : decoded->returns->lease, i == 0 ? 77 : 78);
        assert_true(data.data > payload && data.data < payload + size); /* not a copy */
        assert_run(data, 0);
    }
    reeve_decoder_fini(&decoder);
    reeve__frame__free_unpacked(whole, NULL);
    nng_msg_free(frame.message);
    reeve_outgoing_fini(&outgoing);
}

/* A frame is closed when it has some 256 KiB; an entry that needs more has one of its own; one that
 * can never fit is refused. */
static void test_large_entries(void **state)
{
    (void)state;
    struct reeve_outgoing outgoing;
    struct reeve_outgoing_frame frame;
    reeve_outgoing_init(&outgoing, 1 << 20);
    static uint8_t large[600000];
    size_t count = 0;
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t length = i == 2 ? sizeof large : 100000;
        struct reeve_run_entry entry = {.task = i, .length = length, .payload = large};
        uint8_t *out = reeve_outgoing_add_entry(
            &outgoing, REEVE_RUN_CALLS, 1, REEVE_ENTRY_HEAD_SIZE + (size_t)length);
        assert_non_null(out);
        reeve_run_entry_write(out, &entry);
    }
    assert_null(reeve_outgoing_add_entry(&outgoing, REEVE_RUN_CALLS, 1, 1 << 20));
    while (reeve_outgoing_take(&outgoing, &frame)) {
        static const uint32_t firsts[] = {0, 2, 3};
        const uint8_t *at = (uint8_t *)nng_msg_body(frame.message) + REEVE_FRAME_HEADER_SIZE, *part;
        size_t left = nng_msg_len(frame.message) - REEVE_FRAME_HEADER_SIZE, part_size;
        struct reeve_plain plain;
        struct reeve_run_entry entry;
        assert_int_equal(reeve_frame_next(&at, &left, &part, &part_size), REEVE_OK);
        assert_int_equal(left, 0);
        const Reeve__Message *message = reeve_plain_decode(&plain, part, part_size);
        assert_non_null(message);
        at = message->calls->entries.data;
        left = message->calls->entries.len;
        assert_true(reeve_run_next(&at, &left, &entry));
        assert_int_equal(entry.task, firsts[count]);
        count++;
        nng_msg_free(frame.message);
    }
    assert_int_equal(count, 3);
    reeve_outgoing_fini(&outgoing);
}

static void test_cut_entries(void **state)
{
    (void)state;
    struct reeve_run_entry entry = entry_of(5), got;
    uint8_t out[REEVE_ENTRY_HEAD_SIZE + sizeof bytes];
    size_t size = REEVE_ENTRY_HEAD_SIZE + entry.length;
    reeve_run_entry_write(out, &entry);
    for (size_t cut = 0; cut < size; cut++) {
        const uint8_t *at = out;
        size_t left = cut;
        assert_false(reeve_run_next(&at, &left, &got));
        assert_int_equal(left, cut);
    }
    out[31] = 1; /* what later versions may use */
    const uint8_t *at = out;
    assert_false(reeve_run_next(&at, &size, &got));
}

/* Chunks: read like protobuf, or left to it. */
static void test_chunks(void **state)
{
    (void)state;
    Reeve__ObjectId id = REEVE__OBJECT_ID__INIT;
    Reeve__ObjectChunk chunk = REEVE__OBJECT_CHUNK__INIT;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    struct reeve_plain plain;
    uint8_t out[1024];
    message.body_case = REEVE__MESSAGE__BODY_OBJECT_CHUNK;
    message.object_chunk = &chunk;
    id.owner = 1ull << 63 | 5;
    id.sequence = 1ull << 40;
    chunk.id = &id;
    chunk.offset = 3ull << 33;
    chunk.size = UINT64_MAX >> 2;
    chunk.has_data = 1;
    chunk.data = (ProtobufCBinaryData){.len = sizeof bytes, .data = (uint8_t *)(uintptr_t)bytes};
    size_t size = reeve__message__pack(&message, out);
    const Reeve__Message *read = reeve_plain_decode(&plain, out, size);
    assert_non_null(read);
    assert_int_equal(read->object_chunk->id->owner, id.owner);
    assert_int_equal(read->object_chunk->id->sequence, id.sequence);
    assert_int_equal(read->object_chunk->offset, chunk.offset);
    assert_int_equal(read->object_chunk->size, chunk.size);
    assert_int_equal(read->object_chunk->data.len, sizeof bytes);
    assert_memory_equal(read->object_chunk->data.data, bytes, sizeof bytes);
    for (size_t cut = 0; cut < size; cut++)
        assert_null(reeve_plain_decode(&plain, out, cut));
    chunk.has_data = 0;
    chunk.has_code = 1;
    chunk.code = REEVE_ELOST;
    size = reeve__message__pack(&message, out);
    assert_null(reeve_plain_decode(&plain, out, size));
    struct reeve_decoder decoder;
    reeve_decoder_init(&decoder);
    read = reeve_decoder_decode(&decoder, out, size);
    assert_non_null(read);
    assert_int_equal(read->object_chunk->code, REEVE_ELOST);
    reeve_decoder_fini(&decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_in_a_frame),
        cmocka_unit_test(test_large_entries),
        cmocka_unit_test(test_cut_entries),
        cmocka_unit_test(test_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
