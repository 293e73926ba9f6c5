/* Fetch and what wakes it, end to end: a broker in a simulated world and clients that speak to it.
 */
#include "base/prng.h"
#include "net/protocol/msg_delete_records.h"
#include "net/protocol/msg_fetch.h"
#include "net/protocol/msg_list_offsets.h"
#include "tests/unit/broker/live_rig.h"

TestSuite(fetch, .timeout = 600);

enum { VALUE_BYTES = 1000, WAIT_MS = 300000 };

/* One batch of one record to a partition of "t". */
static void produce(struct live_client *client, int32_t partition, int32_t value_bytes)
{
    cr_assert(eq(i16, live_produce_zeroes(client, "t", partition, value_bytes, 1000), KAFKA_NONE));
}

/* ---- asking for records */

static struct {
    int16_t error_code; /* of the whole */
    int32_t session_id;
    uint32_t parts;
    uint32_t bytes;
    int16_t part_error; /* of the last part */
} got;

static void look_fetched(struct live_ask *ask, const void *response)
{
    const struct fetch_response *answer = response;

    memset(&got, 0, sizeof(got));
    got.error_code = answer->error_code;
    got.session_id = answer->session_id;
    for (int32_t t = 0; t < answer->responses.count; t++)
        for (int32_t p = 0; p < answer->responses.items[t].partitions.count; p++) {
            got.parts++;
            got.bytes += answer->responses.items[t].partitions.items[p].records.size_bytes;
            got.part_error = answer->responses.items[t].partitions.items[p].error_code;
        }
}

struct fetch_of {
    int32_t partitions;
    int32_t times; /* each is named */
    int64_t offset;
    int32_t min_bytes;
    int32_t max_wait_ms;
    int32_t session_epoch;
};

static void start_fetch(struct live_ask *ask, struct live_client *client, const struct fetch_of *of)
{
    int32_t count = of->partitions * of->times;
    struct fetch_request_fetch_partition *parts = mem_alloc((size_t)count * sizeof(*parts));
    struct fetch_request_fetch_topic topic;
    struct fetch_request request;

    codec_set_defaults(&fetch_request_desc, &request);
    codec_set_struct_defaults(&fetch_request_fetch_topic_struct, &topic);
    for (int32_t i = 0; i < count; i++) {
        codec_set_struct_defaults(&fetch_request_fetch_partition_struct, &parts[i]);
        parts[i].partition = i % of->partitions;
        parts[i].fetch_offset = of->offset;
        parts[i].partition_max_bytes = 1 << 20;
    }
    topic.topic = wire_string("t");
    topic.partitions.items = parts;
    topic.partitions.count = count;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.max_wait_ms = of->max_wait_ms;
    request.min_bytes = of->min_bytes;
    request.max_bytes = 50 << 20;
    request.session_epoch = of->session_epoch;
    ask->look = look_fetched;
    live_ask_start(ask, client, API_FETCH, 12, &request);
    mem_free(parts);
}

static struct budget *reads(void)
{
    return memory_budget(&broker_shard(live.broker.broker, 0)->memory, MEMORY_COLD_READS);
}

/* ---- what wakes a parked one */

static void parks_until_enough(uint32_t shards_count)
{
    struct live_ask ask = {0};

    live_start(shards_count, NULL);
    (void)live_topic(live_client(0), "t", 4);
    start_fetch(&ask, live_client(1),
                &(struct fetch_of){.partitions = 4,
                                   .times = 1,
                                   .min_bytes = 6 * VALUE_BYTES,
                                   .max_wait_ms = WAIT_MS,
                                   .session_epoch = -1});
    for (int32_t i = 0; i < 5; i++) {
        produce(live_client(0), i % 4, VALUE_BYTES);
        cr_assert(not(live_ask_wait(&ask, 500)));
    }
    produce(live_client(0), 1, VALUE_BYTES);
    cr_assert(live_ask_wait(&ask, 1000));
    cr_assert(ge(u32, got.bytes, 6 * VALUE_BYTES));
    cr_assert(eq(u64, budget_used_bytes(reads()), 0));
}

Test(fetch, a_parked_one_is_answered_as_soon_as_enough_has_come)
{
    parks_until_enough(1);
}

Test(fetch, a_parked_one_over_shards_is_answered_as_soon_as_enough_has_come)
{
    parks_until_enough(3);
}

/* One that is read to its end has nothing to give: it is not full. */
Test(fetch, a_partition_at_its_end_does_not_count_towards_the_minimum)
{
    struct live_ask ask = {0};

    live_start(1, NULL);
    (void)live_topic(live_client(0), "t", 2);
    for (int32_t i = 0; i < 2; i++)
        produce(live_client(0), i, VALUE_BYTES);
    produce(live_client(0), 0, VALUE_BYTES);
    start_fetch(&ask, live_client(1),
                &(struct fetch_of){.partitions = 2,
                                   .times = 1,
                                   .offset = 1,
                                   .min_bytes = 2 * VALUE_BYTES,
                                   .max_wait_ms = WAIT_MS,
                                   .session_epoch = -1});
    cr_assert(not(live_ask_wait(&ask, 2000)));
    produce(live_client(0), 1, VALUE_BYTES);
    cr_assert(live_ask_wait(&ask, 1000));
    cr_assert(ge(u32, got.bytes, 2 * VALUE_BYTES));
}

Test(fetch, a_parked_one_holds_no_memory)
{
    struct live_ask ask = {0};

    live_start(1, NULL);
    (void)live_topic(live_client(0), "t", 1);
    produce(live_client(0), 0, VALUE_BYTES);
    start_fetch(&ask, live_client(1),
                &(struct fetch_of){.partitions = 1,
                                   .times = 1,
                                   .min_bytes = 10 * VALUE_BYTES,
                                   .max_wait_ms = 3000,
                                   .session_epoch = -1});
    cr_assert(not(live_ask_wait(&ask, 2000)));
    cr_assert(eq(u64, budget_used_bytes(reads()), 0));
    cr_assert(live_ask_wait(&ask, 2000)); /* with what there is, at its deadline */
    cr_assert(lt(u32, VALUE_BYTES, got.bytes));
}

static void delete_records(struct live_client *client, int64_t offset)
{
    struct delete_records_request_delete_records_partition partition = {.offset = offset};
    struct delete_records_request_delete_records_topic topic = {.name = wire_string("t"),
                                                                .partitions = {&partition, 1}};
    struct delete_records_request request;
    struct live_ask ask = {0};

    codec_set_defaults(&delete_records_request_desc, &request);
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = 60000;
    live_ask(&ask, client, API_DELETE_RECORDS, 2, &request);
}

Test(fetch, delete_records_wakes_who_waits_below_the_new_start)
{
    struct live_ask ask = {0};

    live_start(1, NULL);
    (void)live_topic(live_client(0), "t", 1);
    for (uint32_t i = 0; i < 3; i++)
        produce(live_client(0), 0, VALUE_BYTES);
    start_fetch(&ask, live_client(1),
                &(struct fetch_of){.partitions = 1,
                                   .times = 1,
                                   .offset = 1,
                                   .min_bytes = 100 * VALUE_BYTES,
                                   .max_wait_ms = WAIT_MS,
                                   .session_epoch = -1});
    cr_assert(not(live_ask_wait(&ask, 500)));
    delete_records(live_client(0), 1); /* not below: it waits on */
    cr_assert(not(live_ask_wait(&ask, 500)));
    delete_records(live_client(0), 2);
    cr_assert(live_ask_wait(&ask, 500));
    cr_assert(eq(i16, got.part_error, KAFKA_OFFSET_OUT_OF_RANGE));
}

Test(fetch, retention_wakes_who_waits_below_the_new_start)
{
    struct live_ask ask = {0};

    live_start(1, (const char *const[]){"log.retention.check.interval.ms=5000", NULL});
    (void)live_topic(live_client(0), "t", 1);
    for (uint32_t i = 0; i < 3; i++)
        produce(live_client(0), 0, VALUE_BYTES); /* of 1970 */
    start_fetch(&ask, live_client(1),
                &(struct fetch_of){.partitions = 1,
                                   .times = 1,
                                   .offset = 1,
                                   .min_bytes = 100 * VALUE_BYTES,
                                   .max_wait_ms = WAIT_MS,
                                   .session_epoch = -1});
    cr_assert(not(live_ask_wait(&ask, 500)));
    cr_assert(live_ask_wait(&ask, 30000));
    cr_assert(eq(i16, got.part_error, KAFKA_OFFSET_OUT_OF_RANGE));
}

/* ---- requests of odd shapes */

Test(fetch, a_partition_that_is_named_many_times_is_answered_once)
{
    for (int32_t epoch = -1; epoch <= 0; epoch++) {
        struct live_ask ask = {0};
        if (epoch < 0) {
            live_start(1, NULL);
            (void)live_topic(live_client(0), "t", 2);
            produce(live_client(0), 0, VALUE_BYTES);
        }
        start_fetch(&ask, live_client(1),
                    &(struct fetch_of){.partitions = 2, .times = 5000, .session_epoch = epoch});
        cr_assert(live_ask_wait(&ask, 1000));
        cr_assert(eq(i16, got.error_code, KAFKA_NONE));
        cr_assert(eq(u32, got.parts, 2));
        cr_assert(lt(u32, got.bytes, 2 * VALUE_BYTES));
        cr_assert(eq(int, got.session_id != 0, epoch == 0));
    }
}

enum { NAMES = 12000 };

Test(fetch, thousands_of_unknown_names_are_answered_one_by_one)
{
    static char names[NAMES][8];
    struct fetch_request_fetch_partition partition;
    struct fetch_request_fetch_topic *topics = mem_alloc(NAMES * sizeof(*topics));
    struct fetch_request request;
    struct live_ask ask = {.look = look_fetched};

    live_start(1, NULL);
    codec_set_defaults(&fetch_request_desc, &request);
    codec_set_struct_defaults(&fetch_request_fetch_partition_struct, &partition);
    for (uint32_t i = 0; i < NAMES; i++) {
        snprintf(names[i], sizeof(names[i]), "x%u", i);
        topics[i] = (struct fetch_request_fetch_topic){.topic = wire_string(names[i]),
                                                       .partitions = {&partition, 1}};
    }
    request.topics.items = topics;
    request.topics.count = NAMES;
    live_ask(&ask, live_client(0), API_FETCH, 12, &request);
    cr_assert(eq(u32, got.parts, NAMES));
    cr_assert(eq(i16, got.part_error, KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    cr_assert(eq(i32, got.session_id, 0)); /* none for what does not exist */
    mem_free(topics);
}

Test(fetch, without_slots_there_are_no_sessions)
{
    static const char *const sets[] = {"max.incremental.fetch.session.cache.slots=0", NULL};
    struct live_ask ask = {0};

    live_start(1, sets);
    (void)live_topic(live_client(0), "t", 2);
    start_fetch(&ask, live_client(0), &(struct fetch_of){.partitions = 2, .times = 1});
    cr_assert(live_ask_wait(&ask, 1000));
    cr_assert(eq(i16, got.error_code, KAFKA_NONE));
    cr_assert(eq(i32, got.session_id, 0));
}

/* ---- memory */

Test(fetch, without_memory_it_waits_in_line_and_is_answered_when_there_is_some)
{
    struct live_ask asks[3] = {0};
    uint64_t taken;

    live_start(1, NULL);
    (void)live_topic(live_client(0), "t", 1);
    produce(live_client(0), 0, VALUE_BYTES);
    taken = budget_room_bytes(reads());
    budget_force(reads(), taken);
    for (uint32_t i = 0; i < 3; i++) {
        start_fetch(&asks[i], live_client(1 + i),
                    &(struct fetch_of){.partitions = 1,
                                       .times = 1,
                                       .min_bytes = 1,
                                       .max_wait_ms = 500,
                                       .session_epoch = -1});
        cr_assert(not(live_ask_wait(&asks[i], 1000))); /* longer than it would wait for records */
    }
    produce(live_client(0), 0, VALUE_BYTES); /* nobody else is stopped */
    budget_give(reads(), taken);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert(live_ask_wait(&asks[i], 1000));
        cr_assert(lt(u32, VALUE_BYTES, got.bytes));
    }
}

/* A fetch of so many partitions with a record each, while others hold all that may be read into.
 * What they hold. */
static uint64_t start_without_room(struct live_ask *ask, int32_t partitions)
{
    uint64_t taken;

    live_start(1, NULL);
    (void)live_topic(live_client(0), "t", partitions);
    for (int32_t i = 0; i < partitions; i++)
        produce(live_client(0), i, VALUE_BYTES);
    taken = budget_room_bytes(reads());
    budget_force(reads(), taken);
    start_fetch(ask, live_client(1),
                &(struct fetch_of){.partitions = partitions,
                                   .times = 1,
                                   .min_bytes = 1,
                                   .max_wait_ms = 500,
                                   .session_epoch = -1});
    return taken;
}

Test(fetch, when_memory_does_not_come_it_is_answered_with_nothing)
{
    struct live_ask ask = {0};
    uint64_t taken = start_without_room(&ask, 1);

    cr_assert(live_ask_wait(&ask, 20000));
    cr_assert(eq(i16, got.error_code, KAFKA_NONE));
    cr_assert(eq(i16, got.part_error, KAFKA_NONE));
    cr_assert(eq(u32, got.bytes, 0));
    budget_give(reads(), taken);
}

Test(fetch, when_memory_does_not_come_it_is_waited_for_once_and_not_for_each_partition)
{
    struct live_ask ask = {0};
    uint64_t taken = start_without_room(&ask, 8);

    cr_assert(live_ask_wait(&ask, 8000));
    cr_assert(eq(u32, got.parts, 8));
    cr_assert(eq(u32, got.bytes, 0));
    budget_give(reads(), taken);
}

static bool nobody_waits_for_memory(void *context)
{
    return list_is_empty(&reads()->waiters);
}

/* There is room in the budget, and the process has no memory all the same. */
Test(fetch, when_there_is_room_and_no_memory_it_does_not_try_for_ever)
{
    struct live_ask ask = {0};
    uint64_t taken = start_without_room(&ask, 1);
    bool ended;

    cr_assert(not(live_ask_wait(&ask, 1000)));
    mem_end_after(1);
    budget_give(reads(), taken);
    ended = sim_world_run_until(live.world, nobody_waits_for_memory, NULL, 7 * SIM_SECOND);
    mem_end_after(0);
    cr_assert(ended);
    cr_assert(live_ask_wait(&ask, 1000));
    cr_assert(eq(i16, got.part_error, KAFKA_NONE));
    cr_assert(eq(u32, got.bytes, 0));
}

Test(fetch, with_little_memory_the_answer_is_smaller)
{
    struct live_ask ask = {0};
    uint64_t taken;

    live_start(1, NULL);
    (void)live_topic(live_client(0), "t", 4);
    for (int32_t i = 0; i < 40; i++)
        produce(live_client(0), i % 4, 50000);
    taken = budget_room_bytes(reads()) - 1000000;
    budget_force(reads(), taken);
    start_fetch(&ask, live_client(1),
                &(struct fetch_of){.partitions = 4,
                                   .times = 1,
                                   .min_bytes = 1500000,
                                   .max_wait_ms = WAIT_MS,
                                   .session_epoch = -1});
    cr_assert(live_ask_wait(&ask, 1000)); /* though it wants more */
    cr_assert(lt(u32, 50000, got.bytes));
    cr_assert(le(u32, got.bytes, 250000)); /* a quarter of what is left */
    budget_give(reads(), taken);
}

/* ---- ListOffsets */

static void look_listed(struct live_ask *ask, const void *response)
{
    const struct list_offsets_response *answer = response;
    const struct list_offsets_response_list_offsets_topic_response *topic = answer->topics.items;

    cr_assert(eq(i32, topic->partitions.count, 4));
    for (int32_t i = 0; i < 4; i++)
        cr_assert(eq(i16, topic->partitions.items[i].error_code,
                     i == 1 ? KAFKA_NONE : KAFKA_INVALID_REQUEST));
    cr_assert(eq(i64, topic->partitions.items[1].offset, 1));
}

/* KafkaApis.handleListOffsetRequest */
Test(fetch, list_offsets_refuses_what_is_named_twice_and_answers_the_rest)
{
    struct list_offsets_request_list_offsets_partition parts[4];
    struct list_offsets_request_list_offsets_topic topic = {.name = wire_string("t"),
                                                            .partitions = {parts, 4}};
    struct list_offsets_request request;
    struct live_ask ask = {.look = look_listed};

    live_start(2, NULL);
    (void)live_topic(live_client(0), "t", 2);
    produce(live_client(0), 1, VALUE_BYTES);
    codec_set_defaults(&list_offsets_request_desc, &request);
    for (int32_t i = 0; i < 4; i++) {
        codec_set_struct_defaults(&list_offsets_request_list_offsets_partition_struct, &parts[i]);
        parts[i].partition_index = i == 1;
        parts[i].timestamp = -1;
    }
    request.topics.items = &topic;
    request.topics.count = 1;
    live_ask(&ask, live_client(0), API_LIST_OFFSETS, 6, &request);
}
