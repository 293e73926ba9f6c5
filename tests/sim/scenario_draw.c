/* What a run has: the world, the broker and its settings, topics. */
#include "base/check.h"
#include "tests/sim/oracle.h"
#include "tests/sim/scenario_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { CROWD_SNAPSHOT_BYTES_MIN = 65536, MILLION = 1000000, ROOM_CONNECTIONS_MIN = 10 };

#define LATENCY_NS_MAX (64 * SIM_SECOND)

void scenario_draw_set(struct scenario *s, const char *format, ...)
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

    sizes->journal_pending_max_bytes =
        (uint32_t)plan_pick_of(plan, "journal.pending.bytes", 0, 4096, 65536, 1 << 20);
    sizes->journal_max_bytes = mixed ? plan_pick_of(plan, "journal.bytes", 0, 32 << 20)
                                     : plan_pick_of(plan, "journal.bytes", 0, 1 << 20, 3 << 20);
    sizes->segment_write_bytes =
        (uint32_t)plan_pick_of(plan, "segment.write.bytes", 0, 4096, 16384);
    sizes->segment_in_flight_max_bytes =
        (uint32_t)plan_pick_of(plan, "segment.in.flight.bytes", 0, 16384);
    sizes->index_cache_max_bytes = plan_pick_of(plan, "index.cache.bytes", 0, 1, 4096);
    sizes->read_window_max_bytes =
        (uint32_t)plan_pick_of(plan, "read.window.bytes", 0, 1, 4096, 65536);
    sizes->log_producers_max = (uint32_t)plan_pick_of(plan, "log.producers", 0, 0, 0, 2);
    s->oracle->producers_max = sizes->log_producers_max;
    if (!mixed)
        sizes->tail_cache_bytes = plan_pick_of(plan, "tail.cache.bytes", 0, 32768, 262144);
    if (sizes->tail_cache_bytes > 0)
        sizes->memory_bytes[MEMORY_JOURNAL] =
            plan_pick_of(plan, "memory.journal.bytes", 2 << 20, 4 << 20);
}

/* Budgets of a shard.  A frame may have half of what frames have. */
static void draw_memory(struct scenario *s, struct broker_sizes *sizes)
{
    struct plan *plan = &s->plan;
    uint64_t frame_bytes = plan_has(plan, PLAN_SIZES) ? 32 << 20 : 2 << 20;

    sizes->memory_bytes[MEMORY_COLD_READS] =
        plan_pick_of(plan, "memory.cold.reads.bytes", 0, 65536, 1 << 20);
    sizes->memory_bytes[MEMORY_FRAMES] = plan_pick_of(plan, "memory.frames.bytes", 0, frame_bytes);
    sizes->memory_bytes[MEMORY_REQUESTS] =
        plan_pick_of(plan, "memory.requests.bytes", 0, frame_bytes);
    sizes->memory_bytes[MEMORY_ANSWERS] =
        plan_pick_of(plan, "memory.answers.bytes", 0, 65536, 1 << 20);
    sizes->memory_bytes[MEMORY_FETCH_SESSIONS] =
        plan_pick_of(plan, "memory.fetch.sessions.bytes", 0, 1, 2000, 10000);
    sizes->conn_answers_max_bytes = plan_pick_of(plan, "conn.answers.bytes", 0, 1, 4096);
    sizes->fetch_session_stale_ms =
        (uint32_t)plan_pick_of(plan, "fetch.session.stale.ms", 0, 1, 20);
}

/* What is bounded, drawn small. */
static void draw_limits(struct scenario *s, struct broker_sizes *sizes)
{
    struct plan *plan = &s->plan;
    uint64_t connections;

    draw_store_sizes(s, sizes);
    draw_memory(s, sizes);
    scenario_draw_set(s, "levee.max.in.flight.requests.per.connection=%" PRIu64,
                      plan_pick_of(plan, "in.flight.requests", 1, 2, 5, 64));
    scenario_draw_set(s, "levee.open.files.max=%" PRIu64,
                      plan_pick_of(plan, "open.files", 16, 20, 16384));
    scenario_draw_set(s, "max.incremental.fetch.session.cache.slots=%" PRIu64,
                      plan_pick_of(plan, "fetch.session.slots", 0, 1, 1000));
    connections = plan_pick_of(plan, "connections.per.ip", 1, 2, 1000);
    if (plan_has(plan, PLAN_ROOM) && connections < ROOM_CONNECTIONS_MIN)
        connections = ROOM_CONNECTIONS_MIN; /* a client has one for each purpose */
    scenario_draw_set(s, "max.connections.per.ip=%" PRIu64, connections);
    scenario_draw_set(s, "connections.max.idle.ms=%" PRIu64,
                      plan_pick_of(plan, "connections.idle.ms", 1000, 5000));
    s->oracle->producers_idle_ms =
        (int64_t)plan_pick_of(plan, "producers.idle.ms", 86400000, 604800000);
    scenario_draw_set(s, "producer.id.expiration.ms=%" PRId64, s->oracle->producers_idle_ms);
    s->oracle->age.accept_ms = (int64_t)plan_pick_of(plan, "clock.accept.ms", 0, 60000, DAY_MS);
    scenario_draw_set(s, "levee.clock.step.accept.ms=%" PRId64, s->oracle->age.accept_ms);
}

/* The device, and what goes wrong with it. */
static void draw_disk(struct scenario *s)
{
    struct sim_disk_options *disk = &s->disk;
    struct plan *plan = &s->plan;
    struct prng own;
    const struct {
        const char *key;
        uint32_t *ppm;
    } rates[] = {
        {"stall.ppm", &disk->stall_ppm},
        {"read.error.ppm", &disk->read_error_ppm},
        {"write.error.ppm", &disk->write_error_ppm},
        {"sync.error.ppm", &disk->sync_error_ppm},
        {"space.error.ppm", &disk->space_error_ppm},
        {"other.error.ppm", &disk->other_error_ppm},
        {"short.read.ppm", &disk->short_read_ppm},
        {"short.write.ppm", &disk->short_write_ppm},
        {"transient.ppm", &disk->transient_ppm},
        {"writeback.ppm", &disk->writeback_ppm},
        {"evict.ppm", &disk->evict_ppm},
        {"loss.garbage.ppm", &disk->loss.garbage_ppm},
        {"loss.damage.ppm", &disk->loss.damage_ppm},
    };
    const struct {
        const char *key;
        struct sim_span *span;
    } times[] = {
        {"read.ns", &disk->read_time},
        {"write.ns", &disk->write_time},
        {"sync.ns", &disk->sync_time},
        {"stall.ns", &disk->stall_time},
    };

    plan_scope(plan, "disk");
    plan_stream(plan, "disk", &own);
    sim_disk_options_draw(disk, &own);
    disk->unit_bytes = (uint32_t)plan_pick_of(plan, "unit.bytes", SIM_SECTOR_BYTES, SIM_PAGE_BYTES);
    for (uint32_t i = 0; i < array_count(rates); i++)
        *rates[i].ppm = (uint32_t)plan_number(plan, rates[i].key, *rates[i].ppm, 0, MILLION);
    for (uint32_t i = 0; i < array_count(times); i++)
        times[i].span->max_ns = plan_number(plan, times[i].key, times[i].span->max_ns,
                                            times[i].span->min_ns, LATENCY_NS_MAX);
}

static void draw_net(struct scenario *s)
{
    struct sim_net_options *net = &s->net;
    struct plan *plan = &s->plan;
    struct prng own;
    const struct {
        const char *key;
        uint32_t *number;
        uint32_t least;
        uint32_t max;
    } numbers[] = {
        {"send.bytes", &net->send_bytes, 512, 1 << 30},
        {"receive.bytes", &net->receive_bytes, 512, 1 << 30},
        {"piece.bytes", &net->piece_max_bytes, 1, 1 << 30},
        {"cut.ppm", &net->cut_ppm, 0, MILLION},
        {"silence.ppm", &net->silence_ppm, 0, MILLION},
        {"hold.ppm", &net->hold_ppm, 0, MILLION},
        {"refuse.ppm", &net->refuse_ppm, 0, MILLION},
        {"short.send.ppm", &net->short_send_ppm, 0, MILLION},
    };

    plan_scope(plan, "net");
    plan_stream(plan, "net", &own);
    sim_net_options_draw(net, &own);
    if (plan_has(plan, PLAN_SIZES)) { /* bytes by the million */
        net->piece_max_bytes |= 8192;
        net->send_bytes |= 65536;
        net->receive_bytes |= 65536;
    }
    net->delay.max_ns = plan_number(plan, "delay.ns", net->delay.max_ns, 0, LATENCY_NS_MAX);
    for (uint32_t i = 0; i < array_count(numbers); i++)
        *numbers[i].number = (uint32_t)plan_number(plan, numbers[i].key, *numbers[i].number,
                                                   numbers[i].least, numbers[i].max);
}

/* What the parts of the plan set. */
static void draw_parts(struct scenario *s)
{
    struct broker_sizes *sizes = &s->broker_options.sizes;
    struct plan *plan = &s->plan;

    if (plan_has(plan, PLAN_LONG)) {
        uint64_t minutes = plan_pick_of(plan, "offsets.retention.minutes", 60, 1440, 10080);
        scenario_draw_set(s, "offsets.retention.minutes=%" PRIu64, minutes);
        s->oracle->offsets_retention_ms = (int64_t)minutes * 60000;
    }
    if (plan_has(plan, PLAN_RETENTION) || plan_has(plan, PLAN_LONG)) {
        s->retention_check_ms = plan_pick_of(plan, "retention.check.ms", 50, 1000, 300000);
        scenario_draw_set(s, "log.retention.check.interval.ms=%" PRIu64, s->retention_check_ms);
    }
    if (plan_has(plan, PLAN_LIMITS))
        draw_limits(s, sizes);
    if (plan_has(plan, PLAN_SEGMENTS))
        sizes->segment_shrink =
            plan_has(plan, PLAN_SIZES)
                ? (uint32_t)plan_pick_of(plan, "segment.shrink", 8, 64)
                : (uint32_t)plan_pick_of(plan, "segment.shrink", 1, 16, 64, 256);
    if (plan_has(plan, PLAN_ALLOCATIONS)) {
        s->allocation_odds = plan_pick_of(plan, "allocation.odds", 30000, 3000, 300);
        oracle_tell_memory_ends(s->oracle);
    }
}

static void draw_broker(struct scenario *s)
{
    struct plan *plan = &s->plan;
    uint64_t snapshot_bytes;

    plan_scope(plan, "broker");
    s->broker_options = (struct sim_broker_options){
        .shards_count = (uint32_t)plan_range(plan, "shards", 1, 2),
        .sets = s->sets,
        .disk = &s->disk,
        .print_log = s->options->trace,
    };
    scenario_draw_set(s, "log.dirs=data");
    scenario_draw_set(s, "listeners=PLAINTEXT://:%d", SIM_BROKER_PORT);
    scenario_draw_set(s, "levee.shards=%" PRIu32, s->broker_options.shards_count);
    scenario_draw_set(s, "levee.http.listener=");
    scenario_draw_set(s, "levee.disk.reserve.bytes=0");
    scenario_draw_set(s, "log.segment.bytes=1048576");
    scenario_draw_set(s, "levee.journal.max.bytes=16777216");
    scenario_draw_set(s, "levee.tail.cache.bytes=4194304");
    scenario_draw_set(s, "levee.checkpoint.interval.ms=%" PRIu64,
                      plan_pick_of(plan, "checkpoint.ms", 10, 20, 50, 100, 500, 2000));
    scenario_draw_set(s, "log.index.interval.bytes=%" PRIu64,
                      plan_pick_of(plan, "index.interval.bytes", 0, 512, 4096));
    snapshot_bytes = plan_pick_of(plan, "snapshot.bytes", 256, 4096, 1 << 20);
    if (plan_has(plan, PLAN_CROWD) && snapshot_bytes < CROWD_SNAPSHOT_BYTES_MIN)
        snapshot_bytes = CROWD_SNAPSHOT_BYTES_MIN; /* each has all that there is */
    scenario_draw_set(s, "metadata.log.max.record.bytes.between.snapshots=%" PRIu64,
                      snapshot_bytes);
    scenario_draw_set(s, "offsets.topic.num.partitions=%" PRIu64,
                      plan_range(plan, "offsets.partitions", 1, 3));
    scenario_draw_set(s, "offsets.topic.segment.bytes=1048576");
    scenario_draw_set(s, "transaction.state.log.segment.bytes=1048576");
    scenario_draw_set(s, "log.cleaner.backoff.ms=%" PRIu64,
                      plan_pick_of(plan, "cleaner.backoff.ms", 5, 100, 1000, 15000));
    scenario_draw_set(s, "log.cleaner.min.cleanable.ratio=%s",
                      plan_odds(plan, "cleaner.is.keen", 2, 3) ? "0.01" : "0.5");
    scenario_draw_set(s, "log.cleaner.delete.retention.ms=%" PRIu64,
                      plan_pick_of(plan, "delete.retention.ms", 0, 1000, 86400000));
    s->oracle->offsets_retention_ms = 10080 * 60000LL;
    s->oracle->producers_idle_ms = DAY_MS;
    draw_parts(s);
}

uint32_t scenario_draw_segment_bytes(struct scenario *s)
{
    uint32_t bytes = plan_has(&s->plan, PLAN_SIZES) ? MIXED_MESSAGE_BYTES_MAX : SEGMENT_BYTES_MIN;

    if (plan_has(&s->plan, PLAN_SEGMENTS))
        bytes *= (uint32_t)plan_pick_of(&s->plan, "segment.bytes.factor", 1, 2, 4);
    return bytes;
}

/* What lets its records go, now and then nothing. */
static void draw_retention(struct scenario *s, struct model_topic *topic)
{
    struct plan *plan = &s->plan;
    bool is_long = plan_has(plan, PLAN_LONG);

    topic->rules.retention_ms =
        is_long ? (int64_t)plan_pick_of(plan, "retention.ms", 60000, 3600000, 86400000, 604800000)
                : (int64_t)plan_pick_of(plan, "retention.ms", 500, 5000, 60000, 3600000);
    topic->rules.retention_bytes =
        plan_has(plan, PLAN_SEGMENTS)
            ? (int64_t)plan_pick_of(plan, "retention.bytes", 0, 1, 5000, 50000, 1048576) - 1
            : (int64_t)plan_pick_of(plan, "retention.bytes", 0, 1, 1048576, 4194304) - 1;
    if (plan_odds(plan, "retention.by.size.only", 1, 4))
        topic->rules.retention_ms = -1;
    model_topics_set(&s->topics, "retention.ms", "%" PRId64, topic->rules.retention_ms);
    model_topics_set(&s->topics, "retention.bytes", "%" PRId64, topic->rules.retention_bytes);
    model_topics_set(&s->topics, "segment.ms", "%" PRIu64,
                     plan_pick_of(plan, "segment.ms", 100, 1000, 10000, 600000, 604800000));
    model_topics_set(&s->topics, "file.delete.delay.ms", "%" PRIu64,
                     plan_pick_of(plan, "delete.delay.ms", 0, 100, 60000));
}

/* What the topic that was added last is like in the wide world. */
static void draw_topic_configs(struct scenario *s)
{
    static const char *const codecs[] = {"uncompressed", "gzip", "snappy", "lz4", "zstd"};
    struct model_topic *topic = &s->topics.at[s->topics.count - 1];
    struct plan *plan = &s->plan;

    model_topics_set(&s->topics, "segment.bytes", "%" PRIu32, scenario_draw_segment_bytes(s));
    if (plan_has(plan, PLAN_CACHE) && plan_odds(plan, "cache", 1, 2)) {
        model_topics_set(&s->topics, "levee.durability", "cache");
        topic->rules.cache = true;
    }
    if (plan_has(plan, PLAN_APPEND_TIME) && plan_odds(plan, "append.time", 1, 2)) {
        model_topics_set(&s->topics, "message.timestamp.type", "LogAppendTime");
        topic->rules.append_time = true;
    }
    if (plan_has(plan, PLAN_RECODE) && plan_odds(plan, "recode", 1, 2))
        model_topics_set(&s->topics, "compression.type", "%s",
                         codecs[plan_pick_of(plan, "codec", 0, 1, 2, 3, 4)]);
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
    struct plan *plan = &s->plan;
    uint32_t count;

    plan_scope_none(plan);
    count = (uint32_t)plan_range(plan, "topics", 1, 3);
    s->topics.plain = !plan_has(plan, PLAN_RECORDS);
    s->topics_at_start = (uint32_t)plan_range(plan, "topics.at.start", 1, 3);
    if (s->topics_at_start > count)
        s->topics_at_start = count;
    s->topics_count = count;
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof(name), "t%" PRIu32, i);
        plan_scope(plan, "%s", name);
        model_topics_add(&s->topics, name, (uint32_t)plan_range(plan, "partitions", 1, 4));
        draw_topic_configs(s);
    }
    for (uint32_t i = 0; i < s->topics.partitions_count; i++)
        oracle_set_rules(s->oracle, i, &model_topics_of_partition(&s->topics, i)->rules);
}

void scenario_draw(struct scenario *s)
{
    struct plan *plan = &s->plan;

    plan_scope_none(plan);
    s->lag_ppm = (uint32_t)plan_pick_of(plan, "lag.ppm", 0, 1000, 20000);
    draw_net(s);
    draw_disk(s);
    draw_topics(s);
    scenario_draw_clients(s);
    draw_broker(s);
    scenario_draw_faults(s);
    if (plan_has(plan, PLAN_TRANSACTIONS))
        scenario_ledger_draw(s);
    if (plan_has(plan, PLAN_ROOM))
        scenario_room_draw(s);
}
