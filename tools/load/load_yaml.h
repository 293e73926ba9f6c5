/* load_yaml: workload and driver files in YAML, OpenMessaging Benchmark's and ours.
 *
 * A workload file is one mapping of names to values: OMB's keys (Workload.java), and every option
 * of load_option in camel case.  A driver file is OMB's for Kafka: replicationFactor, topicConfig,
 * commonConfig, producerConfig, consumerConfig, the last four as lines of Kafka's properties; what
 * of these has a meaning here is taken, others are noted.
 *
 * Stateless. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_YAML_H
#define LEVEE_TOOLS_LOAD_LOAD_YAML_H

#include "tools/load/load_workload.h"

enum { LOAD_YAML_BYTES_MAX = 1 << 20 };

/* The settings of a workload file over what is there.  ERR_NOT_FOUND, ERR_IO, ERR_TOO_LARGE;
 * ERR_INVALID: problem says where and what, and for an unknown key which was probably meant. */
must_use enum err load_yaml_workload(struct load_workload *workload, const char *path,
                                     char *problem, size_t problem_max);

/* The same of a driver file.  note(context, text): a property that is not used here. */
must_use enum err load_yaml_driver(struct load_workload *workload, const char *path,
                                   void (*note)(void *context, const char *text), void *context,
                                   char *problem, size_t problem_max);

#endif
