/* load_limits: what the device and the loopback can do at all, measured in the same minute as a
 * run: the floor below a latency, the ceiling above a rate.
 *
 * Blocks the calling thread for some seconds; a file without a name in the directory, removed by
 * itself.
 *   LLM-1  writes are O_DIRECT and O_DSYNC into a file that was written before, one in flight,
 *          where the file system takes that; else buffered with fdatasync */
#ifndef LEVEE_TOOLS_LOAD_LOAD_LIMITS_H
#define LEVEE_TOOLS_LOAD_LOAD_LIMITS_H

#include "tools/load/load_result.h"

/* Fill result->limits and its "limits ..." environment lines.  directory: on the device that is
 * asked about (the broker's, when it is local).  duration_ms: of each of the four measurements.
 * Errors of files and sockets. */
must_use enum err load_limits_measure(struct load_result *result, const char *directory,
                                      uint32_t duration_ms);

#endif
