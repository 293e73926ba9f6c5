/* explore_world: a small world with one broker in which the crash explorer runs its operations, and
 * in which it judges what a crash has left.
 *
 * One per process; after a crash the broker is started from what is left, and everything is read:
 * what was acknowledged is there, nothing was invented, offsets, log starts and committed offsets
 * are right (the oracle), topics are there or not as was answered.  Then it serves, the power goes
 * once more, and all that must be true again: what the first recovery has shown stays.
 *   XWO-1  operations run one after the other; each is over when it was answered
 *   XWO-2  time stands still for clients while the broker idles */
#ifndef LEVEE_TESTS_EXPLORE_WORLD_H
#define LEVEE_TESTS_EXPLORE_WORLD_H

#include "tests/sim/explore_client.h"
#include "tests/sim/model_consumer.h"
#include "tests/sim/model_group.h"
#include "tests/sim/model_producer.h"
#include "tests/sim/sim_broker.h"

#define EXPLORE_OPERATIONS(X)                                                    \
    X(PRODUCE, "produce")                                                        \
    X(ROLL, "roll")           /* by time */                                      \
    X(RETENTION, "retention") /* by time, on the log with several segments */    \
    X(DELETE_RECORDS, "delete-records")                                          \
    X(CREATE, "create")                                                          \
    X(DELETE, "delete")         /* a topic; a creation after it uses its name */ \
    X(COMMIT, "commit")         /* an offset */                                  \
    X(SNAPSHOT, "snapshot")     /* of the metadata */                            \
    X(CHECKPOINT, "checkpoint") /* until it is done */

enum explore_operation {
#define EXPLORE_ENUM(name, text) EXPLORE_##name,
    EXPLORE_OPERATIONS(EXPLORE_ENUM)
#undef EXPLORE_ENUM
        EXPLORE_OPERATION_COUNT
};

const char *explore_operation_name(enum explore_operation operation);

enum { EXPLORE_CLIENTS_MAX = 5, EXPLORE_SHARDS_MAX = 2 };

struct explore_world {
    struct sim_world *world;
    struct history history;
    struct oracle *oracle;
    struct model_topics topics;
    struct sim_broker broker;
    struct model_admin admin;
    struct model_producer producer;
    struct model_consumer auditor;
    struct model_group group;
    struct explore_client client;
    struct sim_node *clients[EXPLORE_CLIENTS_MAX];
    uint32_t deleted_topic; /* asked for; MODEL_TOPICS_MAX: none */
    bool deletion_answered;
    uint32_t checkpoints_open; /* of the shards */
    bool crashed;              /* by whoever watches its process: nothing goes on as it was meant */
    bool power_lost;           /* in that crash; else the process was killed */
    uint32_t recovers_with;    /* so many shards, from the next start on */
    uint32_t partitions_count; /* of a topic: some for each shard */
    bool cache;
    bool trace;
};

struct explore_world_options {
    uint64_t seed;
    uint32_t unit_bytes; /* of the disk: 512 or 4096 */
    bool pushes_out;     /* what is written twice without a sync has always reached the disk once */
    uint32_t shards_count;
    bool cache; /* topics with levee.durability=cache */
    bool trace;
};

/* The broker runs, topics have records, segments and commits. */
void explore_world_init(struct explore_world *w, const struct explore_world_options *options);

/* Run it to its answer; complaints are the oracle's. */
void explore_world_run(struct explore_world *w, enum explore_operation operation);

/* Whatever goes on without being asked for comes to its end. */
void explore_world_settle(struct explore_world *w);

/* The broker is down: recover, and read all.  It may be down by the watcher's will again (crashed).
 */
void explore_world_recover(struct explore_world *w);

/* After that: serve, lose the power, recover, read. */
void explore_world_prove(struct explore_world *w);

#endif
