/* load_environment: the surroundings of a run, as lines of its result: kernel, processor, clock
 * source, memory, load and steal; file system, mount options, scheduler and cache flags of the
 * device with the broker's data; who the broker is and how it is set.
 *
 * Stateless; reads /proc and /sys at once. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_ENVIRONMENT_H
#define LEVEE_TOOLS_LOAD_LOAD_ENVIRONMENT_H

#include "tools/load/load_result.h"

/* Of this machine. */
void load_environment_machine(struct load_result *result);

/* Of the file system and device that directory lies on. */
void load_environment_device(struct load_result *result, const char *directory);

/* Name of the whole block device ("vda") that directory lies on; false: none that can be told. */
bool load_environment_device_name(const char *directory, char *out, size_t out_max);

/* Where a process (a broker) keeps its files: the directory of a file that it has open for writing;
 * false: cannot be told. */
bool load_environment_data_directory(int32_t pid, char *out, size_t out_max);

#endif
