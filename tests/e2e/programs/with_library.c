/* A program with a shared library of its own beside it (with_library_part.c), which other
 * machines may lack. */
#include "tests/e2e/programs/say.h"

extern int64_t library_part(int64_t x);

REEVE_REMOTE(int64_t, through_library, (int64_t, x))
{
    return library_part(x);
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    int64_t y = 0;
    say_error("through_library", through_library_get(through_library_remote(20), &y));
    printf("answer: %" PRId64 "\n", y);
    reeve_shutdown();
    return 0;
}
