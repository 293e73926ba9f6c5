/* transaction_records: transactions as records of __transaction_state, and back (Kafka's
 * TransactionLog, TransactionLogKey and TransactionLogValue).  On the coordinator's loop.
 *   TRC-1  a record has all of its transaction: nothing of those before it counts any more.  Only
 *          Empty has null where the partitions stand, as in Kafka */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_RECORDS_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_RECORDS_H

#include "broker/coordinator/runtime_write.h"
#include "broker/coordinator/transaction.h"
#include "broker/coordinator/transaction_partitions.h"

/* One more record of a write.  It is in partitions, and in adds, which have none in common (NULL:
 * there are none).  level: of transaction.version, as it is finalized: from 1 on, and for what a
 * client of version 2 has begun, the value has version 1, which Kafka before 4.0 does not read
 * (KIP-890).  It fails as runtime_write_add. */
void transaction_records_add(struct runtime_write *write, const char *id, size_t id_bytes,
                             const struct transaction_fields *fields,
                             const struct transaction_partitions *partitions,
                             const struct transaction_partitions *adds, int8_t level);
void transaction_records_add_tombstone(struct runtime_write *write, const char *id,
                                       size_t id_bytes);

/* What one record says. */
struct transaction_record {
    char *id; /* owned; with a NUL behind it */
    size_t id_bytes;
    struct transaction_fields fields; /* state TRANSACTION_DEAD: a tombstone, and nothing else */
    struct transaction_partitions partitions; /* owned */
};

/* ERR_NOT_FOUND: it is of another kind, which Kafka skips, too.  ERR_NOMEM; ERR_UNSUPPORTED: it is
 * of a transaction; ERR_CORRUPT and others: it cannot be understood. */
must_use enum err transaction_records_read(const struct runtime_record *record,
                                           struct transaction_record *out);
/* A zeroed one is accepted, too. */
void transaction_record_deinit(struct transaction_record *record);

#endif
