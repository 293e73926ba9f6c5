/* load_report_tables: the tables of a report: percentiles, runs beside each other, findings,
 * limits, settings, surroundings.
 *
 * Stateless. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_REPORT_TABLES_H
#define LEVEE_TOOLS_LOAD_LOAD_REPORT_TABLES_H

#include "tools/load/load_report.h"

#include <stdio.h>

/* Each run a row, its main figures the columns. */
void load_report_tables_runs(const struct load_report *report, FILE *file);

/* Each histogram of each run a row, percentiles the columns, under a heading; nothing where there
 * is none. */
void load_report_tables_percentiles(const struct load_report *report, FILE *file);

/* What the verdict found, with offsets; nothing where it found nothing. */
void load_report_tables_findings(const struct load_report *report, FILE *file);

/* Broker's use, limits, settings, surroundings, errors: pairs of a name and a value. */
void load_report_tables_pairs(const struct load_report *report, FILE *file);

#endif
