/* Finding a node daemon to be a client of. Where there is none, cluster_start.c starts it.
 *
 *   a worker, a keeper   their daemon started them, and says in the environment where it listens
 *   REEVE_ADDRESS   the daemon of this machine, at the name that follows from the head's address;
 *                   where nobody answers, `reeve worker --slots 0`, started here, for this process
 *                   only
 *   else            a cluster of our own: `reeve head --private` and `reeve worker --private`,
 *                   started together */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
#include "runtime/base/limits.h"
#include "runtime/base/macros.h"

#define START_TIMEOUT_MS    10000
#define END_TIMEOUT_MS      3000
#define FAREWELL_TIMEOUT_MS 1000

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

/* -1 with errno. Beyond the limit of files a write would kill the program. */
static int memfd_with(const char *name, const void *bytes, size_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0)
        return -1;
    int failed = reeve_limits_file(size);
    if (failed == 0 && write(fd, bytes, size) != (ssize_t)size)
        failed = errno;
    if (failed == 0)
        return fd;
    close(fd);
    errno = failed;
    return -1;
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
    char host[HOST_NAME_MAX + 1] = "";
    cluster->process = welcome->process;
    cluster->job = welcome->task;
    cluster->node = welcome->node;
    cluster->inline_size = welcome->inline_size;
    cluster->store_bytes = welcome->size;
    reeve_owner_set_process(cluster->owner, welcome->process);
    if (gethostname(host, sizeof(host) - 1) == 0)
        reeve_cluster_host_note(cluster, cluster->node, host);
    cluster->event_fd = welcome->fds[1];
    cluster->daemon_event_fd = welcome->fds[3];
    welcome->fd_count = 0;
    int code = cluster->is_worker ? history_map(welcome->fds[0], &cluster->history) : 0;
    int own = page_map(welcome->fds[0], &cluster->bell);
    int other = page_map(welcome->fds[2], &cluster->daemon_bell);
    char why[REEVE_LIMITS_TEXT_SIZE];
    code = code != 0 ? code : own != 0 ? own : other;
    return code == 0 ? 0
                     : reeve_error_set(error, code,
                           "the node daemon's shared memory cannot be mapped%s%s",
                           code == REEVE_ENOMEM ? ": " : "",
                           code == REEVE_ENOMEM ? reeve_limits_text(ENOMEM, why) : "");
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

int reeve_cluster_socket_words(int error, const char *gone, char *text, size_t size)
{
    if (error != REEVE_ESYSTEM || errno != EMFILE) {
        snprintf(text, size, "%s", gone);
        return REEVE_ENODEDIED;
    }
    snprintf(text, size,
        "this process has no file descriptor left for what its node daemon sends; it may have %ld "
        "(ulimit -n)",
        sysconf(_SC_OPEN_MAX));
    return REEVE_ESYSTEM;
}

/* Takes the message's descriptors. */
static int hello(struct reeve_cluster *cluster, struct reeve_local_message *message,
    struct reeve_error_info *error)
{
    struct reeve_local_message reply;
    char text[REEVE_SOCKET_WORDS_SIZE];
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
    if (code != 0) {
        code = reeve_cluster_socket_words(
            code, "the node daemon of this machine ended while we joined it", text, sizeof(text));
        return reeve_error_set(
            error, code == REEVE_ENODEDIED ? REEVE_ENOCLUSTER : code, "%s", text);
    }
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

static int executable_open(void)
{
    return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

/* Before anything is started that would miss it, too. */
static int executable_check(struct reeve_error_info *error)
{
    char why[REEVE_LIMITS_TEXT_SIZE];
    int fd = executable_open();
    if (fd < 0)
        return reeve_error_set(error, REEVE_ESYSTEM,
            "this program's file cannot be read: /proc/self/exe: %s%s",
            reeve_limits_text(errno, why), errno == ENOENT ? ": is /proc mounted?" : "");
    close(fd);
    return 0;
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
        .table_hash = reeve_registry_hash(),
        .fds = {-1, -1, -1}};
    const char *name =
        settings->job_name != NULL ? settings->job_name : program_invocation_short_name;
    reeve_local_set_text(&message, "%s", name);
    char why[REEVE_LIMITS_TEXT_SIZE];
    message.fd_count = 3;
    if ((message.fds[0] = table_fd()) >= 0 && (message.fds[1] = executable_open()) >= 0 &&
        (message.fds[2] = launch_spec(argc, argv)) >= 0)
        return hello(cluster, &message, error);
    int code = reeve_error_set(error, REEVE_ESYSTEM, "describing this program to the daemon: %s",
        reeve_limits_text(errno, why));
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

/* ---- the end --------------------------------------------------------------------------------- */

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
    reeve_cluster_own_free(cluster);
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
    int code = executable_check(error);
    if (code != 0)
        return code;
    if (settings->address != NULL) {
        reeve_local_known_name(settings->address, name);
        if (reeve_local_connect(name, &cluster->socket) == 0)
            return hello_as_driver(cluster, settings, 0, argc, argv, error);
    }
    uint64_t random;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return reeve_error_set(error, REEVE_ESYSTEM, "getrandom: %s", strerror(errno));
    snprintf(name, sizeof(name), "reeve-%u-own-%016llx", (unsigned)geteuid(),
        (unsigned long long)random);
    code = reeve_cluster_start(cluster, settings, name, error);
    return code == 0 ? hello_as_driver(cluster, settings, 0, argc, argv, error) : code;
}
