/* Scratch folders of tasks. */
#ifndef REEVE_CLIENT_SCRATCH_H
#define REEVE_CLIENT_SCRATCH_H

struct reeve_invocation;

/* In a worker, before it runs anything: its daemon has said in the environment where they are to
 * be. */
void reeve_scratch_place(void);
/* The task that has asked for one has ended: it is removed. */
void reeve_scratch_end(struct reeve_invocation *invocation);

#endif
