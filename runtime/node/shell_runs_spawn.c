/* From a request to a process. The daemon must not fork (nng forbids it, and it would copy page tables): the child
 * of vfork borrows our memory, makes a few system calls and executes. It leads a session and process group of its
 * own, and dies with the daemon.
 *
 * The program is the file that the tool saw, where that very file is here (same machine, file and time of change);
 * else a memfd with its bytes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/errors.h"
#include "runtime/base/hex.h"
#include "runtime/base/machine.h"
#include "runtime/base/process.h"
#include "runtime/node/shell_runs_internal.h"

extern char **environ;

/* Everything the child needs, made before vfork. */
struct launch {
    int program, null, out, error;
    const char *path;  /* NULL: execute `program` */
    bool keep_program; /* a script: its interpreter opens /dev/fd/N */
    const char *directory, *home;
    bool directory_must;
    char **arguments, **environment;
    pid_t parent;
    int *failed; /* errno; written by the child, in our memory */
    const char **step;
};

static long long integer_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* ---- the program ---- */

static bool is_same_file(const json_t *file, const struct stat *st)
{
    return integer_of(file, "size") == st->st_size &&
           integer_of(file, "device") == (long long)st->st_dev &&
           integer_of(file, "inode") == (long long)st->st_ino &&
           integer_of(file, "changed_ns") ==
               st->st_ctim.tv_sec * 1000000000ll + st->st_ctim.tv_nsec;
}

int reeve_run_open_program(struct reeve_node_run *run)
{
    const json_t *file = json_object_get(run->request, "file");
    char machine[REEVE_MACHINE_SIZE];
    const char *path = text_of(file, "path");
    struct stat st;
    if (strcmp(text_of(file, "machine"), reeve_machine_id(machine)) == 0 && *machine) {
        run->program = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (run->program >= 0 && fstat(run->program, &st) == 0 && is_same_file(file, &st)) {
            run->have_file = true;
            return REEVE_OK;
        }
        if (run->program >= 0)
            close(run->program);
    }
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    char name[64];
    snprintf(name, sizeof(name), "%s", base);
    run->program = memfd_create(name, MFD_CLOEXEC);
    if (run->program >= 0 && run->size >= 0 && ftruncate(run->program, run->size) == 0)
        return REEVE_OK;
    snprintf(
        run->text, sizeof(run->text), "no memory for the program on the node: %s", strerror(errno));
    return REEVE_ESYSTEM;
}

/* ---- arguments and environment ---- */

static char **make_arguments(const json_t *list)
{
    size_t count = json_array_size(list);
    char **arguments = calloc(count + 1, sizeof(*arguments));
    for (size_t i = 0; arguments && i < count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        arguments[i] = (char *)(text ? text : "");
    }
    return arguments;
}

static bool same_name(const char *a, const char *b)
{
    size_t size = strcspn(a, "=");
    return strncmp(a, b, size) == 0 && b[size] == '=';
}

static void set_variable(char **list, size_t *count, const char *item)
{
    for (size_t i = 0; i < *count; i++) {
        if (same_name(item, list[i])) {
            list[i] = (char *)item;
            return;
        }
    }
    list[(*count)++] = (char *)item;
}

/* The daemon's own environment, what the caller adds, and where the cluster is. `fixed` is NULL-terminated. */
static char **make_environment(const json_t *added, char *const *fixed)
{
    size_t own = 0, count = 0, i;
    json_t *item;
    while (environ[own])
        own++;
    char **list = calloc(own + json_array_size(added) + 8, sizeof(*list));
    if (!list)
        return NULL;
    for (i = 0; i < own; i++) {
        if (strncmp(environ[i], "REEVE_", 6) != 0)
            list[count++] = environ[i];
    }
    for (; *fixed; fixed++)
        set_variable(list, &count, *fixed);
    json_array_foreach(added, i, item)
    {
        if (json_string_value(item) && strchr(json_string_value(item), '='))
            set_variable(list, &count, json_string_value(item));
    }
    return list;
}

/* ---- the child ---- */

__attribute__((noreturn)) static void give_up(struct launch *launch, const char *step)
{
    *launch->failed = errno;
    *launch->step = step;
    _exit(127);
}

/* Between vfork and exec: system calls only. */
__attribute__((noreturn)) static void become_program(struct launch *launch)
{
    sigset_t none;
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != launch->parent)
        _exit(127);
    if (dup2(launch->null, 0) < 0 || dup2(launch->out, 1) < 0 || dup2(launch->error, 2) < 0)
        give_up(launch, "its standard descriptors");
    if (chdir(launch->directory) < 0) {
        if (launch->directory_must)
            give_up(launch, "its working folder");
        if (chdir(launch->home) < 0)
            (void)!chdir("/");
    }
    syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
    if (launch->path) {
        execve(launch->path, launch->arguments, launch->environment);
    } else {
        if (launch->keep_program)
            fcntl(launch->program, F_SETFD, 0);
        syscall(SYS_execveat, launch->program, "", launch->arguments, launch->environment,
            AT_EMPTY_PATH);
    }
    give_up(launch, "the program");
}

static const char *explain(int error)
{
    switch (error) {
    case ENOEXEC: return "it is no program for this machine's architecture";
    case ENOENT: return "its interpreter or dynamic loader is missing on the node";
    default: return strerror(error);
    }
}

static int start(struct reeve_node_run *run, struct launch *launch)
{
    volatile int failed = 0;
    const char *volatile step = "";
    sigset_t all, old;
    launch->failed = (int *)&failed;
    launch->step = (const char **)&step;
    launch->parent = getpid();
    /* no handler of ours may run in the child while it borrows our memory */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pid_t pid = vfork();
    if (pid == 0)
        become_program(launch);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (pid < 0) {
        snprintf(run->text, sizeof(run->text), "the node cannot start another process: %s",
            strerror(errno));
        return REEVE_ESYSTEM;
    }
    run->pidfd = reeve_process_open(pid);
    if (failed) {
        (void)reeve_process_reap(run->pidfd, true, &(struct reeve_process_end){0});
        close(run->pidfd);
        run->pidfd = -1;
        snprintf(run->text, sizeof(run->text), "%s could not be set up on the node: %s", step,
            explain(failed));
        return REEVE_EPROGRAM;
    }
    run->pid = pid;
    return REEVE_OK;
}

static bool make_pipes(struct reeve_node_run *run, struct launch *launch)
{
    int out[2], error[2];
    if (pipe2(out, O_CLOEXEC) < 0)
        return false;
    run->streams[0].pipe = out[0];
    launch->out = out[1];
    if (pipe2(error, O_CLOEXEC) < 0)
        return false;
    run->streams[1].pipe = error[0];
    launch->error = error[1];
    launch->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return launch->null >= 0 && reeve_descriptor_set_nonblocking(out[0], true) == 0 &&
           reeve_descriptor_set_nonblocking(error[0], true) == 0;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

int reeve_run_spawn(struct reeve_node_run *run)
{
    struct launch launch = {.program = run->program, .null = -1, .out = -1, .error = -1};
    char mark[2] = "", key[2 * REEVE_KEY_SIZE + 1], variables[3][REEVE_ADDRESS_SIZE + 32];
    const struct reeve_runs_options *options = &run->runs->options;
    reeve_hex_encode(options->key, REEVE_KEY_SIZE, key);
    snprintf(variables[0], sizeof(variables[0]), "REEVE_ADDRESS=%s", options->head_address);
    snprintf(variables[1], sizeof(variables[1]), "REEVE_KEY=%s", key);
    snprintf(variables[2], sizeof(variables[2]), "REEVE_RUN=%s", run->id);
    char *const fixed[] = {variables[0], variables[1], variables[2], NULL};
    launch.arguments = make_arguments(json_object_get(run->request, "arguments"));
    launch.environment = make_environment(json_object_get(run->request, "environment"), fixed);
    launch.path = run->have_file ? text_of(json_object_get(run->request, "file"), "path") : NULL;
    launch.keep_program = pread(run->program, mark, 2, 0) == 2 && memcmp(mark, "#!", 2) == 0;
    launch.directory = text_of(run->request, "cwd");
    launch.directory_must = json_is_true(json_object_get(run->request, "cwd_must_exist"));
    launch.home = getenv("HOME") ? getenv("HOME") : "/";
    int error = REEVE_ESYSTEM;
    if (launch.arguments && launch.environment && make_pipes(run, &launch))
        error = start(run, &launch);
    else
        snprintf(run->text, sizeof(run->text), "the node is out of memory or descriptors");
    close_if_open(launch.null);
    close_if_open(launch.out);
    close_if_open(launch.error);
    free(launch.arguments);
    free(launch.environment);
    return error;
}
