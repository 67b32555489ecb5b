/* What a stranger says on a connection: its first byte is how the rest is cut (and whether it is a
 * unix socket's). Cut otherwise it must contain the same messages, and end the same way. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <reeve_errors.h>

#include "runtime/base/assert.h"
#include "runtime/base/macros.h"
#include "runtime/wire/sp.h"

#define MESSAGE_MAX 10000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct said {
    size_t messages, bytes;
    uint32_t sum;
    int end; /* what next has said last */
};

static void hear(struct said *said, const struct reeve_sp_message *message)
{
    REEVE_ASSERT(message->size <= MESSAGE_MAX);
    said->messages++;
    said->bytes += message->size;
    for (size_t i = 0; i < message->size; i++)
        said->sum = said->sum * 31 + message->bytes[i] + 1;
}

static struct said listen_to(const uint8_t *data, size_t size, bool local, size_t cut)
{
    struct said said = {.end = REEVE_EAGAIN};
    struct reeve_sp_reader reader;
    reeve_sp_reader_init(&reader, local, MESSAGE_MAX);
    while (size > 0 && said.end == REEVE_EAGAIN) {
        struct reeve_sp_place places[2];
        struct reeve_sp_message *message;
        unsigned count = reeve_sp_reader_places(&reader, places);
        size_t now = REEVE_MIN(cut, size), done = 0;
        for (unsigned i = 0; i < count; i++) {
            size_t part = REEVE_MIN(places[i].size, now - done);
            REEVE_ASSERT(places[i].size > 0);
            memcpy(places[i].bytes, data + done, part);
            done += part;
        }
        reeve_sp_reader_take(&reader, done);
        data += done;
        size -= done;
        while ((said.end = reeve_sp_reader_next(&reader, &message)) == REEVE_OK) {
            hear(&said, message);
            free(message);
        }
    }
    reeve_sp_reader_fini(&reader);
    return said;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    bool local = data[0] & 1;
    size_t cut = 1u + data[0] / 2;
    struct said one = listen_to(data + 1, size - 1, local, cut);
    struct said other = listen_to(data + 1, size - 1, local, SIZE_MAX);
    REEVE_ASSERT(one.messages == other.messages && one.bytes == other.bytes);
    REEVE_ASSERT(one.sum == other.sum && one.end == other.end);
    return 0;
}
