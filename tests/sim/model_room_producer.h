/* model_room_producer: a user of client_producer: idempotent, many records in flight, every one of
 * them told to the history when it is given, and again when its fate is delivered.
 *
 * Beside model_producer, which speaks the protocol by itself.
 *   MRP-1  a value is told as sent before the producer is given it, and as one that certainly is
 *          not there only when the producer says so (not is_ambiguous)
 *   MRP-2  a producer that refuses for want of room says when there is room, or it is LATE */
#ifndef LEVEE_TESTS_MODEL_ROOM_PRODUCER_H
#define LEVEE_TESTS_MODEL_ROOM_PRODUCER_H

#include "net/client/client_producer.h"
#include "tests/sim/model_room.h"
#include "tests/sim/model_topics.h"

struct model_room_producer_options {
    uint64_t records_limit;   /* then it has sent enough */
    uint32_t burst_max;       /* records given at once */
    uint32_t value_bytes_max; /* at least HISTORY_VALUE_BYTES_MIN */
    uint32_t pause_max_ms;
    uint32_t linger_us;
    uint32_t batch_bytes;
    uint32_t in_flight_max;
    uint32_t delivery_timeout_ms;
    uint64_t buffer_memory_bytes;
    enum compression codec;
};

struct model_room_producer {
    struct model_room room;
    struct model_room_producer_options options;
    const struct model_topics *topics;
    struct client_producer *producer;
    struct client_topic *handles[MODEL_TOPICS_MAX];
    struct timer tick;
    uint64_t next_counter;
    int64_t producer_id; /* as told */
    int16_t producer_epoch;
    bool is_full;   /* until room is told */
    bool is_broken; /* it said that it can't go on */
    bool is_gone;
    bool finishing;
};

void model_room_producer_init(struct model_room_producer *producer, struct sim_node *node,
                              struct history *history, const struct model_room_options *room,
                              const struct model_room_producer_options *options,
                              const struct model_topics *topics);
void model_room_producer_deinit(struct model_room_producer *producer);

/* Send nothing new any more. */
void model_room_producer_finish(struct model_room_producer *producer);

/* Nothing is under way. */
bool model_room_producer_is_done(const struct model_room_producer *producer);

#endif
