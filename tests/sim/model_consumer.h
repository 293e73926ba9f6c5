/* model_consumer: a client that fetches, and tells the history every record that it sees.
 *
 * Reads each partition from its position on, jumps back now and then to read something again, and
 * asks for partitions in any order and number.  In an audit it reads each partition once, from the
 * start to the high watermark, and tells that as an audit.
 * A position that is out of range is told; then the log start is asked for, told, and read from.
 * With sessions it says only what has changed, now and then begins a new one without ending the
 * old, and begins anew when the broker has lost it.
 *   MCN-1  watermarks are told with what was known when the question was asked
 *   MCN-2  the position moves to behind the last batch of an answer, so that each visible offset is
 *       covered once (DUR-L8) */
#ifndef LEVEE_TESTS_MODEL_CONSUMER_H
#define LEVEE_TESTS_MODEL_CONSUMER_H

#include "record/compression.h"
#include "tests/sim/model_client.h"
#include "tests/sim/model_topics.h"
#include "tests/sim/oracle.h"

struct model_consumer_options {
    uint32_t max_wait_ms;
    uint32_t bytes_max; /* of an answer */
    uint32_t partition_bytes_max;
    uint32_t pause_max_ms;
    int16_t version_min; /* 13: topics have ids, so that a name may be used again */
    bool auditor;        /* idle but for audits */
    bool sessions;       /* incremental fetches (KIP-227); not for an auditor */
};

struct consumer_partition {
    int64_t position;
    int64_t read_high;           /* behind the last record that it has read */
    int64_t asked_offset;        /* of the fetch in flight */
    struct history_event floors; /* when it was asked */
    bool asked;
    bool audited;           /* in this audit: done */
    bool in_session;        /* the broker knows it */
    int64_t session_offset; /* and where it reads on */
};

/* What the broker remembers for us. */
struct consumer_session {
    int32_t id; /* 0: none */
    int32_t next_epoch;
    int16_t version; /* of all its fetches: topics have names or ids */
};

struct model_consumer {
    struct model_client client;
    struct model_consumer_options options;
    const struct model_topics *topics;
    const struct oracle *oracle;
    struct consumer_partition partitions[HISTORY_PARTITIONS_MAX];
    struct consumer_session session;
    struct compression_context *compression;
    struct model_call call;
    struct timer tick;
    uint64_t asked_ns;       /* of the fetch in flight */
    uint32_t lost_partition; /* whose position was out of range: ask where it starts */
    bool has_lost;
    bool busy;
    bool auditing;
    bool stop; /* ask no more */
};

void model_consumer_init(struct model_consumer *consumer, struct sim_node *node,
                         struct history *history, const struct model_client_options *client,
                         const struct model_consumer_options *options,
                         const struct model_topics *topics, const struct oracle *oracle);
void model_consumer_deinit(struct model_consumer *consumer);

/* Begin to read everything. */
void model_consumer_audit(struct model_consumer *consumer);

/* All of it was read. */
bool model_consumer_audit_is_done(const struct model_consumer *consumer);

#endif
