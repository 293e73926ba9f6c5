#include "broker/topic_table.h"

#include "base/check.h"
#include "base/hash_map.h"
#include "broker/metadata/image.h"
#include "broker/producer_owner.h"
#include "broker/unopened.h"

#include <string.h>

struct topic_table {
    struct shard *shard;
    struct hash_map partitions; /* by struct partition_key in table_entry */
    uint32_t count;
    struct timer retention_timer; /* log.retention.check.interval.ms: retention, idle producers */
    enum err open_err;            /* of the first log that could not be opened */
    struct forgotten_lines forgotten;
    struct unopened unopened; /* those logs, to be tried again */
    struct timer unopened_timer;
    struct list observers; /* of topic_observer */
    bool starting;         /* logs are opened, and followed later */
};

enum {
    UNOPENED_AGAIN_MS = 1000,
    UNOPENED_TRIES = 16, /* in a turn */
};

static void on_unopened_timer(struct timer *timer);

struct partition_key {
    struct uuid topic_id;
    int32_t index;
};

struct table_entry {
    struct partition_key key;
    struct topic_observed observed;
    struct partition partition;
};

static struct partition_key key_of(const struct uuid *topic_id, int32_t index)
{
    struct partition_key key;

    memset(&key, 0, sizeof(key)); /* it is hashed as bytes */
    key.topic_id = *topic_id;
    key.index = index;
    return key;
}

enum err topic_table_create(struct shard *shard, struct topic_table **out)
{
    struct topic_table *table = mem_alloc(sizeof(*table));

    table->shard = shard;
    hash_map_init(&table->partitions, prng_u64(&shard->prng));
    unopened_init(&table->unopened, prng_u64(&shard->prng));
    timer_init(&table->unopened_timer, on_unopened_timer);
    list_init(&table->observers);
    *out = table;
    return OK;
}

void topic_table_observe(struct topic_table *table, struct topic_observer *observer)
{
    check(table->count == 0);
    list_push_back(&table->observers, &observer->node);
}

static void free_entry(struct table_entry *entry)
{
    append_queue_deinit(&entry->partition.appends);
    refused_batches_deinit(&entry->partition.refused);
    mem_free(entry->partition.topic_name);
    mem_free(entry);
}

void topic_table_destroy(struct topic_table *table)
{
    size_t cursor = 0;
    struct table_entry *entry;

    if (table == NULL)
        return;
    loop_cancel_timer(&table->shard->loop, &table->retention_timer);
    loop_cancel_timer(&table->shard->loop, &table->unopened_timer);
    unopened_deinit(&table->unopened);
    while ((entry = hash_map_next(&table->partitions, &cursor)) != NULL) {
        if (entry->partition.log != NULL)
            log_close(entry->partition.log);
        free_entry(entry);
    }
    hash_map_deinit(&table->partitions);
    mem_free(table);
}

static struct table_entry *find_entry(struct topic_table *table, const struct uuid *topic_id,
                                      int32_t index)
{
    struct partition_key key = key_of(topic_id, index);

    return hash_map_find(&table->partitions, &key, sizeof(key));
}

struct partition *topic_table_find(struct topic_table *table, const struct uuid *topic_id,
                                   int32_t index)
{
    struct table_entry *entry = find_entry(table, topic_id, index);

    return entry == NULL ? NULL : &entry->partition;
}

static void on_log_progress(void *context, struct log *log)
{
    partition_publish(context);
}

static void on_start_moved(void *context, struct log *log)
{
    partition_start_moved(context);
}

static void on_producer_forgotten(void *context, const struct producer_forgotten *forgotten)
{
    const struct partition *partition = context;
    struct shard *shard = partition->shard;

    forgotten_lines_note(&shard->topics->forgotten, clock_mono_ns(shard->clock), shard->sink,
                         partition->topic_name, partition->index, forgotten);
}

static enum err follow_state(struct partition *partition, const struct image_partition *state)
{
    struct in_sync_state committed = {
        .leader = state->leader,
        .leader_epoch = state->leader_epoch,
        .partition_epoch = state->partition_epoch,
        .replicas = state->replicas,
        .replica_count = state->replica_count,
        .isr = state->isr,
        .isr_count = state->isr_count,
    };

    return partition_follow(partition, &committed);
}

static void tell_unopened(struct topic_table *table, const char *topic_name, int32_t index,
                          enum err err)
{
    log_line(table->shard->sink, LOG_ERROR, "LVE-2201", "partition could not be opened",
             log_str("topic", topic_name), log_i64("partition", index), log_err(err));
}

static enum err announce(struct topic_table *table, struct table_entry *entry)
{
    return topic_observer_tell(&table->observers, &entry->observed, &entry->partition);
}

/* Into the table, and announced; on an error it is in the table no more. */
static enum err add_entry(struct topic_table *table, struct table_entry *entry)
{
    enum err err = hash_map_insert(&table->partitions, &entry->key, sizeof(entry->key), entry);

    if (err != OK)
        return err;
    if (!table->starting)
        err = announce(table, entry);
    if (err != OK)
        hash_map_remove(&table->partitions, &entry->key, sizeof(entry->key));
    else
        table->count++;
    return err;
}

/* NULL: no memory. */
static struct table_entry *new_entry(const struct image_topic *topic, int32_t index)
{
    struct table_entry *entry = mem_try_alloc(sizeof(*entry));

    if (entry == NULL)
        return NULL;
    entry->key = key_of(&topic->id, index);
    entry->partition.topic_id = topic->id;
    entry->partition.index = index;
    entry->partition.topic_name = mem_try_strdup(topic->name);
    if (entry->partition.topic_name != NULL)
        return entry;
    mem_free(entry);
    return NULL;
}

/* Open the log of one partition that the image gives to this shard. */
static enum err try_open(struct topic_table *table, const struct image_topic *topic,
                         const struct image_partition *state)
{
    static const struct log_events events = {.progress = on_log_progress,
                                             .start_moved = on_start_moved,
                                             .producer_forgotten = on_producer_forgotten};
    struct shard *shard = table->shard;
    struct log_id id = {.topic_id = topic->id, .partition = state->index};
    struct table_entry *entry = new_entry(topic, state->index);
    struct partition *partition;
    enum err err;

    if (entry == NULL)
        return ERR_NOMEM;
    partition = &entry->partition;
    partition->shard = shard;
    partition->leader_epoch = -1; /* follow_state has it */
    entry->observed.topic = internal_topics_find(topic->name);
    partition->internal = entry->observed.topic != NULL;
    partition_init_waits(partition);
    topic_config_resolve(shard_topic_config(shard), shard->image, topic->name, &partition->config);
    partition->config.log.reserved_space = partition->internal;
    in_sync_init(&partition->in_sync, config_node_id(shard->config),
                 partition->config.min_insync_replicas);
    err = log_open(shard->store, &id, topic->name, &partition->config.log, &events, partition,
                   &partition->log);
    if (err != OK) {
        free_entry(entry);
        return err;
    }
    if (!table->starting)
        err = follow_state(partition, state);
    if (err == OK)
        err = add_entry(table, entry);
    if (err != OK) {
        log_close(partition->log);
        free_entry(entry);
    }
    return err;
}

/* False: it is not open, nor among those that are tried again: there is no memory. */
static bool open_partition(struct topic_table *table, const struct image_topic *topic,
                           const struct image_partition *state)
{
    enum err err = try_open(table, topic, state);

    if (err == OK)
        return true;
    if (table->open_err == OK)
        table->open_err = err;
    if (unopened_add(&table->unopened, &topic->id, state->index, topic->name, err) != OK)
        return false;
    tell_unopened(table, topic->name, state->index, err);
    if (!timer_is_set(&table->unopened_timer))
        loop_set_timer_ms(&table->shard->loop, &table->unopened_timer, UNOPENED_AGAIN_MS);
    return true;
}

/* False: it failed once more, and so will others. */
static bool try_again(struct topic_table *table, struct unopened_partition *waiting)
{
    const struct image_topic *topic =
        image_topic_by_id(table->shard->image, &waiting->key.topic_id);
    enum err err;

    if (topic == NULL) { /* its deletion is on its way to us */
        unopened_note_try(&table->unopened, waiting, waiting->err);
        return false;
    }
    err = try_open(table, topic, &topic->partitions[waiting->key.partition]);
    if (err != OK) {
        unopened_note_try(&table->unopened, waiting, err);
        return false;
    }
    log_line(table->shard->sink, LOG_INFO, "LVE-2206", "partition was opened, later than it came",
             log_str("topic", topic->name), log_i64("partition", waiting->key.partition));
    unopened_remove(&table->unopened, waiting);
    return true;
}

static void on_unopened_timer(struct timer *timer)
{
    struct topic_table *table = container_of(timer, struct topic_table, unopened_timer);
    struct unopened_partition *waiting;
    bool went_well = true;

    if (store_state(table->shard->store) != STORE_RUNNING)
        return;
    for (int i = 0; i < UNOPENED_TRIES && went_well; i++) {
        waiting = unopened_first(&table->unopened);
        if (waiting == NULL)
            return;
        went_well = try_again(table, waiting);
    }
    loop_set_timer_ms(&table->shard->loop, timer, went_well ? 1 : UNOPENED_AGAIN_MS);
}

/* What a try has left goes, too: a topic of the same name could not be opened there. */
static bool delete_unopened(struct topic_table *table, const struct uuid *topic_id, int32_t index)
{
    struct unopened_partition *waiting = unopened_find(&table->unopened, topic_id, index);
    struct log_id id = {.topic_id = *topic_id, .partition = index};

    if (waiting == NULL)
        return false;
    if (waiting->err != ERR_FOREIGN)
        log_delete_unopened(table->shard->store, &id, waiting->topic_name);
    unopened_remove(&table->unopened, waiting);
    return true;
}

static void delete_partition(struct topic_table *table, struct table_entry *entry)
{
    struct partition *partition = &entry->partition;
    struct hash_map *map = &table->partitions;

    topic_observer_tell_end(&table->observers, &entry->observed, partition);
    partition->deleted = true;
    partition_end_waits(partition, ERR_NOT_FOUND);
    hash_map_remove(map, &entry->key, sizeof(entry->key));
    table->count--;
    log_delete(partition->log);
    free_entry(entry);
}

static void follow_config(struct topic_table *table, struct partition *partition)
{
    topic_config_resolve(shard_topic_config(table->shard), table->shard->image,
                         partition->topic_name, &partition->config);
    partition->config.log.reserved_space = partition->internal;
    partition_follow_config(partition);
}

/* ---- publishing, in slices */

/* What a slice may cost, and what it is made of: microseconds, roughly (ext4, a cloud disk). */
enum {
    SLICE_US = 8000,
    OPEN_US = 250,
    DELETE_US = 100,
    CONFIG_US = 30,
    FOLLOW_US = 2,
};

enum publish_step { STEP_DELETIONS, STEP_CHANGES, STEP_CONFIGS, STEP_DONE };

static uint32_t follow_partition(struct topic_table *table, const struct image_topic *topic,
                                 uint32_t index, uint32_t changes, bool *lacks_memory_out)
{
    const struct image_partition *state = &topic->partitions[index];
    struct table_entry *entry;

    if (shard_of_partition(table->shard->shards, &topic->id, state->index) != table->shard)
        return 0;
    entry = find_entry(table, &topic->id, state->index);
    if (entry == NULL && unopened_find(&table->unopened, &topic->id, state->index) != NULL)
        return FOLLOW_US; /* by what the image says when it is opened */
    if (entry == NULL) {
        *lacks_memory_out = !open_partition(table, topic, state);
        return OPEN_US;
    }
    if (follow_state(&entry->partition, state) == OK)
        partition_publish(&entry->partition); /* a smaller set may allow more */
    *lacks_memory_out = announce(table, entry) != OK;
    if (changes & DELTA_TOPIC_CONFIG)
        follow_config(table, &entry->partition);
    return changes & DELTA_TOPIC_CONFIG ? CONFIG_US : FOLLOW_US;
}

static uint32_t delete_one(struct topic_table *table, const struct uuid *id, uint32_t index)
{
    struct table_entry *entry = find_entry(table, id, (int32_t)index);

    if (entry == NULL)
        return delete_unopened(table, id, (int32_t)index) ? DELETE_US : 0;
    delete_partition(table, entry);
    return DELETE_US;
}

/* The topic that cursor stands at, in the order of the step: its partitions; false: there is none,
 * the step is over. */
static bool look_at(const struct topic_table *table, const struct delta *delta,
                    const struct delta_cursor *cursor, const struct image_topic **topic_out,
                    uint32_t *partitions_out)
{
    size_t image_cursor = cursor->topic;
    const struct delta_topic *change;
    const struct image_topic *topic;

    if (cursor->step == STEP_CONFIGS) {
        topic = image_topic_next(table->shard->image, &image_cursor);
        *partitions_out = topic == NULL ? 0 : topic->partition_count;
        *topic_out = topic;
        return delta->broker_configs && topic != NULL;
    }
    if (cursor->topic == delta->topic_count)
        return false;
    change = &delta->topics[cursor->topic];
    topic = image_topic_by_id(table->shard->image, &change->id);
    *topic_out = topic;
    if (cursor->step == STEP_DELETIONS)
        *partitions_out = change->changes & DELTA_TOPIC_DELETED ? change->old_partition_count : 0;
    else /* NULL: created and deleted in one delta */
        *partitions_out =
            change->changes & DELTA_TOPIC_DELETED || topic == NULL ? 0 : topic->partition_count;
    return true;
}

static uint32_t renew_config(struct topic_table *table, const struct uuid *id, uint32_t index)
{
    struct table_entry *entry = find_entry(table, id, (int32_t)index);

    if (entry == NULL)
        return 0;
    follow_config(table, &entry->partition);
    return CONFIG_US;
}

static uint32_t step_on(struct topic_table *table, const struct delta *delta,
                        struct delta_cursor *cursor, const struct image_topic *topic)
{
    const struct delta_topic *change;

    if (cursor->step == STEP_CONFIGS)
        return renew_config(table, &topic->id, cursor->partition);
    change = &delta->topics[cursor->topic];
    if (cursor->step == STEP_DELETIONS)
        return delete_one(table, &change->id, cursor->partition);
    return follow_partition(table, topic, cursor->partition, change->changes,
                            &cursor->lacks_memory);
}

bool topic_table_publish_some(struct topic_table *table, const struct delta *delta,
                              struct delta_cursor *cursor)
{
    uint32_t spent_us = 0;

    cursor->lacks_memory = false;
    while (spent_us < SLICE_US && cursor->step != STEP_DONE) {
        const struct image_topic *topic;
        uint32_t partitions;
        if (!look_at(table, delta, cursor, &topic, &partitions)) {
            cursor->step++;
            cursor->topic = 0;
            continue;
        }
        spent_us++;
        while (cursor->partition < partitions && spent_us < SLICE_US) {
            spent_us += step_on(table, delta, cursor, topic);
            if (cursor->lacks_memory)
                return false; /* this one again */
            cursor->partition++;
        }
        if (cursor->partition < partitions)
            break;
        cursor->partition = 0;
        cursor->topic++;
    }
    return cursor->step == STEP_DONE;
}

enum err topic_table_open_err(const struct topic_table *table)
{
    return table->open_err;
}

void topic_table_publish(struct topic_table *table, const struct delta *delta)
{
    struct delta_cursor cursor = {0};

    while (!topic_table_publish_some(table, delta, &cursor))
        if (cursor.lacks_memory)
            return;
}

void topic_table_open_all(struct topic_table *table)
{
    struct delta delta;
    size_t cursor = 0;
    const struct image_topic *topic;
    enum err err = OK;

    delta_init(&delta);
    while (err == OK && (topic = image_topic_next(table->shard->image, &cursor)) != NULL)
        err = delta_note_topic(&delta, &topic->id, topic->name, strlen(topic->name),
                               DELTA_TOPIC_CREATED, 0);
    table->starting = true;
    if (err == OK)
        topic_table_publish(table, &delta);
    else
        table->open_err = err;
    table->starting = false;
    delta_deinit(&delta);
}

enum err topic_table_follow_all(struct topic_table *table)
{
    size_t cursor = 0;
    const struct image_topic *topic;
    enum err err = OK;

    while ((topic = image_topic_next(table->shard->image, &cursor)) != NULL) {
        for (uint32_t i = 0; i < topic->partition_count; i++) {
            const struct image_partition *state = &topic->partitions[i];
            struct table_entry *entry = find_entry(table, &topic->id, state->index);
            if (entry == NULL || err != OK)
                continue;
            err = follow_state(&entry->partition, state);
            if (err == OK)
                err = announce(table, entry);
            if (err != OK)
                tell_unopened(table, topic->name, state->index, err);
        }
    }
    return err;
}

void topic_table_each(struct topic_table *table,
                      void (*visit)(void *context, struct partition *partition), void *context)
{
    size_t cursor = 0;
    struct table_entry *entry;

    while ((entry = hash_map_next(&table->partitions, &cursor)) != NULL)
        visit(context, &entry->partition);
}

uint32_t topic_table_count(const struct topic_table *table)
{
    return table->count;
}

struct housekeeping {
    int64_t now_ms; /* -1: the clock is not believed */
    int64_t producer_idle_max_ms;
};

static void keep_house(void *context, struct partition *partition)
{
    const struct housekeeping *now = context;

    partition_maintain(partition, now->now_ms, now->producer_idle_max_ms);
}

static void on_retention_timer(struct timer *timer)
{
    struct topic_table *table = container_of(timer, struct topic_table, retention_timer);
    struct housekeeping now = {
        .now_ms = clock_guard_allows(table->shard) ? clock_wall_ms(table->shard->clock) : -1,
        .producer_idle_max_ms = shard_config(table->shard)->producer_id_expiration_ms,
    };

    topic_table_each(table, keep_house, &now);
    topic_table_start(table);
}

void topic_table_start(struct topic_table *table)
{
    int64_t interval_ms = shard_config(table->shard)->log_retention_check_interval_ms;

    table->retention_timer.fire = on_retention_timer;
    loop_set_timer_ms(&table->shard->loop, &table->retention_timer, (uint64_t)interval_ms);
}

static void fail_partition(void *context, struct partition *partition)
{
    partition_end_waits(partition, ERR_STORAGE);
}

void topic_table_fail(struct topic_table *table)
{
    topic_table_each(table, fail_partition, NULL);
}
