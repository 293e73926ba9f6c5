/* refused_batches: whose batches a partition has lately refused before its log saw them, so that
 * what the same producer sent after them does not overtake them.
 *
 * Part of a partition, on its loop.  A client has several batches on their way.  When the first of
 * them is refused (it timed out, too much waits, there was no memory), the others come in all the
 * same, and a log that does not know the producer would take any sequence (DUR-I11): the
 * first one could never be appended afterwards.  The log's answer for a gap is given instead, until
 * the refused one comes again.
 *   RFB-1  few are remembered, the newest, and for a minute: only what was on its way matters */
#ifndef LEVEE_BROKER_REFUSED_BATCHES_H
#define LEVEE_BROKER_REFUSED_BATCHES_H

#include "record/batch.h"

#include <stdbool.h>

enum { REFUSED_BATCHES_MAX = 16, REFUSED_BATCHES_MS = 60000 };

struct refused_batch {
    int64_t producer_id; /* -1: none */
    int32_t sequence;    /* the first one, of the earliest that was refused */
    int16_t epoch;
    uint64_t until_ns;
};

/* Zeroed: none. */
struct refused_batches {
    struct refused_batch *items; /* NULL until the first one */
    uint32_t next;               /* to be replaced */
};

void refused_batches_deinit(struct refused_batches *refused);

/* The batch with this header, of an idempotent producer, is not appended.  now_ns: the loop's.
 * Without memory it is not remembered. */
void refused_batches_note(struct refused_batches *refused, const struct batch_header *header,
                          uint64_t now_ns);

/* Did its producer send this one after one that was refused and has not come again?  The refused
 * one itself, and any of another epoch, ends that. */
bool refused_batches_overtakes(struct refused_batches *refused, const struct batch_header *header,
                               uint64_t now_ns);

#endif
