/* Actors that run several methods at a time, and answer later: `concurrency WHAT …` prints
 * "ok WHAT" or says what is wrong. */
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "tests/e2e/programs/say.h"

static void rest(int64_t ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

REEVE_REMOTE(int64_t, twice, (int64_t, x))
{
    return 2 * x;
}

/* ---- threads --------------------------------------------------------------------------------- */

/* A place where so many have to be at a time, for anybody to go on. */
REEVE_ACTOR(hall, (pthread_mutex_t, lock), (pthread_cond_t, changed), (int64_t, inside),
    (int64_t, most), (int64_t, rounds), (bool, open), (const char *, mail))

REEVE_GROUPS(hall, (slow, 1), (health, 2))

REEVE_CONSTRUCTOR(hall)
{
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    return REEVE_OK;
}

REEVE_DESTRUCTOR(hall)
{
    if (self->mail != NULL)
        report(self->mail, "ended with %" PRId64 " inside", self->inside);
    free((char *)(uintptr_t)self->mail);
}

/* Goes on when `count` of its calls run at once. */
REEVE_METHOD(int64_t, hall, meet, (int64_t, count))
{
    pthread_mutex_lock(&self->lock);
    int64_t round = self->rounds;
    if (++self->inside == count) {
        self->inside = 0;
        self->rounds++;
        pthread_cond_broadcast(&self->changed);
    }
    while (round == self->rounds)
        pthread_cond_wait(&self->changed, &self->lock);
    pthread_mutex_unlock(&self->lock);
    return round;
}

/* How many of it have run at a time at most. */
REEVE_METHOD(int64_t, hall, crowd)
{
    pthread_mutex_lock(&self->lock);
    self->inside++;
    self->most = self->most < self->inside ? self->inside : self->most;
    int64_t most = self->most;
    pthread_mutex_unlock(&self->lock);
    sched_yield();
    pthread_mutex_lock(&self->lock);
    self->inside--;
    pthread_mutex_unlock(&self->lock);
    return most;
}

/* Asks others: from several threads at once. */
REEVE_METHOD(int64_t, hall, ask, (int64_t, x), (int64_t, times))
{
    int64_t sum = 0, value;
    for (int64_t i = 0; i < times; i++) {
        if (twice_get(twice_remote(x + i), &value) != REEVE_OK)
            reeve_fail(1, "%s", reeve_last_error()->message);
        sum += value;
    }
    return sum;
}

REEVE_GROUP_METHOD(slow, int64_t, hall, wait, (int64_t, x))
{
    pthread_mutex_lock(&self->lock);
    while (!self->open)
        pthread_cond_wait(&self->changed, &self->lock);
    pthread_mutex_unlock(&self->lock);
    return x;
}

REEVE_GROUP_METHOD(slow, int64_t, hall, nod, (int64_t, x))
{
    (void)self;
    return x;
}

REEVE_GROUP_METHOD(health, void, hall, open)
{
    pthread_mutex_lock(&self->lock);
    self->open = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

REEVE_METHOD(int64_t, hall, until_cancelled, (reeve_string, mail))
{
    (void)self;
    report(mail, "runs");
    while (!reeve_cancelled())
        rest(1);
    return 1;
}

REEVE_METHOD(int64_t, hall, hold, (reeve_string, mail), (reeve_string, gate), (reeve_string, end))
{
    pthread_mutex_lock(&self->lock);
    self->inside++;
    if (self->mail == NULL && *end)
        self->mail = strdup(end);
    pthread_mutex_unlock(&self->lock);
    report(mail, "holds");
    wait_at(gate);
    pthread_mutex_lock(&self->lock);
    self->inside--;
    pthread_mutex_unlock(&self->lock);
    return 5;
}

REEVE_METHOD(int64_t, hall, sum, (reeve_int64_array, numbers))
{
    int64_t total = 0;
    (void)self;
    for (size_t i = 0; i < numbers.count; i++)
        total += numbers.items[i];
    return total;
}

REEVE_METHOD(reeve_int64_array, hall, count_up, (int64_t, n))
{
    (void)self;
    int64_t *items = reeve_alloc((size_t)n * sizeof(*items));
    for (int64_t i = 0; i < n; i++)
        items[i] = i;
    return (reeve_int64_array){items, (size_t)n};
}

REEVE_METHOD(int64_t, hall, restarts)
{
    (void)self;
    return reeve_actor_restart_count();
}

REEVE_METHOD(void, hall, crash)
{
    (void)self;
    raise(SIGKILL);
}

/* One without groups. */
REEVE_ACTOR(plain, (int64_t, value), (bool, unused))
REEVE_CONSTRUCTOR(plain)
{
    return REEVE_OK;
}
REEVE_METHOD(int64_t, plain, add, (int64_t, by))
{
    return self->value += by;
}
REEVE_METHOD(void, plain, crash)
{
    (void)self;
    raise(SIGKILL);
}

/* ---- answers that come later ----------------------------------------------------------------- */

#define WAITERS 2000
REEVE_ACTOR(door, (reeve_reply_token, waiting[WAITERS]), (int64_t, count), (int64_t, passed),
    (reeve_reply_token, kept))
REEVE_CONSTRUCTOR(door)
{
    return REEVE_OK;
}

REEVE_METHOD(int64_t, door, pass)
{
    if (self->count < WAITERS)
        self->waiting[self->count++] = reeve_reply_later();
    return -1;
}

/* How many it let through. */
REEVE_METHOD(int64_t, door, open)
{
    int64_t count = 0;
    for (int64_t i = 0; i < self->count; i++)
        count += door_pass_reply(self->waiting[i], i) == REEVE_OK;
    self->passed += count;
    self->count = 0;
    return count;
}

REEVE_METHOD(int64_t, door, waiting)
{
    return self->count;
}

/* What answering the first waiting one comes to: by the way of `how`. */
REEVE_METHOD(int64_t, door, answer, (int64_t, how))
{
    if (self->count == 0)
        return REEVE_OK;
    reeve_reply_token token = self->waiting[0];
    switch (how) {
    case 0: return door_pass_reply(token, 77);
    case 1: return reeve_reply_fail(token, 9, "door %d is locked", 3);
    case 2: return reeve_reply_drop(token);
    case 3: return door_waiting_reply(token, 1); /* it is of another method */
    default: self->count = 0; return REEVE_OK;
    }
}

REEVE_METHOD(int64_t, door, twice)
{
    reeve_reply_token token = reeve_reply_later();
    if (reeve_reply_later().id != 0 || reeve_last_error()->code != REEVE_EINVAL)
        return -1;
    return door_twice_reply(token, 5) == REEVE_OK ? -1 : -2;
}

REEVE_METHOD(int64_t, door, fail_after)
{
    self->kept = reeve_reply_later();
    reeve_fail(4, "it has changed its mind");
    return 0;
}

REEVE_METHOD(int64_t, door, answer_kept)
{
    return door_fail_after_reply(self->kept, 1);
}

static void *in_a_thread(void *arg);

/* A small answer, a large one, one with a future in it, and one that is none. */
REEVE_METHOD(reeve_int64_array, door, numbers)
{
    pthread_t thread;
    (void)self;
    if (pthread_create(&thread, NULL, in_a_thread, (void *)(uintptr_t)reeve_reply_later().id) == 0)
        pthread_detach(thread);
    return (reeve_int64_array){NULL, 0};
}
static void *in_a_thread(void *arg)
{
    reeve_reply_token token = {(uint64_t)(uintptr_t)arg};
    (void)door_numbers_reply(token, (reeve_int64_array){(int64_t[]){1, 2, 3}, 3});
    return NULL;
}

REEVE_METHOD(reeve_int64_array, door, large)
{
    (void)self;
    enum { N = 500000 };
    reeve_reply_token token = reeve_reply_later();
    int64_t *items = calloc(N, sizeof(*items));
    for (int64_t i = 0; i < N; i++)
        items[i] = i;
    int code = door_large_reply(token, (reeve_int64_array){items, N});
    free(items);
    return (reeve_int64_array){NULL, (size_t)(code == REEVE_OK ? 0 : 1)};
}

REEVE_STRUCT(found, (int64_t, x), (reeve_future_int64_t, y))
REEVE_METHOD(found, door, find, (int64_t, x))
{
    (void)self;
    reeve_reply_token token = reeve_reply_later();
    found value = {x, {twice_remote(x).id}};
    (void)door_find_reply(token, value);
    return (found){0, {0}};
}

REEVE_METHOD(reeve_string, door, nothing)
{
    (void)self;
    reeve_reply_token token = reeve_reply_later();
    return door_nothing_reply(token, "\xff\xfe no utf-8") == REEVE_OK ? "taken" : "refused";
}

static reeve_reply_token left; /* of this process */
REEVE_METHOD(int64_t, door, leave)
{
    (void)self;
    left = reeve_reply_later();
    return 0;
}
REEVE_METHOD(int64_t, door, answer_left)
{
    (void)self;
    return door_leave_reply(left, 1);
}

REEVE_REMOTE(int64_t, pass_in_a_task, (door_ref, d))
{
    int64_t value = -5;
    if (door_pass_get(door_pass_remote(d), &value) != REEVE_OK)
        reeve_fail(reeve_last_error()->code, "%s", reeve_last_error()->message);
    return value;
}
REEVE_REMOTE(int64_t, later_in_a_task)
{
    return reeve_reply_later().id == 0 ? reeve_last_error()->code : 0;
}

/* ---- answers by threads of the program's ----------------------------------------------------- */

#define CLERKS  2
#define ASKERS  4
#define NO_TURN ASKERS /* an asker whose calls may be stopped before they come */
struct asked {
    reeve_reply_token token;
    int64_t value;
};
REEVE_ACTOR(office, (pthread_t, clerks[CLERKS]), (pthread_mutex_t, lock), (pthread_cond_t, some),
    (bool, ended), (int64_t, turns[ASKERS]), (struct asked, queue[WAITERS]), (uint64_t, taken),
    (uint64_t, begun), (uint64_t, answered), (uint64_t, refused))

static void *clerk(void *arg);

REEVE_CONSTRUCTOR(office)
{
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->some, NULL);
    for (int i = 0; i < CLERKS; i++)
        if (pthread_create(&self->clerks[i], NULL, clerk, self) != 0)
            return REEVE_ESYSTEM;
    return REEVE_OK;
}
REEVE_DESTRUCTOR(office)
{
    pthread_mutex_lock(&self->lock);
    self->ended = true;
    pthread_cond_broadcast(&self->some);
    pthread_mutex_unlock(&self->lock);
    for (int i = 0; i < CLERKS; i++)
        pthread_join(self->clerks[i], NULL);
}

/* Each asker's values are 0, 1, 2, … */
REEVE_METHOD(int64_t, office, ask, (int64_t, asker), (int64_t, value))
{
    if (asker != NO_TURN && value != self->turns[asker]++)
        reeve_fail(1, "%" PRId64 " has come out of turn", value);
    struct asked asked = {reeve_reply_later(), value};
    pthread_mutex_lock(&self->lock);
    self->queue[self->taken++ % WAITERS] = asked;
    pthread_cond_signal(&self->some);
    pthread_mutex_unlock(&self->lock);
    return -1;
}

static void *clerk(void *arg)
{
    office *self = arg;
    pthread_mutex_lock(&self->lock);
    for (;;) {
        while (self->begun == self->taken && !self->ended)
            pthread_cond_wait(&self->some, &self->lock);
        if (self->begun == self->taken)
            break;
        struct asked asked = self->queue[self->begun++ % WAITERS];
        pthread_mutex_unlock(&self->lock);
        int code = office_ask_reply(asked.token, asked.value * 2);
        pthread_mutex_lock(&self->lock);
        self->answered += code == REEVE_OK;
        self->refused += code == REEVE_EHANDLE;
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* How many of the calls that have come were answered; -1: some have not been. */
REEVE_METHOD(int64_t, office, answered)
{
    pthread_mutex_lock(&self->lock);
    bool all = self->answered + self->refused == self->taken;
    int64_t count = all ? (int64_t)self->answered : -1;
    pthread_mutex_unlock(&self->lock);
    return count;
}

/* Asks by the hundred, then one by one; how many answers were right. */
REEVE_REMOTE(int64_t, ask_often, (office_ref, o), (int64_t, asker), (int64_t, rounds))
{
    enum { N = 100 };
    int64_t good = 0, asked = 0, value;
    for (int64_t k = 0; k < rounds; k++) {
        office_ask_future f[N];
        for (int i = 0; i < N; i++)
            f[i] = office_ask_remote(o, asker, asked + i);
        for (int i = 0; i < N; i++)
            good += office_ask_get(f[i], &value) == REEVE_OK && value == 2 * (asked + i);
        asked += N;
        for (int i = 0; i < N; i++, asked++)
            good += office_ask_get(office_ask_remote(o, asker, asked), &value) == REEVE_OK &&
                    value == 2 * asked;
    }
    return good;
}

/* ---- what is tested -------------------------------------------------------------------------- */

static void threads(void)
{
    enum { N = 4, ROUNDS = 50 };
    hall_ref h = hall_create_opts(REEVE_ACTOR_OPTIONS(.concurrency = N));
    for (int64_t k = 0; k < ROUNDS; k++) {
        hall_meet_future f[N];
        int64_t value;
        for (int i = 0; i < N; i++)
            f[i] = hall_meet_remote(h, N);
        for (int i = 0; i < N; i++)
            NEED(hall_meet_get(f[i], &value) == REEVE_OK && value == k);
    }
    /* never more than it was made for; and by far more calls than a ring has slots */
    enum { CALLS = 20000 };
    static hall_crowd_future f[CALLS];
    static int64_t most[CALLS];
    for (int i = 0; i < CALLS; i++)
        f[i] = hall_crowd_remote(h);
    NEED(hall_crowd_get_many(f, CALLS, most, NULL) == REEVE_OK);
    for (int i = 0; i < CALLS; i++)
        NEED(most[i] >= 1 && most[i] <= N);
    NEED(reeve_actor_release(h) == REEVE_OK);
}

static void groups(void)
{
    int64_t value;
    hall_ref h = hall_create();
    hall_wait_future waits = hall_wait_remote(h, 3);
    hall_nod_future behind = hall_nod_remote(h, 4); /* the group has one thread */
    NEED(hall_crowd_get(hall_crowd_remote(h), &value) == REEVE_OK && value == 1);
    NEED(hall_nod_get_timeout(behind, 50, &value) == REEVE_ETIMEDOUT);
    /* the same method, in another group */
    hall_ref other = reeve_in_group(hall, h, health), usual = reeve_in_group(hall, h, default);
    NEED(hall_nod_get(hall_nod_remote(other, 6), &value) == REEVE_OK && value == 6);
    NEED(hall_nod_get(hall_nod_remote(usual, 7), &value) == REEVE_OK && value == 7);
    NEED(hall_open_get(hall_open_remote(h)) == REEVE_OK);
    NEED(hall_wait_get(waits, &value) == REEVE_OK && value == 3);
    NEED(hall_nod_get(behind, &value) == REEVE_OK && value == 4);
    /* others may use all the ring while one waits for long */
    NEED(reeve_actor_release(h) == REEVE_OK);
    h = hall_create();
    waits = hall_wait_remote(h, 3);
    for (int k = 0; k < 10; k++) {
        enum { N = 1000 };
        static hall_crowd_future f[N];
        static int64_t values[N];
        for (int i = 0; i < N; i++)
            f[i] = hall_crowd_remote(h);
        NEED(hall_crowd_get_many(f, N, values, NULL) == REEVE_OK);
    }
    NEED(hall_open_get(hall_open_remote(h)) == REEVE_OK);
    NEED(hall_wait_get(waits, &value) == REEVE_OK && value == 3);
    NEED(reeve_actor_release(h) == REEVE_OK);
}

/* Whatever tasks may do, from several threads. */
static void nested(void)
{
    enum { N = 8, TIMES = 200 };
    hall_ref h = hall_create_opts(REEVE_ACTOR_OPTIONS(.concurrency = 4));
    hall_ask_future f[N];
    int64_t value;
    for (int64_t i = 0; i < N; i++)
        f[i] = hall_ask_remote(h, i, TIMES);
    for (int64_t i = 0; i < N; i++) {
        NEED(hall_ask_get(f[i], &value) == REEVE_OK);
        NEED(value == 2 * (i * TIMES + TIMES * (TIMES - 1) / 2));
    }
    /* large arguments and results */
    enum { LARGE = 200000 };
    int64_t *items = calloc(LARGE, sizeof(*items));
    for (int64_t i = 0; i < LARGE; i++)
        items[i] = i;
    hall_sum_future sums[N];
    hall_count_up_future counts[N];
    for (int i = 0; i < N; i++) {
        sums[i] = hall_sum_remote(h, (reeve_int64_array){items, LARGE});
        counts[i] = hall_count_up_remote(h, LARGE);
    }
    for (int i = 0; i < N; i++) {
        reeve_int64_array numbers;
        NEED(hall_sum_get(sums[i], &value) == REEVE_OK);
        NEED(value == (int64_t)LARGE * (LARGE - 1) / 2);
        NEED(hall_count_up_get(counts[i], &numbers) == REEVE_OK && numbers.count == LARGE);
        NEED(memcmp(numbers.items, items, LARGE * sizeof(*items)) == 0);
        reeve_clear(reeve_int64_array, &numbers);
    }
    free(items);
    NEED(reeve_actor_release(h) == REEVE_OK);
}

static void cancelled(const char *mail)
{
    int64_t value;
    hall_ref h = hall_create_opts(REEVE_ACTOR_OPTIONS(.concurrency = 2));
    hall_until_cancelled_future f[2];
    f[0] = hall_until_cancelled_remote(h, mail);
    f[1] = hall_until_cancelled_remote(h, mail);
    hall_crowd_future queued = hall_crowd_remote(h), next = hall_crowd_remote(h);
    NEED(reeve_cancel(queued, NULL) == REEVE_OK);
    NEED(hall_crowd_get(queued, &value) == REEVE_ECANCELLED);
    for (int i = 0; i < 2; i++) {
        NEED(reeve_cancel(f[i], REEVE_CANCEL_OPTIONS(.grace_ms = 1)) == REEVE_OK);
        NEED(hall_until_cancelled_get(f[i], &value) == REEVE_ECANCELLED);
    }
    NEED(hall_crowd_get(next, &value) == REEVE_OK); /* it has survived that */
    NEED(reeve_actor_release(h) == REEVE_OK);
}

static void timed(void)
{
    int64_t value;
    hall_ref h = hall_create();
    hall_wait_future f = hall_wait_remote_opts(REEVE_TASK_OPTIONS(.timeout_ms = 50), h, 1);
    hall_nod_future queued = hall_nod_remote_opts(REEVE_TASK_OPTIONS(.timeout_ms = 60), h, 1);
    NEED(hall_wait_get(f, &value) == REEVE_ETASKTIMEOUT);
    NEED(strstr(reeve_last_error()->message, "hall_wait had no answer within") != NULL);
    NEED(hall_nod_get(queued, &value) == REEVE_ETASKTIMEOUT);
    hall_nod_future good = hall_nod_remote_opts(REEVE_TASK_OPTIONS(.timeout_ms = 60000), h, 2);
    NEED(hall_open_get(hall_open_remote(h)) == REEVE_OK);
    NEED(hall_nod_get(good, &value) == REEVE_OK && value == 2);
    NEED(reeve_actor_release(h) == REEVE_OK);
}

static void died(void)
{
    int64_t value;
    hall_ref h = hall_create_opts(REEVE_ACTOR_OPTIONS(.concurrency = 3, .max_restarts = 1));
    for (int64_t i = 0; i < 2; i++) {
        NEED(hall_restarts_get(hall_restarts_remote(h), &value) == REEVE_OK && value == i);
        hall_meet_future f[3];
        for (int k = 0; k < 3; k++)
            f[k] = hall_meet_remote(h, 3);
        for (int k = 0; k < 3; k++) /* its threads are there again */
            NEED(hall_meet_get(f[k], &value) == REEVE_OK && value == 0);
        hall_wait_future under_way = hall_wait_remote(h, 1);
        NEED(hall_crash_get(hall_crash_remote(h)) == REEVE_EACTORDIED);
        NEED(hall_wait_get(under_way, &value) == REEVE_EACTORDIED);
    }
    NEED(hall_crowd_get(hall_crowd_remote(h), &value) == REEVE_EACTORDIED);
    NEED(reeve_actor_release(h) == REEVE_OK);
}

static int64_t answer_by(door_ref d, int64_t how)
{
    int64_t value = 1;
    NEED(door_answer_get(door_answer_remote(d, how), &value) == REEVE_OK);
    return value;
}

static void later(void)
{
    int64_t value;
    door_ref d = door_create();
    enum { N = 900 };
    static door_pass_future f[N];
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < N; i++)
            f[i] = door_pass_remote(d);
        NEED(door_pass_get_timeout(f[0], 10, &value) == REEVE_ETIMEDOUT);
        NEED(door_waiting_get(door_waiting_remote(d), &value) == REEVE_OK && value == N);
        NEED(door_open_get(door_open_remote(d), &value) == REEVE_OK && value == N);
        for (int i = 0; i < N; i++)
            NEED(door_pass_get(f[i], &value) == REEVE_OK && value == i);
    }
    /* one that waits does not keep others from coming */
    f[0] = door_pass_remote(d);
    for (int i = 0; i < 5000; i++)
        NEED(door_waiting_get(door_waiting_remote(d), &value) == REEVE_OK && value == 1);
    NEED(door_open_get(door_open_remote(d), &value) == REEVE_OK && value == 1);
    NEED(door_pass_get(f[0], &value) == REEVE_OK && value == 0);
    /* from elsewhere */
    pass_in_a_task_future t = pass_in_a_task_remote(d);
    do
        NEED(door_open_get(door_open_remote(d), &value) == REEVE_OK);
    while (value == 0);
    NEED(pass_in_a_task_get(t, &value) == REEVE_OK && value == 0);
    NEED(reeve_actor_release(d) == REEVE_OK);
}

static void replies(void)
{
    int64_t value;
    door_ref d = door_create();
    door_pass_future f = door_pass_remote(d);
    NEED(answer_by(d, 3) == REEVE_EINVAL);
    NEED(answer_by(d, 0) == REEVE_OK);
    NEED(answer_by(d, 0) == REEVE_EHANDLE && answer_by(d, 1) == REEVE_EHANDLE);
    NEED(door_pass_get(f, &value) == REEVE_OK && value == 77);
    NEED(answer_by(d, 9) == REEVE_OK);
    f = door_pass_remote(d);
    NEED(answer_by(d, 1) == REEVE_OK && answer_by(d, 9) == REEVE_OK);
    NEED(door_pass_get(f, &value) == REEVE_EFUNCTION && reeve_last_error()->user_code == 9);
    NEED(strcmp(reeve_last_error()->message, "door 3 is locked") == 0);
    NEED(strcmp(reeve_last_error()->function, "door_pass") == 0);
    f = door_pass_remote(d);
    NEED(answer_by(d, 2) == REEVE_OK && answer_by(d, 2) == REEVE_EHANDLE);
    NEED(answer_by(d, 9) == REEVE_OK);
    NEED(door_pass_get(f, &value) == REEVE_EFUNCTION);
    NEED(strstr(reeve_last_error()->message, "dropped the call") != NULL);
    /* before its method has returned; and one that fails after all */
    NEED(door_twice_get(door_twice_remote(d), &value) == REEVE_OK && value == 5);
    NEED(door_fail_after_get(door_fail_after_remote(d), &value) == REEVE_EFUNCTION);
    NEED(reeve_last_error()->user_code == 4);
    NEED(door_answer_kept_get(door_answer_kept_remote(d), &value) == REEVE_OK);
    NEED(value == REEVE_EHANDLE);
    /* a cancel, and a time limit */
    f = door_pass_remote(d);
    NEED(door_waiting_get(door_waiting_remote(d), &value) == REEVE_OK && value == 1);
    NEED(reeve_cancel(f, NULL) == REEVE_OK);
    NEED(door_pass_get(f, &value) == REEVE_ECANCELLED);
    NEED(answer_by(d, 0) == REEVE_EHANDLE && answer_by(d, 9) == REEVE_OK);
    f = door_pass_remote_opts(REEVE_TASK_OPTIONS(.timeout_ms = 50), d);
    NEED(door_pass_get(f, &value) == REEVE_ETASKTIMEOUT);
    NEED(answer_by(d, 0) == REEVE_EHANDLE && answer_by(d, 9) == REEVE_OK);
    /* other values */
    reeve_int64_array numbers;
    NEED(door_numbers_get(door_numbers_remote(d), &numbers) == REEVE_OK && numbers.count == 3);
    NEED(numbers.items[2] == 3);
    reeve_clear(reeve_int64_array, &numbers);
    NEED(door_large_get(door_large_remote(d), &numbers) == REEVE_OK && numbers.count == 500000);
    for (int64_t i = 0; i < 500000; i++)
        NEED(numbers.items[i] == i);
    reeve_clear(reeve_int64_array, &numbers);
    found there;
    NEED(door_find_get(door_find_remote(d, 21), &there) == REEVE_OK && there.x == 21);
    NEED(reeve_get(int64_t, there.y, &value) == REEVE_OK && value == 42);
    /* the end of the actor answers the rest */
    f = door_pass_remote(d);
    NEED(door_waiting_get(door_waiting_remote(d), &value) == REEVE_OK && value == 1);
    NEED(reeve_actor_release(d) == REEVE_OK);
    NEED(door_pass_get(f, &value) == REEVE_EACTORDIED);
    NEED(strstr(reeve_last_error()->message, "without answering door_pass") != NULL);
}

/* Many ask, two threads answer, and some of the askers do not wait for it. */
static void queued(void)
{
    enum { ROUNDS = 5, STOPPED = 40 };
    office_ref o = office_create();
    ask_often_future often[ASKERS];
    office_ask_future stopped[STOPPED];
    int64_t value, count = ASKERS * ROUNDS * 200, stopped_good = 0;
    for (int i = 0; i < ASKERS; i++)
        often[i] = ask_often_remote_opts(REEVE_TASK_OPTIONS(.cpus = 0.001), o, i, ROUNDS);
    for (int i = 0; i < STOPPED; i++) {
        stopped[i] = office_ask_remote_opts(
            REEVE_TASK_OPTIONS(.timeout_ms = i % 2 == 0 ? 1 : 0), o, NO_TURN, i);
        if (i % 2 != 0)
            NEED(reeve_cancel(stopped[i], NULL) == REEVE_OK);
    }
    for (int i = 0; i < STOPPED; i++) {
        int code = office_ask_get(stopped[i], &value);
        NEED(code == REEVE_OK ? value == 2 * i
                              : code == (i % 2 == 0 ? REEVE_ETASKTIMEOUT : REEVE_ECANCELLED));
        stopped_good += code == REEVE_OK;
    }
    for (int i = 0; i < ASKERS; i++)
        NEED(ask_often_get(often[i], &value) == REEVE_OK && value == ROUNDS * 200);
    do
        NEED(office_answered_get(office_answered_remote(o), &value) == REEVE_OK);
    while (value < 0);
    NEED(value == count + stopped_good);
    NEED(reeve_actor_release(o) == REEVE_OK);
}

static void bad(void)
{
    int64_t value;
    plain_ref p = plain_create_opts(REEVE_ACTOR_OPTIONS(.concurrency = 10000));
    NEED(plain_add_get(plain_add_remote(p, 1), &value) == REEVE_EINVAL);
    NEED(strstr(reeve_last_error()->message, "concurrency is 10000: expected 1 to 1024") != NULL);
    NEED(reeve_actor_release(p) == REEVE_OK);
    p = plain_create_opts(REEVE_ACTOR_OPTIONS(.concurrency = 0));
    NEED(plain_add_get(plain_add_remote(p, 1), &value) == REEVE_OK && value == 1);
    plain_ref grouped = p;
    grouped.host |= UINT64_C(2) << 56;
    NEED(plain_add_get(plain_add_remote(grouped, 1), &value) == REEVE_EINVAL);
    NEED(strstr(reeve_last_error()->message, "has no groups") != NULL);
    NEED(reeve_actor_release(p) == REEVE_OK);
    hall_ref h = hall_create();
    h.host |= UINT64_C(9) << 56;
    NEED(hall_crowd_get(hall_crowd_remote(h), &value) == REEVE_EINVAL);
    NEED(strstr(reeve_last_error()->message, "no group number 9") != NULL);
    NEED(reeve_actor_release(h) == REEVE_OK);
    /* tokens where there are none */
    NEED(reeve_reply_later().id == 0 && reeve_last_error()->code == REEVE_EINVAL);
    NEED(door_pass_reply((reeve_reply_token){1}, 1) == REEVE_EHANDLE);
    NEED(reeve_reply_drop((reeve_reply_token){0}) == REEVE_EHANDLE);
    NEED(later_in_a_task_get(later_in_a_task_remote(), &value) == REEVE_OK);
    NEED(value == REEVE_EINVAL);
    /* its actor has ended, and its process has not */
    door_ref d = door_create_opts(REEVE_ACTOR_OPTIONS(.shared = 7));
    door_ref e = door_create_opts(REEVE_ACTOR_OPTIONS(.shared = 7));
    door_leave_future f = door_leave_remote(d);
    NEED(reeve_actor_release(d) == REEVE_OK);
    NEED(door_leave_get(f, &value) == REEVE_EACTORDIED);
    NEED(door_answer_left_get(door_answer_left_remote(e), &value) == REEVE_OK);
    NEED(value == REEVE_EHANDLE);
    NEED(reeve_actor_release(e) == REEVE_OK);
}

/* Beside others in one process, of which some have threads. */
static void shared(void)
{
    enum { N = 20 };
    int64_t value;
    hall_ref h[N];
    plain_ref p[N];
    for (int i = 0; i < N; i++) {
        h[i] = hall_create_opts(REEVE_ACTOR_OPTIONS(.shared = 3, .concurrency = 2));
        p[i] = plain_create_opts(REEVE_ACTOR_OPTIONS(.shared = 3));
    }
    for (int k = 0; k < 20; k++) {
        hall_meet_future f[2 * N];
        plain_add_future g[N];
        for (int i = 0; i < N; i++) {
            f[2 * i] = hall_meet_remote(h[i], 2);
            g[i] = plain_add_remote(p[i], i);
            f[2 * i + 1] = hall_meet_remote(h[i], 2);
        }
        for (int i = 0; i < N; i++) {
            NEED(hall_meet_get(f[2 * i], &value) == REEVE_OK && value == k);
            NEED(hall_meet_get(f[2 * i + 1], &value) == REEVE_OK && value == k);
            NEED(plain_add_get(g[i], &value) == REEVE_OK && value == i * (k + 1));
        }
    }
    for (int i = 0; i < N; i++)
        NEED(reeve_actor_release(h[i]) == REEVE_OK && reeve_actor_release(p[i]) == REEVE_OK);
}

/* Its end comes after what it was called for, however many run; then its destructor. */
static void ended(const char *mail, const char *gate)
{
    hall_ref h = hall_create_opts(REEVE_ACTOR_OPTIONS(.concurrency = 3, .shared = 1));
    plain_ref p = plain_create_opts(REEVE_ACTOR_OPTIONS(.shared = 1));
    hall_hold_future f[3];
    int64_t value;
    for (int i = 0; i < 3; i++)
        f[i] = hall_hold_remote(h, mail, gate, mail);
    NEED(reeve_actor_release(h) == REEVE_OK);
    for (int i = 0; i < 3; i++)
        NEED(hall_hold_get(f[i], &value) == REEVE_OK && value == 5);
    /* behind it; the end of the program would end all at once */
    NEED(plain_add_get(plain_add_remote(p, 1), &value) == REEVE_OK);
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    const char *what = argc > 1 ? argv[1] : "";
    bool all = strcmp(what, "all") == 0;
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {{"threads", threads}, {"groups", groups}, {"nested", nested}, {"timed", timed},
        {"died", died}, {"later", later}, {"replies", replies}, {"queued", queued}, {"bad", bad},
        {"shared", shared}};
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        if (!all && strcmp(what, tests[i].name) != 0)
            continue;
        tests[i].run();
        printf("ok %s\n", tests[i].name);
        fflush(stdout);
    }
    if (strcmp(what, "cancelled") == 0)
        cancelled(argv[2]);
    if (strcmp(what, "ended") == 0)
        ended(argv[2], argv[3]);
    if (strcmp(what, "cancelled") == 0 || strcmp(what, "ended") == 0)
        printf("ok %s\n", what);
    reeve_shutdown();
    return 0;
}
