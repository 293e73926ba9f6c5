/* verify_stamps: what the stamps of a load tool in one partition say (load_stamp): are they whole,
 * and in the order in which their producers sent them?
 *
 * Owned by whoever looks at one partition; bounded by VERIFY_STAMP_PRODUCERS_MAX.  Records without
 * a stamp are nobody's fault.
 *   VSP-1  in a partition the stamps of a producer rise: its epoch, then its partition sequence;
 * one that was there already is told as doubled, one before it as out of order */
#ifndef LEVEE_TOOLS_LOAD_VERIFY_STAMPS_H
#define LEVEE_TOOLS_LOAD_VERIFY_STAMPS_H

#include "base/err.h"
#include "record/record.h"

#include <stdint.h>

enum { VERIFY_STAMP_PRODUCERS_MAX = 100000 };

struct verify_partition;

struct verify_stamps {
    uint64_t stamps_count;
    uint64_t producers_left_out; /* records of producers beyond the bound, or without memory */
    struct verify_stamp_producers *producers;
};

/* ERR_NOMEM. */
must_use enum err verify_stamps_init(struct verify_stamps *stamps);
void verify_stamps_deinit(struct verify_stamps *stamps); /* a zeroed one is accepted */

/* The next record by offset.  Findings (VERIFY_STAMP) go to partition. */
void verify_stamps_record(struct verify_stamps *stamps, struct verify_partition *partition,
                          const struct record *record, int64_t offset);

#endif
