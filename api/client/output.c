/* The output of workers, on its way to the driver's terminal: copies what comes through the
 * daemon's two pipes to our own stdout and stderr. In a thread of its own, because a terminal
 * may be stuck; then the pipes fill, and the daemon drops and counts. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "api/client/cluster.h"

struct output {
    int fds[2];
};

static void copy(int *from, int to)
{
    char bytes[16384];
    ssize_t size = read(*from, bytes, sizeof(bytes));
    if (size < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    for (ssize_t done = 0; done < size;) {
        ssize_t written = write(to, bytes + done, (size_t)(size - done));
        if (written > 0) {
            done += written;
        } else if (written < 0 && errno == EAGAIN) { /* the program made its stdout non-blocking */
            struct pollfd wait = {.fd = to, .events = POLLOUT};
            (void)poll(&wait, 1, -1);
        } else if (errno != EINTR) {
            size = 0; /* nobody reads any more */
        }
    }
    if (size <= 0) {
        close(*from);
        *from = -1;
    }
}

static void *output_main(void *arg)
{
    struct output *output = arg;
    while (output->fds[0] >= 0 || output->fds[1] >= 0) {
        struct pollfd wait[2] = {
            {.fd = output->fds[0], .events = POLLIN}, {.fd = output->fds[1], .events = POLLIN}};
        if (poll(wait, 2, -1) < 0)
            continue;
        if (wait[0].revents != 0)
            copy(&output->fds[0], STDOUT_FILENO);
        if (wait[1].revents != 0)
            copy(&output->fds[1], STDERR_FILENO);
    }
    free(output);
    return NULL;
}

void reeve_output_finish(struct reeve_cluster *cluster)
{
    struct timespec until;
    if (!cluster->output_started)
        return;
    cluster->output_started = false;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    if (pthread_timedjoin_np(cluster->output, NULL, &until) != 0)
        pthread_detach(cluster->output); /* the terminal is stuck, and the daemon with it */
}

void reeve_output_start(struct reeve_cluster *cluster, struct reeve_local_message *message)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    if (message->fd_count != 2 || cluster->output_started)
        return;
    struct output *output = malloc(sizeof(*output));
    if (output == NULL)
        return;
    *output = (struct output){{message->fds[0], message->fds[1]}};
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    sigfillset(&all); /* SIGPIPE above all */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    cluster->output_started =
        pthread_create(&cluster->output, &attributes, output_main, output) == 0;
    if (cluster->output_started)
        message->fd_count = 0; /* the thread's now */
    else
        free(output);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}
