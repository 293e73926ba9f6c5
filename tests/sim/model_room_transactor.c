/* DOWN -> (a producer is made) BEGINS -> READY -> OPEN (a record a tick) -> ENDING -> READY ...;
 * what fails -> FAILED -> ENDING by an abort; what is fatal, or stops -> LEAVING -> DOWN. */
#include "tests/sim/model_room_transactor.h"

#include "base/check.h"
#include "net/protocol/kafka_errors.h"
#include "tests/sim/sim_marks.h"

#include <inttypes.h>
#include <stdio.h>

enum { AMOUNT_MAX = 1000 };

static uint64_t now_ns(const struct model_room_transactor *transactor)
{
    return model_room_now_ns(&transactor->room);
}

static bool is_alive(const struct model_room_transactor *transactor)
{
    return sim_node_is_running(transactor->room.node);
}

static void say(const struct model_room_transactor *transactor, const char *what)
{
    oracle_txn_say(transactor->txn, now_ns(transactor),
                   "process %" PRIu32 " %s as %" PRId64 "/%d, transaction %" PRId64,
                   transactor->room.options.id, what, transactor->producer_id,
                   transactor->producer_epoch, transactor->transaction);
}

/* Only who was fenced, or whose transaction has timed out, is told so. */
static bool is_fence(int16_t error)
{
    return error == KAFKA_INVALID_PRODUCER_EPOCH || error == KAFKA_PRODUCER_FENCED ||
           error == KAFKA_INVALID_TXN_STATE || error == KAFKA_INVALID_PRODUCER_ID_MAPPING;
}

static void refuse(struct model_room_transactor *transactor, const char *what, int16_t error)
{
    if (is_fence(error))
        oracle_txn_refused(transactor->txn, now_ns(transactor), transactor->session, what, error);
}

/* ---- ends of a process */

static void on_gone(void *context)
{
    struct model_room_transactor *transactor = context;

    transactor->is_gone = true;
    if (transactor->state == ROOM_TRANSACTOR_LEAVING)
        transactor->state = ROOM_TRANSACTOR_DOWN;
}

/* The producer goes, with what it has under way. */
static void leave(struct model_room_transactor *transactor)
{
    struct client_producer *producer = transactor->producer;

    if (transactor->is_telling_init)
        oracle_txn_init_failed(transactor->txn, transactor->options.id, false);
    else
        oracle_txn_left(transactor->txn, now_ns(transactor), transactor->session,
                        transactor->transaction);
    transactor->is_telling_init = false;
    transactor->transaction = ORACLE_TXN_NONE;
    transactor->state = ROOM_TRANSACTOR_LEAVING;
    transactor->wake_ns =
        now_ns(transactor) +
        model_room_draw_ms(&transactor->room, transactor->options.down_max_ms) * SIM_MS;
    transactor->producer = NULL;
    transactor->is_gone = false;
    client_producer_destroy(producer, on_gone, transactor);
}

static void on_fatal(void *context, int16_t error_code, enum err err)
{
    struct model_room_transactor *transactor = context;

    (void)err;
    transactor->fatal_error = error_code != KAFKA_NONE ? error_code : KAFKA_UNKNOWN_SERVER_ERROR;
}

/* ---- sessions */

/* What the producer has now is its own: of InitProducerId. */
static void tell_session(struct model_room_transactor *transactor)
{
    struct oracle_txn_session told = {.id = transactor->options.id,
                                      .process = transactor->room.options.id,
                                      .is_tv2 =
                                          client_transaction_version(transactor->producer) == 2,
                                      .producer_id = client_producer_id(transactor->producer),
                                      .producer_epoch = client_producer_epoch(transactor->producer),
                                      .timeout_ns = transactor->options.timeout_ms * SIM_MS};

    transactor->session = oracle_txn_init_told(transactor->txn, now_ns(transactor), &told);
    transactor->producer_id = told.producer_id;
    transactor->producer_epoch = told.producer_epoch;
}

static void on_begun(struct client_transaction_op *op, enum err err)
{
    struct model_room_transactor *transactor = container_of(op, struct model_room_transactor, op);

    if (!is_alive(transactor) || transactor->state != ROOM_TRANSACTOR_BEGINS)
        return;
    transactor->is_telling_init = false;
    if (err != OK || op->error_code != KAFKA_NONE) {
        transactor->is_telling_init = true; /* leave tells that it failed */
        leave(transactor);
        return;
    }
    tell_session(transactor);
    transactor->state = ROOM_TRANSACTOR_READY;
}

static void on_delivered(void *context, const struct client_delivery *delivery);

static void begin_process(struct model_room_transactor *transactor)
{
    static const struct client_producer_events events = {.delivered = on_delivered,
                                                         .fatal = on_fatal};
    struct client_producer_options options = client_producer_options_default();

    options.transactional_id = transactor->name;
    options.transaction_timeout_ms = transactor->options.timeout_ms;
    options.delivery_timeout_ms = transactor->options.delivery_timeout_ms;
    options.request_timeout_ms = transactor->room.options.request_timeout_ms;
    options.linger_us = 1000;
    check(client_producer_create(transactor->room.cluster, &options, &events, transactor,
                                 &transactor->producer) == OK);
    if (transactor->options.is_tv1)
        client_transaction_force_version_1(transactor->producer);
    transactor->fatal_error = KAFKA_NONE;
    transactor->state = ROOM_TRANSACTOR_BEGINS;
    transactor->is_telling_init = true;
    /* it may ask more than once, and an earlier try may take effect behind a later one */
    oracle_txn_init_asked(transactor->txn, transactor->options.id);
    oracle_txn_init_asked(transactor->txn, transactor->options.id);
    oracle_txn_init_failed(transactor->txn, transactor->options.id, false);
    transactor->op = (struct client_transaction_op){.done = on_begun};
    client_transaction_init(transactor->producer, &transactor->op);
}

/* ---- records */

static void on_delivered(void *context, const struct client_delivery *delivery)
{
    struct model_room_transactor *transactor = context;

    if (!is_alive(transactor))
        return;
    say(transactor,
        delivery->err == OK ? kafka_error_name(delivery->error_code) : err_name(delivery->err));
    for (uint32_t i = 0;
         delivery->err == OK && delivery->error_code == KAFKA_NONE && i < delivery->records_count;
         i++)
        oracle_txn_acknowledged(transactor->txn, now_ns(transactor), transactor->asked_ns,
                                (uint32_t)delivery->tokens[i], 1,
                                delivery->base_offset < 0 ? -1 : delivery->base_offset + i);
}

static void send_one(struct model_room_transactor *transactor)
{
    struct prng *prng = &transactor->room.prng;
    uint8_t value[ORACLE_TXN_VALUE_BYTES];
    struct client_record sent = {.topic = transactor->topic,
                                 .timestamp_ms = clock_wall_ms(transactor->room.loop.clock)};
    struct oracle_txn_record record = {
        .topic_partition = (uint32_t)prng_below(prng, transactor->topics->partitions_count),
        .producer_id = transactor->producer_id,
        .producer_epoch = transactor->producer_epoch,
        .sequence = -1, /* the producer's own */
        .amount = (int64_t)prng_below(prng, AMOUNT_MAX) - AMOUNT_MAX / 2};
    uint32_t number;

    if (transactor->transaction == ORACLE_TXN_NONE)
        transactor->transaction = oracle_txn_begin(transactor->txn, transactor->session);
    transactor->records_left--;
    if (transactor->records_left == 0)
        record.amount = -transactor->balance;
    transactor->balance += record.amount;
    record.transaction = (uint32_t)transactor->transaction;
    number = oracle_txn_send(transactor->txn, &record);
    oracle_txn_value_put(transactor->txn, number, value);
    oracle_txn_begun(transactor->txn, now_ns(transactor), transactor->session);
    sent.partition = (int32_t)record.topic_partition;
    sent.token = number;
    record_init(&sent.record, NULL, -1, value, sizeof(value));
    if (client_producer_send(transactor->producer, &sent) != OK)
        transactor->state = ROOM_TRANSACTOR_FAILED; /* it has failed meanwhile, or is full */
}

/* ---- the end of a transaction */

static void mark_end(const struct model_room_transactor *transactor)
{
    bool is_tv2 = client_transaction_version(transactor->producer) == 2;

    if (transactor->commits)
        sim_mark(is_tv2 ? MARK_ROOM_COMMITTED_2 : MARK_ROOM_COMMITTED_1);
    else
        sim_mark(is_tv2 ? MARK_ROOM_ABORTED_2 : MARK_ROOM_ABORTED_1);
}

/* The transaction is over, and the producer may have another epoch: of EndTxn by the second
 * protocol, of InitProducerId by the first (KIP-360). */
static void take_end(struct model_room_transactor *transactor)
{
    int64_t id = client_producer_id(transactor->producer);
    int16_t epoch = client_producer_epoch(transactor->producer);
    bool is_tv2 = client_transaction_version(transactor->producer) == 2;
    bool is_new = id != transactor->producer_id || epoch != transactor->producer_epoch;

    mark_end(transactor);
    oracle_txn_ended(transactor->txn, now_ns(transactor), transactor->asked_ns, transactor->session,
                     transactor->transaction, transactor->commits, is_tv2 && is_new ? id : -1,
                     epoch);
    transactor->transaction = ORACLE_TXN_NONE;
    if (is_new && !is_tv2) {
        sim_mark(MARK_ROOM_TXN_EPOCH);
        oracle_txn_init_asked(transactor->txn, transactor->options.id);
        tell_session(transactor);
    }
    transactor->producer_id = id;
    transactor->producer_epoch = epoch;
    transactor->state = ROOM_TRANSACTOR_READY;
}

static void on_ended(struct client_transaction_op *op, enum err err)
{
    struct model_room_transactor *transactor = container_of(op, struct model_room_transactor, op);

    if (!is_alive(transactor) || transactor->state != ROOM_TRANSACTOR_ENDING)
        return;
    say(transactor, err_name(err));
    if (err == OK && op->error_code == KAFKA_NONE) {
        take_end(transactor);
        return;
    }
    refuse(transactor, transactor->commits ? "commit" : "abort", op->error_code);
    if (client_transaction_state(transactor->producer) == CLIENT_TRANSACTION_FAILED) {
        sim_mark(MARK_ROOM_TXN_FAILED);
        transactor->state = ROOM_TRANSACTOR_FAILED;
        return;
    }
    sim_mark(MARK_ROOM_TXN_FATAL);
    leave(transactor);
}

static void end(struct model_room_transactor *transactor, bool commits)
{
    transactor->commits = commits;
    transactor->state = ROOM_TRANSACTOR_ENDING;
    say(transactor, commits ? "asks to commit" : "asks to abort");
    transactor->op = (struct client_transaction_op){.done = on_ended};
    if (commits && transactor->transaction != ORACLE_TXN_NONE)
        oracle_txn_commit_asked(transactor->txn, now_ns(transactor),
                                (uint32_t)transactor->transaction);
    if (commits)
        client_transaction_commit(transactor->producer, &transactor->op);
    else
        client_transaction_abort(transactor->producer, &transactor->op);
}

static void begin(struct model_room_transactor *transactor)
{
    if (transactor->finishing ||
        transactor->transactions_count >= transactor->options.transactions_max)
        return;
    if (client_transaction_begin(transactor->producer) != OK) {
        leave(transactor);
        return;
    }
    transactor->transactions_count++;
    transactor->balance = 0;
    transactor->asked_ns = now_ns(transactor);
    transactor->records_left =
        1 + (uint32_t)prng_below(&transactor->room.prng, transactor->options.records_max);
    transactor->state = ROOM_TRANSACTOR_OPEN;
}

static void go_on(struct model_room_transactor *transactor)
{
    uint32_t dice = (uint32_t)prng_below(&transactor->room.prng, 100);

    if (client_transaction_state(transactor->producer) == CLIENT_TRANSACTION_FAILED) {
        transactor->state = ROOM_TRANSACTOR_FAILED;
    } else if (transactor->records_left > 0) {
        send_one(transactor);
    } else if (dice < transactor->options.stop_odds) {
        sim_mark(MARK_ROOM_TXN_LEFT);
        leave(transactor);
    } else {
        end(transactor, dice < 100 - transactor->options.abort_odds);
    }
}

/* ---- life */

static void act(struct model_room_transactor *transactor)
{
    bool has_more = !transactor->finishing &&
                    transactor->transactions_count < transactor->options.transactions_max;

    if (transactor->producer != NULL &&
        client_transaction_state(transactor->producer) == CLIENT_TRANSACTION_FATAL &&
        transactor->state != ROOM_TRANSACTOR_ENDING &&
        transactor->state != ROOM_TRANSACTOR_BEGINS) {
        sim_mark(MARK_ROOM_TXN_FATAL);
        refuse(transactor, "the producer", transactor->fatal_error);
        leave(transactor);
        return;
    }
    switch (transactor->state) {
    case ROOM_TRANSACTOR_DOWN:
        if (has_more && now_ns(transactor) >= transactor->wake_ns)
            begin_process(transactor);
        break;
    case ROOM_TRANSACTOR_READY:
        begin(transactor);
        break;
    case ROOM_TRANSACTOR_OPEN:
        go_on(transactor);
        break;
    case ROOM_TRANSACTOR_FAILED:
        end(transactor, false);
        break;
    case ROOM_TRANSACTOR_BEGINS:
    case ROOM_TRANSACTOR_ENDING:
    case ROOM_TRANSACTOR_LEAVING:
        break;
    }
}

static void on_tick(struct timer *timer)
{
    struct model_room_transactor *transactor =
        container_of(timer, struct model_room_transactor, tick);

    if (!uuid_is_zero(&transactor->topics->at[0].id)) {
        if (transactor->topic == NULL)
            transactor->topic =
                client_cluster_topic(transactor->room.cluster, transactor->topics->at[0].name);
        act(transactor);
    }
    loop_set_timer_ms(&transactor->room.loop, timer,
                      model_room_draw_ms(&transactor->room, transactor->options.pause_max_ms));
}

void model_room_transactor_init(struct model_room_transactor *transactor, struct sim_node *node,
                                struct history *history, const struct model_room_options *room,
                                const struct model_room_transactor_options *options,
                                const struct model_topics *topics, struct oracle_txn *txn)
{
    *transactor = (struct model_room_transactor){.options = *options,
                                                 .topics = topics,
                                                 .txn = txn,
                                                 .transaction = ORACLE_TXN_NONE,
                                                 .is_gone = true};
    snprintf(transactor->name, sizeof(transactor->name), "transfers-%" PRIu32, options->id);
    model_room_init(&transactor->room, node, history, room);
    timer_init(&transactor->tick, on_tick);
    loop_set_timer_ms(&transactor->room.loop, &transactor->tick, 1);
}

void model_room_transactor_deinit(struct model_room_transactor *transactor)
{
    loop_cancel_timer(&transactor->room.loop, &transactor->tick);
    if (transactor->producer != NULL) {
        transactor->is_gone = false;
        client_producer_destroy(transactor->producer, on_gone, transactor);
    }
    model_room_deinit(&transactor->room, &transactor->is_gone);
}

void model_room_transactor_finish(struct model_room_transactor *transactor)
{
    transactor->finishing = true;
}

bool model_room_transactor_is_done(const struct model_room_transactor *transactor)
{
    return transactor->finishing && (transactor->state == ROOM_TRANSACTOR_DOWN ||
                                     transactor->state == ROOM_TRANSACTOR_READY);
}
