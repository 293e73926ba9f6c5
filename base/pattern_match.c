#include "base/check.h"
#include "base/pattern_private.h"

#include <string.h>

/* Places of the program, each once. */
struct places {
    uint16_t at[PATTERN_STEPS_MAX];
    uint32_t count;
    uint64_t has[(PATTERN_STEPS_MAX + 63) / 64];
};

#define NO_CHARACTER UINT32_MAX

static bool is_word(uint32_t c)
{
    return c != NO_CHARACTER && c < 128 &&
           (pattern_is_letter(c) || (c >= '0' && c <= '9') || c == '_');
}

static bool holds(enum assertion assertion, uint32_t before, uint32_t after)
{
    switch (assertion) {
    case AT_BEGIN:
        return before == NO_CHARACTER;
    case AT_END:
        return after == NO_CHARACTER;
    case AT_LINE_BEGIN:
        return before == NO_CHARACTER || before == '\n';
    case AT_LINE_END:
        return after == NO_CHARACTER || after == '\n';
    case AT_WORD_EDGE:
        return is_word(before) != is_word(after);
    case NOT_AT_WORD_EDGE:
        return is_word(before) == is_word(after);
    }
    check(false);
}

static bool has_character(const struct pattern *pattern, const struct step *set, uint32_t c)
{
    for (int16_t i = 0; i < set->second; i++) {
        const struct range *range = &pattern->ranges[set->first + i];
        if (c >= range->low && c <= range->high)
            return !set->negated;
    }
    return set->negated;
}

static void put(struct places *places, uint32_t at)
{
    if ((places->has[at / 64] >> at % 64 & 1) != 0)
        return;
    places->has[at / 64] |= UINT64_C(1) << at % 64;
    places->at[places->count++] = (uint16_t)at;
}

/* Adds where one gets from these without a character. */
static void follow(const struct pattern *pattern, struct places *places, uint32_t before,
                   uint32_t after)
{
    for (uint32_t i = 0; i < places->count; i++) { /* it grows */
        uint32_t at = places->at[i];
        const struct step *step = &pattern->steps[at];
        if (step->kind == STEP_SPLIT || step->kind == STEP_JUMP)
            put(places, (uint32_t)((int32_t)at + step->first));
        if (step->kind == STEP_SPLIT)
            put(places, (uint32_t)((int32_t)at + step->second));
        if (step->kind == STEP_ASSERT && holds((enum assertion)step->first, before, after))
            put(places, at + 1);
    }
}

static void clear(struct places *places)
{
    places->count = 0;
    memset(places->has, 0, sizeof(places->has));
}

bool pattern_matches(const struct pattern *pattern, const char *text, size_t text_bytes,
                     uint64_t *cost_out)
{
    struct places sets[2];
    struct places *now = &sets[0];
    struct places *next = &sets[1];
    uint32_t before = NO_CHARACTER;
    uint64_t cost = 0;
    size_t at = 0;

    clear(now);
    put(now, 0);
    for (;;) {
        uint32_t c = NO_CHARACTER;
        struct places *swapped = now;
        size_t taken = at < text_bytes ? pattern_next(text + at, text_bytes - at, &c) : 0;
        follow(pattern, now, before, c);
        cost += now->count + 1;
        if (taken == 0 || now->count == 0)
            break;
        clear(next);
        for (uint32_t i = 0; i < now->count; i++) {
            const struct step *step = &pattern->steps[now->at[i]];
            if (step->kind == STEP_SET && has_character(pattern, step, c))
                put(next, now->at[i] + 1U);
        }
        now = next;
        next = swapped;
        before = c;
        at += taken;
    }
    if (cost_out != NULL)
        *cost_out = cost;
    return at == text_bytes &&
           (now->has[(pattern->step_count - 1) / 64] >> (pattern->step_count - 1) % 64 & 1) != 0;
}
