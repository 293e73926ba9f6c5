#include "tools/load/load_statistics.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

static void is_near(double value, double expected)
{
    cr_assert(fabs(value - expected) <= 1e-12 * fabs(expected), "%.15g, not %.15g", value,
              expected);
}

/* scipy.stats.binomtest(plus, plus + minus, 0.5).pvalue */
Test(load_statistics, the_sign_test_agrees_with_scipy)
{
    static const struct {
        uint32_t plus, minus;
        double p;
    } known[] = {
        {0, 0, 1},
        {1, 0, 1},
        {5, 0, 0.0625},
        {0, 6, 0.03125},
        {8, 2, 0.109375},
        {9, 1, 0.021484375},
        {5, 5, 1},
        {12, 3, 0.03515625},
        {20, 0, 1.9073486328125e-06},
        {30, 70, 7.85013964559367e-05},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        double p = load_statistics_sign_test(known[i].plus, known[i].minus);
        cr_assert(fabs(p - known[i].p) <= 1e-9 * known[i].p, "%u:%u is %.12g, not %.12g",
                  known[i].plus, known[i].minus, p, known[i].p);
    }
}

/* numpy.quantile */
Test(load_statistics, quantiles_agree_with_numpy)
{
    double values[] = {3.5, -1, 7, 2, 10};
    double even[] = {4, 1, 3, 2};
    double one[] = {42};

    is_near(load_statistics_median(values, 5), 3.5);
    is_near(load_statistics_quantile(values, 5, 0.25), 2);
    is_near(load_statistics_quantile(values, 5, 0.9), 8.8);
    is_near(load_statistics_quantile(values, 5, 1), 10);
    is_near(load_statistics_quantile(values, 5, 0), -1);
    is_near(load_statistics_median(even, 4), 2.5);
    is_near(load_statistics_quantile(even, 4, 0.1), 1.3);
    is_near(load_statistics_median(one, 1), 42);
    cr_assert(isnan(load_statistics_median(one, 0)));
}

Test(load_statistics, fewer_pairs_than_needed_never_reach_the_level)
{
    cr_assert(eq(u32, load_statistics_pairs_needed(0.05), 6));
    cr_assert(eq(u32, load_statistics_pairs_needed(0.01), 8));
    cr_assert(load_statistics_sign_test(5, 0) > 0.05);
    cr_assert(load_statistics_sign_test(6, 0) <= 0.05);
}
