/* config_rules: may a client set a config to a value, and if not, why, in Kafka's words.
 *
 * Whether the value is legal as such says config_check; here is what only a change at runtime must
 * obey.  Clients and tools show the sentences.  Pure. */
#ifndef LEVEE_BROKER_METADATA_CONFIG_RULES_H
#define LEVEE_BROKER_METADATA_CONFIG_RULES_H

#include "broker/topic_config.h"
#include "net/protocol/wire.h"

/* A legal value gives true and, in *stored_out, what is to be stored: Kafka trims when it reads, we
 * trim numbers and flags when we store.  Otherwise *problem_out is a sentence.  Texts lie in value
 * or arena; null at the arena's limit. */
bool config_rules_check(const struct config_key *key, struct wire_string value, struct arena *arena,
                        struct wire_string *stored_out, struct wire_string *problem_out);

#endif
