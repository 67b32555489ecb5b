/*
 * Pseudo-random numbers: xoshiro256** seeded by splitmix64. For jitter, tests and the simulator;
 * never for keys or nonces. Equal seeds give equal sequences on every machine.
 */
#ifndef REEVE_BASE_PRNG_H
#define REEVE_BASE_PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct reeve_prng {
    uint64_t state[4];
};

static inline uint64_t reeve_splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static inline void reeve_prng_init(struct reeve_prng *prng, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        prng->state[i] = reeve_splitmix64(&seed);
}

static inline uint64_t reeve_prng_next(struct reeve_prng *prng)
{
    uint64_t *s = prng->state;
    uint64_t x = s[1] * 5, t = s[1] << 17;
    uint64_t result = ((x << 7) | (x >> 57)) * 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

/* Uniform in [0, bound); 0 when bound is 0. The bias, below bound / 2^64, does not matter here. */
static inline uint64_t reeve_prng_below(struct reeve_prng *prng, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)reeve_prng_next(prng) * bound) >> 64);
}

/* Uniform in [low, high], both included. */
static inline uint64_t reeve_prng_between(struct reeve_prng *prng, uint64_t low, uint64_t high)
{
    uint64_t span = high - low + 1;
    return span == 0 ? reeve_prng_next(prng) : low + reeve_prng_below(prng, span);
}

/* True in `numerator` of `denominator` cases. */
static inline bool reeve_prng_chance(
    struct reeve_prng *prng, uint64_t numerator, uint64_t denominator)
{
    return reeve_prng_below(prng, denominator) < numerator;
}

#endif
