/* Names and texts of errors, generated from the one list in <reeve_errors.h>. */
#include "runtime/base/errors.h"

#include "runtime/base/macros.h"

REEVE_EXPORT const char *reeve_strerror(int error)
{
    switch (error) {
    case REEVE_OK: return "success";
#define CASE(name, number, text) \
    case number: return text;
        REEVE_ERROR_MAP(CASE)
#undef CASE
    default: return error > 0 ? "a code of the function's own" : "unknown error";
    }
}

REEVE_EXPORT const char *reeve_error_name(int error)
{
    switch (error) {
    case REEVE_OK: return "REEVE_OK";
#define CASE(name, number, text) \
    case number: return "REEVE_" #name;
        REEVE_ERROR_MAP(CASE)
#undef CASE
    default: return "REEVE_UNKNOWN";
    }
}
