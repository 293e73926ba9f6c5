#include "broker/request.h"

#include "base/check.h"
#include "broker/dispatch.h"

#include <string.h>

enum {
    DECODE_BYTES_MAX = 256 << 20, /* what a frame may unfold to */
    POOL_MAX = 256,               /* requests kept for the next ones */
};

static const size_t handle_bytes_max = (size_t)8 << 30; /* bounded by what was decoded */

struct request_pool {
    struct shard *shard;
    struct request *free; /* linked by releases */
    uint32_t free_count;
};

enum err request_pool_create(struct shard *shard, struct request_pool **out)
{
    struct request_pool *pool = mem_alloc(sizeof(*pool));

    pool->shard = shard;
    *out = pool;
    return OK;
}

void request_pool_destroy(struct request_pool *pool)
{
    struct request *request;

    if (pool == NULL)
        return;
    while ((request = pool->free) != NULL) {
        pool->free = request->next_free;
        arena_deinit(&request->arena);
        mem_free(request);
    }
    mem_free(pool);
}

/* The answer was sent or dropped: everything the request holds goes back. */
static void on_release(struct conn_request *wire)
{
    struct request *request = container_of(wire, struct request, wire);
    struct request_pool *pool = request->home->requests;

    while (request->releases != NULL) {
        struct request_release *release = request->releases;
        request->releases = release->next;
        release->release(release->context);
    }
    if (pool->free_count == POOL_MAX) {
        arena_deinit(&request->arena);
        mem_free(request);
        return;
    }
    arena_reset(&request->arena);
    request->next_free = pool->free;
    pool->free = request;
    pool->free_count++;
}

struct conn_request *request_pool_take(struct request_pool *pool)
{
    struct request *request = pool->free;
    struct arena arena;

    if (request != NULL) {
        pool->free = request->next_free;
        pool->free_count--;
        arena = request->arena;
    } else {
        request = mem_try_alloc(sizeof(*request));
        if (request == NULL)
            return NULL;
        arena_init(&arena, DECODE_BYTES_MAX);
    }
    *request = (struct request){.wire.release = on_release,
                                .home = pool->shard,
                                .at = pool->shard,
                                .arena = arena,
                                .started_ns = loop_now_ns(&pool->shard->loop)};
    request->arena.max_bytes = DECODE_BYTES_MAX;
    return &request->wire;
}

/* ---- answering: always on the home shard */

static enum err encode(struct request *request)
{
    struct wire_writer writer;
    enum err err;

    wire_writer_init(&writer, &request->arena);
    wire_writer_begin_frame(&writer);
    err = header_encode_response(&writer, request->api, request->api_version,
                                 request->correlation_id);
    if (err == OK)
        err =
            codec_encode(request->api->response, request->api_version, request->response, &writer);
    wire_writer_end_frame(&writer);
    return err != OK ? err
                     : wire_writer_segments(&writer, &request->segments, &request->segment_count);
}

static void end_at_home(struct request *request)
{
    enum err err;

    request->at = request->home;
    switch (request->outcome) {
    case REQUEST_SILENT:
        conn_answer_none(&request->wire);
        return;
    case REQUEST_CLOSE:
        conn_answer_close(&request->wire);
        return;
    default:
        check(request->outcome == REQUEST_ANSWER);
    }
    err = encode(request);
    if (err == OK) {
        conn_answer(&request->wire, request->segments, request->segment_count);
        return;
    }
    log_line(request->home->sink, LOG_ERROR, "LVE-3102", "an answer could not be encoded",
             log_str("api", request->api->name), log_i64("api_version", request->api_version),
             log_err(err));
    conn_answer_close(&request->wire);
}

static void end(struct request *request, int outcome)
{
    check(request->outcome == REQUEST_RUNNING); /* R1 */
    request->outcome = (typeof(request->outcome))outcome;
    request_run_on(request, request->home, end_at_home);
}

void request_answer(struct request *request)
{
    end(request, REQUEST_ANSWER);
}

void request_no_answer(struct request *request)
{
    end(request, REQUEST_SILENT);
}

void request_close(struct request *request)
{
    end(request, REQUEST_CLOSE);
}

static void on_hop(struct mail *mail)
{
    struct request *request = container_of(mail, struct request, hop);

    request->continue_at(request);
}

void request_run_on(struct request *request, struct shard *target,
                    void (*continue_at)(struct request *request))
{
    if (request->at == target) {
        continue_at(request);
        return;
    }
    request->at = target;
    request->continue_at = continue_at;
    request->hop.deliver = on_hop;
    loop_post(&target->loop, &request->hop);
}

/* ---- memory */

void *request_alloc(struct request *request, size_t count, size_t size_bytes)
{
    void *memory = arena_alloc_array(&request->arena, count, size_bytes);

    check(memory != NULL); /* counts are bounded by the frame that was admitted */
    return memory;
}

void *request_new_array(struct request *request, const struct struct_desc *element, int32_t count)
{
    void *items = codec_new_array(element, &request->arena, count < 0 ? 0 : (size_t)count);

    check(items != NULL);
    return items;
}

const char *request_text(struct request *request, struct wire_string text)
{
    char *copy;

    if (text.text == NULL)
        return NULL;
    copy = arena_strndup(&request->arena, text.text, (size_t)text.size_bytes);
    check(copy != NULL);
    return copy;
}

void request_on_release(struct request *request, void (*release)(void *context), void *context)
{
    struct request_release *entry = request_alloc(request, 1, sizeof(*entry));

    *entry = (struct request_release){request->releases, release, context};
    request->releases = entry;
}

void request_prepare_response(struct request *request)
{
    const struct message_desc *desc = request->api->response;

    request->arena.max_bytes = handle_bytes_max;
    request->response = request_alloc(request, 1, desc->body->size_bytes);
    codec_set_defaults(desc, request->response);
}

bool request_may(const struct request *request, int8_t operation, int8_t resource_type,
                 const char *name, size_t name_bytes)
{
    return true; /* no authorizer is configured, so everything is allowed, as in Kafka */
}
