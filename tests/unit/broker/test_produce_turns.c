/* A Produce request of many partitions begins in turns, and nothing of its client overtakes it. */
#include "broker/topic_table.h"
#include "tests/unit/broker/live_rig.h"

enum { PARTITIONS = 2000, TURN_MAX = 256, PRODUCER = 7 };

static struct uuid topic_id;
static uint32_t shard_count;

static void up(uint32_t shards)
{
    shard_count = shards;
    live_start(shards, NULL);
    topic_id = live_topic(live_client(0), "t", PARTITIONS);
}

TestSuite(produce_turns, .timeout = 300);

/* ---- asking */

struct many {
    struct live_ask ask;
    int32_t count;
    int32_t failed;
    int64_t last_base; /* of its last partition */
    int16_t last_code;
};

static void look_many(struct live_ask *ask, const void *response)
{
    struct many *many = container_of(ask, struct many, ask);
    const struct produce_response *answer = response;

    many->count = answer->responses.items[0].partition_responses.count;
    for (int32_t i = 0; i < many->count; i++) {
        many->last_code = answer->responses.items[0].partition_responses.items[i].error_code;
        many->last_base = answer->responses.items[0].partition_responses.items[i].base_offset;
        many->failed += many->last_code != KAFKA_NONE;
    }
}

/* One batch of an idempotent producer to each partition from first on. */
static void start_many(struct many *many, uint32_t client, int32_t first, int32_t sequence)
{
    static struct produce_request_partition_produce_data parts[PARTITIONS];
    struct batch_builder_options options = batch_builder_options_default();
    struct produce_request_topic_produce_data topic;
    struct produce_request request;
    struct wire_slice slice;
    struct batch_builder builder;
    const uint8_t *bytes;
    uint32_t size_bytes;

    options.producer_id = PRODUCER;
    options.producer_epoch = 0;
    options.base_sequence = sequence;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int, batch_builder_add_pair(&builder, "k", 1, "v", 1, 1), OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
    slice = (struct wire_slice){.bytes = bytes, .size_bytes = size_bytes};
    codec_set_defaults(&produce_request_desc, &request);
    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, &topic);
    for (int32_t i = first; i < PARTITIONS; i++) {
        codec_set_struct_defaults(&produce_request_partition_produce_data_struct,
                                  &parts[i - first]);
        parts[i - first].index = i;
        parts[i - first].records =
            (struct wire_records){.slices = &slice, .slice_count = 1, .size_bytes = size_bytes};
    }
    topic.name = wire_string("t");
    topic.partition_data.items = parts;
    topic.partition_data.count = PARTITIONS - first;
    request.topic_data.items = &topic;
    request.topic_data.count = 1;
    request.acks = KAFKA_ACKS_ALL_ISR;
    request.timeout_ms = 60000;
    *many = (struct many){.ask.look = look_many};
    live_ask_start(&many->ask, live_client(client), API_PRODUCE, 9, &request);
    batch_builder_deinit(&builder);
}

/* ---- turns */

static struct {
    uint32_t appended; /* partitions that have something */
    uint32_t before;   /* at the end of the last turn */
    uint32_t most;     /* more of them in one turn */
} seen;

static void count_one(void *context, struct partition *partition)
{
    if (uuid_equal(&partition->topic_id, &topic_id) && partition_offsets(partition).log_end > 0)
        seen.appended++;
}

static void on_turn_end(struct loop *loop, void *context)
{
    struct shard *shard = context;

    seen.appended = 0;
    topic_table_each(shard->topics, count_one, NULL);
    if (seen.appended - seen.before > seen.most)
        seen.most = seen.appended - seen.before;
    seen.before = seen.appended;
}

Test(produce_turns, many_partitions_begin_in_turns)
{
    struct shard *shard;
    struct many many;

    up(1);
    shard = broker_shard(live.broker.broker, 0);
    shard->loop.turn_end = on_turn_end;
    shard->loop.turn_end_context = shard;
    start_many(&many, 0, 0, 0);
    cr_assert(live_ask_wait(&many.ask, 60000));
    shard->loop.turn_end = NULL;
    cr_assert(eq(i32, many.count, PARTITIONS));
    cr_assert(eq(i32, many.failed, 0));
    cr_assert(eq(u32, seen.before, PARTITIONS));
    cr_assert(eq(u32, seen.most, TURN_MAX));
}

/* ---- order */

static void later_ones_wait(uint32_t shards)
{
    struct many many[4];

    up(shards);
    start_many(&many[0], 0, 0, 0);
    start_many(&many[1], 0, PARTITIONS - 1, 1); /* to the last of them alone */
    start_many(&many[2], 0, 0, 2);
    start_many(&many[3], 0, PARTITIONS - 1, 3);
    for (int i = 0; i < 4; i++) {
        cr_assert(live_ask_wait(&many[i].ask, 60000));
        cr_assert(eq(int, many[i].ask.err, OK));
    }
    cr_assert(eq(i32, many[0].failed, 0));
    cr_assert(eq(i32, many[1].failed, 0));
    cr_assert(eq(i32, many[3].failed, 0));
    cr_assert(eq(i32, many[2].failed, PARTITIONS - 1)); /* the others have no sequence 1 */
    cr_assert(eq(i16, many[2].last_code, KAFKA_NONE));
    for (int i = 0; i < 4; i++)
        cr_assert(eq(i64, many[i].last_base, i));
}

Test(produce_turns, what_comes_later_on_the_connection_waits_behind_it)
{
    later_ones_wait(1);
}

Test(produce_turns, so_it_does_where_partitions_live_elsewhere)
{
    later_ones_wait(3);
}

static bool is_begun(void *context)
{
    struct shard *shard = context;

    seen.appended = 0;
    topic_table_each(shard->topics, count_one, NULL);
    return seen.appended > 0;
}

/* What was asked for while the peer was there is done. */
Test(produce_turns, a_client_may_go_while_its_request_begins)
{
    struct shard *shard;
    struct many many[2];

    up(1);
    shard = broker_shard(live.broker.broker, 0);
    live_client(1);
    start_many(&many[0], 1, 0, 0);
    start_many(&many[1], 1, 0, 1);
    cr_assert(sim_world_run_until(live.world, is_begun, shard, 60 * SIM_SECOND));
    cr_assert(lt(u32, seen.appended, PARTITIONS));
    sim_node_crash(live.clients[1].node, SIM_KILL);
    sim_world_run_until_idle(live.world, 20 * SIM_SECOND);
    seen.appended = 0;
    topic_table_each(shard->topics, count_one, NULL);
    cr_assert(eq(u32, seen.appended, PARTITIONS));
    cr_assert(lt(u64, live_stop_ms(), 5000));
}

Test(produce_turns, a_stop_while_one_begins)
{
    struct many many;

    up(1);
    start_many(&many, 0, 0, 0);
    cr_assert(sim_world_run_until(live.world, is_begun, broker_shard(live.broker.broker, 0),
                                  60 * SIM_SECOND));
    cr_assert(lt(u64, live_stop_ms(), 60000));
}
