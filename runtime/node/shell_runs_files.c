/* What is kept of a run in the state folder:
 *
 *      runs/ID/stdout, stderr     as written, up to a bound
 *      runs/ID/status.json        what `reeve logs` and `reeve status` say, replaced as a whole
 *
 * The oldest finished ones go when there are too many. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/errors.h"
#include "runtime/base/log.h"
#include "runtime/base/machine.h"
#include "runtime/node/shell_runs_internal.h"

static const char *const stream_names[] = {"stdout", "stderr"};

static bool path_of(
    const struct reeve_runs *runs, const char *id, const char *file, char path[PATH_MAX])
{
    if (!runs->options.state_dir || strchr(id, '/') || *id == '.' || !*id)
        return false;
    return snprintf(path, PATH_MAX, "%s/runs/%s%s%s", runs->options.state_dir, id, *file ? "/" : "",
               file) < PATH_MAX;
}

static void remove_run(const struct reeve_runs *runs, const char *id)
{
    static const char *const files[] = {"stdout", "stderr", "status.json", "status.json.new", ""};
    char path[PATH_MAX];
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(files); i++) {
        if (path_of(runs, id, files[i], path))
            (void)(*files[i] ? unlink(path) : rmdir(path));
    }
}

static bool is_alive(const struct reeve_runs *runs, const char *id)
{
    REEVE_LIST_EACH(node, &runs->runs)
    {
        if (strcmp(REEVE_LIST_ENTRY(node, struct reeve_node_run, link)->id, id) == 0)
            return true;
    }
    return false;
}

/* One a call is enough: there is one call for each new run. */
static void remove_oldest(const struct reeve_runs *runs)
{
    char path[PATH_MAX], oldest[NAME_MAX + 1] = "";
    struct timespec oldest_time = {0};
    int count = 0;
    if (snprintf(path, sizeof(path), "%s/runs", runs->options.state_dir) >= PATH_MAX)
        return;
    DIR *dir = opendir(path);
    struct dirent *entry;
    struct stat st;
    while (dir && (entry = readdir(dir)) != NULL) {
        if (*entry->d_name == '.' || is_alive(runs, entry->d_name) ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISDIR(st.st_mode))
            continue;
        bool older =
            st.st_mtim.tv_sec < oldest_time.tv_sec ||
            (st.st_mtim.tv_sec == oldest_time.tv_sec && st.st_mtim.tv_nsec < oldest_time.tv_nsec);
        if (count++ == 0 || older) {
            snprintf(oldest, sizeof(oldest), "%s", entry->d_name);
            oldest_time = st.st_mtim;
        }
    }
    if (dir)
        closedir(dir);
    if (count >= REEVE_RUN_KEPT_MAX)
        remove_run(runs, oldest);
}

int reeve_run_files_create(struct reeve_node_run *run)
{
    char path[PATH_MAX];
    const char *state = run->runs->options.state_dir;
    if (!state) {
        snprintf(run->text, sizeof(run->text),
            "this node keeps no files (it belongs to one program), so it runs none");
        return REEVE_ESTATE;
    }
    if (snprintf(path, sizeof(path), "%s/runs", state) < PATH_MAX)
        (void)mkdir(path, 0700);
    remove_oldest(run->runs);
    bool good = path_of(run->runs, run->id, "", path) && mkdir(path, 0700) == 0;
    for (int i = 0; good && i < 2; i++) {
        good = path_of(run->runs, run->id, stream_names[i], path);
        if (good)
            run->streams[i].file =
                open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
        good = good && run->streams[i].file >= 0;
    }
    if (good)
        return REEVE_OK;
    snprintf(run->text, sizeof(run->text), "%.150s cannot be written on the node: %s", path,
        strerror(errno));
    return REEVE_ESTATE;
}

void reeve_run_files_write(struct reeve_node_stream *stream, const void *bytes, size_t size)
{
    size_t room =
        stream->size < REEVE_RUN_OUTPUT_MAX ? (size_t)(REEVE_RUN_OUTPUT_MAX - stream->size) : 0;
    size_t kept = 0, wanted = size < room ? size : room;
    if (stream->dropped > 0)
        wanted = 0; /* no gaps: what follows something lost is lost */
    while (kept < wanted) {
        ssize_t count = write(stream->file, (const char *)bytes + kept, wanted - kept);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            break; /* disk full */
        kept += (size_t)count;
    }
    stream->size += (int64_t)kept;
    stream->dropped += (int64_t)(size - kept);
}

void reeve_run_files_finish(struct reeve_node_run *run)
{
    for (int i = 0; i < 2; i++) {
        struct reeve_node_stream *stream = &run->streams[i];
        if (stream->file < 0)
            continue;
        if (stream->dropped > 0)
            dprintf(stream->file, "\n[reeve: %lld bytes more were not kept]\n",
                (long long)stream->dropped);
        close(stream->file);
        stream->file = -1;
    }
}

void reeve_run_files_status(const struct reeve_node_run *run)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    json_t *status = reeve_run_describe(run);
    if (!path_of(run->runs, run->id, "status.json", path) ||
        !path_of(run->runs, run->id, "status.json.new", fresh) ||
        json_dump_file(status, fresh, JSON_INDENT(2)) < 0 || rename(fresh, path) < 0)
        reeve_log(REEVE_LOG_WARN, "REEVE-RUN-NOT-KEPT", "run=%s why=%s", run->id, strerror(errno));
    json_decref(status);
}

json_t *reeve_run_files_load(const struct reeve_runs *runs, const char *id)
{
    char path[PATH_MAX];
    return path_of(runs, id, "status.json", path) ? json_load_file(path, 0, NULL) : NULL;
}

long reeve_run_files_read(const struct reeve_runs *runs, const char *id, int stream,
    int64_t *offset, void *out, size_t size)
{
    char path[PATH_MAX];
    if (!path_of(runs, id, stream_names[stream], path))
        return REEVE_ESYSTEM;
    return reeve_file_piece(path, offset, out, size);
}
