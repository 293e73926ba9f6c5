/* load_topics: the topics of a run: made before it, deleted after it.
 *
 * Blocks; one thread, the tool's main one. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_TOPICS_H
#define LEVEE_TOOLS_LOAD_LOAD_TOPICS_H

#include "tools/load/load_shared.h"

/* Name them in shared, and make those that are not there.  ERR_REFUSED, ERR_TIMEOUT: no broker;
 * ERR_NOT_FOUND: it is only read, and is not there; ERR_PERMISSION; ERR_INVALID; problem says
 * it. */
must_use enum err load_topics_create(struct load_shared *shared, char *problem, size_t problem_max);

/* Those that are the run's own, unless they are kept.  A broker that is gone is left alone. */
void load_topics_delete(struct load_shared *shared, uint32_t timeout_ms);

#endif
