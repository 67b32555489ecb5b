/* The head's journal: numbers that never go back, nodes and runs that outlive a head, and what
 * it says when it cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/errors.h"
#include "scheduler/journal.h"

static char folder[64], path[128];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/reeve-journal-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/journal", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    for (int i = 0; i < 4; i++) {
        char name[160];
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
    chmod(folder, 0700);
    return rmdir(folder);
}

static struct reeve_journal *must_open(const char *name)
{
    struct reeve_journal *journal = NULL;
    char text[REEVE_TEXT_SIZE] = "";
    int error = reeve_journal_open(name, &journal, text);
    if (error != 0)
        fail_msg("%s", text);
    return journal;
}

static void must_fail(const char *name, const char *with)
{
    struct reeve_journal *journal = NULL;
    char text[REEVE_TEXT_SIZE] = "";
    assert_int_equal(reeve_journal_open(name, &journal, text), REEVE_ESTATE);
    assert_null(journal);
    if (strstr(text, with) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, with);
}

static void numbers_outlive_the_head(void **state)
{
    (void)state;
    struct reeve_journal *j = must_open(path);
    uint64_t uid = reeve_journal_cluster_uid(j);
    assert_int_not_equal(uid, 0);
    assert_int_equal(reeve_journal_head_incarnation(j), 1);
    assert_int_equal(reeve_journal_node_next(j), 1);
    assert_int_equal(reeve_journal_set_node_next(j, 65), 0);
    assert_int_equal(reeve_journal_set_node_next(j, 7), 0); /* never back */
    assert_int_equal(reeve_journal_node_next(j), 65);
    reeve_journal_close(j);
    j = must_open(path);
    assert_int_equal(reeve_journal_cluster_uid(j), uid);
    assert_int_equal(reeve_journal_head_incarnation(j), 2);
    assert_int_equal(reeve_journal_node_next(j), 65);
    reeve_journal_close(j);
}

/* A head that is killed, not closed. */
static void numbers_outlive_a_kill(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct reeve_journal *j = NULL;
        char text[REEVE_TEXT_SIZE];
        if (reeve_journal_open(path, &j, text) != 0)
            _exit(1);
        struct reeve_message node = {.node = 1, .uid = 5};
        if (reeve_journal_put_node(j, &node) != 0 || reeve_journal_set_node_next(j, 129) != 0)
            _exit(2);
        node.node = 2;
        if (reeve_journal_put_node(j, &node) != 0)
            _exit(3);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    struct reeve_journal *j = must_open(path);
    assert_int_equal(reeve_journal_head_incarnation(j), 2);
    assert_int_equal(reeve_journal_node_next(j), 129);
    reeve_journal_close(j);
}

static void collect(void *arg, const struct reeve_message *node)
{
    char *text = arg;
    snprintf(text + strlen(text), 400, "%u:%llx:%s:%s ", node->node, (unsigned long long)node->uid,
        node->host, node->address);
}

static void nodes_outlive_the_head(void **state)
{
    (void)state;
    struct reeve_journal *j = must_open(path);
    assert_int_equal(reeve_journal_set_node_next(j, 65), 0);
    struct reeve_message node = {.kind = REEVE_MESSAGE_JOIN,
        .node = 2,
        .uid = UINT64_MAX,
        .incarnation = 3,
        .cpu_milli = 4000};
    snprintf(node.host, sizeof node.host, "b");
    snprintf(node.address, sizeof node.address, "tcp://b:1");
    assert_int_equal(reeve_journal_put_node(j, &node), 0);
    node.node = 1;
    node.uid = 1;
    assert_int_equal(reeve_journal_put_node(j, &node), 0);
    node.node = 3;
    assert_int_equal(reeve_journal_put_node(j, &node), 0);
    snprintf(node.host, sizeof node.host, "c");
    assert_int_equal(reeve_journal_put_node(j, &node), 0); /* replaces */
    assert_int_equal(reeve_journal_remove_node(j, 1), 0);
    assert_int_equal(reeve_journal_remove_node(j, 99), 0);
    reeve_journal_close(j);
    j = must_open(path);
    char text[512] = "";
    assert_int_equal(reeve_journal_each_node(j, collect, text), 0);
    assert_string_equal(text, "2:ffffffffffffffff:b:tcp://b:1 3:1:c:tcp://b:1 ");
    reeve_journal_close(j);
}

static void collect_name(void *arg, const struct reeve_message *name)
{
    char *text = arg;
    snprintf(text + strlen(text), 400, "%.40s/%.40s:%.40s:%llx:%llx:%llx:%llx:%x ", name->host,
        name->address, name->text, (unsigned long long)name->process,
        (unsigned long long)name->actor_number, (unsigned long long)name->actor_host,
        (unsigned long long)name->class.job, name->class.table);
}

static void names_outlive_the_head(void **state)
{
    (void)state;
    struct reeve_journal *j = must_open(path);
    assert_int_equal(reeve_journal_set_node_next(j, 65), 0);
    struct reeve_message node = {.kind = REEVE_MESSAGE_JOIN, .node = 2, .uid = 1};
    assert_int_equal(reeve_journal_put_node(j, &node), 0);
    struct reeve_message name = {.kind = REEVE_MESSAGE_NAME_CLAIM,
        .process = reeve_process_id_make(2, 7),
        .actor_number = 3,
        .actor_host = UINT64_MAX,
        .host = "space",
        .address = "na'me",
        .text = "counter"};
    name.class.job = reeve_process_id_make(2, 5);
    name.class.table = UINT32_MAX;
    assert_int_equal(reeve_journal_put_name(j, &name), 0);
    name.actor_number = 4;
    assert_int_equal(reeve_journal_put_name(j, &name), 0); /* replaces */
    snprintf(name.host, sizeof name.host, "other");
    assert_int_equal(reeve_journal_put_name(j, &name), 0);
    assert_int_equal(reeve_journal_remove_name(j, "other", "na'me"), 0);
    assert_int_equal(reeve_journal_remove_name(j, "other", "none"), 0);
    name.process = reeve_process_id_make(9, 1); /* of a node that is gone */
    snprintf(name.address, sizeof name.address, "gone");
    assert_int_equal(reeve_journal_put_name(j, &name), 0);
    reeve_journal_close(j);
    j = must_open(path);
    char text[512] = "";
    assert_int_equal(reeve_journal_each_name(j, collect_name, text), 0);
    assert_string_equal(
        text, "space/na'me:counter:200000007:4:ffffffffffffffff:200000005:ffffffff ");
    reeve_journal_close(j);
}

/* A file of the first release has no names. */
static void a_file_of_the_former_version_is_taken_over(void **state)
{
    (void)state;
    struct reeve_journal *j = must_open(path);
    assert_int_equal(reeve_journal_put_run(j, "a1", "{1}"), 0);
    reeve_journal_close(j);
    sqlite3 *database;
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(database, "DROP TABLE name; PRAGMA user_version = 1", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(database);
    j = must_open(path);
    assert_int_equal(reeve_journal_head_incarnation(j), 2);
    assert_int_equal(reeve_journal_remove_name(j, "space", "name"), 0);
    reeve_journal_close(j);
    j = must_open(path);
    reeve_journal_close(j);
}

static void collect_run(void *arg, const char *id, const char *json)
{
    char *text = arg;
    snprintf(text + strlen(text), 64, "%s:%s ", id, json);
}

static void runs(struct reeve_journal *j)
{
    char text[128] = "";
    assert_int_equal(reeve_journal_put_run(j, "b1", "{1}"), 0);
    assert_int_equal(reeve_journal_put_run(j, "a2", "{2}"), 0);
    assert_int_equal(reeve_journal_put_run(j, "c3", "{3}"), 0);
    assert_int_equal(reeve_journal_put_run(j, "b1", "{4}"), 0); /* replaces, and keeps its place */
    assert_int_equal(reeve_journal_remove_run(j, "a2"), 0);
    assert_int_equal(reeve_journal_remove_run(j, "none"), 0);
    assert_int_equal(reeve_journal_each_run(j, collect_run, text), 0);
    assert_string_equal(text, "b1:{4} c3:{3} ");
}

static void runs_are_kept(void **state)
{
    (void)state;
    char text[128] = "";
    struct reeve_journal *j = must_open(path);
    runs(j);
    reeve_journal_close(j);
    j = must_open(path);
    assert_int_equal(reeve_journal_each_run(j, collect_run, text), 0);
    assert_string_equal(text, "b1:{4} c3:{3} ");
    reeve_journal_close(j);
}

static void in_memory_no_file_is_made(void **state)
{
    (void)state;
    struct reeve_journal *j = must_open(NULL), *other = must_open(NULL);
    assert_int_equal(reeve_journal_head_incarnation(j), 1);
    assert_int_equal(reeve_journal_set_node_next(j, 65), 0);
    runs(j);
    reeve_journal_close(j);
    reeve_journal_close(other);
    assert_int_equal(access(path, F_OK), -1);
}

static void what_cannot_be_used_is_named(void **state)
{
    (void)state;
    char missing[160];
    snprintf(missing, sizeof missing, "%s/no/such/journal", folder);
    must_fail(missing, "--state-dir");
    must_fail(folder, "--state-dir");

    struct reeve_journal *j = must_open(path);
    must_fail(path, "another head");
    reeve_journal_close(j);

    sqlite3 *database;
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(database, "PRAGMA user_version = 3", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
    must_fail(path, "newer release");

    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    char junk[4096];
    memset(junk, 'x', sizeof junk);
    assert_int_equal(write(fd, junk, sizeof junk), sizeof junk);
    close(fd);
    must_fail(path, "damaged");
}

static void a_folder_that_is_not_writable_is_named(void **state)
{
    (void)state;
    if (geteuid() == 0)
        skip(); /* root writes everywhere */
    chmod(folder, 0500);
    must_fail(path, "--state-dir");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        T(numbers_outlive_the_head),
        T(numbers_outlive_a_kill),
        T(nodes_outlive_the_head),
        T(names_outlive_the_head),
        T(a_file_of_the_former_version_is_taken_over),
        T(runs_are_kept),
        T(in_memory_no_file_is_made),
        T(what_cannot_be_used_is_named),
        T(a_folder_that_is_not_writable_is_named),
    };
    return cmocka_run_group_tests_name("scheduler/journal", tests, NULL, NULL);
}
