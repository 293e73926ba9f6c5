/* descriptors: how the process's file descriptors are shared out (RLIMIT_NOFILE, getrlimit(2)).
 *
 * Clients must not take the descriptors that the log needs: segments and connections each get a
 * part of their own, and some stay for everything else (rings, listeners, journal, marks, metadata
 * log, small files, reads under way).  Values only; no owner. */
#ifndef LEVEE_BROKER_DESCRIPTORS_H
#define LEVEE_BROKER_DESCRIPTORS_H

#include "base/log_line.h"
#include "broker/config.h"

#include <stdbool.h>
#include <stdint.h>

struct descriptors {
    uint32_t files_per_shard; /* segment files that a shard may keep open, at least 16 */
    uint32_t connections_max; /* as many as there may ever be; 0: no limit */
    bool short_of;            /* one of the two is less than was asked for */
    bool too_few;             /* not enough to serve anybody */
};

/* limit: soft RLIMIT_NOFILE; 0: there is none.  files_per_shard, connections_max (0: no limit):
 * as configured, which say whether it falls short.  Files get at most half of what is left after
 * the reserve. */
struct descriptors descriptors_share(uint32_t limit, uint32_t shard_count, uint32_t files_per_shard,
                                     uint32_t connections_max);

/* The same with what the configuration asks for.  Told in a log line where somebody asked for more
 * than there is, or where there is little.  ERR_INVALID: nobody could be served; told, too. */
must_use enum err descriptors_share_out(const struct config *config, uint32_t limit,
                                        uint32_t shard_count, struct log_sink *sink,
                                        struct descriptors *out);

#endif
