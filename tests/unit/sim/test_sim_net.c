#include "base/mem.h"
#include "tests/sim/sim_net.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { PORT = 9092 };

static struct fixture {
    struct sim_queue queue;
    struct sim_net net;
    struct sim_sock *listener; /* on host 1 */
    struct sim_sock *client;   /* on host 0 */
    struct sim_sock *server;
    uint64_t memory_before;
} f;

static void setup_with(uint64_t seed, const struct sim_net_options *options)
{
    struct prng prng;
    struct io_address at = {.family = AF_INET, .port = PORT};

    memset(&f, 0, sizeof(f));
    f.memory_before = mem_used_count();
    prng_init(&prng, seed);
    sim_queue_init(&f.queue);
    sim_net_init(&f.net, &f.queue, options, &prng);
    (void)sim_net_host_add(&f.net);
    (void)sim_net_host_add(&f.net);
    f.listener = sim_sock_create(&f.net, 1);
    cr_assert(eq(int, sim_sock_listen(f.listener, &at, 4), 0));
}

static void run(void)
{
    while (sim_queue_next_ns(&f.queue) != SIM_NEVER)
        sim_queue_fire_next(&f.queue);
}

static struct sim_sock *dial(void)
{
    struct io_address to = sim_net_host_address(1, PORT);
    struct sim_sock *sock = sim_sock_create(&f.net, 0);

    sim_sock_connect(sock, &to);
    return sock;
}

static void setup(uint64_t seed)
{
    struct sim_net_options options;

    sim_net_options_init(&options);
    options.send_bytes = 1000;
    options.receive_bytes = 2000;
    setup_with(seed, &options);
    f.client = dial();
    run();
    cr_assert(eq(int, f.client->connect_result, 0));
    f.server = sim_sock_accept(f.listener);
    cr_assert(ne(ptr, f.server, NULL));
}

static void drop(struct sim_sock **sock)
{
    if (*sock != NULL)
        sim_sock_close(*sock);
    *sock = NULL;
}

static void teardown(void)
{
    drop(&f.client);
    drop(&f.server);
    drop(&f.listener);
    sim_net_deinit(&f.net);
    sim_queue_deinit(&f.queue);
    cr_assert(eq(u64, mem_used_count(), f.memory_before));
}

static int32_t send_text(struct sim_sock *sock, const char *text)
{
    struct iovec vec = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};

    return sim_sock_send(sock, &vec, 1);
}

/* The byte at that position of every stream. */
static uint8_t byte_at(uint64_t pos)
{
    return (uint8_t)(pos * 7 + pos / 256);
}

struct pump {
    uint64_t sent;
    uint64_t received;
    uint64_t short_sends;
    uint64_t reads;
    int sender_error;
    int receiver_error;
};

static void pump_send(struct pump *pump, uint64_t total)
{
    uint8_t bytes[5000];
    uint64_t size = total - pump->sent < sizeof(bytes) ? total - pump->sent : sizeof(bytes);
    struct iovec vec[2] = {{.iov_base = bytes, .iov_len = size / 3},
                           {.iov_base = bytes + size / 3, .iov_len = size - size / 3}};
    int32_t done;

    for (uint64_t i = 0; i < size; i++)
        bytes[i] = byte_at(pump->sent + i);
    done = size == 0 ? -EAGAIN : sim_sock_send(f.client, vec, 2);
    if (done > 0) {
        pump->sent += (uint64_t)done;
        pump->short_sends += (uint64_t)done < size;
    } else if (done != -EAGAIN) {
        pump->sender_error = -done;
    }
}

static void pump_receive(struct pump *pump)
{
    uint8_t bytes[3000];
    int32_t done = sim_sock_recv(f.server, bytes, sizeof(bytes));

    for (int32_t i = 0; i < done; i++)
        cr_assert(eq(u8, bytes[i], byte_at(pump->received + (uint64_t)i)));
    if (done > 0) {
        pump->received += (uint64_t)done;
        pump->reads++;
    } else if (done != -EAGAIN && done != 0) {
        pump->receiver_error = -done;
    }
}

/* Client to server, until all has arrived, an error, or nothing more happens. */
static struct pump transfer(uint64_t total)
{
    struct pump pump = {0};

    while (pump.received < total) {
        uint64_t before = pump.sent + pump.received;
        pump_send(&pump, total);
        if (sim_queue_next_ns(&f.queue) != SIM_NEVER)
            sim_queue_fire_next(&f.queue);
        pump_receive(&pump);
        if (pump.receiver_error != 0 ||
            (pump.sent + pump.received == before && sim_queue_next_ns(&f.queue) == SIM_NEVER))
            break;
    }
    return pump;
}

Test(sim_net, bytes_arrive_whole_and_in_order_in_pieces_of_any_size)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct pump pump;
        setup(seed);
        pump = transfer(50000);
        cr_assert(eq(u64, pump.received, 50000));
        cr_assert(lt(u64, 0, pump.short_sends)); /* 5000 do not fit into 1000 */
        cr_assert(lt(u64, 50, pump.reads));
        teardown();
    }
}

Test(sim_net, under_drawn_faults_what_arrives_is_a_prefix_of_what_was_sent)
{
    int whole = 0, cut = 0, stuck = 0;

    for (uint64_t seed = 0; seed < 300; seed++) {
        struct sim_net_options options;
        struct prng prng;
        struct pump pump;
        prng_init(&prng, seed);
        sim_net_options_draw(&options, &prng);
        options.refuse_ppm = 0;
        options.cut_ppm *= 10;
        options.silence_ppm *= 20;
        setup_with(seed, &options);
        f.client = dial();
        run();
        f.server = sim_sock_accept(f.listener);
        pump = transfer(20000); /* compares each byte */
        cr_assert(le(u64, pump.received, pump.sent));
        whole += pump.received == 20000;
        cut += pump.receiver_error == ECONNRESET;
        stuck += pump.received < 20000 && pump.receiver_error == 0;
        teardown();
    }
    cr_assert(whole > 50 && cut > 20 && stuck > 10, "%d %d %d", whole, cut, stuck);
}

Test(sim_net, a_slow_reader_fills_the_buffers_and_then_no_byte_is_taken)
{
    struct pump pump = {0};

    setup(1);
    for (int i = 0; i < 20; i++) {
        pump_send(&pump, 100000);
        run();
    }
    cr_assert(eq(u64, pump.sent, 3000)); /* send and receive buffer */
    cr_assert(eq(int, send_text(f.client, "x"), -EAGAIN));
    pump_receive(&pump);
    run();
    cr_assert(eq(int, send_text(f.client, "x"), 1));
    teardown();
}

Test(sim_net, a_cut_lets_exactly_that_many_bytes_arrive)
{
    for (uint64_t at = 0; at < 600; at += 37) {
        struct pump pump;
        setup(at);
        sim_sock_cut_after(f.client, at);
        pump = transfer(600);
        cr_assert(eq(u64, pump.received, at));
        cr_assert(eq(int, pump.receiver_error, ECONNRESET));
        cr_assert(eq(int, send_text(f.client, "x"), -ECONNRESET));
        teardown();
    }
}

Test(sim_net, a_close_arrives_after_the_bytes_and_a_reset_when_some_were_not_read)
{
    char bytes[100];

    setup(1);
    send_text(f.client, "last words");
    drop(&f.client);
    run();
    cr_assert(eq(int, sim_sock_recv(f.server, bytes, 100), 10));
    cr_assert(eq(int, sim_sock_recv(f.server, bytes, 100), 0));
    cr_assert(eq(int, send_text(f.server, "too late"), 8)); /* nobody knows yet */
    run();
    cr_assert(eq(int, send_text(f.server, "x"), -ECONNRESET));
    teardown();

    setup(2);
    send_text(f.server, "unread");
    run();
    drop(&f.client);
    run();
    cr_assert(eq(int, sim_sock_recv(f.server, bytes, 100), -ECONNRESET));
    teardown();
}

Test(sim_net, shutdown_ends_both_directions_of_the_own_side)
{
    char bytes[10];

    setup(1);
    sim_sock_shutdown(f.client);
    cr_assert(eq(int, send_text(f.client, "x"), -EPIPE));
    cr_assert(eq(int, sim_sock_recv(f.client, bytes, 10), 0));
    run();
    cr_assert(eq(int, sim_sock_recv(f.server, bytes, 10), 0));
    teardown();
}

Test(sim_net, what_was_held_arrives_after_the_release_even_if_its_sender_is_gone)
{
    char bytes[100];

    setup(1);
    sim_sock_hold(f.client, true);
    send_text(f.client, "old request");
    sim_net_hold(&f.net, 0, 1, true);
    drop(&f.client);
    run();
    cr_assert(eq(int, sim_sock_recv(f.server, bytes, 100), -EAGAIN));
    cr_assert(eq(int, send_text(f.server, "y"), 1));
    sim_net_heal(&f.net);
    run();
    cr_assert(eq(int, sim_sock_recv(f.server, bytes, 100), 11));
    cr_assert(eq(int, memcmp(bytes, "old request", 11), 0));
    teardown();
}

Test(sim_net, a_silent_connection_gives_neither_bytes_nor_errors)
{
    char bytes[100];

    setup(1);
    sim_sock_silence(f.client);
    send_text(f.client, "lost");
    drop(&f.client);
    run();
    cr_assert(eq(int, sim_sock_recv(f.server, bytes, 100), -EAGAIN));
    teardown();
}

Test(sim_net, a_host_without_power_is_silent_and_later_answers_old_connections_with_a_reset)
{
    char bytes[100];

    setup(1);
    sim_sock_abandon(f.server);
    sim_sock_abandon(f.listener);
    f.server = f.listener = NULL;
    sim_net_host_set_up(&f.net, 1, false);
    cr_assert(eq(int, send_text(f.client, "anybody?"), 8));
    run();
    cr_assert(eq(int, sim_sock_recv(f.client, bytes, 100), -EAGAIN));
    sim_net_host_set_up(&f.net, 1, true);
    run();
    cr_assert(eq(int, sim_sock_recv(f.client, bytes, 100), -ECONNRESET));
    teardown();
}

Test(sim_net, a_connect_is_refused_times_out_or_waits_for_the_backlog)
{
    struct io_address nobody = sim_net_host_address(1, 1);
    struct io_address nowhere = {.family = AF_INET, .port = 1, .ip = {192, 0, 2, 1}};
    struct sim_sock *more[5];
    struct sim_sock *sock;

    setup(1);
    sock = sim_sock_create(&f.net, 0);
    sim_sock_connect(sock, &nobody);
    run();
    cr_assert(eq(int, sock->connect_result, -ECONNREFUSED));
    sim_sock_connect(sock, &nowhere);
    run();
    cr_assert(eq(int, sock->connect_result, -EHOSTUNREACH));
    drop(&sock);

    sim_net_hold(&f.net, 0, 1, true);
    sock = dial();
    run();
    cr_assert(eq(int, sock->connect_result, -ETIMEDOUT));
    cr_assert(ge(u64, f.queue.now_ns, f.net.options.connect_limit_ns));
    drop(&sock);
    sim_net_hold(&f.net, 0, 1, false);

    for (int i = 0; i < 5; i++)
        more[i] = dial();
    for (int i = 0; i < 20; i++)
        sim_queue_fire_next(&f.queue);
    cr_assert(eq(int, (int)f.listener->backlog_count, 4));
    sock = sim_sock_accept(f.listener);
    run();
    for (int i = 0; i < 5; i++)
        cr_assert(eq(int, more[i]->connect_result, 0));
    drop(&f.listener); /* resets those that wait */
    run();
    for (int i = 0; i < 5; i++)
        drop(&more[i]);
    drop(&sock);
    teardown();
}

Test(sim_net, a_port_is_taken_once_per_host_and_names_are_those_of_both_ends)
{
    struct io_address any = {.family = AF_INET6, .port = PORT};
    struct io_address free_port = {.family = AF_INET, .port = 0, .ip = {127, 0, 0, 1}};
    struct sim_sock *other;

    setup(1);
    other = sim_sock_create(&f.net, 1);
    cr_assert(eq(int, sim_sock_listen(other, &any, 1), -EADDRINUSE));
    cr_assert(eq(int, sim_sock_listen(other, &free_port, 1), 0));
    cr_assert(ne(int, other->local.port, 0));
    drop(&other);
    cr_assert(eq(int, f.client->peer.port, PORT));
    cr_assert(eq(int, f.server->local.port, PORT));
    cr_assert(eq(int, f.server->peer.port, f.client->local.port));
    cr_assert(eq(int, memcmp(f.server->peer.ip, (uint8_t[4]){10, 0, 0, 1}, 4), 0));
    cr_assert(eq(int, memcmp(f.server->local.ip, (uint8_t[4]){10, 0, 0, 2}, 4), 0));
    teardown();
}
