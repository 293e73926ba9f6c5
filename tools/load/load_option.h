/* load_option: the table of all that can be said about a workload: on the command line (--name), in
 * a file (its name in camel case, and OpenMessaging Benchmark's own keys), in the help, and in what
 * a result tells of its settings.
 *
 * A constant table; any thread. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_OPTION_H
#define LEVEE_TOOLS_LOAD_LOAD_OPTION_H

#include "tools/load/load_workload.h"

#include <stddef.h>

enum load_option_kind {
    LOAD_OPTION_COUNT,  /* uint32_t: 10, 1k, 64Ki */
    LOAD_OPTION_BIG,    /* uint64_t: the same */
    LOAD_OPTION_SIZE,   /* uint64_t, bytes: 1000, 16KiB, 1MB */
    LOAD_OPTION_TIME,   /* uint64_t, nanoseconds: 250us, 5ms, 60s, 2m; a bare number: unit_ns */
    LOAD_OPTION_NUMBER, /* double */
    LOAD_OPTION_SHARE,  /* double, 0 to 1; 5% too */
    LOAD_OPTION_FLAG,   /* bool; on the command line without an argument, and --no-NAME */
    LOAD_OPTION_WORD,   /* int32_t: the number of one of words */
    LOAD_OPTION_ACKS,   /* int32_t: all, 1, 0 */
    LOAD_OPTION_TEXT,   /* char[size] */
};

/* Which commands take it. */
enum {
    LOAD_OPTION_OF_TOPICS = 1,
    LOAD_OPTION_OF_RECORDS = 2,
    LOAD_OPTION_OF_PRODUCERS = 4,
    LOAD_OPTION_OF_CONSUMERS = 8,
    LOAD_OPTION_OF_TRANSACTIONS = 16,
    LOAD_OPTION_OF_GROUPS = 32,
    LOAD_OPTION_OF_RUN = 64,
    LOAD_OPTION_OF_ALL = 127,
    LOAD_OPTION_OF_COMPARE = 128, /* compare alone */
    LOAD_OPTION_OF_REPORT = 256,  /* what also shows files: --report */
};

struct load_option {
    const char *name;       /* without the dashes */
    const char *short_name; /* "-b", or NULL */
    const char *argument;   /* for the help; NULL: a flag */
    const char *help;
    uint32_t of;
    enum load_option_kind kind;
    size_t offset; /* in struct load_workload */
    size_t size;   /* of a text */
    uint64_t unit_ns;
    double min;
    double max;               /* 0: none */
    const char *const *words; /* ends with NULL */
};

/* The rows; *count_out of them. */
const struct load_option *load_option_rows(size_t *count_out);

/* By its name on the command line (without dashes; "no-" is the caller's); NULL: none.  near (may
 * be NULL): the name that was probably meant, or NULL. */
const struct load_option *load_option_find(const char *name, size_t name_bytes, uint32_t of,
                                           const char **near);

/* By a key of a workload file: ours in camel case or as on the command line, or OpenMessaging
 * Benchmark's.  suffix: what is to be put behind the value ("m" of testDurationMinutes). */
const struct load_option *load_option_find_key(const char *key, const char **suffix_out,
                                               const char **near);

/* Read text into the field.  ERR_INVALID: problem says what the option takes. */
must_use enum err load_option_set(struct load_workload *workload, const struct load_option *option,
                                  const char *text, char *problem, size_t problem_max);

/* Set several, as "name=value name=value"; for built-in workloads.  ERR_INVALID. */
must_use enum err load_option_set_all(struct load_workload *workload, const char *settings,
                                      char *problem, size_t problem_max);

/* The field as text that load_option_set reads. */
void load_option_get(const struct load_workload *workload, const struct load_option *option,
                     char *text, size_t text_max);

/* Numbers with suffixes, for others: "16KiB", "250us".  ERR_INVALID. */
must_use enum err load_option_size(const char *text, uint64_t *out);
must_use enum err load_option_time(const char *text, uint64_t unit_ns, uint64_t *out);
must_use enum err load_option_number(const char *text, double *out);

#endif
