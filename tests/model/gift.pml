/* Given away, and held. An object lies on some node. Whose it is, and who else needs it, is known there; what is said of it comes by
 * two ways, one from each of two processes, which may overtake one another. Either may die at any step.
 *
 * Given: a worker hands what it owns to its caller, the heir, with its result (objectstore/gift.c has the drawing).
 *     giver ──GIVE──▶ node ── it is known ──▶ giver ── the answer: all of the result ──▶ heir
 *                       └──GIVEN──▶ heir
 * Held (HELD): a worker keeps beyond its call what it was lent with it by the giver, which is its owner.
 *     heir ──HOLD──▶ node ── it is known ──▶ heir ── the answer to the call ──▶ giver ──FREE──▶ node
 *
 * The rule:  1. The answer is published when the node knows who has the object.
 *            2. What is the owner's until then goes with it, and the heir's with the heir, or with its FREE. What is held does not go
 *               with a FREE before the last hold ends.
 *            3. The heir is told by the node, too. With a call that has ended in another way than by this answer it lets go; else it
 *               has the answer, or will.
 *            4. A gift for one who is dead ends as it comes. What a dead process held is needed no more, and what it has said is not
 *               listened to when it comes later.
 *
 * Shown: who has the answer can read the object, for as long as the owner lives; what nobody needs any more goes. A hold that is handed
 * on, with a result, goes the way of a gift (store_hold_move).
 *
 * In the code: 1 runtime/worker/handover.c; 2 objectstore/give.c, hold.c, owners.c; 3 objectstore/gift.c, api/client/owner_gifts.c;
 * 4 store_object_give, store_hold, store_holder_gone.
 *
 * Mutations, each of which must be found: ANSWER_FIRST (1), NOT_ITS_OWN (2: a gift stays the giver's), FREE_HELD (2), UNTOLD, DEAF,
 * LETS_GO_ALWAYS (3), HEIR_UNSEEN, HOLDER_FORGOTTEN, DEAD_HOLDS (4).
 */
mtype = { GIVE, GIVEN, HOLD, UNHOLD, FREE, KNOWN };

chan giver_socket = [2] of { mtype };
chan heir_socket = [2] of { mtype };
chan inbox = [1] of { mtype }; /* of the one that waits for KNOWN */

chan heir_inbox = [1] of { mtype }; /* from the node */

bool giver_alive = true, heir_alive = true;
bool answer;
bool has, lost; /* the heir: the answer; or its call has ended without */
bool let_go;    /* it has no use for it any more */

/* what is known where it lies */
bool giver_reaped, heir_reaped;
bool is_heirs;
bool held, freed;
bool gone;

#ifdef HELD

active proctype heir() provided (heir_alive)
{
#ifdef ANSWER_FIRST
    answer = true;
#endif
    heir_socket!HOLD;
    inbox?KNOWN;
    answer = true;
    assert(!gone || !giver_alive); /* it reads it */
    assert(!gone || !giver_alive);
    let_go = true;
    heir_socket!UNHOLD
}

active proctype giver() provided (giver_alive)
{
    if
    :: answer
    :: !heir_alive
    fi;
    giver_socket!FREE
}

active proctype monitor()
{
    timeout ->
    assert(!giver_reaped || gone);
    assert(!giver_alive || gone);
    assert(!heir_reaped || !held)
}

#else

active proctype giver() provided (giver_alive)
{
#ifdef ANSWER_FIRST
    answer = true;
#endif
    giver_socket!GIVE;
    inbox?KNOWN;
    answer = true
}

active proctype heir() provided (heir_alive)
{
    mtype word;
end_waits:
    if
    :: answer ->
        has = true;
        assert(!gone); /* it reads it */
        assert(!gone);
        let_go = true;
        heir_socket!FREE
    :: lost = true /* the giver is dead, or the way to it is: what comes later is of the past */
    fi;
end_hears:
    do
    :: heir_inbox?word ->
#ifndef DEAF
        if
        :: lost -> heir_socket!FREE
        :: else
        fi
#endif
    od
}

#ifdef LETS_GO_ALWAYS
active proctype hasty() provided (heir_alive)
{
    mtype word;
end_hears:
    heir_inbox?word;
    heir_socket!FREE
}
#endif

active proctype monitor()
{
    timeout ->
    assert(!let_go || gone);
    assert(!lost || gone || !heir_alive);
    assert(!heir_reaped || gone);
    assert(!giver_reaped || is_heirs || gone)
}

#endif

active proctype death()
{
    do
    :: giver_alive -> giver_alive = false
    :: heir_alive -> heir_alive = false
    :: break
    od
}

#ifdef DEAD_HOLDS
#define MAY_HOLD true
#else
#define MAY_HOLD (!heir_reaped)
#endif

inline look()
{
    if
    :: freed && !held -> gone = true
    :: else
    fi
}

inline take_gift()
{
    if
    :: gone
    :: else ->
#ifndef NOT_ITS_OWN
        is_heirs = true;
#endif
        if
#ifndef HEIR_UNSEEN
        :: heir_reaped -> gone = true
#endif
        :: else ->
#ifndef UNTOLD
            heir_inbox!GIVEN
#else
            skip
#endif
        fi
    fi
}

active proctype node()
{
end_serves:
    do
    :: atomic { giver_socket?GIVE -> take_gift(); if :: giver_alive -> inbox!KNOWN :: else fi }
    :: atomic { giver_socket?FREE ->
        freed = true;
#ifdef FREE_HELD
        held = false;
#endif
        look() }
    :: atomic { heir_socket?FREE ->
        if
        :: is_heirs -> gone = true
        :: else /* it is not its own */
        fi }
    :: atomic { heir_socket?HOLD -> held = !gone && MAY_HOLD; if :: heir_alive -> inbox!KNOWN :: else fi }
    :: atomic { heir_socket?UNHOLD -> held = false; look() }
    :: atomic { !giver_reaped && !giver_alive ->
        giver_reaped = true;
        if
        :: !is_heirs -> gone = true
        :: else
        fi }
    :: atomic { !heir_reaped && !heir_alive ->
        heir_reaped = true;
#ifndef HOLDER_FORGOTTEN
        held = false;
#endif
        look();
        if
        :: is_heirs -> gone = true
        :: else
        fi }
    od
}
