#include "tests/sim/plan.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

enum { COMMON = 3 };

static const struct {
    const char *name;
    bool is_default;
    uint32_t one_in;
} parts[] = {
#define PLAN_ROW(name, text, is_default, one_in) {text, is_default, one_in},
    PLAN_PARTS(PLAN_ROW)
#undef PLAN_ROW
};

uint32_t plan_default_parts(void)
{
    uint32_t bits = 0;

    for (uint32_t i = 0; i < PLAN_PART_COUNT; i++)
        bits |= (uint32_t)parts[i].is_default << i;
    return bits;
}

static bool parse_one(const char *text, size_t size, uint32_t *bits)
{
    for (uint32_t i = 0; i < PLAN_PART_COUNT; i++) {
        if (strlen(parts[i].name) == size && memcmp(parts[i].name, text, size) == 0) {
            *bits |= 1U << i;
            return true;
        }
    }
    return size == 0;
}

bool plan_parse(const char *text, uint32_t *parts_out)
{
    uint32_t bits = 0;

    for (;;) {
        size_t size = strcspn(text, ",");
        if (!parse_one(text, size, &bits))
            return false;
        if (text[size] == '\0')
            break;
        text += size + 1;
    }
    *parts_out = bits;
    return true;
}

void plan_format(uint32_t bits, char text[PLAN_NAME_MAX])
{
    size_t used = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < PLAN_PART_COUNT && used < PLAN_NAME_MAX; i++)
        if ((bits >> i & 1) != 0)
            used += (size_t)snprintf(text + used, PLAN_NAME_MAX - used, "%s%s",
                                     used == 0 ? "" : ",", parts[i].name);
}

/* A seldom part has a stream of its own: whatever its odds, the rest of a seed is the same. */
static bool is_chosen(struct plan *plan, uint32_t part)
{
    struct prng own;

    if (parts[part].one_in == COMMON)
        return prng_chance(&plan->prng, 1, COMMON);
    prng_fork(&plan->prng, parts[part].name, &own);
    return prng_chance(&own, 1, parts[part].one_in);
}

void plan_draw(struct plan *plan, const struct prng *seed, uint32_t allowed, bool forced)
{
    *plan = (struct plan){0};
    prng_fork(seed, "plan", &plan->prng);
    for (uint32_t i = 0; i < PLAN_PART_COUNT; i++) {
        bool chosen = is_chosen(plan, i);
        if ((allowed >> i & 1) != 0 && (chosen || forced))
            plan->parts |= 1U << i;
    }
}

bool plan_odds(struct plan *plan, uint32_t numerator, uint32_t denominator)
{
    return prng_chance(&plan->prng, numerator, denominator);
}

uint64_t plan_pick(struct plan *plan, const uint64_t *numbers, uint32_t count)
{
    return numbers[prng_below(&plan->prng, count)];
}
