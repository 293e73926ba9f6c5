/* A produce request that writes in a transaction: what it asks of the coordinator, what it waits
 * for, and what it answers at which version.  The coordinator's word comes from here. */
#include "broker/coordinator/transaction.h"
#include "broker/coordinator/transaction_registrations.h"
#include "broker/partition_marker.h"
#include "broker/produce_registration.h"
#include "broker/topic_table.h"
#include "tests/unit/broker/live_rig.h"

enum { ASKED_MAX = 4096, BATCHES_MAX = 2000, VALUE_BYTES = 700000 };

static struct {
    bool hold;         /* answer when the test says so */
    int16_t errors[4]; /* of the first ones; then KAFKA_NONE */
    bool keeps_saying; /* errors[0] */
    uint32_t count;
    struct {
        struct transaction_registration *registration;
        char id[32];
        int64_t producer_id;
        int16_t epoch;
        int8_t version;
        int32_t partition;
        uint64_t at_ns;
    } asked[ASKED_MAX];
} coordinator;

void transaction_registration_start(struct transaction_registration *registration, struct shard *at)
{
    uint32_t i = coordinator.count++;
    int16_t error = KAFKA_NONE;

    cr_assert(lt(u32, i, ASKED_MAX));
    coordinator.asked[i].registration = registration;
    cr_assert(lt(sz, registration->id_bytes, sizeof(coordinator.asked[i].id)));
    memcpy(coordinator.asked[i].id, registration->id, registration->id_bytes);
    coordinator.asked[i].id[registration->id_bytes] = '\0';
    coordinator.asked[i].producer_id = registration->producer_id;
    coordinator.asked[i].epoch = registration->epoch;
    coordinator.asked[i].version = registration->version;
    coordinator.asked[i].partition = registration->partition;
    coordinator.asked[i].at_ns = sim_world_now_ns(live.world);
    if (coordinator.hold)
        return;
    if (coordinator.keeps_saying)
        error = coordinator.errors[0];
    else if (i < 4)
        error = coordinator.errors[i];
    registration->done(registration, error);
}

void transaction_registrations_init(struct transaction_registrations *registrations,
                                    struct transaction_coordinator *of)
{
}

void transaction_registrations_ask(struct transaction_registrations *registrations,
                                   struct transaction_registration *registration)
{
}

void transaction_registrations_deinit(struct transaction_registrations *registrations)
{
}

/* ---- asking */

struct written {
    struct live_ask ask;
    int16_t version;
    const char *id; /* NULL: none */
    int64_t producer_id;
    int16_t epoch;
    int32_t sequence;
    bool is_plain; /* of no transaction */
    int32_t timeout_ms;
    int16_t acks;
    int32_t value_bytes;       /* 0 as 1 */
    int32_t partition_count;   /* 0 as 1: a batch for each of them, from 0 on */
    int64_t other_producer_id; /* of the last one; 0: the same */
    /* out */
    int16_t error_codes[BATCHES_MAX];
    int64_t base_offset;
    int64_t log_start_offset;
    char message[128]; /* "": null */
};

static struct written of_producer(int16_t version, int64_t producer_id, int32_t sequence)
{
    return (struct written){.version = version,
                            .id = "id",
                            .producer_id = producer_id,
                            .epoch = 3,
                            .sequence = sequence,
                            .timeout_ms = 30000,
                            .acks = KAFKA_ACKS_ALL_ISR};
}

static void look_written(struct live_ask *ask, const void *response)
{
    struct written *written = container_of(ask, struct written, ask);
    const struct produce_response *answer = response;

    for (int32_t p = 0; p < answer->responses.items[0].partition_responses.count; p++)
        written->error_codes[p] =
            answer->responses.items[0].partition_responses.items[p].error_code;
    written->base_offset = answer->responses.items[0].partition_responses.items[0].base_offset;
    written->log_start_offset =
        answer->responses.items[0].partition_responses.items[0].log_start_offset;
    snprintf(written->message, sizeof(written->message), "%.*s",
             (int)answer->responses.items[0].partition_responses.items[0].error_message.size_bytes,
             answer->responses.items[0].partition_responses.items[0].error_message.text == NULL
                 ? ""
                 : answer->responses.items[0].partition_responses.items[0].error_message.text);
}

static struct uuid topic;

static void start_write(struct written *written, uint32_t client)
{
    static struct produce_request_partition_produce_data parts[BATCHES_MAX];
    static struct wire_slice slices[BATCHES_MAX];
    static struct batch_builder builders[BATCHES_MAX];
    static uint8_t value[VALUE_BYTES];
    struct produce_request_topic_produce_data data;
    struct produce_request request;
    int32_t count = written->partition_count == 0 ? 1 : written->partition_count;

    codec_set_defaults(&produce_request_desc, &request);
    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, &data);
    for (int32_t p = 0; p < count; p++) {
        struct batch_builder_options options = batch_builder_options_default();
        bool is_other = p == count - 1 && written->other_producer_id != 0;
        options.transactional = !written->is_plain;
        options.producer_id = is_other ? written->other_producer_id : written->producer_id;
        options.producer_epoch = written->epoch;
        options.base_sequence = written->sequence;
        batch_builder_init(&builders[p], &options);
        cr_assert(eq(int,
                     batch_builder_add_pair(&builders[p], NULL, -1, value,
                                            written->value_bytes == 0 ? 1 : written->value_bytes,
                                            clock_wall_ms(live.clients[0].client.loop.clock)),
                     OK));
        slices[p] = (struct wire_slice){0};
        cr_assert(eq(
            int, batch_builder_finish(&builders[p], NULL, &slices[p].bytes, &slices[p].size_bytes),
            OK));
        codec_set_struct_defaults(&produce_request_partition_produce_data_struct, &parts[p]);
        parts[p].index = p;
        parts[p].records = (struct wire_records){
            .slices = &slices[p], .slice_count = 1, .size_bytes = slices[p].size_bytes};
    }
    data.name = wire_string("t");
    data.topic_id = topic;
    data.partition_data.items = parts;
    data.partition_data.count = count;
    request.topic_data.items = &data;
    request.topic_data.count = 1;
    request.transactional_id = wire_string(written->id);
    request.acks = written->acks;
    request.timeout_ms = written->timeout_ms;
    written->ask = (struct live_ask){.look = look_written};
    live_ask_start(&written->ask, live_client(client), API_PRODUCE, written->version, &request);
    for (int32_t p = 0; p < count; p++)
        batch_builder_deinit(&builders[p]);
}

static int16_t write_as(struct written *written)
{
    start_write(written, 0);
    cr_assert(live_ask_wait(&written->ask, 60000), "no answer");
    cr_assert(eq(int, written->ask.err, OK));
    return written->error_codes[0];
}

static int16_t write_one(int16_t version, int64_t producer_id, int32_t sequence)
{
    struct written written = of_producer(version, producer_id, sequence);

    return write_as(&written);
}

static struct partition *partition_at(int32_t index)
{
    struct shard *shard =
        shard_of_partition(broker_shard(live.broker.broker, 0)->shards, &topic, index);

    return topic_table_find(shard->topics, &topic, index);
}

static int64_t log_end(void)
{
    return partition_offsets(partition_at(0)).log_end;
}

static bool is_asked(void *context)
{
    return coordinator.count >= *(uint32_t *)context;
}

/* Until so many were asked for. */
static void await_asked(uint32_t count)
{
    cr_assert(sim_world_run_until(live.world, is_asked, &count, 10 * SIM_SECOND), "nothing asked");
}

static void let_time_pass(uint64_t ms)
{
    sim_world_run_until(live.world, live_is_answered, &(struct live_ask){0}, ms * SIM_MS);
}

static void say(uint32_t i, int16_t error)
{
    struct transaction_registration *registration = coordinator.asked[i].registration;

    coordinator.hold = false;
    registration->done(registration, error);
    coordinator.hold = true;
}

static void up(const char *const *sets)
{
    live_start(1, sets);
    topic = live_topic(live_client(0), "t", 4);
}

static void on_marked(struct partition_marker *marker, enum err err)
{
    cr_assert(eq(int, err, OK));
}

static void mark(int64_t producer_id, int16_t epoch, bool txn_v2)
{
    static struct partition_marker marker;

    marker = (struct partition_marker){.producer_id = producer_id,
                                       .epoch = epoch,
                                       .commit = true,
                                       .txn_v2 = txn_v2,
                                       .coordinator_epoch = 0,
                                       .appended = on_marked};
    partition_append_marker(partition_at(0), &marker);
    let_time_pass(1000);
    cr_assert(eq(i64, marker.end_offset, log_end()));
}

/* ---- the request */

Test(produce_transaction, a_transaction_wants_a_transactional_id_for_the_whole_request)
{
    static struct written written;

    written = of_producer(12, 7, 0);
    up(NULL);
    written.id = NULL;
    written.partition_count = 3;
    (void)write_as(&written);
    for (int i = 0; i < 3; i++)
        cr_expect(eq(i16, written.error_codes[i], KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED));
    cr_assert(eq(u32, coordinator.count, 0));
    cr_assert(eq(i64, log_end(), 0));
}

Test(produce_transaction, nor_are_there_two_producers_in_one)
{
    struct written written = of_producer(12, 7, 0);

    up(NULL);
    written.partition_count = 3;
    written.other_producer_id = 8;
    (void)write_as(&written);
    for (int i = 0; i < 3; i++)
        cr_expect(eq(i16, written.error_codes[i], KAFKA_INVALID_PRODUCER_ID_MAPPING));
    cr_assert(
        eq(str, written.message, "Transactional records contained more than one producer ID"));
    cr_assert(eq(u32, coordinator.count, 0));
    cr_assert(eq(i64, log_end(), 0));
}

Test(produce_transaction, without_an_answer_the_connection_tells_of_it)
{
    struct written written = of_producer(12, 7, 0);

    up(NULL);
    written.id = NULL;
    written.acks = KAFKA_ACKS_NO_RESPONSE;
    start_write(&written, 1);
    let_time_pass(1000);
    cr_assert(eq(i64, log_end(), 0));
    cr_assert(eq(u32, coordinator.count, 0));
}

/* ---- what is asked */

static void asks(int16_t version, int8_t transaction_version)
{
    up(NULL);
    cr_assert(eq(i16, write_one(version, 7, 0), KAFKA_NONE));
    cr_assert(eq(u32, coordinator.count, 1));
    cr_assert(eq(str, coordinator.asked[0].id, "id"));
    cr_assert(eq(i64, coordinator.asked[0].producer_id, 7));
    cr_assert(eq(i16, coordinator.asked[0].epoch, 3));
    cr_assert(eq(i8, coordinator.asked[0].version, transaction_version));
    cr_assert(eq(i32, coordinator.asked[0].partition, 0));
    cr_assert(eq(i64, log_end(), 1));
}

Test(produce_transaction, version_10_has_its_partition_verified)
{
    asks(10, TRANSACTION_V0);
}

Test(produce_transaction, version_11_too_and_knows_one_error_more)
{
    asks(11, TRANSACTION_V1);
}

Test(produce_transaction, version_12_puts_its_partition_into_the_transaction)
{
    asks(12, TRANSACTION_V2);
}

Test(produce_transaction, what_is_open_there_is_not_asked_about_again)
{
    up(NULL);
    cr_assert(eq(i16, write_one(12, 7, 0), KAFKA_NONE));
    cr_assert(eq(i16, write_one(12, 7, 1), KAFKA_NONE));
    cr_assert(eq(u32, coordinator.count, 1));
    cr_assert(eq(i16, write_one(12, 8, 0), KAFKA_NONE));
    cr_assert(eq(u32, coordinator.count, 2));
    cr_assert(eq(i64, coordinator.asked[1].producer_id, 8));
}

Test(produce_transaction, the_next_transaction_is_and_a_repeated_batch_is_not)
{
    struct written written = of_producer(11, 7, 1);

    up(NULL);
    cr_assert(eq(i16, write_one(11, 7, 0), KAFKA_NONE));
    cr_assert(eq(i16, write_one(11, 7, 1), KAFKA_NONE));
    mark(7, 3, false);
    cr_assert(eq(i16, write_as(&written), KAFKA_NONE)); /* the answer was lost */
    cr_assert(eq(i64, written.base_offset, 1));
    cr_assert(eq(u32, coordinator.count, 1));
    cr_assert(eq(i16, write_one(11, 7, 2), KAFKA_NONE));
    cr_assert(eq(u32, coordinator.count, 2));
}

Test(produce_transaction, verification_can_be_switched_off_for_those_before_version_12)
{
    up((const char *const[]){"transaction.partition.verification.enable=false", NULL});
    cr_assert(eq(i16, write_one(11, 7, 0), KAFKA_NONE));
    cr_assert(eq(u32, coordinator.count, 0));
    cr_assert(eq(i16, write_one(12, 8, 0), KAFKA_NONE));
    cr_assert(eq(u32, coordinator.count, 1));
}

/* ---- errors */

Test(produce_transaction, an_error_is_said_in_the_words_of_the_version)
{
    static const struct {
        int16_t said;
        int16_t answers[3]; /* of versions 10, 11, 12 */
    } rows[] = {
        {KAFKA_INVALID_TXN_STATE,
         {KAFKA_INVALID_TXN_STATE, KAFKA_INVALID_TXN_STATE, KAFKA_INVALID_TXN_STATE}},
        {KAFKA_TRANSACTION_ABORTABLE,
         {KAFKA_INVALID_TXN_STATE, KAFKA_TRANSACTION_ABORTABLE, KAFKA_TRANSACTION_ABORTABLE}},
        {KAFKA_COORDINATOR_LOAD_IN_PROGRESS,
         {KAFKA_NOT_ENOUGH_REPLICAS, KAFKA_NOT_ENOUGH_REPLICAS, KAFKA_NOT_ENOUGH_REPLICAS}},
        {KAFKA_COORDINATOR_NOT_AVAILABLE,
         {KAFKA_NOT_ENOUGH_REPLICAS, KAFKA_NOT_ENOUGH_REPLICAS, KAFKA_NOT_ENOUGH_REPLICAS}},
        {KAFKA_NOT_COORDINATOR,
         {KAFKA_NOT_ENOUGH_REPLICAS, KAFKA_NOT_ENOUGH_REPLICAS, KAFKA_NOT_ENOUGH_REPLICAS}},
        {KAFKA_CONCURRENT_TRANSACTIONS,
         {KAFKA_NOT_ENOUGH_REPLICAS, KAFKA_NOT_ENOUGH_REPLICAS, KAFKA_CONCURRENT_TRANSACTIONS}},
        {KAFKA_PRODUCER_FENCED,
         {KAFKA_INVALID_PRODUCER_EPOCH, KAFKA_INVALID_PRODUCER_EPOCH,
          KAFKA_INVALID_PRODUCER_EPOCH}},
        {KAFKA_INVALID_PRODUCER_ID_MAPPING,
         {KAFKA_INVALID_PRODUCER_ID_MAPPING, KAFKA_INVALID_PRODUCER_ID_MAPPING,
          KAFKA_INVALID_PRODUCER_ID_MAPPING}},
    };

    up(NULL);
    coordinator.keeps_saying = true;
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++)
        for (int16_t v = 0; v < 3; v++) {
            coordinator.count = 0;
            coordinator.errors[0] = rows[row].said;
            cr_expect(eq(i16, write_one((int16_t)(10 + v), 7, 0), rows[row].answers[v]),
                      "of %d at version %d", rows[row].said, 10 + v);
        }
    cr_assert(eq(i64, log_end(), 0));
}

static void answers(int16_t said, int16_t version, int16_t code, const char *message)
{
    struct written written = of_producer(version, 7, 0);

    coordinator.count = 0;
    coordinator.errors[0] = said;
    cr_assert(eq(i16, write_as(&written), code));
    cr_assert(eq(str, written.message, (char *)message));
    cr_assert(eq(i64, written.log_start_offset, -1));
}

/* As conformance has them of Apache Kafka. */
Test(produce_transaction, some_errors_have_a_text)
{
    up(NULL);
    coordinator.keeps_saying = true;
    answers(KAFKA_TRANSACTION_ABORTABLE, 10, KAFKA_INVALID_TXN_STATE,
            "Partition was not added to the transaction");
    answers(KAFKA_TRANSACTION_ABORTABLE, 11, KAFKA_TRANSACTION_ABORTABLE, "");
    answers(KAFKA_PRODUCER_FENCED, 12, KAFKA_INVALID_PRODUCER_EPOCH, "");
    answers(KAFKA_NOT_COORDINATOR, 12, KAFKA_NOT_ENOUGH_REPLICAS,
            "Unable to verify the partition has been added to the transaction. Underlying error: "
            "NOT_COORDINATOR");
    answers(KAFKA_CONCURRENT_TRANSACTIONS, 11, KAFKA_NOT_ENOUGH_REPLICAS,
            "Unable to verify the partition has been added to the transaction. Underlying error: "
            "CONCURRENT_TRANSACTIONS");
    answers(KAFKA_CONCURRENT_TRANSACTIONS, 12, KAFKA_CONCURRENT_TRANSACTIONS, "");
}

Test(produce_transaction, a_batch_outside_of_its_producers_open_transaction_is_refused_by_the_log)
{
    struct written plain = of_producer(11, 7, 1);
    struct written old = of_producer(11, 7, 1);

    up(NULL);
    cr_assert(eq(i16, write_one(11, 7, 0), KAFKA_NONE));
    plain.is_plain = true;
    cr_assert(eq(i16, write_as(&plain), KAFKA_INVALID_TXN_STATE));
    cr_assert(eq(i64, plain.log_start_offset, 0));
    cr_assert(eq(str, plain.message, ""));
    old.epoch = 2;
    cr_assert(eq(i16, write_as(&old), KAFKA_INVALID_PRODUCER_EPOCH));
    cr_assert(eq(i64, old.log_start_offset, -1));
    cr_assert(eq(u32, coordinator.count, 1));
}

Test(produce_transaction, a_later_one_does_not_take_the_place_of_one_that_was_not_registered)
{
    struct written second = of_producer(11, 7, 1);

    up(NULL);
    coordinator.errors[0] = KAFKA_TRANSACTION_ABORTABLE;
    cr_assert(eq(i16, write_one(11, 7, 0), KAFKA_TRANSACTION_ABORTABLE));
    cr_assert(eq(i16, write_as(&second), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER));
    cr_assert(eq(i64, second.log_start_offset, 0));
    cr_assert(eq(i16, write_one(11, 7, 0), KAFKA_NONE));
    cr_assert(eq(i16, write_one(11, 7, 1), KAFKA_NONE));
}

/* The zombie's batch says nothing of the order in the newest epoch. */
Test(produce_transaction, nor_is_that_forgotten_for_a_batch_of_an_old_epoch)
{
    struct written zombie = of_producer(11, 7, 5);
    struct written second = of_producer(11, 7, 1);

    up(NULL);
    coordinator.errors[0] = KAFKA_TRANSACTION_ABORTABLE;
    coordinator.errors[1] = KAFKA_PRODUCER_FENCED;
    cr_assert(eq(i16, write_one(11, 7, 0), KAFKA_TRANSACTION_ABORTABLE));
    zombie.epoch = 2;
    cr_assert(eq(i16, write_as(&zombie), KAFKA_INVALID_PRODUCER_EPOCH));
    cr_assert(eq(i16, write_as(&second), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER));
}

Test(produce_transaction, the_transaction_before_is_waited_for)
{
    up(NULL);
    coordinator.errors[0] = coordinator.errors[1] = KAFKA_CONCURRENT_TRANSACTIONS;
    cr_assert(eq(i16, write_one(12, 7, 0), KAFKA_NONE));
    cr_assert(eq(u32, coordinator.count, 3));
    for (int i = 0; i < 2; i++) {
        uint64_t pause_ns = coordinator.asked[i + 1].at_ns - coordinator.asked[i].at_ns;
        cr_assert(ge(u64, pause_ns, 20 * SIM_MS));
        cr_assert(lt(u64, pause_ns, 21 * SIM_MS));
    }
}

Test(produce_transaction, but_not_for_longer_than_configured)
{
    struct written written = of_producer(12, 7, 0);

    up((const char *const[]){"add.partitions.to.txn.retry.backoff.ms=30",
                             "add.partitions.to.txn.retry.backoff.max.ms=200", NULL});
    coordinator.keeps_saying = true;
    coordinator.errors[0] = KAFKA_CONCURRENT_TRANSACTIONS;
    cr_assert(eq(i16, write_as(&written), KAFKA_CONCURRENT_TRANSACTIONS));
    cr_assert(eq(u32, coordinator.count, 8)); /* at 0, 30, .. 210 ms */
    cr_assert(ge(u64, written.ask.answered_ns - written.ask.asked_ns, 210 * SIM_MS));
    cr_assert(lt(u64, written.ask.answered_ns - written.ask.asked_ns, 250 * SIM_MS));
}

/* ---- waiting */

Test(produce_transaction, those_of_one_producer_wait_for_one_word_and_keep_their_order)
{
    struct written written[3];

    up(NULL);
    coordinator.hold = true;
    for (int i = 0; i < 3; i++) {
        written[i] = of_producer(12, 7, i);
        start_write(&written[i], 0);
    }
    await_asked(1);
    let_time_pass(1000);
    cr_assert(eq(u32, coordinator.count, 1));
    cr_assert(eq(i64, log_end(), 0));
    say(0, KAFKA_NONE);
    for (int i = 0; i < 3; i++) {
        cr_assert(live_ask_wait(&written[i].ask, 10000));
        cr_assert(eq(i16, written[i].error_codes[0], KAFKA_NONE));
        cr_assert(eq(i64, written[i].base_offset, i));
    }
    cr_assert(eq(u32, coordinator.count, 1));
}

static void on_put(struct partition_append *append, enum err err)
{
    cr_assert(eq(int, err, OK));
}

/* What was registered before, and had to wait for room, say. */
static void put_registered(int64_t producer_id, int32_t sequence)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct partition_append append = {.done = on_put, .rules.is_registered = true};
    struct batch_builder builder;

    options.transactional = true;
    options.producer_id = producer_id;
    options.producer_epoch = 3;
    options.base_sequence = sequence;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int, batch_builder_add_pair(&builder, "k", 1, "v", 1, 1), OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &append.bytes, &append.size_bytes), OK));
    partition_append(partition_at(0), &append);
    batch_builder_deinit(&builder);
}

Test(produce_transaction, nor_does_one_overtake_them_where_the_transaction_is_open_meanwhile)
{
    struct written written[2] = {of_producer(12, 7, 1), of_producer(12, 7, 2)};

    up(NULL);
    coordinator.hold = true;
    start_write(&written[0], 0);
    await_asked(1);
    put_registered(7, 0);
    start_write(&written[1], 1);
    cr_assert(not(live_ask_wait(&written[1].ask, 500)));
    say(0, KAFKA_NONE);
    for (int i = 0; i < 2; i++) {
        cr_assert(live_ask_wait(&written[i].ask, 10000));
        cr_assert(eq(i16, written[i].error_codes[0], KAFKA_NONE));
        cr_assert(eq(i64, written[i].base_offset, i + 1));
    }
}

Test(produce_transaction, all_of_them_hear_an_error)
{
    struct written written[3];

    up(NULL);
    coordinator.hold = true;
    for (int i = 0; i < 3; i++) {
        written[i] = of_producer(11, 7, i);
        start_write(&written[i], 0);
    }
    await_asked(1);
    let_time_pass(100);
    say(0, KAFKA_TRANSACTION_ABORTABLE);
    for (int i = 0; i < 3; i++) {
        cr_assert(live_ask_wait(&written[i].ask, 10000));
        cr_assert(eq(i16, written[i].error_codes[0], KAFKA_TRANSACTION_ABORTABLE));
    }
    cr_assert(eq(i64, log_end(), 0));
}

/* In the queue they would: and a commit would wait for the batch that waits for the commit. */
Test(produce_transaction, who_waits_holds_up_neither_other_producers_nor_the_marker_before)
{
    struct written first = of_producer(12, 7, 0);
    struct written next = of_producer(12, 7, 0);
    struct written other = of_producer(9, 8, 0);

    up(NULL);
    cr_assert(eq(i16, write_as(&first), KAFKA_NONE));
    coordinator.hold = true;
    next.epoch = 4;
    start_write(&next, 0);
    await_asked(2);
    other.is_plain = true;
    start_write(&other, 1);
    cr_assert(live_ask_wait(&other.ask, 1000));
    cr_assert(eq(i16, other.error_codes[0], KAFKA_NONE));
    mark(7, 4, true);
    cr_assert(not(next.ask.is_done));
    say(1, KAFKA_NONE);
    cr_assert(live_ask_wait(&next.ask, 1000));
    cr_assert(eq(i16, next.error_codes[0], KAFKA_NONE));
    cr_assert(eq(i64, next.base_offset, 3));
}

Test(produce_transaction, a_later_one_does_not_overtake_one_that_timed_out)
{
    struct written first = of_producer(11, 7, 0);
    struct written second = of_producer(11, 7, 1);

    up(NULL);
    coordinator.hold = true;
    first.timeout_ms = 100;
    start_write(&first, 0);
    start_write(&second, 1);
    await_asked(1);
    cr_assert(live_ask_wait(&first.ask, 1000));
    cr_assert(eq(i16, first.error_codes[0], KAFKA_REQUEST_TIMED_OUT));
    let_time_pass(100);
    say(0, KAFKA_NONE);
    cr_assert(live_ask_wait(&second.ask, 1000));
    cr_assert(eq(i16, second.error_codes[0], KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER));
    cr_assert(eq(i64, log_end(), 0));
    coordinator.hold = false;
    cr_assert(eq(i16, write_one(11, 7, 0), KAFKA_NONE)); /* they come again */
    cr_assert(eq(i16, write_one(11, 7, 1), KAFKA_NONE));
}

Test(produce_transaction, a_word_that_nobody_waits_for_any_more_does_no_harm)
{
    struct written written = of_producer(12, 7, 0);

    up(NULL);
    coordinator.hold = true;
    written.timeout_ms = 40;
    cr_assert(eq(i16, write_as(&written), KAFKA_REQUEST_TIMED_OUT));
    let_time_pass(10);
    say(0, KAFKA_CONCURRENT_TRANSACTIONS); /* and is not asked for again */
    let_time_pass(1000);
    cr_assert(eq(u32, coordinator.count, 1));
    cr_assert(eq(i64, log_end(), 0));
}

/* Whose disk may be slow; the memory of all requests is not to wait for it. */
Test(produce_transaction, what_waits_for_the_coordinator_ends_when_others_lack_memory)
{
    enum { WAITING = 8 };
    static struct written waiting[WAITING];
    struct written other = of_producer(9, 8, 0);
    uint32_t ended = 0;

    up((const char *const[]){"levee.memory.max.bytes=67108864", NULL});
    coordinator.hold = true;
    for (int i = 0; i < WAITING; i++) {
        waiting[i] = of_producer(11, 7, i);
        waiting[i].timeout_ms = 3600000;
        waiting[i].value_bytes = VALUE_BYTES;
        start_write(&waiting[i], 0);
    }
    await_asked(1);
    let_time_pass(500);
    other.is_plain = true;
    other.value_bytes = VALUE_BYTES;
    start_write(&other, 1);
    cr_assert(not(live_ask_wait(&other.ask, 200)), "there is memory enough");
    cr_assert(live_ask_wait(&other.ask, 10000));
    cr_assert(eq(i16, other.error_codes[0], KAFKA_NONE));
    for (int i = 0; i < WAITING; i++)
        ended += waiting[i].ask.is_done && waiting[i].error_codes[0] == KAFKA_REQUEST_TIMED_OUT;
    cr_assert(lt(u32, 0, ended));
    say(0, KAFKA_NONE);
    let_time_pass(1000);
    cr_assert(eq(i64, log_end(), 1), "one overtook the first");
}

Test(produce_transaction, a_client_that_goes_leaves_its_batch)
{
    struct written written = of_producer(12, 7, 0);

    up(NULL);
    coordinator.hold = true;
    start_write(&written, 1);
    await_asked(1);
    sim_node_crash(live.clients[1].node, SIM_KILL);
    let_time_pass(1000);
    say(0, KAFKA_NONE);
    let_time_pass(1000);
    cr_assert(eq(i64, log_end(), 1));
}

Test(produce_transaction, another_id_has_no_part_in_the_word)
{
    struct written written = of_producer(12, 7, 0);
    struct written stranger = of_producer(12, 7, 0);

    up(NULL);
    coordinator.hold = true;
    start_write(&written, 0);
    await_asked(1);
    stranger.id = "stranger";
    start_write(&stranger, 1);
    cr_assert(live_ask_wait(&stranger.ask, 1000));
    cr_assert(eq(i16, stranger.error_codes[0], KAFKA_NOT_ENOUGH_REPLICAS));
    say(0, KAFKA_NONE);
    cr_assert(live_ask_wait(&written.ask, 1000));
    cr_assert(eq(i16, written.error_codes[0], KAFKA_NONE));
}

Test(produce_transaction, a_stop_does_not_wait_for_the_word)
{
    struct written written = of_producer(12, 7, 0);

    up(NULL);
    coordinator.hold = true;
    written.timeout_ms = 3600000;
    start_write(&written, 0);
    await_asked(1);
    cr_assert(lt(u64, live_stop_ms(), 60000));
}

/* ---- many at once */

static struct budget *decoded(void)
{
    return memory_budget(&broker_shard(live.broker.broker, 0)->memory, MEMORY_DECODED);
}

static void over_many_partitions(struct written *written, uint32_t shards_count)
{
    live_start(shards_count, NULL);
    topic = live_topic(live_client(0), "t", BATCHES_MAX);
    coordinator.hold = true;
    *written = of_producer(12, 7, 0);
    written->partition_count = BATCHES_MAX;
    start_write(written, 0);
    let_time_pass(10000);
}

Test(produce_transaction, one_transaction_has_thousands_of_partitions, .timeout = 600)
{
    static struct written written;

    over_many_partitions(&written, 2);
    cr_assert(eq(u32, coordinator.count, BATCHES_MAX));
    for (uint32_t i = 0; i < BATCHES_MAX; i++)
        say(i, KAFKA_NONE);
    cr_assert(live_ask_wait(&written.ask, 60000));
    for (uint32_t i = 0; i < BATCHES_MAX; i++)
        cr_assert(eq(i16, written.error_codes[i], KAFKA_NONE));
    cr_assert(eq(u64, budget_used_bytes(decoded()), 0));
}

/* What waits for words counts, and leaves a quarter of what requests may have to others. */
Test(produce_transaction, who_asks_for_more_than_there_is_room_for_hears_so, .timeout = 600)
{
    static struct written written;
    uint32_t refused = 0;

    live.sizes.memory_bytes[MEMORY_DECODED] = 8 << 20;
    over_many_partitions(&written, 1);
    cr_assert(lt(u32, coordinator.count, BATCHES_MAX));
    cr_assert(ge(u32, coordinator.count, 1));
    for (uint32_t i = 0; i < coordinator.count; i++)
        say(i, KAFKA_NONE);
    cr_assert(live_ask_wait(&written.ask, 60000));
    for (uint32_t i = 0; i < BATCHES_MAX; i++)
        refused += written.error_codes[i] != KAFKA_NONE;
    cr_assert(eq(u32, refused, BATCHES_MAX - coordinator.count));
    cr_assert(eq(u64, budget_used_bytes(decoded()), 0));
}
