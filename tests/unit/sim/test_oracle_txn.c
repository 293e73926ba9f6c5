#include "net/protocol/kafka_errors.h"
#include "tests/sim/oracle_txn_log.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct oracle *oracle;
static struct oracle_txn txn;
static struct oracle_txn_log ledger;
static uint32_t session;

enum { P = 7, ALL = 0, COMMITTED = 1 };

static uint64_t now_ns; /* each call later than the one before */

static uint32_t session_of(uint32_t process, int16_t epoch)
{
    struct oracle_txn_session told = {.process = process,
                                      .is_tv2 = true,
                                      .producer_id = P,
                                      .producer_epoch = epoch,
                                      .timeout_ns = 1000000};

    oracle_txn_init_asked(&txn, 0);
    return oracle_txn_init_told(&txn, ++now_ns, &told);
}

static void setup(void)
{
    oracle = oracle_create();
    oracle_txn_init(&txn, oracle);
    oracle_txn_log_init(&ledger, &txn, 1);
    ledger.views[COMMITTED].is_committed = true;
    session = session_of(1, 0);
}

static void teardown(void)
{
    oracle_txn_log_deinit(&ledger);
    oracle_txn_deinit(&txn);
    oracle_destroy(oracle);
}

TestSuite(oracle_txn, .init = setup, .fini = teardown);

static void is_sound(void)
{
    cr_assert(oracle_first(oracle) == NULL, "%s", oracle_first(oracle)->text);
}

static void is_broken(const char *rule)
{
    cr_assert(oracle_first(oracle) != NULL);
    cr_assert(eq(str, (char *)oracle_first(oracle)->rule, (char *)rule));
}

static uint32_t send(uint32_t transaction, int32_t sequence, int64_t amount)
{
    struct oracle_txn_record record = {
        .transaction = transaction, .producer_id = P, .sequence = sequence, .amount = amount};
    uint32_t number;

    oracle_txn_begun(&txn, ++now_ns, session);
    number = oracle_txn_send(&txn, &record);
    oracle_txn_acknowledged(&txn, now_ns + 1, now_ns, number, 1, -1);
    now_ns++;
    return number;
}

/* Two records, as a transfer. */
static uint32_t transfer(void)
{
    uint32_t transaction = oracle_txn_begin(&txn, session);

    send(transaction, 0, 5);
    send(transaction, 1, -5);
    return transaction;
}

static void commit(uint32_t transaction)
{
    uint64_t asked_ns = ++now_ns;

    oracle_txn_commit_asked(&txn, asked_ns, transaction);
    oracle_txn_ended(&txn, ++now_ns, asked_ns, session, transaction, true, P, 1);
}

Test(oracle_txn, a_commit_that_was_told_is_seen_whole)
{
    commit(transfer());
    oracle_txn_log_seen(&ledger, ++now_ns, COMMITTED, 0, 0, 0);
    oracle_txn_log_seen(&ledger, ++now_ns, COMMITTED, 0, 1, 1);
    oracle_txn_log_judge_view(&ledger, ++now_ns, COMMITTED);
    is_sound();
}

Test(oracle_txn, a_part_of_it_is_not_enough)
{
    commit(transfer());
    oracle_txn_log_seen(&ledger, ++now_ns, COMMITTED, 0, 0, 0);
    oracle_txn_log_judge_view(&ledger, ++now_ns, COMMITTED);
    is_broken("T4");
}

Test(oracle_txn, nor_is_nothing)
{
    commit(transfer());
    oracle_txn_log_judge_view(&ledger, ++now_ns, COMMITTED);
    is_broken("T5");
}

Test(oracle_txn, what_nobody_has_committed_is_not_seen)
{
    transfer();
    oracle_txn_log_seen(&ledger, ++now_ns, ALL, 0, 0, 0);
    is_sound();
    oracle_txn_log_seen(&ledger, ++now_ns, COMMITTED, 0, 0, 0);
    is_broken("T5");
}

Test(oracle_txn, a_commit_in_doubt_is_one_of_both_and_stays_what_was_seen)
{
    uint32_t transaction = transfer();

    oracle_txn_commit_asked(&txn, ++now_ns, transaction);
    oracle_txn_left(&txn, ++now_ns, session, transaction);
    oracle_txn_log_judge_view(&ledger, ++now_ns, COMMITTED);
    is_sound();
    oracle_txn_log_seen(&ledger, ++now_ns, COMMITTED, 0, 0, 0);
    oracle_txn_log_seen(&ledger, ++now_ns, COMMITTED, 0, 1, 1);
    oracle_txn_log_judge_view(&ledger, ++now_ns, COMMITTED);
    is_sound();
    oracle_txn_log_forget(&ledger, COMMITTED);
    oracle_txn_log_judge_view(&ledger, ++now_ns, COMMITTED);
    is_broken("T5");
}

Test(oracle_txn, nobody_is_refused_whom_nobody_has_fenced)
{
    oracle_txn_refused(&txn, ++now_ns, session, "Produce", KAFKA_INVALID_PRODUCER_EPOCH);
    is_broken("T9");
}

Test(oracle_txn, who_is_fenced_or_late_may_be_refused)
{
    transfer();
    oracle_txn_refused(&txn, now_ns + 2000000, session, "EndTxn", KAFKA_PRODUCER_FENCED);
    is_sound();
    session_of(2, 1);
    oracle_txn_refused(&txn, ++now_ns, session, "EndTxn", KAFKA_PRODUCER_FENCED);
    is_sound();
}

Test(oracle_txn, nothing_of_a_fenced_producer_takes_effect)
{
    session_of(2, 1);
    transfer();
    is_broken("T9");
}

Test(oracle_txn, one_epoch_is_one_producers)
{
    session_of(2, 0);
    is_broken("T9");
}

Test(oracle_txn, the_list_of_the_aborted_is_that_of_the_log)
{
    struct oracle_txn_listed listed = {P, 0};
    struct oracle_txn_answer answer = {
        .next_offset = 3, .stable = 3, .high = 3, .listed = &listed, .is_committed = true};
    struct oracle_txn_slot slot = {.kind = ORACLE_TXN_RECORD, .producer_id = P};

    transfer();
    oracle_txn_log_holds(&ledger, ++now_ns, 0, 0, &slot);
    slot.record = 1;
    oracle_txn_log_holds(&ledger, ++now_ns, 0, 1, &slot);
    slot =
        (struct oracle_txn_slot){.kind = ORACLE_TXN_ABORT, .producer_id = P, .producer_epoch = 1};
    oracle_txn_log_holds(&ledger, ++now_ns, 0, 2, &slot);
    answer.listed_count = 1;
    oracle_txn_log_answer(&ledger, &answer);
    is_sound();
    answer.listed_count = 0;
    oracle_txn_log_answer(&ledger, &answer);
    is_broken("T13");
}

Test(oracle_txn, the_last_stable_offset_does_not_go_back)
{
    struct oracle_txn_answer answer = {.stable = 3, .high = 4, .floor_stable = 3};

    oracle_txn_log_answer(&ledger, &answer);
    is_sound();
    answer.stable = 2;
    oracle_txn_log_answer(&ledger, &answer);
    is_broken("T12");
}
