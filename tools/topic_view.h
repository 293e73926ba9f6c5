/* topic_view: what a command needs to know of one topic: its id and its partition count. */
#ifndef LEVEE_TOOLS_TOPIC_VIEW_H
#define LEVEE_TOOLS_TOPIC_VIEW_H

#include "tools/cli.h"

struct topic_view {
    struct uuid id;
    int32_t partition_count;
};

/* create: let the broker create it if it does so (auto.create.topics.enable); waits for that five
 * seconds at most.  Says what is wrong. */
must_use enum cli_exit topic_view_load(const struct cli *cli, struct blocking_client *client,
                                       const char *topic, bool create, struct topic_view *out);

#endif
