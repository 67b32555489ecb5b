/* The loops, in plain C, and the whole product by one process with them, to compare with: over
 * memory of its own, and nothing of the library. */
#ifndef MATMUL_PLAIN_H
#define MATMUL_PLAIN_H

#include <stddef.h>

/* A panel in memory of its own: plain_end frees it. */
struct plain_panel {
    double *items;
    size_t rows, columns;
};

/* A copy of what is at `items`; items NULL: there is no memory. */
struct plain_panel plain_copy(const double *items, size_t rows, size_t columns);
void plain_end(struct plain_panel *panel);

/* The product of rows x depth and depth x columns, added to what is in c. */
void plain_multiply_panels(size_t rows, size_t depth, size_t columns, const double *restrict a,
    const double *restrict b, double *restrict c);

/* All blocks of the product of the panels of two matrices, in fresh memory: c[i * panels + j] is
 * that of a[i] and b[j]. 0, or -1: there is no memory. */
int plain_multiply(
    const struct plain_panel *a, const struct plain_panel *b, size_t panels, struct plain_panel *c);

#endif
