/* Worker processes: started from their job's program, watched by pidfd, reaped.
 *
 *   SPAWN ─▶ program ready? ─▶ vfork, exec ─▶ HELLO with the token ─▶ … ─▶ pidfd: drained, reaped
 *
 * A worker leads a process group of its own; when it has ended, whatever is left of the group is
 * killed. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/elf.h"
#include "runtime/base/machine.h"
#include "runtime/base/process.h"
#include "runtime/base/scratch.h"
#include "runtime/node/shell_daemon.h"
#include "runtime/node/shell_output.h"

struct daemon_worker *daemon_worker_by_token(struct daemon *daemon, uint64_t token)
{
    struct daemon_worker *worker =
        reeve_map64_get(&daemon->workers, (token ^ daemon->secret) & 0xffffffffu);
    return worker != NULL && worker->token == token ? worker : NULL;
}

static void worker_free(struct daemon_worker *worker)
{
    free(worker);
}

static void on_poll_closed(uv_handle_t *handle)
{
    worker_free(handle->data);
}

/* The last of a worker, whether it ever ran or not. */
static void worker_ended(struct daemon_worker *worker, int32_t code, const char *text)
{
    struct daemon *daemon = worker->daemon;
    struct reeve_node_event event = {
        .kind = REEVE_NODE_EVENT_WORKER_EXITED, .serial = worker->serial, .code = code};
    snprintf(event.text, sizeof event.text, "%s", text);
    reeve_list_remove(&worker->wanted_link);
    reeve_map64_remove(&daemon->workers, worker->serial);
    if (worker->client != NULL)
        daemon_client_close(worker->client);
    event.count = worker->inline_depth;
    daemon_tasks_worker_ended(worker, code, text);
    if (worker->pid != 0)
        daemon_scratch_worker_ended(worker);
    if (worker->greeted) {
        reeve_store_shell_client_reaped(daemon->store, worker->serial);
        daemon_objects_arm(daemon);
    }
    if (worker->output != NULL)
        daemon_output_ended(worker->output);
    worker->output = NULL;
    reeve_log(worker->killed ? REEVE_LOG_DEBUG : REEVE_LOG_INFO, "REEVE-WORKER-ENDED",
        "serial=%u pid=%d why=%s", worker->serial, (int)worker->pid, text);
    if (worker->pid != 0) {
        close(worker->pidfd);
        uv_close((uv_handle_t *)&worker->poll, on_poll_closed);
    } else {
        worker_free(worker);
    }
    daemon_event(daemon, &event);
}

void daemon_worker_never(struct daemon_worker *worker, int32_t code, const char *text)
{
    worker_ended(worker, code, text);
}

/* Whether the kernel has just killed somebody here for want of memory. It does not say whom. */
static bool memory_ran_out(struct daemon *daemon)
{
    uint64_t count = reeve_machine_oom_kills(), now_ns = uv_hrtime();
    if (count != daemon->oom_kills) {
        daemon->oom_kills = count;
        daemon->oom_seen_ns = now_ns;
    }
    return daemon->oom_seen_ns != 0 && now_ns - daemon->oom_seen_ns < REEVE_NS_PER_S;
}

/* Says why in words: the signal or status, and before hello what it wrote last on stderr. */
static int32_t describe_end(const struct daemon_worker *worker, const struct reeve_process_end *end,
    char *text, size_t size)
{
    if (end->signal_number != 0) {
        const char *more = end->dumped_core ? ", core dumped" : "";
        if (end->signal_number == SIGKILL && !worker->killed && memory_ran_out(worker->daemon))
            more = ", probably by the kernel for want of memory: give the node fewer slots, or its "
                   "calls more cpus, so that fewer run at a time";
        snprintf(text, size, "worker process %d was killed by signal %d (%s)%s", (int)worker->pid,
            end->signal_number, strsignal(end->signal_number), more);
    } else {
        snprintf(text, size, "worker process %d exited with status %d", (int)worker->pid,
            end->exit_status);
    }
    if (worker->greeted)
        return REEVE_EWORKERDIED;
    size_t used = strlen(text);
    const char *tail = worker->output != NULL ? daemon_output_tail(worker->output) : "";
    if (tail[0] != 0)
        snprintf(text + used, size - used, " before it was ready: %s", tail);
    else
        snprintf(text + used, size - used,
            " before it was ready (it did not reach reeve_init, and wrote nothing to stderr)");
    /* 127 is the dynamic linker's word that a library or symbol is missing */
    return end->signal_number == 0 && end->exit_status == 127 ? REEVE_EPROGRAM : REEVE_EWORKERDIED;
}

static void on_pidfd(uv_poll_t *poll, int status, int events)
{
    struct daemon_worker *worker = poll->data;
    struct reeve_process_end end;
    if (status != 0 || !(events & UV_READABLE))
        return;
    kill(-worker->pid, SIGKILL); /* its group, while its pid cannot be another's yet */
    /* What it said before it died is heard before it is dead. */
    if (worker->client != NULL)
        daemon_client_drain(worker->client);
    uint64_t cpu_ns = reeve_process_cpu_ns(worker->pid);
    int error = reeve_process_reap(worker->pidfd, false, &end);
    if (error == REEVE_EAGAIN)
        return;
    worker->tally.cpu_ns = cpu_ns;
    if (error != REEVE_OK)
        memset(&end, 0, sizeof end);
    worker->exited = true;
    if (worker->output != NULL)
        daemon_output_drain(worker->output);
    char text[REEVE_TEXT_SIZE];
    int32_t code = describe_end(worker, &end, text, sizeof text);
    worker_ended(worker, code, text);
}

int32_t daemon_describe_exec(
    int error, const char *stage, int executable_fd, char *text, size_t size)
{
    char theirs_text[32], ours_text[32];
    if (strcmp(stage, "exec") != 0) {
        snprintf(text, size, "a process of the program could not be started: %s: %s", stage,
            strerror(error));
        return REEVE_ESYSTEM;
    }
    if (error == ENOEXEC) {
        const char *theirs = reeve_elf_architecture_of(executable_fd, theirs_text);
        int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        const char *ours = reeve_elf_architecture_of(self, ours_text);
        close(self);
        if (theirs == NULL)
            snprintf(text, size,
                "the program is no executable (a script needs its interpreter in the first line)");
        else
            snprintf(text, size,
                "the program was built for another architecture: it is for %s, this machine is %s",
                theirs, ours != NULL ? ours : "another one");
    } else if (error == ENOENT)
        snprintf(text, size, "the program's interpreter or dynamic linker is missing");
    else
        snprintf(text, size, "the program cannot be executed: %s", strerror(error));
    return error == EAGAIN || error == ENOMEM ? REEVE_ESYSTEM : REEVE_EPROGRAM;
}

static bool is_variable(const char *entry, const char *name)
{
    size_t length = strlen(name);
    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

/* Ours without the key. */
char **daemon_environment(const struct daemon_job *job, char *variable, char *scratch)
{
    char **from = job->local ? job->launch.environment : environ;
    size_t count = 0, kept = 0;
    while (from[count] != NULL)
        count++;
    char **to = calloc(count + 3, sizeof *to);
    for (size_t i = 0; to != NULL && i < count; i++) {
        if (!is_variable(from[i], REEVE_WORKER_VARIABLE) &&
            !is_variable(from[i], REEVE_SCRATCH_FOLDER_VARIABLE) &&
            (job->local || !is_variable(from[i], "REEVE_KEY")))
            to[kept++] = from[i];
    }
    if (to != NULL) {
        to[kept++] = variable;
        to[kept] = scratch; /* or the end */
    }
    return to;
}

void daemon_worker_start(struct daemon_worker *worker, struct daemon_job *job)
{
    struct daemon *daemon = worker->daemon;
    char variable[128], text[REEVE_TEXT_SIZE];
    char scratch[sizeof REEVE_SCRATCH_FOLDER_VARIABLE + REEVE_SCRATCH_PATH_SIZE] =
        REEVE_SCRATCH_FOLDER_VARIABLE "=";
    daemon_scratch_path(worker, scratch + sizeof REEVE_SCRATCH_FOLDER_VARIABLE);
    snprintf(variable, sizeof variable, REEVE_WORKER_VARIABLE "=%s:%016llx", daemon->socket_name,
        (unsigned long long)worker->token);
    char **environment = daemon_environment(job, variable, scratch);
    struct daemon_spawn spawn = {.executable_fd = job->executable_fd,
        .arguments = job->launch.arguments,
        .environment = environment,
        .directory = job->launch.directory};
    worker->output = daemon_output_open(daemon, worker, &spawn.out_fd, &spawn.err_fd);
    const char *stage = "memory or pipes";
    int error = REEVE_ESYSTEM;
    if (environment != NULL && worker->output != NULL)
        error = daemon_spawn_process(&spawn, &worker->pid, &worker->pidfd, &stage);
    int saved = errno;
    free(environment);
    if (worker->output != NULL) {
        close(spawn.out_fd);
        close(spawn.err_fd);
    }
    if (error != REEVE_OK) {
        int32_t code = daemon_describe_exec(saved, stage, spawn.executable_fd, text, sizeof text);
        worker_ended(worker, code, text);
        return;
    }
    worker->poll.data = worker;
    uv_poll_init(&daemon->loop, &worker->poll, worker->pidfd);
    uv_poll_start(&worker->poll, UV_READABLE, on_pidfd);
    reeve_log(REEVE_LOG_DEBUG, "REEVE-WORKER-STARTED", "serial=%u pid=%d", worker->serial,
        (int)worker->pid);
    daemon_event(daemon, &(struct reeve_node_event){
                             .kind = REEVE_NODE_EVENT_WORKER_STARTED, .serial = worker->serial});
}

void daemon_worker_spawn(struct daemon *daemon, const struct reeve_node_command *command)
{
    struct daemon_worker *worker = daemon_alloc(sizeof *worker);
    worker->daemon = daemon;
    worker->serial = command->serial;
    worker->job = command->job;
    worker->pidfd = -1;
    worker->token = daemon->secret ^ command->serial;
    reeve_list_init(&worker->wanted_link);
    daemon_put(&daemon->workers, worker->serial, worker);
    daemon_job_want(daemon, worker, command->program);
}

void daemon_worker_retire(struct daemon *daemon, uint32_t serial)
{
    struct daemon_worker *worker = reeve_map64_get(&daemon->workers, serial);
    if (worker != NULL && worker->client != NULL)
        daemon_client_close(worker->client);
}

void daemon_worker_kill(struct daemon *daemon, uint32_t serial)
{
    struct daemon_worker *worker = reeve_map64_get(&daemon->workers, serial);
    if (worker == NULL)
        return;
    worker->killed = true;
    if (worker->pid == 0) {
        worker_ended(worker, REEVE_EWORKERDIED, "not needed any more");
        return;
    }
    reeve_process_signal(worker->pidfd, SIGKILL);
    kill(-worker->pid, SIGKILL);
}

/* At the end of the daemon: nothing outlives it. */
void daemon_workers_kill_all(struct daemon *daemon)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->workers, &at, NULL, &value)) {
        struct daemon_worker *worker = value;
        if (worker->pid != 0) {
            reeve_process_signal(worker->pidfd, SIGKILL);
            kill(-worker->pid, SIGKILL);
        }
    }
    at = 0;
    while (reeve_map64_next(&daemon->workers, &at, NULL, &value)) {
        struct daemon_worker *worker = value;
        struct reeve_process_end end;
        reeve_map64_remove(&daemon->workers, worker->serial);
        reeve_list_remove(&worker->wanted_link);
        if (worker->client != NULL)
            daemon_client_close(worker->client);
        if (worker->output != NULL)
            daemon_output_ended(worker->output);
        if (worker->pid == 0) {
            worker_free(worker);
            continue;
        }
        reeve_process_reap(worker->pidfd, true, &end);
        daemon_scratch_worker_ended(worker);
        close(worker->pidfd);
        uv_close((uv_handle_t *)&worker->poll, on_poll_closed);
    }
}
