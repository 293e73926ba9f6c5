/* segment: one .log file of record batches with its indexes: opening, walking, index files.
 *
 * Owned by its log; lives on the store's loop.
 *   SEG-1  the file holds written_pos bytes of size_bytes (and zeros behind, up to a block); the
 *          rest is in the log's tail
 *   SEG-2  index_saved and times_saved entries are in the index files, if index_files_true */
#ifndef LEVEE_STORAGE_LOG_SEGMENT_H
#define LEVEE_STORAGE_LOG_SEGMENT_H

#include "base/clock.h"
#include "base/log_line.h"
#include "record/batch.h"
#include "storage/dir/log_names.h"
#include "storage/index_cache.h"
#include "storage/log/log_config.h"
#include "storage/log/log_tail.h"
#include "storage/log/offset_index.h"
#include "storage/log/time_index.h"
#include "storage/log/transaction_index.h"
#include "storage/open_files.h"

enum { STORE_BLOCK = IO_ALIGN };

/* What the segments of one log have in common: their log's. */
struct segment_environment {
    struct io *io;
    struct clock *clock;
    struct log_sink *sink;
    struct open_files *files;
    struct index_cache *indexes;
    struct index_cache *aborted; /* transaction indexes, for themselves */
    const struct log_config *config;
    const struct log_tail *tail;
    const char *dir; /* absolute */
    bool is_closing; /* no file is opened any more */
};

/* One .log file with its indexes.  size_bytes is logical: what was appended; the file holds
 * written_pos of it (and zeros behind, up to a block). */
struct segment {
    const struct segment_environment *of;
    int64_t base_offset;
    int64_t end_offset; /* last offset + 1 */
    uint64_t size_bytes;
    uint64_t written_pos;
    uint64_t generation;      /* segment_manifest.h, MNF-2 */
    struct list retired_node; /* segment_manifest.retired */
    bool is_active;           /* the last one of its log: appends go there */
    uint8_t *head_block;      /* bytes [written_pos & ~4095, written_pos) while that is not empty */
    struct offset_index index;
    struct time_index times;
    uint32_t index_saved; /* entries that are in the .index file */
    uint32_t times_saved;
    bool indexes_loaded;
    bool indexes_dirty;
    bool index_files_true;      /* what they hold is a beginning of what is in memory */
    bool indexes_rebuilt;       /* from the batches: what they say is not doubted any more */
    bool padded;                /* the file may hold more than size_bytes */
    bool is_swap;               /* its files are still named .swap (log_swap.h) */
    int64_t first_timestamp_ms; /* -1: none; for segment.ms */
    int64_t newest_ms;          /* of a closed one, for retention.ms: its max timestamp, or the
                                 * file's time where no batch has one; -1: not known yet */
    struct open_file file;
    struct cached_indexes cached;     /* while closed, loaded and saved */
    struct transaction_index aborted; /* segment_aborted.h */
    uint32_t aborted_saved;           /* entries that are in the .txnindex file */
    bool aborted_dirty;
    struct cached_indexes aborted_cached;
};

/* An empty one, which is nobody's yet; of outlives it. */
struct segment *segment_create(const struct segment_environment *of, int64_t base_offset);
void segment_free(struct segment *segment); /* closes; files stay */
must_use enum err segment_open_file(struct segment *segment);
void segment_close_file(struct segment *segment);
/* One operation less on its file. */
void segment_io_ended(struct segment *segment);
/* Out of the store's lists; a file in use is closed by segment_free. */
void segment_leave_store(struct segment *segment);
void segment_path(const struct segment *segment, enum log_file_kind kind, bool deleted, char *out);
/* Out of memory, until they are needed: those of a closed one, saved. */
void segment_unload_indexes(struct segment *segment);
void segment_unload_cached(
    struct cached_indexes *indexes); /* unless it is in use (index_cache.h) */
must_use enum err segment_load_indexes(struct segment *segment);
/* From the batches in the file and in the tail. */
must_use enum err segment_rebuild_indexes(struct segment *segment);
/* Is there a batch that ends at position->offset and has that timestamp?  No entry is fine. */
bool segment_time_is_true(struct segment *segment, const struct time_position *position);
must_use enum err segment_save_indexes(struct segment *segment, bool at_end);
/* A closed segment that is wholly written: the file ends where its batches do. */
must_use enum err segment_cut_padding(struct segment *segment);
/* The block bytes below written_pos into head_block (from the file when needed). */
must_use enum err segment_need_head(struct segment *segment);
/* Bytes [from, from + size) of the file, now; short is ERR_TRUNCATED. */
must_use enum err segment_read_now(struct segment *segment, uint64_t from, uint8_t *bytes,
                                   uint32_t size_bytes);
/* Visit the batches in the file from pos (a batch's start) to end_pos. */
typedef bool segment_visit_fn(void *context, const struct batch_header *header,
                              const uint8_t *bytes, uint64_t pos);
must_use enum err segment_walk(struct segment *segment, uint64_t pos, uint64_t end_pos,
                               segment_visit_fn *visit, void *context);

/* When the segment began, for segment.ms, unless it is known: as its first batch says, which may be
 * dated years ahead.  is_now: it is being appended, and was not made later than now.  Else it is
 * read again; one that is more than segment.ms ahead says nothing, and the segment counts as old
 * enough, so that a time that never comes does not keep it open. */
void segment_note_first_time(struct segment *segment, int64_t timestamp_ms, bool is_now);

#endif
