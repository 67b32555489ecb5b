/* The object store's place in the daemon: its timer and left-over work on the loop, its messages to
 * clients and peers, and the end of drivers.
 *
 * A process that has closed its socket may still write to what it has mapped, so what it held
 * stays until the process is known to be gone: a worker has been reaped then; a driver is
 * nobody's child here, and its pidfd tells. One that has said BYE has unmapped everything
 * before. */
#include <stdlib.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/node/shell_daemon.h"
#include "runtime/node/shell_segments.h"

#define AHEAD_BYTES (64ull << 20) /* prepared ahead of a writer that grows, at most */

static void on_work(uv_idle_t *work)
{
    struct daemon *daemon = work->data;
    if (!reeve_store_shell_turn(daemon->store))
        uv_idle_stop(work);
    daemon_objects_arm(daemon);
}

static void on_deadline(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    if (reeve_store_shell_turn(daemon->store))
        uv_idle_start(&daemon->store_work, on_work);
    daemon_objects_arm(daemon);
}

void daemon_objects_arm(struct daemon *daemon)
{
    uint64_t deadline = reeve_store_shell_deadline(daemon->store);
    if (deadline == UINT64_MAX || daemon->ending) {
        uv_timer_stop(&daemon->store_deadline);
        return;
    }
    uint64_t now = reeve_clock_monotonic_ns();
    uint64_t wait_ms =
        deadline > now ? (deadline - now + REEVE_NS_PER_MS - 1) / REEVE_NS_PER_MS : 0;
    uv_update_time(&daemon->loop);
    uv_timer_start(&daemon->store_deadline, on_deadline, wait_ms, 0);
}

static void wake(void *arg)
{
    struct daemon *daemon = arg;
    uv_idle_start(&daemon->store_work, on_work);
}

static int send_client(void *arg, uint32_t serial, const struct reeve_local_message *message)
{
    struct daemon_client *client = daemon_client_get(arg, serial);
    if (client != NULL)
        daemon_client_send(client, message);
    return client != NULL ? REEVE_OK : REEVE_EHANDLE;
}

/* By number: what a client says may cost it its connection. */
static void hear(void *arg)
{
    struct daemon *daemon = arg;
    size_t count = 0, at = 0;
    uint64_t connection;
    uint64_t *all = malloc((reeve_map64_count(&daemon->clients) + 1) * sizeof *all);
    if (all == NULL)
        return;
    while (reeve_map64_next(&daemon->clients, &at, &connection, NULL))
        all[count++] = connection;
    for (size_t i = 0; i < count; i++) {
        struct daemon_client *client = reeve_map64_get(&daemon->clients, all[i]);
        if (client != NULL)
            daemon_client_drain(client);
    }
    free(all);
}

static void send_node(void *arg, uint32_t node, const Reeve__Message *message)
{
    struct daemon *daemon = arg;
    reeve_peer session = daemon_peer_session(daemon, node);
    if (session != 0)
        (void)reeve_link_send(daemon->link, session, message);
}

static size_t node_queued(void *arg, uint32_t node)
{
    struct daemon *daemon = arg;
    const struct daemon_peer *peer = daemon_peer_get(daemon, node);
    return peer != NULL ? reeve_link_queued_bytes(daemon->link, peer->session) : 0;
}

/* --- pages that are prepared or given back, on the thread pool --- */

struct paging {
    uv_work_t work;
    struct daemon *daemon;
    int (*act)(int fd, uint64_t offset, uint64_t length);
    void (*done)(struct reeve_store_shell *store, uint32_t segment, uint64_t offset, int code);
    int fd;
    uint32_t segment;
    uint64_t offset, length;
    int code;
};

static void paging_work(uv_work_t *work)
{
    struct paging *paging = work->data;
    paging->code = paging->act(paging->fd, paging->offset, paging->length);
}

static void paging_done(uv_work_t *work, int status)
{
    struct paging *paging = work->data;
    struct daemon *daemon = paging->daemon;
    close(paging->fd);
    if (!daemon->ending) {
        paging->done(daemon->store, paging->segment, paging->offset,
            status != 0 ? REEVE_ECANCELLED : paging->code);
        daemon_objects_arm(daemon);
    }
    free(paging);
}

static int paging_start(struct daemon *daemon, struct paging settings)
{
    struct paging *paging = daemon_alloc(sizeof *paging);
    *paging = settings;
    paging->daemon = daemon;
    paging->work.data = paging;
    if (!daemon->ending &&
        uv_queue_work(&daemon->loop, &paging->work, paging_work, paging_done) == 0)
        return REEVE_OK;
    free(paging);
    return REEVE_ESYSTEM;
}

static int prepare(void *arg, int fd, uint32_t segment, uint64_t offset, uint64_t length)
{
    return paging_start(arg, (struct paging){.act = reeve_segments_touch,
                                 .done = reeve_store_shell_prepared,
                                 .fd = fd,
                                 .segment = segment,
                                 .offset = offset,
                                 .length = length});
}

static int give_back(void *arg, int fd, uint32_t segment, uint64_t offset, uint64_t length)
{
    return paging_start(arg, (struct paging){.act = reeve_segments_give_back,
                                 .done = reeve_store_shell_returned,
                                 .fd = fd,
                                 .segment = segment,
                                 .offset = offset,
                                 .length = length});
}

int daemon_objects_open(struct daemon *daemon)
{
    struct reeve_store_shell_settings settings = {
        .store = {.capacity_bytes = daemon->options->store_bytes,
            .prefault = daemon->options->prefault,
            .ahead_bytes = AHEAD_BYTES,
            .segment_idle_ns = daemon->options->keep_warm_ns,
            .spill_folders = daemon->options->spill_folders,
            .spill_folder_count = daemon->options->spill_folder_count,
            .spill_limit_bytes = daemon->options->spill_bytes},
        .loop = &daemon->loop,
        .callbacks = {.prepare = prepare,
            .give_back = give_back,
            .send_client = send_client,
            .send_node = send_node,
            .hear = hear,
            .node_queued = node_queued,
            .stream_address = daemon_stream_address,
            .transferred = daemon_timeline_transferred,
            .stream_send = daemon_stream_send,
            .wake = wake},
        .arg = daemon};
    uv_timer_init(&daemon->loop, &daemon->store_deadline);
    uv_idle_init(&daemon->loop, &daemon->store_work);
    daemon->store_deadline.data = daemon->store_work.data = daemon;
    return reeve_store_shell_create(&settings, &daemon->store);
}

/* --- drivers that have closed their socket and may still live --- */

struct leaving {
    struct reeve_list link; /* in daemon->leaving */
    struct daemon *daemon;
    uint32_t serial;
    int pidfd;
    uv_poll_t poll;
};

static void on_leaving_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_left(uv_poll_t *poll, int status, int events)
{
    struct leaving *leaving = poll->data;
    (void)status;
    (void)events;
    reeve_store_shell_client_reaped(leaving->daemon->store, leaving->serial);
    daemon_objects_arm(leaving->daemon);
    reeve_list_remove(&leaving->link);
    uv_poll_stop(poll);
    close(leaving->pidfd);
    uv_close((uv_handle_t *)poll, on_leaving_closed);
}

void daemon_objects_driver_gone(struct daemon_client *client)
{
    struct daemon *daemon = client->daemon;
    if (client->bye || client->pidfd < 0 || daemon->ending) {
        reeve_store_shell_client_reaped(daemon->store, client->serial);
        return;
    }
    struct leaving *leaving = daemon_alloc(sizeof *leaving);
    leaving->daemon = daemon;
    leaving->serial = client->serial;
    leaving->pidfd = client->pidfd;
    client->pidfd = -1;
    reeve_list_push_back(&daemon->leaving, &leaving->link);
    leaving->poll.data = leaving;
    uv_poll_init(&daemon->loop, &leaving->poll, leaving->pidfd);
    uv_poll_start(&leaving->poll, UV_READABLE, on_left);
}

void daemon_objects_stop_waiting(struct daemon *daemon)
{
    REEVE_LIST_EACH_SAFE(link, &daemon->leaving)
    {
        on_left(&REEVE_LIST_ENTRY(link, struct leaving, link)->poll, 0, 0);
    }
}
