/* journal_scan_private: the inside of a journal_scan, for journal_scan.c (which groups are
 * believed) and journal_replay.c (what they say of each partition). */
#ifndef LEVEE_STORAGE_JOURNAL_JOURNAL_SCAN_PRIVATE_H
#define LEVEE_STORAGE_JOURNAL_JOURNAL_SCAN_PRIVATE_H

#include "base/hash_map.h"
#include "storage/journal/journal_format.h"
#include "storage/journal/journal_scan.h"
#include "storage/journal/scan_extent.h"

struct scan_shard {
    uint32_t shard;
    uint64_t generation; /* of its marks */
    uint32_t epoch;
    uint64_t salt;
    bool has_salt;
    bool is_clean;          /* an orderly stop: nothing was written after its marks */
    uint64_t extent_number; /* that the marks name; 0: none */
    uint64_t last_sequence;
};

/* Groups of a run that stand in one extent, back to back. */
struct scan_piece {
    uint32_t extent_index;
    uint64_t pos;
    uint64_t end_pos;
    const struct scan_shard *shard; /* of journal_scan.shards, which do not move any more */
    uint64_t first_sequence;
};

struct journal_scan {
    struct scan_source source;
    const struct marks_set *marks; /* until journal_scan_open ends */
    struct scan_extent *extents;
    uint32_t extent_count;
    struct scan_shard *shards;
    uint32_t shard_count;
    uint64_t keep_max_bytes; /* of extents that stay in memory for the second reading */
    uint64_t kept_bytes;
    struct scan_piece *pieces; /* all runs, in the order of replay */
    uint32_t piece_count;
    struct hash_map partitions; /* of struct journal_facts */
    struct journal_scan_stats stats;
    bool lacks_memory; /* for all extents */
};

/* One entry more of a run.  ERR_NOMEM. */
must_use enum err scan_note_entry(struct journal_scan *scan, const struct journal_entry *entry,
                                  const uint8_t *content);

void scan_forget_entries(struct journal_scan *scan);

#endif
