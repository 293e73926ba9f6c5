#include "tools/load/load_find.h"

#include <stdio.h>

static void tell(struct load_view *view, const struct load_workload *workload,
                 const struct load_trial *trial)
{
    char time[24];
    char line[160];

    load_view_time(trial->latency_ns, time, sizeof(time));
    snprintf(line, sizeof(line), "%10.0f records/s intended, %10.0f stored: p%g %s: %s",
             trial->rate, trial->reached, workload->find_percent, time,
             trial->is_kept ? "kept" : "not kept");
    load_view_note(view, line);
}

enum err load_find_run(struct load_workload *workload, const struct load_run_options *options,
                       struct load_find *find, struct load_result **out, char *problem,
                       size_t problem_max)
{
    /* the schedule of transactions has these as its things */
    double records = workload->transaction_records > 0 && !workload->is_pipeline
                         ? workload->transaction_records
                         : 1;
    double first = workload->pacing.rate * records;
    struct load_view silent;
    struct load_run_options one = *options;
    double rate;

    *find = (struct load_find){0};
    *out = NULL;
    load_view_init(&silent, NULL);
    one.workload = workload;
    one.view = &silent;
    while ((rate = load_find_next(find, first)) > 0) {
        struct load_trial *trial = &find->trials[find->trials_count];
        struct load_result *result;
        enum err err;
        workload->pacing.rate = rate / records;
        err = load_run(&one, &result, problem, problem_max);
        if (err != OK)
            return *out != NULL ? OK : err; /* what was found stays */
        *trial = (struct load_trial){
            .rate = rate,
            .reached = load_result_stored_rate(result),
            .latency_ns = histogram_percentile(&result->histograms[load_result_main(result)],
                                               workload->find_percent),
            .is_kept = load_find_is_kept(workload, result)};
        find->trials_count++;
        tell(options->view, workload, trial);
        if (options->stop != NULL && *options->stop != 0) {
            load_result_destroy(result);
            break;
        }
        if (trial->is_kept && rate > find->rate) {
            find->rate = rate;
            load_result_destroy(*out);
            *out = result;
        } else {
            load_result_destroy(result);
        }
    }
    return OK;
}
