#include "broker/broker_sizes.h"

#include "storage/log/producer_shares.h"
#include "storage/store.h"

/* What a remembered producer takes at most, in one partition: the entry and its place in the table
 * (380), an owner of its own, for the partition and for the shard (220), and its lines in the files
 * of a checkpoint (226). */
enum { PRODUCER_BYTES = 832 };

/* Twice as many are kept of those that a start found (producer_shares.h). */
static uint32_t producers_of(uint64_t bytes)
{
    uint64_t count = bytes / PRODUCER_BYTES / PRODUCER_SHARES;

    return count > 0 ? (uint32_t)count : 1;
}

void broker_sizes_fill(const struct broker_sizes *sizes, const struct memory_limits *limits,
                       struct store_options *options)
{
    options->journal_max_bytes =
        broker_sizes_or(sizes->journal_max_bytes, options->journal_max_bytes);
    options->journal_pending_max_bytes = sizes->journal_pending_max_bytes;
    options->segment_write_bytes = (uint32_t)broker_sizes_or(sizes->segment_write_bytes, 256 << 10);
    options->segment_in_flight_max_bytes =
        (uint32_t)broker_sizes_or(sizes->segment_in_flight_max_bytes, 1 << 20);
    options->index_cache_max_bytes = broker_sizes_or(sizes->index_cache_max_bytes, 16 << 20);
    options->read_window_max_bytes = sizes->read_window_max_bytes;
    options->log_producers_max = sizes->log_producers_max;
    options->segment_shrink = sizes->segment_shrink;
    options->producers_max =
        (uint32_t)broker_sizes_or(sizes->producers_max, producers_of(limits->producer_bytes));
}

void broker_sizes_limit(const struct broker_sizes *sizes, struct memory_limits *limits)
{
    limits->tail_cache_bytes = broker_sizes_or(sizes->tail_cache_bytes, limits->tail_cache_bytes);
    for (uint32_t i = 0; i < MEMORY_PURPOSE_COUNT; i++)
        limits->max_bytes[i] = broker_sizes_or(sizes->memory_bytes[i], limits->max_bytes[i]);
}
