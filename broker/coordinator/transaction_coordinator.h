/* transaction_coordinator: the transactional ids whose partition of __transaction_state is led on
 * this shard.
 *
 * Lives on one loop.  An id is decided (transaction_decide), recorded (runtime_write), applied at
 * the append, and answered when the record is durable:
 *   TCO-1  an entry's state changes when a record of it is appended or loaded, and not otherwise
 *   TCO-2  nothing is told of an entry before its newest record is durable: also an answer that
 *       writes nothing waits for it (DUR-T2)
 *   TCO-3  an entry in Prepare* has a completion (transaction_completion.h), from the append of
 *       that record, or the end of the load, to the append of Complete*
 *   TCO-4  ids are bounded, so are partitions of one transaction, and the memory of all: beyond it
 *       the answer is retriable
 * Sources: Kafka's TransactionCoordinator, TransactionStateManager; KIP-98, 360, 664, 890. */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_COORDINATOR_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_COORDINATOR_H

#include "broker/coordinator/runtime_write.h"
#include "broker/coordinator/transaction_decide.h"
#include "broker/coordinator/transaction_guard.h"
#include "broker/coordinator/transaction_partitions.h"

struct request;
struct transaction_completion;
struct transaction_coordinator;
struct transaction_markers;

/* One transactional id. */
struct transaction_entry {
    struct transaction_coordinator *coordinator;
    const char *id; /* with a NUL behind it */
    size_t id_bytes;
    int32_t partition_index; /* of __transaction_state */
    struct transaction transaction;
    struct transaction_partitions partitions;  /* in Prepare*: those without a marker */
    struct transaction_completion *completion; /* TCO-3; NULL: it is not being ended */
    struct transaction_guard guard;            /* of requests of first version clients */
    struct transaction_guard offsets_guard;    /* the same of their TxnOffsetCommits (TGD-3) */
    /* While a transaction is open (transaction_timeouts.h): */
    struct list open_node;
    uint64_t deadline_ns; /* monotonic (DUR-T14) */
    /* inside */
    struct list node;                        /* of all; not linked: its tombstone is in the log */
    const struct transaction_step *prepared; /* recorded Prepare*, which is not durable yet */
    uint64_t counted_bytes;                  /* of the budget */
    uint32_t step_count;                     /* under way */
    struct registration_batch *batch; /* that is being collected (transaction_registrations.c) */
    bool is_recorded;                 /* the log has something of it */
};

/* Something happens to an id: decided, recorded, answered.  Embedded in the struct of whoever
 * waits, which it is until done. */
struct transaction_step {
    /* in */
    struct transaction_entry *entry;
    struct transaction_event event;
    const struct transaction_partitions *adds; /* ADD: into the transaction; read inside start */
    /* Optional: the record is in the log, not durable yet, and the entry says what it says.  What
     * stands behind it in the same journal may be written now. */
    void (*appended)(struct transaction_step *step);
    /* The decision may be told.  err: it could not be recorded, and nothing has changed. */
    void (*done)(struct transaction_step *step, enum err err);
    /* out, before appended and done */
    struct transaction_decision decision;
    /* inside */
    struct transaction_entry *of;
    struct runtime_write write;
    struct transaction_partitions missing; /* of adds, in the entry */
    uint64_t counted_bytes;                /* for them */
    bool is_pending;
    bool is_applied;
};

/* Decide and record; appended and done may run inside this call.  decision.needs_producer_id: done
 * runs at once, to be started again with one.  done's errors: those of runtime_write_start, and
 * ERR_FULL: the transaction has as many partitions as it may have.  The entry is not to be used
 * after done. */
void transaction_step_start(struct transaction_step *step);

must_use enum err transaction_coordinator_create(struct shard *shard,
                                                 struct transaction_coordinator **out);
void transaction_coordinator_destroy(struct transaction_coordinator *coordinator);

/* The shard's topics tell from now on which partitions of __transaction_state are to be loaded. */
void transaction_coordinator_observe(struct transaction_coordinator *coordinator);

/* On the shard's loop: timeouts and expiry start; they stop. */
void transaction_coordinator_start(struct transaction_coordinator *coordinator);
void transaction_coordinator_stop(struct transaction_coordinator *coordinator);

/* Is this id served here?  KAFKA_NONE, NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS,
 * COORDINATOR_NOT_AVAILABLE. */
int16_t transaction_coordinator_check(struct transaction_coordinator *coordinator, const char *id,
                                      size_t id_bytes, int32_t *partition_index_out);

/* NULL: it is not known. */
struct transaction_entry *transaction_coordinator_find(struct transaction_coordinator *coordinator,
                                                       const char *id, size_t id_bytes);

/* The first one for NULL, then the next; NULL: that was the last. */
struct transaction_entry *transaction_coordinator_next(struct transaction_coordinator *coordinator,
                                                       const struct transaction_entry *entry);

struct shard *transaction_coordinator_shard(const struct transaction_coordinator *coordinator);

/* What its completions share (transaction_completion.h). */
struct transaction_markers *transaction_coordinator_markers(
    struct transaction_coordinator *coordinator);

/* The leader epoch of the id's partition of __transaction_state: the coordinator epoch of its
 * markers (DUR-T11). */
int32_t transaction_coordinator_epoch(const struct transaction_entry *entry);

/* Its marker is in the partition's log, or the partition is no more: the set has one less.  Of an
 * entry in Prepare*. */
void transaction_coordinator_marked(struct transaction_entry *entry, const char *topic,
                                    int32_t index);

/* The level of transaction.version that is finalized: what the coordinator begins by itself uses
 * it. */
int8_t transaction_coordinator_version(const struct transaction_coordinator *coordinator);

void transaction_coordinator_register_metrics(const struct transaction_coordinator *coordinator,
                                              struct metrics *metrics);

#endif
