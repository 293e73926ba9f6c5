/* A long life: bursts, and idle time between them. */
#include "tests/sim/scenario_private.h"

#include <inttypes.h>

enum { BURST_RECORDS = 100 };

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
static void idle(struct scenario *s, const struct episode *episode)
{
    uint64_t time_ns = episode->idle_seconds * SIM_SECOND;
    struct sim_node *node = s->broker.node;

    scenario_say(s, "idle for %" PRIu64 " s%s%s", episode->idle_seconds,
                 episode->is_down ? ", down" : "", episode->is_frozen ? ", frozen" : "");
    for (uint32_t i = 0; i < s->client_nodes_count; i++)
        sim_node_pause(s->client_nodes[i], time_ns);
    if (episode->is_down && sim_node_is_running(node)) {
        if (episode->in_order)
            sim_node_stop(node);
        else
            sim_node_crash(node, episode->crash);
        scenario_lives_tell(s, HISTORY_BROKER_DOWN);
        sim_world_run_for(s->world, time_ns);
        scenario_lives_start(s);
    } else {
        if (episode->is_frozen)
            sim_node_pause(node, time_ns);
        scenario_lives_run_until(s, NULL, time_ns);
    }
    if (episode->is_down || episode->is_frozen) {
        if (time_ns >= 24 * SIM_HOUR)
            sim_mark(episode->is_down ? MARK_LONG_DOWN : MARK_LONG_FROZEN);
    } else if (time_ns >= SIM_HOUR) {
        sim_mark(MARK_LONG_ALIVE);
    }
}

void scenario_long_run(struct scenario *s)
{
    for (uint32_t i = 0; i < s->episodes_count && oracle_first(s->oracle) == NULL; i++) {
        const struct episode *episode = &s->episodes[i];
        scenario_lives_set_faults(s, false);
        hold_producers(s, true);
        /* who still waits for an answer would give up in so long a time */
        if (!scenario_lives_run_until(s, producers_done, FINISH_LIMIT))
            return;
        idle(s, episode);
        hold_producers(s, false);
        scenario_lives_set_faults(s, episode->disturbed);
        scenario_lives_run_until(s, NULL, episode->wait_ms * SIM_MS);
    }
}
