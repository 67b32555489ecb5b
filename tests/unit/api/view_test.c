/* Views and values filled in place, in inline mode: what they give, how they end, and every way to
 * use them wrongly. */
#include <reeve.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/unit/api/inline_mode.h"

REEVE_STRUCT(mixed, (reeve_double_array, a), (reeve_string, name), (reeve_int32_array, b),
    (int64_t, n), (reeve_float_matrix, m))
REEVE_STRUCT(holder, (reeve_future_int64_t, inner), (int64_t, n))

REEVE_REMOTE(reeve_double_matrix, transpose, (reeve_double_matrix, m))
{
    double *items = reeve_alloc(m.rows * m.columns * sizeof *items);
    for (size_t r = 0; r < m.rows; r++)
        for (size_t c = 0; c < m.columns; c++)
            items[c * m.rows + r] = m.items[r * m.columns + c];
    return (reeve_double_matrix){items, m.columns, m.rows};
}

REEVE_REMOTE(int64_t, fails)
{
    reeve_fail(3, "as asked");
    return 0;
}

static double *ramp(size_t count)
{
    double *items = malloc((count + 1) * sizeof *items);
    assert_non_null(items);
    for (size_t i = 0; i < count; i++)
        items[i] = (double)i;
    return items;
}

static void test_a_view_outlives_its_future(void **state)
{
    (void)state;
    for (size_t count = 1; count <= 1000000; count *= 100) {
        double *items = ramp(count);
        reeve_future_reeve_double_array future =
            reeve_put_reeve_double_array((reeve_double_array){items, count});
        reeve_double_array first, second, got;
        reeve_view one, two;
        assert_int_equal(reeve_view_reeve_double_array(future, 0, &first, &one), REEVE_OK);
        assert_int_equal(
            reeve_view_reeve_double_array(future, REEVE_FOREVER, &second, &two), REEVE_OK);
        assert_int_equal(first.count, count);
        if (count >= 128)
            assert_int_equal((uintptr_t)first.items % 64, 0);
        assert_int_equal(reeve_get_reeve_double_array(future, &got), REEVE_OK);
        assert_int_equal(reeve_view_release(one), REEVE_OK);
        assert_memory_equal(second.items, items, count * sizeof *items);
        assert_memory_equal(got.items, items, count * sizeof *items);
        assert_int_equal(reeve_view_release(two), REEVE_OK);
        assert_int_equal(reeve_view_release(two), REEVE_EHANDLE);
        reeve_clear(reeve_double_array, &got);
        free(items);
    }
}

static void test_members_lie_where_they_can_be_used(void **state)
{
    (void)state;
    enum { N = 5000 };
    static int32_t ints[N];
    static float floats[N];
    double *items = ramp(N);
    ints[N - 1] = 7;
    floats[N - 1] = 8;
    mixed value = {{items, N}, "a name", {ints, N}, -5, {floats, N / 100, 100}}, seen;
    reeve_future_mixed future = reeve_put_mixed(value);
    reeve_view view;
    assert_int_equal(reeve_view_mixed(future, REEVE_FOREVER, &seen, &view), REEVE_OK);
    assert_int_equal((uintptr_t)seen.a.items % 64, 0);
    assert_int_equal((uintptr_t)seen.b.items % 64, 0);
    assert_int_equal((uintptr_t)seen.m.items % 64, 0);
    assert_string_equal(seen.name, "a name");
    assert_int_equal(seen.n, -5);
    assert_int_equal(seen.b.items[N - 1], 7);
    assert_true(seen.a.items[N - 1] == N - 1 && seen.m.items[N - 1] == 8);
    assert_true(seen.m.rows == N / 100 && seen.m.columns == 100);
    assert_int_equal(reeve_view_release(view), REEVE_OK);
    assert_int_equal(reeve_release(future), REEVE_OK);
    free(items);
}

static void test_bytes_begin_at_a_multiple_of_64(void **state)
{
    (void)state;
    enum { SIZE = 300000 };
    char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    memset(bytes, 'x', SIZE);
    reeve_future_reeve_bytes future = reeve_put_bytes(bytes, SIZE);
    reeve_bytes seen;
    reeve_view view;
    assert_int_equal(reeve_view_reeve_bytes(future, 0, &seen, &view), REEVE_OK);
    assert_true(seen.size == SIZE && (uintptr_t)seen.data % 64 == 0);
    assert_int_equal(reeve_view_release(view), REEVE_OK);
    assert_int_equal(reeve_release(future), REEVE_OK);
    free(bytes);
}

static void test_matrices_travel(void **state)
{
    (void)state;
    double items[] = {1, 2, 3, 4, 5, 6};
    reeve_double_matrix turned;
    assert_int_equal(
        transpose_get(transpose_remote((reeve_double_matrix){items, 2, 3}), &turned), REEVE_OK);
    assert_true(turned.rows == 3 && turned.columns == 2);
    assert_true(turned.items[1] == 4 && turned.items[4] == 3);
    reeve_clear(reeve_double_matrix, &turned);
    assert_null(turned.items);
    assert_int_equal(
        transpose_get(transpose_remote((reeve_double_matrix){NULL, 0, 3}), &turned), REEVE_OK);
    assert_true(turned.rows == 3 && turned.columns == 0);
    assert_int_equal(
        transpose_get(transpose_remote((reeve_double_matrix){NULL, 2, 3}), &turned), REEVE_EINVAL);
    assert_int_equal(
        transpose_get(transpose_remote((reeve_double_matrix){items, SIZE_MAX / 2, 3}), &turned),
        REEVE_ETOOLARGE);
}

/* [2, 3, double[5]] */
static void test_a_matrix_has_as_many_items_as_its_sides_say(void **state)
{
    (void)state;
    uint8_t bytes[64] = {0x93, 2, 3, 0xc7, 1 + 5 * 8, 16 + REEVE_KIND_DOUBLE, 0};
    reeve_future future;
    reeve_double_matrix matrix;
    reeve_view view;
    assert_int_equal(reeve_put_packed(bytes, 7 + 5 * 8, &future), REEVE_OK);
    reeve_future_reeve_double_matrix typed = reeve_future_as(reeve_double_matrix, future);
    assert_int_equal(reeve_view_reeve_double_matrix(typed, 0, &matrix, &view), REEVE_ETYPE);
    assert_non_null(strstr(reeve_last_error()->message, "2 x 3 that has 5 items"));
    bytes[2] = 0xc0; /* a side that is nil */
    assert_int_equal(reeve_release(future), REEVE_OK);
    assert_int_equal(reeve_put_packed(bytes, 7 + 5 * 8, &future), REEVE_OK);
    typed = reeve_future_as(reeve_double_matrix, future);
    assert_int_equal(reeve_get_reeve_double_matrix(typed, &matrix), REEVE_ETYPE);
}

static void test_a_value_of_another_type_is_not_viewed(void **state)
{
    (void)state;
    double *items = ramp(10);
    reeve_future_reeve_double_array future =
        reeve_put_reeve_double_array((reeve_double_array){items, 10});
    reeve_int64_array seen = {NULL, 77};
    reeve_view view = {5};
    assert_int_equal(
        reeve_view_reeve_int64_array(
            reeve_future_as(reeve_int64_array, reeve_untyped(future)), 0, &seen, &view),
        REEVE_ETYPE);
    assert_non_null(strstr(reeve_last_error()->message, "expected int64[], got double[]"));
    assert_true(seen.count == 77 && view.id == 5);
    assert_int_equal(reeve_release(future), REEVE_OK); /* it is still there */
    assert_int_equal(
        reeve_view_reeve_double_array(future, 0, &(reeve_double_array){NULL, 0}, &view),
        REEVE_EHANDLE);
    int64_t number;
    fails_future failed = fails_remote();
    assert_int_equal(reeve_view_int64_t(failed, 0, &number, &view), REEVE_EFUNCTION);
    assert_int_equal(reeve_last_error()->user_code, 3);
    assert_int_equal(fails_get(failed, &number), REEVE_EFUNCTION);
    assert_int_equal(reeve_view_release((reeve_view){0}), REEVE_EHANDLE);
    free(items);
}

static void test_packed_values_and_futures_in_them(void **state)
{
    (void)state;
    reeve_future_int64_t inner = reeve_put_int64_t(42);
    reeve_future_holder outer = reeve_put_holder((holder){inner, 9});
    reeve_packed packed;
    holder seen;
    reeve_view raw, typed;
    int64_t number;
    assert_int_equal(reeve_view_packed(reeve_untyped(outer), 0, &packed, &raw), REEVE_OK);
    assert_int_equal(packed.future_count, 1);
    assert_int_equal(packed.size, 1 + 3 + 1);
    assert_int_equal(reeve_view_holder(outer, 0, &seen, &typed), REEVE_OK);
    assert_int_equal(reeve_release(inner), REEVE_OK);
    assert_int_equal(reeve_release(outer), REEVE_OK);
    assert_int_equal(reeve_view_release(raw), REEVE_OK);
    assert_int_equal(reeve_get_int64_t(seen.inner, &number), REEVE_OK); /* the view's own */
    assert_int_equal(number, 42);
    assert_int_equal(reeve_view_release(typed), REEVE_OK);
}

static void test_many_are_one_view(void **state)
{
    (void)state;
    enum { COUNT = 700 };
    static fails_future all[COUNT];
    static int64_t seen[COUNT];
    static int codes[COUNT];
    reeve_view view;
    for (int i = 0; i < COUNT; i++)
        all[i] = reeve_put_int64_t(i);
    assert_int_equal(reeve_view_many_int64_t(all, COUNT, seen, NULL, &view), REEVE_OK);
    assert_true(view.id != 0 && seen[0] == 0 && seen[COUNT - 1] == COUNT - 1);
    assert_int_equal(reeve_view_release(view), REEVE_OK);
    assert_int_equal(reeve_view_release(view), REEVE_EHANDLE);
    /* one that failed, one that is gone, one that was born failed, one that is there twice */
    assert_int_equal(reeve_release(all[3]), REEVE_OK);
    assert_int_equal(reeve_release(all[300]), REEVE_OK);
    assert_int_equal(reeve_release(all[600]), REEVE_OK);
    all[300] = fails_remote();
    all[600].id = transpose_remote((reeve_double_matrix){NULL, 2, 3}).id;
    all[5] = all[4];
    seen[3] = 77;
    assert_int_equal(reeve_view_many_int64_t(all, COUNT, seen, codes, &view), REEVE_EHANDLE);
    assert_int_equal(codes[3], REEVE_EHANDLE);
    assert_int_equal(codes[300], REEVE_EFUNCTION);
    assert_int_equal(codes[600], REEVE_EINVAL);
    for (int i = 0; i < COUNT; i++) {
        bool failed = i == 3 || i == 300 || i == 600;
        assert_true((codes[i] != REEVE_OK) == failed);
        assert_int_equal(seen[i], failed ? 0 : i == 5 ? 4 : i);
    }
    assert_int_equal(reeve_view_release(view), REEVE_OK); /* of those that could be viewed */
    assert_int_equal(reeve_view_many_int64_t(&all[300], 1, seen, NULL, &view), REEVE_EFUNCTION);
    assert_int_equal(reeve_last_error()->user_code, 3);
    assert_int_equal(view.id, 0);
    assert_int_equal(reeve_view_many(int64_t, all, 0, NULL, NULL, &view), REEVE_OK);
    assert_int_equal(view.id, 0);
    for (int i = 0; i < COUNT; i++) /* none has been released */
        assert_int_equal(reeve_release(all[i]), i == 3 || i == 5 ? REEVE_EHANDLE : REEVE_OK);
}

static void test_many_of_what_points_somewhere(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    static reeve_future_mixed all[COUNT];
    static mixed seen[COUNT];
    static reeve_future untyped[COUNT];
    static reeve_packed packed[COUNT];
    double *items = ramp(COUNT + 500);
    reeve_view view, raw;
    for (size_t i = 0; i < COUNT; i++) {
        char name[32];
        int32_t number = (int32_t)i;
        snprintf(name, sizeof name, "number %zu", i);
        all[i] =
            reeve_put_mixed((mixed){{items, i + 1}, name, {&number, 1}, (int64_t)i, {NULL, 0, 0}});
        untyped[i] = reeve_untyped(all[i]);
    }
    assert_int_equal(reeve_view_many_mixed(all, COUNT, seen, NULL, &view), REEVE_OK);
    assert_int_equal(reeve_view_packed_many(untyped, COUNT, packed, NULL, &raw), REEVE_OK);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(reeve_release(all[i]), REEVE_OK); /* the view has them still */
    for (size_t i = 0; i < COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "number %zu", i);
        assert_string_equal(seen[i].name, name);
        assert_true(seen[i].a.count == i + 1 && seen[i].a.items[i] == (double)i);
        assert_true(seen[i].b.items[0] == (int32_t)i && seen[i].n == (int64_t)i);
        assert_true(packed[i].size > (i + 1) * 8 && packed[i].future_count == 0);
        assert_int_equal(*(const uint8_t *)packed[i].bytes, 0x95);
    }
    assert_int_equal(reeve_view_release(view), REEVE_OK);
    assert_int_equal(reeve_view_release(raw), REEVE_OK);
    free(items);
}

static void test_many_with_futures_in_them(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static reeve_future_holder all[COUNT];
    static holder seen[COUNT];
    reeve_view view;
    int64_t number;
    for (int i = 0; i < COUNT; i++) {
        reeve_future_int64_t inner = reeve_put_int64_t(i * 2);
        all[i] = reeve_put_holder((holder){inner, i});
        assert_int_equal(reeve_release(inner), REEVE_OK);
    }
    assert_int_equal(reeve_view_many_holder(all, COUNT, seen, NULL, &view), REEVE_OK);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(reeve_release(all[i]), REEVE_OK);
    for (int i = 0; i < COUNT; i += 2) { /* those that are not got end with the view */
        assert_int_equal(reeve_get_int64_t(seen[i].inner, &number), REEVE_OK);
        assert_int_equal(number, i * 2);
    }
    assert_int_equal(reeve_view_release(view), REEVE_OK);
    assert_int_equal(reeve_get_int64_t(seen[1].inner, &number), REEVE_EHANDLE);
}

static void test_values_are_filled_in_place(void **state)
{
    (void)state;
    for (size_t count = 0; count <= 200000; count = count * 40 + 1) {
        double *items;
        reeve_creation creation;
        reeve_future_reeve_double_array future;
        reeve_double_array got;
        assert_int_equal(reeve_create_reeve_double_array(count, &items, &creation), REEVE_OK);
        for (size_t i = 0; i < count; i++)
            items[i] = (double)i;
        assert_int_equal(reeve_seal_reeve_double_array(creation, &future), REEVE_OK);
        assert_int_equal(reeve_get_reeve_double_array(future, &got), REEVE_OK);
        assert_int_equal(got.count, count);
        assert_true(count == 0 || got.items[count - 1] == (double)count - 1);
        reeve_clear(reeve_double_array, &got);
    }
    float *cells;
    void *bytes;
    reeve_creation creation;
    reeve_future_reeve_float_matrix future;
    reeve_future_reeve_bytes span;
    reeve_float_matrix matrix;
    reeve_bytes seen;
    reeve_view view;
    assert_int_equal(reeve_create_reeve_float_matrix(300, 200, &cells, &creation), REEVE_OK);
    assert_int_equal((uintptr_t)cells % 64, 0);
    memset(cells, 0, 300 * 200 * sizeof *cells);
    cells[201] = 3;
    assert_int_equal(reeve_seal_reeve_float_matrix(creation, &future), REEVE_OK);
    assert_int_equal(reeve_view_reeve_float_matrix(future, 0, &matrix, &view), REEVE_OK);
    assert_true(matrix.rows == 300 && matrix.columns == 200 && matrix.items[201] == 3);
    assert_ptr_equal(matrix.items, cells);
    assert_int_equal(reeve_view_release(view), REEVE_OK);
    assert_int_equal(reeve_create_reeve_bytes(70000, &bytes, &creation), REEVE_OK);
    memset(bytes, 'y', 70000);
    assert_int_equal(reeve_seal_reeve_bytes(creation, &span), REEVE_OK);
    assert_int_equal(reeve_view_reeve_bytes(span, 0, &seen, &view), REEVE_OK);
    assert_true(seen.size == 70000 && seen.data == bytes && (uintptr_t)bytes % 64 == 0);
    assert_int_equal(reeve_view_release(view), REEVE_OK);
    assert_int_equal(reeve_release(span), REEVE_OK);
    assert_int_equal(reeve_release(future), REEVE_OK);
}

static void test_a_creation_ends_once(void **state)
{
    (void)state;
    int32_t *items;
    reeve_creation creation;
    reeve_future_reeve_int32_array future;
    reeve_future_reeve_uint32_array other;
    assert_int_equal(reeve_create_reeve_int32_array(10, &items, &creation), REEVE_OK);
    memset(items, 0, 10 * sizeof *items);
    assert_int_equal(reeve_seal_reeve_uint32_array(creation, &other), REEVE_ETYPE);
    assert_non_null(strstr(reeve_last_error()->message, "created as int32[]"));
    assert_int_equal(reeve_seal_reeve_int32_array(creation, &future), REEVE_OK);
    assert_int_equal(reeve_seal_reeve_int32_array(creation, &future), REEVE_EHANDLE);
    assert_int_equal(reeve_abort(creation), REEVE_EHANDLE);
    assert_int_equal(reeve_release(future), REEVE_OK);
    assert_int_equal(reeve_create_reeve_int32_array(10, &items, &creation), REEVE_OK);
    assert_int_equal(reeve_abort(creation), REEVE_OK);
    assert_int_equal(reeve_seal_reeve_int32_array(creation, &future), REEVE_EHANDLE);
    assert_int_equal(
        reeve_create_reeve_int32_array(SIZE_MAX / 2, &items, &creation), REEVE_ETOOLARGE);
}

static void test_after_shutdown(void **state)
{
    (void)state;
    double *items = ramp(50000), *room;
    reeve_future_reeve_double_array future =
        reeve_put_reeve_double_array((reeve_double_array){items, 50000});
    reeve_double_array seen;
    reeve_view view, other, all;
    int code;
    reeve_creation creation, second;
    assert_int_equal(reeve_view_reeve_double_array(future, 0, &seen, &view), REEVE_OK);
    assert_int_equal(reeve_view_many_reeve_double_array(&future, 1, &seen, NULL, &all), REEVE_OK);
    assert_int_equal(reeve_create_reeve_double_array(50000, &room, &creation), REEVE_OK);
    assert_int_equal(reeve_create_reeve_double_array(50000, &room, &second), REEVE_OK);
    reeve_shutdown();
    assert_int_equal(
        reeve_view_many_reeve_double_array(&future, 1, &seen, &code, &other), REEVE_ESHUTDOWN);
    assert_true(code == REEVE_ESHUTDOWN && other.id == 0);
    assert_int_equal(reeve_view_release(all), REEVE_ESHUTDOWN);
    assert_int_equal(reeve_view_reeve_double_array(future, 0, &seen, &other), REEVE_ESHUTDOWN);
    assert_int_equal(reeve_create_reeve_double_array(5, &room, &second), REEVE_ESHUTDOWN);
    assert_int_equal(reeve_seal_reeve_double_array(creation, &future), REEVE_ESHUTDOWN);
    assert_int_equal(reeve_abort(second), REEVE_ESHUTDOWN);
    assert_int_equal(reeve_view_release(view), REEVE_ESHUTDOWN); /* and leaves nothing behind */
    assert_int_equal(inline_mode_begin(NULL), REEVE_OK);
    assert_int_equal(reeve_view_release(view), REEVE_EHANDLE);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_view_outlives_its_future),
        cmocka_unit_test(test_members_lie_where_they_can_be_used),
        cmocka_unit_test(test_bytes_begin_at_a_multiple_of_64),
        cmocka_unit_test(test_matrices_travel),
        cmocka_unit_test(test_a_matrix_has_as_many_items_as_its_sides_say),
        cmocka_unit_test(test_a_value_of_another_type_is_not_viewed),
        cmocka_unit_test(test_packed_values_and_futures_in_them),
        cmocka_unit_test(test_many_are_one_view),
        cmocka_unit_test(test_many_of_what_points_somewhere),
        cmocka_unit_test(test_many_with_futures_in_them),
        cmocka_unit_test(test_values_are_filled_in_place),
        cmocka_unit_test(test_a_creation_ends_once),
        cmocka_unit_test(test_after_shutdown),
    };
    return cmocka_run_group_tests(tests, inline_mode_begin, inline_mode_end);
}
