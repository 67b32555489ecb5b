/* Large values in place, in a cluster: `views WHAT [ARGUMENT]` prints "ok WHAT", or says what is
 * wrong. With a small store, so that whatever is leaked is missed soon. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

#include "tests/e2e/programs/say.h"

#define COUNT ((size_t)1 << 20) /* doubles: 8 MiB */

REEVE_STRUCT(pair, (reeve_double_array, first), (reeve_string, name), (reeve_int32_array, second))

/* ---- functions ------------------------------------------------------------------------------- */

static reeve_double_array ramp(size_t count)
{
    double *items = reeve_alloc(count * sizeof *items);
    for (size_t i = 0; i < count; i++)
        items[i] = (double)i;
    return (reeve_double_array){items, count};
}

REEVE_REMOTE(reeve_double_array, make, (uint64_t, count))
{
    return ramp(count);
}

/* Its last item; or a negative number: it is not where it should be. */
REEVE_REMOTE(double, look, (reeve_double_array, a))
{
    return (uintptr_t)a.items % 64 != 0 ? -1 : a.items[a.count - 1];
}

REEVE_REMOTE(double, look_at_pair, (pair, p))
{
    if ((uintptr_t)p.first.items % 64 != 0 || (uintptr_t)p.second.items % 64 != 0)
        return -1;
    return p.first.items[p.first.count - 1] + p.second.items[p.second.count - 1];
}

/* Of so many values their last items added up, all viewed at once: they are asked for, being
 * another's. A negative number: something is wrong. */
REEVE_REMOTE(double, sum_of_last, (reeve_futures_reeve_double_array, all))
{
    reeve_double_array *seen = calloc(all.count, sizeof *seen);
    double sum = 0;
    reeve_view view;
    if (seen == NULL ||
        reeve_view_many_reeve_double_array(all.items, all.count, seen, NULL, &view) != REEVE_OK)
        sum = -1;
    for (size_t i = 0; sum >= 0 && i < all.count; i++)
        sum += seen[i].items[seen[i].count - 1];
    if (sum >= 0 && reeve_view_release(view) != REEVE_OK)
        sum = -2;
    free(seen);
    return sum;
}

static double view_last(reeve_future_reeve_double_array future, reeve_view *view)
{
    reeve_double_array seen;
    if (reeve_view_reeve_double_array(future, REEVE_FOREVER, &seen, view) != REEVE_OK)
        return -1;
    return seen.items[seen.count - 1];
}

enum { AT_ARGUMENT, AT_CHILD, AT_CREATED, AT_SEALED, AT_LARGE_RESULT, STEPS };

/* Dies at a step, with an argument, views, and a value being filled in hand. */
REEVE_REMOTE(double, dies, (reeve_double_array, a), (int32_t, step))
{
    double sum = a.items[a.count - 1], *items;
    reeve_view view, other;
    reeve_creation creation;
    reeve_future_reeve_double_array made;
    if (step == AT_ARGUMENT)
        raise(SIGKILL);
    make_future child = make_remote(COUNT / 2);
    sum += view_last(child, &view);
    if (step == AT_CHILD)
        raise(SIGKILL);
    if (reeve_create_reeve_double_array(COUNT / 2, &items, &creation) != REEVE_OK)
        return -1;
    items[COUNT / 2 - 1] = 1;
    if (step == AT_CREATED)
        raise(SIGKILL);
    if (reeve_seal_reeve_double_array(creation, &made) != REEVE_OK)
        return -1;
    sum += view_last(made, &other);
    raise(SIGKILL);
    return sum;
}

REEVE_REMOTE(reeve_double_array, dies_with_result, (reeve_double_array, a))
{
    (void)a;
    (void)ramp(COUNT / 2);
    raise(SIGKILL);
    return ramp(1);
}

/* ---- what the driver does -------------------------------------------------------------------- */

static sigjmp_buf fault;

static void on_fault(int number)
{
    siglongjmp(fault, number);
}

/* Whether writing there is a segmentation fault. */
static bool faults(const double *item)
{
    struct sigaction catch = {.sa_handler = on_fault}, before;
    sigaction(SIGSEGV, &catch, &before);
    bool fault_seen = sigsetjmp(fault, 1) != 0;
    if (!fault_seen)
        *(volatile double *)(uintptr_t)item = 0;
    sigaction(SIGSEGV, &before, NULL);
    return fault_seen;
}

/* The creator's, the owner's and the task's. */
static void in_place(void)
{
    reeve_double_array a = ramp(COUNT), seen, again;
    reeve_view view, other;
    double last;
    make_future result = make_remote(COUNT);
    NEED(reeve_view_reeve_double_array(result, 0, &seen, &view) == REEVE_ETIMEDOUT);
    NEED(reeve_view_reeve_double_array(result, REEVE_FOREVER, &seen, &view) == REEVE_OK);
    NEED(seen.count == COUNT && seen.items[COUNT - 1] == COUNT - 1);
    NEED((uintptr_t)seen.items % 64 == 0);
    NEED(faults(seen.items));
    NEED(reeve_view_reeve_double_array(result, 0, &again, &other) == REEVE_OK);
    NEED(again.items == seen.items);
    NEED(look_get(reeve_call(look, result), &last) == REEVE_OK && last == COUNT - 1);
    NEED(reeve_release(result) == REEVE_OK);
    NEED(reeve_view_release(view) == REEVE_OK);
    for (int i = 0; i < 8; i++) { /* what is viewed is not used again for others */
        reeve_future_reeve_double_array put = reeve_put_reeve_double_array(a);
        NEED(look_get(reeve_call(look, put), &last) == REEVE_OK && last == COUNT - 1);
        NEED(view_last(put, &view) == COUNT - 1);
        NEED(reeve_release(put) == REEVE_OK && reeve_view_release(view) == REEVE_OK);
    }
    NEED(again.items[COUNT / 2] == COUNT / 2);
    NEED(reeve_view_release(other) == REEVE_OK);
    NEED(reeve_view_release(other) == REEVE_EHANDLE);
    free((void *)(uintptr_t)a.items);
}

static void members(void)
{
    static int32_t ints[100000];
    reeve_double_array a = ramp(COUNT / 4);
    ints[99999] = 7;
    reeve_future_pair put = reeve_put_pair((pair){a, "two arrays", {ints, 100000}});
    pair seen;
    reeve_view view;
    double last;
    NEED(reeve_view_pair(put, 0, &seen, &view) == REEVE_OK);
    NEED((uintptr_t)seen.first.items % 64 == 0 && (uintptr_t)seen.second.items % 64 == 0);
    NEED(seen.second.items[99999] == 7 && strcmp(seen.name, "two arrays") == 0);
    NEED(look_at_pair_get(reeve_call(look_at_pair, put), &last) == REEVE_OK);
    NEED(last == COUNT / 4 - 1 + 7);
    NEED(reeve_release(put) == REEVE_OK && reeve_view_release(view) == REEVE_OK);
    free((void *)(uintptr_t)a.items);
}

static void filled(void)
{
    double *items, last;
    reeve_creation creation, full;
    reeve_double_matrix matrix;
    reeve_future_reeve_double_matrix future;
    reeve_future_reeve_double_array other;
    reeve_view view;
    NEED(reeve_create_reeve_double_matrix(1024, COUNT / 1024, &items, &creation) == REEVE_OK);
    NEED((uintptr_t)items % 64 == 0);
    for (size_t i = 0; i < COUNT; i++)
        items[i] = (double)i;
    NEED(reeve_seal_reeve_double_array(creation, &other) == REEVE_ETYPE);
    NEED(reeve_seal_reeve_double_matrix(creation, &future) == REEVE_OK);
    NEED(reeve_seal_reeve_double_matrix(creation, &future) == REEVE_EHANDLE);
    NEED(reeve_view_reeve_double_matrix(future, 0, &matrix, &view) == REEVE_OK);
    NEED(matrix.rows == 1024 && matrix.items[COUNT - 1] == COUNT - 1);
    NEED(faults(matrix.items)); /* although this process has made it */
    NEED(reeve_view_release(view) == REEVE_OK);
    NEED(look_get(reeve_call(look, (reeve_future_reeve_double_array){future.id}), &last) ==
         REEVE_ETYPE);
    NEED(reeve_release(future) == REEVE_OK);
    NEED(reeve_create_reeve_double_array(COUNT * 64, &items, &full) == REEVE_ETOOLARGE);
    for (int i = 0; i < 20; i++) { /* more than the store, if they stayed */
        NEED(reeve_create_reeve_double_array(COUNT, &items, &creation) == REEVE_OK);
        NEED(reeve_abort(creation) == REEVE_OK);
    }
    NEED(reeve_create_reeve_double_array(COUNT, &items, &creation) == REEVE_OK);
    reeve_shutdown();
    NEED(reeve_seal_reeve_double_array(creation, &other) == REEVE_ESHUTDOWN);
}

/* More than half of the store, so that it is not anchored, and then more than there is room for;
 * got at once, with some that are no values among them. */
static void many(void)
{
    enum { TOTAL = 900, PLAIN = 300, ITEMS = 16384 };
    static reeve_future_reeve_double_array all[TOTAL];
    static reeve_double_array got[TOTAL];
    static int codes[TOTAL];
    double *items = malloc(ITEMS * sizeof *items);
    for (int count = PLAIN; count <= TOTAL; count += TOTAL - PLAIN) {
        for (int i = 0; i < count; i++) {
            for (int k = 0; k < ITEMS; k++)
                items[k] = i + k;
            all[i] = reeve_put_reeve_double_array((reeve_double_array){items, ITEMS});
        }
        NEED(reeve_release(all[7]) == REEVE_OK);
        NEED(reeve_release(all[200]) == REEVE_OK);
        all[200] = make_remote(3); /* small */
        all[201] = all[100];
        NEED(reeve_get_many_reeve_double_array(all, (size_t)count, got, codes) == REEVE_EHANDLE);
        for (int i = 0; i < count; i++) {
            size_t expected = i == 200 ? 3 : ITEMS;
            NEED(codes[i] == (i == 7 || i == 201 ? REEVE_EHANDLE : REEVE_OK));
            if (codes[i] != REEVE_OK)
                continue;
            NEED(got[i].count == expected);
            NEED(got[i].items[expected - 1] == (i == 200 ? 0 : i) + (double)expected - 1);
            reeve_clear(reeve_double_array, &got[i]);
        }
    }
    free(items);
}

static void many_check(const reeve_future_reeve_double_array *all, int count, int items)
{
    static reeve_double_array seen[900];
    static int codes[900];
    reeve_view view;
    int viewed = 0;
    NEED(reeve_view_many_reeve_double_array(all, (size_t)count, seen, codes, &view) == codes[7]);
    for (int i = 0; i < count; i++) {
        size_t expected = i == 200 ? 3 : (size_t)items;
        if (i == 7) {
            NEED(codes[i] == REEVE_EHANDLE && seen[i].count == 0);
        } else if (codes[i] == REEVE_EFULL) { /* those before it hold all there is */
            NEED(i > 300 && viewed > 300 && seen[i].count == 0);
        } else {
            NEED(codes[i] == REEVE_OK && seen[i].count == expected);
            viewed++;
        }
    }
    NEED(count > 300 ? viewed < count - 1 : viewed == count - 1);
    for (int i = 0; i < count; i++) /* all of them are still there */
        if (codes[i] == REEVE_OK && i != 200)
            NEED(seen[i].items[items - 1] == (i == 201 ? 100 : i) + items - 1);
    NEED(count < 300 || faults(seen[100].items));
    NEED(reeve_view_release(view) == REEVE_OK);
    NEED(reeve_view_release(view) == REEVE_EHANDLE);
}

/* Many viewed in one call, own and another's, anchored and not, large and small, and more than
 * there is room for. */
static void viewed_many(void)
{
    enum { TOTAL = 900, ITEMS = 16384 };
    static reeve_future_reeve_double_array all[TOTAL];
    double *items = malloc(ITEMS * sizeof *items), sum, wanted;
    for (int count = 220; count <= TOTAL; count += count == 220 ? 80 : 600) {
        for (int i = 0; i < count; i++) {
            for (int k = 0; k < ITEMS; k++)
                items[k] = i + k;
            all[i] = reeve_put_reeve_double_array((reeve_double_array){items, ITEMS});
        }
        NEED(reeve_release(all[7]) == REEVE_OK);
        NEED(reeve_release(all[200]) == REEVE_OK);
        NEED(reeve_release(all[201]) == REEVE_OK);
        all[200] = make_remote(3); /* small, and not there yet */
        all[201] = all[100];
        many_check(all, count, ITEMS);
        wanted = 0;
        for (int i = 10; i < 210; i++)
            wanted += i == 200 ? 2 : (i == 201 ? 100 : i) + ITEMS - 1;
        NEED(sum_of_last_get(sum_of_last_remote((reeve_futures_reeve_double_array){all + 10, 200}),
                 &sum) == REEVE_OK);
        NEED(sum == wanted);
        for (int i = 0; i < count; i++)
            NEED(reeve_release(all[i]) == (i == 7 || i == 201 ? REEVE_EHANDLE : REEVE_OK));
    }
    free(items);
}

struct getter {
    reeve_future_reeve_double_array future;
    pthread_barrier_t *begin;
    int code;
};

static void *get_main(void *arg)
{
    struct getter *getter = arg;
    reeve_double_array got;
    pthread_barrier_wait(getter->begin);
    getter->code = reeve_get(reeve_double_array, getter->future, &got);
    if (getter->code == REEVE_OK && got.items[got.count - 1] != (double)got.count - 1)
        getter->code = REEVE_ECORRUPT;
    if (getter->code == REEVE_OK)
        reeve_clear(reeve_double_array, &got);
    return NULL;
}

/* Two threads at once, while it is viewed: it is one's, and stays where it is for the view. */
static void got_twice(void)
{
    reeve_double_array a = ramp(COUNT / 4);
    pthread_barrier_t begin;
    pthread_barrier_init(&begin, NULL, 2);
    for (int round = 0; round < 100; round++) {
        reeve_double_array seen;
        reeve_view view;
        struct getter getters[2];
        pthread_t threads[2];
        reeve_future_reeve_double_array put = reeve_put_reeve_double_array(a);
        NEED(reeve_view_reeve_double_array(put, 0, &seen, &view) == REEVE_OK);
        for (int i = 0; i < 2; i++) {
            getters[i] = (struct getter){put, &begin, 0};
            NEED(pthread_create(&threads[i], NULL, get_main, &getters[i]) == 0);
        }
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        NEED(getters[0].code == REEVE_OK || getters[1].code == REEVE_OK);
        NEED(getters[0].code == REEVE_EHANDLE || getters[1].code == REEVE_EHANDLE);
        NEED(reeve_release(put) == REEVE_EHANDLE); /* not the view's */
        NEED(seen.items[a.count - 1] == (double)a.count - 1);
        NEED(reeve_view_release(view) == REEVE_OK);
    }
    pthread_barrier_destroy(&begin);
    free((void *)(uintptr_t)a.items);
}

/* Of more than the store, put and got by and by; each views and pins that were not given back would
 * be missed. */
static void churn(void)
{
    reeve_double_array a = ramp(COUNT / 2);
    double last;
    for (int round = 0; round < 8; round++) {
        for (int step = 0; step < STEPS; step++) {
            reeve_future_reeve_double_array put = reeve_put_reeve_double_array(a);
            const reeve_task_options *once = REEVE_TASK_OPTIONS(.max_retries = REEVE_NO_RETRIES);
            int code;
            if (step == AT_LARGE_RESULT) {
                reeve_double_array none;
                code = dies_with_result_get(reeve_call_opts(once, dies_with_result, put), &none);
            } else {
                code = dies_get(reeve_call_opts(once, dies, put, step), &last);
            }
            NEED(code == REEVE_EWORKERDIED);
            NEED(look_get(reeve_call(look, put), &last) == REEVE_OK && last == COUNT / 2 - 1);
            NEED(reeve_release(put) == REEVE_OK);
        }
    }
    free((void *)(uintptr_t)a.items);
}

/* Nearly all of the store at once: there is nothing else in it. */
static void nothing_left(void)
{
    reeve_future_reeve_double_array all[6];
    reeve_double_array a = ramp(COUNT);
    for (int i = 0; i < 6; i++) {
        double last;
        all[i] = reeve_put_reeve_double_array(a);
        NEED(look_get(reeve_call(look, all[i]), &last) == REEVE_OK && last == COUNT - 1);
    }
    for (int i = 0; i < 6; i++)
        NEED(reeve_release(all[i]) == REEVE_OK);
    free((void *)(uintptr_t)a.items);
}

/* Holds views, a value being filled and results, says so, and waits to be killed. */
static void to_be_killed(void)
{
    double *items;
    reeve_creation creation;
    reeve_view view;
    make_future result = make_remote(COUNT);
    NEED(view_last(result, &view) == COUNT - 1);
    NEED(reeve_create_reeve_double_array(COUNT, &items, &creation) == REEVE_OK);
    printf("ready\n");
    fflush(stdout);
    pause();
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    if (strcmp(what, "in_place") == 0)
        in_place();
    else if (strcmp(what, "members") == 0)
        members();
    else if (strcmp(what, "filled") == 0)
        filled();
    else if (strcmp(what, "got_twice") == 0)
        got_twice();
    else if (strcmp(what, "many") == 0)
        many(), nothing_left();
    else if (strcmp(what, "viewed_many") == 0)
        viewed_many(), nothing_left();
    else if (strcmp(what, "churn") == 0)
        churn(), nothing_left();
    else if (strcmp(what, "nothing_left") == 0)
        nothing_left();
    else if (strcmp(what, "to_be_killed") == 0)
        to_be_killed();
    else
        return fprintf(stderr, "views: what?\n"), 2;
    reeve_shutdown();
    printf("ok %s\n", what);
    return 0;
}
