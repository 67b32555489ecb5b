/* What all nodes are asked at once, for a tool: the answers are put together here.
 *
 *      tool ──▶ head ──▶ every node that is up
 *      tool ◀── head ◀── their answers, until all are there, or the time is over
 *
 * Nodes that do not answer in time, or go away meanwhile, are named ("unanswered") instead of
 * being waited for. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/buffer.h"
#include "runtime/base/clock.h"
#include "runtime/base/errors.h"
#include "runtime/wire/tool_message.h"
#include "scheduler/shell.h"

#define GATHERS_MAX 256
#define ANSWER_MAX  (16u << 20) /* of one node, in pieces */
#define NOTHING     ((struct reeve_tool_data){NULL, 0, false})

struct asked {
    uint64_t id; /* 0: has answered */
    reeve_peer session;
    uint32_t node;
    char host[REEVE_HOST_SIZE];
    struct reeve_buffer pieces; /* of an answer that comes in several */
};

struct gather {
    struct reeve_list link;
    struct reeve_head *head;
    uv_timer_t timer;
    reeve_peer tool;
    uint64_t tool_id;
    reeve_head_gathered *done;
    json_t *answers;
    struct asked *asked;
    size_t asked_count, left;
    uint64_t asked_ns;
};

static void on_closed(uv_handle_t *handle)
{
    struct gather *gather = handle->data;
    json_decref(gather->answers);
    for (size_t i = 0; i < gather->asked_count; i++)
        reeve_buffer_fini(&gather->asked[i].pieces);
    free(gather->asked);
    free(gather);
}

static void gather_end(struct gather *gather)
{
    reeve_list_remove(&gather->link);
    uv_timer_stop(&gather->timer);
    uv_close((uv_handle_t *)&gather->timer, on_closed);
}

static void gather_finish(struct gather *gather)
{
    json_t *result = gather->done(gather->head, gather->answers);
    json_t *missing = json_incref(json_object_get(result, "unanswered"));
    if (!missing)
        missing = json_array();
    for (size_t i = 0; i < gather->asked_count; i++) {
        const struct asked *asked = &gather->asked[i];
        if (asked->id != 0)
            json_array_append_new(missing,
                json_pack("{s:I, s:s, s:s}", "node", (json_int_t)asked->node, "host", asked->host,
                    "why", asked->session ? "it is silent" : "its link is lost"));
    }
    json_object_set_new(result, "unanswered", missing);
    reeve_head_answer_large(gather->head, gather->tool, gather->tool_id, result);
    gather_end(gather);
}

static void on_timeout(uv_timer_t *timer)
{
    gather_finish(timer->data);
}

static int ask_all(struct gather *gather, const struct reeve_head_question *question)
{
    struct reeve_head *head = gather->head;
    struct reeve_sched_node_info info;
    uint64_t cursor = 0;
    while (reeve_sched_next_node(head->sched, &cursor, &info)) {
        if (info.session == 0 || !reeve_head_find_peer(head, info.session) ||
            (question->node != 0 && info.node != question->node))
            continue;
        struct asked *more =
            realloc(gather->asked, (gather->asked_count + 1) * sizeof(*gather->asked));
        if (!more)
            return REEVE_ENOMEM;
        gather->asked = more;
        struct asked *asked = &more[gather->asked_count++];
        *asked =
            (struct asked){.id = ++head->next_request, .session = info.session, .node = info.node};
        memcpy(asked->host, info.host, sizeof(asked->host));
        reeve_buffer_init(&asked->pieces);
        if (reeve_tool_send_request(head->links, info.session, asked->id, question->method,
                question->arguments, NOTHING) == REEVE_OK)
            gather->left++;
    }
    return REEVE_OK;
}

int reeve_head_gather(struct reeve_head *head, const struct reeve_head_question *question)
{
    if (reeve_list_count(&head->gathers) >= GATHERS_MAX)
        return REEVE_EBUSY;
    struct gather *gather = calloc(1, sizeof(*gather));
    if (!gather)
        return REEVE_ENOMEM;
    *gather = (struct gather){.asked_ns = reeve_clock_monotonic_ns(),
        .head = head,
        .tool = question->tool,
        .tool_id = question->tool_id,
        .done = question->done,
        .answers = json_array()};
    uv_timer_init(&head->loop, &gather->timer);
    gather->timer.data = gather;
    reeve_list_push_back(&head->gathers, &gather->link);
    int error = ask_all(gather, question);
    if (error)
        gather_end(gather);
    else
        uv_timer_start(&gather->timer, on_timeout, gather->left > 0 ? question->timeout_ms : 0, 0);
    return error;
}

/* One of the nodes has said its last word: `answer` (which may be NULL) is taken over. */
static void has_answered(struct gather *gather, struct asked *asked, json_t *answer)
{
    if (answer) {
        asked->id = 0;
        /* by our clock: what a node says of its own was so in between */
        json_object_set_new(answer, "asked_ns", json_integer((json_int_t)gather->asked_ns));
        json_object_set_new(
            answer, "answered_ns", json_integer((json_int_t)reeve_clock_monotonic_ns()));
        json_array_append_new(gather->answers, answer);
    }
    if (--gather->left == 0)
        gather_finish(gather);
}

static bool piece_add(struct asked *asked, const Reeve__ToolReply *reply)
{
    return asked->pieces.size + reply->data.len <= ANSWER_MAX &&
           reeve_buffer_append(&asked->pieces, reply->data.data, reply->data.len) == REEVE_OK;
}

/* NULL: it is an error, or makes no sense. */
static json_t *answer_of(struct asked *asked, const Reeve__ToolReply *reply)
{
    if (reply->code != 0)
        return NULL;
    if (!reply->has_data)
        return reply->result ? json_loads(reply->result, 0, NULL) : NULL;
    return !reply->more && piece_add(asked, reply)
               ? json_loadb((const char *)asked->pieces.data, asked->pieces.size, 0, NULL)
               : NULL;
}

bool reeve_head_gather_reply(
    struct reeve_head *head, reeve_peer from, const Reeve__ToolReply *reply)
{
    REEVE_LIST_EACH(node, &head->gathers)
    {
        struct gather *gather = REEVE_LIST_ENTRY(node, struct gather, link);
        for (size_t i = 0; i < gather->asked_count; i++) {
            struct asked *asked = &gather->asked[i];
            if (asked->id != reply->id || asked->session != from)
                continue;
            if (reply->has_data && reply->more && piece_add(asked, reply))
                return true;
            has_answered(gather, asked, answer_of(asked, reply));
            return true;
        }
    }
    return false;
}

/* From the start again after each that ends. */
void reeve_head_gather_peer_down(struct reeve_head *head, reeve_peer peer)
{
    struct reeve_list *node = head->gathers.next;
    while (node != &head->gathers) {
        struct gather *gather = REEVE_LIST_ENTRY(node, struct gather, link);
        node = node->next;
        if (gather->tool == peer) {
            gather_end(gather);
            continue;
        }
        for (size_t i = 0; i < gather->asked_count; i++) {
            if (gather->asked[i].id == 0 || gather->asked[i].session != peer)
                continue;
            gather->asked[i].session = 0;
            has_answered(gather, &gather->asked[i], NULL);
            break;
        }
    }
}

void reeve_head_gather_fini(struct reeve_head *head)
{
    while (!reeve_list_is_empty(&head->gathers))
        gather_end(REEVE_LIST_ENTRY(head->gathers.next, struct gather, link));
}
