/* config_synonyms: all values that a setting has somewhere, the one that counts first (KIP-226).
 *
 * Some settings have several broker keys, in rising units: log.retention.ms, .minutes, .hours.  The
 * first that is set counts; each value is told as it was written, in its own key's unit. Kafka's
 * DynamicBrokerConfig.brokerConfigSynonyms and ConfigHelper. */
#ifndef LEVEE_BROKER_CONFIG_SYNONYMS_H
#define LEVEE_BROKER_CONFIG_SYNONYMS_H

#include "broker/config.h"

enum {
    CONFIG_SYNONYM_NAMES_MAX = 3,
    CONFIG_SYNONYMS_MAX = 4 * CONFIG_SYNONYM_NAMES_MAX + 1, /* one of a topic or a group */
};

struct config_synonym {
    const char *name;
    const char *text; /* lives until the image changes */
    enum config_source source;
};

/* The broker keys of a setting whose own key is name: name itself and those that stand behind it;
 * what is not used is NULL. */
void config_synonyms_names(const char *name, const char *out[CONFIG_SYNONYM_NAMES_MAX]);

/* What these broker keys (NULL ends) are set to: key by key the broker's dynamic value, the
 * cluster's, the static one; behind all the defaults.  A stored text that is no legal value does
 * not count. image may be NULL. */
uint32_t config_synonyms(const struct config *config, const struct image *image,
                         const char *const names[CONFIG_SYNONYM_NAMES_MAX],
                         struct config_synonym out[CONFIG_SYNONYMS_MAX]);

/* How many of them Kafka does not tell: all before the first one of name itself. */
uint32_t config_synonyms_hidden(const struct config_synonym *synonyms, uint32_t count,
                                const char *name);

#endif
