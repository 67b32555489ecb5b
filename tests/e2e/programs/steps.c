/* A program that kills itself (SIGKILL) at a step of what its library and its daemon say to each
 * other about the store: `steps VICTIM SCENARIO STEP RETRIES MAIL GATE`.
 *
 *     VICTIM    driver: this process. worker: a task's; then it is said what became of the task,
 *               and past "here" it waits at the gate, with nothing in the store but the driver's
 *               own value, which is as it was
 *     SCENARIO  what it does; see the functions, and the tables of their names
 *     STEP      "before KIND": a message is about to be sent. "after KIND": it has been. "got
 *               KIND": one has been received, and nothing been done about it. "mapped": a segment
 *               of the store is mapped, and not touched. Each for the first time. "trace" kills
 *               nothing, and reports all of these
 *     RETRIES   of the task, 0 or 1; only its first attempt is killed
 *
 * The library calls sendmsg, recvmsg and madvise; a program's own functions of these names come
 * before those of the C library. So the library is the one that users have. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "runtime/wire/local.h"
#include "tests/e2e/programs/content.h"
#include "tests/e2e/programs/say.h"

#define SIZE      ((size_t)4 << 20)
#define SPILLED   18 /* values, more than the store holds */
#define FILLS_MAX 16

/* ---- steps ----------------------------------------------------------------------------------- */

#define STEPS_MAX 64

static struct {
    atomic_bool armed;
    char step[64], mail[256];
    atomic_flag busy;
    char seen[STEPS_MAX][64];
    int count;
} plan;

/* Whether this is the first of its kind. */
static bool is_new(const char *step)
{
    bool found = false;
    while (atomic_flag_test_and_set(&plan.busy))
        ;
    for (int i = 0; i < plan.count && !found; i++)
        found = strcmp(plan.seen[i], step) == 0;
    if (!found && plan.count < STEPS_MAX)
        snprintf(plan.seen[plan.count++], sizeof(plan.seen[0]), "%s", step);
    atomic_flag_clear(&plan.busy);
    return !found;
}

static void at(const char *when, const char *what)
{
    char step[64];
    int error = errno;
    snprintf(step, sizeof(step), "%s%s", when, what);
    if (strcmp(plan.step, "trace") == 0 ? is_new(step) : strcmp(plan.step, step) == 0) {
        report(plan.mail, "at %s", step);
        if (strcmp(plan.step, "trace") != 0)
            kill(getpid(), SIGKILL);
    }
    errno = error;
}

/* NULL: it is not about the store, or not said by these two. */
static const char *name_of(const struct msghdr *packet, ssize_t size)
{
    struct reeve_local_message message;
    if (!atomic_load(&plan.armed) || size < (ssize_t)offsetof(struct reeve_local_message, text))
        return NULL;
    memcpy(&message, packet->msg_iov[0].iov_base, offsetof(struct reeve_local_message, text));
    switch (message.kind) {
    case REEVE_LOCAL_CREATE:
        return message.flags & REEVE_LOCAL_OBJECT_AHEAD ? "create ahead" : "create";
    case REEVE_LOCAL_SEAL: return message.flags & REEVE_LOCAL_OBJECT_REST ? "seal of some" : "seal";
    case REEVE_LOCAL_ABORT: return "abort";
    case REEVE_LOCAL_GET: return message.flags & REEVE_LOCAL_OBJECT_HELD ? "get of held" : "get";
    case REEVE_LOCAL_UNPIN: return message.flags & REEVE_LOCAL_OBJECT_ANCHOR ? "let go" : "unpin";
    case REEVE_LOCAL_FREE: return message.flags & REEVE_LOCAL_OBJECT_HELD ? "unhold" : "free";
    case REEVE_LOCAL_HOLD: return "hold";
    case REEVE_LOCAL_GIVE: return "give";
    case REEVE_LOCAL_SEGMENT: return "segment";
    case REEVE_LOCAL_CREATED: return "created";
    case REEVE_LOCAL_SEALED: return "sealed";
    case REEVE_LOCAL_GOT: return "got";
    case REEVE_LOCAL_RELAX: return "relax";
    default: return NULL;
    }
}

__attribute__((visibility("default"))) ssize_t sendmsg(
    int fd, const struct msghdr *packet, int flags)
{
    const char *name = name_of(packet, (ssize_t)packet->msg_iov[0].iov_len);
    if (name != NULL)
        at("before ", name);
    ssize_t sent = syscall(SYS_sendmsg, fd, packet, flags);
    if (name != NULL && sent >= 0)
        at("after ", name);
    return sent;
}

__attribute__((visibility("default"))) ssize_t recvmsg(int fd, struct msghdr *packet, int flags)
{
    ssize_t size = syscall(SYS_recvmsg, fd, packet, flags);
    const char *name = name_of(packet, size);
    if (name != NULL)
        at("got ", name);
    return size;
}

/* What has been mapped of the store is not to be inherited. */
__attribute__((visibility("default"))) int madvise(void *memory, size_t size, int advice)
{
    if (advice == MADV_DONTFORK && size >= SIZE && atomic_load(&plan.armed))
        at("mapped", "");
    return (int)syscall(SYS_madvise, memory, size, advice);
}

static void arm(const char *step, const char *mail)
{
    snprintf(plan.step, sizeof(plan.step), "%s", step);
    snprintf(plan.mail, sizeof(plan.mail), "%s", mail);
    atomic_store(&plan.armed, true);
}

/* ---- scenarios ------------------------------------------------------------------------------- */

static const uint8_t *content(uint64_t number)
{
    static uint8_t *bytes;
    if (bytes == NULL)
        bytes = malloc(SIZE);
    content_fill(bytes, SIZE, number);
    return bytes;
}

static bool is_right(const void *bytes, size_t size, uint64_t number)
{
    return size == SIZE && content_is_right(bytes, SIZE, number);
}

static bool got_is_right(reeve_future_reeve_bytes future, uint64_t number)
{
    reeve_bytes bytes;
    NEED(reeve_get(reeve_bytes, future, &bytes) == REEVE_OK);
    bool right = is_right(bytes.data, bytes.size, number);
    reeve_free(bytes.data);
    return right;
}

REEVE_REMOTE(bool, check, (reeve_bytes, bytes), (uint64_t, number))
{
    return is_right(bytes.data, bytes.size, number);
}

static void put(const char *step, const char *mail)
{
    arm(step, mail);
    reeve_future_reeve_bytes large = reeve_put_bytes(content(3), SIZE);
    reeve_future_reeve_bytes other = reeve_put_bytes(content(4), SIZE);
    NEED(reeve_release(other) == REEVE_OK);
    for (uint64_t i = 0; i < 2; i++) /* the second into room that was asked for with the first */
        NEED(reeve_release(reeve_put_bytes(content(5 + i), SIZE / 16)) == REEVE_OK);
    NEED(got_is_right(large, 3));
}

/* Filled in place; one is given up. */
static void create(const char *step, const char *mail)
{
    reeve_future_reeve_bytes future;
    reeve_creation creation;
    void *bytes;
    arm(step, mail);
    for (int i = 0; i < 2; i++) {
        NEED(reeve_create(reeve_bytes, SIZE, &bytes, &creation) == REEVE_OK);
        content_fill(bytes, SIZE, 3);
        if (i == 0)
            NEED(reeve_abort(creation) == REEVE_OK);
    }
    NEED(reeve_seal(reeve_bytes, creation, &future) == REEVE_OK);
    NEED(got_is_right(future, 3));
}

/* The value of a call's argument is put by the call. */
static void argument(const char *step, const char *mail)
{
    const reeve_task_options *other = REEVE_TASK_OPTIONS(.cpus = 0.5);
    bool right = false;
    arm(step, mail);
    NEED(check_get(check_remote_opts(other, (reeve_bytes){content(3), SIZE}, 3), &right) ==
             REEVE_OK &&
         right);
}

static void spill_fill(reeve_future_reeve_bytes *futures)
{
    for (uint64_t i = 0; i < SPILLED; i++)
        futures[i] = reeve_put_bytes(content(10 + i), SIZE);
}

static void spill_empty(const reeve_future_reeve_bytes *futures)
{
    for (uint64_t i = 0; i < SPILLED; i++)
        NEED(reeve_release(futures[i]) == REEVE_OK);
}

/* More than the store holds. */
static void spill(const char *step, const char *mail)
{
    reeve_future_reeve_bytes futures[SPILLED];
    arm(step, mail);
    spill_fill(futures);
    spill_empty(futures);
}

/* What is on disk is viewed, and freed. */
static void restore(const char *step, const char *mail)
{
    reeve_future_reeve_bytes futures[SPILLED];
    reeve_view view;
    reeve_bytes seen;
    spill_fill(futures);
    arm(step, mail);
    NEED(reeve_view_reeve_bytes(futures[0], REEVE_FOREVER, &seen, &view) == REEVE_OK);
    NEED(is_right(seen.data, seen.size, 10));
    NEED(reeve_view_release(view) == REEVE_OK);
    spill_empty(futures);
}

static void result(const char *step, const char *mail)
{
    arm(step, mail);
}

static const struct {
    const char *name;
    void (*run)(const char *step, const char *mail);
} scenarios[] = {
    {"put", put},
    {"create", create},
    {"argument", argument},
    {"spill", spill},
    {"restore", restore},
    {"result", result},
};

/* ---- the worker ------------------------------------------------------------------------------ */

/* As the first attempt, or never. */
static const char *step_of(const char *step)
{
    reeve_context context;
    NEED(reeve_get_context(&context) == REEVE_OK);
    return context.attempt == 1 ? step : "never";
}

REEVE_REMOTE(reeve_bytes, works, (reeve_bytes, own), (reeve_string, scenario), (reeve_string, step),
    (reeve_string, mail))
{
    if (!is_right(own.data, own.size, 1))
        reeve_fail(1, "the argument is not right");
    NEED(say_run(scenarios, scenario, step_of(step), mail));
    uint8_t *bytes = reeve_alloc(SIZE);
    content_fill(bytes, SIZE, 2);
    return (reeve_bytes){bytes, SIZE};
}

/* Gives away what it has put. */
REEVE_REMOTE(
    reeve_future_reeve_bytes, gives, (reeve_bytes, own), (reeve_string, step), (reeve_string, mail))
{
    reeve_future_reeve_bytes mine = reeve_put_bytes(content(2), SIZE);
    (void)own;
    arm(step_of(step), mail);
    return mine;
}

static reeve_future_reeve_bytes kept;

/* Holds what it was lent, beyond the call… */
REEVE_REMOTE(
    bool, keeps, (reeve_future_reeve_bytes, own), (reeve_string, step), (reeve_string, mail))
{
    arm(step_of(step), mail);
    kept = reeve_retain(own);
    return true;
}

/* …and reads it then; in another process, there is nothing to read. */
REEVE_REMOTE(bool, drops)
{
    return kept.id == 0 || got_is_right(kept, 1);
}

static int call_works(
    const reeve_task_options *options, reeve_future_reeve_bytes own, char **argv, bool *right)
{
    reeve_bytes bytes;
    int code = works_get(reeve_call_opts(options, works, own, argv[2], argv[3], argv[5]), &bytes);
    if (code == REEVE_OK) {
        *right = is_right(bytes.data, bytes.size, 2);
        reeve_free(bytes.data);
    }
    return code;
}

static int call_gives(
    const reeve_task_options *options, reeve_future_reeve_bytes own, char **argv, bool *right)
{
    reeve_future_reeve_bytes given;
    int code = gives_get(reeve_call_opts(options, gives, own, argv[3], argv[5]), &given);
    if (code == REEVE_OK)
        *right = got_is_right(given, 2);
    return code;
}

static int call_keeps(
    const reeve_task_options *options, reeve_future_reeve_bytes own, char **argv, bool *right)
{
    int code = keeps_get(reeve_call_opts(options, keeps, own, argv[3], argv[5]), right);
    return code == REEVE_OK ? drops_get(drops_remote_opts(options), right) : code;
}

static const struct {
    const char *name;
    int (*call)(
        const reeve_task_options *options, reeve_future_reeve_bytes own, char **argv, bool *right);
} calls[] = {{"gives", call_gives}, {"keeps", call_keeps}};

static void worker(char **argv)
{
    const reeve_task_options *options =
        REEVE_TASK_OPTIONS(.max_retries = strcmp(argv[4], "0") == 0 ? REEVE_NO_RETRIES : 1);
    reeve_future_reeve_bytes own = reeve_put_bytes(content(1), SIZE);
    int (*call)(const reeve_task_options *, reeve_future_reeve_bytes, char **, bool *) = call_works;
    bool right = false;
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
        if (strcmp(argv[2], calls[i].name) == 0)
            call = calls[i].call;
    int code = call(options, own, argv, &right);
    printf("%s\n", code != REEVE_OK ? reeve_error_name(code) : right ? "right" : "WRONG");
    fflush(stdout);
    report(argv[5], "here");
    wait_at(argv[6]);
    NEED(got_is_right(own, 1));
}

/* ---- others ---------------------------------------------------------------------------------- */

/* Has some values in use until the gate opens, and finds them as they were. */
static void fills(uint64_t count, const char *mail, const char *gate)
{
    reeve_future_reeve_bytes futures[FILLS_MAX];
    reeve_bytes seen[FILLS_MAX];
    reeve_view views[FILLS_MAX];
    for (uint64_t i = 0; i < count; i++) {
        futures[i] = reeve_put_bytes(content(i), SIZE);
        NEED(reeve_view_reeve_bytes(futures[i], REEVE_FOREVER, &seen[i], &views[i]) == REEVE_OK);
    }
    report(mail, "full");
    wait_at(gate);
    for (uint64_t i = 0; i < count; i++)
        NEED(is_right(seen[i].data, seen[i].size, i) && reeve_view_release(views[i]) == REEVE_OK &&
             reeve_release(futures[i]) == REEVE_OK);
}

/* There is no room for it while the store is full. */
static void waits(const char *step, const char *mail)
{
    uint8_t *bytes = calloc(1, 5 * SIZE);
    arm(step, mail);
    NEED(reeve_release(reeve_put_bytes(bytes, 5 * SIZE)) == REEVE_OK);
    free(bytes);
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc == 7);
    if (strcmp(argv[1], "worker") == 0)
        worker(argv);
    else if (strcmp(argv[2], "fills") == 0)
        fills(strtoull(argv[3], NULL, 10), argv[5], argv[6]);
    else if (strcmp(argv[2], "waits") == 0)
        waits(argv[3], argv[5]);
    else
        NEED(say_run(scenarios, argv[2], argv[3], argv[5]));
    reeve_shutdown();
    printf("ok\n");
    return 0;
}
