/* pacer: an open-loop schedule: when each of a sequence of things is intended, whatever becomes of
 * them.  A load that waits for its broker measures itself ("coordinated omission"); what is late
 * stays due, and its time is counted from when it was intended.
 *
 * Owned by one loop; holds numbers alone; chance and time are handed in.
 *   PAC-1  intended times never go back, and do not depend on when pacer_next is called
 *   PAC-2  over any time from the start the count is the integral of the rate to within one; for
 *          PACER_POISSON that holds for the expectation; ramps and sines are stairs of PACER_PIECES
 *          equal pieces, with the exact integral over each */
#ifndef LEVEE_BASE_PACER_H
#define LEVEE_BASE_PACER_H

#include "base/err.h"
#include "base/prng.h"

#include <stddef.h>
#include <stdint.h>

enum pacer_shape {
    PACER_CONSTANT,
    PACER_RAMP,    /* from rate to rate_to over period_ns, then rate_to */
    PACER_SINE,    /* rate +- (rate_to - rate) with that period */
    PACER_BURSTS,  /* rate, but within duty of each period all of what belongs to the period */
    PACER_POISSON, /* rate on the average, gaps by the exponential distribution; each share is such
                    * a process of its part of the rate, and together they are one of all of it */
    PACER_TRACE,   /* points of (time, rate), steps; the last one holds */
};

enum {
    PACER_PIECES = 1024,
    PACER_RATE_MAX = 1000000000,
};

struct pacer_point {
    uint64_t from_ns;
    double rate; /* a second */
};

struct pacer_options {
    enum pacer_shape shape;
    double rate; /* a second; 0: never */
    double rate_to;
    uint64_t period_ns;
    double duty;                      /* 0 < duty <= 1 */
    const struct pacer_point *points; /* the caller's, outlives the pacer */
    size_t points_count;
    uint64_t seed;   /* of PACER_POISSON */
    uint32_t share;  /* of shares: this pacer has every shares-th thing, beginning with number */
    uint32_t shares; /* share; 0: all.  So several loops keep one schedule together */
};

/* A piece of the schedule with a constant rate. */
struct pacer_piece {
    uint64_t from_ns;
    uint64_t until_ns;
    double from; /* what the integral of the rate is at from_ns */
    double until;
    double gap_ns; /* between two things of the whole schedule */
    size_t number; /* PACER_TRACE: of the point, from 1; 0: before the first */
};

struct pacer {
    struct pacer_options options;
    struct prng prng;
    struct pacer_piece piece; /* in which the next thing lies */
    uint64_t next_ns;         /* since the start: intended time of the next thing */
    double exact_ns;          /* the same, PACER_POISSON */
    uint64_t index;           /* of the next thing in the whole schedule */
    uint64_t count;           /* of things taken */
};

/* ERR_INVALID: a rate that is negative, no number or above PACER_RATE_MAX; a sine that would go
 * below 0; no period or duty where one is needed; no points, or such that go back; a share that is
 * none of the shares. */
must_use enum err pacer_init(struct pacer *pacer, const struct pacer_options *options);

/* When the next thing is intended, nanoseconds since the start; UINT64_MAX: never. */
static inline uint64_t pacer_peek_ns(const struct pacer *pacer)
{
    return pacer->next_ns;
}

/* Take it: its intended time; the one after becomes next. */
uint64_t pacer_next_ns(struct pacer *pacer);

/* How many are intended before until_ns and not taken yet, at most max; takes none. */
uint64_t pacer_due_count(const struct pacer *pacer, uint64_t until_ns, uint64_t max);

/* The rate at that moment, a second: for displays. */
double pacer_rate_at(const struct pacer *pacer, uint64_t at_ns);

#endif
