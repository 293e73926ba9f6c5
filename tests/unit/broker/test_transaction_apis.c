/* Transactions as clients ask for them, of a whole broker. */
#include "broker/scrape.h"
#include "net/protocol/msg_add_partitions_to_txn.h"
#include "net/protocol/msg_describe_transactions.h"
#include "net/protocol/msg_end_txn.h"
#include "net/protocol/msg_find_coordinator.h"
#include "net/protocol/msg_init_producer_id.h"
#include "net/protocol/msg_list_transactions.h"
#include "net/protocol/msg_write_txn_markers.h"
#include "tests/unit/broker/live_rig.h"

static struct producer {
    const char *id;
    int64_t producer_id;
    int16_t epoch;
} producer;

static int16_t answered; /* the last error code */

static void set_up(void)
{
    live_start(2, NULL);
    live_topic(live_client(0), "t", 4);
}

TestSuite(transaction_apis, .init = set_up, .timeout = 120);

static void look_init(struct live_ask *ask, const void *response)
{
    const struct init_producer_id_response *answer = response;

    answered = answer->error_code;
    producer.producer_id = answer->producer_id;
    producer.epoch = answer->producer_epoch;
}

/* Which makes __transaction_state. */
static void find(struct live_client *client, const char *id)
{
    struct wire_string key = wire_string(id);
    struct find_coordinator_request request;
    struct live_ask ask = {0};

    codec_set_defaults(&find_coordinator_request_desc, &request);
    request.key_type = KAFKA_COORDINATOR_KEY_TYPE_TRANSACTION;
    request.coordinator_keys.items = &key;
    request.coordinator_keys.count = 1;
    live_ask(&ask, client, API_FIND_COORDINATOR, 4, &request);
}

/* Until the coordinator is there. */
static void init(struct live_client *client, const char *id)
{
    struct init_producer_id_request request;
    struct live_ask ask = {.look = look_init};

    codec_set_defaults(&init_producer_id_request_desc, &request);
    request.transactional_id = wire_string(id);
    request.transaction_timeout_ms = 60000;
    producer.id = id;
    find(client, id);
    for (int i = 0; i < 100; i++) {
        live_ask(&ask, client, API_INIT_PRODUCER_ID, 4, &request);
        if (answered == KAFKA_NONE)
            return;
        sim_world_run_until_idle(live.world, 100 * SIM_MS);
    }
    cr_assert(eq(i16, answered, KAFKA_NONE));
}

static void look_added(struct live_ask *ask, const void *response)
{
    const struct add_partitions_to_txn_response *answer = response;

    answered = answer->results_by_topic_v3_and_below.items[0]
                   .results_by_partition.items[0]
                   .partition_error_code;
}

static void add_start(struct live_ask *ask, struct live_client *client, int32_t partition)
{
    struct add_partitions_to_txn_request_add_partitions_to_txn_topic topic = {
        .name = wire_string("t"), .partitions = {&partition, 1}};
    struct add_partitions_to_txn_request request;

    codec_set_defaults(&add_partitions_to_txn_request_desc, &request);
    request.v3_and_below_transactional_id = wire_string(producer.id);
    request.v3_and_below_producer_id = producer.producer_id;
    request.v3_and_below_producer_epoch = producer.epoch;
    request.v3_and_below_topics.items = &topic;
    request.v3_and_below_topics.count = 1;
    *ask = (struct live_ask){.look = look_added};
    live_ask_start(ask, client, API_ADD_PARTITIONS_TO_TXN, 3, &request);
}

/* Until what was before has ended. */
static void add(struct live_client *client, int32_t partition)
{
    struct live_ask ask;

    for (int i = 0; i < 100; i++) {
        add_start(&ask, client, partition);
        cr_assert(live_ask_wait(&ask, 10000));
        cr_assert(eq(int, ask.err, OK));
        if (answered != KAFKA_CONCURRENT_TRANSACTIONS)
            break;
        sim_world_run_until_idle(live.world, 20 * SIM_MS);
    }
    cr_assert(eq(i16, answered, KAFKA_NONE));
}

static void look_ended(struct live_ask *ask, const void *response)
{
    answered = ((const struct end_txn_response *)response)->error_code;
}

static void end_start(struct live_ask *ask, struct live_client *client, bool commit)
{
    struct end_txn_request request;

    codec_set_defaults(&end_txn_request_desc, &request);
    request.transactional_id = wire_string(producer.id);
    request.producer_id = producer.producer_id;
    request.producer_epoch = producer.epoch;
    request.committed = commit;
    *ask = (struct live_ask){.look = look_ended};
    live_ask_start(ask, client, API_END_TXN, 1, &request);
}

static void end(struct live_client *client, bool commit)
{
    struct live_ask ask;

    end_start(&ask, client, commit);
    cr_assert(live_ask_wait(&ask, 10000));
    cr_assert(eq(int, ask.err, OK));
    cr_assert(eq(i16, answered, KAFKA_NONE));
}

/* ---- the guard of transaction_guard.h */

Test(transaction_apis, an_end_of_an_earlier_connection_does_not_end_the_next_transaction)
{
    struct live_client *early = live_client(1);
    struct live_client *late = live_client(2);
    struct live_ask ask;

    init(early, "prod-1");
    add(early, 0);
    end(late, true); /* it was repeated on another one */
    add(late, 1);
    end_start(&ask, early, true); /* the delayed one */
    cr_assert(live_ask_wait(&ask, 10000));
    cr_assert(ne(int, ask.err, OK), "its connection is closed");
    end(late, true);
}

Test(transaction_apis, partitions_of_an_earlier_connection_are_not_added)
{
    struct live_client *early = live_client(1);
    struct live_client *late = live_client(2);
    struct live_ask ask;

    init(early, "prod-1");
    add(late, 0);
    add_start(&ask, early, 1);
    cr_assert(live_ask_wait(&ask, 10000));
    cr_assert(ne(int, ask.err, OK), "its connection is closed");
    end(late, true);
    init(live_client(1), "prod-1"); /* the same client, dialled anew, is not asked about it */
    add(live_client(1), 1);
}

/* ---- ListTransactions */

static struct {
    int16_t error;
    int32_t count;
    int32_t unknown_count;
    char first[64]; /* "id state" */
} listed;

static void look_listed(struct live_ask *ask, const void *response)
{
    const struct list_transactions_response *answer = response;

    listed.error = answer->error_code;
    listed.count = answer->transaction_states.count;
    listed.unknown_count = answer->unknown_state_filters.count;
    listed.first[0] = '\0';
    if (listed.count > 0)
        snprintf(listed.first, sizeof(listed.first), "%.*s %.*s",
                 answer->transaction_states.items[0].transactional_id.size_bytes,
                 answer->transaction_states.items[0].transactional_id.text,
                 answer->transaction_states.items[0].transaction_state.size_bytes,
                 answer->transaction_states.items[0].transaction_state.text);
}

struct asked_list {
    const char *state;
    int64_t producer_id; /* 0: any */
    int64_t duration_ms; /* 0: any */
    const char *pattern;
};

static void list(const struct asked_list *asked)
{
    struct wire_string state = wire_string(asked->state);
    int64_t producer_id = asked->producer_id;
    struct list_transactions_request request;
    struct live_ask ask = {.look = look_listed};

    codec_set_defaults(&list_transactions_request_desc, &request);
    request.state_filters.items = &state;
    request.state_filters.count = asked->state != NULL;
    request.producer_id_filters.items = &producer_id;
    request.producer_id_filters.count = producer_id != 0;
    if (asked->duration_ms != 0)
        request.duration_filter = asked->duration_ms;
    request.transactional_id_pattern = wire_string(asked->pattern);
    live_ask(&ask, live_client(0), API_LIST_TRANSACTIONS, 2, &request);
}

#define expect_listed(count_, ...)                    \
    do {                                              \
        list(&(struct asked_list){__VA_ARGS__});      \
        cr_expect(eq(i16, listed.error, KAFKA_NONE)); \
        cr_expect(eq(i32, listed.count, count_));     \
    } while (0)

Test(transaction_apis, transactions_are_listed_by_state_producer_duration_and_name)
{
    static char ids[9][16];
    int64_t open_id;

    for (int i = 0; i < 9; i++) { /* on both shards */
        snprintf(ids[i], sizeof(ids[i]), "idle-%d", i);
        init(live_client(1), ids[i]);
    }
    init(live_client(1), "prod-1");
    open_id = producer.producer_id;
    add(live_client(1), 0);
    sim_world_run_until_idle(live.world, 5 * SIM_SECOND);
    expect_listed(10);
    expect_listed(1, .state = "Ongoing");
    cr_expect(eq(str, listed.first, "prod-1 Ongoing"));
    expect_listed(9, .state = "Empty");
    expect_listed(0, .state = "Dead");
    expect_listed(0, .state = "NoState");
    cr_expect(eq(i32, listed.unknown_count, 1));
    expect_listed(1, .producer_id = open_id);
    expect_listed(0, .producer_id = 999999);
    expect_listed(1, .state = "Ongoing", .duration_ms = 1);
    expect_listed(0, .state = "Ongoing", .duration_ms = 3600000);
    expect_listed(9, .pattern = "idle-.*");
    expect_listed(2, .pattern = "idle-[12]");
    expect_listed(0, .pattern = "idle");
    expect_listed(10, .pattern = "");
    list(&(struct asked_list){.pattern = "(idle"});
    cr_expect(eq(i16, listed.error, KAFKA_INVALID_REGULAR_EXPRESSION));
    end(live_client(1), true);
    sim_world_run_until_idle(live.world, SIM_SECOND);
    expect_listed(1, .state = "CompleteCommit");
    cr_expect(eq(str, listed.first, "prod-1 CompleteCommit"));
}

Test(transaction_apis, a_pattern_that_takes_too_long_is_refused)
{
    init(live_client(1), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    list(&(struct asked_list){.pattern = "(a+)+(a+)+[xy]"});
    cr_expect(eq(i16, listed.error, KAFKA_INVALID_REGULAR_EXPRESSION));
    expect_listed(1, .pattern = "a+");
}

/* ---- DescribeTransactions */

static struct {
    int16_t errors[3];
    char text[128];
} told;

static void look_described(struct live_ask *ask, const void *response)
{
    const struct describe_transactions_response *answer = response;
    const struct describe_transactions_response_transaction_state *first =
        &answer->transaction_states.items[0];
    int32_t partitions = 0;

    for (int32_t i = 0; i < 3 && i < answer->transaction_states.count; i++)
        told.errors[i] = answer->transaction_states.items[i].error_code;
    for (int32_t t = 0; t < first->topics.count; t++)
        partitions += first->topics.items[t].partitions.count;
    snprintf(told.text, sizeof(told.text), "%.*s %.*s timeout %d topics %d partitions %d open %d",
             first->transactional_id.size_bytes, first->transactional_id.text,
             first->transaction_state.size_bytes, first->transaction_state.text,
             first->transaction_timeout_ms, first->topics.count, partitions,
             first->transaction_start_time_ms > 0);
    if (told.errors[0] == KAFKA_NONE) {
        cr_expect(eq(i64, first->producer_id, producer.producer_id));
        cr_expect(eq(i16, first->producer_epoch, producer.epoch));
    }
}

static void describe(const char *first, const char *second, const char *third)
{
    struct wire_string ids[3] = {wire_string(first), wire_string(second), wire_string(third)};
    struct describe_transactions_request request;
    struct live_ask ask = {.look = look_described};

    codec_set_defaults(&describe_transactions_request_desc, &request);
    request.transactional_ids.items = ids;
    request.transactional_ids.count = 3;
    live_ask(&ask, live_client(0), API_DESCRIBE_TRANSACTIONS, 0, &request);
}

Test(transaction_apis, transactions_are_described)
{
    init(live_client(1), "prod-1");
    describe("prod-1", "nobody", "");
    cr_expect(eq(i16, told.errors[0], KAFKA_NONE));
    cr_expect(eq(i16, told.errors[1], KAFKA_TRANSACTIONAL_ID_NOT_FOUND));
    cr_expect(eq(i16, told.errors[2], KAFKA_INVALID_REQUEST));
    cr_expect(eq(str, told.text, "prod-1 Empty timeout 60000 topics 0 partitions 0 open 0"));
    add(live_client(1), 0);
    add(live_client(1), 3);
    describe("prod-1", "prod-1", "nobody");
    cr_expect(eq(str, told.text, "prod-1 Ongoing timeout 60000 topics 1 partitions 2 open 1"));
    cr_expect(eq(i16, told.errors[1], KAFKA_INVALID_REQUEST), "it is told once");
    end(live_client(1), false);
    sim_world_run_until_idle(live.world, SIM_SECOND);
    describe("prod-1", "nobody", "nobody");
    cr_expect(
        eq(str, told.text, "prod-1 CompleteAbort timeout 60000 topics 0 partitions 0 open 1"));
}

/* ---- WriteTxnMarkers */

static int16_t of_partition[4];

static void look_marked(struct live_ask *ask, const void *response)
{
    const struct write_txn_markers_response *answer = response;
    int32_t at = 0;

    cr_assert(eq(i32, answer->markers.count, 1), "one without topics is left out");
    for (int32_t t = 0; t < answer->markers.items[0].topics.count; t++)
        for (int32_t p = 0; p < answer->markers.items[0].topics.items[t].partitions.count; p++)
            of_partition[at++] =
                answer->markers.items[0].topics.items[t].partitions.items[p].error_code;
}

/* Of t-0, t-1, t-9 and gone-0. */
static void mark(int16_t version)
{
    int32_t indexes[3] = {0, 1, 9};
    int32_t zero = 0;
    struct write_txn_markers_request_writable_txn_marker_topic topics[2] = {
        {.name = wire_string("t"), .partition_indexes = {indexes, 3}},
        {.name = wire_string("gone"), .partition_indexes = {&zero, 1}}};
    struct write_txn_markers_request_writable_txn_marker markers[2] = {
        {.producer_id = 1},
        {.producer_id = producer.producer_id,
         .producer_epoch = producer.epoch,
         .topics = {topics, 2},
         .coordinator_epoch = 0}};
    struct write_txn_markers_request request;
    struct live_ask ask = {.look = look_marked};

    codec_set_defaults(&write_txn_markers_request_desc, &request);
    request.markers.items = markers;
    request.markers.count = 2;
    live_ask(&ask, live_client(0), API_WRITE_TXN_MARKERS, version, &request);
}

Test(transaction_apis, an_administrator_does_not_abort_a_part_of_what_its_coordinator_has_open)
{
    init(live_client(1), "prod-1");
    add(live_client(1), 0);
    for (int16_t version = 1; version <= 2; version++) {
        mark(version);
        cr_expect(eq(i16, of_partition[0], KAFKA_INVALID_TXN_STATE));
        cr_expect(eq(i16, of_partition[1], KAFKA_NONE), "nobody has it open");
        cr_expect(eq(i16, of_partition[2], KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
        cr_expect(eq(i16, of_partition[3], KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    }
    end(live_client(1), true);
    sim_world_run_until_idle(live.world, SIM_SECOND);
    mark(1);
    cr_expect(eq(i16, of_partition[0], KAFKA_NONE));
}

/* ---- metrics */

static struct metrics_text text;

static void on_scraped(void *context)
{
    *(bool *)context = true;
}

static bool is_set(void *context)
{
    return *(bool *)context;
}

static bool tells(const char *line)
{
    return strstr(text.bytes, line) != NULL;
}

static void scrape(void)
{
    bool done = false;

    cr_assert(scrape_start(broker_scrape(live.broker.broker), on_scraped, &done));
    cr_assert(sim_world_run_until(live.world, is_set, &done, 60 * SIM_SECOND));
    metrics_text_deinit(&text);
    cr_assert(eq(int, metrics_write(&live.broker.metrics, &text), OK));
}

Test(transaction_apis, metrics_tell_what_is_open_since_when_and_how_it_ended)
{
    init(live_client(1), "prod-1");
    init(live_client(1), "prod-2");
    add(live_client(1), 0);
    add(live_client(1), 1);
    sim_world_run_until_idle(live.world, 7 * SIM_SECOND);
    scrape();
    cr_expect(tells("\nlevee_transactional_ids 2\n"));
    cr_expect(tells("\nlevee_transactions_open 1\n"));
    cr_expect(tells("\nlevee_transaction_oldest_seconds 7."), "%s",
              strstr(text.bytes, "\nlevee_transaction_oldest"));
    cr_expect(tells("\nlevee_transactions_fenced_total 0\n"));
    init(live_client(2), "prod-2"); /* another process */
    add(live_client(2), 3);
    sim_world_run_until_idle(live.world, 80 * SIM_SECOND);
    scrape();
    cr_expect(tells("\nlevee_transactions_open 0\n"));
    cr_expect(tells("\nlevee_transaction_oldest_seconds 0\n"));
    cr_expect(tells("\nlevee_transactions_fenced_total 1\n"));
    cr_expect(tells("\nlevee_transactions_timed_out_total 1\n"));
    cr_expect(tells("\nlevee_transaction_markers_total 3\n"));
}
