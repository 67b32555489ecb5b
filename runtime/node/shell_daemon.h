/* What the files of the node daemon's shell share. The shell is one libuv loop around the node core
 * and the store core: it owns sockets, processes, shared memory and clocks, and decides nothing
 * that a core could decide.
 *
 *   node_main.c        starting, the loop, signals, the core's commands
 *   shell_links.c      sessions with the head, with peers and with tools
 *   shell_clients.c    unix sockets of drivers and workers
 *   shell_workers.c    worker processes: started, watched, reaped
 *   shell_spawn.c      vfork and exec
 *   shell_programs.c   executables: hashed, kept, launch specs, tables of functions
 *   shell_channels.c   rings between two processes of this node, and the daemon's ends of bridged
 *                      ones
 *   shell_bridge.c     when those are looked at; shell_executor.c and shell_holder.c: the two
 *                      sides; shell_entry.c
 *   shell_objects.c    the object store's place in all this
 *   shell_streams.c    pieces of objects beside the sessions
 *   shell_output.c     what workers write, on its way to the terminal
 *   shell_scratch.c    files that killed workers have left
 *   shell_timeline.c   what has been run, for `reeve timeline`
 *   shell_listing.c    what lies in the store, for `reeve objects`
 *   shell_tools.c      requests of tools
 *
 * An event for the core may come at any depth, also while its commands are carried out: it is
 * stepped at once, and its commands queue behind those before. Structs with libuv handles in
 * them are freed in the close callback. */
#ifndef REEVE_NODE_SHELL_DAEMON_H
#define REEVE_NODE_SHELL_DAEMON_H

#include <reeve_errors.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "runtime/base/fifo.h"
#include "runtime/base/list.h"
#include "runtime/base/log.h"
#include "runtime/base/map64.h"
#include "runtime/channel/channel.h"
#include "runtime/channel/history.h"
#include "runtime/node/bridge_pace.h"
#include "runtime/node/facts.h"
#include "runtime/node/node_core.h"
#include "runtime/node/node_main.h"
#include "runtime/node/shell_runs.h"
#include "runtime/node/shell_store.h"
#include "runtime/wire/link.h"
#include "runtime/wire/local.h"

#define REEVE_DAEMON_INLINE_SIZE (64u * 1024u)
#define REEVE_DAEMON_CLIENT_QUEUE \
    4096u /* messages that a client has not taken yet; then it is dropped */
/* control messages for a peer while its session is made */
#define REEVE_DAEMON_PEER_QUEUE      1024u
#define REEVE_DAEMON_TABLE_SIZE_MAX  (1u << 20)
#define REEVE_DAEMON_LAUNCH_SIZE_MAX (8u << 20)
#define REEVE_DAEMON_STDERR_TAIL     2048u

struct daemon;

/* A bell: the page by which one process is woken, and its eventfd. */
struct daemon_bell {
    int page_fd, event_fd;
    struct reeve_doorbell *page;
    struct reeve_history *history; /* of a worker, behind the page; else NULL */
};

struct daemon_launch { /* the launch spec of a driver, parsed */
    char *text;        /* all strings */
    char *directory;
    char **arguments;   /* NULL at the end */
    char **environment; /* NULL at the end */
};

/* A job's program as this node knows it. */
struct daemon_job {
    reeve_process_id id;
    uint8_t program[REEVE_PROGRAM_HASH_SIZE];
    int executable_fd;
    struct daemon_launch launch;
    char *table;
    size_t table_size;
    uint64_t table_hash;
    bool ready; /* what is above is there */
    bool local; /* its driver is here */
    struct daemon_fetching *fetching;
    struct reeve_list wanted; /* workers that wait for it to be ready */
    struct reeve_tally tally; /* of its workers that have ended */
};

struct daemon_worker;

/* One socket: a driver or a worker. */
struct daemon_client {
    struct daemon *daemon;
    uint64_t connection;
    int fd;
    uv_poll_t poll;
    bool polling_write;
    bool greeted; /* HELLO has been heard */
    bool welcome; /* WELCOME has been sent: it has a serial */
    bool closed;
    bool bye; /* it has unmapped everything before it closed its end */
    uint32_t serial;
    int pidfd; /* a driver's, who is nobody's child here; -1: not known */
    struct daemon_bell bell;
    struct daemon_worker *worker;
    struct daemon_job *job; /* a driver's, until it is welcome; then it is in the daemon's table */
    char name[REEVE_TEXT_SIZE];
    uint32_t weight;                  /* a driver's job's */
    struct daemon_terminal *terminal; /* a driver's */
    struct daemon_keeper *keeper;     /* it is that, and not yet welcome */
    struct reeve_fifo
        queue; /* struct reeve_local_message that would have blocked; their descriptors are ours */
};

struct daemon_worker {
    struct daemon *daemon;
    uint32_t serial;
    reeve_process_id job;
    struct reeve_list wanted_link; /* in daemon_job->wanted */
    uint64_t token;
    pid_t pid; /* 0: not started */
    int pidfd;
    uv_poll_t poll;
    struct daemon_client *client;
    bool greeted;
    bool killed;
    bool exited;
    int32_t fail_code;     /* why it will never start */
    uint32_t inline_depth; /* children it was running on the spot when its socket ended */
    struct daemon_output *output;
    struct reeve_watch watch;
    uint64_t history_next;    /* of its slices: the next one to be read */
    struct reeve_tally tally; /* when it has ended */
    uint32_t died_in;         /* the function + 1 that it was running then, or 0 */
    uint64_t died_task;
};

struct daemon_channel;
struct daemon_output;
struct daemon_terminal;
struct daemon_fetching;

struct daemon_peer {
    uint32_t node;
    uint64_t incarnation;
    char address[REEVE_ADDRESS_SIZE];
    char host[REEVE_HOST_SIZE];
    reeve_peer session;
    bool dialling;
    bool wanted;             /* somebody waits for a session, whatever the core has to say */
    struct reeve_fifo queue; /* struct reeve_message, for the session to come */
};

struct daemon {
    uv_loop_t loop;
    const struct reeve_node_options *options;
    uint64_t uid, incarnation;
    uint32_t node;
    char host[REEVE_HOST_SIZE];
    char head_address[REEVE_ADDRESS_SIZE];
    char socket_name[REEVE_LOCAL_NAME_SIZE];
    struct reeve_node *core;
    struct reeve_fifo commands;
    bool carrying;
    bool ready_told;
    bool dial_failure_told;
    bool ending;
    int exit_status;
    uint64_t secret;                 /* tokens are made of it */
    uint64_t oom_kills, oom_seen_ns; /* the kernel's count, and when it was seen to grow */
    uint64_t next_connection;
    struct daemon_bell bell;     /* our own */
    struct reeve_map64 clients;  /* by connection */
    struct reeve_map64 serials;  /* daemon_client by serial, those that are welcome */
    struct reeve_map64 workers;  /* by serial */
    struct reeve_map64 jobs;     /* by process id */
    struct reeve_map64 channels; /* by lease */
    struct reeve_map64 peers;    /* by node */
    struct reeve_fifo unnamed;   /* sessions with nodes from before we knew our own number */
    struct reeve_link *link;
    struct reeve_bulk *bulk; /* NULL: there are no streams */
    char stream_address[REEVE_ADDRESS_SIZE];
    struct reeve_store_shell *store;
    struct reeve_runs *runs;
    reeve_peer head_session;
    struct reeve_failures failures;
    struct daemon_timeline *timeline; /* what has been run here lately; NULL: nothing */
    uint64_t looked_ns;               /* at what the workers are doing */
    struct reeve_list leaving;        /* drivers whose socket has ended and whose process has not */
    struct reeve_list bridged;        /* channels of which we are an end */
    struct reeve_list terminals_leaving;
    struct reeve_list listings;         /* requests for objects that are being answered */
    struct reeve_list keepers;          /* of detached actors: shell_keepers.c */
    struct reeve_list killings;         /* who waits for their ends */
    struct daemon_said_file *said_file; /* what they have printed: shell_keepers_output.c */
    struct reeve_list job_stops;        /* likewise of drivers that are to end: shell_jobs.c */
    uint64_t next_keeper, next_asked;
    struct reeve_list askings; /* requests for actors that are being answered: shell_actors.c */
    uint32_t next_asking;
    uv_idle_t bridge_again;
    struct reeve_bridge_pace bridge_pace;
    int bridge_pause_fd;
    uv_timer_t bridge_retry;
    uv_timer_t store_deadline;
    uv_idle_t store_work;
    uv_timer_t deadline;
    uv_signal_t terminate, interrupt;
    uv_poll_t lifeline, listener, known_listener, bell_poll, pause_poll;
    int listener_fd, known_listener_fd;
};

/* node_main.c */
void daemon_event(struct daemon *daemon, const struct reeve_node_event *event);
void daemon_end(struct daemon *daemon, int exit_status);
int daemon_bell_make(struct daemon_bell *bell, const char *name, bool of_worker);
void daemon_bell_free(struct daemon_bell *bell);
void *daemon_alloc(size_t size);
void daemon_put(struct reeve_map64 *map, uint64_t key, void *value);

/* shell_clients.c */
int daemon_listen(struct daemon *daemon);
void daemon_stop_listening(struct daemon *daemon);
/* Sends now, or as soon as the client takes it; a client that takes nothing for long is dropped.
 * The descriptors stay the caller's. */
void daemon_client_send(struct daemon_client *client, const struct reeve_local_message *message);
struct daemon_client *daemon_client_get(struct daemon *daemon, uint32_t serial);
/* The end of its socket follows, as an event. */
void daemon_client_hang_up(struct daemon_client *client);
/* Reads what is there; for one whose process has ended. */
void daemon_client_drain(struct daemon_client *client);
/* Its process has ended: as at the end of its socket, when all that it has said is heard. */
void daemon_client_gone(struct daemon_client *client);
void daemon_client_close(struct daemon_client *client);
void daemon_client_refuse(struct daemon_client *client, int32_t code, const char *text);
void daemon_client_welcome(struct daemon_client *client, uint32_t serial);
void daemon_clients_command(struct daemon *daemon, const struct reeve_node_command *command);

/* shell_workers.c */
void daemon_worker_spawn(struct daemon *daemon, const struct reeve_node_command *command);
void daemon_worker_start(struct daemon_worker *worker, struct daemon_job *job);
void daemon_worker_never(struct daemon_worker *worker, int32_t code, const char *text);
struct daemon_worker *daemon_worker_by_token(struct daemon *daemon, uint64_t token);
void daemon_worker_retire(struct daemon *daemon, uint32_t serial);
void daemon_worker_kill(struct daemon *daemon, uint32_t serial);
void daemon_workers_kill_all(struct daemon *daemon);

/* What a process of the job is started with: the driver's environment where it runs here, ours
 * where it does not, and these; `scratch` may be NULL. malloc, of the list. */
char **daemon_environment(const struct daemon_job *job, char *variable, char *scratch);
/* Why daemon_spawn_process failed, in words that say what to do. Gives the code. */
int32_t daemon_describe_exec(
    int error, const char *stage, int executable_fd, char *text, size_t size);

/* shell_keepers.c */
/* A client's KEEP and KILL, a keeper's KEPT (false: it is none). */
void daemon_keeper_wanted(struct daemon_client *client, struct reeve_local_message *message);
void daemon_keeper_kill(struct daemon_client *client, const struct reeve_local_message *message);
bool daemon_keeper_made(struct daemon_client *client, const struct reeve_local_message *kept);
/* A driver says hello with a token; NULL: no keeper is expected under it. */
struct daemon_keeper *daemon_keeper_hello(struct daemon_client *client, uint64_t token);
/* Behind its WELCOME. */
void daemon_keeper_welcome(struct daemon_client *client);
/* The job on whose driver's terminal the output of that job belongs. */
reeve_process_id daemon_keeper_audience(struct daemon *daemon, reeve_process_id job);
bool daemon_keeper_is(const struct daemon_client *client);
/* What comes from the head: "actor.kill", and its reply to ours (false: it is no reply to us). */
void daemon_keeper_kill_asked(
    struct daemon *daemon, reeve_peer head, const Reeve__ToolRequest *request);
bool daemon_keeper_reply(struct daemon *daemon, const Reeve__ToolReply *reply);
void daemon_keepers_head_lost(struct daemon *daemon);
/* At the end of the daemon: nothing outlives it. */
void daemon_keepers_end(struct daemon *daemon);

/* shell_jobs.c: the head's "job.stop"; a driver has gone; the daemon ends. */
void daemon_job_stop(struct daemon *daemon, reeve_peer head, const Reeve__ToolRequest *request);
void daemon_job_driver_gone(struct daemon *daemon, uint32_t serial);
void daemon_job_stops_end(struct daemon *daemon);

/* shell_keepers_output.c */
struct daemon_said;
/* The descriptor for a keeper to print to, which `spawned` gives back when it has been started;
 * *ret is for `close`, when it has ended. */
int daemon_said_open(struct daemon *daemon, struct daemon_said **ret);
void daemon_said_spawned(int fd);
void daemon_said_close(struct daemon_said *said);
void daemon_said_free(struct daemon *daemon);
/* Where it is, beside the daemon's own log. False: nowhere. */
bool daemon_said_path(const char *log_path, char *path, size_t size);

/* shell_actors.c */
/* The head's "node.actors"; what a client has said; it has gone. */
void daemon_actors_asked(struct daemon *daemon, reeve_peer from, uint64_t request);
void daemon_actors_told(struct daemon_client *client, const struct reeve_local_message *message);
void daemon_actors_client_gone(const struct daemon_client *client);
/* At the end of the daemon. */
void daemon_actors_end(struct daemon *daemon);

/* shell_spawn.c */
struct daemon_spawn {
    int executable_fd;
    char **arguments, **environment;
    const char *directory; /* not entered when it does not exist */
    int out_fd, err_fd;
};
/* REEVE_OK, or REEVE_ESYSTEM with errno of what failed and *ret_stage saying what: static text. */
int daemon_spawn_process(
    const struct daemon_spawn *spawn, pid_t *ret_pid, int *ret_pidfd, const char **ret_stage);

/* shell_programs.c */
/* Takes the descriptors of a driver's HELLO; answers later with DRIVER_HELLO to the core, or
 * refuses. */
void daemon_program_hello(struct daemon_client *client, struct reeve_local_message *message);
struct daemon_job *daemon_job_get(struct daemon *daemon, reeve_process_id id);
void daemon_job_adopt(struct daemon *daemon, struct daemon_job *job, reeve_process_id id);
void daemon_job_want(struct daemon *daemon, struct daemon_worker *worker, const uint8_t *program);
/* shell_fetch.c: programs from other nodes */
/* Begins to fetch the program of a job elsewhere; serve or fail what waits for it. */
void daemon_fetch(struct daemon *daemon, struct daemon_job *job);
void daemon_fetch_peer_up(struct daemon *daemon, uint32_t node);
void daemon_fetch_peer_lost(struct daemon *daemon, uint32_t node, const char *text);
/* False: the message is not about programs. */
bool daemon_fetch_message(
    struct daemon *daemon, uint32_t node, reeve_peer session, const Reeve__Message *message);
void daemon_fetch_free(struct daemon_job *job);
void daemon_fetch_forget_cache(void);
void daemon_job_serve(struct daemon_job *job);
void daemon_job_fail(struct daemon_job *job, int32_t code, const char *text);
void daemon_job_gone(struct daemon *daemon, reeve_process_id id);
void daemon_job_free(struct daemon_job *job);
/* Reads a table of functions; NULL: it is none. */
char *daemon_table_read(int fd, size_t *ret_size);
/* What differs between the driver's table and a worker's, in one line. */
void daemon_table_difference(const char *driver, const char *worker, char *text, size_t size);

/* shell_channels.c */
void daemon_channels_command(struct daemon *daemon, const struct reeve_node_command *command);
void daemon_channels_free(struct daemon *daemon);

/* shell_bridge.c */
int daemon_bridge_open(struct daemon *daemon);
/* At the end of the daemon: nobody looks any more. */
void daemon_bridge_stop(struct daemon *daemon);
/* Looks at all bridged rings, and arms the bell when nothing is left. */
void daemon_bridge_turn(struct daemon *daemon);
/* False: the message is not for the bridge. */
bool daemon_bridge_message(struct daemon *daemon, uint32_t node, const Reeve__Message *message);
void daemon_bridge_take_back(struct daemon *daemon, uint32_t serial, uint64_t lease, uint64_t task);
/* A client does not want what it has sent: its worker is told, wherever that is. */
void daemon_bridge_cancel(
    struct daemon *daemon, uint32_t serial, const struct reeve_local_message *cancel);
/* A client has read of a stream that comes from another node. */
void daemon_bridge_credit(
    struct daemon *daemon, uint32_t serial, const struct reeve_local_message *told);
/* shell_feed.c: items for a call that has a stream among its arguments, and what its worker says of
 * them, wherever the other one is. */
void daemon_feed(struct daemon *daemon, uint32_t serial, const struct reeve_local_message *message);
void daemon_ask(struct daemon *daemon, uint32_t serial, const struct reeve_local_message *message);
bool daemon_feed_message(struct daemon *daemon, uint32_t node, const Reeve__Message *message);
/* A client asks how far a call has come that runs on another node. */
void daemon_bridge_progress(
    struct daemon *daemon, uint32_t serial, const struct reeve_local_message *asked);

/* shell_links.c */
int daemon_links_open(struct daemon *daemon, char *text);
void daemon_links_command(struct daemon *daemon, const struct reeve_node_command *command);
/* We have a number. */
void daemon_links_registered(struct daemon *daemon);
/* At the end of the daemon: what is queued for head and peers goes out, and that it has ended. Runs
 * the loop until they have heard it, a second at most. */
void daemon_links_goodbye(struct daemon *daemon);
struct daemon_peer *daemon_peer_get(struct daemon *daemon, uint32_t node);
void daemon_links_free(struct daemon *daemon);
/* The session with a node, or 0; then it is being made, and peer_reset tells the store when it
 * is there. */
reeve_peer daemon_peer_session(struct daemon *daemon, uint32_t node);

/* shell_objects.c */
int daemon_objects_open(struct daemon *daemon);
/* After anything has been told to the store. */
void daemon_objects_arm(struct daemon *daemon);
/* The client's socket has ended: it is reaped here, or as soon as its process has. */
void daemon_objects_driver_gone(struct daemon_client *client);
/* At the end of the daemon. */
void daemon_objects_stop_waiting(struct daemon *daemon);

/* shell_streams.c */
/* After the link; without streams pieces go with the sessions. `listen`: where the link does. */
void daemon_streams_open(struct daemon *daemon, const char *listen);
void daemon_streams_close(struct daemon *daemon);
/* It has a session. */
void daemon_streams_peer_up(struct daemon *daemon, const struct daemon_peer *peer, uint64_t uid);
void daemon_streams_peer_down(struct daemon *daemon, uint32_t node);
/* For the store's shell. */
const char *daemon_stream_address(void *arg);
int daemon_stream_send(
    void *arg, uint32_t node, const char *address, const struct reeve_store_piece *piece);

/* shell_output.c */
void daemon_output_deliver(struct daemon *daemon, reeve_process_id job, bool error_stream,
    const char *lines, size_t size, uint64_t dropped);
/* shell_links.c: to its driver's node; false: there is no room, or no way. */
bool daemon_output_send(struct daemon *daemon, reeve_process_id job, bool error_stream,
    const char *lines, size_t size, uint64_t dropped);
/* The driver is gone or going: what has been written for it until now still reaches it, if it
 * reads. */
void daemon_terminal_leave(struct daemon_client *client, reeve_process_id job);
void daemon_terminals_close(struct daemon *daemon);

/* shell_scratch.c */
/* Removes what daemons and workers of this user that were killed have left. */
void daemon_scratch_open(struct daemon *daemon);
/* Where the worker makes folders for its tasks; of REEVE_SCRATCH_PATH_SIZE bytes. */
void daemon_scratch_path(const struct daemon_worker *worker, char *path);
void daemon_scratch_worker_ended(struct daemon_worker *worker);

/* shell_tasks.c */
/* At each heartbeat: what the workers are doing now. */
void daemon_tasks_look(struct daemon *daemon);
/* Its page is read for the last time. */
void daemon_tasks_client_leaves(struct daemon_client *client);
void daemon_tasks_worker_ended(struct daemon_worker *worker, int32_t code, const char *text);
void daemon_tasks_job_gone(struct daemon *daemon, const struct daemon_job *job);
void daemon_tasks_failed(struct daemon_client *client, const struct reeve_local_message *message);
/* All of it, as JSON; NULL: no memory. Free it. */
char *daemon_tasks_json(struct daemon *daemon);

/* shell_timeline.c */
/* Takes over what the worker has run since; again before its page is gone, or its job's names. */
void daemon_timeline_read(struct daemon_worker *worker);
/* It has died in the midst of a task, of which its page says when it began. */
void daemon_timeline_died(struct daemon_worker *worker, uint32_t function, int32_t code);
/* A piece of an object has come from another node; of reeve_store_shell_callbacks. */
void daemon_timeline_transferred(void *arg, const struct reeve_store_transfer *transfer);
/* The arguments of a call of a client of another node have been brought here, or could not be. */
struct daemon_call;
void daemon_timeline_staged(const struct daemon_call *call);
/* As JSON; NULL: no memory. Free it. */
char *daemon_timeline_json(struct daemon *daemon);
void daemon_timeline_free(struct daemon *daemon);

/* shell_listing.c */
void daemon_list_objects(struct daemon *daemon, reeve_peer from, const Reeve__ToolRequest *request);
/* When the loop is at its end. */
void daemon_listings_free(struct daemon *daemon);

/* shell_tools.c */
void daemon_tool_request(struct daemon *daemon, reeve_peer from, const Reeve__ToolRequest *request);

#endif
