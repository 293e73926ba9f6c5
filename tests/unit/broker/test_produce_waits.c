/* A produce request waits for room, for its acknowledgement, or for the end of the storage. */
#include "broker/partition.h"
#include "broker/topic_table.h"
#include "net/protocol/msg_produce.h"
#include "record/batch_builder.h"
#include "tests/sim/sim_disk.h"
#include "tests/unit/broker/live_rig.h"

#include <errno.h>

enum { VALUE_BYTES = 900000, ASKS = 30 };

struct produce_ask {
    struct live_ask ask;
    int16_t error_code;
    int64_t base_offset;
    uint32_t client; /* who asks: an answer comes after those before it */
    bool has_producer;
    int32_t sequence;
};

static void look_produced(struct live_ask *ask, const void *response)
{
    struct produce_ask *produce = container_of(ask, struct produce_ask, ask);
    const struct produce_response *answer = response;

    produce->error_code = answer->responses.items[0].partition_responses.items[0].error_code;
    produce->base_offset = answer->responses.items[0].partition_responses.items[0].base_offset;
}

/* One record with value_bytes of value to partition 0 of "t"; of producer 77 when has_producer. */
static void start_produce(struct produce_ask *produce, int16_t acks, int32_t timeout_ms,
                          uint32_t value_bytes)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct produce_request_partition_produce_data part;
    struct produce_request_topic_produce_data topic;
    struct produce_request request;
    struct wire_slice slice;
    struct batch_builder builder;
    const uint8_t *bytes;
    uint8_t *value = mem_alloc(value_bytes);
    uint32_t size_bytes;

    options.max_bytes = VALUE_BYTES + 1000;
    if (produce->has_producer) {
        options.producer_id = 77;
        options.producer_epoch = 0;
        options.base_sequence = produce->sequence;
    }
    batch_builder_init(&builder, &options);
    cr_assert(eq(int,
                 batch_builder_add_pair(&builder, NULL, -1, value, (int32_t)value_bytes,
                                        clock_wall_ms(live.clients[0].client.loop.clock)),
                 OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
    codec_set_defaults(&produce_request_desc, &request);
    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, &topic);
    codec_set_struct_defaults(&produce_request_partition_produce_data_struct, &part);
    slice = (struct wire_slice){.bytes = bytes, .size_bytes = size_bytes};
    part.records =
        (struct wire_records){.slices = &slice, .slice_count = 1, .size_bytes = size_bytes};
    topic.name = wire_string("t");
    topic.partition_data.items = &part;
    topic.partition_data.count = 1;
    request.topic_data.items = &topic;
    request.topic_data.count = 1;
    request.acks = acks;
    request.timeout_ms = timeout_ms;
    produce->ask = (struct live_ask){.look = look_produced};
    produce->error_code = -1;
    live_ask_start(&produce->ask, &live.clients[produce->client], API_PRODUCE, 9, &request);
    batch_builder_deinit(&builder);
    mem_free(value);
}

static struct log *log_of(const struct uuid *topic_id)
{
    struct shard *shard =
        shard_of_partition(broker_shard(live.broker.broker, 0)->shards, topic_id, 0);

    return topic_table_find(shard->topics, topic_id, 0)->log;
}

/* The client and the topic; its id. */
static struct uuid up(uint32_t shards_count, const char *const *sets)
{
    live_start(shards_count, sets);
    return live_topic(live_client(0), "t", 1);
}

static bool all_are_answered(void *context)
{
    struct produce_ask *asks = context;

    for (int i = 0; i < ASKS; i++)
        if (!asks[i].ask.is_done)
            return false;
    return true;
}

/* More than the journal takes while the disk does nothing; small ones among them, which would find
 * room. */
static void fill_journal(struct produce_ask *asks, int16_t acks, int32_t timeout_ms)
{
    sim_disk_hold(&live.broker.node->disk, SIM_WRITE);
    sim_disk_hold(&live.broker.node->disk, SIM_SYNC);
    for (int i = 0; i < ASKS; i++)
        start_produce(&asks[i], acks, timeout_ms, i % 3 == 2 ? 10 : VALUE_BYTES);
}

static void release_disk(void)
{
    sim_disk_unhold(&live.broker.node->disk, SIM_WRITE);
    sim_disk_unhold(&live.broker.node->disk, SIM_SYNC);
}

static void waiting_ones_keep_their_order(int16_t acks)
{
    static struct produce_ask asks[ASKS];
    struct uuid id = up(1, NULL);

    fill_journal(asks, acks, 60000);
    cr_assert(not(sim_world_run_until(live.world, all_are_answered, asks, SIM_SECOND)));
    cr_assert(lt(i64, log_offsets(log_of(&id)).log_end, ASKS), "all of them had room");
    release_disk();
    cr_assert(sim_world_run_until(live.world, all_are_answered, asks, 30 * SIM_SECOND));
    for (int i = 0; i < ASKS; i++) {
        cr_assert(eq(i16, asks[i].error_code, KAFKA_NONE));
        cr_assert(eq(i64, asks[i].base_offset, i));
    }
}

Test(produce_waits, small_ones_do_not_overtake_those_that_wait_for_room)
{
    waiting_ones_keep_their_order(KAFKA_ACKS_ALL_ISR);
}

Test(produce_waits, nor_do_they_with_acks_1)
{
    waiting_ones_keep_their_order(KAFKA_ACKS_LEADER);
}

Test(produce_waits, what_timed_out_before_it_had_room_is_not_written_later)
{
    static struct produce_ask asks[ASKS];
    struct uuid id = up(1, NULL);
    struct produce_ask after = {0};
    int64_t end;

    fill_journal(asks, KAFKA_ACKS_ALL_ISR, 1500);
    cr_assert(not(sim_world_run_until(live.world, all_are_answered, asks, SIM_SECOND)));
    cr_assert(sim_world_run_until(live.world, all_are_answered, asks, SIM_SECOND));
    for (int i = 0; i < ASKS; i++)
        cr_assert(eq(i16, asks[i].error_code, KAFKA_REQUEST_TIMED_OUT));
    end = log_offsets(log_of(&id)).log_end;
    cr_assert(lt(i64, 0, end));
    cr_assert(lt(i64, end, ASKS));
    release_disk();
    sim_world_run_until_idle(live.world, 5 * SIM_SECOND);
    start_produce(&after, KAFKA_ACKS_ALL_ISR, 1500, 10);
    cr_assert(live_ask_wait(&after.ask, 5000));
    cr_assert(eq(i16, after.error_code, KAFKA_NONE));
    cr_assert(eq(i64, after.base_offset, end));
}

/* The log does not know the producer yet, and would take any first sequence of it (DUR-I11). */
Test(produce_waits, what_follows_a_batch_that_timed_out_does_not_overtake_it)
{
    static struct produce_ask asks[ASKS];
    struct produce_ask first = {.client = 1, .has_producer = true, .sequence = 0};
    struct produce_ask second = {.client = 2, .has_producer = true, .sequence = 1};

    up(1, NULL);
    live_client(1);
    live_client(2);
    fill_journal(asks, KAFKA_ACKS_ALL_ISR, 60000);
    sim_world_run_until_idle(live.world, SIM_SECOND);
    start_produce(&first, KAFKA_ACKS_ALL_ISR, 1500, 10);
    cr_assert(not(live_ask_wait(&first.ask, 1000)));
    start_produce(&second, KAFKA_ACKS_ALL_ISR, 30000, 10);
    cr_assert(live_ask_wait(&first.ask, 1000));
    cr_assert(eq(i16, first.error_code, KAFKA_REQUEST_TIMED_OUT));
    release_disk();
    cr_assert(live_ask_wait(&second.ask, 20000));
    cr_assert(eq(i16, second.error_code, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER));
    for (int32_t i = 0; i < 2; i++) {
        struct produce_ask again = {.client = 1, .has_producer = true, .sequence = i};
        start_produce(&again, KAFKA_ACKS_ALL_ISR, 30000, 10);
        cr_assert(live_ask_wait(&again.ask, 20000));
        cr_assert(eq(i16, again.error_code, KAFKA_NONE));
        cr_assert(eq(i64, again.base_offset, ASKS + i));
    }
}

/* Whatever had arrived, and whatever is still on its way. */
Test(produce_waits, what_comes_after_a_batch_that_timed_out_does_not_overtake_it_either)
{
    static struct produce_ask asks[ASKS];
    struct produce_ask first = {.client = 1, .has_producer = true, .sequence = 0};
    struct produce_ask second = {.client = 1, .has_producer = true, .sequence = 1};

    up(1, NULL);
    live_client(1);
    fill_journal(asks, KAFKA_ACKS_ALL_ISR, 60000);
    sim_world_run_until_idle(live.world, SIM_SECOND);
    start_produce(&first, KAFKA_ACKS_ALL_ISR, 1500, 10);
    cr_assert(live_ask_wait(&first.ask, 2000));
    cr_assert(eq(i16, first.error_code, KAFKA_REQUEST_TIMED_OUT));
    release_disk();
    sim_world_run_until_idle(live.world, 5 * SIM_SECOND);
    start_produce(&second, KAFKA_ACKS_ALL_ISR, 30000, 10);
    cr_assert(live_ask_wait(&second.ask, 20000));
    cr_assert(eq(i16, second.error_code, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER));
    for (int32_t i = 0; i < 2; i++) {
        struct produce_ask again = {.client = 1, .has_producer = true, .sequence = i};
        start_produce(&again, KAFKA_ACKS_ALL_ISR, 30000, 10);
        cr_assert(live_ask_wait(&again.ask, 20000));
        cr_assert(eq(i16, again.error_code, KAFKA_NONE));
        cr_assert(eq(i64, again.base_offset, ASKS + i));
    }
}

Test(produce_waits, an_append_goes_on_when_its_client_is_gone_and_ends_with_the_broker)
{
    static struct produce_ask asks[ASKS];
    struct uuid id = up(1, NULL);

    fill_journal(asks, KAFKA_ACKS_ALL_ISR, 600000);
    cr_assert(not(sim_world_run_until(live.world, all_are_answered, asks, SIM_SECOND)));
    sim_node_crash(live.clients[0].node, SIM_KILL);
    sim_world_run_until_idle(live.world, SIM_SECOND);
    release_disk();
    sim_world_run_until_idle(live.world, 5 * SIM_SECOND);
    cr_assert(eq(i64, log_offsets(log_of(&id)).high_watermark, ASKS));
    cr_assert(lt(u64, live_stop_ms(), 3000));
}

/* ---- acks=1 */

static void acks_1_waits_for(const char *durability)
{
    const char *sets[] = {durability, NULL};
    struct uuid id = up(1, sets);
    struct produce_ask ask = {0};

    sim_disk_hold(&live.broker.node->disk, SIM_WRITE);
    sim_disk_hold(&live.broker.node->disk, SIM_SYNC);
    start_produce(&ask, KAFKA_ACKS_LEADER, 0, 10); /* Kafka gives the timeout no meaning here */
    cr_assert(not(live_ask_wait(&ask.ask, 3000)));
    cr_assert(eq(i64, log_offsets(log_of(&id)).log_end, 1));
    cr_assert(eq(i64, log_offsets(log_of(&id)).durable, 0));
    release_disk();
    cr_assert(live_ask_wait(&ask.ask, 3000));
    cr_assert(eq(i16, ask.error_code, KAFKA_NONE));
    cr_assert(eq(i64, log_offsets(log_of(&id)).high_watermark, 1)); /* read your write */
}

Test(produce_waits, acks_1_is_answered_when_the_batch_is_durable)
{
    acks_1_waits_for("levee.durability=sync");
}

Test(produce_waits, acks_1_of_a_cache_topic_is_answered_when_the_kernel_has_the_batch)
{
    acks_1_waits_for("levee.durability=cache");
}

/* ---- a failed storage */

static void failure_is_told(uint32_t shards_count)
{
    static struct produce_ask asks[ASKS];

    (void)up(shards_count, NULL);
    fill_journal(asks, KAFKA_ACKS_ALL_ISR, 60000);
    cr_assert(not(sim_world_run_until(live.world, all_are_answered, asks, SIM_SECOND)));
    for (int i = 0; i < 4; i++)
        sim_disk_fail_nth(&live.broker.node->disk, SIM_WRITE, 0, EIO);
    release_disk();
    cr_assert(sim_world_run_until(live.world, live_has_stopped, NULL, 10 * SIM_SECOND));
    cr_assert(live.broker.failed);
    for (int i = 0; i < ASKS; i++) {
        cr_assert(asks[i].ask.is_done, "request %d has no answer when the process ends", i);
        cr_assert(eq(int, asks[i].ask.err, OK));
        cr_assert(eq(i16, asks[i].error_code, KAFKA_KAFKA_STORAGE_ERROR));
    }
}

Test(produce_waits, a_failed_storage_is_told_to_whoever_waits_before_the_process_ends)
{
    failure_is_told(1);
}

Test(produce_waits, and_so_it_is_across_shards)
{
    failure_is_told(4);
}
