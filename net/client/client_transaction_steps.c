#include "base/check.h"
#include "net/client/client_producer_private.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/kafka_tables.h"

enum {
    ARENA_BYTES = 16 << 20,
    JOIN_MAX = 1000,          /* partitions of one AddPartitionsToTxn */
    CONCURRENT_PAUSE_MS = 20, /* TransactionManager.ADD_PARTITIONS_RETRY_BACKOFF_MS */
    POLL_MAX_MS = 32,
    POLLS_BEFORE_FIND = 32, /* of a coordinator that can't be reached: about a second */
};

static struct loop *loop_of(const struct client_producer *producer)
{
    return client_cluster_env(producer->cluster)->loop;
}

static struct client_producer *producer_of(struct client_transaction *transaction)
{
    return container_of(transaction, struct client_producer, transaction);
}

static bool is_for_group(const struct client_transaction *transaction)
{
    return transaction->step == CLIENT_STEP_COMMIT_OFFSETS;
}

static enum client_coordinator_kind kind_of(const struct client_transaction *transaction)
{
    return is_for_group(transaction) ? CLIENT_COORDINATOR_GROUP : CLIENT_COORDINATOR_TRANSACTION;
}

static const char *key_of(const struct client_producer *producer)
{
    return is_for_group(&producer->transaction) ? producer->transaction.group->group_id
                                                : producer->transactional_id;
}

/* ---- requests */

static void fill_init(struct client_producer *producer, bool is_bump)
{
    struct client_transaction *transaction = &producer->transaction;
    struct init_producer_id_request *request = &transaction->request.init;

    codec_set_defaults(&init_producer_id_request_desc, request);
    request->transactional_id = wire_string(producer->transactional_id);
    request->transaction_timeout_ms = (int32_t)producer->options.transaction_timeout_ms;
    if (is_bump) {
        request->producer_id = producer->identity.producer_id;
        request->producer_epoch = producer->identity.producer_epoch;
    }
    transaction->call.key = API_INIT_PRODUCER_ID;
    transaction->call.max_version = 5;
}

/* Parts of joining come into asked, unless some are there that were asked for before. */
static void choose_asked(struct client_transaction *transaction)
{
    if (!list_is_empty(&transaction->asked))
        return;
    transaction->asked_count = 0;
    while (!list_is_empty(&transaction->joining) && transaction->asked_count < JOIN_MAX) {
        list_push_back(&transaction->asked, list_pop_front(&transaction->joining));
        transaction->asked_count++;
    }
}

static bool fill_join(struct client_producer *producer)
{
    struct client_transaction *transaction = &producer->transaction;
    struct add_partitions_to_txn_request *request = &transaction->request.join;
    struct add_partitions_to_txn_request_add_partitions_to_txn_topic *topics, *topic = NULL;
    const struct client_topic *last = NULL;
    int32_t *partitions;

    choose_asked(transaction);
    topics = codec_new_array(&add_partitions_to_txn_request_add_partitions_to_txn_topic_struct,
                             &transaction->arena, transaction->asked_count);
    partitions =
        arena_alloc_array(&transaction->arena, transaction->asked_count, sizeof(*partitions));
    if (topics == NULL || partitions == NULL)
        return false;
    codec_set_defaults(&add_partitions_to_txn_request_desc, request);
    request->v3_and_below_transactional_id = wire_string(producer->transactional_id);
    request->v3_and_below_producer_id = producer->identity.producer_id;
    request->v3_and_below_producer_epoch = producer->identity.producer_epoch;
    request->v3_and_below_topics.items = topics;
    list_for_each(node, &transaction->asked)
    {
        const struct client_part *part = container_of(node, struct client_part, place_node);

        if (part->topic != last) {
            topic = &topics[request->v3_and_below_topics.count++];
            topic->name = wire_string(part->topic->name);
            topic->partitions.items = partitions;
            last = part->topic;
        }
        topic->partitions.count++;
        *partitions++ = part->partition;
    }
    transaction->call.key = API_ADD_PARTITIONS_TO_TXN;
    transaction->call.max_version = 3; /* later ones are the brokers' among themselves */
    return true;
}

static void fill_add_offsets(struct client_producer *producer)
{
    struct client_transaction *transaction = &producer->transaction;
    struct add_offsets_to_txn_request *request = &transaction->request.add_offsets;

    codec_set_defaults(&add_offsets_to_txn_request_desc, request);
    request->transactional_id = wire_string(producer->transactional_id);
    request->producer_id = producer->identity.producer_id;
    request->producer_epoch = producer->identity.producer_epoch;
    request->group_id = wire_string(transaction->group->group_id);
    transaction->call.key = API_ADD_OFFSETS_TO_TXN;
    transaction->call.max_version = 4;
}

static bool fill_offsets(struct client_producer *producer)
{
    struct client_transaction *transaction = &producer->transaction;
    struct txn_offset_commit_request *request = &transaction->request.commit_offsets;
    const struct client_group_identity *group = transaction->group;
    struct txn_offset_commit_request_topic *topic = NULL;
    struct txn_offset_commit_request_partition *parts;

    codec_set_defaults(&txn_offset_commit_request_desc, request);
    request->transactional_id = wire_string(producer->transactional_id);
    request->group_id = wire_string(group->group_id);
    request->producer_id = producer->identity.producer_id;
    request->producer_epoch = producer->identity.producer_epoch;
    request->generation_id_or_member_epoch = group->generation_id;
    request->member_id = wire_string(group->member_id != NULL ? group->member_id : "");
    request->group_instance_id = wire_string(group->group_instance_id);
    request->topics.items = codec_new_array(&txn_offset_commit_request_topic_struct,
                                            &transaction->arena, transaction->offsets_count);
    parts = codec_new_array(&txn_offset_commit_request_partition_struct, &transaction->arena,
                            transaction->offsets_count);
    if (request->topics.items == NULL || parts == NULL)
        return false;
    for (uint32_t i = 0; i < transaction->offsets_count; i++) {
        const struct client_group_offset *offset = &transaction->offsets[i];

        if (i == 0 || offset->topic != transaction->offsets[i - 1].topic) {
            topic = &request->topics.items[request->topics.count++];
            topic->name = wire_string(offset->topic->name);
            topic->partitions.items = &parts[i];
        }
        topic->partitions.count++;
        parts[i].partition_index = offset->partition;
        parts[i].committed_offset = offset->offset;
        parts[i].committed_leader_epoch = offset->leader_epoch;
        parts[i].committed_metadata = wire_string(offset->metadata);
    }
    if (transaction->version == 2)
        transaction->has_started = true; /* the broker adds the group (KIP-890) */
    transaction->call.key = API_TXN_OFFSET_COMMIT;
    transaction->call.max_version = transaction->version == 2 ? 5 : 4;
    return true;
}

static void fill_end(struct client_producer *producer)
{
    struct client_transaction *transaction = &producer->transaction;
    struct end_txn_request *request = &transaction->request.end;

    codec_set_defaults(&end_txn_request_desc, request);
    request->transactional_id = wire_string(producer->transactional_id);
    request->producer_id = producer->identity.producer_id;
    request->producer_epoch = producer->identity.producer_epoch;
    request->committed = transaction->kind == CLIENT_TRANSACTION_COMMIT;
    transaction->call.key = API_END_TXN;
    transaction->call.max_version = transaction->version == 2 ? 5 : 4;
}

/* False: no memory. */
static bool fill(struct client_producer *producer)
{
    struct client_transaction *transaction = &producer->transaction;

    transaction->call = (struct client_call){.request = &transaction->request};
    arena_reset(&transaction->arena);
    switch (transaction->step) {
    case CLIENT_STEP_INIT:
    case CLIENT_STEP_BUMP:
        fill_init(producer, transaction->step == CLIENT_STEP_BUMP);
        return true;
    case CLIENT_STEP_JOIN:
        return fill_join(producer);
    case CLIENT_STEP_ADD_OFFSETS:
        fill_add_offsets(producer);
        return true;
    case CLIENT_STEP_COMMIT_OFFSETS:
        return fill_offsets(producer);
    case CLIENT_STEP_END:
        fill_end(producer);
        return true;
    case CLIENT_STEP_NONE:
        break;
    }
    return false;
}

/* ---- what an error means */

enum reaction {
    REACTION_DONE,
    REACTION_AGAIN,
    REACTION_FIND, /* another coordinator, and again */
    REACTION_FAIL, /* the transaction is to be aborted */
    REACTION_FATAL,
};

/* TransactionManager's handlers, one row an error. */
static enum reaction react(const struct client_transaction *transaction, int16_t error_code)
{
    bool is_ending = transaction->step == CLIENT_STEP_END || transaction->step == CLIENT_STEP_BUMP;
    bool is_abort = is_ending && transaction->kind == CLIENT_TRANSACTION_ABORT;

    switch (error_code) {
    case KAFKA_NONE:
        return REACTION_DONE;
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_NOT_COORDINATOR:
        return REACTION_FIND;
    case KAFKA_REQUEST_TIMED_OUT:
        return is_for_group(transaction) ? REACTION_FIND : REACTION_AGAIN;
    case KAFKA_TRANSACTION_ABORTABLE:
    case KAFKA_UNKNOWN_PRODUCER_ID:
        return is_abort || transaction->step == CLIENT_STEP_INIT ? REACTION_FATAL : REACTION_FAIL;
    case KAFKA_GROUP_AUTHORIZATION_FAILED:
    case KAFKA_TOPIC_AUTHORIZATION_FAILED:
    case KAFKA_FENCED_INSTANCE_ID:
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_ILLEGAL_GENERATION:
    case KAFKA_GROUP_ID_NOT_FOUND:
    case KAFKA_STALE_MEMBER_EPOCH:
    case KAFKA_OPERATION_NOT_ATTEMPTED:
        return is_ending || transaction->step == CLIENT_STEP_INIT ? REACTION_FATAL : REACTION_FAIL;
    case KAFKA_INVALID_TXN_STATE: /* to the abort of one that never began: there is none */
        return is_abort && transaction->step == CLIENT_STEP_END && transaction->is_start_in_doubt
                   ? REACTION_DONE
                   : REACTION_FATAL;
    case KAFKA_INVALID_PRODUCER_EPOCH:
    case KAFKA_PRODUCER_FENCED:
    case KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case KAFKA_INVALID_PRODUCER_ID_MAPPING:
        return REACTION_FATAL;
    default:
        if (kafka_error_is_retriable(error_code))
            return REACTION_AGAIN;
        return transaction->step == CLIENT_STEP_JOIN ? REACTION_FAIL : REACTION_FATAL;
    }
}

/* The error of an answer with many, the worst one; what was not attempted has another's fault. */
static void weigh(const struct client_transaction *transaction, int16_t error_code, int16_t *worst)
{
    bool is_unattempted = *worst == KAFKA_OPERATION_NOT_ATTEMPTED && error_code != KAFKA_NONE;

    if (is_unattempted || react(transaction, error_code) > react(transaction, *worst))
        *worst = error_code;
}

static int16_t join_error(const struct client_transaction *transaction,
                          const struct add_partitions_to_txn_response *answer)
{
    int16_t worst = KAFKA_NONE;
    uint32_t count = 0;

    for (int32_t t = 0; t < answer->results_by_topic_v3_and_below.count; t++) {
        const struct add_partitions_to_txn_response_add_partitions_to_txn_topic_result *topic =
            &answer->results_by_topic_v3_and_below.items[t];

        for (int32_t p = 0; p < topic->results_by_partition.count; p++, count++)
            weigh(transaction, topic->results_by_partition.items[p].partition_error_code, &worst);
    }
    return worst == KAFKA_NONE && count < transaction->asked_count ? KAFKA_REQUEST_TIMED_OUT
                                                                   : worst;
}

static int16_t offsets_error(const struct client_transaction *transaction,
                             const struct txn_offset_commit_response *answer)
{
    int16_t worst = KAFKA_NONE;
    uint32_t count = 0;

    for (int32_t t = 0; t < answer->topics.count; t++)
        for (int32_t p = 0; p < answer->topics.items[t].partitions.count; p++, count++)
            weigh(transaction, answer->topics.items[t].partitions.items[p].error_code, &worst);
    return worst == KAFKA_NONE && count < transaction->offsets_count ? KAFKA_REQUEST_TIMED_OUT
                                                                     : worst;
}

static int16_t error_of(const struct client_transaction *transaction, const void *response)
{
    switch (transaction->step) {
    case CLIENT_STEP_INIT:
    case CLIENT_STEP_BUMP:
        return ((const struct init_producer_id_response *)response)->error_code;
    case CLIENT_STEP_JOIN:
        return join_error(transaction, response);
    case CLIENT_STEP_ADD_OFFSETS:
        return ((const struct add_offsets_to_txn_response *)response)->error_code;
    case CLIENT_STEP_COMMIT_OFFSETS:
        return offsets_error(transaction, response);
    case CLIENT_STEP_END:
        return ((const struct end_txn_response *)response)->error_code;
    case CLIENT_STEP_NONE:
        break;
    }
    return KAFKA_NONE;
}

/* ---- asking */

static void pause_ms(struct client_producer *producer, uint32_t delay_ms)
{
    producer->transaction.busy = CLIENT_BUSY_PAUSE;
    loop_set_timer_ms(loop_of(producer), &producer->transaction.pause, delay_ms);
}

static void on_pause(struct timer *timer)
{
    struct client_transaction *transaction = container_of(timer, struct client_transaction, pause);

    transaction->busy = CLIENT_BUSY_NOT;
    client_transaction_advance(producer_of(transaction));
}

/* The step that is given up may have begun the transaction, and may do so yet: the abort asks, and
 * takes a new epoch, which ends what comes late. */
static void doubt_start(struct client_transaction *transaction)
{
    bool is_start =
        transaction->step == CLIENT_STEP_JOIN || transaction->step == CLIENT_STEP_ADD_OFFSETS;

    if (!is_start || !transaction->is_in_doubt)
        return;
    transaction->is_start_in_doubt = !transaction->has_started || transaction->is_start_in_doubt;
    transaction->has_started = true;
    transaction->must_bump = true;
}

/* The step ends without having been done. */
static void give_up(struct client_producer *producer, bool is_fatal, int16_t error_code,
                    enum err err)
{
    struct client_transaction *transaction = &producer->transaction;
    enum client_transaction_step step = transaction->step;

    doubt_start(transaction);
    transaction->step = CLIENT_STEP_NONE;
    transaction->attempts_count = 0;
    transaction->is_in_doubt = false;
    while (!list_is_empty(&transaction->asked))
        client_sender_joined(&producer->sender, container_of(list_pop_front(&transaction->asked),
                                                             struct client_part, place_node));
    if (is_fatal)
        client_producer_fail(producer, error_code, err);
    else if (step == CLIENT_STEP_INIT)
        client_transaction_finish(producer, error_code, err);
    else
        client_transaction_fail(producer, error_code, err);
    client_transaction_advance(producer);
}

/* Ask again later, unless the operation has taken too long.  CTX-6: an end has no limit. */
static void again(struct client_producer *producer, bool has_answer, int16_t error_code)
{
    struct client_transaction *transaction = &producer->transaction;
    bool is_limited = transaction->kind == CLIENT_TRANSACTION_INIT ||
                      transaction->kind == CLIENT_TRANSACTION_OFFSETS;

    transaction->is_in_doubt |= !has_answer;
    if (transaction->step == CLIENT_STEP_JOIN && !transaction->is_in_doubt &&
        !client_transaction_takes_records(transaction)) {
        give_up(producer, false, error_code, OK); /* refused, and wanted by nobody */
        return;
    }
    if (is_limited && transaction->step != CLIENT_STEP_JOIN &&
        loop_now_ns(loop_of(producer)) >= transaction->deadline_ns)
        give_up(producer, false, error_code, ERR_TIMEOUT);
    else if (error_code == KAFKA_CONCURRENT_TRANSACTIONS)
        pause_ms(producer, CONCURRENT_PAUSE_MS);
    else
        pause_ms(producer,
                 client_cluster_backoff_ms(producer->cluster, transaction->attempts_count++));
}

static void on_answer(struct client_call *call, enum err err, const void *response)
{
    struct client_transaction *transaction = container_of(call, struct client_transaction, call);
    struct client_producer *producer = producer_of(transaction);
    int16_t error_code = err == OK ? error_of(transaction, response) : KAFKA_NONE;

    transaction->busy = CLIENT_BUSY_NOT;
    if (producer->is_closing || producer->is_fatal) {
        client_producer_deliver_soon(producer);
        return;
    }
    if (transaction->step == CLIENT_STEP_END && transaction->op != NULL)
        transaction->op->asked_ns = call->sent_ns;
    if (err == ERR_UNSUPPORTED) {
        give_up(producer, true, KAFKA_NONE, err);
        return;
    }
    switch (err == OK ? react(transaction, error_code) : REACTION_FIND) {
    case REACTION_DONE:
        if (transaction->step == CLIENT_STEP_INIT)
            client_transaction_choose_version(producer);
        client_transaction_step_done(producer, response);
        client_transaction_advance(producer);
        break;
    case REACTION_FIND:
        client_cluster_forget_coordinator(producer->cluster, kind_of(transaction),
                                          key_of(producer));
        again(producer, err == OK || !call->was_sent, error_code);
        break;
    case REACTION_AGAIN:
        again(producer, true, error_code);
        break;
    case REACTION_FAIL:
        transaction->must_bump |= error_code == KAFKA_UNKNOWN_PRODUCER_ID;
        give_up(producer, false, error_code, OK);
        break;
    case REACTION_FATAL:
        give_up(producer, true,
                error_code == KAFKA_INVALID_PRODUCER_EPOCH ? KAFKA_PRODUCER_FENCED : error_code,
                OK);
        break;
    }
}

static void on_found(struct client_wait *wait, enum err err)
{
    struct client_transaction *transaction = container_of(wait, struct client_transaction, wait);
    struct client_producer *producer = producer_of(transaction);

    transaction->busy = CLIENT_BUSY_NOT;
    if (producer->is_closing || producer->is_fatal)
        client_producer_deliver_soon(producer);
    else if (err == OK)
        client_transaction_advance(producer);
    else if (err == ERR_PERMISSION || err == ERR_INVALID)
        give_up(producer, !is_for_group(transaction), wait->kafka_error, err);
    else
        again(producer, true, wait->kafka_error); /* nothing was asked */
}

static void find(struct client_producer *producer)
{
    struct client_transaction *transaction = &producer->transaction;

    transaction->busy = CLIENT_BUSY_FIND;
    transaction->wait = (struct client_wait){.done = on_found};
    client_cluster_find_coordinator(producer->cluster, &transaction->wait, kind_of(transaction),
                                    key_of(producer), producer->options.request_timeout_ms);
}

/* The connection is not up yet, or any more. */
static void poll(struct client_producer *producer, struct client_broker *broker)
{
    struct client_transaction *transaction = &producer->transaction;
    uint32_t delay_ms = transaction->polls_count < 5 ? 1U << transaction->polls_count : POLL_MAX_MS;

    client_broker_dial(broker);
    if (++transaction->polls_count % POLLS_BEFORE_FIND == 0) {
        client_cluster_forget_coordinator(producer->cluster, kind_of(transaction),
                                          key_of(producer));
        again(producer, true, KAFKA_NONE);
    } else {
        pause_ms(producer, delay_ms);
    }
}

void client_transaction_ask(struct client_producer *producer)
{
    struct client_transaction *transaction = &producer->transaction;
    struct client_broker *broker =
        client_cluster_coordinator(producer->cluster, kind_of(transaction), key_of(producer));

    check(transaction->busy == CLIENT_BUSY_NOT);
    if (broker == NULL) {
        find(producer);
    } else if (!client_broker_is_up(broker)) {
        poll(producer, broker);
    } else if (!fill(producer)) {
        again(producer, true, KAFKA_NONE);
    } else {
        transaction->polls_count = 0;
        transaction->call.done = on_answer;
        transaction->busy = CLIENT_BUSY_CALL;
        if (client_broker_call(broker, &transaction->call) != OK) {
            transaction->busy = CLIENT_BUSY_NOT;
            again(producer, true, KAFKA_NONE);
        }
    }
}

void client_transaction_choose_version(struct client_producer *producer)
{
    struct client_transaction *transaction = &producer->transaction;
    const struct client_broker *broker = client_cluster_coordinator(
        producer->cluster, CLIENT_COORDINATOR_TRANSACTION, producer->transactional_id);

    transaction->version = broker != NULL && !transaction->is_version_1_forced &&
                                   client_broker_feature(broker, "transaction.version") >= 2
                               ? 2
                               : 1;
}

/* ---- life */

void client_transaction_setup_steps(struct client_transaction *transaction)
{
    arena_init(&transaction->arena, ARENA_BYTES);
    timer_init(&transaction->pause, on_pause);
}

void client_transaction_teardown(struct client_transaction *transaction)
{
    arena_deinit(&transaction->arena);
}

void client_transaction_stop(struct client_producer *producer)
{
    struct client_transaction *transaction = &producer->transaction;

    if (transaction->busy == CLIENT_BUSY_PAUSE) {
        loop_cancel_timer(loop_of(producer), &transaction->pause);
        transaction->busy = CLIENT_BUSY_NOT;
    } else if (transaction->busy == CLIENT_BUSY_FIND) {
        client_cluster_cancel(&transaction->wait);
    } else if (transaction->busy == CLIENT_BUSY_CALL) {
        client_broker_cancel(&transaction->call);
    }
}

bool client_transaction_is_idle(const struct client_transaction *transaction)
{
    return transaction->busy == CLIENT_BUSY_NOT && transaction->op == NULL;
}
