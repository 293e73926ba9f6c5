#include "tests/sim/plan.h"

#include "base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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
        return prng_chance(&plan->parts_prng, 1, COMMON);
    prng_fork(&plan->parts_prng, parts[part].name, &own);
    return prng_chance(&own, 1, parts[part].one_in);
}

static void set_seed(struct plan *plan, uint64_t seed)
{
    struct prng root;

    plan->seed = seed;
    prng_init(&root, seed);
    prng_fork(&root, "plan", &plan->parts_prng);
    prng_fork(&root, "plan numbers", &plan->prng);
}

void plan_draw(struct plan *plan, uint64_t seed, uint32_t allowed, bool forced)
{
    *plan = (struct plan){0};
    set_seed(plan, seed);
    for (uint32_t i = 0; i < PLAN_PART_COUNT; i++) {
        bool chosen = is_chosen(plan, i);
        if ((allowed >> i & 1) != 0 && (chosen || forced))
            plan->parts |= 1U << i;
    }
}

printf_like(2, 3) static void complain(struct plan *plan, const char *format, ...)
{
    va_list args;

    if (plan->problem[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(plan->problem, sizeof(plan->problem), format, args);
    va_end(args);
}

static struct plan_number *find(struct plan *plan, const char *key)
{
    for (uint32_t i = 0; i < plan->count; i++)
        if (strcmp(plan->numbers[i].key, key) == 0)
            return &plan->numbers[i];
    return NULL;
}

/* NULL: there is no room for another. */
static struct plan_number *add(struct plan *plan, const char *key)
{
    struct plan_number *number;

    if (plan->count == PLAN_NUMBERS_MAX)
        return NULL;
    number = &plan->numbers[plan->count++];
    *number = (struct plan_number){0};
    snprintf(number->key, sizeof(number->key), "%s", key);
    return number;
}

static bool read_number(const char *text, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return end != text && *end == '\0' && errno == 0;
}

/* key and value are apart. */
static void take_line(struct plan *plan, const char *key, const char *value)
{
    struct plan_number *number;
    uint64_t taken = 0;

    if (strcmp(key, "parts") == 0) {
        if (!plan_parse(value, &plan->parts))
            complain(plan, "no such part in %s", value);
        return;
    }
    if (!read_number(value, &taken)) {
        complain(plan, "%s=%s is no number", key, value);
    } else if (strcmp(key, "seed") == 0) {
        set_seed(plan, taken);
    } else if (strlen(key) >= PLAN_KEY_MAX || find(plan, key) != NULL) {
        complain(plan, "%s is too long, or stands there twice", key);
    } else if ((number = add(plan, key)) == NULL) {
        complain(plan, "too many numbers");
    } else {
        number->value = taken;
        number->is_given = true;
    }
}

bool plan_read(struct plan *plan, const char *text)
{
    char line[PLAN_NAME_MAX + PLAN_KEY_MAX];

    *plan = (struct plan){0};
    while (*text != '\0') {
        size_t size = strcspn(text, "\n");
        char *equals;
        if (size >= sizeof(line)) {
            complain(plan, "a line is too long");
            break;
        }
        memcpy(line, text, size);
        line[size] = '\0';
        text += size + (text[size] == '\n');
        line[strcspn(line, "#")] = '\0';
        for (size = strlen(line); size > 0 && line[size - 1] == ' '; size--)
            line[size - 1] = '\0';
        if (line[0] == '\0')
            continue;
        equals = strchr(line, '=');
        if (equals == NULL) {
            complain(plan, "no number behind %.64s", line);
            continue;
        }
        *equals = '\0';
        take_line(plan, line, equals + 1);
    }
    return plan->problem[0] == '\0';
}

void plan_print(const struct plan *plan, FILE *file)
{
    char names[PLAN_NAME_MAX];

    plan_format(plan->parts, names);
    fprintf(file, "seed=%" PRIu64 "\nparts=%s\n", plan->seed, names);
    for (uint32_t i = 0; i < plan->count; i++)
        if (plan->numbers[i].is_asked)
            fprintf(file, "%s=%" PRIu64 " # %s\n", plan->numbers[i].key, plan->numbers[i].value,
                    plan->numbers[i].allowed);
}

const char *plan_first_unasked(const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++)
        if (!plan->numbers[i].is_asked)
            return plan->numbers[i].key;
    return NULL;
}

void plan_scope(struct plan *plan, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(plan->scope, sizeof(plan->scope), format, args);
    va_end(args);
}

void plan_scope_none(struct plan *plan)
{
    plan->scope[0] = '\0';
}

static void name_in_scope(const struct plan *plan, const char *name, char out[2 * PLAN_KEY_MAX])
{
    snprintf(out, (size_t)2 * PLAN_KEY_MAX, "%s%s%s", plan->scope,
             plan->scope[0] == '\0' ? "" : ".", name);
    check(strlen(out) < PLAN_KEY_MAX);
}

/* stream: its own; may be NULL. */
static struct plan_number *ask(struct plan *plan, const char *key, struct prng *stream)
{
    char name[2 * PLAN_KEY_MAX];
    struct plan_number *number;

    name_in_scope(plan, key, name);
    number = find(plan, name);
    if (number == NULL)
        number = add(plan, name);
    check(number != NULL && !number->is_asked);
    number->is_asked = true;
    if (stream != NULL)
        prng_fork(&plan->prng, name, stream);
    return number;
}

static uint64_t settle(struct plan *plan, struct plan_number *number, uint64_t drawn,
                       bool is_allowed)
{
    if (number->is_given && !is_allowed)
        complain(plan, "%s=%" PRIu64 " is not of %s", number->key, number->value, number->allowed);
    if (!number->is_given || !is_allowed)
        number->value = drawn;
    return number->value;
}

uint64_t plan_count(struct plan *plan, const char *key, uint64_t least, uint64_t min, uint64_t max)
{
    struct prng own;
    struct plan_number *number = ask(plan, key, &own);

    snprintf(number->allowed, sizeof(number->allowed), "%" PRIu64 "..%" PRIu64, least, max);
    return settle(plan, number, min + prng_below(&own, max - min + 1),
                  number->value >= least && number->value <= max);
}

bool plan_odds(struct plan *plan, const char *key, uint32_t numerator, uint32_t denominator)
{
    struct prng own;
    struct plan_number *number = ask(plan, key, &own);

    snprintf(number->allowed, sizeof(number->allowed), "0..1");
    return settle(plan, number, prng_chance(&own, numerator, denominator), number->value <= 1) != 0;
}

uint64_t plan_pick(struct plan *plan, const char *key, const uint64_t *numbers, uint32_t count)
{
    struct prng own;
    struct plan_number *number = ask(plan, key, &own);
    bool is_allowed = false;
    size_t used = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (numbers[i] == number->value)
            is_allowed = true;
        used += (size_t)snprintf(number->allowed + used, sizeof(number->allowed) - used,
                                 "%s%" PRIu64, i == 0 ? "" : " ", numbers[i]);
        check(used < sizeof(number->allowed));
    }
    return settle(plan, number, numbers[prng_below(&own, count)], is_allowed);
}

uint64_t plan_number(struct plan *plan, const char *key, uint64_t drawn, uint64_t least,
                     uint64_t max)
{
    struct plan_number *number = ask(plan, key, NULL);

    snprintf(number->allowed, sizeof(number->allowed), "%" PRIu64 "..%" PRIu64, least, max);
    return settle(plan, number, drawn, number->value >= least && number->value <= max);
}

void plan_stream(const struct plan *plan, const char *name, struct prng *out)
{
    char whole[2 * PLAN_KEY_MAX];

    name_in_scope(plan, name, whole);
    prng_fork(&plan->prng, whole, out);
}
