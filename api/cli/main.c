/* `reeve`: finds the command and runs it.
 *
 *      args      option tables, help          settings  cluster, key, state folder
 *      daemon    start of head and worker     tool      requests to the head
 *      one file for each command */
#include <stdio.h>
#include <string.h>

#include "api/cli/commands.h"
#include "runtime/base/macros.h"

/* Linked in where the bench is built (tests/bench); parses its own arguments. */
__attribute__((weak)) int reeve_bench_main(int argc, char **argv);

static const struct reeve_cli_command *const commands[] = {
    &reeve_cli_head,
    &reeve_cli_worker,
    &reeve_cli_status,
    &reeve_cli_jobs,
    &reeve_cli_tasks,
    &reeve_cli_actors,
    &reeve_cli_timeline,
    &reeve_cli_run,
    &reeve_cli_logs,
    &reeve_cli_objects,
    &reeve_cli_stop,
};

static void print_help(void)
{
    printf("Usage: reeve COMMAND [OPTIONS]\n\n"
           "Runs the functions of C programs on the cores of any number of machines.\n\n"
           "Commands:\n");
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(commands); i++)
        printf("  %-9s %s\n", commands[i]->name, commands[i]->summary);
    if (reeve_bench_main)
        printf("  %-9s %s\n", "bench",
            "measure calls, puts and gets against the machine's own limits");
    printf("  %-9s %s\n", "help", "this text; `reeve help COMMAND` for one command");
    printf("\n`reeve --version` prints the release. A program that finds no cluster starts its "
           "own: the\n"
           "commands are for clusters that live longer, or span machines.\n\n"
           "First steps:\n"
           "  reeve head                 in one terminal\n"
           "  reeve worker               in another, or on other machines\n"
           "  export REEVE_ADDRESS=tcp://127.0.0.1:6380; ./my_program\n");
}

static const struct reeve_cli_command *find_command(const char *name)
{
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(commands); i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[REEVE_ARRAY_COUNT(commands) + 2] = {"bench", "help"};
    char hint[80] = "see: reeve help";
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(commands); i++)
        names[i + 2] = commands[i]->name;
    const char *near = reeve_cli_nearest(name, names, REEVE_ARRAY_COUNT(names));
    if (near)
        snprintf(hint, sizeof(hint), "did you mean reeve %s? See: reeve help", near);
    reeve_cli_error(NULL, hint, "there is no command '%s'", name);
    return REEVE_CLI_USAGE;
}

static int help(const char *name)
{
    if (!name) {
        print_help();
        return REEVE_CLI_OK;
    }
    if (strcmp(name, "bench") == 0 && reeve_bench_main)
        return reeve_bench_main(3, (char *[]){"reeve", "bench", "--help", NULL});
    const struct reeve_cli_command *command = find_command(name);
    if (!command)
        return unknown_command(name);
    reeve_cli_help(command);
    return REEVE_CLI_OK;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name) {
        reeve_cli_error(NULL, "see: reeve help", "a command is missing");
        return REEVE_CLI_USAGE;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help(argc > 2 ? argv[2] : NULL);
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        printf("reeve " REEVE_VERSION "\n");
        return REEVE_CLI_OK;
    }
    if (strcmp(name, "bench") == 0 && reeve_bench_main)
        return reeve_bench_main(argc, argv);
    const struct reeve_cli_command *command = find_command(name);
    if (!command)
        return unknown_command(name);
    return command->run(command, argc - 1, argv + 1);
}
