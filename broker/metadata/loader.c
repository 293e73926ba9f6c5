/* The walk of a batch: metadata_log commits it → on_committed → apply, on each shard: image_replay
 * → follow: publisher after publisher → on_followed: the last shard → a snapshot, when one is due →
 * metadata_log_taken. */
#include "broker/metadata/loader.h"

#include "base/check.h"
#include "broker/config.h"
#include "broker/metadata/image_replay.h"
#include "broker/metadata/metadata_log.h"

enum { NO_MEMORY_AGAIN_MS = 100 };

/* One shard's part; touched by that shard alone while a batch is under way. */
struct loader_slot {
    struct shard_call call;
    struct loader *loader;
    struct image_replay replay;
    bool ready; /* replay is initialized */
    struct delta delta;
    uint32_t publisher_index; /* whose turn it is */
    struct delta_cursor cursor;
    struct task next_turn;
    struct timer again; /* LDR-3 */
    bool is_applied;    /* the image has it */
    bool lacks_memory;  /* and that was told */
};

struct loader {
    struct shard *home;
    struct metadata_log *log;
    const struct metadata_publisher *publishers[LOADER_PUBLISHERS_MAX]; /* fixed while loops run */
    uint32_t publisher_count;
    const uint8_t *bytes; /* the batch under way */
    uint32_t size_bytes;
    uint32_t pending_count; /* shards that do not follow it yet; shard 0's */
    void (*stopped)(void *context);
    void *context;
    struct loader_slot slots[SHARD_COUNT_MAX];
};

/* ---- the start */

struct copying {
    struct image *image;
    struct delta delta;
};

static enum err copy_record(void *context, const struct metadata_record *record)
{
    struct copying *copying = context;

    return image_apply(copying->image, record, &copying->delta);
}

static enum err copy_image(const struct image *from, struct image *to)
{
    struct copying copying = {.image = to};
    enum err err;

    delta_init(&copying.delta);
    err = image_each_record(from, copy_record, &copying);
    if (err == OK)
        image_set_position(to, image_offset(from), image_epoch(from));
    delta_deinit(&copying.delta);
    return err;
}

/* What stands in the metadata, and nothing here acts on. */
static void tell_kept(const struct shard *home)
{
    char types[256];

    if (image_opaque_count(home->image) == 0)
        return;
    image_opaque_types(home->image, types, sizeof(types));
    log_line(home->sink, LOG_WARN, "LVE-4016",
             "metadata records that this version does not act on are kept",
             log_u64("records", image_opaque_count(home->image)), log_str("types", types));
}

static void on_committed(void *context, const uint8_t *bytes, uint32_t size_bytes);

enum err loader_open(struct shard *home, struct loader **out)
{
    const struct config *config = home->config;
    struct metadata_log_world world = {
        .store = home->store,
        .io = home->io,
        .clock = home->clock,
        .sink = home->sink,
        .dir = config_log_dir(config),
    };
    struct metadata_log_options options = {
        .segment_bytes = (uint32_t)config_values(config)->metadata_log_segment_bytes,
        .snapshot_interval_bytes =
            (uint64_t)config_values(config)->metadata_log_max_record_bytes_between_snapshots,
    };
    struct loader *loader = mem_alloc(sizeof(*loader));
    enum err err;

    loader->home = home;
    err = metadata_log_open(&world, &options, home->image, &loader->log);
    for (uint32_t i = 1; i < home->shards->count && err == OK; i++)
        err = copy_image(home->image, home->shards->at[i]->image);
    if (err != OK) {
        loader_close(loader);
        return err;
    }
    tell_kept(home);
    metadata_log_follow(loader->log, on_committed, loader);
    *out = loader;
    return OK;
}

void loader_close(struct loader *loader)
{
    if (loader == NULL)
        return;
    metadata_log_close(loader->log);
    for (uint32_t i = 0; i < SHARD_COUNT_MAX; i++) {
        struct loader_slot *slot = &loader->slots[i];
        if (!slot->ready)
            continue;
        loop_cancel_timer(&slot->call.target->loop, &slot->again);
        delta_deinit(&slot->delta);
        image_replay_deinit(&slot->replay);
    }
    mem_free(loader);
}

void loader_add(struct loader *loader, const struct metadata_publisher *publisher)
{
    check(loader->publisher_count < LOADER_PUBLISHERS_MAX);
    loader->publishers[loader->publisher_count++] = publisher;
}

enum err loader_open_publishers(struct loader *loader)
{
    const struct shards *shards = loader->home->shards;
    enum err err = OK;

    for (uint32_t i = 0; i < loader->publisher_count; i++)
        for (uint32_t s = 0; s < shards->count && err == OK; s++)
            if (loader->publishers[i]->open != NULL)
                err = loader->publishers[i]->open(shards->at[s]);
    return err;
}

struct metadata_log *loader_log(struct loader *loader)
{
    return loader->log;
}

/* ---- on each shard */

/* LDR-3 */
static void try_later(struct loader_slot *slot)
{
    struct shard *shard = slot->call.target;

    if (!slot->lacks_memory)
        log_line(shard->sink, LOG_ERROR, "LVE-4015",
                 "no memory to take in a change of the metadata: it is tried again",
                 log_u64("shard", shard->index));
    slot->lacks_memory = true;
    loop_set_timer_ms(&shard->loop, &slot->again, NO_MEMORY_AGAIN_MS);
}

/* The publishers from the one on whose turn it is. */
static void follow(struct loader_slot *slot)
{
    struct shard *shard = slot->call.target;
    const struct loader *loader = slot->loader;

    while (slot->publisher_index < loader->publisher_count) {
        slot->cursor.lacks_memory = false;
        if (!loader->publishers[slot->publisher_index]->publish(shard, &slot->delta,
                                                                &slot->cursor)) {
            if (slot->cursor.lacks_memory)
                try_later(slot);
            else
                loop_defer(&shard->loop, &slot->next_turn);
            return;
        }
        slot->publisher_index++; /* LDR-4 */
        slot->cursor = (struct delta_cursor){0};
    }
    delta_deinit(&slot->delta);
    shard_call_finish(&slot->call);
}

static void on_next_turn(struct task *task)
{
    follow(container_of(task, struct loader_slot, next_turn));
}

static void go_on(struct loader_slot *slot)
{
    const struct loader *loader = slot->loader;
    enum err err = OK;

    if (!slot->is_applied)
        err = image_replay_batch(&slot->replay, loader->bytes, loader->size_bytes, &slot->delta);
    if (err == ERR_NOMEM) {
        try_later(slot);
        return;
    }
    check(err == OK); /* LDR-2 */
    slot->is_applied = true;
    follow(slot);
}

static void on_again(struct timer *timer)
{
    go_on(container_of(timer, struct loader_slot, again));
}

static void apply(struct shard_call *call)
{
    struct loader_slot *slot = container_of(call, struct loader_slot, call);

    if (!slot->ready) {
        image_replay_init(&slot->replay, call->target->image);
        timer_init(&slot->again, on_again);
        slot->ready = true;
    }
    delta_init(&slot->delta);
    slot->publisher_index = 0;
    slot->cursor = (struct delta_cursor){0};
    slot->next_turn.run = on_next_turn;
    slot->is_applied = false;
    slot->lacks_memory = false;
    go_on(slot);
}

/* ---- on shard 0 */

static void drop_one(struct loader *loader)
{
    if (--loader->pending_count > 0)
        return;
    if (loader->stopped == NULL && metadata_log_wants_snapshot(loader->log))
        metadata_log_snapshot(loader->log, loader->home->image, NULL, NULL);
    metadata_log_taken(loader->log);
}

static void on_followed(struct shard_call *call)
{
    drop_one(container_of(call, struct loader_slot, call)->loader);
}

static void on_committed(void *context, const uint8_t *bytes, uint32_t size_bytes)
{
    struct loader *loader = context;
    const struct shards *shards = loader->home->shards;

    check(loader->pending_count == 0); /* LDR-1 */
    loader->bytes = bytes;
    loader->size_bytes = size_bytes;
    loader->pending_count = shards->count + 1; /* one of ours, so that the end comes last */
    for (uint32_t i = 0; i < shards->count; i++) {
        struct loader_slot *slot = &loader->slots[i];
        slot->loader = loader;
        shard_call_start(&slot->call, loader->home, shards->at[i], apply, on_followed);
    }
    drop_one(loader);
}

static void end_stop(void *context, enum err err)
{
    struct loader *loader = context;

    loader->stopped(loader->context);
}

void loader_stop(struct loader *loader, bool is_wanted, void (*done)(void *context), void *context)
{
    const struct image *image = loader->home->image;

    loader->stopped = done;
    loader->context = context;
    if (metadata_log_is_writing(loader->log) ||
        (is_wanted && metadata_log_has_news(loader->log, image)))
        metadata_log_snapshot(loader->log, image, end_stop, loader);
    else
        end_stop(loader, OK);
}
