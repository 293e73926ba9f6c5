#include "broker/group_config.h"

#include "broker/config/config_value.h"
#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"

const struct config_key *group_config_keys(uint32_t *count_out)
{
    *count_out = GROUP_CONFIG_ID_COUNT;
    return config_tables_group;
}

const struct config_key *group_config_key_find(const char *name)
{
    return config_key_search(config_tables_group, GROUP_CONFIG_ID_COUNT, name);
}

uint32_t group_config_synonyms(const struct config *config, const struct image *image,
                               const char *group, const struct config_key *key,
                               struct config_synonym out[CONFIG_SYNONYMS_MAX])
{
    const char *own = image_config(image, KAFKA_CONFIG_RESOURCE_TYPE_GROUP, group, key->name);
    uint32_t count = 0;

    if (own != NULL && config_check(key, own, NULL, 0) == OK)
        out[count++] = (struct config_synonym){key, own, CONFIG_SOURCE_GROUP};
    if (key->behind != CONFIG_NO_KEY)
        return count + config_synonyms(config, image, key->behind, out + count);
    out[count++] = (struct config_synonym){key, key->default_text, CONFIG_SOURCE_DEFAULT};
    return count;
}

const struct config_key *group_config_broken_bound(const struct config_values *values,
                                                   const struct config_key *key, int64_t value)
{
    if (key->least != CONFIG_NO_KEY && value < config_value_i64(values, config_key(key->least)))
        return config_key(key->least);
    if (key->most != CONFIG_NO_KEY && value > config_value_i64(values, config_key(key->most)))
        return config_key(key->most);
    return NULL;
}
