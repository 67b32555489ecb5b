/* What a client process (driver or worker) and its node daemon say to each other over their unix
 * socket.
 *
 * The socket is SOCK_SEQPACKET in the abstract namespace, so that message boundaries are the
 * kernel's and no file stays behind; both sides check the other's credentials (same user). A
 * message is one struct reeve_local_message, cut after `tail_size` bytes of its tail; descriptors
 * ride along (SCM_RIGHTS), in the order the table gives. Only rare things pass here: calls and
 * results go through channels (runtime/channel), which the daemon hands out with CHANNEL.
 *
 *   client -> daemon
 *   HELLO          version mode token table_hash count; text: the program's name
 *                  mode driver: token 0, a keeper's: the one its daemon gave it in the
 *                  environment; count: the job's weight, 0: the default;
 *                  fds: the table of functions (memfd, text, one "name signature" a line, sorted),
 *                  the executable (opened for reading), the launch spec (memfd, see below)
 *                  mode worker: the token its daemon gave it in the environment;
 *                  fds: the table of functions
 *   DEMAND         class_index cpu_milli priority count    this process could use `count` leases of
 *                  node flags process                      the class in all (level, not edge), best
 *                                                          on `node` (0: anywhere), where large
 *                                                          arguments lie. flags: the host, where it
 *                                                          is one of actors (ids.h), of `process`,
 *                                                          0: mine
 *   LEASE_RETURN   lease code                              every entry of the lease has been
 *                                                          answered or taken back; code not 0: its
 *                                                          worker wrote nonsense, and what it has
 *                                                          in hand is given up
 *   TAKE_BACK      lease task                              for an entry that a daemon has
 *                                                          forwarded: answered on the return ring
 *   CANCEL         lease task count(attempt) size(grace) flags(keep children)
 *                                                          for an entry that is perhaps being run:
 *                                                          its worker is told
 *   CREDIT         lease task count(attempt) size(taken)   of a stream that a daemon has forwarded:
 *                                                          its reader has taken so many units
 *   FEED           lease task count(attempt) size          to who runs that call: a run of items of
 *                                                          a stream among its arguments
 *                                                          (owner_feed.c), in the text or, where
 *                                                          that is too short, in a memfd
 *   ASK            lease task count(attempt) object(stream here and there) offset(taken)
 *                  size(runs) request flags(closed)        to the owner of such a stream, from who
 *                                                          runs the call
 *   CREATE         request size count(skew) flags(ahead)   room for an object, in a segment this
 *                                                          client may write; offset + skew will be
 *                                                          a multiple of 64. ahead: not needed yet
 *   SEAL           request object size segment offset      it is complete; sent before an entry
 *                  flags(anchor rest silent)               that names it is published. It exists
 *                                                          until its owner says FREE (or dies);
 *                                                          anchor: pinned for its owner; rest: what
 *                                                          is left of the room stays granted, from
 *                                                          the next multiple of 64 on; silent: not
 *                                                          to be answered
 *   ABORT          segment offset                          the room is not needed after all
 *   GET            request object size node flags(given)   wants to read it; `node` says where a
 *                                                          copy is; given: its owner is not the
 *                                                          process in its name. Flag held: I hold
 *                                                          it, so it is there
 *   UNPIN          object flags(anchor)                    one pin less; anchor: its owner lets go
 *   FREE           object node flags(given)                its owner needs it no more; `node` says
 *                  task                                    where it was made. Flag held: who has
 *                                                          held it does, under that number
 *   HOLD           request object node task process        it was lent to me, and I need it longer:
 *                  token(call) count(attempt)              until FREE with that number, or its
 *                                                          owner's death; answered with SEALED.
 *                                                          process: I hand on what I hold, and it
 *                                                          is that one that needs it, with my
 *                                                          answer to that attempt of its call
 *   GIVE           request object node process             its owner gives it away: it is that
 *                  flags(given anchor) token(call)         process's from now on, and keeps its
 *                  count(attempt)                          name; answered with SEALED. anchor: the
 *                                                          giver had anchored it, has a pin
 *                                                          instead; call and attempt as in HOLD
 *   LEND           count                                   1: I wait and lend my cpu, 0: I go on
 *   BLOCKED        count process class_index text          I have been blocked inside a task for
 *                                                          long (text: what waits for what), on
 *                                                          something that `process` has, or (0)
 *                                                          nobody: then class_index says what it
 *                                                          is. count: my number for this wait; 0: I
 *                                                          go on
 *   OWNS           count                                   1: I have futures, though I may have
 *                                                          nothing to do: a thread that a task has
 *                                                          left behind may want them; 0: none
 *   FAILED         code task process count text            an execution of function number `count`
 *                                                          has failed, of a task of `process`: for
 *                                                          people (reeve tasks), and some are left
 *                                                          out when there are many
 *   NAME           request flags(find drop) task size text  the actor with that number (task) and
 *                                                          host (size) of mine is to have a name;
 *                                                          text: namespace, name and type, a line
 *                                                          each. find: who has it, and is of that
 *                                                          type (empty: of any)? drop: mine needs
 *                                                          it no more; not answered
 *   PROGRESS       lease task count(attempt)               how far has an entry come that a daemon
 *                                                          has forwarded? Answered by the same
 *   KEEP           request text                            a keeper is wanted: a driver of the same
 *                                                          program that makes an actor, and owns it
 *                                                          when I have gone. Answered with NAMED
 *                                                          when it has made it. text: its name;
 *                                                          fds: the order (memfd, keeper.h)
 *   KEPT           code task size text                     I am a keeper: the actor of that number
 *                                                          (task) and host (size) of mine has been
 *                                                          made; or code and text say why it could
 *                                                          not be
 *   KILL           request process                         that keeper is to end, and so its actor;
 *                                                          answered with NAMED when it has ended
 *   ACTORS         request count(left out)                 the answer to ACTORS; fds: my actors
 *                                                          (memfd, see below)
 *   BYE            -                                       clean end: the socket closes next
 *
 *   daemon -> client
 *   WELCOME        process node token(node incarnation) inline_size size(of the store) task(job);
 *                  text: cluster address; fds:
 *                  own doorbell page, own eventfd,
 *                                                          daemon's doorbell page, daemon's eventfd
 *   REFUSED        code text                               this client is not wanted (the socket
 *                                                          closes next)
 *   CHANNEL        lease class_index cpu_milli priority flags(role) process(peer) node token(owner)
 *                  task(host)
 *                                                                    fds: channel segment; then,
 *                                                                    unless the daemon is the peer,
 *                                                                    peer's doorbell page, peer's
 *                                                                    eventfd
 *                                                          to the holder and to the worker; `node`:
 *                                                          where the worker is; text: its host, if
 *                                                          it is another than ours
 *   LEASE_LOST     lease code count text                   to the holder: the worker is gone
 *                                                          (WORKERDIED, NODEDIED) or never came
 *                                                          (PROGRAM…: lease is 0 then, class_index
 *                                                          says for whom); the daemon has revoked
 *                                                          the call ring: READY entries are
 *                                                          RECALLED, CLAIMED ones were running;
 *                                                          count: not 0, while it ran a child of
 *                                                          its task's on the spot
 *   LEASE_RECALL   lease count                             to the holder: give it back; count 1:
 *                                                          when it lies idle
 *   CHANNEL_CLOSE  lease                                   to the worker: this holder is gone,
 *                                                          unmap
 *   CANCEL         lease task count(attempt) size(grace) flags(keep children)
 *                                                          to the worker: that task is to stop;
 *                                                          grace: milliseconds between two steps,
 *                                                          UINT32_MAX: it is asked only
 *   CREDIT         lease task count(attempt) size(taken)   to the worker: the reader of the stream
 *                                                          that it runs has taken so many units
 *   FEED, ASK      as they came from the other client
 *   PROGRESS       lease task count(attempt) offset(done) size(total)
 *                                                          so far; 0 of 0: it has not said
 *   INFEASIBLE     class_index code text                   nothing in the cluster could ever run
 *                                                          this class
 *   DEADLOCK       count text                              that wait would never end: it is to fail
 *   SEGMENT        segment size count(serial)              fds: the memfd; always before the first
 *                  flags(writable)                         message that names the segment. Numbers
 *                                                          of segments come back, serials do not
 *   SEGMENT_GONE   segment                                 unmap
 *   SEGMENT_READY  segment offset size                     to its writer: these pages have been
 *                                                          touched, it may map them ahead
 *   CREATED        request code segment offset size text
 *   SEALED         request code segment count(serial)      it lies there, anchored for its owner
 *                  offset flags(anchor) text
 *   GOT            request code object segment offset size text     pinned until UNPIN
 *   NAMED          request code process task size text     the answer to NAME and KEEP: the actor's
 *                                                          owner, number and host. And to KILL
 *   KEEP           -                                       to a keeper, behind WELCOME: fds: the
 *                                                          order
 *   RELAX          size                                    the store is short of room: let go of
 *                                                          so much that is anchored and not in use
 *   OVER           object                                  of an actor of yours, of which you have
 *                                                          said FREE: nobody else holds it now
 *   GIVEN          object node task token(call)            it is yours (task: that hold of it is),
 *                  count(attempt)                          and comes with the answer to that
 *                                                          attempt of that call of yours; if that
 *                                                          comes (objectstore/gift.c)
 *   ACTORS         request                                 which actors are yours?
 *   OUTPUT         -                                       to a driver, before the first line: fds:
 *                                                          read ends of two pipes (stdout, stderr)
 *                                                          whose bytes belong on the driver's own
 *   HEAD           code text                               0: the head is (again) reachable; else
 *                                                          it is not
 *
 * The launch spec (memfd): counts and NUL-terminated strings,
 *   | u32 argument_count | u32 environment_count | directory\0 | argument\0 … | NAME=value\0 … | */
#ifndef REEVE_WIRE_LOCAL_H
#define REEVE_WIRE_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/buffer.h"
#include "runtime/base/ids.h"

#define REEVE_LOCAL_VERSION   6u
#define REEVE_LOCAL_FD_MAX    4
#define REEVE_LOCAL_TEXT_SIZE 512

/* In the environment of a worker: "<abstract socket name>:<token, 16 hex digits>". Its presence
 * puts reeve_init in worker mode. */
#define REEVE_WORKER_VARIABLE "REEVE_WORKER"
/* The same of a keeper: reeve_init makes and owns an actor, and does not return. */
#define REEVE_KEEPER_VARIABLE "REEVE_KEEPER"

enum reeve_local_kind {
    REEVE_LOCAL_NONE,
    REEVE_LOCAL_HELLO,
    REEVE_LOCAL_DEMAND,
    REEVE_LOCAL_LEASE_RETURN,
    REEVE_LOCAL_TAKE_BACK,
    REEVE_LOCAL_CREATE,
    REEVE_LOCAL_SEAL,
    REEVE_LOCAL_ABORT,
    REEVE_LOCAL_GET,
    REEVE_LOCAL_UNPIN,
    REEVE_LOCAL_FREE,
    REEVE_LOCAL_LEND,
    REEVE_LOCAL_BLOCKED,
    REEVE_LOCAL_OWNS,
    REEVE_LOCAL_BYE,
    REEVE_LOCAL_WELCOME,
    REEVE_LOCAL_REFUSED,
    REEVE_LOCAL_CHANNEL,
    REEVE_LOCAL_LEASE_LOST,
    REEVE_LOCAL_LEASE_RECALL,
    REEVE_LOCAL_CHANNEL_CLOSE,
    REEVE_LOCAL_INFEASIBLE,
    REEVE_LOCAL_DEADLOCK,
    REEVE_LOCAL_SEGMENT,
    REEVE_LOCAL_SEGMENT_GONE,
    REEVE_LOCAL_CREATED,
    REEVE_LOCAL_SEALED,
    REEVE_LOCAL_GOT,
    REEVE_LOCAL_OUTPUT,
    REEVE_LOCAL_HEAD,
    REEVE_LOCAL_GIVE,
    REEVE_LOCAL_CANCEL,
    REEVE_LOCAL_SEGMENT_READY,
    REEVE_LOCAL_FAILED,
    REEVE_LOCAL_HOLD,
    REEVE_LOCAL_RELAX,
    REEVE_LOCAL_CREDIT,
    REEVE_LOCAL_NAME,
    REEVE_LOCAL_NAMED,
    REEVE_LOCAL_PROGRESS,
    REEVE_LOCAL_KEEP,
    REEVE_LOCAL_KEPT,
    REEVE_LOCAL_KILL,
    REEVE_LOCAL_ACTORS,
    REEVE_LOCAL_FEED,
    REEVE_LOCAL_ASK,
    REEVE_LOCAL_OVER,
    REEVE_LOCAL_GIVEN,
    REEVE_LOCAL_KIND_COUNT
};

enum reeve_local_mode { REEVE_LOCAL_DRIVER = 1, REEVE_LOCAL_WORKER = 2 };
enum reeve_local_channel_role { REEVE_LOCAL_ROLE_HOLDER = 1, REEVE_LOCAL_ROLE_WORKER = 2 };
#define REEVE_LOCAL_SEGMENT_WRITABLE 1u
#define REEVE_LOCAL_OBJECT_GIVEN     1u
#define REEVE_LOCAL_OBJECT_HELD      2u
#define REEVE_LOCAL_OBJECT_ANCHOR    4u
#define REEVE_LOCAL_OBJECT_REST      8u
#define REEVE_LOCAL_OBJECT_SILENT    16u
#define REEVE_LOCAL_OBJECT_AHEAD     32u
#define REEVE_LOCAL_OBJECT_STRAY     64u
#define REEVE_LOCAL_KEEP_CHILDREN    1u
#define REEVE_LOCAL_NAME_FIND        1u
#define REEVE_LOCAL_NAME_DROP        2u
#define REEVE_LOCAL_ASK_CLOSED       1u
#define REEVE_LOCAL_RUN_MAX          ((size_t)768 * 1024)

struct reeve_local_message {
    uint16_t kind;
    uint16_t mode;
    uint32_t flags;
    int32_t code;
    uint32_t version;
    /* chosen by the client, counted from 0; its meaning comes with the first DEMAND */
    uint32_t class_index;
    uint32_t cpu_milli;
    int32_t priority;
    uint32_t count;
    uint32_t node;
    uint32_t segment;
    uint32_t request; /* chosen by the client, echoed */
    uint32_t inline_size;
    uint64_t token;
    uint64_t table_hash;
    uint64_t lease;
    uint64_t task;
    reeve_process_id process;
    struct reeve_object_id object;
    uint64_t offset;
    uint64_t size;
    uint32_t text_size;
    char text[REEVE_LOCAL_TEXT_SIZE]; /* not NUL-terminated on the wire; cut to text_size */
    /* not on the wire: */
    uint32_t fd_count;
    int fds[REEVE_LOCAL_FD_MAX];
};

/* An actor, as its owner describes it: one after the other in a memfd, each with its text (why it
 * is dead) behind it. */
#define REEVE_LOCAL_ACTORS_MAX 1000u /* in an answer */
enum reeve_local_actor_state {
    REEVE_LOCAL_ACTOR_STARTING,   /* its constructor has yet to end, for the first time… */
    REEVE_LOCAL_ACTOR_RESTARTING, /* …again */
    REEVE_LOCAL_ACTOR_ALIVE,
    REEVE_LOCAL_ACTOR_DEAD, /* and not released yet */
};
struct reeve_local_actor {
    uint32_t number, host;
    uint32_t constructor; /* function */
    uint32_t state;
    uint32_t restarts, restarts_left; /* UINT32_MAX: any number */
    uint32_t cpu_milli;
    uint32_t text_size; /* behind it */
    uint64_t calls;     /* of its owner's, unanswered: of all actors of the host */
    uint64_t since_ns;  /* monotonic: when it was created, or restarted last */
};
/* Takes the next one off *bytes, of *size: false at the end, or where they are none. The text is
 * not NUL-terminated, and lies in the bytes. */
bool reeve_local_actor_next(
    const void **bytes, size_t *size, struct reeve_local_actor *ret, const char **ret_text);

/* Listening, connecting, sending, receiving. All descriptors are close-on-exec.
 * `name` is the abstract name without its leading NUL. Errors: REEVE_ESYSTEM with errno kept,
 * REEVE_EPROTOCOL for a malformed message, REEVE_EKEY when the peer is another user,
 * REEVE_EAGAIN when a non-blocking socket would block, REEVE_ESHUTDOWN on end of file. Receiving
 * fills `fds`, which the caller then owns; sending does not close them. REEVE_ESYSTEM with
 * EMFILE: there was no room for all of the message's descriptors, and it is lost. */
int reeve_local_listen(const char *name, int *ret_fd);
int reeve_local_accept(int listener, int *ret_fd);
int reeve_local_connect(const char *name, int *ret_fd);
int reeve_local_send(int fd, const struct reeve_local_message *message, int flags);
int reeve_local_receive(int fd, struct reeve_local_message *ret, int flags);
/* Whether the next message has come, and has descriptors with it. */
bool reeve_local_brings_descriptors(int fd);
/* Checks lengths, kind and zero termination of what was received in `bytes`; used by receive,
 * and by its fuzzer. */
int reeve_local_decode(const void *bytes, size_t size, struct reeve_local_message *ret);
void reeve_local_set_text(struct reeve_local_message *message, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A line of a text, which is taken off its front; false: it is too long. At its end: empty. */
bool reeve_local_line_take(const char **text, char *line, size_t size);
const char *reeve_local_kind_name(enum reeve_local_kind kind);

/* The run of a FEED (local_run.c). Put: into the message; the descriptor, if there is one, is the
 * caller's to close when it has been sent. REEVE_ESYSTEM. Get: appends what the message, as it was
 * received, brings. REEVE_EPROTOCOL, REEVE_ENOMEM. */
int reeve_local_run_put(struct reeve_local_message *message, const void *bytes, size_t size);
int reeve_local_run_get(const struct reeve_local_message *message, struct reeve_buffer *ret);

/* The name under which programs look for a daemon of this user on this machine that belongs to
 * the cluster whose head has this address. Spellings of one address give one name:
 * "tcp://localhost:6380", "127.0.0.1". `name` has REEVE_LOCAL_NAME_SIZE bytes. */
#define REEVE_LOCAL_NAME_SIZE 64
#define REEVE_LOCAL_HEAD_PORT 6380
void reeve_local_known_name(const char *head_address, char *name);

#endif
