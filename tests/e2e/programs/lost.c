/* Values that are lost with their node: `lost WHAT MAIL GATE`. What is made is reported; at the
 * gate the test kills the nodes that have it; then the program gets it, and prints "ok WHAT". */
#include "tests/e2e/programs/say.h"

#define SIZE       3000000
#define LARGE_SIZE 40000000 /* under way for a while */

static bool is_block(const reeve_bytes *block, int64_t seed)
{
    bool good = block->size == SIZE || block->size == LARGE_SIZE;
    for (size_t i = 0; i < block->size && good; i++)
        good = ((const uint8_t *)block->data)[i] == (uint8_t)(i * 31 + (uint64_t)seed);
    return good;
}

static reeve_bytes block_of(size_t size, int64_t seed)
{
    uint8_t *bytes = reeve_alloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 31 + (uint64_t)seed);
    return (reeve_bytes){bytes, size};
}

static void host_report(const char *mail, const char *what, int64_t number)
{
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    report(mail, "%s %" PRId64 " %s", what, number, host);
}

REEVE_REMOTE(reeve_bytes, make, (int64_t, seed), (reeve_string, mail))
{
    host_report(mail, "make", seed);
    return block_of(SIZE, seed);
}

REEVE_REMOTE(reeve_bytes, make_large, (int64_t, seed), (reeve_string, mail))
{
    host_report(mail, "make_large", seed);
    return block_of(LARGE_SIZE, seed);
}

/* Nothing else runs in its slot. */
REEVE_REMOTE(int64_t, occupy, (reeve_string, mail))
{
    report(mail, "occupied");
    while (!reeve_cancelled())
        usleep(1000);
    return 0;
}

REEVE_REMOTE(reeve_bytes, next, (reeve_bytes, block), (int64_t, seed), (reeve_string, mail))
{
    host_report(mail, "next", seed);
    if (!is_block(&block, seed - 1))
        reeve_fail(1, "the block that came is not the one before");
    return block_of(SIZE, seed);
}

REEVE_REMOTE(int64_t, check, (reeve_bytes, block), (int64_t, seed), (reeve_string, mail))
{
    host_report(mail, "check", seed);
    return is_block(&block, seed);
}

/* Each call has the number behind that of the call before. In the second kind they run on a thread
 * of the actor's own. */
#define RECORDER(A, METHOD)                                                                 \
    REEVE_CONSTRUCTOR(A)                                                                    \
    {                                                                                       \
        return REEVE_OK;                                                                    \
    }                                                                                       \
    METHOD(int64_t, A, add, (int64_t, number))                                              \
    {                                                                                       \
        if (number != ++self->last)                                                         \
            reeve_fail(2, "call %" PRId64 " runs as number %" PRId64, number, self->last);  \
        return number;                                                                      \
    }                                                                                       \
    METHOD(int64_t, A, add_block, (int64_t, number), (reeve_bytes, block), (int64_t, seed)) \
    {                                                                                       \
        if (number != ++self->last || !is_block(&block, seed))                              \
            reeve_fail(2,                                                                   \
                "call %" PRId64 " runs as number %" PRId64 ", or its block is not "         \
                "right",                                                                    \
                number, self->last);                                                        \
        return number;                                                                      \
    }
#define IN_GROUP(...) REEVE_GROUP_METHOD(one, __VA_ARGS__)

REEVE_ACTOR(recorder, (int64_t, last))
RECORDER(recorder, REEVE_METHOD)
REEVE_METHOD(reeve_bytes, recorder, block, (int64_t, seed))
{
    return block_of(SIZE, seed);
}

REEVE_ACTOR(threaded, (int64_t, last))
REEVE_GROUPS(threaded, (one, 1))
RECORDER(threaded, IN_GROUP)

REEVE_REMOTE_RESULTS(both, ((reeve_bytes, first), (int64_t, number), (reeve_bytes, second)),
    (int64_t, seed), (reeve_string, mail))
{
    static reeve_bytes blocks[2]; /* until the function has returned */
    host_report(mail, "make", seed);
    for (int i = 0; i < 2; i++) {
        reeve_clear(reeve_bytes, &blocks[i]);
        blocks[i] = block_of(SIZE, seed + i);
    }
    *results = (both_results){blocks[0], seed, blocks[1]};
}

REEVE_REMOTE(reeve_future_reeve_bytes, put_there, (int64_t, size), (int64_t, seed))
{
    reeve_bytes block = block_of((size_t)size, seed);
    return reeve_put(reeve_bytes, block);
}

static void need_block(make_future f, int64_t seed)
{
    reeve_bytes block;
    NEED(reeve_get(reeve_bytes, f, &block) == REEVE_OK && is_block(&block, seed));
    reeve_clear(reeve_bytes, &block);
}

static make_future chain_of_three(const char *mail, bool keep, make_future all[3])
{
    all[0] = make_remote(1, mail);
    all[1] = reeve_call(next, all[0], 2, mail);
    all[2] = reeve_call(next, all[1], 3, mail);
    NEED(reeve_wait(all, 3, 3, REEVE_FOREVER, NULL, NULL) == REEVE_OK);
    for (int i = 0; i < 2 && !keep; i++)
        NEED(reeve_release(all[i]) == REEVE_OK);
    return all[2];
}

static void at_gate(const char *mail, const char *gate)
{
    report(mail, "made");
    wait_at(gate);
}

static void one(const char *mail, const char *gate)
{
    make_future made = make_remote(1, mail);
    NEED(reeve_wait(&made, 1, 1, REEVE_FOREVER, NULL, NULL) == REEVE_OK);
    at_gate(mail, gate);
    need_block(made, 1);
}

#define DAMAGED 40

/* More than the stores hold: the test damages what is on disk. */
static void damage(const char *mail, const char *gate, make_future all[DAMAGED])
{
    for (int i = 0; i < DAMAGED; i++)
        all[i] = make_remote(i, mail);
    NEED(reeve_wait(all, DAMAGED, DAMAGED, REEVE_FOREVER, NULL, NULL) == REEVE_OK);
    at_gate(mail, gate);
}

static void damaged(const char *mail, const char *gate)
{
    make_future all[DAMAGED];
    damage(mail, gate, all);
    for (int i = 0; i < DAMAGED; i++)
        need_block(all[i], i);
}

static void chain(const char *mail, const char *gate)
{
    make_future all[3], last = chain_of_three(mail, false, all);
    at_gate(mail, gate);
    need_block(last, 3);
}

/* All are held, so that the owner learns only from those who want to read them what is lost. */
static void held(const char *mail, const char *gate)
{
    make_future all[3], last = chain_of_three(mail, true, all);
    at_gate(mail, gate);
    int64_t good;
    NEED(check_get(reeve_call(check, last, 3, mail), &good) == REEVE_OK && good == 1);
    for (int i = 0; i < 3; i++)
        need_block(all[i], i + 1);
}

/* Calls with and without blocks, by turns, all sent before any has been answered. */
#define RECORD(A, blocks, count)                                                             \
    do {                                                                                     \
        A##_ref actor_ = A##_create();                                                       \
        reeve_future calls_[3 * (count)];                                                    \
        int64_t number_;                                                                     \
        for (int i_ = 0; i_ < 3 * (count); i_++)                                             \
            calls_[i_].id =                                                                  \
                i_ % 3 == 1                                                                  \
                    ? reeve_call(A##_add_block, actor_, i_ + 1, (blocks)[i_ / 3], i_ / 3).id \
                    : A##_add_remote(actor_, i_ + 1).id;                                     \
        for (int i_ = 0; i_ < 3 * (count); i_++)                                             \
            NEED(A##_add_get((A##_add_future){calls_[i_].id}, &number_) == REEVE_OK &&       \
                 number_ == i_ + 1);                                                         \
        reeve_actor_release(actor_);                                                         \
    } while (0)

/* Two that are lost with their nodes, as arguments of an actor made since. */
static void actor(const char *mail, const char *gate)
{
    make_future all[] = {make_remote(0, mail), make_remote(1, mail)};
    NEED(reeve_wait(all, 2, 2, REEVE_FOREVER, NULL, NULL) == REEVE_OK);
    at_gate(mail, gate);
    RECORD(recorder, all, 2);
    for (int i = 0; i < 2; i++)
        need_block(all[i], i);
}

static void damaged_actor(const char *mail, const char *gate)
{
    make_future all[DAMAGED];
    damage(mail, gate, all);
    RECORD(recorder, all, DAMAGED);
    for (int i = 0; i < DAMAGED; i++)
        reeve_release(all[i]);
}

static void damaged_threaded(const char *mail, const char *gate)
{
    make_future all[DAMAGED];
    damage(mail, gate, all);
    RECORD(threaded, all, DAMAGED);
    for (int i = 0; i < DAMAGED; i++)
        reeve_release(all[i]);
}

/* Nobody can make it again: its call fails, the others do not. */
static void actor_put(const char *mail, const char *gate)
{
    reeve_future_reeve_bytes there;
    NEED(put_there_get(put_there_remote(SIZE, 2), &there) == REEVE_OK);
    at_gate(mail, gate);
    recorder_ref to = recorder_create();
    int64_t number;
    recorder_add_future first = recorder_add_remote(to, 1);
    recorder_add_block_future second = reeve_call(recorder_add_block, to, 2, there, 2);
    recorder_add_future third = recorder_add_remote(to, 2);
    NEED(recorder_add_get(first, &number) == REEVE_OK);
    say_error("block", recorder_add_block_get(second, &number));
    NEED(recorder_add_get(third, &number) == REEVE_OK && number == 2);
    reeve_actor_release(to);
    reeve_release(there);
}

/* Two of several results, and what was made from one of them. */
static void several(const char *mail, const char *gate)
{
    both_futures f = both_remote(1, mail);
    next_future last = reeve_call(next, f.second, 3, mail);
    reeve_future_reeve_bytes all[] = {f.first, f.second, {last.id}};
    int64_t number;
    NEED(reeve_wait(all, 3, 3, REEVE_FOREVER, NULL, NULL) == REEVE_OK);
    at_gate(mail, gate);
    need_block((make_future){last.id}, 3);
    need_block((make_future){f.first.id}, 1);
    need_block((make_future){f.second.id}, 2);
    NEED(reeve_get(int64_t, f.number, &number) == REEVE_OK && number == 1);
}

/* What cannot be made again: the error says what was lost, and what to do. */
static void errors(const char *mail, const char *gate)
{
    make_future never =
        make_remote_opts(REEVE_TASK_OPTIONS(.max_retries = REEVE_NO_RETRIES), 1, mail);
    reeve_future_reeve_bytes there;
    reeve_bytes block;
    int64_t good;
    NEED(put_there_get(put_there_remote(SIZE, 2), &there) == REEVE_OK);
    recorder_ref maker = recorder_create_opts(REEVE_ACTOR_OPTIONS(.max_restarts = 1));
    recorder_block_future method = recorder_block_remote(maker, 3);
    NEED(reeve_wait(&never, 1, 1, REEVE_FOREVER, NULL, NULL) == REEVE_OK);
    NEED(reeve_wait(&method, 1, 1, REEVE_FOREVER, NULL, NULL) == REEVE_OK);
    at_gate(mail, gate);
    say_error("argument", check_get(reeve_call(check, never, 1, mail), &good));
    say_error("never", reeve_get(reeve_bytes, never, &block));
    say_error("there", reeve_get(reeve_bytes, there, &block));
    /* the actor that has made it is made again; the call is not, nor is anything that needs it */
    say_error("method's argument", check_get(reeve_call(check, method, 3, mail), &good));
    say_error("method", recorder_block_get(method, &block));
    NEED(recorder_block_get(recorder_block_remote(maker, 4), &block) == REEVE_OK);
    NEED(is_block(&block, 4));
    reeve_clear(reeve_bytes, &block);
    reeve_actor_release(maker);
}

/* Its only node is lost while the value is on its way to two others. */
static void travelling(const char *mail, const char *gate)
{
    make_large_future made = make_large_remote(1, mail);
    NEED(reeve_wait(&made, 1, 1, REEVE_FOREVER, NULL, NULL) == REEVE_OK);
    occupy_future occupied = occupy_remote(mail);
    wait_at(gate);
    int64_t good = 0;
    check_future elsewhere = reeve_call(check, made, 1, mail);
    need_block(made, 1);
    NEED(check_get(elsewhere, &good) == REEVE_OK && good == 1);
    NEED(reeve_cancel(occupied, NULL) == REEVE_OK);
    reeve_release(occupied);
}

/* The same with one that nobody can make again. */
static void travelling_put(const char *mail, const char *gate)
{
    reeve_future_reeve_bytes there;
    reeve_bytes block;
    NEED(put_there_get(put_there_remote(LARGE_SIZE, 2), &there) == REEVE_OK);
    report(mail, "occupied");
    wait_at(gate);
    say_error("there", reeve_get(reeve_bytes, there, &block));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const char *mail, const char *gate);
    } all[] = {{"one", one}, {"damaged", damaged}, {"chain", chain}, {"held", held},
        {"several", several}, {"errors", errors}, {"actor", actor}, {"actor_put", actor_put},
        {"damaged_actor", damaged_actor}, {"damaged_threaded", damaged_threaded},
        {"travelling", travelling}, {"travelling_put", travelling_put}};
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc == 4);
    if (say_run(all, argv[1], argv[2], argv[3]))
        printf("ok %s\n", argv[1]);
    reeve_shutdown();
    return 0;
}
