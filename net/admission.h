/* admission: how many connections there may be, in all and from one address (Kafka's
 * max.connections, max.connections.per.ip and max.connections.per.ip.overrides).
 *
 * Connections of an address are counted whether it has a limit or not: limits may change while
 * there are connections, and those who are in stay in.
 *
 * Lives on the loop of the listeners; all of them may share one.  A connection holds a ticket,
 * which comes home by mail when it ends on another loop. */
#ifndef LEVEE_NET_ADMISSION_H
#define LEVEE_NET_ADMISSION_H

#include "base/hash_map.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "net/conn.h"

enum { ADMISSION_OVERRIDES_MAX = 256 };

/* One address's own limit, in place of the one for every address. */
struct admission_override {
    struct io_address address; /* its port does not count */
    uint32_t connections_max;  /* 0: nobody from there comes in */
};

struct admission_limits {
    uint32_t connections_max;        /* max.connections; 0: no limit */
    uint32_t connections_per_ip_max; /* max.connections.per.ip; 0: no limit */
    bool only_overrides;             /* an address without an override does not come in at all */
    const struct admission_override *overrides; /* of two for one address the later one counts */
    uint32_t override_count;                    /* at most ADMISSION_OVERRIDES_MAX */
};

struct admission {
    struct loop *loop;
    struct admission_limits limits; /* its overrides are the ones below */
    struct admission_override overrides[ADMISSION_OVERRIDES_MAX];
    void (*refresh)(void *context); /* or NULL */
    void *refresh_context;
    struct hash_map by_ip; /* of struct ip_count, one for each address that has connections */
    uint32_t count;
    uint64_t accepted_count; /* ever: the accept number of the newest */
    struct counter refused_by_total;
    struct counter refused_by_ip;
};

/* One admitted connection, with room for its way to another loop and back. */
struct admission_ticket {
    struct conn_ticket base;
    struct mail mail;
    struct admission *admission;
    struct ip_count *ip;
    struct conn_server *server;
    struct conn_arrival arrival;
};

/* loop stays the caller's; limits are copied.  hash_seed: from the prng. */
void admission_init(struct admission *admission, struct loop *loop,
                    const struct admission_limits *limits, uint64_t hash_seed);

/* Every ticket must be back: the loop has turned after the last server stopped. */
void admission_deinit(struct admission *admission);

/* Other limits (copied) for those who come from now on. */
void admission_set_limits(struct admission *admission, const struct admission_limits *limits);

/* refresh runs first in every admission_admit; it may call admission_set_limits. */
void admission_set_refresh(struct admission *admission, void (*refresh)(void *context),
                           void *context);

/* May arrival (whose peer is set) come in?  ERR_FULL: connections_max. ERR_TOO_LARGE: the limit of
 * its address, connections_per_ip_max or an override. ERR_NOMEM.  On OK the arrival is copied into
 * the ticket, which is the arrival's ticket from now on, and has its accept number. */
must_use enum err admission_admit(struct admission *admission, const struct conn_arrival *arrival,
                                  struct admission_ticket **out);

/* On the admission's loop: hand the socket to server, by mail when it lives on another loop. */
void admission_deliver(struct admission_ticket *ticket, struct conn_server *server);

#endif
