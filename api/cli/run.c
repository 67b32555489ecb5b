/* `reeve run`: finds the program here, offers it to a node, and sends it where the node does not
 * have the very same file.
 *
 *      run.start   what, with which arguments, which file ──▶ run id, node, have
 *      run.data    pieces of the executable, WINDOW of them under way       (unless the node has
 *                                                                           it)
 *      run.launch                                         ──▶ pid
 *      logs        with --wait: the output, until the end */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/cli/commands.h"
#include "api/cli/follow.h"
#include "api/cli/report.h"
#include "api/cli/settings.h"
#include "runtime/base/errors.h"
#include "runtime/base/machine.h"

#define WINDOW        8
#define PROGRAM_MAX   (1ll << 30)
#define SEND_LIMIT_MS 60000

static struct values {
    struct reeve_cli_cluster cluster;
    bool wait, json, copy;
    const char *name, *cwd;
    struct reeve_cli_list environment;
    long node;
} values;

static const struct reeve_cli_option options[] = {
    REEVE_CLI_CLUSTER_OPTIONS(struct values),
    {.name = "wait",
        .letter = 'w',
        .kind = REEVE_CLI_FLAG,
        .offset = offsetof(struct values, wait),
        .help = "show its output until it ends, and end with its exit\n"
                "status (128 + N when signal N killed it)"},
    {.name = "name",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, name),
        .value = "NAME",
        .help = "what to call it (default: the program's file name)"},
    {.name = "env",
        .letter = 'e',
        .kind = REEVE_CLI_LIST,
        .offset = offsetof(struct values, environment),
        .value = "NAME=VALUE",
        .help = "set this in its environment; NAME alone passes on\n"
                "the value from here; may be given often"},
    {.name = "cwd",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, cwd),
        .value = "DIR",
        .help = "its working folder, which must exist on the node\n"
                "(default: this one where the node has it, else home)"},
    REEVE_CLI_NODE_OPTION(struct values, "on this node (default: the one with fewest runs)"),
    {.name = "copy",
        .kind = REEVE_CLI_FLAG,
        .offset = offsetof(struct values, copy),
        .help = "send the executable even to a node that has the very\n"
                "same file, so that it may be replaced meanwhile"},
    {.name = "json",
        .kind = REEVE_CLI_FLAG,
        .offset = offsetof(struct values, json),
        .help = "print run, node, host and pid as JSON"},
    {0},
};

struct program {
    char path[PATH_MAX];
    int fd;
    struct stat st;
};

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* As a shell would find it. */
static bool find_program(const char *name, char path[PATH_MAX])
{
    const char *folders = getenv("PATH");
    char candidate[PATH_MAX];
    if (strchr(name, '/'))
        return is_program(name) && realpath(name, path);
    for (const char *folder = folders ? folders : "/usr/bin:/bin"; *folder;) {
        size_t size = strcspn(folder, ":");
        if (snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)size, folder, name) < PATH_MAX &&
            is_program(candidate) && realpath(candidate, path))
            return true;
        folder += size + (folder[size] == ':');
    }
    return false;
}

static int open_program(
    const struct reeve_cli_command *command, const char *name, struct program *program)
{
    if (!find_program(name, program->path)) {
        reeve_cli_error(command->name,
            strchr(name, '/') ? "give the path of an executable file"
                              : "write ./NAME for a program in this folder",
            "%s: there is no such program here", name);
        return REEVE_CLI_USAGE;
    }
    program->fd = open(program->path, O_RDONLY | O_CLOEXEC);
    if (program->fd < 0 || fstat(program->fd, &program->st) < 0 ||
        program->st.st_size > PROGRAM_MAX) {
        reeve_cli_error(command->name, NULL, "%s cannot be read: %s", program->path,
            program->fd < 0 ? strerror(errno) : "it is larger than 1 GiB");
        return REEVE_CLI_FAILED;
    }
    return 0;
}

static json_t *environment_list(void)
{
    json_t *list = json_array();
    for (size_t i = 0; i < values.environment.count; i++) {
        const char *item = values.environment.items[i];
        if (strchr(item, '='))
            json_array_append_new(list, json_string(item));
        else if (getenv(item))
            json_array_append_new(list, json_sprintf("%s=%s", item, getenv(item)));
    }
    return list;
}

/* For people: quoted only where it must be. */
static char *command_line(char **arguments)
{
    size_t size = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (size_t i = 0; arguments[i]; i++) {
        bool plain = *arguments[i] && !strpbrk(arguments[i], " \t\n\"'\\$*?;&|<>()");
        fprintf(out, plain ? "%s%s" : "%s'%s'", i ? " " : "", arguments[i]);
    }
    fclose(out);
    return text;
}

static json_t *start_request(char **arguments, const struct program *program)
{
    char machine[REEVE_MACHINE_SIZE], here[PATH_MAX] = "";
    char *line = command_line(arguments);
    const char *base = strrchr(arguments[0], '/') ? strrchr(arguments[0], '/') + 1 : arguments[0];
    json_t *list = json_array();
    for (size_t i = 0; arguments[i]; i++)
        json_array_append_new(list, json_string(arguments[i]));
    json_t *request =
        json_pack("{s:s, s:s, s:o, s:o, s:s, s:b}", "name", values.name ? values.name : base,
            "command", line ? line : "", "arguments", list, "environment", environment_list(),
            "cwd", values.cwd ? values.cwd : (getcwd(here, sizeof(here)) ? here : "/"),
            "cwd_must_exist", values.cwd != NULL);
    free(line);
    if (!request)
        return NULL;
    json_object_set_new(request, "file",
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "path", program->path, "machine",
            values.copy ? "" : reeve_machine_id(machine), "size", (json_int_t)program->st.st_size,
            "device", (json_int_t)program->st.st_dev, "inode", (json_int_t)program->st.st_ino,
            "changed_ns",
            (json_int_t)program->st.st_ctim.tv_sec * 1000000000 + program->st.st_ctim.tv_nsec));
    if (values.node >= 0)
        json_object_set_new(request, "node", json_integer(values.node));
    return request;
}

static int receive(struct reeve_tool *tool, uint64_t id, struct reeve_tool_reply *reply)
{
    int error = reeve_tool_receive(tool, id, SEND_LIMIT_MS, reply);
    return error ? error : reply->code;
}

/* Each piece is answered, so that no more than a window of them waits anywhere. */
static int send_program(struct reeve_tool *tool, const char *run, const struct program *program,
    struct reeve_tool_reply *reply)
{
    static uint8_t piece[REEVE_CHUNK_SIZE_BYTES];
    uint64_t ids[WINDOW];
    size_t sent = 0, answered = 0;
    int64_t offset = 0;
    int error = 0;
    memset(reply, 0, sizeof(*reply));
    while (error == 0 && (offset < program->st.st_size || answered < sent)) {
        if (offset < program->st.st_size && sent - answered < WINDOW) {
            ssize_t count = pread(program->fd, piece, sizeof(piece), offset);
            if (count <= 0) {
                snprintf(reply->text, sizeof(reply->text), "%.300s changed while it was read",
                    program->path);
                return reply->code = REEVE_ESYSTEM;
            }
            json_t *request = json_pack("{s:s, s:I}", "run", run, "offset", (json_int_t)offset);
            error = reeve_tool_send(
                tool, "run.data", request, piece, (size_t)count, &ids[sent++ % WINDOW]);
            offset += count;
        } else {
            reeve_tool_reply_fini(reply);
            error = receive(tool, ids[answered++ % WINDOW], reply);
        }
    }
    reply->code = error;
    return error;
}

/* Up to the started program; `run` becomes its id, `reply` the last answer. */
static int launch(struct reeve_tool *tool, char **arguments, const struct program *program,
    char run[16], json_t **ret_place, struct reeve_tool_reply *reply)
{
    int error =
        reeve_tool_call(tool, "run.start", start_request(arguments, program), SEND_LIMIT_MS, reply);
    if (error)
        return error;
    const char *id = json_string_value(json_object_get(reply->result, "run"));
    snprintf(run, 16, "%s", id ? id : "");
    bool have = json_is_true(json_object_get(reply->result, "have"));
    *ret_place = json_incref(reply->result);
    reeve_tool_reply_fini(reply);
    if (!have)
        error = send_program(tool, run, program, reply);
    reeve_tool_reply_fini(reply);
    return error ? error
                 : reeve_tool_call(
                       tool, "run.launch", json_pack("{s:s}", "run", run), SEND_LIMIT_MS, reply);
}

static int wait_for(
    const struct reeve_cli_command *command, struct reeve_tool *tool, const char *run)
{
    struct reeve_cli_end end;
    int code = reeve_cli_follow(command, tool, run, true, &end);
    if (code)
        return REEVE_CLI_LOST;
    if (strcmp(end.state, "exited") != 0) {
        reeve_cli_error(command->name, NULL, "run %s %s: %s", run, end.state, end.text);
        return REEVE_CLI_LOST;
    }
    return end.signal_number ? 128 + end.signal_number : end.exit_status;
}

static int run(const struct reeve_cli_command *command, int argc, char **argv)
{
    struct reeve_tool *tool = NULL;
    struct reeve_tool_reply reply = {0};
    struct program program = {.fd = -1};
    char **arguments, id[16] = "";
    json_t *place = NULL;
    int code = reeve_cli_parse(command, argc, argv, &values, &arguments);
    if (code == 0)
        code = open_program(command, arguments[0], &program);
    if (code == 0)
        code = reeve_cli_connect(command, &values.cluster, &tool);
    if (code) {
        if (program.fd >= 0)
            close(program.fd);
        return code;
    }
    int error = launch(tool, arguments, &program, id, &place, &reply);
    if (error) {
        code = reeve_cli_reply_error(command, &reply);
    } else if (values.json) {
        json_object_update(place, reply.result);
        json_object_del(place, "have");
        reeve_cli_print_json(place);
    } else {
        fprintf(values.wait ? stderr : stdout, "%s\n", id);
    }
    reeve_tool_reply_fini(&reply);
    if (code == 0 && values.wait)
        code = wait_for(command, tool, id);
    json_decref(place);
    reeve_tool_close(tool);
    close(program.fd);
    return code;
}

const struct reeve_cli_command reeve_cli_run = {
    .name = "run",
    .usage = "[OPTIONS] PROGRAM [ARGUMENTS]",
    .summary = "run a program on a node of the cluster, detached",
    .description = "Runs a program that uses Reeve (or any other) on a node of the cluster, and "
                   "prints the id of the\n"
                   "run. The program need not be there: its executable is sent along. It finds the "
                   "cluster by\n"
                   "itself (REEVE_ADDRESS is set for it), goes on when this terminal closes, and "
                   "its output and exit\n"
                   "status are kept on the node (`reeve logs`). Flags end at PROGRAM.",
    .environment = REEVE_CLI_KEY_ENVIRONMENT,
    .examples =
        "With --wait the exit code is the program's own; 125 says that its end is not known.\n\n"
        "Examples:\n"
        "  reeve run ./wordcount /usr/include\n"
        "  reeve run --wait --env OMP_NUM_THREADS=1 --name night ./simulate --steps 1000\n"
        "  reeve logs --follow night",
    .options = options,
    .program_follows = true,
    .arguments_min = 1,
    .arguments_max = -1,
    .run = run,
};
