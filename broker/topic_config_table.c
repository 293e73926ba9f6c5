/* The table of topic-level keys, and the broker keys that stand behind each (Kafka's
 * ServerTopicConfigSynonyms). */
#include "broker/topic_config_table.h"

#include "base/check.h"

#include <string.h>

/* clang-format off */
static const struct config_key keys[] = {
    {"cleanup.policy", CONFIG_LIST, CONFIG_ACTS, true, "delete", 0, 0, "compact,delete",
     "What happens to old segments: delete, compact, or both. Compaction does not run yet; its validation of keys does."},
    {"compression.gzip.level", CONFIG_I32, CONFIG_STORED, true, "-1", -1, 9, NULL,
     "Accepted, validated and echoed; the feature behind it does not exist here yet."},
    {"compression.lz4.level", CONFIG_I32, CONFIG_STORED, true, "9", 1, 17, NULL,
     "Accepted, validated and echoed; the feature behind it does not exist here yet."},
    {"compression.type", CONFIG_STRING, CONFIG_ACTS, true, "producer", 0, 0, "uncompressed,zstd,lz4,snappy,gzip,producer",
     "Codec in which batches are stored: producer keeps what the client sent."},
    {"compression.zstd.level", CONFIG_I32, CONFIG_STORED, true, "3", -131072, 22, NULL,
     "Accepted, validated and echoed; the feature behind it does not exist here yet."},
    {"delete.retention.ms", CONFIG_I64, CONFIG_STORED, true, "86400000", 0, INT64_MAX, NULL,
     "Accepted, validated and echoed; the feature behind it does not exist here yet."},
    {"file.delete.delay.ms", CONFIG_I64, CONFIG_ACTS, true, "60000", 0, INT64_MAX, NULL,
     "How long the files of a dropped segment or a deleted topic stay, in milliseconds."},
    {"flush.messages", CONFIG_I64, CONFIG_STORED, true, "9223372036854775807", 1, INT64_MAX, NULL,
     "Accepted, validated and echoed; the feature behind it does not exist here yet."},
    {"flush.ms", CONFIG_I64, CONFIG_STORED, true, "9223372036854775807", 0, INT64_MAX, NULL,
     "Accepted, validated and echoed; the feature behind it does not exist here yet."},
    {"follower.replication.throttled.replicas", CONFIG_LIST, CONFIG_STORED, true, "", 0, 0, NULL,
     "Accepted, validated and echoed; the feature behind it does not exist here yet."},
    {"index.interval.bytes", CONFIG_I32, CONFIG_ACTS, true, "4096", 0, INT32_MAX, NULL,
     "An index entry is added about every so many bytes of log."},
    {"leader.replication.throttled.replicas", CONFIG_LIST, CONFIG_STORED, true, "", 0, 0, NULL,
     "Accepted, validated and echoed; the feature behind it does not exist here yet."},
    {"levee.durability", CONFIG_STRING, CONFIG_ACTS, true, "sync", 0, 0, "sync,cache",
     "What an acknowledgement means: sync (on stable storage) or cache (in the kernel; survives kill -9, not power loss). Internal topics are always sync."},
    {"local.retention.bytes", CONFIG_I64, CONFIG_STORED, true, "-2", -2, INT64_MAX, NULL,
     "Accepted, validated and echoed; there is no tiered storage here."},
    {"local.retention.ms", CONFIG_I64, CONFIG_STORED, true, "-2", -2, INT64_MAX, NULL,
     "Accepted, validated and echoed; there is no tiered storage here."},
    {"max.compaction.lag.ms", CONFIG_I64, CONFIG_STORED, true, "9223372036854775807", 1, INT64_MAX, NULL,
     "Accepted, validated and echoed; the feature behind it does not exist here yet."},
    {"max.message.bytes", CONFIG_I32, CONFIG_ACTS, true, "1048588", 0, INT32_MAX, NULL,
     "Largest record batch in bytes, as it is stored."},
    {"message.timestamp.after.max.ms", CONFIG_I64, CONFIG_ACTS, true, "3600000", 0, INT64_MAX, NULL,
     "How far in the future, in milliseconds, a record timestamp may lie."},
    {"message.timestamp.before.max.ms", CONFIG_I64, CONFIG_ACTS, true, "9223372036854775807", 0, INT64_MAX, NULL,
     "How far in the past, in milliseconds, a record timestamp may lie."},
    {"message.timestamp.type", CONFIG_STRING, CONFIG_ACTS, true, "CreateTime", 0, 0, "CreateTime,LogAppendTime",
     "Whether records keep the timestamp of their producer or get the time of their append."},
    {"min.cleanable.dirty.ratio", CONFIG_DOUBLE, CONFIG_STORED, true, "0.5", 0, 1, NULL,
     "Accepted, validated and echoed; the feature behind it does not exist here yet."},
    {"min.compaction.lag.ms", CONFIG_I64, CONFIG_STORED, true, "0", 0, INT64_MAX, NULL,
     "Accepted, validated and echoed; the feature behind it does not exist here yet."},
    {"min.insync.replicas", CONFIG_I32, CONFIG_ACTS, true, "1", 1, INT32_MAX, NULL,
     "With acks=all, how many replicas must be in sync; never more than a partition has."},
    {"preallocate", CONFIG_BOOL, CONFIG_STORED, true, "false", 0, 0, NULL,
     "Accepted, validated and echoed; the feature behind it does not exist here yet."},
    {"remote.log.copy.disable", CONFIG_BOOL, CONFIG_STORED, true, "false", 0, 0, NULL,
     "Accepted, validated and echoed; there is no tiered storage here."},
    {"remote.log.delete.on.disable", CONFIG_BOOL, CONFIG_STORED, true, "false", 0, 0, NULL,
     "Accepted, validated and echoed; there is no tiered storage here."},
    {"remote.storage.enable", CONFIG_BOOL, CONFIG_STORED, true, "false", 0, 0, NULL,
     "Accepted, validated and echoed; there is no tiered storage here."},
    {"retention.bytes", CONFIG_I64, CONFIG_ACTS, true, "-1", INT64_MIN, INT64_MAX, NULL,
     "A partition drops its oldest segments above this size in bytes; -1: no limit."},
    {"retention.ms", CONFIG_I64, CONFIG_ACTS, true, "604800000", -1, INT64_MAX, NULL,
     "How long segments are kept, in milliseconds; -1: no limit."},
    {"segment.bytes", CONFIG_I32, CONFIG_ACTS, true, "1073741824", 1048576, INT32_MAX, NULL,
     "A segment is closed before it would pass this size in bytes."},
    {"segment.index.bytes", CONFIG_I32, CONFIG_ACTS, true, "10485760", 4, INT32_MAX, NULL,
     "Largest size of an offset index in bytes; a full index rolls the segment."},
    {"segment.jitter.ms", CONFIG_I64, CONFIG_STORED, true, "0", 0, INT64_MAX, NULL,
     "Accepted, validated and echoed; the feature behind it does not exist here yet."},
    {"segment.ms", CONFIG_I64, CONFIG_ACTS, true, "604800000", 1, INT64_MAX, NULL,
     "A record that is younger than the first of the segment by more than this, in milliseconds, begins a new one."},
    {"unclean.leader.election.enable", CONFIG_BOOL, CONFIG_STORED, true, "false", 0, 0, NULL,
     "Accepted, validated and echoed; the feature behind it does not exist here yet."},
};

static const struct topic_config_origin origins[array_count(keys)] = {
    {"cleanup.policy", {"log.cleanup.policy"}},
    {"compression.gzip.level", {"compression.gzip.level"}},
    {"compression.lz4.level", {"compression.lz4.level"}},
    {"compression.type", {"compression.type"}},
    {"compression.zstd.level", {"compression.zstd.level"}},
    {"delete.retention.ms", {"log.cleaner.delete.retention.ms"}},
    {"file.delete.delay.ms", {"log.segment.delete.delay.ms"}},
    {"flush.messages", {"log.flush.interval.messages"}},
    {"flush.ms", {"log.flush.interval.ms", "log.flush.scheduler.interval.ms"}},
    {"follower.replication.throttled.replicas", {}},
    {"index.interval.bytes", {"log.index.interval.bytes"}},
    {"leader.replication.throttled.replicas", {}},
    {"levee.durability", {"levee.durability"}},
    {"local.retention.bytes", {"log.local.retention.bytes"}},
    {"local.retention.ms", {"log.local.retention.ms"}},
    {"max.compaction.lag.ms", {"log.cleaner.max.compaction.lag.ms"}},
    {"max.message.bytes", {"message.max.bytes"}},
    {"message.timestamp.after.max.ms", {"log.message.timestamp.after.max.ms"}},
    {"message.timestamp.before.max.ms", {"log.message.timestamp.before.max.ms"}},
    {"message.timestamp.type", {"log.message.timestamp.type"}},
    {"min.cleanable.dirty.ratio", {"log.cleaner.min.cleanable.ratio"}},
    {"min.compaction.lag.ms", {"log.cleaner.min.compaction.lag.ms"}},
    {"min.insync.replicas", {"min.insync.replicas"}},
    {"preallocate", {"log.preallocate"}},
    {"remote.log.copy.disable", {}},
    {"remote.log.delete.on.disable", {}},
    {"remote.storage.enable", {}},
    {"retention.bytes", {"log.retention.bytes"}},
    {"retention.ms", {"log.retention.ms", "log.retention.minutes", "log.retention.hours"}},
    {"segment.bytes", {"log.segment.bytes"}},
    {"segment.index.bytes", {"log.index.size.max.bytes"}},
    {"segment.jitter.ms", {"log.roll.jitter.ms", "log.roll.jitter.hours"}},
    {"segment.ms", {"log.roll.ms", "log.roll.hours"}},
    {"unclean.leader.election.enable", {"unclean.leader.election.enable"}},
};
/* clang-format on */

const struct config_key *topic_config_keys(uint32_t *count_out)
{
    *count_out = array_count(keys);
    return keys;
}

const struct config_key *topic_config_key_find(const char *name)
{
    for (size_t i = 0; i < array_count(keys); i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

const struct topic_config_origin *topic_config_origin(const struct config_key *key)
{
    const struct topic_config_origin *origin = &origins[key - keys];

    check(strcmp(origin->name, key->name) == 0); /* both tables are in the same order */
    return origin;
}
