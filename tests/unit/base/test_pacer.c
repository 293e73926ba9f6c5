#include "base/pacer.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>

enum { S = 1000000000 };

static const struct pacer_point points[] = {
    {.from_ns = 1 * (uint64_t)S, .rate = 1000}, {.from_ns = 3 * (uint64_t)S, .rate = 0},
    {.from_ns = 3 * (uint64_t)S, .rate = 50},   {.from_ns = 5 * (uint64_t)S, .rate = 0},
    {.from_ns = 8 * (uint64_t)S, .rate = 250},
};

static const struct pacer_options shapes[] = {
    {.shape = PACER_CONSTANT, .rate = 12345.678},
    {.shape = PACER_RAMP, .rate = 0, .rate_to = 20000, .period_ns = 10 * (uint64_t)S},
    {.shape = PACER_RAMP, .rate = 3000, .rate_to = 100, .period_ns = 7 * (uint64_t)S},
    {.shape = PACER_SINE, .rate = 1000, .rate_to = 2000, .period_ns = 3 * (uint64_t)S},
    {.shape = PACER_SINE, .rate = 777, .rate_to = 300, .period_ns = S / 7},
    {.shape = PACER_SINE, .rate = 10, .rate_to = 12, .period_ns = 1000000},
    {.shape = PACER_BURSTS, .rate = 5000, .period_ns = S, .duty = 0.1},
    {.shape = PACER_BURSTS, .rate = 3.7, .period_ns = S / 10, .duty = 0.25},
    {.shape = PACER_TRACE, .points = points, .points_count = 5},
};
enum { SHAPES_COUNT = sizeof(shapes) / sizeof(shapes[0]) };

static struct pacer start(const struct pacer_options *options)
{
    struct pacer pacer;

    cr_assert(eq(int, pacer_init(&pacer, options), OK));
    return pacer;
}

/* What the rate adds up to before at_ns, by its definition. */
static double integral(const struct pacer_options *o, uint64_t at_ns)
{
    double t = (double)at_ns / S;
    double p = (double)o->period_ns / S;
    double sum = 0;

    switch (o->shape) {
    case PACER_RAMP:
        if (t > p)
            return (o->rate + o->rate_to) / 2 * p + (t - p) * o->rate_to;
        return o->rate * t + (o->rate_to - o->rate) / p * t * t / 2;
    case PACER_SINE:
        return o->rate * t + (o->rate_to - o->rate) * p / (2 * M_PI) * (1 - cos(2 * M_PI * t / p));
    case PACER_BURSTS:
        return o->rate * p * (floor(t / p) + fmin(1, (t / p - floor(t / p)) / o->duty));
    case PACER_TRACE:
        for (size_t i = 0; i < o->points_count; i++) {
            uint64_t end = i + 1 < o->points_count ? o->points[i + 1].from_ns : UINT64_MAX;
            end = end < at_ns ? end : at_ns;
            if (end > o->points[i].from_ns)
                sum += (double)(end - o->points[i].from_ns) / S * o->points[i].rate;
        }
        return sum;
    default:
        return o->rate * t;
    }
}

Test(pacer, counts_the_integral_of_the_rate)
{
    for (int i = 0; i < SHAPES_COUNT; i++) {
        struct pacer pacer = start(&shapes[i]);
        for (int tenth = 1; tenth <= 420; tenth++) {
            uint64_t until_ns = (uint64_t)tenth * (S / 10);
            double wanted = integral(&shapes[i], until_ns);
            /* inside a piece of a stair the rate is the mean of the piece (PAC-2) */
            double slack = 1 + wanted * 0.0005;
            while (pacer_peek_ns(&pacer) < until_ns)
                pacer_next_ns(&pacer);
            cr_assert(fabs((double)pacer.count - wanted) <= slack, "shape %d at %d: %lu, not %f", i,
                      tenth, (unsigned long)pacer.count, wanted);
        }
    }
}

Test(pacer, is_exact_over_whole_periods)
{
    for (int i = 0; i < SHAPES_COUNT; i++) {
        const struct pacer_options *o = &shapes[i];
        struct pacer pacer = start(o);
        uint64_t step_ns = o->period_ns ? o->period_ns : S;
        for (uint64_t n = 1; n * step_ns < 100 * (uint64_t)S; n++) {
            while (pacer_peek_ns(&pacer) < n * step_ns)
                pacer_next_ns(&pacer);
            cr_assert(fabs((double)pacer.count - integral(o, n * step_ns)) <= 1.001,
                      "shape %d, %lu periods: %lu, not %f", i, (unsigned long)n,
                      (unsigned long)pacer.count, integral(o, n * step_ns));
        }
    }
}

Test(pacer, keeps_a_rate_for_a_day)
{
    struct pacer pacer = start(&(struct pacer_options){.rate = 333.3});
    uint64_t last_ns = 0;

    while (pacer_peek_ns(&pacer) < 86400 * (uint64_t)S)
        last_ns = pacer_next_ns(&pacer);
    cr_assert(fabs((double)pacer.count / 86400 / 333.3 - 1) < 1e-6);
    cr_assert(eq(u64, last_ns, (uint64_t)((double)(pacer.count - 1) * (S / 333.3))));
}

Test(pacer, never_goes_back)
{
    for (int i = 0; i < SHAPES_COUNT + 1; i++) {
        struct pacer_options poisson = {.shape = PACER_POISSON, .rate = 1e6, .seed = 3};
        struct pacer pacer = start(i < SHAPES_COUNT ? &shapes[i] : &poisson);
        uint64_t before_ns = 0;
        for (int n = 0; n < 200000; n++) {
            uint64_t at_ns = pacer_next_ns(&pacer);
            cr_assert(at_ns >= before_ns, "shape %d", i);
            before_ns = at_ns;
        }
    }
}

Test(pacer, shares_are_the_schedule)
{
    for (int i = 0; i < SHAPES_COUNT; i++) {
        struct pacer_options options = shapes[i];
        struct pacer whole = start(&options);
        struct pacer part[7];
        options.shares = 7;
        for (options.share = 0; options.share < 7; options.share++)
            part[options.share] = start(&options);
        for (int n = 0; n < 20000; n++) {
            uint64_t wanted_ns = pacer_next_ns(&whole);
            cr_assert(eq(u64, pacer_next_ns(&part[n % 7]), wanted_ns), "shape %d, thing %d", i, n);
        }
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Kolmogorov and Smirnov: how far the gaps are from the exponential distribution; above
 * 1.63 / sqrt(n) the chance is below 1 %. */
static double exponential_distance(double *gaps, size_t count, double rate)
{
    double worst = 0;

    qsort(gaps, count, sizeof(*gaps), by_value);
    for (size_t i = 0; i < count; i++) {
        double wanted = 1 - exp(-gaps[i] * rate);
        worst = fmax(worst, fabs(wanted - (double)i / (double)count));
        worst = fmax(worst, fabs(wanted - (double)(i + 1) / (double)count));
    }
    return worst * sqrt((double)count);
}

Test(pacer, poisson_has_exponential_gaps)
{
    enum { COUNT = 1000000 };
    double *gaps = malloc(COUNT * sizeof(*gaps));

    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct pacer_options options = {.shape = PACER_POISSON, .rate = 50000, .seed = seed};
        struct pacer pacer = start(&options);
        double before_ns = 0;
        double distance;
        for (int i = 0; i < COUNT; i++) {
            double at_ns = (double)pacer_next_ns(&pacer);
            gaps[i] = (at_ns - before_ns) / S;
            before_ns = at_ns;
        }
        /* three standard deviations */
        cr_assert(fabs(before_ns / S * 50000 / COUNT - 1) < 0.003);
        distance = exponential_distance(gaps, COUNT, 50000);
        cr_assert(distance < 1.63, "seed %lu: %f", (unsigned long)seed, distance);
    }
    free(gaps);
}

Test(pacer, shares_of_poisson_are_poisson_together)
{
    enum { COUNT = 400000, SHARES = 4 };
    struct pacer part[SHARES];
    double *gaps = malloc(COUNT * sizeof(*gaps));
    double before_ns = 0;

    for (uint32_t i = 0; i < SHARES; i++)
        part[i] = start(&(struct pacer_options){
            .shape = PACER_POISSON, .rate = 20000, .seed = 9, .share = i, .shares = SHARES});
    for (int n = 0; n < COUNT; n++) {
        int first = 0;
        double at_ns;
        for (int i = 1; i < SHARES; i++) {
            if (pacer_peek_ns(&part[i]) < pacer_peek_ns(&part[first]))
                first = i;
        }
        at_ns = (double)pacer_next_ns(&part[first]);
        gaps[n] = (at_ns - before_ns) / S;
        before_ns = at_ns;
    }
    cr_assert(lt(dbl, fabs(before_ns / S * 20000 / COUNT - 1), 0.005));
    cr_assert(lt(dbl, exponential_distance(gaps, COUNT, 20000), 1.63));
    free(gaps);
}

Test(pacer, tells_what_is_due)
{
    for (int i = 0; i < SHAPES_COUNT + 1; i++) {
        struct pacer_options options = {.shape = PACER_POISSON, .rate = 700, .seed = 3};
        struct pacer pacer;
        struct pacer walked;
        uint64_t count = 0;
        if (i < SHAPES_COUNT)
            options = shapes[i];
        options.share = 1;
        options.shares = 3;
        pacer = start(&options);
        for (int n = 0; n < 10; n++)
            pacer_next_ns(&pacer);
        walked = pacer;
        for (uint64_t at_ns = 0; at_ns < 12 * (uint64_t)S; at_ns += 123456789) {
            while (pacer_peek_ns(&walked) < at_ns) {
                pacer_next_ns(&walked);
                count++;
            }
            cr_assert(eq(u64, pacer_due_count(&pacer, at_ns, UINT64_MAX), count), "shape %d", i);
            cr_assert(eq(u64, pacer_due_count(&pacer, at_ns, 5), count < 5 ? count : 5));
        }
        cr_assert(eq(u64, pacer_due_count(&pacer, UINT64_MAX, 1000000), 1000000));
    }
}

Test(pacer, rate_nothing_is_never)
{
    static const struct pacer_point stop[] = {{.from_ns = 0, .rate = 10}, {.from_ns = S}};
    static const struct pacer_options never[] = {
        {.shape = PACER_CONSTANT},
        {.shape = PACER_POISSON},
        {.shape = PACER_SINE, .period_ns = S},
        {.shape = PACER_BURSTS, .period_ns = S, .duty = 0.5},
        {.shape = PACER_RAMP, .period_ns = S},
        {.shape = PACER_BURSTS, .rate = 1e-300, .period_ns = 1, .duty = 1, .share = 1, .shares = 2},
    };
    struct pacer pacer;

    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        pacer = start(&never[i]);
        cr_assert(eq(u64, pacer_peek_ns(&pacer), UINT64_MAX), "%zu", i);
        cr_assert(eq(u64, pacer_next_ns(&pacer), UINT64_MAX));
        cr_assert(eq(u64, pacer.count, 0));
        cr_assert(eq(u64, pacer_due_count(&pacer, UINT64_MAX, 10), 0));
    }
    pacer = start(&(struct pacer_options){.shape = PACER_TRACE, .points = stop, .points_count = 2});
    for (int i = 0; i < 10; i++)
        cr_assert(eq(u64, pacer_next_ns(&pacer), (uint64_t)i * (S / 10)));
    cr_assert(eq(u64, pacer_next_ns(&pacer), UINT64_MAX));
    pacer = start(
        &(struct pacer_options){.shape = PACER_RAMP, .rate = 20, .rate_to = 0, .period_ns = S});
    for (int i = 0; i < 10; i++)
        cr_assert(lt(u64, pacer_next_ns(&pacer), S));
    cr_assert(eq(u64, pacer_next_ns(&pacer), UINT64_MAX));
}

Test(pacer, refuses_what_is_no_schedule)
{
    static const struct pacer_point back[] = {{.from_ns = S, .rate = 1}, {.from_ns = 0, .rate = 1}};
    static const struct pacer_options wrong[] = {
        {.rate = -1},
        {.rate = NAN},
        {.rate = INFINITY},
        {.shape = PACER_RAMP, .rate = 1, .rate_to = 2},
        {.shape = PACER_RAMP, .rate = 1, .rate_to = -2, .period_ns = S},
        {.shape = PACER_SINE, .rate = 1, .rate_to = 3, .period_ns = S},
        {.shape = PACER_SINE, .rate = 1, .rate_to = 2},
        {.shape = PACER_BURSTS, .rate = 1, .period_ns = S},
        {.shape = PACER_BURSTS, .rate = 1, .period_ns = S, .duty = 1.5},
        {.shape = PACER_TRACE},
        {.shape = PACER_TRACE, .points = back, .points_count = 2},
        {.rate = 1, .share = 2, .shares = 2},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct pacer pacer;
        cr_assert(eq(int, pacer_init(&pacer, &wrong[i]), ERR_INVALID), "%zu", i);
    }
}

Test(pacer, tells_the_rate_of_a_moment)
{
    struct pacer pacer = start(&shapes[3]);

    cr_assert(lt(dbl, fabs(pacer_rate_at(&pacer, 3 * (uint64_t)S / 4) - 2000), 1e-6));
    pacer = start(&shapes[1]);
    cr_assert(lt(dbl, fabs(pacer_rate_at(&pacer, 5 * (uint64_t)S) - 10000), 1e-6));
    cr_assert(lt(dbl, fabs(pacer_rate_at(&pacer, 50 * (uint64_t)S) - 20000), 1e-6));
    pacer = start(&shapes[6]);
    cr_assert(lt(dbl, fabs(pacer_rate_at(&pacer, S / 20) - 50000), 1e-6));
    cr_assert(lt(dbl, pacer_rate_at(&pacer, S / 2), 1e-6));
    pacer = start(&shapes[8]);
    cr_assert(lt(dbl, fabs(pacer_rate_at(&pacer, 4 * (uint64_t)S) - 50), 1e-6));
}
