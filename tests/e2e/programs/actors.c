/* Actors: `actors WHAT …` prints "ok WHAT" or says what is wrong. */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/e2e/programs/say.h"

REEVE_ACTOR(counter, (int64_t, value), (int64_t *, log), (size_t, count), (const char *, mail_path))

REEVE_CONSTRUCTOR(counter, (int64_t, start))
{
    if (start < 0)
        reeve_fail(7, "%" PRId64 " is negative", start);
    self->value = start;
    return start == 99 ? 99 : REEVE_OK;
}

REEVE_DESTRUCTOR(counter)
{
    if (self->mail_path != NULL)
        report(self->mail_path, "ended %" PRId64, self->value);
    free((char *)(uintptr_t)self->mail_path);
    free(self->log);
}

REEVE_METHOD(int64_t, counter, add, (int64_t, by))
{
    return self->value += by;
}

/* Appends; the list of all so far is the result. */
REEVE_METHOD(reeve_int64_array, counter, append, (int64_t, x))
{
    self->log = realloc(self->log, (self->count + 1) * sizeof(*self->log));
    self->log[self->count++] = x;
    return (reeve_int64_array){self->log, self->count};
}

REEVE_METHOD(int64_t, counter, pid)
{
    return getpid();
}

REEVE_METHOD(int64_t, counter, restarts)
{
    return reeve_actor_restart_count();
}

REEVE_METHOD(void, counter, watch, (reeve_string, mail))
{
    self->mail_path = strdup(mail);
}

REEVE_METHOD(int64_t, counter, hold, (reeve_string, mail), (reeve_string, gate), (int64_t, x))
{
    report(mail, "holds %" PRId64 " %d", x, getpid());
    wait_at(gate);
    return self->value += x;
}

REEVE_METHOD(void, counter, crash)
{
    raise(SIGKILL);
}

REEVE_METHOD(int64_t, counter, fail, (int64_t, code))
{
    reeve_fail(code, "told to fail with %" PRId64, code);
    return 0;
}

REEVE_METHOD(int64_t, counter, size, (reeve_bytes, bytes))
{
    return (int64_t)bytes.size + self->value;
}

/* An actor that calls another, whose handle it is given. */
REEVE_ACTOR(caller, (counter_ref, other), (bool, unused))
REEVE_CONSTRUCTOR(caller, (counter_ref, other))
{
    self->other = other;
    return REEVE_OK;
}
REEVE_METHOD(int64_t, caller, add, (int64_t, by))
{
    int64_t value = 0;
    int code = counter_add_get(counter_add_remote(self->other, by), &value);
    if (code != REEVE_OK)
        reeve_fail(code, "%s", reeve_last_error()->message);
    return value;
}

/* Two that may wait for each other. */
REEVE_ACTOR(asker, (counter_ref, other), (int64_t, asked))
REEVE_CONSTRUCTOR(asker)
{
    return REEVE_OK;
}
REEVE_METHOD(void, asker, meet, (asker_ref, other))
{
    self->other = (counter_ref){other.owner, other.number, other.host};
}
REEVE_METHOD(int64_t, asker, ask, (int64_t, depth))
{
    asker_ref other = {self->other.owner, self->other.number, self->other.host};
    int64_t answer = ++self->asked;
    if (depth > 0 && asker_ask_get(asker_ask_remote(other, depth - 1), &answer) != REEVE_OK)
        reeve_fail(reeve_last_error()->user_code, "%s", reeve_last_error()->message);
    return answer;
}

/* Asks the other one twice, for the second of which there is no room before the first has been
 * answered. Says how many of them could not be. */
REEVE_METHOD(int64_t, asker, flood, (int64_t, depth))
{
    asker_ref other = {self->other.owner, self->other.number, self->other.host};
    asker_ask_future asked[2];
    int64_t answer, failed = 0;
    for (int i = 0; i < 2; i++)
        asked[i] = asker_ask_remote(other, depth);
    for (int i = 0; i < 2; i++)
        failed += asker_ask_get(asked[i], &answer) != REEVE_OK;
    return failed;
}
/* The same of itself: what the second call says. */
REEVE_METHOD(int64_t, asker, ask_itself)
{
    asker_ref other = {self->other.owner, self->other.number, self->other.host};
    int64_t answer;
    asker_ask_future first = asker_ask_remote(other, 0), next = asker_ask_remote(other, 0);
    int code = asker_ask_get(next, &answer);
    reeve_release(first);
    return code;
}

REEVE_REMOTE(int64_t, later, (int64_t, ms), (int64_t, x))
{
    struct timespec rest = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&rest, NULL);
    return x;
}

/* Adds 1 so many times, and says how often the counter went back. */
REEVE_REMOTE(int64_t, add_many, (counter_ref, c), (int64_t, times))
{
    enum { BATCH = 500 };
    int64_t back = 0, last = 0;
    for (int64_t done = 0; done < times;) {
        counter_add_future f[BATCH];
        int64_t n = times - done < BATCH ? times - done : BATCH;
        for (int64_t i = 0; i < n; i++)
            f[i] = counter_add_remote(c, 1);
        for (int64_t i = 0; i < n; i++) {
            int64_t value;
            if (counter_add_get(f[i], &value) != REEVE_OK) {
                reeve_fail(reeve_last_error()->code, "%s", reeve_last_error()->message);
                return -1;
            }
            back += value <= last;
            last = value;
        }
        done += n;
    }
    return back;
}

REEVE_REMOTE(counter_ref, make_counter, (int64_t, start))
{
    return counter_create(start);
}

static int get(counter_ref c, int64_t *value)
{
    return counter_add_get(counter_add_remote(c, 0), value);
}

/* ---- what is tested -------------------------------------------------------------------------- */

static void one(void)
{
    counter_ref c = counter_create(5);
    int64_t value;
    for (int64_t i = 1; i <= 10; i++) {
        NEED(counter_add_get(counter_add_remote(c, 1), &value) == REEVE_OK);
        NEED(value == 5 + i);
    }
    NEED(counter_fail_get(counter_fail_remote(c, 3), &value) == REEVE_EFUNCTION);
    NEED(reeve_last_error()->user_code == 3);
    NEED(get(c, &value) == REEVE_OK && value == 15);
    NEED(reeve_actor_release(c) == REEVE_OK);
    NEED(get(c, &value) == REEVE_EHANDLE);
    NEED(reeve_actor_release(c) == REEVE_EHANDLE);
    counter_ref none = {0, 0, 0};
    NEED(get(none, &value) == REEVE_EHANDLE);
    NEED(reeve_actor_release(none) == REEVE_EHANDLE);
}

static void order(void)
{
    enum { N = 20000 };
    static counter_add_future f[N];
    counter_ref c = counter_create(0);
    for (int64_t i = 0; i < N; i++)
        f[i] = counter_add_remote(c, 1);
    for (int64_t i = 0; i < N; i++) {
        int64_t value;
        NEED(counter_add_get(f[i], &value) == REEVE_OK);
        NEED(value == i + 1);
    }
    /* one that waits for its argument holds back those behind it */
    counter_append_future a[8];
    for (int i = 0; i < 8; i++) {
        if (i % 3 == 1) {
            later_future slow = later_remote(20, i);
            a[i] = reeve_call(counter_append, c, slow);
            reeve_release(slow);
        } else {
            a[i] = counter_append_remote(c, i);
        }
    }
    for (int i = 0; i < 8; i++) {
        reeve_int64_array all;
        NEED(counter_append_get(a[i], &all) == REEVE_OK);
        NEED(all.count == (size_t)i + 1);
        for (int k = 0; k <= i; k++)
            NEED(all.items[k] == k);
        reeve_clear(reeve_int64_array, &all);
    }
    /* many at once */
    static int64_t ones[N], values[N];
    static counter_ref cs[N];
    for (int i = 0; i < N; i++) {
        ones[i] = 1;
        cs[i] = c;
    }
    NEED(counter_add_remote_many(N, cs, ones, f) == REEVE_OK);
    NEED(counter_add_get_many(f, N, values, NULL) == REEVE_OK);
    for (int i = 0; i < N; i++)
        NEED(values[i] == N + i + 1);
    reeve_actor_release(c);
}

static void failing(void)
{
    int64_t value;
    counter_ref c = counter_create(-1);
    NEED(get(c, &value) == REEVE_EACTORDIED);
    NEED(strstr(reeve_last_error()->message, "-1 is negative") != NULL);
    NEED(get(c, &value) == REEVE_EACTORDIED);
    NEED(reeve_actor_release(c) == REEVE_OK);
    c = counter_create(99);
    NEED(get(c, &value) == REEVE_EACTORDIED);
    NEED(strstr(reeve_last_error()->message, "returned 99") != NULL);
    NEED(reeve_actor_release(c) == REEVE_OK);
    c = counter_create_opts(REEVE_ACTOR_OPTIONS(.max_restarts = -2), 1);
    NEED(get(c, &value) == REEVE_EINVAL);
    NEED(reeve_actor_release(c) == REEVE_OK);
    c = counter_create_opts(REEVE_ACTOR_OPTIONS(.shared = 1), 1);
    counter_ref d = counter_create_opts(REEVE_ACTOR_OPTIONS(.shared = 1, .cpus = 0.5), 1);
    NEED(get(d, &value) == REEVE_EINVAL);
    NEED(reeve_actor_kill(c) == REEVE_EINVAL);
    NEED(get(c, &value) == REEVE_OK && value == 1);
    NEED(reeve_actor_release(c) == REEVE_OK);
    /* a call whose argument fails does not hold back the next, and is not run */
    c = counter_create(0);
    counter_fail_future bad = counter_fail_remote(c, 4);
    counter_add_future f = reeve_call(counter_add, c, bad), g = counter_add_remote(c, 1);
    NEED(counter_add_get(f, &value) == REEVE_EFUNCTION && reeve_last_error()->user_code == 4);
    NEED(counter_add_get(g, &value) == REEVE_OK && value == 1);
    reeve_release(bad);
    reeve_actor_release(c);
}

static void killed(void)
{
    int64_t value, pid;
    counter_ref c = counter_create(1);
    NEED(counter_pid_get(counter_pid_remote(c), &pid) == REEVE_OK);
    counter_add_future f[100];
    later_future slow = later_remote(100, 1);
    for (int i = 0; i < 100; i++)
        f[i] = reeve_call(counter_add, c, slow);
    NEED(reeve_actor_kill(c) == REEVE_OK);
    for (int i = 0; i < 100; i++) {
        NEED(counter_add_get(f[i], &value) == REEVE_EACTORDIED);
        NEED(strstr(reeve_last_error()->message, "it was killed") != NULL);
    }
    NEED(get(c, &value) == REEVE_EACTORDIED);
    NEED(reeve_actor_kill(c) == REEVE_OK);
    NEED(reeve_actor_release(c) == REEVE_OK);
    NEED(reeve_actor_kill(c) == REEVE_EHANDLE);
    reeve_release(slow);
    for (int i = 0; i < 500 && kill((pid_t)pid, 0) == 0; i++)
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    NEED(kill((pid_t)pid, 0) != 0);
}

static void died(void)
{
    int64_t value;
    counter_ref c = counter_create(1);
    counter_crash_future crash = counter_crash_remote(c);
    counter_add_future after = counter_add_remote(c, 1);
    NEED(counter_crash_get(crash) == REEVE_EACTORDIED);
    NEED(strstr(reeve_last_error()->message, "signal") != NULL);
    NEED(counter_add_get(after, &value) == REEVE_EACTORDIED);
    NEED(get(c, &value) == REEVE_EACTORDIED);
    NEED(reeve_actor_release(c) == REEVE_OK);
}

static void restarted(void)
{
    int64_t value, restarts;
    counter_ref c = counter_create_opts(REEVE_ACTOR_OPTIONS(.max_restarts = 2), 10);
    for (int64_t i = 0; i < 3; i++) {
        NEED(counter_add_get(counter_add_remote(c, 1), &value) == REEVE_OK && value == 11);
        NEED(counter_restarts_get(counter_restarts_remote(c), &restarts) == REEVE_OK);
        NEED(restarts == i);
        counter_crash_future crash = counter_crash_remote(c);
        NEED(counter_crash_get(crash) == REEVE_EACTORDIED);
    }
    NEED(get(c, &value) == REEVE_EACTORDIED);
    NEED(reeve_actor_release(c) == REEVE_OK);
}

/* Many in a few processes. */
static void shared(void)
{
    enum { N = 2000 };
    static counter_ref c[N];
    static counter_add_future f[N];
    int64_t value, pids[2];
    for (uint32_t i = 0; i < N; i++)
        c[i] = counter_create_opts(REEVE_ACTOR_OPTIONS(.shared = 1 + i % 2), 100 + i);
    for (int k = 0; k < 3; k++) {
        for (int64_t i = 0; i < N; i++)
            f[i] = counter_add_remote(c[i], 1);
        for (int64_t i = 0; i < N; i++) {
            NEED(counter_add_get(f[i], &value) == REEVE_OK);
            NEED(value == 100 + i + k + 1);
        }
    }
    NEED(counter_pid_get(counter_pid_remote(c[0]), &pids[0]) == REEVE_OK);
    NEED(counter_pid_get(counter_pid_remote(c[1]), &pids[1]) == REEVE_OK);
    NEED(pids[0] != pids[1]);
    NEED(counter_pid_get(counter_pid_remote(c[N - 2]), &value) == REEVE_OK && value == pids[0]);
    /* one of them fails to be made: the others live on */
    counter_ref bad = counter_create_opts(REEVE_ACTOR_OPTIONS(.shared = 1), -1);
    counter_add_future dead = counter_add_remote(bad, 1), lives = counter_add_remote(c[0], 1);
    NEED(counter_add_get(dead, &value) == REEVE_EACTORDIED);
    NEED(counter_add_get(lives, &value) == REEVE_OK && value == 104);
    NEED(reeve_actor_release(bad) == REEVE_OK);
    /* the process dies: those that may be are made again, in their order */
    counter_ref again =
        counter_create_opts(REEVE_ACTOR_OPTIONS(.shared = 1, .max_restarts = REEVE_FOREVER), 50);
    NEED(counter_add_get(counter_add_remote(again, 1), &value) == REEVE_OK && value == 51);
    NEED(counter_crash_get(counter_crash_remote(c[2])) == REEVE_EACTORDIED);
    NEED(counter_add_get(counter_add_remote(again, 1), &value) == REEVE_OK && value == 51);
    NEED(get(c[0], &value) == REEVE_EACTORDIED);
    NEED(get(c[1], &value) == REEVE_OK && value == 104);
    for (int i = 0; i < N; i++)
        NEED(reeve_actor_release(c[i]) == REEVE_OK);
    NEED(reeve_actor_release(again) == REEVE_OK);
}

/* Handles are passed to tasks, and to other actors. */
static void passed(void)
{
    int64_t value, back;
    counter_ref c = counter_create(0);
    add_many_future f[3];
    for (int i = 0; i < 3; i++) /* at once: they may be there before it */
        f[i] = add_many_remote(c, 2000);
    for (int i = 0; i < 3; i++) {
        NEED(add_many_get(f[i], &back) == REEVE_OK);
        NEED(back == 0);
    }
    NEED(get(c, &value) == REEVE_OK && value == 6000);
    caller_ref other = caller_create(c);
    for (int i = 1; i <= 100; i++) {
        NEED(caller_add_get(caller_add_remote(other, 1), &value) == REEVE_OK);
        NEED(value == 6000 + i);
    }
    /* it was not retained, and soon is not there any more */
    NEED(reeve_actor_release(c) == REEVE_OK && reeve_actor_release(c) == REEVE_EHANDLE);
    int code = REEVE_OK;
    for (int i = 0; i < 1000 && code == REEVE_OK; i++) {
        code = caller_add_get(caller_add_remote(other, 1), &value);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    NEED(code == REEVE_EFUNCTION && reeve_last_error()->user_code == REEVE_EACTORDIED);
    NEED(reeve_actor_release(other) == REEVE_OK);
    /* what a task has made, it gives away with its result */
    make_counter_future made = make_counter_remote(70);
    counter_ref theirs;
    NEED(make_counter_get(made, &theirs) == REEVE_OK);
    NEED(counter_add_get(counter_add_remote(theirs, 1), &value) == REEVE_OK && value == 71);
    NEED(reeve_actor_kill(theirs) == REEVE_EHANDLE);
    NEED(get(theirs, &value) == REEVE_OK && value == 71);
    NEED(reeve_actor_release(theirs) == REEVE_OK);
    for (int i = 0; i < 1000 && (code = get(theirs, &value)) == REEVE_OK; i++)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    NEED(code == REEVE_EACTORDIED);
}

static void large(void)
{
    enum { SIZE = 3000000 };
    int64_t value;
    uint8_t *bytes = calloc(1, SIZE);
    counter_ref c = counter_create(1);
    NEED(counter_size_get(counter_size_remote(c, (reeve_bytes){bytes, SIZE}), &value) == REEVE_OK);
    NEED(value == SIZE + 1);
    counter_size_future f = counter_size_remote(c, (reeve_bytes){bytes, 70000});
    NEED(counter_size_get(f, &value) == REEVE_OK && value == 70001);
    reeve_actor_release(c);
    free(bytes);
}

/* Packs [handle, x]. */
static size_t pack_call(reeve_actor actor, int8_t x, uint8_t *bytes)
{
    const uint64_t members[] = {actor.owner, actor.number, actor.host};
    size_t at = 0;
    bytes[at++] = 0x92;
    bytes[at++] = 0x93;
    for (int i = 0; i < 3; i++) {
        bytes[at++] = 0xcf;
        for (int shift = 56; shift >= 0; shift -= 8)
            bytes[at++] = (uint8_t)(members[i] >> shift);
    }
    bytes[at++] = (uint8_t)x;
    return at;
}

/* By names, with packed bytes. */
static void packed(void)
{
    enum { N = 100 };
    uint8_t bytes[N][32];
    reeve_submission calls[N];
    reeve_future f[N];
    reeve_packed values[N];
    reeve_actor actor;
    NEED(reeve_actor_create("counter", "\x91\x05", 2, NULL, &actor) == REEVE_OK);
    for (int i = 0; i < N; i++)
        calls[i] = (reeve_submission){.size = sizeof(calls[i]),
            .function = "counter_add",
            .args = bytes[i],
            .args_size = pack_call(actor, 1, bytes[i])};
    NEED(reeve_submit(&calls[0], &f[0]) == REEVE_OK);
    NEED(reeve_submit_many(&calls[1], N - 1, &f[1]) == REEVE_OK);
    NEED(reeve_get_packed_many(f, N, values, NULL) == REEVE_OK);
    for (int i = 0; i < N; i++) {
        NEED(values[i].size == 1 && *(const uint8_t *)values[i].bytes == 6 + i);
        reeve_free(values[i].bytes);
    }
    /* what is wrong */
    reeve_actor none;
    NEED(reeve_actor_create("nobody", "\x90", 1, NULL, &none) == REEVE_ENOFUNCTION);
    NEED(reeve_actor_create("counter", "\x05", 1, NULL, &none) == REEVE_EPROTOCOL);
    NEED(reeve_actor_create("counter", "\x91", 1, NULL, &none) == REEVE_EPROTOCOL);
    NEED(reeve_actor_create("counter", "\x91\x05", 2, REEVE_ACTOR_OPTIONS(.max_restarts = -2),
             &none) == REEVE_EINVAL);
    calls[0].args = "\x92\x01\x01";
    calls[0].args_size = 3;
    NEED(reeve_submit(&calls[0], &f[0]) == REEVE_EHANDLE);
    calls[0].function = "counter_reeve_new";
    NEED(reeve_submit(&calls[0], &f[0]) == REEVE_EINVAL);
    NEED(reeve_actor_create("counter", "\x92\x05\x06", 3, NULL, &none) == REEVE_OK);
    calls[1].args_size = pack_call(none, 1, bytes[1]);
    int code =
        reeve_submit(&calls[1], &f[1]); /* it could not be made; inline it is known at once */
    if (code == REEVE_OK)
        code = reeve_get_packed(f[1], REEVE_FOREVER, &values[1]);
    NEED(code == REEVE_EACTORDIED);
    NEED(reeve_actor_release(none) == REEVE_OK && reeve_actor_release(actor) == REEVE_OK);
}

/* Each waits for the other: one of them is told so, and both go on. */
static void cycle(void)
{
    int64_t value;
    asker_ref a = asker_create(), b = asker_create();
    NEED(asker_meet_get(asker_meet_remote(a, b)) == REEVE_OK);
    NEED(asker_meet_get(asker_meet_remote(b, a)) == REEVE_OK);
    NEED(asker_ask_get(asker_ask_remote(a, 1), &value) == REEVE_OK && value == 1);
    NEED(asker_ask_get(asker_ask_remote(a, 2), &value) == REEVE_EFUNCTION);
    NEED(reeve_last_error()->user_code == REEVE_EDEADLK);
    NEED(strstr(reeve_last_error()->message, "asker_ask waits for asker_ask") != NULL);
    NEED(asker_ask_get(asker_ask_remote(b, 1), &value) == REEVE_OK);
    NEED(reeve_actor_release(a) == REEVE_OK && reeve_actor_release(b) == REEVE_OK);
}

static void *open_later(void *gate)
{
    nanosleep(&(struct timespec){0, 50000000}, NULL); /* while the main thread waits, most likely */
    close(*(int *)gate);
    return NULL;
}

/* So many calls may be unanswered: the next one waits, or does not want to. */
static void pending(void)
{
    enum { MAX = 3 };
    int64_t value;
    char path[64];
    int gate = memfd_create("gate", MFD_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), gate);
    int held = open(path, O_RDWR | O_CLOEXEC);
    NEED(held >= 0 && flock(held, LOCK_EX) == 0);
    counter_ref c = counter_create_opts(
                    REEVE_ACTOR_OPTIONS(.name = "bounded", .max_pending_calls = MAX), 0),
                found;
    const reeve_task_options *no_wait = REEVE_TASK_OPTIONS(.no_wait = 1);
    counter_hold_future holds = counter_hold_remote(c, "", path, 1);
    counter_add_future f[MAX + 1];
    for (int i = 1; i < MAX; i++)
        f[i] = counter_add_remote_opts(no_wait, c, 1);
    NEED(counter_add_get(counter_add_remote_opts(no_wait, c, 1), &value) == REEVE_EAGAIN);
    NEED(strstr(reeve_last_error()->message, "3 calls of the actor are unanswered") != NULL);
    /* whoever has the handle, and each process for itself */
    NEED(counter_by_name("bounded", &found) == REEVE_OK);
    NEED(counter_add_get(counter_add_remote_opts(no_wait, found, 1), &value) == REEVE_EAGAIN);
    add_many_future others = add_many_remote(c, 2000);
    pthread_t thread;
    NEED(pthread_create(&thread, NULL, open_later, &held) == 0);
    f[MAX] = counter_add_remote(c, 1); /* waits */
    NEED(pthread_join(thread, NULL) == 0);
    NEED(counter_hold_get(holds, &value) == REEVE_OK && value >= 1);
    for (int i = 1; i <= MAX; i++)
        NEED(counter_add_get(f[i], &value) == REEVE_OK);
    NEED(add_many_get(others, &value) == REEVE_OK && value == 0);
    /* many at once, of which none is refused */
    counter_ref cs[1000];
    int64_t ones[1000];
    counter_add_future many[1000];
    for (int i = 0; i < 1000; i++) {
        cs[i] = c;
        ones[i] = 1;
    }
    NEED(counter_add_remote_many(1000, cs, ones, many) == REEVE_OK);
    NEED(counter_add_get_many(many, 1000, ones, NULL) == REEVE_OK);
    NEED(ones[999] == 1 + MAX + 2000 + 1000);
    /* what is dead is not waited for */
    NEED(counter_crash_get(counter_crash_remote(c)) == REEVE_EACTORDIED);
    for (int i = 0; i < 2 * MAX; i++)
        NEED(counter_add_get(counter_add_remote(c, 1), &value) == REEVE_EACTORDIED);
    NEED(reeve_actor_release(c) == REEVE_OK);
    close(gate);
    /* callers that are actors: one that waits for room, two that would for each other, and one for
     * itself */
    const reeve_actor_options *one = REEVE_ACTOR_OPTIONS(.max_pending_calls = 1);
    asker_ref a = asker_create_opts(one), b = asker_create_opts(one);
    NEED(asker_meet_get(asker_meet_remote(a, b)) == REEVE_OK);
    NEED(asker_meet_get(asker_meet_remote(b, a)) == REEVE_OK);
    NEED(asker_flood_get(asker_flood_remote(a, 0), &value) == REEVE_OK && value == 0);
    NEED(asker_flood_get(asker_flood_remote(a, 1), &value) == REEVE_OK && value > 0);
    NEED(asker_meet_get(asker_meet_remote(a, a)) == REEVE_OK);
    NEED(asker_ask_itself_get(asker_ask_itself_remote(a), &value) == REEVE_OK);
    NEED(value == REEVE_EAGAIN);
    NEED(reeve_actor_release(a) == REEVE_OK && reeve_actor_release(b) == REEVE_OK);
}

/* Its end comes after what it was called for, and runs its destructor. */
static void ended(const char *mail, const char *gate)
{
    counter_ref c = counter_create(0);
    counter_watch_future watch = counter_watch_remote(c, mail);
    for (int i = 0; i < 1000; i++)
        reeve_release(counter_add_remote(c, 1));
    NEED(reeve_actor_release(c) == REEVE_OK);
    NEED(counter_watch_get(watch) == REEVE_OK);
    wait_at(gate); /* the end of the program would end it at once */
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    const char *what = argv[1];
    bool apart = strcmp(what, "all-but-cycle") == 0, all = apart || strcmp(what, "all") == 0;
    static const struct {
        const char *name;
        void (*run)(void);
        bool inline_too;
    } tests[] = {{"one", one, true}, {"order", order, true}, {"failing", failing, false},
        {"killed", killed, false}, {"died", died, false}, {"restarted", restarted, false},
        {"shared", shared, false}, {"passed", passed, false}, {"large", large, true},
        {"packed", packed, true}, {"cycle", cycle, false}, {"pending", pending, false}};
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        if (strcmp(what, tests[i].name) != 0 &&
            (!all || (apart && (tests[i].run == cycle || tests[i].run == pending))))
            continue;
        tests[i].run();
        printf("ok %s\n", tests[i].name);
        fflush(stdout);
    }
    if (strcmp(what, "ended") == 0) {
        ended(argv[2], argv[3]);
        printf("ok ended\n");
    }
    reeve_shutdown();
    return 0;
}
