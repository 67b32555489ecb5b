/* A cluster for several drivers: head and node daemon of this program, on an abstract address,
 * ended by a lifeline. The node daemon listens where drivers of its machine look for it, so that
 * they need none of their own. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/wire/local.h"
#include "tests/bench/bench.h"

extern char **environ;

static pid_t daemon_start(const char *const *arguments, int lifeline, int ready)
{
    pid_t pid;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, lifeline, 8);
    posix_spawn_file_actions_adddup2(&actions, ready, 9);
    posix_spawn_file_actions_addclosefrom_np(&actions, 10);
    int failed = posix_spawn(
        &pid, "/proc/self/exe", &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failed == 0 ? pid : -1;
}

int reeve_bench_cluster_start(struct reeve_bench_cluster *ret, int slots)
{
    uint64_t random[4];
    int pair[2], ready[2], nobody;
    char address[96], key[65] = "", count[16], line[256], known[REEVE_LOCAL_NAME_SIZE];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ||
        pipe2(ready, O_CLOEXEC) != 0)
        return -1;
    for (int i = 0; i < 4; i++)
        snprintf(key + 16 * i, 17, "%016llx", (unsigned long long)random[i]);
    snprintf(
        address, sizeof(address), "abstract://reeve-bench-%016llx", (unsigned long long)~random[0]);
    snprintf(count, sizeof(count), "%d", slots);
    setenv("REEVE_KEY", key, 1);
    setenv("REEVE_ADDRESS", address, 1);
    const char *const head[] = {
        "reeve", "head", "--private", "--listen", address, "--lifeline-fd", "8", NULL};
    reeve_local_known_name(address, known);
    const char *const node[] = {"reeve", "worker", "--private", "--head", address, "--slots", count,
        "--socket", known, "--lifeline-fd", "8", "--ready-fd", "9", NULL};
    nobody = open("/dev/null", O_WRONLY | O_CLOEXEC);
    ret->head = daemon_start(head, pair[1], nobody);
    ret->node = daemon_start(node, pair[1], ready[1]);
    ret->lifeline = pair[0];
    close(pair[1]);
    close(ready[1]);
    close(nobody);
    ssize_t got = read(ready[0], line, sizeof(line));
    close(ready[0]);
    return ret->head > 0 && ret->node > 0 && got > 0 ? 0 : -1;
}

void reeve_bench_cluster_stop(struct reeve_bench_cluster *cluster)
{
    close(cluster->lifeline);
    for (int i = 0; i < 2; i++) {
        pid_t pid = i == 0 ? cluster->head : cluster->node;
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    unsetenv("REEVE_KEY");
    unsetenv("REEVE_ADDRESS");
}
