#include "broker/front_request.h"

static void send_answer(struct request *request, const struct wire_segment *segments,
                        uint32_t segment_count, uint64_t held_bytes)
{
    struct conn_request *wire = front_request_wire(request);

    wire->answer_bytes = held_bytes;
    conn_answer(wire, segments, segment_count);
}

static void send_nothing(struct request *request)
{
    conn_answer_none(front_request_wire(request));
}

static void close_connection(struct request *request)
{
    conn_answer_close(front_request_wire(request));
}

static void drop_frame(struct request *request)
{
    conn_request_drop_frame(front_request_wire(request));
}

static void shrink_frame(struct request *request, struct buf *smaller, uint32_t size_bytes)
{
    conn_request_shrink_frame(front_request_wire(request), smaller, size_bytes);
}

static void park(struct request *request)
{
    conn_request_park(front_request_wire(request),
                      memory_slab(&request->home->memory, MEMORY_DECODED));
}

static bool expects(struct request *request, uint64_t answer_bytes)
{
    return conn_request_expects(front_request_wire(request), answer_bytes);
}

static bool has_long_room(const struct request *request)
{
    const struct conn *conn = container_of(request, struct front_request, request)->wire.conn;

    return conn_server_has_long_room(conn->server, conn);
}

static const struct request_sink connections = {.answer = send_answer,
                                                .answer_none = send_nothing,
                                                .close = close_connection,
                                                .drop_frame = drop_frame,
                                                .shrink_frame = shrink_frame,
                                                .park = park,
                                                .expects = expects,
                                                .has_long_room = has_long_room};

static void on_wire_release(struct conn_request *wire)
{
    request_done(front_request_of(wire));
}

enum err front_request_create(struct request_pool *pool, struct conn *conn, bool is_produce,
                              struct conn_request **out)
{
    struct request *request;
    enum err err = request_pool_take(pool, conn->frame.size_bytes, is_produce, &request);

    if (err != OK)
        return err;
    request->sink = &connections;
    request->client = conn->user;
    *out = front_request_wire(request);
    (*out)->release = on_wire_release;
    return OK;
}

void front_request_begin(struct conn_request *wire)
{
    struct request *request = front_request_of(wire);

    request->frame = wire->frame;
    request->bytes = wire->bytes;
    request->size_bytes = wire->size_bytes;
    request->received_ns = wire->received_ns;
}
