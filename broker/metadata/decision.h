/* decision: what an admin request comes to: records and an answer, from an image (pure).
 *
 * Used by the controller, on shard 0; changes nothing.  Answers are per topic or resource, with
 * Apache Kafka's error codes and sentences (ReplicationControlManager, ConfigurationControlManager,
 * ControllerApis, ConfigAdminManager).
 *   DEC-1  an item that is refused leaves no record behind
 *   DEC-2  an operation writes at most DECISION_RECORDS_MAX records (Kafka's
 *       MAX_RECORDS_PER_USER_OP); beyond it the whole request is refused */
#ifndef LEVEE_BROKER_METADATA_DECISION_H
#define LEVEE_BROKER_METADATA_DECISION_H

#include "base/log_line.h"
#include "base/prng.h"
#include "broker/config.h"
#include "broker/metadata/features.h"
#include "broker/metadata/image.h"
#include "net/protocol/msg_alter_partition.h"
#include "net/protocol/msg_create_partitions.h"
#include "net/protocol/msg_create_topics.h"
#include "net/protocol/msg_delete_topics.h"
#include "net/protocol/msg_incremental_alter_configs.h"
#include "net/protocol/msg_update_features.h"

enum { DECISION_RECORDS_MAX = 10000 };

struct decision {
    const struct config *config;
    const struct config_values *values; /* effective ones of the broker */
    const struct image *image;
    struct prng *prng;
    int32_t node_id;
    int64_t broker_epoch;
    struct uuid directory_id; /* of the broker's only log directory */
    struct arena *arena;      /* of the answer */
    struct metadata_records *records;
};

/* Each: ERR_NOMEM when an arena's limit is reached: records and response are then worthless.
 * Strings of the answer lie in the request, in the arena, or are constants; never in the image. */
must_use enum err decide_create_topics(struct decision *decision,
                                       const struct create_topics_request *request,
                                       struct create_topics_response *response);
must_use enum err decide_delete_topics(struct decision *decision, int16_t version,
                                       const struct delete_topics_request *request,
                                       struct delete_topics_response *response);
must_use enum err decide_create_partitions(struct decision *decision,
                                           const struct create_partitions_request *request,
                                           struct create_partitions_response *response);
must_use enum err decide_update_features(struct decision *decision,
                                         const struct update_features_request *request,
                                         struct update_features_response *response);
must_use enum err decide_alter_configs(struct decision *decision,
                                       const struct incremental_alter_configs_request *request,
                                       struct incremental_alter_configs_response *response);

/* Does it change how much of topics is kept, and nothing else of what image has?  So few changes,
 * and so short ones, that their records fit in a block. */
bool decide_alters_retention(const struct image *image,
                             const struct incremental_alter_configs_request *request);
/* ... and that is what it came to: the image may have been another when it was asked. */
bool decide_altered_retention(const struct metadata_records *records);

must_use enum err decide_alter_partition(struct decision *decision, int16_t version,
                                         const struct alter_partition_request *request,
                                         struct alter_partition_response *response);

/* A topic of which only the name is asked for: counts and settings are the broker's, or those of
 * the internal topic of that name.  *error_code: Kafka's; NONE when it exists already.  sink: where
 * a setting that had to be another than configured is told. */
must_use enum err decide_auto_create(struct decision *decision, struct log_sink *sink,
                                     const char *name, int16_t *error_code);

/* The next count ids, from *first_id on. */
must_use enum err decide_producer_ids(struct decision *decision, int64_t count, int64_t *first_id);

/* The settings of one topic about to be created: ConfigRecords for the name. false: refused with
 * *error_out and *message_out.  *err_out: ERR_NOMEM. */
bool decide_new_topic_configs(struct decision *decision,
                              const struct create_topics_request_creatable_topic *topic,
                              int16_t *error_out, struct wire_string *message_out,
                              enum err *err_out);

/* ---- shared pieces (decision.c) */

/* As printf, in the answer's arena; null text at its limit. */
struct wire_string decision_text(struct decision *decision, const char *format, ...)
    printf_like(2, 3);

/* A copy in the answer's arena; null stays null. */
struct wire_string decision_copy(struct decision *decision, struct wire_string text);

/* A PartitionRecord of a new partition: replicas all in the in-sync set, the first one leads,
 * epochs 0 (leader epochs are timeline << 20 | counter, timeline 0).  ERR_NOMEM. */
must_use enum err decision_add_partition(struct decision *decision, const struct uuid *topic_id,
                                         int32_t index, const int32_t *replicas,
                                         int32_t replica_count);

/* Brokers that take new replicas: registered, not fenced, not shutting down, with a directory that
 * is not cordoned. */
uint32_t decision_live_brokers(const struct decision *decision, int32_t *first_out);

/* Why a factor cannot be reached with so many of them (StripedReplicaPlacer). */
struct wire_string decision_too_few_brokers(struct decision *decision, int64_t factor,
                                            uint32_t live);

/* A manual assignment of one partition (INVALID_REPLICA_ASSIGNMENT otherwise): known brokers, none
 * twice, factor as before (-1: none before), at least one live.  message_out: null when fine. */
bool decision_check_assignment(struct decision *decision, int32_t partition, const int32_t *brokers,
                               int32_t count, int32_t factor, struct wire_string *message_out);

#endif
