#include "tests/sim/sim_kept.h"

#include "broker/shard.h"
#include "broker/topic_table.h"
#include "storage/log/log_private.h"

#include <inttypes.h>
#include <stdio.h>

struct look {
    int64_t (*limit_of)(void *context, const struct uuid *topic_id);
    void (*complain)(void *context, const char *rule, const char *text);
    void *context;
    uint32_t count;
};

static void look_at(void *context, struct partition *partition)
{
    const struct log *log = partition->log;
    struct look *look = context;
    int64_t limit_bytes = look->limit_of(look->context, &log->id.topic_id);
    uint64_t first_bytes = 0;
    uint64_t bytes = 0;
    char text[128];

    if (log_is_quarantined(log) || limit_bytes < 0)
        return;
    for (uint32_t i = 0; i < log->segments.count; i++) {
        if (segment_manifest_at(&log->segments, i)->end_offset <= log->offsets.log_start)
            continue;
        if (bytes == 0)
            first_bytes = segment_manifest_at(&log->segments, i)->size_bytes;
        bytes += segment_manifest_at(&log->segments, i)->size_bytes;
    }
    if (bytes == 0)
        return;
    if (bytes - first_bytes < (uint64_t)limit_bytes) {
        look->count++;
        return;
    }
    snprintf(text, sizeof(text),
             "a log of %" PRIu32 " segments has %" PRIu64 " bytes, retention.bytes is %" PRId64,
             log->segments.count, bytes, limit_bytes);
    look->complain(look->context, "KEPT", text);
}

uint32_t sim_kept_look(const struct sim_broker *broker,
                       int64_t (*limit_of)(void *context, const struct uuid *topic_id),
                       void (*complain)(void *context, const char *rule, const char *text),
                       void *context)
{
    struct look look = {.limit_of = limit_of, .complain = complain, .context = context};

    for (uint32_t i = 0; i < broker->shards_count; i++)
        topic_table_each(broker_shard(broker->broker, i)->topics, look_at, &look);
    return look.count;
}
