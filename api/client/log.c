/* reeve_log: one line, with one system call. In a worker it is written between marks, for the
 * daemon to put its origin in front (runtime/worker/output.c); elsewhere the origin is put here. */
#include "api/client/log.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/client/invoke.h"

#define TEXT_SIZE_MAX 2000u
#define LINE_SIZE_MAX 2400u /* with its origin; less than a pipe takes at once */

void (*_Atomic reeve_log_worker)(enum reeve_level level, const char *text, size_t size);

static const char *name_of(enum reeve_level level)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    return (unsigned)level <= REEVE_ERROR ? names[level] : "error";
}

/* Without its last end of line; control characters as people write them. */
static size_t make_plain(const char *text, size_t size, char *plain)
{
    size_t used = 0;
    while (size > 0 && text[size - 1] == '\n')
        size--;
    for (size_t i = 0; i < size && used + 4 < TEXT_SIZE_MAX; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '\n')
            used += (size_t)snprintf(plain + used, 5, "\\n");
        else if ((byte < 32 && byte != '\t') || byte == 127)
            used += (size_t)snprintf(plain + used, 5, "\\x%02x", byte);
        else
            plain[used++] = (char)byte;
    }
    return used;
}

static void write_here(enum reeve_level level, const char *text, size_t size)
{
    const struct reeve_invocation *invocation = reeve_invocation_current();
    const char *function = invocation != NULL ? invocation->function->name : "";
    char host[HOST_NAME_MAX + 1] = "", line[LINE_SIZE_MAX + 1];
    (void)gethostname(host, sizeof(host) - 1);
    int length = snprintf(line, sizeof(line), "%.128s%s%.64s %d %s| %.*s\n", function,
        *function != 0 ? "@" : "", host, (int)getpid(), name_of(level), (int)size, text);
    while (write(STDERR_FILENO, line, (size_t)length) < 0 && errno == EINTR)
        ;
}

REEVE_API void reeve_log(enum reeve_level level, const char *format, ...)
{
    char text[TEXT_SIZE_MAX + 1], plain[TEXT_SIZE_MAX + 1];
    int saved_errno = errno;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    size_t size = make_plain(text, length > 0 ? strlen(text) : 0, plain);
    void (*to_daemon)(enum reeve_level, const char *, size_t) = reeve_log_worker;
    if (to_daemon != NULL)
        to_daemon(level, plain, size);
    else
        write_here(level, plain, size);
    errno = saved_errno;
}
