/* Scenarios for the scheduler core: how commands are written, and the events in short. */
#include "tests/unit/scheduler/scenario.h"

#include <stdio.h>
#include <string.h>

/* message.c of the wire is not linked into tests of a pure core */
static const char *kind_name(enum reeve_message_kind kind)
{
    switch (kind) {
    case REEVE_MESSAGE_WELCOME: return "WELCOME";
    case REEVE_MESSAGE_PEER_UP: return "PEER_UP";
    case REEVE_MESSAGE_PEER_DOWN: return "PEER_DOWN";
    case REEVE_MESSAGE_GRANT: return "GRANT";
    case REEVE_MESSAGE_RECALL: return "RECALL";
    case REEVE_MESSAGE_JOB_END: return "JOB_END";
    case REEVE_MESSAGE_INFEASIBLE: return "INFEASIBLE";
    case REEVE_MESSAGE_HEARTBEAT: return "HEARTBEAT";
    case REEVE_MESSAGE_DEADLOCK: return "DEADLOCK";
    case REEVE_MESSAGE_NAMED: return "NAMED";
    default: return "?";
    }
}

static void describe_send(const struct reeve_sched_command *c, char *text, size_t size)
{
    const struct reeve_message *m = &c->message;
    int length = snprintf(text, size, "send %u %s", (unsigned)c->session, kind_name(m->kind));
    text += length;
    size -= (size_t)length;
    unsigned long long lease = m->lease & 0xffffffffffffull;
    switch (m->kind) {
    case REEVE_MESSAGE_WELCOME:
    case REEVE_MESSAGE_PEER_UP:
    case REEVE_MESSAGE_PEER_DOWN:
        snprintf(text, size, " %u%s", m->node, m->code == REEVE_ESHUTDOWN ? " stopped" : "");
        break;
    case REEVE_MESSAGE_GRANT:
        snprintf(text, size, " %llu to %u.%u", lease, reeve_process_node(m->process),
            (uint32_t)m->process);
        break;
    case REEVE_MESSAGE_RECALL:
        snprintf(text, size, " %llu%s", lease, m->count != 0 ? " when idle" : "");
        break;
    case REEVE_MESSAGE_JOB_END:
    case REEVE_MESSAGE_INFEASIBLE:
        snprintf(text, size, " %u.%u", reeve_process_node(m->process), (uint32_t)m->process);
        break;
    default: break;
    }
}

static void describe(const struct reeve_sched_command *c, char *text, size_t size)
{
    static const char *const journals[] = {"numbers", "up", "down", "name", "no-name"};
    switch (c->kind) {
    case REEVE_SCHED_COMMAND_SEND: describe_send(c, text, size); break;
    case REEVE_SCHED_COMMAND_DIAL:
        snprintf(text, size, "dial %u %s", c->node, c->message.address);
        break;
    case REEVE_SCHED_COMMAND_DROP_PEER:
        snprintf(text, size, "drop %u", (unsigned)c->session);
        break;
    case REEVE_SCHED_COMMAND_JOURNAL:
        snprintf(text, size, "journal %s %u", journals[c->journal],
            c->journal == REEVE_SCHED_JOURNAL_NUMBERS ? (unsigned)c->message.count : c->node);
        break;
    case REEVE_SCHED_COMMAND_NOTICE:
        snprintf(text, size, "notice %s %u", reeve_sched_notice_name(c->notice), c->node);
        break;
    }
}

void begin(struct scenario *x, const struct reeve_sched_settings *settings)
{
    struct reeve_sched_settings ours = {.head_incarnation = 1, .node_next = 1, .seed = 1};
    x->sched = reeve_sched_create(settings != NULL ? settings : &ours);
    assert_non_null(x->sched);
    reeve_fifo_init(&x->out, sizeof(struct reeve_sched_command));
    x->now_ns = 1000 * MS;
    x->shows_idle = false;
}

void finish(struct scenario *x)
{
    expect(x, "");
    reeve_sched_free(x->sched);
    reeve_fifo_fini(&x->out);
}

static void audit(struct scenario *x)
{
    const char *wrong = reeve_sched_check(x->sched);
    if (wrong != NULL)
        fail_msg("audit: %s", wrong);
}

void step(struct scenario *x, const struct reeve_sched_event *event)
{
    reeve_sched_step(x->sched, x->now_ns, event, &x->out);
    audit(x);
}

void run(struct scenario *x)
{
    while (reeve_sched_has_work(x->sched)) {
        reeve_sched_run_some(x->sched, x->now_ns, &x->out);
        audit(x);
    }
}

void wait_ms(struct scenario *x, uint64_t ms)
{
    uint64_t end_ns = x->now_ns + ms * MS;
    for (;;) {
        uint64_t deadline_ns = reeve_sched_deadline(x->sched);
        if (deadline_ns > end_ns)
            break;
        x->now_ns = deadline_ns > x->now_ns ? deadline_ns : x->now_ns;
        step(x, &(struct reeve_sched_event){.kind = REEVE_SCHED_EVENT_TICK});
        run(x);
    }
    x->now_ns = end_ns;
}

void up(struct scenario *x, uint64_t session)
{
    step(x, &(struct reeve_sched_event){.kind = REEVE_SCHED_EVENT_PEER_UP, .session = session});
}

void down(struct scenario *x, uint64_t session)
{
    step(x, &(struct reeve_sched_event){.kind = REEVE_SCHED_EVENT_PEER_DOWN, .session = session});
}

void stopped(struct scenario *x, uint64_t session)
{
    step(x, &(struct reeve_sched_event){
                .kind = REEVE_SCHED_EVENT_PEER_DOWN, .session = session, .refused = true});
}

void say(struct scenario *x, uint64_t session, const struct reeve_message *message)
{
    step(x, &(struct reeve_sched_event){
                .kind = REEVE_SCHED_EVENT_NODE_MESSAGE, .session = session, .message = message});
}

void dial_failed(struct scenario *x, uint32_t node, bool was_refused)
{
    step(x, &(struct reeve_sched_event){
                .kind = REEVE_SCHED_EVENT_DIAL_FAILED, .node = node, .refused = was_refused});
}

static void say_join(
    struct scenario *x, uint64_t session, uint32_t node, uint64_t identity, uint32_t cpu_milli)
{
    struct reeve_message m = {.kind = REEVE_MESSAGE_JOIN,
        .node = node,
        .uid = 100 + identity,
        .incarnation = 1,
        .cpu_milli = cpu_milli};
    snprintf(m.host, sizeof m.host, "h%u", (unsigned)identity);
    snprintf(m.address, sizeof m.address, "a%u", (unsigned)identity);
    up(x, session);
    say(x, session, &m);
}

void join(struct scenario *x, uint64_t session, uint32_t cpu_milli)
{
    say_join(x, session, 0, session, cpu_milli);
}

void rejoin(struct scenario *x, uint64_t session, uint32_t node, uint32_t cpu_milli)
{
    say_join(x, session, node, node, cpu_milli);
}

void job(struct scenario *x, uint64_t session, reeve_process_id id)
{
    say(x, session,
        &(struct reeve_message){.kind = REEVE_MESSAGE_JOB_BEGIN, .process = id, .text = "job"});
}

void said_all(struct scenario *x, uint64_t session, uint32_t node)
{
    say(x, session, &(struct reeve_message){.kind = REEVE_MESSAGE_PEER_UP, .node = node});
}

void two_nodes(struct scenario *x)
{
    begin(x, NULL);
    join(x, 1, 2000);
    join(x, 2, 2000);
    job(x, 1, P(1, 1));
    said_all(x, 1, 1);
    said_all(x, 2, 2);
    forget(x);
}

void end_job(struct scenario *x, uint64_t session, reeve_process_id id)
{
    say(x, session, &(struct reeve_message){.kind = REEVE_MESSAGE_JOB_END, .process = id});
}

void demand(struct scenario *x, uint64_t session, reeve_process_id process,
    struct reeve_class class, uint64_t count)
{
    say(x, session,
        &(struct reeve_message){
            .kind = REEVE_MESSAGE_DEMAND, .process = process, .class = class, .count = count});
}

void holding(struct scenario *x, uint64_t session, uint64_t lease, reeve_process_id process,
    struct reeve_class class)
{
    say(x, session,
        &(struct reeve_message){
            .kind = REEVE_MESSAGE_HOLDING, .lease = lease, .process = process, .class = class});
}

void heartbeat(struct scenario *x, uint64_t session)
{
    say(x, session, &(struct reeve_message){.kind = REEVE_MESSAGE_HEARTBEAT});
}

void ended(struct scenario *x, uint64_t session, uint64_t lease)
{
    say(x, session, &(struct reeve_message){.kind = REEVE_MESSAGE_ENDED, .lease = lease});
}

void refused(struct scenario *x, uint64_t session, uint64_t lease, int32_t code)
{
    say(x, session,
        &(struct reeve_message){
            .kind = REEVE_MESSAGE_REFUSED, .lease = lease, .code = code, .text = "no libfoo.so.1"});
}

void lent(struct scenario *x, uint64_t session, uint64_t lease, bool is_lent)
{
    say(x, session,
        &(struct reeve_message){.kind = REEVE_MESSAGE_LENT, .lease = lease, .count = is_lent});
}

struct reeve_class class_of(reeve_process_id id, uint32_t cpu_milli, int32_t priority)
{
    struct reeve_class class = {.job = id, .cpu_milli = cpu_milli, .priority = priority};
    class.program[0] = 7;
    return class;
}

/* Holders are told that others wait in most scenarios, whatever these are about. */
static bool is_left_out(const struct scenario *x, const struct reeve_sched_command *c)
{
    return !x->shows_idle && c->kind == REEVE_SCHED_COMMAND_SEND &&
           c->message.kind == REEVE_MESSAGE_RECALL && c->message.count != 0;
}

void expect(struct scenario *x, const char *commands)
{
    char text[8192] = "";
    size_t length = 0;
    const struct reeve_sched_command *c;
    for (; (c = reeve_fifo_peek(&x->out)) != NULL; reeve_fifo_pop(&x->out, NULL)) {
        char one[256];
        if (is_left_out(x, c))
            continue;
        describe(c, one, sizeof one);
        length += (size_t)snprintf(text + length, length < sizeof text ? sizeof text - length : 0,
            "%s%s", length > 0 ? "; " : "", one);
    }
    assert_string_equal(text, commands);
}

void forget(struct scenario *x)
{
    reeve_fifo_clear(&x->out);
}

size_t count_commands(struct scenario *x, const char *prefix)
{
    size_t count = 0;
    const struct reeve_sched_command *c;
    for (; (c = reeve_fifo_peek(&x->out)) != NULL; reeve_fifo_pop(&x->out, NULL)) {
        char one[256];
        describe(c, one, sizeof one);
        count += !is_left_out(x, c) && strncmp(one, prefix, strlen(prefix)) == 0;
    }
    return count;
}

struct reeve_sched_totals totals(struct scenario *x)
{
    struct reeve_sched_totals ret;
    reeve_sched_totals(x->sched, &ret);
    return ret;
}
