/* How values travel: typed C values to msgpack and back.
 *
 *     bool                 true, false
 *     integers             msgpack integers, range-checked on the way in
 *     float, double        float 32, float 64 (either is taken for both; an integer too, if exactly
 *                          representable)
 *     reeve_string         str
 *     reeve_bytes          bin
 *     arrays of numbers    ext 16 + element kind:
 *                          | pad (u8) | pad zero bytes | elements, raw, little-endian |
 *     matrices             array of three: rows, columns, and an array of numbers
 *     structs              array of the members, in order
 *     arrays of others     array of the items
 *     void                 nil
 *     arguments of a call  array of the arguments; in place of any of them, a large object:
 *                          ext 32:  | object id, 16 bytes | size, u64 little-endian |
 *                          (the object is the packed value)
 *     futures              ext 33, one zero byte; an array of them: ext 34: | count, u32
 *                          little-endian |. Which futures they are does not stand in the bytes: it
 *                          stands in a list beside them, in the order of occurrence. So a value is
 *                          the same bytes whoever owns its futures, values can be put together by
 *                          putting their lists together, and nobody parses msgpack to find futures
 *
 * The pad puts the elements of an array at a multiple of the element's size, counted from the start
 * of the packed message, and of 64 when they are 1 KiB or more: a message that lies aligned in
 * shared memory can be read in place. It does not need to be right: elements that come misaligned
 * are copied.
 *
 * Packing uses msgpack-c. Unpacking reads straight into the C value, with the type in hand:
 * msgpack-c's tree costs a zone and, for a header that promises a billion elements, memory that the
 * input does not justify.
 */
#ifndef REEVE_CLIENT_CODEC_H
#define REEVE_CLIENT_CODEC_H

#include <reeve.h>

#include "runtime/base/macros.h"

#define REEVE_EXT_ARRAY_BASE 16 /* + enum reeve_kind of the element */
#define REEVE_EXT_OBJECT     32
#define REEVE_OBJECT_ID_SIZE 16
/* 0xd4 (fixext 1), type, 0; 0xd6 (fixext 4), type, count */
#define REEVE_FUTURE_SIZE  3
#define REEVE_FUTURES_SIZE 6
/* 0xc7 (ext 8), length, type, id, size */
#define REEVE_OBJECT_REFERENCE_SIZE (3 + REEVE_OBJECT_ID_SIZE + 8)
#define REEVE_DEPTH_MAX             32

/* ---- packing --------------------------------------------------------------------------------- */

/* Packed size of a value that will stand `offset` bytes after the start of the message. 0:
 * cannot be packed (a NULL string, more than 4 GiB in one span), described in `error` if not
 * NULL, with code REEVE_EINVAL. */
size_t reeve_codec_size(const struct reeve_type *type, const void *value, size_t offset,
    struct reeve_error_info *error);

/* Packs a value at bytes + offset; the buffer must have room for what reeve_codec_size said.
 * Returns the new offset; 0 if the value changed meanwhile and no longer fits `capacity`. */
size_t reeve_codec_pack(const struct reeve_type *type, const void *value, uint8_t *bytes,
    size_t offset, size_t capacity);

/* What stands before the items of a bytes, array or matrix value that is a whole message: it is
 * written first, the items where they are to lie. */
struct reeve_frame {
    uint8_t head[160];
    size_t head_size;
};
/* `count` items, or rows; columns is 1 where there are none. Returns the size of the whole; 0: too
 * large, described in `error`. */
size_t reeve_codec_frame(const struct reeve_type *type, size_t count, size_t columns,
    struct reeve_frame *ret, struct reeve_error_info *error);

/* A packed value of the type that is large is to lie so that its start plus this is a multiple
 * of 64. */
uint32_t reeve_codec_skew(const struct reeve_type *type, size_t size);

/* Header of an array of `count` things; at most 5 bytes. Returns its size. */
size_t reeve_codec_pack_array_header(uint8_t *bytes, size_t count);

/* A reference to a large object, to stand in place of an argument. Always
 * REEVE_OBJECT_REFERENCE_SIZE bytes. */
void reeve_codec_pack_object(uint8_t *bytes, const uint8_t id[REEVE_OBJECT_ID_SIZE], uint64_t size);

/* The futures of a value, in the order in which they are packed, and the handles of actors in
 * it. */
struct reeve_future_ids {
    uint64_t *ids; /* malloc */
    size_t count, capacity;
    reeve_actor *actors; /* malloc */
    size_t actor_count, actor_capacity;
};

/* Adds those of the value; does nothing, fast, for a type that can have none. Call it after
 * reeve_codec_size has found the value sound. REEVE_ENOMEM; the code of a future that was born
 * failed, described. */
int reeve_codec_futures(const struct reeve_type *type, const void *value,
    struct reeve_future_ids *ids, struct reeve_error_info *error);
int reeve_future_ids_add(struct reeve_future_ids *ids, uint64_t id);
void reeve_future_ids_fini(struct reeve_future_ids *ids);

/* ---- checking -------------------------------------------------------------------------------- */

/* Is this exactly one well-formed msgpack value, no deeper than REEVE_DEPTH_MAX?
 * REEVE_EPROTOCOL, REEVE_EDEPTH; described in `error` if not NULL. */
int reeve_codec_check(const void *bytes, size_t size, struct reeve_error_info *error);

/* How many futures stand in the values that begin at bytes and fill `size`; UINT64_MAX: one is
 * malformed. */
uint64_t reeve_codec_future_count(const void *bytes, size_t size);

/* Size of the value that begins at bytes, or 0 if it is malformed or does not end within `size`. */
size_t reeve_codec_skip(const void *bytes, size_t size);

/* ---- unpacking ------------------------------------------------------------------------------- */

/* Memory for what unpacked values point to. In a task: bump allocation, freed as a whole (struct
 * reeve_arena). For a get: each block from malloc, the caller's. */
struct reeve_arena;

/* Unpacks one value of exactly `size` bytes. With an arena, spans and aligned arrays are views
 * into `bytes`, strings and misaligned arrays are copied into it; without (NULL), everything is
 * copied to malloc blocks, and on failure nothing is left. `what` names the thing in errors:
 * "result". REEVE_ETYPE, REEVE_EDEPTH, REEVE_EPROTOCOL, REEVE_ENOMEM. */
int reeve_codec_unpack(const struct reeve_type *type, const void *bytes, size_t size, void *value,
    struct reeve_arena *arena, const char *what, struct reeve_error_info *error);

/* The same of a value with futures in it, which stand beside it: all of them, or
 * REEVE_EPROTOCOL. */
int reeve_codec_unpack_with(const struct reeve_type *type, const void *bytes, size_t size,
    const uint64_t *futures, size_t future_count, void *value, struct reeve_arena *arena,
    const char *what, struct reeve_error_info *error);

/* The same into an arena, for longer than a call: arrays of 1 KiB or more are made to lie at a
 * multiple of 64, and the value changes only if all of it could be read. */
int reeve_codec_unpack_view(const struct reeve_type *type, const void *bytes, size_t size,
    const uint64_t *futures, size_t future_count, void *value, struct reeve_arena *arena,
    struct reeve_error_info *error);

/* Frees every pointer of a value that was unpacked without an arena, and zeroes it. Its futures
 * live on. */
void reeve_codec_clear(const struct reeve_type *type, void *value);

/* Memory of an invocation. `first` may be the caller's stack. */
struct reeve_arena {
    uint8_t *at;
    size_t room;
    struct reeve_arena_block *blocks; /* from malloc */
};
static inline void reeve_arena_init(struct reeve_arena *arena, void *first, size_t size)
{
    arena->at = first;
    arena->room = size;
    arena->blocks = NULL;
}

/* From what it has; NULL: that is not enough. */
static inline void *reeve_arena_bump(struct reeve_arena *arena, size_t size, size_t alignment)
{
    size_t gap = -(uintptr_t)arena->at & (alignment - 1);
    if (REEVE_UNLIKELY(gap > arena->room || size > arena->room - gap))
        return NULL;
    void *at = arena->at + gap;
    arena->at += gap + size;
    arena->room -= gap + size;
    return at;
}

void *reeve_arena_grow(struct reeve_arena *arena, size_t size, size_t alignment);
/* NULL: no memory. */
static inline void *reeve_arena_alloc(struct reeve_arena *arena, size_t size, size_t alignment)
{
    void *memory = reeve_arena_bump(arena, size, alignment);
    return REEVE_LIKELY(memory != NULL) ? memory : reeve_arena_grow(arena, size, alignment);
}

bool reeve_arena_adopt(struct reeve_arena *arena, void *pointer); /* free(pointer) with it */
void reeve_arena_fini(struct reeve_arena *arena);

/* ---- splicing -------------------------------------------------------------------------------- */

/* What takes the place of the nil byte at `offset` of packed arguments. */
struct reeve_splice_value {
    size_t offset;
    const void *bytes;
    size_t size;
};

/* Size of the arguments with all splices filled in, and the filling in. Splices ascend by
 * offset. */
size_t reeve_codec_splice_size(
    size_t args_size, const struct reeve_splice_value *splices, size_t count);
void reeve_codec_splice(uint8_t *out, const void *args, size_t args_size,
    const struct reeve_splice_value *splices, size_t count);

#endif
