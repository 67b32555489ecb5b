/* What a get says of a task that has failed: its error, as the worker has told it. */
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/cluster.h"
#include "api/client/codec.h"
#include "api/client/error.h"
#include "api/client/registry.h"

static void text_copy(char *to, size_t size, const msgpack_object *from)
{
    if (from->type == MSGPACK_OBJECT_STR)
        snprintf(to, size, "%.*s", (int)from->via.str.size, from->via.str.ptr);
}

/* A failed task's answer is a map for people: entry.h. */
static void error_map_read(const uint8_t *bytes, size_t size, struct reeve_error_info *error)
{
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t offset = 0;
    if (reeve_codec_check(bytes, size, NULL) == 0 &&
        msgpack_unpack_next(&unpacked, (const char *)bytes, size, &offset) ==
            MSGPACK_UNPACK_SUCCESS &&
        unpacked.data.type == MSGPACK_OBJECT_MAP) {
        const msgpack_object_map *map = &unpacked.data.via.map;
        for (uint32_t i = 0; i < map->size; i++) {
            const msgpack_object *value = &map->ptr[i].val;
            char key[16] = "";
            text_copy(key, sizeof(key), &map->ptr[i].key);
            if (strcmp(key, "message") == 0)
                text_copy(error->message, sizeof(error->message), value);
            else if (strcmp(key, "node") == 0)
                text_copy(error->node, sizeof(error->node), value);
            else if (strcmp(key, "code") == 0 &&
                     (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
                         value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER))
                error->user_code = value->via.i64;
        }
    }
    msgpack_unpacked_destroy(&unpacked);
}

void reeve_cluster_node_name(
    const struct reeve_cluster *cluster, uint32_t node, char *ret, size_t size)
{
    const char *host = reeve_map64_get(&cluster->hosts, node);
    snprintf(ret, size, host != NULL ? "%u (%s)" : "%u", node, host);
}

void reeve_cluster_host_note(struct reeve_cluster *cluster, uint32_t node, const char *host)
{
    if (host[0] == '\0' || reeve_map64_get(&cluster->hosts, node) != NULL)
        return;
    char *copy = strdup(host);
    if (copy != NULL && reeve_map64_put(&cluster->hosts, node, copy, NULL) != 0)
        free(copy); /* then it is called by its number alone */
}

void reeve_cluster_task_error(const struct reeve_cluster *cluster,
    const struct reeve_owner_result *result, struct reeve_error_info *error)
{
    reeve_error_set(error, result->status, "%s", "");
    if (error == NULL)
        return;
    const struct reeve_function *function = reeve_registry_at(result->function);
    if (function != NULL)
        reeve_error_function(error, function->name);
    error->attempt = (int)result->attempt;
    if (result->node != 0)
        reeve_cluster_node_name(cluster, result->node, error->node, sizeof(error->node));
    if (result->error_is_map)
        error_map_read(result->bytes, result->size, error);
    else if (result->size != 0)
        snprintf(error->message, sizeof(error->message), "%.*s", (int)result->size,
            (const char *)result->bytes);
}
