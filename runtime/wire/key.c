/* Making, keeping and finding the cluster key; see key.h. */
#include "runtime/wire/key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include <reeve_errors.h>

#include "runtime/base/hex.h"
#include "runtime/wire/message.h"

#define DIGITS (2 * REEVE_KEY_SIZE)

static int fail(char *text, int error, const char *what, const char *path)
{
    int saved = errno;
    snprintf(text, REEVE_TEXT_SIZE, "%s %.150s: %s", what, path, strerror(saved));
    return error;
}

int reeve_key_make(uint8_t key[REEVE_KEY_SIZE], char *text)
{
    if (sodium_init() < 0) {
        snprintf(text, REEVE_TEXT_SIZE, "libsodium cannot be initialised");
        return REEVE_ESYSTEM;
    }
    randombytes_buf(key, REEVE_KEY_SIZE);
    return REEVE_OK;
}

/* Reads up to `size` bytes; -1 on error. */
static ssize_t read_all(int fd, char *out, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t count = read(fd, out + have, size - have);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        have += (size_t)count;
    }
    return (ssize_t)have;
}

int reeve_key_load(const char *path, uint8_t key[REEVE_KEY_SIZE], char *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a fifo must not hold us up */
    if (fd < 0)
        return fail(
            text, errno == ENOENT ? REEVE_EKEY : REEVE_ESYSTEM, "cannot read the key file", path);
    struct stat status;
    int error = REEVE_OK;
    char line[DIGITS + 3];
    ssize_t size = 0;
    if (fstat(fd, &status) != 0) {
        error = fail(text, REEVE_ESYSTEM, "cannot examine the key file", path);
    } else if (!S_ISREG(status.st_mode)) {
        snprintf(text, REEVE_TEXT_SIZE, "the key file %.150s is not a file", path);
        error = REEVE_EKEY;
    } else if ((status.st_mode & 077) != 0) {
        snprintf(text, REEVE_TEXT_SIZE,
            "others can read or write the key file: run chmod 600 %.100s, and make a new key if it "
            "may "
            "have leaked",
            path);
        error = REEVE_EKEY;
    } else if ((size = read_all(fd, line, sizeof line - 1)) < 0) {
        error = fail(text, REEVE_ESYSTEM, "cannot read the key file", path);
    }
    close(fd);
    if (error != REEVE_OK)
        return error;
    if (size == DIGITS + 1 && line[DIGITS] == '\n')
        size = DIGITS;
    line[size] = 0;
    if (size != DIGITS || reeve_hex_decode(line, key, REEVE_KEY_SIZE) != REEVE_OK) {
        snprintf(text, REEVE_TEXT_SIZE,
            "the key file %.120s is not one line of %d hexadecimal digits: copy it again from the "
            "head's machine",
            path, DIGITS);
        error = REEVE_EKEY;
    }
    sodium_memzero(line, sizeof line);
    return error;
}

/* mkdir -p of the path's folder, mode 0700. */
static int make_folders(const char *path)
{
    char folder[PATH_MAX];
    if (snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            return -1;
        *slash = '/';
    }
    return 0;
}

int reeve_key_save(const char *path, const uint8_t key[REEVE_KEY_SIZE], char *text)
{
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.new-%ld", path, (long)getpid()) >=
            (int)sizeof temporary ||
        make_folders(path) != 0)
        return fail(text, REEVE_ESTATE, "cannot make the folder of", path);
    unlink(temporary); /* of a former life with our process id */
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(text, REEVE_ESTATE, "cannot write the key file", path);
    char line[DIGITS + 2];
    reeve_hex_encode(key, REEVE_KEY_SIZE, line);
    line[DIGITS] = '\n';
    ssize_t written = write(fd, line, DIGITS + 1);
    sodium_memzero(line, sizeof line);
    int error = REEVE_OK;
    if (written != DIGITS + 1 || fsync(fd) != 0)
        error = fail(text, REEVE_ESTATE, "cannot write the key file", path);
    close(fd);
    /* link, not rename: it fails when the file exists, so that of two starters one wins */
    if (error == REEVE_OK && link(temporary, path) != 0)
        error = fail(
            text, errno == EEXIST ? REEVE_EBUSY : REEVE_ESTATE, "cannot create the key file", path);
    unlink(temporary);
    return error;
}

int reeve_key_default_path(char *path, size_t size, char *text)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int length;
    if (state != NULL && state[0] == '/') { /* relative ones are to be ignored, says the standard */
        length = snprintf(path, size, "%s/reeve/key", state);
    } else {
        if (home == NULL || home[0] != '/') {
            const struct passwd *user = getpwuid(geteuid());
            home = user != NULL ? user->pw_dir : NULL;
        }
        if (home == NULL || home[0] != '/') {
            snprintf(text, REEVE_TEXT_SIZE,
                "no home folder is known: set XDG_STATE_HOME or HOME, or give --key-file");
            return REEVE_ESTATE;
        }
        length = snprintf(path, size, "%s/.local/state/reeve/key", home);
    }
    if (length >= (int)size) {
        snprintf(text, REEVE_TEXT_SIZE, "the path of the state folder is too long");
        return REEVE_ESTATE;
    }
    return REEVE_OK;
}

int reeve_key_resolve(const char *path, bool make, uint8_t key[REEVE_KEY_SIZE], char *text)
{
    if (path != NULL)
        return reeve_key_load(path, key, text);
    const char *digits = getenv("REEVE_KEY"), *file = getenv("REEVE_KEY_FILE");
    if (digits != NULL && digits[0] != 0) {
        if (strlen(digits) == DIGITS && reeve_hex_decode(digits, key, REEVE_KEY_SIZE) == REEVE_OK)
            return REEVE_OK;
        snprintf(text, REEVE_TEXT_SIZE,
            "REEVE_KEY must be %d hexadecimal digits, as in the cluster's key file", DIGITS);
        return REEVE_EKEY;
    }
    if (file != NULL && file[0] != 0)
        return reeve_key_load(file, key, text);
    char standard[PATH_MAX];
    int error = reeve_key_default_path(standard, sizeof standard, text);
    if (error != REEVE_OK)
        return error;
    if (access(standard, F_OK) == 0 || errno != ENOENT)
        return reeve_key_load(standard, key, text);
    if (!make) {
        snprintf(text, REEVE_TEXT_SIZE,
            "there is no cluster key: give it with --key-file or REEVE_KEY, or put it in %.120s",
            standard);
        return REEVE_EKEY;
    }
    uint8_t fresh[REEVE_KEY_SIZE];
    if ((error = reeve_key_make(fresh, text)) != REEVE_OK)
        return error;
    error = reeve_key_save(standard, fresh, text);
    if (error == REEVE_EBUSY) /* somebody else was first */
        error = reeve_key_load(standard, fresh, text);
    if (error == REEVE_OK)
        memcpy(key, fresh, REEVE_KEY_SIZE);
    sodium_memzero(fresh, sizeof fresh);
    return error;
}
