/* Segments by number, in an array: numbers are small, dense and come back. */
#include "api/client/objects.h"

#include <pthread.h>
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEGMENTS_MAX (1u << 20) /* far more than a node can have: a number beyond is nonsense */

struct segment {
    void *memory; /* NULL: not mapped yet */
    uint64_t size;
    int fd;
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

int reeve_objects_add(
    struct reeve_objects *objects, uint32_t number, int fd, uint64_t size, bool writable)
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
        objects->segments[number] =
            (struct segment){.size = size, .fd = fd, .known = true, .writable = writable};
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

void *reeve_objects_find(
    struct reeve_objects *objects, uint32_t number, uint64_t offset, uint64_t size, bool write)
{
    uint8_t *found = NULL;
    pthread_mutex_lock(&objects->lock);
    struct segment *segment = number < objects->count ? &objects->segments[number] : NULL;
    if (segment != NULL && segment->known && (segment->writable || !write) &&
        offset <= segment->size && size <= segment->size - offset) {
        if (segment->memory == NULL) {
            int protection = PROT_READ | (segment->writable ? PROT_WRITE : 0);
            void *memory = mmap(NULL, segment->size, protection, MAP_SHARED, segment->fd, 0);
            if (memory != MAP_FAILED) {
                (void)madvise(memory, segment->size, MADV_DONTFORK);
                segment->memory = memory;
            }
        }
        if (segment->memory != NULL)
            found = (uint8_t *)segment->memory + offset;
    }
    pthread_mutex_unlock(&objects->lock);
    return found;
}
