/* journal_entry: what an entry of the journal says, and what is counted of all.  Values. */
#ifndef LEVEE_STORAGE_JOURNAL_JOURNAL_ENTRY_H
#define LEVEE_STORAGE_JOURNAL_JOURNAL_ENTRY_H

#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

enum journal_kind {
    JOURNAL_APPEND = 1,    /* payload: whole batches, at `pos` of the segment; none: the prefix is
                            * what counts, because the file is to be cut at pos */
    JOURNAL_LOG_START = 2, /* offset: the new log start; no payload */
    JOURNAL_TRUNCATE = 3,  /* offset: the new log end, at `pos` of segment_base_offset */
};

/* What an entry says. */
struct journal_entry {
    struct uuid topic_id;
    int32_t partition;
    uint8_t kind;       /* enum journal_kind */
    int64_t offset;     /* APPEND: base offset of the first batch; else see the kind */
    int64_t end_offset; /* APPEND: last offset of the last batch + 1 */
    int64_t segment_base_offset;
    uint64_t pos;          /* byte position in that segment, where payload goes */
    uint32_t prefix_bytes; /* bytes of the segment just below pos that the same block holds:
                            * the first append after a mark carries them, because its block is
                            * rewritten in place and a torn write may hurt them */
    uint32_t payload_bytes;
    uint32_t owner; /* APPEND: a number below 2^24 for who brought its producer ids, so that a
                     * replay lets the same ones go; 0: not known */
    bool urgent; /* appending only, not written: it lets space go, and may use what is kept (JRN-5)
                  */
};

struct journal_stats {
    uint64_t groups, entries, payload_bytes, device_bytes, syncs, groups_overtaking;
    uint64_t extents_made, extents_refused;
};

#endif
