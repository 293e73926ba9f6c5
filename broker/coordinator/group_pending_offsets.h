/* group_pending_offsets: offsets that transactions have committed and whose fate is open.
 *
 * Each is staged by a transactional record of __consumer_offsets; the marker of its producer in
 * that partition makes it the group's, or drops it.  On the coordinator's loop.
 *   GPO-1  a staged offset stands in its transaction's list and in its entry's, once for a key and
 *       transaction, or in neither
 *   GPO-2  staged offsets change by records alone: transactional ones, markers, and tombstones of
 *       their key, live and at a load alike (DUR-G6)
 *   GPO-3  nobody is told a staged offset; who asks for stable ones hears that there is one
 *       (DUR-G5)
 *   GPO-4  applying any of these records of a write needs no memory
 *   GPO-5  a transaction is known while it has staged offsets or records of it are on their way
 * Sources: Kafka's OffsetMetadataManager; KIP-98, KIP-447. */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_PENDING_OFFSETS_H
#define LEVEE_BROKER_COORDINATOR_GROUP_PENDING_OFFSETS_H

#include "broker/coordinator/group_offsets.h"

struct pending_transaction_key {
    int64_t producer_id;
    int64_t partition_index; /* of __consumer_offsets: each has a marker of its own */
};

/* What a producer has open in one partition. */
struct pending_transaction {
    struct pending_transaction_key key;
    struct group_coordinator *coordinator;
    struct list offsets;  /* of pending_offset.of_transaction, as they were staged */
    uint32_t begun_count; /* of them, on their way into the log */
};

struct pending_offset {
    struct list of_transaction; /* GPO-1 */
    struct list of_entry;
    struct group_offset *entry;
    struct pending_transaction *transaction;
    struct group_offset_value value;
};

/* A commit of entry is being recorded in a transaction; entry is begun or held (group_offsets.h).
 * NULL: there is no memory. */
must_use struct pending_offset *group_pending_offset_begin(struct group_offset *entry,
                                                           int32_t partition_index,
                                                           int64_t producer_id);

/* It is recorded: staged, instead of what the transaction has staged of that key before.  value's
 * metadata is its from now on. */
void group_pending_offset_apply(struct pending_offset *pending, struct group_offset_value *value);

/* It is not recorded. */
void group_pending_offset_cancel(struct pending_offset *pending);

/* What was read from the log: begun and applied, with a copy of metadata.  ERR_NOMEM: nothing has
 * changed. */
must_use enum err group_pending_offsets_stage(struct group *group, const char *topic,
                                              int32_t partition, int32_t partition_index,
                                              int64_t producer_id,
                                              const struct group_offset_value *value);

/* What a transaction has staged of the key; NULL: nothing. */
const struct pending_offset *group_pending_offset_find(const struct group_offset *entry,
                                                       int32_t partition_index,
                                                       int64_t producer_id);

/* A marker of the producer is in the partition: what it has staged there becomes the group's, each
 * offset unless it was committed later in the log (GOF-5), or is dropped.  False: so much of it was
 * done as one turn may take, and it is to be called again (runtime.h, apply). */
must_use bool group_pending_offsets_end(struct group_coordinator *groups, int32_t partition_index,
                                        int64_t producer_id, bool commit);

/* A tombstone of the key, or the group ends: nothing of it is staged any more.  The entry stays. */
void group_pending_offsets_drop(struct group_offset *entry);

#endif
