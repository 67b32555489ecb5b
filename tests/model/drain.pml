/* Who looks at the rings: the hand-over between the user's thread, which drains while it waits in get, and the background thread
 * of the client library, which does when no user thread is there. It costs no system call on the user's way in or out.
 *
 *   `drain`, one word:  HELD    somebody drains (or sleeps, armed, as the drainer)
 *                       PARKED  the background thread sleeps on the eventfd without a time-out; else it is awake, or TIMED: it
 *                               sleeps for a millisecond and will then look by itself
 *                       TURN    counts how often the background thread has parked under a user's hand
 *   `waiting`: the doorbell's word (doorbell.pml; its fences are taken for granted here)
 *
 *   user enters   wait until not HELD, set HELD; waiting = AWAKE
 *   user waits    looks at the rings; for a while spinning, then: arm FUTEX, look again, sleep
 *   user leaves   PARKED seen: arm EVENT, look again; drained something: from the start
 *                 not PARKED: waiting stays AWAKE
 *                 compare-and-swap: HELD off, if the word is still what was seen; else from the start
 *   background    HELD by a user: compare-and-swap PARKED on and TURN up, if HELD still; sleep (the user arms as it leaves)
 *                 free: take it, PARKED off; drain; a user was here since the last time: let go, sleep TIMED;
 *                 none: arm EVENT, look again, let go with PARKED on; sleep
 *
 * That all this is one word is the point: neither side can go to rest on an outdated view of the other. TURN is needed because
 * a user on its way out may have armed, been rung for, and the background thread woken by it and parked again, as it saw HELD:
 * then the user must arm once more.
 *
 * Shown: in every order of steps, when the worker has published all and nobody moves any more, all is drained, the background
 * thread is parked (not ticking), and a user who waits for something is not left asleep.
 *
 * Mutations, each of which must be found: LEAVE_NO_RECHECK, LEAVE_UNARMED, LEAVE_BLIND, NO_TURN, PARK_BLIND, PARK_NO_RECHECK,
 * TIMED_FOREVER.
 */
#define MESSAGES 3
#define GETS     2

#define AWAKE 0
#define FUTEX 1
#define EVENT 2

#define HELD   1
#define PARKED 2
#ifndef NO_TURN
#define TURN 4 /* the lowest bit of the count; here it wraps at 256 */
#else
#define TURN 0
#endif

byte waiting = EVENT;
byte drain = PARKED;
byte published;
byte consumed;
byte event_count;
bool asleep;
bool user_was_here; /* since the background thread looked last */
bool user_in_get;
bool user_gone;
byte ticks; /* of the background thread with nobody there and nothing to come */

active proctype worker()
{
    byte mode;
    do
    :: published < MESSAGES ->
        published++;
        if
        :: waiting != AWAKE ->
            atomic { mode = waiting; waiting = AWAKE }
            if
            :: mode == FUTEX -> asleep = false
            :: mode == EVENT -> event_count++
            :: else
            fi;
            mode = 0
        :: else
        fi
    :: else -> break
    od
}

active proctype user()
{
    byte gets, wanted, seen;
    do
    :: gets < GETS ->
        gets++;
        if
        :: wanted = 1
        :: wanted = MESSAGES - 1
        fi;
        atomic { user_in_get = true; !(drain & HELD) -> drain = drain | HELD; user_was_here = true }
        waiting = AWAKE;
        do
        :: consumed = published; /* drain */
            if
            :: consumed >= wanted -> break
            :: else
            fi;
            if
            :: true /* spin */
            :: waiting = FUTEX;
                if
                :: published != consumed -> waiting = AWAKE
                :: published == consumed ->
                    atomic {
                        if
                        :: waiting == FUTEX -> asleep = true
                        :: else
                        fi
                    }
                    !asleep;
                    waiting = AWAKE
                fi
            fi
        od;
        user_in_get = false;
leave:
        seen = drain;
        if
#ifndef LEAVE_UNARMED
        :: (seen & PARKED) ->
            waiting = EVENT;
#ifndef LEAVE_NO_RECHECK
            if
            :: published != consumed -> waiting = AWAKE; consumed = published; goto leave
            :: else
            fi;
#endif
        :: else
#else
        :: true
#endif
        fi;
#ifdef LEAVE_BLIND
        drain = drain & (255 - HELD);
#else
        atomic {
            if
            :: drain == seen -> drain = seen & (255 - HELD)
            :: else -> goto leave_again
            fi
        }
#endif
        seen = 0;
        wanted = 0
    :: gets < GETS -> break /* the user needs no more */
    :: else -> break
    od;
    goto gone;
leave_again:
    waiting = AWAKE; /* armed or not, begin again */
    goto leave;
gone:
    user_gone = true
}

active proctype background()
{
    bool was_here;
    goto parked;
wake:
    if
#ifdef PARK_BLIND
    :: (drain & HELD) ->
        atomic { drain = (drain | PARKED) + TURN; goto parked }
#else
    :: atomic { (drain & HELD) ->
            drain = (drain | PARKED) + TURN;
            goto parked
        }
#endif
    :: atomic { !(drain & HELD) -> drain = (drain | HELD) & (255 - PARKED) }
    fi;
again:
    waiting = AWAKE;
    consumed = published;
    was_here = user_was_here;
#ifndef TIMED_FOREVER
    user_was_here = false;
#endif
    if
    :: was_here ->
        was_here = false;
        drain = drain & (255 - HELD); /* TIMED */
        atomic { /* after a millisecond */
            if
            :: user_gone && published == MESSAGES -> ticks++; assert(ticks < 3)
            :: else
            fi
        }
        goto wake
    :: else
    fi;
    waiting = EVENT;
#ifndef PARK_NO_RECHECK
    if
    :: published != consumed -> goto again
    :: else
    fi;
#endif
    drain = (drain | PARKED) & (255 - HELD);
parked:
end_parked:
    atomic { event_count > 0 -> event_count = 0 }
    goto wake
}

/* Nothing moves any more. */
active proctype monitor()
{
    timeout ->
        assert(published == MESSAGES);
        assert(consumed == MESSAGES);
        assert(!user_in_get);
        assert((drain & PARKED) && !(drain & HELD))
}
