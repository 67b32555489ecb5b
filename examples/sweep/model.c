/* Forwards, backwards, and one step down the slope. See model.h. */
#include "model.h"

#include <math.h>
#include <string.h>

double random_unit(uint64_t *random)
{
    uint64_t x = *random += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return (double)((x ^ x >> 31) >> 11) * 0x1p-53;
}

static double random_normal(uint64_t *random)
{
    double radius = sqrt(-2 * log(1 - random_unit(random)));
    return radius * cos(2 * M_PI * random_unit(random));
}

void spirals(struct point *points, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        double along = sqrt(random_unit(&seed)), spiral = (double)(i % 2);
        double angle = 2 * 2 * M_PI * along + M_PI * spiral;
        points[i] = (struct point){along * cos(angle) + 0.01 * random_normal(&seed),
            along * sin(angle) + 0.01 * random_normal(&seed), spiral};
    }
}

void network_init(struct network *network, int hidden, uint64_t *random)
{
    memset(network, 0, sizeof *network);
    network->hidden = hidden;
    for (int i = 0; i < hidden; i++) {
        for (int j = 0; j < 3; j++)
            network->in[i][j] = random_normal(random);
        network->out[i] = random_normal(random) / sqrt(hidden);
    }
}

/* How sure it is that the point lies on spiral 1; active[i] is what hidden unit i says. */
static double forward(const struct network *network, const struct point *point, double *active)
{
    double sum = network->out[network->hidden];
    for (int i = 0; i < network->hidden; i++) {
        const double *in = network->in[i];
        active[i] = tanh(in[0] * point->x + in[1] * point->y + in[2]);
        sum += network->out[i] * active[i];
    }
    return 1 / (1 + exp(-sum));
}

/* Adds the slope of one point's loss. Returns the loss. */
static double backward(
    const struct network *network, const struct point *point, struct network *slope)
{
    double active[HIDDEN_MAX], sure = forward(network, point, active);
    double off = sure - point->spiral; /* of cross-entropy with a logistic output it is just this */
    for (int i = 0; i < network->hidden; i++) {
        double inside = off * network->out[i] * (1 - active[i] * active[i]);
        slope->out[i] += off * active[i];
        slope->in[i][0] += inside * point->x;
        slope->in[i][1] += inside * point->y;
        slope->in[i][2] += inside;
    }
    slope->out[network->hidden] += off;
    return -log(point->spiral > 0 ? sure : 1 - sure);
}

static void step(
    double *weights, double *speed, const double *slope, size_t count, double rate, double momentum)
{
    for (size_t i = 0; i < count; i++) {
        speed[i] = momentum * speed[i] - rate * slope[i];
        weights[i] += speed[i];
    }
}

double network_train(struct network *network, struct network *speed, const struct point *points,
    size_t count, size_t batch, double rate, double momentum, uint64_t *random)
{
    double loss = 0;
    for (size_t done = 0; done < count; done += batch) {
        struct network slope = {.hidden = network->hidden};
        for (size_t i = 0; i < batch; i++) {
            size_t which = (size_t)(random_unit(random) * (double)count);
            loss += backward(network, &points[which], &slope);
        }
        double each = rate / (double)batch;
        size_t hidden = (size_t)network->hidden;
        step(network->in[0], speed->in[0], slope.in[0], 3 * hidden, each, momentum);
        step(network->out, speed->out, slope.out, hidden + 1, each, momentum);
    }
    return loss / (double)count;
}

double network_accuracy(const struct network *network, const struct point *points, size_t count)
{
    double active[HIDDEN_MAX];
    size_t right = 0;
    for (size_t i = 0; i < count; i++)
        right += (forward(network, &points[i], active) > 0.5) == (points[i].spiral > 0.5);
    return (double)right / (double)count;
}
