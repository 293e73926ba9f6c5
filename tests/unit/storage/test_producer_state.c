#include "base/mem.h"
#include "base/prng.h"
#include "storage/log/producer_state.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#define NOW_MS 1700000000000

static struct producer_state ps;
static const struct producer_rules client = {.origin = PRODUCER_CLIENT};
static const struct producer_rules registered = {.origin = PRODUCER_CLIENT, .is_registered = true};
static const struct producer_rules verbatim = {.origin = PRODUCER_VERBATIM};
static const struct producer_rules coordinator = {.origin = PRODUCER_COORDINATOR};
static const struct producer_rules coordinator_v2 = {.origin = PRODUCER_COORDINATOR,
                                                     .txn_v2 = true};

static void setup(void)
{
    producer_state_init(&ps, 42, 1000);
}

static void teardown(void)
{
    producer_state_deinit(&ps);
    cr_assert(eq(u64, mem_used_count(), 0));
}

TestSuite(producer_state, .init = setup, .fini = teardown);

static struct batch_header batch_of(int64_t producer_id, int16_t epoch, int32_t sequence,
                                    int32_t count)
{
    return (struct batch_header){
        .magic = 2,
        .size_bytes = 100,
        .last_offset_delta = count - 1,
        .record_count = count,
        .max_timestamp_ms = NOW_MS,
        .producer_id = producer_id,
        .producer_epoch = epoch,
        .base_sequence = sequence,
    };
}

/* Check, and append at the end when that is the answer. */
static enum err offer(struct batch_header header, const struct producer_rules *rules,
                      struct producer_check *checked)
{
    enum err err = producer_state_check(&ps, &header, NULL, rules, checked);

    if (err || checked->duplicate)
        return err;
    header.base_offset = ps.end_offset;
    cr_assert(not(producer_state_update(&ps, &header, NULL, NOW_MS, NULL)));
    return OK;
}

static enum err send_as(const struct producer_rules *rules, int64_t producer_id, int16_t epoch,
                        int32_t sequence, int32_t count)
{
    struct producer_check checked;

    return offer(batch_of(producer_id, epoch, sequence, count), rules, &checked);
}

static enum err send(int64_t producer_id, int16_t epoch, int32_t sequence, int32_t count)
{
    return send_as(&client, producer_id, epoch, sequence, count);
}

static enum err send_transactional(int64_t producer_id, int16_t epoch, int32_t sequence,
                                   int32_t count)
{
    struct batch_header header = batch_of(producer_id, epoch, sequence, count);
    struct producer_check checked;

    header.attributes = BATCH_TRANSACTIONAL;
    return offer(header, &registered, &checked);
}

static bool was_written; /* by mark_as */

static enum err mark_as(const struct producer_rules *rules, int64_t producer_id, int16_t epoch,
                        bool commit, int32_t coordinator_epoch, bool *ended,
                        struct producer_completed *completed)
{
    struct batch_header header = batch_of(producer_id, epoch, BATCH_NO_SEQUENCE, 1);
    const struct control_marker marker = {
        .commit = commit,
        .coordinator_epoch = coordinator_epoch,
    };
    struct producer_check checked;
    enum err err;

    header.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL;
    err = producer_state_check(&ps, &header, &marker, rules, &checked);
    if (err)
        return err;
    was_written = !checked.duplicate;
    if (checked.duplicate) {
        cr_assert(eq(i64, checked.last_offset, ps.end_offset - 1));
        *ended = false;
        return OK;
    }
    header.base_offset = ps.end_offset;
    *ended = producer_state_update(&ps, &header, &marker, NOW_MS, completed);
    return OK;
}

Test(producer_state, window_has_five_batches)
{
    cr_assert(eq(int, PRODUCER_WINDOW, 5));
}

Test(producer_state, the_five_newest_batches_are_recognized_with_their_offsets)
{
    struct producer_check checked;

    for (int32_t i = 0; i < 6; i++)
        cr_assert(eq(int, send(7, 0, i * 10, 10), OK));
    for (int32_t i = 1; i < 6; i++) {
        cr_assert(eq(int, offer(batch_of(7, 0, i * 10, 10), &client, &checked), OK));
        cr_assert(checked.duplicate);
        cr_assert(eq(i64, checked.base_offset, i * 10));
        cr_assert(eq(i64, checked.last_offset, i * 10 + 9));
        cr_assert(eq(i64, checked.timestamp_ms, NOW_MS));
    }
    cr_assert(eq(int, send(7, 0, 0, 10), ERR_SEQUENCE)); /* the sixth is forgotten */
    cr_assert(eq(i64, ps.end_offset, 60));
}

Test(producer_state, overlaps_and_gaps_are_refused)
{
    cr_assert(eq(int, send(7, 0, 0, 10), OK));
    cr_assert(eq(int, send(7, 0, 10, 10), OK));
    cr_assert(eq(int, send(7, 0, 0, 5), ERR_SEQUENCE));
    cr_assert(eq(int, send(7, 0, 0, 20), ERR_SEQUENCE));
    cr_assert(eq(int, send(7, 0, 15, 5), ERR_SEQUENCE));
    cr_assert(eq(int, send(7, 0, 15, 10), ERR_SEQUENCE));
    cr_assert(eq(int, send(7, 0, 21, 1), ERR_SEQUENCE));
    cr_assert(eq(int, send(7, 0, 20, 1), OK));
}

Test(producer_state, epochs_only_rise_and_begin_at_zero)
{
    cr_assert(eq(int, send(7, 3, 0, 1), OK));
    cr_assert(eq(int, send(7, 2, 0, 1), ERR_PRODUCER_EPOCH));
    cr_assert(eq(int, send(7, -1, 0, 1), ERR_PRODUCER_EPOCH));
    cr_assert(eq(int, send(8, -1, 0, 1), ERR_PRODUCER_EPOCH));
    cr_assert(eq(int, send(7, 4, 1, 1), ERR_SEQUENCE));
    cr_assert(eq(int, send(7, 9, 0, 1), OK));
    cr_assert(eq(int, send(7, 9, 0, 1), OK)); /* again */
    cr_assert(eq(i64, ps.end_offset, 2));
    cr_assert(eq(int, send(7, 3, 0, 1), ERR_PRODUCER_EPOCH)); /* a duplicate of an old epoch */
}

Test(producer_state, sequences_wrap_between_and_inside_batches)
{
    struct producer_check checked;

    cr_assert(eq(int, send(7, 0, INT32_MAX - 1, 1), OK));
    cr_assert(eq(int, send(7, 0, INT32_MAX, 3), OK)); /* 2^31 - 1, 0, 1 */
    cr_assert(eq(int, send(7, 0, 2, 1), OK));
    cr_assert(eq(int, offer(batch_of(7, 0, INT32_MAX, 3), &client, &checked), OK));
    cr_assert(checked.duplicate);
    cr_assert(eq(i64, checked.base_offset, 1));
    cr_assert(eq(int, send(8, 0, INT32_MAX, 1), OK));
    cr_assert(eq(int, send(8, 0, 0, 1), OK));
}

Test(producer_state, an_unknown_producer_may_start_anywhere_unless_the_rules_say_zero)
{
    const struct producer_rules txn_v2 = {.origin = PRODUCER_CLIENT, .txn_v2 = true};

    cr_assert(eq(int, send_as(&txn_v2, 1, 0, 5, 1), ERR_SEQUENCE));
    cr_assert(eq(u32, producer_state_count(&ps), 0));
    cr_assert(eq(int, send(1, 0, 5, 1), OK)); /* also on a partition that was never written */
    cr_assert(eq(int, send(1, 0, 0, 1), ERR_SEQUENCE));
    cr_assert(eq(int, send_as(&txn_v2, 2, 0, 0, 1), OK));
    cr_assert(eq(int, send(3, 5, 1234, 1), OK));
}

Test(producer_state, batches_without_producer_leave_no_trace)
{
    cr_assert(eq(int, send(-1, -1, -1, 4), OK));
    cr_assert(eq(int, send(-5, 0, 0, 1), OK));
    cr_assert(eq(u32, producer_state_count(&ps), 0));
    cr_assert(eq(i64, ps.end_offset, 5));
}

Test(producer_state, a_mirror_takes_what_comes_and_remembers_it)
{
    struct producer_check checked;

    cr_assert(eq(int, send_as(&verbatim, 7, 2, 500, 1), OK));
    cr_assert(eq(int, send_as(&verbatim, 7, 2, 700, 1), OK)); /* compacted in between */
    cr_assert(eq(int, send_as(&verbatim, 7, 2, 700, 1), OK)); /* no duplicates for a mirror */
    cr_assert(eq(i64, ps.end_offset, 3));
    cr_assert(eq(int, offer(batch_of(7, 2, 500, 1), &client, &checked), OK));
    cr_assert(checked.duplicate);
    cr_assert(eq(int, send(7, 2, 701, 1), OK));
    cr_assert(eq(int, send_as(&verbatim, 7, 1, 0, 1), OK));
}

Test(producer_state, a_transaction_is_open_until_its_marker)
{
    struct producer_completed completed;
    bool ended;

    cr_assert(eq(i64, producer_state_first_open_offset(&ps), -1));
    cr_assert(eq(int, send(1, 0, 0, 5), OK));
    cr_assert(eq(int, send_transactional(7, 0, 0, 2), OK)); /* 5, 6 */
    cr_assert(eq(int, send_transactional(8, 0, 0, 2), OK)); /* 7, 8 */
    cr_assert(eq(int, send_transactional(7, 0, 2, 2), OK));
    cr_assert(eq(int, send(7, 0, 4, 1), ERR_TXN_STATE));
    cr_assert(eq(i64, producer_state_first_open_offset(&ps), 5));
    cr_assert(eq(int, mark_as(&coordinator, 7, 0, false, 3, &ended, &completed), OK));
    cr_assert(ended);
    cr_assert(completed.aborted);
    cr_assert(eq(i64, completed.producer_id, 7));
    cr_assert(eq(i64, completed.first_offset, 5));
    cr_assert(eq(i64, completed.last_offset, 11));
    cr_assert(eq(i64, producer_state_first_open_offset(&ps), 7));
    cr_assert(eq(int, mark_as(&coordinator, 7, 0, true, 3, &ended, &completed), OK));
    cr_assert(not(ended)); /* nothing was open */
    cr_assert(eq(int, mark_as(&coordinator, 8, 0, true, 2, &ended, &completed), OK));
    cr_assert(ended);
    cr_assert(not(completed.aborted));
    cr_assert(eq(i64, producer_state_first_open_offset(&ps), -1));
    cr_assert(eq(int, send(7, 0, 4, 1), OK)); /* sequences go on behind a marker */
}

Test(producer_state, markers_of_old_epochs_and_coordinators_are_refused)
{
    struct producer_completed completed;
    bool ended;

    cr_assert(eq(int, send_transactional(7, 5, 0, 1), OK));
    cr_assert(
        eq(int, mark_as(&coordinator, 7, 4, true, 9, &ended, &completed), ERR_PRODUCER_EPOCH));
    cr_assert(eq(int, mark_as(&coordinator, 7, 5, true, 9, &ended, &completed), OK));
    cr_assert(eq(int, mark_as(&coordinator, 7, 5, true, 8, &ended, &completed), ERR_FENCED_EPOCH));
    cr_assert(eq(int, mark_as(&verbatim, 7, 5, true, 8, &ended, &completed), OK));
}

Test(producer_state, a_marker_with_a_new_epoch_makes_sequences_start_anew)
{
    struct producer_completed completed;
    bool ended;

    cr_assert(eq(int, send_transactional(7, 5, 0, 3), OK));
    cr_assert(eq(int, mark_as(&coordinator, 7, 6, true, 0, &ended, &completed), OK));
    cr_assert(eq(int, send_transactional(7, 5, 3, 1), ERR_PRODUCER_EPOCH));
    cr_assert(eq(int, send_transactional(7, 6, 3, 1), ERR_SEQUENCE));
    cr_assert(eq(int, send_transactional(7, 6, 0, 1), OK));
}

/* DUR-T6 */
Test(producer_state, a_transaction_begins_only_when_it_is_registered)
{
    struct batch_header header = batch_of(7, 0, 0, 1);
    struct producer_completed completed;
    struct producer_check checked;
    bool ended;

    header.attributes = BATCH_TRANSACTIONAL;
    cr_assert(eq(int, offer(header, &client, &checked), ERR_TXN_STATE));
    cr_assert(eq(u32, producer_state_count(&ps), 0));
    cr_assert(eq(int, offer(header, &registered, &checked), OK));
    header.base_sequence = 1;
    cr_assert(eq(int, offer(header, &client, &checked), OK)); /* it is open */
    cr_assert(eq(int, mark_as(&coordinator, 7, 0, true, 0, &ended, &completed), OK));
    cr_assert(eq(int, offer(header, &client, &checked), OK)); /* again: the first time's offset */
    cr_assert(checked.duplicate);
    header.base_sequence = 2;
    cr_assert(eq(int, offer(header, &client, &checked), ERR_TXN_STATE));
    header.producer_epoch = -1;
    cr_assert(eq(int, offer(header, &client, &checked), ERR_PRODUCER_EPOCH));
    header.producer_epoch = 0;
    cr_assert(eq(int, offer(header, &coordinator, &checked), OK));
}

Test(producer_state, the_epoch_is_judged_before_the_registration)
{
    struct batch_header header = batch_of(7, 2, 0, 1);
    struct producer_check checked;

    cr_assert(eq(int, send(7, 3, 0, 1), OK));
    header.attributes = BATCH_TRANSACTIONAL;
    cr_assert(eq(int, offer(header, &client, &checked), ERR_PRODUCER_EPOCH));
    header.producer_epoch = 4;
    header.base_sequence = 9;
    cr_assert(eq(int, offer(header, &client, &checked), ERR_TXN_STATE));
    cr_assert(eq(int, offer(header, &registered, &checked), ERR_SEQUENCE));
}

Test(producer_state, a_newer_epoch_waits_for_the_marker_of_the_older_transaction)
{
    struct producer_completed completed;
    bool ended;

    cr_assert(eq(int, send_transactional(7, 3, 0, 2), OK));
    cr_assert(eq(int, send_transactional(7, 4, 0, 1), ERR_TXN_STATE));
    cr_assert(eq(int, send(7, 4, 0, 1), ERR_TXN_STATE));
    cr_assert(eq(int, send_as(&coordinator, 7, 4, 0, 1), ERR_TXN_STATE));
    cr_assert(eq(int, mark_as(&coordinator, 7, 4, false, 0, &ended, &completed), OK));
    cr_assert(ended);
    cr_assert(eq(i64, completed.first_offset, 0));
    cr_assert(eq(int, send_transactional(7, 4, 0, 1), OK));
}

/* KAFKA-19999 */
Test(producer_state, a_marker_of_version_2_has_a_newer_epoch_or_is_there_already)
{
    struct producer_completed completed;
    bool ended;

    cr_assert(eq(int, send_transactional(7, 5, 0, 1), OK));
    cr_assert(
        eq(int, mark_as(&coordinator_v2, 7, 5, true, 1, &ended, &completed), ERR_PRODUCER_EPOCH));
    cr_assert(eq(int, mark_as(&coordinator_v2, 7, 6, true, 1, &ended, &completed), OK));
    cr_assert(ended && was_written);
    cr_assert(eq(int, mark_as(&coordinator_v2, 7, 6, true, 1, &ended, &completed), OK));
    cr_assert(not(ended || was_written));
    cr_assert(
        eq(int, mark_as(&coordinator_v2, 7, 6, true, 0, &ended, &completed), ERR_FENCED_EPOCH));
    cr_assert(
        eq(int, mark_as(&coordinator_v2, 7, 5, true, 1, &ended, &completed), ERR_PRODUCER_EPOCH));
    cr_assert(eq(int, mark_as(&coordinator, 7, 6, true, 1, &ended, &completed), OK));
    cr_assert(was_written); /* version 1: perhaps the first of it */
    cr_assert(eq(int, send_transactional(7, 6, 0, 1), OK));
    cr_assert(eq(int, mark_as(&coordinator_v2, 7, 6, true, 1, &ended, &completed),
                 ERR_PRODUCER_EPOCH)); /* late: it would commit the next one */
    cr_assert(eq(int, mark_as(&coordinator_v2, 7, INT16_MAX, false, 1, &ended, &completed), OK));
    cr_assert(ended);
    cr_assert(eq(int, mark_as(&coordinator_v2, 7, INT16_MAX, false, 1, &ended, &completed), OK));
    cr_assert(not(was_written));
}

Test(producer_state, of_a_coordinator_each_batch_begins_at_zero)
{
    struct producer_completed completed;
    bool ended;

    for (int i = 0; i < 7; i++) {
        struct batch_header header = batch_of(7, 0, 0, 2);
        struct producer_check checked;

        header.attributes = BATCH_TRANSACTIONAL;
        cr_assert(eq(int, offer(header, &coordinator, &checked), OK));
        cr_assert(not(checked.duplicate));
    }
    cr_assert(eq(i64, ps.end_offset, 14));
    cr_assert(eq(i64, producer_state_first_open_offset(&ps), 0));
    cr_assert(eq(int, send_as(&coordinator, 7, 0, 0, 1), ERR_TXN_STATE));
    cr_assert(eq(int, mark_as(&coordinator, 7, 1, true, 0, &ended, &completed), OK));
    cr_assert(ended);
    cr_assert(eq(int, send_as(&coordinator, 7, 0, 0, 1), ERR_PRODUCER_EPOCH));
}

Test(producer_state, an_emptied_marker_still_tells_its_epoch)
{
    struct batch_header header = batch_of(7, 4, BATCH_NO_SEQUENCE, 1);
    struct producer_check checked;

    header.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL;
    header.record_count = 0;
    cr_assert(eq(int, producer_state_check(&ps, &header, NULL, &verbatim, &checked), OK));
    cr_assert(not(producer_state_update(&ps, &header, NULL, NOW_MS, NULL)));
    cr_assert(eq(int, send(7, 3, 0, 1), ERR_PRODUCER_EPOCH));
    cr_assert(eq(int, send(7, 4, 0, 2), OK));
    header.base_offset = 3;
    cr_assert(eq(int, producer_state_check(&ps, &header, NULL, &verbatim, &checked), OK));
    cr_assert(not(producer_state_update(&ps, &header, NULL, NOW_MS, NULL)));
    cr_assert(eq(int, send(7, 4, 2, 1), OK)); /* the window stays */
    header.record_count = 1;                  /* of another kind */
    header.producer_epoch = 9;
    header.base_offset = 5;
    cr_assert(eq(int, producer_state_check(&ps, &header, NULL, &verbatim, &checked), OK));
    cr_assert(not(producer_state_update(&ps, &header, NULL, NOW_MS, NULL)));
    cr_assert(eq(int, send(7, 4, 3, 1), OK));
}

Test(producer_state, idle_producers_expire_but_not_open_transactions)
{
    cr_assert(eq(int, send(1, 0, 0, 1), OK));
    cr_assert(eq(int, send_transactional(2, 0, 0, 1), OK));
    cr_assert(eq(u32, producer_state_expire(&ps, NOW_MS + 999, 1000), 0));
    cr_assert(eq(u32, producer_state_expire(&ps, NOW_MS + 1000, 1000), 1));
    cr_assert(eq(ptr, (void *)producer_state_find(&ps, 1), NULL));
    cr_assert(ne(ptr, (void *)producer_state_find(&ps, 2), NULL));
    cr_assert(eq(int, send(1, 0, 77, 1), OK)); /* forgotten, so it may start anywhere */
}

Test(producer_state, one_that_was_seen_in_the_future_is_idle_from_now_on)
{
    cr_assert(eq(int, send(1, 0, 0, 1), OK));
    cr_assert(eq(u32, producer_state_expire(&ps, NOW_MS - 1000000, 1000), 0)); /* set back */
    cr_assert(eq(u32, producer_state_expire(&ps, NOW_MS - 999001, 1000), 0));
    cr_assert(eq(u32, producer_state_expire(&ps, NOW_MS - 999000, 1000), 1));
}

Test(producer_state, a_new_producer_beyond_the_bound_takes_the_place_of_the_longest_idle)
{
    producer_state_deinit(&ps);
    producer_state_init(&ps, 42, 3);
    cr_assert(eq(int, send_transactional(9, 0, 0, 1), OK)); /* idle for longest, but open */
    cr_assert(eq(int, send(1, 0, 0, 1), OK));
    cr_assert(eq(int, send(2, 0, 0, 1), OK));
    cr_assert(eq(int, send(1, 0, 1, 1), OK));
    cr_assert(eq(int, send(3, 0, 0, 1), OK)); /* for 2 */
    cr_assert(eq(u32, producer_state_count(&ps), 3));
    cr_assert(eq(ptr, (void *)producer_state_find(&ps, 2), NULL));
    cr_assert(eq(int, send(1, 0, 7, 1), ERR_SEQUENCE));     /* 1 is still known */
    cr_assert(eq(int, send_as(&verbatim, 4, 0, 0, 1), OK)); /* for 1 */
    cr_assert(eq(int, send(1, 0, 77, 1), OK));              /* for 3 */
    cr_assert(eq(u32, producer_state_count(&ps), 3));
    cr_assert(ne(ptr, (void *)producer_state_find(&ps, 9), NULL));
    cr_assert(ne(ptr, (void *)producer_state_find(&ps, 4), NULL));
}

/* Else nobody would be left who may go, and all who are not open would go for each new one. */
Test(producer_state, open_transactions_are_as_many_as_may_be)
{
    producer_state_deinit(&ps);
    producer_state_init(&ps, 42, 16);
    for (int64_t id = 0; id < 14; id++)
        cr_assert(eq(int, send_transactional(id, 0, 0, 1), OK));
    cr_assert(eq(int, send_transactional(14, 0, 0, 1), ERR_NOMEM));
    cr_assert(eq(int, send(101, 0, 0, 1), OK));
    cr_assert(eq(int, send(102, 0, 0, 1), OK));
    cr_assert(eq(int, send(103, 0, 0, 1), OK)); /* for 101 */
    cr_assert(eq(u32, producer_state_count(&ps), 16));
    cr_assert(ne(ptr, (void *)producer_state_find(&ps, 102), NULL));
    cr_assert(eq(int, send_transactional(0, 0, 1, 1), OK)); /* it is open */
    cr_assert(eq(i64, producer_state_first_open_offset(&ps), 0));
}

Test(producer_state, what_is_applied_already_is_ignored)
{
    struct batch_header header = batch_of(7, 0, 0, 10);
    struct producer_state before = {0};
    struct producer_check checked;

    cr_assert(eq(int, send(7, 0, 0, 10), OK));
    cr_assert(eq(int, send(7, 0, 10, 10), OK));
    producer_state_init(&before, 1, 10);
    cr_assert(eq(int, producer_state_copy(&before, &ps), OK));
    cr_assert(eq(int, producer_state_check(&ps, &header, NULL, &verbatim, &checked), OK));
    producer_state_update(&ps, &header, NULL, NOW_MS, NULL);
    cr_assert(producer_state_equal(&before, &ps));
    producer_state_deinit(&before);
}

Test(producer_state, truncation_says_when_the_state_must_be_built_anew)
{
    cr_assert(eq(int, send(7, 0, 0, 10), OK));
    cr_assert(producer_state_truncate(&ps, 10));
    cr_assert(producer_state_truncate(&ps, 11));
    cr_assert(not(producer_state_truncate(&ps, 9)));
    producer_state_clear(&ps, 5);
    cr_assert(eq(u32, producer_state_count(&ps), 0));
    cr_assert(eq(i64, ps.end_offset, 5));
    cr_assert(eq(ptr, (void *)producer_state_find(&ps, 7), NULL));
    producer_state_raise_start(&ps, 3);
    cr_assert(eq(i64, ps.end_offset, 5));
    producer_state_raise_start(&ps, 8);
    cr_assert(eq(i64, ps.end_offset, 8));
}

Test(producer_state, a_refused_allocation_changes_nothing)
{
    struct batch_header header = batch_of(7, 0, 0, 1);
    struct producer_check checked;

    for (uint64_t n = 1; n < 3; n++) {
        mem_fail_after(n);
        cr_assert(eq(int, producer_state_check(&ps, &header, NULL, &client, &checked), ERR_NOMEM));
        cr_assert(eq(u32, producer_state_count(&ps), 0));
    }
    mem_fail_after(0);
    cr_assert(eq(int, send(7, 0, 0, 1), OK));
}

/* ---- beside a model: every batch ever appended, in a list */

enum { MODEL_PRODUCERS = 6, MODEL_BATCHES_MAX = 4000 };

struct model_batch {
    int16_t epoch;
    int32_t sequence;
    int32_t count;
    int64_t offset;
};

struct model {
    struct model_batch batches[MODEL_PRODUCERS][MODEL_BATCHES_MAX];
    int counts[MODEL_PRODUCERS];
};

/* What must be answered, from DUR-I3, DUR-I4, DUR-I6, DUR-I7, DUR-I11 read literally. */
static enum err model_answer(const struct model *model, int producer, int16_t epoch,
                             int32_t sequence, int32_t count, int64_t *duplicate_of)
{
    const struct model_batch *all = model->batches[producer];
    int total = model->counts[producer];
    const struct model_batch *last;
    int same_epoch = 0;

    *duplicate_of = -1;
    if (total == 0)
        return OK;
    last = &all[total - 1];
    for (int i = total - 1; i >= 0 && same_epoch < 5; i--) {
        if (all[i].epoch != epoch || epoch != last->epoch)
            break;
        same_epoch++;
        if (all[i].sequence == sequence && all[i].count == count) {
            *duplicate_of = all[i].offset;
            return OK;
        }
    }
    if (epoch < last->epoch)
        return ERR_PRODUCER_EPOCH;
    if (epoch > last->epoch)
        return sequence == 0 ? OK : ERR_SEQUENCE;
    return sequence == (int32_t)(((int64_t)last->sequence + last->count) % (1LL << 31))
               ? OK
               : ERR_SEQUENCE;
}

Test(producer_state, agrees_with_a_list_of_all_batches)
{
    static struct model model;
    const uint64_t seed = 1234567;
    struct prng prng;
    int accepted = 0, duplicates = 0, refused = 0;

    prng_init(&prng, seed);
    for (int step = 0; step < 20000; step++) {
        int producer = (int)prng_below(&prng, MODEL_PRODUCERS);
        int total = model.counts[producer];
        const struct model_batch *last = total > 0 ? &model.batches[producer][total - 1] : NULL;
        int16_t epoch = last ? last->epoch : (int16_t)prng_below(&prng, 3);
        int32_t count = (int32_t)prng_below(&prng, 3) + 1;
        int32_t sequence = 0;
        int64_t duplicate_of;
        struct producer_check checked;
        enum err expected;

        if (!last && prng_chance(&prng, 1, 2)) {
            sequence = INT32_MAX - (int32_t)prng_below(&prng, 50);
        } else if (last && prng_chance(&prng, 1, 3)) { /* again */
            int back = (int)prng_below(&prng, 8);
            const struct model_batch *old =
                &model.batches[producer][total - 1 > back ? total - 1 - back : 0];

            epoch = old->epoch;
            sequence = old->sequence;
            count = prng_chance(&prng, 5, 6) ? old->count : count;
        } else if (last && prng_chance(&prng, 1, 20)) { /* a new epoch */
            epoch = (int16_t)(epoch + 1);
            sequence = prng_chance(&prng, 1, 2) ? 0 : 1;
        } else if (last) {
            sequence = (int32_t)(((int64_t)last->sequence + last->count +
                                  (int64_t)(prng_chance(&prng, 1, 5) ? prng_below(&prng, 3) : 0)) %
                                 (1LL << 31));
        }
        if (total == MODEL_BATCHES_MAX)
            continue;
        expected = model_answer(&model, producer, epoch, sequence, count, &duplicate_of);
        cr_assert(eq(int,
                     offer(batch_of(1000 + producer, epoch, sequence, count), &client, &checked),
                     expected),
                  "seed %lu step %d", seed, step);
        refused += expected != OK;
        if (expected)
            continue;
        cr_assert(eq(int, checked.duplicate, duplicate_of >= 0), "seed %lu step %d", seed, step);
        if (checked.duplicate) {
            cr_assert(eq(i64, checked.base_offset, duplicate_of), "seed %lu step %d", seed, step);
            duplicates++;
            continue;
        }
        model.batches[producer][model.counts[producer]++] = (struct model_batch){
            .epoch = epoch,
            .sequence = sequence,
            .count = count,
            .offset = ps.end_offset - count,
        };
        accepted++;
    }
    cr_assert(accepted > 1000 && duplicates > 1000 && refused > 1000);
}

/* Many ids that come and go: the table itself. */
Test(producer_state, finds_each_of_many_producers)
{
    enum { IDS = 3000 };
    static bool present[IDS];
    const uint64_t seed = 555;
    struct prng prng;
    uint32_t count = 0;

    prng_init(&prng, seed);
    for (int round = 0; round < 10; round++) {
        struct producer_state other;

        producer_state_deinit(&ps);
        producer_state_init(&ps, seed + (uint64_t)round, IDS);
        memset(present, 0, sizeof(present));
        count = 0;
        for (int step = 0; step < 5000; step++) {
            int64_t id = (int64_t)prng_below(&prng, IDS);
            struct batch_header header = batch_of(id << 16, 0, 0, 1);
            struct producer_check checked;

            cr_assert(eq(int, producer_state_check(&ps, &header, NULL, &verbatim, &checked), OK));
            header.base_offset = ps.end_offset;
            producer_state_update(&ps, &header, NULL, id % 2 ? 0 : step + 1, NULL);
            count += !present[id];
            present[id] = true;
            if (step == 2500) { /* the odd ones go */
                uint32_t gone = producer_state_expire(&ps, 1000000, 1000000);

                for (int64_t i = 1; i < IDS; i += 2) {
                    count -= present[i];
                    present[i] = false;
                }
                cr_assert(gone > 0);
            }
        }
        for (int64_t i = 0; i < IDS; i++)
            cr_assert(eq(int, producer_state_find(&ps, i << 16) != NULL, present[i]));
        producer_state_init(&other, 99, 1);
        cr_assert(eq(int, producer_state_copy(&other, &ps), OK));
        cr_assert(producer_state_equal(&other, &ps));
        cr_assert(eq(u32, producer_state_count(&other), count));
        producer_state_deinit(&other);
    }
}
