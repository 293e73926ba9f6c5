/* producer_rig: producers of the client room in the simulated world of live_rig: each on a host of
 * its own, driven by a timer of its loop, before a real broker; and what became of every record.
 * Included by one test file at a time.
 *
 * The value of a record is its token, so that each can be found again on the broker. */
#ifndef LEVEE_TESTS_PRODUCER_RIG_H
#define LEVEE_TESTS_PRODUCER_RIG_H

#include "net/client/client_producer.h"
#include "net/client/client_transaction.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_fetch.h"
#include "record/batch_reader.h"
#include "tests/unit/broker/live_rig.h"

enum {
    PRODUCERS_MAX = 3,
    PRODUCER_TOKENS_MAX = 200000,
    PRODUCER_PARTITIONS = 3,
    PRODUCER_SLAB_BYTES = 64 << 20,
};

enum producer_fate { FATE_NONE, FATE_STORED, FATE_FAILED, FATE_AMBIGUOUS };

struct producer_record {
    uint8_t fate;
    uint8_t seen_count; /* on the broker, not aborted */
    int16_t error_code;
    uint8_t err;
    int8_t partition;
    int32_t transaction; /* 0: none */
    int64_t offset;
};

static struct producer_record producer_records[PRODUCER_TOKENS_MAX];

struct producer_rig {
    struct sim_node *node;
    struct loop loop;
    struct slab slab;
    struct prng prng;
    struct client_env env;
    struct client_options options;
    struct client_cluster *cluster;
    struct client_producer_options producing;
    struct client_producer *producer;
    struct client_topic *topic;
    uint32_t index;
    struct timer tick;
    /* What the timer does. */
    uint64_t next_token;
    uint64_t end_token;
    uint32_t burst;
    uint32_t tick_ms;
    uint32_t value_bytes;
    bool has_keys;
    bool closes_when_told;
    bool is_random_partition;
    bool ends_with_room; /* the producer is destroyed when there is room again */
    /* out */
    uint64_t delivered_count;
    uint64_t full_count;
    uint64_t refused_count;
    bool has_room; /* since the last ERR_FULL */
    bool has_closed;
    bool has_failed;
    int16_t fatal_code;
    enum err fatal_err;
    int64_t last_offsets[PRODUCER_PARTITIONS];
    /* transactions */
    struct client_transaction_op op;
    bool is_op_done;
    enum err op_err;
    bool force_version_1;
};

static struct producer_rig producer_rigs[PRODUCERS_MAX];

/* ---- events */

static inline void producer_rig_delivered(void *context, const struct client_delivery *delivery)
{
    struct producer_rig *rig = context;
    bool is_stored = delivery->err == OK && delivery->error_code == KAFKA_NONE;

    cr_assert(lt(u32, 0, delivery->records_count));
    for (uint32_t i = 0; i < delivery->records_count; i++) {
        struct producer_record *record = &producer_records[delivery->tokens[i]];

        cr_assert(eq(int, record->fate, FATE_NONE), "told twice"); /* CPR-2 */
        record->fate = is_stored                ? FATE_STORED
                       : delivery->is_ambiguous ? FATE_AMBIGUOUS
                                                : FATE_FAILED;
        record->error_code = delivery->error_code;
        record->err = (uint8_t)delivery->err;
        record->partition = (int8_t)delivery->partition;
        record->offset = delivery->base_offset < 0 ? -1 : delivery->base_offset + i;
    }
    rig->delivered_count += delivery->records_count;
}

static inline void producer_rig_closed(void *context)
{
    ((struct producer_rig *)context)->has_closed = true;
}

static inline void producer_rig_room(void *context)
{
    struct producer_rig *rig = context;

    rig->has_room = true;
    if (rig->ends_with_room)
        client_producer_destroy(rig->producer, producer_rig_closed, rig);
}

static inline void producer_rig_fatal(void *context, int16_t error_code, enum err err)
{
    struct producer_rig *rig = context;

    cr_assert(not(rig->has_failed));
    rig->has_failed = true;
    rig->fatal_code = error_code;
    rig->fatal_err = err;
}

/* ---- sending */

static inline enum err producer_rig_send(struct producer_rig *rig, uint64_t token,
                                         int32_t partition, int32_t transaction)
{
    static uint8_t value[1 << 20];
    struct client_record record = {
        .topic = rig->topic, .partition = partition, .timestamp_ms = -1, .token = token};
    enum err err;

    cr_assert(lt(u64, token, PRODUCER_TOKENS_MAX));
    memcpy(value, &token, sizeof(token));
    record_init(&record.record, rig->has_keys ? value : NULL, rig->has_keys ? 8 : -1, value,
                (int32_t)rig->value_bytes);
    producer_records[token].transaction = transaction;
    err = client_producer_send(rig->producer, &record);
    return err;
}

static inline void producer_rig_on_tick(struct timer *timer)
{
    struct producer_rig *rig = container_of(timer, struct producer_rig, tick);

    for (uint32_t i = 0; i < rig->burst && rig->next_token < rig->end_token; i++) {
        int32_t partition = rig->is_random_partition
                                ? (int32_t)prng_below(&rig->prng, PRODUCER_PARTITIONS)
                                : (int32_t)(rig->next_token % PRODUCER_PARTITIONS);
        enum err err = producer_rig_send(rig, rig->next_token, rig->has_keys ? -1 : partition, 0);

        if (err == ERR_FULL) {
            rig->full_count++;
            break;
        }
        if (err == ERR_REFUSED) {
            rig->refused_count++;
            return;
        }
        cr_assert(eq(int, err, OK));
        rig->next_token++;
    }
    if (rig->next_token < rig->end_token)
        loop_set_timer_ms(&rig->loop, &rig->tick, rig->tick_ms);
}

/* ---- the world */

static inline void producer_rig_begin(struct sim_node *node)
{
    struct producer_rig *rig = node->options.context;
    struct client_producer_events events = {.delivered = producer_rig_delivered,
                                            .room = producer_rig_room,
                                            .fatal = producer_rig_fatal};
    char problem[200];

    prng_fork(&node->prng, "producer", &rig->prng);
    loop_init(&rig->loop, 0, sim_node_io(node, 0), sim_node_clock(node));
    sim_node_attach(node, 0, &rig->loop);
    rig->loop.now_ns = clock_mono_ns(rig->loop.clock);
    slab_init(&rig->slab, PRODUCER_SLAB_BYTES);
    rig->env = (struct client_env){
        .loop = &rig->loop, .slab = &rig->slab, .prng = &rig->prng, .client_id = "rig"};
    rig->options.bootstrap_servers = "10.0.0.1:9092";
    cr_assert(
        eq(int,
           client_cluster_create(&rig->env, &rig->options, &rig->cluster, problem, sizeof(problem)),
           OK),
        "%s", problem);
    rig->topic = client_cluster_topic(rig->cluster, "t");
    cr_assert(
        eq(int, client_producer_create(rig->cluster, &rig->producing, &events, rig, &rig->producer),
           OK));
    if (rig->force_version_1)
        client_transaction_force_version_1(rig->producer);
    timer_init(&rig->tick, producer_rig_on_tick);
}

static inline void producer_rig_end(struct sim_node *node, enum sim_crash kind)
{
}

/* Not started: options may be set. */
static inline struct producer_rig *producer_rig(uint32_t index)
{
    static char names[PRODUCERS_MAX][16];
    struct producer_rig *rig = &producer_rigs[index];

    rig->index = index;
    rig->options = client_options_default();
    rig->options.request_timeout_ms = 5000;
    rig->producing = client_producer_options_default();
    rig->burst = 50;
    rig->tick_ms = 2;
    rig->value_bytes = 100;
    snprintf(names[index], sizeof(names[index]), "producer %u", index);
    rig->node = sim_node_create(live.world, &(struct sim_node_options){.name = names[index],
                                                                       .start = producer_rig_begin,
                                                                       .end = producer_rig_end,
                                                                       .context = rig});
    return rig;
}

/* A broker that tells its address, and topic t. */
static inline void producer_rig_world(const char *const *sets)
{
    static const char *all[8] = {"advertised.listeners=PLAINTEXT://10.0.0.1:9092"};

    for (uint32_t i = 0; sets != NULL && sets[i] != NULL; i++)
        all[i + 1] = sets[i];
    live_start(1, all);
    (void)live_topic(live_client(0), "t", PRODUCER_PARTITIONS);
}

/* Send tokens [from, to) from the timer. */
static inline void producer_rig_run(struct producer_rig *rig, uint64_t from, uint64_t to)
{
    if (!sim_node_is_running(rig->node))
        sim_node_start(rig->node);
    rig->next_token = from;
    rig->end_token = to;
    rig->loop.now_ns = clock_mono_ns(rig->loop.clock);
    loop_set_timer_ms(&rig->loop, &rig->tick, 1);
}

static inline bool producer_rig_is_quiet(void *context)
{
    struct producer_rig *rig = context;

    return rig->next_token == rig->end_token && client_producer_pending_count(rig->producer) == 0;
}

static inline void producer_rig_wait(struct producer_rig *rig, uint64_t limit_ms)
{
    cr_assert(sim_world_run_until(live.world, producer_rig_is_quiet, rig, limit_ms * SIM_MS),
              "records are still pending");
}

/* The broker dies and is up again. */
static inline void producer_rig_kill_broker(enum sim_crash kind, uint64_t away_ms)
{
    sim_node_crash(live.broker.node, kind);
    sim_world_run_for(live.world, away_ms * SIM_MS);
    sim_node_start(live.broker.node);
    cr_assert(sim_world_run_until(live.world, live_is_ready, NULL, 60 * SIM_SECOND));
    cr_assert(live.broker.ready);
}

/* ---- operations */

static inline void producer_rig_on_op(struct client_transaction_op *op, enum err err)
{
    struct producer_rig *rig = container_of(op, struct producer_rig, op);

    cr_assert(not(rig->is_op_done)); /* CTX-2 */
    rig->is_op_done = true;
    rig->op_err = err;
}

static inline bool producer_rig_has_op(void *context)
{
    return ((struct producer_rig *)context)->is_op_done;
}

static inline struct client_transaction_op *producer_rig_op(struct producer_rig *rig)
{
    rig->is_op_done = false;
    rig->op = (struct client_transaction_op){.done = producer_rig_on_op};
    rig->loop.now_ns = clock_mono_ns(rig->loop.clock);
    return &rig->op;
}

static inline enum err producer_rig_wait_op(struct producer_rig *rig, uint64_t limit_ms)
{
    cr_assert(not(rig->is_op_done), "inside the call");
    cr_assert(sim_world_run_until(live.world, producer_rig_has_op, rig, limit_ms * SIM_MS),
              "the operation does not end");
    return rig->op_err;
}

/* Everything ends, and nothing is left. */
static inline bool producer_rig_is_closed(void *context)
{
    return ((struct producer_rig *)context)->has_closed;
}

static inline void producer_rig_close(struct producer_rig *rig)
{
    rig->loop.now_ns = clock_mono_ns(rig->loop.clock);
    loop_cancel_timer(&rig->loop, &rig->tick);
    rig->has_closed = false;
    client_producer_destroy(rig->producer, producer_rig_closed, rig);
    cr_assert(sim_world_run_until(live.world, producer_rig_is_closed, rig, 60 * SIM_SECOND));
    rig->has_closed = false;
    client_cluster_destroy(rig->cluster, producer_rig_closed, rig);
    cr_assert(sim_world_run_until(live.world, producer_rig_is_closed, rig, 60 * SIM_SECOND));
}

/* ---- what the broker has */

struct producer_read {
    int32_t partition;
    int64_t next_offset;
    int64_t end_offset;
    uint64_t last_token[PRODUCERS_MAX + 1];
    bool is_order_kept;
    /* of open transactions, by producer id */
    struct {
        int64_t producer_id;
        uint64_t tokens[4096];
        uint32_t count;
    } open[8];
    uint32_t open_count;
    uint64_t seen_count;
};

static struct producer_read producer_read;

static inline uint32_t producer_read_open(int64_t producer_id)
{
    for (uint32_t i = 0; i < producer_read.open_count; i++)
        if (producer_read.open[i].producer_id == producer_id)
            return i;
    producer_read.open[producer_read.open_count].producer_id = producer_id;
    producer_read.open[producer_read.open_count].count = 0;
    cr_assert(lt(u32, producer_read.open_count, 8));
    return producer_read.open_count++;
}

static inline void producer_read_token(uint64_t token)
{
    cr_assert(lt(u64, token, PRODUCER_TOKENS_MAX));
    producer_records[token].seen_count++;
    producer_read.seen_count++;
}

static inline void producer_read_batch(const struct batch_header *header, const uint8_t *bytes)
{
    struct record_walk walk;
    struct record record;
    uint32_t slot = batch_is_transactional(header) ? producer_read_open(header->producer_id) : 0;

    cr_assert(batch_crc_is_good(bytes, header));
    record_walk_init(&walk, bytes + BATCH_HEADER_BYTES, header->size_bytes - BATCH_HEADER_BYTES,
                     header->record_count);
    while (record_next(&walk, &record) == OK) {
        uint64_t token;

        if (batch_is_control(header)) {
            for (uint32_t i = 0; record.key[3] == 1 && i < producer_read.open[slot].count; i++)
                producer_read_token(producer_read.open[slot].tokens[i]);
            producer_read.open[slot].count = 0;
            continue;
        }
        memcpy(&token, record.value, sizeof(token));
        if (producer_records[token].fate == FATE_STORED && producer_records[token].offset >= 0)
            cr_assert(
                eq(i64, producer_records[token].offset, header->base_offset + record.offset_delta));
        if (batch_is_transactional(header)) {
            cr_assert(lt(u32, producer_read.open[slot].count, 4096));
            producer_read.open[slot].tokens[producer_read.open[slot].count++] = token;
        } else {
            producer_read_token(token);
        }
        if (token <= producer_read.last_token[0] && producer_read.last_token[0] != 0)
            producer_read.is_order_kept = false;
        producer_read.last_token[0] = token;
    }
    producer_read.next_offset = batch_last_offset(header) + 1;
}

static inline void producer_read_look(struct live_ask *ask, const void *response)
{
    const struct fetch_response *answer = response;
    const struct fetch_response_partition_data *part =
        &answer->responses.items[0].partitions.items[0];
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *bytes;

    cr_assert(eq(i16, part->error_code, KAFKA_NONE));
    producer_read.end_offset = part->high_watermark;
    if (part->records.is_null || part->records.slice_count == 0)
        return;
    batch_walk_init(&walk, part->records.slices[0].bytes, part->records.slices[0].size_bytes);
    while (batch_next(&walk, &header, &bytes) == OK)
        if (header.base_offset >= producer_read.next_offset)
            producer_read_batch(&header, bytes);
}

static inline void producer_read_more(void)
{
    struct fetch_request_fetch_partition part;
    struct fetch_request_fetch_topic topic;
    struct fetch_request request;
    struct live_ask ask = {.look = producer_read_look};

    codec_set_defaults(&fetch_request_desc, &request);
    codec_set_struct_defaults(&fetch_request_fetch_topic_struct, &topic);
    codec_set_struct_defaults(&fetch_request_fetch_partition_struct, &part);
    part.partition = producer_read.partition;
    part.fetch_offset = producer_read.next_offset;
    part.partition_max_bytes = 1 << 20;
    topic.topic = wire_string("t");
    topic.partitions.items = &part;
    topic.partitions.count = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.max_bytes = 4 << 20;
    request.max_wait_ms = 0;
    request.min_bytes = 0;
    do { /* its connection may be gone without its knowing */
        live_ask_start(&ask, live_client(0), API_FETCH, 11, &request);
        cr_assert(live_ask_wait(&ask, 600000), "no answer");
    } while (ask.err != OK);
}

/* Read every partition; count how often each token is there. */
static inline void producer_read_all(void)
{
    for (uint32_t i = 0; i < PRODUCER_TOKENS_MAX; i++)
        producer_records[i].seen_count = 0;
    producer_read = (struct producer_read){.is_order_kept = true};
    for (int32_t p = 0; p < PRODUCER_PARTITIONS; p++) {
        producer_read.partition = p;
        producer_read.next_offset = 0;
        producer_read.open_count = 0;
        memset(producer_read.last_token, 0, sizeof(producer_read.last_token));
        do
            producer_read_more();
        while (producer_read.next_offset < producer_read.end_offset);
    }
}

/* Tokens [from, to), not in transactions: CPR-1, CPR-2, CPR-3. */
static inline void producer_check(uint64_t from, uint64_t to)
{
    producer_read_all();
    cr_assert(producer_read.is_order_kept, "out of order");
    for (uint64_t token = from; token < to; token++) {
        const struct producer_record *record = &producer_records[token];

        cr_assert(ne(int, record->fate, FATE_NONE), "%lu was not told of", token);
        cr_assert(le(int, record->seen_count, 1), "%lu is doubled", token);
        if (record->fate == FATE_STORED)
            cr_assert(eq(int, record->seen_count, 1), "%lu is lost", token);
        if (record->fate == FATE_FAILED)
            cr_assert(eq(int, record->seen_count, 0), "%lu was told as failed", token);
    }
}

static inline uint64_t producer_count_fate(uint64_t from, uint64_t to, enum producer_fate fate)
{
    uint64_t count = 0;

    for (uint64_t token = from; token < to; token++)
        count += producer_records[token].fate == fate;
    return count;
}

#endif
