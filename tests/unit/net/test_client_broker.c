#include "tests/unit/net/client_rig.h"

static struct client_broker *broker;
static uint32_t up_count, down_count;
static enum err down_err;
static struct client_broker_options options;

static void on_up(void *context, struct client_broker *b)
{
    cr_assert(client_broker_is_up(b));
    up_count++;
}

static void on_down(void *context, struct client_broker *b, enum err err)
{
    down_count++;
    down_err = err;
}

static void open_with(const struct sim_net_options *net)
{
    static char host[IO_ADDRESS_TEXT_MAX];

    rig_start(1, net);
    rig_address(&rig.peers[0], host);
    options = (struct client_broker_options){
        .env = &rig.env,
        .host = host,
        .port = RIG_PORT,
        .node_id = 3,
        .request_timeout_ms = 30000,
        .connect_max_ms = 10000,
        .backoff_first_ms = 50,
        .backoff_max_ms = 1000,
        .frame_max_bytes = 1 << 20,
        .calls_max = 8,
        .up = on_up,
        .down = on_down,
    };
    rig_done_count = up_count = down_count = 0;
}

static void create(void)
{
    cr_assert(eq(int, client_broker_create(&options, &broker), OK));
}

static void setup(void)
{
    open_with(NULL);
    create();
}

static void destroy(void)
{
    bool closed = false;

    rig_now();
    client_broker_destroy(broker, rig_set_true, &closed);
    cr_assert(not(closed));
    cr_assert(rig_wait(&closed, 60000));
}

static void finish(void)
{
    destroy();
    rig_finish();
}

/* ---- hooks */

static bool hold_metadata(struct rig_peer *peer, struct rig_request *request)
{
    if (request->api->key != API_METADATA)
        return false;
    rig_hold(request);
    return true;
}

static bool has_held_three(void *context)
{
    return rig.peers[0].held_count == 3;
}

static void wait_for_three(void)
{
    cr_assert(sim_world_run_until(rig.world, has_held_three, NULL, 10 * SIM_SECOND));
    rig_now();
}

/* ---- */

Test(client_broker, dials_with_its_first_call_and_negotiates, .init = setup, .fini = finish)
{
    struct rig_call call;

    rig_run_ms(1000);
    cr_assert(eq(u32, rig.peers[0].conns_count, 0));
    cr_assert(eq(int, client_broker_version(broker, API_METADATA, INT16_MAX), -1));
    rig.peers[0].versions[API_METADATA].max = 5;
    rig_call_init(&call);
    rig_ask(broker, &call);
    cr_assert(rig_wait(&call.is_done, 1000));
    cr_assert(eq(int, call.err, OK));
    cr_assert(eq(int, call.call.version, 5));
    cr_assert(call.call.was_sent);
    cr_assert(eq(u32, up_count, 1));
    cr_assert(eq(int, client_broker_version(broker, API_METADATA, INT16_MAX), 5));
    cr_assert(eq(int, client_broker_version(broker, API_METADATA, 3), 3));
    cr_assert(eq(u32, client_broker_calls_count(broker), 0));
    cr_assert(eq(i32, client_broker_node_id(broker), 3));
}

Test(client_broker, an_old_broker_is_greeted_again_in_a_version_it_knows, .init = setup,
     .fini = finish)
{
    struct rig_call call;

    rig.peers[0].versions[API_API_VERSIONS].max = 2;
    rig_call_init(&call);
    rig_ask(broker, &call);
    cr_assert(rig_wait(&call.is_done, 1000));
    cr_assert(eq(int, call.err, OK));
    cr_assert(eq(u32, rig.peers[0].requests_count[API_API_VERSIONS], 2));
    cr_assert(eq(u32, rig.peers[0].conns_count, 1));
}

Test(client_broker, what_the_broker_does_not_serve_is_told_without_sending, .init = setup,
     .fini = finish)
{
    struct rig_call call;

    rig.peers[0].versions[API_METADATA].max = -1;
    rig_call_init(&call);
    rig_ask(broker, &call);
    cr_assert(rig_wait(&call.is_done, 1000));
    cr_assert(eq(int, call.err, ERR_UNSUPPORTED));
    cr_assert(not(call.call.was_sent));
    cr_assert(eq(u32, down_count, 0));
}

static void set_version(struct client_call *call)
{
    struct rig_call *asked = container_of(call, struct rig_call, call);

    cr_assert(eq(int, call->version, 9));
    asked->request.include_topic_authorized_operations = true;
}

static bool look_at_flag(struct rig_peer *peer, struct rig_request *request)
{
    const struct metadata_request *body = request->body;

    if (request->api->key == API_METADATA)
        cr_assert(body->include_topic_authorized_operations);
    return false;
}

Test(client_broker, prepare_knows_the_version_and_may_still_change_the_request, .init = setup,
     .fini = finish)
{
    struct rig_call call;

    rig.heard = look_at_flag;
    rig_call_init(&call);
    call.call.max_version = 9;
    call.call.prepare = set_version;
    rig_ask(broker, &call);
    cr_assert(rig_wait(&call.is_done, 1000));
    cr_assert(eq(int, call.err, OK));
}

Test(client_broker, many_calls_are_in_flight_and_end_in_their_order, .init = setup, .fini = finish)
{
    struct rig_call calls[3];

    rig.heard = hold_metadata;
    for (int i = 0; i < 3; i++) {
        rig_call_init(&calls[i]);
        rig_ask(broker, &calls[i]);
    }
    wait_for_three();
    cr_assert(eq(u32, client_broker_calls_count(broker), 3));
    for (int i = 0; i < 3; i++) {
        rig_answer_metadata(&rig.peers[0], rig_first(&rig.peers[0]));
        cr_assert(rig_wait(&calls[i].is_done, 1000));
        cr_assert(eq(int, calls[i].err, OK));
        cr_assert(eq(u32, calls[i].order, (uint32_t)i));
    }
}

Test(client_broker, no_more_calls_than_calls_max, .init = setup, .fini = finish)
{
    static struct rig_call calls[9];

    rig.heard = hold_metadata;
    for (int i = 0; i < 9; i++)
        rig_call_init(&calls[i]);
    for (int i = 0; i < 8; i++)
        rig_ask(broker, &calls[i]);
    cr_assert(eq(int, client_broker_call(broker, &calls[8].call), ERR_FULL));
    rig_run_ms(1000);
    cr_assert(eq(u32, rig.peers[0].held_count, 8));
    client_broker_cancel(&calls[0].call); /* its answer is still to come: it counts */
    rig_run_ms(1000);
    cr_assert(eq(int, calls[0].err, ERR_CANCELED));
    cr_assert(eq(int, client_broker_call(broker, &calls[8].call), ERR_FULL));
    rig_answer_metadata(&rig.peers[0], rig_first(&rig.peers[0]));
    rig_run_ms(1000);
    cr_assert(eq(int, client_broker_call(broker, &calls[8].call), OK));
}

Test(client_broker, a_late_answer_ends_the_connection_and_all_that_was_sent, .init = setup,
     .fini = finish)
{
    struct rig_call calls[3];

    rig.heard = hold_metadata;
    for (int i = 0; i < 3; i++) {
        rig_call_init(&calls[i]);
        calls[i].call.timeout_ms = i == 1 ? 2000 : 20000;
        rig_ask(broker, &calls[i]);
    }
    rig_run_ms(1900);
    cr_assert(not(calls[1].is_done));
    cr_assert(rig_wait(&calls[2].is_done, 1000));
    cr_assert(eq(int, calls[0].err, ERR_CLOSED));
    cr_assert(eq(int, calls[1].err, ERR_TIMEOUT));
    cr_assert(eq(int, calls[2].err, ERR_CLOSED));
    cr_assert(eq(u32, calls[0].order, 0));
    cr_assert(eq(u32, calls[2].order, 2));
    cr_assert(calls[1].done_ms < 2100);
    cr_assert(eq(u32, down_count, 1));
    cr_assert(eq(int, down_err, ERR_TIMEOUT));
    rig.heard = NULL; /* the next connection is a good one again */
    rig_call_init(&calls[0]);
    rig_ask(broker, &calls[0]);
    cr_assert(rig_wait(&calls[0].is_done, 1000));
    cr_assert(eq(int, calls[0].err, OK));
    cr_assert(eq(u32, rig.peers[0].conns_count, 2));
}

Test(client_broker, deadlines_of_calls_one_after_the_other_are_kept, .init = setup, .fini = finish)
{
    struct rig_call calls[2];

    rig.heard = hold_metadata;
    rig_call_init(&calls[0]);
    calls[0].call.timeout_ms = 5000;
    rig_ask(broker, &calls[0]);
    rig_run_ms(4000);
    rig_answer_metadata(&rig.peers[0], rig_first(&rig.peers[0]));
    cr_assert(rig_wait(&calls[0].is_done, 100));
    rig_call_init(&calls[1]);
    calls[1].call.timeout_ms = 5000;
    rig_ask(broker, &calls[1]);
    rig_run_ms(4500); /* past the first one's deadline */
    cr_assert(not(calls[1].is_done));
    cr_assert(rig_wait(&calls[1].is_done, 600));
    cr_assert(eq(int, calls[1].err, ERR_TIMEOUT));
}

Test(client_broker, a_wrong_correlation_id_ends_the_connection, .init = setup, .fini = finish)
{
    struct rig_call calls[3];
    struct metadata_response response;
    struct rig_request *request;

    rig.heard = hold_metadata;
    for (int i = 0; i < 3; i++) {
        rig_call_init(&calls[i]);
        rig_ask(broker, &calls[i]);
    }
    wait_for_three();
    codec_set_defaults(&metadata_response_desc, &response);
    request = rig_first(&rig.peers[0]);
    rig_answer_as(request, request->header.request_api_version, request->header.correlation_id + 1,
                  &response); /* that of the second */
    cr_assert(rig_wait(&calls[2].is_done, 1000));
    cr_assert(eq(int, calls[0].err, ERR_MALFORMED));
    cr_assert(eq(int, calls[1].err, ERR_CLOSED));
    cr_assert(eq(int, calls[2].err, ERR_CLOSED));
}

Test(client_broker, an_answer_that_nobody_asked_for_ends_the_connection, .init = setup,
     .fini = finish)
{
    static const uint8_t frame[] = {0, 0, 0, 4, 0, 0, 0, 9};
    struct rig_call call;

    rig_call_init(&call);
    rig_ask(broker, &call);
    cr_assert(rig_wait(&call.is_done, 1000));
    rig_send(&rig.peers[0].conns[0], frame, sizeof(frame));
    rig_run_ms(40);
    cr_assert(eq(u32, down_count, 1));
    cr_assert(eq(int, down_err, ERR_MALFORMED));
}

Test(client_broker, an_answer_that_cannot_be_decoded_ends_the_connection, .init = setup,
     .fini = finish)
{
    uint8_t frame[] = {0, 0, 0, 9, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    struct rig_call calls[3];
    struct rig_request *request;

    rig.heard = hold_metadata;
    for (int i = 0; i < 3; i++) {
        rig_call_init(&calls[i]);
        rig_ask(broker, &calls[i]);
    }
    wait_for_three();
    request = rig_first(&rig.peers[0]);
    frame[7] = (uint8_t)request->header.correlation_id;
    rig_send(request->conn, frame, sizeof(frame));
    cr_assert(rig_wait(&calls[2].is_done, 1000));
    cr_assert(eq(int, calls[0].err, ERR_MALFORMED));
    cr_assert(eq(int, calls[1].err, ERR_CLOSED));
    cr_assert(eq(int, calls[2].err, ERR_CLOSED));
    cr_assert(eq(u32, calls[0].order, 0));
    cr_assert(eq(int, down_err, ERR_MALFORMED));
}

Test(client_broker, an_answer_above_the_limit_ends_the_connection, .init = setup, .fini = finish)
{
    static const uint8_t frame[] = {0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0};
    struct rig_call calls[2];

    rig.heard = hold_metadata;
    for (int i = 0; i < 2; i++) {
        rig_call_init(&calls[i]);
        rig_ask(broker, &calls[i]);
    }
    rig_run_ms(100);
    rig_send(rig_first(&rig.peers[0])->conn, frame, sizeof(frame));
    cr_assert(rig_wait(&calls[1].is_done, 1000));
    cr_assert(eq(int, calls[0].err, ERR_TOO_LARGE));
    cr_assert(eq(int, calls[1].err, ERR_CLOSED));
}

Test(client_broker, what_was_not_sent_waits_for_the_next_connection, .init = setup, .fini = finish)
{
    struct rig_call calls[2];

    sim_node_crash(rig.peers[0].node, SIM_KILL);
    rig_call_init(&calls[0]);
    rig_ask(broker, &calls[0]);
    rig_call_init(&calls[1]);
    calls[1].call.fails_with_connection = true;
    rig_ask(broker, &calls[1]);
    rig_run_ms(4000);
    cr_assert(not(calls[0].is_done));
    cr_assert(eq(int, calls[1].err, ERR_REFUSED)); /* CBR-3 */
    cr_assert(not(calls[1].call.was_sent));
    cr_assert(eq(int, client_broker_last_error(broker), ERR_REFUSED));
    sim_node_start(rig.peers[0].node);
    cr_assert(rig_wait(&calls[0].is_done, 2000));
    cr_assert(eq(int, calls[0].err, OK));
    cr_assert(eq(int, client_broker_last_error(broker), OK));
}

Test(client_broker, what_waits_for_a_connection_has_its_time, .init = setup, .fini = finish)
{
    struct rig_call call;

    sim_node_crash(rig.peers[0].node, SIM_POWER_LOSS);
    rig_call_init(&call);
    call.call.timeout_ms = 3000;
    rig_ask(broker, &call);
    rig_run_ms(2990);
    cr_assert(not(call.is_done));
    cr_assert(rig_wait(&call.is_done, 100));
    cr_assert(eq(int, call.err, ERR_TIMEOUT));
    cr_assert(not(call.call.was_sent));
}

Test(client_broker, a_cut_connection_ends_what_was_sent_and_is_dialled_anew, .init = setup,
     .fini = finish)
{
    struct rig_call calls[3];

    rig.heard = hold_metadata;
    for (int i = 0; i < 3; i++) {
        rig_call_init(&calls[i]);
        rig_ask(broker, &calls[i]);
    }
    wait_for_three();
    rig_conn_close(&rig.peers[0].conns[0]);
    cr_assert(rig_wait(&calls[2].is_done, 1000));
    for (int i = 0; i < 3; i++) {
        cr_assert(eq(int, calls[i].err, ERR_CLOSED));
        cr_assert(calls[i].call.was_sent);
        cr_assert(eq(u32, calls[i].order, (uint32_t)i));
    }
    rig_run_ms(200);
    cr_assert(eq(u32, rig.peers[0].conns_count, 2));
    cr_assert(eq(u32, up_count, 2));
}

static struct rig_call chained;

static void on_done_ask_again(struct client_call *call, enum err err, const void *response)
{
    rig_on_done(call, err, response);
    rig_call_init(&chained);
    cr_assert(eq(int, client_broker_call(broker, &chained.call), OK));
}

Test(client_broker, done_may_start_the_next_call_also_when_the_connection_ends, .init = setup,
     .fini = finish)
{
    struct rig_call call;

    rig.heard = hold_metadata;
    rig_call_init(&call);
    call.call.done = on_done_ask_again;
    rig_ask(broker, &call);
    rig_run_ms(100);
    rig.heard = NULL;
    rig_conn_close(&rig.peers[0].conns[0]);
    cr_assert(rig_wait(&call.is_done, 1000));
    cr_assert(eq(int, call.err, ERR_CLOSED));
    cr_assert(rig_wait(&chained.is_done, 1000));
    cr_assert(eq(int, chained.err, OK));
}

Test(client_broker, a_broker_that_is_mute_is_left_within_the_time_of_connecting, .init = setup,
     .fini = finish)
{
    struct rig_call call;

    rig.peers[0].is_mute = true;
    rig_call_init(&call);
    call.call.fails_with_connection = true;
    rig_ask(broker, &call);
    cr_assert(rig_wait(&call.is_done, 10200));
    cr_assert(eq(int, call.err, ERR_REFUSED));
    cr_assert(eq(u32, up_count, 0));
    cr_assert(eq(int, down_err, ERR_TIMEOUT));
}

static bool hang_up(struct rig_peer *peer, struct rig_request *request)
{
    struct rig_conn *conn = request->conn;

    rig_drop(request);
    rig_conn_close(conn);
    return true;
}

Test(client_broker, connections_that_never_worked_are_tried_later_each_time, .init = setup,
     .fini = finish)
{
    rig.heard = hang_up;
    rig_now();
    client_broker_dial(broker);
    rig_run_ms(10000);
    /* 50, 100, 200, 400, 800, 1000, 1000, ...: not one each 50 ms */
    cr_assert(le(u32, rig.peers[0].conns_count, 17));
    cr_assert(ge(u32, rig.peers[0].conns_count, 10));
}

/* ---- canceling */

Test(client_broker, a_canceled_call_ends_and_its_answer_disturbs_nobody, .init = setup,
     .fini = finish)
{
    struct rig_call calls[3];

    rig.heard = hold_metadata;
    for (int i = 0; i < 3; i++) {
        rig_call_init(&calls[i]);
        rig_ask(broker, &calls[i]);
    }
    wait_for_three();
    client_broker_cancel(&calls[1].call);
    cr_assert(not(calls[1].is_done));
    cr_assert(rig_wait(&calls[1].is_done, 10));
    cr_assert(eq(int, calls[1].err, ERR_CANCELED));
    cr_assert(eq(u32, client_broker_calls_count(broker), 3));
    for (int i = 0; i < 3; i++)
        rig_answer_metadata(&rig.peers[0], rig_first(&rig.peers[0]));
    cr_assert(rig_wait(&calls[2].is_done, 1000));
    cr_assert(eq(int, calls[0].err, OK));
    cr_assert(eq(int, calls[2].err, OK));
    cr_assert(eq(u32, client_broker_calls_count(broker), 0));
    cr_assert(eq(u32, rig.peers[0].conns_count, 1));
}

Test(client_broker, a_canceled_call_whose_answer_never_comes_ends_the_connection_in_time,
     .init = setup, .fini = finish)
{
    struct rig_call call;

    rig.heard = hold_metadata;
    rig_call_init(&call);
    call.call.timeout_ms = 3000;
    rig_ask(broker, &call);
    rig_run_ms(500);
    client_broker_cancel(&call.call);
    rig_run_ms(2400);
    cr_assert(eq(int, call.err, ERR_CANCELED));
    cr_assert(eq(u32, down_count, 0));
    rig_run_ms(300);
    cr_assert(eq(u32, down_count, 1));
    cr_assert(eq(u32, client_broker_calls_count(broker), 0));
}

Test(client_broker, a_call_that_was_not_sent_can_be_canceled, .init = setup, .fini = finish)
{
    struct rig_call call;

    rig_call_init(&call);
    rig_ask(broker, &call);
    client_broker_cancel(&call.call);
    cr_assert(not(call.is_done));
    cr_assert(rig_wait(&call.is_done, 1));
    cr_assert(eq(int, call.err, ERR_CANCELED));
    cr_assert(not(call.call.was_sent));
    rig_run_ms(1000);
    cr_assert(eq(u32, rig.peers[0].requests_count[API_METADATA], 0));
}

/* The network takes 2 KiB, the peer reads nothing: the request's bytes are still needed. */
Test(client_broker, the_bytes_of_a_canceled_call_are_kept_until_they_are_let_go)
{
    static char name[200];
    struct metadata_request_topic *topics;
    struct sim_net_options net;
    struct rig_call first, call;

    sim_net_options_init(&net);
    net.send_bytes = 1024;
    net.receive_bytes = 1024;
    open_with(&net);
    create();
    rig_call_init(&first);
    rig_ask(broker, &first);
    cr_assert(rig_wait(&first.is_done, 1000));
    memset(name, 'x', sizeof(name) - 1);
    topics = mem_alloc(1000 * sizeof(*topics));
    for (int i = 0; i < 1000; i++)
        topics[i].name = wire_string(name);
    rig_call_init(&call);
    call.request.topics.items = topics;
    call.request.topics.count = 1000;
    call.call.timeout_ms = 5000;
    sim_net_hold(&rig.world->net, rig.client->host, rig.peers[0].node->host, true);
    rig_ask(broker, &call);
    rig_run_ms(1000);
    client_broker_cancel(&call.call);
    rig_run_ms(3000);
    cr_assert(not(call.is_done)); /* CBR-5 */
    cr_assert(rig_wait(&call.is_done, 1100));
    cr_assert(eq(int, call.err, ERR_CANCELED));
    mem_free(topics);
    sim_net_hold(&rig.world->net, rig.client->host, rig.peers[0].node->host, false);
    finish();
}

/* ---- destroying */

Test(client_broker, destroying_ends_what_waits_and_what_is_in_flight, .init = setup)
{
    struct rig_call calls[4];

    rig.heard = hold_metadata;
    for (int i = 0; i < 3; i++) {
        rig_call_init(&calls[i]);
        rig_ask(broker, &calls[i]);
    }
    wait_for_three();
    rig_call_init(&calls[3]);
    rig_ask(broker, &calls[3]);
    destroy();
    for (int i = 0; i < 4; i++) {
        cr_assert(calls[i].is_done);
        cr_assert(eq(int, calls[i].err, ERR_CANCELED));
    }
    rig_finish();
}

Test(client_broker, retiring_ends_calls_as_a_lost_connection_does, .init = setup)
{
    struct rig_call call;
    bool closed = false;

    rig.heard = hold_metadata;
    rig_call_init(&call);
    rig_ask(broker, &call);
    rig_run_ms(100);
    client_broker_retire(broker, rig_set_true, &closed);
    cr_assert(eq(int, client_broker_call(broker, &call.call), ERR_CLOSED));
    cr_assert(rig_wait(&closed, 1000));
    cr_assert(eq(int, call.err, ERR_CLOSED));
    rig_finish();
}

static bool destroyed;

static void on_done_destroy(struct client_call *call, enum err err, const void *response)
{
    rig_on_done(call, err, response);
    client_broker_destroy(broker, rig_set_true, &destroyed);
}

Test(client_broker, done_may_destroy_the_broker, .init = setup)
{
    struct rig_call calls[2];

    destroyed = false;
    for (int i = 0; i < 2; i++) {
        rig_call_init(&calls[i]);
        rig_ask(broker, &calls[i]);
    }
    calls[0].call.done = on_done_destroy;
    cr_assert(rig_wait(&destroyed, 1000));
    cr_assert(eq(int, calls[0].err, OK));
    cr_assert(calls[1].is_done);
    rig_finish();
}

Test(client_broker, one_that_was_never_used_can_be_destroyed, .init = setup)
{
    rig_now();
    client_broker_destroy(broker, NULL, NULL);
    rig_finish();
}

/* ---- resting */

Test(client_broker, rests_and_is_dialled_again_with_the_next_call, .init = setup, .fini = finish)
{
    struct rig_call call;

    rig_call_init(&call);
    rig_ask(broker, &call);
    cr_assert(rig_wait(&call.is_done, 1000));
    client_broker_rest(broker);
    rig_run_ms(5000);
    cr_assert(not(client_broker_is_up(broker)));
    cr_assert(eq(u32, rig.peers[0].conns_count, 1));
    cr_assert(not(rig.peers[0].conns[0].is_open));
    rig_call_init(&call);
    rig_ask(broker, &call);
    client_broker_rest(broker); /* not now */
    cr_assert(rig_wait(&call.is_done, 1000));
    cr_assert(eq(int, call.err, OK));
    client_broker_rest(broker);
    rig_call_init(&call);
    rig_ask(broker, &call); /* before the connection is closed */
    cr_assert(rig_wait(&call.is_done, 1000));
    cr_assert(eq(int, call.err, OK));
}

/* ---- without answer */

static bool drop_metadata(struct rig_peer *peer, struct rig_request *request)
{
    if (request->api->key != API_METADATA)
        return false;
    rig_drop(request);
    return true;
}

Test(client_broker, a_call_without_answer_is_done_when_it_was_sent, .init = setup, .fini = finish)
{
    struct rig_call calls[2];

    rig_call_init(&calls[1]);
    rig_ask(broker, &calls[1]);
    cr_assert(rig_wait(&calls[1].is_done, 1000));
    rig.heard = drop_metadata;
    rig_call_init(&calls[0]);
    calls[0].call.has_no_answer = true;
    rig_ask(broker, &calls[0]);
    cr_assert(rig_wait(&calls[0].is_done, 1000));
    cr_assert(eq(int, calls[0].err, OK));
    rig_run_ms(100);
    rig.heard = NULL;
    rig_call_init(&calls[1]);
    rig_ask(broker, &calls[1]);
    cr_assert(rig_wait(&calls[1].is_done, 1000)); /* the next answer is its own */
    cr_assert(eq(int, calls[1].err, OK));
}

/* The peer takes nothing, and then the connection is cut: nobody may say that it was sent. */
Test(client_broker, a_call_without_answer_is_lost_with_the_connection)
{
    static char name[200];
    struct metadata_request_topic *topics;
    struct sim_net_options net;
    struct rig_call first, call;

    sim_net_options_init(&net);
    net.send_bytes = 1024;
    net.receive_bytes = 1024;
    open_with(&net);
    create();
    rig_call_init(&first);
    rig_ask(broker, &first);
    cr_assert(rig_wait(&first.is_done, 1000));
    memset(name, 'x', sizeof(name) - 1);
    topics = mem_alloc(1000 * sizeof(*topics));
    for (int i = 0; i < 1000; i++)
        topics[i].name = wire_string(name);
    rig_call_init(&call);
    call.request.topics.items = topics;
    call.request.topics.count = 1000;
    call.call.has_no_answer = true;
    sim_net_hold(&rig.world->net, rig.client->host, rig.peers[0].node->host, true);
    rig_ask(broker, &call);
    rig_run_ms(1000);
    cr_assert(not(call.is_done));
    rig_conn_close(&rig.peers[0].conns[0]);
    cr_assert(rig_wait(&call.is_done, 31000));
    cr_assert(ne(int, call.err, OK));
    mem_free(topics);
    sim_net_hold(&rig.world->net, rig.client->host, rig.peers[0].node->host, false);
    finish();
}

/* ---- memory */

Test(client_broker, calls_take_no_memory_once_some_were_made, .init = setup, .fini = finish)
{
    struct rig_call calls[8];
    uint64_t used = 0;

    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 8; i++) {
            rig_call_init(&calls[i]);
            rig_ask(broker, &calls[i]);
        }
        rig_run_ms(100);
        for (int i = 0; i < 8; i++)
            cr_assert(calls[i].is_done);
        if (round == 1)
            used = mem_used_count();
    }
    cr_assert(eq(u64, mem_used_count(), used));
}

Test(client_broker, no_memory_for_a_call_is_told_and_the_next_one_goes_on, .init = setup,
     .fini = finish)
{
    struct rig_call calls[12];
    uint32_t failed_count = 0;

    options.calls_max = 64;
    rig_call_init(&calls[0]);
    rig_ask(broker, &calls[0]);
    cr_assert(rig_wait(&calls[0].is_done, 1000));
    for (int i = 0; i < 8; i++) { /* more than there were before: each needs a flight */
        rig_call_init(&calls[i]);
        if (i == 3)
            mem_fail_after(1);
        rig_ask(broker, &calls[i]);
        mem_fail_after(0);
    }
    rig_run_ms(200);
    for (int i = 0; i < 8; i++) {
        cr_assert(calls[i].is_done);
        failed_count += calls[i].err == ERR_NOMEM;
    }
    cr_assert(eq(u32, failed_count, 1));
    cr_assert(eq(int, calls[3].err, ERR_NOMEM));
    cr_assert(not(calls[3].call.was_sent));
}

/* ---- a wild network */

Test(client_broker, every_call_ends_once_on_a_network_that_cuts_and_holds)
{
    struct sim_net_options net;
    uint32_t fine_count = 0;

    sim_net_options_init(&net);
    net.cut_ppm = 30000;
    net.hold_ppm = 30000;
    net.hold_time = (struct sim_span){10 * SIM_MS, 900 * SIM_MS};
    net.silence_ppm = 5000;
    net.short_send_ppm = 100000;
    net.piece_max_bytes = 40;
    open_with(&net);
    options.calls_max = 64;
    create();
    for (int round = 0; round < 100; round++) {
        struct rig_call calls[8];

        for (int i = 0; i < 8; i++) {
            rig_call_init(&calls[i]);
            calls[i].call.timeout_ms = 3000;
            rig_ask(broker, &calls[i]);
            if (round % 5 == 0 && i % 2 == 1)
                client_broker_cancel(&calls[i].call);
        }
        for (int i = 0; i < 8; i++) {
            cr_assert(rig_wait(&calls[i].is_done, 60000));
            fine_count += calls[i].err == OK;
        }
        if (rig.peers[0].conns_count > RIG_CONNS_MAX - 8)
            break;
        rig_run_ms(3000); /* orphans end */
    }
    cr_assert(le(u32, 100, fine_count));
    finish();
}
