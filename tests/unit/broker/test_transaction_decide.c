#include "broker/coordinator/transaction_decide.h"
#include "net/protocol/kafka_errors.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

enum { P = 1000, P_NEXT = 2000, TIMEOUT_MS = 60000, NOW_MS = 5000 };

static struct transaction transaction;

static void be(enum transaction_state state, int16_t epoch)
{
    transaction_init(&transaction, P, TIMEOUT_MS, 0);
    transaction.fields.state = state;
    transaction.fields.epoch = epoch;
}

static struct transaction_event event_of(enum transaction_event_kind kind, int8_t version,
                                         int64_t producer_id, int16_t epoch)
{
    return (struct transaction_event){.kind = kind,
                                      .version = version,
                                      .producer_id = producer_id,
                                      .epoch = epoch,
                                      .now_ms = NOW_MS,
                                      .timeout_ms = TIMEOUT_MS,
                                      .new_producer_id = P_NEXT};
}

/* Decided, and applied when it writes. */
static struct transaction_decision take(const struct transaction_event *event)
{
    struct transaction_decision decision = transaction_decide(&transaction, event);

    if (decision.writes)
        transaction_apply(&transaction, &decision.next, decision.next_last_epoch);
    return decision;
}

static struct transaction_decision end(int8_t version, int64_t producer_id, int16_t epoch,
                                       bool commit)
{
    struct transaction_event event = event_of(TRANSACTION_END, version, producer_id, epoch);

    event.commit = commit;
    return take(&event);
}

static struct transaction_decision init(int64_t producer_id, int16_t epoch, int8_t version)
{
    struct transaction_event event = event_of(TRANSACTION_INIT, version, producer_id, epoch);

    return take(&event);
}

static struct transaction_decision add(int64_t producer_id, int16_t epoch, bool has_all)
{
    struct transaction_event event = event_of(TRANSACTION_ADD, TRANSACTION_V1, producer_id, epoch);

    event.has_all = has_all;
    return take(&event);
}

static struct transaction_decision happen(enum transaction_event_kind kind, int8_t version)
{
    struct transaction_event event =
        event_of(kind, version, TRANSACTION_NO_PRODUCER, TRANSACTION_NO_EPOCH);

    return take(&event);
}

static void is_now(enum transaction_state state, int64_t producer_id, int16_t epoch)
{
    cr_assert(eq(int, transaction.fields.state, state));
    cr_assert(eq(i64, transaction.fields.producer_id, producer_id));
    cr_assert(eq(i16, transaction.fields.epoch, epoch));
}

static void is_refused(struct transaction_decision decision, int16_t error)
{
    cr_assert(eq(i16, decision.error, error));
    cr_assert(not(decision.writes)); /* TXD-1 */
}

static void is_answered(struct transaction_decision decision, int64_t producer_id, int16_t epoch)
{
    cr_assert(eq(i16, decision.error, KAFKA_NONE));
    cr_assert(eq(i64, decision.producer_id, producer_id));
    cr_assert(eq(i16, decision.epoch, epoch));
}

/* ---- InitProducerId */

Test(transaction_decide, a_new_id_begins_with_epoch_0)
{
    transaction_init(&transaction, P, 1, 0);
    is_answered(init(-1, -1, TRANSACTION_V1), P, 0);
    is_now(TRANSACTION_EMPTY, P, 0);
    cr_assert(eq(i32, transaction.fields.timeout_ms, TIMEOUT_MS));
    cr_assert(eq(i64, transaction.fields.started_ms, TRANSACTION_NO_TIME));
}

Test(transaction_decide, a_second_instance_fences_the_first)
{
    be(TRANSACTION_EMPTY, 3);
    is_answered(init(-1, -1, TRANSACTION_V1), P, 4);
    is_refused(init(P, 3, TRANSACTION_V1), KAFKA_PRODUCER_FENCED);
    is_refused(add(P, 3, false), KAFKA_PRODUCER_FENCED);
    is_refused(end(TRANSACTION_V1, P, 3, true), KAFKA_PRODUCER_FENCED);
    is_now(TRANSACTION_EMPTY, P, 4);
}

Test(transaction_decide, who_gives_its_epoch_gets_the_next_and_the_same_when_it_asks_again)
{
    be(TRANSACTION_COMPLETE_COMMIT, 3);
    is_answered(init(P, 3, TRANSACTION_V1), P, 4);
    is_answered(init(P, 3, TRANSACTION_V1), P, 4); /* the first answer was lost */
    is_answered(init(P, 4, TRANSACTION_V1), P, 5);
    is_refused(init(P, 3, TRANSACTION_V1), KAFKA_PRODUCER_FENCED);
    is_refused(init(P + 1, 5, TRANSACTION_V1), KAFKA_PRODUCER_FENCED);
}

Test(transaction_decide, an_open_transaction_is_aborted_first)
{
    be(TRANSACTION_ONGOING, 3);
    is_refused(init(P, 2, TRANSACTION_V1), KAFKA_PRODUCER_FENCED); /* stricter than Kafka */
    is_now(TRANSACTION_ONGOING, P, 3);
    cr_assert(eq(i16, init(-1, -1, TRANSACTION_V1).error, KAFKA_CONCURRENT_TRANSACTIONS));
    is_now(TRANSACTION_PREPARE_ABORT, P, 4);
    is_refused(init(-1, -1, TRANSACTION_V1), KAFKA_CONCURRENT_TRANSACTIONS);
    happen(TRANSACTION_COMPLETE, TRANSACTION_V1);
    is_now(TRANSACTION_COMPLETE_ABORT, P, 4);
    is_refused(end(TRANSACTION_V1, P, 3, true), KAFKA_PRODUCER_FENCED);
    is_answered(init(-1, -1, TRANSACTION_V1), P, 5);
}

Test(transaction_decide, after_a_fence_its_holder_goes_on_under_v2_and_not_under_v1)
{
    be(TRANSACTION_ONGOING, 3);
    init(P, 3, TRANSACTION_V2);
    happen(TRANSACTION_COMPLETE, TRANSACTION_V2);
    is_answered(init(P, 3, TRANSACTION_V2), P, 4);

    be(TRANSACTION_ONGOING, 3);
    init(P, 3, TRANSACTION_V1);
    happen(TRANSACTION_COMPLETE, TRANSACTION_V1);
    is_refused(init(P, 3, TRANSACTION_V1), KAFKA_PRODUCER_FENCED);
}

Test(transaction_decide, an_exhausted_epoch_is_followed_by_a_new_producer_id)
{
    struct transaction_event event =
        event_of(TRANSACTION_INIT, TRANSACTION_V1, P, TRANSACTION_EPOCH_LAST);
    struct transaction_decision decision;

    be(TRANSACTION_EMPTY, TRANSACTION_EPOCH_LAST);
    event.new_producer_id = TRANSACTION_NO_PRODUCER;
    decision = transaction_decide(&transaction, &event);
    cr_assert(decision.needs_producer_id && !decision.writes);
    is_answered(init(P, TRANSACTION_EPOCH_LAST, TRANSACTION_V1), P_NEXT, 0);
    cr_assert(eq(i64, transaction.fields.previous_producer_id, P));
    is_answered(init(P, TRANSACTION_EPOCH_LAST, TRANSACTION_V1), P_NEXT, 0); /* asked again */
    is_refused(init(P, 7, TRANSACTION_V1), KAFKA_PRODUCER_FENCED);
}

Test(transaction_decide, a_decision_under_way_is_waited_for)
{
    be(TRANSACTION_ONGOING, 3);
    transaction.is_pending = true;
    is_refused(init(-1, -1, TRANSACTION_V1), KAFKA_CONCURRENT_TRANSACTIONS);
    is_refused(add(P, 3, false), KAFKA_CONCURRENT_TRANSACTIONS);
    is_refused(end(TRANSACTION_V1, P, 3, true), KAFKA_CONCURRENT_TRANSACTIONS);
    is_refused(end(TRANSACTION_V1, P, 2, true), KAFKA_PRODUCER_FENCED);
    is_refused(end(TRANSACTION_V2, P, 2, true), KAFKA_CONCURRENT_TRANSACTIONS);
    is_refused(happen(TRANSACTION_TIMEOUT, TRANSACTION_V1), KAFKA_CONCURRENT_TRANSACTIONS);
}

/* The first process speaks TV2; the second one has its epoch from InitProducerId, and ends by TV1.
 */
Test(transaction_decide, a_fenced_process_of_v2_is_not_told_the_epoch_of_one_of_v1)
{
    for (int commit = 0; commit <= 1; commit++) {
        be(TRANSACTION_COMPLETE_ABORT, 3);
        is_answered(init(-1, -1, TRANSACTION_V2), P, 4);
        add(P, 4, false);
        end(TRANSACTION_V1, P, 4, commit);
        happen(TRANSACTION_COMPLETE, TRANSACTION_V1);
        is_refused(end(TRANSACTION_V2, P, 3, true), KAFKA_PRODUCER_FENCED);
        is_refused(end(TRANSACTION_V2, P, 3, false), KAFKA_PRODUCER_FENCED);
    }
}

/* ---- partitions */

Test(transaction_decide, the_first_partition_begins_it_and_what_is_there_is_not_recorded_again)
{
    struct transaction_decision decision;

    be(TRANSACTION_COMPLETE_ABORT, 3);
    is_refused(add(P + 1, 3, false), KAFKA_INVALID_PRODUCER_ID_MAPPING);
    decision = add(P, 3, false);
    cr_assert(decision.writes);
    is_now(TRANSACTION_ONGOING, P, 3);
    cr_assert(eq(i64, transaction.fields.started_ms, NOW_MS));
    decision = add(P, 3, true);
    is_answered(decision, P, 3);
    cr_assert(not(decision.writes));
    end(TRANSACTION_V1, P, 3, true);
    is_refused(add(P, 3, false), KAFKA_CONCURRENT_TRANSACTIONS);
}

Test(transaction_decide, verifying_changes_nothing)
{
    struct transaction_event event = event_of(TRANSACTION_VERIFY, TRANSACTION_V1, P, 3);

    be(TRANSACTION_ONGOING, 3);
    is_refused(take(&event), KAFKA_TRANSACTION_ABORTABLE);
    event.has_all = true;
    is_answered(take(&event), P, 3);
    event.epoch = 2;
    is_refused(take(&event), KAFKA_PRODUCER_FENCED);
    event.producer_id = 1;
    is_refused(take(&event), KAFKA_INVALID_PRODUCER_ID_MAPPING);
    be(TRANSACTION_PREPARE_COMMIT, 3);
    event = event_of(TRANSACTION_VERIFY, TRANSACTION_V1, P, 3);
    is_refused(take(&event), KAFKA_CONCURRENT_TRANSACTIONS);
}

/* ---- EndTxn: the table of states.  Outcomes: what is refused, or P: Prepare*, R: as it is. */

struct end_row {
    enum transaction_state state;
    int8_t version;
    bool commit;
    bool is_old; /* the epoch before the current one */
    int16_t error;
    bool prepares;
};

static const struct end_row end_rows[] = {
    {TRANSACTION_ONGOING, 1, true, false, KAFKA_NONE, true},
    {TRANSACTION_ONGOING, 1, false, false, KAFKA_NONE, true},
    {TRANSACTION_ONGOING, 1, true, true, KAFKA_PRODUCER_FENCED, false},
    {TRANSACTION_ONGOING, 2, true, false, KAFKA_NONE, true},
    {TRANSACTION_ONGOING, 2, false, false, KAFKA_NONE, true},
    {TRANSACTION_ONGOING, 2, false, true, KAFKA_PRODUCER_FENCED, false},
    {TRANSACTION_EMPTY, 1, true, false, KAFKA_INVALID_TXN_STATE, false},
    {TRANSACTION_EMPTY, 1, false, false, KAFKA_INVALID_TXN_STATE, false},
    {TRANSACTION_EMPTY, 2, true, false, KAFKA_INVALID_TXN_STATE, false},
    {TRANSACTION_EMPTY, 2, false, false, KAFKA_NONE, true},
    {TRANSACTION_EMPTY, 2, false, true, KAFKA_PRODUCER_FENCED, false},
    {TRANSACTION_PREPARE_COMMIT, 1, true, false, KAFKA_CONCURRENT_TRANSACTIONS, false},
    {TRANSACTION_PREPARE_COMMIT, 1, false, false, KAFKA_CONCURRENT_TRANSACTIONS, false},
    {TRANSACTION_PREPARE_COMMIT, 1, true, true, KAFKA_PRODUCER_FENCED, false},
    {TRANSACTION_PREPARE_ABORT, 2, true, false, KAFKA_CONCURRENT_TRANSACTIONS, false},
    {TRANSACTION_PREPARE_ABORT, 2, false, true, KAFKA_CONCURRENT_TRANSACTIONS, false},
    {TRANSACTION_COMPLETE_COMMIT, 1, true, false, KAFKA_NONE, false},
    {TRANSACTION_COMPLETE_COMMIT, 1, false, false, KAFKA_INVALID_TXN_STATE, false},
    {TRANSACTION_COMPLETE_COMMIT, 2, true, true, KAFKA_NONE, false},
    {TRANSACTION_COMPLETE_COMMIT, 2, true, false, KAFKA_INVALID_TXN_STATE, false},
    {TRANSACTION_COMPLETE_COMMIT, 2, false, true, KAFKA_INVALID_TXN_STATE, false},
    {TRANSACTION_COMPLETE_COMMIT, 2, false, false, KAFKA_NONE, true},
    {TRANSACTION_COMPLETE_ABORT, 1, true, false, KAFKA_INVALID_TXN_STATE, false},
    {TRANSACTION_COMPLETE_ABORT, 1, false, false, KAFKA_NONE, false},
    {TRANSACTION_COMPLETE_ABORT, 2, true, true, KAFKA_INVALID_TXN_STATE, false},
    {TRANSACTION_COMPLETE_ABORT, 2, true, false, KAFKA_INVALID_TXN_STATE, false},
    {TRANSACTION_COMPLETE_ABORT, 2, false, true, KAFKA_NONE, false},
    {TRANSACTION_COMPLETE_ABORT, 2, false, false, KAFKA_NONE, true},
};

Test(transaction_decide, ending_it_in_each_state)
{
    for (size_t i = 0; i < sizeof(end_rows) / sizeof(end_rows[0]); i++) {
        const struct end_row *row = &end_rows[i];
        struct transaction_decision decision;

        be(row->state, 5);
        transaction.fields.client_version = row->version;
        decision = end(row->version, P, row->is_old ? 4 : 5, row->commit);
        cr_assert(eq(i16, decision.error, row->error), "row %zu", i);
        cr_assert(eq(int, decision.writes, row->prepares), "row %zu", i);
        if (row->prepares) {
            int16_t epoch = row->version >= 2 ? 6 : 5;
            is_now(row->commit ? TRANSACTION_PREPARE_COMMIT : TRANSACTION_PREPARE_ABORT, P, epoch);
            is_answered(decision, P, epoch);
        } else if (row->error == KAFKA_NONE) {
            is_answered(decision, P, 5);
        }
    }
}

Test(transaction_decide, the_last_epoch_ends_with_the_next_producer_id)
{
    struct transaction_event event =
        event_of(TRANSACTION_END, TRANSACTION_V2, P, TRANSACTION_EPOCH_LAST);

    be(TRANSACTION_ONGOING, TRANSACTION_EPOCH_LAST);
    event.commit = true;
    event.new_producer_id = TRANSACTION_NO_PRODUCER;
    cr_assert(transaction_decide(&transaction, &event).needs_producer_id);
    is_answered(end(TRANSACTION_V2, P, TRANSACTION_EPOCH_LAST, true), P_NEXT, 0); /* TXN-2 */
    is_now(TRANSACTION_PREPARE_COMMIT, P, INT16_MAX);
    happen(TRANSACTION_COMPLETE, TRANSACTION_V2);
    is_now(TRANSACTION_COMPLETE_COMMIT, P_NEXT, 0);
    is_answered(end(TRANSACTION_V2, P, TRANSACTION_EPOCH_LAST, true), P_NEXT, 0);
    is_refused(end(TRANSACTION_V2, P, TRANSACTION_EPOCH_LAST, false), KAFKA_INVALID_TXN_STATE);
}

Test(transaction_decide, a_timeout_takes_one_epoch)
{
    be(TRANSACTION_ONGOING, 3);
    happen(TRANSACTION_TIMEOUT, TRANSACTION_V2);
    is_now(TRANSACTION_PREPARE_ABORT, P, 4);
    is_refused(happen(TRANSACTION_TIMEOUT, TRANSACTION_V2), KAFKA_CONCURRENT_TRANSACTIONS);
    happen(TRANSACTION_COMPLETE, TRANSACTION_V2);
    is_now(TRANSACTION_COMPLETE_ABORT, P, 4);
    is_refused(end(TRANSACTION_V2, P, 3, true), KAFKA_INVALID_TXN_STATE);
}

Test(transaction_decide, what_is_idle_expires)
{
    be(TRANSACTION_ONGOING, 3);
    is_refused(happen(TRANSACTION_EXPIRE, TRANSACTION_V1), KAFKA_CONCURRENT_TRANSACTIONS);
    be(TRANSACTION_COMPLETE_COMMIT, 3);
    cr_assert(happen(TRANSACTION_EXPIRE, TRANSACTION_V1).writes);
    cr_assert(eq(int, transaction.fields.state, TRANSACTION_DEAD));
}
