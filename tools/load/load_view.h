/* load_view: what a person sees while a run goes on: a line that is drawn anew each second, with a
 * sparkline of the latency, on a terminal; else a line a second; and at the end the figures.
 *
 * Main thread.  Everything goes to one file. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_VIEW_H
#define LEVEE_TOOLS_LOAD_LOAD_VIEW_H

#include "tools/load/load_result.h"
#include "tools/load/load_workload.h"

#include <stdio.h>

enum { LOAD_VIEW_HISTORY = 24 };

struct load_view {
    FILE *file; /* NULL: nothing is shown */
    bool is_terminal;
    uint64_t history_ns[LOAD_VIEW_HISTORY]; /* p99 of the last samples */
    uint32_t history_count;
    bool has_line; /* a line that is drawn anew stands there */
};

void load_view_init(struct load_view *view, FILE *file);

/* "12 producers, 16 partitions, ..." */
void load_view_begin(struct load_view *view, const struct load_workload *workload);

/* A remark: "warming up". */
void load_view_note(struct load_view *view, const char *text);

void load_view_sample(struct load_view *view, const struct load_sample *sample, bool is_warmup);

/* The figures; the last line is that of kafka-producer-perf-test. */
void load_view_end(struct load_view *view, const struct load_result *result);

/* "1.23 ms" */
void load_view_time(uint64_t ns, char *out, size_t out_max);

#endif
