/* The doorbell of runtime/channel/doorbell.h: two ringers, and a sleeper that sleeps now in one way and now in the other, and
 * may also wake for no reason. Memory is x86's: each side's stores go into a buffer of its own, and reach the others at some
 * later time unless a fence waits for them; read-modify-writes and system calls empty the buffer first.
 *
 * Shown: no wake-up is lost. A lost one leaves the sleeper asleep with all ringers gone: a deadlock ("invalid end state").
 *
 * Mutations, each of which must be found: NO_RING_FENCE, NO_ARM_FENCE, NO_RECHECK, NO_COMPARE, LOADED_MODE.
 */
#define RINGERS 2
#define ROUNDS  2 /* publications of each */

#define AWAKE 0
#define FUTEX 1
#define EVENT 2

byte waiting;
byte published[RINGERS]; /* stands for the rings */
byte event_count;        /* the eventfd */
bool asleep;             /* on the futex */

/* Store buffers. The sleeper's holds stores to `waiting`, a ringer's one store to its ring. */
chan sleeper_buffer = [2] of { byte };
bool ring_buffered[RINGERS];

active proctype sleeper_stores()
{
    byte value;
end_stores:
    do
    :: atomic { sleeper_buffer?value -> waiting = value; value = 0 }
    od
}

active proctype ringer_stores()
{
end_stores:
    do
    :: atomic { ring_buffered[0] -> published[0]++; ring_buffered[0] = false }
    :: atomic { ring_buffered[1] -> published[1]++; ring_buffered[1] = false }
    od
}

proctype ringer(byte self)
{
    byte round, mode, seen;
    do
    :: round < ROUNDS ->
        atomic { !ring_buffered[self] -> ring_buffered[self] = true; round++ } /* publish: a release store */
#ifndef NO_RING_FENCE
        !ring_buffered[self];
#endif
        seen = waiting;
        if
        :: seen != AWAKE ->
            atomic { !ring_buffered[self] -> mode = waiting; waiting = AWAKE } /* exchange: locked */
#ifdef LOADED_MODE
            mode = seen;
#endif
            if
            :: mode == FUTEX -> asleep = false
            :: mode == EVENT -> event_count++
            :: else
            fi;
            mode = 0
        :: else
        fi;
        seen = 0
    :: else -> break
    od
}

init
{
    byte consumed, mode;
    byte spurious = 1;
    atomic { run ringer(0); run ringer(1) }
    do
    :: consumed = published[0] + published[1];
        if
        :: consumed == RINGERS * ROUNDS -> break
        :: else
        fi;
        if
        :: mode = FUTEX
        :: mode = EVENT
        fi;
        sleeper_buffer!mode; /* arm */
#ifndef NO_ARM_FENCE
        empty(sleeper_buffer);
#endif
        if
#ifndef NO_RECHECK
        :: published[0] + published[1] != consumed
        :: published[0] + published[1] == consumed ->
#else
        :: true ->
#endif
            if
            :: mode == FUTEX ->
                atomic { /* the kernel compares and queues in one */
                    empty(sleeper_buffer);
                    if
#ifdef NO_COMPARE
                    :: true -> asleep = true
#else
                    :: waiting == FUTEX -> asleep = true
                    :: else
#endif
                    fi
                }
                if
                :: !asleep
                :: atomic { asleep && spurious > 0 -> spurious--; asleep = false } /* a time-out */
                fi
            :: mode == EVENT ->
                if
                :: atomic { event_count > 0 -> event_count = 0 }
                :: atomic { spurious > 0 -> spurious-- }
                fi
            fi
        fi;
        sleeper_buffer!AWAKE /* disarm: no fence */
    od
}
