#include "tests/sim/sim_image.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static void up(void)
{
    fixture_up(&(struct fixture_options){.seed = 1,
                                         .log_count = 2,
                                         .segment_bytes = 60000,
                                         .segment_write_bytes = 8192,
                                         .index_interval_bytes = 2000,
                                         .checkpoint_interval_ms = 40});
    cr_assert(fixture_start());
}

TestSuite(log_remainder, .init = up, .fini = fixture_down, .timeout = 600);

static void append(void)
{
    cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 900}, NULL), OK));
}

static void flip(uint64_t pos)
{
    const char *path = fixture_path(0, "00000000000000000000.log");

    cr_assert(eq(int, sim_image_flip(&fixture.node->disk, path, pos, 1), 0));
}

/* Damage may pass (a cable, a file put back): by then the journal has been used anew. */
Test(log_remainder, a_quarantined_log_does_not_come_back_without_what_the_journal_held)
{
    uint64_t end_pos = 0;

    for (int i = 0; i < 9; i++) {
        append();
        end_pos += fixture.at[0].batches[i].size_bytes;
    }
    cr_assert(fixture_settle());
    fixture_checkpoint();
    cr_assert(lt(u64, 8192, end_pos)); /* the last block would be mended; the one before is not */
    cr_assert(lt(u64, end_pos, 8192 + 900));
    append();
    cr_assert(fixture_settle());
    fixture_crash(SIM_KILL);
    flip(8190);
    cr_assert(fixture_start());
    cr_assert(log_is_quarantined(fixture.at[0].log));
    fixture_crash(SIM_KILL);
    flip(8190);
    cr_assert(fixture_start());
    cr_assert(log_is_quarantined(fixture.at[0].log));
    cr_assert(not(log_is_quarantined(fixture.at[1].log)));
}

Test(log_remainder, a_quarantined_log_of_which_the_journal_held_nothing_comes_back_whole)
{
    for (int i = 0; i < 9; i++)
        append();
    cr_assert(fixture_settle());
    fixture_stop();
    flip(8190);
    cr_assert(fixture_start());
    cr_assert(log_is_quarantined(fixture.at[0].log));
    fixture_crash(SIM_KILL);
    flip(8190);
    cr_assert(fixture_start());
    cr_assert(not(log_is_quarantined(fixture.at[0].log)));
    fixture_check_content(0, 1 << 20);
}
