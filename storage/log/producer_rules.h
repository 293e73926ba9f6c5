/* producer_rules: what a batch of a producer is held against before it is appended: Kafka's
 * ProducerAppendInfo, and its checks of transactions (DUR-I1 to DUR-I7, DUR-I11, DUR-T6, DUR-T11).
 *
 * Pure: any thread that may read the state; holds nothing. */
#ifndef LEVEE_STORAGE_LOG_PRODUCER_RULES_H
#define LEVEE_STORAGE_LOG_PRODUCER_RULES_H

#include "storage/log/producer_state.h"

/* As producer_state_check says it, but for memory.  entry: what ps knows of the batch's producer;
 * NULL: nothing.  *out is zeroed by the caller, and filled only for a duplicate. */
must_use enum err producer_rules_check(const struct producer_state *ps,
                                       const struct producer_entry *entry,
                                       const struct batch_header *header,
                                       const struct control_marker *marker,
                                       const struct producer_rules *rules,
                                       struct producer_check *out);

#endif
