/* A table of words: open addressing over hashes, the letters in one growing block. */
#include "table.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_START UINT64_C(0xcbf29ce484222325) /* FNV-1a */
#define HASH_PRIME UINT64_C(0x100000001b3)
#define WORD_MAX   256

static void *need(void *memory)
{
    if (!memory) {
        fputs("wordcount: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

void table_init(struct table *table)
{
    memset(table, 0, sizeof *table);
    table->capacity = 1024;
    table->words = need(calloc(table->capacity, sizeof *table->words));
}

void table_fini(struct table *table)
{
    free(table->words);
    free(table->letters);
    memset(table, 0, sizeof *table);
}

static void grow(struct table *table)
{
    struct word *old = table->words;
    size_t old_capacity = table->capacity;
    table->capacity *= 2;
    table->words = need(calloc(table->capacity, sizeof *table->words));
    for (size_t i = 0; i < old_capacity; i++) {
        if (!old[i].count)
            continue;
        size_t at = old[i].hash & (table->capacity - 1);
        while (table->words[at].count)
            at = (at + 1) & (table->capacity - 1);
        table->words[at] = old[i];
    }
    free(old);
}

static size_t keep_letters(struct table *table, const char *letters, size_t size)
{
    if (table->letters_size + size > table->letters_capacity) {
        table->letters_capacity = 2 * table->letters_capacity + size + 4096;
        table->letters = need(realloc(table->letters, table->letters_capacity));
    }
    size_t at = table->letters_size;
    memcpy(table->letters + at, letters, size);
    table->letters_size += size;
    return at;
}

static void add_hashed(
    struct table *table, const char *letters, size_t size, uint64_t hash, uint64_t count)
{
    size_t at = hash & (table->capacity - 1);
    for (; table->words[at].count; at = (at + 1) & (table->capacity - 1)) {
        struct word *word = &table->words[at];
        if (word->hash == hash && word->size == size &&
            memcmp(table->letters + word->at, letters, size) == 0) {
            word->count += count;
            return;
        }
    }
    table->words[at] =
        (struct word){hash, count, keep_letters(table, letters, size), (uint32_t)size};
    if (++table->used * 2 > table->capacity)
        grow(table);
}

void table_add(struct table *table, const char *letters, size_t size, uint64_t count)
{
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)letters[i]) * HASH_PRIME;
    add_hashed(table, letters, size, hash, count);
}

void table_count_text(struct table *table, const char *text, size_t size)
{
    char word[WORD_MAX];
    size_t length = 0;
    uint64_t hash = HASH_START;
    for (size_t i = 0; i <= size; i++) {
        char c = i < size ? text[i] : ' ';
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        bool part = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        if (part && length < WORD_MAX) { /* a longer one is counted in pieces */
            word[length++] = c;
            hash = (hash ^ (uint8_t)c) * HASH_PRIME;
            continue;
        }
        if (length)
            add_hashed(table, word, length, hash, 1);
        length = 0;
        hash = HASH_START;
        if (part) {
            word[length++] = c;
            hash = (hash ^ (uint8_t)c) * HASH_PRIME;
        }
    }
}

/* ---- looking at it --------------------------------------------------------------------------- */

static const char *sorting; /* letters of the table being sorted: qsort passes nothing on */

static int compare_words(const struct word *a, const struct word *b)
{
    size_t shorter = a->size < b->size ? a->size : b->size;
    int order = memcmp(sorting + a->at, sorting + b->at, shorter);
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

static int by_word(const void *a, const void *b)
{
    return compare_words(*(const struct word *const *)a, *(const struct word *const *)b);
}

static int by_count(const void *a, const void *b)
{
    const struct word *x = *(const struct word *const *)a, *y = *(const struct word *const *)b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count)
                                : compare_words(x, y);
}

static const struct word **sorted(
    const struct table *table, int (*order)(const void *, const void *))
{
    const struct word **words = need(malloc((table->used + 1) * sizeof(*words)));
    size_t count = 0;
    for (size_t i = 0; i < table->capacity; i++)
        if (table->words[i].count)
            words[count++] = &table->words[i];
    sorting = table->letters;
    qsort(words, count, sizeof *words, order);
    return words;
}

const struct word **table_by_word(const struct table *table)
{
    return sorted(table, by_word);
}

const struct word **table_by_count(const struct table *table)
{
    return sorted(table, by_count);
}

uint64_t table_checksum(const struct table *table)
{
    const struct word **words = table_by_word(table);
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < table->used; i++) {
        for (size_t j = 0; j < words[i]->size; j++)
            hash = (hash ^ (uint8_t)table->letters[words[i]->at + j]) * HASH_PRIME;
        for (unsigned shift = 0; shift < 64; shift += 8)
            hash = (hash ^ (uint8_t)(words[i]->count >> shift)) * HASH_PRIME;
    }
    free(words);
    return hash;
}

uint64_t table_total(const struct table *table)
{
    uint64_t total = 0;
    for (size_t i = 0; i < table->capacity; i++)
        total += table->words[i].count;
    return total;
}
