/* start → go → (an id is drawn, or other shards are flushed → go) → on_done → tell. */
#include "broker/coordinator/transaction_call.h"

#include "base/mem.h"
#include "broker/coordinator/transaction_coordinator_private.h"
#include "broker/coordinator/transaction_flush.h"
#include "broker/producer_id_draw.h"
#include "broker/request.h"

#include <string.h>

struct transaction_call {
    struct list node; /* of the coordinator's */
    struct transaction_coordinator *coordinator;
    struct transaction_step step;
    struct transaction_event event;
    const struct transaction_partitions *adds; /* inside start; never read again: an ADD draws no
                                                * id */
    struct producer_id_draw draw;
    transaction_call_fn *done;
    void *context;
    bool is_starting;
    bool is_flushed;
    bool is_over;
    bool is_forgotten;
    size_t id_bytes;
    char id[];
};

static void tell(struct transaction_call *call, const struct transaction_decision *decision,
                 int16_t error)
{
    if (!call->is_forgotten && !call->coordinator->closing) /* else nobody is there (TCL-1) */
        call->done(call->context, decision, error);
    list_remove(&call->node);
    call->is_over = true;
    if (!call->is_starting)
        mem_free(call);
}

static void refuse(struct transaction_call *call, int16_t error)
{
    static const struct transaction_decision none = {.producer_id = TRANSACTION_NO_PRODUCER,
                                                     .epoch = TRANSACTION_NO_EPOCH};

    tell(call, &none, error);
}

static void go(struct transaction_call *call);

static void on_id(struct producer_id_draw *draw, enum err err, int64_t producer_id)
{
    struct transaction_call *call = container_of(draw, struct transaction_call, draw);

    if (err != OK) {
        refuse(call, KAFKA_COORDINATOR_LOAD_IN_PROGRESS); /* Kafka's, without a block */
        return;
    }
    call->event.new_producer_id = producer_id;
    go(call);
}

static void draw(struct transaction_call *call)
{
    call->draw.done = on_id;
    producer_id_draw_start(&call->draw, call->coordinator->shard);
}

static void on_done(struct transaction_step *step, enum err err)
{
    struct transaction_call *call = container_of(step, struct transaction_call, step);

    if (err != OK)
        refuse(call, transaction_coordinator_error(err));
    else if (step->decision.needs_producer_id)
        draw(call);
    else
        tell(call, &step->decision, step->decision.error);
}

static void on_flushed(void *context, enum err err)
{
    struct transaction_call *call = context;

    call->is_flushed = true;
    if (err == OK)
        go(call);
    else
        refuse(call, transaction_coordinator_error(err));
}

/* What is committed is durable on other shards before that it is committed. */
static bool is_to_be_flushed(const struct transaction_call *call,
                             const struct transaction_entry *entry)
{
    const struct transaction_fields *fields = &entry->transaction.fields;

    return call->event.kind == TRANSACTION_END && call->event.commit && !call->is_flushed &&
           fields->state == TRANSACTION_ONGOING && fields->epoch == call->event.epoch &&
           fields->producer_id == call->event.producer_id;
}

/* While an id was drawn, or others wrote, all may have changed. */
static void go(struct transaction_call *call)
{
    struct transaction_coordinator *coordinator = call->coordinator;
    struct transaction_entry *entry =
        transaction_coordinator_find(coordinator, call->id, call->id_bytes);
    enum err err = OK;
    int32_t index;
    int16_t error = transaction_coordinator_check(coordinator, call->id, call->id_bytes, &index);

    if (error == KAFKA_NONE && entry == NULL) {
        if (call->event.kind != TRANSACTION_INIT) {
            error = KAFKA_INVALID_PRODUCER_ID_MAPPING;
        } else if (call->event.new_producer_id == TRANSACTION_NO_PRODUCER) {
            draw(call); /* TCL-2 */
            return;
        } else {
            err = transaction_coordinator_add(coordinator, call->id, call->id_bytes,
                                              call->event.new_producer_id, call->event.timeout_ms,
                                              &entry);
            error = transaction_coordinator_error(err);
        }
    }
    if (error != KAFKA_NONE) {
        refuse(call, error);
        return;
    }
    if (is_to_be_flushed(call, entry)) {
        struct transaction_flush *flush;
        err = transaction_flush_start(coordinator, &entry->partitions, on_flushed, call, &flush);
        if (err != OK)
            refuse(call, transaction_coordinator_error(err));
        if (err != OK || flush != NULL)
            return;
    }
    call->step = (struct transaction_step){
        .entry = entry, .event = call->event, .adds = call->adds, .done = on_done};
    transaction_step_start(&call->step);
}

struct transaction_call *transaction_call_start(struct transaction_coordinator *coordinator,
                                                struct wire_string id,
                                                const struct transaction_event *event,
                                                const struct transaction_partitions *adds,
                                                transaction_call_fn *done, void *context)
{
    static const struct transaction_decision none = {.producer_id = TRANSACTION_NO_PRODUCER,
                                                     .epoch = TRANSACTION_NO_EPOCH};
    size_t id_bytes = (size_t)id.size_bytes;
    struct transaction_call *call = mem_try_alloc(sizeof(*call) + id_bytes + 1);

    if (call == NULL) {
        done(context, &none, transaction_coordinator_error(ERR_NOMEM));
        return NULL;
    }
    call->coordinator = coordinator;
    call->event = *event;
    call->event.now_ms = clock_wall_ms(coordinator->shard->clock);
    call->event.new_producer_id = TRANSACTION_NO_PRODUCER;
    call->adds = adds;
    call->done = done;
    call->context = context;
    call->id_bytes = id_bytes;
    memcpy(call->id, id.text, id_bytes);
    list_push_back(&coordinator->calls, &call->node);
    call->is_starting = true;
    go(call);
    call->is_starting = false;
    call->adds = NULL;
    if (!call->is_over)
        return call;
    mem_free(call);
    return NULL;
}

void transaction_call_forget(struct transaction_call *call)
{
    if (call != NULL)
        call->is_forgotten = true;
}

void transaction_call_end_all(struct list *calls)
{
    struct list *node;

    while ((node = list_pop_front(calls)) != NULL) /* they wait for an id */
        mem_free(container_of(node, struct transaction_call, node));
}

/* ---- of a request */

/* What it asked for goes on. */
static void on_cancel(struct request *request, enum request_cancel why)
{
    if (why < REQUEST_PEER_GONE)
        return;
    transaction_call_forget(request->cancel_context);
    request_answer_error(request, KAFKA_COORDINATOR_NOT_AVAILABLE, NULL);
}

void transaction_call_start_for(struct request *request, struct wire_string id,
                                const struct transaction_event *event,
                                const struct transaction_partitions *adds,
                                transaction_call_fn *done)
{
    struct transaction_call *call =
        transaction_call_start(request->at->transactions, id, event, adds, done, request);

    if (call != NULL)
        request_on_cancel(request, on_cancel, call);
}
