/* Nodes: how they join, are lost, come back or are declared dead, and what they are told of each
 * other.
 *
 *            JOIN (new)              link lost           refused, or silent too long
 *   (nobody) ────────────▶ UP ────────────────────▶ LOST ─────────────────────────▶ DEAD
 *                          ▲                         │                                ▲
 *                          └─── JOINING ◀────────────┘ JOIN (the same life)           │
 *                                  └──────────────── silent too long (also from UP) ──┘
 *
 * What is DEAD is taken down in slices.
 *
 * A node is one life of a daemon: (uid, incarnation). Its number is never given to another life, so
 * nothing that names a process, an object or a lease of the old life can be taken for one of the
 * new.
 *
 * News (verdicts, ends of jobs) goes to every node in order. Each node has a cursor into the log
 * of news; a walk round the nodes, some at a time, brings all cursors to the end. What was sent
 * shortly before a link was lost may never have arrived, so a node that comes back hears all
 * that is kept again: hearing it twice does no harm. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/sched_internal.h"

#define MS 1000000ull

/* One durable write to the journal for so many nodes: as many as there are, within these. */
#define NUMBERS_RESERVED     64
#define NUMBERS_RESERVED_MAX 1024

#define NODES_A_HEARTBEAT 1000 /* of more, each says less often that it lives: see heartbeat_ns */
#define HEARTBEATS_MAX    3
#define DIALS_A_MS        4 /* of nodes that a new head has not heard of yet */

/* ---- sessions ---- */

void sched_session_up(struct reeve_sched *s, uint64_t id)
{
    if (id == 0 || reeve_map64_get(&s->sessions, id) != NULL)
        return;
    struct sched_session *session = sched_alloc(sizeof *session);
    session->session = id;
    session->timer.kind = TIMER_SESSION;
    sched_put(&s->sessions, id, session);
    sched_arm(s, &session->timer, s->now_ns + s->settings.dead_after_ms * MS);
}

void sched_session_free(struct reeve_sched *s, struct sched_session *session)
{
    sched_arm(s, &session->timer, REEVE_SCHED_NEVER);
    reeve_map64_remove(&s->sessions, session->session);
    free(session);
}

static void drop_quietly(struct reeve_sched *s, uint64_t id, int32_t code, const char *text)
{
    struct sched_session *session = reeve_map64_get(&s->sessions, id);
    if (session == NULL)
        return;
    struct reeve_sched_command *command = sched_command(s, REEVE_SCHED_COMMAND_DROP_PEER);
    command->session = id;
    command->node = session->node != NULL ? session->node->number : 0;
    command->message.code = code;
    sched_copy_text(command->message.text, sizeof command->message.text, text);
    sched_session_free(s, session);
}

/* ---- dead or alive ---- */

uint64_t sched_node_dead_at(const struct reeve_sched *s, const struct sched_node *node)
{
    uint64_t heard_ns = node->heard_ns > s->forgive_ns ? node->heard_ns : s->forgive_ns;
    return heard_ns + node->silence_ns;
}

/* How often a node and the head tell each other that they live. Each word costs the head some
 * 100 us of processor time: with 1,000 nodes or more it is what the period is made of, up to
 * three times the usual one, and as long as silence means death only after three of them. */
static uint64_t heartbeat_ns(const struct reeve_sched *s)
{
    uint64_t usual_ns = s->settings.heartbeat_ms * MS;
    uint64_t most_ns = REEVE_MAX(usual_ns,
        REEVE_MIN(HEARTBEATS_MAX * usual_ns, s->settings.dead_after_ms * MS / HEARTBEATS_MAX));
    return REEVE_MAX(
        usual_ns, REEVE_MIN(most_ns, usual_ns / NODES_A_HEARTBEAT * s->totals.node_count));
}

static void dial(struct reeve_sched *s, struct sched_node *node)
{
    struct reeve_sched_command *command = sched_command(s, REEVE_SCHED_COMMAND_DIAL);
    command->node = node->number;
    sched_copy_text(command->message.address, sizeof command->message.address, node->address);
    node->redial_ns = REEVE_SCHED_NEVER;
}

static void arm(struct reeve_sched *s, struct sched_node *node)
{
    uint64_t at_ns = sched_node_dead_at(s, node);
    if (node->state == REEVE_SCHED_NODE_LOST && node->redial_ns < at_ns)
        at_ns = node->redial_ns;
    sched_arm(s, &node->timer, at_ns);
}

/* The accounts of what the cluster has; called with the node's old and new state. */
static void count_in(struct reeve_sched *s, const struct sched_node *node, bool in)
{
    bool up = node->state == REEVE_SCHED_NODE_UP || node->state == REEVE_SCHED_NODE_JOINING;
    if (node->state == REEVE_SCHED_NODE_DEAD)
        return;
    s->totals.node_count += in ? 1 : -1u;
    if (up) {
        s->totals.node_up_count += in ? 1 : -1u;
        s->totals.cpu_milli += in ? node->cpu_milli : -(uint64_t)node->cpu_milli;
        s->totals.cpu_used_milli += in ? (uint64_t)(node->cpu_milli - node->free_milli)
                                       : -(uint64_t)(node->cpu_milli - node->free_milli);
    } else {
        s->totals.lost_count += in ? 1 : -1u;
    }
}

/* An address is one listener's, so one node at most is lost at each. */
static void lost_index(struct reeve_sched *s, struct sched_node *node, bool in)
{
    uint64_t key = sched_text_hash(SCHED_TEXT_HASH, node->address);
    if (node->address[0] == 0)
        return;
    if (in)
        sched_put(&s->lost_at, key, node);
    else if (reeve_map64_get(&s->lost_at, key) == node)
        reeve_map64_remove(&s->lost_at, key);
}

static void set_state(
    struct reeve_sched *s, struct sched_node *node, enum reeve_sched_node_state state)
{
    count_in(s, node, false);
    sched_waits_forget(s, node); /* when it is up it says them again */
    node->state = state;
    count_in(s, node, true);
    lost_index(s, node, state == REEVE_SCHED_NODE_LOST);
    sched_node_room(s, node, state == REEVE_SCHED_NODE_UP);
}

static void set_size(struct reeve_sched *s, struct sched_node *node, uint32_t cpu_milli)
{
    count_in(s, node, false);
    node->free_milli += (int64_t)cpu_milli - node->cpu_milli;
    node->cpu_milli = cpu_milli;
    count_in(s, node, true);
    if (cpu_milli > 0)
        sched_heap_set(
            &s->sizes, &node->size, (uint64_t)(UINT32_MAX - cpu_milli) << 32 | node->number);
    else
        reeve_heap_remove(&s->sizes, &node->size);
    if (cpu_milli > s->cpu_ever_milli)
        s->cpu_ever_milli = cpu_milli;
    s->judge_all = true;
}

static struct sched_node *create(
    struct reeve_sched *s, uint32_t number, const struct reeve_message *m)
{
    struct sched_node *node = sched_alloc(sizeof *node);
    node->number = number;
    node->state = REEVE_SCHED_NODE_DEAD; /* in no account yet */
    node->uid = m->uid;
    node->incarnation = m->incarnation;
    node->timer.kind = TIMER_NODE;
    node->heard_ns = s->now_ns;
    node->silence_ns = s->settings.dead_after_ms * MS;
    node->redial_ns = REEVE_SCHED_NEVER;
    node->news = s->news_first + s->news.count;
    struct reeve_list *lists[] = {&node->drains_link, &node->order_link, &node->leases,
        &node->unconfirmed, &node->demands, &node->jobs, &node->avoids, &node->names,
        &node->names_unconfirmed, &node->waits};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        reeve_list_init(lists[i]);
    reeve_map64_init(&node->told);
    sched_put(&s->nodes, number, node);
    sched_put(&s->uids, node->uid, node);
    reeve_list_push_back(&s->node_order, &node->order_link);
    return node;
}

static void describe(struct reeve_sched *s, struct sched_node *node, const struct reeve_message *m)
{
    lost_index(s, node, false);
    sched_copy_text(node->host, sizeof node->host, m->host);
    sched_copy_text(node->address, sizeof node->address, m->address);
    node->memory_bytes = m->memory_bytes;
}

void reeve_sched_expect(struct reeve_sched *s, uint64_t now_ns, const struct reeve_message *m)
{
    REEVE_ASSERT(m->node != 0 && m->node < s->number_next && sched_node_get(s, m->node) == NULL);
    if (now_ns > s->now_ns)
        s->now_ns = now_ns;
    struct sched_node *node = create(s, m->node, m);
    describe(s, node, m);
    node->silence_ns = s->settings.outage_ms * MS;
    /* It redials by itself, in a moment. If nobody listens there any more we need not wait for
     * it. */
    node->redial_ns =
        s->now_ns + 2 * s->settings.heartbeat_ms * MS + s->totals.node_count / DIALS_A_MS * MS;
    set_state(s, node, REEVE_SCHED_NODE_LOST);
    set_size(s, node, m->cpu_milli);
    arm(s, node);
}

/* Its link is gone: whatever depends on hearing from it stops. Its leases stay: they may well go
 * on. */
static void lose(struct reeve_sched *s, struct sched_node *node)
{
    struct sched_session *session = reeve_map64_get(&s->sessions, node->session);
    if (session != NULL)
        session->node = NULL;
    node->session = 0;
    reeve_map64_fini(&node->told);
    reeve_map64_init(&node->told);
    /* Demands are levels, and will be said again. Until then nothing is granted on the word of
     * somebody who may be dead. */
    REEVE_LIST_EACH_SAFE(link, &node->demands)
    sched_demand_set(s, REEVE_LIST_ENTRY(link, struct sched_demand, node_link), 0);
    REEVE_LIST_EACH(link, &node->jobs)
    sched_job_presume(s, REEVE_LIST_ENTRY(link, struct sched_job, node_link), REEVE_SCHED_NEVER);
}

static void verdict(
    struct reeve_sched *s, struct sched_node *node, enum reeve_sched_notice notice, const char *why)
{
    uint64_t session = node->session;
    set_state(s, node, REEVE_SCHED_NODE_DEAD);
    lose(s, node);
    drop_quietly(s, session, REEVE_ENODEDIED, why);
    sched_arm(s, &node->timer, REEVE_SCHED_NEVER);
    reeve_heap_remove(&s->sizes, &node->size);
    if (node->drain != NULL)
        sched_drain_end(s, node->drain);
    if (s->news_at == &node->order_link)
        s->news_at = node->order_link.next;
    reeve_list_remove(&node->order_link);
    reeve_list_push_back(&s->dead, &node->order_link);
    reeve_map64_remove(&s->nodes, node->number);
    if (reeve_map64_get(&s->uids, node->uid) == node)
        reeve_map64_remove(&s->uids, node->uid);
    reeve_list_splice_back(&s->orphans, &node->leases);
    reeve_list_splice_back(&s->orphans, &node->unconfirmed);

    struct reeve_sched_command *command = sched_command(s, REEVE_SCHED_COMMAND_JOURNAL);
    command->journal = REEVE_SCHED_JOURNAL_NODE_DOWN;
    command->node = node->number;
    sched_notice(s, notice, node->number, 0, "%s: %s", node->host, why);
    sched_news_add(s, &(struct sched_news){.kind = REEVE_MESSAGE_PEER_DOWN,
                          .node = node->number,
                          .incarnation = node->incarnation,
                          .code = notice == REEVE_SCHED_NOTICE_NODE_ENDED ? REEVE_ESHUTDOWN : 0,
                          .text = why});
    s->judge_all = true;
}

void sched_session_down(struct reeve_sched *s, uint64_t id, bool ended)
{
    struct sched_session *session = reeve_map64_get(&s->sessions, id);
    if (session == NULL)
        return;
    struct sched_node *node = session->node;
    sched_session_free(s, session);
    if (node == NULL)
        return;
    set_state(s, node, REEVE_SCHED_NODE_LOST);
    lose(s, node);
    reeve_list_splice_back(&node->leases, &node->unconfirmed);
    if (ended) {
        verdict(s, node, REEVE_SCHED_NOTICE_NODE_ENDED, "it has been stopped");
        return;
    }
    sched_notice(s, REEVE_SCHED_NOTICE_NODE_LOST, node->number, 0, "%s: link lost", node->host);
    dial(s, node);
    arm(s, node);
}

void sched_dial_failed(struct reeve_sched *s, uint32_t number, bool refused)
{
    struct sched_node *node = sched_node_get(s, number);
    if (node == NULL || node->state != REEVE_SCHED_NODE_LOST)
        return;
    if (refused) {
        verdict(s, node, REEVE_SCHED_NOTICE_NODE_DEAD, "its machine says that it does not run");
        return;
    }
    node->redial_ns = s->now_ns + s->settings.heartbeat_ms * MS;
    arm(s, node);
}

void sched_node_timer(struct reeve_sched *s, struct sched_node *node)
{
    if (s->now_ns >= sched_node_dead_at(s, node)) {
        verdict(s, node, REEVE_SCHED_NOTICE_NODE_DEAD,
            node->state == REEVE_SCHED_NODE_LOST ? "link lost, and no word since"
                                                 : "no word from it");
        return;
    }
    if (node->state == REEVE_SCHED_NODE_LOST) {
        if (s->now_ns >= node->redial_ns)
            dial(s, node);
        arm(s, node);
        return;
    }
    sched_send(s, node, REEVE_MESSAGE_HEARTBEAT);
    sched_arm(s, &node->timer, s->now_ns + heartbeat_ns(s));
}

void sched_node_free(struct reeve_sched *s, struct sched_node *node)
{
    (void)s;
    reeve_list_remove(&node->order_link);
    reeve_map64_fini(&node->told);
    free(node);
}

/* One slice of taking down what ended without a word: leases of dead or forgetful executors, and
 * the tables of dead nodes. */
bool sched_clear_some(struct reeve_sched *s, uint32_t *budget)
{
    for (; *budget > 0 && !reeve_list_is_empty(&s->orphans); --*budget) {
        struct sched_lease *lease =
            REEVE_LIST_ENTRY(s->orphans.next, struct sched_lease, node_link);
        s->totals.lost_lease_count++;
        sched_lease_end(s, lease);
    }
    while (*budget > 0 && !reeve_list_is_empty(&s->dead)) {
        struct sched_node *node = REEVE_LIST_ENTRY(s->dead.next, struct sched_node, order_link);
        for (; *budget > 0 && !reeve_list_is_empty(&node->jobs); --*budget) {
            struct sched_job *job = REEVE_LIST_ENTRY(node->jobs.next, struct sched_job, node_link);
            reeve_list_remove(&job->node_link);
            job->node = NULL;
            if (!job->ended)
                sched_job_end(s, job, "its driver's node has died");
        }
        for (; *budget > 0 && !reeve_list_is_empty(&node->demands); --*budget) {
            struct sched_demand *demand =
                REEVE_LIST_ENTRY(node->demands.next, struct sched_demand, node_link);
            reeve_list_remove(&demand->node_link);
            demand->node = NULL;
            sched_demand_set(s, demand, 0);
        }
        for (; *budget > 0 && sched_name_clear(s, node); --*budget)
            ;
        for (; *budget > 0 && !reeve_list_is_empty(&node->avoids); --*budget)
            sched_avoid_free(s, REEVE_LIST_ENTRY(node->avoids.next, struct sched_avoid, node_link));
        if (*budget == 0)
            break;
        REEVE_ASSERT(node->lease_count == 0);
        sched_node_free(s, node);
        --*budget;
    }
    return !reeve_list_is_empty(&s->orphans) || !reeve_list_is_empty(&s->dead);
}

/* ---- joining ---- */

static void welcome(struct reeve_sched *s, struct sched_node *node, struct sched_session *session)
{
    sched_arm(s, &session->timer, REEVE_SCHED_NEVER);
    session->node = node;
    node->session = session->session;
    node->announced = false;
    node->heard_ns = s->now_ns;
    node->silence_ns = s->settings.dead_after_ms * MS;
    struct reeve_sched_command *command = sched_command(s, REEVE_SCHED_COMMAND_JOURNAL);
    command->journal = REEVE_SCHED_JOURNAL_NODE_UP;
    command->node = node->number;
    command->message.kind = REEVE_MESSAGE_JOIN;
    command->message.node = node->number;
    command->message.uid = node->uid;
    command->message.incarnation = node->incarnation;
    command->message.cpu_milli = node->cpu_milli;
    command->message.memory_bytes = node->memory_bytes;
    memcpy(command->message.host, node->host, sizeof node->host);
    memcpy(command->message.address, node->address, sizeof node->address);
    struct reeve_message *m = sched_send(s, node, REEVE_MESSAGE_WELCOME);
    m->node = node->number;
    m->incarnation = node->incarnation;
    m->count = heartbeat_ns(s) / MS;
    sched_arm(s, &node->timer, s->now_ns + heartbeat_ns(s));
}

static void join_again(struct reeve_sched *s, struct sched_node *node,
    struct sched_session *session, const struct reeve_message *m)
{
    uint64_t former = node->session;
    if (former != 0) {
        lose(s, node);
        drop_quietly(s, former, REEVE_EPROTOCOL, "the node has begun another session");
    }
    describe(s, node, m);
    set_size(s, node, m->cpu_milli);
    reeve_list_splice_back(&node->unconfirmed, &node->leases);
    reeve_list_splice_back(&node->names_unconfirmed, &node->names);
    node->news = s->news_first; /* all that is kept, again */
    set_state(s, node, REEVE_SCHED_NODE_JOINING);
    welcome(s, node, session);
    sched_notice(s, REEVE_SCHED_NOTICE_NODE_BACK, node->number, 0, "%s", node->host);
    /* Its drivers have as long to be named again as a node has to be heard of. */
    uint64_t until_ns = s->now_ns + 2 * s->settings.heartbeat_ms * MS;
    REEVE_LIST_EACH(link, &node->jobs)
    sched_job_presume(s, REEVE_LIST_ENTRY(link, struct sched_job, node_link), until_ns);
    if (s->news.count > 0 && s->news_at == NULL)
        s->news_at = &s->node_order;
    s->news_left = s->totals.node_count + 1;
}

static void join_new(
    struct reeve_sched *s, struct sched_session *session, const struct reeve_message *m)
{
    uint32_t number = s->number_next++;
    if (number >= s->number_end) {
        uint32_t more = REEVE_MAX(s->totals.node_count, NUMBERS_RESERVED);
        s->number_end = number + REEVE_MIN(more, NUMBERS_RESERVED_MAX);
        struct reeve_sched_command *command = sched_command(s, REEVE_SCHED_COMMAND_JOURNAL);
        command->journal = REEVE_SCHED_JOURNAL_NUMBERS;
        command->message.count = s->number_end;
    }
    struct sched_node *node = create(s, number, m);
    describe(s, node, m);
    set_state(s, node, REEVE_SCHED_NODE_LOST);
    set_size(s, node, m->cpu_milli);
    set_state(s, node, REEVE_SCHED_NODE_UP);
    welcome(s, node, session);
    sched_notice(s, REEVE_SCHED_NOTICE_NODE_JOINED, number, 0, "%s, %u.%03u cpu", node->host,
        m->cpu_milli / 1000, m->cpu_milli % 1000);
    s->recheck = true;
}

void sched_node_join(
    struct reeve_sched *s, struct sched_session *session, const struct reeve_message *m)
{
    if (m->uid == 0) {
        sched_drop(s, session->session, "joined without a uid");
        return;
    }
    struct sched_node *node = reeve_map64_get(&s->uids, m->uid);
    if (node != NULL && node->incarnation == m->incarnation &&
        (m->node == 0 || m->node == node->number)) {
        join_again(s, node, session, m);
        return;
    }
    /* A new life. What it replaces is dead: the former owner of its uid, of its number, and (an
     * address is one listener's) whoever we have lost at its address. */
    if (node != NULL)
        verdict(s, node, REEVE_SCHED_NOTICE_NODE_DEAD, "its daemon was started anew");
    node = m->node != 0 ? sched_node_get(s, m->node) : NULL;
    if (node != NULL)
        verdict(s, node, REEVE_SCHED_NOTICE_NODE_DEAD, "its daemon was started anew");
    struct sched_node *lost =
        reeve_map64_get(&s->lost_at, sched_text_hash(SCHED_TEXT_HASH, m->address));
    if (lost != NULL && strncmp(lost->address, m->address, sizeof lost->address) == 0)
        verdict(s, lost, REEVE_SCHED_NOTICE_NODE_DEAD, "another daemon has its address");
    join_new(s, session, m);
}

void sched_node_joined(struct reeve_sched *s, struct sched_node *node)
{
    reeve_list_splice_back(&s->orphans, &node->unconfirmed);
    sched_names_joined(s, node);
    set_state(s, node, REEVE_SCHED_NODE_UP);
    s->recheck = true;
}

/* ---- what nodes are told of each other ---- */

static void tell(
    struct reeve_sched *s, struct sched_node *to, const struct sched_node *about, bool again)
{
    if (to == NULL || about == NULL || to == about || about->state == REEVE_SCHED_NODE_DEAD)
        return;
    if (!again && reeve_map64_get(&to->told, about->number) != NULL)
        return;
    struct reeve_message *m = sched_send(s, to, REEVE_MESSAGE_PEER_UP);
    if (m == NULL)
        return; /* it hears when it is back */
    m->node = about->number;
    m->incarnation = about->incarnation;
    memcpy(m->host, about->host, sizeof m->host);
    memcpy(m->address, about->address, sizeof m->address);
    static char is_told;
    sched_put(&to->told, about->number, &is_told);
}

void sched_tell_pair(struct reeve_sched *s, struct sched_node *a, struct sched_node *b)
{
    tell(s, a, b, false);
    tell(s, b, a, false);
}

void sched_node_ask(struct reeve_sched *s, struct sched_node *node, const struct reeve_message *m)
{
    struct sched_node *about = sched_node_get(s, m->node);
    if (about == node) { /* the last of what it says after it has joined */
        node->announced = true;
        return;
    }
    if (about != NULL && about->state != REEVE_SCHED_NODE_DEAD) {
        tell(s, node, about, true);
        return;
    }
    struct reeve_message *answer = sched_send(s, node, REEVE_MESSAGE_PEER_DOWN);
    if (answer == NULL)
        return;
    answer->node = m->node;
    sched_copy_text(
        answer->text, sizeof answer->text, about != NULL ? "it has died" : "there is no such node");
}

/* ---- news ---- */

void sched_news_add(struct reeve_sched *s, const struct sched_news *news)
{
    struct sched_news *item = reeve_fifo_push(&s->news);
    REEVE_ASSERT(item != NULL);
    *item = *news;
    item->at_ns = s->now_ns;
    if (item->kind == REEVE_MESSAGE_JOB_END)
        sched_put(&s->ended_lately, item->process, s);
    if (s->news_at == NULL)
        s->news_at = &s->node_order;
    s->news_left = s->totals.node_count + 1; /* the list's head counts as one */
}

static void send_news(struct reeve_sched *s, struct sched_node *node, const struct sched_news *news)
{
    struct reeve_message *m = sched_send(s, node, news->kind);
    if (news->kind == REEVE_MESSAGE_PEER_DOWN) {
        m->node = news->node;
        m->incarnation = news->incarnation;
        m->code = news->code;
        reeve_map64_remove(&node->told, news->node);
    } else {
        m->process = news->process;
    }
    sched_copy_text(m->text, sizeof m->text, news->text);
}

/* Forgets news that everybody knows and nobody who comes back can have missed. */
static void trim_news(struct reeve_sched *s)
{
    uint64_t keep_ns = (uint64_t)(s->settings.outage_ms + 2 * s->settings.dead_after_ms) * MS;
    const struct sched_news *first;
    while ((first = reeve_fifo_peek(&s->news)) != NULL && first->at_ns + keep_ns < s->now_ns) {
        if (first->kind == REEVE_MESSAGE_JOB_END)
            reeve_map64_remove(&s->ended_lately, first->process);
        reeve_fifo_pop(&s->news, NULL);
        s->news_first++;
    }
}

bool sched_news_some(struct reeve_sched *s, uint32_t *budget)
{
    uint64_t end = s->news_first + s->news.count;
    while (s->news_at != NULL && *budget > 0) {
        if (s->news_left == 0) {
            s->news_at = NULL;
            trim_news(s);
            break;
        }
        if (s->news_at != &s->node_order) {
            struct sched_node *node = REEVE_LIST_ENTRY(s->news_at, struct sched_node, order_link);
            for (; node->session != 0 && node->news<end && * budget> 0; --*budget)
                send_news(s, node, reeve_fifo_at(&s->news, node->news++ - s->news_first));
            if (node->session != 0 && node->news < end)
                break;
            /* at 0 it wraps only if news took it there, and then the loop above has ended */
            --*budget;
            if (*budget == UINT32_MAX)
                *budget = 0;
        }
        s->news_at = s->news_at->next;
        s->news_left--;
        s->totals.work_count++;
    }
    return s->news_at != NULL;
}
