/* load_compare: is B another than A?  Paired blocks, ratios, a sign test; and silence when noise
 * covers it.
 *
 * One comparison; one thread.  A block is the runs A B B A: what drifts by and by hits both alike.
 * Of each block a metric has one ratio, the mean of its B over the mean of its A.
 *   LCM-1  a difference is told only when the sign test over the blocks says p <= 0.05 (two-
 *          sided) and the median ratio lies outside the spread: the median distance of two runs
 *          of one side in one block
 *   LCM-2  two sides of different durability are refused, or the difference stands in each line; a
 *          side whose runs differ among themselves has another durability than any
 *   LCM-3  runs of different workloads (name, settings) are no comparison of brokers: the first
 *          differences are told in the head, and is_same_workload is false */
#ifndef LEVEE_TOOLS_LOAD_LOAD_COMPARE_H
#define LEVEE_TOOLS_LOAD_LOAD_COMPARE_H

#include "tools/load/load_metric.h"

#include <stdio.h>

enum {
    LOAD_COMPARE_BLOCKS_MAX = 64,
    LOAD_COMPARE_RUNS = 4, /* of a block */
    LOAD_COMPARE_BLOCKS_DEFAULT = 6,
    LOAD_COMPARE_LINE_BYTES = 512,
};

enum load_finding_of_pair {
    LOAD_PAIR_NOT_MEASURED,
    LOAD_PAIR_NO_DIFFERENCE,
    LOAD_PAIR_B_BETTER,
    LOAD_PAIR_B_WORSE,
};

struct load_pair {
    enum load_finding_of_pair finding;
    uint32_t blocks_count; /* with a ratio */
    double a, b;           /* medians over all runs */
    double ratio;          /* B over A, median of blocks */
    double ratio_min, ratio_max;
    double p;      /* of the sign test */
    double spread; /* 1.07: two runs of one side differ by 7 %; NAN: only one each */
};

struct load_side {
    char name[LOAD_TEXT_MAX];       /* address or file */
    char driver[LOAD_TEXT_MAX];     /* as its results say */
    char durability[LOAD_TEXT_MAX]; /* what the user says, else what the results say */
    bool is_told;                   /* by the user */
    bool is_learned;                /* a run was seen */
    bool is_mixed;                  /* its runs say different things */
    uint32_t runs_count;            /* in whole blocks */
    uint32_t bad_runs_count;        /* with errors */
    uint64_t error_count;           /* records that were given up */
};

struct load_comparison {
    struct load_side sides[2];
    char workload[LOAD_TEXT_MAX];
    uint32_t blocks_count;
    uint32_t dropped_count; /* blocks that were thrown away: see reasons */
    char reasons[4][LOAD_TEXT_MAX];
    bool is_same_durability;
    bool is_same_workload;
    bool are_pairs;                      /* blocks of one A and one B */
    char differences[2 * LOAD_TEXT_MAX]; /* of workloads: "rate: 1k, 2k; ..." */
    bool has_settings;                   /* of the first run that was seen: */
    struct load_line settings[LOAD_LINES_MAX];
    uint32_t settings_count;
    struct load_pair pairs[LOAD_METRIC_COUNT];
    double values[LOAD_METRIC_COUNT][LOAD_COMPARE_BLOCKS_MAX][LOAD_COMPARE_RUNS]; /* A B B A */
};

/* Zeroed, with names.  durability: NULL: as the results will say. */
void load_compare_init(struct load_comparison *comparison, const char *a, const char *b,
                       const char *durability_a, const char *durability_b);

/* The runs of one block, in the order A B B A.  ERR_FULL: LOAD_COMPARE_BLOCKS_MAX. */
must_use enum err load_compare_block(struct load_comparison *comparison,
                                     const struct load_result *const runs[LOAD_COMPARE_RUNS]);

/* A block of two runs that were made one after the other, as far as is known; the spread is then
 * that of neighbouring blocks.  ERR_FULL. */
must_use enum err load_compare_pair(struct load_comparison *comparison, const struct load_result *a,
                                    const struct load_result *b);

/* Judge.  ERR_INVALID: different durability, and is_allowed is false; all is filled in anyhow. */
must_use enum err load_compare_finish(struct load_comparison *comparison, bool is_allowed);

/* B over A of one block; NAN: not measured. */
double load_compare_ratio(const struct load_comparison *comparison, enum load_metric metric,
                          uint32_t block);

/* What was found, in words: "B is 3.2 times better", "no difference shown", ... */
void load_compare_words(const struct load_comparison *comparison, enum load_metric metric,
                        char out[static LOAD_COMPARE_LINE_BYTES]);

/* One line about a metric, for people; durability in it when the sides differ. */
void load_compare_line(const struct load_comparison *comparison, enum load_metric metric,
                       char out[static LOAD_COMPARE_LINE_BYTES]);

/* All lines. */
void load_compare_print(const struct load_comparison *comparison, FILE *file);

/* The same as one JSON object and a newline.  ERR_NOMEM, ERR_IO. */
must_use enum err load_compare_print_json(const struct load_comparison *comparison, FILE *file);

/* One run against a side, 0: A, 1: B; the caller's engine.  What it returns other than OK ends the
 * comparison; *out is load_result_destroy's. */
typedef enum err load_compare_run_fn(void *context, uint32_t side, struct load_result **out);

struct load_compare_options {
    uint32_t blocks;       /* 0: LOAD_COMPARE_BLOCKS_DEFAULT */
    bool is_other_allowed; /* different durability */
    load_compare_run_fn *run;
    void *context;
    /* Optional: after each run, for who keeps or shows them; result is ours */
    void (*ran)(void *context, uint32_t block, uint32_t index, uint32_t side,
                const struct load_result *result);
};

/* One run of each side to warm up, whose durability is compared before more is measured, then the
 * blocks.  The comparison is judged as far as it came.  Errors of run; ERR_INVALID: durability. */
must_use enum err load_compare_run(struct load_comparison *comparison,
                                   const struct load_compare_options *options);

#endif
