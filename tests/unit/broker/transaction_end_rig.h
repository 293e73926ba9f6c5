/* transaction_end_rig: what ends transactions, over a coordinator, partitions and groups that the
 * test plays: the real decisions, sets, image and loops of two shards; records and markers are
 * durable when the test says so.  Included by one test file at a time: it defines the functions of
 * the coordinator, the partitions and the groups that are called. */
#ifndef LEVEE_TESTS_TRANSACTION_END_RIG_H
#define LEVEE_TESTS_TRANSACTION_END_RIG_H

#include "base/log_line.h"
#include "base/mem.h"
#include "broker/config.h"
#include "broker/coordinator/transaction_completion.h"
#include "broker/coordinator/transaction_marker.h"
#include "broker/coordinator/transaction_timeouts.h"
#include "broker/metadata/controller.h"
#include "broker/metadata/delta.h"
#include "broker/metadata/image.h"
#include "broker/producer_ids.h"
#include "broker/topic_table.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_partition_record.h"
#include "net/protocol/msg_remove_topic_record.h"
#include "net/protocol/msg_topic_record.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

enum { RIG_SHARDS = 2, RIG_WRITTEN_MAX = 20000, RIG_ENTRIES = 4096, P = 1000, P_NEXT = 2000 };

/* One marker, or one record of the id, in the order in which it came into its log. */
struct rig_written {
    bool is_record;
    uint32_t shard; /* whose journal */
    char topic[64];
    int32_t index;
    int64_t producer_id;
    int16_t epoch;
    int32_t coordinator_epoch;
    bool commit, txn_v2, is_offsets;
    enum transaction_state state;
    const struct transaction_entry *entry;
};

struct rig_clock {
    struct clock clock;
    uint64_t mono_ns;
    int64_t wall_ms;
};

struct transaction_coordinator {
    struct transaction_markers markers;
    struct transaction_timeouts timeouts;
};

/* A write of the coordinator's that is not durable yet. */
struct rig_pending {
    struct transaction_step *step;
    struct transaction_entry *entry;
};

static struct {
    struct rig_clock clock;
    struct log_sink sink;
    struct config *config;
    struct shards shards;
    struct shard at[RIG_SHARDS];
    struct arena arena;
    uint32_t topic_number;
    struct transaction_coordinator coordinator;
    struct transaction_entry entries[RIG_ENTRIES];
    bool has_gone[RIG_ENTRIES];
    uint32_t entry_count;
    struct rig_written written[RIG_WRITTEN_MAX];
    uint32_t written_count;
    struct rig_pending pending[RIG_ENTRIES];
    uint32_t pending_count;
    struct partition partitions[64]; /* by need */
    uint32_t partition_count;
    /* what the test wants */
    enum err refuse_with;     /* markers */
    const char *refuse_topic; /* ... of this one alone; NULL: of all */
    enum err refuse_records;  /* steps */
    bool holds_markers;       /* appended comes when rig_release says so */
    bool is_loading;          /* the coordinator's partition */
    int8_t version;
    struct list held;         /* of rig_held */
    struct list waits;        /* of partition_waiter.node: durable on another shard */
    struct list offsets_held; /* of rig_held */
    uint32_t lines[10];       /* LVE-502N */
    int64_t next_producer_id;
    uint32_t draws;
    struct producer_id_wait *draw; /* that waits, with holds_draws */
    bool holds_draws;
} rig;

struct rig_held {
    struct list node;
    struct partition_marker *plain;
    struct group_transaction_end *offsets;
};

/* ---- the world that is called */

static inline struct shard *rig_home(void)
{
    return &rig.at[0];
}

struct shard *transaction_coordinator_shard(const struct transaction_coordinator *coordinator)
{
    return rig_home();
}

struct transaction_markers *transaction_coordinator_markers(
    struct transaction_coordinator *coordinator)
{
    return &coordinator->markers;
}

int32_t transaction_coordinator_epoch(const struct transaction_entry *entry)
{
    return 7;
}

int8_t transaction_coordinator_version(const struct transaction_coordinator *coordinator)
{
    return rig.version;
}

int16_t transaction_coordinator_check(struct transaction_coordinator *coordinator, const char *id,
                                      size_t id_bytes, int32_t *partition_index_out)
{
    *partition_index_out = 0;
    return rig.is_loading ? KAFKA_COORDINATOR_LOAD_IN_PROGRESS : KAFKA_NONE;
}

struct transaction_entry *transaction_coordinator_next(struct transaction_coordinator *coordinator,
                                                       const struct transaction_entry *entry)
{
    uint32_t next = entry == NULL ? 0 : (uint32_t)(entry - rig.entries) + 1;

    cr_assert(entry == NULL || !rig.has_gone[entry - rig.entries]);
    while (next < rig.entry_count && rig.has_gone[next])
        next++;
    return next < rig.entry_count ? &rig.entries[next] : NULL;
}

void transaction_coordinator_marked(struct transaction_entry *entry, const char *topic,
                                    int32_t index)
{
    cr_assert(transaction_is_ending(&entry->transaction));
    cr_assert(transaction_partitions_has(&entry->partitions, topic, strlen(topic), index));
    transaction_partitions_remove(&entry->partitions, topic, strlen(topic), index);
    entry->transaction.partition_count = entry->partitions.count;
}

static inline void rig_note(const struct rig_written *written)
{
    cr_assert(lt(u32, rig.written_count, RIG_WRITTEN_MAX));
    rig.written[rig.written_count++] = *written;
}

static inline void rig_forget(struct transaction_entry *entry)
{
    if (!rig.has_gone[entry - rig.entries])
        transaction_timeouts_forget(&rig.coordinator.timeouts, entry);
    transaction_completion_end(entry->completion);
    rig.has_gone[entry - rig.entries] = true;
    transaction_partitions_deinit(&entry->partitions);
}

/* Decided, recorded, applied at the append; done when rig_commit says so. */
void transaction_step_start(struct transaction_step *step)
{
    struct transaction_entry *entry = step->entry;

    step->decision = transaction_decide(&entry->transaction, &step->event);
    if (step->decision.needs_producer_id) {
        step->done(step, OK);
        return;
    }
    if (rig.refuse_records != OK && step->decision.writes) {
        step->done(step, rig.refuse_records);
        return;
    }
    cr_assert(lt(u32, rig.pending_count, RIG_ENTRIES));
    rig.pending[rig.pending_count++] = (struct rig_pending){step, entry};
    if (!step->decision.writes)
        return;
    transaction_apply(&entry->transaction, &step->decision.next, step->decision.next_last_epoch);
    rig_note(&(struct rig_written){.is_record = true,
                                   .entry = entry,
                                   .state = entry->transaction.fields.state,
                                   .epoch = entry->transaction.fields.epoch,
                                   .producer_id = entry->transaction.fields.producer_id});
    if (entry->transaction.fields.state == TRANSACTION_DEAD) { /* nobody finds it any more */
        transaction_timeouts_forget(&rig.coordinator.timeouts, entry);
        rig.has_gone[entry - rig.entries] = true;
    } else {
        transaction_timeouts_note(&rig.coordinator.timeouts, entry, false);
    }
    if (step->appended != NULL)
        step->appended(step);
    if (transaction_is_ending(&entry->transaction) && entry->completion == NULL)
        cr_assert(eq(int, transaction_completion_begin(entry), OK));
}

/* What the coordinator has written is durable. */
static inline void rig_commit_records(enum err err)
{
    for (uint32_t i = 0; i < rig.pending_count; i++) {
        struct transaction_step *step = rig.pending[i].step;
        struct transaction_entry *entry = rig.pending[i].entry;
        bool is_dead = entry->transaction.fields.state == TRANSACTION_DEAD;
        bool is_ending = step->decision.writes && err == OK;
        step->done(step, err);
        if (is_ending)
            transaction_completion_durable(entry);
        if (is_dead)
            rig_forget(entry);
    }
    rig.pending_count = 0;
}

struct partition *topic_table_find(struct topic_table *table, const struct uuid *topic_id,
                                   int32_t index)
{
    struct partition *partition;

    for (uint32_t i = 0; i < rig.partition_count; i++)
        if (uuid_equal(&rig.partitions[i].topic_id, topic_id) && rig.partitions[i].index == index)
            return &rig.partitions[i];
    if (rig.partition_count == array_count(rig.partitions))
        rig.partition_count = 0; /* those that are held are few */
    partition = &rig.partitions[rig.partition_count++];
    *partition = (struct partition){.topic_id = *topic_id, .index = index};
    return partition;
}

static inline const char *rig_name_of(const struct uuid *id)
{
    const struct image_topic *topic = image_topic_by_id(rig_home()->image, id);

    return topic == NULL ? "(gone)" : topic->name;
}

static inline bool rig_refuses(const char *topic)
{
    return rig.refuse_with != OK &&
           (rig.refuse_topic == NULL || strcmp(rig.refuse_topic, topic) == 0);
}

static inline void rig_write_plain(struct partition *partition, struct partition_marker *marker)
{
    struct rig_written written = {
        .index = partition->index,
        .shard = shard_of_partition(&rig.shards, &partition->topic_id, partition->index)->index,
        .producer_id = marker->producer_id,
        .epoch = marker->epoch,
        .coordinator_epoch = marker->coordinator_epoch,
        .commit = marker->commit,
        .txn_v2 = marker->txn_v2};

    snprintf(written.topic, sizeof(written.topic), "%s", rig_name_of(&partition->topic_id));
    if (rig_refuses(written.topic)) {
        marker->appended(marker, rig.refuse_with);
        return;
    }
    rig_note(&written);
    marker->end_offset = 100;
    marker->appended(marker, OK);
}

void partition_append_marker(struct partition *partition, struct partition_marker *marker)
{
    struct rig_held *held;

    if (!rig.holds_markers) {
        rig_write_plain(partition, marker);
        return;
    }
    held = mem_alloc(sizeof(*held));
    marker->append.partition = partition;
    held->plain = marker;
    list_push_back(&rig.held, &held->node);
}

void partition_cancel_marker(struct partition_marker *marker)
{
    list_for_each_safe(node, &rig.held)
    {
        struct rig_held *held = container_of(node, struct rig_held, node);
        if (held->plain != marker)
            continue;
        list_remove(node);
        mem_free(held);
    }
}

void partition_wait_durable(struct partition *partition, struct partition_waiter *waiter)
{
    cr_assert(eq(i64, waiter->offset, 100));
    list_push_back(&rig.waits, &waiter->node);
}

void partition_cancel_wait(struct partition_waiter *waiter)
{
    if (list_is_linked(&waiter->node))
        list_remove(&waiter->node);
}

void group_coordinator_end_transaction(struct group_coordinator *groups, int32_t index,
                                       struct group_transaction_end *end)
{
    struct rig_held *held = mem_alloc(sizeof(*held));

    rig_note(&(struct rig_written){.is_offsets = true,
                                   .topic = "__consumer_offsets",
                                   .index = index,
                                   .producer_id = end->producer_id,
                                   .epoch = end->epoch,
                                   .coordinator_epoch = end->coordinator_epoch,
                                   .commit = end->commit,
                                   .txn_v2 = end->txn_v2});
    held->offsets = end;
    list_push_back(&rig.offsets_held, &held->node);
}

struct producer_ids *controller_producer_ids(struct controller *controller)
{
    return NULL;
}

void producer_ids_take(struct producer_ids *ids, struct producer_id_wait *wait)
{
    rig.draws++;
    if (rig.holds_draws)
        rig.draw = wait;
    else
        wait->done(wait, OK, rig.next_producer_id++);
}

/* ---- steering it */

/* Mails, tasks, until nothing moves; no time passes. */
static inline void rig_run(void)
{
    bool moved = true;

    while (moved) {
        moved = false;
        for (uint32_t s = 0; s < RIG_SHARDS; s++) {
            struct loop *loop = &rig.at[s].loop;
            struct list *node;
            loop->turn_count++;
            for (struct mail *mail = mailbox_take_all(&loop->mailbox); mail != NULL;) {
                struct mail *next = mail->next;
                mail->deliver(mail);
                mail = next;
                moved = true;
            }
            while ((node = list_pop_front(&loop->deferred)) != NULL) {
                struct task *task = container_of(node, struct task, node);
                loop->turn_count++;
                task->run(task);
                moved = true;
            }
        }
    }
}

/* The other shard's journal. */
static inline void rig_commit_markers(enum err err)
{
    struct list *node;

    while ((node = list_pop_front(&rig.waits)) != NULL) {
        struct partition_waiter *waiter = container_of(node, struct partition_waiter, node);
        waiter->wake(waiter, err);
    }
    rig_run();
}

static inline void rig_release_markers(void)
{
    struct list *node;

    rig.holds_markers = false;
    while ((node = list_pop_front(&rig.held)) != NULL) {
        struct rig_held *held = container_of(node, struct rig_held, node);
        struct partition_marker *marker = held->plain;
        mem_free(held);
        rig_write_plain(marker->append.partition, marker);
    }
    rig_run();
}

static inline void rig_end_offsets(enum err err)
{
    struct list *node;

    while ((node = list_pop_front(&rig.offsets_held)) != NULL) {
        struct rig_held *held = container_of(node, struct rig_held, node);
        struct group_transaction_end *end = held->offsets;
        mem_free(held);
        end->done(end, err);
    }
    rig_run();
}

/* Everything becomes durable, until nothing moves. */
static inline void rig_settle(void)
{
    rig_run();
    for (int i = 0; i < 50; i++) {
        rig_commit_records(OK);
        rig_run();
        rig_commit_markers(OK);
        rig_end_offsets(OK);
    }
}

static inline void rig_pass_ms(uint64_t ms)
{
    uint64_t end_ns = rig.clock.mono_ns + ms * 1000000U;

    while (rig.clock.mono_ns < end_ns) {
        uint64_t next_ns = timer_wheel_next_deadline(&rig_home()->loop.timers);
        uint64_t step_ns;
        if (next_ns < rig.clock.mono_ns + 1000000U)
            next_ns = rig.clock.mono_ns + 1000000U;
        if (next_ns > end_ns)
            next_ns = end_ns;
        step_ns = next_ns - rig.clock.mono_ns;
        rig.clock.mono_ns = next_ns;
        rig.clock.wall_ms += (int64_t)(step_ns / 1000000U);
        for (uint32_t s = 0; s < RIG_SHARDS; s++) {
            rig.at[s].loop.now_ns = next_ns;
            timer_wheel_advance(&rig.at[s].loop.timers, next_ns);
        }
        rig_run();
    }
}

/* ---- metadata */

static inline void rig_apply(enum metadata_type type, int16_t version, const void *body)
{
    struct metadata_record record = {.type = type, .version = version, .body = (void *)body};
    struct delta delta;

    delta_init(&delta);
    for (uint32_t s = 0; s < RIG_SHARDS; s++)
        cr_assert(eq(int, image_apply(rig.at[s].image, &record, &delta), OK));
    delta_deinit(&delta);
}

static inline struct uuid rig_topic(const char *name, int32_t partitions)
{
    struct topic_record topic;
    struct partition_record partition;
    int32_t replica = 1;

    codec_set_defaults(&topic_record_desc, &topic);
    codec_set_defaults(&partition_record_desc, &partition);
    topic.name = wire_string(name);
    topic.topic_id = (struct uuid){.bytes = {0x77, (uint8_t)++rig.topic_number}};
    rig_apply(METADATA_TOPIC, 0, &topic);
    partition.topic_id = topic.topic_id;
    partition.replicas.items = &replica;
    partition.replicas.count = 1;
    partition.isr.items = &replica;
    partition.isr.count = 1;
    partition.leader = 1;
    partition.leader_epoch = 0;
    partition.partition_epoch = 0;
    for (int32_t i = 0; i < partitions; i++) {
        partition.partition_id = i;
        rig_apply(METADATA_PARTITION, 1, &partition);
    }
    return topic.topic_id;
}

static inline void rig_delete_topic(struct uuid id)
{
    struct remove_topic_record record;

    codec_set_defaults(&remove_topic_record_desc, &record);
    record.topic_id = id;
    rig_apply(METADATA_REMOVE_TOPIC, 0, &record);
}

/* ---- ids */

static inline struct transaction_entry *rig_entry(const char *id)
{
    struct transaction_entry *entry = &rig.entries[rig.entry_count++];

    cr_assert(le(u32, rig.entry_count, RIG_ENTRIES));
    *entry = (struct transaction_entry){
        .coordinator = &rig.coordinator, .id = (char *)id, .id_bytes = strlen(id)};
    transaction_init(&entry->transaction, P, 60000, rig.clock.wall_ms);
    entry->transaction.fields.epoch = 3;
    return entry;
}

static inline void rig_add(struct transaction_entry *entry, const char *topic, int32_t index)
{
    cr_assert(
        eq(int, transaction_partitions_add(&entry->partitions, topic, strlen(topic), index), OK));
    entry->transaction.partition_count = entry->partitions.count;
    if (entry->transaction.fields.state == TRANSACTION_ONGOING)
        return;
    entry->transaction.fields.state = TRANSACTION_ONGOING;
    entry->transaction.fields.started_ms = rig.clock.wall_ms;
    transaction_timeouts_note(&rig.coordinator.timeouts, entry, false);
}

/* A client's EndTxn. */
struct rig_end {
    struct transaction_step step;
    bool is_done;
};

static inline void rig_on_ended(struct transaction_step *step, enum err err)
{
    container_of(step, struct rig_end, step)->is_done = true;
}

static inline void rig_end(struct rig_end *end, struct transaction_entry *entry, bool commit,
                           int8_t version)
{
    *end = (struct rig_end){.step = {.entry = entry,
                                     .event = {.kind = TRANSACTION_END,
                                               .commit = commit,
                                               .version = version,
                                               .producer_id = P,
                                               .epoch = entry->transaction.fields.epoch,
                                               .now_ms = rig.clock.wall_ms},
                                     .done = rig_on_ended}};
    transaction_step_start(&end->step);
}

/* ---- life */

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
    const char *code = strstr(line, "LVE-502");

    if (code != NULL)
        rig.lines[code[7] - '0']++;
}

static inline void rig_problem(void *context, const char *text)
{
    cr_assert(false, "%s", text);
}

/* Nobody sleeps. */
static inline void rig_wake(struct io *io)
{
}

static inline void rig_up(void)
{
    static const struct io_vtable calls = {.wake = rig_wake};
    static struct io io = {.v = &calls};
    struct config_load_options options = {0};

    memset(&rig, 0, sizeof(rig));
    list_init(&rig.held);
    list_init(&rig.waits);
    list_init(&rig.offsets_held);
    rig.version = TRANSACTION_V2;
    rig.next_producer_id = P_NEXT;
    rig.clock = (struct rig_clock){
        {rig_mono_ns, rig_wall_ms}, UINT64_C(5000000000), INT64_C(1700000000000)};
    log_sink_init(&rig.sink, rig_line, &rig.clock.clock, LOG_INFO, LOG_FORMAT_TEXT);
    cr_assert(
        eq(int, config_load(NULL, &options, rig_problem, rig_problem, NULL, &rig.config), OK));
    rig.shards.count = RIG_SHARDS;
    for (uint32_t s = 0; s < RIG_SHARDS; s++) {
        struct shard *shard = &rig.at[s];
        rig.shards.at[s] = shard;
        shard->index = s;
        shard->clock = &rig.clock.clock;
        shard->sink = &rig.sink;
        shard->config = rig.config;
        shard->shards = &rig.shards;
        shard->image = image_create();
        prng_init(&shard->prng, 42 + s);
        loop_init(&shard->loop, s, &io, &rig.clock.clock);
    }
    clock_guard_start(rig_home());
    transaction_markers_init(&rig.coordinator.markers, rig_home());
    transaction_timeouts_init(&rig.coordinator.timeouts, &rig.coordinator);
}

static inline void rig_down(void)
{
    mem_fail_after(0);
    for (uint32_t i = 0; i < rig.entry_count; i++)
        if (!rig.has_gone[i])
            rig_forget(&rig.entries[i]);
    transaction_timeouts_deinit(&rig.coordinator.timeouts);
    transaction_markers_deinit(&rig.coordinator.markers);
    for (uint32_t s = 0; s < RIG_SHARDS; s++)
        image_destroy(rig.at[s].image);
    config_destroy(rig.config);
    cr_assert(list_is_empty(&rig.held));
    cr_assert(list_is_empty(&rig.waits));
    cr_assert(eq(u64, mem_used_count(), 0), "memory was not given back");
}

#endif
