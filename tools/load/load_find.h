/* load_find: the highest rate that keeps a latency objective (p99 at most 10 ms), found by short
 * runs: doubled until one fails, then halved between.
 *
 * A rate keeps the objective when the percentile of the main latency (load_result_main) is within
 * it, nothing failed, and the schedule was kept.  Main thread. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_FIND_H
#define LEVEE_TOOLS_LOAD_LOAD_FIND_H

#include "tools/load/load_run.h"

enum { LOAD_FIND_RUNS_MAX = 32 };

/* One run of the search. */
struct load_trial {
    double rate;
    double reached; /* records stored a second */
    uint64_t latency_ns;
    bool is_kept;
};

struct load_find {
    struct load_trial trials[LOAD_FIND_RUNS_MAX];
    uint32_t trials_count;
    double rate; /* the highest that was kept; 0: none */
};

/* Does a result keep the objective of its workload? */
bool load_find_is_kept(const struct load_workload *workload, const struct load_result *result);

/* The next rate to try after those that were tried; 0: the search is over.  Pure. */
double load_find_next(const struct load_find *find, double first);

/* Search.  *out: the result of the best run (NULL: none was kept).  Errors as load_run; a stop ends
 * the search with what was found. */
must_use enum err load_find_run(struct load_workload *workload,
                                const struct load_run_options *options, struct load_find *find,
                                struct load_result **out, char *problem, size_t problem_max);

#endif
