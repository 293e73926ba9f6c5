#include "net/client/client_transaction.h"

#include "base/check.h"
#include "net/client/client_producer_private.h"
#include "net/protocol/kafka_errors.h"

static struct loop *loop_of(const struct client_producer *producer)
{
    return client_cluster_env(producer->cluster)->loop;
}

/* ---- operations */

static void on_finish(struct task *task)
{
    struct client_transaction *transaction = container_of(task, struct client_transaction, finish);
    struct client_producer *producer =
        container_of(transaction, struct client_producer, transaction);
    struct client_transaction_op *op = transaction->op;

    if (producer->is_closing)
        client_producer_deliver_soon(producer); /* which waits for this */
    transaction->op = NULL;
    transaction->kind = CLIENT_TRANSACTION_NO_OP;
    transaction->is_finished = false;
    op->done(op, transaction->finished_err);
}

/* CTX-2: from the loop, never inside the starting call. */
void client_transaction_finish(struct client_producer *producer, int16_t error_code, enum err err)
{
    struct client_transaction *transaction = &producer->transaction;

    if (transaction->op == NULL || transaction->is_finished)
        return;
    transaction->op->error_code = error_code;
    transaction->finished_err = err == OK && error_code != KAFKA_NONE ? ERR_TXN_STATE : err;
    transaction->is_finished = true;
    loop_defer(loop_of(producer), &transaction->finish);
}

static void finish_failed(struct client_producer *producer)
{
    struct client_transaction *transaction = &producer->transaction;

    client_transaction_finish(producer, transaction->failed_code,
                              transaction->failed_err == OK &&
                                      transaction->failed_code == KAFKA_NONE
                                  ? ERR_TXN_STATE
                                  : transaction->failed_err);
}

void client_transaction_setup(struct client_transaction *transaction)
{
    transaction->finish.run = on_finish;
    transaction->serial = 1;
    list_init(&transaction->joining);
    list_init(&transaction->asked);
    client_transaction_setup_steps(transaction);
}

static void begin_op(struct client_producer *producer, struct client_transaction_op *op,
                     enum client_transaction_kind kind)
{
    struct client_transaction *transaction = &producer->transaction;

    check(transaction->op == NULL); /* CTX-2 */
    op->error_code = KAFKA_NONE;
    op->asked_ns = 0;
    transaction->op = op;
    transaction->kind = kind;
    transaction->deadline_ns =
        clock_deadline_ns(loop_now_ns(loop_of(producer)), producer->options.delivery_timeout_ms);
}

void client_transaction_init(struct client_producer *producer, struct client_transaction_op *op)
{
    struct client_transaction *transaction = &producer->transaction;

    begin_op(producer, op, CLIENT_TRANSACTION_INIT);
    if (producer->transactional_id == NULL || producer->is_closing ||
        transaction->state != CLIENT_TRANSACTION_UNINIT)
        client_transaction_finish(producer, producer->fatal_code, ERR_REFUSED);
    else
        client_transaction_advance(producer);
}

enum err client_transaction_begin(struct client_producer *producer)
{
    struct client_transaction *transaction = &producer->transaction;

    if (transaction->state != CLIENT_TRANSACTION_READY || transaction->op != NULL ||
        producer->is_closing)
        return ERR_REFUSED;
    transaction->state = CLIENT_TRANSACTION_OPEN;
    transaction->serial++;
    transaction->has_started = false;
    transaction->is_start_in_doubt = false;
    return OK;
}

void client_transaction_send_offsets(struct client_producer *producer,
                                     struct client_transaction_op *op,
                                     const struct client_group_identity *identity,
                                     const struct client_group_offset *offsets, uint32_t count)
{
    struct client_transaction *transaction = &producer->transaction;

    begin_op(producer, op, CLIENT_TRANSACTION_OFFSETS);
    transaction->group = identity;
    transaction->offsets = offsets;
    transaction->offsets_count = count;
    if (transaction->state == CLIENT_TRANSACTION_FAILED)
        finish_failed(producer);
    else if (transaction->state != CLIENT_TRANSACTION_OPEN)
        client_transaction_finish(producer, producer->fatal_code, ERR_REFUSED);
    else if (count == 0)
        client_transaction_finish(producer, KAFKA_NONE, OK);
    else
        client_transaction_advance(producer);
}

void client_transaction_commit(struct client_producer *producer, struct client_transaction_op *op)
{
    struct client_transaction *transaction = &producer->transaction;

    begin_op(producer, op, CLIENT_TRANSACTION_COMMIT);
    if (transaction->state == CLIENT_TRANSACTION_FAILED) {
        finish_failed(producer); /* CTX-3 */
    } else if (transaction->state != CLIENT_TRANSACTION_OPEN) {
        client_transaction_finish(producer, producer->fatal_code, ERR_REFUSED);
    } else {
        transaction->state = CLIENT_TRANSACTION_ENDING;
        client_sender_flush(&producer->sender);
        client_producer_deliver_soon(producer);
    }
}

/* Parts that wait to be added have nothing to send any more. */
static void forget_joining(struct client_producer *producer)
{
    struct list *node;

    while ((node = list_pop_front(&producer->transaction.joining)) != NULL)
        client_sender_joined(&producer->sender, container_of(node, struct client_part, place_node));
}

void client_transaction_abort(struct client_producer *producer, struct client_transaction_op *op)
{
    struct client_transaction *transaction = &producer->transaction;

    begin_op(producer, op, CLIENT_TRANSACTION_ABORT);
    if (transaction->state != CLIENT_TRANSACTION_FAILED &&
        transaction->state != CLIENT_TRANSACTION_OPEN) {
        client_transaction_finish(producer, producer->fatal_code, ERR_REFUSED);
        return;
    }
    transaction->state = CLIENT_TRANSACTION_ENDING;
    client_sender_drop_waiting(&producer->sender, KAFKA_NONE, ERR_CANCELED);
    forget_joining(producer);
    client_producer_deliver_soon(producer);
}

enum client_transaction_state client_transaction_state(const struct client_producer *producer)
{
    return producer->transaction.state;
}

int client_transaction_version(const struct client_producer *producer)
{
    return producer->transaction.version;
}

void client_transaction_force_version_1(struct client_producer *producer)
{
    producer->transaction.is_version_1_forced = true;
}

/* ---- failures */

static bool is_aborting(const struct client_transaction *transaction)
{
    return transaction->state == CLIENT_TRANSACTION_ENDING &&
           transaction->kind == CLIENT_TRANSACTION_ABORT;
}

bool client_transaction_gives_up(const struct client_producer *producer, int16_t *error_code,
                                 enum err *err)
{
    const struct client_transaction *transaction = &producer->transaction;

    if (is_aborting(transaction)) {
        *error_code = KAFKA_NONE;
        *err = ERR_CANCELED;
        return true;
    }
    if (transaction->state != CLIENT_TRANSACTION_FAILED)
        return false;
    *error_code = transaction->failed_code;
    *err = transaction->failed_err;
    return true;
}

void client_transaction_batch_failed(struct client_producer *producer, bool is_numbered,
                                     int16_t error_code, enum err err)
{
    if (is_numbered)
        producer->transaction.must_bump = true;
    client_transaction_fail(producer, error_code, err);
}

void client_transaction_fail(struct client_producer *producer, int16_t error_code, enum err err)
{
    struct client_transaction *transaction = &producer->transaction;

    if (transaction->state != CLIENT_TRANSACTION_OPEN &&
        (transaction->state != CLIENT_TRANSACTION_ENDING || is_aborting(transaction)))
        return;
    transaction->state = CLIENT_TRANSACTION_FAILED;
    transaction->failed_code = error_code;
    transaction->failed_err = err;
    client_sender_drop_waiting(&producer->sender, error_code, err);
    forget_joining(producer);
    if (transaction->busy == CLIENT_BUSY_NOT || transaction->kind != CLIENT_TRANSACTION_OFFSETS)
        finish_failed(producer); /* otherwise with its step (CTS-2) */
}

void client_transaction_end(struct client_producer *producer)
{
    struct client_transaction *transaction = &producer->transaction;

    if (transaction->state != CLIENT_TRANSACTION_UNINIT || producer->is_fatal)
        transaction->state = CLIENT_TRANSACTION_FATAL;
    forget_joining(producer);
    while (!list_is_empty(&transaction->asked))
        client_sender_joined(&producer->sender, container_of(list_pop_front(&transaction->asked),
                                                             struct client_part, place_node));
    client_transaction_stop(producer);
    client_transaction_advance(producer);
}

/* ---- what comes next */

bool client_transaction_may_send(struct client_producer *producer, struct client_part *part)
{
    struct client_transaction *transaction = &producer->transaction;

    if (transaction->version == 2) {
        transaction->has_started = true; /* the broker adds it (KIP-890) */
        return true;
    }
    if (part->transaction_serial == transaction->serial)
        return true;
    list_push_back(&transaction->joining, &part->place_node); /* CTX-4 */
    client_transaction_advance(producer);
    return false;
}

static void ended(struct client_producer *producer)
{
    struct client_transaction *transaction = &producer->transaction;

    transaction->state = CLIENT_TRANSACTION_READY;
    transaction->serial++;
    transaction->has_started = false;
    transaction->is_start_in_doubt = false;
    transaction->must_bump = false;
    client_transaction_finish(producer, KAFKA_NONE, OK);
}

static enum client_transaction_step next_of_op(struct client_producer *producer)
{
    struct client_transaction *transaction = &producer->transaction;

    switch (transaction->kind) {
    case CLIENT_TRANSACTION_INIT:
        return CLIENT_STEP_INIT;
    case CLIENT_TRANSACTION_OFFSETS:
        return transaction->version == 2 ? CLIENT_STEP_COMMIT_OFFSETS : CLIENT_STEP_ADD_OFFSETS;
    case CLIENT_TRANSACTION_COMMIT:
    case CLIENT_TRANSACTION_ABORT:
        if (!client_producer_is_drained(producer) || !list_is_empty(&producer->sender.finished))
            return CLIENT_STEP_NONE; /* CTX-3 */
        if (transaction->has_started)
            return CLIENT_STEP_END;
        ended(producer); /* nobody has heard of it */
        return CLIENT_STEP_NONE;
    case CLIENT_TRANSACTION_NO_OP:
        break;
    }
    return CLIENT_STEP_NONE;
}

bool client_transaction_takes_records(const struct client_transaction *transaction)
{
    return transaction->state == CLIENT_TRANSACTION_OPEN ||
           (transaction->state == CLIENT_TRANSACTION_ENDING && !is_aborting(transaction));
}

void client_transaction_advance(struct client_producer *producer)
{
    struct client_transaction *transaction = &producer->transaction;
    bool has_op = transaction->op != NULL && !transaction->is_finished;

    if (transaction->busy != CLIENT_BUSY_NOT)
        return;
    if (producer->is_closing || producer->is_fatal) {
        transaction->step = CLIENT_STEP_NONE;
        if (has_op && producer->is_fatal)
            client_transaction_finish(producer, producer->fatal_code,
                                      producer->fatal_err == OK ? ERR_REFUSED
                                                                : producer->fatal_err);
        else if (has_op)
            client_transaction_finish(producer, KAFKA_NONE, ERR_CANCELED);
        return;
    }
    if (transaction->step == CLIENT_STEP_NONE) {
        if (!list_is_empty(&transaction->joining) && client_transaction_takes_records(transaction))
            transaction->step = CLIENT_STEP_JOIN;
        else if (has_op && transaction->state == CLIENT_TRANSACTION_FAILED)
            finish_failed(producer);
        else if (has_op)
            transaction->step = next_of_op(producer);
    }
    if (transaction->step != CLIENT_STEP_NONE) /* CTS-1 */
        client_transaction_ask(producer);
}

static void on_init(struct client_producer *producer, const void *response)
{
    const struct init_producer_id_response *answer = response;

    client_identity_set(&producer->identity, answer->producer_id, answer->producer_epoch);
    producer->transaction.state = CLIENT_TRANSACTION_READY;
    producer->sender.is_transaction_v1 = producer->transaction.version == 1;
    client_transaction_finish(producer, KAFKA_NONE, OK);
}

static void on_joined(struct client_producer *producer)
{
    struct client_transaction *transaction = &producer->transaction;
    struct list *node;

    transaction->has_started = true;
    while ((node = list_pop_front(&transaction->asked)) != NULL) {
        struct client_part *part = container_of(node, struct client_part, place_node);

        part->transaction_serial = transaction->serial;
        client_sender_joined(&producer->sender, part);
    }
}

/* CTX-5 */
static enum client_transaction_step on_end(struct client_producer *producer, const void *response)
{
    const struct end_txn_response *answer = response;
    struct client_transaction *transaction = &producer->transaction;

    if (transaction->version == 2 && answer->producer_id >= 0) {
        client_identity_set(&producer->identity, answer->producer_id, answer->producer_epoch);
    } else if (transaction->must_bump) {
        return CLIENT_STEP_BUMP;
    }
    ended(producer);
    return CLIENT_STEP_NONE;
}

void client_transaction_step_done(struct client_producer *producer, const void *response)
{
    struct client_transaction *transaction = &producer->transaction;
    enum client_transaction_step step = transaction->step;
    const struct init_producer_id_response *bumped = response;

    transaction->step = CLIENT_STEP_NONE;
    transaction->attempts_count = 0;
    transaction->is_in_doubt = false;
    switch (step) {
    case CLIENT_STEP_INIT:
        on_init(producer, response);
        break;
    case CLIENT_STEP_JOIN:
        on_joined(producer);
        break;
    case CLIENT_STEP_ADD_OFFSETS:
        transaction->has_started = true;
        transaction->step = CLIENT_STEP_COMMIT_OFFSETS;
        break;
    case CLIENT_STEP_COMMIT_OFFSETS:
        if (transaction->state == CLIENT_TRANSACTION_FAILED)
            finish_failed(producer);
        else
            client_transaction_finish(producer, KAFKA_NONE, OK);
        break;
    case CLIENT_STEP_END:
        transaction->step = on_end(producer, response);
        break;
    case CLIENT_STEP_BUMP:
        client_identity_set(&producer->identity, bumped->producer_id, bumped->producer_epoch);
        ended(producer);
        break;
    case CLIENT_STEP_NONE:
        break;
    }
}
