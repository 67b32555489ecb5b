/* Cancelling: `cancel WHAT [MAIL]` prints "ok WHAT", or says what is wrong. */
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "tests/e2e/programs/say.h"

static void pause_ms(int64_t ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static int64_t milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A function has begun: for the test, and for the program, which waits for a file. */
static void begin(const char *mail, const char *word, int pid)
{
    char path[512];
    report(mail, "%s %d", word, pid);
    snprintf(path, sizeof(path), "%s.begun", mail);
    int fd = *mail ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd >= 0)
        close(fd);
}

static void until_begun(const char *mail)
{
    char path[512];
    snprintf(path, sizeof(path), "%s.begun", mail);
    while (unlink(path) != 0)
        pause_ms(1);
}

/* ---- functions ------------------------------------------------------------------------------- */

/* Stops when asked to, and says so. */
REEVE_REMOTE(int64_t, polite, (reeve_string, mail))
{
    begin(mail, "begun", (int)getpid());
    while (!reeve_cancelled())
        pause_ms(1);
    report(mail, "stopped %d", (int)getpid());
    return 7;
}

REEVE_REMOTE(int64_t, stubborn, (reeve_string, mail))
{
    begin(mail, "begun", (int)getpid());
    for (;;)
        pause();
}

static volatile sig_atomic_t terminated;

static void on_term(int number)
{
    terminated = number;
}

/* Does not look, but has a handler. */
REEVE_REMOTE(int64_t, handles, (reeve_string, mail))
{
    signal(SIGTERM, on_term);
    begin(mail, "begun", (int)getpid());
    while (!terminated)
        pause_ms(1);
    terminated = 0;
    signal(SIGTERM, SIG_DFL);
    report(mail, "terminated %d", (int)getpid());
    return 1;
}

/* Calls more of them, and starts a process of its own. */
REEVE_REMOTE(int64_t, parent, (reeve_string, mail), (int64_t, children))
{
    int64_t y;
    polite_future calls[8];
    for (int64_t i = 0; i < children; i++)
        calls[i] = polite_remote_opts(REEVE_TASK_OPTIONS(.never_inline = 1, .cpus = 0.1), mail);
    begin(mail, "parent", (int)getpid());
    for (int64_t i = 0; i < children; i++)
        if (polite_get(calls[i], &y) != REEVE_ECANCELLED)
            report(mail, "a child ended with %s", reeve_error_name(reeve_last_error()->code));
    report(mail, "parent cancelled: %d", reeve_cancelled());
    return 1;
}

REEVE_REMOTE(int64_t, with_process, (reeve_string, mail))
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sleep", "sleep", "1000", (char *)NULL);
        _exit(99);
    }
    begin(mail, "started", (int)pid);
    for (;;)
        pause();
}

REEVE_REMOTE(int64_t, my_pid)
{
    return getpid();
}

static void *cancels(void *arg)
{
    pause_ms(20);
    return reeve_cancel(*(reeve_future *)arg, NULL) == REEVE_OK ? arg : NULL;
}

/* A child that is run on the spot is cancelled by another thread of the same process. */
REEVE_REMOTE(int64_t, on_the_spot, (int64_t, unused))
{
    pthread_t thread;
    void *result;
    int64_t y, pid;
    polite_future child = polite_remote("");
    reeve_future untyped = {child.id};
    pthread_create(&thread, NULL, cancels, &untyped);
    int code = polite_get(child, &y);
    pthread_join(thread, &result);
    if (code != REEVE_ECANCELLED || result == NULL || reeve_cancelled())
        reeve_fail(1, "the child ended with %s", reeve_error_name(code));
    if (my_pid_get(my_pid_remote(), &pid) != REEVE_OK)
        reeve_fail(2, "the next child fails");
    return unused;
}

/* ---- programs -------------------------------------------------------------------------------- */

/* What has not begun never begins; it is ready at once. */
static void before_it_begins(const char *mail)
{
    int64_t y;
    polite_future first = polite_remote(mail), behind[20];
    for (int i = 0; i < 20; i++) /* one slot */
        behind[i] = i % 2 ? polite_remote(mail) : reeve_call(polite, reeve_put(reeve_string, mail));
    for (int i = 0; i < 20; i++) {
        NEED(reeve_cancel(behind[i], NULL) == REEVE_OK);
        NEED(reeve_cancel(behind[i], NULL) == REEVE_OK); /* twice */
        NEED(polite_get(behind[i], &y) == REEVE_ECANCELLED);
        NEED(strcmp(reeve_last_error()->function, "polite") == 0);
    }
    NEED(reeve_cancel(first, NULL) == REEVE_OK);
    NEED(polite_get(first, &y) == REEVE_ECANCELLED);
}

static void when_it_looks(const char *mail)
{
    int64_t y, pid, after;
    NEED(my_pid_get(my_pid_remote(), &pid) == REEVE_OK);
    for (int i = 0; i < 20; i++) {
        polite_future call = polite_remote(mail);
        pause_ms(i);
        NEED(reeve_cancel(call, NULL) == REEVE_OK);
        NEED(polite_get(call, &y) == REEVE_ECANCELLED);
    }
    NEED(my_pid_get(my_pid_remote(), &after) == REEVE_OK);
    NEED(pid == after); /* nobody had to end the process */
}

/* Its process is ended; others that had been sent there are run elsewhere. */
static void when_it_does_not(const char *mail)
{
    int64_t y, begin = milliseconds();
    stubborn_future call = stubborn_remote(mail);
    my_pid_future behind[10];
    for (int i = 0; i < 10; i++)
        behind[i] = my_pid_remote();
    until_begun(mail);
    NEED(reeve_cancel(call, REEVE_CANCEL_OPTIONS(.grace_ms = 100)) == REEVE_OK);
    NEED(stubborn_get(call, &y) == REEVE_ECANCELLED);
    NEED(milliseconds() - begin >= 100);
    for (int i = 0; i < 10; i++)
        NEED(my_pid_get(behind[i], &y) == REEVE_OK);
}

static void when_it_handles(const char *mail)
{
    int64_t y, pid, after;
    NEED(my_pid_get(my_pid_remote(), &pid) == REEVE_OK);
    handles_future call = handles_remote(mail);
    until_begun(mail);
    NEED(reeve_cancel(call, REEVE_CANCEL_OPTIONS(.grace_ms = 100)) == REEVE_OK);
    NEED(handles_get(call, &y) == REEVE_ECANCELLED);
    NEED(my_pid_get(my_pid_remote(), &after) == REEVE_OK);
    NEED(pid == after);
}

/* Asked, and no more: until somebody is in more of a hurry. */
static void for_ever(const char *mail)
{
    int64_t y;
    stubborn_future call = stubborn_remote(mail);
    until_begun(mail);
    NEED(reeve_cancel(call, REEVE_CANCEL_OPTIONS(.grace_ms = REEVE_FOREVER)) == REEVE_OK);
    NEED(stubborn_get_timeout(call, 300, &y) == REEVE_ETIMEDOUT);
    NEED(reeve_cancel(call, REEVE_CANCEL_OPTIONS(.grace_ms = 1)) == REEVE_OK);
    NEED(stubborn_get(call, &y) == REEVE_ECANCELLED);
}

static void children(const char *mail)
{
    int64_t y;
    parent_future call = parent_remote(mail, 4);
    until_begun(mail);
    NEED(reeve_cancel(call, REEVE_CANCEL_OPTIONS(.grace_ms = 10000)) == REEVE_OK);
    NEED(parent_get(call, &y) == REEVE_ECANCELLED);
}

static void processes(const char *mail)
{
    int64_t y;
    with_process_future call = with_process_remote(mail);
    until_begun(mail);
    NEED(reeve_cancel(call, REEVE_CANCEL_OPTIONS(.grace_ms = 1)) == REEVE_OK);
    NEED(with_process_get(call, &y) == REEVE_ECANCELLED);
}

static void inside(const char *mail)
{
    int64_t y;
    (void)mail;
    for (int64_t i = 0; i < 5; i++)
        NEED(on_the_spot_get(on_the_spot_remote(i), &y) == REEVE_OK && y == i);
}

static void bad(const char *mail)
{
    int64_t y;
    my_pid_future call = my_pid_remote();
    NEED(reeve_wait(&call, 1, 1, REEVE_FOREVER, NULL, NULL) == REEVE_OK);
    NEED(reeve_cancel(call, NULL) == REEVE_OK); /* it has ended: nothing changes */
    NEED(my_pid_get(call, &y) == REEVE_OK && y > 0);
    NEED(reeve_cancel(call, NULL) == REEVE_EHANDLE);
    NEED(reeve_cancel(reeve_future_from_id(0), NULL) == REEVE_EHANDLE);
    NEED(reeve_cancel(reeve_future_from_id(UINT64_C(1) << 40), NULL) == REEVE_EHANDLE);
    reeve_future_int64_t put = reeve_put(int64_t, 3);
    NEED(reeve_cancel(put, NULL) == REEVE_OK && reeve_get(int64_t, put, &y) == REEVE_OK && y == 3);
    NEED(reeve_cancel(put, &(reeve_cancel_options){.grace_ms = 1}) == REEVE_EINVAL);
    NEED(reeve_cancel(put, REEVE_CANCEL_OPTIONS(.grace_ms = -2)) == REEVE_EINVAL);
    NEED(!reeve_cancelled());
    /* what needs it fails with it; a released one is stopped all the same */
    polite_future first = polite_remote(mail);
    my_pid_future dependent = my_pid_remote();
    NEED(reeve_cancel(dependent, NULL) == REEVE_OK && reeve_release(dependent) == REEVE_OK);
    NEED(reeve_cancel(first, NULL) == REEVE_OK && reeve_release(first) == REEVE_OK);
    NEED(my_pid_get(my_pid_remote(), &y) == REEVE_OK);
    reeve_shutdown();
    NEED(reeve_cancel(first, NULL) == REEVE_ESHUTDOWN && !reeve_cancelled());
}

static void time_limits(const char *mail)
{
    int64_t y, pid, after;
    NEED(my_pid_get(my_pid_remote(), &pid) == REEVE_OK);
    NEED(polite_get(polite_remote_opts(REEVE_TASK_OPTIONS(.timeout_ms = 50), mail), &y) ==
         REEVE_ETASKTIMEOUT);
    NEED(my_pid_get(my_pid_remote(), &after) == REEVE_OK && pid == after);
    NEED(handles_get(handles_remote_opts(REEVE_TASK_OPTIONS(.timeout_ms = 50), mail), &y) ==
         REEVE_ETASKTIMEOUT);
    NEED(stubborn_get(stubborn_remote_opts(REEVE_TASK_OPTIONS(.timeout_ms = 50), mail), &y) ==
         REEVE_ETASKTIMEOUT);
    NEED(my_pid_get(my_pid_remote(), &y) == REEVE_OK);
}

/* Many, at all moments; each ends in one way or the other, and nothing else is harmed. */
static void storm(const char *mail)
{
    enum { COUNT = 300 };
    my_pid_future quick[COUNT];
    polite_future slow[COUNT];
    int64_t y;
    int values = 0;
    (void)mail;
    for (int i = 0; i < COUNT; i++) {
        quick[i] = my_pid_remote();
        slow[i] = polite_remote("");
        if (i % 3 == 0)
            pause_ms(1);
        NEED(reeve_cancel(slow[i], REEVE_CANCEL_OPTIONS(.grace_ms = i % 7 ? 1000 : 1)) == REEVE_OK);
        if (i % 2)
            NEED(reeve_cancel(quick[i], NULL) == REEVE_OK);
    }
    for (int i = 0; i < COUNT; i++) {
        int code = my_pid_get(quick[i], &y);
        NEED(code == REEVE_OK || (i % 2 && code == REEVE_ECANCELLED));
        values += code == REEVE_OK;
        NEED(polite_get(slow[i], &y) == REEVE_ECANCELLED);
    }
    NEED(values >= COUNT / 2);
}

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        void (*run)(const char *mail);
    } kinds[] = {{"before_it_begins", before_it_begins}, {"when_it_looks", when_it_looks},
        {"when_it_does_not", when_it_does_not}, {"when_it_handles", when_it_handles},
        {"for_ever", for_ever}, {"children", children}, {"processes", processes},
        {"inside", inside}, {"bad", bad}, {"time_limits", time_limits}, {"storm", storm}};
    NEED(reeve_init(argc, argv, NULL) == REEVE_OK);
    if (argc > 1 && say_run(kinds, argv[1], argc > 2 ? argv[2] : "")) {
        reeve_shutdown();
        printf("ok %s\n", argv[1]);
        return 0;
    }
    fprintf(stderr, "usage: cancel WHAT [MAIL]\n");
    return 2;
}
