/* sim_disk_private: what the parts of a disk share: data and crashes (sim_disk), names
 * (sim_disk_names), faults (sim_disk_faults), time (sim_disk_time). */
#ifndef LEVEE_TESTS_SIM_DISK_PRIVATE_H
#define LEVEE_TESTS_SIM_DISK_PRIVATE_H

#include "tests/sim/sim_disk.h"

/* ---- sim_disk_faults */

/* With odds of so many millionths. */
bool sim_disk_by_chance(struct sim_disk *disk, uint32_t ppm);

/* It happens, and is counted: -error. */
int sim_disk_count_fault(struct sim_disk *disk, enum sim_disk_op op, int error);

/* 0, or the negative errno value that this operation ends with. */
int sim_disk_fault_of(struct sim_disk *disk, enum sim_disk_op op);

/* How many of size_bytes a read or write moves this time. */
uint32_t sim_disk_short_of(struct sim_disk *disk, enum sim_disk_op op, uint32_t size_bytes,
                           bool direct);

#endif
