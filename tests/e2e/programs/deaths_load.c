/* A driver that uses the store in every way, and looks at every byte that it sees, until it is
 * killed: `deaths_load SEED ROUNDS`.
 *
 * It has 24 values at a time, of 8 bytes to 6 MiB, and does one thing to one of them after the
 * other, by a random order that the seed names:
 *
 *     nothing there   it is put, made by a task, or made by a task from another one (which the task
 *                     checks), or made by a task that has it made by a task of its own
 *     something       it is got and checked, given to a task that checks it, or released
 *
 * What is lost to a killed worker or node is an error, counted under its code; a wrong byte, or a
 * code that deaths do not explain, is printed as "WRONG …", with exit status 9. After ROUNDS it
 * ends of itself, and when its own node has died. Prints "GOOD ERRORS" now and then, and at the
 * end. */
#include "tests/e2e/programs/content.h"
#include "tests/e2e/programs/say.h"

#define VALUES 24

static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 33;
}

static bool value_is_right(reeve_bytes bytes, uint64_t number)
{
    return bytes.size == content_size(number) && content_is_right(bytes.data, bytes.size, number);
}

static void wrong(const char *what, uint64_t number, int code)
{
    printf("WRONG %s %" PRIu64 ": %s: %s\n", what, number, reeve_error_name(code),
        code != REEVE_OK ? reeve_last_error()->message : "other bytes");
    fflush(stdout);
    _exit(9);
}

/* ---- tasks ----------------------------------------------------------------------------------- */

static reeve_bytes filled(uint64_t number)
{
    size_t size = content_size(number);
    void *bytes = reeve_alloc(size);
    content_fill(bytes, size, number);
    return (reeve_bytes){bytes, size};
}

REEVE_REMOTE(reeve_bytes, made, (uint64_t, number))
{
    return filled(number);
}

/* The content of a future that failed is the library's to report. */
REEVE_REMOTE(reeve_bytes, made_from, (uint64_t, number), (reeve_bytes, other), (uint64_t, other_is))
{
    if (!value_is_right(other, other_is))
        reeve_fail(1, "an argument is wrong: %" PRIu64 " of %zu bytes", other_is, other.size);
    return filled(number);
}

/* By a child, whose result is copied: a worker that owns values, and gets them. */
REEVE_REMOTE(reeve_bytes, made_below, (uint64_t, number))
{
    reeve_bytes bytes;
    made_future child = made_remote(number);
    reeve_future_reeve_bytes own = reeve_put(reeve_bytes, filled(number + 1));
    int code = made_get(child, &bytes);
    if (code != REEVE_OK) {
        reeve_release(own);
        reeve_fail(code, "%s", reeve_last_error()->message);
        return (reeve_bytes){NULL, 0};
    }
    reeve_free_later(bytes.data);
    reeve_release(own);
    return bytes;
}

REEVE_REMOTE(bool, check, (reeve_bytes, bytes), (uint64_t, number))
{
    return value_is_right(bytes, number);
}

/* ---- the driver ------------------------------------------------------------------------------ */

static struct held {
    reeve_future_reeve_bytes future;
    uint64_t number; /* 0: nothing there */
} values[VALUES];

static uint64_t good_count, error_count;
static bool own_node_is_dead;

/* What may happen to a value or task when processes are killed. */
static bool is_explained(int code)
{
    switch (code) {
    case REEVE_ENOCLUSTER: own_node_is_dead = true; return true;
    case REEVE_EWORKERDIED:
    case REEVE_ENODEDIED:
    case REEVE_EOWNERDIED:
    case REEVE_ELOST: return true;
    case REEVE_EFUNCTION: /* of made_below: its child's code */
        return reeve_last_error()->user_code != REEVE_EFUNCTION &&
               is_explained((int)reeve_last_error()->user_code);
    default: return false;
    }
}

static void count(const char *what, uint64_t number, int code, bool right)
{
    if (code == REEVE_OK && right)
        good_count++;
    else if (code == REEVE_OK || !is_explained(code))
        wrong(what, number, code);
    else
        error_count++;
}

static void make(struct held *held, uint64_t number)
{
    const struct held *other = &values[random_next() % VALUES];
    held->number = number;
    switch (random_next() % 4) {
    case 0: {
        void *bytes = malloc(content_size(number));
        content_fill(bytes, content_size(number), number);
        held->future = reeve_put_bytes(bytes, content_size(number));
        free(bytes);
        break;
    }
    case 1: held->future = made_below_remote(number); break;
    case 2:
        if (other->number != 0 && other != held) {
            held->future = reeve_call(made_from, number, other->future, other->number);
            break;
        }
        __attribute__((fallthrough));
    default: held->future = made_remote(number);
    }
}

static void use(struct held *held)
{
    reeve_bytes bytes;
    bool right = false;
    int code;
    switch (random_next() % 3) {
    case 0:
        code = reeve_get(reeve_bytes, held->future, &bytes);
        right = code == REEVE_OK && value_is_right(bytes, held->number);
        count("got", held->number, code, right);
        if (code == REEVE_OK)
            reeve_free(bytes.data);
        held->number = 0;
        break;
    case 1:
        code = check_get(reeve_call(check, held->future, held->number), &right);
        count("checked", held->number, code, right);
        break;
    default: reeve_release(held->future); held->number = 0;
    }
}

static void say_counts(void)
{
    printf("%" PRIu64 " %" PRIu64 "\n", good_count, error_count);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc >= 3);
    uint64_t seed = strtoull(argv[1], NULL, 10), round_count = strtoull(argv[2], NULL, 10);
    random_state = seed * 0x9e3779b97f4a7c15u + 1;
    for (uint64_t i = 0; i < round_count && !own_node_is_dead; i++) {
        struct held *held = &values[random_next() % VALUES];
        if (held->number == 0)
            make(held, (seed << 20 | i << 1) + 2);
        else
            use(held);
        if (i % 20 == 19)
            say_counts();
    }
    reeve_shutdown();
    say_counts();
    return 0;
}
