/* prng: seeded chance, handed in, so that one seed gives one run.
 *
 * xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators"), its state
 * filled by splitmix64.  Not for secrets.  Owned by one loop; a part that needs its own stream
 * forks one by name. */
#ifndef LEVEE_BASE_PRNG_H
#define LEVEE_BASE_PRNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prng {
    uint64_t s[4]; /* never all zero */
};

/* Any seed is good, 0 too. */
void prng_init(struct prng *prng, uint64_t seed);

/* A stream of its own, derived from parent's present state and name.  The parent does not move, so
 * the order in which children are forked does not matter. */
void prng_fork(const struct prng *parent, const char *name, struct prng *out);

/* All 64 bits. */
uint64_t prng_u64(struct prng *prng);

/* Uniform in 0..n-1, without bias; n > 0. */
uint64_t prng_below(struct prng *prng, uint64_t n);

void prng_fill(struct prng *prng, void *bytes, size_t size_bytes);

/* True in numerator of denominator cases; denominator > 0. */
bool prng_chance(struct prng *prng, uint64_t numerator, uint64_t denominator);

#endif
