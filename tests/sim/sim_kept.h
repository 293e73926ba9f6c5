/* sim_kept: does a living broker keep no more than retention.bytes lets it?
 *
 * Looks into the logs of a sim_broker at a time of calm, when its look at retention has been after
 * the last append.  What it finds goes to complain, with the rule KEPT: without the first segment
 * with records a log has less than retention.bytes (Kafka's deleteRetentionSizeBreachedSegments).
 */
#ifndef LEVEE_TESTS_SIM_KEPT_H
#define LEVEE_TESTS_SIM_KEPT_H

#include "tests/sim/sim_broker.h"

/* limit_of: retention.bytes as the topic was created with; -1: none, or none of ours.  Returns the
 * logs with records and a limit that holds. */
uint32_t sim_kept_look(const struct sim_broker *broker,
                       int64_t (*limit_of)(void *context, const struct uuid *topic_id),
                       void (*complain)(void *context, const char *rule, const char *text),
                       void *context);

#endif
