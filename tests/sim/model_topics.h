/* model_topics: the topics of a simulated world, as all its clients know them, and the client that
 * creates them.
 *
 * Partitions are numbered through all topics: that number stands in the history.  An id is unknown
 * (zero) until the creation was answered or the topic was seen in the metadata. */
#ifndef LEVEE_TESTS_MODEL_TOPICS_H
#define LEVEE_TESTS_MODEL_TOPICS_H

#include "base/uuid.h"
#include "tests/sim/model_client.h"
#include "tests/sim/oracle.h"

enum { MODEL_TOPICS_MAX = 16, MODEL_CONFIGS_MAX = 12, MODEL_CONFIG_TEXT_MAX = 48 };

struct model_config {
    char name[MODEL_CONFIG_TEXT_MAX];
    char value[MODEL_CONFIG_TEXT_MAX];
};

struct model_topic {
    char name[16];
    uint32_t partitions_count;
    uint32_t first_partition;
    struct uuid id;
    bool trims;                /* DeleteRecords may be asked of it */
    bool mortal;               /* it may be deleted and created again */
    bool gone;                 /* its deletion was asked for: nobody uses it any more */
    struct oracle_rules rules; /* what its configuration lets happen */
    struct model_config configs[MODEL_CONFIGS_MAX];
    uint32_t configs_count;
};

struct model_topics {
    struct model_topic at[MODEL_TOPICS_MAX];
    uint32_t count;
    uint32_t partitions_count;
    bool plain; /* records without keys, headers and times of their own */
};

/* One more topic; not yet in the broker. */
void model_topics_add(struct model_topics *topics, const char *name, uint32_t partitions_count);

/* A configuration of the topic that was added last, to be created with. */
printf_like(3, 4) void model_topics_set(struct model_topics *topics, const char *name,
                                        const char *format, ...);

/* A new topic with the name and the configuration of one that is gone; its index. */
uint32_t model_topics_again(struct model_topics *topics, uint32_t old_index);

struct create_topics_request_creatable_topic;
struct create_topics_request_creatable_topic_config;

/* What asks a broker for it; configs has room for MODEL_CONFIGS_MAX. */
void model_topics_fill_creation(const struct model_topic *topic,
                                struct create_topics_request_creatable_topic *asked,
                                struct create_topics_request_creatable_topic_config *configs);

const struct model_topic *model_topics_of_partition(const struct model_topics *topics,
                                                    uint32_t partition);

struct model_admin {
    struct model_client client;
    struct model_topics *topics;
    struct model_call call;
    struct timer tick;
    uint32_t wanted; /* topics that shall exist: the first so many */
    bool busy;
};

void model_admin_init(struct model_admin *admin, struct sim_node *node, struct history *history,
                      const struct model_client_options *options, struct model_topics *topics,
                      uint32_t wanted);
void model_admin_deinit(struct model_admin *admin);

/* All wanted topics exist and their ids are known. */
bool model_admin_is_done(const struct model_admin *admin);

#endif
