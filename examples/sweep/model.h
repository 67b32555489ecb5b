/* A small neural network, two spirals for it to tell apart, and one way to train it. Nothing here
 * knows of tasks. */
#ifndef SWEEP_MODEL_H
#define SWEEP_MODEL_H

#include <stddef.h>
#include <stdint.h>

#define HIDDEN_MAX 64

/* Two inputs, one layer of `hidden` units with tanh, one output: on which spiral a point lies. */
struct network {
    int hidden;
    double in[HIDDEN_MAX][3]; /* weights of x and y, and the bias */
    double out[HIDDEN_MAX + 1];
};

struct point {
    double x, y;
    double spiral; /* 0 or 1 */
};

/* Points on two spirals, one inside the other, each off its place by some noise. The same for the
 * same seed. */
void spirals(struct point *points, size_t count, uint64_t seed);

void network_init(struct network *network, int hidden, uint64_t *random);

/* Goes once through all points, in an order of its own, `batch` at a time. `speed` is what momentum
 * keeps between calls: zeroed before the first. Returns the mean loss, which is not finite when
 * training has blown up. */
double network_train(struct network *network, struct network *speed, const struct point *points,
    size_t count, size_t batch, double rate, double momentum, uint64_t *random);

/* The part of the points, 0 to 1, that it puts on the right spiral. */
double network_accuracy(const struct network *network, const struct point *points, size_t count);

/* A random number from 0 to 1 (splitmix64). */
double random_unit(uint64_t *random);

#endif
