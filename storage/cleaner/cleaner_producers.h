/* cleaner_producers: what the cleaner must leave of producers that their log remembers, so that a
 * replay of the cleaned log restores them (DUR-C6, DUR-I5, DUR-I10).
 *
 * Taken when a pass begins; owned by it, and not changed.
 *   CLP-1  the batches of a producer's window stay, empty if need be; of a producer without one
 *          its markers of the current epoch */
#ifndef LEVEE_STORAGE_CLEANER_CLEANER_PRODUCERS_H
#define LEVEE_STORAGE_CLEANER_CLEANER_PRODUCERS_H

#include "storage/log/producer_state.h"

struct cleaner_producer {
    int64_t producer_id;
    int64_t last_offsets[PRODUCER_WINDOW];
    int16_t epoch;
    uint8_t batch_count;
};

struct cleaner_producers {
    struct cleaner_producer *items; /* by producer id */
    uint32_t count;
};

/* On the log's loop.  ERR_NOMEM. */
must_use enum err cleaner_producers_take(struct cleaner_producers *producers,
                                         const struct producer_state *state);
void cleaner_producers_deinit(struct cleaner_producers *producers); /* zeroed: accepted */

/* Has it to stay, at least empty (CLP-1)?  One without a producer has not. */
bool cleaner_producers_need(const struct cleaner_producers *producers,
                            const struct batch_header *header);

#endif
