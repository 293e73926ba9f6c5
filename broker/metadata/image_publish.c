#include "broker/metadata/image_publish.h"

#include "base/check.h"

void image_publish_init(struct image_publish *publish, struct shard *home)
{
    *publish = (struct image_publish){.home = home};
}

void image_publish_deinit(struct image_publish *publish)
{
    for (uint32_t i = 0; i < SHARD_COUNT_MAX; i++)
        if (publish->slots[i].ready)
            image_replay_deinit(&publish->slots[i].replay);
    *publish = (struct image_publish){0};
}

static void follow(struct image_publish_slot *slot)
{
    struct shard *shard = slot->call.target;
    image_published_fn *published = slot->publish->published;

    if (published != NULL && !published(shard, &slot->delta, &slot->cursor)) {
        loop_defer(&shard->loop, &slot->next_turn);
        return;
    }
    delta_deinit(&slot->delta);
    shard_call_finish(&slot->call);
}

static void on_next_turn(struct task *task)
{
    follow(container_of(task, struct image_publish_slot, next_turn));
}

/* On the slot's shard. */
static void apply(struct shard_call *call)
{
    struct image_publish_slot *slot = container_of(call, struct image_publish_slot, call);
    struct image_publish *publish = slot->publish;
    enum err err;

    if (!slot->ready) {
        image_replay_init(&slot->replay, call->target->image);
        slot->replay.arena.is_certain = true; /* it was decided, and is durable: P2 */
        slot->ready = true;
    }
    delta_init(&slot->delta);
    slot->cursor = (struct delta_cursor){0};
    slot->next_turn.run = on_next_turn;
    err = image_replay_batch(&slot->replay, publish->bytes, publish->size_bytes, &slot->delta);
    check(err == OK); /* P2 */
    follow(slot);
}

static void drop_one(struct image_publish *publish)
{
    if (--publish->pending_count == 0)
        publish->done(publish);
}

static void on_applied(struct shard_call *call)
{
    drop_one(container_of(call, struct image_publish_slot, call)->publish);
}

void image_publish_start(struct image_publish *publish, const uint8_t *bytes, uint32_t size_bytes,
                         void (*done)(struct image_publish *publish))
{
    const struct shards *shards = publish->home->shards;

    check(publish->pending_count == 0); /* P1 */
    publish->bytes = bytes;
    publish->size_bytes = size_bytes;
    publish->done = done;
    publish->pending_count = shards->count + 1; /* one of ours, so that done comes last */
    for (uint32_t i = 0; i < shards->count; i++) {
        struct image_publish_slot *slot = &publish->slots[i];
        slot->publish = publish;
        shard_call_start(&slot->call, publish->home, shards->at[i], apply, on_applied);
    }
    drop_one(publish);
}
