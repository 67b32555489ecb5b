/* Pi by throwing darts at a square, with an error bar that is honest.
 *
 *     stream 0 ──> throw ──> hits ─┐
 *     stream 1 ──> throw ──> hits ─┼──> mean of the streams, and their scatter ──> pi, +-
 *     stream 2 ──> throw ──> hits ─┘
 *
 * Each task has random numbers of its own, and no two tasks share any: the generator, Philox
 * 4x32-10 (Salmon and others, "Parallel random numbers: as easy as 1, 2, 3", 2011), is a function
 * of a key and a counter, and the task's number is in the counter. So the answer depends on the
 * seed, and not on how many workers there are or which is done first.
 *
 *     pi [STREAMS [SEED]]     default: 200 streams of a million darts each, seed 1
 *
 * Prints:
 *     pi = 3.141583 +- 0.000120 from 200 streams of 1000000 darts
 *     pi itself is 0.1 standard errors away
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <reeve.h>

#define DARTS       1000000
#define STREAMS_MAX 100000 /* the sums below are exact up to far more */

/* ---- random numbers -------------------------------------------------------------------------- */

struct block {
    uint32_t words[4];
};

/* The block of random bits that belongs to this counter under this key. */
static struct block philox(struct block counter, uint64_t seed)
{
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t *x = counter.words;
    for (int round = 0; round < 10; round++) {
        uint64_t product0 = (uint64_t)0xd2511f53 * x[0], product2 = (uint64_t)0xcd9e8d57 * x[2];
        x[0] = (uint32_t)(product2 >> 32) ^ x[1] ^ key[0];
        x[1] = (uint32_t)product2;
        x[2] = (uint32_t)(product0 >> 32) ^ x[3] ^ key[1];
        x[3] = (uint32_t)product0;
        key[0] += 0x9e3779b9;
        key[1] += 0xbb67ae85;
    }
    return counter;
}

/* A number from 0 to 1, never quite either. */
static double unit(uint32_t word)
{
    return ((double)word + 0.5) * 0x1p-32;
}

/* ---- on the workers -------------------------------------------------------------------------- */

/* How many of DARTS darts land in the quarter of a circle. A block is enough for two. */
REEVE_REMOTE(uint64_t, throw, (uint64_t, seed), (uint64_t, stream))
{
    uint64_t hits = 0;
    for (uint32_t i = 0; i < DARTS / 2; i++) {
        struct block r = {{i, 0, (uint32_t)stream, (uint32_t)(stream >> 32)}};
        r = philox(r, seed);
        double x = unit(r.words[0]), y = unit(r.words[1]);
        hits += x * x + y * y < 1;
        x = unit(r.words[2]), y = unit(r.words[3]);
        hits += x * x + y * y < 1;
    }
    return hits;
}

/* ---- the driver ------------------------------------------------------------------------------ */

/* Adds up what the streams give, as it comes. Sums of integers: no order makes a difference. */
static int gather(uint64_t seed, size_t count, uint64_t *sum, uint64_t *sum_of_squares)
{
    throw_future *throws = calloc(count, sizeof *throws);
    int failed = 0;
    size_t i;
    if (!throws)
        return perror("pi"), -1;
    for (i = 0; i < count; i++)
        throws[i] = throw_remote(seed, i);
    reeve_as_completed(i, throws, count)
    {
        uint64_t hits;
        if (throw_get(throws[i], &hits) != REEVE_OK) {
            reeve_perror("throw");
            failed = -1;
            continue;
        }
        *sum += hits;
        *sum_of_squares += hits * hits;
    }
    free(throws);
    return failed;
}

static bool number(const char *text, uint64_t low, uint64_t high, uint64_t *ret)
{
    char *end;
    *ret = strtoull(text, &end, 10);
    if (end != text && *end == '\0' && *text != '-' && *ret >= low && *ret <= high)
        return true;
    fprintf(
        stderr, "pi: \"%s\": expected a number from %" PRIu64 " to %" PRIu64 "\n", text, low, high);
    return false;
}

int main(int argc, char **argv)
{
    uint64_t streams = 200, seed = 1, sum = 0, sum_of_squares = 0;
    if ((argc > 1 && !number(argv[1], 2, STREAMS_MAX, &streams)) ||
        (argc > 2 && !number(argv[2], 0, UINT64_MAX, &seed)))
        return 2;
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    if (gather(seed, streams, &sum, &sum_of_squares) != 0)
        return 1;
    reeve_shutdown();

    /* Each stream is a measurement of its own; their scatter says how far to trust their mean. */
    double n = (double)streams, mean = (double)sum / n;
    double variance = ((double)sum_of_squares - n * mean * mean) / (n - 1);
    double estimate = 4 * mean / DARTS, error = 4 * sqrt(variance / n) / DARTS;
    double away = fabs(estimate - M_PI) / error;
    printf("pi = %.6f +- %.6f from %" PRIu64 " streams of %d darts\n", estimate, error, streams,
        DARTS);
    printf("pi itself is %.1f standard errors away\n", away);
    return away < 5 ? 0 : (fprintf(stderr, "pi: that cannot be chance\n"), 1);
}
