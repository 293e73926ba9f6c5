#include "base/mem.h"
#include "tools/load/load_find.h"
#include "tools/load/load_option.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

static struct load_workload *workload;
static char problem[512];

static void setup(void)
{
    workload = mem_alloc(sizeof(*workload));
    load_workload_defaults(workload);
}

static void teardown(void)
{
    load_workload_deinit(workload);
    mem_free(workload);
}

TestSuite(load_workload, .init = setup, .fini = teardown);

static enum err set(const char *name, const char *value)
{
    const struct load_option *option =
        load_option_find(name, strlen(name), LOAD_OPTION_OF_ALL, NULL);

    cr_assert(option != NULL, "%s", name);
    return load_option_set(workload, option, value, problem, sizeof(problem));
}

static enum err check_with(const char *name, const char *value)
{
    cr_assert(eq(int, set(name, value), OK), "%s", problem);
    return load_workload_check(workload, problem, sizeof(problem));
}

Test(load_workload, each_builtin_one_is_right)
{
    const char *purpose;
    const char *settings;
    const char *name;

    for (size_t i = 0; (name = load_workload_builtin(i, &purpose, &settings)) != NULL; i++) {
        load_workload_deinit(workload);
        load_workload_defaults(workload);
        cr_assert(eq(int, load_workload_take_builtin(workload, name), OK));
        cr_assert(eq(int, load_workload_check(workload, problem, sizeof(problem)), OK), "%s: %s",
                  name, problem);
    }
    cr_assert(eq(int, load_workload_take_builtin(workload, "canonicle"), ERR_NOT_FOUND));
}

Test(load_workload, what_get_says_set_takes)
{
    size_t count;
    const struct load_option *rows = load_option_rows(&count);

    for (size_t i = 0; i < count; i++) {
        char before[LOAD_LONG_MAX];
        char after[LOAD_LONG_MAX];
        load_option_get(workload, &rows[i], before, sizeof(before));
        cr_assert(
            eq(int, load_option_set(workload, &rows[i], before, problem, sizeof(problem)), OK),
            "%s: %s", rows[i].name, problem);
        load_option_get(workload, &rows[i], after, sizeof(after));
        cr_assert(eq(str, before, after));
    }
}

Test(load_workload, numbers_have_units)
{
    cr_assert(eq(int, set("size", "1KiB"), OK));
    cr_assert(eq(int, set("batch", "64KiB"), OK));
    cr_assert(eq(u64, workload->batch_bytes, 65536));
    cr_assert(eq(int, set("batch", "64k"), OK));
    cr_assert(eq(u64, workload->batch_bytes, 64000));
    cr_assert(eq(int, set("linger", "250us"), OK));
    cr_assert(eq(u64, workload->linger_ns, 250000));
    cr_assert(eq(int, set("linger", "7"), OK)); /* bare: milliseconds */
    cr_assert(eq(u64, workload->linger_ns, 7000000));
    cr_assert(eq(int, set("duration", "2m"), OK));
    cr_assert(eq(u64, workload->duration_ns, UINT64_C(120000000000)));
    cr_assert(eq(int, set("abort-share", "5%"), OK));
    cr_assert(epsilon_eq(dbl, workload->abort_share, 0.05, 1e-12));
    cr_assert(eq(int, set("partitions", "0"), ERR_INVALID));
    cr_assert(eq(int, set("partitions", "1.5"), ERR_INVALID));
    cr_assert(eq(int, set("partitions", "-1"), ERR_INVALID));
    cr_assert(eq(int, set("partitions", "nan"), ERR_INVALID));
    cr_assert(eq(int, set("partitions", "0x10"), ERR_INVALID));
    cr_assert(eq(int, set("duration", "1e300s"), ERR_INVALID));
    cr_assert(eq(u32, workload->partitions_count, 16)); /* untouched by what was refused */
}

Test(load_workload, rates_have_shapes)
{
    cr_assert(eq(int, check_with("rate", "ramp:1k..5k/30s"), OK));
    cr_assert(eq(int, (int)workload->pacing.shape, PACER_RAMP));
    cr_assert(epsilon_eq(dbl, workload->pacing.rate_to, 5000, 1e-9));
    cr_assert(eq(u64, workload->pacing.period_ns, UINT64_C(30000000000)));
    cr_assert(eq(int, check_with("rate", "sine:1k..3k/10s"), OK));
    cr_assert(epsilon_eq(dbl, workload->pacing.rate, 2000, 1e-9)); /* its middle */
    cr_assert(eq(int, check_with("rate", "bursts:2k/500ms/0.2"), OK));
    cr_assert(eq(int, check_with("rate", "poisson:1k"), OK));
    cr_assert(eq(int, check_with("rate", "max"), OK));
    cr_assert(not(workload->is_open_loop));
    for (size_t i = 0; i < 8; i++) {
        static const char *const wrong[] = {
            "-1",  "fast",      "ramp:1k/2s", "sine:3k..1k/1s", "bursts:1k/1s/2",
            "2e9", "ramp:1..2", "poisson:"};
        cr_assert(eq(int, check_with("rate", wrong[i]), ERR_INVALID), "%s", wrong[i]);
    }
}

Test(load_workload, a_transaction_is_one_thing_of_the_schedule)
{
    cr_assert(eq(int, set("txn-records", "10"), OK));
    cr_assert(eq(int, check_with("rate", "5k"), OK));
    cr_assert(epsilon_eq(dbl, workload->pacing.rate, 500, 1e-9));
}

Test(load_workload, parts_that_do_not_agree_are_told)
{
    cr_assert(eq(int, check_with("in-flight", "5"), ERR_INVALID));
    load_workload_defaults(workload);
    cr_assert(eq(int, set("verify", "true"), OK));
    cr_assert(eq(int, check_with("size", "63"), ERR_INVALID));
    cr_assert(eq(int, check_with("size", "64"), OK));
    cr_assert(eq(u32, workload->subscriptions_count, 1)); /* who verifies reads */
    cr_assert(eq(int, check_with("acks", "0"), ERR_INVALID));
    load_workload_deinit(workload);
    load_workload_defaults(workload);
    cr_assert(eq(int, check_with("compression", "lz4:0"), ERR_INVALID));
    cr_assert(eq(int, check_with("compression", "lz4:3,none:1"), OK));
    cr_assert(eq(int, (int)load_workload_codec(workload, 2), COMPRESSION_LZ4));
    cr_assert(eq(int, (int)load_workload_codec(workload, 3), COMPRESSION_NONE));
}

Test(load_workload, keys_of_openmessaging_are_known)
{
    const char *suffix;
    const char *near;
    const struct load_option *option = load_option_find_key("testDurationMinutes", &suffix, &near);

    cr_assert(eq(str, (char *)option->name, "duration"));
    cr_assert(eq(str, (char *)suffix, "m"));
    option = load_option_find_key("txnRecords", &suffix, &near);
    cr_assert(eq(str, (char *)option->name, "txn-records"));
    cr_assert(load_option_find_key("mesageSize", &suffix, &near) == NULL);
    cr_assert(eq(str, (char *)near, "messageSize"));
}

/* ---- the search for the highest rate */

Test(load_find, it_doubles_then_halves)
{
    double limit = 13700;
    struct load_find find = {0};
    double best = 0;
    double rate;

    while ((rate = load_find_next(&find, 1000)) > 0) {
        find.trials[find.trials_count++] =
            (struct load_trial){.rate = rate, .is_kept = rate <= limit};
        best = rate <= limit && rate > best ? rate : best;
    }
    cr_assert(le(dbl, best, limit));
    cr_assert(best > limit * 0.96);
    cr_assert(lt(u32, find.trials_count, 12));
}

Test(load_find, it_goes_down_from_a_rate_that_is_too_high)
{
    struct load_find find = {0};
    double rate;
    double least = 1e9;

    while ((rate = load_find_next(&find, 1000)) > 0) {
        find.trials[find.trials_count++] = (struct load_trial){.rate = rate, .is_kept = rate <= 20};
        least = rate < least ? rate : least;
    }
    cr_assert(le(dbl, least, 20.0));
    cr_assert(lt(u32, find.trials_count, LOAD_FIND_RUNS_MAX));
}
