/* Segments by number, in an array: numbers are small, dense and come back. */
#include "api/client/objects.h"

#include <pthread.h>
#include <reeve_errors.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/pages.h"

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

#define READY_MAX  64u          /* ranges that wait to be mapped; more are left to page faults */
#define READY_SIZE (4ull << 20) /* mapped at a time: an unmapping waits for no more */

struct range {
    uint32_t segment;
    uint64_t offset, size;
};

struct reeve_objects {
    pthread_mutex_t lock;
    struct segment *segments;
    uint32_t count;
    struct range ready[READY_MAX]; /* a ring */
    uint32_t ready_first, ready_count;
    bool is_mapping; /* a thread does so, which nobody joins: a process may end at any moment */
    bool is_ending;
    uint32_t busy; /* 1 + the segment in which it is mapping, without the lock; 0: none */
    pthread_cond_t idle;
};

struct reeve_objects *reeve_objects_create(void)
{
    struct reeve_objects *objects = calloc(1, sizeof(*objects));
    if (objects != NULL) {
        pthread_mutex_init(&objects->lock, NULL);
        pthread_cond_init(&objects->idle, NULL);
    }
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
    pthread_mutex_lock(&objects->lock);
    objects->is_ending = true;
    while (objects->is_mapping)
        pthread_cond_wait(&objects->idle, &objects->lock);
    pthread_mutex_unlock(&objects->lock);
    for (uint32_t i = 0; i < objects->count; i++)
        segment_forget(&objects->segments[i]);
    free(objects->segments);
    pthread_cond_destroy(&objects->idle);
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
    while (objects->busy == number + 1)
        pthread_cond_wait(&objects->idle, &objects->lock);
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

/* With the lock. */
static uint8_t *segment_memory(struct segment *segment, bool write)
{
    void **memory = write ? &segment->writable_memory : &segment->memory;
    if (*memory == NULL) {
        int protection = PROT_READ | (write ? PROT_WRITE : 0);
        void *mapped = reeve_pages_map(segment->fd, 0, segment->size, protection);
        if (mapped != NULL) {
            (void)madvise(mapped, segment->size, MADV_DONTFORK);
            *memory = mapped;
        }
    }
    return *memory;
}

/* With the lock. */
static void *find(
    struct reeve_objects *objects, uint32_t number, uint64_t offset, uint64_t size, bool write)
{
    uint8_t *found = NULL;
    struct segment *segment = number < objects->count ? &objects->segments[number] : NULL;
    if (segment != NULL && segment->known && (segment->writable || !write) &&
        offset <= segment->size && size <= segment->size - offset) {
        uint8_t *memory = segment_memory(segment, write);
        if (memory != NULL)
            found = memory + offset;
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

/* --- mapping ahead ---------------------------------------------------------------------------- */

/* The next piece, and where it is mapped; NULL: not any more. With the lock. */
static uint8_t *piece_next(struct reeve_objects *objects, uint64_t *ret_size)
{
    struct range *range = &objects->ready[objects->ready_first];
    struct segment *segment =
        range->segment < objects->count ? &objects->segments[range->segment] : NULL;
    uint8_t *memory = NULL;
    uint64_t size = range->size < READY_SIZE ? range->size : READY_SIZE;
    if (segment != NULL && segment->known && segment->writable && range->offset <= segment->size &&
        size <= segment->size - range->offset)
        memory = segment_memory(segment, true);
    if (memory != NULL) {
        memory += range->offset;
        objects->busy = range->segment + 1;
        range->offset += size;
        range->size -= size;
    }
    if (memory == NULL || range->size == 0) {
        objects->ready_first = (objects->ready_first + 1) % READY_MAX;
        objects->ready_count--;
    }
    *ret_size = size;
    return memory;
}

static void *mapper_main(void *arg)
{
    struct reeve_objects *objects = arg;
    uint64_t size;
    pthread_mutex_lock(&objects->lock);
    while (objects->ready_count > 0 && !objects->is_ending) {
        uint8_t *memory = piece_next(objects, &size);
        if (memory == NULL)
            continue;
        pthread_mutex_unlock(&objects->lock);
        (void)madvise(memory, size, MADV_POPULATE_WRITE); /* else page faults do it later */
        pthread_mutex_lock(&objects->lock);
        objects->busy = 0;
        pthread_cond_broadcast(&objects->idle);
    }
    objects->is_mapping = false;
    pthread_cond_broadcast(&objects->idle);
    pthread_mutex_unlock(&objects->lock);
    return NULL;
}

/* With the lock. Signals are the program's, and none of them is for this thread. */
static void mapper_start(struct reeve_objects *objects)
{
    sigset_t all, before;
    pthread_t mapper;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    objects->is_mapping = pthread_create(&mapper, NULL, mapper_main, objects) == 0;
    if (objects->is_mapping)
        pthread_detach(mapper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void reeve_objects_ready(
    struct reeve_objects *objects, uint32_t segment, uint64_t offset, uint64_t size)
{
    pthread_mutex_lock(&objects->lock);
    if (objects->ready_count < READY_MAX && !objects->is_ending) {
        uint32_t at = (objects->ready_first + objects->ready_count++) % READY_MAX;
        objects->ready[at] = (struct range){.segment = segment, .offset = offset, .size = size};
        if (!objects->is_mapping)
            mapper_start(objects);
    }
    pthread_mutex_unlock(&objects->lock);
}
