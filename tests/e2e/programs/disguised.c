/* A driver whose executable is another one than it is: `disguised` tells the node daemon that
 * the file named by E2E_EXECUTABLE is its program (our own `open` comes before the C library's).
 * With a file for another architecture, that is a program no worker can run. */
#include <dlfcn.h>

#include "tests/e2e/programs/say.h"

REEVE_REMOTE(int64_t, square, (int64_t, x))
{
    return x * x;
}

__attribute__((visibility("default"))) int open(const char *path, int flags, ...)
{
    const char *other = getenv("E2E_EXECUTABLE");
    va_list args;
    va_start(args, flags);
    int mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    return openat(AT_FDCWD, other && strcmp(path, "/proc/self/exe") == 0 ? other : path,
        flags | O_CLOEXEC, mode);
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    int64_t y = 0;
    say_error("square", square_get(square_remote(3), &y));
    printf("answer: %" PRId64 "\n", y);
    reeve_shutdown();
    return 0;
}
