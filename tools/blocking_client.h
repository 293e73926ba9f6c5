/* blocking_client: one broker and one request at a time, waited for: what most commands need of the
 * client room.
 *
 * A loop of its own, which turns only while a call waits; every wait has a deadline. */
#ifndef LEVEE_TOOLS_BLOCKING_CLIENT_H
#define LEVEE_TOOLS_BLOCKING_CLIENT_H

#include "base/arena.h"
#include "net/protocol/header.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/kafka_tables.h"

#include <stdbool.h>

struct blocking_client;

/* addresses: "host:port" (a list takes the first that answers; host may be a name).  timeout_ms: of
 * connecting and of each answer.  ERR_REFUSED (also an unknown host), ERR_TIMEOUT, ERR_INVALID (no
 * address); problem says of each address what is wrong with it. */
must_use enum err blocking_client_open(const char *addresses, int32_t timeout_ms,
                                       struct blocking_client **out, char *problem,
                                       size_t problem_max);
void blocking_client_close(struct blocking_client *client); /* NULL is allowed */

/* The newest version of key that both sides know; -1: the broker does not serve it, or is gone. */
int16_t blocking_client_version(struct blocking_client *client, int16_t key);

/* Send request (the struct of key) in the newest version and read the answer into *response, which
 * lies in arena; its strings and bytes point into the client and live until the next call.
 * ERR_UNSUPPORTED: the broker does not serve the key.  After another error the connection is closed
 * and the next call makes a new one: whether the request was executed is not known. */
must_use enum err blocking_client_call(struct blocking_client *client, int16_t key,
                                       const void *request, struct arena *arena,
                                       const void **response);

/* The same in a version at most max_version. */
must_use enum err blocking_client_call_at_most(struct blocking_client *client, int16_t key,
                                               int16_t max_version, const void *request,
                                               struct arena *arena, const void **response);

#endif
