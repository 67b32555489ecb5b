/* `reeve objects`, as a node answers it: what lies in its store.
 *
 *      request ──▶ listing ── a slice of the objects in each turn of the loop ──▶ reply
 *
 * A store may hold a million objects, so that the loop goes on meanwhile, and so does the store: an
 * object that is there all the time is in the list once, one that comes or goes may be. The reply
 * has the totals of all, how many the filter let pass, and the first `limit` of these. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/macros.h"
#include "runtime/node/shell_daemon.h"
#include "runtime/wire/tool_message.h"

#define SLICE_COUNT  2000 /* objects in a turn */
#define LIMIT_MAX    1000
#define LISTINGS_MAX 16
#define PIECE_SIZE   (256u * 1024)

typedef int (*compare)(const void *, const void *);

struct listing {
    struct reeve_list link;
    struct daemon *daemon;
    uv_idle_t idle;
    reeve_peer to;
    uint64_t request;
    reeve_process_id owner, job; /* REEVE_PROCESS_NONE: any */
    compare order;
    uint64_t cursor;
    uint64_t matched_count, matched_bytes;
    uint32_t limit, count;
    struct reeve_store_object_info *kept; /* 2 * limit: sorted and cut whenever it is full */
};

/* --- which come first --- */

static int by_name(const void *left, const void *right)
{
    const struct reeve_store_object_info *a = left, *b = right;
    if (a->id.owner != b->id.owner)
        return a->id.owner < b->id.owner ? -1 : 1;
    return a->id.sequence < b->id.sequence ? -1 : a->id.sequence > b->id.sequence;
}

static int by_size(const void *left, const void *right)
{
    const struct reeve_store_object_info *a = left, *b = right;
    if (a->size != b->size)
        return a->size > b->size ? -1 : 1;
    return by_name(left, right);
}

static int by_pins(const void *left, const void *right)
{
    const struct reeve_store_object_info *a = left, *b = right;
    if (a->pin_count != b->pin_count)
        return a->pin_count > b->pin_count ? -1 : 1;
    return by_size(left, right);
}

static const char *name_of(compare order)
{
    return order == by_pins ? "pins" : order == by_name ? "name" : "size";
}

static void cut(struct listing *listing)
{
    qsort(listing->kept, listing->count, sizeof(*listing->kept), listing->order);
    listing->count = REEVE_MIN(listing->count, listing->limit);
}

/* --- the reply --- */

static json_t *process_text(reeve_process_id process)
{
    return json_sprintf("%016" PRIx64, process);
}

/* A driver is its job; of other nodes' workers we know none. */
static reeve_process_id job_of(const struct daemon *daemon, reeve_process_id owner)
{
    return reeve_process_node(owner) == daemon->node
               ? reeve_node_job_of(daemon->core, (uint32_t)owner)
               : owner;
}

static json_t *describe(const struct reeve_store_object_info *info)
{
    json_t *pinners = json_array(), *copies = json_array();
    for (uint32_t i = 0; i < REEVE_MIN(info->pinner_count, REEVE_STORE_NAMED_MAX); i++)
        json_array_append_new(
            pinners, json_pack("{s:o, s:I}", "process", process_text(info->pinners[i].process),
                         "pins", (json_int_t)info->pinners[i].pin_count));
    for (uint32_t i = 0; i < REEVE_MIN(info->copy_count, REEVE_STORE_NAMED_MAX); i++)
        json_array_append_new(copies, json_integer((json_int_t)info->copy_nodes[i]));
    return json_pack("{s:o, s:o, s:I, s:s, s:b, s:b, s:I, s:I, s:o, s:I, s:o, s:I}", "object",
        json_sprintf("%" PRIu32 ".%" PRIu32 "/%" PRIu64, reeve_process_node(info->id.owner),
            (uint32_t)info->id.owner, info->id.sequence),
        "owner", process_text(info->owner), "size_bytes", (json_int_t)info->size, "state",
        info->state, "copy", (int)info->copy, "freed", (int)info->freed, "pins",
        (json_int_t)info->pin_count, "pinners", (json_int_t)info->pinner_count, "pinned_by",
        pinners, "copies", (json_int_t)info->copy_count, "copies_on", copies, "segment",
        (json_int_t)info->segment);
}

static json_t *describe_store(const struct daemon *daemon)
{
    struct reeve_store_status status;
    struct reeve_store_layout layout;
    reeve_store_shell_status(daemon->store, &status);
    reeve_store_layout(reeve_store_shell_core(daemon->store), &layout);
    json_t *store = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "capacity_bytes",
        (json_int_t)status.capacity_bytes, "used_bytes", (json_int_t)status.used_bytes,
        "committed_bytes", (json_int_t)status.committed_bytes, "held_bytes",
        (json_int_t)reeve_store_shell_held(daemon->store), "unsealed_bytes",
        (json_int_t)status.unsealed_bytes, "copy_bytes", (json_int_t)status.copy_bytes,
        "pinned_bytes", (json_int_t)status.pinned_bytes, "objects", (json_int_t)status.object_count,
        "pins", (json_int_t)status.pin_count, "waiting", (json_int_t)status.queue_count, "segments",
        (json_int_t)status.segment_count, "segment_bytes", (json_int_t)layout.segment_bytes,
        "free_bytes", (json_int_t)layout.free_bytes, "largest_free_bytes",
        (json_int_t)layout.largest_free_bytes);
    json_t *more = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "holds",
        (json_int_t)status.hold_count, "untold", (json_int_t)status.untold_count, "spilled",
        (json_int_t)status.spilled_count, "spilled_bytes", (json_int_t)status.spilled_bytes,
        "disk_bytes", (json_int_t)status.disk_bytes, "unwritten",
        (json_int_t)status.spill_failed_count, "unread", (json_int_t)status.spill_damaged_count,
        "mended", (json_int_t)status.spill_mended_count);
    json_object_update(store, more);
    json_decref(more);
    return store;
}

static void reply(struct listing *listing)
{
    cut(listing);
    json_t *list = json_array();
    for (uint32_t i = 0; i < listing->count; i++)
        json_array_append_new(list, describe(&listing->kept[i]));
    json_t *result = json_pack("{s:I, s:s, s:o, s:I, s:I, s:s, s:I, s:o}", "node",
        (json_int_t)listing->daemon->node, "host", listing->daemon->host, "store",
        describe_store(listing->daemon), "matched", (json_int_t)listing->matched_count,
        "matched_bytes", (json_int_t)listing->matched_bytes, "sort", name_of(listing->order),
        "limit", (json_int_t)listing->limit, "objects", list);
    char *text = json_dumps(result, JSON_COMPACT);
    json_decref(result);
    size_t size = text != NULL ? strlen(text) : 0;
    for (size_t at = 0; at < size; at += PIECE_SIZE) {
        size_t piece = REEVE_MIN(size - at, (size_t)PIECE_SIZE);
        (void)reeve_tool_send_reply(listing->daemon->link, listing->to, listing->request, REEVE_OK,
            NULL, (struct reeve_tool_data){text + at, piece, at + piece < size});
    }
    free(text);
}

/* --- its life --- */

static void listing_free(struct listing *listing)
{
    free(listing->kept);
    free(listing);
}

static void on_closed(uv_handle_t *handle)
{
    struct listing *listing = handle->data;
    reeve_list_remove(&listing->link);
    listing_free(listing);
}

static void on_turn(uv_idle_t *idle)
{
    struct listing *listing = idle->data;
    const struct reeve_store *store = reeve_store_shell_core(listing->daemon->store);
    struct reeve_store_object_info info;
    for (uint32_t i = 0; i < SLICE_COUNT; i++) {
        if (!reeve_store_next_object(store, &listing->cursor, &info)) {
            reply(listing);
            uv_close((uv_handle_t *)idle, on_closed);
            return;
        }
        if ((listing->owner != REEVE_PROCESS_NONE && info.owner != listing->owner) ||
            (listing->job != REEVE_PROCESS_NONE &&
                job_of(listing->daemon, info.owner) != listing->job))
            continue;
        listing->matched_count++;
        listing->matched_bytes += info.size;
        if (listing->limit == 0)
            continue;
        listing->kept[listing->count++] = info;
        if (listing->count == 2 * listing->limit)
            cut(listing);
    }
}

static compare order_of(const char *sort)
{
    if (sort != NULL && strcmp(sort, "pins") == 0)
        return by_pins;
    return sort != NULL && strcmp(sort, "name") == 0 ? by_name : by_size;
}

void daemon_list_objects(struct daemon *daemon, reeve_peer from, const Reeve__ToolRequest *request)
{
    json_t *arguments = json_loads(request->arguments ? request->arguments : "{}", 0, NULL);
    json_int_t limit = json_integer_value(json_object_get(arguments, "limit"));
    const char *owner = json_string_value(json_object_get(arguments, "owner"));
    const char *job = json_string_value(json_object_get(arguments, "job"));
    struct listing *listing = NULL;
    if (reeve_list_count(&daemon->listings) < LISTINGS_MAX)
        listing = daemon_alloc(sizeof(*listing));
    if (listing == NULL) {
        (void)reeve_tool_send_reply(daemon->link, from, request->id, REEVE_EBUSY,
            "this node is answering too many such requests; try again",
            (struct reeve_tool_data){NULL, 0, false});
        json_decref(arguments);
        return;
    }
    listing->daemon = daemon;
    listing->to = from;
    listing->request = request->id;
    listing->owner = owner != NULL ? strtoull(owner, NULL, 16) : REEVE_PROCESS_NONE;
    listing->job = job != NULL ? strtoull(job, NULL, 16) : REEVE_PROCESS_NONE;
    listing->order = order_of(json_string_value(json_object_get(arguments, "sort")));
    listing->limit = (uint32_t)REEVE_MIN(REEVE_MAX(limit, 0), LIMIT_MAX);
    listing->kept = daemon_alloc((2 * (size_t)listing->limit + 1) * sizeof(*listing->kept));
    listing->idle.data = listing;
    reeve_list_push_back(&daemon->listings, &listing->link);
    uv_idle_init(&daemon->loop, &listing->idle);
    uv_idle_start(&listing->idle, on_turn);
    json_decref(arguments);
}

void daemon_listings_free(struct daemon *daemon)
{
    struct reeve_list *node;
    while ((node = reeve_list_pop_front(&daemon->listings)) != NULL)
        listing_free(REEVE_LIST_ENTRY(node, struct listing, link));
}
