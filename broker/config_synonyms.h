/* config_synonyms: all values that a setting has somewhere, the one that counts first (KIP-226).
 *
 * Some settings have several broker keys, in rising units: log.retention.ms, .minutes, .hours.  The
 * first that is set counts; each value is told as it was written, in its own key's unit. Kafka's
 * DynamicBrokerConfig.brokerConfigSynonyms and ConfigHelper. */
#ifndef LEVEE_BROKER_CONFIG_SYNONYMS_H
#define LEVEE_BROKER_CONFIG_SYNONYMS_H

#include "broker/config.h"

enum {
    CONFIG_SYNONYMS_MAX = 4 * 3 + 1, /* of three keys, and one of a topic or a group */
};

struct config_synonym {
    const struct config_key *key;
    const char *text; /* lives until the image changes */
    enum config_source source;
};

/* What the broker's key first (CONFIG_NO_KEY: none) and those behind it are set to: key by key the
 * broker's dynamic value, the cluster's, the static one; behind all the defaults.  A stored text
 * that is no legal value does not count. image may be NULL. */
uint32_t config_synonyms(const struct config *config, const struct image *image,
                         enum config_id first, struct config_synonym out[CONFIG_SYNONYMS_MAX]);

/* How many of them Kafka does not tell: all before the first one of the key itself. */
uint32_t config_synonyms_hidden(const struct config_synonym *synonyms, uint32_t count,
                                const struct config_key *key);

#endif
