#include "broker/memory_limits.h"

#include "base/check.h"
#include "base/log_line.h"
#include "broker/config.h"

enum { MIB = 1 << 20, TOTAL_MIN_BYTES = 64 * MIB };

enum { PRODUCER_THOUSANDTHS = 40, PRODUCERS_MAX_BYTES = 1024 * MIB };

enum { RECODE_PART = 16, RECODE_MIN_BYTES = 8 * MIB };

/* A load's ups and downs; more than that comes from the system again. */
enum { IDLE_PART = 32, IDLE_MAX_BYTES = 128 * MIB };

static const uint64_t total_unknown_bytes = (uint64_t)4 << 30;

/* In thousandths of the whole; together below 750.  cap_bytes: more is of no use. */
static const struct share {
    const char *name;
    uint32_t thousandths;
    uint64_t cap_bytes;
} shares[MEMORY_PURPOSE_COUNT] = {
    [MEMORY_JOURNAL] = {"journal", 200, UINT64_MAX},
    [MEMORY_COLD_READS] = {"cold_reads", 75, (uint64_t)1024 * MIB},
    [MEMORY_FRAMES] = {"frames", 100, (uint64_t)512 * MIB},
    [MEMORY_REQUESTS] = {"requests", 100, (uint64_t)512 * MIB},
    [MEMORY_DECODED] = {"decoded", 100, (uint64_t)2048 * MIB},
    [MEMORY_ANSWERS] = {"answers", 100, (uint64_t)512 * MIB},
    [MEMORY_GROUPS] = {"groups", 40, (uint64_t)512 * MIB},
    [MEMORY_TRANSACTIONS] = {"transactions", 10, (uint64_t)256 * MIB},
    [MEMORY_FETCH_SESSIONS] = {"fetch_sessions", 25, (uint64_t)128 * MIB},
};

const char *memory_purpose_name(enum memory_purpose purpose)
{
    check((unsigned)purpose < MEMORY_PURPOSE_COUNT);
    return shares[purpose].name;
}

static uint64_t total_of(const struct config *config, uint64_t system_bytes)
{
    int64_t set = config_values(config)->levee_memory_max_bytes;

    if (set > 0)
        return (uint64_t)set;
    if (system_bytes == 0)
        return total_unknown_bytes;
    return system_bytes > TOTAL_MIN_BYTES ? system_bytes : TOTAL_MIN_BYTES;
}

/* The cache as it is set, else its default or half of what the journal's memory may be. */
static void share_journal(const struct config *config, struct memory_limits *limits)
{
    uint64_t *journal_bytes = &limits->max_bytes[MEMORY_JOURNAL];
    uint64_t cache_bytes = (uint64_t)config_values(config)->levee_tail_cache_bytes;

    if (!config_is_set(config, CONFIG_LEVEE_TAIL_CACHE_BYTES) && cache_bytes > *journal_bytes / 2)
        cache_bytes = *journal_bytes / 2;
    limits->tail_cache_bytes = cache_bytes;
    if (*journal_bytes < cache_bytes * 2 || *journal_bytes > cache_bytes * 4)
        *journal_bytes = *journal_bytes < cache_bytes * 2 ? cache_bytes * 2 : cache_bytes * 4;
}

void memory_limits_share(const struct config *config, uint64_t system_bytes, uint32_t shard_count,
                         struct memory_limits *out, uint64_t *total_out)
{
    uint64_t total_bytes = total_of(config, system_bytes);
    int64_t queued_bytes = config_values(config)->queued_max_request_bytes;

    check(shard_count > 0);
    for (int purpose = 0; purpose < MEMORY_PURPOSE_COUNT; purpose++) {
        uint64_t bytes = total_bytes / 1000 * shares[purpose].thousandths;
        if (bytes > shares[purpose].cap_bytes)
            bytes = shares[purpose].cap_bytes;
        out->max_bytes[purpose] = bytes / shard_count;
    }
    if (queued_bytes > 0)
        out->max_bytes[MEMORY_REQUESTS] = (uint64_t)queued_bytes / shard_count;
    share_journal(config, out);
    out->producer_bytes = total_bytes / 1000 * PRODUCER_THOUSANDTHS;
    if (out->producer_bytes > PRODUCERS_MAX_BYTES)
        out->producer_bytes = PRODUCERS_MAX_BYTES;
    out->producer_bytes /= shard_count;
    out->recode_bytes = total_bytes / RECODE_PART / shard_count;
    if (out->recode_bytes < RECODE_MIN_BYTES)
        out->recode_bytes = RECODE_MIN_BYTES;
    out->idle_bytes = total_bytes / IDLE_PART;
    if (out->idle_bytes > IDLE_MAX_BYTES)
        out->idle_bytes = IDLE_MAX_BYTES;
    out->idle_bytes /= shard_count;
    *total_out = total_bytes;
}

void memory_limits_log(const struct memory_limits *limits, uint64_t total_bytes,
                       struct log_sink *sink)
{
    log_line(sink, LOG_INFO, "LVE-1110", "memory was shared out", log_u64("bytes", total_bytes),
             log_u64("tail_cache", limits->tail_cache_bytes),
             log_u64("journal", limits->max_bytes[MEMORY_JOURNAL]),
             log_u64("cold_reads", limits->max_bytes[MEMORY_COLD_READS]),
             log_u64("frames", limits->max_bytes[MEMORY_FRAMES]),
             log_u64("requests", limits->max_bytes[MEMORY_REQUESTS]),
             log_u64("decoded", limits->max_bytes[MEMORY_DECODED]),
             log_u64("answers", limits->max_bytes[MEMORY_ANSWERS]),
             log_u64("groups", limits->max_bytes[MEMORY_GROUPS]),
             log_u64("transactions", limits->max_bytes[MEMORY_TRANSACTIONS]),
             log_u64("fetch_sessions", limits->max_bytes[MEMORY_FETCH_SESSIONS]),
             log_u64("producers", limits->producer_bytes));
}
