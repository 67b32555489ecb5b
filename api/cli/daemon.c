/* The start of a daemon; see daemon.h. A folder is shared by many daemons, so logs are locked. */
#include "api/cli/daemon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "runtime/base/errors.h"
#include "runtime/base/limits.h"
#include "runtime/base/log.h"
#include "runtime/base/process.h"
#include "runtime/wire/address.h"
#include "runtime/wire/key.h"

#define DESCRIPTORS_MIN 64          /* a node with one worker needs 40 */
#define FILE_BYTES_MIN  (64u << 20) /* the store's memory comes in pieces of so much */
#define LOG_MAX         64 /* daemons of one kind in one state folder that keep their logs apart */

/* Holds a lock for as long as the process lives. */
static bool take_lock(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    int saved = errno;
    close(fd);
    errno = saved;
    return false;
}

/* "worker.log", or "worker-2.log" … where others of this folder log already: bounded, over any
 * number of starts. */
static bool choose_log(const char *state, const char *component, char path[PATH_MAX])
{
    char lock[PATH_MAX];
    for (int i = 1; i <= LOG_MAX; i++) {
        char suffix[16] = "";
        if (i > 1)
            snprintf(suffix, sizeof(suffix), "-%d", i);
        if (snprintf(lock, sizeof(lock), "%s/logs/%s%s.lock", state, component, suffix) >=
                PATH_MAX ||
            snprintf(path, PATH_MAX, "%s/logs/%s%s.log", state, component, suffix) >= PATH_MAX)
            return false;
        if (take_lock(lock))
            return true;
        if (errno != EWOULDBLOCK)
            return false;
    }
    return false;
}

static int open_log(
    const struct reeve_cli_command *command, const char *component, struct reeve_cli_daemon *daemon)
{
    enum reeve_log_level level;
    char path[PATH_MAX + 64] = "";
    if (reeve_log_level_parse(daemon->log_level, &level) != 0) {
        reeve_cli_error(command->name, "levels: error, warn, info, debug",
            "--log-level: there is no level '%s'", daemon->log_level);
        return REEVE_CLI_USAGE;
    }
    const char *dir = getenv("REEVE_LOG_DIR");
    if (daemon->log_file && strcmp(daemon->log_file, "-") != 0)
        snprintf(path, sizeof(path), "%s", daemon->log_file);
    else if (!daemon->log_file && daemon->private_cluster && dir && *dir)
        snprintf(path, sizeof(path), "%s/%s-%d.log", dir, component, (int)getpid());
    else if (!daemon->log_file && !daemon->private_cluster &&
             !choose_log(daemon->state_path, component, path)) {
        reeve_cli_error(command->name, "give --state-dir, or --log-file FILE",
            "no log file can be opened in %s/logs: %s", daemon->state_path, strerror(errno));
        return REEVE_CLI_FAILED;
    }
    struct reeve_log_options options = {
        .component = component, .path = *path ? path : NULL, .level = level};
    if (reeve_log_open(&options) != 0) {
        reeve_cli_error(command->name, "give another --log-file, or - for standard error",
            "the log file %s cannot be opened: %s", path, strerror(errno));
        return REEVE_CLI_FAILED;
    }
    snprintf(daemon->log_path, sizeof(daemon->log_path), "%s", path);
    if (!*path && daemon->private_cluster && !daemon->log_file)
        reeve_log_set_level((enum reeve_log_level) - 1); /* nowhere */
    return 0;
}

static int prepare_state(
    const struct reeve_cli_command *command, const char *component, struct reeve_cli_daemon *daemon)
{
    char text[REEVE_TEXT_SIZE] = "", logs[PATH_MAX];
    int error = reeve_cli_state_dir(daemon->state_dir, daemon->state_path, text);
    if (error == 0)
        error = reeve_cli_make_dir(daemon->state_path, text);
    char *absolute = error == 0 ? realpath(daemon->state_path, NULL) : NULL;
    if (absolute) /* a daemon's folder must not depend on where it was started */
        snprintf(daemon->state_path, sizeof(daemon->state_path), "%s", absolute);
    free(absolute);
    if (error == 0 && snprintf(logs, sizeof(logs), "%s/logs", daemon->state_path) < PATH_MAX)
        error = reeve_cli_make_dir(logs, text);
    if (error) {
        reeve_cli_error(command->name, "give a folder of yours with --state-dir or REEVE_STATE_DIR",
            "%s", text);
        return REEVE_CLI_FAILED;
    }
    if (strcmp(component, "head") == 0 &&
        (snprintf(logs, sizeof(logs), "%s/head.lock", daemon->state_path) >= PATH_MAX ||
            !take_lock(logs))) {
        if (errno == EWOULDBLOCK)
            reeve_cli_error(command->name,
                "stop it with `reeve stop`, or give this one its own --state-dir",
                "another head uses the state folder %s", daemon->state_path);
        else
            reeve_cli_error(command->name, NULL, "%s: %s", logs, strerror(errno));
        return REEVE_CLI_FAILED;
    }
    return 0;
}

/* The address from which this machine would speak to the world; nothing is sent. */
static bool guess_host(char *host, size_t size)
{
    struct sockaddr_in peer = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0xc0000201)};
    struct sockaddr_in local;
    socklen_t local_size = sizeof(local);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool good = connect(fd, (struct sockaddr *)&peer, sizeof(peer)) == 0 &&
                getsockname(fd, (struct sockaddr *)&local, &local_size) == 0 &&
                inet_ntop(AF_INET, &local.sin_addr, host, (socklen_t)size);
    close(fd);
    return good;
}

static int check_addresses(const struct reeve_cli_command *command, struct reeve_cli_daemon *daemon)
{
    struct reeve_address address;
    char text[REEVE_TEXT_SIZE] = "";
    if (daemon->listen && reeve_address_parse(daemon->listen, &address, text) != 0) {
        reeve_cli_error(command->name,
            "write --listen tcp://HOST:PORT, tcp://HOST:PORT-LAST or tcp://*:PORT", "--listen: %s",
            text);
        return REEVE_CLI_USAGE;
    }
    if (!daemon->listen || daemon->advertise || !reeve_address_is_wildcard(&address))
        return 0;
    if (!guess_host(daemon->advertise_guess, sizeof(daemon->advertise_guess))) {
        reeve_cli_error(command->name, "say with --advertise HOST how others reach this machine",
            "it shall listen on every interface, and there is no default route to tell its address "
            "from");
        return REEVE_CLI_USAGE;
    }
    daemon->advertise = daemon->advertise_guess;
    return 0;
}

static int check_descriptor(const struct reeve_cli_command *command, const char *flag, long fd)
{
    if (fd < 0 || (fd <= INT_MAX && reeve_descriptor_set_cloexec((int)fd, true) == 0))
        return 0;
    reeve_cli_error(command->name, NULL, "%s %ld: no such descriptor is open", flag, fd);
    return REEVE_CLI_USAGE;
}

/* Said at the start: what fails for want of these later fails in many places. */
static int check_limits(const struct reeve_cli_command *command)
{
    char why[REEVE_LIMITS_TEXT_SIZE];
    (void)reeve_descriptor_raise_limit();
    int error = reeve_limits_descriptors(DESCRIPTORS_MIN);
    if (error != 0)
        reeve_cli_error(command->name, "raise that to 64 at least", "no daemon can work here: %s",
            reeve_limits_text(error, why));
    if (error == 0 && (error = reeve_limits_file(FILE_BYTES_MIN)) != 0)
        reeve_cli_error(command->name, "raise that to 64MiB at least, or do without it",
            "no daemon can work here: %s", reeve_limits_text(error, why));
    return error == 0 ? 0 : REEVE_CLI_FAILED;
}

int reeve_cli_daemon_prepare(
    const struct reeve_cli_command *command, const char *component, struct reeve_cli_daemon *daemon)
{
    char text[REEVE_TEXT_SIZE] = "";
    bool is_head = strcmp(component, "head") == 0;
    int code = check_limits(command);
    if (code == 0)
        code = check_addresses(command, daemon);
    if (code == 0)
        code = check_descriptor(command, "--ready-fd", daemon->ready_fd);
    if (code == 0)
        code = check_descriptor(command, "--lifeline-fd", daemon->lifeline_fd);
    if (code == 0 && !daemon->private_cluster)
        code = prepare_state(command, component, daemon);
    if (code)
        return code;
    const char *state = daemon->private_cluster ? daemon->state_dir : daemon->state_path;
    int error = reeve_cli_find_key(daemon->key_file, state, is_head && !daemon->private_cluster,
        daemon->key, daemon->key_path, &daemon->key_made, text);
    if (error) {
        reeve_cli_error(command->name,
            is_head ? "give another --key-file, or remove it and a new key will be made"
                    : "copy the key file that `reeve head` names from its machine, and give it "
                      "with --key-file",
            "%s", text);
        return error == REEVE_ESTATE ? REEVE_CLI_FAILED : REEVE_CLI_DENIED;
    }
    return open_log(command, component, daemon);
}
