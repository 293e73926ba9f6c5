#include "broker/dispatch.h"

#include "broker/api_table.h"
#include "broker/stall_watch.h"
#include "net/conn_server.h"
#include "net/protocol/kafka_tables.h"

static const char CLUSTER_NAME[] = "kafka-cluster"; /* Kafka: Resource.CLUSTER_NAME */

/* A version of ApiVersions from the future: version 0, error 35, our range (KIP-511). */
static void answer_unknown_api_versions(struct request *request)
{
    request->api = api_find(API_API_VERSIONS);
    request->body = NULL;
    request->api_version = 0;
    request_measure(request);
    if (request_prepare_response(request))
        handle_api_versions(request);
    else
        request_refuse_memory(request);
}

/* The first field of every request header; -1: there is none. */
static int16_t peek_key(const uint8_t *bytes, uint32_t size_bytes)
{
    return size_bytes < 2 ? -1 : (int16_t)(bytes[0] << 8 | bytes[1]);
}

bool dispatch_is_long(const uint8_t *bytes, uint32_t size_bytes)
{
    int16_t key = peek_key(bytes, size_bytes);
    const struct api_row *row = api_table_find(key);

    /* what is answered for each thing that a request names is about as long as its name */
    return (row != NULL && row->is_long) || (size_bytes > CONN_STEP_BYTES && key != API_PRODUCE);
}

static void handle(struct request *request, const struct api_row *row)
{
    if (row->rule == API_RULE_WHOLE && !request_may(request, row->operation, row->resource_type,
                                                    CLUSTER_NAME, sizeof(CLUSTER_NAME) - 1))
        request_answer_error(request, KAFKA_CLUSTER_AUTHORIZATION_FAILED, NULL);
    else if (request_prepare_response(request))
        row->handle(request);
    else
        request_refuse_memory(request);
}

static void decode_and_handle(struct request *request)
{
    const struct api_row *row;
    struct request_header header = {0};
    struct wire_reader reader;
    void *body;
    enum err err;

    wire_reader_init(&reader, request->bytes, request->size_bytes);
    err = header_decode_request(&reader, &request->arena, &header, &request->api);
    request->api_key = header.request_api_key;
    request->api_version = header.request_api_version;
    request->correlation_id = header.correlation_id;
    request->client_id = header.client_id;
    if (err == ERR_UNSUPPORTED && request->api_key == API_API_VERSIONS) {
        answer_unknown_api_versions(request);
        return;
    }
    row = err == OK ? api_table_find(request->api_key) : NULL;
    if (err == OK && row == NULL)
        err = ERR_UNSUPPORTED;
    else if (err == OK && !row->before_authentication && request->client->principal == NULL)
        err = ERR_PERMISSION;
    if (err != OK) {
        request_refuse(request, err);
        return;
    }
    request_measure(request);
    body = arena_alloc(&request->arena, request->api->request->body->size_bytes);
    err = body == NULL ? ERR_NOMEM
                       : codec_decode_within(request->api->request, request->api_version, &reader,
                                             &request->arena,
                                             request_elements_max(request->home->requests), body);
    if (err != OK) {
        request_refuse(request, err);
        return;
    }
    request->body = body;
    handle(request, row);
}

void dispatch(struct request *request)
{
    struct shard *home = request->home;
    struct io_address peer = request->client->peer; /* the request may be gone afterwards */
    const struct api_desc *api = api_find(peek_key(request->bytes, request->size_bytes));
    uint64_t began_ns = clock_mono_ns(home->clock);
    uint64_t ended_ns;

    request_begin_work(request, began_ns);
    decode_and_handle(request);
    ended_ns = clock_mono_ns(home->clock);
    request_end_work(home->requests, ended_ns);
    stall_watch_note(home->stalls, ended_ns - began_ns, api == NULL ? "?" : api->name, &peer);
}
