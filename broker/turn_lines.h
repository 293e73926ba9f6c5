/* turn_lines: who waits for a turn of something.  A request's waiters stand in one line; the lines
 * of one client have its turns one after the other, and so have the clients, so that neither a
 * request with many waiters nor a client with many requests holds up the others.
 *
 * Owned by one loop.  A waiter is embedded in its caller's struct. */
#ifndef LEVEE_BROKER_TURN_LINES_H
#define LEVEE_BROKER_TURN_LINES_H

#include "base/err.h"
#include "base/hash_map.h"
#include "base/list.h"

#include <stdint.h>

struct turn_line;

/* Whose turn it is. */
struct turn_owner {
    uint64_t client; /* producer_owner_of its address */
    const void *request;
};

struct turn_waiter {
    struct list node;
    struct turn_line *line; /* NULL: it does not wait */
};

struct turn_lines {
    struct list clients; /* whose turn is next first */
    struct hash_map by_client;
    struct hash_map by_request;
};

void turn_lines_init(struct turn_lines *lines, uint64_t seed);

/* Nobody waits any more afterwards. */
void turn_lines_deinit(struct turn_lines *lines);

/* At the end of its request's line.  ERR_NOMEM. */
must_use enum err turn_lines_add(struct turn_lines *lines, struct turn_waiter *waiter,
                                 const struct turn_owner *owner);

/* Whose turn it is; it waits no longer.  NULL: nobody waits. */
struct turn_waiter *turn_lines_next(struct turn_lines *lines);

/* One that does not wait is accepted. */
void turn_waiter_leave(struct turn_waiter *waiter);

static inline bool turn_lines_is_empty(const struct turn_lines *lines)
{
    return list_is_empty(&lines->clients);
}

#endif
