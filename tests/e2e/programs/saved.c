/* Actors that save their state: `saved WHAT …` prints "ok WHAT" or says what is wrong. */
#include <pthread.h>
#include <signal.h>

#include "tests/e2e/programs/say.h"

REEVE_STRUCT(counted, (int64_t, value), (reeve_string, name), (reeve_int64_array, log))
REEVE_ACTOR(counter, (int64_t, value), (char *, name), (int64_t *, log), (size_t, count),
    (pthread_mutex_t, lock))

REEVE_CONSTRUCTOR(counter, (int64_t, start), (reeve_string, name))
{
    pthread_mutex_init(&self->lock, NULL);
    self->value = start;
    self->name = strdup(name);
    return REEVE_OK;
}
REEVE_DESTRUCTOR(counter)
{
    free(self->name);
    free(self->log);
}
REEVE_SAVE(counter, counted)
{
    return (counted){self->value, self->name, {self->log, self->count}};
}
REEVE_RESTORE(counter, (counted, saved))
{
    if (strcmp(self->name, saved.name) != 0)
        reeve_fail(3, "this is %s, not %s", saved.name, self->name);
    self->value = saved.value;
    self->count = saved.log.count;
    self->log = malloc((self->count + 1) * sizeof(*self->log));
    memcpy(self->log, saved.log.items, self->count * sizeof(*self->log));
    return saved.value == 13 ? 13 : REEVE_OK;
}

/* Adds, and saves. */
REEVE_METHOD(int64_t, counter, add, (int64_t, by))
{
    pthread_mutex_lock(&self->lock);
    int64_t value = self->value += by;
    self->log = realloc(self->log, (self->count + 1) * sizeof(*self->log));
    self->log[self->count++] = by;
    int code = reeve_actor_save();
    pthread_mutex_unlock(&self->lock);
    if (code != REEVE_OK)
        reeve_fail(code, "%s", reeve_last_error()->message);
    return value;
}
/* Adds, and does not save. */
REEVE_METHOD(int64_t, counter, forget, (int64_t, by))
{
    return self->value += by;
}
REEVE_METHOD(reeve_int64_array, counter, log)
{
    return (reeve_int64_array){self->log, self->count};
}
REEVE_METHOD(int64_t, counter, pid)
{
    (void)self;
    return reeve_actor_restart_count() * 1000000 + getpid();
}
REEVE_METHOD(void, counter, crash)
{
    (void)self;
    raise(SIGKILL);
}

/* Grows as it is told to. */
REEVE_ACTOR(heap, (size_t, size), (uint8_t *, bytes))
REEVE_CONSTRUCTOR(heap)
{
    return REEVE_OK;
}
REEVE_DESTRUCTOR(heap)
{
    free(self->bytes);
}
REEVE_SAVE(heap, reeve_bytes)
{
    return (reeve_bytes){self->bytes, self->size};
}
REEVE_RESTORE(heap, (reeve_bytes, saved))
{
    self->size = saved.size;
    self->bytes = malloc(saved.size + 1);
    memcpy(self->bytes, saved.data, saved.size);
    return REEVE_OK;
}
REEVE_METHOD(int64_t, heap, grow, (int64_t, size))
{
    self->size = (size_t)size;
    self->bytes = realloc(self->bytes, self->size + 1);
    memset(self->bytes, 7, self->size);
    return reeve_actor_save();
}
REEVE_METHOD(int64_t, heap, size)
{
    int64_t sum = 0;
    for (size_t i = 0; i < self->size; i++)
        sum += self->bytes[i];
    return sum;
}
REEVE_METHOD(void, heap, crash)
{
    (void)self;
    raise(SIGKILL);
}

/* Its two halves do not fit. */
REEVE_ACTOR(odd, (int64_t, value), (bool, unused))
REEVE_CONSTRUCTOR(odd)
{
    return REEVE_OK;
}
REEVE_SAVE(odd, int64_t)
{
    return self->value;
}
REEVE_RESTORE(odd, (reeve_string, saved))
{
    (void)saved;
    return REEVE_OK;
}
REEVE_METHOD(int64_t, odd, save)
{
    (void)self;
    return reeve_actor_save();
}
REEVE_METHOD(void, odd, crash)
{
    (void)self;
    raise(SIGKILL);
}

/* It has none. */
REEVE_ACTOR(plain, (int64_t, value), (bool, unused))
REEVE_CONSTRUCTOR(plain)
{
    return REEVE_OK;
}
REEVE_METHOD(int64_t, plain, save)
{
    (void)self;
    return reeve_actor_save();
}
/* Its state is a future. */
REEVE_ACTOR(keeper, (reeve_future_int64_t, kept), (bool, unused))
REEVE_CONSTRUCTOR(keeper)
{
    self->kept = reeve_put(int64_t, 1);
    return REEVE_OK;
}
REEVE_STRUCT(kept_future, (reeve_future_int64_t, kept))
REEVE_SAVE(keeper, kept_future)
{
    return (kept_future){self->kept};
}
REEVE_RESTORE(keeper, (kept_future, saved))
{
    self->kept = saved.kept;
    return REEVE_OK;
}
REEVE_METHOD(int64_t, keeper, save)
{
    (void)self;
    return reeve_actor_save();
}

REEVE_REMOTE(int64_t, add_in_a_task, (counter_ref, c), (int64_t, by))
{
    int64_t value;
    if (counter_add_get(counter_add_remote(c, by), &value) != REEVE_OK)
        reeve_fail(reeve_last_error()->code, "%s", reeve_last_error()->message);
    return value;
}
REEVE_REMOTE(int64_t, save_in_a_task)
{
    return reeve_actor_save();
}

static void crash(counter_ref c)
{
    NEED(counter_crash_get(counter_crash_remote(c)) == REEVE_EACTORDIED);
}

static int64_t add(counter_ref c, int64_t by)
{
    int64_t value = -1;
    NEED(counter_add_get(counter_add_remote(c, by), &value) == REEVE_OK);
    return value;
}

static void kept(void)
{
    int64_t value, pid;
    counter_ref c = counter_create_opts(REEVE_ACTOR_OPTIONS(.max_restarts = 4), 100, "one");
    crash(c); /* nothing has been saved */
    NEED(add(c, 1) == 101);
    crash(c);
    NEED(counter_pid_get(counter_pid_remote(c), &pid) == REEVE_OK && pid / 1000000 == 2);
    NEED(add(c, 2) == 103);
    NEED(counter_forget_get(counter_forget_remote(c, 1000), &value) == REEVE_OK && value == 1103);
    crash(c);
    NEED(add(c, 4) == 107);
    /* what others call is saved with its owner, too */
    NEED(add_in_a_task_get(add_in_a_task_remote(c, 8), &value) == REEVE_OK && value == 115);
    NEED(add(c, 0) == 115);
    crash(c);
    reeve_int64_array log;
    NEED(counter_log_get(counter_log_remote(c), &log) == REEVE_OK && log.count == 5);
    NEED(log.items[0] == 1 && log.items[3] == 8 && log.items[4] == 0);
    reeve_clear(reeve_int64_array, &log);
    NEED(add(c, 1) == 116);
    crash(c); /* that was the last time */
    NEED(counter_add_get(counter_add_remote(c, 1), &value) == REEVE_EACTORDIED);
    NEED(reeve_actor_release(c) == REEVE_OK);
}

/* In one process, and from several threads. */
static void many(void)
{
    enum { N = 50, THREADS = 4, CALLS = 40 };
    counter_ref c[N];
    counter_add_future f[CALLS];
    int64_t value;
    for (int i = 0; i < N; i++)
        c[i] = counter_create_opts(REEVE_ACTOR_OPTIONS(.shared = 1, .max_restarts = 2,
                                       .concurrency = i == 0 ? THREADS : 1),
            i, "many");
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < N; i++)
            NEED(add(c[i], 1000) == i + (k + 1) * 1000 + (i == 0 ? k * CALLS : 0));
        for (int i = 0; i < CALLS; i++)
            f[i] = counter_add_remote(c[0], 1);
        for (int i = 0; i < CALLS; i++)
            NEED(counter_add_get(f[i], &value) == REEVE_OK);
        crash(c[k]);
    }
    for (int i = 0; i < N; i++) {
        NEED(add(c[i], 0) == i + 2000 + (i == 0 ? 2 * CALLS : 0));
        NEED(reeve_actor_release(c[i]) == REEVE_OK);
    }
}

static void refused(void)
{
    int64_t value;
    /* the shape */
    odd_ref o = odd_create_opts(REEVE_ACTOR_OPTIONS(.max_restarts = 1));
    NEED(odd_save_get(odd_save_remote(o), &value) == REEVE_OK && value == REEVE_OK);
    NEED(odd_crash_get(odd_crash_remote(o)) == REEVE_EACTORDIED);
    NEED(odd_save_get(odd_save_remote(o), &value) == REEVE_EACTORDIED);
    NEED(strstr(reeve_last_error()->message, "could not be restored: the saved state") != NULL);
    NEED(reeve_actor_release(o) == REEVE_OK);
    /* the program's own reasons */
    counter_ref c = counter_create_opts(REEVE_ACTOR_OPTIONS(.max_restarts = 1), 0, "c");
    NEED(add(c, 13) == 13);
    crash(c);
    NEED(counter_add_get(counter_add_remote(c, 1), &value) == REEVE_EACTORDIED);
    NEED(strstr(reeve_last_error()->message, "REEVE_RESTORE returned 13") != NULL);
    NEED(reeve_actor_release(c) == REEVE_OK);
    /* what cannot be saved; and what had been saved before stays */
    heap_ref h = heap_create_opts(REEVE_ACTOR_OPTIONS(.max_restarts = 2));
    NEED(heap_grow_get(heap_grow_remote(h, 65000), &value) == REEVE_OK && value == REEVE_OK);
    NEED(heap_grow_get(heap_grow_remote(h, 65536), &value) == REEVE_OK);
    NEED(value == REEVE_ETOOLARGE);
    NEED(heap_crash_get(heap_crash_remote(h)) == REEVE_EACTORDIED);
    NEED(heap_size_get(heap_size_remote(h), &value) == REEVE_OK && value == 7 * 65000);
    NEED(reeve_actor_release(h) == REEVE_OK);
    plain_ref p = plain_create();
    NEED(plain_save_get(plain_save_remote(p), &value) == REEVE_OK && value == REEVE_EINVAL);
    NEED(reeve_actor_release(p) == REEVE_OK);
    keeper_ref k = keeper_create();
    NEED(keeper_save_get(keeper_save_remote(k), &value) == REEVE_OK && value == REEVE_ETYPE);
    NEED(reeve_actor_release(k) == REEVE_OK);
    NEED(reeve_actor_save() == REEVE_EINVAL);
    NEED(save_in_a_task_get(save_in_a_task_remote(), &value) == REEVE_OK);
    NEED(value == REEVE_EINVAL);
}

/* Its node is lost. */
static void moved(const char *mail, const char *gate)
{
    int64_t value;
    counter_ref c = counter_create_opts(REEVE_ACTOR_OPTIONS(.max_restarts = 1), 100, "moves");
    NEED(add(c, 1) == 101 && add(c, 2) == 103);
    report(mail, "saved");
    wait_at(gate);
    /* what was under way when it happened is lost with it, or nobody knows; a few calls are */
    int code, lost = 0;
    while ((code = counter_add_get(counter_add_remote(c, 0), &value)) != REEVE_OK && ++lost < 100)
        NEED(code == REEVE_EACTORDIED || code == REEVE_EUNREACHABLE);
    NEED(value == 103 && add(c, 4) == 107);
    NEED(counter_pid_get(counter_pid_remote(c), &value) == REEVE_OK && value / 1000000 == 1);
    NEED(reeve_actor_release(c) == REEVE_OK);
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    const char *what = argc > 1 ? argv[1] : "";
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {{"kept", kept}, {"many", many}, {"refused", refused}};
    bool found = say_run(tests, what);
    if (!found && strcmp(what, "moved") == 0)
        moved(argv[2], argv[3]);
    printf("ok %s\n", what);
    reeve_shutdown();
    return 0;
}
