/* The node daemon as a process, between a head, a driver and workers that this program plays.
 *
 *   test process ──link──▶ daemon (child) ◀──socket── driver (test process again)
 *   (head: grants           └─▶ workers: this program again, found by REEVE_WORKER
 *   what is demanded)
 *
 * The driver's part blocks; the head's loop is turned while it waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <reeve_errors.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "runtime/base/clock.h"
#include "runtime/channel/channel.h"
#include "runtime/channel/entry.h"
#include "runtime/node/node_main.h"
#include "runtime/wire/link.h"
#include "runtime/wire/local.h"
#include "tests/unit/node/played_worker.h"

#define PATIENCE_NS (20 * REEVE_NS_PER_S)

static const uint8_t key[REEVE_KEY_SIZE] = {1, 2, 3};

/* ---- the head ---- */

static struct {
    uv_loop_t loop;
    struct reeve_link *link;
    struct {
        reeve_peer session;
        struct reeve_message join;
    } nodes[2]; /* in order of joining; their numbers are 7 and 8 */
    uint32_t node_count;
    uint64_t next_lease;
    uint32_t leases;
    struct reeve_message last_refused;
    int ended, job_ended;
} head;

static void head_peer_up(void *arg, reeve_peer peer, const struct reeve_peer_info *info)
{
    (void)arg;
    (void)peer;
    assert_int_equal(info->role, REEVE_ROLE_NODE);
}

static void head_peer_down(void *arg, reeve_peer peer, int code, const char *text)
{
    (void)arg;
    (void)code;
    (void)text;
    (void)peer;
}

/* To the node that has a cpu; it and the holder's hear of each other first. */
static void head_grant(const struct reeve_message *grant)
{
    uint32_t executor = head.node_count > 1 && head.nodes[0].join.cpu_milli == 0;
    for (uint32_t i = 0; head.node_count > 1 && i < 2; i++) {
        struct reeve_message up = head.nodes[!i].join;
        up.kind = REEVE_MESSAGE_PEER_UP;
        up.node = 7 + !i;
        assert_int_equal(reeve_link_send_control(head.link, head.nodes[i].session, &up), REEVE_OK);
    }
    assert_int_equal(
        reeve_link_send_control(head.link, head.nodes[executor].session, grant), REEVE_OK);
}

static void head_message(void *arg, reeve_peer peer, const Reeve__Message *wire)
{
    struct reeve_message m, answer = {0};
    (void)arg;
    if (wire->body_case != REEVE__MESSAGE__BODY_CONTROL)
        return;
    assert_int_equal(reeve_control_decode(wire->control, &m), REEVE_OK);
    switch (m.kind) {
    case REEVE_MESSAGE_JOIN:
        answer.kind = REEVE_MESSAGE_WELCOME;
        answer.node = 7 + head.node_count;
        answer.incarnation = m.incarnation;
        answer.count = 1000;
        head.nodes[head.node_count].session = peer;
        head.nodes[head.node_count++].join = m;
        break;
    case REEVE_MESSAGE_DEMAND:
        if (m.count == 0 || head.leases > 0)
            return;
        answer.kind = REEVE_MESSAGE_GRANT;
        answer.lease = ++head.next_lease;
        answer.process = m.process;
        answer.class = m.class;
        head.leases++;
        head_grant(&answer);
        return;
    case REEVE_MESSAGE_REFUSED:
        head.last_refused = m;
        head.leases--;
        return;
    case REEVE_MESSAGE_ENDED:
        head.ended++;
        head.leases--;
        return;
    case REEVE_MESSAGE_JOB_END: head.job_ended++; return;
    default: return;
    }
    assert_int_equal(reeve_link_send_control(head.link, peer, &answer), REEVE_OK);
}

static void head_dial_failed(void *arg, const char *address, int code, const char *text)
{
    (void)arg;
    (void)address;
    (void)code;
    (void)text;
}

static void head_rejected(void *arg, int code, const char *text)
{
    (void)arg;
    (void)code;
    (void)text;
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

/* Turns the head's loop until the descriptor is readable; false when it takes too long. */
static bool turn_until_readable(int fd)
{
    uint64_t until = reeve_clock_monotonic_ns() + PATIENCE_NS;
    while (reeve_clock_monotonic_ns() < until) {
        struct pollfd one = {.fd = fd, .events = POLLIN};
        if (poll(&one, 1, 0) > 0)
            return true;
        uv_run(&head.loop, UV_RUN_ONCE);
    }
    return false;
}

/* ---- the daemon ---- */

static pid_t daemon_pids[2];
static int lifelines[2], daemon_count, driver = -1, output_fds[2] = {-1, -1};
static char socket_name[64];
static uv_timer_t tick;
static struct end lease;
static struct reeve_doorbell *own_bell;
static int own_event = -1, daemon_fds[2] = {-1, -1};

static int daemon_main(char **arguments)
{
    struct reeve_node_options options = {.head = arguments[1],
        .key = key,
        .cpu_given = true,
        .cpu_milli = (uint32_t)strtol(arguments[5], NULL, 10),
        .store_bytes = 64 << 20,
        .private_cluster = true,
        .lifeline_fd = (int)strtol(arguments[3], NULL, 10),
        .ready_fd = (int)strtol(arguments[4], NULL, 10),
        .socket_name = arguments[2]};
    fcntl(options.lifeline_fd, F_SETFD, FD_CLOEXEC);
    fcntl(options.ready_fd, F_SETFD, FD_CLOEXEC);
    reeve_log_set_level(getenv("TEST_VERBOSE") ? REEVE_LOG_DEBUG : REEVE_LOG_ERROR);
    return reeve_node_main(&options);
}

static char head_address[96];

static void start_head(void);

static void start_daemon(const char *cpu_milli)
{
    int life[2], ready[2];
    static int round;
    snprintf(socket_name, sizeof socket_name, "reeve-test-%d-%d", (int)getpid(), ++round);
    if (daemon_count == 0)
        start_head();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, life), 0);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char life_text[16], ready_text[16];
        fcntl(life[1], F_SETFD, 0);
        fcntl(ready[1], F_SETFD, 0);
        snprintf(life_text, sizeof life_text, "%d", life[1]);
        snprintf(ready_text, sizeof ready_text, "%d", ready[1]);
        execl("/proc/self/exe", "daemon", head_address, socket_name, life_text, ready_text,
            cpu_milli, (char *)NULL);
        _exit(126);
    }
    close(life[1]);
    close(ready[1]);
    lifelines[daemon_count] = life[0];
    daemon_pids[daemon_count++] = pid;
    assert_true(turn_until_readable(ready[0]));
    char line[256];
    ssize_t size = read(ready[0], line, sizeof line - 1);
    assert_true(size > 0);
    line[size] = 0;
    char expected[128];
    snprintf(expected, sizeof expected, "ready %s abstract://", socket_name);
    assert_memory_equal(line, expected, strlen(expected));
    close(ready[0]);
}

static void start_head(void)
{
    snprintf(head_address, sizeof head_address, "abstract://%s-head", socket_name);
    memset(&head, 0, sizeof head);
    assert_int_equal(uv_loop_init(&head.loop), 0);
    uv_timer_init(&head.loop, &tick);
    uv_timer_start(&tick, on_tick, 5, 5);
    struct reeve_link_options options = {.loop = &head.loop,
        .role = REEVE_ROLE_HEAD,
        .uid = 99,
        .incarnation = 1,
        .key = key,
        .listen = head_address,
        .callbacks = {.peer_up = head_peer_up,
            .peer_down = head_peer_down,
            .dial_failed = head_dial_failed,
            .message = head_message,
            .rejected = head_rejected}};
    char text[REEVE_TEXT_SIZE];
    assert_int_equal(reeve_link_open(&options, &head.link, text), REEVE_OK);
}

static void on_link_closed(void *arg)
{
    *(bool *)arg = true;
}

static void walk_close(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Ends a daemon by its lifeline. */
static void stop_one(int index)
{
    close(lifelines[index]);
    int status = -1;
    uint64_t until = reeve_clock_monotonic_ns() + PATIENCE_NS;
    while (waitpid(daemon_pids[index], &status, WNOHANG) == 0) {
        assert_true(reeve_clock_monotonic_ns() < until);
        uv_run(&head.loop, UV_RUN_ONCE);
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void stop_all(void)
{
    if (driver >= 0)
        close(driver);
    driver = -1;
    while (daemon_count > 0)
        stop_one(--daemon_count);
    bool closed = false;
    reeve_link_close(head.link, on_link_closed, &closed);
    while (!closed)
        uv_run(&head.loop, UV_RUN_ONCE);
    uv_walk(&head.loop, walk_close, NULL);
    while (uv_run(&head.loop, UV_RUN_DEFAULT) != 0)
        ;
    assert_int_equal(uv_loop_close(&head.loop), 0);
    if (lease.memory != NULL)
        played_end_detach(&lease);
    for (int i = 0; i < 2; i++) {
        if (output_fds[i] >= 0)
            close(output_fds[i]);
        output_fds[i] = -1;
    }
    if (own_bell != NULL)
        munmap(own_bell, REEVE_DOORBELL_BYTES);
    own_bell = NULL;
    if (own_event >= 0)
        close(own_event);
    own_event = -1;
    for (int i = 0; i < 2; i++) {
        if (daemon_fds[i] >= 0)
            close(daemon_fds[i]);
        daemon_fds[i] = -1;
    }
}

/* ---- the driver ---- */

/* The next message of this kind; others before it are looked at only for their descriptors. */
static void expect_message(enum reeve_local_kind kind, struct reeve_local_message *message)
{
    for (;;) {
        assert_true(turn_until_readable(driver));
        assert_int_equal(reeve_local_receive(driver, message, 0), REEVE_OK);
        if (message->kind == kind)
            return;
        if (message->kind == REEVE_LOCAL_OUTPUT) {
            output_fds[0] = message->fds[0];
            output_fds[1] = message->fds[1];
            continue;
        }
        print_message("unexpected %s: %s\n", reeve_local_kind_name(message->kind), message->text);
        fail();
    }
}

/* Says hello; workers of this driver will behave as `how` says. */
static void connect_driver(const char *how)
{
    assert_int_equal(reeve_local_connect(socket_name, &driver), REEVE_OK);
    char launch[256];
    uint32_t counts[2] = {3, 1};
    memcpy(launch, counts, sizeof counts);
    size_t size = sizeof counts;
#define STRING(text) size += (size_t)snprintf(launch + size, sizeof launch - size, "%s", text) + 1
    STRING("/");
    STRING("node_shell_test");
    STRING("worker");
    STRING(how);
    STRING("HOME=/nowhere");
#undef STRING
    struct reeve_local_message message = {.kind = REEVE_LOCAL_HELLO,
        .mode = REEVE_LOCAL_DRIVER,
        .version = REEVE_LOCAL_VERSION,
        .table_hash = strlen(PLAYED_TABLE),
        .fd_count = 3,
        .fds = {played_memory_file(PLAYED_TABLE, strlen(PLAYED_TABLE)),
            open("/proc/self/exe", O_RDONLY | O_CLOEXEC), played_memory_file(launch, size)}};
    reeve_local_set_text(&message, "%s", "a driver");
    assert_int_equal(reeve_local_send(driver, &message, 0), REEVE_OK);
    for (int i = 0; i < 3; i++)
        close(message.fds[i]);
    expect_message(REEVE_LOCAL_WELCOME, &message);
    assert_int_equal(message.node, 6 + daemon_count);
    assert_int_equal(message.process >> 32, message.node);
    assert_int_equal(message.fd_count, 4);
    void *memory;
    size_t memory_size;
    assert_int_equal(reeve_memory_map(message.fds[0], 0, 0, &memory, &memory_size), REEVE_OK);
    own_bell = reeve_doorbell_attach(memory, memory_size);
    own_event = message.fds[1];
    close(message.fds[0]);
    memcpy(daemon_fds, &message.fds[2], sizeof daemon_fds);
}

static void demand(uint32_t count)
{
    struct reeve_local_message message = {
        .kind = REEVE_LOCAL_DEMAND, .class_index = 5, .cpu_milli = 1000, .count = count};
    assert_int_equal(reeve_local_send(driver, &message, 0), REEVE_OK);
}

static void get_lease(void)
{
    struct reeve_local_message message;
    demand(1);
    expect_message(REEVE_LOCAL_CHANNEL, &message);
    assert_int_equal(message.class_index, 5);
    assert_int_equal(message.flags, REEVE_LOCAL_ROLE_HOLDER);
    played_end_attach(&lease, &message, REEVE_CHANNEL_HOLDER, daemon_fds);
}

static void call(uint64_t task, uint32_t function, int64_t number)
{
    struct reeve_slot_fill fill;
    assert_int_equal(reeve_ring_reserve(&lease.channel.calls, sizeof number, &fill), REEVE_OK);
    fill.slot->task = task;
    fill.slot->attempt = 1;
    fill.slot->function = function;
    fill.slot->references = 0;
    fill.slot->kind = REEVE_ENTRY_CALL;
    fill.slot->flags = 0;
    fill.slot->status = 0;
    memcpy(fill.payload, &number, sizeof number);
    assert_int_equal(reeve_ring_publish(&lease.channel.calls), 1);
    reeve_doorbell_ring(lease.bell, lease.bell_event_fd);
}

static int64_t result(uint64_t task)
{
    struct reeve_entry_view view;
    reeve_doorbell_arm(own_bell, REEVE_DOORBELL_EVENT);
    while (reeve_ring_claim(&lease.channel.returns, &view) != REEVE_OK) {
        uint64_t count;
        assert_true(turn_until_readable(own_event));
        assert_int_equal(read(own_event, &count, sizeof count), sizeof count);
        reeve_doorbell_arm(own_bell, REEVE_DOORBELL_EVENT);
    }
    int64_t number;
    assert_int_equal(view.task, task);
    memcpy(&number, view.payload, sizeof number);
    reeve_ring_done(&lease.channel.returns, view.position);
    return number;
}

static int setup(void **state)
{
    (void)state;
    start_daemon("1000");
    return 0;
}

/* The driver's node has no cpu. */
static int setup_two(void **state)
{
    (void)state;
    start_daemon("1000");
    start_daemon("0");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stop_all();
    return 0;
}

static void test_calls_and_warm_worker(void **state)
{
    (void)state;
    connect_driver("well");
    for (uint64_t round = 1; round <= 3; round++) {
        get_lease();
        for (int64_t i = 1; i <= 100; i++) {
            call((uint64_t)i, FUNCTION_DOUBLE, i);
            assert_int_equal(result((uint64_t)i), 2 * i);
        }
        demand(0);
        struct reeve_local_message message = {
            .kind = REEVE_LOCAL_LEASE_RETURN, .lease = lease.lease};
        assert_int_equal(reeve_local_send(driver, &message, 0), REEVE_OK);
        while (head.ended < (int)round)
            uv_run(&head.loop, UV_RUN_ONCE);
        played_end_detach(&lease);
    }
}

static void test_worker_crashes(void **state)
{
    (void)state;
    struct reeve_local_message message;
    connect_driver("well");
    get_lease();
    call(1, FUNCTION_CRASH, 0);
    call(2, FUNCTION_DOUBLE, 0);
    expect_message(REEVE_LOCAL_LEASE_LOST, &message);
    assert_int_equal(message.lease, lease.lease);
    assert_int_equal(message.code, REEVE_EWORKERDIED);
    assert_non_null(strstr(message.text, "signal 9"));
    assert_int_equal(reeve_ring_state(&lease.channel.calls, 0), REEVE_SLOT_CLAIMED);
    assert_true(reeve_ring_recall(&lease.channel.calls, 1)); /* revoked: ours again */
    played_end_detach(&lease);
    while (head.leases > 0)
        uv_run(&head.loop, UV_RUN_ONCE);
    demand(0);
    get_lease(); /* on another worker */
    call(2, FUNCTION_DOUBLE, 21);
    assert_int_equal(result(2), 42);
}

static void test_program_fails(const char *how, int code, const char *text)
{
    struct reeve_local_message message;
    connect_driver(how);
    demand(1);
    expect_message(REEVE_LOCAL_LEASE_LOST, &message);
    assert_int_equal(message.lease, 0);
    assert_int_equal(message.class_index, 5);
    assert_int_equal(message.code, code);
    if (strstr(message.text, text) == NULL)
        print_message("%s\n", message.text);
    assert_non_null(strstr(message.text, text));
}

static void test_program_exits(void **state)
{
    (void)state;
    test_program_fails("exit", REEVE_EPROGRAM, "cannot find my glasses");
}

static void test_library_is_missing(void **state)
{
    (void)state;
    test_program_fails("library", REEVE_EPROGRAM, "libfoo.so.1");
}

static void test_tables_differ(void **state)
{
    (void)state;
    test_program_fails("table", REEVE_EMISMATCH, "only the driver has \"double(int)\"");
}

static void test_driver_leaves_a_long_task(void **state)
{
    (void)state;
    connect_driver("well");
    get_lease();
    call(1, FUNCTION_SLEEP, 0);
    while (reeve_ring_state(&lease.channel.calls, 0) != REEVE_SLOT_CLAIMED)
        uv_run(&head.loop, UV_RUN_ONCE);
    close(driver);
    driver = -1;
    uint64_t until = reeve_clock_monotonic_ns() + PATIENCE_NS;
    while (head.ended == 0 || head.job_ended == 0) {
        assert_true(reeve_clock_monotonic_ns() < until);
        uv_run(&head.loop, UV_RUN_ONCE);
    }
}

static void test_output(void **state)
{
    (void)state;
    char text[512] = "", expected[512], host[64];
    connect_driver("well");
    get_lease();
    call(1, FUNCTION_SAY, 0);
    assert_int_equal(result(1), 0);
    call(2, FUNCTION_CRASH, 0); /* ends the line that was not finished */
    struct reeve_local_message message;
    expect_message(REEVE_LOCAL_LEASE_LOST, &message);
    assert_true(output_fds[0] >= 0 && turn_until_readable(output_fds[0]));
    assert_true(read(output_fds[0], text, sizeof text - 1) > 0);
    gethostname(host, sizeof host);
    int pid = (int)strtol(strchr(text, ' ') + 1, NULL, 10);
    snprintf(expected, sizeof expected, "say@%s %d| hello world\n", host, pid);
    assert_string_equal(text, expected);
    memset(text, 0, sizeof text);
    assert_true(turn_until_readable(output_fds[1]));
    assert_true(read(output_fds[1], text, sizeof text - 1) > 0);
    snprintf(expected, sizeof expected, "%s %d| no end\n", host, pid);
    assert_string_equal(text, expected);
}

static void test_malformed_clients(void **state)
{
    (void)state;
    struct reeve_local_message message;
    assert_int_equal(reeve_local_connect(socket_name, &driver), REEVE_OK);
    assert_int_equal(send(driver, "garbage", 7, 0), 7);
    expect_message(REEVE_LOCAL_REFUSED, &message);
    assert_int_equal(message.code, REEVE_EPROTOCOL);
    close(driver);
    assert_int_equal(reeve_local_connect(socket_name, &driver), REEVE_OK);
    demand(1); /* before hello */
    expect_message(REEVE_LOCAL_REFUSED, &message);
    close(driver);
    message = (struct reeve_local_message){
        .kind = REEVE_LOCAL_HELLO, .mode = REEVE_LOCAL_DRIVER, .version = REEVE_LOCAL_VERSION + 1};
    assert_int_equal(reeve_local_connect(socket_name, &driver), REEVE_OK);
    assert_int_equal(reeve_local_send(driver, &message, 0), REEVE_OK);
    expect_message(REEVE_LOCAL_REFUSED, &message);
    assert_int_equal(message.code, REEVE_EVERSION);
    close(driver);
    connect_driver("well"); /* nobody else has suffered */
}

/* --- the same over two nodes --- */

static void test_bridge(void **state)
{
    (void)state;
    connect_driver("well");
    get_lease();
    for (int64_t i = 1; i <= 50; i++) {
        call((uint64_t)i, FUNCTION_DOUBLE, i);
        assert_int_equal(result((uint64_t)i), 2 * i);
    }
    for (int64_t i = 1; i <= 2000; i += 500) { /* in bulk */
        for (int64_t j = i; j < i + 500; j++)
            call((uint64_t)j, FUNCTION_DOUBLE, j);
        for (int64_t j = i; j < i + 500; j++)
            assert_int_equal(result((uint64_t)j), 2 * j);
    }
    demand(0);
    struct reeve_local_message message = {.kind = REEVE_LOCAL_LEASE_RETURN, .lease = lease.lease};
    assert_int_equal(reeve_local_send(driver, &message, 0), REEVE_OK);
    while (head.ended == 0)
        uv_run(&head.loop, UV_RUN_ONCE);
}

static struct reeve_entry_view next_return(void)
{
    struct reeve_entry_view view;
    reeve_doorbell_arm(own_bell, REEVE_DOORBELL_EVENT);
    while (reeve_ring_claim(&lease.channel.returns, &view) != REEVE_OK) {
        uint64_t count;
        assert_true(turn_until_readable(own_event));
        assert_int_equal(read(own_event, &count, sizeof count), sizeof count);
        reeve_doorbell_arm(own_bell, REEVE_DOORBELL_EVENT);
    }
    return view;
}

static void wait_until_claimed(uint64_t position)
{
    uint64_t until = reeve_clock_monotonic_ns() + PATIENCE_NS;
    while (reeve_ring_state(&lease.channel.calls, position) == REEVE_SLOT_READY) {
        assert_true(reeve_clock_monotonic_ns() < until);
        uv_run(&head.loop, UV_RUN_ONCE);
    }
}

static void test_bridge_take_back(void **state)
{
    (void)state;
    connect_driver("well");
    get_lease();
    call(1, FUNCTION_SLEEP, 0);
    call(2, FUNCTION_DOUBLE, 5);
    wait_until_claimed(1); /* by the daemon, which has sent it on */
    struct reeve_local_message message = {
        .kind = REEVE_LOCAL_TAKE_BACK, .lease = lease.lease, .task = 2};
    assert_int_equal(reeve_local_send(driver, &message, 0), REEVE_OK);
    struct reeve_entry_view view = next_return();
    assert_int_equal(view.task, 2);
    assert_int_equal(view.kind, REEVE_ENTRY_RECALLED);
    assert_int_equal(view.status, REEVE_ECANCELLED);
}

static void test_bridge_worker_crashes(void **state)
{
    (void)state;
    struct reeve_local_message message;
    connect_driver("well");
    get_lease();
    call(1, FUNCTION_CRASH, 0);
    call(2, FUNCTION_DOUBLE, 0);
    struct reeve_entry_view view = next_return();
    assert_int_equal(view.task, 1);
    assert_int_equal(view.kind, REEVE_ENTRY_RESULT);
    assert_int_equal(view.status, REEVE_EWORKERDIED);
    reeve_ring_done(&lease.channel.returns, view.position);
    expect_message(REEVE_LOCAL_LEASE_LOST, &message);
    assert_int_equal(message.lease, lease.lease);
    assert_int_equal(message.code, REEVE_EWORKERDIED);
    /* the other was on its way, or not: in any case it is ours again, and nobody has run it */
    if (!reeve_ring_recall(&lease.channel.calls, 1)) {
        view = next_return();
        assert_int_equal(view.task, 2);
        assert_int_equal(view.kind, REEVE_ENTRY_RECALLED);
        assert_int_equal(view.status, REEVE_ECANCELLED);
    }
}

static void test_bridge_executor_ends(void **state)
{
    (void)state;
    struct reeve_local_message message;
    connect_driver("well");
    get_lease();
    call(1, FUNCTION_SLEEP, 0);
    wait_until_claimed(0);
    kill(daemon_pids[0], SIGKILL);
    expect_message(REEVE_LOCAL_LEASE_LOST, &message);
    assert_int_equal(message.lease, lease.lease);
    assert_int_equal(message.code, REEVE_ENODEDIED);
    assert_int_equal(reeve_ring_state(&lease.channel.calls, 0), REEVE_SLOT_CLAIMED);
    close(lifelines[0]);
    assert_int_equal(waitpid(daemon_pids[0], NULL, 0), daemon_pids[0]);
    daemon_pids[0] = daemon_pids[1];
    lifelines[0] = lifelines[1];
    daemon_count = 1;
}

/* --- another node that this program plays --- */

#define OTHER 9u

static struct {
    struct reeve_link *link;
    uint32_t sessions, asked;
} other;

/* The first session ends before we have said who we are. */
static void other_peer_up(void *arg, reeve_peer peer, const struct reeve_peer_info *info)
{
    (void)arg;
    (void)info;
    if (other.sessions++ == 0) {
        reeve_link_close_peer(other.link, peer, REEVE_ELINK, "it ends as it begins");
        return;
    }
    struct reeve_message up = {.kind = REEVE_MESSAGE_PEER_UP, .node = OTHER, .incarnation = 1};
    snprintf(up.address, sizeof up.address, "%s", reeve_link_address(other.link));
    assert_int_equal(reeve_link_send_control(other.link, peer, &up), REEVE_OK);
}

static void other_message(void *arg, reeve_peer peer, const Reeve__Message *wire)
{
    (void)arg;
    (void)peer;
    other.asked += wire->body_case == REEVE__MESSAGE__BODY_PROGRAM_PULL;
}

static void test_session_ends_unintroduced(void **state)
{
    (void)state;
    char listen[96], text[REEVE_TEXT_SIZE];
    snprintf(listen, sizeof listen, "abstract://%s-other", socket_name);
    struct reeve_link_options options = {.loop = &head.loop,
        .role = REEVE_ROLE_NODE,
        .uid = 100,
        .incarnation = 1,
        .key = key,
        .listen = listen,
        .callbacks = {.peer_up = other_peer_up,
            .peer_down = head_peer_down,
            .dial_failed = head_dial_failed,
            .message = other_message,
            .rejected = head_rejected}};
    memset(&other, 0, sizeof other);
    assert_int_equal(reeve_link_open(&options, &other.link, text), REEVE_OK);
    struct reeve_message up = {.kind = REEVE_MESSAGE_PEER_UP, .node = OTHER, .incarnation = 1};
    snprintf(up.address, sizeof up.address, "%s", reeve_link_address(other.link));
    struct reeve_message grant = {.kind = REEVE_MESSAGE_GRANT,
        .lease = ++head.next_lease,
        .process = (uint64_t)OTHER << 32 | 1,
        .class = {.job = (uint64_t)OTHER << 32 | 1, .cpu_milli = 1000, .program = {1}}};
    assert_int_equal(reeve_link_send_control(head.link, head.nodes[0].session, &up), REEVE_OK);
    assert_int_equal(reeve_link_send_control(head.link, head.nodes[0].session, &grant), REEVE_OK);
    /* The daemon wants the job's program of the other node, and dials it until it can ask. */
    uint64_t until = reeve_clock_monotonic_ns() + PATIENCE_NS;
    while (other.asked == 0 && reeve_clock_monotonic_ns() < until)
        uv_run(&head.loop, UV_RUN_ONCE);
    bool closed = false;
    reeve_link_close(other.link, on_link_closed, &closed);
    while (!closed)
        uv_run(&head.loop, UV_RUN_ONCE);
    assert_int_equal(other.sessions, 2);
    assert_true(other.asked > 0);
}

int main(int argc, char **argv)
{
    if (getenv(REEVE_WORKER_VARIABLE) != NULL)
        return argc == 3 ? played_worker(getenv(REEVE_WORKER_VARIABLE), argv[2]) : 99;
    if (strcmp(argv[0], "daemon") == 0)
        return argc == 6 ? daemon_main(argv) : 98;
#define TEST(name)     cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_TWO(name) cmocka_unit_test_setup_teardown(name, setup_two, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_calls_and_warm_worker),
        TEST(test_worker_crashes),
        TEST(test_program_exits),
        TEST(test_library_is_missing),
        TEST(test_tables_differ),
        TEST(test_driver_leaves_a_long_task),
        TEST(test_output),
        TEST(test_malformed_clients),
        TEST_TWO(test_bridge),
        TEST_TWO(test_bridge_take_back),
        TEST_TWO(test_bridge_worker_crashes),
        TEST_TWO(test_bridge_executor_ends),
        TEST_TWO(test_library_is_missing),
        TEST_TWO(test_output),
        TEST(test_session_ends_unintroduced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
