/* Zipf by rejection-inversion: W. Hörmann and G. Derflinger, "Rejection-inversion to generate
 * variates from monotone discrete distributions", ACM TOMACS 6 (1996).  The hat over the number k
 * is the density x^-exponent around k; its area inverts in closed form. */
#include "tools/load/load_keys.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { EXPONENT_MAX = 20 };
#define KEYS_MAX (1ULL << 52)

static double fraction(struct prng *prng)
{
    return (double)(prng_u64(prng) >> 11) * 0x1p-53; /* 0 <= fraction < 1 */
}

/* (exp(x) - 1) / x, and log(1 + x) / x, also next to 0. */
static double exp_quotient(double x)
{
    return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2;
}

static double log_quotient(double x)
{
    return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x / 2;
}

/* The integral of t^-exponent from 1 to x. */
static double area(double x, double exponent)
{
    double log_x = log(x);

    return exp_quotient((1 - exponent) * log_x) * log_x;
}

/* Where that integral is so large. */
static double area_inverse(double size, double exponent)
{
    double turned = (1 - exponent) * size;

    if (turned < -1)
        turned = -1; /* by rounding alone */
    return exp(log_quotient(turned) * size);
}

static double density(double x, double exponent)
{
    return exp(-exponent * log(x));
}

static bool is_allowed(const struct load_keys_options *options)
{
    if (options->kind == LOAD_KEYS_NONE)
        return true;
    if (options->keys_count < 1 || options->keys_count > KEYS_MAX)
        return false;
    if (options->kind == LOAD_KEYS_ZIPF)
        return options->exponent > 0 && options->exponent <= EXPONENT_MAX;
    if (options->kind == LOAD_KEYS_HOT)
        return options->hot_keys > 0 && options->hot_keys < 1 && options->hot_load >= 0 &&
               options->hot_load <= 1;
    return true;
}

enum err load_keys_init(struct load_keys *keys, const struct load_keys_options *options)
{
    double count = (double)options->keys_count;

    if (!is_allowed(options))
        return ERR_INVALID;
    *keys = (struct load_keys){.options = *options};
    prng_init(&keys->prng, options->seed);
    if (options->kind == LOAD_KEYS_ZIPF) {
        double exponent = options->exponent;
        keys->area_begin = area(1.5, exponent) - 1;
        keys->area_end = area(count + 0.5, exponent);
        keys->sure = 2 - area_inverse(area(2.5, exponent) - density(2, exponent), exponent);
    } else if (options->kind == LOAD_KEYS_HOT) {
        keys->hot_count = (uint64_t)ceil(count * options->hot_keys);
        if (keys->hot_count >= options->keys_count)
            keys->hot_count = options->keys_count - 1;
    }
    return OK;
}

static uint64_t next_zipf(struct load_keys *keys)
{
    double exponent = keys->options.exponent;

    for (;;) {
        double size = keys->area_end + fraction(&keys->prng) * (keys->area_begin - keys->area_end);
        double x = area_inverse(size, exponent);
        double number = floor(x + 0.5);
        if (number < 1)
            number = 1;
        else if (number > (double)keys->options.keys_count)
            number = (double)keys->options.keys_count;
        if (number - x <= keys->sure ||
            size >= area(number + 0.5, exponent) - density(number, exponent))
            return (uint64_t)number - 1;
    }
}

static uint64_t next_hot(struct load_keys *keys)
{
    uint64_t cold_count = keys->options.keys_count - keys->hot_count;

    if (keys->hot_count > 0 && fraction(&keys->prng) < keys->options.hot_load)
        return prng_below(&keys->prng, keys->hot_count);
    return keys->hot_count + prng_below(&keys->prng, cold_count);
}

uint64_t load_keys_next(struct load_keys *keys)
{
    uint64_t number;

    switch (keys->options.kind) {
    case LOAD_KEYS_NONE:
        return UINT64_MAX;
    case LOAD_KEYS_UNIFORM:
        return prng_below(&keys->prng, keys->options.keys_count);
    case LOAD_KEYS_ZIPF:
        return next_zipf(keys);
    case LOAD_KEYS_HOT:
        return next_hot(keys);
    case LOAD_KEYS_SEQUENTIAL:
        number = keys->next++;
        if (keys->next == keys->options.keys_count)
            keys->next = 0;
        return number;
    }
    return UINT64_MAX;
}

void load_keys_write(uint64_t number, char *out, size_t size_bytes)
{
    for (size_t i = size_bytes; i > 0; i--, number /= 10)
        out[i - 1] = (char)('0' + number % 10);
}

/* A number that ends at one of ends.  NULL: there is none. */
static const char *parse_number(const char *text, const char *ends, double *out)
{
    char *end;

    if (*text < '0' || *text > '9')
        return NULL;
    *out = strtod(text, &end);
    return (*end == '\0' && *ends == '\0') || (*end != '\0' && *end == *ends) ? end : NULL;
}

enum err load_keys_parse(const char *text, struct load_keys_options *out)
{
    struct load_keys_options options = *out;
    const char *end;

    if (strcmp(text, "none") == 0) {
        options.kind = LOAD_KEYS_NONE;
    } else if (strcmp(text, "uniform") == 0) {
        options.kind = LOAD_KEYS_UNIFORM;
    } else if (strcmp(text, "sequential") == 0) {
        options.kind = LOAD_KEYS_SEQUENTIAL;
    } else if (strncmp(text, "zipf:", 5) == 0) {
        options.kind = LOAD_KEYS_ZIPF;
        if (parse_number(text + 5, "", &options.exponent) == NULL)
            return ERR_MALFORMED;
    } else if (strncmp(text, "hot:", 4) == 0) {
        options.kind = LOAD_KEYS_HOT;
        end = parse_number(text + 4, ":", &options.hot_keys);
        if (end == NULL || parse_number(end + 1, "", &options.hot_load) == NULL)
            return ERR_MALFORMED;
        options.hot_keys /= 100;
        options.hot_load /= 100;
    } else {
        return ERR_MALFORMED;
    }
    if (options.keys_count == 0)
        options.keys_count = 1; /* not known yet; looked at by load_keys_init */
    if (!is_allowed(&options))
        return ERR_INVALID;
    options.keys_count = out->keys_count;
    *out = options;
    return OK;
}
