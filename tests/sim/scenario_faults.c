/* The phase with faults. */
#include "tests/sim/scenario_private.h"

#include <inttypes.h>

static int64_t clock_step_ms(struct scenario *s)
{
    int64_t step_ms;

    if (!plan_has(&s->plan, PLAN_CLOCK))
        return 0;
    step_ms = (int64_t)plan_pick_of(&s->plan, 0, 3600000, 86400000, 604800000, YEAR_MS);
    return plan_odds(&s->plan, 1, 2) ? step_ms : -step_ms;
}

static void jump_wall(struct scenario *s, int64_t step_ms)
{
    scenario_look_at_clock(s);
    sim_node_jump_wall(s->broker.node, step_ms);
    scenario_look_at_clock(s);
}

/* Little more space than what is written, or as much as ever again. */
static void draw_space(struct scenario *s)
{
    struct sim_disk *disk = &s->broker.node->disk;
    uint64_t used_bytes = sim_disk_capacity_bytes(disk) - sim_disk_free_bytes(disk);

    if (!plan_has(&s->plan, PLAN_FULL_DISK) || !s->faults_on || !plan_odds(&s->plan, 1, 2))
        return;
    disk->options.capacity_bytes = s->disk.capacity_bytes;
    if (plan_odds(&s->plan, 1, 4))
        return;
    disk->options.capacity_bytes =
        used_bytes + plan_pick_of(&s->plan, 0, 10000, 1000000, 10000000, 20000000);
    sim_mark(MARK_DISK_FULL);
}

static void draw_fault(struct scenario *s)
{
    struct sim_node *node = s->broker.node;
    uint64_t within_ns = draw_of(s, 1, 10, 100, 1000) * SIM_MS;

    switch (draw(s, 0, 6)) {
    case 0:
    case 1:
        if (s->crash_faults)
            sim_node_crash_within(node, within_ns, scenario_lives_crash_kind(s, &s->prng));
        break;
    case 2:
        if (s->crash_faults)
            sim_node_crash_at_call(node, draw_of(s, 3, 30, 300) * draw(s, 1, 10) / 3 + 1,
                                   scenario_lives_crash_kind(s, &s->prng));
        break;
    case 3:
        if (s->pause_faults)
            sim_node_pause(node, draw_of(s, 10, 1000, 20000) * SIM_MS);
        break;
    case 4:
        if (s->clock_faults)
            jump_wall(s, (int64_t)draw(s, 0, 2000000) - 1000000 + clock_step_ms(s));
        break;
    case 5:
        if (s->stop_faults)
            sim_broker_ask_stop(&s->broker);
        break;
    case 6:
        scenario_lives_set_faults(s, odds(s, 2, 3)); /* a calm while, or not */
        break;
    }
}

void scenario_faults_run(struct scenario *s)
{
    uint32_t rounds = draw(s, 2, 12);

    scenario_say(s, "faults");
    scenario_lives_set_faults(s, true);
    for (uint32_t i = 0; i < rounds && oracle_first(s->oracle) == NULL; i++) {
        draw_fault(s);
        draw_space(s);
        scenario_lives_run_until(s, NULL, draw_of(s, 20, 200, 1000) * SIM_MS);
        if (i == rounds / 2)
            s->admin.wanted = s->topics_count;
    }
    s->admin.wanted = s->topics_count;
}
