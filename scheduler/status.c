/* Read-only views of the tables, for status and for people. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "scheduler/sched_internal.h"

#define MS 1000000ull

void reeve_sched_totals(const struct reeve_sched *s, struct reeve_sched_totals *ret)
{
    *ret = s->totals;
    ret->host_count = reeve_map64_count(&s->hosts);
}

/* The maps are in order of insertion. */
static void *next(const struct reeve_map64 *map, uint64_t *cursor)
{
    void *value = NULL;
    return reeve_map64_resume(map, cursor, &value) ? value : NULL;
}

static void node_info(
    const struct reeve_sched *s, const struct sched_node *node, struct reeve_sched_node_info *ret)
{
    *ret = (struct reeve_sched_node_info){
        .node = node->number,
        .state = node->state,
        .ending = node->ending,
        .uid = node->uid,
        .incarnation = node->incarnation,
        .session = node->session,
        .memory_bytes = node->memory_bytes,
        .store_bytes = node->store_bytes,
        .store_used_bytes = node->store_used_bytes,
        .store_held_bytes = node->store_held_bytes,
        .object_count = node->object_count,
        .cpu_milli = node->cpu_milli,
        .cpu_free_milli = node->free_milli,
        .lease_count = node->lease_count,
        .heard_ns = node->heard_ns,
        .dead_at_ns = sched_node_dead_at(s, node),
    };
    memcpy(ret->host, node->host, sizeof ret->host);
    memcpy(ret->address, node->address, sizeof ret->address);
    memcpy(ret->disk, node->disk, sizeof ret->disk);
}

bool reeve_sched_next_node(
    const struct reeve_sched *s, uint64_t *cursor, struct reeve_sched_node_info *ret)
{
    const struct sched_node *node = next(&s->nodes, cursor);
    if (node != NULL)
        node_info(s, node, ret);
    return node != NULL;
}

bool reeve_sched_find_node(
    const struct reeve_sched *s, uint32_t number, struct reeve_sched_node_info *ret)
{
    const struct sched_node *node = sched_node_get(s, number);
    if (node != NULL)
        node_info(s, node, ret);
    return node != NULL;
}

bool reeve_sched_next_job(
    const struct reeve_sched *s, uint64_t *cursor, struct reeve_sched_job_info *ret)
{
    const struct sched_job *job = next(&s->jobs, cursor);
    if (job == NULL)
        return false;
    *ret = (struct reeve_sched_job_info){
        .job = job->id,
        .ended = job->ended,
        .presumed = job->presumed,
        .lease_count = job->lease_count,
        .demand_count = job->demand_count,
        .weight = job->weight,
        .held_milli = job->held_milli,
        .began_ns = job->began_ns,
    };
    REEVE_LIST_EACH(link, &job->classes)
    ret->wanted_count += REEVE_LIST_ENTRY(link, struct sched_class, job_link)->lacking;
    memcpy(ret->name, job->name, sizeof ret->name);
    return true;
}

bool reeve_sched_next_demand(
    const struct reeve_sched *s, uint64_t *cursor, struct reeve_sched_demand_info *ret)
{
    const struct sched_demand *demand = next(&s->demands, cursor);
    if (demand == NULL)
        return false;
    *ret = (struct reeve_sched_demand_info){
        .process = demand->process,
        .class = demand->class->class,
        .count = demand->count,
        .lease_count = demand->lease_count,
        .infeasible = demand->class->infeasible,
        .since_ns = demand->lacking > 0 ? demand->unmet_ns : 0,
    };
    return true;
}

bool reeve_sched_next_lease(
    const struct reeve_sched *s, uint64_t *cursor, struct reeve_sched_lease_info *ret)
{
    const struct sched_lease *lease = next(&s->leases, cursor);
    if (lease == NULL)
        return false;
    *ret = (struct reeve_sched_lease_info){
        .lease = lease->id,
        .process = lease->demand->process,
        .node = lease->node->number,
        .class = lease->demand->class->class,
        .recalled = lease->recalled,
        .lent = lease->lent,
        .granted_ns = lease->granted_ns,
    };
    return true;
}

/* ---- why ---- */

static void say(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(char *text, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(text, REEVE_TEXT_SIZE, format, values);
    va_end(values);
}

static void why_no_room(const struct reeve_sched *s, const struct sched_class *class, char *text)
{
    const struct sched_job *job = class->job, *rich = NULL;
    uint32_t cpu = class->class.cpu_milli;
    const struct reeve_heap_node *richest = reeve_heap_peek(&s->rich);
    if (richest != NULL)
        rich = REEVE_CONTAINER_OF(richest, struct sched_job, rich);
    unsigned long long held = job->held_milli / 1000, all = s->totals.cpu_milli / 1000,
                       used = s->totals.cpu_used_milli / 1000;
    if (class->drain != NULL)
        say(text,
            "node %u (%.63s) is being emptied for it: %u.%03u cpu are free there of the %u.%03u it "
            "needs",
            class->drain->number, class->drain->host,
            (unsigned)(REEVE_MAX(class->drain->free_milli, 0) / 1000),
            (unsigned)(REEVE_MAX(class->drain->free_milli, 0) % 1000), cpu / 1000, cpu % 1000);
    else if (class->promises > 0)
        say(text, "%llu leases are being called back for it", (unsigned long long)class->promises);
    else if (s->totals.cpu_milli > s->totals.cpu_used_milli + cpu && cpu > 1000)
        say(text, "no node has %u.%03u cpu free at once; %llu of %llu cpu are in use", cpu / 1000,
            cpu % 1000, used, all);
    else if (rich == NULL || rich == job || sched_job_effective(rich) <= sched_job_claim(job))
        say(text, "all cpu are in use (%llu of %llu) and its job has its share of %llu", used, all,
            held);
    else
        say(text, "all cpu are in use (%llu of %llu): its job holds %llu, job %.100s holds %llu",
            used, all, held, rich->name[0] != 0 ? rich->name : "(unnamed)",
            (unsigned long long)(rich->held_milli / 1000));
}

void reeve_sched_why(const struct reeve_sched *s, uint64_t now_ns, reeve_process_id process,
    const struct reeve_class *of, char text[static REEVE_TEXT_SIZE])
{
    const struct sched_class *class = sched_class_find(s, of);
    const struct sched_demand *demand =
        class != NULL ? reeve_map64_get(&class->demands, process) : NULL;
    text[0] = 0;
    if (demand == NULL) {
        say(text, "no such demand is known to the head");
        return;
    }
    if (demand->lacking == 0)
        return;
    char node[SCHED_NODE_TEXT_SIZE];
    uint32_t cpu = class->class.cpu_milli;
    if (class->job->presumed) {
        say(text,
            "%.80s, where its driver lives, has not reported since the link or the head was lost",
            sched_node_text(s, reeve_process_node(of->job), node));
    } else if (s->sizes.count == 0) {
        say(text, "no node with slots has joined the cluster%s",
            s->totals.node_count > 0 ? " (those that have joined have none)" : "");
    } else if (sched_class_infeasible_size(s, class)) {
        say(text, "it asks for %u.%03u cpu; the largest node has %u.%03u", cpu / 1000, cpu % 1000,
            s->cpu_ever_milli / 1000, s->cpu_ever_milli % 1000);
    } else if (class->held_off || class->infeasible) {
        const struct sched_avoid *avoid = NULL;
        if (!reeve_list_is_empty(&class->avoids))
            avoid = REEVE_LIST_ENTRY(class->avoids.prev, struct sched_avoid, class_link);
        if (avoid == NULL)
            say(text, "nodes refused it");
        else if (avoid->until_ns == REEVE_SCHED_NEVER)
            say(text, "%.80s refused it for good: %.150s", sched_node_text(s, avoid->node, node),
                avoid->text[0] != 0 ? avoid->text : reeve_strerror(avoid->code));
        else
            say(text, "%.80s refused it, and is asked again in %llu ms: %.120s",
                sched_node_text(s, avoid->node, node),
                (unsigned long long)(avoid->until_ns > now_ns ? (avoid->until_ns - now_ns) / MS
                                                              : 0),
                avoid->text[0] != 0 ? avoid->text : reeve_strerror(avoid->code));
    } else if (cpu > UINT32_MAX - (uint32_t)(reeve_heap_peek(&s->sizes)->key >> 32)) {
        say(text, "nodes with %u.%03u cpu are gone; the largest now has less", cpu / 1000,
            cpu % 1000);
    } else {
        why_no_room(s, class, text);
    }
}
