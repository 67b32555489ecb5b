/* Five calls of a function that takes a second, side by side: prints 0 10 20 30 40 after about one second. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <reeve.h>

REEVE_REMOTE(
    int64_t, process_data, (int64_t, x)) /* an ordinary function; typed, checked at compile time */
{
    sleep(1);
    return x * 10;
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK) /* in a worker process this call never returns */
        return reeve_perror("reeve_init"), 1;

    process_data_future futures[5];
    const reeve_task_options *options =
        REEVE_TASK_OPTIONS(.cpus = 0.2); /* it only sleeps: five share a cpu */
    for (int i = 0; i < 5; i++)
        futures[i] = process_data_remote_opts(options, i); /* returns at once */

    int failed = 0;
    for (int i = 0; i < 5; i++) {
        int64_t y;
        if (process_data_get(futures[i], &y) ==
            REEVE_OK) { /* waits, gives the value, releases the future */
            printf("%" PRId64 "\n", y);
        } else {
            reeve_perror("process_data"); /* code, message, function, node, attempt */
            failed = 1;
        }
    }
    reeve_shutdown();
    return failed;
}
