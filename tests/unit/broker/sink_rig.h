/* sink_rig: requests without a socket, to a broker in a simulated world: made on a shard, answered
 * into memory.  Included by one test file at a time. */
#ifndef LEVEE_TESTS_SINK_RIG_H
#define LEVEE_TESTS_SINK_RIG_H

#include "broker/dispatch.h"
#include "broker/request.h"
#include "tests/unit/broker/live_rig.h"

enum { SINK_ANSWER_BYTES_MAX = 1 << 16, SINK_CORRELATION_ID = 77 };

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
    uint8_t answer[SINK_ANSWER_BYTES_MAX];
};

static inline struct asking *sink_asking_of(struct request *request)
{
    return container_of(request->client, struct asking, client);
}

static inline void sink_on_done(struct task *task)
{
    struct asking *asking = container_of(task, struct asking, done_task);

    request_done(asking->request);
    asking->is_done = true;
}

static inline void sink_end(struct asking *asking)
{
    asking->done_task.run = sink_on_done;
    loop_defer(&asking->home->loop, &asking->done_task);
}

static inline void sink_on_answer(struct request *request, const struct wire_segment *segments,
                                  uint32_t segment_count, uint64_t held_bytes)
{
    struct asking *asking = sink_asking_of(request);

    for (uint32_t i = 0; i < segment_count; i++) {
        cr_assert(le(u32, asking->answer_bytes + segments[i].size_bytes, SINK_ANSWER_BYTES_MAX));
        memcpy(asking->answer + asking->answer_bytes, segments[i].bytes, segments[i].size_bytes);
        asking->answer_bytes += segments[i].size_bytes;
    }
    asking->is_answered = true;
    sink_end(asking);
}

static inline void sink_on_silence(struct request *request)
{
    sink_asking_of(request)->is_silent = true;
    sink_end(sink_asking_of(request));
}

static inline void sink_on_close(struct request *request)
{
    sink_asking_of(request)->is_closed = true;
    sink_end(sink_asking_of(request));
}

/* What it may leave out is left out. */
static const struct request_sink sink_answers = {
    .answer = sink_on_answer, .answer_none = sink_on_silence, .close = sink_on_close};

static inline void sink_begin(struct mail *mail)
{
    struct asking *asking = container_of(mail, struct asking, mail);
    struct shard *home = asking->home;
    uint32_t size_bytes = (uint32_t)asking->bytes.size_bytes;

    cr_assert(eq(int, request_pool_take(home->requests, size_bytes, false, &asking->request), OK));
    asking->request->sink = &sink_answers;
    asking->request->client = &asking->client;
    asking->request->frame = buf_create(memory_slab(&home->memory, MEMORY_REQUESTS), size_bytes, 1);
    memcpy(asking->request->frame->bytes, asking->bytes.bytes, size_bytes);
    asking->request->bytes = asking->request->frame->bytes;
    asking->request->size_bytes = size_bytes;
    asking->request->received_ns = loop_now_ns(&home->loop);
    dispatch(asking->request);
}

/* Ask from this shard; asking is zeroed, but for client when there is one already. */
static inline void sink_ask(struct asking *asking, uint32_t shard_index, int16_t key,
                            int16_t version, const void *body)
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
        eq(int,
           header_encode_request(&writer, api, version, SINK_CORRELATION_ID, wire_string("nobody")),
           OK));
    cr_assert(eq(int, codec_encode(api->request, version, body, &writer), OK));
    cr_assert(eq(int, wire_writer_flatten(&writer, &asking->bytes), OK));
    asking->mail.deliver = sink_begin;
    loop_post(&asking->home->loop, &asking->mail);
}

static inline bool sink_is_done(void *context)
{
    return ((struct asking *)context)->is_done;
}

/* Its response, once there is one; NULL: there is none. */
static inline const void *sink_wait(struct asking *asking)
{
    const struct api_desc *api = api_find(asking->key);
    void *response;
    struct wire_reader reader;
    int32_t correlation_id;

    cr_assert(sim_world_run_until(live.world, sink_is_done, asking, 60 * SIM_SECOND));
    if (!asking->is_answered)
        return NULL;
    wire_reader_init(&reader, asking->answer + 4, asking->answer_bytes - 4);
    cr_assert(eq(
        int, header_decode_response(&reader, &asking->arena, api, asking->version, &correlation_id),
        OK));
    cr_assert(eq(i32, correlation_id, SINK_CORRELATION_ID));
    response = arena_alloc(&asking->arena, api->response->body->size_bytes);
    cr_assert(eq(
        int, codec_decode(api->response, asking->version, &reader, &asking->arena, response), OK));
    return response;
}

/* Nothing of it is left on its shard. */
static inline void sink_forget(struct asking *asking)
{
    const struct memory *memory = &asking->home->memory;

    cr_assert(eq(u64, budget_used_bytes(&memory->slabs[MEMORY_REQUESTS].budget), 0));
    client_deinit(&asking->client);
    arena_deinit(&asking->arena);
    memset(asking, 0, sizeof(*asking));
}

#endif
