/* produce_names: does a Produce request name a partition twice?
 *
 * No client does: there is one batch for each partition.  Kafka keeps the last one and answers
 * once; here such a request is refused as a whole, so that a few bytes more never mean one more
 * batch to be looked into. */
#ifndef LEVEE_BROKER_PRODUCE_NAMES_H
#define LEVEE_BROKER_PRODUCE_NAMES_H

#include "broker/request.h"

/* ERR_EXISTS: a topic, or a partition of it, is named again.  ERR_NOMEM: it could not be seen. */
must_use enum err produce_names_check(const struct request *request);

#endif
