/* The tables of the store core, and what its files ask of each other. Only files of this folder
 * include it.
 *
 *     client ──┬── arena ── segments ── extents           what it may write in
 *              ├── grants    (extent, not sealed yet)
 *              ├── pins  ─────┐
 *              └── requests   │  (creates in the queue, gets that wait for a pull)
 *                             ▼
 *     owner ───── objects ── extent
 *                   ├── copies ── peers that were sent it
 *                   └── fetch     while it is being pulled: sources, waiters, progress
 *
 * An object's life:
 *
 *     (unknown) ──SEAL──▶ SEALED ──freed by its owner, and the last pin gone──▶ (unknown)
 *         └──GET of something elsewhere──▶ PULLING ──all pieces──▶ SEALED, a copy:
 *                                                                  thrown out when room is needed
 *
 * Primary copies are never thrown out. Writing them to disk adds states between SEALED and gone
 * (spilling, spilled, restoring); restores will queue where pulls do. */
#ifndef REEVE_OBJECTSTORE_STATE_H
#define REEVE_OBJECTSTORE_STATE_H

#include <stdlib.h>

#include "objectstore/arena.h"
#include "objectstore/pool.h"
#include "objectstore/store.h"
#include "runtime/base/assert.h"
#include "runtime/base/errors.h"
#include "runtime/base/heap.h"
#include "runtime/base/list.h"
#include "runtime/base/macros.h"
#include "runtime/base/map64.h"

#define STORE_SOURCES_MAX 4
#define STORE_PULLS_MAX   5 /* times that the same piece is asked for */
#define STORE_WINDOW_SIZE (4u * REEVE_STORE_CHUNK_SIZE)
#define STORE_SLICE       256u /* items a step handles of what can be many */
#define STORE_GONE_MAX    65536u
#define STORE_WORDS_AHEAD 1024u /* sent to a peer and not yet acknowledged, at most */
#define STORE_SHOWN_READ  1
#define STORE_SHOWN_WRITE 2

enum store_object_state {
    STORE_PULLING, /* has a fetch; an extent, once there is room */
    STORE_SEALED,
};

#define STORE_OBJECT_COPY  1u /* the primary is elsewhere */
#define STORE_OBJECT_FREED 2u /* lives only as long as its pins */

/* What an extent's `holder` is. */
enum store_tag {
    STORE_TAG_NONE,
    STORE_TAG_GRANT,
    STORE_TAG_OBJECT,
    STORE_TAG_PREPARED,
    STORE_TAG_RETURNING
};

struct store_object {
    struct reeve_object_id id;
    reeve_process_id owner; /* the process in its id, until that gives it away */
    uint64_t size;
    struct reeve_extent *extent; /* NULL while a pull waits for room */
    union {
        struct reeve_list lru_link; /* sealed: linked when it is an unpinned copy */
        struct store_fetch *fetch;  /* pulling */
    };
    struct store_copy *copies;
    uint32_t hash_next;              /* this and the next two: numbers in store->objects */
    uint32_t owner_next, owner_prev; /* a ring, of one at least */
    uint32_t pins;                   /* the first, in store->pins; 0: none */
    uint32_t pin_total;
    uint8_t state;
    uint8_t flags;
    uint8_t pad; /* of its first byte in its extent */
};

/* Those of a client form a ring, in which one stands for the client itself (object 0). All links
 * are numbers in store->pins. */
struct store_pin {
    uint32_t object; /* in store->objects */
    uint32_t client; /* its handle */
    uint32_t next;   /* of the object */
    uint32_t client_next, client_prev;
    uint32_t count;
};

/* And a slot of the hash table: 4 to 8 bytes. */
_Static_assert(
    sizeof(struct store_object) + sizeof(struct reeve_extent) + sizeof(struct store_pin) <= 144,
    "a million objects, each pinned, must not cost the daemon more than 160 MB");

struct store_peer {
    uint32_t node;
    struct reeve_list copies;
    struct reeve_fifo words; /* struct reeve_object_id: what it has not acknowledged, in order */
    uint64_t word_first;     /* the number of the first of them */
    uint32_t word_sent;      /* so many of them have been sent in this session */
    struct reeve_heap_node deadline; /* while any has: then they are sent again */
};

struct store_copy {
    struct store_object *object;
    struct store_peer *peer;
    struct store_copy *next; /* of the object */
    struct reeve_list peer_link;
};

struct store_owner {
    reeve_process_id process;
    uint32_t objects; /* latest first; freed ones that are still pinned at the end */
    uint64_t bytes, count;
    struct reeve_list dying_link; /* linked: its objects are going */
};

struct store_grant {
    struct reeve_extent *extent;
    struct store_client *client;
    struct reeve_list client_link;
};

struct store_request {
    struct store_client *client;
    struct store_fetch *fetch; /* NULL: a create */
    uint32_t request;
    uint32_t pad; /* create */
    uint64_t size;
    uint64_t since_ns;
    struct reeve_list client_link;
    struct reeve_list queue_link; /* in the create queue, or among the waiters of a fetch */
};

struct store_fetch {
    struct store_object *object;
    struct reeve_list link;       /* in store->fetches, in order of arrival */
    struct reeve_list queue_link; /* in store->pull_queue while it waits for room */
    struct reeve_list waiters;
    struct reeve_heap_node deadline;
    uint32_t sources[STORE_SOURCES_MAX]; /* the first is being asked */
    uint32_t source_count;
    uint32_t pull_count; /* without a piece in between */
    bool size_known;
    uint64_t received, requested; /* bytes, from the start */
    uint64_t since_ns;
};

struct store_client {
    uint32_t handle;
    bool closed;
    reeve_process_id process;
    struct reeve_list link; /* in store->clients, or store->dying_clients */
    struct reeve_arena arena;
    struct reeve_list idle_whole; /* empty segments for one object, latest first */
    struct reeve_list grants;
    uint32_t pins; /* the one that stands for the client */
    struct reeve_list requests;
    struct reeve_map64 shown;
    bool has_reserve;       /* one of its segments is */
    uint32_t ahead_segment; /* where it last touched cold pages */
    uint64_t ahead_bytes;   /* so much is to be prepared there; */
    uint64_t ahead_ready;   /* so much has been */
};

#define STORE_RETURNING_MAX 64

struct reeve_store {
    struct reeve_store_settings settings;
    uint64_t now_ns;
    struct reeve_fifo *out; /* during a step */

    struct store_client *daemon;
    struct reeve_list clients, dying_clients;
    struct reeve_map64 client_by_handle, client_by_process;

    struct reeve_pool objects, pins, extents;
    uint32_t *table, *table_old;         /* table_old: while it moves over, NULL else */
    uint32_t table_size, table_old_size; /* powers of two */
    uint32_t table_old_next;             /* what lies before has moved */
    uint32_t object_count;
    struct reeve_map64 owners; /* those with objects here */
    struct reeve_list dying_owners;
    struct reeve_map64 gone, gone_nodes;
    struct reeve_map64 peers;
    struct reeve_list lru; /* unpinned copies, oldest first */

    struct reeve_map64 segments, grants;
    struct reeve_arena orphans; /* segments whose writer is gone */
    struct reeve_list idle_orphans, reserves;
    struct reeve_extent *preparing; /* NULL: no slice is under way */
    struct store_client *ahead_client;
    bool prefault_begun, prefault_wanted;
    struct reeve_heap idle_deadlines;
    struct reeve_fifo
        returns; /* struct reeve_extent *: slices that are to be given back, in order */
    struct reeve_extent *returning[STORE_RETURNING_MAX]; /* under way */
    uint32_t returning_count;
    uint64_t returning_bytes;                    /* of both */
    uint64_t return_now_bytes, return_period_ns; /* so much may be given back at once */
    uint32_t segment_last;
    struct reeve_fifo free_numbers; /* uint32_t, of dropped segments */

    struct reeve_list create_queue, pull_queue, fetches;
    struct reeve_heap fetch_deadlines, word_deadlines;
    uint64_t queue_deadline_ns;
    bool room_changed; /* what waits for room is worth another look */

    uint64_t committed_bytes, growth_bytes;
    uint64_t unsealed_bytes, pinned_bytes, copy_bytes, pin_count;
    uint64_t evicted_count, pulled_count, refused_count, stale_count;
};

static inline void *store_new(size_t size)
{
    void *memory = calloc(1, size);
    REEVE_ASSERT(memory != NULL);
    return memory;
}

static inline void store_put(struct reeve_map64 *map, uint64_t key, void *value)
{
    int error = reeve_map64_put(map, key, value, NULL);
    REEVE_ASSERT(error == REEVE_OK);
}

static inline uint64_t store_extent_bytes(const struct reeve_extent *extent)
{
    return reeve_arena_bytes(extent->units);
}

/* Where the object's first byte is in its segment. */
static inline uint64_t store_object_offset(const struct store_object *object)
{
    return reeve_arena_bytes(object->extent->offset) + object->pad;
}

static inline uint64_t store_place_key(uint32_t segment, uint64_t offset)
{
    return (uint64_t)segment << 32 | offset >> REEVE_ARENA_UNIT_SHIFT;
}

/* object.c: the table, owners, pins, copies. */
struct store_object *store_object_find(const struct reeve_store *store, struct reeve_object_id id);
/* The first in one slot (there are table_size + table_old_size of them), and the next after it. */
const struct store_object *store_table_slot(const struct reeve_store *store, uint32_t slot);
const struct store_object *store_table_next(
    const struct reeve_store *store, const struct store_object *object);
/* New, in the table and with its owner; without extent. */
struct store_object *store_object_add(
    struct reeve_store *store, struct reeve_object_id id, enum store_object_state state);
/* Gives it its extent, and counts it. */
void store_object_place(struct reeve_store *store, struct store_object *object,
    struct reeve_extent *extent, uint32_t pad);
/* Out of all tables; its extent is free. It has no pins and no fetch. */
void store_object_remove(struct reeve_store *store, struct store_object *object);
void store_pin(struct reeve_store *store, struct store_object *object, struct store_client *client);
/* False: the client holds none. */
bool store_unpin(
    struct reeve_store *store, struct store_object *object, struct store_client *client);
/* The client's pin that has been there longest; NULL: it holds none. */
struct store_pin *store_pin_first(
    const struct reeve_store *store, const struct store_client *client);
void store_pin_drop(struct reeve_store *store, struct store_pin *pin);
/* The pins are gone, or the object has just become a copy: where does it belong now? */
void store_object_settle(struct reeve_store *store, struct store_object *object);
void store_copy_note(struct reeve_store *store, struct store_object *object, uint32_t node);
void store_copies_drop(struct store_object *object);
/* Its owner needs it no more, or is gone (code: what those who wait for it are told). Nodes with
 * copies are told, but not except_node. */
void store_object_free(
    struct reeve_store *store, struct store_object *object, uint32_t except_node, int code);
void store_object_give(
    struct reeve_store *store, struct store_object *object, reeve_process_id heir);
bool store_owner_is_gone(const struct reeve_store *store, reeve_process_id process);
void store_owner_gone(struct reeve_store *store, reeve_process_id process);
/* One slice of what the dead have left; true: there is more. */
bool store_bury_owners(struct reeve_store *store);

/* room.c: extents for objects; what is done when there are none. */
/* NULL: not now. */
struct reeve_extent *store_room_take(
    struct reeve_store *store, struct store_client *client, uint64_t bytes);
void store_room_release(struct reeve_store *store, struct reeve_extent *extent);
void store_room_shrink(struct reeve_store *store, struct reeve_extent *extent, uint32_t units);
/* An object of so many bytes can never be stored. */
bool store_room_never(const struct reeve_store *store, uint64_t bytes);
/* The client is dead: what it wrote in belongs to nobody now. */
void store_room_orphan(struct reeve_store *store, struct store_client *client);
void store_room_drop_idle(struct reeve_store *store);
/* At the end of the store: all that is empty. */
void store_room_drop_all(struct reeve_store *store);
struct reeve_segment *store_segment_find(const struct reeve_store *store, uint32_t id);

/* For one object at a time, or (into whichever arena) for many. */
struct reeve_segment *store_segment_add(
    struct reeve_store *store, struct reeve_arena *arena, uint64_t bytes);
/* So that the shell knows of it. */
void store_segment_make(struct reeve_store *store, struct reeve_segment *segment);
/* An orphan gets a writer. */
void store_segment_adopt(
    struct reeve_store *store, struct store_client *client, struct reeve_segment *segment);
/* So much could be touched now without anything being given back. */
bool store_room_has(const struct reeve_store *store, uint64_t bytes);
/* Counts the extent as touched; gives how much of it was not before. */
uint64_t store_room_commit(struct reeve_store *store, const struct reeve_extent *extent);

/* Pages of so many bytes have gone. */
void store_room_uncommit(struct reeve_store *store, uint64_t bytes);

/* return.c: pages given back. */
/* So much may be given back at once, and is counted: the loop has to go on. */
bool store_return_now(struct reeve_store *store, uint64_t bytes);
/* Gives back what is warm of a free extent, or begins to; with *ret_bytes, at most about so much.
 * The extent may have been cut afterwards. */
void store_return(struct reeve_store *store, struct reeve_extent *extent, uint64_t bytes_max,
    uint64_t *ret_bytes);
void store_return_arena(
    struct reeve_store *store, struct reeve_arena *arena, uint64_t bytes_max, uint64_t *ret_bytes);
void store_return_serve(struct reeve_store *store);
void store_return_done(struct reeve_store *store, const struct reeve_store_event *event);
void store_return_fini(struct reeve_store *store);

/* prepare.c: pages made ready ahead. */
/* The smallest reserve that has so much and is ready, at least in part. */
struct reeve_segment *store_reserve_find(struct reeve_store *store, uint32_t units);
/* A writer has just come that wants its memory ready. */
void store_prepare_client(struct reeve_store *store, struct store_client *client);
/* The segment has just been shown to its writer. */
void store_prepare_shown(struct reeve_store *store, struct reeve_segment *segment);
/* Room that has just been taken there was cold. */
void store_prepare_touched(
    struct reeve_store *store, const struct reeve_segment *segment, uint64_t bytes);
void store_prepare_serve(struct reeve_store *store);
void store_prepare_done(struct reeve_store *store, const struct reeve_store_event *event);

/* queue.c: what waits for room. */
void store_queue_create(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event);
void store_queue_pull(struct reeve_store *store, struct store_fetch *fetch);
void store_queue_serve(struct reeve_store *store);
void store_queue_tick(struct reeve_store *store);
struct store_request *store_request_add(struct reeve_store *store, struct store_client *client,
    uint32_t number, struct store_fetch *fetch);
void store_request_free(struct store_request *request);

/* pull.c: objects on their way here. */
void store_pull_get(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event);
void store_pull_placed(struct reeve_store *store, struct store_fetch *fetch);
void store_pull_chunk(struct reeve_store *store, const struct reeve_store_event *event);
void store_pull_reset(struct reeve_store *store, uint32_t node);
void store_pull_peer_down(struct reeve_store *store, uint32_t node);
void store_pull_tick(struct reeve_store *store);
/* The waiters get the object, pinned for each. */
void store_pull_answer(
    struct reeve_store *store, struct store_object *object, struct reeve_list *waiters);
/* The object is forgotten, because a better one takes its place; those who wait for it move to
 * `waiters`. */
void store_pull_replace(
    struct reeve_store *store, struct store_fetch *fetch, struct reeve_list *waiters);
/* All who wait are told; the object is forgotten. */
void store_pull_fail(
    struct reeve_store *store, struct store_fetch *fetch, int code, const char *text);

/* tell.c: what other nodes must hear. */
struct store_peer *store_peer_get(struct reeve_store *store, uint32_t node);
void store_peer_free(struct reeve_store *store, struct store_peer *peer);
/* Once for all: it is said until it has been heard, or the node is dead. */
void store_tell(struct reeve_store *store, uint32_t node, struct reeve_object_id id);
void store_tell_all(struct reeve_store *store, struct reeve_object_id id);
void store_tell_heard(struct reeve_store *store, uint32_t node, uint64_t number);
void store_tell_reset(struct reeve_store *store, uint32_t node);
void store_tell_tick(struct reeve_store *store);

/* store.c: commands. */
struct reeve_store_command *store_command(
    struct reeve_store *store, enum reeve_store_command_kind kind);
void store_show(struct reeve_store *store, struct store_client *client,
    struct reeve_segment *segment, bool writable);
void store_reply_get(struct reeve_store *store, struct store_client *client, uint32_t request,
    struct store_object *object);
void store_reply_get_failed(struct reeve_store *store, struct store_client *client,
    uint32_t request, struct reeve_object_id id, int code, const char *text);
/* "object 3.7/12": node, serial and sequence. */
void store_object_name(struct reeve_object_id id, char *ret, size_t size);

#endif
