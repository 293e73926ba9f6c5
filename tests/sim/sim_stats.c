#include "tests/sim/sim_stats.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *text;
    size_t at;
} counters[] = {
#define SIM_STATS_ROW(name, text) {#name, text, offsetof(struct sim_stats, name)},
    SIM_STATS_LIST(SIM_STATS_ROW)
#undef SIM_STATS_ROW
};

static uint64_t value_of(const struct sim_stats *stats, size_t i)
{
    uint64_t value;

    memcpy(&value, (const uint8_t *)stats + counters[i].at, sizeof(value));
    return value;
}

uint64_t sim_stats_faults(const struct sim_stats *stats)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < array_count(counters); i++) {
        if (strncmp(counters[i].text, "fault:", 6) == 0)
            sum += value_of(stats, i);
    }
    return sum;
}

void sim_stats_format(const struct sim_stats *stats, uint64_t virtual_ns, char *text,
                      size_t text_bytes)
{
    snprintf(text, text_bytes,
             "simulated %" PRIu64 " operations, %" PRIu64 " faults, %" PRIu64
             " crashes, %.4f virtual hours",
             stats->operations, sim_stats_faults(stats),
             stats->process_crashes + stats->power_crashes, (double)virtual_ns / 3.6e12);
}

void sim_stats_format_all(const struct sim_stats *stats, char *text, size_t text_bytes)
{
    size_t used = 0;

    if (text_bytes > 0)
        text[0] = '\0';
    for (size_t i = 0; i < array_count(counters) && used < text_bytes; i++) {
        if (value_of(stats, i) == 0)
            continue;
        used += (size_t)snprintf(text + used, text_bytes - used, "%s=%" PRIu64 " ",
                                 counters[i].name, value_of(stats, i));
    }
}

void sim_stats_add(struct sim_stats *into, const struct sim_stats *from)
{
#define SIM_STATS_ADD(name, text) into->name += from->name;
    SIM_STATS_LIST(SIM_STATS_ADD)
#undef SIM_STATS_ADD
}
