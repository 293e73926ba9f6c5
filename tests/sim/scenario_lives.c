/* The broker lives, dies and comes back. */
#include "tests/sim/scenario_private.h"
#include "tests/sim/sim_marks.h"

#include <inttypes.h>

static bool needs_attention(void *context)
{
    const struct scenario *s = context;

    return !sim_node_is_running(s->broker.node) || s->broker.failed || s->broker.stopped ||
           s->broker.open_err != OK;
}

void scenario_lives_set_faults(struct scenario *s, bool on)
{
    s->faults_on = on;
    sim_watch_disturb(&s->watch);
    sim_buggify_set(&s->buggify, SCENARIO_ALLOCATION_SITE, on ? s->allocation_odds : 0);
    if (on) {
        s->broker.node->disk.options = s->disk;
        s->world->net.no_faults = false;
    } else {
        sim_world_heal(s->world);
        s->broker.node->disk.options.capacity_bytes = s->disk.capacity_bytes;
    }
}

/* A broker that has failed or could not open exits; one that has stopped in order ends in order. */
static void end_process(struct scenario *s)
{
    struct sim_node *node = s->broker.node;

    if (!sim_node_is_running(node))
        return;
    if (s->broker.stopped && s->broker.stop_err == OK)
        sim_node_stop(node);
    else
        sim_node_crash(node, SIM_KILL);
}

/* Told when it is noticed, which is not before it happens; and whether the power was lost: of what
 * was not synced a failed sync may lose as much (DUR-F4, sim_disk SDK-3). */
void scenario_lives_tell(struct scenario *s, enum history_kind kind)
{
    struct history_event event = {
        .kind = HISTORY_POWER_LOST, .time_ns = sim_world_now_ns(s->world), .offset = -1};
    const struct sim_stats *stats = sim_world_stats(s->world);
    uint64_t power_losses = stats->power_crashes + stats->sync_errors;

    if (power_losses > s->power_losses_told)
        history_add(&s->history, &event);
    s->power_losses_told = power_losses;
    oracle_txn_broker_ended(&s->ledger.txn);
    event.kind = kind;

    history_add(&s->history, &event);
}

/* levee.shards may be another at each start. */
static void choose_shards(struct scenario *s, const struct life *life)
{
    if (life->shards == 0 || life->shards == s->broker.shards_count)
        return;
    s->shard_changes_count++;
    sim_mark(MARK_SHARDS_CHANGED);
    sim_broker_set_shards(&s->broker, life->shards);
    scenario_say(s, "levee.shards=%" PRIu32, life->shards);
}

/* That the next start begins. */
static const struct life *next_life(const struct scenario *s)
{
    return &s->lives[s->lives_count % LIVES_MAX];
}

void scenario_lives_start(struct scenario *s)
{
    struct sim_node *node = s->broker.node;
    uint32_t failures = 0;

    for (;;) {
        scenario_lives_tell(s, HISTORY_BROKER_DOWN);
        const struct life *life = next_life(s);
        bool interrupted = s->faults_on && s->crash_faults && life->crash_calls > 0;
        s->lives_count++;
        choose_shards(s, life);
        if (interrupted)
            sim_node_crash_at_call(node, life->crash_calls, life->crash);
        s->broker.ready = false; /* as it will be: look_at_clock */
        scenario_lives_tell(s, HISTORY_BROKER_UP);
        sim_node_start(node);
        sim_watch_disturb(&s->watch);
        scenario_say(s, "broker started: %s%s", err_name(s->broker.open_err),
                     sim_node_is_running(node) ? "" : ", died meanwhile");
        if (sim_node_is_running(node) && s->broker.open_err == OK)
            return;
        if (!interrupted && !s->faults_on) {
            oracle_complain(s->oracle, "OPEN", sim_world_now_ns(s->world),
                            "the broker does not open without faults");
            return;
        }
        sim_mark(interrupted ? MARK_START_DIED : MARK_OPEN_FAILED);
        sim_node_crash(node, SIM_KILL);
        if (++failures == OPEN_FAILURES_MAX)
            scenario_lives_set_faults(s, false);
    }
}

/* time passes; whenever the broker is down it is started again, a little later. */
bool scenario_lives_run_until(struct scenario *s, bool (*condition)(struct scenario *),
                              uint64_t limit_ns)
{
    uint64_t until_ns = sim_world_now_ns(s->world) + limit_ns;
    bool (*attention)(void *) = needs_attention;

    while (oracle_first(s->oracle) == NULL) {
        if (condition != NULL && condition(s))
            return true;
        if (needs_attention(s)) {
            scenario_say(s, "broker is down: running %d failed %d stopped %d open %s",
                         sim_node_is_running(s->broker.node), s->broker.failed, s->broker.stopped,
                         err_name(s->broker.open_err));
            end_process(s);
            scenario_lives_tell(s, HISTORY_BROKER_DOWN);
            sim_world_run_for(s->world, next_life(s)->down_ms * SIM_MS);
            scenario_lives_start(s);
            continue;
        }
        if (sim_world_now_ns(s->world) >= until_ns)
            return false;
        if (condition == NULL) {
            sim_world_run_until(s->world, attention, s, until_ns - sim_world_now_ns(s->world));
        } else {
            uint64_t left = until_ns - sim_world_now_ns(s->world);
            sim_world_run_until(s->world, attention, s, left < 20 * SIM_MS ? left : 20 * SIM_MS);
        }
    }
    return false;
}
