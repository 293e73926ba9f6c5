#include "broker/config_synonyms.h"

#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"

#include <stdio.h>

static void add(struct config_synonym *out, uint32_t *count, const struct config_key *key,
                const char *text, enum config_source source)
{
    if (text == NULL || *count == CONFIG_SYNONYMS_MAX || config_check(key, text, NULL, 0) != OK)
        return;
    out[(*count)++] = (struct config_synonym){.key = key, .text = text, .source = source};
}

uint32_t config_synonyms(const struct config *config, const struct image *image,
                         enum config_id first, struct config_synonym out[CONFIG_SYNONYMS_MAX])
{
    uint32_t count = 0;
    char id[16];

    snprintf(id, sizeof(id), "%d", config_node_id(config));
    for (enum config_id at = first; at != CONFIG_NO_KEY; at = config_key(at)->behind) {
        const struct config_key *key = config_key(at);
        if (image != NULL) {
            add(out, &count, key,
                image_config(image, KAFKA_CONFIG_RESOURCE_TYPE_BROKER, id, key->name),
                CONFIG_SOURCE_BROKER);
            add(out, &count, key,
                image_config(image, KAFKA_CONFIG_RESOURCE_TYPE_BROKER, "", key->name),
                CONFIG_SOURCE_DEFAULT_BROKER);
        }
        if (config_is_set(config, at))
            add(out, &count, key, config_text(config, at), CONFIG_SOURCE_STATIC);
    }
    for (enum config_id at = first; at != CONFIG_NO_KEY; at = config_key(at)->behind)
        add(out, &count, config_key(at), config_key(at)->default_text, CONFIG_SOURCE_DEFAULT);
    return count;
}

uint32_t config_synonyms_hidden(const struct config_synonym *synonyms, uint32_t count,
                                const struct config_key *key)
{
    uint32_t hidden = 0;

    while (hidden < count && synonyms[hidden].key != key)
        hidden++;
    return hidden;
}
