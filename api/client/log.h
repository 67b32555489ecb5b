/* Lines of reeve_log. */
#ifndef REEVE_CLIENT_LOG_H
#define REEVE_CLIENT_LOG_H

#include <reeve.h>

/* Set in a worker: writes one for the daemon. `text` has no control characters; at most 2,000
 * bytes. */
extern void (*_Atomic reeve_log_worker)(enum reeve_level level, const char *text, size_t size);

#endif
