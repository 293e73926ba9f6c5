/* topic_offsets: where the partitions of a topic begin and end, for every kind of reader, and how
 * many transactions are open there.
 *
 * Owned by one command. */
#ifndef LEVEE_TOOLS_TOPIC_OFFSETS_H
#define LEVEE_TOOLS_TOPIC_OFFSETS_H

#include "tools/blocking_client.h"
#include "tools/cli.h"

enum { TOPIC_OFFSET_UNKNOWN = -1 }; /* the broker does not say, now */

struct topic_offsets {
    int64_t log_start;
    int64_t high_watermark;
    int64_t last_stable;
    int64_t open_transactions;
};

/* partitions: so many, from 0 on; what a broker does not say of one stays unknown.  The caller's
 * memory.  An error was told. */
must_use enum cli_exit topic_offsets_load(const struct cli *cli, struct blocking_client *client,
                                          const char *topic, struct topic_offsets *out,
                                          int32_t partitions);

#endif
