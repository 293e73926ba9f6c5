/* producer_shares: who brought the producer ids of a partition, or of a shard, and which one of
 * them has to go when there are too many.
 *
 * Part of a producer_state (of one partition), and of a store (of all its partitions); on its loop.
 * An id has the owner who wrote with it last: a number that the writer's side gives (the address of
 * a client).  What a start has read is recovered: its owner is not known any more.
 *   PSH-1  who holds as much as an equal part of known_max gives way to himself: his own longest
 *          idle id goes for his new one; else the longest idle one of whoever holds most (of
 *          equals: of whose has been idle for longest).  So nobody's ids go while he holds less
 *          than his part
 *   PSH-2  recovered ids count apart: no newcomer takes the place of as many as a file holds after
 *          one life and the journal may add, 2 * known_max.  Those beyond that go, longest idle
 *          first, when all together are PRODUCER_SHARES * known_max
 *   PSH-3  pinned ids (an open transaction) stay.  New ones are pinned up to seven eighths of
 *          known_max, and from a half on up to an equal part of that for each owner: so there is
 *          always one that may go, and nobody keeps the others from their transactions
 *   PSH-4  an owner is known while he holds an id, or is the one for whom room was reserved last,
 * whose own last id may go to make that room */
#ifndef LEVEE_STORAGE_LOG_PRODUCER_SHARES_H
#define LEVEE_STORAGE_LOG_PRODUCER_SHARES_H

#include "base/err.h"
#include "base/hash_map.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

/* Nobody's: what is taken from elsewhere as it is, and what a start rebuilds from segments, until
 * it is settled.  An owner like others. */
enum { PRODUCER_OWNER_NONE = 0 };

/* A number below 2^24 in place of an owner's, for the journal: what is replayed from there has
 * these as owners, so that who brought few does not pay for who brought many (PSH-1).  Only NONE's
 * is 0. */
uint32_t producer_shares_short(uint64_t owner);

enum { PRODUCER_SHARES = 3 }; /* PSH-2 */

struct producer_owner;

/* One id, embedded in its entry. */
struct producer_share {
    struct list node; /* of the owner's ids, or the recovered ones, those that are pinned apart;
                       * longest idle first */
    struct producer_owner *owner; /* NULL: recovered */
    uint64_t used_at;             /* in uses of all ids: what "idle" is measured in */
    bool pinned;
};

struct producer_shares {
    uint32_t known_max;
    uint32_t known_count; /* ids with an owner */
    uint32_t recovered_count;
    uint32_t pinned_count; /* of both */
    struct list recovered, recovered_pinned;
    struct hash_map owners;       /* by number */
    struct producer_owner **heap; /* the same, the first one gives way first (PSH-1) */
    uint32_t heap_capacity;
    struct producer_owner *reserved; /* whose add or use is next; or NULL */
    uint64_t uses_count;
};

/* known_max > 0.  seed: for the table. */
void producer_shares_init(struct producer_shares *shares, uint64_t seed, uint32_t known_max);

/* No id is there any more.  Zeroed ones are accepted. */
void producer_shares_deinit(struct producer_shares *shares);

/* The memory that the next add or use by that owner needs.  ERR_NOMEM. */
must_use enum err producer_shares_reserve(struct producer_shares *shares, uint64_t owner);

/* The id that has to go before owner, for whom room is reserved, adds one (is_new) or takes over a
 * recovered one; ask again until NULL: nobody has to, or nobody may (PSH-3). */
struct producer_share *producer_shares_victim(const struct producer_shares *shares, uint64_t owner,
                                              bool is_new);

/* A new id (zeroed but for pinned); room is reserved for its owner. */
void producer_shares_add(struct producer_shares *shares, struct producer_share *share,
                         uint64_t owner);

/* One that a file had. */
void producer_shares_add_recovered(struct producer_shares *shares, struct producer_share *share);

/* It was written with, by owner, for whom room is reserved: he has it now. */
void producer_shares_use(struct producer_shares *shares, struct producer_share *share,
                         uint64_t owner);

/* It has an open transaction, or has none any more. */
void producer_shares_pin(struct producer_shares *shares, struct producer_share *share, bool pinned);

/* May owner, for whom room is reserved, have one more that is pinned (PSH-3)? */
bool producer_shares_may_pin(const struct producer_shares *shares, uint64_t owner);

/* A start has taken it as it was: it is recovered from now on. */
void producer_shares_settle(struct producer_shares *shares, struct producer_share *share);

void producer_shares_remove(struct producer_shares *shares, struct producer_share *share);

/* The number of the owner, PRODUCER_OWNER_NONE for a recovered one. */
uint64_t producer_shares_owner(const struct producer_share *share);

#endif
