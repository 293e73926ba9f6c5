#include "base/mem.h"
#include "broker/refused_batches.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct refused_batches refused;
static uint64_t now_ns = 5000000000;

static void teardown(void)
{
    refused_batches_deinit(&refused);
}

TestSuite(refused_batches, .fini = teardown);

static struct batch_header of(int64_t producer_id, int16_t epoch, int32_t sequence)
{
    return (struct batch_header){
        .producer_id = producer_id, .producer_epoch = epoch, .base_sequence = sequence};
}

static void note(int64_t producer_id, int16_t epoch, int32_t sequence)
{
    struct batch_header header = of(producer_id, epoch, sequence);

    refused_batches_note(&refused, &header, now_ns);
}

static bool overtakes(int64_t producer_id, int16_t epoch, int32_t sequence)
{
    struct batch_header header = of(producer_id, epoch, sequence);

    return refused_batches_overtakes(&refused, &header, now_ns);
}

Test(refused_batches, what_follows_waits_until_the_refused_one_comes_again)
{
    cr_assert(not(overtakes(7, 0, 3)));
    note(7, 0, 3);
    cr_assert(overtakes(7, 0, 4));
    cr_assert(overtakes(7, 0, 8));
    cr_assert(not(overtakes(8, 0, 4)));
    cr_assert(not(overtakes(7, 0, 2)), "one that was sent before it");
    cr_assert(overtakes(7, 0, 4));
    cr_assert(not(overtakes(7, 0, 3)));
    cr_assert(not(overtakes(7, 0, 4)));
}

Test(refused_batches, the_earliest_one_counts)
{
    note(7, 0, 3);
    note(7, 0, 5);
    cr_assert(overtakes(7, 0, 4));
    note(7, 0, 1);
    cr_assert(overtakes(7, 0, 3));
    cr_assert(not(overtakes(7, 0, 1)));
    cr_assert(not(overtakes(7, 0, 3)));
}

Test(refused_batches, sequences_begin_anew_behind_the_largest)
{
    note(7, 0, INT32_MAX);
    cr_assert(not(overtakes(7, 0, INT32_MAX - 1)));
    cr_assert(overtakes(7, 0, 0));
    cr_assert(overtakes(7, 0, 5));
    cr_assert(not(overtakes(7, 0, INT32_MAX)));
    cr_assert(not(overtakes(7, 0, 0)));
}

Test(refused_batches, another_epoch_ends_it)
{
    note(7, 0, 3);
    cr_assert(not(overtakes(7, 1, 4)));
    cr_assert(not(overtakes(7, 0, 4)));
}

Test(refused_batches, a_minute_ends_it)
{
    note(7, 0, 3);
    now_ns += (REFUSED_BATCHES_MS - 1) * UINT64_C(1000000);
    cr_assert(overtakes(7, 0, 4));
    now_ns += 1000000;
    cr_assert(not(overtakes(7, 0, 4)));
}

Test(refused_batches, the_newest_are_remembered)
{
    for (int64_t id = 0; id < REFUSED_BATCHES_MAX + 1; id++)
        note(id, 0, 3);
    cr_assert(not(overtakes(0, 0, 4)));
    for (int64_t id = 1; id < REFUSED_BATCHES_MAX + 1; id++)
        cr_assert(overtakes(id, 0, 4));
}

Test(refused_batches, without_memory_nothing_is_remembered)
{
    mem_fail_after(1);
    note(7, 0, 3);
    mem_fail_after(0);
    cr_assert(not(overtakes(7, 0, 4)));
}
