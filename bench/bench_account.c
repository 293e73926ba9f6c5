/* bench_account: what --verify costs a record: its stamp written and read, and its way through the
 * account.
 *
 *     bench_account [RECORDS]
 *
 * Records of 100 bytes of 4 producers in 16 partitions, sent, acknowledged and, a while later,
 * read; without transactions and in transactions of 100 and of 10.  CPU time of this process, in
 * turns, five rounds; medians.  One percent of a core for a million records a second is 10 ns. */
#include "base/check.h"
#include "base/mem.h"
#include "tools/load/load_account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    RECORDS = 5000000,
    BEHIND = 2000, /* the reader */
    PRODUCERS = 4,
    PARTITIONS = 16,
    VALUE_BYTES = 100,
    ROUNDS = 5,
    RUN = 1,
    MEMORY_BYTES = 64 << 20,
};

struct load {
    uint64_t transaction_records; /* 0: none */
    uint64_t sequences[PRODUCERS];
    uint64_t partition_sequences[PRODUCERS][PARTITIONS];
    int64_t offsets[PARTITIONS];
    int64_t read_offsets[PARTITIONS];
    uint8_t values[BEHIND][VALUE_BYTES];
    struct load_account *account; /* NULL: stamps alone */
};

static double cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int32_t partition_of(uint64_t index)
{
    return (int32_t)(index / PRODUCERS % PARTITIONS);
}

static void write_one(struct load *load, uint64_t index)
{
    uint32_t producer = (uint32_t)(index % PRODUCERS);
    int32_t partition = partition_of(index);
    uint64_t size = load->transaction_records;
    uint64_t sequence = load->sequences[producer]++;
    struct load_stamp stamp = {
        .run = RUN,
        .producer = producer,
        .sequence = sequence,
        .transaction = size == 0 ? 0 : sequence / size + 1,
        .partition_sequence = load->partition_sequences[producer][partition]++,
    };

    load_stamp_write(load->values[index % BEHIND], VALUE_BYTES, NULL, -1, &stamp);
    if (load->account == NULL)
        return;
    check(load_account_sent(load->account, &stamp, 0, partition) == OK);
    load_account_outcome(load->account, producer, sequence, 0, partition, LOAD_STORED,
                         load->offsets[partition]++);
    if (size != 0 && sequence % size == size - 1)
        load_account_transaction(load->account, producer, stamp.transaction, LOAD_COMMITTED);
}

static void read_one(struct load *load, uint64_t index)
{
    int32_t partition = partition_of(index);
    const uint8_t *value = load->values[index % BEHIND];
    struct load_stamp stamp;

    if (load->account == NULL)
        check(load_stamp_read(value, VALUE_BYTES, NULL, -1, &stamp) == OK);
    else
        check(load_account_read(load->account, 0, partition, load->read_offsets[partition]++, NULL,
                                -1, value, VALUE_BYTES, &stamp) == OK);
}

/* Nanoseconds for each record. */
static double play(uint64_t records, uint64_t transaction_records, bool has_account)
{
    static struct load_verdict verdict;
    struct load *load = mem_alloc(sizeof(*load));
    double begin_ns;
    double used_ns;

    load->transaction_records = transaction_records;
    if (has_account)
        check(load_account_create(RUN, MEMORY_BYTES, &load->account) == OK);
    begin_ns = cpu_ns();
    for (uint64_t i = 0; i < records + BEHIND; i++) {
        if (i >= BEHIND)
            read_one(load, i - BEHIND);
        if (i < records)
            write_one(load, i);
    }
    used_ns = cpu_ns() - begin_ns;
    if (has_account) {
        load_account_close(load->account, true, &verdict);
        check(verdict.is_exactly_once && verdict.read_count == records);
    }
    load_account_destroy(load->account);
    mem_free(load);
    return used_ns / (double)records;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *text;
        uint64_t transaction_records;
        bool has_account;
    } kinds[] = {
        {"stamp written and read", 0, false},
        {"and accounted for", 0, true},
        {"in transactions of 100", 100, true},
        {"in transactions of 10", 10, true},
    };
    enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };
    uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : RECORDS;
    double ns[KINDS][ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < KINDS; i++)
            ns[i][round] = play(records, kinds[i].transaction_records, kinds[i].has_account);
    }
    for (int i = 0; i < KINDS; i++) {
        qsort(ns[i], ROUNDS, sizeof(double), by_value);
        printf("%-24s %6.1f ns a record = %4.2f %% of a core for a million a second\n",
               kinds[i].text, ns[i][ROUNDS / 2], ns[i][ROUNDS / 2] / 10);
    }
    return 0;
}
