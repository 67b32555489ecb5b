/*
 * What the system lets this process have, in words for people. A call that fails says EMFILE or
 * ENOMEM; which limit is behind that, how much it allows and how it is raised is looked up here, so
 * that all messages say it alike.
 */
#ifndef REEVE_BASE_LIMITS_H
#define REEVE_BASE_LIMITS_H

#include <stdint.h>

#define REEVE_LIMITS_TEXT_SIZE 200

/* Why a call has failed with the error number `error`, as "Too many open files: this process may
 * have 64 (ulimit -n)"; its bare text where no limit of ours is behind it. Returns text. */
const char *reeve_limits_text(int error, char text[REEVE_LIMITS_TEXT_SIZE]);

/* Whether the process may have so many descriptors, and files so large: shared memory is a file,
 * too. 0, or the error number that would come of it. */
int reeve_limits_descriptors(uint64_t count);
int reeve_limits_file(uint64_t size_bytes);

/* Whether so many threads more can be started, each with a stack of the default size: of address
 * space, and of processes where few are allowed. 0, or the error number. For libraries that crash
 * or hang where theirs cannot. Starts threads, for a moment, where few are allowed. */
int reeve_limits_threads(unsigned count);

#endif
