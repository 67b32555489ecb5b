/* Memory of one invocation: bump allocation from a first piece (usually stack), then from malloc
 * blocks, freed as a whole. Memory from elsewhere can be adopted. */
#include "api/client/codec.h"

#include "runtime/base/macros.h"

#include <stdlib.h>

#define BLOCK_SIZE 4096

struct reeve_arena_block {
    struct reeve_arena_block *next;
    void *memory;
};

void *reeve_arena_grow(struct reeve_arena *arena, size_t size, size_t alignment)
{
    if (size > PTRDIFF_MAX / 2)
        return NULL;
    size_t room = REEVE_ALIGN_UP(REEVE_MAX(size, BLOCK_SIZE), (size_t)64);
    void *memory = aligned_alloc(64, room);
    if (!memory || !reeve_arena_adopt(arena, memory)) {
        free(memory);
        return NULL;
    }
    if (size >
        BLOCK_SIZE / 2) /* what is left of a big one is not worth giving up the present one for */
        return memory;
    arena->at = memory;
    arena->room = room;
    return reeve_arena_bump(arena, size, alignment);
}

bool reeve_arena_adopt(struct reeve_arena *arena, void *pointer)
{
    struct reeve_arena_block *block =
        reeve_arena_bump(arena, sizeof *block, _Alignof(struct reeve_arena_block));
    bool own = !block;
    if (own)
        block = malloc(sizeof *block + sizeof(void *));
    if (!block)
        return false;
    /* The lowest bit of `next` says that the block itself is from malloc. */
    block->memory = pointer;
    block->next = arena->blocks;
    arena->blocks = (void *)((uintptr_t)block | own);
    return true;
}

void reeve_arena_fini(struct reeve_arena *arena)
{
    uintptr_t tagged = (uintptr_t)arena->blocks;
    /* Blocks may lie in memory of older blocks: those come later in the list, so each is read
     * before it is freed. */
    while (tagged) {
        struct reeve_arena_block *block = (void *)(tagged & ~(uintptr_t)1);
        uintptr_t next = (uintptr_t)block->next;
        free(block->memory);
        if (tagged & 1)
            free(block);
        tagged = next;
    }
    arena->blocks = NULL;
}
