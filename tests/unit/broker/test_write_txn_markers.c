/* WriteTxnMarkers against a whole broker: what an administrator may end, and what not. */
#include "broker/topic_table.h"
#include "net/protocol/msg_add_partitions_to_txn.h"
#include "net/protocol/msg_find_coordinator.h"
#include "net/protocol/msg_write_txn_markers.h"
#include "tests/unit/broker/live_rig.h"

enum { PRODUCER = 7, EPOCH = 3, PARTITIONS = 4, INDEXES_MAX = 200000 };

static struct uuid topic;
static uint32_t shard_count;

static void up(uint32_t shards)
{
    shard_count = shards;
    live_start(shards, NULL);
    topic = live_topic(live_client(0), "t", PARTITIONS);
}

TestSuite(write_txn_markers, .timeout = 120);

/* ---- the partitions from inside */

static struct partition *partition_at(int32_t index)
{
    for (uint32_t i = 0; i < shard_count; i++) {
        struct shard *shard = broker_shard(live.broker.broker, i);
        struct partition *partition = topic_table_find(shard->topics, &topic, index);
        if (partition != NULL)
            return partition;
    }
    cr_assert(0, "t-%d is nowhere", index);
    return NULL;
}

static int64_t log_end(int32_t index)
{
    return partition_offsets(partition_at(index)).log_end;
}

static bool is_open(int32_t index)
{
    const struct producer_entry *entry =
        producer_state_find(partition_producers(partition_at(index)), PRODUCER);

    return producer_state_open_of(entry).first_offset >= 0;
}

static void on_put(struct partition_append *append, enum err err)
{
    cr_assert(eq(int, err, OK));
}

/* Of a transaction that a coordinator had, or has. */
static void put(int32_t index, int32_t sequence)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct partition_append append = {.done = on_put, .rules.is_registered = true};
    struct batch_builder builder;

    options.transactional = true;
    options.producer_id = PRODUCER;
    options.producer_epoch = EPOCH;
    options.base_sequence = sequence;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int, batch_builder_add_pair(&builder, "k", 1, "v", 1, 1), OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &append.bytes, &append.size_bytes), OK));
    partition_append(partition_at(index), &append);
    batch_builder_deinit(&builder);
}

/* ---- asking */

static struct {
    int32_t count;
    int16_t codes[INDEXES_MAX];
} marked;

static void look_marked(struct live_ask *ask, const void *response)
{
    const struct write_txn_markers_response *answer = response;
    const struct write_txn_markers_response_writable_txn_marker_topic_result *first =
        &answer->markers.items[0].topics.items[0];

    marked.count = first->partitions.count;
    for (int32_t i = 0; i < marked.count; i++)
        marked.codes[i] = first->partitions.items[i].error_code;
}

struct asked {
    const char *topic; /* NULL: t */
    int16_t epoch;
    int32_t coordinator_epoch;
    bool commit;
    int8_t txn_version;
};

static void mark_start(struct live_ask *ask, const struct asked *asked, int32_t *indexes,
                       int32_t count)
{
    struct write_txn_markers_request_writable_txn_marker_topic of = {
        .name = wire_string(asked->topic == NULL ? "t" : asked->topic),
        .partition_indexes = {indexes, count}};
    struct write_txn_markers_request_writable_txn_marker marker = {
        .producer_id = PRODUCER,
        .producer_epoch = asked->epoch,
        .transaction_result = asked->commit,
        .topics = {&of, 1},
        .coordinator_epoch = asked->coordinator_epoch,
        .transaction_version = asked->txn_version};
    struct write_txn_markers_request request;

    codec_set_defaults(&write_txn_markers_request_desc, &request);
    request.markers.items = &marker;
    request.markers.count = 1;
    *ask = (struct live_ask){.look = look_marked};
    live_ask_start(ask, live_client(0), API_WRITE_TXN_MARKERS, 2, &request);
}

/* Of one partition. */
static int16_t mark(const struct asked *asked, int32_t index)
{
    struct live_ask ask;

    mark_start(&ask, asked, &index, 1);
    cr_assert(live_ask_wait(&ask, 10000));
    cr_assert(eq(int, ask.err, OK));
    cr_assert(eq(i32, marked.count, 1));
    return marked.codes[0];
}

/* ---- what hangs */

static void what_hangs_ends(uint32_t shards)
{
    up(shards);
    for (int32_t index = 0; index < PARTITIONS; index++) {
        put(index, 0);
        cr_expect(eq(i16, mark(&(struct asked){.epoch = EPOCH}, index), KAFKA_NONE));
        cr_expect(not(is_open(index)));
        cr_expect(eq(i64, log_end(index), 2));
    }
}

Test(write_txn_markers, what_hangs_ends)
{
    what_hangs_ends(1);
}

Test(write_txn_markers, what_hangs_on_another_shard_ends)
{
    what_hangs_ends(3);
}

static bool is_marked(void *context)
{
    return !is_open(*(int32_t *)context);
}

/* The coordinators were asked before the first of several markers; each takes a sync. */
static void what_grows_meanwhile_is_left(uint32_t shards)
{
    int32_t indexes[2] = {0, 1};
    struct live_ask ask;

    up(shards);
    put(0, 0);
    put(1, 0);
    sim_world_run_until_idle(live.world, SIM_SECOND);
    mark_start(&ask, &(struct asked){.epoch = EPOCH}, indexes, 2);
    cr_assert(sim_world_run_until(live.world, is_marked, &indexes[0], 10 * SIM_SECOND));
    cr_assert(is_open(1));
    put(1, 1); /* its producer has begun another transaction there, and a coordinator knows of it */
    cr_assert(live_ask_wait(&ask, 10000));
    cr_assert(eq(i16, marked.codes[0], KAFKA_NONE));
    cr_assert(eq(i16, marked.codes[1], KAFKA_INVALID_TXN_STATE));
    cr_assert(is_open(1), "a part of it would be aborted");
}

Test(write_txn_markers, what_grows_while_the_coordinators_are_asked_is_left)
{
    what_grows_meanwhile_is_left(1);
}

Test(write_txn_markers, what_grows_while_the_coordinators_are_asked_is_left_elsewhere)
{
    what_grows_meanwhile_is_left(3);
}

Test(write_txn_markers, what_begins_while_the_coordinators_are_asked_is_left)
{
    int32_t indexes[2] = {0, 1};
    struct live_ask ask;

    up(1);
    put(0, 0);
    sim_world_run_until_idle(live.world, SIM_SECOND);
    mark_start(&ask, &(struct asked){.epoch = EPOCH}, indexes, 2);
    cr_assert(sim_world_run_until(live.world, is_marked, &indexes[0], 10 * SIM_SECOND));
    put(1, 0);
    cr_assert(live_ask_wait(&ask, 10000));
    cr_assert(eq(i16, marked.codes[1], KAFKA_INVALID_TXN_STATE));
    cr_assert(is_open(1));
}

/* ---- epochs that nobody has */

Test(write_txn_markers, epochs_that_nobody_has_do_not_get_in)
{
    up(2);
    put(0, 0);
    cr_expect(eq(i16, mark(&(struct asked){.epoch = EPOCH, .coordinator_epoch = INT32_MAX}, 0),
                 KAFKA_INVALID_REQUEST));
    cr_expect(eq(i16, mark(&(struct asked){.epoch = EPOCH, .coordinator_epoch = 1}, 0),
                 KAFKA_INVALID_REQUEST));
    cr_expect(eq(i16, mark(&(struct asked){.epoch = INT16_MAX}, 0), KAFKA_INVALID_PRODUCER_EPOCH));
    cr_expect(eq(i16, mark(&(struct asked){.epoch = EPOCH + 1}, 0), KAFKA_INVALID_PRODUCER_EPOCH));
    cr_expect(eq(i16, mark(&(struct asked){.epoch = EPOCH - 1}, 0), KAFKA_INVALID_PRODUCER_EPOCH));
    cr_expect(is_open(0));
    cr_expect(eq(i64, log_end(0), 1));
    cr_expect(eq(i16, mark(&(struct asked){.epoch = EPOCH + 1, .txn_version = 2}, 0), KAFKA_NONE),
              "as the second version of transactions writes it");
    cr_expect(not(is_open(0)));
}

Test(write_txn_markers, where_nothing_is_open_nothing_is_written)
{
    up(2);
    cr_expect(eq(i16, mark(&(struct asked){.epoch = INT16_MAX, .coordinator_epoch = INT32_MAX}, 1),
                 KAFKA_NONE));
    cr_expect(eq(i64, log_end(1), 0));
    cr_expect_null(producer_state_find(partition_producers(partition_at(1)), PRODUCER));
    put(0, 0);
    for (int i = 0; i < 2; i++) {
        cr_expect(eq(i16, mark(&(struct asked){.epoch = EPOCH}, 0), KAFKA_NONE));
        cr_expect(eq(i64, log_end(0), 2));
    }
    cr_expect(eq(i16, mark(&(struct asked){.epoch = EPOCH - 1}, 0), KAFKA_INVALID_PRODUCER_EPOCH));
    cr_expect(eq(i16, mark(&(struct asked){.epoch = EPOCH, .coordinator_epoch = -1}, 0),
                 KAFKA_TRANSACTION_COORDINATOR_FENCED));
}

/* ---- topics of our own */

static void make_coordinators(void)
{
    struct wire_string key = wire_string("x");
    struct find_coordinator_request request;
    struct live_ask ask = {0};

    codec_set_defaults(&find_coordinator_request_desc, &request);
    request.coordinator_keys.items = &key;
    request.coordinator_keys.count = 1;
    for (int8_t type = 0; type < 2; type++) {
        request.key_type = type;
        live_ask(&ask, live_client(0), API_FIND_COORDINATOR, 4, &request);
    }
    sim_world_run_until_idle(live.world, SIM_SECOND);
}

static int16_t added[2];

static void look_added(struct live_ask *ask, const void *response)
{
    const struct add_partitions_to_txn_response *answer = response;
    const struct add_partitions_to_txn_response_add_partitions_to_txn_result *first =
        &answer->results_by_transaction.items[0];

    for (int32_t i = 0; i < 2; i++)
        added[i] = first->topic_results.items[i].results_by_partition.items[0].partition_error_code;
}

Test(write_txn_markers, nothing_of_a_transaction_gets_into_the_coordinators_own_topic)
{
    int32_t zero = 0;
    struct add_partitions_to_txn_request_add_partitions_to_txn_topic topics[2] = {
        {.name = wire_string("__transaction_state"), .partitions = {&zero, 1}},
        {.name = wire_string("__consumer_offsets"), .partitions = {&zero, 1}}};
    struct add_partitions_to_txn_request_add_partitions_to_txn_transaction transaction = {
        .transactional_id = wire_string("x"), .topics = {topics, 2}};
    struct add_partitions_to_txn_request request;
    struct live_ask ask = {.look = look_added};

    up(2);
    make_coordinators();
    cr_expect(eq(i16, mark(&(struct asked){.topic = "__transaction_state"}, 0),
                 KAFKA_TOPIC_AUTHORIZATION_FAILED));
    cr_expect(eq(i16, mark(&(struct asked){.topic = "__consumer_offsets"}, 0), KAFKA_NONE));
    codec_set_defaults(&add_partitions_to_txn_request_desc, &request);
    request.transactions.items = &transaction;
    request.transactions.count = 1;
    live_ask(&ask, live_client(0), API_ADD_PARTITIONS_TO_TXN, 5, &request);
    cr_expect(eq(i16, added[0], KAFKA_TOPIC_AUTHORIZATION_FAILED));
    cr_expect(eq(i16, added[1], KAFKA_OPERATION_NOT_ATTEMPTED));
}

/* ---- many, and a stop */

Test(write_txn_markers, many_partitions_are_many_turns)
{
    static int32_t indexes[INDEXES_MAX];
    uint64_t turns;
    struct live_ask ask;

    up(1);
    for (int32_t i = 0; i < INDEXES_MAX; i++)
        indexes[i] = 1000 + i;
    turns = broker_shard(live.broker.broker, 0)->loop.turn_count;
    mark_start(&ask, &(struct asked){.epoch = EPOCH}, indexes, INDEXES_MAX);
    cr_assert(live_ask_wait(&ask, 60000));
    cr_assert(eq(i32, marked.count, INDEXES_MAX));
    cr_assert(eq(i16, marked.codes[INDEXES_MAX - 1], KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    turns = broker_shard(live.broker.broker, 0)->loop.turn_count - turns;
    cr_assert(lt(u64, 2 * INDEXES_MAX / 256, turns));
}

static bool has_no_connections(void *context)
{
    return live_connections() == 0;
}

Test(write_txn_markers, a_stop_does_not_wait_for_a_disk_that_does_not_answer)
{
    int32_t indexes[2] = {0, 1};
    struct live_ask ask;

    up(1);
    put(0, 0);
    put(1, 0);
    sim_world_run_until_idle(live.world, SIM_SECOND);
    sim_disk_hold(&live.broker.node->disk, SIM_WRITE);
    sim_disk_hold(&live.broker.node->disk, SIM_SYNC);
    mark_start(&ask, &(struct asked){.epoch = EPOCH}, indexes, 2);
    cr_assert(not(live_ask_wait(&ask, 3000)));
    sim_broker_ask_stop(&live.broker);
    cr_assert(sim_world_run_until(live.world, has_no_connections, NULL, 120 * SIM_SECOND));
    sim_disk_unhold(&live.broker.node->disk, SIM_WRITE);
    sim_disk_unhold(&live.broker.node->disk, SIM_SYNC);
    cr_assert(sim_world_run_until(live.world, live_has_stopped, NULL, 60 * SIM_SECOND));
    cr_assert(live.broker.stopped);
}
