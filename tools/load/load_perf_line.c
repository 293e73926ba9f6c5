#include "tools/load/load_perf_line.h"

#include <inttypes.h>
#include <stdio.h>

static double ms(uint64_t ns)
{
    return (double)ns / 1e6;
}

static uint64_t whole_ms(const struct histogram *histogram, double percent)
{
    return histogram_percentile(histogram, percent) / 1000000;
}

void load_perf_line(const struct load_result *result, char out[static LOAD_PERF_LINE_BYTES])
{
    const struct histogram *produce = &result->histograms[LOAD_HISTOGRAM_PRODUCE];
    bool is_read = histogram_count(produce) == 0 && result->stored_count == 0;
    const struct histogram *histogram =
        histogram_count(produce) > 0 ? produce : &result->histograms[load_result_main(result)];
    uint64_t count = is_read ? result->read_count : result->stored_count;
    double rate = is_read ? load_result_read_rate(result) : load_result_stored_rate(result);
    double bytes_rate =
        is_read ? load_result_read_bytes_rate(result) : load_result_stored_bytes_rate(result);

    snprintf(out, LOAD_PERF_LINE_BYTES,
             "%" PRIu64 " records %s, %f records/sec (%.2f MB/sec), %.2f ms avg latency, "
             "%.2f ms max latency, %" PRIu64 " ms 50th, %" PRIu64 " ms 95th, %" PRIu64
             " ms 99th, %" PRIu64 " ms 99.9th.",
             count, is_read ? "read" : "sent", rate, bytes_rate / (1024 * 1024),
             histogram_mean(histogram) / 1e6, ms(histogram_max(histogram)), whole_ms(histogram, 50),
             whole_ms(histogram, 95), whole_ms(histogram, 99), whole_ms(histogram, 99.9));
}
