/* load_report_plots: the plots of a report: series over time and the curve of percentiles, of one
 * run in depth or of several laid over each other.
 *
 * Stateless. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_REPORT_PLOTS_H
#define LEVEE_TOOLS_LOAD_LOAD_REPORT_PLOTS_H

#include "tools/load/load_report.h"

#include <stdio.h>

/* ERR_NOMEM. */
must_use enum err load_report_plots_print(const struct load_report *report, FILE *file);

#endif
