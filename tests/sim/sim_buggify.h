/* sim_buggify: what BUGGIFY says in a simulated run (base/sometimes.h).
 *
 * One at a time in a process, because the sites know nobody.  Half of the sites are on in a run,
 * each with odds of its own, drawn from the seed by the site's name: another site more changes
 * nothing for the others.  Only the program of one node is asked, so that clients, which use some
 * of the same code, do what they always do. */
#ifndef LEVEE_TESTS_SIM_BUGGIFY_H
#define LEVEE_TESTS_SIM_BUGGIFY_H

#include "tests/sim/sim_world.h"

enum { SIM_BUGGIFY_SITES_MAX = 128 };

struct sim_buggify_site {
    const char *name;
    uint64_t one_of; /* true in one of so many; 0: never */
    struct prng prng;
};

struct sim_buggify {
    const struct sim_node *node;
    struct prng prng; /* only forked */
    bool all;         /* sites that nobody set are on by chance; else they are off */
    struct sim_buggify_site sites[SIM_BUGGIFY_SITES_MAX];
    uint32_t sites_count;
};

/* From now on, until sim_buggify_end. */
void sim_buggify_begin(struct sim_buggify *buggify, const struct sim_node *node, bool all);
void sim_buggify_end(struct sim_buggify *buggify);

/* The site of that name (a literal) is true in one of so many cases; 0: never. */
void sim_buggify_set(struct sim_buggify *buggify, const char *name, uint64_t one_of);

#endif
