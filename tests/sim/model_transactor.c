#include "tests/sim/model_transactor.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/codec.h"
#include "net/protocol/msg_end_txn.h"
#include "net/protocol/msg_find_coordinator.h"
#include "net/protocol/msg_init_producer_id.h"
#include "tests/sim/model_transactor_private.h"
#include "tests/sim/sim_marks.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    KEY_TYPE_TRANSACTION = 1,
    GIVES_UP_ODDS = 8,
    VERSION_OF_MANY = 4,    /* of FindCoordinator */
    VERSION_WITH_EPOCH = 3, /* of InitProducerId */
};

/* What an error means to a producer. */
enum verdict { VERDICT_TAKEN, VERDICT_AGAIN, VERDICT_FIND, VERDICT_ABORT, VERDICT_FATAL };

uint64_t model_transactor_now_ns(const struct model_transactor *transactor)
{
    return sim_world_now_ns(transactor->client.node->world);
}

static enum verdict judge(struct model_transactor *transactor, int16_t error, bool is_produce)
{
    if (error != KAFKA_NONE)
        oracle_txn_say(transactor->txn, model_transactor_now_ns(transactor),
                       "process %" PRIu32 ": %s gets %d", transactor->client.options.id,
                       transactor->call.api->name, error);
    switch (error) {
    case KAFKA_NONE:
        return VERDICT_TAKEN;
    case KAFKA_CONCURRENT_TRANSACTIONS:
        sim_mark(MARK_TXN_CONCURRENT);
        return VERDICT_AGAIN;
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_UNKNOWN_TOPIC_ID:
    case KAFKA_LEADER_NOT_AVAILABLE:
    case KAFKA_NOT_LEADER_OR_FOLLOWER:
    case KAFKA_REQUEST_TIMED_OUT:
    case KAFKA_NETWORK_EXCEPTION:
    case KAFKA_NOT_ENOUGH_REPLICAS:
    case KAFKA_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case KAFKA_KAFKA_STORAGE_ERROR:
    case KAFKA_THROTTLING_QUOTA_EXCEEDED:
        return VERDICT_AGAIN;
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_NOT_COORDINATOR:
        return VERDICT_FIND;
    case KAFKA_TRANSACTION_ABORTABLE:
        return VERDICT_ABORT;
    case KAFKA_INVALID_PRODUCER_EPOCH:
    case KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER:
    case KAFKA_UNKNOWN_PRODUCER_ID:
    case KAFKA_INVALID_TXN_STATE:
        return is_produce ? VERDICT_ABORT : VERDICT_FATAL;
    default:
        return VERDICT_FATAL;
    }
}

/* ---- ends of a process, and of a transaction */

void model_transactor_drop_batches(struct model_transactor *transactor)
{
    for (uint32_t p = 0; p < ORACLE_TXN_PARTITIONS_MAX; p++) {
        mem_free(transactor->partitions[p].batch.bytes);
        transactor->partitions[p].batch = (struct transactor_batch){0};
    }
}

static void begin_anew(struct model_transactor *transactor)
{
    oracle_txn_left(transactor->txn, model_transactor_now_ns(transactor), transactor->session,
                    transactor->transaction);
    transactor->transaction = ORACLE_TXN_NONE;
    model_transactor_drop_batches(transactor);
    transactor->producer_id = -1;
    transactor->producer_epoch = -1;
    transactor->needs_bump = false;
    transactor->state = TRANSACTOR_DOWN;
    transactor->wake_ns =
        model_transactor_now_ns(transactor) +
        model_client_draw_ms(&transactor->client, transactor->options.down_max_ms) * SIM_MS;
}

static void refuse(struct model_transactor *transactor, int16_t error)
{
    oracle_txn_refused(transactor->txn, model_transactor_now_ns(transactor), transactor->session,
                       transactor->call.api->name, error);
}

/* Of anything but the batches themselves: does the request stand as it was asked? */
bool model_transactor_take_error(struct model_transactor *transactor, int16_t error,
                                 bool is_produce)
{
    switch (judge(transactor, error, is_produce)) {
    case VERDICT_TAKEN:
        return true;
    case VERDICT_AGAIN:
        return false;
    case VERDICT_FIND:
        return false;
    case VERDICT_ABORT:
        refuse(transactor, error);
        transactor->outcome = TRANSACTOR_ABORTS;
        transactor->needs_bump = !transactor->options.is_tv2;
        model_transactor_drop_batches(transactor);
        transactor->state = TRANSACTOR_ENDING;
        return false;
    case VERDICT_FATAL:
        refuse(transactor, error);
        begin_anew(transactor);
        return false;
    }
    return false;
}

void model_transactor_call(struct model_transactor *transactor, int16_t key, int16_t min,
                           int16_t max, const void *request,
                           void (*done)(struct model_call *, enum err, const void *))
{
    transactor->busy = true;
    transactor->asked_ns = model_transactor_now_ns(transactor);
    oracle_txn_say(transactor->txn, transactor->asked_ns,
                   "process %" PRIu32 " asks %s %d as %" PRId64 "/%d",
                   transactor->client.options.id, api_find(key)->name,
                   model_client_version(&transactor->client, key, min, max),
                   transactor->producer_id, transactor->producer_epoch);
    model_client_call(&transactor->client, &transactor->call, key,
                      model_client_version(&transactor->client, key, min, max), request, done);
}

struct model_transactor *model_transactor_answered(struct model_call *call)
{
    struct model_transactor *transactor = container_of(call, struct model_transactor, call);

    transactor->busy = false;
    return transactor;
}

/* ---- the coordinator, and the producer id */

static void on_found(struct model_call *call, enum err err, const void *answer)
{
    struct model_transactor *transactor = model_transactor_answered(call);
    const struct find_coordinator_response *response = answer;
    int16_t error;

    if (err != OK)
        return;
    error = response->error_code;
    if (call->version >= VERSION_OF_MANY)
        error = response->coordinators.count == 1 ? response->coordinators.items[0].error_code
                                                  : KAFKA_UNKNOWN_SERVER_ERROR;
    if (error == KAFKA_NONE)
        transactor->state = TRANSACTOR_ASKING_ID;
}

static void find(struct model_transactor *transactor)
{
    struct wire_string key = wire_string(transactor->name);
    struct find_coordinator_request request;

    codec_set_defaults(&find_coordinator_request_desc, &request);
    request.key_type = KEY_TYPE_TRANSACTION;
    if (model_client_version(&transactor->client, API_FIND_COORDINATOR, 1, 6) < VERSION_OF_MANY) {
        request.key = key;
    } else {
        request.coordinator_keys.items = &key;
        request.coordinator_keys.count = 1;
    }
    model_transactor_call(transactor, API_FIND_COORDINATOR, 1, 6, &request, on_found);
}

static void on_id(struct model_call *call, enum err err, const void *answer)
{
    struct model_transactor *transactor = model_transactor_answered(call);
    const struct init_producer_id_response *response = answer;
    struct oracle_txn_session told;

    if (err != OK || response->error_code != KAFKA_NONE) {
        oracle_txn_init_failed(transactor->txn, transactor->options.id, err == OK);
        if (err == OK && judge(transactor, response->error_code, false) == VERDICT_FATAL) {
            if (transactor->producer_id >= 0)
                refuse(transactor, response->error_code);
            begin_anew(transactor);
        }
        return;
    }
    if (transactor->producer_id >= 0)
        sim_mark(MARK_TXN_BUMPED);
    told = (struct oracle_txn_session){.id = transactor->options.id,
                                       .process = transactor->client.options.id,
                                       .is_tv2 = transactor->options.is_tv2,
                                       .producer_id = response->producer_id,
                                       .producer_epoch = response->producer_epoch,
                                       .timeout_ns = transactor->options.timeout_ms * SIM_MS};
    transactor->session =
        oracle_txn_init_told(transactor->txn, model_transactor_now_ns(transactor), &told);
    transactor->producer_id = response->producer_id;
    transactor->producer_epoch = response->producer_epoch;
    transactor->needs_bump = false;
    for (uint32_t p = 0; p < ORACLE_TXN_PARTITIONS_MAX; p++)
        transactor->partitions[p].next_sequence = 0;
    transactor->state = TRANSACTOR_READY;
}

static void ask_id(struct model_transactor *transactor)
{
    struct init_producer_id_request request;
    int16_t version =
        model_client_version(&transactor->client, API_INIT_PRODUCER_ID, 0, VERSION_WITH_EPOCH + 2);

    codec_set_defaults(&init_producer_id_request_desc, &request);
    request.transactional_id = wire_string(transactor->name);
    request.transaction_timeout_ms = (int32_t)transactor->options.timeout_ms;
    if (version >= VERSION_WITH_EPOCH) {
        request.producer_id = transactor->producer_id;
        request.producer_epoch = transactor->producer_epoch;
    }
    oracle_txn_init_asked(transactor->txn, transactor->options.id);
    model_transactor_call(transactor, API_INIT_PRODUCER_ID, 0, VERSION_WITH_EPOCH + 2, &request,
                          on_id);
}

/* ---- EndTxn */

static void take_end(struct model_transactor *transactor, const struct end_txn_response *response)
{
    bool commit = transactor->outcome == TRANSACTOR_COMMITS;
    bool is_tv2 = transactor->options.is_tv2;
    uint64_t now_ns = model_transactor_now_ns(transactor);

    transactor->ended_producer_id = transactor->producer_id;
    transactor->ended_producer_epoch = transactor->producer_epoch;
    oracle_txn_ended(transactor->txn, now_ns, transactor->asked_ns, transactor->session,
                     transactor->transaction, commit, is_tv2 ? response->producer_id : -1,
                     response->producer_epoch);
    if (is_tv2) {
        transactor->producer_id = response->producer_id;
        transactor->producer_epoch = response->producer_epoch;
        for (uint32_t p = 0; p < ORACLE_TXN_PARTITIONS_MAX; p++)
            transactor->partitions[p].next_sequence = 0;
    }
    if (transactor->transaction == ORACLE_TXN_NONE)
        sim_mark(MARK_TXN_ABORTED_EMPTY);
    else if (commit)
        sim_mark(is_tv2 ? MARK_TXN_COMMITTED_2 : MARK_TXN_COMMITTED_1);
    else
        sim_mark(is_tv2 ? MARK_TXN_ABORTED_2 : MARK_TXN_ABORTED_1);
    transactor->state = transactor->needs_bump ? TRANSACTOR_ASKING_ID : TRANSACTOR_READY;
    if (transactor->transaction != ORACLE_TXN_NONE && !transactor->needs_bump &&
        prng_chance(&transactor->client.prng, transactor->options.repeat_odds, 100)) {
        transactor->state = TRANSACTOR_REPEATING;
        transactor->ended_with_commit = commit;
        transactor->ended_transaction = (uint32_t)transactor->transaction;
        transactor->repeats_opposite = prng_chance(&transactor->client.prng, 1, 3);
    }
    transactor->transaction = ORACLE_TXN_NONE;
}

static void on_ended(struct model_call *call, enum err err, const void *answer)
{
    struct model_transactor *transactor = model_transactor_answered(call);
    const struct end_txn_response *response = answer;

    if (err != OK) {
        if (prng_chance(&transactor->client.prng, 1, GIVES_UP_ODDS))
            begin_anew(transactor); /* it was killed meanwhile */
        return;
    }
    if (response->error_code == KAFKA_TRANSACTION_ABORTABLE &&
        transactor->outcome == TRANSACTOR_ABORTS) {
        refuse(transactor, response->error_code);
        begin_anew(transactor);
        return;
    }
    if (model_transactor_take_error(transactor, response->error_code, false))
        take_end(transactor, response);
}

static void put_end(struct model_transactor *transactor, int64_t producer_id,
                    int16_t producer_epoch, bool commit,
                    void (*done)(struct model_call *, enum err, const void *))
{
    struct end_txn_request request;
    bool is_tv2 = transactor->options.is_tv2;

    codec_set_defaults(&end_txn_request_desc, &request);
    request.transactional_id = wire_string(transactor->name);
    request.producer_id = producer_id;
    request.producer_epoch = producer_epoch;
    request.committed = commit;
    model_transactor_call(transactor, API_END_TXN, is_tv2 ? 5 : 0, is_tv2 ? 5 : 4, &request, done);
}

static void end(struct model_transactor *transactor)
{
    bool commit = transactor->outcome == TRANSACTOR_COMMITS;

    if (commit)
        oracle_txn_commit_asked(transactor->txn, model_transactor_now_ns(transactor),
                                (uint32_t)transactor->transaction);
    put_end(transactor, transactor->producer_id, transactor->producer_epoch, commit, on_ended);
}

static void on_repeated(struct model_call *call, enum err err, const void *answer)
{
    struct model_transactor *transactor = model_transactor_answered(call);
    const struct end_txn_response *response = answer;
    bool commit = transactor->ended_with_commit != transactor->repeats_opposite;
    enum verdict verdict;

    if (err != OK)
        return;
    verdict = judge(transactor, response->error_code, false);
    if (verdict == VERDICT_AGAIN || verdict == VERDICT_FIND)
        return;
    oracle_txn_ended_again(
        transactor->txn, model_transactor_now_ns(transactor), transactor->session,
        transactor->ended_transaction, commit, response->error_code,
        transactor->options.is_tv2 ? response->producer_id : -1, response->producer_epoch);
    transactor->state = TRANSACTOR_READY;
}

static void repeat(struct model_transactor *transactor)
{
    put_end(transactor, transactor->ended_producer_id, transactor->ended_producer_epoch,
            transactor->ended_with_commit != transactor->repeats_opposite, on_repeated);
}

/* ---- its life */

static void go_on(struct model_transactor *transactor)
{
    if (transactor->outcome == TRANSACTOR_STOPS && transactor->rounds_left == 0 &&
        (!model_transactor_records_has_batches(transactor) ||
         prng_chance(&transactor->client.prng, 1, 2))) {
        sim_mark(MARK_TXN_LEFT);
        begin_anew(transactor);
        return;
    }
    if (transactor->outcome == TRANSACTOR_ABORTS && transactor->rounds_left == 0 &&
        model_transactor_records_has_batches(transactor) &&
        model_transactor_records_is_begun(transactor) &&
        prng_chance(&transactor->client.prng, 1, GIVES_UP_ODDS)) {
        model_transactor_drop_batches(transactor); /* they may be on their way: MTX-3 */
        transactor->needs_bump = !transactor->options.is_tv2;
    }
    if (!model_transactor_records_has_batches(transactor)) {
        if (transactor->rounds_left == 0) {
            transactor->state = TRANSACTOR_ENDING;
            end(transactor);
            return;
        }
        model_transactor_records_make_round(transactor);
    }
    for (uint32_t p = 0; p < transactor->topics->partitions_count; p++) {
        if (model_transactor_records_wants_added(transactor, p)) {
            model_transactor_records_add(transactor);
            return;
        }
    }
    model_transactor_records_produce(transactor);
}

static void begin(struct model_transactor *transactor)
{
    struct prng *prng = &transactor->client.prng;
    uint32_t dice = (uint32_t)prng_below(prng, 100);

    if (transactor->finishing ||
        transactor->transactions_count >= transactor->options.transactions_max)
        return;
    transactor->transactions_count++;
    if (transactor->options.is_tv2 && prng_chance(prng, transactor->options.empty_odds, 100)) {
        transactor->outcome = TRANSACTOR_ABORTS;
        transactor->state = TRANSACTOR_ENDING;
        end(transactor);
        return;
    }
    transactor->outcome = dice < transactor->options.stop_odds ? TRANSACTOR_STOPS
                          : dice < transactor->options.stop_odds + transactor->options.abort_odds
                              ? TRANSACTOR_ABORTS
                              : TRANSACTOR_COMMITS;
    transactor->rounds_left = 1 + (uint32_t)prng_below(prng, transactor->options.rounds_max);
    transactor->balance = 0;
    for (uint32_t p = 0; p < ORACLE_TXN_PARTITIONS_MAX; p++)
        transactor->partitions[p].is_added = false;
    transactor->state = TRANSACTOR_SENDING;
    go_on(transactor);
}

static void act(struct model_transactor *transactor)
{
    switch (transactor->state) {
    case TRANSACTOR_DOWN:
        if (!transactor->finishing && model_transactor_now_ns(transactor) >= transactor->wake_ns &&
            transactor->transactions_count < transactor->options.transactions_max)
            transactor->state = TRANSACTOR_FINDING;
        break;
    case TRANSACTOR_FINDING:
        if (!transactor->finishing)
            find(transactor);
        break;
    case TRANSACTOR_ASKING_ID:
        if (!transactor->finishing)
            ask_id(transactor);
        break;
    case TRANSACTOR_READY:
        begin(transactor);
        break;
    case TRANSACTOR_SENDING:
        go_on(transactor);
        break;
    case TRANSACTOR_ENDING:
        end(transactor);
        break;
    case TRANSACTOR_REPEATING:
        repeat(transactor);
        break;
    }
}

static void on_tick(struct timer *timer)
{
    struct model_transactor *transactor = container_of(timer, struct model_transactor, tick);

    if (!transactor->busy && model_client_is_up(&transactor->client) &&
        !uuid_is_zero(&transactor->topics->at[0].id))
        act(transactor);
    loop_set_timer_ms(&transactor->client.loop, &transactor->tick,
                      model_client_draw_ms(&transactor->client, transactor->options.pause_max_ms));
}

void model_transactor_init(struct model_transactor *transactor, struct sim_node *node,
                           struct history *history, const struct model_client_options *client,
                           const struct model_transactor_options *options,
                           const struct model_topics *topics, struct oracle_txn *txn)
{
    check(topics->partitions_count <= ORACLE_TXN_PARTITIONS_MAX &&
          options->records_max <= TRANSACTOR_BATCH_MAX);
    *transactor = (struct model_transactor){.options = *options,
                                            .topics = topics,
                                            .txn = txn,
                                            .state = TRANSACTOR_FINDING,
                                            .producer_id = -1,
                                            .producer_epoch = -1,
                                            .transaction = ORACLE_TXN_NONE};
    snprintf(transactor->name, sizeof(transactor->name), "transfers-%" PRIu32, options->id);
    model_client_init(&transactor->client, node, history, client);
    timer_init(&transactor->tick, on_tick);
    loop_set_timer_ms(&transactor->client.loop, &transactor->tick, 1);
}

void model_transactor_deinit(struct model_transactor *transactor)
{
    loop_cancel_timer(&transactor->client.loop, &transactor->tick);
    model_transactor_drop_batches(transactor);
    model_client_deinit(&transactor->client);
}

void model_transactor_finish(struct model_transactor *transactor)
{
    transactor->finishing = true;
}

bool model_transactor_is_done(const struct model_transactor *transactor)
{
    return transactor->finishing && !transactor->busy && transactor->state < TRANSACTOR_SENDING;
}
