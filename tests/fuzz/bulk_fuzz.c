/* What a stranger, or a broken peer, may say on a stream of pieces: greetings, hellos, headers.
 * What is read is what was written; nothing unproven passes for proven. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/wire/bulk_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[REEVE_BULK_KEY_SIZE] = {42};

static void check_header(const uint8_t *data, size_t size)
{
    struct reeve_bulk_header header, again;
    uint8_t written[REEVE_BULK_HEADER_SIZE];
    struct reeve_bulk_mac mac;
    enum reeve_bulk_kind kind = size % 2 ? REEVE_BULK_POLY1305 : reeve_bulk_mac_best();
    if (size < REEVE_BULK_HEADER_SIZE || !reeve_bulk_header_read(data, &header))
        return;
    REEVE_ASSERT(header.length > 0 && header.length <= REEVE_BULK_LENGTH_MAX);
    reeve_bulk_header_write(written, &header);
    REEVE_ASSERT(reeve_bulk_header_read(written, &again));
    REEVE_ASSERT(memcmp(&header, &again, sizeof header) == 0);
    reeve_bulk_mac_init(&mac, kind, key);
    bool good = reeve_bulk_header_verify(data, &mac, 0, data, size);
    reeve_bulk_header_seal(written, &mac, 0, data, size);
    REEVE_ASSERT(good == (memcmp(written, data, sizeof written) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    REEVE_ASSERT(sodium_init() >= 0);
    struct reeve_bulk_terms terms = {{1}, {2}, REEVE_BULK_AES_GMAC, 0};
    uint64_t uid;
    if (size >= REEVE_BULK_GREETING_SIZE)
        (void)reeve_bulk_greeting_read(data, &terms);
    if (size >= REEVE_BULK_HELLO_SIZE && reeve_bulk_hello_read(data, &uid)) {
        uint8_t good[REEVE_BULK_HELLO_SIZE];
        bool verified = reeve_bulk_hello_verify(data, &terms, key);
        reeve_bulk_hello_write(good, uid, &terms, key);
        REEVE_ASSERT(!verified || memcmp(good, data, sizeof good) == 0);
        REEVE_ASSERT(!verified || terms.kind <= terms.best);
    }
    check_header(data, size);
    return 0;
}
