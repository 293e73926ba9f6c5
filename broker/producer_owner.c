#include "broker/producer_owner.h"

#include "record/big_endian.h"

#include <stdio.h>
#include <sys/socket.h>

/* No IPv6 address of a host begins so: ff00::/8 is multicast. */
static const uint64_t ipv4_prefix = 0xffff000100000000;
static const uint64_t local_prefix = 0xffff000200000000; /* ::/64, as ::1 */

static const uint64_t line_interval_ns = 60000000000;

uint64_t producer_owner_of(const struct io_address *peer)
{
    uint64_t network;

    if (peer->family != AF_INET6)
        return ipv4_prefix | big_endian_get_u32(peer->ip);
    network = big_endian_get_u64(peer->ip);
    return network != 0 ? network : local_prefix | big_endian_get_u32(peer->ip + 12);
}

void producer_owner_format(uint64_t owner, char text[IO_ADDRESS_TEXT_MAX])
{
    struct io_address address = {.family = AF_INET6};
    char network[IO_ADDRESS_TEXT_MAX];

    text[0] = 0;
    if (owner == PRODUCER_OWNER_NONE)
        return;
    if (owner >> 32 == ipv4_prefix >> 32) {
        address.family = AF_INET;
        big_endian_put_u32(address.ip, (uint32_t)owner);
        io_address_format_host(&address, text);
        return;
    }
    if (owner >> 32 == local_prefix >> 32) {
        big_endian_put_u32(address.ip + 12, (uint32_t)owner);
        io_address_format_host(&address, text);
        return;
    }
    big_endian_put_u64(address.ip, owner);
    io_address_format_host(&address, network);
    snprintf(text, IO_ADDRESS_TEXT_MAX, "%.59s/64", network);
}

void forgotten_lines_note(struct forgotten_lines *lines, uint64_t now_ns, struct log_sink *sink,
                          const char *topic, int32_t partition,
                          const struct producer_forgotten *forgotten)
{
    char owner[IO_ADDRESS_TEXT_MAX];
    char newcomer[IO_ADDRESS_TEXT_MAX];

    lines->count++;
    if (lines->told_ns != 0 && now_ns - lines->told_ns < line_interval_ns)
        return;
    producer_owner_format(forgotten->owner, owner);
    producer_owner_format(forgotten->for_owner, newcomer);
    log_line(sink, LOG_WARN, "LVE-2211",
             "too many producer ids: the longest idle of a client address was forgotten for a new"
             " one, what it sends again would be stored again",
             log_str("topic", topic), log_i64("partition", partition),
             log_i64("producer_id", forgotten->producer_id), log_str("address", owner),
             log_str("new_of", newcomer),
             log_str("bound", forgotten->of_all ? "all partitions" : "partition"),
             log_u64("since_last_line", lines->count));
    lines->told_ns = now_ns;
    lines->count = 0;
}
