/* The requests on a connection: what waits for it, what is in flight, what has ended.
 *
 * A call walks: waiting -> a flight (encoded, handed to the dial) -> answered, and its bytes let go
 * -> done.  What ends in any other way than by its answer stands in ended until the task of the
 * broker runs, because done never runs inside a call of the caller's. */
#include "net/client/client_broker_private.h"
#include "net/protocol/kafka_errors.h"

#include <string.h>

enum call_state { CALL_IDLE, CALL_WAITS, CALL_IS_SENT, CALL_HAS_ENDED };

enum { ANSWER_GROWTH = 4, CORRELATION_BYTES = 4, ERROR_CODE_BYTES = 2 };

static struct loop *loop_of(const struct client_broker *broker)
{
    return broker->options.env->loop;
}

static struct client_call *call_of(struct list *node)
{
    return container_of(node, struct client_call, node);
}

static struct client_flight *flight_of(struct list *node)
{
    return container_of(node, struct client_flight, node);
}

/* ---- ends */

/* call is on no list; done runs soon. */
static void end_call(struct client_broker *broker, struct client_call *call, enum err err)
{
    call->state = CALL_HAS_ENDED;
    call->err = err;
    call->flight = NULL;
    list_push_back(&broker->ended, &call->node);
    loop_defer(loop_of(broker), &broker->task);
}

static int16_t error_code_of(const struct client_call *call)
{
    const uint8_t *bytes = call->frame->bytes + CORRELATION_BYTES;

    return call->frame_bytes < CORRELATION_BYTES + ERROR_CODE_BYTES
               ? KAFKA_NONE
               : (int16_t)(uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* An ApiVersions request of a version that the broker does not know is answered in version 0
 * (KIP-511). */
static int16_t answer_version(const struct client_call *call)
{
    return call->key == API_API_VERSIONS && error_code_of(call) == KAFKA_UNSUPPORTED_VERSION
               ? 0
               : call->version;
}

static enum err decode(struct client_broker *broker, struct client_call *call,
                       const void **response)
{
    struct arena *arena = call->answer_arena != NULL ? call->answer_arena : &broker->arena;
    int16_t version = answer_version(call);
    struct wire_reader reader;
    int32_t correlation_id;
    enum err err;
    void *out;

    wire_reader_init(&reader, call->frame->bytes, call->frame_bytes);
    err = header_decode_response(&reader, arena, call->api, version, &correlation_id);
    if (err != OK)
        return err;
    out = arena_alloc(arena, call->api->response->body->size_bytes);
    if (out == NULL)
        return ERR_NOMEM;
    err = codec_decode(call->api->response, version, &reader, arena, out);
    *response = out;
    return err;
}

/* The last that is done with a call: it is its owner's then. */
static void finish(struct client_broker *broker, struct client_call *call)
{
    struct buf *frame = call->frame;
    const void *response = NULL;
    enum err err = call->err;

    if (err == OK && frame != NULL) {
        err = decode(broker, call, &response);
        if (err != OK) {
            response = NULL;
            if (err != ERR_NOMEM) {
                err = ERR_MALFORMED;
                broker->is_blame_told = true;
                client_broker_fail(broker, err);
            }
        }
    }
    call->state = CALL_IDLE;
    broker->calls_count--;
    call->done(call, err, response);
    buf_unref(frame);
    arena_reset(&broker->arena);
}

static void run_task(struct task *task)
{
    struct client_broker *broker = container_of(task, struct client_broker, task);
    struct list batch;
    struct list *node;

    list_init(&batch);
    list_splice_back(&batch, &broker->ended);
    while ((node = list_pop_front(&batch)) != NULL)
        finish(broker, call_of(node));
    client_broker_may_end(broker);
}

/* The flight is over: answered (or not to be), and its message let go. */
static void end_flight(struct client_broker *broker, struct client_flight *flight, enum err err,
                       bool may_tell_now)
{
    struct client_call *call = flight->call;
    struct buf *frame = flight->frame;

    list_remove(&flight->node);
    if (call == NULL) {
        buf_unref(frame);
        broker->orphans_count--;
    } else {
        call->flight = NULL;
        call->frame = frame;
        call->frame_bytes = flight->frame_bytes;
        call->err = err;
    }
    flight->frame = NULL;
    client_flight_give(&broker->pool, flight);
    if (call == NULL)
        return;
    if (may_tell_now && list_is_empty(&broker->ended))
        finish(broker, call);
    else
        end_call(broker, call, err);
}

/* ---- deadlines */

/* The timer stands at the first deadline or before it, so that most calls need none of their own.
 */
static void watch(struct client_broker *broker, uint64_t deadline_ns)
{
    if (!timer_is_set(&broker->expiry) || deadline_ns < broker->expiry.deadline_ns)
        timer_set(&loop_of(broker)->timers, &broker->expiry, deadline_ns);
}

static void on_expiry(struct timer *timer)
{
    struct client_broker *broker = container_of(timer, struct client_broker, expiry);
    uint64_t now_ns = loop_now_ns(loop_of(broker));
    bool is_late = false;

    list_for_each_safe(node, &broker->waiting)
    {
        struct client_call *call = call_of(node);

        if (call->deadline_ns <= now_ns) {
            list_remove(node);
            end_call(broker, call, ERR_TIMEOUT);
        } else {
            watch(broker, call->deadline_ns);
        }
    }
    list_for_each(node, &broker->flights)
    {
        struct client_flight *flight = flight_of(node);

        if (flight->deadline_ns <= now_ns)
            is_late = true;
        else
            watch(broker, flight->deadline_ns);
    }
    if (is_late)
        client_broker_fail(broker, ERR_TIMEOUT);
}

/* ---- sending */

static void on_release(struct conn_request *message)
{
    struct client_flight *flight = container_of(message, struct client_flight, message);
    struct client_broker *broker = flight->broker;

    flight->is_released = true;
    if (flight->is_canceled) {
        end_call(broker, flight->call, ERR_CANCELED);
        flight->call = NULL;
        flight->is_canceled = false;
        broker->orphans_count++;
    }
    if (flight->is_answered)
        end_flight(broker, flight, OK, false);
    else if (flight->has_no_answer && dial_is_up(&broker->dial))
        end_flight(broker, flight, OK, false); /* its last byte was sent */
}

static enum err send_call(struct client_broker *broker, struct client_call *call)
{
    struct client_flight *flight = client_flight_take(&broker->pool);
    const struct wire_segment *segments;
    uint32_t segment_count;
    enum err err;

    if (flight == NULL)
        return ERR_NOMEM;
    flight->correlation_id = broker->correlation_id == INT32_MAX ? 0 : broker->correlation_id + 1;
    if (call->prepare != NULL)
        call->prepare(call);
    err = client_flight_encode(flight, call, broker->options.env->client_id, &segments,
                               &segment_count);
    if (err != OK) {
        client_flight_give(&broker->pool, flight);
        return err;
    }
    broker->correlation_id = flight->correlation_id;
    flight->broker = broker;
    flight->call = call;
    flight->deadline_ns = call->deadline_ns;
    flight->has_no_answer = call->has_no_answer;
    flight->message.release = on_release;
    call->flight = flight;
    call->state = CALL_IS_SENT;
    call->was_sent = true;
    call->sent_ns = clock_mono_ns(loop_of(broker)->clock);
    list_push_back(&broker->flights, &flight->node);
    dial_send(&broker->dial, &flight->message, segments, segment_count);
    return OK;
}

/* call is on no list, and the connection is ready for it. */
static void send_or_end(struct client_broker *broker, struct client_call *call)
{
    enum err err = ERR_UNSUPPORTED;

    call->version = client_versions_pick(&broker->versions, call->api, call->max_version);
    if (call->version >= 0)
        err = send_call(broker, call);
    if (err != OK)
        end_call(broker, call, err);
}

static bool can_send(const struct client_broker *broker)
{
    return broker->is_ready && broker->state == CLIENT_BROKER_DIALS && dial_is_up(&broker->dial);
}

void client_broker_send_waiting(struct client_broker *broker)
{
    struct list *node;

    while (can_send(broker) && (node = list_pop_front(&broker->waiting)) != NULL)
        send_or_end(broker, call_of(node));
}

static void begin_call(struct client_broker *broker, struct client_call *call, uint32_t timeout_ms)
{
    call->broker = broker;
    call->api = api_find(call->key);
    check(call->api != NULL);
    call->deadline_ns = clock_deadline_ns(loop_now_ns(loop_of(broker)), timeout_ms);
    call->version = -1;
    call->was_sent = false;
    call->sent_ns = 0;
    call->frame = NULL;
    call->flight = NULL;
    broker->calls_count++;
    watch(broker, call->deadline_ns);
}

enum err client_broker_call(struct client_broker *broker, struct client_call *call)
{
    if (broker->is_ending)
        return ERR_CLOSED;
    if (broker->calls_count + broker->orphans_count >= broker->options.calls_max)
        return ERR_FULL;
    begin_call(broker, call,
               call->timeout_ms != 0 ? call->timeout_ms : broker->options.request_timeout_ms);
    if (can_send(broker) && list_is_empty(&broker->waiting)) {
        send_or_end(broker, call);
        return OK;
    }
    call->state = CALL_WAITS;
    list_push_back(&broker->waiting, &call->node);
    client_broker_wake(broker);
    return OK;
}

void client_broker_cancel(struct client_call *call)
{
    struct client_broker *broker = call->broker;
    struct client_flight *flight = call->flight;

    switch (call->state) {
    case CALL_WAITS:
        list_remove(&call->node);
        end_call(broker, call, ERR_CANCELED);
        break;
    case CALL_IS_SENT:
        if (!flight->is_released) {
            flight->is_canceled = true;
            break;
        }
        flight->call = NULL;
        broker->orphans_count++;
        end_call(broker, call, ERR_CANCELED);
        break;
    case CALL_HAS_ENDED:
        call->err = ERR_CANCELED;
        break;
    default:
        break; /* done has run */
    }
}

/* ---- receiving */

/* Whose answer is the next to come; NULL: nobody's. */
static struct client_flight *next_awaited(struct client_broker *broker)
{
    list_for_each(node, &broker->flights)
    {
        struct client_flight *flight = flight_of(node);

        if (!flight->is_answered && !flight->has_no_answer)
            return flight;
    }
    return NULL;
}

static int32_t correlation_of(const struct buf *frame)
{
    const uint8_t *bytes = frame->bytes;

    return (int32_t)((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
                     bytes[3]);
}

void client_broker_take_frame(struct client_broker *broker, struct buf *frame, uint32_t size_bytes)
{
    struct client_flight *flight = next_awaited(broker);

    if (flight == NULL || size_bytes < CORRELATION_BYTES ||
        correlation_of(frame) != flight->correlation_id) {
        buf_unref(frame);
        client_broker_fail(broker, ERR_MALFORMED);
        return;
    }
    flight->is_answered = true;
    flight->frame = frame;
    flight->frame_bytes = size_bytes;
    if (flight->is_released)
        end_flight(broker, flight, OK, true);
}

/* ---- the connection ends */

static bool is_blamed(enum err err)
{
    return err == ERR_MALFORMED || err == ERR_TOO_LARGE || err == ERR_NOMEM;
}

void client_broker_end_flights(struct client_broker *broker, enum err err)
{
    uint64_t now_ns = loop_now_ns(loop_of(broker));
    bool is_first = !broker->is_blame_told;

    while (!list_is_empty(&broker->flights)) {
        struct client_flight *flight = flight_of(broker->flights.next);
        enum err call_err = ERR_CLOSED;

        check(flight->is_released); /* DIAL-2 */
        if (broker->is_ending)
            call_err = broker->end_err;
        else if (err == ERR_TIMEOUT && flight->deadline_ns <= now_ns)
            call_err = ERR_TIMEOUT;
        else if (is_first && is_blamed(err) && flight->call != &broker->greeting)
            call_err = err;
        is_first = false;
        end_flight(broker, flight, call_err, false);
    }
}

void client_broker_end_waiting(struct client_broker *broker, enum err err, bool only_impatient)
{
    list_for_each_safe(node, &broker->waiting)
    {
        struct client_call *call = call_of(node);

        if (only_impatient && !call->fails_with_connection)
            continue;
        list_remove(node);
        end_call(broker, call, err);
    }
}

/* ---- greeting */

static void on_greeted(struct client_call *call, enum err err, const void *response)
{
    struct client_broker *broker = container_of(call, struct client_broker, greeting);
    const struct api_versions_response *answer = response;

    if (err != OK) {
        client_broker_fail(broker, err);
        return;
    }
    client_versions_take(&broker->versions, answer);
    if (answer->error_code == KAFKA_UNSUPPORTED_VERSION && call->version > 0) {
        int16_t version =
            client_versions_pick(&broker->versions, call->api, (int16_t)(call->version - 1));

        client_broker_greet(broker, version < 0 ? 0 : version);
        return;
    }
    if (answer->error_code != KAFKA_NONE) {
        client_broker_fail(broker, ERR_UNSUPPORTED);
        return;
    }
    dial_confirm(&broker->dial);
    broker->is_ready = true;
    broker->last_err = OK;
    if (broker->options.up != NULL)
        broker->options.up(broker->options.context, broker);
    client_broker_send_waiting(broker);
}

void client_broker_greet(struct client_broker *broker, int16_t version)
{
    const struct client_broker_options *options = &broker->options;
    struct client_call *call = &broker->greeting;
    enum err err;

    if (!dial_is_up(&broker->dial) || broker->is_ending)
        return;
    broker->is_blame_told = false;
    codec_set_defaults(&api_versions_request_desc, &broker->greeting_request);
    if (version >= 3) { /* KIP-511 */
        broker->greeting_request.client_software_name = wire_string("levee");
        broker->greeting_request.client_software_version = wire_string(LEVEE_VERSION);
    }
    *call = (struct client_call){
        .key = API_API_VERSIONS, .request = &broker->greeting_request, .done = on_greeted};
    begin_call(broker, call,
               options->request_timeout_ms < options->connect_max_ms ? options->request_timeout_ms
                                                                     : options->connect_max_ms);
    call->version = version;
    err = send_call(broker, call);
    if (err != OK) {
        broker->calls_count--;
        client_broker_fail(broker, err);
    }
}

/* ---- life */

void client_broker_calls_init(struct client_broker *broker)
{
    list_init(&broker->waiting);
    list_init(&broker->flights);
    list_init(&broker->ended);
    client_flight_pool_init(&broker->pool);
    arena_init(&broker->arena, (size_t)broker->options.frame_max_bytes * ANSWER_GROWTH + (1 << 20));
    timer_init(&broker->expiry, on_expiry);
    broker->task.run = run_task;
}

void client_broker_calls_deinit(struct client_broker *broker)
{
    loop_cancel_timer(loop_of(broker), &broker->expiry);
    loop_undefer(&broker->task);
    client_flight_pool_deinit(&broker->pool);
    arena_deinit(&broker->arena);
}
