/* What a client process may send to its daemon, as bytes: whatever decodes is terminated and
 * within bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/wire/local.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reeve_local_message message;
    if (reeve_local_decode(data, size, &message) != 0)
        return 0;
    if (strlen(message.text) != message.text_size || message.fd_count != 0 ||
        message.kind >= REEVE_LOCAL_KIND_COUNT)
        abort();
    return 0;
}
