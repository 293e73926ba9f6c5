#include "tests/sim/sim_broker.h"

#include "base/check.h"
#include "base/mem.h"
#include "broker/shard.h"
#include "broker/validation.h"
#include "tests/sim/sim_marks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { STOP_LIMIT_SECONDS = 120 };

static void quarantine(struct sim_broker *broker)
{
    broker->quarantined = true;
    sim_mark(MARK_QUARANTINED);
}

static void write_line(struct log_sink *sink, enum log_level level, const char *line,
                       size_t size_bytes)
{
    struct sim_broker *broker = container_of(sink, struct sim_broker_log, sink)->broker;

    if (memmem(line, size_bytes, "LVE-2204", 8) != NULL)
        quarantine(broker);
    if (broker->print_log)
        fprintf(stderr, "%12.6f broker %.*s", (double)sim_world_now_ns(broker->node->world) / 1e9,
                (int)size_bytes, line);
}

static void on_ready(void *context)
{
    struct sim_broker *broker = context;

    broker->ready = true;
}

static void on_failed(void *context, enum err err)
{
    struct sim_broker *broker = context;

    broker->failed = true;
}

static void on_stopped(void *context, enum err err)
{
    struct sim_broker *broker = context;

    broker->stopped = true;
    broker->stop_err = err;
}

static void start(struct sim_node *node)
{
    static const struct broker_events events = {
        .ready = on_ready, .failed = on_failed, .stopped = on_stopped};
    struct sim_broker *broker = node->options.context;
    struct broker_options options = {.config = broker->config,
                                     .grounds = broker->grounds,
                                     .shard_count = broker->shards_count,
                                     .events = &events,
                                     .context = broker,
                                     .health = &broker->health,
                                     .metrics = &broker->metrics,
                                     .sizes = broker->sizes};

    if (broker->starting != NULL)
        broker->starting(broker->starting_context);
    broker->quarantined = false;
    broker->ready = broker->failed = broker->stopping = broker->stopped = false;
    broker->broker = NULL;
    broker->health = (struct health){0};
    metrics_init(&broker->metrics);
    for (uint32_t i = 0; i < broker->shards_count; i++) {
        log_sink_init(&broker->logs[i].sink, write_line, sim_node_clock(node), LOG_DEBUG,
                      LOG_FORMAT_LOGFMT);
        broker->logs[i].sink.burst_max = 0;
        broker->logs[i].broker = broker;
        broker->grounds[i] = (struct broker_ground){.io = sim_node_io(node, i),
                                                    .clock = sim_node_clock(node),
                                                    .sink = &broker->logs[i].sink,
                                                    .seed = prng_u64(&broker->prng)};
    }
    broker->open_err = broker_open(&options, &broker->broker);
    if (broker->open_err != OK)
        return;
    for (uint32_t i = 0; i < broker->shards_count; i++)
        sim_node_attach(node, i, &broker_shard(broker->broker, i)->loop);
    broker_start(broker->broker);
}

static bool has_ended(void *context)
{
    const struct sim_broker *broker = context;

    return broker->stopped || broker->failed || !sim_node_is_running(broker->node);
}

/* What the process that died has. */
static void give_back(struct sim_broker *broker)
{
    broker->leaks_count += broker->finds_leaks && sim_heap_leaks(&broker->heap);
    for (uint32_t i = 0; i < broker->shards_count; i++) {
        struct shard *shard = broker_shard(broker->broker, i);
        validation_destroy(shard->validation); /* it has blocks of the codecs' libraries */
    }
    sim_heap_release(&broker->heap);
    broker->metrics = (struct metrics){0};
}

static void end(struct sim_node *node, enum sim_crash kind)
{
    struct sim_broker *broker = node->options.context;
    bool clean = false;

    if (broker->broker != NULL && kind == SIM_NO_CRASH) {
        sim_broker_ask_stop(broker);
        sim_world_run_until(node->world, has_ended, broker, STOP_LIMIT_SECONDS * SIM_SECOND);
        clean = broker->stopped && broker->stop_err == OK && sim_node_is_running(node);
    }
    if (clean)
        broker_close(broker->broker, true);
    if (clean || broker->broker == NULL) {
        metrics_deinit(&broker->metrics);
        broker->left_count += sim_heap_release(&broker->heap);
    } else {
        give_back(broker);
    }
    broker->broker = NULL;
}

/* Its code, and not the simulator's or a client's. */
static bool is_running(void *context)
{
    const struct sim_broker *broker = context;
    const struct sim_node *node = broker->node;
    const struct sim_node *turning = node->world->turning;

    return turning == node || (turning == NULL && (node->starting || node->ending));
}

void sim_broker_ask_stop(struct sim_broker *broker)
{
    if (broker->broker == NULL || broker->stopping)
        return;
    broker->stopping = true;
    broker_stop(broker->broker);
}

static void print_problem(void *context, const char *text)
{
    fprintf(stderr, "configuration: %s\n", text);
}

static void ignore_note(void *context, const char *text)
{
}

void sim_broker_init(struct sim_broker *broker, struct sim_world *world, const char *name,
                     const struct sim_broker_options *options)
{
    struct config_load_options load = {.sets = options->sets};

    *broker = (struct sim_broker){.shards_count = options->shards_count,
                                  .print_log = options->print_log,
                                  .sizes = options->sizes};
    check(config_load(NULL, &load, print_problem, ignore_note, NULL, &broker->config) == OK);
    broker->logs = mem_alloc(SIM_SHARDS_MAX * sizeof(*broker->logs));
    sim_world_fork(world, "broker seeds", &broker->prng);
    broker->node =
        sim_node_create(world, &(struct sim_node_options){.name = name,
                                                          .shards_count = options->shards_count,
                                                          .disk = options->disk,
                                                          .start = start,
                                                          .end = end,
                                                          .context = broker});
    sim_heap_begin(&broker->heap, is_running, broker);
}

void sim_broker_set_shards(struct sim_broker *broker, uint32_t shards_count)
{
    check(!sim_node_is_running(broker->node));
    check(shards_count >= 1 && shards_count <= SIM_SHARDS_MAX);
    broker->shards_count = shards_count;
    broker->node->options.shards_count = shards_count;
}

void sim_broker_deinit(struct sim_broker *broker)
{
    sim_heap_end(&broker->heap);
    config_destroy(broker->config);
    mem_free(broker->logs);
    *broker = (struct sim_broker){0};
}
