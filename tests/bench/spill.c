/* Rows of the object store's disk: what the node daemon does to write values of 1 MiB and to read
 * them back, against a plain loop over a file of the same folder.
 *
 *     both sides   write 1 MiB, start its writeback, wait for that of the one before; wait for all
 *                  then the file's pages are dropped from the page cache
 *                  read 1 MiB after the other, 8 to 16 MiB of read-ahead
 *
 * Ours also takes the bytes from shared memory, hashes them and puts them back there; so it can use
 * a second core, which the plain loop cannot. REEVE_SPILL names the folder, else it is /var/tmp. */
#include <fcntl.h>
#include <reeve.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/node/shell_spill.h"
#include "tests/bench/bench.h"

#define MIB    (1u << 20)
#define COUNT  256u /* values of 1 MiB */
#define WINDOW 32u  /* under way, as in the store */
#define AHEAD  (8 * (off_t)MIB)
#define ROUNDS 5

struct run {
    struct reeve_spill *spill;
    uint64_t checksums[COUNT];
    uint32_t started, ended;
    bool writing, failed;
};

static void start_next(struct run *run)
{
    struct reeve_store_command command = {
        .kind = run->writing ? REEVE_STORE_SPILL_WRITE : REEVE_STORE_SPILL_READ,
        .request = run->started,
        .segment = 1,
        .offset = (uint64_t)run->started * MIB,
        .length = MIB,
        .file = 1,
        .place = (uint64_t)run->started * MIB,
        .number = run->checksums[run->started]};
    run->started++;
    reeve_spill_command(run->spill, &command);
}

static void done(void *arg, const struct reeve_store_event *event)
{
    struct run *run = arg;
    run->ended++;
    run->failed |= event->code != REEVE_OK;
    if (run->writing)
        run->checksums[event->request] = event->number;
    if (run->started < COUNT)
        start_next(run);
}

/* Seconds for all. */
static double ours(struct run *run, uv_loop_t *loop, bool writing)
{
    run->writing = writing;
    run->started = run->ended = 0;
    double begin = bench_now_s();
    while (run->started < WINDOW)
        start_next(run);
    while (run->ended < COUNT)
        uv_run(loop, UV_RUN_ONCE);
    return bench_now_s() - begin;
}

static double plain_write(int fd, const uint8_t *bytes, bool *failed)
{
    unsigned all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    double begin = bench_now_s();
    for (off_t at = 0; at < (off_t)COUNT * MIB; at += MIB) {
        *failed |= pwrite(fd, bytes + at, MIB, at) != MIB;
        (void)sync_file_range(fd, at, MIB, SYNC_FILE_RANGE_WRITE);
        if (at > 0)
            (void)sync_file_range(fd, at - MIB, MIB, all);
    }
    *failed |= sync_file_range(fd, 0, (off_t)COUNT * MIB, all) != 0;
    return bench_now_s() - begin;
}

static double plain_read(int fd, uint8_t *buffer, bool *failed)
{
    double begin = bench_now_s();
    for (off_t at = 0; at < (off_t)COUNT * MIB; at += MIB) {
        if (at % AHEAD == 0)
            (void)posix_fadvise(fd, at, 2 * AHEAD, POSIX_FADV_WILLNEED);
        *failed |= pread(fd, buffer, MIB, at) != MIB;
    }
    return bench_now_s() - begin;
}

/* Of every file of this process that has no name. */
static void drop_pages(void)
{
    for (int fd = 3; fd < 256; fd++) {
        char path[32], target[512];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof(target) - 1);
        target[length < 0 ? 0 : length] = 0;
        if (strstr(target, "(deleted)") != NULL && strncmp(target, "/memfd:", 7) != 0) {
            (void)fdatasync(fd);
            (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        }
    }
}

struct times {
    double write[ROUNDS], read[ROUNDS], plain_write[ROUNDS], plain_read[ROUNDS];
};

/* In turns, so that both see the same disk. */
static bool round_of(const char *folder, struct reeve_segments *segments, uint8_t *bytes,
    struct times *times, int round)
{
    uv_loop_t loop;
    struct run *run = calloc(1, sizeof(*run));
    struct reeve_spill_settings settings = {.loop = &loop,
        .segments = segments,
        .folders = &folder,
        .folder_count = 1,
        .done = done,
        .arg = run};
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (run == NULL || fd < 0 || uv_loop_init(&loop) != 0 ||
        reeve_spill_create(&settings, &run->spill) != REEVE_OK) {
        free(run);
        return false;
    }
    times->plain_write[round] = plain_write(fd, bytes, &run->failed);
    times->write[round] = ours(run, &loop, true);
    drop_pages();
    times->plain_read[round] = plain_read(fd, bytes, &run->failed);
    times->read[round] = ours(run, &loop, false);
    close(fd);
    bool good = !run->failed;
    reeve_spill_free(run->spill);
    (void)uv_loop_close(&loop);
    free(run);
    return good;
}

static double rate(double *times)
{
    return (double)COUNT * MIB / bench_percentile(times, ROUNDS, 0.5) / 1e9;
}

void bench_spill(struct bench *bench)
{
    if (!bench_wanted(bench, "spill_write") && !bench_wanted(bench, "spill_read"))
        return;
    const char *folder = getenv("REEVE_SPILL");
    if (folder == NULL || *folder == 0 || strchr(folder, ':') != NULL)
        folder = "/var/tmp";
    struct reeve_segments *segments = reeve_segments_create();
    uint8_t *bytes = malloc((size_t)COUNT * MIB);
    struct times *times = calloc(1, sizeof(*times));
    bool good = segments != NULL && bytes != NULL && times != NULL &&
                reeve_segments_add(segments, 1, (uint64_t)COUNT * MIB) == REEVE_OK;
    for (size_t i = 0; good && i < (size_t)COUNT * MIB; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    good = good && reeve_segments_write(segments, 1, 0, bytes, (uint64_t)COUNT * MIB) == REEVE_OK;
    for (int round = 0; good && round < ROUNDS; round++)
        good = round_of(folder, segments, bytes, times, round);
    if (good) {
        bench_say(bench, "spill_write", rate(times->write), "GB/s", rate(times->plain_write));
        bench_say(bench, "spill_read", rate(times->read), "GB/s", rate(times->plain_read));
    } else {
        bench_wrong(bench, "spill_write", "the disk, or its folder, cannot be used");
    }
    free(times);
    free(bytes);
    reeve_segments_free(segments);
}
