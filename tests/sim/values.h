/* Large values in the simulator: the store core of each node, its memory and its disk, and what
 * processes do with them.
 *
 *   store.c    a daemon's shell around its store core: what clients and other nodes say, pieces on
 *              their way, and when slices and disks are done
 *   memory.c   segments and files of real bytes; who may still touch which of them
 *   gifts.c    values are given away, and kept by who was lent them
 *   staging.c  calls from other nodes wait for those among their arguments
 *   values.c   processes: values are made (room, filled, sealed), read (in place, or pinned) and
 *              put, in steps between which anything may die
 *
 * A large value is a run of bytes that one number determines, which stands at its beginning. So
 * whoever reads it knows whether all of it is right, and which it is. */
#ifndef REEVE_TESTS_SIM_VALUES_H
#define REEVE_TESTS_SIM_VALUES_H

#include "objectstore/stage.h"
#include "tests/sim/sim.h"

/* ---- memory and disk ---- */

struct sim_bytes { /* a segment, or a file */
    uint8_t *bytes;
    uint64_t size;
};

struct sim_store { /* of a daemon */
    struct reeve_store *core;
    struct reeve_stages *stages;
    struct reeve_fifo out;
    bool carrying; /* commands of the core are being carried out; */
    bool staging;  /* of the stages */
    uint64_t tick_ns;
    uint32_t capacity_bytes;
    struct reeve_map64 segments; /* number -> struct sim_bytes */
    struct reeve_map64 files;    /* likewise */
    struct reeve_map64 pieces;   /* number -> struct sim_piece: asked for and not answered */
    struct reeve_map64 working;  /* number -> struct reeve_store_command: a disk is at it, or it is
                                    given back to the machine, or waits to be sent */
};

/* A place in memory that a process may touch until it has said that it does not any more. */
struct sim_place {
    uint32_t request; /* by which it was got; 0: nothing stands here */
    bool in_place;    /* anchored by its owner, who lets it be read; not pinned */
    bool writable;
    uint32_t segment;
    uint64_t offset, size;
};

struct sim_bytes *sim_segment(const struct sim_store *store, uint32_t number);
/* That part of it; a violation where there is no such part. */
uint8_t *sim_memory(struct sim *sim, const struct sim_daemon *daemon, uint32_t segment,
    uint64_t offset, uint64_t size);
/* A violation where a process that has not been reaped, or a disk, may still touch it. */
void sim_untouchable(struct sim *sim, const struct sim_daemon *daemon, uint32_t segment,
    uint64_t offset, uint64_t size);
void sim_memory_command(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_store_command *command);
/* What a disk is to do is done: the event that says so. */
struct reeve_store_event sim_disk_done(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_store_command *command);
void sim_bytes_free(struct reeve_map64 *map);

/* ---- a daemon's store ---- */

void sim_store_start(struct sim *sim, struct sim_daemon *daemon);
void sim_store_free(struct sim_daemon *daemon);
/* The daemon may be gone afterwards. */
void sim_store_step(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_store_event *event);
/* What a process has said; what another node has. */
void sim_store_local(
    struct sim *sim, struct sim_process *process, const struct reeve_store_event *said);
void sim_store_frame(
    struct sim *sim, struct sim_daemon *daemon, uint32_t from, const struct sim_frame *frame);
/* A session with that node has begun, or (down) the node is dead. */
void sim_store_peer(struct sim *sim, struct sim_daemon *daemon, uint32_t node, bool down);
void sim_store_fire(struct sim *sim, const struct sim_event *event);
/* What is left in it that nobody needs, at rest; NULL: nothing. */
const char *sim_store_unrest(
    struct sim *sim, const struct sim_daemon *daemon, char *text, size_t size);

void sim_stores_print(struct sim *sim);

/* ---- processes ---- */

#define SIM_VALUES 128u /* a process */

enum sim_value_use { VALUE_FREE, VALUE_RESULT, VALUE_ARGUMENT, VALUE_PUT, VALUE_READ, VALUE_WORD };

enum sim_value_state {
    VALUE_ASKED,   /* for room, or for the object */
    VALUE_FILLING, /* half of it has been written */
    VALUE_SEALING,
    VALUE_HELD, /* and read */
    VALUE_FAILED,
};

struct sim_value {
    enum sim_value_use use;
    enum sim_value_state state;
    uint32_t request;
    int32_t code;
    uint64_t number;
    reeve_task_id task; /* READ, PUT: whose value it is; WORD: token of a hold, or 0 */
    struct reeve_reference object;
    uint64_t until_ns; /* READ: it is held until then */
};

struct sim_values {
    uint32_t request_last;
    struct sim_value values[SIM_VALUES];
    struct sim_place places[SIM_VALUES * 2];
};

uint64_t sim_value_size(uint64_t number);
/* The worker's call goes on when the objects among its arguments are there: true: they are (or will
 * not be: frame->code). */
void sim_arguments_fetch(struct sim *sim, struct sim_process *worker, const struct sim_entry *call);
bool sim_arguments_here(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame);
/* Its result is made; true: it is sealed, or cannot be made. */
void sim_result_make(struct sim *sim, struct sim_process *worker, reeve_process_id owner,
    uint64_t task, uint64_t number);
bool sim_result_made(
    struct sim *sim, struct sim_process *worker, int *ret_status, struct reeve_reference *ret);
/* The call is over: what it has read is given back. */
void sim_arguments_end(struct sim *sim, struct sim_process *worker);

/* A driver puts one; false: not now. */
bool sim_put(struct sim *sim, struct sim_process *driver, uint64_t number, reeve_task_id *ret);

enum sim_read { SIM_READ_GOES_ON, SIM_READ_AGAIN, SIM_READ_OVER };

/* A driver reads the object of a DONE task. AGAIN: it was lost, and is being made again. OVER: with
 * its number, or a status. */
enum sim_read sim_value_read(struct sim *sim, struct sim_process *driver, reeve_task_id task,
    const struct reeve_reference *object, uint64_t *ret_number, int *ret_status);

/* The task has none any more, whatever it has read of the former. */
void sim_value_leave(struct sim *sim, struct sim_process *driver, reeve_task_id task);

/* The daemon's answer is on its way to the process: from now on that may touch the place. */
void sim_value_place(struct sim_process *process, const struct reeve_store_command *command);
void sim_value_told(
    struct sim *sim, struct sim_process *process, const struct reeve_store_event *answer);
/* It is time to go on with the value of that request. */
void sim_value_goes_on(struct sim *sim, struct sim_process *process, uint32_t request);
/* A word about an object, which is answered. */
struct sim_value *sim_word_say(
    struct sim *sim, struct sim_process *process, struct reeve_store_event said);

/* ---- gifts.c: given away, and kept ---- */

/* The objects of a hand-over that has been written. */
void sim_gifts_give(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame,
    const struct reeve_buffer *objects);
/* A call with a large value that it is lent begins; is over; ends. */
void sim_lent_begin(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame,
    const struct sim_entry *entry);
void sim_lent_keep(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame);
void sim_lent_end(struct sim_process *worker, const struct sim_call_frame *frame);
/* All words have been answered. */
bool sim_words_heard(struct sim *sim, struct sim_process *worker);
void sim_kept_turn(struct sim *sim, struct sim_process *worker);
/* A value is lost for its reader: a violation where there is no reason. */
void sim_loss_check(struct sim *sim, const struct sim_process *reader,
    const struct reeve_reference *object, int code);

/* What the owner core commands. */
void sim_value_command(
    struct sim *sim, struct sim_process *process, const struct reeve_owner_command *command);
/* It is about to be reaped: it has written rubbish until now, where it could. */
void sim_values_scribble(struct sim *sim, const struct sim_process *process);

#endif
