/* load_agent: the machine that runs a share of a load for a driver elsewhere.
 *
 * One driver at a time, by load_frame.  Its workload runs here as load_run would run it at home,
 * with the agent's share of the rate and of the records, on topics of its own unless one is named;
 * nothing is read from files of this machine or written to them.  Begins at the moment of its own
 * clock that the driver says, and ends when the driver is gone.
 *
 * Blocks the calling thread.  Whoever reaches the port may send load from here to any address: it
 * listens where it is told to, by default on this machine alone.
 *   AGT-1  a driver that goes away ends the run, and the next one finds the agent free */
#ifndef LEVEE_TOOLS_LOAD_LOAD_AGENT_H
#define LEVEE_TOOLS_LOAD_LOAD_AGENT_H

#include "tools/load/load_workload.h"

#include <signal.h>
#include <stdio.h>

enum {
    LOAD_AGENT_PORT = 9500,
    LOAD_AGENTS_MAX = 64,
    LOAD_AGENT_WORKLOAD_BYTES_MAX = 256 << 10,
};

/* Serve until *stop is not 0.  fd: of load_frame_listen, the caller's.  log: what happens, a line
 * each; NULL: nowhere.  Errors of the socket. */
must_use enum err load_agent_serve(int fd, const volatile sig_atomic_t *stop, FILE *log);

/* The workload as lines "name=value", without what is of the driver alone (files, the form of the
 * output, agents), into memory for mem_free.  ERR_NOMEM; ERR_INVALID: it has a file to read, and
 * problem says which. */
must_use enum err load_agent_describe(const struct load_workload *workload, char **text_out,
                                      char *problem, size_t problem_max);

/* The other way, over defaults; size_bytes of text, and a NUL behind.  ERR_INVALID, problem says
 * why. */
must_use enum err load_agent_understand(char *text, size_t size_bytes,
                                        struct load_workload *workload, char *problem,
                                        size_t problem_max);

/* Of a checked workload, what falls to agent number of count. */
void load_agent_take_share(struct load_workload *workload, uint32_t number, uint32_t count);

#endif
