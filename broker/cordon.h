/* cordon: the log directories that are to take nothing new (cordoned.log.dirs, KIP-1066).
 *
 * The value is a list of log directories, or "*".  What it comes to is a record of the broker's
 * registration, from metadata.version 30 on; placing partitions looks at that alone.  Pure. */
#ifndef LEVEE_BROKER_CORDON_H
#define LEVEE_BROKER_CORDON_H

#include "broker/config.h"

/* Does the list name our only directory? */
bool cordon_covers(const struct config *config, const char *list);

/* The first entry that is no log directory of ours; false: there is none. */
bool cordon_find_stranger(const struct config *config, const char *list, const char **out,
                          size_t *bytes_out);

#endif
