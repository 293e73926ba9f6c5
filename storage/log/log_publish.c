/* What readers may see of a log: the high watermark and the last stable offset, moved here and
 * nowhere else (log.h, LOG-1).
 *
 * Marks carry the high watermark beside the end that is believed: what was published below that
 * end.  So it is a lower bound, and durable; whoever drives the log publishes what else there is
 * when the start is over. */
#include "base/check.h"
#include "storage/log/log_check.h"
#include "storage/log/log_private.h"
#include "storage/log/log_transactions.h"

/* DUR-T12; DeleteRecords may have passed an open transaction. */
void log_place_stable(struct log *log)
{
    struct log_offsets *offsets = &log->offsets;
    int64_t unstable = log_transactions_first_unstable(log);
    int64_t stable = offsets->high_watermark;

    if (unstable >= 0 && unstable < stable)
        stable = unstable;
    if (stable < offsets->log_start)
        stable = offsets->log_start;
    offsets->last_stable = stable;
}

static void place(struct log *log, int64_t high_watermark)
{
    log->offsets.high_watermark = high_watermark;
    log_place_stable(log);
}

void log_set_high_watermark(struct log *log, int64_t offset)
{
    int64_t allowed = log->config.relaxed ? log->offsets.accepted : log->offsets.durable;

    check(offset >= log->offsets.high_watermark && offset <= allowed); /* LOG-1 */
    place(log, offset);
    log_check_invariants(log);
}

void log_cut_published(struct log *log, int64_t end_offset)
{
    if (log->offsets.high_watermark > end_offset)
        place(log, end_offset);
}

void log_recover_published(struct log *log, int64_t high_watermark)
{
    if (high_watermark < log->offsets.log_start)
        high_watermark = log->offsets.log_start;
    if (high_watermark > log->offsets.log_end)
        high_watermark = log->offsets.log_end;
    place(log, high_watermark);
}

int64_t log_published_below(const struct log *log, int64_t end_offset)
{
    int64_t high_watermark = log->offsets.high_watermark;

    return high_watermark < end_offset ? high_watermark : end_offset;
}
