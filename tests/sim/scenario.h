/* scenario: one simulated run, its plan drawn whole from a seed, or given.
 *
 * One broker on a simulated disk, model clients on a simulated network, one oracle.  Phases
 * (docs/guarantees.md): warm-up without faults; faults, with crashes and restarts, also during
 * recovery; heal; everybody finishes by a deadline; an audit reads everything; orderly stop, power
 * off, restart, audit; power loss right after, restart, audit again. */
#ifndef LEVEE_TESTS_SCENARIO_H
#define LEVEE_TESTS_SCENARIO_H

#include "base/err.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim_marks.h"
#include "tests/sim/sim_stats.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The site in base/mem.c at which the part allocations refuses memory. */
#define SCENARIO_ALLOCATION_SITE "mem: an allocation is refused"

struct scenario_options {
    uint64_t seed;
    uint32_t parts;         /* of the plan that runs may have */
    bool parts_forced;      /* all of them, in this run */
    const char *plan_text;  /* instead of seed and parts: as scenario_print_plan has printed it */
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

/* A plan_text that is none fails by the rule PLAN. */
void scenario_run(const struct scenario_options *options, struct scenario_result *out);

/* The plan of that run, whole, in a form that can be given back (plan_read); nothing runs.  False:
 * plan_text is no plan, standard error says why. */
must_use bool scenario_print_plan(const struct scenario_options *options, FILE *file);

#endif
