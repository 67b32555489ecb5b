/* A node daemon's shell around its store core, as runtime/node/shell_store.c is: what its processes
 * and other nodes say goes in, what the core commands is carried out. Its memory is small, so that
 * it is full most of the time; disks are slow now and then, and fail.
 *
 *   SEND_PULL ─▶ piece ── frame ──▶ node     answered once: by what comes, when it has been
 *                                            dropped (written to until then), by a new session
 *   SEND_CHUNK, SPILL_…, SEGMENT_RETURN ─▶ working ── later ──▶ sent, done */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/values.h"

#define PIECE_SIZE (128u << 10)

struct sim_piece {
    uint64_t number;
    uint32_t node, segment;
    uint64_t place, length;
    bool dropped;
};

static void arm(struct sim *sim, struct sim_daemon *daemon)
{
    uint64_t at_ns = reeve_store_deadline(daemon->store->core);
    if (at_ns == NEVER || (daemon->store->tick_ns <= at_ns && daemon->store->tick_ns > sim->now_ns))
        return;
    at_ns = REEVE_MAX(at_ns, sim->now_ns);
    daemon->store->tick_ns = at_ns;
    sim_after(sim, at_ns - sim->now_ns, SIM_STORE_TICK)->a = daemon->life;
}

/* ---- other nodes ---- */

static struct sim_frame *frame_of(const struct reeve_store_event *said, uint64_t size)
{
    struct sim_frame *frame = sim_alloc(sizeof *frame + size);
    frame->kind = FRAME_STORE;
    frame->said = *said;
    return frame;
}

static void say(
    struct sim *sim, struct sim_daemon *daemon, uint32_t node, struct reeve_store_event event)
{
    sim_peer_say(sim, daemon, node, frame_of(&event, 0));
}

static void piece_answer(
    struct sim *sim, struct sim_daemon *daemon, uint64_t number, struct reeve_store_event event)
{
    struct sim_piece *piece = reeve_map64_remove(&daemon->store->pieces, number);
    event.kind = REEVE_STORE_PEER_CHUNK;
    event.node = piece->node;
    event.number = number;
    free(piece);
    sim_store_step(sim, daemon, &event);
}

static void send_pull(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_store_command *c)
{
    struct sim_piece *piece = sim_alloc(sizeof *piece);
    *piece = (struct sim_piece){.number = c->number,
        .node = c->node,
        .segment = c->segment,
        .place = c->place,
        .length = c->length};
    if (c->length > 0)
        sim_untouchable(sim, daemon, c->segment, c->place, c->length);
    reeve_map64_put(&daemon->store->pieces, c->number, piece, NULL);
    sim->pulls++;
    say(sim, daemon, c->node,
        (struct reeve_store_event){.kind = REEVE_STORE_PEER_PULL,
            .id = c->id,
            .offset = c->offset,
            .length = c->length,
            .number = c->number,
            .flags = c->insist ? REEVE_STORE_INSIST : 0});
}

static void drop_pull(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_store_command *c)
{
    struct sim_piece *piece = reeve_map64_get(&daemon->store->pieces, c->number);
    if (piece == NULL || piece->dropped)
        sim_violation(sim, "node %u drops a piece that it has not asked for", daemon->number);
    piece->dropped = true;
    struct sim_event *event = sim_after(sim, sim_between(sim, 0, 20 * MS), SIM_STORE_DROPPED);
    event->a = daemon->life;
    event->b = c->number;
}

/* Its bytes leave now. */
static void send_chunk(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_store_command *c)
{
    bool has_bytes = c->code == 0 && c->length > 0;
    struct reeve_store_event event = {.kind = REEVE_STORE_PEER_CHUNK,
        .number = c->number,
        .size = c->size,
        .length = c->length,
        .code = c->code,
        .other = c->other};
    struct sim_frame *frame = frame_of(&event, has_bytes ? c->length : 0);
    if (has_bytes)
        memcpy(frame->entries, sim_memory(sim, daemon, c->segment, c->place, c->length), c->length);
    sim_peer_say(sim, daemon, c->node, frame);
}

/* What the word of a core is at the node that it is for. */
static struct reeve_store_event word_event(const struct reeve_store_command *c)
{
    struct reeve_store_event event = {.kind = REEVE_STORE_PEER_HOLD,
        .id = c->id,
        .process = c->process,
        .call = c->call,
        .attempt = c->attempt,
        .word = c->number};
    switch (c->word) {
    case REEVE_STORE_WORD_STRAY: event.flags = REEVE_STORE_STRAY; /* fall through */
    case REEVE_STORE_WORD_FREE: event.kind = REEVE_STORE_PEER_FREE; break;
    case REEVE_STORE_WORD_GIVE: event.kind = REEVE_STORE_PEER_GIVE; break;
    case REEVE_STORE_WORD_GIVEN:
        event.kind = REEVE_STORE_PEER_GIVEN;
        event.number = c->token;
        break;
    case REEVE_STORE_WORD_UNHOLD: event.flags = REEVE_STORE_HELD; /* fall through */
    case REEVE_STORE_WORD_HOLD: event.number = c->token; break;
    case REEVE_STORE_WORD_MOVE:
        event.number = c->token;
        event.heir = c->heir;
        break;
    }
    return event;
}

static void chunk_came(
    struct sim *sim, struct sim_daemon *daemon, uint32_t from, const struct sim_frame *frame)
{
    const struct reeve_store_event *said = &frame->said;
    const struct sim_piece *piece = reeve_map64_get(&daemon->store->pieces, said->number);
    if (piece == NULL || piece->node != from)
        return; /* late */
    if (said->code == REEVE_EAGAIN && said->other == 0) {
        sim_store_step(sim, daemon,
            &(struct reeve_store_event){
                .kind = REEVE_STORE_PEER_BUSY, .node = from, .number = said->number});
        return;
    }
    if (said->code == 0 && said->length != piece->length)
        sim_violation(sim, "node %u is sent a piece of another length", daemon->number);
    if (said->code == 0 && said->length > 0) {
        sim_untouchable(sim, daemon, piece->segment, piece->place, piece->length);
        memcpy(sim_memory(sim, daemon, piece->segment, piece->place, piece->length), frame->entries,
            piece->length);
    }
    piece_answer(sim, daemon, said->number, *said);
}

void sim_store_frame(
    struct sim *sim, struct sim_daemon *daemon, uint32_t from, const struct sim_frame *frame)
{
    struct reeve_store_event event = frame->said;
    uint64_t life = daemon->life;
    event.node = from;
    if (event.kind == REEVE_STORE_PEER_CHUNK) {
        chunk_came(sim, daemon, from, frame);
        return;
    }
    sim_store_step(sim, daemon, &event);
    daemon = sim_daemon_get(sim, life);
    if (daemon != NULL && event.word != 0)
        say(sim, daemon, from,
            (struct reeve_store_event){.kind = REEVE_STORE_PEER_FREED, .number = event.word});
}

void sim_store_peer(struct sim *sim, struct sim_daemon *daemon, uint32_t node, bool down)
{
    uint64_t life = daemon->life, *numbers;
    size_t at = 0, count = 0;
    void *value;
    numbers = sim_alloc((reeve_map64_count(&daemon->store->pieces) + 1) * sizeof *numbers);
    while (reeve_map64_next(&daemon->store->pieces, &at, NULL, &value))
        if (((struct sim_piece *)value)->node == node)
            numbers[count++] = ((struct sim_piece *)value)->number;
    for (size_t i = 0; i < count && daemon != NULL; i++) {
        if (reeve_map64_get(&daemon->store->pieces, numbers[i]) != NULL)
            piece_answer(sim, daemon, numbers[i], (struct reeve_store_event){.code = REEVE_ELINK});
        daemon = sim_daemon_get(sim, life);
    }
    free(numbers);
    if (daemon != NULL)
        sim_store_step(sim, daemon,
            &(struct reeve_store_event){
                .kind = down ? REEVE_STORE_PEER_DOWN : REEVE_STORE_PEER_RESET, .node = node});
}

/* ---- what takes its time ---- */

static void work_later(struct sim *sim, struct sim_daemon *daemon,
    const struct reeve_store_command *c, uint64_t delay_ns)
{
    struct reeve_store_command *work = sim_alloc(sizeof *work);
    struct sim_event *event = sim_after(sim, delay_ns, SIM_STORE_WORK);
    *work = *c;
    event->a = daemon->life;
    event->b = ++sim->next_id;
    reeve_map64_put(&daemon->store->working, event->b, work, NULL);
}

static uint64_t disk_delay(struct sim *sim)
{
    if (sim->chaos && sim_chance(sim, 1, 30))
        return sim_between(sim, 50 * MS, 3 * SECOND);
    return sim_between(sim, 50 * US, 10 * MS);
}

static void work_done(struct sim *sim, struct sim_daemon *daemon, uint64_t number)
{
    struct reeve_store_command *work = reeve_map64_remove(&daemon->store->working, number);
    struct reeve_store_command c = *work;
    struct reeve_store_event event;
    free(work);
    if (c.kind == REEVE_STORE_SEND_CHUNK) {
        send_chunk(sim, daemon, &c);
        event = (struct reeve_store_event){.kind = REEVE_STORE_SENT, .number = c.serial};
    } else if (c.kind == REEVE_STORE_SEGMENT_RETURN) {
        bool fails = sim->chaos && sim_chance(sim, 1, 20);
        sim_untouchable(sim, daemon, c.segment, c.offset, c.length);
        if (!fails)
            memset(sim_memory(sim, daemon, c.segment, c.offset, c.length), 0, c.length);
        event = (struct reeve_store_event){.kind = REEVE_STORE_SEGMENT_RETURNED,
            .segment = c.segment,
            .offset = c.offset,
            .code = fails ? REEVE_ESYSTEM : 0};
    } else {
        event = sim_disk_done(sim, daemon, &c);
    }
    sim_store_step(sim, daemon, &event);
}

/* ---- commands ---- */

static void reply(struct sim *sim, struct sim_daemon *daemon, const struct reeve_store_command *c,
    enum reeve_store_event_kind kind)
{
    struct sim_process *process = reeve_map64_get(&daemon->clients, c->client);
    struct sim_local message = {.kind = LOCAL_STORED,
        .said = {.kind = kind,
            .request = c->request,
            .code = c->code,
            .id = c->id,
            .segment = c->segment,
            .other = c->segment_serial,
            .offset = c->offset,
            .size = c->size,
            .node = c->node,
            .number = c->token,
            .call = c->call,
            .attempt = c->attempt,
            .flags = c->anchored ? REEVE_STORE_ANCHOR : 0}};
    if (process == NULL)
        return;
    sim_trace(sim, "store of node %u: %s of process %llu, request %u: %s %s", daemon->number,
        reeve_store_event_name(kind), (unsigned long long)process->uid, c->request,
        reeve_error_name(c->code), c->text);
    sim->full += c->code == REEVE_EFULL;
    if (c->code == 0 && kind == REEVE_STORE_CREATE)
        sim_untouchable(sim, daemon, c->segment, c->offset, c->size);
    if (c->code == 0 && (kind == REEVE_STORE_CREATE || kind == REEVE_STORE_GET))
        sim_value_place(process, c);
    sim_to_process(sim, process, &message);
}

static void carry_out(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_store_command *c)
{
    sim_hash(sim, (uint64_t)c->kind << 56 ^ daemon->life ^ (uint64_t)c->client << 40 ^ c->offset ^
                      (uint64_t)c->request << 16);
    switch (c->kind) {
    case REEVE_STORE_REPLY_CREATE: reply(sim, daemon, c, REEVE_STORE_CREATE); break;
    case REEVE_STORE_REPLY_GET:
        if (c->client == REEVE_STORE_DAEMON)
            reeve_stages_got(daemon->store->stages, c);
        else
            reply(sim, daemon, c, REEVE_STORE_GET);
        break;
    case REEVE_STORE_REPLY_SEAL: reply(sim, daemon, c, REEVE_STORE_SEAL); break;
    case REEVE_STORE_RELAX: reply(sim, daemon, c, REEVE_STORE_MEMORY); break;
    case REEVE_STORE_OVER: reply(sim, daemon, c, REEVE_STORE_FREE); break;
    case REEVE_STORE_TELL_HEIR: reply(sim, daemon, c, REEVE_STORE_PEER_GIVEN); break;
    case REEVE_STORE_SEND_PULL: send_pull(sim, daemon, c); break;
    case REEVE_STORE_DROP_PULL: drop_pull(sim, daemon, c); break;
    case REEVE_STORE_SEND_CHUNK:
        if (c->serial == 0)
            send_chunk(sim, daemon, c);
        else
            work_later(sim, daemon, c, sim_between(sim, 10 * US, 3 * MS));
        break;
    case REEVE_STORE_SEND_FREE: say(sim, daemon, c->node, word_event(c)); break;
    case REEVE_STORE_SEGMENT_RETURN:
        sim_untouchable(sim, daemon, c->segment, c->offset, c->length);
        work_later(sim, daemon, c, sim_between(sim, 10 * US, 5 * MS));
        break;
    case REEVE_STORE_SPILL_READ:
        sim_untouchable(sim, daemon, c->segment, c->offset, c->length);
        work_later(sim, daemon, c, disk_delay(sim));
        break;
    case REEVE_STORE_SPILL_WRITE: work_later(sim, daemon, c, disk_delay(sim)); break;
    default: sim_memory_command(sim, daemon, c); break;
    }
}

static void audit(struct sim *sim, const struct sim_daemon *daemon, const char *after)
{
    const char *wrong = sim->options.audit ? reeve_store_check(daemon->store->core) : NULL;
    if (wrong == NULL && sim->options.audit)
        wrong = reeve_stages_check(daemon->store->stages);
    if (wrong != NULL)
        sim_violation(
            sim, "the store's tables on node %u: %s, after %s", daemon->number, wrong, after);
}

void sim_store_step(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_store_event *event)
{
    struct sim_store *store = daemon->store;
    struct reeve_store_command command;
    if (daemon->dead)
        return;
    sim_trace(sim,
        "store of node %u: %s client %u request %u object %llx/%llx node %u size %llu code %d",
        daemon->number, reeve_store_event_name(event->kind), event->client, event->request,
        (unsigned long long)event->id.owner, (unsigned long long)event->id.sequence, event->node,
        (unsigned long long)event->size, event->code);
    reeve_store_step(store->core, sim->now_ns, event, &store->out);
    audit(sim, daemon, reeve_store_event_name(event->kind));
    if (store->carrying)
        return;
    bool outer = !daemon->running, more = true;
    store->carrying = daemon->running = true;
    while (more && !daemon->dead) {
        while (!daemon->dead && reeve_fifo_pop(&store->out, &command)) {
            carry_out(sim, daemon, &command);
            if (sim_chance(sim, 1, 8))
                sim_maybe_kill(sim, daemon);
        }
        more = !daemon->dead && (reeve_store_run_some(store->core, sim->now_ns, &store->out) ||
                                    reeve_fifo_peek(&store->out) != NULL);
    }
    store->carrying = false;
    if (!daemon->dead) {
        audit(sim, daemon, "the rest");
        arm(sim, daemon);
        sim_stages_run(sim, daemon);
    }
    if (!outer)
        return; /* who runs the daemon buries it */
    daemon->running = false;
    if (daemon->dead)
        sim_daemon_free(sim, daemon);
}

void sim_store_local(
    struct sim *sim, struct sim_process *process, const struct reeve_store_event *said)
{
    struct sim_daemon *daemon = sim_daemon_get(sim, process->life);
    struct reeve_store_event event = *said;
    event.client = process->serial;
    sim_store_step(sim, daemon, &event);
}

void sim_store_fire(struct sim *sim, const struct sim_event *event)
{
    struct sim_daemon *daemon = sim_daemon_get(sim, event->a);
    if (daemon == NULL)
        return;
    if (event->kind == SIM_STORE_WORK) {
        work_done(sim, daemon, event->b);
    } else if (event->kind == SIM_STORE_DROPPED) {
        const struct sim_piece *piece = reeve_map64_get(&daemon->store->pieces, event->b);
        if (piece == NULL)
            return;              /* a new session has answered it */
        if (piece->length > 0) { /* until now it was written to */
            sim_untouchable(sim, daemon, piece->segment, piece->place, piece->length);
            memset(sim_memory(sim, daemon, piece->segment, piece->place, piece->length), 0xcc,
                piece->length);
        }
        piece_answer(sim, daemon, event->b, (struct reeve_store_event){.code = REEVE_ECANCELLED});
    } else if (daemon->store->tick_ns <= sim->now_ns) {
        daemon->store->tick_ns = NEVER;
        sim_store_step(sim, daemon, &(struct reeve_store_event){.kind = REEVE_STORE_TICK});
    }
}

/* ---- life ---- */

void sim_store_start(struct sim *sim, struct sim_daemon *daemon)
{
    static const char *const folders[] = {"/one", "/two"};
    struct sim_store *store = daemon->store = sim_alloc(sizeof *store);
    struct reeve_map64 *maps[] = {&store->segments, &store->files, &store->pieces, &store->working};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        reeve_map64_init(maps[i]);
    reeve_fifo_init(&store->out, sizeof(struct reeve_store_command));
    store->tick_ns = NEVER;
    struct reeve_store_settings settings = {.capacity_bytes = sim->store_bytes,
        .segment_size_bytes = sim->store_bytes / 4,
        .piece_size_bytes = PIECE_SIZE,
        .return_now_bytes = daemon->machine % 2 == 0 ? 0 : 1,
        .spill_folders = folders,
        .spill_folder_count = sim->folder_count,
        .spill_file_bytes = sim->store_bytes,
        .spill_limit_bytes = daemon->machine % 3 == 0 ? 4 * sim->store_bytes : 0,
        .spill_retry_ns = SECOND};
    store->core = reeve_store_create(&settings);
    store->stages = reeve_stages_create(store->core, settings.capacity_bytes);
}

void sim_store_free(struct sim_daemon *daemon)
{
    struct sim_store *store = daemon->store;
    reeve_stages_free(store->stages);
    reeve_store_free(store->core);
    reeve_map64_fini_values(&store->pieces);
    reeve_map64_fini_values(&store->working);
    sim_bytes_free(&store->segments);
    sim_bytes_free(&store->files);
    reeve_fifo_fini(&store->out);
    free(store);
}

/* ---- at rest ---- */

const char *sim_store_unrest(
    struct sim *sim, const struct sim_daemon *daemon, char *text, size_t size)
{
    struct reeve_store_status s;
    struct reeve_store_object_info info;
    struct reeve_stages_status stages;
    reeve_stages_status(daemon->store->stages, &stages);
    if (stages.count > 0) {
        snprintf(text, size, "node %u has %llu stages, of which %llu wait", daemon->number,
            (unsigned long long)stages.count, (unsigned long long)stages.waiting_count);
        return text;
    }
    reeve_store_status(daemon->store->core, &s);
    uint64_t primaries = 0;
    for (uint64_t cursor = 0; reeve_store_next_object(daemon->store->core, &cursor, &info);)
        primaries += !info.copy;
    if (s.queue_count + s.pull_count + s.unsealed_bytes + s.pin_count + s.hold_count +
                s.untold_count + s.restoring_count + primaries ==
            0 &&
        (!sim->ending || s.object_count + s.spilled_count + s.disk_bytes == 0))
        return NULL;
    snprintf(text, size,
        "the store of node %u: %llu wait for room, %llu pulls, %llu bytes not sealed, %llu pins, "
        "%llu holds, %llu words not heard, %llu restores, %llu objects of which %llu are no "
        "copies, "
        "%llu on disk",
        daemon->number, (unsigned long long)s.queue_count, (unsigned long long)s.pull_count,
        (unsigned long long)s.unsealed_bytes, (unsigned long long)s.pin_count,
        (unsigned long long)s.hold_count, (unsigned long long)s.untold_count,
        (unsigned long long)s.restoring_count, (unsigned long long)s.object_count,
        (unsigned long long)primaries, (unsigned long long)s.spilled_count);
    return text;
}

void sim_stores_print(struct sim *sim)
{
    size_t at = 0;
    void *found;
    while (reeve_map64_next(&sim->daemons, &at, NULL, &found)) {
        const struct sim_daemon *daemon = found;
        struct reeve_store_object_info info;
        for (uint64_t cursor = 0;
             !daemon->is_head && reeve_store_next_object(daemon->store->core, &cursor, &info);)
            fprintf(stderr, "  node %u: object %llx/%llx of %llx, %s%s, %u pins\n", daemon->number,
                (unsigned long long)info.id.owner, (unsigned long long)info.id.sequence,
                (unsigned long long)info.owner, info.state, info.freed ? ", freed" : "",
                info.pin_count);
    }
}
