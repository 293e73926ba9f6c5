/* client_names: host names become addresses, beside the loop.
 *
 * The seam for getaddrinfo(3), which blocks: client_names_system asks it on an offload thread; the
 * simulator has numeric addresses and none of these.  One for each process; any loop may ask. */
#ifndef LEVEE_NET_CLIENT_CLIENT_NAMES_H
#define LEVEE_NET_CLIENT_CLIENT_NAMES_H

#include "base/err.h"
#include "base/io.h"
#include "base/loop.h"
#include "base/offload.h"

enum { CLIENT_ADDRESSES_MAX = 8 };

struct client_lookup {
    struct offload_job job;
    const char *host; /* the caller's until done */
    uint16_t port;
    void (*done)(struct client_lookup *lookup, enum err err);
    struct io_address addresses[CLIENT_ADDRESSES_MAX]; /* out */
    uint32_t addresses_count;
    enum err err;
    const char *reason; /* out: a constant text, of an error */
};

struct client_names {
    /* done runs once, from loop, never inside.  ERR_NOT_FOUND: no such host.  ERR_TIMEOUT. */
    void (*look_up)(struct client_names *names, struct client_lookup *lookup, struct loop *loop);
};

/* Asks the system on threads of its own.  ERR_NOMEM. */
must_use enum err client_names_system_create(struct client_names **out);
void client_names_system_destroy(struct client_names *names); /* NULL is allowed */

#endif
