/* See plain.h. */
#include "plain.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH 64 /* of b at a time: what is used for every row stays in the cache */

struct plain_panel plain_copy(const double *items, size_t rows, size_t columns)
{
    struct plain_panel panel = {malloc(rows * columns * sizeof *items), rows, columns};
    if (panel.items != NULL)
        memcpy(panel.items, items, rows * columns * sizeof *items);
    return panel;
}

void plain_end(struct plain_panel *panel)
{
    free(panel->items);
    panel->items = NULL;
}

void plain_multiply_panels(size_t rows, size_t depth, size_t columns, const double *restrict a,
    const double *restrict b, double *restrict c)
{
    for (size_t first = 0; first < depth; first += DEPTH) {
        size_t end = first + DEPTH < depth ? first + DEPTH : depth;
        for (size_t row = 0; row < rows; row++) {
            double *restrict out = c + row * columns;
            for (size_t k = first; k < end; k++) {
                double factor = a[row * depth + k];
                const double *restrict in = b + k * columns;
                for (size_t column = 0; column < columns; column++)
                    out[column] += factor * in[column];
            }
        }
    }
}

int plain_multiply(
    const struct plain_panel *a, const struct plain_panel *b, size_t panels, struct plain_panel *c)
{
    for (size_t i = 0; i < panels * panels; i++) {
        const struct plain_panel *left = &a[i / panels], *right = &b[i % panels];
        c[i] = (struct plain_panel){
            calloc(left->rows * right->columns, sizeof *c[i].items), left->rows, right->columns};
        if (c[i].items == NULL)
            return -1;
        plain_multiply_panels(
            left->rows, left->columns, right->columns, left->items, right->items, c[i].items);
    }
    return 0;
}
