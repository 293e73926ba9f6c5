#include "tests/sim/oracle_group.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/kafka_tables.h"
#include "tests/sim/oracle.h"

#include <inttypes.h>
#include <string.h>

enum {
    GENERATIONS_MAX = 1 << 20, /* more is absurd in a simulated run */
    FUTURE = 1 << 16,          /* nobody gets so far ahead of what is known */
    MS = 1000000,
};

struct told_assignment {
    uint64_t identity;
    uint64_t value;
};

struct oracle_generation {
    bool is_known;
    uint64_t leader;
    uint64_t protocol;
    bool has_members;
    uint64_t members; /* a hash of their set */
    int64_t members_count;
    bool is_assigned; /* its leader has sent what follows */
    uint32_t assigner;
    struct told_assignment *assignments;
    uint32_t assignments_count;
};

struct oracle_groups *oracle_groups_create(void)
{
    struct oracle_groups *groups = mem_alloc(sizeof(*groups));

    groups->is_down = true;
    return groups;
}

void oracle_groups_destroy(struct oracle_groups *groups)
{
    for (uint32_t g = 0; g < ORACLE_GROUPS_MAX; g++) {
        for (uint64_t i = 0; i < groups->at[g].generations_count; i++)
            mem_free(groups->at[g].generations[i].assignments);
        mem_free(groups->at[g].generations);
    }
    mem_free(groups);
}

printf_like(4, 5) static void complain(struct oracle *oracle, const char *rule,
                                       const struct history_event *event, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    oracle_complain_about(oracle, rule, event, format, args);
    va_end(args);
}

static int32_t newest(const struct oracle_group *group)
{
    return (int32_t)group->generations_count - 1;
}

/* NULL: nobody could have it. */
static struct oracle_generation *generation_of(struct oracle *oracle,
                                               const struct history_event *event)
{
    struct oracle_group *group = &oracle->groups->at[event->group];
    uint64_t needed = (uint64_t)event->generation + 1;

    if (event->generation <= 0 || event->generation > GENERATIONS_MAX) {
        complain(oracle, "G1", event, "generation %" PRId32 " is absurd", event->generation);
        return NULL;
    }
    if (needed > group->generations_capacity) {
        uint64_t before = group->generations_capacity;
        group->generations_capacity = needed * 2;
        group->generations = mem_realloc(group->generations,
                                         group->generations_capacity * sizeof(*group->generations));
        memset(&group->generations[before], 0,
               (group->generations_capacity - before) * sizeof(*group->generations));
    }
    if (needed > group->generations_count)
        group->generations_count = needed;
    return &group->generations[event->generation];
}

/* ---- asking */

/* It comes or goes. */
static bool moves(uint64_t api)
{
    return api == API_JOIN_GROUP || api == API_LEAVE_GROUP;
}

/* Why nobody may take this; NULL: it may be in order. */
static const char *why_stale(const struct oracle_groups *groups, const struct history_event *event)
{
    const struct oracle_member *member = &groups->members[event->client];
    int32_t known = newest(&groups->at[event->group]);

    if (moves(event->value))
        return NULL;
    if (event->generation < known)
        return "its generation is over";
    if (event->generation > known + FUTURE)
        return "its generation has never been";
    if (event->member == 0)
        return "its id was given to nobody";
    if (event->member == member->left && groups->life == member->left_life)
        return "it has left";
    if (event->member != event->identity && event->member != member->member)
        return "its instance has another id";
    return NULL;
}

static void take_ask(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_groups *groups = oracle->groups;
    struct oracle_member *member = &groups->members[event->client];

    if (member->is_open && moves(member->asked_api)) /* nobody has answered that */
        groups->at[event->group].doubtful_life = groups->life;
    member->is_used = true;
    member->group = event->group;
    member->is_open = true;
    member->asked_api = event->value;
    member->asked_ns = event->time_ns;
    member->asked_life = groups->life;
    member->asked_floor = newest(&groups->at[event->group]);
    member->asked_stale = why_stale(groups, event);
    if (moves(event->value))
        member->is_sure = false;
}

/* ---- generations */

static void take_joined(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_groups *groups = oracle->groups;
    struct oracle_member *member = &groups->members[event->client];
    struct oracle_generation *generation = generation_of(oracle, event);

    if (generation == NULL)
        return;
    if (event->generation < member->asked_floor)
        complain(oracle, "G1", event,
                 "group %" PRIu32 " had generation %" PRId32 " and now %" PRId32, event->group,
                 member->asked_floor, event->generation);
    if (!generation->is_known) {
        generation->is_known = true;
        generation->leader = event->leader;
        generation->protocol = event->value;
        groups->generations_count++;
    }
    if (generation->leader != event->leader)
        complain(oracle, "G1", event,
                 "generation %" PRId32 " of group %" PRIu32 " has the leaders %" PRIx64
                 " and %" PRIx64,
                 event->generation, event->group, generation->leader, event->leader);
    if (generation->protocol != event->value)
        complain(oracle, "G1", event,
                 "generation %" PRId32 " of group %" PRIu32 " has two protocols", event->generation,
                 event->group);
    member->member = event->member;
}

static void take_members(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_generation *generation = generation_of(oracle, event);

    if (generation == NULL)
        return;
    if (generation->has_members && generation->members != event->value)
        complain(oracle, "G1", event,
                 "generation %" PRId32 " of group %" PRIu32 " has two sets of members",
                 event->generation, event->group);
    generation->has_members = true;
    generation->members = event->value;
    generation->members_count = event->high;
}

/* ---- assignments */

/* value: 0 for a member that the leader passed over. */
static void take_assign(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_generation *generation = generation_of(oracle, event);

    if (generation == NULL)
        return;
    if (generation->is_assigned && generation->assigner != event->client)
        complain(oracle, "G1", event,
                 "clients %" PRIu32 " and %" PRIu32 " lead generation %" PRId32
                 " of group %" PRIu32,
                 generation->assigner, event->client, event->generation, event->group);
    generation->is_assigned = true;
    generation->assigner = event->client;
    for (uint32_t i = 0; i < generation->assignments_count; i++)
        if (generation->assignments[i].identity == event->identity) {
            if (generation->assignments[i].value != event->value)
                complain(oracle, "G1", event,
                         "generation %" PRId32 " of group %" PRIu32
                         " was given to a leader twice, as two",
                         event->generation, event->group);
            return;
        }
    generation->assignments =
        mem_realloc(generation->assignments,
                    (generation->assignments_count + 1) * sizeof(*generation->assignments));
    generation->assignments[generation->assignments_count++] =
        (struct told_assignment){event->identity, event->value};
}

static void prove(struct oracle_groups *groups, struct oracle_member *member,
                  const struct history_event *event)
{
    if (member->is_sure && member->proof_ns < groups->life_began_ns &&
        member->asked_ns >= groups->life_began_ns)
        groups->kept_count++;
    member->is_sure = true;
    member->generation = event->generation;
    member->patience_ns = (uint64_t)event->patience_ms * MS;
    member->proof_ns = member->asked_ns;
    member->proof_life = groups->life;
}

static void take_synced(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_member *member = &oracle->groups->members[event->client];
    struct oracle_generation *generation = generation_of(oracle, event);
    const struct told_assignment *due = NULL;

    if (generation == NULL)
        return;
    if (member->asked_stale != NULL)
        complain(oracle, "G2", event, "a member of generation %" PRId32 " got an assignment: %s",
                 event->generation, member->asked_stale);
    for (uint32_t i = 0; i < generation->assignments_count; i++)
        if (generation->assignments[i].identity == event->identity)
            due = &generation->assignments[i];
    if (due == NULL)
        complain(oracle, "G9", event,
                 "an assignment in generation %" PRId32 " of group %" PRIu32
                 ", whose leader has sent none for this member",
                 event->generation, event->group);
    else if (due->value != event->value)
        complain(oracle, "G9", event,
                 "in generation %" PRId32 " of group %" PRIu32 " the leader assigned %" PRIx64
                 " and the member got %" PRIx64,
                 event->generation, event->group, due->value, event->value);
    prove(oracle->groups, member, event);
}

/* ---- being a member */

static bool is_sure_of(const struct oracle_member *member, const struct history_event *event)
{
    return member->is_sure && member->generation == event->generation &&
           member->member == event->member;
}

static void take_ok(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_member *member = &oracle->groups->members[event->client];

    if (event->value == API_HEARTBEAT && oracle->groups->lacks_memory)
        return;
    if (member->asked_stale != NULL)
        complain(oracle, "G2", event,
                 "API %" PRIu64 " was taken from a member in generation %" PRId32 ": %s",
                 event->value, event->generation, member->asked_stale);
    if (event->value == API_LEAVE_GROUP) {
        member->left = event->member;
        member->left_life = member->asked_life; /* the answer may outlive the broker that gave it */
    } else if (event->value == API_HEARTBEAT && is_sure_of(member, event)) {
        prove(oracle->groups, member, event);
    }
}

/* Since the last proof, and in this life of the broker. */
static bool was_heard_of(const struct oracle_groups *groups, const struct oracle_member *member,
                         uint64_t now_ns)
{
    uint64_t since_ns =
        member->proof_ns > groups->life_began_ns ? member->proof_ns : groups->life_began_ns;

    return now_ns - since_ns + MS < member->patience_ns;
}

/* The broker was started, everybody who was told to be in the generation of this member has its
 * assignment and was heard of, and nothing else can be on its way. */
static bool is_quiet(const struct oracle_groups *groups, const struct oracle_member *member,
                     uint64_t now_ns)
{
    const struct oracle_group *group = &groups->at[member->group];
    int64_t sure_count = 0;

    if (member->proof_life == groups->life)
        return false;
    for (uint32_t c = 0; c < HISTORY_CLIENTS_MAX; c++) {
        const struct oracle_member *other = &groups->members[c];
        if (!other->is_used || other->group != member->group)
            continue;
        if (!other->is_sure || other->generation != member->generation ||
            other->proof_life <= group->doubtful_life || !was_heard_of(groups, other, now_ns))
            return false;
        sure_count++;
    }
    return group->generations[member->generation].has_members &&
           group->generations[member->generation].members_count == sure_count;
}

static bool is_out(int16_t error)
{
    return error == KAFKA_UNKNOWN_MEMBER_ID || error == KAFKA_ILLEGAL_GENERATION ||
           error == KAFKA_FENCED_INSTANCE_ID || error == KAFKA_GROUP_ID_NOT_FOUND;
}

/* What may say no to anybody, whoever it is. */
static bool is_not_served(int16_t error)
{
    return error == KAFKA_NOT_COORDINATOR || error == KAFKA_COORDINATOR_NOT_AVAILABLE ||
           error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
}

static void take_refused(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_groups *groups = oracle->groups;
    struct oracle_member *member = &groups->members[event->client];
    int16_t error = (int16_t)event->error;

    if (member->asked_stale != NULL && event->value == API_OFFSET_COMMIT && !is_out(error) &&
        !is_not_served(error))
        complain(oracle, "G2", event, "a commit was refused with error %d, and not because %s",
                 error, member->asked_stale);
    if (member->asked_stale != NULL || is_not_served(error))
        return;
    if (!is_sure_of(member, event))
        return;
    if (is_out(error) && was_heard_of(groups, member, event->time_ns))
        complain(oracle, "G10", event,
                 "a member is out of generation %" PRId32 " of group %" PRIu32
                 " (error %d, API %" PRIu64 "), asked %" PRIu64 " ms after it was one",
                 event->generation, event->group, error, event->value,
                 (event->time_ns - member->proof_ns) / MS);
    if (error == KAFKA_REBALANCE_IN_PROGRESS && is_quiet(groups, member, event->time_ns))
        complain(oracle, "G10", event,
                 "a rebalance of group %" PRIu32 " that nobody began, after a start of the broker",
                 event->group);
    if (is_out(error) || error == KAFKA_REBALANCE_IN_PROGRESS)
        member->is_sure = false;
}

/* ---- the broker's life */

static void take_down(struct oracle_groups *groups, const struct history_event *event)
{
    if (groups->is_down)
        return;
    groups->is_down = true;
    for (uint32_t c = 0; c < HISTORY_CLIENTS_MAX; c++)
        if (!was_heard_of(groups, &groups->members[c], event->time_ns))
            groups->members[c].is_sure = false;
}

void oracle_groups_take(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_groups *groups = oracle->groups;

    check(event->group < ORACLE_GROUPS_MAX);
    if (event->kind == HISTORY_JOINED || event->kind == HISTORY_SYNCED ||
        event->kind == HISTORY_MEMBER_OK || event->kind == HISTORY_MEMBER_REFUSED)
        groups->members[event->client].is_open = false;
    switch (event->kind) {
    case HISTORY_BROKER_UP:
        groups->is_down = false;
        groups->life++;
        groups->life_began_ns = event->time_ns;
        break;
    case HISTORY_BROKER_DOWN:
        take_down(groups, event);
        break;
    case HISTORY_ASK:
        take_ask(oracle, event);
        break;
    case HISTORY_JOINED:
        take_joined(oracle, event);
        break;
    case HISTORY_MEMBERS:
        take_members(oracle, event);
        break;
    case HISTORY_ASSIGN:
        take_assign(oracle, event);
        break;
    case HISTORY_SYNCED:
        take_synced(oracle, event);
        break;
    case HISTORY_MEMBER_OK:
        take_ok(oracle, event);
        break;
    case HISTORY_MEMBER_REFUSED:
        take_refused(oracle, event);
        break;
    default:
        check(false);
    }
}
