/* See utf8.h. */
#include "runtime/base/utf8.h"

#include <stdint.h>

/* How many bytes the character has that begins so; 0: none does. */
static size_t size_of(uint8_t first)
{
    return first == 0                      ? 0
           : first < 0x80                  ? 1
           : first >= 0xc2 && first < 0xe0 ? 2
           : first >= 0xe0 && first < 0xf0 ? 3
           : first >= 0xf0 && first < 0xf5 ? 4
                                           : 0;
}

size_t reeve_utf8_size(const char *at)
{
    const uint8_t *u = (const uint8_t *)at;
    size_t size = size_of(u[0]);
    for (size_t i = 1; i < size; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xf0 && u[1] < 0x90);
    bool beyond = (u[0] == 0xed && u[1] > 0x9f) || (u[0] == 0xf4 && u[1] > 0x8f);
    return overlong || beyond ? 0 : size;
}

bool reeve_utf8_is_control(const char *at)
{
    const uint8_t *u = (const uint8_t *)at;
    return u[0] < 0x20 || u[0] == 0x7f || (u[0] == 0xc2 && u[1] < 0xa0);
}

/* Whether the text ends before its first character does. */
static bool is_cut_off(const char *at)
{
    const uint8_t *u = (const uint8_t *)at;
    size_t size = size_of(u[0]), i = 1;
    while (i < size && (u[i] & 0xc0) == 0x80)
        i++;
    return i < size && u[i] == 0;
}

char *reeve_utf8_mend(char *text)
{
    char *at = text;
    while (*at != 0) {
        size_t size = reeve_utf8_size(at);
        if (size != 0) {
            at += size;
        } else if (is_cut_off(at)) {
            *at = 0;
        } else {
            *at++ = '?';
        }
    }
    return text;
}
