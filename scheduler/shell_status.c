/* The head's tables as JSON, for `reeve status`. The fields are described in api/cli/README.md. */
#include <inttypes.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/machine.h"
#include "scheduler/shell.h"

#define ITEM_MAX 10000 /* of one kind; what is cut is said */

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

static json_t *nodes(struct reeve_head *head, uint64_t now_ns, uint64_t *cut)
{
    struct reeve_sched_node_info info;
    uint64_t cursor = 0;
    json_t *list = json_array();
    while (reeve_sched_next_node(head->sched, &cursor, &info)) {
        if (json_array_size(list) >= ITEM_MAX) {
            ++*cut;
            continue;
        }
        json_t *disk = json_loads(info.disk, 0, NULL); /* NULL: it has none, or has not said yet */
        json_array_append_new(list,
            json_pack("{s:I, s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o*, s:f}",
                "node", (json_int_t)info.node, "host", info.host, "address", info.address, "state",
                node_state_name(&info), "slots", cpus(info.cpu_milli), "slots_used",
                cpus((int64_t)info.cpu_milli - info.cpu_free_milli), "leases",
                (json_int_t)info.lease_count, "memory_bytes", (json_int_t)info.memory_bytes,
                "store_bytes", (json_int_t)info.store_bytes, "store_used_bytes",
                (json_int_t)info.store_used_bytes, "store_held_bytes",
                (json_int_t)info.store_held_bytes, "objects", (json_int_t)info.object_count,
                "spill", disk, "silent_s", seconds_since(info.heard_ns, now_ns)));
    }
    return list;
}

/* What the stores of all nodes that are up hold together. */
static void add_store_totals(struct reeve_head *head, json_t *totals)
{
    struct reeve_sched_node_info info;
    uint64_t cursor = 0, size = 0, used = 0, held = 0, objects = 0;
    while (reeve_sched_next_node(head->sched, &cursor, &info)) {
        if (info.state != REEVE_SCHED_NODE_UP)
            continue;
        size += info.store_bytes;
        used += info.store_used_bytes;
        held += info.store_held_bytes;
        objects += info.object_count;
    }
    json_object_set_new(totals, "store_bytes", json_integer((json_int_t)size));
    json_object_set_new(totals, "store_used_bytes", json_integer((json_int_t)used));
    json_object_set_new(totals, "store_held_bytes", json_integer((json_int_t)held));
    json_object_set_new(totals, "objects", json_integer((json_int_t)objects));
}

static json_t *jobs(struct reeve_head *head, uint64_t now_ns, uint64_t *cut)
{
    struct reeve_sched_job_info info;
    uint64_t cursor = 0;
    json_t *list = json_array();
    while (reeve_sched_next_job(head->sched, &cursor, &info)) {
        if (json_array_size(list) >= ITEM_MAX) {
            ++*cut;
            continue;
        }
        json_array_append_new(
            list, json_pack("{s:o, s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:o, s:f}", "job",
                      id_text(info.job), "name", info.name, "node",
                      (json_int_t)reeve_process_node(info.job), "state",
                      info.ended      ? "ending"
                      : info.presumed ? "presumed"
                                      : "running",
                      "weight", (json_int_t)info.weight, "leases", (json_int_t)info.lease_count,
                      "demands", (json_int_t)info.demand_count, "wanted",
                      (json_int_t)info.wanted_count, "slots_used", cpus((int64_t)info.held_milli),
                      "age_s", seconds_since(info.began_ns, now_ns)));
    }
    return list;
}

static json_t *demands(struct reeve_head *head, uint64_t now_ns, uint64_t *cut)
{
    struct reeve_sched_demand_info info;
    char why[REEVE_TEXT_SIZE];
    uint64_t cursor = 0;
    json_t *list = json_array();
    while (reeve_sched_next_demand(head->sched, &cursor, &info)) {
        if (json_array_size(list) >= ITEM_MAX) {
            ++*cut;
            continue;
        }
        *why = 0;
        reeve_sched_why(head->sched, now_ns, info.process, &info.class, why);
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:i, s:I, s:I, s:b, s:f, s:s}", "process",
                      id_text(info.process), "job", id_text(info.class.job), "cpu",
                      cpus(info.class.cpu_milli), "priority", (int)info.class.priority, "wanted",
                      (json_int_t)info.count, "held", (json_int_t)info.lease_count, "infeasible",
                      (int)info.infeasible, "waiting_s", seconds_since(info.since_ns, now_ns),
                      "why", why));
    }
    return list;
}

static json_t *leases(struct reeve_head *head, uint64_t now_ns, uint64_t *cut)
{
    struct reeve_sched_lease_info info;
    uint64_t cursor = 0;
    json_t *list = json_array();
    while (reeve_sched_next_lease(head->sched, &cursor, &info)) {
        if (json_array_size(list) >= ITEM_MAX) {
            ++*cut;
            continue;
        }
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:I, s:o, s:b, s:b, s:f}", "lease",
                      id_text(info.lease), "process", id_text(info.process), "job",
                      id_text(info.class.job), "node", (json_int_t)info.node, "cpu",
                      cpus(info.class.cpu_milli), "recalled", (int)info.recalled, "lent",
                      (int)info.lent, "age_s", seconds_since(info.granted_ns, now_ns)));
    }
    return list;
}

static json_t *runs(struct reeve_head *head)
{
    json_t *list = json_array();
    REEVE_LIST_EACH(node, &head->runs)
    json_array_append_new(
        list, reeve_head_run_json(REEVE_LIST_ENTRY(node, struct reeve_head_run, link)));
    return list;
}

json_t *reeve_head_demands(struct reeve_head *head)
{
    uint64_t cut = 0;
    return demands(head, reeve_clock_monotonic_ns(), &cut);
}

json_t *reeve_head_status(struct reeve_head *head, bool with_leases)
{
    uint64_t now_ns = reeve_clock_monotonic_ns(), cut = 0;
    struct reeve_sched_totals totals;
    char machine[REEVE_MACHINE_SIZE], host[REEVE_HOST_SIZE] = "";
    gethostname(host, sizeof(host) - 1);
    reeve_sched_totals(head->sched, &totals);
    json_t *status = json_pack("{s:{s:s, s:s, s:s, s:I, s:s, s:o, s:f, s:I}}", "head", "address",
        reeve_link_address(head->links), "host", host, "release", REEVE_VERSION, "pid",
        (json_int_t)getpid(), "machine", reeve_machine_id(machine), "incarnation",
        id_text(head->incarnation), "uptime_s", seconds_since(head->started_ns, now_ns), "rejected",
        (json_int_t)head->rejected_count);
    json_object_set_new(status, "totals",
        json_pack("{s:I, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "nodes",
            (json_int_t)totals.node_count, "nodes_up", (json_int_t)totals.node_up_count, "slots",
            cpus((int64_t)totals.cpu_milli), "slots_used", cpus((int64_t)totals.cpu_used_milli),
            "jobs", (json_int_t)totals.job_count, "demands", (json_int_t)totals.demand_count,
            "leases", (json_int_t)totals.lease_count, "leases_granted",
            (json_int_t)totals.granted_count, "leases_ended", (json_int_t)totals.ended_count,
            "leases_refused", (json_int_t)totals.refused_count));
    add_store_totals(head, json_object_get(status, "totals"));
    json_object_set_new(json_object_get(status, "totals"), "actor_processes",
        json_integer((json_int_t)totals.host_count));
    json_object_set_new(json_object_get(status, "totals"), "actor_names",
        json_integer((json_int_t)totals.name_count));
    json_object_set_new(status, "nodes", nodes(head, now_ns, &cut));
    json_object_set_new(status, "jobs", jobs(head, now_ns, &cut));
    json_object_set_new(status, "demands", demands(head, now_ns, &cut));
    if (with_leases)
        json_object_set_new(status, "leases", leases(head, now_ns, &cut));
    json_object_set_new(status, "runs", runs(head));
    json_object_set_new(status, "left_out", json_integer((json_int_t)cut));
    return status;
}
