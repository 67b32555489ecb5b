/*
 * A driver for fuzz targets where libFuzzer is not at hand (gcc, continuous integration).
 *
 *     target [-runs=N] [-seed=S] [-max_len=BYTES] [FILE|FOLDER]...
 *
 * First every file given, and every file in a folder given, is fed to the target as it is. Then N
 * inputs made from them by random edits follow. The generator is seeded by S alone, so a run
 * repeats exactly. When the target crashes, the input at fault is written to ./crash-input by a
 * signal handler, and can be given as a FILE. The options are those of libFuzzer; others that begin
 * with a dash are ignored.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    uint8_t *data;
    size_t size;
};

static struct input *corpus;
static size_t corpus_count;
static size_t max_len = 4096;
static uint64_t random_state;

static const uint8_t *volatile current_data;
static volatile size_t current_size;

static uint64_t random_next(void) /* splitmix64 */
{
    uint64_t z = (random_state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static size_t random_below(size_t bound)
{
    return bound == 0 ? 0 : (size_t)(random_next() % bound);
}

static void *must_realloc(void *old, size_t size)
{
    void *p = realloc(old, size == 0 ? 1 : size);
    if (p == NULL) {
        fprintf(stderr, "fuzz driver: out of memory\n");
        exit(2);
    }
    return p;
}

static void on_crash(int signal_number)
{
    int fd = open("crash-input", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd >= 0) {
        ssize_t written = write(fd, current_data, current_size);
        static const char note[] = "fuzz driver: the input at fault is in ./crash-input\n";
        written = write(STDERR_FILENO, note, sizeof(note) - 1);
        (void)written;
        close(fd);
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* Each input is given in a block of exactly its size, so that a sanitizer sees a read past its
 * end. */
static void feed(const uint8_t *data, size_t size)
{
    uint8_t *copy = must_realloc(NULL, size);
    if (size > 0)
        memcpy(copy, data, size);
    current_data = copy;
    current_size = size;
    LLVMFuzzerTestOneInput(copy, size);
    current_size = 0;
    free(copy);
}

static void corpus_add(uint8_t *data, size_t size)
{
    corpus = must_realloc(corpus, (corpus_count + 1) * sizeof(*corpus));
    corpus[corpus_count++] = (struct input){data, size};
}

static void load_file(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        fprintf(stderr, "fuzz driver: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    uint8_t *data = NULL;
    size_t size = 0, got = 0;
    do {
        data = must_realloc(data, size + 65536);
        got = fread(data + size, 1, 65536, file);
        size += got;
    } while (got > 0);
    fclose(file);
    corpus_add(data, size);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void load(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        struct dirent **names = NULL;
        int count = scandir(path, &names, is_visible, alphasort);
        for (int i = 0; i < count; i++) {
            char inner[4096];
            int length = snprintf(inner, sizeof(inner), "%s/%s", path, names[i]->d_name);
            if (length > 0 && (size_t)length < sizeof(inner))
                load(inner);
            free(names[i]);
        }
        free(names);
        return;
    }
    load_file(path);
}

/* One random edit in place; returns the new size. The buffer has room for max_len bytes. */
static size_t edit(uint8_t *data, size_t size)
{
    static const uint64_t edges[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
        0x80000000, 0xffffffff, INT64_MAX, UINT64_MAX};
    size_t at = random_below(size);
    switch (random_below(8)) {
    case 0: /* flip a bit */
        if (size > 0)
            data[at] ^= (uint8_t)(1u << random_below(8));
        return size;
    case 1: /* set a byte */
        if (size > 0)
            data[at] = (uint8_t)random_next();
        return size;
    case 2: { /* write an edge value of 1, 2, 4 or 8 bytes */
        size_t width = (size_t)1 << random_below(4);
        uint64_t value = edges[random_below(sizeof(edges) / sizeof(edges[0]))];
        if (at + width <= size)
            memcpy(data + at, &value, width);
        return size;
    }
    case 3: /* cut the end off */ return at;
    case 4: { /* insert random bytes */
        size_t count = 1 + random_below(8);
        if (size + count > max_len)
            return size;
        memmove(data + at + count, data + at, size - at);
        for (size_t i = 0; i < count; i++)
            data[at + i] = (uint8_t)random_next();
        return size + count;
    }
    case 5: { /* remove bytes */
        size_t count = random_below(size - at + 1);
        memmove(data + at, data + at + count, size - at - count);
        return size - count;
    }
    case 6: { /* repeat a part */
        size_t count = random_below(size - at + 1);
        if (size + count > max_len)
            return size;
        memmove(data + at + count, data + at, size - at);
        return size + count;
    }
    default: { /* overwrite with a part of another input */
        if (corpus_count == 0)
            return size;
        const struct input *other = &corpus[random_below(corpus_count)];
        size_t from = random_below(other->size);
        size_t count = random_below(other->size - from + 1);
        if (count > max_len - at)
            count = max_len - at;
        if (count == 0)
            return size;
        memcpy(data + at, other->data + from, count);
        return at + count > size ? at + count : size;
    }
    }
}

int main(int argc, char **argv)
{
    unsigned long long runs = 0;
    random_state = 1;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-runs=", 6) == 0)
            runs = strtoull(argv[i] + 6, NULL, 10);
        else if (strncmp(argv[i], "-seed=", 6) == 0)
            random_state = strtoull(argv[i] + 6, NULL, 10);
        else if (strncmp(argv[i], "-max_len=", 9) == 0)
            max_len = (size_t)strtoull(argv[i] + 9, NULL, 10);
        else if (argv[i][0] != '-')
            load(argv[i]);
    }
    for (size_t i = 0; i < corpus_count; i++)
        if (corpus[i].size > max_len)
            max_len = corpus[i].size;

    static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        signal(crashes[i], on_crash);

    feed((const uint8_t *)"", 0);
    for (size_t i = 0; i < corpus_count; i++)
        feed(corpus[i].data, corpus[i].size);

    uint8_t *data = must_realloc(NULL, max_len);
    for (unsigned long long run = 0; run < runs; run++) {
        size_t size = 0;
        if (corpus_count > 0) {
            const struct input *base = &corpus[random_below(corpus_count)];
            size = base->size;
            if (size > 0)
                memcpy(data, base->data, size);
        }
        for (size_t edits = 1 + random_below(6); edits > 0; edits--)
            size = edit(data, size);
        feed(data, size);
    }
    printf("%zu files, %llu mutations\n", corpus_count, runs);

    free(data);
    for (size_t i = 0; i < corpus_count; i++)
        free(corpus[i].data);
    free(corpus);
    return 0;
}
