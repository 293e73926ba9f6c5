/* producer_id_draw: a producer id that nobody had, for whoever needs one, on any shard.
 *
 * Embedded in the caller's struct until done; on the caller's loop (producer_ids.h lives on that of
 * the controller). */
#ifndef LEVEE_BROKER_PRODUCER_ID_DRAW_H
#define LEVEE_BROKER_PRODUCER_ID_DRAW_H

#include "broker/producer_ids.h"
#include "broker/shard.h"

struct producer_id_draw {
    /* Once, perhaps inside producer_id_draw_start.  Errors: those of producer_ids_take. */
    void (*done)(struct producer_id_draw *draw, enum err err, int64_t producer_id);
    /* inside */
    struct shard_call hop;
    struct producer_id_wait wait;
    enum err err;
    int64_t producer_id;
};

void producer_id_draw_start(struct producer_id_draw *draw, struct shard *from);

#endif
