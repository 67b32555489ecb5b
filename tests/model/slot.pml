/* The slot protocol of runtime/channel/ring.h: a holder (with a second thread that recalls whenever it likes), a worker that
 * holds up to two entries and finishes them in any order, and the node daemon, which revokes. Each of the three may be slow, stop
 * or die at any step: for what must never happen, that is one more order of the steps, in which it does not move again. The
 * deaths of worker and holder are steps of their own, as others act on them: the daemon reaps a worker and tells the holder; it
 * reaps a holder and revokes. (Nobody acts on the daemon's: what it had started dies with it.)
 *
 * A shared word is read in one step and compared-and-swapped in another, so every race between the two is met; a read that
 * leads to nothing is no step. `fate`, `tenant`, `owner` and `reading` are the model's own knowledge: no party decides by them.
 *
 * Shown, for each publication:
 *   - it is executed at most once, and never both executed and taken back; nor given to anyone else before it is revoked;
 *   - a compare-and-swap that comes late never hits a later tenant of the slot;
 *   - its bytes are not used again while it is ready or claimed;
 *   - once the daemon has revoked and the holder is at rest, nothing is left that the worker could claim;
 *   - nor when the holder has died at any step, in the middle of publishing too, and the daemon has reaped it and then revoked;
 *   - with ALIVE, where all parties go on: every slot comes back to the holder (no deadlock).
 *
 * Mutations, each of which must be found: NO_LAP, RECLAIM_CLAIMED, FORGET_REVOKED, NO_MARK, EARLY_RETRY, EARLY_DONE,
 * STORE_CLAIM, REAP_LATE; with ALIVE: FORGET_RECALL.
 */
#define N     2 /* slots */
#define CELLS 3 /* of the byte ring */
#ifndef P
#define P 4 /* publications: two laps */
#endif

#define FREE     0
#define READY    1
#define CLAIMED  2
#define DONE     3
#define RECALLED 4
#define REVOKED  5
#define WORD(position, state) (((position) / N + 1) * 8 + (state))
#define STATE(w)              ((w) % 8)
#define LAP(w)                ((w) / 8)

#define PUBLISHED 1 /* fates */
#define TAKEN     2 /* by the daemon */
#define BACK      3 /* with the holder, who may give it to anyone */
#define EXECUTED  4
#define RETRIED   5 /* was claimed by a worker that is dead */

byte word[N];
byte offset[N];
byte length[N];
bool mark; /* the ring is revoked */
byte head; /* positions published: private to the holder's threads */

bool worker_alive = true;
bool holder_alive = true;
bool worker_reaped; /* the daemon tells the holder */
bool holder_busy; /* between publish and its look at the mark */
bool swept;

byte fate[P];
byte tenant[N];
byte owner[CELLS];
byte reading[CELLS];

#ifdef NO_LAP
#define SAME(slot, expected) (STATE(word[slot]) == STATE(expected))
#else
#define SAME(slot, expected) (word[slot] == (expected))
#endif
#define PUT(slot, state) word[slot] = LAP(word[slot]) * 8 + (state)

#define FREED(w, position) ((w) == WORD(position, DONE) || (w) == WORD(position, RECALLED))

/* The second half of recall, when `w` has been read from the slot of `p`. */
inline recall_swap(p, w) {
    atomic {
        if
        :: SAME(p % N, w) ->
            PUT(p % N, RECALLED);
            assert(tenant[p % N] == p); /* not a later tenant */
            assert(fate[p] == PUBLISHED || fate[p] == TAKEN);
            fate[p] = BACK
        :: else
        fi;
        w = 0
    }
}

#define RECALLABLE(p) (word[(p) % N] == WORD(p, READY) || word[(p) % N] == WORD(p, REVOKED))

active proctype holder() provided (holder_alive)
{
    byte tail, w, p, start, wanted;
    byte payload_head, payload_tail;
    byte payload_end[N];

again:
    do
    :: atomic { head < P && (head - tail < N || FREED(word[tail % N], tail)) ->
            /* reclaim: reads that see a slot a little later are other orders of the same steps */
            do
            :: tail < head && (FREED(word[tail % N], tail)
#ifdef RECLAIM_CLAIMED
                || word[tail % N] == WORD(tail, CLAIMED)
#endif
#ifdef FORGET_REVOKED
                || word[tail % N] == WORD(tail, REVOKED)
#endif
                ) -> assert(fate[tail] == EXECUTED || fate[tail] == BACK); /* none is forgotten in the daemon's hand */
                payload_tail = payload_end[tail % N]; payload_end[tail % N] = 0; tail++
            :: else -> break
            od;
            if
            :: tail == head -> payload_head = 0; payload_tail = 0
            :: tail != head && payload_tail >= CELLS -> /* keep the numbers small: nothing depends on them but mod CELLS */
                payload_tail = payload_tail - CELLS;
                payload_head = payload_head - CELLS;
                p = tail;
                do
                :: p < head -> payload_end[p % N] = payload_end[p % N] - CELLS; p++
                :: else -> break
                od;
                p = 0
            :: else
            fi;
#ifndef NO_PAYLOAD
            if
            :: wanted = 1
            :: wanted = 2
            fi;
#endif
            start = payload_head;
            if
            :: wanted > CELLS - start % CELLS -> start = start + CELLS - start % CELLS
            :: else
            fi;
            if
            :: head - tail < N && start + wanted - payload_tail <= CELLS ->
                payload_head = start + wanted;
                payload_end[head % N] = payload_head;
                offset[head % N] = start % CELLS;
                length[head % N] = wanted;
                do
                :: wanted > 0 ->
                    wanted--;
                    assert(reading[(start + wanted) % CELLS] == 0);
                    owner[(start + wanted) % CELLS] = head
                :: else -> break
                od;
                start = 0
            :: else -> start = 0; wanted = 0; goto again
            fi
        }
        atomic { /* publish */
            holder_busy = true;
            word[head % N] = WORD(head, READY);
            tenant[head % N] = head;
            fate[head] = PUBLISHED;
            head++
        }
#ifndef NO_MARK
        if
        :: atomic { mark -> p = tail }
next_one:   do
            :: atomic { p < head ->
                    if
                    :: RECALLABLE(p) -> w = word[p % N]
                    :: else -> p++; goto next_one
                    fi
                }
                recall_swap(p, w)
            :: atomic { p == head -> p = 0; break }
            od
        :: !mark
        fi;
#endif
        holder_busy = false
    :: atomic { tail < head && word[tail % N] == WORD(tail, REVOKED) -> w = word[tail % N] } /* it is told */
        recall_swap(tail, w)
    :: atomic { tail < head && word[tail % N] == WORD(tail, CLAIMED) &&
#ifdef EARLY_RETRY
            mark
#else
            worker_reaped
#endif
            -> assert(fate[tail] == EXECUTED);
            assert(!worker_alive); /* else it could run twice at a time */
            fate[tail] = RETRIED;
            break
        }
    :: atomic { head == P && tail < head &&
#ifdef FORGET_RECALL
            word[tail % N] == WORD(tail, DONE)
#else
            FREED(word[tail % N], tail)
#endif
            -> tail++ }
    :: head == P && tail == head -> break
    od
}

active proctype recaller() provided (holder_alive) /* a thread of the same process */
{
    byte p, w;
end_recaller:
    do
    :: atomic { head > 0 && RECALLABLE(head - 1) -> p = head - 1; w = word[p % N] }
        recall_swap(p, w);
        p = 0
    :: atomic { head > 1 && RECALLABLE(head - 2) -> p = head - 2; w = word[p % N] }
        recall_swap(p, w);
        p = 0
    od
}

inline use(which, more, less) {
    if
    :: cells[which] > 0 ->
        reading[at[which]] = reading[at[which]] + more - less;
        assert(owner[at[which]] == held[which]);
        if
        :: cells[which] > 1 ->
            reading[(at[which] + 1) % CELLS] = reading[(at[which] + 1) % CELLS] + more - less;
            assert(owner[(at[which] + 1) % CELLS] == held[which])
        :: else
        fi
    :: else
    fi
}

active proctype worker() provided (worker_alive)
{
    byte next, w, which;
    byte held[2];
    bool holding[2];
    byte at[2], cells[2];

end_idle:
    do
    :: atomic { w == 0 && (!holding[0] || !holding[1]) && word[next % N] >= WORD(next, READY) ->
            w = word[next % N];
            if
            :: LAP(w) > next / N + 1 -> /* the slot has a later tenant: ours was recalled */
                next = (LAP(w) - 1) * N + next % N - N + 1;
                w = 0
            :: LAP(w) == next / N + 1 && STATE(w) != READY ->
                assert(STATE(w) == RECALLED || STATE(w) == REVOKED);
                next++;
                w = 0
            :: else
            fi
        }
    :: atomic { w != 0 ->
            if
#ifdef STORE_CLAIM
            :: true ->
#else
            :: SAME(next % N, w) ->
#endif
                PUT(next % N, CLAIMED);
                assert(tenant[next % N] == next);
                assert(fate[next] == PUBLISHED); /* neither taken back nor run before */
                fate[next] = EXECUTED;
                which = (holding[0] -> 1 : 0);
                held[which] = next;
                holding[which] = true;
                at[which] = offset[next % N];
                cells[which] = length[next % N];
                next++;
                use(which, 1, 0)
            :: else /* recalled just now */
            fi;
            which = 0;
            w = 0
        }
#ifdef EARLY_DONE
    :: atomic { holding[0] && word[held[0] % N] == WORD(held[0], CLAIMED) -> word[held[0] % N] = WORD(held[0], DONE) }
#endif
    :: atomic { holding[0] || holding[1] ->
            if
            :: holding[0] -> which = 0
            :: holding[1] -> which = 1
            fi;
            /* the last read of the payload, and then done */
            assert(tenant[held[which] % N] == held[which]);
            use(which, 0, 1);
#ifndef EARLY_DONE
            assert(word[held[which] % N] == WORD(held[which], CLAIMED)); /* so a plain store is enough */
            word[held[which] % N] = WORD(held[which], DONE);
#endif
            holding[which] = false;
            held[which] = 0;
            at[which] = 0;
            cells[which] = 0;
            which = 0
        }
    od
}

active proctype daemon()
{
    byte i, w;
    bool reaped;
end_quiet:
    do
    :: reaped = !holder_alive; /* before it revokes */
        mark = true; /* somebody is stopped, or dead */
next_slot:
        do
        :: atomic { i < N ->
                if
                :: STATE(word[i]) == READY -> w = word[i]
                :: else -> i++; goto next_slot
                fi
            }
            atomic {
                if
                :: SAME(i, w) ->
                    PUT(i, REVOKED);
                    assert(WORD(tenant[i], READY) == w); /* not a later tenant */
                    assert(fate[tenant[i]] == PUBLISHED);
                    fate[tenant[i]] = TAKEN
                :: else
                fi;
                w = 0
            }
        :: atomic { i == N -> i = 0; swept = true; break }
        od;
#ifdef REAP_LATE
        reaped = !holder_alive;
#endif
        /* the worker may still claim what a holder that lives has published since */
        assert(!reaped || (STATE(word[0]) != READY && STATE(word[1]) != READY));
end_swept:
        if
        :: atomic { !worker_alive -> worker_reaped = true; break }
        :: atomic { worker_alive -> swept = false; mark = false } /* it goes on */
#ifdef ALIVE
            break /* else it could sweep for ever, and a deadlock would not show */
#endif
        fi
    od
}

/* nothing that could be claimed is left behind a finished sweep */
active proctype monitor()
{
end_watch:
    atomic {
        swept && !holder_busy && (STATE(word[0]) == READY || STATE(word[1]) == READY);
        assert(false)
    }
}

#ifndef ALIVE
active proctype death()
{
    if
    :: worker_alive = false
    :: holder_alive = false
    :: true
    fi
}
#endif
