/* store_options: how a store is to be, and how it is.  Values; of store.h, for all that it embeds.
 */
#ifndef LEVEE_STORAGE_STORE_OPTIONS_H
#define LEVEE_STORAGE_STORE_OPTIONS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct log_dir;
struct offload;
struct log_sink;
struct loop;
struct prng;
struct slab;

/* How logs are compacted (storage/cleaner). */
struct store_cleaning {
    bool is_off;            /* now */
    uint32_t backoff_ms;    /* until the next look; 0: 15000 */
    uint64_t map_max_bytes; /* for keys; 0: 32 MiB */
    uint64_t
        uncompressed_max_bytes; /* a batch that expands to more cannot be compacted; 0: 256 MiB */
    double bytes_per_second;    /* read and written; 0: no limit */
    uint32_t transactions_max;  /* aborted or undecided, that a pass remembers; 0: 65536 */
};

struct store_options {
    uint32_t shard;
    uint32_t shard_count;
    uint64_t journal_max_bytes;           /* levee.journal.max.bytes, 512 MiB */
    uint64_t tail_cache_max_bytes;        /* levee.tail.cache.bytes, 128 MiB */
    uint32_t checkpoint_interval_ms;      /* levee.checkpoint.interval.ms, 5000 */
    uint32_t segment_write_bytes;         /* chunk, 256 KiB */
    uint32_t segment_in_flight_max_bytes; /* 1 MiB */
    uint32_t relaxed_sync_interval_ms;    /* levee.cache.flush.interval.ms, 1000: `cache` topics */
    uint64_t reserve_bytes;         /* levee.disk.reserve.bytes: below it appends are refused */
    uint32_t open_files_max;        /* descriptors for segments */
    uint64_t index_cache_max_bytes; /* indexes of closed segments, 16 MiB; as much again for those
                                     * of aborted transactions */
    uint32_t journal_pending_max_bytes; /* on their way to the device; 0: 16 MiB */
    uint32_t read_window_max_bytes;     /* of a read of a segment; 0: 4 MiB */
    uint32_t log_producers_max;         /* that a log remembers; 0: LOG_PRODUCERS_MAX */
    uint32_t segment_shrink; /* a segment is full at such a part of segment.bytes; 0: 1 */
    uint32_t producers_max;  /* that all logs remember, and twice as many recovered ones (PSH-2 of
                              * producer_shares.h); 0: as many as one may */
    struct slab *group_slab; /* for the journal's groups, which the tail cache keeps */
    struct slab *read_slab;  /* for what readers hold; NULL: the store's own */
};

struct store_events {
    void (*failed)(void *context, enum err err);       /* STO-3; once */
    void (*space)(void *context, bool short_of_space); /* STO-5 crossed */
    /* Optional: how is to be cleaned?  Before each pass; *cleaning is zeroed. */
    void (*cleaning)(void *context, struct store_cleaning *cleaning);
};

/* The environment of a store: everything is the caller's and outlives it. */
struct store_world {
    struct loop *loop;
    struct prng *prng;
    struct log_sink *sink;
    struct log_dir *dir;
    struct offload *offload; /* for the cleaner; or NULL */
};

/* FAILED is final (store.h, STO-3). */
enum store_state { STORE_OPENING, STORE_RUNNING, STORE_STOPPED, STORE_FAILED };

#endif
