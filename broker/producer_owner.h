/* producer_owner: who brings producer ids, as a number that storage counts them by.
 *
 * There are no principals yet, so it is the client's address: IPv4 as it is, IPv6 by its first 64
 * bits, because a host may take any address behind them.  Never PRODUCER_OWNER_NONE. */
#ifndef LEVEE_BROKER_PRODUCER_OWNER_H
#define LEVEE_BROKER_PRODUCER_OWNER_H

#include "base/io.h"
#include "base/log_line.h"
#include "storage/log/producer_state.h"

uint64_t producer_owner_of(const struct io_address *peer);

/* "192.0.2.1", "2001:db8::/64"; what is no owner: "". */
void producer_owner_format(uint64_t owner, char text[IO_ADDRESS_TEXT_MAX]);

/* Lines about producers that were forgotten for others (LVE-2211), one a minute. */
struct forgotten_lines {
    uint64_t told_ns;
    uint64_t count; /* since then */
};

/* One more, of that partition. */
void forgotten_lines_note(struct forgotten_lines *lines, uint64_t now_ns, struct log_sink *sink,
                          const char *topic, int32_t partition,
                          const struct producer_forgotten *forgotten);

#endif
