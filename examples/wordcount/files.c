/* The files of a folder, and their text in chunks. See files.h. */
#define _XOPEN_SOURCE 700
#include "files.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct files *listing; /* nftw passes nothing on */
static size_t listing_capacity;

static void *need(void *memory)
{
    if (!memory) {
        fputs("wordcount: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static int visit(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)where;
    if (kind != FTW_F || !S_ISREG(status->st_mode))
        return 0;
    if (listing->count == listing_capacity) {
        listing_capacity = 2 * listing_capacity + 256;
        listing->paths = need(realloc(listing->paths, listing_capacity * sizeof(char *)));
    }
    listing->paths[listing->count++] = need(strdup(path));
    return 0;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Appends a file to a block that grows. What cannot be read counts as empty. */
static void append_file(const char *path, char **text, size_t *size, size_t *capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    for (;;) {
        if (*capacity - *size < 65536) {
            *capacity = 2 * *capacity + 65536;
            *text = need(realloc(*text, *capacity));
        }
        ssize_t got = read(fd, *text + *size, *capacity - *size);
        if (got <= 0)
            break;
        *size += (size_t)got;
    }
    close(fd);
}

int files_list(struct files *files, const char *folder)
{
    memset(files, 0, sizeof *files);
    listing = files;
    listing_capacity = 0;
    if (nftw(folder, visit, 32, FTW_PHYS) != 0)
        return -1;
    qsort(files->paths, files->count, sizeof(char *), by_path);
    char *text = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < files->count; i++) {
        size_t size = 0;
        append_file(files->paths[i], &text, &size, &capacity);
        files->size_bytes += size;
    }
    free(text);
    return 0;
}

void files_free(struct files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->paths[i]);
    free(files->paths);
    memset(files, 0, sizeof *files);
}

void reader_init(
    struct reader *reader, const struct files *files, unsigned repeat, size_t chunk_bytes)
{
    *reader = (struct reader){.files = files, .repeat = repeat, .chunk_bytes = chunk_bytes};
}

void reader_fini(struct reader *reader)
{
    free(reader->text);
}

int reader_next(struct reader *reader)
{
    reader->size = 0;
    size_t all = reader->files->count * reader->repeat;
    while (reader->at < all && reader->size < reader->chunk_bytes) {
        size_t before = reader->size;
        append_file(reader->files->paths[reader->at++ % reader->files->count], &reader->text,
            &reader->size, &reader->capacity);
        if (reader->size >
            before) /* words do not run on into the next file; append_file left room */
            reader->text[reader->size++] = '\n';
    }
    return reader->size > 0;
}
