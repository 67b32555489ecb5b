/*
 * Folders for the passing files of a process, which nobody has to remember to remove.
 *
 *     ROOT/reeve-scratch-UID-INCARNATION-SERIAL/     one process's; it holds a lock on it (flock)
 *         OWNER-TASK-ATTEMPT/                        one task's
 *
 * The lock is the kernel's, and ends with the process, however that ends. So a folder that bears
 * such a name, is ours, and can be locked is a dead process's, and may be removed by whoever comes
 * upon it; that is sure on any file system that has locks, also where process ids come back, or
 * processes of several containers share a folder. On one without locks nothing is swept. Whoever
 * makes one looks, after having locked it, whether it is still there: it was not locked for a
 * moment.
 *
 * These functions block as the file system does. Any thread may call them.
 */
#ifndef REEVE_BASE_SCRATCH_H
#define REEVE_BASE_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#define REEVE_SCRATCH_PATH_SIZE 4200
/* In the environment of a worker: the path of its folder, which need not exist. */
#define REEVE_SCRATCH_FOLDER_VARIABLE "REEVE_SCRATCH_FOLDER"

/* Where they are made if nothing is said: REEVE_SCRATCH, else TMPDIR, else /tmp. */
const char *reeve_scratch_root(void);

/* The path of one. `incarnation` is random; the two numbers together are used once. */
void reeve_scratch_path(
    const char *root, uint64_t incarnation, uint32_t serial, char path[REEVE_SCRATCH_PATH_SIZE]);

/* Makes the folder, and locks it for as long as the descriptor is open. REEVE_OK, or REEVE_ESYSTEM
 * and errno. */
int reeve_scratch_hold(const char *path, int *ret_fd);

/* Removes it with all that is in it; one that is not there is removed. Does not follow symbolic
 * links, and leaves alone what is mounted there. REEVE_OK, or REEVE_ESYSTEM and errno of what
 * stays. */
int reeve_scratch_remove(const char *path);

/* Removes what dead processes of this user have left in the folder. Returns how many. */
unsigned reeve_scratch_sweep(const char *root);

#endif
