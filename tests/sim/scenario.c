#include "tests/sim/scenario.h"

#include "base/check.h"
#include "base/mem.h"
#include "tests/sim/model_consumer.h"
#include "tests/sim/model_group.h"
#include "tests/sim/model_janitor.h"
#include "tests/sim/model_member.h"
#include "tests/sim/model_producer.h"
#include "tests/sim/oracle_group.h"
#include "tests/sim/plan.h"
#include "tests/sim/sim_broker.h"
#include "tests/sim/sim_buggify.h"
#include "tests/sim/sim_image.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum {
    PRODUCERS_MAX = 4,
    CONSUMERS_MAX = 3, /* the auditor is the first */
    GROUPS_MAX = 2,
    MEMBERS_MAX = 5,
    CLIENTS_MAX = 2 + PRODUCERS_MAX + CONSUMERS_MAX + GROUPS_MAX + MEMBERS_MAX,
    RECREATIONS_MAX = 5,
    VERSION_WITH_IDS = 13, /* of Produce and Fetch */
    SHARDS_MAX = 3,
    SETS_MAX = 40,
    SET_BYTES_MAX = 96,
    GROUP_READS = 20,      /* of committed offsets, in an audit */
    OPEN_FAILURES_MAX = 4, /* then the disk is healed for the next start */
};

#define MIXED_MESSAGE_BYTES_MAX 8388608
#define MIXED_BYTES_LIMIT (12ULL << 20) /* of one producer */
#define DAY_MS 86400000LL
#define YEAR_MS 31536000000
#define RETENTION_DEFAULT_MS 604800000

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
    struct sim_disk_options disk; /* with faults; the node's begins and ends without */
    char sets_text[SETS_MAX][SET_BYTES_MAX];
    const char *sets[SETS_MAX + 1];
    uint32_t sets_count;
    uint32_t producers_count;
    uint32_t consumers_count;
    uint32_t groups_count;
    uint32_t members_count;
    uint32_t janitors_count; /* 0 or 1 */
    uint32_t member_groups_count;
    uint32_t topics_at_start;
    uint32_t topics_count; /* that the admin makes; others come by the janitor */
    struct model_admin admin;
    struct model_producer producers[PRODUCERS_MAX];
    struct model_consumer consumers[CONSUMERS_MAX];
    struct model_group groups[GROUPS_MAX];
    struct model_member members[MEMBERS_MAX];
    struct model_janitor janitor;
    int32_t assigned_generations[ORACLE_GROUPS_MAX]; /* the newest */
    struct prng members_prng;   /* of all that concerns them: the rest of a seed is as without */
    struct prng shards_prng;    /* as that */
    struct prng producers_prng; /* who floods one partition */
    uint32_t shard_change_odds; /* of ten: a start has another number of shards */
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

printf_like(2, 3) static void say(const struct scenario *s, const char *format, ...)
{
    va_list args;

    if (!s->options->trace)
        return;
    fprintf(stderr, "%12.6f == ", (double)sim_world_now_ns(s->world) / 1e9);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static uint32_t draw(struct scenario *s, uint32_t min, uint32_t max)
{
    return min + (uint32_t)prng_below(&s->prng, (uint64_t)max - min + 1);
}

static bool odds(struct scenario *s, uint32_t numerator, uint32_t denominator)
{
    return prng_chance(&s->prng, numerator, denominator);
}

/* One of the numbers given. */
#define draw_of(s, ...)                            \
    (((const uint32_t[]){__VA_ARGS__})[prng_below( \
        &(s)->prng, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))])

static enum sim_crash crash_kind(struct scenario *s, struct prng *prng);

/* A leader sends the first assignment of a generation: now and then the broker dies about then. */
static void crash_assignment(struct scenario *s, const struct history_event *event)
{
    struct sim_node *node = s->broker.node;

    if (event->generation <= s->assigned_generations[event->group])
        return;
    s->assigned_generations[event->group] = event->generation;
    if (s->faults_on && s->crash_faults && sim_node_is_running(node) &&
        prng_chance(&s->members_prng, 1, 8))
        sim_node_crash_within(node, 8 * SIM_MS, crash_kind(s, &s->members_prng));
}

/* As the broker may see it, which believes any time until it is up. */
static void look_at_clock(struct scenario *s)
{
    int64_t wall_ms = clock_wall_ms(sim_node_clock(s->broker.node));

    if (s->broker.ready)
        oracle_age_look(&s->oracle->age, sim_world_now_ns(s->world), wall_ms);
    else
        oracle_age_start(&s->oracle->age, sim_world_now_ns(s->world), wall_ms);
}

static void on_event(void *context, const struct history_event *event)
{
    struct scenario *s = context;
    uint64_t before = s->oracle->complaints_count;
    char text[HISTORY_TEXT_MAX];
    int64_t wall_ms = clock_wall_ms(sim_node_clock(s->broker.node));

    if (s->oracle->wall_min_ms == 0 || wall_ms < s->oracle->wall_min_ms)
        s->oracle->wall_min_ms = wall_ms;
    look_at_clock(s);
    oracle_take(s->oracle, event);
    if (event->kind == HISTORY_ASSIGN)
        crash_assignment(s, event);
    if (!s->options->trace)
        return;
    history_format(event, text);
    fprintf(stderr, "%s%s\n", text,
            s->oracle->complaints_count > before ? "   <<<<<< complaint" : "");
}

/* ---- what there is */

printf_like(2, 3) static void set(struct scenario *s, const char *format, ...)
{
    va_list args;

    check(s->sets_count < SETS_MAX);
    va_start(args, format);
    vsnprintf(s->sets_text[s->sets_count], SET_BYTES_MAX, format, args);
    va_end(args);
    s->sets[s->sets_count] = s->sets_text[s->sets_count];
    s->sets_count++;
}

/* What is bounded, drawn small. */
static void draw_limits(struct scenario *s)
{
    struct plan *plan = &s->plan;

    set(s, "levee.max.in.flight.requests.per.connection=%" PRIu64, plan_pick_of(plan, 1, 2, 5, 64));
    set(s, "levee.open.files.max=%" PRIu64, plan_pick_of(plan, 16, 20, 16384));
    set(s, "max.incremental.fetch.session.cache.slots=%" PRIu64, plan_pick_of(plan, 0, 1, 1000));
    s->oracle->producers_idle_ms = (int64_t)plan_pick_of(plan, 86400000, 604800000);
    set(s, "producer.id.expiration.ms=%" PRId64, s->oracle->producers_idle_ms);
}

static void draw_broker(struct scenario *s)
{
    struct sim_broker_options options = {.shards_count = draw(s, 1, 2),
                                         .sets = s->sets,
                                         .disk = &s->disk,
                                         .print_log = s->options->trace};

    sim_disk_options_draw(&s->disk, &s->prng);
    set(s, "log.dirs=data");
    set(s, "listeners=PLAINTEXT://:%d", SIM_BROKER_PORT);
    set(s, "levee.shards=%" PRIu32, options.shards_count);
    set(s, "levee.http.listener=");
    set(s, "levee.disk.reserve.bytes=0");
    set(s, "log.segment.bytes=1048576");
    set(s, "levee.journal.max.bytes=16777216");
    set(s, "levee.tail.cache.bytes=4194304");
    set(s, "levee.checkpoint.interval.ms=%" PRIu32, draw_of(s, 10, 20, 50, 100, 500, 2000));
    set(s, "log.index.interval.bytes=%" PRIu32, draw_of(s, 0, 512, 4096));
    set(s, "metadata.log.max.record.bytes.between.snapshots=%" PRIu32,
        draw_of(s, 256, 4096, 1 << 20));
    set(s, "offsets.topic.num.partitions=%" PRIu32, draw(s, 1, 3));
    set(s, "offsets.topic.segment.bytes=1048576");
    s->oracle->offsets_retention_ms = 10080 * 60000LL;
    s->oracle->producers_idle_ms = DAY_MS;
    if (plan_has(&s->plan, PLAN_LONG)) {
        uint64_t minutes = plan_pick_of(&s->plan, 60, 1440, 10080);
        set(s, "offsets.retention.minutes=%" PRIu64, minutes);
        s->oracle->offsets_retention_ms = (int64_t)minutes * 60000;
    }
    if (plan_has(&s->plan, PLAN_RETENTION) || plan_has(&s->plan, PLAN_LONG))
        set(s, "log.retention.check.interval.ms=%" PRIu64,
            plan_pick_of(&s->plan, 50, 1000, 300000));
    if (plan_has(&s->plan, PLAN_LIMITS))
        draw_limits(s);
    sim_broker_init(&s->broker, s->world, "broker", &options);
    s->disk = s->broker.node->disk.options; /* with what init filled in */
    sim_disk_heal(&s->broker.node->disk);
}

/* What lets its records go, now and then nothing. */
static void draw_retention(struct scenario *s, struct model_topic *topic)
{
    struct plan *plan = &s->plan;
    bool is_long = plan_has(plan, PLAN_LONG);

    topic->rules.retention_ms =
        is_long ? (int64_t)plan_pick_of(plan, 60000, 3600000, 86400000, 604800000)
                : (int64_t)plan_pick_of(plan, 500, 5000, 60000, 3600000);
    topic->rules.retention_bytes = (int64_t)plan_pick_of(plan, 0, 1, 1048576, 4194304) - 1;
    if (plan_odds(plan, 1, 4))
        topic->rules.retention_ms = -1;
    model_topics_set(&s->topics, "retention.ms", "%" PRId64, topic->rules.retention_ms);
    model_topics_set(&s->topics, "retention.bytes", "%" PRId64, topic->rules.retention_bytes);
    model_topics_set(&s->topics, "segment.ms", "%" PRIu64,
                     plan_pick_of(plan, 100, 1000, 10000, 600000, 604800000));
    model_topics_set(&s->topics, "file.delete.delay.ms", "%" PRIu64,
                     plan_pick_of(plan, 0, 100, 60000));
}

/* What the topic that was added last is like in the wide world. */
static void draw_topic_configs(struct scenario *s)
{
    static const char *const codecs[] = {"uncompressed", "gzip", "snappy", "lz4", "zstd"};
    struct model_topic *topic = &s->topics.at[s->topics.count - 1];
    struct plan *plan = &s->plan;

    model_topics_set(&s->topics, "segment.bytes", "%d",
                     plan_has(plan, PLAN_SIZES) ? MIXED_MESSAGE_BYTES_MAX : 1048576);
    if (plan_has(plan, PLAN_CACHE) && plan_odds(plan, 1, 2)) {
        model_topics_set(&s->topics, "levee.durability", "cache");
        topic->rules.cache = true;
    }
    if (plan_has(plan, PLAN_APPEND_TIME) && plan_odds(plan, 1, 2)) {
        model_topics_set(&s->topics, "message.timestamp.type", "LogAppendTime");
        topic->rules.append_time = true;
    }
    if (plan_has(plan, PLAN_RECODE) && plan_odds(plan, 1, 2))
        model_topics_set(&s->topics, "compression.type", "%s",
                         codecs[plan_pick_of(plan, 0, 1, 2, 3, 4)]);
    if (plan_has(plan, PLAN_LONG) || plan_has(plan, PLAN_CLOCK))
        topic->rules.retention_ms = RETENTION_DEFAULT_MS;
    topic->mortal = plan_has(plan, PLAN_RECREATE) && s->topics.count > 1;
    topic->trims = plan_has(plan, PLAN_DELETE_RECORDS) && !topic->mortal;
    if (plan_has(plan, PLAN_RETENTION) && !topic->mortal)
        draw_retention(s, topic);
    if (plan_has(plan, PLAN_SIZES))
        model_topics_set(&s->topics, "max.message.bytes", "%d", MIXED_MESSAGE_BYTES_MAX);
    model_topics_set(&s->topics, "message.timestamp.after.max.ms", "%" PRId64, INT64_MAX);
}

static void draw_topics(struct scenario *s)
{
    uint32_t count = draw(s, 1, 3);

    s->topics.plain = !plan_has(&s->plan, PLAN_RECORDS);

    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof(name), "t%" PRIu32, i);
        model_topics_add(&s->topics, name, draw(s, 1, 4));
        draw_topic_configs(s);
    }
    for (uint32_t i = 0; i < s->topics.partitions_count; i++)
        oracle_set_rules(s->oracle, i, &model_topics_of_partition(&s->topics, i)->rules);
    s->topics_at_start = draw(s, 1, count);
    s->topics_count = count;
}

static void draw_faults(struct scenario *s)
{
    s->crash_faults = odds(s, 7, 8);
    s->power_faults = odds(s, 3, 4);
    s->pause_faults = odds(s, 1, 2);
    s->clock_faults = odds(s, 1, 2);
    s->stop_faults = odds(s, 1, 2);
    s->double_crash_odds = draw_of(s, 0, 2, 5, 8);
}

static struct model_client_options client_options(struct scenario *s, uint32_t id)
{
    bool reads_slowly = plan_has(&s->plan, PLAN_SLOW) && id > s->producers_count + 1 &&
                        id <= s->producers_count + s->consumers_count;

    return (struct model_client_options){
        .id = id,
        .read_pause_max_ms = reads_slowly ? (uint32_t)plan_pick_of(&s->plan, 0, 5, 200) : 0,
        .stop_reading_ppm = reads_slowly ? (uint32_t)plan_pick_of(&s->plan, 0, 1000, 20000) : 0,
        .hang_up_ppm =
            plan_has(&s->plan, PLAN_HANG_UP) ? (uint32_t)plan_pick_of(&s->plan, 0, 500, 5000) : 0,
        .broker = sim_node_address(s->broker.node, SIM_BROKER_PORT),
        .timeout_ms = draw_of(s, 500, 2000, 10000),
        .reconnect_max_ms = draw_of(s, 5, 50, 500),
    };
}

/* Half of the seeds have members of groups. */
static void draw_members(struct scenario *s)
{
    static const uint32_t delays_ms[] = {0, 50, 500};
    struct prng *prng = &s->members_prng;

    if (prng_chance(prng, 1, 2))
        return;
    if (plan_has(&s->plan, PLAN_LONG)) /* an empty group goes with its offsets, and begins anew */
        return;
    s->members_count = 2 + (uint32_t)prng_below(prng, MEMBERS_MAX - 1);
    s->member_groups_count = 1 + (uint32_t)prng_below(prng, 2);
    set(s, "group.min.session.timeout.ms=1");
    set(s, "group.initial.rebalance.delay.ms=%" PRIu32, delays_ms[prng_below(prng, 3)]);
}

/* ---- clients as programs of nodes; the index in client_nodes is the id */

/* The id of the first member. */
static uint32_t first_member(const struct scenario *s)
{
    return 1 + s->producers_count + s->consumers_count + s->groups_count;
}

static void start_member(struct scenario *s, struct sim_node *node, uint32_t id)
{
    static const uint32_t sessions_ms[] = {200, 1000, 3000};
    static const uint32_t rebalances_ms[] = {300, 1000, 3000};
    static const uint32_t pauses_ms[] = {10, 30, 60};
    struct prng *prng = &s->members_prng;
    struct model_client_options client = {
        .id = id,
        .broker = sim_node_address(s->broker.node, SIM_BROKER_PORT),
        .timeout_ms = 5000 * (1 + (uint32_t)prng_below(prng, 2)), /* longer than a rebalance */
        .reconnect_max_ms = pauses_ms[prng_below(prng, 3)],
    };
    struct model_member_options options = {
        .group = (id - first_member(s)) % s->member_groups_count,
        .is_static = prng_chance(prng, 1, 3),
        .session_ms = sessions_ms[prng_below(prng, 3)],
        .rebalance_ms = rebalances_ms[prng_below(prng, 3)],
        .pause_max_ms = pauses_ms[prng_below(prng, 3)],
    };

    model_member_init(&s->members[id - first_member(s)], node, &s->history, &client, &options,
                      &s->topics);
}

/* What the plan has for producers. */
static void widen_producer(struct scenario *s, struct model_producer_options *options)
{
    struct plan *plan = &s->plan;

    if (plan_has(plan, PLAN_SIZES)) {
        options->mixed_bytes_log2 = (uint32_t)plan_pick_of(plan, 12, 16, 20, 22);
        options->mixed_bytes_limit = MIXED_BYTES_LIMIT;
    }
    if (plan_has(plan, PLAN_LIES))
        options->lie_odds = (uint32_t)plan_pick_of(plan, 5, 50);
    if (plan_has(plan, PLAN_REFUSED))
        options->bad_odds = (uint32_t)plan_pick_of(plan, 2, 20);
    if (plan_has(plan, PLAN_ACKS_ZERO))
        options->acks_zero_odds = (uint32_t)plan_pick_of(plan, 0, 30, 100);
    if (plan_has(plan, PLAN_RETENTION))
        options->dated_max_ms = (uint32_t)plan_pick_of(plan, 0, 5000, 86400000);
    if (plan_has(plan, PLAN_RECREATE))
        options->version_min = VERSION_WITH_IDS;
    if (plan_has(plan, PLAN_ACKS_ONE))
        options->acks_one_odds = (uint32_t)plan_pick_of(plan, 0, 30, 100);
}

static void start_client(struct sim_node *node)
{
    struct scenario *s = node->options.context;
    uint32_t id = node->index - s->broker.node->index - 1;
    struct model_client_options client;

    if (id >= first_member(s) && id < first_member(s) + s->members_count) {
        start_member(s, node, id);
        return;
    }
    client = client_options(s, id);
    if (id >= first_member(s)) {
        struct model_janitor_options options = {
            .pause_max_ms = (uint32_t)plan_pick_of(&s->plan, 20, 200, 1000),
            .recreations_max = RECREATIONS_MAX,
            .deletes_records = plan_has(&s->plan, PLAN_DELETE_RECORDS),
            .pipelines = plan_has(&s->plan, PLAN_PIPELINES),
        };
        model_janitor_init(&s->janitor, node, &s->history, &client, &options, &s->topics,
                           s->oracle);
        return;
    }

    if (id == 0) {
        model_admin_init(&s->admin, node, &s->history, &client, &s->topics, s->topics_at_start);
    } else if (id <= s->producers_count) {
        struct model_producer_options options = {
            .idempotent = odds(s, 3, 4),
            .flights_max = draw(s, 1, PRODUCER_FLIGHTS_MAX),
            .records_max = draw_of(s, 1, 3, 20),
            .value_bytes_max = draw_of(s, 8, 100, 1000, 20000),
            .pause_max_ms = draw_of(s, 2, 20, 200),
            .request_batches_max = draw(s, 1, 4),
            .records_limit = draw_of(s, 50, 300, 1000),
            .codec = odds(s, 1, 2) ? COMPRESSION_NONE
                                   : (enum compression)draw(s, 0, COMPRESSION_COUNT - 1),
        };
        if (prng_chance(&s->producers_prng, 1, 3)) {
            options.one_partition = true;
            options.flights_max = PRODUCER_FLIGHTS_MAX;
        }
        widen_producer(s, &options);
        model_producer_init(&s->producers[id - 1], node, &s->history, &client, &options,
                            &s->topics);
    } else if (id > s->producers_count + s->consumers_count) {
        model_group_init(&s->groups[id - 1 - s->producers_count - s->consumers_count], node,
                         &s->history, &client, draw_of(s, 5, 50, 200), &s->topics, s->oracle);
        s->groups[id - 1 - s->producers_count - s->consumers_count].pipelines =
            plan_has(&s->plan, PLAN_PIPELINES);
    } else {
        struct model_consumer_options options = {
            .max_wait_ms = draw_of(s, 0, 20, 500),
            .bytes_max = draw_of(s, 1, 10000, 1 << 20),
            .partition_bytes_max = draw_of(s, 1, 5000, 1 << 20),
            .pause_max_ms = draw_of(s, 2, 20, 200),
            .auditor = id == s->producers_count + 1,
        };
        if (plan_has(&s->plan, PLAN_RECREATE))
            options.version_min = VERSION_WITH_IDS;
        if (options.auditor)
            options.bytes_max = options.partition_bytes_max = 1 << 20;
        model_consumer_init(&s->consumers[id - 1 - s->producers_count], node, &s->history, &client,
                            &options, &s->topics, s->oracle);
    }
}

static void end_client(struct sim_node *node, enum sim_crash kind)
{
    struct scenario *s = node->options.context;
    uint32_t id = node->index - s->broker.node->index - 1;

    if (id == 0)
        model_admin_deinit(&s->admin);
    else if (id <= s->producers_count)
        model_producer_deinit(&s->producers[id - 1]);
    else if (id >= first_member(s) + s->members_count)
        model_janitor_deinit(&s->janitor);
    else if (id >= first_member(s))
        model_member_deinit(&s->members[id - first_member(s)]);
    else if (id > s->producers_count + s->consumers_count)
        model_group_deinit(&s->groups[id - 1 - s->producers_count - s->consumers_count]);
    else
        model_consumer_deinit(&s->consumers[id - 1 - s->producers_count]);
}

static void start_clients(struct scenario *s)
{
    uint32_t count;

    s->producers_count = draw(s, 1, PRODUCERS_MAX);
    s->consumers_count = draw(s, 2, CONSUMERS_MAX);
    s->groups_count = draw(s, 0, GROUPS_MAX);
    s->janitors_count =
        plan_has(&s->plan, PLAN_DELETE_RECORDS) || plan_has(&s->plan, PLAN_RECREATE) ? 1 : 0;
    count = first_member(s) + s->members_count + s->janitors_count;
    for (uint32_t i = 0; i < count; i++) {
        char name[24];
        snprintf(name, sizeof(name), "client %" PRIu32, i);
        s->client_nodes[i] = sim_node_create(
            s->world, &(struct sim_node_options){
                          .name = name, .start = start_client, .end = end_client, .context = s});
        sim_node_start(s->client_nodes[i]);
    }
    s->client_nodes_count = count;
}

static struct model_consumer *auditor(struct scenario *s)
{
    return &s->consumers[0];
}

/* ---- the broker lives, dies and comes back */

static bool needs_attention(void *context)
{
    const struct scenario *s = context;

    return !sim_node_is_running(s->broker.node) || s->broker.failed || s->broker.stopped ||
           s->broker.open_err != OK;
}

static void set_faults(struct scenario *s, bool on)
{
    s->faults_on = on;
    if (on) {
        s->broker.node->disk.options = s->disk;
        s->world->net.no_faults = false;
    } else {
        sim_world_heal(s->world);
        s->broker.node->disk.options.capacity_bytes = s->disk.capacity_bytes;
    }
}

static enum sim_crash crash_kind(struct scenario *s, struct prng *prng)
{
    return s->power_faults && prng_chance(prng, 2, 3) ? SIM_POWER_LOSS : SIM_KILL;
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

/* Told when it is noticed, which is not before it happens; and whether the power was lost. */
static void tell_broker(struct scenario *s, enum history_kind kind)
{
    struct history_event event = {
        .kind = HISTORY_POWER_LOST, .time_ns = sim_world_now_ns(s->world), .offset = -1};
    uint64_t power_losses = sim_world_stats(s->world)->power_crashes;

    if (power_losses > s->power_losses_told)
        history_add(&s->history, &event);
    s->power_losses_told = power_losses;
    event.kind = kind;

    history_add(&s->history, &event);
}

/* levee.shards may be another at each start. */
static void choose_shards(struct scenario *s)
{
    uint32_t count = 1 + (uint32_t)prng_below(&s->shards_prng, SHARDS_MAX);

    if (!prng_chance(&s->shards_prng, s->shard_change_odds, 10) || count == s->broker.shards_count)
        return;
    s->shard_changes_count++;
    sim_mark(MARK_SHARDS_CHANGED);
    sim_broker_set_shards(&s->broker, count);
    say(s, "levee.shards=%" PRIu32, count);
}

static void start_broker(struct scenario *s)
{
    struct sim_node *node = s->broker.node;
    uint32_t failures = 0;

    for (;;) {
        tell_broker(s, HISTORY_BROKER_DOWN);
        choose_shards(s);
        bool interrupted = s->faults_on && s->crash_faults && odds(s, s->double_crash_odds, 10);
        if (interrupted)
            sim_node_crash_at_call(node, draw_of(s, 10, 100, 1000) * draw(s, 1, 10) / 10,
                                   crash_kind(s, &s->prng));
        s->broker.ready = false; /* as it will be: look_at_clock */
        tell_broker(s, HISTORY_BROKER_UP);
        sim_node_start(node);
        say(s, "broker started: %s%s", err_name(s->broker.open_err),
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
            set_faults(s, false);
    }
}

/* time passes; whenever the broker is down it is started again, a little later. */
static bool run_until(struct scenario *s, bool (*condition)(struct scenario *), uint64_t limit_ns)
{
    uint64_t until_ns = sim_world_now_ns(s->world) + limit_ns;
    bool (*attention)(void *) = needs_attention;

    while (oracle_first(s->oracle) == NULL) {
        if (condition != NULL && condition(s))
            return true;
        if (needs_attention(s)) {
            say(s, "broker is down: running %d failed %d stopped %d open %s",
                sim_node_is_running(s->broker.node), s->broker.failed, s->broker.stopped,
                err_name(s->broker.open_err));
            end_process(s);
            tell_broker(s, HISTORY_BROKER_DOWN);
            sim_world_run_for(s->world, draw(s, 0, 300) * SIM_MS);
            start_broker(s);
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

/* ---- phases */

static int64_t clock_step_ms(struct scenario *s)
{
    int64_t step_ms;

    if (!plan_has(&s->plan, PLAN_CLOCK))
        return 0;
    step_ms = (int64_t)plan_pick_of(&s->plan, 0, 3600000, 86400000, 604800000, YEAR_MS);
    return plan_odds(&s->plan, 1, 2) ? step_ms : -step_ms;
}

static void jump_wall(struct scenario *s, int64_t step_ms)
{
    look_at_clock(s);
    sim_node_jump_wall(s->broker.node, step_ms);
    look_at_clock(s);
}

/* Little more space than what is written, or as much as ever again. */
static void draw_space(struct scenario *s)
{
    struct sim_disk *disk = &s->broker.node->disk;
    uint64_t used_bytes = sim_disk_capacity_bytes(disk) - sim_disk_free_bytes(disk);

    if (!plan_has(&s->plan, PLAN_FULL_DISK) || !s->faults_on || !plan_odds(&s->plan, 1, 2))
        return;
    disk->options.capacity_bytes = s->disk.capacity_bytes;
    if (plan_odds(&s->plan, 1, 4))
        return;
    disk->options.capacity_bytes =
        used_bytes + plan_pick_of(&s->plan, 0, 10000, 1000000, 10000000, 20000000);
    sim_mark(MARK_DISK_FULL);
}

static void draw_fault(struct scenario *s)
{
    struct sim_node *node = s->broker.node;
    uint64_t within_ns = draw_of(s, 1, 10, 100, 1000) * SIM_MS;

    switch (draw(s, 0, 6)) {
    case 0:
    case 1:
        if (s->crash_faults)
            sim_node_crash_within(node, within_ns, crash_kind(s, &s->prng));
        break;
    case 2:
        if (s->crash_faults)
            sim_node_crash_at_call(node, draw_of(s, 3, 30, 300) * draw(s, 1, 10) / 3 + 1,
                                   crash_kind(s, &s->prng));
        break;
    case 3:
        if (s->pause_faults)
            sim_node_pause(node, draw_of(s, 10, 1000, 20000) * SIM_MS);
        break;
    case 4:
        if (s->clock_faults)
            jump_wall(s, (int64_t)draw(s, 0, 2000000) - 1000000 + clock_step_ms(s));
        break;
    case 5:
        if (s->stop_faults)
            sim_broker_ask_stop(&s->broker);
        break;
    case 6:
        set_faults(s, odds(s, 2, 3)); /* a calm while, or not */
        break;
    }
}

static void safety(struct scenario *s)
{
    uint32_t rounds = draw(s, 2, 12);

    say(s, "faults");
    set_faults(s, true);
    for (uint32_t i = 0; i < rounds && oracle_first(s->oracle) == NULL; i++) {
        draw_fault(s);
        draw_space(s);
        run_until(s, NULL, draw_of(s, 20, 200, 1000) * SIM_MS);
        if (i == rounds / 2)
            s->admin.wanted = s->topics_count;
    }
    s->admin.wanted = s->topics_count;
}

/* ---- a long life: bursts, and idle time between them */

enum { BURST_RECORDS = 100, EPISODES_MAX = 4 };

static bool producers_done(struct scenario *s)
{
    for (uint32_t i = 0; i < s->producers_count; i++)
        if (!model_producer_is_done(&s->producers[i]))
            return false;
    return model_admin_is_done(&s->admin);
}

static void hold_producers(struct scenario *s, bool held)
{
    for (uint32_t i = 0; i < s->producers_count; i++) {
        s->producers[i].finishing = held;
        if (!held)
            s->producers[i].options.records_limit += BURST_RECORDS;
    }
}

/* Nobody asks anything for so long; the broker lives, is down, or stands still with its host. */
static void idle(struct scenario *s)
{
    struct plan *plan = &s->plan;
    uint64_t hours = plan_pick_of(plan, 1, 1, 2, 6);
    uint64_t days = plan_pick_of(plan, 1, 2, 8, 20);
    uint64_t time_ns = plan_odds(plan, 1, 3) ? 60 * SIM_SECOND : hours * SIM_HOUR;
    struct sim_node *node = s->broker.node;
    bool down = plan_odds(plan, 1, 3);
    bool frozen = !down && plan_odds(plan, 1, 3);

    if (down || frozen)
        time_ns = plan_odds(plan, 1, 2) ? hours * SIM_HOUR : days * 24 * SIM_HOUR;
    say(s, "idle for %" PRIu64 " s%s%s", (uint64_t)(time_ns / SIM_SECOND), down ? ", down" : "",
        frozen ? ", frozen" : "");
    for (uint32_t i = 0; i < s->client_nodes_count; i++)
        sim_node_pause(s->client_nodes[i], time_ns);
    if (down && sim_node_is_running(node)) {
        if (plan_odds(plan, 1, 2))
            sim_node_stop(node);
        else
            sim_node_crash(node, crash_kind(s, &plan->prng));
        tell_broker(s, HISTORY_BROKER_DOWN);
        sim_world_run_for(s->world, time_ns);
        start_broker(s);
    } else {
        if (frozen)
            sim_node_pause(node, time_ns);
        run_until(s, NULL, time_ns);
    }
    if (down || frozen) {
        if (time_ns >= 24 * SIM_HOUR)
            sim_mark(down ? MARK_LONG_DOWN : MARK_LONG_FROZEN);
    } else if (time_ns >= SIM_HOUR) {
        sim_mark(MARK_LONG_ALIVE);
    }
}

static void live_long(struct scenario *s)
{
    uint32_t episodes = 1 + (uint32_t)prng_below(&s->plan.prng, EPISODES_MAX);

    for (uint32_t i = 0; i < episodes && oracle_first(s->oracle) == NULL; i++) {
        set_faults(s, false);
        hold_producers(s, true);
        /* who still waits for an answer would give up in so long a time */
        if (!run_until(s, producers_done, FINISH_LIMIT))
            return;
        idle(s);
        hold_producers(s, false);
        set_faults(s, plan_odds(&s->plan, 1, 2));
        run_until(s, NULL, plan_pick_of(&s->plan, 200, 1000, 3000) * SIM_MS);
    }
}

static bool all_done(struct scenario *s)
{
    if (!model_admin_is_done(&s->admin))
        return false;
    for (uint32_t i = 0; i < s->producers_count; i++)
        if (!model_producer_is_done(&s->producers[i]))
            return false;
    for (uint32_t i = 0; i < s->members_count; i++)
        if (!model_member_is_settled(&s->members[i]))
            return false;
    if (s->janitors_count > 0 && !model_janitor_is_done(&s->janitor))
        return false;
    return s->broker.ready;
}

static void tell_late(struct scenario *s)
{
    struct history_event event = {.kind = HISTORY_LATE, .offset = -1};

    if (!s->broker.ready)
        oracle_complain(s->oracle, "LATE", sim_world_now_ns(s->world), "the broker is not ready");
    if (!model_admin_is_done(&s->admin))
        model_client_tell(&s->admin.client, &event);
    for (uint32_t i = 0; i < s->producers_count; i++)
        if (!model_producer_is_done(&s->producers[i]))
            model_client_tell(&s->producers[i].client, &event);
    for (uint32_t i = 0; i < s->members_count; i++)
        if (!model_member_is_settled(&s->members[i]))
            model_client_tell(&s->members[i].client, &event);
    if (s->janitors_count > 0 && !model_janitor_is_done(&s->janitor))
        model_client_tell(&s->janitor.client, &event);
}

/* Errors of the disk while a broker starts set partitions aside. */
static bool may_quarantine(const struct scenario *s)
{
    return s->disk.read_error_ppm > 0 || s->disk.write_error_ppm > 0 || s->disk.other_error_ppm > 0;
}

static void liveness(struct scenario *s)
{
    say(s, "heal");
    set_faults(s, false);
    sim_net_options_init(&s->world->net.options); /* a network on which everybody can finish */
    sim_queue_remove(&s->world->queue, &s->broker.node->crash_event);
    sim_node_crash_at_call(s->broker.node, 0, SIM_KILL);
    if (may_quarantine(s)) { /* a partition that could not be read waits for a start */
        sim_node_crash(s->broker.node, SIM_KILL);
        start_broker(s);
    }
    run_until(s, NULL, SIM_SECOND);
    s->needs_operator = s->broker.quarantined && may_quarantine(s);
    if (s->needs_operator)
        return;
    for (uint32_t i = 0; i < s->producers_count; i++)
        model_producer_finish(&s->producers[i]);
    for (uint32_t i = 0; i < s->groups_count; i++)
        s->groups[i].finishing = true;
    s->janitor.finishing = true;
    for (uint32_t i = 0; i < s->members_count; i++)
        model_member_finish(&s->members[i]);
    if (!run_until(s, all_done, FINISH_LIMIT) && oracle_first(s->oracle) == NULL)
        tell_late(s);
    for (uint32_t i = 1; i < s->consumers_count; i++)
        s->consumers[i].stop = true;
}

static bool audit_done(struct scenario *s)
{
    for (uint32_t i = 0; i < s->groups_count; i++)
        if (s->groups[i].reads_count < s->group_reads[i] + GROUP_READS)
            return false;
    return model_consumer_audit_is_done(auditor(s));
}

static void audit(struct scenario *s)
{
    struct history_event event = {.kind = HISTORY_LATE, .offset = -1};

    if (oracle_first(s->oracle) != NULL)
        return;
    say(s, "audit");
    model_consumer_audit(auditor(s));
    for (uint32_t i = 0; i < s->groups_count; i++)
        s->group_reads[i] = s->groups[i].reads_count;
    if (run_until(s, audit_done, AUDIT_LIMIT) || oracle_first(s->oracle) != NULL)
        return;
    if (!model_consumer_audit_is_done(auditor(s)))
        model_client_tell(&auditor(s)->client, &event);
    else
        model_client_tell(&s->groups[0].client, &event);
}

/* In order; then, perhaps, the power goes: nothing may be lost by that. */
static void stop_and_start(struct scenario *s)
{
    struct sim_node *node = s->broker.node;

    if (oracle_first(s->oracle) != NULL)
        return;
    say(s, "orderly stop");
    sim_node_stop(node);
    if (!s->broker.stopped || s->broker.stop_err != OK)
        oracle_complain(s->oracle, "STOP", sim_world_now_ns(s->world),
                        "the broker does not stop in order without faults");
    if (s->options->export_dir != NULL &&
        sim_image_dump(&node->disk, SIM_DURABLE, s->options->export_dir) != 0)
        oracle_complain(s->oracle, "EXPORT", sim_world_now_ns(s->world),
                        "the disk cannot be copied to the directory");
    if (odds(s, 1, 2)) {
        say(s, "power off");
        sim_disk_power_lost(&node->disk);
    }
    start_broker(s);
}

static void crash_and_start(struct scenario *s)
{
    if (oracle_first(s->oracle) != NULL)
        return;
    say(s, "power loss after the audit");
    sim_node_crash(s->broker.node, SIM_POWER_LOSS);
    start_broker(s);
}

/* ---- bit rot, at the end of all */

struct rot {
    struct scenario *s;
    uint32_t seen_count; /* logs with something in them */
    uint32_t chosen;
    char path[512];
    uint64_t size_bytes;
};

static void see_log(void *context, const char *path, bool is_dir, uint64_t size_bytes)
{
    struct rot *rot = context;
    size_t length = strlen(path);

    if (is_dir || size_bytes == 0 || length < 4 || strcmp(path + length - 4, ".log") != 0 ||
        strstr(path, "/t") == NULL)
        return;
    rot->seen_count++;
    if (!prng_chance(&rot->s->plan.prng, 1, rot->seen_count))
        return;
    snprintf(rot->path, sizeof(rot->path), "%s", path);
    rot->size_bytes = size_bytes;
}

static bool never(struct scenario *s)
{
    return s->oracle->garbled;
}

/* A byte of a segment changes while the broker is down or lives; whatever is read then is right, or
 * an error.  What cannot be read is no complaint any more. */
static void rot(struct scenario *s)
{
    struct sim_disk *disk = &s->broker.node->disk;
    struct rot rot = {.s = s};
    bool while_down = plan_odds(&s->plan, 1, 2);

    if (oracle_first(s->oracle) != NULL)
        return;
    sim_image_walk(disk, SIM_CACHED, see_log, &rot);
    if (rot.seen_count == 0)
        return;
    s->oracle->rotten = true;
    if (while_down)
        sim_node_stop(s->broker.node);
    say(s, "rot in %s", rot.path);
    check(sim_image_flip(disk, rot.path, prng_below(&s->plan.prng, rot.size_bytes),
                         (uint8_t)(1U << prng_below(&s->plan.prng, 8))) == 0);
    if (while_down)
        start_broker(s);
    model_consumer_audit(auditor(s));
    run_until(s, never, 5 * SIM_SECOND);
    if (s->broker.quarantined || !model_consumer_audit_is_done(auditor(s)))
        sim_mark(MARK_ROT_SEEN);
}

static void run_phases(struct scenario *s)
{
    start_broker(s);
    start_clients(s);
    run_until(s, NULL, draw_of(s, 50, 500) * SIM_MS);
    safety(s);
    if (plan_has(&s->plan, PLAN_LONG))
        live_long(s);
    liveness(s);
    if (s->needs_operator)
        return;
    audit(s);
    stop_and_start(s);
    audit(s);
    if (s->crash_faults) {
        crash_and_start(s);
        audit(s);
    }
    if (plan_has(&s->plan, PLAN_ROT))
        rot(s);
    if (oracle_first(s->oracle) == NULL)
        sim_node_stop(s->broker.node);
}

static void report(struct scenario *s, struct scenario_result *out)
{
    const struct oracle_complaint *first = oracle_first(s->oracle);

    out->complaints_count = s->oracle->complaints_count;
    out->acknowledged_count = s->oracle->acknowledged_count;
    out->reads_count = s->oracle->reads_count;
    out->shard_changes_count = s->shard_changes_count;
    out->generations_count = s->oracle->groups->generations_count;
    out->kept_count = s->oracle->groups->kept_count;
    out->hash = sim_world_hash(s->world);
    out->stats = *sim_world_stats(s->world);
    out->virtual_ns = sim_world_now_ns(s->world);
    sim_marks_take(&out->marks);
    if (first == NULL)
        return;
    out->failed = true;
    out->complaint = *first;
    if (s->options->trace)
        history_print_about(&s->history, stderr, first->partition, first->offset, first->value);
}

void scenario_run(const struct scenario_options *options, struct scenario_result *out)
{
    uint64_t blocks_before = mem_used_count();
    struct scenario *s = mem_alloc(sizeof(*s));
    struct sim_world_options world = {.seed = options->seed, .trace = options->trace_world};
    struct sim_net_options net;
    struct prng prng;
    uint64_t crashes_count;
    uint64_t lost_blocks;

    *out = (struct scenario_result){0};
    prng_init(&prng, options->seed);
    prng_fork(&prng, "scenario", &s->prng);
    prng_fork(&prng, "members", &s->members_prng);
    prng_fork(&prng, "shards", &s->shards_prng);
    prng_fork(&prng, "flooding producers", &s->producers_prng);
    s->shard_change_odds = prng_chance(&s->shards_prng, 1, 2) ? 4 : 0;
    s->options = options;
    plan_draw(&s->plan, &prng, options->parts, options->parts_forced);
    out->parts = s->plan.parts;
    sim_net_options_draw(&net, &s->prng);
    if (plan_has(&s->plan, PLAN_SIZES)) { /* bytes by the million */
        net.piece_max_bytes |= 8192;
        net.send_bytes |= 65536;
        net.receive_bytes |= 65536;
    }
    world.net = &net;
    world.lag_ppm = draw_of(s, 0, 1000, 20000);
    history_init(&s->history);
    s->oracle = oracle_create();
    s->history.listen = on_event;
    s->history.context = s;
    s->world = sim_world_create(&world);
    s->world->net.no_faults = true;
    draw_topics(s);
    draw_faults(s);
    draw_members(s);
    draw_broker(s);
    sim_buggify_begin(&s->buggify, s->broker.node, plan_has(&s->plan, PLAN_BUGGIFY));
    run_phases(s);
    report(s, out);
    sim_buggify_end(&s->buggify);
    crashes_count = out->stats.process_crashes + out->stats.power_crashes;
    sim_world_destroy(s->world);
    sim_broker_deinit(&s->broker);
    oracle_destroy(s->oracle);
    history_deinit(&s->history);
    mem_free(s);
    lost_blocks = mem_used_count() - blocks_before;
    if (lost_blocks == 0 || out->failed || crashes_count > 0)
        return;
    out->failed = true;
    out->complaint = (struct oracle_complaint){.rule = "MEM", .time_ns = out->virtual_ns};
    snprintf(out->complaint.text, sizeof(out->complaint.text),
             "%" PRIu64 " blocks of memory were not given back", lost_blocks);
}
