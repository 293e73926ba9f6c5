/* authorizer: who may do what, for whoever decides that (Kafka: Authorizer).
 *
 * Constant while clients have it; may is called on any shard. */
#ifndef LEVEE_BROKER_AUTHORIZER_H
#define LEVEE_BROKER_AUTHORIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;

struct authorizer {
    /* May client do it?  operation and resource_type are Kafka's numbers (enums.tsv). */
    bool (*may)(const struct authorizer *authorizer, const struct client *client, int8_t operation,
                int8_t resource_type, const char *name, size_t name_bytes);
};

#endif
