/* record_sender: gathers records into a batch for each partition and sends them in one request.
 *
 * For the command line: one thread, one request at a time.  With acks=all the batches carry a
 * producer id (KIP-98), so what is sent again after a lost connection is stored once.
 *   RSN-1  gathered_bytes is the sum of the builders' batches that have records
 *   RSN-2  stored_count counts records of batches that the broker acknowledged, nothing else */
#ifndef LEVEE_TOOLS_RECORD_SENDER_H
#define LEVEE_TOOLS_RECORD_SENDER_H

#include "record/batch_builder.h"
#include "tools/topic_view.h"

struct record_sender {
    const struct cli *cli;
    struct blocking_client *client;
    struct topic_view topic;
    struct batch_builder *batches; /* one for each partition */
    int32_t *sequences;            /* next one of each partition */
    struct compression_context *context;
    enum compression codec;
    int64_t producer_id; /* -1: none */
    int16_t producer_epoch;
    int32_t next_partition; /* of records without key, until the next send */
    uint64_t gathered_bytes;
    uint64_t gathered_count; /* records given to record_sender_add */
    uint64_t stored_count;
};

/* Looks the topic up, and asks for a producer id.  Says what is wrong; deinit anyway. */
must_use enum cli_exit record_sender_init(struct record_sender *sender, const struct cli *cli,
                                          enum compression codec);
void record_sender_deinit(struct record_sender *sender);

/* Sends what is gathered first when this one would make it too much, or is much itself.  A key of
 * -1 bytes is null.  Says what is wrong. */
must_use enum cli_exit record_sender_add(struct record_sender *sender, const char *key,
                                         int32_t key_bytes, const char *value, int32_t value_bytes);

bool record_sender_is_empty(const struct record_sender *sender);

/* Send what is gathered and wait until all of it is acknowledged; asks again within cli->timeout_ms
 * after errors that may pass.  Says what is wrong. */
must_use enum cli_exit record_sender_send(struct record_sender *sender);

#endif
