/* Committed offsets: one client writes, in one group of its own. */
#include "tests/sim/oracle_private.h"
#include "tests/sim/sim_marks.h"

#include <inttypes.h>

void oracle_commit_take(struct oracle *oracle, const struct history_event *event)
{
    oracle_private_raise(&oracle->clients[event->client].attempted[event->partition],
                         (int64_t)event->value);
    oracle->clients[event->client].attempted_ns[event->partition] = event->time_ns;
}

void oracle_commit_take_ok(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_client *client = &oracle->clients[event->client];

    client->committed_ns[event->partition] = client->attempted_ns[event->partition];
    oracle_private_raise(&oracle->clients[event->client].committed[event->partition],
                         (int64_t)event->value);
}

int64_t oracle_committed(const struct oracle *oracle, uint32_t client, uint32_t partition)
{
    return oracle->clients[client].committed[partition];
}

void oracle_commit_take_info(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_client *client = &oracle->clients[event->client];

    client->doubts = oracle_private_grown(client->doubts, client->doubts_count + 1,
                                          &client->doubts_capacity, sizeof(*client->doubts));
    client->doubts[client->doubts_count++] =
        (struct oracle_doubt){event->partition, (int64_t)event->value};
}

/* Offsets of a client grow, so all between the last acknowledged and the largest attempted are
 * allowed; and each of unknown fate, because the network may still hold its request. */
void oracle_commit_take_fetched(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_client *client = &oracle->clients[event->client];

    if (event->offset == -1 && event->floor_high >= 0 && oracle->offsets_retention_ms > 0 &&
        oracle_age_is_over(&oracle->age, client->committed_ns[event->partition],
                           oracle->offsets_retention_ms)) {
        sim_mark(MARK_OFFSET_EXPIRED);
        client->committed[event->partition] = -1;
        return;
    }
    for (uint64_t i = 0; i < client->doubts_count; i++)
        if (client->doubts[i].partition == event->partition &&
            client->doubts[i].offset == event->offset)
            return;
    if (event->offset < event->floor_high)
        oracle_private_complain(oracle, "G3", event, "committed %" PRId64 " and now %" PRId64,
                                event->floor_high, event->offset);
    if (event->offset > client->attempted[event->partition])
        oracle_private_complain(oracle, "G4", event,
                                "offset %" PRId64 " and nobody committed over %" PRId64,
                                event->offset, client->attempted[event->partition]);
}
