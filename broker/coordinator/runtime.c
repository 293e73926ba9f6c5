/* load → load_step, a step in each turn → on_durable → served, or failed; → unload. */
#include "broker/coordinator/runtime.h"

#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/runtime_write.h"
#include "broker/internal_topics.h"
#include "broker/partition_read.h"
#include "net/protocol/kafka_errors.h"

enum {
    BATCH_BYTES_MAX = 64 << 20, /* uncompressed */
    LOAD_STEP_BYTES = 1 << 20,  /* RUN-4 */
    LOAD_AGAIN_MS = 1000,
};

static void on_load_turn(struct task *task);

void runtime_init(struct runtime *runtime, struct shard *shard, const struct runtime_kind *kind,
                  void *coordinator, struct budget *budget)
{
    *runtime = (struct runtime){.shard = shard, .kind = kind, .coordinator = coordinator};
    runtime->meter.budget = budget;
    runtime->load_turn.run = on_load_turn;
    list_init(&runtime->partitions);
    list_init(&runtime->loading);
}

/* ---- loading */

/* A control batch: the end of a transaction, or one that nobody asks for, of another type or
 * emptied by compaction. */
static enum err load_marker(struct runtime_partition *entry, const uint8_t *batch)
{
    struct runtime *runtime = entry->runtime;
    const struct batch_header *header = &entry->load.reader.header;
    struct control_marker marker;
    struct runtime_record of = {.batch = header,
                                .marker = &marker,
                                .partition_index = entry->partition->index,
                                .offset = header->base_offset,
                                .key_bytes = -1,
                                .value_bytes = -1};
    enum err err = control_parse_marker(batch, header, &marker);

    if (err == ERR_NOT_FOUND)
        return OK;
    return err == OK ? runtime->kind->apply(runtime->coordinator, &of) : err;
}

static enum err load_records(struct runtime_partition *entry)
{
    struct runtime *runtime = entry->runtime;
    struct runtime_load *load = &entry->load;
    struct runtime_record of = {.batch = &load->reader.header,
                                .partition_index = entry->partition->index};
    struct record record;
    enum err err = OK;

    while (err == OK && (err = batch_reader_next(&load->reader, &record, &of.offset, NULL)) == OK) {
        of.key = record.key;
        of.key_bytes = record.key_bytes;
        of.value = record.value;
        of.value_bytes = record.value_bytes;
        err = runtime->kind->apply(runtime->coordinator, &of);
        of.index++;
    }
    return err == ERR_NOT_FOUND ? OK : err;
}

static bool load_batch(void *context, const uint8_t *batch, uint32_t size_bytes)
{
    struct runtime_partition *entry = context;
    struct runtime_load *load = &entry->load;

    load->err = batch_reader_open(&load->reader, batch, size_bytes);
    if (load->err == OK)
        load->err = batch_is_control(&load->reader.header) ? load_marker(entry, batch)
                                                           : load_records(entry);
    if (load->err == ERR_AGAIN && batch_is_control(&load->reader.header)) {
        load->err = OK;
        load->next_offset = load->reader.header.base_offset; /* once more, in another turn */
        load->step_bytes += LOAD_STEP_BYTES;
        return false;
    }
    load->next_offset = batch_last_offset(&load->reader.header) + 1;
    load->step_bytes += size_bytes;
    return load->err == OK && load->step_bytes < LOAD_STEP_BYTES;
}

static void end_reading(struct runtime_load *load)
{
    struct compression_context *context = load->reader.context;

    batch_reader_deinit(&load->reader);
    compression_context_destroy(context);
    *load = (struct runtime_load){0};
}

/* Memory that a partition does not find now it may find later: it is not the log's fault. */
static void end_load(struct runtime_partition *entry, enum err err)
{
    struct runtime *runtime = entry->runtime;
    struct partition *partition = entry->partition;

    end_reading(&entry->load);
    if (err == OK) {
        entry->state = RUNTIME_SERVED;
        entry->has_told = false;
        runtime->kind->loaded(runtime->coordinator, partition->index);
        return;
    }
    runtime->kind->forget(runtime->coordinator, partition->index); /* half a truth is not told */
    if (err == ERR_NOMEM)
        loop_set_timer_ms(&runtime->shard->loop, &entry->load_again, LOAD_AGAIN_MS);
    else
        entry->state = RUNTIME_FAILED;
    if (!entry->has_told && err != ERR_NOT_FOUND) /* it is being resigned */
        log_line(runtime->shard->sink, LOG_ERROR, "LVE-5001",
                 "a partition of a coordinator is not served: its records cannot be read",
                 log_str("coordinator", runtime->kind->name),
                 log_str("topic", partition->topic_name), log_i64("partition", partition->index),
                 log_err(err));
    entry->has_told = true;
}

static void on_durable(struct partition_waiter *waiter, enum err err)
{
    end_load(container_of(waiter, struct runtime_partition, load.durable), err);
}

static void load_step(struct runtime_partition *entry)
{
    struct runtime *runtime = entry->runtime;
    struct runtime_load *load = &entry->load;
    enum err err;

    load->step_bytes = 0;
    err = partition_read_all(entry->partition, load->next_offset, load_batch, entry);
    if (err == OK)
        err = load->err;
    if (err != OK) {
        end_load(entry, err);
    } else if (load->step_bytes >= LOAD_STEP_BYTES) {
        list_push_back(&runtime->loading, &load->node);
        loop_defer(&runtime->shard->loop, &runtime->load_turn);
    } else if (store_state(runtime->shard->store) == STORE_OPENING) {
        end_load(entry, OK); /* a start makes all of it durable before anybody is served */
    } else {
        load->durable.offset = load->next_offset;
        load->durable.wake = on_durable;
        partition_wait_ack(entry->partition, &load->durable);
    }
}

static void on_load_turn(struct task *task)
{
    struct runtime *runtime = container_of(task, struct runtime, load_turn);
    struct list *node = list_pop_front(&runtime->loading);

    if (node == NULL)
        return;
    load_step(container_of(node, struct runtime_partition, load.node));
    if (!list_is_empty(&runtime->loading))
        loop_defer(&runtime->shard->loop, &runtime->load_turn);
}

static void begin_load(struct runtime_partition *entry)
{
    struct compression_context *context = compression_context_create();

    entry->load =
        (struct runtime_load){.next_offset = partition_offsets(entry->partition).log_start};
    batch_reader_init(&entry->load.reader, context, BATCH_BYTES_MAX);
    load_step(entry);
}

static void on_load_again(struct timer *timer)
{
    begin_load(container_of(timer, struct runtime_partition, load_again));
}

static void on_turn(struct task *task)
{
    runtime_write_go_on(container_of(task, struct runtime_partition, turn));
}

enum err runtime_load(struct runtime *runtime, struct partition *partition)
{
    struct runtime_partition *entry = mem_try_alloc(sizeof(*entry));

    if (entry == NULL)
        return ERR_NOMEM;
    entry->runtime = runtime;
    entry->partition = partition;
    entry->state = RUNTIME_LOADING;
    entry->turn.run = on_turn;
    timer_init(&entry->load_again, on_load_again);
    list_init(&entry->writes);
    list_init(&entry->applied);
    entry->lost = OK;
    list_push_back(&runtime->partitions, &entry->node);
    begin_load(entry);
    return OK;
}

/* ---- going away */

/* It does not go on. */
static void cut_load(struct runtime_partition *entry)
{
    loop_cancel_timer(&entry->runtime->shard->loop, &entry->load_again);
    partition_cancel_wait(&entry->load.durable);
    if (list_is_linked(&entry->load.node))
        list_remove(&entry->load.node);
}

static void end_partition(struct runtime_partition *entry, enum err err)
{
    cut_load(entry);
    if (list_is_linked(&entry->turn.node))
        list_remove(&entry->turn.node);
    runtime_write_end_all(entry, err);
    end_reading(&entry->load);
    mem_free(entry);
}

void runtime_unload(struct runtime *runtime, int32_t index)
{
    struct runtime_partition *entry = runtime_find(runtime, index);

    if (entry == NULL)
        return;
    check(!entry->is_going_on);
    list_remove(&entry->node); /* RUN-3 */
    runtime->kind->resigned(runtime->coordinator, index);
    end_partition(entry, ERR_NOT_FOUND);
    runtime->kind->forget(runtime->coordinator, index);
}

void runtime_stop(struct runtime *runtime)
{
    list_for_each(node, &runtime->partitions)
    {
        cut_load(container_of(node, struct runtime_partition, node));
    }
}

void runtime_deinit(struct runtime *runtime)
{
    while (!list_is_empty(&runtime->partitions)) {
        struct runtime_partition *entry =
            list_first(&runtime->partitions, struct runtime_partition, node);
        list_remove(&entry->node);
        end_partition(entry, ERR_CLOSED);
    }
    if (list_is_linked(&runtime->load_turn.node))
        list_remove(&runtime->load_turn.node);
}

/* ---- what the topic table tells */

static enum err on_led(struct topic_observer *observer, struct partition *partition)
{
    return runtime_load(container_of(observer, struct runtime, observer), partition);
}

static void on_resigned(struct topic_observer *observer, struct partition *partition)
{
    runtime_unload(container_of(observer, struct runtime, observer), partition->index);
}

void runtime_observe(struct runtime *runtime, struct topic_table *table)
{
    runtime->observer = (struct topic_observer){
        .topic = internal_topics_of_keys(runtime->kind->key_type),
        .led = on_led,
        .resigned = on_resigned,
    };
    topic_table_observe(table, &runtime->observer);
}

/* ---- looking up */

struct runtime_partition *runtime_find(const struct runtime *runtime, int32_t index)
{
    list_for_each(node, &runtime->partitions)
    {
        struct runtime_partition *entry = container_of(node, struct runtime_partition, node);
        if (entry->partition->index == index)
            return entry;
    }
    return NULL;
}

struct runtime_partition *runtime_served(const struct runtime *runtime, int32_t index)
{
    struct runtime_partition *entry = runtime_find(runtime, index);

    return entry != NULL && entry->state == RUNTIME_SERVED ? entry : NULL;
}

bool runtime_is_loading(const struct runtime *runtime)
{
    list_for_each(node, &runtime->partitions)
    {
        if (container_of(node, struct runtime_partition, node)->state == RUNTIME_LOADING)
            return true;
    }
    return false;
}

int16_t runtime_check(const struct runtime *runtime, int32_t index)
{
    const struct runtime_partition *entry = runtime_find(runtime, index);

    if (entry == NULL)
        return KAFKA_NOT_COORDINATOR;
    if (entry->state == RUNTIME_LOADING)
        return KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    return entry->state == RUNTIME_FAILED ? KAFKA_COORDINATOR_NOT_AVAILABLE : KAFKA_NONE;
}
