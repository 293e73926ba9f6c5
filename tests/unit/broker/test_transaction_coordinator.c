/* What happens to transactional ids: decided, recorded, applied at the append, told when durable.
 */
#include "broker/partition_marker.h"
#include "tests/unit/broker/coordinator_rig.h"

enum { TIMEOUT_MS = 60000 };

/* With the topics whose partitions come into transactions. */
static void coordinator_up(const char *const *sets)
{
    transactions_up(sets);
    rig_create_topic("t", 3);
    rig_create_topic("u", 3);
}

static void setup(void)
{
    coordinator_up(NULL);
}

TestSuite(transaction_coordinator, .init = setup, .fini = transactions_down);

/* What each of them sets up itself. */
TestSuite(transaction_limits, .fini = transactions_down);

/* ---- steps in one line each */

struct
try {
    struct transaction_step step;
    bool has_appended;
    bool has_ended;
    enum err err;
};

static void on_appended(struct transaction_step *step)
{
    struct try *of = container_of(step, struct try, step);

    cr_assert(not(of->has_ended));
    of->has_appended = true;
}

static void on_done(struct transaction_step *step, enum err err)
{
    struct try *of = container_of(step, struct try, step);

    cr_assert(not(of->has_ended));
    of->has_ended = true;
    of->err = err;
}

static void begin(struct try *of, struct transaction_entry *entry, struct transaction_event event,
                  const struct transaction_partitions *adds)
{
    memset(of, 0, sizeof(*of));
    event.now_ms = rig.clock.wall_ms;
    event.timeout_ms = TIMEOUT_MS;
    event.new_producer_id = next_producer_id++;
    of->step = (struct transaction_step){
        .entry = entry, .event = event, .adds = adds, .appended = on_appended, .done = on_done};
    transaction_step_start(&of->step);
}

static struct transaction_entry *made(const char *id)
{
    struct transaction_entry *entry = entry_of(id);

    if (entry == NULL)
        cr_assert(eq(int,
                     transaction_coordinator_add(coordinator, id, strlen(id), next_producer_id++,
                                                 TIMEOUT_MS, &entry),
                     OK));
    return entry;
}

static void begin_init(struct try *of, const char *id)
{
    begin(of, made(id),
          (struct transaction_event){.kind = TRANSACTION_INIT,
                                     .version = TRANSACTION_V2,
                                     .producer_id = TRANSACTION_NO_PRODUCER,
                                     .epoch = TRANSACTION_NO_EPOCH},
          NULL);
}

static void begin_of_holder(struct try *of, const char *id, enum transaction_event_kind kind,
                            bool commit, int8_t version, const struct transaction_partitions *adds)
{
    struct transaction_entry *entry = entry_of(id);

    begin(of, entry,
          (struct transaction_event){.kind = kind,
                                     .version = version,
                                     .commit = commit,
                                     .producer_id = entry->transaction.fields.producer_id,
                                     .epoch = entry->transaction.fields.epoch},
          adds);
}

static void begin_add(struct try *of, const char *id, const char *topic, int32_t index)
{
    struct transaction_partitions adds = {0};

    cr_assert(eq(int, transaction_partitions_add(&adds, topic, strlen(topic), index), OK));
    begin_of_holder(of, id, TRANSACTION_ADD, false, TRANSACTION_V2, &adds);
    transaction_partitions_deinit(&adds); /* read inside start */
}

static void ended(const struct try *of, int16_t error)
{
    cr_assert(of->has_ended);
    cr_assert(eq(int, of->err, OK));
    cr_assert(eq(i16, of->step.decision.error, error));
}

static void init(const char *id)
{
    struct try of;

    begin_init(&of, id);
    rig_settle();
    ended(&of, KAFKA_NONE);
}

static void add(const char *id, const char *topic, int32_t index)
{
    struct try of;

    begin_add(&of, id, topic, index);
    rig_settle();
    ended(&of, KAFKA_NONE);
}

/* What a completion does: all markers, then Complete*. */
static void complete(const char *id)
{
    struct transaction_entry *entry = entry_of(id);
    struct try of;

    while (entry->partitions.count > 0) {
        char name[300];
        snprintf(name, sizeof(name), "%s", entry->partitions.topics[0].name);
        transaction_coordinator_marked(entry, name, entry->partitions.topics[0].indexes[0]);
    }
    begin_of_holder(&of, id, TRANSACTION_COMPLETE, false, TRANSACTION_V2, NULL);
    transaction_completion_end(entry->completion);
    entry->completion = NULL;
    rig_settle();
    ended(&of, KAFKA_NONE);
}

static const struct transaction_fields *fields(const char *id)
{
    return &entry_of(id)->transaction.fields;
}

static struct log *state_log(void)
{
    return &disk.logs[1]; /* the group's is the first one */
}

/* ---- */

Test(transaction_coordinator, a_new_id_is_told_when_its_record_is_durable)
{
    struct try of;

    rig.holds = true;
    begin_init(&of, "id");
    cr_assert(of.has_appended);
    cr_assert(eq(u32, state_log()->batch_count, 1));
    rig_settle();
    cr_assert(not(of.has_ended)); /* TCO-2 */
    rig.holds = false;
    rig_settle();
    ended(&of, KAFKA_NONE);
    cr_assert(eq(i64, of.step.decision.producer_id, 1000));
    cr_assert(eq(i16, of.step.decision.epoch, 0));
}

Test(transaction_coordinator, what_is_applied_at_the_append_decides_the_next_one)
{
    struct try first;
    struct try second;
    struct try third;

    init("id");
    rig.holds = true;
    begin_add(&first, "id", "t", 0);
    begin_add(&second, "id", "t", 1);
    begin_of_holder(&third, "id", TRANSACTION_END, true, TRANSACTION_V2, NULL);
    cr_assert(eq(i16, third.step.decision.error, KAFKA_NONE));
    cr_assert(eq(int, fields("id")->state, TRANSACTION_PREPARE_COMMIT));
    cr_assert(eq(u32, entry_of("id")->partitions.count, 2));
    cr_assert(eq(u32, seen.begun_count, 1));
    cr_assert(eq(u32, seen.durable_count, 0));
    cr_assert(not(first.has_ended));
    rig.holds = false;
    rig_settle();
    ended(&first, KAFKA_NONE);
    ended(&second, KAFKA_NONE);
    ended(&third, KAFKA_NONE);
    cr_assert(eq(u32, seen.durable_count, 1));
    complete("id");
    cr_assert(eq(int, fields("id")->state, TRANSACTION_COMPLETE_COMMIT));
    cr_assert(eq(i16, fields("id")->epoch, 1));
}

Test(transaction_coordinator, an_answer_that_writes_nothing_waits_for_the_newest_record)
{
    struct try first;
    struct try again;

    init("id");
    rig.holds = true;
    begin_add(&first, "id", "t", 0);
    begin_add(&again, "id", "t", 0);
    cr_assert(not(again.step.decision.writes));
    cr_assert(again.has_appended); /* what stands behind it in the journal may be written */
    cr_assert(not(again.has_ended));
    cr_assert(eq(u32, state_log()->batch_count, 2));
    rig.holds = false;
    rig_settle();
    ended(&again, KAFKA_NONE);
}

Test(transaction_coordinator, a_refusal_is_told_behind_the_record_that_it_follows_from)
{
    struct try fence;
    struct try zombie;
    struct transaction_partitions adds = {0};

    init("id");
    rig.holds = true;
    begin_init(&fence, "id");
    cr_assert(eq(int, transaction_partitions_add(&adds, "t", 1, 0), OK));
    begin(&zombie, entry_of("id"),
          (struct transaction_event){.kind = TRANSACTION_ADD, .producer_id = 1000, .epoch = 0},
          &adds);
    transaction_partitions_deinit(&adds);
    cr_assert(eq(i16, zombie.step.decision.error, KAFKA_PRODUCER_FENCED));
    cr_assert(not(zombie.has_ended));
    rig.holds = false;
    rig_settle();
    ended(&zombie, KAFKA_PRODUCER_FENCED);
}

Test(transaction_coordinator, while_a_record_waits_for_room_others_are_told_to_come_again)
{
    struct try first;
    struct try second;

    init("id");
    disk.is_full = true;
    begin_add(&first, "id", "t", 0);
    begin_add(&second, "id", "t", 1);
    cr_assert(not(first.has_appended));
    cr_assert(eq(i16, second.step.decision.error, KAFKA_CONCURRENT_TRANSACTIONS));
    disk_give_room();
    rig_settle();
    ended(&first, KAFKA_NONE);
    ended(&second, KAFKA_CONCURRENT_TRANSACTIONS);
    cr_assert(eq(u32, entry_of("id")->partitions.count, 1));
    add("id", "t", 1);
}

/* DUR-T17, KAFKA-9666 */
Test(transaction_coordinator, a_record_that_fails_changes_nothing)
{
    struct try of;
    struct transaction_fields before;

    init("id");
    add("id", "t", 0);
    before = *fields("id");
    disk.refuse_with = ERR_NOSPACE;
    begin_init(&of, "id"); /* would fence */
    rig_settle();
    cr_assert(eq(int, of.err, ERR_NOSPACE));
    begin_add(&of, "id", "t", 1);
    rig_settle();
    cr_assert(eq(int, of.err, ERR_NOSPACE));
    begin_of_holder(&of, "id", TRANSACTION_END, true, TRANSACTION_V2, NULL);
    rig_settle();
    cr_assert(eq(int, of.err, ERR_NOSPACE));
    cr_assert(eq(int, memcmp(&before, fields("id"), sizeof(before)), 0));
    cr_assert(eq(u32, entry_of("id")->partitions.count, 1));
    cr_assert(eq(u32, seen.begun_count, 0));
    disk.refuse_with = OK;
    begin_of_holder(&of, "id", TRANSACTION_END, true, TRANSACTION_V2, NULL);
    rig_settle();
    ended(&of, KAFKA_NONE);
}

Test(transaction_coordinator, an_id_whose_first_record_fails_is_not_known)
{
    struct try of;

    disk.refuse_with = ERR_NOSPACE;
    begin_init(&of, "id");
    rig_settle();
    cr_assert(eq(int, of.err, ERR_NOSPACE));
    cr_assert_null(entry_of("id"));
    disk.refuse_with = OK;
    disk.is_full = true;
    begin_init(&of, "id");
    cr_assert(ne(ptr, entry_of("id"), NULL)); /* somebody else is told to wait */
    disk_give_room();
    rig_settle();
    ended(&of, KAFKA_NONE);
}

/* DUR-T10: nobody is fenced, and what was open is aborted once. */
Test(transaction_coordinator, a_fence_aborts_first_and_is_then_accepted)
{
    struct try of;

    init("id");
    add("id", "t", 0);
    begin_init(&of, "id");
    rig_settle();
    ended(&of, KAFKA_CONCURRENT_TRANSACTIONS);
    cr_assert(eq(int, fields("id")->state, TRANSACTION_PREPARE_ABORT));
    begin_init(&of, "id");
    rig_settle();
    ended(&of, KAFKA_CONCURRENT_TRANSACTIONS);
    cr_assert(eq(u32, seen.begun_count, 1));
    complete("id");
    begin_init(&of, "id");
    rig_settle();
    ended(&of, KAFKA_NONE);
    cr_assert(eq(i16, of.step.decision.epoch, 2));
}

Test(transaction_coordinator, under_v1_a_commit_keeps_the_epoch)
{
    struct try of;

    init("id");
    add("id", "t", 0);
    begin_of_holder(&of, "id", TRANSACTION_END, true, TRANSACTION_V0, NULL);
    rig_settle();
    ended(&of, KAFKA_NONE);
    complete("id");
    cr_assert(eq(i16, fields("id")->epoch, 0));
    begin_of_holder(&of, "id", TRANSACTION_END, true, TRANSACTION_V0, NULL);
    rig_settle();
    ended(&of, KAFKA_NONE);
    begin_of_holder(&of, "id", TRANSACTION_END, false, TRANSACTION_V0, NULL);
    rig_settle();
    ended(&of, KAFKA_INVALID_TXN_STATE);
}

Test(transaction_coordinator, a_prepare_of_the_next_transaction_is_not_durable_with_the_one_before)
{
    struct try of[4];

    init("id");
    add("id", "t", 0);
    rig.holds = true;
    begin_of_holder(&of[0], "id", TRANSACTION_END, true, TRANSACTION_V2, NULL);
    transaction_coordinator_marked(entry_of("id"), "t", 0);
    begin_of_holder(&of[1], "id", TRANSACTION_COMPLETE, false, TRANSACTION_V2, NULL);
    transaction_completion_end(entry_of("id")->completion);
    entry_of("id")->completion = NULL;
    begin_add(&of[2], "id", "t", 0);
    begin_of_holder(&of[3], "id", TRANSACTION_END, true, TRANSACTION_V2, NULL);
    state_log()->offsets.durable = state_log()->offsets.log_end - 1; /* all but the last one */
    state_log()->offsets.accepted = state_log()->offsets.durable;
    state_log()->events->progress(state_log()->context, state_log());
    rig_run_tasks();
    cr_assert(of[2].has_ended);
    cr_assert(not(of[3].has_ended));
    cr_assert(not(entry_of("id")->completion->is_durable));
    rig.holds = false;
    rig_settle();
    cr_assert(entry_of("id")->completion->is_durable);
}

/* ---- a start */

static void check_same(const struct transaction_fields *before, uint32_t count)
{
    const struct transaction_fields *now = fields("id");

    cr_assert(eq(int, now->state, before->state));
    cr_assert(eq(int, now->client_version, before->client_version));
    cr_assert(eq(i16, now->epoch, before->epoch));
    cr_assert(eq(i32, now->timeout_ms, before->timeout_ms));
    cr_assert(eq(i64, now->producer_id, before->producer_id));
    cr_assert(eq(i64, now->previous_producer_id, before->previous_producer_id));
    cr_assert(eq(i64, now->next_producer_id, before->next_producer_id));
    cr_assert(eq(i64, now->started_ms, before->started_ms));
    cr_assert(eq(i64, now->updated_ms, before->updated_ms));
    cr_assert(eq(u32, entry_of("id")->partitions.count, count));
    cr_assert(eq(u32, entry_of("id")->transaction.partition_count, count));
    cr_assert(not(entry_of("id")->transaction.is_pending));
}

Test(transaction_coordinator, a_start_finds_what_there_was)
{
    struct transaction_fields before;
    struct try of;

    init("id");
    before = *fields("id");
    transactions_restart();
    check_same(&before, 0);
    add("id", "t", 0);
    add("id", "t", 2);
    add("id", "u", 1);
    before = *fields("id");
    transactions_restart();
    check_same(&before, 3);
    cr_assert(transaction_partitions_has(&entry_of("id")->partitions, "u", 1, 1));
    begin_of_holder(&of, "id", TRANSACTION_END, false, TRANSACTION_V2, NULL);
    rig_settle();
    ended(&of, KAFKA_NONE);
    before = *fields("id");
    seen.begun_count = 0;
    seen.durable_count = 0;
    transactions_restart();
    check_same(&before, 3);
    cr_assert(eq(u32, seen.begun_count, 1)); /* TCO-3, without the client */
    cr_assert(eq(u32, seen.durable_count, 1));
    complete("id");
    before = *fields("id");
    transactions_restart();
    check_same(&before, 0);
    cr_assert(eq(int, fields("id")->state, TRANSACTION_COMPLETE_ABORT));
}

Test(transaction_coordinator, a_power_loss_takes_what_was_not_told)
{
    struct try of;

    init("id");
    add("id", "t", 0);
    rig.holds = true;
    begin_of_holder(&of, "id", TRANSACTION_END, true, TRANSACTION_V2, NULL);
    cr_assert(not(of.has_ended));
    transaction_coordinator_stop(coordinator);
    disk_lose_tails();
    transactions_restart();
    cr_assert(eq(int, fields("id")->state, TRANSACTION_ONGOING));
    cr_assert(eq(i16, fields("id")->epoch, 0));
}

/* ---- going away */

Test(transaction_coordinator, an_id_that_expires_is_not_known_from_the_append_on)
{
    struct try expire;
    struct try again;
    struct transaction_entry *old;

    init("id");
    old = entry_of("id");
    rig.holds = true;
    begin(&expire, old, (struct transaction_event){.kind = TRANSACTION_EXPIRE}, NULL);
    cr_assert_null(entry_of("id"));
    begin_init(&again, "id"); /* behind the tombstone */
    cr_assert(ne(ptr, entry_of("id"), old));
    rig.holds = false;
    rig_settle();
    ended(&expire, KAFKA_NONE);
    ended(&again, KAFKA_NONE);
    cr_assert(eq(i16, again.step.decision.epoch, 0));
    cr_assert(lt(i64, 1000, again.step.decision.producer_id));
    begin(&expire, entry_of("id"), (struct transaction_event){.kind = TRANSACTION_EXPIRE}, NULL);
    rig_settle();
    transactions_restart();
    cr_assert_null(entry_of("id"));
    cr_assert_null(transaction_coordinator_next(coordinator, NULL));
}

Test(transaction_coordinator, steps_of_a_partition_that_goes_end_with_not_coordinator)
{
    struct try of;
    int32_t index;

    init("id");
    add("id", "t", 0);
    rig.holds = true;
    begin_of_holder(&of, "id", TRANSACTION_END, true, TRANSACTION_V2, NULL);
    cr_assert(eq(i16, transaction_coordinator_check(coordinator, "id", 2, &index), KAFKA_NONE));
    runtime_unload(&coordinator->runtime, 0);
    cr_assert(of.has_ended);
    cr_assert(eq(i16, transaction_coordinator_error(of.err), KAFKA_NOT_COORDINATOR));
    cr_assert(eq(u32, seen.ended_count, 1));
    cr_assert_null(entry_of("id"));
    cr_assert(eq(i16, transaction_coordinator_check(coordinator, "id", 2, &index),
                 KAFKA_NOT_COORDINATOR));
}

/* ---- limits (TCO-4) */

Test(transaction_limits, more_ids_than_there_may_be_are_refused)
{
    const char *sets[] = {"levee.transactional.ids.max=2", NULL};
    struct transaction_entry *entry;

    coordinator_up(sets);
    init("a");
    init("b");
    cr_assert(eq(int, transaction_coordinator_add(coordinator, "c", 1, 7, 1, &entry), ERR_FULL));
    cr_assert(eq(i16, transaction_coordinator_error(ERR_FULL), KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    cr_assert(eq(u64, counter_read(&coordinator->refused_ids), 1));
    init("a"); /* who is known goes on */
    transactions_restart();
    cr_assert(ne(ptr, entry_of("b"), NULL));
}

Test(transaction_limits, more_partitions_than_there_may_be_are_refused)
{
    const char *sets[] = {"levee.transaction.partitions.max=2", NULL};
    struct try of;

    coordinator_up(sets);
    init("id");
    add("id", "t", 0);
    add("id", "t", 1);
    begin_add(&of, "id", "t", 2);
    rig_settle();
    cr_assert(eq(int, of.err, ERR_FULL));
    cr_assert(eq(u64, counter_read(&coordinator->refused_partitions), 1));
    add("id", "t", 1); /* it is there */
    begin_of_holder(&of, "id", TRANSACTION_END, true, TRANSACTION_V2, NULL);
    rig_settle();
    ended(&of, KAFKA_NONE);
}

Test(transaction_coordinator, where_the_budget_ends_the_answer_is_retriable)
{
    struct budget *budget = memory_budget(&rig.shard.memory, MEMORY_TRANSACTIONS);
    struct transaction_entry *entry;
    struct try of;
    uint64_t room;

    init("id");
    room = budget->max_bytes - budget_used_bytes(budget);
    cr_assert(budget_take(budget, room));
    cr_assert(eq(int, transaction_coordinator_add(coordinator, "c", 1, 7, 1, &entry), ERR_NOMEM));
    begin_add(&of, "id", "t", 2);
    rig_settle();
    cr_assert(eq(int, of.err, ERR_NOMEM));
    cr_assert(not(entry_of("id")->transaction.is_pending));
    budget_give(budget, room);
    add("id", "t", 2);
}

Test(transaction_coordinator, new_ids_leave_room_for_the_transactions_of_others)
{
    struct budget *budget = memory_budget(&rig.shard.memory, MEMORY_TRANSACTIONS);
    struct transaction_entry *entry;
    uint64_t taken = budget->max_bytes - budget->max_bytes / 4 - budget_used_bytes(budget);

    init("id");
    cr_assert(budget_take(budget, taken));
    cr_assert(eq(int, transaction_coordinator_add(coordinator, "c", 1, 7, 1, &entry), ERR_NOMEM));
    add("id", "t", 2);
    budget_give(budget, taken);
}

Test(transaction_coordinator, without_memory_nothing_changes_and_nothing_leaks)
{
    struct try of = {.err = ERR_NOMEM};
    struct transaction_partitions adds = {0};

    init("id");
    add("id", "t", 0);
    cr_assert(eq(int, transaction_partitions_add(&adds, "u", 1, 1), OK));
    for (uint64_t i = 1; of.err != OK || !of.has_ended; i++) {
        uint32_t count = state_log()->batch_count;
        mem_fail_after(i);
        begin_of_holder(&of, "id", TRANSACTION_ADD, false, TRANSACTION_V2, &adds);
        mem_fail_after(0);
        rig_settle();
        cr_assert(of.has_ended);
        cr_assert(lt(u64, i, 100));
        if (of.err != OK)
            cr_assert(eq(u32, state_log()->batch_count, count));
    }
    cr_assert(eq(u32, entry_of("id")->partitions.count, 2));
    transaction_partitions_deinit(&adds);
}

Test(transaction_coordinator, a_hundred_thousand_ids_fit_into_64_mib)
{
    enum { IDS = 100000, PARTITIONS = 10 };
    uint64_t before = mem_used_bytes();
    uint64_t used;

    for (int i = 0; i < IDS; i++) {
        struct transaction_entry *entry;
        char id[64];
        int id_bytes = snprintf(id, sizeof(id), "application-1-transactional-id-%06d", i);
        cr_assert(eq(
            int, transaction_coordinator_add(coordinator, id, (size_t)id_bytes, i, 1, &entry), OK));
        for (int32_t j = 0; j < PARTITIONS; j++)
            cr_assert(
                eq(int, transaction_partitions_add(&entry->partitions, "topic-name", 10, j), OK));
        transaction_coordinator_recount(entry);
    }
    used = mem_used_bytes() - before;
    cr_assert(lt(u64, used, 48 << 20));
    cr_assert(lt(u64, used / 10 * 8,
                 budget_used_bytes(memory_budget(&rig.shard.memory, MEMORY_TRANSACTIONS))));
}

/* Kafka's: Utils.abs("prod-1".hashCode()) % 50 and so on */
Test(transaction_coordinator, an_id_is_of_the_partition_that_kafka_takes)
{
    cr_assert(eq(i32, transaction_partition_of("prod-1", 6, 50), 45));
    cr_assert(eq(i32, transaction_partition_of("zebra-42", 8, 50), 11));
    cr_assert(eq(i32, transaction_partition_of("polygenelubricants", 18, 50), 0));
    cr_assert(eq(i32, transaction_partition_of("\xf0\x9f\x98\x80x", 5, 50), 39));
}

/* What the coordinator's shard has not heard of would count as deleted at the end. */
Test(transaction_coordinator, partitions_that_are_not_known_here_yet_come_later)
{
    struct try of;

    init("id");
    begin_add(&of, "id", "t", 3);
    cr_assert(of.has_ended);
    cr_assert(eq(int, of.err, ERR_AGAIN));
    begin_add(&of, "id", "new", 0);
    cr_assert(eq(int, of.err, ERR_AGAIN));
    cr_assert(
        eq(i16, transaction_coordinator_error(ERR_AGAIN), KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    rig_create_topic("new", 1);
    begin_add(&of, "id", "new", 0);
    rig_settle();
    cr_assert(eq(int, of.err, OK));
    cr_assert(transaction_partitions_has(&entry_of("id")->partitions, "new", 3, 0));
}

/* ---- a topic whose number of partitions was changed, as Kafka lets it be */

static void grow(int32_t count)
{
    struct delta delta;

    delta_init(&delta);
    rig_topic.id = image_topic_by_name(rig.shard.image, "__transaction_state", 19)->id;
    for (rig_topic.index = 1; rig_topic.index < count; rig_topic.index++)
        rig_apply(METADATA_PARTITION, 1, rig_fill_partition, &delta);
    rig_publish(&delta);
}

Test(transaction_coordinator, an_id_stays_in_the_partition_that_has_its_records)
{
    char id[16];

    for (int i = 0; i < 8; i++) {
        snprintf(id, sizeof(id), "id%d", i);
        init(id);
        add(id, "t", 1);
    }
    grow(4);
    for (int round = 0; round < 3; round++) {
        transactions_restart();
        for (int i = 0; i < 8; i++) {
            snprintf(id, sizeof(id), "id%d", i);
            cr_assert_not_null(entry_of(id));
            cr_assert(eq(i32, entry_of(id)->partition_index, 0));
            cr_assert(eq(int, (int)fields(id)->state,
                         round < 2 ? TRANSACTION_ONGOING : TRANSACTION_COMPLETE_ABORT));
        }
        if (round == 1)
            for (int i = 0; i < 8; i++) {
                struct try of;
                snprintf(id, sizeof(id), "id%d", i);
                begin_of_holder(&of, id, TRANSACTION_END, false, TRANSACTION_V2, NULL);
                rig_settle();
                ended(&of, KAFKA_NONE);
                complete(id);
            }
    }
}

static void on_marked(struct partition_marker *marker, enum err err)
{
    cr_assert(eq(int, err, OK));
}

/* A client may put it there (WriteTxnMarkers); the ids of the partition are served as before. */
Test(transaction_coordinator, marker_in_its_own_log_says_nothing)
{
    struct partition_marker marker = {
        .producer_id = 7, .epoch = 1, .commit = true, .txn_v2 = true, .appended = on_marked};
    int32_t index;

    init("id");
    partition_append_marker(runtime_find(&coordinator->runtime, 0)->partition, &marker);
    rig_settle();
    transactions_restart();
    cr_assert(eq(i16, transaction_coordinator_check(coordinator, "id", 2, &index), KAFKA_NONE));
    cr_assert(ne(ptr, entry_of("id"), NULL));
}
