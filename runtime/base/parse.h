/*
 * Strict parsing of what users write: the whole text must be a value, or REEVE_EINVAL comes back,
 * *value is left alone, and `why` (REEVE_WHY_SIZE bytes, or NULL) holds a sentence that quotes the
 * text and says what was expected, ready to be shown after the name of the option.
 */
#ifndef REEVE_BASE_PARSE_H
#define REEVE_BASE_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#define REEVE_WHY_SIZE 160

/* Decimal digits, within [min, max]. */
int reeve_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value, char *why);

/* As above with a sign allowed. */
int reeve_parse_i64(const char *text, int64_t min, int64_t max, int64_t *value, char *why);

/* A decimal fraction such as "0.5", finite, within [min, max]. */
int reeve_parse_double(const char *text, double min, double max, double *value, char *why);

/* yes, no, true, false, on, off, 1, 0 */
int reeve_parse_bool(const char *text, bool *value, char *why);

/*
 * "512", "64KiB", "1.5GiB" (B, KiB, MiB, GiB, TiB; K, M, G, T for the same; kB, KB, MB, GB, TB are
 * powers of ten), or "30%" of whole_bytes, where whole_bytes is not 0.
 */
int reeve_parse_size(const char *text, uint64_t whole_bytes, uint64_t *size_bytes, char *why);

/* "10s", "500ms", "1.5h"; units ns, us, ms, s, m or min, h, d. A unit is required, save for "0". */
int reeve_parse_duration(const char *text, uint64_t *duration_ns, char *why);

/* "64KiB", "1.5GiB": exact where it is short, else two digits after the point. */
#define REEVE_SIZE_TEXT_SIZE 32
const char *reeve_size_format(uint64_t size_bytes, char text[REEVE_SIZE_TEXT_SIZE]);

#endif
