/* fuzz_client: any bytes as a broker's answers to all that the client room asks.
 *
 * The first byte of the input says who lives in the cluster and which answers are ours; what
 * follows are answers: a byte that says how it is given, the API key that it is for (255: any), an
 * uint16 size, the body.  Each request takes the first of them that fits.  Whatever comes: every
 * call, wait and record ends once, and nothing is left. */
#include "base/check.h"
#include "base/mem.h"
#include "net/client/client_fetcher.h"
#include "net/client/client_member.h"
#include "net/client/client_producer.h"
#include "net/client/client_transaction.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_api_versions.h"
#include "net/protocol/msg_find_coordinator.h"
#include "net/protocol/msg_metadata.h"
#include "tests/fuzz/fuzz_seed.h"
#include "tests/support/random_message.h"

#include <errno.h>
#include <string.h>

enum {
    CONNS_MAX = 512,
    FRAME_BYTES_MAX = 256 << 10,
    ITEMS_MAX = 256,
    ITEM_BYTES = 4,
    ANY_KEY = 255,
    TURNS_MAX = 20000,
    RECORDS = 20,
    PARTITIONS = 3,
};

enum flag {
    FLAG_VERSIONS = 1, /* from the input, too */
    FLAG_METADATA = 2,
    FLAG_COORDINATOR = 4,
    FLAG_PRODUCER = 8,
    FLAG_TRANSACTION = 16,
    FLAG_FETCHER = 32,
    FLAG_MEMBER = 64,
    FLAG_HANGS_UP = 128, /* when the input has no answer; else it is mute */
};

enum manner { GOOD, RAW, CLOSES, MUTE, MANNER_COUNT = 4, IN_PIECES = 4 };

/* ---- the input */

struct item {
    uint8_t manner;
    uint8_t key;
    bool is_used;
    uint16_t size_bytes;
    const uint8_t *bytes;
};

static struct item items[ITEMS_MAX];
static uint32_t items_count;
static uint8_t flags;

static void read_input(const uint8_t *data, size_t size_bytes)
{
    size_t pos = 1;

    flags = size_bytes > 0 ? data[0] : 0;
    for (items_count = 0; items_count < ITEMS_MAX && pos + ITEM_BYTES <= size_bytes;
         items_count++) {
        struct item *item = &items[items_count];
        size_t left = size_bytes - pos - ITEM_BYTES;
        size_t wanted = (size_t)data[pos + 2] << 8 | data[pos + 3];

        *item = (struct item){.manner = data[pos],
                              .key = data[pos + 1],
                              .size_bytes = (uint16_t)(wanted < left ? wanted : left),
                              .bytes = data + pos + ITEM_BYTES};
        pos += ITEM_BYTES + item->size_bytes;
    }
}

static const struct item *take_item(int16_t key)
{
    for (uint32_t i = 0; i < items_count; i++) {
        struct item *item = &items[i];

        if (item->is_used || (item->key != key && item->key != ANY_KEY))
            continue;
        item->is_used = true;
        return item;
    }
    return NULL;
}

/* ---- time */

static uint64_t now_ns;

static uint64_t mono_ns(struct clock *c)
{
    return now_ns;
}

static int64_t wall_ms(struct clock *c)
{
    return 1700000000000 + (int64_t)(now_ns / 1000000);
}

static struct clock fuzz_clock = {.mono_ns = mono_ns, .wall_ms = wall_ms};

/* ---- the network: every connection is taken, every send is whole */

struct fuzz_conn {
    bool is_open;
    bool hangs_up; /* once all was delivered */
    bool in_pieces;
    struct io_recv *recv;
    struct io_op piece;
    uint8_t *in;
    uint32_t in_bytes;
    uint8_t *out;
    uint32_t out_bytes;
    uint32_t out_pos;
    uint32_t piece_bytes;
};

static struct io fuzz_io;
static struct fuzz_conn conns[CONNS_MAX];
static uint32_t conns_count;

static void complete(struct io_op *op, int32_t result)
{
    op->result = result;
    list_push_back(&fuzz_io.completed, &op->node);
}

static void start(struct io_op *op)
{
    op->in_flight = true;
}

static void on_recv_end(struct io_op *op, int32_t result)
{
    struct io_recv *recv = container_of(op, struct io_recv, op);

    recv->received(recv, result, NULL);
}

static void end_recv(struct fuzz_conn *conn, int32_t result)
{
    struct io_recv *recv = conn->recv;

    if (recv == NULL)
        return;
    conn->recv = NULL;
    complete(&recv->op, result);
}

static void on_piece(struct io_op *op, int32_t result)
{
    struct fuzz_conn *conn = container_of(op, struct fuzz_conn, piece);
    uint32_t pos = conn->out_pos;

    conn->out_pos += conn->piece_bytes;
    if (conn->recv != NULL)
        conn->recv->received(conn->recv, (int32_t)conn->piece_bytes, conn->out + pos);
}

static void deliver(struct fuzz_conn *conn)
{
    uint32_t left = conn->out_bytes - conn->out_pos;

    if (conn->recv == NULL || conn->piece.in_flight)
        return;
    if (left > 0) {
        conn->piece_bytes = conn->in_pieces && left > 7 ? 7 : left;
        conn->piece.done = on_piece;
        start(&conn->piece);
        complete(&conn->piece, (int32_t)conn->piece_bytes);
    } else if (conn->hangs_up) {
        end_recv(conn, 0);
    }
}

static void put(struct fuzz_conn *conn, const void *bytes, size_t size_bytes)
{
    if (size_bytes == 0 || conn->out_bytes + size_bytes > FRAME_BYTES_MAX)
        return;
    conn->out = mem_realloc(conn->out, conn->out_bytes + size_bytes);
    memcpy(conn->out + conn->out_bytes, bytes, size_bytes);
    conn->out_bytes += (uint32_t)size_bytes;
}

/* ---- the broker */

static void answer_with(struct fuzz_conn *conn, const struct api_desc *api,
                        const struct request_header *header, const void *response,
                        struct arena *arena)
{
    struct wire_writer writer;
    struct wire_bytes bytes;

    wire_writer_init(&writer, arena);
    wire_writer_begin_frame(&writer);
    check(header_encode_response(&writer, api, header->request_api_version,
                                 header->correlation_id) == OK);
    check(codec_encode(api->response, header->request_api_version, response, &writer) == OK);
    wire_writer_end_frame(&writer);
    check(wire_writer_flatten(&writer, &bytes) == OK);
    put(conn, bytes.bytes, (size_t)bytes.size_bytes);
}

static void tell_versions(struct api_versions_response *response, struct arena *arena)
{
    struct api_versions_response_finalized_feature_key *feature =
        codec_new_array(&api_versions_response_finalized_feature_key_struct, arena, 1);

    codec_set_defaults(&api_versions_response_desc, response);
    response->api_keys.items =
        codec_new_array(&api_versions_response_api_version_struct, arena, 128);
    for (int16_t key = 0; key < 128; key++)
        if (api_find(key) != NULL)
            response->api_keys.items[response->api_keys.count++] =
                (struct api_versions_response_api_version){.api_key = key,
                                                           .min_version =
                                                               api_find(key)->advertised_min,
                                                           .max_version = api_find(key)->max};
    feature->name = wire_string("transaction.version");
    feature->max_version_level = 2;
    response->finalized_features.items = feature;
    response->finalized_features.count = 1;
}

static void tell_metadata(struct metadata_response *response, const struct metadata_request *asked,
                          struct arena *arena)
{
    codec_set_defaults(&metadata_response_desc, response);
    response->brokers.items = codec_new_array(&metadata_response_broker_struct, arena, 1);
    response->brokers.count = 1;
    response->brokers.items[0].host = wire_string("10.0.0.1");
    response->brokers.items[0].port = 9092;
    response->topics.items =
        codec_new_array(&metadata_response_topic_struct, arena, (size_t)asked->topics.count);
    response->topics.count = asked->topics.count;
    for (int32_t i = 0; i < asked->topics.count; i++) {
        struct metadata_response_topic *topic = &response->topics.items[i];

        topic->name = asked->topics.items[i].name;
        topic->topic_id.bytes[0] = (uint8_t)(i + 1);
        topic->partitions.items =
            codec_new_array(&metadata_response_partition_struct, arena, PARTITIONS);
        topic->partitions.count = PARTITIONS;
        for (int32_t p = 0; p < PARTITIONS; p++)
            topic->partitions.items[p].partition_index = p;
    }
}

static void tell_coordinator(struct find_coordinator_response *response,
                             const struct find_coordinator_request *asked, struct arena *arena)
{
    codec_set_defaults(&find_coordinator_response_desc, response);
    response->coordinators.items =
        codec_new_array(&find_coordinator_response_coordinator_struct, arena, 1);
    response->coordinators.count = 1;
    response->coordinators.items[0].key = asked->coordinator_keys.items[0];
    response->coordinators.items[0].host = wire_string("10.0.0.1");
    response->coordinators.items[0].port = 9092;
}

/* False: the input has the answer. */
static bool answer_ourselves(struct fuzz_conn *conn, const struct api_desc *api,
                             const struct request_header *header, const void *body,
                             struct arena *arena)
{
    if (header->request_api_version != api->max)
        return false;
    if (api->key == API_API_VERSIONS && (flags & FLAG_VERSIONS) == 0) {
        struct api_versions_response response;

        tell_versions(&response, arena);
        answer_with(conn, api, header, &response, arena);
        return true;
    }
    if (api->key == API_METADATA && (flags & FLAG_METADATA) == 0) {
        struct metadata_response response;

        tell_metadata(&response, body, arena);
        answer_with(conn, api, header, &response, arena);
        return true;
    }
    if (api->key == API_FIND_COORDINATOR && (flags & FLAG_COORDINATOR) == 0) {
        struct find_coordinator_response response;

        tell_coordinator(&response, body, arena);
        answer_with(conn, api, header, &response, arena);
        return true;
    }
    return false;
}

static void answer_from_input(struct fuzz_conn *conn, const struct api_desc *api,
                              const struct request_header *header)
{
    const struct item *item = take_item(api->key);
    uint8_t tags = 0;
    int16_t header_version = api_response_header_version(api, header->request_api_version);
    uint32_t size_bytes;
    uint8_t front[8];

    if (item == NULL ? (flags & FLAG_HANGS_UP) != 0 : item->manner % MANNER_COUNT == CLOSES)
        conn->hangs_up = true;
    if (item == NULL || conn->hangs_up)
        return;
    conn->in_pieces = (item->manner & IN_PIECES) != 0;
    if (item->manner % MANNER_COUNT == RAW)
        put(conn, item->bytes, item->size_bytes);
    if (item->manner % MANNER_COUNT != GOOD)
        return;
    size_bytes = 4U + (uint32_t)header_version + item->size_bytes;
    for (int i = 0; i < 4; i++) {
        front[i] = (uint8_t)(size_bytes >> (24 - 8 * i));
        front[4 + i] = (uint8_t)((uint32_t)header->correlation_id >> (24 - 8 * i));
    }
    put(conn, front, sizeof(front));
    put(conn, &tags, (size_t)header_version);
    put(conn, item->bytes, item->size_bytes);
}

static void take_request(struct fuzz_conn *conn, const uint8_t *bytes, uint32_t size_bytes)
{
    const struct api_desc *api;
    struct request_header header;
    struct wire_reader reader;
    struct arena arena;
    void *body;

    arena_init(&arena, 64 << 20);
    wire_reader_init(&reader, bytes, size_bytes);
    check(header_decode_request(&reader, &arena, &header, &api) == OK);
    body = arena_alloc(&arena, api->request->body->size_bytes);
    check(codec_decode(api->request, header.request_api_version, &reader, &arena, body) == OK);
    check(wire_reader_left(&reader) == 0);
    if (!answer_ourselves(conn, api, &header, body, &arena))
        answer_from_input(conn, api, &header);
    arena_deinit(&arena);
}

static void take_requests(struct fuzz_conn *conn)
{
    uint32_t pos = 0;

    while (conn->in_bytes - pos >= 4) {
        const uint8_t *in = conn->in + pos;
        uint32_t size_bytes =
            (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];

        if (conn->in_bytes - pos - 4 < size_bytes)
            break;
        take_request(conn, in + 4, size_bytes);
        pos += 4 + size_bytes;
    }
    conn->in_bytes -= pos;
    if (pos > 0 && conn->in_bytes > 0)
        memmove(conn->in, conn->in + pos, conn->in_bytes);
}

/* ---- the io */

static enum err fuzz_socket(struct io *io, uint16_t family, int32_t *fd_out)
{
    if (conns_count == CONNS_MAX)
        return ERR_NOMEM;
    conns[conns_count] = (struct fuzz_conn){.is_open = true};
    *fd_out = (int32_t)conns_count++;
    return OK;
}

static void fuzz_connect(struct io *io, struct io_op *op, int32_t fd, const struct io_address *to)
{
    start(op);
    complete(op, 0);
}

static void fuzz_recv(struct io *io, struct io_recv *recv, int32_t fd)
{
    recv->op.done = on_recv_end;
    start(&recv->op);
    conns[fd].recv = recv;
}

static void fuzz_sendv(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                       uint32_t vec_count)
{
    struct fuzz_conn *conn = &conns[fd];
    uint32_t sum = 0;

    for (uint32_t i = 0; i < vec_count; i++) {
        conn->in = mem_realloc(conn->in, conn->in_bytes + vec[i].iov_len + 1);
        memcpy(conn->in + conn->in_bytes, vec[i].iov_base, vec[i].iov_len);
        conn->in_bytes += (uint32_t)vec[i].iov_len;
        sum += (uint32_t)vec[i].iov_len;
    }
    start(op);
    complete(op, (int32_t)sum);
    take_requests(conn);
}

static void fuzz_cancel(struct io *io, struct io_op *op)
{
    for (uint32_t i = 0; i < conns_count; i++)
        if (conns[i].recv != NULL && &conns[i].recv->op == op)
            end_recv(&conns[i], -ECANCELED);
}

static void fuzz_shutdown(struct io *io, int32_t fd)
{
    conns[fd].hangs_up = true;
}

static void fuzz_close(struct io *io, int32_t fd)
{
    struct fuzz_conn *conn = &conns[fd];

    check(conn->is_open && conn->recv == NULL);
    mem_free(conn->in);
    mem_free(conn->out);
    conn->in = NULL;
    conn->out = NULL;
    conn->is_open = false;
}

static enum err fuzz_wait(struct io *io, uint64_t timeout_ns)
{
    for (uint32_t i = 0; i < conns_count; i++)
        if (conns[i].is_open)
            deliver(&conns[i]);
    if (list_is_empty(&fuzz_io.completed) && timeout_ns != UINT64_MAX)
        now_ns += timeout_ns;
    now_ns += 1000;
    return OK;
}

static void fuzz_wake(struct io *io)
{
}

static const struct io_vtable vtable = {
    .name = "fuzz",
    .socket = fuzz_socket,
    .connect = fuzz_connect,
    .recv = fuzz_recv,
    .sendv = fuzz_sendv,
    .cancel = fuzz_cancel,
    .shutdown = fuzz_shutdown,
    .close = fuzz_close,
    .wait = fuzz_wait,
    .wake = fuzz_wake,
};

/* ---- who lives there */

static struct {
    struct loop loop;
    struct slab slab;
    struct prng prng;
    struct client_env env;
    struct client_cluster *cluster;
    struct client_topic *topic;
    struct client_producer *producer;
    struct client_fetcher *fetcher;
    struct client_member *member;
    struct client_wait waits[2];
    struct client_transaction_op transaction;
    bool is_transaction_busy;
    uint32_t waits_left;
    uint32_t records_sent;
    uint32_t records_told;
    uint32_t closed_count;
} f;

static void on_waited(struct client_wait *wait, enum err err)
{
    check(f.waits_left > 0);
    f.waits_left--;
}

static void on_delivered(void *context, const struct client_delivery *delivery)
{
    f.records_told += delivery->records_count;
    check(f.records_told <= f.records_sent);
}

static void on_transaction(struct client_transaction_op *op, enum err err)
{
    check(f.is_transaction_busy);
    f.is_transaction_busy = false;
}

static void on_ready(void *context)
{
    struct client_fetched batch;
    struct client_fetched_record record;

    while (client_fetcher_next_batch(f.fetcher, &batch) == OK)
        while (client_fetcher_next_record(f.fetcher, &record) == OK)
            ;
}

static void on_trouble(void *context, struct client_topic *topic, int32_t partition,
                       enum client_fetcher_trouble trouble, int64_t offset, int16_t error_code)
{
    client_fetcher_unassign(f.fetcher, topic, partition);
}

static void on_assigned(void *context, const struct client_member_partition *added, uint32_t count)
{
}

static void on_revoked(void *context, const struct client_member_partition *removed, uint32_t count,
                       bool is_lost)
{
    if (!is_lost)
        client_member_revoked_done(f.member);
}

static void on_fatal(void *context, int16_t error_code, enum err err)
{
}

static void on_closed(void *context)
{
    f.closed_count++;
}

static void run_for(uint64_t ms)
{
    uint64_t end_ns = now_ns + ms * 1000000;

    for (int i = 0; i < TURNS_MAX && now_ns < end_ns; i++)
        check(loop_turn(&f.loop, end_ns - now_ns) == OK);
}

static void run_until_closed(uint32_t count)
{
    for (int i = 0; i < 10 * TURNS_MAX && f.closed_count < count; i++)
        check(loop_turn(&f.loop, 1000000000) == OK);
    check(f.closed_count == count);
}

static void open_producer(void)
{
    static const struct client_producer_events events = {.delivered = on_delivered,
                                                         .fatal = on_fatal};
    struct client_producer_options options = client_producer_options_default();

    options.delivery_timeout_ms = 6000;
    options.request_timeout_ms = 2000;
    if ((flags & FLAG_TRANSACTION) != 0)
        options.transactional_id = "fuzz";
    check(client_producer_create(f.cluster, &options, &events, NULL, &f.producer) == OK);
    if ((flags & FLAG_TRANSACTION) == 0)
        return;
    f.transaction.done = on_transaction;
    f.is_transaction_busy = true;
    client_transaction_init(f.producer, &f.transaction);
}

static void send_records(void)
{
    static const uint8_t value[100];

    for (int i = 0; i < RECORDS; i++) {
        struct client_record record = {
            .topic = f.topic,
            .partition = i % PARTITIONS,
            .timestamp_ms = -1,
            .record = {.key_bytes = -1, .value = value, .value_bytes = sizeof(value)}};

        f.records_sent += client_producer_send(f.producer, &record) == OK;
    }
}

static void use_producer(void)
{
    bool is_transactional = (flags & FLAG_TRANSACTION) != 0;

    if (is_transactional && (f.is_transaction_busy || client_transaction_begin(f.producer) != OK))
        return;
    send_records();
    if (!is_transactional)
        return;
    f.transaction = (struct client_transaction_op){.done = on_transaction};
    f.is_transaction_busy = true;
    client_transaction_commit(f.producer, &f.transaction);
}

static void open_others(void)
{
    static const struct client_fetcher_events fetcher_events = {.ready = on_ready,
                                                                .trouble = on_trouble};
    static const struct client_member_events member_events = {
        .assigned = on_assigned, .revoked = on_revoked, .fatal = on_fatal};
    struct client_fetcher_options fetcher_options = client_fetcher_options_default();
    struct client_member_options member_options = client_member_options_default();

    if ((flags & FLAG_FETCHER) != 0) {
        fetcher_options.is_committed = true;
        fetcher_options.uses_sessions = true;
        check(client_fetcher_create(f.cluster, &fetcher_options, &fetcher_events, NULL,
                                    &f.fetcher) == OK);
        for (int32_t i = 0; i < PARTITIONS; i++)
            check(client_fetcher_assign(f.fetcher, f.topic, i, 0, -1) == OK);
    }
    if ((flags & FLAG_MEMBER) != 0) {
        member_options.group_id = "fuzz";
        check(client_member_create(f.cluster, &member_options, &f.topic, 1, &member_events, NULL,
                                   &f.member) == OK);
    }
}

static void close_all(void)
{
    uint32_t count = 0;

    if (f.member != NULL) {
        client_member_destroy(f.member, on_closed, NULL);
        count++;
    }
    if (f.fetcher != NULL) {
        client_fetcher_destroy(f.fetcher, on_closed, NULL);
        count++;
    }
    if (f.producer != NULL) {
        client_producer_destroy(f.producer, on_closed, NULL);
        count++;
    }
    run_until_closed(count);
    client_cluster_destroy(f.cluster, on_closed, NULL);
    run_until_closed(count + 1);
    check(f.waits_left == 0 && !f.is_transaction_busy);
    check(f.records_told == f.records_sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct client_options options = client_options_default();
    uint64_t blocks = mem_used_count();
    char problem[100];

    read_input(data, size_bytes);
    memset(&f, 0, sizeof(f));
    conns_count = 0;
    now_ns = 1000000000;
    fuzz_io = (struct io){.v = &vtable};
    list_init(&fuzz_io.completed);
    loop_init(&f.loop, 0, &fuzz_io, &fuzz_clock);
    slab_init(&f.slab, 32 << 20);
    prng_init(&f.prng, 1);
    f.env =
        (struct client_env){.loop = &f.loop, .slab = &f.slab, .prng = &f.prng, .client_id = "fuzz"};
    options.bootstrap_servers = "10.0.0.1:9092,10.0.0.2:9092";
    options.frame_max_bytes = 1 << 20;
    options.request_timeout_ms = 2000;
    options.connect_max_ms = 1000;
    check(client_cluster_create(&f.env, &options, &f.cluster, problem, sizeof(problem)) == OK);
    f.topic = client_cluster_topic(f.cluster, "t");
    check(f.topic != NULL);
    f.waits_left = 2;
    f.waits[0].done = on_waited;
    f.waits[1].done = on_waited;
    client_cluster_wait_topic(f.cluster, &f.waits[0], f.topic, 5000);
    client_cluster_find_coordinator(f.cluster, &f.waits[1], CLIENT_COORDINATOR_GROUP, "g", 5000);
    if ((flags & FLAG_PRODUCER) != 0)
        open_producer();
    open_others();
    run_for(1000);
    if (f.producer != NULL)
        use_producer();
    run_for(4500);
    check(f.waits_left == 0); /* CLU-4: within their time */
    run_for(3000);
    close_all();
    loop_deinit(&f.loop);
    slab_deinit(&f.slab);
    check(mem_used_count() == blocks);
    return 0;
}

/* ---- seeds */

/* Of the topic that is asked for, and of a broker that can be reached. */
static void make_it_fit(struct metadata_response *response, struct prng *prng)
{
    response->error_code = KAFKA_NONE;
    for (int32_t i = 0; i < response->brokers.count; i++) {
        response->brokers.items[i].host = wire_string("10.0.0.1");
        response->brokers.items[i].port = 9092;
        response->brokers.items[i].node_id = i;
    }
    for (int32_t i = 0; i < response->topics.count; i++) {
        struct metadata_response_topic *topic = &response->topics.items[i];

        topic->name = wire_string("t");
        topic->error_code = prng_chance(prng, 1, 4) ? topic->error_code : KAFKA_NONE;
        for (int32_t p = 0; p < topic->partitions.count; p++)
            if (!prng_chance(prng, 1, 8))
                topic->partitions.items[p].partition_index = p;
    }
}

static size_t put_item(struct prng *prng, bool is_metadata, struct arena *arena, uint8_t *out,
                       size_t max_bytes)
{
    static const int16_t keys[] = {API_PRODUCE,
                                   API_FETCH,
                                   API_LIST_OFFSETS,
                                   API_METADATA,
                                   API_JOIN_GROUP,
                                   API_HEARTBEAT,
                                   API_SYNC_GROUP,
                                   API_LEAVE_GROUP,
                                   API_FIND_COORDINATOR,
                                   API_API_VERSIONS,
                                   API_INIT_PRODUCER_ID,
                                   API_END_TXN,
                                   API_OFFSET_FETCH,
                                   API_ADD_PARTITIONS_TO_TXN,
                                   API_OFFSET_FOR_LEADER_EPOCH};
    const struct api_desc *api =
        api_find(is_metadata ? (int16_t)API_METADATA
                             : keys[prng_below(prng, sizeof(keys) / sizeof(keys[0]))]);
    void *body = arena_alloc(arena, api->response->body->size_bytes);
    struct wire_writer writer;
    struct wire_bytes bytes;

    random_message(api->response, api->max, prng, arena, body);
    if (api->key == API_METADATA)
        make_it_fit(body, prng);
    wire_writer_init(&writer, arena);
    check(codec_encode(api->response, api->max, body, &writer) == OK);
    check(wire_writer_flatten(&writer, &bytes) == OK);
    if ((size_t)bytes.size_bytes + ITEM_BYTES > max_bytes || bytes.size_bytes > UINT16_MAX)
        return 0;
    out[0] = prng_chance(prng, 1, 8) ? (uint8_t)prng_u64(prng) : GOOD;
    out[1] = (uint8_t)api->key;
    out[2] = (uint8_t)(bytes.size_bytes >> 8);
    out[3] = (uint8_t)bytes.size_bytes;
    if (bytes.size_bytes > 0)
        memcpy(out + ITEM_BYTES, bytes.bytes, (size_t)bytes.size_bytes);
    return ITEM_BYTES + (size_t)bytes.size_bytes;
}

static size_t make_seed(struct prng *prng, uint8_t *out, size_t max_bytes)
{
    uint64_t count = 1 + prng_below(prng, 12);
    struct arena arena;
    size_t pos = 1;

    if (max_bytes == 0)
        return 0;
    arena_init(&arena, 64 << 20);
    out[0] = (uint8_t)prng_u64(prng);
    if (prng_chance(prng, 1, 2))
        out[0] &= (uint8_t) ~(FLAG_VERSIONS | FLAG_METADATA | FLAG_COORDINATOR);
    for (uint64_t i = 0; i < count; i++)
        pos += put_item(prng, i < 2 && (out[0] & FLAG_METADATA) != 0, &arena, out + pos,
                        max_bytes - pos);
    arena_deinit(&arena);
    return pos;
}

FUZZ_SEEDS(make_seed)
