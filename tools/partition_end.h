/* partition_end: where a partition ends, for the commands that tell it. */
#ifndef LEVEE_TOOLS_PARTITION_END_H
#define LEVEE_TOOLS_PARTITION_END_H

#include "tools/cli.h"

/* The high watermark, or, committed, the last stable offset; -1: it is not known, for instance of a
 * topic that is gone. */
int64_t partition_end(const struct cli *cli, struct blocking_client *client, const char *topic,
                      int32_t partition, bool committed);

#endif
