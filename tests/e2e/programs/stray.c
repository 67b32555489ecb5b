/* Programs that make something else of themselves in workers than in the driver: `stray ends`,
 * `stray differs`. */
#include "tests/e2e/programs/say.h"

REEVE_REMOTE(int64_t, square, (int64_t, x))
{
    return x * x;
}

static int handler(void *context, const void *args, size_t args_size, reeve_packed *result)
{
    (void)context;
    (void)args;
    (void)args_size;
    *result = (reeve_packed){"\x01", 1};
    return REEVE_OK;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (getenv("REEVE_WORKER") && strcmp(what, "ends") == 0)
        return 5;
    if (getenv("REEVE_WORKER") && strcmp(what, "differs") == 0)
        NEED(reeve_register("only_in_workers", handler, NULL) == REEVE_OK);
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    int64_t y = 0;
    say_error("square", square_get(square_remote(3), &y));
    reeve_shutdown();
    return 0;
}
