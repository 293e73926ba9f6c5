/* oracle_txn_log: what lies in the partitions of a ledger, and what each reader has seen of it.
 *
 * Readers tell every batch that they are given, and the answers around it.  A follower reads on and
 * on, each offset once; an audit reads all from the start, first uncommitted and then committed:
 * the first says what the log holds, with the markers, and from that follows what the second must
 * see, and which aborted transactions its answers must list.  Rules as in oracle_txn. */
#ifndef LEVEE_TESTS_ORACLE_TXN_LOG_H
#define LEVEE_TESTS_ORACLE_TXN_LOG_H

#include "tests/sim/oracle_txn.h"

enum { ORACLE_TXN_PARTITIONS_MAX = 8, ORACLE_TXN_VIEWS_MAX = 4, ORACLE_TXN_LISTED_MAX = 256 };

enum oracle_txn_kind {
    ORACLE_TXN_UNKNOWN, /* nobody has read it */
    ORACLE_TXN_RECORD,
    ORACLE_TXN_COMMIT,
    ORACLE_TXN_ABORT,
};

struct oracle_txn_slot {
    enum oracle_txn_kind kind;
    uint32_t record;
    int64_t producer_id;
    int16_t producer_epoch;
};

struct oracle_txn_partition {
    struct oracle_txn_slot *slots; /* by offset */
    int64_t slots_count, slots_capacity;
    int64_t stable, high; /* the largest that anybody saw */
};

/* What one reader has seen since its start. */
struct oracle_txn_view {
    bool is_committed; /* what it asks for */
    bool wanders;      /* it jumps about: what it did not see says nothing */
    uint8_t *seen;     /* by record: how often, up to 2 */
    uint32_t seen_capacity;
};

struct oracle_txn_log {
    struct oracle_txn *txn;
    uint32_t partitions_count;
    struct oracle_txn_partition partitions[ORACLE_TXN_PARTITIONS_MAX];
    struct oracle_txn_view views[ORACLE_TXN_VIEWS_MAX];
};

/* An aborted transaction of an answer. */
struct oracle_txn_listed {
    int64_t producer_id;
    int64_t first_offset;
};

/* One partition of an answer to Fetch. */
struct oracle_txn_answer {
    uint32_t partition;
    uint64_t now_ns;
    int64_t asked_offset;
    int64_t next_offset; /* behind the last batch that it holds; asked_offset: none */
    int64_t stable, high;
    int64_t floor_stable, floor_high; /* when it was asked for */
    const struct oracle_txn_listed *listed;
    uint32_t listed_count;
    bool is_committed;
};

void oracle_txn_log_init(struct oracle_txn_log *log, struct oracle_txn *txn,
                         uint32_t partitions_count);
void oracle_txn_log_deinit(struct oracle_txn_log *log);

/* Watermarks and the list of aborted transactions; after the batches of that answer were told. */
void oracle_txn_log_answer(struct oracle_txn_log *log, const struct oracle_txn_answer *answer);

/* A batch holds it, whoever asked: what the log is. */
void oracle_txn_log_holds(struct oracle_txn_log *log, uint64_t now_ns, uint32_t partition,
                          int64_t offset, const struct oracle_txn_slot *slot);

/* A reader hands it to its user. */
void oracle_txn_log_seen(struct oracle_txn_log *log, uint64_t now_ns, uint32_t view,
                         uint32_t partition, int64_t offset, uint32_t record);

/* The reader begins anew. */
void oracle_txn_log_forget(struct oracle_txn_log *log, uint32_t view);

/* All of the log was read by this view, of committed or uncommitted records: each transaction is
 * there or not, whole. */
void oracle_txn_log_judge_view(struct oracle_txn_log *log, uint64_t now_ns, uint32_t view);

/* What the log holds as such: sequences, order, markers. */
void oracle_txn_log_judge(struct oracle_txn_log *log, uint64_t now_ns);

#endif
