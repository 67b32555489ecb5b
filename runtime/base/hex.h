/* Bytes as lower-case hexadecimal text and back; ids as text. */
#ifndef REEVE_BASE_HEX_H
#define REEVE_BASE_HEX_H

#include <stddef.h>
#include <stdint.h>

/* Writes 2 * size digits and a NUL. */
void reeve_hex_encode(const void *data, size_t size, char *text);

/* Reads exactly 2 * size digits of either case, then NUL. REEVE_OK, or REEVE_EINVAL with nothing
 * written. */
int reeve_hex_decode(const char *text, void *data, size_t size);

/*
 * Ids are 64-bit numbers shown with what they name: "task-1f", "node-3". No padding: short ids stay
 * readable. kind is at most 12 characters.
 */
#define REEVE_ID_TEXT_SIZE 32
const char *reeve_id_format(const char *kind, uint64_t id, char text[REEVE_ID_TEXT_SIZE]);

/* The inverse; also takes the digits alone. REEVE_OK or REEVE_EINVAL. */
int reeve_id_parse(const char *kind, const char *text, uint64_t *id);

#endif
