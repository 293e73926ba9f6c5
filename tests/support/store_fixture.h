/* store_fixture: a store with some logs on a simulated disk, in one line, and a list of everything
 * that was ever appended beside it.
 *
 * One at a time per process.  The disk outlives starts, stops and crashes of the store. */
#ifndef LEVEE_TESTS_STORE_FIXTURE_H
#define LEVEE_TESTS_STORE_FIXTURE_H

#include "base/log_line.h"
#include "base/loop.h"
#include "storage/dir/log_dir.h"
#include "storage/dir/marks.h"
#include "storage/journal/journal_scan.h"
#include "storage/log/log.h"
#include "storage/store.h"
#include "tests/sim/sim_image.h"
#include "tests/sim/sim_world.h"

enum { FIXTURE_LOGS_MAX = 8, FIXTURE_LINES_MAX = 64, FIXTURE_SHARDS_MAX = 4 };

/* Zero means the default. */
struct fixture_options {
    uint64_t seed;
    uint32_t log_count;              /* 1 */
    uint32_t shard_count;            /* 1; a log is on the shard of its number modulo that */
    uint32_t segment_bytes;          /* 1 GiB */
    uint32_t index_interval_bytes;   /* 4096 */
    uint32_t checkpoint_interval_ms; /* 5000 */
    uint32_t segment_write_bytes;    /* 256 KiB */
    uint64_t tail_cache_max_bytes;   /* 64 MiB */
    uint64_t journal_max_bytes;      /* 64 MiB */
    uint64_t reads_max_bytes;        /* the store's own */
    uint64_t scan_max_bytes;         /* no limit */
    uint32_t log_producers_max;
    uint32_t producers_max;
    uint64_t reserve_bytes;
    uint64_t capacity_bytes; /* of the disk */
    bool relaxed;
    bool log_append_time;
    bool reserved_space; /* of log 0 */
    bool refuse_direct;
};

/* What the log has to hold: the bytes as they are to be read. */
struct fixture_batch {
    int64_t base_offset;
    int64_t end_offset;
    uint8_t *bytes;
    uint32_t size_bytes;
};

struct fixture_log {
    struct log *log; /* NULL: not open */
    struct log_config config;
    struct fixture_batch *batches;
    uint32_t batch_count;
    int64_t durable;   /* the highest that was ever reported */
    int64_t log_start; /* the highest that was ever confirmed */
    uint32_t progress_count;
    bool holds_watermark; /* nobody publishes, as while replicas lag */
};

struct fixture {
    struct fixture_options options;
    struct sim_world *world;
    struct sim_node *node;
    struct prng chance; /* of the test */
    struct fixture_log at[FIXTURE_LOGS_MAX];
    uint32_t lines;                   /* written by the store */
    char codes[FIXTURE_LINES_MAX][9]; /* of them */
    /* of one life of the process */
    bool up;
    struct loop loops[FIXTURE_SHARDS_MAX];
    uint32_t shard_count; /* with which it was started */
    struct prng prng;
    struct log_sink sink;
    struct log_dir dir;
    bool dir_is_open;
    struct marks_set *marks;
    struct slab scan_slab;
    struct slab read_slab;
    struct journal_scan *scan;
    struct store *stores[FIXTURE_SHARDS_MAX];
    struct store *store; /* of shard 0 */
    enum err start_err;
    uint32_t stopped_count;
    enum err stop_err;
    uint32_t failed_count;
    uint32_t space_count;
};

extern struct fixture fixture;

void fixture_up(const struct fixture_options *options);
void fixture_down(void);

/* Open directory, marks, journal, store and logs; the store runs afterwards, unless the process
 * died meanwhile: false then.  Everything else has to succeed. */
bool fixture_start(void);

/* The same, without asking for success: fixture.start_err. */
void fixture_try_start(void);

/* In order, with the note of a clean stop. */
void fixture_stop(void);
void fixture_crash(enum sim_crash kind);

static inline bool fixture_is_alive(void)
{
    return fixture.up && sim_node_is_running(fixture.node);
}

/* One batch of record_count records with values of value_bytes.  producer_id -1: none.  Remembered
 * when it was appended. */
struct fixture_append {
    uint32_t log_index;
    uint32_t record_count; /* 0: 1 */
    uint32_t value_bytes;
    bool has_producer;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    uint64_t owner; /* who brings it */
    int32_t leader_epoch;
    int64_t timestamp_ms; /* of the first record; the others follow by 1 */
    bool lies;            /* the header says, under a right checksum, what is not so: */
    int64_t claimed_max_ms;
    bool claims_append_time;
    int64_t base_offset; /* verbatim */
    bool transactional;
    bool txn_v2;                         /* the rules of transaction.version 2 */
    const struct control_marker *marker; /* ends a transaction: the one record that there is */
    bool verbatim;
};
enum err fixture_append(const struct fixture_append *append, struct log_append_result *out);

/* In one line: a batch of a size by chance, without producer. */
enum err fixture_append_some(uint32_t log_index);

/* Virtual time. */
void fixture_run_ms(uint64_t ms);

/* Until all that was appended to every log is durable; false: not within ten seconds. */
bool fixture_settle(void);

/* A whole checkpoint, on all shards. */
void fixture_checkpoint(void);

/* Read with log_read, waiting for the file if need be. */
enum err fixture_read(uint32_t log_index, struct log_read *read);

/* The log holds exactly the remembered batches between log_start and log_end, in order, byte for
 * byte; read in pieces of max_bytes. */
void fixture_check_content(uint32_t log_index, uint32_t max_bytes);

/* After a start: the log is a prefix of what was appended and not shorter than what was durable
 * (DUR-L5); what it lacks is forgotten. */
void fixture_check_prefix(uint32_t log_index);

/* LOG-1. */
void fixture_check_offsets(uint32_t log_index);

/* The remembered list ends there now. */
void fixture_forget_from(uint32_t log_index, int64_t offset);

/* "data/topic0-0/<name>" */
const char *fixture_path(uint32_t log_index, const char *name);

/* Was a line with this code written since fixture_up? */
bool fixture_has_line(const char *code);

#endif
