/* Drives a table of sessions with a program read from the input: dials, pipes that come and go,
 * outboxes that connect and fail, time, bytes of a stranger, and messages of a peer that holds
 * the key (so that what lies behind the macs is reached), whole or with a byte changed. After
 * every step the table is audited; what it hands out must be a frame the peer has really sealed. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "runtime/base/assert.h"
#include "runtime/base/prng.h"
#include "runtime/wire/session.h"

#define WALL_MS 1700000000000ull
#define PIPES   12

struct input {
    const uint8_t *data;
    size_t size;
};

static struct reeve_sessions sessions;
static struct reeve_prng prng;
static struct reeve_handshake_self peer;
static uint64_t now_ns;

/* What the peer knows: what we have sent it last, by type, and its side of the handshakes. */
static uint8_t sent[8][REEVE_HANDSHAKE_SIZE_MAX];
static size_t sent_size[8];
static struct reeve_handshake peer_dials, peer_answers;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void random_bytes(void *arg, uint8_t *out, size_t size)
{
    (void)arg;
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)reeve_prng_next(&prng);
}

static uint8_t take(struct input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

static struct reeve_handshake_self self_of(uint64_t uid)
{
    struct reeve_handshake_self self = {
        .version = REEVE_WIRE_VERSION,
        .identity = {.uid = uid, .role = 2, .release = "1"},
        .listen_port = (uint16_t)uid,
        .key = {1},
    };
    snprintf(
        self.identity.address, sizeof self.identity.address, "tcp://127.0.0.1:%u", (unsigned)uid);
    return self;
}

static void settle(void)
{
    struct reeve_session_command command;
    while (reeve_sessions_next(&sessions, &command)) {
        if (command.kind != REEVE_SESSION_SEND)
            continue;
        REEVE_ASSERT(command.size <= sizeof command.data);
        unsigned type = command.data[3];
        REEVE_ASSERT(type < 8);
        memcpy(sent[type], command.data, command.size);
        sent_size[type] = command.size;
    }
    reeve_sessions_check(&sessions);
}

static void receive(uint32_t pipe, uint8_t *frame, size_t size, bool authentic)
{
    struct reeve_session *session =
        reeve_sessions_receive(&sessions, pipe, frame, size, now_ns, WALL_MS);
    REEVE_ASSERT(session == NULL || authentic);
}

/* A message of the peer, made with the key. Returns its size; 0 when there is nothing to say. */
static size_t peer_message(unsigned what, uint8_t *out)
{
    char text[REEVE_TEXT_SIZE];
    uint8_t nonce[REEVE_NONCE_SIZE];
    random_bytes(NULL, nonce, sizeof nonce);
    switch (what % 5) {
    case 0:
        return reeve_handshake_hello(
            &peer_dials, &peer, sessions.self.identity.address, WALL_MS, nonce, out);
    case 1:
    case 2:
        if (reeve_handshake_read_hello(&peer_answers, &peer, sent[REEVE_FRAME_HELLO],
                sent_size[REEVE_FRAME_HELLO], WALL_MS, text) != 0)
            return 0;
        return what % 5 == 1 ? reeve_handshake_challenge(&peer_answers, &peer, nonce, out)
                             : reeve_handshake_refused(&peer_answers, &peer, -1, "no", out);
    case 3:
        if (reeve_handshake_read_challenge(&peer_dials, &peer, sent[REEVE_FRAME_CHALLENGE],
                sent_size[REEVE_FRAME_CHALLENGE], text) != 0)
            return 0;
        return reeve_handshake_proof(&peer_dials, &peer, out);
    default:
        return reeve_handshake_hello(
            &peer_dials, &sessions.self, sessions.self.identity.address, WALL_MS, nonce, out);
    }
}

/* A frame of a peer whose session is up, whole or changed; or a protobuf goodbye of any bytes. */
static void peer_frame(struct input *input, uint8_t *frame)
{
    uint8_t pick = take(input), change = take(input);
    size_t size = REEVE_FRAME_HEADER_SIZE + take(input) % 32;
    for (size_t i = REEVE_FRAME_HEADER_SIZE; i < size; i++)
        frame[i] = take(input);
    REEVE_LIST_EACH(node, &sessions.up)
    {
        struct reeve_session *session = REEVE_LIST_ENTRY(node, struct reeve_session, node);
        enum reeve_frame_type type = pick & 1 ? REEVE_FRAME_MESSAGES : REEVE_FRAME_GOODBYE;
        reeve_frame_seal(frame, size, type, session->received + 1, session->receive_key);
        if (change != 0)
            frame[change % size] ^= change;
        receive(session->pipe, frame, size, change == 0 && type == REEVE_FRAME_MESSAGES);
        return;
    }
}

static void step(struct input *input)
{
    static uint8_t frame[REEVE_HANDSHAKE_SIZE_MAX];
    uint8_t what = take(input), argument = take(input);
    uint64_t id = sessions.next_id - 1 - argument % 4;
    uint32_t pipe = 1 + argument % PIPES;
    switch (what % 12) {
    case 0: {
        static const char *const addresses[] = {
            "tcp://127.0.0.1:2", "tcp://localhost:2", "tcp://127.0.0.1:1"};
        reeve_sessions_dial(&sessions, addresses[argument % 3], now_ns);
        break;
    }
    case 1: reeve_sessions_connected(&sessions, id, WALL_MS); break;
    case 2: reeve_sessions_outbox_lost(&sessions, id); break;
    case 3: {
        const struct reeve_session *session = reeve_map64_get(&sessions.by_id, id);
        if (session != NULL && !session->connected)
            reeve_sessions_not_connected(&sessions, id, -1, "why");
        break;
    }
    case 4:
        if (reeve_map64_get(&sessions.by_pipe, pipe) == NULL)
            reeve_sessions_pipe_added(&sessions, pipe, "fuzz", now_ns);
        break;
    case 5: reeve_sessions_pipe_removed(&sessions, pipe); break;
    case 6: {
        size_t size = take(input);
        for (size_t i = 0; i < size; i++)
            frame[i] = take(input);
        receive(pipe, frame, size, false);
        break;
    }
    case 7:
    case 8: {
        uint8_t kind = take(input), change = what % 12 == 8 ? take(input) : 0;
        size_t size = peer_message(kind, frame);
        if (size == 0)
            break;
        if (change != 0)
            frame[(size_t)change * 4 % size] ^= change;
        receive(pipe, frame, size, false);
        break;
    }
    case 9:
        now_ns += (uint64_t)argument * 10000000;
        reeve_sessions_tick(&sessions, now_ns);
        break;
    case 10: peer_frame(input, frame); break;
    case 11: {
        struct reeve_session *session = reeve_sessions_find(&sessions, id);
        if (session != NULL)
            reeve_sessions_close(&sessions, session, -1, "enough", now_ns);
        break;
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (sodium_init() < 0)
        return 0;
    struct input input = {data, size};
    struct reeve_handshake_self self = self_of(1);
    peer = self_of(2);
    peer.identity.uid = take(&input) % 2 ? 2 : UINT64_MAX;
    self.identity.uid = 1000;
    now_ns = 1;
    reeve_prng_init(&prng, 1);
    memset(sent_size, 0, sizeof sent_size);
    memset(&peer_dials, 0, sizeof peer_dials);
    memset(&peer_answers, 0, sizeof peer_answers);
    reeve_sessions_init(&sessions, &self, 1000000000, random_bytes, NULL);
    while (input.size != 0) {
        step(&input);
        settle();
    }
    for (int i = 0; i < 2; i++) { /* a pipe whose owner we cannot reach has its time twice */
        now_ns += 10000000000ull;
        reeve_sessions_tick(&sessions, now_ns);
        settle();
    }
    REEVE_ASSERT(reeve_sessions_deadline(&sessions) == UINT64_MAX);
    reeve_sessions_fini(&sessions);
    return 0;
}
