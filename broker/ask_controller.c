#include "broker/ask_controller.h"

static void on_back(struct shard_call *hop)
{
    struct controller_ask *ask = container_of(hop, struct controller_ask, hop);

    ask->answered(ask->request, ask->call.err);
}

static void on_decided(struct controller_call *call)
{
    struct controller_ask *ask = container_of(call, struct controller_ask, call);

    loop_cancel_timer(&ask->hop.target->loop, &ask->deadline);
    shard_call_finish(&ask->hop);
}

static void on_deadline(struct timer *timer)
{
    struct controller_ask *ask = container_of(timer, struct controller_ask, deadline);

    controller_abandon(ask->hop.target->controller, &ask->call);
}

static void start(struct shard_call *hop)
{
    struct controller_ask *ask = container_of(hop, struct controller_ask, hop);

    timer_init(&ask->deadline, on_deadline);
    if (ask->timeout_ms > 0) /* before it starts: it may be over then */
        loop_set_timer_ms(&hop->target->loop, &ask->deadline, (uint64_t)ask->timeout_ms);
    ask->start(hop->target->controller, &ask->call);
}

void ask_controller(struct request *request, int32_t timeout_ms,
                    void (*begin)(struct controller *controller, struct controller_call *call),
                    void (*answered)(struct request *request, enum err err))
{
    struct controller_ask *ask = request_try_alloc(request, 1, sizeof(*ask));

    if (ask == NULL) {
        request_refuse_memory(request);
        return;
    }
    ask->request = request;
    ask->timeout_ms = timeout_ms;
    ask->start = begin;
    ask->answered = answered;
    ask->call = (struct controller_call){.arena = &request->arena,
                                         .version = request->api_version,
                                         .done = on_decided,
                                         .request = request->body,
                                         .response = request->response};
    shard_call_start(&ask->hop, request->home, shard_of_controller(request->home->shards), start,
                     on_back);
}

int16_t ask_controller_error(enum err err)
{
    switch (err) {
    case OK:
        return KAFKA_NONE;
    case ERR_FULL:
    case ERR_TIMEOUT:
        return KAFKA_REQUEST_TIMED_OUT;
    case ERR_STORAGE:
    case ERR_QUARANTINED:
    case ERR_NOSPACE:
    case ERR_CLOSED:
        return KAFKA_NOT_CONTROLLER;
    default:
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
}
