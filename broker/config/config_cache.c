#include "broker/config/config_cache.h"

#include "broker/config.h"
#include "broker/metadata/image.h"

const struct config_values *config_cache_values(struct config_cache *cache,
                                                const struct config *config,
                                                const struct image *image)
{
    uint64_t changes = image_broker_config_changes(image);

    if (cache->config != config || cache->image != image || cache->changes != changes) {
        cache->config = config;
        cache->image = image;
        cache->changes = changes;
        config_resolve(config, image, &cache->values);
    }
    return &cache->values;
}
