/* fuzz_seed: inputs that a target makes with our own encoders, mixed into what the fuzzer finds.
 *
 * A target that gives a fuzz_seed_fn to FUZZ_SEEDS needs no corpus to get past checksums, lengths
 * and versions: now and then an input is a whole valid one, and is mutated from there. */
#ifndef LEVEE_TESTS_FUZZ_SEED_H
#define LEVEE_TESTS_FUZZ_SEED_H

#include "base/prng.h"

#include <stddef.h>
#include <stdint.h>

/* Write an input of at most max_bytes; its size, or 0: not this time. */
typedef size_t fuzz_seed_fn(struct prng *prng, uint8_t *out, size_t max_bytes);

/* libFuzzer's custom mutator: a seed in one of FUZZ_SEED_ODDS cases, its own mutations in the
 * others. */
enum { FUZZ_SEED_ODDS = 64 };
size_t fuzz_seed_mutate(uint8_t *data, size_t size_bytes, size_t max_bytes, unsigned seed,
                        fuzz_seed_fn *make);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size_bytes, size_t max_bytes, unsigned seed);

#define FUZZ_SEEDS(make)                                                               \
    size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size_bytes, size_t max_bytes, \
                                   unsigned seed)                                      \
    {                                                                                  \
        return fuzz_seed_mutate(data, size_bytes, max_bytes, seed, make);              \
    }

#endif
