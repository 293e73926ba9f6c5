/* transaction_partitions: the partitions that are in one transaction.
 *
 * Part of a transaction_entry, or of a step that adds some; on its loop.  By name, as the records
 * of __transaction_state have them.
 *   TPS-1  a partition is in it once
 *   TPS-2  room that was reserved stays as long as only transaction_partitions_remove is called */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_PARTITIONS_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_PARTITIONS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transaction_topic {
    char *name;       /* owned */
    int32_t *indexes; /* owned; rising */
    uint32_t count;
    uint32_t capacity;
};

struct transaction_partitions {
    struct transaction_topic *block;  /* owned: topics lie in it, from its beginning or later on */
    struct transaction_topic *topics; /* by rising name */
    uint32_t topic_count;
    uint32_t topic_capacity; /* from topics on */
    uint32_t count;          /* of partitions */
    uint64_t topic_bytes;    /* what the topics hold, but for the block */
};

/* A zeroed one is empty, too. */
void transaction_partitions_deinit(struct transaction_partitions *set);

bool transaction_partitions_has(const struct transaction_partitions *set, const char *topic,
                                size_t topic_bytes, int32_t index);

/* All of those in others? */
bool transaction_partitions_has_all(const struct transaction_partitions *set,
                                    const struct transaction_partitions *others);

/* Also when it is there already.  ERR_NOMEM: the set is as before. */
must_use enum err transaction_partitions_add(struct transaction_partitions *set, const char *topic,
                                             size_t topic_bytes, int32_t index);

/* Nothing happens to one that is not there.  In either order it costs little: what lies on the
 * shorter side is moved. */
void transaction_partitions_remove(struct transaction_partitions *set, const char *topic,
                                   size_t topic_bytes, int32_t index);

/* All of from; ERR_NOMEM: to may have some of them. */
must_use enum err transaction_partitions_add_all(struct transaction_partitions *to,
                                                 const struct transaction_partitions *from);

/* Those of from that are not in set, into missing_out, which is empty.  ERR_NOMEM: it may have some
 * of them. */
must_use enum err transaction_partitions_missing(const struct transaction_partitions *set,
                                                 const struct transaction_partitions *from,
                                                 struct transaction_partitions *missing_out);

/* Room for all of from (TPS-2).  ERR_NOMEM: the set has what it had. */
must_use enum err transaction_partitions_reserve(struct transaction_partitions *set,
                                                 const struct transaction_partitions *from);

/* All of from, none of which is in the set, and from is empty; behind a reserve of them it cannot
 * fail.  Costs as much as both have topics, and the partitions of those that both have. */
void transaction_partitions_take(struct transaction_partitions *set,
                                 struct transaction_partitions *from);

/* What it holds, for the coordinator's budget; it is not counted for that. */
uint64_t transaction_partitions_bytes(const struct transaction_partitions *set);

#endif
