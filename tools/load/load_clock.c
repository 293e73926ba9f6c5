#include "tools/load/load_clock.h"

#include "base/check.h"

int64_t load_clock_offset(const struct load_clock_sample *samples, size_t count,
                          uint64_t *error_out)
{
    const struct load_clock_sample *best = &samples[0];
    uint64_t best_ns = UINT64_MAX;

    check(count > 0);
    for (size_t i = 0; i < count; i++) {
        uint64_t trip_ns = samples[i].received_ns - samples[i].sent_ns;
        if (trip_ns < best_ns) {
            best_ns = trip_ns;
            best = &samples[i];
        }
    }
    *error_out = best_ns / 2 + 1;
    return (int64_t)(best->other_ns - (best->sent_ns + best_ns / 2));
}
