/* model_room_transactor: a user of client_transaction: writes transfers over the partitions of a
 * ledger in transactions, commits, aborts, or stops in the middle; two of them, or one of them and
 * a model_transactor, may have the same transactional id and fence each other.
 *
 * Beside model_transactor, which speaks the protocol by itself; told to the same oracle.
 *   MRX-1  what the client room calls committed was asked to be committed by us, and the other way
 *          round
 *   MRX-2  who can't go on (fenced) ends, and begins anew after a while as another process would */
#ifndef LEVEE_TESTS_MODEL_ROOM_TRANSACTOR_H
#define LEVEE_TESTS_MODEL_ROOM_TRANSACTOR_H

#include "net/client/client_transaction.h"
#include "tests/sim/model_room.h"
#include "tests/sim/model_topics.h"
#include "tests/sim/oracle_txn_log.h"

struct model_room_transactor_options {
    uint32_t id; /* of the transactional id */
    bool is_tv1; /* the older protocol, though the broker has both */
    uint32_t timeout_ms;
    uint32_t transactions_max;
    uint32_t records_max; /* of a transaction */
    uint32_t pause_max_ms;
    uint32_t down_max_ms;
    uint32_t abort_odds; /* of a hundred transactions */
    uint32_t stop_odds;
    uint32_t delivery_timeout_ms;
};

enum room_transactor_state {
    ROOM_TRANSACTOR_DOWN, /* until wake_ns; then it is a new process */
    ROOM_TRANSACTOR_BEGINS,
    ROOM_TRANSACTOR_READY,
    ROOM_TRANSACTOR_OPEN,
    ROOM_TRANSACTOR_ENDING,
    ROOM_TRANSACTOR_FAILED, /* to be aborted */
    ROOM_TRANSACTOR_LEAVING,
};

struct model_room_transactor {
    struct model_room room;
    struct model_room_transactor_options options;
    const struct model_topics *topics;
    struct oracle_txn *txn;
    char name[24];
    struct client_producer *producer;
    struct client_topic *topic;
    struct client_transaction_op op;
    struct timer tick;
    enum room_transactor_state state;
    bool commits; /* the end that is under way */
    bool is_telling_init;
    uint64_t wake_ns;
    uint64_t asked_ns;   /* the operation under way, or the transaction's begin */
    uint32_t session;    /* of the oracle */
    int64_t producer_id; /* of the session */
    int16_t producer_epoch;
    int64_t transaction; /* ORACLE_TXN_NONE: nothing was sent in it */
    int64_t balance;
    uint32_t records_left;
    uint32_t transactions_count;
    int16_t fatal_error;
    bool finishing;
    bool is_gone;
};

void model_room_transactor_init(struct model_room_transactor *transactor, struct sim_node *node,
                                struct history *history, const struct model_room_options *room,
                                const struct model_room_transactor_options *options,
                                const struct model_topics *topics, struct oracle_txn *txn);
void model_room_transactor_deinit(struct model_room_transactor *transactor);

/* It ends the transaction that is open, and begins no other. */
void model_room_transactor_finish(struct model_room_transactor *transactor);
bool model_room_transactor_is_done(const struct model_room_transactor *transactor);

#endif
