/* log_config: what of a topic's configuration its logs act on.  A value; Kafka's names and units.
 */
#ifndef LEVEE_STORAGE_LOG_LOG_CONFIG_H
#define LEVEE_STORAGE_LOG_LOG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

struct log_config {
    uint32_t segment_bytes;
    int64_t segment_ms;
    int64_t retention_ms;    /* -1: without end */
    int64_t retention_bytes; /* -1: without end */
    uint32_t index_interval_bytes;
    uint32_t segment_index_bytes;
    int64_t file_delete_delay_ms;
    bool retention_by_delete; /* cleanup.policy contains delete */
    bool compact;             /* cleanup.policy contains compact */
    double min_cleanable_dirty_ratio;
    int64_t min_compaction_lag_ms;
    int64_t max_compaction_lag_ms;
    int64_t delete_retention_ms; /* of tombstones and markers */
    bool relaxed;                /* levee.durability=cache */
    bool log_append_time;        /* message.timestamp.type */
    bool reserved_space;         /* internal and metadata logs: may use the space reserve */
    bool required; /* nothing starts without it: a file that cannot be read is an error of
                    * log_open, and the next start tries again */
};

#endif
