/* Leaks: `leaks found` makes things of every kind, gives up most of them, and has reeve_leaks name
 * exactly the others; `leaks printed` says what reeve_shutdown is to print of them; `leaks none`
 * gives up all; `leaks unasked`: nothing is noted. Prints "ok WHAT". */
#include "tests/e2e/programs/say.h"

#define COUNT 100000u /* doubles: large */

REEVE_REMOTE(int64_t, square, (int64_t, x))
{
    if (x < 0)
        reeve_fail(1, "negative");
    return x * x;
}

REEVE_REMOTE(reeve_double_array, make, (uint64_t, count))
{
    double *items = reeve_alloc(count * sizeof *items);
    for (uint64_t i = 0; i < count; i++)
        items[i] = (double)i;
    return (reeve_double_array){items, count};
}

REEVE_STRUCT(two, (reeve_future_int64_t, first), (reeve_future_int64_t, second))

/* Their tasks are the caller's. */
REEVE_REMOTE(two, both, (int64_t, x))
{
    return (two){square_remote(x), square_remote(x + 1)};
}

REEVE_STREAM(int64_t, upto, (int64_t, most))
{
    for (int64_t i = 1; i <= most; i++)
        if (upto_yield(i) != REEVE_OK)
            return;
}

REEVE_ACTOR(counter, (int64_t, value))
REEVE_CONSTRUCTOR(counter, (int64_t, start))
{
    self->value = start;
    return REEVE_OK;
}
REEVE_METHOD(int64_t, counter, add, (int64_t, by))
{
    return self->value += by;
}

/* Their actors are whose they are given to. */
REEVE_STRUCT(actors, (counter_ref, first), (counter_ref, second))

REEVE_REMOTE(counter_ref, make_counter, (int64_t, start))
{
    return counter_create(start);
}
REEVE_REMOTE(actors, make_two, (int64_t, start))
{
    return (actors){counter_create(start), counter_create(start + 1)};
}

/* ---- what is expected ------------------------------------------------------------------------ */

struct expected {
    int kind, line;
    const char *function;
    int count; /* still to be found */
};
static struct expected expected[32];
static int expected_count;

/* At the line after this one's. */
#define LEAKS(kind_, function_)                    \
    expected[expected_count++] = (struct expected) \
    {                                              \
        kind_, __LINE__ + 1, function_, 1          \
    }

static void find(const reeve_leak *leak, void *arg)
{
    int *unexpected = arg;
    const char *colon = strrchr(leak->place, ':');
    long line = colon != NULL ? strtol(colon + 1, NULL, 10) : 0;
    NEED(leak->size == sizeof(*leak));
    for (int i = 0; i < expected_count; i++)
        if (expected[i].kind == leak->kind && expected[i].line == line &&
            strcmp(expected[i].function, leak->function) == 0 && expected[i].count > 0 &&
            strstr(leak->place, "leaks.c:") != NULL) {
            expected[i].count--;
            return;
        }
    ++*unexpected;
    fprintf(stderr, "not expected: kind %d, %s, %s\n", leak->kind, leak->function, leak->place);
}

static void everything_is_found(void)
{
    int unexpected = 0;
    NEED(reeve_leaks(find, &unexpected) == REEVE_OK);
    for (int i = 0; i < expected_count; i++)
        if (expected[i].count != 0)
            fprintf(stderr, "not found: kind %d, %s, line %d\n", expected[i].kind,
                expected[i].function, expected[i].line);
    for (int i = 0; i < expected_count; i++)
        NEED(expected[i].count == 0);
    NEED(unexpected == 0);
}

/* ---- what is made ---------------------------------------------------------------------------- */

/* All that there is, given up. */
static void clean(void)
{
    int64_t value, many[8], inputs[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    square_future futures[8];
    reeve_double_array array;
    reeve_view view;
    reeve_creation creation;
    double *items;
    two pair;
    NEED(square_get(square_remote(3), &value) == REEVE_OK && value == 9);
    NEED(square_get(square_remote(-3), &value) == REEVE_EFUNCTION);
    square_future failed = square_remote(-2);
    NEED(square_get(reeve_call(square, failed), &value) == REEVE_EFUNCTION);
    NEED(reeve_release(failed) == REEVE_OK);
    NEED(square_remote_many(8, inputs, futures) == REEVE_OK);
    NEED(square_get_many(futures, 8, many, NULL) == REEVE_OK);
    square_future kept = square_remote(1), again = reeve_retain(kept);
    NEED(reeve_release(kept) == REEVE_OK && square_get(again, &value) == REEVE_OK);
    NEED(both_get(both_remote(1), &pair) == REEVE_OK);
    NEED(reeve_release(pair.first) == REEVE_OK);
    NEED(reeve_get(int64_t, pair.second, &value) == REEVE_OK && value == 4);
    make_future large = make_remote(COUNT);
    NEED(reeve_view_reeve_double_array(large, REEVE_FOREVER, &array, &view) == REEVE_OK);
    NEED(reeve_view_release(view) == REEVE_OK);
    make_future twice[] = {large, large};
    reeve_double_array seen[2];
    NEED(reeve_view_many(reeve_double_array, twice, 2, seen, NULL, &view) == REEVE_OK);
    NEED(reeve_view_release(view) == REEVE_OK);
    NEED(make_get(large, &array) == REEVE_OK);
    NEED(make_get(large, &array) == REEVE_EHANDLE);
    reeve_release(reeve_put_reeve_double_array(array)); /* and as an argument of that size */
    reeve_clear(reeve_double_array, &array);
    NEED(reeve_create_reeve_double_array(COUNT, &items, &creation) == REEVE_OK);
    NEED(reeve_abort(creation) == REEVE_OK);
    upto_stream stream = upto_remote(3);
    while (upto_next(stream, &value) == REEVE_OK)
        continue;
    reeve_release(upto_remote(1000000));
    counter_ref actor = counter_create(5), same = reeve_actor_retain(actor);
    NEED(counter_add_get(counter_add_remote(actor, 1), &value) == REEVE_OK && value == 6);
    reeve_actor_release(actor);
    reeve_actor_release(same);
    actors given;
    make_counter_future makes[2] = {make_counter_remote(7), make_counter_remote(8)};
    counter_ref made[2];
    NEED(make_two_get(make_two_remote(5), &given) == REEVE_OK);
    NEED(make_counter_get_many(makes, 2, made, NULL) == REEVE_OK);
    NEED(counter_add_get(counter_add_remote(made[1], 1), &value) == REEVE_OK && value == 9);
    reeve_actor_release(given.first);
    reeve_actor_release(given.second);
    reeve_actor_release(made[0]);
    reeve_actor_release(made[1]);
}

/* The two futures of `expected` that are the same line's come from a loop. */
static void leak(void)
{
    reeve_double_array array;
    reeve_view view;
    reeve_creation creation;
    double *items;
    int64_t value;
    two pair;
    for (int i = 0; i < 2; i++) {
        LEAKS(REEVE_LEAK_FUTURE, "square");
        NEED(square_remote(i).id != 0);
    }
    LEAKS(REEVE_LEAK_FUTURE, "square");
    square_future failed = square_remote_opts(REEVE_TASK_OPTIONS(.cpus = 0.5), -1);
    LEAKS(REEVE_LEAK_FUTURE, "square");
    NEED(reeve_call(square, failed).id != 0);
    LEAKS(REEVE_LEAK_FUTURE, "square");
    (void)reeve_retain(failed);
    LEAKS(REEVE_LEAK_FUTURE, "make");
    make_future large = make_remote(COUNT);
    LEAKS(REEVE_LEAK_VIEW, "");
    NEED(reeve_view_reeve_double_array(large, REEVE_FOREVER, &array, &view) == REEVE_OK);
    make_future twice[] = {large, large};
    reeve_double_array seen[2];
    LEAKS(REEVE_LEAK_VIEW, ""); /* one, however many values */
    NEED(reeve_view_many(reeve_double_array, twice, 2, seen, NULL, &view) == REEVE_OK);
    LEAKS(REEVE_LEAK_FUTURE, "");
    NEED(reeve_put(int64_t, 7).id != 0);
    LEAKS(REEVE_LEAK_FUTURE, "");
    NEED(reeve_put_reeve_double_array(array).id != 0);
    LEAKS(REEVE_LEAK_FUTURE, "");
    NEED(both_get(both_remote(2), &pair) == REEVE_OK); /* two: one is given up */
    NEED(reeve_release(pair.second) == REEVE_OK);
    LEAKS(REEVE_LEAK_CREATION, "");
    NEED(reeve_create_reeve_double_array(COUNT, &items, &creation) == REEVE_OK);
    LEAKS(REEVE_LEAK_STREAM, "upto");
    upto_stream stream = upto_remote(10);
    NEED(upto_next(stream, &value) == REEVE_OK && value == 1);
    LEAKS(REEVE_LEAK_ACTOR, "counter");
    counter_ref actor = counter_create(5);
    LEAKS(REEVE_LEAK_FUTURE, "counter_add");
    NEED(counter_add_remote(actor, 1).id != 0);
    LEAKS(REEVE_LEAK_ACTOR, "");
    (void)reeve_actor_retain(actor);
    actors given;
    LEAKS(REEVE_LEAK_ACTOR, "");
    NEED(make_two_get(make_two_remote(5), &given) == REEVE_OK); /* two: one is given up */
    reeve_actor_release(given.first);
    make_counter_future makes[2] = {make_counter_remote(7), make_counter_remote(8)};
    counter_ref made[2];
    LEAKS(REEVE_LEAK_ACTOR, "");
    NEED(make_counter_get_many(makes, 2, made, NULL) == REEVE_OK);
    reeve_actor_release(made[1]);
}

static void any(const reeve_leak *leak, void *arg)
{
    ++*(int *)arg;
    fprintf(stderr, "left: kind %d, %s, %s\n", leak->kind, leak->function, leak->place);
}

int main(int argc, char **argv)
{
    NEED(reeve_leaks(any, NULL) == REEVE_ENOTINIT);
    NEED(reeve_init(argc, argv, NULL) == REEVE_OK);
    const char *what = argc > 1 ? argv[1] : "";
    int left = 0;
    if (strcmp(what, "unasked") == 0) {
        NEED(reeve_leaks(any, &left) == REEVE_EINVAL);
    } else {
        clean();
        NEED(reeve_leaks(any, &left) == REEVE_OK && left == 0);
    }
    if (strcmp(what, "found") == 0 || strcmp(what, "printed") == 0)
        leak();
    if (strcmp(what, "found") == 0)
        everything_is_found();
    for (int i = 0; i < expected_count && strcmp(what, "printed") == 0; i++)
        printf("leaks.c:%d %s\n", expected[i].line, expected[i].function);
    reeve_shutdown();
    NEED(reeve_leaks(any, NULL) == REEVE_ESHUTDOWN);
    printf("ok %s\n", what);
    return 0;
}
