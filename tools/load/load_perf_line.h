/* load_perf_line: a result as the last line of kafka-producer-perf-test.sh (Kafka's
 * ProducerPerformance.Stats.printTotal), so that scripts which read that read this.
 *
 * Stateless. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_PERF_LINE_H
#define LEVEE_TOOLS_LOAD_LOAD_PERF_LINE_H

#include "tools/load/load_result.h"

enum { LOAD_PERF_LINE_BYTES = 256 };

/* Without newline.  The records are those stored, the latencies those of
 * LOAD_HISTOGRAM_PRODUCE, or of load_result_main where nothing was produced (the records are those
 * read then). */
void load_perf_line(const struct load_result *result, char out[static LOAD_PERF_LINE_BYTES]);

#endif
