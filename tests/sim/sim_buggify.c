#include "tests/sim/sim_buggify.h"

#include "base/check.h"
#include "base/sometimes.h"

#include <string.h>

static const uint64_t odds[] = {2, 10, 100, 1000};

static struct sim_buggify *current;

static struct sim_buggify_site *site_of(struct sim_buggify *buggify, const char *name)
{
    struct sim_buggify_site *site;

    for (uint32_t i = 0; i < buggify->sites_count; i++)
        if (buggify->sites[i].name == name || strcmp(buggify->sites[i].name, name) == 0)
            return &buggify->sites[i];
    check(buggify->sites_count < SIM_BUGGIFY_SITES_MAX);
    site = &buggify->sites[buggify->sites_count++];
    *site = (struct sim_buggify_site){.name = name};
    prng_fork(&buggify->prng, name, &site->prng);
    if (buggify->all && prng_chance(&site->prng, 1, 2))
        site->one_of = odds[prng_below(&site->prng, array_count(odds))];
    return site;
}

static bool decide(const char *name)
{
    const struct sim_node *node = current->node;
    struct sim_buggify_site *site;

    if (node->world->turning != node && !node->starting)
        return false;
    site = site_of(current, name);
    return site->one_of != 0 && prng_chance(&site->prng, 1, site->one_of);
}

void sim_buggify_begin(struct sim_buggify *buggify, const struct sim_node *node, bool all)
{
    *buggify = (struct sim_buggify){.node = node, .all = all};
    sim_world_fork(node->world, "buggify", &buggify->prng);
    current = buggify;
    sometimes_set_buggify(decide);
}

void sim_buggify_end(struct sim_buggify *buggify)
{
    check(current == buggify);
    sometimes_set_buggify(NULL);
    current = NULL;
}

void sim_buggify_set(struct sim_buggify *buggify, const char *name, uint64_t one_of)
{
    site_of(buggify, name)->one_of = one_of;
}
