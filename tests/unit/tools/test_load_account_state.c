#include "base/mem.h"
#include "tests/unit/tools/load_account_rig.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(load_account_state, .init = setup, .fini = teardown);

static const char *state_path(void)
{
    static char path[64];

    snprintf(path, sizeof(path), "/tmp/test_load_account.%d", (int)getpid());
    return path;
}

Test(load_account_state, goes_on_after_a_restart)
{
    struct load_stamp next;

    store(1500, 0);
    store(20, 1);
    load_account_transaction(f.account, 0, 1, LOAD_COMMITTED);
    store(20, 2);
    load_account_transaction(f.account, 0, 2, LOAD_ABORTED);
    store(20, 3); /* its end is not known */
    send(0, 5, 0);
    send(0, 5, 0);
    for (uint64_t i = 0; i < 1510; i++)
        read_at(i, 0, (int64_t)i);
    cr_assert(eq(int, load_account_save(f.account, state_path(), false), OK));
    load_account_destroy(f.account);
    f.account = NULL;
    cr_assert(eq(int, load_account_load(state_path(), LIMIT, &f.account), OK));

    load_account_resume(f.account, 0, &next);
    cr_assert(eq(u32, next.run, RUN));
    cr_assert(eq(u64, next.sequence, 1562));
    cr_assert(eq(u64, next.transaction, 3));
    cr_assert(eq(u64, load_account_partition_next(f.account, 0, 0, 5), 2));
    cr_assert(eq(u64, load_account_partition_next(f.account, 0, 0, 0), 1560));
    cr_assert(eq(u64, load_account_partition_next(f.account, 0, 0, 1), 0));
    cr_assert(eq(u64, load_account_unread(f.account), 10));
    load_account_close(f.account, true, &f.verdict);
    cr_assert(eq(u64, f.verdict.counts[LOAD_LOST], 10));
    cr_assert(eq(u64, f.verdict.counts[LOAD_TORN], 1));
    for (uint64_t i = 1510; i < 1520; i++)
        read_at(i, 0, (int64_t)i);
    found_nothing();
    cr_assert(eq(u64, f.verdict.unknown_count, 22));
    cr_assert(eq(u64, f.verdict.unknown_transactions, 1));
    read_at(1525, 0, 1525);
    found(LOAD_VISIBLE_ABORTED, 1);
    store(1, 4);
    load_account_transaction(f.account, 0, 4, LOAD_COMMITTED);
    read_at(1562, 0, 1562);
    found(LOAD_VISIBLE_ABORTED, 1);
    unlink(state_path());
}

Test(load_account_state, a_damaged_state_is_corrupt)
{
    static uint8_t bytes[65536];
    struct load_account *out = NULL;
    size_t size_bytes;
    FILE *file;

    cr_assert(eq(int, load_account_load(state_path(), LIMIT, &out), ERR_NOT_FOUND));
    store(1100, 0);
    cr_assert(eq(int, load_account_save(f.account, state_path(), false), OK));
    file = fopen(state_path(), "rb");
    size_bytes = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    cr_assert(lt(sz, 10000, size_bytes));
    for (size_t at = 0; at < size_bytes; at += at < 200 ? 1 : 977) {
        bytes[at] ^= 0x10;
        file = fopen(state_path(), "wb");
        fwrite(bytes, 1, size_bytes, file);
        fclose(file);
        cr_assert(ne(int, load_account_load(state_path(), LIMIT, &out), OK), "byte %zu", at);
        bytes[at] ^= 0x10;
    }
    for (size_t end = 0; end < size_bytes; end += 977) {
        file = fopen(state_path(), "wb");
        fwrite(bytes, 1, end, file);
        fclose(file);
        cr_assert(eq(int, load_account_load(state_path(), LIMIT, &out), ERR_CORRUPT));
    }
    file = fopen(state_path(), "wb");
    fwrite(bytes, 1, size_bytes, file);
    fclose(file);
    cr_assert(eq(int, load_account_load(state_path(), 1000, &out), ERR_NOMEM));
    for (uint64_t n = 1;; n++) {
        mem_fail_after(n);
        if (load_account_load(state_path(), LIMIT, &out) == OK) {
            load_account_destroy(out);
            break;
        }
        cr_assert(lt(u64, n, 50));
    }
    mem_fail_after(0);
    unlink(state_path());
}

/* A tool that was killed has sent more than its last file knows of: that is no ghost; the producers
 * of the next one are others. */
Test(load_account_state, what_was_sent_after_the_last_save_is_unknown)
{
    struct load_stamp stamp = {.run = RUN, .producer = 1, .sequence = 5, .partition_sequence = 5};

    load_account_set_label(f.account, 77);
    cr_assert(eq(int, load_account_reserve(f.account, 0, 2), OK));
    store(10, 0);
    for (uint64_t i = 0; i < 4; i++)
        read_at(i, 0, (int64_t)i);
    cr_assert(eq(int, load_account_save(f.account, state_path(), true), OK));
    load_account_destroy(f.account);
    cr_assert(eq(int, load_account_load(state_path(), LIMIT, &f.account), OK));
    cr_assert(eq(u64, load_account_label(f.account), 77));
    cr_assert(eq(u32, load_account_run(f.account), RUN));
    cr_assert(eq(u32, load_account_producers_count(f.account), 2));
    cr_assert(eq(i64, load_account_read_end(f.account, 0, 0), 4));
    cr_assert(eq(i64, load_account_read_end(f.account, 0, 1), -1));
    for (uint64_t i = 4; i < 10; i++)
        read_at(i, 0, (int64_t)i);
    cr_assert(eq(int, read_stamp(&stamp, 0, 10), OK));
    stamp.producer = 0;
    stamp.sequence = 10;
    cr_assert(eq(int, read_stamp(&stamp, 0, 11), OK));
    found_nothing();
    cr_assert(eq(u64, f.verdict.unknown_count, 2));
    stamp.producer = 2; /* never there */
    cr_assert(eq(int, read_stamp(&stamp, 0, 12), OK));
    found(LOAD_GHOST, 1);
    /* after an orderly end what was not sent was not sent */
    cr_assert(eq(int, load_account_reserve(f.account, 2, 1), OK));
    cr_assert(eq(int, load_account_save(f.account, state_path(), false), OK));
    load_account_destroy(f.account);
    cr_assert(eq(int, load_account_load(state_path(), LIMIT, &f.account), OK));
    cr_assert(eq(int, read_stamp(&stamp, 0, 13), OK));
    found(LOAD_GHOST, 2);
    unlink(state_path());
}
