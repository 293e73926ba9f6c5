/* listener: one address at which clients connect; deals the connections out to conn_servers in
 * turn, on its own and other loops.
 *
 * Lives on the loop of its admission. */
#ifndef LEVEE_NET_LISTENER_H
#define LEVEE_NET_LISTENER_H

#include "net/admission.h"

struct listener;

struct listener_options {
    const char *name; /* "PLAINTEXT"; stays the caller's */
    uint32_t index;   /* among the owner's, below CONN_LISTENERS_MAX */
    struct io_address at;
    uint32_t backlog;
    struct conn_server *const *servers; /* one for each loop; the array stays the caller's */
    uint32_t server_count;
    struct admission *admission;
    /* Optional.  A connection was not let in: err of admission_admit (peer is set), or the kernel's
     * (ERR_NOMEM: no descriptors left; peer is NULL; accepting goes on after a pause). */
    void (*refused)(void *context, struct listener *listener, const struct io_address *peer,
                    enum err err);
    void *context;
};

struct listener {
    struct listener_options options;
    struct loop *loop;
    struct io_address bound; /* options.at with the port that was given */
    struct io_accept accept;
    struct task closed_task;
    void (*closed)(struct listener *listener);
    uint32_t next_server;
    int32_t fd; /* -1: closed */
    bool closing;
};

/* Bind and listen; connections wait in the kernel until listener_start.  ERR_IN_USE: the address is
 * another process's.  ERR_PERMISSION, ERR_REFUSED (no such address here) and others: nothing is
 * open. */
must_use enum err listener_open(struct listener *listener, const struct listener_options *options);

/* On the listener's loop, once. */
void listener_start(struct listener *listener);

/* Accept no more; closed runs once, from the loop, when the socket is closed.  All sockets
 * accepted before are delivered, or posted, by then. */
void listener_close(struct listener *listener, void (*closed)(struct listener *listener));

#endif
