/* client_transaction_private: the state of client_transaction, and what its two files share:
 * client_transaction.c decides what comes next, client_transaction_steps.c asks the coordinators.
 *
 * A step is one request that is asked until its answer is certain; one at a time.
 *   CTS-1  a step that was begun is not given up for another: only when its outcome is known the
 *          next one follows, whatever was decided meanwhile; a fatal error alone ends it
 *   CTS-2  an operation ends when no step reads what it points to any more */
#ifndef LEVEE_NET_CLIENT_CLIENT_TRANSACTION_PRIVATE_H
#define LEVEE_NET_CLIENT_CLIENT_TRANSACTION_PRIVATE_H

#include "net/client/client_part.h"
#include "net/client/client_transaction.h"
#include "net/protocol/msg_add_offsets_to_txn.h"
#include "net/protocol/msg_add_partitions_to_txn.h"
#include "net/protocol/msg_end_txn.h"
#include "net/protocol/msg_init_producer_id.h"
#include "net/protocol/msg_txn_offset_commit.h"

enum client_transaction_kind {
    CLIENT_TRANSACTION_NO_OP,
    CLIENT_TRANSACTION_INIT,
    CLIENT_TRANSACTION_OFFSETS,
    CLIENT_TRANSACTION_COMMIT,
    CLIENT_TRANSACTION_ABORT,
};

enum client_transaction_step {
    CLIENT_STEP_NONE,
    CLIENT_STEP_INIT,
    CLIENT_STEP_JOIN, /* AddPartitionsToTxn */
    CLIENT_STEP_ADD_OFFSETS,
    CLIENT_STEP_COMMIT_OFFSETS,
    CLIENT_STEP_END,
    CLIENT_STEP_BUMP, /* InitProducerId with the id that there is (KIP-360) */
};

enum client_transaction_busy {
    CLIENT_BUSY_NOT,
    CLIENT_BUSY_CALL,
    CLIENT_BUSY_FIND,  /* the coordinator */
    CLIENT_BUSY_PAUSE, /* before another try */
};

struct client_transaction {
    enum client_transaction_state state;
    int version; /* 0: not known yet */
    bool is_version_1_forced;
    bool has_started;       /* the coordinator may know of it */
    bool is_start_in_doubt; /* has_started, but no answer says that it knows (version 1) */
    bool must_bump;         /* numbers are spoiled; version 1 takes a new epoch after the abort */
    uint64_t serial;        /* client_part.transaction_serial of those that are in it; from 1 */
    int16_t failed_code;
    enum err failed_err;
    /* The operation. */
    struct client_transaction_op *op;
    enum client_transaction_kind kind;
    const struct client_group_identity *group;
    const struct client_group_offset *offsets;
    uint32_t offsets_count;
    uint64_t deadline_ns; /* of init and offsets */
    bool is_finished;     /* op->done waits for its task */
    enum err finished_err;
    struct task finish;
    /* The step. */
    enum client_transaction_step step;
    enum client_transaction_busy busy;
    uint32_t attempts_count;
    uint32_t polls_count;
    struct list joining; /* parts to be added, by place_node */
    struct list asked;   /* parts in the request */
    uint32_t asked_count;
    bool is_in_doubt;   /* an attempt of the step had no answer */
    struct arena arena; /* of the request */
    struct client_call call;
    struct client_wait wait;
    struct timer pause;
    union {
        struct init_producer_id_request init;
        struct add_partitions_to_txn_request join;
        struct add_offsets_to_txn_request add_offsets;
        struct txn_offset_commit_request commit_offsets;
        struct end_txn_request end;
    } request;
};

void client_transaction_setup(struct client_transaction *transaction);

/* No call, no wait. */
void client_transaction_teardown(struct client_transaction *transaction);

/* Whatever can be done next. */
void client_transaction_advance(struct client_producer *producer);

/* Hooks of the sender (client_sender_events). */
bool client_transaction_may_send(struct client_producer *producer, struct client_part *part);
bool client_transaction_gives_up(const struct client_producer *producer, int16_t *error_code,
                                 enum err *err);
void client_transaction_batch_failed(struct client_producer *producer, bool is_numbered,
                                     int16_t error_code, enum err err);

/* It is to be aborted.  Nothing happens where that is so already. */
void client_transaction_fail(struct client_producer *producer, int16_t error_code, enum err err);

/* The producer has failed for good. */
void client_transaction_end(struct client_producer *producer);

/* No call is in flight, no wait pending. */
bool client_transaction_is_idle(const struct client_transaction *transaction);

/* It is open, or its commit waits for them. */
bool client_transaction_takes_records(const struct client_transaction *transaction);

/* The operation ends so. */
void client_transaction_finish(struct client_producer *producer, int16_t error_code, enum err err);

/* ---- client_transaction_steps.c */

void client_transaction_setup_steps(struct client_transaction *transaction);

/* Init was answered: what the coordinator has finalized. */
void client_transaction_choose_version(struct client_producer *producer);

/* Ask for transaction->step. */
void client_transaction_ask(struct client_producer *producer);

/* The step has its answer: it is done. */
void client_transaction_step_done(struct client_producer *producer, const void *response);

/* Cancel what waits; a call ends by itself. */
void client_transaction_stop(struct client_producer *producer);

#endif
