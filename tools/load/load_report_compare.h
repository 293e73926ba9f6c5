/* load_report_compare: a comparison as a table with the ratios of its blocks drawn.
 *
 * Stateless. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_REPORT_COMPARE_H
#define LEVEE_TOOLS_LOAD_LOAD_REPORT_COMPARE_H

#include "tools/load/load_compare.h"

#include <stdio.h>

void load_report_compare_print(const struct load_comparison *comparison, FILE *file);

#endif
