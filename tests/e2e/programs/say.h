/* What the test programs share: how they report to the test that runs them.
 *
 * A function that a test watches is given two paths, because workers on other machines do not have
 * the test's environment:
 *  - mail, a fifo that the test holds open: each report is one line of less than PIPE_BUF bytes, so
 *    lines stay whole;
 *  - gate, a file that the test locks: a function waits at it until the test lets go of the
 *    lock, or dies. */
#ifndef REEVE_TESTS_E2E_SAY_H
#define REEVE_TESTS_E2E_SAY_H

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <reeve.h>

#define NEED(condition)                                                                   \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            printf("line %d: not so: %s (%s: %s)\n", __LINE__, #condition,                \
                reeve_error_name(reeve_last_error()->code), reeve_last_error()->message); \
            fflush(stdout);                                                               \
            exit(1);                                                                      \
        }                                                                                 \
    } while (0)

__attribute__((format(printf, 2, 3), unused)) static void report(
    const char *mail, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof(line) - 1, format, args);
    va_end(args);
    if (!*mail || size < 0 || size >= (int)sizeof(line) - 1)
        return;
    line[size++] = '\n';
    int fd = open(mail, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, line, (size_t)size) != size)
        _exit(99);
    close(fd);
}

__attribute__((unused)) static void wait_at(const char *gate)
{
    if (!*gate)
        return;
    int fd = open(gate, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_SH) != 0)
        _exit(98);
    close(fd);
}

/* One line for an error: what, code, message, and where it happened. */
__attribute__((unused)) static void say_error(const char *what, int code)
{
    const reeve_error_info *error = reeve_last_error();
    printf("%s: %s | %s | function=%s node=%s attempt=%d user_code=%" PRId64 "\n", what,
        reeve_error_name(code), code == 0 ? "" : error->message, error->function, error->node,
        error->attempt, error->user_code);
    fflush(stdout);
}

/* Runs what is called `what` in `kinds` (an array of {name, run, …}) with the further arguments;
 * whether there is such a kind. */
#define say_run(kinds, what, ...)                                        \
    ({                                                                   \
        bool found_ = false;                                             \
        for (size_t i_ = 0; i_ < sizeof(kinds) / sizeof(*(kinds)); i_++) \
            if (strcmp(what, (kinds)[i_].name) == 0) {                   \
                (kinds)[i_].run(__VA_ARGS__);                            \
                found_ = true;                                           \
            }                                                            \
        found_;                                                          \
    })

#endif
