#include "broker/config/config_cache.h"

#include "broker/config.h"
#include "broker/metadata/image.h"
#include "broker/topic_config.h"

static void renew(struct config_cache *cache, const struct config *config,
                  const struct image *image)
{
    uint64_t changes = image_broker_config_changes(image);

    if (cache->config == config && cache->image == image && cache->changes == changes)
        return;
    cache->config = config;
    cache->image = image;
    cache->changes = changes;
    config_resolve(config, image, &cache->values);
    topic_config_defaults(config, image, &cache->of_topics);
}

const struct config_values *config_cache_values(struct config_cache *cache,
                                                const struct config *config,
                                                const struct image *image)
{
    renew(cache, config, image);
    return &cache->values;
}

const struct topic_config_values *config_cache_topics(struct config_cache *cache,
                                                      const struct config *config,
                                                      const struct image *image)
{
    renew(cache, config, image);
    return &cache->of_topics;
}
