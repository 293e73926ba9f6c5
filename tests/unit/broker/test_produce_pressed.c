/* What waits for long checks of a partition leaves memory to those who produce to another one. */
#include "base/offload.h"
#include "net/protocol/msg_produce.h"
#include "record/batch_builder.h"
#include "tests/unit/broker/live_rig.h"

#include <unistd.h>

enum {
    VALUE_BYTES = 700000,
    BOMB_BYTES = 48 << 20, /* far above what a turn looks at */
    ASKS = 8,
};

struct produce_ask {
    struct live_ask ask;
    int16_t error_code;
};

static void look_produced(struct live_ask *ask, const void *response)
{
    struct produce_ask *produce = container_of(ask, struct produce_ask, ask);
    const struct produce_response *answer = response;

    produce->error_code = answer->responses.items[0].partition_responses.items[0].error_code;
}

static void start_produce(struct produce_ask *produce, uint32_t client, const char *topic_name,
                          enum compression codec, uint32_t value_bytes)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct compression_context *context = compression_context_create();
    struct produce_request_partition_produce_data part;
    struct produce_request_topic_produce_data topic;
    struct produce_request request;
    struct wire_slice slice;
    struct batch_builder builder;
    uint8_t *value = mem_alloc(value_bytes);

    options.codec = codec;
    options.level = codec == COMPRESSION_GZIP ? 1 : COMPRESSION_LEVEL_DEFAULT;
    options.max_bytes = value_bytes + 1000;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int,
                 batch_builder_add_pair(&builder, NULL, -1, value, (int32_t)value_bytes,
                                        clock_wall_ms(live.clients[0].client.loop.clock)),
                 OK));
    cr_assert(
        eq(int, batch_builder_finish(&builder, context, &slice.bytes, &slice.size_bytes), OK));
    slice.owner = NULL;
    codec_set_defaults(&produce_request_desc, &request);
    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, &topic);
    codec_set_struct_defaults(&produce_request_partition_produce_data_struct, &part);
    part.records =
        (struct wire_records){.slices = &slice, .slice_count = 1, .size_bytes = slice.size_bytes};
    topic.name = wire_string(topic_name);
    topic.partition_data.items = &part;
    topic.partition_data.count = 1;
    request.topic_data.items = &topic;
    request.topic_data.count = 1;
    request.acks = KAFKA_ACKS_ALL_ISR;
    request.timeout_ms = INT32_MAX;
    produce->ask = (struct live_ask){.look = look_produced};
    produce->error_code = -1;
    live_ask_start(&produce->ask, live_client(client), API_PRODUCE, 9, &request);
    batch_builder_deinit(&builder);
    compression_context_destroy(context);
    mem_free(value);
}

/* ---- a check that takes for ever */

static void sleep_on(struct offload_job *job)
{
    for (;;)
        pause();
}

static void never_done(struct offload_job *job)
{
}

static struct shard *up(void)
{
    const char *sets[] = {"levee.memory.max.bytes=67108864", NULL};
    static struct offload_job job = {.work = sleep_on, .done = never_done};
    struct shard *shard;

    live_start(1, sets);
    live_topic(live_client(0), "t", 1);
    live_topic(live_client(0), "other", 1);
    shard = broker_shard(live.broker.broker, 0);
    cr_assert(eq(int, offload_create(1, &shard->offload), OK));
    offload_start(shard->offload, &job, &shard->loop);
    return shard;
}

static uint32_t count_of(const struct produce_ask *asks, int16_t error_code)
{
    uint32_t count = 0;

    for (int i = 0; i < ASKS; i++)
        count += asks[i].error_code == error_code;
    return count;
}

static bool somebody_waits(void *context)
{
    const struct shard *on = context;

    return on->conns->waiting_count[CONN_BULK] > 0;
}

Test(produce_pressed, what_waits_for_a_check_ends_when_others_lack_memory, .timeout = 120)
{
    struct shard *shard = up();
    static struct produce_ask bomb, second_bomb, behind[ASKS], more[ASKS], other, late;

    start_produce(&bomb, 0, "t", COMPRESSION_GZIP, BOMB_BYTES);
    for (int i = 0; i < ASKS; i++)
        start_produce(&behind[i], 1, "t", COMPRESSION_NONE, VALUE_BYTES);
    cr_assert(sim_world_run_until(live.world, somebody_waits, shard, 30 * SIM_SECOND));
    start_produce(&other, 2, "other", COMPRESSION_NONE, 10);
    cr_assert(not(live_ask_wait(&other.ask, 500)), "nobody had to be told");
    cr_assert(eq(u32, count_of(behind, -1), ASKS));
    cr_assert(live_ask_wait(&other.ask, 3000));
    cr_assert(eq(i16, other.error_code, KAFKA_NONE));
    cr_assert(eq(i16, bomb.error_code, KAFKA_REQUEST_TIMED_OUT), "the oldest is told first");
    cr_assert(le(u64, shard->append_load.held_bytes, shard->append_load.all_max_bytes));

    /* and so it stays */
    start_produce(&second_bomb, 0, "t", COMPRESSION_GZIP, BOMB_BYTES);
    for (int i = 0; i < ASKS; i++)
        start_produce(&more[i], 3, "t", COMPRESSION_NONE, VALUE_BYTES);
    sim_world_run_until_idle(live.world, 5 * SIM_SECOND);
    cr_assert(le(u64, shard->append_load.held_bytes, shard->append_load.all_max_bytes));
    start_produce(&late, 2, "t", COMPRESSION_NONE, VALUE_BYTES);
    cr_assert(live_ask_wait(&late.ask, 5000));
    cr_assert(eq(i16, late.error_code, KAFKA_REQUEST_TIMED_OUT));
    start_produce(&other, 2, "other", COMPRESSION_NONE, 10);
    cr_assert(live_ask_wait(&other.ask, 100));
    cr_assert(eq(i16, other.error_code, KAFKA_NONE));
}

Test(produce_pressed, what_waits_for_the_disk_is_not_ended, .timeout = 120)
{
    struct shard *shard = up();
    static struct produce_ask asks[ASKS];

    sim_disk_hold(&live.broker.node->disk, SIM_WRITE);
    sim_disk_hold(&live.broker.node->disk, SIM_SYNC);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < ASKS && round == 0; i++)
            start_produce(&asks[i], 1, "t", COMPRESSION_NONE, VALUE_BYTES);
        sim_world_run_until_idle(live.world, SIM_SECOND);
    }
    cr_assert(eq(u32, count_of(asks, -1), ASKS));
    cr_assert(eq(u64, shard->append_load.strict_until_ns, 0));
    sim_disk_unhold(&live.broker.node->disk, SIM_WRITE);
    sim_disk_unhold(&live.broker.node->disk, SIM_SYNC);
    sim_world_run_until_idle(live.world, 5 * SIM_SECOND);
    cr_assert(eq(u32, count_of(asks, KAFKA_NONE), ASKS));
}
