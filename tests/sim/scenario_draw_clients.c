/* What the clients of a run are like; the index in client_options is the id. */
#include "base/check.h"
#include "tests/sim/scenario_private.h"

#include <inttypes.h>
#include <stdio.h>

static const uint64_t reconnects_ms[] = {5, 50, 500};

uint32_t scenario_first_member(const struct scenario *s)
{
    return 1 + s->producers_count + s->consumers_count + s->groups_count;
}

uint32_t scenario_first_of_ledger(const struct scenario *s)
{
    return scenario_first_member(s) + s->members_count + s->janitors_count + s->crowds_count;
}

uint32_t scenario_first_of_room(const struct scenario *s)
{
    return scenario_first_of_ledger(s) + s->ledger.clients_count;
}

/* In the client's scope. */
static struct model_client_options client_options(struct scenario *s, uint32_t id)
{
    struct plan *plan = &s->plan;
    bool reads_slowly = plan_has(plan, PLAN_SLOW) && id > s->producers_count + 1 &&
                        id <= s->producers_count + s->consumers_count;
    struct model_client_options options = {
        .id = id,
        .timeout_ms = (uint32_t)plan_pick_of(plan, "timeout.ms", 500, 2000, 10000),
        .reconnect_max_ms = (uint32_t)plan_pick(plan, "reconnect.ms", reconnects_ms, 3),
    };

    if (reads_slowly) {
        options.read_pause_max_ms = (uint32_t)plan_pick_of(plan, "read.pause.ms", 0, 5, 200);
        options.stop_reading_ppm = (uint32_t)plan_pick_of(plan, "stop.reading.ppm", 0, 1000, 20000);
    }
    if (plan_has(plan, PLAN_HANG_UP))
        options.hang_up_ppm = (uint32_t)plan_pick_of(plan, "hang.up.ppm", 0, 500, 5000);
    return options;
}

/* What the parts of the plan have for producers. */
static void widen_producer(struct scenario *s, struct model_producer_options *options)
{
    struct plan *plan = &s->plan;

    if (plan_has(plan, PLAN_SIZES)) {
        options->mixed_bytes_log2 = (uint32_t)plan_pick_of(plan, "mixed.log2", 12, 16, 20, 22);
        options->mixed_bytes_limit = MIXED_BYTES_LIMIT;
    }
    if (plan_has(plan, PLAN_LIES))
        options->lie_odds = (uint32_t)plan_pick_of(plan, "lies", 5, 50);
    if (plan_has(plan, PLAN_REFUSED))
        options->bad_odds = (uint32_t)plan_pick_of(plan, "refused", 2, 20);
    if (plan_has(plan, PLAN_ACKS_ZERO))
        options->acks_zero_odds = (uint32_t)plan_pick_of(plan, "acks.0", 0, 30, 100);
    if (plan_has(plan, PLAN_RETENTION))
        options->dated_max_ms = (uint32_t)plan_pick_of(plan, "dated.ms", 0, 5000, 86400000);
    if (plan_has(plan, PLAN_RECREATE))
        options->version_min = VERSION_WITH_IDS;
    if (plan_has(plan, PLAN_ACKS_ONE))
        options->acks_one_odds = (uint32_t)plan_pick_of(plan, "acks.1", 0, 30, 100);
}

static void draw_producer(struct scenario *s, uint32_t index)
{
    struct plan *plan = &s->plan;
    struct model_producer_options *options = &s->producer_options[index];

    plan_scope(plan, "producer%" PRIu32, index);
    s->client_options[1 + index] = client_options(s, 1 + index);
    *options = (struct model_producer_options){
        .idempotent = plan_odds(plan, "idempotent", 3, 4),
        .flights_max = (uint32_t)plan_range(plan, "flights", 1, PRODUCER_FLIGHTS_MAX),
        .records_max = (uint32_t)plan_pick_of(plan, "records", 1, 3, 20),
        .value_bytes_max = (uint32_t)plan_pick_of(plan, "value.bytes", 8, 100, 1000, 20000),
        .pause_max_ms = (uint32_t)plan_pick_of(plan, "pause.ms", 2, 20, 200),
        .request_batches_max = (uint32_t)plan_range(plan, "request.batches", 1, 4),
        .records_limit = plan_pick_of(plan, "records.limit", 50, 300, 1000),
        .codec = COMPRESSION_NONE,
    };
    if (plan_odds(plan, "compresses", 1, 2))
        options->codec = (enum compression)plan_range(plan, "codec", 0, COMPRESSION_COUNT - 1);
    if (plan_odds(plan, "one.partition", 1, 3)) {
        options->one_partition = true;
        options->flights_max = PRODUCER_FLIGHTS_MAX;
    }
    widen_producer(s, options);
}

static void draw_consumer(struct scenario *s, uint32_t index)
{
    struct plan *plan = &s->plan;
    struct model_consumer_options *options = &s->consumer_options[index];
    uint32_t id = 1 + s->producers_count + index;

    plan_scope(plan, "consumer%" PRIu32, index);
    s->client_options[id] = client_options(s, id);
    *options = (struct model_consumer_options){
        .max_wait_ms = (uint32_t)plan_pick_of(plan, "wait.ms", 0, 20, 500),
        .bytes_max = (uint32_t)plan_pick_of(plan, "bytes", 1, 10000, 1 << 20),
        .partition_bytes_max = (uint32_t)plan_pick_of(plan, "partition.bytes", 1, 5000, 1 << 20),
        .pause_max_ms = (uint32_t)plan_pick_of(plan, "pause.ms", 2, 20, 200),
        .auditor = index == 0,
    };
    if (plan_has(plan, PLAN_RECREATE))
        options->version_min = VERSION_WITH_IDS;
    options->sessions = plan_has(plan, PLAN_SESSIONS) && !options->auditor;
    if (options->auditor)
        options->bytes_max = options->partition_bytes_max = 1 << 20;
}

static void draw_group(struct scenario *s, uint32_t index)
{
    uint32_t id = 1 + s->producers_count + s->consumers_count + index;

    plan_scope(&s->plan, "group%" PRIu32, index);
    s->client_options[id] = client_options(s, id);
    s->group_pauses_ms[index] = (uint32_t)plan_pick_of(&s->plan, "pause.ms", 5, 50, 200);
}

static void draw_member(struct scenario *s, uint32_t index)
{
    struct plan *plan = &s->plan;
    uint32_t id = scenario_first_member(s) + index;

    plan_scope(plan, "member%" PRIu32, index);
    s->client_options[id] = (struct model_client_options){
        .id = id,
        .timeout_ms = (uint32_t)plan_pick_of(plan, "timeout.ms", 5000, 10000), /* > a rebalance */
        .reconnect_max_ms = (uint32_t)plan_pick_of(plan, "reconnect.ms", 10, 30, 60),
    };
    s->member_options[index] = (struct model_member_options){
        .group = index % s->member_groups_count,
        .is_static = plan_odds(plan, "static", 1, 3),
        .session_ms = (uint32_t)plan_pick_of(plan, "session.ms", 200, 1000, 3000),
        .rebalance_ms = (uint32_t)plan_pick_of(plan, "rebalance.ms", 300, 1000, 3000),
        .pause_max_ms = (uint32_t)plan_pick_of(plan, "pause.ms", 10, 30, 60),
    };
}

static void draw_janitor(struct scenario *s)
{
    struct plan *plan = &s->plan;
    uint32_t id = scenario_first_member(s) + s->members_count;

    plan_scope(plan, "janitor");
    s->client_options[id] = client_options(s, id);
    s->janitor_options = (struct model_janitor_options){
        .pause_max_ms = (uint32_t)plan_pick_of(plan, "pause.ms", 20, 200, 1000),
        .recreations_max =
            (uint32_t)plan_count(plan, "recreations", 0, RECREATIONS_MAX, RECREATIONS_MAX),
        .deletes_records = plan_has(plan, PLAN_DELETE_RECORDS),
        .pipelines = plan_has(plan, PLAN_PIPELINES),
        .segment_bytes = plan_has(plan, PLAN_SEGMENTS) ? scenario_draw_segment_bytes(s) : 0,
    };
}

static void draw_crowd(struct scenario *s)
{
    struct plan *plan = &s->plan;
    uint32_t id = scenario_first_member(s) + s->members_count + s->janitors_count;
    struct model_crowd_options *options = &s->crowd_options;

    plan_scope(plan, "crowd");
    s->client_options[id] = (struct model_client_options){
        .id = id,
        .timeout_ms = 30000, /* a broker that starts opens thousands of logs */
        .reconnect_max_ms = 50,
    };
    *options = (struct model_crowd_options){
        .topics_count = (uint32_t)plan_pick_of(plan, "topics", 1500, 2500, CROWD_TOPICS_MAX),
        .batch_max = (uint32_t)plan_pick_of(plan, "batch", 100, CROWD_BATCH_MAX),
        .pause_max_ms = (uint32_t)plan_pick_of(plan, "pause.ms", 2, 20),
    };
    options->deleted_max =
        options->topics_count / (uint32_t)plan_pick_of(plan, "one.deleted.of", 10, 4, 2);
}

/* Half of the seeds have members of groups. */
static void count_members(struct scenario *s)
{
    struct plan *plan = &s->plan;

    if (plan_has(plan, PLAN_LONG)) /* an empty group goes with its offsets, and begins anew */
        return;
    if (!plan_odds(plan, "has.members", 1, 2))
        return;
    s->members_count = (uint32_t)plan_count(plan, "members", 1, 2, MEMBERS_MAX);
    s->member_groups_count = (uint32_t)plan_range(plan, "member.groups", 1, 2);
    s->assignment_odds = plan_count(plan, "assignment.crash.odds", 0, 8, 8);
    scenario_draw_set(s, "group.min.session.timeout.ms=1");
    scenario_draw_set(s, "group.initial.rebalance.delay.ms=%" PRIu64,
                      plan_pick_of(plan, "rebalance.delay.ms", 0, 50, 500));
}

void scenario_draw_clients(struct scenario *s)
{
    struct plan *plan = &s->plan;

    plan_scope_none(plan);
    s->producers_count = (uint32_t)plan_range(plan, "producers", 1, PRODUCERS_MAX);
    s->consumers_count = (uint32_t)plan_count(plan, "consumers", 1, 2, CONSUMERS_MAX);
    s->groups_count = (uint32_t)plan_range(plan, "groups", 0, GROUPS_MAX);
    count_members(s);
    s->janitors_count = plan_has(plan, PLAN_DELETE_RECORDS) || plan_has(plan, PLAN_RECREATE) ||
                        plan_has(plan, PLAN_SEGMENTS);
    s->crowds_count = plan_has(plan, PLAN_CROWD) ? 1 : 0;
    plan_scope(plan, "admin");
    s->client_options[0] = client_options(s, 0);
    for (uint32_t i = 0; i < s->producers_count; i++)
        draw_producer(s, i);
    for (uint32_t i = 0; i < s->consumers_count; i++)
        draw_consumer(s, i);
    for (uint32_t i = 0; i < s->groups_count; i++)
        draw_group(s, i);
    for (uint32_t i = 0; i < s->members_count; i++)
        draw_member(s, i);
    if (s->janitors_count > 0)
        draw_janitor(s);
    if (s->crowds_count > 0)
        draw_crowd(s);
}
