#include "tools/load/load_find.h"

/* The answer is within so much of the highest rate. */
#define PRECISION 0.03
#define RATE_ERROR_MAX 0.01

bool load_find_is_kept(const struct load_workload *workload, const struct load_result *result)
{
    const struct histogram *latency = &result->histograms[load_result_main(result)];

    if (result->is_verified && !result->verdict.is_exactly_once)
        return false; /* what was not kept was not fast */
    return histogram_count(latency) > 0 && result->error_count == 0 && result->errors_count == 0 &&
           result->rate_error <= RATE_ERROR_MAX &&
           histogram_percentile(latency, workload->find_percent) <= workload->find_ns;
}

double load_find_next(const struct load_find *find, double first)
{
    double kept = 0;
    double failed = 0; /* the lowest above kept */

    if (find->trials_count == 0)
        return first;
    if (find->trials_count == LOAD_FIND_RUNS_MAX)
        return 0;
    for (uint32_t i = 0; i < find->trials_count; i++)
        if (find->trials[i].is_kept && find->trials[i].rate > kept)
            kept = find->trials[i].rate;
    for (uint32_t i = 0; i < find->trials_count; i++)
        if (!find->trials[i].is_kept && find->trials[i].rate > kept &&
            (failed == 0 || find->trials[i].rate < failed))
            failed = find->trials[i].rate;
    if (failed == 0)
        return kept * 2 <= PACER_RATE_MAX ? kept * 2 : 0;
    if (kept == 0)
        return failed / 4 >= 1 ? failed / 4 : 0;
    return failed - kept <= kept * PRECISION ? 0 : (failed + kept) / 2;
}
