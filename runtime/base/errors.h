/* Names and texts of the error codes in <reeve_errors.h>. Also part of the public interface
 * (reeve.h). */
#ifndef REEVE_BASE_ERRORS_H
#define REEVE_BASE_ERRORS_H

#include <reeve_errors.h>

/* A sentence fragment in lower case, for any int; never NULL, static. */
const char *reeve_strerror(int error);

/* "REEVE_ETIMEDOUT", or "REEVE_UNKNOWN" where the number is not ours; static. */
const char *reeve_error_name(int error);

#endif
