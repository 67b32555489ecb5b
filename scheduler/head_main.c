/* The head daemon: one libuv loop around the scheduler core.
 *
 *      links ──▶ events ──▶ core ──▶ commands ──▶ links, journal, log
 *      core's deadline ──▶ timer ──▶ tick
 *      core has work left ──▶ idle handle, one slice a turn
 *      SIGTERM, SIGINT, a tool's stop ──▶ what is queued goes out, sessions close, the loop ends
 *      end of file on the lifeline ──▶ the loop ends at once
 *
 * Nothing polls: without messages the loop sleeps until the core's deadline. */
#include "scheduler/head_main.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/errors.h"
#include "runtime/base/log.h"
#include "runtime/base/process.h"
#include "runtime/wire/address.h"
#include "scheduler/journal.h"
#include "scheduler/shell.h"

#define FAREWELL_MS 1000
/* As many nodes may say hello at once, when the machines of a cluster are switched on together. */
#define STRANGERS_MAX 4096u
#define FILES_OWN     64 /* descriptors that the head needs for itself, about */

struct dial {
    struct reeve_list link;
    uint32_t node;
    char address[REEVE_ADDRESS_SIZE];
};

struct reeve_head_peer *reeve_head_find_peer(struct reeve_head *head, reeve_peer peer)
{
    return reeve_map64_get(&head->peers, peer);
}

bool reeve_head_find_node(
    struct reeve_head *head, uint32_t node, const char *host, struct reeve_sched_node_info *ret)
{
    uint64_t cursor = 0;
    if (node)
        return reeve_sched_find_node(head->sched, node, ret) && ret->state == REEVE_SCHED_NODE_UP;
    while (reeve_sched_next_node(head->sched, &cursor, ret)) {
        if (ret->state == REEVE_SCHED_NODE_UP && strcmp(ret->host, host) == 0)
            return true;
    }
    return false;
}

/* ---- commands ---- */

static void dial_node(struct reeve_head *head, const struct reeve_sched_command *command)
{
    struct dial *dial = calloc(1, sizeof(*dial));
    if (!dial)
        return; /* the core's own deadline decides then */
    dial->node = command->node;
    snprintf(dial->address, sizeof(dial->address), "%s", command->message.address);
    reeve_list_push_back(&head->dials, &dial->link);
    (void)reeve_link_dial(head->links, dial->address);
}

static void journal_failed(struct reeve_head *head, int error, const char *text)
{
    reeve_log(
        REEVE_LOG_ERROR, "REEVE-JOURNAL-FAILED", "code=%s why=%s", reeve_error_name(error), text);
    reeve_head_stop(head, "the journal cannot be written", false);
}

static void write_journal(struct reeve_head *head, const struct reeve_sched_command *command)
{
    int error = 0;
    switch (command->journal) {
    case REEVE_SCHED_JOURNAL_NUMBERS:
        error = reeve_journal_set_node_next(head->journal, (uint32_t)command->message.count);
        break;
    case REEVE_SCHED_JOURNAL_NODE_UP: {
        struct reeve_message node = command->message;
        node.node = command->node;
        error = reeve_journal_put_node(head->journal, &node);
        break;
    }
    case REEVE_SCHED_JOURNAL_NODE_DOWN:
        error = reeve_journal_remove_node(head->journal, command->node);
        break;
    case REEVE_SCHED_JOURNAL_NAME_PUT:
        error = reeve_journal_put_name(head->journal, &command->message);
        break;
    case REEVE_SCHED_JOURNAL_NAME_REMOVE:
        error = reeve_journal_remove_name(
            head->journal, command->message.host, command->message.address);
        break;
    }
    if (error)
        journal_failed(head, error, reeve_journal_error(head->journal));
}

static void tell_notice(struct reeve_head *head, const struct reeve_sched_command *command)
{
    char id[64];
    snprintf(id, sizeof(id), "REEVE-%s", reeve_sched_notice_name(command->notice));
    enum reeve_log_level level =
        reeve_sched_notice_is_warning(command->notice) ? REEVE_LOG_WARN : REEVE_LOG_INFO;
    if (command->message.process != 0)
        reeve_log(level, id, "node=%u process=%016" PRIx64 " text=%s", command->node,
            command->message.process, command->message.text);
    else
        reeve_log(level, id, "node=%u text=%s", command->node, command->message.text);
    if (command->notice == REEVE_SCHED_NOTICE_NODE_DEAD) {
        head->lost_count++;
        head->lost_node = command->node;
        head->lost_ns = reeve_clock_monotonic_ns();
        snprintf(head->lost_text, sizeof(head->lost_text), "%s", command->message.text);
    }
    if (command->notice == REEVE_SCHED_NOTICE_NODE_DEAD ||
        command->notice == REEVE_SCHED_NOTICE_NODE_ENDED)
        reeve_head_runs_node_dead(head, command->node);
    if (command->notice == REEVE_SCHED_NOTICE_JOB_BEGIN ||
        command->notice == REEVE_SCHED_NOTICE_JOB_END)
        reeve_head_job_notice(head, command);
}

static void carry_out_one(struct reeve_head *head, const struct reeve_sched_command *command)
{
    switch (command->kind) {
    case REEVE_SCHED_COMMAND_SEND:
        (void)reeve_link_send_control(head->links, command->session, &command->message);
        break;
    case REEVE_SCHED_COMMAND_DIAL: dial_node(head, command); break;
    case REEVE_SCHED_COMMAND_DROP_PEER:
        reeve_link_close_peer(
            head->links, command->session, command->message.code, command->message.text);
        break;
    case REEVE_SCHED_COMMAND_JOURNAL: write_journal(head, command); break;
    case REEVE_SCHED_COMMAND_NOTICE: tell_notice(head, command); break;
    }
}

static void on_idle(uv_idle_t *idle);

static void on_deadline(uv_timer_t *timer);

/* To the next millisecond, so that the core never finds its deadline not yet reached. */
static void arm_deadline(struct reeve_head *head)
{
    uint64_t deadline = reeve_sched_deadline(head->sched);
    if (deadline == UINT64_MAX) {
        uv_timer_stop(&head->deadline);
        return;
    }
    uint64_t now = reeve_clock_monotonic_ns();
    uint64_t wait_ms =
        deadline > now ? (deadline - now + REEVE_NS_PER_MS - 1) / REEVE_NS_PER_MS : 0;
    uv_update_time(&head->loop);
    uv_timer_start(&head->deadline, on_deadline, wait_ms, 0);
}

static void carry_out(struct reeve_head *head)
{
    struct reeve_sched_command command;
    if (head->carrying)
        return; /* a command made an event: its commands follow those before */
    head->carrying = true;
    while (reeve_fifo_pop(&head->commands, &command))
        carry_out_one(head, &command);
    head->carrying = false;
    if (reeve_sched_has_work(head->sched))
        uv_idle_start(&head->work, on_idle);
    else
        uv_idle_stop(&head->work);
    arm_deadline(head);
}

static void step(struct reeve_head *head, const struct reeve_sched_event *event)
{
    if (head->stopping)
        return;
    reeve_sched_step(head->sched, reeve_clock_monotonic_ns(), event, &head->commands);
    carry_out(head);
}

static void on_idle(uv_idle_t *idle)
{
    struct reeve_head *head = idle->data;
    reeve_sched_run_some(head->sched, reeve_clock_monotonic_ns(), &head->commands);
    carry_out(head);
}

static void on_deadline(uv_timer_t *timer)
{
    step(timer->data, &(struct reeve_sched_event){.kind = REEVE_SCHED_EVENT_TICK});
}

/* ---- links ---- */

/* A session takes two connections. Beyond the limit they are refused without a word that anybody
 * could read, so it is said while there still is room, once. */
static void watch_files(struct reeve_head *head)
{
    uint64_t used = FILES_OWN + 2 * reeve_map64_count(&head->peers);
    if (head->files_told || used * 10 < head->files_max * 9)
        return;
    head->files_told = true;
    reeve_log(REEVE_LOG_WARN, "REEVE-FILES-SHORT", "peers=%zu limit=%llu nodes=%llu",
        reeve_map64_count(&head->peers), (unsigned long long)head->files_max,
        (unsigned long long)(head->files_max > FILES_OWN ? (head->files_max - FILES_OWN) / 2 : 0));
}

static void on_peer_up(void *arg, reeve_peer peer, const struct reeve_peer_info *info)
{
    struct reeve_head *head = arg;
    struct reeve_head_peer *entry = calloc(1, sizeof(*entry));
    if (!entry || info->role == REEVE_ROLE_HEAD || head->stopping ||
        reeve_map64_put(&head->peers, peer, entry, NULL) != REEVE_OK) {
        free(entry);
        reeve_link_close_peer(head->links, peer, REEVE_EPROTOCOL, "not wanted by this head");
        return;
    }
    entry->peer = peer;
    entry->role = info->role;
    snprintf(entry->address, sizeof(entry->address), "%s", info->address);
    watch_files(head);
    REEVE_LIST_EACH_SAFE(node, &head->dials)
    {
        struct dial *dial = REEVE_LIST_ENTRY(node, struct dial, link);
        if (strcmp(dial->address, info->address) == 0) {
            reeve_list_remove(&dial->link);
            free(dial);
        }
    }
    if (info->role == REEVE_ROLE_NODE)
        step(head, &(struct reeve_sched_event){.kind = REEVE_SCHED_EVENT_PEER_UP, .session = peer});
    else
        reeve_log(REEVE_LOG_DEBUG, "REEVE-TOOL-UP", "address=%s", info->address);
}

static void on_peer_down(void *arg, reeve_peer peer, int code, const char *text)
{
    struct reeve_head *head = arg;
    struct reeve_head_peer *entry = reeve_head_find_peer(head, peer);
    if (!entry)
        return;
    enum reeve_role role = entry->role;
    reeve_map64_remove(&head->peers, peer);
    reeve_log(role == REEVE_ROLE_NODE ? REEVE_LOG_INFO : REEVE_LOG_DEBUG, "REEVE-SESSION-OVER",
        "address=%s code=%s why=%s", entry->address, reeve_error_name(code), text ? text : "");
    free(entry);
    if (role == REEVE_ROLE_NODE)
        step(head, &(struct reeve_sched_event){.kind = REEVE_SCHED_EVENT_PEER_DOWN,
                       .session = peer,
                       .refused = code == REEVE_ESHUTDOWN});
    reeve_head_tools_peer_down(head, peer);
    if (head->stopping && reeve_map64_count(&head->peers) == 0)
        uv_stop(&head->loop);
}

static void on_dial_failed(void *arg, const char *address, int code, const char *text)
{
    struct reeve_head *head = arg;
    reeve_log(REEVE_LOG_DEBUG, "REEVE-DIAL-FAILED", "address=%s code=%s why=%s", address,
        reeve_error_name(code), text);
    REEVE_LIST_EACH_SAFE(node, &head->dials)
    {
        struct dial *dial = REEVE_LIST_ENTRY(node, struct dial, link);
        if (strcmp(dial->address, address) != 0)
            continue;
        struct reeve_sched_event event = {.kind = REEVE_SCHED_EVENT_DIAL_FAILED,
            .node = dial->node,
            .refused = code == REEVE_EREFUSED};
        reeve_list_remove(&dial->link);
        free(dial);
        step(head, &event);
    }
}

static void on_message(void *arg, reeve_peer peer, const Reeve__Message *message)
{
    struct reeve_head *head = arg;
    struct reeve_head_peer *entry = reeve_head_find_peer(head, peer);
    struct reeve_message control;
    if (!entry)
        return;
    switch (message->body_case) {
    case REEVE__MESSAGE__BODY_TOOL_REQUEST:
        reeve_head_tool_request(head, peer, message->tool_request);
        return;
    case REEVE__MESSAGE__BODY_TOOL_REPLY:
        reeve_head_tool_reply(head, peer, message->tool_reply);
        return;
    case REEVE__MESSAGE__BODY_CONTROL:
        if (entry->role == REEVE_ROLE_NODE &&
            reeve_control_decode(message->control, &control) == 0) {
            step(head,
                &(struct reeve_sched_event){
                    .kind = REEVE_SCHED_EVENT_NODE_MESSAGE, .session = peer, .message = &control});
            return;
        }
        break;
    default: break;
    }
    reeve_link_close_peer(head->links, peer, REEVE_EPROTOCOL, "not a message for the head");
}

static void on_drained(void *arg, reeve_peer peer)
{
    reeve_head_reports_drained(arg, peer);
}

static void on_rejected(void *arg, int code, const char *text)
{
    struct reeve_head *head = arg;
    const char *key = head->options->key_from;
    head->rejected_count++;
    if (code == REEVE_EKEY && key != NULL)
        reeve_log(REEVE_LOG_WARN, "REEVE-PEER-REJECTED", "code=%s why=%s our_key=%s",
            reeve_error_name(code), text, key);
    else
        reeve_log(
            REEVE_LOG_WARN, "REEVE-PEER-REJECTED", "code=%s why=%s", reeve_error_name(code), text);
}

/* ---- the end ---- */

static void on_farewell(uv_timer_t *timer)
{
    struct reeve_head *head = timer->data;
    uv_stop(&head->loop);
}

void reeve_head_stop(struct reeve_head *head, const char *why, bool at_once)
{
    if (head->stopping && !at_once)
        return;
    reeve_log(REEVE_LOG_INFO, "REEVE-HEAD-STOPPING", "why=%s", why);
    head->stopping = true;
    uv_timer_stop(&head->deadline);
    uv_idle_stop(&head->work);
    if (at_once || reeve_map64_count(&head->peers) == 0) {
        uv_stop(&head->loop);
        return;
    }
    uv_timer_start(&head->farewell, on_farewell, FAREWELL_MS, 0);
    char text[REEVE_TEXT_SIZE];
    snprintf(text, sizeof(text), "the head has been stopped: %s", why);
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&head->peers, &at, NULL, &value)) {
        const struct reeve_head_peer *entry = value;
        reeve_link_close_peer(
            head->links, entry->peer, entry->role == REEVE_ROLE_NODE ? REEVE_ESHUTDOWN : 0, text);
    }
}

static void on_signal(uv_signal_t *handle, int number)
{
    reeve_head_stop(handle->data, number == SIGINT ? "SIGINT" : "SIGTERM", false);
}

static void on_lifeline(uv_poll_t *handle, int status, int events)
{
    struct reeve_head *head = handle->data;
    char byte;
    ssize_t count = status < 0 ? 0 : read(head->options->lifeline_fd, &byte, 1);
    (void)events;
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
        uv_poll_stop(handle); /* an end stays readable */
        reeve_head_stop(head, "the lifeline ended", true);
    }
}

/* ---- life ---- */

static int open_links(struct reeve_head *head, char *text)
{
    struct reeve_link_options options = {
        .loop = &head->loop,
        .role = REEVE_ROLE_HEAD,
        .uid = head->uid,
        .incarnation = head->incarnation,
        .key = head->options->key,
        .listen = head->options->listen,
        .advertise = head->options->advertise,
        .strangers_max = (uint32_t)REEVE_MIN(STRANGERS_MAX, head->files_max / 4),
        .callbacks = {.peer_up = on_peer_up,
            .peer_down = on_peer_down,
            .dial_failed = on_dial_failed,
            .message = on_message,
            .drained = on_drained,
            .rejected = on_rejected},
        .arg = head,
    };
    return reeve_link_open(&options, &head->links, text);
}

static int open_core(struct reeve_head *head, char *text)
{
    char path[PATH_MAX];
    if (head->options->state_dir)
        snprintf(path, sizeof(path), "%s/journal.sqlite", head->options->state_dir);
    int error = reeve_journal_open(head->options->state_dir ? path : NULL, &head->journal, text);
    if (error)
        return error;
    struct reeve_sched_settings settings = {
        .head_incarnation = reeve_journal_head_incarnation(head->journal),
        .node_next = reeve_journal_node_next(head->journal),
        .seed = head->uid,
    };
    head->sched = reeve_sched_create(&settings);
    if (!head->sched)
        return REEVE_ENOMEM;
    reeve_fifo_init(&head->commands, sizeof(struct reeve_sched_command));
    return REEVE_OK;
}

static void expect_node(void *arg, const struct reeve_message *node)
{
    struct reeve_head *head = arg;
    reeve_sched_expect(head->sched, reeve_clock_monotonic_ns(), node);
}

static void expect_name(void *arg, const struct reeve_message *name)
{
    const struct reeve_head *head = arg;
    (void)reeve_sched_expect_name(head->sched, name);
}

static void start_handles(struct reeve_head *head)
{
    uv_timer_init(&head->loop, &head->deadline);
    uv_timer_init(&head->loop, &head->farewell);
    uv_idle_init(&head->loop, &head->work);
    uv_idle_init(&head->loop, &head->slices);
    uv_signal_init(&head->loop, &head->sigterm);
    uv_signal_init(&head->loop, &head->sigint);
    head->deadline.data = head->farewell.data = head->work.data = head->slices.data = head;
    head->sigterm.data = head->sigint.data = head->lifeline.data = head;
    uv_signal_start(&head->sigterm, on_signal, SIGTERM);
    uv_signal_start(&head->sigint, on_signal, SIGINT);
    if (head->options->lifeline_fd >= 0) {
        uv_poll_init(&head->loop, &head->lifeline, head->options->lifeline_fd);
        uv_poll_start(&head->lifeline, UV_READABLE | UV_DISCONNECT, on_lifeline);
    }
}

static void tell_ready(struct reeve_head *head)
{
    const char *address = reeve_link_address(head->links);
    struct reeve_address parsed;
    char why[REEVE_TEXT_SIZE];
    bool local = reeve_address_parse(address, &parsed, why) == 0 &&
                 (parsed.scheme == REEVE_ADDRESS_ABSTRACT || strncmp(parsed.host, "127.", 4) == 0 ||
                     strcmp(parsed.host, "::1") == 0 || strcmp(parsed.host, "localhost") == 0);
    reeve_log(REEVE_LOG_INFO, "REEVE-HEAD-READY", "address=%s release=%s pid=%d", address,
        REEVE_VERSION, (int)getpid());
    if (head->options->ready)
        head->options->ready(head->options->arg, address, local);
    if (head->options->ready_fd >= 0) {
        dprintf(head->options->ready_fd, "ready %s\n", address);
        close(head->options->ready_fd);
    }
}

static void on_link_closed(void *arg)
{
    struct reeve_head *head = arg;
    head->link_closed = true;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void free_lists(struct reeve_head *head)
{
    struct reeve_list *node;
    reeve_map64_fini_values(&head->peers);
    while ((node = reeve_list_pop_front(&head->dials)) != NULL)
        free(REEVE_LIST_ENTRY(node, struct dial, link));
}

/* Links first: nothing calls back from then on. */
static void close_all(struct reeve_head *head)
{
    if (head->links) {
        reeve_link_close(head->links, on_link_closed, head);
        while (!head->link_closed)
            uv_run(&head->loop, UV_RUN_ONCE);
    }
    reeve_head_tools_fini(head);
    uv_walk(&head->loop, close_handle, NULL);
    uv_run(&head->loop, UV_RUN_DEFAULT);
    uv_loop_close(&head->loop);
    reeve_head_runs_fini(head);
    free_lists(head);
    if (head->sched) {
        reeve_sched_free(head->sched);
        reeve_fifo_fini(&head->commands);
    }
    reeve_journal_close(head->journal);
    free(head);
}

int reeve_head_main(const struct reeve_head_options *options, char *text)
{
    struct reeve_head *head = calloc(1, sizeof(*head));
    uint64_t random[2];
    if (!head || getrandom(random, sizeof(random), 0) != sizeof(random) ||
        uv_loop_init(&head->loop) != 0) {
        free(head);
        snprintf(text, REEVE_TEXT_SIZE, "out of memory, descriptors or randomness");
        return REEVE_ESYSTEM;
    }
    head->options = options;
    head->uid = random[0];
    head->incarnation = random[1];
    head->started_ns = reeve_clock_monotonic_ns();
    reeve_map64_init(&head->peers);
    reeve_list_init(&head->dials);
    reeve_list_init(&head->forwards);
    reeve_list_init(&head->stops);
    reeve_list_init(&head->runs);
    reeve_list_init(&head->reports);
    reeve_map64_init(&head->jobs);
    reeve_list_init(&head->jobs_ended);
    head->files_max = reeve_descriptor_raise_limit();
    signal(SIGPIPE, SIG_IGN);
    int error = open_core(head, text);
    if (error == 0)
        error = open_links(head, text);
    if (error == 0) {
        start_handles(head);
        reeve_head_runs_init(head);
        error = reeve_journal_each_node(head->journal, expect_node, head);
        if (error == 0)
            error = reeve_journal_each_name(head->journal, expect_name, head);
        if (error)
            snprintf(text, REEVE_TEXT_SIZE, "%s", reeve_journal_error(head->journal));
    }
    if (error == 0) {
        tell_ready(head);
        carry_out(head);
        uv_run(&head->loop, UV_RUN_DEFAULT);
        reeve_log(REEVE_LOG_INFO, "REEVE-HEAD-STOPPED", "pid=%d", (int)getpid());
    }
    close_all(head);
    return error;
}
