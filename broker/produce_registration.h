/* produce_registration: batches of transactions that wait for the coordinator's word, on the shard
 * of their partition.
 *
 * A batch whose transaction is not open on the partition is appended only once the coordinator has
 * said that the partition is in that transaction.  It waits for it here and not in the partition's
 * queue, where it would hold up who has nothing to do with it, and the marker of the transaction
 * before, which the coordinator may be waiting for.
 *   PRG-1  batches of one producer id and epoch wait for one word, and hear it in the order in
 *       which they came: none overtakes another (DUR-L7, DUR-I2)
 *   PRG-2  done(KAFKA_NONE) runs inside the done of the coordinator's word: what is handed to
 *       partition_append in it stands before any marker of the transaction (TXR-1, DUR-T6)
 *   PRG-3  who leaves is told nothing; the word that nobody waits for any more is kept until it
 *       comes, as it cannot be taken back
 *   PRG-4  what all of them keep is counted in MEMORY_DECODED, of which it leaves a quarter to
 *       others; one may always be asked for
 * Sources: Kafka's ReplicaManager.handleProduceAppend, AddPartitionsToTxnManager; KIP-890. */
#ifndef LEVEE_BROKER_PRODUCE_REGISTRATION_H
#define LEVEE_BROKER_PRODUCE_REGISTRATION_H

#include "broker/shard.h"

struct produce_registrations; /* of one shard */

/* For which transaction, and where; copied. */
struct produce_registration_ask {
    const char *id; /* the transactional id */
    size_t id_bytes;
    int64_t producer_id;
    int16_t epoch;
    int8_t version; /* transaction_registration.version */
    struct uuid topic_id;
    const char *topic;
    int32_t partition;
};

/* One that waits.  Embedded in the caller's struct, which it is until done or until it leaves. */
struct produce_registration {
    struct list node;
    /* error: as transaction_registration.done.  CONCURRENT_TRANSACTIONS only after it was asked
     * again every add.partitions.to.txn.retry.backoff.ms, for ...backoff.max.ms (KAFKA-18575). */
    void (*done)(struct produce_registration *registration, int16_t error);
};

/* Never NULL. */
must_use struct produce_registrations *produce_registrations_create(struct shard *shard);

/* Nobody waits any more, and no coordinator answers any more.  NULL is accepted. */
void produce_registrations_destroy(struct produce_registrations *registrations);

/* Does a batch of the same producer id and epoch wait there? */
bool produce_registration_is_asked(const struct produce_registrations *registrations,
                                   const struct produce_registration_ask *ask);

/* Wait for the word; done may run inside this call.  ERR_NOMEM: it does not wait.  ERR_EXISTS: nor
 * that, as another transactional id claims the producer id just now, and has no part in this one's
 * word; it may come again. */
must_use enum err produce_registration_wait(struct produce_registrations *registrations,
                                            const struct produce_registration_ask *ask,
                                            struct produce_registration *registration);

/* It waits no more; nothing happens to one that does not wait. */
void produce_registration_leave(struct produce_registration *registration);

static inline bool produce_registration_waits(const struct produce_registration *registration)
{
    return list_is_linked(&registration->node);
}

#endif
