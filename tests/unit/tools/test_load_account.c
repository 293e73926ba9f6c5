#include "tests/unit/tools/load_account_rig.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(load_account, .init = setup, .fini = teardown);

Test(load_account, everything_once)
{
    store(3000, 0);
    cr_assert(eq(u64, load_account_unread(f.account), 3000));
    for (uint64_t i = 0; i < 3000; i++)
        read_at(i, 0, (int64_t)i);
    found_nothing();
    cr_assert(eq(u64, load_account_unread(f.account), 0));
    cr_assert(eq(u64, f.verdict.sent_count, 3000));
    cr_assert(eq(u64, f.verdict.stored_count, 3000));
    cr_assert(eq(u64, f.verdict.read_count, 3000));
}

Test(load_account, reads_may_come_before_the_acknowledgement)
{
    for (uint64_t i = 0; i < 2048; i++)
        send(0, 0, 0);
    for (uint64_t i = 0; i < 2048; i++)
        read_at(i, 0, (int64_t)i);
    for (uint64_t i = 0; i < 2048; i++)
        ack(i, 0, (int64_t)i);
    found_nothing();
    cr_assert(eq(u64, f.verdict.stored_count, 2048));
    cr_assert(eq(u64, f.verdict.unknown_count, 0));
}

Test(load_account, acknowledged_and_not_read_is_lost)
{
    const struct load_finding *finding;

    store(2000, 0);
    for (uint64_t i = 0; i < 2000; i++) {
        if (i != 1234)
            read_at(i, 0, (int64_t)i);
    }
    finding = found(LOAD_LOST, 1);
    cr_assert(eq(i64, finding->offset, 1234));
    cr_assert(eq(u64, finding->sequence, 1234));
    cr_assert(eq(int, finding->partition, 0));
}

Test(load_account, what_nobody_came_to_read_is_unread_and_not_lost)
{
    store(2000, 0);
    for (uint64_t i = 0; i < 1000; i++) {
        if (i != 700)
            read_at(i, 0, (int64_t)i);
    }
    load_account_close(f.account, false, &f.verdict);
    cr_assert(eq(u64, f.verdict.counts[LOAD_LOST], 1)); /* it was passed */
    cr_assert(eq(i64, f.verdict.findings[0].offset, 700));
    cr_assert(eq(u64, f.verdict.unread_count, 1000));
    load_account_close(f.account, true, &f.verdict);
    cr_assert(eq(u64, f.verdict.counts[LOAD_LOST], 1001));
    cr_assert(eq(u64, f.verdict.unread_count, 0));
}

Test(load_account, unread_alone_is_no_finding_and_not_exactly_once)
{
    struct load_verdict sum = {.is_exactly_once = true};

    store(10, 0);
    load_account_close(f.account, false, &f.verdict);
    cr_assert(not(load_verdict_has_findings(&f.verdict)));
    cr_assert(not(f.verdict.is_exactly_once));
    load_verdict_merge(&sum, &f.verdict);
    cr_assert(eq(u64, sum.unread_count, 10));
    cr_assert(not(sum.is_exactly_once));
}

Test(load_account, a_transaction_is_not_torn_where_nobody_came_to_read_the_rest)
{
    store(10, 1);
    load_account_transaction(f.account, 0, 1, LOAD_COMMITTED);
    for (uint64_t i = 0; i < 4; i++)
        read_at(i, 0, (int64_t)i);
    load_account_close(f.account, false, &f.verdict);
    cr_assert(not(load_verdict_has_findings(&f.verdict)));
    cr_assert(eq(u64, f.verdict.unread_count, 6));
    load_account_close(f.account, true, &f.verdict);
    cr_assert(eq(u64, f.verdict.counts[LOAD_TORN], 1));
    cr_assert(eq(u64, f.verdict.counts[LOAD_LOST], 6));
}

Test(load_account, read_twice_is_doubled)
{
    const struct load_finding *finding;

    store(10, 0);
    for (uint64_t i = 0; i < 10; i++)
        read_at(i, 0, (int64_t)i);
    read_at(4, 0, 10);
    finding = found(LOAD_DOUBLED, 1);
    cr_assert(eq(i64, finding->offset, 10));
    cr_assert(eq(i64, finding->other_offset, 4));
    cr_assert(eq(u64, f.verdict.read_count, 11));
}

Test(load_account, doubled_long_afterwards_is_doubled)
{
    store(3000, 0);
    for (uint64_t i = 0; i < 3000; i++)
        read_at(i, 0, (int64_t)i);
    read_at(4, 0, 3000); /* its page was given back */
    cr_assert(eq(i64, found(LOAD_DOUBLED, 1)->offset, 3000));
}

Test(load_account, delivered_again_is_no_finding)
{
    store(3000, 0);
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < 3000; i++)
            read_at(i, 0, (int64_t)i);
    }
    found_nothing();
    cr_assert(eq(u64, f.verdict.read_count, 3000));
    cr_assert(eq(u64, f.verdict.redelivered_count, 6000));
}

Test(load_account, part_of_a_committed_transaction_is_torn)
{
    const struct load_finding *finding;

    store(5, 1);
    load_account_transaction(f.account, 0, 1, LOAD_COMMITTED);
    for (uint64_t i = 0; i < 4; i++)
        read_at(i, 0, (int64_t)i);
    load_account_close(f.account, true, &f.verdict);
    cr_assert(eq(u64, f.verdict.counts[LOAD_TORN], 1));
    cr_assert(eq(u64, f.verdict.counts[LOAD_LOST], 1));
    finding = f.verdict.findings;
    cr_assert(eq(int, finding->kind, LOAD_TORN));
    cr_assert(eq(u64, finding->transaction, 1));
    cr_assert(eq(i64, finding->offset, 4));
    cr_assert(eq(u64, finding[1].transaction, 1));
    cr_assert(not(f.verdict.is_exactly_once));
    read_at(4, 0, 4);
    found_nothing();
}

Test(load_account, a_whole_committed_transaction_that_is_missing_is_lost)
{
    store(5, 1);
    load_account_transaction(f.account, 0, 1, LOAD_COMMITTED);
    found(LOAD_LOST, 5);
}

Test(load_account, of_an_end_that_nobody_knows_all_or_none)
{
    store(5, 1);
    load_account_transaction(f.account, 0, 1, LOAD_END_UNKNOWN);
    store(5, 2);
    load_account_transaction(f.account, 0, 2, LOAD_END_UNKNOWN);
    for (uint64_t i = 5; i < 10; i++)
        read_at(i, 0, (int64_t)i);
    found_nothing(); /* 1 none, 2 all */
    cr_assert(eq(u64, f.verdict.unknown_transactions, 2));
    cr_assert(eq(u64, f.verdict.unknown_count, 10));
    store(5, 3);
    load_account_transaction(f.account, 0, 3, LOAD_END_UNKNOWN);
    read_at(11, 0, 11);
    cr_assert(eq(u64, found(LOAD_TORN, 1)->transaction, 3));
}

Test(load_account, a_transaction_that_never_ended_is_none)
{
    store(5, 1);
    found_nothing();
    cr_assert(eq(u64, f.verdict.unknown_transactions, 1));
    cr_assert(eq(u64, f.verdict.unknown_count, 5));
}

Test(load_account, aborted_and_read_is_visible)
{
    const struct load_finding *finding;

    store(5, 1);
    load_account_transaction(f.account, 0, 1, LOAD_ABORTED);
    store(5, 2);
    load_account_transaction(f.account, 0, 2, LOAD_COMMITTED);
    read_at(3, 0, 3);
    for (uint64_t i = 5; i < 10; i++)
        read_at(i, 0, (int64_t)i);
    finding = found(LOAD_VISIBLE_ABORTED, 1);
    cr_assert(eq(i64, finding->offset, 3));
    cr_assert(eq(u64, finding->transaction, 1));
    cr_assert(eq(u64, f.verdict.aborted_count, 5));
    cr_assert(eq(u64, f.verdict.stored_count, 5));
}

Test(load_account, aborted_is_visible_if_it_was_read_before_its_end)
{
    store(5, 1);
    read_at(3, 0, 3);
    load_account_transaction(f.account, 0, 1, LOAD_ABORTED);
    cr_assert(eq(i64, found(LOAD_VISIBLE_ABORTED, 1)->offset, 3));
}

Test(load_account, aborted_stays_known_when_its_page_has_lost_its_offsets)
{
    store(5000 - 4096, 0);
    store(4096, 1);
    load_account_transaction(f.account, 0, 1, LOAD_ABORTED);
    for (uint64_t i = 0; i < 5000 - 4096; i++)
        read_at(i, 0, (int64_t)i);
    read_at(2000, 0, 2000);
    read_at(2000, 0, 2000);
    found(LOAD_VISIBLE_ABORTED, 1);
    cr_assert(eq(u64, f.verdict.redelivered_count, 1));
}

Test(load_account, committed_and_aborted_side_by_side)
{
    uint64_t sequence = 0;

    for (uint64_t number = 1; number <= 300; number++) {
        store(1 + number % 13, number);
        load_account_transaction(f.account, 0, number,
                                 number % 3 == 0 ? LOAD_ABORTED : LOAD_COMMITTED);
        for (; sequence < f.sequences[0]; sequence++) {
            if (number % 3 != 0)
                read_at(sequence, 0, (int64_t)sequence);
        }
    }
    found_nothing();
    cr_assert(eq(u64, f.verdict.committed_transactions, 200));
    cr_assert(eq(u64, f.verdict.aborted_transactions, 100));
    cr_assert(eq(u64, f.verdict.stored_count + f.verdict.aborted_count, f.sequences[0]));
    cr_assert(eq(u64, f.verdict.read_count, f.verdict.stored_count));
    cr_assert(eq(u64, load_account_unread(f.account), 0));
}

Test(load_account, two_that_changed_places_are_out_of_order)
{
    const struct load_finding *finding;

    store(10, 0);
    for (uint64_t i = 0; i < 10; i++)
        read_at(i == 4 ? 5 : i == 5 ? 4 : i, 0, (int64_t)i);
    finding = found(LOAD_OUT_OF_ORDER, 1);
    cr_assert(eq(i64, finding->offset, 5));
    cr_assert(eq(i64, finding->other_offset, 4));
    cr_assert(eq(u64, finding->sequence, 4));
}

Test(load_account, order_is_that_of_a_partition)
{
    for (uint64_t i = 0; i < 8; i++)
        ack(send(0, (int32_t)i % 2, 0), (int32_t)i % 2, (int64_t)i / 2);
    for (uint64_t i = 1; i < 8; i += 2)
        read_at(i, 1, (int64_t)i / 2);
    for (uint64_t i = 0; i < 8; i += 2)
        read_at(i, 0, (int64_t)i / 2);
    found_nothing();
}

Test(load_account, a_wrong_checksum_is_corrupt)
{
    uint8_t value[VALUE_BYTES] = {0};
    struct load_stamp out;

    store(1, 0);
    for (int i = 0; i < 2; i++) {
        load_stamp_write(value, sizeof(value), "key", 3, &f.stamps[0]);
        if (i == 0)
            value[VALUE_BYTES - 1] ^= 1;
        cr_assert(eq(int,
                     load_account_read(f.account, 0, 0, i, "key", 3, value, sizeof(value), &out),
                     i == 0 ? ERR_CORRUPT : OK));
    }
    cr_assert(eq(i64, found(LOAD_CORRUPT, 1)->offset, 0));
    /* the key counts, too, and that there is one */
    cr_assert(eq(int, load_account_read(f.account, 0, 0, 2, "kez", 3, value, sizeof(value), &out),
                 ERR_CORRUPT));
    cr_assert(eq(int, load_account_read(f.account, 0, 0, 3, NULL, -1, value, sizeof(value), &out),
                 ERR_CORRUPT));
    found(LOAD_CORRUPT, 3);
}

Test(load_account, others_records_are_foreign)
{
    struct load_stamp stamp = {.run = RUN + 1};
    struct load_stamp out;

    cr_assert(eq(int, read_stamp(&stamp, 0, 0), ERR_NOT_FOUND));
    cr_assert(eq(int,
                 load_account_read(f.account, 0, 0, 1, NULL, -1, (const uint8_t *)"x", 1, &out),
                 ERR_NOT_FOUND));
    cr_assert(
        eq(int, load_account_read(f.account, 0, 0, 2, NULL, -1, NULL, 0, &out), ERR_NOT_FOUND));
    found_nothing();
    cr_assert(eq(u64, f.verdict.foreign_count, 3));
    cr_assert(eq(u64, f.verdict.read_count, 0));
}

Test(load_account, what_was_never_sent_is_a_ghost)
{
    struct load_stamp stamp = {.run = RUN, .sequence = 3};

    store(3, 0);
    for (uint64_t i = 0; i < 3; i++)
        read_at(i, 0, (int64_t)i);
    cr_assert(eq(int, read_stamp(&stamp, 0, 3), OK));
    stamp.producer = 12;
    cr_assert(eq(int, read_stamp(&stamp, 0, 4), OK));
    cr_assert(eq(int, read_stamp(&stamp, 1, 4), OK));
    found(LOAD_GHOST, 3);
}

Test(load_account, what_surely_was_not_stored_is_a_ghost)
{
    send(0, 0, 0);
    send(0, 0, 0);
    load_account_outcome(f.account, 0, 0, 0, 0, LOAD_FAILED, -1);
    found_nothing();
    cr_assert(eq(u64, f.verdict.failed_count, 1));
    read_at(0, 0, 17);
    cr_assert(eq(i64, found(LOAD_GHOST, 1)->offset, 17));
    read_at(1, 0, 18); /* before its answer */
    load_account_outcome(f.account, 0, 1, 0, 0, LOAD_FAILED, -1);
    cr_assert(eq(i64, found(LOAD_GHOST, 2)[1].offset, 18));
}

Test(load_account, in_another_partition_it_is_a_ghost)
{
    ack(send(0, 0, 0), 0, 0);
    ack(send(0, 1, 0), 1, 0);
    read_at(0, 0, 0);
    read_at(1, 1, 0);
    cr_assert(eq(int, read_stamp(&f.stamps[0], 1, 1), OK));
    found(LOAD_GHOST, 1);
}

Test(load_account, unknown_may_be_read_or_not)
{
    for (int i = 0; i < 4; i++) {
        send(0, 0, 0);
        load_account_outcome(f.account, 0, (uint64_t)i, 0, 0, LOAD_UNKNOWN, -1);
    }
    read_at(1, 0, 0);
    found_nothing();
    cr_assert(eq(u64, f.verdict.unknown_count, 4));
    read_at(1, 0, 1);
    found(LOAD_DOUBLED, 1);
}

Test(load_account, sequences_rise_by_one)
{
    struct load_stamp stamp = {.run = RUN, .sequence = 1};

    cr_assert(eq(int, load_account_sent(f.account, &stamp, 0, 0), ERR_INVALID));
    store(3, 5);
    stamp.sequence = 3;
    stamp.transaction = 4;
    cr_assert(eq(int, load_account_sent(f.account, &stamp, 0, 0), ERR_INVALID));
    load_account_transaction(f.account, 0, 5, LOAD_COMMITTED);
    stamp.transaction = 5;
    cr_assert(eq(int, load_account_sent(f.account, &stamp, 0, 0), ERR_INVALID));
    stamp.transaction = 6;
    stamp.run++;
    cr_assert(eq(int, load_account_sent(f.account, &stamp, 0, 0), ERR_INVALID));
    stamp.run--;
    cr_assert(eq(int, load_account_sent(f.account, &stamp, 0, 0), OK));
}

Test(load_account, keeps_findings_of_every_kind)
{
    struct load_stamp stamp = {.run = RUN};

    store(500, 0);
    for (uint64_t i = 0; i < 200; i++) {
        stamp.sequence = 1000 + i;
        cr_assert(eq(int, read_stamp(&stamp, 0, (int64_t)i), OK));
    }
    load_account_close(f.account, true, &f.verdict);
    cr_assert(eq(u64, f.verdict.counts[LOAD_GHOST], 200));
    cr_assert(eq(u64, f.verdict.counts[LOAD_LOST], 500));
    cr_assert(eq(u32, f.verdict.findings_count, LOAD_FINDINGS_MAX));
    cr_assert(eq(int, f.verdict.findings[0].kind, LOAD_GHOST));
    cr_assert(eq(int, f.verdict.findings[99].kind, LOAD_LOST));
}

Test(load_account, verdicts_add_up)
{
    struct load_verdict sum = {0};

    store(10, 0);
    for (uint64_t i = 0; i < 9; i++)
        read_at(i, 0, (int64_t)i);
    load_account_close(f.account, true, &f.verdict);
    load_verdict_merge(&sum, &f.verdict);
    load_verdict_merge(&sum, &f.verdict);
    cr_assert(eq(u64, sum.sent_count, 20));
    cr_assert(eq(u64, sum.counts[LOAD_LOST], 2));
    cr_assert(eq(u32, sum.findings_count, 2));
    cr_assert(not(sum.is_exactly_once));
}
