/* group_rig: a group coordinator on one shard, over logs in memory that become durable when the
 * test says so, with a clock that the test moves.  Included by one test file at a time: it defines
 * the log_*, store_* and conn_* functions that the coordinator's parts call. */
#ifndef LEVEE_TESTS_GROUP_RIG_H
#define LEVEE_TESTS_GROUP_RIG_H

#include "base/log_line.h"
#include "base/mem.h"
#include "broker/config.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_offsets.h"
#include "broker/metadata/delta.h"
#include "broker/metadata/image.h"
#include "broker/request.h"
#include "broker/topic_table.h"
#include "net/protocol/kafka_tables.h"
#include "net/protocol/msg_partition_record.h"
#include "net/protocol/msg_remove_topic_record.h"
#include "net/protocol/msg_topic_record.h"
#include "storage/log/log.h"
#include "storage/log/log_aborted.h"
#include "storage/store.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- logs in memory */

struct kept_batch {
    uint8_t *bytes;
    uint32_t size_bytes;
    struct batch_header header;
};

struct log {
    struct log_id id;
    struct kept_batch *batches;
    uint32_t batch_count;
    struct log_offsets offsets;
    const struct log_events *events;
    void *context;
};

enum { RIG_LOGS = 16, RIG_BATCHES = 20000 };

static struct {
    struct log logs[RIG_LOGS]; /* by order of opening; a number outlives a restart */
    uint32_t log_count;
    struct list rooms;
    enum err refuse_with;       /* appends say this */
    bool is_full;               /* appends and trims say ERR_FULL */
    bool is_there;              /* appends find the last batch there already: duplicates */
    struct log_append appended; /* the last one that was */
    bool is_opening;            /* a start has not made durable what it has read */
    struct {                    /* the one that is on its way; done NULL: none */
        struct log *log;
        int64_t offset;
        void (*done)(void *context, enum err err);
        void *context;
    } trim;
} disk;

enum err log_open(struct store *store, const struct log_id *id, const char *name,
                  const struct log_config *config, const struct log_events *events, void *context,
                  struct log **out)
{
    struct log *log = NULL;

    for (uint32_t i = 0; i < disk.log_count && log == NULL; i++)
        if (uuid_equal(&disk.logs[i].id.topic_id, &id->topic_id) &&
            disk.logs[i].id.partition == id->partition)
            log = &disk.logs[i];
    if (log == NULL) {
        cr_assert(lt(u32, disk.log_count, RIG_LOGS));
        log = &disk.logs[disk.log_count++];
        log->id = *id;
        log->batches = mem_alloc(RIG_BATCHES * sizeof(*log->batches));
    }
    log->events = events;
    log->context = context;
    *out = log;
    return OK;
}

void log_close(struct log *log)
{
    log->events = NULL;
}

void log_delete(struct log *log)
{
    log->events = NULL;
    while (log->batch_count > 0)
        mem_free(log->batches[--log->batch_count].bytes);
    memset(&log->id, 0xff, sizeof(log->id)); /* never found again */
}

void log_delete_unopened(struct store *store, const struct log_id *id, const char *name)
{
}

void log_set_config(struct log *log, const struct log_config *config)
{
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
}

uint32_t log_apply_retention(struct log *log, int64_t now_ms)
{
    return 0;
}

uint32_t log_expire_producers(struct log *log, int64_t now_ms, int64_t idle_max_ms)
{
    return 0;
}

void log_set_high_watermark(struct log *log, int64_t offset)
{
    cr_assert(le(i64, offset, log->offsets.durable));
    log->offsets.high_watermark = offset;
}

enum err log_aborted_find(struct log *log, struct log_aborted *aborted)
{
    return OK;
}

void log_aborted_release(struct log_aborted *aborted)
{
}

enum err log_append_leader(struct log *log, const struct log_append *append,
                           struct log_append_result *out)
{
    struct kept_batch *batch = &log->batches[log->batch_count];
    uint32_t size_bytes = append->size_bytes;

    if (disk.refuse_with != OK)
        return disk.refuse_with;
    if (disk.is_full)
        return ERR_FULL;
    if (disk.is_there) {
        batch--;
        *out = (struct log_append_result){.base_offset = batch->header.base_offset,
                                          .last_offset = batch_last_offset(&batch->header),
                                          .duplicate = true};
        return OK;
    }
    cr_assert(lt(u32, log->batch_count, RIG_BATCHES));
    disk.appended = *append;
    log->batch_count++;
    batch->bytes = mem_alloc(size_bytes);
    batch->size_bytes = size_bytes;
    memcpy(batch->bytes, append->bytes, size_bytes);
    batch_set_base_offset(batch->bytes, log->offsets.log_end);
    cr_assert(eq(int, batch_parse(batch->bytes, size_bytes, &batch->header), OK));
    cr_assert(batch_crc_is_good(batch->bytes, &batch->header));
    *out = (struct log_append_result){.base_offset = log->offsets.log_end,
                                      .last_offset = batch_last_offset(&batch->header)};
    log->offsets.log_end = out->last_offset + 1;
    return OK;
}

enum err log_append_verbatim(struct log *log, const uint8_t *bytes, uint32_t size_bytes,
                             struct log_append_result *out)
{
    struct batch_header header;
    enum err err = batch_parse(bytes, size_bytes, &header);

    if (err == OK && header.base_offset < log->offsets.log_end)
        err = ERR_OFFSET_RANGE;
    if (err == OK && disk.is_full)
        err = ERR_FULL;
    if (err != OK)
        return err;
    log->offsets.log_end = header.base_offset; /* a hole is allowed */
    return log_append_leader(log,
                             &(struct log_append){.bytes = bytes,
                                                  .size_bytes = size_bytes,
                                                  .max_timestamp_ms = header.max_timestamp_ms,
                                                  .leader_epoch = header.leader_epoch},
                             out);
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

enum err log_delete_records(struct log *log, int64_t offset,
                            void (*done)(void *context, enum err err), void *context)
{
    if (disk.is_full)
        return ERR_FULL;
    cr_assert(disk.trim.done == NULL);
    disk.trim.log = log;
    disk.trim.offset = offset;
    disk.trim.done = done;
    disk.trim.context = context;
    return OK;
}

/* No producers are remembered. */
const struct producer_state *log_producers(const struct log *log)
{
    static struct producer_state none;

    list_init(&none.entries);
    list_init(&none.open);
    return &none;
}

/* Nobody reads batches, nor asks for their epochs. */
enum err log_read(struct log *log, struct log_read *read)
{
    return ERR_UNSUPPORTED;
}

void log_read_release(struct log_read *read)
{
}

bool log_count_new_bytes(const struct log *log, int64_t *offset, int64_t bound, uint32_t max_bytes,
                         uint32_t *bytes_out)
{
    return false;
}

const struct epoch_cache *log_epochs(const struct log *log)
{
    static const struct epoch_cache none;

    return &none;
}

enum store_state store_state(const struct store *store)
{
    return disk.is_opening ? STORE_OPENING : STORE_RUNNING;
}

void store_wait_room(struct store *store, struct store_waiter *waiter)
{
    list_push_back(&disk.rooms, &waiter->node);
}

void store_cancel_wait(struct store_waiter *waiter)
{
    if (list_is_linked(&waiter->node))
        list_remove(&waiter->node);
}

/* There is room again: turns as the store gives them. */
static inline void disk_give_room(void)
{
    struct list *node;

    disk.is_full = false;
    while ((node = list_pop_front(&disk.rooms)) != NULL) {
        struct store_waiter *waiter = container_of(node, struct store_waiter, node);
        bool had_room = waiter->room(waiter);
        cr_assert(had_room);
    }
}

/* The new log start is durable. */
static inline void disk_end_trim(void)
{
    void (*done)(void *context, enum err err) = disk.trim.done;

    cr_assert(done != NULL);
    disk.trim.done = NULL;
    disk.trim.log->offsets.log_start = disk.trim.offset;
    done(disk.trim.context, OK);
}

/* What was appended is on the disk now. */
static inline void disk_commit(void)
{
    for (uint32_t i = 0; i < disk.log_count; i++) {
        struct log *log = &disk.logs[i];
        if (log->events == NULL || log->offsets.durable == log->offsets.log_end)
            continue;
        log->offsets.durable = log->offsets.log_end;
        log->offsets.accepted = log->offsets.log_end;
        log->events->progress(log->context, log);
    }
}

/* A power loss: what was not durable is gone. */
static inline void disk_lose_tails(void)
{
    for (uint32_t i = 0; i < disk.log_count; i++) {
        struct log *log = &disk.logs[i];
        while (log->batch_count > 0 &&
               batch_last_offset(&log->batches[log->batch_count - 1].header) >=
                   log->offsets.durable)
            mem_free(log->batches[--log->batch_count].bytes);
        log->offsets.log_end = log->offsets.durable;
    }
}

static inline void disk_forget(void)
{
    for (uint32_t i = 0; i < disk.log_count; i++) {
        while (disk.logs[i].batch_count > 0)
            mem_free(disk.logs[i].batches[--disk.logs[i].batch_count].bytes);
        mem_free(disk.logs[i].batches);
    }
    memset(&disk, 0, sizeof(disk));
}

/* ---- the shard */

static int32_t rig_offsets_partitions = 1; /* of __consumer_offsets, for the next rig_up */

struct rig_clock {
    struct clock clock;
    uint64_t mono_ns;
    int64_t wall_ms;
};

static struct {
    struct rig_clock clock;
    struct log_sink sink;
    struct config *config;
    struct shards shards;
    struct shard shard;
    struct client client; /* of every request */
    struct arena arena;
    bool holds;            /* nothing becomes durable by itself */
    uint32_t topic_number; /* of ids */
    uint32_t error_lines;
    uint32_t task_count; /* that were deferred and have run */
    uint64_t fail_after; /* of the next request: so many allocations do not fail; 0: none does */
    bool fails_on;       /* then all fail, not one */
} rig;

static inline uint64_t rig_mono_ns(struct clock *clock)
{
    return container_of(clock, struct rig_clock, clock)->mono_ns;
}

static inline int64_t rig_wall_ms(struct clock *clock)
{
    return container_of(clock, struct rig_clock, clock)->wall_ms;
}

static inline void rig_line(struct log_sink *sink, enum log_level level, const char *line,
                            size_t size_bytes)
{
    rig.error_lines += level == LOG_ERROR;
}

static inline void rig_problem(void *context, const char *text)
{
    cr_assert(false, "%s", text);
}

static inline void rig_run_tasks(void)
{
    struct list *node;

    while ((node = list_pop_front(&rig.shard.loop.deferred)) != NULL) {
        struct task *task = container_of(node, struct task, node);
        task->run(task);
        rig.task_count++;
    }
}

/* Durable, and everything that follows from it, until nothing moves. */
static inline void rig_settle(void)
{
    rig_run_tasks();
    for (int i = 0; i < 20 && !rig.holds; i++) {
        disk_commit();
        rig_run_tasks();
    }
}

/* Time passes: timers fire at their ticks. */
static inline void rig_pass_ms(uint64_t ms)
{
    struct loop *loop = &rig.shard.loop;
    uint64_t end_ns = rig.clock.mono_ns + ms * 1000000U;

    while (rig.clock.mono_ns < end_ns) {
        uint64_t next_ns = timer_wheel_next_deadline(&loop->timers);
        uint64_t step_ns;
        if (next_ns < rig.clock.mono_ns + 1000000U)
            next_ns = rig.clock.mono_ns + 1000000U;
        if (next_ns > end_ns)
            next_ns = end_ns;
        step_ns = next_ns - rig.clock.mono_ns;
        rig.clock.mono_ns = next_ns;
        rig.clock.wall_ms += (int64_t)(step_ns / 1000000U);
        loop->now_ns = next_ns;
        timer_wheel_advance(&loop->timers, next_ns);
        rig_settle();
    }
}

/* The process stands still: all at once it is later. */
static inline void rig_freeze_ms(uint64_t ms)
{
    rig.clock.mono_ns += ms * 1000000U;
    rig.clock.wall_ms += (int64_t)ms;
    rig.shard.loop.now_ns = rig.clock.mono_ns;
    timer_wheel_advance(&rig.shard.loop.timers, rig.clock.mono_ns);
    rig_settle();
}

/* ---- metadata */

static inline void rig_apply(enum metadata_type type, int16_t version, void (*fill)(void *body),
                             struct delta *delta)
{
    struct metadata_records records;
    void *body;

    metadata_records_init(&records, &rig.arena);
    body = metadata_records_add(&records, type, version);
    fill(body);
    cr_assert(eq(int, image_apply(rig.shard.image, &records.items[0], delta), OK));
}

static struct {
    struct uuid id;
    const char *name;
    int32_t index;
} rig_topic;

static inline void rig_fill_topic(void *body)
{
    struct topic_record *topic = body;

    topic->name = wire_string(rig_topic.name);
    topic->topic_id = rig_topic.id;
}

static inline void rig_fill_partition(void *body)
{
    static int32_t one[] = {1};
    struct partition_record *partition = body;

    partition->topic_id = rig_topic.id;
    partition->partition_id = rig_topic.index;
    partition->replicas.items = one;
    partition->replicas.count = 1;
    partition->isr.items = one;
    partition->isr.count = 1;
    partition->leader = 1;
}

static inline void rig_fill_removal(void *body)
{
    ((struct remove_topic_record *)body)->topic_id = rig_topic.id;
}

static inline void rig_publish(struct delta *delta)
{
    for (uint32_t i = 0; i < delta->topic_count; i++)
        if (delta->topics[i].changes & DELTA_TOPIC_DELETED)
            group_coordinator_topic_deleted(rig.shard.groups, delta->topics[i].name);
    topic_table_publish(rig.shard.topics, delta);
    delta_deinit(delta);
    rig_settle();
}

static inline struct uuid rig_create_topic(const char *name, int32_t partitions)
{
    struct delta delta;

    delta_init(&delta);
    rig_topic.id = (struct uuid){.bytes = {0x77, (uint8_t)++rig.topic_number}};
    rig_topic.name = name;
    rig_apply(METADATA_TOPIC, 0, rig_fill_topic, &delta);
    for (rig_topic.index = 0; rig_topic.index < partitions; rig_topic.index++)
        rig_apply(METADATA_PARTITION, 1, rig_fill_partition, &delta);
    rig_publish(&delta);
    return rig_topic.id;
}

/* published false: the process ends between the metadata's commit and what follows from it. */
static inline void rig_delete_topic(const struct uuid *id, bool published)
{
    struct delta delta;

    delta_init(&delta);
    rig_topic.id = *id;
    rig_apply(METADATA_REMOVE_TOPIC, 0, rig_fill_removal, &delta);
    if (published)
        rig_publish(&delta);
    else
        delta_deinit(&delta);
}

/* ---- life */

static inline void rig_make_parts(void)
{
    cr_assert(eq(int, topic_table_create(&rig.shard, &rig.shard.topics), OK));
    cr_assert(eq(int, group_coordinator_create(&rig.shard, &rig.shard.groups), OK));
    group_coordinator_observe(rig.shard.groups);
}

static inline void rig_open_topics(void)
{
    struct delta delta;
    size_t cursor = 0;
    const struct image_topic *topic;

    delta_init(&delta);
    while ((topic = image_topic_next(rig.shard.image, &cursor)) != NULL)
        cr_assert(eq(int,
                     delta_note_topic(&delta, &topic->id, topic->name, strlen(topic->name),
                                      DELTA_TOPIC_CREATED, 0),
                     OK));
    topic_table_publish(rig.shard.topics, &delta);
    delta_deinit(&delta);
}

static inline void rig_open_parts(void)
{
    rig_make_parts();
    rig_open_topics();
}

static inline void rig_close_parts(void)
{
    group_coordinator_stop(rig.shard.groups);
    rig_settle();
    group_coordinator_destroy(rig.shard.groups);
    topic_table_destroy(rig.shard.topics);
}

/* sets: "key=value", ends with NULL; or NULL. */
static inline void rig_up(const char *const *sets)
{
    struct config_load_options options = {.sets = sets};
    struct memory_limits limits = {0};

    memset(&rig, 0, sizeof(rig));
    list_init(&disk.rooms);
    rig.clock = (struct rig_clock){
        {rig_mono_ns, rig_wall_ms}, UINT64_C(5000000000), INT64_C(1700000000000)};
    log_sink_init(&rig.sink, rig_line, &rig.clock.clock, LOG_INFO, LOG_FORMAT_TEXT);
    cr_assert(
        eq(int, config_load(NULL, &options, rig_problem, rig_problem, NULL, &rig.config), OK));
    arena_init(&rig.arena, (size_t)64 << 20);
    rig.shard.clock = &rig.clock.clock;
    rig.shard.sink = &rig.sink;
    rig.shard.config = rig.config;
    rig.shard.shards = &rig.shards;
    rig.shards.count = 1;
    rig.shards.at[0] = &rig.shard;
    prng_init(&rig.shard.prng, 42);
    loop_init(&rig.shard.loop, 0, NULL, &rig.clock.clock);
    for (int i = 0; i < MEMORY_PURPOSE_COUNT; i++)
        limits.max_bytes[i] = (uint64_t)1 << 30;
    memory_init(&rig.shard.memory, &limits, &rig.shard.loop, &rig.sink);
    rig.shard.image = image_create();
    cr_assert(
        eq(int,
           request_pool_create(&rig.shard, sizeof(struct request), NULL, NULL, &rig.shard.requests),
           OK));
    clock_guard_start(&rig.shard);
    rig_open_parts();
    group_coordinator_start(rig.shard.groups);
    rig_create_topic("__consumer_offsets", rig_offsets_partitions);
}

/* Stop and start again over the same logs. */
static inline void rig_restart(void)
{
    rig_close_parts();
    rig_open_parts();
    group_coordinator_start(rig.shard.groups);
    rig_settle();
}

static inline void rig_down(void)
{
    rig_close_parts();
    request_pool_destroy(rig.shard.requests);
    image_destroy(rig.shard.image);
    config_destroy(rig.config);
    arena_deinit(&rig.arena);
    disk_forget();
    cr_assert(eq(u64, budget_used_bytes(memory_budget(&rig.shard.memory, MEMORY_GROUPS)), 0));
    cr_assert(eq(u64, budget_used_bytes(memory_budget(&rig.shard.memory, MEMORY_DECODED)), 0));
    memory_deinit(&rig.shard.memory);
    cr_assert(eq(u64, mem_used_count(), 0), "memory was not given back");
}

/* ---- requests */

/* A request on its way; its response may be looked at once it is answered. */
struct ask {
    struct request *request;
    void *body;
    const void *response;
    bool answered;
    bool closed; /* without an answer: its connection was closed */
};

enum { RIG_ASKS = 64 };
static struct ask *asks[RIG_ASKS]; /* those that wait */

static inline void end_ask(struct request *request, bool closed)
{
    list_remove(&request->spent_task.node); /* what it is made of is looked at until ask_end */
    for (uint32_t i = 0; i < RIG_ASKS; i++)
        if (asks[i] != NULL && asks[i]->request == request) {
            asks[i]->answered = true;
            asks[i]->response = request->response; /* another one when it has waited */
            asks[i]->closed = closed;
            asks[i] = NULL;
            return;
        }
    cr_assert(false, "an answer for a request that does not wait");
}

/* request.c has encoded the answer, so every field is legal in its version. */
static inline void rig_answer(struct request *request, const struct wire_segment *segments,
                              uint32_t segment_count, uint64_t held_bytes)
{
    end_ask(request, false);
}

static inline void rig_answer_none(struct request *request)
{
    cr_assert(false, "no answer");
}

static inline void rig_answer_close(struct request *request)
{
    cr_assert(lt(u64, 0, rig.fail_after), "an answer could not be encoded");
    end_ask(request, true);
}

static const struct request_sink rig_answers = {
    .answer = rig_answer, .answer_none = rig_answer_none, .close = rig_answer_close};

/* Memory of a request that a test fills. */
static inline void *rig_alloc(struct request *request, size_t count, size_t size_bytes)
{
    void *memory = request_try_alloc(request, count, size_bytes);

    cr_assert(ne(ptr, memory, NULL));
    return memory;
}

static inline void *rig_array(struct request *request, const struct struct_desc *element,
                              int32_t count)
{
    void *items = request_try_array(request, element, count);

    cr_assert(ne(ptr, items, NULL));
    return items;
}

static inline const char *rig_text(struct request *request, struct wire_string text)
{
    struct wire_string copy;

    cr_assert(request_try_text(request, text, &copy));
    return copy.text;
}

/* A new request with the body's defaults; fill ask->body, then ask_start. */
static inline struct ask ask_new(int16_t key, int16_t version)
{
    struct request *request;
    enum err err = request_pool_take(rig.shard.requests, 0, false, &request);
    struct ask ask = {.request = request};

    cr_assert(eq(int, err, OK));
    request->sink = &rig_answers;
    request->client = &rig.client;
    request->api = api_find(key);
    request->api_key = key;
    request->api_version = version;
    request->client_id = wire_string("client");
    ask.body = rig_alloc(request, 1, request->api->request->body->size_bytes);
    codec_set_defaults(request->api->request, ask.body);
    request->body = ask.body;
    cr_assert(request_prepare_response(request));
    ask.response = request->response;
    return ask;
}

/* ask stays where it is until it is answered.  Only its first turn. */
static inline void ask_begin(struct ask *ask, void (*handle)(struct request *request))
{
    uint32_t slot = 0;

    while (slot < RIG_ASKS && asks[slot] != NULL)
        slot++;
    cr_assert(lt(u32, slot, RIG_ASKS));
    asks[slot] = ask;
    handle(ask->request);
}

/* And what follows from it. */
static inline void ask_start(struct ask *ask, void (*handle)(struct request *request))
{
    if (rig.fails_on)
        mem_end_after(rig.fail_after);
    else
        mem_fail_after(rig.fail_after);
    ask_begin(ask, handle);
    rig_settle();
    mem_fail_after(0);
    rig.fail_after = 0;
}

/* The answer was looked at. */
static inline void ask_end(struct ask *ask)
{
    cr_assert(ask->answered);
    request_done(ask->request);
}

#endif
