/* log_private: how a log, its segments and its tail lie in memory; for storage's log*.c, segment*.c
 * and store*.c alone. */
#ifndef LEVEE_STORAGE_LOG_LOG_PRIVATE_H
#define LEVEE_STORAGE_LOG_LOG_PRIVATE_H

#include "storage/journal/journal_scan.h"
#include "storage/log/log.h"
#include "storage/log/segment.h"
#include "storage/store_private.h"

/* Kafka's snapshot of producers as of a roll, until it is written; bytes NULL: none. */
struct frozen_snapshot {
    int64_t offset;
    uint8_t *bytes;
    size_t size_bytes;
};

struct log {
    struct list node;    /* store.logs */
    uint32_t walk_round; /* of the store's last walk that came to it */
    struct store *store;
    struct log_id id;
    char *name;
    char *dir; /* absolute */
    struct log_config config;
    const struct log_events *events;
    void *events_context;
    struct log_offsets offsets;
    struct segment_environment segment_environment;
    struct segment **segments; /* by base offset; the last is active; none when quarantined */
    uint32_t segment_count;
    struct log_tail tail;
    struct epoch_cache epochs;
    struct producer_state producers;
    int64_t window_offset;  /* of the newest .levee-window file that a mark names; -1 */
    int64_t window_pending; /* written by the checkpoint in progress; -1 */
    uint8_t *window_bytes;  /* frozen at the begin of the checkpoint; or NULL */
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
    bool was_cut;            /* since the last checkpoint began, ... */
    int64_t cut_base_offset; /* ... lowest segment that was cut */
    bool target_was_cut;     /* the same for what came before the checkpoint in progress, ... */
    int64_t target_cut_base_offset; /* ... whose mark is not durable yet */
    struct list dirty_node;         /* store.dirty_logs */
    struct list write_node;         /* store.write_queue */
    struct list progress_node;      /* store.progressed, while events are due */
    /* what the checkpoint in progress is to reach */
    bool in_checkpoint;
    struct mark target;
    struct mark believed; /* as last written, or read at the start */
    bool believed_exists;
    int64_t marked_base_offset;  /* of the segment that the durable mark names; -1: there is none */
    struct list target_node;     /* store.targets */
    uint64_t remainder_bytes;    /* at start: of its entries that were set aside */
    struct journal_facts *facts; /* at start: entries that were not replayed yet; else NULL */
};

/* ---- segment_set.c: the array */
struct segment *log_active(const struct log *log);
struct segment *log_segment_of(const struct log *log, int64_t offset, uint32_t *index_out);
struct segment *log_add_segment(struct log *log, int64_t base_offset);
void log_drop_first_segment(struct log *log, bool delete_files);
void log_drop_last_segment(struct log *log, bool delete_files);
/* Rename a segment's files away, to be unlinked later. */
void log_delete_segment_files(struct log *log, int64_t base_offset);
void log_begin_segment(struct log *log, int64_t base_offset); /* at start: nothing is journaled */
/* Begin a segment at the log's end, after log_protect_end; its errors. */
must_use enum err log_roll(struct log *log, int64_t base_offset, bool urgent);
/* The last block of the active segment into the journal, unless an append since the last mark began
 * has carried it there: its file may be cut where the batches end, once that is committed.  urgent:
 * it is to let space go (journal.h, J5).  The errors of journal_append and of a read. */
must_use enum err log_protect_end(struct log *log, bool urgent);
/* Bytes [pos & ~4095, pos) where pos is the end of the active segment. */
must_use enum err log_block_prefix(struct log *log, uint8_t *bytes, uint32_t *size_out);
bool log_must_roll(const struct log *log, uint32_t size_bytes, int64_t last_offset,
                   int64_t timestamp_ms);

/* ---- log_snapshot.c: Kafka's <offset>.snapshot */
/* Of the producers as they are; none are known: no file. */
must_use enum err log_write_snapshot(struct log *log, int64_t offset);
void log_freeze_snapshot(struct log *log, int64_t offset); /* a segment begins there */
void log_thaw_snapshot(struct log *log);
must_use enum err log_write_frozen_snapshot(struct log *log, int64_t end_offset);
void log_remove_strays(struct log *log); /* window files of no mark, too */

/* ---- shared steps */
void log_mark_dirty(struct log *log);
void log_note_batch(struct log *log, struct segment *segment, const struct batch_header *header,
                    uint64_t pos);
must_use enum err log_write_small_files(struct log *log, int64_t end_offset);
must_use enum err log_write_epochs(struct log *log);
/* The producers as a checkpoint's mark will have them.  ERR_NOMEM: nothing changed. */
must_use enum err log_freeze_window(struct log *log);
void log_thaw_window(struct log *log); /* as if it had not been frozen */
void log_window_is_marked(struct log *log);
void log_io_ended(struct log *log);
must_use enum err log_restore_producers(struct log *log, int64_t end_offset, int64_t window_offset);
int64_t log_wall_ms(const struct log *log);
void log_note_producers(const struct log *log); /* how many there are, for the metrics */
void log_producer_forgotten(void *context, const struct producer_forgotten *forgotten);
must_use enum err log_rebuild_producers(struct log *log);
must_use enum err log_cut_state(struct log *log, struct segment *segment, int64_t offset,
                                uint64_t pos);
void log_drop_below_start(struct log *log);
void log_forget_trims(struct log *log); /* it is closing: they take no effect on it any more */

#endif
