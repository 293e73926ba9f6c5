/* Names: of the system, and what a client_broker makes of what they say. */
#include "base/clock_system.h"
#include "base/io_system.h"
#include "net/client/client_names.h"
#include "tests/unit/net/client_rig.h"

/* ---- the system's */

static struct {
    struct client_lookup lookup;
    bool is_done;
    enum err err;
} asked;

static void on_looked_up(struct client_lookup *lookup, enum err err)
{
    asked.is_done = true;
    asked.err = err;
}

static void ask_system(struct client_names *names, struct loop *loop, const char *host)
{
    memset(&asked, 0, sizeof(asked));
    asked.lookup = (struct client_lookup){.host = host, .port = 1234, .done = on_looked_up};
    names->look_up(names, &asked.lookup, loop);
    cr_assert(not(asked.is_done)); /* never inside */
    for (int i = 0; i < 20000 && !asked.is_done; i++)
        cr_assert(eq(int, loop_turn(loop, 1000000), OK));
    cr_assert(asked.is_done);
}

Test(client_names, the_system_knows_itself_and_not_everybody)
{
    struct io_uring_options options = {0};
    struct client_names *names;
    struct clock clock;
    struct loop loop;
    struct io *io;
    bool has_loopback = false;

    clock_system_init(&clock);
    cr_assert(eq(int, io_uring_create(&options, &io), OK));
    loop_init(&loop, 0, io, &clock);
    cr_assert(eq(int, client_names_system_create(&names), OK));
    ask_system(names, &loop, "localhost");
    cr_assert(eq(int, asked.err, OK));
    for (uint32_t i = 0; i < asked.lookup.addresses_count; i++) {
        const struct io_address *address = &asked.lookup.addresses[i];

        cr_assert(eq(u16, address->port, 1234));
        has_loopback |= (address->family == AF_INET && address->ip[0] == 127) ||
                        (address->family == AF_INET6 && address->ip[15] == 1);
    }
    cr_assert(has_loopback);
    ask_system(names, &loop, "no.such.host.invalid");
    cr_assert(ne(int, asked.err, OK));
    cr_assert(ne(ptr, (void *)(uintptr_t)asked.lookup.reason, NULL));
    client_names_system_destroy(names);
    client_names_system_destroy(NULL);
    loop_deinit(&loop);
    io->v->destroy(io);
}

/* ---- ours, in the simulated world */

static struct {
    struct client_names names;
    struct timer timer;
    struct client_lookup *lookup;
    uint32_t asked_count;
    uint64_t delay_ms;
    enum err err;
    struct io_address addresses[3];
    uint32_t addresses_count;
} fake;

static void answer_lookup(struct timer *timer)
{
    struct client_lookup *lookup = fake.lookup;

    fake.lookup = NULL;
    lookup->reason = fake.err == OK ? NULL : "nobody knows it";
    memcpy(lookup->addresses, fake.addresses, sizeof(fake.addresses));
    lookup->addresses_count = fake.addresses_count;
    lookup->done(lookup, fake.err);
}

static void look_up(struct client_names *names, struct client_lookup *lookup, struct loop *loop)
{
    cr_assert(eq(ptr, fake.lookup, NULL)); /* one at a time */
    cr_assert(eq(str, (char *)(uintptr_t)lookup->host, "kafka.example"));
    fake.lookup = lookup;
    fake.asked_count++;
    loop_set_timer_ms(loop, &fake.timer, fake.delay_ms);
}

static struct client_broker *broker;
static uint32_t down_count;
static bool is_closed;

static void on_down(void *context, struct client_broker *b, enum err err)
{
    down_count++;
}

static void setup(void)
{
    struct client_broker_options options;

    rig_start(2, NULL);
    memset(&fake, 0, sizeof(fake));
    fake.names.look_up = look_up;
    fake.delay_ms = 5;
    timer_init(&fake.timer, answer_lookup);
    fake.addresses[0] = sim_node_address(rig.peers[0].node, RIG_PORT);
    fake.addresses[1] = sim_node_address(rig.peers[1].node, RIG_PORT);
    fake.addresses_count = 2;
    rig.env.names = &fake.names;
    options = (struct client_broker_options){
        .env = &rig.env,
        .host = "kafka.example",
        .port = RIG_PORT,
        .node_id = -1,
        .request_timeout_ms = 30000,
        .connect_max_ms = 2000,
        .backoff_first_ms = 50,
        .backoff_max_ms = 1000,
        .frame_max_bytes = 1 << 20,
        .calls_max = 8,
        .down = on_down,
    };
    down_count = 0;
    is_closed = false;
    cr_assert(eq(int, client_broker_create(&options, &broker), OK));
}

static void finish(void)
{
    rig_now();
    if (broker != NULL)
        client_broker_destroy(broker, rig_set_true, &is_closed);
    cr_assert(rig_wait(&is_closed, 60000));
    rig_finish();
}

static struct rig_call call;

static void ask_impatiently(void)
{
    rig_call_init(&call);
    call.call.fails_with_connection = true;
    rig_ask(broker, &call);
}

Test(client_broker_names, each_address_of_a_name_is_tried_before_an_attempt_has_failed,
     .init = setup, .fini = finish)
{
    sim_node_crash(rig.peers[0].node, SIM_KILL);
    ask_impatiently();
    cr_assert(rig_wait(&call.is_done, 1000));
    cr_assert(eq(int, call.err, OK));
    cr_assert(eq(u32, rig.peers[1].conns_count, 1));
    cr_assert(eq(u32, down_count, 0));
    cr_assert(eq(u32, fake.asked_count, 1));
}

Test(client_broker_names, when_all_have_failed_the_name_is_looked_up_anew, .init = setup,
     .fini = finish)
{
    fake.addresses_count = 1;
    sim_node_crash(rig.peers[0].node, SIM_KILL);
    ask_impatiently();
    cr_assert(rig_wait(&call.is_done, 1000));
    cr_assert(eq(int, call.err, ERR_REFUSED));
    cr_assert(eq(u32, down_count, 1));
    fake.addresses[0] = fake.addresses[1]; /* it has moved */
    rig_call_init(&call);
    rig_ask(broker, &call);
    cr_assert(rig_wait(&call.is_done, 3000));
    cr_assert(eq(int, call.err, OK));
    cr_assert(ge(u32, fake.asked_count, 2));
}

Test(client_broker_names, a_name_that_nobody_knows_is_told_and_asked_for_with_back_off,
     .init = setup, .fini = finish)
{
    fake.err = ERR_NOT_FOUND;
    ask_impatiently();
    cr_assert(rig_wait(&call.is_done, 100));
    cr_assert(eq(int, call.err, ERR_REFUSED));
    cr_assert(eq(int, client_broker_last_error(broker), ERR_NOT_FOUND));
    cr_assert(eq(str, (char *)(uintptr_t)client_broker_reason(broker), "nobody knows it"));
    cr_assert(not(client_broker_was_connected(broker)));
    rig_call_init(&call);
    call.call.timeout_ms = 60000;
    rig_ask(broker, &call);
    rig_run_ms(10000);
    cr_assert(not(call.is_done));
    cr_assert(le(u32, fake.asked_count, 17));
    cr_assert(ge(u32, fake.asked_count, 10));
    fake.err = OK;
    cr_assert(rig_wait(&call.is_done, 1300));
    cr_assert(eq(int, call.err, OK));
}

Test(client_broker_names, a_lookup_under_way_holds_up_its_end_alone, .init = setup, .fini = finish)
{
    fake.delay_ms = 5000;
    rig_call_init(&call);
    rig_ask(broker, &call);
    rig_run_ms(100);
    client_broker_destroy(broker, rig_set_true, &is_closed);
    broker = NULL;
    rig_run_ms(10);
    cr_assert(eq(int, call.err, ERR_CANCELED));
    cr_assert(not(is_closed));
    rig_run_ms(5000);
    cr_assert(is_closed);
    cr_assert(eq(u32, rig.peers[0].conns_count, 0));
}
