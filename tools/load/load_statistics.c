#include "tools/load/load_statistics.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return left < right ? -1 : left > right;
}

double load_statistics_quantile(double *values, size_t count, double p)
{
    double at;
    size_t below;

    if (count == 0)
        return NAN;
    qsort(values, count, sizeof(*values), by_value);
    at = p * (double)(count - 1);
    below = (size_t)at;
    if (below + 1 >= count)
        return values[count - 1];
    return values[below] + (at - (double)below) * (values[below + 1] - values[below]);
}

double load_statistics_median(double *values, size_t count)
{
    return load_statistics_quantile(values, count, 0.5);
}

double load_statistics_sign_test(uint32_t plus_count, uint32_t minus_count)
{
    uint32_t count = plus_count + minus_count;
    uint32_t fewer = plus_count < minus_count ? plus_count : minus_count;
    double tail = 0;

    /* sum of C(count, i) / 2^count for i <= fewer, by logarithms: no count overflows them */
    for (uint32_t i = 0; i <= fewer; i++)
        tail +=
            exp(lgamma(count + 1.0) - lgamma(i + 1.0) - lgamma(count - i + 1.0) - count * log(2.0));
    return 2 * tail < 1 ? 2 * tail : 1;
}

uint32_t load_statistics_pairs_needed(double level)
{
    uint32_t count = 1;

    while (count < 64 && ldexp(1, 1 - (int)count) > level)
        count++;
    return count;
}
