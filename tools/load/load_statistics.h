/* load_statistics: what paired measurements say: medians, quartiles, the sign test.
 *
 * Stateless; pure functions. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_STATISTICS_H
#define LEVEE_TOOLS_LOAD_LOAD_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

/* The p-quantile (0..1) with linear interpolation between neighbours (Hyndman and Fan's type 7, as
 * numpy.quantile answers); NAN without values.  values is sorted in place. */
double load_statistics_quantile(double *values, size_t count, double p);

/* The same for a half. */
double load_statistics_median(double *values, size_t count);

/* Two-sided sign test: the probability that, of signs that are plus or minus by a fair coin, the
 * split is at least as uneven as this one; 1 without signs.  Ties are left out by the caller. */
double load_statistics_sign_test(uint32_t plus_count, uint32_t minus_count);

/* The least number of pairs with which the sign test can say p <= level at all. */
uint32_t load_statistics_pairs_needed(double level);

#endif
