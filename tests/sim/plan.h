/* plan: which parts of the wide world a simulated run has, and what its topics are like.
 *
 * Drawn from the seed by a stream of its own, so that a run with a part less is otherwise the same.
 * Each part has a name, for the command line and for the lines of regression files.  A part may be
 * off by default: then the broker is known to break under it, and docs/guarantees.md says so. */
#ifndef LEVEE_TESTS_PLAN_H
#define LEVEE_TESTS_PLAN_H

#include "base/prng.h"

#include <stdbool.h>
#include <stdint.h>

/* X(name, text, is it on by default, one run of so many has it) */
#define PLAN_PARTS(X)                                                                          \
    X(RECORDS, "records", true, 3) /* keys, headers, small values, times of their own */       \
    X(SIZES, "sizes", true, 3)     /* 1 B to 4 MiB mixed in one connection */                  \
    X(LIES, "lies", true, 3)       /* headers that are wrong and are put right */              \
    X(REFUSED, "refused", true, 3) /* batches that must be refused */                          \
    X(ACKS_ZERO, "acks-0", true, 3)                                                            \
    X(ACKS_ONE, "acks-1", true, 3)                                                             \
    X(CACHE, "cache", true, 3)             /* topics with levee.durability=cache */            \
    X(APPEND_TIME, "append-time", true, 3) /* topics with LogAppendTime */                     \
    X(RECODE, "recode", true, 3)           /* topics with a codec of their own */              \
    X(SLOW, "slow", true, 3)               /* consumers that read slowly, or stop */           \
    X(HANG_UP, "hang-up", true, 3)         /* peers that close at any byte */                  \
    X(PIPELINES, "pipelines", true, 3)     /* commit then read, create then produce */         \
    X(DELETE_RECORDS, "delete-records", true, 3)                                               \
    X(RETENTION, "retention", true, 3)     /* by time and size, and segment.ms */              \
    X(RECREATE, "recreate", true, 3)       /* topics deleted and created again under load */   \
    X(FULL_DISK, "full-disk", true, 3)     /* little more space than what is written */        \
    X(CLOCK, "clock", true, 3)             /* wall clock steps by days and years */            \
    X(LIMITS, "limits", true, 3)           /* what the broker has limits for, small */         \
    X(LONG, "long", true, 3)               /* hours to 30 days, idle time skipped */           \
    X(ROT, "rot", true, 3)                 /* bytes changed at rest, at the end */             \
    X(SESSIONS, "sessions", true, 3)       /* fetches that say only what has changed */        \
    X(ALLOCATIONS, "allocations", true, 3) /* memory is refused now and then */                \
    X(BUGGIFY, "buggify", true, 3)         /* ways of the product that are right and seldom */ \
    X(CROWD, "crowd", true, 32)            /* thousands of topics */                           \
    X(SEGMENTS, "segments", true, 2)       /* small segments, and segment.bytes is altered */

enum plan_part {
#define PLAN_ENUM(name, text, is_default, one_in) PLAN_##name,
    PLAN_PARTS(PLAN_ENUM)
#undef PLAN_ENUM
        PLAN_PART_COUNT
};

/* The parts that runs may have by default, as bits. */
uint32_t plan_default_parts(void);

/* Names between commas, as bits; false: one of them is none. */
bool plan_parse(const char *text, uint32_t *parts_out);

enum { PLAN_NAME_MAX = 256 };

/* The names of parts between commas. */
void plan_format(uint32_t parts, char text[PLAN_NAME_MAX]);

struct plan {
    struct prng prng;
    uint32_t parts; /* that this run has */
};

/* allowed: each is in the run with its odds; all of them when forced. */
void plan_draw(struct plan *plan, const struct prng *seed, uint32_t allowed, bool forced);

static inline bool plan_has(const struct plan *plan, enum plan_part part)
{
    return (plan->parts >> part & 1) != 0;
}

/* numerator of denominator times. */
bool plan_odds(struct plan *plan, uint32_t numerator, uint32_t denominator);

/* One of count numbers. */
uint64_t plan_pick(struct plan *plan, const uint64_t *numbers, uint32_t count);

#define plan_pick_of(plan, ...)                      \
    plan_pick(plan, (const uint64_t[]){__VA_ARGS__}, \
              sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

#endif
