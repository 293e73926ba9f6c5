/* broker_sizes: sizes of a broker that no key sets, or that keys keep large; zero: the product's.
 *
 * Users have zeros; the simulator draws small ones, so that what happens at a limit happens often.
 */
#ifndef LEVEE_BROKER_BROKER_SIZES_H
#define LEVEE_BROKER_BROKER_SIZES_H

#include "broker/memory_limits.h"

#include <stdint.h>

struct broker_sizes {
    uint32_t journal_pending_max_bytes; /* on their way to the device; then appends wait */
    uint64_t journal_max_bytes;         /* in place of levee.journal.max.bytes */
    uint32_t segment_write_bytes;
    uint32_t segment_in_flight_max_bytes;
    uint64_t index_cache_max_bytes;
    uint32_t read_window_max_bytes;  /* of a read of a segment */
    uint32_t log_producers_max;      /* that one partition remembers */
    uint32_t segment_shrink;         /* a segment is full at such a part of segment.bytes */
    uint32_t producers_max;          /* that all of a shard remember */
    uint64_t conn_answers_max_bytes; /* unsent, of one connection; then it is not read */
    uint32_t fetch_session_stale_ms; /* unused for so long, one gives way */
    uint64_t tail_cache_bytes;       /* in place of what memory_limits shares */
    uint64_t memory_bytes[MEMORY_PURPOSE_COUNT]; /* of a shard; the same */
};

/* The product's where sizes has none. */
static inline uint64_t broker_sizes_or(uint64_t size, uint64_t otherwise)
{
    return size != 0 ? size : otherwise;
}

struct store_options;

/* The sizes of a store: those of the product, or what limits give it, but for what is set. */
void broker_sizes_fill(const struct broker_sizes *sizes, const struct memory_limits *limits,
                       struct store_options *options);

/* What is set of them, in place of what was shared out. */
void broker_sizes_limit(const struct broker_sizes *sizes, struct memory_limits *limits);

#endif
