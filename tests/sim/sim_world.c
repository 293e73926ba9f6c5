#include "tests/sim/sim_world.h"

#include "base/check.h"
#include "base/mem.h"
#include "tests/sim/sim_io.h"

#include <inttypes.h>
#include <stdio.h>

enum { MILLION = 1000000 };

#define WALL_START_MS 1767225600000 /* 2026-01-01 */

struct sim_world *sim_world_create(const struct sim_world_options *options)
{
    uint64_t memory_before = mem_used_count();
    struct sim_world *world = mem_alloc(sizeof(*world));
    struct sim_net_options net;

    world->options = *options;
    world->memory_before = memory_before;
    if (world->options.turn_max_ns == 0)
        world->options.turn_max_ns = 20 * SIM_US;
    prng_init(&world->prng, options->seed);
    prng_fork(&world->prng, "order", &world->order_prng);
    sim_queue_init(&world->queue);
    world->queue.trace = options->trace;
    sim_net_options_init(&net);
    sim_net_init(&world->net, &world->queue, options->net != NULL ? options->net : &net,
                 &world->prng);
    sim_queue_note(&world->queue, "seed", options->seed, 0, 0, 0);
    return world;
}

/* The process is dead or about to exit: let the program go. */
static void node_end(struct sim_node *node, enum sim_crash kind)
{
    node->ending = true;
    if (node->options.end != NULL)
        node->options.end(node, kind);
    node->ending = false;
    for (uint32_t s = 0; s < node->options.shards_count; s++) {
        /* an orderly end leaves nothing in flight: its memory would still be in use */
        check(kind != SIM_NO_CRASH || node->process->dead ||
              sim_io_pending_count(node->process->ios[s]) == 0);
        node->shards[s] = (struct sim_shard){0};
    }
    sim_process_destroy(node->process);
    node->process = NULL;
}

static void node_destroy(struct sim_node *node)
{
    sim_queue_remove(&node->world->queue, &node->crash_event);
    sim_disk_deinit(&node->disk);
    mem_free(node->name);
    mem_free(node);
}

uint64_t sim_world_destroy(struct sim_world *world)
{
    uint64_t memory_before = world->memory_before;

    check(world->turning == NULL);
    for (uint32_t i = 0; i < world->nodes_count; i++) {
        if (world->nodes[i]->process != NULL) {
            sim_process_die(world->nodes[i]->process, SIM_NO_CRASH);
            node_end(world->nodes[i], SIM_KILL);
        }
    }
    for (uint32_t i = 0; i < world->nodes_count; i++)
        node_destroy(world->nodes[i]);
    sim_net_deinit(&world->net);
    sim_queue_deinit(&world->queue);
    mem_free(world);
    return mem_used_count() - memory_before;
}

void sim_world_fork(const struct sim_world *world, const char *name, struct prng *out)
{
    prng_fork(&world->prng, name, out);
}

/* --- the next thing --- */

/* When a loop can do something next. */
static uint64_t ready_at(const struct sim_node *node, uint32_t shard)
{
    const struct loop *loop = node->shards[shard].loop;
    uint64_t at = node->world->queue.now_ns;
    uint64_t timer;

    if (loop == NULL || !sim_node_is_running(node))
        return SIM_NEVER;
    if (at < node->shards[shard].busy_until_ns)
        at = node->shards[shard].busy_until_ns;
    if (at < node->paused_until_ns)
        at = node->paused_until_ns;
    if (sim_io_is_ready(node->process->ios[shard]) || !mailbox_is_empty(&loop->mailbox) ||
        !list_is_empty(&loop->deferred))
        return at;
    timer = sim_clock_when(&node->clock, timer_wheel_next_deadline(&loop->timers));
    return timer > at ? timer : at;
}

struct choice {
    uint64_t at_ns;
    struct sim_node *node; /* NULL: no loop */
    uint32_t shard;
};

/* The loop whose turn is next; one of those that are ready at the same time, by chance. */
static struct choice choose_loop(struct sim_world *world)
{
    struct choice choice = {.at_ns = SIM_NEVER};
    uint64_t equals = 0;

    for (uint32_t i = 0; i < world->nodes_count; i++) {
        for (uint32_t s = 0; s < world->nodes[i]->options.shards_count; s++) {
            uint64_t at = ready_at(world->nodes[i], s);
            if (at == SIM_NEVER || at > choice.at_ns)
                continue;
            equals = at < choice.at_ns ? 1 : equals + 1;
            if (equals == 1 || prng_chance(&world->order_prng, 1, equals))
                choice = (struct choice){.at_ns = at, .node = world->nodes[i], .shard = s};
        }
    }
    return choice;
}

static void turn(struct sim_world *world, struct sim_node *node, uint32_t shard)
{
    uint64_t time = 1 + prng_below(&world->order_prng, world->options.turn_max_ns);

    if (prng_chance(&world->order_prng, world->options.lag_ppm, MILLION))
        time *= 100;
    sim_queue_note(&world->queue, "turn", node->index, shard, time, 0);
    world->queue.stats.turns++;
    world->turning = node;
    check(loop_turn(node->shards[shard].loop, 0) == OK);
    if (node->options.turned != NULL)
        node->options.turned(node, shard);
    world->turning = NULL;
    node->shards[shard].busy_until_ns = world->queue.now_ns + time;
}

/* Programs that died meanwhile, in the middle of a turn. */
static void bury(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->nodes_count; i++) {
        struct sim_node *node = world->nodes[i];
        if (node->process != NULL && node->process->dead && !node->ending)
            node_end(node, node->process->died_of);
    }
}

bool sim_world_step(struct sim_world *world, uint64_t until_ns)
{
    struct choice choice;
    uint64_t event_at;

    check(world->turning == NULL);
    bury(world);
    event_at = sim_queue_next_ns(&world->queue);
    choice = choose_loop(world);
    if (event_at > until_ns && choice.at_ns > until_ns) {
        sim_queue_advance(&world->queue, until_ns);
        return false;
    }
    if (event_at == SIM_NEVER && choice.at_ns == SIM_NEVER)
        return false;
    if (choice.at_ns < event_at ||
        (choice.at_ns == event_at && prng_chance(&world->order_prng, 1, 2))) {
        sim_queue_advance(&world->queue, choice.at_ns);
        turn(world, choice.node, choice.shard);
    } else {
        sim_queue_fire_next(&world->queue);
    }
    bury(world);
    return true;
}

void sim_world_run_for(struct sim_world *world, uint64_t time_ns)
{
    uint64_t until = world->queue.now_ns + time_ns;

    while (sim_world_step(world, until)) {
    }
}

static bool is_idle(struct sim_world *world)
{
    return sim_queue_next_ns(&world->queue) == SIM_NEVER && choose_loop(world).node == NULL;
}

bool sim_world_run_until_idle(struct sim_world *world, uint64_t limit_ns)
{
    uint64_t until = world->queue.now_ns + limit_ns;

    while (!is_idle(world)) {
        if (!sim_world_step(world, until))
            return false;
    }
    return true;
}

bool sim_world_run_until(struct sim_world *world, bool (*condition)(void *context), void *context,
                         uint64_t limit_ns)
{
    uint64_t until = world->queue.now_ns + limit_ns;

    while (!condition(context)) {
        if (!sim_world_step(world, until))
            return condition(context);
    }
    return true;
}

void sim_world_heal(struct sim_world *world)
{
    sim_net_heal(&world->net);
    for (uint32_t i = 0; i < world->nodes_count; i++) {
        sim_disk_heal(&world->nodes[i]->disk);
        world->nodes[i]->paused_until_ns = 0;
    }
}

/* --- nodes --- */

struct sim_node *sim_node_create(struct sim_world *world, const struct sim_node_options *options)
{
    struct sim_node *node = mem_alloc(sizeof(*node));
    struct sim_disk_options disk;

    check(world->nodes_count < SIM_NODES_MAX);
    node->world = world;
    node->options = *options;
    if (node->options.shards_count == 0)
        node->options.shards_count = 1;
    check(node->options.shards_count <= SIM_SHARDS_MAX);
    node->index = world->nodes_count;
    node->name = mem_strdup(options->name);
    prng_fork(&world->prng, node->name, &node->prng);
    sim_clock_init(&node->clock, &world->queue, WALL_START_MS);
    sim_clock_boot(&node->clock, SIM_SECOND + prng_below(&node->prng, SIM_HOUR));
    node->host = sim_net_host_add(&world->net);
    sim_disk_options_init(&disk);
    sim_disk_init(&node->disk, node->index, &world->queue, &node->clock.clock,
                  options->disk != NULL ? options->disk : &disk, &node->prng);
    world->nodes[world->nodes_count++] = node;
    return node;
}

void sim_node_start(struct sim_node *node)
{
    struct sim_world *world = node->world;
    char name[32];
    struct prng prng;

    check(node->process == NULL);
    check(world->turning == NULL);
    if (!world->net.host_up[node->host]) { /* the power was off */
        sim_clock_boot(&node->clock, SIM_SECOND + prng_below(&node->prng, SIM_SECOND));
        sim_net_host_set_up(&world->net, node->host, true);
    }
    sim_queue_note(&world->queue, "node starts", node->index, node->starts_count, 0, 0);
    snprintf(name, sizeof(name), "start %" PRIu64, node->starts_count);
    prng_fork(&node->prng, name, &prng);
    if (node->starts_count++ > 0)
        world->queue.stats.restarts++;
    node->process = sim_process_create(&world->queue, &node->disk, &world->net, node->index,
                                       node->host, node->options.shards_count, &prng);
    if (node->options.fds_max != 0)
        node->process->fds_max = node->options.fds_max;
    node->process->crash_at_call = node->crash_at_call;
    node->process->crash_kind = node->crash_kind;
    node->crash_at_call = 0;
    node->paused_until_ns = 0;
    node->starting = true;
    if (node->options.start != NULL)
        node->options.start(node);
    node->starting = false;
    bury(world);
}

void sim_node_stop(struct sim_node *node)
{
    check(node->world->turning == NULL);
    if (node->process == NULL || node->ending)
        return;
    sim_queue_note(&node->world->queue, "node stops", node->index, 0, 0, 0);
    node_end(node, SIM_NO_CRASH);
}

void sim_node_crash(struct sim_node *node, enum sim_crash kind)
{
    check(node->world->turning == NULL);
    check(kind != SIM_NO_CRASH);
    if (node->process == NULL || node->process->dead)
        return;
    sim_process_die(node->process, kind);
    bury(node->world);
}

void sim_node_crash_at_call(struct sim_node *node, uint64_t calls_from_now, enum sim_crash kind)
{
    check(kind != SIM_NO_CRASH);
    node->crash_kind = kind;
    if (sim_node_is_running(node)) {
        node->process->crash_kind = kind;
        node->process->crash_at_call =
            calls_from_now == 0 ? 0 : node->process->disk_call_count + calls_from_now;
    } else {
        node->crash_at_call = calls_from_now;
    }
}

static void crash_comes(struct sim_event *event)
{
    struct sim_node *node = container_of(event, struct sim_node, crash_event);

    sim_node_crash(node, node->crash_event_kind);
}

void sim_node_crash_within(struct sim_node *node, uint64_t within_ns, enum sim_crash kind)
{
    check(kind != SIM_NO_CRASH);
    node->crash_event_kind = kind;
    node->crash_event.fire = crash_comes;
    sim_queue_remove(&node->world->queue, &node->crash_event);
    sim_queue_add(&node->world->queue, &node->crash_event, prng_below(&node->prng, within_ns + 1));
}

struct io *sim_node_io(const struct sim_node *node, uint32_t shard)
{
    check(node->process != NULL && shard < node->process->ios_count);
    return &node->process->ios[shard]->io;
}

struct clock *sim_node_clock(struct sim_node *node)
{
    return &node->clock.clock;
}

void sim_node_attach(struct sim_node *node, uint32_t shard, struct loop *loop)
{
    check(node->process != NULL && shard < node->options.shards_count);
    check(loop->io == sim_node_io(node, shard));
    node->shards[shard].loop = loop;
}

static bool is_drained(const struct sim_node *node)
{
    for (uint32_t s = 0; s < node->options.shards_count; s++) {
        const struct loop *loop = node->shards[s].loop;
        if (loop == NULL)
            continue;
        if (sim_io_pending_count(node->process->ios[s]) > 0 || !list_is_empty(&loop->deferred) ||
            !mailbox_is_empty(&loop->mailbox))
            return false;
    }
    return true;
}

bool sim_node_drain(struct sim_node *node, uint32_t turns_max)
{
    check(node->process != NULL && node->process->dead);
    for (uint32_t i = 0; i < turns_max && !is_drained(node); i++) {
        for (uint32_t s = 0; s < node->options.shards_count; s++) {
            if (node->shards[s].loop != NULL)
                check(loop_turn(node->shards[s].loop, 0) == OK);
        }
    }
    return is_drained(node);
}

void sim_node_pause(struct sim_node *node, uint64_t time_ns)
{
    node->paused_until_ns = node->world->queue.now_ns + time_ns;
    node->world->queue.stats.pauses++;
    sim_queue_note(&node->world->queue, "node pause", node->index, time_ns, 0, 0);
}

void sim_node_jump_wall(struct sim_node *node, int64_t by_ms)
{
    sim_clock_jump(&node->clock, by_ms);
    node->world->queue.stats.clock_jumps++;
    sim_queue_note(&node->world->queue, "clock jump", node->index, (uint64_t)by_ms, 0, 0);
}

void sim_node_freeze_wall(struct sim_node *node, bool frozen)
{
    sim_clock_freeze(&node->clock, frozen);
    node->world->queue.stats.clock_jumps++;
    sim_queue_note(&node->world->queue, "clock freeze", node->index, frozen, 0, 0);
}

void sim_node_set_drift(struct sim_node *node, int32_t drift_ppm)
{
    sim_clock_set_drift(&node->clock, drift_ppm);
}

struct sim_sock *sim_node_sock(const struct sim_node *node, int32_t fd)
{
    check(node->process != NULL);
    return sim_process_sock(node->process, fd);
}

struct io_address sim_node_address(const struct sim_node *node, uint16_t port)
{
    return sim_net_host_address(node->host, port);
}
