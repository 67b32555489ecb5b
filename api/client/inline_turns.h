/* Streams of inline mode: the function runs in a thread of its own, but only while its reader waits
 * for it, so that there is one order in which all happens.
 *
 *   reader   ──next──▶ waits ·········· item ──next──▶ waits ········ end
 *   function           runs ──yield──▶ waits           runs ──returns─▶
 */
#ifndef REEVE_CLIENT_INLINE_TURNS_H
#define REEVE_CLIENT_INLINE_TURNS_H

#include "api/client/backend.h"

struct reeve_inline_turns;

/* NULL: no memory. `run` is the function, with `arg`; it begins with the first next, if ever. */
struct reeve_inline_turns *reeve_inline_turns_create(void (*run)(void *arg), void *arg);

/* Lets the function run until it yields or has returned. REEVE_OK: `*ret_bytes` is a malloc block,
 * the caller's; REEVE_EEND; REEVE_ENOMEM: there is no thread for it. Any thread, one after the
 * other. */
int reeve_inline_turns_next(
    struct reeve_inline_turns *stream, uint8_t **ret_bytes, size_t *ret_size);

/* Its yields fail from now on; returns when the function has. Then free it. */
void reeve_inline_turns_stop(struct reeve_inline_turns *stream);
void reeve_inline_turns_free(struct reeve_inline_turns *stream);

/* In the function. */
int reeve_inline_turns_yield(
    size_t size, reeve_pack_item *pack, const void *item, struct reeve_error_info *error);

#endif
