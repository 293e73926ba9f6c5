/* memory_limits: what each purpose of a broker may hold, out of levee.memory.max.bytes.
 *
 * The limits add up to less than the whole: the rest is for what has limits of another kind
 * (producers, metadata, indexes, connections, code) and for what the allocator loses between
 * blocks.  A key that is set (levee.tail.cache.bytes, queued.max.request.bytes) counts as it is
 * set. */
#ifndef LEVEE_BROKER_MEMORY_LIMITS_H
#define LEVEE_BROKER_MEMORY_LIMITS_H

#include <stdint.h>

struct config;
struct log_sink;

enum memory_purpose {
    MEMORY_JOURNAL,        /* groups of the journal, and with them the tail cache; never lent */
    MEMORY_COLD_READS,     /* bytes read from segment files */
    MEMORY_FRAMES,         /* requests being received, or whole and not yet started */
    MEMORY_REQUESTS,       /* frames of started requests; a produced one until it is appended */
    MEMORY_DECODED,        /* what frames unfold to, the answers that are being made, and frames of
                            * requests that wait for other clients */
    MEMORY_ANSWERS,        /* bytes that answers hold until they are sent */
    MEMORY_GROUPS,         /* groups, their members' metadata and assignments, offsets */
    MEMORY_TRANSACTIONS,   /* transactional ids, and the partitions of open transactions */
    MEMORY_FETCH_SESSIONS, /* what fetch sessions remember */
    MEMORY_PURPOSE_COUNT
};

/* "journal", "cold_reads" and so on: the label of metrics and log lines. */
const char *memory_purpose_name(enum memory_purpose purpose);

struct memory_limits {
    uint64_t max_bytes[MEMORY_PURPOSE_COUNT];
    uint64_t tail_cache_bytes; /* payload that stays in memory after it was written */
    uint64_t producer_bytes;   /* what partitions remember of idempotent producers; of the rest */
    uint64_t idle_bytes;   /* what buffers that nobody uses may keep from the system; of the rest */
    uint64_t recode_bytes; /* what a batch may expand to that is written anew: a thread holds it
                            * twice; of the rest */
};

/* The limits of one of shard_count shards.  system_bytes: what the system allows (0: unknown); the
 * key levee.memory.max.bytes, when set, counts instead.  total_out: what was shared out. */
void memory_limits_share(const struct config *config, uint64_t system_bytes, uint32_t shard_count,
                         struct memory_limits *out, uint64_t *total_out);

/* What was shared out, in one line (LVE-1110). */
void memory_limits_log(const struct memory_limits *limits, uint64_t total_bytes,
                       struct log_sink *sink);

#endif
