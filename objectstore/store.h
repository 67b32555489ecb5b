/* The object store of a node: a pure core that decides where objects lie, who holds them, what is
 * thrown out, and what is fetched from other nodes. It sees no memory but its own tables: the bytes
 * lie in segments (memfds) that its shell makes, maps and passes to the processes of the node.
 *
 *     reeve_store_step(store, now_ns, &event, &out);   one thing has happened; what is to be done
 *                                                      goes to `out`
 *     reeve_store_run_some(store, now_ns, &out)        again and again while true: step has left
 *                                                      work over (one with many pins has died)
 *     deadline = reeve_store_deadline(store);          step with REEVE_STORE_TICK then
 *
 * Commands must be carried out in order, before anything further is taken from a client or a peer:
 * their places in segments are good until then. A client is a process of this node, named by a
 * handle that the shell chooses and does not use again; handle 0, REEVE_STORE_DAEMON, is the daemon
 * itself: what it gets it pins as any client would (the arguments of a task that it stages), and
 * what is pulled from other nodes lies in segments that only it writes.
 *
 *  event          fields                     meaning
 *  -------------- -------------------------- ----------------------------------------------------
 *  NODE           node                       our node number, once the head has given it
 *  HOST           node text                  what that node's machine is called, for people
 *  MEMORY         size                       the machine has this much to spare: the store may
 *                                            grow by so much until the next word (before the
 *                                            first, by as much as it likes)
 *  CLIENT_ADDED   client process
 *  CLIENT_HUNGRY  client                     it is likely to put much, and soon
 *  CLIENT_CLOSED  client                     it hung up or is being killed: nothing it waits for
 *                                            is answered any more, but all it holds stays, because
 *                                            it may still be able to touch it
 *  CLIENT_REAPED  client                     the process is gone: pins, unsealed extents and its
 *                                            objects go
 *  CREATE         client request size skew   room for an object. (offset + skew) will be a
 *                 flags                      multiple of 64: skew is the size of what comes before
 *                                            the bytes that want to be aligned. flags: AHEAD
 *  SEAL           client request id segment  the extent is complete and becomes the object; flags:
 *                 offset size flags          PIN, ANCHOR, KEEP_REST, SILENT. Sealing an object that
 *                                            is here already changes nothing
 *  ABORT          client segment offset      an extent that is not needed after all
 *  GET            client request id size     wants to read; size (0: not known) and node (0: not
 *                 node flags                 known) say what and where the object is, where it is
 *                                            not here. flags: GIVEN; HELD: by the one who asks,
 *                                            for whom it is there, or its owner has ended
 *  CANCEL         client request             a GET or CREATE whose answer is not wanted any more.
 *                                            If it has been answered already, nothing happens
 *  UNPIN          client id flags            one pin less; or (ANCHOR) its owner lets go
 *  FREE           client id node flags       by its owner. node: where the primary copy is, if not
 *                                            here; flags: GIVEN, or STRAY
 *  HOLD           client request id node     lent to this process, which will need it beyond the
 *                 number heir call attempt   loan: it exists until FREE with flag HELD and the same
 *                                            number, or its owner's death. heir: not this process,
 *                                            but that one, as if it had said so, with the answer to
 *                                            that attempt of that call of the heir's. Answered with
 *                                            REPLY_SEAL
 *  GIVE           client request id node     by its owner: it is `process`'s from now on, and keeps
 *                 process flags call         its id. Answered with REPLY_SEAL, when the node where
 *                 attempt                    it lies knows. flags: GIVEN; ANCHOR: the giver had
 *                                            anchored it, and has a pin. call, attempt: as in HOLD
 *  PEER_FREE      node id word flags         the same, from a node that knows we have a copy. word:
 *                                            its number, by which it counts only once; so with the
 *                                            next two. flags: STRAY
 *  PEER_HOLD      node id process number     HOLD (or, flags HELD, its end) by a process elsewhere;
 *                 flags heir call attempt    heir: that hold is the heir's from now on
 *                 word
 *  PEER_GIVE      node id process call       GIVE, from another node
 *                 attempt word
 *  PEER_GIVEN     node id process number     what that node has is `process`'s now, one of ours:
 *                 call attempt word          it is told (TELL_HEIR), and the node
 *                                            when it dies
 *  PEER_FREED     node number                it has heard all that we have told it up to that
 *  PEER_PULL      node id offset length      a node wants a piece, or (length 0) to know the size;
 *                 number flags               number: its name for this. flags: INSIST. Answered
 *                                            with SEND_CHUNK
 *  PEER_CHUNK     number size length code    the answer to SEND_PULL: the piece lies in its place
 *                 other                      (size: of the whole object), or will not come. Once
 *                                            for each SEND_PULL, whatever happens, and only when
 *                                            nothing is written to its place any more. Codes:
 *                                            ELINK, ECANCELLED (ask again), EAGAIN (other, a node,
 *                                            is to be asked instead), ESYSTEM (there is no memory
 *                                            for its place), ECORRUPT (it is damaged there), any
 *                                            other: that node does not have it.
 *                                            other with code 0: has it too
 *  PEER_BUSY      number                     of a SEND_PULL: its answer will take a while. Before
 *                                            that, and any number of times
 *  SENT           number                     the answer to SEND_CHUNK with code 0: its bytes are
 *                                            not read any more, wherever they have got
 *  PEER_RESET     node                       a new session, or a new node: what was said may be
 *                                            lost, and is said again. What was asked for, the
 *                                            shell answers (ELINK)
 *  PEER_DOWN      node                       dead for ever, and all owners that lived there
 *  OWNER_GONE     process                    an owner elsewhere is dead, or its job is over: its
 *                                            objects go
 *  SEGMENT_       segment offset code        SEGMENT_PREPARE has been done, or could not be
 *   PREPARED
 *  SEGMENT_       segment offset code        SEGMENT_RETURN has been done, or could not be
 *   RETURNED
 *  SPILL_WRITTEN  request code number text   a SPILL_WRITE has ended; number: the checksum. Code
 *                                            not 0: nothing of it counts, and its folder is left
 *                                            alone for a while. text: the disk's own word for it
 *  SPILL_READ_    request code text          a SPILL_READ has ended; REEVE_ECORRUPT: not with the
 *   DONE                                     bytes that were written
 *  TICK           -                          time has passed
 *
 *  command        fields                     what the shell does
 *  -------------- -------------------------- ----------------------------------------------------
 *  SEGMENT_CREATE segment size               makes a memfd of that size, sealed against shrinking
 *                                            and growing
 *  SEGMENT_SHOW   client segment serial      passes it to the client, always before the first
 *                 size writable              command that names it there
 *  SEGMENT_HIDE   client segment             tells the client to unmap it
 *  SEGMENT_PUNCH  segment offset length      gives the pages back (multiples of
 *                                            REEVE_STORE_GRAIN); nobody has a claim on them
 *  SEGMENT_RETURN segment offset length      the same, somewhere in the background; several at a
 *                                            time, each answered by SEGMENT_RETURNED. Until then
 *                                            the pages count as touched
 *  SEGMENT_DROP   segment                    gives all pages back (there are few) and closes
 *  SEGMENT_       segment offset length      touches the pages, for the first time, somewhere in
 *   PREPARE                                  the background; one at a time, answered by
 *                                            SEGMENT_PREPARED
 *  SEGMENT_READY  client segment offset      tells the writer that these pages have been: it may
 *                 length                     map them before it needs them
 *  REPLY_CREATE   client request code        answer to CREATE
 *                 segment offset size text
 *  REPLY_SEAL     client request code id     answer to SEAL: from now on the object is known here,
 *                 segment serial offset      at that place; anchored: for its owner
 *                 anchored text
 *  RELAX          client size                there is too little room: the client is to let go of
 *                                            so much that it has anchored and does not use, and
 *                                            to give back what it was granted ahead
 *  OVER           client id                  an actor of the client's, which has said FREE of it:
 *                                            nobody else holds it any more
 *  TELL_HEIR      client id node token call  the object, or (token not 0) that hold on it, which
 *                 attempt                    lies on that node, has become the client's, and comes
 *                                            with the answer to that attempt of that call of its:
 *                                            once for each gift, whatever has become of the answer
 *  REPLY_GET      client request code id     answer to GET; with code 0 the client now has one pin
 *                 segment offset size text   more
 *  SEND_PULL      node id offset length      asks a node for a piece, which is to be written to
 *                 number segment place       `segment` from `place` on; length 0: only for its
 *                 insist                     size. Answered by PEER_CHUNK
 *  DROP_PULL      number                     it is not wanted any more: to be answered soon
 *  SEND_CHUNK     node id offset size        answers a node's PEER_PULL of that number with bytes
 *                 number serial code other   of `segment` from `place` on (code not 0: none).
 *                 segment place length       Answered by SENT with `serial` as its number, but not
 *                                            where that is 0. Code EAGAIN: with other, it is to
 *                                            ask that node; without, this is not the answer, but
 *                                            tells it that it will take a while
 *  SEND_FREE      node id number             PEER_FREE there, or (sequence REEVE_STORE_ALL)
 *                                            OWNER_GONE: that process could own objects there, and
 *                                            is dead; or, by `word`, with flag STRAY, PEER_HOLD of
 *                                            process, token and heir, PEER_GIVE or PEER_GIVEN (with
 *                                            call and attempt). Said again until PEER_FREED answers
 *                                            its number
 *  SPILL_WRITE    request id segment offset  writes `length` bytes to the file at `place`; a number
 *                 length file folder place   seen for the first time is a new file in that folder
 *  SPILL_READ     request id segment offset  reads them back, and compares with the checksum
 *                 length file folder place   (number)
 *                 number
 *  SPILL_PUNCH    file place length          that much of the file is needed no more
 *  SPILL_CLOSE    file                       none of it is
 *
 * Writes and reads take their time and may end in any order; the places in memory that they name
 * stay theirs until they have ended.
 *
 * Own tables are small and Linux hands out small memory without fail: a failing malloc is an
 * assert. */
#ifndef REEVE_OBJECTSTORE_STORE_H
#define REEVE_OBJECTSTORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/fifo.h"
#include "runtime/base/ids.h"

#define REEVE_STORE_DAEMON      0u
#define REEVE_STORE_ALIGN       64u          /* of every object, before skew */
#define REEVE_STORE_GRAIN       (64u << 10)  /* memory is counted, and given back, in grains */
#define REEVE_STORE_CHUNK_SIZE  (512u << 10) /* a piece on its way between nodes */
#define REEVE_STORE_TEXT_SIZE   200
#define REEVE_STORE_FOLDERS_MAX 16u
#define REEVE_STORE_ALL         UINT64_MAX /* as a sequence: all objects of the owner */

enum reeve_store_event_kind {
    REEVE_STORE_TICK,
    REEVE_STORE_NODE,
    REEVE_STORE_HOST,
    REEVE_STORE_MEMORY,
    REEVE_STORE_CLIENT_ADDED,
    REEVE_STORE_CLIENT_HUNGRY,
    REEVE_STORE_CLIENT_CLOSED,
    REEVE_STORE_CLIENT_REAPED,
    REEVE_STORE_CREATE,
    REEVE_STORE_SEAL,
    REEVE_STORE_ABORT,
    REEVE_STORE_GET,
    REEVE_STORE_CANCEL,
    REEVE_STORE_UNPIN,
    REEVE_STORE_FREE,
    REEVE_STORE_GIVE,
    REEVE_STORE_HOLD,
    REEVE_STORE_PEER_FREE,
    REEVE_STORE_PEER_HOLD,
    REEVE_STORE_PEER_GIVE,
    REEVE_STORE_PEER_GIVEN,
    REEVE_STORE_PEER_FREED,
    REEVE_STORE_PEER_PULL,
    REEVE_STORE_PEER_CHUNK,
    REEVE_STORE_PEER_BUSY,
    REEVE_STORE_SENT,
    REEVE_STORE_PEER_RESET,
    REEVE_STORE_PEER_DOWN,
    REEVE_STORE_OWNER_GONE,
    REEVE_STORE_SEGMENT_PREPARED,
    REEVE_STORE_SEGMENT_RETURNED,
    REEVE_STORE_SPILL_WRITTEN,
    REEVE_STORE_SPILL_READ_DONE,
    REEVE_STORE_EVENT_KIND_COUNT
};

#define REEVE_STORE_PIN 1u /* SEAL: the creator holds a pin */
/* SEAL: its owner, if that is a process of this node, anchors it. That is a pin of which an object
 * has at most one; it ends with UNPIN (ANCHOR), with GIVE, with FREE, and with the owner. */
#define REEVE_STORE_ANCHOR 2u
#define REEVE_STORE_KEEP_REST \
    4u /* SEAL: what is left of the extent stays granted; it starts at the next multiple of 64 */

/* GET, FREE, GIVE: it was given away; its owner is not the process in its id, which may be gone */
#define REEVE_STORE_GIVEN 8u
/* FREE, PEER_FREE: only what an attempt that was lost has left on that node under the object's
 * name; the object itself lies elsewhere, if there is one */
#define REEVE_STORE_STRAY 128u
/* PEER_PULL: to be sent by us, as those it was referred to failed it */
#define REEVE_STORE_INSIST 32u
/* FREE: not by its owner, but by one that held it: `number` as in its HOLD. GET: the same asks */
#define REEVE_STORE_HELD 16u

/* What SEND_FREE says. */
enum reeve_store_word {
    REEVE_STORE_WORD_FREE,   /* PEER_FREE */
    REEVE_STORE_WORD_STRAY,  /* the same, flags STRAY */
    REEVE_STORE_WORD_HOLD,   /* PEER_HOLD of process, token */
    REEVE_STORE_WORD_UNHOLD, /* the end of that */
    REEVE_STORE_WORD_MOVE,   /* PEER_HOLD of process, token, with an heir */
    REEVE_STORE_WORD_GIVE,   /* PEER_GIVE to process */
    REEVE_STORE_WORD_GIVEN,  /* PEER_GIVEN: process, token */
};

/* SEAL: nobody waits for an answer */
#define REEVE_STORE_SILENT 32u

/* CREATE: nobody needs it yet. It does not wait: REEVE_EAGAIN when there is no room to spare. What
 * KEEP_REST leaves is of this kind, too. */
#define REEVE_STORE_AHEAD 64u

struct reeve_store_event {
    enum reeve_store_event_kind kind;
    uint32_t client;
    uint32_t request;
    uint32_t node;
    uint32_t segment;
    uint32_t flags;
    uint32_t skew;
    uint32_t other;
    int32_t code;
    reeve_process_id process;
    reeve_process_id heir;
    struct reeve_object_id id;
    uint64_t offset;
    uint64_t size;
    uint64_t length;
    uint64_t number;
    uint64_t word;
    uint64_t call;
    uint32_t attempt;
    const char *text; /* of SPILL_… and HOST, while the step lasts; NULL: nothing to say */
};

enum reeve_store_command_kind {
    REEVE_STORE_SEGMENT_CREATE = 1,
    REEVE_STORE_SEGMENT_SHOW,
    REEVE_STORE_SEGMENT_HIDE,
    REEVE_STORE_SEGMENT_PUNCH,
    REEVE_STORE_SEGMENT_DROP,
    REEVE_STORE_REPLY_CREATE,
    REEVE_STORE_REPLY_SEAL,
    REEVE_STORE_REPLY_GET,
    REEVE_STORE_SEND_PULL,
    REEVE_STORE_DROP_PULL,
    REEVE_STORE_SEND_CHUNK,
    REEVE_STORE_SEND_FREE,
    REEVE_STORE_SEGMENT_PREPARE,
    REEVE_STORE_SEGMENT_READY,
    REEVE_STORE_SEGMENT_RETURN,
    REEVE_STORE_SPILL_WRITE,
    REEVE_STORE_SPILL_READ,
    REEVE_STORE_SPILL_PUNCH,
    REEVE_STORE_SPILL_CLOSE,
    REEVE_STORE_RELAX,
    REEVE_STORE_OVER,
    REEVE_STORE_TELL_HEIR,
    REEVE_STORE_COMMAND_KIND_COUNT
};

struct reeve_store_command {
    enum reeve_store_command_kind kind;
    uint32_t client;
    uint32_t request;
    uint32_t node;
    uint32_t segment;
    uint32_t other;
    uint32_t file, folder;
    int32_t code;
    bool writable;
    bool anchored;
    uint32_t segment_serial; /* numbers of segments come back, serials do not */
    bool insist;
    reeve_process_id process;
    struct reeve_object_id id;
    uint64_t offset; /* in the segment; of SEND_PULL and SEND_CHUNK: in the object */
    uint64_t place;  /* of SEND_PULL and SEND_CHUNK: in the segment; of SPILL_…: in the file */
    uint64_t size;
    uint64_t length;
    uint64_t number; /* of SEND_FREE: counts from 1 for each node; of SPILL_READ: the checksum */
    uint64_t serial;
    enum reeve_store_word word; /* of SEND_FREE */
    reeve_process_id heir;
    uint64_t token;
    uint64_t call;
    uint32_t attempt;
    char text[REEVE_STORE_TEXT_SIZE]; /* why, for people, where code is not 0 */
};

/* Zero means the default. */
struct reeve_store_settings {
    uint64_t capacity_bytes;     /* no default; rounded down to grains */
    uint64_t segment_size_bytes; /* 64 MiB; larger objects than a quarter get their own */
    uint32_t node;               /* may come later, by event */
    uint64_t segment_idle_ns;    /* 30 s: an empty segment is kept warm for so long */
    uint32_t piece_size_bytes;   /* REEVE_STORE_CHUNK_SIZE; smaller in tests */
    uint64_t pull_wait_ns;  /* 2 s without a piece: asked again, or another; five times at most */
    uint64_t full_grace_ns; /* 100 ms: when all who hold memory wait for memory themselves */
    bool prefault;          /* touch all memory at the start, and keep it */
    uint64_t ahead_bytes;   /* 0: none; how much is prepared ahead of a writer, at most */
    uint64_t return_now_bytes; /* 4 MiB: so many pages are given back at once, in 10 ms */
    /* 30 s: the longest that a CREATE or GET waits for memory, since the disk last moved anything
     */
    uint64_t full_wait_ns;

    /* Where primary copies go that memory has no room for; none: they stay. The names are for
     * people, and must live as long as the store. */
    const char *const *spill_folders;
    uint32_t spill_folder_count; /* at most REEVE_STORE_FOLDERS_MAX */
    uint64_t spill_limit_bytes;  /* of all files together; 0: what the disks hold */
    uint64_t spill_file_bytes;   /* 1 GiB: then another is begun */
    uint64_t spill_window_bytes; /* 32 MiB, an eighth of the capacity: under way to disk at once */
    uint64_t spill_retry_ns;     /* 10 s: a folder that has failed is left alone for so long */
};

struct reeve_store;

struct reeve_store *reeve_store_create(const struct reeve_store_settings *settings);
/* Takes NULL. Returns NULL. */
struct reeve_store *reeve_store_free(struct reeve_store *store);

/* `out` is a fifo of struct reeve_store_command; commands are added at its end. now_ns never goes
 * back. */
void reeve_store_step(struct reeve_store *store, uint64_t now_ns,
    const struct reeve_store_event *event, struct reeve_fifo *out);
/* Goes on with what step has left over, in slices; true while there is more. */
bool reeve_store_run_some(struct reeve_store *store, uint64_t now_ns, struct reeve_fifo *out);
/* UINT64_MAX: none. */
uint64_t reeve_store_deadline(const struct reeve_store *store);

struct reeve_store_status {
    uint64_t capacity_bytes;
    uint64_t committed_bytes; /* pages that may have been touched: never above the capacity */
    uint64_t used_bytes;      /* in extents: objects, and room given to creators */
    uint64_t unsealed_bytes;
    uint64_t copy_bytes; /* pulled from elsewhere */
    uint64_t pinned_bytes;
    uint64_t anchored_bytes; /* of these, those that are anchored */
    uint64_t growth_bytes;   /* what is left of the last MEMORY */
    uint64_t object_count, pin_count /* anchors included */, segment_count, client_count;
    uint64_t pull_count;   /* under way; those called off included, as long as they hold room */
    uint64_t send_count;   /* pieces on their way out */
    uint64_t queue_count;  /* creates and pulls that wait for room */
    uint64_t untold_count; /* what other nodes have not yet acknowledged, SEND_FREE */
    uint64_t hold_count;   /* of what lies here, by who does not own it */
    uint64_t evicted_count, pulled_count, refused_count, stale_count; /* since the start */

    uint64_t spilled_bytes, spilled_count;   /* values that are on disk, in memory too or not */
    uint64_t disk_bytes;                     /* that the files take */
    uint64_t disk_limit_bytes;               /* 0: none */
    uint64_t writing_bytes, restoring_count; /* under way */
    uint32_t folder_count, folder_failed_count;
    uint32_t folder_worst; /* one that fails, or has failed; 0 where none has */
    char folder_why[48];   /* what it said when it last failed to write or to read, or "" */
    uint64_t written_count, written_bytes, restored_count, restored_bytes; /* since the start */
    uint64_t spill_failed_count, spill_damaged_count;                      /* writes; reads */
    uint64_t spill_mended_count; /* of these reads: what was fetched from a copy elsewhere */
};

void reeve_store_status(const struct reeve_store *store, struct reeve_store_status *ret);

/* What the oldest request of a process waits for: "" for none, "room in the store", "a value from
 * another node", "a value from the disk". */
const char *reeve_store_waits_for(const struct reeve_store *store, uint64_t process);

/* There is anything of it here, or on its way. */
bool reeve_store_knows(const struct reeve_store *store, struct reeve_object_id id);

/* Where the object's bytes are, if it is here and complete. The daemon's own way to read without a
 * pin. */
bool reeve_store_find(const struct reeve_store *store, struct reeve_object_id id,
    uint32_t *ret_segment, uint64_t *ret_offset, uint64_t *ret_size);

/* What is where, for tools: from cursor 0 on; false at the end. In no order; whatever comes and
 * goes between two calls, an object that is there all the time is shown once. */
#define REEVE_STORE_NAMED_MAX 4 /* of those who pin an object, and of the nodes that have copies */
struct reeve_store_object_info {
    struct reeve_object_id id;
    /* not the one in the id, where that has given it away; REEVE_PROCESS_NONE: of a copy of
     * such, as only the node of the primary knows whose it is */
    reeve_process_id owner;
    uint64_t size;
    uint32_t segment;
    uint32_t pin_count, pinner_count, copy_count; /* pins; processes with pins; other nodes */
    struct {
        reeve_process_id process; /* REEVE_PROCESS_NONE: the daemon, or one that is ending */
        uint32_t pin_count;
    } pinners[REEVE_STORE_NAMED_MAX];
    uint32_t copy_nodes[REEVE_STORE_NAMED_MAX];
    bool copy, freed;
    const char *state;
};
bool reeve_store_next_object(
    const struct reeve_store *store, uint64_t *cursor, struct reeve_store_object_info *ret);

/* How the free memory lies. */
struct reeve_store_layout {
    uint64_t segment_bytes; /* address space, most of which may never have been touched */
    uint64_t free_bytes;    /* of these */
    uint64_t largest_free_bytes;
};
void reeve_store_layout(const struct reeve_store *store, struct reeve_store_layout *ret);

const char *reeve_store_event_name(enum reeve_store_event_kind kind);
const char *reeve_store_command_name(enum reeve_store_command_kind kind);

/* Audits all tables; NULL when they agree, else what does not (static text). Slow: for tests. */
const char *reeve_store_check(const struct reeve_store *store);

#endif
