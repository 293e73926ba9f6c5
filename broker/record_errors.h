/* record_errors: which records of a batch were refused, in the words that Kafka's clients show
 * (KIP-467; Kafka's LogValidator). */
#ifndef LEVEE_BROKER_RECORD_ERRORS_H
#define LEVEE_BROKER_RECORD_ERRORS_H

#include "broker/request.h"
#include "broker/topic_config.h"
#include "net/protocol/msg_produce.h"
#include "storage/batch_validate.h"

/* What the words need to know beside the batch. */
struct record_errors_scene {
    const char *topic_name;
    int32_t partition;
    int64_t now_ms;
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
};

/* Fill record_errors and error_message of answer; nothing when info has no record errors.  On the
 * request's home shard: the memory is its arena's. */
void record_errors_fill(struct request *request, const struct record_errors_scene *scene,
                        const struct batch_info *info,
                        struct produce_response_partition_produce_response *answer);

#endif
