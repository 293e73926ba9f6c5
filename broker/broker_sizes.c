#include "broker/broker_sizes.h"

#include "storage/store.h"

void broker_sizes_fill(const struct broker_sizes *sizes, struct store_options *options)
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
}

void broker_sizes_limit(const struct broker_sizes *sizes, struct memory_limits *limits)
{
    limits->tail_cache_bytes = broker_sizes_or(sizes->tail_cache_bytes, limits->tail_cache_bytes);
    for (uint32_t i = 0; i < MEMORY_PURPOSE_COUNT; i++)
        limits->max_bytes[i] = broker_sizes_or(sizes->memory_bytes[i], limits->max_bytes[i]);
}
