#include "tools/load/load_outage.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct load_outage outage;

static void begin(void)
{
    load_outage_init(&outage);
}

static void end(void)
{
    load_outage_deinit(&outage);
}

static void expect(enum load_success kind, uint64_t from_ns, uint64_t pause_ns)
{
    uint64_t from;
    uint64_t pause;

    cr_assert(load_outage_longest(&outage, kind, &from, &pause));
    cr_assert(eq(u64, from, from_ns));
    cr_assert(eq(u64, pause, pause_ns));
}

Test(load_outage, tells_the_longest_pause_of_each_kind, .init = begin, .fini = end)
{
    load_outage_note(&outage, LOAD_SUCCESS_STORED, 10); /* nothing has begun */
    load_outage_begin(&outage, 100);
    load_outage_note(&outage, LOAD_SUCCESS_STORED, 110);
    load_outage_note(&outage, LOAD_SUCCESS_STORED, 400);
    load_outage_note(&outage, LOAD_SUCCESS_STORED, 410);
    load_outage_note(&outage, LOAD_SUCCESS_READ, 250);
    load_outage_note(&outage, LOAD_SUCCESS_READ, 260);
    load_outage_end(&outage, 420);
    expect(LOAD_SUCCESS_STORED, 110, 290);
    expect(LOAD_SUCCESS_READ, 260, 160); /* it never came again */
}

Test(load_outage, takes_what_several_threads_note_out_of_order, .init = begin, .fini = end)
{
    load_outage_begin(&outage, 100);
    load_outage_note(&outage, LOAD_SUCCESS_STORED, 200);
    load_outage_note(&outage, LOAD_SUCCESS_STORED, 150); /* it was seen later */
    load_outage_note(&outage, LOAD_SUCCESS_STORED, 210);
    load_outage_end(&outage, 220);
    expect(LOAD_SUCCESS_STORED, 100, 100);
}

Test(load_outage, knows_when_there_was_no_success, .init = begin, .fini = end)
{
    uint64_t from;
    uint64_t pause;

    load_outage_begin(&outage, 100);
    load_outage_end(&outage, 500);
    cr_assert(not(load_outage_longest(&outage, LOAD_SUCCESS_COMMITTED, &from, &pause)));
}

Test(load_outage, keeps_the_first_and_the_last_error, .init = begin, .fini = end)
{
    load_outage_error(&outage, 50);
    load_outage_begin(&outage, 100);
    load_outage_error(&outage, 110);
    load_outage_error(&outage, 130);
    cr_assert(eq(u64, outage.error_first_ns, 110));
    cr_assert(eq(u64, outage.error_last_ns, 130));
    cr_assert(eq(u64, outage.errors_count, 2));
}
