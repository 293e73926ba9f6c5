/* What happens to the broker of a run: faults and when, its lives, a long life, rot. */
#include "tests/sim/scenario_private.h"

#include <inttypes.h>

/* In the scope of what it interrupts. */
static enum sim_crash draw_crash(struct scenario *s)
{
    return s->power_faults && plan_odds(&s->plan, "power.loss", 2, 3) ? SIM_POWER_LOSS : SIM_KILL;
}

static int64_t draw_clock_step_ms(struct scenario *s)
{
    struct plan *plan = &s->plan;
    int64_t ms = (int64_t)plan_count(plan, "clock.ms.less.1000000", 0, 0, 2000000) - 1000000;
    int64_t step_ms;

    if (!plan_has(plan, PLAN_CLOCK))
        return ms;
    step_ms =
        (int64_t)plan_pick_of(plan, "clock.step.ms", 0, 3600000, 86400000, 604800000, YEAR_MS);
    return ms + (plan_odds(plan, "clock.step.on", 1, 2) ? step_ms : -step_ms);
}

/* Little more space than what is written, or as much as ever again. */
static void draw_space(struct scenario *s, struct fault_round *round)
{
    struct plan *plan = &s->plan;

    if (!plan_has(plan, PLAN_FULL_DISK) || !plan_odds(plan, "space", 1, 2))
        return;
    round->space = plan_odds(plan, "space.ends", 3, 4) ? SPACE_LITTLE : SPACE_ALL;
    if (round->space == SPACE_LITTLE)
        round->space_bytes =
            plan_pick_of(plan, "space.bytes", 0, 10000, 1000000, 10000000, 20000000);
}

/* Twice as often as another: a crash at some time. */
static enum fault draw_fault(struct scenario *s)
{
    static const enum fault faults[] = {FAULT_CRASH_WITHIN, FAULT_CRASH_WITHIN, FAULT_CRASH_AT_CALL,
                                        FAULT_PAUSE,        FAULT_CLOCK,        FAULT_STOP,
                                        FAULT_DISTURBED};
    enum fault drawn;
    struct prng own;

    plan_stream(&s->plan, "fault", &own);
    drawn = faults[prng_below(&own, array_count(faults))];
    if (drawn == FAULT_DISTURBED && prng_chance(&own, 1, 3))
        drawn = FAULT_CALM;
    return (enum fault)plan_number(&s->plan, "fault", drawn, FAULT_NONE, FAULT_CALM);
}

static void draw_round(struct scenario *s, struct fault_round *round)
{
    struct plan *plan = &s->plan;

    *round = (struct fault_round){.fault = draw_fault(s)};
    switch (round->fault) {
    case FAULT_NONE:
    case FAULT_STOP:
    case FAULT_DISTURBED:
    case FAULT_CALM:
        break;
    case FAULT_CRASH_WITHIN:
        round->within_ms = plan_pick_of(plan, "within.ms", 1, 10, 100, 1000);
        round->crash = draw_crash(s);
        break;
    case FAULT_CRASH_AT_CALL:
        round->calls =
            plan_pick_of(plan, "calls", 3, 30, 300) * plan_range(plan, "calls.factor", 1, 10) / 3 +
            1;
        round->crash = draw_crash(s);
        break;
    case FAULT_PAUSE:
        round->pause_ms = plan_pick_of(plan, "pause.ms", 10, 1000, 20000);
        break;
    case FAULT_CLOCK:
        round->clock_step_ms = draw_clock_step_ms(s);
        break;
    }
    draw_space(s, round);
    round->wait_ms = plan_pick_of(plan, "wait.ms", 20, 200, 1000);
}

/* Both odds are of ten: it begins with another number of shards; it dies while it starts. */
static void draw_life(struct scenario *s, struct life *life, uint32_t shard_odds,
                      uint32_t crash_odds)
{
    struct plan *plan = &s->plan;

    *life = (struct life){.down_ms = plan_range(plan, "down.ms", 0, 300)};
    if (plan_odds(plan, "other.shards", shard_odds, 10))
        life->shards = (uint32_t)plan_range(plan, "shards", 1, SHARDS_MAX);
    if (plan_odds(plan, "crashes", crash_odds, 10)) {
        life->crash_calls = plan_pick_of(plan, "calls", 10, 100, 1000) *
                            plan_range(plan, "calls.factor", 1, 10) / 10;
        life->crash = draw_crash(s);
    }
}

static void draw_episode(struct scenario *s, struct episode *episode)
{
    struct plan *plan = &s->plan;
    uint64_t hours = plan_pick_of(plan, "hours", 1, 2, 6);
    bool is_down = plan_odds(plan, "down", 1, 3);
    bool is_frozen = !is_down && plan_odds(plan, "frozen", 1, 3);
    bool is_short = plan_odds(plan, "short", is_down || is_frozen ? 0 : 1, 3);

    *episode = (struct episode){
        .idle_seconds = is_short ? 60 : hours * 3600,
        .is_down = is_down,
        .is_frozen = is_frozen,
    };
    if ((is_down || is_frozen) && plan_odds(plan, "for.days", 1, 2))
        episode->idle_seconds = plan_pick_of(plan, "days", 1, 2, 8, 20) * 86400;
    if (is_down) {
        episode->in_order = plan_odds(plan, "in.order", 1, 2);
        episode->crash = draw_crash(s);
    }
    episode->disturbed = plan_odds(plan, "disturbed", 1, 2);
    episode->wait_ms = plan_pick_of(plan, "wait.ms", 200, 1000, 3000);
}

static void draw_rot(struct scenario *s)
{
    struct plan *plan = &s->plan;

    plan_scope(plan, "rot");
    s->rot = (struct rot_plan){
        .while_down = plan_odds(plan, "while.down", 1, 2),
        .log = plan_range(plan, "log", 0, 1 << 20),
        .pos = plan_range(plan, "pos", 0, 1ULL << 40),
        .bit = (uint32_t)plan_range(plan, "bit", 0, 7),
    };
}

void scenario_draw_faults(struct scenario *s)
{
    struct plan *plan = &s->plan;
    uint32_t shard_odds;
    uint32_t crash_odds;

    plan_scope_none(plan);
    s->crash_faults = plan_odds(plan, "crash.faults", 7, 8);
    s->power_faults = plan_odds(plan, "power.faults", 3, 4);
    s->pause_faults = plan_odds(plan, "pause.faults", 1, 2);
    s->clock_faults = plan_odds(plan, "clock.faults", 1, 2);
    s->stop_faults = plan_odds(plan, "stop.faults", 1, 2);
    s->power_off_at_end = plan_odds(plan, "power.off.at.end", 1, 2);
    s->warm_up_ms = plan_range(plan, "warm.up.ms", 50, 500);
    s->rounds_count = (uint32_t)plan_count(plan, "rounds", 0, 2, ROUNDS_MAX);
    crash_odds = (uint32_t)plan_pick_of(plan, "start.crash.odds", 0, 2, 5, 8);
    shard_odds = (uint32_t)plan_pick_of(plan, "shard.change.odds", 0, 4);
    if (plan_has(plan, PLAN_LONG))
        s->episodes_count = (uint32_t)plan_count(plan, "episodes", 0, 1, EPISODES_MAX);
    for (uint32_t i = 0; i < s->rounds_count; i++) {
        plan_scope(plan, "round%" PRIu32, i);
        draw_round(s, &s->rounds[i]);
    }
    for (uint32_t i = 0; i < LIVES_MAX; i++) {
        plan_scope(plan, "life%" PRIu32, i);
        draw_life(s, &s->lives[i], shard_odds, crash_odds);
    }
    for (uint32_t i = 0; i < s->episodes_count; i++) {
        plan_scope(plan, "episode%" PRIu32, i);
        draw_episode(s, &s->episodes[i]);
    }
    if (plan_has(plan, PLAN_ROT))
        draw_rot(s);
}
