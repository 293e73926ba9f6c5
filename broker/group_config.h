/* group_config: the settings of one group (KIP-848, 932, 1071; config resource GROUP).
 *
 * They are for groups of the newer protocols, which do not run here yet: validated, stored as
 * records and told, so that what is configured today acts when they do.  A setting that a group
 * does not have comes from the broker's key behind it, whose minimum and maximum also bound it.
 * Kafka's GroupConfig. */
#ifndef LEVEE_BROKER_GROUP_CONFIG_H
#define LEVEE_BROKER_GROUP_CONFIG_H

#include "broker/config_synonyms.h"

/* In order of name. */
const struct config_key *group_config_keys(uint32_t *count_out);
const struct config_key *group_config_key_find(const char *name);

static inline const struct config_key *group_config_key(enum group_config_id id)
{
    return &config_tables_group[id];
}

/* All values, the one that counts first: the group's own, then the broker's.  key: a row. */
uint32_t group_config_synonyms(const struct config *config, const struct image *image,
                               const char *group, const struct config_key *key,
                               struct config_synonym out[CONFIG_SYNONYMS_MAX]);

/* The broker's key that bounds a number, legal as such, and that value passes; NULL: none.
 * values: the broker's, in force. */
const struct config_key *group_config_broken_bound(const struct config_values *values,
                                                   const struct config_key *key, int64_t value);

#endif
