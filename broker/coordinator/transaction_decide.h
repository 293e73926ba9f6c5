/* transaction_decide: what becomes of a transactional id when something happens to it.
 *
 * Pure: reads one transaction and one event, changes nothing, waits for nothing.  Who calls it
 * records decision.next and applies it (transaction_apply), answers when that is durable, and sends
 * markers where the state is Prepare* then.  So every order of events can be tried out.
 *   TXD-1  what is refused writes nothing
 *   TXD-2  a new holder gets a higher epoch of the same producer id than anybody had, or a new id
 *          (DUR-T9); the same one is answered again only to who gives the one before it (KIP-360)
 *   TXD-3  what ends a transaction ends it in one way: from Prepare* there is one Complete*
 *          (DUR-T3)
 * Sources: Kafka's TransactionCoordinator and TransactionMetadata; KIP-98, KIP-360, KIP-890; where
 * we are stricter it is said. */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_DECIDE_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_DECIDE_H

#include "broker/coordinator/transaction.h"

enum transaction_event_kind {
    TRANSACTION_INIT,     /* InitProducerId */
    TRANSACTION_ADD,      /* AddPartitionsToTxn, AddOffsetsToTxn, or TV2's first record */
    TRANSACTION_VERIFY,   /* is the partition in it? (AddPartitionsToTxn, verify only) */
    TRANSACTION_END,      /* EndTxn */
    TRANSACTION_COMPLETE, /* the last marker is in its log */
    TRANSACTION_TIMEOUT,  /* it is open for longer than its timeout; monotonic time (DUR-T14) */
    TRANSACTION_EXPIRE,   /* nothing was heard for transactional.id.expiration.ms */
};

struct transaction_event {
    enum transaction_event_kind kind;
    int8_t version;      /* TRANSACTION_V0..: of the client; of the cluster where no client asks */
    int16_t epoch;       /* that the client has, or TRANSACTION_NO_EPOCH */
    int64_t producer_id; /* the same, or TRANSACTION_NO_PRODUCER */
    int64_t now_ms;      /* wall clock */
    bool commit;         /* END: else abort */
    bool has_all;        /* ADD, VERIFY: everything named is in the transaction */
    int32_t timeout_ms;  /* INIT; within its limits */
    int64_t new_producer_id; /* that nobody ever had; TRANSACTION_NO_PRODUCER: none was drawn yet */
};

struct transaction_decision {
    int16_t error;          /* what the client hears, as the newest version says it */
    bool needs_producer_id; /* nothing was decided: the same again with event.new_producer_id */
    bool writes;            /* next is to be recorded */
    struct transaction_fields next;
    int16_t next_last_epoch;
    int64_t producer_id; /* INIT, END: for the answer */
    int16_t epoch;
};

struct transaction_decision transaction_decide(const struct transaction *transaction,
                                               const struct transaction_event *event);

#endif
