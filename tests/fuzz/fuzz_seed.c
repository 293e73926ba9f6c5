#include "tests/fuzz/fuzz_seed.h"

/* libFuzzer's own mutations, for custom mutators. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size_bytes, size_t max_bytes);

size_t fuzz_seed_mutate(uint8_t *data, size_t size_bytes, size_t max_bytes, unsigned seed,
                        fuzz_seed_fn *make)
{
    struct prng prng;
    size_t made_bytes = 0;

    prng_init(&prng, seed);
    if (prng_chance(&prng, 1, FUZZ_SEED_ODDS))
        made_bytes = make(&prng, data, max_bytes);
    return made_bytes > 0 ? made_bytes : LLVMFuzzerMutate(data, size_bytes, max_bytes);
}
