/* Groups that an earlier levee wrote into another partition than Kafka does. */
#include "broker/coordinator/group_move.h"
#include "broker/java_hash.h"
#include "net/protocol/msg_group_metadata_record.h"
#include "net/protocol/msg_offset_commit_record.h"
#include "tests/unit/broker/txn_asks.h"

/* "my-group" has the hash -1906497762: of three partitions its own is 0, and its old one 2. */
#define GROUP "my-group"
enum { OWN = 0, OLD = 2, PARTITIONS = 3, TYPE_OFFSET = 1, TYPE_GROUP = 2 };

static void setup(void)
{
    static const char *const sets[] = {"offsets.retention.minutes=60", NULL};

    rig_offsets_partitions = PARTITIONS;
    rig_up(sets);
    rig_create_topic("t", 4);
}

static void finish(void)
{
    group_coordinator_stop(rig.shard.groups);
    rig_settle();
    rig_down();
}

TestSuite(group_move, .init = setup, .fini = finish, .timeout = 600);

static struct log *log_of(int32_t partition)
{
    struct uuid id = image_topic_by_name(rig.shard.image, "__consumer_offsets", 18)->id;

    for (uint32_t i = 0; i < disk.log_count; i++)
        if (disk.logs[i].id.partition == partition && uuid_equal(&disk.logs[i].id.topic_id, &id))
            return &disk.logs[i];
    cr_assert(false);
    return NULL;
}

static void commit_log(struct log *log)
{
    log->offsets.durable = log->offsets.log_end;
    log->offsets.accepted = log->offsets.log_end;
    log->events->progress(log->context, log);
    rig_run_tasks();
}

/* offset < 0: a tombstone. */
static void write_offset_of(const char *group, int32_t into, int32_t partition, int64_t offset,
                            int64_t commit_ms)
{
    struct offset_commit_key key;
    struct offset_commit_value value;

    codec_set_defaults(&offset_commit_key_desc, &key);
    codec_set_defaults(&offset_commit_value_desc, &value);
    key.group = wire_string(group);
    key.topic = wire_string("t");
    key.partition = partition;
    value.offset = offset;
    value.metadata = wire_string("old");
    value.commit_timestamp = rig.clock.wall_ms + commit_ms;
    append_record(log_of(into), TYPE_OFFSET, &key, 3, offset < 0 ? NULL : &value, false);
}

static void write_offset(int32_t into, int32_t partition, int64_t offset, int64_t commit_ms)
{
    write_offset_of(GROUP, into, partition, offset, commit_ms);
}

static void write_state(int32_t into, int32_t generation)
{
    struct group_metadata_key key;
    struct group_metadata_value value;

    codec_set_defaults(&group_metadata_key_desc, &key);
    codec_set_defaults(&group_metadata_value_desc, &value);
    key.group = wire_string(GROUP);
    value.protocol_type = wire_string("consumer");
    value.generation = generation;
    value.current_state_timestamp = rig.clock.wall_ms;
    append_record(log_of(into), TYPE_GROUP, &key, 3, generation < 0 ? NULL : &value, false);
}

static void check_offsets(int64_t a, int64_t b, int64_t c, int64_t d)
{
    cr_assert(eq(i64, fetch_offset(GROUP, "t", 0), a));
    cr_assert(eq(i64, fetch_offset(GROUP, "t", 1), b));
    cr_assert(eq(i64, fetch_offset(GROUP, "t", 2), c));
    cr_assert(eq(i64, fetch_offset(GROUP, "t", 3), d));
}

/* The old partition has nothing of it any more, and nothing is written again. */
static void check_moved(void)
{
    int64_t own_end = log_of(OWN)->offsets.log_end;
    int64_t old_end = log_of(OLD)->offsets.log_end;

    cr_assert(list_is_empty(&rig.shard.groups->elsewhere));
    cr_assert(rig.shard.groups->move == NULL);
    rig_restart();
    cr_assert(list_is_empty(&rig.shard.groups->elsewhere));
    cr_assert(eq(i64, log_of(OWN)->offsets.log_end, own_end));
    cr_assert(eq(i64, log_of(OLD)->offsets.log_end, old_end));
}

Test(group_move, partitions_are_kafkas)
{
    cr_assert(eq(i32, group_partition_of("prod-1", 6, 50), 45));
    cr_assert(eq(i32, group_partition_of(GROUP, 8, 50), 12));
    cr_assert(eq(i32, group_partition_of(GROUP, 8, PARTITIONS), OWN));
    cr_assert(eq(i32, group_partition_of("polygenelubricants", 18, 50), 0)); /* INT32_MIN */
}

/* As Kafka leaves it: nothing is to be moved. */
Test(group_move, groups_in_their_own_partition_stay)
{
    write_offset(OWN, 0, 5, 0);
    write_state(OWN, 3);
    rig_restart();
    check_offsets(5, -1, -1, -1);
    cr_assert(eq(i32, the_group(GROUP)->generation, 3));
    cr_assert(eq(i64, log_of(OLD)->offsets.log_end, 0));
    cr_assert(eq(i16, commit(NULL, GROUP, "t", 1, 6), KAFKA_NONE));
    cr_assert(eq(i64, log_of(OWN)->offsets.log_end, 3));
    check_moved();
}

Test(group_move, group_of_an_old_directory_is_found_and_moved)
{
    for (int32_t p = 0; p < 3; p++)
        write_offset(OLD, p, 10 + p, 0);
    write_state(OLD, 7);
    write_offset(OLD, 2, -1, 0);
    rig.holds = true;
    rig_restart();
    check_offsets(10, 11, -1, -1); /* at once */
    cr_assert(eq(i32, the_group(GROUP)->generation, 7));
    rig.holds = false;
    rig_settle();
    check_offsets(10, 11, -1, -1);
    check_moved();
    check_offsets(10, 11, -1, -1);
    cr_assert(eq(i32, the_group(GROUP)->generation, 7));
    cr_assert(eq(str, the_group(GROUP)->protocol_type, "consumer"));
    cr_assert(eq(i16, commit(NULL, GROUP, "t", 0, 20), KAFKA_NONE));
    check_moved();
    check_offsets(20, 11, -1, -1);
}

/* GMV-2 */
Test(group_move, of_two_the_one_that_was_committed_later_counts)
{
    write_offset(OLD, 0, 10, 5);
    write_offset(OWN, 0, 20, 4);
    write_offset(OLD, 1, 11, 4);
    write_offset(OWN, 1, 21, 5);
    write_offset(OLD, 2, 12, 5);
    write_offset(OWN, 2, 22, 5);
    write_offset(OLD, 3, 13, 9);
    write_offset(OLD, 3, 14, 1); /* in one log its order counts */
    write_state(OLD, 9);
    write_state(OWN, 4);
    rig_restart();
    for (int i = 0; i < 2; i++) {
        check_offsets(10, 21, 22, 14);
        cr_assert(le(i32, 4, the_group(GROUP)->generation));
        check_moved();
    }
}

Test(group_move, tombstone_takes_what_stands_in_its_own_log)
{
    write_offset(OLD, 0, 10, 5);
    write_offset(OWN, 0, 20, 4);
    write_offset(OWN, 0, -1, 0);
    write_offset(OWN, 1, 21, 4);
    write_offset(OLD, 1, 11, 5);
    write_offset(OLD, 1, -1, 0);
    write_offset(OLD, 2, 12, 5);
    write_offset(OLD, 2, -1, 0);
    rig_restart();
    cr_assert(eq(i64, fetch_offset(GROUP, "t", 0), 10));
    cr_assert(eq(i64, fetch_offset(GROUP, "t", 2), -1));
    check_moved();
    cr_assert(eq(i64, fetch_offset(GROUP, "t", 0), 10));
}

/* As compaction leaves it. */
Test(group_move, tombstone_alone_in_the_old_partition_takes_nothing)
{
    write_offset(OWN, 0, 20, 0);
    write_state(OWN, 3);
    write_offset(OLD, 0, -1, 0);
    write_state(OLD, -1);
    rig_restart();
    check_offsets(20, -1, -1, -1);
    cr_assert(eq(i32, the_group(GROUP)->generation, 3));
    cr_assert(eq(str, the_group(GROUP)->protocol_type, "consumer"));
    check_moved();
}

/* GMV-1: a crash at any point of it. */
Test(group_move, crash_leaves_both_and_the_next_start_goes_on)
{
    for (int lost = 0; lost < 4; lost++) {
        write_offset(OLD, 0, 10 + lost, lost);
        write_offset(OLD, 1, 30 + lost, lost);
        rig.holds = true;
        rig_restart(); /* the first of it is appended */
        if (lost > 0)
            commit_log(log_of(OWN));
        if (lost > 1)
            commit_log(log_of(OLD));
        if (lost > 2)
            commit_log(log_of(OWN));
        disk_lose_tails();
        rig.holds = false;
        rig_restart();
        check_offsets(10 + lost, 30 + lost, -1, -1);
        check_moved();
        check_offsets(10 + lost, 30 + lost, -1, -1);
    }
}

/* What is under way would be older in the log, and come back with the next start. */
Test(group_move, commit_under_way_is_waited_for)
{
    struct ask ask;

    struct group_coordinator *groups = rig.shard.groups;
    struct group_offset *entry;
    struct group *group;

    cr_assert(eq(i16, commit(NULL, GROUP, "t", 0, 10), KAFKA_NONE));
    rig.holds = true;
    start_commit(&ask, NULL, GROUP, "t", 0, 50, -1);
    group = the_group(GROUP); /* as if 10 had been found in the old partition */
    entry = group_find_entry(group, offset_topic_find(groups, "t"), 0);
    entry->value.is_foreign = entry->is_elsewhere = true;
    group->elsewhere_count = 1;
    list_push_back(&groups->elsewhere, &group->elsewhere_node);
    group_move_start(groups);
    rig.holds = false;
    rig_settle();
    rig_pass_ms(3000);
    cr_assert(eq(i16, end_commit(&ask), KAFKA_NONE));
    check_offsets(50, -1, -1, -1);
    check_moved();
    check_offsets(50, -1, -1, -1);
}

/* What is written again would stand behind what is staged, and the marker would drop that. */
Test(group_move, staged_offset_is_waited_for)
{
    struct group_coordinator *groups = rig.shard.groups;
    struct group_offset *entry;
    struct group *group;

    cr_assert(eq(i16, commit(NULL, GROUP, "t", 0, 10), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(P, GROUP, 0, 50), KAFKA_NONE));
    group = the_group(GROUP); /* as if 10 had been found in the old partition */
    entry = group_find_entry(group, offset_topic_find(groups, "t"), 0);
    entry->value.is_foreign = entry->is_elsewhere = true;
    group->elsewhere_count = 1;
    list_push_back(&groups->elsewhere, &group->elsewhere_node);
    group_move_start(groups);
    rig_pass_ms(3000);
    end_txn(P, true);
    rig_pass_ms(3000);
    check_offsets(50, -1, -1, -1);
    check_moved();
    check_offsets(50, -1, -1, -1);
}

/* What is deleted while the old partition still has it does not come back. */
Test(group_move, deleted_group_does_not_come_back)
{
    struct ask ask;

    write_offset(OLD, 0, 10, 0);
    write_state(OLD, 2);
    rig.holds = true;
    rig_restart();
    start_delete(&ask, GROUP);
    rig.holds = false;
    rig_settle();
    rig_pass_ms(3000);
    cr_assert(eq(i16, end_delete(&ask), KAFKA_NONE));
    cr_assert_null(the_group(GROUP));
    check_moved();
    cr_assert_null(the_group(GROUP));
}

Test(group_move, large_group_is_moved_in_parts)
{
    enum { COUNT = 2500 };
    for (int32_t p = 0; p < COUNT; p++) {
        struct offset_commit_key key;
        struct offset_commit_value value;
        codec_set_defaults(&offset_commit_key_desc, &key);
        codec_set_defaults(&offset_commit_value_desc, &value);
        key.group = wire_string(GROUP);
        key.topic = wire_string("large");
        key.partition = p;
        value.offset = p;
        value.metadata = wire_string("");
        value.commit_timestamp = rig.clock.wall_ms;
        append_record(log_of(OLD), TYPE_OFFSET, &key, 3, &value, false);
    }
    rig_restart();
    check_moved();
    for (int32_t p = 0; p < COUNT; p += 499)
        cr_assert(eq(i64, fetch_offset(GROUP, "large", p), p));
    cr_assert(eq(u32, the_group(GROUP)->offset_count, COUNT));
}

/* Its partition is led elsewhere meanwhile. */
Test(group_move, partition_may_go_while_a_group_leaves_its_old_one)
{
    write_offset(OLD, 0, 10, 0);
    rig.holds = true;
    rig_restart();
    commit_log(log_of(OWN)); /* its tombstones are on their way */
    cr_assert(rig.shard.groups->move != NULL);
    runtime_unload(&rig.shard.groups->runtime, OWN);
    cr_assert(rig.shard.groups->move == NULL);
    cr_assert_null(the_group(GROUP));
    rig.holds = false;
    rig_restart();
    check_offsets(10, -1, -1, -1);
    check_moved();
}

/* Or an answer would tell what is older than what the other one says (DUR-G3). */
Test(group_move, group_is_served_when_both_partitions_were_read)
{
    struct runtime_partition *old = runtime_find(&rig.shard.groups->runtime, OLD);

    old->state = RUNTIME_LOADING;
    cr_assert(eq(i16, commit(NULL, GROUP, "t", 0, 1), KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    cr_assert(eq(i16, commit(NULL, "h", "t", 0, 1), KAFKA_COORDINATOR_LOAD_IN_PROGRESS)); /* 2 */
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 1), KAFKA_NONE)); /* its partition is 1 */
    old->state = RUNTIME_SERVED;
    cr_assert(eq(i16, commit(NULL, GROUP, "t", 0, 1), KAFKA_NONE));
}

/* Half a truth is not told, nor none (DUR-G3). */
Test(group_move, group_whose_old_partition_cannot_be_read_is_not_served)
{
    struct runtime_partition *old = runtime_find(&rig.shard.groups->runtime, OLD);

    old->state = RUNTIME_FAILED;
    cr_assert(eq(i16, commit(NULL, GROUP, "t", 0, 1), KAFKA_COORDINATOR_NOT_AVAILABLE));
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 1), KAFKA_NONE)); /* its partition is 1 */
    old->state = RUNTIME_SERVED;
    runtime_unload(&rig.shard.groups->runtime, OLD); /* as if it could not be opened */
    cr_assert(eq(i16, commit(NULL, GROUP, "t", 0, 1), KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
}

/* Of the last partition that is read nobody hears when it cannot be. */
Test(group_move, groups_are_moved_where_the_last_partition_cannot_be_read)
{
    write_offset(OLD, 0, 10, -500);
    rig_close_parts();
    rig_open_parts();
    runtime_find(&rig.shard.groups->runtime, 1)->state = RUNTIME_LOADING;
    group_coordinator_start(rig.shard.groups);
    rig_settle();
    rig_pass_ms(5000);
    cr_assert(not(list_is_empty(&rig.shard.groups->elsewhere)));
    runtime_find(&rig.shard.groups->runtime, 1)->state = RUNTIME_FAILED;
    rig_pass_ms(5000);
    cr_assert(list_is_empty(&rig.shard.groups->elsewhere));
    cr_assert(eq(i64, fetch_offset(GROUP, "t", 0), 10));
    runtime_find(&rig.shard.groups->runtime, 1)->state = RUNTIME_SERVED;
}

/* GMV-3 */
Test(group_move, group_whose_own_partition_is_on_another_shard_stays)
{
    static struct shard other;
    struct uuid topic = image_topic_by_name(rig.shard.image, "__consumer_offsets", 18)->id;
    int32_t own = -1;
    int32_t old = -1;
    int64_t old_end;
    char id[20];

    for (int i = 0; own < 0 || shard_of_partition(&rig.shards, &topic, own) != &other ||
                    shard_of_partition(&rig.shards, &topic, old) != &rig.shard;
         i++) {
        cr_assert(lt(int, i, 1000));
        rig.shards.count = 2 + (uint32_t)i % 20;
        rig.shards.at[rig.shards.count - 1] = &other;
        snprintf(id, sizeof(id), "group-%d", i);
        own = group_partition_of(id, strlen(id), PARTITIONS);
        old = (java_hash(id, strlen(id)) & INT32_MAX) % PARTITIONS;
    }
    write_offset_of(id, old, 0, 5, 0);
    old_end = log_of(old)->offsets.log_end;
    rig_restart();
    cr_assert_not_null(the_group(id));
    cr_assert(the_group(id)->is_left_elsewhere);
    cr_assert(eq(i32, the_group(id)->partition_index, old));
    cr_assert(eq(i64, log_of(old)->offsets.log_end, old_end));
    rig.shards.count = 1; /* a start with one shard moves it */
    rig_restart();
    cr_assert(eq(i64, fetch_offset(id, "t", 0), 5));
    cr_assert(eq(i32, the_group(id)->partition_index, own));
    check_moved();
}
