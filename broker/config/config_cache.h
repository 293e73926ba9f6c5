/* config_cache: the effective values of the broker's keys for one shard, typed, and what a topic
 * without values of its own has.
 *
 * Belongs to a shard and its loop; all zero is empty.  Made anew at the first reading after the
 * shard's image took in a change of a broker's config: a reading costs three comparisons, and never
 * sees a value that the image has no more. */
#ifndef LEVEE_BROKER_CONFIG_CONFIG_CACHE_H
#define LEVEE_BROKER_CONFIG_CONFIG_CACHE_H

#include "broker/config/config_values.h"

struct config;
struct image;

struct config_cache {
    const struct config *config;
    const struct image *image;
    uint64_t changes; /* image_broker_config_changes, when it was made */
    struct config_values values;
    struct topic_config_values of_topics;
};

/* The values of config under image.  The pointer is the cache's: ask again in the next turn. */
const struct config_values *config_cache_values(struct config_cache *cache,
                                                const struct config *config,
                                                const struct image *image);
const struct topic_config_values *config_cache_topics(struct config_cache *cache,
                                                      const struct config *config,
                                                      const struct image *image);

#endif
