#include "net/peer_debts.h"

#include "base/check.h"
#include "base/mem.h"

#include <string.h>
#include <sys/socket.h>

enum { NETWORK_BYTES = 8 };

void peer_debts_init(struct peer_debts *debts, uint64_t hash_seed)
{
    hash_map_init(&debts->by_ip, hash_seed);
}

void peer_debts_deinit(struct peer_debts *debts)
{
    check(hash_map_count(&debts->by_ip) == 0);
    hash_map_deinit(&debts->by_ip);
}

/* ::1, and IPv4 addresses that are mapped, are of no network. */
static bool is_of_network(const struct io_address *peer)
{
    static const uint8_t none[NETWORK_BYTES];

    return peer->family == AF_INET6 && memcmp(peer->ip, none, NETWORK_BYTES) != 0;
}

struct peer_debt *peer_debts_join(struct peer_debts *debts, const struct io_address *peer)
{
    struct peer_debt *debt;
    uint8_t key[sizeof(debt->key)];

    memcpy(key, &peer->family, sizeof(peer->family));
    memcpy(key + sizeof(peer->family), peer->ip, sizeof(peer->ip));
    if (is_of_network(peer))
        memset(key + sizeof(peer->family) + NETWORK_BYTES, 0, sizeof(peer->ip) - NETWORK_BYTES);
    debt = hash_map_find(&debts->by_ip, key, sizeof(key));
    if (debt == NULL) {
        debt = mem_try_alloc(sizeof(*debt));
        if (debt == NULL)
            return NULL;
        memcpy(debt->key, key, sizeof(key));
        list_init(&debt->waiting);
        if (hash_map_insert(&debts->by_ip, debt->key, sizeof(debt->key), debt) != OK) {
            mem_free(debt);
            return NULL;
        }
    }
    debt->conn_count++;
    return debt;
}

void peer_debts_leave(struct peer_debts *debts, struct peer_debt *debt)
{
    if (--debt->conn_count > 0)
        return;
    check(debt->long_bytes == 0 && debt->short_bytes == 0 && list_is_empty(&debt->waiting));
    (void)hash_map_remove(&debts->by_ip, debt->key, sizeof(debt->key));
    mem_free(debt);
}
