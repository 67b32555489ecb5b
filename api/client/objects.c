/* Segments by number, in an array: numbers are small, dense and come back. */
#include "api/client/objects.h"

#include <pthread.h>
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEGMENTS_MAX (1u << 20) /* far more than a node can have: a number beyond is nonsense */

/* One that is ours to write in is mapped once more to be read: what is sealed is not written to by
 * mistake. NULL: not mapped yet. */
struct segment {
    void *memory, *writable_memory;
    uint64_t size;
    int fd;
    uint32_t serial;
    bool known;
    bool writable;
};

struct reeve_objects {
    pthread_mutex_t lock;
    struct segment *segments;
    uint32_t count;
};

struct reeve_objects *reeve_objects_create(void)
{
    struct reeve_objects *objects = calloc(1, sizeof(*objects));
    if (objects != NULL)
        pthread_mutex_init(&objects->lock, NULL);
    return objects;
}

static void segment_forget(struct segment *segment)
{
    if (segment->memory != NULL)
        munmap(segment->memory, segment->size);
    if (segment->writable_memory != NULL)
        munmap(segment->writable_memory, segment->size);
    if (segment->known)
        close(segment->fd);
    *segment = (struct segment){0};
}

void reeve_objects_free(struct reeve_objects *objects)
{
    if (objects == NULL)
        return;
    for (uint32_t i = 0; i < objects->count; i++)
        segment_forget(&objects->segments[i]);
    free(objects->segments);
    pthread_mutex_destroy(&objects->lock);
    free(objects);
}

int reeve_objects_add(struct reeve_objects *objects, uint32_t number, uint32_t serial, int fd,
    uint64_t size, bool writable)
{
    int error = 0;
    if (number >= SEGMENTS_MAX)
        return REEVE_EPROTOCOL;
    pthread_mutex_lock(&objects->lock);
    if (number >= objects->count) {
        uint32_t count = number + 16;
        struct segment *segments = realloc(objects->segments, count * sizeof(*segments));
        if (segments != NULL) {
            memset(segments + objects->count, 0, (count - objects->count) * sizeof(*segments));
            objects->segments = segments;
            objects->count = count;
        } else {
            error = REEVE_ENOMEM;
        }
    }
    if (error == 0 && objects->segments[number].known)
        close(fd);
    else if (error == 0)
        objects->segments[number] = (struct segment){
            .size = size, .fd = fd, .serial = serial, .known = true, .writable = writable};
    pthread_mutex_unlock(&objects->lock);
    return error;
}

void reeve_objects_remove(struct reeve_objects *objects, uint32_t number)
{
    pthread_mutex_lock(&objects->lock);
    if (number < objects->count)
        segment_forget(&objects->segments[number]);
    pthread_mutex_unlock(&objects->lock);
}

uint32_t reeve_objects_serial(struct reeve_objects *objects, uint32_t number)
{
    pthread_mutex_lock(&objects->lock);
    bool known = number < objects->count && objects->segments[number].known;
    uint32_t serial = known ? objects->segments[number].serial : 0;
    pthread_mutex_unlock(&objects->lock);
    return serial;
}

static void *map(const struct segment *segment, bool write)
{
    int protection = PROT_READ | (write ? PROT_WRITE : 0);
    void *memory = mmap(NULL, segment->size, protection, MAP_SHARED, segment->fd, 0);
    if (memory == MAP_FAILED)
        return NULL;
    (void)madvise(memory, segment->size, MADV_DONTFORK);
    return memory;
}

/* With the lock. */
static void *find(
    struct reeve_objects *objects, uint32_t number, uint64_t offset, uint64_t size, bool write)
{
    uint8_t *found = NULL;
    struct segment *segment = number < objects->count ? &objects->segments[number] : NULL;
    if (segment != NULL && segment->known && (segment->writable || !write) &&
        offset <= segment->size && size <= segment->size - offset) {
        void **memory = write ? &segment->writable_memory : &segment->memory;
        if (*memory == NULL)
            *memory = map(segment, write);
        if (*memory != NULL)
            found = (uint8_t *)*memory + offset;
    }
    return found;
}

void *reeve_objects_find(
    struct reeve_objects *objects, uint32_t number, uint64_t offset, uint64_t size, bool write)
{
    pthread_mutex_lock(&objects->lock);
    void *found = find(objects, number, offset, size, write);
    pthread_mutex_unlock(&objects->lock);
    return found;
}

const void *reeve_objects_find_serial(
    struct reeve_objects *objects, uint32_t number, uint32_t serial, uint64_t offset, uint64_t size)
{
    void *found = NULL;
    pthread_mutex_lock(&objects->lock);
    if (number < objects->count && objects->segments[number].serial == serial)
        found = find(objects, number, offset, size, false);
    pthread_mutex_unlock(&objects->lock);
    return found;
}
