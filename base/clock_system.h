/* clock_system: the kernel's clocks behind the seam. Without state: any thread may share one. */
#ifndef LEVEE_BASE_CLOCK_SYSTEM_H
#define LEVEE_BASE_CLOCK_SYSTEM_H

#include "base/clock.h"

/* CLOCK_MONOTONIC and CLOCK_REALTIME (clock_gettime(2)). */
void clock_system_init(struct clock *clock);

#endif
