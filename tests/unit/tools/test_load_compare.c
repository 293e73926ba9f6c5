#include "base/mem.h"
#include "tools/load/load_compare.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct load_comparison comparison;

/* A run that stored so many records in a second. */
static struct load_result *run_of(uint64_t stored, const char *durability)
{
    struct load_result *result;

    cr_assert(eq(int, load_result_create(&result), OK));
    result->duration_ns = 1000000000;
    result->stored_count = stored;
    snprintf(result->durability, sizeof(result->durability), "%s", durability);
    histogram_record_n(&result->histograms[LOAD_HISTOGRAM_PRODUCE], 1000000, 1000);
    return result;
}

/* A block: the two A, the two B. */
static void add_block(const uint64_t a[2], const uint64_t b[2], const char *durability_b)
{
    struct load_result *runs[] = {run_of(a[0], "fsync before ack"), run_of(b[0], durability_b),
                                  run_of(b[1], durability_b), run_of(a[1], "fsync before ack")};

    cr_assert(
        eq(int, load_compare_block(&comparison, (const struct load_result *const *)runs), OK));
    for (int i = 0; i < 4; i++)
        load_result_destroy(runs[i]);
}

Test(load_compare, the_ratio_of_a_block_is_mean_b_over_mean_a)
{
    load_compare_init(&comparison, "a", "b", NULL, NULL);
    add_block((uint64_t[]){90, 110}, (uint64_t[]){220, 180}, "fsync before ack");
    add_block((uint64_t[]){100, 100}, (uint64_t[]){150, 150}, "fsync before ack");
    add_block((uint64_t[]){100, 100}, (uint64_t[]){400, 200}, "fsync before ack");
    cr_assert(eq(int, load_compare_finish(&comparison, false), OK));
    cr_assert(eq(dbl, load_compare_ratio(&comparison, LOAD_METRIC_STORED_RATE, 0), 2.0));
    cr_assert(eq(dbl, comparison.pairs[LOAD_METRIC_STORED_RATE].ratio, 2.0));
    cr_assert(eq(dbl, comparison.pairs[LOAD_METRIC_STORED_RATE].ratio_min, 1.5));
    cr_assert(eq(dbl, comparison.pairs[LOAD_METRIC_STORED_RATE].ratio_max, 3.0));
    /* distances of two of one side: 110/90, 220/180, 1, 1, 1, 2: the median lies between */
    cr_assert(
        lt(dbl, fabs(comparison.pairs[LOAD_METRIC_STORED_RATE].spread - sqrt(110.0 / 90.0)), 1e-9));
    /* three blocks cannot show anything, whatever they say */
    cr_assert(eq(int, comparison.pairs[LOAD_METRIC_STORED_RATE].finding, LOAD_PAIR_NO_DIFFERENCE));
    cr_assert(eq(int, comparison.pairs[LOAD_METRIC_E2E_P50].finding, LOAD_PAIR_NOT_MEASURED));
}

static enum load_finding_of_pair found(uint32_t blocks, uint64_t step_b, uint64_t noise)
{
    load_compare_init(&comparison, "a", "b", NULL, NULL);
    for (uint32_t i = 0; i < blocks; i++)
        add_block((uint64_t[]){1000, 1000 + noise},
                  (uint64_t[]){1000 + step_b + noise, 1000 + step_b}, "fsync before ack");
    cr_assert(eq(int, load_compare_finish(&comparison, false), OK));
    return comparison.pairs[LOAD_METRIC_STORED_RATE].finding;
}

Test(load_compare, a_difference_needs_blocks_that_agree_and_more_than_the_noise)
{
    cr_assert(eq(int, found(6, 100, 5), LOAD_PAIR_B_BETTER));
    cr_assert(eq(int, found(5, 100, 5), LOAD_PAIR_NO_DIFFERENCE)); /* too few */
    cr_assert(
        eq(int, found(6, 100, 300), LOAD_PAIR_NO_DIFFERENCE)); /* all agree, noise covers it */
    cr_assert(eq(int, found(6, 0, 5), LOAD_PAIR_NO_DIFFERENCE));
    /* one of seven blocks says the other thing: p = 0.125 */
    load_compare_init(&comparison, "a", "b", NULL, NULL);
    for (uint32_t i = 0; i < 7; i++)
        add_block((uint64_t[]){1000, 1001},
                  i == 3 ? (uint64_t[]){900, 901} : (uint64_t[]){1100, 1101}, "fsync before ack");
    cr_assert(eq(int, load_compare_finish(&comparison, false), OK));
    cr_assert(eq(int, comparison.pairs[LOAD_METRIC_STORED_RATE].finding, LOAD_PAIR_NO_DIFFERENCE));
    cr_assert(lt(dbl, fabs(comparison.pairs[LOAD_METRIC_STORED_RATE].p - 0.125), 1e-9));
}

Test(load_compare, different_durability_is_refused_or_stands_in_each_line)
{
    char line[LOAD_COMPARE_LINE_BYTES];

    load_compare_init(&comparison, "a", "b", NULL, NULL);
    add_block((uint64_t[]){1, 1}, (uint64_t[]){2, 2}, "page cache");
    cr_assert(eq(int, load_compare_finish(&comparison, false), ERR_INVALID));
    cr_assert(eq(int, load_compare_finish(&comparison, true), OK));
    for (int m = 0; m < LOAD_METRIC_COUNT; m++) {
        load_compare_line(&comparison, (enum load_metric)m, line);
        cr_assert(strstr(line, "A fsync before ack, B page cache") != NULL, "%s", line);
    }
    /* what the user says counts; what nobody knows may differ */
    load_compare_init(&comparison, "a", "b", NULL, "fsync before ack");
    add_block((uint64_t[]){1, 1}, (uint64_t[]){2, 2}, "page cache");
    cr_assert(eq(int, load_compare_finish(&comparison, false), OK));
    load_compare_line(&comparison, LOAD_METRIC_STORED_RATE, line);
    cr_assert(strstr(line, "durability") == NULL, "%s", line);
    load_compare_init(&comparison, "a", "b", "not known", "");
    cr_assert(eq(int, load_compare_finish(&comparison, false), ERR_INVALID));
}

/* B's first run says this, the others that. */
Test(load_compare, a_side_whose_runs_differ_has_no_durability)
{
    load_compare_init(&comparison, "a", "b", NULL, NULL);
    add_block((uint64_t[]){1, 1}, (uint64_t[]){2, 2}, "fsync before ack");
    add_block((uint64_t[]){1, 1}, (uint64_t[]){2, 2}, "page cache");
    cr_assert(eq(int, load_compare_finish(&comparison, false), ERR_INVALID));
    cr_assert(eq(str, comparison.sides[1].durability, "differs between runs"));
    /* the same of both is not the same durability */
    load_compare_init(&comparison, "a", "b", NULL, NULL);
    for (int i = 0; i < 2; i++) {
        struct load_result *run = run_of(1, i == 0 ? "fsync before ack" : "page cache");
        cr_assert(eq(int, load_compare_pair(&comparison, run, run), OK));
        load_result_destroy(run);
    }
    cr_assert(eq(int, load_compare_finish(&comparison, false), ERR_INVALID));
}

static char *head_of(const struct load_comparison *of)
{
    static char text[8192];
    FILE *file = fmemopen(text, sizeof(text), "w");

    load_compare_print(of, file);
    fclose(file);
    return text;
}

Test(load_compare, different_workloads_and_errors_stand_in_the_head)
{
    struct load_result *runs[] = {run_of(100, "fsync before ack"), run_of(200, "fsync before ack")};
    const char *head;

    load_result_setting(runs[0], "rate", "2000");
    load_result_setting(runs[1], "rate", "500");
    load_result_setting(runs[1], "acks", "1");
    load_result_setting(runs[0], "brokers", "a:1");
    load_result_setting(runs[1], "brokers", "b:1");
    runs[1]->error_count = 1000;
    load_compare_init(&comparison, "a", "b", NULL, NULL);
    for (int i = 0; i < 3; i++)
        cr_assert(eq(int, load_compare_pair(&comparison, runs[0], runs[1]), OK));
    cr_assert(eq(int, load_compare_finish(&comparison, false), OK));
    cr_assert(not(comparison.is_same_workload));
    head = head_of(&comparison);
    cr_assert(strstr(head, "3 pairs A B of") != NULL, "%s", head);
    cr_assert(strstr(head, "different workloads: rate: 2000, 500; acks: as usual, 1\n") != NULL,
              "%s", head);
    cr_assert(strstr(head, "B had errors in 3 of 3 runs: 3000 records were given up") != NULL, "%s",
              head);
    cr_assert(strstr(head, "A had errors") == NULL, "%s", head);
    load_compare_init(&comparison, "a", "b", NULL, NULL);
    cr_assert(eq(int, load_compare_pair(&comparison, runs[0], runs[0]), OK));
    cr_assert(comparison.is_same_workload);
    for (int i = 0; i < 2; i++)
        load_result_destroy(runs[i]);
}

struct script {
    char sides[64];
    uint32_t count;
    uint32_t partial_at; /* this run is ended by somebody */
    const char *durability_b;
};

static enum err run_script(void *context, uint32_t side, struct load_result **out)
{
    struct script *script = context;

    *out = run_of(side == 0 ? 100 : 200, side == 0 ? "fsync before ack" : script->durability_b);
    script->sides[script->count++] = side == 0 ? 'A' : 'B';
    (*out)->is_partial = script->count == script->partial_at;
    return OK;
}

Test(load_compare, a_comparison_warms_up_and_then_goes_abba)
{
    struct script script = {.durability_b = "fsync before ack"};
    struct load_compare_options options = {.blocks = 3, .run = run_script, .context = &script};

    load_compare_init(&comparison, "a", "b", NULL, NULL);
    cr_assert(eq(int, load_compare_run(&comparison, &options), OK));
    cr_assert(eq(str, script.sides, "ABABBAABBAABBA"));
    cr_assert(eq(u32, comparison.blocks_count, 3));
    cr_assert(eq(u64, mem_used_count(), 0));
}

Test(load_compare, a_comparison_that_is_ended_keeps_its_whole_blocks)
{
    struct script script = {.durability_b = "fsync before ack", .partial_at = 8};
    struct load_compare_options options = {.blocks = 3, .run = run_script, .context = &script};

    load_compare_init(&comparison, "a", "b", NULL, NULL);
    cr_assert(eq(int, load_compare_run(&comparison, &options), ERR_CANCELED));
    cr_assert(eq(u32, comparison.blocks_count, 1));
    cr_assert(eq(u32, comparison.dropped_count, 1));
    cr_assert(eq(dbl, comparison.pairs[LOAD_METRIC_STORED_RATE].ratio, 2.0));
    cr_assert(eq(u64, mem_used_count(), 0));
}

Test(load_compare, different_durability_ends_it_after_the_warm_up)
{
    struct script script = {.durability_b = "page cache"};
    struct load_compare_options options = {.blocks = 3, .run = run_script, .context = &script};

    load_compare_init(&comparison, "a", "b", NULL, NULL);
    cr_assert(eq(int, load_compare_run(&comparison, &options), ERR_INVALID));
    cr_assert(eq(u32, script.count, 2));
}

/* Files of single runs: a block has one of each, its neighbours say what noise is. */
Test(load_compare, pairs_of_single_runs_have_the_spread_of_their_neighbours)
{
    static const uint64_t a[] = {100, 110, 100, 110, 100, 110};

    load_compare_init(&comparison, "a", "b", NULL, NULL);
    for (int i = 0; i < 6; i++) {
        struct load_result *runs[] = {run_of(a[i], "fsync before ack"),
                                      run_of(a[i] * 2, "fsync before ack")};
        cr_assert(eq(int, load_compare_pair(&comparison, runs[0], runs[1]), OK));
        load_result_destroy(runs[0]);
        load_result_destroy(runs[1]);
    }
    cr_assert(eq(int, load_compare_finish(&comparison, false), OK));
    cr_assert(eq(dbl, comparison.pairs[LOAD_METRIC_STORED_RATE].ratio, 2.0));
    cr_assert(lt(dbl, fabs(comparison.pairs[LOAD_METRIC_STORED_RATE].spread - 1.1), 1e-9));
    cr_assert(eq(int, comparison.pairs[LOAD_METRIC_STORED_RATE].finding, LOAD_PAIR_B_BETTER));
}

/* Of files each run tells: one that is other than the first of its side must not hide behind it. */
Test(load_compare, a_side_whose_runs_differ_in_durability_is_refused)
{
    struct load_result *sync = run_of(100, "fsync before ack");
    struct load_result *cached = run_of(400, "page cache");

    load_compare_init(&comparison, "a", "b", NULL, NULL);
    cr_assert(eq(int, load_compare_pair(&comparison, sync, sync), OK));
    cr_assert(eq(int, load_compare_finish(&comparison, false), OK));
    cr_assert(eq(int, load_compare_pair(&comparison, sync, cached), OK));
    cr_assert(eq(int, load_compare_finish(&comparison, false), ERR_INVALID));
    cr_assert(eq(int, load_compare_pair(&comparison, cached, sync), OK)); /* both alike */
    cr_assert(eq(int, load_compare_finish(&comparison, false), ERR_INVALID));
    load_result_destroy(sync);
    load_result_destroy(cached);
}

Test(load_compare, its_json_is_json)
{
    FILE *file = tmpfile();
    json_t *all;

    cr_assert(eq(int, found(6, 100, 5), LOAD_PAIR_B_BETTER));
    cr_assert(eq(int, load_compare_print_json(&comparison, file), OK));
    rewind(file);
    all = json_loadf(file, 0, NULL);
    cr_assert(eq(i64, json_integer_value(json_object_get(all, "blocks")), 6));
    cr_assert(ge(sz, json_array_size(json_object_get(all, "metrics")), 3));
    json_decref(all);
    fclose(file);
}
