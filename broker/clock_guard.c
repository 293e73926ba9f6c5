#include "broker/clock_guard.h"

#include "base/clock.h"
#include "base/sometimes.h"
#include "broker/config.h"
#include "broker/shard.h"

static bool is_step(int64_t ms)
{
    return ms > CLOCK_GUARD_STEP_MIN_MS || ms < -CLOCK_GUARD_STEP_MIN_MS;
}

void clock_guard_start(struct shard *shard)
{
    shard->clock_guard = (struct clock_guard){.wall_ms = clock_wall_ms(shard->clock),
                                              .elapsed_ns = clock_elapsed_ns(shard->clock)};
}

/* Has the clock been that far off for long enough?  Another step begins the time anew. */
static bool is_accepted(struct shard *shard, int64_t step_ms, uint64_t now_ns)
{
    struct clock_guard *guard = &shard->clock_guard;
    int64_t accept_ms = shard_config(shard)->levee_clock_step_accept_ms;

    if (!guard->doubting || is_step(step_ms - guard->step_ms)) {
        guard->step_ms = step_ms;
        guard->since_ns = now_ns;
        if (shard->index == 0)
            log_line(shard->sink, LOG_WARN, "LVE-1004",
                     "the wall clock was set: nothing goes by age for now",
                     log_i64("step_ms", step_ms), log_i64("accepted_in_ms", accept_ms));
    }
    guard->doubting = true;
    return (now_ns - guard->since_ns) / 1000000U >= (uint64_t)accept_ms;
}

static int64_t slewed_ms(int64_t step_ms, int64_t passed_ms)
{
    int64_t max_ms = passed_ms / CLOCK_GUARD_SLEW_PER_MS + 1;

    if (step_ms > max_ms)
        return max_ms;
    return step_ms < -max_ms ? -max_ms : step_ms;
}

bool clock_guard_allows(struct shard *shard)
{
    struct clock_guard *guard = &shard->clock_guard;
    int64_t wall_ms = clock_wall_ms(shard->clock);
    uint64_t now_ns = clock_elapsed_ns(shard->clock);
    int64_t passed_ms = (int64_t)((now_ns - guard->elapsed_ns) / 1000000U);
    int64_t step_ms = wall_ms - guard->wall_ms - passed_ms;

    SOMETIMES("clock_guard: the wall clock was not believed", is_step(step_ms));
    if (is_step(step_ms) && !is_accepted(shard, step_ms, now_ns))
        return false;
    SOMETIMES("clock_guard: a step was believed after a while", is_step(step_ms));
    if (guard->doubting && shard->index == 0)
        log_line(shard->sink, LOG_WARN, "LVE-1005", "the wall clock is believed: age counts again",
                 log_i64("step_ms", step_ms));
    guard->wall_ms = is_step(step_ms) ? wall_ms : wall_ms - step_ms + slewed_ms(step_ms, passed_ms);
    guard->elapsed_ns = now_ns;
    guard->doubting = false;
    return true;
}
