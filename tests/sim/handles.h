/* Handles of actors in the simulator. What a program has of them, and who may still reach which
 * actor. Start with handles.c; lives.c has the oracles. */
#ifndef REEVE_TESTS_SIM_HANDLES_H
#define REEVE_TESTS_SIM_HANDLES_H

#include "tests/sim/sim.h"

/* One number: who made the actor, in which host, and which it is there. */
uint64_t sim_handle_of(reeve_process_id owner, uint32_t host, uint32_t number); /* 0: too large */
reeve_process_id sim_handle_owner(uint64_t handle);
uint32_t sim_handle_host(uint64_t handle);
uint32_t sim_handle_number(uint64_t handle);

#define SIM_KEPT       12u
#define SIM_LOOSE      32u
#define SIM_HOLDS      64u
#define SIM_HOLD_BEGIN (1u << 31) /* of requests about holds */

struct sim_kept { /* one that the program has */
    uint64_t handle;
    reeve_task_id put; /* a value that it stands in, and which keeps it; 0: the handle itself */
    uint64_t until_ns;
};

struct sim_loose { /* a call that nobody waits for, */
    reeve_task_id task;
    uint64_t handle; /* of this actor, or (not is_call) with its handle among the arguments */
    bool is_call;
};

struct sim_hold { /* a word to the node where the actor's owner is, not heard of yet */
    uint32_t request;
    reeve_task_id token; /* 0: a hold that is to be another's */
    uint64_t handle;
};

struct sim_handles { /* of a process */
    struct sim_kept kept[SIM_KEPT];
    uint32_t kept_count;
    struct sim_loose loose[SIM_LOOSE];
    uint32_t loose_count;
    struct sim_hold holds[SIM_HOLDS];
    uint32_t hold_count, request_last;
};

/* The children of the frame are calls of its actor; else it has passed the handle on to them. */
bool sim_handle_is_called(const struct sim_call_frame *frame);

/* ---- lives.c: what is known of each actor, by nobody but the simulator ---- */

struct sim_life {
    uint64_t handle;
    uint64_t maker;    /* process uid */
    uint64_t host;     /* process uid, of the worker where it is; 0: nowhere yet */
    bool hurt;         /* it has been lost, or killed: its calls may fail with that */
    bool over;         /* its end has been run */
    uint64_t alone_ns; /* since then nobody has had it; 0: somebody has */
};

void sim_life_begin(struct sim *sim, const struct sim_process *maker, uint64_t handle);
/* It has been made in that worker, perhaps once more; it is lost there, or cannot be made. */
void sim_life_made(struct sim *sim, const struct sim_process *worker, uint64_t handle);
void sim_life_hurt(struct sim *sim, uint64_t handle);
/* A class of the process is of a host. That has been lost, with all that was in it or on its way
 * there, if it is one. */
void sim_lives_host(struct sim_process *process, const struct reeve_owner_command *demand);
void sim_lives_lost(struct sim *sim, const struct sim_process *process,
    const struct sim_channel *channel, int code);
/* Its end is run: nobody may have it. */
void sim_life_ends(struct sim *sim, uint64_t handle);
/* A call through a handle that counts was told that the actor is dead, or the handle is of none. */
void sim_life_is_denied(
    struct sim *sim, const struct sim_process *process, uint64_t handle, int status);
/* Each second, once all is healed: whom nobody has must end. */
void sim_lives_look(struct sim *sim);
/* NULL: no process has any part of an actor left. */
const char *sim_lives_unrest(struct sim *sim, char *text, size_t size);

#endif
