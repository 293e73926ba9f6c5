/* scenario_private: one simulated run and what its parts share: what there is (scenario_draw), the
 * clients as programs of nodes (scenario_clients), the broker's lives (scenario_lives), the phases
 * with faults (scenario_faults), a long life (scenario_long), rot (scenario_rot). */
#ifndef LEVEE_TESTS_SCENARIO_PRIVATE_H
#define LEVEE_TESTS_SCENARIO_PRIVATE_H

#include "base/err.h"
#include "tests/sim/model_consumer.h"
#include "tests/sim/model_crowd.h"
#include "tests/sim/model_group.h"
#include "tests/sim/model_janitor.h"
#include "tests/sim/model_member.h"
#include "tests/sim/model_producer.h"
#include "tests/sim/oracle_group.h"
#include "tests/sim/plan.h"
#include "tests/sim/scenario.h"
#include "tests/sim/sim_broker.h"
#include "tests/sim/sim_buggify.h"
#include "tests/sim/sim_watch.h"

enum {
    PRODUCERS_MAX = 4,
    CONSUMERS_MAX = 3, /* the auditor is the first */
    GROUPS_MAX = 2,
    MEMBERS_MAX = 5,
    CLIENTS_MAX = 2 + PRODUCERS_MAX + CONSUMERS_MAX + GROUPS_MAX + MEMBERS_MAX + 1,
    RECREATIONS_MAX = 5,
    VERSION_WITH_IDS = 13, /* of Produce and Fetch */
    SHARDS_MAX = 3,
    SETS_MAX = 40,
    SET_BYTES_MAX = 96,
    GROUP_READS = 20,      /* of committed offsets, in an audit */
    OPEN_FAILURES_MAX = 4, /* then the disk is healed for the next start */
};

#define SEGMENT_BYTES_MIN 1048576 /* of segment.bytes: Kafka's */
#define MIXED_MESSAGE_BYTES_MAX 8388608
#define MIXED_BYTES_LIMIT (12ULL << 20) /* of one producer */
#define DAY_MS 86400000LL
#define YEAR_MS 31536000000
#define RETENTION_DEFAULT_MS 604800000

#define RETENTION_CHECKS 3
#define RETENTION_CHECK_MS_MAX 1000
#define CALM_BEFORE_RETENTION (5 * SIM_SECOND) /* checkpoints, which write segments whole */
#define FINISH_LIMIT (120 * SIM_SECOND)
#define AUDIT_LIMIT (120 * SIM_SECOND)

struct scenario {
    const struct scenario_options *options;
    struct sim_world *world;
    struct prng prng;
    struct plan plan;
    struct history history;
    struct oracle *oracle;
    struct model_topics topics;
    struct sim_broker broker;
    struct sim_buggify buggify;
    struct sim_watch watch;
    uint64_t allocation_odds;     /* one of so many is refused while there are faults; 0: none */
    struct sim_disk_options disk; /* with faults; the node's begins and ends without */
    char sets_text[SETS_MAX][SET_BYTES_MAX];
    const char *sets[SETS_MAX + 1];
    uint32_t sets_count;
    uint32_t producers_count;
    uint32_t consumers_count;
    uint32_t groups_count;
    uint32_t members_count;
    uint32_t janitors_count; /* 0 or 1 */
    uint32_t crowds_count;   /* 0 or 1 */
    uint32_t member_groups_count;
    uint32_t topics_at_start;
    uint32_t topics_count; /* that the admin makes; others come by the janitor */
    struct model_admin admin;
    struct model_producer producers[PRODUCERS_MAX];
    struct model_consumer consumers[CONSUMERS_MAX];
    struct model_group groups[GROUPS_MAX];
    struct model_member members[MEMBERS_MAX];
    struct model_janitor janitor;
    struct model_crowd crowd;
    int32_t assigned_generations[ORACLE_GROUPS_MAX]; /* the newest */
    struct prng members_prng;    /* of all that concerns them: the rest of a seed is as without */
    struct prng shards_prng;     /* as that */
    struct prng producers_prng;  /* who floods one partition */
    struct prng segments_prng;   /* of the part segments */
    uint64_t retention_check_ms; /* log.retention.check.interval.ms; 0: the default */
    uint32_t shard_change_odds;  /* of ten: a start has another number of shards */
    uint64_t shard_changes_count;
    uint64_t group_reads[GROUPS_MAX]; /* at the beginning of an audit */
    struct sim_node *client_nodes[CLIENTS_MAX];
    uint32_t client_nodes_count;
    uint32_t double_crash_odds; /* of ten: a restart is interrupted too */
    bool faults_on;
    bool power_faults; /* crashes may be power losses */
    bool crash_faults;
    bool pause_faults;
    bool clock_faults;
    bool stop_faults;
    uint64_t power_losses_told;
    bool needs_operator; /* a partition could not be read, and waits for repair */
};

printf_like(2, 3) void scenario_say(const struct scenario *s, const char *format, ...);

static inline uint32_t draw(struct scenario *s, uint32_t min, uint32_t max)
{
    return min + (uint32_t)prng_below(&s->prng, (uint64_t)max - min + 1);
}

static inline bool odds(struct scenario *s, uint32_t numerator, uint32_t denominator)
{
    return prng_chance(&s->prng, numerator, denominator);
}

/* One of the numbers given. */
#define draw_of(s, ...)                            \
    (((const uint32_t[]){__VA_ARGS__})[prng_below( \
        &(s)->prng, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))])

/* As the broker may see it, which believes any time until it is up. */
void scenario_look_at_clock(struct scenario *s);

/* ---- scenario_draw */

void scenario_draw_topics(struct scenario *s);
void scenario_draw_faults(struct scenario *s);
void scenario_draw_members(struct scenario *s);
void scenario_draw_broker(struct scenario *s);

/* segment.bytes of a topic. */
uint32_t scenario_draw_segment_bytes(struct scenario *s);

/* ---- scenario_clients */

void scenario_clients_start(struct scenario *s);
struct model_consumer *scenario_clients_auditor(struct scenario *s);

/* ---- scenario_lives */

void scenario_lives_set_faults(struct scenario *s, bool on);
enum sim_crash scenario_lives_crash_kind(struct scenario *s, struct prng *prng);

/* Told when it is noticed, which is not before it happens; and whether the power was lost. */
void scenario_lives_tell(struct scenario *s, enum history_kind kind);
void scenario_lives_start(struct scenario *s);

/* Time passes; whenever the broker is down it is started again, a little later.  True: condition
 * holds (NULL: never). */
bool scenario_lives_run_until(struct scenario *s, bool (*condition)(struct scenario *),
                              uint64_t limit_ns);

/* ---- scenario_faults, scenario_long, scenario_rot */

void scenario_faults_run(struct scenario *s);
void scenario_long_run(struct scenario *s);
void scenario_rot_run(struct scenario *s);

#endif
