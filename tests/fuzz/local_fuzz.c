/* What a client process may send to its daemon, as bytes: whatever decodes is terminated and
 * within bounds; so are the lines of a name (NAME), and the actors that it lists (ACTORS). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/wire/local.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_lines(const char *text)
{
    char line[32];
    const char *end = text + strlen(text);
    while (*text != 0 && reeve_local_line_take(&text, line, sizeof line))
        if (text > end || strlen(line) >= sizeof line || strchr(line, '\n') != NULL)
            abort();
}

static void read_actors(const uint8_t *data, size_t size)
{
    struct reeve_local_actor actor;
    const void *at = data;
    const char *text;
    size_t left = size;
    volatile char last;
    while (reeve_local_actor_next(&at, &left, &actor, &text)) {
        if ((const uint8_t *)at + left != data + size || text + actor.text_size != (const char *)at)
            abort();
        if (actor.text_size != 0)
            last = text[actor.text_size - 1];
    }
    (void)last;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_actors(data, size);
    struct reeve_local_message message;
    if (reeve_local_decode(data, size, &message) != 0)
        return 0;
    if (strlen(message.text) != message.text_size || message.fd_count != 0 ||
        message.kind >= REEVE_LOCAL_KIND_COUNT)
        abort();
    read_lines(message.text);
    return 0;
}
