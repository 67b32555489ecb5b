/* facts.c: the failures that are kept, and names of functions. */
#include "runtime/node/facts.h"

#include <stdio.h>
#include <string.h>

struct reeve_failure *reeve_failures_add(struct reeve_failures *failures)
{
    struct reeve_failure *failure = &failures->last[failures->count % REEVE_FAILURES_MAX];
    memset(failure, 0, sizeof *failure);
    failure->number = ++failures->count;
    return failure;
}

const struct reeve_failure *reeve_failures_at(const struct reeve_failures *failures, uint64_t back)
{
    if (back >= failures->count || back >= REEVE_FAILURES_MAX)
        return NULL;
    return &failures->last[(failures->count - 1 - back) % REEVE_FAILURES_MAX];
}

void reeve_function_name(
    const char *table, size_t table_size, uint32_t index, char *name, size_t size)
{
    const char *line = table, *end = table + table_size;
    for (uint32_t i = 0; line != NULL && i < index; i++) {
        line = memchr(line, '\n', (size_t)(end - line));
        line = line != NULL && line + 1 < end ? line + 1 : NULL;
    }
    size_t length = 0;
    while (line != NULL && line + length < end && strchr(" (\n", line[length]) == NULL)
        length++;
    if (length == 0)
        snprintf(name, size, "function %u", index);
    else
        snprintf(name, size, "%.*s", (int)length, line);
}
