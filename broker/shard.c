#include "broker/shard.h"

#include <xxhash.h>

struct shard *shard_of_partition(const struct shards *shards, const struct uuid *topic_id,
                                 int32_t partition)
{
    uint64_t hash;

    if (shards->count == 1)
        return shards->at[0];
    /* partitions of one topic are dealt out in turn, from a start that the id draws */
    hash = XXH3_64bits(topic_id->bytes, sizeof(topic_id->bytes)) + (uint64_t)(uint32_t)partition;
    return shards->at[hash % shards->count];
}

static void deliver_done(struct mail *mail)
{
    struct shard_call *call = container_of(mail, struct shard_call, mail);

    call->done(call);
}

static void deliver_run(struct mail *mail)
{
    struct shard_call *call = container_of(mail, struct shard_call, mail);

    call->run(call);
}

void shard_call_start(struct shard_call *call, struct shard *origin, struct shard *target,
                      void (*run)(struct shard_call *), void (*done)(struct shard_call *))
{
    call->origin = origin;
    call->target = target;
    call->run = run;
    call->done = done;
    if (origin == target) {
        run(call);
        return;
    }
    call->mail.deliver = deliver_run;
    loop_post(&target->loop, &call->mail);
}

void shard_call_finish(struct shard_call *call)
{
    if (call->origin == call->target) {
        call->done(call);
        return;
    }
    call->mail.deliver = deliver_done;
    loop_post(&call->origin->loop, &call->mail);
}
