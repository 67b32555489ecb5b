/* Arrays of strings, of structs and of arrays: how they travel, what is refused, whose the memory
 * is, and (inline) everywhere that a value can stand. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "api/client/codec.h"
#include "api/client/registry.h"
#include "runtime/base/macros.h"
#include "tests/unit/api/inline_mode.h"

REEVE_STRUCT(word, (reeve_string, text), (int32_t, count))
REEVE_STRUCT(
    page, (reeve_string_array, lines), (reeve_array_word, words), (reeve_double_array, weights))
REEVE_STRUCT(task, (reeve_future_int64_t, answer), (reeve_string, name))
REEVE_ARRAY_TYPE(reeve_double_array)
REEVE_ARRAY_TYPE(reeve_array_page)

/* ---- how they travel ------------------------------------------------------------------------- */

static const reeve_string three[] = {"one", "", "a string of more than thirty-two bytes, in fact"};
static const word words[] = {{"x", 1}, {"yy", -2}};
static const double weights[] = {0.5, 1.5, 2.5};

static page sample(void)
{
    return (page){{three, 3}, {words, 2}, {weights, 3}};
}

static void expect_sample(const page *it)
{
    assert_int_equal(it->lines.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(it->lines.items[i], three[i]);
    assert_int_equal(it->words.count, 2);
    assert_string_equal(it->words.items[1].text, "yy");
    assert_int_equal(it->words.items[1].count, -2);
    assert_int_equal(it->weights.count, 3);
    assert_memory_equal(it->weights.items, weights, sizeof weights);
}

/* All depths at once: an array of arrays of structs of arrays. */
static void they_travel(void **state)
{
    (void)state;
    page pages[] = {sample(), {{NULL, 0}, {NULL, 0}, {NULL, 0}}, sample()};
    reeve_array_page twice[] = {{pages, 3}, {NULL, 0}, {pages, 1}};
    reeve_array_reeve_array_page all = {twice, 3}, back;
    const struct reeve_type *type = &reeve_type_reeve_array_reeve_array_page;
    _Alignas(64) uint8_t bytes[1024];
    struct reeve_error_info error;
    size_t size = reeve_codec_size(type, &all, 0, &error);
    assert_true(size > 0 && size <= sizeof bytes);
    assert_int_equal(reeve_codec_pack(type, &all, bytes, 0, size), size);
    assert_int_equal(reeve_codec_pack(type, &all, bytes, 0, size - 1), 0);
    assert_int_equal(reeve_codec_pack(type, &all, bytes, 0, size), size);
    assert_int_equal(reeve_codec_check(bytes, size, &error), REEVE_OK);
    for (int in_arena = 0; in_arena < 2; in_arena++) {
        struct reeve_arena arena;
        reeve_arena_init(&arena, NULL, 0);
        assert_int_equal(
            reeve_codec_unpack(type, bytes, size, &back, in_arena ? &arena : NULL, "it", &error),
            REEVE_OK);
        assert_int_equal(back.count, 3);
        assert_int_equal(back.items[0].count, 3);
        expect_sample(&back.items[0].items[0]);
        assert_int_equal(back.items[0].items[1].lines.count, 0);
        assert_null(back.items[0].items[1].lines.items);
        expect_sample(&back.items[0].items[2]);
        assert_int_equal(back.items[1].count, 0);
        expect_sample(&back.items[2].items[0]);
        const uint8_t *there = (const uint8_t *)back.items[2].items[0].weights.items;
        assert_int_equal(there > bytes && there < bytes + size, in_arena); /* numbers: in place */
        if (!in_arena)
            reeve_codec_clear(type, &back);
        reeve_arena_fini(&arena);
    }
    /* wherever it is cut nothing is left behind, and the caller's value is as it was */
    for (size_t cut = 0; cut < size; cut++) {
        back = (reeve_array_reeve_array_page){twice, 77};
        assert_int_equal(
            reeve_codec_unpack(type, bytes, cut, &back, NULL, "it", &error), REEVE_EPROTOCOL);
        assert_true(back.items == twice && back.count == 77);
    }
}

static void many_items(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 15, 16, UINT16_MAX, UINT16_MAX + 1};
    reeve_string *items = calloc(UINT16_MAX + 1, sizeof *items);
    assert_non_null(items);
    for (size_t i = 0; i <= UINT16_MAX; i++)
        items[i] = i % 2 ? "odd" : "";
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(counts); i++) {
        reeve_string_array array = {items, counts[i]}, back;
        const struct reeve_type *type = &reeve_type_reeve_string_array;
        size_t size = reeve_codec_size(type, &array, 0, NULL);
        uint8_t *bytes = malloc(size);
        assert_non_null(bytes);
        assert_int_equal(reeve_codec_pack(type, &array, bytes, 0, size), size);
        assert_int_equal(reeve_codec_unpack(type, bytes, size, &back, NULL, "it", NULL), REEVE_OK);
        assert_int_equal(back.count, counts[i]);
        for (size_t k = 0; k < back.count; k++)
            assert_string_equal(back.items[k], items[k]);
        reeve_clear(reeve_string_array, &back);
        assert_null(back.items);
        assert_int_equal(back.count, 0);
        free(bytes);
    }
    free(items);
}

static void futures_keep_their_order(void **state)
{
    (void)state;
    task tasks[] = {{{11}, "a"}, {{12}, "b"}, {{13}, "c"}};
    reeve_array_task array = {tasks, 3}, back;
    const struct reeve_type *type = &reeve_type_reeve_array_task;
    uint8_t bytes[64];
    struct reeve_future_ids ids = {0};
    size_t size = reeve_codec_size(type, &array, 0, NULL);
    assert_int_equal(reeve_codec_pack(type, &array, bytes, 0, size), size);
    assert_int_equal(reeve_codec_future_count(bytes, size), 3);
    assert_int_equal(reeve_codec_futures(type, &array, &ids, NULL), REEVE_OK);
    assert_int_equal(ids.count, 3);
    const uint64_t theirs[] = {21, 22, 23};
    assert_int_equal(
        reeve_codec_unpack_with(type, bytes, size, theirs, 3, &back, NULL, "it", NULL), REEVE_OK);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(ids.ids[i], 11 + i);
        assert_int_equal(back.items[i].answer.id, 21 + i);
    }
    reeve_clear(reeve_array_task, &back);
    struct reeve_error_info error;
    assert_int_equal(
        reeve_codec_unpack_with(type, bytes, size, theirs, 2, &back, NULL, "it", &error),
        REEVE_EPROTOCOL);
    assert_string_equal(error.message,
        "it, items[2], member answer: a future stands in the value that is not beside it");
    reeve_future_ids_fini(&ids);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void other_shapes_are_named(void **state)
{
    (void)state;
    static const struct {
        const struct reeve_type *type;
        const char *bytes;
        size_t size;
        int code;
        const char *says;
    } wrong[] = {
        {&reeve_type_reeve_string_array, "\x05", 1, REEVE_ETYPE,
            "it: expected string[], got the integer 5"},
        {&reeve_type_reeve_string_array, "\x93\xa1x\xa1y\xc0", 6, REEVE_ETYPE,
            "it, items[2]: expected string, got nil"},
        {&reeve_type_reeve_bytes_array, "\x91\xa1x", 3, REEVE_ETYPE,
            "it, items[0]: expected bytes, got a string of 1 bytes"},
        {&reeve_type_reeve_array_word, "\x92\x92\xa1x\x01\x92\xa1y\xcb\0\0\0\0\0\0\0\0", 17,
            REEVE_ETYPE, "it, items[1], member count: expected int32, got the number 0"},
        {&reeve_type_reeve_array_word, "\x91\x90", 2, REEVE_ETYPE,
            "it: expected word[], got a list of 1"},
        {&reeve_type_reeve_array_word, "\x91\x91\xa2xy", 5, REEVE_ETYPE,
            "it, items[0]: expected word, got a list of 1"},
        {&reeve_type_reeve_array_word, "\x81\x01\x02", 3, REEVE_ETYPE,
            "it: expected word[], got a map of 1"},
        {&reeve_type_reeve_array_reeve_double_array, "\x92\xd4\x1b\0\xd4\x14\0", 7, REEVE_ETYPE,
            "it, items[1]: expected double[], got int32[]"},
        /* headers that promise what does not follow: refused before any memory is taken */
        {&reeve_type_reeve_string_array, "\xdd\xff\xff\xff\xff\xa1x", 7, REEVE_EPROTOCOL,
            "these 7 bytes are not a complete msgpack value"},
        {&reeve_type_reeve_array_word, "\xdc\x00\x03\x92\xa1x\x01\x92\xa1y\x02", 11,
            REEVE_EPROTOCOL, "these 11 bytes are not a complete msgpack value"},
    };
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(wrong); i++) {
        struct reeve_error_info error = {0};
        struct reeve_string_array value;
        assert_int_equal(reeve_codec_unpack(wrong[i].type, wrong[i].bytes, wrong[i].size, &value,
                             NULL, "it", &error),
            wrong[i].code);
        if (strstr(error.message, wrong[i].says) == NULL)
            fail_msg("%zu: %s", i, error.message);
    }
}

static void what_cannot_be_packed(void **state)
{
    (void)state;
    struct reeve_error_info error = {0};
    reeve_string two[] = {"fine", NULL};
    page pages[] = {sample(), {{two, 2}, {NULL, 0}, {NULL, 0}}};
    reeve_array_page all = {pages, 2};
    assert_int_equal(reeve_codec_size(&reeve_type_reeve_array_page, &all, 0, &error), 0);
    assert_int_equal(error.code, REEVE_EINVAL);
    assert_string_equal(
        error.message, "items[1]: items[1]: a string is NULL (an empty one is \"\")");
    assert_int_equal(reeve_codec_size(&reeve_type_reeve_array_page, &all, 0, NULL), 0);
    all = (reeve_array_page){NULL, 2};
    assert_int_equal(reeve_codec_size(&reeve_type_reeve_array_page, &all, 0, &error), 0);
    assert_int_equal(error.code, REEVE_EINVAL);
    all = (reeve_array_page){pages, (size_t)UINT32_MAX + 1};
    assert_int_equal(reeve_codec_size(&reeve_type_reeve_array_page, &all, 0, &error), 0);
    assert_int_equal(error.code, REEVE_ETOOLARGE);
}

/* ---- everywhere that a value can stand ------------------------------------------------------- */

REEVE_REMOTE(reeve_array_word, count_words, (reeve_string_array, texts))
{
    word *counted = reeve_alloc(texts.count * sizeof *counted);
    for (size_t i = 0; i < texts.count; i++)
        counted[i] = (word){texts.items[i], (int32_t)strlen(texts.items[i])};
    return (reeve_array_word){counted, texts.count};
}
REEVE_REMOTE(page, turn, (page, p), (reeve_array_page, more))
{
    return more.count ? more.items[more.count - 1] : p;
}
REEVE_REMOTE(reeve_array_task, begin, (reeve_array_word, all))
{
    task *tasks = reeve_alloc(all.count * sizeof *tasks);
    for (size_t i = 0; i < all.count; i++)
        tasks[i] = (task){reeve_put(int64_t, all.items[i].count), all.items[i].text};
    return (reeve_array_task){tasks, all.count};
}
REEVE_STREAM(reeve_array_word, chapters, (int32_t, count))
{
    for (int32_t i = 0; i < count; i++)
        if (chapters_yield((reeve_array_word){words, (size_t)i % 3}) != REEVE_OK)
            return;
}
REEVE_REMOTE_RESULTS(
    split, ((reeve_string_array, names), (reeve_array_word, others)), (reeve_array_word, all))
{
    reeve_string *names = reeve_alloc(all.count * sizeof *names);
    for (size_t i = 0; i < all.count; i++)
        names[i] = all.items[i].text;
    results->names = (reeve_string_array){names, all.count};
    results->others = all;
}

static void as_arguments_and_results(void **state)
{
    (void)state;
    reeve_array_word counted;
    reeve_future_reeve_array_word f = count_words_remote((reeve_string_array){three, 3});
    reeve_view view;
    assert_int_equal(reeve_view_reeve_array_word(f, REEVE_FOREVER, &counted, &view), REEVE_OK);
    assert_string_equal(counted.items[2].text, three[2]);
    assert_int_equal(reeve_view_release(view), REEVE_OK);
    assert_int_equal(count_words_get(f, &counted), REEVE_OK);
    assert_int_equal(counted.count, 3);
    assert_string_equal(counted.items[0].text, "one");
    assert_int_equal(counted.items[2].count, strlen(three[2]));
    reeve_clear(reeve_array_word, &counted);

    page pages[] = {{{NULL, 0}, {NULL, 0}, {NULL, 0}}, sample()}, back;
    assert_int_equal(
        turn_get(turn_remote(pages[0], (reeve_array_page){pages, 2}), &back), REEVE_OK);
    expect_sample(&back);
    reeve_clear(page, &back);
    reeve_future_reeve_array_page none = reeve_put(reeve_array_page, ((reeve_array_page){NULL, 0}));
    assert_int_equal(turn_get(reeve_call(turn, sample(), none), &back), REEVE_OK);
    expect_sample(&back);
    reeve_clear(page, &back);
    assert_int_equal(reeve_release(none), REEVE_OK);

    const reeve_string bad[] = {"x", NULL};
    assert_int_equal(
        count_words_get(count_words_remote((reeve_string_array){bad, 2}), &counted), REEVE_EINVAL);
    assert_string_equal(reeve_last_error()->message,
        "argument 1 (texts): items[1]: a string is NULL (an empty one is \"\")");
}

static void large_ones(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    reeve_string *items = calloc(COUNT, sizeof *items);
    assert_non_null(items);
    for (size_t i = 0; i < COUNT; i++)
        items[i] = three[i % 3];
    reeve_string_array columns[] = {{items, COUNT}, {items, 1}, {items, 0}};
    reeve_future_reeve_array_word futures[3];
    reeve_array_word all[3];
    assert_int_equal(count_words_remote_many(3, columns, futures), REEVE_OK);
    assert_int_equal(count_words_get_many(futures, 3, all, NULL), REEVE_OK);
    assert_int_equal(all[0].count, COUNT);
    assert_string_equal(all[0].items[COUNT - 1].text, three[(COUNT - 1) % 3]);
    assert_int_equal(all[1].count, 1);
    assert_int_equal(all[2].count, 0);
    for (size_t i = 0; i < 3; i++)
        reeve_clear(reeve_array_word, &all[i]);
    free(items);
}

static void futures_inside(void **state)
{
    (void)state;
    reeve_array_task tasks;
    int64_t n = 0;
    assert_int_equal(begin_get(begin_remote((reeve_array_word){words, 2}), &tasks), REEVE_OK);
    assert_int_equal(tasks.count, 2);
    assert_int_equal(reeve_get(int64_t, tasks.items[1].answer, &n), REEVE_OK);
    assert_int_equal(n, -2);
    assert_int_equal(reeve_release(tasks.items[0].answer), REEVE_OK);
    reeve_clear(reeve_array_task, &tasks);
}

static void in_streams_and_several_results(void **state)
{
    (void)state;
    chapters_stream stream = chapters_remote(5);
    reeve_array_word chapter;
    size_t count = 0;
    while (chapters_next(stream, &chapter) == REEVE_OK) {
        assert_int_equal(chapter.count, count++ % 3);
        reeve_clear(reeve_array_word, &chapter);
    }
    assert_int_equal(count, 5);
    split_results results;
    assert_int_equal(split_get(split_remote((reeve_array_word){words, 2}), &results), REEVE_OK);
    assert_string_equal(results.names.items[1], "yy");
    assert_int_equal(results.others.items[1].count, -2);
    split_clear(&results);
}

static void signatures_tell_the_shape(void **state)
{
    (void)state;
    assert_string_equal(reeve_registry_find("count_words")->signature,
        "count_words(string[]) -> word{string text, int32 count}[]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_travel),
        cmocka_unit_test(many_items),
        cmocka_unit_test(futures_keep_their_order),
        cmocka_unit_test(other_shapes_are_named),
        cmocka_unit_test(what_cannot_be_packed),
        cmocka_unit_test_setup_teardown(
            as_arguments_and_results, inline_mode_begin, inline_mode_end),
        cmocka_unit_test_setup_teardown(large_ones, inline_mode_begin, inline_mode_end),
        cmocka_unit_test_setup_teardown(futures_inside, inline_mode_begin, inline_mode_end),
        cmocka_unit_test_setup_teardown(
            in_streams_and_several_results, inline_mode_begin, inline_mode_end),
        cmocka_unit_test_setup_teardown(
            signatures_tell_the_shape, inline_mode_begin, inline_mode_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
