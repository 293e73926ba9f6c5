/* Lookups by time take memory in turn, go on where they were, and end in the request's time. */
#include "broker/partition.h"
#include "broker/topic_table.h"
#include "broker/validation.h"
#include "net/protocol/msg_list_offsets.h"
#include "tests/unit/broker/live_rig.h"

enum { BATCHES = 12, VALUE_BYTES = 600000, STEP_MS = 1000 };

static struct partition *partition;
static int64_t first_ms; /* batch i is of first_ms + i * STEP_MS */

static void setup(void)
{
    struct shard *shard;
    struct uuid id;

    live_start(1, NULL);
    id = live_topic(live_client(0), "t", 1);
    shard = broker_shard(live.broker.broker, 0);
    first_ms = clock_wall_ms(shard->clock) - BATCHES * STEP_MS;
    for (int32_t i = 0; i < BATCHES; i++)
        cr_assert(eq(
            i16, live_produce_zeroes(live_client(0), "t", 0, VALUE_BYTES, first_ms + i * STEP_MS),
            KAFKA_NONE));
    partition = topic_table_find(shard->topics, &id, 0);
    cr_assert(eq(i64, log_offsets(partition->log).high_watermark, BATCHES));
}

TestSuite(list_offsets, .init = setup, .timeout = 600);

static struct budget *reads(void)
{
    return memory_budget(&partition->shard->memory, MEMORY_COLD_READS);
}

/* All that readers may hold is held; how much that was. */
static uint64_t take_all(void)
{
    uint64_t room_bytes = budget_room_bytes(reads());

    cr_assert(budget_take(reads(), room_bytes));
    return room_bytes;
}

static void never(struct log_time_lookup *lookup, enum err err)
{
    cr_assert(false, "nothing is read from files here");
}

/* ---- in the log */

/* The headers all say that their batch may have it, so each is looked into. */
static void begin(struct log_time_lookup *lookup)
{
    *lookup = (struct log_time_lookup){.timestamp_ms = INT64_MAX - 1,
                                       .bound = BATCHES,
                                       .context = partition->shard->validation->context,
                                       .work_max_bytes = UINT64_MAX,
                                       .done = never};
}

Test(list_offsets, a_lookup_goes_on_where_it_was)
{
    struct log_time_lookup lookup = {.bound = BATCHES, .done = never};
    int64_t scanned = -1;
    uint64_t taken;
    enum err err;

    begin(&lookup);
    lookup.timestamp_ms = first_ms + (BATCHES - 1) * STEP_MS;
    err = log_lookup_time(partition->log, &lookup);
    if (err == ERR_FULL) { /* the index may know better */
        scanned = lookup.scan_offset;
        taken = take_all();
        cr_assert(eq(int, log_lookup_resume(partition->log, &lookup), ERR_NOMEM));
        cr_assert(eq(i64, lookup.scan_offset, scanned));
        budget_give(reads(), taken);
        err = log_lookup_resume(partition->log, &lookup);
    }
    cr_assert(eq(int, err, OK));
    cr_assert(eq(i64, lookup.found_offset, BATCHES - 1));
    log_lookup_release(&lookup);
}

Test(list_offsets, memory_that_is_missing_half_way_does_not_begin_it_anew)
{
    struct log_time_lookup lookup;
    uint64_t taken;

    begin(&lookup);
    lookup.timestamp_ms = first_ms + (BATCHES - 1) * STEP_MS;
    taken = take_all();
    cr_assert(eq(int, log_lookup_time(partition->log, &lookup), ERR_NOMEM));
    lookup.scan_offset = BATCHES / 2; /* so far it had come */
    cr_assert(eq(int, log_lookup_resume(partition->log, &lookup), ERR_NOMEM));
    cr_assert(eq(i64, lookup.scan_offset, BATCHES / 2));
    cr_assert(lt(u64, 0, lookup.read.need_bytes));
    budget_give(reads(), taken);
    cr_assert(eq(int, log_lookup_resume(partition->log, &lookup), OK));
    cr_assert(eq(i64, lookup.found_offset, BATCHES - 1));
    log_lookup_release(&lookup);
}

/* ---- over the wire */

struct listed {
    struct live_ask ask;
    int16_t error_code;
    int64_t offset;
};

static void look_listed(struct live_ask *ask, const void *response)
{
    struct listed *listed = container_of(ask, struct listed, ask);
    const struct list_offsets_response *answer = response;

    listed->error_code = answer->topics.items[0].partitions.items[0].error_code;
    listed->offset = answer->topics.items[0].partitions.items[0].offset;
}

static void start(struct listed *listed, uint32_t client, int16_t version, int32_t timeout_ms)
{
    struct list_offsets_request_list_offsets_partition part;
    struct list_offsets_request_list_offsets_topic topic = {.name = wire_string("t"),
                                                            .partitions = {&part, 1}};
    struct list_offsets_request request;

    codec_set_defaults(&list_offsets_request_desc, &request);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_partition_struct, &part);
    part.timestamp = first_ms + 5 * STEP_MS;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = timeout_ms;
    *listed = (struct listed){.ask = {.look = look_listed}};
    live_ask_start(&listed->ask, live_client(client), API_LIST_OFFSETS, version, &request);
}

Test(list_offsets, who_waits_for_memory_is_answered_when_there_is_some)
{
    struct listed first;
    struct listed second;
    uint64_t taken = take_all();

    start(&first, 0, 10, 20000);
    start(&second, 1, 10, 20000);
    cr_assert(not(live_ask_wait(&second.ask, 1000)));
    cr_assert(not(first.ask.is_done));
    budget_give(reads(), taken);
    cr_assert(live_ask_wait(&first.ask, 1000));
    cr_assert(live_ask_wait(&second.ask, 1000));
    cr_assert(eq(i16, first.error_code, KAFKA_NONE));
    cr_assert(eq(i64, first.offset, 5));
    cr_assert(eq(i64, second.offset, 5));
}

Test(list_offsets, it_ends_in_the_time_that_the_request_gives)
{
    struct listed listed;
    uint64_t taken = take_all();

    start(&listed, 0, 10, 1500);
    cr_assert(not(live_ask_wait(&listed.ask, 1400)));
    cr_assert(live_ask_wait(&listed.ask, 300));
    cr_assert(eq(i16, listed.error_code, KAFKA_REQUEST_TIMED_OUT));
    budget_give(reads(), taken);
    start(&listed, 0, 10, 1500); /* and nothing of it is left */
    cr_assert(live_ask_wait(&listed.ask, 1000));
    cr_assert(eq(i64, listed.offset, 5));
}

Test(list_offsets, or_of_the_configuration_where_it_says_nothing)
{
    struct listed listed;
    uint64_t taken = take_all();

    start(&listed, 0, 6, 0);
    cr_assert(not(live_ask_wait(&listed.ask, 29000)));
    cr_assert(live_ask_wait(&listed.ask, 2000));
    cr_assert(eq(i16, listed.error_code, KAFKA_REQUEST_TIMED_OUT));
    budget_give(reads(), taken);
}
