/* From a request to a process (shell_spawn.c starts it).
 *
 * The program is the file that the tool saw, where that very file is here (same machine, file
 * and time of change); else a memfd with its bytes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/errors.h"
#include "runtime/base/hex.h"
#include "runtime/base/machine.h"
#include "runtime/base/process.h"
#include "runtime/node/shell_daemon.h"
#include "runtime/node/shell_runs_internal.h"

extern char **environ;

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

/* The daemon's own environment, what the caller adds, and where the cluster is. `fixed` is
 * NULL-terminated. */
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

/* ---- the process ---- */

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && access(path, X_OK) == 0;
}

/* The caller's folder where it exists here, else home; NULL when it must exist and does not. */
static const char *choose_folder(const json_t *request)
{
    const char *folder = text_of(request, "cwd"), *home = getenv("HOME");
    if (is_folder(folder))
        return folder;
    if (json_is_true(json_object_get(request, "cwd_must_exist")))
        return NULL;
    return home && is_folder(home) ? home : "/";
}

static const char *explain(int error)
{
    switch (error) {
    case ENOEXEC: return "it is no program for this machine's architecture";
    case ENOENT: return "its interpreter or dynamic loader is missing on the node";
    default: return strerror(error);
    }
}

/* Both pipes; the ends that the program writes to become the spawn's. */
static bool make_pipes(struct reeve_node_run *run, struct daemon_spawn *spawn)
{
    int *ends[2] = {&spawn->out_fd, &spawn->err_fd};
    for (int i = 0; i < 2; i++) {
        int pair[2];
        if (pipe2(pair, O_CLOEXEC) < 0)
            return false;
        run->streams[i].pipe = pair[0];
        *ends[i] = pair[1];
        if (reeve_descriptor_set_nonblocking(pair[0], true) != 0)
            return false;
    }
    return true;
}

static int start(struct reeve_node_run *run, struct daemon_spawn *spawn)
{
    const char *stage = "";
    if (!spawn->directory) {
        snprintf(run->text, sizeof(run->text), "the node has no folder %.180s",
            text_of(run->request, "cwd"));
        return REEVE_EPROGRAM;
    }
    if (!spawn->arguments || !spawn->environment || !make_pipes(run, spawn)) {
        snprintf(run->text, sizeof(run->text), "the node is out of memory or descriptors");
        return REEVE_ESYSTEM;
    }
    if (daemon_spawn_process(spawn, &run->pid, &run->pidfd, &stage) == 0)
        return REEVE_OK;
    snprintf(run->text, sizeof(run->text), "the program could not be started on the node (%s): %s",
        stage, explain(errno));
    return REEVE_EPROGRAM;
}

int reeve_run_spawn(struct reeve_node_run *run)
{
    struct daemon_spawn spawn = {.executable_fd = run->program, .out_fd = -1, .err_fd = -1};
    const struct reeve_runs_options *options = &run->runs->options;
    char key[2 * REEVE_KEY_SIZE + 1], variables[3][REEVE_ADDRESS_SIZE + 32];
    reeve_hex_encode(options->key, REEVE_KEY_SIZE, key);
    snprintf(variables[0], sizeof(variables[0]), "REEVE_ADDRESS=%s", options->head_address);
    snprintf(variables[1], sizeof(variables[1]), "REEVE_KEY=%s", key);
    snprintf(variables[2], sizeof(variables[2]), "REEVE_RUN=%s", run->id);
    char *const fixed[] = {variables[0], variables[1], variables[2], NULL};
    spawn.arguments = make_arguments(json_object_get(run->request, "arguments"));
    spawn.environment = make_environment(json_object_get(run->request, "environment"), fixed);
    spawn.directory = choose_folder(run->request);
    int error = start(run, &spawn);
    if (spawn.out_fd >= 0)
        close(spawn.out_fd);
    if (spawn.err_fd >= 0)
        close(spawn.err_fd);
    free(spawn.arguments);
    free(spawn.environment);
    return error;
}
