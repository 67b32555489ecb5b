/* Parses command lines with popt, and prints helps, from the tables of args.h. */
#include "api/cli/args.h"

#include <popt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/macros.h"

#define OPTION_MAX 32
#define NUMBER_MAX 1000000000 /* of seconds, say: 31 years */
#define HELP_VALUE 1000       /* popt's answer for --help; options answer 1 + their index */

static const struct {
    int code;
    const char *text;
} exits[] = {
    {REEVE_CLI_OK, "done"},
    {REEVE_CLI_FAILED, "it failed; the message says why"},
    {REEVE_CLI_USAGE, "wrong command line"},
    {REEVE_CLI_UNREACHABLE, "the cluster cannot be reached, or speaks another version"},
    {REEVE_CLI_DENIED, "wrong or missing cluster key, or a permission is missing"},
};

void reeve_cli_error(const char *command, const char *hint, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    fflush(stdout);
    fprintf(stderr, command ? "reeve %s: " : "reeve: ", command);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    if (hint)
        fprintf(stderr, "  %s\n", hint);
    va_end(values);
}

/* Edit distance, for words of at most 31 letters. */
static size_t distance(const char *a, const char *b)
{
    size_t row[32];
    size_t a_size = strlen(a), b_size = strlen(b);
    if (a_size > 31 || b_size > 31)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t best = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_size];
}

const char *reeve_cli_nearest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = 3;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, names[i]);
        if (d < best_distance && d < strlen(names[i])) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}

static void print_indented(const char *text, int indent, bool first)
{
    for (const char *line = text; line && *line;) {
        const char *end = strchrnul(line, '\n');
        printf("%*s%.*s\n", first ? indent : 0, "", (int)(end - line), line);
        first = true;
        line = *end ? end + 1 : end;
    }
}

static void print_option(const struct reeve_cli_option *option)
{
    char left[64];
    char letter[8] = "    ";
    if (option->letter)
        snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    snprintf(left, sizeof(left), "  %s--%s%s%s", letter, option->name, option->value ? " " : "",
        option->value ? option->value : "");
    printf("%-30s ", left);
    if (strlen(left) > 30)
        printf("\n%31s", "");
    print_indented(option->help, 31, false);
    if (option->initial && option->environment)
        printf("%31s[default: %s; environment: %s]\n", "", option->initial, option->environment);
    else if (option->initial)
        printf("%31s[default: %s]\n", "", option->initial);
    else if (option->environment)
        printf("%31s[environment: %s]\n", "", option->environment);
}

void reeve_cli_help(const struct reeve_cli_command *command)
{
    printf("Usage: reeve %s%s%s\n\n", command->name, *command->usage ? " " : "", command->usage);
    print_indented(command->description, 0, true);
    printf("\nOptions:\n");
    for (const struct reeve_cli_option *option = command->options; option->name; option++)
        print_option(option);
    printf("  -h, --help                   this text\n");
    if (command->environment) {
        printf("\nEnvironment:\n");
        print_indented(command->environment, 2, true);
    }
    printf("\nExit codes:\n");
    for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++)
        printf("  %-4d %s\n", exits[i].code, exits[i].text);
    if (command->examples) {
        printf("\n");
        print_indented(command->examples, 0, true);
    }
}

static bool set_value(const struct reeve_cli_option *option, void *values, char *text,
    const char *command, const char *source)
{
    char *at = (char *)values + option->offset;
    switch (option->kind) {
    case REEVE_CLI_FLAG: *(bool *)at = true; return true;
    case REEVE_CLI_STRING: *(const char **)at = text; return true;
    case REEVE_CLI_NUMBER: {
        char *end;
        long number = strtol(text, &end, 10);
        if (end == text || *end || number < 0 || number > NUMBER_MAX) {
            reeve_cli_error(command, NULL, "%s wants a number from 0 to %d, not '%s'", source,
                NUMBER_MAX, text);
            return false;
        }
        *(long *)at = number;
        return true;
    }
    case REEVE_CLI_LIST: {
        struct reeve_cli_list *list = (struct reeve_cli_list *)at;
        char **items = realloc(list->items, (list->count + 2) * sizeof(*items));
        if (!items)
            return false;
        items[list->count++] = text;
        items[list->count] = NULL;
        list->items = items;
        return true;
    }
    }
    return false;
}

/* Defaults, then the environment. An empty variable counts as not set. */
static bool set_initial(const struct reeve_cli_command *command, void *values)
{
    for (const struct reeve_cli_option *option = command->options; option->name; option++) {
        char *text = option->environment ? getenv(option->environment) : NULL;
        char source[80];
        if (option->kind == REEVE_CLI_NUMBER)
            *(long *)((char *)values + option->offset) = -1;
        if (text && *text && option->kind == REEVE_CLI_FLAG && strcmp(text, "0") == 0)
            continue;
        snprintf(
            source, sizeof(source), "%s", option->environment ? option->environment : option->name);
        if (!text || !*text)
            text = (char *)option->initial;
        if (text && !set_value(option, values, text, command->name, source))
            return false;
    }
    return true;
}

static const char unknown_flag[] = "there is no such flag";

static int usage_error(const struct reeve_cli_command *command, const char *bad, const char *why)
{
    char hint[160];
    const char *names[OPTION_MAX];
    size_t count = 0;
    const char *near = NULL;
    for (const struct reeve_cli_option *option = command->options; option->name; option++)
        names[count++] = option->name;
    if (bad && why == unknown_flag && strncmp(bad, "--", 2) == 0) {
        char word[64];
        snprintf(word, sizeof(word), "%.*s", (int)strcspn(bad + 2, "="), bad + 2);
        near = reeve_cli_nearest(word, names, count);
    }
    if (near)
        snprintf(
            hint, sizeof(hint), "did you mean --%s? See: reeve %s --help", near, command->name);
    else
        snprintf(hint, sizeof(hint), "see: reeve %s --help", command->name);
    if (bad)
        reeve_cli_error(command->name, hint, "%s: %s", bad, why);
    else
        reeve_cli_error(command->name, hint, "%s", why);
    return REEVE_CLI_USAGE;
}

int reeve_cli_one_of(const struct reeve_cli_command *command, const char *option, const char *word,
    const char *const *words, size_t count)
{
    char all[160] = "", hint[160];
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (word == NULL || strcmp(word, words[i]) == 0)
            return 0;
        size +=
            (size_t)snprintf(all + size, sizeof(all) - size, "%s%s", i == 0 ? "" : ", ", words[i]);
        size = REEVE_MIN(size, sizeof(all) - 1);
    }
    const char *near = reeve_cli_nearest(word, words, count);
    if (near)
        snprintf(hint, sizeof(hint), "did you mean %s?", near);
    else
        snprintf(hint, sizeof(hint), "see: reeve %s --help", command->name);
    reeve_cli_error(command->name, hint, "--%s: '%.80s' is none of %s", option, word, all);
    return REEVE_CLI_USAGE;
}

static char **arguments; /* of the one command a process runs; freed never, reachable always */
static poptContext context;

static int parse_options(const struct reeve_cli_command *command, void *values)
{
    int answer;
    while ((answer = poptGetNextOpt(context)) > 0) {
        if (answer == HELP_VALUE) {
            reeve_cli_help(command);
            exit(fflush(stdout) == 0 ? REEVE_CLI_OK : REEVE_CLI_FAILED);
        }
        const struct reeve_cli_option *option = &command->options[answer - 1];
        char *text = option->kind == REEVE_CLI_FLAG ? NULL : poptGetOptArg(context);
        char source[80];
        snprintf(source, sizeof(source), "--%s", option->name);
        bool good = set_value(option, values, text, command->name, source);
        if (option->kind == REEVE_CLI_NUMBER)
            free(text); /* other kinds keep it */
        if (!good)
            return REEVE_CLI_USAGE;
    }
    if (answer == POPT_ERROR_BADOPT)
        return usage_error(command, poptBadOption(context, POPT_BADOPTION_NOALIAS), unknown_flag);
    if (answer == POPT_ERROR_NOARG)
        return usage_error(
            command, poptBadOption(context, POPT_BADOPTION_NOALIAS), "the value is missing");
    if (answer < -1)
        return usage_error(
            command, poptBadOption(context, POPT_BADOPTION_NOALIAS), poptStrerror(answer));
    return 0;
}

int reeve_cli_parse(const struct reeve_cli_command *command, int argc, char **argv, void *values,
    char ***ret_arguments)
{
    static struct poptOption table[OPTION_MAX + 2];
    int count = 0;
    for (const struct reeve_cli_option *option = command->options; option->name; option++) {
        table[count] = (struct poptOption){.longName = option->name,
            .shortName = option->letter,
            .argInfo = option->kind == REEVE_CLI_FLAG ? POPT_ARG_NONE : POPT_ARG_STRING,
            .val = count + 1};
        count++;
    }
    table[count++] = (struct poptOption){
        .longName = "help", .shortName = 'h', .argInfo = POPT_ARG_NONE, .val = HELP_VALUE};
    table[count] = (struct poptOption){0};

    if (!set_initial(command, values))
        return REEVE_CLI_USAGE;
    context = poptGetContext(NULL, argc, (const char **)argv, table,
        command->program_follows ? POPT_CONTEXT_POSIXMEHARDER : 0);
    if (!context)
        return REEVE_CLI_FAILED;
    int code = parse_options(command, values);
    if (code)
        return code;

    arguments = (char **)poptGetArgs(context);
    static char *none[1];
    if (!arguments)
        arguments = none;
    int rest = 0;
    while (arguments[rest])
        rest++;
    if (rest < command->arguments_min)
        return usage_error(command, NULL, "an argument is missing");
    if (command->arguments_max >= 0 && rest > command->arguments_max)
        return usage_error(command, arguments[command->arguments_max], "one argument too many");
    *ret_arguments = arguments;
    return 0;
}
