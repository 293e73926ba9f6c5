/* bench_signal: Ctrl-C and SIGTERM of a measurement: the first ends what is measured, and it is
 * told; the second ends the process.
 *
 * One for the process; main thread; the flag is written by a signal's handler. */
#ifndef LEVEE_TOOLS_BENCH_SIGNAL_H
#define LEVEE_TOOLS_BENCH_SIGNAL_H

#include <signal.h>

/* From now on; SIGPIPE is left to whoever writes. */
void bench_signal_catch(void);

/* Not 0: end. */
const volatile sig_atomic_t *bench_signal_flag(void);

#endif
