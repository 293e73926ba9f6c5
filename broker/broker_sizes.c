#include "broker/broker_sizes.h"

void broker_sizes_limit(const struct broker_sizes *sizes, struct memory_limits *limits)
{
    limits->tail_cache_bytes = broker_sizes_or(sizes->tail_cache_bytes, limits->tail_cache_bytes);
    for (uint32_t i = 0; i < MEMORY_PURPOSE_COUNT; i++)
        limits->max_bytes[i] = broker_sizes_or(sizes->memory_bytes[i], limits->max_bytes[i]);
}
