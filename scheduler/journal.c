/* The head's journal in SQLite. The same tables serve in memory (":memory:") for private clusters:
 * one code, no file.
 *
 * The schema's version is the file's user_version; 0 is an empty file, which we fill. A file of
 * a newer release is refused rather than guessed at. The file is locked for the head's life
 * (locking_mode=EXCLUSIVE), so a second head on it is found at once. */
#include "scheduler/journal.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "runtime/base/errors.h"

#define SCHEMA_VERSION 2

enum { NUMBER_HEAD_INCARNATION = 1, NUMBER_NODE_NEXT = 2, NUMBER_CLUSTER_UID = 3 };

static const char schema[] =
    "CREATE TABLE number (name INTEGER PRIMARY KEY, value INTEGER NOT NULL) STRICT;"
    "CREATE TABLE node (number INTEGER PRIMARY KEY, uid INTEGER NOT NULL, incarnation INTEGER NOT "
    "NULL,"
    " cpu_milli INTEGER NOT NULL, memory_bytes INTEGER NOT NULL, host TEXT NOT NULL, address TEXT "
    "NOT NULL) STRICT;"
    "CREATE TABLE run (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " json TEXT NOT NULL) STRICT;";

/* What version 2 adds. */
static const char schema_names[] =
    "CREATE TABLE name (space TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,"
    " owner INTEGER NOT NULL, number INTEGER NOT NULL, host INTEGER NOT NULL, job INTEGER NOT "
    "NULL, functions INTEGER NOT NULL, PRIMARY KEY (space, name)) STRICT, WITHOUT ROWID;"
    "PRAGMA user_version = 2;";

enum statement {
    GET_NUMBER,
    PUT_NUMBER,
    PUT_NODE,
    REMOVE_NODE,
    EACH_NODE,
    PUT_NAME,
    REMOVE_NAME,
    EACH_NAME,
    PUT_RUN,
    REMOVE_RUN,
    EACH_RUN,
    STATEMENT_COUNT
};

static const char *const statements[STATEMENT_COUNT] = {
    [GET_NUMBER] = "SELECT value FROM number WHERE name = ?1",
    [PUT_NUMBER] = "INSERT INTO number VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
    [PUT_NODE] = "INSERT OR REPLACE INTO node VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [REMOVE_NODE] = "DELETE FROM node WHERE number = ?1",
    [EACH_NODE] = "SELECT number, uid, incarnation, cpu_milli, memory_bytes, host, address FROM "
                  "node ORDER BY number",
    [PUT_NAME] = "INSERT OR REPLACE INTO name VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [REMOVE_NAME] = "DELETE FROM name WHERE space = ?1 AND name = ?2",
    [EACH_NAME] = "SELECT space, name, type, owner, number, host, job, functions FROM name "
                  "ORDER BY space, name",
    [PUT_RUN] =
        "INSERT INTO run (id, json) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET json = ?2",
    [REMOVE_RUN] = "DELETE FROM run WHERE id = ?1",
    [EACH_RUN] = "SELECT id, json FROM run ORDER BY number",
};

struct reeve_journal {
    sqlite3 *database;
    sqlite3_stmt *prepared[STATEMENT_COUNT];
    bool in_memory;
    uint16_t head_incarnation;
    uint32_t node_next;
    uint64_t cluster_uid;
    char error[REEVE_TEXT_SIZE];
};

/* ---- errors ---- */

static int fail(struct reeve_journal *j)
{
    int code = sqlite3_errcode(j->database);
    snprintf(j->error, sizeof j->error, "%.200s", sqlite3_errmsg(j->database));
    return code == SQLITE_NOMEM ? REEVE_ENOMEM : REEVE_ESTATE;
}

const char *reeve_journal_error(const struct reeve_journal *j)
{
    return j->error;
}

/* Why it could not be opened, and what to do. */
static void explain(const char *path, int code, sqlite3 *database, char *text)
{
    const char *detail = database != NULL ? sqlite3_errmsg(database) : sqlite3_errstr(code);
    int system_error = database != NULL ? sqlite3_system_errno(database) : 0;
    switch (code & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        snprintf(text, REEVE_TEXT_SIZE,
            "%.120s is damaged or is no journal: move it away, and the head begins a new cluster",
            path);
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        snprintf(text, REEVE_TEXT_SIZE, "%.120s is in use: another head runs on this state folder",
            path);
        break;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        snprintf(text, REEVE_TEXT_SIZE,
            "cannot write %.120s (%.60s): give --state-dir a folder that exists and is writable",
            path, system_error != 0 ? strerror(system_error) : detail);
        break;
    case SQLITE_FULL: snprintf(text, REEVE_TEXT_SIZE, "the disk of %.120s is full", path); break;
    default: snprintf(text, REEVE_TEXT_SIZE, "%.120s: %.100s", path, detail); break;
    }
}

/* ---- statements ---- */

static sqlite3_stmt *statement(struct reeve_journal *j, enum statement which)
{
    if (j->prepared[which] == NULL &&
        sqlite3_prepare_v3(j->database, statements[which], -1, SQLITE_PREPARE_PERSISTENT,
            &j->prepared[which], NULL) != SQLITE_OK)
        return NULL;
    return j->prepared[which];
}

static int execute(struct reeve_journal *j, const char *sql)
{
    return sqlite3_exec(j->database, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(j);
}

/* Runs a statement that gives no rows, and frees what was bound to it. */
static int finish(struct reeve_journal *j, sqlite3_stmt *s)
{
    int error = sqlite3_step(s) == SQLITE_DONE ? 0 : fail(j);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return error;
}

/* 0 when it was never put. */
static int get_number(struct reeve_journal *j, int name, uint64_t *ret)
{
    sqlite3_stmt *s = statement(j, GET_NUMBER);
    if (s == NULL)
        return fail(j);
    sqlite3_bind_int(s, 1, name);
    int code = sqlite3_step(s), error = 0;
    if (code == SQLITE_ROW)
        *ret = (uint64_t)sqlite3_column_int64(s, 0);
    else if (code == SQLITE_DONE)
        *ret = 0;
    else
        error = fail(j);
    sqlite3_reset(s);
    return error;
}

static int put_number(struct reeve_journal *j, int name, uint64_t value)
{
    sqlite3_stmt *s = statement(j, PUT_NUMBER);
    if (s == NULL)
        return fail(j);
    sqlite3_bind_int(s, 1, name);
    sqlite3_bind_int64(s, 2, (sqlite3_int64)value);
    return finish(j, s);
}

/* ---- opening ---- */

static int take_numbers(struct reeve_journal *j)
{
    uint64_t incarnation, next, uid;
    int error;
    if ((error = get_number(j, NUMBER_HEAD_INCARNATION, &incarnation)) != 0 ||
        (error = get_number(j, NUMBER_NODE_NEXT, &next)) != 0 ||
        (error = get_number(j, NUMBER_CLUSTER_UID, &uid)) != 0)
        return error;
    incarnation = incarnation >= UINT16_MAX ? 1 : incarnation + 1;
    if (next == 0)
        next = 1;
    while (uid == 0)
        if (getrandom(&uid, sizeof uid, 0) != sizeof uid)
            uid = 0;
    if ((error = put_number(j, NUMBER_HEAD_INCARNATION, incarnation)) != 0 ||
        (error = put_number(j, NUMBER_NODE_NEXT, next)) != 0 ||
        (error = put_number(j, NUMBER_CLUSTER_UID, uid)) != 0)
        return error;
    j->head_incarnation = (uint16_t)incarnation;
    j->node_next = (uint32_t)next;
    j->cluster_uid = uid;
    return 0;
}

static int read_version(struct reeve_journal *j, int *ret)
{
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(j->database, "PRAGMA user_version", -1, &s, NULL) != SQLITE_OK)
        return fail(j);
    int error = sqlite3_step(s) == SQLITE_ROW ? 0 : fail(j);
    if (error == 0)
        *ret = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return error;
}

/* Tables that are there and sound, and our own numbers. */
static int prepare(struct reeve_journal *j, const char *path, char *text)
{
    /* EXCLUSIVE before WAL: the lock is taken with the first read and kept, and no shared-memory
     * file is made. */
    int error = execute(j,
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "BEGIN IMMEDIATE");
    int version = 0;
    if (error == 0)
        error = read_version(j, &version);
    if (error == 0 && version > SCHEMA_VERSION) {
        snprintf(text, REEVE_TEXT_SIZE,
            "%.120s was written by a newer release of Reeve: use that, or another --state-dir",
            path);
        return REEVE_ESTATE;
    }
    if (error == 0 && version == 0)
        error = execute(j, schema);
    if (error == 0 && version < 2)
        error = execute(j, schema_names);
    if (error == 0) /* a node that died just before its head did */
        error = execute(j, "DELETE FROM name WHERE owner >> 32 NOT IN (SELECT number FROM node)");
    if (error == 0)
        error = take_numbers(j);
    if (error == 0)
        error = execute(j, "COMMIT; PRAGMA synchronous = NORMAL");
    if (error != 0)
        explain(path, sqlite3_errcode(j->database), j->database, text);
    return error;
}

int reeve_journal_open(const char *path, struct reeve_journal **ret, char *text)
{
    struct reeve_journal *j = calloc(1, sizeof *j);
    if (j == NULL) {
        snprintf(text, REEVE_TEXT_SIZE, "out of memory");
        return REEVE_ENOMEM;
    }
    j->in_memory = path == NULL;
    const char *name = path != NULL ? path : ":memory:";
    int code = sqlite3_open_v2(
        name, &j->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    int error = 0;
    if (code != SQLITE_OK) {
        explain(name, code, j->database, text);
        error = code == SQLITE_NOMEM ? REEVE_ENOMEM : REEVE_ESTATE;
    } else {
        sqlite3_busy_timeout(j->database, 500);
        error = prepare(j, name, text);
    }
    if (error != 0) {
        reeve_journal_close(j);
        return error;
    }
    *ret = j;
    return 0;
}

void reeve_journal_close(struct reeve_journal *j)
{
    if (j == NULL)
        return;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(j->prepared[i]);
    sqlite3_close(j->database);
    free(j);
}

/* ---- numbers ---- */

uint16_t reeve_journal_head_incarnation(const struct reeve_journal *j)
{
    return j->head_incarnation;
}

uint32_t reeve_journal_node_next(const struct reeve_journal *j)
{
    return j->node_next;
}

uint64_t reeve_journal_cluster_uid(const struct reeve_journal *j)
{
    return j->cluster_uid;
}

int reeve_journal_set_node_next(struct reeve_journal *j, uint32_t number)
{
    if (number <= j->node_next)
        return 0;
    int error = execute(j, "PRAGMA synchronous = FULL");
    if (error == 0)
        error = put_number(j, NUMBER_NODE_NEXT, number);
    if (error == 0)
        j->node_next = number;
    sqlite3_exec(j->database, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
    return error;
}

/* ---- nodes ---- */

int reeve_journal_put_node(struct reeve_journal *j, const struct reeve_message *node)
{
    sqlite3_stmt *s = statement(j, PUT_NODE);
    if (s == NULL)
        return fail(j);
    sqlite3_bind_int64(s, 1, node->node);
    sqlite3_bind_int64(s, 2, (sqlite3_int64)node->uid);
    sqlite3_bind_int64(s, 3, (sqlite3_int64)node->incarnation);
    sqlite3_bind_int64(s, 4, node->cpu_milli);
    sqlite3_bind_int64(s, 5, (sqlite3_int64)node->memory_bytes);
    sqlite3_bind_text(s, 6, node->host, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 7, node->address, -1, SQLITE_STATIC);
    return finish(j, s);
}

int reeve_journal_remove_node(struct reeve_journal *j, uint32_t number)
{
    sqlite3_stmt *s = statement(j, REMOVE_NODE);
    if (s == NULL)
        return fail(j);
    sqlite3_bind_int64(s, 1, number);
    return finish(j, s);
}

int reeve_journal_each_node(
    struct reeve_journal *j, void (*each)(void *arg, const struct reeve_message *node), void *arg)
{
    sqlite3_stmt *s = statement(j, EACH_NODE);
    if (s == NULL)
        return fail(j);
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        struct reeve_message m = {
            .kind = REEVE_MESSAGE_JOIN,
            .node = (uint32_t)sqlite3_column_int64(s, 0),
            .uid = (uint64_t)sqlite3_column_int64(s, 1),
            .incarnation = (uint64_t)sqlite3_column_int64(s, 2),
            .cpu_milli = (uint32_t)sqlite3_column_int64(s, 3),
            .memory_bytes = (uint64_t)sqlite3_column_int64(s, 4),
        };
        snprintf(m.host, sizeof m.host, "%s", (const char *)sqlite3_column_text(s, 5));
        snprintf(m.address, sizeof m.address, "%s", (const char *)sqlite3_column_text(s, 6));
        if (m.node != 0 && m.node < j->node_next)
            each(arg, &m);
    }
    int error = code == SQLITE_DONE ? 0 : fail(j);
    sqlite3_reset(s);
    return error;
}

/* ---- names ---- */

int reeve_journal_put_name(struct reeve_journal *j, const struct reeve_message *name)
{
    sqlite3_stmt *s = statement(j, PUT_NAME);
    if (s == NULL)
        return fail(j);
    sqlite3_bind_text(s, 1, name->host, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, name->address, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, name->text, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 4, (sqlite3_int64)name->process);
    sqlite3_bind_int64(s, 5, (sqlite3_int64)name->actor_number);
    sqlite3_bind_int64(s, 6, (sqlite3_int64)name->actor_host);
    sqlite3_bind_int64(s, 7, (sqlite3_int64)name->class.job);
    sqlite3_bind_int64(s, 8, name->class.table);
    return finish(j, s);
}

int reeve_journal_remove_name(struct reeve_journal *j, const char *name_space, const char *name)
{
    sqlite3_stmt *s = statement(j, REMOVE_NAME);
    if (s == NULL)
        return fail(j);
    sqlite3_bind_text(s, 1, name_space, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, name, -1, SQLITE_STATIC);
    return finish(j, s);
}

int reeve_journal_each_name(
    struct reeve_journal *j, void (*each)(void *arg, const struct reeve_message *name), void *arg)
{
    sqlite3_stmt *s = statement(j, EACH_NAME);
    if (s == NULL)
        return fail(j);
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        struct reeve_message m = {.kind = REEVE_MESSAGE_NAME_CLAIM,
            .process = (uint64_t)sqlite3_column_int64(s, 3),
            .actor_number = (uint64_t)sqlite3_column_int64(s, 4),
            .actor_host = (uint64_t)sqlite3_column_int64(s, 5)};
        m.class.job = (uint64_t)sqlite3_column_int64(s, 6);
        m.class.table = (uint32_t)sqlite3_column_int64(s, 7);
        snprintf(m.host, sizeof m.host, "%s", (const char *)sqlite3_column_text(s, 0));
        snprintf(m.address, sizeof m.address, "%s", (const char *)sqlite3_column_text(s, 1));
        snprintf(m.text, sizeof m.text, "%s", (const char *)sqlite3_column_text(s, 2));
        each(arg, &m);
    }
    int error = code == SQLITE_DONE ? 0 : fail(j);
    sqlite3_reset(s);
    return error;
}

/* ---- runs ---- */

int reeve_journal_put_run(struct reeve_journal *j, const char *id, const char *json)
{
    sqlite3_stmt *s = statement(j, PUT_RUN);
    if (s == NULL)
        return fail(j);
    sqlite3_bind_text(s, 1, id, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, json, -1, SQLITE_STATIC);
    return finish(j, s);
}

int reeve_journal_remove_run(struct reeve_journal *j, const char *id)
{
    sqlite3_stmt *s = statement(j, REMOVE_RUN);
    if (s == NULL)
        return fail(j);
    sqlite3_bind_text(s, 1, id, -1, SQLITE_STATIC);
    return finish(j, s);
}

int reeve_journal_each_run(
    struct reeve_journal *j, void (*each)(void *arg, const char *id, const char *json), void *arg)
{
    sqlite3_stmt *s = statement(j, EACH_RUN);
    if (s == NULL)
        return fail(j);
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW)
        each(arg, (const char *)sqlite3_column_text(s, 0), (const char *)sqlite3_column_text(s, 1));
    int error = code == SQLITE_DONE ? 0 : fail(j);
    sqlite3_reset(s);
    return error;
}
