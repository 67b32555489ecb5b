/* Says on standard error what does not hold, then aborts, so that a core file shows where. */
#include "runtime/base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void reeve_assert_failed(
    const char *condition, const char *file, int line, const char *function)
{
    char text[512];
    int length = snprintf(
        text, sizeof(text), "%s:%d: %s: does not hold: %s\n", file, line, function, condition);
    if (length > (int)sizeof(text) - 1)
        length = (int)sizeof(text) - 1;
    if (length > 0 && write(STDERR_FILENO, text, (size_t)length) < 0)
        abort();
    abort();
}
