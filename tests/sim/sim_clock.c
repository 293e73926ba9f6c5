#include "tests/sim/sim_clock.h"

#include "base/check.h"

enum { MILLION = 1000000 };

static uint64_t mono_at(const struct sim_clock *clock, uint64_t time_ns)
{
    uint64_t elapsed = time_ns - clock->since_ns;
    int64_t extra = (int64_t)(elapsed / MILLION) * clock->drift_ppm +
                    (int64_t)(elapsed % MILLION) * clock->drift_ppm / MILLION;

    return clock->mono_base_ns + elapsed + (uint64_t)extra;
}

static uint64_t clock_mono(struct clock *base)
{
    const struct sim_clock *clock = container_of(base, struct sim_clock, clock);

    return mono_at(clock, clock->queue->now_ns);
}

static int64_t clock_wall(struct clock *base)
{
    const struct sim_clock *clock = container_of(base, struct sim_clock, clock);

    if (clock->wall_frozen)
        return clock->wall_frozen_ms;
    return clock->wall_base_ms + (int64_t)(clock->queue->now_ns / SIM_MS);
}

void sim_clock_init(struct sim_clock *clock, const struct sim_queue *queue, int64_t wall_ms)
{
    *clock = (struct sim_clock){.clock = {.mono_ns = clock_mono, .wall_ms = clock_wall},
                                .queue = queue,
                                .since_ns = queue->now_ns,
                                .wall_base_ms = wall_ms};
}

void sim_clock_boot(struct sim_clock *clock, uint64_t mono_ns)
{
    clock->mono_base_ns = mono_ns;
    clock->since_ns = clock->queue->now_ns;
}

void sim_clock_set_drift(struct sim_clock *clock, int32_t drift_ppm)
{
    check(drift_ppm > -MILLION / 2 && drift_ppm < MILLION / 2);
    sim_clock_boot(clock, mono_at(clock, clock->queue->now_ns));
    clock->drift_ppm = drift_ppm;
}

void sim_clock_jump(struct sim_clock *clock, int64_t by_ms)
{
    clock->wall_base_ms += by_ms;
    clock->wall_frozen_ms += by_ms;
}

void sim_clock_freeze(struct sim_clock *clock, bool frozen)
{
    clock->wall_frozen_ms = clock_wall(&clock->clock);
    clock->wall_frozen = frozen;
}

uint64_t sim_clock_when(const struct sim_clock *clock, uint64_t deadline_ns)
{
    uint64_t now = clock->queue->now_ns;
    uint64_t rate = (uint64_t)(MILLION + clock->drift_ppm);
    uint64_t left;
    uint64_t when;

    if (deadline_ns == SIM_NEVER)
        return SIM_NEVER;
    if (deadline_ns <= mono_at(clock, now))
        return now;
    left = deadline_ns - mono_at(clock, now);
    if (left > SIM_NEVER / 4)
        return SIM_NEVER;
    when = now + left / rate * MILLION + left % rate * MILLION / rate;
    while (when > now && mono_at(clock, when - 1) >= deadline_ns)
        when--;
    while (mono_at(clock, when) < deadline_ns)
        when++;
    return when;
}
