/* levee bench compare A B: two brokers, or runs of them that were written as JSON, in paired
 * blocks; levee bench report FILE...: runs that were written as JSON, on one page. */
#include "base/mem.h"
#include "tools/bench.h"
#include "tools/bench_signal.h"
#include "tools/load/load_agents.h"
#include "tools/load/load_compare.h"
#include "tools/load/load_format.h"
#include "tools/load/load_json.h"
#include "tools/load/load_report.h"
#include "tools/load/load_text_file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What runs of both sides share. */
struct comparing {
    const struct bench *bench;
    struct load_workload sides[2]; /* the same but for its brokers */
    struct load_result *shown[2];  /* the first run of each side, with the histograms of all */
    uint32_t blocks;
    bool has_findings; /* a verdict that was not exactly once */
    bool has_unread;
    enum cli_exit exit;
};

static const char letters[] = "AB";

/* ---- two brokers */

static enum err run_side(void *context, uint32_t side, struct load_result **out)
{
    struct comparing *comparing = context;
    char problem[512] = "";
    struct load_view view;
    const struct load_run_options options = {
        .workload = &comparing->sides[side], .view = &view, .stop = bench_signal_flag()};
    enum err err;

    load_view_init(&view, NULL);
    err = load_agents_or_here(&options, out, problem, sizeof(problem));
    if (err != OK && *bench_signal_flag() != 0)
        return ERR_CANCELED; /* it was ended before it measured anything */
    if (err != OK)
        comparing->exit = cli_fail(err == ERR_INVALID ? CLI_USAGE : cli_exit_of(err), "%c (%s): %s",
                                   letters[side], comparing->sides[side].brokers, problem);
    return err;
}

/* The histograms of all runs of a side make its curve; what changes in time is of the first. */
static void keep(struct comparing *comparing, uint32_t side, const struct load_result *result)
{
    struct load_result *shown = comparing->shown[side];
    struct load_verdict verdict;

    if (result->is_verified && load_verdict_has_findings(&result->verdict))
        comparing->has_findings = true;
    if (result->is_verified && result->verdict.unread_count > 0)
        comparing->has_unread = true;
    if (shown == NULL) {
        if (load_result_create(&shown) != OK)
            return;
        if (load_result_merge(shown, result) != OK) {
            load_result_destroy(shown);
            return;
        }
        comparing->shown[side] = shown;
        return;
    }
    for (int i = 0; i < LOAD_HISTOGRAM_COUNT; i++)
        histogram_merge(&shown->histograms[i], &result->histograms[i]);
    verdict = result->verdict;
    if (shown->is_verified && result->is_verified)
        load_verdict_merge(&shown->verdict, &verdict);
    for (uint32_t i = 0; i < result->errors_count; i++)
        load_result_error(shown, "%s", result->errors[i]);
    shown->error_count += result->error_count;
}

static void show_run(const struct comparing *comparing, uint32_t block, uint32_t index,
                     uint32_t side, const struct load_result *result)
{
    enum load_histogram_kind kind = load_result_main(result);
    char rate[LOAD_FORMAT_BYTES];
    char p50[LOAD_FORMAT_BYTES];
    char p99[LOAD_FORMAT_BYTES];
    double per_second =
        result->stored_count > 0 ? load_result_stored_rate(result) : load_result_read_rate(result);

    fprintf(stderr, "block %u of %u, run %u, %c: %s/s, %s p50 %s, p99 %s%s\n", block + 1,
            comparing->blocks, index + 1, letters[side], load_format_number(per_second, rate),
            load_histogram_text(kind),
            load_format_ns((double)histogram_percentile(&result->histograms[kind], 50), p50),
            load_format_ns((double)histogram_percentile(&result->histograms[kind], 99), p99),
            !result->is_verified || result->verdict.is_exactly_once ? ""
            : load_verdict_has_findings(&result->verdict)           ? ", NOT exactly once"
                                                                    : ", not all could be read");
}

static void on_ran(void *context, uint32_t block, uint32_t index, uint32_t side,
                   const struct load_result *result)
{
    struct comparing *comparing = context;

    keep(comparing, side, result);
    show_run(comparing, block, index, side, result);
}

static enum err compare_brokers(struct comparing *comparing, struct load_comparison *comparison)
{
    const struct load_workload *workload = comparing->bench->workload;
    const struct load_compare_options options = {
        .blocks = comparing->blocks,
        .is_other_allowed = workload->allows_other_durability,
        .run = run_side,
        .context = comparing,
        .ran = on_ran,
    };

    for (int side = 0; side < 2; side++) {
        comparing->sides[side] = *workload;
        snprintf(comparing->sides[side].brokers, sizeof(comparing->sides[side].brokers), "%s",
                 comparing->bench->words[side]);
        comparing->sides[side].broker_pid = 0; /* two brokers: each by its port */
    }
    bench_signal_catch();
    if (comparing->shown[0] == NULL)
        fprintf(stderr, "warming up: a run of each, then %u blocks A B B A\n", comparing->blocks);
    return load_compare_run(comparison, &options);
}

/* ---- two files, or lists of them */

/* "run.json,...", or a file that is there: an address ends in a port. */
static bool is_file(const char *word)
{
    size_t length = strcspn(word, ",");
    char path[4096];

    if (length >= sizeof(path))
        return false;
    memcpy(path, word, length);
    path[length] = '\0';
    return access(path, F_OK) == 0 || (length > 5 && strcmp(path + length - 5, ".json") == 0);
}

static enum cli_exit read_run(const char *path, size_t length, struct load_result **out)
{
    char name[4096];
    enum err err = ERR_INVALID;

    snprintf(name, sizeof(name), "%.*s", (int)length, path);
    if (length < sizeof(name))
        err = load_json_read(name, out);
    if (err == OK)
        return CLI_OK;
    return cli_fail(err == ERR_MALFORMED ? CLI_USAGE : cli_exit_of(err), "%s: %s", name,
                    err == ERR_MALFORMED ? "this is no result of levee bench (--json)"
                                         : err_text(err));
}

/* The next of "a.json,b.json"; NULL in *out: there is none. */
static enum cli_exit read_next(const char **list, struct load_result **out)
{
    size_t length = strcspn(*list, ",");
    enum cli_exit exit;

    *out = NULL;
    if (length == 0)
        return CLI_OK;
    exit = read_run(*list, length, out);
    *list += length;
    *list += **list == ',';
    return exit;
}

static enum cli_exit compare_files(struct comparing *comparing, struct load_comparison *comparison)
{
    const char *lists[] = {comparing->bench->words[0], comparing->bench->words[1]};
    enum cli_exit exit = CLI_OK;

    for (;;) {
        struct load_result *pair[2] = {NULL, NULL};
        for (int side = 0; side < 2 && exit == CLI_OK; side++)
            exit = read_next(&lists[side], &pair[side]);
        if (exit == CLI_OK && (pair[0] == NULL) != (pair[1] == NULL))
            exit = cli_fail(CLI_USAGE, "A and B need equally many files: they are taken in pairs");
        if (exit == CLI_OK && pair[0] != NULL &&
            load_compare_pair(comparison, pair[0], pair[1]) != OK)
            exit = cli_fail(CLI_USAGE, "more than %d pairs", LOAD_COMPARE_BLOCKS_MAX);
        for (uint32_t side = 0; side < 2 && exit == CLI_OK && pair[side] != NULL; side++)
            keep(comparing, side, pair[side]);
        if (exit != CLI_OK || pair[0] == NULL) {
            load_result_destroy(pair[0]);
            load_result_destroy(pair[1]);
            return exit;
        }
        load_result_destroy(pair[0]);
        load_result_destroy(pair[1]);
    }
}

/* ---- what is made of it */

static enum cli_exit write_page(const struct comparing *comparing,
                                const struct load_comparison *comparison)
{
    const char *path = comparing->bench->workload->report_file;
    char texts[2][LOAD_TEXT_MAX + 4];
    char title[2 * LOAD_TEXT_MAX + 32];
    const char *labels[] = {texts[0], texts[1]};
    const struct load_report report = {
        .title = title,
        .results = (const struct load_result *const *)comparing->shown,
        .results_count = 2,
        .labels = labels,
        .comparison = comparison,
    };
    enum err err;

    if (path[0] == '\0' || comparing->shown[0] == NULL || comparing->shown[1] == NULL)
        return CLI_OK;
    for (int side = 0; side < 2; side++)
        snprintf(texts[side], sizeof(texts[side]), "%c: %s", letters[side],
                 comparison->sides[side].driver[0] == '\0' ? comparison->sides[side].name
                                                           : comparison->sides[side].driver);
    snprintf(title, sizeof(title), "%.250s beside %.250s", texts[0] + 3, texts[1] + 3);
    err = load_report_write(&report, path);
    return err == OK ? CLI_OK : cli_fail(CLI_FAILED, "%s: %s", path, err_text(err));
}

static enum err print_comparison_json(const void *comparison, FILE *file)
{
    return load_compare_print_json(comparison, file);
}

static enum cli_exit print_comparison(const struct comparing *comparing,
                                      const struct load_comparison *comparison)
{
    const struct load_workload *workload = comparing->bench->workload;
    enum err err = OK;

    if (workload->is_json)
        err = load_compare_print_json(comparison, stdout);
    else
        load_compare_print(comparison, stdout);
    if (err != OK)
        return cli_fail(CLI_FAILED, "the comparison: %s", err_text(err));
    if (workload->json_file[0] != '\0')
        err = load_text_file_write(workload->json_file, print_comparison_json, comparison);
    if (err != OK)
        return cli_fail(CLI_FAILED, "%s: %s", workload->json_file, err_text(err));
    return write_page(comparing, comparison);
}

static enum cli_exit refuse_durability(const struct load_comparison *comparison)
{
    return cli_fail(CLI_USAGE,
                    "A and B make records safe at different moments (A: %s; B: %s): say "
                    "--durability-a, --durability-b if that is wrong, or --different-durability to "
                    "compare them anyhow, which each line then tells",
                    comparison->sides[0].durability, comparison->sides[1].durability);
}

/* What belongs to one run alone would be silently left out. */
static enum cli_exit refuse_options(const struct load_workload *workload)
{
    const struct {
        bool is_given;
        const char *name;
    } options[] = {
        {workload->csv_file[0] != '\0', "csv"},     {workload->hlog_file[0] != '\0', "hlog"},
        {workload->state_file[0] != '\0', "state"}, {workload->find_text[0] != '\0', "find-max"},
        {workload->broker_pid != 0, "broker-pid"},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (options[i].is_given)
            return cli_fail(CLI_USAGE, "--%s is of one run; compare makes many", options[i].name);
    return CLI_OK;
}

static enum cli_exit compare(struct comparing *comparing, struct load_comparison *comparison)
{
    bool is_allowed = comparing->bench->workload->allows_other_durability;
    bool are_files = is_file(comparing->bench->words[0]) || is_file(comparing->bench->words[1]);
    enum cli_exit exit = refuse_options(comparing->bench->workload);
    enum err err = OK;

    if (exit != CLI_OK)
        return exit;
    if (are_files) {
        exit = compare_files(comparing, comparison);
        if (exit == CLI_OK)
            err = load_compare_finish(comparison, is_allowed);
    } else {
        exit = bench_check((struct bench *)(uintptr_t)comparing->bench);
        if (exit == CLI_OK)
            err = compare_brokers(comparing, comparison);
    }
    if (exit == CLI_OK && err == ERR_INVALID && comparing->exit == CLI_OK)
        return refuse_durability(comparison);
    if (exit == CLI_OK && !comparison->is_same_workload &&
        !comparing->bench->workload->allows_other_workload)
        return cli_fail(CLI_USAGE,
                        "these are different workloads (%s): --different-workload compares them "
                        "anyhow",
                        comparison->differences);
    if (exit == CLI_OK && comparison->blocks_count > 0)
        exit = print_comparison(comparing, comparison);
    if (exit == CLI_OK && comparing->exit != CLI_OK)
        exit = comparing->exit;
    if (exit == CLI_OK && err == ERR_CANCELED && comparison->blocks_count == 0)
        exit = cli_fail(CLI_FAILED, "ended before a block A B B A was whole: nothing to compare");
    if (exit == CLI_OK && err != OK && err != ERR_CANCELED)
        exit = cli_fail(cli_exit_of(err), "the comparison: %s", err_text(err));
    if (exit == CLI_OK && comparing->has_findings)
        exit = cli_fail(CLI_DEGRADED, "a broker did not keep every record exactly once");
    if (exit == CLI_OK && comparing->has_unread)
        exit =
            cli_fail(CLI_FAILED, "records could not be read: nobody knows whether they are lost");
    for (int side = 0; side < 2 && exit == CLI_OK; side++)
        if (comparison->sides[side].bad_runs_count > 0)
            exit = cli_fail(CLI_FAILED, "%c had errors in %u of %u runs", letters[side],
                            comparison->sides[side].bad_runs_count,
                            comparison->sides[side].runs_count);
    return exit;
}

enum cli_exit bench_compare(struct bench *bench)
{
    const struct load_workload *workload = bench->workload;
    struct comparing *comparing = mem_alloc(sizeof(*comparing));
    struct load_comparison *comparison = mem_alloc(sizeof(*comparison));
    enum cli_exit exit;

    comparing->bench = bench;
    comparing->blocks = workload->blocks_count;
    load_compare_init(comparison, bench->words[0], bench->words[1],
                      workload->durability_a[0] == '\0' ? NULL : workload->durability_a,
                      workload->durability_b[0] == '\0' ? NULL : workload->durability_b);
    exit = compare(comparing, comparison);
    load_result_destroy(comparing->shown[0]);
    load_result_destroy(comparing->shown[1]);
    mem_free(comparing);
    mem_free(comparison);
    return exit;
}

/* ---- levee bench report */

enum cli_exit bench_report(struct bench *bench)
{
    struct load_result *results[LOAD_REPORT_RUNS_MAX] = {NULL};
    const struct load_report report = {
        .results = (const struct load_result *const *)results,
        .results_count = (uint32_t)bench->word_count,
    };
    const char *path = bench->workload->report_file;
    enum cli_exit exit = CLI_OK;
    enum err err = OK;

    if (path[0] == '\0')
        return cli_fail(CLI_USAGE, "where to? --report FILE");
    for (int i = 0; i < bench->word_count && exit == CLI_OK; i++)
        exit = read_run(bench->words[i], strlen(bench->words[i]), &results[i]);
    if (exit == CLI_OK)
        err = load_report_write(&report, path);
    if (err != OK)
        exit = cli_fail(CLI_FAILED, "%s: %s", path, err_text(err));
    for (int i = 0; i < LOAD_REPORT_RUNS_MAX; i++)
        load_result_destroy(results[i]);
    return exit;
}
