/* What asks for a time is answered within it, however slow or full the disk is. */
#include "broker/topic_table.h"
#include "net/protocol/msg_create_partitions.h"
#include "net/protocol/msg_delete_records.h"
#include "net/protocol/msg_offset_commit.h"
#include "storage/log/log.h"
#include "tests/unit/broker/live_rig.h"

TestSuite(timeouts, .timeout = 600);

enum { TIMEOUT_MS = 1500, LATE_MS = 50 };

static void hold_disk(void)
{
    sim_disk_hold(&live.broker.node->disk, SIM_WRITE);
    sim_disk_hold(&live.broker.node->disk, SIM_SYNC);
}

static void release_disk(void)
{
    sim_disk_unhold(&live.broker.node->disk, SIM_WRITE);
    sim_disk_unhold(&live.broker.node->disk, SIM_SYNC);
}

/* Not before its time, nor much later. */
static void wait_in_time(struct live_ask *ask)
{
    cr_assert(live_ask_wait(ask, 60000), "no answer");
    cr_assert(eq(int, ask->err, OK));
    cr_assert(ge(u64, (ask->answered_ns - ask->asked_ns) / SIM_MS, TIMEOUT_MS));
    cr_assert(le(u64, (ask->answered_ns - ask->asked_ns) / SIM_MS, TIMEOUT_MS + LATE_MS));
}

static void start_create(struct live_ask *ask, uint32_t client, const char *name, int16_t *code)
{
    *ask = (struct live_ask){.look = live_look_create_code, .context = code};
    live_create_start(ask, live_client(client), name, 1, TIMEOUT_MS);
}

static void topics_are_created_in_time(uint32_t shards_count)
{
    struct live_ask asks[2];
    int16_t codes[2] = {-1, -1};

    live_start(shards_count, NULL);
    (void)live_client(0);
    (void)live_client(1);
    hold_disk();
    start_create(&asks[0], 0, "a", &codes[0]); /* is written */
    start_create(&asks[1], 1, "b", &codes[1]); /* waits for its turn */
    for (int i = 0; i < 2; i++) {
        wait_in_time(&asks[i]);
        cr_assert(eq(i16, codes[i], KAFKA_REQUEST_TIMED_OUT));
    }
    release_disk();
    sim_world_run_for(live.world, 5 * SIM_SECOND);
    start_create(&asks[0], 0, "a", &codes[0]);
    cr_assert(live_ask_wait(&asks[0], 60000));
    cr_assert(eq(i16, codes[0], KAFKA_TOPIC_ALREADY_EXISTS)); /* it took effect */
    start_create(&asks[1], 1, "b", &codes[1]);
    cr_assert(live_ask_wait(&asks[1], 60000));
    cr_assert(eq(i16, codes[1], KAFKA_NONE)); /* it did not */
}

Test(timeouts, create_topics)
{
    topics_are_created_in_time(1);
}

Test(timeouts, create_topics_of_several_shards)
{
    topics_are_created_in_time(3);
}

Test(timeouts, delete_topics)
{
    int16_t code = -1;
    struct live_ask ask = {.context = &code};

    live_start(1, NULL);
    (void)live_topic(live_client(0), "t", 1);
    hold_disk();
    live_delete_start(&ask, live_client(0), "t", TIMEOUT_MS);
    wait_in_time(&ask);
    cr_assert(eq(i16, code, KAFKA_REQUEST_TIMED_OUT));
    release_disk();
}

static void look_grown(struct live_ask *ask, const void *response)
{
    const struct create_partitions_response *answer = response;

    *(int16_t *)ask->context = answer->results.items[0].error_code;
}

Test(timeouts, create_partitions)
{
    struct create_partitions_request_create_partitions_topic topic;
    struct create_partitions_request request;
    int16_t code = -1;
    struct live_ask ask = {.look = look_grown, .context = &code};

    live_start(1, NULL);
    (void)live_topic(live_client(0), "t", 1);
    hold_disk();
    codec_set_defaults(&create_partitions_request_desc, &request);
    codec_set_struct_defaults(&create_partitions_request_create_partitions_topic_struct, &topic);
    topic.name = wire_string("t");
    topic.count = 2;
    topic.assignments.count = -1; /* the broker chooses */
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = TIMEOUT_MS;
    live_ask_start(&ask, live_client(0), API_CREATE_PARTITIONS, 3, &request);
    wait_in_time(&ask);
    cr_assert(eq(i16, code, KAFKA_REQUEST_TIMED_OUT));
    release_disk();
}

/* ---- records */

struct trimmed {
    int16_t error_code;
    int64_t low_watermark;
};

static void look_trimmed(struct live_ask *ask, const void *response)
{
    const struct delete_records_response *answer = response;
    struct trimmed *trimmed = ask->context;

    trimmed->error_code = answer->topics.items[0].partitions.items[0].error_code;
    trimmed->low_watermark = answer->topics.items[0].partitions.items[0].low_watermark;
}

static void start_trim(struct live_ask *ask, int64_t offset, struct trimmed *trimmed)
{
    struct delete_records_request_delete_records_partition partition = {.offset = offset};
    struct delete_records_request_delete_records_topic topic = {.name = wire_string("t"),
                                                                .partitions = {&partition, 1}};
    struct delete_records_request request;

    codec_set_defaults(&delete_records_request_desc, &request);
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = TIMEOUT_MS;
    *ask = (struct live_ask){.look = look_trimmed, .context = trimmed};
    live_ask_start(ask, live_client(0), API_DELETE_RECORDS, 2, &request);
}

static int64_t log_start(const struct uuid *id)
{
    struct shard *shard = shard_of_partition(broker_shard(live.broker.broker, 0)->shards, id, 0);

    return log_offsets(topic_table_find(shard->topics, id, 0)->log).log_start;
}

static void records_are_deleted_in_time(uint32_t shards_count)
{
    struct live_ask ask;
    struct trimmed trimmed;
    struct uuid id;

    live_start(shards_count, NULL);
    id = live_topic(live_client(0), "t", 1);
    for (int i = 0; i < 4; i++)
        cr_assert(eq(i16, live_produce_zeroes(live_client(0), "t", 0, 100, 1000), KAFKA_NONE));
    hold_disk();
    start_trim(&ask, 2, &trimmed);
    wait_in_time(&ask);
    cr_assert(eq(i16, trimmed.error_code, KAFKA_REQUEST_TIMED_OUT));
    cr_assert(eq(i64, trimmed.low_watermark, -1));
    cr_assert(eq(i64, log_start(&id), 0));
    release_disk();
    sim_world_run_for(live.world, SIM_SECOND);
    cr_assert(eq(i64, log_start(&id), 2)); /* it was asked for */
    start_trim(&ask, 3, &trimmed);
    cr_assert(live_ask_wait(&ask, 1000));
    cr_assert(eq(i16, trimmed.error_code, KAFKA_NONE));
    cr_assert(eq(i64, trimmed.low_watermark, 3));
    cr_assert(lt(u64, live_stop_ms(), 5000));
}

Test(timeouts, delete_records)
{
    records_are_deleted_in_time(1);
}

Test(timeouts, delete_records_of_several_shards)
{
    records_are_deleted_in_time(3);
}

static void look_repeated(struct live_ask *ask, const void *response)
{
    const struct delete_records_response *answer = response;

    cr_assert(eq(i32, answer->topics.items[0].partitions.count, 3));
    for (int32_t i = 0; i < 3; i++) {
        cr_assert(eq(i16, answer->topics.items[0].partitions.items[i].error_code, KAFKA_NONE));
        cr_assert(eq(i64, answer->topics.items[0].partitions.items[i].low_watermark, 2));
    }
    *(bool *)ask->context = true;
}

/* What is said last counts, and costs as much as if it were all. */
Test(timeouts, a_partition_is_trimmed_once_however_often_it_is_named)
{
    struct delete_records_request_delete_records_partition partitions[3] = {
        {.offset = 3}, {.offset = 1}, {.offset = 2}};
    struct delete_records_request_delete_records_topic topic = {.name = wire_string("t"),
                                                                .partitions = {partitions, 3}};
    struct delete_records_request request;
    bool looked = false;
    struct live_ask ask = {.look = look_repeated, .context = &looked};
    struct uuid id;

    live_start(1, NULL);
    id = live_topic(live_client(0), "t", 1);
    for (int i = 0; i < 4; i++)
        cr_assert(eq(i16, live_produce_zeroes(live_client(0), "t", 0, 100, 1000), KAFKA_NONE));
    codec_set_defaults(&delete_records_request_desc, &request);
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = TIMEOUT_MS;
    live_ask(&ask, live_client(0), API_DELETE_RECORDS, 2, &request);
    cr_assert(looked);
    cr_assert(eq(i64, log_start(&id), 2));
    live_stop_ms();
}

/* The journal has no room for the new start: it is asked again until it has, within the time. */
Test(timeouts, delete_records_waits_for_room)
{
    enum { RECORDS = 100 };
    struct budget *journal;
    struct trimmed trimmed;
    struct live_ask ask;
    struct uuid id;
    uint64_t taken;
    int64_t offset = 0;

    live_start(1, NULL);
    id = live_topic(live_client(0), "t", 1);
    for (int i = 0; i < RECORDS; i++)
        cr_assert(eq(i16, live_produce_zeroes(live_client(0), "t", 0, 100, 1000), KAFKA_NONE));
    journal = memory_budget(&broker_shard(live.broker.broker, 0)->memory, MEMORY_JOURNAL);
    taken = budget_room_bytes(journal);
    budget_force(journal, taken);
    do /* until the buffer that it has is used up */
        start_trim(&ask, ++offset, &trimmed);
    while (live_ask_wait(&ask, 300) && offset < RECORDS);
    cr_assert(lt(i64, offset, RECORDS));
    cr_assert(eq(i64, log_start(&id), offset - 1));
    budget_give(journal, taken);
    cr_assert(live_ask_wait(&ask, 300));
    cr_assert(eq(i16, trimmed.error_code, KAFKA_NONE));
    cr_assert(eq(i64, trimmed.low_watermark, offset));
    cr_assert(eq(i64, log_start(&id), offset));
}

/* ---- offsets */

static void look_committed(struct live_ask *ask, const void *response)
{
    const struct offset_commit_response *answer = response;

    *(int16_t *)ask->context = answer->topics.items[0].partitions.items[0].error_code;
}

static void start_commit(struct live_ask *ask, int16_t *code)
{
    struct offset_commit_request_partition partition;
    struct offset_commit_request_topic topic;
    struct offset_commit_request request;

    codec_set_defaults(&offset_commit_request_desc, &request);
    codec_set_struct_defaults(&offset_commit_request_topic_struct, &topic);
    codec_set_struct_defaults(&offset_commit_request_partition_struct, &partition);
    partition.committed_offset = 5;
    topic.name = wire_string("t");
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    request.group_id = wire_string("g");
    request.topics.items = &topic;
    request.topics.count = 1;
    *ask = (struct live_ask){.look = look_committed, .context = code};
    live_ask_start(ask, live_client(0), API_OFFSET_COMMIT, 7, &request);
}

/* Kafka: REQUEST_TIMED_OUT of the log is COORDINATOR_NOT_AVAILABLE for the client. */
Test(timeouts, offset_commit)
{
    int16_t code = -1;
    struct live_ask ask;

    live_start(1, (const char *const[]){"offsets.commit.timeout.ms=1500",
                                        "offsets.topic.num.partitions=1", NULL});
    (void)live_topic(live_client(0), "t", 1);
    (void)live_topic(live_client(0), "__consumer_offsets", 1);
    start_commit(&ask, &code);
    cr_assert(live_ask_wait(&ask, 1000));
    cr_assert(eq(i16, code, KAFKA_NONE));
    hold_disk();
    start_commit(&ask, &code);
    wait_in_time(&ask);
    cr_assert(eq(i16, code, KAFKA_COORDINATOR_NOT_AVAILABLE));
    release_disk();
}
