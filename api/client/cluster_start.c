/* Starting a cluster, or a node daemon, for this process alone.
 *
 * What we start holds one end of a socket pair, the lifeline; its other end closes with this
 * process, however it ends, and then they end. Which `reeve` program is started: the option or
 * REEVE_PROGRAM; else the one beside this library (../bin/reeve or ./reeve); else the one in
 * PATH. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/client/cluster.h"
#include "api/client/error.h"
#include "runtime/base/limits.h"
#include "runtime/base/macros.h"

#define START_TIMEOUT_MS  10000
#define END_TIMEOUT_MS    1000
#define KEY_SIZE          32
#define LIFELINE_FD       3
#define READY_FD          4
#define MESSAGES_SIZE_MAX 65536u

extern char **environ;

static bool is_executable(const char *path)
{
    return access(path, X_OK) == 0;
}

/* Where the `reeve` program is; a bare "reeve" means PATH. */
static void program_find(const struct reeve_settings *settings, char *path, size_t size)
{
    Dl_info library;
    if (settings->program != NULL) {
        snprintf(path, size, "%s", settings->program);
        return;
    }
    if (dladdr((void *)(uintptr_t)&reeve_cluster_backend_start, &library) != 0 &&
        library.dli_fname != NULL) {
        const char *slash = strrchr(library.dli_fname, '/');
        int length = slash != NULL ? (int)(slash - library.dli_fname) : 0;
        snprintf(path, size, "%.*s/../bin/reeve", length, library.dli_fname);
        if (slash != NULL && is_executable(path))
            return;
        snprintf(path, size, "%.*s/reeve", length, library.dli_fname);
        if (slash != NULL && is_executable(path))
            return;
    }
    snprintf(path, size, "reeve");
}

/* The environment for our daemons: ours, with these settings (NULL-terminated "NAME=value") in
 * front. */
static char **environment_with(const char *const *settings)
{
    size_t count = 0, extra = 0, at = 0;
    while (environ != NULL && environ[count] != NULL)
        count++;
    while (settings[extra] != NULL)
        extra++;
    char **result = calloc(count + extra + 1, sizeof(char *));
    if (result == NULL)
        return NULL;
    for (size_t i = 0; i < extra; i++)
        result[at++] = (char *)(uintptr_t)settings[i];
    for (size_t i = 0; i < count; i++) {
        bool replaced = false;
        for (size_t s = 0; s < extra; s++) {
            size_t name = strcspn(settings[s], "=") + 1;
            replaced |= strncmp(environ[i], settings[s], name) == 0;
        }
        if (!replaced)
            result[at++] = environ[i];
    }
    return result;
}

/* Starts one daemon: lifeline and ready pipe where the flags say, messages to `messages`,
 * nothing else inherited, out of the terminal's reach (Ctrl-C is for the program). */
static int daemon_start(const char *program, const char *const *arguments, char **environment,
    int lifeline, int ready, int messages, int *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    /* out of the way first: the targets may be the sources */
    lifeline = fcntl(lifeline, F_DUPFD_CLOEXEC, 10);
    ready = fcntl(ready, F_DUPFD_CLOEXEC, 10);
    int failed = lifeline < 0 || ready < 0 || messages < 0 ? errno : 0;
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, messages, 1);
    posix_spawn_file_actions_adddup2(&actions, messages, 2);
    posix_spawn_file_actions_adddup2(&actions, lifeline, LIFELINE_FD);
    posix_spawn_file_actions_adddup2(&actions, ready, READY_FD);
    posix_spawn_file_actions_addclosefrom_np(&actions, READY_FD + 1);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    if (failed == 0)
        failed = posix_spawnp(ret_pid, program, &actions, &attributes,
            (char *const *)(uintptr_t)arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (lifeline >= 0)
        close(lifeline);
    if (ready >= 0)
        close(ready);
    return failed;
}

/* What is being started. */
struct start {
    char program[PATH_MAX];
    int lifeline; /* the daemons' end */
    int ready[2];
    int messages; /* memfd: what they say on stderr */
};

static void start_close(struct start *start)
{
    int *all[] = {&start->lifeline, &start->ready[0], &start->ready[1], &start->messages};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(all); i++) {
        if (*all[i] >= 0)
            close(*all[i]);
        *all[i] = -1;
    }
}

/* What the system does not let this process do. */
static int start_refused_by(struct reeve_error_info *error, const char *what, int os_error)
{
    char why[REEVE_LIMITS_TEXT_SIZE];
    return reeve_error_set(error, REEVE_ESYSTEM,
        "the daemons of a cluster cannot be started: %s: %s", what,
        reeve_limits_text(os_error, why));
}

static int start_open(struct reeve_cluster *cluster, const struct reeve_settings *settings,
    struct start *start, struct reeve_error_info *error)
{
    int pair[2];
    *start = (struct start){.lifeline = -1, .ready = {-1, -1}, .messages = -1};
    program_find(settings, start->program, sizeof(start->program));
    if (reeve_limits_file(MESSAGES_SIZE_MAX) != 0) /* then they could not even say so */
        return start_refused_by(error, "the daemons could not work", EFBIG);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return start_refused_by(error, "socketpair", errno);
    cluster->lifeline = pair[0];
    start->lifeline = pair[1];
    start->messages = memfd_create("reeve-daemon-messages", MFD_CLOEXEC);
    if (start->messages < 0)
        return start_refused_by(error, "memfd_create", errno);
    if (pipe2(start->ready, O_CLOEXEC) != 0)
        return start_refused_by(error, "pipe2", errno);
    return 0;
}

/* Why a daemon did not start: what it said on its standard error, without the program's name in
 * front, and with the remedy that stands, indented, in the line below. */
static void last_words(const struct start *start, char *said, size_t size)
{
    static const char *const names[] = {"reeve worker: ", "reeve head: "};
    ssize_t got = pread(start->messages, said, size - 1, 0);
    said[got > 0 ? got : 0] = '\0';
    char *end = said + strcspn(said, "\n");
    char *remedy = end + strspn(end, "\n ");
    size_t length = strcspn(remedy, "\n");
    if (remedy - end >= 3 && length > 0) {
        memmove(end + 2, remedy, length);
        memcpy(end, "; ", 2);
        end += 2 + length;
    }
    *end = '\0';
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(names); i++)
        if (strncmp(said, names[i], strlen(names[i])) == 0)
            memmove(said, said + strlen(names[i]), strlen(said + strlen(names[i])) + 1);
}

/* How a daemon ended that has said nothing: nothing of one that has not ended. */
static void end_words(int *pid, char *said, size_t size)
{
    int status, got = 0;
    struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, *pid, 0), .events = POLLIN};
    while (end.fd >= 0 && (got = poll(&end, 1, END_TIMEOUT_MS)) < 0 && errno == EINTR)
        ;
    if (end.fd >= 0)
        close(end.fd);
    if (got <= 0 || waitpid(*pid, &status, WNOHANG) != *pid)
        return;
    *pid = 0;
    if (WIFSIGNALED(status))
        snprintf(said, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(said, size, "exit status %d", WEXITSTATUS(status));
}

static int start_failed(
    const struct start *start, int code, const char *why, struct reeve_error_info *error)
{
    char said[384];
    last_words(start, said, sizeof(said));
    return reeve_error_set(error, code, "%s%s%s", why, said[0] != '\0' ? ": " : "", said);
}

/* One of those that we have started has closed its end of the pipe, or of itself. */
static int start_ended(
    const struct start *start, int *pid, const char *which, struct reeve_error_info *error)
{
    char said[384];
    last_words(start, said, sizeof(said));
    if (said[0] == '\0')
        end_words(pid, said, sizeof(said));
    return reeve_error_set(
        error, REEVE_ENOCLUSTER, "%s ended at once%s%s", which, said[0] != '\0' ? ": " : "", said);
}

/* What the daemon has to say instead of "ready": "failed CODE". */
static int start_refused(
    const struct start *start, const char *line, struct reeve_error_info *error)
{
    int code = 0;
    if (sscanf(line, "failed %d", &code) != 1 || code == 0 ||
        strcmp(reeve_error_name(code), "REEVE_UNKNOWN") == 0)
        return start_failed(
            start, REEVE_EPROTOCOL, "the node daemon said something unexpected", error);
    return start_failed(start, code, "no node daemon could be started here", error);
}

/* Waits for the node daemon's line "ready <socket name> <address>"; or "failed <code>". */
static int ready_wait(struct reeve_cluster *cluster, const struct reeve_settings *settings,
    struct start *start, struct reeve_error_info *error)
{
    char line[512], why[256];
    size_t size = 0;
    close(start->ready[1]);
    start->ready[1] = -1;
    for (;;) {
        struct pollfd wait[2] = {{.fd = start->ready[0], .events = POLLIN},
            {.fd = cluster->head_pidfd, .events = POLLIN}};
        int count = poll(wait, 2, START_TIMEOUT_MS);
        if (count < 0 && errno == EINTR)
            continue;
        if (count > 0 && wait[0].revents == 0)
            return start_ended(
                start, &cluster->child_pids[0], "the head of the cluster for this program", error);
        if (count == 0) {
            snprintf(why, sizeof(why), "no head at %s took this program in within %d s",
                settings->address != NULL ? settings->address : "an address of its own",
                START_TIMEOUT_MS / 1000);
            return start_failed(start, REEVE_ENOCLUSTER, why, error);
        }
        ssize_t got = read(start->ready[0], line + size, sizeof(line) - 1 - size);
        if (got <= 0)
            return start_ended(
                start, &cluster->child_pids[1], "the node daemon for this program", error);
        size += (size_t)got;
        line[size] = '\0';
        if (strchr(line, '\n') != NULL)
            return strncmp(line, "ready ", 6) == 0 ? 0 : start_refused(start, line, error);
        if (size == sizeof(line) - 1)
            return start_failed(
                start, REEVE_EPROTOCOL, "the node daemon said something unexpected", error);
    }
}

static int program_missing(const char *program, int failed, struct reeve_error_info *error)
{
    char why[REEVE_LIMITS_TEXT_SIZE];
    bool of_us = failed == EAGAIN || failed == ENOMEM || failed == EMFILE || failed == ENFILE;
    return reeve_error_set(error, of_us ? REEVE_ESYSTEM : REEVE_ENOCLUSTER,
        "the program `%s`, which runs clusters, could not be started (%s)%s", program,
        reeve_limits_text(failed, why), of_us ? "" : ": set REEVE_PROGRAM to its path");
}

#define HEAD_LIVES_NS     10000000000u /* one that lived so long is no sign of trouble */
#define HEAD_RESTARTS_MAX 5            /* of others, in a row */

/* What it takes to start the head of our own cluster. */
struct reeve_cluster_own {
    char program[PATH_MAX];
    char address[192];
    char key_variable[16 + 2 * KEY_SIZE];
    char **environment;
    int lifeline; /* the daemons' end */
    int messages;
    uint64_t started_ns;
    unsigned restarts;
};

void reeve_cluster_own_free(struct reeve_cluster *cluster)
{
    struct reeve_cluster_own *own = cluster->own;
    if (cluster->head_pidfd >= 0)
        close(cluster->head_pidfd);
    cluster->head_pidfd = -1;
    cluster->own = NULL;
    if (own == NULL)
        return;
    if (own->lifeline >= 0)
        close(own->lifeline);
    if (own->messages >= 0)
        close(own->messages);
    free(own->environment);
    free(own);
}

static int own_create(const char *name, const struct start *start, struct reeve_cluster_own **ret,
    struct reeve_error_info *error)
{
    uint8_t key[KEY_SIZE];
    if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
        return reeve_error_set(error, REEVE_ESYSTEM, "getrandom: %s", strerror(errno));
    struct reeve_cluster_own *own = *ret = calloc(1, sizeof(*own));
    if (own == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    own->lifeline = fcntl(start->lifeline, F_DUPFD_CLOEXEC, 3);
    own->messages = fcntl(start->messages, F_DUPFD_CLOEXEC, 3);
    if (own->lifeline < 0 || own->messages < 0)
        return start_refused_by(error, "fcntl", errno);
    snprintf(own->program, sizeof(own->program), "%s", start->program);
    snprintf(own->address, sizeof(own->address), "abstract://%s-head", name);
    snprintf(own->key_variable, sizeof(own->key_variable), "REEVE_KEY=");
    for (size_t i = 0; i < sizeof(key); i++)
        snprintf(own->key_variable + 10 + 2 * i, 3, "%02x", key[i]);
    own->environment = environment_with((const char *const[]){own->key_variable, NULL});
    return own->environment != NULL ? 0 : reeve_error_set(error, REEVE_ENOMEM, "%s", "");
}

static int head_start(struct reeve_cluster *cluster)
{
    struct reeve_cluster_own *own = cluster->own;
    const char *const arguments[] = {
        "reeve", "head", "--private", "--listen", own->address, "--lifeline-fd", "3", NULL};
    /* it has nothing to report: the node daemon is ready after it */
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null < 0)
        return errno;
    int failed = daemon_start(own->program, arguments, own->environment, own->lifeline, null,
        own->messages, &cluster->child_pids[0]);
    close(null);
    if (failed == 0)
        cluster->head_pidfd = (int)syscall(SYS_pidfd_open, cluster->child_pids[0], 0);
    own->started_ns = reeve_cluster_now_ns();
    return failed;
}

void reeve_cluster_head_ended(struct reeve_cluster *cluster)
{
    while (waitpid(cluster->child_pids[0], NULL, 0) < 0 && errno == EINTR)
        ;
    close(cluster->head_pidfd);
    cluster->head_pidfd = -1;
    cluster->child_pids[0] = 0;
    struct reeve_cluster_own *own = cluster->own;
    if (reeve_cluster_now_ns() - own->started_ns > HEAD_LIVES_NS)
        own->restarts = 0;
    if (own->restarts++ >= HEAD_RESTARTS_MAX || head_start(cluster) != 0)
        reeve_cluster_die(cluster, REEVE_ENOCLUSTER,
            "the head of this program's own cluster has died, and another could not be started");
}

static int start_own(struct reeve_cluster *cluster, const struct reeve_settings *settings,
    const char *name, struct start *start, struct reeve_error_info *error)
{
    char slots[16], store[32], spill_size[32];
    int code = own_create(name, start, &cluster->own, error);
    if (code != 0)
        return code;
    snprintf(slots, sizeof(slots), "%u", settings->slots);
    snprintf(store, sizeof(store), "%llu", (unsigned long long)settings->store_size_bytes);
    const char *worker_arguments[24] = {"reeve", "worker", "--private", "--head",
        cluster->own->address, "--socket", name, "--lifeline-fd", "3", "--ready-fd", "4"};
    size_t count = 11;
    if (settings->slots != 0) {
        worker_arguments[count++] = "--slots";
        worker_arguments[count++] = slots;
    }
    if (settings->store_size_bytes != 0) {
        worker_arguments[count++] = "--store";
        worker_arguments[count++] = store;
    }
    snprintf(
        spill_size, sizeof(spill_size), "%llu", (unsigned long long)settings->spill_size_bytes);
    if (settings->spill != NULL) {
        worker_arguments[count++] = "--spill";
        worker_arguments[count++] = settings->spill;
    }
    if (settings->prefault)
        worker_arguments[count++] = "--prefault";
    if (settings->spill_size_bytes != 0) {
        worker_arguments[count++] = "--spill-size";
        worker_arguments[count++] = spill_size;
    }
    int failed = head_start(cluster);
    if (failed == 0)
        failed = daemon_start(start->program, worker_arguments, cluster->own->environment,
            start->lifeline, start->ready[1], start->messages, &cluster->child_pids[1]);
    return failed == 0 ? 0 : program_missing(start->program, failed, error);
}

static int start_node(struct reeve_cluster *cluster, const struct reeve_settings *settings,
    const char *name, struct start *start, struct reeve_error_info *error)
{
    char key_variable[256], file_variable[PATH_MAX + 32];
    const char *variables[3] = {NULL};
    size_t count = 0;
    snprintf(key_variable, sizeof(key_variable), "REEVE_KEY=%s",
        settings->key != NULL ? settings->key : "");
    snprintf(file_variable, sizeof(file_variable), "REEVE_KEY_FILE=%s",
        settings->key_file != NULL ? settings->key_file : "");
    if (settings->key != NULL)
        variables[count++] = key_variable;
    if (settings->key_file != NULL)
        variables[count++] = file_variable;
    char **environment = environment_with(variables);
    if (environment == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    const char *const arguments[] = {"reeve", "worker", "--private", "--head", settings->address,
        "--slots", "0", "--socket", name, "--lifeline-fd", "3", "--ready-fd", "4", NULL};
    int failed = daemon_start(start->program, arguments, environment, start->lifeline,
        start->ready[1], start->messages, &cluster->child_pids[1]);
    free(environment);
    return failed == 0 ? 0 : program_missing(start->program, failed, error);
}

int reeve_cluster_start(struct reeve_cluster *cluster, const struct reeve_settings *settings,
    const char *name, struct reeve_error_info *error)
{
    struct start start;
    int code = start_open(cluster, settings, &start, error);
    if (code == 0)
        code = settings->address != NULL ? start_node(cluster, settings, name, &start, error)
                                         : start_own(cluster, settings, name, &start, error);
    if (code == 0)
        code = ready_wait(cluster, settings, &start, error);
    if (code == 0 && reeve_local_connect(name, &cluster->socket) != 0)
        code = start_failed(
            &start, REEVE_ENOCLUSTER, "the node daemon does not take connections", error);
    start_close(&start);
    return code;
}
