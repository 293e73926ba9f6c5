/* load_account_rig: a load of a few producers into the partitions of topic 0, told to an account.
 *
 * Included by one test file at a time; its state is that file's. */
#ifndef LEVEE_TESTS_UNIT_TOOLS_LOAD_ACCOUNT_RIG_H
#define LEVEE_TESTS_UNIT_TOOLS_LOAD_ACCOUNT_RIG_H

#include "tools/load/load_account.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

enum { RUN = 7, VALUE_BYTES = 80, LIMIT = 64 << 20 };

/* A load of one producer (or more) into partitions of topic 0, and the log that keeps it. */
static struct {
    struct load_account *account;
    struct load_verdict verdict;
    uint64_t sequences[4];
    uint64_t partition_sequences[4][8];
    struct load_stamp stamps[4096]; /* of producer 0, by sequence */
} f;

static __attribute__((unused)) void setup(void)
{
    memset(&f, 0, sizeof(f));
    cr_assert(eq(int, load_account_create(RUN, LIMIT, &f.account), OK));
}

static __attribute__((unused)) void teardown(void)
{
    load_account_destroy(f.account);
}

/* The next record of a producer; transaction 0: none. */
static __attribute__((unused)) uint64_t send(uint32_t producer, int32_t partition,
                                             uint64_t transaction)
{
    struct load_stamp stamp = {
        .run = RUN,
        .producer = producer,
        .sequence = f.sequences[producer]++,
        .transaction = transaction,
        .partition_sequence = f.partition_sequences[producer][partition]++,
    };

    cr_assert(eq(int, load_account_sent(f.account, &stamp, 0, partition), OK));
    if (producer == 0 && stamp.sequence < 4096)
        f.stamps[stamp.sequence] = stamp;
    return stamp.sequence;
}

static __attribute__((unused)) void ack(uint64_t sequence, int32_t partition, int64_t offset)
{
    load_account_outcome(f.account, 0, sequence, 0, partition, LOAD_STORED, offset);
}

static __attribute__((unused)) enum err read_stamp(const struct load_stamp *stamp,
                                                   int32_t partition, int64_t offset)
{
    uint8_t value[VALUE_BYTES] = {0};
    struct load_stamp out;

    load_stamp_write(value, sizeof(value), "key", 3, stamp);
    return load_account_read(f.account, 0, partition, offset, "key", 3, value, sizeof(value), &out);
}

static __attribute__((unused)) void read_at(uint64_t sequence, int32_t partition, int64_t offset)
{
    cr_assert(eq(int, read_stamp(&f.stamps[sequence], partition, offset), OK));
}

/* Sends and acknowledges count records into partition 0 at offsets from 0. */
static __attribute__((unused)) void store(uint64_t count, uint64_t transaction)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t sequence = send(0, 0, transaction);
        ack(sequence, 0, (int64_t)sequence);
    }
}

static __attribute__((unused)) const struct load_finding *found(enum load_finding_kind kind,
                                                                uint64_t count)
{
    load_account_close(f.account, true, &f.verdict);
    for (int i = 0; i < LOAD_FINDING_COUNT; i++)
        cr_assert(eq(u64, f.verdict.counts[i], i == (int)kind ? count : 0), "%s",
                  load_finding_text((enum load_finding_kind)i));
    cr_assert(eq(int, f.verdict.is_exactly_once, count == 0));
    return f.verdict.findings;
}

static __attribute__((unused)) void found_nothing(void)
{
    found(LOAD_LOST, 0);
}

#endif
