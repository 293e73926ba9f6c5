/* decide_broker: what a broker's registration and heartbeats come to, as records (pure).
 *
 * As decision.h: used by the controller on shard 0, changes nothing.  Each: ERR_NOMEM when the
 * records' arena is at its limit. */
#ifndef LEVEE_BROKER_METADATA_DECIDE_BROKER_H
#define LEVEE_BROKER_METADATA_DECIDE_BROKER_H

#include "broker/metadata/controller_client.h"
#include "broker/metadata/decision.h"

/* Partitions whose leaders were looked at. */
struct leader_cursor {
    size_t topics;
    uint32_t partition;
};

/* One record, fenced.  broker_epoch: the offset that it gets, which is the epoch of a broker. */
must_use enum err decide_broker_registration(struct decision *decision,
                                             const struct broker_registration *registration,
                                             int64_t broker_epoch);

/* No record where nothing changes.  ERR_NOT_FOUND, ERR_FENCED_EPOCH (controller_client.h). */
must_use enum err decide_broker_heartbeat(struct decision *decision,
                                          const struct broker_heartbeat *heartbeat);

/* For our broker, which is unfenced: a leader record for each partition that Kafka left without one
 * and of which it has everything, and with raises_all for all that it leads; at most a thousand,
 * and the cursor, zeroed at first, moves on.  Over when image_topic_next has none behind it. */
must_use enum err decide_broker_leaders(struct decision *decision, bool raises_all,
                                        struct leader_cursor *cursor);

#endif
