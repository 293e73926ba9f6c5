/* api_table: the APIs that this broker serves, one row each; what is not in it is neither
 * advertised nor served.
 *
 * Constant; any thread.  How an API is read and written is its schema's to say (net/protocol/api.h,
 * under the same key); a row says what is done with it.
 *   APT-1  rows stand by rising key
 *   APT-2  each row says who may ask; a row without a rule does not compile */
#ifndef LEVEE_BROKER_API_TABLE_H
#define LEVEE_BROKER_API_TABLE_H

#include "broker/handlers.h"

#include <stdbool.h>
#include <stdint.h>

/* Where a request is decided. */
enum api_route {
    API_ROUTE_HOME,        /* on the shard that has it, from what every shard knows */
    API_ROUTE_GROUP,       /* on the shards of the groups that it names */
    API_ROUTE_TRANSACTION, /* on the shards of the transactional ids that it names */
    API_ROUTE_CONTROLLER,  /* by the controller */
    API_ROUTE_PARTITIONS,  /* on the shards of the partitions that it names or that there are */
    API_ROUTE_EVERYWHERE,  /* on every shard */
};

enum api_rule {
    API_RULE_NONE = 1, /* anybody may */
    API_RULE_WHOLE,    /* dispatch asks for the operation on the cluster, before the handler */
    API_RULE_EACH,     /* the handler asks for each thing that is named, and leaves out the others,
                        * or takes another permission as well */
};

struct api_row {
    handler_fn *handle;
    int16_t key;
    uint8_t route;        /* enum api_route */
    uint8_t rule;         /* enum api_rule */
    int8_t operation;     /* Kafka's AclOperation; 0: API_RULE_NONE */
    int8_t resource_type; /* Kafka's ResourceType */
    bool before_authentication;
    bool is_long; /* its answer tells more than the request names */
};

/* NULL: it is not served. */
const struct api_row *api_table_find(int16_t key);

/* By rising key, index from 0; NULL at the end. */
const struct api_row *api_table_at(uint32_t index);

#endif
