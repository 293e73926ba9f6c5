/* Members of one group, each a client on a host of its own, against a whole broker in a simulated
 * world: who owns what, when it is told, and what can be committed. */
#include "net/client/client_member_private.h"
#include "net/client/client_offsets.h"
#include "tests/unit/net/client_live_rig.h"

TestSuite(client_member, .timeout = 600);

enum { PARTITIONS = 12, MEMBERS_MAX = CLIENTS_MAX };

struct follower {
    struct rig_client *client;
    struct client_topic *topic;
    struct client_member *member;
    struct client_member_options options;
    bool owned[PARTITIONS];
    uint32_t owned_count;
    uint32_t assigned_count; /* events */
    uint32_t revoked_count;
    uint32_t revoked_total; /* partitions, of all the events */
    uint32_t lost_count;
    bool is_revoking;    /* told, and not answered */
    uint64_t answers_ms; /* revoked, after so long; UINT64_MAX: never */
    struct timer answer;
    int16_t fatal_code;
    bool is_fatal;
    bool is_open;
    bool ends_when_lost;
};

static struct follower followers[MEMBERS_MAX];
static uint32_t owners[PARTITIONS]; /* how many own it */
static bool may_overlap;            /* after a session time-out a member may not know yet */

static const char *assignor_sets[] = {"group.initial.rebalance.delay.ms=0",
                                      "group.min.session.timeout.ms=1000", NULL};

static void begin(void)
{
    rig_start(2, assignor_sets);
    live_topic(live_client(0), "t", PARTITIONS);
}

/* ---- events */

static void on_assigned(void *context, const struct client_member_partition *added, uint32_t count)
{
    struct follower *follower = context;

    cr_assert(not(follower->is_revoking));
    for (uint32_t i = 0; i < count; i++) {
        int32_t p = added[i].partition;
        cr_assert(not(follower->owned[p]));
        follower->owned[p] = true;
        follower->owned_count++;
        owners[p]++;
        if (!may_overlap)
            cr_assert(eq(u32, owners[p], 1));
    }
    follower->assigned_count++;
}

static void on_answer_due(struct timer *timer)
{
    struct follower *follower = container_of(timer, struct follower, answer);

    follower->is_revoking = false;
    client_member_revoked_done(follower->member);
}

static void on_revoked(void *context, const struct client_member_partition *removed, uint32_t count,
                       bool is_lost)
{
    struct follower *follower = context;

    cr_assert(not(follower->is_revoking));
    cr_assert(ne(u32, count, 0));
    for (uint32_t i = 0; i < count; i++) {
        int32_t p = removed[i].partition;
        cr_assert(follower->owned[p]);
        follower->owned[p] = false;
        follower->owned_count--;
        owners[p]--;
    }
    if (is_lost) {
        follower->lost_count++;
        if (follower->ends_when_lost)
            client_member_destroy(follower->member, rig_on_closed, NULL);
        return;
    }
    follower->revoked_count++;
    follower->revoked_total += count;
    follower->is_revoking = true;
    if (follower->answers_ms != UINT64_MAX)
        loop_set_timer_ms(&follower->client->loop, &follower->answer, follower->answers_ms);
}

static void on_fatal(void *context, int16_t error_code, enum err err)
{
    struct follower *follower = context;

    follower->is_fatal = true;
    follower->fatal_code = error_code;
}

static const struct client_member_events events = {
    .assigned = on_assigned, .revoked = on_revoked, .fatal = on_fatal};

/* ---- members come and go */

static struct follower *join(uint32_t index, enum client_assignor assignor)
{
    struct follower *follower = &followers[index];

    if (follower->client == NULL) {
        follower->client = rig_client(index);
        follower->topic = rig_topic(follower->client, "t");
        timer_init(&follower->answer, on_answer_due);
    }
    if (follower->options.session_timeout_ms == 0) {
        follower->options = client_member_options_default();
        follower->options.session_timeout_ms = 6000;
        follower->options.heartbeat_ms = 1000;
        follower->options.rebalance_timeout_ms = 30000;
    }
    follower->options.group_id = "g";
    follower->options.assignor = assignor;
    cr_assert(eq(int,
                 client_member_create(follower->client->cluster, &follower->options,
                                      &follower->topic, 1, &events, follower, &follower->member),
                 OK));
    follower->is_open = true;
    return follower;
}

static void forget_owned(struct follower *follower)
{
    for (int32_t p = 0; p < PARTITIONS; p++) {
        owners[p] -= follower->owned[p];
        follower->owned[p] = false;
    }
    follower->owned_count = 0;
}

static void leave(struct follower *follower)
{
    forget_owned(follower);
    follower->is_open = false;
    client_member_destroy(follower->member, rig_on_closed, NULL);
    rig_until(&rig_has_closed, 120 * SIM_SECOND);
    rig_has_closed = false;
    follower->member = NULL;
}

static bool is_settled(void *context)
{
    uint32_t total = 0;
    uint32_t most = 0;
    uint32_t least = PARTITIONS;

    for (uint32_t i = 0; i < MEMBERS_MAX; i++) {
        const struct follower *follower = &followers[i];
        if (!follower->is_open || follower->is_fatal)
            continue;
        if (!client_member_is_stable(follower->member))
            return false;
        total += follower->owned_count;
        most = follower->owned_count > most ? follower->owned_count : most;
        least = follower->owned_count < least ? follower->owned_count : least;
    }
    for (int32_t p = 0; p < PARTITIONS; p++)
        if (owners[p] != 1)
            return false;
    return total == PARTITIONS && most - least <= 1;
}

static void settle(void)
{
    cr_assert(sim_world_run_until(live.world, is_settled, NULL, 300 * SIM_SECOND), "not settled");
    sim_world_run_for(live.world, 3 * SIM_SECOND);
    cr_assert(is_settled(NULL));
}

static void run_ms(uint64_t time_ms)
{
    sim_world_run_for(live.world, time_ms * SIM_MS);
}

static void come_and_go(enum client_assignor assignor)
{
    begin();
    join(0, assignor);
    settle();
    cr_assert(eq(u32, followers[0].owned_count, PARTITIONS));
    join(1, assignor);
    settle();
    join(2, assignor);
    join(3, assignor);
    settle();
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(eq(u32, followers[i].owned_count, 3));
    leave(&followers[0]);
    settle();
    leave(&followers[2]);
    leave(&followers[3]);
    settle();
    cr_assert(eq(u32, followers[1].owned_count, PARTITIONS));
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(eq(u32, followers[i].lost_count, 0));
    leave(&followers[1]);
}

Test(client_member, range_members_come_and_go)
{
    come_and_go(CLIENT_ASSIGNOR_RANGE);
    cr_assert(ge(u32, followers[1].revoked_count, 3)); /* CMB-2: eager gives all up each time */
}

Test(client_member, roundrobin_members_come_and_go)
{
    come_and_go(CLIENT_ASSIGNOR_ROUNDROBIN);
}

Test(client_member, cooperative_members_come_and_go_and_keep_what_they_can)
{
    come_and_go(CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    /* CMB-2: what goes to others alone: 0 gave up 6, then 3 at most */
    cr_assert(le(u32, followers[0].revoked_total, 9));
    cr_assert(le(u32, followers[1].revoked_total, 3));
}

/* CMB-4 */
Test(client_member, nobody_gets_a_partition_before_it_was_given_up)
{
    begin();
    followers[0].answers_ms = 5000;
    join(0, CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    settle();
    join(1, CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    run_ms(4000);
    cr_assert(followers[0].is_revoking);
    cr_assert(eq(u32, followers[1].owned_count, 0));
    settle(); /* on_assigned looks: never two owners */
    cr_assert(eq(u32, followers[1].owned_count, PARTITIONS / 2));
}

Test(client_member, an_eager_member_joins_only_when_the_revocation_is_answered)
{
    begin();
    followers[0].answers_ms = 10000;
    join(0, CLIENT_ASSIGNOR_RANGE);
    settle();
    join(1, CLIENT_ASSIGNOR_RANGE);
    run_ms(8000); /* longer than the session: heartbeats go on */
    cr_assert(followers[0].is_revoking);
    cr_assert(eq(u32, followers[1].assigned_count, 0));
    settle();
    cr_assert(eq(u32, followers[0].lost_count, 0));
}

/* CMB-3 */
Test(client_member, partitions_are_lost_when_the_session_times_out)
{
    uint64_t begin_ns;

    begin();
    join(0, CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    join(1, CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    settle();
    sim_net_hold(&live.world->net, followers[0].client->node->host, live.broker.node->host, true);
    begin_ns = sim_world_now_ns(live.world);
    while (followers[0].lost_count == 0) {
        run_ms(10);
        cr_assert(lt(u64, sim_world_now_ns(live.world) - begin_ns, 6100 * SIM_MS));
    }
    /* before the other one has them: on_assigned has looked */
    cr_assert(eq(u32, followers[0].owned_count, 0));
    run_ms(10000);
    cr_assert(eq(u32, followers[1].owned_count, PARTITIONS));
    sim_net_hold(&live.world->net, followers[0].client->node->host, live.broker.node->host, false);
    settle();
    cr_assert(eq(u32, followers[0].owned_count, PARTITIONS / 2));
}

Test(client_member, what_is_given_up_is_not_lost_once_more)
{
    begin();
    followers[0].answers_ms = 20000;
    join(0, CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    settle();
    join(1, CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    while (!followers[0].is_revoking)
        run_ms(10);
    may_overlap = true; /* the other one gets all before this one has answered */
    sim_net_hold(&live.world->net, followers[0].client->node->host, live.broker.node->host, true);
    run_ms(25000);
    cr_assert(eq(u32, followers[0].lost_count, 1)); /* on_revoked looks: what it owned still */
    cr_assert(eq(u32, followers[0].owned_count, 0));
    sim_net_hold(&live.world->net, followers[0].client->node->host, live.broker.node->host, false);
    followers[0].answers_ms = 0;
    settle();
}

/* It names the member id of the last assignment, which the next one replaces. */
Test(client_member, a_heartbeat_that_is_under_way_ends_with_its_generation)
{
    struct client_member *member;

    begin();
    member = join(0, CLIENT_ASSIGNOR_COOPERATIVE_STICKY)->member;
    settle();
    sim_net_hold(&live.world->net, followers[0].client->node->host, live.broker.node->host, true);
    for (int i = 0; i < 200 && !member->is_beating; i++)
        run_ms(10);
    cr_assert(member->is_beating);
    member->is_outdated = true;
    loop_defer(&followers[0].client->loop, &member->task);
    run_ms(50);
    cr_assert(eq(int, member->state, CLIENT_MEMBER_JOINING));
    cr_assert(not(member->is_beating));
    sim_net_hold(&live.world->net, followers[0].client->node->host, live.broker.node->host, false);
    settle();
}

/* Several joins have failed by then, so that the next one would wait. */
Test(client_member, may_be_destroyed_when_it_is_told_of_a_loss)
{
    begin();
    followers[0].ends_when_lost = true;
    join(0, CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    settle();
    followers[0].member->is_outdated = true;
    loop_defer(&followers[0].client->loop, &followers[0].member->task);
    sim_node_crash(live.broker.node, SIM_KILL);
    rig_until(&rig_has_closed, 120 * SIM_SECOND);
    cr_assert(eq(u32, followers[0].lost_count, 1));
    run_ms(10000); /* no timer of it is left */
}

Test(client_member, joins_anew_when_the_broker_has_forgotten_it)
{
    begin();
    join(0, CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    settle();
    followers[0].member->identity_id[3] ^= 1; /* its heartbeats are a stranger's */
    run_ms(3000);
    cr_assert(eq(u32, followers[0].lost_count, 1));
    settle();
}

/* ---- commits */

struct commit {
    struct client_offsets_op op;
    bool is_done;
};

static void on_committed(struct client_offsets_op *op, enum err err)
{
    cr_assert(eq(int, err, OK));
    container_of(op, struct commit, op)->is_done = true;
}

static int16_t commit(struct follower *follower, struct client_group_identity identity)
{
    struct client_group_offset offset = {.topic = follower->topic, .leader_epoch = -1};
    struct commit commit = {
        .op = {.done = on_committed, .cluster = follower->client->cluster, .timeout_ms = 30000}};
    int16_t error_code;

    client_offsets_commit(&commit.op, &identity, &offset, 1, &error_code);
    rig_until(&commit.is_done, 60 * SIM_SECOND);
    return error_code;
}

Test(client_member, commits_as_itself_until_its_partitions_are_lost)
{
    begin();
    join(0, CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    settle();
    cr_assert(
        eq(i16, commit(&followers[0], client_member_identity(followers[0].member)), KAFKA_NONE));
    sim_net_hold(&live.world->net, followers[0].client->node->host, live.broker.node->host, true);
    join(1, CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    run_ms(20000);
    cr_assert(eq(u32, followers[0].lost_count, 1));
    cr_assert(eq(u32, followers[1].owned_count, PARTITIONS));
    cr_assert(
        ne(i16, commit(&followers[1], client_member_identity(followers[0].member)), KAFKA_NONE));
}

/* ---- static members */

Test(client_member, a_static_member_comes_back_to_what_it_had)
{
    bool had[PARTITIONS];

    begin();
    for (uint32_t i = 0; i < 2; i++) {
        followers[i].options = client_member_options_default();
        followers[i].options.session_timeout_ms = 20000;
        followers[i].options.heartbeat_ms = 1000;
        followers[i].options.rebalance_timeout_ms = 30000;
        followers[i].options.group_instance_id = i == 0 ? "one" : "two";
        join(i, CLIENT_ASSIGNOR_RANGE);
    }
    settle();
    memcpy(had, followers[0].owned, sizeof(had));
    leave(&followers[0]);
    run_ms(5000);
    cr_assert(eq(u32, followers[1].owned_count, PARTITIONS / 2)); /* no rebalance */
    cr_assert(eq(u32, followers[1].revoked_count, followers[1].assigned_count - 1));
    join(0, CLIENT_ASSIGNOR_RANGE);
    settle();
    cr_assert(eq(int, memcmp(had, followers[0].owned, sizeof(had)), 0));
}

Test(client_member, of_two_with_one_instance_id_the_older_is_fenced)
{
    begin();
    for (uint32_t i = 0; i < 2; i++) {
        followers[i].options = client_member_options_default();
        followers[i].options.session_timeout_ms = 20000;
        followers[i].options.heartbeat_ms = 1000;
        followers[i].options.rebalance_timeout_ms = 30000;
        followers[i].options.group_instance_id = "one";
    }
    join(0, CLIENT_ASSIGNOR_RANGE);
    settle();
    may_overlap = true;
    join(1, CLIENT_ASSIGNOR_RANGE);
    run_ms(10000);
    cr_assert(followers[0].is_fatal);
    cr_assert(eq(i16, followers[0].fatal_code, KAFKA_FENCED_INSTANCE_ID));
    cr_assert(eq(u32, followers[0].lost_count, 1));
    settle();
    cr_assert(eq(u32, followers[1].owned_count, PARTITIONS));
}

Test(client_member, of_another_protocol_is_refused)
{
    begin();
    join(0, CLIENT_ASSIGNOR_RANGE);
    settle();
    join(1, CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    run_ms(10000);
    cr_assert(followers[1].is_fatal);
    cr_assert(eq(i16, followers[1].fatal_code, KAFKA_INCONSISTENT_GROUP_PROTOCOL));
}

/* ---- what others say */

static bool has_led;

static void on_led(struct client_leader *leader, enum err err)
{
    has_led = err == OK;
}

/* Any member may subscribe to anything: a name with a zero in it is no topic's, and nobody reads
 * it. */
Test(client_member, a_leader_is_told_a_name_that_is_none)
{
    static uint8_t subscription[] = {0, 0, 0, 0, 0, 1, 0, 3, 't', 0, 'x', 255, 255, 255, 255};
    struct join_group_response_member of = {
        .member_id = wire_string("fifteen letters"),
        .metadata = {.bytes = subscription, .size_bytes = sizeof(subscription)}};
    struct join_group_response response = {.members = {.items = &of, .count = 1}};
    struct client_leader leader;
    struct rig_client *client;

    begin();
    client = rig_client(0);
    client_leader_init(&leader, client->cluster, CLIENT_ASSIGNOR_RANGE, on_led);
    client_leader_begin(&leader, &response);
    rig_until(&has_led, 60 * SIM_SECOND);
    cr_assert(eq(u32, leader.members_count, 1));
    cr_assert(eq(int, leader.members[0].id.text[15], 0)); /* what lies before subscribes */
    client_leader_deinit(&leader);
}

/* ---- a wide world */

static void storm(enum client_assignor assignor)
{
    begin();
    may_overlap = true; /* whose connection is held learns late that it was put out */
    rig_set_faults(30000, 30000);
    for (uint32_t round = 0; round < 15; round++) {
        uint32_t index = round * 5 % MEMBERS_MAX;
        if (followers[index].is_open)
            leave(&followers[index]);
        else
            join(index, assignor);
        run_ms(1000 + round * 700);
        if (round % 5 == 4)
            rig_kill_broker(3 * SIM_SECOND);
    }
    rig_set_faults(0, 0);
    settle();
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        cr_assert(not(followers[i].is_fatal));
}

Test(client_member, eager_group_settles_after_cut_connections_and_crashes)
{
    storm(CLIENT_ASSIGNOR_RANGE);
}

Test(client_member, cooperative_group_settles_after_cut_connections_and_crashes)
{
    storm(CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
}

/* ---- topics that change */

Test(client_member, the_leader_sees_a_topic_that_came_later)
{
    rig_start(1, assignor_sets);
    rig_clients[0].options = client_options_default();
    rig_clients[0].options.allow_auto_create = false;
    rig_clients[0].options.metadata_max_age_ms = 10000;
    followers[0].client = rig_client(0);
    followers[0].topic = client_cluster_topic(followers[0].client->cluster, "t");
    timer_init(&followers[0].answer, on_answer_due);
    join(0, CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    run_ms(20000);
    cr_assert(eq(u32, followers[0].assigned_count, 1));
    cr_assert(eq(u32, followers[0].owned_count, 0));
    live_topic(live_client(0), "t", PARTITIONS);
    settle();
}

/* ---- memory that is refused: at the latest the next try joins */

Test(client_member, joins_when_an_allocation_is_refused)
{
    begin();
    join(0, CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    settle();
    may_overlap = true;
    for (uint64_t n = 1; n < 120; n++) {
        struct follower *follower;
        rig_client(1);
        follower = &followers[1];
        if (follower->client == NULL) {
            follower->client = rig_client(1);
            follower->topic = rig_topic(follower->client, "t");
            timer_init(&follower->answer, on_answer_due);
        }
        follower->options = followers[0].options;
        mem_fail_after(n);
        while (client_member_create(follower->client->cluster, &follower->options, &follower->topic,
                                    1, &events, follower, &follower->member) != OK) {
        }
        follower->is_open = true;
        cr_assert(sim_world_run_until(live.world, is_settled, NULL, 300 * SIM_SECOND));
        mem_fail_after(0);
        cr_assert(not(follower->is_fatal));
        leave(follower);
        cr_assert(sim_world_run_until(live.world, is_settled, NULL, 300 * SIM_SECOND));
    }
}
