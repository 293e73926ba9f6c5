/* The phase with faults. */
#include "tests/sim/scenario_private.h"

#include <inttypes.h>

static void jump_wall(struct scenario *s, int64_t step_ms)
{
    scenario_look_at_clock(s);
    sim_node_jump_wall(s->broker.node, step_ms);
    scenario_look_at_clock(s);
}

/* Little more space than what is written, or as much as ever again. */
static void set_space(struct scenario *s, const struct fault_round *round)
{
    struct sim_disk *disk = &s->broker.node->disk;
    uint64_t used_bytes = sim_disk_capacity_bytes(disk) - sim_disk_free_bytes(disk);

    if (round->space == SPACE_AS_IT_IS || !s->faults_on)
        return;
    disk->options.capacity_bytes = s->disk.capacity_bytes;
    if (round->space == SPACE_ALL)
        return;
    disk->options.capacity_bytes = used_bytes + round->space_bytes;
    sim_mark(MARK_DISK_FULL);
}

static void happen(struct scenario *s, const struct fault_round *round)
{
    struct sim_node *node = s->broker.node;

    switch (round->fault) {
    case FAULT_NONE:
        break;
    case FAULT_CRASH_WITHIN:
        if (s->crash_faults)
            sim_node_crash_within(node, round->within_ms * SIM_MS, round->crash);
        break;
    case FAULT_CRASH_AT_CALL:
        if (s->crash_faults)
            sim_node_crash_at_call(node, round->calls, round->crash);
        break;
    case FAULT_PAUSE:
        if (s->pause_faults)
            sim_node_pause(node, round->pause_ms * SIM_MS);
        break;
    case FAULT_CLOCK:
        if (s->clock_faults)
            jump_wall(s, round->clock_step_ms);
        break;
    case FAULT_STOP:
        if (s->stop_faults)
            sim_broker_ask_stop(&s->broker);
        break;
    case FAULT_DISTURBED:
        scenario_lives_set_faults(s, true);
        break;
    case FAULT_CALM:
        scenario_lives_set_faults(s, false);
        break;
    }
}

void scenario_faults_run(struct scenario *s)
{
    scenario_say(s, "faults");
    scenario_lives_set_faults(s, true);
    for (uint32_t i = 0; i < s->rounds_count && oracle_first(s->oracle) == NULL; i++) {
        happen(s, &s->rounds[i]);
        set_space(s, &s->rounds[i]);
        scenario_lives_run_until(s, NULL, s->rounds[i].wait_ms * SIM_MS);
        if (i == s->rounds_count / 2)
            s->admin.wanted = s->topics_count;
    }
    s->admin.wanted = s->topics_count;
}
