/* The owner core's memory: pages of tasks, edges between them, queues linked by index. No
 * decisions here. */
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/owner_internal.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

#define EDGES_KEPT 4096u /* memory for more is given back when there are none */

uint32_t owner_task_each(const struct reeve_owner *owner, uint32_t index)
{
    for (index++; index >> OWNER_PAGE_SHIFT < owner->page_count; index++) {
        const struct owner_page *page = owner->pages[index >> OWNER_PAGE_SHIFT];
        uint32_t in_page = index & (OWNER_PAGE_TASKS - 1);
        if (page->live == 0 || in_page >= page->end)
            index |= OWNER_PAGE_TASKS - 1; /* none behind it */
        else if (page->tasks[in_page].state != REEVE_TASK_FREE)
            return index;
    }
    return OWNER_NONE;
}

/* ---- pages ----------------------------------------------------------------------------------- */

static struct owner_page *page_add(struct reeve_owner *owner)
{
    if (owner->page_count == OWNER_WATCH >> OWNER_PAGE_SHIFT)
        return NULL;
    if (owner->page_count == owner->page_capacity) {
        uint32_t capacity = REEVE_MAX(owner->page_capacity * 2, 16u);
        struct owner_page **pages = realloc(owner->pages, capacity * sizeof(struct owner_page *));
        if (pages == NULL)
            return NULL;
        owner->pages = pages;
        owner->page_capacity = capacity;
    }
    struct owner_page *page = calloc(1, sizeof(*page));
    if (page == NULL)
        return NULL;
    page->generation = owner->settings.generation_first;
    page->free = OWNER_NONE;
    page->number = owner->page_count;
    reeve_list_init(&page->room_node);
    owner->pages[owner->page_count++] = page;
    return page;
}

/* A page with room. */
static struct owner_page *page_make(struct reeve_owner *owner)
{
    struct owner_page *page = NULL;
    for (uint32_t i = 0; i < owner->page_count && page == NULL; i++)
        if (owner->pages[i]->tasks == NULL)
            page = owner->pages[i];
    if (page == NULL && (page = page_add(owner)) == NULL)
        return NULL;
    page->tasks = calloc(OWNER_PAGE_TASKS, sizeof(struct owner_task));
    if (page->tasks == NULL)
        return NULL;
    owner->pages_empty++;
    reeve_list_push_front(&owner->pages_room, &page->room_node);
    return page;
}

static void page_free(struct reeve_owner *owner, struct owner_page *page)
{
    for (uint32_t i = 0; i < page->end; i++)
        page->generation = REEVE_MAX(page->generation, page->tasks[i].generation + 1);
    reeve_list_remove(&page->room_node);
    free(page->tasks);
    page->tasks = NULL;
    page->end = 0;
    page->free = OWNER_NONE;
    owner->pages_empty--;
}

uint32_t reeve_owner_generation(const struct reeve_owner *owner)
{
    uint32_t generation = owner->settings.generation_first;
    for (uint32_t i = 0; i < owner->page_count; i++) {
        const struct owner_page *page = owner->pages[i];
        generation = REEVE_MAX(generation, page->generation);
        for (uint32_t k = 0; k < page->end; k++)
            generation = REEVE_MAX(generation, page->tasks[k].generation + 1);
    }
    return generation;
}

uint64_t reeve_owner_memory(const struct reeve_owner *owner)
{
    return owner->memory_bytes - owner->inline_count * sizeof(struct owner_task);
}

bool reeve_owner_is_ahead(const struct reeve_owner *owner)
{
    return owner->unfinished - owner->inline_count > (owner->task_count - owner->inline_count) / 2;
}

uint64_t reeve_owner_task_count(const struct reeve_owner *owner)
{
    return owner->task_count;
}

/* ---- tasks ----------------------------------------------------------------------------------- */

int owner_task_make(struct reeve_owner *owner, uint32_t *ret_index)
{
    struct reeve_list *node = reeve_list_first(&owner->pages_room);
    struct owner_page *page =
        node != NULL ? REEVE_LIST_ENTRY(node, struct owner_page, room_node) : page_make(owner);
    if (REEVE_UNLIKELY(page == NULL))
        return REEVE_ENOMEM;
    uint32_t in_page = page->free;
    struct owner_task *task;
    if (in_page != OWNER_NONE) {
        task = &page->tasks[in_page];
        page->free = task->next;
    } else {
        in_page = page->end++;
        task = &page->tasks[in_page];
    }
    if (page->free == OWNER_NONE && page->end == OWNER_PAGE_TASKS)
        reeve_list_remove(&page->room_node);
    if (page->live++ == 0)
        owner->pages_empty--;
    uint32_t generation = task->generation != 0 ? task->generation + 1 : page->generation;
    generation &= INT32_MAX; /* the id's highest bit marks futures that were born failed */
    reeve_zero(task, offsetof(struct owner_task, bytes));
    task->generation = generation != 0 ? generation : 1; /* so that no id is 0 */
    task->next = task->previous = OWNER_NONE;
    task->lease_index = OWNER_NONE;
    task->edges = OWNER_NONE;
    owner->task_count++;
    owner->memory_bytes += sizeof(struct owner_task);
    *ret_index = page->number << OWNER_PAGE_SHIFT | in_page;
    return 0;
}

/* The task's memory may be gone afterwards. */
static void task_free(struct reeve_owner *owner, struct owner_task *task, uint32_t index)
{
    struct owner_page *page = owner->pages[index >> OWNER_PAGE_SHIFT];
    task->state = REEVE_TASK_FREE;
    task->next = page->free;
    page->free = index & (OWNER_PAGE_TASKS - 1);
    owner->task_count--;
    owner->memory_bytes -= sizeof(struct owner_task);
    if (!reeve_list_is_linked(&page->room_node))
        reeve_list_push_front(&owner->pages_room, &page->room_node);
    if (--page->live == 0 && ++owner->pages_empty > OWNER_PAGES_KEPT)
        page_free(owner, page);
}

/* Where bytes that do not fit into the task are to be written; NULL: there is no memory. */
static uint8_t *large_make(struct reeve_owner *owner, struct owner_task *task, uint32_t size)
{
    uint8_t *large = malloc(size);
    if (large == NULL)
        return NULL;
    task->bytes.large = large;
    task->size = size;
    owner->memory_bytes += size;
    return large;
}

int owner_task_store_large(
    struct reeve_owner *owner, struct owner_task *task, const void *bytes, uint32_t size)
{
    uint8_t *large = large_make(owner, task, size);
    if (large == NULL)
        return REEVE_ENOMEM;
    memcpy(large, bytes, size);
    return 0;
}

int owner_task_store_child(
    struct reeve_owner *owner, struct owner_task *task, const struct reeve_owner_task *from)
{
    uint32_t size = from->arguments_size + OWNER_PARENT_SIZE;
    uint8_t *to = task->bytes.small;
    if (REEVE_UNLIKELY(size > OWNER_SMALL_SIZE))
        to = large_make(owner, task, size);
    if (to == NULL)
        return REEVE_ENOMEM;
    reeve_copy(to, from->arguments, from->arguments_size);
    memcpy(to + from->arguments_size, from->parent, OWNER_PARENT_SIZE);
    task->size = size;
    task->has_parent = true;
    return 0;
}

/* Where splices lie when there is room for them behind small arguments. */
static struct reeve_owner_splice *splices_small(struct owner_task *task)
{
    size_t at = REEVE_ALIGN_UP((size_t)task->size, _Alignof(struct reeve_owner_splice));
    return (struct reeve_owner_splice *)(void *)(task->bytes.small + at);
}

int owner_task_store_splices(struct reeve_owner *owner, struct owner_task *task,
    const struct reeve_owner_splice *splices, uint32_t count)
{
    size_t size = count * sizeof(*splices);
    if (task->size <= OWNER_SMALL_SIZE &&
        (uint8_t *)splices_small(task) + size <= task->bytes.small + OWNER_SMALL_SIZE) {
        task->splices = splices_small(task);
    } else {
        task->splices = malloc(size);
        if (task->splices == NULL)
            return REEVE_ENOMEM;
        task->splices_size = (uint32_t)size;
        owner->memory_bytes += size;
    }
    memcpy(task->splices, splices, size);
    return 0;
}

void owner_task_clear_memory(struct reeve_owner *owner, struct owner_task *task)
{
    if (task->splices != NULL) {
        if (task->splices_size != 0)
            free(task->splices);
        owner->memory_bytes -= task->splices_size;
        task->splices_size = 0;
        task->splices = NULL;
    }
    if (task->size > OWNER_SMALL_SIZE) {
        free(task->bytes.large);
        owner->memory_bytes -= task->size;
    }
}

static void task_dispose(struct reeve_owner *owner, struct owner_task *task, uint32_t index)
{
    bool held = owner_is_anchored(task);
    REEVE_ASSERT((reeve_task_state_is_final(task->state) || task->state == REEVE_TASK_LINEAGE) &&
                 task->edges == OWNER_NONE);
    if (REEVE_UNLIKELY(owner_task_is_handle(task)))
        owner_handle_end(owner, task, index);
    else if ((task->flags & (OWNER_RESULT_OBJECT | OWNER_GIVEN)) == OWNER_RESULT_OBJECT)
        owner_object_free(owner, task, index);
    else if (task->flags & OWNER_RESULT_OBJECT && task->bytes.object.id.owner == owner->process)
        owner_strays_free(owner, task->bytes.object.id.sequence, task->bytes.object.node);
    if (held && task->flags & OWNER_GIVEN)
        owner_command(owner, REEVE_OWNER_UNPIN)->object = task->bytes.object;
    if (held) {
        REEVE_ASSERT(task->readers == 0);
        owner_anchor_forget(owner, task);
    }
    owner_task_clear(owner, task); /* an object has no bytes here */
    task_free(owner, task, index);
}

/* With a task go its holds on the futures in its result, and perhaps those: a list instead of
 * recursion, because chains are long. */
void owner_task_gone(struct reeve_owner *owner, struct owner_task *task, uint32_t index)
{
    if (REEVE_LIKELY(task->splice_count == 0 && !(task->flags & OWNER_RESULT_OBJECT) &&
                     task->lineage_references == 0)) {
        task_dispose(owner, task, index);
        return;
    }
    task->next = OWNER_NONE;
    owner_tasks_dispose(owner, index);
}

/* Of what only its list referred to, `pending` gets more. */
static uint32_t list_unref(struct reeve_owner *owner, struct owner_task *task, uint32_t pending)
{
    for (uint32_t i = 0; i < task->splice_count; i++) {
        uint32_t inner_index = owner_task_index(task->splices[i].task);
        struct owner_task *inner = owner_task_at(owner, inner_index);
        REEVE_ASSERT(inner->references > 0);
        if (--inner->references != 0)
            continue;
        inner->next = pending;
        pending = inner_index;
    }
    task->splice_count = 0;
    return pending;
}

void owner_tasks_dispose(struct reeve_owner *owner, uint32_t pending)
{
    while (pending != OWNER_NONE) {
        uint32_t index = pending;
        struct owner_task *task = owner_task_at(owner, index);
        pending = task->next;
        task->next = OWNER_NONE;
        if (task->lineage_references != 0) {
            if (owner_is_list(task)) {
                pending = list_unref(owner, task, pending);
                owner_task_clear(owner, task);
            }
            owner_lineage_linger(owner, task, index);
            continue;
        }
        if (task->flags & OWNER_RESULT_OBJECT)
            pending = owner_lineage_drop(owner, task, pending);
        pending = list_unref(owner, task, pending);
        task_dispose(owner, task, index);
    }
}

int owner_edge_add(struct reeve_owner *owner, struct owner_task *from, uint32_t dependent)
{
    if (owner->edge_free == OWNER_NONE) {
        uint32_t capacity = owner->edge_capacity ? owner->edge_capacity * 2 : 64;
        struct owner_edge *edges = realloc(owner->edges, capacity * sizeof(struct owner_edge));
        if (edges == NULL)
            return REEVE_ENOMEM;
        for (uint32_t i = owner->edge_capacity; i < capacity; i++)
            edges[i].next = i + 1 < capacity ? i + 1 : OWNER_NONE;
        owner->edge_free = owner->edge_capacity;
        owner->edge_capacity = capacity;
        owner->edges = edges;
    }
    uint32_t edge = owner->edge_free;
    owner->edge_count++;
    owner->edge_free = owner->edges[edge].next;
    owner->edges[edge] = (struct owner_edge){.dependent = dependent, .next = from->edges};
    from->edges = edge;
    return 0;
}

uint32_t owner_edge_pop(struct reeve_owner *owner, struct owner_task *from)
{
    uint32_t edge = from->edges;
    if (edge == OWNER_NONE)
        return OWNER_NONE;
    from->edges = owner->edges[edge].next;
    uint32_t dependent = owner->edges[edge].dependent;
    owner->edges[edge].next = owner->edge_free;
    owner->edge_free = edge;
    if (--owner->edge_count == 0 && owner->edge_capacity > EDGES_KEPT) {
        free(owner->edges);
        owner->edges = NULL;
        owner->edge_capacity = 0;
        owner->edge_free = OWNER_NONE;
    }
    return dependent;
}

struct reeve_owner_command *owner_command(
    struct reeve_owner *owner, enum reeve_owner_command_kind kind)
{
    struct reeve_owner_command *command = reeve_fifo_push(&owner->commands);
    REEVE_ASSERT(
        command !=
        NULL); /* a command is a promise already made: without memory for it there is no going on */
    command->kind = kind;
    return command;
}

/* ---- counts ---------------------------------------------------------------------------------- */

uint64_t reeve_owner_unfinished(const struct reeve_owner *owner)
{
    return owner->unfinished;
}

uint64_t reeve_owner_final_count(const struct reeve_owner *owner)
{
    return owner->final_count;
}

uint64_t reeve_owner_stale_count(const struct reeve_owner *owner)
{
    return owner->stale_count;
}
