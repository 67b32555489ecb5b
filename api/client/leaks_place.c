/* Places in the program: noted as return addresses, which is quick, and named when somebody asks.
 *
 * fn_remote and its like are functions that the macros make, so no macro stands where the program
 * calls; and they may or may not have been inlined there. So a place is a few frames, and the one
 * that counts is the first which is not in a function that the macros have made. addr2line knows
 * both frames and what was inlined into them:
 *
 *     0x0000000000001234              -a: of this address
 *     square_remote_opts              -f, -i: inlined into the next, innermost first
 *     /home/me/squares.c:6
 *     square_remote
 *     /home/me/squares.c:6
 *     main                            ◀── this one
 *     /home/me/squares.c:20 (discriminator 3)
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/client/leaks.h"
#include "runtime/base/macros.h"

#define DEPTH_MAX 32    /* frames of the library, and then the program's */
#define SAID_MAX  8192u /* bytes of what addr2line says */
#define PATH_SIZE 4096u

extern char **environ;

/* ---- noting ---------------------------------------------------------------------------------- */

static struct {
    uintptr_t begin, end; /* the code of this library */
} ours;

static int ours_find(struct dl_phdr_info *info, size_t size, void *arg)
{
    uintptr_t here = (uintptr_t)ours_find, low = UINTPTR_MAX, high = 0;
    bool contains = false;
    (void)size;
    (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + header->p_vaddr;
        if (header->p_type != PT_LOAD)
            continue;
        low = REEVE_MIN(low, begin);
        high = REEVE_MAX(high, begin + header->p_memsz);
        contains |= here >= begin && here < begin + header->p_memsz;
    }
    /* linked into the program itself, it cannot be told from it */
    if (!contains || info->dlpi_name == NULL || info->dlpi_name[0] == '\0')
        return contains;
    ours.begin = low;
    ours.end = high;
    return 1;
}

void reeve_place_init(void)
{
    void *frame;
    (void)dl_iterate_phdr(ours_find, NULL);
    (void)backtrace(&frame, 1); /* the first one loads what it needs */
}

static bool is_ours(const void *frame)
{
    return (uintptr_t)frame >= ours.begin && (uintptr_t)frame < ours.end;
}

struct reeve_place reeve_place_here(void)
{
    struct reeve_place place = {{NULL}};
    void *frames[DEPTH_MAX];
    if (ours.end == 0)
        return place;
    int count = backtrace(frames, DEPTH_MAX), first = 0;
    while (first < count && !is_ours(frames[first])) /* whoever stands before backtrace itself */
        first++;
    while (first < count && is_ours(frames[first]))
        first++;
    for (int i = 0; i < REEVE_PLACE_FRAMES && first + i < count; i++)
        place.frames[i] = frames[first + i];
    return place;
}

int reeve_place_compare(const struct reeve_place *a, const struct reeve_place *b)
{
    for (int i = 0; i < REEVE_PLACE_FRAMES; i++)
        if (a->frames[i] != b->frames[i])
            return (uintptr_t)a->frames[i] < (uintptr_t)b->frames[i] ? -1 : 1;
    return 0;
}

/* ---- naming ---------------------------------------------------------------------------------- */

/* Whether a function of this name was made by the macros: reeve_put_double, square_remote_opts;
 * in C++ they have their parameters with them. */
static bool is_made(const char *name, const char *function)
{
    static const char *const ends[] = {"_remote", "_call", "_create", "_reeve_", "_get", "_next"};
    if (strncmp(name, "reeve_", 6) == 0)
        return true;
    const char *made = strstr(function, "_reeve_"); /* a constructor's name is counter_reeve_new */
    size_t length = made != NULL ? (size_t)(made - function) : strlen(function);
    if (length == 0 || strncmp(name, function, length) != 0)
        return false;
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(ends); i++)
        if (strncmp(name + length, ends[i], strlen(ends[i])) == 0)
            return true;
    return false;
}

static size_t line_length(const char *line)
{
    return strcspn(line, "\n");
}

static const char *line_next(const char *line)
{
    line += line_length(line);
    return *line == '\n' ? line + 1 : line;
}

bool reeve_place_pick(const char *said, const char *function, char *text, size_t size)
{
    char name[512];
    for (const char *at = said; *at != '\0';) {
        if (strncmp(at, "0x", 2) == 0) {
            at = line_next(at);
            continue;
        }
        const char *place = line_next(at);
        snprintf(name, sizeof(name), "%.*s", (int)line_length(at), at);
        size_t length = line_length(place);
        if (length > 0 && place[0] != '?' && !is_made(name, function)) {
            const char *more = memmem(place, length, " (discriminator", 15);
            snprintf(
                text, size, "%.*s", (int)(more != NULL ? (size_t)(more - place) : length), place);
            /* "FILE:?" is a file without lines */
            return text[0] != '\0' && text[strlen(text) - 1] != '?';
        }
        at = line_next(place);
    }
    return false;
}

/* The file that a frame lies in, and where in it. False: not known. */
static bool file_of(void *frame, char *path, size_t size, uintptr_t *ret_offset)
{
    Dl_info info;
    struct link_map *map = NULL;
    /* the byte before: what comes after the call may be another line's */
    uintptr_t address = (uintptr_t)frame - 1;
    if (dladdr1((void *)address, &info, (void **)&map, RTLD_DL_LINKMAP) == 0 || map == NULL)
        return false;
    *ret_offset = address - (uintptr_t)map->l_addr;
    if (map->l_name != NULL && map->l_name[0] != '\0') {
        snprintf(path, size, "%s", map->l_name);
        return true;
    }
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length <= 0)
        return false;
    path[length] = '\0';
    return true;
}

static size_t read_all(int fd, char *bytes, size_t size)
{
    size_t used = 0;
    for (;;) {
        char rest[256];
        bool full = used == size;
        ssize_t count = read(fd, full ? rest : bytes + used, full ? sizeof(rest) : size - used);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return used;
        used += full ? 0 : (size_t)count;
    }
}

/* What addr2line says of the offsets; "" when it cannot be run. */
static void addr2line(char *const *arguments, char *said, size_t size)
{
    int ends[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    said[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0)
        return;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    bool runs = posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (runs) {
        said[read_all(ends[0], said, size - 1)] = '\0';
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    close(ends[0]);
}

void reeve_place_name(
    const struct reeve_place *place, const char *function, char *text, size_t size)
{
    char path[PATH_SIZE] = "", other[PATH_SIZE] = "", offsets[REEVE_PLACE_FRAMES][24],
         said[SAID_MAX];
    char *arguments[5 + REEVE_PLACE_FRAMES] = {"addr2line", "-afiC", "-e", path};
    uintptr_t first = 0, offset;
    size_t count = 0;
    text[0] = '\0';
    while (count < REEVE_PLACE_FRAMES && place->frames[count] != NULL &&
           file_of(place->frames[count], count == 0 ? path : other, PATH_SIZE, &offset) &&
           (count == 0 || strcmp(path, other) == 0)) {
        first = count == 0 ? offset : first;
        snprintf(offsets[count], sizeof(offsets[count]), "%#zx", (size_t)offset);
        arguments[4 + count] = offsets[count];
        count++;
    }
    if (count == 0)
        return;
    addr2line(arguments, said, sizeof(said));
    if (!reeve_place_pick(said, function, text, size)) {
        const char *slash = strrchr(path, '/');
        snprintf(text, size, "%s+%#zx", slash != NULL ? slash + 1 : path, (size_t)first);
    }
}
