/* How often each name was seen. */
#ifndef PIPELINE_NAMES_H
#define PIPELINE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct name {
    uint64_t count;
    char text[];
};

struct names {
    void *root; /* of a tree; see tsearch(3) */
    size_t different;
    uint64_t all;
};

void names_add(struct names *names, const char *text, size_t size);
bool names_equal(const struct names *a, const struct names *b);

/* The `top` most frequent, those first; at most as many as there are. Returns how many. */
size_t names_top(const struct names *names, const struct name **ret, size_t top);

void names_free(struct names *names);

#endif
