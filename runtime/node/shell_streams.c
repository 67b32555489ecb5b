/* Streams of pieces between this daemon and its peers: the store's shell on one side, wire/bulk.h
 * on the other. A peer has streams while it has a session; where ours listen is told with each
 * pull.
 *
 * Between daemons of one machine that talk over unix sockets there are none, nor where the address
 * has no port left: pieces go with the sessions then. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/errors.h"
#include "runtime/node/shell_daemon.h"
#include "runtime/wire/address.h"
#include "runtime/wire/bulk.h"

static uint8_t *place(void *arg, uint32_t node, uint64_t number, uint32_t length)
{
    const struct daemon *daemon = arg;
    return reeve_store_shell_place(daemon->store, node, number, length);
}

static void landed(void *arg, uint32_t node, const struct reeve_bulk_header *header, bool good)
{
    struct daemon *daemon = arg;
    reeve_store_shell_landed(
        daemon->store, node, header->number, header->size, header->other, good);
    daemon_objects_arm(daemon);
}

static void sent(void *arg, uint64_t serial, bool good)
{
    struct daemon *daemon = arg;
    reeve_store_shell_stream_sent(daemon->store, serial, good);
    daemon_objects_arm(daemon);
}

static void lost(void *arg, uint32_t node, int code, const char *text)
{
    struct daemon *daemon = arg;
    reeve_log(REEVE_LOG_WARN, "REEVE-STREAM-LOST", "node=%u code=%s why=%s", node,
        reeve_error_name(code), text);
    reeve_store_shell_stream_lost(daemon->store, node);
    daemon_objects_arm(daemon);
}

static void rejected(void *arg, int code, const char *text)
{
    (void)arg;
    reeve_log(
        REEVE_LOG_WARN, "REEVE-STREAM-REJECTED", "code=%s why=%s", reeve_error_name(code), text);
}

/* The host of our inbox, and the streams' port. */
static void advertise(struct daemon *daemon)
{
    struct reeve_address address;
    char why[REEVE_TEXT_SIZE];
    if (reeve_address_parse(reeve_link_address(daemon->link), &address, why) != REEVE_OK)
        return;
    address.port = address.port_last = reeve_bulk_port(daemon->bulk);
    reeve_address_format(&address, daemon->stream_address);
}

void daemon_streams_open(struct daemon *daemon, const char *listen)
{
    struct reeve_address address;
    char why[REEVE_TEXT_SIZE];
    if (reeve_address_parse(listen, &address, why) != REEVE_OK ||
        address.scheme == REEVE_ADDRESS_ABSTRACT)
        return;
    if (address.port == address.port_last) /* taken by the inbox */
        address.port = address.port_last = 0;
    struct reeve_bulk_options options = {.loop = &daemon->loop,
        .listen = &address,
        .tls = reeve_link_tls(daemon->link),
        .uid = daemon->uid,
        .callbacks =
            {.place = place, .landed = landed, .sent = sent, .lost = lost, .rejected = rejected},
        .arg = daemon};
    int error = reeve_bulk_open(&options, &daemon->bulk);
    if (error == REEVE_OK)
        advertise(daemon);
    else
        reeve_log(REEVE_LOG_WARN, "REEVE-STREAMS-NONE", "code=%s listen=%s",
            reeve_error_name(error), listen);
}

void daemon_streams_peer_up(struct daemon *daemon, const struct daemon_peer *peer, uint64_t uid)
{
    uint8_t send_key[REEVE_BULK_KEY_SIZE], receive_key[REEVE_BULK_KEY_SIZE];
    if (daemon->bulk == NULL ||
        reeve_link_bulk_keys(daemon->link, peer->session, send_key, receive_key) != REEVE_OK)
        return;
    reeve_bulk_peer_up(daemon->bulk, peer->node, uid, send_key, receive_key);
    sodium_memzero(send_key, sizeof send_key);
    sodium_memzero(receive_key, sizeof receive_key);
}

void daemon_streams_peer_down(struct daemon *daemon, uint32_t node)
{
    if (daemon->bulk != NULL)
        reeve_bulk_peer_down(daemon->bulk, node);
}

void daemon_streams_close(struct daemon *daemon)
{
    reeve_bulk_close(daemon->bulk);
    daemon->bulk = NULL;
}

const char *daemon_stream_address(void *arg)
{
    const struct daemon *daemon = arg;
    return daemon->stream_address[0] != '\0' ? daemon->stream_address : NULL;
}

int daemon_stream_send(
    void *arg, uint32_t node, const char *address, const struct reeve_store_piece *piece)
{
    struct daemon *daemon = arg;
    if (daemon->bulk == NULL)
        return REEVE_EHANDLE;
    return reeve_bulk_send(daemon->bulk, node, address,
        &(struct reeve_bulk_piece){.serial = piece->serial,
            .header = {.number = piece->number,
                .size = piece->size,
                .length = piece->length,
                .other = piece->other},
            .bytes = piece->bytes,
            .large = piece->large});
}
