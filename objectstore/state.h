/* The tables of the store core. Only files of this folder include it.
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
    uint64_t call; /* of the heir's, with the answer to which it comes */
    uint32_t attempt;
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
    bool fills; /* one of filling_count */
};

struct store_request {
    struct store_client *client;
    struct store_fetch *fetch;     /* waits for a pull, */
    struct store_restore *restore; /* or for the disk; both NULL: a create */
    uint32_t request;
    uint32_t node, flags; /* of its event, as is the size */
    uint32_t pad;         /* create */
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
    uint32_t filling_count;    /* large grants that are being filled, for which that pauses, */
    uint64_t filling_until_ns; /* but not for longer */
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

#endif
