/* Text of others, which may be any bytes, and is to be shown as UTF-8. Texts end with a NUL. */
#ifndef REEVE_BASE_UTF8_H
#define REEVE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The bytes of the character at the beginning of the text; 0: what is there is not UTF-8, or the
 * end. */
size_t reeve_utf8_size(const char *at);

/* Whether that character, which is UTF-8, is not one to be printed. */
bool reeve_utf8_is_control(const char *at);

/* Makes a text UTF-8 that may not be, or that was cut off in the middle of a character: there, that
 * goes; else each byte that fits to nothing becomes '?'. Returns the text. */
char *reeve_utf8_mend(char *text);

#endif
