/* sim_net: a network of hosts with reliable byte streams between them.
 *
 * One per world.  A host is an address (10.0.0.n and ::ffff of it; 127.0.0.1 and ::1 are the host
 * itself).  A connection is two pipes; bytes wait in a pipe, arrive in pieces of any size after
 * some delay, in order, and are taken by the reader.
 *   SNT-1  what arrives is a prefix of what was sent: never reordered, doubled or changed
 *   SNT-2  a pipe holds at most send_bytes + receive_bytes: then a send takes fewer bytes or none
 *   SNT-3  an end (close, shutdown) arrives after the bytes before it; a reset takes the place of
 *       bytes that have not arrived
 *   SNT-4  a socket tells its owner about news through notify, from an event, never inside a call
 * A host without power is silent; when it is up again it answers bytes of old connections with a
 * reset. */
#ifndef LEVEE_TESTS_SIM_NET_H
#define LEVEE_TESTS_SIM_NET_H

#include "base/io.h"
#include "base/prng.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_queue.h"
#include "tests/sim/sim_sock.h"

#include <stdbool.h>
#include <stdint.h>

enum { SIM_HOSTS_MAX = 64 };

/* Rates are millionths. */
struct sim_net_options {
    struct sim_span delay;     /* of a piece, one way */
    uint32_t send_bytes;       /* bound of what is sent and has not arrived */
    uint32_t receive_bytes;    /* bound of what has arrived and is not read */
    uint32_t piece_max_bytes;  /* largest piece that arrives at once */
    uint64_t connect_limit_ns; /* ETIMEDOUT after that */
    uint32_t cut_ppm;          /* of pieces: the connection is reset after some byte of it */
    uint32_t silence_ppm;      /* of pieces: nothing arrives on that connection any more */
    uint32_t hold_ppm;         /* of pieces: this pipe stands still for a while */
    struct sim_span hold_time;
    uint32_t refuse_ppm;     /* of connects */
    uint32_t short_send_ppm; /* of sends that would fit */
};

/* No faults, LAN delays, buffers of 64 KiB. */
void sim_net_options_init(struct sim_net_options *options);

/* Draw buffers, delays, pieces, which faults exist (odds one half each) and their rates. */
void sim_net_options_draw(struct sim_net_options *options, struct prng *prng);

/* From one host to another. */
struct sim_link {
    bool held;               /* nothing arrives; it is kept, and arrives after the release */
    uint64_t extra_delay_ns; /* slow link */
};

struct sim_net {
    struct sim_queue *queue;
    struct sim_net_options options;
    struct prng delay_prng;
    struct prng fault_prng;
    bool host_up[SIM_HOSTS_MAX];
    uint32_t hosts_count;
    struct sim_link links[SIM_HOSTS_MAX][SIM_HOSTS_MAX]; /* [from][to] */
    struct list conns;                                   /* of sim_conn.node, oldest first */
    struct list listeners;                               /* of sim_sock.node */
    uint64_t next_id;
    uint16_t next_port;
    bool no_faults; /* heal: the rates of options count as zero */
};

void sim_net_init(struct sim_net *net, struct sim_queue *queue,
                  const struct sim_net_options *options, const struct prng *seed);

/* All sockets must be closed. */
void sim_net_deinit(struct sim_net *net);

/* A new host, up. */
uint32_t sim_net_host_add(struct sim_net *net);
struct io_address sim_net_host_address(uint32_t host, uint16_t port);

/* Down: nothing arrives there and nothing is answered.  Its sockets must have been abandoned. */
void sim_net_host_set_up(struct sim_net *net, uint32_t host, bool up);

/* --- faults from a test --- */

/* Link from one host to another: hold, or release what was held. */
void sim_net_hold(struct sim_net *net, uint32_t from, uint32_t to, bool held);
void sim_net_set_delay(struct sim_net *net, uint32_t from, uint32_t to, uint64_t extra_delay_ns);

/* No faults by chance any more, and nothing is held; what is silent stays silent. */
void sim_net_heal(struct sim_net *net);

/* Connections of which an end is open or a byte on its way. */
uint64_t sim_net_conn_count(const struct sim_net *net);

#endif
