/* The disks of a node in the random test: files of real bytes, writes and reads that end in any
 * order or fail, bits that flip. It checks what a disk can see: nothing is written to a place that
 * is in use or being given back; nothing is being written to a file that is closed. */
#ifndef REEVE_TESTS_OBJECTSTORE_MODEL_DISK_H
#define REEVE_TESTS_OBJECTSTORE_MODEL_DISK_H

#include <stdlib.h>

#include "runtime/base/prng.h"
#include "tests/unit/objectstore/kit.h"

#define DISK_FILES_MAX   4096u
#define DISK_PENDING_MAX 1024u

struct disk_file {
    uint8_t *bytes;
    uint64_t size;
    bool opened, closed;
};

struct model_disk {
    struct disk_file files[DISK_FILES_MAX];
    struct reeve_store_command pending[DISK_PENDING_MAX]; /* writes and reads */
    uint32_t pending_count;
    uint32_t fail_chance, flip_chance; /* one in so many, 0: never */
    uint64_t failed, flipped, written, read;
};

static inline uint64_t disk_checksum(const uint8_t *bytes, uint64_t size)
{
    uint64_t sum = 14695981039346656037ull;
    for (uint64_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * 1099511628211ull;
    return sum;
}

static inline bool disk_overlaps(
    const struct reeve_store_command *pending, uint32_t file, uint64_t place, uint64_t length)
{
    return pending->file == file && pending->place < place + length &&
           place < pending->place + pending->length;
}

static inline void disk_command(struct model_disk *disk, const struct reeve_store_command *command)
{
    assert_true(command->file > 0 && command->file < DISK_FILES_MAX);
    struct disk_file *file = &disk->files[command->file];
    assert_false(file->closed);
    for (uint32_t i = 0; i < disk->pending_count; i++) {
        const struct reeve_store_command *pending = &disk->pending[i];
        if (pending->kind != REEVE_STORE_SPILL_WRITE || pending->file != command->file)
            continue;
        assert_int_not_equal(command->kind, REEVE_STORE_SPILL_CLOSE);
        assert_false(disk_overlaps(pending, command->file, command->place, command->length));
    }
    switch (command->kind) {
    case REEVE_STORE_SPILL_WRITE: file->opened = true; /* fall through */
    case REEVE_STORE_SPILL_READ:
        assert_true(file->opened && disk->pending_count < DISK_PENDING_MAX);
        disk->pending[disk->pending_count++] = *command;
        return;
    case REEVE_STORE_SPILL_PUNCH:
        assert_int_equal(command->place % REEVE_STORE_GRAIN, 0);
        for (uint64_t at = command->place; at < command->place + command->length; at++)
            if (at < file->size)
                file->bytes[at] = 0;
        return;
    default:
        free(file->bytes);
        *file = (struct disk_file){.opened = true, .closed = true};
        return;
    }
}

/* One of those under way ends: the event that says so. `memory` is that of its segment. */
static inline struct reeve_store_event disk_end(
    struct model_disk *disk, struct reeve_prng *prng, uint32_t index, uint8_t *memory)
{
    struct reeve_store_command command = disk->pending[index];
    disk->pending[index] = disk->pending[--disk->pending_count];
    struct disk_file *file = &disk->files[command.file];
    struct reeve_store_event event = {.kind = command.kind == REEVE_STORE_SPILL_WRITE
                                                  ? REEVE_STORE_SPILL_WRITTEN
                                                  : REEVE_STORE_SPILL_READ_DONE,
        .request = command.request};
    bool fails = disk->fail_chance != 0 && reeve_prng_below(prng, disk->fail_chance) == 0;
    memory += command.offset;
    if (fails || file->closed) {
        disk->failed++;
        event.code = reeve_prng_below(prng, 2) == 0 ? REEVE_EFULL : REEVE_ESYSTEM;
        if (command.kind == REEVE_STORE_SPILL_READ)
            event.code = REEVE_ESYSTEM;
    } else if (command.kind == REEVE_STORE_SPILL_WRITE) {
        if (command.place + command.length > file->size) {
            file->bytes = realloc(file->bytes, command.place + command.length);
            memset(file->bytes + file->size, 0, command.place + command.length - file->size);
            file->size = command.place + command.length;
        }
        memcpy(file->bytes + command.place, memory, command.length);
        event.number = disk_checksum(memory, command.length);
        disk->written++;
    } else if (command.place + command.length <= file->size) {
        memcpy(memory, file->bytes + command.place, command.length);
        if (disk->flip_chance != 0 && reeve_prng_below(prng, disk->flip_chance) == 0) {
            memory[reeve_prng_below(prng, command.length)] ^= 4;
            disk->flipped++;
        }
        if (disk_checksum(memory, command.length) != command.number)
            event.code = REEVE_ECORRUPT;
        disk->read++;
    } else {
        event.code = REEVE_ECORRUPT; /* only of what nobody wants any more */
    }
    return event;
}

static inline void disk_free(struct model_disk *disk)
{
    for (uint32_t i = 0; i < DISK_FILES_MAX; i++)
        free(disk->files[i].bytes);
    free(disk);
}

#endif
