/* TLS of ours (tls.h) for nng's sockets, whose transport tls+tcp:// takes its protocol from an
 * "engine" that can be replaced. */
#ifndef REEVE_WIRE_TLS_ENGINE_H
#define REEVE_WIRE_TLS_ENGINE_H

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "runtime/wire/tls.h"

/* What NNG_OPT_TLS_CONFIG of a listener or a dialer takes; to be freed by nng_tls_config_free. It
 * holds the context. An error of nng's. */
int reeve_tls_engine_config(struct reeve_tls *tls, nng_tls_mode mode, nng_tls_config **ret);

/* Results of a dial, beside nng's own: what listens there encrypts, and it was dialled in plain;
 * and the reverse. */
#define REEVE_DIAL_SPEAKS_TLS   (NNG_ETRANERR + 1)
#define REEVE_DIAL_SPEAKS_PLAIN (NNG_ETRANERR + 2)

#endif
