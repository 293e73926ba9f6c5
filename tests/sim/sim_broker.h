/* sim_broker: the real broker as the program of a node: a loop per shard over simulated files and
 * sockets, started from the same disk again and again.
 *
 * One per node; it outlives the node's processes.  What production does with a failed storage (the
 * process exits) is the caller's part: it sees `failed` and crashes the node.  The memory of a
 * crashed broker is given back without any of its code (sim_heap); what it had lost by then, and
 * what it holds after an orderly end, is counted. */
#ifndef LEVEE_TESTS_SIM_BROKER_H
#define LEVEE_TESTS_SIM_BROKER_H

#include "broker/broker.h"
#include "broker/config.h"
#include "broker/health.h"
#include "tests/sim/sim_heap.h"
#include "tests/sim/sim_world.h"

enum { SIM_BROKER_PORT = 9092 };

struct sim_broker;
struct sim_watch;

struct sim_broker_log {
    struct log_sink sink;
    struct sim_broker *broker;
};

struct sim_broker {
    struct sim_node *node;
    struct config *config;
    struct broker *broker; /* of the running process; NULL: not open */
    struct sim_broker_log *logs;
    struct broker_ground grounds[SIM_SHARDS_MAX];
    struct metrics metrics;
    struct health health;
    struct prng prng;
    struct broker_sizes sizes;
    uint32_t shards_count;
    bool print_log;
    struct sim_watch *watch;         /* NULL: nobody looks in */
    void (*starting)(void *context); /* when its process is there; may be NULL */
    void *starting_context;
    /* of the running process */
    enum err open_err;
    bool ready;
    bool failed;
    bool quarantined; /* a partition is: told in the log, LVE-2204 */
    bool stopping;
    bool stopped;
    enum err stop_err;
    /* of all its processes */
    struct sim_heap heap;
    bool finds_leaks;     /* the caller's: at each crash, which takes time */
    uint64_t leaks_count; /* crashes after which nobody pointed at some of its blocks */
    uint64_t left_count;  /* blocks, after orderly ends and starts that failed */
};

struct sim_broker_options {
    uint32_t shards_count;
    const char *const *sets; /* "key=value", ends with NULL */
    const struct sim_disk_options *disk;
    bool print_log; /* log lines to standard error */
    struct broker_sizes sizes;
};

/* A node with a broker that does not run yet; sim_node_start starts it. */
void sim_broker_init(struct sim_broker *broker, struct sim_world *world, const char *name,
                     const struct sim_broker_options *options);

/* While it does not run: the next start has so many shards, as after a change of levee.shards. */
void sim_broker_set_shards(struct sim_broker *broker, uint32_t shards_count);

/* After sim_world_destroy. */
void sim_broker_deinit(struct sim_broker *broker);

/* As SIGTERM: stopped (or failed) is set later, while the world runs. */
void sim_broker_ask_stop(struct sim_broker *broker);

#endif
