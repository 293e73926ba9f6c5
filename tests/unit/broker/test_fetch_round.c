/* A round of a fetch: one visit a shard, the limits of the whole, and the order of the answer. */
#include "net/protocol/msg_fetch.h"
#include "tests/unit/broker/live_rig.h"

TestSuite(fetch_round, .timeout = 600);

enum { PARTITIONS = 64, VALUE_BYTES = 1000, FEW_TURNS = 12 };

static struct {
    uint32_t parts;
    uint32_t filled;
    uint32_t bytes;
    bool in_order; /* as asked */
} got;

static void look_fetched(struct live_ask *ask, const void *response)
{
    const struct fetch_response *answer = response;

    memset(&got, 0, sizeof(got));
    cr_assert(eq(i16, answer->error_code, KAFKA_NONE));
    cr_assert(eq(int, answer->responses.count, 1));
    got.in_order = true;
    for (int32_t p = 0; p < answer->responses.items[0].partitions.count; p++) {
        const struct fetch_response_partition_data *part =
            &answer->responses.items[0].partitions.items[p];
        cr_assert(eq(i16, part->error_code, KAFKA_NONE));
        cr_assert(eq(i64, part->high_watermark, 1));
        got.in_order = got.in_order && part->partition_index == (int32_t)got.parts;
        got.parts++;
        got.filled += part->records.size_bytes > 0;
        got.bytes += part->records.size_bytes;
    }
}

/* All partitions of "t" from their start, at once. */
static void fetch_all(int32_t max_bytes)
{
    static struct fetch_request_fetch_partition parts[PARTITIONS];
    struct fetch_request_fetch_topic topic;
    struct fetch_request request;
    struct live_ask ask = {.look = look_fetched};

    codec_set_defaults(&fetch_request_desc, &request);
    codec_set_struct_defaults(&fetch_request_fetch_topic_struct, &topic);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        codec_set_struct_defaults(&fetch_request_fetch_partition_struct, &parts[i]);
        parts[i].partition = i;
        parts[i].partition_max_bytes = 1 << 20;
    }
    topic.topic = wire_string("t");
    topic.partitions.items = parts;
    topic.partitions.count = PARTITIONS;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.min_bytes = 1;
    request.max_bytes = max_bytes;
    request.session_epoch = -1;
    live_ask(&ask, live_client(0), API_FETCH, 12, &request);
}

/* A batch of one record in each partition. */
static void fill(uint32_t shards_count)
{
    live_start(shards_count, NULL);
    live_topic(live_client(0), "t", PARTITIONS);
    for (int32_t p = 0; p < PARTITIONS; p++)
        cr_assert(
            eq(i16, live_produce_zeroes(live_client(0), "t", p, VALUE_BYTES, 1000), KAFKA_NONE));
}

/* With a visit for each partition the shards would take turns as often as there are partitions. */
Test(fetch_round, each_shard_is_visited_once)
{
    uint64_t before[2];

    fill(2);
    for (uint32_t i = 0; i < 2; i++)
        before[i] = broker_shard(live.broker.broker, i)->loop.turn_count;
    fetch_all(50 << 20);
    cr_assert(eq(u32, got.parts, PARTITIONS));
    cr_assert(eq(u32, got.filled, PARTITIONS));
    cr_assert(got.in_order);
    for (uint32_t i = 0; i < 2; i++)
        cr_assert(
            lt(u64, broker_shard(live.broker.broker, i)->loop.turn_count - before[i], FEW_TURNS));
}

/* KIP-74: what one shard gave is not there for the next one; who gets nothing is told of all the
 * same. */
Test(fetch_round, the_limit_holds_over_all_shards)
{
    fill(3);
    fetch_all(5 * VALUE_BYTES);
    cr_assert(eq(u32, got.parts, PARTITIONS));
    cr_assert(got.in_order);
    cr_assert(le(u32, got.bytes, 5 * VALUE_BYTES));
    cr_assert(eq(u32, got.filled, 4));
    fetch_all(1); /* progress beats the limit, once */
    cr_assert(eq(u32, got.filled, 1));
}
