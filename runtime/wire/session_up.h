/* Finding the session that is up with a peer: a head has one with each of 10,000 nodes, and asks
 * for it at each handshake and dial. Part of session.c. */
#ifndef REEVE_WIRE_SESSION_UP_H
#define REEVE_WIRE_SESSION_UP_H

#include "runtime/wire/session.h"

void reeve_session_up_add(struct reeve_sessions *sessions, struct reeve_session *session);
void reeve_session_up_remove(struct reeve_sessions *sessions, const struct reeve_session *session);

/* NULL: none. */
struct reeve_session *reeve_session_up_with(const struct reeve_sessions *sessions, uint64_t uid);

/* The peer has that address, or was dialled there. */
bool reeve_session_is_up_at(const struct reeve_sessions *sessions, const char *address);

#endif
