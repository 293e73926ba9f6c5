/* scenario: one simulated run, all of it drawn from a seed.
 *
 * One broker on a simulated disk, model clients on a simulated network, one oracle.  Phases
 * (durability.md 4.3): warm-up without faults; faults, with crashes and restarts, also during
 * recovery; heal; everybody finishes by a deadline; an audit reads everything; orderly stop, power
 * off, restart, audit; power loss right after, restart, audit again. */
#ifndef LEVEE_TESTS_SCENARIO_H
#define LEVEE_TESTS_SCENARIO_H

#include "tests/sim/oracle.h"
#include "tests/sim/sim_marks.h"
#include "tests/sim/sim_stats.h"

#include <stdbool.h>
#include <stdint.h>

/* The site in base/mem.c at which the part allocations refuses memory. */
#define SCENARIO_ALLOCATION_SITE "mem: an allocation is refused"

struct scenario_options {
    uint64_t seed;
    uint32_t parts;         /* of the plan that runs may have */
    bool parts_forced;      /* all of them, in this run */
    bool trace;             /* the broker's log, the history and the steps to standard error */
    bool trace_world;       /* everything that the world notes, too */
    const char *export_dir; /* an existing directory: what is durable after the orderly stop */
};

struct scenario_result {
    bool failed;
    struct oracle_complaint complaint; /* the first */
    uint64_t complaints_count;
    uint64_t hash;
    uint64_t virtual_ns;
    struct sim_stats stats;
    uint64_t acknowledged_count; /* records */
    uint64_t reads_count;
    uint64_t generations_count;   /* of groups, that members were told */
    uint64_t kept_count;          /* memberships that outlived a broker */
    uint64_t shard_changes_count; /* starts with another number of shards */
    uint32_t parts;               /* of the plan that it had */
    struct sim_marks marks;
};

void scenario_run(const struct scenario_options *options, struct scenario_result *out);

#endif
