#include "broker/metadata/image_publish.h"

#include "base/check.h"

enum { NO_MEMORY_AGAIN_MS = 100 };

void image_publish_init(struct image_publish *publish, struct shard *home)
{
    *publish = (struct image_publish){.home = home};
}

void image_publish_deinit(struct image_publish *publish)
{
    for (uint32_t i = 0; i < SHARD_COUNT_MAX; i++) {
        struct image_publish_slot *slot = &publish->slots[i];
        if (!slot->ready)
            continue;
        loop_cancel_timer(&slot->call.target->loop, &slot->again);
        delta_deinit(&slot->delta);
        image_replay_deinit(&slot->replay);
    }
    *publish = (struct image_publish){0};
}

/* P3 */
static void try_later(struct image_publish_slot *slot)
{
    struct shard *shard = slot->call.target;

    if (!slot->lacks_memory)
        log_line(shard->sink, LOG_ERROR, "LVE-4015",
                 "no memory to take in a change of the metadata: it is tried again",
                 log_u64("shard", shard->index));
    slot->lacks_memory = true;
    loop_set_timer_ms(&shard->loop, &slot->again, NO_MEMORY_AGAIN_MS);
}

static void follow(struct image_publish_slot *slot)
{
    struct shard *shard = slot->call.target;
    image_published_fn *published = slot->publish->published;

    slot->cursor.lacks_memory = false;
    if (published != NULL && !published(shard, &slot->delta, &slot->cursor)) {
        if (slot->cursor.lacks_memory)
            try_later(slot);
        else
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

static void go_on(struct image_publish_slot *slot)
{
    const struct image_publish *publish = slot->publish;
    enum err err = OK;

    if (!slot->is_applied)
        err = image_replay_batch(&slot->replay, publish->bytes, publish->size_bytes, &slot->delta);
    if (err == ERR_NOMEM) {
        try_later(slot);
        return;
    }
    check(err == OK); /* P2 */
    slot->is_applied = true;
    follow(slot);
}

static void on_again(struct timer *timer)
{
    go_on(container_of(timer, struct image_publish_slot, again));
}

/* On the slot's shard. */
static void apply(struct shard_call *call)
{
    struct image_publish_slot *slot = container_of(call, struct image_publish_slot, call);

    if (!slot->ready) {
        image_replay_init(&slot->replay, call->target->image);
        timer_init(&slot->again, on_again);
        slot->ready = true;
    }
    delta_init(&slot->delta);
    slot->cursor = (struct delta_cursor){0};
    slot->next_turn.run = on_next_turn;
    slot->is_applied = false;
    slot->lacks_memory = false;
    go_on(slot);
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
