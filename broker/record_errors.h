/* record_errors: which records of a batch were refused, in the words that Kafka's clients show
 * (KIP-467; Kafka's LogValidator). */
#ifndef LEVEE_BROKER_RECORD_ERRORS_H
#define LEVEE_BROKER_RECORD_ERRORS_H

#include "broker/request.h"
#include "broker/topic_config.h"
#include "net/protocol/msg_produce.h"
#include "record/batch_validate.h"

enum {
    RECORD_ERRORS_MAX = 8192,           /* that one answer names: some 2 MB */
    RECORD_ERRORS_WORK_BYTES = 4 << 20, /* of walks for them: some 10 ms */
};

/* What is left of these for a request. */
struct record_errors_left {
    int32_t count;
    uint64_t work_bytes;
};

/* What was refused, and what the words need to know beside it. */
struct record_errors_scene {
    const char *topic_name;
    int32_t partition;
    const struct batch_rules *rules; /* of the validation */
    const uint8_t *bytes;            /* as validated */
    uint32_t size_bytes;
    const struct batch_info *info;
    const struct batch_record_error *errors; /* all, or NULL: they are looked for again */
    int32_t error_count;
};

/* Fill record_errors and error_message of answer: every record at fault, as far as there is
 * something left for the request, and the first ones where no more walks are; nothing when info has
 * no record errors.  On the request's home shard: the memory is its arena's. */
void record_errors_fill(struct request *request, const struct record_errors_scene *scene,
                        struct produce_response_partition_produce_response *answer,
                        struct record_errors_left *left);

#endif
