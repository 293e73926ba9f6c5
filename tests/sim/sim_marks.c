#include "tests/sim/sim_marks.h"

#include "base/check.h"
#include "base/sometimes.h"

#include <string.h>

static const char *const texts[] = {
#define SIM_MARK_TEXT(name, text) text,
    SIM_MARKS(SIM_MARK_TEXT)
#undef SIM_MARK_TEXT
};

static struct sim_marks marks;

void sim_mark(enum sim_mark mark)
{
    marks.counts[mark]++;
}

void sim_marks_take(struct sim_marks *out)
{
    *out = marks;
    memset(&marks, 0, sizeof(marks));
    check(sometimes_count() <= SIM_SITES_MAX);
    for (uint32_t i = 0; i < sometimes_count(); i++) {
        out->sites[i] = sometimes_at(i)->reached_count;
        sometimes_at(i)->reached_count = 0;
    }
}

void sim_marks_add(struct sim_marks *into, const struct sim_marks *from)
{
    for (uint32_t i = 0; i < SIM_MARK_COUNT; i++)
        into->counts[i] += from->counts[i];
    for (uint32_t i = 0; i < SIM_SITES_MAX; i++)
        into->sites[i] += from->sites[i];
}

/* Sites of one name are one: a function in a header, or a way that two places take. */
static bool is_reached(const struct sim_marks *of, const char *name)
{
    for (uint32_t i = 0; i < sometimes_count(); i++)
        if (of->sites[i] > 0 && strcmp(sometimes_at(i)->name, name) == 0)
            return true;
    return false;
}

static bool is_first(uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (strcmp(sometimes_at(i)->name, sometimes_at(index)->name) == 0)
            return false;
    return true;
}

uint32_t sim_marks_print_missing(const struct sim_marks *of, FILE *to, const char *idle)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < SIM_MARK_COUNT; i++) {
        if (of->counts[i] > 0)
            continue;
        fprintf(to, "never reached: %s\n", texts[i]);
        count++;
    }
    for (uint32_t i = 0; i < sometimes_count(); i++) {
        const struct sometimes_site *site = sometimes_at(i);
        if (!is_first(i) || is_reached(of, site->name) ||
            (idle != NULL && strcmp(site->name, idle) == 0))
            continue;
        fprintf(to, "%s: %s\n",
                site->kind == SOMETIMES_MARK ? "never reached in the product" : "never made harder",
                site->name);
        count++;
    }
    return count;
}
