/* What all nodes are asked at once, for a report: single tasks, actors and objects never pass the
 * head.
 *
 *      tool ──▶ head ──▶ every node that is up, some a turn of the loop
 *      tool ◀── head ◀── their answers, until all are there, or the time is over
 *
 * Nodes that do not answer in time, or go away meanwhile, are named ("unanswered") instead of
 * being waited for. What they say is not looked into here. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/errors.h"
#include "runtime/wire/tool_message.h"
#include "scheduler/shell_report.h"

#define ANSWER_MAX (16u << 20) /* of one node, in pieces */
#define ASKED_MAX  64          /* in a slice: each goes out as a frame of its own */
#define NOTHING    ((struct reeve_tool_data){NULL, 0, false})

static void gathered(struct reeve_report *report)
{
    uv_timer_stop(&report->timer);
    reeve_report_take(report);
}

static void on_timeout(uv_timer_t *timer)
{
    gathered(timer->data);
}

static bool ask(struct reeve_report *report, const struct reeve_sched_node_info *info)
{
    struct reeve_head *head = report->head;
    struct reeve_report_asked *asked = calloc(1, sizeof(*asked));
    if (!asked || reeve_map64_put(&report->asked, info->session, asked, NULL) != REEVE_OK) {
        free(asked);
        return false;
    }
    asked->id = ++head->next_request;
    asked->session = info->session;
    asked->node = info->node;
    memcpy(asked->host, info->host, sizeof(asked->host));
    reeve_buffer_init(&asked->text);
    if (reeve_tool_send_request(head->links, info->session, asked->id, report->kind->method,
            report->question, NOTHING) == REEVE_OK)
        report->left++;
    return true;
}

bool reeve_report_ask_some(struct reeve_report *report)
{
    struct reeve_head *head = report->head;
    struct reeve_sched_node_info info;
    for (int i = 0; i < ASKED_MAX; i++) {
        bool more = report->node == 0 ? reeve_sched_next_node(head->sched, &report->cursor, &info)
                                      : report->cursor++ == 0 &&
                                            reeve_sched_find_node(head->sched, report->node, &info);
        if (!more) {
            report->stage = REEVE_REPORT_WAITING;
            if (report->left > 0)
                uv_timer_start(&report->timer, on_timeout, report->timeout_ms, 0);
            else
                gathered(report);
            return false;
        }
        if (info.session == 0 || !reeve_head_find_peer(head, info.session) ||
            reeve_map64_get(&report->asked, info.session))
            continue;
        (void)ask(report, &info);
    }
    return true;
}

static void one_less(struct reeve_report *report)
{
    if (--report->left == 0 && report->stage == REEVE_REPORT_WAITING)
        gathered(report);
}

static bool piece_add(struct reeve_report_asked *asked, const void *piece, size_t size)
{
    return asked->text.size + size <= ANSWER_MAX &&
           reeve_buffer_append(&asked->text, piece, size) == REEVE_OK;
}

static void answered(
    struct reeve_report *report, struct reeve_report_asked *asked, const Reeve__ToolReply *reply)
{
    bool good =
        reply->code == 0 &&
        (reply->has_data ? piece_add(asked, reply->data.data, reply->data.len)
                         : reply->result && piece_add(asked, reply->result, strlen(reply->result)));
    if (good && reply->has_data && reply->more)
        return;
    asked->id = 0;
    asked->answers = good;
    asked->answered_ns = reeve_clock_monotonic_ns();
    one_less(report);
}

bool reeve_head_reports_reply(
    struct reeve_head *head, reeve_peer from, const Reeve__ToolReply *reply)
{
    REEVE_LIST_EACH(node, &head->reports)
    {
        struct reeve_report *report = REEVE_LIST_ENTRY(node, struct reeve_report, link);
        struct reeve_report_asked *asked = reeve_map64_get(&report->asked, from);
        if (!asked || asked->id != reply->id)
            continue;
        if (report->stage == REEVE_REPORT_ASKING || report->stage == REEVE_REPORT_WAITING)
            answered(report, asked, reply);
        return true;
    }
    return false;
}

void reeve_report_node_down(struct reeve_report *report, reeve_peer node)
{
    struct reeve_report_asked *asked = reeve_map64_get(&report->asked, node);
    if ((report->stage != REEVE_REPORT_ASKING && report->stage != REEVE_REPORT_WAITING) || !asked ||
        asked->id == 0 || asked->session == 0)
        return;
    asked->session = 0;
    one_less(report);
}
