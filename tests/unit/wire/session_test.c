/* The table of sessions in a simulated network: two daemons whose connections deliver what they
 * carry in any order that TCP and nng allow (each connection keeps its own order, and nothing
 * else is ordered). One seed is one run. Whatever the order, when nothing is left to deliver,
 * each dial has come to an end and both agree on one session, whose keys match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include <reeve_errors.h>

#include "runtime/base/prng.h"
#include "runtime/wire/session.h"

#define NODES       2
#define CONNECTIONS 64
#define QUEUE       8
#define TIMEOUT_NS  1000000000ull
#define WALL_MS     1700000000000ull

/* What a connection still has to tell: to the dialling side, and to the listening side. */
enum note { CONNECTED, LOST, ADDED, DATA, REMOVED };

struct connection {
    uint64_t session; /* of the dialling side */
    int from, to;
    bool closed;
    bool added; /* the listening side knows of it */
    struct {
        enum note note;
        size_t size;
        uint8_t data[REEVE_HANDSHAKE_SIZE_MAX];
    } to_dialler[QUEUE], to_listener[QUEUE];
    int to_dialler_count, to_listener_count;
};

struct daemon {
    struct reeve_sessions sessions;
    int ups, downs, failed, rejected;
    uint64_t up; /* the session; 0: none */
    int code;
    char text[REEVE_TEXT_SIZE];
};

static struct daemon daemons[NODES];
static struct connection connections[CONNECTIONS];
static int connection_count;
static struct reeve_prng prng;
static uint64_t now_ns;
static bool cut_off; /* daemon 0: nobody can connect to it */

static uint64_t any(uint64_t below)
{
    return reeve_prng_below(&prng, below);
}

static void random_bytes(void *arg, uint8_t *out, size_t size)
{
    (void)arg;
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)reeve_prng_next(&prng);
}

static int node_of(const char *address)
{
    return (int)strtoul(strrchr(address, ':') + 1, NULL, 10) - 1;
}

static void note_dialler(struct connection *c, enum note note)
{
    assert_true(c->to_dialler_count < QUEUE);
    c->to_dialler[c->to_dialler_count++].note = note;
}

static void note_listener(struct connection *c, enum note note, const void *data, size_t size)
{
    assert_true(c->to_listener_count < QUEUE);
    c->to_listener[c->to_listener_count].note = note;
    c->to_listener[c->to_listener_count].size = size;
    if (size != 0)
        memcpy(c->to_listener[c->to_listener_count].data, data, size);
    c->to_listener_count++;
}

static struct connection *outbox(int node, uint64_t session)
{
    for (int i = 0; i < connection_count; i++)
        if (connections[i].from == node && connections[i].session == session)
            return &connections[i];
    return NULL;
}

static void execute(int node)
{
    struct daemon *d = &daemons[node];
    struct reeve_session_command command;
    while (reeve_sessions_next(&d->sessions, &command)) {
        struct connection *c;
        switch (command.kind) {
        case REEVE_SESSION_OPEN:
            if (cut_off && node_of(command.address) == 0) {
                reeve_sessions_not_connected(
                    &d->sessions, command.session, REEVE_EREFUSED, "nothing listens");
                break;
            }
            assert_true(connection_count < CONNECTIONS);
            c = &connections[connection_count++];
            memset(c, 0, sizeof *c);
            c->session = command.session;
            c->from = node;
            c->to = node_of(command.address);
            note_dialler(c, CONNECTED);
            note_listener(c, ADDED, NULL, 0);
            break;
        case REEVE_SESSION_SEND:
            c = outbox(node, command.session);
            if (!c->closed)
                note_listener(c, DATA, command.data, command.size);
            break;
        case REEVE_SESSION_CLOSE:
            c = outbox(node, command.session);
            if (c == NULL) /* it was never made */
                break;
            c->to_dialler_count = 0;
            if (!c->closed) {
                if (any(2) && c->to_listener_count > 0 &&
                    c->to_listener[c->to_listener_count - 1].note == DATA)
                    c->to_listener_count--; /* what nng had not sent is dropped */
                note_listener(c, REMOVED, NULL, 0);
            }
            c->closed = true;
            break;
        case REEVE_SESSION_DROP_PIPE:
            c = &connections[command.pipe - 1];
            c->to_listener_count = 0;
            if (!c->closed)
                note_dialler(c, LOST);
            c->closed = true;
            break;
        case REEVE_SESSION_PEER_UP:
            assert_int_equal(d->up, 0);
            d->up = command.session;
            d->ups++;
            break;
        case REEVE_SESSION_PEER_DOWN:
            assert_int_equal(d->up, command.session);
            d->up = 0;
            d->downs++;
            break;
        case REEVE_SESSION_DIAL_FAILED:
            d->failed++;
            d->code = command.code;
            memcpy(d->text, command.text, sizeof d->text);
            break;
        case REEVE_SESSION_REJECTED:
            d->rejected++;
            d->code = command.code;
            memcpy(d->text, command.text, sizeof d->text);
            break;
        }
    }
    reeve_sessions_check(&d->sessions);
}

static void deliver_to_dialler(struct connection *c)
{
    enum note note = c->to_dialler[0].note;
    c->to_dialler_count--;
    memmove(c->to_dialler, c->to_dialler + 1,
        sizeof c->to_dialler[0] * QUEUE - sizeof c->to_dialler[0]);
    struct reeve_sessions *sessions = &daemons[c->from].sessions;
    if (note == CONNECTED)
        reeve_sessions_connected(sessions, c->session, WALL_MS);
    else
        reeve_sessions_outbox_lost(sessions, c->session);
    execute(c->from);
}

static void deliver_to_listener(struct connection *c)
{
    static uint8_t data[REEVE_HANDSHAKE_SIZE_MAX];
    enum note note = c->to_listener[0].note;
    size_t size = c->to_listener[0].size;
    memcpy(data, c->to_listener[0].data, size);
    c->to_listener_count--;
    memmove(c->to_listener, c->to_listener + 1,
        sizeof c->to_listener[0] * QUEUE - sizeof c->to_listener[0]);
    struct reeve_sessions *sessions = &daemons[c->to].sessions;
    uint32_t pipe = (uint32_t)(c - connections) + 1;
    c->added = true;
    if (note == ADDED)
        reeve_sessions_pipe_added(sessions, pipe, "simulated", now_ns);
    else if (note == REMOVED)
        reeve_sessions_pipe_removed(sessions, pipe);
    else
        assert_null(reeve_sessions_receive(sessions, pipe, data, size, now_ns, WALL_MS));
    execute(c->to);
}

/* Delivers one thing, any; false when there is nothing left. */
static bool deliver(void)
{
    struct connection *ready[2 * CONNECTIONS];
    bool listener[2 * CONNECTIONS];
    uint64_t count = 0;
    for (int i = 0; i < connection_count; i++) {
        if (connections[i].to_dialler_count != 0) {
            ready[count] = &connections[i];
            listener[count++] = false;
        }
        if (connections[i].to_listener_count != 0) {
            ready[count] = &connections[i];
            listener[count++] = true;
        }
    }
    if (count == 0)
        return false;
    uint64_t at = any(count);
    if (listener[at])
        deliver_to_listener(ready[at]);
    else
        deliver_to_dialler(ready[at]);
    return true;
}

/* Some of what was on the way arrives, some does not. */
static void break_connection(struct connection *c)
{
    c->closed = true;
    c->to_listener_count = (int)any((uint64_t)c->to_listener_count + 1);
    if (c->added || c->to_listener_count != 0)
        note_listener(c, REMOVED, NULL, 0);
    note_dialler(c, LOST);
}

static void dial(int from, int to)
{
    char address[REEVE_ADDRESS_SIZE];
    /* under a name of its own, as a user may: nothing can be told from comparing addresses */
    snprintf(address, sizeof address, "tcp://%s:%d", any(2) ? "127.0.0.1" : "localhost", to + 1);
    assert_int_equal(reeve_sessions_dial(&daemons[from].sessions, address, now_ns), REEVE_OK);
    execute(from);
}

static void start(uint64_t seed, const uint8_t other_key)
{
    reeve_prng_init(&prng, seed);
    memset(daemons, 0, sizeof daemons);
    connection_count = 0;
    now_ns = 1;
    for (int i = 0; i < NODES; i++) {
        struct reeve_handshake_self self = {
            .version = REEVE_WIRE_VERSION,
            .identity = {.uid = (uint64_t)i + 100,
                .incarnation = (uint64_t)i,
                .role = 2,
                .release = "1"},
            .listen_port = (uint16_t)(i + 1),
            .key = {i == 1 ? other_key : 1},
        };
        snprintf(self.identity.address, sizeof self.identity.address, "tcp://127.0.0.1:%d", i + 1);
        reeve_sessions_init(&daemons[i].sessions, &self, TIMEOUT_NS, random_bytes, NULL);
    }
}

static void finish(void)
{
    for (int i = 0; i < NODES; i++)
        reeve_sessions_fini(&daemons[i].sessions);
}

static void check_one_session(uint64_t seed)
{
    struct daemon *a = &daemons[0], *b = &daemons[1];
    if (a->up == 0 || b->up == 0 || a->failed + b->failed + a->rejected + b->rejected != 0)
        fail_msg("seed %lu: up %lu %lu failed %d %d rejected %d %d: %s / %s", seed, a->up, b->up,
            a->failed, b->failed, a->rejected, b->rejected, a->text, b->text);
    struct reeve_session *in_a = reeve_sessions_find(&a->sessions, a->up);
    struct reeve_session *in_b = reeve_sessions_find(&b->sessions, b->up);
    assert_memory_equal(in_a->send_key, in_b->receive_key, REEVE_FRAME_KEY_SIZE);
    assert_memory_equal(in_a->receive_key, in_b->send_key, REEVE_FRAME_KEY_SIZE);
    assert_memory_not_equal(in_a->send_key, in_a->receive_key, REEVE_FRAME_KEY_SIZE);
    assert_int_equal(reeve_session_peer(in_a)->uid, 101);
    assert_int_equal(reeve_session_peer(in_b)->uid, 100);
    /* each outbox leads to the other's pipe of that session */
    assert_int_equal(outbox(0, a->up) - connections + 1, in_b->pipe);
    assert_int_equal(outbox(1, b->up) - connections + 1, in_a->pipe);
}

static void test_one_dials(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        start(seed, 1);
        int from = (int)(seed % 2);
        dial(from, 1 - from);
        while (deliver())
            ;
        check_one_session(seed);
        assert_int_equal(daemons[0].ups + daemons[1].ups, 2);
        assert_int_equal(reeve_sessions_deadline(&daemons[0].sessions), UINT64_MAX);
        assert_int_equal(reeve_sessions_deadline(&daemons[1].sessions), UINT64_MAX);
        finish();
    }
}

static void test_both_dial(void **state)
{
    (void)state;
    int flaps = 0;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        start(seed, 1);
        dial(0, 1);
        for (uint64_t steps = any(14); steps > 0; steps--)
            deliver();
        dial(1, 0);
        for (uint64_t steps = any(14); steps > 0; steps--)
            deliver();
        if (any(2))
            dial(0, 1);
        while (deliver())
            ;
        check_one_session(seed);
        flaps += daemons[0].downs + daemons[1].downs;
        /* what is left over goes with time, in silence */
        now_ns += 2 * TIMEOUT_NS;
        for (int i = 0; i < NODES; i++) {
            reeve_sessions_tick(&daemons[i].sessions, now_ns);
            execute(i);
        }
        while (deliver())
            ;
        check_one_session(seed);
        for (int i = 0; i < NODES; i++) {
            assert_int_equal(reeve_sessions_deadline(&daemons[i].sessions), UINT64_MAX);
            assert_int_equal(reeve_map64_count(&daemons[i].sessions.by_id), 1);
            assert_int_equal(reeve_map64_count(&daemons[i].sessions.by_pipe), 1);
        }
        finish();
    }
    assert_true(
        flaps < 20000 / 10); /* a session that is replaced at once should be the exception */
}

/* The connections break at any moment while they dial each other again and again: at rest there
 * are two ends of one session, or none. */
static void test_breaking(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        start(seed, 1);
        for (int i = 0; i < 6; i++) {
            int from = (int)any(2);
            dial(from, any(10) == 0 ? from : 1 - from); /* now and then, itself */
            for (uint64_t steps = any(20); steps > 0; steps--)
                deliver();
            struct connection *c = &connections[any((uint64_t)connection_count)];
            if (!c->closed && any(2)) {
                break_connection(c);
            }
        }
        while (deliver())
            ;
        struct daemon *a = &daemons[0], *b = &daemons[1];
        if (a->up != 0 && b->up != 0) {
            struct reeve_session *in_a = reeve_sessions_find(&a->sessions, a->up);
            struct reeve_session *in_b = reeve_sessions_find(&b->sessions, b->up);
            assert_memory_equal(in_a->send_key, in_b->receive_key, REEVE_FRAME_KEY_SIZE);
        }
        if ((a->up != 0) != (b->up != 0))
            fail_msg("seed %lu: one side is up", seed);
        assert_int_equal(a->ups - a->downs, a->up != 0);
        assert_int_equal(b->ups - b->downs, b->up != 0);
        /* and a further dial is heard, whatever is left of the former ones */
        dial(1, 0);
        while (deliver())
            ;
        if (a->up == 0 || b->up == 0)
            fail_msg("seed %lu: a dial came to nothing", seed);
        finish();
    }
}

/* A session that ends while the other handshake of two is still under way, and new dials at
 * once: they are not taken for the old ones, whose purpose is fulfilled. */
static void test_redial(void **state)
{
    (void)state;
    int lost = 0;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        start(seed, 1);
        struct daemon *a = &daemons[0], *b = &daemons[1];
        dial(0, 1);
        dial(1, 0);
        while ((a->up == 0 || b->up == 0) && deliver())
            ;
        assert_true(a->up != 0 && b->up != 0);
        struct connection *c = outbox(0, a->up);
        if (!c->closed)
            break_connection(c);
        while ((a->ups > a->downs || b->ups > b->downs) && deliver())
            ;
        int ups = b->ups;
        dial(0, 1);
        dial(1, 0);
        while (deliver())
            ;
        now_ns += 2 * TIMEOUT_NS;
        for (int i = 0; i < NODES; i++) {
            reeve_sessions_tick(&daemons[i].sessions, now_ns);
            execute(i);
        }
        while (deliver())
            ;
        if ((a->up == 0 || b->up == 0) && b->failed == 0 && b->ups == ups)
            fail_msg("seed %lu: a dial was never heard of again", seed);
        if (a->failed + b->failed + a->rejected + b->rejected != 0)
            fail_msg("seed %lu: %s / %s", seed, a->text, b->text);
        lost += a->up == 0;
        finish();
    }
    assert_true(lost < 20000 / 100); /* that it has to be said again should be the exception */
}

static void test_wrong_key(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        start(seed, 2);
        dial(0, 1);
        while (deliver())
            ;
        assert_int_equal(daemons[0].failed, 1);
        assert_int_equal(daemons[0].code, REEVE_EKEY);
        assert_non_null(strstr(daemons[0].text, "refused our cluster key"));
        assert_int_equal(daemons[1].rejected, 1);
        assert_int_equal(daemons[1].code, REEVE_EKEY);
        assert_int_equal(connection_count, 1); /* it has made nobody dial */
        finish();
    }
}

/* Who cannot be reached at the address that it names is told that, not that its key is wrong,
 * though both sides' time is over at once, and the other side sees it first. */
static void test_cut_off(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        start(seed, 1);
        cut_off = true;
        dial(0, 1);
        while (deliver())
            ;
        assert_int_equal(daemons[1].code, REEVE_EREFUSED);
        assert_non_null(strstr(daemons[1].text, "--advertise"));
        now_ns += TIMEOUT_NS;
        for (int i = NODES - 1; i >= 0; i--) {
            reeve_sessions_tick(&daemons[i].sessions, now_ns);
            execute(i);
            while (deliver())
                ;
        }
        assert_int_equal(daemons[0].failed, 1);
        assert_int_equal(daemons[0].code, REEVE_ETIMEDOUT);
        assert_non_null(strstr(daemons[0].text, "--advertise"));
        now_ns += TIMEOUT_NS;
        reeve_sessions_tick(&daemons[1].sessions, now_ns);
        execute(1);
        while (deliver())
            ;
        for (int i = 0; i < NODES; i++)
            assert_int_equal(reeve_map64_count(&daemons[i].sessions.by_pipe), 0);
        cut_off = false;
        finish();
    }
}

/* Both learn why. */
static void test_other_version(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        start(seed, 1);
        daemons[1].sessions.self.version = 4;
        dial(0, 1);
        while (deliver())
            ;
        for (int i = 0; i < NODES; i++) {
            assert_int_equal(daemons[i].code, REEVE_EVERSION);
            assert_non_null(strstr(daemons[i].text, "version 4"));
            assert_non_null(strstr(daemons[i].text, "version 7"));
            assert_int_equal(daemons[i].ups, 0);
            assert_int_equal(reeve_map64_count(&daemons[i].sessions.by_id), 0);
            assert_int_equal(reeve_map64_count(&daemons[i].sessions.by_pipe), 0);
        }
        assert_int_equal(daemons[0].failed, 1);
        assert_int_equal(daemons[1].rejected, 1);
        finish();
    }
}

static void test_replayed_hello(void **state)
{
    (void)state;
    start(1, 1);
    dial(0, 1);
    deliver_to_dialler(&connections[0]);
    deliver_to_listener(&connections[0]); /* added */
    static uint8_t hello[REEVE_HANDSHAKE_SIZE_MAX];
    size_t size = connections[0].to_listener[0].size;
    memcpy(hello, connections[0].to_listener[0].data, size);
    while (deliver())
        ;
    check_one_session(1);
    reeve_sessions_pipe_added(&daemons[1].sessions, 60, "attacker", now_ns);
    int before = connection_count;
    connections[59] = (struct connection){.from = 0, .to = 1, .closed = true};
    assert_null(reeve_sessions_receive(&daemons[1].sessions, 60, hello, size, now_ns, WALL_MS));
    execute(1);
    assert_int_equal(connection_count, before);
    assert_int_equal(daemons[1].rejected, 1);
    assert_non_null(strstr(daemons[1].text, "seen before"));
    finish();
}

/* Frames of a session that is up: order, macs, goodbye. */
static void test_frames(void **state)
{
    (void)state;
    for (int what = 0; what < 6; what++) {
        start(1, 1);
        dial(0, 1);
        while (deliver())
            ;
        struct reeve_session *in_a = reeve_sessions_find(&daemons[0].sessions, daemons[0].up);
        struct reeve_session *in_b = reeve_sessions_find(&daemons[1].sessions, daemons[1].up);
        struct reeve_sessions *b = &daemons[1].sessions;
        uint8_t first[60] = {0}, second[60] = {0}, copy[60];
        reeve_session_seal(in_a, first, sizeof first, REEVE_FRAME_MESSAGES);
        memcpy(copy, first, sizeof copy);
        reeve_session_seal(in_a, second, sizeof second, REEVE_FRAME_MESSAGES);
        uint32_t pipe = in_b->pipe;
        assert_ptr_equal(reeve_sessions_receive(b, pipe, first, 60, now_ns, WALL_MS), in_b);
        struct reeve_session *got = in_b;
        switch (what) {
        case 0: /* in order */
            got = reeve_sessions_receive(b, pipe, second, 60, now_ns, WALL_MS);
            assert_ptr_equal(got, in_b);
            finish();
            continue;
        case 1: /* replayed */
            got = reeve_sessions_receive(b, pipe, copy, 60, now_ns, WALL_MS);
            break;
        case 2: /* changed */
            second[40] ^= 1;
            got = reeve_sessions_receive(b, pipe, second, 60, now_ns, WALL_MS);
            break;
        case 3: /* cut */ got = reeve_sessions_receive(b, pipe, second, 59, now_ns, WALL_MS); break;
        case 4: /* of the other direction */
            reeve_session_seal(in_b, second, 60, REEVE_FRAME_MESSAGES);
            reeve_session_seal(in_b, second, 60, REEVE_FRAME_MESSAGES);
            got = reeve_sessions_receive(b, pipe, second, 60, now_ns, WALL_MS);
            break;
        case 5: /* one left out */
            reeve_session_seal(in_a, second, 60, REEVE_FRAME_MESSAGES);
            got = reeve_sessions_receive(b, pipe, second, 60, now_ns, WALL_MS);
            break;
        }
        assert_null(got);
        execute(1);
        assert_int_equal(daemons[1].rejected, 1);
        assert_int_equal(daemons[1].downs, 1);
        assert_int_equal(daemons[1].code, REEVE_EPROTOCOL);
        while (deliver())
            ;
        assert_int_equal(daemons[0].downs, 1);
        finish();
    }
}

static void test_too_many_strangers(void **state)
{
    (void)state;
    start(1, 1);
    for (uint32_t i = 1; i <= REEVE_STRANGER_PIPES_MAX + 10; i++)
        reeve_sessions_pipe_added(&daemons[0].sessions, i, "stranger", now_ns + i);
    struct reeve_session_command command;
    uint32_t dropped = 0, rejected = 0;
    while (reeve_sessions_next(&daemons[0].sessions, &command)) {
        if (command.kind == REEVE_SESSION_DROP_PIPE)
            assert_int_equal(command.pipe, ++dropped); /* the oldest first */
        else
            rejected++;
    }
    assert_int_equal(dropped, 10);
    assert_int_equal(rejected, 10);
    reeve_sessions_check(&daemons[0].sessions);
    assert_int_equal(reeve_sessions_deadline(&daemons[0].sessions), now_ns + 11 + TIMEOUT_NS);
    reeve_sessions_tick(&daemons[0].sessions, now_ns + 11 + TIMEOUT_NS);
    while (reeve_sessions_next(&daemons[0].sessions, &command))
        if (command.kind == REEVE_SESSION_DROP_PIPE)
            assert_int_equal(command.pipe, ++dropped);
    assert_int_equal(dropped, 11);
    finish();
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_dials),
        cmocka_unit_test(test_both_dial),
        cmocka_unit_test(test_breaking),
        cmocka_unit_test(test_redial),
        cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_other_version),
        cmocka_unit_test(test_replayed_hello),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_too_many_strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
