/* Jobs, classes and demands: what is wanted, by whom, and whose turn it is.
 *
 * A class waits in the queue of its turn (group and shape, see sched_internal.h) while its
 * demands lack leases and its job is known to live. Whose turn it is depends on what a job
 * holds, so a change of that moves the job's groups, of which there is one for each amount of
 * cpu that its waiting classes ask for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/sched_internal.h"

#define MS 1000000ull

/* ---- turns ---- */

/* Among equals, what workers want for what they have begun comes first. */
static uint32_t turn(bool workers, uint64_t served)
{
    return (workers ? 0 : 1u << 31) | (uint32_t)(served & INT32_MAX);
}

bool sched_workers_want(const struct sched_class *class)
{
    return !reeve_list_is_empty(&class->unmet[0]);
}

static uint64_t class_key(const struct sched_class *class)
{
    return (uint64_t)((int64_t)INT32_MAX - class->class.priority) << 32 |
           turn(sched_workers_want(class), class->served);
}

/* Its place and its group's, after something has changed that decides them. */
static void class_place(const struct reeve_sched *s, struct sched_class *class)
{
    struct sched_group *group = class->group;
    sched_heap_set(&group->classes, &class->heap, class_key(class));
    sched_heap_set(&group->shape->groups, &group->heap, sched_fair_key(s, group));
}

static struct sched_shape *get_shape(struct reeve_sched *s, uint32_t cpu_milli)
{
    REEVE_LIST_EACH(link, &s->shapes)
    {
        struct sched_shape *shape = REEVE_LIST_ENTRY(link, struct sched_shape, link);
        if (shape->cpu_milli == cpu_milli)
            return shape;
    }
    struct sched_shape *shape = sched_alloc(sizeof *shape);
    shape->cpu_milli = cpu_milli;
    reeve_heap_init(&shape->groups);
    reeve_list_push_back(&s->shapes, &shape->link);
    return shape;
}

static struct sched_group *get_group(
    struct reeve_sched *s, struct sched_job *job, uint32_t cpu_milli)
{
    REEVE_LIST_EACH(link, &job->groups)
    {
        struct sched_group *group = REEVE_LIST_ENTRY(link, struct sched_group, link);
        if (group->shape->cpu_milli == cpu_milli)
            return group;
    }
    sched_fair_enter(s, job);
    struct sched_group *group = sched_alloc(sizeof *group);
    group->job = job;
    group->shape = get_shape(s, cpu_milli);
    group->served = ++s->served;
    reeve_heap_init(&group->classes);
    reeve_list_push_back(&job->groups, &group->link);
    sched_heap_set(&group->shape->groups, &group->heap, sched_fair_key(s, group));
    return group;
}

static void leave_group(const struct reeve_sched *s, struct sched_class *class)
{
    struct sched_group *group = class->group;
    reeve_heap_remove(&group->classes, &class->heap);
    class->group = NULL;
    if (group->classes.count > 0) {
        sched_heap_set(&group->shape->groups, &group->heap, sched_fair_key(s, group));
        return;
    }
    struct sched_shape *shape = group->shape;
    reeve_heap_remove(&shape->groups, &group->heap);
    reeve_heap_fini(&group->classes);
    reeve_list_remove(&group->link);
    free(group);
    if (shape->groups.count > 0)
        return;
    reeve_heap_fini(&shape->groups);
    reeve_list_remove(&shape->link);
    free(shape);
}

void sched_class_ready(struct reeve_sched *s, struct sched_class *class)
{
    bool ready =
        class->lacking > 0 && !class->held_off && !class->job->ended && !class->job->presumed;
    if (ready && class->group == NULL) {
        class->served = ++s->served;
        class->group = get_group(s, class->job, class->class.cpu_milli);
        class_place(s, class);
        s->recheck = true;
    } else if (!ready && class->group != NULL) {
        leave_group(s, class);
    } else if (ready) {
        class_place(s, class);
    }
}

void sched_class_served(struct reeve_sched *s, struct sched_class *class)
{
    if (class->group == NULL)
        return;
    class->served = class->group->served = ++s->served;
    class_place(s, class);
}

void sched_class_next(struct reeve_sched *s, struct sched_class *class)
{
    if (class->group == NULL)
        return;
    class->served = class->group->served = 0;
    class_place(s, class);
}

void sched_job_changed(struct reeve_sched *s, struct sched_job *job)
{
    sched_fair_account(s, job);
    REEVE_LIST_EACH(link, &job->groups)
    {
        struct sched_group *group = REEVE_LIST_ENTRY(link, struct sched_group, link);
        sched_heap_set(&group->shape->groups, &group->heap, sched_fair_key(s, group));
        s->totals.work_count++;
    }
    uint64_t effective = sched_job_effective(job);
    if (effective > 0 && !job->ended)
        sched_heap_set(&s->rich, &job->rich, UINT64_MAX - sched_fair_ahead(s, job, effective));
    else
        reeve_heap_remove(&s->rich, &job->rich);
    s->recheck = true;
}

/* ---- jobs ---- */

struct sched_job *sched_job_get(struct reeve_sched *s, reeve_process_id id)
{
    struct sched_job *job = reeve_map64_get(&s->jobs, id);
    if (job != NULL)
        return job;
    job = sched_alloc(sizeof *job);
    job->id = id;
    job->presumed = true;
    job->weight = REEVE_WEIGHT_DEFAULT;
    job->began_ns = s->now_ns;
    job->timer.kind = TIMER_JOB;
    struct reeve_list *lists[] = {&job->leases, &job->recalled, &job->classes, &job->groups,
        &job->node_link, &job->ended_link};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        reeve_list_init(lists[i]);
    sched_put(&s->jobs, id, job);
    s->totals.job_count++;
    job->node = sched_node_get(s, reeve_process_node(id));
    if (job->node != NULL)
        reeve_list_push_back(&job->node->jobs, &job->node_link);
    /* The word of its driver's node decides: in this session soon, or when that node comes back,
     * or when it is declared dead. */
    if (job->node == NULL)
        sched_arm(s, &job->timer, s->now_ns);
    else if (job->node->session != 0)
        sched_arm(s, &job->timer, s->now_ns + 2 * s->settings.heartbeat_ms * MS);
    return job;
}

void sched_job_release(struct reeve_sched *s, struct sched_job *job)
{
    /* One that is presumed to live waits for its verdict: nodes may have idle workers of it. */
    if (!job->ended || job->demand_count > 0 || job->class_count > 0 ||
        reeve_list_is_linked(&job->ended_link))
        return;
    REEVE_ASSERT(job->lease_count == 0 && reeve_list_is_empty(&job->groups));
    sched_arm(s, &job->timer, REEVE_SCHED_NEVER);
    reeve_heap_remove(&s->rich, &job->rich);
    reeve_list_remove(&job->node_link);
    reeve_map64_remove(&s->jobs, job->id);
    s->totals.job_count--;
    free(job);
}

static void job_ready(struct reeve_sched *s, struct sched_job *job)
{
    REEVE_LIST_EACH(link, &job->classes)
    sched_class_ready(s, REEVE_LIST_ENTRY(link, struct sched_class, job_link));
}

void sched_job_begin(struct reeve_sched *s, struct sched_node *node, const struct reeve_message *m)
{
    struct sched_job *job = sched_job_get(s, m->process);
    if (job->ended) {
        s->totals.stale_count++;
        return;
    }
    REEVE_ASSERT(job->node == node);
    sched_copy_text(job->name, sizeof job->name, m->text);
    sched_arm(s, &job->timer, REEVE_SCHED_NEVER);
    if (!job->begun)
        sched_notice(s, REEVE_SCHED_NOTICE_JOB_BEGIN, node->number, job->id, "%s", job->name);
    job->begun = true;
    job->presumed = false;
    sched_fair_account(s, job); /* with the weight it had */
    job->weight = m->count != 0 ? (uint32_t)REEVE_MIN(m->count, (uint64_t)REEVE_WEIGHT_MAX)
                                : REEVE_WEIGHT_DEFAULT;
    sched_job_changed(s, job);
    job_ready(s, job);
}

void sched_job_presume(struct reeve_sched *s, struct sched_job *job, uint64_t until_ns)
{
    job->presumed = true;
    sched_arm(s, &job->timer, until_ns);
    job_ready(s, job);
}

void sched_job_timer(struct reeve_sched *s, struct sched_job *job)
{
    sched_job_end(s, job, "its driver's node does not know it");
}

void sched_job_end(struct reeve_sched *s, struct sched_job *job, const char *why)
{
    job->ended = true;
    sched_arm(s, &job->timer, REEVE_SCHED_NEVER);
    sched_notice(s, REEVE_SCHED_NOTICE_JOB_END, reeve_process_node(job->id), job->id, "%s: %s",
        job->name, why);
    sched_news_add(
        s, &(struct sched_news){.kind = REEVE_MESSAGE_JOB_END, .process = job->id, .text = why});
    reeve_heap_remove(&s->rich, &job->rich);
    reeve_list_remove(&job->node_link);
    job->node = NULL;
    job->withdraw_left = job->class_count;
    reeve_list_push_back(&s->ended, &job->ended_link);
    job_ready(s, job); /* none of its classes is */
}

/* One slice of withdrawing what ended jobs wanted. What they hold comes back as their executors
 * hear of the end. */
bool sched_end_jobs_some(struct reeve_sched *s, uint32_t *budget)
{
    while (*budget > 0 && !reeve_list_is_empty(&s->ended)) {
        struct sched_job *job = REEVE_LIST_ENTRY(s->ended.next, struct sched_job, ended_link);
        --*budget;
        if (job->withdraw_left == 0 || reeve_list_is_empty(&job->classes)) {
            reeve_list_remove(&job->ended_link);
            sched_job_release(s, job);
            continue;
        }
        struct sched_class *class =
            REEVE_LIST_ENTRY(job->classes.next, struct sched_class, job_link);
        if (!reeve_list_is_empty(&class->asking)) {
            sched_demand_set(s,
                REEVE_LIST_ENTRY(class->asking.next, struct sched_demand, asking_link),
                0); /* may free the class */
            continue;
        }
        job->withdraw_left--;
        reeve_list_remove(&class->job_link);
        reeve_list_push_back(&job->classes, &class->job_link);
        sched_class_release(s, class);
    }
    return !reeve_list_is_empty(&s->ended);
}

/* ---- classes ---- */

static uint64_t hash_class(const struct reeve_class *class)
{
    uint64_t words[4], hash = class->job;
    memcpy(words, class->program, sizeof words);
    for (int i = 0; i < 4; i++) {
        hash ^= words[i];
        hash = reeve_splitmix64(&hash);
    }
    hash ^= (uint64_t) class->cpu_milli << 32 | (uint32_t) class->priority;
    hash = reeve_splitmix64(&hash) ^ class->owner;
    hash = reeve_splitmix64(&hash) ^ ((uint64_t) class->table << 32 | class->host);
    return reeve_splitmix64(&hash);
}

static bool class_equal(const struct reeve_class *a, const struct reeve_class *b)
{
    return a->job == b->job && a->cpu_milli == b->cpu_milli && a->priority == b->priority &&
           a->owner == b->owner && a->host == b->host && a->table == b->table &&
           memcmp(a->program, b->program, sizeof a->program) == 0;
}

struct sched_class *sched_class_find(const struct reeve_sched *s, const struct reeve_class *class)
{
    struct sched_class *known = reeve_map64_get(&s->classes, hash_class(class));
    while (known != NULL && !class_equal(&known->class, class))
        known = known->same_hash;
    return known;
}

struct sched_class *sched_class_get(struct reeve_sched *s, const struct reeve_class *from)
{
    struct sched_class *class = sched_class_find(s, from);
    if (class != NULL)
        return class;
    class = sched_alloc(sizeof *class);
    class->id = ++s->class_next;
    class->class = *from;
    class->hash = hash_class(from);
    class->job = sched_job_get(s, from->job);
    class->retry_ns = class->judge_ns = REEVE_SCHED_NEVER;
    class->timer.kind = TIMER_CLASS;
    class->drain_timer.kind = TIMER_DRAIN;
    reeve_map64_init(&class->demands);
    struct reeve_list *lists[] = {&class->asking, &class->unmet[0], &class->unmet[1],
        &class->unmet_link, &class->held_off_link, &class->job_link, &class->avoids,
        &class->promised};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        reeve_list_init(lists[i]);
    class->same_hash = reeve_map64_get(&s->classes, class->hash);
    sched_put(&s->classes, class->hash, class);
    reeve_list_push_back(&class->job->classes, &class->job_link);
    class->job->class_count++;
    s->totals.class_count++;
    sched_host_class_comes(s, class);
    return class;
}

/* Frees a class that nobody wants. What nodes have said of it is worth keeping while its job
 * lives. */
void sched_class_release(struct reeve_sched *s, struct sched_class *class)
{
    if (reeve_map64_count(&class->demands) > 0 ||
        (!class->job->ended && !reeve_list_is_empty(&class->avoids)))
        return;
    REEVE_LIST_EACH_SAFE(link, &class->avoids)
    sched_avoid_free(s, REEVE_LIST_ENTRY(link, struct sched_avoid, class_link));
    if (class->drain != NULL)
        sched_drain_end(s, class);
    sched_arm(s, &class->timer, REEVE_SCHED_NEVER);
    reeve_list_remove(&class->held_off_link);
    reeve_list_remove(&class->job_link);
    sched_host_class_goes(s, class);
    struct sched_class *first = reeve_map64_get(&s->classes, class->hash);
    if (first == class) {
        reeve_map64_remove(&s->classes, class->hash);
        if (class->same_hash != NULL)
            sched_put(&s->classes, class->hash, class->same_hash);
    } else {
        while (first->same_hash != class)
            first = first->same_hash;
        first->same_hash = class->same_hash;
    }
    reeve_map64_fini(&class->demands);
    struct sched_job *job = class->job;
    job->class_count--;
    s->totals.class_count--;
    free(class);
    sched_job_release(s, job);
}

void sched_class_arm(struct reeve_sched *s, struct sched_class *class)
{
    sched_arm(s, &class->timer, REEVE_MIN(class->retry_ns, class->judge_ns));
}

/* ---- feasibility ---- */

/* Whether some node that lives, and has not refused the class for good, is large enough. */
static bool someone_could(const struct reeve_sched *s, const struct sched_class *class)
{
    if (reeve_list_is_empty(&class->avoids))
        return true;
    REEVE_LIST_EACH(link, &s->node_order)
    {
        const struct sched_node *node = REEVE_LIST_ENTRY(link, struct sched_node, order_link);
        uint64_t until_ns = 0;
        if (node->cpu_milli == 0 || node->cpu_milli < class->class.cpu_milli)
            continue;
        if (!sched_avoided(s, node, class, &until_ns) || until_ns != REEVE_SCHED_NEVER)
            return true;
    }
    return false;
}

static void describe_infeasible(
    const struct reeve_sched *s, const struct sched_class *class, int32_t *ret_code, char *text)
{
    uint32_t cpu = class->class.cpu_milli;
    if (reeve_class_attaches(&class->class)) {
        bool other = sched_host_is_others(s, class);
        *ret_code = other ? REEVE_EMISMATCH : REEVE_EACTORDIED;
        snprintf(text, REEVE_TEXT_SIZE, "%s",
            other ? "the actor belongs to a program with other remote functions"
                  : "its owner has ended it or is gone");
        return;
    }
    if (sched_class_infeasible_size(s, class)) {
        *ret_code = REEVE_EINFEASIBLE;
        snprintf(text, REEVE_TEXT_SIZE,
            "the task asks for %u.%03u cpu; the largest node has %u.%03u", cpu / 1000, cpu % 1000,
            s->cpu_ever_milli / 1000, s->cpu_ever_milli % 1000);
        return;
    }
    const struct sched_avoid *avoid =
        REEVE_LIST_ENTRY(class->avoids.prev, struct sched_avoid, class_link);
    *ret_code = avoid->code;
    const char *why = avoid->text[0] != 0 ? avoid->text : reeve_strerror(avoid->code);
    char node[SCHED_NODE_TEXT_SIZE] = "";
    if (strncmp(why, "node ", 5) != 0) /* else it says so itself */
        (void)sched_node_text(s, avoid->node, node);
    snprintf(text, REEVE_TEXT_SIZE, "no node can run it; %.80s%s%.150s", node,
        node[0] != 0 ? ": " : "", why);
}

static void judge(struct reeve_sched *s, struct sched_class *class)
{
    class->judge_ns = REEVE_SCHED_NEVER;
    class->infeasible = false;
    /* A cluster without slots has yet to grow; a cluster that had the room once may have it
     * again. */
    if (class->lacking == 0 || s->sizes.count == 0)
        return;
    if (reeve_class_attaches(&class->class) && sched_host_is_unknown(s, class)) {
        class->judge_ns = s->now_ns + s->settings.infeasible_after_ms * MS;
        return; /* who calls this arms it */
    }
    if (reeve_class_attaches(&class->class))
        class->infeasible = !sched_host_lives(s, class);
    else
        class->infeasible = sched_class_infeasible_size(s, class) ||
                            (reeve_heap_peek(&s->sizes) != NULL && !someone_could(s, class));
    if (!class->infeasible)
        return;
    char text[REEVE_TEXT_SIZE];
    int32_t code;
    describe_infeasible(s, class, &code, text);
    for (int i = 0; i < 2; i++) {
        REEVE_LIST_EACH(link, &class->unmet[i])
        {
            struct sched_demand *demand = REEVE_LIST_ENTRY(link, struct sched_demand, unmet_link);
            if (demand->told)
                continue;
            demand->told = true;
            sched_notice(s, REEVE_SCHED_NOTICE_INFEASIBLE, reeve_process_node(demand->process),
                demand->process, "%s", text);
            struct reeve_message *m = sched_send(s, demand->node, REEVE_MESSAGE_INFEASIBLE);
            if (m == NULL)
                continue;
            m->process = demand->process;
            m->class = class->class;
            m->code = code;
            sched_copy_text(m->text, sizeof m->text, text);
        }
    }
}

void sched_class_timer(struct reeve_sched *s, struct sched_class *class)
{
    if (s->now_ns >= class->retry_ns) {
        class->retry_ns = REEVE_SCHED_NEVER;
        class->held_off = false;
        reeve_list_remove(&class->held_off_link);
        sched_class_ready(s, class);
    }
    if (s->now_ns >= class->judge_ns)
        judge(s, class);
    sched_class_arm(s, class);
}

void sched_judge_all(struct reeve_sched *s)
{
    s->judge_all = false;
    REEVE_LIST_EACH(link, &s->unmet)
    {
        struct sched_class *class = REEVE_LIST_ENTRY(link, struct sched_class, unmet_link);
        if (class->judge_ns != REEVE_SCHED_NEVER)
            continue;
        class->judge_ns = s->now_ns + s->settings.infeasible_after_ms * MS;
        sched_class_arm(s, class);
    }
}

/* ---- demands ---- */

struct sched_demand *sched_demand_get(
    struct reeve_sched *s, reeve_process_id process, struct sched_class *class)
{
    struct sched_demand *demand = reeve_map64_get(&class->demands, process);
    if (demand != NULL)
        return demand;
    demand = sched_alloc(sizeof *demand);
    demand->id = ++s->demand_next;
    demand->process = process;
    demand->class = class;
    demand->node = sched_node_get(s, reeve_process_node(process));
    reeve_list_init(&demand->unmet_link);
    reeve_list_init(&demand->asking_link);
    reeve_list_init(&demand->node_link);
    reeve_list_init(&demand->untold);
    reeve_list_init(&demand->untold_link);
    if (demand->node != NULL)
        reeve_list_push_back(&demand->node->demands, &demand->node_link);
    sched_put(&class->demands, process, demand);
    sched_put(&s->demands, demand->id, demand);
    class->job->demand_count++;
    s->totals.demand_count++;
    sched_host_wanted(s, demand);
    return demand;
}

void sched_demand_set(struct reeve_sched *s, struct sched_demand *demand, uint64_t count)
{
    demand->count = REEVE_MIN(count, UINT32_MAX);
    reeve_list_remove(&demand->asking_link);
    if (count > 0)
        reeve_list_push_back(&demand->class->asking, &demand->asking_link);
    else
        demand->told = false;
    sched_demand_changed(s, demand);
}

static void lacking_begins(struct reeve_sched *s, struct sched_demand *demand)
{
    struct sched_class *class = demand->class;
    demand->unmet_ns = s->now_ns;
    if (demand->process == class->job->id)
        reeve_list_push_back(&class->unmet[1], &demand->unmet_link);
    else
        reeve_list_push_front(&class->unmet[0], &demand->unmet_link);
    if (!reeve_list_is_linked(&class->unmet_link))
        reeve_list_push_back(&s->unmet, &class->unmet_link);
    if (!demand->told && class->judge_ns == REEVE_SCHED_NEVER) {
        class->judge_ns = s->now_ns + s->settings.infeasible_after_ms * MS;
        sched_class_arm(s, class);
    }
}

static void class_is_met(struct reeve_sched *s, struct sched_class *class)
{
    reeve_list_remove(&class->unmet_link);
    REEVE_LIST_EACH_SAFE(link, &class->promised)
    sched_lease_unpromise(s, REEVE_LIST_ENTRY(link, struct sched_lease, promise_link));
    if (class->drain != NULL)
        sched_drain_end(s, class);
    class->judge_ns = REEVE_SCHED_NEVER;
    class->infeasible = false;
    sched_class_arm(s, class);
}

void sched_demand_changed(struct reeve_sched *s, struct sched_demand *demand)
{
    struct sched_class *class = demand->class;
    uint64_t lacking = demand->count > demand->lease_count && !class->job->ended
                           ? demand->count - demand->lease_count
                           : 0;
    class->lacking += lacking - demand->lacking;
    demand->lacking = lacking;
    if (lacking > 0 && !reeve_list_is_linked(&demand->unmet_link))
        lacking_begins(s, demand);
    else if (lacking == 0)
        reeve_list_remove(&demand->unmet_link);
    if (class->lacking == 0 && reeve_list_is_linked(&class->unmet_link))
        class_is_met(s, class);
    s->recheck |= lacking > 0;
    sched_class_ready(s, class);
    if (demand->count > 0 || demand->lease_count > 0)
        return;
    sched_host_unwanted(s, demand);
    reeve_list_remove(&demand->node_link);
    reeve_map64_remove(&class->demands, demand->process);
    reeve_map64_remove(&s->demands, demand->id);
    class->job->demand_count--;
    s->totals.demand_count--;
    free(demand);
    sched_class_release(s, class);
}
