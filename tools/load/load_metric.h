/* load_metric: the figures of a run that runs are compared by.
 *
 * Stateless. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_METRIC_H
#define LEVEE_TOOLS_LOAD_LOAD_METRIC_H

#include "tools/load/load_result.h"

#include <stddef.h>

enum load_metric {
    LOAD_METRIC_STORED_RATE,
    LOAD_METRIC_READ_RATE,
    LOAD_METRIC_PRODUCE_P50,
    LOAD_METRIC_PRODUCE_P99,
    LOAD_METRIC_PRODUCE_P999,
    LOAD_METRIC_E2E_P50,
    LOAD_METRIC_E2E_P99,
    LOAD_METRIC_E2E_P999,
    LOAD_METRIC_COMMIT_P50,
    LOAD_METRIC_COMMIT_P99,
    LOAD_METRIC_TRANSACTIONS_RATE,
    LOAD_METRIC_CPU,     /* of the broker, kernel threads with it, a GB stored or read */
    LOAD_METRIC_RSS,     /* the broker's largest */
    LOAD_METRIC_WRITTEN, /* bytes written to the device a byte stored */
    LOAD_METRIC_FLUSHES, /* of the device, a thousand records stored */
    LOAD_METRIC_COUNT,
};

/* "records stored a second", ... */
const char *load_metric_text(enum load_metric metric);

/* Of one run; NAN: not measured. */
double load_metric_of(enum load_metric metric, const struct load_result *result);

/* "12.3 ms", "45,678/s", ... */
void load_metric_format(enum load_metric metric, double value, char *out, size_t out_max);

/* A rate: more is better; what costs or takes time: less. */
bool load_metric_is_more_better(enum load_metric metric);

#endif
