/* What hot_functions.py traces: calls after a rest, of a function that ends at once and of one
 * whose caller has to go to sleep. `mark` is where the parts of the trace begin and end; where
 * the library lies goes to the file BASE-pid. A worker starts itself again under the command of
 * WRAP. */
#include <dlfcn.h>
#include <reeve.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CALLS 12

__attribute__((noinline)) static void mark(void)
{
    __asm__ volatile("");
}

static void rest(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

REEVE_REMOTE(int64_t, twice, (int64_t, x), (int64_t, rest_ms))
{
    mark();
    if (rest_ms != 0)
        rest(rest_ms);
    return 2 * x;
}

static void base_write(void)
{
    char path[256];
    snprintf(path, sizeof path, "%s-%ld", getenv("BASE"), (long)getpid());
    FILE *file = fopen(path, "we");
    if (file == NULL)
        exit(1);
    fprintf(file, "%p %p\n", dlsym(RTLD_DEFAULT, "reeve_init"), (void *)mark);
    fclose(file);
}

int main(int argc, char **argv)
{
    const char *wrap = getenv("WRAP");
    if (getenv("REEVE_WORKER") != NULL && wrap != NULL) {
        unsetenv("WRAP");
        execl(wrap, wrap, (char *)NULL);
        return 1;
    }
    base_write();
    if (reeve_init(argc, argv, REEVE_OPTIONS(.slots = 1)) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    for (int i = 0; i < CALLS; i++) {
        int64_t value;
        rest(20);
        mark();
        twice_future future = twice_remote(i, i % 2 == 0 ? 0 : 300);
        if (twice_get(future, &value) != REEVE_OK || value != 2 * i)
            return reeve_perror("twice"), 1;
        mark();
    }
    reeve_shutdown();
    return 0;
}
