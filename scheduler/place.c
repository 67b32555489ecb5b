/* Grants: whose turn it is, and where there is room.
 *
 * Turn: of the jobs whose waiting classes ask for no more than the freest node has, the one that
 * is least ahead (fair.c); in it the class of the highest priority; in that the demands of workers,
 * the latest first (so trees of tasks that wait for each other are run in depth, not in breadth,
 * and need few processes), before the driver's, which has waited longest.
 *
 * Room: the node where large arguments of what waits lie, if it has room (they take longer to
 * travel than most tasks); the holder's own node (calls stay on the machine), a node drained for
 * the class, else the freest node (ties by number) that is not to be avoided. To avoid is what
 * has lately refused the class: for a while that doubles, or, where the program cannot run
 * there, for good. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/macros.h"
#include "scheduler/sched_internal.h"

#define MS 1000000ull

#define BACKOFF_FIRST_MS 50
#define BACKOFF_LAST_MS  10000
#define DRAIN_FIRST_MS   2000
#define DRAIN_LAST_MS    300000

/* ---- nodes to avoid ---- */

static uint64_t avoid_key(const struct sched_node *node, const struct sched_class *class)
{
    return (uint64_t)node->number << 32 | class->id;
}

bool sched_avoided(const struct reeve_sched *s, const struct sched_node *node,
    const struct sched_class *class, uint64_t *until_ns)
{
    if (reeve_list_is_empty(&class->avoids))
        return false;
    const struct sched_avoid *avoid = reeve_map64_get(&s->avoids, avoid_key(node, class));
    if (avoid == NULL || avoid->until_ns <= s->now_ns)
        return false;
    if (until_ns != NULL)
        *until_ns = avoid->until_ns;
    return true;
}

static bool is_for_good(int32_t code)
{
    return code == REEVE_EPROGRAM || code == REEVE_EMISMATCH || code == REEVE_ENOFUNCTION;
}

void sched_avoid(struct reeve_sched *s, struct sched_node *node, struct sched_class *class,
    int32_t code, const char *text)
{
    struct sched_avoid *avoid = reeve_map64_get(&s->avoids, avoid_key(node, class));
    if (avoid == NULL) {
        avoid = sched_alloc(sizeof *avoid);
        avoid->node = node->number;
        avoid->class = class;
        reeve_list_init(&avoid->class_link);
        reeve_list_init(&avoid->node_link);
        reeve_list_push_back(&node->avoids, &avoid->node_link);
        sched_put(&s->avoids, avoid_key(node, class), avoid);
    }
    reeve_list_remove(&avoid->class_link);
    reeve_list_push_back(
        &class->avoids, &avoid->class_link); /* the latest is last: its words explain the wait */
    avoid->code = code;
    sched_copy_text(avoid->text, sizeof avoid->text, text);
    if (is_for_good(code)) {
        avoid->until_ns = REEVE_SCHED_NEVER;
        if (class->judge_ns == REEVE_SCHED_NEVER) {
            class->judge_ns = s->now_ns + s->settings.infeasible_after_ms * MS;
            sched_class_arm(s, class);
        }
        return;
    }
    uint64_t wait_ms = (uint64_t)BACKOFF_FIRST_MS << REEVE_MIN(avoid->failures, 16);
    wait_ms = REEVE_MIN(wait_ms, BACKOFF_LAST_MS);
    avoid->failures++;
    avoid->until_ns = s->now_ns + wait_ms * MS + reeve_prng_below(&s->prng, wait_ms * MS / 4);
}

void sched_avoid_free(struct reeve_sched *s, struct sched_avoid *avoid)
{
    reeve_list_remove(&avoid->node_link);
    reeve_list_remove(&avoid->class_link);
    reeve_map64_remove(&s->avoids, (uint64_t)avoid->node << 32 | avoid->class->id);
    free(avoid);
}

/* ---- drains: a node is kept free of others until a large class fits ----
 *
 * What is called back may itself wait for somebody who waits for room on this node. So a drain
 * is given up after a while, and for as long again nobody is drained for that class; each try
 * lasts twice as long as the last. */

void sched_drain_begin(struct reeve_sched *s, struct sched_node *node, struct sched_class *class)
{
    node->drain = class;
    class->drain = node;
    class->promises++;
    class->job->promised_milli += class->class.cpu_milli;
    reeve_list_push_back(&s->drains, &node->drains_link);
    sched_node_room(s, node, false);
    if (class->drain_ms == 0)
        class->drain_ms = DRAIN_FIRST_MS;
    sched_arm(s, &class->drain_timer, s->now_ns + class->drain_ms * MS);
    sched_job_changed(s, class->job);
}

void sched_drain_end(struct reeve_sched *s, struct sched_class *class)
{
    struct sched_node *node = class->drain;
    node->drain = NULL;
    class->drain = NULL;
    class->promises--;
    class->job->promised_milli -= class->class.cpu_milli;
    reeve_list_remove(&node->drains_link);
    sched_arm(s, &class->drain_timer, REEVE_SCHED_NEVER);
    sched_node_room(s, node, true);
    sched_job_changed(s, class->job);
}

void sched_drain_timer(struct reeve_sched *s, struct sched_class *class)
{
    class->drain_again_ns = s->now_ns + class->drain_ms * MS;
    class->drain_ms = REEVE_MIN(2 * class->drain_ms, DRAIN_LAST_MS);
    sched_drain_end(s, class);
}

/* ---- room ---- */

static bool has_room(
    const struct reeve_sched *s, const struct sched_node *node, const struct sched_class *class)
{
    return node != NULL && (reeve_heap_contains(&node->room) || node->drain == class) &&
           node->state == REEVE_SCHED_NODE_UP &&
           node->lease_count < s->settings.leases_a_node_max &&
           node->free_milli >= (int64_t) class->class.cpu_milli &&
           !sched_avoided(s, node, class, NULL);
}

/* NULL when all that have room are to be avoided; then `retry_ns` says until when. */
static struct sched_node *freest(
    struct reeve_sched *s, const struct sched_class *class, uint64_t *retry_ns, uint32_t *budget)
{
    struct reeve_list aside;
    reeve_list_init(&aside);
    struct sched_node *found = NULL;
    *retry_ns = REEVE_SCHED_NEVER;
    struct reeve_heap_node *top;
    while ((top = reeve_heap_peek(&s->room)) != NULL) {
        struct sched_node *node = REEVE_CONTAINER_OF(top, struct sched_node, room);
        uint64_t until_ns;
        s->totals.work_count++;
        if (node->free_milli < (int64_t) class->class.cpu_milli)
            break;
        if (!sched_avoided(s, node, class, &until_ns)) {
            found = node;
            break;
        }
        *retry_ns = REEVE_MIN(*retry_ns, until_ns);
        reeve_heap_pop(&s->room);
        reeve_list_push_back(
            &aside, &node->drains_link); /* which is free: drained nodes are not in the heap */
        *budget -= *budget > 1;
    }
    struct reeve_list *link;
    while ((link = reeve_list_pop_front(&aside)) != NULL)
        sched_node_room(s, REEVE_LIST_ENTRY(link, struct sched_node, drains_link), false);
    return found;
}

/* ---- turns ---- */

/* The group whose turn it is among those that want no more than `free_milli`; the shapes are
 * few. */
static struct sched_group *next_group(const struct reeve_sched *s, int64_t free_milli)
{
    struct reeve_heap_node *best = NULL;
    REEVE_LIST_EACH(link, &s->shapes)
    {
        const struct sched_shape *shape = REEVE_LIST_ENTRY(link, struct sched_shape, link);
        struct reeve_heap_node *first = reeve_heap_peek(&shape->groups);
        if (shape->cpu_milli <= free_milli && (best == NULL || first->key < best->key))
            best = first;
    }
    return best != NULL ? REEVE_CONTAINER_OF(best, struct sched_group, heap) : NULL;
}

static int64_t most_free(const struct reeve_sched *s)
{
    const struct reeve_heap_node *top = reeve_heap_peek(&s->room);
    return top != NULL ? REEVE_CONTAINER_OF(top, struct sched_node, room)->free_milli : -1;
}

static struct sched_node *drained(const struct reeve_sched *s)
{
    REEVE_LIST_EACH(link, &s->drains)
    {
        struct sched_node *node = REEVE_LIST_ENTRY(link, struct sched_node, drains_link);
        if (node->drain->group != NULL && has_room(s, node, node->drain))
            return node;
    }
    return NULL;
}

static void grant(struct reeve_sched *s, struct sched_class *class, struct sched_node *node)
{
    struct sched_demand *demand = sched_class_first(class);
    if (class->drain == node) {
        class->drain_ms = 0;
        sched_drain_end(s, class);
    }
    uint64_t id = (uint64_t)s->settings.head_incarnation << 48 | ++s->lease_next;
    /* Its turn is over before the lease is entered, for that may end the demand's wait. Workers do
     * not take turns: see sched_class_first. */
    if (demand->process == class->job->id) {
        reeve_list_remove(&demand->unmet_link);
        reeve_list_push_back(&class->unmet[1], &demand->unmet_link);
    }
    demand->unmet_ns = s->now_ns;
    sched_class_served(s, class);
    sched_lease_create(s, id, node, demand);
    s->totals.granted_count++;
    sched_tell_pair(s, node, demand->node);
    struct reeve_message *m = sched_send(s, node, REEVE_MESSAGE_GRANT);
    m->lease = id;
    m->class = class->class;
    m->process = demand->process;
}

static void hold_off(struct reeve_sched *s, struct sched_class *class, uint64_t retry_ns)
{
    class->held_off = true;
    class->retry_ns = retry_ns;
    reeve_list_push_back(&s->held_off, &class->held_off_link);
    sched_class_arm(s, class);
    sched_class_ready(s, class);
}

bool sched_grant_possible(const struct reeve_sched *s)
{
    return next_group(s, most_free(s)) != NULL || drained(s) != NULL;
}

bool sched_grant_some(struct reeve_sched *s, uint32_t *budget)
{
    for (; *budget > 0; --*budget) {
        struct sched_node *node = drained(s);
        if (node != NULL) {
            grant(s, node->drain, node);
            continue;
        }
        struct sched_group *group = next_group(s, most_free(s));
        if (group == NULL)
            return false;
        struct sched_class *class =
            REEVE_CONTAINER_OF(reeve_heap_peek(&group->classes), struct sched_class, heap);
        if (reeve_class_attaches(&class->class)) {
            node = sched_host_node(s, class);
            uint64_t until_ns = REEVE_SCHED_NEVER;
            if (node != NULL && node->state == REEVE_SCHED_NODE_UP &&
                node->lease_count < s->settings.leases_a_node_max &&
                !sched_avoided(s, node, class, &until_ns))
                grant(s, class, node);
            else
                hold_off(s, class, until_ns);
            continue;
        }
        const struct sched_demand *demand = sched_class_first(class);
        node = demand->near != 0 ? sched_node_get(s, demand->near) : NULL;
        if (!has_room(s, node, class))
            node = demand->node;
        uint64_t retry_ns = REEVE_SCHED_NEVER;
        if (!has_room(s, node, class))
            node = freest(s, class, &retry_ns, budget);
        if (node != NULL) {
            grant(s, class, node);
            continue;
        }
        hold_off(s, class, retry_ns);
    }
    return true;
}
