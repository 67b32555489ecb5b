/* The lock and the condition of runtime/base/lock.h. Threads take the lock ROUNDS times, in one step where it is free; who finds
 * it held tries again for as long as it likes, then marks it and sleeps. One thread waits under the lock for what the last of
 * the others says there. A sleep may end for no reason, once.
 *
 * Shown: one thread at a time has the lock, and no wake-up is lost. A lost one leaves somebody asleep with nobody to wake him: a
 * deadlock ("invalid end state").
 *
 * Mutations, each of which must be found: TAKE_PLAIN (who has slept takes it without the mark, though others may sleep),
 * NO_COMPARE (the kernel sleeps though the word has changed), NO_WAKE, SEEN_LATE (the condition's count is read without the lock),
 * LOADED_FREE (it is taken by a look and a store).
 */
#define THREADS 3 /* and one that waits */
#define ROUNDS  2

byte word;
byte inside;
bool asleep[THREADS + 1];     /* on the lock's word */
byte changes;
byte waiters;
bool told_asleep;             /* the one who waits, on the condition's word */
byte finished;
byte spurious = 1;

inline lock_word_sleep(self) {
    atomic { /* the kernel compares and queues in one */
        if
#ifdef NO_COMPARE
        :: true -> asleep[self] = true
#else
        :: word == 2 -> asleep[self] = true
        :: else
#endif
        fi
    }
    if
    :: !asleep[self]
    :: atomic { asleep[self] && spurious > 0 -> spurious--; asleep[self] = false }
    fi
}

inline lock(self) {
    do
#ifdef LOADED_FREE
    :: word == 0 -> word = 1; break
#else
    :: atomic { word == 0 -> word = 1; break }
#endif
    :: word != 0 -> /* it gives up spinning */
        do
#ifdef TAKE_PLAIN
        :: atomic { old = word; word = (old == 0 -> 1 : 2) }
#else
        :: atomic { old = word; word = 2 }
#endif
            if
            :: old == 0 -> break
            :: else -> lock_word_sleep(self)
            fi
        od;
        break
    od;
    old = 0;
    inside++;
    assert(inside == 1)
}

inline unlock() {
    inside--;
    atomic { old = word; word = 0 }
    if
#ifndef NO_WAKE
    :: old == 2 ->
        atomic {
            if
            :: asleep[0] -> asleep[0] = false
            :: asleep[1] -> asleep[1] = false
            :: asleep[2] -> asleep[2] = false
            :: asleep[3] -> asleep[3] = false
            :: else
            fi
        }
#endif
    :: else
    fi;
    old = 0
}

proctype thread(byte self)
{
    byte round, old;
    do
    :: round < ROUNDS ->
        lock(self);
        round++;
        if
        :: round == ROUNDS ->
            finished++;
            changes++;
            if
            :: waiters != 0 -> told_asleep = false
            :: else
            fi
        :: else
        fi;
        unlock()
    :: else -> break
    od
}

init
{
    byte old, seen;
    atomic { run thread(0); run thread(1); run thread(2) }
    lock(THREADS);
    do
    :: finished == THREADS -> break
    :: else ->
        seen = changes;
        waiters++;
        unlock();
#ifdef SEEN_LATE
        seen = changes;
#endif
        atomic {
            if
            :: changes == seen -> told_asleep = true
            :: else
            fi
        }
        if
        :: !told_asleep
        :: atomic { told_asleep && spurious > 0 -> spurious--; told_asleep = false }
        fi;
        lock(THREADS);
        waiters--
    od;
    unlock()
}
