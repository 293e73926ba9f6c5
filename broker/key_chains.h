/* key_chains: things in their order that share a number, found without a walk over all the others.
 *
 * Part of whoever keeps the things (append_queue: appends by producer), on its loop.  A table of
 * chains, made when it is first needed and grown with what is in it; without memory for that the
 * chains are longer, and nothing else.
 *   KCH-1  in a chain things lie in the order of key_chains_add */
#ifndef LEVEE_BROKER_KEY_CHAINS_H
#define LEVEE_BROKER_KEY_CHAINS_H

#include "base/list.h"

#include <stdint.h>

struct key_chains {
    struct list *chains; /* count of them, a power of two; NULL: the one below */
    struct list only;
    uint64_t seed;
    uint32_t chain_count;
    uint32_t link_count;
};

/* Embedded in a thing. */
struct key_link {
    struct list node;
    uint64_t key;
};

/* seed: from the prng, so that nobody outside can choose collisions. */
void key_chains_init(struct key_chains *chains, uint64_t seed);

/* Nothing may be in it. */
void key_chains_deinit(struct key_chains *chains);

/* link->key is set, and stays. */
void key_chains_add(struct key_chains *chains, struct key_link *link);
void key_chains_remove(struct key_chains *chains, struct key_link *link);

/* The next one that was added with the key of link, or NULL. */
struct key_link *key_chains_next(const struct key_chains *chains, const struct key_link *link);

#endif
