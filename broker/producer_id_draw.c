#include "broker/producer_id_draw.h"

#include "broker/metadata/controller.h"

static void on_back(struct shard_call *hop)
{
    struct producer_id_draw *draw = container_of(hop, struct producer_id_draw, hop);

    draw->done(draw, draw->err, draw->producer_id);
}

static void on_id(struct producer_id_wait *wait, enum err err, int64_t producer_id)
{
    struct producer_id_draw *draw = container_of(wait, struct producer_id_draw, wait);

    draw->err = err;
    draw->producer_id = producer_id;
    shard_call_finish(&draw->hop);
}

static void take(struct shard_call *hop)
{
    struct producer_id_draw *draw = container_of(hop, struct producer_id_draw, hop);

    draw->wait.done = on_id;
    producer_ids_take(controller_producer_ids(hop->target->controller), &draw->wait);
}

void producer_id_draw_start(struct producer_id_draw *draw, struct shard *from)
{
    shard_call_start(&draw->hop, from, shard_of_controller(from->shards), take, on_back);
}
