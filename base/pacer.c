#include "base/pacer.h"

#include <math.h>

#define NS_PER_S 1e9
#define TWO_PI 6.283185307179586
/* Beyond it a double tells no nanoseconds apart, and nobody waits so long (97 years). */
#define NEVER_NS 3e18

static bool is_rate(double rate)
{
    return rate >= 0 && rate <= PACER_RATE_MAX;
}

static bool are_points(const struct pacer_options *options)
{
    if (options->points_count == 0)
        return false;
    for (size_t i = 0; i < options->points_count; i++) {
        if (!is_rate(options->points[i].rate))
            return false;
        if (i > 0 && options->points[i].from_ns < options->points[i - 1].from_ns)
            return false;
    }
    return true;
}

static bool is_shape(const struct pacer_options *options)
{
    switch (options->shape) {
    case PACER_CONSTANT:
    case PACER_POISSON:
        return is_rate(options->rate);
    case PACER_RAMP:
        return is_rate(options->rate) && is_rate(options->rate_to) && options->period_ns > 0;
    case PACER_SINE:
        return is_rate(options->rate) && options->period_ns > 0 &&
               fabs(options->rate_to - options->rate) <= options->rate;
    case PACER_BURSTS:
        return is_rate(options->rate) && options->period_ns > 0 && options->duty > 0 &&
               options->duty <= 1;
    case PACER_TRACE:
        return are_points(options);
    }
    return false;
}

/* The integral of the rate of a ramp or a sine over the first part (0 to 1) of a period. */
static double integral(const struct pacer_options *options, double part)
{
    double period_s = (double)options->period_ns / NS_PER_S;
    double change = options->rate_to - options->rate;

    if (options->shape == PACER_RAMP)
        return period_s * (options->rate * part + change * part * part / 2);
    return period_s * (options->rate * part + change / TWO_PI * (1 - cos(TWO_PI * part)));
}

/* From from_ns on, where the integral is from, things come at this rate for ever. */
static void set_endless(struct pacer_piece *piece, uint64_t from_ns, double from, double rate)
{
    piece->from_ns = from_ns;
    piece->until_ns = UINT64_MAX;
    piece->from = from;
    piece->until = INFINITY;
    piece->gap_ns = NS_PER_S / rate;
}

/* The piece of a ramp, or of a period of a sine, in which the integral, counted from its begin,
 * reaches target.  begin_ns, base: of that period. */
static void set_stair(const struct pacer_options *options, struct pacer_piece *piece,
                      double begin_ns, double base, double target)
{
    double period_ns = (double)options->period_ns;
    uint32_t low = 0;
    uint32_t high = PACER_PIECES; /* low's begin is not above target; high's is */
    double from;
    double until;

    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (integral(options, (double)middle / PACER_PIECES) <= target)
            low = middle;
        else
            high = middle;
    }
    from = integral(options, (double)low / PACER_PIECES);
    until = integral(options, (double)high / PACER_PIECES);
    piece->from_ns = (uint64_t)(begin_ns + period_ns * ((double)low / PACER_PIECES));
    piece->until_ns = (uint64_t)(begin_ns + period_ns * ((double)high / PACER_PIECES));
    piece->from = base + from;
    piece->until = base + until;
    piece->gap_ns = period_ns / PACER_PIECES / (until - from);
}

/* Move on through the points until the integral reaches target.  False: it never does. */
static bool follow_trace(const struct pacer_options *options, struct pacer_piece *piece,
                         double target)
{
    while (target >= piece->until) {
        const struct pacer_point *point;
        double from = piece->until;
        if (piece->number == options->points_count)
            return false;
        point = &options->points[piece->number++];
        if (piece->number == options->points_count) {
            if (point->rate <= 0)
                return false;
            set_endless(piece, point->from_ns, from, point->rate);
            continue;
        }
        piece->from_ns = point->from_ns;
        piece->until_ns = point[1].from_ns;
        piece->from = from;
        piece->until = from + (double)(piece->until_ns - piece->from_ns) * point->rate / NS_PER_S;
        piece->gap_ns = NS_PER_S / point->rate;
    }
    return true;
}

/* The next piece is in a later period: in which, and where. */
static bool follow_periods(const struct pacer_options *options, struct pacer_piece *piece,
                           double target)
{
    double period_ns = (double)options->period_ns;
    double each = options->rate * period_ns / NS_PER_S;
    double periods = floor(target / each);
    double inside;

    if (!(each > 0) || periods * period_ns > NEVER_NS)
        return false;
    if (target >= (periods + 1) * each)
        periods++; /* the division was rounded down past a whole number */
    inside = target - periods * each;
    if (inside < 0)
        inside = 0;
    if (options->shape == PACER_SINE) {
        set_stair(options, piece, periods * period_ns, periods * each, inside);
        return true;
    }
    piece->from_ns = (uint64_t)(periods * period_ns);
    piece->until_ns = (uint64_t)(periods * period_ns + options->duty * period_ns);
    piece->from = periods * each;
    piece->until = (periods + 1) * each;
    piece->gap_ns = options->duty * period_ns / each;
    return true;
}

/* Move to the piece in which the integral reaches target, which does not go back. */
static bool follow(const struct pacer_options *options, struct pacer_piece *piece, double target)
{
    double whole;

    if (target < piece->until)
        return true;
    switch (options->shape) {
    case PACER_CONSTANT:
    case PACER_POISSON:
        set_endless(piece, 0, 0, options->rate);
        return options->rate > 0;
    case PACER_RAMP:
        whole = integral(options, 1);
        if (target < whole) {
            set_stair(options, piece, 0, 0, target);
            return true;
        }
        set_endless(piece, options->period_ns, whole, options->rate_to);
        return options->rate_to > 0;
    case PACER_SINE:
    case PACER_BURSTS:
        return follow_periods(options, piece, target);
    case PACER_TRACE:
        return follow_trace(options, piece, target);
    }
    return false;
}

/* When thing number index of the whole schedule is intended. */
static uint64_t time_of(const struct pacer_options *options, struct pacer_piece *piece,
                        uint64_t index)
{
    double after_ns;
    uint64_t at_ns;

    if (!follow(options, piece, (double)index))
        return UINT64_MAX;
    after_ns = ((double)index - piece->from) * piece->gap_ns;
    if (!(after_ns > 0))
        after_ns = 0;
    if (after_ns > NEVER_NS)
        return piece->until_ns;
    at_ns = piece->from_ns + (uint64_t)after_ns;
    return at_ns < piece->until_ns ? at_ns : piece->until_ns; /* PAC-1, whatever is rounded */
}

/* An exponential gap behind the one before (by inversion). */
static void draw(struct pacer *pacer)
{
    double chance = (double)(prng_u64(&pacer->prng) >> 11) * 0x1p-53; /* 0 <= chance < 1 */

    pacer->exact_ns -= log(1 - chance) * NS_PER_S * pacer->options.shares / pacer->options.rate;
    pacer->next_ns = pacer->exact_ns < NEVER_NS ? (uint64_t)pacer->exact_ns : UINT64_MAX;
}

static void set_next(struct pacer *pacer)
{
    uint64_t before_ns = pacer->next_ns;

    if (pacer->options.shape == PACER_POISSON && pacer->options.rate > 0)
        draw(pacer);
    else
        pacer->next_ns = time_of(&pacer->options, &pacer->piece, pacer->index);
    if (pacer->next_ns < before_ns)
        pacer->next_ns = before_ns; /* PAC-1 */
}

enum err pacer_init(struct pacer *pacer, const struct pacer_options *options)
{
    if (!is_shape(options) || (options->shares > 0 && options->share >= options->shares))
        return ERR_INVALID;
    *pacer = (struct pacer){.options = *options};
    if (options->shares == 0) {
        pacer->options.share = 0;
        pacer->options.shares = 1;
    }
    if (options->shape == PACER_TRACE)
        pacer->piece.until_ns = options->points[0].from_ns;
    prng_init(&pacer->prng, options->seed + pacer->options.share * 0x9e3779b97f4a7c15U);
    pacer->index = pacer->options.share;
    set_next(pacer);
    return OK;
}

uint64_t pacer_next_ns(struct pacer *pacer)
{
    uint64_t taken_ns = pacer->next_ns;

    if (taken_ns == UINT64_MAX)
        return taken_ns;
    pacer->index += pacer->options.shares;
    pacer->count++;
    set_next(pacer);
    return taken_ns;
}

/* By drawing them, in a copy. */
static uint64_t due_by_chance(const struct pacer *pacer, uint64_t until_ns, uint64_t max)
{
    struct pacer copy = *pacer;
    uint64_t count = 0;

    while (count < max && copy.next_ns < until_ns) {
        pacer_next_ns(&copy);
        count++;
    }
    return count;
}

uint64_t pacer_due_count(const struct pacer *pacer, uint64_t until_ns, uint64_t max)
{
    uint64_t low = 0; /* so many are due */
    uint64_t step = 1;

    if (pacer->next_ns >= until_ns || pacer->next_ns == UINT64_MAX || max == 0)
        return 0;
    if (pacer->options.shape == PACER_POISSON)
        return due_by_chance(pacer, until_ns, max);
    /* grow the step while all of it is due, then halve it */
    for (low = 1; step > 0;) {
        struct pacer_piece piece = pacer->piece;
        uint64_t tried = low + step <= max ? low + step : max;
        uint64_t last = pacer->index + (tried - 1) * pacer->options.shares;
        if (tried > low && time_of(&pacer->options, &piece, last) < until_ns) {
            low = tried;
            step *= 2;
        } else {
            step /= 2;
        }
    }
    return low;
}

/* The rate that the points give at that moment. */
static double trace_rate(const struct pacer_options *options, uint64_t at_ns)
{
    double rate = 0;

    for (size_t i = 0; i < options->points_count && options->points[i].from_ns <= at_ns; i++)
        rate = options->points[i].rate;
    return rate;
}

double pacer_rate_at(const struct pacer *pacer, uint64_t at_ns)
{
    const struct pacer_options *options = &pacer->options;
    double change = options->rate_to - options->rate;
    double part = 0;

    if (options->period_ns > 0)
        part = (double)(at_ns % options->period_ns) / (double)options->period_ns;
    switch (options->shape) {
    case PACER_CONSTANT:
    case PACER_POISSON:
        return options->rate;
    case PACER_RAMP:
        return at_ns >= options->period_ns ? options->rate_to : options->rate + change * part;
    case PACER_SINE:
        return options->rate + change * sin(TWO_PI * part);
    case PACER_BURSTS:
        return part < options->duty ? options->rate / options->duty : 0;
    case PACER_TRACE:
        return trace_rate(options, at_ns);
    }
    return 0;
}
