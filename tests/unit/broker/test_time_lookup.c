/* Lookups by time cost the loop some milliseconds a turn, whatever the batches expand to. */
#include "broker/partition.h"
#include "broker/time_lookup.h"
#include "broker/topic_table.h"
#include "net/protocol/msg_list_offsets.h"
#include "net/protocol/msg_produce.h"
#include "record/batch_builder.h"
#include "storage/log/log_private.h"
#include "tests/unit/broker/live_rig.h"

enum {
    PARTITIONS = 24,
    LONG_BYTES = 24 << 20,  /* far above what a turn looks at */
    MIDDLE_BYTES = 1 << 20, /* some of them fit in a turn */
    TURN_BYTES = 3 << 20,   /* what a turn looks at, at most */
    ACTIVE_MAX = 16,
};

static struct shard *shard;
static struct partition *partitions[PARTITIONS];
static struct uuid topic_id;
static int64_t first_ms;

/* Three records, a second apart; the first two are large. */
static void produce(int32_t partition, uint32_t value_bytes, enum compression codec)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct compression_context *context = compression_context_create();
    struct live_produce produced;
    struct batch_builder builder;
    uint8_t *value = mem_alloc(value_bytes);

    options.codec = codec;
    batch_builder_init(&builder, &options);
    for (int32_t i = 0; i < 3; i++)
        cr_assert(
            eq(int,
               batch_builder_add_pair(&builder, NULL, -1, value,
                                      i == 2 ? 1 : (int32_t)value_bytes / 2, first_ms + i * 1000),
               OK));
    produced = live_produce_built(live_client(0), "t", partition, &builder, context);
    cr_assert(eq(i16, produced.error_code, KAFKA_NONE));
    cr_assert(eq(i64, log_offsets(partitions[partition]->log).high_watermark % 3, 0));
    compression_context_destroy(context);
    mem_free(value);
}

static void setup(void)
{
    live_start(1, NULL);
    topic_id = live_topic(live_client(0), "t", PARTITIONS);
    shard = broker_shard(live.broker.broker, 0);
    first_ms = clock_wall_ms(shard->clock) - 10000;
    for (int32_t i = 0; i < PARTITIONS; i++)
        partitions[i] = topic_table_find(shard->topics, &topic_id, i);
}

TestSuite(time_lookup, .init = setup, .timeout = 600);

struct sample {
    struct time_lookup lookup;
    int64_t asked_ms; /* behind the first record; 0: 2000 */
    bool is_done;
    enum err err;
    uint32_t place; /* in which they were done */
};

static uint32_t done_count;

static void on_done(struct time_lookup *lookup, enum err err)
{
    struct sample *sample = container_of(lookup, struct sample, lookup);

    sample->is_done = true;
    sample->err = err;
    sample->place = done_count++;
}

/* The first record that is as late as the third, unless the sample says otherwise. */
static void start(struct sample *sample, int32_t partition, const void *owner)
{
    int64_t asked_ms = sample->asked_ms == 0 ? 2000 : sample->asked_ms;
    enum err err;

    sample->lookup = (struct time_lookup){
        .topic_id = topic_id,
        .partition = partition,
        .owner = {.client = sample->lookup.owner.client, .request = owner},
        .search = {.timestamp_ms = first_ms + asked_ms,
                   .bound = log_offsets(partitions[partition]->log).high_watermark},
        .done = on_done};
    err = time_lookup_start(&sample->lookup, shard);
    if (err != ERR_AGAIN)
        on_done(&sample->lookup, err);
}

static bool is_done(void *sample)
{
    return ((struct sample *)sample)->is_done;
}

static bool has_job(void *sample)
{
    return ((struct sample *)sample)->lookup.job != NULL;
}

static void wait_for(struct sample *sample, bool (*what)(void *sample))
{
    cr_assert(sim_world_run_until(live.world, what, sample, 60 * SIM_SECOND));
}

static struct budget *reads(void)
{
    return memory_budget(&shard->memory, MEMORY_COLD_READS);
}

Test(time_lookup, what_is_quick_is_answered_at_once)
{
    for (int32_t codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct sample sample = {0};

        produce(codec, 1000, (enum compression)codec);
        start(&sample, codec, &sample);
        cr_assert(sample.is_done);
        cr_assert(eq(int, sample.err, OK));
        cr_assert(eq(i64, sample.lookup.search.found_offset, 2));
        cr_assert(eq(i64, sample.lookup.search.found_timestamp_ms, first_ms + 2000));
        cr_assert(eq(u64, budget_used_bytes(reads()), 0));
    }
}

Test(time_lookup, a_batch_that_takes_more_than_a_turn_is_searched_beside_the_loop)
{
    const enum compression codecs[] = {COMPRESSION_GZIP, COMPRESSION_LZ4, COMPRESSION_ZSTD};

    for (int32_t i = 0; i < 3; i++) {
        struct sample sample = {0};

        produce(i, LONG_BYTES, codecs[i]);
        start(&sample, i, &sample);
        cr_assert(not(sample.is_done));
        cr_assert(lt(u64, sample.lookup.search.work_bytes, TURN_BYTES));
        cr_assert(eq(u64, budget_used_bytes(reads()), 0)); /* it waits, and holds nothing */
        wait_for(&sample, has_job);
        cr_assert(lt(u64, 300000, budget_used_bytes(reads()))); /* what it uncompresses with */
        wait_for(&sample, is_done);
        cr_assert(eq(int, sample.err, OK));
        cr_assert(eq(i64, sample.lookup.search.found_offset, 2));
        cr_assert(eq(u64, budget_used_bytes(reads()), 0));
    }
}

Test(time_lookup, together_the_lookups_of_a_turn_do_not_take_longer)
{
    static struct sample samples[PARTITIONS];
    uint64_t looked_at = 0;
    uint32_t active = 0;

    for (int32_t i = 0; i < PARTITIONS; i++)
        produce(i, MIDDLE_BYTES, COMPRESSION_LZ4);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        start(&samples[i], i, samples);
        looked_at += samples[i].lookup.search.work_bytes;
        active += samples[i].lookup.stage == TIME_LOOKUP_ACTIVE;
    }
    cr_assert(lt(u64, looked_at, TURN_BYTES));
    cr_assert(le(u32, active, ACTIVE_MAX));
    cr_assert(not(samples[PARTITIONS - 1].is_done));
    for (int32_t i = 0; i < PARTITIONS; i++) {
        wait_for(&samples[i], is_done);
        cr_assert(eq(int, samples[i].err, OK));
        cr_assert(eq(i64, samples[i].lookup.search.found_offset, 2));
    }
}

Test(time_lookup, requests_have_their_turns)
{
    static struct sample many[PARTITIONS - 1];
    static struct sample one;

    for (int32_t i = 0; i < PARTITIONS; i++)
        produce(i, LONG_BYTES, COMPRESSION_ZSTD);
    for (int32_t i = 0; i < PARTITIONS - 1; i++)
        start(&many[i], i, many);
    start(&one, PARTITIONS - 1, &one);
    wait_for(&one, is_done);
    cr_assert(lt(u32, one.place, 6));
    cr_assert(eq(i64, one.lookup.search.found_offset, 2));
    for (int32_t i = 0; i < PARTITIONS - 1; i++)
        wait_for(&many[i], is_done);
}

/* However many requests one of them has. */
Test(time_lookup, addresses_have_their_turns)
{
    static struct sample many[PARTITIONS - 1];
    static struct sample one = {.lookup.owner.client = 2};

    for (int32_t i = 0; i < PARTITIONS; i++)
        produce(i, LONG_BYTES, COMPRESSION_ZSTD);
    for (int32_t i = 0; i < PARTITIONS - 1; i++) {
        many[i].lookup.owner.client = 1;
        start(&many[i], i, &many[i]);
    }
    start(&one, PARTITIONS - 1, &one);
    wait_for(&one, is_done);
    cr_assert(lt(u32, one.place, 6));
    for (int32_t i = 0; i < PARTITIONS - 1; i++)
        wait_for(&many[i], is_done);
}

/* What was found lies below a log start that has moved while a thread searched: the batch goes on
 * behind it. */
Test(time_lookup, a_log_start_that_moves_meanwhile_counts)
{
    struct sample sample = {.asked_ms = 1000};

    produce(0, LONG_BYTES, COMPRESSION_ZSTD);
    start(&sample, 0, &sample);
    wait_for(&sample, has_job);
    partitions[0]->log->offsets.log_start = 2; /* as if its entry had become durable just now */
    wait_for(&sample, is_done);
    cr_assert(eq(int, sample.err, OK));
    cr_assert(eq(i64, sample.lookup.search.found_offset, 2));
}

Test(time_lookup, what_is_canceled_is_not_told_and_gives_its_place)
{
    static struct sample samples[3];
    struct sample last = {0};

    for (int32_t i = 0; i < 3; i++)
        produce(i, LONG_BYTES, COMPRESSION_ZSTD);
    for (int32_t i = 0; i < 3; i++)
        start(&samples[i], i, &samples[i]);
    wait_for(&samples[0], has_job);
    for (int32_t i = 0; i < 3; i++) {
        time_lookup_cancel(&samples[i].lookup);
        memset(&samples[i].lookup, 0xa5, sizeof(samples[i].lookup)); /* the caller's again */
    }
    start(&last, 1, &last);
    wait_for(&last, is_done);
    cr_assert(eq(i64, last.lookup.search.found_offset, 2));
    for (int32_t i = 0; i < 3; i++)
        cr_assert(not(samples[i].is_done));
    cr_assert(eq(u64, budget_used_bytes(reads()), 0));
}

Test(time_lookup, a_partition_that_is_gone_meanwhile_is_not_touched)
{
    struct sample sample = {0};

    produce(0, LONG_BYTES, COMPRESSION_ZSTD);
    start(&sample, 0, &sample);
    wait_for(&sample, has_job);
    sample.lookup.topic_id.bytes[0] ^= 1;
    wait_for(&sample, is_done);
    cr_assert(eq(int, sample.err, ERR_NOT_FOUND));
    cr_assert(eq(u64, budget_used_bytes(reads()), 0));
}

Test(time_lookup, a_stop_does_not_wait_for_it_in_vain)
{
    struct list_offsets_request_list_offsets_partition part;
    struct list_offsets_request_list_offsets_topic topic = {.name = wire_string("t"),
                                                            .partitions = {&part, 1}};
    struct list_offsets_request request;
    struct live_ask ask = {0};

    produce(0, LONG_BYTES, COMPRESSION_ZSTD);
    codec_set_defaults(&list_offsets_request_desc, &request);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_partition_struct, &part);
    part.timestamp = first_ms + 2000;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = 60000;
    live_ask_start(&ask, live_client(0), API_LIST_OFFSETS, 10, &request);
    cr_assert(lt(u64, live_stop_ms(), 5000));
}
