/* A long life: bursts, and idle time between them. */
#include "tests/sim/scenario_private.h"

#include <inttypes.h>

enum { BURST_RECORDS = 100, EPISODES_MAX = 4 };

static bool producers_done(struct scenario *s)
{
    for (uint32_t i = 0; i < s->producers_count; i++)
        if (!model_producer_is_done(&s->producers[i]))
            return false;
    return model_admin_is_done(&s->admin);
}

static void hold_producers(struct scenario *s, bool held)
{
    for (uint32_t i = 0; i < s->producers_count; i++) {
        s->producers[i].finishing = held;
        if (!held)
            s->producers[i].options.records_limit += BURST_RECORDS;
    }
}

/* Nobody asks anything for so long; the broker lives, is down, or stands still with its host. */
static void idle(struct scenario *s)
{
    struct plan *plan = &s->plan;
    uint64_t hours = plan_pick_of(plan, 1, 1, 2, 6);
    uint64_t days = plan_pick_of(plan, 1, 2, 8, 20);
    uint64_t time_ns = plan_odds(plan, 1, 3) ? 60 * SIM_SECOND : hours * SIM_HOUR;
    struct sim_node *node = s->broker.node;
    bool down = plan_odds(plan, 1, 3);
    bool frozen = !down && plan_odds(plan, 1, 3);

    if (down || frozen)
        time_ns = plan_odds(plan, 1, 2) ? hours * SIM_HOUR : days * 24 * SIM_HOUR;
    scenario_say(s, "idle for %" PRIu64 " s%s%s", (uint64_t)(time_ns / SIM_SECOND),
                 down ? ", down" : "", frozen ? ", frozen" : "");
    for (uint32_t i = 0; i < s->client_nodes_count; i++)
        sim_node_pause(s->client_nodes[i], time_ns);
    if (down && sim_node_is_running(node)) {
        if (plan_odds(plan, 1, 2))
            sim_node_stop(node);
        else
            sim_node_crash(node, scenario_lives_crash_kind(s, &plan->prng));
        scenario_lives_tell(s, HISTORY_BROKER_DOWN);
        sim_world_run_for(s->world, time_ns);
        scenario_lives_start(s);
    } else {
        if (frozen)
            sim_node_pause(node, time_ns);
        scenario_lives_run_until(s, NULL, time_ns);
    }
    if (down || frozen) {
        if (time_ns >= 24 * SIM_HOUR)
            sim_mark(down ? MARK_LONG_DOWN : MARK_LONG_FROZEN);
    } else if (time_ns >= SIM_HOUR) {
        sim_mark(MARK_LONG_ALIVE);
    }
}

void scenario_long_run(struct scenario *s)
{
    uint32_t episodes = 1 + (uint32_t)prng_below(&s->plan.prng, EPISODES_MAX);

    for (uint32_t i = 0; i < episodes && oracle_first(s->oracle) == NULL; i++) {
        scenario_lives_set_faults(s, false);
        hold_producers(s, true);
        /* who still waits for an answer would give up in so long a time */
        if (!scenario_lives_run_until(s, producers_done, FINISH_LIMIT))
            return;
        idle(s);
        hold_producers(s, false);
        scenario_lives_set_faults(s, plan_odds(&s->plan, 1, 2));
        scenario_lives_run_until(s, NULL, plan_pick_of(&s->plan, 200, 1000, 3000) * SIM_MS);
    }
}
