/* Seal before publish. A worker makes an object, seals it at the node daemon by a message on its socket, and publishes an entry
 * that names it; the holder that reads the entry asks the daemon for the object. The worker may die at any step. Its rings and its
 * socket are separate ways: what is sent first on one may arrive last.
 *
 * The rule:  1. An entry is published only after the seal of the object it names has been answered.
 *            2. A dead client's socket is read to its end before the client is reaped.
 *            3. Objects not sealed when their maker is reaped die with it; their room is used again.
 *
 * Variant SENT weakens 1 to "after the seal has been sent" (no round trip). Then 2 carries all the weight, and one more is needed:
 *            4. A question about an object that is not sealed yet waits until it is, or its maker has been reaped.
 *
 * Shown: whoever sees the entry gets the object, even if its maker is dead: announced means it exists; and its room is not given
 * to anyone else. (Without SENT the daemon may answer "no such object" at once.)
 *
 * Mutations, each of which must be found: PUBLISH_FIRST; NO_WAIT (do not wait for the answer, and no rule 4);
 * with SENT: NO_DRAIN, NO_RULE_4; REAP_ALIVE (reaped on end of file although it still runs: it writes into room that is in use).
 */
#if defined(SENT) && !defined(NO_RULE_4)
#define MAY_ANSWER (sealed || reaped)
#else
#define MAY_ANSWER true
#endif
#ifdef REAP_ALIVE
#define SEEMS_DEAD socket_closed
#else
#define SEEMS_DEAD (!worker_alive)
#endif
#ifdef NO_DRAIN
#define DRAINED true
#else
#define DRAINED empty(worker_socket)
#endif

mtype = { SEAL, SEALED, ASK, GOT, GONE };

chan worker_socket = [2] of { mtype };
chan worker_inbox = [2] of { mtype };
chan holder_socket = [1] of { mtype };
chan holder_inbox = [1] of { mtype };

bool worker_alive = true;
bool socket_closed; /* by the worker, long before it is really gone: a hung process, half closed */
bool entry_published;
bool answered;
bool sealed;
bool reaped;
bool reused; /* the object's room is someone else's */

active proctype worker() provided (worker_alive)
{
    assert(!reused); /* it writes the object's bytes */
    assert(!reused);
#ifdef PUBLISH_FIRST
    entry_published = true;
#endif
    worker_socket!SEAL;
#if !defined(SENT) && !defined(NO_WAIT)
    worker_inbox?SEALED;
#endif
    entry_published = true;
    socket_closed = true
}

active proctype death()
{
    if
    :: worker_alive = false
    :: socket_closed = true /* it has closed its end, and hangs */
    :: true
    fi
}

active proctype holder()
{
    mtype answer;
end_waits: /* if the entry never comes, the owner retries: not our matter */
    entry_published;
    holder_socket!ASK;
    holder_inbox?answer;
    assert(answer == GOT);
    assert(!reused);
    answered = true
}

/* Nothing moves any more: no question has been left without an answer. */
active proctype monitor()
{
    timeout -> assert(!entry_published || answered)
}

active proctype daemon()
{
end_serves:
    do
    :: worker_socket?SEAL ->
        if
        :: !reaped ->
            sealed = true;
#if !defined(SENT) && !defined(NO_WAIT)
            worker_inbox!SEALED
#endif
        :: else
        fi
    :: atomic { nempty(holder_socket) && MAY_ANSWER -> holder_socket?ASK }
        if
        :: sealed -> holder_inbox!GOT
        :: else -> holder_inbox!GONE
        fi
    :: atomic { !reaped && SEEMS_DEAD && DRAINED -> reaped = true }
        if
        :: !sealed -> reused = true
        :: else
        fi
    od
}
