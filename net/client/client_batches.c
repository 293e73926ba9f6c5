#include "net/client/client_batches.h"

#include "base/check.h"
#include "base/mem.h"

#include <string.h>

enum { PARTITIONS_MAX = 1 << 20 }; /* what a caller may name before metadata has come */

enum err client_batches_init(struct client_batches *batches,
                             const struct client_producer_options *options,
                             struct client_cluster *cluster)
{
    uint32_t batch_bytes = options->batch_bytes < options->request_max_bytes
                               ? options->batch_bytes
                               : options->request_max_bytes;

    *batches = (struct client_batches){.options = options, .cluster = cluster};
    list_init(&batches->unassigned_topics);
    list_init(&batches->ages);
    list_init(&batches->lingering);
    if (batch_bytes < BATCH_HEADER_BYTES)
        batch_bytes = BATCH_HEADER_BYTES;
    client_batch_pool_init(&batches->pool, options->buffer_memory_bytes, batch_bytes);
    batches->compression = compression_context_create();
    return OK;
}

void client_batches_deinit(struct client_batches *batches)
{
    for (uint32_t t = 0; t < batches->topics_count; t++) {
        struct client_batches_topic *topic = batches->topics[t];

        if (topic == NULL)
            continue;
        for (int32_t p = 0; p < topic->parts_count; p++)
            mem_free(topic->parts[p]);
        mem_free(topic->parts);
        mem_free(topic);
    }
    mem_free(batches->topics);
    mem_free(batches->scratch);
    compression_context_destroy(batches->compression);
    client_batch_pool_deinit(&batches->pool);
}

/* ---- topics and partitions */

static enum err grow_table(void ***table, uint32_t *count, uint32_t wanted)
{
    void **larger;
    uint32_t room = *count * 2 > wanted ? *count * 2 : wanted;

    if (wanted <= *count)
        return OK;
    larger = mem_try_realloc(*table, room * sizeof(void *));
    if (larger == NULL)
        return ERR_NOMEM;
    memset(larger + *count, 0, (room - *count) * sizeof(void *));
    *table = larger;
    *count = room;
    return OK;
}

static struct client_batches_topic *make_topic(struct client_batches *batches,
                                               struct client_topic *handle)
{
    struct client_batches_topic *topic;
    void **table = (void **)batches->topics;
    enum err err = grow_table(&table, &batches->topics_count, handle->index + 1);

    batches->topics = (struct client_batches_topic **)table;
    if (err != OK)
        return NULL;
    topic = mem_try_alloc(sizeof(*topic));
    if (topic == NULL)
        return NULL;
    topic->topic = handle;
    client_part_init(&topic->unassigned, handle, -1);
    batches->topics[handle->index] = topic;
    return topic;
}

static struct client_batches_topic *topic_of(struct client_batches *batches,
                                             struct client_topic *handle)
{
    if (handle->index < batches->topics_count && batches->topics[handle->index] != NULL)
        return batches->topics[handle->index];
    return make_topic(batches, handle);
}

static struct client_part *make_part(struct client_batches *batches,
                                     struct client_batches_topic *topic, int32_t partition)
{
    struct client_part *part;
    void **table = (void **)topic->parts;
    uint32_t count = (uint32_t)topic->parts_count;
    enum err err = grow_table(&table, &count, (uint32_t)partition + 1);

    topic->parts = (struct client_part **)table;
    topic->parts_count = (int32_t)count;
    if (err != OK)
        return NULL;
    part = mem_try_alloc(sizeof(*part));
    if (part == NULL)
        return NULL;
    client_part_init(part, topic->topic, partition);
    timer_init(&part->backoff, batches->part_timer);
    part->owner = batches->owner;
    topic->parts[partition] = part;
    return part;
}

static struct client_part *part_of(struct client_batches *batches,
                                   struct client_batches_topic *topic, int32_t partition)
{
    if (partition < topic->parts_count && topic->parts[partition] != NULL)
        return topic->parts[partition];
    return make_part(batches, topic, partition);
}

struct client_part *client_batches_next_part(const struct client_batches *batches,
                                             struct client_batches_cursor *cursor)
{
    for (; cursor->topic < batches->topics_count; cursor->topic++, cursor->part = 0) {
        struct client_batches_topic *topic = batches->topics[cursor->topic];

        if (topic == NULL)
            continue;
        if (cursor->part == 0) {
            cursor->part++;
            return &topic->unassigned;
        }
        for (; cursor->part - 1 < topic->parts_count; cursor->part++)
            if (topic->parts[cursor->part - 1] != NULL)
                return topic->parts[cursor->part++ - 1];
    }
    return NULL;
}

/* ---- records in */

static int64_t wall_ms(struct client_batches *batches)
{
    struct loop *loop = client_cluster_env(batches->cluster)->loop;

    if (batches->wall_turn != loop->turn_count || batches->wall_ms == 0) {
        batches->wall_turn = loop->turn_count;
        batches->wall_ms = clock_wall_ms(loop->clock);
    }
    return batches->wall_ms;
}

/* A new open batch.  ERR_FULL, ERR_TOO_LARGE, ERR_INVALID. */
static enum err begin_batch(struct client_batches *batches, struct client_part *part,
                            const struct record *record, bool is_forced)
{
    struct loop *loop = client_cluster_env(batches->cluster)->loop;
    struct record first = *record;
    size_t record_bytes;
    struct client_batch *batch;

    first.offset_delta = 0;
    first.timestamp_delta_ms = 0;
    record_bytes = record_size(&first);
    if (record_bytes == 0)
        return ERR_INVALID;
    if (record_bytes + BATCH_HEADER_BYTES > batches->options->request_max_bytes ||
        client_batch_cost_bytes(record_bytes) > batches->pool.max_bytes)
        return ERR_TOO_LARGE;
    batch = client_batch_take(&batches->pool, (uint32_t)record_bytes, is_forced);
    if (batch == NULL)
        return ERR_FULL;
    batch->created_ns = loop_now_ns(loop);
    list_push_back(&batches->ages, &batch->age_node);
    client_part_push(part, batch);
    part->open = batch;
    if (part->partition < 0)
        return OK;
    if (batches->options->linger_us > 0) {
        list_push_back(&batches->lingering, &part->linger_node);
    } else {
        batch->is_due = true;
        batches->ready(batches, part);
    }
    return OK;
}

static enum err put(struct client_batches *batches, struct client_part *part,
                    const struct record *record, int64_t timestamp_ms, uint64_t token)
{
    struct client_batch *batch = part->open;
    uint32_t before_bytes = batch->size_bytes;
    enum err err = client_batch_add(batch, &batches->pool, record, timestamp_ms, token);

    if (err == OK)
        batches->pending_bytes += batch->size_bytes - before_bytes;
    return err;
}

/* To part's open batch, or a new one. */
static enum err add_to(struct client_batches *batches, struct client_part *part,
                       const struct record *record, int64_t timestamp_ms, uint64_t token,
                       bool is_forced)
{
    enum err err;

    if (part->open != NULL) {
        err = put(batches, part, record, timestamp_ms, token);
        if (err != ERR_FULL)
            return err;
        client_part_close(part);
        if (part->partition >= 0)
            batches->ready(batches, part);
    }
    err = begin_batch(batches, part, record, is_forced);
    if (err == OK)
        err = put(batches, part, record, timestamp_ms, token);
    check(err != ERR_FULL || part->open == NULL);
    return err;
}

/* CBT-2 */
static enum err add_unassigned(struct client_batches *batches, struct client_batches_topic *topic,
                               const struct client_record *record, int64_t timestamp_ms)
{
    struct client_part *part = &topic->unassigned;
    enum err err;

    if (part->open != NULL && part->open->partition_wanted != record->partition)
        client_part_close(part);
    err = add_to(batches, part, &record->record, timestamp_ms, record->token, false);
    if (err != OK)
        return err;
    part->open->partition_wanted = record->partition;
    if (!list_is_linked(&topic->node))
        list_push_back(&batches->unassigned_topics, &topic->node);
    return OK;
}

static int32_t choose(struct client_batches *batches, struct client_batches_topic *topic,
                      const struct record *record)
{
    if (record->key_bytes >= 0)
        return client_partitioner_of_key(record->key, (size_t)record->key_bytes,
                                         topic->topic->partitions_count);
    return client_partitioner_stick(&topic->sticky, client_cluster_env(batches->cluster)->prng,
                                    topic->topic, (uint32_t)record_size(record),
                                    batches->pool.batch_bytes);
}

enum err client_batches_add(struct client_batches *batches, const struct client_record *record)
{
    int64_t timestamp_ms = record->timestamp_ms < 0 ? wall_ms(batches) : record->timestamp_ms;
    struct client_batches_topic *topic = topic_of(batches, record->topic);
    int32_t partition = record->partition;
    int32_t count = record->topic->partitions_count;
    struct client_part *part;
    enum err err;

    if (topic == NULL)
        return ERR_NOMEM;
    if (partition < -1 || partition >= (count > 0 ? count : PARTITIONS_MAX))
        return ERR_NOT_FOUND;
    if (list_is_linked(&topic->node) || (partition < 0 && count == 0)) {
        err = add_unassigned(batches, topic, record, timestamp_ms);
    } else {
        if (partition < 0)
            partition = choose(batches, topic, &record->record);
        part = part_of(batches, topic, partition);
        if (part == NULL)
            return ERR_NOMEM;
        err = add_to(batches, part, &record->record, timestamp_ms, record->token, false);
    }
    if (err == OK)
        batches->pending_count++;
    return err;
}

/* ---- metadata has come */

/* What has waited in old is as old in its new batch. */
static void keep_age(struct client_batch *batch, struct client_batch *old)
{
    if (batch->records_count != 1)
        return;
    batch->created_ns = old->created_ns;
    list_remove(&batch->age_node);
    list_insert_between(&batch->age_node, old->age_node.prev, &old->age_node);
}

static bool move_records(struct client_batches *batches, struct client_batches_topic *topic,
                         struct client_batch *batch)
{
    struct client_batch_walk walk;
    struct record record;
    int64_t timestamp_ms;
    uint64_t token;
    enum err err = client_batch_walk_begin(&walk, batch, batches->compression);

    check(err == OK); /* it is not compressed */
    while (err == OK && client_batch_walk_next(&walk, &record, &timestamp_ms, &token)) {
        struct client_part *part;

        if (walk.index < batch->moved_count)
            continue;
        part = part_of(batches, topic, choose(batches, topic, &record));
        err = part == NULL ? ERR_NOMEM : add_to(batches, part, &record, timestamp_ms, token, true);
        if (err != OK)
            break;
        batch->moved_count++;
        keep_age(part->open, batch);
    }
    client_batch_walk_end(&walk);
    return err == OK;
}

bool client_batches_assign(struct client_batches *batches, struct client_batches_topic *topic)
{
    struct client_part *from = &topic->unassigned;

    check(topic->topic->partitions_count > 0);
    client_part_close(from);
    while (!list_is_empty(&from->waiting)) {
        struct client_batch *batch = list_first(&from->waiting, struct client_batch, node);

        if (batch->partition_wanted >= 0) {
            struct client_part *part = part_of(batches, topic, batch->partition_wanted);

            if (part == NULL)
                return false;
            client_part_close(part);
            list_remove(&batch->node);
            client_part_push(part, batch);
            batches->ready(batches, part);
            continue;
        }
        if (!move_records(batches, topic, batch))
            return false;
        batches->pending_bytes -= client_batch_records_bytes(batch);
        list_remove(&batch->node);
        client_batches_give(batches, batch);
    }
    list_remove(&topic->node);
    return true;
}

/* ---- time */

uint64_t client_batches_linger_ns(const struct client_batches *batches)
{
    const struct client_part *part;

    if (list_is_empty(&batches->lingering))
        return TIMER_NEVER;
    part = list_first(&batches->lingering, struct client_part, linger_node);
    return part->open->created_ns + (uint64_t)batches->options->linger_us * 1000;
}

void client_batches_linger_end(struct client_batches *batches, uint64_t now_ns, bool is_all)
{
    while (!list_is_empty(&batches->lingering)) {
        struct client_part *part = list_first(&batches->lingering, struct client_part, linger_node);

        if (!is_all && client_batches_linger_ns(batches) > now_ns)
            return;
        list_remove(&part->linger_node);
        part->open->is_due = true;
        batches->ready(batches, part);
    }
}

/* ---- on its way out */

static enum err make_scratch(struct client_batches *batches, size_t size_bytes)
{
    uint8_t *larger;

    if (size_bytes <= batches->scratch_bytes)
        return OK;
    larger = mem_try_alloc(size_bytes);
    if (larger == NULL)
        return ERR_NOMEM;
    mem_free(batches->scratch);
    batches->scratch = larger;
    batches->scratch_bytes = size_bytes;
    return OK;
}

enum err client_batches_seal(struct client_batches *batches, struct client_part *part,
                             struct client_batch *batch)
{
    enum compression codec = batches->options->codec;
    enum err err = OK;

    if (part->open == batch)
        client_part_close(part);
    if (batch->is_sealed)
        return OK;
    if (codec != COMPRESSION_NONE)
        err = make_scratch(batches, compression_bound(codec, batch->size_bytes));
    if (err != OK)
        return err;
    return client_batch_seal(batch, codec, batches->options->compression_level,
                             batches->compression, batches->scratch, batches->scratch_bytes);
}

enum err client_batches_split(struct client_batches *batches, struct client_batch *batch)
{
    struct client_batch *first, *second;
    enum err err = client_batch_split(batch, &batches->pool, batches->compression, &first, &second);

    if (err != OK)
        return err;
    batches->pending_bytes += client_batch_records_bytes(first);
    batches->pending_bytes += client_batch_records_bytes(second);
    batches->pending_bytes -= client_batch_records_bytes(batch);
    list_insert_between(&second->age_node, &batch->age_node, batch->age_node.next);
    list_insert_between(&first->age_node, &batch->age_node, batch->age_node.next);
    client_part_replace(batch->part, batch, first, second);
    client_batches_give(batches, batch);
    return OK;
}

void client_batches_give(struct client_batches *batches, struct client_batch *batch)
{
    if (list_is_linked(&batch->age_node))
        list_remove(&batch->age_node);
    client_batch_give(&batches->pool, batch);
}
