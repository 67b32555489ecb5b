/* Cluster keys: saved and loaded, refused when others can read them, found where they are looked
 * for. */
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <reeve_errors.h>

#include "runtime/base/hex.h"
#include "runtime/wire/key.h"
#include "runtime/wire/message.h"

static char folder[64];
static char text[REEVE_TEXT_SIZE];

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s", "/tmp/reeve-key-test-XXXXXX");
    unsetenv("REEVE_KEY");
    unsetenv("REEVE_KEY_FILE");
    return mkdtemp(folder) != NULL ? setenv("XDG_STATE_HOME", folder, 1) : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *in_folder(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *path, const char *content, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

static void test_save_and_load(void **state)
{
    (void)state;
    uint8_t key[REEVE_KEY_SIZE], other[REEVE_KEY_SIZE], back[REEVE_KEY_SIZE];
    assert_int_equal(reeve_key_make(key, text), REEVE_OK);
    assert_int_equal(reeve_key_make(other, text), REEVE_OK);
    assert_memory_not_equal(key, other, REEVE_KEY_SIZE);
    const char *path = in_folder("a/b/key");
    assert_int_equal(reeve_key_save(path, key, text), REEVE_OK);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(status.st_size, 2 * REEVE_KEY_SIZE + 1);
    assert_int_equal(status.st_nlink, 1); /* the temporary name is gone */
    assert_int_equal(reeve_key_load(path, back, text), REEVE_OK);
    assert_memory_equal(key, back, REEVE_KEY_SIZE);
    assert_int_equal(reeve_key_save(path, other, text), REEVE_EBUSY); /* never replaced */
    assert_int_equal(reeve_key_load(path, back, text), REEVE_OK);
    assert_memory_equal(key, back, REEVE_KEY_SIZE);
}

static void test_refused_files(void **state)
{
    (void)state;
    uint8_t key[REEVE_KEY_SIZE] = {0}, back[REEVE_KEY_SIZE];
    char line[2 * REEVE_KEY_SIZE + 2];
    reeve_hex_encode(key, REEVE_KEY_SIZE, line);
    const char *path = in_folder("key");
    write_file(path, line, 0600); /* without a newline: fine */
    assert_int_equal(reeve_key_load(path, back, text), REEVE_OK);
    static const mode_t modes[] = {0640, 0604, 0660, 0602};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        write_file(path, line, modes[i]);
        assert_int_equal(reeve_key_load(path, back, text), REEVE_EKEY);
        assert_non_null(strstr(text, "chmod 600"));
        assert_non_null(strstr(text, path));
    }
    static const char *const contents[] = {"", "\n", "abc", "zz"};
    for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
        write_file(path, contents[i], 0600);
        assert_int_equal(reeve_key_load(path, back, text), REEVE_EKEY);
    }
    char two[200];
    snprintf(two, sizeof two, "%s\n%s\n", line, line);
    write_file(path, two, 0600);
    assert_int_equal(reeve_key_load(path, back, text), REEVE_EKEY);
    assert_int_equal(reeve_key_load(in_folder("none"), back, text), REEVE_EKEY);
    assert_int_equal(reeve_key_load(folder, back, text), REEVE_EKEY);
    assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
    assert_int_equal(reeve_key_load(in_folder("fifo"), back, text), REEVE_EKEY);
}

static void test_resolve(void **state)
{
    (void)state;
    uint8_t file_key[REEVE_KEY_SIZE] = {1}, environment_key[REEVE_KEY_SIZE] = {2},
            variable_key[REEVE_KEY_SIZE] = {3}, made[REEVE_KEY_SIZE], key[REEVE_KEY_SIZE];
    char line[2 * REEVE_KEY_SIZE + 1], path[PATH_MAX];
    /* nothing anywhere */
    assert_int_equal(reeve_key_resolve(NULL, false, key, text), REEVE_EKEY);
    assert_non_null(strstr(text, "--key-file or REEVE_KEY"));
    /* made at the default place, found there again */
    assert_int_equal(reeve_key_resolve(NULL, true, made, text), REEVE_OK);
    assert_int_equal(reeve_key_resolve(NULL, false, key, text), REEVE_OK);
    assert_memory_equal(key, made, REEVE_KEY_SIZE);
    assert_int_equal(reeve_key_default_path(path, sizeof path, text), REEVE_OK);
    assert_string_equal(path, in_folder("reeve/key"));
    assert_int_equal(access(path, F_OK), 0);
    /* REEVE_KEY_FILE before it, REEVE_KEY before that, the caller's before all */
    assert_int_equal(reeve_key_save(in_folder("env"), environment_key, text), REEVE_OK);
    setenv("REEVE_KEY_FILE", in_folder("env"), 1);
    assert_int_equal(reeve_key_resolve(NULL, false, key, text), REEVE_OK);
    assert_memory_equal(key, environment_key, REEVE_KEY_SIZE);
    reeve_hex_encode(variable_key, REEVE_KEY_SIZE, line);
    setenv("REEVE_KEY", line, 1);
    assert_int_equal(reeve_key_resolve(NULL, false, key, text), REEVE_OK);
    assert_memory_equal(key, variable_key, REEVE_KEY_SIZE);
    assert_int_equal(reeve_key_save(in_folder("given"), file_key, text), REEVE_OK);
    assert_int_equal(reeve_key_resolve(in_folder("given"), false, key, text), REEVE_OK);
    assert_memory_equal(key, file_key, REEVE_KEY_SIZE);
    /* a wrong one is not passed over in silence */
    setenv("REEVE_KEY", "1234", 1);
    assert_int_equal(reeve_key_resolve(NULL, true, key, text), REEVE_EKEY);
    assert_non_null(strstr(text, "64 hexadecimal digits"));
    unsetenv("REEVE_KEY");
    setenv("REEVE_KEY_FILE", in_folder("nothing-here"), 1);
    assert_int_equal(reeve_key_resolve(NULL, true, key, text), REEVE_EKEY);
    unsetenv("REEVE_KEY_FILE");
    /* without XDG_STATE_HOME, below the home folder */
    unsetenv("XDG_STATE_HOME");
    char *home = getenv("HOME") != NULL ? strdup(getenv("HOME")) : NULL;
    setenv("HOME", "/somewhere", 1);
    assert_int_equal(reeve_key_default_path(path, sizeof path, text), REEVE_OK);
    assert_string_equal(path, "/somewhere/.local/state/reeve/key");
    if (home != NULL)
        setenv("HOME", home, 1);
    free(home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_save_and_load, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resolve, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
