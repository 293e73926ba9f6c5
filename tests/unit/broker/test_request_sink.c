/* Requests that come from no socket: a client, bytes, and a sink for the answer are all there is.
 */
#include "broker/dispatch.h"
#include "broker/request.h"
#include "net/protocol/msg_api_versions.h"
#include "net/protocol/msg_fetch.h"
#include "net/protocol/msg_metadata.h"
#include "tests/unit/broker/live_rig.h"

TestSuite(request_sink, .timeout = 120);

enum { ANSWER_BYTES_MAX = 1 << 16, CORRELATION_ID = 77 };

/* One request, made and answered on its home shard. */
struct asking {
    struct mail mail; /* to the home shard */
    struct task done_task;
    struct shard *home;
    struct client client;
    struct request *request;
    struct arena arena; /* of the bytes, and of what is decoded */
    struct wire_bytes bytes;
    int16_t key;
    int16_t version;
    bool is_answered;
    bool is_silent;
    bool is_closed;
    bool is_done;
    uint32_t answer_bytes;
    uint8_t answer[ANSWER_BYTES_MAX];
};

static struct asking *asking_of(struct request *request)
{
    return container_of(request->client, struct asking, client);
}

static void on_done(struct task *task)
{
    struct asking *asking = container_of(task, struct asking, done_task);

    request_done(asking->request);
    asking->is_done = true;
}

static void end(struct asking *asking)
{
    asking->done_task.run = on_done;
    loop_defer(&asking->home->loop, &asking->done_task);
}

static void on_answer(struct request *request, const struct wire_segment *segments,
                      uint32_t segment_count, uint64_t held_bytes)
{
    struct asking *asking = asking_of(request);

    for (uint32_t i = 0; i < segment_count; i++) {
        cr_assert(le(u32, asking->answer_bytes + segments[i].size_bytes, ANSWER_BYTES_MAX));
        memcpy(asking->answer + asking->answer_bytes, segments[i].bytes, segments[i].size_bytes);
        asking->answer_bytes += segments[i].size_bytes;
    }
    asking->is_answered = true;
    end(asking);
}

static void on_silence(struct request *request)
{
    asking_of(request)->is_silent = true;
    end(asking_of(request));
}

static void on_close(struct request *request)
{
    asking_of(request)->is_closed = true;
    end(asking_of(request));
}

/* What it may leave out is left out. */
static const struct request_sink sink = {
    .answer = on_answer, .answer_none = on_silence, .close = on_close};

static void begin(struct mail *mail)
{
    struct asking *asking = container_of(mail, struct asking, mail);
    struct shard *home = asking->home;
    uint32_t size_bytes = (uint32_t)asking->bytes.size_bytes;

    cr_assert(eq(int, request_pool_take(home->requests, size_bytes, false, &asking->request), OK));
    asking->request->sink = &sink;
    asking->request->client = &asking->client;
    asking->request->frame = buf_create(memory_slab(&home->memory, MEMORY_REQUESTS), size_bytes, 1);
    memcpy(asking->request->frame->bytes, asking->bytes.bytes, size_bytes);
    asking->request->bytes = asking->request->frame->bytes;
    asking->request->size_bytes = size_bytes;
    asking->request->received_ns = loop_now_ns(&home->loop);
    dispatch(asking->request);
}

/* Ask from this shard; asking is zeroed, but for client when there is one already. */
static void start(struct asking *asking, uint32_t shard_index, int16_t key, int16_t version,
                  const void *body)
{
    const struct api_desc *api = api_find(key);
    struct io_address nowhere = {0};
    struct wire_writer writer;

    if (asking->client.principal == NULL)
        client_init(&asking->client, &nowhere, &nowhere, NULL);
    asking->key = key;
    asking->version = version;
    asking->home = broker_shard(live.broker.broker, shard_index);
    arena_init(&asking->arena, 1 << 20);
    wire_writer_init(&writer, &asking->arena);
    cr_assert(
        eq(int, header_encode_request(&writer, api, version, CORRELATION_ID, wire_string("nobody")),
           OK));
    cr_assert(eq(int, codec_encode(api->request, version, body, &writer), OK));
    cr_assert(eq(int, wire_writer_flatten(&writer, &asking->bytes), OK));
    asking->mail.deliver = begin;
    loop_post(&asking->home->loop, &asking->mail);
}

static bool is_done(void *context)
{
    return ((struct asking *)context)->is_done;
}

/* Its response, once there is one; NULL: there is none. */
static const void *wait_for(struct asking *asking)
{
    const struct api_desc *api = api_find(asking->key);
    void *response;
    struct wire_reader reader;
    int32_t correlation_id;

    cr_assert(sim_world_run_until(live.world, is_done, asking, 60 * SIM_SECOND));
    if (!asking->is_answered)
        return NULL;
    wire_reader_init(&reader, asking->answer + 4, asking->answer_bytes - 4);
    cr_assert(eq(
        int, header_decode_response(&reader, &asking->arena, api, asking->version, &correlation_id),
        OK));
    cr_assert(eq(i32, correlation_id, CORRELATION_ID));
    response = arena_alloc(&asking->arena, api->response->body->size_bytes);
    cr_assert(eq(
        int, codec_decode(api->response, asking->version, &reader, &asking->arena, response), OK));
    return response;
}

/* Nothing of it is left on its shard. */
static void forget(struct asking *asking)
{
    const struct memory *memory = &asking->home->memory;

    cr_assert(eq(u64, budget_used_bytes(&memory->slabs[MEMORY_REQUESTS].budget), 0));
    client_deinit(&asking->client);
    arena_deinit(&asking->arena);
    memset(asking, 0, sizeof(*asking));
}

static void ask_topic(struct asking *asking, uint32_t shard_index, const char *name)
{
    struct metadata_request_topic topic = {.name = wire_string(name)};
    struct metadata_request body;

    codec_set_defaults(&metadata_request_desc, &body);
    body.topics.items = &topic;
    body.topics.count = 1;
    start(asking, shard_index, API_METADATA, 9, &body);
}

static struct asking asking; /* too large for the stack */

Test(request_sink, metadata_is_answered_on_every_shard)
{
    const struct metadata_response *response;

    live_start(2, NULL);
    live_topic(live_client(0), "t", 3);
    for (uint32_t shard = 0; shard < 2; shard++) {
        ask_topic(&asking, shard, "t");
        response = wait_for(&asking);
        cr_assert(response != NULL);
        cr_assert(eq(int, response->topics.count, 1));
        cr_assert(eq(int, response->topics.items[0].partitions.count, 3));
        forget(&asking);
    }
}

/* One batch of one record to the only partition of "t". */
static void ask_produce(int16_t acks)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct produce_request_partition_produce_data part;
    struct produce_request_topic_produce_data topic;
    struct produce_request body;
    struct batch_builder builder;
    struct wire_slice slice;

    batch_builder_init(&builder, &options);
    cr_assert(eq(int, batch_builder_add_pair(&builder, NULL, -1, "value", 5, 1000), OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &slice.bytes, &slice.size_bytes), OK));
    codec_set_defaults(&produce_request_desc, &body);
    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, &topic);
    codec_set_struct_defaults(&produce_request_partition_produce_data_struct, &part);
    part.records =
        (struct wire_records){.slices = &slice, .slice_count = 1, .size_bytes = slice.size_bytes};
    topic.name = wire_string("t");
    topic.partition_data.items = &part;
    topic.partition_data.count = 1;
    body.topic_data.items = &topic;
    body.topic_data.count = 1;
    body.acks = acks;
    body.timeout_ms = 1000;
    start(&asking, 0, API_PRODUCE, 9, &body);
    batch_builder_deinit(&builder);
}

Test(request_sink, what_is_produced_is_durable_when_it_is_answered)
{
    const struct produce_response *response;
    const struct produce_response_partition_produce_response *part;

    live_start(2, NULL);
    live_topic(live_client(0), "t", 1);
    ask_produce(-1);
    response = wait_for(&asking);
    cr_assert(response != NULL);
    part = &response->responses.items[0].partition_responses.items[0];
    cr_assert(eq(i16, part->error_code, KAFKA_NONE));
    cr_assert(eq(i64, part->base_offset, 0));
    forget(&asking);
    ask_produce(0);
    cr_assert(wait_for(&asking) == NULL);
    cr_assert(asking.is_silent);
    forget(&asking);
}

/* From the end of the only partition of "t", for as long as it takes. */
static void ask_fetch(uint32_t shard_index)
{
    struct fetch_request_fetch_partition part;
    struct fetch_request_fetch_topic topic;
    struct fetch_request body;

    codec_set_defaults(&fetch_request_desc, &body);
    codec_set_struct_defaults(&fetch_request_fetch_topic_struct, &topic);
    codec_set_struct_defaults(&fetch_request_fetch_partition_struct, &part);
    part.partition_max_bytes = 1 << 20;
    topic.topic = wire_string("t");
    topic.partitions.items = &part;
    topic.partitions.count = 1;
    body.topics.items = &topic;
    body.topics.count = 1;
    body.min_bytes = 1;
    body.max_wait_ms = 600000;
    body.session_epoch = -1;
    start(&asking, shard_index, API_FETCH, 12, &body);
}

static void cancel(struct mail *mail)
{
    struct asking *canceled = container_of(mail, struct asking, mail);

    request_cancel(canceled->request, REQUEST_PEER_GONE);
}

Test(request_sink, a_fetch_that_waits_ends_when_nobody_wants_it)
{
    live_start(2, NULL);
    live_topic(live_client(0), "t", 1);
    for (uint32_t shard = 0; shard < 2; shard++) {
        ask_fetch(shard);
        sim_world_run_for(live.world, 10 * SIM_SECOND);
        cr_assert(not(asking.is_answered));
        cr_assert(asking.request != NULL);
        asking.mail.deliver = cancel;
        loop_post(&asking.home->loop, &asking.mail);
        wait_for(&asking);
        forget(&asking);
    }
}

Test(request_sink, who_has_not_said_who_he_is_may_ask_for_versions_alone)
{
    struct api_versions_request body;
    const struct api_versions_response *response;

    live_start(1, NULL);
    codec_set_defaults(&api_versions_request_desc, &body);
    body.client_software_name = wire_string("test");
    body.client_software_version = wire_string("1.2");
    start(&asking, 0, API_API_VERSIONS, 3, &body);
    asking.client.principal = NULL; /* the request begins in the shard's next turn */
    response = wait_for(&asking);
    cr_assert(response != NULL);
    cr_assert(eq(i16, response->error_code, KAFKA_NONE));
    cr_assert(eq(str, asking.client.software_name, "test"));
    cr_assert(eq(str, asking.client.software_version, "1.2"));
    forget(&asking);
    ask_topic(&asking, 0, "t");
    asking.client.principal = NULL;
    cr_assert(wait_for(&asking) == NULL);
    cr_assert(asking.is_closed);
    forget(&asking);
}
