/* The table of ids: what the runtime asks of it, looking up, going away.  What happens to an id is
 * in transaction_step.c. */
#include "broker/coordinator/transaction_coordinator.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/metric_family.h"
#include "broker/coordinator/transaction_call.h"
#include "broker/coordinator/transaction_coordinator_private.h"
#include "broker/coordinator/transaction_flush.h"
#include "broker/coordinator/transaction_records.h"
#include "broker/coordinator/transaction_route.h"
#include "broker/coordinator/transaction_step.h"
#include "broker/internal_topics.h"
#include "broker/metadata/features.h"
#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/kafka_errors.h"

#include <string.h>

/* What an entry costs in the map, where it may have grown just now, and in the heap. */
enum { ENTRY_EXTRA_BYTES = 100 };

/* Of the memory, what new ids leave to the transactions of those that there are. */
enum { KEPT_PART = 4 };

static const struct runtime_kind kind;

enum err transaction_coordinator_create(struct shard *shard, struct transaction_coordinator **out)
{
    struct transaction_coordinator *coordinator = mem_alloc(sizeof(*coordinator));

    coordinator->shard = shard;
    runtime_init(&coordinator->runtime, shard, &kind, coordinator,
                 memory_budget(&shard->memory, MEMORY_TRANSACTIONS));
    hash_map_init(&coordinator->entries, prng_u64(&shard->prng));
    list_init(&coordinator->all);
    list_init(&coordinator->calls);
    list_init(&coordinator->flushes);
    list_init(&coordinator->asked);
    transaction_timeouts_init(&coordinator->timeouts, coordinator);
    transaction_markers_init(&coordinator->markers, shard);
    transaction_orphans_init(&coordinator->orphans, coordinator);
    transaction_registrations_init(&coordinator->registrations, coordinator);
    *out = coordinator;
    return OK;
}

struct budget *transaction_coordinator_budget(struct transaction_coordinator *coordinator)
{
    return memory_budget(&coordinator->shard->memory, MEMORY_TRANSACTIONS);
}

/* ---- one entry */

static uint64_t bytes_of(const struct transaction_entry *entry)
{
    return sizeof(*entry) + entry->id_bytes + 1 + ENTRY_EXTRA_BYTES +
           transaction_partitions_bytes(&entry->partitions);
}

void transaction_coordinator_recount(struct transaction_entry *entry)
{
    struct budget *budget = transaction_coordinator_budget(entry->coordinator);
    uint64_t bytes = bytes_of(entry);

    if (bytes > entry->counted_bytes)
        budget_force(budget, bytes - entry->counted_bytes);
    else
        budget_give(budget, entry->counted_bytes - bytes);
    entry->counted_bytes = bytes;
}

static int32_t topic_partition_count(const struct transaction_coordinator *coordinator)
{
    const struct image_topic *topic =
        internal_topics_image(coordinator->shard->image, KAFKA_COORDINATOR_KEY_TYPE_TRANSACTION);

    return topic == NULL ? 0 : (int32_t)topic->partition_count;
}

/* Without a look at the limits. */
static struct transaction_entry *make(struct transaction_coordinator *coordinator, const char *id,
                                      size_t id_bytes)
{
    struct transaction_entry *entry = mem_try_alloc(sizeof(*entry) + id_bytes + 1);
    int32_t count = topic_partition_count(coordinator);

    if (entry == NULL)
        return NULL;
    memcpy(entry + 1, id, id_bytes); /* what is behind it is zeroed */
    entry->id = (const char *)(entry + 1);
    entry->id_bytes = id_bytes;
    entry->coordinator = coordinator;
    entry->partition_index = transaction_partition_of(id, id_bytes, count == 0 ? 1 : count);
    if (hash_map_insert(&coordinator->entries, entry->id, id_bytes, entry) != OK) {
        mem_free(entry);
        return NULL;
    }
    list_push_back(&coordinator->all, &entry->node);
    transaction_coordinator_recount(entry);
    return entry;
}

/* Of this shard. */
static uint32_t ids_max(const struct transaction_coordinator *coordinator)
{
    uint32_t max = (uint32_t)config_values(coordinator->shard->config)->levee_transactional_ids_max;
    uint32_t shard_count = coordinator->shard->shards->count;

    return max <= shard_count ? 1 : max / shard_count;
}

enum err transaction_coordinator_add(struct transaction_coordinator *coordinator, const char *id,
                                     size_t id_bytes, int64_t producer_id, int32_t timeout_ms,
                                     struct transaction_entry **out)
{
    struct budget *budget = transaction_coordinator_budget(coordinator);
    uint64_t kept_bytes = budget->max_bytes / KEPT_PART;
    uint64_t bytes = sizeof(**out) + id_bytes + 1 + ENTRY_EXTRA_BYTES;
    struct transaction_entry *entry;

    if (hash_map_count(&coordinator->entries) >= ids_max(coordinator)) {
        counter_add(&coordinator->refused_ids, 1);
        log_line(coordinator->shard->sink, LOG_WARN, "LVE-5030",
                 "a transactional id was refused: there are as many as there may be",
                 log_text("transactional_id", id, id_bytes),
                 log_u64("ids", hash_map_count(&coordinator->entries)));
        return ERR_FULL;
    }
    if (!budget_take(budget, bytes + kept_bytes))
        return ERR_NOMEM;
    budget_give(budget, bytes + kept_bytes); /* make counts it */
    entry = make(coordinator, id, id_bytes);
    if (entry == NULL)
        return ERR_NOMEM;
    transaction_init(&entry->transaction, producer_id, timeout_ms,
                     clock_wall_ms(coordinator->shard->clock));
    *out = entry;
    return OK;
}

void transaction_coordinator_unlink(struct transaction_entry *entry)
{
    struct transaction_coordinator *coordinator = entry->coordinator;

    transaction_timeouts_forget(&coordinator->timeouts, entry);
    hash_map_remove(&coordinator->entries, entry->id, entry->id_bytes);
    list_remove(&entry->node);
}

static void remove_entry(struct transaction_entry *entry)
{
    check(entry->step_count == 0);
    if (list_is_linked(&entry->node))
        transaction_coordinator_unlink(entry);
    transaction_completion_end(entry->completion);
    transaction_partitions_deinit(&entry->partitions);
    budget_give(transaction_coordinator_budget(entry->coordinator), entry->counted_bytes);
    mem_free(entry);
}

void transaction_coordinator_release(struct transaction_entry *entry)
{
    check(entry->step_count > 0);
    entry->step_count--;
    if (entry->step_count == 0 && (!entry->is_recorded || !list_is_linked(&entry->node)))
        remove_entry(entry);
}

void transaction_coordinator_destroy(struct transaction_coordinator *coordinator)
{
    struct transaction_entry *entry;
    size_t cursor = 0;

    if (coordinator == NULL)
        return;
    coordinator->closing = true;
    runtime_deinit(&coordinator->runtime); /* what is under way, before the entries that it is of */
    transaction_call_end_all(&coordinator->calls);
    transaction_flush_end_all(&coordinator->flushes);
    transaction_orphans_deinit(&coordinator->orphans);
    transaction_registrations_deinit(&coordinator->registrations);
    while ((entry = hash_map_next(&coordinator->entries, &cursor)) != NULL)
        remove_entry(entry);
    transaction_markers_deinit(&coordinator->markers);
    asked_marker_end_all(&coordinator->asked);
    transaction_timeouts_deinit(&coordinator->timeouts);
    hash_map_deinit(&coordinator->entries);
    mem_free(coordinator);
}

/* ---- partitions */

/* The log has the last word, whatever the limits are now.  An id stays in the partition that has
 * its records, also where the topic has another number of partitions since (Kafka lets that be
 * changed); of two of them its own one, by today's number, has the newer ones. */
static enum err take(struct transaction_coordinator *coordinator, int32_t index,
                     struct transaction_record *record)
{
    bool is_tombstone = record->fields.state == TRANSACTION_DEAD;
    int32_t count = topic_partition_count(coordinator);
    int32_t own = transaction_partition_of(record->id, record->id_bytes, count == 0 ? 1 : count);
    struct transaction_entry *entry =
        transaction_coordinator_find(coordinator, record->id, record->id_bytes);

    if (entry != NULL && entry->partition_index != index &&
        (own != index || entry->completion != NULL || entry->step_count > 0))
        return OK; /* or it is driven on by now */
    if (entry == NULL && !is_tombstone)
        entry = make(coordinator, record->id, record->id_bytes);
    if (is_tombstone) {
        if (entry != NULL)
            remove_entry(entry);
        return OK;
    }
    if (entry == NULL)
        return ERR_NOMEM;
    entry->partition_index = index;
    transaction_partitions_deinit(&entry->partitions);
    entry->partitions = record->partitions;
    record->partitions = (struct transaction_partitions){0};
    transaction_apply(&entry->transaction, &record->fields, TRANSACTION_NO_EPOCH);
    entry->transaction.partition_count = entry->partitions.count;
    entry->is_recorded = true;
    transaction_coordinator_recount(entry);
    transaction_timeouts_note(&coordinator->timeouts, entry, true);
    return OK;
}

static enum err apply(void *context, const struct runtime_record *of)
{
    struct transaction_coordinator *coordinator = context;
    struct transaction_record record;
    enum err err;

    if (of->write != NULL) {
        transaction_step_apply(of->write);
        return OK;
    }
    if (of->marker != NULL)
        return OK; /* somebody ended a transaction in this partition: that says nothing of an id */
    err = transaction_records_read(of, &record);
    if (err == ERR_NOT_FOUND)
        return OK;
    if (err != OK)
        return err;
    err = take(coordinator, of->partition_index, &record);
    transaction_record_deinit(&record);
    return err;
}

/* The client is not needed for it (DUR-T15). */
static void go_on(struct transaction_coordinator *coordinator, int32_t index)
{
    list_for_each(node, &coordinator->all)
    {
        struct transaction_entry *entry = container_of(node, struct transaction_entry, node);
        if (entry->partition_index != index || !transaction_is_ending(&entry->transaction) ||
            entry->completion != NULL)
            continue;
        if (transaction_completion_begin(entry) == OK && entry->completion != NULL)
            transaction_completion_durable(entry); /* all that was loaded is */
    }
}

static void on_loaded(void *context, int32_t index)
{
    struct transaction_coordinator *coordinator = context;

    if (coordinator->started)
        go_on(coordinator, index);
}

static void on_resigned(void *context, int32_t index)
{
    /* who waits waits for a write */
}

static void forget(void *context, int32_t index)
{
    struct transaction_coordinator *coordinator = context;
    struct transaction_entry *entry;
    size_t cursor = 0;

    while ((entry = hash_map_next(&coordinator->entries, &cursor)) != NULL)
        if (entry->partition_index == index)
            remove_entry(entry);
}

static const struct runtime_kind kind = {.name = "transaction",
                                         .key_type = KAFKA_COORDINATOR_KEY_TYPE_TRANSACTION,
                                         .family = RECORD_TXN,
                                         .applies_at_append = true,
                                         .apply = apply,
                                         .loaded = on_loaded,
                                         .resigned = on_resigned,
                                         .forget = forget};

void transaction_coordinator_observe(struct transaction_coordinator *coordinator)
{
    runtime_observe(&coordinator->runtime, coordinator->shard->topics);
}

/* ---- start and stop */

void transaction_coordinator_start(struct transaction_coordinator *coordinator)
{
    coordinator->started = true;
    transaction_timeouts_start(&coordinator->timeouts);
    transaction_orphans_start(&coordinator->orphans);
    for (int32_t index = 0; index < topic_partition_count(coordinator); index++)
        if (runtime_served(&coordinator->runtime, index) != NULL)
            go_on(coordinator, index);
}

void transaction_coordinator_stop(struct transaction_coordinator *coordinator)
{
    if (coordinator == NULL)
        return;
    coordinator->stopping = true;
    transaction_timeouts_stop(&coordinator->timeouts);
    transaction_orphans_stop(&coordinator->orphans);
    runtime_stop(&coordinator->runtime);
}

/* ---- looking up */

int16_t transaction_coordinator_check(struct transaction_coordinator *coordinator, const char *id,
                                      size_t id_bytes, int32_t *partition_index_out)
{
    int32_t count = topic_partition_count(coordinator);

    if (coordinator->stopping)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (count == 0)
        return KAFKA_NOT_COORDINATOR;
    *partition_index_out = transaction_partition_of(id, id_bytes, count);
    return runtime_check(&coordinator->runtime, *partition_index_out);
}

struct transaction_entry *transaction_coordinator_find(struct transaction_coordinator *coordinator,
                                                       const char *id, size_t id_bytes)
{
    return hash_map_find(&coordinator->entries, id, id_bytes);
}

struct transaction_entry *transaction_coordinator_next(struct transaction_coordinator *coordinator,
                                                       const struct transaction_entry *entry)
{
    const struct list *node = entry == NULL ? coordinator->all.next : entry->node.next;

    return node == &coordinator->all ? NULL : container_of(node, struct transaction_entry, node);
}

struct shard *transaction_coordinator_shard(const struct transaction_coordinator *coordinator)
{
    return coordinator->shard;
}

struct transaction_markers *transaction_coordinator_markers(
    struct transaction_coordinator *coordinator)
{
    return &coordinator->markers;
}

int32_t transaction_coordinator_epoch(const struct transaction_entry *entry)
{
    const struct runtime_partition *partition =
        runtime_find(&entry->coordinator->runtime, entry->partition_index);

    check(partition != NULL);
    return partition->partition->leader_epoch;
}

int8_t transaction_coordinator_version(const struct transaction_coordinator *coordinator)
{
    int16_t level = image_feature_level(coordinator->shard->image, features_transaction_version);

    return level > TRANSACTION_V2 ? TRANSACTION_V2 : (int8_t)level;
}

void transaction_coordinator_marked(struct transaction_entry *entry, const char *topic,
                                    int32_t index)
{
    check(transaction_is_ending(&entry->transaction));
    transaction_partitions_remove(&entry->partitions, topic, strlen(topic), index);
    entry->transaction.partition_count = entry->partitions.count;
    transaction_coordinator_recount(entry);
}

int16_t transaction_coordinator_error(enum err err)
{
    switch (err) {
    case OK:
        return KAFKA_NONE;
    case ERR_NOT_FOUND:
        return KAFKA_NOT_COORDINATOR;
    case ERR_NOMEM:
    case ERR_FULL:
    case ERR_AGAIN:
        return KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    case ERR_TOO_LARGE:
        return KAFKA_UNKNOWN_SERVER_ERROR; /* as Kafka: it never fits */
    default:
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
}

void transaction_coordinator_register_metrics(const struct transaction_coordinator *coordinator,
                                              struct metrics *metrics)
{
    metrics_add_counter(metrics, metric_family(FAMILY_TRANSACTION_REFUSALS), "limit=\"ids\"",
                        &coordinator->refused_ids);
    metrics_add_counter(metrics, metric_family(FAMILY_TRANSACTION_REFUSALS), "limit=\"partitions\"",
                        &coordinator->refused_partitions);
    metrics_add_gauge(metrics, metric_family(FAMILY_TRANSACTIONS_UNKNOWN), "",
                      &coordinator->orphans.found);
    metrics_add_counter(metrics, metric_family(FAMILY_TRANSACTION_LATE), "",
                        &coordinator->late_requests);
    metrics_add_counter(metrics, metric_family(FAMILY_TRANSACTIONS_FENCED), "",
                        &coordinator->fenced);
    metrics_add_counter(metrics, metric_family(FAMILY_TRANSACTIONS_TIMED_OUT), "",
                        &coordinator->timeouts.timed_out);
    metrics_add_counter(metrics, metric_family(FAMILY_TRANSACTIONAL_IDS_EXPIRED), "",
                        &coordinator->timeouts.expired);
    metrics_add_counter(metrics, metric_family(FAMILY_TRANSACTION_MARKERS), "",
                        &coordinator->markers.written);
    metrics_add_counter(metrics, metric_family(FAMILY_TRANSACTION_MARKERS_RETRIED), "",
                        &coordinator->markers.retried);
}
