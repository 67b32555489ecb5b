/* What processes do with large values, step by step; between any two of them they may die, or be
 * stopped:
 *
 *   make   CREATE ─▶ room ─▶ half of it is filled ─▶ the rest, SEAL ─▶ sealed
 *   read   GET ─▶ pinned: looked at, held, looked at again ─▶ UNPIN
 *          anchored: likewise, in place, without a word to the daemon
 *
 * Some give a GET up and ask anew. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/values.h"

#define NUMBER_STEP 0x9e3779b97f4a7c15ull

uint64_t sim_value_size(uint64_t number)
{
    uint64_t random = sim_mix(number ^ 0x517e);
    uint64_t most = random % 100 < 40 ? 2000 : random % 100 < 90 ? 240000 : 800000;
    return sizeof number + (random >> 8) % most;
}

/* ---- bytes ---- */

static void fill(uint8_t *bytes, uint64_t number, uint64_t from, uint64_t to)
{
    for (uint64_t at = from; at < to; at += sizeof number) {
        uint64_t word = number + at * NUMBER_STEP;
        memcpy(bytes + at, &word, REEVE_MIN(sizeof word, to - at));
    }
}

/* All of its bytes are those of one number, which is returned. */
static uint64_t look(struct sim *sim, const struct sim_process *process, const uint8_t *bytes,
    uint64_t size, struct reeve_object_id id)
{
    uint64_t number, word;
    memcpy(&number, bytes, sizeof number);
    bool right = size == sim_value_size(number);
    for (uint64_t at = 0; right && at < size; at += sizeof number) {
        word = number + at * NUMBER_STEP;
        right = memcmp(bytes + at, &word, REEVE_MIN(sizeof word, size - at)) == 0;
    }
    if (!right)
        sim_violation(sim, "process %llu reads wrong bytes of object %llx/%llx",
            (unsigned long long)process->uid, (unsigned long long)id.owner,
            (unsigned long long)id.sequence);
    return number;
}

/* NULL: its daemon is gone, and so will it be. */
static const uint8_t *bytes_of(
    struct sim *sim, const struct sim_process *process, const struct sim_place *place)
{
    const struct sim_daemon *daemon = sim_daemon_get(sim, process->life);
    return daemon != NULL ? sim_memory(sim, daemon, place->segment, place->offset, place->size)
                          : NULL;
}

/* ---- places ---- */

static struct sim_place *place_of(struct sim_values *values, uint32_t request)
{
    for (uint32_t i = 0; i < SIM_VALUES * 2; i++)
        if (values->places[i].request == request)
            return &values->places[i];
    return NULL;
}

static void place_add(struct sim_values *values, struct sim_place place)
{
    struct sim_place *free_place = place_of(values, 0);
    if (free_place == NULL)
        abort();
    *free_place = place;
}

void sim_value_place(struct sim_process *process, const struct reeve_store_command *c)
{
    place_add(process->values, (struct sim_place){.request = c->request,
                                   .writable = c->kind == REEVE_STORE_REPLY_CREATE,
                                   .segment = c->segment,
                                   .offset = c->offset,
                                   .size = c->size});
}

void sim_values_scribble(struct sim *sim, const struct sim_process *process)
{
    for (uint32_t i = 0; i < SIM_VALUES * 2; i++) {
        const struct sim_place *place = &process->values->places[i];
        const uint8_t *bytes = place->request != 0 ? bytes_of(sim, process, place) : NULL;
        if (bytes != NULL && place->writable)
            memset((uint8_t *)(uintptr_t)bytes, 0xdd, place->size);
    }
}

/* ---- words to the daemon ---- */

static void say(struct sim *sim, struct sim_process *process, struct reeve_store_event said)
{
    sim_to_daemon(sim, process, &(struct sim_local){.kind = LOCAL_STORE, .said = said});
}

static uint32_t given(const struct reeve_reference *object)
{
    return (object->flags & REEVE_REFERENCE_GIVEN ? REEVE_STORE_GIVEN : 0) |
           (object->flags & REEVE_REFERENCE_HELD ? REEVE_STORE_HELD : 0);
}

void sim_value_command(
    struct sim *sim, struct sim_process *process, const struct reeve_owner_command *c)
{
    struct reeve_store_event said = {.kind = REEVE_STORE_UNPIN, .id = c->object.id};
    if (c->kind == REEVE_OWNER_FREE_OBJECT || c->kind == REEVE_OWNER_FREE_STRAY) {
        said.kind = REEVE_STORE_FREE;
        said.node = c->object.node;
        said.flags =
            given(&c->object) | (c->kind == REEVE_OWNER_FREE_STRAY ? REEVE_STORE_STRAY : 0);
        said.number = c->task;
    } else if (c->kind == REEVE_OWNER_LET_GO) {
        said.flags = REEVE_STORE_ANCHOR;
    }
    say(sim, process, said);
}

/* ---- values ---- */

static struct sim_value *value_add(struct sim_process *process, enum sim_value_use use)
{
    struct sim_value *value = process->values->values;
    while (value < process->values->values + SIM_VALUES && value->use != VALUE_FREE)
        value++;
    if (value == process->values->values + SIM_VALUES)
        return NULL;
    *value = (struct sim_value){.use = use, .request = ++process->values->request_last};
    return value;
}

static struct sim_value *value_of(struct sim_process *process, uint32_t request)
{
    for (uint32_t i = 0; i < SIM_VALUES; i++) {
        struct sim_value *value = &process->values->values[i];
        if (value->use != VALUE_FREE && value->request == request)
            return value;
    }
    return NULL;
}

/* It dies between two steps. */
static bool dies(struct sim *sim, struct sim_process *process)
{
    if (!sim->chaos || !sim_chance(sim, 1, 400))
        return false;
    sim->kills++;
    sim_process_kill(sim, process);
    return true;
}

static void goes_on_later(
    struct sim *sim, struct sim_process *process, uint32_t request, uint64_t ns)
{
    struct sim_event *event = sim_after(sim, ns, SIM_PROCESS_VALUE);
    event->a = process->uid;
    event->b = request;
}

struct sim_value *sim_word_say(
    struct sim *sim, struct sim_process *process, struct reeve_store_event said)
{
    struct sim_value *value = value_add(process, VALUE_WORD);
    if (value == NULL)
        abort();
    said.request = value->request;
    say(sim, process, said);
    (void)dies(sim, process);
    return value;
}

/* ---- making ---- */

static struct sim_value *make(struct sim *sim, struct sim_process *process, enum sim_value_use use,
    struct reeve_object_id id, uint64_t number)
{
    struct sim_value *value = value_add(process, use);
    if (value == NULL)
        return NULL;
    value->number = number;
    value->object = (struct reeve_reference){.id = id, .size_bytes = sim_value_size(number)};
    say(sim, process,
        (struct reeve_store_event){.kind = REEVE_STORE_CREATE,
            .request = value->request,
            .size = value->object.size_bytes,
            .skew = (uint32_t)sim_below(sim, 100)});
    return value;
}

/* A half of it at a time. */
static void fill_on(struct sim *sim, struct sim_process *process, struct sim_value *value)
{
    struct sim_place *place = place_of(process->values, value->request);
    uint64_t half = place->size / 16 * 8;
    uint8_t *bytes = (uint8_t *)(uintptr_t)bytes_of(sim, process, place);
    bool first = value->state == VALUE_ASKED;
    if (dies(sim, process))
        return;
    if (bytes != NULL)
        fill(bytes, value->number, first ? 0 : half, first ? half : value->object.size_bytes);
    if (first) {
        value->state = VALUE_FILLING;
        goes_on_later(sim, process, value->request, sim_between(sim, 1 * US, 5 * MS));
        return;
    }
    value->state = VALUE_SEALING;
    bool here = reeve_process_node(value->object.id.owner) == reeve_process_node(process->id);
    say(sim, process,
        (struct reeve_store_event){.kind = REEVE_STORE_SEAL,
            .request = value->request,
            .id = value->object.id,
            .segment = place->segment,
            .offset = place->offset,
            .size = value->object.size_bytes,
            .flags = here ? REEVE_STORE_ANCHOR : 0});
    place->request = 0;
    (void)dies(sim, process);
}

static void sealed(struct sim *sim, struct sim_process *process, struct sim_value *value,
    const struct reeve_store_event *answer)
{
    struct reeve_reference *object = &value->object;
    value->code = answer->code;
    value->state = answer->code == 0 ? VALUE_HELD : VALUE_FAILED;
    if (value->use == VALUE_WORD) {
        (void)dies(sim, process);
        return;
    }
    object->node = reeve_process_node(process->id);
    object->flags = answer->flags & REEVE_STORE_ANCHOR ? REEVE_REFERENCE_LOCATED : 0;
    object->segment = answer->segment;
    object->serial = answer->other;
    object->offset = answer->offset;
    if (dies(sim, process) || value->use != VALUE_PUT)
        return;
    reeve_owner_filled(process->owner, sim->now_ns, value->task, value->code, object);
    value->use = VALUE_FREE;
}

/* ---- reading ---- */

static struct sim_value *read_begin(struct sim *sim, struct sim_process *process,
    enum sim_value_use use, const struct reeve_reference *object, bool in_place)
{
    struct sim_value *value = value_add(process, use);
    if (value == NULL)
        return NULL;
    value->object = *object;
    if (in_place) {
        place_add(process->values, (struct sim_place){.request = value->request,
                                       .in_place = true,
                                       .segment = object->segment,
                                       .offset = object->offset,
                                       .size = object->size_bytes});
        struct sim_place *place = place_of(process->values, value->request);
        const uint8_t *bytes = bytes_of(sim, process, place);
        if (bytes == NULL) { /* nobody will hear what comes of it */
            sim_process_kill(sim, process);
            return value;
        }
        value->state = VALUE_HELD;
        value->number = look(sim, process, bytes, place->size, object->id);
        sim->in_place++;
        return value;
    }
    say(sim, process,
        (struct reeve_store_event){.kind = REEVE_STORE_GET,
            .request = value->request,
            .id = object->id,
            .size = sim_chance(sim, 1, 4) ? 0 : object->size_bytes,
            .node = object->node,
            .flags = given(object)});
    return value;
}

static void read_end(struct sim *sim, struct sim_process *process, struct sim_value *value)
{
    struct sim_place *place = place_of(process->values, value->request);
    if (place != NULL) {
        const uint8_t *bytes = bytes_of(sim, process, place);
        if (bytes != NULL)
            (void)look(sim, process, bytes, place->size, value->object.id);
        if (!place->in_place)
            say(sim, process,
                (struct reeve_store_event){.kind = REEVE_STORE_UNPIN, .id = value->object.id});
        place->request = 0;
    }
    value->use = VALUE_FREE;
}

static void got(struct sim *sim, struct sim_process *process, struct sim_value *value,
    const struct reeve_store_event *answer)
{
    struct sim_place *place = place_of(process->values, answer->request);
    const uint8_t *bytes = place != NULL ? bytes_of(sim, process, place) : NULL;
    value->code = answer->code;
    value->state = answer->code == 0 ? VALUE_HELD : VALUE_FAILED;
    if (answer->code != 0)
        return;
    if (bytes == NULL) { /* as above */
        value->state = VALUE_ASKED;
        sim_process_kill(sim, process);
        return;
    }
    if (place->size != value->object.size_bytes)
        sim_violation(sim, "an object of %llu bytes has %llu here",
            (unsigned long long)value->object.size_bytes, (unsigned long long)place->size);
    value->number = look(sim, process, bytes, place->size, value->object.id);
    sim->read++;
    (void)dies(sim, process);
}

/* ---- what the daemon says ---- */

void sim_value_told(
    struct sim *sim, struct sim_process *process, const struct reeve_store_event *answer)
{
    if (answer->kind == REEVE_STORE_MEMORY) {
        reeve_owner_relax(process->owner, answer->size);
        return;
    }
    if (answer->kind == REEVE_STORE_FREE) {
        sim_actor_over(sim, process, (uint32_t)answer->id.sequence);
        return;
    }
    if (answer->kind == REEVE_STORE_PEER_GIVEN) {
        const struct reeve_reference object = {.id = answer->id,
            .node = answer->node,
            .offset = answer->number,
            .flags = REEVE_REFERENCE_GIVEN | (answer->number != 0 ? REEVE_REFERENCE_HELD : 0)};
        reeve_owner_given(process->owner, answer->call, answer->attempt, &object);
        return;
    }
    if (sim_handle_told(sim, process, answer))
        return;
    struct sim_value *value = value_of(process, answer->request);
    struct sim_place *place = place_of(process->values, answer->request);
    if (value == NULL) { /* it has been given up, which the answer has crossed */
        if (answer->kind != REEVE_STORE_GET)
            sim_violation(sim, "an answer to nothing");
        if (place != NULL)
            place->request = 0;
        if (answer->code == 0)
            say(sim, process,
                (struct reeve_store_event){.kind = REEVE_STORE_UNPIN, .id = answer->id});
        return;
    }
    if (answer->kind == REEVE_STORE_GET) {
        got(sim, process, value, answer);
    } else if (answer->kind == REEVE_STORE_SEAL) {
        sealed(sim, process, value, answer);
    } else if (answer->code != 0) {
        value->state = VALUE_FAILED;
        value->code = answer->code;
        if (value->use != VALUE_PUT)
            return;
        reeve_owner_filled(process->owner, sim->now_ns, value->task, value->code, NULL);
        value->use = VALUE_FREE;
    } else {
        fill_on(sim, process, value);
    }
}

void sim_value_goes_on(struct sim *sim, struct sim_process *process, uint32_t request)
{
    struct sim_value *value = value_of(process, request);
    if (value != NULL && value->state == VALUE_FILLING)
        fill_on(sim, process, value);
}

/* ---- workers ---- */

/* What its owner has anchored on this node it reads in place, without a word. */
void sim_arguments_fetch(struct sim *sim, struct sim_process *worker, const struct sim_entry *call)
{
    for (uint32_t i = 0; i < call->object_count; i++) {
        const struct reeve_reference *object = &call->objects[i];
        if (read_begin(sim, worker, VALUE_ARGUMENT, object,
                object->flags & REEVE_REFERENCE_LOCATED) == NULL)
            abort();
    }
}

bool sim_arguments_here(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame)
{
    uint64_t sum = 0;
    (void)sim;
    for (uint32_t i = 0; i < SIM_VALUES; i++) {
        const struct sim_value *value = &worker->values->values[i];
        if (value->use != VALUE_ARGUMENT)
            continue;
        if (value->state == VALUE_ASKED)
            return false;
        if (value->state == VALUE_FAILED && frame->code == 0) {
            frame->code = value->code;
            frame->object = value->object;
            frame->has_object = true;
        }
        sum += value->number;
    }
    if (!(frame->function & SIM_FUNCTION_ACTOR)) /* its value says which */
        frame->value += sum;
    return true;
}

void sim_arguments_end(struct sim *sim, struct sim_process *worker)
{
    for (uint32_t i = 0; i < SIM_VALUES; i++)
        if (worker->values->values[i].use == VALUE_ARGUMENT)
            read_end(sim, worker, &worker->values->values[i]);
}

void sim_result_make(struct sim *sim, struct sim_process *worker, reeve_process_id owner,
    uint64_t task, uint64_t number)
{
    if (make(sim, worker, VALUE_RESULT, (struct reeve_object_id){owner, task}, number) == NULL)
        abort();
}

bool sim_result_made(
    struct sim *sim, struct sim_process *worker, int *ret_status, struct reeve_reference *ret)
{
    (void)sim;
    for (uint32_t i = 0; i < SIM_VALUES; i++) {
        struct sim_value *value = &worker->values->values[i];
        if (value->use != VALUE_RESULT)
            continue;
        if (value->state != VALUE_HELD && value->state != VALUE_FAILED)
            return false;
        *ret_status = value->code;
        *ret = value->object;
        value->use = VALUE_FREE;
        return true;
    }
    abort();
}

/* ---- drivers ---- */

bool sim_put(struct sim *sim, struct sim_process *driver, uint64_t number, reeve_task_id *ret)
{
    if (reeve_owner_put(driver->owner, NULL, 0, ret) != 0)
        abort();
    struct sim_value *value =
        make(sim, driver, VALUE_PUT, (struct reeve_object_id){driver->id, *ret}, number);
    if (value == NULL) {
        reeve_owner_filled(driver->owner, sim->now_ns, *ret, REEVE_ECANCELLED, NULL);
        reeve_owner_release(driver->owner, *ret);
        return false;
    }
    value->task = *ret;
    return true;
}

static struct sim_value *reading(struct sim_process *driver, reeve_task_id task)
{
    for (uint32_t i = 0; i < SIM_VALUES; i++) {
        struct sim_value *value = &driver->values->values[i];
        if (value->use == VALUE_READ && value->task == task)
            return value;
    }
    return NULL;
}

static void ask(struct sim *sim, struct sim_process *driver, reeve_task_id task,
    const struct reeve_reference *object)
{
    bool in_place = reeve_owner_read_begin(driver->owner, task);
    struct sim_value *value = read_begin(sim, driver, VALUE_READ, object, in_place);
    if (value == NULL) { /* later */
        if (in_place)
            reeve_owner_read_end(driver->owner, task);
        sim_process_wake(sim, driver, 10 * MS);
        return;
    }
    value->task = task;
    if (in_place)
        sim_process_wake(sim, driver, 0);
}

/* Asks anew, by a request of its own, what the answer to the former may cross. */
static void give_up(struct sim *sim, struct sim_process *driver, struct sim_value *value)
{
    say(sim, driver,
        (struct reeve_store_event){.kind = REEVE_STORE_CANCEL, .request = value->request});
    value->use = VALUE_FREE;
    sim_process_wake(sim, driver, sim_between(sim, 0, 20 * MS));
}

static enum sim_read read_failed(
    struct sim *sim, struct sim_process *driver, struct sim_value *value, int *ret_status)
{
    char why[256];
    value->use = VALUE_FREE;
    *ret_status = value->code;
    if (!reeve_error_is_loss(value->code))
        return SIM_READ_OVER;
    sim->lost++;
    int code = reeve_owner_lost(
        driver->owner, sim->now_ns, value->task, &value->object.id, value->code, why, sizeof why);
    sim->remade += code == 0;
    if (code != 0)
        sim_loss_check(sim, driver, &value->object, code);
    return code == 0 ? SIM_READ_AGAIN : SIM_READ_OVER;
}

enum sim_read sim_value_read(struct sim *sim, struct sim_process *driver, reeve_task_id task,
    const struct reeve_reference *object, uint64_t *ret_number, int *ret_status)
{
    struct sim_value *value = reading(driver, task);
    if (value == NULL) {
        ask(sim, driver, task, object);
        return SIM_READ_GOES_ON;
    }
    if (value->state == VALUE_FAILED)
        return read_failed(sim, driver, value, ret_status);
    if (value->state == VALUE_ASKED) {
        if (sim->chaos && sim_chance(sim, 1, 100))
            give_up(sim, driver, value);
        return SIM_READ_GOES_ON;
    }
    if (value->until_ns == 0) {
        uint64_t most_ns = sim->chaos && sim_chance(sim, 1, 6) ? 3 * SECOND : 20 * MS;
        value->until_ns = sim->now_ns + sim_between(sim, 1, most_ns);
    }
    if (sim->now_ns < value->until_ns) {
        sim_process_wake(sim, driver, value->until_ns - sim->now_ns);
        return SIM_READ_GOES_ON;
    }
    const struct sim_place *place = place_of(driver->values, value->request);
    bool in_place = place != NULL && place->in_place;
    *ret_number = value->number;
    *ret_status = 0;
    read_end(sim, driver, value);
    if (in_place)
        reeve_owner_read_end(driver->owner, task);
    return SIM_READ_OVER;
}

void sim_value_leave(struct sim *sim, struct sim_process *driver, reeve_task_id task)
{
    struct sim_value *value = reading(driver, task);
    if (value == NULL)
        return;
    if (value->state == VALUE_ASKED)
        give_up(sim, driver, value);
    else
        read_end(sim, driver, value);
}
