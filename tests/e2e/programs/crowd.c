/* Many nodes in few processes, for a head to deal with: each with sessions, heartbeats and leases
 * as a node daemon has them, and nothing behind it.
 *
 *     crowd ADDRESS KEY_FILE NODES [PROCESSES]
 *
 *     prints   joined N SECONDS          whenever it has changed: those that have been welcomed
 *              failed CODE TEXT          the first dial that came to nothing, and each new reason
 *              granted N MEDIAN WORST    after "grant N" on standard input: so many leases, one
 *                                        after the other, from the end of one to the next; us
 *
 * The first node is a driver's, without slots; all others have one. Ends at the end of its input.
 * Processes share a page. */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sodium.h>

#include "runtime/base/clock.h"
#include "runtime/base/errors.h"
#include "runtime/base/ids.h"
#include "runtime/base/macros.h"
#include "runtime/base/process.h"
#include "runtime/wire/address.h"
#include "runtime/wire/link.h"

#define A_PROCESS      100 /* nodes; each of them wakes the loop by a handle of its own */
#define BACKOFF_MIN_MS 5   /* as a node core redials */
#define BACKOFF_MAX_MS 1000
#define GRANTS_MAX     10000
#define LOOK_MS        20
#define CODES_MAX      64

static struct shared {
    _Atomic uint32_t joined;
    _Atomic uint32_t codes; /* of failed dials, a bit each */
    char texts[CODES_MAX][REEVE_TEXT_SIZE];
    _Atomic uint32_t wanted, granted; /* grants */
    _Atomic uint32_t held;            /* leases that have not been given back */
    _Atomic uint64_t since_ns;
    uint64_t took_ns[GRANTS_MAX];
} * shared;

struct node {
    struct reeve_link *link;
    uv_timer_t timer; /* heartbeat, or redial */
    reeve_peer head;
    uint32_t number, backoff_ms;
    uint64_t uid, incarnation, heartbeat_ms, lease;
    bool joined, drives, asks;
};

static uv_loop_t loop;
static const char *head_address;
static uint8_t key[REEVE_KEY_SIZE];

static void say(struct node *node, const struct reeve_message *message)
{
    (void)reeve_link_send_control(node->link, node->head, message);
}

static void on_timer(uv_timer_t *timer);

static void redial_later(struct node *node)
{
    uv_timer_start(&node->timer, on_timer, node->backoff_ms, 0);
    node->backoff_ms = REEVE_MIN(node->backoff_ms * 2, BACKOFF_MAX_MS);
}

/* The driver's demand follows what is wanted. */
static void ask(struct node *node)
{
    bool wants = atomic_load(&shared->granted) < atomic_load(&shared->wanted);
    if (!node->joined || wants == node->asks)
        return;
    reeve_process_id process = reeve_process_id_make(node->number, 1);
    struct reeve_class class = {.job = process, .cpu_milli = 1000};
    node->asks = wants;
    if (wants) {
        say(node, &(struct reeve_message){
                      .kind = REEVE_MESSAGE_JOB_BEGIN, .process = process, .text = "crowd"});
        atomic_store(&shared->since_ns, reeve_clock_monotonic_ns());
    }
    say(node,
        &(struct reeve_message){
            .kind = REEVE_MESSAGE_DEMAND, .process = process, .class = class, .count = wants});
}

static void give_back(struct node *node)
{
    if (node->lease == 0)
        return;
    atomic_store(&shared->since_ns, reeve_clock_monotonic_ns());
    say(node, &(struct reeve_message){.kind = REEVE_MESSAGE_ENDED, .lease = node->lease});
    node->lease = 0;
    atomic_fetch_sub(&shared->held, 1);
}

static void granted(struct node *node, const struct reeve_message *message)
{
    uint64_t now_ns = reeve_clock_monotonic_ns();
    uint32_t count = atomic_load(&shared->granted);
    atomic_fetch_add(&shared->held, node->lease == 0);
    node->lease = message->lease;
    if (count >= atomic_load(&shared->wanted))
        return; /* on its way when the demand was withdrawn: until the next heartbeat */
    shared->took_ns[count] = now_ns - atomic_load(&shared->since_ns);
    atomic_store(&shared->granted, count + 1);
    if (count + 1 < atomic_load(&shared->wanted))
        give_back(node);
}

static void on_timer(uv_timer_t *timer)
{
    struct node *node = timer->data;
    if (node->head == 0) {
        if (reeve_link_dial(node->link, head_address) != REEVE_OK)
            redial_later(node);
        return;
    }
    if (atomic_load(&shared->granted) >= atomic_load(&shared->wanted))
        give_back(node);
    say(node, &(struct reeve_message){.kind = REEVE_MESSAGE_HEARTBEAT,
                  .memory_bytes = 1u << 30,
                  .count = node->number,
                  .object_count = 1});
}

/* --- links ------------------------------------------------------------------------------------ */

static void on_peer_up(void *arg, reeve_peer peer, const struct reeve_peer_info *info)
{
    struct node *node = arg;
    (void)info;
    node->head = peer;
    uv_timer_stop(&node->timer);
    struct reeve_message join = {.kind = REEVE_MESSAGE_JOIN,
        .node = node->number,
        .uid = node->uid,
        .incarnation = node->incarnation,
        .cpu_milli = node->drives ? 0 : 1000,
        .memory_bytes = 1u << 30};
    snprintf(join.host, sizeof join.host, "crowd-%d", (int)getpid());
    snprintf(join.address, sizeof join.address, "%s", reeve_link_address(node->link));
    say(node, &join);
}

static void on_peer_down(void *arg, reeve_peer peer, int code, const char *text)
{
    struct node *node = arg;
    (void)code;
    (void)text;
    if (peer != node->head)
        return;
    node->head = 0;
    node->asks = false;
    if (node->joined)
        atomic_fetch_sub(&shared->joined, 1);
    node->joined = false;
    node->backoff_ms = BACKOFF_MIN_MS;
    redial_later(node);
}

static void on_dial_failed(void *arg, const char *address, int code, const char *text)
{
    struct node *node = arg;
    (void)address;
    uint32_t bit = (uint32_t)-code % 32;
    if (!(atomic_fetch_or(&shared->codes, 1u << bit) & 1u << bit))
        snprintf(
            shared->texts[bit], sizeof shared->texts[bit], "%s %s", reeve_error_name(code), text);
    if (node->head == 0)
        redial_later(node);
}

static void on_message(void *arg, reeve_peer peer, const Reeve__Message *message)
{
    struct node *node = arg;
    struct reeve_message control;
    if (peer != node->head || message->body_case != REEVE__MESSAGE__BODY_CONTROL ||
        reeve_control_decode(message->control, &control) != REEVE_OK)
        return;
    if (control.kind == REEVE_MESSAGE_WELCOME) {
        atomic_fetch_add(&shared->joined, node->joined ? 0 : 1);
        node->joined = true;
        node->number = control.node;
        node->backoff_ms = BACKOFF_MIN_MS;
        say(node, &(struct reeve_message){.kind = REEVE_MESSAGE_PEER_UP, .node = node->number});
        uv_timer_start(&node->timer, on_timer, control.count, control.count);
    } else if (control.kind == REEVE_MESSAGE_GRANT) {
        granted(node, &control);
    }
}

static void on_rejected(void *arg, int code, const char *text)
{
    (void)arg;
    (void)code;
    (void)text;
}

static bool node_open(struct node *node, bool drives)
{
    char text[REEVE_TEXT_SIZE];
    node->drives = drives;
    node->backoff_ms = BACKOFF_MIN_MS;
    randombytes_buf(&node->uid, sizeof node->uid);
    randombytes_buf(&node->incarnation, sizeof node->incarnation);
    struct reeve_link_options options = {.loop = &loop,
        .role = REEVE_ROLE_NODE,
        .uid = node->uid,
        .incarnation = node->incarnation,
        .key = key,
        .listen =
            reeve_address_is_tls(head_address) ? "tls+tcp://127.0.0.1:0" : "tcp://127.0.0.1:0",
        .callbacks = {.peer_up = on_peer_up,
            .peer_down = on_peer_down,
            .dial_failed = on_dial_failed,
            .message = on_message,
            .rejected = on_rejected},
        .arg = node};
    if (reeve_link_open(&options, &node->link, text) != REEVE_OK) {
        fprintf(stderr, "crowd: %s\n", text);
        return false;
    }
    uv_timer_init(&loop, &node->timer);
    node->timer.data = node;
    uv_timer_start(&node->timer, on_timer, 0, 0);
    return true;
}

/* --- processes -------------------------------------------------------------------------------- */

static void on_look(uv_timer_t *timer)
{
    ask(timer->data);
}

/* Dies with its parent, which ends it. */
static int run_nodes(uint32_t count, bool first)
{
    static uv_timer_t look;
    struct node *nodes = calloc(count, sizeof *nodes);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    uv_loop_init(&loop);
    for (uint32_t i = 0; i < count; i++)
        if (!node_open(&nodes[i], first && i == 0))
            return 1;
    if (first) {
        uv_timer_init(&loop, &look);
        look.data = &nodes[0];
        uv_timer_start(&look, on_look, LOOK_MS, LOOK_MS);
    }
    return uv_run(&loop, UV_RUN_DEFAULT);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void tell_grants(void)
{
    uint32_t count = atomic_load(&shared->granted);
    static uint64_t sorted[GRANTS_MAX];
    memcpy(sorted, shared->took_ns, count * sizeof sorted[0]);
    qsort(sorted, count, sizeof sorted[0], compare);
    printf("granted %u %.1f %.1f\n", count, (double)sorted[count / 2] / 1e3,
        (double)sorted[count - 1] / 1e3);
    atomic_store(&shared->wanted, 0);
}

static uint32_t asked;

/* When the last lease of those before has been given back. */
static void begin_grants(void)
{
    if (asked == 0 || atomic_load(&shared->held) > 0)
        return;
    atomic_store(&shared->granted, 0);
    atomic_store(&shared->wanted, asked);
    asked = 0;
}

/* Until the end of the input. */
static void watch(void)
{
    uint64_t began_ns = reeve_clock_monotonic_ns();
    uint32_t told = 0, told_codes = 0;
    char line[80];
    for (;;) {
        struct pollfd input = {.fd = 0, .events = POLLIN};
        if (poll(&input, 1, LOOK_MS) > 0) {
            if (!fgets(line, sizeof line, stdin))
                return;
            unsigned count;
            if (sscanf(line, "grant %u", &count) == 1 && count > 0 && count <= GRANTS_MAX)
                asked = count;
        }
        begin_grants();
        uint32_t joined = atomic_load(&shared->joined), codes = atomic_load(&shared->codes);
        if (joined != told)
            printf(
                "joined %u %.3f\n", joined, (double)(reeve_clock_monotonic_ns() - began_ns) / 1e9);
        told = joined;
        for (uint32_t bit = 0; bit < 32; bit++)
            if ((codes & ~told_codes) & 1u << bit)
                printf("failed %s\n", shared->texts[bit]);
        told_codes = codes;
        uint32_t wanted = atomic_load(&shared->wanted);
        if (wanted > 0 && atomic_load(&shared->granted) >= wanted)
            tell_grants();
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    char text[REEVE_TEXT_SIZE];
    long count = argc >= 4 ? strtol(argv[3], NULL, 10) : 0;
    if (argc < 4 || count < 1 || reeve_key_load(argv[2], key, text) != REEVE_OK) {
        fprintf(stderr, "usage: crowd ADDRESS KEY_FILE NODES [PROCESSES]\n");
        return 2;
    }
    head_address = argv[1];
    long processes = argc > 4 ? strtol(argv[4], NULL, 10) : (count + A_PROCESS - 1) / A_PROCESS;
    (void)reeve_descriptor_raise_limit();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || sodium_init() < 0)
        return 1;
    pid_t *children = calloc((size_t)processes, sizeof *children);
    for (long i = 0; i < processes; i++) {
        long share = count / processes + (i < count % processes);
        children[i] = fork();
        if (children[i] == 0)
            _exit(run_nodes((uint32_t)share, i == 0));
    }
    watch();
    for (long i = 0; i < processes; i++)
        kill(children[i], SIGKILL);
    while (wait(NULL) > 0)
        continue;
    return 0;
}
