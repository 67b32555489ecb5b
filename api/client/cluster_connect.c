/* Finding a node daemon to be a client of, and starting a cluster where there is none.
 *
 *   a worker, a keeper   their daemon started them, and says in the environment where it listens
 *   REEVE_ADDRESS   the daemon of this machine, at the name that follows from the head's address;
 *                   where nobody answers, `reeve worker --slots 0`, started here, for this process
 *                   only
 *   else            a cluster of our own: `reeve head --private` and `reeve worker --private`,
 *                   started together
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
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/client/cluster.h"
#include "api/client/error.h"
#include "api/client/registry.h"
#include "api/client/scratch.h"
#include "runtime/base/macros.h"

#define START_TIMEOUT_MS    10000
#define END_TIMEOUT_MS      3000
#define KEY_SIZE            32
#define FAREWELL_TIMEOUT_MS 1000
#define LIFELINE_FD         3
#define READY_FD            4

extern char **environ;

int reeve_cluster_send(struct reeve_cluster *cluster, const struct reeve_local_message *message)
{
    if (cluster->socket < 0)
        return REEVE_ESHUTDOWN;
    return reeve_local_send(cluster->socket, message, 0);
}

int reeve_cluster_send_failed(int code, struct reeve_error_info *error)
{
    /* it has died, and the background thread has not seen it yet */
    return reeve_error_set(error, code == REEVE_ESHUTDOWN ? REEVE_ENODEDIED : code,
        "the node daemon of this process is gone");
}

/* ---- saying hello ---------------------------------------------------------------------------- */

static int memfd_with(const char *name, const void *bytes, size_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd >= 0 && write(fd, bytes, size) != (ssize_t)size) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The launch spec of local.h: how workers on this machine are started. */
static int launch_spec(int argc, char **argv)
{
    char directory[PATH_MAX] = "/";
    static char *none[] = {NULL};
    char **variables = environ != NULL ? environ : none; /* clearenv leaves no list at all */
    size_t size = 2 * sizeof(uint32_t), environment_count = 0;
    if (getcwd(directory, sizeof(directory)) == NULL)
        snprintf(directory, sizeof(directory), "/");
    for (int i = 0; i < argc; i++)
        size += strlen(argv[i]) + 1;
    for (char **variable = variables; *variable != NULL; variable++, environment_count++)
        size += strlen(*variable) + 1;
    size += strlen(directory) + 1;
    char *spec = malloc(size);
    if (spec == NULL)
        return -1;
    uint32_t counts[2] = {(uint32_t)argc, (uint32_t)environment_count};
    memcpy(spec, counts, sizeof(counts));
    char *at = stpcpy(spec + sizeof(counts), directory) + 1;
    for (int i = 0; i < argc; i++)
        at = stpcpy(at, argv[i]) + 1;
    for (char **variable = variables; *variable != NULL; variable++)
        at = stpcpy(at, *variable) + 1;
    int fd = memfd_with("reeve-launch", spec, size);
    free(spec);
    return fd;
}

/* Takes the descriptor. */
static int page_map(int fd, struct reeve_doorbell **ret)
{
    void *memory;
    size_t size;
    int error = reeve_memory_map(fd, REEVE_DOORBELL_BYTES, 0, &memory, &size);
    if (error == 0 && (*ret = reeve_doorbell_attach(memory, size)) == NULL) {
        reeve_memory_unmap(memory, size);
        error = REEVE_EPROTOCOL;
    }
    close(fd);
    return error;
}

/* Behind a worker's page, in the same memory; the descriptor stays. */
static int history_map(int fd, struct reeve_history **ret)
{
    void *memory;
    size_t size;
    int error = reeve_memory_map(fd, REEVE_DOORBELL_BYTES + sizeof(**ret), 0, &memory, &size);
    if (error == 0)
        *ret = (void *)((uint8_t *)memory + REEVE_DOORBELL_BYTES);
    return error;
}

static int welcome_take(struct reeve_cluster *cluster, struct reeve_local_message *welcome,
    struct reeve_error_info *error)
{
    cluster->process = welcome->process;
    cluster->job = welcome->task;
    cluster->node = welcome->node;
    cluster->inline_size = welcome->inline_size;
    cluster->store_bytes = welcome->size;
    reeve_owner_set_process(cluster->owner, welcome->process);
    cluster->event_fd = welcome->fds[1];
    cluster->daemon_event_fd = welcome->fds[3];
    welcome->fd_count = 0;
    int code = cluster->is_worker ? history_map(welcome->fds[0], &cluster->history) : 0;
    int own = page_map(welcome->fds[0], &cluster->bell);
    int other = page_map(welcome->fds[2], &cluster->daemon_bell);
    code = code != 0 ? code : own != 0 ? own : other;
    return code == 0
               ? 0
               : reeve_error_set(error, code, "the node daemon's shared memory cannot be mapped");
}

/* Until there is something to read, whatever signals the program gets meanwhile. */
static bool readable_within(int fd, int timeout_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    uint64_t end_ns = reeve_cluster_now_ns() + (uint64_t)timeout_ms * 1000000u;
    for (;;) {
        uint64_t now_ns = reeve_cluster_now_ns();
        int left_ms = now_ns < end_ns ? (int)((end_ns - now_ns + 999999u) / 1000000u) : 0;
        int count = poll(&wait, 1, left_ms);
        if (count >= 0 || errno != EINTR)
            return count > 0;
    }
}

static void descriptors_close(struct reeve_local_message *message)
{
    for (uint32_t i = 0; i < message->fd_count; i++)
        if (message->fds[i] >= 0)
            close(message->fds[i]);
    message->fd_count = 0;
}

/* Takes the message's descriptors. */
static int hello(struct reeve_cluster *cluster, struct reeve_local_message *message,
    struct reeve_error_info *error)
{
    struct reeve_local_message reply;
    int code = reeve_local_send(cluster->socket, message, 0);
    descriptors_close(message);
    if (code != 0)
        return reeve_error_set(
            error, code, "the node daemon did not take our greeting: %s", strerror(errno));
    if (!readable_within(cluster->socket, START_TIMEOUT_MS))
        return reeve_error_set(error, REEVE_ENOCLUSTER,
            "the node daemon of this machine did not answer within %d s; is its head reachable?",
            START_TIMEOUT_MS / 1000);
    code = reeve_local_receive(cluster->socket, &reply, 0);
    if (code != 0)
        return reeve_error_set(
            error, REEVE_ENOCLUSTER, "the node daemon of this machine ended while we joined it");
    if (reply.kind == REEVE_LOCAL_REFUSED)
        code = reeve_error_set(error, reply.code, "%.*s", (int)reply.text_size, reply.text);
    else if (reply.kind != REEVE_LOCAL_WELCOME || reply.fd_count != 4)
        code = reeve_error_set(error, REEVE_EPROTOCOL, "the node daemon's welcome is malformed");
    else
        code = welcome_take(cluster, &reply, error);
    descriptors_close(&reply);
    return code;
}

static int table_fd(void)
{
    const char *table = reeve_registry_text();
    return memfd_with("reeve-functions", table, strlen(table));
}

/* token: a keeper's, else 0. */
static int hello_as_driver(struct reeve_cluster *cluster, const struct reeve_settings *settings,
    uint64_t token, int argc, char **argv, struct reeve_error_info *error)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_HELLO,
        .mode = REEVE_LOCAL_DRIVER,
        .token = token,
        .version = REEVE_LOCAL_VERSION,
        .count = settings->weight,
        .table_hash = reeve_registry_hash()};
    const char *name =
        settings->job_name != NULL ? settings->job_name : program_invocation_short_name;
    reeve_local_set_text(&message, "%s", name);
    message.fds[0] = table_fd();
    message.fds[1] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    message.fds[2] = launch_spec(argc, argv);
    message.fd_count = 3;
    if (message.fds[0] >= 0 && message.fds[1] >= 0 && message.fds[2] >= 0)
        return hello(cluster, &message, error);
    int code = reeve_error_set(
        error, REEVE_ESYSTEM, "describing this program to the daemon: %s", strerror(errno));
    descriptors_close(&message);
    return code;
}

/* ---- workers and keepers --------------------------------------------------------------------- */

/* To the daemon that has started this process, which ends with it. */
static int connect_to_parent(struct reeve_cluster *cluster, const char *variable, const char *where,
    uint64_t *ret_token, struct reeve_error_info *error)
{
    static const char gone[] = "the daemon that started this process is gone";
    char name[128];
    unsigned long long token;
    const char *colon = strrchr(where, ':');
    if (colon == NULL || (size_t)(colon - where) >= sizeof(name) ||
        sscanf(colon + 1, "%16llx", &token) != 1)
        return reeve_error_set(
            error, REEVE_EINVAL, "%s=%s is not what a node daemon sets; unset it", variable, where);
    snprintf(name, sizeof(name), "%.*s", (int)(colon - where), where);
    *ret_token = token;
    unsetenv(variable); /* what the program starts is no worker */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (reeve_local_connect(name, &cluster->socket) != 0)
        return reeve_error_set(error, REEVE_ENOCLUSTER, "%s", gone);
    struct ucred peer;
    socklen_t size = sizeof(peer);
    /* It may have died before the death signal was asked for: then our parent is somebody else. */
    if (getsockopt(cluster->socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
        peer.pid != getppid())
        return reeve_error_set(error, REEVE_ENOCLUSTER, "%s", gone);
    return 0;
}

static int connect_as_worker(
    struct reeve_cluster *cluster, const char *where, struct reeve_error_info *error)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_HELLO,
        .mode = REEVE_LOCAL_WORKER,
        .version = REEVE_LOCAL_VERSION,
        .table_hash = reeve_registry_hash()};
    int code = connect_to_parent(cluster, REEVE_WORKER_VARIABLE, where, &message.token, error);
    reeve_scratch_place();
    if (code != 0)
        return code;
    message.fds[0] = table_fd();
    message.fd_count = 1;
    cluster->is_worker = true;
    if (message.fds[0] < 0)
        return reeve_error_set(error, REEVE_ESYSTEM, "memfd_create: %s", strerror(errno));
    return hello(cluster, &message, error);
}

static int connect_as_keeper(struct reeve_cluster *cluster, const struct reeve_settings *settings,
    const char *where, int argc, char **argv, struct reeve_error_info *error)
{
    uint64_t token;
    struct reeve_local_message order;
    int code = connect_to_parent(cluster, REEVE_KEEPER_VARIABLE, where, &token, error);
    cluster->is_keeper = true;
    if (code == 0)
        code = hello_as_driver(cluster, settings, token, argc, argv, error);
    if (code != 0)
        return code;
    if (!readable_within(cluster->socket, START_TIMEOUT_MS) ||
        reeve_local_receive(cluster->socket, &order, 0) != 0)
        return reeve_error_set(error, REEVE_ENOCLUSTER, "the node daemon gave no order");
    if (order.kind != REEVE_LOCAL_KEEP || order.fd_count != 1) {
        descriptors_close(&order);
        return reeve_error_set(error, REEVE_EPROTOCOL, "the node daemon's order is malformed");
    }
    cluster->order_fd = order.fds[0];
    return 0;
}

/* ---- starting daemons ------------------------------------------------------------------------ */

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
    int failed = posix_spawnp(
        ret_pid, program, &actions, &attributes, (char *const *)(uintptr_t)arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(lifeline);
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

static int start_open(struct reeve_cluster *cluster, const struct reeve_settings *settings,
    struct start *start, struct reeve_error_info *error)
{
    int pair[2];
    *start = (struct start){.lifeline = -1, .ready = {-1, -1}, .messages = -1};
    program_find(settings, start->program, sizeof(start->program));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return reeve_error_set(error, REEVE_ESYSTEM, "socketpair: %s", strerror(errno));
    cluster->lifeline = pair[0];
    start->lifeline = pair[1];
    start->messages = memfd_create("reeve-daemon-messages", MFD_CLOEXEC);
    if (pipe2(start->ready, O_CLOEXEC) != 0 || start->messages < 0)
        return reeve_error_set(error, REEVE_ESYSTEM, "starting the daemons: %s", strerror(errno));
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

static int start_failed(
    const struct start *start, int code, const char *why, struct reeve_error_info *error)
{
    char said[384];
    last_words(start, said, sizeof(said));
    return reeve_error_set(error, code, "%s%s%s", why, said[0] != '\0' ? ": " : "", said);
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
static int ready_wait(const struct reeve_cluster *cluster, const struct reeve_settings *settings,
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
            return start_failed(start, REEVE_ENOCLUSTER,
                "the head of the cluster for this program ended at once", error);
        if (count == 0) {
            snprintf(why, sizeof(why), "no head at %s took this program in within %d s",
                settings->address != NULL ? settings->address : "an address of its own",
                START_TIMEOUT_MS / 1000);
            return start_failed(start, REEVE_ENOCLUSTER, why, error);
        }
        ssize_t got = read(start->ready[0], line + size, sizeof(line) - 1 - size);
        if (got <= 0)
            return start_failed(
                start, REEVE_ENOCLUSTER, "the node daemon for this program ended at once", error);
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
    return reeve_error_set(error, REEVE_ENOCLUSTER,
        "the program `%s`, which runs clusters, could not be started (%s): set REEVE_PROGRAM to "
        "its path",
        program, strerror(failed));
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

static void own_free(struct reeve_cluster *cluster)
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
    snprintf(own->program, sizeof(own->program), "%s", start->program);
    snprintf(own->address, sizeof(own->address), "abstract://%s-head", name);
    snprintf(own->key_variable, sizeof(own->key_variable), "REEVE_KEY=");
    for (size_t i = 0; i < sizeof(key); i++)
        snprintf(own->key_variable + 10 + 2 * i, 3, "%02x", key[i]);
    own->environment = environment_with((const char *const[]){own->key_variable, NULL});
    if (own->environment == NULL || own->lifeline < 0 || own->messages < 0)
        return reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    return 0;
}

static int head_start(struct reeve_cluster *cluster)
{
    struct reeve_cluster_own *own = cluster->own;
    const char *const arguments[] = {
        "reeve", "head", "--private", "--listen", own->address, "--lifeline-fd", "3", NULL};
    int null = open("/dev/null",
        O_WRONLY | O_CLOEXEC); /* it has nothing to report: the node daemon is ready after it */
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

/* What the daemon has still to say, after our goodbye: where the output of the last tasks can be
 * read, maybe for the first time. */
void reeve_cluster_farewell(struct reeve_cluster *cluster)
{
    struct reeve_local_message message;
    bool from_inbox;
    shutdown(cluster->socket, SHUT_WR);
    for (;;) {
        from_inbox = reeve_fifo_pop(&cluster->inbox, &message);
        struct pollfd wait = {.fd = cluster->socket, .events = POLLIN};
        if (!from_inbox && (poll(&wait, 1, FAREWELL_TIMEOUT_MS) <= 0 ||
                               reeve_local_receive(cluster->socket, &message, MSG_DONTWAIT) != 0))
            return;
        if (message.kind == REEVE_LOCAL_OUTPUT)
            reeve_output_start(cluster, &message);
        for (uint32_t i = 0; i < message.fd_count; i++)
            close(message.fds[i]);
    }
}

void reeve_cluster_take_down(struct reeve_cluster *cluster)
{
    if (cluster->socket >= 0)
        close(cluster->socket);
    /* before the daemons end: it ends when the daemon has said all there is */
    reeve_output_finish(cluster);
    if (cluster->lifeline >= 0)
        close(cluster->lifeline);
    if (cluster->event_fd >= 0)
        close(cluster->event_fd);
    if (cluster->daemon_event_fd >= 0)
        close(cluster->daemon_event_fd);
    cluster->socket = cluster->lifeline = cluster->event_fd = cluster->daemon_event_fd = -1;
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(cluster->child_pids); i++) {
        int pid = cluster->child_pids[i];
        if (pid <= 0)
            continue;
        int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd >= 0 && !readable_within(pidfd, END_TIMEOUT_MS))
            (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        if (pidfd >= 0)
            close(pidfd);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ; /* the program may have waited for it in our place: then there is none */
        cluster->child_pids[i] = 0;
    }
    own_free(cluster);
}

/* A program without one of the three standard descriptors would print, or have its tasks' output
 * written, to whatever of ours has its number. */
static void standard_descriptors_fill(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", O_RDWR | O_CLOEXEC);
}

int reeve_cluster_connect(struct reeve_cluster *cluster, const struct reeve_settings *settings,
    int argc, char **argv, struct reeve_error_info *error)
{
    const char *worker = getenv(REEVE_WORKER_VARIABLE);
    if (worker != NULL)
        return connect_as_worker(cluster, worker, error);
    standard_descriptors_fill();
    const char *keeper = getenv(REEVE_KEEPER_VARIABLE);
    if (keeper != NULL)
        return connect_as_keeper(cluster, settings, keeper, argc, argv, error);
    char name[REEVE_LOCAL_NAME_SIZE];
    if (settings->address != NULL) {
        reeve_local_known_name(settings->address, name);
        if (reeve_local_connect(name, &cluster->socket) == 0)
            return hello_as_driver(cluster, settings, 0, argc, argv, error);
    }
    uint64_t random;
    struct start start;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return reeve_error_set(error, REEVE_ESYSTEM, "getrandom: %s", strerror(errno));
    snprintf(name, sizeof(name), "reeve-%u-own-%016llx", (unsigned)geteuid(),
        (unsigned long long)random);
    int code = start_open(cluster, settings, &start, error);
    if (code == 0)
        code = settings->address != NULL ? start_node(cluster, settings, name, &start, error)
                                         : start_own(cluster, settings, name, &start, error);
    if (code == 0)
        code = ready_wait(cluster, settings, &start, error);
    if (code == 0 && reeve_local_connect(name, &cluster->socket) != 0)
        code = start_failed(
            &start, REEVE_ENOCLUSTER, "the node daemon does not take connections", error);
    if (code == 0)
        code = hello_as_driver(cluster, settings, 0, argc, argv, error);
    start_close(&start);
    return code;
}
