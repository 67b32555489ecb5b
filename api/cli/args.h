/* Command lines. Each command of `reeve` is one table: the table parses (through popt), says what
 * the environment may set instead, and prints the help. A flag beats its environment variable,
 * which beats the default.
 *
 * Values land in a struct of the command, at the offset of each option; the strings live as long
 * as the process. */
#ifndef REEVE_CLI_ARGS_H
#define REEVE_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

/* Exit codes; `reeve run --wait` ends with the program's own. */
enum reeve_cli_exit {
    REEVE_CLI_OK = 0,
    REEVE_CLI_FAILED = 1,
    REEVE_CLI_USAGE = 2,
    REEVE_CLI_UNREACHABLE = 3,
    REEVE_CLI_DENIED = 4,
    REEVE_CLI_LOST = 125, /* reeve run --wait: how the program ended is not known */
};

enum reeve_cli_kind {
    REEVE_CLI_FLAG,   /* bool */
    REEVE_CLI_STRING, /* const char *, NULL when not given and without default */
    REEVE_CLI_NUMBER, /* long, not negative; -1 when not given and without default */
    REEVE_CLI_LIST,   /* struct reeve_cli_list, may be given often */
};

struct reeve_cli_list {
    char **items; /* NULL-terminated when count > 0 */
    size_t count;
};

struct reeve_cli_option {
    const char *name; /* without dashes; NULL ends the table */
    char letter;      /* 0: none */
    enum reeve_cli_kind kind;
    size_t offset;
    const char *value;       /* what the help calls the value: "FILE" */
    const char *initial;     /* default, as it would be typed; for kinds with a value */
    const char *environment; /* variable that sets it where the flag does not */
    const char *help;        /* may have several lines */
};

struct reeve_cli_command {
    const char *name;
    const char *usage;   /* what follows "reeve NAME" in the first line of the help */
    const char *summary; /* one line, for the list of commands */
    const char *description;
    const char *examples;    /* with exit codes where they differ */
    const char *environment; /* further variables, in the layout of the help; may be NULL */
    const struct reeve_cli_option *options;
    bool program_follows; /* the first argument that is no flag ends the flags */
    int arguments_min;
    int arguments_max; /* -1: any number */
    int (*run)(const struct reeve_cli_command *command, int argc, char **argv);
};

/* Parses argv (argv[0] is the command's name) into `values`. Returns 0, or the exit code to end
 * with after naming a mistake; for --help it prints the help and ends the process.
 * `ret_arguments` gets the NULL-terminated rest. */
int reeve_cli_parse(const struct reeve_cli_command *command, int argc, char **argv, void *values,
    char ***ret_arguments);

void reeve_cli_help(const struct reeve_cli_command *command);

/* One message, one hint: "reeve NAME: text" and "  hint". */
void reeve_cli_error(const char *command, const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* 0, or the exit status after the error: the word given to an option is none of these. NULL is. */
int reeve_cli_one_of(const struct reeve_cli_command *command, const char *option, const char *word,
    const char *const *words, size_t count);

/* The nearest of the names, or NULL when none is near. */
const char *reeve_cli_nearest(const char *word, const char *const *names, size_t count);

#endif
