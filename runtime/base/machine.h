/* Which machine this is, as far as processes can see one another on it, and pieces of growing
 * files. */
#ifndef REEVE_BASE_MACHINE_H
#define REEVE_BASE_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* "<boot id>/<pid namespace>": equal for two processes whose pids mean the same. Empty when
 * unknown. */
#define REEVE_MACHINE_SIZE 80
const char *reeve_machine_id(char text[REEVE_MACHINE_SIZE]);

/* Reads up to `size` bytes from `*offset` on. A negative offset counts from the end of the file;
 * beyond either end it is moved to that end. *offset becomes where the bytes were read. Returns
 * their count, or REEVE_ESYSTEM (errno). */
long reeve_file_piece(const char *path, int64_t *offset, void *out, size_t size);

/* How many processes the kernel has killed here for want of memory, the machine's or a cgroup's,
 * since it booted; 0: not known. */
uint64_t reeve_machine_oom_kills(void);

#endif
