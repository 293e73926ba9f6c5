/* Transactions of a whole broker with several shards: what waits for another shard's journal. */
#include "broker/coordinator/transaction_coordinator_private.h"
#include "broker/coordinator/transaction_route.h"
#include "broker/topic_table.h"
#include "net/protocol/msg_end_txn.h"
#include "net/protocol/msg_find_coordinator.h"
#include "net/protocol/msg_init_producer_id.h"
#include "tests/unit/broker/live_rig.h"

enum { PARTITIONS = 6, FLUSH_MS = 4000 };

TestSuite(transaction_shards, .timeout = 300);

static struct uuid topic;
static int64_t producer_id;
static int16_t producer_epoch;
static int16_t error_code;

static const struct shards *all_shards(void)
{
    return broker_shard(live.broker.broker, 0)->shards;
}

static struct partition *partition_at(int32_t index)
{
    return topic_table_find(shard_of_partition(all_shards(), &topic, index)->topics, &topic, index);
}

static struct shard *home_of(const char *id)
{
    return transaction_shard(broker_shard(live.broker.broker, 0), id, strlen(id));
}

static void look_found(struct live_ask *ask, const void *response)
{
    error_code = ((const struct find_coordinator_response *)response)->error_code;
}

static void look_init(struct live_ask *ask, const void *response)
{
    const struct init_producer_id_response *answer = response;

    error_code = answer->error_code;
    producer_id = answer->producer_id;
    producer_epoch = answer->producer_epoch;
}

static void look_ended(struct live_ask *ask, const void *response)
{
    const struct end_txn_response *answer = response;

    error_code = answer->error_code;
    if (answer->error_code == KAFKA_NONE && answer->producer_id >= 0) {
        producer_id = answer->producer_id;
        producer_epoch = answer->producer_epoch;
    }
}

static void look_written(struct live_ask *ask, const void *response)
{
    error_code = ((const struct produce_response *)response)
                     ->responses.items[0]
                     .partition_responses.items[0]
                     .error_code;
}

/* Until it is not to be asked again. */
static void ask(int16_t key, int16_t version, const void *request,
                void (*look)(struct live_ask *of, const void *response))
{
    for (int i = 0; i < 1000; i++) {
        struct live_ask of = {.look = look};
        live_ask(&of, live_client(0), key, version, request);
        if (error_code != KAFKA_COORDINATOR_LOAD_IN_PROGRESS &&
            error_code != KAFKA_COORDINATOR_NOT_AVAILABLE && error_code != KAFKA_NOT_COORDINATOR &&
            error_code != KAFKA_CONCURRENT_TRANSACTIONS)
            return;
        sim_world_run_until(live.world, live_is_answered, &(struct live_ask){0}, 10 * SIM_MS);
    }
    cr_assert(false, "it goes on and on: %d", error_code);
}

static void init(const char *id)
{
    struct find_coordinator_request find;
    struct init_producer_id_request request;

    codec_set_defaults(&find_coordinator_request_desc, &find);
    find.key = wire_string(id);
    find.key_type = KAFKA_COORDINATOR_KEY_TYPE_TRANSACTION;
    ask(API_FIND_COORDINATOR, 3, &find, look_found);
    codec_set_defaults(&init_producer_id_request_desc, &request);
    request.transactional_id = wire_string(id);
    request.transaction_timeout_ms = 60000;
    ask(API_INIT_PRODUCER_ID, 5, &request, look_init);
    cr_assert(eq(i16, error_code, KAFKA_NONE));
}

/* TV2: the first batch puts the partition into the transaction. */
static void write(const char *id, int32_t partition, int32_t sequence)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct produce_request_topic_produce_data data;
    struct produce_request_partition_produce_data part;
    struct produce_request request;
    struct batch_builder builder;
    struct wire_slice slice = {0};

    options.transactional = true;
    options.producer_id = producer_id;
    options.producer_epoch = producer_epoch;
    options.base_sequence = sequence;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int,
                 batch_builder_add_pair(&builder, "k", 1, "v", 1,
                                        clock_wall_ms(live.clients[0].client.loop.clock)),
                 OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &slice.bytes, &slice.size_bytes), OK));
    codec_set_defaults(&produce_request_desc, &request);
    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, &data);
    codec_set_struct_defaults(&produce_request_partition_produce_data_struct, &part);
    part.index = partition;
    part.records =
        (struct wire_records){.slices = &slice, .slice_count = 1, .size_bytes = slice.size_bytes};
    data.name = wire_string("t");
    data.topic_id = topic;
    data.partition_data.items = &part;
    data.partition_data.count = 1;
    request.topic_data.items = &data;
    request.topic_data.count = 1;
    request.transactional_id = wire_string(id);
    request.acks = KAFKA_ACKS_ALL_ISR;
    request.timeout_ms = 30000;
    ask(API_PRODUCE, 12, &request, look_written);
    batch_builder_deinit(&builder);
    cr_assert(eq(i16, error_code, KAFKA_NONE));
}

static void start_end(struct live_ask *of, const char *id, bool commit)
{
    struct end_txn_request request;

    codec_set_defaults(&end_txn_request_desc, &request);
    request.transactional_id = wire_string(id);
    request.producer_id = producer_id;
    request.producer_epoch = producer_epoch;
    request.committed = commit;
    *of = (struct live_ask){.look = look_ended};
    live_ask_start(of, live_client(0), API_END_TXN, 5, &request);
}

static void end(const char *id, bool commit)
{
    struct live_ask of;

    start_end(&of, id, commit);
    cr_assert(live_ask_wait(&of, 60000));
    cr_assert(eq(i16, error_code, KAFKA_NONE));
}

static void up(void)
{
    const char *sets[] = {"levee.durability=cache", "levee.cache.flush.interval.ms=4000", NULL};

    live_start(3, sets);
    topic = live_topic(live_client(0), "t", PARTITIONS);
    init("id");
}

/* A partition that lives on the shard of the id, or on another one. */
static int32_t partition_of(const char *id, bool is_here)
{
    for (int32_t i = 0; i < PARTITIONS; i++)
        if ((shard_of_partition(all_shards(), &topic, i) == home_of(id)) == is_here)
            return i;
    cr_assert(false);
    return -1;
}

Test(transaction_shards, a_commit_waits_until_what_another_shard_keeps_in_memory_is_durable)
{
    struct live_ask of;
    struct partition *partition;

    up();
    partition = partition_at(partition_of("id", false));
    write("id", partition->index, 0);
    cr_assert(lt(i64, partition_offsets(partition).durable, partition_offsets(partition).log_end));
    start_end(&of, "id", true);
    cr_assert(not(live_ask_wait(&of, FLUSH_MS / 8)));
    cr_assert(lt(i64, partition_offsets(partition).durable, 1));
    cr_assert(live_ask_wait(&of, 60000));
    cr_assert(eq(i16, error_code, KAFKA_NONE));
    cr_assert(le(i64, 1, partition_offsets(partition).durable)); /* TFL-1 */
    cr_assert(eq(i16, producer_epoch, 1));
}

Test(transaction_shards, an_abort_and_what_is_in_the_same_journal_need_not_wait)
{
    struct live_ask of;

    up();
    write("id", partition_of("id", false), 0);
    start_end(&of, "id", false);
    cr_assert(live_ask_wait(&of, FLUSH_MS / 8));
    cr_assert(eq(i16, error_code, KAFKA_NONE));
}

Test(transaction_shards, transactions_follow_each_other_over_the_partitions_of_all_shards)
{
    live_start(3, NULL);
    topic = live_topic(live_client(0), "t", PARTITIONS);
    init("id");
    for (int round = 0; round < 20; round++) {
        for (int32_t i = 0; i < PARTITIONS; i++)
            write("id", i, 0); /* a new epoch begins at 0 */
        end("id", round % 3 != 0);
        cr_assert(eq(i16, producer_epoch, (int16_t)(round + 1)));
    }
    for (int32_t i = 0; i < PARTITIONS; i++) /* a batch and a marker each time */
        cr_assert(le(i64, 39, partition_offsets(partition_at(i)).log_end));
}

/* ---- what nobody knows (DUR-T7) */

static void delete_topic(const char *name)
{
    struct delete_topics_request request;
    struct delete_topics_request_delete_topic_state one;
    struct live_ask of = {0};

    codec_set_defaults(&delete_topics_request_desc, &request);
    codec_set_struct_defaults(&delete_topics_request_delete_topic_state_struct, &one);
    one.name = wire_string(name);
    request.topics.items = &one;
    request.topics.count = 1;
    request.timeout_ms = 10000;
    live_ask(&of, live_client(0), API_DELETE_TOPICS, 6, &request);
}

static int64_t unknown_count(void)
{
    int64_t count = 0;

    for (uint32_t i = 0; i < all_shards()->count; i++)
        count += gauge_read(&all_shards()->at[i]->transactions->orphans.found);
    return count;
}

static void restart(void)
{
    sim_node_crash(live.broker.node, SIM_KILL);
    sim_node_start(live.broker.node);
    cr_assert(sim_world_run_until(live.world, live_is_ready, NULL, 60 * SIM_SECOND));
    sim_world_run_until(live.world, live_is_answered, &(struct live_ask){0}, 3000 * SIM_MS);
}

Test(transaction_shards, after_a_start_open_transactions_that_nobody_knows_are_told)
{
    live_start(3, NULL);
    topic = live_topic(live_client(0), "t", PARTITIONS);
    init("other");
    write("other", 0, 0);
    end("other", true);
    init("id");
    for (int32_t i = 0; i < 3; i++)
        write("id", i, 0);
    restart();
    cr_assert(eq(i64, unknown_count(), 0));
    delete_topic("__transaction_state");
    restart();
    cr_assert(eq(i64, unknown_count(), 3));
}
