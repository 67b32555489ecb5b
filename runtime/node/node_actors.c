/* The node core's hosts of actors.
 *
 * Who makes actors holds a lease on a worker process, their host, for as long as they live: the
 * residence. Others who call them *attach*: their leases are on the same worker, need no cpu, and
 * are over when the residence is.
 *
 *   worker ◀── residence ── attached: lease ↔ lease     each with a channel of its own
 *
 * A host whose owner has gone, or has given it up with what is in it, is killed. */
#include "runtime/node/node_internal.h"

struct node_lease *node_residence_find(
    const struct reeve_node *node, const struct reeve_class *attaching)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->leases, &at, NULL, &value)) {
        struct node_lease *lease = value;
        if ((lease->state == LEASE_WAITING || lease->state == LEASE_OPEN) &&
            reeve_class_is_residence(&lease->class) && lease->class.owner == attaching->owner &&
            lease->class.host == (attaching->host & ~REEVE_HOST_ATTACH) &&
            lease->class.table == attaching->table)
            return lease;
    }
    return NULL;
}

void node_attach(struct reeve_node *node, struct node_lease *residence, struct node_lease *lease)
{
    lease->job = residence->job;
    node->cpu_used_milli += lease->class.cpu_milli;
    reeve_list_push_back(&residence->attached, &lease->attached_link);
    if (residence->state == LEASE_OPEN)
        node_lease_open(node, lease, residence->worker);
}

void node_attached_open(struct reeve_node *node, struct node_lease *residence)
{
    REEVE_LIST_EACH(link, &residence->attached)
    node_lease_open(
        node, REEVE_LIST_ENTRY(link, struct node_lease, attached_link), residence->worker);
}

/* The residence is over. What is CLOSING has a CLOSED to come. */
void node_attached_end(
    struct reeve_node *node, struct node_lease *residence, int32_t code, const char *text)
{
    struct reeve_list *link;
    while ((link = reeve_list_pop_front(&residence->attached)) != NULL) {
        struct node_lease *lease = REEVE_LIST_ENTRY(link, struct node_lease, attached_link);
        lease->worker = NULL;
        if (lease->state != LEASE_CLOSING)
            node_lease_give_up(node, lease, code, text, 0);
    }
}

bool reeve_node_next_host(
    const struct reeve_node *node, size_t *cursor, struct reeve_node_host *ret)
{
    void *value;
    while (reeve_map64_next(&node->leases, cursor, NULL, &value)) {
        const struct node_lease *lease = value;
        if ((lease->state != LEASE_WAITING && lease->state != LEASE_OPEN) ||
            !reeve_class_is_residence(&lease->class))
            continue;
        *ret = (struct reeve_node_host){lease->class.owner, lease->class.host,
            lease->worker != NULL ? lease->worker->serial : 0};
        return true;
    }
    return false;
}
