/* Memory and disks of a node: segments and files of real bytes, so that a wrong place shows as
 * wrong bytes; and the oracle of the store's first promise: what a process that has not been
 * reaped may still touch, or a disk works on, is given to nobody else. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/values.h"

struct sim_bytes *sim_segment(const struct sim_store *store, uint32_t number)
{
    return reeve_map64_get(&store->segments, number);
}

uint8_t *sim_memory(struct sim *sim, const struct sim_daemon *daemon, uint32_t segment,
    uint64_t offset, uint64_t size)
{
    const struct sim_bytes *memory = sim_segment(daemon->store, segment);
    if (memory == NULL || offset + size > memory->size)
        sim_violation(sim, "node %u: there are no %llu bytes at %llu in segment %u", daemon->number,
            (unsigned long long)size, (unsigned long long)offset, segment);
    return memory->bytes + offset;
}

void sim_untouchable(struct sim *sim, const struct sim_daemon *daemon, uint32_t segment,
    uint64_t offset, uint64_t size)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->store->working, &at, NULL, &value)) {
        const struct reeve_store_command *work = value;
        bool is_disk =
            work->kind == REEVE_STORE_SPILL_WRITE || work->kind == REEVE_STORE_SPILL_READ;
        if (is_disk && work->segment == segment && work->offset < offset + size &&
            offset < work->offset + work->length)
            sim_violation(sim, "node %u gives away memory that a disk works on", daemon->number);
    }
    for (at = 0; reeve_map64_next(&daemon->clients, &at, NULL, &value);) {
        const struct sim_process *process = value;
        for (uint32_t i = 0; i < SIM_VALUES * 2; i++) {
            const struct sim_place *place = &process->values->places[i];
            if (place->request != 0 && place->segment == segment && place->offset < offset + size &&
                offset < place->offset + place->size)
                sim_violation(sim,
                    "node %u gives away what process %llu %s (segment %u, %llu of %llu)",
                    daemon->number, (unsigned long long)process->uid,
                    place->writable   ? "writes"
                    : place->in_place ? "reads in place"
                                      : "has pinned",
                    segment, (unsigned long long)place->size, (unsigned long long)place->offset);
        }
    }
}

static struct sim_bytes *bytes_add(struct reeve_map64 *map, uint64_t number, uint64_t size)
{
    struct sim_bytes *bytes = sim_alloc(sizeof *bytes);
    bytes->bytes = sim_alloc(size + 1);
    bytes->size = size;
    reeve_map64_put(map, number, bytes, NULL);
    return bytes;
}

static void bytes_drop(struct reeve_map64 *map, uint64_t number)
{
    struct sim_bytes *bytes = reeve_map64_remove(map, number);
    if (bytes != NULL)
        free(bytes->bytes);
    free(bytes);
}

void sim_bytes_free(struct reeve_map64 *map)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(map, &at, NULL, &value)) {
        free(((struct sim_bytes *)value)->bytes);
        free(value);
    }
    reeve_map64_fini(map);
}

/* ---- the disk ---- */

static uint64_t checksum(const uint8_t *bytes, uint64_t size)
{
    uint64_t sum = size, word;
    for (; size >= sizeof word; bytes += sizeof word, size -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        sum = (sum ^ word) * 0x9e3779b97f4a7c15ull;
        sum ^= sum >> 29;
    }
    for (; size > 0; size--)
        sum = (sum ^ *bytes++) * 0x9e3779b97f4a7c15ull;
    return sum;
}

/* Nothing is written to a place that is given back, or closed. */
static void file_gone(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_store_command *c, bool all)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->store->working, &at, NULL, &value)) {
        const struct reeve_store_command *work = value;
        if (work->kind == REEVE_STORE_SPILL_WRITE && work->file == c->file &&
            (all || (work->place < c->place + c->length && c->place < work->place + work->length)))
            sim_violation(
                sim, "node %u gives back a place on disk that is being written", daemon->number);
    }
    struct sim_bytes *file = reeve_map64_get(&daemon->store->files, c->file);
    if (all)
        bytes_drop(&daemon->store->files, c->file);
    else if (file != NULL && c->place < file->size)
        memset(file->bytes + c->place, 0, REEVE_MIN(c->length, file->size - c->place));
}

static void file_write(
    struct sim_store *store, const struct reeve_store_command *c, const uint8_t *memory)
{
    struct sim_bytes *file = reeve_map64_get(&store->files, c->file);
    if (file == NULL)
        file = bytes_add(&store->files, c->file, 0);
    if (c->place + c->length > file->size) {
        file->bytes = realloc(file->bytes, c->place + c->length);
        memset(file->bytes + file->size, 0, c->place + c->length - file->size);
        file->size = c->place + c->length;
    }
    memcpy(file->bytes + c->place, memory, c->length);
}

static int file_read(
    struct sim *sim, struct sim_store *store, const struct reeve_store_command *c, uint8_t *memory)
{
    const struct sim_bytes *file = reeve_map64_get(&store->files, c->file);
    if (file == NULL || c->place + c->length > file->size)
        return REEVE_ECORRUPT; /* of what nobody wants any more */
    memcpy(memory, file->bytes + c->place, c->length);
    if (sim->chaos && sim->disk_odds != 0 && sim_chance(sim, 1, sim->disk_odds)) {
        memory[sim_below(sim, c->length)] ^= 4;
        sim->damaged++;
    }
    return checksum(memory, c->length) == c->number ? 0 : REEVE_ECORRUPT;
}

struct reeve_store_event sim_disk_done(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_store_command *c)
{
    bool writes = c->kind == REEVE_STORE_SPILL_WRITE;
    struct reeve_store_event event = {
        .kind = writes ? REEVE_STORE_SPILL_WRITTEN : REEVE_STORE_SPILL_READ_DONE,
        .request = c->request};
    uint8_t *memory = sim_memory(sim, daemon, c->segment, c->offset, c->length);
    if (sim->chaos && sim->disk_odds != 0 && sim_chance(sim, 1, sim->disk_odds)) {
        event.code = writes && sim_chance(sim, 1, 2) ? REEVE_EFULL : REEVE_ESYSTEM;
        event.text = "the simulated disk";
        sim->damaged++;
    } else if (writes) {
        file_write(daemon->store, c, memory);
        event.number = checksum(memory, c->length);
        sim->written++;
    } else {
        event.code = file_read(sim, daemon->store, c, memory);
        sim->restored++;
    }
    return event;
}

/* ---- segments ---- */

void sim_memory_command(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_store_command *c)
{
    struct sim_store *store = daemon->store;
    struct sim_bytes *memory = sim_segment(store, c->segment);
    switch (c->kind) {
    case REEVE_STORE_SEGMENT_CREATE:
        if (memory != NULL)
            sim_violation(sim, "node %u makes segment %u twice", daemon->number, c->segment);
        bytes_add(&store->segments, c->segment, c->size);
        break;
    case REEVE_STORE_SEGMENT_DROP:
        if (memory == NULL)
            sim_violation(sim, "node %u drops segment %u twice", daemon->number, c->segment);
        sim_untouchable(sim, daemon, c->segment, 0, memory->size);
        bytes_drop(&store->segments, c->segment);
        break;
    case REEVE_STORE_SEGMENT_PUNCH:
        sim_untouchable(sim, daemon, c->segment, c->offset, c->length);
        memset(sim_memory(sim, daemon, c->segment, c->offset, c->length), 0, c->length);
        break;
    case REEVE_STORE_SPILL_PUNCH: file_gone(sim, daemon, c, false); break;
    case REEVE_STORE_SPILL_CLOSE: file_gone(sim, daemon, c, true); break;
    default: break;
    }
}
