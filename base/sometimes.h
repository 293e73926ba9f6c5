/* sometimes: places in the product that the simulator wants to be reached, or may make harder.
 *
 * SOMETIMES(name, condition) counts that condition was true there: a situation that the runs are
 * made for ("a duplicate was answered from the oldest slot").  simulate --require-marks fails when
 * no run came into it.  BUGGIFY(name) is false, but in some simulated runs now and then true: then
 * the code takes a way that is right and seldom (a smaller group, an early flush, a failed
 * allocation).  name is a literal of a few words, its own in the whole product; it is what the
 * simulator prints.
 *
 *   if (BUGGIFY("journal: a group closes early") || group_is_full(group))
 *
 * Any thread.  Neither is in releases: nothing of a condition is evaluated there, so it must have
 * no effects.  Elsewhere a site costs a load and a branch.  Sites register themselves (a section of
 * the linker's), so one that was never reached is known too. */
#ifndef LEVEE_BASE_SOMETIMES_H
#define LEVEE_BASE_SOMETIMES_H

#include <stdbool.h>
#include <stdint.h>

enum sometimes_kind { SOMETIMES_MARK, SOMETIMES_BUGGIFY };

struct sometimes_site {
    const char *name;
    enum sometimes_kind kind;
    uint64_t reached_count; /* atomic: the condition was true, or BUGGIFY was */
};

#ifdef LEVEE_RELEASE

#define SOMETIMES(name, condition) ((void)sizeof(!!(condition)))
#define BUGGIFY(name) false

#else

/* A pointer to the site stands in the section: pointers have no padding between them. */
#define SOMETIMES_SITE(name_, kind_)                                              \
    static struct sometimes_site sometimes_here = {.name = name_, .kind = kind_}; \
    static struct sometimes_site *sometimes_listed                                \
        __attribute__((section("sometimes_sites"), used)) = &sometimes_here;      \
    (void)sometimes_listed

#define SOMETIMES(name, condition)              \
    do {                                        \
        SOMETIMES_SITE(name, SOMETIMES_MARK);   \
        if (condition)                          \
            sometimes_reached(&sometimes_here); \
    } while (0)

#define BUGGIFY(name)                            \
    (__extension__({                             \
        SOMETIMES_SITE(name, SOMETIMES_BUGGIFY); \
        sometimes_buggify(&sometimes_here);      \
    }))

#endif

/* What the macros call. */
void sometimes_reached(struct sometimes_site *site);
bool sometimes_buggify(struct sometimes_site *site);

/* ---- for the simulator; none of it while other threads run */

/* Who decides what BUGGIFY says; NULL: it is false. */
void sometimes_set_buggify(bool (*decide)(const char *name));

/* The sites that are linked in, in an order of the linker's; two may have one name (a function in
 * a header).  None in releases. */
uint32_t sometimes_count(void);
struct sometimes_site *sometimes_at(uint32_t index);

#endif
