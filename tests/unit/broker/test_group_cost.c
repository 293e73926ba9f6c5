/* What a request of groups may cost: its work grows with its size, whatever the group holds, and
 * what it names twice is done once. */
#include "tests/unit/broker/group_asks.h"

#include <time.h>

static void setup(void)
{
    rig_up(NULL);
    rig_create_topic("t", 4);
}

TestSuite(group_cost, .init = setup, .fini = rig_down, .timeout = 600);

/* Each of them takes many times as long when it looks through all of the group for each name. */
enum { CPU_MAX_MS = 1000 };

static uint64_t cpu_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- protocols */

enum { MEMBERS = 2000, NAMES = 99 };

static char names[NAMES][4];

static void make_names(void)
{
    for (int i = 0; i < NAMES; i++)
        snprintf(names[i], sizeof(names[i]), "n%d", i);
}

/* A member whose client is elsewhere, with these protocols. */
static void add_member(struct group *group, uint32_t number, const char (*protocols)[4],
                       uint32_t count)
{
    struct group_terms terms = {0};
    char id[16];

    snprintf(id, sizeof(id), "m%u", number);
    cr_assert(group_terms_begin_protocols(&terms, &group->protocol_names, count));
    for (uint32_t i = 0; i < count; i++)
        cr_assert(group_terms_add_protocol(&terms, protocols[i], strlen(protocols[i]), NULL, 0));
    cr_assert(ne(ptr, group_add_member(group, wire_string(id), wire_string(NULL), &terms), NULL));
    group_terms_deinit(&terms);
}

static struct group *group_of_many(void)
{
    struct group *group = coordinator_get(rig.shard.groups, wire_string("g"));

    make_names();
    group_set_text(&group->protocol_type, mem_strdup("consumer"));
    for (uint32_t i = 0; i < MEMBERS; i++)
        add_member(group, i, names, NAMES);
    return group;
}

static int16_t join_with_all_names(void)
{
    struct client_member client = a_client();
    struct join_group_request *body;

    client.join = ask_new(API_JOIN_GROUP, 3);
    body = client.join.body;
    body->group_id = wire_string("g");
    body->session_timeout_ms = client.session_ms;
    body->protocol_type = wire_string("consumer");
    body->protocols.items =
        rig_array(client.join.request, &join_group_request_protocol_struct, NAMES);
    body->protocols.count = NAMES;
    for (int32_t i = 0; i < NAMES; i++)
        body->protocols.items[i].name = wire_string(names[i]);
    ask_start(&client.join, handle_join_group);
    return end_join(&client);
}

Test(group_cost, join_that_agrees_with_all_but_one_member_looks_up_its_names)
{
    static const char other[1][4] = {"z"};
    struct group *group = group_of_many();
    uint64_t begin_ms;

    add_member(group, MEMBERS, other, 1);
    begin_ms = cpu_ms();
    for (int i = 0; i < 100; i++)
        cr_assert(eq(i16, join_with_all_names(), KAFKA_INCONSISTENT_GROUP_PROTOCOL));
    cr_assert(lt(u64, cpu_ms() - begin_ms, CPU_MAX_MS));
}

Test(group_cost, vote_looks_once_at_each_protocol_of_each_member)
{
    struct group *group = group_of_many();
    uint64_t begin_ms = cpu_ms();

    for (int i = 0; i < 200; i++)
        cr_assert(eq(str, (char *)(uintptr_t)group_vote(group), "n0"));
    cr_assert(lt(u64, cpu_ms() - begin_ms, CPU_MAX_MS));
}

Test(group_cost, protocol_that_a_member_names_twice_is_one)
{
    struct client_member a = a_client();
    struct client_member b = a_client();
    struct client_member c = a_client();

    a.protocols = "range,range,sticky";
    b.protocols = "range";
    c.protocols = "sticky,sticky";
    start_join(&a, "g", 3);
    start_join(&b, "g", 3);
    cr_assert(not(b.join.answered));
    start_join(&c, "g", 3); /* b has it not */
    cr_assert(c.join.answered);
    cr_assert(eq(i16, end_join(&c), KAFKA_INCONSISTENT_GROUP_PROTOCOL));
    rig_pass_ms(7000);
    cr_assert(eq(str, the_group("g")->protocol, "range"));
    end_join(&a);
    end_join(&b);
}

/* ---- numbers of members, whatever happens to them */

enum { CLIENTS = 5, STEPS = 3000 };

static void check_counts(const struct group *group)
{
    static const char *const all[] = {"a", "b", "c", "d"};

    for (uint32_t p = 0; p < 4; p++) {
        uint32_t count = 0;
        list_for_each(node, &group->members)
        {
            const struct group_terms *terms = &container_of(node, struct group_member, node)->terms;
            bool has = false;
            for (uint32_t i = 0; i < terms->protocol_count; i++)
                has |= strcmp(terms->protocols[i].name->text, all[p]) == 0;
            count += has;
        }
        cr_assert(
            eq(u32, group_all_have(group, wire_string(all[p])), count == group->member_count));
    }
}

/* Static members come, come again with other protocols, some of which cannot be recorded, and are
 * lost. */
Test(group_cost, members_with_a_protocol_are_counted_through_all_that_happens)
{
    static const char *const lists[] = {"a", "b,a", "c,a,c", "a,b,c,d", "d,b,b,a", "b,c"};
    static const char *const instances[] = {"i0", "i1", "i2", "i3", "i4"};
    struct client_member clients[CLIENTS];
    struct prng prng;

    prng_init(&prng, 1);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = a_client();
        clients[i].instance = instances[i];
        clients[i].join.answered = true; /* there is none */
    }
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t number = (uint32_t)prng_below(&prng, CLIENTS);
        struct client_member *client = &clients[number];
        disk.refuse_with = prng_below(&prng, 4) == 0 ? ERR_STORAGE : OK;
        if (client->join.request == NULL) {
            client->protocols = lists[prng_below(&prng, 6)];
            if (prng_below(&prng, 2) == 0)
                client->id[0] = '\0';
            start_join(client, "g", 9);
        } else if (prng_below(&prng, 3) == 0) {
            rig_pass_ms(prng_below(&prng, 8000));
        }
        for (uint32_t i = 0; i < CLIENTS; i++)
            if (clients[i].join.request != NULL && clients[i].join.answered) {
                if (end_join(&clients[i]) != KAFKA_NONE)
                    clients[i].id[0] = '\0';
                clients[i].join = (struct ask){0};
            }
        if (prng_below(&prng, 20) == 0 && client->join.request == NULL && client->id[0] != '\0')
            (void)leave(client, "g");
        if (the_group("g") != NULL)
            check_counts(the_group("g"));
    }
    disk.refuse_with = OK;
    group_coordinator_stop(rig.shard.groups);
    for (uint32_t i = 0; i < CLIENTS; i++)
        if (clients[i].join.request != NULL)
            end_join(&clients[i]);
}

/* ---- ids that were handed out */

Test(group_cost, members_that_leave_are_not_looked_for_in_all_ids_that_were_handed_out)
{
    enum { HANDED_OUT = 5000, LEAVING = 50000 };
    struct ask ask = ask_new(API_LEAVE_GROUP, 4);
    struct leave_group_request *body = ask.body;
    const struct leave_group_response *response = ask.response;
    struct client_member last;
    uint64_t begin_ms;

    for (int i = 0; i < HANDED_OUT; i++) {
        last = a_client();
        start_join(&last, "g", 9);
        cr_assert(eq(i16, end_join(&last), KAFKA_MEMBER_ID_REQUIRED));
    }
    cr_assert(eq(u32, the_group("g")->pending_count, HANDED_OUT));
    body->group_id = wire_string("g");
    body->members.items =
        rig_array(ask.request, &leave_group_request_member_identity_struct, LEAVING);
    body->members.count = LEAVING;
    for (int32_t i = 0; i < LEAVING; i++)
        body->members.items[i].member_id =
            i + 1 < LEAVING ? wire_string("nobody") : asked_text(&ask, last.id);
    begin_ms = cpu_ms();
    ask_start(&ask, handle_leave_group);
    cr_assert(lt(u64, cpu_ms() - begin_ms, CPU_MAX_MS));
    cr_assert(eq(i16, response->members.items[0].error_code, KAFKA_UNKNOWN_MEMBER_ID));
    cr_assert(eq(i16, response->members.items[LEAVING - 1].error_code, KAFKA_NONE));
    cr_assert(eq(u32, the_group("g")->pending_count, HANDED_OUT - 1));
    ask_end(&ask);
}

/* ---- offsets that are named again and again */

enum { AGAIN = 200000 };

static int32_t recorded(void)
{
    int32_t count = 0;

    for (uint32_t i = 0; i < disk.log_count; i++)
        for (uint32_t b = 0; b < disk.logs[i].batch_count; b++)
            count += disk.logs[i].batches[b].header.record_count;
    return count;
}

static uint64_t used(void)
{
    return budget_used_bytes(memory_budget(&rig.shard.memory, MEMORY_GROUPS));
}

/* Partition 0 so many times, and then 1; the offset is one more each time. */
static struct ask ask_to_commit(int32_t count)
{
    struct ask ask = ask_new(API_OFFSET_COMMIT, 9);
    struct offset_commit_request *body = ask.body;
    struct offset_commit_request_partition *asked;

    body->group_id = wire_string("g");
    body->topics.items = rig_array(ask.request, &offset_commit_request_topic_struct, 1);
    body->topics.count = 1;
    body->topics.items[0].name = wire_string("t");
    asked = rig_array(ask.request, &offset_commit_request_partition_struct, count + 1);
    body->topics.items[0].partitions.items = asked;
    body->topics.items[0].partitions.count = count + 1;
    for (int32_t i = 0; i <= count; i++) {
        asked[i].partition_index = i == count;
        asked[i].committed_offset = i + 1;
        asked[i].committed_metadata = wire_string(i + 1 < count ? "before" : "last");
    }
    return ask;
}

static void commits_each_once(int32_t count)
{
    struct ask ask = ask_to_commit(count);
    const struct offset_commit_response *response = ask.response;
    int32_t before = recorded();
    uint64_t begin_ms = cpu_ms();

    ask_start(&ask, handle_offset_commit);
    cr_assert(lt(u64, cpu_ms() - begin_ms, CPU_MAX_MS));
    cr_assert(eq(i32, response->topics.items[0].partitions.count, count + 1));
    for (int32_t i = 0; i <= count; i++)
        cr_assert(eq(i16, response->topics.items[0].partitions.items[i].error_code, KAFKA_NONE));
    ask_end(&ask);
    cr_assert(eq(i32, recorded() - before, 2));
    for (int i = 0; i < 2; i++) {
        const struct group_offset *offset = group_find_offset(the_group("g"), "t", 0);
        cr_assert(eq(i64, fetch_offset("g", "t", 0), count)); /* as Kafka, which records all */
        cr_assert(eq(i64, fetch_offset("g", "t", 1), count + 1));
        cr_assert(eq(i32, offset->value.metadata.size_bytes, 4));
        rig_restart();
    }
}

Test(group_cost, commit_records_what_it_names_last_of_a_partition)
{
    commits_each_once(3);
    commits_each_once(5);
}

Test(group_cost, commit_that_names_a_partition_again_and_again_records_it_once)
{
    memory_budget(&rig.shard.memory, MEMORY_GROUPS)->max_bytes = 100000;
    commits_each_once(AGAIN);
}

static struct ask ask_to_delete(int32_t count)
{
    struct ask ask = ask_new(API_OFFSET_DELETE, 0);
    struct offset_delete_request *body = ask.body;

    body->group_id = wire_string("g");
    body->topics.items = rig_array(ask.request, &offset_delete_request_topic_struct, 2);
    body->topics.count = 2; /* the topic, too, is named twice */
    for (int t = 0; t < 2; t++) {
        body->topics.items[t].name = wire_string("t");
        body->topics.items[t].partitions.items =
            rig_array(ask.request, &offset_delete_request_partition_struct, count);
        body->topics.items[t].partitions.count = count;
    }
    return ask;
}

Test(group_cost, deletion_that_names_a_partition_again_and_again_records_it_once)
{
    struct ask ask;
    const struct offset_delete_response *response;
    int32_t before;
    uint64_t begin_ms;

    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 5), KAFKA_NONE));
    cr_assert(eq(i16, commit(NULL, "g", "t", 1, 6), KAFKA_NONE));
    before = recorded();
    ask = ask_to_delete(AGAIN);
    response = ask.response;
    begin_ms = cpu_ms();
    ask_start(&ask, handle_offset_delete);
    cr_assert(lt(u64, cpu_ms() - begin_ms, CPU_MAX_MS));
    cr_assert(eq(i16, response->error_code, KAFKA_NONE));
    for (int t = 0; t < 2; t++)
        for (int32_t i = 0; i < AGAIN; i++)
            cr_assert(
                eq(i16, response->topics.items[t].partitions.items[i].error_code, KAFKA_NONE));
    ask_end(&ask);
    cr_assert(eq(i32, recorded() - before, 1));
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
    cr_assert(eq(i64, fetch_offset("g", "t", 1), 6));
}

Test(group_cost, deletions_that_are_not_durable_yet_are_counted)
{
    struct ask asks_of_it[2];
    const struct offset_delete_response *response;
    uint64_t before;

    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 5), KAFKA_NONE));
    before = used();
    rig.holds = true;
    asks_of_it[0] = ask_to_delete(1);
    ask_start(&asks_of_it[0], handle_offset_delete);
    cr_assert(not(asks_of_it[0].answered));
    cr_assert(lt(u64, before, used()));
    memory_budget(&rig.shard.memory, MEMORY_GROUPS)->max_bytes = used();
    asks_of_it[1] = ask_to_delete(1);
    ask_start(&asks_of_it[1], handle_offset_delete);
    cr_assert(asks_of_it[1].answered);
    response = asks_of_it[1].response;
    cr_assert(eq(i16, response->error_code, KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    ask_end(&asks_of_it[1]);
    rig.holds = false;
    rig_settle();
    response = asks_of_it[0].response;
    cr_assert(eq(i16, response->error_code, KAFKA_NONE));
    ask_end(&asks_of_it[0]);
}
