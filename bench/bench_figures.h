/* bench_figures: what a slice of a benchmark yields, and the samples that it is made of.
 *
 * One thread.  Samples beyond SAMPLES_MAX of a slice count as acknowledgements but not in the
 * percentiles. */
#ifndef LEVEE_BENCH_BENCH_FIGURES_H
#define LEVEE_BENCH_BENCH_FIGURES_H

#include "base/err.h"

#include <stdint.h>

struct figures {
    double acks_per_s;
    double mb_per_s; /* 10^6 bytes of payload */
    double p50_us;
    double p99_us;
    double cpu_us_per_ack; /* of this process, without kernel threads */
};

/* Begin a slice: forget samples, note time and processor time. */
void figures_begin(void);

/* One acknowledgement that took so long. */
void figures_note(uint64_t latency_ns);

/* The slice is over; size_bytes: payload of one acknowledgement. */
struct figures figures_end(uint32_t size_bytes);

/* One line of JSON: the case, who ran it, its figures. */
void figures_print(const char *what, const char *who, uint32_t block,
                   const struct figures *figures);

/* Monotonic nanoseconds. */
uint64_t figures_now_ns(void);

/* End the process with a line when err is not OK. */
void figures_must(enum err err, const char *what);

#endif
