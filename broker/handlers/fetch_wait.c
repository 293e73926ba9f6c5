/* A fetch that waits for more: every part watches how far it may see (the high watermark; of who
 * reads committed, the last stable offset) on the shard of the partition and counts there what
 * comes; when it is enough, all watches end and a round reads. */
#include "base/check.h"
#include "broker/handlers/fetch_private.h"
#include "broker/topic_table.h"

static void stir(struct fetch *fetch);

void fetch_wait_on_next_round(struct task *task)
{
    fetch_round_start(container_of(task, struct fetch, next_round));
}

static void watch_call_ended(struct fetch *fetch)
{
    check(fetch->waiting && fetch->watch_count > 0);
    if (--fetch->watch_count > 0)
        return;
    fetch->waiting = false;
    loop_defer(&fetch->request->home->loop, &fetch->next_round);
}

static void on_watch_done(struct shard_call *call)
{
    struct fetch_part *part = container_of(call, struct fetch_part, watch);

    part->watched_at = NULL;
    stir(part->fetch);
    watch_call_ended(part->fetch);
}

static void watch_more(struct fetch_part *part, struct partition *partition)
{
    part->waiter.offset = partition_read_bound(partition, part->fetch->isolation) + 1;
    partition_wait_data(partition, &part->waiter);
}

/* Count what has come, on the partition's shard.  False: not enough yet. */
static bool is_enough(struct fetch_part *part, const struct partition *partition)
{
    struct fetch *fetch = part->fetch;
    uint32_t room_bytes = (uint32_t)part->max_bytes > part->counted_bytes
                              ? (uint32_t)part->max_bytes - part->counted_bytes
                              : 0;
    uint32_t more_bytes;

    if (part->fetch_offset < partition_offsets(partition).log_start)
        return true;
    if (room_bytes == 0)
        return false; /* full: what comes counts no more */
    if (!partition_read_count(partition, fetch->isolation, &part->counted_offset, room_bytes,
                              &more_bytes))
        return true; /* the round finds out */
    part->counted_bytes += more_bytes;
    return __atomic_add_fetch(&fetch->gathered_bytes, more_bytes, __ATOMIC_RELAXED) >=
           fetch->min_bytes;
}

static void on_wake(struct partition_waiter *waiter, enum err err)
{
    struct fetch_part *part = container_of(waiter, struct fetch_part, waiter);
    struct partition *partition =
        err != OK ? NULL
                  : topic_table_find(part->watch.target->topics, &part->topic_id, part->partition);

    if (partition == NULL || is_enough(part, partition))
        shard_call_finish(&part->watch);
    else
        watch_more(part, partition);
}

static void watch_part(struct shard_call *call)
{
    struct fetch_part *part = container_of(call, struct fetch_part, watch);
    struct partition *partition =
        topic_table_find(call->target->topics, &part->topic_id, part->partition);

    part->waiter =
        (struct partition_waiter){.wake = on_wake,
                                  .from_offset = part->fetch_offset,
                                  .is_committed = part->fetch->isolation == PARTITION_COMMITTED};
    if (partition == NULL || is_enough(part, partition)) /* what came since it was read */
        shard_call_finish(call);
    else
        watch_more(part, partition);
}

static void unwatch_part(struct shard_call *call)
{
    struct fetch_part *part = container_of(call, struct fetch_part, unwatch);

    if (list_is_linked(&part->waiter.node)) {
        partition_cancel_wait(&part->waiter);
        shard_call_finish(&part->watch);
    }
    shard_call_finish(call);
}

static void on_unwatch_done(struct shard_call *call)
{
    watch_call_ended(container_of(call, struct fetch_part, unwatch)->fetch);
}

/* Something happened: end all watches; the round follows when the last one is back. */
static void stir(struct fetch *fetch)
{
    struct shard *home = fetch->request->home;

    if (fetch->stirred)
        return;
    fetch->stirred = true;
    for (uint32_t i = 0; i < fetch->part_count; i++) {
        struct fetch_part *part = &fetch->parts[i];
        if (part->watched_at == NULL)
            continue;
        fetch->watch_count++;
        shard_call_start(&part->unwatch, home, part->watched_at, unwatch_part, on_unwatch_done);
    }
    if (!fetch->arming)
        watch_call_ended(fetch);
}

void fetch_wait_expire(struct fetch *fetch)
{
    fetch->expired = true;
    if (fetch->waiting)
        stir(fetch);
}

void fetch_wait(struct fetch *fetch)
{
    struct shard *home = fetch->request->home;

    request_park(fetch->request); /* for producers */
    fetch->waiting = true;
    fetch->stirred = false;
    fetch->gathered_bytes = fetch->available_bytes;
    fetch_round_drop(fetch); /* it waits without holding anything */
    fetch->watch_count = 1;
    fetch->arming = true;
    for (uint32_t i = 0; i < fetch->part_count && !fetch->stirred; i++) {
        struct fetch_part *part = &fetch->parts[i];
        part->watched_at = shard_of_partition(home->shards, &part->topic_id, part->partition);
        fetch->watch_count++;
        shard_call_start(&part->watch, home, part->watched_at, watch_part, on_watch_done);
    }
    fetch->arming = false;
    if (fetch->stirred)
        watch_call_ended(fetch);
}
