/* Sessions between daemons.
 *
 * Frames of one direction of a session arrive in order; between sessions nothing is ordered. A
 * session that is cut loses what is under way, and both sides learn of it, each in its own time.
 * What a partition stops is held, as TCP would, and arrives when it heals, if the session still
 * is. A machine that crashes silently leaves its peers' sessions half open. */
#include <stdlib.h>
#include <string.h>

#include "runtime/wire/codec.h"
#include "tests/sim/sim.h"

struct sim_session *sim_session_get(struct sim *sim, uint64_t id)
{
    return reeve_map64_get(&sim->sessions, id);
}

int sim_session_side(const struct sim_session *session, uint64_t life)
{
    return session->life[1] == life;
}

static uint32_t machine_of(struct sim *sim, uint64_t life)
{
    const struct sim_daemon *daemon = sim_daemon_get(sim, life);
    return daemon != NULL ? daemon->machine : UINT32_MAX;
}

static uint64_t delay(struct sim *sim)
{
    if (sim->chaos && sim_chance(sim, 1, 50))
        return sim_between(sim, 1 * MS, 400 * MS);
    return sim_between(sim, 30 * US, 2 * MS);
}

bool sim_blocked(const struct sim *sim, uint32_t from, uint32_t to)
{
    return from != to && reeve_map64_get(&sim->blocked, (uint64_t)from << 32 | to) != NULL;
}

/* ---- frames ---- */

/* Every control message passes through the wire's codec, so that what it forgets is missed here. */
static void through_the_codec(struct sim *sim, struct reeve_message *message)
{
    uint8_t bytes[2048];
    size_t size = reeve_control_pack(message, bytes, sizeof bytes);
    if (size == 0 || size > sizeof bytes)
        sim_violation(sim, "a control message of kind %d does not pack", message->kind);
    Reeve__Control *control = reeve__control__unpack(NULL, size, bytes);
    struct reeve_message decoded;
    if (control == NULL || reeve_control_decode(control, &decoded) != 0)
        sim_violation(sim, "a control message of kind %d (%s) does not decode", message->kind,
            reeve_message_kind_name(message->kind));
    reeve__control__free_unpacked(control, NULL);
    *message = decoded;
}

void sim_send_frame(struct sim *sim, struct sim_session *session, int from, struct sim_frame *frame)
{
    if (!session->open) {
        free(frame);
        return;
    }
    if (frame->kind == FRAME_CONTROL)
        through_the_codec(sim, &frame->message);
    int to = !from;
    uint64_t at_ns = sim->now_ns + delay(sim);
    if (at_ns < session->ready_ns[to])
        at_ns = session->ready_ns[to];
    session->ready_ns[to] = at_ns;
    struct sim_event *event = sim_after(sim, at_ns - sim->now_ns, SIM_DELIVER);
    event->a = session->id;
    event->c = (uint32_t)to;
    event->data = frame;
}

void sim_send_message(
    struct sim *sim, struct sim_session *session, int from, const struct reeve_message *message)
{
    struct sim_frame *frame = sim_alloc(sizeof *frame);
    frame->kind = FRAME_CONTROL;
    frame->message = *message;
    sim_send_frame(sim, session, from, frame);
}

static void deliver(struct sim *sim, struct sim_session *session, int side, struct sim_frame *frame)
{
    struct sim_daemon *daemon = sim_daemon_get(sim, session->life[side]);
    if (daemon != NULL && session->told_up[side] && !session->told_down[side])
        sim_daemon_frame(sim, daemon, session, side, frame);
}

/* They come one after another, and what is sent meanwhile waits behind them. */
static void deliver_held_later(struct sim *sim, const struct sim_session *session, int side)
{
    struct sim_event *event = sim_after(sim, 10 * US, SIM_DELIVER);
    event->a = session->id;
    event->c = (uint32_t)side;
}

static void on_deliver(struct sim *sim, struct sim_event *event)
{
    struct sim_session *session = sim_session_get(sim, event->a);
    int side = (int)event->c;
    if (session == NULL || !session->open)
        return;
    struct reeve_fifo *held = &session->held[side];
    bool blocked = sim_blocked(
        sim, machine_of(sim, session->life[!side]), machine_of(sim, session->life[side]));
    if (event->data != NULL && (blocked || held->count > 0)) {
        struct sim_frame **place = reeve_fifo_push(held);
        *place = event->data;
        event->data = NULL;
    } else if (event->data != NULL) {
        deliver(sim, session, side, event->data);
    } else if (!blocked && reeve_fifo_pop(held, &event->data)) {
        if (held->count > 0)
            deliver_held_later(sim, session, side);
        deliver(sim, session, side, event->data);
    }
}

static void release(struct sim *sim, uint32_t from, uint32_t to)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&sim->sessions, &at, NULL, &value)) {
        struct sim_session *session = value;
        for (int side = 0; side < 2 && session->open; side++)
            if (session->held[side].count > 0 && machine_of(sim, session->life[!side]) == from &&
                machine_of(sim, session->life[side]) == to)
                deliver_held_later(sim, session, side);
    }
}

void sim_block(struct sim *sim, uint32_t from, uint32_t to, bool blocked)
{
    uint64_t key = (uint64_t)from << 32 | to;
    if (blocked) {
        reeve_map64_put(&sim->blocked, key, sim, NULL);
    } else if (reeve_map64_remove(&sim->blocked, key) != NULL) {
        release(sim, from, to);
    }
}

/* ---- sessions ---- */

void sim_dial(struct sim *sim, uint64_t from, uint64_t to, uint32_t number)
{
    struct sim_event *event = sim_after(sim, delay(sim), SIM_DIAL);
    event->a = from;
    event->b = to;
    event->c = number;
}

static struct sim_session *between(struct sim *sim, uint64_t a, uint64_t b)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&sim->sessions, &at, NULL, &value)) {
        struct sim_session *session = value;
        if (session->open && ((session->life[0] == a && session->life[1] == b) ||
                                 (session->life[0] == b && session->life[1] == a)))
            return session;
    }
    return NULL;
}

static void join(struct sim_session *session, int side, const struct sim_event *dial)
{
    session->dials[side].dialled = true;
    session->dials[side].address = dial->b;
    session->dials[side].node = dial->c;
}

static void on_dial(struct sim *sim, const struct sim_event *event)
{
    struct sim_daemon *from = sim_daemon_get(sim, event->a);
    if (from == NULL)
        return;
    uint64_t to = event->b != 0 ? event->b : sim->head_life;
    struct sim_daemon *target = sim_daemon_get(sim, to);
    uint32_t machine = event->b == 0 ? 0 : (uint32_t)(event->b >> 32) - 1;
    bool reachable = sim->machines[machine].up && !sim_blocked(sim, from->machine, machine) &&
                     !sim_blocked(sim, machine, from->machine);
    if (from->life == to)
        return;
    struct sim_session *former = between(sim, from->life, to);
    if (former != NULL) { /* the dial ends as that one does, if it is not up already */
        join(former, sim_session_side(former, from->life), event);
        sim_trace(sim, "%llx dials %llx: there is session %llu", (unsigned long long)from->life,
            (unsigned long long)to, (unsigned long long)former->id);
        return;
    }
    if (!reachable || target == NULL) {
        sim_daemon_dial_failed(sim, from, event->b, event->c, reachable);
        return;
    }
    struct sim_session *session = sim_alloc(sizeof *session);
    session->id = ++sim->next_id;
    session->life[0] = from->life;
    session->life[1] = to;
    session->open = true;
    join(session, 0, event);
    reeve_map64_put(&sim->sessions, session->id, session, NULL);
    for (int side = 0; side < 2; side++) {
        reeve_fifo_init(&session->held[side], sizeof(struct sim_frame *));
        uint64_t wait_ns = delay(sim);
        session->ready_ns[side] = sim->now_ns + wait_ns;
        struct sim_event *up = sim_after(sim, wait_ns, SIM_SESSION_UP);
        up->a = session->id;
        up->c = (uint32_t)side;
    }
}

static void forget(struct sim *sim, struct sim_session *session)
{
    for (int side = 0; side < 2; side++)
        if (sim_daemon_get(sim, session->life[side]) != NULL && !session->told_down[side])
            return;
    reeve_map64_remove(&sim->sessions, session->id);
    for (int side = 0; side < 2; side++) {
        struct sim_frame *frame;
        while (reeve_fifo_pop(&session->held[side], &frame))
            free(frame);
        reeve_fifo_fini(&session->held[side]);
    }
    free(session);
}

static void tell_down(struct sim *sim, struct sim_session *session, int side)
{
    if (!session->told_up[side] || session->told_down[side])
        return;
    session->told_down[side] = true;
    struct sim_daemon *daemon = sim_daemon_get(sim, session->life[side]);
    if (daemon != NULL)
        sim_daemon_session_down(sim, daemon, session);
}

/* It is over before this side had it: to who dialled, the dial came to nothing. */
static void still_born(struct sim *sim, struct sim_session *session, int side)
{
    struct sim_daemon *daemon = sim_daemon_get(sim, session->life[side]);
    if (session->told_up[side])
        return;
    session->told_up[side] = session->told_down[side] = true;
    if (session->dials[side].dialled && daemon != NULL)
        sim_daemon_dial_failed(
            sim, daemon, session->dials[side].address, session->dials[side].node, false);
}

static void on_up(struct sim *sim, const struct sim_event *event)
{
    struct sim_session *session = sim_session_get(sim, event->a);
    int side = (int)event->c;
    if (session == NULL)
        return;
    struct sim_daemon *daemon = sim_daemon_get(sim, session->life[side]);
    if (!session->open || daemon == NULL) {
        still_born(sim, session, side);
        session = sim_session_get(sim, event->a);
        if (session != NULL)
            forget(sim, session);
        return;
    }
    /* A new session with the same peer: the end of the old one is told first. */
    uint64_t life[2] = {session->life[0], session->life[1]}, id = session->id;
    for (;;) {
        struct sim_session *old = NULL;
        size_t at = 0;
        void *value;
        while (old == NULL && reeve_map64_next(&sim->sessions, &at, NULL, &value)) {
            struct sim_session *other = value;
            int its = sim_session_side(other, life[side]);
            if (!other->open && other->life[its] == life[side] &&
                other->life[!its] == life[!side] && other->told_up[its] && !other->told_down[its])
                old = other;
        }
        if (old == NULL)
            break;
        tell_down(sim, old, sim_session_side(old, life[side]));
    }
    session = sim_session_get(sim, id);
    daemon = sim_daemon_get(sim, life[side]);
    if (session == NULL || daemon == NULL || !session->open)
        return;
    session->told_up[side] = true;
    sim_trace(sim, "session %llu with %llx is up at %llx", (unsigned long long)id,
        (unsigned long long)life[!side], (unsigned long long)life[side]);
    sim_daemon_session_up(sim, daemon, session, side);
    /* Some end before anything has been said in them. */
    session = sim_session_get(sim, id);
    if (session != NULL && session->open && sim->chaos && sim_chance(sim, 1, 40)) {
        sim_trace(sim, "session %llu is cut as it begins", (unsigned long long)id);
        sim_session_cut(sim, session);
        sim->cuts++;
    }
}

static void announce_end(struct sim *sim, struct sim_session *session, bool silent)
{
    session->open = false;
    for (int side = 0; side < 2; side++) {
        if (silent && sim_chance(sim, 9, 10))
            continue;
        struct sim_event *down =
            sim_after(sim, sim_between(sim, 10 * US, 50 * MS), SIM_SESSION_DOWN);
        down->a = session->id;
        down->c = (uint32_t)side;
    }
}

void sim_session_cut(struct sim *sim, struct sim_session *session)
{
    announce_end(sim, session, false); /* if it was half open, who closes it hears of its end now */
}

void sim_sessions_lost(struct sim *sim, uint64_t life, bool silent)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&sim->sessions, &at, NULL, &value)) {
        struct sim_session *session = value;
        if (session->open && (session->life[0] == life || session->life[1] == life))
            announce_end(sim, session, silent);
    }
}

static void on_down(struct sim *sim, const struct sim_event *event)
{
    struct sim_session *session = sim_session_get(sim, event->a);
    if (session == NULL)
        return;
    int side = (int)event->c;
    still_born(sim, session, side);
    session = sim_session_get(sim, event->a);
    if (session != NULL)
        tell_down(sim, session, side);
    session = sim_session_get(sim, event->a);
    if (session != NULL)
        forget(sim, session);
}

void sim_network_fire(struct sim *sim, struct sim_event *event)
{
    switch (event->kind) {
    case SIM_DIAL: on_dial(sim, event); break;
    case SIM_SESSION_UP: on_up(sim, event); break;
    case SIM_SESSION_DOWN: on_down(sim, event); break;
    default: on_deliver(sim, event); break;
    }
}
