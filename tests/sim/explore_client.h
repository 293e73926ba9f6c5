/* explore_client: asks a broker for one thing at a time, when it is told to: the operations of the
 * crash explorer that no other model client makes on demand.
 *
 * Lives on the loop of its own node.  What it asks for and learns is told to the history.
 *   XCL-1  busy from the question until its answer, or until the connection ended: then the effect
 *          is not known (err is not OK) */
#ifndef LEVEE_TESTS_EXPLORE_CLIENT_H
#define LEVEE_TESTS_EXPLORE_CLIENT_H

#include "tests/sim/model_client.h"
#include "tests/sim/model_topics.h"
#include "tests/sim/oracle.h"

struct explore_client {
    struct model_client client;
    struct model_topics *topics;
    const struct oracle *oracle;
    struct model_call call;
    bool busy;
    enum err err;   /* of the last call */
    int16_t error;  /* Kafka's, where the answer has one */
    uint32_t topic; /* asked for */
    uint32_t partition;
    uint32_t alterations_count;
    /* by a look: what the broker has */
    bool listed[MODEL_TOPICS_MAX];
    struct uuid ids[MODEL_TOPICS_MAX];
    uint32_t strangers_count; /* topics that nobody has asked for */
};

void explore_client_init(struct explore_client *client, struct sim_node *node,
                         struct history *history, const struct model_client_options *options,
                         struct model_topics *topics, const struct oracle *oracle);
void explore_client_deinit(struct explore_client *client);

/* Each begins one call; the client must be up and not busy. */

/* Which topics are there: fills listed, ids, strangers_count. */
void explore_client_look(struct explore_client *client);

/* Below that offset of the partition (numbered through all topics) all goes. */
void explore_client_delete_records(struct explore_client *client, uint32_t partition,
                                   int64_t offset);

/* Its id is known with the answer. */
void explore_client_create(struct explore_client *client, uint32_t topic);

/* By its id; topics->at[topic].gone from now on. */
void explore_client_delete_topic(struct explore_client *client, uint32_t topic);

/* A configuration of the topic that does nothing gets another value of so many bytes: records of
 * metadata. */
void explore_client_alter(struct explore_client *client, uint32_t topic, uint32_t value_bytes);

#endif
