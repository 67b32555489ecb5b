/* The intrusive list: order, removal, walking while removing, splicing. */
#include "tests/unit/test.h"

#include "runtime/base/list.h"

struct item {
    int number;
    struct reeve_list node;
};

static void check(struct reeve_list *list, const char *expected)
{
    char shown[32];
    size_t used = 0;
    REEVE_LIST_EACH(node, list)
    shown[used++] = (char)('0' + REEVE_LIST_ENTRY(node, struct item, node)->number);
    shown[used] = '\0';
    assert_string_equal(shown, expected);
    assert_int_equal(reeve_list_count(list), used);
    struct reeve_list *back = reeve_list_last(list);
    while (used > 0) { /* the links back agree */
        assert_int_equal(REEVE_LIST_ENTRY(back, struct item, node)->number, expected[--used] - '0');
        back = back->prev;
    }
}

static void test_order(void **state)
{
    (void)state;
    struct reeve_list list;
    struct item items[5];
    reeve_list_init(&list);
    assert_true(reeve_list_is_empty(&list));
    assert_null(reeve_list_first(&list));
    assert_null(reeve_list_pop_back(&list));
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        reeve_list_init(&items[i].node);
        assert_false(reeve_list_is_linked(&items[i].node));
    }
    reeve_list_push_back(&list, &items[1].node);
    reeve_list_push_back(&list, &items[2].node);
    reeve_list_push_front(&list, &items[0].node);
    reeve_list_insert_after(&items[1].node, &items[3].node);
    reeve_list_insert_before(&items[1].node, &items[4].node);
    check(&list, "04132");
    assert_true(reeve_list_is_linked(&items[3].node));
    assert_ptr_equal(reeve_list_pop_front(&list), &items[0].node);
    assert_ptr_equal(reeve_list_pop_back(&list), &items[2].node);
    check(&list, "413");
    reeve_list_remove(&items[1].node);
    reeve_list_remove(&items[1].node); /* twice does no harm */
    check(&list, "43");
}

static void test_remove_while_walking(void **state)
{
    (void)state;
    struct reeve_list list;
    struct item items[6];
    reeve_list_init(&list);
    for (int i = 0; i < 6; i++) {
        items[i].number = i;
        reeve_list_push_back(&list, &items[i].node);
    }
    REEVE_LIST_EACH_SAFE(node, &list)
    if (REEVE_LIST_ENTRY(node, struct item, node)->number % 2 == 0)
        reeve_list_remove(node);
    check(&list, "135");
}

static void test_splice(void **state)
{
    (void)state;
    struct reeve_list a, b;
    struct item items[4];
    reeve_list_init(&a);
    reeve_list_init(&b);
    reeve_list_splice_back(&a, &b);
    check(&a, "");
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        reeve_list_push_back(i < 2 ? &a : &b, &items[i].node);
    }
    reeve_list_splice_back(&a, &b);
    check(&a, "0123");
    check(&b, "");
    reeve_list_splice_back(&b, &a);
    check(&b, "0123");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_remove_while_walking),
        cmocka_unit_test(test_splice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
