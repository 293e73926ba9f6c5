/* A request that waits keeps what it waits with, and no more of its frame. */
#include "broker/front_request.h"
#include "broker/produce_frame.h"
#include "net/protocol/msg_produce.h"
#include "tests/unit/broker/live_rig.h"

enum { FRAME_BYTES = 1 << 20, NAME_POS = 1000, CLIENT_POS = 2000, RECORDS_POS = 300000 };

static struct shard *up(void)
{
    live_start(1, NULL);
    live_topic(live_client(0), "t", 1);
    return broker_shard(live.broker.broker, 0);
}

static void shrink_frame(struct request *request, struct buf *smaller, uint32_t size_bytes)
{
    conn_request_shrink_frame(front_request_wire(request), smaller, size_bytes);
}

static void drop_frame(struct request *request)
{
    conn_request_drop_frame(front_request_wire(request));
}

static const struct request_sink trimmed = {.shrink_frame = shrink_frame, .drop_frame = drop_frame};

/* A request of a connection with such a frame, of which records_bytes are records. */
static struct request *make_request(struct shard *shard, uint32_t records_bytes,
                                    struct produce_request *body)
{
    static struct produce_request_partition_produce_data part;
    static struct produce_request_topic_produce_data topic;
    static struct wire_slice slice;
    struct conn_request *wire;
    struct request *request;

    cr_assert(eq(int, request_pool_take(shard->requests, FRAME_BYTES, true, &request), OK));
    request->sink = &trimmed;
    wire = front_request_wire(request);
    wire->conn = list_first(&shard->conns->conns, struct conn, node);
    wire->frame = buf_create(memory_slab(&shard->memory, MEMORY_REQUESTS), FRAME_BYTES, 1);
    wire->size_bytes = FRAME_BYTES;
    wire->bytes = wire->frame->bytes;
    wire->kind = CONN_BULK;
    shard->conns->queued_request_bytes += FRAME_BYTES;
    shard->conns->kind_bytes[CONN_BULK] += FRAME_BYTES;
    request->frame = wire->frame;
    request->bytes = wire->bytes;
    request->size_bytes = wire->size_bytes;
    memset(wire->frame->bytes, 'j', FRAME_BYTES);
    memcpy(wire->frame->bytes + NAME_POS, "topic", 5);
    memcpy(wire->frame->bytes + CLIENT_POS, "client", 6);
    memset(wire->frame->bytes + RECORDS_POS, 'r', records_bytes);
    codec_set_defaults(&produce_request_desc, body);
    slice = (struct wire_slice){.bytes = wire->bytes + RECORDS_POS, .size_bytes = records_bytes};
    part.records =
        (struct wire_records){.slices = &slice, .slice_count = 1, .size_bytes = records_bytes};
    topic.name = (struct wire_string){(const char *)wire->bytes + NAME_POS, 5};
    topic.partition_data.items = &part;
    topic.partition_data.count = 1;
    body->topic_data.items = &topic;
    body->topic_data.count = 1;
    request->client_id = (struct wire_string){(const char *)wire->bytes + CLIENT_POS, 6};
    request->body = body;
    return request;
}

Test(produce_frame, a_frame_that_is_hardly_records_is_not_kept)
{
    struct shard *shard = up();
    struct budget *budget = memory_budget(&shard->memory, MEMORY_REQUESTS);
    struct produce_request body;
    struct request *request = make_request(shard, 5000, &body);
    const struct wire_records *records = &body.topic_data.items[0].partition_data.items[0].records;
    const char *bytes;

    produce_frame_trim(request);
    bytes = (const char *)request->frame->bytes;
    cr_assert(lt(u64, budget_used_bytes(budget), 6000));
    cr_assert(eq(u32, request->size_bytes, 5011));
    cr_assert(eq(u64, shard->conns->queued_request_bytes, 5011));
    cr_assert(eq(u64, shard->conns->kind_bytes[CONN_BULK], 5011));
    cr_assert(wire_string_equal(request->client_id, wire_string("client")));
    cr_assert(wire_string_equal(body.topic_data.items[0].name, wire_string("topic")));
    cr_assert(eq(ptr, (void *)(uintptr_t)request->client_id.text, (void *)(uintptr_t)bytes));
    cr_assert(eq(u32, records->slices[0].size_bytes, 5000));
    for (uint32_t i = 0; i < 5000; i++)
        cr_assert(records->slices[0].bytes[i] == 'r');
    request_drop_frame(request);
    cr_assert(eq(u64, budget_used_bytes(budget), 0));
    cr_assert(eq(u64, shard->conns->queued_request_bytes, 0));
}

Test(produce_frame, a_frame_of_records_stays_as_it_came)
{
    struct shard *shard = up();
    struct produce_request body;
    struct request *request = make_request(shard, 600000, &body);
    const struct buf *frame = request->frame;

    produce_frame_trim(request);
    cr_assert(request->frame == frame);
    cr_assert(eq(u32, request->size_bytes, FRAME_BYTES));
}
