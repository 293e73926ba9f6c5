/* fetch_private: one Fetch request while it is served; for the handler's own files fetch*.c alone.
 *
 * Owned by the request (its arena); at home but for what a part does on its partition's shard. */
#ifndef LEVEE_BROKER_HANDLERS_FETCH_PRIVATE_H
#define LEVEE_BROKER_HANDLERS_FETCH_PRIVATE_H

#include "broker/fetch_session.h"
#include "broker/partition_read.h"
#include "broker/request.h"
#include "net/protocol/msg_fetch.h"

/* One partition of this fetch. */
struct fetch_part {
    struct fetch *fetch;
    struct fetch_key key; /* of its interest in the session */
    struct wire_string topic_name;
    struct uuid topic_id;
    int32_t partition;
    int32_t max_bytes;
    int32_t current_leader_epoch;
    int32_t last_fetched_epoch;
    int64_t fetch_offset;
    bool was_answered;
    uint32_t billed_bytes; /* counted as read: a round after a wait reads them again */
    /* filled by a round */
    struct fetch_part *next_here; /* read after it, on the same shard */
    int16_t error_code;
    struct log_offsets offsets;
    struct fetch_response_epoch_end_offset diverging;
    struct wire_slice slice; /* whole batches; owner NULL: none */
    struct log_loan *loan;   /* or NULL; then they lie in its parts, and slice has no bytes */
    uint32_t loan_count;     /* of its parts, that many, from the first on */
    struct buf *aborted;     /* of struct aborted_transaction, those that slice needs; NULL: none */
    uint32_t aborted_count;
    /* waiting */
    struct shard_call watch;
    struct shard_call unwatch;
    struct partition_waiter waiter; /* lives on the partition's shard */
    struct shard *watched_at;       /* NULL: no watch in flight */
    int64_t counted_offset;         /* batches below it are counted in gathered_bytes */
    uint32_t counted_bytes;
};

/* The parts of one shard, in a round. */
struct fetch_visit {
    struct shard *at; /* NULL: there are none */
    struct fetch_part *first;
    struct fetch_part **last;
    struct fetch_visit *next; /* by the first part of each */
};

struct fetch {
    struct request *request;
    const struct fetch_request *body;
    struct fetch_part *parts;
    uint32_t part_count;
    struct fetch_session *session; /* NULL: none; held */
    bool incremental;
    enum partition_isolation isolation;
    /* the round */
    struct fetch_visit *visits; /* by shard */
    struct fetch_visit *next_visit;
    struct fetch_visit **last_visit;
    uint32_t sorted_count;
    struct shard_call call;     /* the visit */
    struct fetch_part *reading; /* there */
    struct log_read read;
    uint32_t loan_count;        /* of read.loan, what is given out */
    struct log_aborted aborted; /* what was aborted in there (fetch_aborted.c) */
    struct buf *aborted_buf;
    uint32_t max_bytes;
    uint32_t min_bytes;
    uint32_t total_bytes;
    uint32_t copied_bytes;    /* of them: in the readers' budget */
    uint64_t aborted_bytes;   /* of the lists beside them, in there, too */
    bool lists_are_full;      /* no more parts are read, as when the bytes are spent */
    uint64_t available_bytes; /* towards min_bytes: a part that has more than it may give is full */
    uint32_t turn_parts;      /* in this turn of the loop */
    struct task next_turn;
    bool must_answer; /* an error, a diverging epoch, or no memory for more */
    /* without memory, on the shard of the part that is to be read */
    struct budget_waiter memory_waiter;
    struct timer memory_timer;
    uint64_t need_bytes;
    uint32_t memory_waits;    /* in this round */
    uint64_t memory_until_ns; /* when they end */
    bool gave_up;             /* atomic: waits for no memory any more */
    /* the wait */
    struct timer deadline;
    struct task next_round;
    uint32_t watch_count;    /* calls in flight, watches and unwatches, and 1 until stirred */
    uint64_t gathered_bytes; /* atomic: what a round would read now */
    bool waiting;
    bool arming;
    bool stirred;
    bool expired;
};

/* ---- fetch_round.c */
/* Read every part anew; then it is answered, or waits. */
void fetch_round_start(struct fetch *fetch);
/* What was read is not needed any more. */
void fetch_round_drop(struct fetch *fetch);
/* Wait for no memory any more, from now on and soon. */
void fetch_round_give_up(struct fetch *fetch);

/* ---- fetch_aborted.c */
/* What was read last, by who reads committed data, is to have its list of aborted transactions;
 * where there is no room for that it is made shorter, or is nothing (must_answer then).  OK: it has
 * it. ERR_AGAIN: fetch_round_aborted follows.  ERR_NOMEM: nothing is read any more, and
 * read.need_bytes were not to be had.  Others: as partition_read_aborted; nothing is read any more.
 */
must_use enum err fetch_aborted_list(struct fetch *fetch, struct partition *partition);
void fetch_round_aborted(struct fetch *fetch, enum err err); /* fetch_round.c */
/* The partition of the part that is read, there; NULL: it is gone. */
struct partition *fetch_round_partition(const struct fetch *fetch);

/* ---- fetch_answer.c: of a round that is complete; the request is gone */
void fetch_answer(struct fetch *fetch);

/* ---- fetch_wait.c */
/* Wait for min_bytes without holding any; a round follows when they have come. */
void fetch_wait(struct fetch *fetch);
/* Answer with what there is: a wait ends. */
void fetch_wait_expire(struct fetch *fetch);
void fetch_wait_on_next_round(struct task *task);

#endif
