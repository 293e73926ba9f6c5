/* client_rig: the client room in a simulated world, among brokers that the test plays.  Included by
 * one test file at a time.
 *
 * A peer is a node with one listener; it answers ApiVersions, Metadata and FindCoordinator from
 * tables that the test sets, and gives every request to rig.heard first, which may answer it
 * otherwise, later, wrongly, or not at all. */
#ifndef LEVEE_TESTS_CLIENT_RIG_H
#define LEVEE_TESTS_CLIENT_RIG_H

#include "base/mem.h"
#include "net/client/client_cluster.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_api_versions.h"
#include "net/protocol/msg_find_coordinator.h"
#include "net/protocol/msg_metadata.h"
#include "tests/sim/sim_world.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

enum {
    RIG_PORT = 9092,
    RIG_PEERS_MAX = 4,
    RIG_CONNS_MAX = 4096,
    RIG_TOPICS_MAX = 8,
    RIG_PARTS = 4
};

struct rig_peer;

/* A connection that a peer has accepted. */
struct rig_conn {
    struct rig_peer *peer;
    uint32_t index;
    int32_t fd;
    bool is_open;
    bool is_closing;
    struct io_recv recv;
    struct io_op send;
    struct iovec vec;
    struct list out; /* of rig_bytes.node */
    uint8_t *in;
    uint32_t in_bytes;
};

struct rig_bytes {
    struct list node;
    uint32_t size_bytes;
    uint32_t sent_bytes;
    uint8_t bytes[];
};

/* A request that a peer has read; of the peer until it is answered or dropped. */
struct rig_request {
    struct list node; /* rig_peer.held, if the test keeps it */
    struct rig_conn *conn;
    const struct api_desc *api;
    struct request_header header;
    struct arena arena;
    uint8_t *frame;
    uint32_t frame_bytes;
    void *body;
};

struct rig_peer {
    uint32_t index;
    struct sim_node *node;
    struct loop loop;
    struct io_accept accept;
    int32_t listen_fd;
    struct rig_conn conns[RIG_CONNS_MAX];
    uint32_t conns_count; /* accepted, ever */
    struct list held;     /* of rig_request.node */
    uint32_t held_count;
    uint32_t requests_count[128]; /* by key */
    struct {
        int16_t min, max;
    } versions[128]; /* max -1: not served */
    bool is_mute;    /* takes connections and answers nothing */
};

/* What the peers tell of topics. */
struct rig_topic {
    const char *name;
    struct uuid id;
    int16_t error_code;
    int32_t partitions_count;
    struct {
        int32_t leader_id, leader_epoch;
        int16_t error_code;
    } partitions[RIG_PARTS];
};

static struct {
    struct sim_world *world;
    struct rig_peer peers[RIG_PEERS_MAX];
    uint32_t peers_count;
    uint32_t told_count; /* of peers, in Metadata */
    int32_t controller_id;
    struct rig_topic topics[RIG_TOPICS_MAX];
    uint32_t topics_count;
    int32_t coordinator_id;
    int16_t coordinator_error;
    /* Optional.  True: it was dealt with (answered, held, dropped). */
    bool (*heard)(struct rig_peer *peer, struct rig_request *request);
    /* the client */
    struct sim_node *client;
    struct loop loop;
    struct slab slab;
    struct prng prng;
    struct client_env env;
} rig;

/* ---- peers: bytes */

static inline void rig_send_next(struct rig_conn *conn);

static inline void rig_conn_close(struct rig_conn *conn)
{
    struct io *io = conn->peer->loop.io;

    if (!conn->is_open)
        return;
    if (!conn->is_closing) {
        conn->is_closing = true;
        io->v->shutdown(io, conn->fd);
        if (conn->recv.op.in_flight)
            io_cancel(io, &conn->recv.op);
        if (conn->send.in_flight)
            io_cancel(io, &conn->send);
    }
    if (conn->recv.op.in_flight || conn->send.in_flight)
        return;
    while (!list_is_empty(&conn->out))
        mem_free(container_of(list_pop_front(&conn->out), struct rig_bytes, node));
    mem_free(conn->in);
    conn->in = NULL;
    io->v->close(io, conn->fd);
    conn->is_open = false;
}

static inline void rig_on_sent(struct io_op *op, int32_t result)
{
    struct rig_conn *conn = container_of(op, struct rig_conn, send);
    struct rig_bytes *bytes;

    if (conn->is_closing || result <= 0) {
        rig_conn_close(conn);
        return;
    }
    bytes = list_first(&conn->out, struct rig_bytes, node);
    bytes->sent_bytes += (uint32_t)result;
    if (bytes->sent_bytes == bytes->size_bytes) {
        list_remove(&bytes->node);
        mem_free(bytes);
    }
    rig_send_next(conn);
}

static inline void rig_send_next(struct rig_conn *conn)
{
    struct rig_bytes *bytes;

    if (conn->is_closing || conn->send.in_flight || list_is_empty(&conn->out))
        return;
    bytes = list_first(&conn->out, struct rig_bytes, node);
    conn->vec =
        (struct iovec){bytes->bytes + bytes->sent_bytes, bytes->size_bytes - bytes->sent_bytes};
    io_sendv(conn->peer->loop.io, &conn->send, conn->fd, &conn->vec, 1, rig_on_sent);
}

/* These bytes, as they are. */
static inline void rig_send(struct rig_conn *conn, const void *bytes, uint32_t size_bytes)
{
    struct rig_bytes *copy;

    if (!conn->is_open || conn->is_closing)
        return;
    copy = mem_alloc(sizeof(*copy) + size_bytes);
    copy->size_bytes = size_bytes;
    memcpy(copy->bytes, bytes, size_bytes);
    list_push_back(&conn->out, &copy->node);
    rig_send_next(conn);
}

/* ---- peers: requests */

static inline void rig_drop(struct rig_request *request)
{
    if (list_is_linked(&request->node)) {
        list_remove(&request->node);
        request->conn->peer->held_count--;
    }
    arena_deinit(&request->arena);
    mem_free(request->frame);
    mem_free(request);
}

/* Keep it: rig_first, rig_answer later. */
static inline void rig_hold(struct rig_request *request)
{
    list_push_back(&request->conn->peer->held, &request->node);
    request->conn->peer->held_count++;
}

static inline struct rig_request *rig_first(struct rig_peer *peer)
{
    cr_assert(not(list_is_empty(&peer->held)));
    return list_first(&peer->held, struct rig_request, node);
}

/* With another version or correlation id than asked. */
static inline void rig_answer_as(struct rig_request *request, int16_t version, int32_t id,
                                 const void *response)
{
    struct wire_writer writer;
    struct wire_bytes bytes;

    wire_writer_init(&writer, &request->arena);
    wire_writer_begin_frame(&writer);
    cr_assert(eq(int, header_encode_response(&writer, request->api, version, id), OK));
    cr_assert(eq(int, codec_encode(request->api->response, version, response, &writer), OK));
    wire_writer_end_frame(&writer);
    cr_assert(eq(int, wire_writer_flatten(&writer, &bytes), OK));
    rig_send(request->conn, bytes.bytes, (uint32_t)bytes.size_bytes);
    rig_drop(request);
}

static inline void rig_answer(struct rig_request *request, const void *response)
{
    rig_answer_as(request, request->header.request_api_version, request->header.correlation_id,
                  response);
}

static inline void rig_answer_versions(struct rig_peer *peer, struct rig_request *request)
{
    struct api_versions_response response;
    struct api_versions_response_api_version *items;
    int16_t version = request->header.request_api_version;
    int32_t count = 0;

    codec_set_defaults(&api_versions_response_desc, &response);
    items = codec_new_array(&api_versions_response_api_version_struct, &request->arena, 128);
    for (int16_t key = 0; key < 128; key++)
        if (peer->versions[key].max >= 0)
            items[count++] =
                (struct api_versions_response_api_version){.api_key = key,
                                                           .min_version = peer->versions[key].min,
                                                           .max_version = peer->versions[key].max};
    response.api_keys.items = items;
    response.api_keys.count = count;
    if (version > peer->versions[API_API_VERSIONS].max) {
        response.error_code = KAFKA_UNSUPPORTED_VERSION;
        version = 0;
    }
    rig_answer_as(request, version, request->header.correlation_id, &response);
}

static inline void rig_put_topic(const struct rig_topic *topic, struct arena *arena,
                                 struct metadata_response_topic *out)
{
    out->name = wire_string(topic->name);
    out->topic_id = topic->id;
    out->error_code = topic->error_code;
    out->partitions.items = codec_new_array(&metadata_response_partition_struct, arena, RIG_PARTS);
    out->partitions.count = topic->error_code == 0 ? topic->partitions_count : 0;
    for (int32_t i = 0; i < out->partitions.count; i++) {
        out->partitions.items[i].partition_index = i;
        out->partitions.items[i].leader_id = topic->partitions[i].leader_id;
        out->partitions.items[i].leader_epoch = topic->partitions[i].leader_epoch;
        out->partitions.items[i].error_code = topic->partitions[i].error_code;
    }
}

static inline void rig_address(const struct rig_peer *peer, char text[IO_ADDRESS_TEXT_MAX])
{
    struct io_address address = sim_node_address(peer->node, RIG_PORT);

    io_address_format_host(&address, text);
}

static inline void rig_answer_metadata(struct rig_peer *peer, struct rig_request *request)
{
    const struct metadata_request *asked = request->body;
    struct metadata_response response;
    char(*hosts)[IO_ADDRESS_TEXT_MAX] =
        arena_alloc(&request->arena, RIG_PEERS_MAX * IO_ADDRESS_TEXT_MAX);

    codec_set_defaults(&metadata_response_desc, &response);
    response.controller_id = rig.controller_id;
    response.brokers.items =
        codec_new_array(&metadata_response_broker_struct, &request->arena, RIG_PEERS_MAX);
    for (uint32_t i = 0; i < rig.told_count; i++) {
        rig_address(&rig.peers[i], hosts[i]);
        response.brokers.items[i].node_id = (int32_t)i;
        response.brokers.items[i].host = wire_string(hosts[i]);
        response.brokers.items[i].port = RIG_PORT;
    }
    response.brokers.count = (int32_t)rig.told_count;
    response.topics.items = codec_new_array(&metadata_response_topic_struct, &request->arena,
                                            (size_t)asked->topics.count);
    response.topics.count = asked->topics.count;
    for (int32_t i = 0; i < asked->topics.count; i++) {
        struct wire_string name = asked->topics.items[i].name;

        response.topics.items[i].name = name;
        response.topics.items[i].error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        for (uint32_t t = 0; t < rig.topics_count; t++)
            if (wire_string_is(name, rig.topics[t].name))
                rig_put_topic(&rig.topics[t], &request->arena, &response.topics.items[i]);
    }
    rig_answer(request, &response);
}

static inline void rig_answer_coordinator(struct rig_peer *peer, struct rig_request *request)
{
    const struct find_coordinator_request *asked = request->body;
    struct find_coordinator_response response;
    char host[IO_ADDRESS_TEXT_MAX];

    rig_address(&rig.peers[rig.coordinator_id], host);
    codec_set_defaults(&find_coordinator_response_desc, &response);
    if (request->header.request_api_version >= 4) {
        response.coordinators.items =
            codec_new_array(&find_coordinator_response_coordinator_struct, &request->arena, 1);
        response.coordinators.count = 1;
        response.coordinators.items[0].key = asked->coordinator_keys.items[0];
        response.coordinators.items[0].error_code = rig.coordinator_error;
        response.coordinators.items[0].node_id = rig.coordinator_id;
        response.coordinators.items[0].host = wire_string(host);
        response.coordinators.items[0].port = RIG_PORT;
    } else {
        response.error_code = rig.coordinator_error;
        response.node_id = rig.coordinator_id;
        response.host = wire_string(host);
        response.port = RIG_PORT;
    }
    rig_answer(request, &response);
}

static inline void rig_take_request(struct rig_conn *conn, const uint8_t *bytes, uint32_t size)
{
    struct rig_request *request = mem_alloc(sizeof(*request));
    struct rig_peer *peer = conn->peer;
    struct wire_reader reader;
    enum err err;

    request->conn = conn;
    request->frame = mem_alloc(size);
    request->frame_bytes = size;
    memcpy(request->frame, bytes, size);
    arena_init(&request->arena, 64 << 20);
    wire_reader_init(&reader, request->frame, size);
    err = header_decode_request(&reader, &request->arena, &request->header, &request->api);
    cr_assert(eq(int, err, OK));
    request->body = arena_alloc(&request->arena, request->api->request->body->size_bytes);
    err = codec_decode(request->api->request, request->header.request_api_version, &reader,
                       &request->arena, request->body);
    cr_assert(eq(int, err, OK));
    peer->requests_count[request->api->key]++;
    if (peer->is_mute)
        rig_hold(request);
    else if (rig.heard != NULL && rig.heard(peer, request))
        return;
    else if (request->api->key == API_API_VERSIONS)
        rig_answer_versions(peer, request);
    else if (request->api->key == API_METADATA)
        rig_answer_metadata(peer, request);
    else if (request->api->key == API_FIND_COORDINATOR)
        rig_answer_coordinator(peer, request);
    else
        cr_assert(false, "nobody answers key %d", request->api->key);
}

static inline uint32_t rig_size_of(const uint8_t *in)
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static inline void rig_on_received(struct io_recv *recv, int32_t result, const uint8_t *bytes)
{
    struct rig_conn *conn = container_of(recv, struct rig_conn, recv);

    if (result <= 0 || conn->is_closing) {
        if (result <= 0)
            rig_conn_close(conn);
        return;
    }
    conn->in = mem_realloc(conn->in, conn->in_bytes + (uint32_t)result);
    memcpy(conn->in + conn->in_bytes, bytes, (size_t)result);
    conn->in_bytes += (uint32_t)result;
    while (!conn->is_closing && conn->in_bytes >= 4 &&
           conn->in_bytes - 4 >= rig_size_of(conn->in)) {
        uint32_t size = rig_size_of(conn->in);

        rig_take_request(conn, conn->in + 4, size);
        conn->in_bytes -= 4 + size;
        memmove(conn->in, conn->in + 4 + size, conn->in_bytes);
    }
}

static inline void rig_on_accepted(struct io_accept *accept, int32_t fd)
{
    struct rig_peer *peer = container_of(accept, struct rig_peer, accept);
    struct rig_conn *conn;

    if (fd < 0)
        return;
    cr_assert(lt(u32, peer->conns_count, RIG_CONNS_MAX));
    conn = &peer->conns[peer->conns_count];
    *conn =
        (struct rig_conn){.peer = peer, .index = peer->conns_count++, .fd = fd, .is_open = true};
    list_init(&conn->out);
    conn->recv.received = rig_on_received;
    io_recv(peer->loop.io, &conn->recv, fd);
}

static inline void rig_peer_start(struct sim_node *node)
{
    struct rig_peer *peer = node->options.context;
    struct io_address at = {.family = AF_INET, .port = RIG_PORT};
    struct io_address bound;

    loop_init(&peer->loop, 0, sim_node_io(node, 0), sim_node_clock(node));
    sim_node_attach(node, 0, &peer->loop);
    list_init(&peer->held);
    peer->held_count = 0;
    peer->conns_count = 0;
    peer->accept = (struct io_accept){.accepted = rig_on_accepted};
    cr_assert(
        eq(int, peer->loop.io->v->listen(peer->loop.io, &at, 64, &peer->listen_fd, &bound), OK));
    io_accept(peer->loop.io, &peer->accept, peer->listen_fd);
}

static inline void rig_peer_end(struct sim_node *node, enum sim_crash kind)
{
    struct rig_peer *peer = node->options.context;

    (void)sim_node_drain(node, 1000);
    while (!list_is_empty(&peer->held))
        rig_drop(list_first(&peer->held, struct rig_request, node));
    for (uint32_t i = 0; i < peer->conns_count; i++) {
        struct rig_conn *conn = &peer->conns[i];

        if (!conn->is_open)
            continue;
        while (!list_is_empty(&conn->out))
            mem_free(container_of(list_pop_front(&conn->out), struct rig_bytes, node));
        mem_free(conn->in);
        conn->is_open = false;
    }
    loop_deinit(&peer->loop);
}

/* ---- the world */

static inline void rig_client_start(struct sim_node *node)
{
    loop_init(&rig.loop, 0, sim_node_io(node, 0), sim_node_clock(node));
    sim_node_attach(node, 0, &rig.loop);
    rig.loop.now_ns = clock_mono_ns(rig.loop.clock);
}

static inline void rig_client_end(struct sim_node *node, enum sim_crash kind)
{
    loop_deinit(&rig.loop);
}

static inline struct rig_peer *rig_add_peer(void)
{
    struct rig_peer *peer = &rig.peers[rig.peers_count];
    static const char *names[RIG_PEERS_MAX] = {"peer 0", "peer 1", "peer 2", "peer 3"};

    peer->index = rig.peers_count++;
    for (int16_t key = 0; key < 128; key++) {
        const struct api_desc *api = api_find(key);

        peer->versions[key].min = api == NULL ? 0 : api->advertised_min;
        peer->versions[key].max = api == NULL ? -1 : api->max;
    }
    peer->node = sim_node_create(rig.world, &(struct sim_node_options){.name = names[peer->index],
                                                                       .start = rig_peer_start,
                                                                       .end = rig_peer_end,
                                                                       .context = peer});
    sim_node_start(peer->node);
    rig.told_count = rig.peers_count;
    return peer;
}

/* A client and so many peers; net may be NULL. */
static inline void rig_start(uint32_t peers_count, const struct sim_net_options *net)
{
    rig.world = sim_world_create(&(struct sim_world_options){.seed = 7, .net = net});
    rig.client = sim_node_create(rig.world, &(struct sim_node_options){.name = "client",
                                                                       .start = rig_client_start,
                                                                       .end = rig_client_end});
    sim_node_start(rig.client);
    slab_init(&rig.slab, 64 << 20);
    sim_world_fork(rig.world, "client", &rig.prng);
    rig.env = (struct client_env){
        .loop = &rig.loop, .slab = &rig.slab, .prng = &rig.prng, .client_id = "rig"};
    for (uint32_t i = 0; i < peers_count; i++)
        (void)rig_add_peer();
}

/* Everything of the client is gone by now; nothing may be left of it. */
static inline void rig_finish(void)
{
    slab_deinit(&rig.slab);
    cr_assert(eq(u64, sim_world_destroy(rig.world), 0), "memory is lost");
}

/* The client is called from outside of its loop: its time is that of the world. */
static inline void rig_now(void)
{
    rig.loop.now_ns = clock_mono_ns(rig.loop.clock);
}

static inline void rig_run_ms(uint64_t ms)
{
    sim_world_run_for(rig.world, ms * SIM_MS);
    rig_now();
}

static inline bool rig_is_set(void *context)
{
    return *(bool *)context;
}

/* Until *flag, at most so long; false: it did not come. */
static inline bool rig_wait(bool *flag, uint64_t limit_ms)
{
    bool came = sim_world_run_until(rig.world, rig_is_set, flag, limit_ms * SIM_MS);

    rig_now();
    return came;
}

static inline uint64_t rig_now_ms(void)
{
    return sim_world_now_ns(rig.world) / SIM_MS;
}

static inline void rig_set_true(void *context)
{
    *(bool *)context = true;
}

/* ---- calls */

/* A Metadata request without topics, or of the kind that the test sets. */
struct rig_call {
    struct client_call call;
    struct metadata_request request;
    bool is_done;
    uint32_t done_count;
    enum err err;
    uint32_t order; /* of done, among all */
    uint64_t done_ms;
};

static uint32_t rig_done_count;

static inline void rig_on_done(struct client_call *call, enum err err, const void *response)
{
    struct rig_call *asked = container_of(call, struct rig_call, call);

    cr_assert(eq(int, response != NULL, err == OK && !call->has_no_answer));
    asked->is_done = true;
    asked->done_count++;
    cr_assert(eq(u32, asked->done_count, 1)); /* CAL-1 */
    asked->err = err;
    asked->order = rig_done_count++;
    asked->done_ms = rig_now_ms();
}

static inline void rig_call_init(struct rig_call *call)
{
    *call = (struct rig_call){0};
    codec_set_defaults(&metadata_request_desc, &call->request);
    call->call.key = API_METADATA;
    call->call.max_version = INT16_MAX;
    call->call.request = &call->request;
    call->call.done = rig_on_done;
}

static inline void rig_ask(struct client_broker *broker, struct rig_call *call)
{
    rig_now();
    cr_assert(eq(int, client_broker_call(broker, &call->call), OK));
    cr_assert(not(call->is_done));
}

#endif
