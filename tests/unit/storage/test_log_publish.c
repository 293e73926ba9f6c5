/* What was published of a log comes back after any end of the process: never more than was, nor
 * more than is durable. */
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

static void up(void)
{
    fixture_up(&(struct fixture_options){.seed = 7});
    cr_assert(fixture_start());
}

TestSuite(log_publish, .init = up, .fini = fixture_down, .timeout = 300);

static struct log_offsets offsets(void)
{
    return log_offsets(fixture.at[0].log);
}

/* Batches of one record. */
static void write_some(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 900}, NULL), OK));
    cr_assert(fixture_settle());
    fixture_run_ms(1);
}

/* Five are published, three more are not: replicas lag. */
static void leave_three_unpublished(void)
{
    write_some(5);
    fixture.at[0].holds_watermark = true;
    write_some(3);
    cr_assert(eq(i64, offsets().high_watermark, 5));
    cr_assert(eq(i64, offsets().durable, 8));
}

static void check_start(int64_t high_watermark)
{
    uint32_t told = fixture.at[0].progress_count;

    cr_assert(fixture_start());
    cr_assert(eq(i64, offsets().log_end, 8));
    cr_assert(eq(i64, offsets().durable, 8));
    cr_assert(eq(i64, offsets().high_watermark, high_watermark));
    cr_assert(eq(i64, offsets().last_stable, high_watermark));
    cr_assert(eq(u32, fixture.at[0].progress_count, told + 1)); /* there is more to publish */
}

static void crash_and_come_back(enum sim_crash kind)
{
    leave_three_unpublished();
    fixture_checkpoint();
    fixture_crash(kind);
    check_start(5);
    fixture_crash(kind); /* the marks of the start have it, too */
    check_start(5);
    fixture.at[0].holds_watermark = false;
    fixture_crash(kind);
    cr_assert(fixture_start()); /* the leader has all: at once */
    cr_assert(eq(i64, offsets().high_watermark, 8));
}

Test(log_publish, a_kill_keeps_what_was_published_and_publishes_nothing)
{
    crash_and_come_back(SIM_KILL);
}

Test(log_publish, a_power_loss_keeps_what_was_published_and_publishes_nothing)
{
    crash_and_come_back(SIM_POWER_LOSS);
}

Test(log_publish, without_a_checkpoint_less_is_known_and_never_more)
{
    leave_three_unpublished();
    fixture_crash(SIM_POWER_LOSS);
    check_start(0);
}

/* Kafka reads its own file for the same. */
Test(log_publish, an_orderly_stop_writes_down_how_far_it_was_published)
{
    static const struct {
        const char *path;
        const char *line;
    } files[] = {{"data/recovery-point-offset-checkpoint", "topic0 0 8\n"},
                 {"data/replication-offset-checkpoint", "topic0 0 5\n"}};

    leave_three_unpublished();
    fixture_stop();
    for (size_t i = 0; i < 2; i++) {
        char text[200] = {0};
        (void)sim_image_peek(&fixture.node->disk, SIM_CACHED, files[i].path, 0, text,
                             sizeof(text) - 1);
        cr_assert(ne(ptr, strstr(text, files[i].line), NULL), "%s", text);
    }
    check_start(5);
}

static enum err cut_err;

static void on_cut(void *context, enum err err)
{
    cut_err = err;
}

/* The mark says 8, and a truncation stands in the journal above it. */
Test(log_publish, what_was_cut_off_is_not_published_any_more)
{
    write_some(8);
    fixture_checkpoint();
    fixture.at[0].holds_watermark = true;
    cut_err = ERR_AGAIN;
    cr_assert(eq(int, log_truncate(fixture.at[0].log, 3, on_cut, NULL), OK));
    fixture_forget_from(0, 3);
    fixture.at[0].durable = 3;
    cr_assert(eq(i64, offsets().high_watermark, 3));
    fixture_run_ms(100);
    cr_assert(eq(int, cut_err, OK));
    write_some(2);
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    cr_assert(eq(i64, offsets().log_end, 5));
    cr_assert(eq(i64, offsets().high_watermark, 3));
    fixture_check_prefix(0);
}

static bool raised;

static void on_raised(void *context, enum err err)
{
    raised = err == OK;
}

/* The log start that the journal has was below the high watermark, whatever the mark knew. */
Test(log_publish, it_is_never_below_the_log_start)
{
    write_some(5); /* no mark has them */
    fixture.at[0].holds_watermark = true;
    write_some(3);
    cr_assert(eq(int, log_delete_records(fixture.at[0].log, 4, on_raised, NULL), OK));
    fixture_run_ms(100);
    cr_assert(raised);
    fixture_crash(SIM_POWER_LOSS);
    check_start(4);
    cr_assert(eq(i64, offsets().log_start, 4));
}
