/* log_aborted: which aborted transactions reach into a range of a log: what a fetch of committed
 * data names beside its bytes (DUR-T13, KIP-98).
 *
 * A question is its caller's struct; on the store's loop.  Indexes that are not in memory are read
 * without waiting for the device, one segment after the other. */
#ifndef LEVEE_STORAGE_LOG_LOG_ABORTED_H
#define LEVEE_STORAGE_LOG_LOG_ABORTED_H

#include "storage/log/log.h"
#include "storage/log/transaction_index.h"

struct aborted_file;

/* Zeroed but for what goes in. */
struct log_aborted {
    /* in */
    int64_t from;                    /* base offset of the first batch that was read */
    int64_t bound;                   /* behind the last one */
    struct aborted_transaction *out; /* lives until the answer; NULL with max 0 */
    uint32_t max;
    void (*done)(struct log_aborted *aborted, enum err err); /* after ERR_AGAIN, from the loop */
    /* out */
    uint32_t count; /* of them; the first max are in out: with more, ask again with room */
    /* inside */
    struct log *log;
    int64_t segment_offset; /* the next segment to look at begins there, or holds it */
    struct aborted_file
        *file; /* in flight; the log's own memory, so that the caller may go first */
};

/* Those whose marker stands at or behind from, and that begin below bound, by rising marker.  OK:
 * answered now.  ERR_AGAIN: a file is being read; done tells the answer, or why there is none:
 * ERR_QUARANTINED, ERR_NOMEM, ERR_IO, ERR_CORRUPT (the index is not what it was: a log line says
 * so; a start makes it anew), ERR_NOT_FOUND: the log is closed. */
must_use enum err log_aborted_find(struct log *log, struct log_aborted *aborted);

/* done does not run any more; also of one that is answered, or was never asked. */
void log_aborted_release(struct log_aborted *aborted);

#endif
