/* What /metrics tells of a broker in a simulated world: its values are what its clients did. */
#include "base/metric_family.h"
#include "broker/process_metrics.h"
#include "broker/scrape.h"
#include "net/protocol/msg_fetch.h"
#include "net/protocol/msg_find_coordinator.h"
#include "net/protocol/msg_offset_commit.h"
#include "tests/unit/broker/live_rig.h"

#include <math.h>
#include <stdlib.h>

TestSuite(scrape, .timeout = 600);

static const char *const offsets_sets[] = {"offsets.topic.num.partitions=4", NULL};

/* ---- the text */

static struct metrics_text text;

static void on_done(void *context)
{
    *(bool *)context = true;
}

static bool is_set(void *context)
{
    return *(bool *)context;
}

static void write_text(void)
{
    metrics_text_deinit(&text);
    cr_assert(eq(int, metrics_write(&live.broker.metrics, &text), OK));
}

/* A tour, and the answer with its facts. */
static void scrape(void)
{
    bool done = false;

    cr_assert(scrape_start(broker_scrape(live.broker.broker), on_done, &done));
    cr_assert(not(scrape_start(broker_scrape(live.broker.broker), on_done, &done)));
    cr_assert(sim_world_run_until(live.world, is_set, &done, 60 * SIM_SECOND));
    write_text();
}

/* The value of the line that begins so; NAN: there is none. */
static double value_of(const char *series)
{
    size_t size = strlen(series);

    for (const char *line = text.bytes; line != NULL && *line != '\0';
         line = strchr(line, '\n') == NULL ? NULL : strchr(line, '\n') + 1)
        if (strncmp(line, series, size) == 0 && line[size] == ' ')
            return strtod(line + size, NULL);
    return NAN;
}

#define expect_value(series, expected) \
    cr_assert(value_of(series) == (double)(expected), "%s is %g", series, value_of(series))
#define expect_none(series) cr_assert(isnan(value_of(series)), "%s is %g", series, value_of(series))

/* ---- what clients do */

static struct live_produce produced; /* the last one */

static int64_t wall_ms(void)
{
    return clock_wall_ms(broker_shard(live.broker.broker, 0)->clock);
}

/* One batch of so many records; its bytes. */
static uint32_t produce(const char *topic_name, int32_t partition, int32_t records)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;

    batch_builder_init(&builder, &options);
    for (int32_t i = 0; i < records; i++)
        cr_assert(eq(int,
                     batch_builder_add_pair(&builder, NULL, -1, (const uint8_t *)"v", 1, wall_ms()),
                     OK));
    produced = live_produce_built(live_client(0), topic_name, partition, &builder, NULL);
    return produced.size_bytes;
}

static uint32_t fetched_bytes;

static void look_fetched(struct live_ask *ask, const void *response)
{
    const struct fetch_response *answer = response;

    fetched_bytes = answer->responses.items[0].partitions.items[0].records.size_bytes;
}

static void start_fetch(struct live_ask *ask, struct live_client *client, int64_t offset,
                        int32_t session_epoch)
{
    struct fetch_request_fetch_partition partition;
    struct fetch_request_fetch_topic topic = {.topic = wire_string("t")};
    struct fetch_request request;

    codec_set_defaults(&fetch_request_desc, &request);
    codec_set_struct_defaults(&fetch_request_fetch_partition_struct, &partition);
    partition.fetch_offset = offset;
    partition.partition_max_bytes = 1 << 20;
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.max_wait_ms = 300000;
    request.min_bytes = 1;
    request.max_bytes = 1 << 20;
    request.session_epoch = session_epoch;
    ask->look = look_fetched;
    live_ask_start(ask, client, API_FETCH, 12, &request);
}

static int16_t commit_error;

static void look_committed(struct live_ask *ask, const void *response)
{
    const struct offset_commit_response *answer = response;

    commit_error = answer->topics.items[0].partitions.items[0].error_code;
}

static void ignore(struct live_ask *ask, const void *response)
{
}

/* The offset of a group that nobody has joined. */
static void commit(const char *group, const char *topic_name, int32_t partition_index,
                   int64_t offset)
{
    struct wire_string keys[1] = {wire_string(group)};
    struct find_coordinator_request find;
    struct offset_commit_request_partition partition;
    struct offset_commit_request_topic topic = {.name = wire_string(topic_name)};
    struct offset_commit_request request;
    struct live_ask ask = {.look = ignore};

    codec_set_defaults(&find_coordinator_request_desc, &find);
    find.coordinator_keys.items = keys;
    find.coordinator_keys.count = 1;
    live_ask(&ask, live_client(0), API_FIND_COORDINATOR, 4, &find);
    codec_set_defaults(&offset_commit_request_desc, &request);
    codec_set_struct_defaults(&offset_commit_request_partition_struct, &partition);
    partition.partition_index = partition_index;
    partition.committed_offset = offset;
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    request.group_id = wire_string(group);
    request.topics.items = &topic;
    request.topics.count = 1;
    ask.look = look_committed;
    for (int i = 0; i == 0 || (commit_error != KAFKA_NONE && i < 10); i++)
        live_ask(&ask, live_client(0), API_OFFSET_COMMIT, 8, &request);
    cr_assert(eq(i16, commit_error, KAFKA_NONE));
}

/* ---- the tests */

static void values_are_what_was_done(uint32_t shards_count)
{
    uint32_t bytes;
    struct live_ask ask = {0};

    live_start(shards_count, offsets_sets);
    (void)live_topic(live_client(0), "t", 3);
    bytes = produce("t", 0, 5) + produce("t", 0, 2) + produce("t", 2, 1);
    (void)produce("nothing", 0, 1);
    cr_assert(eq(i16, produced.error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    start_fetch(&ask, live_client(1), 0, -1);
    cr_assert(live_ask_wait(&ask, 60000));
    commit("g", "t", 0, 3);
    scrape();
    expect_value("levee_metrics_complete", 1);
    /* topics */
    expect_value("kafka_topic_partitions{topic=\"t\"}", 3);
    expect_value("kafka_server_brokertopicmetrics_messagesin_total{topic=\"t\"}", 8);
    expect_value("kafka_server_brokertopicmetrics_bytesin_total{topic=\"t\"}", bytes);
    expect_value("kafka_server_brokertopicmetrics_bytesout_total{topic=\"t\"}", fetched_bytes);
    expect_value("kafka_server_brokertopicmetrics_totalproducerequests_total{topic=\"t\"}", 3);
    expect_value("kafka_server_brokertopicmetrics_totalproducerequests_total", 4);
    expect_value("kafka_server_brokertopicmetrics_failedproducerequests_total{topic=\"t\"}", 0);
    expect_value("kafka_server_brokertopicmetrics_failedproducerequests_total", 1);
    expect_value("kafka_server_brokertopicmetrics_totalfetchrequests_total{topic=\"t\"}", 1);
    /* partitions */
    expect_value("kafka_topic_partition_current_offset{topic=\"t\",partition=\"0\"}", 7);
    expect_value("kafka_topic_partition_current_offset{topic=\"t\",partition=\"1\"}", 0);
    expect_value("kafka_topic_partition_oldest_offset{topic=\"t\",partition=\"0\"}", 0);
    expect_value("kafka_log_log_logendoffset{topic=\"t\",partition=\"2\"}", 1);
    expect_value("kafka_log_log_numlogsegments{topic=\"t\",partition=\"2\"}", 1);
    expect_value("kafka_topic_partition_in_sync_replica{topic=\"t\",partition=\"1\"}", 1);
    expect_value("kafka_server_replicamanager_partitioncount", 3 + 4);
    expect_value("kafka_server_replicamanager_leadercount", 3 + 4);
    expect_value("kafka_server_replicamanager_atminisrpartitioncount", 3 + 4);
    expect_value("kafka_server_replicamanager_underreplicatedpartitions", 0);
    expect_value("kafka_controller_kafkacontroller_globaltopiccount", 2);
    expect_value("kafka_controller_kafkacontroller_globalpartitioncount", 3 + 4);
    /* requests */
    expect_value("kafka_network_requestmetrics_requests_total{request=\"Produce\",version=\"9\"}",
                 4);
    expect_value("kafka_network_requestmetrics_errors_total{request=\"Produce\",error=\"NONE\"}",
                 3);
    expect_value("kafka_network_requestmetrics_errors_total{request=\"Produce\",error=\"UNKNOWN_"
                 "TOPIC_OR_PARTITION\"}",
                 1);
    expect_value("kafka_network_requestmetrics_totaltimems_count{request=\"Produce\"}", 4);
    expect_value("levee_request_seconds_count{request=\"Produce\",phase=\"remote\"}", 4);
    expect_value("levee_requests_in_work{request=\"Produce\"}", 0);
    cr_assert(value_of("levee_journal_commit_seconds_count") >= 3);
    /* groups */
    expect_value("kafka_coordinator_group_groupmetadatamanager_numgroups", 1);
    expect_value("kafka_coordinator_group_groupmetadatamanager_numgroupsempty", 1);
    expect_value("kafka_coordinator_group_groupmetadatamanager_numoffsets", 1);
    expect_value("kafka_consumergroup_members{consumergroup=\"g\"}", 0);
    expect_value(
        "kafka_consumergroup_current_offset{consumergroup=\"g\",topic=\"t\",partition=\"0\"}", 3);
    expect_value("kafka_consumergroup_lag{consumergroup=\"g\",topic=\"t\",partition=\"0\"}", 4);
    expect_value("kafka_consumergroup_lag_sum{consumergroup=\"g\",topic=\"t\"}", 4);
    expect_value("levee_metrics_left_out{kind=\"partitions\"}", 0);
}

Test(scrape, values_are_what_was_done_by_one_shard)
{
    values_are_what_was_done(1);
}

Test(scrape, values_are_what_was_done_by_three_shards)
{
    values_are_what_was_done(3);
}

static bool never(void *context)
{
    return false;
}

Test(scrape, a_waiting_fetch_is_seen_and_its_bytes_count_once)
{
    struct live_ask ask = {0};

    live_start(2, NULL);
    (void)live_topic(live_client(0), "t", 1);
    start_fetch(&ask, live_client(1), 0, 0);
    cr_assert(not(live_ask_wait(&ask, 100)));
    scrape();
    expect_value("levee_requests_in_work{request=\"Fetch\"}", 1);
    expect_value("kafka_server_delayedoperationpurgatory_purgatorysize{delayedoperation=\"Fetch\"}",
                 1);
    expect_value("kafka_server_delayedoperationpurgatory_purgatorysize{delayedoperation="
                 "\"Produce\"}",
                 0);
    expect_value("kafka_server_fetchsessioncache_numincrementalfetchsessions", 1);
    expect_value("kafka_server_fetchsessioncache_numincrementalfetchpartitionscached", 1);
    (void)produce("t", 0, 1);
    cr_assert(live_ask_wait(&ask, 60000));
    scrape();
    expect_value("levee_requests_in_work{request=\"Fetch\"}", 0);
    expect_value("kafka_server_brokertopicmetrics_bytesout_total{topic=\"t\"}", fetched_bytes);
    cr_assert(value_of("kafka_network_requestmetrics_remotetimems_sum{request=\"Fetch\"}") >= 100);
    expect_value("levee_request_seconds_bucket{request=\"Fetch\",phase=\"queue\",le=\"0.1\"}", 1);
}

Test(scrape, percentiles_forget_and_counts_do_not)
{
    static const char slowest[] =
        "kafka_network_requestmetrics_totaltimems{request=\"Fetch\",quantile=\"0.999\"}";
    struct live_ask ask = {0};

    live_start(2, NULL);
    (void)live_topic(live_client(0), "t", 1);
    start_fetch(&ask, live_client(1), 0, -1);
    cr_assert(not(live_ask_wait(&ask, 100)));
    (void)produce("t", 0, 1);
    cr_assert(live_ask_wait(&ask, 60000));
    for (int i = 0; i < 3; i++) { /* its window ends with the third */
        scrape();
        cr_assert(value_of(slowest) >= 100, "%g", value_of(slowest));
        (void)sim_world_run_until(live.world, never, NULL, 140 * SIM_SECOND);
    }
    start_fetch(&ask, live_client(1), 0, -1); /* a fast one */
    cr_assert(live_ask_wait(&ask, 60000));
    (void)sim_world_run_until(live.world, never, NULL, 40 * SIM_SECOND);
    scrape();
    cr_assert(value_of(slowest) < 100, "%g", value_of(slowest));
    expect_value("kafka_network_requestmetrics_totaltimems_count{request=\"Fetch\"}", 2);
    expect_value("levee_request_seconds_count{request=\"Fetch\",phase=\"total\"}", 2);
}

Test(scrape, lag_in_seconds_is_the_age_of_what_is_next)
{
    static const char series[] = "levee_group_lag_seconds{group=\"g\",topic=\"t\",partition=\"0\"}";

    live_start(2, offsets_sets);
    (void)live_topic(live_client(0), "t", 1);
    (void)produce("t", 0, 1);
    commit("g", "t", 0, 1);
    scrape();
    expect_value(series, 0);
    (void)sim_world_run_until(live.world, never, NULL, 3600 * SIM_SECOND);
    scrape();
    expect_value(series, 0); /* nothing came meanwhile */
    (void)produce("t", 0, 1);
    (void)sim_world_run_until(live.world, never, NULL, 60 * SIM_SECOND);
    (void)produce("t", 0, 1);
    scrape();
    cr_assert(value_of(series) >= 60 && value_of(series) < 61, "%g", value_of(series));
    expect_value("kafka_consumergroup_lag{consumergroup=\"g\",topic=\"t\",partition=\"0\"}", 2);
    commit("g", "t", 0, 2);
    scrape();
    cr_assert(value_of(series) < 1, "%g", value_of(series));
    commit("g", "t", 0, 3);
    scrape();
    expect_value(series, 0);
}

Test(scrape, what_is_beyond_the_limit_is_counted)
{
    static const char *const sets[] = {"offsets.topic.num.partitions=1", "levee.metrics.rows.max=4",
                                       NULL};

    live_start(2, sets);
    (void)live_topic(live_client(0), "a", 2);
    (void)live_topic(live_client(0), "b", 2);
    (void)live_topic(live_client(0), "c", 1);
    for (int32_t i = 0; i < 3; i++) {
        commit("g", "a", i % 2, i);
        commit("h", "b", i % 2, i);
        commit("i", "c", 0, i);
    }
    (void)produce("b", 1, 3);
    scrape(); /* __consumer_offsets has one row, a two; b has no room; c has the last one */
    expect_value("kafka_topic_partitions{topic=\"a\"}", 2);
    expect_none("kafka_topic_partitions{topic=\"b\"}");
    expect_none("kafka_topic_partition_current_offset{topic=\"b\",partition=\"0\"}");
    expect_value("kafka_topic_partitions{topic=\"c\"}", 1);
    expect_value("levee_metrics_left_out{kind=\"partitions\"}", 2);
    expect_value("levee_metrics_left_out{kind=\"offsets\"}", 1);
    expect_value("kafka_coordinator_group_groupmetadatamanager_numoffsets", 5);
    expect_value("kafka_server_replicamanager_partitioncount", 6);
    expect_value("kafka_server_brokertopicmetrics_messagesin_total", 3 + 9); /* and 9 offsets */
}

/* A tour lets go of the loop, and stands what changes meanwhile. */
Test(scrape, many_partitions_are_told_in_slices_while_topics_go)
{
    enum { PARTITIONS = 700 };
    struct live_ask ask = {0};
    bool done = false;
    uint64_t turns;

    live_start(1, NULL);
    (void)live_topic(live_client(0), "a", PARTITIONS);
    (void)live_topic(live_client(0), "b", PARTITIONS);
    (void)live_client(1);
    turns = broker_shard(live.broker.broker, 0)->loop.turn_count;
    scrape();
    /* two walks over 1400 partitions, 256 a turn at most */
    cr_assert(broker_shard(live.broker.broker, 0)->loop.turn_count - turns >= 6);
    expect_value("levee_metrics_left_out{kind=\"partitions\"}", 0);
    expect_value("kafka_server_replicamanager_partitioncount", 2 * PARTITIONS);
    expect_value("kafka_topic_partition_current_offset{topic=\"b\",partition=\"699\"}", 0);
    live_delete_start(&ask, live_client(1), "b", 60000);
    while (!ask.is_done) { /* tours at every point of the deletion */
        done = false;
        cr_assert(scrape_start(broker_scrape(live.broker.broker), on_done, &done));
        cr_assert(sim_world_run_until(live.world, is_set, &done, 60 * SIM_SECOND));
        write_text();
        cr_assert(value_of("kafka_server_replicamanager_partitioncount") >= PARTITIONS);
    }
    scrape();
    expect_value("kafka_server_replicamanager_partitioncount", PARTITIONS);
    expect_none("kafka_topic_partitions{topic=\"b\"}");
}

Test(scrape, without_a_tour_the_rest_is_told)
{
    live_start(2, NULL);
    write_text();
    expect_value("levee_metrics_complete", 0);
    expect_none("kafka_controller_kafkacontroller_globaltopiccount");
    cr_assert(value_of("levee_memory_max_bytes{budget=\"answers\"}") > 0);
    scrape();
    expect_value("levee_metrics_complete", 1);
    write_text(); /* facts are told once */
    expect_value("levee_metrics_complete", 0);
}

Test(scrape, a_name_that_is_no_text_does_not_spoil_the_answer)
{
    live_start(1, offsets_sets);
    (void)live_topic(live_client(0), "t", 1);
    commit("a\"b\\c\nd", "t", 0, 0);
    scrape();
    expect_value("kafka_consumergroup_members{consumergroup=\"a\\\"b\\\\c\\nd\"}", 0);
}

/* ---- the list of metrics, which the documentation is made from */

Test(scrape, every_metric_of_the_list_is_told_and_no_other)
{
    static struct process_metrics process;
    struct live_ask ask = {0};

    live_start(2, offsets_sets);
    process_metrics_register(&process, &live.broker.health, 0, 2, "plain", &live.broker.metrics);
    (void)live_topic(live_client(0), "t", 1);
    (void)produce("t", 0, 1);
    start_fetch(&ask, live_client(1), 0, 0);
    cr_assert(live_ask_wait(&ask, 60000));
    commit("g", "t", 0, 0);
    scrape();
    for (int id = 0; id < FAMILY_COUNT; id++) {
        char line[256];
        snprintf(line, sizeof(line), "# HELP %s ", metric_family((enum metric_id)id)->name);
        cr_assert(strstr(text.bytes, line) != NULL, "%s is never told", line);
    }
    for (const char *line = strstr(text.bytes, "# TYPE "); line != NULL;
         line = strstr(line + 1, "# TYPE ")) {
        bool known = false;
        for (int id = 0; id < FAMILY_COUNT && !known; id++) {
            const char *name = metric_family((enum metric_id)id)->name;
            known = strncmp(line + 7, name, strlen(name)) == 0 && line[7 + strlen(name)] == ' ';
        }
        cr_assert(known, "%.60s", line);
    }
    expect_value("kafka_server_kafkaserver_brokerstate", 3);
    expect_value("kafka_log_logmanager_offlinelogdirectorycount", 0);
}

/* ---- connections, by the listener at which they came (Kafka's tag) */

Test(scrape, connections_and_their_bytes_are_told_by_listener)
{
#define OURS "{listener=\"PLAINTEXT\"}"
    double connections;

    live_start(2, NULL);
    (void)live_topic(live_client(0), "t", 1);
    (void)live_client(1);
    sim_world_run_for(live.world, 100 * SIM_MS);
    write_text();
    connections = value_of("kafka_server_socket_server_metrics_connection_count" OURS);
    cr_assert(connections == 2, "%g", connections);
    expect_value("kafka_server_socket_server_metrics_connection_creation_total" OURS, 2);
    expect_value("kafka_server_socket_server_metrics_connection_close_total" OURS, 0);
    expect_value("levee_requests_total" OURS, 1);
    cr_assert(value_of("kafka_server_socket_server_metrics_incoming_byte_total" OURS) > 30);
    cr_assert(value_of("kafka_server_socket_server_metrics_outgoing_byte_total" OURS) > 30);
    expect_none("levee_requests_total");
    sim_node_crash(live.clients[1].node, SIM_KILL);
    sim_world_run_for(live.world, 1000 * SIM_MS);
    write_text();
    expect_value("kafka_server_socket_server_metrics_connection_count" OURS, 1);
    expect_value("kafka_server_socket_server_metrics_connection_close_total" OURS, 1);
#undef OURS
}
