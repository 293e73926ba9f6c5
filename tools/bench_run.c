/* levee bench [produce | consume | e2e | run | txn | groups]: run a workload, show it, write what
 * was asked for. */
#include "base/mem.h"
#include "tools/bench.h"
#include "tools/bench_signal.h"
#include "tools/load/hdr_log.h"
#include "tools/load/load_agents.h"
#include "tools/load/load_csv.h"
#include "tools/load/load_find.h"
#include "tools/load/load_json.h"
#include "tools/load/load_report.h"
#include "tools/load/load_run.h"
#include "tools/load/load_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- files */

static enum err write_hlog(const struct load_result *result, const char *path)
{
    struct hdr_log *log;
    enum err err = hdr_log_create(path, result->began_at_ms, "levee bench", &log);
    enum err closed;

    if (err != OK)
        return err;
    for (int i = 0; i < LOAD_HISTOGRAM_COUNT && err == OK; i++)
        if (histogram_count(&result->histograms[i]) > 0)
            err = hdr_log_write(log, load_histogram_text((enum load_histogram_kind)i), 0,
                                result->duration_ns, &result->histograms[i]);
    closed = hdr_log_close(log);
    return err == OK ? closed : err;
}

static enum err write_report(const struct load_result *result, const char *path)
{
    const struct load_report report = {.results = &result, .results_count = 1};

    return load_report_write(&report, path);
}

static enum cli_exit write_files(const struct load_workload *workload,
                                 const struct load_result *result)
{
    const struct {
        const char *path;
        enum err (*write)(const struct load_result *result, const char *path);
    } files[] = {{workload->json_file, load_json_write},
                 {workload->csv_file, load_csv_write},
                 {workload->hlog_file, write_hlog},
                 {workload->report_file, write_report}};
    enum cli_exit exit = CLI_OK;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        enum err err = files[i].path[0] == '\0' ? OK : files[i].write(result, files[i].path);
        if (err != OK)
            exit = cli_fail(CLI_FAILED, "%s: %s", files[i].path, err_text(err));
    }
    return exit;
}

/* ---- runs */

/* A run that was asked to stop is as good as one that went to its end. */
static enum cli_exit judge(const struct bench *bench, const struct load_result *result)
{
    if (result->is_verified && load_verdict_has_findings(&result->verdict))
        return cli_fail(CLI_DEGRADED, "the broker did not keep every record exactly once");
    if (result->is_verified && result->verdict.unread_count > 0)
        return cli_fail(CLI_FAILED,
                        "%" PRIu64 " records could not be read: nobody knows whether they are lost",
                        result->verdict.unread_count);
    if (bench->watch == NULL && (result->error_count > 0 || result->errors_count > 0))
        return cli_fail(CLI_FAILED, "there were errors: %s",
                        result->errors_count > 0 ? result->errors[0] : "see above");
    return CLI_OK;
}

static enum cli_exit run_once(const struct bench *bench, struct load_result **out)
{
    const struct load_workload *workload = bench->workload;
    const struct bench_watch *watch = bench->watch;
    char problem[512] = "";
    struct load_view view;
    struct load_run_options options = {
        .workload = workload, .view = &view, .stop = bench_signal_flag()};
    enum err err;

    if (watch != NULL) {
        options.outage = watch->outage;
        options.measuring = watch->measuring;
        options.context = watch->context;
    }

    load_view_init(&view, workload->is_json ? NULL : stdout);
    bench_signal_catch();
    err = load_agents_or_here(&options, out, problem, sizeof(problem));
    if (err == ERR_INVALID)
        return cli_fail(CLI_USAGE, "%s", problem);
    if (err != OK)
        return cli_fail(cli_exit_of(err), "%s", problem);
    if (watch != NULL)
        watch->measured(watch->context, *out);
    if (!workload->is_json) {
        load_view_end(&view, *out);
        return CLI_OK;
    }
    err = load_json_print(*out, stdout);
    if (err == OK && putchar('\n') == EOF)
        err = ERR_IO;
    return err == OK ? CLI_OK : cli_fail(CLI_FAILED, "the result: %s", err_text(err));
}

static enum cli_exit run_and_write(const struct bench *bench, struct load_result **out)
{
    enum cli_exit exit = run_once(bench, out);

    return exit == CLI_OK ? write_files(bench->workload, *out) : exit;
}

/* ---- without a verb: two numbers, beside the limits of this machine */

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static void print_two_numbers(const struct load_result *steady, const struct load_result *most)
{
    const struct load_limits *limits = &steady->limits;
    const struct histogram *stored = &steady->histograms[LOAD_HISTOGRAM_PRODUCE];
    uint64_t p50 = histogram_percentile(stored, 50);
    uint64_t p99 = histogram_percentile(stored, 99);
    double rate = load_result_stored_bytes_rate(most);
    char texts[4][24];

    load_view_time(p50, texts[0], sizeof(texts[0]));
    load_view_time(p99, texts[1], sizeof(texts[1]));
    load_view_time(limits->sync_p50_ns, texts[2], sizeof(texts[2]));
    load_view_time(limits->sync_p99_ns, texts[3], sizeof(texts[3]));
    printf("\nlatency     p50 %s, p99 %s from intended to stored, at %.0f records/s\n", texts[0],
           texts[1], steady->intended_rate);
    if (limits->is_known)
        printf("            the device alone: p50 %s, p99 %s for a durable write of 4 KiB "
               "(%.1f times)\n",
               texts[2], texts[3], ratio((double)p50, (double)limits->sync_p50_ns));
    printf("throughput  %.1f MB/s stored\n", rate / 1e6);
    if (limits->is_known)
        printf("            the device alone: %.1f MB/s durable (%.2f of it)\n",
               limits->disk_bytes_per_s / 1e6, ratio(rate, limits->disk_bytes_per_s));
}

static enum cli_exit run_canonical(struct bench *bench)
{
    struct load_workload *workload = bench->workload;
    struct load_result *steady = NULL;
    struct load_result *most = NULL;
    uint64_t total_ns = workload->duration_ns;
    enum cli_exit exit;

    workload->wants_limits = true;
    workload->duration_ns = total_ns / 3 * 2;
    workload->warmup_ns = total_ns / 20;
    exit = bench_check(bench);
    if (exit == CLI_OK)
        exit = run_and_write(bench, &steady);
    if (exit == CLI_OK)
        exit = judge(bench, steady);
    if (exit == CLI_OK && *bench_signal_flag() == 0 &&
        load_workload_take_builtin(workload, "bulk") == OK) {
        workload->wants_limits = false;
        workload->verifies = false;
        workload->subscriptions_count = 0;
        workload->duration_ns = total_ns / 4;
        exit = bench_check(bench);
        if (exit == CLI_OK)
            exit = run_once(bench, &most);
        if (exit == CLI_OK)
            exit = judge(bench, most);
    }
    if (most != NULL && !workload->is_json)
        print_two_numbers(steady, most);
    load_result_destroy(steady);
    load_result_destroy(most);
    return exit;
}

/* ---- the highest rate that keeps an objective */

static enum cli_exit run_search(struct load_workload *workload)
{
    char problem[512] = "";
    struct load_view view;
    struct load_run_options options = {.view = &view, .stop = bench_signal_flag()};
    struct load_find find;
    struct load_result *best = NULL;
    enum cli_exit exit = CLI_OK;
    enum err err;

    load_view_init(&view, workload->is_json ? NULL : stdout);
    bench_signal_catch();
    err = load_find_run(workload, &options, &find, &best, problem, sizeof(problem));
    if (err != OK)
        return cli_fail(err == ERR_INVALID ? CLI_USAGE : cli_exit_of(err), "%s", problem);
    if (best == NULL)
        return cli_fail(CLI_DEGRADED, "no rate keeps %s", workload->find_text);
    if (workload->is_json) {
        if (load_json_print(best, stdout) != OK || putchar('\n') == EOF)
            exit = cli_fail(CLI_FAILED, "the result cannot be written");
    } else {
        load_view_end(&view, best);
        printf("%.0f records/s is the highest rate that keeps %s\n", find.rate,
               workload->find_text);
    }
    if (exit == CLI_OK)
        exit = write_files(workload, best);
    load_result_destroy(best);
    return exit;
}

enum cli_exit bench_run(struct bench *bench)
{
    struct load_workload *workload = bench->workload;
    struct load_result *result = NULL;
    enum cli_exit exit;

    if (bench->is_canonical)
        return run_canonical(bench);
    exit = bench_check(bench);
    if (exit == CLI_OK && workload->find_text[0] != '\0' && workload->agents[0] != '\0')
        return cli_fail(CLI_USAGE, "--find-max searches from one machine: not with --agents");
    if (exit == CLI_OK && workload->find_text[0] != '\0')
        return run_search(workload);
    if (exit == CLI_OK)
        exit = run_and_write(bench, &result);
    if (exit == CLI_OK)
        exit = judge(bench, result);
    load_result_destroy(result);
    return exit;
}
