/* partition_trim: a partition's log start is raised, durably, for DeleteRecords (KIP-107).
 *
 * Owned by the caller until done or partition_trim_cancel, and embedded in its struct; on the
 * partition's loop.  It stands in no line of appends: it lets space go, and may use what the
 * journal keeps for those (journal.h, JRN-5).
 *   PTR-1  done runs once, and not at all after partition_trim_cancel
 *   PTR-2  one that finds no room waits here, and ends with the partition's other waits
 *   PTR-3  one that has begun counts, whatever becomes of who asked for it */
#ifndef LEVEE_BROKER_PARTITION_TRIM_H
#define LEVEE_BROKER_PARTITION_TRIM_H

#include "broker/partition.h"

enum { PARTITION_TRIM_TO_HIGH_WATERMARK = -1 };

struct partition_trim_wait;

struct partition_trim {
    int64_t offset; /* the new start, or PARTITION_TRIM_TO_HIGH_WATERMARK; out, when OK: the start
                     * that there is */
    void (*done)(struct partition_trim *trim, enum err err);
    /* inside */
    struct partition *partition;
    bool to_high_watermark;
    struct list node;                 /* partition.trims, while it waits for room */
    struct timer retry;               /* likewise */
    struct partition_trim_wait *wait; /* while the new start becomes durable */
};

/* offset and done are set.  done runs inside this call or later.  OK: it is durable, or the log
 * began there before.  ERR_OFFSET_RANGE: above the high watermark, or negative; ERR_NOT_FOUND:
 * deleted, or not led any more, before there was room; else the errors of log_delete_records but
 * ERR_FULL. */
void partition_trim(struct partition *partition, struct partition_trim *trim);

/* Is the new start in the journal, so that it counts? (PTR-3) */
static inline bool partition_trim_has_begun(const struct partition_trim *trim)
{
    return trim->wait != NULL;
}

/* done does not run any more.  Nothing happens to one that has ended, or was zeroed. */
void partition_trim_cancel(struct partition_trim *trim);

/* Those that wait for room end with err; partition_end_waits alone. */
void partition_trim_end_all(struct partition *partition, enum err err);

#endif
