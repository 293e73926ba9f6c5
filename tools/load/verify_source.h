/* verify_source: one topic of one cluster as an auditor reads it: where its partitions begin and
 * end, and their batches one after the other.
 *
 * Blocking, on the loop of its room; for commands.  Waits have a limit: timeout_ms without anything
 * new.  problem has a sentence for people after each error. */
#ifndef LEVEE_TOOLS_LOAD_VERIFY_SOURCE_H
#define LEVEE_TOOLS_LOAD_VERIFY_SOURCE_H

#include "net/client/client_fetcher.h"
#include "tools/load/load_room.h"

/* As the broker tells, in this order: so VFY-5 holds also while others write. */
struct verify_ends {
    int64_t log_start;
    int64_t stable_offset;
    int64_t high_watermark;
    int64_t stable_after;
};

/* Why the reading of a partition stopped. */
struct verify_stop {
    bool is_set;
    int16_t error_code;
    enum client_fetcher_trouble trouble;
    int64_t offset;
};

struct verify_source {
    struct load_room *room;
    const char *brokers;
    const char *name; /* of the topic */
    uint64_t timeout_ms;
    struct client_cluster *cluster;
    struct client_topic *topic;
    int32_t partitions_count;
    bool is_compacted;
    bool is_policy_known; /* false: it would not say whether it is compacted, and is taken to be */
    struct verify_ends *ends;
    int16_t error_code; /* Kafka's, behind an error */
    char problem[256];
    /* reading */
    struct client_fetcher *fetcher;
    int64_t *until;            /* by partition; read up to there; -1: that is done */
    struct verify_stop *stops; /* by partition: not told yet */
    int32_t stops_count;
    int32_t reading_count; /* partitions that are not read to their end */
    bool is_ready;
    int32_t stopped_partition; /* of the last ERR_CORRUPT */
    int64_t stopped_offset;
};

/* The texts stay the caller's.  ERR_NOT_FOUND: no such topic.  ERR_REFUSED, ERR_TIMEOUT,
 * ERR_PERMISSION, ERR_INVALID, ERR_NOMEM.  close also after an error. */
must_use enum err verify_source_open(struct verify_source *source, struct load_room *room,
                                     const char *brokers, const char *topic, uint64_t timeout_ms);
void verify_source_close(struct verify_source *source); /* a zeroed one is accepted */

/* Begin to read: of partition, or of all of them (-1), from the log start to the high watermark, or
 * committed to stable_offset.  Batches of control and aborted ones are handed out, too, marked. */
must_use enum err verify_source_begin(struct verify_source *source, int32_t partition,
                                      bool is_committed);

/* The next batch; checksums are not looked at.  ERR_NOT_FOUND: all is read.  ERR_CORRUPT: bytes of
 * stopped_partition at stopped_offset are no batch: it is left out from there on.  Others are
 * final. */
must_use enum err verify_source_next(struct verify_source *source, struct client_fetched *out);

/* The next visible record, over batches.  Errors as verify_source_next; ERR_RECORD: it can't be
 * read. */
must_use enum err verify_source_next_record(struct verify_source *source,
                                            struct client_fetched *batch,
                                            struct client_fetched_record *out);

void verify_source_end(struct verify_source *source);

#endif
