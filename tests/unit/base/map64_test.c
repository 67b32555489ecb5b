/* The map: against a plain array as the model, its order of walking, removal while walking. */
#include "tests/unit/test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/errors.h"
#include "runtime/base/map64.h"
#include "runtime/base/prng.h"

#define KEYS 512

static char values[KEYS + 1];

static void test_empty(void **state)
{
    (void)state;
    struct reeve_map64 map;
    size_t at = 0;
    reeve_map64_init(&map);
    assert_null(reeve_map64_get(&map, 0));
    assert_null(reeve_map64_remove(&map, 7));
    assert_false(reeve_map64_next(&map, &at, NULL, NULL));
    reeve_map64_fini(&map);
}

static void test_replace(void **state)
{
    (void)state;
    struct reeve_map64 map;
    void *old = &map;
    reeve_map64_init(&map);
    assert_int_equal(reeve_map64_put(&map, UINT64_MAX, &values[1], &old), REEVE_OK);
    assert_null(old);
    assert_int_equal(reeve_map64_put(&map, 0, &values[2], NULL), REEVE_OK);
    assert_int_equal(reeve_map64_put(&map, UINT64_MAX, &values[3], &old), REEVE_OK);
    assert_ptr_equal(old, &values[1]);
    assert_ptr_equal(reeve_map64_get(&map, UINT64_MAX), &values[3]);
    assert_int_equal(reeve_map64_count(&map), 2);

    uint64_t key;
    void *value;
    size_t at = 0;
    assert_true(reeve_map64_next(&map, &at, &key, &value)); /* keeps its place */
    assert_int_equal(key, UINT64_MAX);
    assert_ptr_equal(value, &values[3]);
    reeve_map64_fini(&map);
}

/* The order of the model: keys as they were put in. */
struct model {
    uint64_t order[KEYS];
    size_t count;
    bool present[KEYS];
};

static void model_remove(struct model *model, uint64_t key)
{
    size_t to = 0;
    for (size_t i = 0; i < model->count; i++)
        if (model->order[i] != key)
            model->order[to++] = model->order[i];
    model->count = to;
    model->present[key] = false;
}

static void compare(const struct reeve_map64 *map, const struct model *model)
{
    size_t at = 0, i = 0;
    uint64_t key;
    void *value;
    while (reeve_map64_next(map, &at, &key, &value)) {
        assert_true(i < model->count);
        assert_int_equal(key, model->order[i] * 0x100000001ull);
        assert_ptr_equal(value, &values[model->order[i] + 1]);
        i++;
    }
    assert_int_equal(i, model->count);
    assert_int_equal(reeve_map64_count(map), model->count);
}

static void test_random(void **state)
{
    (void)state;
    struct reeve_prng prng;
    struct reeve_map64 map;
    struct model model = {.count = 0};
    reeve_prng_init(&prng, 1);
    reeve_map64_init(&map);
    for (int step = 0; step < 100000; step++) {
        /* phases that mostly grow, then mostly shrink */
        uint64_t key = reeve_prng_below(&prng, KEYS), spread = key * 0x100000001ull;
        if (reeve_prng_chance(&prng, step / 5000 % 2 == 0 ? 70 : 30, 100)) {
            assert_int_equal(reeve_map64_put(&map, spread, &values[key + 1], NULL), REEVE_OK);
            if (!model.present[key])
                model.order[model.count++] = key;
            model.present[key] = true;
        } else {
            void *removed = reeve_map64_remove(&map, spread);
            assert_ptr_equal(removed, model.present[key] ? &values[key + 1] : NULL);
            model_remove(&model, key);
        }
        key = reeve_prng_below(&prng, KEYS);
        assert_ptr_equal(reeve_map64_get(&map, key * 0x100000001ull),
            model.present[key] ? &values[key + 1] : NULL);
        if (step % 97 == 0)
            compare(&map, &model);
    }
    compare(&map, &model);
    reeve_map64_fini(&map);
}

static void test_queue_does_not_grow(void **state)
{
    (void)state;
    struct reeve_map64 map;
    reeve_map64_init(&map);
    for (uint64_t key = 0; key < 100000; key++) {
        assert_int_equal(reeve_map64_put(&map, key, values, NULL), REEVE_OK);
        if (key >= 10)
            assert_ptr_equal(reeve_map64_remove(&map, key - 10), values);
    }
    assert_true(map.index_size <= 64);
    reeve_map64_fini(&map);
}

static void test_remove_while_walking(void **state)
{
    (void)state;
    struct reeve_map64 map;
    reeve_map64_init(&map);
    for (uint64_t key = 0; key < 100; key++)
        assert_int_equal(reeve_map64_put(&map, key, values, NULL), REEVE_OK);
    uint64_t key, seen = 0;
    for (size_t at = 0; reeve_map64_next(&map, &at, &key, NULL); seen++) {
        assert_int_equal(key, seen);
        if (key % 3 != 1)
            assert_non_null(reeve_map64_remove(&map, key));
    }
    assert_int_equal(seen, 100);
    assert_int_equal(reeve_map64_count(&map), 33);
    reeve_map64_fini(&map);
}

/* Walks with pauses, in which so much comes and goes that the tables are rebuilt: what is there all
 * the time is seen once. */
static void test_walk_with_pauses(void **state)
{
    (void)state;
    enum { STAYING = 200, PASSING = 1000 };
    struct reeve_prng prng;
    struct reeve_map64 map;
    static char marks[STAYING + PASSING];
    reeve_prng_init(&prng, 7);
    for (int round = 0; round < 50; round++) {
        reeve_map64_init(&map);
        memset(marks, 0, sizeof marks);
        for (uint64_t key = 0; key < STAYING + PASSING; key++)
            if (key < STAYING || reeve_prng_chance(&prng, 50, 100))
                assert_int_equal(reeve_map64_put(&map, key, &marks[key], NULL), REEVE_OK);
        uint64_t cursor = 0;
        void *value;
        while (reeve_map64_resume(&map, &cursor, &value)) {
            ++*(char *)value;
            for (int i = 0; i < 5; i++) { /* less than one new a step, or it never ends */
                uint64_t key = STAYING + reeve_prng_below(&prng, PASSING);
                if (reeve_prng_chance(&prng, 20, 100))
                    assert_int_equal(reeve_map64_put(&map, key, &marks[key], NULL), REEVE_OK);
                else
                    reeve_map64_remove(&map, key);
            }
        }
        for (int key = 0; key < STAYING; key++)
            assert_int_equal(marks[key], 1);
        reeve_map64_fini(&map);
    }
}

static void test_reserve(void **state)
{
    (void)state;
    struct reeve_map64 map;
    reeve_map64_init(&map);
    assert_int_equal(reeve_map64_reserve(&map, 1000), REEVE_OK);
    const struct reeve_map64_entry *entries = map.entries;
    for (uint64_t key = 0; key < 1000; key++)
        assert_int_equal(reeve_map64_put(&map, key, values, NULL), REEVE_OK);
    assert_ptr_equal(map.entries, entries); /* nothing was allocated */
    assert_int_equal(reeve_map64_reserve(&map, (size_t)1 << 40), REEVE_ENOMEM);
    assert_int_equal(reeve_map64_count(&map), 1000);
    reeve_map64_fini(&map);
}

static void test_values_go_with_it(void **state) /* all of them: ASan sees one that is left */
{
    (void)state;
    struct reeve_map64 map;
    reeve_map64_init(&map);
    for (uint64_t key = 0; key < 100; key++)
        assert_int_equal(reeve_map64_put(&map, key, malloc(1), NULL), REEVE_OK);
    free(reeve_map64_remove(&map, 7));
    reeve_map64_fini_values(&map);
    assert_int_equal(reeve_map64_count(&map), 0);
    assert_null(reeve_map64_get(&map, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_queue_does_not_grow),
        cmocka_unit_test(test_remove_while_walking),
        cmocka_unit_test(test_walk_with_pauses),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_values_go_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
