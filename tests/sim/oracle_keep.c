/* What may be gone: below the log start by age, size or a request; in the mode cache, what a power
 * loss took. */
#include "tests/sim/oracle_keep.h"

#include "tests/sim/sim_marks.h"

#include <inttypes.h>

enum {
    RECORD_OVERHEAD_BYTES = 61 + 250, /* at most: the batch's header, key, headers, lengths */
    FLUSHED_AFTER_SECONDS = 60,       /* in the mode cache: at the latest, whatever stalls */
    AHEAD_MAX_MS = 3600 * 1000,       /* of the broker's clock: what a record's time counts */
};

void oracle_set_rules(struct oracle *oracle, uint32_t partition, const struct oracle_rules *rules)
{
    oracle->partitions[partition].rules = *rules;
}

bool oracle_keep_is_stale(const struct oracle *oracle, const struct history_event *event)
{
    const struct oracle_partition *partition = &oracle->partitions[event->partition];

    return partition->rules.cache && event->asked_ns != 0 &&
           event->asked_ns < partition->power_lost_ns;
}

bool oracle_keep_trims(const struct oracle_partition *partition)
{
    return partition->rules.retention_ms >= 0 || partition->rules.retention_bytes >= 0 ||
           partition->delete_asked > 0;
}

/* ---- the log start */

/* At most so many bytes lie at start and behind it. */
static int64_t bytes_from(const struct oracle *oracle, uint32_t partition, int64_t start)
{
    int64_t bytes = 0;

    for (uint32_t c = 0; c < HISTORY_CLIENTS_MAX; c++) {
        const struct oracle_client *client = &oracle->clients[c];
        for (uint64_t i = 0; i < client->sends_count; i++) {
            const struct oracle_send *send = &client->sends[i];
            if (send->fate == FATE_NONE || send->fate == FATE_FAIL ||
                send->partition != partition || (send->offset >= 0 && send->offset < start))
                continue;
            bytes += RECORD_OVERHEAD_BYTES + (send->value_bytes > 0 ? send->value_bytes : 0);
        }
    }
    return bytes;
}

static bool is_old(struct oracle *oracle, const struct oracle_partition *partition,
                   const struct oracle_slot *slot)
{
    const struct oracle_send *send = oracle_private_send(oracle, slot->value);
    int64_t timestamp_ms = send->timestamp_ms;

    if (partition->rules.retention_ms < 0)
        return false;
    if (partition->rules.append_time && !slot->timestamp_known)
        return true;
    if (partition->rules.append_time)
        timestamp_ms = slot->timestamp_ms;
    if (oracle->wall_min_ms != 0 && timestamp_ms - oracle->wall_min_ms > AHEAD_MAX_MS)
        return true; /* once it was so far ahead of the broker that its file's time counted */
    return timestamp_ms <=
           oracle_age_highest_ms(&oracle->age, send->sent_ns) - partition->rules.retention_ms;
}

void oracle_keep_take_start(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_partition *partition = &oracle->partitions[event->partition];
    bool by_size;

    if (event->low <= partition->low)
        return;
    by_size = partition->rules.retention_bytes >= 0 &&
              bytes_from(oracle, event->partition, event->low) >= partition->rules.retention_bytes;
    if (by_size)
        sim_mark(MARK_LOG_START_BY_SIZE);
    for (int64_t offset = partition->low; offset < event->low; offset++) {
        const struct oracle_slot *slot;
        if (offset >= partition->slots_count || by_size)
            break;
        slot = &partition->slots[offset];
        if (!slot->known || slot->in_doubt || offset < partition->delete_asked)
            continue;
        if (is_old(oracle, partition, slot)) {
            sim_mark(MARK_LOG_START_BY_AGE);
            continue;
        }
        oracle_private_complain(oracle, "L14", event,
                                "the log start is %" PRId64 ", and value %" PRIx64
                                " at offset %" PRId64 " should still be there",
                                event->low, slot->value, offset);
        break;
    }
    partition->low = event->low;
}

/* ---- the mode cache */

void oracle_keep_cut(struct oracle *oracle, struct oracle_partition *partition, int64_t offset)
{
    for (; offset < partition->slots_count; offset++) {
        struct oracle_slot *slot = &partition->slots[offset];
        struct oracle_send *send;
        if (!slot->known || !slot->in_doubt)
            continue;
        send = oracle_private_send(oracle, slot->value);
        if (send->offset == offset)
            send->offset = -1;
        if (send->fate == FATE_OK)
            send->fate = FATE_INFO;
        *slot = (struct oracle_slot){0};
        sim_mark(MARK_CACHE_LOST);
    }
}

void oracle_keep_confirm(struct oracle_partition *partition, int64_t offset)
{
    for (; offset >= 0 && partition->slots[offset].in_doubt; offset--)
        partition->slots[offset].in_doubt = false;
}

void oracle_keep_take_power_lost(struct oracle *oracle, const struct history_event *event)
{
    for (uint32_t p = 0; p < HISTORY_PARTITIONS_MAX; p++) {
        struct oracle_partition *partition = &oracle->partitions[p];
        int64_t kept = partition->low;
        if (!partition->rules.cache)
            continue;
        partition->power_lost_ns = event->time_ns;
        for (int64_t offset = 0; offset < partition->slots_count; offset++) {
            struct oracle_slot *slot = &partition->slots[offset];
            if (!slot->known)
                continue;
            if (slot->since_ns + FLUSHED_AFTER_SECONDS * 1000000000ULL > event->time_ns)
                slot->in_doubt = true;
            else if (!slot->in_doubt)
                kept = offset + 1;
        }
        partition->high = partition->stable = kept;
    }
}
