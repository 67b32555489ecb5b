/* Filling in error descriptions. */
#ifndef REEVE_CLIENT_ERROR_H
#define REEVE_CLIENT_ERROR_H

#include <reeve.h>
#include <stdarg.h>

#include "runtime/base/macros.h"

/* Of a number that is no live future's. */
#define REEVE_NO_FUTURE "no such future: it has been got or released already, or was never set"

/* Starts a description anew: code and message; everything else is cleared. Returns code. error
 * may be NULL. */
int reeve_error_set(struct reeve_error_info *error, int code, const char *format, ...) REEVE_COLD
    REEVE_PRINTF(3, 4);

/* Cuts off instead of failing. */
REEVE_COLD void reeve_error_function(struct reeve_error_info *error, const char *function);

/* The calling thread's description: what reeve_last_error gives. */
struct reeve_error_info *reeve_error_thread(void);

/* Fills what a callee left out (code, and the code's text as message), and returns code. */
REEVE_COLD int reeve_error_complete(struct reeve_error_info *error, int code);

#endif
