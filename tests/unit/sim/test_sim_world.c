#include "base/loop.h"
#include "base/mem.h"
#include "tests/sim/sim_image.h"
#include "tests/sim/sim_io.h"
#include "tests/sim/sim_world.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { PORT = 9092, MESSAGES = 40, MESSAGE_BYTES = 3000 };

static struct sim_world *world_with_seed(uint64_t seed)
{
    return sim_world_create(&(struct sim_world_options){.seed = seed, .lag_ppm = 20000});
}

/* --- a program that journals what clients send it, and answers --- */

struct peer {
    struct list node;
    struct server *server;
    struct io_recv recv;
    struct io_op send;
    struct io_op write;
    int32_t fd;
    uint8_t in[MESSAGE_BYTES];  /* received, not yet being written */
    uint8_t out[MESSAGE_BYTES]; /* being written or sent */
    uint32_t in_bytes;
    struct iovec vec;
    bool closing;
};

struct server {
    struct loop loop;
    struct io_accept accept;
    struct timer timer;
    struct list peers;
    struct sim_node *node;
    int32_t listen_fd;
    int32_t log_fd;
    uint64_t log_pos;
    uint64_t ticks;
    struct io_op sync;
};

static void peer_go_on(struct peer *peer);

static void peer_close_if_done(struct peer *peer)
{
    if (!peer->closing || peer->recv.op.in_flight || peer->send.in_flight || peer->write.in_flight)
        return;
    peer->server->loop.io->v->close(peer->server->loop.io, peer->fd);
    list_remove(&peer->node);
    mem_free(peer);
}

static void on_answered(struct io_op *op, int32_t result)
{
    struct peer *peer = container_of(op, struct peer, send);

    if (result > 0 && (size_t)result < peer->vec.iov_len) {
        peer->vec.iov_base = (uint8_t *)peer->vec.iov_base + result;
        peer->vec.iov_len -= (size_t)result;
        io_sendv(peer->server->loop.io, &peer->send, peer->fd, &peer->vec, 1, on_answered);
        return;
    }
    peer->closing = peer->closing || result < 0;
    peer_go_on(peer);
    peer_close_if_done(peer);
}

static void on_journaled(struct io_op *op, int32_t result)
{
    struct peer *peer = container_of(op, struct peer, write);

    if (result < (int32_t)peer->vec.iov_len) {
        peer->closing = true;
        peer_close_if_done(peer);
        return;
    }
    io_sendv(peer->server->loop.io, &peer->send, peer->fd, &peer->vec, 1, on_answered);
}

/* Journal what came, then answer with it. */
static void peer_go_on(struct peer *peer)
{
    struct server *server = peer->server;

    if (peer->closing || peer->in_bytes == 0 || peer->write.in_flight || peer->send.in_flight)
        return;
    memcpy(peer->out, peer->in, peer->in_bytes);
    peer->vec = (struct iovec){.iov_base = peer->out, .iov_len = peer->in_bytes};
    peer->in_bytes = 0;
    io_writev(server->loop.io, &peer->write, server->log_fd, &peer->vec, 1, server->log_pos, true,
              on_journaled);
    server->log_pos += peer->vec.iov_len;
}

static void on_received(struct io_recv *recv, int32_t result, const uint8_t *bytes)
{
    struct peer *peer = container_of(recv, struct peer, recv);

    if (result <= 0) {
        peer->closing = peer->closing || result != -ECANCELED;
        peer_close_if_done(peer);
        return;
    }
    cr_assert(le(u64, peer->in_bytes + (uint64_t)result, MESSAGE_BYTES)); /* one at a time */
    memcpy(peer->in + peer->in_bytes, bytes, (size_t)result);
    peer->in_bytes += (uint32_t)result;
    peer_go_on(peer);
}

static void on_accepted(struct io_accept *accept, int32_t fd)
{
    struct server *server = container_of(accept, struct server, accept);
    struct peer *peer;

    if (fd < 0)
        return;
    peer = mem_alloc(sizeof(*peer));
    peer->server = server;
    peer->fd = fd;
    list_push_back(&server->peers, &peer->node);
    peer->recv.received = on_received;
    io_recv(server->loop.io, &peer->recv, fd);
}

static void on_tick(struct timer *timer)
{
    struct server *server = container_of(timer, struct server, timer);

    server->ticks++;
    loop_set_timer_ms(&server->loop, timer, 100);
}

static void server_start(struct sim_node *node)
{
    struct server *server = mem_alloc(sizeof(*server));
    struct io *io = sim_node_io(node, 0);
    struct io_address at = {.family = AF_INET, .port = PORT};

    *(struct server **)node->options.context = server;
    server->node = node;
    list_init(&server->peers);
    loop_init(&server->loop, 0, io, sim_node_clock(node));
    sim_node_attach(node, 0, &server->loop);
    cr_assert(eq(int, io->v->file_open(io, "log", IO_WRITE | IO_CREATE, &server->log_fd), OK));
    cr_assert(eq(int, io->v->dir_sync(io, "/"), OK));
    cr_assert(eq(int, io->v->file_size(io, server->log_fd, &server->log_pos), OK));
    cr_assert(eq(int, io->v->listen(io, &at, 16, &server->listen_fd, NULL), OK));
    server->accept.accepted = on_accepted;
    io_accept(io, &server->accept, server->listen_fd);
    timer_init(&server->timer, on_tick);
    loop_set_timer_ms(&server->loop, &server->timer, 100);
}

/* Only the memory: operations of a dead process need not complete. */
static void server_end(struct sim_node *node, enum sim_crash kind)
{
    struct server **slot = node->options.context;

    while (!list_is_empty(&(*slot)->peers)) {
        struct peer *peer = list_first(&(*slot)->peers, struct peer, node);
        list_remove(&peer->node);
        mem_free(peer);
    }
    mem_free(*slot);
    *slot = NULL;
}

/* --- a client that sends messages one after the other and compares the answers --- */

struct client {
    struct loop loop;
    struct io_op op;
    struct sim_node *node;
    int32_t fd;
    uint32_t answered; /* messages */
    uint32_t sent_bytes;
    uint32_t got_bytes;
    uint32_t failures;
    uint8_t out[MESSAGE_BYTES];
    uint8_t in[MESSAGE_BYTES];
    struct iovec vec;
    struct timer retry;
};

static void client_send(struct client *client);
static void client_dial(struct timer *retry);

static void client_fail(struct client *client)
{
    client->failures++;
    client->loop.io->v->close(client->loop.io, client->fd);
    client->fd = -1;
    loop_set_timer_ms(&client->loop, &client->retry, 50);
}

static void on_client_received(struct io_op *op, int32_t result)
{
    struct client *client = container_of(op, struct client, op);

    if (result <= 0) {
        client_fail(client);
        return;
    }
    cr_assert(eq(int, memcmp(client->in, client->out + client->got_bytes, (size_t)result), 0));
    client->got_bytes += (uint32_t)result;
    if (client->got_bytes < client->sent_bytes) {
        io_recv_into(client->loop.io, op, client->fd, client->in,
                     client->sent_bytes - client->got_bytes, on_client_received);
        return;
    }
    if (client->sent_bytes == MESSAGE_BYTES) {
        client->answered++;
        client->sent_bytes = 0;
    }
    client_send(client);
}

static void on_client_sent(struct io_op *op, int32_t result)
{
    struct client *client = container_of(op, struct client, op);

    if (result <= 0) {
        client_fail(client);
        return;
    }
    client->sent_bytes += (uint32_t)result;
    io_recv_into(client->loop.io, op, client->fd, client->in,
                 client->sent_bytes - client->got_bytes, on_client_received);
}

static void client_send(struct client *client)
{
    if (client->answered == MESSAGES)
        return;
    if (client->sent_bytes == 0) {
        client->got_bytes = 0;
        memset(client->out, 'a' + (int)client->answered % 26, MESSAGE_BYTES);
    }
    client->vec = (struct iovec){.iov_base = client->out + client->sent_bytes,
                                 .iov_len = MESSAGE_BYTES - client->sent_bytes};
    io_sendv(client->loop.io, &client->op, client->fd, &client->vec, 1, on_client_sent);
}

static void on_client_connected(struct io_op *op, int32_t result)
{
    struct client *client = container_of(op, struct client, op);

    client->sent_bytes = 0;
    if (result < 0)
        client_fail(client);
    else
        client_send(client);
}

static void client_dial(struct timer *retry)
{
    struct client *client = container_of(retry, struct client, retry);
    struct io *io = client->loop.io;
    struct io_address to = sim_net_host_address(0, PORT);

    cr_assert(eq(int, io->v->socket(io, AF_INET, &client->fd), OK));
    io_connect(io, &client->op, client->fd, &to, on_client_connected);
}

static void client_start(struct sim_node *node)
{
    struct client *client = mem_alloc(sizeof(*client));

    *(struct client **)node->options.context = client;
    client->node = node;
    loop_init(&client->loop, 0, sim_node_io(node, 0), sim_node_clock(node));
    sim_node_attach(node, 0, &client->loop);
    timer_init(&client->retry, client_dial);
    client_dial(&client->retry);
}

static void client_end(struct sim_node *node, enum sim_crash kind)
{
    mem_free(*(struct client **)node->options.context);
    *(struct client **)node->options.context = NULL;
}

struct outcome {
    uint64_t hash;
    uint64_t now_ns;
    uint64_t leaked;
    uint32_t answered;
    uint32_t failures;
    uint64_t image;
    struct sim_stats stats;
};

/* Clients against a server that is killed and loses power meanwhile, on drawn disks and networks.
 */
static struct outcome run_cluster(uint64_t seed, bool crashes)
{
    struct sim_net_options net;
    struct sim_disk_options disk;
    struct outcome outcome = {0};
    struct server *server = NULL;
    struct client *clients[3] = {NULL};
    struct sim_world *world;
    struct sim_node *node;
    struct prng prng;

    prng_init(&prng, seed);
    sim_net_options_draw(&net, &prng);
    sim_disk_options_draw(&disk, &prng);
    disk.other_error_ppm = 0; /* the server does not expect them at its start */
    disk.sync_error_ppm = 0;
    world =
        sim_world_create(&(struct sim_world_options){.seed = seed, .net = &net, .lag_ppm = 20000});
    node = sim_node_create(world, &(struct sim_node_options){.name = "server",
                                                             .disk = &disk,
                                                             .start = server_start,
                                                             .end = server_end,
                                                             .context = &server});
    sim_node_start(node);
    for (int i = 0; i < 3; i++) {
        char name[16];
        struct sim_node *client;
        snprintf(name, sizeof(name), "client %d", i);
        client = sim_node_create(world, &(struct sim_node_options){.name = name,
                                                                   .start = client_start,
                                                                   .end = client_end,
                                                                   .context = &clients[i]});
        sim_node_start(client);
    }
    for (int round = 0; round < 4 && crashes; round++) {
        sim_node_crash_at_call(node, 1 + prng_below(&prng, 30),
                               round % 2 == 0 ? SIM_KILL : SIM_POWER_LOSS);
        sim_world_run_for(world, 2 * SIM_SECOND);
        if (sim_node_is_running(node))
            sim_node_crash(node, SIM_POWER_LOSS);
        sim_world_run_for(world, 100 * SIM_MS);
        sim_node_start(node);
    }
    sim_world_heal(world);
    sim_world_run_for(world, 20 * SIM_SECOND);
    outcome.hash = sim_world_hash(world);
    outcome.now_ns = sim_world_now_ns(world);
    outcome.image = sim_image_hash(&node->disk, SIM_CACHED);
    outcome.stats = *sim_world_stats(world);
    for (int i = 0; i < 3; i++) {
        outcome.answered += clients[i]->answered;
        outcome.failures += clients[i]->failures;
    }
    outcome.leaked = sim_world_destroy(world);
    return outcome;
}

Test(sim_world, one_seed_gives_one_run_whatever_the_heap_looks_like)
{
    uint32_t answered = 0;
    uint32_t failures = 0;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        void *blocks[64];
        struct outcome first = run_cluster(seed, true);
        struct outcome second;
        for (size_t i = 0; i < 64; i++)
            blocks[i] = mem_alloc(1 + (i * 7919 + seed * 31) % 6000);
        for (size_t i = 0; i < 64; i += 2)
            mem_free(blocks[i]);
        second = run_cluster(seed, true);
        for (size_t i = 1; i < 64; i += 2)
            mem_free(blocks[i]);
        cr_assert(eq(u64, first.hash, second.hash), "seed %" PRIu64, seed);
        cr_assert(eq(u64, first.image, second.image));
        cr_assert(eq(u64, first.now_ns, second.now_ns));
        cr_assert(eq(u64, first.leaked, 0));
        cr_assert(eq(u64, second.leaked, 0));
        cr_assert(ne(u64, first.hash, run_cluster(seed + 1000, true).hash));
        cr_assert(ge(u64, first.stats.power_crashes + first.stats.process_crashes, 4));
        answered += first.answered;
        failures += first.failures;
    }
    cr_assert(lt(int, 100, (int)answered));
    cr_assert(lt(int, 10, (int)failures));
}

Test(sim_world, without_faults_every_message_is_answered_and_counted)
{
    char text[200];
    struct sim_net_options net;
    struct sim_world *world;
    struct server *server = NULL;
    struct client *client = NULL;
    struct sim_node *nodes[2];

    sim_net_options_init(&net);
    world = sim_world_create(&(struct sim_world_options){.seed = 5, .net = &net});
    nodes[0] = sim_node_create(
        world, &(struct sim_node_options){
                   .name = "server", .start = server_start, .end = server_end, .context = &server});
    nodes[1] = sim_node_create(
        world, &(struct sim_node_options){
                   .name = "client", .start = client_start, .end = client_end, .context = &client});
    sim_node_start(nodes[0]);
    sim_node_start(nodes[1]);
    sim_world_run_for(world, 5 * SIM_SECOND);
    cr_assert(eq(int, (int)client->answered, MESSAGES));
    cr_assert(eq(int, (int)client->failures, 0));
    cr_assert(eq(u64, server->log_pos, MESSAGES * MESSAGE_BYTES));
    cr_assert(ge(u64, server->ticks, 45));
    cr_assert(le(u64, server->ticks, 50));
    sim_stats_format(sim_world_stats(world), sim_world_now_ns(world), text, sizeof(text));
    cr_assert(ne(ptr, strstr(text, " operations, 0 faults, 0 crashes, 0.0014 virtual hours"), NULL),
              "%s", text);
    cr_assert(eq(u64, sim_world_destroy(world), 0));
}

/* --- a program of one loop that a test drives itself --- */

struct bench {
    struct sim_world *world;
    struct sim_node *node;
    struct io *io;
    struct loop loop;
    int32_t results[8];
    int order[8];
    int done_count;
    struct io_op ops[8];
} b;

static void bench_start(struct sim_node *node)
{
    b.io = sim_node_io(node, 0);
    loop_init(&b.loop, 0, b.io, sim_node_clock(node));
    sim_node_attach(node, 0, &b.loop);
}

static void bench_setup(uint64_t seed)
{
    memset(&b, 0, sizeof(b));
    b.world = world_with_seed(seed);
    b.node =
        sim_node_create(b.world, &(struct sim_node_options){.name = "bench", .start = bench_start});
    sim_node_start(b.node);
}

static void bench_teardown(void)
{
    cr_assert(eq(u64, sim_world_destroy(b.world), 0));
}

static void remember(struct io_op *op, int32_t result)
{
    int i = (int)(op - b.ops);

    b.results[i] = result;
    b.order[b.done_count++] = i;
}

static int32_t open_file(const char *path, uint32_t flags)
{
    int32_t fd = -1;

    cr_assert(eq(int, b.io->v->file_open(b.io, path, flags, &fd), OK));
    return fd;
}

Test(sim_world, timers_fire_in_virtual_time_and_never_early)
{
    struct server *server = NULL;
    struct sim_world *world = world_with_seed(3);
    struct sim_node *node = sim_node_create(
        world, &(struct sim_node_options){
                   .name = "n", .start = server_start, .end = server_end, .context = &server});

    sim_node_start(node);
    sim_node_set_drift(node, 100);
    sim_world_run_for(world, SIM_HOUR);
    cr_assert(eq(u64, sim_world_now_ns(world), SIM_HOUR));
    cr_assert(le(u64, server->ticks, 36004)); /* 100 ms each, the clock 0.01 % fast */
    cr_assert(ge(u64, server->ticks, 35000));
    cr_assert(eq(u64, sim_world_destroy(world), 0));
}

Test(sim_world, operations_complete_later_in_any_order_exactly_once)
{
    int reordered = 0;

    for (uint64_t seed = 0; seed < 50; seed++) {
        struct iovec vec[4];
        char bytes[4] = "abcd";
        char back[4];
        int32_t fd;
        bench_setup(seed);
        fd = open_file("f", IO_WRITE | IO_CREATE);
        for (int i = 0; i < 4; i++) {
            vec[i] = (struct iovec){.iov_base = &bytes[i], .iov_len = 1};
            io_writev(b.io, &b.ops[i], fd, &vec[i], 1, (uint64_t)i, false, remember);
        }
        cr_assert(eq(int, b.done_count, 0));
        cr_assert(eq(u64, b.io->in_flight_count, 4));
        cr_assert(sim_world_run_until_idle(b.world, SIM_SECOND));
        cr_assert(eq(int, b.done_count, 4));
        cr_assert(eq(u64, b.io->in_flight_count, 0));
        io_sync(b.io, &b.ops[4], fd, remember);
        io_read(b.io, &b.ops[5], fd, back, 4, 0, remember);
        cr_assert(sim_world_run_until_idle(b.world, SIM_SECOND));
        cr_assert(eq(int, b.results[4], 0));
        cr_assert(eq(int, b.results[5], 4));
        cr_assert(eq(int, memcmp(back, "abcd", 4), 0));
        reordered += b.order[0] != 0 || b.order[1] != 1 || b.order[2] != 2;
        bench_teardown();
    }
    cr_assert(lt(int, 20, reordered));
}

Test(sim_world, operations_on_descriptors_that_are_not_open_give_errors)
{
    char byte;
    struct iovec vec = {.iov_base = &byte, .iov_len = 1};
    int32_t fd;

    byte = 'x';
    bench_setup(1);
    fd = open_file("f", IO_CREATE);
    io_writev(b.io, &b.ops[0], fd, &vec, 1, 0, false, remember); /* for reading only */
    io_sendv(b.io, &b.ops[1], fd, &vec, 1, remember);            /* no socket */
    b.io->v->close(b.io, fd);
    io_sync(b.io, &b.ops[2], fd, remember);
    cr_assert(sim_world_run_until_idle(b.world, SIM_SECOND));
    for (int i = 0; i < 3; i++)
        cr_assert(eq(int, b.results[i], -EBADF));
    cr_assert(eq(int, open_file("f", 0), fd)); /* the lowest free one */
    bench_teardown();
}

Test(sim_world, a_second_lock_is_refused_until_the_process_is_gone)
{
    int32_t first;
    int32_t second;

    bench_setup(1);
    first = open_file("lock", IO_WRITE | IO_CREATE);
    second = open_file("lock", IO_WRITE);
    cr_assert(eq(int, b.io->v->file_lock(b.io, first), OK));
    cr_assert(eq(int, b.io->v->file_lock(b.io, second), ERR_LOCKED));
    sim_node_crash(b.node, SIM_KILL);
    sim_node_start(b.node);
    first = open_file("lock", IO_WRITE);
    cr_assert(eq(int, b.io->v->file_lock(b.io, first), OK));
    bench_teardown();
}

Test(sim_world, a_killed_process_leaves_a_write_in_flight_whole_partly_or_not_at_all)
{
    int none = 0, part = 0, whole = 0;

    for (uint64_t seed = 0; seed < 200; seed++) {
        char bytes[20000];
        char back[20000];
        struct iovec vec = {.iov_base = bytes, .iov_len = sizeof(bytes)};
        uint32_t got = 0;
        int32_t fd;
        bench_setup(seed);
        memset(bytes, 'k', sizeof(bytes));
        fd = open_file("f", IO_WRITE | IO_CREATE);
        io_writev(b.io, &b.ops[0], fd, &vec, 1, 0, false, remember);
        sim_node_crash(b.node, SIM_KILL);
        sim_node_start(b.node);
        cr_assert(eq(int, b.done_count, 0));
        fd = open_file("f", 0);
        cr_assert(eq(int, b.io->v->file_read(b.io, fd, back, sizeof(back), 0, &got), OK));
        for (uint32_t i = 0; i < got; i++)
            cr_assert(eq(chr, back[i], 'k'));
        none += got == 0;
        part += got > 0 && got < sizeof(bytes);
        whole += got == sizeof(bytes);
        bench_teardown();
    }
    cr_assert(none > 20 && part > 20 && whole > 20, "%d %d %d", none, part, whole);
}

/* Replace the content of "state" in the way that is safe. */
static enum err replace_state(char byte)
{
    char bytes[600];
    int32_t fd;
    enum err err = b.io->v->file_open(b.io, "state.tmp", IO_WRITE | IO_CREATE | IO_TRUNCATE, &fd);

    if (err)
        return err;
    memset(bytes, byte, sizeof(bytes));
    err = b.io->v->file_write(b.io, fd, bytes, sizeof(bytes), 0);
    if (!err)
        err = b.io->v->file_sync(b.io, fd);
    b.io->v->close(b.io, fd);
    if (!err)
        err = b.io->v->file_rename(b.io, "state.tmp", "state");
    return err ? err : b.io->v->dir_sync(b.io, "/");
}

static char read_state(void)
{
    char bytes[601];
    uint32_t got = 0;
    int32_t fd = open_file("state", 0);

    cr_assert(eq(int, b.io->v->file_read(b.io, fd, bytes, sizeof(bytes), 0, &got), OK));
    b.io->v->close(b.io, fd);
    cr_assert(eq(int, (int)got, 600));
    for (uint32_t i = 1; i < got; i++)
        cr_assert(eq(chr, bytes[i], bytes[0]));
    return bytes[0];
}

Test(sim_world, a_crash_at_any_call_of_a_safe_replacement_leaves_the_old_or_the_new_state)
{
    int old = 0, new = 0, acknowledged = 0;

    for (uint64_t seed = 0; seed < 300; seed++) {
        enum err err;
        char state;
        bench_setup(seed);
        cr_assert(eq(int, replace_state('o'), OK));
        sim_node_crash_at_call(b.node, 1 + seed % 6, seed % 2 == 0 ? SIM_KILL : SIM_POWER_LOSS);
        err = replace_state('n');
        cr_assert(eq(int, err == OK, sim_node_is_running(b.node)));
        cr_assert(err == OK || err == ERR_CLOSED);
        if (err == OK)
            sim_node_crash(b.node, SIM_POWER_LOSS);
        else
            sim_world_step(b.world, 0); /* buried */
        cr_assert(eq(ptr, b.node->process, NULL));
        sim_node_start(b.node);
        state = read_state();
        cr_assert(state == 'n' || (state == 'o' && err != OK), "seed %" PRIu64, seed);
        old += state == 'o';
        new += state == 'n' && err != OK;
        acknowledged += err == OK;
        bench_teardown();
    }
    cr_assert(old > 50 && new > 20 && acknowledged > 20, "%d %d %d", old, new, acknowledged);
}

static void drain_at_end(struct sim_node *node, enum sim_crash kind)
{
    int32_t fd;

    if (kind == SIM_NO_CRASH)
        return;
    io_sync(b.io, &b.ops[3], 3, remember); /* a dead process may still try */
    cr_assert(eq(int, b.io->v->file_open(b.io, "g", IO_CREATE, &fd), ERR_CLOSED));
    b.io->v->close(b.io, 3);
    cr_assert(sim_node_drain(node, 10));
}

Test(sim_world, operations_of_a_dead_process_complete_as_cancelled_and_change_nothing)
{
    char bytes[2] = "ab";
    struct iovec vec = {.iov_base = bytes, .iov_len = 2};
    struct io_address at = {.family = AF_INET, .port = PORT};
    uint64_t hash;
    int32_t listen_fd;
    int32_t fd;

    bench_setup(2);
    b.node->options.end = drain_at_end;
    fd = open_file("f", IO_WRITE | IO_CREATE);
    cr_assert(eq(int, b.io->v->listen(b.io, &at, 1, &listen_fd, NULL), OK));
    io_writev(b.io, &b.ops[0], fd, &vec, 1, 0, true, remember);
    io_sync(b.io, &b.ops[1], fd, remember);
    io_unlink(b.io, &b.ops[2], "no such file", remember);
    sim_node_crash(b.node, SIM_POWER_LOSS);
    cr_assert(eq(int, b.done_count, 4));
    for (int i = 0; i < 4; i++)
        cr_assert(eq(int, b.results[i], -ECANCELED));
    hash = sim_image_hash(&b.node->disk, SIM_CACHED);
    sim_world_run_for(b.world, SIM_SECOND);
    cr_assert(eq(u64, sim_image_hash(&b.node->disk, SIM_CACHED), hash));
    bench_teardown();
}

static int32_t accepted_last;
static int accepted_count;

static void count_accepted(struct io_accept *accept, int32_t fd)
{
    accepted_last = fd;
    accepted_count++;
}

Test(sim_world, cancelled_operations_end_once_and_close_waits_for_them)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct io_address at = {.family = AF_INET, .port = PORT};
        struct io_address to = sim_net_host_address(0, PORT);
        struct io_accept accept = {.accepted = count_accepted};
        char byte;
        int32_t listen_fd;
        int32_t fd;
        bench_setup(seed);
        accepted_count = 0;
        cr_assert(eq(int, b.io->v->listen(b.io, &at, 4, &listen_fd, NULL), OK));
        io_accept(b.io, &accept, listen_fd);
        cr_assert(eq(int, b.io->v->socket(b.io, AF_INET, &fd), OK));
        io_connect(b.io, &b.ops[0], fd, &to, remember);
        sim_world_run_until_idle(b.world, SIM_SECOND);
        cr_assert(eq(int, b.results[0], 0));
        cr_assert(accepted_count == 1 && accepted_last > 0);
        io_recv_into(b.io, &b.ops[1], fd, &byte, 1, remember);
        io_cancel(b.io, &accept.op);
        io_cancel(b.io, &accept.op);
        b.io->v->close(b.io, listen_fd);
        sim_world_run_for(b.world, SIM_SECOND);
        cr_assert(accepted_count == 2 && accepted_last == -ECANCELED && !accept.op.in_flight);
        cr_assert(eq(int, b.done_count, 1));
        io_cancel(b.io, &b.ops[1]);
        sim_world_run_for(b.world, SIM_SECOND);
        cr_assert(eq(int, b.results[1], -ECANCELED));
        io_cancel(b.io, &b.ops[1]); /* not in flight: left alone */
        io_connect(b.io, &b.ops[2], fd, &to, remember);
        sim_world_run_for(b.world, SIM_SECOND);
        cr_assert(eq(int, b.results[2], -EISCONN));
        bench_teardown();
    }
}

Test(sim_world, a_process_without_free_descriptors_is_told_so_and_accepts_later)
{
    struct io_address at = {.family = AF_INET, .port = PORT};
    struct io_address to = sim_net_host_address(0, PORT);
    struct io_accept accept = {.accepted = count_accepted};
    int32_t fds[2];
    int32_t none;

    bench_setup(1);
    accepted_count = 0;
    b.node->process->fds_max = 5;
    cr_assert(eq(int, b.io->v->listen(b.io, &at, 4, &fds[0], NULL), OK));
    cr_assert(eq(int, b.io->v->socket(b.io, AF_INET, &fds[1]), OK));
    cr_assert(eq(int, b.io->v->file_open(b.io, "f", IO_CREATE, &none), ERR_NOMEM));
    io_accept(b.io, &accept, fds[0]);
    io_connect(b.io, &b.ops[0], fds[1], &to, remember);
    sim_world_run_for(b.world, 50 * SIM_MS);
    cr_assert(accepted_count == 1 && accepted_last == -EMFILE);
    b.node->process->fds_max = 6;
    sim_world_run_for(b.world, SIM_SECOND);
    cr_assert(accepted_count == 2 && accepted_last == 5);
    bench_teardown();
}

Test(sim_world, a_paused_node_does_not_turn_but_its_clock_goes_on)
{
    struct server *server = NULL;
    struct sim_world *world = world_with_seed(3);
    struct sim_node *node = sim_node_create(
        world, &(struct sim_node_options){
                   .name = "n", .start = server_start, .end = server_end, .context = &server});
    struct clock *clock;
    uint64_t mono;
    int64_t wall;
    uint64_t ticks;

    sim_node_start(node);
    clock = sim_node_clock(node);
    sim_world_run_for(world, SIM_SECOND);
    ticks = server->ticks;
    mono = clock_mono_ns(clock);
    wall = clock_wall_ms(clock);
    sim_node_pause(node, 10 * SIM_SECOND);
    sim_node_jump_wall(node, -3600000);
    sim_world_run_for(world, 9 * SIM_SECOND);
    cr_assert(eq(u64, server->ticks, ticks));
    cr_assert(eq(u64, clock_mono_ns(clock), mono + 9 * SIM_SECOND));
    cr_assert(eq(i64, clock_wall_ms(clock), wall + 9000 - 3600000));
    sim_node_freeze_wall(node, true);
    sim_world_run_for(world, 2 * SIM_SECOND);
    cr_assert(eq(i64, clock_wall_ms(clock), wall + 9000 - 3600000));
    cr_assert(lt(u64, ticks, server->ticks));
    cr_assert(eq(u64, sim_world_destroy(world), 0));
}

static void finish_in_order(struct sim_node *node, enum sim_crash kind)
{
    cr_assert(eq(int, kind, SIM_NO_CRASH));
    io_sync(b.io, &b.ops[1], 3, remember);
    cr_assert(sim_world_run_until_idle(b.world, SIM_SECOND));
    b.io->v->close(b.io, 3);
    loop_deinit(&b.loop);
    b.io->v->destroy(b.io);
}

Test(sim_world, a_program_that_stops_in_order_may_let_its_operations_finish)
{
    char bytes[2] = "ab";
    struct iovec vec = {.iov_base = bytes, .iov_len = 2};

    bench_setup(1);
    io_writev(b.io, &b.ops[0], open_file("f", IO_WRITE | IO_CREATE), &vec, 1, 0, false, remember);
    b.node->options.end = finish_in_order;
    sim_node_stop(b.node);
    cr_assert(eq(int, sim_node_is_running(b.node), 0));
    cr_assert(b.done_count == 2 && b.results[0] == 2);
    cr_assert(eq(u64, sim_world_stats(b.world)->process_crashes, 0));
    bench_teardown();
}

Test(sim_world, a_program_that_stops_with_operations_in_flight_stops_the_run, .signal = SIGABRT)
{
    bench_setup(1);
    io_sync(b.io, &b.ops[0], open_file("f", IO_WRITE | IO_CREATE), remember);
    sim_node_stop(b.node);
}

struct note {
    struct mail mail;
    struct loop *from;
    struct loop *to;
    uint64_t count;
};

static void pass_on(struct mail *mail)
{
    struct note *note = container_of(mail, struct note, mail);
    struct loop *from = note->to;

    if (++note->count == 100)
        return;
    note->to = note->from;
    note->from = from;
    loop_post(note->to, mail);
}

Test(sim_world, shards_of_a_node_send_each_other_mail)
{
    struct loop loops[2];
    struct note note = {.mail.deliver = pass_on, .from = &loops[0], .to = &loops[1]};
    struct sim_world *world = world_with_seed(1);
    struct sim_node *node =
        sim_node_create(world, &(struct sim_node_options){.name = "two", .shards_count = 2});

    sim_node_start(node);
    for (uint32_t i = 0; i < 2; i++) {
        loop_init(&loops[i], i, sim_node_io(node, i), sim_node_clock(node));
        sim_node_attach(node, i, &loops[i]);
    }
    loop_post(&loops[1], &note.mail);
    cr_assert(sim_world_run_until_idle(world, SIM_SECOND));
    cr_assert(eq(u64, note.count, 100));
    cr_assert(lt(u64, 0, sim_world_now_ns(world))); /* turns take time */
    cr_assert(eq(u64, sim_world_destroy(world), 0));
}

Test(sim_world, memory_that_a_program_does_not_free_is_reported)
{
    struct sim_world *world = world_with_seed(1);
    void *forgotten = mem_alloc(10);

    cr_assert(eq(u64, sim_world_destroy(world), 1));
    mem_free(forgotten);
}

Test(sim_world, bytes_changed_while_they_are_being_written_stop_the_run, .signal = SIGABRT)
{
    char bytes[10] = "unchanged";
    struct iovec vec = {.iov_base = bytes, .iov_len = sizeof(bytes)};

    bench_setup(1);
    io_writev(b.io, &b.ops[0], open_file("f", IO_WRITE | IO_CREATE), &vec, 1, 0, false, remember);
    bytes[3] = 'X';
    sim_world_run_for(b.world, SIM_SECOND);
}

Test(sim_world, an_operation_reused_while_in_flight_stops_the_run, .signal = SIGABRT)
{
    int32_t fd;

    bench_setup(1);
    fd = open_file("f", IO_WRITE | IO_CREATE);
    io_sync(b.io, &b.ops[0], fd, remember);
    memset(&b.ops[0], 0, sizeof(b.ops[0]));
    sim_world_run_for(b.world, SIM_SECOND);
}

Test(sim_world, a_descriptor_closed_twice_stops_the_run, .signal = SIGABRT)
{
    int32_t fd;

    bench_setup(1);
    fd = open_file("f", IO_WRITE | IO_CREATE);
    b.io->v->close(b.io, fd);
    b.io->v->close(b.io, fd);
}
