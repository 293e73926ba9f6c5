/* client_fetcher: a fetch loop: keeps one Fetch under way to each leader, with a session (KIP-227),
 * and hands out batches and records in the order of their offsets.
 *
 * Owned by whoever consumes; lives on the loop of its cluster.  The owner pulls; what was fetched
 * and not pulled is bounded: while one answer of a broker waits, the next one is asked for, and no
 * more.  Batches are handed out where they lie in the answer.
 *   CFE-1  of each partition batches come in rising offsets, each once, from its position on
 *   CFE-2  at read_committed nothing of an aborted transaction is handed out as visible (the
 *          answer's aborted transactions, KIP-98), nothing behind the last stable offset
 *   CFE-3  a position moves only with what was pulled, and by seek
 *   CFE-4  a batch whose checksum is wrong is not handed out: event corrupt, and the partition
 *          stops until seek
 *   CFE-5  an offset out of range, or a log that was truncated (KIP-320), stops the partition with
 *          an event; nothing is skipped silently */
#ifndef LEVEE_NET_CLIENT_CLIENT_FETCHER_H
#define LEVEE_NET_CLIENT_CLIENT_FETCHER_H

#include "net/client/client_cluster.h"
#include "record/batch.h"
#include "record/record.h"

struct client_fetcher;

struct client_fetcher_options {
    bool is_committed;            /* isolation.level */
    bool uses_sessions;           /* KIP-227 */
    bool wants_control;           /* control batches are handed out, too */
    bool wants_aborted;           /* aborted batches are handed out, marked (not visible) */
    bool checks_crcs;             /* check.crcs */
    uint32_t min_bytes;           /* fetch.min.bytes, 1 */
    uint32_t max_bytes;           /* fetch.max.bytes, 50 MiB */
    uint32_t partition_max_bytes; /* max.partition.fetch.bytes, 1 MiB */
    uint32_t max_wait_ms;         /* fetch.max.wait.ms, 500 */
    const char *rack;             /* client.rack */
};

struct client_fetcher_options client_fetcher_options_default(void);

enum client_fetcher_trouble {
    CLIENT_FETCHER_OUT_OF_RANGE, /* offset is where it was; client_offsets_list tells the log's */
    CLIENT_FETCHER_TRUNCATED,    /* what was read from offset on is not in the log any more; -1:
                                  * not known from where on */
    CLIENT_FETCHER_CORRUPT,      /* the batch at offset */
    CLIENT_FETCHER_REFUSED,      /* error_code: not allowed, topic deleted, ... */
};

struct client_fetcher_events {
    /* Something can be pulled; once, until client_fetcher_next_batch said ERR_AGAIN. */
    void (*ready)(void *context);
    /* The partition stopped; seek or unassign. */
    void (*trouble)(void *context, struct client_topic *topic, int32_t partition,
                    enum client_fetcher_trouble trouble, int64_t offset, int16_t error_code);
};

/* A batch that was pulled: valid until the next client_fetcher_next_batch. */
struct client_fetched {
    struct client_topic *topic;
    int32_t partition;
    struct batch_header header; /* as stored */
    bool is_visible;            /* not control, not aborted */
    bool is_aborted;
    const uint8_t *bytes;       /* the whole batch */
    int64_t from_offset;        /* records below it were not asked for: skipped by next_record */
    int64_t high_watermark;     /* of the answer */
    int64_t last_stable_offset; /* of the answer; -1: not told */
    int64_t log_start_offset;
    uint64_t received_ns; /* monotonic: when the answer was there */
};

/* Its records: next_record decompresses as needed. */
struct client_fetched_record {
    int64_t offset;
    int64_t timestamp_ms;
    struct record record; /* points into the batch, or into what was decompressed; until the next
                           * next_batch */
};

/* options->rack is copied; events stay the caller's.  Every event comes from a turn of the loop of
 * its own, never inside one of the functions below.  ERR_NOMEM. */
must_use enum err client_fetcher_create(struct client_cluster *cluster,
                                        const struct client_fetcher_options *options,
                                        const struct client_fetcher_events *events, void *context,
                                        struct client_fetcher **out);

/* No event comes any more; closed (may be NULL) runs once, from the loop. */
void client_fetcher_destroy(struct client_fetcher *fetcher, void (*closed)(void *context),
                            void *context);

/* Fetch it from offset on; also: seek one that is assigned, which keeps its pause.  leader_epoch:
 * of the record before offset, -1: not known (KIP-320).  ERR_NOMEM. */
must_use enum err client_fetcher_assign(struct client_fetcher *fetcher, struct client_topic *topic,
                                        int32_t partition, int64_t offset, int32_t leader_epoch);
void client_fetcher_unassign(struct client_fetcher *fetcher, struct client_topic *topic,
                             int32_t partition);

/* What waits of it is kept, nothing more is asked for. */
void client_fetcher_pause(struct client_fetcher *fetcher, struct client_topic *topic,
                          int32_t partition, bool is_paused);

/* The next batch that was fetched.  ERR_AGAIN: none now; events->ready comes.  */
must_use enum err client_fetcher_next_batch(struct client_fetcher *fetcher,
                                            struct client_fetched *out);

/* The next record of the batch that was pulled last.  ERR_NOT_FOUND: no more.  ERR_CORRUPT,
 * ERR_CODEC, ERR_NOMEM: what follows in this batch can't be read. */
must_use enum err client_fetcher_next_record(struct client_fetcher *fetcher,
                                             struct client_fetched_record *out);

/* Where the next batch that will be pulled begins: behind the one that was pulled last, whether its
 * records were looked at or not; -1: not assigned.  high_watermark and last
 * stable offset as of the last answer, -1 before; each may be NULL. */
int64_t client_fetcher_position(const struct client_fetcher *fetcher,
                                const struct client_topic *topic, int32_t partition,
                                int64_t *high_watermark, int64_t *last_stable_offset,
                                int32_t *leader_epoch);

/* Since when (monotonic) some partition that is assigned, not paused and not stopped can't be read
 * for a reason that may pass; 0: there is none.  *error_code (may be NULL): Kafka's word about it;
 * KAFKA_NONE: its broker can't be reached (client_cluster_problem). */
uint64_t client_fetcher_failing_since_ns(const struct client_fetcher *fetcher, int16_t *error_code);

#endif
