/* Memory that lacks: what was asked is refused or comes later, and nothing that was acknowledged is
 * lost by it. */
#include "base/mem.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

enum { LOGS = 3 };

TestSuite(store_no_memory, .fini = fixture_down);

static void up(void)
{
    fixture_up(&(struct fixture_options){.seed = 9,
                                         .log_count = LOGS,
                                         .segment_bytes = 64 << 10,
                                         .checkpoint_interval_ms = 1000000});
    cr_assert(fixture_start());
}

/* The next batches of a producer in each log. */
static void fill(uint32_t count)
{
    static int32_t next_sequences[LOGS];

    for (uint32_t i = 0; i < count; i++) {
        struct fixture_append append = {.log_index = i % LOGS,
                                        .value_bytes = 3000,
                                        .has_producer = true,
                                        .producer_id = 7 + i % LOGS,
                                        .base_sequence = next_sequences[i % LOGS]++};
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
    }
    cr_assert(fixture_settle());
}

static void check_all(void)
{
    for (uint32_t i = 0; i < LOGS; i++) {
        cr_assert(not(log_is_quarantined(fixture.at[i].log)));
        fixture_check_prefix(i);
        fixture_check_content(i, 1 << 20);
    }
}

struct answer {
    uint32_t count;
    enum err err;
};

static void on_answer(void *context, enum err err)
{
    struct answer *answer = context;

    answer->count++;
    answer->err = err;
}

/* A journal with batches, a cut far back and more batches, over segments, indexes and windows. */
static void prepare(void)
{
    struct answer answer = {0};
    struct log *log;

    up();
    fill(90);
    fixture_checkpoint();
    fill(60);
    fixture_run_ms(2000); /* its files are not in use */
    log = fixture.at[1].log;
    cr_assert(eq(int, log_truncate(log, 10, on_answer, &answer), OK));
    fixture_run_ms(500);
    cr_assert(eq(u32, answer.count, 1));
    cr_assert(eq(i64, log_offsets(log).log_end, 10));
    fixture_forget_from(1, 10);
    fixture.at[1].durable = 10;
    cr_assert(eq(int, fixture_append_some(1), OK));
    cr_assert(fixture_settle());
    fixture_crash(SIM_KILL);
}

/* Windows that were not believed. */
static uint32_t lost_windows(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < fixture.lines; i++)
        count += strcmp(fixture.codes[i], "LVE-2208") == 0;
    return count;
}

/* Each allocation of a start in turn. */
static void starts_at_last(void (*refuse)(uint64_t n))
{
    uint32_t refused_count = 0;
    bool is_through = false;

    prepare();
    for (uint64_t n = 1; !is_through; n++) {
        fixture.lines = 0;
        refuse(n);
        fixture_try_start();
        refuse(0);
        cr_assert(not(fixture_has_line("LVE-2204")), "allocation %d", (int)n);
        is_through = fixture.start_err == OK && (refuse == mem_end_after || n > 60);
        if (fixture.start_err != OK) {
            cr_assert(eq(int, fixture.start_err, ERR_NOMEM), "allocation %d: %s", (int)n,
                      err_name(fixture.start_err));
            cr_assert(le(u32, lost_windows(), 1)); /* of the log that was cut below its own */
            refused_count++;
        } else {
            check_all();
        }
        fixture_crash(SIM_KILL);
        cr_assert(lt(u32, refused_count, 5000));
    }
    cr_assert(lt(u32, 20, refused_count));
    cr_assert(fixture_start());
    check_all();
}

Test(store_no_memory, a_start_without_it_ends_with_an_error_and_the_next_one_has_all)
{
    starts_at_last(mem_fail_after);
}

Test(store_no_memory, so_does_one_for_which_there_is_none_any_more)
{
    starts_at_last(mem_end_after);
}

Test(store_no_memory, a_checkpoint_without_it_is_made_later)
{
    uint32_t late_count = 0;

    up();
    for (uint64_t n = 1; n <= 40; n++) {
        struct answer answer = {0};
        cr_assert(eq(int, fixture_append_some((uint32_t)(n % LOGS)), OK));
        cr_assert(fixture_settle());
        store_checkpoint(fixture.store, on_answer, &answer);
        mem_fail_after(n);
        fixture_run_ms(500);
        mem_fail_after(0);
        late_count += answer.count == 0;
        fixture_run_ms(5000);
        cr_assert(eq(u32, answer.count, 1), "allocation %d", (int)n);
        cr_assert(eq(int, answer.err, OK));
        cr_assert(eq(u32, fixture.failed_count, 0));
    }
    cr_assert(lt(u32, 3, late_count));
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    check_all();
}

/* Whoever waits for it is told also when the logs that it was for are deleted meanwhile. */
Test(store_no_memory, a_checkpoint_without_it_has_an_end_also_without_logs)
{
    struct answer answer = {0};

    up();
    fill(30);
    mem_fail_after(1);
    store_checkpoint(fixture.store, on_answer, &answer);
    mem_fail_after(0);
    cr_assert(fixture_has_line("LVE-2108"));
    cr_assert(eq(u32, answer.count, 0));
    for (uint32_t i = 0; i < LOGS; i++) {
        log_delete(fixture.at[i].log);
        fixture.at[i].log = NULL;
        fixture_forget_from(i, INT64_MIN);
    }
    fixture_run_ms(5000);
    cr_assert(eq(u32, answer.count, 1));
    cr_assert(eq(int, answer.err, OK));
}

Test(store_no_memory, a_cut_at_either_end_without_it_is_refused_and_nothing_is_cut)
{
    struct answer answer = {0};
    struct log *log;
    uint32_t refused_count = 0;
    enum err err = ERR_NOMEM;

    up();
    fill(90); /* two segments each */
    fixture_checkpoint();
    log = fixture.at[0].log;
    for (uint64_t n = 1; n <= 3; n++) { /* the window of a walk, the waiter and its segments */
        mem_fail_after(n);
        cr_assert(eq(int, log_truncate(log, 29, on_answer, &answer), ERR_NOMEM));
        mem_fail_after(0);
        fixture_run_ms(100);
        cr_assert(eq(i64, log_offsets(log).log_end, 30));
        cr_assert(eq(u32, answer.count, 0));
    }
    cr_assert(eq(int, log_truncate(log, 29, on_answer, &answer), OK));
    fixture_run_ms(100);
    cr_assert(eq(u32, answer.count, 1));
    fixture_forget_from(0, 29);
    fixture.at[0].durable = 29;
    answer = (struct answer){0};
    for (uint64_t n = 1; err == ERR_NOMEM; n++) {
        mem_fail_after(n);
        err = log_delete_records(fixture.at[1].log, 5, on_answer, &answer);
        mem_fail_after(0);
        refused_count += err == ERR_NOMEM;
        fixture_run_ms(100);
        cr_assert(eq(u32, answer.count, err == OK));
        cr_assert(eq(i64, log_offsets(fixture.at[1].log).log_start, err == OK ? 5 : 0));
    }
    cr_assert(eq(int, err, OK));
    cr_assert(le(u32, 2, refused_count));
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    check_all();
}
