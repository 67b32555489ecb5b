/* A program that joins with next to no descriptors left: joining takes some, and so does a call. It
 * is told so, whichever is lacking, and gets on when it has them. */
#include <sys/resource.h>

#include "tests/e2e/programs/say.h"

REEVE_REMOTE(int64_t, square, (int64_t, x))
{
    return x * x;
}

int main(int argc, char **argv)
{
    enum { LIMIT = 128 };
    int opened[LIMIT], count = 0, refused = 0;
    struct rlimit limit;
    if (reeve_init(argc, argv, NULL) == REEVE_OK) /* with all there are: nothing else is wrong */
        reeve_shutdown();
    NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = LIMIT;
    NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (count < LIMIT && (opened[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        count++;
    for (;; refused++) {
        int64_t y = 0;
        int code = reeve_init(argc, argv, NULL);
        if (code == REEVE_OK && (code = square_get(square_remote(3), &y)) != REEVE_OK)
            reeve_shutdown();
        if (code == REEVE_OK)
            break;
        NEED(code == REEVE_ESYSTEM);
        NEED(strstr(reeve_last_error()->message, "(ulimit -n)") != NULL);
        NEED(count > 0);
        close(opened[--count]);
    }
    NEED(refused >= 4); /* the socket, and what comes with the welcome */
    reeve_shutdown();
    printf("ok joins_short\n");
    return 0;
}
