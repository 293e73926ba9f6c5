/* transaction_coordinator_private: the transaction_coordinator from inside, for its own files and
 * for those who list its ids.  On its loop. */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_COORDINATOR_PRIVATE_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_COORDINATOR_PRIVATE_H

#include "base/hash_map.h"
#include "broker/coordinator/asked_marker.h"
#include "broker/coordinator/transaction_completion.h"
#include "broker/coordinator/transaction_coordinator.h"
#include "broker/coordinator/transaction_orphans.h"
#include "broker/coordinator/transaction_registrations.h"
#include "broker/coordinator/transaction_timeouts.h"

struct transaction_coordinator {
    struct shard *shard;
    struct runtime runtime;  /* the partitions of __transaction_state that are led here */
    struct hash_map entries; /* by id; without those that a tombstone has ended */
    struct list all;         /* of transaction_entry.node: the same */
    struct list calls;       /* of transaction_call, under way */
    struct list flushes;     /* of transaction_flush, under way */
    struct transaction_timeouts timeouts;
    struct transaction_markers markers;
    struct list asked; /* of asked_marker: on their way */
    struct transaction_registrations registrations;
    struct transaction_orphans orphans;
    struct counter refused_ids;        /* there were as many as there may be (TCO-4) */
    struct counter refused_partitions; /* the same, of one transaction */
    struct counter late_requests;      /* transaction_guard.h */
    struct counter fenced;             /* transactions that a new holder of the id ended */
    bool started;
    bool stopping;
    bool closing; /* being destroyed: requests and their answers are gone */
};

/* An id that is not known and not recorded yet: it is kept from its first record on, and goes again
 * when there is none after its last step.  ERR_FULL: there are as many as there may be; ERR_NOMEM.
 */
must_use enum err transaction_coordinator_add(struct transaction_coordinator *coordinator,
                                              const char *id, size_t id_bytes, int64_t producer_id,
                                              int32_t timeout_ms, struct transaction_entry **out);

/* What a step that was not recorded is answered with. */
int16_t transaction_coordinator_error(enum err err);

/* ---- for transaction_step.c */

struct budget *transaction_coordinator_budget(struct transaction_coordinator *coordinator);

/* What the entry holds has changed. */
void transaction_coordinator_recount(struct transaction_entry *entry);

/* Its tombstone is in the log: the id is not known any more. */
void transaction_coordinator_unlink(struct transaction_entry *entry);

/* A step of it has ended: it goes when nothing is known of it. */
void transaction_coordinator_release(struct transaction_entry *entry);

#endif
