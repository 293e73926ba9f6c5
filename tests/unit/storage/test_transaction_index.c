#include "base/mem.h"
#include "storage/log/transaction_index.h"
#include "storage/log/unreplicated.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static struct transaction_index txn_index;

static void setup(void)
{
    transaction_index_clear(&txn_index);
}

static void teardown(void)
{
    transaction_index_deinit(&txn_index);
    cr_assert(eq(u64, mem_used_count(), 0));
}

TestSuite(transaction_index, .init = setup, .fini = teardown);

static void add(int64_t producer_id, int64_t first, int64_t last, int64_t stable)
{
    cr_assert(transaction_index_reserve(&txn_index));
    transaction_index_add(&txn_index,
                          &(struct transaction_index_entry){producer_id, first, last, stable});
}

static uint32_t find(int64_t from, int64_t bound, int64_t *first_out)
{
    struct aborted_transaction found[2] = {{-1, -1}};
    struct transaction_index_search search = {.from = from, .bound = bound, .out = found, .max = 2};

    transaction_index_collect(&txn_index, &search);
    *first_out = found[0].first_offset;
    return search.count;
}

/* Kafka's TransactionIndex: what AbortedTxn writes for (7, 258, 772, 773). */
Test(transaction_index, an_entry_is_thirty_four_bytes_as_kafkas)
{
    static const uint8_t golden[TRANSACTION_INDEX_ENTRY_BYTES] = {
        [9] = 7, [16] = 1, [17] = 2, [24] = 3, [25] = 4, [32] = 3, [33] = 5};
    uint8_t bytes[TRANSACTION_INDEX_ENTRY_BYTES];

    add(7, 258, 772, 773);
    cr_assert(eq(sz, transaction_index_size_bytes(&txn_index), sizeof(bytes)));
    transaction_index_encode(&txn_index, 0, bytes);
    cr_assert(eq(int, memcmp(bytes, golden, sizeof(bytes)), 0));
}

Test(transaction_index, a_search_ends_where_nothing_begins_below_its_bound)
{
    int64_t first;

    add(1, 10, 20, 5); /* one that began at 5 is open */
    add(2, 21, 30, 5);
    add(3, 5, 40, 41);
    add(4, 41, 50, 51);
    cr_assert(eq(u32, find(0, 8, &first), 1));
    cr_assert(eq(i64, first, 5));
    cr_assert(eq(u32, find(0, 5, &first), 0));
    cr_assert(eq(u32, find(0, 100, &first), 4)); /* two of them with room */
    cr_assert(eq(u32, find(20, 22, &first), 3));
    cr_assert(eq(u32, find(21, 22, &first), 2));
    cr_assert(eq(i64, first, 21));
    cr_assert(eq(u32, find(51, 100, &first), 0));
}

Test(transaction_index, what_the_file_holds_is_held_against_count_and_checksum)
{
    uint8_t bytes[3 * TRANSACTION_INDEX_ENTRY_BYTES];
    uint32_t crc;
    int64_t first;

    add(1, 10, 20, 21);
    add(2, 21, 30, 31);
    crc = txn_index.crc;
    add(3, 31, 40, 41);
    transaction_index_encode(&txn_index, 0, bytes);
    transaction_index_expect(&txn_index, 2, crc); /* the third came later */
    transaction_index_unload(&txn_index);
    cr_assert(not(txn_index.is_loaded));
    cr_assert(
        eq(int, transaction_index_decode(&txn_index, bytes, sizeof(bytes) - 35), ERR_TRUNCATED));
    bytes[40] ^= 1;
    cr_assert(eq(int, transaction_index_decode(&txn_index, bytes, sizeof(bytes)), ERR_CORRUPT));
    cr_assert(not(txn_index.is_loaded));
    bytes[40] ^= 1;
    mem_fail_after(1);
    cr_assert(eq(int, transaction_index_decode(&txn_index, bytes, sizeof(bytes)), ERR_NOMEM));
    mem_fail_after(0);
    cr_assert(eq(int, transaction_index_decode(&txn_index, bytes, sizeof(bytes)), OK));
    cr_assert(eq(u32, find(0, 100, &first), 2));
    add(3, 31, 40, 41);
    cr_assert(eq(u32, find(0, 100, &first), 3));
}

Test(transaction_index, decided_transactions_are_held_until_their_marker_is_published)
{
    struct unreplicated un = {0};

    cr_assert(eq(i64, unreplicated_first_offset(&un), -1));
    for (int64_t i = 0; i < 100; i++) {
        cr_assert(unreplicated_reserve(&un));
        unreplicated_add(&un, i * 10, i * 10 + 9);
        if (i >= 40)
            unreplicated_release(&un, (i - 39) * 10);
    }
    cr_assert(eq(u32, un.count, 40));
    cr_assert(eq(i64, unreplicated_first_offset(&un), 600));
    cr_assert(unreplicated_reserve(&un));
    unreplicated_add(&un, 755, 1000); /* longer than all that began behind it */
    cr_assert(eq(i64, unreplicated_first_offset(&un), 600));
    cr_assert(eq(u32, un.count, 17));
    unreplicated_release(&un, 760);
    cr_assert(eq(i64, unreplicated_first_offset(&un), 755));
    unreplicated_release(&un, 1001);
    cr_assert(eq(i64, unreplicated_first_offset(&un), -1));
    unreplicated_deinit(&un);
}
