/* load_account_private: what the parts of load_account share.
 *
 * A record is a bit in each of the bitmaps of its page:
 *   sent      told
 *   open      its transaction has not ended
 *   acked     stored, and to be read unless it is optional
 *   bad       not to be read: not stored, or of an aborted transaction
 *   optional  may be read or not: nobody knows
 *   read      read
 * bad and optional together: it was judged as lost already.
 * A record is passed when it is sent, not open, and bad, optional, or acked and read: nothing is
 * expected of it any more. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_ACCOUNT_PRIVATE_H
#define LEVEE_TOOLS_LOAD_LOAD_ACCOUNT_PRIVATE_H

#include "tools/load/load_account.h"

enum {
    LOAD_PAGE_RECORDS = 1024,
    LOAD_PAGE_WORDS = LOAD_PAGE_RECORDS / 64,
    LOAD_ORDER_CHUNK = 64,
};

/* Where each record of a page was acknowledged or, once it is read, read: -1 not known. */
struct load_places {
    int64_t offsets[LOAD_PAGE_RECORDS];
    uint32_t partitions[LOAD_PAGE_RECORDS]; /* index in the account */
};

struct load_page {
    uint64_t sent[LOAD_PAGE_WORDS];
    uint64_t open[LOAD_PAGE_WORDS];
    uint64_t acked[LOAD_PAGE_WORDS];
    uint64_t bad[LOAD_PAGE_WORDS];
    uint64_t optional[LOAD_PAGE_WORDS];
    uint64_t read[LOAD_PAGE_WORDS];
    struct load_places *places; /* NULL: every record is passed */
    uint32_t left_count;        /* of records that are not passed, or not sent yet */
};

enum { LOAD_END_NONE = LOAD_END_UNKNOWN + 1 };

struct load_transaction {
    uint64_t number;
    uint64_t first; /* sequence */
    uint64_t count;
    uint64_t stored_count; /* once committed: of its records */
    uint64_t unread_count;
    uint64_t lost_count; /* judged already */
    uint32_t end;        /* enum load_end, or LOAD_END_NONE */
};

/* One producer in one partition. */
struct load_order {
    uint64_t next_sent; /* partition sequence; 0: it never sent there */
    uint64_t next_read; /* one above the highest that was read */
    int64_t last_offset;
};

/* Items in a row; those at the front leave. */
struct load_queue {
    uint8_t *items;
    uint32_t item_bytes;
    uint32_t head;
    uint32_t count;
    uint32_t max;
};

struct load_producer {
    struct load_queue pages;        /* struct load_page *; NULL: all in it were read */
    struct load_queue transactions; /* struct load_transaction, open or not read completely */
    struct load_queue doubtful;     /* struct load_transaction, of an end that is not known */
    uint64_t first_page;            /* number of the first in pages */
    uint64_t next_sequence;
    uint64_t last_transaction;
    bool is_reserved;   /* it may send now */
    bool is_open_ended; /* it may have sent more, before a restart */
    uint32_t epoch;
    uint32_t chunks_count;
    struct load_order **chunks; /* by index of the partition; NULL: not used */
};

struct load_partition {
    uint32_t topic;
    int32_t partition;
    int64_t read_end; /* 0, or one above the highest offset that was read */
};

struct load_topic {
    uint32_t *indexes; /* by partition: index + 1; 0: not known */
    uint32_t max;
};

struct load_account {
    uint32_t run;
    uint32_t producers_max;
    uint32_t topics_max;
    uint32_t partitions_max;
    uint32_t partitions_count;
    struct load_producer **producers; /* NULL: not known */
    struct load_topic *topics;
    struct load_partition *partitions;
    uint64_t label;
    uint64_t memory_max_bytes;
    uint64_t memory_used_bytes;
    uint64_t unread_count;
    uint64_t events_count;       /* outcomes, ends and reads */
    uint64_t relieved_count;     /* events_count when memory was last looked through */
    struct load_verdict verdict; /* so far */
};

static inline uint64_t load_word_mask(uint64_t index)
{
    return 1ULL << (index & 63);
}

static inline void *load_queue_at(const struct load_queue *queue, uint32_t index)
{
    return queue->items + (size_t)(queue->head + index) * queue->item_bytes;
}

/* The page of a sequence that was sent, or NULL: everything in it was read. */
static inline struct load_page *load_page_of(const struct load_producer *producer,
                                             uint64_t sequence)
{
    uint64_t number = sequence / LOAD_PAGE_RECORDS;

    if (number < producer->first_page || number - producer->first_page >= producer->pages.count)
        return NULL;
    return *(struct load_page **)load_queue_at(&producer->pages,
                                               (uint32_t)(number - producer->first_page));
}

static inline struct load_producer *load_producer_find(const struct load_account *account,
                                                       uint32_t producer)
{
    return producer < account->producers_max ? account->producers[producer] : NULL;
}

/* The index of a partition, or -1. */
static inline int64_t load_partition_find(const struct load_account *account, uint32_t topic,
                                          int32_t partition)
{
    const struct load_topic *one;

    if (topic >= account->topics_max)
        return -1;
    one = &account->topics[topic];
    if (partition < 0 || (uint32_t)partition >= one->max)
        return -1;
    return (int64_t)one->indexes[partition] - 1;
}

/* NULL: not known. */
static inline struct load_order *load_order_find(const struct load_producer *producer,
                                                 uint32_t partition)
{
    uint32_t chunk = partition / LOAD_ORDER_CHUNK;

    if (chunk >= producer->chunks_count || producer->chunks[chunk] == NULL)
        return NULL;
    return &producer->chunks[chunk][partition % LOAD_ORDER_CHUNK];
}

/* load_account_memory: zeroed, and counted; NULL when the limit or the heap says no. */
void *load_account_alloc(struct load_account *account, size_t size_bytes);
void load_account_free(struct load_account *account, void *memory, size_t size_bytes);

/* Room behind the last one, zeroed; NULL as above. */
void *load_queue_push(struct load_account *account, struct load_queue *queue);
void load_queue_pop(struct load_queue *queue);

/* Known from now on.  ERR_NOMEM. */
must_use enum err load_producer_ensure(struct load_account *account, uint32_t producer,
                                       struct load_producer **out);
must_use enum err load_partition_ensure(struct load_account *account, uint32_t topic,
                                        int32_t partition, uint32_t *out);
must_use enum err load_order_ensure(struct load_account *account, struct load_producer *producer,
                                    uint32_t partition, struct load_order **out);
must_use enum err load_page_ensure(struct load_account *account, struct load_producer *producer,
                                   struct load_page **out);

/* Something of the page was passed or read: give back what it needs no longer; page may be gone. */
void load_page_settle(struct load_account *account, struct load_producer *producer,
                      uint64_t sequence, struct load_page *page);
/* Transactions at the front that are done leave. */
void load_transactions_settle(struct load_account *account, struct load_producer *producer);
/* Memory is full: judge what readers have passed.  False: nothing happened since the last time. */
bool load_account_relieve(struct load_account *account);

/* load_account_judge: one finding about a record, where: index of the partition or -1. */
void load_account_note(const struct load_account *account, struct load_verdict *verdict,
                       enum load_finding_kind kind, int64_t where,
                       const struct load_finding *finding);
/* The part of [first, first + count) that lies in the 64 records of at, a multiple of 64. */
uint64_t load_range_mask(uint64_t first, uint64_t count, uint64_t at);

#endif
