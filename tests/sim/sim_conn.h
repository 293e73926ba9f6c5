/* sim_conn: a connection between two sockets, and what the parts of the network share.
 *
 * Owned by its network; lives until both ends have left it.  A lane is one direction: bytes wait in
 * its pipe and arrive in pieces. */
#ifndef LEVEE_TESTS_SIM_CONN_H
#define LEVEE_TESTS_SIM_CONN_H

#include "tests/sim/sim_net.h"
#include "tests/sim/sim_pipe.h"

enum { SIM_PORT_FIRST = 32768, SIM_PORT_LAST = 60999, SIM_LOOPBACK = 0x7f000001 };

enum sim_lane_end { SIM_END_NONE, SIM_END_CLOSE, SIM_END_RESET };

/* One direction of a connection. */
struct sim_lane {
    struct sim_event event; /* the next piece, or the end, arrives */
    struct sim_pipe pipe;
    struct sim_conn *conn;
    uint32_t from_side;
    uint64_t cut_pos; /* reset when that many bytes have arrived */
    uint64_t held_until_ns;
    bool held;
    bool silent;
    bool end_arrived;
    enum sim_lane_end end;
};

struct sim_conn {
    struct list node;
    struct sim_net *net;
    uint64_t id;
    struct sim_sock *socks[2]; /* NULL: closed */
    uint32_t hosts[2];
    struct sim_lane lanes[2]; /* by sending side */
};

/* client and server are connected from now on. */
struct sim_conn *sim_conn_create(struct sim_sock *client, struct sim_sock *server);

/* sock goes; the connection too, when it was the last. */
void sim_conn_leave(struct sim_sock *sock);

/* Both ends are told of a reset by their next call. */
void sim_conn_reset(struct sim_conn *conn);

/* Let the next piece or the end be on its way, if there is any and nothing stands against it.
 * follows: right behind another one. */
void sim_lane_kick(struct sim_lane *lane, bool follows);

/* notify, if there is a socket that wants it. */
void sim_conn_tell(struct sim_sock *sock);

/* ---- sim_net */

/* With odds of so many millionths; never while there are no faults. */
bool sim_net_by_chance(struct sim_net *net, uint32_t ppm);

/* Of a piece from one host to another. */
uint64_t sim_net_draw_delay(struct sim_net *net, uint32_t from, uint32_t to);

/* Addresses as numbers; 0: any, or none. */
uint32_t sim_net_host_ip4(uint32_t host);
struct io_address sim_net_address(uint32_t ip4, uint16_t port);
uint32_t sim_net_ip4_of(const struct io_address *address);

/* The host that ip4 means for one from; -1: nobody. */
int64_t sim_net_host_by_ip4(const struct sim_net *net, uint32_t from, uint32_t ip4);

#endif
