/* The head's tables as JSON, for `reeve status`. The fields are described in api/cli/README.md.
 *
 * Runs in the thread that makes reports, on a snapshot: row by row, so that what a large cluster
 * has is in memory as text only. With a limit, those rows come first that a person looks for: nodes
 * that are not up or whose disks fail, demands that lack something. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/machine.h"
#include "scheduler/shell_report.h"

static const char *node_state_name(const struct reeve_sched_node_info *info)
{
    switch (info->state) {
    case REEVE_SCHED_NODE_UP: return info->ending ? "ending" : "up";
    case REEVE_SCHED_NODE_JOINING: return "joining";
    case REEVE_SCHED_NODE_LOST: return "lost";
    case REEVE_SCHED_NODE_DEAD: return "dead";
    }
    return "unknown";
}

static double seconds_since(uint64_t since_ns, uint64_t now_ns)
{
    return since_ns && now_ns > since_ns ? (double)((now_ns - since_ns) / REEVE_NS_PER_MS) / 1000.0
                                         : 0.0;
}

static json_t *id_text(uint64_t id)
{
    return json_sprintf("%016" PRIx64, id);
}

static json_t *cpus(int64_t milli)
{
    return json_real((double)milli / 1000.0);
}

/* ---- rows ---- */

static json_t *node_row(const void *row, uint64_t now_ns)
{
    const struct reeve_sched_node_info *info = row;
    json_t *disk = json_loads(info->disk, 0, NULL); /* NULL: it has none, or has not said yet */
    return json_pack("{s:I, s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o*, s:f}",
        "node", (json_int_t)info->node, "host", info->host, "address", info->address, "state",
        node_state_name(info), "slots", cpus(info->cpu_milli), "slots_used",
        cpus((int64_t)info->cpu_milli - info->cpu_free_milli), "leases",
        (json_int_t)info->lease_count, "memory_bytes", (json_int_t)info->memory_bytes,
        "store_bytes", (json_int_t)info->store_bytes, "store_used_bytes",
        (json_int_t)info->store_used_bytes, "store_held_bytes", (json_int_t)info->store_held_bytes,
        "objects", (json_int_t)info->object_count, "spill", disk, "silent_s",
        seconds_since(info->heard_ns, now_ns));
}

static json_t *job_row(const void *row, uint64_t now_ns)
{
    const struct reeve_sched_job_info *info = row;
    return json_pack("{s:o, s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:o, s:f}", "job",
        id_text(info->job), "name", info->name, "node", (json_int_t)reeve_process_node(info->job),
        "state",
        info->ended      ? "ending"
        : info->presumed ? "presumed"
                         : "running",
        "weight", (json_int_t)info->weight, "leases", (json_int_t)info->lease_count, "demands",
        (json_int_t)info->demand_count, "wanted", (json_int_t)info->wanted_count, "slots_used",
        cpus((int64_t)info->held_milli), "age_s", seconds_since(info->began_ns, now_ns));
}

static json_t *demand_row(const void *row, uint64_t now_ns)
{
    const struct reeve_snapshot_demand *demand = row;
    const struct reeve_sched_demand_info *info = &demand->info;
    return json_pack("{s:o, s:o, s:o, s:i, s:I, s:I, s:b, s:f, s:s}", "process",
        id_text(info->process), "job", id_text(info->class.job), "cpu", cpus(info->class.cpu_milli),
        "priority", (int)info->class.priority, "wanted", (json_int_t)info->count, "held",
        (json_int_t)info->lease_count, "infeasible", (int)info->infeasible, "waiting_s",
        seconds_since(info->since_ns, now_ns), "why", demand->why);
}

static json_t *lease_row(const void *row, uint64_t now_ns)
{
    const struct reeve_sched_lease_info *info = row;
    return json_pack("{s:o, s:o, s:o, s:I, s:o, s:b, s:b, s:f}", "lease", id_text(info->lease),
        "process", id_text(info->process), "job", id_text(info->class.job), "node",
        (json_int_t)info->node, "cpu", cpus(info->class.cpu_milli), "recalled", (int)info->recalled,
        "lent", (int)info->lent, "age_s", seconds_since(info->granted_ns, now_ns));
}

/* ---- which of them ---- */

static bool is_of_node(const json_t *wishes, uint32_t number)
{
    const json_t *node = json_object_get(wishes, "node");
    return !node || json_integer_value(node) == number;
}

static bool fits_node(const void *row, const json_t *wishes)
{
    const struct reeve_sched_node_info *info = row;
    const char *state = json_string_value(json_object_get(wishes, "state"));
    return (!state || strcmp(state, node_state_name(info)) == 0) && is_of_node(wishes, info->node);
}

static bool fits_job(const void *row, const json_t *wishes)
{
    return is_of_node(wishes, reeve_process_node(((const struct reeve_sched_job_info *)row)->job));
}

static bool fits_demand(const void *row, const json_t *wishes)
{
    return is_of_node(
        wishes, reeve_process_node(((const struct reeve_snapshot_demand *)row)->info.process));
}

static bool fits_lease(const void *row, const json_t *wishes)
{
    return is_of_node(wishes, ((const struct reeve_sched_lease_info *)row)->node);
}

static bool is_urgent_node(const void *row)
{
    const struct reeve_sched_node_info *info = row;
    if (info->state != REEVE_SCHED_NODE_UP || info->ending)
        return true;
    json_t *disk = *info->disk ? json_loads(info->disk, 0, NULL) : NULL;
    bool fails = json_integer_value(json_object_get(disk, "failed")) > 0 ||
                 json_integer_value(json_object_get(disk, "folders_failed")) > 0;
    json_decref(disk);
    return fails;
}

static bool is_urgent_demand(const void *row)
{
    return *((const struct reeve_snapshot_demand *)row)->why;
}

static const struct list {
    const char *name;
    json_t *(*row)(const void *row, uint64_t now_ns);
    bool (*fits)(const void *row, const json_t *wishes);
    bool (*is_urgent)(const void *row); /* NULL: none is more so than others */
} lists[REEVE_SNAPSHOT_TABLES] = {
    [REEVE_SNAPSHOT_NODES] = {"nodes", node_row, fits_node, is_urgent_node},
    [REEVE_SNAPSHOT_JOBS] = {"jobs", job_row, fits_job, NULL},
    [REEVE_SNAPSHOT_DEMANDS] = {"demands", demand_row, fits_demand, is_urgent_demand},
    [REEVE_SNAPSHOT_LEASES] = {"leases", lease_row, fits_lease, NULL},
};

/* ---- writing ---- */

/* Whether all went well so far is in the buffer: emptied, it stays so. */
struct writer {
    struct reeve_buffer *out;
    bool failed;
};

static int append(const char *text, size_t size, void *arg)
{
    struct writer *writer = arg;
    if (!writer->failed)
        writer->failed = reeve_buffer_append(writer->out, text, size) != 0;
    return writer->failed ? -1 : 0;
}

static void write_text(struct writer *writer, const char *text)
{
    append(text, strlen(text), writer);
}

/* Takes the value over. */
static void write_value(struct writer *writer, json_t *value)
{
    if (json_dump_callback(value, append, writer, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
        writer->failed = true;
    json_decref(value);
}

static void write_member(struct writer *writer, const char *name, json_t *value)
{
    write_text(writer, ",\"");
    write_text(writer, name);
    write_text(writer, "\":");
    write_value(writer, value);
}

/* The rows that fit, `limit` at most, in order but for the urgent ones, which come first if not
 * all are shown. Returns how many have been left out. */
static uint64_t write_list(
    struct writer *writer, const struct reeve_report *report, enum reeve_snapshot_table table)
{
    const struct list *list = &lists[table];
    const struct reeve_fifo *rows = &report->snapshot.rows[table];
    uint64_t limit = (uint64_t)json_integer_value(json_object_get(report->arguments, "limit"));
    uint64_t fit = 0, written = 0;
    bool sorted = limit > 0 && rows->count > limit && list->is_urgent;
    write_text(writer, ",\"");
    write_text(writer, list->name);
    write_text(writer, "\":[");
    for (int pass = sorted ? 0 : 1; pass < 2; pass++) {
        fit = 0;
        for (size_t i = 0; i < rows->count && !writer->failed; i++) {
            const void *row = reeve_fifo_at(rows, i);
            if (!list->fits(row, report->arguments))
                continue;
            fit++;
            if ((limit > 0 && written >= limit) || (sorted && list->is_urgent(row) != (pass == 0)))
                continue;
            write_text(writer, written++ > 0 ? "," : "");
            write_value(writer, list->row(row, report->taken_ns));
        }
    }
    write_text(writer, "]");
    return fit - written + report->snapshot.left_out[table];
}

/* ---- sums ---- */

/* What the stores of all nodes that are up hold together. */
static void add_store_totals(const struct reeve_fifo *nodes, json_t *totals)
{
    uint64_t size = 0, used = 0, held = 0, objects = 0;
    for (size_t i = 0; i < nodes->count; i++) {
        const struct reeve_sched_node_info *info = reeve_fifo_at(nodes, i);
        if (info->state != REEVE_SCHED_NODE_UP)
            continue;
        size += info->store_bytes;
        used += info->store_used_bytes;
        held += info->store_held_bytes;
        objects += info->object_count;
    }
    json_object_set_new(totals, "store_bytes", json_integer((json_int_t)size));
    json_object_set_new(totals, "store_used_bytes", json_integer((json_int_t)used));
    json_object_set_new(totals, "store_held_bytes", json_integer((json_int_t)held));
    json_object_set_new(totals, "objects", json_integer((json_int_t)objects));
}

/* How many nodes are in which state. */
static json_t *states_of(const struct reeve_fifo *nodes)
{
    json_t *states = json_object();
    for (size_t i = 0; i < nodes->count; i++) {
        const char *name = node_state_name(reeve_fifo_at(nodes, i));
        json_object_set_new(
            states, name, json_integer(json_integer_value(json_object_get(states, name)) + 1));
    }
    return states;
}

static json_t *totals_of(const struct reeve_snapshot *snapshot)
{
    const struct reeve_sched_totals *totals = &snapshot->totals;
    json_t *json =
        json_pack("{s:I, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "nodes",
            (json_int_t)totals->node_count, "nodes_up", (json_int_t)totals->node_up_count, "slots",
            cpus((int64_t)totals->cpu_milli), "slots_used", cpus((int64_t)totals->cpu_used_milli),
            "jobs", (json_int_t)totals->job_count, "demands", (json_int_t)totals->demand_count,
            "leases", (json_int_t)totals->lease_count, "leases_granted",
            (json_int_t)totals->granted_count, "leases_ended", (json_int_t)totals->ended_count,
            "leases_refused", (json_int_t)totals->refused_count, "actor_processes",
            (json_int_t)totals->host_count, "actor_names", (json_int_t)totals->name_count,
            "node_states", states_of(&snapshot->rows[REEVE_SNAPSHOT_NODES]));
    add_store_totals(&snapshot->rows[REEVE_SNAPSHOT_NODES], json);
    return json;
}

static void write_status(const struct reeve_report *report, struct reeve_buffer *out)
{
    struct writer writer = {.out = out};
    json_t *left_out_of = json_object();
    uint64_t left_out = 0;
    write_text(&writer, "{\"head\":");
    write_value(&writer, json_incref(json_object_get(report->facts, "head")));
    write_member(&writer, "totals", totals_of(&report->snapshot));
    for (unsigned i = 0; i < REEVE_SNAPSHOT_TABLES; i++) {
        if (!(report->snapshot.wanted & REEVE_SNAPSHOT_BIT(i)))
            continue;
        uint64_t count = write_list(&writer, report, (enum reeve_snapshot_table)i);
        json_object_set_new(left_out_of, lists[i].name, json_integer((json_int_t)count));
        left_out += count;
    }
    write_member(&writer, "runs", json_incref(json_object_get(report->facts, "runs")));
    write_member(&writer, "left_out", json_integer((json_int_t)left_out));
    write_member(&writer, "left_out_of", left_out_of);
    write_member(&writer, "taken_s", json_real(reeve_report_taken_s(report)));
    write_text(&writer, "}");
    if (writer.failed)
        reeve_buffer_clear(out);
}

/* ---- on the loop ---- */

static json_t *facts(const struct reeve_head *head)
{
    uint64_t now_ns = reeve_clock_monotonic_ns();
    char machine[REEVE_MACHINE_SIZE], host[REEVE_HOST_SIZE] = "";
    gethostname(host, sizeof(host) - 1);
    json_t *latest = json_null();
    if (head->lost_count > 0)
        latest = json_pack("{s:I, s:o, s:f}", "node", (json_int_t)head->lost_node, "why",
            json_string_nocheck(head->lost_text), "ago_s", seconds_since(head->lost_ns, now_ns));
    return json_pack("{s:{s:s, s:s, s:s, s:I, s:s, s:o, s:f, s:I, s:I, s:o}, s:o}", "head",
        "address", reeve_link_address(head->links), "host", host, "release", REEVE_VERSION, "pid",
        (json_int_t)getpid(), "machine", reeve_machine_id(machine), "incarnation",
        id_text(head->incarnation), "uptime_s", seconds_since(head->started_ns, now_ns), "rejected",
        (json_int_t)head->rejected_count, "nodes_lost", (json_int_t)head->lost_count, "lost_latest",
        latest, "runs", reeve_head_runs_json(head));
}

#define TABLES                                                                            \
    (REEVE_SNAPSHOT_BIT(REEVE_SNAPSHOT_NODES) | REEVE_SNAPSHOT_BIT(REEVE_SNAPSHOT_JOBS) | \
        REEVE_SNAPSHOT_BIT(REEVE_SNAPSHOT_DEMANDS))

const struct reeve_report_kind reeve_report_status = {
    .tables = TABLES, .facts = facts, .write = write_status};

const struct reeve_report_kind reeve_report_status_leases = {
    .tables = TABLES | REEVE_SNAPSHOT_BIT(REEVE_SNAPSHOT_LEASES),
    .facts = facts,
    .write = write_status};
