/* config_value: the text of a key's value as its member in a struct of values (config_values.h).
 * Pure; the struct is the one of the key's scope. */
#ifndef LEVEE_BROKER_CONFIG_CONFIG_VALUE_H
#define LEVEE_BROKER_CONFIG_CONFIG_VALUE_H

#include "broker/config/config_key.h"

/* text: legal, as config_check says; a string's must live as long as the struct.  A key without a
 * member: nothing. */
void config_value_put(void *values, const struct config_key *key, const char *text);

/* The number of a key that has a member. */
int64_t config_value_i64(const void *values, const struct config_key *key);

#endif
