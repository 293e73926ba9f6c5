/* load_shared_account: where the account of a run comes from and where it is kept: a new one, or
 * the file of --state.
 *
 * Main thread, before the workers begin and after they have ended. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_SHARED_ACCOUNT_H
#define LEVEE_TOOLS_LOAD_LOAD_SHARED_ACCOUNT_H

#include "tools/load/load_shared.h"

/* A new one, or the one that was kept; run and first_producer of shared follow from it.
 * ERR_INVALID: it is of other topics; errors of load_account_load; problem says it. */
must_use enum err load_shared_account_open(struct load_shared *shared, char *problem,
                                           size_t problem_max);

/* Nothing without --state.  goes_on: a tool that is killed leaves a file which knows that there may
 * be more.  Errors of files. */
must_use enum err load_shared_account_save(struct load_shared *shared, bool goes_on);

#endif
