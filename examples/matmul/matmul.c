/* A product of two matrices, in blocks that travel as objects.
 *
 *            B0     B1    …                   A is cut into panels of 256 rows, B into panels of
 *          |    | |    |                      256 columns. Each lies in the store once, and is
 *   A0 --- | C00|-| C01|- …    multiply(Ai, Bj) ──> Cij
 *   A1 --- | C10|-| C11|- …                   read there in place by the tasks that need it; each
 *   …                                         block of the result is read in place, too.
 *
 * The same is computed by one process in plain C (plain.c), with the same loops, over memory of its
 * own; the two answers must be equal to the last bit.
 *
 *     matmul [SIZE]     default: 1536 rows and columns
 *
 * Prints (the times are those of your machine):
 *     1536 x 1536, 36 tasks
 *     plain C 1.31 s, tasks 0.69 s: 1.90 times as fast
 *     the answers are equal
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <reeve.h>

#include "plain.h"

#define PANEL      256 /* rows or columns: 512 KiB a block of the result */
#define SIDE_MAX   8192
#define PANELS_MAX (SIDE_MAX / PANEL)

/* ---- the work -------------------------------------------------------------------------------- */

/* The arguments are views: they lie in the store. */
REEVE_REMOTE(reeve_double_matrix, multiply, (reeve_double_matrix, a), (reeve_double_matrix, b))
{
    double *c = reeve_alloc(a.rows * b.columns * sizeof *c);
    if (c == NULL || a.columns != b.rows) {
        reeve_fail(
            1, "no product of %zu x %zu and %zu x %zu", a.rows, a.columns, b.rows, b.columns);
        return (reeve_double_matrix){NULL, 0, 0};
    }
    memset(c, 0, a.rows * b.columns * sizeof *c);
    plain_multiply_panels(a.rows, a.columns, b.columns, a.items, b.items, c);
    return (reeve_double_matrix){c, a.rows, b.columns};
}

/* ---- the program ----------------------------------------------------------------------------- */

struct panel {
    reeve_future_reeve_double_matrix future;
    reeve_double_matrix matrix;
    reeve_view view;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Numbers between -1 and 1, filled in where they are to lie. */
static int panel_make(struct panel *panel, size_t rows, size_t columns, uint64_t *state)
{
    double *items;
    reeve_creation creation;
    int code = reeve_create_reeve_double_matrix(rows, columns, &items, &creation);
    if (code != REEVE_OK)
        return code;
    for (size_t i = 0; i < rows * columns; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        items[i] = (double)(int64_t)*state * 0x1p-63;
    }
    code = reeve_seal_reeve_double_matrix(creation, &panel->future);
    if (code != REEVE_OK)
        return code;
    return reeve_view_reeve_double_matrix(
        panel->future, REEVE_FOREVER, &panel->matrix, &panel->view);
}

static void panel_end(struct panel *panel)
{
    reeve_view_release(panel->view);
    reeve_release(panel->future);
}

static struct panel a[PANELS_MAX], b[PANELS_MAX], c[PANELS_MAX * PANELS_MAX];
static struct plain_panel plain_a[PANELS_MAX], plain_b[PANELS_MAX],
    plain_c[PANELS_MAX * PANELS_MAX];

static struct plain_panel plain_of(const reeve_double_matrix *matrix)
{
    return plain_copy(matrix->items, matrix->rows, matrix->columns);
}

/* All blocks as tasks, to where their results can be read. */
static int multiply_remotely(size_t panels)
{
    int code = REEVE_OK;
    for (size_t i = 0; i < panels * panels; i++)
        c[i].future = reeve_call(multiply, a[i / panels].future, b[i % panels].future);
    for (size_t i = 0; i < panels * panels && code == REEVE_OK; i++)
        code = reeve_view_reeve_double_matrix(c[i].future, REEVE_FOREVER, &c[i].matrix, &c[i].view);
    return code;
}

static int run(size_t size)
{
    size_t panels = (size + PANEL - 1) / PANEL, wrong = 0;
    uint64_t state = 1;
    int code = REEVE_OK;
    for (size_t i = 0; i < panels; i++) {
        size_t width = size - i * PANEL < PANEL ? size - i * PANEL : PANEL;
        code = panel_make(&a[i], width, size, &state);
        if (code == REEVE_OK)
            code = panel_make(&b[i], size, width, &state);
        if (code != REEVE_OK)
            return code;
        plain_a[i] = plain_of(&a[i].matrix);
        plain_b[i] = plain_of(&b[i].matrix);
        if (plain_a[i].items == NULL || plain_b[i].items == NULL)
            return REEVE_ENOMEM;
    }
    printf("%zu x %zu, %zu tasks\n", size, size, panels * panels);
    double begin = now_s();
    if (plain_multiply(plain_a, plain_b, panels, plain_c) != 0)
        return REEVE_ENOMEM;
    double middle = now_s();
    code = multiply_remotely(panels);
    double end = now_s();
    if (code != REEVE_OK)
        return code;
    printf("plain C %.2f s, tasks %.2f s: %.2f times as fast\n", middle - begin, end - middle,
        (middle - begin) / (end - middle));
    for (size_t i = 0; i < panels * panels; i++) {
        size_t bytes = c[i].matrix.rows * c[i].matrix.columns * sizeof(double);
        wrong += memcmp(c[i].matrix.items, plain_c[i].items, bytes) != 0;
        plain_end(&plain_c[i]);
        panel_end(&c[i]);
    }
    for (size_t i = 0; i < panels; i++) {
        panel_end(&a[i]);
        panel_end(&b[i]);
        plain_end(&plain_a[i]);
        plain_end(&plain_b[i]);
    }
    printf(wrong == 0 ? "the answers are equal\n" : "%zu blocks differ\n", wrong);
    return wrong == 0 ? REEVE_OK : 1;
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    char *end = "";
    unsigned long size = argc > 1 ? strtoul(argv[1], &end, 10) : 1536;
    if (*end != '\0' || size < 1 || size > SIDE_MAX) {
        fprintf(
            stderr, "matmul: SIZE is \"%s\": expected a number from 1 to %d\n", argv[1], SIDE_MAX);
        return 2;
    }
    int code = run(size);
    if (code < 0)
        reeve_perror("matmul");
    reeve_shutdown();
    return code == REEVE_OK ? 0 : 1;
}
