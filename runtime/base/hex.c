/* Hexadecimal text and ids; see hex.h. */
#include "runtime/base/hex.h"

#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/base/errors.h"

static const char digits[] = "0123456789abcdef";

void reeve_hex_encode(const void *data, size_t size, char *text)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * size] = '\0';
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int reeve_hex_decode(const char *text, void *data, size_t size)
{
    for (size_t i = 0; i < 2 * size; i++)
        if (digit_value(text[i]) < 0)
            return REEVE_EINVAL;
    if (text[2 * size] != '\0')
        return REEVE_EINVAL;
    uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(digit_value(text[2 * i]) * 16 + digit_value(text[2 * i + 1]));
    return REEVE_OK;
}

const char *reeve_id_format(const char *kind, uint64_t id, char text[REEVE_ID_TEXT_SIZE])
{
    size_t length = strlen(kind);
    REEVE_ASSERT(length <= 12);
    memcpy(text, kind, length);
    text[length++] = '-';
    int shift = 60;
    while (shift > 0 && id >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        text[length++] = digits[id >> shift & 15];
    text[length] = '\0';
    return text;
}

int reeve_id_parse(const char *kind, const char *text, uint64_t *id)
{
    size_t length = strlen(kind);
    if (strncmp(text, kind, length) == 0 && text[length] == '-')
        text += length + 1;
    uint64_t value = 0;
    size_t count = 0;
    for (; text[count] != '\0'; count++) {
        int digit = digit_value(text[count]);
        if (digit < 0 || count >= 16)
            return REEVE_EINVAL;
        value = value << 4 | (uint64_t)digit;
    }
    if (count == 0)
        return REEVE_EINVAL;
    *id = value;
    return REEVE_OK;
}
