/* client: a blocking Kafka client for the command line: one connection, one request at a time.
 *
 * For the commands of tools/ only; the broker's own outgoing connections are net/dial.  Every wait
 * has a deadline. */
#ifndef LEVEE_TOOLS_CLIENT_H
#define LEVEE_TOOLS_CLIENT_H

#include "base/arena.h"
#include "net/protocol/header.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/kafka_tables.h"

#include <stdbool.h>

struct client;

/* address: "host:port" (a list takes the first that answers; host may be a name).  timeout_ms: of
 * connecting and of each answer.  ERR_REFUSED (also an unknown host), ERR_TIMEOUT, ERR_INVALID (no
 * address); problem says of each address what is wrong with it. */
must_use enum err client_open(const char *addresses, int32_t timeout_ms, struct client **out,
                              char *problem, size_t problem_max);
void client_close(struct client *client);

/* The newest version of key that both sides know; -1: the broker does not serve it. */
int16_t client_version(const struct client *client, int16_t key);

/* Send request (the struct of key) in client_version(key) and read the answer into *response, which
 * lies in arena; its strings and bytes point into the client and live until the next call.
 * ERR_UNSUPPORTED: the broker does not serve the key.  After another error the connection is closed
 * and the next call makes a new one: whether the request was executed is not known. */
must_use enum err client_call(struct client *client, int16_t key, const void *request,
                              struct arena *arena, const void **response);

/* The same in a version at most max_version. */
must_use enum err client_call_at_most(struct client *client, int16_t key, int16_t max_version,
                                      const void *request, struct arena *arena,
                                      const void **response);

/* How long a command asks again after errors that may pass by themselves. */
struct patience {
    int64_t deadline_ms; /* monotonic */
    int64_t pause_ms;    /* before the next try; doubles */
};

struct patience patience_begin(int32_t timeout_ms);

/* Sleeps and says true when it is worth asking again: a retriable error of Kafka's (but not that a
 * topic does not exist), or a lost connection; false also when no time is left. */
bool patience_with_kafka(struct patience *patience, int16_t error_code);
bool patience_with(struct patience *patience, enum err err);

#endif
