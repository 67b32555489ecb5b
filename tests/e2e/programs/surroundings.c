/* What a worker finds around it is what the driver has: arguments, folder, environment. Prints
 * both, as "driver: …" and "worker: …". */
#include <limits.h>

#include "tests/e2e/programs/say.h"

static int argument_count;
static char **arguments;

static void describe(char *out, size_t size)
{
    char folder[PATH_MAX] = "";
    const char *value = getenv("E2E_VALUE");
    size_t at = (size_t)snprintf(out, size,
        "in %s value=%s worker=%d stdin=%d arguments=", getcwd(folder, sizeof folder),
        value ? value : "(none)", getenv("REEVE_WORKER") != NULL, isatty(0));
    for (int i = 0; i < argument_count && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "[%s]", arguments[i]);
}

REEVE_REMOTE(reeve_string, look_around, (int64_t, unused))
{
    (void)unused;
    char *text = reeve_alloc(8192);
    describe(text, 8192);
    return text;
}

int main(int argc, char **argv)
{
    argument_count = argc;
    arguments = argv;
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    char mine[8192];
    reeve_string theirs;
    describe(mine, sizeof mine);
    NEED(look_around_get(look_around_remote(0), &theirs) == REEVE_OK);
    printf("driver: %s\nworker: %s\n", mine, theirs);
    reeve_free(theirs);
    reeve_shutdown();
    return 0;
}
