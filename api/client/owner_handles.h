/* The owner core: handles of actors, for its other parts. See owner_handles.c; included by
 * owner_internal.h. */
#ifndef REEVE_CLIENT_OWNER_HANDLES_H
#define REEVE_CLIENT_OWNER_HANDLES_H

#include "api/client/owner.h"

struct owner_task;

bool owner_task_is_handle(const struct owner_task *task);
/* How many there are in the list of a value, behind its futures. */
uint32_t owner_handles_behind(const struct reeve_owner *owner, const struct owner_task *task);
/* Nobody refers to it any more. */
void owner_handle_end(struct reeve_owner *owner, struct owner_task *task, uint32_t index);
/* Lets go of what is held only for calls, where they have been answered. */
void owner_handles_part(struct reeve_owner *owner);
void owner_handles_fini(struct reeve_owner *owner);
void owner_handles_check(const struct reeve_owner *owner); /* asserts */

#endif
