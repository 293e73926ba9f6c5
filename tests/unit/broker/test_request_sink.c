/* Requests that come from no socket: a client, bytes, and a sink for the answer are all there is.
 */
#include "net/protocol/msg_api_versions.h"
#include "net/protocol/msg_fetch.h"
#include "net/protocol/msg_metadata.h"
#include "tests/unit/broker/sink_rig.h"

TestSuite(request_sink, .timeout = 120);

static void ask_topic(struct asking *asking, uint32_t shard_index, const char *name)
{
    struct metadata_request_topic topic = {.name = wire_string(name)};
    struct metadata_request body;

    codec_set_defaults(&metadata_request_desc, &body);
    body.topics.items = &topic;
    body.topics.count = 1;
    sink_ask(asking, shard_index, API_METADATA, 9, &body);
}

static struct asking asking; /* too large for the stack */

Test(request_sink, metadata_is_answered_on_every_shard)
{
    const struct metadata_response *response;

    live_start(2, NULL);
    live_topic(live_client(0), "t", 3);
    for (uint32_t shard = 0; shard < 2; shard++) {
        ask_topic(&asking, shard, "t");
        response = sink_wait(&asking);
        cr_assert(response != NULL);
        cr_assert(eq(int, response->topics.count, 1));
        cr_assert(eq(int, response->topics.items[0].partitions.count, 3));
        sink_forget(&asking);
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
    sink_ask(&asking, 0, API_PRODUCE, 9, &body);
    batch_builder_deinit(&builder);
}

Test(request_sink, what_is_produced_is_durable_when_it_is_answered)
{
    const struct produce_response *response;
    const struct produce_response_partition_produce_response *part;

    live_start(2, NULL);
    live_topic(live_client(0), "t", 1);
    ask_produce(-1);
    response = sink_wait(&asking);
    cr_assert(response != NULL);
    part = &response->responses.items[0].partition_responses.items[0];
    cr_assert(eq(i16, part->error_code, KAFKA_NONE));
    cr_assert(eq(i64, part->base_offset, 0));
    sink_forget(&asking);
    ask_produce(0);
    cr_assert(sink_wait(&asking) == NULL);
    cr_assert(asking.is_silent);
    sink_forget(&asking);
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
    sink_ask(&asking, shard_index, API_FETCH, 12, &body);
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
        sink_wait(&asking);
        sink_forget(&asking);
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
    sink_ask(&asking, 0, API_API_VERSIONS, 3, &body);
    asking.client.principal = NULL; /* the request begins in the shard's next turn */
    response = sink_wait(&asking);
    cr_assert(response != NULL);
    cr_assert(eq(i16, response->error_code, KAFKA_NONE));
    cr_assert(eq(str, asking.client.software_name, "test"));
    cr_assert(eq(str, asking.client.software_version, "1.2"));
    sink_forget(&asking);
    ask_topic(&asking, 0, "t");
    asking.client.principal = NULL;
    cr_assert(sink_wait(&asking) == NULL);
    cr_assert(asking.is_closed);
    sink_forget(&asking);
}
