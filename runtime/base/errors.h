/* Names and texts of the error codes in <reeve_errors.h>. Also part of the public interface
 * (reeve.h). */
#ifndef REEVE_BASE_ERRORS_H
#define REEVE_BASE_ERRORS_H

#include <reeve_errors.h>
#include <stdbool.h>

/* A sentence fragment in lower case, for any int; never NULL, static. */
const char *reeve_strerror(int error);

/* "REEVE_ETIMEDOUT", or "REEVE_UNKNOWN" where the number is not ours; static. */
const char *reeve_error_name(int error);

/* An object cannot be had any more: who has made it may be able to make it again. */
static inline bool reeve_error_is_loss(int error)
{
    return error == REEVE_ELOST || error == REEVE_ECORRUPT;
}

#endif
