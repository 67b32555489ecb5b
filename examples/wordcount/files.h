/* The files of a folder, and their text in chunks. */
#ifndef WORDCOUNT_FILES_H
#define WORDCOUNT_FILES_H

#include <stddef.h>
#include <stdint.h>

struct files {
    char **paths; /* sorted */
    size_t count;
    uint64_t size_bytes; /* of all */
};

/* All regular files below a folder (symbolic links are not followed). Reads each once, so that
 * the time of what comes later is not that of the disk. Returns 0, or -1 with errno. */
int files_list(struct files *files, const char *folder);
void files_free(struct files *files);

/* Walks through the text of all files, `repeat` times, in chunks that end between files. */
struct reader {
    const struct files *files;
    unsigned repeat;
    size_t chunk_bytes;
    size_t at; /* next file, counted through all repeats */
    char *text;
    size_t size, capacity;
};

void reader_init(
    struct reader *reader, const struct files *files, unsigned repeat, size_t chunk_bytes);
void reader_fini(struct reader *reader);
/* The next chunk is in text and size, until the next call. Returns 0 at the end. */
int reader_next(struct reader *reader);

#endif
