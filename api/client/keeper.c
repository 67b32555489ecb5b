/* Detached actors: see keeper.h. */
#include "api/client/keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/client/cluster.h"
#include "api/client/error.h"

/* ---- the order ------------------------------------------------------------------------------- */

uint8_t *reeve_keeper_order_pack(const struct reeve_keeper_order *order, size_t *ret_size)
{
    const uint32_t numbers[] = {
        order->cpu_milli, order->restarts_max, order->concurrency, order->pending_max};
    const char *const texts[] = {order->name_space, order->name, order->type};
    size_t size = sizeof(numbers) + order->args_size;
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(texts); i++)
        size += strlen(texts[i]) + 1;
    uint8_t *bytes = malloc(size);
    if (bytes == NULL)
        return NULL;
    memcpy(bytes, numbers, sizeof(numbers));
    char *at = (char *)bytes + sizeof(numbers);
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(texts); i++)
        at = stpcpy(at, texts[i]) + 1;
    if (order->args_size != 0)
        memcpy(at, order->args, order->args_size);
    *ret_size = size;
    return bytes;
}

bool reeve_keeper_order_read(const void *bytes, size_t size, struct reeve_keeper_order *ret)
{
    uint32_t numbers[4];
    const char **const texts[] = {&ret->name_space, &ret->name, &ret->type};
    const char *at = (const char *)bytes + sizeof(numbers), *end = (const char *)bytes + size;
    if (size < sizeof(numbers))
        return false;
    memcpy(numbers, bytes, sizeof(numbers));
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(texts); i++) {
        const char *stop = memchr(at, 0, (size_t)(end - at));
        if (stop == NULL || stop == at)
            return false;
        *texts[i] = at;
        at = stop + 1;
    }
    ret->cpu_milli = numbers[0];
    ret->restarts_max = numbers[1];
    ret->concurrency = numbers[2];
    ret->pending_max = numbers[3];
    ret->args = at;
    ret->args_size = (size_t)(end - at);
    return true;
}

/* ---- who wants an actor ---------------------------------------------------------------------- */

static bool write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size != 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

static int order_open(
    const struct reeve_actor_settings *settings, int *ret_fd, struct reeve_error_info *error)
{
    size_t size;
    uint8_t *bytes = reeve_keeper_order_pack(
        &(struct reeve_keeper_order){settings->cpu_milli, settings->restarts_max,
            settings->concurrency, settings->pending_max, settings->name_space, settings->name,
            settings->type, settings->args, settings->args_size},
        &size);
    int fd = bytes != NULL ? memfd_create("reeve-order", MFD_CLOEXEC) : -1;
    bool good = fd >= 0 && write_all(fd, bytes, size);
    free(bytes);
    if (!good && fd >= 0)
        close(fd);
    *ret_fd = fd;
    return good ? 0 : reeve_error_set(error, REEVE_ENOMEM, "no memory for the actor's arguments");
}

int reeve_cluster_actor_keep(struct reeve_backend *backend,
    const struct reeve_actor_settings *settings, reeve_actor *ret, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    struct reeve_local_message reply, message = {.kind = REEVE_LOCAL_KEEP, .fd_count = 1};
    reeve_local_set_text(&message, "%s", settings->name);
    reeve_lock(&cluster->lock);
    int code = reeve_cluster_usable(cluster, error);
    reeve_unlock(&cluster->lock);
    if (code == 0)
        code = order_open(settings, &message.fds[0], error);
    if (code != 0)
        return code;
    code = reeve_cluster_request(cluster, &message, &reply, error);
    close(message.fds[0]);
    if (code == 0)
        *ret = (reeve_actor){reply.process, reply.task, reply.size};
    return code;
}

int reeve_cluster_keeper_kill(
    struct reeve_cluster *cluster, uint64_t keeper, struct reeve_error_info *error)
{
    struct reeve_local_message reply, message = {.kind = REEVE_LOCAL_KILL, .process = keeper};
    reeve_lock(&cluster->lock);
    int code = reeve_cluster_usable(cluster, error);
    reeve_unlock(&cluster->lock);
    return code == 0 ? reeve_cluster_request(cluster, &message, &reply, error) : code;
}

/* ---- the keeper ------------------------------------------------------------------------------ */

/* The order stays mapped: what it says is used until the actor has been made. */
static int order_take(
    struct reeve_cluster *cluster, struct reeve_keeper_order *ret, struct reeve_error_info *error)
{
    struct stat status;
    void *bytes = MAP_FAILED;
    if (fstat(cluster->order_fd, &status) == 0 && status.st_size > 0)
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, cluster->order_fd, 0);
    close(cluster->order_fd);
    if (bytes == MAP_FAILED || !reeve_keeper_order_read(bytes, (size_t)status.st_size, ret))
        return reeve_error_set(error, REEVE_EPROTOCOL, "the order for the actor is malformed");
    return 0;
}

/* Until the actor has ended: the core says so when it gives its name back. */
static void await_end(struct reeve_cluster *cluster)
{
    reeve_lock(&cluster->lock);
    while (!cluster->kept_ended && !cluster->dead)
        (void)reeve_condition_wait(&cluster->replied, &cluster->lock, UINT64_MAX);
    reeve_unlock(&cluster->lock);
}

void reeve_keeper_run(struct reeve_cluster *cluster)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_local_message message = {.kind = REEVE_LOCAL_KEPT};
    struct reeve_keeper_order order;
    reeve_actor actor = {0, 0, 0};
    int code = order_take(cluster, &order, error);
    if (code == 0)
        code = reeve_actor_keep(&cluster->backend, &order, &actor, error);
    message.code = code;
    message.task = actor.number;
    message.size = actor.host;
    if (code != 0)
        reeve_local_set_text(&message, "%s", error->message);
    reeve_lock(&cluster->lock);
    (void)reeve_cluster_send(cluster, &message);
    reeve_unlock(&cluster->lock);
    if (code == 0)
        await_end(cluster);
    cluster->backend.shutdown(&cluster->backend);
    _exit(code != 0);
}
