/* Addresses as users write them and as nng wants them.
 *
 *     tcp://HOST:PORT          HOST a name, an IPv4 address, an [IPv6] address, or * for every
 *                              interface
 *     tcp://HOST:PORT-LAST     for listening: the first free port of these
 *     tls+tcp://…              the same, encrypted (tls.h)
 *     HOST:PORT, HOST          the same without the scheme; the port is 6380 when it is left out
 *     abstract://NAME          a unix socket of this machine and user, without a file */
#ifndef REEVE_WIRE_ADDRESS_H
#define REEVE_WIRE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/wire/message.h"

#define REEVE_DEFAULT_PORT 6380

enum reeve_address_scheme { REEVE_ADDRESS_TCP, REEVE_ADDRESS_TLS, REEVE_ADDRESS_ABSTRACT };

struct reeve_address {
    enum reeve_address_scheme scheme;
    char host[96];      /* IPv6 without its brackets; for abstract: the name */
    uint16_t port;      /* 0: any free one */
    uint16_t port_last; /* == port unless a range was given */
};

/* REEVE_OK, or REEVE_EADDRESS with the reason, and what was expected, in `why` (REEVE_TEXT_SIZE
 * bytes). */
int reeve_address_parse(const char *text, struct reeve_address *ret, char *why);

/* As above, for what can be dialled: one port, not 0, no wildcard. */
int reeve_address_parse_peer(const char *text, struct reeve_address *ret, char *why);

/* As an nng url, with the first port. */
const char *reeve_address_format(
    const struct reeve_address *address, char text[REEVE_ADDRESS_SIZE]);

bool reeve_address_is_wildcard(const struct reeve_address *address);

/* Is this text, of whatever form, an address beginning with tls+tcp://? */
bool reeve_address_is_tls(const char *text);

/* What others should dial, given where we listen (`bound`: with the port that was found) and
 * what the user says (`advertise`: HOST, HOST:PORT or a whole address; NULL: nothing).
 * REEVE_EADDRESS when that leaves a wildcard. */
int reeve_address_advertised(
    const struct reeve_address *bound, const char *advertise, struct reeve_address *ret, char *why);

#endif
