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
 *                   └── fetch     while it is being pulled: waiters, progress
 *                         ├── sources ── lane    nodes it comes from; all that comes from one node
 *                         ├── pieces             asked for and not answered
 *                         ├── sends              on their way to others already
 *                         └── parked             asked for by others, and not here yet
 *
 * An object's life:
 *
 *     (unknown) ──SEAL──▶ SEALED ──freed by its owner, and the last pin gone──▶ (unknown)
 *         └──GET of something elsewhere──▶ PULLING ──all pieces──▶ SEALED, a copy:
 *                                                                  thrown out when room is needed
 *
 * and that of a primary copy in a store that can spill (flags in brackets):
 *
 *     SEALED ─▶ SEALED [WRITING] ─written─▶ SEALED [ON_DISK] ─room is needed─▶ SPILLED [ON_DISK]
 *                                             ▲                                  │ GET
 *                                             └─read back── RESTORING [ON_DISK] ◀┘
 *
 * What cannot be read back, or is damaged, is PULLING [ON_DISK] while it is fetched from a node
 * that was sent a copy, then SEALED; SPILLED as before if that cannot be.
 *
 * A sealed object that nobody pins is in one of three lists, oldest use first: copies (lru), on
 * disk already (clean), in memory only (dirty). */
#ifndef REEVE_OBJECTSTORE_STATE_H
#define REEVE_OBJECTSTORE_STATE_H

#include <stdlib.h>

#include "objectstore/arena.h"
#include "objectstore/slab.h"
#include "objectstore/store.h"
#include "runtime/base/assert.h"
#include "runtime/base/errors.h"
#include "runtime/base/heap.h"
#include "runtime/base/list.h"
#include "runtime/base/macros.h"
#include "runtime/base/map64.h"

#define STORE_NODE_SIZE    80 /* of "3 (host)" */
#define STORE_SOURCES_MAX  8
#define STORE_SILENCES_MAX 5   /* of a source, one after the other; then it is given up */
#define STORE_WINDOW       16u /* pieces under way from one node */
#define STORE_PROVING      2u  /* from a source from which nothing has come yet */
#define STORE_SMALL_PIECES 4u  /* objects of so many come before larger ones, and are not spread */
#define STORE_PARKED_MAX   4096u
#define STORE_DIRECT_MAX   2u   /* copies that the primary sends itself, if it can be helped */
#define STORE_SLICE        256u /* items a step handles of what can be many */
#define STORE_GONE_MAX     65536u
#define STORE_WORDS_AHEAD  1024u /* sent to a peer and not yet acknowledged, at most */
#define STORE_SHOWN_READ   1
#define STORE_SHOWN_WRITE  2

enum store_object_state {
    STORE_PULLING, /* has a fetch; an extent, once there is room */
    STORE_SEALED,
    STORE_SPILLED,   /* on disk only */
    STORE_RESTORING, /* has a restore */
};

#define STORE_OBJECT_COPY     1u  /* the primary is elsewhere */
#define STORE_OBJECT_FREED    2u  /* lives only as long as its pins */
#define STORE_OBJECT_WRITING  4u  /* to its place on disk */
#define STORE_OBJECT_ON_DISK  8u  /* its place there is good */
#define STORE_OBJECT_ANCHORED 16u /* by its owner, a client: one of pin_total, without a struct */

/* What an extent's `holder` is; the tag has three bits. */
enum store_tag {
    STORE_TAG_GRANT,
    STORE_TAG_OBJECT,
    STORE_TAG_PREPARED,
    STORE_TAG_RETURNING,
    STORE_TAG_BUSY, /* no object's, but still written to or read: a place whose object is gone, a
                       restore, or a wreck; their tickets, which come first, tell which */
};

struct store_object {
    struct reeve_object_id id;
    reeve_process_id owner; /* the process in its id, until that gives it away */
    uint64_t size;
    struct reeve_extent *extent; /* NULL while a pull waits for room */
    union {
        struct reeve_list lru_link;    /* sealed: linked when it is not pinned */
        struct store_fetch *fetch;     /* pulling */
        struct store_restore *restore; /* restoring */
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

struct store_word {
    struct reeve_object_id id;
    reeve_process_id holder;
    uint64_t token;
    enum reeve_store_word kind;
    reeve_process_id heir;
};

struct store_hold_wait {    /* a HOLD or GIVE whose word has not been acknowledged */
    struct reeve_list link; /* in store->hold_waits */
    uint32_t client, request, node;
    struct reeve_object_id id;
    uint64_t number; /* of the word */
};

struct store_peer {
    uint32_t node;
    struct reeve_list copies;
    struct reeve_fifo words;         /* struct store_word: what it has not acknowledged, in order */
    uint64_t word_first;             /* the number of the first of them */
    uint32_t word_sent;              /* so many of them have been sent in this session */
    struct reeve_heap_node deadline; /* while any has: then they are sent again */
    uint64_t word_heard;             /* the number of its latest word that counted */
};

struct store_copy {
    struct store_object *object;
    struct store_peer *peer;
    struct store_copy *next; /* of the object; the latest first */
    struct reeve_list peer_link;
    bool direct;             /* it is sent all that it asks for, by us */
    uint8_t referred_count;  /* to so many others that have been sent it */
    uint16_t children_count; /* so many have been referred to it */
};

struct store_owner {
    reeve_process_id process;
    uint32_t objects; /* latest first; freed ones that are still pinned at the end */
    uint64_t bytes, count;
    uint64_t anchored_bytes;
    struct reeve_list dying_link; /* linked: its objects are going */
    uint64_t due_ns;              /* of nobody, whose node has died: when they go; 0 else */
};

struct store_grant {
    struct reeve_extent *extent;
    struct store_client *client;
    struct reeve_list client_link;
    bool ahead;
};

struct store_request {
    struct store_client *client;
    struct store_fetch *fetch;     /* waits for a pull, */
    struct store_restore *restore; /* or for the disk; both NULL: a create */
    uint32_t request;
    uint32_t pad; /* create */
    uint64_t size;
    uint64_t since_ns;
    struct reeve_list client_link;
    struct reeve_list queue_link; /* in the create queue, or among the waiters */
};

struct store_fetch {
    struct store_object *object;  /* NULL: a wreck */
    struct reeve_extent *extent;  /* of a wreck */
    struct reeve_list link;       /* in store->fetches, in order of arrival, or in store->wrecks */
    struct reeve_list queue_link; /* in store->pull_queue while it waits for room */
    struct reeve_list waiters;
    struct reeve_list sources; /* struct store_source, in the order in which they became known */
    struct reeve_list asked;   /* struct store_piece */
    struct reeve_list sends;   /* struct store_send: from its extent */
    struct reeve_list parked;  /* struct store_parked */
    uint32_t source_count;
    uint32_t parked_count;
    bool size_known;
    bool held;            /* by one who asks: it is there, or its owner has ended */
    bool unsure;          /* a source has failed that may have had it */
    uint32_t silent_node; /* a source that has not answered; 0: none */
    int damage;      /* of a primary, why it is not read from disk; 0: it is a copy that is to be */
    uint8_t *pieces; /* enum store_piece_state; NULL: there is no room yet */
    uint32_t piece_count, here_count;
    uint32_t wanted_count, wanted_from; /* none is wanted before that one */
    uint64_t since_ns;
};

enum store_piece_state { STORE_PIECE_WANTED, STORE_PIECE_ASKED, STORE_PIECE_HERE };

/* A node that has, or is about to have, what is fetched. */
struct store_source {
    struct store_fetch *fetch;
    struct store_lane *lane;
    struct reeve_list link;        /* of the fetch */
    struct reeve_list lane_link;   /* of the lane */
    struct reeve_list hungry_link; /* of the lane: it may be asked for more */
    struct reeve_heap_node deadline;
    uint32_t asked_count;
    uint8_t silence_count; /* one after the other */
    bool proven;           /* a piece has come from it */
    bool referring;        /* it has it, and would rather not send it */
};

/* All that comes from one node. */
struct store_lane {
    uint32_t node;
    struct reeve_list sources;
    struct reeve_list hungry[2]; /* of small objects; of large ones, in turn */
    uint32_t asked_count[2];     /* likewise */
    bool filling; /* large ones are asked for until the window is full, then not until it is half
                     empty: many together */
};

/* Asked for and not answered: the place it goes to is not free until then, whatever happens. */
struct store_piece {
    struct store_fetch *fetch;
    struct store_source *source; /* NULL: given up, the answer is on its way */
    struct reeve_list link;
    uint64_t number;
    uint32_t index; /* STORE_PROBE: only the size is asked for */
};

#define STORE_PROBE UINT32_MAX

/* On its way out: its bytes are not free until the shell says so. */
struct store_send {
    struct store_object *object; /* pinned; NULL: from the extent of a fetch */
    struct store_fetch *fetch;
    struct reeve_list link;
    uint64_t number;
};

struct store_parked {
    struct reeve_list link;
    uint64_t number; /* of the puller's request */
    uint32_t node;
    uint32_t index;
};

struct store_file {
    uint32_t number, folder;
    uint64_t end; /* what is written next is written here */
    uint64_t live_bytes;
    uint32_t kept_count;  /* grains with anything in them: the others have been given back */
    uint32_t grain_count; /* that it may have */
    uint32_t live[];      /* bytes in each grain that are still wanted */
};

struct store_folder {
    const char *name;
    struct store_file *current; /* written to; NULL: the next write begins one */
    uint64_t writing_bytes;
    uint64_t retry_ns;      /* left alone until then */
    uint64_t unreadable_ns; /* the last read failed: so do others, probably, until then */
    int code;               /* why: REEVE_EFULL, or what else has failed; 0: it works */
    char why[48]; /* when it last failed to write or to read: in the disk's words, or ours */
};

/* Of an object on disk; from the moment when it begins to be written. */
struct store_place {
    uint32_t ticket;             /* of the write under way; 0: it is written */
    struct store_object *object; /* NULL: it has gone while it was being written */
    struct reeve_extent *extent; /* its extent, then */
    struct store_file *file;
    uint64_t offset, size;
    uint64_t checksum;
};

struct store_restore {
    uint32_t ticket;              /* of the read under way */
    struct store_object *object;  /* NULL: it has gone meanwhile */
    struct reeve_extent *extent;  /* NULL: it waits for room */
    struct reeve_list queue_link; /* in store->restore_queue, then */
    struct reeve_list waiters;
    struct reeve_fifo asks; /* struct store_ask: pieces that other nodes want */
    uint64_t since_ns;
};

struct store_ask {
    uint32_t node;
    uint64_t offset, length;
    uint64_t number; /* of its request */
};

struct store_client {
    uint32_t handle;
    bool closed;
    bool relaxing; /* it has been asked to let go, and has done nothing since */
    reeve_process_id process;
    struct reeve_list link; /* in store->clients, or store->dying_clients */
    struct reeve_arena arena;
    struct reeve_list idle_whole; /* empty segments for one object, latest first */
    struct reeve_list grants;
    uint32_t ahead_count; /* of these, those that it does not need yet */
    uint32_t pins;        /* the one that stands for the client */
    struct reeve_list requests;
    struct reeve_map64 shown;
    bool has_reserve;       /* one of its segments is */
    uint32_t ahead_segment; /* where it last touched cold pages */
    uint64_t ahead_bytes;   /* so much is to be prepared there; */
    uint64_t ahead_ready;   /* so much has been */
};

#define STORE_RETURNING_MAX 64
#define STORE_BLOCK_SIZE    ((uint64_t)REEVE_ARENA_BLOCK_GRAINS * REEVE_STORE_GRAIN)

struct reeve_store {
    struct reeve_store_settings settings;
    uint64_t now_ns;
    struct reeve_fifo *out; /* during a step */

    struct store_client *daemon;
    struct reeve_list clients, dying_clients;
    struct reeve_map64 client_by_handle, client_by_process;

    struct reeve_slab objects, pins, extents;
    uint32_t *table, *table_old;         /* table_old: while it moves over, NULL else */
    uint32_t table_size, table_old_size; /* powers of two */
    uint32_t table_old_next;             /* what lies before has moved */
    uint32_t object_count;
    struct reeve_map64 owners; /* those with objects here */
    struct reeve_list dying_owners;
    struct reeve_map64 gone, gone_nodes;
    struct reeve_map64 hosts; /* char *, by node; of dead ones, too */
    struct reeve_map64 peers;
    struct reeve_list lru, clean, dirty; /* what is not pinned, oldest use first */

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
    bool room_coming;                            /* they are enough for who is first in the queue */
    uint64_t return_now_bytes, return_period_ns; /* so much may be given back at once */
    uint32_t segment_last, segment_serial;
    struct reeve_fifo free_numbers; /* uint32_t, of dropped segments */

    struct reeve_list create_queue, pull_queue, restore_queue, fetches, wrecks;
    struct reeve_map64 lanes, pieces, sends;
    uint64_t piece_last, send_last;
    uint64_t wreck_bytes;
    struct reeve_heap source_deadlines, word_deadlines;
    uint64_t queue_deadline_ns;
    bool room_changed; /* what waits for room is worth another look */

    struct reeve_map64 held;    /* objects that lie here: by a key of their id */
    struct reeve_map64 holders; /* by process */
    struct reeve_list hold_waits;
    uint64_t hold_count;
    struct reeve_map64 disclaims; /* by a key of what is disclaimed, and by whom */
    struct reeve_list disclaims_oldest;
    uint32_t disclaim_count;
    uint64_t orphans_due_ns; /* when copies whose primary's node has died are to go */

    struct store_folder folders[REEVE_STORE_FOLDERS_MAX];
    struct reeve_map64 files;         /* by number */
    struct reeve_map64 places;        /* by the address of their object, while it has one */
    struct reeve_map64 writes, reads; /* places and restores by ticket */
    uint32_t file_last, ticket_last;
    bool spilling;                    /* above the mark, and not yet well below it again */
    uint64_t writing_bytes;           /* of extents being written */
    uint64_t reading_bytes;           /* of extents being read into */
    uint64_t largest_bytes;           /* of extents of what is on disk, since there was nothing */
    uint64_t detached_bytes;          /* of extents being written though their objects are gone */
    bool limited;                     /* nothing was written because of the limit */
    uint64_t kept_grains, live_bytes; /* on disk */
    uint64_t progress_ns;             /* when the disk last moved anything */
    uint64_t written_count, written_bytes, restored_count, restored_bytes;
    uint64_t spill_failed_count, spill_damaged_count, spill_mended_count;

    uint64_t committed_bytes, growth_bytes;
    uint64_t unsealed_bytes, pinned_bytes, anchored_bytes, copy_bytes, pin_count;
    uint64_t object_bytes; /* of extents of objects */
    uint64_t idle_bytes;   /* of those that can be dropped at once: in `lru` and `clean` */
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
/* Loses it, for a place on disk; with that the object is spilled. */
void store_object_drop(struct reeve_store *store, struct store_object *object);
/* Out of all tables; its extent is free. It has no pins, no fetch and no restore. */
void store_object_remove(struct reeve_store *store, struct store_object *object);
void store_pin(struct reeve_store *store, struct store_object *object, struct store_client *client);
/* False: the client holds none. */
bool store_unpin(
    struct reeve_store *store, struct store_object *object, struct store_client *client);
/* The client's pin that has been there longest; NULL: it holds none. */
struct store_pin *store_pin_first(
    const struct reeve_store *store, const struct store_client *client);
void store_pin_drop(struct reeve_store *store, struct store_pin *pin);
/* For its owner. Once, however often it is said. */
void store_anchor(struct reeve_store *store, struct store_object *object);
/* False: it is not anchored. */
bool store_unanchor(struct reeve_store *store, struct store_object *object);
/* The pins are gone, or the object has just become a copy: where does it belong now? */
void store_object_settle(struct reeve_store *store, struct store_object *object);
struct store_copy *store_copy_note(
    struct reeve_store *store, struct store_object *object, uint32_t node);
/* It is in no list of what is not pinned, until it settles again. */
void store_object_unlist(struct reeve_store *store, struct store_object *object);
void store_copies_drop(struct store_object *object);
/* Its owner needs it no more, or is gone (code: what those who wait for it are told). Nodes with
 * copies are told, but not except_node; by the primary only, which knows them all, and whether
 * somebody holds it. */
void store_object_free(
    struct reeve_store *store, struct store_object *object, uint32_t except_node, int code);
/* `pin`: where its owner had anchored it, it has a pin instead. `teller`: the node that says so,
 * which knows that we have it. */
void store_object_give(struct reeve_store *store, struct store_object *object,
    reeve_process_id heir, bool pin, uint32_t teller);
bool store_owner_is_gone(const struct reeve_store *store, reeve_process_id process);
void store_owner_gone(struct reeve_store *store, reeve_process_id process);
/* Who owns a copy of what was given away and lies on that node, as far as is known here: nobody. */
static inline reeve_process_id store_nobody(uint32_t node)
{
    return reeve_process_id_make(node, 0);
}
static inline bool store_is_nobody(reeve_process_id process)
{
    return (uint32_t)process == 0;
}
/* A node has died: copies of what lay there and was nobody's serve those who still want them for a
 * while, then they go. */
void store_orphans_begin(struct reeve_store *store, uint32_t node);
void store_orphans_tick(struct reeve_store *store);
/* One slice of what the dead have left; true: there is more. */
bool store_bury_owners(struct reeve_store *store);

/* room.c: extents for objects; what is done when there are none. */
/* NULL: not now. */
struct reeve_extent *store_room_take(
    struct reeve_store *store, struct store_client *client, uint64_t bytes);
/* What nobody needs yet: more than that where it is cold, up to the end of a block, so that its
 * writer can touch whole blocks. */
struct reeve_extent *store_room_take_ahead(
    struct reeve_store *store, struct store_client *client, uint64_t bytes);
void store_room_release(struct reeve_store *store, struct reeve_extent *extent);
/* Something of it has been taken: it is not idle, and must not be dropped. */
void store_room_busy(struct reeve_store *store, struct reeve_segment *segment);
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
void store_queue_restore(struct reeve_store *store, struct store_restore *restore);
bool store_queue_is_empty(const struct reeve_store *store);
void store_queue_serve(struct reeve_store *store);
void store_queue_tick(struct reeve_store *store);
/* Whoever anchors something, or has been granted room ahead, is asked to let go of so much. */
void store_relax(struct reeve_store *store, uint64_t bytes);
struct store_request *store_request_add(struct reeve_store *store, struct store_client *client,
    uint32_t number, struct store_fetch *fetch, struct store_restore *restore);
void store_request_free(struct store_request *request);
/* Tells all who wait for the object that it cannot be had. */
void store_requests_fail(struct reeve_store *store, struct reeve_list *waiters,
    struct reeve_object_id id, int code, const char *text);

/* pull.c: objects on their way here. */
void store_pull_get(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event);
/* A primary that is damaged on disk is fetched from nodes that were sent it, and goes to those who
 * wait for the restore, which ends. False: no other node has it. */
bool store_pull_mend(struct reeve_store *store, struct store_restore *restore, int damage);
void store_pull_placed(struct reeve_store *store, struct store_fetch *fetch);
/* The size has become known, or a piece is here. */
void store_pull_sized(struct reeve_store *store, struct store_fetch *fetch, uint64_t size);
void store_pull_landed(struct reeve_store *store, struct store_fetch *fetch, uint32_t index);
/* Nothing is left to hold the extent of what may be a wreck: then it goes. */
void store_pull_settle(struct reeve_store *store, struct store_fetch *fetch);
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

/* source.c: what is asked of which node. */
void store_source_add(struct reeve_store *store, struct store_fetch *fetch, uint32_t node);
void store_sources_drop(struct reeve_store *store, struct store_fetch *fetch);
/* Something has changed: asks for as much as may be asked for. */
void store_sources_ask(struct reeve_store *store, struct store_fetch *fetch);
void store_source_answer(struct reeve_store *store, const struct reeve_store_event *event);
/* The answer will take a while. */
void store_source_busy(struct reeve_store *store, uint64_t number);
/* That node asks for the object itself: what is damaged here is not to be had there. */
void store_source_lacks(struct reeve_store *store, struct store_fetch *fetch, uint32_t node);
void store_source_peer_down(struct reeve_store *store, uint32_t node);
void store_source_tick(struct reeve_store *store);
static inline uint64_t store_piece_offset(const struct reeve_store *store, uint32_t index)
{
    return index * (uint64_t)store->settings.piece_size_bytes;
}
static inline uint64_t store_piece_length(
    const struct reeve_store *store, uint64_t size, uint32_t index)
{
    uint64_t offset = store_piece_offset(store, index);
    return REEVE_MIN(size - offset, (uint64_t)store->settings.piece_size_bytes);
}
static inline bool store_is_small(const struct reeve_store *store, uint64_t size)
{
    return size <= store->settings.piece_size_bytes * (uint64_t)STORE_SMALL_PIECES;
}

/* serve.c: what other nodes ask for. */
void store_serve_pull(struct reeve_store *store, const struct reeve_store_event *event);
void store_serve_sent(struct reeve_store *store, uint64_t number);
/* What has been asked for while the object was on disk; it is in memory now, or (code) will not
 * be. */
void store_serve_ask(
    struct reeve_store *store, struct store_object *object, const struct store_ask *ask, int code);
/* A piece is here: those who wait for it get it. */
void store_serve_parked(struct reeve_store *store, struct store_fetch *fetch, uint32_t index);
/* It will never be here. */
void store_serve_refuse(struct reeve_store *store, struct store_fetch *fetch);
/* What goes out of the extent of the fetch goes out of the object from now on. */
void store_serve_sealed(
    struct reeve_store *store, struct store_fetch *fetch, struct store_object *object);
/* That node has forgotten what it asked for. */
void store_serve_forget(struct reeve_store *store, uint32_t node);
/* spill.c: what goes to disk and when. */
void store_spill_init(struct reeve_store *store);
void store_spill_fini(struct reeve_store *store); /* after all objects are gone */
static inline bool store_can_spill(const struct reeve_store *store)
{
    return store->settings.spill_folder_count > 0;
}
/* Something has gone from disk: folders that were full are tried again. */
void store_spill_space(struct reeve_store *store);
/* Begins what should be written now. */
void store_spill_pump(struct reeve_store *store);
void store_spill_written(struct reeve_store *store, const struct reeve_store_event *event);
/* So much more leaves room for what is to be read back. */
bool store_spill_may_create(const struct reeve_store *store, uint64_t bytes);
/* Something is being written or could be: room may come of it. */
bool store_spill_can_move(const struct reeve_store *store);
/* In the disk's own words; NULL: nothing is known. */
void store_folder_why(struct reeve_store *store, uint32_t folder, const char *why);
/* When a folder that has failed is tried again, if anything waits for that; else UINT64_MAX. */
uint64_t store_spill_deadline(const struct reeve_store *store);
/* "and /var/tmp is full" or nothing; the length. */
int store_spill_describe(const struct reeve_store *store, char *text, size_t size);
uint32_t store_spill_failed_folders(const struct reeve_store *store);

/* place.c: where in which file. */
/* In the folder's current file or a new one; NULL: the limit is reached. */
struct store_place *store_place_take(
    struct reeve_store *store, struct store_object *object, uint32_t folder);
/* It is needed no more, and forgotten. */
void store_place_free(struct reeve_store *store, struct store_place *place);
struct store_place *store_place_find(
    const struct reeve_store *store, const struct store_object *object);
/* The object is going, or what is on disk of it is not wanted any more. */
void store_place_leave(struct reeve_store *store, struct store_object *object);
/* Nothing more is written to the folder's file. */
void store_file_end(struct reeve_store *store, uint32_t folder);
const char *store_place_check(const struct reeve_store *store);

/* restore.c: the way back. */
void store_restore_get(struct reeve_store *store, struct store_client *client, uint32_t request,
    struct store_object *object);
/* A node wants a piece of an object that is not in memory. */
void store_restore_ask(
    struct reeve_store *store, struct store_object *object, const struct reeve_store_event *event);
/* It has got its room. */
void store_restore_placed(
    struct reeve_store *store, struct store_restore *restore, struct reeve_extent *extent);
void store_restore_read(struct reeve_store *store, const struct reeve_store_event *event);
/* All who wait are told; the object is spilled as before. */
void store_restore_fail(
    struct reeve_store *store, struct store_object *object, int code, const char *text);
/* Why it cannot be had, for people. */
void store_restore_describe(const struct reeve_store *store, const struct store_object *object,
    int damage, char *text, size_t size);
/* It waits for room that nothing will give, to be read from where nothing can be read. */
bool store_restore_is_hopeless(
    const struct reeve_store *store, const struct store_restore *restore);
/* Those who wait are told what the disk said last. */
void store_restore_despair(struct reeve_store *store, struct store_restore *restore);
/* Its place in memory has been taken from it, or (NULL) from its restore. */
void store_restore_end(struct store_restore *restore);
/* One who waited does so no more. */
void store_restore_unwanted(struct reeve_store *store, struct store_restore *restore);
/* It has come otherwise: those who wait move to `waiters`; the object has no restore any more. */
void store_restore_replace(
    struct reeve_store *store, struct store_object *object, struct reeve_list *waiters);

/* tell.c: what other nodes must hear. */
struct store_peer *store_peer_get(struct reeve_store *store, uint32_t node);
void store_peer_free(struct reeve_store *store, struct store_peer *peer);
/* Once for all: it is said until it has been heard, or the node is dead. */
void store_tell(struct reeve_store *store, uint32_t node, struct reeve_object_id id);
/* The same, with its number. */
uint64_t store_tell_word(struct reeve_store *store, uint32_t node, const struct store_word *word);
void store_tell_all(struct reeve_store *store, struct reeve_object_id id);
/* A word of that node that has not been heard before, by its number; 0: it has none. */
bool store_tell_is_news(struct reeve_store *store, uint32_t node, uint64_t word);
void store_tell_heard(struct reeve_store *store, uint32_t node, uint64_t number);
void store_tell_reset(struct reeve_store *store, uint32_t node);
void store_tell_tick(struct reeve_store *store);

/* status.c: in extents, of objects and of grants. */
uint64_t store_used_bytes(const struct reeve_store *store);
/* hold.c: who needs an object besides its owner. */
void store_hold(
    struct reeve_store *store, struct reeve_object_id id, reeve_process_id holder, uint64_t token);
/* The hold is the heir's from now on, who may be of a node that does not know that we have
 * something of its; `from` does. Where there is no such hold, this has been heard before. */
void store_hold_move(struct reeve_store *store, struct reeve_object_id id, reeve_process_id holder,
    uint64_t token, reeve_process_id heir, uint32_t from);
/* The node of that process is told that we have something of it. */
void store_watch(struct reeve_store *store, reeve_process_id process);
/* That node has something of one of our processes. */
void store_watched(struct reeve_store *store, uint32_t node, reeve_process_id process);
void store_unhold(
    struct reeve_store *store, struct reeve_object_id id, reeve_process_id holder, uint64_t token);
/* Its owner needs it no more. True: others do, and it goes with the last of them. */
bool store_hold_defers(struct reeve_store *store, const struct store_object *object);
void store_holder_gone(struct reeve_store *store, reeve_process_id process);
void store_hold_peer_down(struct reeve_store *store, uint32_t node);
/* A client asks to hold; it is answered when the node where the object lies knows. */
void store_hold_ask(
    struct reeve_store *store, const struct reeve_store_event *event, reeve_process_id holder);
/* Says the word to another node; whoever asked is answered when that has heard it. */
void store_hold_say(struct reeve_store *store, const struct reeve_store_event *event,
    const struct store_word *word);
void store_hold_answer(
    struct reeve_store *store, struct store_hold_wait *wait, int code, const char *text);
void store_hold_heard(struct reeve_store *store, uint32_t node, uint64_t number);
void store_hold_closed(struct reeve_store *store, uint32_t client);
void store_hold_fini(struct reeve_store *store);
const char *store_hold_check(const struct reeve_store *store);

/* disclaim.c: what an heir has let go of before it was its own. */
void store_disclaims_init(struct reeve_store *store);
void store_disclaims_fini(struct reeve_store *store);
/* The heir needs it no more, nor the hold of that token (0: the object), which are not its own. */
void store_disclaim(
    struct reeve_store *store, struct reeve_object_id id, reeve_process_id heir, uint64_t token);
/* It is the heir's from now on. True: that has let go of it already; once. */
bool store_disclaimed(
    struct reeve_store *store, struct reeve_object_id id, reeve_process_id heir, uint64_t token);
/* Some heirs are gone. */
void store_disclaims_sweep(struct reeve_store *store);

/* store.c: commands. */
void store_reply_seal(struct reeve_store *store, const struct reeve_store_event *event,
    const struct store_object *object, int code, const char *text);
struct reeve_store_command *store_command(
    struct reeve_store *store, enum reeve_store_command_kind kind);
void store_show(struct reeve_store *store, struct store_client *client,
    struct reeve_segment *segment, bool writable);
void store_reply_get(struct reeve_store *store, struct store_client *client, uint32_t request,
    struct store_object *object);
void store_reply_get_failed(struct reeve_store *store, struct store_client *client,
    uint32_t request, struct reeve_object_id id, int code, const char *text);
/* "3 (host)", as far as that is known. */
void store_node_name(const struct reeve_store *store, uint32_t node, char *ret, size_t size);
/* "object 3.7/12": node, serial and sequence. */
void store_object_name(struct reeve_object_id id, char *ret, size_t size);

#endif
