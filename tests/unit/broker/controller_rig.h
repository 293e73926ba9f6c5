/* controller_rig: a controller on two shards, over a storage log in memory that becomes durable
 * when the test says so, and a simulated disk for the snapshots.  Included by one test file at a
 * time: it defines the log_* functions that the metadata log calls. */
#ifndef LEVEE_TESTS_CONTROLLER_RIG_H
#define LEVEE_TESTS_CONTROLLER_RIG_H

#include "base/log_line.h"
#include "base/mem.h"
#include "broker/broker_lifecycle.h"
#include "broker/config.h"
#include "broker/metadata/controller.h"
#include "broker/metadata/image.h"
#include "broker/metadata/loader.h"
#include "broker/metadata/metadata_log.h"
#include "storage/log/log.h"
#include "storage/store.h"
#include "tests/sim/sim_world.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

/* ---- the log in memory */

struct kept_batch {
    uint8_t *bytes;
    uint32_t size_bytes;
    struct batch_header header;
};

struct log {
    struct kept_batch batches[4096];
    uint32_t batch_count;
    struct log_offsets offsets;
    const struct log_events *events;
    void *context;
    enum err refuse_with; /* appends say this */
    bool is_full;         /* appends say ERR_FULL */
    struct store_waiter *waiter;
    int32_t epoch;
};

static struct log kept_log; /* outlives a restart, as a disk does */
static const struct log_id kept_id = {.topic_id = {.bytes = {[15] = 1}}};

enum err log_open(struct store *store, const struct log_id *id, const char *name,
                  const struct log_config *config, const struct log_events *events, void *context,
                  struct log **out)
{
    cr_assert(uuid_equal(&id->topic_id, &kept_id.topic_id));
    cr_assert(eq(str, (char *)name, "__cluster_metadata"));
    kept_log.events = events;
    kept_log.context = context;
    kept_log.offsets.durable = kept_log.offsets.log_end;
    *out = &kept_log;
    return OK;
}

void log_close(struct log *log)
{
    log->events = NULL;
}

bool log_is_quarantined(const struct log *log)
{
    return false;
}

struct log_offsets log_offsets(const struct log *log)
{
    return log->offsets;
}

void log_begin_epoch(struct log *log, int32_t epoch)
{
    cr_assert(ge(i32, epoch, log->epoch));
    log->epoch = epoch;
}

void log_set_high_watermark(struct log *log, int64_t offset)
{
    cr_assert(le(i64, offset, log->offsets.durable));
    cr_assert(ge(i64, offset, log->offsets.high_watermark));
    log->offsets.high_watermark = offset;
}

enum err log_append_leader(struct log *log, const struct log_append *append,
                           struct log_append_result *out)
{
    struct kept_batch *batch = &log->batches[log->batch_count];
    uint32_t size_bytes = append->size_bytes;

    if (log->refuse_with != OK)
        return log->refuse_with;
    if (log->is_full && !append->urgent) /* urgent: what a full journal keeps */
        return ERR_FULL;
    cr_assert(lt(u32, log->batch_count, 4096));
    log->batch_count++;
    batch->bytes = mem_alloc(size_bytes);
    batch->size_bytes = size_bytes;
    memcpy(batch->bytes, append->bytes, size_bytes);
    batch_set_base_offset(batch->bytes, log->offsets.log_end);
    batch_set_leader_epoch(batch->bytes, append->leader_epoch);
    cr_assert(eq(int, batch_parse(batch->bytes, size_bytes, &batch->header), OK));
    *out = (struct log_append_result){.base_offset = log->offsets.log_end,
                                      .last_offset = batch_last_offset(&batch->header)};
    log->offsets.log_end = out->last_offset + 1;
    return OK;
}

enum err log_scan(struct log *log, int64_t offset,
                  bool (*visit)(void *context, const uint8_t *batch, uint32_t size_bytes),
                  void *context)
{
    for (uint32_t i = 0; i < log->batch_count; i++)
        if (batch_last_offset(&log->batches[i].header) >= offset &&
            !visit(context, log->batches[i].bytes, log->batches[i].size_bytes))
            break;
    return OK;
}

enum err log_delete_records(struct log *log, int64_t offset, void (*done)(void *, enum err),
                            void *context)
{
    cr_assert(le(i64, offset, log->offsets.high_watermark));
    log->offsets.log_start = offset;
    done(context, OK);
    return OK;
}

void store_wait_room(struct store *store, struct store_waiter *waiter)
{
    static struct list rooms;

    if (rooms.next == NULL)
        list_init(&rooms);
    list_push_back(&rooms, &waiter->node);
    kept_log.waiter = waiter;
}

void store_cancel_wait(struct store_waiter *waiter)
{
    if (list_is_linked(&waiter->node))
        list_remove(&waiter->node);
    kept_log.waiter = NULL;
}

/* What was appended is on the disk now. */
static inline void kept_log_commit(void)
{
    kept_log.offsets.durable = kept_log.offsets.log_end;
    kept_log.events->progress(kept_log.context, &kept_log);
}

/* A power loss: what was not durable is gone. */
static inline void kept_log_lose_tail(void)
{
    while (kept_log.batch_count > 0 &&
           batch_last_offset(&kept_log.batches[kept_log.batch_count - 1].header) >=
               kept_log.offsets.durable)
        mem_free(kept_log.batches[--kept_log.batch_count].bytes);
    kept_log.offsets.log_end = kept_log.offsets.durable;
}

static inline void kept_log_forget(void)
{
    for (uint32_t i = 0; i < kept_log.batch_count; i++)
        mem_free(kept_log.batches[i].bytes);
    memset(&kept_log, 0, sizeof(kept_log));
}

/* ---- two shards and a controller */

enum { RIG_SHARDS = 2, RIG_NODE = 1 };

struct rig {
    struct sim_world *world;
    struct sim_node *node;
    struct log_sink sink;
    struct config *config;
    struct shards shards;
    struct shard at[RIG_SHARDS];
    struct loader *loader;
    struct controller *controller;
    struct broker_lifecycle *life;
    bool started;
    enum err start_err;
    bool stopped;
    uint32_t published[RIG_SHARDS];
};

static struct rig rig;

static inline void rig_no_line(struct log_sink *sink, enum log_level level, const char *line,
                               size_t size_bytes)
{
}

static inline void rig_problem(void *context, const char *text)
{
    cr_assert(false, "%s", text);
}

static inline void rig_program(struct sim_node *node)
{
}

static inline void rig_program_end(struct sim_node *node, enum sim_crash kind)
{
}

static inline bool rig_published(struct shard *shard, const struct delta *delta,
                                 struct delta_cursor *cursor)
{
    rig.published[shard->index]++;
    return true;
}

static const struct metadata_publisher rig_publisher = {.name = "rig", .publish = rig_published};

/* sets: "key=value", ends with NULL; or NULL. */
static inline void rig_up(const char *const *sets)
{
    struct config_load_options options = {.sets = sets};

    memset(&rig, 0, sizeof(rig));
    rig.world = sim_world_create(&(struct sim_world_options){.seed = 7});
    rig.node = sim_node_create(rig.world, &(struct sim_node_options){.name = "a",
                                                                     .shards_count = RIG_SHARDS,
                                                                     .start = rig_program,
                                                                     .end = rig_program_end});
    sim_node_start(rig.node);
    log_sink_init(&rig.sink, rig_no_line, sim_node_clock(rig.node), LOG_ERROR, LOG_FORMAT_TEXT);
    cr_assert(eq(int,
                 config_load(sim_node_io(rig.node, 0), &options, rig_problem, rig_problem, NULL,
                             &rig.config),
                 OK));
    rig.shards.count = RIG_SHARDS;
    for (uint32_t i = 0; i < RIG_SHARDS; i++) {
        struct shard *shard = &rig.at[i];
        shard->index = i;
        shard->io = sim_node_io(rig.node, i);
        shard->clock = sim_node_clock(rig.node);
        shard->sink = &rig.sink;
        shard->config = rig.config;
        shard->shards = &rig.shards;
        prng_init(&shard->prng, i + 1);
        loop_init(&shard->loop, i, shard->io, shard->clock);
        sim_node_attach(rig.node, i, &shard->loop);
        rig.shards.at[i] = shard;
    }
    rig.at[0].io->v->dir_make(rig.at[0].io, "data");
    rig.at[0].io->v->dir_make(rig.at[0].io, "data/__cluster_metadata-0");
}

static inline enum err rig_open(void)
{
    enum err err;

    rig.started = false;
    rig.stopped = false;
    for (uint32_t i = 0; i < RIG_SHARDS; i++)
        rig.at[i].image = image_create();
    err = loader_open(&rig.at[0], &rig.loader);
    if (err != OK)
        return err;
    rig.controller = controller_create(&rig.at[0], rig.loader, "cluster", RIG_NODE);
    rig.at[0].controller = rig.controller;
    loader_add(rig.loader, &rig_publisher);
    return loader_open_publishers(rig.loader);
}

/* Durable commits and deliveries until nothing moves any more. */
static inline void rig_settle(void)
{
    for (int i = 0; i < 40; i++) {
        if (kept_log.offsets.durable < kept_log.offsets.log_end)
            kept_log_commit();
        sim_world_run_until_idle(rig.world, SIM_SECOND);
    }
}

static inline void rig_on_started(void *context, enum err err)
{
    rig.started = true;
    rig.start_err = err;
}

static inline void rig_on_stopped(void *context)
{
    rig.stopped = true;
}

static inline void rig_on_controller(void *context, enum err err)
{
    if (err == OK)
        broker_lifecycle_start(rig.life, rig_on_started, NULL);
    else
        rig_on_started(NULL, err);
}

static inline void rig_begin(bool unclean)
{
    struct broker_lifecycle_options options = {.client = controller_client_of(rig.controller),
                                               .node_id = RIG_NODE,
                                               .incarnation_id = {.bytes = {9}},
                                               .directory_id = {.bytes = {8}},
                                               .is_unclean = unclean};

    rig.life = broker_lifecycle_create(&rig.at[0], &options);
    controller_begin(rig.controller, rig_on_controller, NULL);
}

static inline void rig_start(bool unclean)
{
    cr_assert(eq(int, rig_open(), OK));
    rig_begin(unclean);
    rig_settle();
    cr_assert(rig.started);
    cr_assert(eq(int, rig.start_err, OK));
}

static inline void rig_close(void)
{
    broker_lifecycle_destroy(rig.life);
    controller_destroy(rig.controller);
    loader_close(rig.loader);
    rig.controller = NULL;
    rig.loader = NULL;
    rig.life = NULL;
    for (uint32_t i = 0; i < RIG_SHARDS; i++)
        image_destroy(rig.at[i].image);
}

static inline void rig_on_fenced(void *context)
{
    controller_stop(rig.controller, rig_on_stopped, NULL);
}

static inline void rig_stop(void)
{
    broker_lifecycle_stop(rig.life, rig_on_fenced, NULL);
    rig_settle();
    cr_assert(rig.stopped);
    rig_close();
}

static inline void rig_down(void)
{
    if (rig.controller != NULL)
        rig_close();
    config_destroy(rig.config);
    for (uint32_t i = 0; i < RIG_SHARDS; i++)
        loop_deinit(&rig.at[i].loop);
    kept_log_forget();
    cr_assert(eq(u64, sim_world_destroy(rig.world), 0), "memory was not given back");
}

#endif
