/* admission: how many connections there may be, in all and from one address (Kafka's
 * max.connections and max.connections.per.ip).
 *
 * Lives on the loop of the listeners; all of them may share one.  A connection holds a ticket,
 * which comes home by mail when it ends on another loop. */
#ifndef LEVEE_NET_ADMISSION_H
#define LEVEE_NET_ADMISSION_H

#include "base/hash_map.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "net/conn.h"

struct admission_limits {
    uint32_t connections_max;        /* max.connections; 0: no limit */
    uint32_t connections_per_ip_max; /* max.connections.per.ip; 0: no limit */
};

struct admission {
    struct loop *loop;
    struct admission_limits limits;
    struct hash_map by_ip; /* of struct ip_count; empty without a limit for one address */
    uint32_t count;
    struct counter refused_by_total;
    struct counter refused_by_ip;
};

/* One admitted connection, with room for its way to another loop and back. */
struct admission_ticket {
    struct conn_ticket base;
    struct mail mail;
    struct admission *admission;
    struct ip_count *ip; /* NULL without a limit for one address */
    struct conn_server *server;
    struct conn_arrival arrival;
};

/* loop stays the caller's.  hash_seed: from the prng. */
void admission_init(struct admission *admission, struct loop *loop,
                    const struct admission_limits *limits, uint64_t hash_seed);

/* Every ticket must be back: the loop has turned after the last server stopped. */
void admission_deinit(struct admission *admission);

/* May arrival (whose peer is set) come in?  ERR_FULL: connections_max. ERR_TOO_LARGE:
 * connections_per_ip_max. ERR_NOMEM.  On OK the arrival is copied into the ticket, which is the
 * arrival's ticket from now on. */
must_use enum err admission_admit(struct admission *admission, const struct conn_arrival *arrival,
                                  struct admission_ticket **out);

/* On the admission's loop: hand the socket to server, by mail when it lives on another loop. */
void admission_deliver(struct admission_ticket *ticket, struct conn_server *server);

#endif
