/* Staging. See stage.h. */
#include "objectstore/stage.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/base/errors.h"
#include "runtime/base/list.h"
#include "runtime/base/macros.h"
#include "runtime/base/map64.h"

enum object_state { ABSENT, ASKED, PINNED };

struct stage_object {
    struct reeve_store_wanted wanted;
    uint32_t request;
    enum object_state state;
};

struct stage {
    uint64_t number;
    struct reeve_list queue_link; /* linked: not begun */
    uint64_t bytes;               /* to be brought */
    bool ended;                   /* all are pinned, or (code) none is, nor will be */
    int32_t code;
    struct reeve_object_id lost;
    char text[REEVE_STORE_TEXT_SIZE];
    uint32_t asked_count;
    uint32_t count;
    struct stage_object objects[];
};

struct reeve_stages {
    const struct reeve_store *store;
    uint64_t capacity_bytes;
    struct reeve_map64 stages;   /* by number */
    struct reeve_map64 requests; /* struct stage by number of the GET */
    struct reeve_list queue;     /* in order: those not begun yet */
    struct reeve_fifo out;       /* struct reeve_stage_command */
    uint64_t last;
    uint32_t request_last;
    uint64_t coming_bytes; /* of those begun and not ended */
};

struct reeve_stages *reeve_stages_create(const struct reeve_store *store, uint64_t capacity_bytes)
{
    struct reeve_stages *stages = calloc(1, sizeof(*stages));
    if (stages == NULL)
        return NULL;
    stages->store = store;
    stages->capacity_bytes = capacity_bytes;
    reeve_map64_init(&stages->stages);
    reeve_map64_init(&stages->requests);
    reeve_list_init(&stages->queue);
    reeve_fifo_init(&stages->out, sizeof(struct reeve_stage_command));
    return stages;
}

struct reeve_stages *reeve_stages_free(struct reeve_stages *stages)
{
    if (stages == NULL)
        return NULL;
    reeve_map64_fini_values(&stages->stages);
    reeve_map64_fini(&stages->requests);
    reeve_fifo_fini(&stages->out);
    free(stages);
    return NULL;
}

static struct reeve_stage_command *command(
    struct reeve_stages *stages, enum reeve_stage_command_kind kind)
{
    struct reeve_stage_command *ret = reeve_fifo_push(&stages->out);
    REEVE_ASSERT(ret != NULL);
    *ret = (struct reeve_stage_command){.kind = kind};
    return ret;
}

static struct reeve_store_event *say(struct reeve_stages *stages, enum reeve_store_event_kind kind,
    const struct stage_object *object)
{
    struct reeve_store_event *event = &command(stages, REEVE_STAGE_SAY)->event;
    *event = (struct reeve_store_event){.kind = kind,
        .client = REEVE_STORE_DAEMON,
        .request = object->request,
        .id = object->wanted.id};
    return event;
}

/* Gives back what it has and calls off what it waits for. */
static void undo(struct reeve_stages *stages, struct stage *stage)
{
    for (uint32_t i = 0; i < stage->count; i++) {
        struct stage_object *object = &stage->objects[i];
        if (object->state == ASKED) {
            reeve_map64_remove(&stages->requests, object->request);
            say(stages, REEVE_STORE_CANCEL, object);
        } else if (object->state == PINNED) {
            say(stages, REEVE_STORE_UNPIN, object);
        }
        object->state = ABSENT;
    }
    stage->asked_count = 0;
}

static void end(struct reeve_stages *stages, struct stage *stage)
{
    stages->coming_bytes -= stage->bytes;
    stage->ended = true;
    command(stages, REEVE_STAGE_ENDED)->stage = stage->number;
}

static void forget(struct reeve_stages *stages, struct stage *stage)
{
    reeve_list_remove(&stage->queue_link);
    reeve_map64_remove(&stages->stages, stage->number);
    free(stage);
}

static void begin(struct reeve_stages *stages, struct stage *stage)
{
    reeve_list_remove(&stage->queue_link);
    stages->coming_bytes += stage->bytes;
    stage->asked_count = stage->count;
    for (uint32_t i = 0; i < stage->count; i++) {
        struct stage_object *object = &stage->objects[i];
        do
            object->request = ++stages->request_last;
        while (object->request == 0 || reeve_map64_get(&stages->requests, object->request) != NULL);
        object->state = ASKED;
        int error = reeve_map64_put(&stages->requests, object->request, stage, NULL);
        REEVE_ASSERT(error == REEVE_OK);
        struct reeve_store_event *event = say(stages, REEVE_STORE_GET, object);
        event->size = object->wanted.size;
        event->node = object->wanted.node;
        event->flags = object->wanted.given ? REEVE_STORE_GIVEN : 0;
    }
    if (stage->count == 0)
        end(stages, stage);
}

static void begin_next(struct reeve_stages *stages)
{
    while (!reeve_list_is_empty(&stages->queue)) {
        struct stage *stage = REEVE_LIST_ENTRY(stages->queue.next, struct stage, queue_link);
        if (stages->coming_bytes > 0 &&
            stages->coming_bytes + stage->bytes > stages->capacity_bytes / 2)
            return;
        begin(stages, stage);
    }
}

void reeve_stages_got(struct reeve_stages *stages, const struct reeve_store_command *answer)
{
    struct stage *stage = reeve_map64_remove(&stages->requests, answer->request);
    if (stage == NULL) { /* called off while the answer was on its way: the pin is not wanted */
        struct stage_object object = {.wanted.id = answer->id};
        if (answer->code == REEVE_OK)
            say(stages, REEVE_STORE_UNPIN, &object);
        return;
    }
    struct stage_object *object = stage->objects;
    while (object->request != answer->request || object->state != ASKED)
        object++;
    object->state = answer->code == REEVE_OK ? PINNED : ABSENT;
    stage->asked_count--;
    if (stage->asked_count > 0 && answer->code == REEVE_OK)
        return;
    if (answer->code != REEVE_OK) {
        stage->code = answer->code;
        stage->lost = object->wanted.id;
        memcpy(stage->text, answer->text, sizeof(stage->text));
        undo(stages, stage);
    }
    end(stages, stage);
    begin_next(stages);
}

uint64_t reeve_stages_missing(
    const struct reeve_stages *stages, const struct reeve_store_wanted *wanted, uint32_t count)
{
    uint64_t missing = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t segment;
        uint64_t offset, size;
        if (!reeve_store_find(stages->store, wanted[i].id, &segment, &offset, &size))
            missing += REEVE_MAX(wanted[i].size, (uint64_t)REEVE_STORE_GRAIN);
    }
    return missing;
}

int reeve_stages_add(struct reeve_stages *stages, const struct reeve_store_wanted *wanted,
    uint32_t count, uint64_t *ret_stage, uint64_t *ret_total)
{
    *ret_total = 0;
    for (uint32_t i = 0; i < count; i++)
        *ret_total += wanted[i].size;
    if (*ret_total > stages->capacity_bytes)
        return REEVE_ETOOLARGE;
    struct stage *stage = calloc(1, sizeof(*stage) + count * sizeof(stage->objects[0]));
    if (stage == NULL ||
        reeve_map64_put(&stages->stages, ++stages->last, stage, NULL) != REEVE_OK) {
        free(stage);
        return REEVE_ENOMEM;
    }
    stage->number = *ret_stage = stages->last;
    stage->bytes = reeve_stages_missing(stages, wanted, count);
    stage->count = count;
    reeve_list_init(&stage->queue_link);
    for (uint32_t i = 0; i < count; i++)
        stage->objects[i].wanted = wanted[i];
    if (stage->bytes == 0) {
        begin(stages, stage);
    } else {
        reeve_list_push_back(&stages->queue, &stage->queue_link);
        begin_next(stages);
    }
    return REEVE_OK;
}

void reeve_stages_drop(struct reeve_stages *stages, uint64_t number)
{
    struct stage *stage = reeve_map64_get(&stages->stages, number);
    if (stage == NULL)
        return;
    undo(stages, stage);
    if (!reeve_list_is_linked(&stage->queue_link) && !stage->ended)
        stages->coming_bytes -= stage->bytes;
    forget(stages, stage);
    begin_next(stages);
}

bool reeve_stages_next(struct reeve_stages *stages, struct reeve_stage_command *ret)
{
    while (reeve_fifo_pop(&stages->out, ret)) {
        if (ret->kind == REEVE_STAGE_SAY)
            return true;
        struct stage *stage = reeve_map64_get(&stages->stages, ret->stage);
        if (stage == NULL)
            continue; /* dropped meanwhile */
        ret->code = stage->code;
        ret->lost = stage->lost;
        memcpy(ret->text, stage->text, sizeof(ret->text));
        if (stage->code != REEVE_OK)
            forget(stages, stage);
        return true;
    }
    return false;
}

void reeve_stages_status(const struct reeve_stages *stages, struct reeve_stages_status *ret)
{
    *ret = (struct reeve_stages_status){
        .count = reeve_map64_count(&stages->stages), .coming_bytes = stages->coming_bytes};
    REEVE_LIST_EACH(link, &stages->queue)
    ret->waiting_count++;
}

const char *reeve_stages_check(const struct reeve_stages *stages)
{
    uint64_t coming = 0, asked_count = 0;
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&stages->stages, &at, NULL, &value)) {
        const struct stage *stage = value;
        bool waits = reeve_list_is_linked(&stage->queue_link);
        uint32_t asked = 0, pinned = 0;
        for (uint32_t i = 0; i < stage->count; i++) {
            const struct stage_object *object = &stage->objects[i];
            asked += object->state == ASKED;
            pinned += object->state == PINNED;
            if (object->state == ASKED &&
                reeve_map64_get(&stages->requests, object->request) != stage)
                return "a stage waits for the answer to a request that is not known";
        }
        if (asked != stage->asked_count)
            return "a stage miscounts what it has asked for";
        if (stage->ended && (asked > 0 || pinned != (stage->code == REEVE_OK ? stage->count : 0)))
            return "a stage has ended with some of its objects";
        if (waits && asked + pinned > 0)
            return "a stage that has not begun has something";
        if (!waits && !stage->ended && asked == 0)
            return "a stage that has not ended waits for nothing";
        coming += waits || stage->ended ? 0 : stage->bytes;
        asked_count += asked;
    }
    if (coming != stages->coming_bytes)
        return "the bytes on their way to stages are miscounted";
    if (asked_count != reeve_map64_count(&stages->requests))
        return "a request is nobody's";
    if (coming == 0 && !reeve_list_is_empty(&stages->queue))
        return "a stage waits, and nothing is on its way";
    return NULL;
}
