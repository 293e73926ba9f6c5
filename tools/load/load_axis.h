/* load_axis: one axis of a plot: which values it spans, where its marks stand, how they are called.
 *
 * Plain values; stateless. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_AXIS_H
#define LEVEE_TOOLS_LOAD_LOAD_AXIS_H

#include <stdbool.h>
#include <stdint.h>

enum load_unit {
    LOAD_UNIT_COUNT,
    LOAD_UNIT_NS,      /* nanoseconds; logarithmic axes are of these */
    LOAD_UNIT_SECONDS, /* of the run */
    LOAD_UNIT_NINES,   /* -log10(1 - q): 2 is the 99th percentile */
    LOAD_UNIT_BYTES,
    LOAD_UNIT_RATIO,
};

enum { LOAD_TICKS_MAX = 24, LOAD_TICK_BYTES = 40 };

struct load_tick {
    double value;
    char text[LOAD_TICK_BYTES]; /* "": a mark without a name */
};

struct load_axis {
    enum load_unit unit;
    bool is_log;
    double from, to; /* what it spans; from > 0 when it is logarithmic */
    struct load_tick ticks[LOAD_TICKS_MAX];
    uint32_t ticks_count;
};

/* An axis for values between low and high, widened to good ends (a linear axis of counts begins at
 * 0). */
void load_axis_init(struct load_axis *axis, enum load_unit unit, bool is_log, double low,
                    double high);

/* Where a value stands, 0 at the beginning and 1 at the end; may lie outside. */
double load_axis_place(const struct load_axis *axis, double value);

#endif
