/* The stages of a report; see shell_report.h. */
#include "scheduler/shell_report.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/errors.h"
#include "runtime/wire/tool_message.h"

#define REPORTS_MAX 256
#define SLICE_ROWS  128u /* well below a millisecond */
#define PIECE_SIZE  (256u * 1024u)
#define NOTHING     ((struct reeve_tool_data){NULL, 0, false})

/* ---- the end ---- */

static void report_free(struct reeve_report *report)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&report->asked, &at, NULL, &value))
        reeve_buffer_fini(&((struct reeve_report_asked *)value)->text);
    reeve_map64_fini_values(&report->asked);
    reeve_snapshot_fini(&report->snapshot);
    struct reeve_head_job job;
    while (reeve_fifo_pop(&report->jobs, &job))
        json_decref(job.functions);
    reeve_fifo_fini(&report->jobs);
    json_decref(report->facts);
    json_decref(report->arguments);
    reeve_buffer_fini(&report->text);
    free(report->question);
    free(report);
}

static void on_closed(uv_handle_t *handle)
{
    struct reeve_report *report = handle->data;
    report->timer_closed = true;
    if (report->stage != REEVE_REPORT_MAKING)
        report_free(report);
}

static void report_end(struct reeve_report *report)
{
    report->over = true;
    reeve_list_remove(&report->link);
    uv_close((uv_handle_t *)&report->timer, on_closed);
}

/* ---- sending ---- */

/* As much as the tool's link takes now; `drained` goes on. */
static void send_some(struct reeve_report *report)
{
    struct reeve_link *links = report->head->links;
    while (report->sent < report->text.size &&
           reeve_link_queued_bytes(links, report->tool) <= REEVE_LINK_LOW_WATER_BYTES) {
        size_t left = report->text.size - report->sent, piece = REEVE_MIN(left, PIECE_SIZE);
        if (reeve_tool_send_reply(links, report->tool, report->tool_id, 0, NULL,
                (struct reeve_tool_data){report->text.data + report->sent, piece, piece < left}) !=
            REEVE_OK)
            report->sent = report->text.size; /* the tool has gone */
        else
            report->sent += piece;
    }
    if (report->sent == report->text.size)
        report_end(report);
}

void reeve_head_reports_drained(struct reeve_head *head, reeve_peer tool)
{
    REEVE_LIST_EACH_SAFE(node, &head->reports)
    {
        struct reeve_report *report = REEVE_LIST_ENTRY(node, struct reeve_report, link);
        if (report->tool == tool && report->stage == REEVE_REPORT_SENDING)
            send_some(report);
    }
}

/* ---- making: in another thread ---- */

static json_t *answers_of(const struct reeve_report *report)
{
    json_t *answers = json_array();
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&report->asked, &at, NULL, &value)) {
        struct reeve_report_asked *asked = value;
        json_t *answer = asked->answers
                             ? json_loadb((const char *)asked->text.data, asked->text.size, 0, NULL)
                             : NULL;
        asked->answers = json_is_object(answer);
        if (!asked->answers) {
            json_decref(answer);
            continue;
        }
        /* by our clock: what a node says of its own was so in between */
        json_object_set_new(answer, "asked_ns", json_integer((json_int_t)report->asked_ns));
        json_object_set_new(answer, "answered_ns", json_integer((json_int_t)asked->answered_ns));
        json_array_append_new(answers, answer);
    }
    return answers;
}

static void add_unanswered(const struct reeve_report *report, json_t *result)
{
    json_t *missing = json_incref(json_object_get(result, "unanswered"));
    size_t at = 0;
    void *value;
    if (!missing)
        missing = json_array();
    while (reeve_map64_next(&report->asked, &at, NULL, &value)) {
        const struct reeve_report_asked *asked = value;
        if (!asked->answers || asked->id != 0)
            json_array_append_new(missing, json_pack("{s:I, s:s, s:s}", "node",
                                               (json_int_t)asked->node, "host", asked->host, "why",
                                               asked->id == 0   ? "its answer makes no sense"
                                               : asked->session ? "it is silent"
                                                                : "its link is lost"));
    }
    json_object_set_new(result, "unanswered", missing);
}

static int append(const char *text, size_t size, void *buffer)
{
    return reeve_buffer_append(buffer, text, size);
}

static void on_work(uv_work_t *work)
{
    struct reeve_report *report = work->data;
    if (report->kind->write) {
        report->kind->write(report, &report->text);
        return;
    }
    json_t *answers = answers_of(report);
    json_t *result = report->kind->make(report, answers);
    add_unanswered(report, result);
    json_object_set_new(result, "taken_s", json_real(reeve_report_taken_s(report)));
    if (json_dump_callback(result, append, &report->text, JSON_COMPACT) != 0)
        reeve_buffer_clear(&report->text);
    json_decref(result);
    json_decref(answers);
}

static void on_made(uv_work_t *work, int status)
{
    struct reeve_report *report = work->data;
    report->stage = REEVE_REPORT_SENDING;
    if (report->over && report->timer_closed) {
        report_free(report);
    } else if (!report->over && (status != 0 || report->text.size == 0)) {
        (void)reeve_tool_send_reply(report->head->links, report->tool, report->tool_id,
            REEVE_ENOMEM, reeve_strerror(REEVE_ENOMEM), NOTHING);
        report_end(report);
    } else if (!report->over) {
        send_some(report);
    }
}

/* ---- taking ---- */

double reeve_report_taken_s(const struct reeve_report *report)
{
    uint64_t since_ns = report->kind->method ? report->asked_ns : report->snapshot.began_ns;
    return (double)(report->taken_ns - since_ns) / 1e9;
}

static bool take_some(struct reeve_report *report)
{
    struct reeve_head *head = report->head;
    report->taken_ns = reeve_clock_monotonic_ns();
    return reeve_snapshot_some(&report->snapshot, head->sched, report->taken_ns, SLICE_ROWS) ||
           (report->kind->jobs && reeve_head_jobs_take(report, SLICE_ROWS));
}

void reeve_report_take(struct reeve_report *report)
{
    report->stage = REEVE_REPORT_TAKING;
    reeve_report_wake(report->head);
}

static void taken(struct reeve_report *report)
{
    if (report->kind->facts)
        report->facts = report->kind->facts(report->head);
    report->work.data = report;
    report->stage = REEVE_REPORT_MAKING;
    if (uv_queue_work(&report->head->loop, &report->work, on_work, on_made) != 0)
        on_made(&report->work, UV_ENOMEM);
}

/* One slice, of the report that has waited longest for one. */
static void on_slice(uv_idle_t *idle)
{
    struct reeve_head *head = idle->data;
    REEVE_LIST_EACH(node, &head->reports)
    {
        struct reeve_report *report = REEVE_LIST_ENTRY(node, struct reeve_report, link);
        if (report->stage != REEVE_REPORT_ASKING && report->stage != REEVE_REPORT_TAKING)
            continue;
        reeve_list_remove(&report->link);
        reeve_list_push_back(&head->reports, &report->link);
        if (report->stage == REEVE_REPORT_ASKING)
            reeve_report_ask_some(report);
        else if (!take_some(report))
            taken(report);
        return;
    }
    uv_idle_stop(idle);
}

void reeve_report_wake(struct reeve_head *head)
{
    uv_idle_start(&head->slices, on_slice);
}

/* ---- the beginning ---- */

int reeve_head_report(struct reeve_head *head, const struct reeve_head_question *question)
{
    if (reeve_list_count(&head->reports) >= REPORTS_MAX)
        return REEVE_EBUSY;
    struct reeve_report *report = calloc(1, sizeof(*report));
    if (!report)
        return REEVE_ENOMEM;
    report->question = question->arguments ? strdup(question->arguments) : NULL;
    report->head = head;
    report->kind = question->kind;
    report->tool = question->tool;
    report->tool_id = question->tool_id;
    report->node = question->node;
    report->timeout_ms = question->timeout_ms;
    report->arguments = json_incref(question->wishes);
    report->asked_ns = reeve_clock_monotonic_ns();
    report->stage = report->kind->method ? REEVE_REPORT_ASKING : REEVE_REPORT_TAKING;
    reeve_map64_init(&report->asked);
    reeve_snapshot_init(&report->snapshot, report->kind->tables);
    reeve_fifo_init(&report->jobs, sizeof(struct reeve_head_job));
    reeve_buffer_init(&report->text);
    uv_timer_init(&head->loop, &report->timer);
    report->timer.data = report;
    reeve_list_push_back(&head->reports, &report->link);
    reeve_report_wake(head);
    return REEVE_OK;
}

void reeve_head_reports_peer_down(struct reeve_head *head, reeve_peer peer)
{
    REEVE_LIST_EACH_SAFE(node, &head->reports)
    {
        struct reeve_report *report = REEVE_LIST_ENTRY(node, struct reeve_report, link);
        if (report->tool == peer)
            report_end(report);
        else
            reeve_report_node_down(report, peer);
    }
}

void reeve_head_reports_fini(struct reeve_head *head)
{
    while (!reeve_list_is_empty(&head->reports))
        report_end(REEVE_LIST_ENTRY(head->reports.next, struct reeve_report, link));
}
