/* producer_ids: ids for idempotent producers, handed out from a block that is reserved durably.
 *
 * Owned by the controller, on shard 0: asking for an id is rare (once in a producer's life), so one
 * place serves every shard.  An id is slot << 48 | counter, slot 0 until a cluster is paired.
 *   PID-1  no id is handed out twice, also across restarts: the rest of a block is lost with the
 *       process, the block itself never reserved again (ProducerIdsRecord) */
#ifndef LEVEE_BROKER_PRODUCER_IDS_H
#define LEVEE_BROKER_PRODUCER_IDS_H

#include "base/err.h"
#include "base/list.h"

#include <stdint.h>

struct controller;
struct producer_ids;

struct producer_ids *producer_ids_create(struct controller *controller);

/* Nobody waits any more.  NULL is accepted. */
void producer_ids_destroy(struct producer_ids *ids);

/* Embedded in the caller's struct until done. */
struct producer_id_wait {
    struct list node;
    void (*done)(struct producer_id_wait *wait, enum err err, int64_t producer_id);
};

/* One id: now, inside the call, while the block lasts; otherwise when the next one is durable.
 * Errors of the controller's call end all who wait. */
void producer_ids_take(struct producer_ids *ids, struct producer_id_wait *wait);

#endif
