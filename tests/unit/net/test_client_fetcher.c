/* The fetch loop against a whole broker in a simulated world. */
#include "broker/fetch_session.h"
#include "broker/partition_marker.h"
#include "broker/topic_table.h"
#include "net/client/client_fetcher_private.h"
#include "net/protocol/msg_delete_records.h"
#include "tests/unit/net/client_live_rig.h"

TestSuite(client_fetcher, .timeout = 600);

enum { PARTITIONS_MAX = 8, TROUBLES_MAX = 8 };

static struct uuid topic_id;
static struct rig_client *client;
static struct client_topic *topic;
static struct client_fetcher *fetcher;
static struct client_fetcher_options options;

static struct {
    bool pulls; /* when it is ready */
    uint32_t ready_count;
    uint32_t records;
    uint32_t batches;
    uint32_t aborted;
    uint32_t control;
    int64_t next[PARTITIONS_MAX]; /* no offset below it comes any more */
    uint32_t count[PARTITIONS_MAX];
    bool checks_values;
    bool may_lack_memory;
    uint32_t enough;
    bool is_enough;
    struct {
        int32_t partition;
        enum client_fetcher_trouble trouble;
        int64_t offset;
        int16_t error_code;
    } troubles[TROUBLES_MAX];
    uint32_t troubles_count;
    bool is_troubled;
} got;

/* The value says its partition and, where nothing else is in the log, its offset. */
static void look_at(const struct client_fetched *batch, const struct client_fetched_record *record)
{
    char value[64];
    int size_bytes =
        snprintf(value, sizeof(value), "%d:%lld", batch->partition, (long long)record->offset);

    cr_assert(ge(i64, record->offset, got.next[batch->partition])); /* CFE-1 */
    if (got.checks_values) {
        cr_assert(eq(i64, record->offset, got.next[batch->partition])); /* nothing is skipped */
        cr_assert(eq(i32, record->record.value_bytes, size_bytes));
        cr_assert(eq(int, memcmp(record->record.value, value, (size_t)size_bytes), 0));
        cr_assert(eq(i64, record->timestamp_ms, record->offset + 1000));
    }
    got.next[batch->partition] = record->offset + 1;
    got.count[batch->partition]++;
    got.records++;
}

static void assign(int32_t partition, int64_t offset);

static bool pull_batch(void)
{
    struct client_fetched batch;
    struct client_fetched_record record;
    enum err err = client_fetcher_next_batch(fetcher, &batch);

    if (err == ERR_AGAIN)
        return false;
    cr_assert(eq(int, err, OK));
    cr_assert(eq(ptr, batch.topic, topic));
    got.batches++;
    got.aborted += batch.is_aborted;
    got.control += batch_is_control(&batch.header);
    cr_assert(eq(int, batch.is_visible, !batch.is_aborted && !batch_is_control(&batch.header)));
    cr_assert(eq(i64, client_fetcher_position(fetcher, topic, batch.partition, NULL, NULL, NULL),
                 batch_last_offset(&batch.header) + 1));
    while (batch.is_visible && (err = client_fetcher_next_record(fetcher, &record)) == OK)
        look_at(&batch, &record);
    if (batch.is_visible && got.may_lack_memory && err == ERR_NOMEM) {
        assign(batch.partition, got.next[batch.partition]); /* again */
        return true;
    }
    if (batch.is_visible)
        cr_assert(eq(int, err, ERR_NOT_FOUND));
    if (got.enough > 0 && got.records >= got.enough)
        got.is_enough = true;
    return true;
}

static void on_ready(void *context)
{
    got.ready_count++;
    while (got.pulls && pull_batch()) {
    }
}

static void on_trouble(void *context, struct client_topic *of, int32_t partition,
                       enum client_fetcher_trouble trouble, int64_t offset, int16_t error_code)
{
    cr_assert(lt(u32, got.troubles_count, TROUBLES_MAX));
    got.troubles[got.troubles_count].partition = partition;
    got.troubles[got.troubles_count].trouble = trouble;
    got.troubles[got.troubles_count].offset = offset;
    got.troubles[got.troubles_count++].error_code = error_code;
    got.is_troubled = true;
}

static const struct client_fetcher_events events = {.ready = on_ready, .trouble = on_trouble};

static void begin(uint32_t shards_count, int32_t partitions)
{
    rig_start(shards_count, NULL);
    topic_id = live_topic(live_client(0), "t", partitions);
    options = client_fetcher_options_default();
    got.pulls = true;
    got.checks_values = true;
}

static void open_fetcher(void)
{
    client = rig_client(0);
    topic = rig_topic(client, "t");
    cr_assert(
        eq(int, client_fetcher_create(client->cluster, &options, &events, NULL, &fetcher), OK));
}

static void assign(int32_t partition, int64_t offset)
{
    cr_assert(eq(int, client_fetcher_assign(fetcher, topic, partition, offset, -1), OK));
    got.next[partition] = offset;
}

static void run_ms(uint64_t time_ms)
{
    sim_world_run_for(live.world, time_ms * SIM_MS);
}

static void until_records(uint32_t count)
{
    got.enough = count;
    got.is_enough = got.records >= count;
    rig_until(&got.is_enough, 600 * SIM_SECOND);
    run_ms(2000);
    cr_assert(eq(u32, got.records, count)); /* and not one more */
    cr_assert(eq(u32, got.troubles_count, 0));
}

static struct client_fetch_part *part_of(int32_t partition)
{
    return fetcher->topics[topic->index]->parts[partition];
}

static void close_fetcher(void)
{
    client_fetcher_destroy(fetcher, rig_on_closed, NULL);
    rig_until(&rig_has_closed, 120 * SIM_SECOND);
    rig_has_closed = false;
    client_cluster_destroy(client->cluster, rig_on_closed, NULL);
    rig_until(&rig_has_closed, 120 * SIM_SECOND);
    cr_assert(eq(u64, slab_used_bytes(&client->slab), 0)); /* each frame went back */
}

/* ---- CFE-1 */

Test(client_fetcher, reads_every_codec_in_order)
{
    begin(1, 2);
    for (uint32_t p = 0; p < 2; p++)
        for (uint32_t i = 0; i < 50; i++)
            rig_produce("t", (int32_t)p, i * 3, 3, (enum compression)(i % COMPRESSION_COUNT));
    open_fetcher();
    assign(0, 0);
    assign(1, 0);
    until_records(300);
    cr_assert(eq(u32, got.batches, 100));
    close_fetcher();
}

Test(client_fetcher, begins_inside_a_batch)
{
    begin(1, 1);
    for (uint32_t i = 0; i < 10; i++)
        rig_produce("t", 0, i * 10, 10, i % 2 == 0 ? COMPRESSION_NONE : COMPRESSION_LZ4);
    open_fetcher();
    assign(0, 45);
    until_records(55);
    assign(0, 97);
    got.next[0] = 97;
    until_records(58);
    close_fetcher();
}

Test(client_fetcher, reads_each_once_over_cut_connections_and_crashes)
{
    begin(2, PARTITIONS_MAX);
    for (uint32_t p = 0; p < PARTITIONS_MAX; p++)
        for (uint32_t i = 0; i < 100; i++)
            rig_produce("t", (int32_t)p, i * 2, 2, COMPRESSION_NONE);
    options.max_bytes = 3000;
    options.partition_max_bytes = 500;
    open_fetcher();
    rig_set_faults(20000, 20000);
    for (int32_t p = 0; p < PARTITIONS_MAX; p++)
        assign(p, 0);
    run_ms(300);
    rig_kill_broker(500 * SIM_MS);
    run_ms(200);
    rig_kill_broker(3000 * SIM_MS);
    got.enough = PARTITIONS_MAX * 200;
    rig_until(&got.is_enough, 3600 * SIM_SECOND);
    rig_set_faults(0, 0);
    run_ms(60000);
    cr_assert(eq(u32, got.records, PARTITIONS_MAX * 200));
    for (int32_t p = 0; p < PARTITIONS_MAX; p++)
        cr_assert(eq(u32, got.count[p], 200));
    cr_assert(eq(u32, got.troubles_count, 0));
    close_fetcher();
}

Test(client_fetcher, reads_on_after_frames_that_were_held)
{
    begin(1, 1);
    rig_produce("t", 0, 0, 5, COMPRESSION_NONE);
    open_fetcher();
    assign(0, 0);
    until_records(5);
    sim_net_hold(&live.world->net, live.broker.node->host, client->node->host, true);
    rig_produce("t", 0, 5, 5, COMPRESSION_NONE);
    run_ms(45000); /* longer than a request may take */
    sim_net_hold(&live.world->net, live.broker.node->host, client->node->host, false);
    until_records(10);
    close_fetcher();
}

Test(client_fetcher, tells_since_when_it_can_not_read)
{
    int16_t error_code = -1;
    uint64_t begin_ns;
    uint64_t since_ns;

    begin(1, 1);
    rig_produce("t", 0, 0, 5, COMPRESSION_NONE);
    open_fetcher();
    assign(0, 0);
    until_records(5);
    cr_assert(eq(u64, client_fetcher_failing_since_ns(fetcher, &error_code), 0));
    begin_ns = clock_mono_ns(client->loop.clock);
    sim_node_crash(live.broker.node, SIM_KILL);
    run_ms(20000);
    since_ns = client_fetcher_failing_since_ns(fetcher, &error_code);
    cr_assert(le(u64, begin_ns, since_ns));
    cr_assert(lt(u64, since_ns, begin_ns + 2 * SIM_SECOND));
    cr_assert(eq(i16, error_code, KAFKA_NONE));
    sim_node_start(live.broker.node);
    cr_assert(sim_world_run_until(live.world, live_is_ready, NULL, 60 * SIM_SECOND));
    run_ms(5000);
    cr_assert(eq(u64, client_fetcher_failing_since_ns(fetcher, NULL), 0));
    close_fetcher();
}

Test(client_fetcher, takes_no_answer_to_a_question_before_a_seek)
{
    begin(1, 1);
    for (uint32_t i = 0; i < 20; i++)
        rig_produce("t", 0, i, 1, COMPRESSION_NONE);
    options.partition_max_bytes = 100;
    options.max_wait_ms = 3; /* a seek waits for the answer that is under way */
    open_fetcher();
    assign(0, 0);
    run_ms(1);
    for (uint32_t i = 0; i < 200; i++) {
        int64_t offset = (int64_t)(i * 7 % 20);
        assign(0, offset);
        sim_world_run_for(live.world, 100000 + i * 30000);
        if (i % 3 == 0)
            client_fetcher_unassign(fetcher, topic, 0);
        sim_world_run_for(live.world, i * 3000);
    }
    cr_assert(ge(u32, got.records, 300));
    got.records = 0;
    assign(0, 0);
    until_records(20);
    close_fetcher();
}

/* ---- sessions */

Test(client_fetcher, keeps_a_session_and_names_what_has_changed)
{
    struct client_fetch_session *session;

    begin(1, 4);
    open_fetcher();
    for (int32_t p = 0; p < 4; p++)
        assign(p, 0);
    run_ms(3000);
    session = &part_of(0)->node->session;
    cr_assert(ne(i32, session->id, 0));
    cr_assert(lt(i32, 3, session->epoch));
    cr_assert(eq(u32, session->entries_count, 4));
    rig_produce("t", 2, 0, 5, COMPRESSION_NONE);
    until_records(5);
    client_fetcher_unassign(fetcher, topic, 2);
    client_fetcher_pause(fetcher, topic, 1, true);
    run_ms(2000);
    cr_assert(eq(u32, session->entries_count, 2));
    rig_produce("t", 1, 0, 5, COMPRESSION_NONE);
    rig_produce("t", 2, 5, 5, COMPRESSION_NONE);
    run_ms(2000);
    cr_assert(eq(u32, got.records, 5)); /* the broker has forgotten them */
    assign(2, 5);
    client_fetcher_pause(fetcher, topic, 1, false);
    until_records(15);
    close_fetcher();
}

Test(client_fetcher, begins_a_session_anew_that_the_broker_has_lost)
{
    struct client_fetch_session *session;
    int32_t id;

    begin(1, 2);
    open_fetcher();
    assign(0, 0);
    assign(1, 0);
    run_ms(2000);
    session = &part_of(0)->node->session;
    id = session->id;
    session->id++; /* FETCH_SESSION_ID_NOT_FOUND */
    rig_produce("t", 0, 0, 5, COMPRESSION_NONE);
    until_records(5);
    cr_assert(ne(i32, session->id, 0));
    cr_assert(ne(i32, session->id, id));
    session->epoch += 5; /* INVALID_FETCH_SESSION_EPOCH */
    rig_produce("t", 1, 0, 5, COMPRESSION_NONE);
    until_records(10);
    close_fetcher();
}

Test(client_fetcher, reads_without_sessions)
{
    begin(1, 2);
    options.uses_sessions = false;
    open_fetcher();
    assign(0, 0);
    assign(1, 0);
    for (uint32_t i = 0; i < 10; i++)
        rig_produce("t", (int32_t)(i % 2), i / 2, 1, COMPRESSION_NONE);
    until_records(10);
    cr_assert(eq(i32, part_of(0)->node->session.id, 0));
    close_fetcher();
}

static uint32_t sessions_of_broker(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < live.broker.shards_count; i++)
        count +=
            (uint32_t)hash_map_count(&broker_shard(live.broker.broker, i)->fetch_sessions->by_id);
    return count;
}

Test(client_fetcher, ends_its_session_at_the_broker)
{
    begin(1, 1);
    open_fetcher();
    assign(0, 0);
    run_ms(2000);
    cr_assert(eq(u32, sessions_of_broker(), 1));
    client_fetcher_pause(fetcher, topic, 0, true); /* nothing is under way after a while */
    run_ms(1000);
    client_fetcher_destroy(fetcher, rig_on_closed, NULL);
    rig_until(&rig_has_closed, 2 * SIM_SECOND);
    cr_assert(eq(u32, sessions_of_broker(), 0));
}

/* ---- CFE-2: written behind the broker's back, as a coordinator's markers are */

static struct partition *partition(void)
{
    struct shard *shard =
        shard_of_partition(broker_shard(live.broker.broker, 0)->shards, &topic_id, 0);

    return topic_table_find(shard->topics, &topic_id, 0);
}

static bool is_published(void *context)
{
    struct log_offsets offsets = partition_offsets(context);

    return offsets.high_watermark == offsets.log_end;
}

static void on_appended(struct partition_append *append, enum err err)
{
    cr_assert(eq(int, err, OK));
}

static void put(int64_t producer_id, int32_t sequence)
{
    struct batch_builder_options how = batch_builder_options_default();
    struct partition_append append = {.done = on_appended, .rules.is_registered = true};
    struct batch_builder builder;

    how.transactional = true;
    how.producer_id = producer_id;
    how.producer_epoch = 0;
    how.base_sequence = sequence;
    batch_builder_init(&builder, &how);
    append.max_timestamp_ms = clock_wall_ms(partition()->shard->clock);
    cr_assert(
        eq(int, batch_builder_add_pair(&builder, NULL, -1, "v", 1, append.max_timestamp_ms), OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &append.bytes, &append.size_bytes), OK));
    partition_append(partition(), &append);
    batch_builder_deinit(&builder);
    cr_assert(sim_world_run_until(live.world, is_published, partition(), 60 * SIM_SECOND));
}

static void on_marked(struct partition_marker *marker, enum err err)
{
    cr_assert(eq(int, err, OK));
}

static void end(int64_t producer_id, bool commit)
{
    static struct partition_marker marker;

    marker = (struct partition_marker){.producer_id = producer_id,
                                       .commit = commit,
                                       .coordinator_epoch = 5,
                                       .appended = on_marked};
    partition_append_marker(partition(), &marker);
    cr_assert(sim_world_run_until(live.world, is_published, partition(), 60 * SIM_SECOND));
}

/* Offsets: 0 aborted, 1 committed, 2 committed, 3 aborted's marker, 4 commit, 5 committed, 6
 * commit, 7 open. */
static void put_transactions(void)
{
    put(7, 0);
    put(8, 0);
    put(8, 1);
    end(7, false);
    end(8, true);
    put(7, 1);
    end(7, true);
    put(8, 2);
}

Test(client_fetcher, hands_out_nothing_of_what_was_aborted_or_is_open)
{
    begin(1, 1);
    put_transactions();
    got.checks_values = false;
    options.is_committed = true;
    open_fetcher();
    assign(0, 0);
    until_records(3);
    cr_assert(eq(i64, got.next[0], 6));
    cr_assert(eq(u32, got.batches, 3));
    cr_assert(eq(i64, client_fetcher_position(fetcher, topic, 0, NULL, NULL, NULL), 7));
    end(8, true);
    until_records(4);
    close_fetcher();
}

Test(client_fetcher, marks_what_was_aborted_for_who_wants_to_see_it)
{
    int64_t high_watermark;
    int64_t last_stable;

    begin(1, 1);
    put_transactions();
    got.checks_values = false;
    options.is_committed = true;
    options.wants_aborted = true;
    options.wants_control = true;
    open_fetcher();
    assign(0, 0);
    until_records(3);
    cr_assert(eq(u32, got.aborted, 1));
    cr_assert(eq(u32, got.control, 3));
    cr_assert(eq(u32, got.batches, 7));
    client_fetcher_position(fetcher, topic, 0, &high_watermark, &last_stable, NULL);
    cr_assert(eq(i64, high_watermark, 8));
    cr_assert(eq(i64, last_stable, 7));
    close_fetcher();
}

Test(client_fetcher, shows_everything_to_who_reads_uncommitted)
{
    begin(1, 1);
    put_transactions();
    got.checks_values = false;
    open_fetcher();
    assign(0, 0);
    until_records(5);
    close_fetcher();
}

/* ---- CFE-3, and what may wait */

Test(client_fetcher, asks_for_no_more_than_two_answers_and_moves_with_pulls_alone)
{
    begin(1, 2);
    for (uint32_t p = 0; p < 2; p++)
        for (uint32_t i = 0; i < 40; i++)
            rig_produce("t", (int32_t)p, i, 1, COMPRESSION_NONE);
    options.partition_max_bytes = 200;
    got.pulls = false;
    open_fetcher();
    assign(0, 0);
    assign(1, 0);
    run_ms(10000);
    cr_assert(eq(u32, got.ready_count, 1));
    cr_assert(eq(u32, part_of(0)->node->answers_count, 2));
    cr_assert(not(part_of(0)->node->in_flight));
    cr_assert(eq(i64, client_fetcher_position(fetcher, topic, 0, NULL, NULL, NULL), 0));
    cr_assert(pull_batch());
    cr_assert(eq(i64,
                 client_fetcher_position(fetcher, topic, 0, NULL, NULL, NULL) +
                     client_fetcher_position(fetcher, topic, 1, NULL, NULL, NULL),
                 1));
    run_ms(1000);
    cr_assert(eq(u32, part_of(0)->node->answers_count, 2));
    got.pulls = true;
    while (pull_batch()) {
    }
    until_records(80);
    close_fetcher();
}

Test(client_fetcher, keeps_what_waits_of_a_paused_partition_but_not_without_end)
{
    begin(1, 2);
    for (uint32_t p = 0; p < 2; p++)
        for (uint32_t i = 0; i < 40; i++)
            rig_produce("t", (int32_t)p, i, 1, COMPRESSION_NONE);
    options.partition_max_bytes = 200;
    got.pulls = false;
    open_fetcher();
    assign(0, 0);
    assign(1, 0);
    run_ms(1000);
    client_fetcher_pause(fetcher, topic, 0, true);
    got.pulls = true;
    while (pull_batch()) {
    }
    until_records(40); /* of the other one */
    cr_assert(eq(u32, got.count[0], 0));
    cr_assert(le(u32, part_of(0)->node->answers_count, CLIENT_FETCH_HELD_MAX));
    client_fetcher_pause(fetcher, topic, 0, false);
    until_records(80);
    close_fetcher();
}

/* ---- CFE-4 */

Test(client_fetcher, stops_at_a_batch_with_a_wrong_checksum)
{
    struct client_fetch_piece *piece;

    begin(1, 2);
    rig_produce("t", 0, 0, 5, COMPRESSION_NONE);
    rig_produce("t", 0, 5, 5, COMPRESSION_NONE);
    got.pulls = false;
    open_fetcher();
    assign(0, 0);
    run_ms(1000);
    piece = list_first(&fetcher->ready, struct client_fetch_piece, ready);
    ((uint8_t *)(uintptr_t)piece->walk.bytes)[piece->walk.size_bytes - 1] ^= 1; /* the second one */
    got.pulls = true;
    while (pull_batch()) {
    }
    run_ms(1000);
    cr_assert(eq(u32, got.records, 5));
    cr_assert(eq(u32, got.troubles_count, 1));
    cr_assert(eq(int, got.troubles[0].trouble, CLIENT_FETCHER_CORRUPT));
    cr_assert(eq(i64, got.troubles[0].offset, 5));
    rig_produce("t", 1, 0, 5, COMPRESSION_NONE);
    assign(1, 0); /* the others go on */
    got.enough = 10;
    rig_until(&got.is_enough, 60 * SIM_SECOND);
    got.troubles_count = 0;
    assign(0, 5); /* it was right on the disk */
    until_records(15);
    close_fetcher();
}

/* ---- CFE-5 */

static void look_deleted(struct live_ask *ask, const void *response)
{
    const struct delete_records_response *answer = response;

    cr_assert(eq(i16, answer->topics.items[0].partitions.items[0].error_code, KAFKA_NONE));
}

static void delete_before(int64_t offset)
{
    struct live_ask ask = {.look = look_deleted};
    struct delete_records_request request;
    struct delete_records_request_delete_records_topic of;
    struct delete_records_request_delete_records_partition part;

    codec_set_defaults(&delete_records_request_desc, &request);
    codec_set_struct_defaults(&delete_records_request_delete_records_topic_struct, &of);
    codec_set_struct_defaults(&delete_records_request_delete_records_partition_struct, &part);
    part.offset = offset;
    of.name = wire_string("t");
    of.partitions.items = &part;
    of.partitions.count = 1;
    request.topics.items = &of;
    request.topics.count = 1;
    request.timeout_ms = 60000;
    live_ask(&ask, live_client(0), API_DELETE_RECORDS, 2, &request);
}

Test(client_fetcher, stops_when_its_offset_is_not_in_the_log)
{
    begin(1, 1);
    for (uint32_t i = 0; i < 10; i++)
        rig_produce("t", 0, i, 1, COMPRESSION_NONE);
    delete_before(5);
    open_fetcher();
    assign(0, 2);
    rig_until(&got.is_troubled, 60 * SIM_SECOND);
    run_ms(5000);
    cr_assert(eq(u32, got.troubles_count, 1));
    cr_assert(eq(int, got.troubles[0].trouble, CLIENT_FETCHER_OUT_OF_RANGE));
    cr_assert(eq(i64, got.troubles[0].offset, 2));
    cr_assert(eq(i64, client_fetcher_position(fetcher, topic, 0, NULL, NULL, NULL), 2));
    cr_assert(eq(u32, got.records, 0));
    got.troubles_count = 0;
    assign(0, 5);
    until_records(5);
    close_fetcher();
}

Test(client_fetcher, stops_when_the_log_has_another_history)
{
    int32_t old_epoch;
    int32_t epoch;

    begin(1, 1);
    rig_produce("t", 0, 0, 5, COMPRESSION_NONE);
    open_fetcher();
    assign(0, 0);
    until_records(5);
    client_fetcher_position(fetcher, topic, 0, NULL, NULL, &old_epoch);
    rig_kill_broker(SIM_SECOND);
    rig_produce("t", 0, 5, 5, COMPRESSION_NONE);
    until_records(10);
    client_fetcher_position(fetcher, topic, 0, NULL, NULL, &epoch);
    cr_assert(lt(i32, old_epoch, epoch));
    /* somebody has read 0 to 6 in the old epoch, whose last record was 4 */
    cr_assert(eq(int, client_fetcher_assign(fetcher, topic, 0, 7, old_epoch), OK));
    rig_until(&got.is_troubled, 60 * SIM_SECOND);
    cr_assert(eq(int, got.troubles[0].trouble, CLIENT_FETCHER_TRUNCATED));
    cr_assert(eq(i64, got.troubles[0].offset, 5));
    cr_assert(eq(u32, got.records, 10));
    got.troubles_count = 0;
    cr_assert(eq(int, client_fetcher_assign(fetcher, topic, 0, 5, old_epoch), OK));
    got.next[0] = 5;
    until_records(15);
    close_fetcher();
}

static void delete_topic(void)
{
    struct live_ask ask = {0};

    live_delete_start(&ask, live_client(0), "t", 60000);
    cr_assert(live_ask_wait(&ask, 60000));
}

Test(client_fetcher, tells_of_a_topic_that_is_gone)
{
    begin(1, 1);
    rig_produce("t", 0, 0, 5, COMPRESSION_NONE);
    rig_clients[0].options = client_options_default();
    rig_clients[0].options.allow_auto_create = false;
    open_fetcher();
    assign(0, 0);
    until_records(5);
    delete_topic();
    rig_until(&got.is_troubled, 120 * SIM_SECOND);
    cr_assert(eq(int, got.troubles[0].trouble, CLIENT_FETCHER_REFUSED));
    close_fetcher();
}

Test(client_fetcher, does_not_read_on_in_a_topic_that_was_made_anew)
{
    begin(1, 1);
    rig_produce("t", 0, 0, 5, COMPRESSION_NONE);
    rig_clients[0].options = client_options_default();
    rig_clients[0].options.allow_auto_create = false;
    open_fetcher();
    assign(0, 0);
    until_records(5);
    delete_topic();
    run_ms(100);
    live_topic(live_client(0), "t", 1);
    for (uint32_t i = 0; i < 10; i++)
        rig_produce("t", 0, i, 1, COMPRESSION_NONE);
    rig_until(&got.is_troubled, 120 * SIM_SECOND);
    cr_assert(ne(int, got.troubles[0].trouble, CLIENT_FETCHER_CORRUPT));
    cr_assert(eq(u32, got.records, 5));
    close_fetcher();
}

/* ---- memory that is refused: an ordinary error, after which it goes on */

Test(client_fetcher, reads_all_when_an_allocation_is_refused)
{
    begin(1, 2);
    for (uint32_t i = 0; i < 30; i++)
        rig_produce("t", (int32_t)(i % 2), i / 2 * 3, 3, (enum compression)(i % COMPRESSION_COUNT));
    options.partition_max_bytes = 200;
    options.is_committed = true;
    open_fetcher();
    for (uint64_t n = 1; n < 300; n++) {
        memset(got.next, 0, sizeof(got.next));
        got.records = 0;
        got.may_lack_memory = true;
        mem_fail_after(n);
        for (int32_t p = 0; p < 2; p++)
            while (client_fetcher_assign(fetcher, topic, p, got.next[p], -1) != OK) {
            }
        got.enough = 90;
        got.is_enough = false;
        rig_until(&got.is_enough, 600 * SIM_SECOND);
        mem_fail_after(0);
        cr_assert(eq(u32, got.records, 90));
        for (int32_t p = 0; p < 2; p++)
            client_fetcher_unassign(fetcher, topic, p);
    }
    close_fetcher();
}
