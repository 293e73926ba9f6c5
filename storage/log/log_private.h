/* log_private: how a log lies in memory, and the steps that all its files take; for storage alone.
 * Who changes what: the file whose header says so. */
#ifndef LEVEE_STORAGE_LOG_LOG_PRIVATE_H
#define LEVEE_STORAGE_LOG_LOG_PRIVATE_H

#include "storage/dir/marks.h"
#include "storage/journal/journal_scan.h"
#include "storage/log/log.h"
#include "storage/log/log_environment.h"
#include "storage/log/segment_manifest.h"
#include "storage/log/unreplicated.h"

/* Kafka's snapshot of producers as of a roll, until it is written; bytes NULL: none. */
struct frozen_snapshot {
    int64_t offset;
    uint8_t *bytes;
    size_t size_bytes;
};

struct log {
    struct list node;    /* log_environment.logs */
    uint32_t walk_round; /* of the store's last walk that came to it */
    struct log_environment *env;
    struct log_id id;
    char *name;
    char *dir; /* absolute */
    struct log_config config;
    const struct log_events *events;
    void *events_context;
    struct log_offsets offsets;
    struct segment_environment segment_environment;
    struct segment_manifest segments; /* none when quarantined */
    struct log_tail tail;
    struct epoch_cache epochs;
    struct producer_state producers;
    struct unreplicated unreplicated; /* log_transactions.h */
    int64_t window_offset;            /* of the newest .levee-window file that a mark names; -1 */
    int64_t window_pending;           /* written by the checkpoint in progress; -1 */
    uint8_t *window_bytes;            /* frozen at the begin of the checkpoint; or NULL */
    size_t window_size;
    struct frozen_snapshot roll_snapshot;
    bool strays_removed; /* files of earlier lives that nothing names: once */
    bool epochs_dirty;
    bool producers_dirty;
    bool quarantined;
    struct list trims;     /* of log_trim.c: they wait for the journal */
    int64_t start_pending; /* highest log start in the journal, perhaps not durable yet */
    bool prefix_pending;   /* the next append carries the bytes below it in its block */
    bool dirty;            /* changed since the last mark */
    bool writing;          /* a segment write is in flight */
    bool closing;
    bool is_swapping;        /* segments are being replaced (log_swap.h) */
    bool is_uncleanable;     /* the cleaner has set it aside */
    uint64_t clean_after_ns; /* the cleaner leaves others their turn until then (CLN-4) */
    uint32_t clean_wait_ms;  /* the last time it left them so long; 0: none since it went well */
    int64_t cleaned_offset;  /* the cleaner begins there (log_swap.h) */
    int64_t undecided_end;   /* a pass up to there ended before a transaction; 0: none did */
    bool was_cut;            /* since the last checkpoint began, ... */
    int64_t cut_base_offset; /* ... lowest segment that was cut */
    bool target_was_cut;     /* the same for what came before the checkpoint in progress, ... */
    int64_t target_cut_base_offset; /* ... whose mark is not durable yet */
    struct list dirty_node;         /* log_environment.dirty_logs */
    struct list write_node;         /* segment_writer.queue */
    struct list progress_node;      /* log_progress.moved, while events are due */
    /* what the checkpoint in progress is to reach */
    bool in_checkpoint;
    struct mark target;
    struct mark believed; /* as last written, or read at the start */
    bool believed_exists;
    int64_t marked_base_offset;  /* of the segment that the durable mark names; -1: there is none */
    struct list target_node;     /* checkpointer.targets */
    uint64_t remainder_bytes;    /* at start: of its entries that were set aside */
    struct journal_facts *facts; /* at start: entries that were not replayed yet; else NULL */
};

static inline struct segment *log_active(const struct log *log)
{
    return segment_manifest_active(&log->segments);
}

static inline int64_t log_wall_ms(const struct log *log)
{
    return clock_wall_ms(log->env->loop->clock);
}

/* Of a file of its directory that has an offset for its name; out: LOG_PATH_MAX. */
void log_format_path(const struct log *log, int64_t offset, enum log_file_kind kind, char *out);

/* ---- log_publish.c: beside log_set_high_watermark */

/* The log ends at end_offset now. */
void log_cut_published(struct log *log, int64_t end_offset);

/* The last stable offset anew: more is durable, the log's start was raised, or transactions are
 * known that were not. */
void log_place_stable(struct log *log);

/* At a start: as far as was published before, inside of what the log has. */
void log_recover_published(struct log *log, int64_t high_watermark);

/* The high watermark for a mark that believes up to end_offset. */
int64_t log_published_below(const struct log *log, int64_t end_offset);

/* Its mark is not true any more: the next checkpoint writes one. */
void log_mark_dirty(struct log *log);

#endif
