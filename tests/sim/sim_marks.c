#include "tests/sim/sim_marks.h"

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
}

void sim_marks_add(struct sim_marks *into, const struct sim_marks *from)
{
    for (uint32_t i = 0; i < SIM_MARK_COUNT; i++)
        into->counts[i] += from->counts[i];
}

const char *sim_marks_text(enum sim_mark mark)
{
    return texts[mark];
}
