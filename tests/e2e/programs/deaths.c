/* A program that stops itself (SIGSTOP) in the midst of what it does with the store, so that a test
 * can kill it there, or let it go on: `deaths WHO STEP MAIL GATE`.
 *
 *     driver STEP   puts a value, and stops at the step; goes on, and checks it
 *     worker STEP   a task does, and stops; then says what became of the task, and checks that its
 *                   argument is as it was
 *     reader        a task stops while it reads its argument; past the gate the driver puts and
 *                   frees several times what the store holds; then says what the task saw
 *     hangs_up      closes its connections while it has a view, and stops; goes on, and looks at it
 *     orphans       holds results of tasks and values of its own; past the gate gets them all, and
 *                   counts what came back, and the errors
 *     whole         nearly all of the store, which is 64 MiB, at once
 *
 * It reports "at STEP PID" just before it stops. What is stopped in a copy that the library makes
 * is stopped by the source: pages that cannot be read yet. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "tests/e2e/programs/content.h"
#include "tests/e2e/programs/say.h"

#define SIZE  ((size_t)4 << 20)
#define WHOLE ((size_t)14)

/* ---- stopping -------------------------------------------------------------------------------- */

static struct {
    const char *step, *mail;
    uint8_t *bytes; /* page-aligned */
    uint64_t number;
} source;

static void stop(void)
{
    report(source.mail, "at %s %d", source.step, getpid());
    raise(SIGSTOP);
}

/* The library is at the page that cannot be read. */
static void on_fault(int signal_number)
{
    (void)signal_number;
    stop();
    if (mprotect(source.bytes, SIZE, PROT_READ | PROT_WRITE) != 0)
        _exit(97);
}

/* Bytes whose reader is stopped: before the first ("create"), half way ("fill"), or not at all. */
static void source_init(const char *step, const char *mail, uint64_t number)
{
    static struct sigaction action = {.sa_handler = on_fault};
    source.step = step;
    source.mail = mail;
    source.number = number;
    source.bytes = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(source.bytes != MAP_FAILED);
    content_fill(source.bytes, SIZE, number);
    sigaction(SIGSEGV, &action, NULL);
    if (strcmp(step, "create") == 0)
        NEED(mprotect(source.bytes, SIZE, PROT_NONE) == 0);
    if (strcmp(step, "fill") == 0 || strcmp(step, "result") == 0)
        NEED(mprotect(source.bytes + SIZE / 2, SIZE / 2, PROT_NONE) == 0);
}

static bool is(const char *step)
{
    return strcmp(source.step, step) == 0;
}

static void stop_at(const char *step)
{
    if (is(step))
        stop();
}

/* ---- what stops ------------------------------------------------------------------------------ */

static bool got_is_right(reeve_future_reeve_bytes future, uint64_t number)
{
    reeve_bytes bytes;
    NEED(reeve_get(reeve_bytes, future, &bytes) == REEVE_OK);
    bool right = bytes.size == SIZE && content_is_right(bytes.data, SIZE, number);
    reeve_free(bytes.data);
    return right;
}

/* With all that a process can hold at that moment. */
static void use_store(void)
{
    reeve_future_reeve_bytes small[40], future = reeve_put_bytes(source.bytes, SIZE);
    NEED(future.id != 0);
    stop_at("seal");
    for (size_t i = 0; i < 40; i++)
        small[i] = reeve_put_bytes(source.bytes, (i + 1) * 10000);
    stop_at("many");
    for (size_t i = 0; i < 40; i += 2)
        NEED(reeve_release(small[i]) == REEVE_OK);
    stop_at("some_released");
    reeve_view view;
    reeve_bytes seen;
    NEED(reeve_view_reeve_bytes(future, REEVE_FOREVER, &seen, &view) == REEVE_OK);
    stop_at("view");
    NEED(got_is_right(future, source.number)); /* which frees it, but for the view */
    stop_at("got");
    NEED(seen.size == SIZE && content_is_right(seen.data, SIZE, source.number));
    NEED(reeve_view_release(view) == REEVE_OK);
    stop_at("view_released");
    for (size_t i = 1; i < 40; i += 2)
        NEED(reeve_release(small[i]) == REEVE_OK);
    stop_at("released");
}

REEVE_REMOTE(bool, check, (reeve_bytes, bytes), (uint64_t, number))
{
    return content_is_right(bytes.data, bytes.size, number);
}

REEVE_REMOTE(reeve_bytes, work, (reeve_bytes, argument), (reeve_string, step), (reeve_string, mail))
{
    source_init(step, mail, 2);
    stop_at("argument");
    if (!content_is_right(argument.data, argument.size, 1))
        reeve_fail(1, "the argument has changed");
    if (!is("result"))
        use_store();
    return (reeve_bytes){source.bytes, SIZE};
}

REEVE_REMOTE(bool, reads, (reeve_bytes, bytes), (uint64_t, number), (reeve_string, mail))
{
    source.step = "reading";
    source.mail = mail;
    stop();
    return content_is_right(bytes.data, bytes.size, number);
}

REEVE_REMOTE(reeve_bytes, make, (uint64_t, number))
{
    uint8_t *bytes = reeve_alloc(SIZE);
    content_fill(bytes, SIZE, number);
    return (reeve_bytes){bytes, SIZE};
}

/* ---- the driver ------------------------------------------------------------------------------ */

static reeve_future_reeve_bytes put(uint64_t number)
{
    static uint8_t *bytes;
    if (bytes == NULL)
        bytes = malloc(SIZE);
    content_fill(bytes, SIZE, number);
    return reeve_put_bytes(bytes, SIZE);
}

static bool checked(reeve_future_reeve_bytes future, uint64_t number)
{
    bool right = false;
    NEED(check_get(reeve_call(check, future, number), &right) == REEVE_OK);
    return right;
}

static void driver(const char *step, const char *mail)
{
    source_init(step, mail, 3);
    use_store();
}

static void worker(const char *step, const char *mail)
{
    const reeve_task_options *once = REEVE_TASK_OPTIONS(.max_retries = REEVE_NO_RETRIES);
    reeve_future_reeve_bytes argument = put(1);
    reeve_bytes result;
    int code = work_get(reeve_call_opts(once, work, argument, step, mail), &result);
    if (code == REEVE_OK) {
        NEED(result.size == SIZE && content_is_right(result.data, SIZE, 2));
        reeve_free(result.data);
    }
    printf("%s\n", reeve_error_name(code));
    NEED(checked(argument, 1));
    NEED(got_is_right(argument, 1));
}

static void reader(const char *mail, const char *gate)
{
    const reeve_task_options *once = REEVE_TASK_OPTIONS(.max_retries = REEVE_NO_RETRIES);
    reeve_future_reeve_bytes future = put(1);
    reads_future reading = reeve_call_opts(once, reads, future, 1, mail);
    bool right = false;
    wait_at(gate);
    NEED(reeve_release(future) == REEVE_OK);
    for (uint64_t i = 0; i < 3 * WHOLE; i++)
        NEED(got_is_right(put(10 + i), 10 + i));
    printf("churned\n");
    fflush(stdout);
    int code = reads_get(reading, &right);
    printf("%s\n", code != REEVE_OK ? reeve_error_name(code) : right ? "right" : "WRONG");
}

/* It has hung up, and reads what it has mapped all the same. */
static void hangs_up(const char *mail)
{
    source.step = "hung-up";
    source.mail = mail;
    reeve_future_reeve_bytes future = put(1);
    reeve_bytes seen;
    reeve_view view;
    NEED(reeve_view_reeve_bytes(future, REEVE_FOREVER, &seen, &view) == REEVE_OK);
    for (int fd = 3; fd < 1024; fd++)
        (void)shutdown(fd, SHUT_RDWR); /* what is no socket is left alone */
    stop();
    printf("%s\n", content_is_right(seen.data, SIZE, 1) ? "right" : "WRONG");
    fflush(stdout);
    _exit(0);
}

/* Prints how many of 12 results of tasks and of 4 values of its own came back, and the codes of the
 * others. */
static void orphans(const char *mail, const char *gate)
{
    reeve_future_reeve_bytes futures[16];
    int good = 0, code;
    for (uint64_t i = 0; i < 16; i++)
        futures[i] = i % 4 == 3 ? put(i) : make_remote(i);
    NEED(reeve_wait(futures, 16, 16, REEVE_FOREVER, NULL, NULL) == REEVE_OK);
    report(mail, "ready %d", getpid());
    wait_at(gate);
    for (uint64_t i = 0; i < 16; i++) {
        reeve_bytes bytes;
        if ((code = reeve_get(reeve_bytes, futures[i], &bytes)) != REEVE_OK) {
            printf("%d %s\n", (int)i, reeve_error_name(code));
            continue;
        }
        NEED(bytes.size == SIZE && content_is_right(bytes.data, SIZE, i));
        reeve_free(bytes.data);
        good++;
    }
    printf("%d good\n", good);
}

static void whole(void)
{
    reeve_future_reeve_bytes futures[WHOLE];
    for (uint64_t i = 0; i < WHOLE; i++)
        futures[i] = put(i);
    for (uint64_t i = 0; i < WHOLE; i++)
        NEED(got_is_right(futures[i], i));
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc == 5);
    if (strcmp(argv[1], "driver") == 0)
        driver(argv[2], argv[3]);
    else if (strcmp(argv[1], "worker") == 0)
        worker(argv[2], argv[3]);
    else if (strcmp(argv[1], "reader") == 0)
        reader(argv[3], argv[4]);
    else if (strcmp(argv[1], "hangs_up") == 0)
        hangs_up(argv[3]);
    else if (strcmp(argv[1], "orphans") == 0)
        orphans(argv[3], argv[4]);
    else if (strcmp(argv[1], "whole") == 0)
        whole();
    else
        return fprintf(stderr, "deaths: what?\n"), 2;
    reeve_shutdown();
    printf("ok %s\n", argv[1]);
    return 0;
}
