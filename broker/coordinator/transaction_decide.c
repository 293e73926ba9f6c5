#include "broker/coordinator/transaction_decide.h"

#include "base/check.h"
#include "net/protocol/kafka_errors.h"

/* ---- decisions */

static struct transaction_decision refuse(int16_t error)
{
    return (struct transaction_decision){
        .error = error, .producer_id = TRANSACTION_NO_PRODUCER, .epoch = TRANSACTION_NO_EPOCH};
}

/* All is as it should be: the answer tells what there is. */
static struct transaction_decision repeat(const struct transaction *transaction)
{
    return (struct transaction_decision){.producer_id = transaction->fields.producer_id,
                                         .epoch = transaction->fields.epoch};
}

static struct transaction_decision draw_first(void)
{
    struct transaction_decision decision = refuse(KAFKA_NONE);

    decision.needs_producer_id = true;
    return decision;
}

static struct transaction_decision record(const struct transaction *transaction,
                                          const struct transaction_fields *next,
                                          int16_t next_last_epoch)
{
    check(transaction_may_follow(transaction->fields.state, next->state)); /* TXN-1 */
    return (struct transaction_decision){.writes = true,
                                         .next = *next,
                                         .next_last_epoch = next_last_epoch,
                                         .producer_id = next->producer_id,
                                         .epoch = next->epoch};
}

static bool is_complete(const struct transaction *transaction)
{
    return transaction->fields.state == TRANSACTION_COMPLETE_COMMIT ||
           transaction->fields.state == TRANSACTION_COMPLETE_ABORT;
}

static bool is_idle(const struct transaction *transaction)
{
    return transaction->fields.state == TRANSACTION_EMPTY || is_complete(transaction);
}

/* ---- ending: Prepare* */

/* Under TV2 the end begins the next epoch, and where there is none a new producer id, which is
 * drawn before and recorded, so that a start ends it in the same way. */
static struct transaction_decision prepare(const struct transaction *transaction,
                                           const struct transaction_event *event, bool commit,
                                           bool is_fence)
{
    struct transaction_fields next = transaction->fields;
    bool bumps = event->version >= TRANSACTION_V2;
    int16_t last_epoch = transaction->last_epoch;
    struct transaction_decision decision;

    if (bumps && transaction_epoch_is_exhausted(next.epoch)) {
        if (event->new_producer_id == TRANSACTION_NO_PRODUCER)
            return draw_first();
        next.next_producer_id = event->new_producer_id;
    }
    if (bumps)
        last_epoch = next.epoch;
    else if (is_fence)
        last_epoch = TRANSACTION_NO_EPOCH;
    if (bumps || is_fence)
        next.epoch++;
    if (is_idle(transaction)) /* nothing was begun: an abort of nothing */
        next.started_ms = event->now_ms;
    next.state = commit ? TRANSACTION_PREPARE_COMMIT : TRANSACTION_PREPARE_ABORT;
    next.client_version = event->version;
    next.updated_ms = event->now_ms;
    decision = record(transaction, &next, last_epoch);
    if (next.next_producer_id != TRANSACTION_NO_PRODUCER) { /* TXN-2: as it will be */
        decision.producer_id = next.next_producer_id;
        decision.epoch = 0;
    }
    return decision;
}

/* ---- InitProducerId */

/* Does the client's id belong to this transactional id at all? */
static bool knows_producer(const struct transaction *transaction,
                           const struct transaction_event *event)
{
    const struct transaction_fields *fields = &transaction->fields;

    return event->producer_id == TRANSACTION_NO_PRODUCER || fields->epoch == TRANSACTION_NO_EPOCH ||
           event->producer_id == fields->producer_id ||
           (event->producer_id == fields->previous_producer_id &&
            transaction_epoch_is_exhausted(event->epoch));
}

/* Whom it belongs to from now on. */
static struct transaction_decision hand_over(const struct transaction *transaction,
                                             const struct transaction_event *event)
{
    struct transaction_fields next = transaction->fields;
    bool gave_one = event->producer_id != TRANSACTION_NO_PRODUCER;
    bool has_newest = gave_one && event->epoch == next.epoch;
    int16_t last_epoch;

    if (transaction_epoch_is_exhausted(next.epoch) && (!gave_one || has_newest)) {
        if (event->new_producer_id == TRANSACTION_NO_PRODUCER)
            return draw_first();
        last_epoch = has_newest ? next.epoch : TRANSACTION_NO_EPOCH;
        next.previous_producer_id = next.producer_id;
        next.producer_id = event->new_producer_id;
        next.epoch = 0;
    } else if (!gave_one || has_newest || next.epoch == TRANSACTION_NO_EPOCH) {
        last_epoch = gave_one ? next.epoch : TRANSACTION_NO_EPOCH;
        next.epoch++;
    } else if (event->epoch == transaction->last_epoch && event->epoch != TRANSACTION_NO_EPOCH) {
        last_epoch = transaction->last_epoch; /* the answer was lost (KIP-360) */
    } else {
        return refuse(KAFKA_PRODUCER_FENCED);
    }
    next.state = TRANSACTION_EMPTY;
    next.client_version = event->version;
    next.timeout_ms = event->timeout_ms;
    next.next_producer_id = TRANSACTION_NO_PRODUCER;
    next.started_ms = TRANSACTION_NO_TIME;
    next.updated_ms = event->now_ms;
    return record(transaction, &next, last_epoch);
}

/* A transaction is open: it is aborted first, and the client asks again.  A client with another
 * epoch fences nothing: Kafka looks at the id alone here, and a zombie aborts what is alive. */
static struct transaction_decision fence(const struct transaction *transaction,
                                         const struct transaction_event *event)
{
    struct transaction_decision decision;

    if (event->producer_id != TRANSACTION_NO_PRODUCER && event->epoch != transaction->fields.epoch)
        return refuse(KAFKA_PRODUCER_FENCED);
    decision = prepare(transaction, event, false, true);
    decision.error = decision.needs_producer_id ? KAFKA_NONE : KAFKA_CONCURRENT_TRANSACTIONS;
    return decision;
}

static struct transaction_decision init(const struct transaction *transaction,
                                        const struct transaction_event *event)
{
    if (transaction->is_pending)
        return refuse(KAFKA_CONCURRENT_TRANSACTIONS);
    if (!knows_producer(transaction, event))
        return refuse(KAFKA_PRODUCER_FENCED);
    if (transaction_is_ending(transaction))
        return refuse(KAFKA_CONCURRENT_TRANSACTIONS);
    if (transaction->fields.state == TRANSACTION_ONGOING)
        return fence(transaction, event);
    return hand_over(transaction, event);
}

/* ---- partitions */

static int16_t check_holder(const struct transaction *transaction,
                            const struct transaction_event *event)
{
    if (event->producer_id != transaction->fields.producer_id)
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (event->epoch == TRANSACTION_NO_EPOCH || event->epoch != transaction->fields.epoch)
        return KAFKA_PRODUCER_FENCED;
    return KAFKA_NONE;
}

static struct transaction_decision add(const struct transaction *transaction,
                                       const struct transaction_event *event)
{
    struct transaction_fields next = transaction->fields;
    int16_t error;

    if (transaction->is_pending)
        return refuse(KAFKA_CONCURRENT_TRANSACTIONS);
    error = check_holder(transaction, event);
    if (error != KAFKA_NONE)
        return refuse(error);
    if (transaction_is_ending(transaction))
        return refuse(KAFKA_CONCURRENT_TRANSACTIONS);
    if (next.state == TRANSACTION_ONGOING && event->has_all)
        return repeat(transaction);
    if (next.state != TRANSACTION_ONGOING)
        next.started_ms = event->now_ms;
    next.state = TRANSACTION_ONGOING;
    next.client_version = event->version;
    next.updated_ms = event->now_ms;
    return record(transaction, &next, transaction->last_epoch);
}

static struct transaction_decision verify(const struct transaction *transaction,
                                          const struct transaction_event *event)
{
    int16_t error = check_holder(transaction, event);

    if (error == KAFKA_NONE && (transaction->is_pending || transaction_is_ending(transaction)))
        error = KAFKA_CONCURRENT_TRANSACTIONS;
    if (error == KAFKA_NONE &&
        !(transaction->fields.state == TRANSACTION_ONGOING && event->has_all))
        error = KAFKA_TRANSACTION_ABORTABLE;
    return error == KAFKA_NONE ? repeat(transaction) : refuse(error);
}

/* ---- EndTxn */

/* TV1: the epoch stays, so that a repeat looks like the first time. */
static struct transaction_decision end_v1(const struct transaction *transaction,
                                          const struct transaction_event *event)
{
    enum transaction_state done =
        event->commit ? TRANSACTION_COMPLETE_COMMIT : TRANSACTION_COMPLETE_ABORT;
    int16_t error = check_holder(transaction, event);

    if (error != KAFKA_NONE)
        return refuse(error);
    if (transaction->is_pending || transaction_is_ending(transaction))
        return refuse(KAFKA_CONCURRENT_TRANSACTIONS);
    if (transaction->fields.state == TRANSACTION_ONGOING)
        return prepare(transaction, event, event->commit, false);
    return transaction->fields.state == done ? repeat(transaction)
                                             : refuse(KAFKA_INVALID_TXN_STATE);
}

/* Does the client ask again to end what was ended with its epoch?  After the last epoch of an id
 * the transaction went on under a new id.  Only an end by TV2 has given the next epoch: where TV1
 * has ended it, the epoch is another process's, whose InitProducerId has fenced this one (DUR-T9;
 * Kafka tells it that process's epoch). */
static bool asks_again(const struct transaction *transaction, const struct transaction_event *event)
{
    const struct transaction_fields *fields = &transaction->fields;

    if (!is_complete(transaction) || fields->client_version < TRANSACTION_V2)
        return false;
    if (event->producer_id == fields->producer_id)
        return fields->epoch == event->epoch + 1;
    return event->producer_id == fields->previous_producer_id &&
           event->epoch == TRANSACTION_EPOCH_LAST && fields->epoch == 0;
}

static struct transaction_decision end_v2(const struct transaction *transaction,
                                          const struct transaction_event *event)
{
    enum transaction_state done =
        event->commit ? TRANSACTION_COMPLETE_COMMIT : TRANSACTION_COMPLETE_ABORT;
    int16_t error;

    if (transaction->is_pending || transaction_is_ending(transaction))
        return refuse(KAFKA_CONCURRENT_TRANSACTIONS);
    if (asks_again(transaction, event))
        return transaction->fields.state == done ? repeat(transaction)
                                                 : refuse(KAFKA_INVALID_TXN_STATE);
    error = check_holder(transaction, event);
    if (error != KAFKA_NONE)
        return refuse(error);
    if (transaction->fields.state != TRANSACTION_ONGOING && event->commit)
        return refuse(KAFKA_INVALID_TXN_STATE);
    return prepare(transaction, event, event->commit, false);
}

/* ---- what the coordinator does by itself */

static struct transaction_decision complete(const struct transaction *transaction,
                                            const struct transaction_event *event)
{
    struct transaction_fields next = transaction->fields;

    check(transaction_is_ending(transaction) && transaction->partition_count == 0); /* TXD-3 */
    next.state = next.state == TRANSACTION_PREPARE_COMMIT ? TRANSACTION_COMPLETE_COMMIT
                                                          : TRANSACTION_COMPLETE_ABORT;
    if (next.next_producer_id != TRANSACTION_NO_PRODUCER) {
        next.previous_producer_id = next.producer_id;
        next.producer_id = next.next_producer_id;
        next.next_producer_id = TRANSACTION_NO_PRODUCER;
        next.epoch = 0;
    }
    next.updated_ms = event->now_ms;
    return record(transaction, &next, transaction->last_epoch);
}

static struct transaction_decision time_out(const struct transaction *transaction,
                                            const struct transaction_event *event)
{
    if (transaction->is_pending || transaction->fields.state != TRANSACTION_ONGOING)
        return refuse(KAFKA_CONCURRENT_TRANSACTIONS);
    return prepare(transaction, event, false, true);
}

static struct transaction_decision expire(const struct transaction *transaction,
                                          const struct transaction_event *event)
{
    struct transaction_fields next = transaction->fields;

    if (transaction->is_pending || !is_idle(transaction))
        return refuse(KAFKA_CONCURRENT_TRANSACTIONS);
    next.state = TRANSACTION_DEAD;
    next.updated_ms = event->now_ms;
    return record(transaction, &next, TRANSACTION_NO_EPOCH);
}

struct transaction_decision transaction_decide(const struct transaction *transaction,
                                               const struct transaction_event *event)
{
    switch (event->kind) {
    case TRANSACTION_INIT:
        return init(transaction, event);
    case TRANSACTION_ADD:
        return add(transaction, event);
    case TRANSACTION_VERIFY:
        return verify(transaction, event);
    case TRANSACTION_END:
        return event->version >= TRANSACTION_V2 ? end_v2(transaction, event)
                                                : end_v1(transaction, event);
    case TRANSACTION_COMPLETE:
        return complete(transaction, event);
    case TRANSACTION_TIMEOUT:
        return time_out(transaction, event);
    case TRANSACTION_EXPIRE:
        return expire(transaction, event);
    }
    check(false);
}
