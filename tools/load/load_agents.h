/* load_agents: a load that several machines run together.
 *
 * The driver's side: it connects to every agent, hands out the workload, waits until all are ready,
 * measures their clocks, lets them begin at one moment, and adds up what they measured: counts,
 * histograms, samples and verdicts as the agents have them.  The rate is that of all together;
 * producers, consumers and topics are of each.
 *
 * Blocks the calling thread.  Blocking sockets, no thread of its own.
 *   LAG-1  agents begin within the errors of their clocks' offsets of each other, and a run whose
 *          error is above LOAD_AGENTS_SKEW_MAX_NS does not begin */
#ifndef LEVEE_TOOLS_LOAD_LOAD_AGENTS_H
#define LEVEE_TOOLS_LOAD_LOAD_AGENTS_H

#include "tools/load/load_run.h"

enum { LOAD_AGENTS_SKEW_MAX_NS = 500000 };

/* As load_run, for a workload with agents (checked).  Also ERR_INVALID: an address, or a workload
 * that needs files. */
must_use enum err load_agents_run(const struct load_run_options *options, struct load_result **out,
                                  char *problem, size_t problem_max);

/* That, or load_run when the workload names no agents. */
must_use enum err load_agents_or_here(const struct load_run_options *options,
                                      struct load_result **out, char *problem, size_t problem_max);

#endif
