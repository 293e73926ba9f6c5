/* cleaner_pass: one log cleaned once.
 *
 *   map: the keys of the dirty section, newest offset each (cleaner_map)   [note: what became of
 * its transactions, first, if it has any] → for each group of segments: filter into a .cleaned file
 * → its indexes → synced → swapped in (log_swap)
 *
 * Made by the cleaner of a store, on whose loop it lives; it frees itself when its last operation
 * has ended.  Files are read and written in slices, one at a time, which wait for their turn by
 * bytes_per_second; batches are worked on beside the loop (base/offload.h).
 *   CPS-1  at most one operation is in flight: of a file, of a job, of the timer
 *   CPS-2  readers go on with what they have open: the old segments live as long as that
 *   CPS-3  a pass that ends early has replaced whole groups, in order: each of them is clean, and
 *           the next pass begins where this one did
 *   CPS-4  a job ends behind the batch with which it has gone through a few MiB of records, however
 *          small they were in the file: others wait for the same threads
 *   CPS-5  what a large batch needs of memory is held while it is worked on, not longer */
#ifndef LEVEE_STORAGE_CLEANER_CLEANER_PASS_H
#define LEVEE_STORAGE_CLEANER_CLEANER_PASS_H

#include "base/offload.h"
#include "storage/cleaner/cleaner_batch.h"
#include "storage/cleaner/cleaner_group.h"
#include "storage/cleaner/cleaner_section.h"

struct cleaner_pass_result {
    enum err err; /* OK: done; ERR_CLOSED: the log has gone, or the store stops */
    uint64_t read_bytes;
    uint64_t written_bytes;
    uint64_t map_bytes; /* of its largest map */
    struct cleaner_batch_counts counts;
};

struct cleaner_pass_events {
    /* Once, as the last act; the pass has gone.  log: NULL when it has, too. */
    void (*ended)(void *context, struct log *log, const struct cleaner_pass_result *result);
    void (*sync_failed)(void *context, enum err err); /* of the file system (store.h, STO-3) */
    /* Segments were replaced: before the next mark a start reads all of the log. */
    void (*replaced)(void *context);
};

struct cleaner_pass;

/* dir_fd: for syncfs.  NULL: no memory. */
struct cleaner_pass *cleaner_pass_begin(struct log *log, const struct cleaner_section *section,
                                        const struct store_cleaning *cleaning,
                                        struct offload *offload, int32_t dir_fd,
                                        const struct cleaner_pass_events *events, void *context);

struct log *cleaner_pass_log(const struct cleaner_pass *pass);

/* The log is closing: nothing of it is touched any more; ended follows. */
void cleaner_pass_forget_log(struct cleaner_pass *pass);

/* The store stops: one that waits for its share of the device looks up now. */
void cleaner_pass_hurry(struct cleaner_pass *pass);

/* Nobody is told any more; it frees itself. */
void cleaner_pass_orphan(struct cleaner_pass *pass);

#endif
