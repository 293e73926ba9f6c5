/* conn_private: what conn.c and conn_server.c tell each other. */
#ifndef LEVEE_NET_CONN_PRIVATE_H
#define LEVEE_NET_CONN_PRIVATE_H

#include "net/conn_server.h"

/* ---- conn.c */

/* Begin to receive on arrival->fd.  NULL: no memory, or the peer is gone. */
struct conn *conn_create(struct conn_server *server, const struct conn_arrival *arrival);

/* Take up reading after a block.  True: at least one request was started. */
bool conn_go_on(struct conn *conn);

/* Send what is ready; end the connection when it is time. */
void conn_flush(struct conn *conn);

/* The server stops: requests not yet whole are forgotten. */
void conn_drain(struct conn *conn);

/* ---- conn_server.c */

/* conn_flush soon, in this turn if possible. */
void conn_server_mark_dirty(struct conn_server *server, struct conn *conn);

/* conn may go on: conn_go_on soon. */
void conn_server_mark_ready(struct conn_server *server, struct conn *conn);

/* conn waits for V2 or create. */
void conn_server_wait(struct conn_server *server, struct conn *conn);

/* Something of the server's budget came back. */
void conn_server_budget_back(struct conn_server *server);

static inline bool conn_server_has_budget(const struct conn_server *server)
{
    return server->limits.queued_request_max_bytes == 0 ||
           server->queued_request_bytes < server->limits.queued_request_max_bytes;
}

/* conn became idle, is active while idle, or is no longer idle. */
void conn_server_update_idle(struct conn_server *server, struct conn *conn, bool idle);

/* conn leaves the lists; the caller frees it. */
void conn_server_forget(struct conn_server *server, struct conn *conn);

#endif
