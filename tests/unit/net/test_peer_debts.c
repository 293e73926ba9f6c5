#include "base/mem.h"
#include "net/peer_debts.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>
#include <sys/socket.h>

static struct peer_debts debts;

static void setup(void)
{
    peer_debts_init(&debts, 5);
}

static void teardown(void)
{
    peer_debts_deinit(&debts);
    cr_assert(eq(u64, mem_used_count(), 0));
}

TestSuite(peer_debts, .init = setup, .fini = teardown);

/* Are they one peer's?  first and last: of the address; an IPv6 one has zeros between. */
static bool are_one(uint16_t family, const uint8_t first[8], const uint8_t last[8],
                    const uint8_t other_first[8], const uint8_t other_last[8])
{
    struct io_address one = {.family = family, .port = 1000};
    struct io_address other = {.family = family, .port = 2000};
    struct peer_debt *a, *b;
    bool same;

    memcpy(one.ip, first, 8);
    memcpy(one.ip + 8, last, 8);
    memcpy(other.ip, other_first, 8);
    memcpy(other.ip + 8, other_last, 8);
    a = peer_debts_join(&debts, &one);
    b = peer_debts_join(&debts, &other);
    cr_assert_not_null(a);
    cr_assert_not_null(b);
    same = a == b;
    peer_debts_leave(&debts, a);
    peer_debts_leave(&debts, b);
    return same;
}

static const uint8_t none[8];
static const uint8_t net[8] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 7};
static const uint8_t other_net[8] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 8};
static const uint8_t host[8] = {0, 0, 0, 0, 0, 0, 0, 1};
static const uint8_t other_host[8] = {0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 1};
static const uint8_t ip4[8] = {192, 0, 2, 1};
static const uint8_t other_ip4[8] = {192, 0, 2, 2};

Test(peer_debts, connections_of_an_address_are_one_whatever_their_ports)
{
    cr_assert(are_one(AF_INET, ip4, none, ip4, none));
    cr_assert(not(are_one(AF_INET, ip4, none, other_ip4, none)));
    cr_assert(are_one(AF_INET6, net, host, net, host));
}

/* Who has one address of a network has all of them. */
Test(peer_debts, so_are_those_of_an_ipv6_network)
{
    cr_assert(are_one(AF_INET6, net, host, net, other_host));
    cr_assert(not(are_one(AF_INET6, net, host, other_net, host)));
}

Test(peer_debts, but_not_ipv4_addresses_that_are_mapped_and_ours)
{
    static const uint8_t mapped[8] = {0, 0, 0xff, 0xff, 192, 0, 2, 1};
    static const uint8_t other_mapped[8] = {0, 0, 0xff, 0xff, 192, 0, 2, 2};

    cr_assert(not(are_one(AF_INET6, none, mapped, none, other_mapped)));
    cr_assert(not(are_one(AF_INET6, none, mapped, none, host)));
    cr_assert(are_one(AF_INET6, none, mapped, none, mapped));
}
