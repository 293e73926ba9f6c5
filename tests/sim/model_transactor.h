/* model_transactor: a client that writes transfers in transactions, as Kafka's own producers do.
 *
 * One process of a transactional id; two of them may have the same id, and fence each other.  It
 * asks for a producer id, then sends transactions: rounds of batches to partitions of a ledger, one
 * request at a time, each again with the same bytes until it is answered; then it commits, or
 * aborts, or stops in the middle.  The amounts of a transaction that is committed add up to zero.
 * Speaks one of the two protocols (KIP-890): the first names partitions before it sends to them,
 * and keeps its epoch; the second has an epoch for each transaction.
 *   MTX-1  a commit is asked for only when every record of it was acknowledged
 *   MTX-2  who is fenced ends, and begins anew after a while as another process would
 *   MTX-3  behind an error that leaves sequences in doubt, the first protocol aborts and asks for
 *          the next epoch (KIP-360) */
#ifndef LEVEE_TESTS_MODEL_TRANSACTOR_H
#define LEVEE_TESTS_MODEL_TRANSACTOR_H

#include "tests/sim/model_client.h"
#include "tests/sim/model_topics.h"
#include "tests/sim/oracle_txn_log.h"

enum { TRANSACTOR_BATCH_MAX = 8 };

enum transactor_state {
    TRANSACTOR_DOWN, /* until wake_ns; then it is a new process */
    TRANSACTOR_FINDING,
    TRANSACTOR_ASKING_ID,
    TRANSACTOR_READY,
    TRANSACTOR_SENDING,
    TRANSACTOR_ENDING,
    TRANSACTOR_REPEATING, /* an EndTxn that was answered, or its opposite */
};

enum transactor_outcome { TRANSACTOR_COMMITS, TRANSACTOR_ABORTS, TRANSACTOR_STOPS };

struct model_transactor_options {
    uint32_t id; /* of the transactional id */
    bool is_tv2;
    uint32_t timeout_ms; /* transaction.timeout.ms */
    uint32_t transactions_max;
    uint32_t rounds_max;
    uint32_t records_max; /* of a batch, at most TRANSACTOR_BATCH_MAX */
    uint32_t pause_max_ms;
    uint32_t down_max_ms;
    uint32_t abort_odds; /* of a hundred transactions */
    uint32_t stop_odds;
    uint32_t repeat_odds; /* of a hundred ends */
    uint32_t empty_odds;  /* of a hundred begins of the second protocol: an abort of nothing */
};

struct transactor_batch {
    uint8_t *bytes; /* NULL: none */
    uint32_t size_bytes;
    uint32_t first_record;
    uint32_t records_count;
};

struct transactor_partition {
    int32_t next_sequence;
    bool is_added; /* to the transaction, by the first protocol */
    struct transactor_batch batch;
};

struct model_transactor {
    struct model_client client;
    struct model_transactor_options options;
    const struct model_topics *topics;
    struct oracle_txn *txn;
    char name[24];
    struct model_call call;
    struct timer tick;
    enum transactor_state state;
    enum transactor_outcome outcome;
    uint64_t wake_ns;
    uint64_t asked_ns;
    uint32_t session;    /* of the oracle */
    int64_t producer_id; /* -1: a new process */
    int16_t producer_epoch;
    int64_t transaction; /* ORACLE_TXN_NONE: nothing was sent in it */
    int64_t balance;
    uint32_t rounds_left;
    uint32_t transactions_count;
    struct transactor_partition partitions[ORACLE_TXN_PARTITIONS_MAX];
    bool busy;
    bool finishing;
    bool needs_bump;
    /* the last end that was answered */
    bool repeats_opposite;
    bool ended_with_commit;
    uint32_t ended_transaction;
    int64_t ended_producer_id;
    int16_t ended_producer_epoch;
};

void model_transactor_init(struct model_transactor *transactor, struct sim_node *node,
                           struct history *history, const struct model_client_options *client,
                           const struct model_transactor_options *options,
                           const struct model_topics *topics, struct oracle_txn *txn);
void model_transactor_deinit(struct model_transactor *transactor);

/* It ends the transaction that is open, and begins no other. */
void model_transactor_finish(struct model_transactor *transactor);
bool model_transactor_is_done(const struct model_transactor *transactor);

#endif
