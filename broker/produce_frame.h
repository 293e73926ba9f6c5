/* produce_frame: what a Produce request keeps of its frame while it waits.
 *
 * An honest frame is records and little else, and is kept as it came.  One that is much larger than
 * what is read of it (fields that nobody knows, KIP-482) is replaced by a copy of that, so that a
 * request that waits holds no more of the memory of requests than what it waits with. */
#ifndef LEVEE_BROKER_PRODUCE_FRAME_H
#define LEVEE_BROKER_PRODUCE_FRAME_H

#include "broker/request.h"

enum { PRODUCE_FRAME_SMALL_BYTES = 64 << 10 }; /* smaller ones stay as they are */

/* Of a decoded Produce request on its home shard, before anything of it runs: what body and
 * client_id refer to lies in the new frame.  Without memory all stays as it was. */
void produce_frame_trim(struct request *request);

#endif
