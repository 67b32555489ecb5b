/* A tree of names. See names.h. */
#include "names.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *need(void *memory)
{
    if (!memory) {
        fputs("pipeline: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

void names_add(struct names *names, const char *text, size_t size)
{
    struct name *name = need(malloc(sizeof *name + size + 1));
    name->count = 0;
    memcpy(name->text, text, size);
    name->text[size] = '\0';
    struct name *found = *(struct name **)need(tsearch(name, &names->root, by_text));
    if (found == name)
        names->different++;
    else
        free(name);
    found->count++;
    names->all++;
}

struct comparison {
    const struct names *with;
    bool equal;
};

static void compare(const void *node, VISIT visit, void *closure)
{
    struct comparison *comparison = closure;
    if (visit != postorder && visit != leaf)
        return;
    const struct name *mine = *(struct name *const *)node;
    struct name *const *found = tfind(mine, &comparison->with->root, by_text);
    if (!found || (*found)->count != mine->count)
        comparison->equal = false;
}

bool names_equal(const struct names *a, const struct names *b)
{
    struct comparison comparison = {b, a->different == b->different && a->all == b->all};
    twalk_r(a->root, compare, &comparison);
    return comparison.equal;
}

struct list {
    const struct name **items;
    size_t count;
};

static void collect(const void *node, VISIT visit, void *closure)
{
    struct list *list = closure;
    if (visit == postorder || visit == leaf)
        list->items[list->count++] = *(struct name *const *)node;
}

static int by_count(const void *a, const void *b)
{
    const struct name *left = *(struct name *const *)a, *right = *(struct name *const *)b;
    if (left->count != right->count)
        return left->count < right->count ? 1 : -1;
    return by_text(left, right);
}

size_t names_top(const struct names *names, const struct name **ret, size_t top)
{
    struct list list = {need(calloc(names->different + 1, sizeof(void *))), 0};
    twalk_r(names->root, collect, &list);
    qsort(list.items, list.count, sizeof(void *), by_count);
    size_t count = list.count < top ? list.count : top;
    memcpy(ret, list.items, count * sizeof(void *));
    free(list.items);
    return count;
}

void names_free(struct names *names)
{
    tdestroy(names->root, free);
}
