/* transaction_guard: keeps a request that was on its way for long from ending the next transaction.
 *
 * Part of a transaction_entry, on its loop.  Below transaction.version 2 all transactions of a
 * producer have one epoch, so that a delayed EndTxn of one of them ends the next one, and a delayed
 * AddPartitionsToTxn is in it (KAFKA-17754).  Who repeats a request on another connection dialled
 * that one later than the one whose request is delayed:
 *   TGD-1  AddPartitionsToTxn, AddOffsetsToTxn and EndTxn of first version clients are executed in
 *          the order of connections, per (producer id, epoch): behind one of a later connection one
 *          of an earlier one is not executed, and its connection is closed without an answer.  A
 *          live client dials anew, is the latest then, and repeats it
 *   TGD-2  InitProducerId is not asked about, and begins anew
 *   TGD-3  TxnOffsetCommit of first version clients goes to the group's coordinator, over another
 *          connection perhaps: the same among themselves, by a guard of their own.  A delayed one
 *          would stage old offsets in the next transaction
 * It narrows the hole and proves nothing: what stands between client and broker may turn the order
 * of connections around, or carry several clients in one.  The second version, which has an epoch
 * for each transaction, is the cure. */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_GUARD_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_GUARD_H

#include "net/protocol/wire.h"

#include <stdbool.h>
#include <stdint.h>

struct client;
struct request;
struct shard;
struct transaction_entry;
struct transaction_registration;

/* A zeroed one lets anybody pass. */
struct transaction_guard {
    uint64_t accept_number; /* client.h: the highest of those that passed; 0: none did */
    int64_t producer_id;    /* ... as whom */
    int16_t epoch;
};

/* May a request be executed that came on this connection, of the current holder (producer_id,
 * epoch)?  accept_number 0: it came through none, and passes. */
bool transaction_guard_passes(struct transaction_guard *guard, int64_t producer_id, int16_t epoch,
                              uint64_t accept_number);

/* The id was handed over, perhaps to the same holder. */
void transaction_guard_clear(struct transaction_guard *guard);
void transaction_guards_clear(struct transaction_entry *entry);

/* Is a request of id, by this producer, too late (TGD-1)?  at: the id's shard; for what goes to the
 * transaction coordinator.  One that is none of the current holder's is not: its decision refuses
 * it. */
bool transaction_guard_is_late(struct shard *at, const struct client *client, struct wire_string id,
                               int64_t producer_id, int16_t epoch);

/* The same of a TxnOffsetCommit (TGD-3). */
bool transaction_guard_is_late_commit(struct transaction_entry *entry,
                                      const struct transaction_registration *registration);

/* It is: its connection is closed, and that is told.  Any shard; request is gone. */
void transaction_guard_refuse(struct request *request, struct wire_string id);

#endif
