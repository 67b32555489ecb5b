/* What is handed over, and given, with results: see owner_gifts.c. */
#ifndef REEVE_CLIENT_OWNER_GIFTS_H
#define REEVE_CLIENT_OWNER_GIFTS_H

#include "api/client/owner_internal.h"

/* What a hand-over says: `ret` is the list of its roots, from malloc, each future in it has a
 * reference more; NULL: none. */
int owner_adopt(struct reeve_owner *owner, uint64_t now_ns, const void *bytes, size_t size,
    bool lent, struct reeve_owner_splice **ret, uint32_t *ret_count);
/* Takes what has been handed over with the task's present attempt, as the list of its result, as
 * above. */
int owner_handed_adopt(struct reeve_owner *owner, uint64_t now_ns, reeve_task_id id,
    struct reeve_owner_splice **ret, uint32_t *ret_count);
/* Nobody wants it any more; does nothing where there is nothing. */
void owner_handed_drop(struct reeve_owner *owner, reeve_task_id id);
void owner_gifts_check(const struct reeve_owner *owner); /* asserts */
void owner_gifts_fini(struct reeve_owner *owner);

#endif
