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
    if (size < REEVE_BULK_HEADER_SIZE || !reeve_bulk_header_read(data, &header))
        return;
    REEVE_ASSERT(header.length > 0 && header.length <= REEVE_BULK_LENGTH_MAX);
    reeve_bulk_header_write(written, &header);
    REEVE_ASSERT(reeve_bulk_header_read(written, &again));
    REEVE_ASSERT(memcmp(&header, &again, sizeof header) == 0);
    reeve_bulk_mac_begin(&mac, 0, key, data);
    reeve_bulk_mac_update(&mac, data, size);
    bool good = reeve_bulk_mac_verify(&mac, data);
    reeve_bulk_mac_begin(&mac, 0, key, written);
    reeve_bulk_mac_update(&mac, data, size);
    reeve_bulk_mac_seal(&mac, written);
    REEVE_ASSERT(good == (memcmp(written, data, sizeof written) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reeve_bulk_nonces nonces = {{1}, {2}};
    uint64_t uid;
    if (size >= REEVE_BULK_GREETING_SIZE)
        (void)reeve_bulk_greeting_read(data, &nonces);
    if (size >= REEVE_BULK_HELLO_SIZE && reeve_bulk_hello_read(data, &uid)) {
        uint8_t good[REEVE_BULK_HELLO_SIZE];
        bool verified = reeve_bulk_hello_verify(data, &nonces, key);
        reeve_bulk_hello_write(good, uid, &nonces, key);
        REEVE_ASSERT(verified == (memcmp(good, data, sizeof good) == 0));
    }
    check_header(data, size);
    return 0;
}
