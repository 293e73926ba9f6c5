/* sim_sock: a socket of a host: listening, connecting or one end of a connection (sim_conn).
 *
 * Owned by who created or accepted it, until sim_sock_close or sim_sock_abandon.  Its promises are
 * those of the network: sim_net.h, SNT-1 to SNT-4. */
#ifndef LEVEE_TESTS_SIM_SOCK_H
#define LEVEE_TESTS_SIM_SOCK_H

#include "base/io.h"
#include "base/list.h"
#include "tests/sim/sim_queue.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct sim_conn;
struct sim_net;

enum sim_sock_state { SIM_SOCK_NEW, SIM_SOCK_LISTENING, SIM_SOCK_CONNECTING, SIM_SOCK_CONNECTED };

struct sim_sock {
    struct sim_net *net;
    uint64_t id;
    uint32_t host;
    enum sim_sock_state state;
    struct io_address local;
    struct io_address peer;
    int error; /* what ended the connection: a positive errno value */
    /* listening */
    struct list node;
    struct list backlog; /* of sim_sock.waiting */
    uint32_t backlog_count;
    uint32_t backlog_max;
    struct list waiting; /* in a backlog */
    /* connecting */
    struct sim_event connect_event;
    uint64_t connect_deadline_ns;
    int connect_result; /* negative errno; 0: done; 1: under way */
    /* connected */
    struct sim_conn *conn;
    uint32_t side;
    /* its owner */
    void (*notify)(struct sim_sock *sock); /* something changed: try again; may be NULL */
    void *context;
};

/* --- calls; negative errno values --- */

struct sim_sock *sim_sock_create(struct sim_net *net, uint32_t host);

/* Orderly, as the kernel does: what was sent still arrives, then the end; a reset instead when
 * there are bytes not read.  Frees sock. */
void sim_sock_close(struct sim_sock *sock);

/* The host lost power: no end, no reset.  Frees sock. */
void sim_sock_abandon(struct sim_sock *sock);

/* -EADDRINUSE.  Port 0: one is chosen; see sock->local. */
int sim_sock_listen(struct sim_sock *sock, const struct io_address *at, uint32_t backlog_max);

/* The oldest waiting connection; NULL when there is none. */
struct sim_sock *sim_sock_accept(struct sim_sock *listener);

/* Later sock->connect_result is 0 or negative, and notify runs. */
void sim_sock_connect(struct sim_sock *sock, const struct io_address *to);
void sim_sock_connect_cancel(struct sim_sock *sock);

/* Bytes taken; -EAGAIN when there is no room; -EPIPE, -ECONNRESET, -ENOTCONN. */
int32_t sim_sock_send(struct sim_sock *sock, const struct iovec *vec, uint32_t vec_count);

/* Bytes given; 0 at the end; -EAGAIN when nothing is there; -ECONNRESET, -ENOTCONN. */
int32_t sim_sock_recv(struct sim_sock *sock, void *bytes, uint32_t size_bytes);

/* Would sim_sock_recv give anything but -EAGAIN?  Would sim_sock_accept give a socket? */
bool sim_sock_is_readable(const struct sim_sock *sock);
bool sim_sock_is_acceptable(const struct sim_sock *sock);

/* Both directions. */
void sim_sock_shutdown(struct sim_sock *sock);

/* --- faults from a test --- */

/* What sock sends from now on: hold it, or release. */
void sim_sock_hold(struct sim_sock *sock, bool held);

/* Reset the connection when that many more bytes of what sock sends have arrived. */
void sim_sock_cut_after(struct sim_sock *sock, uint64_t size_bytes);

/* Half-open: nothing that sock sends, its end included, arrives any more. */
void sim_sock_silence(struct sim_sock *sock);

/* Reset both ends now. */
void sim_sock_reset(struct sim_sock *sock);

/* Bytes that sock has sent and that its peer has not read. */
uint64_t sim_sock_unread_bytes(const struct sim_sock *sock);

#endif
