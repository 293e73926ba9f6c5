#include "tests/unit/net/client_rig.h"

static struct client_cluster *cluster;
static struct client_options options;
static char servers[400];
static char problem[200];

static void name_peers(uint32_t first, uint32_t count)
{
    size_t told = 0;

    for (uint32_t i = first; i < first + count; i++) {
        char host[IO_ADDRESS_TEXT_MAX];

        rig_address(&rig.peers[i], host);
        told += (size_t)snprintf(servers + told, sizeof(servers) - told, "%s%s:%d",
                                 told > 0 ? "," : "", host, RIG_PORT);
    }
    options.bootstrap_servers = servers;
}

static void create(void)
{
    cr_assert(
        eq(int, client_cluster_create(&rig.env, &options, &cluster, problem, sizeof(problem)), OK));
}

static void put_topic(const char *name, int32_t leader_id)
{
    struct rig_topic *topic = &rig.topics[rig.topics_count++];

    *topic = (struct rig_topic){.name = name, .partitions_count = 2};
    topic->id.bytes[0] = (uint8_t)(rig.topics_count);
    for (int i = 0; i < RIG_PARTS; i++) {
        topic->partitions[i].leader_id = leader_id;
        topic->partitions[i].leader_epoch = 5;
    }
}

static void setup(void)
{
    rig_start(3, NULL);
    options = client_options_default();
    name_peers(0, 1);
    put_topic("here", 1);
    create();
}

static void finish(void)
{
    bool closed = false;

    rig_now();
    client_cluster_destroy(cluster, rig_set_true, &closed);
    cr_assert(not(closed));
    cr_assert(rig_wait(&closed, 60000));
    rig_finish();
}

/* ---- waits */

struct waiting {
    struct client_wait wait;
    bool is_done;
    uint32_t done_count;
    enum err err;
    uint64_t done_ms;
};

static void on_wait_done(struct client_wait *wait, enum err err)
{
    struct waiting *waiting = container_of(wait, struct waiting, wait);

    cr_assert(eq(u32, waiting->done_count++, 0)); /* CLU-4 */
    waiting->is_done = true;
    waiting->err = err;
    waiting->done_ms = rig_now_ms();
}

static struct client_topic *topic_of(const char *name)
{
    rig_now();
    return client_cluster_topic(cluster, name);
}

static void begin_topic(struct waiting *waiting, struct client_topic *topic, uint32_t timeout_ms)
{
    *waiting = (struct waiting){.wait.done = on_wait_done};
    rig_now();
    client_cluster_wait_topic(cluster, &waiting->wait, topic, timeout_ms);
    cr_assert(not(waiting->is_done));
}

static enum err wait_topic(struct client_topic *topic, uint32_t timeout_ms)
{
    static struct waiting waiting;

    begin_topic(&waiting, topic, timeout_ms);
    cr_assert(rig_wait(&waiting.is_done, timeout_ms + 10));
    return waiting.err;
}

static void begin_coordinator(struct waiting *waiting, const char *key, uint32_t timeout_ms)
{
    *waiting = (struct waiting){.wait.done = on_wait_done};
    rig_now();
    client_cluster_find_coordinator(cluster, &waiting->wait, CLIENT_COORDINATOR_GROUP, key,
                                    timeout_ms);
    cr_assert(not(waiting->is_done));
}

static uint32_t asked_count(int16_t key)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < rig.peers_count; i++)
        count += rig.peers[i].requests_count[key];
    return count;
}

/* ---- addresses */

Test(client_cluster, addresses_that_are_none_are_told)
{
    static const char *const bad[] = {"",
                                      ",",
                                      "10.0.0.1:0",
                                      "10.0.0.1:70000",
                                      "10.0.0.1:",
                                      ":9092",
                                      "10.0.0.1:9092,10.0.0.2:x",
                                      "no.such.name:9092"};

    rig_start(1, NULL);
    options = client_options_default();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        options.bootstrap_servers = bad[i];
        problem[0] = '\0';
        cr_assert(eq(int,
                     client_cluster_create(&rig.env, &options, &cluster, problem, sizeof(problem)),
                     ERR_INVALID),
                  "%s", bad[i]);
        cr_assert(ne(str, problem, ""));
    }
    options.bootstrap_servers = NULL;
    cr_assert(eq(int, client_cluster_create(&rig.env, &options, &cluster, problem, sizeof(problem)),
                 ERR_INVALID));
    options.bootstrap_servers = " 10.0.0.1 , [::ffff:10.0.0.1]:9092,";
    create();
    finish();
}

Test(client_cluster, without_memory_nothing_is_left)
{
    rig_start(1, NULL);
    options = client_options_default();
    options.bootstrap_servers = "10.0.0.1:1,10.0.0.1:2";
    for (uint64_t n = 1;; n++) {
        enum err err;

        mem_fail_after(n);
        err = client_cluster_create(&rig.env, &options, &cluster, problem, sizeof(problem));
        mem_fail_after(0);
        if (err == OK)
            break;
        cr_assert(eq(int, err, ERR_NOMEM));
        rig_run_ms(10);
    }
    finish();
}

Test(client_cluster, dials_nobody_before_it_is_needed, .init = setup, .fini = finish)
{
    rig_run_ms(10000);
    cr_assert(eq(u32, rig.peers[0].conns_count, 0));
}

/* ---- metadata */

Test(client_cluster, learns_topics_leaders_and_connects_to_them, .init = setup, .fini = finish)
{
    struct client_topic *topic = topic_of("here");
    struct client_broker *leader;

    cr_assert(eq(ptr, client_cluster_leader(cluster, topic, 0, CLIENT_LANE_DATA), NULL));
    cr_assert(eq(int, wait_topic(topic, 1000), OK));
    cr_assert(eq(i32, topic->partitions_count, 2));
    cr_assert(eq(i32, topic->partitions[1].leader_id, 1));
    cr_assert(eq(i32, topic->partitions[1].leader_epoch, 5));
    cr_assert(eq(ptr, client_cluster_topic_by_id(cluster, &rig.topics[0].id), topic));
    cr_assert(eq(ptr, topic_of("here"), topic));
    leader = client_cluster_leader(cluster, topic, 1, CLIENT_LANE_DATA);
    cr_assert(ne(ptr, leader, NULL));
    cr_assert(eq(i32, client_broker_node_id(leader), 1));
    cr_assert(eq(ptr, client_cluster_node(cluster, 1, CLIENT_LANE_DATA), leader));
    cr_assert(ne(ptr, client_cluster_node(cluster, 1, CLIENT_LANE_FETCH), leader));
    cr_assert(eq(ptr, client_cluster_node(cluster, 7, CLIENT_LANE_FETCH), NULL));
    cr_assert(eq(ptr, client_cluster_leader(cluster, topic, 2, CLIENT_LANE_DATA), NULL));
    cr_assert(eq(ptr, client_cluster_leader(cluster, topic, -1, CLIENT_LANE_DATA), NULL));
    cr_assert(eq(u64, client_cluster_version(cluster), 1));
    cr_assert(eq(u32, asked_count(API_METADATA), 1));
    cr_assert(eq(int, wait_topic(topic, 1000), OK)); /* known already */
    cr_assert(eq(u32, asked_count(API_METADATA), 1));
}

Test(client_cluster, several_topics_are_asked_for_together, .init = setup, .fini = finish)
{
    struct client_topic *topics[3];

    put_topic("there", 2);
    put_topic("everywhere", 0);
    topics[0] = topic_of("here");
    topics[1] = topic_of("there");
    topics[2] = topic_of("everywhere");
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert(eq(u32, topics[i]->index, i));
        cr_assert(eq(int, wait_topic(topics[i], 1000), OK));
    }
    cr_assert(eq(u32, asked_count(API_METADATA), 1)); /* CLU-2 */
}

Test(client_cluster, an_address_that_is_unreachable_gives_way_to_the_next)
{
    struct client_topic *topic;

    rig_start(3, NULL);
    options = client_options_default();
    put_topic("here", 2);
    name_peers(0, 3);
    sim_node_crash(rig.peers[0].node, SIM_KILL);       /* refuses */
    sim_node_crash(rig.peers[1].node, SIM_POWER_LOSS); /* is silent */
    rig.topics[0].partitions[0].leader_id = 2;
    create();
    topic = topic_of("here");
    cr_assert(eq(int, wait_topic(topic, 12000), OK));
    finish();
}

Test(client_cluster, without_any_broker_a_wait_has_its_time, .init = setup, .fini = finish)
{
    struct client_topic *topic;

    sim_node_crash(rig.peers[0].node, SIM_KILL);
    topic = topic_of("here");
    cr_assert(eq(int, wait_topic(topic, 5000), ERR_TIMEOUT));
    cr_assert(ne(ptr, strstr(client_cluster_problem(cluster), "refused"), NULL));
    sim_node_start(rig.peers[0].node);
    cr_assert(eq(int, wait_topic(topic, 2000), OK));
}

Test(client_cluster, a_topic_that_is_not_there_yet_is_asked_for_with_back_off, .init = setup,
     .fini = finish)
{
    struct client_topic *topic = topic_of("later");
    static struct waiting waiting;

    begin_topic(&waiting, topic, 60000);
    rig_run_ms(10000);
    cr_assert(not(waiting.is_done));
    cr_assert(topic->is_known);
    cr_assert(eq(int, topic->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    cr_assert(eq(int, waiting.wait.kafka_error, KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    /* 100, 200, 400, 800, 1000, 1000, ... */
    cr_assert(le(u32, asked_count(API_METADATA), 18));
    cr_assert(ge(u32, asked_count(API_METADATA), 10));
    put_topic("later", 0);
    cr_assert(rig_wait(&waiting.is_done, 1300));
    cr_assert(eq(int, waiting.err, OK));
    cr_assert(eq(int, topic->error_code, KAFKA_NONE));
}

Test(client_cluster, a_topic_that_nobody_makes_is_not_found_after_some_answers)
{
    struct client_topic *topic;

    rig_start(1, NULL);
    options = client_options_default();
    options.allow_auto_create = false;
    name_peers(0, 1);
    create();
    topic = topic_of("never");
    cr_assert(eq(int, wait_topic(topic, 5000), ERR_NOT_FOUND));
    cr_assert(eq(u32, asked_count(API_METADATA), 3));
    cr_assert(eq(int, wait_topic(topic, 5000), ERR_NOT_FOUND)); /* asked once more */
    finish();
}

Test(client_cluster, errors_that_stay_end_a_wait, .init = setup, .fini = finish)
{
    struct client_topic *topic = topic_of("here");

    rig.topics[0].error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    cr_assert(eq(int, wait_topic(topic, 5000), ERR_PERMISSION));
    rig.topics[0].error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
    client_cluster_call_stale(cluster, topic);
    rig_run_ms(1000);
    cr_assert(eq(int, wait_topic(topic, 5000), ERR_INVALID));
    cr_assert(eq(ptr, client_cluster_leader(cluster, topic, 0, CLIENT_LANE_DATA), NULL));
}

Test(client_cluster, a_partition_without_leader_is_waited_for, .init = setup, .fini = finish)
{
    struct client_topic *topic = topic_of("here");
    static struct waiting waiting;

    rig.topics[0].partitions[1].leader_id = -1;
    rig.topics[0].partitions[1].error_code = KAFKA_LEADER_NOT_AVAILABLE;
    begin_topic(&waiting, topic, 60000);
    rig_run_ms(3000);
    cr_assert(not(waiting.is_done));
    cr_assert(eq(int, waiting.wait.kafka_error, KAFKA_LEADER_NOT_AVAILABLE));
    cr_assert(eq(ptr, client_cluster_leader(cluster, topic, 1, CLIENT_LANE_DATA), NULL));
    cr_assert(ne(ptr, client_cluster_leader(cluster, topic, 0, CLIENT_LANE_DATA), NULL));
    rig.topics[0].partitions[1].leader_id = 2;
    rig.topics[0].partitions[1].error_code = KAFKA_NONE;
    cr_assert(rig_wait(&waiting.is_done, 1300));
    cr_assert(eq(int, waiting.err, OK));
}

struct counting {
    struct client_listener listener;
    uint32_t count;
    bool leaves;
};

static void on_changed(struct client_listener *listener)
{
    struct counting *counting = container_of(listener, struct counting, listener);

    counting->count++;
    if (counting->leaves)
        client_cluster_unlisten(listener);
}

Test(client_cluster, a_leader_that_moves_is_found_and_told_to_all_who_listen, .init = setup,
     .fini = finish)
{
    static struct counting counting[2];
    struct client_topic *topic = topic_of("here");
    uint64_t begin_ms;

    cr_assert(eq(int, wait_topic(topic, 1000), OK));
    for (int i = 0; i < 2; i++) {
        counting[i] = (struct counting){.listener.changed = on_changed, .leaves = i == 1};
        client_cluster_listen(cluster, &counting[i].listener);
    }
    rig_run_ms(1000);
    rig.topics[0].partitions[0].leader_id = 2;
    rig.topics[0].partitions[0].leader_epoch = 6;
    begin_ms = rig_now_ms();
    client_cluster_call_stale(cluster, topic);
    client_cluster_call_stale(cluster, topic);
    while (topic->partitions[0].leader_id != 2 && rig_now_ms() < begin_ms + 500)
        rig_run_ms(1);
    cr_assert(eq(i32, topic->partitions[0].leader_id, 2));
    cr_assert(le(u64, rig_now_ms() - begin_ms, 20)); /* the last answer is long past */
    cr_assert(eq(u32, counting[0].count, 1));
    cr_assert(eq(u64, client_cluster_version(cluster), 2));
    rig.topics[0].partitions[0].leader_epoch = 7;
    client_cluster_call_stale(cluster, topic);
    rig_run_ms(70);
    cr_assert(eq(i32, topic->partitions[0].leader_epoch, 6)); /* retry.backoff.ms */
    rig_run_ms(100);
    cr_assert(eq(i32, topic->partitions[0].leader_epoch, 7));
    cr_assert(eq(u32, counting[0].count, 2));
    cr_assert(eq(u32, counting[1].count, 1));
    client_cluster_unlisten(&counting[0].listener);
}

Test(client_cluster, leader_epochs_never_go_back, .init = setup, .fini = finish)
{
    struct client_topic *topic = topic_of("here");

    cr_assert(eq(int, wait_topic(topic, 1000), OK));
    rig.topics[0].partitions[0].leader_id = 2; /* of a broker that lags behind */
    rig.topics[0].partitions[0].leader_epoch = 4;
    client_cluster_call_stale(cluster, topic);
    rig_run_ms(2000);
    cr_assert(eq(i32, topic->partitions[0].leader_id, 1));
    cr_assert(eq(i32, topic->partitions[0].leader_epoch, 5));
    rig.topics[0].id.bytes[0] = 0x77; /* made anew: its epochs begin anew (KIP-516) */
    client_cluster_call_stale(cluster, topic);
    rig_run_ms(2000);
    cr_assert(eq(i32, topic->partitions[0].leader_id, 2));
    cr_assert(eq(i32, topic->partitions[0].leader_epoch, 4));
    cr_assert(eq(ptr, client_cluster_topic_by_id(cluster, &rig.topics[0].id), topic));
}

Test(client_cluster, more_partitions_are_noticed_with_age_alone, .init = setup, .fini = finish)
{
    struct client_topic *topic = topic_of("here");

    cr_assert(eq(int, wait_topic(topic, 1000), OK));
    rig.topics[0].partitions_count = 4;
    rig_run_ms(299000);
    cr_assert(eq(i32, topic->partitions_count, 2));
    rig_run_ms(2000);
    cr_assert(eq(i32, topic->partitions_count, 4)); /* metadata.max.age.ms */
    cr_assert(ne(ptr, client_cluster_leader(cluster, topic, 3, CLIENT_LANE_DATA), NULL));
    cr_assert(eq(u32, asked_count(API_METADATA), 2));
}

static bool tell_no_brokers(struct rig_peer *peer, struct rig_request *request)
{
    struct metadata_response response;

    if (request->api->key != API_METADATA)
        return false;
    codec_set_defaults(&metadata_response_desc, &response);
    rig_answer(request, &response);
    return true;
}

Test(client_cluster, an_answer_without_brokers_is_none, .init = setup, .fini = finish)
{
    struct client_topic *topic = topic_of("here");
    static struct waiting waiting;

    rig.heard = tell_no_brokers;
    begin_topic(&waiting, topic, 20000);
    rig_run_ms(5000);
    cr_assert(not(topic->is_known));
    cr_assert(le(u32, asked_count(API_METADATA), 10));
    rig.heard = NULL;
    cr_assert(rig_wait(&waiting.is_done, 1300));
    cr_assert(eq(int, waiting.err, OK));
}

static bool tell_odd_brokers(struct rig_peer *peer, struct rig_request *request)
{
    struct metadata_response response;
    struct metadata_response_broker brokers[3];
    char host[IO_ADDRESS_TEXT_MAX];

    if (request->api->key != API_METADATA)
        return false;
    rig_address(peer, host);
    codec_set_defaults(&metadata_response_desc, &response);
    for (int i = 0; i < 3; i++)
        codec_set_struct_defaults(&metadata_response_broker_struct, &brokers[i]);
    brokers[0].node_id = 0; /* no host */
    brokers[1].node_id = 1;
    brokers[1].host = wire_string(host);
    brokers[1].port = RIG_PORT;
    brokers[2].node_id = -7;
    brokers[2].host = wire_string(host);
    response.brokers.items = brokers;
    response.brokers.count = 3;
    response.controller_id = 1;
    rig_answer(request, &response);
    return true;
}

Test(client_cluster, a_broker_without_address_is_left_out, .init = setup, .fini = finish)
{
    static struct waiting waiting;

    rig.heard = tell_odd_brokers;
    waiting = (struct waiting){.wait.done = on_wait_done};
    rig_now();
    client_cluster_find_controller(cluster, &waiting.wait, 5000);
    cr_assert(rig_wait(&waiting.is_done, 1000));
    cr_assert(eq(int, waiting.err, OK));
    cr_assert(eq(ptr, client_cluster_node(cluster, 0, CLIENT_LANE_DATA), NULL));
    cr_assert(ne(ptr, client_cluster_node(cluster, 1, CLIENT_LANE_DATA), NULL));
}

Test(client_cluster, a_connection_that_ends_has_metadata_asked_for, .init = setup, .fini = finish)
{
    struct client_topic *topic = topic_of("here");
    static struct rig_call call;
    uint32_t before;

    cr_assert(eq(int, wait_topic(topic, 1000), OK));
    rig_call_init(&call);
    rig_ask(client_cluster_leader(cluster, topic, 0, CLIENT_LANE_DATA), &call);
    cr_assert(rig_wait(&call.is_done, 1000));
    rig_run_ms(5000);
    before = asked_count(API_METADATA);
    rig.topics[0].partitions[0] = rig.topics[0].partitions[1];
    rig.topics[0].partitions[0].leader_id = 2;
    rig.topics[0].partitions[0].leader_epoch = 6;
    sim_node_crash(rig.peers[1].node, SIM_KILL);
    rig_run_ms(500);
    cr_assert(le(u32, before + 1, asked_count(API_METADATA)));
    cr_assert(eq(i32, topic->partitions[0].leader_id, 2));
}

/* ---- nodes */

Test(client_cluster, a_node_that_leaves_takes_its_connections_along, .init = setup, .fini = finish)
{
    struct client_topic *topic = topic_of("here");
    static struct rig_call call;

    cr_assert(eq(int, wait_topic(topic, 1000), OK));
    rig.peers[2].is_mute = true;
    rig_call_init(&call);
    rig_ask(client_cluster_node(cluster, 2, CLIENT_LANE_DATA), &call);
    rig_run_ms(1000);
    rig.told_count = 2;
    client_cluster_call_stale(cluster, NULL);
    cr_assert(rig_wait(&call.is_done, 1000));
    cr_assert(eq(int, call.err, ERR_CLOSED));
    cr_assert(eq(ptr, client_cluster_node(cluster, 2, CLIENT_LANE_DATA), NULL));
    rig_run_ms(1000);
    cr_assert(not(rig.peers[2].conns[0].is_open));
}

Test(client_cluster, the_address_it_was_found_by_is_let_go_and_kept_for_bad_times, .init = setup,
     .fini = finish)
{
    struct client_topic *topic = topic_of("here");
    static struct rig_call call;

    rig.told_count = 2;
    cr_assert(eq(int, wait_topic(topic, 1000), OK));
    cr_assert(eq(u32, rig.peers[0].conns_count, 1));
    rig_call_init(&call);
    rig_ask(client_cluster_node(cluster, 1, CLIENT_LANE_DATA), &call);
    cr_assert(rig_wait(&call.is_done, 1000));
    rig_run_ms(1000);
    cr_assert(not(rig.peers[0].conns[0].is_open));
    cr_assert(eq(i32, client_broker_node_id(client_cluster_any(cluster)), 1));
    sim_node_crash(rig.peers[1].node, SIM_KILL); /* the node that it knows */
    rig.topics[0].partitions[0].leader_id = 0;
    rig.topics[0].partitions[0].leader_epoch = 8;
    client_cluster_call_stale(cluster, topic);
    rig_run_ms(5000);
    cr_assert(eq(i32, topic->partitions[0].leader_id, 0)); /* NOD-3 */
}

Test(client_cluster, the_controller_is_known_once_it_is_told, .init = setup, .fini = finish)
{
    static struct waiting waiting;

    rig.controller_id = -1;
    waiting = (struct waiting){.wait.done = on_wait_done};
    rig_now();
    cr_assert(eq(ptr, client_cluster_controller(cluster), NULL));
    client_cluster_find_controller(cluster, &waiting.wait, 10000);
    rig_run_ms(3000);
    cr_assert(not(waiting.is_done));
    rig.controller_id = 2;
    cr_assert(rig_wait(&waiting.is_done, 1300));
    cr_assert(eq(int, waiting.err, OK));
    cr_assert(eq(i32, client_broker_node_id(client_cluster_controller(cluster)), 2));
}

/* ---- coordinators */

Test(client_cluster, a_coordinator_is_found_kept_and_forgotten, .init = setup, .fini = finish)
{
    static struct waiting waiting[3];
    struct client_broker *coordinator;

    rig.coordinator_id = 2;
    for (int i = 0; i < 2; i++)
        begin_coordinator(&waiting[i], "group", 5000);
    for (int i = 0; i < 2; i++) {
        cr_assert(rig_wait(&waiting[i].is_done, 1000));
        cr_assert(eq(int, waiting[i].err, OK));
    }
    cr_assert(eq(u32, asked_count(API_FIND_COORDINATOR), 1)); /* COO-1 */
    coordinator = client_cluster_coordinator(cluster, CLIENT_COORDINATOR_GROUP, "group");
    cr_assert(eq(i32, client_broker_node_id(coordinator), 2));
    cr_assert(eq(ptr, client_cluster_node(cluster, 2, CLIENT_LANE_COORDINATOR), coordinator));
    cr_assert(eq(ptr, client_cluster_coordinator(cluster, CLIENT_COORDINATOR_TRANSACTION, "group"),
                 NULL));
    begin_coordinator(&waiting[2], "group", 5000);
    cr_assert(rig_wait(&waiting[2].is_done, 10));
    cr_assert(eq(u32, asked_count(API_FIND_COORDINATOR), 1));
    client_cluster_forget_coordinator(cluster, CLIENT_COORDINATOR_GROUP, "group");
    cr_assert(
        eq(ptr, client_cluster_coordinator(cluster, CLIENT_COORDINATOR_GROUP, "group"), NULL));
    rig.coordinator_id = 1;
    begin_coordinator(&waiting[2], "group", 5000);
    cr_assert(rig_wait(&waiting[2].is_done, 1000));
    coordinator = client_cluster_coordinator(cluster, CLIENT_COORDINATOR_GROUP, "group");
    cr_assert(eq(i32, client_broker_node_id(coordinator), 1));
}

Test(client_cluster, an_old_broker_is_asked_for_a_coordinator_in_its_own_form, .init = setup,
     .fini = finish)
{
    static struct waiting waiting;

    rig.peers[0].versions[API_FIND_COORDINATOR].max = 1;
    rig.coordinator_id = 1;
    begin_coordinator(&waiting, "group", 5000);
    cr_assert(rig_wait(&waiting.is_done, 1000));
    cr_assert(eq(int, waiting.err, OK));
}

Test(client_cluster, a_coordinator_that_is_not_there_yet_is_asked_for_with_back_off, .init = setup,
     .fini = finish)
{
    static struct waiting waiting[2];

    rig.coordinator_error = KAFKA_COORDINATOR_NOT_AVAILABLE;
    begin_coordinator(&waiting[0], "group", 60000);
    begin_coordinator(&waiting[1], "group", 3000);
    cr_assert(rig_wait(&waiting[1].is_done, 3100));
    cr_assert(eq(int, waiting[1].err, ERR_TIMEOUT));
    cr_assert(eq(int, waiting[1].wait.kafka_error, KAFKA_COORDINATOR_NOT_AVAILABLE));
    rig_run_ms(7000);
    cr_assert(le(u32, asked_count(API_FIND_COORDINATOR), 18));
    cr_assert(ge(u32, asked_count(API_FIND_COORDINATOR), 10));
    rig.coordinator_error = KAFKA_NONE;
    cr_assert(rig_wait(&waiting[0].is_done, 1300));
    cr_assert(eq(int, waiting[0].err, OK));
}

Test(client_cluster, errors_of_coordinators_that_stay_end_a_wait, .init = setup, .fini = finish)
{
    static struct waiting waiting;

    rig.coordinator_error = KAFKA_GROUP_AUTHORIZATION_FAILED;
    begin_coordinator(&waiting, "group", 5000);
    cr_assert(rig_wait(&waiting.is_done, 1000));
    cr_assert(eq(int, waiting.err, ERR_PERMISSION));
    cr_assert(eq(int, waiting.wait.kafka_error, KAFKA_GROUP_AUTHORIZATION_FAILED));
    rig.coordinator_error = KAFKA_INVALID_GROUP_ID;
    begin_coordinator(&waiting, "", 5000);
    cr_assert(rig_wait(&waiting.is_done, 1000));
    cr_assert(eq(int, waiting.err, ERR_INVALID));
}

Test(client_cluster, what_is_not_known_of_coordinators_takes_no_memory, .init = setup,
     .fini = finish)
{
    static struct waiting waiting;
    uint64_t used = 0;

    rig.coordinator_id = 1;
    for (int i = 0; i < 100; i++) {
        char key[16];

        snprintf(key, sizeof(key), "group %d", i);
        begin_coordinator(&waiting, key, 5000);
        cr_assert(rig_wait(&waiting.is_done, 1000));
        client_cluster_forget_coordinator(cluster, CLIENT_COORDINATOR_GROUP, key);
        rig_run_ms(10);
        if (i == 0)
            used = mem_used_count();
    }
    cr_assert(le(u64, mem_used_count(), used + 4)); /* COO-3 */
    rig.coordinator_error = KAFKA_COORDINATOR_NOT_AVAILABLE;
    begin_coordinator(&waiting, "in vain", 500);
    cr_assert(rig_wait(&waiting.is_done, 1000));
    rig_run_ms(3000);
    cr_assert(le(u64, mem_used_count(), used + 4));
}

/* ---- ends */

Test(client_cluster, a_wait_can_be_canceled, .init = setup, .fini = finish)
{
    static struct waiting waiting[2];

    begin_topic(&waiting[0], topic_of("never"), 60000);
    begin_coordinator(&waiting[1], "group", 60000);
    for (int i = 0; i < 2; i++) {
        client_cluster_cancel(&waiting[i].wait);
        cr_assert(not(waiting[i].is_done));
        cr_assert(rig_wait(&waiting[i].is_done, 1));
        cr_assert(eq(int, waiting[i].err, ERR_CANCELED));
    }
}

Test(client_cluster, destroying_ends_all_that_waits, .init = setup)
{
    static struct waiting waiting[3];
    static struct rig_call call;
    struct client_topic *topic = topic_of("here");
    bool closed = false;

    cr_assert(eq(int, wait_topic(topic, 1000), OK));
    for (uint32_t i = 0; i < 3; i++)
        rig.peers[i].is_mute = true;
    rig_call_init(&call);
    rig_ask(client_cluster_leader(cluster, topic, 0, CLIENT_LANE_FETCH), &call);
    begin_topic(&waiting[0], topic_of("never"), 60000);
    begin_coordinator(&waiting[1], "group", 60000);
    rig_run_ms(1000);
    begin_coordinator(&waiting[2], "another", 60000);
    client_cluster_destroy(cluster, rig_set_true, &closed);
    cr_assert(rig_wait(&closed, 1000));
    for (int i = 0; i < 3; i++)
        cr_assert(eq(int, waiting[i].err, ERR_CANCELED));
    cr_assert(eq(int, call.err, ERR_CANCELED));
    rig_finish();
}

Test(client_cluster, waits_of_a_bad_network_end_in_time)
{
    struct sim_net_options net;
    uint32_t fine_count = 0;

    sim_net_options_init(&net);
    net.cut_ppm = 50000;
    net.hold_ppm = 50000;
    net.hold_time = (struct sim_span){10 * SIM_MS, 2000 * SIM_MS};
    net.silence_ppm = 10000;
    net.refuse_ppm = 100000;
    net.piece_max_bytes = 60;
    rig_start(3, &net);
    options = client_options_default();
    options.request_timeout_ms = 2000;
    options.connect_max_ms = 1000;
    name_peers(0, 3);
    put_topic("here", 1);
    create();
    for (int i = 0; i < 20; i++) {
        static struct waiting waiting[2];
        char name[16];

        snprintf(name, sizeof(name), "group %d", i);
        begin_coordinator(&waiting[0], name, 10000);
        client_cluster_call_stale(cluster, NULL);
        begin_topic(&waiting[1], topic_of(i % 3 == 0 ? "never" : "here"), 3000);
        for (int w = 0; w < 2; w++) {
            cr_assert(rig_wait(&waiting[w].is_done, 10100));
            fine_count += waiting[w].err == OK;
        }
    }
    cr_assert(le(u32, 25, fine_count));
    finish();
}

/* Whatever cannot be had is told, and what follows works. */
Test(client_cluster, memory_that_is_refused_is_told_and_loses_nothing, .init = setup,
     .fini = finish)
{
    static struct waiting waiting;
    struct client_topic *topic = topic_of("here");
    struct client_broker *leader = NULL;
    struct client_topic *another = NULL;

    cr_assert(eq(int, wait_topic(topic, 1000), OK));
    for (uint64_t n = 1; another == NULL; n++) {
        mem_fail_after(n);
        another = client_cluster_topic(cluster, "another");
        mem_fail_after(0);
    }
    cr_assert(eq(u32, another->index, 1));
    for (uint64_t n = 1; leader == NULL; n++) {
        mem_fail_after(n);
        leader = client_cluster_leader(cluster, topic, 0, CLIENT_LANE_FETCH);
        mem_fail_after(0);
    }
    rig.coordinator_id = 1;
    for (uint64_t n = 1; n == 1 || waiting.err == ERR_NOMEM; n++) {
        waiting = (struct waiting){.wait.done = on_wait_done};
        rig_now();
        mem_fail_after(n);
        client_cluster_find_coordinator(cluster, &waiting.wait, CLIENT_COORDINATOR_GROUP, "group",
                                        5000);
        mem_fail_after(0);
        cr_assert(rig_wait(&waiting.is_done, 5100));
    }
    cr_assert(eq(int, waiting.err, OK));
    cr_assert(eq(int, wait_topic(topic, 1000), OK));
}
