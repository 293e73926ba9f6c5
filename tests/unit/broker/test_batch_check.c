/* A look into a batch takes as long as its records are, and the loop for some milliseconds. */
#include "broker/batch_check.h"
#include "broker/topic_table.h"
#include "net/protocol/msg_produce.h"
#include "record/batch_builder.h"
#include "tests/support/empty_stream.h"
#include "tests/unit/broker/live_rig.h"

#include <time.h>

enum {
    BOMB_BYTES = 48 << 20,  /* far above what a turn looks at */
    TURN_BYTES = 5 << 20,   /* what a turn may look at, at most */
    MIDDLE_BYTES = 3 << 20, /* one of them fits in a turn, two do not */
};

static struct shard *shard;
static struct compression_context *context;
static int64_t now_ms;

static void setup(void)
{
    live_start(1, NULL);
    live_client(0);
    shard = broker_shard(live.broker.broker, 0);
    context = compression_context_create();
    now_ms = clock_wall_ms(shard->clock);
}

TestSuite(batch_check, .init = setup, .timeout = 600);

struct sample {
    struct batch_check check;
    struct batch_builder builder;
    const uint8_t *bytes;
    uint32_t size_bytes;
    enum err err; /* of the start */
    enum err done_err;
    uint32_t done_count;
    uint32_t place; /* in which they were done */
};

static uint32_t done_count;

/* Records of value_bytes each, with `extra` of them that lie too far ahead in time. */
static void build(struct sample *sample, enum compression codec, uint32_t value_bytes,
                  int32_t records, int32_t late)
{
    struct batch_builder_options options = batch_builder_options_default();
    uint8_t *value = mem_alloc(value_bytes);

    options.codec = codec;
    options.level = codec == COMPRESSION_GZIP ? 1 : COMPRESSION_LEVEL_DEFAULT;
    batch_builder_init(&sample->builder, &options);
    for (int32_t i = 0; i < records; i++)
        cr_assert(eq(int,
                     batch_builder_add_pair(&sample->builder, NULL, -1, value, (int32_t)value_bytes,
                                            i < late ? now_ms + INT64_C(864000000000) : now_ms),
                     OK));
    cr_assert(eq(
        int, batch_builder_finish(&sample->builder, context, &sample->bytes, &sample->size_bytes),
        OK));
    mem_free(value);
}

static void on_done(struct batch_check *check, enum err err)
{
    struct sample *sample = container_of(check, struct sample, check);

    sample->done_err = err;
    sample->done_count++;
    sample->place = done_count++;
}

static struct buf frames[64];
static uint32_t frame_count;

static void forget_frame(struct buf *buf)
{
}

static struct budget *errors_budget; /* of the checks that are started from now on */

static void start_to(struct sample *sample, const void *owner, int8_t codec)
{
    struct buf *frame = &frames[frame_count++];

    buf_init_foreign(frame, (uint8_t *)(uintptr_t)sample->bytes, sample->size_bytes, forget_frame);
    sample->check = (struct batch_check){
        .rules = {.produce_version = 9,
                  .validate_compressed = true,
                  .max_message_bytes = 1 << 30,
                  .uncompressed_max_bytes = 1 << 30,
                  .now_ms = now_ms,
                  .timestamp_before_max_ms = INT64_MAX,
                  .timestamp_after_max_ms = 3600000},
        .codec = codec,
        .recode_max_bytes = 1 << 30,
        .bytes = sample->bytes,
        .size_bytes = sample->size_bytes,
        .frame = frame,
        .owner = {.client = 1, .request = owner},
        .budget = errors_budget,
        .done = on_done,
    };
    sample->err = batch_check_start(&sample->check, shard);
}

static void start(struct sample *sample, const void *owner)
{
    start_to(sample, owner, -1);
}

static bool are_done(void *context_)
{
    return done_count == *(uint32_t *)context_;
}

static void wait_for(uint32_t count)
{
    cr_assert(sim_world_run_until(live.world, are_done, &count, 60 * SIM_SECOND));
}

static void end(struct sample *sample)
{
    batch_check_deinit(&sample->check);
    batch_builder_deinit(&sample->builder);
}

Test(batch_check, what_is_quick_is_answered_at_once)
{
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct sample sample = {0};

        build(&sample, (enum compression)codec, 1000, 10, 0);
        start(&sample, &sample);
        cr_assert(eq(int, sample.err, OK));
        cr_assert(eq(ptr, (void *)sample.check.stored, (void *)sample.bytes));
        cr_assert(eq(u32, sample.check.stored_bytes, sample.size_bytes));
        end(&sample);
    }
}

Test(batch_check, what_takes_more_than_a_turn_is_given_up_and_looked_at_beside_the_loop)
{
    for (int codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
        struct sample sample = {0};

        if (codec == COMPRESSION_SNAPPY)
            continue; /* expands no more than 22 times */
        done_count = 0;
        build(&sample, (enum compression)codec, BOMB_BYTES, 1, 0);
        start(&sample, &sample);
        cr_assert(eq(int, sample.err, ERR_AGAIN));
        cr_assert(lt(u64, sample.check.info.walked_bytes, TURN_BYTES));
        wait_for(1);
        cr_assert(eq(int, sample.done_err, OK));
        cr_assert(eq(i32, sample.check.info.record_count, 1));
        cr_assert(lt(u64, BOMB_BYTES, sample.check.info.walked_bytes));
        cr_assert(eq(ptr, (void *)sample.check.stored, (void *)sample.bytes));
        end(&sample);
    }
}

Test(batch_check, the_limit_of_what_a_batch_may_expand_to_holds_for_both)
{
    struct sample sample = {0};

    build(&sample, COMPRESSION_ZSTD, BOMB_BYTES, 1, 0);
    start(&sample, &sample);
    batch_check_cancel(&sample.check);
    sample.check.rules.uncompressed_max_bytes = 1 << 20; /* quick */
    sim_world_run_until_idle(live.world, SIM_SECOND);
    cr_assert(eq(int, batch_check_start(&sample.check, shard), ERR_TOO_LARGE));
    sample.check.rules.uncompressed_max_bytes = 20 << 20;
    sim_world_run_until_idle(live.world, SIM_SECOND);
    cr_assert(eq(int, batch_check_start(&sample.check, shard), ERR_AGAIN));
    wait_for(1);
    cr_assert(eq(int, sample.done_err, ERR_TOO_LARGE));
    end(&sample);
}

/* A thread holds it twice.  One that is stored as it came is walked, and needs no memory. */
Test(batch_check, a_batch_that_is_written_anew_may_expand_to_less)
{
    struct sample sample = {0};

    build(&sample, COMPRESSION_ZSTD, BOMB_BYTES, 1, 0);
    start_to(&sample, &sample, COMPRESSION_GZIP);
    cr_assert(eq(int, sample.err, ERR_AGAIN));
    batch_check_cancel(&sample.check);
    for (int trusted = 0; trusted < 2; trusted++) {
        done_count = 0;
        sample.check.recode_max_bytes = BOMB_BYTES / 2;
        sample.check.rules.validate_compressed = trusted == 0;
        sim_world_run_until_idle(live.world, SIM_SECOND);
        cr_assert(eq(int, batch_check_start(&sample.check, shard), ERR_AGAIN));
        wait_for(1);
        cr_assert(eq(int, sample.done_err, ERR_TOO_LARGE), "%d", trusted);
    }
    done_count = 0;
    sample.check.codec = COMPRESSION_ZSTD;
    sample.check.rules.validate_compressed = true;
    cr_assert(eq(int, batch_check_start(&sample.check, shard), ERR_AGAIN));
    wait_for(1);
    cr_assert(eq(int, sample.done_err, OK));
    end(&sample);
}

/* The same where it would fit into the turn. */
Test(batch_check, so_may_one_that_needs_no_thread)
{
    struct sample sample = {0};

    build(&sample, COMPRESSION_ZSTD, 100 << 10, 1, 0);
    start_to(&sample, &sample, COMPRESSION_GZIP);
    cr_assert(eq(int, sample.err, OK));
    cr_assert(ne(ptr, (void *)sample.check.stored, (void *)sample.bytes));
    sample.check.recode_max_bytes = 50 << 10;
    sim_world_run_until_idle(live.world, SIM_SECOND);
    cr_assert(eq(int, batch_check_start(&sample.check, shard), ERR_TOO_LARGE));
    end(&sample);
}

Test(batch_check, together_the_checks_of_a_turn_do_not_take_longer)
{
    enum { MANY = 24 };
    static struct sample samples[MANY];
    uint64_t looked_at = 0;
    uint32_t later = 0;

    build(&samples[0], COMPRESSION_LZ4, MIDDLE_BYTES, 1, 0);
    for (int i = 0; i < MANY; i++) {
        samples[i].bytes = samples[0].bytes;
        samples[i].size_bytes = samples[0].size_bytes;
        start(&samples[i], &samples[i]);
        looked_at += samples[i].check.info.walked_bytes;
        later += samples[i].err == ERR_AGAIN;
    }
    cr_assert(lt(u64, looked_at, TURN_BYTES));
    cr_assert(le(u32, MANY - 1, later));
    wait_for(later);
    for (int i = 0; i < MANY; i++)
        if (samples[i].err == ERR_AGAIN)
            cr_assert(eq(int, samples[i].done_err, OK));
}

/* It stood still: what was longer than the rest of a turn went to the end of its line, and was
 * looked at again at once.  Records that lie open are counted before, and cost the turn nothing. */
Test(batch_check, what_does_not_fit_the_rest_of_a_turn_waits_for_the_next_one)
{
    enum { MANY = 24, RECORDS = 100000 }; /* an eighth of a turn */
    static struct sample samples[MANY];
    uint32_t later = 0;

    build(&samples[0], COMPRESSION_NONE, 1, RECORDS, 0);
    for (int i = 0; i < MANY; i++) {
        samples[i].bytes = samples[0].bytes;
        samples[i].size_bytes = samples[0].size_bytes;
        start(&samples[i], &samples[i]);
        later += samples[i].err == ERR_AGAIN;
    }
    cr_assert(lt(u32, MANY / 2, later)); /* not even the next turn is enough for all */
    wait_for(later);
    for (int i = 0; i < MANY; i++)
        cr_assert(eq(int, samples[i].err == ERR_AGAIN ? samples[i].done_err : samples[i].err, OK));
    end(&samples[0]);
}

/* One record behind a million bytes that have no output. */
static void build_empty(struct sample *sample, enum empty_kind kind)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_header header;
    struct empty_stream stream;
    uint8_t *bytes;

    batch_builder_init(&sample->builder, &options);
    cr_assert(
        eq(int, batch_builder_add_pair(&sample->builder, NULL, -1, (uint8_t *)"v", 1, now_ms), OK));
    cr_assert(eq(int,
                 batch_builder_finish(&sample->builder, NULL, &sample->bytes, &sample->size_bytes),
                 OK));
    cr_assert(eq(int, batch_parse(sample->bytes, sample->size_bytes, &header), OK));
    stream = empty_stream_build(kind, 1000000, sample->bytes + BATCH_HEADER_BYTES,
                                sample->size_bytes - BATCH_HEADER_BYTES);
    header.attributes |= (int16_t)empty_codec(kind);
    header.size_bytes = BATCH_HEADER_BYTES + (uint32_t)stream.size_bytes;
    bytes = mem_alloc(header.size_bytes);
    batch_put_header(bytes, &header);
    memcpy(bytes + BATCH_HEADER_BYTES, stream.bytes, stream.size_bytes);
    batch_set_crc(bytes, header.size_bytes);
    mem_free(stream.bytes);
    sample->bytes = bytes;
    sample->size_bytes = header.size_bytes;
}

Test(batch_check, what_has_no_output_costs_a_turn_no_more)
{
    for (int kind = 0; kind < EMPTY_KIND_COUNT; kind++) {
        struct sample sample = {0};

        done_count = 0;
        build_empty(&sample, (enum empty_kind)kind);
        start(&sample, &sample);
        cr_assert(eq(int, sample.err, ERR_AGAIN), "%d", kind);
        cr_assert(lt(u64, sample.check.info.work_bytes, TURN_BYTES));
        wait_for(1);
        cr_assert(eq(int, sample.done_err, OK), "%d: %s", kind, sample.check.info.text);
        cr_assert(eq(i32, sample.check.info.record_count, 1));
        cr_assert(lt(u64, sample.check.info.walked_bytes, 100));
        mem_free((uint8_t *)(uintptr_t)sample.bytes);
        end(&sample);
    }
}

/* One record that is nothing but headers. */
static void build_headers(struct sample *sample, enum compression codec, int32_t count)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct record_header *headers = mem_alloc((size_t)count * sizeof(*headers));
    struct record record;

    for (int32_t i = 0; i < count; i++)
        headers[i] = (struct record_header){.key = "", .value_bytes = -1};
    record_init(&record, NULL, -1, NULL, -1);
    record.headers = headers;
    record.header_count = count;
    options.codec = codec;
    batch_builder_init(&sample->builder, &options);
    cr_assert(eq(int, batch_builder_add(&sample->builder, &record, now_ms), OK));
    cr_assert(eq(
        int, batch_builder_finish(&sample->builder, context, &sample->bytes, &sample->size_bytes),
        OK));
    mem_free(headers);
}

Test(batch_check, headers_cost_a_turn_no_more)
{
    for (int codec = COMPRESSION_NONE; codec < COMPRESSION_COUNT; codec++) {
        struct sample sample = {0};

        done_count = 0;
        build_headers(&sample, (enum compression)codec, 1500000);
        start(&sample, &sample);
        cr_assert(eq(int, sample.err, ERR_AGAIN), "%d", codec);
        cr_assert(lt(u64, sample.check.info.work_bytes, TURN_BYTES));
        wait_for(1);
        cr_assert(eq(int, sample.done_err, OK), "%d: %s", codec, sample.check.info.text);
        end(&sample);
    }
}

Test(batch_check, requests_have_their_turns)
{
    enum { MANY = 10 };
    static struct sample many[MANY];
    static struct sample one;

    build(&many[0], COMPRESSION_LZ4, BOMB_BYTES, 1, 0);
    for (int i = 0; i < MANY; i++) {
        many[i].bytes = many[0].bytes;
        many[i].size_bytes = many[0].size_bytes;
        start(&many[i], many);
        cr_assert(eq(int, many[i].err, ERR_AGAIN));
    }
    one.bytes = many[0].bytes;
    one.size_bytes = many[0].size_bytes;
    start(&one, &one);
    wait_for(MANY + 1);
    cr_assert(lt(u32, one.place, 4)); /* behind those that had begun, and one more */
    for (int i = 1; i < MANY; i++)
        cr_assert(lt(u32, many[i - 1].place, many[i].place));
}

Test(batch_check, what_is_canceled_is_not_told)
{
    struct sample busy[4] = {0};

    build(&busy[0], COMPRESSION_LZ4, BOMB_BYTES, 1, 0);
    for (int i = 0; i < 4; i++) { /* two of them have begun */
        busy[i].bytes = busy[0].bytes;
        busy[i].size_bytes = busy[0].size_bytes;
        start(&busy[i], &busy[i]);
        cr_assert(batch_check_is_running(&busy[i].check));
    }
    for (int i = 0; i < 4; i++)
        batch_check_cancel(&busy[i].check);
    sim_world_run_until_idle(live.world, SIM_SECOND);
    cr_assert(eq(u32, done_count, 0));
    for (uint32_t i = 0; i < frame_count; i++)
        cr_assert(buf_is_unshared(&frames[i])); /* nothing stays with a thread */
    end(&busy[0]);
}

Test(batch_check, compressing_anew_is_not_done_on_the_loop_when_it_takes_long)
{
    struct sample small = {0};
    struct sample large = {0};
    struct batch_header header;

    build(&small, COMPRESSION_NONE, 1000, 1, 0);
    start_to(&small, &small, COMPRESSION_GZIP);
    cr_assert(eq(int, small.err, OK));
    cr_assert(eq(int, batch_check_keep(&small.check), OK));
    build(&large, COMPRESSION_NONE, 4 << 20, 1, 0);
    start_to(&large, &large, COMPRESSION_GZIP);
    cr_assert(eq(int, large.err, ERR_AGAIN));
    wait_for(1);
    cr_assert(eq(int, large.done_err, OK));
    cr_assert(eq(int, batch_parse(large.check.stored, large.check.stored_bytes, &header), OK));
    cr_assert(eq(int, batch_codec(&header), COMPRESSION_GZIP));
    cr_assert(eq(int, batch_parse(small.check.stored, small.check.stored_bytes, &header), OK));
    cr_assert(eq(int, batch_codec(&header), COMPRESSION_GZIP));
    end(&small);
    end(&large);
}

Test(batch_check, every_record_at_fault_is_named_also_of_a_long_one)
{
    struct sample sample = {0};

    build(&sample, COMPRESSION_LZ4, 1 << 20, BOMB_BYTES >> 20, 20);
    start(&sample, &sample);
    cr_assert(eq(int, sample.err, ERR_AGAIN));
    wait_for(1);
    cr_assert(eq(int, sample.done_err, ERR_TIMESTAMP));
    cr_assert(eq(i32, sample.check.error_count, 20));
    cr_assert(eq(i32, sample.check.errors[19].record_index, 19));
    end(&sample);
}

/* Until the request is answered, which may take long. */
Test(batch_check, the_records_at_fault_count_in_a_budget)
{
    enum { LATE = 20 };
    const uint64_t errors_bytes = LATE * sizeof(struct batch_record_error);
    struct budget budget;
    struct sample sample = {0}, canceled = {0}, refused = {0};

    budget_init(&budget, "errors", 3 * errors_bytes);
    errors_budget = &budget;
    build(&sample, COMPRESSION_LZ4, 1 << 20, BOMB_BYTES >> 20, LATE);
    start(&sample, &sample);
    wait_for(1);
    cr_assert(eq(i32, sample.check.error_count, LATE));
    cr_assert(eq(u64, budget_used_bytes(&budget), errors_bytes));
    build(&refused, COMPRESSION_LZ4, 1 << 20, BOMB_BYTES >> 20, LATE);
    start(&refused, &refused); /* half of it is for others */
    wait_for(2);
    cr_assert(eq(int, refused.done_err, ERR_TIMESTAMP));
    cr_assert(eq(ptr, refused.check.errors, NULL));
    cr_assert(eq(i32, refused.check.error_count, 0));
    cr_assert(eq(i32, refused.check.info.record_error_count, LATE));
    cr_assert(eq(u64, budget_used_bytes(&budget), errors_bytes));
    end(&refused);
    end(&sample);
    cr_assert(eq(u64, budget_used_bytes(&budget), 0));
    build(&canceled, COMPRESSION_LZ4, 1 << 20, BOMB_BYTES >> 20, LATE);
    start(&canceled, &canceled);
    batch_check_cancel(&canceled.check);
    sim_world_run_until_idle(live.world, SIM_SECOND);
    cr_assert(eq(u64, budget_used_bytes(&budget), 0));
    end(&canceled);
}

/* ---- over the wire */

static void produce(struct live_produce *produce, const struct sample *sample)
{
    *produce = live_produce_to("t", 0);
    live_produce_start(produce, live_client(0), sample->bytes, sample->size_bytes);
}

Test(batch_check, small_batches_do_not_overtake_one_that_is_looked_at_for_long)
{
    struct sample large = {0};
    struct sample small = {0};
    struct live_produce asks[6] = {0};

    live_topic(live_client(0), "t", 1);
    build(&large, COMPRESSION_ZSTD, BOMB_BYTES, 1, 0);
    build(&small, COMPRESSION_NONE, 10, 1, 0);
    for (int i = 0; i < 6; i++)
        produce(&asks[i], i % 3 == 0 ? &large : &small);
    for (int i = 0; i < 6; i++) {
        cr_assert(live_ask_wait(&asks[i].ask, 60000));
        cr_assert(eq(i16, asks[i].error_code, KAFKA_NONE));
        cr_assert(eq(i64, asks[i].base_offset, i));
    }
    batch_builder_deinit(&large.builder);
    batch_builder_deinit(&small.builder);
}

enum { REFUSED = 12 };

static int32_t named[REFUSED];

static void look_refused(struct live_ask *ask, const void *response)
{
    const struct produce_response *answer = response;

    for (int32_t i = 0; i < REFUSED; i++)
        named[i] = answer->responses.items[0].partition_responses.items[i].record_errors.count;
}

/* A request with a batch for each of so many partitions, in which 20 records are at fault; how many
 * the answer names. */
static int32_t produce_refused(void)
{
    struct produce_request_partition_produce_data parts[REFUSED];
    struct produce_request_topic_produce_data topic;
    struct produce_request request;
    struct wire_slice slice;
    struct sample sample = {0};
    struct live_ask ask = {.look = look_refused};
    int32_t total = 0;

    build(&sample, COMPRESSION_LZ4, MIDDLE_BYTES / 24, 24, 20);
    slice = (struct wire_slice){.bytes = sample.bytes, .size_bytes = sample.size_bytes};
    codec_set_defaults(&produce_request_desc, &request);
    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, &topic);
    for (int32_t i = 0; i < REFUSED; i++) {
        codec_set_struct_defaults(&produce_request_partition_produce_data_struct, &parts[i]);
        parts[i].index = i;
        parts[i].records = (struct wire_records){
            .slices = &slice, .slice_count = 1, .size_bytes = slice.size_bytes};
    }
    topic.name = wire_string("t");
    topic.partition_data.items = parts;
    topic.partition_data.count = REFUSED;
    request.topic_data.items = &topic;
    request.topic_data.count = 1;
    request.acks = -1;
    request.timeout_ms = 60000;
    live_ask(&ask, live_client(0), API_PRODUCE, 9, &request);
    for (int32_t i = 0; i < REFUSED; i++)
        total += named[i];
    batch_builder_deinit(&sample.builder);
    return total;
}

/* The answer is made in one turn: it does not look into all of the batches once more. */
Test(batch_check, records_at_fault_are_named_for_some_milliseconds)
{
    live_topic(live_client(0), "t", REFUSED);
    cr_assert(lt(i32, produce_refused(), REFUSED * 12));
    cr_assert(eq(i32, named[0], 20));
    for (int32_t i = 0; i < REFUSED; i++)
        cr_assert(le(i32, BATCH_RECORD_ERRORS_MAX, named[i]));
}

Test(batch_check, few_are_named_where_long_answers_have_no_room)
{
    struct conn_server *server;
    uint64_t bytes;

    live_topic(live_client(0), "t", REFUSED);
    server = broker_shard(live.broker.broker, 0)->conns;
    bytes = server->answers->max_bytes / 4 * 3; /* somebody does not take his */
    budget_force(server->answers, bytes);
    server->long_answer_bytes += bytes;
    cr_assert(eq(i32, produce_refused(), BATCH_RECORD_ERRORS_MAX));
    budget_give(server->answers, bytes);
    server->long_answer_bytes -= bytes;
}

Test(batch_check, a_long_one_that_is_refused_holds_up_nobody)
{
    struct sample large = {0};
    struct sample small = {0};
    struct live_produce asks[2] = {0};

    live_topic(live_client(0), "t", 1);
    build(&large, COMPRESSION_ZSTD, BOMB_BYTES, 1, 1);
    build(&small, COMPRESSION_NONE, 10, 1, 0);
    produce(&asks[0], &large);
    produce(&asks[1], &small);
    cr_assert(live_ask_wait(&asks[1].ask, 900));
    cr_assert(eq(i16, asks[0].error_code, KAFKA_INVALID_TIMESTAMP));
    cr_assert(eq(i16, asks[1].error_code, KAFKA_NONE));
    cr_assert(eq(i64, asks[1].base_offset, 0));
    cr_assert(lt(u64, live_stop_ms(), 3000));
    batch_builder_deinit(&large.builder);
    batch_builder_deinit(&small.builder);
}

/* The caller is not ready for done before batch_check_start has returned. */
Test(batch_check, a_check_that_finds_no_memory_is_refused_by_its_start)
{
    for (uint64_t n = 1; n <= 40; n++) {
        struct sample sample = {0};

        build(&sample, COMPRESSION_GZIP, 1 << 20, 48, 0);
        done_count = 0;
        mem_fail_after(n);
        start(&sample, &sample);
        mem_fail_after(0);
        cr_assert(eq(u32, sample.done_count, 0), "%u", (unsigned)n);
        if (sample.err == ERR_AGAIN)
            wait_for(1);
        end(&sample);
        sim_world_run_for(live.world, SIM_SECOND); /* the next one has a turn of its own */
    }
}
