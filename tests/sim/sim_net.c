#include "base/check.h"
#include "tests/sim/sim_conn.h"

#include <string.h>

enum { MILLION = 1000000 };

void sim_net_options_init(struct sim_net_options *options)
{
    *options = (struct sim_net_options){
        .delay = {50 * SIM_US, SIM_MS},
        .send_bytes = 64 << 10,
        .receive_bytes = 64 << 10,
        .piece_max_bytes = 64 << 10,
        .connect_limit_ns = 75 * SIM_SECOND,
        .hold_time = {SIM_MS, 30 * SIM_SECOND},
    };
}

static uint32_t draw_rate(struct prng *prng, uint32_t max_ppm)
{
    uint32_t rate = 1 + (uint32_t)prng_below(prng, max_ppm);

    return prng_chance(prng, 1, 2) ? rate : 0;
}

void sim_net_options_draw(struct sim_net_options *options, struct prng *prng)
{
    sim_net_options_init(options);
    options->delay.max_ns = SIM_MS << prng_below(prng, 8);
    options->send_bytes = 512U << prng_below(prng, 12);
    options->receive_bytes = 512U << prng_below(prng, 12);
    options->piece_max_bytes = 1U << prng_below(prng, 18);
    if (options->piece_max_bytes < 64 && !prng_chance(prng, 1, 4))
        options->piece_max_bytes = 1460;
    options->cut_ppm = draw_rate(prng, 500);
    options->silence_ppm = draw_rate(prng, 100);
    options->hold_ppm = draw_rate(prng, 1000);
    options->refuse_ppm = draw_rate(prng, 20000);
    options->short_send_ppm = draw_rate(prng, 200000);
}

void sim_net_init(struct sim_net *net, struct sim_queue *queue,
                  const struct sim_net_options *options, const struct prng *seed)
{
    *net = (struct sim_net){.queue = queue, .options = *options, .next_port = SIM_PORT_FIRST};
    prng_fork(seed, "net delays", &net->delay_prng);
    prng_fork(seed, "net faults", &net->fault_prng);
    list_init(&net->conns);
    list_init(&net->listeners);
}

void sim_net_deinit(struct sim_net *net)
{
    check(list_is_empty(&net->listeners));
    check(list_is_empty(&net->conns));
}

bool sim_net_by_chance(struct sim_net *net, uint32_t ppm)
{
    return ppm > 0 && !net->no_faults && prng_chance(&net->fault_prng, ppm, MILLION);
}

uint64_t sim_net_draw_delay(struct sim_net *net, uint32_t from, uint32_t to)
{
    const struct sim_span *span = &net->options.delay;
    uint64_t high = span->max_ns > span->min_ns ? span->max_ns : span->min_ns;

    return net->links[from][to].extra_delay_ns + span->min_ns +
           prng_below(&net->delay_prng, high - span->min_ns + 1);
}

/* --- hosts and addresses --- */

uint32_t sim_net_host_add(struct sim_net *net)
{
    check(net->hosts_count < SIM_HOSTS_MAX);
    net->host_up[net->hosts_count] = true;
    return net->hosts_count++;
}

uint32_t sim_net_host_ip4(uint32_t host)
{
    return 0x0a000001U + host;
}

struct io_address sim_net_address(uint32_t ip4, uint16_t port)
{
    return (struct io_address){
        .family = AF_INET,
        .port = port,
        .ip = {(uint8_t)(ip4 >> 24), (uint8_t)(ip4 >> 16), (uint8_t)(ip4 >> 8), (uint8_t)ip4}};
}

struct io_address sim_net_host_address(uint32_t host, uint16_t port)
{
    return sim_net_address(sim_net_host_ip4(host), port);
}

static uint32_t ip4_at(const uint8_t *ip)
{
    return (uint32_t)ip[0] << 24 | (uint32_t)ip[1] << 16 | (uint32_t)ip[2] << 8 | ip[3];
}

/* Either family as IPv4: ":: " is 0.0.0.0, "::1" is 127.0.0.1, mapped ones are themselves.
 * UINT32_MAX: anything else. */
uint32_t sim_net_ip4_of(const struct io_address *address)
{
    static const uint8_t zeros[16];

    if (address->family == AF_INET)
        return ip4_at(address->ip);
    if (memcmp(address->ip, zeros, sizeof(zeros)) == 0)
        return 0;
    if (memcmp(address->ip, zeros, 15) == 0 && address->ip[15] == 1)
        return SIM_LOOPBACK;
    if (memcmp(address->ip, zeros, 10) == 0 && address->ip[10] == 0xff && address->ip[11] == 0xff)
        return ip4_at(address->ip + 12);
    return UINT32_MAX;
}

/* The host that `from` reaches by ip4, or -1. */
int64_t sim_net_host_by_ip4(const struct sim_net *net, uint32_t from, uint32_t ip4)
{
    if (ip4 == 0 || ip4 >> 24 == SIM_LOOPBACK >> 24)
        return from;
    if (ip4 >= sim_net_host_ip4(0) && ip4 < sim_net_host_ip4(net->hosts_count))
        return ip4 - sim_net_host_ip4(0);
    return -1;
}

static void kick_all(struct sim_net *net)
{
    list_for_each(node, &net->conns)
    {
        struct sim_conn *conn = container_of(node, struct sim_conn, node);
        sim_lane_kick(&conn->lanes[0], false);
        sim_lane_kick(&conn->lanes[1], false);
    }
}

void sim_net_host_set_up(struct sim_net *net, uint32_t host, bool up)
{
    net->host_up[host] = up;
    sim_queue_note(net->queue, up ? "host up" : "host down", host, 0, 0, 0);
    if (up)
        kick_all(net);
}

/* --- faults from a test --- */

void sim_net_hold(struct sim_net *net, uint32_t from, uint32_t to, bool held)
{
    net->links[from][to].held = held;
    net->queue->stats.stream_holds += held;
    sim_queue_note(net->queue, held ? "link held" : "link released", from, to, 0, 0);
    if (!held)
        kick_all(net);
}

void sim_net_set_delay(struct sim_net *net, uint32_t from, uint32_t to, uint64_t extra_delay_ns)
{
    net->links[from][to].extra_delay_ns = extra_delay_ns;
}

void sim_net_heal(struct sim_net *net)
{
    net->no_faults = true;
    for (uint32_t from = 0; from < net->hosts_count; from++) {
        for (uint32_t to = 0; to < net->hosts_count; to++)
            net->links[from][to] = (struct sim_link){0};
    }
    list_for_each(node, &net->conns)
    {
        struct sim_conn *conn = container_of(node, struct sim_conn, node);
        for (int i = 0; i < 2; i++) {
            conn->lanes[i].held = false;
            conn->lanes[i].held_until_ns = 0;
        }
    }
    kick_all(net);
}

uint64_t sim_net_conn_count(const struct sim_net *net)
{
    uint64_t count = 0;

    list_for_each(node, &net->conns) count++;
    return count;
}
