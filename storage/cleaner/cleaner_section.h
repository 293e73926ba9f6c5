/* cleaner_section: what of a log a pass of the cleaner may take on, and how much it wants one.
 *
 * On the store's loop; holds nothing.  (Kafka's LogCleanerManager)
 *   CLS-1  whole closed segments, written, synced and marked (log_recovery_needs), below the one
 *          that holds the first record that is undecided or younger than min.compaction.lag.ms
 *          (DUR-C3)
 *   CLS-2  a pass that ended before a transaction whose marker lies above is not run again before
 *          there is more to clean
 *   CLS-3  none while somebody reads a segment that an earlier pass has replaced: a reader of
 *          committed data asks for what is aborted in it when it has its bytes, and the entry of
 *          that goes with the marker, one pass behind the data at the earliest (DUR-T13)
 *   CLS-4  none while a segment has not got its name after a swap, which a start mends: a pass
 *          would step over it, and take it for looked at
 *   CLS-5  a look loads the indexes of so many segments as it may; of what is not known yet no age
 *          is believed: it may be too young, and is not overdue */
#ifndef LEVEE_STORAGE_CLEANER_CLEANER_SECTION_H
#define LEVEE_STORAGE_CLEANER_CLEANER_SECTION_H

#include "storage/log/log_private.h"

struct cleaner_section {
    int64_t first_dirty; /* keys from there on are looked at */
    int64_t end_offset;  /* of the last segment that may be cleaned; = first_dirty: nothing is */
    uint64_t clean_bytes;
    uint64_t dirty_bytes;
    bool is_overdue; /* max.compaction.lag.ms */
};

/* One look, at many logs. */
struct cleaner_section_look {
    int64_t now_ms;      /* wall clock */
    uint32_t loads_left; /* CLS-5 */
    bool is_cut;         /* out: there were too few of them */
    bool has_failed;     /* out: one could not be read */
};

/* False: nothing is to be cleaned in this log. */
bool cleaner_section_find(struct log *log, struct cleaner_section_look *look,
                          struct cleaner_section *out);

/* Dirty bytes of all that may be cleaned: 0..1. */
double cleaner_section_ratio(const struct cleaner_section *section);

/* Is it worth a pass, by the log's configuration? */
bool cleaner_section_is_due(const struct log *log, const struct cleaner_section *section);

#endif
