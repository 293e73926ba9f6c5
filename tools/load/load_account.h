/* load_account: exactly-once accounting of a run: what was acknowledged, failed, or may have been
 * stored, against what was read.
 *
 * One for everything that is written and read together: a run, or an agent with topics of its own;
 * then load_verdict_merge.  One thread at a time.  It belongs to one reader of each partition, who
 * reads committed: of several groups, one is told.  Memory is bounded: bitmaps of sequences for
 * each producer, in pages that lose their offsets once the outcome of everything in them is known
 * and what must be read was, and are given back if all was; when memory is full, what the readers
 * have passed is judged at once.  Of findings the first LOAD_FINDINGS_MAX (of one kind at most
 * half) are kept with their offsets, all are counted.
 *   ACC-1  a record that was acknowledged (in a transaction: committed) and is not read by the end
 *          is lost; where readers did not come to the end, only if one has passed it: of the others
 *          nobody knows (unread)
 *   ACC-2  a record that is read twice (another offset, same stamp) is doubled; at the same offset
 *          it was only delivered again
 *   ACC-3  of a committed transaction all records are read, or it is torn if some are (each that is
 *          not is lost, too); of one whose end is not known, all or none
 *   ACC-4  a record of an aborted transaction that a committed reader sees is visible_aborted
 *   ACC-5  in a partition the partition sequences of a producer rise, or it is out of order
 *   ACC-6  a stamp whose checksum is wrong is corrupt; a record without one, or of another run, is
 *          foreign
 *   ACC-7  a record that is read, and never was sent there or surely was not stored, is a ghost
 *   ACC-8  sequences of a producer rise by one from 0, its transactions rise; a transaction's
 *          records are told before the first of the next */
#ifndef LEVEE_TOOLS_LOAD_LOAD_ACCOUNT_H
#define LEVEE_TOOLS_LOAD_LOAD_ACCOUNT_H

#include "base/err.h"
#include "tools/load/load_stamp.h"

#include <stdbool.h>

enum {
    LOAD_FINDINGS_MAX = 100,
    LOAD_PRODUCERS_MAX = 1 << 20,
    LOAD_TOPICS_MAX = 1 << 20,
    LOAD_PARTITIONS_MAX = 1 << 20, /* of a topic */
};

enum load_finding_kind {
    LOAD_LOST,
    LOAD_DOUBLED,
    LOAD_TORN,
    LOAD_VISIBLE_ABORTED,
    LOAD_OUT_OF_ORDER,
    LOAD_CORRUPT,
    LOAD_GHOST,
    LOAD_FINDING_COUNT,
};

/* "lost", "doubled", ... */
const char *load_finding_text(enum load_finding_kind kind);

struct load_finding {
    enum load_finding_kind kind;
    uint32_t topic; /* index in the run */
    int32_t partition;
    int64_t offset;       /* where it was read, or acknowledged; -1: not known */
    int64_t other_offset; /* of the first copy, of the record before; -1: none */
    uint32_t producer;
    uint64_t sequence;
    uint64_t transaction;
};

struct load_verdict {
    uint64_t sent_count;        /* records taken by producers */
    uint64_t stored_count;      /* acknowledged, and not in an aborted transaction */
    uint64_t unknown_count;     /* may have been stored */
    uint64_t failed_count;      /* surely not stored */
    uint64_t aborted_count;     /* in aborted transactions */
    uint64_t read_count;        /* stamps of this run, doubled ones included */
    uint64_t redelivered_count; /* read again at the same offset; not in read_count */
    uint64_t foreign_count;
    uint64_t unread_count; /* stored, and nobody came so far as to read it: lost or not */
    uint64_t committed_transactions;
    uint64_t aborted_transactions;
    uint64_t unknown_transactions;
    uint64_t counts[LOAD_FINDING_COUNT];
    struct load_finding findings[LOAD_FINDINGS_MAX];
    uint32_t findings_count;   /* kept */
    uint64_t memory_max_bytes; /* the most that was in use */
    bool is_exactly_once;      /* every count is 0, and unread_count */
};

struct load_account;

/* run: of the stamps.  memory_max_bytes: of all its pages.  ERR_NOMEM. */
must_use enum err load_account_create(uint32_t run, uint64_t memory_max_bytes,
                                      struct load_account **out);
void load_account_destroy(struct load_account *account);

enum load_outcome { LOAD_STORED, LOAD_FAILED, LOAD_UNKNOWN };

/* Before the record is given to the producer.  ERR_FULL: too much is unsettled for the memory: wait
 * until more was read, nothing was noted.  ERR_NOMEM: the tables of producers and partitions do not
 * fit.  ERR_INVALID: against ACC-8, of another run, or numbers beyond the limits above. */
must_use enum err load_account_sent(struct load_account *account, const struct load_stamp *stamp,
                                    uint32_t topic, int32_t partition);

/* What became of it; offset -1: not known. */
void load_account_outcome(struct load_account *account, uint32_t producer, uint64_t sequence,
                          uint32_t topic, int32_t partition, enum load_outcome outcome,
                          int64_t offset);

enum load_end { LOAD_COMMITTED, LOAD_ABORTED, LOAD_END_UNKNOWN };

/* The transaction of a producer ended; its records are those told as sent with its number. */
void load_account_transaction(struct load_account *account, uint32_t producer, uint64_t transaction,
                              enum load_end end);

/* A record that a reader was given, in the order of offsets.  value: as read; NULL: none.  OK and
 * the stamp (whatever was found), or ERR_NOT_FOUND (foreign), ERR_CORRUPT. */
must_use enum err load_account_read(struct load_account *account, uint32_t topic, int32_t partition,
                                    int64_t offset, const void *key, int32_t key_bytes,
                                    const uint8_t *value, size_t size_bytes,
                                    struct load_stamp *stamp_out);

/* How many are stored and must be read, and are not yet: 0 says that a reader has caught up. */
uint64_t load_account_unread(const struct load_account *account);

/* Where producer goes on after load_account_load: the next sequence, the last transaction number
 * (0: none), the epoch of the last stamp. */
void load_account_resume(const struct load_account *account, uint32_t producer,
                         struct load_stamp *out);

/* The next partition sequence of producer there. */
uint64_t load_account_partition_next(const struct load_account *account, uint32_t producer,
                                     uint32_t topic, int32_t partition);

/* Judge.  is_at_end: everything that there was has been read.  The account stays as it is: it may
 * be saved, or go on. */
void load_account_close(const struct load_account *account, bool is_at_end,
                        struct load_verdict *out);

/* Is something lost, doubled, ... (unread is none of it)? */
bool load_verdict_has_findings(const struct load_verdict *verdict);

/* Add the verdict of another account, whose producers, topics and records are others. */
void load_verdict_merge(struct load_verdict *into, const struct load_verdict *from);

/* What the records are of, so that a file is not taken for another load's: any number. */
uint64_t load_account_label(const struct load_account *account);
void load_account_set_label(struct load_account *account, uint64_t label);

/* The run of its stamps. */
uint32_t load_account_run(const struct load_account *account);

/* Producers with these numbers will send: a file that is saved before they have knows of them.
 * ERR_NOMEM. */
must_use enum err load_account_reserve(struct load_account *account, uint32_t first,
                                       uint32_t count);

/* One above the highest number of a producer; one above the highest offset that was read there, or
 * -1: nothing was. */
uint32_t load_account_producers_count(const struct load_account *account);
int64_t load_account_read_end(const struct load_account *account, uint32_t topic,
                              int32_t partition);

/* For --state: the account as one file, checked, replaced as a whole, and back.  goes_on: producers
 * that are reserved send more that this file will not know of; what is read of that, if nobody
 * saves again, is unknown and no ghost.  What has no outcome when it is loaded is unknown for ever,
 * so producers of the next run take numbers of their own.  ERR_NOT_FOUND; ERR_CORRUPT: a checksum
 * or what it says is wrong; ERR_NEWER_FORMAT; ERR_NOMEM: it needs more than memory_max_bytes;
 * errors of files. */
must_use enum err load_account_save(const struct load_account *account, const char *path,
                                    bool goes_on);
must_use enum err load_account_load(const char *path, uint64_t memory_max_bytes,
                                    struct load_account **out);

#endif
