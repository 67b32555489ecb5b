/* Spill files and transfers. See shell_spill_file.h, and shell_spill.h for what is promised.
 *
 *     pieces in memory    aaaa    bb      cccccccccccccccc
 *     buffer (1 MiB)      | aaaa.bb.ccccccc |  hashed piece by piece; written when it is full
 *     file            ... | aaaa.bb.ccccccc | ccccccccc     gaps of less than 64 bytes are zeros */
#include "runtime/node/shell_spill_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <reeve_errors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <xxhash.h>

#include "runtime/base/assert.h"
#include "runtime/base/macros.h"
#include "runtime/node/node_main.h"
#include "runtime/node/shell_spill.h"

#define BUFFER_BYTES  (1u << 20)
#define SLICE_BYTES   (8u << 20)
#define SPARE_PERCENT 5u /* of the file system stays free */
#define PATH_SIZE     4200

_Static_assert(REEVE_SPILL_FOLDERS_MAX == REEVE_STORE_FOLDERS_MAX, "what the store takes");

/* --- files ------------------------------------------------------------------------------------ */

/* It has no name, or has lost it when this returns. -1: errno says why. */
static int open_nameless(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    char path[PATH_SIZE];
    if (snprintf(path, sizeof(path), "%s/.reeve-spill-XXXXXX", folder) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

struct reeve_spill_file *reeve_spill_file_create(const char *folder_name, uint32_t folder)
{
    struct reeve_spill_file *file = calloc(1, sizeof(*file));
    REEVE_ASSERT(file != NULL);
    file->folder_name = folder_name;
    file->folder = folder;
    file->fd = -1;
    pthread_mutex_init(&file->lock, NULL);
    return file;
}

void reeve_spill_file_free(struct reeve_spill_file *file)
{
    REEVE_ASSERT(file->fd < 0);
    pthread_mutex_destroy(&file->lock);
    free(file);
}

void reeve_spill_file_close(struct reeve_spill_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

/* -1: errno says why. */
static int file_open(struct reeve_spill_file *file)
{
    pthread_mutex_lock(&file->lock);
    if (file->fd < 0)
        file->fd = open_nameless(file->folder_name);
    int fd = file->fd;
    pthread_mutex_unlock(&file->lock);
    return fd;
}

void reeve_spill_file_punch(struct reeve_spill_file *file, uint64_t place, uint64_t length)
{
    int fd = file_open(file);
    if (fd >= 0) /* where it is not possible the space comes back with the file's end */
        (void)fallocate(
            fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)place, (off_t)length);
}

/* --- transfers -------------------------------------------------------------------------------- */

void reeve_spill_transfer_init(struct reeve_spill_transfer *transfer, struct reeve_spill_file *file,
    struct reeve_spill_piece *pieces, uint32_t piece_count)
{
    *transfer = (struct reeve_spill_transfer){.file = file,
        .pieces = pieces,
        .piece_count = piece_count,
        .synced = pieces[0].place,
        .hash = XXH3_createState(),
        .buffer = malloc(BUFFER_BYTES)};
    REEVE_ASSERT(transfer->hash != NULL && transfer->buffer != NULL);
    XXH3_64bits_reset(transfer->hash);
}

void reeve_spill_transfer_fini(struct reeve_spill_transfer *transfer)
{
    if (transfer->hash != NULL)
        XXH3_freeState(transfer->hash);
    free(transfer->buffer);
}

/* What a failed system call means; 0: the file or segment ends where it should not. */
static void fail(struct reeve_spill_transfer *transfer, int os_error)
{
    transfer->finished = true;
    transfer->os_error = os_error;
    if (os_error == 0)
        transfer->code = REEVE_ECORRUPT;
    else if (os_error == ENOSPC || os_error == EDQUOT)
        transfer->code = REEVE_EFULL;
    else
        transfer->code = REEVE_ESYSTEM;
}

/* 0, or errno; -1: it ends before. */
static int read_all(int fd, uint8_t *bytes, uint64_t length, uint64_t offset)
{
    while (length > 0) {
        ssize_t size = pread(fd, bytes, length, (off_t)offset);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return size == 0 ? -1 : errno;
        bytes += size;
        offset += (uint64_t)size;
        length -= (uint64_t)size;
    }
    return 0;
}

static int write_all(int fd, const uint8_t *bytes, uint64_t length, uint64_t offset)
{
    while (length > 0) {
        ssize_t size = pwrite(fd, bytes, length, (off_t)offset);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return size == 0 ? EIO : errno;
        bytes += size;
        offset += (uint64_t)size;
        length -= (uint64_t)size;
    }
    return 0;
}

static struct reeve_spill_piece *piece_now(struct reeve_spill_transfer *transfer)
{
    return &transfer->pieces[transfer->piece];
}

/* So much of the present piece is in the buffer, at `bytes`, and goes through. */
static void went(struct reeve_spill_transfer *transfer, const uint8_t *bytes, uint64_t length)
{
    struct reeve_spill_piece *piece = piece_now(transfer);
    XXH3_64bits_update(transfer->hash, bytes, length);
    transfer->done += length;
    if (transfer->done == piece->length) {
        piece->checksum = XXH3_64bits_digest(transfer->hash);
        XXH3_64bits_reset(transfer->hash);
        transfer->done = 0;
        transfer->piece++;
    }
}

/* --- writing ---------------------------------------------------------------------------------- */

static bool disk_has_room(int fd, uint64_t length)
{
    struct statvfs disk;
    if (fstatvfs(fd, &disk) != 0 || disk.f_blocks == 0)
        return true; /* unknown: the write will tell */
    uint64_t spare = disk.f_blocks / 100 * SPARE_PERCENT * disk.f_frsize;
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    return free_bytes >= spare && free_bytes - spare >= length;
}

/* Fills the buffer with what follows in the file, gaps included; how much, and from which place. */
static int fill(struct reeve_spill_transfer *transfer, uint64_t *ret_place, uint64_t *ret_length)
{
    uint64_t length = 0;
    *ret_place = piece_now(transfer)->place + transfer->done;
    while (transfer->piece < transfer->piece_count) {
        struct reeve_spill_piece *piece = piece_now(transfer);
        uint64_t at = piece->place + transfer->done - *ret_place;
        if (at >= BUFFER_BYTES)
            break;
        uint64_t part = REEVE_MIN(piece->length - transfer->done, BUFFER_BYTES - at);
        memset(transfer->buffer + length, 0, at - length);
        int error = piece->memory_fd < 0 ? EBADF
                                         : read_all(piece->memory_fd, transfer->buffer + at, part,
                                               piece->offset + transfer->done);
        if (error != 0)
            return error < 0 ? EIO : error;
        went(transfer, transfer->buffer + at, part);
        length = at + part;
    }
    *ret_length = length;
    return 0;
}

/* Waits until the device has what has been written up to `place`. */
static int sync_to(struct reeve_spill_transfer *transfer, int fd, uint64_t place)
{
    unsigned how = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    uint64_t from = transfer->synced;
    transfer->synced = place;
    if (place > from && sync_file_range(fd, (off_t)from, (off_t)(place - from), how) != 0 &&
        errno != ENOSYS && errno != EINVAL && errno != ESPIPE)
        return errno;
    return 0;
}

void reeve_spill_write(struct reeve_spill_transfer *transfer)
{
    int fd = file_open(transfer->file);
    if (fd < 0) {
        fail(transfer, errno);
        return;
    }
    uint64_t end = transfer->synced;
    for (uint64_t slice = 0; slice < SLICE_BYTES && transfer->piece < transfer->piece_count;) {
        uint64_t place, length = 0;
        int error = fill(transfer, &place, &length);
        if (error == 0 && !disk_has_room(fd, length)) {
            fail(transfer, ENOSPC);
            transfer->os_error = 0;
            return;
        }
        if (error == 0)
            error = write_all(fd, transfer->buffer, length, place);
        if (error == 0) /* what was written before, while this is under way */
            error = sync_to(transfer, fd, end);
        if (error == 0)
            (void)sync_file_range(fd, (off_t)place, (off_t)length, SYNC_FILE_RANGE_WRITE);
        if (error != 0) {
            fail(transfer, error);
            return;
        }
        end = place + length;
        slice += length;
    }
    transfer->finished = transfer->piece == transfer->piece_count;
    int error = transfer->finished ? sync_to(transfer, fd, end) : 0;
    if (error != 0)
        fail(transfer, error);
}

/* --- reading ---------------------------------------------------------------------------------- */

void reeve_spill_read(struct reeve_spill_transfer *transfer)
{
    int fd = transfer->file->fd;
    for (uint64_t slice = 0; slice < SLICE_BYTES && transfer->piece < transfer->piece_count;) {
        struct reeve_spill_piece *piece = piece_now(transfer);
        uint64_t left = piece->length - transfer->done, place = piece->place + transfer->done;
        uint64_t offset = piece->offset + transfer->done, part = REEVE_MIN(left, BUFFER_BYTES);
        if (slice == 0) /* this slice and the next, ahead of us */
            (void)posix_fadvise(
                fd, (off_t)place, (off_t)REEVE_MIN(left, 2ull * SLICE_BYTES), POSIX_FADV_WILLNEED);
        int error = read_all(fd, transfer->buffer, part, place);
        if (error != 0) {
            fail(transfer, error < 0 ? 0 : error);
            return;
        }
        went(transfer, transfer->buffer, part);
        error = piece->memory_fd < 0 ? EBADF
                                     : write_all(piece->memory_fd, transfer->buffer, part, offset);
        if (error != 0) {
            fail(transfer, error);
            return;
        }
        slice += part;
        if (transfer->done == 0 && piece->checksum != piece->expected) {
            fail(transfer, 0);
            return;
        }
    }
    transfer->finished = transfer->piece == transfer->piece_count;
}

/* --- folders ---------------------------------------------------------------------------------- */

int reeve_spill_try_folder(const char *folder, char *text, size_t size)
{
    int fd = open_nameless(folder);
    if (fd < 0) {
        snprintf(text, size, "no files can be made in %.200s: %s", folder, strerror(errno));
        return REEVE_ESTATE;
    }
    close(fd);
    return REEVE_OK;
}

const char *reeve_spill_default_folder(void)
{
    static const char *const folders[] = {"/var/tmp", "/tmp"};
    char text[512];
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(folders); i++) {
        struct statfs disk;
        if (statfs(folders[i], &disk) == 0 && disk.f_type != TMPFS_MAGIC &&
            disk.f_type != RAMFS_MAGIC &&
            reeve_spill_try_folder(folders[i], text, sizeof(text)) == REEVE_OK)
            return folders[i];
    }
    return NULL;
}

uint64_t reeve_spill_disk_bytes(const char *folder)
{
    struct statvfs disk;
    if (statvfs(folder, &disk) != 0)
        return 0;
    return (uint64_t)disk.f_blocks * disk.f_frsize;
}
