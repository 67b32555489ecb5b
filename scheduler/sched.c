/* The scheduler core's frame: life, events, timers, and the order in which slices of work are
 * done. */
#include "scheduler/sched_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull

/* ---- small helpers of all files ---- */

void *sched_alloc(size_t size)
{
    void *memory = calloc(1, size);
    REEVE_ASSERT(memory != NULL);
    return memory;
}

void sched_put(struct reeve_map64 *map, uint64_t key, void *value)
{
    int error = reeve_map64_put(map, key, value, NULL);
    REEVE_ASSERT(error == 0);
}

void sched_heap_set(struct reeve_heap *heap, struct reeve_heap_node *node, uint64_t key)
{
    if (reeve_heap_contains(node)) {
        if (node->key != key)
            reeve_heap_update(heap, node, key);
        return;
    }
    int error = reeve_heap_insert(heap, node, key);
    REEVE_ASSERT(error == 0);
}

void sched_arm(struct reeve_sched *s, struct sched_timer *timer, uint64_t at_ns)
{
    if (at_ns == REEVE_SCHED_NEVER)
        reeve_heap_remove(&s->timers, &timer->heap);
    else
        sched_heap_set(&s->timers, &timer->heap, at_ns);
}

struct reeve_sched_command *sched_command(struct reeve_sched *s, enum reeve_sched_command_kind kind)
{
    struct reeve_sched_command *command = reeve_fifo_push(s->out);
    REEVE_ASSERT(command != NULL);
    command->kind = kind;
    s->totals.work_count++;
    return command;
}

struct reeve_message *sched_send(
    struct reeve_sched *s, const struct sched_node *node, enum reeve_message_kind kind)
{
    if (node == NULL || node->session == 0)
        return NULL;
    struct reeve_sched_command *command = sched_command(s, REEVE_SCHED_COMMAND_SEND);
    command->node = node->number;
    command->session = node->session;
    command->message.kind = kind;
    return &command->message;
}

void sched_notice(struct reeve_sched *s, enum reeve_sched_notice notice, uint32_t node,
    reeve_process_id process, const char *format, ...)
{
    struct reeve_sched_command *command = sched_command(s, REEVE_SCHED_COMMAND_NOTICE);
    command->notice = notice;
    command->node = node;
    command->message.process = process;
    va_list values;
    va_start(values, format);
    vsnprintf(command->message.text, sizeof command->message.text, format, values);
    va_end(values);
}

void sched_copy_text(char *to, size_t size, const char *from)
{
    size_t length = strnlen(from, size - 1);
    memcpy(to, from, length);
    memset(to + length, 0, size - length);
}

/* Ends a session that has broken the rules. If a node has joined by it, its link is lost. */
void sched_drop(struct reeve_sched *s, uint64_t session, const char *text)
{
    struct reeve_sched_command *command = sched_command(s, REEVE_SCHED_COMMAND_DROP_PEER);
    command->session = session;
    command->message.code = REEVE_EPROTOCOL;
    sched_copy_text(command->message.text, sizeof command->message.text, text);
    const struct sched_session *known = reeve_map64_get(&s->sessions, session);
    command->node = known != NULL && known->node != NULL ? known->node->number : 0;
    sched_notice(s, REEVE_SCHED_NOTICE_PEER_DROPPED, command->node, 0, "%s", text);
    sched_session_down(s, session, false);
}

const char *reeve_sched_notice_name(enum reeve_sched_notice notice)
{
    static const char *const names[REEVE_SCHED_NOTICE_COUNT] = {
        [REEVE_SCHED_NOTICE_NODE_JOINED] = "NODE-JOINED",
        [REEVE_SCHED_NOTICE_NODE_BACK] = "NODE-BACK",
        [REEVE_SCHED_NOTICE_NODE_LOST] = "NODE-LOST",
        [REEVE_SCHED_NOTICE_NODE_DEAD] = "NODE-DEAD",
        [REEVE_SCHED_NOTICE_NODE_ENDED] = "NODE-ENDED",
        [REEVE_SCHED_NOTICE_JOB_BEGIN] = "JOB-BEGIN",
        [REEVE_SCHED_NOTICE_JOB_END] = "JOB-END",
        [REEVE_SCHED_NOTICE_LEASE_REFUSED] = "LEASE-REFUSED",
        [REEVE_SCHED_NOTICE_INFEASIBLE] = "INFEASIBLE",
        [REEVE_SCHED_NOTICE_PEER_DROPPED] = "PEER-DROPPED",
        [REEVE_SCHED_NOTICE_STALL] = "HEAD-STALLED",
        [REEVE_SCHED_NOTICE_DEADLOCK] = "DEADLOCK",
    };
    return (unsigned)notice < REEVE_SCHED_NOTICE_COUNT ? names[notice] : "UNKNOWN";
}

bool reeve_sched_notice_is_warning(enum reeve_sched_notice notice)
{
    switch (notice) {
    case REEVE_SCHED_NOTICE_NODE_LOST:
    case REEVE_SCHED_NOTICE_NODE_DEAD:
    case REEVE_SCHED_NOTICE_LEASE_REFUSED:
    case REEVE_SCHED_NOTICE_INFEASIBLE:
    case REEVE_SCHED_NOTICE_PEER_DROPPED:
    case REEVE_SCHED_NOTICE_STALL:
    case REEVE_SCHED_NOTICE_DEADLOCK: return true;
    default: return false;
    }
}

/* ---- life ---- */

static void default_to(uint32_t *setting, uint32_t value)
{
    if (*setting == 0)
        *setting = value;
}

struct reeve_sched *reeve_sched_create(const struct reeve_sched_settings *settings)
{
    REEVE_ASSERT(settings->head_incarnation != 0 && settings->node_next != 0);
    struct reeve_sched *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->settings = *settings;
    default_to(&s->settings.heartbeat_ms, 1000);
    default_to(&s->settings.dead_after_ms, 10000);
    default_to(&s->settings.outage_ms, 60000);
    default_to(&s->settings.infeasible_after_ms, 1000);
    default_to(&s->settings.rotate_after_ms, 2000);
    default_to(&s->settings.turn_ms, 100);
    default_to(&s->settings.recall_patience_ms, 1000);
    default_to(&s->settings.deadlock_after_ms, 1000);
    default_to(&s->settings.leases_a_node_max, 4096);
    default_to(&s->settings.slice, 256);
    reeve_prng_init(&s->prng, settings->seed);
    s->number_next = s->number_end = settings->node_next;
    struct reeve_map64 *maps[] = {&s->sessions, &s->nodes, &s->uids, &s->lost_at, &s->jobs,
        &s->classes, &s->demands, &s->leases, &s->avoids, &s->ended_lately, &s->waits, &s->hosts,
        &s->attaching, &s->names};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        reeve_map64_init(maps[i]);
    struct reeve_heap *heaps[] = {&s->room, &s->sizes, &s->rich, &s->timers};
    for (size_t i = 0; i < sizeof heaps / sizeof heaps[0]; i++)
        reeve_heap_init(heaps[i]);
    struct reeve_list *lists[] = {&s->shapes, &s->unmet, &s->held_off, &s->drains, &s->untold,
        &s->node_order, &s->dead, &s->orphans, &s->ended, &s->waits_order};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        reeve_list_init(lists[i]);
    reeve_fifo_init(&s->news, sizeof(struct sched_news));
    s->recheck_timer.kind = TIMER_RECHECK;
    s->waits_timer.kind = TIMER_WAITS;
    return s;
}

void reeve_sched_free(struct reeve_sched *s)
{
    if (s == NULL)
        return;
    sched_names_free(s);
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&s->jobs, &at, NULL, &value)) {
        struct sched_job *job = value;
        REEVE_LIST_EACH_SAFE(link, &job->classes)
        {
            struct sched_class *class = REEVE_LIST_ENTRY(link, struct sched_class, job_link);
            reeve_map64_fini_values(&class->demands);
            free(class);
        }
        REEVE_LIST_EACH_SAFE(link, &job->groups)
        {
            struct sched_group *group = REEVE_LIST_ENTRY(link, struct sched_group, link);
            reeve_heap_fini(&group->classes);
            free(group);
        }
        free(job);
    }
    REEVE_LIST_EACH_SAFE(link, &s->shapes)
    {
        struct sched_shape *shape = REEVE_LIST_ENTRY(link, struct sched_shape, link);
        reeve_heap_fini(&shape->groups);
        free(shape);
    }
    reeve_list_splice_back(&s->dead, &s->node_order);
    REEVE_LIST_EACH_SAFE(link, &s->dead)
    {
        struct sched_node *node = REEVE_LIST_ENTRY(link, struct sched_node, order_link);
        reeve_map64_fini(&node->told);
        free(node);
    }
    struct reeve_map64 *owning[] = {&s->sessions, &s->leases, &s->avoids, &s->waits};
    for (size_t i = 0; i < sizeof owning / sizeof owning[0]; i++)
        reeve_map64_fini_values(owning[i]);
    struct reeve_map64 *maps[] = {&s->nodes, &s->uids, &s->lost_at, &s->jobs, &s->classes,
        &s->demands, &s->ended_lately, &s->hosts, &s->attaching, &s->names};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        reeve_map64_fini(maps[i]);
    struct reeve_heap *heaps[] = {&s->room, &s->sizes, &s->rich, &s->timers};
    for (size_t i = 0; i < sizeof heaps / sizeof heaps[0]; i++)
        reeve_heap_fini(heaps[i]);
    reeve_fifo_fini(&s->news);
    free(s);
}

/* ---- messages ---- */

static void take_demand(
    struct reeve_sched *s, struct sched_node *node, const struct reeve_message *m)
{
    bool foreign = reeve_process_node(m->process) != node->number;
    if (foreign && m->count == 0) {
        s->totals
            .stale_count++; /* a node with a new number clears up what its former self wanted */
        return;
    }
    if (foreign || m->class.job == REEVE_PROCESS_NONE) {
        sched_drop(s, node->session, "a demand for a process of another node");
        return;
    }
    struct sched_class *class = sched_class_find(s, &m->class);
    if (class == NULL) {
        if (m->count == 0)
            return;
        class = sched_class_get(s, &m->class);
    }
    if (class->job->ended) {
        s->totals.stale_count++;
        sched_class_release(s, class);
        return;
    }
    if (m->count == 0 && reeve_map64_get(&class->demands, m->process) == NULL)
        return;
    struct sched_demand *demand = sched_demand_get(s, m->process, class);
    demand->near = m->node; /* before it is set, by which it may end */
    sched_demand_set(s, demand, m->count);
}

static void take_job(struct reeve_sched *s, struct sched_node *node, const struct reeve_message *m)
{
    if (reeve_process_node(m->process) != node->number && m->kind == REEVE_MESSAGE_JOB_BEGIN) {
        sched_drop(s, node->session, "word of a driver of another node");
        return;
    }
    if (m->kind == REEVE_MESSAGE_JOB_BEGIN) {
        sched_job_begin(s, node, m);
        return;
    }
    struct sched_job *job = reeve_map64_get(&s->jobs, m->process);
    if (reeve_process_node(m->process) != node->number || (job != NULL && job->ended))
        s->totals.stale_count++;
    else if (job != NULL)
        sched_job_end(s, job, "its driver has gone");
    else /* it ended while there was no head: nodes may still have workers of it */
        sched_news_add(s, &(struct sched_news){.kind = REEVE_MESSAGE_JOB_END,
                              .process = m->process,
                              .text = "its driver has gone"});
}

static void take_message(struct reeve_sched *s, uint64_t id, const struct reeve_message *m)
{
    struct sched_session *session = reeve_map64_get(&s->sessions, id);
    if (session == NULL) {
        s->totals.stale_count++; /* on its way when the session was dropped */
        return;
    }
    struct sched_node *node = session->node;
    if (m->kind == REEVE_MESSAGE_JOIN) {
        if (node != NULL)
            sched_drop(s, id, "joined twice in one session");
        else
            sched_node_join(s, session, m);
        return;
    }
    if (node == NULL) {
        sched_drop(s, id, "spoke before it had joined");
        return;
    }
    node->heard_ns = s->now_ns;
    if (node->state == REEVE_SCHED_NODE_JOINING && m->kind != REEVE_MESSAGE_HOLDING &&
        m->kind != REEVE_MESSAGE_NAME_CLAIM)
        sched_node_joined(s, node);
    switch (m->kind) {
    case REEVE_MESSAGE_HEARTBEAT:
        node->store_bytes = m->memory_bytes;
        node->store_used_bytes = m->count;
        memcpy(node->disk, m->text, sizeof(node->disk));
        node->store_held_bytes = m->held_bytes;
        node->object_count = m->object_count;
        if (node->ending != (m->code == REEVE_ESHUTDOWN)) {
            node->ending = !node->ending;
            sched_node_room(s, node, !node->ending);
        }
        break;
    case REEVE_MESSAGE_HOLDING: sched_lease_holding(s, node, m); break;
    case REEVE_MESSAGE_DEMAND: take_demand(s, node, m); break;
    case REEVE_MESSAGE_REFUSED:
    case REEVE_MESSAGE_ENDED:
    case REEVE_MESSAGE_LENT: sched_lease_message(s, node, m); break;
    case REEVE_MESSAGE_BLOCKED:
    case REEVE_MESSAGE_STUCK: sched_wait_message(s, node, m); break;
    case REEVE_MESSAGE_NAME_CLAIM:
    case REEVE_MESSAGE_NAME_FIND:
    case REEVE_MESSAGE_NAME_DROP: sched_name_message(s, node, m); break;
    case REEVE_MESSAGE_JOB_BEGIN:
    case REEVE_MESSAGE_JOB_END: take_job(s, node, m); break;
    case REEVE_MESSAGE_PEER_UP: sched_node_ask(s, node, m); break;
    default: sched_drop(s, id, "a kind of message that no head expects"); break;
    }
}

/* ---- slices ---- */

static void timer_fired(struct reeve_sched *s, struct sched_timer *timer)
{
    switch (timer->kind) {
    case TIMER_SESSION:
        sched_drop(s, REEVE_CONTAINER_OF(timer, struct sched_session, timer)->session,
            "did not join in time");
        break;
    case TIMER_NODE:
        sched_node_timer(s, REEVE_CONTAINER_OF(timer, struct sched_node, timer));
        break;
    case TIMER_JOB: sched_job_timer(s, REEVE_CONTAINER_OF(timer, struct sched_job, timer)); break;
    case TIMER_CLASS:
        sched_class_timer(s, REEVE_CONTAINER_OF(timer, struct sched_class, timer));
        break;
    case TIMER_DRAIN:
        sched_drain_timer(s, REEVE_CONTAINER_OF(timer, struct sched_class, drain_timer));
        break;
    case TIMER_LEASE:
        sched_lease_unpromise(s, REEVE_CONTAINER_OF(timer, struct sched_lease, timer));
        break;
    case TIMER_RECHECK: s->recheck = true; break;
    case TIMER_WAITS: sched_waits_look(s); break;
    }
}

static bool timers_due(const struct reeve_sched *s)
{
    const struct reeve_heap_node *first = reeve_heap_peek(&s->timers);
    return first != NULL && first->key <= s->now_ns;
}

static void timers_some(struct reeve_sched *s, uint32_t *budget)
{
    for (; *budget > 0 && timers_due(s); --*budget) {
        struct reeve_heap_node *first = reeve_heap_pop(&s->timers);
        timer_fired(s, REEVE_CONTAINER_OF(first, struct sched_timer, heap));
    }
}

static void take_time(struct reeve_sched *s, uint64_t now_ns)
{
    if (now_ns <= s->now_ns)
        return;
    /* With nodes about, somebody calls at least once in a heartbeat. If nobody did, we slept,
     * and what the nodes said meanwhile is still on its way to us: silence says nothing about
     * them. */
    if (s->now_ns != 0 && s->totals.node_count > 0 &&
        now_ns - s->now_ns >= 3 * s->settings.heartbeat_ms * MS) {
        s->forgive_ns = now_ns;
        sched_notice(s, REEVE_SCHED_NOTICE_STALL, 0, 0, "the head did not run for %llu ms",
            (unsigned long long)((now_ns - s->now_ns) / MS));
    }
    if (!reeve_list_is_empty(&s->shapes))
        s->fair_ns += now_ns - s->now_ns;
    s->now_ns = now_ns;
}

static void do_some(struct reeve_sched *s)
{
    uint32_t budget = s->settings.slice;
    timers_some(s, &budget);
    budget = s->settings.slice;
    sched_clear_some(s, &budget);
    sched_end_jobs_some(s, &budget);
    budget = s->settings.slice;
    sched_news_some(s, &budget);
    if (s->judge_all)
        sched_judge_all(s);
    budget = s->settings.slice;
    sched_grant_some(s, &budget);
    /* Recalls are judged when all that could be granted has been. */
    if (budget > 0)
        sched_recall_some(s, &budget);
}

bool reeve_sched_has_work(const struct reeve_sched *s)
{
    return s->news_at != NULL || !reeve_list_is_empty(&s->orphans) ||
           !reeve_list_is_empty(&s->dead) || !reeve_list_is_empty(&s->ended) || s->judge_all ||
           s->recheck || timers_due(s) || sched_grant_possible(s);
}

void reeve_sched_step(struct reeve_sched *s, uint64_t now_ns, const struct reeve_sched_event *event,
    struct reeve_fifo *out)
{
    REEVE_ASSERT(out->item_size == sizeof(struct reeve_sched_command));
    s->out = out;
    take_time(s, now_ns);
    s->totals.work_count++;
    switch (event->kind) {
    case REEVE_SCHED_EVENT_TICK: break;
    case REEVE_SCHED_EVENT_PEER_UP: sched_session_up(s, event->session); break;
    case REEVE_SCHED_EVENT_PEER_DOWN: sched_session_down(s, event->session, event->refused); break;
    case REEVE_SCHED_EVENT_NODE_MESSAGE: take_message(s, event->session, event->message); break;
    case REEVE_SCHED_EVENT_DIAL_FAILED: sched_dial_failed(s, event->node, event->refused); break;
    }
    do_some(s);
    s->out = NULL;
}

bool reeve_sched_run_some(struct reeve_sched *s, uint64_t now_ns, struct reeve_fifo *out)
{
    REEVE_ASSERT(out->item_size == sizeof(struct reeve_sched_command));
    s->out = out;
    take_time(s, now_ns);
    do_some(s);
    s->out = NULL;
    return reeve_sched_has_work(s);
}

uint64_t reeve_sched_deadline(const struct reeve_sched *s)
{
    const struct reeve_heap_node *first = reeve_heap_peek(&s->timers);
    return first != NULL ? first->key : REEVE_SCHED_NEVER;
}
