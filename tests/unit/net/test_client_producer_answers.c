/* A producer of the client room among brokers that the test plays, with the partitions' rules for
 * sequences (Kafka's ProducerStateManager and ProducerAppendInfo), and every answer that a broker
 * may give, lose, or give late.  What is stored stands in `parts`, and is compared with what the
 * producer told. */
#include "net/client/client_producer.h"
#include "net/protocol/msg_init_producer_id.h"
#include "net/protocol/msg_produce.h"
#include "record/batch.h"
#include "record/record.h"
#include "tests/unit/net/client_rig.h"

TestSuite(client_producer_answers, .timeout = 600);

enum { PARTS = 3, TOKENS_MAX = 40000, REMEMBERED = 5, POISON = 0x6666 };

struct remembered {
    int32_t base, last;
    int64_t offset;
};

/* A partition, whoever leads it. */
static struct {
    int64_t producer_id;
    int16_t epoch;
    struct remembered batches[REMEMBERED];
    uint32_t batches_count;
    uint32_t tokens[TOKENS_MAX];
    uint32_t count;
    int32_t leader_id;
} parts[PARTS];

static struct {
    uint8_t fate; /* 0: not told, 1 stored, 2 failed, 3 ambiguous */
    int16_t error_code;
    int64_t offset;
} told[TOKENS_MAX];

static struct {
    uint32_t close_before, close_after; /* per thousand of requests */
    uint32_t refuse, refuse_after;      /* of batches: with an error that passes */
    uint32_t poison;                    /* of batches: with one that does not */
    uint32_t forget;                    /* of batches: UNKNOWN_PRODUCER_ID, all is forgotten */
    uint32_t move;                      /* of batches: the leader is another one afterwards */
    uint32_t late;                      /* of requests: answered later than they can wait */
    uint32_t records_max;               /* of a batch: otherwise MESSAGE_TOO_LARGE; 0: any */
    int16_t fixed_error;                /* of all batches */
    uint32_t fixed_left;                /* so many of them */
} chance;

static struct client_cluster *cluster;
static struct client_producer *producer;
static struct client_topic *topic;
static struct client_producer_options producing;
static struct timer tick;
static uint32_t next_token, end_token, told_count, inits_count;
static bool has_closed, has_failed;
static int16_t fatal_code;

/* ---- a partition */

static bool draw(uint32_t per_thousand)
{
    return prng_below(&rig.prng, 1000) < per_thousand;
}

static void append(int p, const uint8_t *bytes, const struct batch_header *header)
{
    struct record_walk walk;
    struct record record;

    record_walk_init(&walk, bytes + BATCH_HEADER_BYTES, header->size_bytes - BATCH_HEADER_BYTES,
                     header->record_count);
    while (record_next(&walk, &record) == OK) {
        cr_assert(lt(u32, parts[p].count, TOKENS_MAX));
        memcpy(&parts[p].tokens[parts[p].count++], record.value, 4);
    }
}

static void remember(int p, const struct batch_header *header, int64_t offset)
{
    if (parts[p].batches_count == REMEMBERED) {
        memmove(parts[p].batches, parts[p].batches + 1,
                (REMEMBERED - 1) * sizeof(parts[p].batches[0]));
        parts[p].batches_count--;
    }
    parts[p].batches[parts[p].batches_count++] =
        (struct remembered){header->base_sequence, batch_last_sequence(header), offset};
}

/* KAFKA_NONE: stored now or before, *offset. */
static int16_t store(int p, const uint8_t *bytes, const struct batch_header *header,
                     int64_t *offset)
{
    *offset = parts[p].count;
    if (header->producer_id >= 0) {
        bool is_new = parts[p].producer_id != header->producer_id;

        if (!is_new && header->producer_epoch < parts[p].epoch)
            return KAFKA_INVALID_PRODUCER_EPOCH;
        if (!is_new && header->producer_epoch > parts[p].epoch && header->base_sequence != 0)
            return KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
        if (is_new || header->producer_epoch > parts[p].epoch) {
            parts[p].producer_id = header->producer_id;
            parts[p].epoch = header->producer_epoch;
            parts[p].batches_count = 0;
        } else if (parts[p].batches_count > 0) {
            for (uint32_t i = 0; i < parts[p].batches_count; i++)
                if (parts[p].batches[i].base == header->base_sequence &&
                    parts[p].batches[i].last == batch_last_sequence(header)) {
                    *offset = parts[p].batches[i].offset;
                    return KAFKA_NONE;
                }
            if (batch_sequence_add(parts[p].batches[parts[p].batches_count - 1].last, 1) !=
                header->base_sequence)
                return KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
        }
        remember(p, header, *offset);
    }
    append(p, bytes, header);
    return KAFKA_NONE;
}

static bool is_poisoned(const uint8_t *bytes, const struct batch_header *header)
{
    (void)bytes;
    return header->record_count > 0 && draw(chance.poison);
}

static int16_t take(struct rig_peer *peer, int p, const struct wire_records *records,
                    int64_t *offset)
{
    const uint8_t *bytes = records->slices[0].bytes;
    struct batch_header header;
    int16_t error_code;

    *offset = -1;
    cr_assert(eq(int, batch_parse(bytes, records->size_bytes, &header), OK));
    cr_assert(batch_crc_is_good(bytes, &header));
    if (parts[p].leader_id != (int32_t)peer->index)
        return KAFKA_NOT_LEADER_OR_FOLLOWER;
    if (draw(chance.move)) {
        parts[p].leader_id = (int32_t)prng_below(&rig.prng, rig.peers_count);
        rig.topics[0].partitions[p].leader_id = parts[p].leader_id;
        rig.topics[0].partitions[p].leader_epoch++;
    }
    if (chance.fixed_left > 0) {
        chance.fixed_left--;
        return chance.fixed_error;
    }
    if (draw(chance.refuse))
        return draw(500) ? KAFKA_NOT_ENOUGH_REPLICAS : KAFKA_THROTTLING_QUOTA_EXCEEDED;
    if (chance.records_max > 0 && (uint32_t)header.record_count > chance.records_max)
        return KAFKA_MESSAGE_TOO_LARGE;
    if (is_poisoned(bytes, &header))
        return KAFKA_INVALID_RECORD;
    error_code = store(p, bytes, &header, offset);
    if (error_code == KAFKA_NONE && draw(chance.refuse_after))
        return draw(500) ? KAFKA_NOT_ENOUGH_REPLICAS_AFTER_APPEND : KAFKA_REQUEST_TIMED_OUT;
    return error_code;
}

static void answer_produce(struct rig_peer *peer, struct rig_request *request)
{
    const struct produce_request *asked = request->body;
    const struct produce_request_topic_produce_data *data = &asked->topic_data.items[0];
    int32_t count = data->partition_data.count;
    struct produce_response response;
    struct produce_response_topic_produce_response *out;
    struct produce_response_partition_produce_response *items;

    codec_set_defaults(&produce_response_desc, &response);
    out = codec_new_array(&produce_response_topic_produce_response_struct, &request->arena, 1);
    items = codec_new_array(&produce_response_partition_produce_response_struct, &request->arena,
                            (size_t)count);
    out->name = wire_string("t");
    out->topic_id = data->topic_id;
    out->partition_responses.items = items;
    out->partition_responses.count = count;
    response.responses.items = out;
    response.responses.count = 1;
    for (int32_t i = 0; i < count; i++) {
        int32_t p = data->partition_data.items[i].index;

        items[i].index = p;
        items[i].error_code =
            take(peer, p, &data->partition_data.items[i].records, &items[i].base_offset);
        if (items[i].error_code != KAFKA_NONE)
            items[i].base_offset = -1;
    }
    if (draw(chance.close_after)) {
        rig_conn_close(request->conn);
        rig_drop(request);
    } else {
        rig_answer(request, &response);
    }
}

static void answer_init(struct rig_request *request)
{
    struct init_producer_id_response response;

    codec_set_defaults(&init_producer_id_response_desc, &response);
    response.producer_id = 1000 + inits_count++;
    response.producer_epoch = 0;
    rig_answer(request, &response);
}

static bool heard(struct rig_peer *peer, struct rig_request *request)
{
    if (request->api->key == API_INIT_PRODUCER_ID) {
        answer_init(request);
        return true;
    }
    if (request->api->key != API_PRODUCE)
        return false;
    if (draw(chance.close_before)) {
        rig_conn_close(request->conn);
        rig_drop(request);
    } else if (draw(chance.late)) {
        rig_drop(request); /* its answer never comes */
    } else {
        answer_produce(peer, request);
    }
    return true;
}

/* ---- the producer */

static void on_delivered(void *context, const struct client_delivery *delivery)
{
    bool is_stored = delivery->err == OK && delivery->error_code == KAFKA_NONE;

    for (uint32_t i = 0; i < delivery->records_count; i++) {
        uint64_t token = delivery->tokens[i];

        cr_assert(eq(int, told[token].fate, 0)); /* CPR-2 */
        told[token].fate = is_stored ? 1 : delivery->is_ambiguous ? 3 : 2;
        told[token].error_code = delivery->error_code;
        told[token].offset = delivery->base_offset < 0 ? -1 : delivery->base_offset + i;
        told_count++;
    }
}

static void on_fatal(void *context, int16_t error_code, enum err err)
{
    has_failed = true;
    fatal_code = error_code;
}

static void on_tick(struct timer *timer)
{
    for (int i = 0; i < 20 && next_token < end_token; i++) {
        uint32_t value[10] = {next_token};
        struct client_record record = {.topic = topic,
                                       .partition = (int32_t)(next_token % PARTS),
                                       .timestamp_ms = -1,
                                       .token = next_token};
        enum err err;

        record_init(&record.record, NULL, -1, value, sizeof(value));
        err = client_producer_send(producer, &record);
        if (err == ERR_FULL || err == ERR_REFUSED)
            break;
        cr_assert(eq(int, err, OK));
        next_token++;
    }
    if (next_token < end_token && !has_failed)
        loop_set_timer_ms(&rig.loop, &tick, 1);
}

static void start(uint32_t peers_count)
{
    struct client_producer_events events = {.delivered = on_delivered, .fatal = on_fatal};
    struct client_options options = client_options_default();
    char problem[200];

    rig_start(peers_count, NULL);
    rig.heard = heard;
    rig.topics_count = 1;
    rig.topics[0] = (struct rig_topic){.name = "t", .partitions_count = PARTS};
    rig.topics[0].id.bytes[3] = 7;
    for (int p = 0; p < PARTS; p++) {
        parts[p].producer_id = -1;
        parts[p].leader_id = p % (int)peers_count;
        rig.topics[0].partitions[p].leader_id = parts[p].leader_id;
    }
    options.bootstrap_servers = "10.0.0.2:9092";
    options.request_timeout_ms = 300;
    options.retry_first_ms = 10;
    options.retry_max_ms = 50;
    options.reconnect_first_ms = 5;
    options.reconnect_max_ms = 20;
    cr_assert(
        eq(int, client_cluster_create(&rig.env, &options, &cluster, problem, sizeof(problem)), OK));
    topic = client_cluster_topic(cluster, "t");
    cr_assert(eq(int, client_producer_create(cluster, &producing, &events, NULL, &producer), OK));
    timer_init(&tick, on_tick);
}

static void choose_options(void)
{
    producing = client_producer_options_default();
    producing.batch_bytes = 600;
    producing.linger_us = 2000;
}

static void send_some(uint32_t count)
{
    rig_now();
    end_token = next_token + count;
    loop_set_timer_ms(&rig.loop, &tick, 1);
}

static bool is_all_told(void *context)
{
    return has_failed || (next_token == end_token && told_count == end_token);
}

static void wait_all(void)
{
    cr_assert(sim_world_run_until(rig.world, is_all_told, NULL, 36000 * SIM_SECOND));
    rig_now();
}

static void finish(void)
{
    rig_now();
    loop_cancel_timer(&rig.loop, &tick);
    client_producer_destroy(producer, rig_set_true, &has_closed);
    cr_assert(rig_wait(&has_closed, 60000));
    has_closed = false;
    client_cluster_destroy(cluster, rig_set_true, &has_closed);
    cr_assert(rig_wait(&has_closed, 60000));
    rig_finish();
}

/* CPR-1 to CPR-4 */
static void check_all(void)
{
    static uint8_t seen[TOKENS_MAX];

    for (int p = 0; p < PARTS; p++)
        for (uint32_t i = 0; i < parts[p].count; i++) {
            cr_assert(lt(int, seen[parts[p].tokens[i]]++, 1), "%u twice", parts[p].tokens[i]);
            if (i > 0)
                cr_assert(lt(u32, parts[p].tokens[i - 1], parts[p].tokens[i]), "order");
            if (told[parts[p].tokens[i]].fate == 1 && told[parts[p].tokens[i]].offset >= 0)
                cr_assert(eq(i64, told[parts[p].tokens[i]].offset, i));
        }
    for (uint32_t token = 0; token < next_token; token++) {
        if (told[token].fate == 1)
            cr_assert(eq(int, seen[token], 1), "%u is lost", token);
        if (told[token].fate == 2)
            cr_assert(eq(int, seen[token], 0), "%u was told as failed", token);
    }
}

static uint32_t count_fate(uint8_t fate)
{
    uint32_t count = 0;

    for (uint32_t token = 0; token < next_token; token++)
        count += told[token].fate == fate;
    return count;
}

static void run(uint32_t count)
{
    start(2);
    send_some(count);
    wait_all();
    check_all();
}

Test(client_producer_answers, are_all_well)
{
    choose_options();
    run(20000);
    cr_assert(eq(u32, count_fate(1), 20000));
    finish();
}

Test(client_producer_answers, get_lost)
{
    choose_options();
    chance.close_before = 60;
    chance.close_after = 60;
    run(20000);
    cr_assert(eq(u32, count_fate(1), 20000));
    finish();
}

Test(client_producer_answers, come_too_late)
{
    choose_options();
    chance.late = 20;
    chance.close_after = 10;
    run(10000);
    cr_assert(eq(u32, count_fate(1), 10000));
    finish();
}

Test(client_producer_answers, say_to_try_again)
{
    choose_options();
    chance.refuse = 100;
    chance.refuse_after = 100;
    run(20000);
    cr_assert(eq(u32, count_fate(1), 20000));
    finish();
}

Test(client_producer_answers, say_that_another_leads)
{
    choose_options();
    chance.move = 50;
    run(20000);
    cr_assert(eq(u32, count_fate(1), 20000));
    finish();
}

/* CPR-4 */
Test(client_producer_answers, refuse_some_for_good)
{
    choose_options();
    chance.poison = 30;
    chance.close_after = 20;
    chance.close_before = 20;
    run(20000);
    cr_assert(lt(u32, 100, count_fate(2)));
    cr_assert(lt(u32, 15000, count_fate(1)));
    cr_assert(lt(i16, 10, client_producer_epoch(producer)));
    finish();
}

Test(client_producer_answers, refuse_what_is_too_large)
{
    choose_options();
    producing.batch_bytes = 4000;
    producing.linger_us = 20000;
    chance.records_max = 9;
    chance.close_before = 20;
    run(20000);
    cr_assert(eq(u32, count_fate(1), 20000)); /* in pieces */
    cr_assert(eq(i16, client_producer_epoch(producer), 0));
    finish();
}

/* Everything at once, and no time to wait for it. */
Test(client_producer_answers, are_of_every_kind)
{
    choose_options();
    producing.delivery_timeout_ms = 1500;
    chance.close_before = 20;
    chance.close_after = 30;
    chance.refuse = 30;
    chance.refuse_after = 30;
    chance.poison = 10;
    chance.move = 10;
    chance.late = 20;
    run(30000);
    cr_assert(lt(u32, 5000, count_fate(1)));
    cr_assert(lt(u32, 0, count_fate(2)));
    cr_assert(lt(u32, 0, count_fate(3)));
    finish();
}

/* Without numbers: order, and no more lost than told; doubled where an answer is lost. */
Test(client_producer_answers, keep_order_without_numbers)
{
    choose_options();
    producing.is_idempotent = false;
    chance.refuse = 100;
    chance.move = 30;
    run(10000);
    cr_assert(eq(u32, count_fate(1), 10000));
    cr_assert(eq(u32, inits_count, 0));
    finish();
}

static void all_with(int16_t error_code, uint32_t left)
{
    choose_options();
    chance.fixed_error = error_code;
    chance.fixed_left = left;
    run(2000);
}

Test(client_producer_answers, unknown_producer_id_costs_an_epoch)
{
    all_with(KAFKA_UNKNOWN_PRODUCER_ID, 1);
    cr_assert(eq(u32, count_fate(1), 2000));
    cr_assert(eq(i16, client_producer_epoch(producer), 1));
    finish();
}

Test(client_producer_answers, an_unreasonable_out_of_order_costs_an_epoch)
{
    all_with(KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER, 1);
    cr_assert(eq(u32, count_fate(1), 2000));
    cr_assert(eq(i16, client_producer_epoch(producer), 1));
    finish();
}

Test(client_producer_answers, an_old_epoch_fails_and_costs_one)
{
    all_with(KAFKA_INVALID_PRODUCER_EPOCH, 1);
    cr_assert(lt(u32, 0, count_fate(2)));
    cr_assert(lt(u32, 1900, count_fate(1)));
    cr_assert(eq(i16, client_producer_epoch(producer), 1));
    finish();
}

Test(client_producer_answers, that_it_may_not_are_the_end)
{
    all_with(KAFKA_CLUSTER_AUTHORIZATION_FAILED, 1000);
    cr_assert(has_failed);
    cr_assert(eq(i16, fatal_code, KAFKA_CLUSTER_AUTHORIZATION_FAILED));
    sim_world_run_for(rig.world, SIM_SECOND);
    cr_assert(eq(u32, told_count, next_token)); /* each was told of */
    cr_assert(eq(u32, count_fate(1), 0));
    finish();
}

/* Of one answer: the first batch ends the producer, the others are too large. */
Test(client_producer_answers, nothing_is_split_when_all_is_over)
{
    choose_options();
    chance.fixed_error = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    chance.fixed_left = 1;
    chance.records_max = 1;
    start(1);
    send_some(60);
    wait_all();
    cr_assert(has_failed);
    sim_world_run_for(rig.world, SIM_SECOND);
    cr_assert(eq(u32, told_count, next_token));
    cr_assert(eq(u32, count_fate(1), 0));
    check_all();
    for (int p = 0; p < PARTS; p++)
        cr_assert(eq(u32, parts[p].count, 0));
    finish();
}
