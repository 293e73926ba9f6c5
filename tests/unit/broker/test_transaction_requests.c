/* InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn as clients ask them, and the
 * registrations that partitions ask for. */
#include "broker/coordinator/transaction_registration.h"
#include "broker/handlers.h"
#include "net/protocol/msg_add_offsets_to_txn.h"
#include "net/protocol/msg_add_partitions_to_txn.h"
#include "net/protocol/msg_end_txn.h"
#include "net/protocol/msg_init_producer_id.h"
#include "tests/unit/broker/coordinator_rig.h"

enum { TIMEOUT_MS = 60000, ANY_VERSION = -1 };

static void setup(void)
{
    transactions_up(NULL);
    rig_create_topic("t", 4);
    rig_create_topic("u", 2);
}

TestSuite(transaction_requests, .init = setup, .fini = transactions_down);

/* What the latest InitProducerId or EndTxn has told. */
static int64_t told_id;
static int16_t told_epoch;

static struct wire_string asked_text(struct ask *ask, const char *text)
{
    return wire_string(text == NULL ? NULL : rig_text(ask->request, wire_string(text)));
}

static void start_init(struct ask *ask, const char *id, int64_t producer_id, int16_t epoch,
                       int16_t version)
{
    struct init_producer_id_request *body;

    *ask = ask_new(API_INIT_PRODUCER_ID, version);
    body = ask->body;
    body->transactional_id = asked_text(ask, id);
    body->transaction_timeout_ms = TIMEOUT_MS;
    body->producer_id = producer_id;
    body->producer_epoch = epoch;
    ask_start(ask, handle_init_producer_id);
}

static int16_t end_init(struct ask *ask)
{
    const struct init_producer_id_response *response = ask->response;
    int16_t error = response->error_code;

    told_id = response->producer_id;
    told_epoch = response->producer_epoch;
    ask_end(ask);
    return error;
}

static int16_t init_as(const char *id, int64_t producer_id, int16_t epoch, int16_t version)
{
    struct ask ask;

    start_init(&ask, id, producer_id, epoch, version);
    return end_init(&ask);
}

static int16_t init(const char *id)
{
    return init_as(id, -1, -1, 5);
}

static int16_t init_with_timeout(int32_t timeout_ms)
{
    struct ask ask = ask_new(API_INIT_PRODUCER_ID, 5);
    struct init_producer_id_request *body = ask.body;

    body->transactional_id = wire_string("id");
    body->transaction_timeout_ms = timeout_ms;
    ask_start(&ask, handle_init_producer_id);
    return end_init(&ask);
}

static void fill_topic(struct request *request,
                       struct add_partitions_to_txn_request_add_partitions_to_txn_topic *topic,
                       const char *name, int32_t partition)
{
    topic->name = wire_string(name);
    topic->partitions.items = rig_alloc(request, 1, sizeof(int32_t));
    topic->partitions.items[0] = partition;
    topic->partitions.count = 1;
}

enum { TOPICS = 3 };

/* topics: "t/0 u/1", up to three; errors_out as many. */
static void add_several(const char *id, int64_t producer_id, int16_t epoch, int16_t version,
                        const char *topics, int16_t *errors_out)
{
    struct ask ask = ask_new(API_ADD_PARTITIONS_TO_TXN, version);
    struct add_partitions_to_txn_request *body = ask.body;
    const struct add_partitions_to_txn_response *response;
    struct add_partitions_to_txn_request_add_partitions_to_txn_topic *items = rig_array(
        ask.request, &add_partitions_to_txn_request_add_partitions_to_txn_topic_struct, TOPICS);
    static char texts[TOPICS][32];
    int32_t count = 0;

    for (const char *at = topics; at != NULL && count < TOPICS; count++) {
        int32_t partition;
        cr_assert(eq(int, sscanf(at, "%31[^/]/%d", texts[count], &partition), 2));
        fill_topic(ask.request, &items[count], texts[count], partition);
        at = strchr(at, ' ');
        at = at == NULL ? NULL : at + 1;
    }
    body->v3_and_below_transactional_id = wire_string(id);
    body->v3_and_below_producer_id = producer_id;
    body->v3_and_below_producer_epoch = epoch;
    body->v3_and_below_topics.items = items;
    body->v3_and_below_topics.count = count;
    ask_start(&ask, handle_add_partitions_to_txn);
    response = ask.response;
    cr_assert(eq(i32, response->results_by_topic_v3_and_below.count, count));
    for (int32_t i = 0; i < count; i++)
        errors_out[i] = response->results_by_topic_v3_and_below.items[i]
                            .results_by_partition.items[0]
                            .partition_error_code;
    ask_end(&ask);
}

static int16_t add_as(const char *id, int64_t producer_id, int16_t epoch, int16_t version,
                      const char *topic)
{
    int16_t error;

    add_several(id, producer_id, epoch, version, topic, &error);
    return error;
}

static int16_t add(const char *id, const char *topic)
{
    const struct transaction_fields *fields = &entry_of(id)->transaction.fields;

    return add_as(id, fields->producer_id, fields->epoch, 3, topic);
}

static int16_t add_offsets(const char *id, int64_t producer_id, int16_t epoch, int16_t version)
{
    struct ask ask = ask_new(API_ADD_OFFSETS_TO_TXN, version);
    struct add_offsets_to_txn_request *body = ask.body;
    int16_t error;

    body->transactional_id = wire_string(id);
    body->producer_id = producer_id;
    body->producer_epoch = epoch;
    body->group_id = wire_string("group");
    ask_start(&ask, handle_add_offsets_to_txn);
    error = ((const struct add_offsets_to_txn_response *)ask.response)->error_code;
    ask_end(&ask);
    return error;
}

static void start_end(struct ask *ask, const char *id, int64_t producer_id, int16_t epoch,
                      bool commit, int16_t version)
{
    struct end_txn_request *body;

    *ask = ask_new(API_END_TXN, version);
    body = ask->body;
    body->transactional_id = wire_string(id);
    body->producer_id = producer_id;
    body->producer_epoch = epoch;
    body->committed = commit;
    ask_start(ask, handle_end_txn);
}

static int16_t end_end(struct ask *ask)
{
    const struct end_txn_response *response = ask->response;
    int16_t error = response->error_code;

    told_id = response->producer_id;
    told_epoch = response->producer_epoch;
    ask_end(ask);
    return error;
}

static int16_t end_as(const char *id, int64_t producer_id, int16_t epoch, bool commit,
                      int16_t version)
{
    struct ask ask;

    start_end(&ask, id, producer_id, epoch, commit, version);
    return end_end(&ask);
}

/* What a completion does: all markers, then Complete*. */
static void on_completed(struct transaction_step *step, enum err err)
{
    cr_assert(eq(int, err, OK));
}

static void complete(const char *id)
{
    struct transaction_entry *entry = entry_of(id);
    struct transaction_step step = {
        .entry = entry, .event = {.kind = TRANSACTION_COMPLETE}, .done = on_completed};

    while (entry->partitions.count > 0) {
        char name[300];
        snprintf(name, sizeof(name), "%s", entry->partitions.topics[0].name);
        transaction_coordinator_marked(entry, name, entry->partitions.topics[0].indexes[0]);
    }
    transaction_step_start(&step);
    transaction_completion_end(entry->completion);
    entry->completion = NULL;
    rig_settle();
}

/* An id in some state, with producer id 1000, epoch 0 when it began. */
static const char *in_state(enum transaction_state state, int16_t version)
{
    static char id[32];
    static int number;
    bool is_commit = state == TRANSACTION_PREPARE_COMMIT || state == TRANSACTION_COMPLETE_COMMIT;

    snprintf(id, sizeof(id), "id-%d", number++);
    next_producer_id = 1000;
    cr_assert(eq(i16, init(id), KAFKA_NONE));
    cr_assert(eq(i64, told_id, 1000));
    if (state == TRANSACTION_EMPTY)
        return id;
    cr_assert(eq(i16, add(id, "t/0"), KAFKA_NONE));
    if (state == TRANSACTION_ONGOING)
        return id;
    cr_assert(eq(i16, end_as(id, 1000, 0, is_commit, version), KAFKA_NONE));
    if (state == TRANSACTION_COMPLETE_COMMIT || state == TRANSACTION_COMPLETE_ABORT)
        complete(id);
    cr_assert(eq(int, entry_of(id)->transaction.fields.state, state));
    return id;
}

/* ---- InitProducerId */

Test(transaction_requests, a_first_init_draws_an_id_and_a_second_one_fences)
{
    cr_assert(eq(i16, init("id"), KAFKA_NONE));
    cr_assert(eq(i64, told_id, 1000));
    cr_assert(eq(i16, told_epoch, 0));
    cr_assert(eq(i16, init("id"), KAFKA_NONE));
    cr_assert(eq(i64, told_id, 1000));
    cr_assert(eq(i16, told_epoch, 1));
    cr_assert(eq(i16, init_as("id", 1000, 0, 5), KAFKA_PRODUCER_FENCED));
    cr_assert(eq(i64, told_id, -1));
    cr_assert(eq(i16, told_epoch, -1));
    cr_assert(eq(i16, init_as("id", 1000, 0, 3), KAFKA_INVALID_PRODUCER_EPOCH));
    cr_assert(eq(i16, init_as("id", 1000, 1, 5), KAFKA_NONE));
    cr_assert(eq(i16, told_epoch, 2));
    cr_assert(eq(i16, init_as("id", 1000, 1, 5), KAFKA_NONE)); /* the answer was lost */
    cr_assert(eq(i16, told_epoch, 2));
}

Test(transaction_requests, what_an_init_must_not_ask)
{
    cr_assert(eq(i16, init_as("", -1, -1, 5), KAFKA_INVALID_REQUEST));
    cr_assert(eq(i16, init_as("id", 5, -1, 5), KAFKA_INVALID_REQUEST));
    cr_assert(eq(i16, init_as("id", -1, 5, 5), KAFKA_INVALID_REQUEST));
    cr_assert(eq(i16, init_with_timeout(0), KAFKA_INVALID_TRANSACTION_TIMEOUT));
    cr_assert(eq(i16, init_with_timeout(-1), KAFKA_INVALID_TRANSACTION_TIMEOUT));
    cr_assert(eq(i16, init_with_timeout(900001), KAFKA_INVALID_TRANSACTION_TIMEOUT));
    cr_assert_null(entry_of("id"));
    cr_assert(eq(i16, init_with_timeout(900000), KAFKA_NONE));
    cr_assert(eq(i16, init_as(NULL, -1, -1, 5), KAFKA_NONE)); /* without transactions */
    cr_assert(eq(i64, told_id, 1001));
}

Test(transaction_requests, without_a_block_of_ids_an_init_comes_again)
{
    no_producer_id = ERR_TIMEOUT;
    cr_assert(eq(i16, init("id"), KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    no_producer_id = OK;
    cr_assert(eq(i16, init("id"), KAFKA_NONE));
}

Test(transaction_requests, an_exhausted_id_is_followed_by_another_one)
{
    init("id");
    entry_of("id")->transaction.fields.epoch = 32766;
    cr_assert(eq(i16, init("id"), KAFKA_NONE));
    cr_assert(eq(i64, told_id, 1001));
    cr_assert(eq(i16, told_epoch, 0));
    entry_of("id")->transaction.fields.epoch = 32766;
    add("id", "t/0");
    cr_assert(eq(i16, end_as("id", 1001, 32766, true, 5), KAFKA_NONE));
    cr_assert(eq(i64, told_id, 1002));
    cr_assert(eq(i16, told_epoch, 0));
    complete("id");
    cr_assert(eq(i16, end_as("id", 1001, 32766, true, 5), KAFKA_NONE)); /* again */
    cr_assert(eq(i64, told_id, 1002));
    cr_assert(eq(i16, end_as("id", 1001, 32766, false, 5), KAFKA_INVALID_TXN_STATE));
}

Test(transaction_requests, an_init_while_a_transaction_is_open_or_ends)
{
    const char *id = in_state(TRANSACTION_ONGOING, 5);

    cr_assert(eq(i16, init_as(id, 1000, 7, 5), KAFKA_PRODUCER_FENCED)); /* fences nothing */
    cr_assert(eq(int, entry_of(id)->transaction.fields.state, TRANSACTION_ONGOING));
    cr_assert(eq(i16, init(id), KAFKA_CONCURRENT_TRANSACTIONS));
    cr_assert(eq(int, entry_of(id)->transaction.fields.state, TRANSACTION_PREPARE_ABORT));
    cr_assert(eq(i16, init(id), KAFKA_CONCURRENT_TRANSACTIONS));
    complete(id);
    cr_assert(eq(i16, init(id), KAFKA_NONE));
    cr_assert(eq(i16, told_epoch, 2));
}

/* ---- EndTxn: the table of states */

static const struct {
    enum transaction_state state;
    bool is_v2;    /* how it was ended, and is asked */
    int16_t epoch; /* that is given */
    bool commit;
    int16_t error;
    int16_t told; /* the epoch of a good answer; V2 */
} ends[] = {
    {TRANSACTION_ONGOING, false, 0, true, KAFKA_NONE, -1},
    {TRANSACTION_ONGOING, false, 0, false, KAFKA_NONE, -1},
    {TRANSACTION_ONGOING, true, 0, true, KAFKA_NONE, 1},
    {TRANSACTION_ONGOING, true, 0, false, KAFKA_NONE, 1},
    {TRANSACTION_EMPTY, false, 0, true, KAFKA_INVALID_TXN_STATE, 0},
    {TRANSACTION_EMPTY, false, 0, false, KAFKA_INVALID_TXN_STATE, 0},
    {TRANSACTION_EMPTY, true, 0, true, KAFKA_INVALID_TXN_STATE, 0},
    {TRANSACTION_EMPTY, true, 0, false, KAFKA_NONE, 1},
    {TRANSACTION_PREPARE_COMMIT, false, 0, true, KAFKA_CONCURRENT_TRANSACTIONS, 0},
    {TRANSACTION_PREPARE_COMMIT, false, 0, false, KAFKA_CONCURRENT_TRANSACTIONS, 0},
    {TRANSACTION_PREPARE_COMMIT, false, 7, true, KAFKA_PRODUCER_FENCED, 0},
    {TRANSACTION_PREPARE_ABORT, true, 0, true, KAFKA_CONCURRENT_TRANSACTIONS, 0},
    {TRANSACTION_PREPARE_ABORT, true, 7, false, KAFKA_CONCURRENT_TRANSACTIONS, 0},
    {TRANSACTION_COMPLETE_COMMIT, false, 0, true, KAFKA_NONE, -1},
    {TRANSACTION_COMPLETE_COMMIT, false, 0, false, KAFKA_INVALID_TXN_STATE, 0},
    {TRANSACTION_COMPLETE_ABORT, false, 0, true, KAFKA_INVALID_TXN_STATE, 0},
    {TRANSACTION_COMPLETE_ABORT, false, 0, false, KAFKA_NONE, -1},
    {TRANSACTION_COMPLETE_COMMIT, true, 0, true, KAFKA_NONE, 1},
    {TRANSACTION_COMPLETE_COMMIT, true, 1, true, KAFKA_INVALID_TXN_STATE, 0},
    {TRANSACTION_COMPLETE_COMMIT, true, 0, false, KAFKA_INVALID_TXN_STATE, 0},
    {TRANSACTION_COMPLETE_COMMIT, true, 1, false, KAFKA_NONE, 2},
    {TRANSACTION_COMPLETE_ABORT, true, 0, true, KAFKA_INVALID_TXN_STATE, 0},
    {TRANSACTION_COMPLETE_ABORT, true, 1, true, KAFKA_INVALID_TXN_STATE, 0},
    {TRANSACTION_COMPLETE_ABORT, true, 0, false, KAFKA_NONE, 1},
    {TRANSACTION_COMPLETE_ABORT, true, 1, false, KAFKA_NONE, 2},
    {TRANSACTION_COMPLETE_ABORT, true, 5, false, KAFKA_PRODUCER_FENCED, 0},
};

Test(transaction_requests, ending_it_in_each_state)
{
    for (size_t i = 0; i < array_count(ends); i++) {
        int16_t version = ends[i].is_v2 ? 5 : 4;
        const char *id = in_state(ends[i].state, version);
        int16_t error = end_as(id, 1000, ends[i].epoch, ends[i].commit, version);
        cr_assert(eq(i16, error, ends[i].error), "row %zu", i);
        if (error == KAFKA_NONE && ends[i].is_v2)
            cr_assert(eq(i16, told_epoch, ends[i].told), "row %zu", i);
        if (error != KAFKA_NONE)
            cr_assert(eq(i16, told_epoch, -1), "row %zu", i);
    }
}

Test(transaction_requests, who_must_not_end_it)
{
    const char *id = in_state(TRANSACTION_ONGOING, 5);

    cr_assert(eq(i16, end_as("", 1000, 0, true, 5), KAFKA_INVALID_REQUEST));
    cr_assert(eq(i16, end_as("unknown", 1000, 0, true, 5), KAFKA_INVALID_PRODUCER_ID_MAPPING));
    cr_assert(eq(i16, end_as(id, 7, 0, true, 5), KAFKA_INVALID_PRODUCER_ID_MAPPING));
    cr_assert(eq(i16, end_as(id, 7, 0, true, 1), KAFKA_INVALID_PRODUCER_ID_MAPPING));
    cr_assert(eq(i16, end_as(id, 1000, 7, true, 5), KAFKA_PRODUCER_FENCED));
    cr_assert(eq(i16, end_as(id, 1000, 7, true, 2), KAFKA_PRODUCER_FENCED));
    cr_assert(eq(i16, end_as(id, 1000, 7, true, 1), KAFKA_INVALID_PRODUCER_EPOCH));
    cr_assert(eq(int, entry_of(id)->transaction.fields.state, TRANSACTION_ONGOING));
}

Test(transaction_requests, the_end_is_told_when_it_is_durable_and_goes_on_without_its_client)
{
    const char *id = in_state(TRANSACTION_ONGOING, 5);
    struct ask ask;

    rig.holds = true;
    start_end(&ask, id, 1000, 0, true, 5);
    rig_settle();
    cr_assert(not(ask.answered)); /* DUR-T2 */
    request_cancel(ask.request, REQUEST_PEER_GONE);
    rig_settle();
    cr_assert(eq(i16, end_end(&ask), KAFKA_COORDINATOR_NOT_AVAILABLE));
    rig.holds = false;
    rig_settle();
    cr_assert(eq(u32, seen.durable_count, 1));
    complete(id);
    cr_assert(eq(i16, end_as(id, 1000, 0, true, 5), KAFKA_NONE));
}

Test(transaction_requests, a_broker_that_closes_tells_nobody)
{
    const char *id = in_state(TRANSACTION_ONGOING, 5);
    struct ask ask;

    rig.holds = true;
    start_end(&ask, id, 1000, 0, true, 5);
    request_cancel(ask.request, REQUEST_CUT);
    rig_settle();
    cr_assert(eq(i16, end_end(&ask), KAFKA_COORDINATOR_NOT_AVAILABLE));
}

/* ---- partitions */

Test(transaction_requests, adding_partitions_in_each_state)
{
    static const struct {
        enum transaction_state state;
        int16_t error;
    } rows[] = {
        {TRANSACTION_EMPTY, KAFKA_NONE},
        {TRANSACTION_ONGOING, KAFKA_NONE},
        {TRANSACTION_PREPARE_COMMIT, KAFKA_CONCURRENT_TRANSACTIONS},
        {TRANSACTION_PREPARE_ABORT, KAFKA_CONCURRENT_TRANSACTIONS},
        {TRANSACTION_COMPLETE_COMMIT, KAFKA_NONE},
        {TRANSACTION_COMPLETE_ABORT, KAFKA_NONE},
    };

    for (size_t i = 0; i < array_count(rows); i++) {
        const char *id = in_state(rows[i].state, 4);
        cr_assert(eq(i16, add(id, "u/1"), rows[i].error), "row %zu", i);
        cr_assert(eq(i16, add_offsets(id, 1000, 0, 3), rows[i].error), "row %zu", i);
    }
}

Test(transaction_requests, who_must_not_add)
{
    const char *id = in_state(TRANSACTION_ONGOING, 5);

    cr_assert(eq(i16, add_as("", 1000, 0, 3, "t/1"), KAFKA_INVALID_REQUEST));
    cr_assert(eq(i16, add_as("unknown", 1000, 0, 3, "t/1"), KAFKA_INVALID_PRODUCER_ID_MAPPING));
    cr_assert(eq(i16, add_as(id, 7, 0, 3, "t/1"), KAFKA_INVALID_PRODUCER_ID_MAPPING));
    cr_assert(eq(i16, add_as(id, 1000, 7, 3, "t/1"), KAFKA_PRODUCER_FENCED));
    cr_assert(eq(i16, add_as(id, 1000, 7, 2, "t/1"), KAFKA_PRODUCER_FENCED));
    cr_assert(eq(i16, add_as(id, 1000, 7, 1, "t/1"), KAFKA_INVALID_PRODUCER_EPOCH));
    cr_assert(eq(i16, add_offsets("", 1000, 0, 3), KAFKA_INVALID_REQUEST));
    cr_assert(eq(i16, add_offsets("unknown", 1000, 0, 3), KAFKA_INVALID_PRODUCER_ID_MAPPING));
    cr_assert(eq(i16, add_offsets(id, 1000, 7, 3), KAFKA_PRODUCER_FENCED));
    cr_assert(eq(i16, add_offsets(id, 1000, 7, 1), KAFKA_INVALID_PRODUCER_EPOCH));
    cr_assert(eq(u32, entry_of(id)->partitions.count, 1));
}

Test(transaction_requests, a_partition_that_is_not_there_or_not_allowed_stops_the_others)
{
    const char *id = in_state(TRANSACTION_EMPTY, 5);
    int16_t errors[TOPICS];

    add_several(id, 1000, 0, 3, "t/0 t/9 none/0", errors);
    cr_assert(eq(i16, errors[0], KAFKA_OPERATION_NOT_ATTEMPTED));
    cr_assert(eq(i16, errors[1], KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    cr_assert(eq(i16, errors[2], KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    add_several(id, 1000, 0, 3, "t/0 __consumer_offsets/0", errors);
    cr_assert(eq(i16, errors[0], KAFKA_OPERATION_NOT_ATTEMPTED));
    cr_assert(eq(i16, errors[1], KAFKA_TOPIC_AUTHORIZATION_FAILED));
    cr_assert(eq(u32, entry_of(id)->partitions.count, 0));
    cr_assert(eq(int, entry_of(id)->transaction.fields.state, TRANSACTION_EMPTY));
    add_several(id, 1000, 0, 3, "t/0 t/1 u/1", errors);
    cr_assert(eq(i16, errors[2], KAFKA_NONE));
    cr_assert(eq(u32, entry_of(id)->partitions.count, 3));
}

Test(transaction_requests, a_group_s_partition_is_added)
{
    const char *id = in_state(TRANSACTION_EMPTY, 5);

    cr_assert(eq(i16, add_offsets(id, 1000, 0, 3), KAFKA_NONE));
    cr_assert(transaction_partitions_has(&entry_of(id)->partitions, "__consumer_offsets", 18, 0));
}

/* ---- brokers: several at once, or whether they are in it (KIP-890) */

struct broker_ask {
    const char *id;
    int64_t producer_id;
    int16_t epoch;
    bool verify_only;
    const char *topic[2];
    int32_t partition[2];
};

static void ask_as_broker(const struct broker_ask *of, int32_t count, int16_t errors_out[][2])
{
    struct ask ask = ask_new(API_ADD_PARTITIONS_TO_TXN, 5);
    struct add_partitions_to_txn_request *body = ask.body;
    const struct add_partitions_to_txn_response *response;

    body->transactions.items =
        rig_array(ask.request,
                  &add_partitions_to_txn_request_add_partitions_to_txn_transaction_struct, count);
    body->transactions.count = count;
    for (int32_t i = 0; i < count; i++) {
        struct add_partitions_to_txn_request_add_partitions_to_txn_transaction *one =
            &body->transactions.items[i];
        one->transactional_id = wire_string(of[i].id);
        one->producer_id = of[i].producer_id;
        one->producer_epoch = of[i].epoch;
        one->verify_only = of[i].verify_only;
        one->topics.items = rig_array(
            ask.request, &add_partitions_to_txn_request_add_partitions_to_txn_topic_struct, 2);
        one->topics.count = 2;
        for (int32_t j = 0; j < 2; j++)
            fill_topic(ask.request, &one->topics.items[j], of[i].topic[j], of[i].partition[j]);
    }
    ask_start(&ask, handle_add_partitions_to_txn);
    response = ask.response;
    cr_assert(eq(i16, response->error_code, KAFKA_NONE));
    cr_assert(eq(i32, response->results_by_transaction.count, count));
    for (int32_t i = 0; i < count; i++)
        for (int32_t j = 0; j < 2; j++)
            errors_out[i][j] = response->results_by_transaction.items[i]
                                   .topic_results.items[j]
                                   .results_by_partition.items[0]
                                   .partition_error_code;
    ask_end(&ask);
}

Test(transaction_requests, brokers_add_and_verify_for_several_transactions)
{
    int16_t errors[3][2];

    cr_assert(eq(i16, init("a"), KAFKA_NONE));
    cr_assert(eq(i16, init("b"), KAFKA_NONE));
    ask_as_broker((const struct broker_ask[]){{"a", 1000, 0, false, {"t", "u"}, {0, 1}},
                                              {"b", 1001, 7, false, {"t", "u"}, {0, 1}},
                                              {"none", 5, 0, false, {"t", "u"}, {0, 1}}},
                  3, errors);
    cr_assert(eq(i16, errors[0][1], KAFKA_NONE));
    cr_assert(eq(i16, errors[1][0], KAFKA_PRODUCER_FENCED));
    cr_assert(eq(i16, errors[2][0], KAFKA_INVALID_PRODUCER_ID_MAPPING));
    cr_assert(eq(u32, entry_of("a")->partitions.count, 2));
    ask_as_broker((const struct broker_ask[]){{"a", 1000, 0, true, {"t", "t"}, {0, 3}},
                                              {"b", 1001, 0, true, {"t", "u"}, {0, 1}},
                                              {"a", 7, 0, true, {"t", "u"}, {0, 1}}},
                  3, errors);
    cr_assert(eq(i16, errors[0][0], KAFKA_NONE));
    cr_assert(eq(i16, errors[0][1], KAFKA_TRANSACTION_ABORTABLE));
    cr_assert(eq(i16, errors[1][0], KAFKA_TRANSACTION_ABORTABLE));
    cr_assert(eq(i16, errors[2][0], KAFKA_INVALID_PRODUCER_ID_MAPPING));
    cr_assert(eq(i16, end_as("a", 1000, 0, true, 5), KAFKA_NONE));
    ask_as_broker((const struct broker_ask[]){{"a", 1000, 1, true, {"t", "t"}, {0, 3}}}, 1, errors);
    cr_assert(eq(i16, errors[0][0], KAFKA_CONCURRENT_TRANSACTIONS));
    ask_as_broker((const struct broker_ask[]){{"b", 1001, 0, false, {"t", "t"}, {0, 9}}}, 1,
                  errors);
    cr_assert(eq(i16, errors[0][0], KAFKA_OPERATION_NOT_ATTEMPTED));
    cr_assert(eq(i16, errors[0][1], KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
}

/* ---- the coordinator's topic */

Test(transaction_requests, more_than_a_transaction_may_have_is_refused_before_it_is_looked_at)
{
    const char *id = in_state(TRANSACTION_EMPTY, 5);
    struct ask ask = ask_new(API_ADD_PARTITIONS_TO_TXN, 3);
    struct add_partitions_to_txn_request *body = ask.body;
    const struct add_partitions_to_txn_response *response;
    enum { COUNT = 20001 };

    body->v3_and_below_transactional_id = wire_string(id);
    body->v3_and_below_producer_id = 1000;
    body->v3_and_below_topics.items = rig_array(
        ask.request, &add_partitions_to_txn_request_add_partitions_to_txn_topic_struct, 1);
    body->v3_and_below_topics.count = 1;
    body->v3_and_below_topics.items[0].name = wire_string("t");
    body->v3_and_below_topics.items[0].partitions.items =
        rig_alloc(ask.request, COUNT, sizeof(int32_t));
    body->v3_and_below_topics.items[0].partitions.count = COUNT;
    ask_start(&ask, handle_add_partitions_to_txn);
    response = ask.response;
    cr_assert(eq(i16,
                 response->results_by_topic_v3_and_below.items[0]
                     .results_by_partition.items[COUNT - 1]
                     .partition_error_code,
                 KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    ask_end(&ask);
}

/* ---- registrations */

struct registered {
    struct transaction_registration registration;
    uint32_t told_at; /* how many were told before, and it: 0 is not told */
    int16_t error;
};

static uint32_t told_count;

static void on_registered(struct transaction_registration *registration, int16_t error)
{
    struct registered *of = container_of(registration, struct registered, registration);

    cr_assert(eq(u32, of->told_at, 0));
    of->told_at = ++told_count;
    of->error = error;
}

static void begin_registration(struct registered *of, const char *id, int16_t epoch,
                               const char *topic, int32_t partition, int8_t version)
{
    *of = (struct registered){.registration = {.id = id,
                                               .id_bytes = strlen(id),
                                               .producer_id = 1000,
                                               .epoch = epoch,
                                               .topic = topic,
                                               .partition = partition,
                                               .version = version,
                                               .done = on_registered}};
    transaction_registration_start(&of->registration, &rig.shard);
}

Test(transaction_requests, registrations_of_a_turn_are_one_record_and_are_told_at_the_append)
{
    struct registered of[4];
    uint32_t count;

    init("id");
    count = disk.logs[1].batch_count;
    rig.holds = true;
    for (int32_t i = 0; i < 4; i++)
        begin_registration(&of[i], "id", 0, i < 2 ? "t" : "u", i % 2, TRANSACTION_V2);
    rig_run_tasks();
    cr_assert(eq(u32, disk.logs[1].batch_count, count + 1)); /* TXR-3 */
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert(eq(u32, of[i].told_at, i + 1));
        cr_assert(eq(i16, of[i].error, KAFKA_NONE));
    }
    cr_assert(eq(u32, entry_of("id")->partitions.count, 4));
    cr_assert(eq(int, entry_of("id")->transaction.fields.state, TRANSACTION_ONGOING));
}

Test(transaction_requests, of_another_epoch_in_the_same_turn_only_one_is_fenced)
{
    struct registered of[3];

    init("id");
    init("id");
    begin_registration(&of[0], "id", 0, "t", 0, TRANSACTION_V2);
    begin_registration(&of[1], "id", 1, "t", 1, TRANSACTION_V2);
    begin_registration(&of[2], "none", 1, "t", 1, TRANSACTION_V2);
    rig_settle();
    cr_assert(eq(i16, of[0].error, KAFKA_PRODUCER_FENCED));
    cr_assert(eq(i16, of[1].error, KAFKA_NONE));
    cr_assert(eq(i16, of[2].error, KAFKA_INVALID_PRODUCER_ID_MAPPING));
    cr_assert(lt(u32, 0, of[0].told_at));
}

Test(transaction_requests, an_error_of_a_registration_is_told_when_what_it_follows_from_is_durable)
{
    struct registered of;
    struct ask ask;

    init("id");
    rig.holds = true;
    start_init(&ask, "id", -1, -1, 5);
    begin_registration(&of, "id", 0, "t", 0, TRANSACTION_V2);
    rig_run_tasks();
    cr_assert(eq(u32, of.told_at, 0));
    rig.holds = false;
    rig_settle();
    cr_assert(eq(i16, of.error, KAFKA_PRODUCER_FENCED));
    cr_assert(eq(i16, end_init(&ask), KAFKA_NONE));
}

Test(transaction_requests, below_v2_a_registration_asks_and_adds_nothing)
{
    struct registered of[2];

    init("id");
    add("id", "t/0");
    begin_registration(&of[0], "id", 0, "t", 0, TRANSACTION_V0);
    begin_registration(&of[1], "id", 0, "t", 1, TRANSACTION_V0);
    rig_settle();
    cr_assert(eq(i16, of[0].error, KAFKA_NONE));
    cr_assert(eq(i16, of[1].error, KAFKA_TRANSACTION_ABORTABLE));
    cr_assert(eq(u32, entry_of("id")->partitions.count, 1));
}

static void begin_commit(struct registered *of, int64_t producer_id, int16_t epoch,
                         uint64_t accept_number)
{
    *of = (struct registered){.registration = {.id = "id",
                                               .id_bytes = 2,
                                               .producer_id = producer_id,
                                               .epoch = epoch,
                                               .topic = "t",
                                               .accept_number = accept_number,
                                               .done = on_registered}};
    transaction_registration_start(&of->registration, &rig.shard);
    rig_settle();
    cr_assert(lt(u32, 0, of->told_at));
}

/* TGD-3, apart from TGD-1: AddOffsetsToTxn went over connection 9. */
Test(transaction_requests, a_commit_of_an_earlier_connection_is_late)
{
    struct registered of;

    init("id");
    add("id", "t/0");
    begin_commit(&of, 1000, 0, 5);
    cr_assert(eq(i16, of.error, KAFKA_NONE));
    cr_assert(not(of.registration.is_late));
    begin_commit(&of, 1000, 0, 7);
    cr_assert(not(of.registration.is_late));
    begin_commit(&of, 1000, 0, 5);
    cr_assert(of.registration.is_late);
    begin_commit(&of, 1000, 7, 1); /* nobody's: it is refused, and claims nothing */
    cr_assert(not(of.registration.is_late));
    cr_assert(eq(i16, of.error, KAFKA_PRODUCER_FENCED));
    begin_commit(&of, 1000, 0, 7);
    cr_assert(eq(i16, of.error, KAFKA_NONE));
    cr_assert(not(of.registration.is_late));
}

Test(transaction_requests, a_registration_without_memory_is_told_to_come_again)
{
    struct registered of;

    init("id");
    for (uint64_t i = 1;; i++) {
        begin_registration(&of, "id", 0, "t", 0, TRANSACTION_V2);
        mem_fail_after(i);
        rig_run_tasks();
        mem_fail_after(0);
        rig_settle();
        cr_assert(lt(u32, 0, of.told_at));
        if (of.error == KAFKA_NONE)
            break;
        cr_assert(eq(i16, of.error, KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
        cr_assert(eq(u32, entry_of("id")->partitions.count, 0));
        cr_assert(lt(u64, i, 100));
    }
}

Test(transaction_requests, a_registration_of_a_partition_that_is_not_served_is_told_so)
{
    struct registered of;

    init("id");
    runtime_unload(&coordinator->runtime, 0);
    begin_registration(&of, "id", 0, "t", 0, TRANSACTION_V2);
    rig_settle();
    cr_assert(eq(i16, of.error, KAFKA_NOT_COORDINATOR));
}

Test(transaction_requests, without_memory_a_request_has_an_answer_and_nothing_changes)
{
    const char *id = in_state(TRANSACTION_ONGOING, 5);
    bool is_done = false;

    for (uint64_t i = 1; !is_done; i++) {
        struct ask ask;
        rig.fail_after = i;
        start_end(&ask, id, 1000, 0, true, 5);
        cr_assert(ask.answered);
        cr_assert(lt(u64, i, 100));
        if (ask.closed) {
            ask_end(&ask);
            continue;
        }
        is_done = end_end(&ask) == KAFKA_NONE;
        if (!is_done)
            cr_assert(eq(int, entry_of(id)->transaction.fields.state, TRANSACTION_ONGOING));
    }
    cr_assert(eq(int, entry_of(id)->transaction.fields.state, TRANSACTION_PREPARE_COMMIT));
}
