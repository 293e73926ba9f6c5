/* client_env: what all objects of one client of Kafka brokers share: its loop, memory, chance,
 * names.
 *
 * Owned by whoever runs the client; it and what it points to outlive every object of the client.
 * One loop; no object of net/client has a thread of its own.  The same objects run in the
 * simulator. */
#ifndef LEVEE_NET_CLIENT_CLIENT_ENV_H
#define LEVEE_NET_CLIENT_CLIENT_ENV_H

#include "base/loop.h"
#include "base/prng.h"
#include "base/slab.h"

struct client_names;

struct client_env {
    struct loop *loop;
    struct slab *slab; /* of frames that arrive; full: what asks waits, in order */
    struct prng *prng;
    struct client_names *names; /* NULL: hosts are numeric addresses or localhost */
    const char *client_id;      /* client.id */
};

#endif
