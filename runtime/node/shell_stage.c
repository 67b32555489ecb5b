/* Staging: the objects that a task needs are brought to this node, and pinned, before it starts;
 * all or none.
 *
 *     stage ─▶ all here? ── yes ─▶ pinned: REEVE_OK
 *                 └── no ─▶ queue, in order ─▶ begun, if it fits ─▶ pinned ─▶ callback
 *
 * Were stages begun as they come, two tasks could each hold half of the store and wait for the
 * other half. So a stage begins only when all that has been begun fits into half of the store
 * together (or alone, however large it is). */
#include <inttypes.h>
#include <reeve_errors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/base/macros.h"
#include "runtime/node/shell_store_internal.h"

enum object_state { ABSENT, ASKED, PINNED };

struct stage_object {
    struct reeve_store_wanted wanted;
    uint32_t request;
    enum object_state state;
};

struct stage {
    uint64_t number;
    struct reeve_list queue_link;
    reeve_store_staged callback;
    void *arg;
    uint64_t bytes; /* to be brought */
    bool begun;
    bool complete;
    bool in_call; /* of reeve_store_shell_stage: which answers itself */
    int code;
    char text[REEVE_STORE_TEXT_SIZE];
    struct reeve_object_id failed;
    uint32_t asked_count;
    uint32_t count;
    struct stage_object objects[];
};

static char refused_text[REEVE_STORE_TEXT_SIZE];

void reeve_stage_init(struct reeve_store_shell *shell)
{
    reeve_map64_init(&shell->stages);
    reeve_map64_init(&shell->stage_requests);
    reeve_list_init(&shell->stage_queue);
}

void reeve_stage_fini(struct reeve_store_shell *shell)
{
    reeve_map64_fini_values(&shell->stages);
    reeve_map64_fini(&shell->stage_requests);
}

static bool is_here(const struct reeve_store_shell *shell, struct reeve_object_id id)
{
    uint32_t segment;
    uint64_t offset, size;
    return reeve_store_find(shell->store, id, &segment, &offset, &size);
}

static void forget(struct reeve_store_shell *shell, struct stage *stage)
{
    if (stage->begun && !stage->complete)
        shell->staging_bytes -= stage->bytes;
    reeve_list_remove(&stage->queue_link);
    reeve_map64_remove(&shell->stages, stage->number);
    free(stage);
}

/* Gives back what it has and calls off what it waits for. */
static void undo(struct reeve_store_shell *shell, struct stage *stage)
{
    for (uint32_t i = 0; i < stage->count; i++) {
        struct stage_object *object = &stage->objects[i];
        struct reeve_store_event event = {
            .client = REEVE_STORE_DAEMON, .id = object->wanted.id, .request = object->request};
        enum object_state state = object->state;
        object->state = ABSENT;
        if (state == ASKED) {
            reeve_map64_remove(&shell->stage_requests, object->request);
            stage->asked_count--;
            event.kind = REEVE_STORE_CANCEL;
            reeve_store_shell_event(shell, &event);
        } else if (state == PINNED) {
            event.kind = REEVE_STORE_UNPIN;
            reeve_store_shell_event(shell, &event);
        }
    }
}

static void begin(struct reeve_store_shell *shell, struct stage *stage)
{
    stage->begun = true;
    shell->staging_bytes += stage->bytes;
    stage->asked_count =
        stage->count; /* all at once, so that an early answer does not complete it */
    for (uint32_t i = 0; i < stage->count; i++) {
        struct stage_object *object = &stage->objects[i];
        do
            object->request = ++shell->stage_request_last;
        while (object->request == 0 ||
               reeve_map64_get(&shell->stage_requests, object->request) != NULL);
        object->state = ASKED;
        int error = reeve_map64_put(&shell->stage_requests, object->request, stage, NULL);
        REEVE_ASSERT(error == REEVE_OK);
    }
    uint64_t number = stage->number;
    for (uint32_t i = 0; reeve_map64_get(&shell->stages, number) == stage && i < stage->count &&
                         stage->code == REEVE_OK;
         i++) {
        if (stage->objects[i].state != ASKED)
            continue;
        reeve_store_shell_event(
            shell, &(struct reeve_store_event){.kind = REEVE_STORE_GET,
                       .client = REEVE_STORE_DAEMON,
                       .request = stage->objects[i].request,
                       .id = stage->objects[i].wanted.id,
                       .size = stage->objects[i].wanted.size,
                       .node = stage->objects[i].wanted.node,
                       .flags = stage->objects[i].wanted.given ? REEVE_STORE_GIVEN : 0});
    }
}

static void begin_next(struct reeve_store_shell *shell)
{
    while (!reeve_list_is_empty(&shell->stage_queue)) {
        struct stage *stage = REEVE_LIST_ENTRY(shell->stage_queue.next, struct stage, queue_link);
        if (shell->staging_bytes > 0 &&
            shell->staging_bytes + stage->bytes > shell->capacity_bytes / 2)
            return;
        reeve_list_remove(&stage->queue_link);
        begin(shell, stage);
    }
}

static void finish(struct reeve_store_shell *shell, struct stage *stage)
{
    if (stage->code != REEVE_OK) {
        undo(shell, stage);
        shell->stage_failed = stage->failed;
    }
    shell->staging_bytes -= stage->bytes;
    stage->complete = true;
    if (stage->in_call)
        return; /* reeve_store_shell_stage goes on with it */
    uint64_t number = stage->number;
    int code = stage->code;
    reeve_store_staged callback = stage->callback;
    void *arg = stage->arg;
    char text[REEVE_STORE_TEXT_SIZE];
    memcpy(text, stage->text, sizeof(text));
    if (code != REEVE_OK)
        forget(shell, stage);
    callback(arg, number, code, text);
    begin_next(shell);
}

void reeve_stage_got(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    struct stage *stage = reeve_map64_remove(&shell->stage_requests, command->request);
    if (stage == NULL) { /* called off while the answer was on its way: the pin is not wanted */
        if (command->code == REEVE_OK)
            reeve_store_shell_event(shell,
                &(struct reeve_store_event){
                    .kind = REEVE_STORE_UNPIN, .client = REEVE_STORE_DAEMON, .id = command->id});
        return;
    }
    struct stage_object *object = stage->objects;
    while (object->request != command->request || object->state != ASKED)
        object++;
    object->state = command->code == REEVE_OK ? PINNED : ABSENT;
    stage->asked_count--;
    if (command->code != REEVE_OK && stage->code == REEVE_OK) {
        stage->code = command->code;
        stage->failed = object->wanted.id;
        memcpy(stage->text, command->text, sizeof(stage->text));
    }
    if (stage->asked_count == 0 || stage->code != REEVE_OK)
        finish(shell, stage);
}

int reeve_store_shell_stage(struct reeve_store_shell *shell,
    const struct reeve_store_wanted *wanted, uint32_t count, reeve_store_staged callback, void *arg,
    uint64_t *ret_stage, const char **ret_text)
{
    *ret_text = refused_text;
    uint64_t total = 0, missing = 0;
    for (uint32_t i = 0; i < count; i++) {
        total += wanted[i].size;
        if (!is_here(shell, wanted[i].id))
            missing += REEVE_MAX(wanted[i].size, (uint64_t)REEVE_STORE_GRAIN);
    }
    if (total > shell->capacity_bytes) {
        snprintf(refused_text, sizeof(refused_text),
            "the arguments have %" PRIu64 " bytes together; the store of this node holds %" PRIu64,
            total, shell->capacity_bytes);
        return REEVE_ETOOLARGE;
    }
    if (missing > 0)
        reeve_store_shell_look_at_memory(shell, missing);
    struct stage *stage = calloc(1, sizeof(*stage) + count * sizeof(stage->objects[0]));
    if (stage == NULL ||
        reeve_map64_put(&shell->stages, ++shell->stage_last, stage, NULL) != REEVE_OK) {
        free(stage);
        snprintf(refused_text, sizeof(refused_text), "no memory");
        return REEVE_ENOMEM;
    }
    stage->number = *ret_stage = shell->stage_last;
    stage->callback = callback;
    stage->arg = arg;
    stage->bytes = missing;
    stage->count = count;
    reeve_list_init(&stage->queue_link);
    for (uint32_t i = 0; i < count; i++)
        stage->objects[i].wanted = wanted[i];
    stage->in_call = true;
    if (missing == 0) {
        begin(shell, stage);
        if (count == 0)
            finish(shell, stage);
    } else {
        reeve_list_push_back(&shell->stage_queue, &stage->queue_link);
        begin_next(shell);
    }
    stage->in_call = false;
    if (!stage->complete)
        return REEVE_EAGAIN;
    int code = stage->code;
    if (code != REEVE_OK) {
        memcpy(refused_text, stage->text, sizeof(refused_text));
        forget(shell, stage);
    }
    return code;
}

struct reeve_object_id reeve_store_shell_stage_failed(const struct reeve_store_shell *shell)
{
    return shell->stage_failed;
}

void reeve_store_shell_unstage(struct reeve_store_shell *shell, uint64_t number)
{
    struct stage *stage = reeve_map64_get(&shell->stages, number);
    if (stage == NULL)
        return;
    undo(shell, stage);
    forget(shell, stage);
    begin_next(shell);
}
