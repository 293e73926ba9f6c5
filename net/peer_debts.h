/* peer_debts: what the connections of one address have been answered and have not taken, together.
 *
 * Part of a conn_server, on its loop.  An address has an entry as long as it has connections.  IPv6
 * addresses of one network (the first 64 bits) are one, as a host may have all of them.
 *   DEBT-1  long_bytes and short_bytes are what its connections' requests count in the budget of
 *       answers (conn_server.h, SRV-4)
 *   DEBT-2  who waits because its address owes too much goes on when it owes less: waiting */
#ifndef LEVEE_NET_PEER_DEBTS_H
#define LEVEE_NET_PEER_DEBTS_H

#include "base/hash_map.h"
#include "base/io.h"
#include "base/list.h"

struct peer_debts {
    struct hash_map by_ip; /* of peer_debt, by key */
};

struct peer_debt {
    uint8_t key[18]; /* family and address, or its network */
    uint32_t conn_count;
    uint64_t long_bytes;
    uint64_t short_bytes;
    struct list waiting; /* of conn.debt_node */
};

/* hash_seed: from the prng, so that nobody outside can choose collisions. */
void peer_debts_init(struct peer_debts *debts, uint64_t hash_seed);

/* Every connection has left.  Zeroed is accepted. */
void peer_debts_deinit(struct peer_debts *debts);

/* A connection of peer begins; NULL: there is no memory. */
must_use struct peer_debt *peer_debts_join(struct peer_debts *debts, const struct io_address *peer);

/* It has ended, owes nothing and does not wait. */
void peer_debts_leave(struct peer_debts *debts, struct peer_debt *debt);

#endif
