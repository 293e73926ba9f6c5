/* load_run: one run of a workload from its topics to its verdict.
 *
 * Blocks the calling thread, which samples and shows; the work is done by load_workers.  Phases:
 * set up, warm up, measure, send what is still due and wait for its answers, read up to the end,
 * judge. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_RUN_H
#define LEVEE_TOOLS_LOAD_LOAD_RUN_H

#include "tools/load/load_result.h"
#include "tools/load/load_view.h"
#include "tools/load/load_workload.h"

#include <signal.h>

struct load_run_options {
    const struct load_workload *workload; /* checked */
    struct load_view *view;
    const volatile sig_atomic_t *stop; /* may be NULL; not 0: end the measured part now */
    /* Optional: the measured part begins now. */
    void (*measuring)(void *context);
    /* Optional: everything is set up; may wait.  When the schedule begins, monotonic; 0: now. */
    uint64_t (*begin_at)(void *context);
    void *context;
    /* Optional: what pauses clients see in the measured part, and behind it until all is done. */
    struct load_outage *outage;
};

/* OK: *out is load_result_destroy's, also when the run ended early (is_partial) or its verdict is
 * bad.  Otherwise nothing was measured, problem says why: ERR_REFUSED, ERR_TIMEOUT (the broker),
 * ERR_NOT_FOUND, ERR_PERMISSION, ERR_INVALID, ERR_NOMEM, ... */
must_use enum err load_run(const struct load_run_options *options, struct load_result **out,
                           char *problem, size_t problem_max);

#endif
