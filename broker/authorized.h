/* authorized: the operations that a client may do on a resource, as Metadata and DescribeCluster
 * tell them: bit n is Kafka's AclOperation n (KIP-430). */
#ifndef LEVEE_BROKER_AUTHORIZED_H
#define LEVEE_BROKER_AUTHORIZED_H

#include "broker/request.h"

int32_t authorized_on_topic(const struct request *request, const char *topic);
int32_t authorized_on_cluster(const struct request *request);
int32_t authorized_on_group(const struct request *request, const char *group);

#endif
