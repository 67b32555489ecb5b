/* Sessions that are up, by peer and address; see session_up.h. */
#include "runtime/wire/session_up.h"

#include <string.h>

static uint64_t address_key(const char *address)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *address != 0; address++)
        hash = (hash ^ (uint8_t)*address) * 0x100000001b3u;
    return hash;
}

void reeve_session_up_add(struct reeve_sessions *sessions, struct reeve_session *session)
{
    const struct reeve_identity *peer = reeve_session_peer(session);
    (void)reeve_map64_put(&sessions->up_by_uid, peer->uid, session, NULL);
    (void)reeve_map64_put(&sessions->up_by_address, address_key(peer->address), session, NULL);
    if (session->dialled[0] != 0)
        (void)reeve_map64_put(
            &sessions->up_by_address, address_key(session->dialled), session, NULL);
}

static void forget(struct reeve_map64 *map, uint64_t key, const struct reeve_session *session)
{
    if (reeve_map64_get(map, key) == session)
        reeve_map64_remove(map, key);
}

void reeve_session_up_remove(struct reeve_sessions *sessions, const struct reeve_session *session)
{
    const struct reeve_identity *peer = reeve_session_peer(session);
    forget(&sessions->up_by_uid, peer->uid, session);
    forget(&sessions->up_by_address, address_key(peer->address), session);
    forget(&sessions->up_by_address, address_key(session->dialled), session);
}

struct reeve_session *reeve_session_up_with(const struct reeve_sessions *sessions, uint64_t uid)
{
    return reeve_map64_get(&sessions->up_by_uid, uid);
}

bool reeve_session_is_up_at(const struct reeve_sessions *sessions, const char *address)
{
    const struct reeve_session *session =
        reeve_map64_get(&sessions->up_by_address, address_key(address));
    return session != NULL && (strcmp(session->dialled, address) == 0 ||
                                  strcmp(reeve_session_peer(session)->address, address) == 0);
}
