/* See link_ends.h. */
#include "tests/unit/wire/link_ends.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reeve_errors.h>

uv_loop_t ends_loop;
const uint8_t ends_key[REEVE_KEY_SIZE] = {7}, ends_other_key[REEVE_KEY_SIZE] = {8};
const char *ends_any_port;

static void on_up(void *arg, reeve_peer peer, const struct reeve_peer_info *info)
{
    struct end *end = arg;
    end->ups++;
    end->peer = peer;
    end->info = *info;
}

static void on_down(void *arg, reeve_peer peer, int code, const char *text)
{
    struct end *end = arg;
    end->downs++;
    if (end->peer == peer)
        end->peer = 0;
    end->code = code;
    snprintf(end->text, sizeof end->text, "%s", text);
}

static void on_dial_failed(void *arg, const char *address, int code, const char *text)
{
    struct end *end = arg;
    (void)address;
    end->dials_failed++;
    end->code = code;
    snprintf(end->text, sizeof end->text, "%s", text);
}

static void on_closed(void *arg)
{
    ((struct end *)arg)->closed = true;
}

static void on_message(void *arg, reeve_peer peer, const Reeve__Message *message)
{
    struct end *end = arg;
    end->messages++;
    if (message->body_case == REEVE__MESSAGE__BODY_CONTROL) {
        if (message->control->count != end->next_count++)
            end->in_order = false;
    } else if (message->body_case == REEVE__MESSAGE__BODY_OBJECT_CHUNK) {
        if (message->object_chunk->offset != end->bytes)
            end->in_order = false;
        end->bytes += message->object_chunk->data.len;
    }
    if (end->close_link_on_message)
        reeve_link_close(end->link, on_closed, end);
    if (end->close_on_message)
        reeve_link_close_peer(end->link, peer, REEVE_ESHUTDOWN, "enough");
}

static void on_drained(void *arg, reeve_peer peer)
{
    struct end *end = arg;
    (void)peer;
    end->drains++;
}

static void on_rejected(void *arg, int code, const char *text)
{
    struct end *end = arg;
    end->rejections++;
    if (getenv("REEVE_TEST_VERBOSE") != NULL)
        print_message("%lu rejected %d %s\n", end->uid, code, text);
    end->code = code;
    snprintf(end->text, sizeof end->text, "%s", text);
}

int end_try_open(struct end *end, uint64_t uid, const char *listen, const char *advertise,
    const uint8_t *with_key, uint32_t timeout_ms, char *text)
{
    memset(end, 0, sizeof *end);
    end->uid = uid;
    end->in_order = true;
    struct reeve_link_options options = {
        .loop = &ends_loop,
        .role = REEVE_ROLE_NODE,
        .uid = uid,
        .incarnation = uid * 10,
        .key = with_key,
        .listen = listen,
        .advertise = advertise,
        .handshake_timeout_ms = timeout_ms,
        .callbacks = {on_up, on_down, on_dial_failed, on_message, on_drained, on_rejected},
        .arg = end,
    };
    return reeve_link_open(&options, &end->link, text);
}

void end_open(struct end *end, uint64_t uid)
{
    char text[REEVE_TEXT_SIZE];
    assert_int_equal(end_try_open(end, uid, ends_any_port, NULL, ends_key, 0, text), REEVE_OK);
}

unsigned end_port(const struct end *end)
{
    return (unsigned)strtoul(strrchr(reeve_link_address(end->link), ':') + 1, NULL, 10);
}

void ends_on_guard(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

void end_close(struct end *end)
{
    reeve_link_close(end->link, on_closed, end);
    RUN_UNTIL(end->closed);
}

void ends_connect(struct end *from, struct end *to)
{
    assert_int_equal(reeve_link_dial(from->link, reeve_link_address(to->link)), REEVE_OK);
    RUN_UNTIL(from->ups == 1 && to->ups == 1);
}

int ends_setup(void **state)
{
    (void)state;
    ends_any_port = "tcp://127.0.0.1:0";
    return uv_loop_init(&ends_loop);
}

int ends_setup_tls(void **state)
{
    int error = ends_setup(state);
    ends_any_port = "tls+tcp://127.0.0.1:0";
    return error;
}

int ends_teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        uv_run(&ends_loop, UV_RUN_NOWAIT);
    return uv_loop_close(&ends_loop); /* fails when anything was left open */
}

int end_send(struct end *end, uint64_t count)
{
    struct reeve_message message = {.kind = REEVE_MESSAGE_HEARTBEAT, .count = count};
    return reeve_link_send_control(end->link, end->peer, &message);
}
