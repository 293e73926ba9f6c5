#include "tools/load/load_compare.h"

#include "tools/load/load_format.h"
#include "tools/load/load_statistics.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#define SIGN_TEST_LEVEL 0.05

static const char not_known[] = "not known";

void load_compare_init(struct load_comparison *comparison, const char *a, const char *b,
                       const char *durability_a, const char *durability_b)
{
    const char *names[] = {a, b};
    const char *durabilities[] = {durability_a, durability_b};

    *comparison = (struct load_comparison){0};
    for (int side = 0; side < 2; side++) {
        struct load_side *to = &comparison->sides[side];
        snprintf(to->name, sizeof(to->name), "%s", names[side]);
        if (durabilities[side] != NULL)
            snprintf(to->durability, sizeof(to->durability), "%s", durabilities[side]);
        to->is_told = to->durability[0] != '\0';
    }
    comparison->is_same_workload = true;
}

/* ---- are they runs of one workload? */

/* What may differ: where it runs, where the result goes, and what an outage was. */
static bool is_surrounding(const char *key)
{
    static const char *const names[] = {
        "brokers",    "timeout", "name",       "topic",    "agents",     "seed",   "account-memory",
        "format",     "json",    "report",     "csv",      "hlog",       "limits", "state",
        "limits-dir", "blocks",  "broker-pid", "find-max", "keep-topics"};
    static const char *const starts[] = {"command", "downtime.", "errors.", "durability-",
                                         "different-"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(key, names[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (strncmp(key, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

/* NULL: as usual. */
static const char *value_of(const struct load_line *lines, uint32_t count, const char *key)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(lines[i].key, key) == 0)
            return lines[i].value;
    return NULL;
}

static void differ(struct load_comparison *comparison, const char *key, const char *first,
                   const char *other)
{
    size_t length = strlen(comparison->differences);
    char start[sizeof(comparison->settings[0].key) + 4];

    comparison->is_same_workload = false;
    snprintf(start, sizeof(start), "%s: ", key);
    if (strstr(comparison->differences, start) == NULL)
        snprintf(comparison->differences + length, sizeof(comparison->differences) - length,
                 "%s%s%.60s, %.60s", length > 0 ? "; " : "", start,
                 first == NULL ? "as usual" : first, other == NULL ? "as usual" : other);
}

/* LCM-3 */
static void learn_workload(struct load_comparison *comparison, const struct load_result *result)
{
    if (!comparison->has_settings) {
        comparison->has_settings = true;
        memcpy(comparison->workload, result->workload, sizeof(comparison->workload));
        memcpy(comparison->settings, result->settings, sizeof(comparison->settings));
        comparison->settings_count = result->settings_count;
        return;
    }
    if (strcmp(comparison->workload, result->workload) != 0)
        differ(comparison, "workload", comparison->workload, result->workload);
    for (uint32_t i = 0; i < comparison->settings_count; i++) {
        const struct load_line *line = &comparison->settings[i];
        const char *other = value_of(result->settings, result->settings_count, line->key);
        if (!is_surrounding(line->key) && (other == NULL || strcmp(other, line->value) != 0))
            differ(comparison, line->key, line->value, other);
    }
    for (uint32_t i = 0; i < result->settings_count; i++) {
        const struct load_line *line = &result->settings[i];
        if (!is_surrounding(line->key) &&
            value_of(comparison->settings, comparison->settings_count, line->key) == NULL)
            differ(comparison, line->key, NULL, line->value);
    }
}

/* What the results say of a side, where nobody has said it yet. */
static void learn(struct load_comparison *comparison, uint32_t side,
                  const struct load_result *result)
{
    struct load_side *to = &comparison->sides[side];
    const char *said = result->durability[0] == '\0' ? not_known : result->durability;

    if (to->driver[0] == '\0')
        memcpy(to->driver, result->driver, sizeof(to->driver));
    if (!to->is_told && to->is_learned && strcmp(to->durability, said) != 0)
        to->is_mixed = true;
    if (!to->is_told && !to->is_learned)
        snprintf(to->durability, sizeof(to->durability), "%s", said);
    to->is_learned = true;
    learn_workload(comparison, result);
}

/* A run of a whole block. */
static void take(struct load_comparison *comparison, uint32_t side,
                 const struct load_result *result)
{
    struct load_side *to = &comparison->sides[side];

    learn(comparison, side, result);
    to->runs_count++;
    to->bad_runs_count += result->error_count > 0 || result->errors_count > 0;
    to->error_count += result->error_count;
}

/* What is not known may differ. */
static void judge_durability(struct load_comparison *comparison)
{
    for (int side = 0; side < 2; side++) {
        struct load_side *to = &comparison->sides[side];
        if (to->is_mixed)
            snprintf(to->durability, sizeof(to->durability), "differs between runs");
        else if (to->durability[0] == '\0')
            memcpy(to->durability, not_known, sizeof(not_known));
    }
    comparison->is_same_durability =
        !comparison->sides[0].is_mixed && !comparison->sides[1].is_mixed &&
        strcmp(comparison->sides[0].durability, comparison->sides[1].durability) == 0 &&
        strcmp(comparison->sides[0].durability, not_known) != 0;
}

/* A B B A */
static uint32_t side_of(uint32_t index)
{
    return index == 1 || index == 2;
}

enum err load_compare_block(struct load_comparison *comparison,
                            const struct load_result *const runs[LOAD_COMPARE_RUNS])
{
    uint32_t block = comparison->blocks_count;

    if (block == LOAD_COMPARE_BLOCKS_MAX)
        return ERR_FULL;
    for (uint32_t i = 0; i < LOAD_COMPARE_RUNS; i++) {
        take(comparison, side_of(i), runs[i]);
        for (int m = 0; m < LOAD_METRIC_COUNT; m++)
            comparison->values[m][block][i] = load_metric_of((enum load_metric)m, runs[i]);
    }
    comparison->blocks_count++;
    return OK;
}

enum err load_compare_pair(struct load_comparison *comparison, const struct load_result *a,
                           const struct load_result *b)
{
    uint32_t block = comparison->blocks_count;

    if (block == LOAD_COMPARE_BLOCKS_MAX)
        return ERR_FULL;
    comparison->are_pairs = true;
    take(comparison, 0, a);
    take(comparison, 1, b);
    for (int m = 0; m < LOAD_METRIC_COUNT; m++) {
        double *values = comparison->values[m][block];
        values[0] = load_metric_of((enum load_metric)m, a);
        values[1] = load_metric_of((enum load_metric)m, b);
        values[2] = NAN;
        values[3] = NAN;
    }
    comparison->blocks_count++;
    return OK;
}

static double mean(double a, double b)
{
    return isfinite(a) && isfinite(b) ? (a + b) / 2 : isfinite(a) ? a : b;
}

/* Of one side in one block; NAN: not measured. */
static double mean_of(const struct load_comparison *comparison, enum load_metric metric,
                      uint32_t block, uint32_t side)
{
    const double *values = comparison->values[metric][block];

    return side == 0 ? mean(values[0], values[3]) : mean(values[1], values[2]);
}

double load_compare_ratio(const struct load_comparison *comparison, enum load_metric metric,
                          uint32_t block)
{
    double a = mean_of(comparison, metric, block, 0);
    double b = mean_of(comparison, metric, block, 1);

    return a > 0 && b > 0 ? b / a : NAN;
}

static void add_distance(double *distances, size_t *count, double a, double b)
{
    double distance = fabs(log(a / b));

    if (isfinite(distance))
        distances[(*count)++] = distance;
}

/* The median distance of two runs of one side in one block, or, where a block has one of each, in
 * neighbouring blocks; as a factor of at least 1. */
static double spread_of(const struct load_comparison *comparison, enum load_metric metric)
{
    double distances[2 * LOAD_COMPARE_BLOCKS_MAX];
    size_t count = 0;
    bool has_repeats;

    for (uint32_t block = 0; block < comparison->blocks_count; block++) {
        const double *values = comparison->values[metric][block];
        add_distance(distances, &count, values[0], values[3]);
        add_distance(distances, &count, values[1], values[2]);
    }
    has_repeats = count > 0;
    for (uint32_t block = 1; block < comparison->blocks_count && !has_repeats; block++) {
        const double *before = comparison->values[metric][block - 1];
        const double *values = comparison->values[metric][block];
        add_distance(distances, &count, values[0], before[0]);
        add_distance(distances, &count, values[1], before[1]);
    }
    return count == 0 ? NAN : exp(load_statistics_median(distances, count));
}

static double median_of_side(const struct load_comparison *comparison, enum load_metric metric,
                             uint32_t side)
{
    double values[2 * LOAD_COMPARE_BLOCKS_MAX];
    size_t count = 0;

    for (uint32_t block = 0; block < comparison->blocks_count; block++)
        for (uint32_t i = 0; i < LOAD_COMPARE_RUNS; i++)
            if (side_of(i) == side && isfinite(comparison->values[metric][block][i]))
                values[count++] = comparison->values[metric][block][i];
    return load_statistics_median(values, count);
}

static void judge(struct load_comparison *comparison, enum load_metric metric)
{
    struct load_pair *pair = &comparison->pairs[metric];
    double ratios[LOAD_COMPARE_BLOCKS_MAX];
    uint32_t plus = 0;
    uint32_t minus = 0;

    *pair = (struct load_pair){.finding = LOAD_PAIR_NOT_MEASURED, .ratio = NAN};
    for (uint32_t block = 0; block < comparison->blocks_count; block++) {
        double ratio = load_compare_ratio(comparison, metric, block);
        if (!isfinite(ratio))
            continue;
        ratios[pair->blocks_count++] = ratio;
        plus += ratio > 1;
        minus += ratio < 1;
    }
    if (pair->blocks_count == 0)
        return;
    pair->a = median_of_side(comparison, metric, 0);
    pair->b = median_of_side(comparison, metric, 1);
    pair->ratio = load_statistics_median(ratios, pair->blocks_count);
    pair->ratio_min = ratios[0]; /* the median has sorted them */
    pair->ratio_max = ratios[pair->blocks_count - 1];
    pair->p = load_statistics_sign_test(plus, minus);
    pair->spread = spread_of(comparison, metric);
    if (pair->p > SIGN_TEST_LEVEL || !(fabs(log(pair->ratio)) > log(pair->spread)))
        pair->finding = LOAD_PAIR_NO_DIFFERENCE;
    else
        pair->finding = (pair->ratio > 1) == load_metric_is_more_better(metric) ? LOAD_PAIR_B_BETTER
                                                                                : LOAD_PAIR_B_WORSE;
}

enum err load_compare_finish(struct load_comparison *comparison, bool is_allowed)
{
    judge_durability(comparison);
    for (int m = 0; m < LOAD_METRIC_COUNT; m++)
        judge(comparison, (enum load_metric)m);
    return comparison->is_same_durability || is_allowed ? OK : ERR_INVALID;
}

void load_compare_words(const struct load_comparison *comparison, enum load_metric metric,
                        char out[static LOAD_COMPARE_LINE_BYTES])
{
    const struct load_pair *pair = &comparison->pairs[metric];
    double times = pair->ratio > 1 ? pair->ratio : 1 / pair->ratio;
    char number[LOAD_FORMAT_BYTES];
    const char *word = pair->finding == LOAD_PAIR_B_BETTER ? "better" : "worse";

    switch (pair->finding) {
    case LOAD_PAIR_NOT_MEASURED:
        snprintf(out, LOAD_COMPARE_LINE_BYTES, "not measured");
        break;
    case LOAD_PAIR_NO_DIFFERENCE:
        if (pair->blocks_count < load_statistics_pairs_needed(SIGN_TEST_LEVEL))
            snprintf(out, LOAD_COMPARE_LINE_BYTES, "no difference shown (%u blocks, %u needed)",
                     pair->blocks_count, load_statistics_pairs_needed(SIGN_TEST_LEVEL));
        else
            snprintf(out, LOAD_COMPARE_LINE_BYTES, "no difference shown");
        break;
    default:
        if (times >= 1.5)
            snprintf(out, LOAD_COMPARE_LINE_BYTES, "B is %s times %s",
                     load_format_number(times, number), word);
        else
            snprintf(out, LOAD_COMPARE_LINE_BYTES, "B is %.2g %% %s", fabs(pair->ratio - 1) * 100,
                     word);
    }
}

void load_compare_line(const struct load_comparison *comparison, enum load_metric metric,
                       char out[static LOAD_COMPARE_LINE_BYTES])
{
    const struct load_pair *pair = &comparison->pairs[metric];
    char words[LOAD_COMPARE_LINE_BYTES];
    double percent = (pair->spread - 1) * 100;
    char ratios[3][LOAD_FORMAT_BYTES];
    char a[LOAD_FORMAT_BYTES];
    char b[LOAD_FORMAT_BYTES];
    int length;

    load_compare_words(comparison, metric, words);
    load_metric_format(metric, pair->a, a, sizeof(a));
    load_metric_format(metric, pair->b, b, sizeof(b));
    length = snprintf(out, LOAD_COMPARE_LINE_BYTES,
                      "%-30s A %-12s B %-12s B/A %s [%s to %s]  p %.2g  A-A %.*f %%  %s",
                      load_metric_text(metric), a, b, load_format_number(pair->ratio, ratios[0]),
                      load_format_number(pair->ratio_min, ratios[1]),
                      load_format_number(pair->ratio_max, ratios[2]), pair->p, percent < 9.95,
                      percent, words);
    if (!comparison->is_same_durability && length > 0 && length < LOAD_COMPARE_LINE_BYTES)
        snprintf(out + length, LOAD_COMPARE_LINE_BYTES - (size_t)length,
                 "  (durability: A %.60s, B %.60s)", comparison->sides[0].durability,
                 comparison->sides[1].durability);
}

void load_compare_print(const struct load_comparison *comparison, FILE *file)
{
    static const char letters[] = "AB";
    char line[LOAD_COMPARE_LINE_BYTES];

    for (int side = 0; side < 2; side++)
        fprintf(file, "%c  %s  %s; durability: %s\n", letters[side], comparison->sides[side].name,
                comparison->sides[side].driver, comparison->sides[side].durability);
    fprintf(file, "%u %s of %s\n", comparison->blocks_count,
            comparison->are_pairs ? "pairs A B" : "blocks A B B A",
            comparison->workload[0] == '\0' ? "a workload" : comparison->workload);
    if (!comparison->is_same_workload)
        fprintf(file, "different workloads: %s\n", comparison->differences);
    for (int side = 0; side < 2; side++)
        if (comparison->sides[side].bad_runs_count > 0)
            fprintf(file, "%c had errors in %u of %u runs: %" PRIu64 " records were given up\n",
                    letters[side], comparison->sides[side].bad_runs_count,
                    comparison->sides[side].runs_count, comparison->sides[side].error_count);
    for (uint32_t i = 0; i < comparison->dropped_count && i < 4; i++)
        fprintf(file, "left out: %s\n", comparison->reasons[i]);
    for (int m = 0; m < LOAD_METRIC_COUNT; m++) {
        if (comparison->pairs[m].finding == LOAD_PAIR_NOT_MEASURED)
            continue;
        load_compare_line(comparison, (enum load_metric)m, line);
        fprintf(file, "%s\n", line);
    }
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *pair_json(const struct load_comparison *comparison, enum load_metric metric)
{
    static const char *const findings[] = {"not measured", "no difference shown", "B better",
                                           "B worse"};
    const struct load_pair *pair = &comparison->pairs[metric];
    json_t *ratios = json_array();

    for (uint32_t block = 0; block < comparison->blocks_count; block++)
        json_array_append_new(ratios, number(load_compare_ratio(comparison, metric, block)));
    return json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:s}", "metric",
                     load_metric_text(metric), "finding", findings[pair->finding], "a",
                     number(pair->a), "b", number(pair->b), "ratio", number(pair->ratio),
                     "ratio_min", number(pair->ratio_min), "ratio_max", number(pair->ratio_max),
                     "p", number(pair->p), "spread", number(pair->spread), "ratios", ratios,
                     "durability_a", comparison->sides[0].durability, "durability_b",
                     comparison->sides[1].durability);
}

enum err load_compare_print_json(const struct load_comparison *comparison, FILE *file)
{
    json_t *pairs = json_array();
    json_t *all;
    enum err err = OK;

    for (int m = 0; m < LOAD_METRIC_COUNT; m++)
        if (comparison->pairs[m].finding != LOAD_PAIR_NOT_MEASURED)
            json_array_append_new(pairs, pair_json(comparison, (enum load_metric)m));
    all = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:i,s:i,s:b,s:b,s:s,s:I,s:I,s:i,s:i,s:o}", "a",
        comparison->sides[0].name, "b", comparison->sides[1].name, "driver_a",
        comparison->sides[0].driver, "driver_b", comparison->sides[1].driver, "workload",
        comparison->workload, "blocks", (int)comparison->blocks_count, "blocks_left_out",
        (int)comparison->dropped_count, "same_durability", (int)comparison->is_same_durability,
        "same_workload", (int)comparison->is_same_workload, "workload_differences",
        comparison->differences, "errors_a", (json_int_t)comparison->sides[0].error_count,
        "errors_b", (json_int_t)comparison->sides[1].error_count, "runs_with_errors_a",
        (int)comparison->sides[0].bad_runs_count, "runs_with_errors_b",
        (int)comparison->sides[1].bad_runs_count, "metrics", pairs);
    if (all == NULL)
        return ERR_NOMEM;
    if (json_dumpf(all, file, JSON_COMPACT | JSON_REAL_PRECISION(9)) != 0 ||
        fputc('\n', file) == EOF)
        err = ERR_IO;
    json_decref(all);
    return err;
}

static void drop(struct load_comparison *comparison, uint32_t block, const char *why)
{
    if (comparison->dropped_count < 4)
        snprintf(comparison->reasons[comparison->dropped_count], LOAD_TEXT_MAX, "block %u: %s",
                 block + 1, why);
    comparison->dropped_count++;
}

static enum err run_block(struct load_comparison *comparison,
                          const struct load_compare_options *options, uint32_t block)
{
    struct load_result *runs[LOAD_COMPARE_RUNS] = {NULL};
    enum err err = OK;

    for (uint32_t i = 0; i < LOAD_COMPARE_RUNS && err == OK; i++) {
        err = options->run(options->context, side_of(i), &runs[i]);
        if (err == OK && options->ran != NULL)
            options->ran(options->context, block, i, side_of(i), runs[i]);
        if (err == OK && runs[i]->is_partial)
            err = ERR_CANCELED; /* somebody wants an end */
    }
    if (err == OK)
        err = load_compare_block(
            comparison, (const struct load_result *const[]){runs[0], runs[1], runs[2], runs[3]});
    else
        drop(comparison, block, err == ERR_CANCELED ? "ended early" : err_text(err));
    for (uint32_t i = 0; i < LOAD_COMPARE_RUNS; i++)
        load_result_destroy(runs[i]);
    return err;
}

/* First pages are touched, code is compiled, files are made; and the sides tell who they are. */
static enum err warm_up(struct load_comparison *comparison,
                        const struct load_compare_options *options)
{
    for (uint32_t side = 0; side < 2; side++) {
        struct load_result *result = NULL;
        enum err err = options->run(options->context, side, &result);
        if (err == OK)
            learn(comparison, side, result);
        if (err == OK && result->is_partial)
            err = ERR_CANCELED;
        load_result_destroy(result);
        if (err != OK)
            return err;
    }
    judge_durability(comparison);
    return comparison->is_same_durability || options->is_other_allowed ? OK : ERR_INVALID;
}

enum err load_compare_run(struct load_comparison *comparison,
                          const struct load_compare_options *options)
{
    uint32_t blocks = options->blocks == 0 ? LOAD_COMPARE_BLOCKS_DEFAULT : options->blocks;
    enum err err = blocks > LOAD_COMPARE_BLOCKS_MAX ? ERR_FULL : warm_up(comparison, options);
    enum err judged;

    for (uint32_t block = 0; block < blocks && err == OK; block++)
        err = run_block(comparison, options, block);
    judged = load_compare_finish(comparison, options->is_other_allowed);
    return err == OK ? judged : err;
}
