#include "broker/config_synonyms.h"

#include "base/check.h"
#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"

#include <stdio.h>
#include <string.h>

/* Each row: the keys of one setting, the finest unit first. */
static const char *const settings[][CONFIG_SYNONYM_NAMES_MAX] = {
    {"log.flush.interval.ms", "log.flush.scheduler.interval.ms"},
    {"log.retention.ms", "log.retention.minutes", "log.retention.hours"},
    {"log.roll.jitter.ms", "log.roll.jitter.hours"},
    {"log.roll.ms", "log.roll.hours"},
};

void config_synonyms_names(const char *name, const char *out[CONFIG_SYNONYM_NAMES_MAX])
{
    const char *const *row = NULL;
    size_t begin = 0;

    for (size_t i = 0; i < array_count(settings) && row == NULL; i++)
        for (size_t k = 0; k < CONFIG_SYNONYM_NAMES_MAX && settings[i][k] != NULL; k++)
            if (strcmp(settings[i][k], name) == 0) {
                row = settings[i];
                begin = k;
            }
    for (size_t k = 0; k < CONFIG_SYNONYM_NAMES_MAX; k++)
        out[k] = row != NULL && begin + k < CONFIG_SYNONYM_NAMES_MAX ? row[begin + k] : NULL;
    if (row == NULL)
        out[0] = name;
}

static void add(struct config_synonym *out, uint32_t *count, const struct config_key *key,
                const char *text, enum config_source source)
{
    if (text == NULL || *count == CONFIG_SYNONYMS_MAX || config_check(key, text, NULL, 0) != OK)
        return;
    out[(*count)++] = (struct config_synonym){.name = key->name, .text = text, .source = source};
}

uint32_t config_synonyms(const struct config *config, const struct image *image,
                         const char *const names[CONFIG_SYNONYM_NAMES_MAX],
                         struct config_synonym out[CONFIG_SYNONYMS_MAX])
{
    uint32_t count = 0;
    char id[16];

    snprintf(id, sizeof(id), "%d", config_node_id(config));
    for (size_t i = 0; i < CONFIG_SYNONYM_NAMES_MAX && names[i] != NULL; i++) {
        const struct config_key *key = config_key_find(names[i]);
        check(key != NULL);
        if (image != NULL) {
            add(out, &count, key,
                image_config(image, KAFKA_CONFIG_RESOURCE_TYPE_BROKER, id, key->name),
                CONFIG_SOURCE_BROKER);
            add(out, &count, key,
                image_config(image, KAFKA_CONFIG_RESOURCE_TYPE_BROKER, "", key->name),
                CONFIG_SOURCE_DEFAULT_BROKER);
        }
        if (config_is_set(config, key->name))
            add(out, &count, key, config_text(config, key->name), CONFIG_SOURCE_STATIC);
    }
    for (size_t i = 0; i < CONFIG_SYNONYM_NAMES_MAX && names[i] != NULL; i++) {
        const struct config_key *key = config_key_find(names[i]);
        add(out, &count, key, key->default_text, CONFIG_SOURCE_DEFAULT);
    }
    return count;
}

uint32_t config_synonyms_hidden(const struct config_synonym *synonyms, uint32_t count,
                                const char *name)
{
    uint32_t hidden = 0;

    while (hidden < count && strcmp(synonyms[hidden].name, name) != 0)
        hidden++;
    return hidden;
}
