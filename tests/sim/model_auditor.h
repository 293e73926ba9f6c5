/* model_auditor: a reader of a ledger, of committed records or of all, as Kafka's own consumers
 * are.
 *
 * Under read_committed it takes the list of aborted transactions of an answer, drops a producer's
 * batches from the first offset listed up to its next abort marker, and hands out the rest; markers
 * move its position only (KIP-98).  All that it is given goes to the oracle.  It follows the logs,
 * or jumps about, or reads all of them once.
 *   MAU-1  one request at a time
 *   MAU-2  an audit of a partition ends at the high watermark of an answer that was asked for in
 * it, with the last stable offset there */
#ifndef LEVEE_TESTS_MODEL_AUDITOR_H
#define LEVEE_TESTS_MODEL_AUDITOR_H

#include "tests/sim/model_client.h"
#include "tests/sim/model_topics.h"
#include "tests/sim/oracle_txn_log.h"

struct model_auditor_options {
    uint32_t view; /* of the oracle */
    bool is_committed;
    bool wanders; /* now and then it goes anywhere */
    uint32_t max_wait_ms;
    uint32_t partition_bytes_max;
    uint32_t pause_max_ms;
};

struct auditor_partition {
    int64_t position;
    int64_t asked_offset;
    int64_t floor_stable, floor_high; /* when it was asked */
    bool is_asked;
    bool is_at_end; /* stable = high = position, in an answer to a question of this pass */
};

struct model_auditor {
    struct model_client client;
    struct model_auditor_options options;
    const struct model_topics *topics;
    struct oracle_txn_log *log;
    struct model_call call;
    struct timer tick;
    struct auditor_partition partitions[ORACLE_TXN_PARTITIONS_MAX];
    bool busy;
    bool stop;
    bool is_stale; /* the answer under way is to a question before this pass */
};

void model_auditor_init(struct model_auditor *auditor, struct sim_node *node,
                        struct history *history, const struct model_client_options *client,
                        const struct model_auditor_options *options,
                        const struct model_topics *topics, struct oracle_txn_log *log);
void model_auditor_deinit(struct model_auditor *auditor);

/* A new pass: to the ends as they are from now on; from_start: of everything, by a fresh view. */
void model_auditor_begin(struct model_auditor *auditor, bool from_start);

/* It has reached the end of each partition, and nothing there is unstable. */
bool model_auditor_is_at_end(const struct model_auditor *auditor);

#endif
