/* conn_private: what conn.c, conn_input.c and conn_server.c tell each other. */
#ifndef LEVEE_NET_CONN_PRIVATE_H
#define LEVEE_NET_CONN_PRIVATE_H

#include "net/conn_server.h"

/* ---- conn.c */

/* Begin to receive on arrival->fd.  NULL: no memory, or the peer is gone. */
struct conn *conn_create(struct conn_server *server, const struct conn_arrival *arrival);

/* Send what is ready; end the connection when it is time. */
void conn_flush(struct conn *conn);

/* The server stops: requests not yet whole are forgotten. */
void conn_drain(struct conn *conn);

/* Does what arrives become requests? */
bool conn_takes_requests(const struct conn *conn);

/* The peer takes no more answers: read and execute what it has sent (CON-6), then close. */
void conn_lapse(struct conn *conn, enum conn_close_reason reason);

/* Bytes came or went. */
void conn_touch(struct conn *conn);

/* Idle is who keeps us waiting: nothing is asked, or the answers are not taken.  Of one that has
 * sent too much to be received from nothing is known: it has as long (as in Kafka, which does not
 * look for more while a request is in work). */
void conn_update_idle(struct conn *conn);

/* ---- conn_input.c */

/* The first bytes may come now. */
void conn_begin_receiving(struct conn *conn);

/* Receive on, unless that is under way or may not be.  A blocked connection is received from as
 * long as there is room for what comes: so we learn that its peer went away. */
void conn_receive(struct conn *conn);

/* Take up reading after a block.  True: at least one request was started. */
bool conn_go_on(struct conn *conn);

/* Its frame is whole: may it begin, as far as the connection is concerned? */
bool conn_has_own_room(const struct conn *conn);

/* ---- conn_server.c */

/* conn_flush soon, in this turn if possible. */
void conn_server_mark_dirty(struct conn_server *server, struct conn *conn);

/* conn may go on: conn_go_on soon. */
void conn_server_mark_ready(struct conn_server *server, struct conn *conn);

/* conn, blocked with its kind set, waits for SRV-2, SRV-4 or create; or for memory of a frame. */
void conn_server_wait(struct conn_server *server, struct conn *conn);
void conn_server_wait_memory(struct conn_server *server, struct conn *conn);

/* Something of the server's budgets came back; or memory of frames. */
void conn_server_budget_back(struct conn_server *server);
void conn_server_memory_back(struct conn_server *server);

/* Those that wait for memory of a frame go on now, the one that waits longest first; those that
 * want little do not wait behind those that want much. */
void conn_server_feed_hungry(struct conn_server *server);

/* May the whole frame of conn begin, as far as SRV-2, SRV-3 and SRV-4 are concerned? *kind_out:
 * what it is, or what it waits as. */
bool conn_server_has_budget(const struct conn_server *server, const struct conn *conn, uint8_t lane,
                            bool is_long, enum conn_kind *kind_out);

/* May conn begin such a request beside the unsent answers that it has (SRV-4)? */
bool conn_server_lets_owe(const struct conn_server *server, const struct conn *conn, bool is_long);

/* An answer of so many bytes counts from now on, or no longer, among the long or the short ones. */
void conn_server_owe(struct conn_server *server, struct conn *conn, uint64_t bytes);
void conn_server_settle(struct conn_server *server, struct conn *conn, uint64_t bytes);

/* conn waits no longer, for whatever it waited. */
void conn_server_end_wait(struct conn_server *server, struct conn *conn);

/* ---- conn_watch.c */

/* A send or a frame began, went on or ended. */
void conn_watch_update(struct conn *conn);
void conn_watch_init(struct conn_server *server);
void conn_watch_deinit(struct conn_server *server);

/* conn became idle, is active while idle, or is no longer idle. */
void conn_server_update_idle(struct conn_server *server, struct conn *conn, bool idle);

/* conn leaves the lists; the caller frees it. */
void conn_server_forget(struct conn_server *server, struct conn *conn);

#endif
