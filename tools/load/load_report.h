/* load_report: results as one HTML file that needs nothing else: no network, no font, no library.
 *
 * Plots are SVG, drawn here; a script of some lines shows values under the pointer, and the page is
 * whole without it.  Texts of results may come from anybody: all are escaped.
 *   LRP-1  the file names no address that a browser would load */
#ifndef LEVEE_TOOLS_LOAD_LOAD_REPORT_H
#define LEVEE_TOOLS_LOAD_LOAD_REPORT_H

#include "tools/load/load_result.h"

struct load_comparison;

enum { LOAD_REPORT_RUNS_MAX = 16 };

struct load_report {
    const char *title;                        /* NULL: the workload's */
    const struct load_result *const *results; /* of one run, or of several beside each other */
    uint32_t results_count;                   /* 1..LOAD_REPORT_RUNS_MAX */
    const char *const *labels;                /* one a result; NULL: driver and workload */
    const struct load_comparison *comparison; /* NULL: none */
};

/* Errors of files, ERR_NOMEM. */
must_use enum err load_report_write(const struct load_report *report, const char *path);

#endif
