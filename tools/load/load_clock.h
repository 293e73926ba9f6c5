/* load_clock: how far the clock of another machine is from ours, out of questions and answers.
 *
 * Each question is sent at one time of our clock, and its answer, which carries the other clock,
 * arrives at another; the other clock was read somewhere between.  The quickest answer says most:
 * the middle of its two times is at most half their distance off (Cristian, "Probabilistic clock
 * synchronization", 1989).  Stateless. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_CLOCK_H
#define LEVEE_TOOLS_LOAD_LOAD_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct load_clock_sample {
    uint64_t sent_ns;     /* our clock */
    uint64_t other_ns;    /* the other's */
    uint64_t received_ns; /* our clock */
};

/* What is to be added to a time of ours to get the other's (clocks may begin anywhere; the sum
 * wraps).  count > 0.  *error_out: it is off by so many nanoseconds at most. */
int64_t load_clock_offset(const struct load_clock_sample *samples, size_t count,
                          uint64_t *error_out);

#endif
