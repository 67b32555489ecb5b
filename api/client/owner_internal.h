/* The tables of the owner core: tasks in pages (so that they never move, and that the memory of
 * many goes back when they are done), classes, leases.
 *
 *   class ── queued: task ↔ task ↔ task     QUEUED tasks in order of sequence, linked by index
 *     └───── room: lease ↔ lease            leases that may get one more entry; idle ones in front
 *   lease ── in flight: task ↔ task         SENT tasks, oldest first, linked by the same two fields
 *   task  ── edges: dependent → dependent   WAITING tasks to tell when this one is final
 *   actor ── its host: a class              see owner_actor.c
 *
 * A class that is a host of actors is *ordered*: its tasks, WAITING ones too, are in its queue from
 * the moment they are submitted, and only the first can be sent.
 */
#ifndef REEVE_CLIENT_OWNER_INTERNAL_H
#define REEVE_CLIENT_OWNER_INTERNAL_H

#include "api/client/owner.h"
#include "runtime/base/assert.h"
#include "runtime/base/fifo.h"
#include "runtime/base/heap.h"
#include "runtime/base/list.h"
#include "runtime/base/macros.h"
#include "runtime/base/map64.h"
#include "runtime/channel/stamp.h"

#define OWNER_NONE       UINT32_MAX
#define OWNER_PAGE_SHIFT 12u
#define OWNER_PAGE_TASKS (1u << OWNER_PAGE_SHIFT)
#define OWNER_PAGES_KEPT 2u /* empty ones, for what comes next */
#define OWNER_SMALL_SIZE 56u
#define OWNER_NEAR_BYTES (1u << 20)  /* less than this is soon brought anywhere */
#define OWNER_WATCH      0x80000000u /* a dependent that is no task, but a watch */

/* flags of a task */
enum {
    OWNER_TAKING_BACK = 1, /* SENT: a TAKE_BACK is on its way */
    OWNER_NEEDED = 1,      /* final, LINEAGE, REMADE: for what another node could take with it */
    OWNER_RESULT_OBJECT = 2,
    OWNER_ERROR_MAP = 4, /* final */
    OWNER_DEEP = 4,      /* not final: something that it needs has futures in its value */
    OWNER_NEVER_INLINE = 8,
    /* to be handed over: is not queued (any more), and WAITING when nobody has it in hand */
    OWNER_KEPT = 16,
    OWNER_GIVEN = 32, /* final, an object: it is another's to free */
    OWNER_PARTS = 32, /* not final: a call with several results; REMADE: one of them (bytes.part) */
    OWNER_LENT =
        64, /* final, came with a call that is under way: `position` is whose it is there */
    OWNER_LIFE = 64,   /* not final: makes or ends an actor */
    OWNER_ALONE = 128, /* it was lost with a child of its; now these are run elsewhere */
};

/* Of a PART: which of the results of which call; or (number OWNER_NONE) the value of which
 * future. */
struct owner_part {
    reeve_task_id call;
    uint32_t number, count;
};

struct owner_task {
    uint32_t generation;
    uint8_t state; /* enum reeve_task_state */
    uint8_t flags;
    uint16_t class_index;
    uint32_t
        /* the program's, one while not final, one for each dependent that is not final */
        references;
    /* of these the program's, and the library's on its behalf: what reeve_owner_release may take */
    uint32_t held;
    uint32_t function;
    uint32_t attempt;
    uint32_t timeout_ms;
    uint32_t losses : 31;
    uint32_t has_parent : 1; /* not final: behind the arguments stands which task has called it */
    uint32_t losses_max;
    uint32_t next,
        previous; /* in the class queue or the lease's in-flight list; next also in the free list */
    union {
        uint32_t lease_index;
        uint32_t lineage_references; /* final, LINEAGE, REMADE: calls kept that need it */
    };
    uint32_t node;
    union {
        uint32_t unresolved; /* dependencies that are not final */
        uint32_t readers;    /* final, of an object that is anchored, here */
    };
    uint32_t edges; /* first of the edges to dependents */
    uint32_t splice_count;
    union {
        int32_t status; /* final */
        uint32_t actor; /* not final, of an ordered class: whose call it is, there; or 0 */
    };
    uint32_t ready : 31;    /* not final: since when it could have begun, in units of stamp.h */
    uint32_t may_retry : 1; /* not final: it is in owner.retries */
    uint64_t position;      /* in the call ring */
    uint64_t sequence;      /* of being QUEUED for the first time: its place when it comes back */
    /* the futures that the arguments need, afterwards those in the result; each is referred to */
    struct reeve_owner_splice *splices;
    /* the arguments until the task is final, the result afterwards */
    uint32_t size;
    uint32_t splices_size; /* in bytes, where they have memory of their own */
    uint32_t mark;         /* of the last walk that has come by… */
    uint32_t order;        /* …and its number there */
    union {
        uint8_t small[OWNER_SMALL_SIZE];
        uint8_t *large; /* when size > OWNER_SMALL_SIZE */
        struct reeve_reference object;
        struct owner_part part; /* size is 0 */
        struct {
            struct reeve_reference object;
            struct owner_lineage *lineage; /* or NULL */
        } made;
    } bytes;
};
_Static_assert(sizeof(struct owner_task) <= 168, "a pending task is to cost little");

/* A page lies in the list of those with room when it has some, the one used last in front; one that
 * is empty is freed when others are, and its number is used again later, from `generation` on. */
struct owner_page {
    struct owner_task *tasks; /* NULL: freed */
    uint32_t live;            /* tasks that are not FREE */
    uint32_t end;             /* tasks ever used: those behind have not even been touched */
    uint32_t free;            /* first index of those that were used and are FREE */
    uint32_t generation;      /* of a task that is used for the first time */
    uint32_t number;
    struct reeve_list room_node;
};

struct owner_lineage; /* owner_lineages.h */

struct owner_edge {
    uint32_t dependent;
    uint32_t next;
};

/* A SENT or INLINE task that is not wanted any more. */
struct owner_cancel {
    reeve_task_id task;
    struct reeve_owner_cancel how;
    bool is_wanted;     /* else it is only known that… */
    uint32_t lost_node; /* …with this node… */
    int lost_code;      /* …and for this an attempt was given up; 0: none */
};

struct owner_watch {
    struct reeve_owner_watch told;
    uint32_t next; /* when it is free, or of those that wait for the next item of a stream */
};

struct owner_queue {
    uint32_t first, last;
    uint32_t count;
};

struct owner_class {
    uint32_t cpu_milli;
    int32_t priority;
    struct owner_queue queued;
    uint32_t returned;    /* the one of them that came back last: the next one's place is near it */
    uint32_t unfinished;  /* queued or sent */
    uint32_t lease_count; /* those not draining */
    uint32_t demand_told;
    uint32_t near_told; /* with it: the node of large arguments */
    bool refused;       /* the head said that none can come, while we still had some */
    uint32_t barren;    /* workers in a row that have died before they took anything */
    uint32_t depth;
    uint64_t service_ns;                  /* the time a task takes, 0: nothing known; it is… */
    uint64_t measured_ns, measured_tasks; /* …the quotient of these, sums in which the past fades */
    uint64_t pause_ns; /* how long leases that are wanted are at rest, on average: owner_idle.c */
    uint64_t given_since_ns; /* since when the one lay idle that was given up for others; or 0 */
    struct reeve_list room;
    struct reeve_list
        ready_node; /* in the owner's list of classes that may have something to send */
    /* a host of actors */
    uint32_t host;               /* 0: it is none */
    reeve_process_id process;    /* whose; 0: ours */
    struct reeve_list actors;    /* those that live in it or are to, by age; if it is ours */
    uint32_t made_last;          /* number of the latest actor that was begun to be made in it */
    uint32_t serving;            /* the index of its lease that is sent to, the oldest; or NONE */
    bool has_dead;               /* something may be queued for actors that are dead */
    struct reeve_list free_node; /* in the owner's list of hosts without actors, for the next one */
};

enum owner_actor_state { OWNER_ACTOR_NEW, OWNER_ACTOR_LIVE, OWNER_ACTOR_DEAD };

/* An actor of ours; see owner_actor.c. */
struct owner_saved {
    uint32_t size;
    uint8_t bytes[];
};

struct owner_actor {
    uint32_t number;
    uint32_t class_index;
    enum owner_actor_state state;
    bool released; /* by the program: others may hold it… */
    bool ending;   /* …no more; what it has been called for still runs, and then the end */
    bool begun;    /* its constructor was under way when the host was lost */
    bool ended;    /* by its end_function, or that was lost */
    bool named;    /* its name is to be given back */
    uint32_t restarts_left, restart_count;
    uint64_t since_ns; /* it was asked for, or restarted last */
    uint32_t constructor, end_function;
    reeve_task_id constructor_task, end_task; /* not final; or 0 */
    uint64_t sequence;                        /* of the constructor, among what the host is to do */
    struct reeve_object_id parent;            /* of the constructor; sequence 0: none */
    /* for a restart, and then why it is dead: a map (entry.h) or text */
    uint8_t *bytes;
    uint32_t size;
    bool is_map;
    struct reeve_owner_splice *splices; /* each is referred to */
    uint32_t splice_count;
    struct owner_saved *saved;     /* its state, as it was saved last; or NULL */
    reeve_task_id handle;          /* the program's, from when others may have it; or 0 */
    struct reeve_list class_node;  /* in class.actors, while it is not dead */
    struct reeve_list judged_node; /* in owner.judged */
};

enum owner_lease_state { OWNER_LEASE_FREE, OWNER_LEASE_ACTIVE, OWNER_LEASE_DRAINING };

struct owner_lease {
    enum owner_lease_state state;
    uint32_t class_index;
    uint32_t node;
    uint32_t index;
    uint64_t id;
    uint64_t gained; /* counts: which came first */
    struct owner_queue in_flight;
    bool full;               /* the ring had no room: wait for an answer */
    bool stuck;              /* what it had not begun was taken back: likewise */
    bool wanted;             /* others wait for it: owner_idle.c */
    bool resumes;            /* its host refuses all, but one that says RESUMES (entry.h)… */
    uint64_t last_answer_ns; /* or when it last went from idle to busy */
    uint64_t interval_ns;    /* what passed before the latest batch of answers… */
    uint32_t batch_count;    /* …and how many there were in it */
    uint64_t
        latency_ns; /* the shortest time from the first entry to its answer; UINT64_MAX: none */
    uint64_t idle_since_ns;
    uint64_t refused; /* …and those behind this sequence are still to come back; 0: none are */
    struct reeve_list room_node;
};

/* What every call touches comes first and lies together, the first class and the first lease with
 * it: a call after a rest pays for each page. */
struct reeve_owner {
    struct reeve_owner_settings settings;
    struct owner_page **pages; /* each stays where it is */
    uint32_t page_count, page_capacity;
    uint32_t pages_empty;
    struct reeve_list pages_room;
    struct owner_edge *edges;
    uint32_t edge_capacity, edge_count, edge_free;
    uint32_t class_count;
    struct owner_lease **leases;
    uint32_t lease_capacity, lease_count;
    struct reeve_list ready; /* classes */
    struct reeve_fifo commands;
    uint32_t parting_count, handles_open; /* see owner_handles.c */
    uint64_t sequence;                    /* of the task that was queued last */
    uint64_t task_count, unfinished, final_count, stale_count;
    uint64_t inline_count;
    reeve_task_id child_died; /* its worker died of a child of it: its loss is said next; or 0 */
    uint64_t memory_bytes;    /* of tasks that are not FREE, and of what they point to */
    uint64_t tick_at_ns;
    bool wants; /* since a tick, a class may have had something to send, and no lease for it */
    bool wanted, rests; /* others may wait for a lease of ours; no task runs: owner_idle.c */
    uint64_t rest_since_ns;
    uint32_t send_lease;          /* what next_send chose, until sent or unsent */
    uint32_t mark;                /* of the latest walk */
    struct reeve_map64 handed;    /* SENT task -> struct owner_handed: what its worker hands over */
    struct reeve_map64 gifts;     /* key of owner_gifts.c -> struct owner_gift: heard of once */
    struct reeve_map64 actors;    /* number -> struct owner_actor: those that are not released */
    struct reeve_map64 hosts;     /* key of owner_actor.c -> class index + 1, of all hosts */
    struct reeve_list hosts_free; /* classes: hosts of one actor, which are without it */
    struct reeve_list judged;     /* actors of which something has become known */
    struct reeve_map64 handles;   /* of actors -> task index + 1: see owner_handles.c */
    struct owner_parting *partings;
    uint32_t actor_last, host_last;
    uint64_t gained;               /* leases, ever */
    struct reeve_map64 cancelling; /* task -> struct owner_cancel; of others, too */
    struct reeve_map64 streams;    /* task -> struct owner_stream: what has come of it */
    struct reeve_map64 retries;    /* task -> struct owner_retry: those that may fail, not final */
    struct reeve_heap pauses;      /* of these, those that wait for the time */
    struct reeve_map64 strays;     /* task -> struct owner_stray: where lost attempts were */
    struct reeve_fifo anchored;    /* reeve_task_id, oldest first; some may be so no more */
    uint64_t anchored_count;
    uint64_t relax_bytes; /* still to be let go of */
    uint32_t node;        /* our own; 0: not known */
    reeve_process_id process;
    uint64_t token_last;
    reeve_task_id *lent; /* came with the call that runs, or retained of what did */
    uint32_t lent_count, lent_capacity;
    uint32_t remade_count; /* tasks that are REMADE */
    bool remade_failed;    /* ever: what is QUEUED may have an argument that has failed */
    bool remade_ever;      /* values may have got other futures than they had */
    struct owner_class first_class;
    struct owner_lease first_lease;
    struct owner_class *classes[REEVE_OWNER_CLASSES_MAX];
    struct owner_watch *watches;
    uint32_t watch_capacity, watch_count, watch_free;
    struct reeve_fifo watched; /* struct reeve_owner_watch: to be told; room for all watches */
    struct reeve_list lineages;
    uint64_t lineage_bytes; /* of these, and of the objects that are kept for them alone */
    const struct reeve_map64 *host_names; /* node -> char *; NULL: not known */
};

#define OWNER_NODE_SIZE 80

/* "3 (host)", as far as that is known. */
void owner_node_name(const struct reeve_owner *owner, uint32_t node, char *ret, size_t size);

/* Small and on the way of every call, so inline. */

static inline struct owner_task *owner_task_at(const struct reeve_owner *owner, uint32_t index)
{
    return &owner->pages[index >> OWNER_PAGE_SHIFT]->tasks[index & (OWNER_PAGE_TASKS - 1)];
}

static inline uint32_t owner_task_index(reeve_task_id id)
{
    return (uint32_t)id;
}

static inline reeve_task_id owner_task_id(const struct owner_task *task, uint32_t index)
{
    return (uint64_t)task->generation << 32 | index;
}

/* NULL when stale. */
static inline struct owner_task *owner_task_find(const struct reeve_owner *owner, reeve_task_id id)
{
    uint32_t index = owner_task_index(id), number = index >> OWNER_PAGE_SHIFT;
    if (number >= owner->page_count || owner->pages[number]->tasks == NULL)
        return NULL;
    struct owner_task *task = owner_task_at(owner, index);
    if (task->generation != (uint32_t)(id >> 32) || task->state <= REEVE_TASK_LINEAGE)
        return NULL;
    return task;
}

/* Of one whose dependencies are final: whether more of them may stand in their values. */
static inline bool owner_task_is_deep(
    const struct reeve_owner *owner, const struct owner_task *task)
{
    return task->flags & OWNER_DEEP || owner->remade_ever;
}

static inline bool owner_class_is_ordered(const struct owner_class *class)
{
    return class->host != 0;
}

/* Whose call the task, not final, is, if the actor is ours; or 0. */
static inline uint32_t owner_task_actor(
    const struct reeve_owner *owner, const struct owner_task *task)
{
    return owner->classes[task->class_index]->process == 0 ? task->actor : 0;
}

/* Whether a WAITING task is in the queue of its class, as all of an ordered one are. */
static inline bool owner_task_is_placed(
    const struct reeve_owner *owner, const struct owner_task *task, uint32_t index)
{
    const struct owner_class *class = owner->classes[task->class_index];
    return class != NULL && owner_class_is_ordered(class) &&
           (task->previous != OWNER_NONE || class->queued.first == index);
}

/* Whether its queue has something that may be sent now. */
static inline bool owner_class_is_sendable(
    const struct reeve_owner *owner, const struct owner_class *class)
{
    return class->queued.count != 0 &&
           (!owner_class_is_ordered(class) ||
               owner_task_at(owner, class->queued.first)->state == REEVE_TASK_QUEUED);
}

static inline const uint8_t *owner_task_bytes(const struct owner_task *task)
{
    return task->size > OWNER_SMALL_SIZE ? task->bytes.large : task->bytes.small;
}

/* Memory (owner_table.c). */
int owner_task_make(struct reeve_owner *owner, uint32_t *ret_index);
/* The index of the next task that is not FREE; from OWNER_NONE the first; OWNER_NONE: no more. */
uint32_t owner_task_each(const struct reeve_owner *owner, uint32_t index);
/* Nobody refers to it any more. */
void owner_task_gone(struct reeve_owner *owner, struct owner_task *task, uint32_t index);
static inline void owner_task_unref(struct reeve_owner *owner, uint32_t index)
{
    struct owner_task *task = owner_task_at(owner, index);
    REEVE_ASSERT(task->references > 0);
    if (--task->references == 0)
        owner_task_gone(owner, task, index);
}

int owner_task_store_large(
    struct reeve_owner *owner, struct owner_task *task, const void *bytes, uint32_t size);
static inline int owner_task_store(
    struct reeve_owner *owner, struct owner_task *task, const void *bytes, uint32_t size)
{
    if (REEVE_UNLIKELY(size > OWNER_SMALL_SIZE))
        return owner_task_store_large(owner, task, bytes, size);
    reeve_copy(task->bytes.small, bytes, size);
    task->size = size;
    return 0;
}
/* The arguments of a call, and which task makes it. */
#define OWNER_PARENT_SIZE ((uint32_t)sizeof(struct reeve_object_id))
int owner_task_store_child(
    struct reeve_owner *owner, struct owner_task *task, const struct reeve_owner_task *from);
static inline int owner_task_store_call(
    struct reeve_owner *owner, struct owner_task *task, const struct reeve_owner_task *from)
{
    return REEVE_LIKELY(from->parent == NULL)
               ? owner_task_store(owner, task, from->arguments, from->arguments_size)
               : owner_task_store_child(owner, task, from);
}
/* After the arguments. */
int owner_task_store_splices(struct reeve_owner *owner, struct owner_task *task,
    const struct reeve_owner_splice *splices, uint32_t count);
/* What it has beside itself: splices, large bytes. */
void owner_task_clear_memory(struct reeve_owner *owner, struct owner_task *task);
static inline void owner_task_clear(struct reeve_owner *owner, struct owner_task *task)
{
    if (REEVE_UNLIKELY(task->splices != NULL || task->size > OWNER_SMALL_SIZE))
        owner_task_clear_memory(owner, task);
    task->size = 0;
}
/* The list becomes the task's. */
void owner_task_list_set(struct reeve_owner *owner, struct owner_task *task,
    struct reeve_owner_splice *list, uint32_t count);
int owner_edge_add(struct reeve_owner *owner, struct owner_task *from, uint32_t dependent);
uint32_t owner_edge_pop(
    struct reeve_owner *owner, struct owner_task *from); /* OWNER_NONE: no more */

/* Cancelling (owner_cancel.c). */
bool owner_is_cancelling(const struct reeve_owner *owner, reeve_task_id id);
/* It runs no more, and is not to be run again. */
void owner_cancel_stopped(struct reeve_owner *owner, uint64_t now_ns, uint32_t index, bool begun);
void owner_cancel_forget(struct reeve_owner *owner, reeve_task_id id);
/* It is to be run again; the attempt that was sent to that node may run there yet. */
void owner_given_up(struct reeve_owner *owner, reeve_task_id id, int code, uint32_t node);
/* What the task's end says instead of ECANCELLED, for such a one: code and text; 0: that. */
int owner_cancel_lost(const struct reeve_owner *owner, reeve_task_id id, char *text, size_t size);
void owner_cancel_tick(struct reeve_owner *owner, uint64_t now_ns);
void owner_cancel_fini(struct reeve_owner *owner);

/* A final task's edge is a watch (owner_watch.c). */
void owner_watch_tell(struct reeve_owner *owner, uint32_t dependent);
/* To be told with the rest of a list, linked by next; NULL: now. REEVE_ENOMEM. */
int owner_watch_list(
    struct reeve_owner *owner, uint32_t *first, const struct reeve_owner_watch *watch);
/* All of it, which is empty then. */
void owner_watches_tell(struct reeve_owner *owner, uint32_t *first);
uint32_t owner_watches_count(const struct reeve_owner *owner, uint32_t first);

/* Several results (owner_results.c). */
/* What the PART waits for is final. True: so is it now, and its dependents are to be told. */
bool owner_part_take(struct reeve_owner *owner, uint32_t index, uint32_t from);

/* Streams (owner_stream.c). Called with any task: does nothing for others. */
int owner_stream_make(
    struct reeve_owner *owner, reeve_task_id id, struct reeve_stream_window window);
/* As the worker is to be told: 0 where it knows. */
struct reeve_stream_window owner_stream_window(const struct reeve_owner *owner, reeve_task_id id);
/* As it is: units 0: it is no stream. */
struct reeve_stream_window owner_stream_window_of(
    const struct reeve_owner *owner, reeve_task_id id);
/* The program does not want it any more: its unread items go, and so does its function, if it has
 * not ended. */
void owner_stream_drop(struct reeve_owner *owner, uint64_t now_ns, reeve_task_id id);
/* Streams that are given to a call (owner_feed.c). */
/* Those among the arguments: REEVE_ETYPE: they stand where a value is wanted; REEVE_EHANDLE: they
 * are another's to take. */
int owner_streams_may_be_given(
    const struct reeve_owner *owner, const struct reeve_owner_task *from);
void owner_stream_give(struct reeve_owner *owner, reeve_task_id id, reeve_task_id taker);
bool owner_takes_streams(const struct reeve_owner *owner, const struct owner_task *task);
/* The task is becoming final: what it had of streams is dropped; true if it had any. */
bool owner_streams_leave(struct reeve_owner *owner, const struct owner_task *task, uint32_t index);
/* The stream's task is final. */
void owner_stream_ended(struct reeve_owner *owner, reeve_task_id id);
/* One that comes with a call: a reference to `ret` is the caller's. REEVE_ENOMEM. */
int owner_loan_make(struct reeve_owner *owner, reeve_task_id origin,
    struct reeve_stream_window window, reeve_task_id *ret);
/* The call has ended. */
void owner_loan_end(struct reeve_owner *owner, uint64_t now_ns, reeve_task_id id);
void owner_streams_fini(struct reeve_owner *owner);
/* Audits; returns their memory, and how many watches wait for an item. */
uint64_t owner_streams_check(const struct reeve_owner *owner, uint32_t *ret_watches);

/* Results of lost attempts (owner_stray.c): one may be on that node; it is to go there at once; all
 * of the task's are, but on the node where its object lies. */
void owner_stray_note(struct reeve_owner *owner, reeve_task_id id, uint32_t node);
void owner_stray_free(struct reeve_owner *owner, reeve_task_id id, uint32_t node);
void owner_strays_free(struct reeve_owner *owner, reeve_task_id id, uint32_t object_node);
void owner_strays_fini(struct reeve_owner *owner);
void owner_strays_check(const struct reeve_owner *owner); /* asserts */

/* Functions that fail (owner_retry.c). */
int owner_retry_make(
    struct reeve_owner *owner, uint32_t index, const struct reeve_owner_retries *rule);
/* What is left of it; 0: nothing. */
struct reeve_owner_retries owner_retries_left(const struct reeve_owner *owner, uint32_t index);
/* The task, which may_retry, is final. */
void owner_retry_forget(struct reeve_owner *owner, struct owner_task *task, uint32_t index);
/* Its function has failed, and it has left its lease. True: it is run again. */
bool owner_task_retried(struct reeve_owner *owner, uint64_t now_ns, uint32_t index);
/* It has failed, and its pause is not over. */
bool owner_retry_pauses(const struct reeve_owner *owner, uint32_t index);
void owner_retry_tick(struct reeve_owner *owner, uint64_t now_ns);
void owner_retries_fini(struct reeve_owner *owner);
/* Audits; returns their memory. */
uint64_t owner_retries_check(const struct reeve_owner *owner);

/* The SENT task that an entry from this lease speaks of, or NULL when that is stale. */
static inline struct owner_task *owner_task_answered(
    struct reeve_owner *owner, reeve_lease_index lease_index, reeve_task_id id, uint32_t attempt)
{
    struct owner_task *task = owner_task_find(owner, id);
    if (REEVE_LIKELY(task != NULL && task->state == REEVE_TASK_SENT && task->attempt == attempt &&
                     task->lease_index == lease_index))
        return task;
    owner->stale_count++;
    return NULL;
}

struct reeve_owner_command *owner_command(
    struct reeve_owner *owner, enum reeve_owner_command_kind kind);

/* What is given with results (owner_gifts.c): is adopted; is freed. */
int owner_gift_adopt(struct reeve_owner *owner, const struct reeve_reference *object);
void owner_gift_end(struct reeve_owner *owner, const struct reeve_reference *object);

/* The task's object is not needed any more. */
static inline void owner_object_free(
    struct reeve_owner *owner, const struct owner_task *task, uint32_t index)
{
    struct reeve_owner_command *command = owner_command(owner, REEVE_OWNER_FREE_OBJECT);
    command->object = task->bytes.object;
    command->task = task->bytes.object.flags & REEVE_REFERENCE_HELD ? task->bytes.object.offset
                                                                    : owner_task_id(task, index);
    if (REEVE_UNLIKELY(task->bytes.object.flags & REEVE_REFERENCE_GIVEN))
        owner_gift_end(owner, &task->bytes.object);
    if (task->bytes.object.id.owner == owner->process)
        owner_strays_free(owner, task->bytes.object.id.sequence, task->bytes.object.node);
}

/* What there is to write of it. */
static inline void owner_entry_fill(const struct reeve_owner *owner, const struct owner_task *task,
    uint32_t index, struct reeve_owner_entry *ret)
{
    ret->function = task->function;
    /* the one about to be made */
    ret->attempt = task->attempt + (task->state == REEVE_TASK_QUEUED ? 1 : 0);
    ret->ready = task->ready;
    ret->timeout_ms = task->timeout_ms;
    ret->class_index = task->class_index;
    ret->flags = task->flags & OWNER_ALONE ? REEVE_ENTRY_ALONE : 0;
    ret->window = REEVE_UNLIKELY(task->flags & OWNER_NEVER_INLINE)
                      ? owner_stream_window(owner, owner_task_id(task, index))
                      : (struct reeve_stream_window){0, 0};
    ret->arguments = owner_task_bytes(task);
    ret->parent_size = task->has_parent ? OWNER_PARENT_SIZE : 0;
    ret->arguments_size = task->size - ret->parent_size;
    ret->splice_count = task->splice_count;
    ret->splices = task->splices;
}

/* It could begin from now on. */
static inline void owner_task_is_ready(struct owner_task *task, uint64_t now_ns)
{
    task->ready = (uint32_t)(now_ns >> REEVE_STAMP_SHIFT) & INT32_MAX;
}

/* Waiting to be sent (owner_queue.c). */
void owner_task_queue(struct reeve_owner *owner, uint64_t now_ns, uint32_t index);
/* The same for one of an ordered class that is new: in its turn, whether or not it waits. */
void owner_task_queue_ordered(struct reeve_owner *owner, uint64_t now_ns, uint32_t index);
/* The same for one that has been under way: to where it was among the others. */
void owner_task_requeue(struct reeve_owner *owner, uint64_t now_ns, uint32_t index);
void owner_task_unqueue(struct reeve_owner *owner, uint64_t now_ns, uint32_t index);

/* Becoming final (owner_final.c). */
/* Without telling whoever waits for it. */
void owner_task_finish(struct reeve_owner *owner, uint32_t index, int status, bool error_is_map,
    const void *bytes, uint32_t size, const struct reeve_reference *object);
void owner_dependents_walk(struct reeve_owner *owner, uint64_t now_ns, uint32_t first);
/* A final task's dependents: those that wait for nothing else are queued, or fail with it. Its own
 * reference, of a task that is not final, goes. */
static inline void owner_dependents_tell(struct reeve_owner *owner, uint64_t now_ns, uint32_t index)
{
    if (REEVE_LIKELY(owner_task_at(owner, index)->edges == OWNER_NONE))
        owner_task_unref(owner, index);
    else
        owner_dependents_walk(owner, now_ns, index);
}
void owner_task_end(struct reeve_owner *owner, uint64_t now_ns, uint32_t index, int status,
    bool error_is_map, const void *bytes, uint32_t size, const struct reeve_reference *object);
/* The list, from malloc, is of references that are passed on; whether or not the task becomes
 * DONE. */
void owner_task_end_with(struct reeve_owner *owner, uint64_t now_ns, uint32_t index, int status,
    bool error_is_map, const void *bytes, uint32_t size, const struct reeve_reference *object,
    struct reeve_owner_splice *list, uint32_t count);
void owner_task_fail(
    struct reeve_owner *owner, uint64_t now_ns, uint32_t index, int code, const char *text);
/* An error that a task has from another tells where it arose. */
void owner_error_origin(struct owner_task *task, const struct owner_task *from);
/* References of the caller's become the list's. They are given up, and the list is freed. */
void owner_list_take(struct reeve_owner *owner, struct reeve_owner_splice *list,
    const reeve_task_id *futures, uint32_t count);
void owner_list_drop(struct reeve_owner *owner, struct reeve_owner_splice *list, uint32_t count);

/* The task has been lost with its worker: whether it is run again (owner_answer.c). */
bool owner_loss_forgiven(struct reeve_owner *owner, struct owner_task *task, reeve_task_id id);

/* Futures in values (owner_handover.c, owner_adopt.c). */
uint32_t owner_mark_next(struct reeve_owner *owner);
/* The task waits for all futures that stand, at any depth, in what it is given, too. */
int owner_task_deepen(struct reeve_owner *owner, uint32_t index);

/* Objects that are anchored (owner_anchor.c). */
void owner_anchor_add(struct reeve_owner *owner, uint32_t index);
/* It is freed, or not ours any more. */
void owner_anchor_forget(struct reeve_owner *owner, struct owner_task *task);
/* A task is on its way to a worker of that node, or run here; it is so no more. */
void owner_reading_begin(struct reeve_owner *owner, struct owner_task *task, uint32_t node);
void owner_reading_end(struct reeve_owner *owner, struct owner_task *task);
void owner_anchor_check(const struct reeve_owner *owner); /* asserts */
static inline bool owner_is_anchored(const struct owner_task *task)
{
    return (task->state == REEVE_TASK_DONE || task->state == REEVE_TASK_LINEAGE) &&
           task->flags & OWNER_RESULT_OBJECT && task->bytes.object.flags & REEVE_REFERENCE_LOCATED;
}
/* Actors (owner_actor.c). */
/* The class; OWNER_NONE: it is not known. */
uint32_t owner_host_find(const struct reeve_owner *owner, reeve_process_id process, uint32_t host);
/* Nobody wants it any more. REEVE_ENOMEM: it is as before. */
int owner_actor_end(struct reeve_owner *owner, uint64_t now_ns, struct owner_actor *actor,
    const void *arguments, uint32_t size);
/* NULL: there is none of that number, or it has been released. */
struct owner_actor *owner_actor_find(const struct reeve_owner *owner, uint32_t number);
/* A task for it begins. REEVE_ENOMEM. */
int owner_actor_task_begin(struct reeve_owner *owner, struct owner_actor *actor, uint32_t index,
    const struct reeve_owner_task *from);
/* True: it is dead, and the task has failed with it. */
bool owner_actor_refuses(
    struct reeve_owner *owner, uint64_t now_ns, const struct owner_actor *actor, uint32_t index);
/* The task was under way when its host was lost: true if it is the one that makes the actor. */
bool owner_actor_was_being_made(
    struct reeve_owner *owner, const struct owner_task *task, reeve_task_id id);
/* A task that makes or ends an actor is becoming final. */
void owner_actor_task_finish(struct reeve_owner *owner, struct owner_task *task, uint32_t index,
    int status, bool error_is_map, const void *bytes, uint32_t size);
/* What has been noted of actors takes effect. */
void owner_actors_judge(struct reeve_owner *owner, uint64_t now_ns);
/* Their host, ours, has gone with all that was in it, and nothing is in flight any more. */
void owner_host_lost(
    struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class, const char *text);
void owner_actors_fini(struct reeve_owner *owner);
/* Audits; returns the memory of what it knows of actors. */
uint64_t owner_actors_check(const struct reeve_owner *owner);
int owner_class_make(struct reeve_owner *owner, uint32_t cpu_milli, int32_t priority,
    struct owner_class **ret, uint32_t *ret_class_index);

/* Objects that were lost (owner_lineage.c, owner_remake.c). */
/* The task becomes DONE with this object: its call, out of the task, to be kept; NULL: it is not
 * to be, and the task still has its arguments. */
struct owner_lineage *owner_lineage_take(
    struct reeve_owner *owner, struct owner_task *task, const struct reeve_reference *object);
void owner_lineage_set(
    struct reeve_owner *owner, struct owner_task *task, struct owner_lineage *lineage);
/* Nobody refers to the task any more, but kept calls do. */
void owner_lineage_linger(struct reeve_owner *owner, struct owner_task *task, uint32_t index);
/* The task's own is given up; of what only that needed, `pending` (linked by next) gets more. */
uint32_t owner_lineage_drop(struct reeve_owner *owner, struct owner_task *task, uint32_t pending);
/* The oldest, where nothing else counts any more. */
void owner_lineage_forget(struct reeve_owner *owner);
void owner_lineage_give_up(struct reeve_owner *owner);
/* What is kept for lineage goes down to its bound. */
static inline void owner_lineage_bound(struct reeve_owner *owner)
{
    if (REEVE_UNLIKELY(owner->lineage_bytes > owner->settings.lineage_bytes_max))
        owner_lineage_give_up(owner);
}
/* The task becomes DONE or FAILED, with the value that another final one has, which has it no
 * more. */
void owner_value_move(struct reeve_owner *owner, uint32_t index, uint32_t from);
/* The task by which a REMADE one is made again is final. True: so is that one now. */
bool owner_remade_take(struct reeve_owner *owner, uint32_t index, uint32_t by);
/* The object that one of several results has: it can be made again with its call. */
void owner_lineage_share(
    struct reeve_owner *owner, uint32_t index, uint32_t call_index, const struct owner_part *part);
/* A call with several results has no value but the list of their futures, and no object either. */
static inline bool owner_is_list(const struct owner_task *task)
{
    return task->flags & OWNER_RESULT_OBJECT && task->bytes.object.id.sequence == 0;
}
/* A task under way could not be run because this object among its arguments is lost: true if it
 * waits until that is there again, or has been queued anew, or has failed with why not. */
bool owner_lost_argument(struct reeve_owner *owner, uint64_t now_ns, uint32_t index, int code,
    const struct reeve_reference *object);
/* A QUEUED task whose arguments are being made again goes back to WAITING; true if so. */
bool owner_task_rewait(struct reeve_owner *owner, uint64_t now_ns, uint32_t index);
void owner_lineage_check(const struct reeve_owner *owner);

/* Memory (owner_table.c). A list of tasks that nobody refers to any more, linked by next. */
void owner_tasks_dispose(struct reeve_owner *owner, uint32_t pending);

/* Leases that lie idle (owner_idle.c). How long one may before it goes back. */
uint64_t owner_idle_ns(const struct reeve_owner *owner, const struct owner_class *class,
    const struct owner_lease *lease);
/* One that others wait for has something to do again; has gone back, idle; would be needed now. */
void owner_idle_over(const struct reeve_owner *owner, struct owner_class *class,
    const struct owner_lease *lease, uint64_t now_ns);
void owner_idle_given(
    const struct reeve_owner *owner, struct owner_class *class, const struct owner_lease *lease);
void owner_idle_missed(struct owner_class *class, uint64_t now_ns);

/* Classes and demand (owner_class.c). */
/* For a while nothing is wanted of it: tells so. */
void owner_demand_lower(struct reeve_owner *owner, struct owner_class *class);
void owner_demand_withdraw(struct reeve_owner *owner, struct owner_class *class);
/* We were told that no more leases can come, and the last one has gone: is it still so? */
void owner_demand_anew(struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class);
/* Whether it has something to send, and may, has perhaps changed. */
static inline void owner_ready_update(struct reeve_owner *owner, struct owner_class *class)
{
    bool ready = owner_class_is_sendable(owner, class) && !reeve_list_is_empty(&class->room);
    if (REEVE_LIKELY(ready == reeve_list_is_linked(&class->ready_node)))
        return;
    if (ready)
        reeve_list_push_back(&owner->ready, &class->ready_node);
    else
        reeve_list_remove(&class->ready_node);
}
void owner_class_work_changed(
    struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class);

/* Leases (owner_lease.c). */
static inline struct owner_lease *owner_lease_at(
    const struct reeve_owner *owner, reeve_lease_index index)
{
    if (index >= owner->lease_capacity || owner->leases[index] == NULL ||
        owner->leases[index]->state == OWNER_LEASE_FREE)
        return NULL;
    return owner->leases[index];
}
/* Whether it may get one more has perhaps changed. */
void owner_room_update(
    struct reeve_owner *owner, struct owner_class *class, struct owner_lease *lease);
/* The latest batch of answers is complete. */
void owner_batch_measure(struct owner_class *class, struct owner_lease *lease);
void owner_lease_left(struct reeve_owner *owner, uint64_t now_ns, struct owner_lease *lease,
    uint32_t index, bool answered);
/* The task, which has left it, was refused for an argument: if it is one of an actor, so is all
 * that was sent behind it. */
void owner_lease_refused(
    struct reeve_owner *owner, struct owner_lease *lease, const struct owner_task *task);
/* The lease is FREE from now on. Whether it was the one that is sent to, of an ordered class: then
 * the next one is. */
bool owner_lease_freed(
    struct reeve_owner *owner, struct owner_class *class, struct owner_lease *lease);
void owner_lease_return(struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class,
    struct owner_lease *lease);
/* Asks for up to `count` of the lease's entries back, the latest first. */
void owner_take_back(struct reeve_owner *owner, struct owner_lease *lease, uint32_t count);
/* Takes from the lease what is under way; each of these is forgiven, or fails (owner_loss.c). */
void owner_lease_empty(struct reeve_owner *owner, uint64_t now_ns, struct owner_lease *lease,
    int code, const char *text);

/* Time (owner_tick.c). */
static inline void owner_tick_by(struct reeve_owner *owner, uint64_t at_ns)
{
    if (at_ns < owner->tick_at_ns)
        owner->tick_at_ns = at_ns;
}
/* How long a lease may go without an answer before what it has not begun is given to others that
 * are busy, too. */
uint64_t owner_patience_ns(const struct reeve_owner *owner, const struct owner_class *class);

/* Large arguments (owner_near.c). */
/* The node that holds the most of what the task reads; 0: it is not much. */
uint32_t owner_near_node(const struct reeve_owner *owner, const struct owner_task *task);
/* The lease with room that is to have the task. There is one. */
struct owner_lease *owner_near_lease(const struct reeve_owner *owner,
    const struct owner_class *class, const struct owner_task *task);

#include "api/client/owner_handles.h"

#endif
