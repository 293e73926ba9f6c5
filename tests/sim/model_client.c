/* A connection goes WAITING -> CONNECTING -> UP -> CLOSING -> WAITING.  CLOSING lasts until the
 * three operations have completed; then the calls are told. */
#include "tests/sim/model_client.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/codec.h"
#include "tests/sim/sim_marks.h"

#include <errno.h>
#include <string.h>

enum {
    MILLION = 1000000,
    SLOW_READ_BYTES_MAX = 20000,
    ANSWER_BYTES_MAX = 64 << 20,
    ARENA_BYTES_MAX = 256 << 20
};

static void receive(struct model_client *client);

void model_client_tell(struct model_client *client, struct history_event *event)
{
    event->client = client->options.id;
    event->time_ns = sim_world_now_ns(client->node->world);
    history_add(client->history, event);
}

uint64_t model_client_draw_ms(struct model_client *client, uint64_t max_ms)
{
    return 1 + prng_below(&client->prng, max_ms);
}

int16_t model_client_version(struct model_client *client, int16_t key, int16_t min, int16_t max)
{
    const struct api_desc *api = api_find(key);
    int16_t *version = &client->versions[key];

    if (max > api->max)
        max = api->max;
    if (min < api->served_min)
        min = api->served_min;
    check(min <= max);
    if (*version < 0)
        *version = (int16_t)(min + (int16_t)prng_below(&client->prng, (uint64_t)(max - min) + 1));
    return *version;
}

/* ---- the end of a connection */

static void finish_call(struct model_call *call, enum err err, const void *response)
{
    struct model_client *client = call->client;

    list_remove(&call->node);
    loop_cancel_timer(&client->loop, &call->expiry);
    if (client->sending == call) {
        client->orphan = call->frame;
        client->sending = NULL;
    } else {
        mem_free(call->frame);
    }
    call->frame = NULL;
    call->done(call, err, response);
}

static void close_if_done(struct model_client *client)
{
    struct list ended;

    if (client->connect.in_flight || client->send.in_flight || client->recv.in_flight)
        return;
    loop_cancel_timer(&client->loop, &client->read_pause);
    client->hangs_up = false;
    client->loop.io->v->close(client->loop.io, client->fd);
    client->fd = -1;
    client->state = MODEL_WAITING;
    client->in_bytes = 0;
    client->sending = NULL;
    mem_free(client->orphan);
    client->orphan = NULL;
    loop_set_timer_ms(&client->loop, &client->reconnect,
                      model_client_draw_ms(client, client->options.reconnect_max_ms));
    list_init(&ended);
    while (!list_is_empty(&client->calls)) {
        struct model_call *call = list_first(&client->calls, struct model_call, node);
        list_remove(&call->node);
        list_push_back(&ended, &call->node);
    }
    while (!list_is_empty(&ended))
        finish_call(list_first(&ended, struct model_call, node), ERR_CLOSED, NULL);
}

static void begin_close(struct model_client *client)
{
    if (client->state == MODEL_CLOSING)
        return;
    client->state = MODEL_CLOSING;
    io_cancel(client->loop.io, &client->connect);
    io_cancel(client->loop.io, &client->send);
    io_cancel(client->loop.io, &client->recv);
    close_if_done(client);
}

/* ---- sending: one frame after the other */

static bool by_chance(struct model_client *client, uint32_t ppm)
{
    return ppm > 0 && prng_chance(&client->wide_prng, ppm, MILLION) &&
           !client->node->world->net.no_faults;
}

static void on_sent(struct io_op *op, int32_t result);

static void send_next(struct model_client *client)
{
    struct model_call *call;

    if (client->send.in_flight || client->state != MODEL_UP)
        return;
    for (struct list *node = client->calls.next; node != &client->calls; node = node->next) {
        call = container_of(node, struct model_call, node);
        if (call->sent_bytes == call->frame_bytes)
            continue;
        client->sending = call;
        client->vec =
            (struct iovec){call->frame + call->sent_bytes, call->frame_bytes - call->sent_bytes};
        if (by_chance(client, client->options.hang_up_ppm)) {
            client->hangs_up = true;
            sim_mark(MARK_HUNG_UP);
            client->vec.iov_len = 1 + (size_t)prng_below(&client->wide_prng, client->vec.iov_len);
        }
        io_sendv(client->loop.io, &client->send, client->fd, &client->vec, 1, on_sent);
        return;
    }
}

static void on_sent(struct io_op *op, int32_t result)
{
    struct model_client *client = container_of(op, struct model_client, send);

    if (client->state == MODEL_CLOSING) {
        close_if_done(client);
    } else if (result <= 0 || client->hangs_up ||
               (client->orphan != NULL && (size_t)result < client->vec.iov_len)) {
        begin_close(client);
    } else if (client->orphan != NULL) {
        mem_free(client->orphan);
        client->orphan = NULL;
        send_next(client);
    } else {
        struct model_call *call = client->sending;
        call->sent_bytes += (uint32_t)result;
        client->sending = NULL;
        if (call->no_answer && call->sent_bytes == call->frame_bytes)
            finish_call(call, OK, NULL);
        send_next(client);
    }
}

static void on_expired(struct timer *timer)
{
    begin_close(container_of(timer, struct model_call, expiry)->client);
}

static void begin_call(struct model_client *client, struct model_call *call, int16_t key,
                       int16_t version, const void *request, bool no_answer,
                       void (*done)(struct model_call *, enum err, const void *))
{
    struct wire_writer writer;
    struct wire_bytes bytes;
    struct arena arena;

    check(client->state == MODEL_UP);
    *call = (struct model_call){.client = client,
                                .api = api_find(key),
                                .version = version,
                                .correlation_id = ++client->correlation_id,
                                .no_answer = no_answer,
                                .done = done};
    arena_init(&arena, ARENA_BYTES_MAX);
    wire_writer_init(&writer, &arena);
    wire_writer_begin_frame(&writer);
    check(header_encode_request(&writer, call->api, version, call->correlation_id,
                                wire_string("model")) == OK);
    check(codec_encode(call->api->request, version, request, &writer) == OK);
    wire_writer_end_frame(&writer);
    check(wire_writer_flatten(&writer, &bytes) == OK);
    call->frame_bytes = (uint32_t)bytes.size_bytes;
    call->frame = mem_alloc(call->frame_bytes);
    memcpy(call->frame, bytes.bytes, call->frame_bytes);
    arena_deinit(&arena);
    client->calls_count++;
    list_push_back(&client->calls, &call->node);
    timer_init(&call->expiry, on_expired);
    loop_set_timer_ms(&client->loop, &call->expiry, client->options.timeout_ms);
    send_next(client);
}

void model_client_call(struct model_client *client, struct model_call *call, int16_t key,
                       int16_t version, const void *request,
                       void (*done)(struct model_call *, enum err, const void *))
{
    begin_call(client, call, key, version, request, false, done);
}

void model_client_send(struct model_client *client, struct model_call *call, int16_t key,
                       int16_t version, const void *request,
                       void (*done)(struct model_call *, enum err, const void *))
{
    begin_call(client, call, key, version, request, true, done);
}

/* ---- receiving: the length, then as many bytes as it says */

static uint32_t frame_size(const struct model_client *client)
{
    const uint8_t *in = client->in;

    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static void make_no_sense(struct model_client *client, enum err err)
{
    struct history_event event = {.kind = HISTORY_WIRE, .offset = -1, .error = (int32_t)err};

    model_client_tell(client, &event);
    begin_close(client);
}

static void take_answer(struct model_client *client)
{
    struct wire_reader reader;
    struct model_call *call;
    int32_t correlation_id;
    void *response;
    enum err err;

    client->in_bytes = 0;
    if (list_is_empty(&client->calls)) {
        make_no_sense(client, ERR_INVALID);
        return;
    }
    call = list_first(&client->calls, struct model_call, node);
    wire_reader_init(&reader, client->in + 4, frame_size(client));
    arena_reset(&client->arena);
    err =
        header_decode_response(&reader, &client->arena, call->api, call->version, &correlation_id);
    if (err == OK && correlation_id != call->correlation_id)
        err = ERR_INVALID;
    response = arena_alloc(&client->arena, call->api->response->body->size_bytes);
    if (err == OK)
        err = codec_decode(call->api->response, call->version, &reader, &client->arena, response);
    if (err == OK && wire_reader_left(&reader) != 0)
        err = ERR_MALFORMED;
    if (err != OK) {
        make_no_sense(client, err);
        return;
    }
    finish_call(call, OK, response);
}

static void on_received(struct io_op *op, int32_t result)
{
    struct model_client *client = container_of(op, struct model_client, recv);

    if (client->state == MODEL_CLOSING) {
        close_if_done(client);
        return;
    }
    if (result <= 0) {
        begin_close(client);
        return;
    }
    client->in_bytes += (uint32_t)result;
    if (client->in_bytes >= 4 && frame_size(client) > ANSWER_BYTES_MAX)
        make_no_sense(client, ERR_TOO_LARGE);
    else if (client->in_bytes >= 4 && client->in_bytes == 4 + frame_size(client))
        take_answer(client);
    if (client->state != MODEL_UP)
        return;
    if (by_chance(client, client->options.hang_up_ppm))
        begin_close(client);
    else if (by_chance(client, client->options.stop_reading_ppm))
        sim_mark(MARK_READER_STOPPED); /* until the call's time is over, or for ever */
    else if (client->options.read_pause_max_ms > 0 && prng_chance(&client->wide_prng, 1, 2))
        loop_set_timer_ms(&client->loop, &client->read_pause,
                          1 + prng_below(&client->wide_prng, client->options.read_pause_max_ms));
    else
        receive(client);
}

static void on_read_pause(struct timer *timer)
{
    struct model_client *client = container_of(timer, struct model_client, read_pause);

    if (client->state == MODEL_UP)
        receive(client);
}

static void receive(struct model_client *client)
{
    uint32_t wanted = client->in_bytes < 4 ? 4 : 4 + frame_size(client);
    uint32_t most_bytes = wanted - client->in_bytes;

    if (client->options.read_pause_max_ms > 0 && most_bytes > SLOW_READ_BYTES_MAX)
        most_bytes = SLOW_READ_BYTES_MAX;

    if (wanted > client->in_capacity) {
        client->in_capacity = wanted;
        client->in = mem_realloc(client->in, wanted);
    }
    io_recv_into(client->loop.io, &client->recv, client->fd, client->in + client->in_bytes,
                 most_bytes, on_received);
}

/* ---- connecting */

static void on_connected(struct io_op *op, int32_t result)
{
    struct model_client *client = container_of(op, struct model_client, connect);

    if (client->state == MODEL_CLOSING) {
        close_if_done(client);
        return;
    }
    if (result < 0) {
        begin_close(client);
        return;
    }
    client->state = MODEL_UP;
    client->connections_count++;
    receive(client);
}

static void on_reconnect(struct timer *timer)
{
    struct model_client *client = container_of(timer, struct model_client, reconnect);
    struct io *io = client->loop.io;

    if (io->v->socket(io, client->options.broker.family, &client->fd) != OK) {
        loop_set_timer_ms(&client->loop, timer, client->options.reconnect_max_ms);
        return;
    }
    client->state = MODEL_CONNECTING;
    io_connect(io, &client->connect, client->fd, &client->options.broker, on_connected);
}

void model_client_init(struct model_client *client, struct sim_node *node, struct history *history,
                       const struct model_client_options *options)
{
    *client =
        (struct model_client){.options = *options, .node = node, .history = history, .fd = -1};
    memset(client->versions, 0xff, sizeof(client->versions));
    prng_fork(&node->prng, "client", &client->prng);
    loop_init(&client->loop, 0, sim_node_io(node, 0), sim_node_clock(node));
    sim_node_attach(node, 0, &client->loop);
    list_init(&client->calls);
    arena_init(&client->arena, ARENA_BYTES_MAX);
    timer_init(&client->reconnect, on_reconnect);
    timer_init(&client->read_pause, on_read_pause);
    prng_fork(&node->prng, "wide connection", &client->wide_prng);
    client->loop.now_ns = clock_mono_ns(client->loop.clock);
    loop_set_timer_ms(&client->loop, &client->reconnect, 1);
}

void model_client_deinit(struct model_client *client)
{
    while (!list_is_empty(&client->calls)) {
        struct model_call *call = list_first(&client->calls, struct model_call, node);
        list_remove(&call->node);
        loop_cancel_timer(&client->loop, &call->expiry);
        mem_free(call->frame);
    }
    loop_cancel_timer(&client->loop, &client->reconnect);
    loop_cancel_timer(&client->loop, &client->read_pause);
    mem_free(client->orphan);
    mem_free(client->in);
    arena_deinit(&client->arena);
    loop_deinit(&client->loop);
    *client = (struct model_client){.fd = -1};
}
