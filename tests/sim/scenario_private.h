/* scenario_private: one simulated run and what its parts share: what is decided before it
 * (scenario_draw, scenario_draw_clients, scenario_draw_faults), the clients as programs of nodes
 * (scenario_clients), the broker's lives (scenario_lives), the phases with faults
 * (scenario_faults), a long life (scenario_long), rot (scenario_rot), transactions
 * (scenario_ledger), the product's own clients (scenario_room).
 *
 * Every number of a run is in its plan before the run begins.  While it goes on only that is drawn
 * whose place depends on the run: the model clients' own steps, and the moment of a crash. */
#ifndef LEVEE_TESTS_SCENARIO_PRIVATE_H
#define LEVEE_TESTS_SCENARIO_PRIVATE_H

#include "base/err.h"
#include "tests/sim/model_auditor.h"
#include "tests/sim/model_consumer.h"
#include "tests/sim/model_crowd.h"
#include "tests/sim/model_group.h"
#include "tests/sim/model_janitor.h"
#include "tests/sim/model_member.h"
#include "tests/sim/model_producer.h"
#include "tests/sim/model_room_producer.h"
#include "tests/sim/model_room_reader.h"
#include "tests/sim/model_room_transactor.h"
#include "tests/sim/model_transactor.h"
#include "tests/sim/oracle_group.h"
#include "tests/sim/plan.h"
#include "tests/sim/scenario.h"
#include "tests/sim/sim_broker.h"
#include "tests/sim/sim_buggify.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/sim_watch.h"

enum {
    PRODUCERS_MAX = 4,
    CONSUMERS_MAX = 3, /* the auditor is the first */
    GROUPS_MAX = 2,
    MEMBERS_MAX = 5,
    TRANSACTORS_MAX = 5,
    AUDITORS_MAX = 3, /* of all records, of committed ones, and one that jumps about */
    LEDGER_CLIENTS_MAX = 1 + TRANSACTORS_MAX + AUDITORS_MAX,
    ROOM_PRODUCERS_MAX = 2,
    ROOM_READERS_MAX = 2,
    ROOM_TRANSACTORS_MAX = 2,
    ROOM_CLIENTS_MAX = ROOM_PRODUCERS_MAX + ROOM_READERS_MAX + ROOM_TRANSACTORS_MAX,
    CLIENTS_MAX = 2 + PRODUCERS_MAX + CONSUMERS_MAX + GROUPS_MAX + MEMBERS_MAX + 1 +
                  LEDGER_CLIENTS_MAX + ROOM_CLIENTS_MAX,
    RECREATIONS_MAX = 5,
    VERSION_WITH_IDS = 13, /* of Produce and Fetch */
    SHARDS_MAX = 3,
    SETS_MAX = 44,
    SET_BYTES_MAX = 96,
    GROUP_READS = 20,      /* of committed offsets, in an audit */
    OPEN_FAILURES_MAX = 4, /* then the disk is healed for the next start */
    ROUNDS_MAX = 12,
    LIVES_MAX = 24, /* that are planned; then they come again */
    EPISODES_MAX = 4,
    ASSIGNMENT_CRASH_MS = 8,
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

enum fault {
    FAULT_NONE,
    FAULT_CRASH_WITHIN,
    FAULT_CRASH_AT_CALL,
    FAULT_PAUSE,
    FAULT_CLOCK, /* the wall clock steps */
    FAULT_STOP,
    FAULT_DISTURBED, /* errors of disk and network begin, or end */
    FAULT_CALM,
};

enum space { SPACE_AS_IT_IS, SPACE_LITTLE, SPACE_ALL };

/* Of the phase with faults: something happens, then time passes. */
struct fault_round {
    enum fault fault;
    enum sim_crash crash;
    uint64_t within_ms;
    uint64_t calls;
    uint64_t pause_ms;
    int64_t clock_step_ms;
    enum space space;
    uint64_t space_bytes; /* with SPACE_LITTLE, more than what is written */
    uint64_t wait_ms;
};

/* Of the broker, when a start begins one. */
struct life {
    uint64_t down_ms;     /* before it */
    uint32_t shards;      /* 0: as many as before */
    uint64_t crash_calls; /* while there are faults: it dies at that call; 0: it does not */
    enum sim_crash crash;
};

/* A while in which nobody asks anything. */
struct episode {
    uint64_t idle_seconds;
    bool is_down;
    bool is_frozen;
    bool in_order; /* it goes down so */
    enum sim_crash crash;
    bool disturbed; /* behind it */
    uint64_t wait_ms;
};

struct rot_plan {
    bool while_down;
    uint64_t log; /* of those that there are, modulo */
    uint64_t pos; /* in it, modulo */
    uint32_t bit;
};

/* Transactions: topics, clients and an oracle of their own. */
struct ledger {
    uint32_t clients_count; /* 0: there is none */
    uint32_t transactors_count;
    struct model_transactor_options transactor_options[TRANSACTORS_MAX];
    struct model_auditor_options auditor_options[AUDITORS_MAX];
    uint64_t patience_ns; /* until every transaction that was left is ended */
    struct model_topics topics;
    struct oracle_txn txn;
    struct oracle_txn_log log;
    struct model_admin admin;
    struct model_transactor transactors[TRANSACTORS_MAX];
    struct model_auditor auditors[AUDITORS_MAX];
};

/* Clients that are made of net/client. */
struct room {
    uint32_t clients_count; /* 0: there are none */
    uint32_t producers_count, readers_count, transactors_count;
    struct model_room_options options[ROOM_CLIENTS_MAX]; /* without the address */
    struct model_room_producer_options producer_options[ROOM_PRODUCERS_MAX];
    struct model_room_reader_options reader_options[ROOM_READERS_MAX];
    struct model_room_transactor_options transactor_options[ROOM_TRANSACTORS_MAX];
    struct model_room_producer producers[ROOM_PRODUCERS_MAX];
    struct model_room_reader readers[ROOM_READERS_MAX];
    struct model_room_transactor transactors[ROOM_TRANSACTORS_MAX];
};

struct scenario {
    const struct scenario_options *options;
    struct sim_world *world;
    struct plan plan;
    struct sim_net_options net;
    uint32_t lag_ppm;
    struct sim_broker_options broker_options;
    struct model_client_options client_options[CLIENTS_MAX]; /* without the address */
    struct model_producer_options producer_options[PRODUCERS_MAX];
    struct model_consumer_options consumer_options[CONSUMERS_MAX];
    struct model_member_options member_options[MEMBERS_MAX];
    struct model_janitor_options janitor_options;
    struct model_crowd_options crowd_options;
    uint32_t group_pauses_ms[GROUPS_MAX];
    uint64_t warm_up_ms;
    struct fault_round rounds[ROUNDS_MAX];
    uint32_t rounds_count;
    struct life lives[LIVES_MAX];
    uint64_t lives_count; /* that were begun */
    struct episode episodes[EPISODES_MAX];
    uint32_t episodes_count;
    struct rot_plan rot;
    bool power_off_at_end;
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
    struct ledger ledger;
    struct room room;
    int32_t assigned_generations[ORACLE_GROUPS_MAX]; /* the newest */
    uint64_t assignment_odds;    /* one of so many: the broker dies about then; 0: none */
    struct prng assignment_prng; /* whether, while the run goes on */
    uint64_t retention_check_ms; /* log.retention.check.interval.ms; 0: the default */
    uint64_t shard_changes_count;
    uint64_t group_reads[GROUPS_MAX]; /* at the beginning of an audit */
    struct sim_node *client_nodes[CLIENTS_MAX];
    uint32_t client_nodes_count;
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

/* As the broker may see it, which believes any time until it is up. */
void scenario_look_at_clock(struct scenario *s);

/* ---- scenario_draw: all of the plan */

void scenario_draw(struct scenario *s);

/* "key=value" of the broker's configuration. */
printf_like(2, 3) void scenario_draw_set(struct scenario *s, const char *format, ...);

/* segment.bytes of a topic; in the scope of who makes it. */
uint32_t scenario_draw_segment_bytes(struct scenario *s);

/* ---- scenario_draw_clients, scenario_draw_faults */

void scenario_draw_clients(struct scenario *s);
void scenario_draw_faults(struct scenario *s);

/* The id of the first member of a group, and of a ledger's client. */
uint32_t scenario_first_member(const struct scenario *s);
uint32_t scenario_first_of_ledger(const struct scenario *s);

/* Of the client room; behind the ledger was drawn. */
uint32_t scenario_first_of_room(const struct scenario *s);

/* ---- scenario_clients */

void scenario_clients_start(struct scenario *s);
struct model_consumer *scenario_clients_auditor(struct scenario *s);

/* ---- scenario_lives */

void scenario_lives_set_faults(struct scenario *s, bool on);

/* Told when it is noticed, which is not before it happens; and whether the power was lost. */
void scenario_lives_tell(struct scenario *s, enum history_kind kind);
void scenario_lives_start(struct scenario *s);

/* Time passes; whenever the broker is down it is started again, a little later.  True: condition
 * holds (NULL: never). */
bool scenario_lives_run_until(struct scenario *s, bool (*condition)(struct scenario *),
                              uint64_t limit_ns);

/* ---- scenario_ledger */

/* Behind the broker's settings. */
void scenario_ledger_draw(struct scenario *s);
void scenario_ledger_end(struct scenario *s);

/* A client; index from 0. */
void scenario_ledger_start_client(struct scenario *s, struct sim_node *node, uint32_t index);
void scenario_ledger_end_client(struct scenario *s, uint32_t index);

void scenario_ledger_finish(struct scenario *s);
bool scenario_ledger_is_finished(const struct scenario *s);

/* Every transaction ends, and who follows sees it. */
void scenario_ledger_drain(struct scenario *s);

/* All is read, twice, and compared. */
void scenario_ledger_audit(struct scenario *s);

/* ---- scenario_room */

/* Behind the ledger. */
void scenario_room_draw(struct scenario *s);

/* A client; index from 0. */
void scenario_room_start_client(struct scenario *s, struct sim_node *node, uint32_t index);
void scenario_room_end_client(struct scenario *s, uint32_t index);

void scenario_room_finish(struct scenario *s);

/* What is not done yet; NULL: all is. */
const char *scenario_room_unfinished(const struct scenario *s);

/* ---- scenario_faults, scenario_long, scenario_rot */

void scenario_faults_run(struct scenario *s);
void scenario_long_run(struct scenario *s);
void scenario_rot_run(struct scenario *s);

#endif
