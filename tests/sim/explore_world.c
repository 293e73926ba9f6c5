#include "tests/sim/explore_world.h"

#include "base/check.h"
#include "broker/shard.h"
#include "storage/store.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum {
    ID_ADMIN,
    ID_PRODUCER,
    ID_AUDITOR,
    ID_GROUP,
    ID_CLIENT,
    TOPIC_OLD = 0,    /* several segments; retention and deletions act on it */
    TOPIC_MORTAL = 1, /* the one that is deleted */
    TOPIC_SPARE = 2,  /* the next one */
    TOPICS_AT_START = 3,
    PRODUCE_RECORDS = 4,
    GROUP_READS = 4,
    VERSION_WITH_IDS = 13,
    ALTER_BYTES = 1600, /* more than what is between two snapshots of the metadata */
    LOOKS_MAX = 10,
};

#define SEGMENT_TIME (5 * SIM_SECOND)
#define RETENTION_TIME (60 * SIM_SECOND)
#define WAIT_LIMIT (120 * SIM_SECOND)

const char *explore_operation_name(enum explore_operation operation)
{
    static const char *const names[] = {
#define EXPLORE_NAME(name, text) [EXPLORE_##name] = text,
        EXPLORE_OPERATIONS(EXPLORE_NAME)
#undef EXPLORE_NAME
    };

    return names[operation];
}

static void complain(struct explore_world *w, const char *rule, const char *text)
{
    oracle_complain(w->oracle, rule, sim_world_now_ns(w->world), text);
}

static void on_event(void *context, const struct history_event *event)
{
    struct explore_world *w = context;
    int64_t wall_ms = clock_wall_ms(sim_node_clock(w->broker.node));
    char text[HISTORY_TEXT_MAX];

    if (w->oracle->wall_min_ms == 0)
        w->oracle->wall_min_ms = wall_ms;
    if (w->broker.ready)
        oracle_age_look(&w->oracle->age, sim_world_now_ns(w->world), wall_ms);
    else
        oracle_age_start(&w->oracle->age, sim_world_now_ns(w->world), wall_ms);
    oracle_take(w->oracle, event);
    if (!w->trace)
        return;
    history_format(event, text);
    fprintf(stderr, "%s\n", text);
}

printf_like(2, 3) static void say(const struct explore_world *w, const char *format, ...)
{
    va_list args;

    if (!w->trace)
        return;
    fprintf(stderr, "%12.6f == ", (double)sim_world_now_ns(w->world) / 1e9);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* ---- time */

struct wait {
    struct explore_world *w;
    bool (*condition)(struct explore_world *w);
};

static bool is_over(void *context)
{
    struct wait *wait = context;
    struct explore_world *w = wait->w;

    return w->crashed || oracle_first(w->oracle) != NULL || w->broker.failed || wait->condition(w);
}

/* False: it did not come so far, or the broker is down by the watcher's will. */
static bool wait_until(struct explore_world *w, bool (*condition)(struct explore_world *w),
                       const char *what)
{
    struct wait wait = {.w = w, .condition = condition};
    char text[160];

    if (w->crashed || oracle_first(w->oracle) != NULL)
        return false;
    sim_world_run_until(w->world, is_over, &wait, WAIT_LIMIT);
    if (w->crashed || oracle_first(w->oracle) != NULL)
        return false;
    if (condition(w))
        return true;
    snprintf(text, sizeof(text), "%s: %s", w->broker.failed ? "the broker failed" : "not done",
             what);
    complain(w, "LATE", text);
    return false;
}

static bool never(struct explore_world *w)
{
    return false;
}

static void pause_client(struct explore_world *w, uint32_t id, bool paused)
{
    w->clients[id]->paused_until_ns = paused ? SIM_NEVER : 0;
}

static bool is_group_idle(struct explore_world *w)
{
    return !w->group.busy;
}

/* XWO-2 */
static void idle(struct explore_world *w, uint64_t time_ns)
{
    struct wait wait = {.w = w, .condition = never};

    if (!wait_until(w, is_group_idle, "the group's request"))
        return;
    for (uint32_t i = 0; i < EXPLORE_CLIENTS_MAX; i++)
        pause_client(w, i, true);
    sim_world_run_until(w->world, is_over, &wait, time_ns);
    for (uint32_t i = 0; i < EXPLORE_CLIENTS_MAX; i++)
        pause_client(w, i, false);
}

/* ---- the broker */

static bool is_ready(struct explore_world *w)
{
    return w->broker.ready;
}

static bool are_up(struct explore_world *w)
{
    return model_client_is_up(&w->admin.client) && model_client_is_up(&w->producer.client) &&
           model_client_is_up(&w->auditor.client) && model_client_is_up(&w->group.client) &&
           model_client_is_up(&w->client.client);
}

static void start_broker(struct explore_world *w)
{
    struct history_event event = {.kind = HISTORY_BROKER_UP, .offset = -1};

    event.time_ns = sim_world_now_ns(w->world);
    history_add(&w->history, &event);
    if (w->broker.shards_count != w->recovers_with)
        sim_broker_set_shards(&w->broker, w->recovers_with);
    sim_node_start(w->broker.node);
    if (w->crashed)
        return;
    if (w->broker.open_err != OK)
        complain(w, "OPEN", err_name(w->broker.open_err));
    else if (wait_until(w, is_ready, "the start") && w->broker.quarantined)
        complain(w, "L13", "a partition is quarantined");
}

static void tell_down(struct explore_world *w, bool power)
{
    struct history_event event = {
        .kind = HISTORY_POWER_LOST, .time_ns = sim_world_now_ns(w->world), .offset = -1};

    if (power)
        history_add(&w->history, &event);
    event.kind = HISTORY_BROKER_DOWN;
    history_add(&w->history, &event);
}

/* ---- clients */

static void start_client(struct sim_node *node)
{
    struct explore_world *w = node->options.context;
    struct model_client_options options = {
        .id = node->index - w->broker.node->index - 1,
        .broker = sim_node_address(w->broker.node, SIM_BROKER_PORT),
        .timeout_ms = 5000,
        .reconnect_max_ms = 3,
    };
    struct model_producer_options produce = {
        .idempotent = true,
        .flights_max = 2,
        .records_max = 2,
        .value_bytes_max = 300,
        .pause_max_ms = 2,
        .request_batches_max = 2,
        .version_min = VERSION_WITH_IDS,
    };
    struct model_consumer_options audit = {.max_wait_ms = 1,
                                           .bytes_max = 1 << 24,
                                           .partition_bytes_max = 1 << 24,
                                           .pause_max_ms = 20,
                                           .version_min = VERSION_WITH_IDS,
                                           .auditor = true};

    switch (options.id) {
    case ID_ADMIN:
        model_admin_init(&w->admin, node, &w->history, &options, &w->topics, TOPICS_AT_START);
        break;
    case ID_PRODUCER:
        model_producer_init(&w->producer, node, &w->history, &options, &produce, &w->topics);
        break;
    case ID_AUDITOR:
        model_consumer_init(&w->auditor, node, &w->history, &options, &audit, &w->topics,
                            w->oracle);
        break;
    case ID_GROUP:
        model_group_init(&w->group, node, &w->history, &options, 20, &w->topics, w->oracle);
        w->group.finishing = true;
        break;
    default:
        explore_client_init(&w->client, node, &w->history, &options, &w->topics, w->oracle);
        break;
    }
}

static void start_clients(struct explore_world *w)
{
    for (uint32_t i = 0; i < EXPLORE_CLIENTS_MAX; i++) {
        char name[24];
        snprintf(name, sizeof(name), "client %" PRIu32, i);
        w->clients[i] = sim_node_create(
            w->world,
            &(struct sim_node_options){.name = name, .start = start_client, .context = w});
        sim_node_start(w->clients[i]);
    }
}

/* ---- operations */

static bool is_produced(struct explore_world *w)
{
    return w->producer.next_counter >= w->producer.options.records_limit &&
           model_producer_is_done(&w->producer);
}

static bool is_admin_done(struct explore_world *w)
{
    return model_admin_is_done(&w->admin);
}

static bool is_client_done(struct explore_world *w)
{
    return !w->client.busy;
}

static bool has_committed(struct explore_world *w)
{
    return w->group.next_offset > 0 && w->group.finishing && !w->group.busy;
}

static void produce(struct explore_world *w, uint32_t count)
{
    w->producer.options.records_limit = w->producer.next_counter + count;
    wait_until(w, is_produced, "the producer");
}

static void answered(struct explore_world *w, const char *what)
{
    char text[96];

    if (!wait_until(w, is_client_done, what))
        return;
    if (w->client.err == OK && w->client.error == KAFKA_NONE)
        return;
    snprintf(text, sizeof(text), "%s was refused: %s, error %d", what, err_name(w->client.err),
             w->client.error);
    complain(w, "WIRE", text);
}

static bool is_committing(struct explore_world *w)
{
    return w->group.busy && w->group.call.api->key == API_OFFSET_COMMIT;
}

static void commit(struct explore_world *w)
{
    w->group.finishing = false;
    if (wait_until(w, is_committing, "the commit's beginning")) {
        w->group.finishing = true;
        wait_until(w, has_committed, "the commit");
    }
    w->group.finishing = true;
}

static void delete_records(struct explore_world *w)
{
    uint32_t partition = w->topics.at[TOPIC_OLD].first_partition;
    const struct oracle_partition *known = &w->oracle->partitions[partition];
    int64_t low = known->delete_asked > known->low ? known->delete_asked : known->low;

    explore_client_delete_records(&w->client, partition, low + (known->high - low + 1) / 2);
    answered(w, "the deletion of records");
}

static void add_topic(struct explore_world *w, const char *name)
{
    struct model_topic *topic;

    model_topics_add(&w->topics, name, w->partitions_count);
    topic = &w->topics.at[w->topics.count - 1];
    topic->mortal = w->topics.count > 1;
    topic->rules.retention_ms = RETENTION_TIME / SIM_MS;
    model_topics_set(&w->topics, "retention.ms", "%d", (int)(RETENTION_TIME / SIM_MS));
    model_topics_set(&w->topics, "segment.ms", "%d", (int)(SEGMENT_TIME / SIM_MS));
    model_topics_set(&w->topics, "file.delete.delay.ms", "0");
    topic->rules.cache = w->cache;
    if (w->cache)
        model_topics_set(&w->topics, "levee.durability", "cache");
}

/* By the name of one that was deleted before, or by a new one. */
static void create(struct explore_world *w)
{
    char name[16];

    if (w->deleted_topic != MODEL_TOPICS_MAX && w->topics.count == TOPICS_AT_START) {
        (void)model_topics_again(&w->topics, w->deleted_topic);
    } else {
        snprintf(name, sizeof(name), "new %" PRIu32, w->topics.count);
        name[3] = '-';
        add_topic(w, name);
    }
    explore_client_create(&w->client, w->topics.count - 1);
    answered(w, "the creation");
}

static void delete_topic(struct explore_world *w)
{
    w->deleted_topic = w->topics.at[TOPIC_MORTAL].gone ? TOPIC_SPARE : TOPIC_MORTAL;
    w->deletion_answered = false;
    explore_client_delete_topic(&w->client, w->deleted_topic);
    answered(w, "the deletion of a topic");
    w->deletion_answered = !w->client.busy && w->client.err == OK && w->client.error == KAFKA_NONE;
}

static void on_checkpoint(void *context, enum err err)
{
    struct explore_world *w = context;

    w->checkpoints_open--;
}

static bool is_checkpoint_done(struct explore_world *w)
{
    return w->checkpoints_open == 0;
}

static void checkpoint(struct explore_world *w)
{
    w->checkpoints_open = w->broker.shards_count;
    for (uint32_t i = 0; i < w->broker.shards_count; i++)
        store_checkpoint(broker_shard(w->broker.broker, i)->store, on_checkpoint, w);
    wait_until(w, is_checkpoint_done, "the checkpoint");
}

void explore_world_run(struct explore_world *w, enum explore_operation operation)
{
    if (w->crashed || oracle_first(w->oracle) != NULL)
        return;
    say(w, "%s", explore_operation_name(operation));
    switch (operation) {
    case EXPLORE_PRODUCE:
        produce(w, PRODUCE_RECORDS);
        break;
    case EXPLORE_ROLL:
        idle(w, SEGMENT_TIME + SIM_SECOND);
        produce(w, PRODUCE_RECORDS);
        break;
    case EXPLORE_RETENTION:
        idle(w, RETENTION_TIME + 6 * SIM_SECOND);
        break;
    case EXPLORE_DELETE_RECORDS:
        delete_records(w);
        break;
    case EXPLORE_CREATE:
        create(w);
        break;
    case EXPLORE_DELETE:
        delete_topic(w);
        break;
    case EXPLORE_COMMIT:
        commit(w);
        break;
    case EXPLORE_SNAPSHOT:
        explore_client_alter(&w->client, TOPIC_OLD, ALTER_BYTES);
        answered(w, "the configuration");
        break;
    case EXPLORE_CHECKPOINT:
        checkpoint(w);
        break;
    case EXPLORE_OPERATION_COUNT:
        break;
    }
}

void explore_world_settle(struct explore_world *w)
{
    idle(w, 2 * SIM_SECOND);
}

/* ---- the beginning */

static void make_world(struct explore_world *w, const struct explore_world_options *options)
{
    char shards[32];
    const char *const sets[] = {"log.dirs=data",
                                "listeners=PLAINTEXT://:9092",
                                shards,
                                "levee.http.listener=",
                                "levee.disk.reserve.bytes=0",
                                "levee.journal.max.bytes=16777216",
                                "levee.tail.cache.bytes=4194304",
                                "levee.checkpoint.interval.ms=3600000",
                                "log.retention.check.interval.ms=5000",
                                "log.index.interval.bytes=0",
                                "metadata.log.max.record.bytes.between.snapshots=1500",
                                "offsets.topic.num.partitions=1",
                                NULL};
    struct sim_world_options world = {.seed = options->seed};
    struct sim_disk_options disk;
    struct sim_broker_options broker = {.shards_count = options->shards_count,
                                        .sets = sets,
                                        .disk = &disk,
                                        .print_log = options->trace};

    snprintf(shards, sizeof(shards), "levee.shards=%" PRIu32, options->shards_count);
    sim_disk_options_init(&disk);
    disk.unit_bytes = options->unit_bytes;
    disk.writeback_ppm = options->pushes_out ? 1000000 : 0;
    w->world = sim_world_create(&world);
    w->world->net.no_faults = true;
    sim_broker_init(&w->broker, w->world, "broker", &broker);
}

void explore_world_init(struct explore_world *w, const struct explore_world_options *options)
{
    static const char *const names[] = {"old", "mortal", "spare"};

    *w = (struct explore_world){.trace = options->trace,
                                .deleted_topic = MODEL_TOPICS_MAX,
                                .recovers_with = options->shards_count,
                                .partitions_count = options->shards_count,
                                .cache = options->cache};
    history_init(&w->history);
    w->oracle = oracle_create();
    w->history.listen = on_event;
    w->history.context = w;
    w->topics.plain = true;
    for (uint32_t i = 0; i < array_count(names); i++)
        add_topic(w, names[i]);
    for (uint32_t p = 0; p < HISTORY_PARTITIONS_MAX; p++)
        oracle_set_rules(w->oracle, p, &w->topics.at[0].rules);
    make_world(w, options);
    start_broker(w);
    start_clients(w);
    wait_until(w, is_admin_done, "the first topics");
    wait_until(w, are_up, "the clients");
    produce(w, 3 * PRODUCE_RECORDS);
    commit(w);
    explore_world_run(w, EXPLORE_ROLL);
    explore_world_run(w, EXPLORE_CHECKPOINT);
    explore_world_run(w, EXPLORE_SNAPSHOT);
    explore_world_run(w, EXPLORE_ROLL); /* not in a checkpoint */
    explore_world_settle(w);
}

/* ---- judgement */

static bool is_audited(struct explore_world *w)
{
    return model_consumer_audit_is_done(&w->auditor) && w->group.reads_count >= GROUP_READS;
}

static bool is_auditor_idle(struct explore_world *w)
{
    return !w->auditor.busy;
}

static bool can_look(struct explore_world *w)
{
    return model_client_is_up(&w->client.client) && !w->client.busy;
}

/* Topics whose creation or deletion was not answered may be there or not; the others must be. */
static void judge_topic(struct explore_world *w, uint32_t i)
{
    struct model_topic *topic = &w->topics.at[i];
    bool is_known = !uuid_is_zero(&topic->id);
    bool is_open = w->deleted_topic == i && !w->deletion_answered;
    bool must_be = is_known && !topic->gone;
    bool may_be = must_be || !is_known || is_open;
    bool is_there = w->client.listed[i];
    bool is_another = is_known && is_there && !uuid_equal(&topic->id, &w->client.ids[i]);
    char text[96];

    if ((must_be && !is_there) || (is_there && !may_be) || is_another) {
        snprintf(text, sizeof(text), "topic %" PRIu32 " is %s", i,
                 is_another ? "another one"
                 : is_there ? "there again"
                            : "not there");
        complain(w, "L15", text);
    }
    if (is_there)
        topic->id = w->client.ids[i];
    topic->gone = !is_there;
    if (is_open) /* it is decided now */
        w->deletion_answered = true;
    if (w->deleted_topic == i && is_there)
        w->deleted_topic = MODEL_TOPICS_MAX;
}

static void look(struct explore_world *w)
{
    for (int tries = 0; tries < LOOKS_MAX; tries++) { /* the first may meet the old connection */
        if (!wait_until(w, can_look, "the client"))
            return;
        explore_client_look(&w->client);
        if (!wait_until(w, is_client_done, "a look at the topics"))
            return;
        if (w->client.err == OK)
            break;
    }
    if (w->client.strangers_count > 0)
        complain(w, "L15", "there is a topic that nobody has created");
    for (uint32_t i = 0; i < w->topics.count; i++)
        judge_topic(w, i);
}

/* The broker starts from what there is; all is read. */
static void recover(struct explore_world *w, bool power_lost)
{
    w->admin.wanted = 0; /* it has done its part */
    tell_down(w, power_lost);
    sim_world_run_for(w->world, 20 * SIM_MS); /* answers that were under way arrive */
    pause_client(w, ID_PRODUCER, true);
    start_broker(w);
    look(w);
    wait_until(w, is_auditor_idle, "the auditor's request"); /* of the audit before the crash */
    w->group.reads_count = 0;
    if (!w->crashed && oracle_first(w->oracle) == NULL)
        model_consumer_audit(&w->auditor);
    wait_until(w, is_audited, "the audit");
    pause_client(w, ID_PRODUCER, false);
}

void explore_world_recover(struct explore_world *w)
{
    w->crashed = false;
    say(w, "a recovery");
    recover(w, w->power_lost);
}

void explore_world_prove(struct explore_world *w)
{
    if (oracle_first(w->oracle) != NULL)
        return;
    say(w, "serving");
    wait_until(w, is_produced, "the producer's open batches");
    produce(w, PRODUCE_RECORDS);
    if (oracle_first(w->oracle) != NULL)
        return;
    sim_node_crash(w->broker.node, SIM_POWER_LOSS);
    say(w, "the last recovery");
    recover(w, true);
}
