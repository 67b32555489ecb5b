/* One large value for a task on each node: `broadcast COUNT MIB MAIL GATE`. Each task checks all
 * of it, reports, and waits at the gate, so that no node gets two. Prints "good COUNT". */
#include "tests/e2e/programs/say.h"

#define COUNT_MAX 16

static uint8_t byte_at(size_t i)
{
    return (uint8_t)((i * 2654435761u) >> 11);
}

REEVE_REMOTE(int64_t, check, (reeve_bytes, block), (reeve_string, mail), (reeve_string, gate))
{
    const uint8_t *bytes = block.data;
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    for (size_t i = 0; i < block.size; i++)
        if (bytes[i] != byte_at(i))
            reeve_fail(1, "byte %zu of %zu is not what was put", i, block.size);
    report(mail, "start %s", host);
    wait_at(gate);
    return (int64_t)block.size;
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc == 5);
    int count = (int)strtol(argv[1], NULL, 10);
    size_t size = (size_t)strtol(argv[2], NULL, 10) << 20;
    NEED(count <= COUNT_MAX);
    uint8_t *bytes = malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = byte_at(i);
    check_future futures[COUNT_MAX];
    reeve_future_reeve_bytes block = reeve_put_bytes(bytes, size);
    for (int i = 0; i < count; i++)
        futures[i] = reeve_call(check, block, argv[3], argv[4]);
    NEED(reeve_release(block) == REEVE_OK);
    for (int i = 0; i < count; i++) {
        int64_t y = 0;
        NEED(check_get(futures[i], &y) == REEVE_OK);
        NEED(y == (int64_t)size);
    }
    free(bytes);
    printf("good %d\n", count);
    reeve_shutdown();
    return 0;
}
