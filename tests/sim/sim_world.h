/* sim_world: nodes with their programs, disks, clocks and one network, in virtual time, from one
 * seed.
 *
 * Everything runs in one thread.  A node is a host with a disk, and while it runs a process with an
 * io per shard; its program attaches a loop per shard.  sim_world_step lets the next thing happen:
 * an event (a completion, a delivery, something a test asked for) or a turn of a loop that has
 * something to do, in virtual-time order and, at equal times, by chance.
 *   SWO-1  the same seed, options and calls give the same run: sim_world_hash
 *   SWO-2  choices come from streams forked by name, so that one more choice here does not change
 *       another part there
 *   SWO-3  after a crash the old program's operations have no effect any more
 * Time: loops take some microseconds per turn, sometimes milliseconds, so that completions pile up
 * and others overtake.
 *
 * How a program is put in:
 *     struct sim_world *world = sim_world_create(seed);
 *     struct sim_node *node = sim_node_create(world, &(struct sim_node_options){
 *         .name = "a", .shards_count = 2, .start = broker_start, .end = broker_end});
 *     sim_node_start(node);             runs start(node), which builds it over sim_node_io(node, i)
 *                                       and sim_node_clock(node), and attaches its loops
 *     sim_world_run_for(world, 10 * SIM_SECOND);
 *     sim_node_crash(node, SIM_POWER_LOSS);  runs end(node, SIM_POWER_LOSS), which frees its memory
 *     sim_node_start(node);             the same disk, a new process
 *     sim_world_destroy(world);         kills what still runs; returns blocks of memory not freed
 */
#ifndef LEVEE_TESTS_SIM_WORLD_H
#define LEVEE_TESTS_SIM_WORLD_H

#include "base/io.h"
#include "base/loop.h"
#include "base/prng.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/sim_process.h"
#include "tests/sim/sim_queue.h"

#include <stdbool.h>
#include <stdint.h>

enum { SIM_NODES_MAX = SIM_HOSTS_MAX };

struct sim_node;
struct sim_world;

struct sim_node_options {
    const char *name;                    /* names its streams of chance; unique in a world */
    uint32_t shards_count;               /* 0: 1 */
    const struct sim_disk_options *disk; /* NULL: sim_disk_options_init */
    uint32_t fds_max;                    /* 0: 65536 */
    /* Build the program over the node's ios and clock and attach its loops.  The process may die
     * during it (sim_node_crash_at_call): its calls then fail with ERR_CLOSED and end follows. */
    void (*start)(struct sim_node *node);
    /* Free the program's memory.  SIM_NO_CRASH: an orderly end was asked for; the process still
     * works, sim_world_run_until may be called to let it finish, and it must leave no operation in
     * flight.  Otherwise the process is dead: its calls have no effect and fail, its operations
     * complete with -ECANCELED when sim_node_drain turns the loops; so the program may be taken
     * down in its ordinary way, or its memory just freed. */
    void (*end)(struct sim_node *node, enum sim_crash kind);
    /* Optional.  After each turn of one of its loops. */
    void (*turned)(struct sim_node *node, uint32_t shard);
    void *context;
};

struct sim_node {
    struct sim_world *world;
    struct sim_node_options options;
    uint32_t index;
    char *name;
    struct prng prng;
    struct sim_clock clock;
    struct sim_disk disk;
    uint32_t host;
    struct sim_process *process; /* NULL: not running */
    struct sim_shard {
        struct loop *loop;      /* NULL: not attached */
        uint64_t busy_until_ns; /* the last turn takes until then */
    } shards[SIM_SHARDS_MAX];
    uint64_t paused_until_ns;
    uint64_t crash_at_call; /* for the next process, or this one */
    enum sim_crash crash_kind;
    struct sim_event crash_event; /* of sim_node_crash_within */
    enum sim_crash crash_event_kind;
    uint64_t starts_count;
    bool starting; /* inside options.start */
    bool ending;   /* inside options.end */
};

struct sim_world_options {
    uint64_t seed;
    const struct sim_net_options *net; /* NULL: sim_net_options_init */
    bool trace;                        /* print everything that is noted */
    uint64_t turn_max_ns;              /* what most turns take at most; 0: 20 us */
    uint32_t lag_ppm;                  /* of turns: a hundred times as long */
};

struct sim_world {
    struct sim_world_options options;
    struct sim_queue queue;
    struct prng prng; /* the root: never drawn from, only forked */
    struct prng order_prng;
    struct sim_net net;
    struct sim_node *nodes[SIM_NODES_MAX];
    uint32_t nodes_count;
    uint64_t memory_before;   /* blocks */
    struct sim_node *turning; /* whose loop is running now */
};

struct sim_world *sim_world_create(const struct sim_world_options *options);

/* Kills what still runs (options.end with SIM_KILL).  Returns blocks of memory that were allocated
 * since sim_world_create and not freed. */
uint64_t sim_world_destroy(struct sim_world *world);

/* A stream of chance for a part of the test, forked from the seed by name. */
void sim_world_fork(const struct sim_world *world, const char *name, struct prng *out);

/* Let the next thing happen, unless it lies behind until_ns.  False: nothing did; time is now
 * until_ns, when that is not SIM_NEVER. */
bool sim_world_step(struct sim_world *world, uint64_t until_ns);

/* Steps until that much virtual time has passed. */
void sim_world_run_for(struct sim_world *world, uint64_t time_ns);

/* Steps until nothing is going to happen (without timers: until all is done), at most limit_ns of
 * virtual time.  True: idle. */
bool sim_world_run_until_idle(struct sim_world *world, uint64_t limit_ns);

/* Steps until condition(context), at most limit_ns.  True: it holds. */
bool sim_world_run_until(struct sim_world *world, bool (*condition)(void *context), void *context,
                         uint64_t limit_ns);

static inline uint64_t sim_world_now_ns(const struct sim_world *world)
{
    return world->queue.now_ns;
}

static inline uint64_t sim_world_hash(const struct sim_world *world)
{
    return world->queue.hash;
}

static inline const struct sim_stats *sim_world_stats(const struct sim_world *world)
{
    return &world->queue.stats;
}

/* No faults by chance from now on (or again): disks and network; what is held, stalled or paused
 * is released. */
void sim_world_heal(struct sim_world *world);

/* --- nodes --- */

struct sim_node *sim_node_create(struct sim_world *world, const struct sim_node_options *options);

/* A new process on the node's disk; options.start runs. */
void sim_node_start(struct sim_node *node);

/* Orderly: options.end(SIM_NO_CRASH), then the process exits. */
void sim_node_stop(struct sim_node *node);

/* Not from a callback of the program. */
void sim_node_crash(struct sim_node *node, enum sim_crash kind);

/* The process dies at its calls_from_now-th next operation or call that touches the disk: before,
 * in or after it, also in the middle of a turn or of options.start.  0: never. */
void sim_node_crash_at_call(struct sim_node *node, uint64_t calls_from_now, enum sim_crash kind);

/* Crash at a random moment of the next within_ns of virtual time. */
void sim_node_crash_within(struct sim_node *node, uint64_t within_ns, enum sim_crash kind);

static inline bool sim_node_is_running(const struct sim_node *node)
{
    return node->process != NULL && !node->process->dead;
}

/* For options.start. */
struct io *sim_node_io(const struct sim_node *node, uint32_t shard);
struct clock *sim_node_clock(struct sim_node *node);
void sim_node_attach(struct sim_node *node, uint32_t shard, struct loop *loop);

/* For options.end after a crash: turn the attached loops until nothing is left to complete, at most
 * turns_max turns each.  True: all is done. */
bool sim_node_drain(struct sim_node *node, uint32_t turns_max);

/* Loops do not turn for that long (SIGSTOP, a frozen virtual machine). */
void sim_node_pause(struct sim_node *node, uint64_t time_ns);

/* The wall clock jumps by that much, or stands still. */
void sim_node_jump_wall(struct sim_node *node, int64_t by_ms);
void sim_node_freeze_wall(struct sim_node *node, bool frozen);
void sim_node_set_drift(struct sim_node *node, int32_t drift_ppm);

/* The socket behind a descriptor, for the faults of sim_net. */
struct sim_sock *sim_node_sock(const struct sim_node *node, int32_t fd);

/* The address of its host. */
struct io_address sim_node_address(const struct sim_node *node, uint16_t port);

#endif
