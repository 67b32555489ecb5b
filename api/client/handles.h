/* Handles of actors in values, and those that a call of ours has for itself. See handles.c. */
#ifndef REEVE_CLIENT_HANDLES_H
#define REEVE_CLIENT_HANDLES_H

#include "api/client/backend.h"
#include "api/client/codec.h"
#include "runtime/base/macros.h"

struct reeve_invocation;

/* Of the handles among what was found in a value: the backend's references to them, behind the
 * futures in ids->ids; they are the caller's, to be released as futures are. REEVE_ENOMEM,
 * REEVE_ESHUTDOWN: none. */
int reeve_handles_refer(
    struct reeve_backend *backend, struct reeve_future_ids *ids, struct reeve_error_info *error);
/* Those behind the first `count`. */
void reeve_handles_release(
    struct reeve_backend *backend, const struct reeve_future_ids *ids, size_t count);

/* The program has one more, or one less. */
void reeve_handles_note(const reeve_actor *actor);
void reeve_handles_forget(const reeve_actor *actor);
/* The value is the program's: each handle in it is its own. */
void reeve_handles_note_all(const struct reeve_type *type, const void *value);
static inline void reeve_handles_got(const struct reeve_type *type, const void *value)
{
    if (REEVE_UNLIKELY(type->kind >= REEVE_KIND_STRUCT))
        reeve_handles_note_all(type, value);
}
/* Those of the handles in the invocation's result that it had for itself are given away: they are
 * released. After the result has been settled, whatever has become of it. */
void reeve_handles_give(struct reeve_backend *backend, struct reeve_invocation *invocation);
/* The same of a value that has been put as a result of the call that runs. */
void reeve_handles_given(
    struct reeve_backend *backend, const struct reeve_type *type, const void *value);
void reeve_handles_fini(struct reeve_invocation *invocation);

#endif
