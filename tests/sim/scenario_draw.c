/* What a run has: the broker and its settings, topics, faults, members. */
#include "base/check.h"
#include "tests/sim/oracle.h"
#include "tests/sim/scenario_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { CROWD_SNAPSHOT_BYTES_MIN = 65536 };

/* One of the numbers given. */
#define segments_pick_of(s, ...)                   \
    (((const uint32_t[]){__VA_ARGS__})[prng_below( \
        &(s)->segments_prng, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))])

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

/* Sizes of the store; what the largest batch needs must fit. */
static void draw_store_sizes(struct scenario *s, struct broker_sizes *sizes)
{
    struct plan *plan = &s->plan;
    bool mixed = plan_has(plan, PLAN_SIZES);

    sizes->journal_pending_max_bytes = (uint32_t)plan_pick_of(plan, 0, 4096, 65536, 1 << 20);
    sizes->journal_max_bytes =
        mixed ? plan_pick_of(plan, 0, 32 << 20) : plan_pick_of(plan, 0, 1 << 20, 3 << 20);
    sizes->segment_write_bytes = (uint32_t)plan_pick_of(plan, 0, 4096, 16384);
    sizes->segment_in_flight_max_bytes = (uint32_t)plan_pick_of(plan, 0, 16384);
    sizes->index_cache_max_bytes = plan_pick_of(plan, 0, 1, 4096);
    sizes->read_window_max_bytes = (uint32_t)plan_pick_of(plan, 0, 1, 4096, 65536);
    sizes->log_producers_max = (uint32_t)plan_pick_of(plan, 0, 0, 0, 2);
    s->oracle->producers_max = sizes->log_producers_max;
    if (!mixed)
        sizes->tail_cache_bytes = plan_pick_of(plan, 0, 32768, 262144);
    if (sizes->tail_cache_bytes > 0)
        sizes->memory_bytes[MEMORY_JOURNAL] = plan_pick_of(plan, 2 << 20, 4 << 20);
}

/* Budgets of a shard.  A frame may have half of what frames have. */
static void draw_memory(struct scenario *s, struct broker_sizes *sizes)
{
    struct plan *plan = &s->plan;
    uint64_t frame_bytes = plan_has(plan, PLAN_SIZES) ? 32 << 20 : 2 << 20;

    sizes->memory_bytes[MEMORY_COLD_READS] = plan_pick_of(plan, 0, 65536, 1 << 20);
    sizes->memory_bytes[MEMORY_FRAMES] = plan_pick_of(plan, 0, frame_bytes);
    sizes->memory_bytes[MEMORY_REQUESTS] = plan_pick_of(plan, 0, frame_bytes);
    sizes->memory_bytes[MEMORY_ANSWERS] = plan_pick_of(plan, 0, 65536, 1 << 20);
    sizes->memory_bytes[MEMORY_FETCH_SESSIONS] = plan_pick_of(plan, 0, 1, 2000, 10000);
    sizes->conn_answers_max_bytes = plan_pick_of(plan, 0, 1, 4096);
    sizes->fetch_session_stale_ms = (uint32_t)plan_pick_of(plan, 0, 1, 20);
}

/* What is bounded, drawn small. */
static void draw_limits(struct scenario *s, struct broker_sizes *sizes)
{
    struct plan *plan = &s->plan;

    draw_store_sizes(s, sizes);
    draw_memory(s, sizes);
    set(s, "levee.max.in.flight.requests.per.connection=%" PRIu64, plan_pick_of(plan, 1, 2, 5, 64));
    set(s, "levee.open.files.max=%" PRIu64, plan_pick_of(plan, 16, 20, 16384));
    set(s, "max.incremental.fetch.session.cache.slots=%" PRIu64, plan_pick_of(plan, 0, 1, 1000));
    set(s, "max.connections.per.ip=%" PRIu64, plan_pick_of(plan, 1, 2, 1000));
    set(s, "connections.max.idle.ms=%" PRIu64, plan_pick_of(plan, 1000, 5000));
    s->oracle->producers_idle_ms = (int64_t)plan_pick_of(plan, 86400000, 604800000);
    set(s, "producer.id.expiration.ms=%" PRId64, s->oracle->producers_idle_ms);
    s->oracle->age.accept_ms = (int64_t)plan_pick_of(plan, 0, 60000, DAY_MS);
    set(s, "levee.clock.step.accept.ms=%" PRId64, s->oracle->age.accept_ms);
}

void scenario_draw_broker(struct scenario *s)
{
    struct sim_broker_options options = {.shards_count = draw(s, 1, 2),
                                         .sets = s->sets,
                                         .disk = &s->disk,
                                         .print_log = s->options->trace};
    uint32_t snapshot_bytes;

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
    snapshot_bytes = draw_of(s, 256, 4096, 1 << 20);
    if (plan_has(&s->plan, PLAN_CROWD) && snapshot_bytes < CROWD_SNAPSHOT_BYTES_MIN)
        snapshot_bytes = CROWD_SNAPSHOT_BYTES_MIN; /* each has all that there is */
    set(s, "metadata.log.max.record.bytes.between.snapshots=%" PRIu32, snapshot_bytes);
    set(s, "offsets.topic.num.partitions=%" PRIu32, draw(s, 1, 3));
    set(s, "offsets.topic.segment.bytes=1048576");
    s->oracle->offsets_retention_ms = 10080 * 60000LL;
    s->oracle->producers_idle_ms = DAY_MS;
    if (plan_has(&s->plan, PLAN_LONG)) {
        uint64_t minutes = plan_pick_of(&s->plan, 60, 1440, 10080);
        set(s, "offsets.retention.minutes=%" PRIu64, minutes);
        s->oracle->offsets_retention_ms = (int64_t)minutes * 60000;
    }
    if (plan_has(&s->plan, PLAN_RETENTION) || plan_has(&s->plan, PLAN_LONG)) {
        s->retention_check_ms = plan_pick_of(&s->plan, 50, 1000, 300000);
        set(s, "log.retention.check.interval.ms=%" PRIu64, s->retention_check_ms);
    }
    if (plan_has(&s->plan, PLAN_LIMITS))
        draw_limits(s, &options.sizes);
    if (plan_has(&s->plan, PLAN_SEGMENTS))
        options.sizes.segment_shrink = plan_has(&s->plan, PLAN_SIZES)
                                           ? segments_pick_of(s, 8, 64)
                                           : segments_pick_of(s, 1, 16, 64, 256);
    sim_broker_init(&s->broker, s->world, "broker", &options);
    s->disk = s->broker.node->disk.options; /* with what init filled in */
    sim_disk_heal(&s->broker.node->disk);
}

uint32_t scenario_draw_segment_bytes(struct scenario *s)
{
    uint32_t bytes = plan_has(&s->plan, PLAN_SIZES) ? MIXED_MESSAGE_BYTES_MAX : SEGMENT_BYTES_MIN;

    return plan_has(&s->plan, PLAN_SEGMENTS) ? bytes * segments_pick_of(s, 1, 2, 4) : bytes;
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
    if (plan_has(plan, PLAN_SEGMENTS))
        topic->rules.retention_bytes = (int64_t)segments_pick_of(s, 0, 1, 5000, 50000, 1048576) - 1;
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

    model_topics_set(&s->topics, "segment.bytes", "%" PRIu32, scenario_draw_segment_bytes(s));
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

void scenario_draw_topics(struct scenario *s)
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

void scenario_draw_faults(struct scenario *s)
{
    s->crash_faults = odds(s, 7, 8);
    s->power_faults = odds(s, 3, 4);
    s->pause_faults = odds(s, 1, 2);
    s->clock_faults = odds(s, 1, 2);
    s->stop_faults = odds(s, 1, 2);
    s->double_crash_odds = draw_of(s, 0, 2, 5, 8);
}

/* Half of the seeds have members of groups. */
void scenario_draw_members(struct scenario *s)
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
