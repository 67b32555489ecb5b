/* The node daemon: one libuv loop around the node core. See shell_daemon.h for its parts.
 *
 *   options ─▶ loop, sockets, links ─▶ core ─TICK─▶ dials the head ─▶ REGISTERED ─▶ … ─▶ END
 *
 *   SIGTERM, SIGINT          drain: leases are called back; the second one ends at once
 *   end of file on lifeline  ends at once
 *
 * However it ends, all workers are killed and reaped before it returns. When it is killed
 * itself, they die by their parent-death signal; what it had is memory and sockets without
 * names, so that nothing stays. */
#include "runtime/node/node_main.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "runtime/base/assert.h"
#include "runtime/base/clock.h"
#include "runtime/base/cpus.h"
#include "runtime/base/errors.h"
#include "runtime/base/machine.h"
#include "runtime/base/process.h"
#include "runtime/node/shell_daemon.h"

void *daemon_alloc(size_t size)
{
    void *memory = calloc(1, size);
    REEVE_ASSERT(memory != NULL);
    return memory;
}

void daemon_put(struct reeve_map64 *map, uint64_t key, void *value)
{
    void *old;
    int error = reeve_map64_put(map, key, value, &old);
    REEVE_ASSERT(error == REEVE_OK && old == NULL);
}

/* --- bells --- */

int daemon_bell_make(struct daemon_bell *bell, const char *name, bool of_worker)
{
    void *memory = NULL;
    size_t size = REEVE_DOORBELL_BYTES + (of_worker ? sizeof *bell->history : 0);
    bell->page_fd = bell->event_fd = -1;
    bell->page = NULL;
    bell->history = NULL;
    int error = reeve_memory_create(name, size, &bell->page_fd);
    if (error == REEVE_OK)
        error = reeve_memory_map(bell->page_fd, size, 0, &memory, &size);
    if (error == REEVE_OK) {
        reeve_doorbell_format(memory);
        bell->page = memory;
        if (of_worker)
            bell->history = (void *)((uint8_t *)memory + REEVE_DOORBELL_BYTES);
        bell->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (bell->event_fd < 0)
            error = REEVE_ESYSTEM;
    }
    if (error != REEVE_OK)
        daemon_bell_free(bell);
    return error;
}

void daemon_bell_free(struct daemon_bell *bell)
{
    if (bell->page != NULL)
        reeve_memory_unmap(
            bell->page, REEVE_DOORBELL_BYTES + (bell->history != NULL ? sizeof *bell->history : 0));
    if (bell->page_fd >= 0)
        close(bell->page_fd);
    if (bell->event_fd >= 0)
        close(bell->event_fd);
    bell->page = NULL;
    bell->page_fd = bell->event_fd = -1;
}

/* --- events and commands --- */

static void on_deadline(uv_timer_t *timer);

static void arm_deadline(struct daemon *daemon)
{
    uint64_t deadline = reeve_node_deadline(daemon->core);
    if (deadline == REEVE_NODE_NEVER || daemon->ending) {
        uv_timer_stop(&daemon->deadline);
        return;
    }
    uint64_t now = reeve_clock_monotonic_ns();
    uint64_t wait_ms =
        deadline > now ? (deadline - now + REEVE_NS_PER_MS - 1) / REEVE_NS_PER_MS : 0;
    uv_update_time(&daemon->loop);
    uv_timer_start(&daemon->deadline, on_deadline, wait_ms, 0);
}

/* The exit codes of `reeve`, in api/cli/args.h. */
static int exit_status_for(int code)
{
    switch (code) {
    case REEVE_OK: return 0;
    case REEVE_EADDRESS: return 2;
    case REEVE_ENOCLUSTER:
    case REEVE_EREFUSED:
    case REEVE_ELINK:
    case REEVE_EVERSION: return 3;
    case REEVE_EKEY: return 4;
    default: return 1;
    }
}

static void tell_ready(struct daemon *daemon)
{
    if (daemon->ready_told)
        return;
    daemon->ready_told = true;
    if (daemon->options->ready)
        daemon->options->ready(daemon->node, reeve_link_address(daemon->link));
    if (daemon->options->ready_fd < 0)
        return;
    dprintf(daemon->options->ready_fd, "ready %s %s\n", daemon->socket_name,
        reeve_link_address(daemon->link));
    close(daemon->options->ready_fd);
}

static void carry_out_one(struct daemon *daemon, const struct reeve_node_command *command)
{
    switch (command->kind) {
    case REEVE_NODE_COMMAND_DIAL_HEAD:
    case REEVE_NODE_COMMAND_DROP_HEAD:
    case REEVE_NODE_COMMAND_SEND_HEAD:
    case REEVE_NODE_COMMAND_SEND_PEER:
    case REEVE_NODE_COMMAND_PEER_KNOWN:
    case REEVE_NODE_COMMAND_PEER_FORGET: daemon_links_command(daemon, command); break;
    case REEVE_NODE_COMMAND_REGISTERED:
        daemon->node = command->node;
        daemon_links_registered(daemon);
        reeve_log(REEVE_LOG_INFO, "REEVE-NODE-REGISTERED", "node=%u head=%s address=%s",
            daemon->node, daemon->head_address, reeve_link_address(daemon->link));
        reeve_store_shell_node(daemon->store, daemon->node);
        reeve_store_shell_host(daemon->store, daemon->node, daemon->host);
        daemon_objects_arm(daemon);
        tell_ready(daemon);
        break;
    case REEVE_NODE_COMMAND_FENCED:
        reeve_log(REEVE_LOG_WARN, "REEVE-NODE-FENCED", "why=%s", command->text);
        break;
    case REEVE_NODE_COMMAND_CLIENT_WELCOME:
    case REEVE_NODE_COMMAND_CLIENT_REFUSE:
    case REEVE_NODE_COMMAND_CLIENT_DROP:
    case REEVE_NODE_COMMAND_CLIENT_LOST:
    case REEVE_NODE_COMMAND_CLIENT_RECALL:
    case REEVE_NODE_COMMAND_CLIENT_INFEASIBLE:
    case REEVE_NODE_COMMAND_CLIENT_DEADLOCK:
    case REEVE_NODE_COMMAND_CLIENT_NAMED:
    case REEVE_NODE_COMMAND_CLIENT_HEAD:
    case REEVE_NODE_COMMAND_WORKER_WELCOME: daemon_clients_command(daemon, command); break;
    case REEVE_NODE_COMMAND_SPAWN: daemon_worker_spawn(daemon, command); break;
    case REEVE_NODE_COMMAND_RETIRE: daemon_worker_retire(daemon, command->serial); break;
    case REEVE_NODE_COMMAND_KILL: daemon_worker_kill(daemon, command->serial); break;
    case REEVE_NODE_COMMAND_OPEN_LOCAL:
    case REEVE_NODE_COMMAND_OPEN_EXECUTOR:
    case REEVE_NODE_COMMAND_OPEN_HOLDER:
    case REEVE_NODE_COMMAND_CLOSE:
    case REEVE_NODE_COMMAND_CLOSE_DEAD: daemon_channels_command(daemon, command); break;
    case REEVE_NODE_COMMAND_JOB_GONE:
        daemon_job_gone(daemon, command->job);
        reeve_store_shell_owner_gone(daemon->store, command->job);
        daemon_objects_arm(daemon);
        break;
    case REEVE_NODE_COMMAND_END:
        if (command->code != REEVE_OK) {
            reeve_log(REEVE_LOG_ERROR, "REEVE-NODE-FAILED", "code=%s why=%s",
                reeve_error_name(command->code), command->text);
            fprintf(stderr, "reeve worker: %s\n", command->text);
        }
        daemon_end(daemon, exit_status_for(command->code));
        break;
    case REEVE_NODE_COMMAND_KIND_COUNT: break;
    }
}

void daemon_event(struct daemon *daemon, const struct reeve_node_event *event)
{
    if (daemon->ending)
        return;
    reeve_node_step(daemon->core, reeve_clock_monotonic_ns(), event, &daemon->commands);
    if (daemon->carrying)
        return;
    daemon->carrying = true;
    struct reeve_node_command command;
    while (reeve_fifo_pop(&daemon->commands, &command))
        carry_out_one(daemon, &command);
    daemon->carrying = false;
    arm_deadline(daemon);
}

static void on_deadline(uv_timer_t *timer)
{
    daemon_tasks_look(timer->data);
    daemon_event(timer->data, &(struct reeve_node_event){.kind = REEVE_NODE_EVENT_TICK});
}

/* --- the end --- */

static void on_link_closed(void *arg)
{
    struct daemon *daemon = arg;
    daemon->link = NULL;
    uv_stop(&daemon->loop);
}

void daemon_end(struct daemon *daemon, int exit_status)
{
    if (daemon->ending)
        return;
    daemon->ending = true;
    daemon->exit_status = exit_status;
    uv_stop(&daemon->loop);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct daemon *daemon = signal->data;
    if (daemon->ending)
        return;
    reeve_log(REEVE_LOG_INFO, "REEVE-NODE-STOPPING", "signal=%d", number);
    daemon_event(daemon, &(struct reeve_node_event){.kind = REEVE_NODE_EVENT_DRAIN});
}

static void on_lifeline(uv_poll_t *poll, int status, int events)
{
    struct daemon *daemon = poll->data;
    char byte;
    (void)events;
    if (status == 0 && read(daemon->options->lifeline_fd, &byte, 1) > 0)
        return;
    uv_poll_stop(poll); /* it stays at its end, and the loop still runs for a while */
    reeve_log(REEVE_LOG_INFO, "REEVE-NODE-STOPPING", "why=%s", "whoever started it has ended");
    daemon_end(daemon, 0);
}

/* --- the beginning --- */

static int make_names(struct daemon *daemon)
{
    uint64_t random[3];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return REEVE_ESYSTEM;
    daemon->uid = random[0] | 1;
    daemon->incarnation = random[1] | 1;
    daemon->secret = random[2];
    daemon->oom_kills = reeve_machine_oom_kills();
    if (gethostname(daemon->host, sizeof daemon->host - 1) != 0)
        snprintf(daemon->host, sizeof daemon->host, "node");
    if (daemon->options->socket_name != NULL)
        snprintf(
            daemon->socket_name, sizeof daemon->socket_name, "%s", daemon->options->socket_name);
    else
        snprintf(daemon->socket_name, sizeof daemon->socket_name, "reeve-%u-%016llx",
            (unsigned)getuid(), (unsigned long long)daemon->uid);
    return REEVE_OK;
}

static uint32_t cpu_milli_of(const struct reeve_node_options *options)
{
    if (options->cpu_given)
        return options->cpu_milli;
    struct reeve_cpus cpus;
    reeve_cpus_detect("", 0, &cpus);
    return cpus.slots * 1000;
}

static int make_core(struct daemon *daemon)
{
    struct reeve_memory memory = {0};
    reeve_memory_detect("", &memory);
    struct reeve_node_config config = {.uid = daemon->uid,
        .incarnation = daemon->incarnation,
        .cpu_milli = cpu_milli_of(daemon->options),
        .process_limit = daemon->options->process_limit,
        .memory_bytes = memory.total_bytes};
    memcpy(config.host, daemon->host, sizeof config.host);
    snprintf(config.address, sizeof config.address, "%s", reeve_link_address(daemon->link));
    daemon->core = reeve_node_create(&config);
    return daemon->core != NULL ? REEVE_OK : REEVE_ENOMEM;
}

static void watch(struct daemon *daemon)
{
    uv_timer_init(&daemon->loop, &daemon->deadline);
    uv_signal_init(&daemon->loop, &daemon->terminate);
    uv_signal_init(&daemon->loop, &daemon->interrupt);
    daemon->deadline.data = daemon->terminate.data = daemon->interrupt.data = daemon;
    uv_signal_start(&daemon->terminate, on_signal, SIGTERM);
    uv_signal_start(&daemon->interrupt, on_signal, SIGINT);
    if (daemon->options->lifeline_fd >= 0) {
        daemon->lifeline.data = daemon;
        uv_poll_init(&daemon->loop, &daemon->lifeline, daemon->options->lifeline_fd);
        uv_poll_start(&daemon->lifeline, UV_READABLE | UV_DISCONNECT, on_lifeline);
    }
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void close_clients(struct daemon *daemon)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->clients, &at, NULL, &value))
        daemon_client_close(value);
    at = 0;
    while (reeve_map64_next(&daemon->jobs, &at, NULL, &value))
        daemon_job_free(value);
    reeve_map64_fini(&daemon->jobs);
}

/* All that ran here has ended, and what it had answered is on its way: nobody is to take this for a
 * loss. A cluster of one program's own ends as one. */
static void say_goodbye(struct daemon *daemon)
{
    if (daemon->options->private_cluster)
        return;
    uv_timer_stop(&daemon->deadline);
    daemon_bridge_stop(daemon);
    daemon_links_goodbye(daemon);
}

static void clean_up(struct daemon *daemon)
{
    daemon->ending = true;
    daemon_workers_kill_all(daemon);
    daemon_keepers_end(daemon);
    daemon_job_stops_end(daemon);
    daemon_actors_end(daemon);
    daemon_stop_listening(daemon);
    close_clients(daemon);
    daemon_objects_stop_waiting(daemon);
    if (daemon->runs != NULL)
        reeve_runs_free(daemon->runs);
    daemon->runs = NULL;
    daemon_streams_close(daemon);
    if (daemon->link != NULL) {
        say_goodbye(daemon);
        reeve_link_close(daemon->link, on_link_closed, daemon);
        while (daemon->link != NULL && uv_run(&daemon->loop, UV_RUN_ONCE) != 0)
            ;
    }
    if (daemon->store != NULL)
        reeve_store_shell_end_disk(daemon->store);
    uv_walk(&daemon->loop, close_handle, NULL);
    while (uv_run(&daemon->loop, UV_RUN_DEFAULT) != 0)
        ;
    uv_loop_close(&daemon->loop);
    daemon_listings_free(daemon);
    daemon_timeline_free(daemon);
    daemon_said_free(daemon);
    daemon_fetch_forget_cache();
    daemon_channels_free(daemon);
    daemon_links_free(daemon);
    reeve_store_shell_free(daemon->store);
    reeve_node_free(daemon->core);
    daemon_bell_free(&daemon->bell);
    if (daemon->bridge_pause_fd >= 0)
        close(daemon->bridge_pause_fd);
    reeve_fifo_fini(&daemon->commands);
    reeve_map64_fini(&daemon->clients);
    reeve_map64_fini(&daemon->serials);
    reeve_map64_fini(&daemon->workers);
}

static void on_stop(void *arg, uint32_t timeout_ms)
{
    struct daemon *daemon = arg;
    reeve_log(REEVE_LOG_INFO, "REEVE-NODE-STOPPING", "why=%s timeout_ms=%u", "asked by a tool",
        timeout_ms);
    daemon_event(daemon, &(struct reeve_node_event){.kind = REEVE_NODE_EVENT_DRAIN});
}

static int make_runs(struct daemon *daemon)
{
    struct reeve_runs_options options = {.loop = &daemon->loop,
        .links = daemon->link,
        .state_dir = daemon->options->state_dir,
        .log_path = daemon->options->log_path,
        .actors_log_path = daemon_said_path,
        .head_address = daemon->head_address,
        .key = daemon->options->key,
        .stop = on_stop,
        .arg = daemon};
    return reeve_runs_create(&options, &daemon->runs);
}

static int start(struct daemon *daemon, char *text)
{
    snprintf(text, REEVE_TEXT_SIZE, "out of memory or descriptors");
    int error = make_names(daemon);
    if (error == REEVE_OK)
        error = daemon_bell_make(&daemon->bell, "reeve-bell", false);
    if (error == REEVE_OK)
        error = daemon_bridge_open(daemon);
    if (error == REEVE_OK)
        error = daemon_objects_open(daemon);
    if (error == REEVE_OK)
        error = daemon_links_open(daemon, text);
    if (error == REEVE_OK)
        error = make_runs(daemon);
    if (error != REEVE_OK)
        return error;
    error = daemon_listen(daemon);
    if (error != REEVE_OK) {
        snprintf(
            text, REEVE_TEXT_SIZE, "the socket %s: %s", daemon->socket_name, reeve_strerror(error));
        return error;
    }
    return make_core(daemon);
}

int reeve_node_main(const struct reeve_node_options *options)
{
    struct daemon *daemon = daemon_alloc(sizeof *daemon);
    char text[REEVE_TEXT_SIZE];
    daemon->options = options;
    daemon->listener_fd = daemon->known_listener_fd = -1;
    daemon->bell.page_fd = daemon->bell.event_fd = daemon->bridge_pause_fd = -1;
    reeve_map64_init(&daemon->clients);
    reeve_map64_init(&daemon->serials);
    reeve_map64_init(&daemon->workers);
    reeve_map64_init(&daemon->jobs);
    reeve_map64_init(&daemon->channels);
    reeve_map64_init(&daemon->peers);
    reeve_list_init(&daemon->bridged);
    reeve_list_init(&daemon->terminals_leaving);
    reeve_list_init(&daemon->listings);
    reeve_list_init(&daemon->leaving);
    reeve_list_init(&daemon->keepers);
    reeve_list_init(&daemon->job_stops);
    reeve_list_init(&daemon->killings);
    reeve_list_init(&daemon->askings);
    reeve_fifo_init(&daemon->commands, sizeof(struct reeve_node_command));
    reeve_fifo_init(&daemon->unnamed, sizeof(reeve_peer));
    (void)reeve_descriptor_raise_limit(); /* every client costs some, a dozen where it works */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is a failing disk, no reason to die */
    if (sodium_init() < 0 || uv_loop_init(&daemon->loop) != 0) {
        free(daemon);
        return 1;
    }
    watch(daemon);
    int error = start(daemon, text);
    if (error == REEVE_OK) {
        daemon_scratch_open(daemon);
        daemon_event(daemon, &(struct reeve_node_event){.kind = REEVE_NODE_EVENT_TICK});
        while (!daemon->ending)
            uv_run(&daemon->loop, UV_RUN_DEFAULT);
    } else {
        reeve_log(
            REEVE_LOG_ERROR, "REEVE-NODE-FAILED", "code=%s why=%s", reeve_error_name(error), text);
        fprintf(stderr, "reeve worker: %s\n", text);
        daemon->exit_status = exit_status_for(error);
    }
    clean_up(daemon);
    int exit_status = daemon->exit_status;
    reeve_log(REEVE_LOG_INFO, "REEVE-NODE-ENDED", "status=%d", exit_status);
    free(daemon);
    return exit_status;
}
