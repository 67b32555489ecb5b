/* Scratch folders: what is held is never swept, what is not held always is, and nothing else. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <reeve_errors.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/scratch.h"

static char root[64], path[REEVE_SCRATCH_PATH_SIZE];

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/reeve-unit-XXXXXX");
    return mkdtemp(root) == NULL;
}

static int teardown(void **state)
{
    (void)state;
    return reeve_scratch_remove(root);
}

static void make(const char *format, const char *name, bool folder)
{
    char full[2 * REEVE_SCRATCH_PATH_SIZE];
    snprintf(full, sizeof full, format, path, name);
    if (folder) {
        assert_int_equal(mkdir(full, 0700), 0);
    } else {
        int fd = open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
}

static bool exists(const char *name)
{
    return access(name, F_OK) == 0;
}

static void test_removes_all(void **state)
{
    char link_path[2 * REEVE_SCRATCH_PATH_SIZE], unreadable[2 * REEVE_SCRATCH_PATH_SIZE];
    char outside[128];
    int fd;
    (void)state;
    snprintf(outside, sizeof outside, "%s/outside", root);
    assert_int_equal(mkdir(outside, 0700), 0);
    reeve_scratch_path(root, 1, 2, path);
    assert_int_equal(reeve_scratch_hold(path, &fd), REEVE_OK);
    make("%s/%s", "folder", true);
    make("%s/folder/%s", "file", false);
    make("%s/%s", "unreadable", true);
    make("%s/unreadable/%s", "file", false);
    snprintf(unreadable, sizeof unreadable, "%s/unreadable", path);
    assert_int_equal(chmod(unreadable, 0), 0);
    snprintf(link_path, sizeof link_path, "%s/link", path);
    assert_int_equal(symlink(outside, link_path), 0);
    assert_int_equal(reeve_scratch_remove(path), REEVE_OK);
    assert_false(exists(path));
    assert_true(exists(outside));                           /* links are not followed */
    assert_int_equal(reeve_scratch_remove(path), REEVE_OK); /* what is not there is removed */
    close(fd);
}

static void test_sweeps_the_dead(void **state)
{
    char live[REEVE_SCRATCH_PATH_SIZE], other[128];
    int live_fd, dead_fd;
    (void)state;
    snprintf(other, sizeof other, "%s/reeve-scratch-of-nobody", root);
    assert_int_equal(mkdir(other, 0700), 0);
    reeve_scratch_path(root, 3, 1, live);
    assert_int_equal(reeve_scratch_hold(live, &live_fd), REEVE_OK);
    reeve_scratch_path(root, 3, 2, path);
    assert_int_equal(reeve_scratch_hold(path, &dead_fd), REEVE_OK);
    make("%s/%s", "file", false);
    assert_int_equal(reeve_scratch_sweep(root), 0);
    close(dead_fd); /* as its process dies */
    assert_int_equal(reeve_scratch_sweep(root), 1);
    assert_false(exists(path));
    assert_true(exists(live));
    assert_true(exists(other));
    close(live_fd);
    assert_int_equal(reeve_scratch_sweep(root), 1);
    assert_int_equal(reeve_scratch_sweep("/nonexistent"), 0);
}

static void test_cannot_be_held(void **state)
{
    int fd, second;
    (void)state;
    reeve_scratch_path("/nonexistent", 1, 1, path);
    assert_int_equal(reeve_scratch_hold(path, &fd), REEVE_ESYSTEM);
    reeve_scratch_path(root, 5, 1, path);
    assert_int_equal(reeve_scratch_hold(path, &fd), REEVE_OK);
    assert_int_equal(reeve_scratch_hold(path, &second), REEVE_ESYSTEM); /* somebody has it */
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_removes_all),
        cmocka_unit_test(test_sweeps_the_dead),
        cmocka_unit_test(test_cannot_be_held),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
