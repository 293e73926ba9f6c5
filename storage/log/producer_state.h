/* producer_state: what a partition remembers of its idempotent producers.
 *
 * One entry per producer id: epoch, the five newest batches, open transaction.  Owned by the log;
 * lives on its loop.  Rules: DUR-I1 to DUR-I7, DUR-I9, DUR-I11, DUR-I12; KIP-98, KIP-360, KIP-890.
 *   PST-1  entries without a batch exist (after a marker with a new epoch)
 *   PST-2  batches of an entry: oldest first, contiguous sequences (those of a coordinator begin at
 *          0 each), growing offsets, all of `epoch`
 *   PST-3  open entries (txn_first_offset >= 0) are on `open`, by rising txn_first_offset
 *   PST-4  every batch below end_offset was applied, none at or above it
 *   PST-5  a new producer beyond the bound takes the place of one without open transaction, as if
 *          that had expired: a bound on memory that refuses nobody.  Which one: producer_shares.h,
 *          first in this partition, then among all that share the bound of `all` */
#ifndef LEVEE_STORAGE_LOG_PRODUCER_STATE_H
#define LEVEE_STORAGE_LOG_PRODUCER_STATE_H

#include "base/err.h"
#include "base/list.h"
#include "record/batch.h"
#include "record/control_record.h"
#include "storage/log/producer_shares.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PRODUCER_WINDOW = 5 };

struct producer_batch {
    int32_t first_sequence;
    int32_t last_sequence;
    int64_t last_offset;
    int32_t offset_delta; /* last offset - first offset */
    int64_t timestamp_ms; /* the batch's max timestamp: the append time with LogAppendTime */
};

struct producer_entry {
    struct list node;      /* in producer_state.entries, by newest update, longest idle first */
    struct list open_node; /* in producer_state.open, or alone */
    struct producer_state *state;
    struct producer_share share;     /* in producer_state.shares */
    struct producer_share share_all; /* in producer_state.all, if there is one */
    int64_t producer_id;
    int16_t epoch; /* -1: none known */
    uint8_t batch_count;
    int32_t coordinator_epoch; /* -1: no marker seen */
    int64_t last_timestamp_ms; /* of the newest batch or marker */
    int64_t last_seen_ms;      /* wall clock of the newest update; what expiry counts from */
    int64_t txn_first_offset;  /* of the open transaction; -1: none */
    struct producer_batch batches[PRODUCER_WINDOW]; /* oldest first */
};

/* Of a producer that was forgotten for another one (PST-5). */
struct producer_forgotten {
    int64_t producer_id;
    uint64_t owner;     /* of the one that was forgotten; PRODUCER_OWNER_NONE: not known */
    uint64_t for_owner; /* who brought the other one */
    bool of_all;        /* the bound of `all` was reached, not that of the partition */
};

struct producer_state {
    struct producer_entry **slots; /* open addressing by id, at most half full */
    uint32_t slot_count;           /* zero or a power of two */
    uint32_t count;
    uint64_t seed;
    struct list entries;
    struct list open;
    struct producer_shares shares; /* by owner */
    struct producer_shares *all;   /* of all states that share a bound; NULL: none.  The caller's */
    struct producer_entry *spare;  /* taken by check for the update that follows */
    uint64_t owner;                /* likewise: of the batch that was checked */
    int64_t end_offset;            /* PST-4 */
    /* Optional; runs inside an update, of this state or another one of `all`. */
    void (*forgotten)(void *context, const struct producer_forgotten *forgotten);
    void *context; /* for forgotten */
};

enum producer_origin {
    PRODUCER_CLIENT,      /* a produce request: all rules */
    PRODUCER_COORDINATOR, /* a coordinator of ours: epochs, not sequences */
    PRODUCER_VERBATIM,    /* a follower, a mirror: taken as it is */
    PRODUCER_REPLAY,      /* what is in the log already: likewise */
};

/* What is open of a producer, as somebody has seen it. */
struct producer_open {
    int64_t first_offset; /* of the transaction; -1: none is open */
    int64_t last_offset;  /* of the newest batch; -1: not known */
};

struct producer_rules {
    enum producer_origin origin;
    bool txn_v2;        /* transaction.version 2: an unknown producer starts at 0; a marker has the
                         * next epoch */
    bool is_registered; /* CLIENT, transactional: the coordinator has the partition in the
                         * transaction (transaction_registration.h) */
    uint64_t owner;     /* who brings the batch (producer_shares.h) */
    bool ends_seen;     /* COORDINATOR, a marker: it ends what is `seen` and nothing else */
    struct producer_open seen;
};

struct producer_check {
    bool duplicate; /* nothing is to be appended; the batch is there already (a marker: somewhere
                     * at or below last_offset): */
    int64_t base_offset;
    int64_t last_offset;
    int64_t timestamp_ms; /* of the batch then */
};

/* A transaction that ended. */
struct producer_completed {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset; /* of the marker */
    bool aborted;
};

/* seed: for the table.  count_max: producers with an owner that are remembered at most, and twice
 * as many recovered ones (PST-5).  all, forgotten and context may be set after it. */
void producer_state_init(struct producer_state *ps, uint64_t seed, uint32_t count_max);

/* A zeroed state is accepted. */
void producer_state_deinit(struct producer_state *ps);

/* May this batch be appended?  header: as the client sent it (its base offset does not count);
 * batches without producer id are always fine.  marker: of a control batch that ends a transaction,
 * else NULL.  Changes nothing that can be seen, but takes the memory that the update needs.  What a
 * client's batch is held against, in this order: the window (a duplicate), the epoch, the
 * transaction, the sequence.  A marker: the producer's epoch, then the coordinator's.
 *   ERR_PRODUCER_EPOCH     the epoch is smaller than the newest, or negative; a marker with txn_v2:
 *                          or it is that of the open transaction
 *   ERR_SEQUENCE           not a duplicate and not the next; a new epoch does not start at 0; with
 *                          txn_v2: no state, and it does not either
 *   ERR_TXN_STATE          while a transaction is open: it is not transactional, or of a newer
 *                          epoch (clients abort on it, and that marker ends the older one, too);
 *                          CLIENT, transactional: none is open, and it is not registered
 *   ERR_FENCED_EPOCH       the marker's coordinator epoch is smaller than the last one seen
 *   ERR_NOMEM
 * A marker with txn_v2 and the epoch that is known, where nothing is open, was written before: a
 * duplicate (KAFKA-19999); under version 1 it may be the first, and is written.  One with ends_seen
 * is a duplicate where nothing is open as nothing was; ERR_TXN_STATE where anything is not as it
 * was.
 * With VERBATIM and REPLAY only ERR_NOMEM is possible.  Batches come by producer_append.h. */
must_use enum err producer_state_check(struct producer_state *ps, const struct batch_header *header,
                                       const struct control_marker *marker,
                                       const struct producer_rules *rules,
                                       struct producer_check *out);

/* Apply a batch that check let pass (the last one checked), now with its offsets and its stored max
 * timestamp.  now_ms: wall clock.  Batches below end_offset are ignored.  True: a transaction ended
 * and *completed_out (may be NULL) says which.  A control batch without records, which a compaction
 * left of a marker, has no marker, and tells the epoch (Kafka forgets it). */
bool producer_state_update(struct producer_state *ps, const struct batch_header *header,
                           const struct control_marker *marker, int64_t now_ms,
                           struct producer_completed *completed_out);

/* The entry, or NULL. */
const struct producer_entry *producer_state_find(const struct producer_state *ps,
                                                 int64_t producer_id);

/* What is open of it now; NULL: nothing. */
static inline struct producer_open producer_state_open_of(const struct producer_entry *entry)
{
    struct producer_open open = {.first_offset = -1, .last_offset = -1};

    if (entry == NULL)
        return open;
    open.first_offset = entry->txn_first_offset;
    if (entry->batch_count > 0)
        open.last_offset = entry->batches[entry->batch_count - 1].last_offset;
    return open;
}

/* Walk, longest idle first: NULL gives the first entry; NULL is the end. */
const struct producer_entry *producer_state_next(const struct producer_state *ps,
                                                 const struct producer_entry *entry);

uint32_t producer_state_count(const struct producer_state *ps);

/* First offset of the oldest open transaction; -1: none is open. */
int64_t producer_state_first_open_offset(const struct producer_state *ps);

/* Forget producers without open transaction that were last seen idle_max_ms ago or earlier
 * (producer.id.expiration.ms).  Returns how many. */
uint32_t producer_state_expire(struct producer_state *ps, int64_t now_ms, int64_t idle_max_ms);

/* The log is cut to end at offset.  True: nothing at or above it was applied, the state is right.
 * False: it is not; clear, load a file at or below offset, and apply the batches up to it. */
must_use bool producer_state_truncate(struct producer_state *ps, int64_t offset);

/* The log now starts at log_start_offset.  Producers stay known (KIP-360); end_offset follows when
 * it would be below; a transaction that began below keeps the offset where it began. */
void producer_state_raise_start(struct producer_state *ps, int64_t log_start_offset);

/* What was read or replayed is recovered from now on: nobody's, and no newcomer takes its place. */
void producer_state_settle(struct producer_state *ps);

/* Empty, with everything below end_offset counted as applied. */
void producer_state_clear(struct producer_state *ps, int64_t end_offset);

/* Add a whole producer, as a file has it (its links do not count); PST-2 holds for it.  It is
 * recovered; the bound is not asked.  ERR_MALFORMED: negative id, or known already; ERR_NOMEM. */
must_use enum err producer_state_restore(struct producer_state *ps,
                                         const struct producer_entry *from);

/* to becomes equal to from; to is initialized.  ERR_NOMEM: to is empty. */
must_use enum err producer_state_copy(struct producer_state *to, const struct producer_state *from);

/* Same producers with the same fields (last_seen_ms apart), in any order, same end_offset. */
bool producer_state_equal(const struct producer_state *a, const struct producer_state *b);

#endif
