/* Parsing and writing addresses; the forms are in address.h. */
#include "runtime/wire/address.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <reeve_errors.h>

#define EXPECTED "expected tcp://HOST:PORT, tls+tcp://HOST:PORT, HOST:PORT or abstract://NAME"
#define TLS      "tls+tcp://"

static int fail(char *why, const char *text, const char *what)
{
    snprintf(why, REEVE_TEXT_SIZE, "bad address \"%.80s\": %s", text, what);
    return REEVE_EADDRESS;
}

/* Decimal digits up to `end`; -1 when it is not a port. */
static int port_parse(const char *digits, const char *end)
{
    int port = 0;
    if (digits == end)
        return -1;
    for (; digits != end; digits++) {
        if (*digits < '0' || *digits > '9')
            return -1;
        port = port * 10 + (*digits - '0');
        if (port > 65535)
            return -1;
    }
    return port;
}

static int abstract_parse(const char *text, const char *name, struct reeve_address *ret, char *why)
{
    size_t length = strlen(name);
    if (length == 0)
        return fail(why, text, "the name is missing; " EXPECTED);
    if (length >= sizeof ret->host)
        return fail(why, text, "the name is longer than 95 characters");
    for (const char *c = name; *c != 0; c++)
        if (!isalnum((unsigned char)*c) && strchr("-_./", *c) == NULL)
            return fail(why, text, "a name consists of letters, digits and -_./");
    ret->scheme = REEVE_ADDRESS_ABSTRACT;
    memcpy(ret->host, name, length + 1);
    return REEVE_OK;
}

static int ports_parse(const char *text, const char *ports, struct reeve_address *ret, char *why)
{
    if (*ports == 0) {
        ret->port = ret->port_last = REEVE_DEFAULT_PORT;
        return REEVE_OK;
    }
    ports++; /* the colon */
    const char *end = ports + strlen(ports), *dash = strchr(ports, '-');
    int first = port_parse(ports, dash != NULL ? dash : end);
    int last = dash != NULL ? port_parse(dash + 1, end) : first;
    if (first < 0 || last < 0)
        return fail(
            why, text, "the port must be a number from 0 to 65535, or a range such as 6380-6400");
    if (dash != NULL && (first == 0 || last < first))
        return fail(why, text, "a port range goes from a lower to a higher port, and not from 0");
    ret->port = (uint16_t)first;
    ret->port_last = (uint16_t)last;
    return REEVE_OK;
}

bool reeve_address_is_tls(const char *text)
{
    return strncmp(text, TLS, strlen(TLS)) == 0;
}

int reeve_address_parse(const char *text, struct reeve_address *ret, char *why)
{
    struct reeve_address address;
    memset(&address, 0, sizeof address);
    const char *host = text, *scheme_end = strstr(text, "://");
    if (scheme_end != NULL) {
        if (strncmp(text, "abstract://", 11) == 0) {
            int error = abstract_parse(text, scheme_end + 3, &address, why);
            if (error == REEVE_OK)
                *ret = address;
            return error;
        }
        if (strncmp(text, "tcp://", 6) != 0 && !reeve_address_is_tls(text))
            return fail(why, text, "this scheme is not known; " EXPECTED);
        host = scheme_end + 3;
    }
    address.scheme = reeve_address_is_tls(text) ? REEVE_ADDRESS_TLS : REEVE_ADDRESS_TCP;
    const char *host_end, *ports;
    if (*host == '[') {
        host++;
        host_end = strchr(host, ']');
        if (host_end == NULL)
            return fail(why, text, "the ] after the IPv6 address is missing");
        ports = host_end + 1;
        for (const char *c = host; c != host_end; c++)
            if (!isxdigit((unsigned char)*c) && *c != ':' && *c != '.')
                return fail(why, text, "what stands in [ ] must be an IPv6 address");
    } else {
        host_end = ports = host + strcspn(host, ":");
        if (*ports == ':' && strchr(ports + 1, ':') != NULL)
            return fail(why, text, "write an IPv6 address in brackets: [::1]:6380");
        for (const char *c = host; c != host_end; c++)
            if (!isalnum((unsigned char)*c) && strchr("-_.*", *c) == NULL)
                return fail(
                    why, text, "a host consists of letters, digits, dots and dashes; " EXPECTED);
    }
    size_t length = (size_t)(host_end - host);
    if (length == 0)
        return fail(why, text, "the host is missing; " EXPECTED);
    if (length >= sizeof address.host)
        return fail(why, text, "the host is longer than 95 characters");
    if (*ports != 0 && *ports != ':')
        return fail(why, text, EXPECTED);
    memcpy(address.host, host, length);
    if (strcmp(address.host, "*") == 0)
        snprintf(address.host, sizeof address.host, "%s", "0.0.0.0");
    else if (strchr(address.host, '*') != NULL)
        return fail(why, text, "* stands alone, for every interface");
    int error = ports_parse(text, ports, &address, why);
    if (error == REEVE_OK)
        *ret = address;
    return error;
}

int reeve_address_parse_peer(const char *text, struct reeve_address *ret, char *why)
{
    struct reeve_address address;
    int error = reeve_address_parse(text, &address, why);
    if (error != REEVE_OK)
        return error;
    if (address.scheme != REEVE_ADDRESS_ABSTRACT &&
        (address.port == 0 || address.port_last != address.port))
        return fail(why, text, "one port is needed to connect to");
    if (reeve_address_is_wildcard(&address))
        return fail(why, text, "one host is needed to connect to, not every interface");
    *ret = address;
    return REEVE_OK;
}

const char *reeve_address_format(const struct reeve_address *address, char text[REEVE_ADDRESS_SIZE])
{
    const char *scheme = address->scheme == REEVE_ADDRESS_TLS ? TLS : "tcp://";
    if (address->scheme == REEVE_ADDRESS_ABSTRACT)
        snprintf(text, REEVE_ADDRESS_SIZE, "abstract://%s", address->host);
    else if (strchr(address->host, ':') != NULL)
        snprintf(text, REEVE_ADDRESS_SIZE, "%s[%s]:%u", scheme, address->host, address->port);
    else
        snprintf(text, REEVE_ADDRESS_SIZE, "%s%s:%u", scheme, address->host, address->port);
    return text;
}

bool reeve_address_is_wildcard(const struct reeve_address *address)
{
    return address->scheme != REEVE_ADDRESS_ABSTRACT &&
           (strcmp(address->host, "0.0.0.0") == 0 || strcmp(address->host, "::") == 0);
}

int reeve_address_advertised(
    const struct reeve_address *bound, const char *advertise, struct reeve_address *ret, char *why)
{
    struct reeve_address address = *bound;
    if (advertise != NULL) {
        int error = reeve_address_parse(advertise, &address, why);
        if (error != REEVE_OK)
            return error;
        const char *host =
            strstr(advertise, "://") != NULL ? strstr(advertise, "://") + 3 : advertise;
        if (host == advertise && bound->scheme == REEVE_ADDRESS_TLS)
            address.scheme = REEVE_ADDRESS_TLS;
        const char *bracket = strchr(host, ']');
        bool has_port = strchr(bracket != NULL ? bracket : host, ':') != NULL;
        if (address.scheme != bound->scheme)
            return fail(why, advertise, "it is of another kind than the address we listen on");
        if (address.scheme != REEVE_ADDRESS_ABSTRACT && !has_port)
            address.port = address.port_last = bound->port;
        if (address.port != address.port_last || (address.port == 0 && has_port))
            return fail(why, advertise, "exactly one port can be advertised");
    }
    if (reeve_address_is_wildcard(&address)) {
        snprintf(why, REEVE_TEXT_SIZE,
            "we listen on every interface: say with --advertise HOST which address others should "
            "connect to");
        return REEVE_EADDRESS;
    }
    *ret = address;
    return REEVE_OK;
}
