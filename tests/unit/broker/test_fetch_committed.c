/* What readers of committed data see, are told to leave out, and are woken by: Fetch, ListOffsets
 * and DescribeProducers of a partition with transactions. */
#include "broker/partition_marker.h"
#include "broker/topic_table.h"
#include "net/protocol/msg_delete_records.h"
#include "net/protocol/msg_describe_producers.h"
#include "net/protocol/msg_fetch.h"
#include "net/protocol/msg_list_offsets.h"
#include "tests/sim/sim_disk.h"
#include "tests/unit/broker/live_rig.h"

TestSuite(fetch_committed, .timeout = 600);

enum { WAIT_MS = 300000, LIST_MAX = 4096, PARTS_MAX = 1024 };

static struct uuid topic;

static void up(uint32_t shards_count, int32_t partitions)
{
    live_start(shards_count, NULL);
    topic = live_topic(live_client(0), "t", partitions);
}

static struct partition *partition_at(int32_t index)
{
    struct shard *shard =
        shard_of_partition(broker_shard(live.broker.broker, 0)->shards, &topic, index);

    return topic_table_find(shard->topics, &topic, index);
}

static struct partition *partition(void)
{
    return partition_at(0);
}

static bool is_published(void *context)
{
    struct log_offsets offsets = partition_offsets(context);

    return offsets.high_watermark == offsets.log_end;
}

static void publish(struct partition *to)
{
    cr_assert(sim_world_run_until(live.world, is_published, to, 60 * SIM_SECOND));
}

/* ---- writing */

static void on_data(struct partition_append *append, enum err err)
{
    cr_assert(eq(int, err, OK));
}

/* A batch of so many records of a producer's transaction, or of none: -1. */
static void put_at(struct partition *to, int64_t producer_id, int32_t sequence, int32_t records,
                   int32_t value_bytes)
{
    static uint8_t value[1 << 20];
    struct batch_builder_options options = batch_builder_options_default();
    struct partition_append append = {.done = on_data, .rules.is_registered = true};
    struct batch_builder builder;

    if (producer_id >= 0) {
        options.transactional = true;
        options.producer_id = producer_id;
        options.producer_epoch = 0;
        options.base_sequence = sequence;
    }
    batch_builder_init(&builder, &options);
    append.max_timestamp_ms = clock_wall_ms(to->shard->clock);
    for (int32_t i = 0; i < records; i++)
        cr_assert(eq(
            int,
            batch_builder_add_pair(&builder, NULL, -1, value, value_bytes, append.max_timestamp_ms),
            OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &append.bytes, &append.size_bytes), OK));
    partition_append(to, &append);
    batch_builder_deinit(&builder);
    publish(to);
}

static void put(int64_t producer_id, int32_t sequence)
{
    put_at(partition(), producer_id, sequence, 1, 10);
}

static void on_marked(struct partition_marker *marker, enum err err)
{
    cr_assert(eq(int, err, OK));
}

static void end_at(struct partition *to, int64_t producer_id, bool commit)
{
    static struct partition_marker marker;

    marker = (struct partition_marker){.producer_id = producer_id,
                                       .commit = commit,
                                       .coordinator_epoch = 5,
                                       .appended = on_marked};
    partition_append_marker(to, &marker);
    publish(to);
}

static void end(int64_t producer_id, bool commit)
{
    end_at(partition(), producer_id, commit);
}

/* ---- reading */

static struct got {
    int16_t error_code;
    uint32_t parts;
    uint32_t with_list;
    uint32_t with_records;
    uint32_t list_total;
    uint32_t bytes;
    int16_t part_error; /* of the first part */
    /* of the first part: */
    int64_t last_stable;
    int64_t high_watermark;
    int64_t end_offset; /* behind the last batch; -1: there is none */
    int32_t count;      /* -1: null */
    struct {
        int64_t producer_id;
        int64_t first_offset;
    } list[LIST_MAX];
} got;

static int64_t end_of(const struct wire_records *records)
{
    struct batch_header header;
    int64_t end_offset = -1;

    for (uint32_t s = 0; s < records->slice_count; s++) {
        const struct wire_slice *slice = &records->slices[s];
        for (uint32_t pos = 0; pos < slice->size_bytes; pos += header.size_bytes) {
            cr_assert(
                eq(int, batch_parse(slice->bytes + pos, slice->size_bytes - pos, &header), OK));
            end_offset = batch_last_offset(&header) + 1;
        }
    }
    return end_offset;
}

static void look_fetched(struct live_ask *ask, const void *response)
{
    const struct fetch_response *answer = response;

    memset(&got, 0, sizeof(got));
    got.error_code = answer->error_code;
    for (int32_t p = 0; p < answer->responses.items[0].partitions.count; p++) {
        const struct fetch_response_partition_data *part =
            &answer->responses.items[0].partitions.items[p];
        got.parts++;
        got.bytes += part->records.size_bytes;
        got.with_records += part->records.size_bytes > 0;
        got.with_list += part->aborted_transactions.count > 0;
        got.list_total +=
            part->aborted_transactions.count < 0 ? 0 : (uint32_t)part->aborted_transactions.count;
        if (p > 0)
            continue;
        got.part_error = part->error_code;
        got.last_stable = part->last_stable_offset;
        got.high_watermark = part->high_watermark;
        got.end_offset = end_of(&part->records);
        got.count = part->aborted_transactions.count;
        cr_assert(le(i32, got.count, LIST_MAX));
        for (int32_t i = 0; i < got.count; i++) {
            got.list[i].producer_id = part->aborted_transactions.items[i].producer_id;
            got.list[i].first_offset = part->aborted_transactions.items[i].first_offset;
        }
    }
}

struct fetch_of {
    int64_t offset;
    int32_t partitions; /* 0 as 1 */
    bool uncommitted;
    int32_t min_bytes;
    int32_t max_wait_ms;
    int32_t max_bytes; /* of each part; 0: enough */
};

static void start_fetch(struct live_ask *ask, uint32_t client, const struct fetch_of *of)
{
    static struct fetch_request_fetch_partition parts[PARTS_MAX];
    int32_t count = of->partitions == 0 ? 1 : of->partitions;
    struct fetch_request_fetch_topic asked;
    struct fetch_request request;

    codec_set_defaults(&fetch_request_desc, &request);
    codec_set_struct_defaults(&fetch_request_fetch_topic_struct, &asked);
    for (int32_t i = 0; i < count; i++) {
        codec_set_struct_defaults(&fetch_request_fetch_partition_struct, &parts[i]);
        parts[i].partition = i;
        parts[i].fetch_offset = of->offset;
        parts[i].partition_max_bytes = of->max_bytes == 0 ? 50 << 20 : of->max_bytes;
    }
    asked.topic = wire_string("t");
    asked.partitions.items = parts;
    asked.partitions.count = count;
    request.topics.items = &asked;
    request.topics.count = 1;
    request.max_wait_ms = of->max_wait_ms;
    request.min_bytes = of->min_bytes;
    request.max_bytes = 50 << 20;
    request.isolation_level = of->uncommitted ? 0 : KAFKA_ISOLATION_LEVEL_READ_COMMITTED;
    request.session_epoch = -1;
    ask->look = look_fetched;
    live_ask_start(ask, live_client(client), API_FETCH, 12, &request);
}

static void fetch(const struct fetch_of *of)
{
    struct live_ask ask = {0};

    start_fetch(&ask, 0, of);
    cr_assert(live_ask_wait(&ask, 60000), "no answer");
    cr_assert(eq(int, ask.err, OK));
}

static void fetch_from(int64_t offset)
{
    fetch(&(struct fetch_of){.offset = offset});
}

static struct budget *reads(void)
{
    return memory_budget(&partition()->shard->memory, MEMORY_COLD_READS);
}

/* ---- what is seen */

Test(fetch_committed, an_open_transaction_is_seen_by_who_does_not_mind)
{
    up(1, 1);
    put(-1, 0);
    put(7, 0);
    put(-1, 0);
    fetch_from(0);
    cr_assert(eq(i64, got.end_offset, 1));
    cr_assert(eq(i64, got.last_stable, 1));
    cr_assert(eq(i64, got.high_watermark, 3));
    cr_assert(eq(i32, got.count, 0));
    fetch(&(struct fetch_of){.uncommitted = true});
    cr_assert(eq(i64, got.end_offset, 3));
    cr_assert(eq(i64, got.last_stable, 1));
    cr_assert(eq(i32, got.count, -1));
    end(7, true);
    fetch_from(0);
    cr_assert(eq(i64, got.end_offset, 4));
    cr_assert(eq(i64, got.last_stable, 4));
    cr_assert(eq(i32, got.count, 0));
}

Test(fetch_committed, the_list_is_null_where_nothing_was_read)
{
    up(1, 1);
    put(-1, 0);
    fetch_from(1);
    cr_assert(eq(i16, got.part_error, KAFKA_NONE));
    cr_assert(eq(i32, got.count, 0));
    fetch_from(2);
    cr_assert(eq(i16, got.part_error, KAFKA_OFFSET_OUT_OF_RANGE));
    cr_assert(eq(i32, got.count, -1));
}

static void expect_list(int64_t from, int32_t max_bytes, int64_t end_offset, int32_t count,
                        const int64_t (*list)[2])
{
    fetch(&(struct fetch_of){.offset = from, .max_bytes = max_bytes});
    cr_assert(eq(i64, got.end_offset, end_offset), "from %d", (int)from);
    cr_assert(eq(i32, got.count, count), "from %d", (int)from);
    for (int32_t i = 0; i < count; i++) {
        cr_assert(eq(i64, got.list[i].producer_id, list[i][0]), "from %d", (int)from);
        cr_assert(eq(i64, got.list[i].first_offset, list[i][1]), "from %d", (int)from);
    }
}

Test(fetch_committed, the_list_has_what_was_aborted_in_what_was_read_and_nothing_else)
{
    up(1, 1);
    put_at(partition(), 7, 0, 3, 10); /* 0 to 2 */
    put(8, 0);                        /* 3 */
    put(9, 0);                        /* 4 */
    end(8, false);                    /* 5 */
    end(7, false);                    /* 6 */
    put(7, 3);                        /* 7 */
    end(7, true);                     /* 8 */
    end(9, true);                     /* 9 */
    put(8, 1);                        /* 10 */
    end(8, false);                    /* 11 */
    put(-1, 0);                       /* 12 */
    expect_list(0, 0, 13, 3, (const int64_t[][2]){{8, 3}, {7, 0}, {8, 10}});
    expect_list(1, 0, 13, 3, (const int64_t[][2]){{8, 3}, {7, 0}, {8, 10}});
    expect_list(4, 0, 13, 3, (const int64_t[][2]){{8, 3}, {7, 0}, {8, 10}});
    expect_list(6, 0, 13, 2, (const int64_t[][2]){{7, 0}, {8, 10}});
    expect_list(7, 0, 13, 1, (const int64_t[][2]){{8, 10}});
    expect_list(11, 0, 13, 1, (const int64_t[][2]){{8, 10}});
    expect_list(12, 0, 13, 0, NULL);
    expect_list(0, 1, 3, 1, (const int64_t[][2]){{7, 0}}); /* one batch */
    expect_list(8, 1, 9, 0, NULL);
}

Test(fetch_committed, an_offset_inside_an_aborted_batch_has_it_in_the_list)
{
    up(1, 1);
    put_at(partition(), 7, 0, 5, 10);
    end(7, false);
    expect_list(4, 1, 5, 1, (const int64_t[][2]){{7, 0}});
    expect_list(4, 0, 6, 1, (const int64_t[][2]){{7, 0}});
}

/* ---- what wakes */

static void is_woken_by_the_end(uint32_t shards_count, bool commit)
{
    struct live_ask ask = {0};

    up(shards_count, 1);
    start_fetch(&ask, 1, &(struct fetch_of){.min_bytes = 1, .max_wait_ms = WAIT_MS});
    put(7, 0);
    cr_assert(not(live_ask_wait(&ask, 2000)));
    put(7, 1);
    put(-1, 0);
    cr_assert(not(live_ask_wait(&ask, 2000)), "it sees what is not decided");
    end(7, commit);
    cr_assert(live_ask_wait(&ask, 1000), "the end woke nobody");
    cr_assert(eq(i64, got.end_offset, 4));
    cr_assert(eq(i32, got.count, commit ? 0 : 1));
    cr_assert(eq(u64, budget_used_bytes(reads()), 0));
}

Test(fetch_committed, a_parked_one_is_woken_by_a_commit)
{
    is_woken_by_the_end(1, true);
}

Test(fetch_committed, and_by_an_abort)
{
    is_woken_by_the_end(1, false);
}

Test(fetch_committed, so_it_is_over_shards)
{
    is_woken_by_the_end(3, true);
}

Test(fetch_committed, the_minimum_is_of_what_it_sees)
{
    struct live_ask ask = {0};

    up(1, 1);
    put_at(partition(), -1, 0, 1, 100);
    put_at(partition(), 7, 0, 1, 20000);
    start_fetch(&ask, 1, &(struct fetch_of){.min_bytes = 10000, .max_wait_ms = WAIT_MS});
    cr_assert(not(live_ask_wait(&ask, 2000)));
    put_at(partition(), -1, 0, 1, 20000);
    cr_assert(not(live_ask_wait(&ask, 2000)));
    end(7, true);
    cr_assert(live_ask_wait(&ask, 1000));
    cr_assert(eq(i64, got.end_offset, 4));
}

Test(fetch_committed, the_first_of_two_transactions_to_end_does_not_hide_the_other_one)
{
    struct live_ask ask = {0};

    up(1, 1);
    put(7, 0);
    put(8, 0);
    start_fetch(&ask, 1, &(struct fetch_of){.min_bytes = 1, .max_wait_ms = WAIT_MS});
    end(8, true);
    cr_assert(not(live_ask_wait(&ask, 2000)));
    end(7, true);
    cr_assert(live_ask_wait(&ask, 1000));
    cr_assert(eq(i64, got.end_offset, 4));
}

/* Where the kernel's word counts, the high watermark passes a transaction's end before that is on
 * stable storage, and does not move when it is (DUR-T12). */
Test(fetch_committed, a_transaction_of_a_cache_topic_is_seen_when_its_end_is_durable)
{
    struct sim_disk *disk;
    struct live_ask ask = {0};

    live_start(1, (const char *const[]){"levee.durability=cache", NULL});
    topic = live_topic(live_client(0), "t", 1);
    disk = &live.broker.node->disk;
    sim_disk_hold(disk, SIM_SYNC);
    put(7, 0);
    end(7, true);
    start_fetch(&ask, 1, &(struct fetch_of){.min_bytes = 1, .max_wait_ms = WAIT_MS});
    cr_assert(not(live_ask_wait(&ask, 2000)), "its end may still be lost");
    sim_disk_unhold(disk, SIM_SYNC);
    cr_assert(live_ask_wait(&ask, 10000), "the durable end woke nobody");
    cr_assert(eq(i64, got.end_offset, 2));
}

/* ---- room for lists */

/* Many transactions in one batch's time, all aborted. */
static void abort_many(struct partition *to, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        put_at(to, 1000 + i, 0, 1, 1);
    for (int32_t i = 0; i < count; i++)
        end_at(to, 1000 + i, false);
}

Test(fetch_committed, less_is_read_where_there_is_no_room_for_the_list)
{
    int64_t from = 0;
    uint32_t answers = 0;

    live.sizes.memory_bytes[MEMORY_COLD_READS] = 64 << 10; /* lists: 64 of them */
    up(1, 1);
    for (int32_t i = 0; i < 200; i++) {
        put_at(partition(), 7, i, 1, 1);
        end(7, false);
    }
    while (from < 400) {
        fetch(&(struct fetch_of){.offset = from, .max_wait_ms = WAIT_MS});
        cr_assert(lt(i64, from, got.end_offset), "no progress at %d", (int)from);
        cr_assert(le(i32, got.count, 64));
        cr_assert(eq(i32, got.count, (int32_t)((got.end_offset + 1) / 2 - from / 2)));
        cr_assert(eq(i64, got.list[0].first_offset, from / 2 * 2));
        from = got.end_offset;
        answers++;
    }
    cr_assert(lt(u32, 3, answers));
    cr_assert(eq(u64, budget_used_bytes(reads()), 0));
}

/* What is lent lies in parts. */
Test(fetch_committed, so_it_is_of_what_is_lent)
{
    enum { OPEN = 300, LARGE = 3 };

    live.sizes.memory_bytes[MEMORY_COLD_READS] = 256 << 10; /* lists: 256 */
    up(1, 1);
    for (int32_t i = 0; i < OPEN; i++)
        put(1000 + i, 0);
    for (int32_t i = 0; i < LARGE; i++)
        put_at(partition(), -1, 0, 1, 20000);
    for (int32_t i = 0; i < OPEN; i++)
        end(1000 + i, false);
    fetch(&(struct fetch_of){.offset = OPEN, .max_bytes = LARGE * 20100});
    cr_assert(eq(i64, got.end_offset, OPEN + 1));
    cr_assert(eq(i32, got.count, OPEN));
    cr_assert(eq(u64, budget_used_bytes(reads()), 0));
}

/* One batch cannot be less: but nobody has more transactions in it than there are producers. */
Test(fetch_committed, one_batch_has_its_list_however_long_that_is)
{
    live.sizes.memory_bytes[MEMORY_COLD_READS] = 64 << 10;
    up(1, 1);
    abort_many(partition(), 300);
    fetch(&(struct fetch_of){.offset = 299});
    cr_assert(eq(i64, got.end_offset, 300));
    cr_assert(eq(i32, got.count, 300));
    cr_assert(eq(u64, budget_used_bytes(reads()), 0));
}

/* Other readers hold what there is: it waits as for the bytes themselves. */
Test(fetch_committed, a_list_waits_for_memory)
{
    struct live_ask ask = {0};
    uint64_t taken;

    live.sizes.memory_bytes[MEMORY_COLD_READS] = 64 << 10;
    up(1, 1);
    abort_many(partition(), 300);
    taken = budget_room_bytes(reads()) - 2000; /* for the batch there is enough */
    cr_assert(budget_take(reads(), taken));
    start_fetch(&ask, 0, &(struct fetch_of){.offset = 299});
    cr_assert(not(live_ask_wait(&ask, 1000)));
    budget_give(reads(), taken);
    cr_assert(live_ask_wait(&ask, 1000));
    cr_assert(eq(i32, got.count, 300));
    cr_assert(eq(i64, got.end_offset, 300));
    cr_assert(eq(u64, budget_used_bytes(reads()), 0));
}

Test(fetch_committed, a_fetch_of_many_partitions_gives_lists_to_those_for_which_there_is_room)
{
    live.sizes.memory_bytes[MEMORY_COLD_READS] = 64 << 10;
    up(2, 100);
    for (int32_t p = 0; p < 100; p++) {
        put_at(partition_at(p), 7, 0, 1, 10);
        end_at(partition_at(p), 7, false);
    }
    fetch(&(struct fetch_of){.partitions = 100});
    cr_assert(eq(u32, got.parts, 100));
    cr_assert(ge(u32, got.with_list, 64));
    cr_assert(eq(u32, got.with_list, got.list_total));
    cr_assert(eq(u64, budget_used_bytes(reads()), 0));
}

/* To count what each of a thousand partitions would have named costs the loop what it is to spare.
 */
Test(fetch_committed, behind_the_one_that_had_no_room_nothing_is_read)
{
    live.sizes.memory_bytes[MEMORY_COLD_READS] = 64 << 10;
    up(1, 3);
    for (int32_t p = 0; p < 2; p++)
        for (int32_t i = 0; i < 50; i++) {
            put_at(partition_at(p), 7, i, 1, 1);
            end_at(partition_at(p), 7, false);
        }
    put_at(partition_at(2), -1, 0, 1, 100);
    fetch(&(struct fetch_of){.partitions = 3, .min_bytes = 1 << 20, .max_wait_ms = WAIT_MS});
    cr_assert(eq(u32, got.parts, 3));
    cr_assert(eq(u32, got.with_list, 2));
    cr_assert(le(u32, got.list_total, 64));
    cr_assert(eq(u32, got.with_records, 2));
}

/* ---- ListOffsets */

static int64_t listed_offset;

static void look_listed(struct live_ask *ask, const void *response)
{
    const struct list_offsets_response *answer = response;

    cr_assert(eq(i16, answer->topics.items[0].partitions.items[0].error_code, KAFKA_NONE));
    listed_offset = answer->topics.items[0].partitions.items[0].offset;
}

static int64_t list(int64_t timestamp, bool committed)
{
    struct list_offsets_request_list_offsets_partition part;
    struct list_offsets_request_list_offsets_topic asked;
    struct list_offsets_request request;
    struct live_ask ask = {.look = look_listed};

    codec_set_defaults(&list_offsets_request_desc, &request);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_topic_struct, &asked);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_partition_struct, &part);
    part.timestamp = timestamp;
    asked.name = wire_string("t");
    asked.partitions.items = &part;
    asked.partitions.count = 1;
    request.topics.items = &asked;
    request.topics.count = 1;
    request.isolation_level = committed ? KAFKA_ISOLATION_LEVEL_READ_COMMITTED : 0;
    live_ask(&ask, live_client(0), API_LIST_OFFSETS, 7, &request);
    return listed_offset;
}

Test(fetch_committed, list_offsets_ends_where_the_reader_ends)
{
    int64_t later_ms;

    up(1, 1);
    put(-1, 0);
    sim_world_run_until(live.world, live_is_answered, &(struct live_ask){0}, 5 * SIM_SECOND);
    put(7, 0);
    put(-1, 0);
    later_ms = clock_wall_ms(partition()->shard->clock) - 1000;
    cr_assert(eq(i64, list(KAFKA_LIST_OFFSETS_TIMESTAMP_LATEST, false), 3));
    cr_assert(eq(i64, list(KAFKA_LIST_OFFSETS_TIMESTAMP_LATEST, true), 1));
    cr_assert(eq(i64, list(later_ms, false), 1));
    cr_assert(eq(i64, list(later_ms, true), -1));
    /* as in Kafka's Partition.fetchOffsetForTimestamp: that of the log, or none */
    cr_assert(eq(i64, list(KAFKA_LIST_OFFSETS_TIMESTAMP_MAX_TIMESTAMP, true), -1));
    cr_assert(ge(i64, list(KAFKA_LIST_OFFSETS_TIMESTAMP_MAX_TIMESTAMP, false), 1));
    sim_world_run_until(live.world, live_is_answered, &(struct live_ask){0}, 5 * SIM_SECOND);
    end(7, false);
    cr_assert(eq(i64, list(KAFKA_LIST_OFFSETS_TIMESTAMP_LATEST, true), 4));
    cr_assert(eq(i64, list(KAFKA_LIST_OFFSETS_TIMESTAMP_MAX_TIMESTAMP, true), 3), "the marker");
    cr_assert(eq(i64, list(later_ms, true), 1));
}

/* ---- DescribeProducers */

static struct describe_producers_response_producer_state described[4];
static int32_t described_count;

static void look_described(struct live_ask *ask, const void *response)
{
    const struct describe_producers_response *answer = response;
    const struct describe_producers_response_partition_response *part =
        &answer->topics.items[0].partitions.items[0];

    cr_assert(eq(i16, part->error_code, KAFKA_NONE));
    cr_assert(le(i32, part->active_producers.count, 4));
    described_count = part->active_producers.count;
    memcpy(described, part->active_producers.items, (size_t)described_count * sizeof(described[0]));
}

static void describe(void)
{
    struct describe_producers_request_topic_request asked;
    struct describe_producers_request request;
    struct live_ask ask = {.look = look_described};
    int32_t index = 0;

    codec_set_defaults(&describe_producers_request_desc, &request);
    codec_set_struct_defaults(&describe_producers_request_topic_request_struct, &asked);
    asked.name = wire_string("t");
    asked.partition_indexes.items = &index;
    asked.partition_indexes.count = 1;
    request.topics.items = &asked;
    request.topics.count = 1;
    live_ask(&ask, live_client(0), API_DESCRIBE_PRODUCERS, 0, &request);
}

Test(fetch_committed, describe_producers_tells_where_a_transaction_began_and_who_ended_the_last)
{
    up(1, 1);
    put(-1, 0);
    put(7, 0);
    put(7, 1);
    describe();
    cr_assert(eq(i32, described_count, 1));
    cr_assert(eq(i64, described[0].producer_id, 7));
    cr_assert(eq(i32, described[0].producer_epoch, 0));
    cr_assert(eq(i32, described[0].last_sequence, 1));
    cr_assert(eq(i64, described[0].current_txn_start_offset, 1));
    cr_assert(eq(i32, described[0].coordinator_epoch, -1));
    end(7, true);
    describe();
    cr_assert(eq(i64, described[0].current_txn_start_offset, -1));
    cr_assert(eq(i32, described[0].coordinator_epoch, 5));
    cr_assert(eq(i32, described[0].last_sequence, 1));
}
