/* What groups may hold, and what may be asked of them at once. */
#include "net/protocol/msg_describe_groups.h"
#include "tests/unit/broker/group_asks.h"

static void setup(void)
{
    static const char *const sets[] = {"group.max.size=2", NULL};

    rig_up(sets);
    rig_create_topic("t", 10);
}

TestSuite(group_memory, .init = setup, .fini = rig_down, .timeout = 600);

static uint8_t blob[20 << 20];

static struct client_member client_that_says(int32_t size_bytes)
{
    struct client_member client = a_client();

    client.metadata = (struct wire_bytes){blob, size_bytes};
    return client;
}

/* A join without id in a version that asks for none: the member is there at once. */
static void join_old(struct client_member *client, const char *group)
{
    start_join(client, group, 3);
}

static void limit(enum memory_purpose purpose, uint64_t max_bytes)
{
    memory_budget(&rig.shard.memory, purpose)->max_bytes = max_bytes;
}

static uint64_t used(void)
{
    return budget_used_bytes(memory_budget(&rig.shard.memory, MEMORY_GROUPS));
}

/* ---- members */

Test(group_memory, group_has_no_more_members_than_configured)
{
    struct client_member clients[3] = {a_client(), a_client(), a_client()};

    for (int i = 0; i < 3; i++)
        join_old(&clients[i], "g");
    cr_assert(eq(i16, end_join(&clients[2]), KAFKA_GROUP_MAX_SIZE_REACHED));
    cr_assert(eq(u32, the_group("g")->member_count, 2));
    group_coordinator_stop(rig.shard.groups);
    end_join(&clients[0]);
    end_join(&clients[1]);
}

Test(group_memory, member_that_says_more_than_can_be_recorded_is_refused)
{
    struct client_member large = client_that_says(17 << 20);
    struct client_member half = client_that_says(10 << 20);
    struct client_member other = client_that_says(10 << 20);

    join_old(&large, "g");
    cr_assert(large.join.answered);
    cr_assert(eq(i16, end_join(&large), KAFKA_GROUP_MAX_SIZE_REACHED));
    cr_assert_null(the_group("g"));
    join_old(&half, "g");
    join_old(&other, "g");
    cr_assert(not(half.join.answered));
    cr_assert(eq(i16, end_join(&other), KAFKA_GROUP_MAX_SIZE_REACHED));
    group_coordinator_stop(rig.shard.groups);
    end_join(&half);
}

Test(group_memory, members_of_all_groups_stay_within_the_budget)
{
    struct client_member a = client_that_says(60000);
    struct client_member b = client_that_says(60000);

    limit(MEMORY_GROUPS, 100000);
    join_old(&a, "g");
    cr_assert(not(a.join.answered));
    join_old(&b, "h");
    cr_assert(eq(i16, end_join(&b), KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    cr_assert(lt(u64, used(), 100000));
    rig_pass_ms(4000);
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    start_joining(&a, "g"); /* the same again holds no more */
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    cr_assert(eq(i16, leave(&a, "g"), KAFKA_NONE));
    join_old(&b, "h");
    cr_assert(not(b.join.answered));
    group_coordinator_stop(rig.shard.groups);
    end_join(&b);
}

Test(group_memory, ids_handed_out_stay_within_the_budget)
{
    uint32_t given = 0;
    int16_t error_code = KAFKA_MEMBER_ID_REQUIRED;

    limit(MEMORY_GROUPS, 100000);
    while (error_code == KAFKA_MEMBER_ID_REQUIRED && given < 1000) {
        struct client_member client = a_client();
        char group[20];
        snprintf(group, sizeof(group), "g%u", given++);
        start_join(&client, group, 9);
        error_code = end_join(&client);
    }
    cr_assert(eq(i16, error_code, KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    cr_assert(lt(u32, 10, given));
    cr_assert(lt(u64, used(), 100000));
}

/* ---- offsets */

Test(group_memory, new_offsets_stay_within_the_budget_and_those_that_are_there_move_on)
{
    int32_t committed = 0;
    int16_t error_code = KAFKA_NONE;

    limit(MEMORY_GROUPS, 30000);
    while (error_code == KAFKA_NONE && committed < 100) {
        char group[8];
        snprintf(group, sizeof(group), "g%d", committed / 10);
        error_code = commit(NULL, group, "t", committed++ % 10, 5);
    }
    cr_assert(eq(i16, error_code, KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    cr_assert(lt(i32, 10, committed));
    cr_assert(lt(u64, used(), 30000));
    cr_assert(eq(i16, commit(NULL, "g0", "t", 0, 6), KAFKA_NONE));
    cr_assert(eq(i64, fetch_offset("g0", "t", 0), 6));
    cr_assert(eq(i16, delete_group("g0"), KAFKA_NONE));
    cr_assert(eq(i16, commit(NULL, "h", "t", 0, 7), KAFKA_NONE));
}

static int16_t commit_with(int32_t metadata_bytes)
{
    static char text[4001];
    struct offset_commit_request *body;
    struct ask ask;

    memset(text, 'm', sizeof(text) - 1);
    make_commit(&ask, NULL, "g", "t", 0, 5, -1);
    body = ask.body;
    body->topics.items[0].partitions.items[0].committed_metadata =
        (struct wire_string){text, metadata_bytes};
    ask_start(&ask, handle_offset_commit);
    return end_commit(&ask);
}

/* One that is there moves on; what is said with it counts by how much more it is. */
Test(group_memory, what_is_said_with_an_offset_counts_as_it_grows)
{
    uint64_t before;

    cr_assert(eq(i16, commit_with(10), KAFKA_NONE));
    before = used();
    cr_assert(eq(i16, commit_with(4000), KAFKA_NONE));
    cr_assert(ge(u64, used(), before + 3990));
    cr_assert(eq(i16, commit_with(10), KAFKA_NONE));
    cr_assert(eq(u64, used(), before));
    limit(MEMORY_GROUPS, (before + 2000) * 4 / 3); /* a quarter of it is kept for others */
    cr_assert(eq(i16, commit_with(4000), KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    cr_assert(eq(i16, commit_with(20), KAFKA_NONE));
    cr_assert(lt(u64, used(), before + 100));
}

/* Offsets stay for days; whoever fills the budget with them must not keep members out so long. */
Test(group_memory, members_join_beside_as_many_offsets_as_there_may_be)
{
    struct client_member one = a_client();
    int16_t error_code = KAFKA_NONE;
    char group[16];

    limit(MEMORY_GROUPS, 200000);
    for (int i = 0; error_code == KAFKA_NONE && i < 1000; i++) {
        snprintf(group, sizeof(group), "g%d", i);
        error_code = commit(NULL, group, "t", 0, 5);
    }
    cr_assert(eq(i16, error_code, KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    become_stable(&one, "g0");
    cr_assert(eq(i16, commit(&one, "g0", "t", 0, 6), KAFKA_NONE));
}

Test(group_memory, commits_that_are_not_durable_yet_are_counted)
{
    enum { COMMITS = 60 };
    static struct ask waiting[COMMITS];
    int started = 0;

    limit(MEMORY_GROUPS, 20000);
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 5), KAFKA_NONE));
    rig.holds = true;
    do {
        start_commit(&waiting[started], NULL, "g", "t", 0, started, -1);
        started++;
    } while (!waiting[started - 1].answered && started < COMMITS);
    cr_assert(lt(int, started, COMMITS));
    cr_assert(eq(i16, end_commit(&waiting[--started]), KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    rig.holds = false;
    rig_settle();
    while (started > 0)
        cr_assert(eq(i16, end_commit(&waiting[--started]), KAFKA_NONE));
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 9), KAFKA_NONE));
}

/* ---- a start */

/* Both were admitted by a budget that is smaller now: offsets are all kept, members as they fit. */
Test(group_memory, a_start_reads_members_as_far_as_the_budget_has_room)
{
    struct client_member a = client_that_says(60000);
    struct client_member b = client_that_says(60000);
    int32_t generation;

    become_stable(&a, "g");
    become_stable(&b, "h");
    cr_assert(eq(i16, commit(&a, "g", "t", 0, 5), KAFKA_NONE));
    cr_assert(eq(i16, commit(&b, "h", "t", 0, 6), KAFKA_NONE));
    generation = the_group("h")->generation;
    rig_restart();
    cr_assert(eq(u32, the_group("g")->member_count + the_group("h")->member_count, 2));
    limit(MEMORY_GROUPS, 100000);
    rig_restart();
    cr_assert(lt(u64, used(), 100000));
    cr_assert(eq(u32, the_group("g")->member_count + the_group("h")->member_count, 1));
    cr_assert(eq(u32, the_group("h")->member_count, 0));
    cr_assert(eq(int, the_group("h")->state, GROUP_EMPTY));
    cr_assert(eq(i32, the_group("h")->generation, generation));                /* DUR-G1 */
    cr_assert(eq(i64, the_group("h")->state_timestamp_ms, rig.clock.wall_ms)); /* DUR-G7 */
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 5));
    cr_assert(eq(i64, fetch_offset("h", "t", 0), 6));
    cr_assert(eq(i16, commit(&b, "h", "t", 0, 7), KAFKA_UNKNOWN_MEMBER_ID));
    cr_assert(eq(i16, leave(&a, "g"), KAFKA_NONE));
    b = client_that_says(60000); /* it forgets its id */
    become_stable(&b, "h");
    cr_assert(eq(i16, commit(&b, "h", "t", 0, 7), KAFKA_NONE));
}

/* ---- asking for many */

static struct ask ask_for_groups(const char *const *names, int32_t count)
{
    struct ask ask = ask_new(API_OFFSET_FETCH, 9);
    struct offset_fetch_request *body = ask.body;

    body->groups.items = rig_array(ask.request, &offset_fetch_request_group_struct, count);
    body->groups.count = count;
    for (int32_t i = 0; i < count; i++) {
        body->groups.items[i].group_id = asked_text(&ask, names[i]);
        body->groups.items[i].topics.count = -1;
    }
    return ask;
}

Test(group_memory, group_that_is_named_again_is_refused)
{
    static const char *const names[] = {"g", "h", "g"};
    struct ask ask;
    const struct offset_fetch_response *response;

    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 5), KAFKA_NONE));
    ask = ask_for_groups(names, 3);
    response = ask.response;
    ask_start(&ask, handle_offset_fetch);
    cr_assert(eq(i32, response->groups.count, 3));
    cr_assert(eq(i16, response->groups.items[0].error_code, KAFKA_NONE));
    cr_assert(eq(i32, response->groups.items[0].topics.count, 1));
    cr_assert(eq(i16, response->groups.items[1].error_code, KAFKA_NONE));
    cr_assert(eq(i16, response->groups.items[2].error_code, KAFKA_INVALID_REQUEST));
    cr_assert(wire_string_is(response->groups.items[2].group_id, "g"));
    ask_end(&ask);
}

Test(group_memory, many_groups_are_asked_in_several_turns)
{
    enum { GROUPS = 5000 };
    static char texts[GROUPS][8];
    static const char *names[GROUPS];
    struct ask ask;
    const struct offset_fetch_response *response;
    uint32_t before;

    for (int i = 0; i < GROUPS; i++) {
        snprintf(texts[i], sizeof(texts[i]), "g%d", i);
        names[i] = texts[i];
    }
    cr_assert(eq(i16, commit(NULL, "g4999", "t", 0, 5), KAFKA_NONE));
    ask = ask_for_groups(names, GROUPS);
    response = ask.response;
    before = rig.task_count;
    ask_start(&ask, handle_offset_fetch);
    cr_assert(ge(u32, rig.task_count - before, 2));
    for (int i = 0; i < GROUPS; i++) {
        cr_assert(wire_string_is(response->groups.items[i].group_id, names[i]));
        cr_assert(eq(i16, response->groups.items[i].error_code, KAFKA_NONE));
    }
    cr_assert(eq(i32, response->groups.items[4999].topics.count, 1));
    ask_end(&ask);
}

Test(group_memory, answers_stay_within_their_budget)
{
    static const char *const names[] = {"g"};
    struct client_member a = client_that_says(1 << 20);
    struct ask ask = ask_for_groups(names, 1);
    const struct offset_fetch_response *offsets = ask.response;
    const struct describe_groups_response *groups;
    struct describe_groups_request *body;

    become_stable(&a, "g");
    cr_assert(eq(i16, commit(&a, "g", "t", 0, 5), KAFKA_NONE));
    limit(MEMORY_DECODED, 10);
    ask_start(&ask, handle_offset_fetch);
    cr_assert(eq(i16, offsets->groups.items[0].error_code, KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    ask_end(&ask);
    limit(MEMORY_DECODED, 1000000);
    ask = ask_for_groups(names, 1);
    offsets = ask.response;
    ask_start(&ask, handle_offset_fetch);
    cr_assert(eq(i16, offsets->groups.items[0].error_code, KAFKA_NONE));
    ask_end(&ask);
    ask = ask_new(API_DESCRIBE_GROUPS, 5);
    groups = ask.response;
    body = ask.body;
    body->groups.items = rig_alloc(ask.request, 1, sizeof(struct wire_string));
    body->groups.items[0] = asked_text(&ask, "g");
    body->groups.count = 1;
    ask_start(&ask, handle_describe_groups);
    cr_assert(eq(i16, groups->groups.items[0].error_code, KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    cr_assert(eq(i32, groups->groups.items[0].members.count, 0));
    ask_end(&ask);
}

/* ---- cancellation of a request that waits */

static uint32_t heard[REQUEST_CUT + 1];

static void on_heard(struct request *request, enum request_cancel why)
{
    heard[why]++;
}

/* The news and the waiting that began after it come in one turn. */
Test(group_memory, a_request_that_waits_hears_a_reason_once)
{
    struct ask ask = ask_new(API_METADATA, 9);

    memset(heard, 0, sizeof(heard));
    request_cancel(ask.request, REQUEST_PRESSED);
    rig_settle();
    request_cancel(ask.request, REQUEST_PEER_GONE);
    request_on_cancel(ask.request, on_heard, NULL);
    rig_settle();
    cr_assert(eq(u32, heard[REQUEST_PEER_GONE], 1));
    cr_assert(le(u32, heard[REQUEST_PRESSED], 1));
    request_cancel(ask.request, REQUEST_CUT);
    rig_settle();
    cr_assert(eq(u32, heard[REQUEST_CUT], 1));
    cr_assert(eq(u32, heard[REQUEST_PEER_GONE], 1));
    request_on_cancel(ask.request, on_heard, NULL); /* who begins to wait anew hears it anew */
    rig_settle();
    cr_assert(eq(u32, heard[REQUEST_CUT], 2));
    request_done(ask.request);
}

/* ---- assignments */

/* One member, in a generation that waits for its leader's assignment of size_bytes. */
static int16_t assign(const char *group, int32_t size_bytes)
{
    struct client_member client = a_client();
    struct sync_group_request *body;
    bool assigned;

    start_joining(&client, group);
    rig_pass_ms(4000); /* the initial delay */
    cr_assert(eq(i16, end_join(&client), KAFKA_NONE));
    client.sync = ask_new(API_SYNC_GROUP, 3);
    body = client.sync.body;
    body->group_id = asked_text(&client.sync, group);
    body->generation_id = client.generation;
    body->member_id = asked_text(&client.sync, client.id);
    body->assignments.items =
        rig_array(client.sync.request, &sync_group_request_assignment_struct, 1);
    body->assignments.count = 1;
    body->assignments.items[0].member_id = asked_text(&client.sync, client.id);
    body->assignments.items[0].assignment = (struct wire_bytes){blob, size_bytes};
    ask_start(&client.sync, handle_sync_group);
    return end_sync(&client, &assigned);
}

Test(group_memory, assignments_count_as_what_members_say_does)
{
    uint64_t before, after;

    cr_assert(eq(i16, assign("one", 5 << 20), KAFKA_NONE));
    before = used();
    cr_assert(lt(u64, 5 << 20, before));
    cr_assert(eq(i16, assign("large", 17 << 20), KAFKA_UNKNOWN_SERVER_ERROR)); /* never */
    limit(MEMORY_GROUPS, 8 << 20);
    cr_assert(eq(i16, assign("two", 5 << 20), KAFKA_COORDINATOR_NOT_AVAILABLE)); /* not now */
    cr_assert(eq(i16, assign("small", 1000), KAFKA_NONE));
    after = used();
    cr_assert(lt(u64, after, before + (1 << 20)));
}

/* ---- records on their way */

/* Two static members: one that says much, one that says little. */
static void make_large_group(struct client_member *large, struct client_member *small)
{
    struct client_member *all[] = {large, small};
    bool assigned;

    start_joining(large, "g");
    start_joining(small, "g");
    rig_pass_ms(8000); /* the initial delay */
    for (int i = 0; i < 2; i++)
        cr_assert(eq(i16, end_join(all[i]), KAFKA_NONE));
    start_sync(small, "g", all, 2);
    start_sync(large, "g", all, 2);
    for (int i = 0; i < 2; i++)
        cr_assert(eq(i16, end_sync(all[i], &assigned), KAFKA_NONE));
    cr_assert(eq(int, the_group("g")->state, GROUP_STABLE));
}

/* Each is a copy of the group: one of them is always let through, more only while there is room. */
Test(group_memory, records_of_a_large_group_on_their_way_are_bounded)
{
    enum { MANY = 8, LARGE_BYTES = 6 << 20 };
    struct client_member large = client_that_says(LARGE_BYTES);
    struct client_member small = client_that_says(10);
    struct client_member clients[MANY];
    uint64_t before;

    large.instance = "large";
    small.instance = "small";
    make_large_group(&large, &small);
    before = used();
    limit(MEMORY_GROUPS, before + (1 << 20));
    disk.is_full = true;
    for (int i = 0; i < MANY; i++) {
        clients[i] = client_that_says(10);
        clients[i].instance = "small";
        start_join(&clients[i], "g", 9);
        cr_assert(lt(u64, before + LARGE_BYTES, used()));
        cr_assert(lt(u64, used(), before + LARGE_BYTES + (1 << 20)), "%d", i);
    }
    disk_give_room();
    disk_commit();
    rig_pass_ms(10);
    for (int i = 0; i < MANY; i++) {
        cr_assert(clients[i].join.answered);
        cr_assert(eq(i16, end_join(&clients[i]),
                     i == 0 ? KAFKA_NONE : KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    }
    cr_assert(lt(u64, used(), before + 10000));
}
