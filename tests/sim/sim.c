/* The simulator's frame: the event queue, the trace and its hash, the phases of a run, and what
 * must hold when it has come to rest. See sim.h for the parts and README.md for what is
 * simulated. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "tests/sim/handles.h"
#include "tests/sim/values.h"

#define REST_WITHIN (240 * SECOND)

/* ---- helpers of all parts ---- */

void *sim_alloc(size_t size)
{
    void *memory = calloc(1, size);
    REEVE_ASSERT(memory != NULL);
    return memory;
}

const uint8_t *sim_keep(struct sim *sim, const uint8_t *bytes, size_t size)
{
    uint8_t *copy = memcpy(sim_alloc(size + 1), bytes, size);
    reeve_map64_put(&sim->kept, ++sim->next_id, copy, NULL);
    return copy;
}

uint64_t sim_below(struct sim *sim, uint64_t bound)
{
    return reeve_prng_below(&sim->prng, bound);
}

bool sim_chance(struct sim *sim, uint64_t numerator, uint64_t denominator)
{
    return reeve_prng_chance(&sim->prng, numerator, denominator);
}

uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high)
{
    return reeve_prng_between(&sim->prng, low, high);
}

void sim_hash(struct sim *sim, uint64_t value)
{
    sim->hash = (sim->hash ^ value) * 0x9e3779b97f4a7c15ull;
    sim->hash ^= sim->hash >> 29;
}

void sim_trace(struct sim *sim, const char *format, ...)
{
    if (!sim->options.trace)
        return;
    va_list values;
    va_start(values, format);
    printf("%llu.%06llu  ", (unsigned long long)(sim->now_ns / SECOND),
        (unsigned long long)(sim->now_ns % SECOND / US));
    vprintf(format, values);
    putchar('\n');
    va_end(values);
}

void sim_violation(struct sim *sim, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    fflush(stdout);
    fprintf(stderr,
        "VIOLATION at %llu.%06llu s, event %llu: ", (unsigned long long)(sim->now_ns / SECOND),
        (unsigned long long)(sim->now_ns % SECOND / US), (unsigned long long)sim->event_count);
    vfprintf(stderr, format, values);
    fprintf(stderr,
        "\nreplay: reeve_sim --seed %llu --steps %llu --nodes %u --drivers %u --tasks %u%s%s "
        "--trace\n",
        (unsigned long long)sim->options.seed, (unsigned long long)sim->options.steps,
        sim->options.nodes, sim->options.drivers, sim->options.tasks,
        sim->options.chaos ? "" : " --calm", sim->options.audit ? "" : " --no-audit");
    va_end(values);
    exit(1);
}

/* ---- events ---- */

struct sim_event *sim_after(struct sim *sim, uint64_t delay_ns, enum sim_event_kind kind)
{
    struct sim_event *event = sim_alloc(sizeof *event);
    event->kind = kind;
    int error = reeve_heap_insert(&sim->events, &event->heap, sim->now_ns + delay_ns);
    REEVE_ASSERT(error == 0);
    return event;
}

static void start_machine(struct sim *sim, uint32_t machine)
{
    sim->machines[machine].up = true;
    sim_after(sim, 0, SIM_START_DAEMON)->c = machine;
    if (machine == 0)
        sim_after(sim, 0, SIM_START_HEAD);
}

static void fire(struct sim *sim, struct sim_event *event)
{
    struct sim_daemon *daemon;
    switch (event->kind) {
    case SIM_DIAL:
    case SIM_SESSION_UP:
    case SIM_SESSION_DOWN:
    case SIM_DELIVER: sim_network_fire(sim, event); break;
    case SIM_DAEMON_TICK:
        if ((daemon = sim_daemon_get(sim, event->a)) != NULL)
            sim_daemon_tick(sim, daemon);
        break;
    case SIM_NODE_EVENT:
        if ((daemon = sim_daemon_get(sim, event->a)) != NULL)
            sim_node_step(sim, daemon, event->data);
        break;
    case SIM_BRIDGE:
        if ((daemon = sim_daemon_get(sim, event->a)) != NULL)
            sim_bridge(sim, daemon, event->b);
        break;
    case SIM_STORE_TICK:
    case SIM_STORE_WORK:
    case SIM_STORE_DROPPED: sim_store_fire(sim, event); break;
    case SIM_REVIVE: start_machine(sim, event->c); break;
    case SIM_START_DAEMON: sim_daemon_start(sim, event->c); break;
    case SIM_START_HEAD: sim_head_start(sim); break;
    case SIM_START_DRIVER: sim_driver_start(sim, event->c); break;
    case SIM_HEAL_LINK: sim_block(sim, (uint32_t)event->a, (uint32_t)event->b, false); break;
    case SIM_CHAOS: sim_chaos(sim); break;
    default: sim_process_fire(sim, event); break;
    }
}

static bool next(struct sim *sim)
{
    struct reeve_heap_node *first = reeve_heap_pop(&sim->events);
    if (first == NULL)
        return false;
    struct sim_event *event = REEVE_CONTAINER_OF(first, struct sim_event, heap);
    REEVE_ASSERT(first->key >= sim->now_ns);
    sim->now_ns = first->key;
    sim->event_count++;
    sim_hash(sim, sim->now_ns ^ (uint64_t)event->kind << 56 ^ event->a << 8 ^ event->b);
    fire(sim, event);
    free(event->data);
    free(event);
    return true;
}

/* ---- phases ---- */

static void begin(struct sim *sim, const struct sim_options *options)
{
    memset(sim, 0, sizeof *sim);
    sim->options = *options;
    sim->hash = options->seed;
    sim->now_ns = SECOND;
    reeve_prng_init(&sim->prng, options->seed);
    reeve_heap_init(&sim->events);
    struct reeve_map64 *maps[] = {&sim->journal_nodes, &sim->daemons, &sim->sessions,
        &sim->processes, &sim->channels, &sim->blocked, &sim->kept, &sim->names_claimed,
        &sim->lives, &sim->children};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        reeve_map64_init(maps[i]);
    sim->journal_node_next = 1;
    sim->chaos = options->chaos;
    static const uint64_t odds[] = {0, 300, 3000, 20000};
    sim->kill_odds = odds[sim_below(sim, 4)];
    static const uint64_t stores[] = {1 << 20, 2 << 20, 4 << 20, 32 << 20};
    sim->store_bytes = stores[sim_below(sim, 4)];
    sim->folder_count = (uint32_t)sim_below(sim, 3);
    sim->disk_odds = sim_chance(sim, 1, 2) ? sim_between(sim, 5, 200) : 0;
    sim->machine_count = options->nodes != 0 ? options->nodes : (uint32_t)sim_between(sim, 2, 8);
    sim->machines = sim_alloc(sim->machine_count * sizeof *sim->machines);
    static const uint32_t sizes[] = {0, 1000, 2000, 4000, 4000};
    for (uint32_t i = 0; i < sim->machine_count; i++) {
        sim->machines[i].cpu_milli = i == 1 ? 2000 : sizes[sim_below(sim, 5)];
        sim->machines[i].up = true;
        sim_after(sim, i < 100 ? sim_between(sim, 0, 50 * MS) : sim_between(sim, 0, 500 * MS),
            SIM_START_DAEMON)
            ->c = i;
    }
    sim_after(sim, sim_between(sim, 0, 50 * MS), SIM_START_HEAD);
    for (uint32_t i = 0; i < options->drivers; i++)
        sim_driver_later(sim, sim_between(sim, 60 * MS, 2 * SECOND),
            (uint32_t)sim_below(sim, sim->machine_count));
    if (options->chaos)
        sim_after(sim, sim_between(sim, 0, 3 * SECOND), SIM_CHAOS);
}

static void end(struct sim *sim)
{
    size_t at = 0;
    void *value;
    struct reeve_heap_node *first;
    while ((first = reeve_heap_pop(&sim->events)) != NULL) {
        struct sim_event *event = REEVE_CONTAINER_OF(first, struct sim_event, heap);
        free(event->data);
        free(event);
    }
    while (reeve_map64_next(&sim->processes, &at, NULL, &value))
        sim_process_free(sim, value);
    for (at = 0; reeve_map64_next(&sim->daemons, &at, NULL, &value);)
        sim_daemon_free(sim, value);
    for (at = 0; reeve_map64_next(&sim->sessions, &at, NULL, &value);) {
        struct sim_session *session = value;
        for (int side = 0; side < 2; side++) {
            struct sim_frame *frame;
            while (reeve_fifo_pop(&session->held[side], &frame))
                free(frame);
            reeve_fifo_fini(&session->held[side]);
        }
        free(session);
    }
    for (at = 0; reeve_map64_next(&sim->channels, &at, NULL, &value);) {
        struct sim_channel *channel = value;
        reeve_fifo_fini(&channel->returns);
        free(channel->calls);
        free(channel->waiting);
        free(channel);
    }
    reeve_map64_fini_values(&sim->journal_nodes);
    reeve_map64_fini_values(&sim->kept);
    reeve_map64_fini_values(&sim->lives);
    struct reeve_map64 *maps[] = {&sim->daemons, &sim->sessions, &sim->processes, &sim->channels,
        &sim->blocked, &sim->names_claimed, &sim->children};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        reeve_map64_fini(maps[i]);
    reeve_heap_fini(&sim->events);
    free(sim->machines);
}

/* ---- at rest ---- */

/* What is not at rest yet; NULL: nothing. */
static const char *unrest(struct sim *sim, char *text, size_t size)
{
    size_t at = 0;
    void *value;
    uint32_t drivers = 0;
    while (reeve_map64_next(&sim->processes, &at, NULL, &value)) {
        const struct sim_process *process = value;
        if (!process->is_driver)
            continue;
        drivers++;
        if (process->names.asking != 0)
            return "a driver waits for the answer to a question about a name";
        if (!process->accepted || process->left > 0 || process->expected_count > 0) {
            snprintf(text, size, "driver %llu has %u tasks to submit and waits for %u",
                (unsigned long long)process->uid, process->left, process->expected_count);
            return text;
        }
    }
    if (sim->drivers_due > 0)
        return "a driver has yet to start";
    const char *lives = sim_lives_unrest(sim, text, size);
    if (lives != NULL)
        return lives;
    struct sim_daemon *head = sim_daemon_get(sim, sim->head_life);
    if (head == NULL)
        return "there is no head";
    struct reeve_sched_totals totals;
    reeve_sched_totals(head->sched, &totals);
    if (totals.lease_count > 0 || totals.demand_count > 0) {
        snprintf(text, size, "the head has %llu leases and %llu demands",
            (unsigned long long)totals.lease_count, (unsigned long long)totals.demand_count);
        return text;
    }
    if (totals.name_count > 0)
        return "names are not free, and there are no actors";
    if (totals.node_up_count != sim->machine_count || totals.lost_count > 0) {
        snprintf(text, size, "%u nodes are up, %u are lost, and there are %u machines",
            totals.node_up_count, totals.lost_count, sim->machine_count);
        return text;
    }
    for (at = 0; reeve_map64_next(&sim->daemons, &at, NULL, &value);) {
        const struct sim_daemon *daemon = value;
        struct reeve_node_facts facts;
        if (daemon->is_head)
            continue;
        reeve_node_get_facts(daemon->node, &facts);
        if (facts.leases_waiting + facts.leases_executing + facts.leases_held +
                facts.cpu_used_milli >
            0) {
            snprintf(text, size,
                "node %u has %u leases waiting, executes %u, holds %u, and uses %u of %u cpu",
                facts.node, facts.leases_waiting, facts.leases_executing, facts.leases_held,
                facts.cpu_used_milli, facts.cpu_milli);
            return text;
        }
        const char *store = sim_store_unrest(sim, daemon, text, size);
        if (store != NULL)
            return store;
        if (sim->ending && facts.workers_starting + facts.workers_idle + facts.workers_leased +
                                   facts.workers_ending + facts.jobs >
                               0) {
            snprintf(text, size, "node %u has %u jobs and %u workers left", facts.node, facts.jobs,
                facts.workers_starting + facts.workers_idle + facts.workers_leased +
                    facts.workers_ending);
            return text;
        }
    }
    if (sim->ending && totals.job_count + drivers > 0)
        return "a job is left";
    return NULL;
}

static void print_head(struct sim *sim)
{
    struct sim_daemon *head = sim_daemon_get(sim, sim->head_life);
    uint64_t cursor = 0;
    struct reeve_sched_demand_info info;
    while (head != NULL && reeve_sched_next_demand(head->sched, &cursor, &info)) {
        char why[REEVE_TEXT_SIZE];
        reeve_sched_why(head->sched, sim->now_ns, info.process, &info.class, why);
        fprintf(stderr, "  demand of %llx for %llu of %u cpu, holds %u: %s\n",
            (unsigned long long)info.process, (unsigned long long)info.count, info.class.cpu_milli,
            info.lease_count, why);
    }
    struct reeve_sched_lease_info lease;
    for (cursor = 0; head != NULL && reeve_sched_next_lease(head->sched, &cursor, &lease);)
        fprintf(stderr, "  lease %llx of %llx on node %u%s%s\n", (unsigned long long)lease.lease,
            (unsigned long long)lease.process, lease.node, lease.recalled ? ", recalled" : "",
            lease.lent ? ", lent" : "");
}

/* What drivers wait for. */
static void print_drivers(struct sim *sim)
{
    static const char *const states[] = {[REEVE_TASK_FREE] = "free",
        [REEVE_TASK_LINEAGE] = "lineage",
        [REEVE_TASK_WAITING] = "waiting",
        [REEVE_TASK_QUEUED] = "queued",
        [REEVE_TASK_SENT] = "sent"};
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&sim->processes, &at, NULL, &value)) {
        const struct sim_process *process = value;
        for (uint32_t i = 0; i < process->frame_count; i++) {
            const struct sim_call_frame *frame = &process->frames[i];
            fprintf(stderr,
                "  worker %llu runs %llx of process %llu, function %x, state %d, asked %d, items "
                "yielded %u taken %u\n",
                (unsigned long long)process->uid, (unsigned long long)frame->task,
                (unsigned long long)frame->owner, frame->function, (int)frame->state, frame->asked,
                frame->yielded, frame->read);
        }
        for (uint32_t i = 0; i < process->frame_count; i++)
            for (uint32_t k = 0; k < process->frames[i].child_count; k++) {
                reeve_lease_index index = 0;
                uint64_t position = 0;
                uint32_t attempt = 0;
                reeve_task_id task = process->frames[i].children[k];
                bool sent = reeve_owner_where(process->owner, task, &index, &position, &attempt);
                fprintf(stderr, "  worker %llu waits for %llx, state %d, lease %llx\n",
                    (unsigned long long)process->uid, (unsigned long long)task,
                    (int)reeve_owner_state(process->owner, task),
                    (unsigned long long)(sent ? reeve_owner_lease_id(process->owner, index) : 0));
            }
        for (uint32_t i = 0; i < process->expected_count; i++) {
            const struct sim_expected *e = &process->expected[i];
            enum reeve_task_state state = reeve_owner_state(process->owner, e->task);
            reeve_lease_index index = 0;
            uint64_t position = 0;
            uint32_t attempt = 0;
            (void)reeve_owner_where(process->owner, e->task, &index, &position, &attempt);
            fprintf(stderr, "  driver %llu waits for %llx, function %x, %s, lease %llx\n",
                (unsigned long long)process->uid, (unsigned long long)e->task, e->function,
                state <= REEVE_TASK_SENT ? states[state] : "?",
                (unsigned long long)(state == REEVE_TASK_SENT
                                         ? reeve_owner_lease_id(process->owner, index)
                                         : 0));
        }
    }
}

static void come_to_rest(struct sim *sim)
{
    uint64_t limit_ns = sim->now_ns + REST_WITHIN, look_ns = sim->now_ns + SECOND;
    char text[256];
    const char *what = "";
    while (sim->now_ns < limit_ns && next(sim)) {
        if (sim->now_ns < look_ns)
            continue;
        look_ns = sim->now_ns + SECOND;
        sim_lives_look(sim);
        what = unrest(sim, text, sizeof text);
        if (what == NULL)
            return;
    }
    print_head(sim);
    print_drivers(sim);
    sim_stores_print(sim);
    sim_violation(sim, "it does not come to rest: %s", what);
}

static uint64_t run(const struct sim_options *options)
{
    struct sim *sim = sim_alloc(sizeof *sim);
    begin(sim, options);
    if (options->chaos) {
        uint64_t last = options->steps;
        while (sim->event_count < last && next(sim))
            ;
        sim_heal(sim);
    }
    come_to_rest(sim);
    sim->ending = true;
    sim_trace(sim, "---- ending: %zu processes ----", reeve_map64_count(&sim->processes));
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&sim->processes, &at, NULL, &value))
        if (((struct sim_process *)value)->is_driver)
            sim_process_kill(sim, value);
    come_to_rest(sim);
    printf("seed %llu: %llu events, %.1f s; %llu tasks (%llu ok, %llu failed, %llu abandoned), "
           "%llu calls (%llu inline, %llu given, %llu of %llu actors, %llu by name, %llu "
           "refused); "
           "names given %llu times, refused %llu; "
           "handles passed %llu times, got %llu, kept %llu, held %llu; %llu calls by handle, %llu "
           "loose, %llu actors ended; "
           "%llu parts, %llu items (%llu dropped); %llu streams given (%llu on), %llu items "
           "(%llu resumed); "
           "%llu large (%llu read, %llu in place, %llu lost, %llu made again, %llu refused), "
           "%llu pulls, %llu staged (%llu not), %llu gifts, %llu holds (%llu read, %llu "
           "lost), %llu written, %llu restored, %llu damaged; "
           "%llu cancelled (%llu by an end); %llu stops, %llu kills, "
           "%llu cuts, %llu heads, %llu fenced, %llu recalls; %llu by tasks; hash %016llx\n",
        (unsigned long long)options->seed, (unsigned long long)sim->event_count,
        (double)sim->now_ns / SECOND, (unsigned long long)sim->submitted,
        (unsigned long long)sim->succeeded, (unsigned long long)sim->failed,
        (unsigned long long)sim->abandoned, (unsigned long long)sim->executed,
        (unsigned long long)sim->inlined, (unsigned long long)sim->adopted,
        (unsigned long long)sim->actor_calls, (unsigned long long)sim->actors_made,
        (unsigned long long)sim->found_calls, (unsigned long long)sim->refused,
        (unsigned long long)sim->names_given, (unsigned long long)sim->names_refused,
        (unsigned long long)sim->handles_passed, (unsigned long long)sim->handles_got,
        (unsigned long long)sim->handles_kept, (unsigned long long)sim->handle_holds,
        (unsigned long long)sim->handle_calls, (unsigned long long)sim->handles_loose,
        (unsigned long long)sim->actors_ended, (unsigned long long)sim->parts,
        (unsigned long long)sim->items, (unsigned long long)sim->dropped,
        (unsigned long long)sim->given, (unsigned long long)sim->given_on,
        (unsigned long long)sim->items_given, (unsigned long long)sim->resumed,
        (unsigned long long)sim->large, (unsigned long long)sim->read,
        (unsigned long long)sim->in_place, (unsigned long long)sim->lost,
        (unsigned long long)sim->remade, (unsigned long long)sim->full,
        (unsigned long long)sim->pulls, (unsigned long long)sim->staged,
        (unsigned long long)sim->unstaged, (unsigned long long)sim->gifts,
        (unsigned long long)sim->holds, (unsigned long long)sim->kept_reads,
        (unsigned long long)sim->kept_lost, (unsigned long long)sim->written,
        (unsigned long long)sim->restored, (unsigned long long)sim->damaged,
        (unsigned long long)sim->cancelled, (unsigned long long)sim->stopped,
        (unsigned long long)sim->stops, (unsigned long long)sim->kills,
        (unsigned long long)sim->cuts, (unsigned long long)sim->heads,
        (unsigned long long)sim->fences, (unsigned long long)sim->recalls,
        (unsigned long long)sim->children_run, (unsigned long long)sim->hash);
    fflush(stdout);
    uint64_t hash = sim->hash;
    end(sim);
    free(sim);
    return hash;
}

/* ---- options ---- */

static void usage(void)
{
    fputs("reeve_sim [--seed N] [--runs K] [--steps M] [--nodes N] [--drivers N] [--tasks N] "
          "[--calm] [--no-audit] [--trace] [--twice]\n"
          "  --seed     of the first run; others follow           --nodes    machines (default: 2 "
          "to 8, by the seed)\n"
          "  --runs     how many seeds                            --drivers  programs that submit "
          "tasks (3)\n"
          "  --steps    events before it is healed (20000)        --tasks    of each driver (200)\n"
          "  --calm     nothing goes wrong                        --no-audit tables are not "
          "audited at each step\n"
          "  --twice    each seed runs twice, and must do the same\n",
        stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    struct sim_options options = {.seed = 1,
        .runs = 1,
        .steps = 20000,
        .drivers = 3,
        .tasks = 200,
        .chaos = true,
        .audit = true};
    bool twice = false;
    for (int i = 1; i < argc; i++) {
        uint64_t value = i + 1 < argc ? strtoull(argv[i + 1], NULL, 10) : 0;
        bool has_value = true;
        if (strcmp(argv[i], "--seed") == 0)
            options.seed = value;
        else if (strcmp(argv[i], "--runs") == 0)
            options.runs = value;
        else if (strcmp(argv[i], "--steps") == 0)
            options.steps = value;
        else if (strcmp(argv[i], "--nodes") == 0)
            options.nodes = (uint32_t)value;
        else if (strcmp(argv[i], "--drivers") == 0)
            options.drivers = (uint32_t)value;
        else if (strcmp(argv[i], "--tasks") == 0)
            options.tasks = (uint32_t)value;
        else
            has_value = false;
        if (has_value && ++i == argc)
            usage();
        if (has_value)
            continue;
        if (strcmp(argv[i], "--calm") == 0)
            options.chaos = false;
        else if (strcmp(argv[i], "--no-audit") == 0)
            options.audit = false;
        else if (strcmp(argv[i], "--trace") == 0)
            options.trace = true;
        else if (strcmp(argv[i], "--twice") == 0)
            twice = true;
        else
            usage();
    }
    printf(
        "reeve_sim --seed %llu --runs %llu --steps %llu --nodes %u --drivers %u --tasks %u%s%s\n",
        (unsigned long long)options.seed, (unsigned long long)options.runs,
        (unsigned long long)options.steps, options.nodes, options.drivers, options.tasks,
        options.chaos ? "" : " --calm", options.audit ? "" : " --no-audit");
    for (uint64_t i = 0; i < options.runs; i++, options.seed++) {
        uint64_t hash = run(&options);
        if (twice && run(&options) != hash) {
            fprintf(stderr, "seed %llu: the second run differs from the first\n",
                (unsigned long long)options.seed);
            return 1;
        }
    }
    return 0;
}
