/* Futures that are kept beyond the call they came with: `keep WHAT [MAIL]` prints "ok WHAT" or says
 * what is wrong. Run where a node has one worker a function is sent to: `cpus` sees to that. */
#include <signal.h>
#include <time.h>

#include "tests/e2e/programs/say.h"

REEVE_STRUCT(parcel, (reeve_string, label), (reeve_future_reeve_bytes, inside))

#define LARGE 400000

static reeve_bytes block_of(int64_t size, int64_t seed)
{
    uint8_t *bytes = reeve_alloc((size_t)size);
    for (int64_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 13 + seed);
    return (reeve_bytes){bytes, (size_t)size};
}

static bool is_block(const reeve_bytes *block, int64_t size, int64_t seed)
{
    bool good = block->size == (size_t)size;
    for (int64_t i = 0; i < size && good; i++)
        good = ((const uint8_t *)block->data)[i] == (uint8_t)(i * 13 + seed);
    return good;
}

REEVE_REMOTE(reeve_bytes, make, (int64_t, size), (int64_t, seed))
{
    return block_of(size, seed);
}

static reeve_future_reeve_bytes kept;

REEVE_REMOTE(int64_t, keep, (reeve_future_reeve_bytes, f))
{
    kept = reeve_retain(f);
    return getpid();
}

REEVE_REMOTE(int64_t, keep_inside, (reeve_future_parcel, f))
{
    parcel p;
    if (reeve_get(parcel, f, &p) != REEVE_OK)
        reeve_fail(1, "no parcel");
    kept = p.inside; /* those in a value that was got are ours */
    reeve_clear(parcel, &p);
    return getpid();
}

REEVE_REMOTE(int64_t, read_kept, (int64_t, size), (int64_t, seed), (bool, last))
{
    reeve_bytes block;
    reeve_future_reeve_bytes f = last ? kept : reeve_retain(kept);
    int code = reeve_get(reeve_bytes, f, &block);
    if (code != REEVE_OK)
        return code;
    bool good = is_block(&block, size, seed);
    reeve_clear(reeve_bytes, &block);
    return good ? getpid() : -1;
}

REEVE_ACTOR(shelf, (bool, unused))
REEVE_CONSTRUCTOR(shelf)
{
    return REEVE_OK;
}
REEVE_METHOD(void, shelf, keep, (reeve_future_reeve_bytes, f))
{
    kept = reeve_retain(f);
}
/* 1: it is as it should be. */
REEVE_METHOD(int64_t, shelf, look, (int64_t, seed), (bool, last))
{
    reeve_bytes block;
    int code = reeve_get(reeve_bytes, last ? kept : reeve_retain(kept), &block);
    if (code != REEVE_OK)
        return code;
    bool good = is_block(&block, LARGE, seed);
    reeve_clear(reeve_bytes, &block);
    return good;
}

REEVE_REMOTE(reeve_future_reeve_bytes, same, (reeve_future_reeve_bytes, f), (bool, retained))
{
    return retained ? reeve_retain(f) : f;
}

/* What an earlier call has kept: for good, or another reference to it. */
REEVE_REMOTE(reeve_future_reeve_bytes, give_kept, (bool, last))
{
    return last ? kept : reeve_retain(kept);
}

/* Keeps this one, and gives what it has kept before. */
REEVE_REMOTE(reeve_future_reeve_bytes, swap, (reeve_future_reeve_bytes, f))
{
    reeve_future_reeve_bytes before = kept;
    kept = reeve_retain(f);
    return before.id != 0 ? before : f;
}

REEVE_REMOTE(
    int64_t, nap_and_check, (reeve_future_reeve_bytes, f), (int64_t, seed), (reeve_string, mail))
{
    struct timespec rest = {0, 200000000};
    nanosleep(&rest, NULL);
    reeve_bytes block;
    int code = reeve_get(reeve_bytes, f, &block);
    bool good = code == REEVE_OK && is_block(&block, LARGE, seed);
    report(mail, "checked %d %d", good, code);
    return good;
}

/* Gets it, and passes it on to a task that outlives the call, whose own callee keeps it, too. */
REEVE_REMOTE(int64_t, pass_on, (reeve_future_reeve_bytes, f), (int64_t, seed), (reeve_string, mail))
{
    nap_and_check_future later = nap_and_check_remote(f, seed, mail);
    reeve_bytes block;
    bool good = reeve_get(reeve_bytes, f, &block) == REEVE_OK && is_block(&block, LARGE, seed);
    reeve_clear(reeve_bytes, &block);
    keep_future other = keep_remote(kept = reeve_retain(f));
    (void)other;
    reeve_release(later);
    return good;
}

/* Owns what it lends; the test kills it when it reports. */
REEVE_REMOTE(int64_t, owner, (int64_t, seed), (reeve_string, mail), (reeve_string, gate))
{
    reeve_bytes block = block_of(LARGE, seed);
    reeve_future_reeve_bytes mine = reeve_put(reeve_bytes, block);
    const reeve_task_options *other = REEVE_TASK_OPTIONS(.cpus = 0.5);
    int64_t keeper = 0;
    if (keep_get(keep_remote_opts(other, mine), &keeper) != REEVE_OK)
        reeve_fail(2, "not kept");
    report(mail, "kept %d", getpid());
    wait_at(gate);
    return keeper;
}

static int64_t read_one(int64_t size, int64_t seed, bool last)
{
    int64_t answer = 0;
    NEED(read_kept_get(read_kept_remote(size, seed, last), &answer) == REEVE_OK);
    return answer;
}

/* One worker: what it keeps is there for later calls, when the caller has let go of it. */
static void statics(const char *mail, const char *gate)
{
    (void)mail, (void)gate;
    for (int64_t size = 10; size <= LARGE; size *= 200) {
        int64_t pid;
        make_future made = make_remote(size, 3);
        NEED(keep_get(keep_remote(made), &pid) == REEVE_OK);
        NEED(reeve_release(made) == REEVE_OK);
        for (int i = 0; i < 3; i++)
            NEED(read_one(size, 3, i == 2) == pid);
        NEED(read_one(size, 3, true) == REEVE_EHANDLE); /* it has been got */
    }
    reeve_bytes mine = block_of(LARGE, 5), again;
    int64_t pid;
    parcel p = {"a parcel", reeve_put(reeve_bytes, mine)};
    reeve_future_parcel put = reeve_put(parcel, p);
    reeve_clear(reeve_bytes, &mine);
    NEED(reeve_release(p.inside) == REEVE_OK);
    NEED(keep_inside_get(keep_inside_remote(put), &pid) == REEVE_OK);
    NEED(reeve_release(put) == REEVE_OK);
    NEED(read_one(LARGE, 5, true) == pid);
    for (int retained = 0; retained < 2; retained++) { /* back to whose it is */
        make_future made = make_remote(LARGE, 6), back;
        NEED(same_get(same_remote(made, retained), &back) == REEVE_OK);
        NEED(reeve_release(made) == REEVE_OK);
        NEED(reeve_get(reeve_bytes, back, &again) == REEVE_OK && is_block(&again, LARGE, 6));
        reeve_clear(reeve_bytes, &again);
    }
    /* the same in a later call, while its owner has it, and when it has let go of it; twice */
    for (int released = 0; released < 2; released++) {
        make_future made = make_remote(LARGE, 8), first, second;
        NEED(keep_get(keep_remote(made), &pid) == REEVE_OK);
        if (released)
            NEED(reeve_release(made) == REEVE_OK);
        NEED(give_kept_get(give_kept_remote(false), &first) == REEVE_OK);
        NEED(give_kept_get(give_kept_remote(true), &second) == REEVE_OK);
        NEED(read_one(LARGE, 8, true) == REEVE_EHANDLE);
        NEED(reeve_get(reeve_bytes, first, &again) == REEVE_OK && is_block(&again, LARGE, 8));
        reeve_clear(reeve_bytes, &again);
        NEED(keep_get(keep_remote(second), &pid) == REEVE_OK); /* and back again */
        NEED(reeve_get(reeve_bytes, second, &again) == REEVE_OK && is_block(&again, LARGE, 8));
        reeve_clear(reeve_bytes, &again);
        NEED(read_one(LARGE, 8, true) == pid);
        if (!released)
            NEED(reeve_release(made) == REEVE_OK);
    }
    /* our own */
    make_future one = make_remote(LARGE, 7), two = reeve_retain(one);
    NEED(reeve_release(one) == REEVE_OK);
    NEED(reeve_get(reeve_bytes, two, &again) == REEVE_OK && is_block(&again, LARGE, 7));
    NEED(reeve_get(reeve_bytes, two, &again) == REEVE_EHANDLE);
    NEED(reeve_get(reeve_bytes, reeve_retain(two), &again) == REEVE_EHANDLE);
    reeve_clear(reeve_bytes, &again);
}

/* Passed on by a call that ends before those to which it was passed on. */
static void passed(const char *mail, const char *gate)
{
    (void)gate;
    int64_t good;
    make_future made = make_remote(LARGE, 8);
    NEED(pass_on_get(pass_on_remote(made, 8, mail), &good) == REEVE_OK && good == 1);
    NEED(reeve_release(made) == REEVE_OK);
    report(mail, "released");
    wait_at(gate);
}

/* By workers of all nodes, of what lies on any, while others read it. */
static void swapped(const char *mail, const char *gate)
{
    enum { COUNT = 40 };
    static reeve_future_reeve_bytes back[COUNT];
    (void)mail, (void)gate;
    for (int begin = 0; begin < COUNT; begin += 8) {
        make_future made[8];
        swap_future swaps[8];
        for (int i = 0; i < 8; i++) {
            made[i] = make_remote(LARGE, begin + i);
            swaps[i] = swap_remote(made[i]);
        }
        for (int i = 0; i < 8; i++) {
            NEED(swap_get(swaps[i], &back[begin + i]) == REEVE_OK);
            NEED(reeve_release(made[i]) == REEVE_OK);
        }
    }
    for (int i = 0; i < COUNT; i++) {
        reeve_bytes block;
        NEED(reeve_get(reeve_bytes, back[i], &block) == REEVE_OK);
        NEED(is_block(&block, LARGE, ((const uint8_t *)block.data)[0]));
        reeve_clear(reeve_bytes, &block);
    }
}

/* Only one of the workers has kept anything; a little rest makes several of them take part. */
REEVE_REMOTE(int64_t, ask_kept, (int64_t, ms))
{
    struct timespec rest = {0, ms * 1000000};
    nanosleep(&rest, NULL);
    if (kept.id == 0)
        return 1;
    reeve_bytes block;
    int code = reeve_get(reeve_bytes, reeve_retain(kept), &block);
    if (code == REEVE_OK)
        reeve_clear(reeve_bytes, &block);
    return code;
}

static void owner_died(const char *mail, const char *gate)
{
    int64_t code = 0, keeper;
    owner_future f = owner_remote_opts(
        REEVE_TASK_OPTIONS(.cpus = 0.6, .max_retries = REEVE_NO_RETRIES), 9, mail, gate);
    NEED(owner_get(f, &keeper) == REEVE_EWORKERDIED);
    for (int round = 0; round < 500 && code != REEVE_EOWNERDIED; round++) {
        ask_kept_future asked[4];
        for (int i = 0; i < 4; i++)
            asked[i] = ask_kept_remote_opts(REEVE_TASK_OPTIONS(.cpus = 0.5), 5);
        for (int i = 0; i < 4; i++) {
            int64_t answer;
            NEED(ask_kept_get(asked[i], &answer) == REEVE_OK);
            NEED(answer == 1 || answer == REEVE_OK || answer == REEVE_EOWNERDIED);
            code = answer == REEVE_EOWNERDIED ? answer : code;
        }
    }
    NEED(code == REEVE_EOWNERDIED);
}

static int64_t look(shelf_ref at, int64_t seed, bool last)
{
    int64_t found = 0;
    NEED(shelf_look_get(shelf_look_remote(at, seed, last), &found) == REEVE_OK);
    return found;
}

/* Has an actor that others send to. */
static void serves(const char *mail, const char *gate)
{
    shelf_ref own = shelf_create_opts(REEVE_ACTOR_OPTIONS(.name = "shelf"));
    NEED(look(own, 1, false) == REEVE_EHANDLE);
    report(mail, "serves");
    wait_at(gate);
}

/* To the actor of another program: what that keeps is there while its owner lives, let go or not.
 * The last value stays with it when this program ends. */
static void sends(const char *mail, const char *gate)
{
    shelf_ref other;
    (void)mail, (void)gate;
    NEED(shelf_by_name("shelf", &other) == REEVE_OK);
    for (int i = 0; i < 5; i++) {
        reeve_bytes block = block_of(LARGE, i);
        reeve_future_reeve_bytes value = {make_remote(LARGE, i).id};
        if (i % 2 == 0) {
            NEED(reeve_release(value) == REEVE_OK);
            value = reeve_put(reeve_bytes, block);
        }
        NEED(shelf_keep_get(shelf_keep_remote(other, value)) == REEVE_OK);
        NEED(reeve_release(value) == REEVE_OK);
        NEED(look(other, i, false) == 1);
        NEED(i == 4 || look(other, i, true) == 1);
        reeve_clear(reeve_bytes, &block);
    }
}

/* When the program that sent it has ended. */
static void asks(const char *mail, const char *gate)
{
    shelf_ref other;
    (void)mail, (void)gate;
    NEED(shelf_by_name("shelf", &other) == REEVE_OK);
    NEED(look(other, 4, true) == REEVE_EOWNERDIED);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const char *mail, const char *gate);
    } all[] = {{"statics", statics}, {"passed", passed}, {"swapped", swapped},
        {"owner_died", owner_died}, {"serves", serves}, {"sends", sends}, {"asks", asks}};
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc == 4);
    if (say_run(all, argv[1], argv[2], argv[3]))
        printf("ok %s\n", argv[1]);
    reeve_shutdown();
    return 0;
}
