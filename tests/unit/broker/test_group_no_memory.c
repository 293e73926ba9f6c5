/* A group whose memory cannot be had: the client is told to ask again, and nothing has changed; it
 * asks again, and all is well. */
#include "tests/unit/broker/group_asks.h"

TestSuite(group_no_memory, .timeout = 600);

enum { ALLOCS_MAX = 80 };

static struct client_member a;
static struct client_member b;
static struct ask one;

/* ---- what there is of the group */

static const char *tell(void)
{
    const struct group *group = the_group("g");
    const char *text = "none";

    if (group == NULL)
        return text;
    text = arena_printf(&rig.arena, "%s %d %s %s %s pending %u writes %u offsets %u bytes %" PRIu64,
                        group_state_name(group->state), group->generation,
                        group->protocol_type == NULL ? "-" : group->protocol_type,
                        group->protocol == NULL ? "-" : group->protocol,
                        group->leader == NULL ? "-" : group->leader->id, group->pending_count,
                        group->writes, group->offset_count,
                        budget_used_bytes(memory_budget(&rig.shard.memory, MEMORY_GROUPS)));
    list_for_each(node, &group->members)
    {
        const struct group_member *member = container_of(node, struct group_member, node);
        text = arena_printf(&rig.arena, "%s; %s %s %d %u %d%d%d", text, member->id,
                            member->terms.client_id, member->terms.session_timeout_ms,
                            member->terms.protocol_count, member->join != NULL,
                            member->sync != NULL, member->synced);
        cr_assert(eq(ptr, group_find(group, wire_string(member->id)), (void *)(uintptr_t)member));
    }
    for (int32_t p = 0; p < 4; p++) {
        const struct group_offset *offset = group_find_offset(group, "t", p);
        if (offset != NULL)
            text = arena_printf(&rig.arena, "%s; %d=%" PRId64 " leaving %u", text, p,
                                offset->value.offset, offset->leaving_count);
    }
    return text;
}

static void set_up(void)
{
    rig_up(NULL);
    rig_create_topic("t", 10);
    a = a_client();
    b = a_client();
    one = (struct ask){0};
}

/* Only what a request keeps may be there. */
static void tear_down(void)
{
    group_coordinator_stop(rig.shard.groups);
    rig_down();
}

static bool is_retriable(int16_t error_code)
{
    return error_code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ||
           error_code == KAFKA_COORDINATOR_NOT_AVAILABLE;
}

/* prepare; then ask, whose n-th allocation fails, for each n, alone or with all behind it.  ask
 * gives the error, or KAFKA_NONE; -1: the connection was closed.  Asked again it is done. */
static void fails_well(void (*prepare)(void), int16_t (*ask)(void), void (*finish)(void))
{
    uint32_t refused_count = 0;
    uint32_t done_count = 0;

    for (uint64_t n = 1; n <= 2 * ALLOCS_MAX; n++) {
        const char *before;
        const char *after;
        int16_t error_code;
        set_up();
        prepare();
        before = tell();
        rig.fail_after = 1 + n / 2;
        rig.fails_on = n % 2 == 1;
        error_code = ask();
        after = tell();
        done_count += error_code == KAFKA_NONE;
        if (error_code != KAFKA_NONE) {
            refused_count++;
            cr_assert(error_code == -1 || is_retriable(error_code), "allocation %d: error %d",
                      (int)n, error_code);
            if (error_code != -1)
                cr_assert(eq(str, (char *)after, (char *)before), "allocation %d", (int)n);
            error_code = ask();
            cr_assert(eq(i16, error_code, KAFKA_NONE), "allocation %d", (int)n);
        }
        finish();
        tear_down();
    }
    cr_assert(lt(u32, 0, refused_count));
    cr_assert(lt(u32, 0, done_count));
}

static void nothing(void)
{
}

/* ---- joining */

static int16_t error_of_join(struct client_member *client)
{
    int16_t error_code;

    if (!client->join.answered)
        return KAFKA_NONE;
    if (client->join.closed) {
        ask_end(&client->join);
        return -1;
    }
    error_code = end_join(client);
    return error_code == KAFKA_MEMBER_ID_REQUIRED ? KAFKA_NONE : error_code;
}

static int16_t join_a(void)
{
    start_join(&a, "g", 9);
    return error_of_join(&a);
}

/* Both joins are answered, and whoever leads assigns. */
static void a_becomes_stable(void)
{
    struct client_member *all[] = {&a};
    bool assigned;

    rig_pass_ms(4000);
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    start_sync(&a, "g", all, 1);
    cr_assert(eq(i16, end_sync(&a, &assigned), KAFKA_NONE));
    cr_assert(assigned);
}

Test(group_no_memory, an_id_is_handed_out_or_not)
{
    fails_well(nothing, join_a, nothing);
}

static void have_id(void)
{
    cr_assert(eq(i16, join_a(), KAFKA_NONE));
}

Test(group_no_memory, who_has_an_id_joins_or_keeps_it)
{
    fails_well(have_id, join_a, a_becomes_stable);
}

static void have_instance(void)
{
    a.instance = "i";
}

Test(group_no_memory, a_static_member_joins_or_does_not)
{
    fails_well(have_instance, join_a, a_becomes_stable);
}

static void a_is_stable(void)
{
    become_stable(&a, "g");
}

static void a_and_instance_are_stable(void)
{
    have_instance();
    become_stable(&a, "g");
    a.id[0] = '\0';
}

static void a_is_member(void)
{
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE));
}

Test(group_no_memory, an_instance_has_its_new_id_or_the_old_one)
{
    fails_well(a_and_instance_are_stable, join_a, a_is_member);
}

/* The other member has joined anew; a is the last one. */
static void b_waits(void)
{
    a_is_stable();
    start_joining(&b, "g");
    cr_assert(not(b.join.answered));
    a.metadata = (struct wire_bytes){(const uint8_t *)"longer than before", 18};
}

/* As clients do: whoever was refused, or is behind, joins again. */
static bool joins_again(struct client_member *client)
{
    const struct join_group_response *response = client->join.response;

    if (!client->join.answered)
        return false;
    if (!client->join.closed && response->error_code == KAFKA_NONE &&
        response->generation_id == the_group("g")->generation)
        return false;
    if (!client->join.closed && response->error_code != KAFKA_NONE)
        cr_assert(is_retriable(response->error_code));
    ask_end(&client->join);
    start_join(client, "g", 9);
    return true;
}

/* The last join sets the generation in motion: what fails then refuses all, who join again. */
Test(group_no_memory, a_generation_is_formed_or_joined_again)
{
    struct client_member *all[] = {&a, &b};
    uint32_t again_count = 0;

    for (uint64_t n = 1; n <= 2 * ALLOCS_MAX; n++) {
        set_up();
        b_waits();
        rig.fail_after = 1 + n / 2;
        rig.fails_on = n % 2 == 1;
        start_join(&a, "g", 9);
        for (bool again = true; again;) {
            again = joins_again(&b);
            again = joins_again(&a) || again;
            again_count += again;
        }
        cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
        cr_assert(eq(i16, end_join(&b), KAFKA_NONE));
        cr_assert(eq(i32, a.generation, b.generation));
        start_sync(&b, "g", NULL, 0);
        start_sync(&a, "g", all, 2);
        cr_assert(eq(i16, end_sync(&a, NULL), KAFKA_NONE));
        cr_assert(eq(i16, end_sync(&b, NULL), KAFKA_NONE));
        tear_down();
    }
    cr_assert(lt(u32, 0, again_count));
}

/* ---- the assignment */

static void a_has_joined(void)
{
    start_joining(&a, "g");
    rig_pass_ms(4000);
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
}

static int16_t sync_a(void)
{
    struct client_member *all[] = {&a};

    start_sync(&a, "g", all, 1);
    cr_assert(a.sync.answered);
    if (a.sync.closed) {
        ask_end(&a.sync);
        return -1;
    }
    return end_sync(&a, NULL);
}

/* Refused before anything changed, or because the record could not be written: then the group
 * begins anew. */
Test(group_no_memory, an_assignment_is_recorded_or_refused)
{
    uint32_t unchanged_count = 0;

    for (uint64_t n = 1; n <= 2 * ALLOCS_MAX; n++) {
        const char *before;
        int16_t error_code;
        set_up();
        a_has_joined();
        before = tell();
        rig.fail_after = 1 + n / 2;
        rig.fails_on = n % 2 == 1;
        error_code = sync_a();
        if (error_code > KAFKA_NONE) {
            bool is_unchanged = strcmp(before, tell()) == 0;
            cr_assert(eq(i16, error_code, KAFKA_COORDINATOR_NOT_AVAILABLE)); /* what clients know */
            unchanged_count += is_unchanged;
            cr_assert(is_unchanged || the_group("g")->state == GROUP_PREPARING);
            start_join(&a, "g", 9);
            cr_assert(a.join.answered);
            cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
        }
        if (error_code != KAFKA_NONE)
            cr_assert(eq(i16, sync_a(), KAFKA_NONE));
        cr_assert(eq(int, the_group("g")->state, GROUP_STABLE));
        rig_restart();
        cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE));
        tear_down();
    }
    cr_assert(lt(u32, 0, unchanged_count));
}

/* ---- offsets */

/* Of two partitions: the first may have its memory and the second not. */
static int16_t commit_two(void)
{
    bool is_member = the_group("g") != NULL && the_group("g")->member_count > 0;
    struct offset_commit_request_partition *parts;
    struct offset_commit_request *body;
    int16_t error_code;

    make_commit(&one, is_member ? &a : NULL, "g", "t", 3, 7, -1);
    body = one.body;
    parts = rig_array(one.request, &offset_commit_request_partition_struct, 2);
    parts[0] = parts[1] = body->topics.items[0].partitions.items[0];
    parts[1].partition_index = 2;
    body->topics.items[0].partitions.items = parts;
    body->topics.items[0].partitions.count = 2;
    ask_start(&one, handle_offset_commit);
    cr_assert(one.answered);
    if (one.closed) {
        ask_end(&one);
        return -1;
    }
    error_code = end_commit(&one);
    return error_code;
}

static void is_committed(void)
{
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(i64, fetch_offset("g", "t", 2), 7));
        cr_assert(eq(i64, fetch_offset("g", "t", 3), 7));
        cr_assert(eq(u32, group_find_offset(the_group("g"), "t", 2)->pending_count, 0));
        cr_assert(eq(u32, group_find_offset(the_group("g"), "t", 3)->pending_count, 0));
        rig_restart();
    }
}

Test(group_no_memory, a_first_commit_is_done_or_leaves_no_group)
{
    fails_well(nothing, commit_two, is_committed);
}

Test(group_no_memory, a_members_commit_is_done_or_not)
{
    fails_well(a_is_stable, commit_two, is_committed);
}

static void offsets_are_there(void)
{
    for (int32_t p = 0; p < 3; p++)
        cr_assert(eq(i16, commit(NULL, "g", "t", p, 5), KAFKA_NONE));
}

static int16_t delete_two(void)
{
    struct offset_delete_request *body;
    const struct offset_delete_response *response;
    int16_t error_code;

    one = ask_new(API_OFFSET_DELETE, 0);
    body = one.body;
    body->group_id = asked_text(&one, "g");
    body->topics.items = rig_array(one.request, &offset_delete_request_topic_struct, 1);
    body->topics.count = 1;
    body->topics.items[0].name = asked_text(&one, "t");
    body->topics.items[0].partitions.items =
        rig_array(one.request, &offset_delete_request_partition_struct, 2);
    body->topics.items[0].partitions.count = 2;
    body->topics.items[0].partitions.items[1].partition_index = 1;
    ask_start(&one, handle_offset_delete);
    cr_assert(one.answered);
    response = one.response;
    error_code = one.closed ? -1 : response->error_code;
    ask_end(&one);
    return error_code;
}

static void one_is_left(void)
{
    cr_assert(eq(u32, the_group("g")->offset_count, 1));
    rig_restart();
    cr_assert(eq(u32, the_group("g")->offset_count, 1));
}

Test(group_no_memory, offsets_are_deleted_all_or_none)
{
    fails_well(offsets_are_there, delete_two, one_is_left);
}

static int16_t delete_g(void)
{
    int16_t error_code;

    start_delete(&one, "g");
    cr_assert(one.answered);
    if (one.closed) {
        ask_end(&one);
        return -1;
    }
    error_code = end_delete(&one);
    return error_code == KAFKA_GROUP_ID_NOT_FOUND ? KAFKA_NONE : error_code;
}

static void is_gone(void)
{
    cr_assert_null(the_group("g"));
    rig_restart();
    cr_assert_null(the_group("g"));
}

Test(group_no_memory, a_group_is_deleted_or_stays)
{
    fails_well(offsets_are_there, delete_g, is_gone);
}

/* ---- what nobody asked for */

Test(group_no_memory, offsets_of_a_deleted_topic_go_when_there_is_memory)
{
    for (uint64_t n = 1; n <= 10; n++) {
        struct uuid id;
        set_up();
        id = rig_create_topic("gone", 4);
        for (int32_t p = 0; p < 4; p++)
            cr_assert(eq(i16, commit(NULL, "g", "gone", p, 5), KAFKA_NONE));
        rig_delete_topic(&id, false);
        mem_end_after(n);
        group_coordinator_topic_deleted(rig.shard.groups, "gone");
        rig_settle();
        mem_fail_after(0);
        if (n == 1)
            cr_assert(eq(u32, the_group("g")->offset_count, 4));
        rig_pass_ms(3000);
        cr_assert(the_group("g") == NULL, "allocation %d: %s", (int)n, tell());
        rig_down();
    }
}

/* Its log, its place in the table, or its groups: it is tried again, whole. */
Test(group_no_memory, a_partition_that_finds_none_is_opened_when_there_is_memory)
{
    for (uint64_t n = 1; n <= 30; n++) {
        struct delta delta;
        set_up();
        rig_delete_topic(&image_topic_by_name(rig.shard.image, "__consumer_offsets", 18)->id, true);
        delta_init(&delta);
        rig_topic.id = (struct uuid){.bytes = {0x78, (uint8_t)n}};
        rig_topic.name = "__consumer_offsets";
        rig_topic.index = 0;
        rig_apply(METADATA_TOPIC, 0, rig_fill_topic, &delta);
        rig_apply(METADATA_PARTITION, 1, rig_fill_partition, &delta);
        mem_fail_after(n);
        topic_table_publish(rig.shard.topics, &delta);
        mem_fail_after(0);
        rig_publish(&delta); /* as a publication that ended early is followed by another */
        rig_pass_ms(3000);
        cr_assert(eq(i16, commit(NULL, "g", "t", 3, 5), KAFKA_NONE), "allocation %d: %s", (int)n,
                  tell());
        rig_down();
    }
}

/* Half of what the log says is not told: nothing of the partition is served, and later all. */
Test(group_no_memory, a_log_that_found_no_memory_is_read_again)
{
    enum { ALLOCS = 150 };
    struct partition *partition;
    uint32_t refused_count = 0;

    set_up();
    a_is_stable();
    cr_assert(eq(i16, commit(&a, "g", "t", 3, 7), KAFKA_NONE));
    partition = runtime_find(&rig.shard.groups->runtime, 0)->partition;
    for (uint64_t n = 1; n <= ALLOCS; n++) {
        struct group_coordinator *again;
        struct group *group;
        enum err err;
        cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE)); /* time passes for it, too */
        cr_assert(eq(int, group_coordinator_create(&rig.shard, &again), OK));
        mem_fail_after(n);
        err = runtime_load(&again->runtime, partition);
        mem_fail_after(0);
        cr_assert(eq(int, err, n == 1 ? ERR_NOMEM : OK)); /* the topic table tries that again */
        if (err != OK)
            cr_assert(eq(int, runtime_load(&again->runtime, partition), OK));
        group = coordinator_find(again, wire_string("g"));
        if (group == NULL) {
            int32_t index;
            refused_count++;
            cr_assert(list_is_empty(&again->all));
            cr_assert(eq(i16, coordinator_check(again, wire_string("g"), &index),
                         KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
            rig_pass_ms(2000); /* it is tried again */
            group = coordinator_find(again, wire_string("g"));
        }
        cr_assert(eq(int, group->state, GROUP_STABLE));
        cr_assert(eq(i64, group_find_offset(group, "t", 3)->value.offset, 7));
        group_coordinator_destroy(again);
    }
    cr_assert(lt(u32, 10, refused_count));
    cr_assert(lt(u32, refused_count, ALLOCS));
    tear_down();
}

/* Clients take COORDINATOR_LOAD_IN_PROGRESS of a SyncGroup or Heartbeat for a failure. */
Test(group_no_memory, members_hear_of_a_log_that_is_to_be_read_again_in_words_that_they_know)
{
    struct runtime_partition *partition;
    int16_t beat_error;

    set_up();
    a_is_stable();
    partition = runtime_find(&rig.shard.groups->runtime, 0);
    partition->state = RUNTIME_LOADING;
    beat_error = beat(&a, "g");
    start_sync(&a, "g", NULL, 0);
    partition->state = RUNTIME_SERVED;
    cr_assert(eq(i16, beat_error, KAFKA_NONE));
    cr_assert(eq(i16, end_sync(&a, NULL), KAFKA_REBALANCE_IN_PROGRESS));
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE));
    tear_down();
}
