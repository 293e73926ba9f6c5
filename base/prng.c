#include "base/prng.h"

#include "base/check.h"

#include <string.h>

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

void prng_init(struct prng *prng, uint64_t seed)
{
    /* four successive outputs of splitmix64 differ, so they are never all zero */
    for (size_t i = 0; i < 4; i++)
        prng->s[i] = splitmix64(&seed);
}

void prng_fork(const struct prng *parent, const char *name, struct prng *out)
{
    uint64_t seed = 0xcbf29ce484222325U; /* FNV-1a over the name */

    for (const char *c = name; *c != '\0'; c++)
        seed = (seed ^ (uint8_t)*c) * 0x100000001b3U;
    for (size_t i = 0; i < 4; i++) {
        seed ^= parent->s[i];
        seed = splitmix64(&seed);
    }
    prng_init(out, seed);
}

uint64_t prng_u64(struct prng *prng)
{
    uint64_t *s = prng->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *prng, uint64_t n)
{
    uint64_t uneven;
    uint64_t value;

    check(n > 0);
    uneven = (0 - n) % n; /* 2^64 mod n: that many lowest values would come once too often */
    do {
        value = prng_u64(prng);
    } while (value < uneven);
    return value % n;
}

void prng_fill(struct prng *prng, void *bytes, size_t size_bytes)
{
    uint8_t *out = bytes;

    while (size_bytes > 0) {
        uint64_t value = prng_u64(prng);
        size_t part = size_bytes < sizeof(value) ? size_bytes : sizeof(value);
        memcpy(out, &value, part);
        out += part;
        size_bytes -= part;
    }
}

bool prng_chance(struct prng *prng, uint64_t numerator, uint64_t denominator)
{
    return prng_below(prng, denominator) < numerator;
}
