#include "base/mem.h"
#include "base/prng.h"
#include "tests/unit/tools/load_account_rig.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(load_account_memory, .init = setup, .fini = teardown);

Test(load_account_memory, memory_is_that_of_what_is_not_settled)
{
    uint64_t before_bytes = mem_used_bytes();
    uint64_t after_bytes;
    struct load_stamp stamp = {.run = RUN};

    for (uint64_t i = 0; i < 2000000; i++) {
        stamp.sequence = stamp.partition_sequence = i;
        cr_assert(eq(int, load_account_sent(f.account, &stamp, 0, 0), OK));
        ack(i, 0, (int64_t)i);
        if (i >= 5000) {
            struct load_stamp old = stamp;
            old.sequence = old.partition_sequence = i - 5000;
            cr_assert(eq(int, read_stamp(&old, 0, (int64_t)(i - 5000)), OK));
        }
    }
    after_bytes = mem_used_bytes();
    cr_assert(lt(u64, after_bytes - before_bytes, 200000));
    load_account_close(f.account, true, &f.verdict);
    cr_assert(eq(u64, f.verdict.counts[LOAD_LOST], 5000));
    cr_assert(lt(u64, f.verdict.memory_max_bytes, 200000));
}

/* What the account holds never is above what it was given, whatever is lost, aborted or unknown;
 * and it never stands still while its reader goes on. */
Test(load_account_memory, memory_ends_at_its_limit)
{
    struct load_stamp stamp = {.run = RUN, .transaction = 1};
    uint64_t unread = 0;
    uint64_t full_count = 0;
    uint64_t limit = 400000;
    uint64_t base_bytes = mem_used_bytes();
    struct load_account *account;

    load_account_destroy(f.account);
    cr_assert(eq(int, load_account_create(RUN, limit, &account), OK));
    f.account = account;
    for (uint64_t i = 0; i < 1000000; i++) {
        enum err err;
        stamp.sequence = stamp.partition_sequence = i;
        stamp.transaction = i % 1000 < 500 ? i / 1000 + 1 : 0;
        err = load_account_sent(f.account, &stamp, 0, 0);
        if (err == ERR_FULL) { /* the reader catches up */
            cr_assert(lt(u64, unread, i));
            full_count++;
            for (; unread < i; unread++) {
                struct load_stamp old = {.run = RUN,
                                         .sequence = unread,
                                         .partition_sequence = unread,
                                         .transaction =
                                             unread % 1000 < 500 ? unread / 1000 + 1 : 0};
                /* every 700th is lost; every second transaction aborted */
                if (unread % 700 != 0 && (old.transaction == 0 || old.transaction % 2 == 0))
                    cr_assert(eq(int, read_stamp(&old, 0, (int64_t)unread), OK));
            }
            err = load_account_sent(f.account, &stamp, 0, 0);
        }
        cr_assert(eq(int, err, OK), "at %lu", (unsigned long)i);
        ack(i, 0, (int64_t)i);
        if (i % 1000 == 499)
            load_account_transaction(f.account, 0, stamp.transaction,
                                     stamp.transaction % 2 ? LOAD_ABORTED : LOAD_COMMITTED);
        if (i % 10000 == 0)
            cr_assert(lt(u64, mem_used_bytes(), base_bytes + limit + 20000));
    }
    cr_assert(lt(u64, 10, full_count));
    load_account_close(f.account, true, &f.verdict);
    cr_assert(le(u64, f.verdict.memory_max_bytes, limit));
    cr_assert(eq(u64, f.verdict.counts[LOAD_DOUBLED], 0));
    cr_assert(eq(u64, f.verdict.counts[LOAD_VISIBLE_ABORTED], 0));
    cr_assert(eq(u64, f.verdict.counts[LOAD_GHOST], 0));
    cr_assert(lt(u64, 900, f.verdict.counts[LOAD_LOST]));
}

/* A record that readers have passed is judged when memory is full: once, its transaction as torn,
 * and if somebody brings it late it is no ghost. */
Test(load_account_memory, what_was_passed_is_judged_once)
{
    struct load_account *account;
    uint64_t sequence = 0;
    enum err err = OK;

    load_account_destroy(f.account);
    cr_assert(eq(int, load_account_create(RUN, 100000, &account), OK));
    f.account = account;
    store(10, 1);
    load_account_transaction(f.account, 0, 1, LOAD_COMMITTED);
    for (uint64_t i = 0; i < 3; i++) { /* full, read up to there, full again ... */
        while (err == OK) {
            struct load_stamp stamp = {
                .run = RUN, .sequence = f.sequences[0], .partition_sequence = f.sequences[0]};
            err = load_account_sent(f.account, &stamp, 0, 0);
            if (err)
                break;
            ack(f.sequences[0], 0, (int64_t)f.sequences[0]);
            f.stamps[f.sequences[0] % 4096] = stamp;
            f.sequences[0]++;
        }
        cr_assert(eq(int, err, ERR_FULL));
        for (; sequence < f.sequences[0]; sequence++) {
            struct load_stamp stamp = {.run = RUN,
                                       .sequence = sequence,
                                       .partition_sequence = sequence,
                                       .transaction = sequence < 10 ? 1 : 0};
            if (sequence != 4)
                cr_assert(eq(int, read_stamp(&stamp, 0, (int64_t)sequence), OK));
        }
        err = OK;
    }
    load_account_close(f.account, true, &f.verdict);
    cr_assert(eq(u64, f.verdict.counts[LOAD_LOST], 1));
    cr_assert(eq(u64, f.verdict.counts[LOAD_TORN], 1));
    cr_assert(eq(i64, f.verdict.findings[0].offset, 4));
    cr_assert(eq(u64, f.verdict.findings[0].transaction, 1));
    cr_assert(eq(u64, load_account_unread(f.account), 0));
}

/* A list of everything that happened, judged at the end by the rules as they are written, beside
 * the account. */
enum { MODEL_RECORDS = 3000 };
struct model_record {
    int32_t partition;
    uint64_t transaction;
    int outcome; /* -1: none */
    int reads;
    int64_t offset;
};

static int end_of(const uint8_t *ends, uint64_t transaction)
{
    return transaction == 0 ? LOAD_COMMITTED : ends[transaction];
}

static void play(uint64_t seed)
{
    static struct model_record records[MODEL_RECORDS];
    static uint8_t ends[MODEL_RECORDS];
    uint64_t wanted[LOAD_FINDING_COUNT] = {0};
    int64_t offsets[8] = {0};
    uint64_t transaction = 0;
    uint64_t numbers = 0;
    struct prng prng;

    prng_init(&prng, seed);
    memset(records, 0, sizeof(records));
    for (uint32_t i = 0; i < MODEL_RECORDS; i++) {
        struct model_record *one = &records[i];
        if (transaction == 0 && prng_chance(&prng, 1, 30))
            transaction = ++numbers;
        one->partition = (int32_t)prng_below(&prng, 3);
        one->transaction = transaction;
        send(0, one->partition, transaction);
        one->outcome = prng_chance(&prng, 1, 50)   ? LOAD_FAILED
                       : prng_chance(&prng, 1, 50) ? LOAD_UNKNOWN
                                                   : LOAD_STORED;
        one->offset = offsets[one->partition]++;
        load_account_outcome(f.account, 0, i, 0, one->partition, (enum load_outcome)one->outcome,
                             one->outcome == LOAD_STORED ? one->offset : -1);
        if (transaction != 0 && prng_chance(&prng, 1, 20)) {
            ends[transaction] = (uint8_t)prng_below(&prng, 3);
            load_account_transaction(f.account, 0, transaction, (enum load_end)ends[transaction]);
            transaction = 0;
        }
    }
    if (transaction != 0) {
        ends[transaction] = LOAD_COMMITTED;
        load_account_transaction(f.account, 0, transaction, LOAD_COMMITTED);
    }
    for (uint32_t i = 0; i < MODEL_RECORDS; i++) {
        struct model_record *one = &records[i];
        int end = end_of(ends, one->transaction);
        bool is_due = one->outcome == LOAD_STORED && end == LOAD_COMMITTED;
        if (one->outcome != LOAD_STORED || end == LOAD_END_UNKNOWN)
            is_due = false;
        one->reads = prng_chance(&prng, 1, 100) ? !is_due : is_due;
        if (one->reads == 0)
            continue;
        read_at(i, one->partition, one->offset);
        if (prng_chance(&prng, 1, 100)) {
            read_at(i, one->partition, offsets[one->partition]++);
            one->reads = 2;
        }
    }
    for (uint32_t i = 0; i < MODEL_RECORDS; i++) {
        const struct model_record *one = &records[i];
        int end = end_of(ends, one->transaction);
        bool is_bad = one->outcome == LOAD_FAILED || end == LOAD_ABORTED;
        wanted[LOAD_LOST] +=
            one->outcome == LOAD_STORED && end == LOAD_COMMITTED && one->reads == 0;
        wanted[LOAD_DOUBLED] += one->reads == 2;
        wanted[LOAD_VISIBLE_ABORTED] += one->reads > 0 && end == LOAD_ABORTED;
        /* of an end that is not known, the account names what failed and is read after the abort */
        wanted[LOAD_GHOST] += one->reads > 0 && is_bad && end != LOAD_ABORTED;
    }
    for (uint64_t number = 1; number <= numbers; number++) {
        int missing = 0;
        int seen = 0;
        if (ends[number] == LOAD_ABORTED)
            continue;
        for (uint32_t i = 0; i < MODEL_RECORDS; i++) {
            const struct model_record *one = &records[i];
            if (one->transaction != number || one->outcome == LOAD_FAILED)
                continue;
            missing += one->outcome == LOAD_STORED && one->reads == 0;
            seen += one->reads > 0;
        }
        wanted[LOAD_TORN] += seen > 0 && missing > 0;
    }
    load_account_close(f.account, true, &f.verdict);
    for (int i = 0; i < LOAD_FINDING_COUNT; i++) {
        uint64_t count = f.verdict.counts[i];
        if (i == LOAD_VISIBLE_ABORTED) {
            /* a failed record of a transaction that is not known any more is called so */
            cr_assert(eq(u64, count + f.verdict.counts[LOAD_GHOST], wanted[i] + wanted[LOAD_GHOST]),
                      "seed %lu", (unsigned long)seed);
        } else if (i != LOAD_GHOST) {
            cr_assert(eq(u64, count, wanted[i]), "seed %lu: %s", (unsigned long)seed,
                      load_finding_text((enum load_finding_kind)i));
        }
    }
}

Test(load_account_memory, agrees_with_the_rules_as_written)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        teardown();
        setup();
        play(seed);
    }
}
