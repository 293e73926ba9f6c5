/* load_shape: the words for rates, sizes and keys, read into a workload's fields.
 *
 * Part of load_workload_check.  Each: ERR_INVALID (problem says what is wrong), ERR_NOT_FOUND or
 * ERR_IO (a file). */
#ifndef LEVEE_TOOLS_LOAD_LOAD_SHAPE_H
#define LEVEE_TOOLS_LOAD_LOAD_SHAPE_H

#include "tools/load/load_workload.h"

/* rate_text -> is_open_loop, pacing, points. */
must_use enum err load_shape_rate(struct load_workload *workload, char *problem,
                                  size_t problem_max);

/* size_text, payload_file -> size. */
must_use enum err load_shape_size(struct load_workload *workload, char *problem,
                                  size_t problem_max);

/* key_text, keys_count -> keys. */
must_use enum err load_shape_keys(struct load_workload *workload, char *problem,
                                  size_t problem_max);

#endif
