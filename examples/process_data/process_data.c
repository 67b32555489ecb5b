/* Five calls of a function that takes a second, side by side: all done after about one second.
 *
 * Prints:
 *     0
 *     10
 *     20
 *     30
 *     40
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <reeve.h>

/* An ordinary function; its calls are checked at compile time. */
REEVE_REMOTE(int64_t, process_data, (int64_t, x))
{
    sleep(1);
    return x * 10;
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK) /* in a worker process this call never returns */
        return reeve_perror("reeve_init"), 1;

    process_data_future futures[5];
    /* it only sleeps: five share a cpu */
    const reeve_task_options *options = REEVE_TASK_OPTIONS(.cpus = 0.2);
    for (int i = 0; i < 5; i++)
        futures[i] = process_data_remote_opts(options, i); /* returns at once */

    int failed = 0;
    for (int i = 0; i < 5; i++) {
        int64_t y;
        /* waits, gives the value, releases the future */
        if (process_data_get(futures[i], &y) == REEVE_OK) {
            printf("%" PRId64 "\n", y);
        } else {
            reeve_perror("process_data"); /* code, message, function, node, attempt */
            failed = 1;
        }
    }
    reeve_shutdown();
    return failed;
}
