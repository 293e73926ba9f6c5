/* plan: all that is decided about a simulated run before it: which parts of the wide world it has,
 * and the numbers of its broker, disk, network, topics, clients and faults.
 *
 * Each number is drawn from the seed by a stream of its own, named by its key, so that a plan with
 * a part or a number less is otherwise the same; printed, it can be given back and taken apart
 * (shrink.py).
 * Each part has a name, for the command line and for the lines of regression files.  A part may be
 * off by default: then the broker is known to break under it, and docs/guarantees.md says so. */
#ifndef LEVEE_TESTS_PLAN_H
#define LEVEE_TESTS_PLAN_H

#include "base/err.h"
#include "base/prng.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* X(name, text, is it on by default, one run of so many has it) */
#define PLAN_PARTS(X)                                                                            \
    X(RECORDS, "records", true, 3) /* keys, headers, small values, times of their own */         \
    X(SIZES, "sizes", true, 3)     /* 1 B to 4 MiB mixed in one connection */                    \
    X(LIES, "lies", true, 3)       /* headers that are wrong and are put right */                \
    X(REFUSED, "refused", true, 3) /* batches that must be refused */                            \
    X(ACKS_ZERO, "acks-0", true, 3)                                                              \
    X(ACKS_ONE, "acks-1", true, 3)                                                               \
    X(CACHE, "cache", true, 3)             /* topics with levee.durability=cache */              \
    X(APPEND_TIME, "append-time", true, 3) /* topics with LogAppendTime */                       \
    X(RECODE, "recode", true, 3)           /* topics with a codec of their own */                \
    X(SLOW, "slow", true, 3)               /* consumers that read slowly, or stop */             \
    X(HANG_UP, "hang-up", true, 3)         /* peers that close at any byte */                    \
    X(PIPELINES, "pipelines", true, 3)     /* commit then read, create then produce */           \
    X(DELETE_RECORDS, "delete-records", true, 3)                                                 \
    X(RETENTION, "retention", true, 3)       /* by time and size, and segment.ms */              \
    X(RECREATE, "recreate", true, 3)         /* topics deleted and created again under load */   \
    X(FULL_DISK, "full-disk", true, 3)       /* little more space than what is written */        \
    X(CLOCK, "clock", true, 3)               /* wall clock steps by days and years */            \
    X(LIMITS, "limits", true, 3)             /* what the broker has limits for, small */         \
    X(LONG, "long", true, 3)                 /* hours to 30 days, idle time skipped */           \
    X(ROT, "rot", true, 3)                   /* bytes changed at rest, at the end */             \
    X(SESSIONS, "sessions", true, 3)         /* fetches that say only what has changed */        \
    X(ALLOCATIONS, "allocations", true, 3)   /* memory is refused now and then */                \
    X(BUGGIFY, "buggify", true, 3)           /* ways of the product that are right and seldom */ \
    X(CROWD, "crowd", true, 32)              /* thousands of topics */                           \
    X(SEGMENTS, "segments", true, 2)         /* small segments, and segment.bytes is altered */  \
    X(TRANSACTIONS, "transactions", true, 2) /* transfers over a ledger */                       \
    X(ROOM, "client-room", true, 2)          /* the product's own clients, net/client */

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

enum { PLAN_NUMBERS_MAX = 768, PLAN_KEY_MAX = 48, PLAN_ALLOWED_MAX = 64, PLAN_PROBLEM_MAX = 128 };

struct plan_number {
    char key[PLAN_KEY_MAX];
    char allowed[PLAN_ALLOWED_MAX]; /* "1..4", or each one: the first is the least */
    uint64_t value;
    bool is_given; /* by a text, instead of drawn */
    bool is_asked;
};

struct plan {
    uint64_t seed;
    uint32_t parts; /* that this run has */
    struct prng parts_prng;
    struct prng prng; /* of which each number has a stream of its own, by its key */
    char scope[PLAN_KEY_MAX];
    struct plan_number numbers[PLAN_NUMBERS_MAX];
    uint32_t count;
    char problem[PLAN_PROBLEM_MAX]; /* the first one of a text that was given; "": none */
};

/* allowed: each is in the run with its odds; all of them when forced.  No number is drawn yet. */
void plan_draw(struct plan *plan, uint64_t seed, uint32_t allowed, bool forced);

/* As plan_print has printed it, or less of it: lines "seed=N", "parts=NAMES", "KEY=N"; # begins a
 * remark.  What it does not have is drawn from its seed, and there is no part but those it names.
 * False: problem says why. */
must_use bool plan_read(struct plan *plan, const char *text);

/* The seed, the parts, and all numbers that were asked for. */
void plan_print(const struct plan *plan, FILE *file);

/* A key that was given and that nobody has asked for; NULL: there is none. */
const char *plan_first_unasked(const struct plan *plan);

static inline bool plan_has(const struct plan *plan, enum plan_part part)
{
    return (plan->parts >> part & 1) != 0;
}

/* ---- numbers: each by a key, asked for once; a scope comes before the keys that follow.  The
 * value does not depend on what else is asked for.  A given value that may not be is a problem. */

printf_like(2, 3) void plan_scope(struct plan *plan, const char *format, ...);
void plan_scope_none(struct plan *plan);

/* Drawn from min..max; least..max may be given. */
uint64_t plan_count(struct plan *plan, const char *key, uint64_t least, uint64_t min, uint64_t max);

static inline uint64_t plan_range(struct plan *plan, const char *key, uint64_t min, uint64_t max)
{
    return plan_count(plan, key, min, min, max);
}

/* numerator of denominator times. */
bool plan_odds(struct plan *plan, const char *key, uint32_t numerator, uint32_t denominator);

/* One of count numbers. */
uint64_t plan_pick(struct plan *plan, const char *key, const uint64_t *numbers, uint32_t count);

#define plan_pick_of(plan, key, ...)                      \
    plan_pick(plan, key, (const uint64_t[]){__VA_ARGS__}, \
              sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* One that was drawn elsewhere, by plan_stream. */
uint64_t plan_number(struct plan *plan, const char *key, uint64_t drawn, uint64_t least,
                     uint64_t max);

/* A stream by a name in the scope, for numbers that are drawn elsewhere, or while the run goes on.
 */
void plan_stream(const struct plan *plan, const char *name, struct prng *out);

#endif
