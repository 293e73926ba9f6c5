/* bench: the commands of `levee bench`: one table of verbs, each with the workload that the words
 * describe.
 *
 * Their options are the table of load_option, which holds more than the letters of cli have; words
 * are read here, by the same rules and with the same exit codes. */
#ifndef LEVEE_TOOLS_BENCH_H
#define LEVEE_TOOLS_BENCH_H

#include "tools/cli.h"
#include "tools/load/load_outage.h"
#include "tools/load/load_result.h"
#include "tools/load/load_workload.h"

/* Who looks at a run beside it. */
struct bench_watch {
    struct load_outage *outage;
    void (*measuring)(void *context); /* the measured part begins */
    /* it is over, and nothing was told yet: settings may be added */
    void (*measured)(void *context, struct load_result *result);
    void *context;
};

struct bench {
    const struct bench_verb *verb;
    struct load_workload *workload; /* complete, not checked (load_workload_check) */
    const char *words[CLI_WORDS_MAX];
    int word_count;
    char **command; /* behind "--", ends with NULL; NULL: none */
    const char *driver_file;
    bool is_canonical;               /* no verb was given */
    const struct bench_watch *watch; /* NULL: nobody; else errors of clients are no failure */
};

typedef enum cli_exit bench_fn(struct bench *bench);

struct bench_verb {
    const char *name;
    const char *words; /* "WORKLOAD", for the help */
    int words_min;
    int words_max;
    bool takes_command;   /* "-- COMMAND..." */
    uint32_t of;          /* LOAD_OPTION_OF_... that it takes */
    const char *settings; /* over the defaults, before the options; "" */
    const char *purpose;
    const char *help; /* more, with examples */
    bench_fn *run;
};

/* Check the workload or say what is wrong with it. */
must_use enum cli_exit bench_check(struct bench *bench);

bench_fn bench_agent, bench_compare, bench_list, bench_report, bench_restart, bench_run;

#endif
