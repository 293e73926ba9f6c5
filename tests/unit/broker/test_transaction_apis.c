/* Transactions as clients ask for them, of a whole broker. */
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
