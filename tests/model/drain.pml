/* Who looks at the rings: the hand-over of the poller's role in the client library
 * (api/client/cluster_poll.c) between the user's threads, which poll while they wait in get, and
 * the background thread, which does when no user thread is there. It must cost no system call on
 * the user's way in or out, and progress may not depend on the user calling in again.
 *
 * Under the library's one lock: `polling` (somebody has the role), `timed` (the background thread
 * sleeps for a millisecond only and will then look by itself). `waiting` is the doorbell's word,
 * whose fences doorbell.pml shows and are taken for granted here.
 *
 *   user submits   nobody polls, not timed, not armed: take the role and leave it at once, which
 *                  arms
 *   user waits     role taken: sleep, until its answer is there or the role is offered; what was
 *                  offered and is not needed is offered on. Else polling on, doorbell AWAKE; looks
 *                  at the rings; in between without the lock: spins, or arms FUTEX, looks again,
 *                  sleeps, disarms
 *   role left      while not timed and answers are wanted: arm EVENT, look again; something there:
 *                  disarm, take it, from the start. polling off; a user who sleeps is offered the
 *                  role, unless one is about to run. Timed: the doorbell stays AWAKE
 *   background     woken by the eventfd and users called since the last time, or woken by the
 *                  millisecond and somebody looked at the rings: with the lock: timed on, sleep
 *                  again. Else: nobody polls: doorbell AWAKE, look, leave the role; timed stays on
 *                  if users called (they submit, and do not look), or else goes off
 *
 * Shown: in every order of steps, when nobody moves any more, all that was submitted has been
 * drained, no user waits, and the background thread is not ticking; and answers are left lying once
 * at most, whatever users do.
 *
 * Mutations, each of which must be found: LEAVE_NO_RECHECK, LEAVE_UNARMED, SUBMIT_UNARMED,
 * ROLE_UNLOCKED (with two users), SLEEPER_UNTOLD (two users: neither are those woken whose answers
 * have been taken, nor is the role offered; either alone would do, sooner or later), TIMED_FOREVER,
 * TIMED_UNLOOKED (a program that calls without end and never looks keeps the background thread from
 * looking, too).
 */
#ifndef USERS
#define USERS 1
#endif
#ifndef TASKS
#define TASKS 3
#endif

#define AWAKE 0
#define FUTEX 1
#define EVENT 2

byte waiting;
byte submitted;
byte published; /* answers */
byte consumed;
byte event_count;
bool asleep;
bool locked;
bool polling;
bool timed;
bool called; /* users called in since the background thread was awake */
bool looked; /* somebody looked at the rings since then */
bool sleeping[USERS];
bool woken[USERS];
byte wants[USERS]; /* what a user who sleeps waits for */
byte users_gone;
byte blind; /* times in a row that the background thread left answers to users who did not look */
byte ticks; /* of the background thread when nobody is there and nothing is to come */

#define LOCK   atomic { !locked -> locked = true }
#define UNLOCK locked = false
#define READY  (published != consumed)

active proctype worker()
{
    byte mode;
end_idle:
    do
    :: atomic { published < submitted -> published++ }
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
    od
}

/* With the lock: somebody has taken answers. */
inline look() {
    consumed = published;
    looked = true;
#ifndef SLEEPER_UNTOLD
    d_step {
        byte u;
        for (u : 0 .. USERS - 1) {
            if
            :: sleeping[u] && consumed >= wants[u] -> woken[u] = true
            :: else
            fi
        }
        u = 0
    }
#endif
}

inline offer() {
#ifndef SLEEPER_UNTOLD
    d_step {
        byte sleeper = USERS, v;
        for (v : 0 .. USERS - 1) {
            if
            :: sleeping[v] && woken[v] -> sleeper = USERS; break
            :: sleeping[v] && !woken[v] && sleeper == USERS -> sleeper = v
            :: else
            fi
        }
        if
        :: sleeper < USERS -> woken[sleeper] = true
        :: else
        fi;
        sleeper = 0;
        v = 0
    }
#else
    skip
#endif
}

/* With the lock. */
inline leave() {
    do
#ifndef LEAVE_UNARMED
    :: !timed && consumed < submitted ->
        waiting = EVENT;
        if
#ifndef LEAVE_NO_RECHECK
        :: READY -> waiting = AWAKE; look()
        :: else -> break
#else
        :: true -> break
#endif
        fi
#endif
    :: timed || consumed == submitted -> break
#ifdef LEAVE_UNARMED
    :: else -> break
#endif
    od;
    polling = false;
    offer()
}

active [USERS] proctype user()
{
    byte wanted;
    byte me = _pid - 1; /* the worker is 0 */
    do
    :: submitted < TASKS ->
        LOCK;
        if
        :: submitted < TASKS ->
            called = true;
            submitted++;
            if
            :: wanted = submitted
            :: wanted = 1 /* an older one: leaves with others outstanding */
            fi;
#ifndef SUBMIT_UNARMED
            if
            :: !polling && !timed && waiting != EVENT -> polling = true; leave()
            :: else
            fi;
#endif
            UNLOCK
        :: else -> UNLOCK; break
        fi;
        if
        :: true -> /* get */
            LOCK;
            called = true;
            do
            :: consumed >= wanted -> break
            :: consumed < wanted && polling ->
                wants[me] = wanted;
                sleeping[me] = true;
                UNLOCK;
                atomic {
                    woken[me] && !locked -> locked = true;
                    woken[me] = false;
                    sleeping[me] = false;
                    wants[me] = 0
                }
            :: consumed < wanted && !polling ->
                polling = true;
                waiting = AWAKE;
                do
                :: look();
                    if
                    :: consumed >= wanted -> break
                    :: else
                    fi;
                    UNLOCK;
                    if
                    :: READY /* spun */
                    :: waiting = FUTEX;
                        if
                        :: READY -> waiting = AWAKE
                        :: else ->
                            atomic {
                                if
                                :: waiting == FUTEX -> asleep = true
                                :: else
                                fi
                            }
                            !asleep;
                            waiting = AWAKE
                        fi
                    fi;
                    LOCK
                od;
                leave()
            od;
            if
            :: !polling -> offer()
            :: else
            fi;
            UNLOCK
        :: true /* does something else */
        fi;
        wanted = 0
    :: true -> break /* never calls in again */
    :: true -> /* or does so without end */
        do
        :: consumed < submitted -> called = true
        :: consumed == submitted -> break
        od;
        break
    od;
    users_gone++
}

active proctype background()
{
    bool rung, role_free;
    do
    :: true ->
end_parked:
        if
        :: atomic { event_count > 0 -> event_count = 0; rung = true }
        :: atomic { timed -> /* a millisecond has passed */
                if
                :: users_gone == USERS && consumed == submitted -> ticks++; assert(ticks < 4)
                :: else
                fi
            }
        fi;
#ifdef ROLE_UNLOCKED
        role_free = !polling;
#endif
        LOCK;
#ifndef ROLE_UNLOCKED
        role_free = !polling;
#endif
        if
#ifdef TIMED_FOREVER
        :: (rung || timed) ->
#else
#ifdef TIMED_UNLOOKED
        :: consumed < submitted && called && (rung || timed) ->
#else
        :: consumed < submitted && (timed -> looked : called && rung) ->
#endif
#endif
            timed = true;
            if
            :: !looked && READY -> blind++; assert(blind < 2)
            :: else -> blind = 0
            fi
        :: else ->
            blind = 0;
            timed = timed && called && consumed < submitted;
            if
            :: role_free ->
                assert(!polling); /* one at a time */
                polling = true;
                waiting = AWAKE;
                look();
                leave()
            :: else
            fi
        fi;
        called = false;
        looked = false;
        rung = false;
        role_free = false;
        UNLOCK
    od
}

/* Nothing moves any more. */
active proctype monitor()
{
    timeout ->
        assert(consumed == submitted);
        assert(users_gone == USERS);
        assert(!timed && !polling && !locked)
}
