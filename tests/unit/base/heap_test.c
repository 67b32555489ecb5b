/* The heap: order, ties in order of arrival, moving and removing from the middle, against a
 * model. */
#include "tests/unit/test.h"

#include "runtime/base/errors.h"
#include "runtime/base/heap.h"
#include "runtime/base/macros.h"
#include "runtime/base/prng.h"

static void test_ties_are_stable(void **state)
{
    (void)state;
    struct reeve_heap heap;
    struct reeve_heap_node nodes[64] = {0};
    reeve_heap_init(&heap);
    assert_null(reeve_heap_peek(&heap));
    assert_null(reeve_heap_pop(&heap));
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(reeve_heap_insert(&heap, &nodes[i], i % 4), REEVE_OK);
    reeve_heap_update(&heap, &nodes[0], 0); /* now the latest of its key */
    for (size_t i = 4; i < 64; i += 4)
        assert_ptr_equal(reeve_heap_pop(&heap), &nodes[i]);
    assert_ptr_equal(reeve_heap_pop(&heap), &nodes[0]);
    for (size_t key = 1; key < 4; key++)
        for (size_t i = key; i < 64; i += 4)
            assert_ptr_equal(reeve_heap_pop(&heap), &nodes[i]);
    assert_null(reeve_heap_pop(&heap));
    reeve_heap_fini(&heap);
}

static const struct reeve_heap_node *least(const struct reeve_heap_node *nodes, size_t count)
{
    const struct reeve_heap_node *best = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct reeve_heap_node *node = &nodes[i];
        if (!reeve_heap_contains(node))
            continue;
        if (best == NULL || node->key < best->key ||
            (node->key == best->key && node->sequence < best->sequence))
            best = node;
    }
    return best;
}

static void test_random(void **state)
{
    (void)state;
    struct reeve_prng prng;
    struct reeve_heap heap;
    struct reeve_heap_node nodes[100] = {0};
    reeve_prng_init(&prng, 5);
    reeve_heap_init(&heap);
    for (int step = 0; step < 50000; step++) {
        struct reeve_heap_node *node = &nodes[reeve_prng_below(&prng, REEVE_ARRAY_COUNT(nodes))];
        uint64_t key = reeve_prng_below(&prng, 20);
        if (!reeve_heap_contains(node))
            assert_int_equal(reeve_heap_insert(&heap, node, key), REEVE_OK);
        else if (reeve_prng_chance(&prng, 1, 2))
            reeve_heap_update(&heap, node, key);
        else
            reeve_heap_remove(&heap, node);
        assert_ptr_equal(reeve_heap_peek(&heap), least(nodes, REEVE_ARRAY_COUNT(nodes)));
    }
    reeve_heap_remove(&heap, reeve_heap_peek(&heap));
    while (heap.count > 0) {
        const struct reeve_heap_node *expected = least(nodes, REEVE_ARRAY_COUNT(nodes));
        struct reeve_heap_node *got = reeve_heap_pop(&heap);
        assert_ptr_equal(got, expected);
        reeve_heap_remove(&heap, got); /* in no heap: no effect */
    }
    reeve_heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ties_are_stable),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
