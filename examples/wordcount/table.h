/* A table of words and how often each occurred. */
#ifndef WORDCOUNT_TABLE_H
#define WORDCOUNT_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct word {
    uint64_t hash;
    uint64_t count;
    size_t at; /* where its letters lie in table.letters */
    uint32_t size;
};

struct table {
    struct word *words; /* open addressing; count 0 is a free place */
    size_t capacity;    /* a power of two */
    size_t used;
    char *letters;
    size_t letters_size, letters_capacity;
};

void table_init(struct table *table);
void table_fini(struct table *table);

/* Ends the program when there is no memory: this is an example. */
void table_add(struct table *table, const char *letters, size_t size, uint64_t count);

/* Splits text into words (letters, digits, underscore; folded to lower case) and counts them. */
void table_count_text(struct table *table, const char *text, size_t size);

/* The words in use, sorted, as one array of table->used pointers; to be freed. */
const struct word **table_by_word(const struct table *table);
const struct word **table_by_count(
    const struct table *table); /* most frequent first; ties by word */

/* Over every word and its count, in the order of the words. */
uint64_t table_checksum(const struct table *table);
uint64_t table_total(const struct table *table);

#endif
