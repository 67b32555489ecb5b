/* Seal before publish. A worker makes an object for its caller, the owner, on the same node: it fills room that it was granted, seals
 * the object by a message on its socket that nobody answers, and publishes an entry that names it and says where it lies. The owner
 * reads the entry, and then the bytes: in place, or it asks the daemon, which pins the object for it. In the end it frees the object.
 * Rings and sockets are separate ways: what is sent first on one may arrive last. Worker and owner may die at any step; or close their
 * sockets, and go on for a while. A worker that has been reaped before its entry was there has its task run again, by another, which
 * makes the same object, in room of its own, and waits for the answer to its seal.
 *
 * The rule:  1. An entry is published only after the seal of the object it names has been sent.
 *            2. Whatever is said about an object that the daemon does not know waits until it has heard what all others have sent.
 *            3. A dead client's socket is read to its end before the client is reaped, and only who is dead is reaped.
 *            4. What is not sealed when its maker is reaped goes with it; its room is used again.
 *            5. The seal anchors the object for its owner: it stays where it is until its owner lets go of it or frees it, or is
 *               reaped. Without anchor or pins it may be moved: to disk, and back to another place.
 *            6. The owner lets go of nothing that it is reading in place.
 *            7. An object is sealed once. Who makes it again publishes the place where the daemon says that it lies; what it has
 *               filled itself is given back.
 *
 * In the code: 1, 7 api/client/cluster_places.c; 2 runtime/node/shell_store_clients.c; 3 runtime/node/shell_clients.c and
 * shell_objects.c; 4, 5, 7 objectstore/seal.c, clients.c and pins.c; 6 api/client/owner_anchor.c.
 *
 * Shown: who sees the entry gets the object, even if its maker is dead: announced means that it exists. Nobody reads a place in which
 * something else lies by then; nor does a maker write there. Every question is answered. What is freed, or whose owner is dead, goes.
 *
 * Mutations, each of which must be found: PUBLISH_FIRST (1), NO_HEAR, NO_HEAR_FREE (2, when it is freed), NO_DRAIN, REAP_ALIVE,
 * REAP_OWNER_ALIVE (3), NO_ANCHOR, CLOSED_NO_ANCHOR (5, where the owner has only closed its socket), LET_GO_READING (6),
 * OWN_PLACE (7).
 */
#ifdef REAP_ALIVE
#define WORKER_SEEMS_DEAD worker_closed
#else
#define WORKER_SEEMS_DEAD (!worker_alive)
#endif
#ifdef REAP_OWNER_ALIVE
#define OWNER_SEEMS_DEAD owner_closed
#else
#define OWNER_SEEMS_DEAD (!owner_alive)
#endif
#ifdef NO_DRAIN
#define DRAINED true
#else
#define DRAINED empty(worker_socket)
#endif
#if defined(NO_ANCHOR)
#define ANCHORS false
#elif defined(CLOSED_NO_ANCHOR)
#define ANCHORS (!owner_closed)
#else
#define ANCHORS true
#endif

mtype = { SEAL, SEALED, ASK, GOT, GONE, UNPIN, LET_GO, FREE };

#define FIRST  0 /* places: the worker's */
#define SECOND 1 /* the other's */

chan worker_socket = [1] of { mtype };
chan other_socket = [1] of { mtype };
chan other_inbox = [1] of { mtype, bit };
chan owner_socket = [2] of { mtype };
chan owner_inbox = [1] of { mtype };

bool worker_alive = true, owner_alive = true;
bool worker_closed, owner_closed; /* the socket, while the process still runs */
bool entry_published;
bit entry_place;
bool asking, freed_by_owner; /* what the owner has said, while it lives */

/* what the daemon knows */
bool worker_reaped, owner_reaped;
bool sealed, anchored, pinned, freed;
bit place;     /* where it was sealed */
bool gone;     /* the object, after it was sealed */
bool moved[2]; /* there something else lies */

active proctype worker() provided (worker_alive)
{
    assert(!moved[FIRST]); /* it writes the object's bytes */
    assert(!moved[FIRST]);
#ifdef PUBLISH_FIRST
    entry_published = true;
#endif
    worker_socket!SEAL;
    entry_published = true
}

/* The second attempt, which lives. */
active proctype other()
{
    mtype answer;
    bit where;
end_waits:
    worker_reaped && !entry_published;
    assert(!moved[SECOND]);
    other_socket!SEAL;
    other_inbox?answer(where);
    if
    :: answer == SEALED ->
#ifdef OWN_PLACE
        where = SECOND;
#endif
        atomic {
            entry_place = where;
            entry_published = true
        }
    :: else /* nobody would own it */
    fi
}

inline ask()
{
    asking = true;
    owner_socket!ASK;
    owner_inbox?answer;
    asking = false;
    assert(answer == GOT);
    assert(!gone); /* it reads it, wherever that is */
    owner_socket!UNPIN
}

active proctype owner() provided (owner_alive)
{
    mtype answer;
end_waits: /* if the entry never comes, it has the task run again: not our matter */
    entry_published;
    if
    :: ask()
    :: true ->
        assert(!moved[entry_place]); /* it reads in place */
#ifdef LET_GO_READING
        owner_socket!LET_GO;
        assert(!moved[entry_place])
#else
        assert(!moved[entry_place]);
        if
        :: owner_socket!LET_GO; ask()
        :: true
        fi
#endif
    fi;
    freed_by_owner = true;
    owner_socket!FREE
}

active proctype death()
{
    do
    :: worker_alive -> worker_alive = false
    :: !worker_closed -> worker_closed = true
    :: owner_alive -> owner_alive = false
    :: !owner_closed -> owner_closed = true
    :: break
    od
}

/* Nothing moves any more. */
active proctype monitor()
{
    timeout ->
    assert(!asking || !owner_alive); /* no question is left without an answer */
    assert(!(freed_by_owner && owner_alive) || gone);
    assert(!owner_reaped || !sealed || gone);
    assert(!worker_reaped || sealed || moved[FIRST])
}

inline look()
{
    if
    :: sealed && !gone && !anchored && !pinned && (freed || owner_reaped) ->
        gone = true;
        moved[place] = true
    :: else
    fi
}

inline take_seal()
{
    if
    :: worker_reaped /* the room is not its any more */
    :: !worker_reaped && owner_reaped -> moved[FIRST] = true
    :: else ->
        sealed = true;
        anchored = ANCHORS
    fi
}

/* Of what is there already, or has been, nothing changes. */
inline take_seal_again()
{
    if
    :: owner_reaped ->
        moved[SECOND] = true;
        other_inbox!GONE(SECOND)
    :: !owner_reaped && sealed ->
        moved[SECOND] = true;
        other_inbox!SEALED(place)
    :: else ->
        sealed = true;
        anchored = ANCHORS;
        place = SECOND;
        other_inbox!SEALED(SECOND)
    fi
}

/* What has been sent by now. */
inline hear()
{
    if
    :: !sealed && nempty(worker_socket) ->
        worker_socket?SEAL;
        take_seal()
    :: else
    fi
}

active proctype daemon()
{
end_serves:
    do
    :: atomic { worker_socket?SEAL -> take_seal() }
    :: atomic { other_socket?SEAL -> take_seal_again() }
    :: atomic { owner_socket?ASK ->
#ifndef NO_HEAR
        hear();
#endif
        if
        :: sealed && !gone -> pinned = true; owner_inbox!GOT
        :: else -> owner_inbox!GONE
        fi }
    :: atomic { owner_socket?UNPIN -> pinned = false; look() }
    :: atomic { owner_socket?LET_GO -> hear(); anchored = false; look() }
    :: atomic { owner_socket?FREE ->
#ifndef NO_HEAR_FREE
        hear();
#endif
        if
        :: sealed -> freed = true; anchored = false; look()
        :: else /* of what it does not know */
        fi }
    :: atomic { sealed && !gone && !anchored && !pinned && !moved[place] -> moved[place] = true } /* it is short of room */
    :: atomic { !worker_reaped && WORKER_SEEMS_DEAD && DRAINED -> worker_reaped = true;
        if
        :: !sealed -> moved[FIRST] = true
        :: else
        fi }
    :: atomic { !owner_reaped && OWNER_SEEMS_DEAD && empty(owner_socket) ->
        owner_reaped = true;
        anchored = false;
        pinned = false;
        look() }
    od
}
